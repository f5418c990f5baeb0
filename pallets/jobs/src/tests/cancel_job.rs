//! `cancel_job`.

use super::*;

#[test]
fn cancel_job_should_refund_everything_when_it_is_posted_or_open() {
	ExtBuilder::default().build_and_execute(|| {
		let posted = post(standard());
		let drawn = post(standard());
		roll_past_deadline(drawn);
		let open = post_open();
		for id in [posted, drawn, open] {
			assert_ok!(cancel(id, requester()));
			assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::Cancelled)));
		}
		assert_eq!((free(&requester()), held(&requester())), (BALANCE, 0));
		assert!(Locks::iter().next().is_none());
	});
}

#[test]
fn cancel_job_should_pay_the_fee_share_when_it_is_claimed() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_claimed_attested();
		assert_ok!(cancel(id, requester()));
		assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::CancelledWhileClaimed)));
		// A tenth of the price, of which a twentieth is burned.
		let fee = PRICE / 10;
		assert_eq!(free(&provider()), BALANCE + fee - fee / 20);
		assert_eq!(free(&requester()), BALANCE - fee);
		assert_eq!(FreeStake::get(provider()), STAKE);
		assert_eq!(outcomes(&requester()), [Outcome::RequesterCancelled]);
	});
}

/// A provider of such a job may give it back for nothing, too.
#[test]
fn cancel_job_should_be_free_when_attestation_was_opted_out() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_claimed();
		assert_ok!(cancel(id, requester()));
		assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::CancelledWhileClaimed)));
		assert_eq!((free(&requester()), free(&provider())), (BALANCE, BALANCE));
		assert_eq!(FreeStake::get(provider()), STAKE);
	});
}

#[test]
fn cancel_job_should_fail_when_the_result_is_committed() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_committed(&right());
		assert_noop!(cancel(id, requester()), Error::<Test>::TooLateToCancel);
		roll_past_deadline(id);
		assert_noop!(cancel(id, requester()), Error::<Test>::TooLateToCancel);
	});
}

#[test]
fn cancel_job_should_fail_when_the_job_has_ended() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_open();
		assert_ok!(cancel(id, requester()));
		assert_noop!(cancel(id, requester()), Error::<Test>::TooLateToCancel);
	});
}

#[test]
fn cancel_job_should_fail_when_someone_else_asks() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_open();
		assert_noop!(cancel(id, bystander()), Error::<Test>::NotRequester);
		assert_noop!(cancel(id + 1, requester()), Error::<Test>::UnknownJob);
	});
}
