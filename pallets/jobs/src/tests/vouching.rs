//! Who is reported for standing behind a fraudulent result, and whose verdict counts as a fault.

use super::*;
use assay_market::JobId;

fn reported(id: JobId) -> Vec<AccountId> {
	Vouchers::get(id).unwrap_or_default()
}

/// The committee of three committed to wrong, right, right; everyone revealed.
fn post_split(result: &Run) -> (JobId, Vec<AccountId>) {
	let id = post_verifying(result);
	let drawn = committee(id)[..3].to_vec();
	let verdicts = [wrong(), right(), right()];
	for (who, verdict) in drawn.iter().zip(&verdicts) {
		assert_ok!(commit(id, who, verdict));
	}
	close(id);
	assert_ok!(reveal_result(id, result));
	for (who, verdict) in drawn.iter().zip(&verdicts) {
		assert_ok!(reveal(id, who, verdict));
	}
	(id, drawn)
}

#[test]
fn verifier_should_be_reported_when_it_opened_a_root_that_is_proved_wrong() {
	ExtBuilder::default().build_and_execute(|| {
		let (id, drawn) = post_split(&wrong());
		assert!(condemn(id, ReasonCode::ProvenFraud, &bystander()));
		assert_eq!((reported(id), Hidden::get(id)), (vec![drawn[0].clone()], None));
		assert!(drawn.iter().all(|who| Conduct::get(who).is_empty()));
	});
}

/// The root may be right: a provider that falls silent must not have honest verifiers slashed.
#[test]
fn nobody_who_opened_should_be_reported_when_an_opening_was_withheld() {
	ExtBuilder::default().build_and_execute(|| {
		let (id, _) = post_split(&right());
		assert!(condemn(id, ReasonCode::Withheld, &bystander()));
		assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::Withheld)));
		assert_eq!(reported(id), []);
	});
}

#[test]
fn verifier_should_be_reported_when_its_verdict_is_hidden_at_the_end() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_with_one_hidden(&wrong(), &right());
		let hidden = committee(id)[0].clone();
		roll_past_deadline(id);
		assert_eq!(phase(id), Phase::Challengeable);
		assert!(condemn(id, ReasonCode::ProvenFraud, &bystander()));
		assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::ProvenFraud)));
		assert_eq!((reported(id), Hidden::get(id)), (vec![hidden.clone()], Some(vec![hidden])));
	});
}

/// The provider's root is never known then, so that only hiding can be held against anyone.
#[test]
fn only_hidden_verdicts_should_be_reported_when_the_provider_never_reveals() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_revealing(&wrong(), &wrong());
		let drawn = committee(id);
		assert_ok!(reveal(id, &drawn[0], &wrong()));
		roll_past_deadline(id);
		assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::Withheld)));
		assert_eq!(job(id).condemned(), None, "nobody had to prove anything");
		assert_eq!(reported(id), drawn[1..]);
	});
}

#[test]
fn nobody_should_be_reported_when_the_job_ends_otherwise() {
	ExtBuilder::default().build_and_execute(|| {
		let (paid, _) = post_split(&right());
		roll_past_deadline(paid);
		assert_eq!(job(paid).reason, Some(ReasonCode::Paid));
		let inconclusive = post_with_one_hidden(&wrong(), &right());
		while !phase(inconclusive).is_terminal() {
			roll_past_deadline(inconclusive);
		}
		assert_eq!(job(inconclusive).reason, Some(ReasonCode::Inconclusive));
		assert_eq!(Vouchers::iter().count(), 0);
	});
}

#[test]
fn attester_and_silent_verifier_should_not_be_reported_when_the_result_is_condemned() {
	ExtBuilder::default().verifiers(3).parameters(|p| p.quorum = 1).build_and_execute(|| {
		let id = post(standard());
		roll_past_deadline(id);
		for who in pending(id, Purpose::Attest) {
			let _ = attest(id, &who, true);
		}
		assert_ok!(claim(id, provider()));
		assert_ok!(commit_result(id, &wrong()));
		roll_past_deadline(id);
		let drawn = committee(id);
		assert_eq!(drawn.len(), 3, "all of them have attested or were drawn to");
		assert_ok!(commit(id, &drawn[0], &wrong()));
		assert_ok!(abstain(id, &drawn[1]));
		close(id);
		assert_ok!(reveal(id, &drawn[0], &wrong()));
		assert_ok!(reveal_result(id, &wrong()));
		assert!(condemn(id, ReasonCode::ProvenFraud, &bystander()));
		// Once, although it has two seats.
		assert_eq!(reported(id), [drawn[0].clone()]);
	});
}

#[test]
fn verdict_should_count_as_a_fault_when_it_differs_from_a_result_that_stood() {
	ExtBuilder::default().build_and_execute(|| {
		let (id, drawn) = post_split(&right());
		assert!(Conduct::iter().next().is_none(), "nothing stands yet");
		roll_past_deadline(id);
		assert_eq!(ending(id), (Phase::Settled, Some(ReasonCode::Paid)));
		assert_eq!(Conduct::get(&drawn[0]), [false]);
		assert_eq!(Conduct::get(&drawn[1]), [true]);
		assert_eq!(Conduct::get(&drawn[2]), [true]);
		// It earns nothing and loses nothing.
		assert_eq!(free(&drawn[0]), 0);
	});
}

#[test]
fn verdict_should_count_neither_way_when_nothing_stood() {
	ExtBuilder::default().build_and_execute(|| {
		let (id, _) = post_split(&wrong());
		while !phase(id).is_terminal() {
			roll_past_deadline(id);
		}
		assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::Inconclusive)));
		assert!(Conduct::iter().next().is_none());
	});
}
