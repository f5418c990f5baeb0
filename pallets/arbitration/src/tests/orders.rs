//! The same number on another fork: what was meant for one job binds nobody in another.

use super::*;
use crate::{refusal, Lanes, Statement};
use assay_market::proof_commitment;
use sp_runtime::traits::Dispatchable;

/// Everything that anybody can send about the lane of `who`, as it is signed here.
fn moves(id: u64, who: &AccountId, run: &Run) -> Vec<(&'static str, AccountId, RuntimeCall)> {
	let order = order(id);
	let place = run.children(Place::Run { level: 0, index: 0 });
	let part = Box::new(run.proof(run.lie_accused()).remove(0));
	let stated = Statement {
		run_root: run.root(),
		step: 0,
		anchor: 0,
		children: run.children(Place::Run { level: 0, index: 0 }).try_into().expect("few"),
	};
	let list = Lanes::<Test>::get(id, who).and_then(|lane| lane.stated_root());
	let child = None;
	let calls = [
		("demand", who.clone(), crate::Call::demand { job: id, order, child, list }),
		(
			"answer",
			provider(),
			crate::Call::answer {
				job: id,
				order,
				challenger: who.clone(),
				children: place.try_into().expect("few"),
			},
		),
		("commit", who.clone(), crate::Call::commit_proof { job: id, order, commitment: [1; 32] }),
		("prove", who.clone(), crate::Call::prove_fraud { job: id, order, part }),
		(
			"list",
			provider(),
			crate::Call::list_roots { job: id, order, challenger: who.clone(), stated },
		),
	];
	calls.into_iter().map(|(name, by, call)| (name, by, RuntimeCall::Arbitration(call))).collect()
}

/// Forks at each step of a lane: a call that was signed on one is refused on the other, whatever it
/// is.
#[test]
fn signed_call_should_be_refused_when_the_number_is_another_jobs() {
	execute(|| {
		let id = post(lying());
		let who = challenger();
		let mut tried = 0;
		for level in 0..4 {
			let made = moves(id, &who, lying());
			let (here, there) = (order(id), order_hash(id, 1));
			let set = |order| {
				crate::mock::FakeJobs::mutate(id, |job| job.as_mut().expect("posted").order = order)
			};
			set(there);
			for (name, by, call) in made {
				let before = sp_io::storage::root(sp_runtime::StateVersion::V1);
				let error = call.dispatch(signed(&by)).expect_err(name).error;
				assert_eq!(error, Error::<Test>::OtherOrder.into(), "{name} at level {level}");
				assert_eq!(sp_io::storage::root(sp_runtime::StateVersion::V1), before, "{name}");
				tried += 1;
			}
			set(here);
			// One step further down.
			match level {
				0 => {
					assert_ok!(demand(id, &who, None));
				}
				1 => {
					assert_ok!(answer(id, &who, lying()));
				}
				_ => {
					let (child, _) = next_child(id, &who, honest());
					assert_ok!(demand(id, &who, Some(child)));
					assert_ok!(answer(id, &who, lying()));
				}
			}
		}
		assert_eq!(tried, 20);
		assert_eq!(condemned(id), None);
		// On the right fork they are what they were.
		assert_ok!(prove_fraud(id, &who, &lying().proof(lying().lie_accused())[0]));
		assert_eq!(condemned(id), proven(&who));
	});
}

#[test]
fn verifiers_move_should_be_refused_when_it_is_signed_for_another_order() {
	execute(|| {
		let id = post(lying());
		let who = verifier(0);
		let action = ChallengeMove::Demand { child: None };
		let call = move_call(id, &who, action.clone());
		fork(id);
		let other = invalid(InvalidTransaction::Custom(refusal::OTHER_ORDER));
		assert_eq!(apply(call.clone()), other);
		// The order cannot be exchanged: it is in what is signed.
		let RuntimeCall::Arbitration(crate::Call::move_as_verifier { signature, .. }) = call else {
			panic!("a verifier's call")
		};
		let forged = call_with(id, &who, action, 0, signature);
		assert_eq!(apply(forged), invalid(InvalidTransaction::BadProof));
		assert!(!has_lane(id, &who));
		assert_ok!(act_demand(id, &who, None));
	});
}

/// A commitment that was made for the other job does not bind anyone to the proof in this one.
#[test]
fn commitment_should_be_worth_nothing_when_it_is_for_another_order() {
	execute(|| {
		let id = post(lying());
		let part = lying().proof(lying().lie_accused()).remove(0);
		let elsewhere = proof_commitment(
			&Arbitration::genesis_hash(),
			&order_hash(id, 1),
			other().as_ref(),
			&assay_market::proof_hash(&part),
		);
		assert_ok!(commit_with(id, &other(), elsewhere));
		assert_ok!(commit(id, &challenger(), &part));
		assert_ok!(prove_fraud(id, &bystander(), &part));
		assert_eq!(condemned(id), proven(&challenger()));
	});
}

/// Poking binds nobody: it needs no order.
#[test]
fn lane_should_be_pushed_whatever_its_order_is() {
	execute(|| {
		let id = post(honest());
		assert_ok!(demand(id, &challenger(), None));
		fork(id);
		end_job(id);
		assert_ok!(poke(id, &challenger()));
	});
}
