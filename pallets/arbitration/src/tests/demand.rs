use super::*;

#[test]
fn demand_should_open_a_lane_and_hold_its_deposit_when_it_is_the_first() {
	execute(|| {
		let id = post(lying());
		assert_ok!(demand(id, &challenger(), None));
		let lane = lane(id, &challenger());
		let place = Place::Run { level: 0, index: 0 };
		assert_eq!(lane.turn, Turn::Answer(place));
		assert_eq!(lane.parent, lying().root());
		assert_eq!(lane.deadline, now() + ANSWER_TIME);
		assert_eq!((lane.deposit, lane.opened_at, lane.answers), (DEPOSIT, now(), 0));
		assert_eq!(lane.provider, provider());
		assert_eq!(held(&challenger()), DEPOSIT);
		assert_emitted!(Event::LaneOpened { job: id, challenger: challenger(), deposit: DEPOSIT });
		assert_emitted!(Event::OpeningDemanded {
			job: id,
			challenger: challenger(),
			place,
			deadline: now() + ANSWER_TIME,
		});
	});
}

#[test]
fn demand_should_start_in_the_trace_tree_when_the_job_has_one_step() {
	execute(|| {
		let id = post(lying_once());
		assert_ok!(demand(id, &challenger(), None));
		let lane = lane(id, &challenger());
		assert_eq!(lane.turn, Turn::Answer(Place::Trace { step: 0, level: 0, index: 0 }));
		assert_eq!(lane.parent, lying_once().traces[0], "the reveal has shown it");
	});
}

#[test]
fn demand_should_lead_to_the_tile_when_every_difference_is_followed() {
	execute(|| {
		for (run, own) in
			[(lying(), honest()), (lying_deep(), honest()), (lying_once(), honest_once())]
		{
			let id = post(run);
			let who = challenger();
			assert_eq!(descend(id, &who, run, own), run.lie_accused());
			let answers = lane(id, &who).answers;
			assert!(answers <= run.openings(), "{answers} of {}", run.openings());
			assert_ok!(prove_fraud(id, &who, &run.proof(run.lie_accused())[0]));
		}
	});
}

#[test]
fn demand_should_take_as_many_openings_as_there_can_be_when_the_way_is_the_longest() {
	execute(|| {
		let id = post(lying_deep());
		descend(id, &challenger(), lying_deep(), honest());
		assert_eq!(lane(id, &challenger()).answers, lying_deep().openings());
		assert_eq!(lying_deep().openings(), 4, "run, trace, and two in a tensor of 301 tiles");
	});
}

#[test]
fn demand_should_be_refused_when_there_is_nothing_to_dispute() {
	execute(|| {
		assert_noop!(demand(7, &challenger(), None), Error::<Test>::NothingToDispute);
		let id = post(lying());
		assert_ok!(prove_fraud(id, &other(), &lying().proof(lying().lie_accused())[0]));
		assert_noop!(demand(id, &challenger(), None), Error::<Test>::NothingToDispute);
		EndsLater::set(true);
		let id = post(lying());
		assert_ok!(prove_fraud(id, &other(), &lying().proof(lying().lie_accused())[0]));
		assert!(!job(id).ended);
		assert_noop!(demand(id, &challenger(), None), Error::<Test>::NothingToDispute);
		end_job(id);
	});
}

#[test]
fn demand_should_open_a_lane_in_the_deadline_block_and_not_later() {
	execute(|| {
		let id = post(lying());
		roll_to(job(id).deadline);
		assert_ok!(demand(id, &challenger(), None));
		roll(1);
		assert!(!job(id).ended, "a lane keeps it from settling");
		assert_noop!(demand(id, &other(), None), Error::<Test>::TooLate);
		assert_ok!(answer(id, &challenger(), lying()));
		let (child, _) = next_child(id, &challenger(), honest());
		assert_ok!(demand(id, &challenger(), Some(child)));
	});
}

#[test]
fn demand_should_be_refused_when_an_answer_is_owed() {
	execute(|| {
		let id = post(lying());
		assert_ok!(demand(id, &challenger(), None));
		for child in [None, Some(0)] {
			assert_noop!(demand(id, &challenger(), child), Error::<Test>::AnswerPending);
		}
	});
}

#[test]
fn demand_should_be_refused_when_its_child_does_not_fit() {
	execute(|| {
		let id = post(lying());
		let who = challenger();
		assert_noop!(demand(id, &who, Some(0)), Error::<Test>::WrongChild);
		assert_ok!(demand(id, &who, None));
		assert_ok!(answer(id, &who, lying()));
		assert_noop!(demand(id, &who, None), Error::<Test>::WrongChild);
		for child in [3, 256, u32::MAX] {
			assert_noop!(demand(id, &who, Some(child)), Error::<Test>::WrongChild);
		}
		assert_ok!(demand(id, &who, Some(2)));
		assert_eq!(demanded(id, &who), Place::Trace { step: 2, level: 0, index: 0 });
	});
}

#[test]
fn demand_should_be_refused_when_the_child_is_a_single_tile() {
	execute(|| {
		let id = post(lying());
		descend(id, &challenger(), lying(), honest());
		let (child, below) = next_child(id, &challenger(), honest());
		assert_eq!(below, Below::Chunk { step: 1, anchor: NEXT, tile: 4 });
		assert_noop!(demand(id, &challenger(), Some(child)), Error::<Test>::AtTheTile);
		// A tensor of one tile has no group of its own.
		let id = post(lying_once());
		assert_ok!(demand(id, &challenger(), None));
		assert_ok!(answer(id, &challenger(), lying_once()));
		assert_noop!(demand(id, &challenger(), Some(TOP)), Error::<Test>::AtTheTile);
	});
}

#[test]
fn demand_should_be_refused_when_the_deposit_cannot_be_held() {
	execute(|| {
		let id = post(lying());
		let error = sp_runtime::TokenError::FundsUnavailable;
		assert_noop!(demand(id, &pauper(), None), error);
		assert!(!has_lane(id, &pauper()));
	});
}

#[test]
fn demand_should_be_refused_when_the_move_is_late_and_nobody_has_pushed_the_lane() {
	execute(|| {
		let id = post(lying());
		assert_ok!(demand(id, &challenger(), None));
		assert_ok!(answer(id, &challenger(), lying()));
		let deadline = lane(id, &challenger()).deadline;
		assert_eq!(deadline, now() + MOVE_TIME);
		skip_to(deadline + 1);
		assert_noop!(demand(id, &challenger(), Some(1)), Error::<Test>::DeadlinePassed);
		skip_to(deadline);
		assert_ok!(demand(id, &challenger(), Some(1)));
	});
}

#[test]
fn demand_should_take_the_deposit_of_a_drawn_verifier_when_it_signs_as_anyone_does() {
	execute(|| {
		let id = post(lying());
		assert_ok!(demand(id, &verifier(0), None));
		assert_eq!(held(&verifier(0)), DEPOSIT);
	});
}
