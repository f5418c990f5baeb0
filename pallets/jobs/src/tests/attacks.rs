//! Attacks, by name.

use super::*;
use assay_commitments::result_commitment;
use assay_market::VerifierAction;
use frame_support::traits::Authorize;
use sp_runtime::{traits::Dispatchable, transaction_validity::TransactionSource};

/// A lazy verifier copies the hidden verdict of another: the commitment binds its author.
#[test]
fn copied_verdict_should_be_worthless_when_it_is_to_be_opened() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_verifying(&right());
		let drawn = committee(id);
		let copied = verdict_hash(id, &drawn[0], &right());
		for who in &drawn {
			assert_ok!(commit_hash(id, who, copied));
		}
		await_sample(id);
		assert_ok!(reveal(id, &drawn[0], &right()));
		for thief in &drawn[1..] {
			assert_eq!(
				reveal(id, thief, &right()),
				invalid(InvalidTransaction::Custom(crate::refusal::COMMITMENT_MISMATCH))
			);
		}
	});
}

/// The provider leaks its wrong root to a verifier that vouches for it unseen. One is not a quorum.
#[test]
fn leaked_root_should_not_be_paid_when_too_few_vouch_for_it() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_verifying(&wrong());
		let drawn = committee(id);
		assert_ok!(commit(id, &drawn[0], &wrong()));
		assert_ok!(commit(id, &drawn[1], &right()));
		assert_ok!(commit(id, &drawn[2], &right()));
		close(id);
		assert_ok!(reveal_result(id, &wrong()));
		assert_ok!(reveal(id, &drawn[0], &wrong()));
		assert_ok!(reveal(id, &drawn[1], &right()));
		assert_ok!(reveal(id, &drawn[2], &right()));
		// Nor where others are asked to look once more.
		while !phase(id).is_terminal() {
			roll_past_deadline(id);
		}
		assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::Inconclusive)));
		assert_eq!((free(&requester()), free(&provider())), (BALANCE, BALANCE));
		assert_eq!(free(&drawn[0]), 0);
	});
}

/// Verifiers who always agree cannot: before the reveal there is nothing to agree with.
#[test]
fn always_valid_verifier_should_have_nothing_to_say_when_it_did_not_replay() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_verifying(&right());
		assert_eq!(job(id).run_root(), None);
		let drawn = committee(id);
		let guess = Run::new(99, 1);
		for who in &drawn {
			assert_ok!(commit(id, who, &guess));
		}
		close(id);
		assert_ok!(reveal_result(id, &right()));
		for who in &drawn {
			assert_eq!(
				open_bare(id, who, &right()),
				invalid(InvalidTransaction::Custom(crate::refusal::COMMITMENT_MISMATCH))
			);
		}
	});
}

#[test]
fn verifier_should_get_nothing_when_it_commits_and_does_not_reveal() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_revealing(&right(), &right());
		let drawn = committee(id);
		assert_ok!(reveal_result(id, &right()));
		assert_ok!(reveal(id, &drawn[0], &right()));
		roll_past_deadline(id);
		roll_past_deadline(id);
		// One of the two that must match: others are asked, and say nothing either.
		while !phase(id).is_terminal() {
			roll_past_deadline(id);
		}
		// Nobody is paid, and the silent ones are remembered.
		assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::Inconclusive)));
		assert_eq!((free(&drawn[0]), free(&provider())), (0, BALANCE));
		for who in &drawn[1..] {
			assert_eq!((free(who), outcomes(who)), (0, vec![Outcome::VerifierUnrevealed]));
		}
	});
}

#[test]
fn provider_should_lose_its_bond_when_it_commits_and_does_not_reveal() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_verifying(&wrong());
		let bond = bond_of(id);
		commit_wanted(id, &right());
		while !phase(id).is_terminal() {
			roll_past_deadline(id);
		}
		assert_eq!(job(id).reason, Some(ReasonCode::Withheld));
		assert_eq!(FreeStake::get(provider()), STAKE - bond);
	});
}

#[test]
fn signature_should_be_refused_when_replayed_on_another_chain_or_job() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_verifying(&right());
		let other = post_verifying(&right());
		let who = winners(id)[0].clone();
		assert!(winners(other).contains(&who));
		let action =
			VerifierAction::CommitVerdict { commitment: [1; 32], ticket: ticket(id, &who) };
		let key = pair(&seed_of(&who));
		let genesis = Market::genesis_hash();
		let call = |signature| call_with(id, &who, action.clone(), None, signature);

		let for_other_job = sign(&key, &genesis, other, &who, 0, &action);
		assert_eq!(apply(call(for_other_job)), invalid(InvalidTransaction::BadProof));
		let for_other_chain = sign(&key, &[9; 32], id, &who, 0, &action);
		assert_eq!(apply(call(for_other_chain)), invalid(InvalidTransaction::BadProof));
		let for_other_account = sign(&key, &genesis, id, &provider(), 0, &action);
		assert_eq!(apply(call(for_other_account)), invalid(InvalidTransaction::BadProof));
		let good = sign(&key, &genesis, id, &who, 0, &action);
		assert_ok!(apply(call(good)));
	});
}

#[test]
fn authorized_call_should_be_refused_when_it_is_forged() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_verifying(&right());
		let drawn = committee(id);
		let genesis = Market::genesis_hash();
		let own = ticket(id, &drawn[0]);
		let action = VerifierAction::CommitVerdict { commitment: [1; 32], ticket: own };
		// By the key of another drawn verifier.
		let key = pair(&seed_of(&drawn[1]));
		let forged = call_with(
			id,
			&drawn[0],
			action.clone(),
			None,
			sign(&key, &genesis, id, &drawn[0], 0, &action),
		);
		assert_eq!(apply(forged.clone()), invalid(InvalidTransaction::BadProof));
		// For another payload, or as another call.
		let key = pair(&seed_of(&drawn[0]));
		let reason = assay_market::AbstainReason::Other;
		for other in [
			VerifierAction::CommitVerdict { commitment: [2; 32], ticket: own },
			VerifierAction::CommitVerdict { commitment: [1; 32], ticket: ticket(id, &drawn[1]) },
			VerifierAction::Abstain { reason, ticket: own },
		] {
			let signature = sign(&key, &genesis, id, &drawn[0], 0, &other);
			assert_eq!(
				apply(call_with(id, &drawn[0], action.clone(), None, signature)),
				invalid(InvalidTransaction::BadProof)
			);
		}
		// Past the authorization, as a signed, unsigned or root call.
		for origin in
			[RuntimeOrigin::signed(drawn[0].clone()), RuntimeOrigin::none(), RuntimeOrigin::root()]
		{
			let refused = forged.clone().dispatch(origin).expect_err("must be authorized");
			assert_eq!(refused.error, DispatchError::BadOrigin);
		}
		// People's calls are never authorized this way.
		let people = RuntimeCall::Market(crate::Call::poke { job: id });
		assert!(people.authorize(TransactionSource::External).is_none());
	});
}

#[test]
fn result_commitment_should_be_refused_when_it_was_copied_from_another_job() {
	ExtBuilder::default().build_and_execute(|| {
		let first = post_claimed();
		let second = post_claimed();
		let copied = result_hash(first, &provider(), &right());
		for id in [first, second] {
			assert_ok!(Market::commit_result(
				RuntimeOrigin::signed(provider()),
				id,
				order(id),
				copied,
				None
			));
			roll_past_deadline(id);
		}
		commit_wanted(second, &right());
		close(second);
		assert_noop!(reveal_result(second, &right()), Error::<Test>::CommitmentMismatch);
		let other = result_commitment(
			&[9; 32],
			&order(second),
			provider().as_ref(),
			&right().root(),
			&SALT,
		);
		assert_ne!(other, result_hash(second, &provider(), &right()), "chains differ");
	});
}

#[test]
fn stalling_should_cost_the_provider_when_it_claims_and_stays_silent() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_claimed_attested();
		roll_past_deadline(id);
		let lost = STAKE - FreeStake::get(provider());
		assert_eq!(
			lost,
			test_parameters().stall_slash * test_parameters().bond(PRICE, Permill::one(), 1, 5)
		);
		assert_noop!(claim(id, provider()), Error::<Test>::Barred);
	});
}

#[test]
fn requester_should_not_get_its_money_back_when_it_cancels_after_reading_the_result() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_challengeable(&right(), &right());
		assert!(job(id).opened().is_some_and(|opened| !opened.output_roots.is_empty()));
		assert_noop!(cancel(id, requester()), Error::<Test>::TooLateToCancel);
		roll_past_deadline(id);
		assert_eq!(ending(id), (Phase::Settled, Some(ReasonCode::Paid)));
	});
}

/// In the block after the deadline the agenda has settled before any transaction runs.
#[test]
fn settlement_should_win_the_race_when_an_audit_is_requested_after_the_deadline() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_challengeable(&right(), &right());
		roll_past_deadline(id);
		for call in
			[request_audit(id, requester()), cancel(id, requester()), reveal_result(id, &right())]
		{
			assert!(call.is_err());
		}
		assert_noop!(Market::poke(RuntimeOrigin::signed(bystander()), id), Error::<Test>::NotDue);
		assert_eq!(ending(id), (Phase::Settled, Some(ReasonCode::Paid)));
	});
}

#[test]
fn reputation_should_cost_money_when_it_is_farmed_by_self_dealing() {
	ExtBuilder::default().build_and_execute(|| {
		let before = Balances::total_issuance();
		let ring = [requester(), provider()];
		let own = |who: &[AccountId]| who.iter().map(|who| free(who) + held(who)).sum::<u64>();
		let money = own(&ring);
		for round in 1..=3u64 {
			let id = post(standard());
			roll_past_deadline(id);
			for who in &pending(id, Purpose::Attest)[..2] {
				assert_ok!(attest(id, who, true));
			}
			assert_ok!(claim(id, provider()));
			assert_ok!(commit_result(id, &right()));
			roll_past_deadline(id);
			commit_wanted(id, &right());
			close(id);
			assert_ok!(reveal_result(id, &right()));
			for who in committee(id) {
				assert_ok!(reveal(id, &who, &right()));
			}
			roll_past_deadline(id);
			assert_eq!(outcomes(&provider()).len() as u64, round);
			assert!(own(&ring) <= money - round * (PRICE / 2 / 20));
			assert!(Balances::total_issuance() <= before - round * (PRICE / 2 / 20));
		}
	});
}

#[test]
fn reputation_should_not_grow_when_inputs_were_not_attested() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_challengeable(&right(), &right());
		roll_past_deadline(id);
		assert_eq!(ending(id), (Phase::Settled, Some(ReasonCode::Paid)));
		for who in committee(id).into_iter().chain([requester(), provider()]) {
			assert!(outcomes(&who).is_empty());
		}
	});
}

#[test]
fn program_should_stay_when_a_job_needs_it() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_verifying(&right());
		assert!(Mock::remove_program(&PROGRAM).is_err());
		commit_wanted(id, &right());
		close(id);
		assert_ok!(reveal_result(id, &right()));
		while !phase(id).is_terminal() {
			roll_past_deadline(id);
		}
		assert_ok!(Mock::remove_program(&PROGRAM));
		assert_noop!(try_post(standard()), Error::<Test>::UnknownProgram);
	});
}

#[test]
fn stake_should_stay_locked_when_a_drawn_verifier_wants_to_leave() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_revealing(&right(), &right());
		let drawn = committee(id);
		Validators::kill();
		for who in &drawn {
			assert!(Locks::contains_key((who.clone(), id)));
			assert_ok!(reveal(id, who, &right()));
		}
		assert_ok!(reveal_result(id, &right()));
		roll_past_deadline(id);
		assert!(Locks::iter().next().is_none());
	});
}

/// Fees that an account cannot receive are burned, and never block the settlement.
#[test]
fn settlement_should_not_be_blocked_when_a_payee_cannot_receive() {
	ExtBuilder::default()
		.parameters(|p| p.verifier_fee = Permill::from_parts(8))
		.build_and_execute(|| {
			crate::Parameters::<Test>::mutate(|p| p.work_price = 1);
			let id = post_challengeable(&right(), &right());
			roll_past_deadline(id);
			assert_eq!(ending(id), (Phase::Settled, Some(ReasonCode::Paid)));
			for who in committee(id) {
				assert_eq!(free(&who), 0, "6 units are below the existential deposit");
			}
			assert_eq!(job(id).books.burned, PRICE / 20 + 18);
		});
}

/// A provider with a fraudulent result proves its own fraud before the honest verifiers could open
/// their verdicts: a job that ended now would make them look like its accomplices.
#[test]
fn honest_verifiers_should_not_be_reported_when_the_provider_proves_its_own_fraud() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_revealing(&wrong(), &right());
		let (bond, drawn) = (bond_of(id), committee(id));
		let before = free(&provider());
		assert_ok!(reveal_result(id, &wrong()));
		assert!(condemn(id, ReasonCode::ProvenFraud, &provider()));
		for who in &drawn {
			assert_ok!(reveal(id, who, &right()));
		}
		roll(1);
		assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::ProvenFraud)));
		assert_eq!(Vouchers::get(id), None);
		// And it has lost four fifths of its bond by it.
		assert_eq!(free(&provider()) - before, bond / 5);
		assert_eq!(FreeStake::get(provider()), STAKE - bond);
	});
}

/// Provider, prover and requester are one: at least half of the bond is burned all the same.
#[test]
fn fraud_should_not_pay_when_requester_provider_and_prover_are_one() {
	ExtBuilder::default().build_and_execute(|| {
		let ring = [requester(), provider(), bystander()];
		let own =
			|| ring.iter().map(|who| free(who) + held(who) + FreeStake::get(who)).sum::<u64>();
		let before = own();
		let id = post_challengeable(&wrong(), &wrong());
		let bond = bond_of(id);
		assert!(condemn(id, ReasonCode::ProvenFraud, &bystander()));
		assert_eq!(before - own(), bond - bond / 5 - bond / 4);
		assert!(before - own() > bond / 2);
	});
}

/// The provider leaks its root to all of the committee, which vouches for it unseen. One honest
/// outsider proves the fraud: the quorum does not help them.
#[test]
fn colluding_quorum_should_be_reported_when_one_outsider_proves_the_fraud() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_challengeable(&wrong(), &wrong());
		let drawn = committee(id);
		open_lane(id);
		roll_past_deadline(id);
		assert_eq!(phase(id), Phase::Challengeable, "the quorum alone would have been paid");
		assert!(condemn(id, ReasonCode::ProvenFraud, &bystander()));
		assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::ProvenFraud)));
		assert_eq!(Vouchers::get(id), Some(drawn.clone()));
		assert!(drawn.iter().all(|who| free(who) == 0));
		assert_eq!(free(&requester()), BALANCE + bond_of(id) / 4);
	});
}

/// A verifier that agrees with everything by committing and then waiting is caught by the wait.
#[test]
fn verifier_should_be_reported_when_it_commits_a_leaked_root_and_hides_it() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_verifying(&wrong());
		let drawn = committee(id);
		assert_ok!(commit(id, &drawn[0], &wrong()));
		assert_ok!(commit(id, &drawn[1], &right()));
		assert_ok!(commit(id, &drawn[2], &right()));
		close(id);
		assert_ok!(reveal_result(id, &wrong()));
		assert_ok!(reveal(id, &drawn[1], &right()));
		assert!(condemn(id, ReasonCode::ProvenFraud, &drawn[1]));
		assert_ok!(reveal(id, &drawn[2], &right()));
		roll_past_deadline(id);
		assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::ProvenFraud)));
		assert_eq!(Vouchers::get(id), Some(vec![drawn[0].clone()]));
		// Opening it after the end is too late.
		assert_eq!(reveal(id, &drawn[0], &wrong()), invalid(InvalidTransaction::Stale));
	});
}

/// Two provers race; the second must not be paid out of what the first has left, nor the bond of
/// another job be touched.
#[test]
fn bond_should_be_slashed_once_when_two_proofs_arrive() {
	ExtBuilder::default().build_and_execute(|| {
		let other = post_challengeable(&right(), &right());
		open_lane(other);
		let id = post_with_one_hidden(&wrong(), &right());
		let (bond, money) = (bond_of(id), all_money());
		assert!(condemn(id, ReasonCode::Withheld, &bystander()));
		assert!(!condemn(id, ReasonCode::ProvenFraud, &second_provider()));
		assert!(bond > 0);
		assert_eq!(free(&bystander()), BALANCE + test_parameters().least_price(WORK, 0));
		assert_eq!(free(&second_provider()), BALANCE);
		assert_eq!(Bonds::get((provider(), id)), None);
		assert_eq!(Bonds::get((provider(), other)), Some(bond_of(other)));
		assert_eq!(all_money(), money);
		roll_past_deadline(id);
		assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::Withheld)));
		assert_eq!(Bonds::get((provider(), other)), Some(bond_of(other)));
		assert_eq!(all_money(), money);
	});
}

/// The lane is alive when the deadline passes; the proof arrives a block before the agenda would
/// settle after the lane's end.
#[test]
fn proof_should_win_the_race_when_a_lane_was_alive_at_the_deadline() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_challengeable(&wrong(), &wrong());
		roll_to(job(id).deadline);
		open_lane(id);
		roll(1);
		assert_eq!(phase(id), Phase::Challengeable);
		close_lane(id);
		// In the block in which the lane has ended the result is still not paid.
		assert!(condemn(id, ReasonCode::ProvenFraud, &bystander()));
		roll(1);
		assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::ProvenFraud)));
	});
}

/// A session key signs a dispute's move; no call of this pallet accepts it as anything else.
#[test]
fn challenge_signature_should_open_nothing_when_it_is_used_for_a_verdict() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_verifying(&right());
		let who = committee(id)[0].clone();
		let challenge = VerifierAction::Challenge { hash: [1; 32] };
		assert_eq!(
			Market::check_action(id, &order(id), &who, &challenge).err(),
			Some(Error::<Test>::WrongPhase)
		);
		let key = pair(&seed_of(&who));
		let signature = sign(&key, &Market::genesis_hash(), id, &who, 0, &challenge);
		let ticket = ticket(id, &who);
		let action = VerifierAction::CommitVerdict { commitment: [1; 32], ticket };
		let call = call_with(id, &who, action, None, signature);
		assert_eq!(apply(call), invalid(InvalidTransaction::BadProof));
	});
}
