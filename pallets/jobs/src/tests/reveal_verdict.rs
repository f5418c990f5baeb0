//! `reveal_verdict`.

use super::*;

#[test]
fn reveal_verdict_should_be_accepted_until_the_end_when_the_others_have_gone_on() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_revealing(&right(), &right());
		let drawn = committee(id);
		assert_ok!(reveal(id, &drawn[0], &right()));
		assert_ok!(reveal_result(id, &right()));
		roll_past_deadline(id);
		assert_eq!(phase(id), Phase::Challengeable);
		assert_ok!(reveal(id, &drawn[1], &right()));
		assert!(has_event(Event::VerdictRevealed {
			job: id,
			account: drawn[1].clone(),
			run_root: right().root(),
			matches: Some(true),
		}));
		roll_past_deadline(id);
		assert_eq!(ending(id), (Phase::Settled, Some(ReasonCode::Paid)));
		assert_eq!(reveal(id, &drawn[2], &right()), invalid(InvalidTransaction::Stale));
		assert_eq!(free(&drawn[2]), 0);
		assert_eq!(outcomes(&drawn[2]), [Outcome::VerifierUnrevealed]);
	});
}

#[test]
fn reveal_verdict_should_be_refused_when_it_is_not_what_was_committed() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_revealing(&right(), &right());
		let who = committee(id)[0].clone();
		let mismatch = InvalidTransaction::Custom(crate::refusal::COMMITMENT_MISMATCH);
		assert_eq!(reveal(id, &who, &wrong()), invalid(mismatch));
		assert_noop!(
			Market::do_reveal_verdict(id, who.clone(), wrong().root(), SALT),
			Error::<Test>::CommitmentMismatch
		);
		assert_ok!(reveal(id, &who, &right()));
		assert_eq!(reveal(id, &who, &right()), invalid(InvalidTransaction::Stale));
	});
}

#[test]
fn reveal_verdict_should_wait_when_others_have_not_committed() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_verifying(&right());
		let drawn = committee(id);
		assert_ok!(commit(id, &drawn[0], &right()));
		assert_eq!(reveal(id, &drawn[0], &right()), invalid(InvalidTransaction::Future));
		assert_eq!(reveal(id, &drawn[1], &right()), invalid(InvalidTransaction::Future));
	});
}

#[test]
fn reveal_verdict_should_count_as_local_fault_when_it_differs_and_others_match() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_verifying(&right());
		let drawn = committee(id);
		let runs = [right(), wrong(), right()];
		for (who, run) in drawn.iter().zip(&runs) {
			assert_ok!(commit(id, who, run));
		}
		assert_ok!(reveal_result(id, &right()));
		for (who, run) in drawn.iter().zip(&runs) {
			assert_ok!(reveal(id, who, run));
		}
		roll_past_deadline(id);
		assert_eq!(ending(id), (Phase::Settled, Some(ReasonCode::Paid)));
		assert_eq!(free(&drawn[1]), 0, "no fee, and no slash either");
		assert!(free(&drawn[0]) > 0);
	});
}
