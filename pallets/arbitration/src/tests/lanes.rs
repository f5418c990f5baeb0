//! Clocks and deposits.

use super::*;
use crate::{AliveLanes, Opened};
use assay_market::Arbitration as _;

#[test]
fn lane_should_fail_the_job_as_withheld_in_the_block_after_the_deadline_when_nobody_answers() {
	execute(|| {
		let id = post(lying());
		assert_ok!(demand(id, &challenger(), None));
		roll_to(lane(id, &challenger()).deadline);
		assert_eq!(condemned(id), None);
		roll(1);
		assert_eq!(condemned(id), withheld(&challenger()));
		assert!(!has_lane(id, &challenger()));
		assert_eq!(closed(id, &challenger()), Some((DEPOSIT, 0, 0)));
	});
}

#[test]
fn lane_should_be_closed_in_the_block_after_the_deadline_when_its_challenger_is_silent() {
	execute(|| {
		let id = post(lying());
		assert_ok!(demand(id, &challenger(), None));
		assert_ok!(answer(id, &challenger(), lying()));
		roll_to(lane(id, &challenger()).deadline);
		assert!(has_lane(id, &challenger()));
		roll(1);
		assert!(!has_lane(id, &challenger()));
		assert_eq!(Opened::<Test>::iter().count(), 0, "its groups go with it");
	});
}

#[test]
fn lane_should_stand_when_every_move_is_made_in_the_last_block_that_counts() {
	execute(|| {
		let id = post(lying_deep());
		roll_to(job(id).deadline);
		let who = challenger();
		let opened = now();
		assert_ok!(demand(id, &who, None));
		let accused = loop {
			roll_to(lane(id, &who).deadline);
			assert_ok!(answer(id, &who, lying_deep()));
			roll_to(lane(id, &who).deadline);
			match next_child(id, &who, honest()) {
				(_, Below::Chunk { step, anchor, tile }) => {
					break honest().accusation(Lie { step, anchor, tile })
				}
				(child, _) => {
					assert_ok!(demand(id, &who, Some(child)));
				}
			}
		};
		assert_eq!(now() - opened, 4 * (ANSWER_TIME + MOVE_TIME));
		assert_ok!(prove_fraud(id, &who, &lying_deep().proof(accused)[0]));
		assert_eq!(condemned(id), proven(&who));
	});
}

#[test]
fn deposit_should_be_halved_between_provider_and_nobody_when_the_challenger_gives_up() {
	execute(|| {
		let id = post(honest());
		let (issuance, before) = (Balances::total_issuance(), free(&provider()));
		assert_ok!(demand(id, &challenger(), None));
		assert_ok!(answer(id, &challenger(), honest()));
		roll(MOVE_TIME + 1);
		assert_eq!(closed(id, &challenger()), Some((0, 500, 501)));
		assert_eq!(free(&provider()), before + 500);
		assert_eq!((free(&challenger()), held(&challenger())), (BALANCE - DEPOSIT, 0));
		assert_eq!(Balances::total_issuance(), issuance - 501);
	});
}

#[test]
fn deposit_should_be_burned_when_the_provider_cannot_receive_its_half() {
	use frame_support::traits::{
		fungible::{Inspect, MutateHold},
		tokens::Precision,
	};
	execute(|| {
		let id = post(honest());
		crate::mock::FakeJobs::mutate(id, |job| {
			job.as_mut().expect("posted").provider = pauper();
		});
		// Half of 15 is below the existential deposit.
		assert!(Balances::minimum_balance() > 15 / 2);
		assert_ok!(demand(id, &challenger(), None));
		crate::Lanes::<Test>::mutate(id, challenger(), |lane| {
			lane.as_mut().expect("open").deposit = 15;
		});
		let reason = crate::HoldReason::Lane.into();
		assert_ok!(Balances::release(&reason, &challenger(), DEPOSIT - 15, Precision::Exact));
		assert_ok!(answer_with(
			id,
			&challenger(),
			&bystander(),
			honest().children(demanded(id, &challenger())),
		));
		roll(MOVE_TIME + 1);
		assert_eq!(closed(id, &challenger()), Some((0, 0, 15)));
		assert_eq!(Balances::total_balance(&pauper()), 0);
	});
}

#[test]
fn deposit_should_lose_its_burned_half_when_a_provider_challenges_itself() {
	execute(|| {
		let id = post(honest());
		assert_ok!(demand(id, &provider(), None));
		assert_ok!(answer(id, &provider(), honest()));
		roll(MOVE_TIME + 1);
		let (returned, paid, burned) = closed(id, &provider()).expect("closed");
		assert_eq!((returned, paid + burned), (0, DEPOSIT));
		assert!(burned >= DEPOSIT / 2);
		assert_eq!(free(&provider()), BALANCE - burned);
	});
}

#[test]
fn lanes_should_run_in_parallel_when_several_accounts_open_them() {
	execute(|| {
		let id = post(lying_deep());
		let many: Vec<_> = (100..120).map(account).collect();
		for who in &many {
			assert_ok!(demand(id, who, None));
		}
		assert_eq!(AliveLanes::<Test>::get(id), 20);
		let accused = descend(id, &challenger(), lying_deep(), honest());
		assert_ok!(prove_fraud(id, &challenger(), &lying_deep().proof(accused)[0]));
		// The agenda or a poke gives each its deposit back.
		roll(100);
		for (lanes, who) in (0..).zip(&many) {
			assert_eq!(closed(id, who), Some((deposit_after(lanes), 0, 0)));
		}
	});
}

#[test]
fn job_should_settle_when_its_last_lane_is_closed_after_the_deadline() {
	execute(|| {
		let id = post(honest());
		roll_to(job(id).deadline);
		for who in [challenger(), other()] {
			assert_ok!(demand(id, &who, None));
			assert_ok!(answer(id, &who, honest()));
		}
		assert!(Arbitration::is_disputed(id));
		roll(MOVE_TIME);
		assert_ok!(commit_with(id, &other(), [1; 32]));
		roll(1);
		assert_eq!((has_lane(id, &challenger()), has_lane(id, &other())), (false, true));
		assert_eq!((job(id).quiet, job(id).ended), (0, false));
		roll(PROOF_TIME);
		assert_eq!((job(id).quiet, Arbitration::is_disputed(id)), (1, false));
		roll(1);
		assert!(job(id).ended);
	});
}

#[test]
fn lane_should_be_opened_again_only_before_the_base_deadline_when_it_was_lost() {
	execute(|| {
		let id = post(honest());
		assert_ok!(demand(id, &challenger(), None));
		assert_ok!(answer(id, &challenger(), honest()));
		roll(MOVE_TIME + 1);
		assert!(!has_lane(id, &challenger()));
		assert_ok!(demand(id, &challenger(), None));
		assert_eq!(lane(id, &challenger()).answers, 0, "from the top");
		assert_ok!(answer(id, &challenger(), honest()));
		roll(MOVE_TIME + 1);
		assert!(now() < job(id).deadline);
		assert_ok!(demand(id, &other(), None));
		assert_ok!(answer(id, &other(), honest()));
		roll_to(job(id).deadline + 1);
		assert!(has_lane(id, &other()) || job(id).ended);
		assert!(demand(id, &challenger(), None).is_err());
		assert_eq!(free(&challenger()), BALANCE - 2 * DEPOSIT, "each loss costs a deposit");
	});
}

#[test]
fn condemned_job_should_wait_without_lanes_when_it_ends_later() {
	execute(|| {
		EndsLater::set(true);
		let id = post(lying());
		assert_ok!(demand(id, &challenger(), None));
		assert_ok!(demand(id, &other(), None));
		let part = &lying().proof(lying().lie_accused())[0];
		assert_ok!(prove_fraud(id, &challenger(), part));
		assert_eq!(AliveLanes::<Test>::get(id), 1);
		refused!(answer(id, &other(), lying()), Error::<Test>::NothingToDispute);
		roll(ANSWER_TIME + 1);
		assert_eq!(
			closed(id, &other()),
			Some((deposit_after(1), 0, 0)),
			"nobody owes it an answer"
		);
		assert_eq!(condemned(id), proven(&challenger()));
		assert_eq!(AliveLanes::<Test>::get(id), 0);
		end_job(id);
	});
}
