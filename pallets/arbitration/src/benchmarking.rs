//! Benchmarks of every call and hook, each in the worst case that its text names, and of the
//! referee itself.
//!
//! The referee's recomputation is not part of any call's weight: the program check bounds it for
//! every program, and a proof is charged that bound. `referee` (an extra benchmark) measures how
//! far below the bound it stays; `docs/benchmarks.md` has the table.

use super::*;
use alloc::{boxed::Box, vec, vec::Vec};
use assay_commitments::{run_root, tensor_root, Place};
use assay_market::{
	verifier::signing_payload, ChallengeMove, Disputes, Hash, JobId, Turn, VerifierId,
};
use assay_referee::{LazyList, ProofPart, TilesOpening, MAX_PART_BYTES};
use codec::Encode;
use frame_benchmarking::v2::*;
use frame_support::{
	assert_ok,
	pallet_prelude::{Authorize, TransactionSource},
	traits::{
		fungible::{Mutate, MutateHold},
		Get, OnFinalize, OnInitialize,
	},
};
use frame_system::{pallet_prelude::BlockNumberFor, RawOrigin};
use sp_application_crypto::RuntimeAppPublic;
use sp_runtime::traits::{Bounded, One, Saturating};

pub mod cases;
use cases::{lazy_program, long_program, Stage, CASES};

/// Sets the stage in the other pallets.
pub trait BenchmarkHelper<AccountId> {
	/// Registers the program and makes a job of it whose result is open to disputes for
	/// [`OPEN_BLOCKS`]. It has as many verifiers as there can be; the last one is this account with
	/// this key, and its verdict differs.
	fn opened(
		program: Vec<u8>,
		input_roots: Vec<Hash>,
		steps: u32,
		run_root: Hash,
		trace_root: Hash,
		verifier: (AccountId, VerifierId),
	) -> JobId;
}

/// Blocks for which the benchmarks' jobs take new lanes.
pub const OPEN_BLOCKS: u32 = 1_000_000;

/// The block at which a job that has no lane left is due, and is put on the agenda of the jobs
/// pallet.
pub const DUE: u32 = 2 * OPEN_BLOCKS;

/// Steps of the benchmarks' runs where it does not matter.
const STEPS: u32 = 256;

/// Openings that a lane can have.
const MOST_OPENINGS: u32 = weights::MAX_OPENINGS as u32;

/// Bytes that the program check reckons for a part beside its tiles: paths to the run root, and the
/// hashes beside the tiles.
const PART_FRAME: u32 = 6 * 1_024;

fn rich<T: Config>(name: &'static str) -> T::AccountId {
	let who: T::AccountId = account(name, 0, 0);
	T::Currency::set_balance(&who, BalanceOf::<T>::max_value() / 1024u32.into());
	who
}

/// A result of the longest program with so many steps, and the key of a verifier that differs.
fn opened<T: Config>(stage: &Stage) -> (JobId, T::AccountId, VerifierId) {
	let key = VerifierId::generate_pair(None);
	let who = rich::<T>("verifier");
	rich::<T>("provider");
	let job = T::BenchmarkHelper::opened(
		stage.program.encode(),
		stage.input_roots.clone(),
		stage.traces.len() as u32,
		run_root(&stage.traces),
		*stage.traces.last().expect("a run has a step; qed"),
		(who.clone(), key.clone()),
	);
	(job, who, key)
}

fn stage(tiles: u32, steps: u32) -> Stage {
	let (program, node) = long_program(tiles);
	// The copy of zeroes is right: the result stands, so that nothing but judging is measured.
	Stage::new(program, node, steps, tensor_root(&[0; 1_024]), true)
}

/// Of the blocks that are looked at for a place from `time` from now on, the last one has one left.
/// The block that has a lane already is full, too.
fn crowd_agenda<T: Config>(
	job: JobId,
	time: BlockNumberFor<T>,
	scheduled: Option<BlockNumberFor<T>>,
) {
	let first = Pallet::<T>::now().saturating_add(time).saturating_add(One::one());
	let most = T::MaxAgenda::get() as usize;
	let other = (job, account::<T::AccountId>("other", 0, 0));
	let fill = |block, length: usize| {
		Agenda::<T>::mutate(block, |lanes: &mut AgendaOf<T>| {
			while lanes.len() < length {
				lanes.try_push(other.clone()).expect("at most the bound; qed");
			}
		})
	};
	for offset in 0..impls::AGENDA_SPILL {
		let last = offset == impls::AGENDA_SPILL - 1;
		fill(first.saturating_add(offset.into()), if last { most - 1 } else { most });
	}
	if let Some(block) = scheduled {
		fill(block, most);
	}
}

type AgendaOf<T> = frame_support::BoundedVec<
	(JobId, <T as frame_system::Config>::AccountId),
	<T as Config>::MaxAgenda,
>;

/// Of the job that was just opened.
fn order_of<T: Config>(job: JobId) -> Hash {
	T::Jobs::order(job).expect("the job was just opened; qed")
}

/// The account has the demand that opens a lane made, and the agenda is crowded where the answer
/// puts the lane.
fn demanded_by<T: Config>(job: JobId, who: &T::AccountId) {
	let result = result::<T>(job);
	let move_time = result.move_time;
	assert_ok!(Pallet::<T>::do_demand(job, result, who.clone(), None, Payer::Deposit));
	let scheduled = Lanes::<T>::get(job, who).and_then(|lane| lane.scheduled);
	crowd_agenda::<T>(job, move_time, scheduled);
}

fn result<T: Config>(job: JobId) -> impls::ResultOf<T> {
	T::Jobs::result(job).expect("the job was just opened; qed")
}

/// A lane of the account with everything that a lane can have.
fn full_lane<T: Config>(job: JobId, who: &T::AccountId) -> LaneOf<T> {
	let result = result::<T>(job);
	let held: BalanceOf<T> = 1u32.into();
	let hold = result.deposit.saturating_add(held);
	assert_ok!(T::Currency::hold(&HoldReason::Lane.into(), who, hold));
	let place = Place::Tensor { step: 0, anchor: 0, level: 0, index: 0 };
	let children: Children = vec![[1; 32]; 256].try_into().expect("exactly the bound; qed");
	for at in 0..MOST_OPENINGS {
		let group = OpenedGroup { place, children: children.clone() };
		Opened::<T>::insert((job, who.clone(), at), group);
	}
	Folds::<T>::insert(
		job,
		who,
		Fold {
			accusation: assay_referee::Accusation { step: 0, node: 0, tile: 0 },
			claimed: [0; 32],
			proof: [0; 32],
			next: 1,
			listed: true,
			costs: held,
			held,
			accumulators: vec![1; MAX_ACCUMULATORS as usize]
				.try_into()
				.expect("exactly the bound; qed"),
		},
	);
	AliveLanes::<T>::insert(job, 1);
	let deadline = Pallet::<T>::now().saturating_add(result.move_time);
	let lane = Lane {
		provider: account("provider", 0, 0),
		deposit: result.deposit,
		opened_at: Pallet::<T>::now(),
		turn: Turn::Move,
		deadline,
		own_deadline: deadline,
		patience: result.patience,
		parent: [1; 32],
		answers: MOST_OPENINGS,
		committed: true,
		list: Some(StatedList {
			list: LazyList { step: 0, anchor: 0, root: [1; 32] },
			eager: [1; 32],
		}),
		scheduled: None,
	};
	Pallet::<T>::put_lane(job, who, lane, deadline);
	let lane = Lanes::<T>::get(job, who).expect("just written; qed");
	crowd_agenda::<T>(job, result.move_time.saturating_add(One::one()), lane.scheduled);
	lane
}

#[benchmarks]
mod benches {
	use super::*;

	/// The demand that opens a lane, put off to the last block of the agenda that is looked at. By
	/// a drawn verifier, whose seat is looked up as for its free move, but with a deposit: no
	/// demand does both.
	#[benchmark]
	fn demand() -> Result<(), BenchmarkError> {
		let stage = stage(2, STEPS);
		let (job, who, _) = opened::<T>(&stage);
		crowd_agenda::<T>(job, result::<T>(job).answer_time, None);
		let (order, action) = (order_of::<T>(job), ChallengeMove::Demand { child: None });
		#[block]
		{
			let result =
				Pallet::<T>::check_move(job, &order, &who, &action).map_err(|_| "a good demand")?;
			Pallet::<T>::do_demand(job, result, who.clone(), None, Payer::Deposit)?;
		}
		assert!(matches!(Lanes::<T>::get(job, who).map(|lane| lane.turn), Some(Turn::Answer(_))));
		Ok(())
	}

	/// An answer of `c` children in the run tree, whose leaves are hashed once more than chunks
	/// are. The lane goes from one full agenda to the last block that is looked at.
	#[benchmark]
	fn answer(c: Linear<2, 256>) {
		let stage = stage(2, c);
		let (job, ..) = opened::<T>(&stage);
		let who = rich::<T>("challenger");
		demanded_by::<T>(job, &who);
		let children = stage.traces.clone().try_into().expect("at most 256; qed");
		let provider = account("provider", 0, 0);
		#[extrinsic_call]
		_(RawOrigin::Signed(provider), job, order_of::<T>(job), who.clone(), children);
		assert_eq!(Lanes::<T>::get(job, who).map(|lane| lane.answers), Some(1));
	}

	/// A statement of `c` roots of lazy anchors, the lane put off as far as after an answer.
	#[benchmark]
	fn list_roots(c: Linear<1, 256>) {
		let (program, node) = lazy_program(c);
		let stage = Stage::new(program, node, 1, tensor_root(&[0; 1_024]), true);
		let (job, ..) = opened::<T>(&stage);
		let who = rich::<T>("challenger");
		demanded_by::<T>(job, &who);
		let mut lane = Lanes::<T>::get(job, &who).expect("just opened; qed");
		// As after the answer that leads to the list.
		lane.turn = Turn::Answer(Place::Lazy { step: 0, anchor: 0, level: 0, index: 0 });
		Lanes::<T>::insert(job, &who, lane);
		let children = vec![[3; 32]; c as usize].try_into().expect("at most 256; qed");
		let run_root = run_root(&stage.traces);
		let stated = Statement { run_root, step: 0, anchor: 0, children };
		let provider = account("provider", 0, 0);
		#[extrinsic_call]
		_(RawOrigin::Signed(provider), job, order_of::<T>(job), who.clone(), stated);
		assert!(Lanes::<T>::get(job, who).is_some_and(|lane| lane.list.is_some()));
	}

	/// The last commitment that a job takes, which opens a lane; by a drawn verifier and with a
	/// deposit, as `demand` is measured.
	#[benchmark]
	fn commit_proof() -> Result<(), BenchmarkError> {
		let stage = stage(2, STEPS);
		let (job, who, _) = opened::<T>(&stage);
		crowd_agenda::<T>(job, result::<T>(job).proof_time, None);
		let other = ProofCommitment { account: account("other", 0, 0), commitment: [1; 32] };
		let others = vec![other; MAX_PROOF_COMMITMENTS as usize - 1];
		ProofCommitments::<T>::insert(
			job,
			CommitmentsOf::<T>::try_from(others).expect("one less than the bound; qed"),
		);
		let commitment = [2; 32];
		let (order, action) = (order_of::<T>(job), ChallengeMove::CommitProof { commitment });
		#[block]
		{
			let result = Pallet::<T>::check_move(job, &order, &who, &action)
				.map_err(|_| "a good commitment")?;
			Pallet::<T>::do_commit_proof(job, result, who.clone(), commitment, Payer::Deposit)?;
		}
		assert!(Lanes::<T>::get(job, who).is_some_and(|lane| lane.committed));
		Ok(())
	}

	/// A part of `b` bytes against the longest program, where opening its tiles is all the work, by
	/// a drawn verifier. The tile is right: the account is charged, its fault noted and its lane,
	/// of the most openings, closed; all that on top of what is charged in addition, recomputing a
	/// tile and ending lane and job. Keeping what a fold adds up to takes less.
	#[benchmark]
	fn prove_fraud(b: Linear<8_192, 524_288>) {
		let stage = stage(((b - PART_FRAME) / 2_048 * 2).max(2), STEPS);
		let (job, who, _) = opened::<T>(&stage);
		full_lane::<T>(job, &who);
		Folds::<T>::remove(job, &who);
		assert!(stage.part.encoded_size() as u32 <= b);
		let other = ProofCommitment { account: account("other", 0, 0), commitment: [1; 32] };
		let others = vec![other; MAX_PROOF_COMMITMENTS as usize];
		let others = CommitmentsOf::<T>::try_from(others).expect("exactly the bound; qed");
		ProofCommitments::<T>::insert(job, others);
		let action = ChallengeMove::Prove { part: Box::new(stage.part) };
		let order = order_of::<T>(job);
		let done;
		#[block]
		{
			done = Pallet::<T>::do_move_as_verifier(job, &order, who.clone(), action);
		}
		assert_ok!(done);
		assert!(!Lanes::<T>::contains_key(job, &who));
		let error = Error::<T>::NotWrong.into();
		let rejected = Event::ProofRejected { job, challenger: who, error };
		assert!(frame_system::Pallet::<T>::events().into_iter().any(|record| {
			record.event == <T as frame_system::Config>::RuntimeEvent::from(rejected.clone().into())
		}));
	}

	/// A lane that is put off from a full block of the agenda to the last one that is looked at for
	/// a place.
	#[benchmark]
	fn put_lane() {
		let stage = stage(2, STEPS);
		let (job, who, _) = opened::<T>(&stage);
		let lane = full_lane::<T>(job, &who);
		let deadline = lane.deadline.saturating_add(One::one());
		#[block]
		{
			Pallet::<T>::put_lane(job, &who, lane, deadline);
		}
		let waits = deadline.saturating_add(impls::AGENDA_SPILL.into());
		assert_eq!(Lanes::<T>::get(job, who).and_then(|lane| lane.scheduled), Some(waits));
	}

	/// A lane with as many openings as there can be, whose deposit and whose hold for parts are
	/// lost, which no lane has both: the last one of a job that could settle but for it, and the
	/// last fault that its verifier may have.
	#[benchmark]
	fn close_lane() {
		let stage = stage(2, STEPS);
		let (job, who, _) = opened::<T>(&stage);
		let lane = full_lane::<T>(job, &who);
		frame_system::Pallet::<T>::set_block_number(DUE.into());
		#[block]
		{
			let lane = Lanes::<T>::get(job, &who).unwrap_or(lane);
			T::Jobs::note_rejected(job, &who);
			Pallet::<T>::use_up(job, &who);
			Pallet::<T>::close_lane(job, who.clone(), lane, true);
		}
		assert!(!Lanes::<T>::contains_key(job, &who));
		assert!(!Opened::<T>::contains_key((job, who, MOST_OPENINGS - 1)));
	}

	/// Authorizing a move of `b` bytes. A long move is a proof, but a demand reads more: both are
	/// checked.
	#[benchmark]
	fn authorize_move(b: Linear<1_024, { MAX_PART_BYTES as u32 }>) -> Result<(), BenchmarkError> {
		let stage = stage(2, STEPS);
		let (job, who, key) = opened::<T>(&stage);
		let lane = full_lane::<T>(job, &who);
		Folds::<T>::remove(job, &who);
		let part = ProofPart {
			operands: vec![TilesOpening {
				tiles: vec![0; b.saturating_sub(1_024) as usize],
				siblings: Vec::new(),
			}],
			..stage.part
		};
		let action = ChallengeMove::Prove { part: Box::new(part) };
		let next = ChallengeMove::Demand { child: Some(0) };
		let order = order_of::<T>(job);
		let signed = Pallet::<T>::signed_action(job, &who, &action);
		let payload = signing_payload(&Pallet::<T>::genesis_hash(), job, &order, &who, 0, &signed);
		let signature =
			key.sign(&payload).expect("the benchmark's keystore has just made the key; qed");
		// A group of the run tree, below which there is more to demand.
		let place = Place::Run { level: 0, index: 0 };
		let children = vec![[1; 32]; STEPS as usize].try_into().expect("exactly the bound; qed");
		let group = OpenedGroup { place, children };
		Opened::<T>::insert((job, who.clone(), lane.answers - 1), group);
		let account = who.clone();
		let call = Call::<T>::move_as_verifier { job, order, account, action, retry: 0, signature };
		#[block]
		{
			Pallet::<T>::check_move(job, &order, &who, &next).map_err(|_| "a good demand")?;
			call.authorize(TransactionSource::External)
				.ok_or("the call is an authorized one")??;
		}
		Ok(())
	}

	/// A block without lanes; its end too, which has no weight of its own.
	#[benchmark]
	fn on_initialize_base() {
		let now = Pallet::<T>::now().saturating_add(1_000u32.into());
		ProofBytes::<T>::put(1);
		#[block]
		{
			Pallet::<T>::on_initialize(now);
			Pallet::<T>::on_finalize(now);
		}
		assert!(!Agenda::<T>::contains_key(now));
	}

	/// The referee alone, case by case; measured with as many steps as there are cases.
	#[benchmark(extra)]
	fn referee(c: Linear<0, { CASES.len() as u32 - 1 }>) {
		let stage = CASES[c as usize].stage();
		let ruling;
		#[block]
		{
			ruling = stage.judge();
		}
		assert!(ruling.is_ok());
	}

	impl_benchmark_test_suite!(Pallet, mock::new_bench_ext(), mock::Test);
}

#[cfg(test)]
mod tests {
	use super::{cases::describe, *};

	/// Prints what `docs/benchmarks.md` needs beside the measured times.
	#[test]
	fn referee_cases_should_be_admitted_and_judged_when_they_are_measured() {
		for case in CASES {
			println!("referee case|{}", describe(case));
			let ruling = case.stage().judge();
			assert!(ruling.is_ok(), "{}: {ruling:?}", case.name);
		}
	}
}
