//! `commit_verdict`.

use super::*;

#[test]
fn commit_verdict_should_go_on_when_every_candidate_has_committed() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_verifying(&right());
		let drawn = committee(id);
		assert_eq!((drawn.len(), job(id).audits.wanted), (5, 3));
		for who in &drawn[..4] {
			assert_ok!(commit(id, who, &right()));
			assert_eq!(
				phase(id),
				Phase::Verifying,
				"three are enough, but the slow ones count too"
			);
		}
		assert_ok!(commit(id, &drawn[4], &right()));
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
	ExtBuilder::default().verifiers(40).narrow().build_and_execute(|| {
		let id = post_verifying(&right());
		let refusal = InvalidTransaction::Custom(crate::refusal::NOT_DRAWN);
		let unlucky: Vec<_> =
			(0..40).map(verifier).filter(|who| tranche(id, who).is_none()).collect();
		assert!((1..40).contains(&unlucky.len()), "{}", unlucky.len());
		for who in &unlucky {
			assert_eq!(commit(id, who, &right()), invalid(refusal));
		}
		let who = unlucky[0].clone();
		let ticket = ticket(id, &who);
		assert_noop!(Market::do_commit_verdict(id, who, [1; 32], ticket), Error::<Test>::NotDrawn);
		// No validator at all.
		assert_eq!(commit(id, &bystander(), &right()), invalid(refusal));
	});
}

/// The seat is taken with the commitment, not before: until then the chain says nothing about anyone.
#[test]
fn commit_verdict_should_take_a_seat_and_lock_the_stake_when_the_ticket_has_won() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_verifying(&right());
		assert!(seated(id).is_empty());
		let keepers = pending(id, Purpose::Keep);
		assert_eq!((crate::JobsOfKey::<Test>::iter().count(), Locks::iter().count()), (3, 3));
		let who =
			winners(id).into_iter().find(|who| !keepers.contains(who)).expect("three of five");
		let opened = now();
		roll(2);
		assert_ok!(commit(id, &who, &right()));
		let mut seats = crate::Seats::<Test>::get(id);
		seats.retain(|seat| seat.purpose == Purpose::Verify);
		assert_eq!(seats.len(), 1);
		assert_eq!((&seats[0].account, seats[0].tranche), (&who, 0));
		assert_eq!((seats[0].drawn_at, seats[0].deadline), (opened, job(id).deadline));
		assert!(Locks::contains_key((who.clone(), id)));
		assert!(crate::JobsOfKey::<Test>::contains_key(&seats[0].key, id));
	});
}

#[test]
fn commit_verdict_should_be_operational_and_unique_in_the_pool_when_it_is_valid() {
	ExtBuilder::default().build_and_execute(|| {
		use assay_market::VerifierAction;
		use frame_support::dispatch::{DispatchClass, GetDispatchInfo, Pays};
		let id = post_verifying(&right());
		let who = committee(id)[0].clone();
		let (commitment, ticket) = (verdict_hash(id, &who, &right()), ticket(id, &who));
		let call = call_of(id, &who, VerifierAction::CommitVerdict { commitment, ticket });
		let info = call.get_dispatch_info();
		// An authorized origin has nobody to pay; a signed one would pay for what is refused.
		assert_eq!((info.pays_fee, info.class), (Pays::Yes, DispatchClass::Operational));
		let valid = validate(&call).expect("a drawn verifier");
		assert_eq!(valid.priority, 1_000);
		assert_eq!(valid.longevity, job(id).deadline - now());
		let other = validate(&call_of(
			id,
			&who,
			VerifierAction::CommitVerdict { commitment: [3; 32], ticket },
		));
		assert_eq!(other.expect("valid too").provides, valid.provides);
	});
}
