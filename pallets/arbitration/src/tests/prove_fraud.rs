use super::*;
use crate::{AliveLanes, Folds};
use assay_referee::{Accusation, ProofPart};

fn the_proof(run: &Run) -> ProofPart {
	run.proof(run.lie_accused()).remove(0)
}

#[test]
fn proof_should_condemn_at_once_and_for_free_when_its_sender_has_no_lane() {
	execute(|| {
		for run in [lying(), lying_deep(), lying_once()] {
			let id = post(run);
			let info = prove_fraud(id, &bystander(), &the_proof(run)).expect("a true proof");
			assert_eq!(info.pays_fee, Pays::No);
			assert_eq!(condemned(id), proven(&bystander()));
			assert_eq!(wrong_step(id), Some(run.lie_accused().step));
			assert_emitted!(Event::FraudProven {
				job: id,
				accusation: run.lie_accused(),
				prover: bystander(),
			});
		}
		assert_eq!(free(&bystander()), BALANCE + 3 * BOND / 5);
	});
}

#[test]
fn proof_should_give_the_deposit_back_when_its_sender_has_a_lane() {
	execute(|| {
		let id = post(lying());
		let accused = descend(id, &challenger(), lying(), honest());
		assert_eq!(accused, lying().lie_accused());
		assert_ok!(prove_fraud(id, &challenger(), &the_proof(lying())));
		assert_eq!(closed(id, &challenger()), Some((DEPOSIT, 0, 0)));
		assert_eq!(free(&challenger()), BALANCE + BOND / 5);
		assert!(!has_lane(id, &challenger()));
	});
}

#[test]
fn proof_should_stand_when_the_challenger_has_only_what_it_was_shown() {
	// As a challenger makes it: its own replay, and the groups of its lane.
	use assay_commitments::Tree;
	use assay_program::Source;
	use assay_referee::{prove_all, Evidence, OpenedTree, Record, Ruling};
	use std::collections::BTreeMap;
	execute(|| {
		let (run, own) = (lying(), honest());
		let id = post(run);
		let accused = descend(id, &challenger(), run, own);
		let view = Arbitration::lane(id, challenger()).expect("open");
		let step = accused.step as usize;
		let of =
			|tree, place: &dyn Fn(Place) -> Option<(u32, u64)>, root, leaves: Vec<[u8; 32]>| {
				let mut opened = OpenedTree::new(tree, root, leaves).expect("leaves");
				for (at, children) in &view.opened {
					if let Some((level, index)) = place(*at) {
						assert!(opened.add(level, index, children));
					}
				}
				opened
			};
		let run_tree = of(
			Tree::Run,
			&|place| match place {
				Place::Run { level, index } => Some((level, index)),
				_ => None,
			},
			job(id).run_root,
			own.traces.clone(),
		);
		let trace = of(
			Tree::Trace,
			&|place| match place {
				Place::Trace { level, index, .. } => Some((level, index)),
				_ => None,
			},
			run_tree.leaf(accused.step.into()).expect("opened"),
			own.roots[step].clone(),
		);
		let root = trace.leaf(NEXT.into()).expect("opened");
		let mut tensor =
			OpenedTree::of_tensor(root, &own.anchors[step][NEXT as usize]).expect("whole tiles");
		for (place, children) in &view.opened {
			if let Place::Tensor { level, index, .. } = place {
				assert!(tensor.add(*level, *index, children));
			}
		}
		let inputs = &own.task.inputs;
		let tensors = BTreeMap::from([
			(Source::Input(0), inputs[0].to_canonical()),
			(Source::State(0), own.anchors[step - 1][NEXT as usize].clone()),
		]);
		let input_roots = own.input_roots();
		let record = Record {
			program: &own.task.program,
			checked: &own.task.checked,
			input_roots: &input_roots,
			steps: 3,
			run_root: job(id).run_root,
			list: None,
		};
		let before = own.roots[step - 1].clone();
		let evidence = Evidence {
			run: &run_tree,
			trace: &trace,
			list: None,
			tensor: &tensor,
			before: Some(&before),
			tensors: &tensors,
		};
		let (parts, ruling) = prove_all(&record, &evidence, accused).expect("all is known");
		assert_eq!(ruling, Ruling::Fraud);
		assert_eq!(parts[0], the_proof(run), "an opening is unique");
		assert_ok!(prove_fraud(id, &challenger(), &parts[0]));
	});
}

#[test]
fn proof_should_be_refused_when_the_tile_is_right() {
	execute(|| {
		let id = post(lying());
		for lie in [
			Lie { step: 0, anchor: NEXT, tile: 4 },
			Lie { step: 1, anchor: NEXT, tile: 3 },
			Lie { step: 2, anchor: NEXT, tile: 4 },
			Lie { step: 1, anchor: WIDE, tile: 300 },
		] {
			let part = &lying().proof(lying().accusation(lie))[0];
			refused!(prove_fraud(id, &challenger(), part), Error::<Test>::NotWrong);
		}
		// What follows from the lie inside its own step is wrong too: the maximum was not taken of
		// it.
		assert!(!job(id).ended);
		let id = post(honest());
		for (anchor, tile) in [(NEXT, 5), (TOP, 0), (WIDE, 0)] {
			for step in 0..3 {
				let accused = honest().accusation(Lie { step, anchor, tile });
				let part = &honest().proof(accused)[0];
				refused!(prove_fraud(id, &challenger(), part), Error::<Test>::NotWrong);
			}
		}
	});
}

/// Each way in which a proof can be broken has a name.
#[test]
fn proof_should_be_refused_by_name_when_anything_in_it_is_wrong() {
	execute(|| {
		let id = post(lying());
		let right = the_proof(lying());
		type Change = fn(&mut ProofPart);
		let changes: Vec<(Change, Error<Test>)> = vec![
			(|p| p.accusation.step = 3, Error::ProofOutOfRange),
			(|p| p.accusation.step = u32::MAX, Error::ProofOutOfRange),
			(|p| p.accusation.tile = 6, Error::ProofOutOfRange),
			(|p| p.accusation.tile = u64::MAX, Error::ProofOutOfRange),
			(|p| p.accusation.node = 0, Error::ProofNotAnAnchor),
			(|p| p.accusation.node = u32::MAX, Error::ProofNotAnAnchor),
			(|p| p.part = 1, Error::WrongPart),
			(|p| p.trace.0[0] ^= 1, Error::ProofTrace),
			(|p| p.trace.1.siblings.clear(), Error::ProofTrace),
			(|p| p.trace.1.siblings.push([0; 32]), Error::ProofTrace),
			(|p| p.accusation.step = 2, Error::ProofTrace),
			(|p| p.before = None, Error::ProofBefore),
			(|p| p.before = Some(p.trace.clone()), Error::ProofBefore),
			(|p| p.anchors.roots[0][0] ^= 1, Error::ProofAnchors),
			(|p| p.anchors.roots.clear(), Error::ProofAnchors),
			(|p| p.anchors.siblings.push([0; 32]), Error::ProofAnchors),
			(|p| p.states.roots[0][0] ^= 1, Error::ProofStates),
			(|p| p.states.siblings.clear(), Error::ProofStates),
			(|p| p.claimed.0[0] ^= 1, Error::ProofClaimed),
			(|p| p.accusation.tile = 3, Error::ProofClaimed),
			(|p| p.operands.truncate(1), Error::ProofIncomplete),
			(|p| p.operands.push(p.operands[0].clone()), Error::ProofIncomplete),
			(|p| p.operands.swap(0, 1), Error::ProofOperand),
			(|p| p.operands[0].tiles[100] ^= 1, Error::ProofOperand),
			(|p| p.operands[0].tiles.truncate(1_000), Error::ProofOperand),
			(|p| p.operands[1].siblings.truncate(0), Error::ProofOperand),
			(|p| p.operands[1].tiles.extend([0; 1_024]), Error::ProofOperand),
		];
		for (at, (change, error)) in changes.into_iter().enumerate() {
			let mut part = right.clone();
			change(&mut part);
			let found = prove_fraud(id, &challenger(), &part).map_err(|e| e.error);
			assert_eq!(found.map(|_| ()), Err(error.into()), "change {at}");
		}
		assert!(Arbitration::do_try_state().is_ok() && !job(id).ended);
		assert_ok!(prove_fraud(id, &challenger(), &right));
	});
}

#[test]
fn proof_should_be_refused_when_a_state_is_opened_for_a_tile_that_reads_none() {
	execute(|| {
		let id = post(lying_deep());
		let mut part = the_proof(lying_deep());
		assert_eq!(part.before, None);
		part.before = Some(part.trace.clone());
		refused!(prove_fraud(id, &challenger(), &part), Error::<Test>::ProofBefore);
		part.before = None;
		part.states.siblings.push([0; 32]);
		refused!(prove_fraud(id, &challenger(), &part), Error::<Test>::ProofStates);
	});
}

#[test]
fn proof_should_be_refused_when_there_is_nothing_to_dispute() {
	execute(|| {
		let part = the_proof(lying());
		refused!(prove_fraud(5, &challenger(), &part), Error::<Test>::NothingToDispute);
		EndsLater::set(true);
		let id = post(lying());
		assert_ok!(prove_fraud(id, &challenger(), &part));
		refused!(prove_fraud(id, &other(), &part), Error::<Test>::NothingToDispute);
		assert_eq!(condemned(id), proven(&challenger()));
		end_job(id);
	});
}

#[test]
fn proof_should_count_after_the_base_deadline_when_a_lane_of_anyone_keeps_the_job_open() {
	execute(|| {
		let id = post(lying());
		roll_to(job(id).deadline);
		assert_ok!(demand(id, &other(), None));
		roll(1);
		assert_ok!(prove_fraud(id, &bystander(), &the_proof(lying())));
		assert_eq!(condemned(id), proven(&bystander()));
	});
}

#[test]
fn proof_should_be_accepted_when_an_answer_is_owed_to_its_sender() {
	execute(|| {
		let id = post(lying());
		assert_ok!(demand(id, &challenger(), None));
		assert_ok!(prove_fraud(id, &challenger(), &the_proof(lying())));
		assert_eq!(closed(id, &challenger()), Some((DEPOSIT, 0, 0)));
	});
}

#[test]
fn proof_should_close_the_other_lanes_with_their_deposits_when_the_job_ends() {
	execute(|| {
		let id = post(lying());
		assert_ok!(demand(id, &other(), None));
		assert_ok!(prove_fraud(id, &challenger(), &the_proof(lying())));
		assert!(has_lane(id, &other()), "until the agenda comes to it, or a poke");
		assert_eq!(AliveLanes::<Test>::get(id), 0);
		assert_ok!(poke(id, &other()));
		assert_eq!(closed(id, &other()), Some((DEPOSIT, 0, 0)));
	});
}

/// All parts of the proof about [`lying_long`].
fn parts() -> Vec<ProofPart> {
	let parts = lying_long().proof(lying_long().lie_accused());
	assert!(parts.len() > 2, "{} parts", parts.len());
	parts
}

#[test]
fn folded_proof_should_condemn_with_its_last_part_when_all_come_in_order() {
	execute(|| {
		let id = post(lying_long());
		let parts = parts();
		assert_ok!(demand(id, &challenger(), None));
		assert_ok!(answer(id, &challenger(), lying_long()));
		let (last, first) = parts.split_last().expect("several");
		for (at, part) in first.iter().enumerate() {
			roll(MOVE_TIME);
			let info = prove_fraud(id, &challenger(), part).expect("the next part");
			assert_eq!(info.pays_fee, Pays::Yes, "it proves nothing yet");
			assert_eq!(lane(id, &challenger()).deadline, now() + PROOF_TIME);
			let fold = Folds::<Test>::get(id, challenger()).expect("kept");
			assert_eq!((fold.next, fold.accumulators.len()), (at as u32 + 1, 1));
			assert_emitted!(Event::ProofPartAccepted {
				job: id,
				challenger: challenger(),
				part: at as u32,
			});
		}
		assert_ok!(prove_fraud(id, &challenger(), last));
		assert_eq!(condemned(id), proven(&challenger()));
		assert!(!Folds::<Test>::contains_key(id, challenger()));
		assert_eq!(closed(id, &challenger()), Some((DEPOSIT, 0, 0)));
	});
}

#[test]
fn folded_proof_should_end_with_not_wrong_when_the_result_is_right() {
	execute(|| {
		let id = post(honest_long());
		let accused = Accusation { step: 0, node: 0, tile: 0 };
		let parts = honest_long().proof(accused);
		assert_ok!(demand(id, &challenger(), None));
		let (last, first) = parts.split_last().expect("several");
		for part in first {
			assert_ok!(prove_fraud(id, &challenger(), part));
		}
		refused!(prove_fraud(id, &challenger(), last), Error::<Test>::NotWrong);
		assert_eq!(condemned(id), None);
	});
}

#[test]
fn folded_proof_should_be_refused_when_its_sender_has_no_lane() {
	execute(|| {
		let id = post(lying_long());
		let parts = parts();
		refused!(prove_fraud(id, &challenger(), &parts[0]), Error::<Test>::NeedsLane);
		refused!(prove_fraud(id, &challenger(), &parts[1]), Error::<Test>::WrongPart);
	});
}

#[test]
fn folded_proof_should_be_refused_when_a_part_is_out_of_order() {
	execute(|| {
		let id = post(lying_long());
		let parts = parts();
		assert_ok!(demand(id, &challenger(), None));
		refused!(prove_fraud(id, &challenger(), &parts[1]), Error::<Test>::WrongPart);
		assert_ok!(prove_fraud(id, &challenger(), &parts[0]));
		for part in [&parts[0], &parts[2]] {
			refused!(prove_fraud(id, &challenger(), part), Error::<Test>::WrongPart);
		}
		let mut mislabelled = parts[2].clone();
		mislabelled.part = 1;
		let found = prove_fraud(id, &challenger(), &mislabelled).map_err(|e| e.error);
		assert_eq!(found.map(|_| ()), Err(Error::<Test>::ProofOperand.into()));
		assert_ok!(prove_fraud(id, &challenger(), &parts[1]));
	});
}

#[test]
fn folded_proof_should_be_refused_when_a_part_accuses_something_else() {
	execute(|| {
		let id = post(lying_long());
		let parts = parts();
		assert_ok!(demand(id, &challenger(), None));
		assert_ok!(prove_fraud(id, &challenger(), &parts[0]));
		type Change = fn(&mut ProofPart);
		let changes: &[Change] = &[
			|p| p.claimed.0[0] ^= 1,
			|p| p.accusation.tile = 1,
			|p| p.accusation.step = 1,
			|p| p.accusation.node = 1,
		];
		for change in changes {
			let mut part = parts[1].clone();
			change(&mut part);
			refused!(prove_fraud(id, &challenger(), &part), Error::<Test>::OtherAccusation);
		}
	});
}

#[test]
fn folded_proof_should_be_refused_when_the_next_part_is_late() {
	execute(|| {
		let id = post(lying_long());
		let parts = parts();
		assert_ok!(demand(id, &challenger(), None));
		assert_ok!(answer(id, &challenger(), lying_long()));
		let deadline = lane(id, &challenger()).deadline;
		skip_to(deadline + 1);
		refused!(prove_fraud(id, &challenger(), &parts[0]), Error::<Test>::DeadlinePassed);
		skip_to(deadline);
		assert_ok!(prove_fraud(id, &challenger(), &parts[0]));
		skip_to(lane(id, &challenger()).deadline + 1);
		refused!(prove_fraud(id, &challenger(), &parts[1]), Error::<Test>::DeadlinePassed);
	});
}
