use super::*;

/// A lane in which the first group is owed.
fn owed(run: &Run) -> u64 {
	let id = post(run);
	assert_ok!(demand(id, &challenger(), None));
	id
}

#[test]
fn answer_should_be_free_and_hand_over_the_move_when_it_is_right() {
	execute(|| {
		let id = owed(lying());
		roll(2);
		let place = demanded(id, &challenger());
		let info = answer(id, &challenger(), lying()).expect("the right answer");
		assert_eq!(info.pays_fee, Pays::No);
		let lane = lane(id, &challenger());
		assert_eq!((lane.turn, lane.answers), (Turn::Move, 1));
		assert_eq!(lane.deadline, now() + MOVE_TIME);
		let group = crate::Opened::<Test>::get((id, challenger(), 0)).expect("kept");
		assert_eq!((group.place, group.children.into_inner()), (place, lying().children(place)));
		assert_emitted!(Event::OpeningAnswered {
			job: id,
			challenger: challenger(),
			by: provider(),
			place,
			deadline: now() + MOVE_TIME,
		});
	});
}

#[test]
fn answer_should_be_accepted_from_anyone_when_it_is_right() {
	execute(|| {
		let id = owed(lying());
		let children = lying().children(demanded(id, &challenger()));
		assert_ok!(answer_with(id, &challenger(), &bystander(), children));
		assert_eq!(lane(id, &challenger()).answers, 1);
		// The challenger itself may give the answer, which opens nothing that was not there.
		assert_ok!(demand(id, &challenger(), Some(1)));
		let children = lying().children(demanded(id, &challenger()));
		assert_ok!(answer_with(id, &challenger(), &challenger(), children));
	});
}

#[test]
fn answer_should_be_refused_when_the_children_are_not_the_ones() {
	execute(|| {
		let id = owed(lying());
		let right = lying().children(demanded(id, &challenger()));
		let mut altered = right.clone();
		altered[1][31] ^= 1;
		let mut swapped = right.clone();
		swapped.swap(0, 1);
		let few = right[..2].to_vec();
		let mut many = right.clone();
		many.push(right[2]);
		let full = vec![right[0]; 256];
		let honest = honest().children(demanded(id, &challenger()));
		for wrong in [altered, swapped, few, many, full, vec![], honest] {
			refused!(
				answer_with(id, &challenger(), &provider(), wrong),
				Error::<Test>::WrongAnswer
			);
		}
		assert_ok!(answer_with(id, &challenger(), &provider(), right));
	});
}

#[test]
fn answer_should_be_refused_when_one_child_is_wrong_at_any_depth() {
	execute(|| {
		let id = owed(lying_deep());
		loop {
			let right = lying_deep().children(demanded(id, &challenger()));
			let mut wrong = right.clone();
			*wrong.last_mut().expect("not empty") = [7; 32];
			refused!(
				answer_with(id, &challenger(), &provider(), wrong),
				Error::<Test>::WrongAnswer
			);
			assert_ok!(answer_with(id, &challenger(), &provider(), right));
			match next_child(id, &challenger(), honest()) {
				(_, Below::Chunk { .. }) => break,
				(child, _) => {
					assert_ok!(demand(id, &challenger(), Some(child)));
				}
			}
		}
		assert_eq!(lane(id, &challenger()).answers, 4);
	});
}

#[test]
fn answer_should_be_refused_when_nothing_is_owed() {
	execute(|| {
		let some = vec![[1; 32]];
		let id = post(lying());
		refused!(
			answer_with(9, &challenger(), &provider(), some.clone()),
			Error::<Test>::NothingToDispute
		);
		refused!(answer_with(id, &challenger(), &provider(), some.clone()), Error::<Test>::NoLane);
		assert_ok!(demand(id, &challenger(), None));
		assert_ok!(answer(id, &challenger(), lying()));
		refused!(answer_with(id, &challenger(), &provider(), some), Error::<Test>::NothingDemanded);
	});
}

#[test]
fn answer_should_count_in_the_deadline_block_and_not_later() {
	execute(|| {
		let id = owed(lying());
		let deadline = lane(id, &challenger()).deadline;
		let children = lying().children(demanded(id, &challenger()));
		skip_to(deadline + 1);
		refused!(
			answer_with(id, &challenger(), &provider(), children),
			Error::<Test>::DeadlinePassed
		);
		skip_to(deadline);
		assert_ok!(answer(id, &challenger(), lying()));
	});
}

#[test]
fn answer_should_serve_one_lane_only_when_several_demand_the_same() {
	execute(|| {
		let id = owed(lying());
		assert_ok!(demand(id, &other(), None));
		assert_ok!(answer(id, &other(), lying()));
		assert_eq!(lane(id, &challenger()).answers, 0);
		assert_eq!(lane(id, &other()).answers, 1);
	});
}
