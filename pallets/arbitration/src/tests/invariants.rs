//! Random sequences of calls and blocks: after each, the state is sound and no unit came or went.

use super::*;
use crate::{
	Agenda, AliveLanes, Demanded, DepositLanes, Folds, Lanes, Opened, Owed, ProofCommitments,
	Statement, UsedUp,
};
use assay_market::JobId;
use proptest::prelude::*;

/// One move of somebody.
#[derive(Clone, Debug)]
enum Move {
	Post {
		run: usize,
	},
	/// `guess`: a child at random; otherwise the one that differs.
	Demand {
		job: u64,
		by: usize,
		guess: Option<u32>,
	},
	Answer {
		job: u64,
		of: usize,
		honest: bool,
	},
	Commit {
		job: u64,
		by: usize,
		junk: bool,
	},
	/// `lie`: accuse the tile that is wrong; otherwise one that may be right.
	Prove {
		job: u64,
		by: usize,
		lie: bool,
		spoil: bool,
	},
	/// The same moves by session key.
	VerifierDemand {
		job: u64,
		by: usize,
		guess: Option<u32>,
	},
	VerifierCommit {
		job: u64,
		by: usize,
	},
	VerifierProve {
		job: u64,
		by: usize,
		lie: bool,
		spoil: bool,
	},
	Poke {
		job: u64,
		of: usize,
	},
	/// Everything that can be said of a job, for the job of its number on another fork.
	OtherFork {
		job: u64,
		by: usize,
	},
	EndCondemned {
		job: u64,
	},
	EndsLater {
		later: bool,
	},
	Roll {
		blocks: u64,
	},
	RollPastDeadline {
		job: u64,
		of: usize,
	},
}

fn a_move() -> impl Strategy<Value = Move> {
	let job = 0..3u64;
	let by = 0..5usize;
	let guess = prop_oneof![6 => Just(None), 1 => (0..4u32).prop_map(Some)];
	let seldom = || prop_oneof![5 => Just(false), 1 => Just(true)];
	prop_oneof![
		3 => (0..RUNS).prop_map(|run| Move::Post { run }),
		8 => (job.clone(), by.clone(), guess.clone())
			.prop_map(|(job, by, guess)| Move::Demand { job, by, guess }),
		12 => (job.clone(), by.clone(), prop_oneof![8 => Just(true), 1 => Just(false)])
			.prop_map(|(job, of, honest)| Move::Answer { job, of, honest }),
		2 => (job.clone(), by.clone(), seldom())
			.prop_map(|(job, by, junk)| Move::Commit { job, by, junk }),
		2 => (job.clone(), by.clone(), any::<bool>(), seldom())
			.prop_map(|(job, by, lie, spoil)| Move::Prove { job, by, lie, spoil }),
		4 => (job.clone(), by.clone(), guess)
			.prop_map(|(job, by, guess)| Move::VerifierDemand { job, by, guess }),
		1 => (job.clone(), by.clone()).prop_map(|(job, by)| Move::VerifierCommit { job, by }),
		2 => (job.clone(), by.clone(), any::<bool>(), seldom())
			.prop_map(|(job, by, lie, spoil)| Move::VerifierProve { job, by, lie, spoil }),
		1 => (job.clone(), by.clone()).prop_map(|(job, of)| Move::Poke { job, of }),
		1 => (job.clone(), by.clone()).prop_map(|(job, by)| Move::OtherFork { job, by }),
		2 => job.clone().prop_map(|job| Move::EndCondemned { job }),
		1 => any::<bool>().prop_map(|later| Move::EndsLater { later }),
		4 => (1..4u64).prop_map(|blocks| Move::Roll { blocks }),
		2 => (job, by).prop_map(|(job, of)| Move::RollPastDeadline { job, of }),
	]
}

const RUNS: usize = 9;

/// The runs that providers reveal, and what an honest challenger has.
fn run(index: usize) -> (&'static Run, &'static Run) {
	match index {
		0 => (lying(), honest()),
		1 => (lying_deep(), honest()),
		2 => (lying_once(), honest_once()),
		3 => (lying_long(), honest_long()),
		4 => (honest_long(), honest_long()),
		5 => (lying_past_list(), honest_lists()),
		6 => (lying_in_list(), honest_lists()),
		7 => (honest_lists(), honest_lists()),
		_ => (honest(), honest()),
	}
}

fn run_of(id: JobId) -> Option<(&'static Run, &'static Run)> {
	let root = crate::mock::FakeJobs::get(id)?.run_root;
	let index = (0..RUNS).find(|index| run(*index).0.root() == root)?;
	// Two runs have one root and differ in what their providers list.
	Some(run(index + usize::from(index == 5 && id % 2 == 1)))
}

/// The jobs of a sequence are its youngest.
fn recent(job: u64) -> JobId {
	crate::mock::NextJob::get().saturating_sub(1 + job)
}

/// Outsiders and verifiers alike open lanes by signed calls.
fn who(index: usize) -> AccountId {
	[challenger(), other(), verifier(0), verifier(1), provider()][index].clone()
}

/// The child to go on from: the one that differs where there is one.
fn child(id: JobId, who: &AccountId, guess: Option<u32>) -> Option<u32> {
	let view = Arbitration::lane(id, who.clone())?;
	let (place, children) = view.opened.last()?;
	if guess.is_some() {
		return guess;
	}
	let (_, own) = run_of(id)?;
	let differs = own.children(*place).iter().zip(children).position(|(own, theirs)| own != theirs);
	let past = if place.is_stated(own) { children.len() } else { 0 };
	Some(differs.unwrap_or(past) as u32)
}

/// The next part of a proof in this lane.
fn part(id: JobId, who: &AccountId, lie: bool, spoil: bool) -> Option<assay_referee::ProofPart> {
	let (run, _) = run_of(id)?;
	let accused = match run.lie.filter(|_| lie) {
		Some(lie) if std::ptr::eq(run, lying_in_list()) => {
			run.accusation(Lie { anchor: PRODUCT, ..lie })
		}
		Some(lie) => run.accusation(lie),
		None => run.accusation(Lie { step: 0, anchor: 0, tile: 0 }),
	};
	let at = Folds::<Test>::get(id, who).map_or(0, |fold| fold.next);
	let parts = cached(run, accused);
	let mut part = parts.get(at as usize)?.clone();
	if spoil {
		part.claimed.0[3] ^= 4;
	}
	Some(part)
}

/// Proofs are long to make and the same every time.
fn cached(run: &'static Run, accused: assay_referee::Accusation) -> Vec<assay_referee::ProofPart> {
	use std::{cell::RefCell, collections::HashMap};
	type Key = ([u8; 32], u32, u32, u64);
	thread_local! {
		static PROOFS: RefCell<HashMap<Key, Vec<assay_referee::ProofPart>>> = RefCell::default();
	}
	let key = (run.root(), accused.step, accused.node, accused.tile);
	PROOFS.with_borrow_mut(|all| all.entry(key).or_insert_with(|| run.proof(accused)).clone())
}

/// A call as a block includes it: rolled back when it fails.
fn included<T, E>(call: impl FnOnce() -> Result<T, E>) -> bool {
	frame_support::storage::with_storage_layer(|| {
		call().map_err(|_| sp_runtime::DispatchError::Other("refused"))
	})
	.is_ok()
}

fn carry_out(step: Move) {
	match step {
		Move::Post { run: index } => {
			let id = post(run(index).0);
			set_work(id, 1_700 * index as u64);
		}
		Move::Demand { job, by, guess } => {
			let (id, by) = (recent(job), who(by));
			included(|| demand(id, &by, child(id, &by, guess)));
		}
		Move::Answer { job, of, honest } => {
			let (id, of) = (recent(job), who(of));
			let Some((run, _)) = run_of(id) else { return };
			let Some(lane) = Lanes::<Test>::get(id, &of) else { return };
			let Turn::Answer(place) = lane.turn else { return };
			let mut children = run.children(place);
			if !honest {
				children[0][0] ^= 1;
			}
			if place.is_stated(run) {
				// Whatever is stated is taken: in time, of this place, and of the provider alone.
				let state = |by: &AccountId, root| {
					let children = children.clone();
					included(|| list_with(id, &of, by, place, root, children))
				};
				let awaited =
					Arbitration::result_of(id, &order(id)).is_ok() && now() <= lane.deadline;
				assert!(!included(|| answer_with(id, &of, &provider(), children.clone())));
				assert!(!state(&other(), run.root()) && !state(&provider(), [0; 32]));
				assert_eq!(state(&provider(), run.root()), awaited);
				return;
			}
			let accepted = included(|| answer_with(id, &of, &provider(), children));
			let awaited = Arbitration::result_of(id, &order(id)).is_ok() && now() <= lane.deadline;
			// Below a list that it has stated falsely even the true answer fits nothing.
			let misled = (0..lane.answers)
				.filter_map(|at| Opened::<Test>::get((id, of.clone(), at)))
				.any(|group| {
					group.place.is_stated(run)
						&& group.children[..] != run.children(group.place)[..]
				});
			if !misled {
				assert_eq!(accepted, honest && awaited, "the true answer, and no other");
			}
		}
		Move::Commit { job, by, junk } => {
			let (id, by) = (recent(job), who(by));
			let Some(part) = part(id, &by, true, false).filter(|part| part.part == 0) else {
				return;
			};
			let commitment = if junk { [1; 32] } else { commitment(id, &by, &part) };
			included(|| commit_with(id, &by, commitment));
		}
		Move::Prove { job, by, lie, spoil } => {
			let (id, by) = (recent(job), who(by));
			let Some(part) = part(id, &by, lie, spoil) else { return };
			included(|| prove_fraud(id, &by, &part));
		}
		Move::VerifierDemand { job, by, guess } => {
			let (id, by) = (recent(job), who(by));
			included(|| act_demand(id, &by, child(id, &by, guess)));
		}
		Move::VerifierCommit { job, by } => {
			let (id, by) = (recent(job), who(by));
			included(|| act(id, &by, ChallengeMove::CommitProof { commitment: [2; 32] }));
		}
		Move::VerifierProve { job, by, lie, spoil } => {
			let (id, by) = (recent(job), who(by));
			let Some(part) = part(id, &by, lie, spoil) else { return };
			included(|| act_prove(id, &by, &part));
		}
		Move::Poke { job, of } => {
			included(|| poke(recent(job), &who(of)));
		}
		Move::OtherFork { job, by } => {
			let (id, by) = (recent(job), who(by));
			let there = order_hash(id, 9);
			let children = || crate::Children::try_from(vec![[1; 32]; 3]).expect("few");
			let stated = Statement { run_root: [1; 32], step: 0, anchor: 0, children: children() };
			let action = ChallengeMove::Demand { child: None };
			let part =
				run_of(id).map(|(run, _)| run.accusation(Lie { step: 0, anchor: 0, tile: 0 }));
			let part = part.map(|accused| cached(run_of(id).expect("posted").0, accused).remove(0));
			assert!(!included(|| Arbitration::demand(signed(&by), id, there, None, None)));
			assert!(!included(|| Arbitration::commit_proof(signed(&by), id, there, [1; 32])));
			let origin = || signed(&provider());
			assert!(!included(|| Arbitration::answer(origin(), id, there, by.clone(), children())));
			assert!(!included(|| Arbitration::list_roots(origin(), id, there, by.clone(), stated)));
			if let Some(part) = part {
				let part = Box::new(part);
				assert!(!included(|| Arbitration::prove_fraud(signed(&by), id, there, part)));
			}
			assert!(Arbitration::check_move(id, &there, &by, &action).is_err());
		}
		Move::EndCondemned { job } => {
			let id = recent(job);
			let fake = crate::mock::FakeJobs::get(id);
			if fake.is_some_and(|job| job.condemned.is_some() && !job.ended) {
				end_job(id);
			}
		}
		Move::EndsLater { later } => EndsLater::set(later),
		Move::Roll { blocks } => roll(blocks),
		Move::RollPastDeadline { job, of } => {
			if let Some(lane) = Lanes::<Test>::get(recent(job), who(of)) {
				roll_to(lane.deadline + 1);
			}
		}
	}
}

proptest! {
	#![proptest_config(ProptestConfig { cases: 384, ..ProptestConfig::default() })]

	#[test]
	fn state_should_stay_sound_when_anything_happens_in_any_order(
		steps in proptest::collection::vec(a_move(), 1..160)
	) {
		new_test_ext().execute_with(|| {
			let before = all_money();
			for step in steps {
				let shown = format!("{step:?}");
				carry_out(step);
				let sound = Arbitration::do_try_state();
				assert!(sound.is_ok(), "after {shown}: {sound:?}");
				assert_eq!(all_money(), before, "after {shown}");
				check_verdicts();
			}
			// Left alone, every dispute ends by itself and leaves nothing.
			for id in 0..crate::mock::NextJob::get() {
				if job(id).condemned.is_some() && !job(id).ended {
					end_job(id);
				}
			}
			EndsLater::set(false);
			roll(CHALLENGE_TIME + PROOF_TIME + 5 * MOVE_TIME + 70 + 60 + 14);
			Test::check(before);
			check_verdicts();
			assert_eq!(Lanes::<Test>::iter().count(), 0);
			assert_eq!(Opened::<Test>::iter().count(), 0);
			assert_eq!(Folds::<Test>::iter().count(), 0);
			assert_eq!(AliveLanes::<Test>::iter().count(), 0);
			assert_eq!(Agenda::<Test>::iter().count(), 0);
			assert_eq!(ProofCommitments::<Test>::iter().count(), 0);
			assert_eq!(UsedUp::<Test>::iter().count(), 0);
			assert_eq!(Owed::<Test>::iter().count(), 0);
			assert_eq!(Demanded::<Test>::iter().count(), 0);
			assert_eq!(DepositLanes::<Test>::iter().count(), 0);
			assert!((0..5).all(|index| held(&who(index)) == 0));
			assert!((0..crate::mock::NextJob::get()).all(|id| job(id).ended));
		});
	}
}

/// Fraud is only ever proved of runs with a lie.
fn check_verdicts() {
	for id in 0..crate::mock::NextJob::get() {
		if let Some((ReasonCode::ProvenFraud, _)) = condemned(id) {
			let (run, _) = run_of(id).expect("one of ours");
			assert!(run.lie.is_some(), "an honest result was condemned");
		}
	}
}
