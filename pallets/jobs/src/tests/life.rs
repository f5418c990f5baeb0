//! Whole lives of jobs.

use super::*;

#[test]
fn job_should_pay_provider_and_verifiers_when_everyone_is_honest() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post(standard());
		assert_eq!((phase(id), held(&requester())), (Phase::Posted, ESCROW));
		roll_past_deadline(id);
		let attesters = pending(id, Purpose::Attest);
		assert_eq!(attesters.len(), 3);
		for who in &attesters[..2] {
			assert_ok!(attest(id, who, true));
		}
		assert_eq!(phase(id), Phase::Open);
		roll(10);
		assert_ok!(claim(id, provider()));
		assert_ok!(commit_result(id, &right()));
		roll_past_deadline(id);
		let mut drawn = winners(id);
		assert_eq!((phase(id), drawn.len()), (Phase::Verifying, 5));
		drawn.truncate(3);
		for who in &drawn {
			assert_ok!(commit(id, who, &right()));
		}
		close(id);
		assert_ok!(reveal_result(id, &right()));
		for who in &drawn {
			assert_ok!(reveal(id, who, &right()));
		}
		assert_eq!(phase(id), Phase::Challengeable);
		roll_past_deadline(id);

		let ended = job(id);
		assert_eq!((ended.phase, ended.reason), (Phase::Settled, Some(ReasonCode::Paid)));
		assert_eq!(ended.opened().unwrap().output_roots.to_vec(), right().outputs());
		// 5 % of every fee is burned: of 10 UNIT for the provider and of a twelfth of 2 for each.
		let share = PRICE / 5 / 12;
		let net = share - share.div_ceil(20);
		assert_eq!(free(&provider()), BALANCE + PRICE - PRICE / 20);
		for who in &drawn {
			assert_eq!(free(who), net);
			assert_eq!(outcomes(who).last(), Some(&Outcome::VerifierMatched));
			assert!(has_event(Event::VerifierPaid { job: id, account: who.clone(), amount: net }));
		}
		assert_eq!(free(&requester()), BALANCE - PRICE - 3 * share);
		assert_eq!(held(&requester()), 0);
		assert_eq!(ended.books.paid, PRICE - PRICE / 20 + 3 * net);
		assert_eq!(FreeStake::get(provider()), STAKE);
		assert_eq!(outcomes(&provider()), [Outcome::ProviderPaid]);
		assert_eq!(outcomes(&requester()), [Outcome::RequesterPaid]);
		assert!(has_event(Event::JobEnded {
			job: id,
			order: order(id),
			reason: ReasonCode::Paid,
			paid: ended.books.paid,
			refunded: ended.books.refunded,
			burned: ended.books.burned,
		}));
	});
}
