//! `poke`.

use super::*;
use frame_support::dispatch::Pays;

#[test]
fn poke_should_push_the_job_when_the_agenda_was_full() {
	ExtBuilder::default().build_and_execute(|| {
		// One place a block, and 64 blocks to look at: the 65th job finds none.
		MaxAgenda::set(1);
		MaxActiveJobs::set(65);
		MaxJobsPerRequester::set(65);
		for _ in 0..64 {
			post_open();
		}
		let last = post_open();
		assert_eq!(job(last - 1).scheduled, Some(job(last).deadline + 64));
		assert_eq!(job(last).scheduled, None);
		roll_to(job(last).deadline);
		let poke = || Market::poke(RuntimeOrigin::signed(bystander()), last);
		assert_noop!(poke(), Error::<Test>::NotDue);
		roll(1);
		assert_eq!(phase(last), Phase::Open, "nobody has pushed it");
		assert_noop!(claim(last, provider()), Error::<Test>::DeadlinePassed);
		assert_noop!(cancel(last, requester()), Error::<Test>::DeadlinePassed);
		assert_eq!(poke().expect("due").pays_fee, Pays::No);
		let view = Market::job_view(last).expect("a record or a summary");
		assert_eq!((view.phase, view.reason), (Phase::Failed, Some(ReasonCode::Expired)));
	});
}

#[test]
fn poke_should_fail_when_there_is_nothing_to_push() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_open();
		let poke = |id| Market::poke(RuntimeOrigin::signed(bystander()), id);
		assert_noop!(poke(id), Error::<Test>::NotDue);
		assert_noop!(poke(id + 1), Error::<Test>::UnknownJob);
		assert_ok!(cancel(id, requester()));
		assert_noop!(poke(id), Error::<Test>::NotDue);
	});
}

/// A push is free, so one that does nothing must be refused.
#[test]
fn poke_should_fail_when_the_job_waits_for_a_dispute() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_challengeable(&right(), &right());
		open_lane(id);
		roll_past_deadline(id);
		let poke = || Market::poke(RuntimeOrigin::signed(bystander()), id);
		assert_noop!(poke(), Error::<Test>::Disputed);
		Lanes::remove(id);
		// Not even where nobody put it back on the agenda, is it lost.
		assert_eq!(poke().expect("due").pays_fee, Pays::No);
		assert_eq!(ending(id), (Phase::Settled, Some(ReasonCode::Paid)));
	});
}

#[test]
fn ended_job_should_become_a_summary_when_its_retention_is_over() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_challengeable(&right(), &right());
		roll_past_deadline(id);
		let full = job(id);
		roll_to(full.deadline);
		assert!(crate::Jobs::<Test>::contains_key(id));
		roll(1);
		assert!(!crate::Jobs::<Test>::contains_key(id));
		assert!(crate::Seats::<Test>::get(id).is_empty());
		assert!(has_event(Event::JobPruned { job: id }));
		let view = Market::job_view(id).expect("archived");
		assert!(view.archived);
		assert_eq!(
			(view.reason, view.paid, view.run_root),
			(full.reason, full.books.paid, full.run_root())
		);
		// The archive is a ring of four.
		for _ in 0..4 {
			assert_ok!(cancel(post_open(), requester()));
		}
		roll(51);
		assert!(Market::job_view(id).is_none());
		assert!(Market::job_view(id + 4).is_some());
	});
}

#[test]
fn ended_job_should_be_pruned_at_once_when_the_agenda_has_no_place_for_it() {
	ExtBuilder::default().build_and_execute(|| {
		MaxAgenda::set(1);
		MaxActiveJobs::set(65);
		MaxJobsPerRequester::set(65);
		for _ in 0..64 {
			post_open();
		}
		let last = post_open();
		// So that the end of the retention falls on the first of the 64 full blocks.
		roll_to(job(last).deadline - 50);
		assert_ok!(cancel(last, requester()));
		assert!(!crate::Jobs::<Test>::contains_key(last));
		let view = Market::job_view(last).expect("archived");
		assert_eq!((view.reason, view.refunded), (Some(ReasonCode::Cancelled), ESCROW));
	});
}
