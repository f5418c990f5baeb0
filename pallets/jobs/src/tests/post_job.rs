//! `post_job`.

use super::*;
use assay_market::{Assurance, Attestation, Audit, Hash};
use frame_support::{dispatch::DispatchResult, traits::fungible::Mutate};
use sp_runtime::TokenError;

struct Post {
	program: Hash,
	inputs: usize,
	steps: u32,
	start: u64,
	max: u64,
	ramp: u64,
	assurance: Assurance,
}

impl Default for Post {
	fn default() -> Self {
		Self {
			program: PROGRAM,
			inputs: 2,
			steps: 1,
			start: PRICE / 2,
			max: PRICE,
			ramp: 10,
			assurance: standard(),
		}
	}
}

impl Post {
	fn send(self) -> DispatchResult {
		Market::post_job(
			RuntimeOrigin::signed(requester()),
			self.program,
			vec![[1; 32]; self.inputs].try_into().expect("few inputs"),
			self.steps,
			self.start,
			self.max,
			self.ramp,
			self.assurance,
		)
	}
}

#[test]
fn post_job_should_hold_price_and_committee_fee_when_it_is_good() {
	ExtBuilder::default().build_and_execute(|| {
		assert_ok!(Post::default().send());
		assert_eq!(held(&requester()), ESCROW);
		assert_eq!(free(&requester()), BALANCE - ESCROW);
		assert_eq!(ProgramUses::get(PROGRAM), 1);
		assert!(has_event(Event::JobPosted {
			job: 0,
			order: order(0),
			requester: requester(),
			program: PROGRAM,
			escrow: ESCROW,
			deposit: deposits(&requester()),
		}));
		// The attesters' draw waits for two blocks after this one.
		assert!(has_event(Event::PhaseChanged { job: 0, phase: Phase::Posted, deadline: 3 }));
		assert_eq!(post(standard()), 1, "numbers are given in order");
	});
}

#[test]
fn post_job_should_open_at_once_when_attestation_is_opted_out() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post(unattested());
		assert_eq!(phase(id), Phase::Open);
		// And one block more to fetch the inputs before the claim.
		assert_eq!(job(id).deadline, 1 + 10 + 100 + 1);
	});
}

#[test]
fn post_job_should_name_what_is_wrong_when_an_argument_is_bad() {
	ExtBuilder::default().build_and_execute(|| {
		let least = test_parameters().least_price(WORK, 7 * 1_024);
		let low_audit = Assurance {
			audit: Audit::Custom(Permill::from_percent(4)),
			attestation: Attestation::Required,
			segments: None,
		};
		let cases: Vec<(Post, Error<Test>)> = vec![
			(Post { program: [9; 32], ..Default::default() }, Error::UnknownProgram),
			(Post { inputs: 1, ..Default::default() }, Error::WrongInputCount),
			(Post { inputs: 3, ..Default::default() }, Error::WrongInputCount),
			(Post { steps: 0, ..Default::default() }, Error::WrongSteps),
			(Post { steps: 2, ..Default::default() }, Error::WrongSteps),
			(Post { program: STATEFUL, steps: 0, ..Default::default() }, Error::WrongSteps),
			(
				Post {
					program: STATEFUL,
					steps: assay_market::MAX_STEPS + 1,
					..Default::default()
				},
				Error::TooManySteps,
			),
			(Post { start: least - 1, ..Default::default() }, Error::PriceTooLow),
			(Post { max: PRICE / 2 - 1, ..Default::default() }, Error::RampUpsideDown),
			(Post { ramp: 1_201, ..Default::default() }, Error::RampTooLong),
			(Post { assurance: low_audit, ..Default::default() }, Error::AuditTooLow),
			(
				Post {
					program: STATEFUL,
					steps: assay_market::MAX_STEPS,
					start: 10_000 * PRICE,
					max: 10_000 * PRICE,
					..Default::default()
				},
				Error::LifetimeTooLong,
			),
		];
		for (case, error) in cases {
			assert_noop!(case.send(), error);
		}
	});
}

#[test]
fn post_job_should_accept_the_bounds_when_arguments_are_just_good() {
	ExtBuilder::default().build_and_execute(|| {
		let minimum = test_parameters().least_price(WORK, 7 * 1_024);
		let floor = Assurance {
			audit: Audit::Custom(Permill::from_percent(5)),
			attestation: Attestation::Required,
			segments: None,
		};
		assert_ok!(Post { start: minimum, max: minimum, ..Default::default() }.send());
		assert_ok!(Post { ramp: 0, ..Default::default() }.send());
		assert_ok!(Post { ramp: 1_200, assurance: floor, ..Default::default() }.send());
		assert_ok!(Post { program: STATEFUL, steps: 7, ..Default::default() }.send());
		assert_eq!(job(3).offer.work_units, 7 * WORK);
	});
}

/// Validators keep them while the job is on record.
#[test]
fn post_job_should_fail_when_the_outputs_are_larger_than_a_jobs_may_be() {
	ExtBuilder::default().build_and_execute(|| {
		MaxOutputBytes::set((2 << 10) - 1);
		assert_noop!(Post::default().send(), Error::<Test>::TooManyOutputBytes);
		MaxOutputBytes::set(2 << 10);
		assert_ok!(Post::default().send());
		assert_eq!(job(0).offer.output_bytes, 2 << 10);
	});
}

#[test]
fn post_job_should_fail_when_escrow_is_larger_than_the_balance() {
	ExtBuilder::default().build_and_execute(|| {
		let (place, record) = Market::deposits_for(2, 0);
		let whole = ESCROW + place + record + 10;
		Balances::set_balance(&requester(), whole - 1);
		assert_noop!(Post::default().send(), TokenError::FundsUnavailable);
		Balances::set_balance(&requester(), whole);
		assert_ok!(Post::default().send());
		// As much as before, so that the sum of all money is.
		Balances::mint_into(&requester(), BALANCE - whole).expect("it exists");
	});
}

#[test]
fn post_job_should_fail_when_the_market_is_full() {
	ExtBuilder::default().build_and_execute(|| {
		MaxJobsPerRequester::set(100);
		for _ in 0..64 {
			assert_ok!(Post::default().send());
		}
		assert_noop!(Post::default().send(), Error::<Test>::TooManyJobs);
		assert_ok!(cancel(5, requester()));
		assert_ok!(Post::default().send());
	});
}

#[test]
fn post_job_should_fail_when_nobody_signed() {
	ExtBuilder::default().build_and_execute(|| {
		let inputs = vec![[1; 32]; 2].try_into().expect("few inputs");
		assert_noop!(
			Market::post_job(
				RuntimeOrigin::none(),
				PROGRAM,
				inputs,
				1,
				PRICE,
				PRICE,
				0,
				standard()
			),
			DispatchError::BadOrigin
		);
	});
}
