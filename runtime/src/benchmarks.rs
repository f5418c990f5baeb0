//! Benchmarks of the market's pallets and of the runtime's extension on this runtime; see
//! [`crate::apis`] for how they are run.
//!
//! `scripts/benchmark-weights` measures them on a blob that was built with the feature
//! `runtime-benchmarks`.

pub mod extensions;

use crate::{
	constants::currency::UNIT, AccountId, Balance, Balances, BlockNumber, Programs, Runtime,
	RuntimeOrigin, Session, SessionKeys, Signature, Stake, System,
};
use alloc::{boxed::Box, format, vec, vec::Vec};
use assay_market::{Hash, JobId, Phase, Purpose, ReasonCode, VerifierId};
use assay_ops::{DType, Op, TensorType};
use assay_program::{program_id, ProgramBuilder};
use codec::Decode;
use frame_support::{
	traits::{fungible::Mutate, Get},
	BoundedVec,
};
use pallet_assay_identity::{IdentityInfo, Roles};
use pallet_assay_jobs::{
	Answer, Audits, Claim, Committed, InputRoots, Job, Jobs, JobsOfKey, Loss, Losses, NextJob,
	Offer, Opened, Seat, Seats, MAX_SEATS,
};
use sp_runtime::{
	traits::{IdentifyAccount, TrailingZeroInput},
	MultiSigner, Permill,
};

frame_benchmarking::define_benchmarks!(
	[frame_system, SystemBench::<Runtime>]
	[extensions, crate::benchmarks::extensions::Pallet::<Runtime>]
	[pallet_assay_arbitration, crate::Arbitration]
	[pallet_assay_decoys, crate::Decoys]
	[pallet_assay_identity, crate::Identity]
	[pallet_assay_jobs, crate::Jobs]
	[pallet_assay_programs, crate::Programs]
	[pallet_assay_stake, crate::Stake]
	[pallet_balances, crate::Balances]
	[pallet_multisig, crate::Multisig]
	[pallet_proxy, crate::Proxy]
	[pallet_sudo, crate::Sudo]
	[pallet_timestamp, crate::Timestamp]
	[pallet_utility, crate::Utility]
);

impl frame_system_benchmarking::Config for Runtime {}

/// Blocks that both agendas are looked at for a place.
const AGENDA_SPILL: u32 = 64;

/// Sets the stage on which jobs are benchmarked.
pub struct Stage;

/// Registers a program, unless it is.
fn register(bytes: Vec<u8>) -> Hash {
	let id = program_id(&bytes);
	if Programs::bytes(&id).is_none() {
		let owner = frame_benchmarking::account("owner", 0, 0);
		Balances::mint_into(&owner, 100_000_000 * UNIT).expect("the issuance has room; qed");
		let bytes = bytes.try_into().expect("the benchmarks' programs are not too long; qed");
		Programs::register_program(RuntimeOrigin::signed(owner), bytes)
			.expect("the program passes its check; qed");
	}
	id
}

/// Gives `who` a balance and a bond.
fn endow(who: &AccountId) {
	Balances::mint_into(who, 100_000_000 * UNIT).expect("the issuance has room; qed");
	Stake::bond(RuntimeOrigin::signed(who.clone()), 10_000_000 * UNIT)
		.expect("the account has the balance and no bond; qed");
}

/// Whatever is due after this block waits for the last block that the agenda of jobs is looked at
/// for.
fn crowd_jobs(due: BlockNumber) {
	let most: u32 = <Runtime as pallet_assay_jobs::Config>::MaxAgenda::get();
	let full: Vec<JobId> = (1_000_000..).take(most as usize).collect();
	for block in due + 1..due + AGENDA_SPILL {
		let full = BoundedVec::truncate_from(full.clone());
		pallet_assay_jobs::Agenda::<Runtime>::insert(block, full);
	}
}

/// The next fault of each of these accounts suspends it, and together they take the last places of
/// those that are suspended. They are members of the electorates from which they are struck.
fn one_fault_left(who: &[AccountId]) {
	let faults: u32 = <Runtime as pallet_assay_stake::Config>::FaultsBeforeSuspension::get();
	let most: u32 = <Runtime as pallet_assay_stake::Config>::MaxCandidates::get();
	let others = (who.len() as u32..most)
		.map(|index| (frame_benchmarking::account("suspended", index, 0), u32::MAX));
	pallet_assay_stake::SuspendedVerifiers::<Runtime>::put(BoundedVec::truncate_from(
		others.collect(),
	));
	let keys = SessionKeys::decode(&mut TrailingZeroInput::zeroes())
		.expect("public keys decode from zeroes; qed");
	let first = pallet_assay_stake::CurrentSession::<Runtime>::get();
	let planned = pallet_assay_stake::LastPlanned::<Runtime>::get();
	let last = planned.map_or(first, |(session, _)| session);
	for who in who {
		pallet_assay_stake::VerifierFaultCounts::<Runtime>::insert(who, faults - 1);
		for session in first..=last {
			let exposure = pallet_assay_stake::Exposure { stake: UNIT };
			pallet_assay_stake::Exposures::<Runtime>::insert(session, who, exposure);
			pallet_assay_stake::Members::<Runtime>::insert(session, who, keys.verifier.clone());
		}
	}
}

impl pallet_assay_jobs::BenchmarkHelper<AccountId> for Stage {
	fn program(inputs: u32, outputs: u32) -> Hash {
		let mut builder = ProgramBuilder::new();
		let ty = TensorType::new(DType::I8, &[32, 32]).expect("a small shape; qed");
		// Every input has to be used: the largest of all, once for each output.
		let first = builder.input("i0", ty);
		let mut largest = builder.copy(first);
		builder.eager(largest);
		for input in 1..inputs {
			let next = builder.input(&format!("i{input}"), ty);
			largest = builder.node(Op::Max, vec![largest.into(), next.into()]);
			builder.eager(largest);
		}
		for output in 0..outputs {
			let node = builder.copy(largest);
			builder.output(&format!("o{output}"), node);
		}
		register(builder.build().expect("the graph is sound; qed").encode())
	}

	fn longest_program() -> Hash {
		register(pallet_assay_arbitration::benchmarking::cases::long_program(2).0.encode())
	}

	fn last_faults(who: &[AccountId]) {
		one_fault_left(who);
	}

	fn provider(who: &AccountId) {
		endow(who);
		let roles = Roles { requester: false, provider: true, verifier: false };
		// Written as it is: a benchmark has no peer key to sign with.
		pallet_assay_identity::Identities::<Runtime>::insert(
			who,
			IdentityInfo {
				roles,
				device: None,
				peer_key: sp_core::ed25519::Public::default(),
				registered_at: System::block_number(),
				deposit: 0,
			},
		);
	}

	fn verifiers(count: u32) {
		let keys = SessionKeys::decode(&mut TrailingZeroInput::zeroes())
			.expect("public keys decode from zeroes; qed");
		let accounts: Vec<AccountId> =
			(0..count).map(|index| frame_benchmarking::account("verifier", index, 0)).collect();
		for account in &accounts {
			if Session::load_keys(account).is_none() {
				endow(account);
				pallet_session::NextKeys::<Runtime>::insert(account, keys.clone());
			}
		}
		// The electorate of the running session, as planning it would have noted it.
		let session = pallet_assay_stake::CurrentSession::<Runtime>::get();
		let stake = 10_000_000 * UNIT;
		for account in &accounts {
			let exposure = pallet_assay_stake::Exposure { stake };
			pallet_assay_stake::Exposures::<Runtime>::insert(session, account, exposure);
			pallet_assay_stake::Members::<Runtime>::insert(session, account, keys.verifier.clone());
		}
		let totals = (count, stake * Balance::from(count));
		pallet_assay_stake::Electorates::<Runtime>::insert(session, totals);
		pallet_session::Validators::<Runtime>::put(accounts);
	}
}

impl pallet_assay_arbitration::BenchmarkHelper<AccountId> for Stage {
	fn opened(
		program: Vec<u8>,
		input_roots: Vec<Hash>,
		steps: u32,
		run_root: Hash,
		trace_root: Hash,
		verifier: (AccountId, VerifierId),
	) -> JobId {
		let program = register(program);
		let id = NextJob::<Runtime>::mutate(|next| {
			*next += 1;
			*next - 1
		});
		let (account, key) = verifier;
		let deadline = System::block_number() + pallet_assay_arbitration::benchmarking::OPEN_BLOCKS;
		// The account that is looked for is the last of the seats.
		let seat = |account: AccountId, key: VerifierId| Seat {
			account,
			key,
			purpose: Purpose::Verify,
			tranche: 0,
			drawn_at: System::block_number(),
			deadline,
			answer: Answer::Revealed { commitment: [0; 32], run_root: [1; 32] },
			segment: None,
		};
		let mut seats: Vec<_> = (1..MAX_SEATS)
			.map(|index| seat(frame_benchmarking::account("seat", index, 0), key.clone()))
			.collect();
		JobsOfKey::<Runtime>::insert(&key, id, ());
		endow(&account);
		one_fault_left(core::slice::from_ref(&account));
		crowd_jobs(pallet_assay_arbitration::benchmarking::DUE);
		seats.push(seat(account, key));
		Seats::<Runtime>::insert(id, BoundedVec::truncate_from(seats));
		let offer = Offer {
			requester: frame_benchmarking::account("requester", 0, 0),
			program,
			input_roots: InputRoots::truncate_from(input_roots),
			steps,
			work_units: 0,
			input_bytes: 0,
			output_bytes: 0,
			assurance: Default::default(),
			audit: Permill::one(),
			price_start: UNIT,
			price_max: UNIT,
			ramp_blocks: 1,
		};
		let opened = Opened {
			run_root,
			trace_root,
			output_roots: Default::default(),
			keepers_redrawn: false,
			condemned: None,
		};
		let mut job = Job::posted([7; 32], offer, Default::default(), System::block_number());
		job.claim = Some(Claim {
			provider: frame_benchmarking::account("provider", 0, 0),
			price: UNIT,
			bond: 0,
			result: Some(Committed {
				commitment: [0; 32],
				checkpoints: None,
				opened: Some(opened),
			}),
		});
		(job.phase, job.deadline) = (Phase::Challengeable, deadline);
		job.audits = Audits {
			tranches: 1,
			wanted: MAX_SEATS,
			needed: 1,
			shares: MAX_SEATS,
			audited: Some(true),
			..Default::default()
		};
		pallet_assay_jobs::Jobs::<Runtime>::insert(id, job);
		id
	}
}

impl pallet_assay_decoys::BenchmarkHelper<AccountId, Signature> for Stage {
	fn signer() -> (AccountId, Box<dyn Fn(&[u8]) -> Signature>) {
		let (public, sign) = pallet_assay_decoys::benchmarking::ecdsa_signer();
		(MultiSigner::from(public).into_account(), Box::new(move |bytes| sign(bytes).into()))
	}

	fn caught(job: JobId, requester: &AccountId, provider: &AccountId) {
		let id = <Self as pallet_assay_jobs::BenchmarkHelper<AccountId>>::program(1, 1);
		let program = Programs::bytes(&id).expect("it was registered; qed");
		let key = VerifierId::decode(&mut TrailingZeroInput::zeroes())
			.expect("public keys decode from zeroes; qed");
		let opened = <Self as pallet_assay_arbitration::BenchmarkHelper<AccountId>>::opened(
			program,
			vec![[0; 32]],
			1,
			[1; 32],
			[2; 32],
			(requester.clone(), key),
		);
		let mut record = Jobs::<Runtime>::take(opened).expect("it was opened; qed");
		record.offer.requester = requester.clone();
		record.claim.as_mut().expect("it was opened; qed").provider = provider.clone();
		record.reason = Some(ReasonCode::ProvenFraud);
		record.history = BoundedVec::truncate_from(vec![(Phase::Posted, System::block_number())]);
		Jobs::<Runtime>::insert(job, record);
		Losses::<Runtime>::insert(job, Loss { burned: UNIT, prover_paid: UNIT, taken: false });
	}
}
