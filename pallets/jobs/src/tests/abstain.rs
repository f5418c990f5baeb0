//! `abstain`.

use super::*;

#[test]
fn abstain_should_draw_another_when_one_is_left() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_verifying(&right());
		let first = committee(id);
		assert_ok!(commit(id, &first[0], &right()));
		assert_ok!(commit(id, &first[1], &right()));
		assert_ok!(abstain(id, &first[2]));
		// The next tranche waits for randomness of its own.
		assert_eq!((phase(id), job(id).deadline), (Phase::Verifying, now() + 2));
		roll_past_deadline(id);
		let second = pending(id, Purpose::Verify);
		assert_eq!(second.len(), 1);
		assert!(!first.contains(&second[0]));
		assert_ok!(commit(id, &second[0], &right()));
		assert_eq!(phase(id), Phase::Revealing);
	});
}

#[test]
fn abstain_should_never_be_paid_when_the_job_is() {
	ExtBuilder::default().verifiers(3).build_and_execute(|| {
		let id = post_verifying(&right());
		let drawn = committee(id);
		assert_ok!(abstain(id, &drawn[0]));
		for who in &drawn[1..] {
			assert_ok!(commit(id, who, &right()));
		}
		assert_eq!(phase(id), Phase::Revealing, "nobody is left to draw");
		assert_ok!(reveal_result(id, &right()));
		for who in &drawn[1..] {
			assert_ok!(reveal(id, who, &right()));
		}
		roll_past_deadline(id);
		assert_eq!(ending(id), (Phase::Settled, Some(ReasonCode::Paid)));
		assert_eq!(free(&drawn[0]), 0);
		let share = PRICE / 5 / 3;
		assert_eq!(free(&drawn[1]), share - share.div_ceil(20), "its share is not shared out");
		assert_eq!(outcomes(&drawn[0]), [Outcome::VerifierAbstained]);
	});
}

#[test]
fn abstain_should_end_inconclusive_when_everyone_does() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_verifying(&right());
		for _ in 0..2 {
			for who in pending(id, Purpose::Verify) {
				assert_ok!(abstain(id, &who));
			}
			if phase(id) == Phase::Verifying {
				roll_past_deadline(id);
			}
		}
		// Five abstained in two tranches. The provider still owes its result.
		assert_eq!((phase(id), committee(id).len()), (Phase::Revealing, 5));
		assert_ok!(reveal_result(id, &right()));
		assert_eq!(phase(id), Phase::Challengeable);
		assert!(Bonds::contains_key((provider(), id)), "the bond stays at risk");
		roll_past_deadline(id);
		assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::Inconclusive)));
		assert_eq!((free(&requester()), free(&provider())), (BALANCE, BALANCE));
		assert_eq!(FreeStake::get(provider()), STAKE);
		assert_eq!(outcomes(&provider()), [Outcome::ProviderInconclusive]);
	});
}
