//! The answers of the runtime API.

use super::*;
use assay_market::SeatStatus;
use sp_core::Pair;

fn key(who: &AccountId) -> assay_market::VerifierId {
	pair(who).public()
}

#[test]
fn assignments_should_follow_the_seat_when_the_job_moves() {
	ExtBuilder::default().verifiers(1).build_and_execute(|| {
		let id = post(standard());
		let keys = [key(&verifier(0))];
		assert!(Market::assignments(&keys).is_empty());
		roll_past_deadline(id);
		let duties = Market::assignments(&keys);
		assert_eq!(duties.len(), 1);
		assert_eq!(
			(duties[0].purpose, duties[0].committed, duties[0].draw_block),
			(Purpose::Attest, false, now())
		);
		assert_eq!(duties[0].input_roots, [[1; 32], [2; 32]]);
		assert_ok!(attest(id, &verifier(0), true));
		assert_ok!(claim(id, provider()));
		assert_ok!(commit_result(id, &right()));
		roll_past_deadline(id);

		let duty = || Market::assignments(&keys)[1].clone();
		let purposes: Vec<_> = Market::assignments(&keys).iter().map(|duty| duty.purpose).collect();
		let public = [Purpose::Attest, Purpose::Keep];
		assert_eq!(purposes, public, "nobody has a seat to verify before it commits");
		let drawn_at = now();
		let deadline = job(id).deadline;
		assert_ok!(commit(id, &verifier(0), &right()));
		assert_eq!((duty().purpose, duty().status), (Purpose::Verify, SeatStatus::Committed));
		assert_eq!((duty().draw_block, duty().commit_deadline), (drawn_at, deadline));
		assert!(duty().committed && duty().can_reveal && !duty().revealed);
		assert_eq!(duty().sample, None);
		await_sample(id);
		assert_eq!(duty().sample, sample_seed(id));
		assert_eq!(Market::assignments(&keys)[0].sample, None, "nothing to show of an attestation");
		assert_eq!(duty().reveal_deadline, Some(job(id).deadline));
		assert_ok!(reveal(id, &verifier(0), &right()));
		assert!(duty().revealed && !duty().can_reveal);
		assert_ok!(reveal_result(id, &right()));
		roll_past_deadline(id);
		assert!(Market::assignments(&keys).is_empty(), "the job has ended");
		assert!(Market::assignments(&[key(&verifier(3))]).is_empty());
	});
}

#[test]
fn lotteries_should_be_told_to_those_that_may_answer_when_one_is_open() {
	ExtBuilder::default().verifiers(12).narrow().build_and_execute(|| {
		let all: Vec<_> = (0..12).map(|index| key(&verifier(index))).collect();
		let id = post_committed(&right());
		assert!(Market::lotteries(&all).is_empty());
		roll_past_deadline(id);
		let duties = Market::lotteries(&all);
		assert_eq!(duties.len(), 12, "also to those that have not won: nobody can tell");
		let lottery = crate::Lotteries::<Test>::get(id).expect("open");
		for duty in &duties {
			assert_eq!((duty.job, duty.phase, duty.draw_block), (id, Phase::Verifying, now()));
			assert_eq!((duty.seed, duty.terms, duty.tranche), (lottery.seed, lottery.terms, 0));
			assert_eq!((duty.stake, duty.commit_deadline), (UNIT.into(), job(id).deadline));
			assert_eq!(duty.input_roots, [[1; 32], [2; 32]]);
		}
		assert_eq!(Market::lotteries(&all[3..4])[0].account, verifier(3));
		assert!(Market::lotteries(&[key(&bystander())]).is_empty());
		let who = winners(id)[0].clone();
		assert_ok!(commit(id, &who, &right()));
		assert!(Market::lotteries(&[key(&who)]).is_empty(), "it has answered");
		roll_past_deadline(id);
		assert_eq!(Market::lotteries(&all).len(), 11);
		assert_eq!(Market::lotteries(&all)[0].tranche, 1);
		roll_past_deadline(id);
		assert!(Market::lotteries(&all).is_empty(), "the commitments are closed");
	});
}

#[test]
fn job_view_should_tell_everything_when_the_job_is_settled() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_open();
		let view = Market::job_view(id).expect("exists");
		assert_eq!(view.current_price, Some(PRICE / 2 + PRICE / 20));
		let bond = test_parameters().bond(PRICE / 2 + PRICE / 20, Permill::one(), 1, 5);
		assert_eq!(view.bond, Some(bond));
		assert_eq!(view.escrow, ESCROW);

		let id = post_challengeable(&right(), &right());
		roll_past_deadline(id);
		let view = Market::job_view(id).expect("exists");
		assert_eq!((view.phase, view.reason), (Phase::Settled, Some(ReasonCode::Paid)));
		assert_eq!(view.paid + view.refunded + view.burned, ESCROW);
		assert_eq!((view.escrow, view.deadline), (0, None));
		let verdicts: Vec<_> =
			view.verdicts.iter().filter(|seat| seat.purpose == Purpose::Verify).collect();
		assert_eq!((verdicts.len(), view.verdicts.len()), (3, 6));
		assert_eq!(view.trace_root, Some(right().opening().trace_root));
		assert_eq!(view.condemned, None);
		assert!(verdicts.iter().all(|verdict| verdict.matches == Some(true)));
		let phases: Vec<_> = view.history.iter().map(|(phase, _)| *phase).collect();
		use Phase::*;
		assert_eq!(
			phases,
			[Open, Claimed, Committed, Verifying, Revealing, Challengeable, Settled]
		);
	});
}

#[test]
fn jobs_should_be_paged_when_there_are_many() {
	ExtBuilder::default().build_and_execute(|| {
		for _ in 0..10 {
			post_open();
		}
		let ids = |from, limit| -> Vec<_> {
			Market::jobs(from, limit).into_iter().map(|view| view.id).collect()
		};
		assert_eq!(ids(0, 3), [0, 1, 2]);
		assert_eq!(ids(7, 64), [7, 8, 9]);
		assert!(ids(10, 64).is_empty());
		assert!(ids(0, 0).is_empty());
		assert!(Market::job_view(10).is_none());
		assert_eq!(Market::current_price(10), None);
	});
}

#[test]
fn job_view_should_say_why_it_waits_when_the_result_is_condemned() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_with_one_hidden(&wrong(), &right());
		assert!(condemn(id, ReasonCode::Withheld, &bystander()));
		let view = Market::job_view(id).expect("exists");
		assert_eq!(
			(view.phase, view.condemned, view.reason),
			(Phase::Revealing, Some(ReasonCode::Withheld), None)
		);
		let mut duty = Market::assignments(&[key(&committee(id)[0])]);
		duty.retain(|duty| duty.purpose == Purpose::Verify);
		assert!(duty[0].can_reveal, "its time to open is not over");
	});
}
