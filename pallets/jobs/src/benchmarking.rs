//! Benchmarks of every call, of its authorization and of the agenda's work, each in the worst case
//! that its text names. In all of them a job has as many inputs as it can, and wherever it is put
//! on the agenda, the last block that is looked at has the only place left.

use super::*;
use alloc::{vec, vec::Vec};
use assay_commitments::{
	open_outputs, result_commitment, run_root, trace_root, verdict_commitment, OutputsOpening,
};
use assay_commitments::{ChunkOpening, ChunkPosition, Path, MAX_SEGMENTS};
use assay_market::{
	lottery::{draw_output, transcript, vector},
	parameters::MAX_COMMITTEE,
	verifier::signing_payload,
	AbstainReason, Assurance, Attestation, Disputes, Hash, JobId, Lottery, LotteryTerms, Phase,
	Programs, Purpose, ReasonCode, SampledChunk, VerifierAction, VerifierId, VerifierSignature,
	Verifiers, MAX_INPUTS, MAX_OUTPUTS, SAMPLED_CHUNKS,
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

pub mod stage;
use stage::*;

/// Sets the stage in the other pallets.
pub trait BenchmarkHelper<AccountId> {
	/// Registers a program of one step with so many inputs and outputs and gives its id.
	fn program(inputs: u32, outputs: u32) -> Hash;
	/// Registers the longest program, and gives its id.
	fn longest_program() -> Hash;
	/// Makes the account a provider with stake for any bond.
	fn provider(who: &AccountId);
	/// Makes the accounts `account("verifier", 0.., 0)` validators with stake, available to draws.
	fn verifiers(count: u32);
	/// The next fault suspends each of these verifiers, and fills the list of those that are.
	fn last_faults(who: &[AccountId]);
}

#[benchmarks]
mod benches {
	use super::*;

	/// With `i` inputs, attested as every job is unless the requester opts out.
	#[benchmark]
	fn post_job(i: Linear<1, MAX_INPUTS>) {
		let program = T::BenchmarkHelper::program(i, OUTPUTS);
		T::BenchmarkHelper::verifiers(MAX_SEATS);
		let price = price::<T>();
		let origin = RawOrigin::Signed(rich::<T>("requester"));
		let call = Call::<T>::post_job {
			program,
			input_roots: vec![[1; 32]; i as usize].try_into().expect("within the bound; qed"),
			steps: 1,
			price_start: price,
			price_max: price,
			ramp_blocks: One::one(),
			assurance: Assurance::default(),
		};
		crowd_for::<T>(NextJob::<T>::get(), &call, &origin);
		#[block]
		{
			carry_out::<T>(call, origin);
		}
		assert_eq!(ActiveJobs::<T>::get(), 1);
	}

	/// While a provider works on it, who gets a part of the price, and after as many attested its
	/// inputs as can be drawn, who are paid too.
	#[benchmark]
	fn cancel_job() {
		let id = attested::<T>();
		let origin = RawOrigin::Signed(account("requester", 0, 0));
		let call = Call::<T>::cancel_job { job: id, order: order::<T>(id) };
		crowd_for::<T>(id, &call, &origin);
		#[block]
		{
			carry_out::<T>(call, origin);
		}
		assert_eq!(ActiveJobs::<T>::get(), 0);
	}

	/// The fourth provider that claims it.
	#[benchmark]
	fn claim_job() {
		let id = post::<T>(OUTPUTS);
		bar_others::<T>(id);
		let origin = RawOrigin::Signed(provider::<T>());
		let call = Call::<T>::claim_job {
			job: id,
			order: order::<T>(id),
			min_price: price::<T>(),
			max_bond: BalanceOf::<T>::max_value(),
		};
		crowd_for::<T>(id, &call, &origin);
		#[block]
		{
			carry_out::<T>(call, origin);
		}
		assert_eq!(Jobs::<T>::get(id).map(|job| job.phase), Some(Phase::Claimed));
	}

	/// Of a run that is not cut: one that is has two hashes more in its record.
	#[benchmark]
	fn commit_result() {
		let id = claimed::<T>(OUTPUTS);
		bar_others::<T>(id);
		let origin = RawOrigin::Signed(account("provider", 0, 0));
		let (order, commitment) = (order::<T>(id), [1; 32]);
		let call = Call::<T>::commit_result { job: id, order, commitment, checkpoints: None };
		crowd_for::<T>(id, &call, &origin);
		#[block]
		{
			carry_out::<T>(call, origin);
		}
		assert_eq!(Jobs::<T>::get(id).map(|job| job.phase), Some(Phase::Committed));
	}

	/// The last provider that may gives it back: a part of its bond is burned, the job ends, and as
	/// many as can be drawn to attest its inputs are paid.
	#[benchmark]
	fn give_back() {
		let id = attested::<T>();
		bar_others::<T>(id);
		// Not in the block of the claim.
		frame_system::Pallet::<T>::set_block_number(
			frame_system::Pallet::<T>::block_number() + 1u32.into(),
		);
		let origin = RawOrigin::Signed(account("provider", 0, 0));
		let call = Call::<T>::give_back { job: id, order: order::<T>(id) };
		crowd_for::<T>(id, &call, &origin);
		#[block]
		{
			carry_out::<T>(call, origin);
		}
		assert_eq!(Jobs::<T>::get(id).map(|job| job.phase), Some(Phase::Failed));
	}

	/// `o` outputs of a run that is not cut, when nobody has a verdict to open any more, so that
	/// the challenge period begins. Checking segments is as many nodes as they are opened with,
	/// `h`, twice; the roots of as many segments as there can be are written.
	#[benchmark]
	fn reveal_result(o: Linear<1, MAX_OUTPUTS>, h: Linear<0, 8_192>) {
		let id = committed::<T>(o);
		force::<T>(id, Phase::Revealing);
		seat::<T>(id, Purpose::Verify, Answer::Opened { commitment: [0; 32], run_root: [0; 32] });
		let (run_root, opening) = run::<T>(id);
		let origin = RawOrigin::Signed(account("provider", 0, 0));
		let order = order::<T>(id);
		let (salt, segments) = (SALT, None);
		let call = Call::<T>::reveal_result { job: id, order, run_root, salt, opening, segments };
		crowd_for::<T>(id, &call, &origin);
		let roots = BoundedVec::truncate_from(vec![[1; 32]; MAX_SEGMENTS as usize]);
		let mut node = [7; 32];
		#[block]
		{
			carry_out::<T>(call, origin);
			for _ in 0..2 * h {
				node = trace_root(&[node]);
			}
			SegmentRoots::<T>::insert(id, roots);
		}
		assert!(h == 0 || node != [7; 32]);
		assert_eq!(Jobs::<T>::get(id).and_then(|job| job.run_root()), Some(run_root));
	}

	/// Of a result that as many have verified as there can be, none of whom verifies it again, and
	/// all of whom are paid, so that a second fee is held.
	#[benchmark]
	fn request_audit() {
		let id = vouched::<T>(MAX_SEATS);
		let origin = RawOrigin::Signed(account("requester", 0, 0));
		T::BenchmarkHelper::verifiers(MAX_SEATS + 1);
		let call = Call::<T>::request_audit { job: id, order: order::<T>(id) };
		crowd_for::<T>(id, &call, &origin);
		#[block]
		{
			carry_out::<T>(call, origin);
		}
		assert!(Jobs::<T>::get(id).is_some_and(|job| job.audits.second.is_some()));
	}

	/// What a push costs beside the push itself: the refusal of one that is not due, of the
	/// longest record.
	#[benchmark]
	fn poke() {
		let id = post::<T>(OUTPUTS);
		let refused;
		#[block]
		{
			refused = Pallet::<T>::do_poke(id);
		}
		assert!(refused.is_err());
	}

	/// Every parameter is written, whatever it was.
	#[benchmark]
	fn set_parameters() {
		let parameters = T::DefaultParameters::get();
		#[extrinsic_call]
		_(RawOrigin::Root, parameters.clone());
		assert_eq!(Parameters::<T>::get(), parameters);
	}

	/// The answer that opens the job, one of as many seats as a job can have.
	#[benchmark]
	fn attest_inputs() {
		let id = post::<T>(OUTPUTS);
		force::<T>(id, Phase::Posted);
		let (account, key) = seat::<T>(id, Purpose::Attest, Answer::Pending);
		let action = VerifierAction::AttestInputs { ok: true, drawn_at: drawn_at::<T>() };
		let signature = sign::<T>(&key, id, &account, &action);
		let (order, ok, retry) = (order::<T>(id), true, 0);
		let call = Call::<T>::attest_inputs { job: id, order, account, ok, retry, signature };
		crowd_for::<T>(id, &call, &RawOrigin::Authorized);
		#[block]
		{
			carry_out::<T>(call, RawOrigin::Authorized);
		}
		assert_eq!(Jobs::<T>::get(id).map(|job| job.phase), Some(Phase::Open));
	}

	/// One of as many seats as a job can have.
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

	/// Takes the last seat that a job can have, and ends its second audit.
	#[benchmark]
	fn commit_verdict() {
		let id = vouched::<T>(0);
		force::<T>(id, Phase::Verifying);
		let (account, signature) = lottery::<T>(id);
		let commitment = verdict::<T>(id, &account);
		let (order, ticket, retry) = (order::<T>(id), vector::TICKET, 0);
		let call = Call::<T>::commit_verdict {
			job: id,
			order,
			account,
			commitment,
			ticket,
			retry,
			signature,
		};
		crowd_for::<T>(id, &call, &RawOrigin::Authorized);
		#[block]
		{
			carry_out::<T>(call, RawOrigin::Authorized);
		}
		let last = Seats::<T>::get(id).last().map(|seat| seat.answer.clone());
		assert_eq!(last, Some(Answer::Committed(commitment)));
		assert_eq!(Jobs::<T>::get(id).map(|job| job.phase), Some(Phase::Revealing));
	}

	/// Takes the last seat that a job can have, and ends its second audit; since nobody has a
	/// verdict to open, the reveal phase too.
	#[benchmark]
	fn abstain() {
		let id = vouched::<T>(0);
		force::<T>(id, Phase::Verifying);
		let (account, signature) = lottery::<T>(id);
		Seats::<T>::mutate(id, |seats| {
			for seat in seats.iter_mut() {
				seat.answer = Answer::Opened { commitment: [0; 32], run_root: [0; 32] };
			}
		});
		let reason = AbstainReason::Other;
		let (order, ticket, retry) = (order::<T>(id), vector::TICKET, 0);
		let call = Call::<T>::abstain { job: id, order, account, reason, ticket, retry, signature };
		crowd_for::<T>(id, &call, &RawOrigin::Authorized);
		#[block]
		{
			carry_out::<T>(call, RawOrigin::Authorized);
		}
		let last = Seats::<T>::get(id).last().map(|seat| seat.answer.clone());
		assert_eq!(last, Some(Answer::Abstained(reason)));
		assert_eq!(Jobs::<T>::get(id).map(|job| job.phase), Some(Phase::Challengeable));
	}

	/// The last of as many verdicts as there can be: the challenge period begins. Chunks are
	/// checked by its authorization; the roots of segments are looked at besides, as of a run that
	/// is cut.
	#[benchmark]
	fn reveal_verdict() {
		let id = vouched::<T>(0);
		force::<T>(id, Phase::Revealing);
		let commitment = verdict::<T>(id, &account("verifier", 0, 0));
		let (account, key) = seat::<T>(id, Purpose::Verify, Answer::Committed(commitment));
		let action = VerifierAction::RevealVerdict { run_root: [7; 32], salt: SALT, chunks: false };
		let signature = sign::<T>(&key, id, &account, &action);
		let call = Call::<T>::reveal_verdict {
			job: id,
			order: order::<T>(id),
			account,
			run_root: [7; 32],
			salt: SALT,
			chunks: None,
			retry: 0,
			signature,
		};
		crowd_for::<T>(id, &call, &RawOrigin::Authorized);
		let roots = BoundedVec::truncate_from(vec![[1; 32]; MAX_SEGMENTS as usize]);
		SegmentRoots::<T>::insert(id, roots);
		#[block]
		{
			assert!(SegmentRoots::<T>::get(id).is_some());
			carry_out::<T>(call, RawOrigin::Authorized);
		}
		let answer = Answer::Opened { commitment, run_root: [7; 32] };
		assert_eq!(Seats::<T>::get(id)[0].answer, answer);
		assert_eq!(Jobs::<T>::get(id).map(|job| job.phase), Some(Phase::Challengeable));
	}

	/// What is looked up of a candidate, with as many seats as a job can have, and the ticket of
	/// the lottery's test vector: tickets take the same time all.
	#[benchmark]
	fn verify_ticket() {
		let id = committed::<T>(OUTPUTS);
		force::<T>(id, Phase::Verifying);
		let (who, _) = lottery::<T>(id);
		let order = order::<T>(id);
		let action = VerifierAction::CommitVerdict { commitment: [1; 32], ticket: vector::TICKET };
		let key = VerifierId::from(sp_application_crypto::sr25519::Public::from_raw(vector::KEY));
		let data = transcript(&vector::GENESIS, &vector::ORDER, &vector::SEED);
		let (accepted, output);
		#[block]
		{
			accepted = Pallet::<T>::check_action(id, &order, &who, &action).is_ok();
			output = draw_output(&key, &data, &vector::TICKET);
		}
		assert!(accepted);
		assert_eq!(output, Some(vector::OUTPUT));
	}

	/// Chunks as deep as can be: 2^32 steps, 4,096 anchors, tensors of 2^54 tiles. They fit no
	/// root, and each is followed up to the top of its tensor's tree, the longest of the three
	/// ways, twice. The plans are those of the longest program.
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
		let program = T::BenchmarkHelper::longest_program();
		let id = committed::<T>(OUTPUTS);
		let (who, _) = seat::<T>(id, Purpose::Verify, Answer::Committed([0; 32]));
		let (mut folded, tiles, seat);
		#[block]
		{
			seat = Pallet::<T>::seat_of(id, Purpose::Verify, &who);
			tiles = T::Programs::anchor_tiles(&program);
			folded = 0;
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
		assert!(tiles.is_some() && seat.is_some());
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

	/// The dearest push but one that condemns: after a second audit one of `s` verdicts matches,
	/// provider and verifier are paid, and the others are wrong, each by its author's last fault,
	/// which suspends it.
	#[benchmark]
	fn advance(s: Linear<0, MAX_SEATS>) {
		let id = vouched::<T>(s);
		Jobs::<T>::mutate(id, |job| {
			let job = job.as_mut().expect("just posted; qed");
			job.audits.second = Some(SecondAudit::Automatic);
		});
		let mut wrong = Vec::new();
		Seats::<T>::mutate(id, |seats| {
			for seat in seats.iter_mut().skip(1) {
				seat.answer = Answer::Revealed { commitment: [0; 32], run_root: [9; 32] };
				wrong.push(seat.account.clone());
			}
		});
		T::BenchmarkHelper::last_faults(&wrong);
		crowd::<T>(id, || {
			Pallet::<T>::advance(id, Jobs::<T>::get(id).expect("just posted; qed"));
		});
		let job = Jobs::<T>::get(id).expect("just posted; qed");
		#[block]
		{
			Pallet::<T>::advance(id, job);
		}
		assert!(Jobs::<T>::get(id).is_some_and(|job| job.phase == Phase::Settled));
	}

	/// The dearest end: the bond is slashed, prover and requester are paid, and every seat is
	/// reported for vouching.
	#[benchmark]
	fn condemn(s: Linear<0, MAX_SEATS>) {
		let id = vouched::<T>(s);
		let prover = rich::<T>("prover");
		crowd::<T>(id, || {
			let (reason, costs) = (ReasonCode::ProvenFraud, Zero::zero());
			<Pallet<T> as Disputes<_, _, _>>::condemn(id, reason, &prover, None, costs);
		});
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

	/// A job that is not pushed leaves a full block.
	#[benchmark]
	fn reschedule() {
		let id = post::<T>(OUTPUTS);
		let step = || {
			let mut job = Jobs::<T>::get(id).expect("just posted; qed");
			Pallet::<T>::reschedule(id, &mut job);
			Pallet::<T>::store(id, job);
		};
		crowd::<T>(id, step);
		let before = Jobs::<T>::get(id).and_then(|job| job.scheduled);
		#[block]
		{
			step();
		}
		let after = Jobs::<T>::get(id).and_then(|job| job.scheduled);
		assert!(after.is_some() && after != before);
	}

	/// A block without due jobs.
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
