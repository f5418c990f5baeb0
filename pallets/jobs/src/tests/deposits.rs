//! The deposits for a job's place and its record, and how many jobs one account may have.

use super::*;
use crate::{JobsOfRequester, RECORD_BYTES};
use assay_market::{Assurance, JobId};

/// For the place in the market.
const PLACE: u64 = 1_000;
/// 2 units a byte of the record, for two inputs.
const RECORD: u64 = 2 * (RECORD_BYTES as u64 + 64);
const DEPOSIT: u64 = PLACE + RECORD;

/// A tenth of a deposit is burned where a job comes to nothing.
fn chain() -> ExtBuilder {
	ExtBuilder::default().parameters(|p| p.abandon_burn = Permill::from_percent(10))
}

fn prune(id: JobId) {
	roll_to(job(id).deadline + 1);
	assert!(!crate::Jobs::<Test>::contains_key(id));
}

#[test]
fn deposit_should_be_held_for_the_place_until_the_end_and_for_the_record_until_it_goes() {
	chain().build_and_execute(|| {
		let id = post_challengeable(&right(), &right());
		assert_eq!((deposits(&requester()), job(id).books.deposit), (DEPOSIT, DEPOSIT));
		assert_eq!(Market::job_view(id).map(|view| view.deposit), Some(DEPOSIT));
		roll_past_deadline(id);
		assert_eq!(ending(id), (Phase::Settled, Some(ReasonCode::Paid)));
		assert_eq!(deposits(&requester()), RECORD, "the record is still there");
		let before = Balances::free_balance(requester());
		prune(id);
		assert_eq!(deposits(&requester()), 0);
		assert_eq!(Balances::free_balance(requester()) - before, RECORD);
	});
}

#[test]
fn deposit_should_grow_with_the_inputs() {
	chain().build_and_execute(|| {
		assert_eq!(Market::deposits_for(2, 0), (PLACE, RECORD));
		assert_eq!(Market::deposits_for(256, 0), (PLACE, RECORD + 2 * 254 * 32));
	});
}

/// Whoever fills the market pays for it with the second half.
#[test]
fn deposit_should_grow_tenfold_when_the_market_fills_up() {
	chain().build_and_execute(|| {
		let mut before = 0;
		let held: Vec<_> = (0..64)
			.map(|_| {
				let id = post_open();
				let own = deposits(&requester()) - before;
				before += own;
				assert_eq!(job(id).books.deposit, own);
				own
			})
			.collect();
		assert!(held[..33].iter().all(|own| *own == DEPOSIT), "{held:?}");
		assert!(held[32..].windows(2).all(|pair| pair[0] < pair[1]), "{held:?}");
		// 1 + 9 · 62 / 64 times as much for the last one, both parts rounded up.
		let times = |part: u64| (part * (64 + 9 * 62)).div_ceil(64);
		assert_eq!(held[63], times(PLACE) + times(RECORD));
		assert!(before > 3 * 64 * DEPOSIT, "{before}");
	});
}

type Case = (fn() -> JobId, ReasonCode);

fn expired() -> JobId {
	let id = post_open();
	roll_past_deadline(id);
	id
}
fn cancelled(assurance: Assurance) -> JobId {
	let id = post(assurance);
	assert_ok!(cancel(id, requester()));
	id
}
/// So many of three attesters say no, and the others nothing.
fn refused(refusing: usize) -> JobId {
	let id = post(standard());
	roll_past_deadline(id);
	for who in &pending(id, Purpose::Attest)[..refusing] {
		assert_ok!(attest(id, who, false));
	}
	roll_past_deadline(id);
	id
}

#[test]
fn part_of_the_deposit_should_be_burned_when_the_job_comes_to_nothing() {
	let part = DEPOSIT.div_ceil(10);
	let cases: [Case; 7] = [
		(expired, ReasonCode::Expired),
		(|| cancelled(standard()), ReasonCode::Cancelled),
		(|| cancelled(unattested()), ReasonCode::Cancelled),
		// Two of three have to hold the inputs, and two say that they do not.
		(|| refused(2), ReasonCode::InputsUnavailable),
		// Whoever has its own provider claim the job does not get around it.
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
				roll(1);
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
		chain().build_and_execute(|| {
			let id = end();
			assert_eq!(job(id).reason, Some(reason));
			assert!(has_event(Event::DepositBurned { job: id, amount: part }), "{reason:?}");
			assert_eq!((job(id).books.deposit, deposits(&requester())), (RECORD, RECORD));
			// The escrow is another matter: all of it comes back.
			assert_eq!((job(id).books.refunded, job(id).books.burned), (ESCROW, 0));
			prune(id);
			assert_eq!(Balances::free_balance(requester()), BALANCE - part);
		});
	}
}

#[test]
fn deposit_should_come_back_whole_when_the_requester_is_not_to_blame() {
	let cases: [Case; 5] = [
		(
			|| {
				let id = post_challengeable(&right(), &right());
				roll_past_deadline(id);
				id
			},
			ReasonCode::Paid,
		),
		(
			|| {
				let id = post_verifying(&right());
				roll_past_deadline(id);
				id
			},
			ReasonCode::Inconclusive,
		),
		// Inputs that were attested are there, and yet nobody has done the job.
		(
			|| {
				let id = post_claimed_attested();
				roll_past_deadline(id);
				roll_past_deadline(id);
				id
			},
			ReasonCode::ProviderTimeout,
		),
		// One no and two who said nothing: they could have made the quorum.
		(|| refused(1), ReasonCode::InputsUnavailable),
		(|| refused(0), ReasonCode::InputsUnavailable),
	];
	for (end, reason) in cases {
		chain().build_and_execute(|| {
			let id = end();
			assert_eq!(job(id).reason, Some(reason));
			assert_eq!(deposits(&requester()), RECORD);
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
