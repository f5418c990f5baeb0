//! `commit_result`.

use super::*;

#[test]
fn commit_result_should_start_the_wait_for_a_draw_when_the_job_is_claimed() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_claimed();
		let commitment = result_hash(id, &provider(), &right());
		assert_ok!(commit_result(id, &right()));
		assert!(has_event(Event::ResultCommitted { job: id, provider: provider(), commitment }));
		assert_eq!((phase(id), job(id).deadline), (Phase::Committed, now() + 2));
	});
}

#[test]
fn commit_result_should_fail_when_committed_twice() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_committed(&right());
		assert_noop!(commit_result(id, &right()), Error::<Test>::AlreadyCommitted);
		assert_noop!(commit_result(id, &wrong()), Error::<Test>::AlreadyCommitted);
	});
}

#[test]
fn commit_result_should_fail_when_sent_by_anyone_but_the_provider() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_claimed();
		for who in [second_provider(), requester()] {
			assert_noop!(
				Market::commit_result(RuntimeOrigin::signed(who), id, order(id), [1; 32], None),
				Error::<Test>::NotProvider
			);
		}
		let open = post_open();
		assert_noop!(commit_result(open, &right()), Error::<Test>::NotProvider);
	});
}
