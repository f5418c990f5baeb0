//! Lists of lazy anchors' roots: stated by the provider, and what it is held to.

use super::*;
use crate::{Folds, Statement};
use assay_commitments::RunShape;

/// A lane in which the list for the second eager anchor of the second step is owed.
fn owed(run: &Run) -> u64 {
	let id = post(run);
	to_the_list(id, &challenger(), run);
	id
}

fn to_the_list(id: u64, who: &AccountId, run: &Run) {
	assert_ok!(demand(id, who, None));
	assert_ok!(answer(id, who, run));
	assert_ok!(demand(id, who, Some(1)));
	assert_ok!(answer(id, who, run));
	assert_ok!(demand(id, who, Some(SECOND)));
	assert_eq!(demanded(id, who), LIST);
}

const LIST: Place = Place::Lazy { step: 1, anchor: SECOND, level: 0, index: 0 };

/// The provider states the list of this run.
fn state(id: u64, run: &Run) {
	assert_ok!(list_with(id, &challenger(), &provider(), LIST, run.root(), run.children(LIST)));
}

#[test]
fn list_should_be_free_and_hand_over_the_move_when_the_provider_states_it() {
	execute(|| {
		let run = lying_past_list();
		let id = owed(run);
		roll(2);
		let eager = run.roots[1][SECOND as usize];
		assert_eq!(lane(id, &challenger()).parent, eager);
		let info = list_with(id, &challenger(), &provider(), LIST, run.root(), run.lazy[1].clone())
			.expect("the provider states what it likes");
		assert_eq!(info.pays_fee, Pays::No);
		let lane = lane(id, &challenger());
		assert_eq!((lane.turn, lane.answers, lane.deadline), (Turn::Move, 3, now() + MOVE_TIME));
		let list = lane.list.expect("kept");
		assert_eq!((list.list, list.eager), (run.list(1, SECOND), eager));
		assert_emitted!(Event::OpeningAnswered {
			job: id,
			challenger: challenger(),
			by: provider(),
			place: LIST,
			deadline: now() + MOVE_TIME,
		});
	});
}

#[test]
fn list_should_be_refused_when_anybody_but_the_provider_states_it() {
	execute(|| {
		let run = lying_past_list();
		let id = owed(run);
		for who in [challenger(), other(), bystander(), verifier(0), requester()] {
			// A false list in the provider's name would cost it its bond.
			refused!(
				list_with(id, &challenger(), &who, LIST, run.root(), run.lazy[1].clone()),
				Error::<Test>::ProviderOnly
			);
			refused!(
				answer_with(id, &challenger(), &who, run.lazy[1].clone()),
				Error::<Test>::ProviderOnly
			);
		}
		refused!(
			answer_with(id, &challenger(), &provider(), run.lazy[1].clone()),
			Error::<Test>::ProviderOnly
		);
		state(id, run);
	});
}

#[test]
fn list_should_be_refused_when_it_was_made_for_another_demand() {
	execute(|| {
		let run = lying_past_list();
		let id = owed(run);
		let all = || run.lazy[1].clone();
		for place in [
			Place::Lazy { step: 0, anchor: SECOND, level: 0, index: 0 },
			Place::Lazy { step: 1, anchor: FIRST, level: 0, index: 0 },
			Place::Lazy { step: u32::MAX, anchor: u32::MAX, level: 0, index: 0 },
		] {
			let stated = list_with(id, &challenger(), &provider(), place, run.root(), all());
			refused!(stated, Error::<Test>::OtherList);
		}
		// The same step and anchor of another run, as a job of the same number had it on a fork.
		let root = honest_lists().root();
		refused!(
			list_with(id, &challenger(), &provider(), LIST, root, all()),
			Error::<Test>::OtherList
		);
		// What is demanded is no list.
		assert_ok!(demand(id, &other(), None));
		let other = list_with(id, &other(), &provider(), LIST, run.root(), all());
		refused!(other, Error::<Test>::OtherList);
	});
}

#[test]
fn list_should_be_refused_when_its_length_is_wrong() {
	execute(|| {
		let run = lying_past_list();
		let id = owed(run);
		let all = run.lazy[1].clone();
		for wrong in [vec![], all[..2].to_vec(), [&all[..], &all[..1]].concat(), vec![all[0]; 256]]
		{
			refused!(
				list_with(id, &challenger(), &provider(), LIST, run.root(), wrong),
				Error::<Test>::WrongAnswer
			);
		}
		state(id, run);
	});
}

#[test]
fn list_should_be_refused_when_another_was_stated_in_the_lane() {
	execute(|| {
		let run = lying_past_list();
		let id = owed(run);
		state(id, lying_in_list());
		let kept = lane(id, &challenger());
		for again in [run, lying_in_list()] {
			refused!(
				list_with(id, &challenger(), &provider(), LIST, run.root(), again.children(LIST)),
				Error::<Test>::NothingDemanded
			);
		}
		assert_eq!(lane(id, &challenger()), kept);
		// Nor when the way has gone on.
		assert_ok!(demand(id, &challenger(), Some(2)));
		refused!(
			list_with(id, &challenger(), &provider(), LIST, run.root(), run.children(LIST)),
			Error::<Test>::OtherList
		);
		assert_eq!(lane(id, &challenger()).list, kept.list);
	});
}

#[test]
fn list_should_count_in_the_deadline_block_and_not_later() {
	execute(|| {
		let run = lying_past_list();
		let id = owed(run);
		let deadline = lane(id, &challenger()).deadline;
		skip_to(deadline + 1);
		refused!(
			list_with(id, &challenger(), &provider(), LIST, run.root(), run.children(LIST)),
			Error::<Test>::DeadlinePassed
		);
		skip_to(deadline);
		state(id, run);
		refused!(
			list_with(9, &challenger(), &provider(), LIST, run.root(), run.children(LIST)),
			Error::<Test>::NothingToDispute
		);
		refused!(
			list_with(id, &other(), &provider(), LIST, run.root(), run.children(LIST)),
			Error::<Test>::NoLane
		);
	});
}

#[test]
fn job_should_end_as_withheld_when_no_list_is_given() {
	execute(|| {
		let id = owed(lying_past_list());
		roll_to(lane(id, &challenger()).deadline + 1);
		assert_eq!(condemned(id), withheld(&challenger()));
		assert_emitted!(Event::OpeningWithheld { job: id, challenger: challenger(), place: LIST });
		assert_eq!(closed(id, &challenger()), Some((DEPOSIT, 0, 0)));
	});
}

/// The proof at the end of the way down, sent by the challenger.
fn fought_out(run: &'static Run) -> (u64, assay_referee::Accusation) {
	let id = post(run);
	let accused = descend(id, &challenger(), run, honest_lists());
	assert!(lane(id, &challenger()).answers <= run.openings());
	assert_ok!(prove_fraud(id, &challenger(), &run.proof(accused)[0]));
	(id, accused)
}

#[test]
fn lie_past_a_true_list_should_be_proved_and_blame_nobody_but_the_provider() {
	execute(|| {
		let (id, accused) = fought_out(lying_past_list());
		assert_eq!(accused, lying_past_list().lie_accused());
		// The list might have been the false one: who vouched for the run is not proved wrong.
		assert_eq!((condemned(id), wrong_step(id)), (withheld(&challenger()), None));
		let prover = challenger();
		assert_emitted!(Event::FraudProven { job: id, accusation: accused, prover });
		assert_eq!(closed(id, &challenger()), Some((DEPOSIT, 0, 0)));
	});
}

#[test]
fn lie_should_be_proved_in_the_list_when_the_provider_makes_it_up_there() {
	execute(|| {
		let (id, accused) = fought_out(lying_in_list());
		let lie = Lie { step: 1, anchor: PRODUCT, tile: 3 };
		assert_eq!(accused, lying_in_list().accusation(lie));
		assert_eq!((condemned(id), wrong_step(id)), (withheld(&challenger()), None));
	});
}

#[test]
fn fraud_should_be_proven_when_the_proof_needs_no_list() {
	execute(|| {
		// The state's update is wrong, and what it says of itself needs no lazy anchor: that of
		// `small`.
		let id = post(lying());
		assert_ok!(prove_fraud(id, &challenger(), &lying().proof(lying().lie_accused())[0]));
		assert_eq!((condemned(id), wrong_step(id)), (proven(&challenger()), Some(1)));
	});
}

#[test]
fn provider_should_lose_and_verifiers_keep_their_stakes_when_it_lists_falsely_of_a_right_run() {
	execute(|| {
		// A provider that wants honest verifiers slashed at the price of its own bond.
		let run = honest_lists().listing_lie(Lie { step: 1, anchor: SUM, tile: 0 });
		let id = post(&run);
		to_the_list(id, &challenger(), &run);
		state(id, &run);
		let accused = run.accusation(Lie { step: 1, anchor: SUM, tile: 0 });
		let proof = run.proof_by(accused, Some(SECOND));
		assert_ok!(prove_fraud(id, &challenger(), &proof[0]));
		assert_eq!((condemned(id), wrong_step(id)), (withheld(&challenger()), None));
	});
}

#[test]
fn proof_should_be_refused_when_the_list_is_not_its_senders() {
	execute(|| {
		let run = lying_in_list();
		let id = post(run);
		let accused = descend(id, &challenger(), run, honest_lists());
		let part = &run.proof(accused)[0];
		// Copied from the pool, by somebody without a lane, or with one that has no list yet.
		refused!(prove_fraud(id, &bystander(), part), Error::<Test>::NeedsList);
		assert_ok!(demand(id, &other(), None));
		refused!(prove_fraud(id, &other(), part), Error::<Test>::NeedsList);
		// With another list, stated in another lane: each is held against what it was told.
		assert_ok!(answer(id, &other(), run));
		assert_ok!(demand(id, &other(), Some(1)));
		assert_ok!(answer(id, &other(), run));
		assert_ok!(demand(id, &other(), Some(SECOND)));
		let true_list = honest_lists().children(LIST);
		assert_ok!(list_with(id, &other(), &provider(), LIST, run.root(), true_list));
		refused!(prove_fraud(id, &other(), part), Error::<Test>::ProofLazy);
		// By that list the eager anchor is the wrong one.
		let past = &lying_past_list().proof(lying_past_list().lie_accused())[0];
		refused!(prove_fraud(id, &challenger(), past), Error::<Test>::ProofLazy);
		assert_ok!(prove_fraud(id, &other(), past));
		assert_eq!(condemned(id), withheld(&other()));
	});
}

#[test]
fn proof_should_be_refused_when_the_list_is_true_and_the_run_too() {
	execute(|| {
		let run = honest_lists();
		let id = owed(run);
		state(id, run);
		for (anchor, tile) in [(PLAIN, 2), (SUM, 0), (PRODUCT, 5), (FIRST, 1), (SECOND, 3)] {
			let accused = run.accusation(Lie { step: 1, anchor, tile });
			let part = &run.proof_by(accused, Some(SECOND))[0];
			refused!(prove_fraud(id, &challenger(), part), Error::<Test>::NotWrong);
			// A challenger that lies about a lazy root finds no opening of its own.
			let lie = run.listing_lie(Lie { step: 1, anchor: SUM, tile: 0 });
			let wrong = &lie.proof_by(accused, Some(SECOND))[0];
			let refusal = match wrong.lazy.roots.is_empty() {
				true => Error::<Test>::NotWrong,
				false => Error::<Test>::ProofLazy,
			};
			refused!(prove_fraud(id, &challenger(), wrong), refusal);
		}
		// Of another step than the list's.
		let accused = run.accusation(Lie { step: 0, anchor: SUM, tile: 0 });
		let part = &run.proof_by(accused, Some(SECOND))[0];
		refused!(prove_fraud(id, &challenger(), part), Error::<Test>::NeedsList);
		assert_eq!(condemned(id), None);
	});
}

#[test]
fn way_past_a_list_should_lead_to_the_eager_anchor_and_no_further() {
	execute(|| {
		let run = lying_past_list();
		let id = owed(run);
		state(id, run);
		for child in [4, 5, 255, u32::MAX] {
			assert_noop!(demand(id, &challenger(), Some(child)), Error::<Test>::WrongChild);
		}
		assert_ok!(demand(id, &challenger(), Some(3)));
		let place = Place::Tensor { step: 1, anchor: SECOND, level: 0, index: 0 };
		assert_eq!(demanded(id, &challenger()), place);
		// Against the root in the trace, not against anything in the list.
		let wrong = run.children(Place::Tensor { step: 1, anchor: PRODUCT, level: 0, index: 0 });
		refused!(answer_with(id, &challenger(), &provider(), wrong), Error::<Test>::WrongAnswer);
		assert_ok!(answer(id, &challenger(), run));
		// Anchors without lazy ones before them are opened without a list.
		assert_eq!((run.lazy_before(FIRST), lying().lazy_before(NEXT)), (2, 0));
	});
}

#[test]
fn demand_should_be_refused_when_it_was_made_for_another_list() {
	execute(|| {
		// Two forks, on which the provider states two lists: what was sent on one of them comes
		// back on the other.
		let run = lying_past_list();
		let id = owed(run);
		let [a, b] = [lying_past_list(), lying_in_list()].map(|run| run.list(1, SECOND).root);
		let demand =
			|child, list| Arbitration::demand(signed(&challenger()), id, order(id), child, list);
		state(id, lying_in_list());
		for list in [None, Some(a), Some([0; 32])] {
			assert_noop!(demand(Some(3), list), Error::<Test>::OtherList);
		}
		assert_ok!(demand(Some(2), Some(b)));
		// Where no list is stated there is none to name.
		let id = post(run);
		let first = Arbitration::demand(signed(&challenger()), id, order(id), None, Some(a));
		assert_noop!(first, Error::<Test>::OtherList);
	});
}

#[test]
fn verifier_should_not_be_held_to_a_move_that_it_made_for_another_list() {
	execute(|| {
		let who = verifier(0);
		let id = post(lying_past_list());
		let run = lying_past_list();
		assert_ok!(act_demand(id, &who, None));
		assert_ok!(answer(id, &who, run));
		assert_ok!(act_demand(id, &who, Some(1)));
		assert_ok!(answer(id, &who, run));
		assert_ok!(act_demand(id, &who, Some(SECOND)));
		let signed_on = |stated: &Run, action: &dyn Fn() -> ChallengeMove| {
			frame_support::storage::with_transaction(|| {
				let root = run.root();
				let children = stated.children(LIST);
				assert_ok!(list_with(id, &who, &provider(), LIST, root, children));
				let call = move_call(id, &who, action());
				sp_runtime::TransactionOutcome::Rollback(Ok::<_, sp_runtime::DispatchError>(call))
			})
			.expect("rolled back")
		};
		// A proof and a demand that are right where the list is made up, sent where it is true.
		let lie = lying_in_list();
		let lie = &lie.proof(lie.accusation(Lie { step: 1, anchor: PRODUCT, tile: 3 }))[0];
		let proof = || ChallengeMove::Prove { part: Box::new(lie.clone()) };
		let down = || ChallengeMove::Demand { child: Some(2) };
		let stale = [signed_on(lying_in_list(), &proof), signed_on(lying_in_list(), &down)];
		assert_ok!(answer(id, &who, run));
		for call in stale {
			assert_eq!(apply(call), invalid(InvalidTransaction::BadProof));
		}
		// Or its only free lane would be gone.
		assert!(crate::UsedUp::<Test>::get(id).is_empty());
		assert_ok!(act_demand(id, &who, Some(3)));
	});
}

#[test]
fn verifier_should_prove_by_its_own_list_when_it_was_drawn() {
	execute(|| {
		let run = lying_in_list();
		let id = post(run);
		let who = verifier(1);
		assert_ok!(act_demand(id, &who, None));
		let accused = loop {
			assert_ok!(answer(id, &who, run));
			match next_child(id, &who, honest_lists()) {
				(child, Below::Group(_)) => {
					assert_ok!(act_demand(id, &who, Some(child)));
				}
				(_, Below::Chunk { step, anchor, tile }) => {
					break run.accusation(Lie { step, anchor, tile })
				}
			}
		};
		assert_ok!(act_prove(id, &who, &run.proof(accused)[0]));
		assert_eq!(condemned(id), withheld(&who));
	});
}

#[test]
fn statement_should_be_small_and_keep_its_bytes() {
	use codec::{Encode, MaxEncodedLen};
	let children = vec![[5; 32]; 2].try_into().expect("two");
	let stated = Statement { run_root: [1; 32], step: 2, anchor: 3, children };
	let bytes = [&[1; 32][..], &[2, 0, 0, 0, 3, 0, 0, 0, 8], &[5; 64]].concat();
	assert_eq!(stated.encode(), bytes);
	assert!(Statement::max_encoded_len() <= 8_300);
	new_test_ext().execute_with(|| assert_eq!(Folds::<Test>::iter().count(), 0));
}
