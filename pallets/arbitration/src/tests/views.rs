use super::*;

#[test]
fn views_should_show_a_lane_as_it_goes_down() {
	execute(|| {
		let id = post(lying());
		assert_eq!(Arbitration::lane(id, challenger()), None);
		assert_eq!(Arbitration::lanes(id), []);
		let start = now();
		assert_ok!(demand(id, &challenger(), None));
		roll(1);
		let view = Arbitration::lane(id, challenger()).expect("open");
		assert_eq!((view.job, &view.challenger, view.deposit), (id, &challenger(), DEPOSIT));
		assert_eq!((view.opened_at, view.deadline), (start, start + ANSWER_TIME));
		assert_eq!(view.turn, Turn::Answer(Place::Run { level: 0, index: 0 }));
		assert_eq!((view.parts, view.committed, view.opened.len()), (0, false, 0));
		assert_ok!(answer(id, &challenger(), lying()));
		assert_ok!(demand(id, &challenger(), Some(1)));
		assert_ok!(commit_with(id, &challenger(), [1; 32]));
		assert_ok!(answer(id, &challenger(), lying()));
		let view = Arbitration::lane(id, challenger()).expect("open");
		let places =
			[Place::Run { level: 0, index: 0 }, Place::Trace { step: 1, level: 0, index: 0 }];
		let expected = places.map(|place| (place, lying().children(place)));
		assert_eq!((view.opened, view.committed, view.turn), (expected.into(), true, Turn::Move));
	});
}

#[test]
fn views_should_count_the_parts_of_a_proof_when_some_are_in() {
	execute(|| {
		let id = post(lying_long());
		let parts = lying_long().proof(lying_long().lie_accused());
		assert_ok!(demand(id, &challenger(), None));
		for (at, part) in (1..).zip(&parts[..2]) {
			assert_ok!(prove_fraud(id, &challenger(), part));
			assert_eq!(Arbitration::lane(id, challenger()).expect("open").parts, at);
		}
	});
}

#[test]
fn views_should_list_the_lanes_of_one_job_only() {
	execute(|| {
		let (first, second) = (post(lying()), post(lying()));
		for who in [challenger(), other()] {
			assert_ok!(demand(first, &who, None));
		}
		assert_ok!(demand(second, &bystander(), None));
		let mut who: Vec<_> =
			Arbitration::lanes(first).into_iter().map(|lane| lane.challenger).collect();
		who.sort();
		assert_eq!(who, [challenger(), other()]);
		assert_eq!(Arbitration::lanes(second).len(), 1);
	});
}

#[test]
fn views_should_show_what_may_be_disputed_as_long_as_it_may() {
	execute(|| {
		assert_eq!(Arbitration::disputed_result(0), None);
		let id = post(lying());
		let shown = Arbitration::disputed_result(id).expect("opened");
		assert_eq!((shown.run_root, shown.steps, shown.open), (lying().root(), 3, true));
		assert_eq!(shown.trace_root, lying().traces[2]);
		assert_eq!(shown.input_roots, lying().input_roots());
		assert_ok!(demand(id, &challenger(), None));
		skip_to(job(id).deadline + 1);
		assert!(!Arbitration::disputed_result(id).expect("disputed").open);
		skip_to(2);
		assert_ok!(prove_fraud(id, &other(), &lying().proof(lying().lie_accused())[0]));
		assert_eq!(Arbitration::disputed_result(id), None);
	});
}

#[test]
fn views_should_give_duties_to_verifiers_that_differ_and_still_have_a_lane() {
	use sp_core::Pair;
	execute(|| {
		let id = post(lying());
		let keys: Vec<_> = (0..4).map(|index| pair(&verifier(index)).public()).collect();
		let who = |keys: &[_]| -> Vec<AccountId> {
			Arbitration::disputes(keys).into_iter().map(|duty| duty.account).collect()
		};
		assert_eq!(who(&keys), [verifier(0), verifier(1), verifier(2)]);
		assert_eq!(who(&keys[1..2]), [verifier(1)]);
		assert_eq!(who(&keys[3..]), [], "not drawn");
		// Used up: an invalid proof.
		assert_ok!(act_demand(id, &verifier(0), None));
		assert_ok!(answer(id, &verifier(0), lying()));
		let mut junk = lying().proof(lying().lie_accused()).remove(0);
		junk.claimed.0 = [0; 32];
		assert_ok!(act_prove(id, &verifier(0), &junk));
		assert_eq!(who(&keys), [verifier(1), verifier(2)]);
		// After the base deadline only lanes that are open go on.
		roll_to(job(id).deadline);
		assert_ok!(act_demand(id, &verifier(1), None));
		roll(1);
		assert_eq!(who(&keys), [verifier(1)]);
		let duty = Arbitration::disputes(&keys).remove(0);
		assert_eq!((duty.job, &duty.key), (id, &keys[1]));
		assert_eq!(duty.lane, Arbitration::lane(id, verifier(1)));
		assert_eq!(Some(duty.result), Arbitration::disputed_result(id));
	});
}
