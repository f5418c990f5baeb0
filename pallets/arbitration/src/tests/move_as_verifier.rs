use super::*;
use crate::{refusal, UsedUp};
use assay_market::proof_hash;

#[test]
fn verifier_should_prove_fraud_without_a_deposit_when_it_goes_all_the_way_down() {
	execute(|| {
		let id = post(lying_deep());
		let who = verifier(0);
		assert_ok!(act_demand(id, &who, None));
		assert_emitted!(Event::LaneOpened { job: id, challenger: who.clone(), deposit: 0 });
		let accused = loop {
			assert_ok!(answer(id, &who, lying_deep()));
			match next_child(id, &who, honest()) {
				(_, Below::Chunk { step, anchor, tile }) => {
					break honest().accusation(Lie { step, anchor, tile })
				}
				(child, _) => {
					assert_ok!(act_demand(id, &who, Some(child)));
				}
			}
		};
		let part = &lying_deep().proof(accused)[0];
		let commitment = commitment(id, &who, part);
		assert_ok!(act(id, &who, ChallengeMove::CommitProof { commitment }));
		assert_ok!(act_prove(id, &who, part));
		assert_eq!(condemned(id), proven(&who));
		assert_eq!(closed(id, &who), Some((0, 0, 0)));
		assert_eq!(free(&who), BALANCE + BOND / 5);
	});
}

#[test]
fn verifier_should_prove_part_by_part_when_the_proof_is_folded() {
	execute(|| {
		let id = post(lying_long());
		let who = verifier(1);
		assert_ok!(act_demand(id, &who, None));
		assert_ok!(answer(id, &who, lying_long()));
		for part in lying_long().proof(lying_long().lie_accused()) {
			assert_ok!(act_prove(id, &who, &part));
			roll(1);
		}
		assert_eq!(condemned(id), proven(&who));
	});
}

#[test]
fn move_should_be_refused_when_the_account_was_not_drawn() {
	execute(|| {
		let id = post(lying());
		let code = InvalidTransaction::Custom(refusal::NOT_DRAWN);
		assert_eq!(act_demand(id, &verifier(3), None), invalid(code));
		assert_eq!(act_demand(id, &provider(), None), invalid(code));
	});
}

#[test]
fn move_should_be_refused_when_there_is_nothing_to_dispute() {
	execute(|| {
		let code = InvalidTransaction::Custom(refusal::NOTHING_TO_DISPUTE);
		assert_eq!(act_demand(8, &verifier(0), None), invalid(code));
		let id = post(lying());
		assert_ok!(prove_fraud(id, &other(), &lying().proof(lying().lie_accused())[0]));
		assert_eq!(act_demand(id, &verifier(0), None), invalid(code));
	});
}

#[test]
fn move_should_be_refused_when_it_does_not_fit_the_lane() {
	execute(|| {
		let id = post(lying());
		let who = verifier(0);
		let part = lying().proof(lying().lie_accused()).remove(0);
		assert_eq!(act_prove(id, &who, &part), invalid(InvalidTransaction::Stale), "no lane");
		assert_eq!(act_demand(id, &who, Some(0)), invalid(InvalidTransaction::Stale));
		assert_ok!(act_demand(id, &who, None));
		assert_eq!(act_demand(id, &who, None), invalid(InvalidTransaction::Future));
		assert_eq!(act_prove(id, &who, &part), invalid(InvalidTransaction::Future));
		assert_ok!(answer(id, &who, lying()));
		assert_eq!(act_demand(id, &who, None), invalid(InvalidTransaction::Stale));
		assert_eq!(act_demand(id, &who, Some(3)), invalid(InvalidTransaction::Stale));
		let commit = |by| act(id, &who, ChallengeMove::CommitProof { commitment: [by; 32] });
		assert_ok!(commit(1));
		assert_eq!(commit(2), invalid(InvalidTransaction::Stale));
		skip_to(lane(id, &who).deadline + 1);
		assert_eq!(act_demand(id, &who, Some(1)), invalid(InvalidTransaction::Stale));
		assert_eq!(act_prove(id, &who, &part), invalid(InvalidTransaction::Stale));
		skip_to(job(id).deadline + 1);
		assert_eq!(act_demand(id, &verifier(1), None), invalid(InvalidTransaction::Stale));
		skip_to(2);
	});
}

#[test]
fn silence_should_use_up_the_free_lane_when_the_verifier_does_not_go_on() {
	execute(|| {
		let id = post(honest());
		let who = verifier(0);
		assert_ok!(act_demand(id, &who, None));
		assert_ok!(answer(id, &who, honest()));
		roll(MOVE_TIME + 1);
		assert!(!has_lane(id, &who));
		let code = InvalidTransaction::Custom(refusal::LANE_USED_UP);
		assert_eq!(act_demand(id, &who, None), invalid(code));
		// As anyone, it still may, with a deposit, and then goes on as anyone.
		assert_ok!(demand(id, &who, None));
		assert_eq!(held(&who), DEPOSIT);
		assert_ok!(answer(id, &who, honest()));
		assert_eq!(act_demand(id, &who, Some(0)), invalid(code));
		assert_ok!(demand(id, &who, Some(0)));
	});
}

#[test]
fn used_up_lanes_should_be_forgotten_when_the_job_ends() {
	execute(|| {
		let id = post(honest());
		assert_ok!(act_demand(id, &verifier(0), None));
		assert_ok!(answer(id, &verifier(0), honest()));
		roll(MOVE_TIME + 1);
		assert_eq!(UsedUp::<Test>::get(id).into_inner(), [verifier(0)]);
		roll(CHALLENGE_TIME);
		assert!(job(id).ended);
		assert!(!UsedUp::<Test>::contains_key(id));
	});
}

#[test]
fn move_should_be_valid_only_as_long_as_the_lane_waits_for_it() {
	execute(|| {
		let id = post(lying());
		let who = verifier(0);
		let first = move_call(id, &who, ChallengeMove::Demand { child: None });
		let validity = validate(&first).expect("valid");
		assert_eq!((validity.priority, validity.longevity), (1_000, 8));
		assert!(validity.propagate);
		assert_ok!(apply(first));
		assert_ok!(answer(id, &who, lying()));
		roll(3);
		let next = validate(&move_call(id, &who, ChallengeMove::Demand { child: Some(1) }));
		let next = next.expect("valid");
		assert_eq!(next.longevity, MOVE_TIME - 3);
		assert_ne!(next.provides, validity.provides, "the pool can tell the moves apart");
		let other = validate(&move_call(id, &who, ChallengeMove::Demand { child: Some(2) }));
		assert_eq!(other.expect("valid").provides, next.provides, "one move at a time");
	});
}

#[test]
fn move_should_be_charged_for_what_it_does_when_it_is_weighed() {
	use crate::WeightInfo;
	use frame_support::dispatch::GetDispatchInfo;
	execute(|| {
		let id = post(lying());
		let who = verifier(0);
		let part = lying().proof(lying().lie_accused()).remove(0);
		let bytes = codec::Encode::encoded_size(&part) as u32;
		let commitment = proof_hash(&part);
		let weight = |action| move_call(id, &who, action).get_dispatch_info().call_weight;
		type Weights = ();
		assert_eq!(weight(ChallengeMove::Demand { child: None }), Weights::demand());
		assert_eq!(weight(ChallengeMove::CommitProof { commitment }), Weights::commit_proof());
		let proof = weight(ChallengeMove::Prove { part: Box::new(part.clone()) });
		assert_eq!(proof, Arbitration::weight_of_proof(bytes));
		let least = Weights::prove_fraud(bytes)
			+ Weights::close_lane()
			+ CondemnWeight::get()
			+ frame_support::weights::Weight::from_parts(50_000_000_000, 0);
		assert!(least.all_lte(proof), "{least} in {proof}");
		let call = RuntimeCall::Arbitration(crate::Call::prove_fraud {
			job: id,
			order: order(id),
			part: Box::new(part),
		});
		assert_eq!(call.get_dispatch_info().call_weight, proof);
	});
}
