//! `commit_verdict`.

use super::*;

#[test]
fn commit_verdict_should_go_on_when_everyone_has_committed() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_verifying(&right());
		let drawn = committee(id);
		for who in &drawn[..2] {
			assert_ok!(commit(id, who, &right()));
			assert_eq!(phase(id), Phase::Verifying);
		}
		assert_ok!(commit(id, &drawn[2], &right()));
		assert_eq!(phase(id), Phase::Revealing);
		let commitment = verdict_hash(id, &drawn[0], &right());
		assert!(has_event(Event::VerdictCommitted {
			job: id,
			account: drawn[0].clone(),
			commitment,
		}));
	});
}

#[test]
fn commit_verdict_should_be_refused_when_it_replaces_an_answer() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_verifying(&right());
		let drawn = committee(id);
		assert_ok!(commit(id, &drawn[0], &right()));
		assert_eq!(commit(id, &drawn[0], &wrong()), invalid(InvalidTransaction::Stale));
		assert_eq!(abstain(id, &drawn[0]), invalid(InvalidTransaction::Stale));
		assert_ok!(abstain(id, &drawn[1]));
		assert_eq!(commit(id, &drawn[1], &right()), invalid(InvalidTransaction::Stale));
	});
}

#[test]
fn commit_verdict_should_be_refused_when_the_account_was_not_drawn() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_verifying(&right());
		let drawn = committee(id);
		let other =
			(0..5).map(verifier).find(|who| !drawn.contains(who)).expect("five, three drawn");
		let refusal = InvalidTransaction::Custom(crate::refusal::NOT_DRAWN);
		assert_eq!(commit(id, &other, &right()), invalid(refusal));
		assert_noop!(Market::do_commit_verdict(id, other, [1; 32]), Error::<Test>::NotDrawn);
	});
}

#[test]
fn commit_verdict_should_pay_no_fee_and_be_unique_in_the_pool_when_it_is_valid() {
	ExtBuilder::default().build_and_execute(|| {
		use assay_market::VerifierAction;
		use frame_support::dispatch::{DispatchClass, GetDispatchInfo, Pays};
		let id = post_verifying(&right());
		let who = committee(id)[0].clone();
		let commitment = verdict_hash(id, &who, &right());
		let call = call_of(id, &who, VerifierAction::CommitVerdict { commitment });
		let info = call.get_dispatch_info();
		assert_eq!((info.pays_fee, info.class), (Pays::No, DispatchClass::Operational));
		let valid = validate(&call).expect("a drawn verifier");
		assert_eq!(valid.priority, 1_000);
		assert_eq!(valid.longevity, job(id).deadline - now());
		let other =
			validate(&call_of(id, &who, VerifierAction::CommitVerdict { commitment: [3; 32] }));
		assert_eq!(other.expect("valid too").provides, valid.provides);
	});
}
