//! What is free, and how often: parts of a proof are paid for, by verifiers too, and a verifier
//! whose lane comes to nothing has a fault.

use super::*;
use crate::{Payer, ProofBytes, Proved, WeightInfo, MAX_PROOF_BYTES};
use assay_referee::ProofPart;
use codec::Encode;
use frame_support::{dispatch::DispatchResultWithPostInfo, weights::Weight};
use sp_runtime::traits::Dispatchable;

type Weights = ();

/// Carries a verifier's move out, and gives the weight that it is charged in the end.
fn charged(id: u64, who: &AccountId, action: ChallengeMove) -> Weight {
	use frame_support::dispatch::GetDispatchInfo;
	let call = move_call(id, who, action);
	validate(&call).expect("valid");
	let stated = call.get_dispatch_info().call_weight;
	let info: DispatchResultWithPostInfo =
		call.dispatch(frame_system::RawOrigin::Authorized.into());
	let actual = info.expect("accepted").actual_weight.unwrap_or(stated);
	assert!(actual.all_lte(stated), "{actual} of {stated}");
	actual
}

/// M1: of the parts of a proof only the one that proves the fraud is free.
#[test]
fn part_should_be_paid_for_when_it_proves_nothing_yet() {
	execute(|| {
		let id = post(lying_long());
		let parts = lying_long().proof(lying_long().lie_accused());
		assert_ok!(demand(id, &challenger(), None));
		assert_ok!(answer(id, &challenger(), lying_long()));
		let (last, first) = parts.split_last().expect("several");
		assert!(!first.is_empty());
		for part in first {
			let info = prove_fraud(id, &challenger(), part).expect("a true part");
			assert_eq!(info.pays_fee, Pays::Yes);
			// For what it took: it has condemned nobody.
			let weight = Arbitration::weight_of_part(part.encoded_size() as u32);
			assert_eq!(info.actual_weight, Some(weight));
			let most = Arbitration::weight_of_proof(part.encoded_size() as u32);
			assert!((weight + CondemnWeight::get()).all_lte(most));
		}
		let info = prove_fraud(id, &challenger(), last).expect("a true part");
		assert_eq!(info.pays_fee, Pays::No);
		assert_eq!(condemned(id), proven(&challenger()));
		// What it has paid is told, so that it gets it back. Of a verifier it is only held.
		let paid: usize = first.iter().map(|part| 2 * part.encoded_size()).sum();
		assert_eq!(costs(id), Some(paid as u64));
		let id = post(lying_long());
		assert_ok!(act_demand(id, &verifier(0), None));
		assert_ok!(answer(id, &verifier(0), lying_long()));
		for part in &parts {
			assert_ok!(act_prove(id, &verifier(0), part));
			roll(1);
		}
		assert_eq!((condemned(id), costs(id)), (proven(&verifier(0)), Some(0)));
		assert_eq!(closed(id, &verifier(0)), Some((paid as u64, 0, 0)));
		assert_eq!((held(&verifier(0)), charges(id, &verifier(0))), (0, vec![]));
	});
}

#[test]
fn part_should_be_paid_for_in_full_when_it_is_refused() {
	execute(|| {
		let id = post(honest_long());
		let accused = honest_long().accusation(Lie { step: 0, anchor: 0, tile: 0 });
		let parts = honest_long().proof(accused);
		assert_ok!(demand(id, &challenger(), None));
		assert_ok!(answer(id, &challenger(), honest_long()));
		let (last, first) = parts.split_last().expect("several");
		for part in first {
			assert_ok!(prove_fraud(id, &challenger(), part));
		}
		let error = prove_fraud(id, &challenger(), last).expect_err("the tile is right");
		assert_eq!(error.post_info.pays_fee, Pays::Yes);
		assert_eq!(error.post_info.actual_weight, None);
		assert_eq!(condemned(id), None);
	});
}

#[test]
fn verifier_should_have_a_fault_when_its_free_proof_is_refused() {
	execute(|| {
		let id = post(honest());
		let who = verifier(0);
		assert_ok!(act_demand(id, &who, None));
		assert_ok!(answer(id, &who, honest()));
		let accused = honest().accusation(Lie { step: 1, anchor: NEXT, tile: 0 });
		assert_ok!(act_prove(id, &who, &honest().proof(accused)[0]));
		assert_eq!(rejected(id, &who), 1);
		assert_eq!(rejected(id, &verifier(1)), 0);
		roll(CHALLENGE_TIME + 5);
		assert_eq!(rejected(id, &who), 1, "once");
	});
}

/// The last part is left out: nothing is ever refused, and still it was for nothing.
#[test]
fn verifier_should_have_a_fault_when_it_leaves_a_proof_or_its_lane_unfinished() {
	execute(|| {
		let id = post(honest_long());
		let accused = honest_long().accusation(Lie { step: 0, anchor: 0, tile: 0 });
		let parts = honest_long().proof(accused);
		let who = verifier(0);
		assert_ok!(act_demand(id, &who, None));
		assert_ok!(answer(id, &who, honest_long()));
		for part in &parts[..parts.len() - 1] {
			assert_ok!(act_prove(id, &who, part));
		}
		// Another one has the provider answer and goes away; an outsider does it at the price of
		// its deposit.
		for who in [verifier(1), other()] {
			let first = if who == other() {
				demand(id, &who, None).is_ok()
			} else {
				act_demand(id, &who, None).is_ok()
			};
			assert!(first);
			assert_ok!(answer(id, &who, honest_long()));
		}
		roll(MOVE_TIME + PROOF_TIME + 2);
		assert_eq!((rejected(id, &who), rejected(id, &verifier(1))), (1, 1));
		assert_eq!(crate::mock::Rejected::get(id).len(), 2);
		assert_eq!(closed(id, &other()).map(|(returned, ..)| returned), Some(0));
	});
}

#[test]
fn verifier_should_have_no_fault_when_the_result_falls_whoever_proves_it() {
	execute(|| {
		let id = post(lying());
		for index in 0..2 {
			assert_ok!(act_demand(id, &verifier(index), None));
			assert_ok!(answer(id, &verifier(index), lying()));
		}
		assert_ok!(prove_fraud(id, &bystander(), &lying().proof(lying().lie_accused())[0]));
		roll(MOVE_TIME + 3);
		assert!(!has_lane(id, &verifier(0)) && !has_lane(id, &verifier(1)));
		assert!(crate::mock::Rejected::get(id).is_empty());
	});
}

/// What a part costs in the mock.
fn fee(part: &ProofPart) -> u64 {
	2 * part.encoded_size() as u64
}

/// What a verifier was charged for parts, in order.
fn charges(id: u64, who: &AccountId) -> Vec<u64> {
	let of = |event| match event {
		RuntimeEvent::Arbitration(Event::ProofPartCharged { job, challenger, fee })
			if job == id && challenger == *who =>
		{
			Some(fee)
		}
		_ => None,
	};
	System::events().into_iter().filter_map(|record| of(record.event)).collect()
}

fn prove_call(id: u64, who: &AccountId, part: &ProofPart) -> RuntimeCall {
	move_call(id, who, ChallengeMove::Prove { part: Box::new(part.clone()) })
}

/// Seats can be had by the dozen, in jobs of one's own: what each of them gets for nothing is
/// small.
#[test]
fn verifier_should_pay_for_every_part_that_does_not_prove_the_fraud() {
	execute(|| {
		let id = post(honest_long());
		let accused = honest_long().accusation(Lie { step: 0, anchor: 0, tile: 0 });
		let parts = honest_long().proof(accused);
		let who = verifier(0);
		assert_ok!(act_demand(id, &who, None));
		assert_ok!(answer(id, &who, honest_long()));
		let before = free(&who);
		for part in &parts {
			assert_ok!(act_prove(id, &who, part));
			roll(1);
		}
		// What is held is lost with the lane, and the last one, which is refused, is charged as
		// well.
		let (last, first) = parts.split_last().expect("several");
		assert_eq!(closed(id, &who), Some((0, 0, first.iter().map(fee).sum())));
		assert_eq!((held(&who), charges(id, &who)), (0, vec![fee(last)]));
		assert_eq!(before - free(&who), parts.iter().map(fee).sum::<u64>());
		assert_eq!(rejected(id, &who), 1);
	});
}

/// Several verifiers prove the same, as all honest ones do: none of them loses what it paid for its
/// parts.
#[test]
fn verifiers_should_get_back_what_is_held_when_the_result_falls_whoever_proves_it() {
	execute(|| {
		let id = post(lying_long());
		let parts = lying_long().proof(lying_long().lie_accused());
		let before = free(&verifier(1));
		for index in 0..2 {
			assert_ok!(act_demand(id, &verifier(index), None));
			assert_ok!(answer(id, &verifier(index), lying_long()));
		}
		assert_ok!(act_prove(id, &verifier(1), &parts[0]));
		assert_eq!(held(&verifier(1)), fee(&parts[0]));
		for part in &parts {
			roll(1);
			assert_ok!(act_prove(id, &verifier(0), part));
		}
		assert_eq!(condemned(id), proven(&verifier(0)));
		roll(MOVE_TIME + PROOF_TIME + 3);
		assert_eq!(closed(id, &verifier(1)), Some((fee(&parts[0]), 0, 0)));
		assert_eq!((held(&verifier(1)), free(&verifier(1))), (0, before));
	});
}

#[test]
fn part_should_be_refused_when_its_verifier_could_not_pay_for_it() {
	execute(|| {
		let id = post(lying_long());
		let parts = lying_long().proof(lying_long().lie_accused());
		let who = verifier(0);
		assert_ok!(act_demand(id, &who, None));
		assert_ok!(answer(id, &who, lying_long()));
		let ed = <Balances as frame_support::traits::Currency<_>>::minimum_balance();
		let pay = |from: &AccountId, to: AccountId, amount| {
			let from = RuntimeOrigin::signed(from.clone());
			assert_ok!(Balances::transfer_keep_alive(from, to, amount));
		};
		// One unit too few.
		pay(&who, bystander(), free(&who) - ed - fee(&parts[0]) + 1);
		assert_eq!(act_prove(id, &who, &parts[0]), invalid(InvalidTransaction::Payment));
		// Its lane is as it was, and goes on once there is something to pay with.
		assert_eq!((rejected(id, &who), charges(id, &who)), (0, vec![]));
		pay(&bystander(), who.clone(), 1);
		assert_ok!(act_prove(id, &who, &parts[0]));
		assert_eq!((free(&who), held(&who)), (ed, fee(&parts[0])));
	});
}

/// Verifiers' proofs go before all that is signed: most of a block is left to others.
#[test]
fn parts_should_wait_for_the_next_block_when_a_block_has_its_share_of_them() {
	execute(|| {
		let id = post(lying_long());
		let parts = lying_long().proof(lying_long().lie_accused());
		let who = verifier(0);
		assert_ok!(act_demand(id, &who, None));
		assert_ok!(answer(id, &who, lying_long()));
		assert_ok!(act_prove(id, &who, &parts[0]));
		assert_eq!(ProofBytes::<Test>::get() as usize, parts[0].encoded_size());
		let bytes = parts[1].encoded_size() as u32;
		ProofBytes::<Test>::put(MAX_PROOF_BYTES - bytes + 1);
		let full = invalid(InvalidTransaction::ExhaustsResources);
		assert_eq!(act_prove(id, &who, &parts[1]), full);
		ProofBytes::<Test>::put(MAX_PROOF_BYTES - bytes);
		assert_ok!(validate(&prove_call(id, &who, &parts[1])));
		// Other moves are small.
		ProofBytes::<Test>::put(MAX_PROOF_BYTES);
		let other = post(lying());
		assert_ok!(act_demand(other, &verifier(1), None));
		roll(1);
		assert_eq!(ProofBytes::<Test>::get(), 0);
		assert_ok!(act_prove(id, &who, &parts[1]));
		// The largest part has its place in an empty block.
		assert!(assay_referee::MAX_PART_BYTES as u32 <= MAX_PROOF_BYTES);
	});
}

#[test]
fn priority_of_proofs_should_be_lower_than_that_of_other_moves_with_room_for_verdicts() {
	execute(|| {
		let id = post(lying());
		let who = verifier(0);
		let demand = move_call(id, &who, ChallengeMove::Demand { child: None });
		let first = validate(&demand).expect("valid").priority;
		assert_ok!(apply(demand));
		assert_ok!(answer(id, &who, lying()));
		let part = &lying().proof(lying().lie_accused())[0];
		let proof = validate(&prove_call(id, &who, part)).expect("valid").priority;
		assert_eq!(proof + 2, first);
	});
}

/// What a seat can take of the blocks, before it has a fault: what one honest proof takes.
#[test]
fn seat_should_take_no_more_than_one_proof_takes() {
	execute(|| {
		let id = post(honest_long());
		let accused = honest_long().accusation(Lie { step: 0, anchor: 0, tile: 0 });
		let parts = honest_long().proof(accused);
		let who = verifier(0);
		let mut all = charged(id, &who, ChallengeMove::CommitProof { commitment: [1; 32] });
		all += charged(id, &who, ChallengeMove::Demand { child: None });
		assert_ok!(answer(id, &who, honest_long()));
		for part in &parts {
			all += charged(id, &who, ChallengeMove::Prove { part: Box::new(part.clone()) });
			roll(1);
		}
		assert_eq!(rejected(id, &who), 1);
		// Nothing goes on after it.
		let code = InvalidTransaction::Custom(crate::refusal::LANE_USED_UP);
		assert_eq!(act_demand(id, &who, None), invalid(code));
		let part = Arbitration::weight_of_part(parts[0].encoded_size() as u32);
		let bound = Weights::commit_proof()
			+ Weights::demand()
			+ part.saturating_mul(parts.len() as u64)
			+ Weights::close_lane();
		assert!(all.all_lte(bound), "{all} of {bound}");
		// The largest that a program can ask for: 32 parts of 512 KiB and all demands.
		let most = Arbitration::weight_of_part(assay_referee::MAX_PART_BYTES as u32)
			.saturating_mul(crate::MAX_PARTS.into())
			+ Weights::demand().saturating_mul(crate::weights::MAX_OPENINGS)
			+ Weights::commit_proof()
			+ Weights::close_lane();
		println!("a seat takes {} ms at most", most.ref_time() / 1_000_000_000);
		assert!(most.ref_time() < 4_000_000_000_000, "{most}");
	});
}

#[test]
fn poke_should_be_charged_for_what_it_does() {
	execute(|| {
		let (silent, withheld) = (post(honest()), post(lying()));
		assert_ok!(demand(silent, &challenger(), None));
		assert_ok!(answer(silent, &challenger(), honest()));
		assert_ok!(demand(withheld, &challenger(), None));
		skip_to(now() + MOVE_TIME + 1);
		let closes = poke(silent, &challenger()).expect("due");
		assert_eq!(closes.actual_weight, Some(Weights::close_lane()));
		let condemns = poke(withheld, &challenger()).expect("due");
		assert_eq!(condemns.actual_weight, Some(Weights::close_lane() + CondemnWeight::get()));
		assert_eq!((closes.pays_fee, condemns.pays_fee), (Pays::No, Pays::No));
	});
}

#[test]
fn proved_should_tell_a_part_from_the_whole() {
	execute(|| {
		let id = post(lying_long());
		let parts = lying_long().proof(lying_long().lie_accused());
		assert_ok!(demand(id, &challenger(), None));
		let result = || Arbitration::result_of(id, &order(id)).expect("open");
		for part in &parts[..parts.len() - 1] {
			let ruling =
				Arbitration::do_prove(id, result(), challenger(), part.clone(), Payer::Deposit);
			assert_eq!(ruling, Ok(Proved::Part));
		}
		let last = parts.last().expect("several").clone();
		let ruling = Arbitration::do_prove(id, result(), challenger(), last, Payer::Deposit);
		assert_eq!(ruling, Ok(Proved::Fraud));
	});
}
