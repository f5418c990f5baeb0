//! `claim_job`.

use super::*;
use assay_market::{Assurance, Audit};

#[test]
fn claim_job_should_take_the_ramps_price_when_time_passes() {
	for (blocks, price) in [
		(0, PRICE / 2),
		(1, PRICE / 2 + PRICE / 20),
		(9, PRICE - PRICE / 20),
		(10, PRICE),
		(50, PRICE),
	] {
		ExtBuilder::default().build_and_execute(|| {
			let id = post_open();
			roll(blocks);
			assert_ok!(claim(id, provider()));
			let bond = test_parameters().bond(price, Permill::one(), 1, 5);
			assert_eq!((job(id).price(), bond_of(id)), (price, bond));
			assert_eq!(Bonds::get((provider(), id)), Some(bond));
			let order = order(id);
			assert!(has_event(Event::JobClaimed {
				job: id,
				order,
				provider: provider(),
				price,
				bond,
			}));
		});
	}
}

#[test]
fn claim_job_should_need_a_larger_bond_when_audits_are_rarer() {
	ExtBuilder::default().build_and_execute(|| {
		let audit = Permill::from_percent(10);
		let id = post(Assurance { audit: Audit::Custom(audit), ..unattested() });
		assert_ok!(claim(id, provider()));
		// Five candidates for twelve seats, a tenth of the tickets, two thirds of the stake: 0.33 honest
		// winners. Nine tenths of them are able to verify; twice the price, margin 150 %.
		let x = 0.1 * 5.0 * 0.666_666;
		let p = 0.9 * (1.0 - 1.0 / (1.0 + x + x * x / 2.0));
		let wanted = PRICE as f64 * (1.0 - p) / p * 1.5;
		assert!((bond_of(id) as f64 - wanted).abs() < 2.0, "{} {wanted}", bond_of(id));
	});
}

#[test]
fn claim_job_should_fail_when_the_bond_is_not_free() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_open();
		FreeStake::insert(provider(), PRICE / 2 - 1);
		assert_noop!(claim(id, provider()), DispatchError::Other("InsufficientStake"));
		FreeStake::insert(provider(), STAKE);
	});
}

#[test]
fn claim_job_should_name_what_is_wrong_when_the_claimant_is() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_open();
		let claim_for = |min_price, max_bond| {
			let origin = RuntimeOrigin::signed(provider());
			Market::claim_job(origin, id, order(id), min_price, max_bond)
		};
		assert_noop!(claim(id, bystander()), Error::<Test>::NotRegisteredProvider);
		Providers::insert(requester(), ());
		assert_noop!(claim(id, requester()), Error::<Test>::OwnJob);
		assert_noop!(claim(id + 1, provider()), Error::<Test>::UnknownJob);
		assert_noop!(claim_for(PRICE / 2 + 1, u64::MAX), Error::<Test>::PriceBelowExpectation);
		let bond = test_parameters().bond(PRICE / 2, Permill::one(), 1, 5);
		assert_noop!(claim_for(PRICE / 2, bond - 1), Error::<Test>::BondAboveExpectation);
		assert_ok!(claim_for(PRICE / 2, bond));
		assert_noop!(claim(id, second_provider()), Error::<Test>::WrongPhase);
	});
}

#[test]
fn claim_job_should_fail_when_inputs_are_not_attested_yet() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post(standard());
		assert_noop!(claim(id, provider()), Error::<Test>::WrongPhase);
	});
}
