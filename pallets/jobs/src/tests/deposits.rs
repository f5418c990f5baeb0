//! The deposit for a job's record, and how many jobs one account may have.

use super::*;
use crate::{JobsOfRequester, RECORD_BYTES};
use assay_market::{Assurance, JobId};

/// Base and 2 units a byte, for two inputs, in a market that is at most half full.
const DEPOSIT: u64 = 1_000 + 2 * (RECORD_BYTES as u64 + 64);

fn prune(id: JobId) {
	roll_to(job(id).deadline + 1);
	assert!(!crate::Jobs::<Test>::contains_key(id));
}

#[test]
fn deposit_should_be_held_until_the_record_is_pruned() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_challengeable(&right(), &right());
		assert_eq!((deposits(&requester()), job(id).deposit), (DEPOSIT, DEPOSIT));
		assert_eq!(Market::job_view(id).map(|view| view.deposit), Some(DEPOSIT));
		roll_past_deadline(id);
		assert_eq!(ending(id), (Phase::Settled, Some(ReasonCode::Paid)));
		assert_eq!(deposits(&requester()), DEPOSIT, "the record is still there");
		let before = Balances::free_balance(requester());
		prune(id);
		assert_eq!(deposits(&requester()), 0);
		assert_eq!(Balances::free_balance(requester()) - before, DEPOSIT);
	});
}

#[test]
fn deposit_should_grow_with_the_inputs() {
	ExtBuilder::default().build_and_execute(|| {
		assert_eq!(Market::deposit_for(2, 0), DEPOSIT);
		assert_eq!(Market::deposit_for(256, 0) - Market::deposit_for(0, 0), 2 * 256 * 32);
	});
}

/// Whoever fills the market pays for it with the second half.
#[test]
fn deposit_should_grow_tenfold_when_the_market_fills_up() {
	ExtBuilder::default().build_and_execute(|| {
		MaxJobsPerRequester::set(64);
		let mut before = 0;
		let held: Vec<_> = (0..64)
			.map(|_| {
				let id = post_open();
				let own = deposits(&requester()) - before;
				before += own;
				assert_eq!(job(id).deposit, own);
				own
			})
			.collect();
		assert!(held[..33].iter().all(|own| *own == DEPOSIT), "{held:?}");
		assert!(held[32..].windows(2).all(|pair| pair[0] < pair[1]), "{held:?}");
		// 1 + 9 · 31 / 32 times as much for the last one.
		assert_eq!(held[63], (DEPOSIT * (64 + 9 * 62)).div_ceil(64));
		assert!(before > 6 * 64 * DEPOSIT / 2, "{before}");
	});
}

#[test]
fn part_of_the_deposit_should_be_burned_when_nobody_ever_claimed_the_job() {
	let part = DEPOSIT / 10 + 1;
	type Case = (fn() -> JobId, ReasonCode);
	let cases: [Case; 4] = [
		(
			|| {
				let id = post_open();
				roll_past_deadline(id);
				id
			},
			ReasonCode::Expired,
		),
		(
			|| {
				let id = post(standard());
				assert_ok!(cancel(id, requester()));
				id
			},
			ReasonCode::Cancelled,
		),
		(
			|| {
				let id = post_open();
				assert_ok!(cancel(id, requester()));
				id
			},
			ReasonCode::Cancelled,
		),
		(
			|| {
				let id = post(standard());
				roll_past_deadline(id);
				roll_past_deadline(id);
				id
			},
			ReasonCode::InputsUnavailable,
		),
	];
	for (end, reason) in cases {
		ExtBuilder::default().build_and_execute(|| {
			let id = end();
			assert_eq!(job(id).reason, Some(reason));
			assert!(has_event(Event::DepositBurned { job: id, amount: part }));
			assert_eq!((job(id).deposit, deposits(&requester())), (DEPOSIT - part, DEPOSIT - part));
			// The escrow is another matter: all of it comes back.
			assert_eq!((job(id).refunded, job(id).burned), (ESCROW, 0));
			prune(id);
			assert_eq!(Balances::free_balance(requester()), BALANCE - part);
		});
	}
}

#[test]
fn deposit_should_come_back_whole_when_somebody_claimed_the_job() {
	type Case = (fn() -> JobId, ReasonCode);
	let cases: [Case; 4] = [
		(
			|| {
				let id = post_claimed();
				assert_ok!(cancel(id, requester()));
				id
			},
			ReasonCode::CancelledWhileClaimed,
		),
		(
			|| {
				let id = post_claimed();
				assert_ok!(give_back(id, provider()));
				assert_ok!(cancel(id, requester()));
				id
			},
			ReasonCode::Cancelled,
		),
		(
			|| {
				let id = post_claimed();
				assert_ok!(give_back(id, provider()));
				roll_past_deadline(id);
				id
			},
			ReasonCode::Expired,
		),
		(
			|| {
				let id = post_claimed();
				roll_past_deadline(id);
				roll_past_deadline(id);
				id
			},
			ReasonCode::ProviderTimeout,
		),
	];
	for (end, reason) in cases {
		ExtBuilder::default().build_and_execute(|| {
			let id = end();
			assert_eq!(job(id).reason, Some(reason));
			assert_eq!(deposits(&requester()), DEPOSIT);
			prune(id);
			assert_eq!(deposits(&requester()), 0);
		});
	}
}

#[test]
fn post_job_should_fail_when_the_account_has_as_many_jobs_as_one_may() {
	ExtBuilder::default().build_and_execute(|| {
		MaxJobsPerRequester::set(3);
		let first = post_open();
		post_open();
		post(standard());
		assert_noop!(try_post(unattested()), Error::<Test>::TooManyJobsOfAccount);
		assert_eq!(JobsOfRequester::<Test>::get(requester()), 3);
		// Another account is not kept from it.
		assert_ok!(Market::post_job(
			RuntimeOrigin::signed(bystander()),
			PROGRAM,
			vec![[1; 32], [2; 32]].try_into().expect("two inputs"),
			1,
			PRICE,
			PRICE,
			10,
			unattested(),
		));
		assert_ok!(cancel(first, requester()));
		post_open();
		roll(200);
		assert_eq!(JobsOfRequester::<Test>::iter().count(), 0, "no counter stays behind");
	});
}

#[test]
fn post_job_should_cost_more_when_there_is_more_to_do_or_to_fetch() {
	let dear = |p: &mut crate::ParametersOf<Test>| (p.work_price, p.byte_price) = (UNIT, UNIT);
	ExtBuilder::default().parameters(dear).build_and_execute(|| {
		let post = |steps: u32, start: u64| {
			Market::post_job(
				RuntimeOrigin::signed(requester()),
				STATEFUL,
				vec![[1; 32]; 2].try_into().expect("two inputs"),
				steps,
				start,
				start.max(PRICE),
				0,
				Assurance { ..unattested() },
			)
		};
		let parameters = crate::Parameters::<Test>::get();
		// Two inputs of one and four tiles, two outputs of one each.
		let least = |steps: u32| parameters.least_price(u64::from(steps) * WORK, 7 << 10);
		assert_eq!(least(1), UNIT / 1_000 + UNIT / 1_000 + (7 * UNIT).div_ceil(1_024));
		for steps in [1, 2, 100] {
			assert_noop!(post(steps, least(steps) - 1), Error::<Test>::PriceTooLow);
			assert_ok!(post(steps, least(steps)));
		}
		assert!(least(100) > least(1));
	});
}
