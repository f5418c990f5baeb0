use crate::{mock::*, *};
use assay_market::JobBonds;
use frame_support::{assert_noop, assert_ok};

fn unbond(who: AccountId, amount: Balance) -> frame_support::pallet_prelude::DispatchResult {
	Stake::unbond(RuntimeOrigin::signed(who), amount)
}

#[test]
fn unbond_should_queue_the_amount_when_it_is_free() {
	ExtBuilder::default().run(|| {
		bond(ALICE, 400);
		assert_ok!(unbond(ALICE, 100));
		assert_eq!(ledger(ALICE).active, 300);
		assert_eq!(ledger(ALICE).total(), 400);
		assert_eq!(free(ALICE), ENDOWMENT - 400);
		assert_eq!(last_event(), Event::Unbonding { who: ALICE, amount: 100, releasable_at: 8 });
	});
}

#[test]
fn unbond_should_join_chunks_when_they_are_of_one_session() {
	ExtBuilder::default().run(|| {
		bond(ALICE, 400);
		for _ in 0..20 {
			assert_ok!(unbond(ALICE, 10));
		}
		assert_eq!(
			ledger(ALICE).unbonding.to_vec(),
			vec![UnbondingChunk { value: 200, releasable_at: 8 }]
		);
	});
}

#[test]
fn unbond_should_fail_when_too_many_chunks_are_queued() {
	ExtBuilder::default().run(|| {
		bond(ALICE, 400);
		for session in 1..=3 {
			roll_to_session(session);
			assert_ok!(unbond(ALICE, 10));
		}
		roll_to_session(4);
		assert_noop!(unbond(ALICE, 10), Error::<Test>::TooManyUnbondingChunks);
	});
}

#[test]
fn unbond_should_fail_when_the_amount_is_zero_or_not_bonded() {
	ExtBuilder::default().run(|| {
		assert_noop!(unbond(ALICE, 10), Error::<Test>::NotBonded);
		bond(ALICE, 400);
		assert_noop!(unbond(ALICE, 0), Error::<Test>::ZeroAmount);
		assert_noop!(unbond(ALICE, 401), Error::<Test>::InsufficientFreeStake);
	});
}

#[test]
fn unbond_should_fail_when_a_job_holds_the_stake() {
	ExtBuilder::default().run(|| {
		bond(ALICE, 400);
		assert_ok!(Stake::hold(&ALICE, 7, 300));
		assert_noop!(unbond(ALICE, 101), Error::<Test>::InsufficientFreeStake);
		assert_ok!(unbond(ALICE, 100));
		Stake::release(&ALICE, 7);
		assert_ok!(unbond(ALICE, 300));
	});
}

#[test]
fn unbond_should_fail_when_dust_would_stay() {
	ExtBuilder::default().run(|| {
		bond(ALICE, 400);
		assert_noop!(unbond(ALICE, 391), Error::<Test>::BelowMinimumBond);
		assert_ok!(unbond(ALICE, 390));
		assert_ok!(unbond(ALICE, 10));
	});
}

#[test]
fn unbond_should_fail_when_a_validator_would_be_below_its_minimum() {
	ExtBuilder::default().validators(&[(ALICE, 400)]).run(|| {
		assert_noop!(unbond(ALICE, 301), Error::<Test>::BelowMinimumValidatorBond);
		assert_ok!(unbond(ALICE, 300));
		assert_noop!(unbond(ALICE, 100), Error::<Test>::BelowMinimumValidatorBond);
		assert_ok!(Stake::chill(RuntimeOrigin::signed(ALICE)));
		assert_ok!(unbond(ALICE, 100));
	});
}
