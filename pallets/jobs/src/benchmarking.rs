//! Benchmarks of every call and of the agenda's work.

use super::*;
use alloc::{vec, vec::Vec};
use assay_commitments::{
	open_outputs, result_commitment, run_root, trace_root, verdict_commitment, OutputsOpening,
};
use assay_commitments::{ChunkOpening, ChunkPosition, Path};
use assay_market::{
	lottery::{draw_output, transcript, vector},
	parameters::MAX_COMMITTEE,
	verifier::signing_payload,
	AbstainReason, Assurance, Attestation, Disputes, Hash, JobId, Lottery, LotteryTerms, Phase,
	Programs, Purpose, ReasonCode, SampledChunk, VerifierAction, VerifierId, VerifierSignature,
	Verifiers, SAMPLED_CHUNKS,
};
use frame_benchmarking::v2::*;
use frame_support::{
	assert_ok,
	pallet_prelude::{Authorize, TransactionSource},
	traits::{fungible::Mutate, Get, OnInitialize},
};
use frame_system::{pallet_prelude::BlockNumberFor, RawOrigin};
use sp_application_crypto::RuntimeAppPublic;
use sp_runtime::traits::{Bounded, One, Saturating};

/// Sets the stage in the other pallets.
pub trait BenchmarkHelper<AccountId> {
	/// Registers a program of one step with so many inputs and outputs and gives its id.
	fn program(inputs: u32, outputs: u32) -> Hash;
	/// Makes the account a provider with stake for any bond.
	fn provider(who: &AccountId);
	/// Makes the accounts `account("verifier", 0.., 0)` validators with stake, available to draws.
	fn verifiers(count: u32);
}

/// Outputs of the programs that benchmarks post, where it does not matter.
const OUTPUTS: u32 = 1;

const SALT: Hash = [1; 32];

fn rich<T: Config>(name: &'static str) -> T::AccountId {
	let who: T::AccountId = account(name, 0, 0);
	T::Currency::set_balance(&who, BalanceOf::<T>::max_value() / 1024u32.into());
	who
}

fn post<T: Config>(inputs: u32, outputs: u32) -> JobId {
	let program = T::BenchmarkHelper::program(inputs, outputs);
	let price = Parameters::<T>::get().min_price;
	let id = NextJob::<T>::get();
	assert_ok!(Pallet::<T>::do_post(
		rich::<T>("requester"),
		program,
		vec![[1; 32]; inputs as usize].try_into().expect("within the bound; qed"),
		1,
		(price, price, One::one()),
		Assurance { attestation: Attestation::OptedOut, ..Default::default() },
	));
	id
}

fn provider<T: Config>() -> T::AccountId {
	let who = rich::<T>("provider");
	T::BenchmarkHelper::provider(&who);
	who
}

fn claimed<T: Config>(outputs: u32) -> JobId {
	let id = post::<T>(1, outputs);
	let price = Parameters::<T>::get().min_price;
	assert_ok!(Pallet::<T>::do_claim(provider::<T>(), id, price));
	id
}

/// The run that every benchmark's provider has made.
fn run<T: Config>(id: JobId) -> (Hash, OutputsOpening) {
	let program = Jobs::<T>::get(id).expect("just posted; qed").program;
	let summary = T::Programs::summary(&program).expect("a job's program is registered; qed");
	let anchors = vec![[7; 32]; summary.anchors as usize];
	let traces = vec![trace_root(&anchors)];
	let opening = open_outputs(&traces, &anchors, &summary.outputs).expect("anchors exist; qed");
	(run_root(&traces), opening)
}

fn committed<T: Config>(outputs: u32) -> JobId {
	let id = claimed::<T>(outputs);
	let who = account::<T::AccountId>("provider", 0, 0);
	let bytes = Pallet::<T>::account_bytes(&who);
	let (root, _) = run::<T>(id);
	let commitment = result_commitment(&Pallet::<T>::genesis_hash(), id, &bytes, &root, &SALT);
	assert_ok!(Pallet::<T>::do_commit_result(who, id, commitment, None));
	id
}

/// Seats as many verifiers as there can be, with these answers; the first has a key of its own.
fn seat<T: Config>(id: JobId, purpose: Purpose, answer: Answer) -> (T::AccountId, VerifierId) {
	let key = VerifierId::generate_pair(None);
	let deadline = BlockNumberFor::<T>::max_value();
	let seats: Vec<SeatOf<T>> = (0..MAX_SEATS)
		.map(|index| Seat {
			account: account("verifier", index, 0),
			key: key.clone(),
			purpose: if index == 0 || purpose == Purpose::Verify {
				purpose
			} else {
				Purpose::Verify
			},
			tranche: 0,
			drawn_at: Pallet::<T>::now(),
			deadline,
			answer: if index == 0 {
				answer.clone()
			} else {
				Answer::Opened { commitment: [0; 32], run_root: [0; 32] }
			},
			segment: None,
		})
		.collect();
	JobsOfKey::<T>::insert(&key, id, ());
	Seats::<T>::insert(id, SeatsOf::<T>::try_from(seats).expect("exactly the bound; qed"));
	(account("verifier", 0, 0), key)
}

fn force<T: Config>(id: JobId, phase: Phase) {
	Jobs::<T>::mutate(id, |job| {
		let job = job.as_mut().expect("just posted; qed");
		job.phase = phase;
		job.draw = None;
		job.deadline = BlockNumberFor::<T>::max_value();
		job.wanted = MAX_COMMITTEE;
	});
}

/// A job whose challenge period is over, in which so many verifiers opened the provider's root.
fn vouched<T: Config>(seats: u32) -> JobId {
	let id = committed::<T>(OUTPUTS);
	force::<T>(id, Phase::Challengeable);
	let (root, opening) = run::<T>(id);
	T::BenchmarkHelper::verifiers(MAX_SEATS);
	seat::<T>(id, Purpose::Verify, Answer::Committed([0; 32]));
	Seats::<T>::mutate(id, |all| {
		all.truncate(seats as usize);
		for seat in all.iter_mut() {
			seat.answer = Answer::Revealed { commitment: [0; 32], run_root: root };
			T::Verifiers::lock(&seat.account, id);
		}
	});
	Jobs::<T>::mutate(id, |job| {
		let job = job.as_mut().expect("just posted; qed");
		job.run_root = Some(root);
		job.trace_root = Some(opening.trace_root);
		job.audited = Some(seats > 0);
		job.wanted = 1;
	});
	id
}

/// A lottery with one seat left, and an account that may take part. Its ticket is
/// of another key and lottery; that is for the authorization to see.
fn lottery<T: Config>(id: JobId) -> (T::AccountId, VerifierSignature) {
	T::BenchmarkHelper::verifiers(100);
	let electorate = T::Verifiers::electorate();
	let terms = LotteryTerms {
		candidates: electorate.candidates,
		stake: 1,
		size: MAX_COMMITTEE,
		width_percent: u32::MAX,
		max_tranches: 1,
	};
	let key = VerifierId::generate_pair(None);
	let opened_at = Pallet::<T>::now();
	let session = electorate.session;
	Lotteries::<T>::insert(id, Lottery { seed: [1; 32], session, opened_at, tranche: 0, terms });
	// All other seats are taken by attesters and by verifiers of an earlier audit.
	seat::<T>(id, Purpose::Verify, Answer::Committed([0; 32]));
	Seats::<T>::mutate(id, |seats| {
		for (index, seat) in (0u32..).zip(seats.iter_mut()) {
			seat.account = account("seat", index, 0);
		}
		seats.pop();
	});
	Jobs::<T>::mutate(id, |job| {
		let job = job.as_mut().expect("just posted; qed");
		(job.first_tranche, job.tranches) = (1, 2);
	});
	let signature = key.sign(&[0u8; 1]).expect("the keystore has just made the key; qed");
	(account("verifier", 0, 0), signature)
}

fn sign<T: Config>(
	key: &VerifierId,
	id: JobId,
	account: &T::AccountId,
	action: &VerifierAction,
) -> VerifierSignature {
	let genesis = Pallet::<T>::genesis_hash();
	key.sign(&signing_payload(&genesis, id, account, 0, action))
		.expect("the benchmark's keystore has just made the key; qed")
}

fn verdict<T: Config>(id: JobId, account: &T::AccountId) -> Hash {
	let bytes = Pallet::<T>::account_bytes(account);
	verdict_commitment(&Pallet::<T>::genesis_hash(), id, &bytes, &[7; 32], &SALT)
}

#[benchmarks]
mod benches {
	use super::*;

	#[benchmark]
	fn post_job(i: Linear<1, 64>) {
		let program = T::BenchmarkHelper::program(i, OUTPUTS);
		let price = Parameters::<T>::get().min_price;
		let requester = rich::<T>("requester");
		let inputs = vec![[1; 32]; i as usize].try_into().expect("within the bound; qed");
		#[extrinsic_call]
		_(
			RawOrigin::Signed(requester),
			program,
			inputs,
			1,
			price,
			price,
			One::one(),
			Assurance::default(),
		);
		assert_eq!(ActiveJobs::<T>::get(), 1);
	}

	#[benchmark]
	fn cancel_job() {
		let id = claimed::<T>(OUTPUTS);
		let requester = account("requester", 0, 0);
		#[extrinsic_call]
		_(RawOrigin::Signed(requester), id);
		assert_eq!(ActiveJobs::<T>::get(), 0);
	}

	#[benchmark]
	fn claim_job() {
		let id = post::<T>(1, OUTPUTS);
		let who = provider::<T>();
		#[extrinsic_call]
		_(RawOrigin::Signed(who), id, Parameters::<T>::get().min_price);
		assert_eq!(Jobs::<T>::get(id).map(|job| job.phase), Some(Phase::Claimed));
	}

	#[benchmark]
	fn commit_result() {
		let id = claimed::<T>(OUTPUTS);
		let who = account("provider", 0, 0);
		#[extrinsic_call]
		_(RawOrigin::Signed(who), id, [1; 32]);
		assert_eq!(Jobs::<T>::get(id).map(|job| job.phase), Some(Phase::Committed));
	}

	#[benchmark]
	fn reveal_result(o: Linear<1, 16>) {
		let id = committed::<T>(o);
		force::<T>(id, Phase::Revealing);
		let (root, opening) = run::<T>(id);
		let who = account("provider", 0, 0);
		#[extrinsic_call]
		_(RawOrigin::Signed(who), id, root, SALT, opening);
		assert_eq!(Jobs::<T>::get(id).and_then(|job| job.run_root), Some(root));
	}

	#[benchmark]
	fn request_audit() {
		T::BenchmarkHelper::verifiers(100);
		let id = committed::<T>(OUTPUTS);
		force::<T>(id, Phase::Challengeable);
		let requester = account("requester", 0, 0);
		#[extrinsic_call]
		_(RawOrigin::Signed(requester), id);
		assert!(Jobs::<T>::get(id).is_some_and(|job| job.audit_requested));
	}

	/// What a push costs beside the push itself: the refusal of one that is not due.
	#[benchmark]
	fn poke() {
		let id = post::<T>(1, OUTPUTS);
		let refused;
		#[block]
		{
			refused = Pallet::<T>::do_poke(id);
		}
		assert!(refused.is_err());
	}

	#[benchmark]
	fn set_parameters() {
		let parameters = T::DefaultParameters::get();
		#[extrinsic_call]
		_(RawOrigin::Root, parameters.clone());
		assert_eq!(Parameters::<T>::get(), parameters);
	}

	#[benchmark]
	fn attest_inputs() {
		let id = post::<T>(1, OUTPUTS);
		force::<T>(id, Phase::Posted);
		let (who, key) = seat::<T>(id, Purpose::Attest, Answer::Pending);
		let action = VerifierAction::AttestInputs { ok: true };
		let signature = sign::<T>(&key, id, &who, &action);
		#[extrinsic_call]
		_(RawOrigin::Authorized, id, who, true, 0, signature);
		assert_eq!(Jobs::<T>::get(id).map(|job| job.phase), Some(Phase::Open));
	}

	#[benchmark]
	fn commit_verdict() {
		let id = committed::<T>(OUTPUTS);
		force::<T>(id, Phase::Verifying);
		let (who, signature) = lottery::<T>(id);
		let commitment = verdict::<T>(id, &who);
		#[extrinsic_call]
		_(RawOrigin::Authorized, id, who, commitment, vector::TICKET, 0, signature);
		let last = Seats::<T>::get(id).last().map(|seat| seat.answer.clone());
		assert_eq!(last, Some(Answer::Committed(commitment)));
	}

	#[benchmark]
	fn abstain() {
		let id = committed::<T>(OUTPUTS);
		force::<T>(id, Phase::Verifying);
		let (who, signature) = lottery::<T>(id);
		let reason = AbstainReason::Other;
		#[extrinsic_call]
		_(RawOrigin::Authorized, id, who, reason, vector::TICKET, 0, signature);
		let last = Seats::<T>::get(id).last().map(|seat| seat.answer.clone());
		assert_eq!(last, Some(Answer::Abstained(reason)));
	}

	#[benchmark]
	fn reveal_verdict() {
		let id = committed::<T>(OUTPUTS);
		force::<T>(id, Phase::Revealing);
		let commitment = verdict::<T>(id, &account("verifier", 0, 0));
		let (who, key) = seat::<T>(id, Purpose::Verify, Answer::Committed(commitment));
		let action = VerifierAction::RevealVerdict { run_root: [7; 32], salt: SALT, chunks: false };
		let signature = sign::<T>(&key, id, &who, &action);
		#[extrinsic_call]
		_(RawOrigin::Authorized, id, who, [7; 32], SALT, None, 0, signature);
		let answer = Answer::Opened { commitment, run_root: [7; 32] };
		assert_eq!(Seats::<T>::get(id)[0].answer, answer);
	}

	/// Only the curve arithmetic; what is read besides stands in the weights.
	#[benchmark]
	fn verify_ticket() {
		let key = VerifierId::from(sp_application_crypto::sr25519::Public::from_raw(vector::KEY));
		let data = transcript(&vector::GENESIS, vector::JOB, &vector::SEED);
		let output;
		#[block]
		{
			output = draw_output(&key, &data, &vector::TICKET);
		}
		assert_eq!(output, Some(vector::OUTPUT));
	}

	/// Chunks as deep as can be: 2^32 steps, 4,096 anchors, tensors of 2^54 tiles. They fit no root, and
	/// each is followed up to the top of its tensor's tree, the longest of the three ways, twice.
	#[benchmark]
	fn check_chunks() {
		let way = |height: usize| Path { siblings: vec![[1; 32]; height] };
		let sampled = SampledChunk {
			chunk: [7; 1024],
			opening: ChunkOpening {
				trace: ([2; 32], way(32)),
				anchor: ([3; 32], way(12)),
				tile: way(54),
			},
		};
		let at = ChunkPosition {
			steps: 1 << 32,
			step: 5,
			anchors: 4_096,
			anchor: 5,
			chunks: 1 << 54,
			chunk: 5,
		};
		let mut folded = 0;
		#[block]
		{
			for _ in 0..2 * SAMPLED_CHUNKS {
				let ChunkPosition { chunks, chunk, .. } = at;
				let opening = &sampled.opening;
				folded += u32::from(assay_commitments::verify_tile(
					&opening.anchor.0,
					chunks,
					chunk,
					&sampled.chunk,
					&opening.tile,
				));
			}
		}
		assert_eq!(folded, 0);
	}

	/// The dearest authorization: a reveal, whose commitment is recomputed.
	#[benchmark]
	fn authorize_verifier() -> Result<(), BenchmarkError> {
		let id = committed::<T>(OUTPUTS);
		force::<T>(id, Phase::Revealing);
		let commitment = verdict::<T>(id, &account("verifier", 0, 0));
		let (who, key) = seat::<T>(id, Purpose::Verify, Answer::Committed(commitment));
		let action = VerifierAction::RevealVerdict { run_root: [7; 32], salt: SALT, chunks: false };
		let signature = sign::<T>(&key, id, &who, &action);
		let call = Call::<T>::reveal_verdict {
			job: id,
			account: who,
			run_root: [7; 32],
			salt: SALT,
			chunks: None,
			retry: 0,
			signature,
		};
		#[block]
		{
			call.authorize(TransactionSource::External)
				.ok_or("the call is an authorized one")??;
		}
		Ok(())
	}

	/// The dearest push but one that condemns: a settlement in which every seat is paid.
	#[benchmark]
	fn advance(s: Linear<0, 152>) {
		let id = vouched::<T>(s);
		let job = Jobs::<T>::get(id).expect("just posted; qed");
		#[block]
		{
			Pallet::<T>::advance(id, job);
		}
		assert_eq!(Jobs::<T>::get(id).map(|job| job.phase), Some(Phase::Settled));
	}

	/// The dearest end: the bond is slashed, prover and requester are paid, and every seat is
	/// reported for vouching.
	#[benchmark]
	fn condemn(s: Linear<0, 152>) {
		let id = vouched::<T>(s);
		let prover = rich::<T>("prover");
		let condemned;
		#[block]
		{
			condemned = <Pallet<T> as Disputes<_, _, _>>::condemn(
				id,
				ReasonCode::ProvenFraud,
				&prover,
				None,
			);
		}
		assert!(condemned);
		assert_eq!(Jobs::<T>::get(id).map(|job| job.phase), Some(Phase::Failed));
	}

	#[benchmark]
	fn on_initialize_base() {
		let now = Pallet::<T>::now().saturating_add(1_000u32.into());
		#[block]
		{
			Pallet::<T>::on_initialize(now);
		}
		assert!(Mixes::<T>::contains_key(now.saturating_sub(One::one())));
	}

	impl_benchmark_test_suite!(
		Pallet,
		mock::ExtBuilder::default().build_with_keystore(),
		mock::Test
	);
}
