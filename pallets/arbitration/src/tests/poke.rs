use super::*;

#[test]
fn poke_should_condemn_and_be_free_when_an_answer_stayed_out() {
	execute(|| {
		let id = post(lying());
		assert_ok!(demand(id, &challenger(), None));
		let place = demanded(id, &challenger());
		skip_to(lane(id, &challenger()).deadline + 1);
		let info = poke(id, &challenger()).expect("due");
		assert_eq!(info.pays_fee, Pays::No);
		assert_eq!(condemned(id), withheld(&challenger()));
		assert_eq!(closed(id, &challenger()), Some((DEPOSIT, 0, 0)));
		assert_emitted!(Event::OpeningWithheld { job: id, challenger: challenger(), place });
		assert_eq!(free(&challenger()), BALANCE + BOND / 5, "the demander gets the prover's part");
	});
}

#[test]
fn poke_should_close_the_lane_when_its_challenger_stayed_silent() {
	execute(|| {
		let id = post(lying());
		assert_ok!(demand(id, &challenger(), None));
		assert_ok!(answer(id, &challenger(), lying()));
		skip_to(lane(id, &challenger()).deadline + 1);
		assert_ok!(poke(id, &challenger()));
		assert_eq!(condemned(id), None);
		assert_eq!(closed(id, &challenger()), Some((0, DEPOSIT / 2, DEPOSIT - DEPOSIT / 2)));
		assert_eq!(job(id).quiet, 1);
	});
}

#[test]
fn poke_should_be_refused_when_nothing_is_due() {
	execute(|| {
		let id = post(lying());
		refused!(poke(id, &challenger()), Error::<Test>::NoLane);
		assert_ok!(demand(id, &challenger(), None));
		skip_to(lane(id, &challenger()).deadline);
		refused!(poke(id, &challenger()), Error::<Test>::NotDue);
		assert_ok!(answer(id, &challenger(), lying()));
		skip_to(lane(id, &challenger()).deadline);
		refused!(poke(id, &challenger()), Error::<Test>::NotDue);
	});
}

#[test]
fn poke_should_give_the_deposit_back_at_once_when_the_job_has_ended() {
	execute(|| {
		let id = post(lying());
		assert_ok!(demand(id, &challenger(), None));
		assert_ok!(answer(id, &challenger(), lying()));
		assert_ok!(prove_fraud(id, &other(), &lying().proof(lying().lie_accused())[0]));
		assert_ok!(poke(id, &challenger()));
		assert_eq!(closed(id, &challenger()), Some((DEPOSIT, 0, 0)));
		refused!(poke(id, &challenger()), Error::<Test>::NoLane);
	});
}
