//! Audits that are not sure: nobody but the winners knows whether anybody looks.

use super::*;
use crate::Lotteries;
use assay_market::{Assurance, Audit, JobId};

fn rare(percent: u32) -> Assurance {
	Assurance { audit: Audit::Custom(Permill::from_percent(percent)), ..unattested() }
}

fn post_rare(percent: u32) -> JobId {
	let id = post(rare(percent));
	assert_ok!(claim(id, provider()));
	assert_ok!(commit_result(id, &right()));
	roll_past_deadline(id);
	assert_eq!(phase(id), Phase::Verifying);
	id
}

/// Twelve validators of equal stake, tranches of about four and a half.
fn chain() -> ExtBuilder {
	ExtBuilder::default().verifiers(12).narrow()
}

#[test]
fn every_result_should_open_a_lottery_that_says_nothing() {
	chain().build_and_execute(|| {
		let (mut with, mut without) = (0, 0);
		for _ in 0..12 {
			let id = post_rare(10);
			let lottery = Lotteries::<Test>::get(id).expect("open");
			assert_eq!(lottery.terms.audit, Permill::from_percent(10));
			assert!(!lottery.terms.takes_everyone());
			assert_eq!((job(id).audits.audited, job(id).audits.needed), (None, 0));
			let deadline = job(id).deadline;
			// Whoever has won answers at once. It lasts its time all the same.
			let won = winners(id);
			for who in &won {
				assert_ok!(commit(id, who, &right()));
			}
			roll_to(deadline);
			assert_eq!((phase(id), job(id).audits.audited), (Phase::Verifying, None));
			roll(1);
			assert_eq!(
				(phase(id), job(id).audits.audited),
				(Phase::Revealing, Some(!won.is_empty()))
			);
			assert!(has_event(Event::AuditDecided { job: id, audited: !won.is_empty() }));
			*if won.is_empty() { &mut without } else { &mut with } += 1;
			if !won.is_empty() {
				await_sample(id);
			}
			assert_ok!(reveal_result(id, &right()));
			for who in &won {
				assert_ok!(reveal(id, who, &right()));
			}
			roll_past_deadline(id);
			assert_eq!(ending(id), (Phase::Settled, Some(ReasonCode::Paid)));
		}
		assert!(with > 0 && without > 0, "{with} audited, {without} not: the test shows nothing");
	});
}

/// Few candidates are all taken by a sure audit, and by no other.
#[test]
fn nobody_should_be_taken_without_winning_when_the_audit_is_not_sure() {
	ExtBuilder::default().verifiers(2).build_and_execute(|| {
		let won: usize = (0..20)
			.map(|_| {
				let id = post_rare(5);
				let won = winners(id).len();
				while !phase(id).is_terminal() {
					roll_past_deadline(id);
					let _ = reveal_result(id, &right());
				}
				won
			})
			.sum();
		// 0.05 · 12 = 0.6 expected winners a job.
		assert!((1..30).contains(&won), "{won} of 40");
	});
	ExtBuilder::default().verifiers(2).build_and_execute(|| {
		assert_eq!(winners(post_verifying(&right())).len(), 2);
	});
}

/// The mean is a · size · width: as many as before, and nobody can tell when.
#[test]
fn winners_should_be_as_many_as_the_terms_say() {
	ExtBuilder::default().verifiers(40).narrow().build_and_execute(|| {
		let rounds = 60;
		let won: usize = (0..rounds)
			.map(|_| {
				let id = post_rare(40);
				let won = winners(id).len();
				roll_past_deadline(id);
				assert_ok!(reveal_result(id, &right()));
				roll_past_deadline(id);
				won
			})
			.sum();
		// 0.4 · 4.5 = 1.8 each, with a standard deviation of 10.4 in all. The seeds are fixed.
		assert!((77..=139).contains(&won), "{won}");
	});
}

#[test]
fn result_should_be_paid_when_a_thinned_audit_has_no_quorum() {
	chain().build_and_execute(|| {
		let id = (0..16)
			.map(|_| post_rare(20))
			.find(|id| winners(*id).len() == 1)
			.expect("one winner is the commonest number");
		let only = winners(id)[0].clone();
		assert_ok!(commit(id, &only, &right()));
		close(id);
		assert_ok!(reveal_result(id, &right()));
		assert_ok!(reveal(id, &only, &right()));
		roll_past_deadline(id);
		assert_eq!(ending(id), (Phase::Settled, Some(ReasonCode::Paid)));
		// One share of as many as winners are expected: a fifth of four and a half, rounded up.
		let share = PRICE / 5;
		assert_eq!(free(&only), share - share.div_ceil(20));
	});
}

/// A single differing verdict earns nothing, but its author disputes; nobody is paid by default of it.
#[test]
fn differing_verdict_should_be_given_to_its_author_when_the_audit_is_thinned() {
	use assay_market::Disputes;
	use sp_core::Pair;
	chain().build_and_execute(|| {
		let id = post(rare(30));
		assert_ok!(claim(id, provider()));
		assert_ok!(commit_result(id, &wrong()));
		roll_past_deadline(id);
		let won = winners(id);
		assert!(!won.is_empty(), "or the test shows nothing");
		for who in &won {
			assert_ok!(commit(id, who, &right()));
		}
		close(id);
		assert_ok!(reveal_result(id, &wrong()));
		for who in &won {
			assert_ok!(reveal(id, who, &right()));
		}
		let keys: Vec<_> = won.iter().map(|who| pair(&seed_of(who)).public()).collect();
		assert_eq!(Market::differing(&keys).len(), won.len());
		assert!(condemn(id, ReasonCode::ProvenFraud, &won[0]));
		assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::ProvenFraud)));
	});
}

#[test]
fn abstention_should_tell_that_somebody_looked() {
	chain().build_and_execute(|| {
		let id = (0..16)
			.map(|_| post_rare(20))
			.find(|id| !winners(*id).is_empty())
			.expect("most have a winner");
		assert_ok!(abstain(id, &winners(id)[0]));
		// And another tranche passes.
		roll_past_deadline(id);
		roll_past_deadline(id);
		assert_eq!((phase(id), job(id).audits.audited), (Phase::Revealing, Some(true)));
	});
}

/// A rare audit that would end nothing early: its clock is the whole one, of a whole replay.
#[test]
fn thinned_audit_should_have_the_time_of_the_whole_run() {
	chain().parameters(|p| p.verify.work_per_block = WORK / 10).build_and_execute(|| {
		let id = post_rare(20);
		let opened = Lotteries::<Test>::get(id).expect("open").opened_at;
		let time = test_parameters().verify.base + 1 + 10;
		assert_eq!(job(id).deadline, opened + time);
	});
}

/// Somebody has won and gives no verdict: others may, in a tranche as narrow as the first.
#[test]
fn next_tranche_should_open_when_the_winners_of_a_thinned_audit_abstain() {
	chain().build_and_execute(|| {
		let id = (0..16)
			.map(|_| post_rare(20))
			.find(|id| !winners(*id).is_empty())
			.expect("most have a winner");
		for who in winners(id) {
			assert_ok!(abstain(id, &who));
		}
		roll_past_deadline(id);
		assert_eq!(phase(id), Phase::Verifying);
		let lottery = Lotteries::<Test>::get(id).expect("open");
		assert_eq!((lottery.tranche, lottery.terms.is_sure()), (1, false));
		let time = test_parameters().verify.base + 2;
		assert_eq!(job(id).deadline, now() + time);
		// Two tranches are all, whatever the second one brings.
		for who in winners(id) {
			assert_ok!(abstain(id, &who));
		}
		roll_past_deadline(id);
		assert_eq!((phase(id), job(id).audits.audited), (Phase::Revealing, Some(true)));
	});
}

#[test]
fn no_tranche_should_open_when_a_thinned_audit_has_a_verdict_or_no_answer() {
	chain().build_and_execute(|| {
		let silent = post_rare(20);
		roll_past_deadline(silent);
		assert_eq!(phase(silent), Phase::Revealing);
		let id = (0..32)
			.map(|_| post_rare(40))
			.find(|id| winners(*id).len() > 1)
			.expect("most have more than one");
		let won = winners(id);
		assert_ok!(abstain(id, &won[0]));
		assert_ok!(commit(id, &won[1], &right()));
		roll_past_deadline(id);
		assert_eq!(phase(id), Phase::Revealing);
	});
}

/// Up to the challenge period of a job that one verifier alone has looked at.
fn post_looked_at(result: &Run, verdict: &Run) -> (JobId, AccountId) {
	let id = (0..32)
		.map(|_| {
			let id = post(rare(20));
			assert_ok!(claim(id, provider()));
			assert_ok!(commit_result(id, result));
			roll_past_deadline(id);
			id
		})
		.find(|id| !winners(*id).is_empty())
		.expect("most have a winner");
	let only = winners(id)[0].clone();
	assert_ok!(commit(id, &only, verdict));
	close(id);
	assert_ok!(reveal_result(id, result));
	(id, only)
}

/// Nobody else may have won, and the one who has is not believed alone: neither against the provider nor
/// for it.
#[test]
fn sure_audit_should_follow_when_the_only_verdict_differs() {
	for right_result in [true, false] {
		chain().build_and_execute(|| {
			let (result, verdict) =
				if right_result { (right(), wrong()) } else { (wrong(), right()) };
			let (id, only) = post_looked_at(&result, &verdict);
			assert_ok!(reveal(id, &only, &verdict));
			roll_past_deadline(id);
			assert_eq!(job(id).audits.second, Some(crate::SecondAudit::Automatic));
			roll_past_deadline(id);
			let terms = Lotteries::<Test>::get(id).expect("open").terms;
			assert_eq!((terms.is_sure(), terms.candidates, job(id).audits.needed), (true, 11, 2));
			while phase(id) == Phase::Verifying {
				for who in winners(id) {
					assert_ok!(commit(id, &who, &right()));
				}
				roll_past_deadline(id);
			}
			await_sample(id);
			for who in seated(id).iter().filter(|who| **who != only) {
				assert_ok!(reveal(id, who, &right()));
			}
			roll_past_deadline(id);
			let expected = match right_result {
				true => (Phase::Settled, Some(ReasonCode::Paid)),
				// Nobody has proved it yet, but nobody pays for it either.
				false => (Phase::Failed, Some(ReasonCode::Inconclusive)),
			};
			assert_eq!(ending(id), expected);
			if right_result {
				assert_eq!(Conduct::get(&only), [false]);
			}
		});
	}
}

/// A verdict that stays hidden may be the one that differs; hiding it is a fault.
#[test]
fn sure_audit_should_follow_when_the_only_verdict_stays_hidden() {
	chain().build_and_execute(|| {
		let (id, only) = post_looked_at(&right(), &right());
		roll_past_deadline(id);
		roll_past_deadline(id);
		assert_eq!(job(id).audits.second, Some(crate::SecondAudit::Automatic));
		roll_past_deadline(id);
		while phase(id) == Phase::Verifying {
			for who in winners(id) {
				assert_ok!(commit(id, &who, &right()));
			}
			roll_past_deadline(id);
		}
		await_sample(id);
		for who in seated(id).iter().filter(|who| **who != only) {
			assert_ok!(reveal(id, who, &right()));
		}
		while !phase(id).is_terminal() {
			roll_past_deadline(id);
		}
		assert_eq!(ending(id), (Phase::Settled, Some(ReasonCode::Paid)));
		assert_eq!(Conduct::get(&only), [false]);
	});
}

#[test]
fn thinned_result_should_be_paid_when_a_contradiction_has_nobody_left_to_look() {
	ExtBuilder::default().verifiers(1).build_and_execute(|| {
		let id = (0..32).map(|_| post_rare(20)).find(|id| !winners(*id).is_empty()).expect("one");
		assert_ok!(commit(id, &verifier(0), &wrong()));
		close(id);
		assert_ok!(reveal_result(id, &right()));
		assert_ok!(reveal(id, &verifier(0), &wrong()));
		roll_past_deadline(id);
		assert_eq!(ending(id), (Phase::Settled, Some(ReasonCode::Paid)));
		assert_eq!(Conduct::get(verifier(0)), [false]);
	});
}

/// Up to the end of an audit in which every winner has abstained, and of the challenge period after it.
fn post_abstained() -> JobId {
	let id = (0..32).map(|_| post_rare(20)).find(|id| !winners(*id).is_empty()).expect("one");
	while phase(id) == Phase::Verifying {
		for who in winners(id) {
			assert_ok!(abstain(id, &who));
		}
		roll_past_deadline(id);
	}
	assert_ok!(reveal_result(id, &right()));
	roll_past_deadline(id);
	id
}

/// That all winners abstain is not the same as that nobody has won: a job that no validator can run would be
/// paid whatever its provider says.
#[test]
fn sure_audit_should_follow_when_all_winners_of_a_thinned_one_abstain() {
	for able in [true, false] {
		chain().build_and_execute(|| {
			let id = post_abstained();
			assert_eq!(job(id).audits.second, Some(crate::SecondAudit::Automatic));
			roll_past_deadline(id);
			while phase(id) == Phase::Verifying {
				for who in winners(id) {
					if able {
						assert_ok!(commit(id, &who, &right()));
					} else {
						assert_ok!(abstain(id, &who));
					}
				}
				roll_past_deadline(id);
			}
			if able {
				await_sample(id);
				let committed = |who: &AccountId| {
					crate::Seats::<Test>::get(id).iter().any(|seat| {
						seat.account == *who && matches!(seat.answer, crate::Answer::Committed(_))
					})
				};
				for who in seated(id).iter().filter(|who| committed(who)) {
					assert_ok!(reveal(id, who, &right()));
				}
			}
			while !phase(id).is_terminal() {
				roll_past_deadline(id);
			}
			let expected = match able {
				true => (Phase::Settled, Some(ReasonCode::Paid)),
				false => (Phase::Failed, Some(ReasonCode::Inconclusive)),
			};
			assert_eq!(ending(id), expected);
		});
	}
}

#[test]
fn result_should_not_be_paid_when_all_have_abstained_and_nobody_is_left() {
	ExtBuilder::default().verifiers(1).build_and_execute(|| {
		let id = post_abstained();
		assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::Inconclusive)));
	});
}
