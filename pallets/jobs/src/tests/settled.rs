//! What a block tells of the results that it paid for, and what a fork says about a result.

use super::*;
use crate::SettledNow;
use assay_market::{task_hash, JobId, Settlement, Standing, MAX_SETTLEMENTS};

fn settlement(id: JobId, run: &Run) -> Settlement {
	let task = task_hash(&PROGRAM, &[[1; 32], [2; 32]], 1);
	Settlement { job: id, order: order(id), task, run_root: run.root() }
}

fn standing(result: Settlement) -> Standing {
	Market::standings(&[result])[0]
}

#[test]
fn settlement_should_be_told_in_its_own_block_only() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_challengeable(&right(), &right());
		assert_eq!(Market::settlements(), Default::default());
		roll_past_deadline(id);
		assert_eq!(phase(id), Phase::Settled);
		let told = Market::settlements();
		assert_eq!((told.settled, told.truncated), (vec![settlement(id, &right())], false));
		roll(1);
		assert_eq!(Market::settlements(), Default::default());
		assert!(!SettledNow::<Test>::exists());
	});
}

#[test]
fn settlement_should_not_be_told_when_nobody_is_paid() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_challengeable(&right(), &wrong());
		while !phase(id).is_terminal() {
			roll_past_deadline(id);
		}
		assert_eq!(job(id).reason, Some(ReasonCode::Inconclusive));
		assert_eq!(Market::settlements(), Default::default());
	});
}

#[test]
fn settlement_should_be_told_when_a_poke_pays() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_challengeable(&right(), &right());
		open_lane(id);
		roll_past_deadline(id);
		Lanes::remove(id);
		roll(1);
		assert_ok!(Market::poke(RuntimeOrigin::signed(bystander()), id));
		assert_eq!(Market::settlements().settled, [settlement(id, &right())]);
	});
}

#[test]
fn settlements_should_say_that_they_are_cut_off_when_there_are_more_than_a_block_tells() {
	ExtBuilder::default().build_and_execute(|| {
		let ended = job(post_challengeable(&right(), &right()));
		for id in 0..u64::from(MAX_SETTLEMENTS) {
			Market::note_settled(id, &ended);
		}
		let told = Market::settlements();
		assert_eq!((told.settled.len(), told.truncated), (MAX_SETTLEMENTS as usize, false));
		for _ in 0..3 {
			Market::note_settled(7, &ended);
		}
		let told = Market::settlements();
		assert_eq!((told.settled.len(), told.truncated), (MAX_SETTLEMENTS as usize, true));
	});
}

#[test]
fn standing_should_follow_the_lanes_and_the_referee() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_challengeable(&wrong(), &wrong());
		let result = settlement(id, &wrong());
		assert_eq!(standing(result), Standing::Undisputed);
		open_lane(id);
		assert_eq!(standing(result), Standing::Disputed);
		// Another result, another task under this number, another job.
		assert_eq!(standing(settlement(id, &right())), Standing::Undisputed);
		assert_eq!(standing(Settlement { task: [9; 32], ..result }), Standing::Undisputed);
		assert_eq!(standing(Settlement { job: id + 1, ..result }), Standing::Undisputed);
		assert_eq!(standing(Settlement { order: [9; 32], ..result }), Standing::Undisputed);
		assert!(condemn(id, ReasonCode::ProvenFraud, &bystander()));
		assert_eq!(standing(result), Standing::ProvenWrong);
		roll(1);
		assert_eq!(standing(result), Standing::ProvenWrong);
	});
}

#[test]
fn standing_should_be_disputed_when_an_opening_was_withheld() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_challengeable(&wrong(), &wrong());
		assert!(condemn(id, ReasonCode::Withheld, &bystander()));
		assert_eq!(standing(settlement(id, &wrong())), Standing::Disputed);
	});
}

#[test]
fn standing_should_be_undisputed_when_the_result_was_paid() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_challengeable(&right(), &right());
		roll_past_deadline(id);
		assert_eq!(standing(settlement(id, &right())), Standing::Undisputed);
	});
}

#[test]
fn standings_should_be_bounded_when_more_results_are_asked_for() {
	ExtBuilder::default().build_and_execute(|| {
		let results = vec![settlement(1, &right()); MAX_SETTLEMENTS as usize + 5];
		assert_eq!(Market::standings(&results).len(), MAX_SETTLEMENTS as usize);
	});
}
