//! `Disputes`: what may be disputed, and what happens to a result that is proved wrong or withheld.

use super::*;
use assay_market::{Disputes, JobId, VerifierId};
use sp_core::Pair;

fn key(who: &AccountId) -> VerifierId {
	pair(&seed_of(who)).public()
}

/// A second audit is under way; gives its verifiers.
fn post_audited_again(run: &Run, verdict: &Run) -> (JobId, Vec<AccountId>) {
	let id = post_challengeable(run, verdict);
	assert_ok!(request_audit(id, requester()));
	roll_past_deadline(id);
	assert_eq!(phase(id), Phase::Verifying);
	(id, pending(id, Purpose::Verify))
}

#[test]
fn result_should_be_open_when_the_provider_has_revealed_and_nothing_is_decided() {
	ExtBuilder::default().parameters(|p| p.answer.work_per_block = WORK).build_and_execute(|| {
		let id = post_revealing(&right(), &right());
		assert_eq!(result(id), None);
		assert_eq!(result(id + 1), None);
		assert_ok!(reveal_result(id, &right()));
		let shown = result(id).expect("revealed");
		assert_eq!(
			(shown.provider, shown.program, shown.steps, shown.work_units),
			(provider(), PROGRAM, 1, WORK)
		);
		assert_eq!(shown.input_roots, [[1; 32], [2; 32]]);
		assert_eq!(shown.run_root, right().root());
		assert_eq!(shown.trace_root, right().opening().trace_root);
		assert!(shown.open);
		// Five blocks and two for as many replays; a move has to fetch five tiles besides.
		assert_eq!((shown.answer_time, shown.move_time, shown.proof_time), (7, 7, 4));
		assert_eq!(shown.deposit, PRICE / 10);
		assert_eq!((shown.order, shown.answer_rate, shown.patience), (order(id), WORK, 60));
		for who in committee(id) {
			assert_ok!(reveal(id, &who, &right()));
		}
		open_lane(id);
		roll_to(job(id).deadline);
		assert!(result(id).is_some_and(|result| result.open), "answers count in that block");
		roll(1);
		assert!(result(id).is_some_and(|result| !result.open), "lanes go on, none is opened");
		close_lane(id);
		roll(1);
		assert_eq!(result(id), None, "it has settled");
	});
}

#[test]
fn result_should_stay_open_when_a_second_audit_runs() {
	ExtBuilder::default().build_and_execute(|| {
		let (id, _) = post_audited_again(&right(), &right());
		assert!(result(id).is_some_and(|result| result.open));
		roll_to(job(id).deadline);
		assert!(result(id).is_some_and(|result| result.open));
	});
}

#[test]
fn deposit_should_be_the_price_of_the_work_when_a_part_of_the_price_is_less() {
	ExtBuilder::default().parameters(|p| p.challenge_deposit = Permill::zero()).build_and_execute(
		|| {
			let id = post_challengeable(&right(), &right());
			let least = test_parameters().least_price(WORK, 0);
			assert_eq!(result(id).map(|result| result.deposit), Some(least));
		},
	);
}

#[test]
fn verifier_key_should_be_given_when_the_account_has_a_verdict() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_verifying(&right());
		let drawn = committee(id);
		assert_eq!(Market::verifier_key(id, &drawn[0]), None);
		assert_ok!(commit(id, &drawn[0], &right()));
		assert_eq!(Market::verifier_key(id, &drawn[0]), Some(key(&drawn[0])));
		assert_ok!(abstain(id, &drawn[1]));
		assert_eq!(Market::verifier_key(id, &drawn[1]), None);
		assert_eq!(Market::verifier_key(id, &bystander()), None);
		assert_eq!(Market::verifier_key(id + 1, &drawn[0]), None);
		// Those who only attested the inputs have no verdict.
		let id = post(standard());
		roll_past_deadline(id);
		let attester = &pending(id, Purpose::Attest)[0];
		assert_ok!(attest(id, attester, true));
		assert_eq!(Market::verifier_key(id, attester), None);
	});
}

#[test]
fn differing_should_list_the_verdicts_that_are_not_the_result_when_both_are_open() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_verifying(&wrong());
		let drawn = committee(id);
		assert_ok!(commit(id, &drawn[0], &wrong()));
		assert_ok!(commit(id, &drawn[1], &right()));
		assert_ok!(commit(id, &drawn[2], &right()));
		let keys: Vec<_> = drawn.iter().map(key).collect();
		let duty = |at: usize| (id, drawn[at].clone(), keys[at].clone());
		close(id);
		assert_ok!(reveal(id, &drawn[0], &wrong()));
		assert_ok!(reveal(id, &drawn[1], &right()));
		assert!(Market::differing(&keys).is_empty(), "the result is hidden");
		assert_ok!(reveal_result(id, &wrong()));
		assert_eq!(Market::differing(&keys), [duty(1)]);
		assert!(Market::differing(&keys[..1]).is_empty());
		// A hidden verdict counts where there is a lane: it could be its author's.
		open_lane(id);
		let mut both = vec![duty(1), duty(2)];
		both.sort();
		assert_eq!(Market::differing(&keys), both);
		assert!(condemn(id, ReasonCode::ProvenFraud, &drawn[1]));
		assert!(Market::differing(&keys).is_empty(), "there is nothing left to dispute");
	});
}

#[test]
fn condemn_should_slash_and_end_the_job_at_once_when_everyone_has_revealed() {
	for reason in [ReasonCode::ProvenFraud, ReasonCode::Withheld] {
		ExtBuilder::default().build_and_execute(|| {
			let id = post_challengeable(&wrong(), &wrong());
			let bond = bond_of(id);
			assert!(condemn(id, reason, &bystander()));
			assert_eq!(ending(id), (Phase::Failed, Some(reason)));
			assert_eq!(job(id).condemned(), Some(reason));
			// A fifth to who has proved it, no more than the work is worth to who has demanded what was
			// withheld; a quarter to the requester, the rest burned; the escrow is whole.
			let part = match reason {
				ReasonCode::ProvenFraud => bond / 5,
				_ => test_parameters().least_price(WORK, 0),
			};
			assert!(part <= bond / 5);
			let paid = part + bond / 4;
			assert_eq!(free(&bystander()), BALANCE + part);
			assert_eq!(free(&requester()), BALANCE + bond / 4);
			assert_eq!(BurnedStake::get(), bond - paid);
			assert_eq!(FreeStake::get(provider()), STAKE - bond);
			assert_eq!(job(id).books.refunded, ESCROW);
			assert_eq!(outcomes(&provider()), [Outcome::ProviderFraud]);
			let (provider, burned) = (provider(), bond - paid);
			assert!(has_event(Event::ResultCondemned { job: id, reason, by: bystander() }));
			assert!(has_event(Event::BondSlashed { job: id, provider, burned, paid }));
			assert!(!condemn(id, reason, &bystander()), "it has ended");
		});
	}
}

#[test]
fn condemn_should_change_nothing_when_there_is_no_open_result() {
	ExtBuilder::default().build_and_execute(|| {
		let open = post_open();
		let committed = post_revealing(&wrong(), &wrong());
		let settled = post_challengeable(&right(), &right());
		roll_past_deadline(settled);
		assert_eq!(phase(settled), Phase::Settled);
		let before = (all_money(), free(&bystander()));
		for id in [open, settled, committed, settled + 1] {
			assert!(!condemn(id, ReasonCode::ProvenFraud, &bystander()));
		}
		assert_eq!((all_money(), free(&bystander())), before);
	});
}

#[test]
fn condemned_job_should_wait_for_nothing_but_reveals_when_a_verdict_is_hidden() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_with_one_hidden(&wrong(), &right());
		let (bond, deadline) = (bond_of(id), job(id).deadline);
		let hidden = committee(id)[0].clone();
		assert!(condemn(id, ReasonCode::ProvenFraud, &bystander()));
		// The bond is gone, the escrow is still there.
		assert_eq!(FreeStake::get(provider()), STAKE - bond);
		assert_eq!(held(&requester()), ESCROW);
		assert_eq!((phase(id), job(id).deadline), (Phase::Revealing, deadline));
		assert_eq!(result(id), None);
		assert!(!condemn(id, ReasonCode::Withheld, &bystander()));
		assert_noop!(request_audit(id, requester()), Error::<Test>::WrongPhase);
		assert_noop!(cancel(id, requester()), Error::<Test>::TooLateToCancel);
		let poke = Market::poke(RuntimeOrigin::signed(bystander()), id);
		assert_eq!(poke.expect_err("too early").error, Error::<Test>::NotDue.into());
		open_lane(id);
		close_lane(id);
		Market::do_try_state().expect("a dispute that ends changes nothing");
		assert_ok!(reveal(id, &hidden, &right()));
		assert_eq!(phase(id), Phase::Revealing);
		roll(1);
		assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::ProvenFraud)));
		assert!(now() < deadline);
		assert_eq!(free(&requester()), BALANCE + bond / 4);
		assert_eq!(FreeStake::get(provider()), STAKE - bond, "slashed once");
		assert_eq!(Vouchers::get(id), None);
	});
}

#[test]
fn condemned_job_should_end_at_the_reveal_deadline_when_a_verdict_stays_hidden() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_with_one_hidden(&wrong(), &right());
		assert!(condemn(id, ReasonCode::Withheld, &bystander()));
		roll_to(job(id).deadline);
		assert_eq!(phase(id), Phase::Revealing);
		roll(1);
		assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::Withheld)));
		assert_eq!(Vouchers::get(id), Some(vec![committee(id)[0].clone()]));
	});
}

/// Verdicts of a second audit that are hidden when the proof arrives get a reveal period too.
#[test]
fn condemned_job_should_give_time_to_open_when_a_second_audit_has_hidden_verdicts() {
	ExtBuilder::default().build_and_execute(|| {
		let (id, second) = post_audited_again(&wrong(), &right());
		assert_ok!(commit(id, &second[0], &right()));
		assert!(condemn(id, ReasonCode::ProvenFraud, &bystander()));
		assert_eq!(phase(id), Phase::Revealing);
		assert_eq!(job(id).deadline, now() + test_parameters().reveal.base + 1);
		assert_eq!(commit(id, &second[1], &right()), invalid(InvalidTransaction::Stale));
		await_sample(id);
		assert_ok!(reveal(id, &second[0], &right()));
		roll(1);
		assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::ProvenFraud)));
		assert_eq!(Vouchers::get(id), None);
		assert_eq!(outcomes(&second[1]), [], "it was not late");
	});
}

#[test]
fn condemned_job_should_open_no_tranche_when_it_waits_for_reveals() {
	ExtBuilder::default().verifiers(16).narrow().build_and_execute(|| {
		let id = post_verifying(&wrong());
		// Where the first audit had too few winners its second tranche passes too.
		while phase(id) == Phase::Verifying {
			commit_wanted(id, &right());
			roll_past_deadline(id);
		}
		assert_ok!(reveal_result(id, &wrong()));
		roll_past_deadline(id);
		assert_ok!(request_audit(id, requester()));
		roll_past_deadline(id);
		let second = winners(id);
		assert_ok!(commit(id, &second[0], &right()));
		roll_past_deadline(id);
		assert_eq!(crate::Lotteries::<Test>::get(id).map(|lottery| lottery.tranche), Some(1));
		let seats = seated(id).len();
		assert!(condemn(id, ReasonCode::ProvenFraud, &bystander()));
		Market::do_try_state().expect("no lottery is open in a reveal phase");
		roll_past_deadline(id);
		assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::ProvenFraud)));
		assert_eq!(seated(id).len(), seats);
	});
}

#[test]
fn condemned_job_should_end_at_once_when_a_second_audit_has_nothing_hidden() {
	ExtBuilder::default().build_and_execute(|| {
		// In the lottery, and waiting for it.
		for wait in [true, false] {
			let id = post_challengeable(&wrong(), &right());
			assert_ok!(request_audit(id, requester()));
			if !wait {
				roll_past_deadline(id);
			}
			assert_eq!(phase(id), if wait { Phase::Committed } else { Phase::Verifying });
			assert!(condemn(id, ReasonCode::ProvenFraud, &bystander()));
			assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::ProvenFraud)));
			// Both committees' fees go back.
			assert_eq!(job(id).books.refunded, ESCROW + PRICE / 5);
		}
	});
}

#[test]
fn condemn_should_burn_the_provers_part_when_the_prover_cannot_receive_it() {
	ExtBuilder::default()
		.parameters(|p| {
			(p.min_price, p.work_price) = (40, 1);
			p.bond_floor_percent = 0;
			p.bond_margin_percent = 40;
		})
		.build_and_execute(|| {
			let id = crate::NextJob::<Test>::get();
			assert_ok!(Market::post_job(
				RuntimeOrigin::signed(requester()),
				PROGRAM,
				vec![[1; 32], [2; 32]].try_into().expect("two inputs"),
				1,
				100,
				100,
				0,
				unattested(),
			));
			assert_ok!(claim(id, provider()));
			assert_ok!(commit_result(id, &wrong()));
			roll_past_deadline(id);
			commit_wanted(id, &right());
			close(id);
			assert_ok!(reveal_result(id, &wrong()));
			for who in seated(id) {
				assert_ok!(reveal(id, &who, &right()));
			}
			let bond = bond_of(id);
			assert!(bond > 0 && bond / 5 < 10, "{bond} makes no account");
			let newcomer = account(77);
			assert!(condemn(id, ReasonCode::ProvenFraud, &newcomer));
			assert_eq!(free(&newcomer), 0);
			assert_eq!(BurnedStake::get(), bond - Permill::from_percent(25) * bond);
		});
}

#[test]
fn disputed_job_should_wait_off_the_agenda_when_its_deadline_passes() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_challengeable(&right(), &right());
		open_lane(id);
		// A dispute that ends in time leaves the agenda as it is.
		let due = job(id).scheduled;
		close_lane(id);
		assert_eq!(job(id).scheduled, due);
		open_lane(id);
		roll_past_deadline(id);
		assert_eq!((phase(id), job(id).scheduled), (Phase::Challengeable, None));
		roll(100);
		assert_eq!((phase(id), job(id).scheduled), (Phase::Challengeable, None));
		Market::do_try_state().expect("a job that waits for its dispute is sound");
		close_lane(id);
		assert_eq!(job(id).scheduled, Some(now() + 1));
		Market::quiet(id);
		assert_eq!(job(id).scheduled, Some(now() + 1));
		roll(1);
		assert_eq!(ending(id), (Phase::Settled, Some(ReasonCode::Paid)));
		let ended = job(id);
		Market::quiet(id);
		assert_eq!(job(id), ended);
		Market::quiet(id + 1);
	});
}

#[test]
fn disputed_job_should_still_fail_when_its_deadline_has_passed_long_ago() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_challengeable(&wrong(), &wrong());
		open_lane(id);
		roll_past_deadline(id);
		roll(100);
		assert_noop!(request_audit(id, requester()), Error::<Test>::DeadlinePassed);
		assert!(condemn(id, ReasonCode::ProvenFraud, &bystander()));
		assert!(!Lanes::contains_key(id), "the arbiter was told");
		assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::ProvenFraud)));
	});
}

/// Lanes do not hold up the second audit that was requested in the same challenge period.
#[test]
fn second_audit_should_go_on_when_a_lane_is_alive() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_challengeable(&right(), &right());
		open_lane(id);
		assert_ok!(request_audit(id, requester()));
		roll_past_deadline(id);
		let second = pending(id, Purpose::Verify);
		for who in &second {
			assert_ok!(commit(id, who, &right()));
		}
		await_sample(id);
		for who in &second {
			assert_ok!(reveal(id, who, &right()));
		}
		assert_eq!(phase(id), Phase::Challengeable);
		roll_past_deadline(id);
		assert_eq!(phase(id), Phase::Challengeable);
		close_lane(id);
		roll(1);
		assert_eq!(ending(id), (Phase::Settled, Some(ReasonCode::Paid)));
	});
}
