//! A result is paid when its outputs can be had, and not for a root alone.

use super::*;
use assay_market::{JobId, SeatStatus, Segments};
use std::collections::BTreeSet;

/// Up to the challenge period, with nobody who has the outputs: not one keeper has said so, and the
/// verdicts are those of `matching` verifiers.
fn post_undelivered(matching: usize) -> JobId {
	let id = post_verifying(&right());
	let drawn = winners(id);
	for who in &drawn[..matching] {
		assert_ok!(commit(id, who, &right()));
	}
	close(id);
	assert_ok!(reveal_alone(id));
	for who in &drawn[..matching] {
		assert_ok!(reveal(id, who, &right()));
	}
	assert_eq!(phase(id), Phase::Challengeable);
	id
}

/// The provider opens its result; the keepers do not hear of it.
fn reveal_alone(id: JobId) -> frame_support::dispatch::DispatchResult {
	let origin = RuntimeOrigin::signed(provider());
	Market::reveal_result(origin, id, order(id), right().root(), SALT, right().opening(), None)
}

fn keepers(id: JobId) -> Vec<AccountId> {
	let seats = crate::Seats::<Test>::get(id).into_iter();
	seats.filter(|seat| seat.purpose == Purpose::Keep).map(|seat| seat.account).collect()
}

/// Nobody verifies, two must hold the outputs.
fn chain() -> ExtBuilder {
	ExtBuilder::default().verifiers(8).parameters(|p| {
		p.audit = Permill::from_percent(5);
		p.tranche_width_percent = 100;
	})
}

/// An attester or keeper gets 951 units of 1,002, in a market whose bytes are dear.
const SHARE: u64 = 1_002;
const NET: u64 = SHARE - 51;

fn dear(p: &mut crate::ParametersOf<Test>) {
	// 7 KiB at so many units for a MiB.
	p.byte_price = 146_646;
}

/// An audit in which nobody has won, or nobody says so.
fn post_unaudited() -> JobId {
	let id = post_verifying(&right());
	roll_past_deadline(id);
	assert_eq!(phase(id), Phase::Revealing);
	assert_ok!(reveal_alone(id));
	assert_eq!(phase(id), Phase::Challengeable);
	id
}

#[test]
fn keepers_should_be_drawn_with_the_lottery_and_be_no_party() {
	ExtBuilder::default().verifiers(8).build_and_execute(|| {
		for party in [requester(), provider()] {
			Validators::append((party.clone(), seed_of(&party), 1_000 * UNIT));
		}
		let id = post_committed(&right());
		assert!(keepers(id).is_empty());
		roll_past_deadline(id);
		let drawn = keepers(id);
		assert_eq!(drawn.len(), 3);
		assert!(!drawn.contains(&requester()) && !drawn.contains(&provider()));
		assert!(drawn.iter().all(|who| Locks::contains_key((who.clone(), id))));
		assert!(has_event(Event::ValidatorsDrawn {
			job: id,
			purpose: Purpose::Keep,
			tranche: 0,
			accounts: drawn,
		}));
	});
}

#[test]
fn result_should_be_paid_when_a_quorum_of_keepers_has_the_outputs() {
	chain().build_and_execute(|| {
		let id = post_unaudited();
		let drawn = keepers(id);
		assert_ok!(keep(id, &drawn[0], true));
		assert_ok!(keep(id, &drawn[1], true));
		assert!(has_event(Event::OutputsAttested { job: id, account: drawn[0].clone(), ok: true }));
		roll_past_deadline(id);
		assert_eq!(ending(id), (Phase::Settled, Some(ReasonCode::Paid)));
		assert_eq!(outcomes(&drawn[2]), [Outcome::VerifierNoShow]);
	});
}

/// The provider that was paid in full for a root: nobody has the outputs, and nobody is paid.
#[test]
fn provider_should_not_be_paid_when_it_hands_nothing_over() {
	chain().build_and_execute(|| {
		let id = post_unaudited();
		let first = keepers(id);
		for who in &first {
			assert_ok!(keep(id, who, false));
		}
		roll_past_deadline(id);
		// Others are asked, once: those who were drawn first may be away, or not want to.
		assert_eq!((phase(id), job(id).keepers_redrawn()), (Phase::Challengeable, true));
		assert!(has_event(Event::KeepersDismissed { job: id }));
		assert_eq!((keepers(id).len(), Locks::iter().count()), (0, 0));
		assert_noop!(request_audit(id, requester()), Error::<Test>::WrongPhase);
		roll_past_deadline(id);
		let second = keepers(id);
		assert_eq!((phase(id), second.len()), (Phase::Challengeable, 3));
		let attest = test_parameters().attest.blocks(0, job(id).offer.output_bytes);
		assert_eq!(job(id).deadline, now() + attest);
		assert_ok!(keep(id, &second[0], true));
		roll_past_deadline(id);
		assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::Undelivered)));
		// Each side loses a tenth of the price, and neither gains.
		let part = PRICE / 10;
		assert_eq!((free(&requester()), free(&provider())), (BALANCE - part, BALANCE));
		assert_eq!(FreeStake::get(provider()), STAKE - part);
		assert_eq!((job(id).books.burned, BurnedStake::get()), (part, part));
		assert_eq!(outcomes(&provider()), [Outcome::ProviderUndelivered]);
		assert_eq!(Market::settlements(), Default::default());
	});
}

#[test]
fn second_keepers_should_be_enough_when_the_first_were_away() {
	chain().build_and_execute(|| {
		let id = post_unaudited();
		roll_past_deadline(id);
		roll_past_deadline(id);
		for who in &keepers(id)[..2] {
			assert_ok!(keep(id, who, true));
		}
		roll_past_deadline(id);
		assert_eq!(ending(id), (Phase::Settled, Some(ReasonCode::Paid)));
		assert_eq!(FreeStake::get(provider()), STAKE);
	});
}

/// Whoever has replayed the job to the same end holds its outputs; its node keeps and serves them.
#[test]
fn matching_verdicts_should_count_as_holders_of_the_outputs() {
	ExtBuilder::default().verifiers(8).build_and_execute(|| {
		let id = post_undelivered(2);
		roll_past_deadline(id);
		assert_eq!(ending(id), (Phase::Settled, Some(ReasonCode::Paid)));
	});
	// One account that does both is one.
	ExtBuilder::default().parameters(|p| p.quorum = 1).build_and_execute(|| {
		let id = post_verifying(&right());
		let both = winners(id).into_iter().find(|who| keepers(id).contains(who));
		let both = both.expect("everybody has won, three of five were drawn");
		assert_ok!(commit(id, &both, &right()));
		close(id);
		assert_ok!(reveal_alone(id));
		assert_ok!(reveal(id, &both, &right()));
		assert_ok!(keep(id, &both, true));
		roll_past_deadline(id);
		assert_eq!((phase(id), job(id).keepers_redrawn()), (Phase::Challengeable, true));
		assert!(Locks::contains_key((both, id)), "it has another seat");
	});
}

/// Whoever has replayed a segment in the middle has no outputs.
#[test]
fn verdict_on_a_segment_should_count_only_when_it_is_the_last() {
	let record = |segment: Option<u32>| {
		let mut found = None;
		ExtBuilder::default().verifiers(8).build_and_execute(|| {
			let mut job = job(post_claimed());
			job.offer.steps = 6;
			job.offer.assurance.segments = Some(Segments { steps: 2 });
			found = Some(job.offer.has_outputs(segment));
		});
		found.expect("ran")
	};
	assert_eq!([0, 1, 2].map(|segment| record(Some(segment))), [false, false, true]);
	assert!(record(None));
}

#[test]
fn bare_opening_should_count_for_no_delivery() {
	ExtBuilder::default().verifiers(8).parameters(|p| p.quorum = 1).build_and_execute(|| {
		let id = post_verifying(&right());
		let drawn = winners(id);
		for who in &drawn[..2] {
			assert_ok!(commit(id, who, &right()));
		}
		close(id);
		assert_ok!(reveal_alone(id));
		assert_ok!(reveal(id, &drawn[0], &right()));
		// It could have heard the root from anybody.
		assert_ok!(open_bare(id, &drawn[1], &right()));
		roll_past_deadline(id);
		assert!(job(id).keepers_redrawn());
	});
}

#[test]
fn attest_outputs_should_be_accepted_from_the_reveal_to_the_challenge_deadline() {
	chain().build_and_execute(|| {
		let id = post_verifying(&right());
		let drawn = keepers(id);
		let early = keep(id, &drawn[0], true);
		assert_eq!(early, invalid(InvalidTransaction::Future));
		roll_past_deadline(id);
		assert_eq!(phase(id), Phase::Revealing);
		assert_eq!(keep(id, &drawn[0], true), invalid(InvalidTransaction::Future));
		assert_ok!(reveal_alone(id));
		let other = (0..8).map(verifier).find(|who| !drawn.contains(who)).expect("three of eight");
		let refused = invalid(InvalidTransaction::Custom(crate::refusal::NOT_DRAWN));
		assert_eq!(keep(id, &other, true), refused);
		assert_ok!(keep(id, &drawn[0], false));
		// What could not be had at first may come later; a yes is final.
		assert_eq!(keep(id, &drawn[0], false), invalid(InvalidTransaction::Stale));
		assert_ok!(keep(id, &drawn[0], true));
		for again in [true, false] {
			assert_eq!(keep(id, &drawn[0], again), invalid(InvalidTransaction::Stale));
		}
		roll_to(job(id).deadline);
		assert_ok!(keep(id, &drawn[1], true));
		roll(1);
		assert_eq!(ending(id), (Phase::Settled, Some(ReasonCode::Paid)));
		assert_eq!(keep(id, &drawn[2], true), invalid(InvalidTransaction::Stale));
	});
}

#[test]
fn keepers_should_be_told_what_to_fetch_and_until_when() {
	use sp_core::Pair;
	chain().build_and_execute(|| {
		let id = post_verifying(&right());
		let who = keepers(id)[0].clone();
		let key = pair(&seed_of(&who)).public();
		let duty = || Market::assignments(core::slice::from_ref(&key)).remove(0);
		assert_eq!((duty().purpose, duty().status), (Purpose::Keep, SeatStatus::Pending));
		assert_eq!((duty().order, duty().output_roots), (order(id), vec![]));
		roll_past_deadline(id);
		assert_ok!(reveal_alone(id));
		assert_eq!(duty().output_roots, right().outputs());
		assert_eq!(duty().commit_deadline, job(id).deadline);
		assert_eq!((duty().terms.work_units, duty().terms.output_bytes), (0, 2 << 10));
	});
}

/// The time to fetch what is delivered grows with it.
#[test]
fn challenge_period_should_have_time_for_the_outputs() {
	let slow = |p: &mut crate::ParametersOf<Test>| p.challenge.bytes_per_block = 1 << 10;
	chain().parameters(slow).build_and_execute(|| {
		let id = post_unaudited();
		let record = job(id);
		assert_eq!((record.offer.input_bytes, record.offer.output_bytes), (5 << 10, 2 << 10));
		let base = test_parameters().challenge.base + 1;
		assert_eq!(record.deadline, now() + base + 7);
	});
}

/// A dispute is decided first, whether anybody has the outputs or not.
#[test]
fn keepers_should_not_be_asked_again_when_the_result_is_disputed() {
	chain().build_and_execute(|| {
		let id = post_unaudited();
		open_lane(id);
		roll_past_deadline(id);
		roll(20);
		assert_eq!((phase(id), job(id).keepers_redrawn()), (Phase::Challengeable, false));
		close_lane(id);
		roll(1);
		assert!(job(id).keepers_redrawn());
		// While others are asked no lane is opened, neither before nor after their draw.
		for _ in 0..2 {
			assert!(result(id).is_some_and(|result| !result.open));
			roll_past_deadline(id);
		}
		assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::Undelivered)));
	});
}

/// Where nobody was left for a second look, others may have come when keepers are drawn anew. Then it is
/// too late for one.
#[test]
fn second_look_should_not_be_opened_when_keepers_were_drawn_anew() {
	chain().parameters(|p| p.audit = Permill::from_percent(50)).build_and_execute(|| {
		let id = (0..8)
			.map(|_| post_verifying(&right()))
			.find(|id| !winners(*id).is_empty())
			.expect("most lotteries have a winner");
		let who = winners(id)[0].clone();
		assert_ok!(commit(id, &who, &wrong()));
		close(id);
		assert_ok!(reveal_alone(id));
		assert_ok!(reveal(id, &who, &wrong()));
		Suspended::put((0..8).map(verifier).collect::<Vec<_>>());
		roll_past_deadline(id);
		assert_eq!((job(id).keepers_redrawn(), job(id).audits.second), (true, None));
		Suspended::kill();
		roll_past_deadline(id);
		keep_all(id);
		roll_past_deadline(id);
		assert_eq!(ending(id), (Phase::Settled, Some(ReasonCode::Paid)));
	});
}

/// Whoever is drawn twice is locked once, and let go once.
#[test]
fn dismissed_keepers_should_be_free_unless_they_have_another_seat() {
	ExtBuilder::default().verifiers(3).parameters(|p| p.quorum = 1).build_and_execute(|| {
		let id = post(standard());
		roll_past_deadline(id);
		for who in pending(id, Purpose::Attest) {
			let _ = attest(id, &who, true);
		}
		assert_ok!(claim(id, provider()));
		assert_ok!(commit_result(id, &right()));
		roll_past_deadline(id);
		let verifiers: BTreeSet<_> = winners(id).into_iter().collect();
		assert_ok!(commit(id, verifiers.first().expect("three"), &right()));
		close(id);
		assert_ok!(reveal_alone(id));
		assert_ok!(reveal(id, verifiers.first().expect("three"), &right()));
		roll_past_deadline(id);
		assert!(job(id).keepers_redrawn());
		// All of them have attested the inputs, so that none is free.
		assert_eq!(Locks::iter().count(), 3);
		roll_past_deadline(id);
		assert_eq!(keepers(id).len(), 3);
		roll_past_deadline(id);
		assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::Undelivered)));
		assert_eq!((Locks::iter().count(), crate::JobsOfKey::<Test>::iter().count()), (0, 0));
	});
}

/// The first keepers' signed answers are of their round.
#[test]
fn answer_of_an_earlier_round_should_count_in_no_later_one() {
	use assay_market::VerifierAction;
	ExtBuilder::default()
		.verifiers(3)
		.parameters(|p| p.audit = Permill::from_percent(5))
		.build_and_execute(|| {
			let id = post_verifying(&right());
			roll_past_deadline(id);
			assert_ok!(reveal_alone(id));
			let who = keepers(id)[0].clone();
			let drawn_at = Market::drawn_at(id, Purpose::Keep, &who);
			let yes = VerifierAction::AttestOutputs { ok: true, drawn_at };
			let signed = call_of(id, &who, yes.clone());
			roll_past_deadline(id);
			roll_past_deadline(id);
			assert!(job(id).keepers_redrawn() && keepers(id).contains(&who));
			// Its transaction comes only now.
			assert_eq!(apply(signed), invalid(InvalidTransaction::BadProof));
			assert_eq!(
				Market::check_action(id, &order(id), &who, &yes).err(),
				Some(Error::<Test>::NotDrawn)
			);
			assert_ok!(keep(id, &who, true));
		});
}

/// Who has the outputs is not asked again, counts, and is paid; only the others are drawn anew.
#[test]
fn keepers_that_have_the_outputs_should_stay_when_others_are_drawn() {
	let three = |p: &mut crate::ParametersOf<Test>| {
		dear(p);
		p.attest_quorum = 3;
	};
	chain().parameters(three).build_and_execute(|| {
		let id = post_unaudited();
		let first = keepers(id);
		for (who, ok) in first.iter().zip([true, true, false]) {
			assert_ok!(keep(id, who, ok));
		}
		roll_past_deadline(id);
		assert_eq!((job(id).keepers_redrawn(), keepers(id)), (true, first[..2].to_vec()));
		assert_eq!(Locks::iter().count(), 2);
		roll_past_deadline(id);
		let second = keepers(id);
		assert_eq!((second.len(), &second[..2]), (3, &first[..2]));
		// Its yes is final.
		assert_eq!(keep(id, &first[0], true), invalid(InvalidTransaction::Stale));
		assert_ok!(keep(id, &second[2], true));
		roll_past_deadline(id);
		assert_eq!(ending(id), (Phase::Settled, Some(ReasonCode::Paid)));
		for account in second {
			assert_eq!(free(&account), NET);
			assert!(has_event(Event::HolderPaid { job: id, account, amount: NET }));
		}
	});
}

/// A requester that posts a job, has an account of its own claim it and give it back, and cancels, pays
/// those who have fetched the inputs, and burns what the others could have earned.
#[test]
fn attesters_should_be_paid_when_the_job_was_given_back_and_cancelled() {
	for claimed in [false, true] {
		ExtBuilder::default().parameters(dear).build_and_execute(|| {
			let id = post(standard());
			roll_past_deadline(id);
			let drawn = pending(id, Purpose::Attest);
			for who in &drawn[..2] {
				assert_ok!(attest(id, who, true));
			}
			assert_ok!(claim(id, provider()));
			roll(1);
			assert_ok!(give_back(id, provider()));
			let mut cancel_fee = 0;
			if claimed {
				assert_ok!(claim(id, second_provider()));
				cancel_fee = PRICE / 10;
			}
			let price = job(id).claim.map(|claim| claim.price);
			assert_ok!(cancel(id, requester()));
			cancel_fee = price.map_or(cancel_fee, |price| price / 10);
			for who in &drawn[..2] {
				assert_eq!(free(who), NET);
			}
			let data = job(id).books.data_fee / 2;
			assert_eq!(free(&requester()), BALANCE - data - cancel_fee, "{claimed}");
			assert_eq!(job(id).books.burned, data - 2 * NET + cancel_fee.div_ceil(20));
		});
	}
}

/// Nobody could be drawn who might say anything.
#[test]
fn result_should_be_paid_when_no_keeper_could_be_drawn() {
	chain().build_and_execute(|| {
		let id = post_committed(&right());
		// As many jobs as their stake may stand behind: they are candidates still, but none is drawn.
		Busy::put((0..8).map(verifier).collect::<Vec<_>>());
		roll_past_deadline(id);
		assert_eq!((phase(id), keepers(id).len()), (Phase::Verifying, 0));
		roll_past_deadline(id);
		assert_ok!(reveal_alone(id));
		roll_past_deadline(id);
		assert_eq!(ending(id), (Phase::Settled, Some(ReasonCode::Paid)));
	});
}

/// Those who fetch, keep and serve what others need are paid for it, whatever becomes of the job.
#[test]
fn holders_should_be_paid_for_their_bytes_whatever_the_end() {
	// Paid, and undelivered.
	for keeping in [3, 1] {
		chain().parameters(dear).build_and_execute(|| {
			let id = post_attested();
			assert_eq!((job(id).books.data_share, job(id).books.data_fee / 6), (SHARE, SHARE));
			let attesters: Vec<_> = crate::Seats::<Test>::get(id)
				.into_iter()
				.filter(|seat| seat.answer == crate::Answer::Attested(true))
				.map(|seat| seat.account)
				.collect();
			assert_eq!(attesters.len(), 3, "also the one that came after the quorum");
			assert_ok!(claim(id, provider()));
			assert_ok!(commit_result(id, &right()));
			roll_past_deadline(id);
			roll_past_deadline(id);
			assert_ok!(reveal_alone(id));
			let mut keeping_now = Vec::new();
			while !phase(id).is_terminal() {
				let drawn = keepers(id);
				if drawn != keeping_now {
					keeping_now = drawn;
					for who in keeping_now.iter().take(keeping) {
						let _ = keep(id, who, true);
					}
				}
				roll_past_deadline(id);
			}
			let reason = if keeping == 3 { ReasonCode::Paid } else { ReasonCode::Undelivered };
			assert_eq!(job(id).reason, Some(reason));
			let holders = attesters.iter().chain(keeping_now.iter().take(keeping));
			let mut expected = std::collections::BTreeMap::<_, u64>::new();
			for who in holders {
				*expected.entry(who.clone()).or_default() += NET;
			}
			for (who, amount) in expected {
				assert_eq!(free(&who), amount, "{reason:?}");
			}
		});
	}
}

#[test]
fn attesters_should_be_paid_and_the_rest_burned_when_the_requester_cancels() {
	ExtBuilder::default().parameters(dear).build_and_execute(|| {
		let id = post(standard());
		roll_past_deadline(id);
		let drawn = pending(id, Purpose::Attest);
		assert_ok!(attest(id, &drawn[0], true));
		assert_ok!(cancel(id, requester()));
		assert_eq!(free(&drawn[0]), NET);
		assert!(has_event(Event::HolderPaid { job: id, account: drawn[0].clone(), amount: NET }));
		// Half of the fee was the attesters'; what they have not earned is gone too.
		let half = job(id).books.data_fee / 2;
		assert_eq!(job(id).books.burned, half - NET);
		assert_eq!(free(&requester()), BALANCE - half);
		// Before anybody was asked it costs nothing.
		let id = post(standard());
		assert_ok!(cancel(id, requester()));
		assert_eq!((job(id).books.burned, free(&requester())), (0, BALANCE - half));
	});
}

/// An absent keeper earns nothing, and is remembered.
#[test]
fn absent_keeper_should_be_counted_and_not_paid() {
	chain().parameters(dear).build_and_execute(|| {
		let id = post_unaudited();
		let drawn = keepers(id);
		for who in &drawn[..2] {
			assert_ok!(keep(id, who, true));
		}
		roll_past_deadline(id);
		assert_eq!((free(&drawn[0]), free(&drawn[2])), (NET, 0));
		assert_eq!(outcomes(&drawn[2]), [Outcome::VerifierNoShow]);
	});
}
