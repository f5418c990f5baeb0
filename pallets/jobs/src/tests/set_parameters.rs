//! `set_parameters`.

use super::*;
use assay_market::MarketParameters;

fn set(
	change: impl FnOnce(&mut MarketParameters<u64, u64>),
) -> frame_support::dispatch::DispatchResult {
	let mut parameters = test_parameters();
	change(&mut parameters);
	Market::set_parameters(RuntimeOrigin::root(), parameters)
}

#[test]
fn set_parameters_should_hold_for_what_comes_when_root_asks() {
	ExtBuilder::default().build_and_execute(|| {
		assert_ok!(set(|p| p.min_price = PRICE));
		assert_noop!(try_post(standard()), Error::<Test>::PriceTooLow);
	});
}

#[test]
fn set_parameters_should_name_what_is_wrong_when_one_is_out_of_range() {
	ExtBuilder::default().build_and_execute(|| {
		assert_noop!(set(|p| p.draw_delay = 0), Error::<Test>::InvalidDrawDelay);
		assert_noop!(set(|p| p.reveal.base = 7), Error::<Test>::InvalidClock);
		assert_noop!(set(|p| p.committee = 0), Error::<Test>::InvalidCommittee);
		assert_noop!(set(|p| p.max_tranches = 0), Error::<Test>::InvalidTranches);
		assert_noop!(set(|p| p.tranche_width_percent = 99), Error::<Test>::InvalidTranches);
		assert_noop!(set(|p| p.audit_floor = Permill::zero()), Error::<Test>::InvalidAudit);
		assert_noop!(set(|p| p.honest_verifier = Permill::zero()), Error::<Test>::InvalidBond);
		assert_noop!(set(|p| p.honest_stake = Permill::zero()), Error::<Test>::InvalidBond);
		assert_noop!(set(|p| p.fee_burn = Permill::one()), Error::<Test>::InvalidBurn);
		assert_noop!(set(|p| p.verifier_fee = Permill::zero()), Error::<Test>::InvalidVerifierFee);
		assert_noop!(set(|p| p.stall_slash = Permill::zero()), Error::<Test>::InvalidSlash);
		assert_noop!(
			set(|p| p.prover_part = Permill::from_percent(25)),
			Error::<Test>::InvalidSlash
		);
		assert_noop!(set(|p| p.proof_period = 0), Error::<Test>::InvalidClock);
		assert_noop!(set(|p| p.challenger_move.base = 1_000), Error::<Test>::LifetimeTooLong);
		assert_noop!(set(|p| p.min_price = 0), Error::<Test>::InvalidMinPrice);
		assert_noop!(set(|p| p.work_price = 0), Error::<Test>::InvalidMinPrice);
		assert_noop!(set(|p| p.byte_price = 0), Error::<Test>::InvalidMinPrice);
		assert_noop!(set(|p| p.challenge.base = 1_000), Error::<Test>::LifetimeTooLong);
	});
}

#[test]
fn set_parameters_should_fail_when_anyone_else_asks() {
	ExtBuilder::default().build_and_execute(|| {
		assert_noop!(
			Market::set_parameters(RuntimeOrigin::signed(bystander()), test_parameters()),
			DispatchError::BadOrigin
		);
	});
}
