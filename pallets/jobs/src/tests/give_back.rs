//! `give_back`, and what a silent provider loses.

use super::*;
use crate::MAX_HISTORY_OF_PHASES;
use assay_market::{Assurance, Attestation, Audit};

fn third() -> AccountId {
	account(6)
}
fn fourth() -> AccountId {
	account(7)
}
/// Makes the account a provider with stake.
fn enrol(who: &AccountId) {
	Providers::insert(who, ());
	FreeStake::insert(who, STAKE);
}
/// Takes out of the world what [`enrol`] has put there, be it burned.
fn expel(who: &AccountId) {
	BurnedStake::mutate(|burned| *burned -= STAKE - FreeStake::take(who));
}

#[test]
fn give_back_should_open_the_job_with_the_same_attesters_when_they_have_the_inputs() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_attested();
		let first = crate::Seats::<Test>::get(id);
		assert_ok!(claim(id, provider()));
		let (price, bond) = (job(id).price(), bond_of(id));
		let (before, clock) = (all_of(&requester()), job(id).deadline - now());
		roll(7);
		assert_ok!(give_back(id, provider()));
		assert_eq!(phase(id), Phase::Open);
		let burned = (test_parameters().stall(price, bond) * 7).div_ceil(clock);
		assert!(burned > 0);
		assert!(has_event(Event::JobGivenBack { job: id, provider: provider(), burned }));
		// A part of what a stall costs is burned; nobody gains by it, and the rest of the bond is free.
		assert_eq!(FreeStake::get(provider()), STAKE - burned);
		assert_eq!((BurnedStake::get(), all_of(&requester())), (burned, before));
		assert_eq!(outcomes(&provider()), [Outcome::ProviderGaveBack]);
		// Everybody who attested holds the inputs still, and is paid at the end.
		assert_eq!((first.len(), crate::Seats::<Test>::get(id)), (3, first));
		assert_eq!((Locks::iter().count(), crate::JobsOfKey::<Test>::iter().count()), (3, 3));
		assert_noop!(claim(id, provider()), Error::<Test>::Barred);
		assert_ok!(claim(id, second_provider()));
	});
}

fn all_of(who: &AccountId) -> u64 {
	free(who) + held(who)
}

#[test]
fn give_back_should_be_free_when_the_requester_opted_out_of_attestation() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_claimed();
		roll(1);
		assert_ok!(give_back(id, provider()));
		// Its ramp is over, and does not start again.
		assert_eq!((phase(id), job(id).opened_at), (Phase::Open, 1));
		assert_eq!(
			job(id).deadline,
			now() + test_parameters().open_time(job(id).offer.input_bytes)
		);
		assert_eq!(Market::current_price(id), Some(PRICE));
		assert_eq!((FreeStake::get(provider()), BurnedStake::get()), (STAKE, 0));
		assert_eq!(job(id).barred.to_vec(), [provider()]);
		let view = Market::job_view(id).expect("exists");
		assert_eq!((view.barred, view.provider, view.price), (vec![provider()], None, None));
	});
}

#[test]
fn give_back_should_count_in_the_deadline_block_and_not_after_it() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_claimed();
		roll_to(job(id).deadline);
		assert_ok!(give_back(id, provider()));
		let id = post_open();
		assert_ok!(claim(id, provider()));
		roll_past_deadline(id);
		// It has stalled.
		assert_noop!(give_back(id, provider()), Error::<Test>::NotProvider);
	});
}

#[test]
fn give_back_should_fail_when_it_is_not_the_providers_or_too_late() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_claimed();
		assert_noop!(give_back(id, provider()), Error::<Test>::TooEarlyToGiveBack);
		assert!(!Market::may_send(&provider(), id, &order(id), crate::ProviderCall::GiveBack));
		roll(1);
		assert!(Market::may_send(&provider(), id, &order(id), crate::ProviderCall::GiveBack));
		assert_noop!(give_back(id, second_provider()), Error::<Test>::NotProvider);
		assert_noop!(give_back(id + 1, provider()), Error::<Test>::UnknownJob);
		assert_ok!(commit_result(id, &right()));
		// From here on it warrants the result.
		assert_noop!(give_back(id, provider()), Error::<Test>::WrongPhase);
		let open = post_open();
		assert_noop!(give_back(open, provider()), Error::<Test>::NotProvider);
	});
}

#[test]
fn fourth_provider_that_gives_back_should_end_the_job() {
	ExtBuilder::default().build_and_execute(|| {
		[third(), fourth()].iter().for_each(enrol);
		let before = all_money();
		let id = post_open();
		let all = [provider(), second_provider(), third(), fourth()];
		for (index, who) in all.iter().enumerate() {
			assert_eq!(phase(id), Phase::Open, "{index}");
			assert_ok!(claim(id, who.clone()));
			roll(1);
			assert_ok!(give_back(id, who.clone()));
		}
		assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::ProviderTimeout)));
		assert_eq!(job(id).barred.to_vec(), all);
		assert_eq!((free(&requester()), held(&requester())), (BALANCE, 0));
		assert_eq!(all_money(), before);
		[third(), fourth()].iter().for_each(expel);
	});
}

/// Attestation was opted out: nobody promised that the inputs are there.
#[test]
fn stall_should_cost_nothing_when_the_inputs_were_never_attested() {
	ExtBuilder::default().build_and_execute(|| {
		let rare = Audit::Custom(Permill::from_percent(5));
		let id = post(Assurance { audit: rare, ..unattested() });
		roll(10);
		assert_ok!(claim(id, provider()));
		assert!(bond_of(id) > 4 * PRICE, "{}", bond_of(id));
		let before = all_of(&requester());
		roll_past_deadline(id);
		assert_eq!((FreeStake::get(provider()), all_of(&requester())), (STAKE, before));
		assert!(has_event(Event::ProviderStalled { job: id, provider: provider(), burned: 0 }));
		assert_ok!(claim(id, second_provider()));
		roll_past_deadline(id);
		assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::ProviderTimeout)));
		assert_eq!(FreeStake::get(second_provider()), STAKE);
		assert_eq!(all_of(&requester()), BALANCE);
	});
}

/// In the block after the claim, halfway, and in the last block.
#[test]
fn give_back_should_cost_a_tenth_of_a_stall_at_first_and_as_much_as_one_at_last() {
	for (half_clocks, tenths) in [(0, 1), (1, 5), (2, 10)] {
		ExtBuilder::default().build_and_execute(|| {
			let id = post_claimed_attested();
			let clock = job(id).deadline - now();
			roll((clock * half_clocks / 2).max(1));
			let stall = test_parameters().stall(PRICE, bond_of(id));
			assert_ok!(give_back(id, provider()));
			let burned = BurnedStake::get();
			let expected = stall * tenths / 10;
			assert!(burned.abs_diff(expected) <= stall / clock, "{half_clocks}: {burned}");
			assert!(burned >= stall / 10);
		});
	}
}

/// Four accounts could end every job that opens, at no price, and its requester would lose a part of its
/// deposit each time.
#[test]
fn four_who_give_an_attested_job_back_should_pay_for_it_and_not_its_requester() {
	ExtBuilder::default().build_and_execute(|| {
		[third(), fourth()].iter().for_each(enrol);
		let id = post_attested();
		let mut stalls = 0;
		for who in [provider(), second_provider(), third(), fourth()] {
			assert_ok!(claim(id, who.clone()));
			stalls += test_parameters().stall(job(id).price(), bond_of(id));
			roll(1);
			assert_ok!(give_back(id, who));
		}
		assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::ProviderTimeout)));
		assert!(BurnedStake::get() >= stalls / 10, "{}", BurnedStake::get());
		// Nothing of the deposit is burned.
		let burned = |event: &RuntimeEvent| {
			matches!(event, RuntimeEvent::Market(Event::DepositBurned { .. }))
		};
		assert!(!System::events().iter().any(|record| burned(&record.event)));
		assert_eq!(all_of(&requester()), BALANCE);
		[third(), fourth()].iter().for_each(expel);
	});
}

/// The bond follows the audit probability that the requester has chosen. What a stall costs must not, and
/// the requester gets nothing of it.
#[test]
fn stall_should_cost_the_price_at_most_and_pay_nobody() {
	for percent in [5, 10, 20, 50, 100] {
		ExtBuilder::default().build_and_execute(|| {
			let assurance = Assurance {
				audit: Audit::Custom(Permill::from_percent(percent)),
				attestation: Attestation::Required,
				segments: None,
			};
			let id = post(assurance);
			attest_all(id);
			roll(10);
			assert_ok!(claim(id, provider()));
			let bond = bond_of(id);
			let before = all_of(&requester());
			roll_past_deadline(id);
			let taken = (bond / 5).min(PRICE);
			assert!(has_event(Event::ProviderStalled {
				job: id,
				provider: provider(),
				burned: taken,
			}));
			assert_eq!(STAKE - FreeStake::get(provider()), taken, "{percent} %");
			assert_eq!((all_of(&requester()), BurnedStake::get()), (before, taken));
		});
	}
}

/// The price of a job that is claimed and given back on its ramp goes on from where it was, and a place in
/// the market is had for one ramp, however often it is claimed.
#[test]
fn ramp_should_go_on_when_the_job_is_opened_again() {
	ExtBuilder::default().build_and_execute(|| {
		[third(), fourth()].iter().for_each(enrol);
		let id = post_open();
		let (opened, first) = (job(id).opened_at, job(id).deadline);
		roll(3);
		let price = Market::current_price(id).expect("open");
		assert_ok!(claim(id, provider()));
		roll(2);
		assert_ok!(give_back(id, provider()));
		assert_eq!(job(id).deadline, first);
		assert_eq!(Market::current_price(id), Some(price + 2 * PRICE / 20));
		let (open, clock) = (first - 10 - opened, test_parameters().commit.blocks(WORK, 5 << 10));
		// In its last block each time, and stalled or given back in the last of the clock.
		for who in [second_provider(), third(), fourth()] {
			roll_to(job(id).deadline);
			assert_ok!(claim(id, who.clone()));
			roll_to(job(id).deadline);
			assert_ok!(give_back(id, who));
		}
		assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::ProviderTimeout)));
		assert_eq!(now(), opened + 10 + 3 * (open + clock));
		[third(), fourth()].iter().for_each(expel);
	});
}

/// Four claims, two audits, and keepers drawn anew: the longest way.
#[test]
fn history_should_have_room_for_the_longest_way() {
	let few = |p: &mut crate::ParametersOf<Test>| (p.committee, p.quorum) = (3, 2);
	ExtBuilder::default().verifiers(9).parameters(few).build_and_execute(|| {
		[third(), fourth()].iter().for_each(enrol);
		let id = post_attested();
		for who in [second_provider(), third(), fourth()] {
			assert_ok!(claim(id, who.clone()));
			roll(1);
			assert_ok!(give_back(id, who));
		}
		assert_ok!(claim(id, provider()));
		assert_ok!(commit_result(id, &right()));
		roll_past_deadline(id);
		// Enough verdicts to go on, too few that match: one audit more, by itself.
		let drawn = winners(id);
		for who in &drawn[..2] {
			assert_ok!(commit(id, who, &wrong()));
		}
		close(id);
		let origin = || RuntimeOrigin::signed(provider());
		let opening = right().opening();
		assert_ok!(Market::reveal_result(
			origin(),
			id,
			order(id),
			right().root(),
			SALT,
			opening,
			None
		));
		roll_past_deadline(id);
		roll_past_deadline(id);
		assert_eq!(job(id).audits.second, Some(crate::SecondAudit::Automatic));
		roll_past_deadline(id);
		// They agree, but of the five accounts that are needed for it two hold the outputs.
		crate::Parameters::<Test>::mutate(|p| (p.attest_size, p.attest_quorum) = (3, 3));
		for who in &winners(id)[..2] {
			assert_ok!(commit(id, who, &right()));
		}
		close(id);
		for who in &seated(id)[2..] {
			assert_ok!(reveal(id, who, &right()));
		}
		while phase(id) != Phase::Challengeable {
			roll_past_deadline(id);
		}
		roll_past_deadline(id);
		assert!(job(id).keepers_redrawn());
		while !phase(id).is_terminal() {
			roll_past_deadline(id);
		}
		assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::Undelivered)));
		assert_eq!(job(id).history.len() as u32, MAX_HISTORY_OF_PHASES);
		[third(), fourth()].iter().for_each(expel);
	});
}
