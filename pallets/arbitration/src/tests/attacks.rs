//! Attacks by name, as `docs/protocol` lists them.

use super::*;
use crate::{refusal, AliveLanes, Folds, Opened, ProofCommitments, MAX_PROOF_COMMITMENTS};
use assay_market::Arbitration as _;
use assay_referee::ProofPart;

fn the_proof(run: &Run) -> ProofPart {
	run.proof(run.lie_accused()).remove(0)
}

/// Self-demands to crowd out a challenger: lanes run in parallel, and none waits for another.
#[test]
fn challenger_should_not_be_delayed_when_the_provider_demands_of_itself() {
	execute(|| {
		let id = post(lying_deep());
		for index in 0..100 {
			assert_ok!(demand(id, &account(100 + index), None));
		}
		assert_ok!(demand(id, &provider(), None));
		let start = now();
		let accused = descend(id, &challenger(), lying_deep(), honest());
		assert_ok!(prove_fraud(id, &challenger(), &lying_deep().proof(accused)[0]));
		assert_eq!(now(), start);
		assert_eq!(condemned(id), proven(&challenger()));
	});
}

/// The same with silence: the demand that stays open fails the job on time, whoever else is in
/// line.
#[test]
fn withheld_opening_should_fail_the_job_on_time_when_others_fill_the_agenda() {
	execute(|| {
		let id = post(lying());
		assert_ok!(demand(id, &challenger(), None));
		for index in 0..30 {
			let other = post(honest());
			assert_ok!(demand(other, &account(100 + index), None));
			assert_ok!(answer(other, &account(100 + index), honest()));
		}
		roll(ANSWER_TIME + 1);
		assert_eq!(condemned(id), withheld(&challenger()));
		assert_eq!(wrong_step(id), None);
	});
}

#[test]
fn account_should_not_get_a_second_lane_in_one_job() {
	execute(|| {
		let id = post(lying());
		assert_ok!(demand(id, &challenger(), None));
		assert_noop!(demand(id, &challenger(), None), Error::<Test>::AnswerPending);
		assert_ok!(answer(id, &challenger(), lying()));
		assert_noop!(demand(id, &challenger(), None), Error::<Test>::WrongChild);
		assert_ok!(commit_with(id, &challenger(), [1; 32]));
		assert_eq!(AliveLanes::<Test>::get(id), 1);
		assert_eq!(held(&challenger()), DEPOSIT);
		assert_ok!(demand(id, &other(), None));
		let again = post(lying());
		assert_ok!(demand(again, &challenger(), None));
		assert_eq!(held(&challenger()), 2 * DEPOSIT, "in another job it may");
	});
}

/// Junk proof commitments cost a deposit each, pay nobody and stop no proof.
#[test]
fn junk_commitments_should_earn_nothing_when_a_proof_comes() {
	execute(|| {
		let id = post(lying());
		for index in 0..MAX_PROOF_COMMITMENTS as u8 {
			let who = account(100 + index);
			assert_ok!(commit_with(id, &who, [index; 32]));
		}
		assert_ok!(prove_fraud(id, &challenger(), &the_proof(lying())));
		assert_eq!(condemned(id), proven(&challenger()));
		assert_eq!(free(&challenger()), BALANCE + BOND / 5);
		let id = post(honest());
		assert_ok!(commit_with(id, &other(), [9; 32]));
		// The lanes of the other job fill a few blocks of the agenda.
		roll(PROOF_TIME + 10);
		assert_eq!(closed(id, &other()), Some((0, DEPOSIT / 2, DEPOSIT - DEPOSIT / 2)));
	});
}

/// A stolen proof pays the one who was bound to it first.
#[test]
fn stolen_proof_should_pay_its_author_when_a_copy_is_included_first() {
	execute(|| {
		let id = post(lying());
		let part = the_proof(lying());
		assert_ok!(commit(id, &challenger(), &part));
		roll(1);
		// The thief commits too, once it has seen the proof, and is quicker.
		assert_ok!(commit(id, &other(), &part));
		assert_ok!(prove_fraud(id, &other(), &part));
		assert_eq!(condemned(id), proven(&challenger()));
		assert_eq!(free(&challenger()), BALANCE - DEPOSIT + BOND / 5);
		assert_eq!(closed(id, &other()), Some((deposit_after(1), 0, 0)));
		assert_ok!(poke(id, &challenger()));
		assert_eq!(free(&challenger()), BALANCE + BOND / 5);
	});
}

#[test]
fn stolen_proof_should_pay_its_author_when_every_part_was_stolen() {
	execute(|| {
		let id = post(lying_long());
		let parts = lying_long().proof(lying_long().lie_accused());
		assert_ok!(commit(id, &challenger(), &parts[0]));
		assert_ok!(demand(id, &other(), None));
		for part in &parts {
			assert_ok!(prove_fraud(id, &other(), part));
		}
		assert_eq!(condemned(id), proven(&challenger()));
	});
}

/// A commitment binds the account: a copy of it is worth nothing.
#[test]
fn copied_commitment_should_pay_its_author_and_not_the_copier() {
	execute(|| {
		let id = post(lying());
		let part = the_proof(lying());
		let mine = commitment(id, &challenger(), &part);
		// The copier is even earlier.
		assert_ok!(commit_with(id, &other(), mine));
		assert_ok!(prove_fraud(id, &other(), &part));
		assert_eq!(condemned(id), proven(&other()), "as the sender: nobody is bound to it");
		let id = post(lying());
		let mine = commitment(id, &challenger(), &part);
		assert_ok!(commit_with(id, &other(), mine));
		assert_ok!(commit_with(id, &challenger(), mine));
		assert_ok!(prove_fraud(id, &other(), &part));
		assert_eq!(condemned(id), proven(&challenger()));
	});
}

/// A commitment binds the job and the chain.
#[test]
fn commitment_should_not_fit_another_job() {
	execute(|| {
		let (first, second) = (post(lying()), post(lying()));
		let part = the_proof(lying());
		let elsewhere = commitment(first, &challenger(), &part);
		assert_ok!(commit_with(second, &challenger(), elsewhere));
		assert_ok!(prove_fraud(second, &other(), &part));
		assert_eq!(condemned(second), proven(&other()));
		assert!(!job(first).ended);
	});
}

/// A proof against one result says nothing about another, not even of the same program.
#[test]
fn proof_should_be_invalid_when_it_is_replayed_on_another_job() {
	execute(|| {
		let part = the_proof(lying());
		let truth = post(honest());
		refused!(prove_fraud(truth, &challenger(), &part), Error::<Test>::ProofTrace);
		let other_lie = post(lying_deep());
		refused!(prove_fraud(other_lie, &challenger(), &part), Error::<Test>::ProofTrace);
		let once = post(lying_once());
		refused!(prove_fraud(once, &challenger(), &part), Error::<Test>::ProofOutOfRange);
		let other_program = post(lying_long());
		refused!(prove_fraud(other_program, &challenger(), &part), Error::<Test>::ProofOutOfRange);
		// The same result is as wrong in every job.
		let (first, second) = (post(lying()), post(lying()));
		assert_ok!(prove_fraud(first, &challenger(), &part));
		assert_ok!(prove_fraud(second, &challenger(), &part));
	});
}

/// Beginning a folded proof again would give M blocks each time.
#[test]
fn fold_should_not_keep_a_job_open_when_it_is_begun_again() {
	execute(|| {
		let id = post(honest_long());
		let accused = honest_long().accusation(Lie { step: 0, anchor: 0, tile: 0 });
		let parts = honest_long().proof(accused);
		assert_ok!(demand(id, &challenger(), None));
		assert_ok!(answer(id, &challenger(), honest_long()));
		assert_ok!(prove_fraud(id, &challenger(), &parts[0]));
		roll(3);
		let before = lane(id, &challenger());
		refused!(prove_fraud(id, &challenger(), &parts[0]), Error::<Test>::WrongPart);
		assert_eq!(lane(id, &challenger()), before);
		for part in &parts[1..parts.len() - 1] {
			assert_ok!(prove_fraud(id, &challenger(), part));
		}
		let before = lane(id, &challenger());
		roll(1);
		// The last part can be sent as often as one likes to pay for it. It gives no time.
		let last = parts.last().expect("several");
		for _ in 0..3 {
			refused!(prove_fraud(id, &challenger(), last), Error::<Test>::NotWrong);
		}
		assert_eq!(lane(id, &challenger()).deadline, before.deadline);
	});
}

#[test]
fn fold_should_cost_the_deposit_and_leave_nothing_when_it_is_abandoned() {
	execute(|| {
		let id = post(lying_long());
		let parts = lying_long().proof(lying_long().lie_accused());
		assert_ok!(demand(id, &challenger(), None));
		assert_ok!(answer(id, &challenger(), lying_long()));
		assert_ok!(prove_fraud(id, &challenger(), &parts[0]));
		roll(PROOF_TIME + 1);
		assert_eq!(closed(id, &challenger()), Some((0, DEPOSIT / 2, DEPOSIT - DEPOSIT / 2)));
		assert!(!Folds::<Test>::contains_key(id, challenger()));
		assert_eq!(Opened::<Test>::iter().count(), 0);
		// A new lane begins with the first part again.
		assert_ok!(demand(id, &challenger(), None));
		refused!(prove_fraud(id, &challenger(), &parts[1]), Error::<Test>::WrongPart);
		for part in &parts {
			assert_ok!(prove_fraud(id, &challenger(), part));
		}
		assert_eq!(condemned(id), proven(&challenger()));
	});
}

/// Nobody goes on with the accumulators of another account's fold.
#[test]
fn fold_should_not_be_continued_by_another_account() {
	execute(|| {
		let id = post(lying_long());
		let parts = lying_long().proof(lying_long().lie_accused());
		for who in [challenger(), other()] {
			assert_ok!(demand(id, &who, None));
		}
		assert_ok!(prove_fraud(id, &challenger(), &parts[0]));
		refused!(prove_fraud(id, &other(), &parts[1]), Error::<Test>::WrongPart);
		assert_ok!(prove_fraud(id, &challenger(), &parts[1]));
	});
}

/// What can be done in a lane at its deadline to gain time, in the order of `choice`; whether
/// anything was.
fn stall(id: u64, who: &AccountId, run: &Run, parts: &[ProofPart], choice: &mut u64) -> bool {
	let before = lane(id, who);
	for _ in 0..4 {
		*choice = choice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
		// Most attempts are refused; what gained no time was none.
		let _ = match (*choice >> 33) % 4 {
			0 => commit_with(id, who, [1; 32]),
			1 => match before.turn {
				Turn::Answer(_) => answer(id, who, run).map(|_| ()).map_err(|e| e.error),
				Turn::Move => Ok(()),
			},
			2 => {
				let child = (before.answers > 0).then_some((*choice >> 40) as u32 % 3);
				demand(id, who, child)
			}
			_ => {
				let next = Folds::<Test>::get(id, who).map_or(0, |fold| fold.next);
				let part = &parts[next as usize];
				prove_fraud(id, who, part).map(|_| ()).map_err(|e| e.error)
			}
		};
		if lane(id, who) != before {
			return true;
		}
	}
	false
}

/// A lane kept alive for ever: no order of moves, each at the last moment and with the provider's
/// help, takes longer than the bound that the lifetime of jobs is computed with.
#[test]
fn lane_should_end_within_its_bound_when_the_challenger_does_all_to_prolong_it() {
	let mut longest = 0;
	for (run, lie) in [
		(honest(), Lie { step: 1, anchor: NEXT, tile: 0 }),
		(honest_long(), Lie { step: 0, anchor: 0, tile: 0 }),
	] {
		let parts = run.proof(run.accusation(lie));
		// A commitment and every part but the last one give K blocks each.
		let bound = u64::from(run.openings()) * (ANSWER_TIME + MOVE_TIME)
			+ MOVE_TIME
			+ parts.len() as u64 * PROOF_TIME;
		for seed in 0..60 {
			let mut choice = seed;
			execute(|| {
				let who = challenger();
				let id = post(run);
				roll_to(job(id).deadline);
				let opened = now();
				match seed % 2 {
					0 => {
						assert_ok!(demand(id, &who, None));
					}
					_ => {
						assert_ok!(commit_with(id, &who, [1; 32]));
					}
				}
				loop {
					roll_to(lane(id, &who).deadline);
					while now() == lane(id, &who).deadline
						&& stall(id, &who, run, &parts, &mut choice)
					{}
					let deadline = lane(id, &who).deadline;
					assert!(
						deadline - opened <= bound,
						"seed {seed}: {deadline} - {opened} > {bound}"
					);
					if deadline == now() {
						break;
					}
				}
				longest = longest.max(now() - opened);
				roll(1);
				assert!(!has_lane(id, &who), "seed {seed}");
				roll(1);
				assert!(job(id).ended, "seed {seed}");
			});
		}
	}
	assert!(longest >= 4 * (ANSWER_TIME + MOVE_TIME), "the longest way was tried: {longest}");
}

/// False accuser: a drawn verifier's first invalid proof uses its free lane up, and cannot be sent
/// again.
#[test]
fn invalid_proof_should_use_up_the_lane_when_a_verifier_sends_it_for_free() {
	execute(|| {
		let id = post(honest());
		let who = verifier(0);
		assert_ok!(act_demand(id, &who, None));
		assert_ok!(answer(id, &who, honest()));
		let accused = honest().accusation(Lie { step: 1, anchor: NEXT, tile: 0 });
		let part = honest().proof(accused).remove(0);
		let call = move_call(id, &who, ChallengeMove::Prove { part: Box::new(part) });
		assert_ok!(apply(call.clone()));
		assert_emitted!(Event::ProofRejected {
			job: id,
			challenger: who.clone(),
			error: Error::<Test>::NotWrong.into(),
		});
		assert!(!has_lane(id, &who));
		// It was signed for how the lane stood.
		assert_eq!(apply(call), invalid(InvalidTransaction::BadProof));
		let code = InvalidTransaction::Custom(refusal::LANE_USED_UP);
		assert_eq!(act_demand(id, &who, None), invalid(code));
		let commit = ChallengeMove::CommitProof { commitment: [1; 32] };
		assert_eq!(act(id, &who, commit), invalid(code));
		assert!(!job(id).ended);
	});
}

#[test]
fn invalid_proof_should_cost_the_deposit_when_the_verifier_had_put_one_up() {
	execute(|| {
		let id = post(honest());
		let who = verifier(0);
		assert_ok!(demand(id, &who, None));
		assert_ok!(answer(id, &who, honest()));
		let accused = honest().accusation(Lie { step: 1, anchor: NEXT, tile: 0 });
		assert_ok!(act_prove(id, &who, &honest().proof(accused)[0]));
		assert_eq!(closed(id, &who), Some((0, DEPOSIT / 2, DEPOSIT - DEPOSIT / 2)));
	});
}

/// A forged move: another key, or a signature for something else.
#[test]
fn move_should_be_refused_when_its_signature_is_not_for_it() {
	execute(|| {
		let id = post(lying());
		let elsewhere = post(lying());
		let who = verifier(0);
		let action = ChallengeMove::Demand { child: None };
		let bad = invalid(InvalidTransaction::BadProof);
		let genesis = Arbitration::genesis_hash();
		let key = pair(&who);
		let forgeries = [
			sign(&pair(&verifier(1)), &genesis, id, &who, 0, &action),
			sign(&key, &[9; 32], id, &who, 0, &action),
			sign(&key, &genesis, elsewhere, &who, 0, &action),
			sign(&key, &genesis, id, &verifier(1), 0, &action),
			sign(&key, &genesis, id, &who, 1, &action),
			sign(&key, &genesis, id, &who, 0, &ChallengeMove::Demand { child: Some(0) }),
			sign(&key, &genesis, id, &who, 0, &ChallengeMove::CommitProof { commitment: [0; 32] }),
		];
		for (at, signature) in forgeries.into_iter().enumerate() {
			let call = call_with(id, &who, action.clone(), 0, signature);
			assert_eq!(apply(call), bad, "forgery {at}");
		}
		let signature = sign(&key, &genesis, id, &who, 0, &action);
		assert_eq!(apply(call_with(id, &who, action.clone(), 1, signature.clone())), bad);
		assert_ok!(apply(call_with(id, &who, action, 0, signature)));
	});
}

#[test]
fn move_should_be_refused_when_it_is_dispatched_without_authorization() {
	use sp_runtime::{traits::Dispatchable, DispatchError};
	execute(|| {
		let id = post(lying());
		let call = move_call(id, &verifier(0), ChallengeMove::Demand { child: None });
		for origin in
			[RuntimeOrigin::signed(verifier(0)), RuntimeOrigin::root(), RuntimeOrigin::none()]
		{
			let refused = call.clone().dispatch(origin).map_err(|error| error.error);
			assert_eq!(refused.map(|_| ()), Err(DispatchError::BadOrigin));
		}
		assert!(!has_lane(id, &verifier(0)));
	});
}

/// A verifier's signed move is public. Sent again after the next answer it would lead the lane
/// astray, for good, since lanes go strictly downwards.
#[test]
fn move_should_be_refused_when_it_is_replayed_further_down() {
	execute(|| {
		let id = post(lying());
		let who = verifier(0);
		assert_ok!(act_demand(id, &who, None));
		assert_ok!(answer(id, &who, lying()));
		// In the run tree the second child differs, in the trace tree of that step the first.
		let second = move_call(id, &who, ChallengeMove::Demand { child: Some(1) });
		assert_ok!(apply(second.clone()));
		assert_eq!(apply(second.clone()), invalid(InvalidTransaction::Future));
		assert_ok!(answer(id, &who, lying()));
		let (child, _) = next_child(id, &who, honest());
		assert_eq!(child, NEXT);
		assert!(Arbitration::next_place(
			id,
			&who,
			Some(&lane(id, &who)),
			Some(1),
			&Arbitration::result_of(id, &order(id)).expect("open"),
			&Arbitration::shape_of(&Arbitration::result_of(id, &order(id)).expect("open"))
				.expect("known"),
		)
		.is_err_and(|error| error == Error::<Test>::AtTheTile));
		assert_eq!(apply(second), invalid(InvalidTransaction::BadProof));
		// WIDE is below child 2: a demand for it would be a good one, had it been signed for here.
		let stray = sign(
			&pair(&who),
			&Arbitration::genesis_hash(),
			id,
			&who,
			0,
			&ChallengeMove::Demand { child: Some(WIDE) },
		);
		assert_ok!(act_demand(id, &who, Some(NEXT)));
		assert_ok!(answer(id, &who, lying()));
		let call = call_with(id, &who, ChallengeMove::Demand { child: Some(WIDE) }, 0, stray);
		assert_eq!(apply(call), invalid(InvalidTransaction::BadProof));
	});
}

#[test]
fn demand_should_not_be_replayed_where_it_would_still_make_sense() {
	execute(|| {
		// Two levels in which the same child can be demanded: steps 0.. and anchors 0..
		let id = post(lying_deep());
		let who = verifier(0);
		assert_ok!(act_demand(id, &who, None));
		assert_ok!(answer(id, &who, lying_deep()));
		let call = move_call(id, &who, ChallengeMove::Demand { child: Some(2) });
		assert_ok!(apply(call.clone()));
		assert_ok!(answer(id, &who, lying_deep()));
		// Child 2 is a group here as well, so that only the signature tells the two apart.
		assert_eq!(apply(call), invalid(InvalidTransaction::BadProof));
		assert_ok!(act_demand(id, &who, Some(WIDE)));
	});
}

/// Anyone may answer, which helps nobody to cheat: there is one answer.
#[test]
fn answer_of_a_third_party_should_save_the_provider_and_nothing_else() {
	execute(|| {
		let id = post(honest());
		assert_ok!(demand(id, &challenger(), None));
		let children = honest().children(demanded(id, &challenger()));
		let mut wrong = children.clone();
		wrong[0][0] ^= 1;
		refused!(answer_with(id, &challenger(), &bystander(), wrong), Error::<Test>::WrongAnswer);
		assert_ok!(answer_with(id, &challenger(), &bystander(), children));
		roll(ANSWER_TIME + 1);
		assert_eq!(condemned(id), None);
	});
}

/// A tree that cannot be opened: whatever its root hides, no answer fits, and silence costs the
/// bond.
#[test]
fn root_of_nothing_should_fail_as_withheld_when_it_is_demanded() {
	execute(|| {
		let id = post(lying());
		crate::mock::FakeJobs::mutate(id, |job| {
			job.as_mut().expect("posted").run_root = [0xab; 32];
		});
		assert_ok!(demand(id, &challenger(), None));
		for run in [lying(), honest()] {
			refused!(answer(id, &challenger(), run), Error::<Test>::WrongAnswer);
		}
		roll(ANSWER_TIME + 1);
		assert_eq!(condemned(id), withheld(&challenger()));
	});
}

/// One honest outsider wins against a provider and verifiers that agree.
#[test]
fn outsider_should_win_when_provider_and_verifiers_collude() {
	execute(|| {
		let id = post(lying());
		crate::mock::Seats::mutate(id, |seats| seats.iter_mut().for_each(|seat| seat.2 = false));
		let accused = descend(id, &challenger(), lying(), honest());
		assert_ok!(prove_fraud(id, &challenger(), &lying().proof(accused)[0]));
		assert_eq!(condemned(id), proven(&challenger()));
	});
}

/// Settle race: a lane of the very last block is looked at before the job settles.
#[test]
fn job_should_not_settle_when_a_lane_is_opened_in_its_last_block() {
	execute(|| {
		let id = post(lying());
		roll_to(job(id).deadline);
		assert_ok!(commit_with(id, &challenger(), [1; 32]));
		roll(PROOF_TIME);
		assert!(Arbitration::is_disputed(id) && !job(id).ended);
		assert_ok!(prove_fraud(id, &challenger(), &the_proof(lying())));
		assert_eq!(condemned(id), proven(&challenger()));
		assert!(!ProofCommitments::<Test>::contains_key(id));
	});
}
