//! What happens at the start of a block.

use super::*;
use crate::{Agenda, WeightInfo};
use frame_support::{traits::OnInitialize, weights::Weight};

fn on_agenda(block: u64) -> usize {
	Agenda::<Test>::get(block).len()
}

#[test]
fn agenda_should_follow_a_lane_when_its_deadline_moves() {
	execute(|| {
		let id = post(lying());
		assert_ok!(demand(id, &challenger(), None));
		let first = lane(id, &challenger());
		assert_eq!(first.scheduled, Some(first.deadline + 1));
		assert_ok!(answer(id, &challenger(), lying()));
		let second = lane(id, &challenger());
		assert_eq!(second.scheduled, Some(second.deadline + 1));
		assert_eq!((on_agenda(first.deadline + 1), on_agenda(second.deadline + 1)), (0, 1));
		assert!(!Agenda::<Test>::contains_key(first.deadline + 1), "nothing empty is kept");
	});
}

#[test]
fn agenda_should_spill_into_the_next_blocks_when_one_is_full() {
	execute(|| {
		let id = post(lying());
		for index in 0..20 {
			assert_ok!(demand(id, &account(100 + index), None));
		}
		let due = now() + ANSWER_TIME + 1;
		assert_eq!([on_agenda(due), on_agenda(due + 1), on_agenda(due + 2)], [8, 8, 4]);
		roll_to(due);
		assert!(condemned(id).is_some());
		roll_to(due + 2);
		assert!((0..20).all(|index| !has_lane(id, &account(100 + index))));
	});
}

#[test]
fn lane_should_wait_for_a_poke_when_no_block_of_the_agenda_has_room() {
	execute(|| {
		MaxAgenda::set(1);
		let id = post(honest());
		for index in 0..65 {
			assert_ok!(demand(id, &account(100 + index), None));
			assert_ok!(answer(id, &account(100 + index), honest()));
		}
		let unlucky = account(164);
		assert_eq!(lane(id, &unlucky).scheduled, None);
		assert!(Arbitration::do_try_state().is_ok());
		roll(MOVE_TIME + 70);
		assert!(has_lane(id, &unlucky), "nobody looked");
		assert!(!job(id).ended, "and the job waits for it");
		assert_ok!(poke(id, &unlucky));
		let deposit = deposit_after(64);
		assert_eq!(closed(id, &unlucky), Some((0, deposit / 2, deposit - deposit / 2)));
		roll(1);
		assert!(job(id).ended);
	});
}

#[test]
fn agenda_should_leave_the_rest_to_the_next_block_when_its_share_is_used_up() {
	execute(|| {
		// An eighth of the block has room for two.
		let block = BlockWeights::get().max_block.ref_time();
		let close = <() as WeightInfo>::close_lane().ref_time();
		CondemnWeight::set(Weight::from_parts(block / 8 / 2 - close, 0));
		let jobs: Vec<_> = (0..5).map(|_| post(lying())).collect();
		for id in &jobs {
			assert_ok!(demand(*id, &challenger(), None));
		}
		let done = || jobs.iter().filter(|id| condemned(**id).is_some()).count();
		roll(ANSWER_TIME);
		for expected in [2, 4, 5] {
			roll(1);
			assert_eq!(done(), expected);
			assert!(Arbitration::do_try_state().is_ok());
		}
	});
}

#[test]
fn agenda_should_push_at_least_one_lane_when_one_takes_more_than_its_share() {
	execute(|| {
		CondemnWeight::set(BlockWeights::get().max_block);
		let jobs = [post(lying()), post(lying())];
		for id in jobs {
			assert_ok!(demand(id, &challenger(), None));
		}
		roll(ANSWER_TIME + 1);
		assert_eq!(jobs.map(|id| condemned(id).is_some()), [true, false]);
		roll(1);
		assert_eq!(jobs.map(|id| condemned(id).is_some()), [true, true]);
	});
}

/// L5: own cheap jobs with many silent lanes must not delay others' by a block each.
#[test]
fn agenda_should_condemn_several_when_their_own_seats_are_few() {
	execute(|| {
		// The dearest there is takes more than the agenda's share, and each of these a sixth of it.
		let share = BlockWeights::get().max_block.ref_time() / 8;
		let close = <() as WeightInfo>::close_lane().ref_time();
		CondemnWeight::set(Weight::from_parts(10 * (share / 6 - close), 0));
		let jobs: Vec<_> = (0..8).map(|_| post(lying())).collect();
		FewSeats::set(jobs[..7].to_vec());
		for id in &jobs {
			assert_ok!(demand(*id, &challenger(), None));
		}
		let done = || jobs.iter().filter(|id| condemned(**id).is_some()).count();
		skip_to(now() + ANSWER_TIME + 1);
		let used = Arbitration::on_initialize(now());
		assert_eq!(done(), 6);
		assert!(used.ref_time() < share + 8 * <() as WeightInfo>::put_lane().ref_time());
		roll(1);
		assert_eq!(
			(done(), condemned(jobs[7]).is_some()),
			(7, false),
			"the dear one waits for a block"
		);
		roll(1);
		assert_eq!(done(), 8);
	});
}

#[test]
fn agenda_should_not_let_silent_challengers_crowd_out_a_withheld_opening() {
	execute(|| {
		// Closing a lane is cheap, condemning is not: the crowd must not be charged as the latter.
		let block = BlockWeights::get().max_block.ref_time();
		let close = <() as WeightInfo>::close_lane().ref_time();
		CondemnWeight::set(Weight::from_parts(block / 8 - 9 * close, 0));
		let crowded = post(honest());
		for index in 0..7 {
			assert_ok!(commit_with(crowded, &account(100 + index), [1; 32]));
		}
		roll(PROOF_TIME - ANSWER_TIME);
		let id = post(lying());
		assert_ok!(demand(id, &challenger(), None));
		let deadline = lane(id, &challenger()).deadline;
		assert_eq!(on_agenda(deadline + 1), 8);
		roll_to(deadline + 1);
		assert_eq!(condemned(id), withheld(&challenger()));
	});
}

#[test]
fn agenda_should_say_what_it_used_when_it_ran() {
	execute(|| {
		let base = <() as WeightInfo>::on_initialize_base();
		assert_eq!(Arbitration::on_initialize(now()), base);
		let id = post(honest());
		for who in [challenger(), other()] {
			assert_ok!(demand(id, &who, None));
			assert_ok!(answer(id, &who, honest()));
		}
		skip_to(now() + MOVE_TIME + 1);
		let used = Arbitration::on_initialize(now());
		assert_eq!(used, base + <() as WeightInfo>::close_lane() * 2);
	});
}

#[test]
fn agenda_should_charge_what_it_puts_off_when_its_share_is_used_up() {
	execute(|| {
		CondemnWeight::set(BlockWeights::get().max_block);
		let jobs = [post(lying()), post(lying()), post(lying())];
		for id in jobs {
			assert_ok!(demand(id, &challenger(), None));
		}
		skip_to(now() + ANSWER_TIME + 1);
		let base = <() as WeightInfo>::on_initialize_base();
		let (close, put) = (<() as WeightInfo>::close_lane(), <() as WeightInfo>::put_lane());
		let used = Arbitration::on_initialize(now());
		assert_eq!(used, base + CondemnWeight::get() + close + put * 2);
		assert_eq!(jobs.map(|id| condemned(id).is_some()), [true, false, false]);
	});
}
