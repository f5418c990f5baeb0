//! Results that nobody confirms: not posted, not claimed, not asked for, or looked at once more. What was
//! shown is not given away.

use super::*;
use crate::{Lotteries, SecondAudit};
use assay_market::JobId;

/// Validators are the parties alone.
fn only(parties: &[AccountId]) {
	Validators::put(
		parties.iter().map(|who| (who.clone(), seed_of(who), UNIT)).collect::<Vec<_>>(),
	);
}

#[test]
fn post_job_should_fail_when_nobody_but_its_requester_could_verify() {
	ExtBuilder::default().verifiers(0).build_and_execute(|| {
		assert_noop!(try_post(unattested()), Error::<Test>::NoVerifierAvailable);
		only(&[requester()]);
		assert_noop!(try_post(unattested()), Error::<Test>::NoVerifierAvailable);
		assert_noop!(try_post(standard()), Error::<Test>::NoVerifierAvailable);
		only(&[requester(), provider()]);
		assert_ok!(try_post(unattested()));
	});
}

#[test]
fn claim_job_should_fail_when_nobody_but_the_parties_could_verify() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_open();
		only(&[requester(), provider()]);
		assert_noop!(claim(id, provider()), Error::<Test>::NoVerifierAvailable);
		assert_ok!(claim(id, second_provider()));
	});
}

/// The provider's work is never shown, so nobody has it for nothing.
#[test]
fn job_should_end_before_the_reveal_when_too_few_verdicts_are_committed() {
	for committed in [0, 1] {
		ExtBuilder::default().build_and_execute(|| {
			let id = post_verifying(&right());
			let drawn = winners(id);
			for who in &drawn[..committed] {
				assert_ok!(commit(id, who, &right()));
			}
			roll_past_deadline(id);
			assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::Inconclusive)));
			assert_eq!(job(id).opened(), None);
			assert_eq!((free(&requester()), free(&provider())), (BALANCE, BALANCE));
			assert_eq!(FreeStake::get(provider()), STAKE);
			// Whoever committed could not open its verdict, and is not blamed.
			assert_eq!(outcomes(&drawn[0]), []);
			assert_eq!(Vouchers::iter().count(), 0);
			assert_noop!(reveal_result(id, &right()), Error::<Test>::WrongPhase);
		});
	}
}

#[test]
fn job_should_end_before_the_reveal_when_everyone_abstains() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_verifying(&right());
		for who in winners(id) {
			assert_ok!(abstain(id, &who));
		}
		// Every candidate has answered; the agenda ends it, so that no call has to pay for that.
		assert_eq!((phase(id), job(id).deadline), (Phase::Verifying, now()));
		roll(1);
		assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::Inconclusive)));
		assert_eq!((job(id).run_root(), free(&provider())), (None, BALANCE));
	});
}

#[test]
fn job_should_end_before_the_reveal_when_all_validators_have_left() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_committed(&right());
		only(&[requester(), provider()]);
		roll_past_deadline(id);
		assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::Inconclusive)));
		assert_eq!(job(id).run_root(), None);
	});
}

/// As many commit as must match, and none of them does: an open result that others can still look at.
fn post_unmatched(verifiers: u8) -> (ExtBuilder, impl Fn() -> (JobId, Vec<AccountId>)) {
	(ExtBuilder::default().verifiers(verifiers), || {
		let id = post_verifying(&right());
		let first: Vec<_> = winners(id).into_iter().take(3).collect();
		for who in &first {
			assert_ok!(commit(id, who, &Run::new(9, 1)));
		}
		close(id);
		assert_ok!(reveal_result(id, &right()));
		for who in &first {
			assert_ok!(reveal(id, who, &Run::new(9, 1)));
		}
		assert_eq!(phase(id), Phase::Challengeable);
		roll_past_deadline(id);
		(id, first)
	})
}

#[test]
fn open_result_should_be_looked_at_once_more_when_too_few_verdicts_match() {
	let (chain, unmatched) = post_unmatched(8);
	chain.build_and_execute(|| {
		let (id, first) = unmatched();
		assert_eq!(
			(phase(id), job(id).audits.second),
			(Phase::Committed, Some(SecondAudit::Automatic))
		);
		assert!(has_event(Event::AuditRepeated { job: id }));
		assert_eq!(held(&requester()), ESCROW, "what nobody has earned pays for it");
		roll_past_deadline(id);
		let terms = Lotteries::<Test>::get(id).expect("open").terms;
		assert_eq!((terms.candidates, terms.is_sure()), (5, true));
		let second = winners(id);
		assert!(second.iter().all(|who| !first.contains(who)));
		for who in &second[..2] {
			assert_ok!(commit(id, who, &right()));
		}
		close(id);
		for who in &second[..2] {
			assert_ok!(reveal(id, who, &right()));
		}
		assert_noop!(request_audit(id, requester()), Error::<Test>::AuditAlreadyRequested);
		roll_past_deadline(id);
		assert_eq!(ending(id), (Phase::Settled, Some(ReasonCode::Paid)));
		let share = PRICE / 5 / 12;
		assert_eq!(free(&second[0]), share - share.div_ceil(20));
		assert_eq!(Conduct::get(&first[0]), [false]);
	});
}

/// A job waits for lanes once, at its end. Were it twice, it could take twice as long as stake is locked for.
#[test]
fn second_look_should_not_wait_for_a_lane_when_verdicts_leave_doubt() {
	for pushed in [false, true] {
		ExtBuilder::default().verifiers(8).build_and_execute(|| {
			let id = post_challengeable(&right(), &wrong());
			open_lane(id);
			roll_to(job(id).deadline);
			if pushed {
				// As where the agenda was full.
				crate::Agenda::<Test>::remove(job(id).deadline + 1);
				crate::Jobs::<Test>::mutate(id, |job| {
					job.as_mut().expect("there").scheduled = None
				});
			}
			roll(1);
			if pushed {
				assert_eq!(phase(id), Phase::Challengeable);
				assert_ok!(Market::poke(RuntimeOrigin::signed(bystander()), id));
			}
			assert_eq!(
				(phase(id), job(id).audits.second),
				(Phase::Committed, Some(SecondAudit::Automatic))
			);
			roll_past_deadline(id);
			for who in &winners(id)[..2] {
				assert_ok!(commit(id, who, &right()));
			}
			close(id);
			for who in &seated(id)[3..] {
				assert_ok!(reveal(id, who, &right()));
			}
			roll_past_deadline(id);
			roll(5);
			assert_eq!(phase(id), Phase::Challengeable, "now it waits");
			close_lane(id);
			roll(1);
			assert_eq!(ending(id), (Phase::Settled, Some(ReasonCode::Paid)));
		});
	}
}

#[test]
fn job_should_end_inconclusive_when_a_second_look_does_not_help() {
	let (chain, unmatched) = post_unmatched(8);
	chain.build_and_execute(|| {
		let (id, _) = unmatched();
		while !phase(id).is_terminal() {
			roll_past_deadline(id);
		}
		assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::Inconclusive)));
		assert_eq!((free(&requester()), FreeStake::get(provider())), (BALANCE, STAKE));
	});
	// And at once where nobody is left to ask.
	let (chain, unmatched) = post_unmatched(3);
	chain.build_and_execute(|| {
		let (id, _) = unmatched();
		assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::Inconclusive)));
	});
}

/// The second audit has fewer candidates; it does not lower what the first one asked for.
#[test]
fn quorum_should_stay_when_fewer_are_left_for_the_second_look() {
	let (chain, unmatched) = post_unmatched(4);
	chain.build_and_execute(|| {
		let (id, _) = unmatched();
		roll_past_deadline(id);
		let last = winners(id);
		assert_eq!((last.len(), job(id).audits.wanted, job(id).audits.needed), (1, 1, 2));
		assert_ok!(commit(id, &last[0], &right()));
		await_sample(id);
		assert_ok!(reveal(id, &last[0], &right()));
		roll_past_deadline(id);
		assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::Inconclusive)));
	});
}

/// It adds eyes: a requester cannot ask for it to have less paid.
#[test]
fn requested_audit_should_take_nothing_from_a_result_when_nobody_answers() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_challengeable(&right(), &right());
		assert_ok!(request_audit(id, requester()));
		roll_past_deadline(id);
		assert_eq!(winners(id).len(), 2);
		while !phase(id).is_terminal() {
			roll_past_deadline(id);
		}
		assert_eq!(ending(id), (Phase::Settled, Some(ReasonCode::Paid)));
	});
	// Nor of one that nobody had to look at.
	ExtBuilder::default().parameters(|p| p.audit = Permill::from_percent(5)).build_and_execute(
		|| {
			let id = post_verifying(&right());
			roll_past_deadline(id);
			assert_ok!(reveal_result(id, &right()));
			assert_ok!(request_audit(id, requester()));
			while !phase(id).is_terminal() {
				roll_past_deadline(id);
			}
			assert_eq!(ending(id), (Phase::Settled, Some(ReasonCode::Paid)));
		},
	);
}

/// A verifier of the rated speed replays once more for each of its chunks. The time to reveal has room for
/// it.
#[test]
fn reveal_period_should_grow_with_what_a_verifier_replays() {
	let slow = |p: &mut crate::ParametersOf<Test>| p.reveal.work_per_block = WORK / 7;
	ExtBuilder::default().parameters(slow).build_and_execute(|| {
		let id = post_verifying(&right());
		commit_wanted(id, &right());
		roll_past_deadline(id);
		assert_eq!(phase(id), Phase::Revealing);
		let base = test_parameters().reveal.base;
		assert_eq!(job(id).deadline, now() + base + (2 * WORK).div_ceil(WORK / 7));
	});
}

/// A rejected proof of a drawn verifier is a fault of its own; of anybody else it is none.
#[test]
fn rejected_proof_should_be_a_fault_when_its_author_has_a_verdict() {
	use assay_market::Disputes;
	ExtBuilder::default().build_and_execute(|| {
		let id = post_challengeable(&right(), &right());
		let who = seated(id)[0].clone();
		<Market as Disputes<_, _, _>>::note_rejected(id, &who);
		<Market as Disputes<_, _, _>>::note_rejected(id, &bystander());
		assert_eq!((Conduct::get(&who), Conduct::get(bystander())), (vec![false], vec![]));
	});
}

/// Work that is worth more than the price is paid for what it is worth.
#[test]
fn verifiers_should_be_paid_for_their_work_when_a_part_of_the_price_is_less() {
	let dear = |p: &mut crate::ParametersOf<Test>| p.work_price = 3_000 * UNIT;
	ExtBuilder::default().parameters(dear).build_and_execute(|| {
		let id = post_verifying(&right());
		// A thousandth of 10^9 units for each of twelve, as many as could be expected of a larger chain.
		assert_eq!((job(id).books.verifier_pot, job(id).audits.shares), (36 * UNIT, 12));
		commit_wanted(id, &right());
		close(id);
		let drawn = seated(id);
		assert_ok!(reveal_result(id, &right()));
		for who in &drawn {
			assert_ok!(reveal(id, who, &right()));
		}
		roll_past_deadline(id);
		assert_eq!(free(&drawn[0]), 3 * UNIT - (3 * UNIT).div_ceil(20));
	});
}

/// What the pool asks before it takes a provider's transaction of the operational class.
#[test]
fn provider_should_send_only_what_could_succeed() {
	use crate::ProviderCall::*;
	ExtBuilder::default().build_and_execute(|| {
		let may = |who: &AccountId, id: JobId| {
			[Commit, Reveal, GiveBack].map(|call| Market::may_send(who, id, &order(id), call))
		};
		let id = post_open();
		assert_eq!(may(&provider(), id), [false; 3]);
		assert_ok!(claim(id, provider()));
		assert_eq!(may(&provider(), id), [true, false, false]);
		// Not in the block of the claim.
		roll(1);
		assert_eq!(may(&provider(), id), [true, false, true]);
		assert_eq!(may(&second_provider(), id), [false; 3]);
		assert!(!Market::may_send(&provider(), id, &[9; 32], Commit));
		assert!(!Market::may_send(&provider(), id + 1, &order(id), Commit));
		assert_ok!(commit_result(id, &right()));
		assert_eq!(may(&provider(), id), [false; 3]);
		roll_past_deadline(id);
		commit_wanted(id, &right());
		close(id);
		assert_eq!(may(&provider(), id), [false, true, false]);
		assert_ok!(reveal_result(id, &right()));
		assert_eq!(may(&provider(), id), [false; 3]);
	});
}

/// A prover's fees come back out of what would be burned, but for half of the bond.
#[test]
fn prover_should_get_its_costs_when_the_result_is_condemned() {
	use assay_market::Disputes;
	for costs in [0, UNIT / 3, u64::MAX] {
		ExtBuilder::default().build_and_execute(|| {
			let id = post_challengeable(&wrong(), &wrong());
			let bond = bond_of(id);
			let by = bystander();
			let reason = ReasonCode::ProvenFraud;
			assert!(<Market as Disputes<_, _, _>>::condemn(id, reason, &by, None, costs));
			let paid = bond / 5 + costs.min(bond / 2 - bond / 5 - bond / 4);
			assert_eq!(free(&by) - BALANCE, paid);
			assert_eq!(free(&requester()) - BALANCE, bond / 4);
			assert_eq!(BurnedStake::get(), bond - paid - bond / 4);
			assert!(BurnedStake::get() >= bond / 2);
		});
	}
}
