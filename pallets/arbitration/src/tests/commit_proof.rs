use super::*;
use crate::{ProofCommitments, MAX_PROOF_COMMITMENTS};

#[test]
fn commitment_should_open_a_lane_and_keep_the_job_open_when_the_account_has_none() {
	execute(|| {
		let id = post(lying());
		roll_to(job(id).deadline);
		assert_ok!(commit_with(id, &challenger(), [1; 32]));
		let lane = lane(id, &challenger());
		assert_eq!((lane.turn, lane.committed), (Turn::Move, true));
		assert_eq!(lane.deadline, now() + PROOF_TIME);
		assert_eq!(held(&challenger()), DEPOSIT);
		assert_emitted!(Event::ProofCommitted {
			job: id,
			challenger: challenger(),
			commitment: [1; 32],
		});
		roll_to(lane.deadline);
		assert!(!job(id).ended);
		roll(2);
		assert!(job(id).ended, "one proof period, and no more");
	});
}

#[test]
fn commitment_should_give_time_when_it_is_the_challengers_move() {
	execute(|| {
		let id = post(lying());
		descend(id, &challenger(), lying(), honest());
		assert_eq!(lane(id, &challenger()).deadline, now() + MOVE_TIME);
		assert_ok!(commit_with(id, &challenger(), [1; 32]));
		assert_eq!(lane(id, &challenger()).deadline, now() + PROOF_TIME);
		assert_eq!(held(&challenger()), DEPOSIT, "one deposit for a lane");
	});
}

#[test]
fn commitment_should_not_extend_an_answer_when_one_is_owed() {
	execute(|| {
		let id = post(lying());
		assert_ok!(demand(id, &challenger(), None));
		let before = lane(id, &challenger());
		assert_ok!(commit_with(id, &challenger(), [1; 32]));
		let after = lane(id, &challenger());
		assert_eq!((after.turn, after.deadline), (before.turn, before.deadline));
		assert_ok!(answer(id, &challenger(), lying()));
		assert!(lane(id, &challenger()).committed);
	});
}

#[test]
fn commitment_should_be_refused_when_the_account_has_one() {
	execute(|| {
		let id = post(lying());
		assert_ok!(commit_with(id, &challenger(), [1; 32]));
		for commitment in [[1; 32], [2; 32]] {
			assert_noop!(
				commit_with(id, &challenger(), commitment),
				Error::<Test>::AlreadyCommitted
			);
		}
	});
}

#[test]
fn commitment_should_be_refused_when_it_is_late_or_there_is_nothing_to_dispute() {
	execute(|| {
		let commit = |id| commit_with(id, &challenger(), [1; 32]);
		assert_noop!(commit(3), Error::<Test>::NothingToDispute);
		let id = post(lying());
		assert_ok!(demand(id, &other(), None));
		roll_to(job(id).deadline - 1);
		let id = post(lying());
		let early = post(lying());
		assert_ok!(demand(early, &challenger(), None));
		assert_ok!(answer(early, &challenger(), lying()));
		skip_to(lane(early, &challenger()).deadline + 1);
		assert_noop!(commit(early), Error::<Test>::DeadlinePassed);
		skip_to(job(id).deadline + 1);
		assert_noop!(commit(id), Error::<Test>::TooLate);
	});
}

#[test]
fn commitment_should_be_refused_without_a_trace_when_there_are_too_many() {
	execute(|| {
		let id = post(lying());
		for index in 0..MAX_PROOF_COMMITMENTS as u8 {
			let who = account(100 + index);
			assert_ok!(commit_with(id, &who, [index; 32]));
		}
		// Refused calls are rolled back, the deposit with them.
		assert_noop!(commit_with(id, &challenger(), [99; 32]), Error::<Test>::TooManyCommitments);
		assert_eq!(ProofCommitments::<Test>::get(id).len() as u32, MAX_PROOF_COMMITMENTS);
		assert_eq!(held(&challenger()), 0);
		assert_ok!(prove_fraud(id, &challenger(), &lying().proof(lying().lie_accused())[0]));
		assert_eq!(condemned(id), proven(&challenger()), "they keep nobody from proving");
	});
}

#[test]
fn commitments_should_be_forgotten_when_the_job_ends() {
	execute(|| {
		let id = post(lying());
		assert_ok!(commit_with(id, &challenger(), [1; 32]));
		assert_ok!(prove_fraud(id, &other(), &lying().proof(lying().lie_accused())[0]));
		assert!(!ProofCommitments::<Test>::contains_key(id));
	});
}
