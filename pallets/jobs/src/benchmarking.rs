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
	BoundedVec,
};
use frame_system::{pallet_prelude::BlockNumberFor, RawOrigin};
use sp_application_crypto::RuntimeAppPublic;
use sp_runtime::traits::{Bounded, One, SaturatedConversion, Saturating, Zero};

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

/// A price that is enough for any job of a benchmark.
fn price<T: Config>() -> BalanceOf<T> {
	Parameters::<T>::get().least_price(u32::MAX.into(), u32::MAX.into())
}

fn order<T: Config>(id: JobId) -> Hash {
	Jobs::<T>::get(id).expect("just posted; qed").order
}

fn rich<T: Config>(name: &'static str) -> T::AccountId {
	let who: T::AccountId = account(name, 0, 0);
	T::Currency::set_balance(&who, BalanceOf::<T>::max_value() / 1024u32.into());
	who
}

fn post<T: Config>(inputs: u32, outputs: u32) -> JobId {
	post_with::<T>(inputs, outputs, Attestation::OptedOut)
}

fn post_with<T: Config>(inputs: u32, outputs: u32, attestation: Attestation) -> JobId {
	let program = T::BenchmarkHelper::program(inputs, outputs);
	T::BenchmarkHelper::verifiers(MAX_SEATS);
	let price = price::<T>();
	let id = NextJob::<T>::get();
	assert_ok!(Pallet::<T>::do_post(
		rich::<T>("requester"),
		program,
		vec![[1; 32]; inputs as usize].try_into().expect("within the bound; qed"),
		1,
		(price, price, One::one()),
		Assurance { attestation, ..Default::default() },
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
	assert_ok!(claim::<T>(id));
	id
}

fn claim<T: Config>(id: JobId) -> frame_support::dispatch::DispatchResult {
	let bond = BalanceOf::<T>::max_value();
	Pallet::<T>::do_claim(provider::<T>(), id, order::<T>(id), price::<T>(), bond)
}

/// The run that every benchmark's provider has made.
fn run<T: Config>(id: JobId) -> (Hash, OutputsOpening) {
	let program = Jobs::<T>::get(id).expect("just posted; qed").offer.program;
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
	let commitment = {
		let genesis = Pallet::<T>::genesis_hash();
		result_commitment(&genesis, &order::<T>(id), &bytes, &root, &SALT)
	};
	assert_ok!(Pallet::<T>::do_commit_result(who, id, order::<T>(id), commitment, None));
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

/// When [`seat`] has them drawn, as an attester signs it.
fn drawn_at<T: Config>() -> u32 {
	Pallet::<T>::now().saturated_into()
}

fn force<T: Config>(id: JobId, phase: Phase) {
	Jobs::<T>::mutate(id, |job| {
		let job = job.as_mut().expect("just posted; qed");
		job.phase = phase;
		job.draw = None;
		job.deadline = BlockNumberFor::<T>::max_value();
		job.audits.wanted = MAX_COMMITTEE;
	});
}

/// A job whose challenge period is over, in which so many verifiers opened the provider's root.
fn vouched<T: Config>(seats: u32) -> JobId {
	let id = committed::<T>(OUTPUTS);
	force::<T>(id, Phase::Challengeable);
	let (root, opening) = run::<T>(id);
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
		let result = job.committed_mut().expect("just committed; qed");
		result.opened = Some(Opened {
			run_root: root,
			trace_root: opening.trace_root,
			output_roots: BoundedVec::new(),
			// A job without seats has nobody who holds its outputs; its end is the same.
			keepers_redrawn: seats == 0,
			condemned: None,
		});
		job.audits.audited = Some(seats > 0);
		job.audits.wanted = 1;
		job.audits.needed = seats.min(1);
	});
	id
}

/// A lottery with one seat left, and an account that may take part. Its ticket is
/// of another key and lottery; that is for the authorization to see.
fn lottery<T: Config>(id: JobId) -> (T::AccountId, VerifierSignature) {
	let electorate = T::Verifiers::electorate();
	let terms = LotteryTerms {
		candidates: electorate.candidates,
		stake: 1,
		size: MAX_COMMITTEE,
		width_percent: u32::MAX,
		max_tranches: 1,
		audit: sp_runtime::Permill::one(),
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
		(job.audits.first_tranche, job.audits.tranches) = (1, 2);
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
	key.sign(&signing_payload(&genesis, id, &order::<T>(id), account, 0, action))
		.expect("the benchmark's keystore has just made the key; qed")
}

fn verdict<T: Config>(id: JobId, account: &T::AccountId) -> Hash {
	let bytes = Pallet::<T>::account_bytes(account);
	let genesis = Pallet::<T>::genesis_hash();
	verdict_commitment(&genesis, &order::<T>(id), &bytes, &[7; 32], &SALT)
}

#[benchmarks]
mod benches {
	use super::*;

	#[benchmark]
	fn post_job(i: Linear<1, 64>) {
		let program = T::BenchmarkHelper::program(i, OUTPUTS);
		T::BenchmarkHelper::verifiers(MAX_SEATS);
		let price = price::<T>();
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
		_(RawOrigin::Signed(requester), id, order::<T>(id));
		assert_eq!(ActiveJobs::<T>::get(), 0);
	}

	#[benchmark]
	fn claim_job() {
		let id = post::<T>(1, OUTPUTS);
		let who = provider::<T>();
		#[extrinsic_call]
		_(RawOrigin::Signed(who), id, order::<T>(id), price::<T>(), BalanceOf::<T>::max_value());
		assert_eq!(Jobs::<T>::get(id).map(|job| job.phase), Some(Phase::Claimed));
	}

	#[benchmark]
	fn commit_result() {
		let id = claimed::<T>(OUTPUTS);
		let who = account("provider", 0, 0);
		#[extrinsic_call]
		_(RawOrigin::Signed(who), id, order::<T>(id), [1; 32], None);
		assert_eq!(Jobs::<T>::get(id).map(|job| job.phase), Some(Phase::Committed));
	}

	/// Attested by as many as can be drawn.
	#[benchmark]
	fn give_back() {
		let id = post_with::<T>(1, OUTPUTS, Attestation::Required);
		force::<T>(id, Phase::Open);
		assert_ok!(claim::<T>(id));
		seat::<T>(id, Purpose::Attest, Answer::Attested(true));
		Seats::<T>::mutate(id, |seats| {
			seats.truncate(MAX_COMMITTEE as usize);
			for seat in seats.iter_mut() {
				(seat.purpose, seat.answer) = (Purpose::Attest, Answer::NoShow);
				T::Verifiers::lock(&seat.account, id);
			}
		});
		// Not in the block of the claim.
		frame_system::Pallet::<T>::set_block_number(
			frame_system::Pallet::<T>::block_number() + 1u32.into(),
		);
		let who = account("provider", 0, 0);
		#[extrinsic_call]
		_(RawOrigin::Signed(who), id, order::<T>(id));
		assert_eq!(Jobs::<T>::get(id).map(|job| job.phase), Some(Phase::Open));
	}

	/// Of a run that is not cut; checking segments is as many nodes as they are opened with, twice.
	#[benchmark]
	fn reveal_result(o: Linear<1, 16>, h: Linear<0, 8_192>) {
		let id = committed::<T>(o);
		force::<T>(id, Phase::Revealing);
		let (root, opening) = run::<T>(id);
		let origin = RawOrigin::Signed(account("provider", 0, 0)).into();
		let (order, mut node) = (order::<T>(id), [7; 32]);
		#[block]
		{
			assert_ok!(Pallet::<T>::reveal_result(origin, id, order, root, SALT, opening, None));
			for _ in 0..2 * h {
				node = trace_root(&[node]);
			}
		}
		assert!(h == 0 || node != [7; 32]);
		assert_eq!(Jobs::<T>::get(id).and_then(|job| job.run_root()), Some(root));
	}

	#[benchmark]
	fn request_audit() {
		let id = committed::<T>(OUTPUTS);
		force::<T>(id, Phase::Challengeable);
		let requester = account("requester", 0, 0);
		#[extrinsic_call]
		_(RawOrigin::Signed(requester), id, order::<T>(id));
		assert!(Jobs::<T>::get(id).is_some_and(|job| job.audits.second.is_some()));
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
		let action = VerifierAction::AttestInputs { ok: true, drawn_at: drawn_at::<T>() };
		let signature = sign::<T>(&key, id, &who, &action);
		#[extrinsic_call]
		_(RawOrigin::Authorized, id, order::<T>(id), who, true, 0, signature);
		assert_eq!(Jobs::<T>::get(id).map(|job| job.phase), Some(Phase::Open));
	}

	#[benchmark]
	fn attest_outputs() {
		let id = vouched::<T>(MAX_SEATS);
		let (who, key) = seat::<T>(id, Purpose::Keep, Answer::Pending);
		let action = VerifierAction::AttestOutputs { ok: true, drawn_at: drawn_at::<T>() };
		let signature = sign::<T>(&key, id, &who, &action);
		#[extrinsic_call]
		_(RawOrigin::Authorized, id, order::<T>(id), who, true, 0, signature);
		assert_eq!(Seats::<T>::get(id)[0].answer, Answer::Attested(true));
	}

	#[benchmark]
	fn commit_verdict() {
		let id = committed::<T>(OUTPUTS);
		force::<T>(id, Phase::Verifying);
		let (who, signature) = lottery::<T>(id);
		let commitment = verdict::<T>(id, &who);
		#[extrinsic_call]
		_(RawOrigin::Authorized, id, order::<T>(id), who, commitment, vector::TICKET, 0, signature);
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
		_(RawOrigin::Authorized, id, order::<T>(id), who, reason, vector::TICKET, 0, signature);
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
		_(RawOrigin::Authorized, id, order::<T>(id), who, [7; 32], SALT, None, 0, signature);
		let answer = Answer::Opened { commitment, run_root: [7; 32] };
		assert_eq!(Seats::<T>::get(id)[0].answer, answer);
	}

	/// Only the curve arithmetic; what is read besides stands in the weights.
	#[benchmark]
	fn verify_ticket() {
		let key = VerifierId::from(sp_application_crypto::sr25519::Public::from_raw(vector::KEY));
		let data = transcript(&vector::GENESIS, &vector::ORDER, &vector::SEED);
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
			order: order::<T>(id),
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
	fn advance(s: Linear<0, 168>) {
		let id = vouched::<T>(s);
		let job = Jobs::<T>::get(id).expect("just posted; qed");
		#[block]
		{
			Pallet::<T>::advance(id, job);
		}
		assert!(Jobs::<T>::get(id).is_some_and(|job| job.phase.is_terminal()));
	}

	/// The dearest end: the bond is slashed, prover and requester are paid, and every seat is
	/// reported for vouching.
	#[benchmark]
	fn condemn(s: Linear<0, 168>) {
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
				Zero::zero(),
			);
		}
		assert!(condemned);
		assert_eq!(Jobs::<T>::get(id).map(|job| job.phase), Some(Phase::Failed));
	}

	/// Keepers are drawn from as many validators as there may be.
	#[benchmark]
	fn draw() {
		let id = committed::<T>(OUTPUTS);
		T::BenchmarkHelper::verifiers(T::MaxValidators::get());
		let job = Jobs::<T>::get(id).expect("just posted; qed");
		let drawn;
		#[block]
		{
			let deadline = job.deadline;
			drawn = Pallet::<T>::draw(id, &job, Purpose::Keep, &[1; 32], MAX_COMMITTEE, deadline);
		}
		assert_eq!(drawn, MAX_COMMITTEE);
	}

	/// A job waits for a block whose agenda has a place.
	#[benchmark]
	fn reschedule() {
		let id = post::<T>(1, OUTPUTS);
		let mut job = Jobs::<T>::get(id).expect("just posted; qed");
		let full: Vec<JobId> = (1_000..).take(T::MaxAgenda::get() as usize).collect();
		for offset in 0..impls::AGENDA_SPILL - 1 {
			let block = job.deadline.saturating_add((offset + 1).into());
			Agenda::<T>::insert(block, BoundedVec::truncate_from(full.clone()));
		}
		#[block]
		{
			Pallet::<T>::reschedule(id, &mut job);
		}
		assert!(job.scheduled.is_some());
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
