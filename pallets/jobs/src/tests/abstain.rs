//! `abstain`.

use super::*;

#[test]
fn abstain_should_open_the_next_tranche_when_verdicts_are_missing() {
	ExtBuilder::default().verifiers(12).narrow().build_and_execute(|| {
		let id = post_verifying(&right());
		let first = winners(id);
		assert_ok!(commit(id, &first[0], &right()));
		for who in &first[1..] {
			assert_ok!(abstain(id, who));
		}
		let deadline = job(id).deadline;
		assert_eq!(phase(id), Phase::Verifying, "others may be in a later tranche");
		roll_past_deadline(id);
		let verify =
			test_parameters().verify.blocks(job(id).offer.work_units, job(id).offer.input_bytes);
		assert_eq!((phase(id), job(id).deadline), (Phase::Verifying, deadline + 1 + verify));
		let second = winners(id);
		assert!(!second.is_empty() && second.iter().all(|who| !first.contains(who)));
		assert!(has_event(Event::TrancheOpened {
			job: id,
			tranche: 1,
			deadline: job(id).deadline,
		}));
		assert_ok!(commit(id, &second[0], &right()));
		roll_past_deadline(id);
		assert_eq!(phase(id), Phase::Revealing, "two tranches are all, and two verdicts enough");
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
		assert_eq!(phase(id), Phase::Revealing, "every candidate has answered");
		await_sample(id);
		assert_ok!(reveal_result(id, &right()));
		for who in &drawn[1..] {
			assert_ok!(reveal(id, who, &right()));
		}
		roll_past_deadline(id);
		assert_eq!(ending(id), (Phase::Settled, Some(ReasonCode::Paid)));
		assert_eq!(free(&drawn[0]), 0);
		let share = PRICE / 5 / 12;
		assert_eq!(free(&drawn[1]), share - share.div_ceil(20), "its share is not shared out");
		assert_eq!(outcomes(&drawn[0]), [Outcome::VerifierAbstained]);
	});
}

#[test]
fn abstain_should_end_inconclusive_when_everyone_does() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_verifying(&right());
		for who in winners(id) {
			assert_ok!(abstain(id, &who));
		}
		// Every candidate has answered. Nobody asks for a result that nobody could confirm.
		assert_eq!((phase(id), committee(id).len()), (Phase::Verifying, 5));
		roll(1);
		assert_eq!(job(id).run_root(), None);
		assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::Inconclusive)));
		assert_eq!((free(&requester()), free(&provider())), (BALANCE, BALANCE));
		assert_eq!(FreeStake::get(provider()), STAKE);
		assert_eq!(outcomes(&provider()), [Outcome::ProviderInconclusive]);
	});
}
