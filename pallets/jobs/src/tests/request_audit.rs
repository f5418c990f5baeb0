//! `request_audit`.

use super::*;
use assay_market::{Assurance, Attestation, Audit};

/// A job whose lottery nobody has won, revealed.
fn post_unaudited() -> assay_market::JobId {
	for _ in 0..64 {
		let id = post(Assurance {
			audit: Audit::Custom(Permill::from_percent(5)),
			attestation: Attestation::OptedOut,
			segments: None,
		});
		assert_ok!(claim(id, provider()));
		assert_ok!(commit_result(id, &right()));
		roll_past_deadline(id);
		assert_eq!((phase(id), job(id).audits.audited), (Phase::Verifying, None));
		if winners(id).is_empty() {
			roll_past_deadline(id);
			assert_eq!((phase(id), job(id).audits.audited), (Phase::Revealing, Some(false)));
			assert_ok!(reveal_result(id, &right()));
			assert_eq!(phase(id), Phase::Challengeable);
			return id;
		}
	}
	panic!("64 jobs in a row were audited with a probability of 5 %");
}

#[test]
fn unaudited_job_should_be_paid_without_verifier_fee_when_nobody_objects() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_unaudited();
		let before = free(&requester()) + held(&requester());
		roll_past_deadline(id);
		assert_eq!(ending(id), (Phase::Settled, Some(ReasonCode::Paid)));
		let price = job(id).price();
		assert_eq!(free(&requester()) + held(&requester()), before - price);
		assert_eq!(job(id).books.refunded, ESCROW - price);
	});
}

#[test]
fn request_audit_should_draw_a_committee_when_there_was_none() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_unaudited();
		let held_before = held(&requester());
		assert_ok!(request_audit(id, requester()));
		assert_eq!(held(&requester()), held_before, "the first committee is in the escrow");
		assert!(has_event(Event::AuditRequested { job: id }));
		roll_past_deadline(id);
		assert_eq!((phase(id), committee(id).len()), (Phase::Verifying, 5));
		for who in committee(id) {
			assert_ok!(commit(id, &who, &right()));
		}
		await_sample(id);
		for who in committee(id) {
			assert_ok!(reveal(id, &who, &right()));
		}
		assert_eq!(phase(id), Phase::Challengeable);
		assert_noop!(request_audit(id, requester()), Error::<Test>::AuditAlreadyRequested);
		roll_past_deadline(id);
		assert_eq!(ending(id), (Phase::Settled, Some(ReasonCode::Paid)));
	});
}

#[test]
fn request_audit_should_hold_another_fee_and_draw_others_when_there_was_a_committee() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_challengeable(&right(), &right());
		let first = committee(id);
		assert_ok!(request_audit(id, requester()));
		assert_eq!(held(&requester()), ESCROW + PRICE / 5);
		roll_past_deadline(id);
		let second = committee(id)[3..].to_vec();
		assert_eq!(second.len(), 2, "five verifiers, of whom three were drawn");
		assert!(second.iter().all(|who| !first.contains(who)));
		for who in &second {
			assert_ok!(commit(id, who, &right()));
		}
		await_sample(id);
		for who in &second {
			assert_ok!(reveal(id, who, &right()));
		}
		roll_past_deadline(id);
		assert_eq!(ending(id), (Phase::Settled, Some(ReasonCode::Paid)));
		// Two pots in as many shares as two tranches have expected winners.
		let share = 2 * (PRICE / 5) / 24;
		for who in committee(id) {
			assert_eq!(free(&who), share - share.div_ceil(20));
		}
	});
}

#[test]
fn request_audit_should_fail_when_nobody_is_left_to_draw() {
	ExtBuilder::default().verifiers(3).build_and_execute(|| {
		let id = post_challengeable(&right(), &right());
		assert_noop!(request_audit(id, requester()), Error::<Test>::NoVerifierAvailable);
	});
}

#[test]
fn request_audit_should_fail_when_it_is_not_the_requesters_turn() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_revealing(&right(), &right());
		assert_noop!(request_audit(id, requester()), Error::<Test>::WrongPhase);
		assert_noop!(request_audit(id, bystander()), Error::<Test>::NotRequester);
		assert_noop!(request_audit(id + 1, requester()), Error::<Test>::UnknownJob);
	});
}
