//! Honest runs are right and dishonest ones are fraud, whatever the program.

mod common;

use assay_commitments::{run_root, trace_root, Hash, Place, Tree};
use assay_ops::{DType, TensorType, View};
use assay_program::{Limits, Operand, Program, ProgramBuilder, Source};
use assay_referee::{OpenedTree, ProofPart, Record, Ruling, MAX_PART_BYTES};
use assay_testing::Rng;
use codec::{Decode, Encode};
use common::*;
use proptest::prelude::*;

fn config(cases: u32) -> ProptestConfig {
	ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) }
}

/// Every part is as it was after its bytes were read, and as long as the program check has
/// promised.
fn sizes_hold(job: &Job, parts: &[ProofPart]) {
	for part in parts {
		let bytes = part.encode();
		let cost = job.checked.anchor_cost(part.accusation.node).unwrap().cost;
		assert_eq!(parts.len() as u32, cost.parts);
		assert!(bytes.len() as u64 <= cost.part_bytes, "{} > {cost:?}", bytes.len());
		assert!(bytes.len() <= MAX_PART_BYTES);
		assert_eq!(ProofPart::decode(&mut &bytes[..]).as_ref(), Ok(part));
	}
}

/// The challenge of a run with one fault ends at that fault, with a proof that the chain accepts.
fn fault_is_proved(job: &Job, honest: &Run, fault: &Fault) {
	let run = job.dishonest(honest, fault);
	let outcome = challenge(job, honest, &run, |place| run.answer(job, place));
	if run.root == honest.root {
		// A wrong lazy anchor of which nothing came: the result is right.
		assert!(outcome.is_none() && fault.anchor >= job.checked.anchors.len(), "{fault:?}");
		return;
	}
	let Some(Outcome::Proved(accusation, list, parts, ruling)) = outcome else {
		panic!("{fault:?} was not found");
	};
	assert_eq!(accusation, job.accusation(fault.step, fault.anchor, fault.tile()), "{fault:?}");
	assert_eq!(ruling, Ruling::Fraud, "{fault:?}");
	sizes_hold(job, &parts);
	let record = Record { list, ..job.record(run.root) };
	assert_eq!(Chain::rule(&record, &parts), Ok(Ruling::Fraud));
	// Against the honest run it proves nothing, whatever its provider has listed.
	let record = job.full_record(honest, fault.step);
	assert!(matches!(Chain::rule(&record, &parts), Err(Refused::Proof(_))));
}

#[test]
fn random_proofs_should_often_have_several_parts() {
	// Or the tests below would say little about folds.
	let mut several = 0;
	for seed in 0..200 {
		let mut rng = Rng::new(seed);
		let limits = limits(&mut rng);
		let Some(job) = Job::random(&mut rng, &limits) else { continue };
		let accusation = job.any(&mut rng);
		several += u32::from(proof(&job, &job.honest(), accusation).0.len() > 1);
	}
	assert!(several > 20, "{several}");
}

proptest! {
	#![proptest_config(config(300))]

	#[test]
	fn honest_run_should_be_ruled_right_when_any_tile_is_accused(seed: u64) {
		let mut rng = Rng::new(seed);
		let limits = limits(&mut rng);
		let Some(job) = Job::random(&mut rng, &limits) else { return Ok(()) };
		let run = job.honest();
		prop_assert!(challenge(&job, &run, &run, |place| run.answer(&job, place)).is_none());
		for _ in 0..8 {
			let accusation = job.any(&mut rng);
			let (parts, ruling) = proof(&job, &run, accusation);
			prop_assert_eq!(ruling, Ruling::Right);
			sizes_hold(&job, &parts);
			let record = job.full_record(&run, accusation.step);
			prop_assert_eq!(Chain::rule(&record, &parts), Ok(Ruling::Right));
		}
	}

	#[test]
	fn dishonest_run_should_be_ruled_fraud_whatever_its_provider_lists(seed: u64) {
		let mut rng = Rng::new(seed);
		let limits = limits(&mut rng);
		let Some(job) = Job::random(&mut rng, &limits) else { return Ok(()) };
		let honest = job.honest();
		let fault = Fault::any(&mut rng, &job);
		let run = job.dishonest(&honest, &fault);
		if run.root == honest.root || job.checked.lazy.is_empty() {
			return Ok(());
		}
		// What it states about the step is made up, here and there or everywhere.
		let eager = job.checked.anchors.len();
		let mut anchors = run.anchors.clone();
		let everywhere = rng.below_u32(3) == 0;
		for bytes in &mut anchors[fault.step as usize][eager..] {
			if everywhere || rng.below_u32(3) == 0 {
				let at = rng.below_u32(bytes.len() as u32) as usize;
				bytes[at] ^= 1 << rng.below_u32(8);
			}
		}
		let liar = Run::new(eager, anchors);
		prop_assert_eq!(liar.root, run.root, "lists are in no trace");
		let outcome = challenge(&job, &honest, &liar, |place| liar.answer(&job, place));
		let Some(Outcome::Proved(accusation, list, parts, ruling)) = outcome else {
			panic!("{outcome:?}");
		};
		prop_assert_eq!(ruling, Ruling::Fraud);
		sizes_hold(&job, &parts);
		let record = Record { list, ..job.record(run.root) };
		prop_assert_eq!(Chain::rule(&record, &parts), Ok(Ruling::Fraud));
		// The first that differs in program order, up to the first eager anchor that does.
		let step = fault.step as usize;
		let mut all: Vec<(u32, usize)> = job.all().into_iter().zip(0..).collect();
		all.sort();
		let first = all.iter().find(|(_, at)| liar.anchors[step][*at] != honest.anchors[step][*at]);
		prop_assert_eq!(Some(accusation.node), first.map(|(node, _)| *node));
		prop_assert_eq!(accusation.step, fault.step);
		// Without the list, or with the true one, that proof says nothing where it refers to it.
		if !parts[0].lazy.roots.is_empty() {
			let record = job.record(run.root);
			prop_assert!(matches!(Chain::rule(&record, &parts), Err(Refused::Proof(_))));
			let record = Record { run_root: run.root, ..job.full_record(&honest, fault.step) };
			let ruling = Chain::rule(&record, &parts);
			let same = list.map(|list| list.root) == record.list.map(|list| list.root);
			prop_assert!(ruling.is_err() || same, "{ruling:?}");
		}
	}

	#[test]
	fn dishonest_run_should_be_ruled_fraud_at_its_first_fault(seed: u64) {
		let mut rng = Rng::new(seed);
		let limits = limits(&mut rng);
		let Some(job) = Job::random(&mut rng, &limits) else { return Ok(()) };
		let honest = job.honest();
		for _ in 0..4 {
			let fault = Fault::any(&mut rng, &job);
			fault_is_proved(&job, &honest, &fault);
		}
	}

	#[test]
	fn ruling_should_not_depend_on_the_slicing(seed: u64) {
		let mut rng = Rng::new(seed);
		let Some(whole) = Job::random(&mut rng, &Limits::V1) else { return Ok(()) };
		let honest = whole.honest();
		let fault = Fault::any(&mut rng, &whole);
		let run = whole.dishonest(&honest, &fault);
		if run.root == honest.root {
			return Ok(());
		}
		let accusation = whole.accusation(fault.step, fault.anchor, fault.tile());
		let mut job = whole;
		for part_bytes in [40_000, 20_000, 12_000, 8_000] {
			let Ok(checked) = job.program.check(&Limits { part_bytes, ..Limits::V1 }) else { break };
			job.readmitted = job.program.readmit(&checked.plans()).unwrap();
			job.checked = checked;
			let (parts, ruling) = proof(&job, &honest, accusation);
			sizes_hold(&job, &parts);
			prop_assert_eq!(ruling, Ruling::Right);
			let outcome = challenge(&job, &honest, &run, |place| run.answer(&job, place));
			let Some(Outcome::Proved(found, _, _, Ruling::Fraud)) = outcome else {
				panic!("{outcome:?}");
			};
			prop_assert_eq!(found, accusation);
		}
	}
}

/// A counter of `rows` × `cols` i32 with a step input, and an anchor that is no output.
fn counter(rows: u32, cols: u32) -> Program {
	let mut b = ProgramBuilder::new();
	let ty = TensorType::new(DType::I32, &[rows, cols]).unwrap();
	let initial = b.input("start", ty);
	let by = b.input("by", ty);
	let state = b.state(initial);
	let hidden = b.shift(state, 1, DType::I32);
	b.eager(hidden);
	let next = b.add(hidden, by, DType::I32);
	b.update(state, next);
	let y = b.cast(next, DType::I8);
	b.output("y", y);
	b.build().unwrap()
}

fn job(program: Program, steps: u32) -> Job {
	Job::new(&mut Rng::new(7), program, &Limits::V1, steps).unwrap()
}

fn fault(step: u32, anchor: usize, byte: usize) -> Fault {
	Fault { step, anchor, byte, bit: 3, recompute: false }
}

#[test]
fn fault_should_be_proved_when_the_step_is_at_either_side_of_a_group() {
	let job = job(counter(2, 2), 520);
	let honest = job.honest();
	for step in [0, 1, 127, 128, 255, 256, 257, 511, 512, 519] {
		for anchor in 0..3 {
			for recompute in [false, true] {
				fault_is_proved(&job, &honest, &Fault { recompute, ..fault(step, anchor, 0) });
			}
		}
	}
}

#[test]
fn fault_should_be_proved_when_the_tensor_has_several_levels_of_groups() {
	// 38 × 38 tiles: two levels.
	let job = job(counter(600, 600), 2);
	let honest = job.honest();
	let tiles = 38 * 38;
	for step in [0, 1] {
		for tile in [0, 1, 255, 256, 257, 1023, 1024, 1025, tiles - 1] {
			fault_is_proved(&job, &honest, &fault(step, 0, tile * 1024));
			fault_is_proved(&job, &honest, &fault(step, 1, tile * 1024 + 17));
		}
	}
}

#[test]
fn fault_should_be_proved_when_there_are_several_levels_of_anchors() {
	let mut b = ProgramBuilder::new();
	let ty = TensorType::new(DType::I16, &[40]).unwrap();
	let x = b.input("x", ty);
	let mut all = vec![x];
	for at in 0..600usize {
		// Each reads one far and one near, so that openings spread over the tree.
		let (far, near) = (all[at * 7 % (at + 1)], all[at]);
		let next = b.max(near, far);
		b.eager(next);
		all.push(next);
	}
	b.output("y", all[600]);
	let job = job(b.build().unwrap(), 1);
	let honest = job.honest();
	for anchor in [0, 1, 2, 127, 255, 256, 257, 511, 512, 598, 599] {
		fault_is_proved(&job, &honest, &fault(0, anchor, 5));
	}
}

trait Max {
	fn max(&mut self, a: Source, b: Source) -> Source;
}

impl Max for ProgramBuilder {
	fn max(&mut self, a: Source, b: Source) -> Source {
		self.node(assay_ops::Op::Max, vec![Operand::from(a), Operand::from(b)])
	}
}

#[test]
fn garbage_padding_should_be_fraud_when_it_is_in_a_result() {
	// 3 × 5 of a tile of 16 × 16: the rest is padding.
	let job = job(counter(3, 5), 2);
	let honest = job.honest();
	for byte in [5 * 4, 16 * 4 * 3, 1023] {
		for recompute in [false, true] {
			fault_is_proved(&job, &honest, &Fault { recompute, ..fault(1, 1, byte) });
		}
	}
}

#[test]
fn garbage_padding_should_be_right_when_it_is_in_an_input() {
	let job = job(counter(3, 5), 2);
	assert_ne!(job.input_bytes[0][1000..], [0; 24], "the inputs of these tests are poisoned");
	let run = job.honest();
	for step in 0..2 {
		for anchor in 0..3 {
			assert_eq!(proof(&job, &run, job.accusation(step, anchor, 0)).1, Ruling::Right);
		}
	}
}

#[test]
fn right_outputs_with_a_wrong_trace_should_be_fraud() {
	// The hidden anchor of each step is wrong, what follows from it is not.
	let job = job(counter(4, 4), 3);
	let honest = job.honest();
	let fault = fault(1, 0, 0);
	let run = job.dishonest(&honest, &fault);
	assert_eq!(run.anchors[2], honest.anchors[2]);
	assert_eq!(run.anchors[1][1..], honest.anchors[1][1..]);
	fault_is_proved(&job, &honest, &fault);
}

#[test]
fn state_should_be_the_update_of_the_step_before_when_two_states_have_one() {
	let mut b = ProgramBuilder::new();
	let ty = TensorType::new(DType::I8, &[40, 40]).unwrap();
	let (a, c) = (b.input("a", ty), b.input("c", ty));
	let (first, second) = (b.state(a), b.state(c));
	let turned = View::transpose(&ty.shape, &[1, 0]).unwrap();
	let sum = b.add(first, Operand::viewed(second, turned), DType::I8);
	b.update(first, sum);
	b.update(second, sum);
	b.output("sum", sum);
	let job = job(b.build().unwrap(), 3);
	let honest = job.honest();
	let (parts, ruling) = proof(&job, &honest, job.accusation(2, 0, 1));
	assert_eq!(ruling, Ruling::Right);
	assert_eq!(parts[0].states.roots, [honest.roots[1][0]], "one root for both");
	assert_eq!(parts[0].operands.len(), 2);
	let (parts, _) = proof(&job, &honest, job.accusation(0, 0, 1));
	assert_eq!((parts[0].before.clone(), parts[0].states.roots.len()), (None, 0));
	for step in 0..3 {
		for tile in 0..4 {
			fault_is_proved(&job, &honest, &fault(step, 0, tile * 1024));
		}
	}
}

#[test]
fn step_counts_of_another_job_should_have_no_opening() {
	let job = job(counter(2, 2), 5);
	let honest = job.honest();
	for steps in [1usize, 2, 3, 4, 6, 7, 8, 300] {
		// Too few, or too many: the last one again and again.
		let mut run = honest.clone();
		run.anchors.resize(steps, honest.anchors[4].clone());
		let run = Run::new(usize::MAX, run.anchors);
		let padded = |traces: &[Hash]| -> Vec<Hash> {
			(0..5).map(|at| *traces.get(at).unwrap_or(&traces[traces.len() - 1])).collect()
		};
		for children in [run.traces.clone(), padded(&run.traces), honest.traces.clone()] {
			let place = Place::Run { level: 0, index: 0 };
			assert!(!place.verify(&run.root, &children, &job), "{steps} steps");
		}
		let outcome = challenge(&job, &honest, &run, |place| run.answer(&job, place));
		assert!(matches!(outcome, Some(Outcome::Withheld(Place::Run { .. }))), "{outcome:?}");
	}
}

#[test]
fn anchor_counts_of_another_program_should_have_no_opening() {
	let job = job(counter(2, 2), 2);
	let honest = job.honest();
	for anchors in [1usize, 2, 4, 5, 300] {
		let mut run = honest.clone();
		run.anchors[1].resize(anchors, honest.anchors[1][2].clone());
		let run = Run::new(usize::MAX, run.anchors);
		let outcome = challenge(&job, &honest, &run, |place| run.answer(&job, place));
		let Some(Outcome::Withheld(Place::Trace { step: 1, .. })) = outcome else {
			panic!("{outcome:?}");
		};
		let padded: Vec<Hash> =
			(0..3).map(|at| *run.roots[1].get(at).unwrap_or(&run.roots[1][0])).collect();
		for children in [&run.roots[1], &padded, &honest.roots[1]] {
			let place = Place::Trace { step: 1, level: 0, index: 0 };
			assert!(!place.verify(&run.traces[1], children, &job));
		}
	}
}

#[test]
fn tensors_of_another_length_should_have_no_opening() {
	let job = job(counter(40, 40), 1);
	let honest = job.honest();
	assert_eq!(honest.anchors[0][0].len(), 9 * 1024);
	for len in [0usize, 1, 8 * 1024, 10 * 1024, 9 * 1024 - 1, 9 * 1024 + 1] {
		let mut run = honest.clone();
		run.anchors[0][0].resize(len, 0);
		let run = Run::new(usize::MAX, run.anchors);
		let outcome = challenge(&job, &honest, &run, |place| run.answer(&job, place));
		assert!(matches!(outcome, Some(Outcome::Withheld(Place::Tensor { .. }))), "{outcome:?}");
	}
}

/// As [`counter`], with a lazy anchor for each of `lazy` additions before the next state.
fn lazy_counter(lazy: usize) -> Program {
	let mut b = ProgramBuilder::new();
	let ty = TensorType::new(DType::I32, &[20, 20]).unwrap();
	let small = TensorType::new(DType::I8, &[20, 20]).unwrap();
	let (initial, by) = (b.input("start", ty), b.input("by", small));
	let state = b.state(initial);
	// Far from where sums saturate and faults vanish.
	let mut next = b.shift(state, 1, DType::I32);
	for _ in 0..lazy {
		next = b.add(next, by, DType::I32);
		b.lazy(next);
	}
	let moved = b.sub(next, by, DType::I32);
	b.update(state, moved);
	let y = b.cast(next, DType::I8);
	b.output("y", y);
	b.build().unwrap()
}

#[test]
fn fault_should_be_proved_when_there_are_several_levels_of_lazy_anchors() {
	let job = job(lazy_counter(600), 2);
	let honest = job.honest();
	for anchor in [0, 1, 2, 3, 256, 257, 258, 514, 600, 601] {
		for step in 0..2 {
			fault_is_proved(&job, &honest, &Fault { recompute: true, ..fault(step, anchor, 4) });
		}
	}
}

#[test]
fn dispute_should_end_as_withheld_when_the_list_is_not_given_or_is_too_short_or_long() {
	let job = job(lazy_counter(3), 2);
	let honest = job.honest();
	let run = job.dishonest(&honest, &Fault { recompute: true, ..fault(1, 3, 4) });
	let list = honest.lazy[1].clone();
	for answer in [
		None,
		Some(vec![]),
		Some(list[..2].to_vec()),
		Some([&list[..], &list[2..]].concat()),
		Some(vec![list[0]; 256]),
	] {
		let outcome = challenge(&job, &honest, &run, |place| match place {
			Place::Lazy { .. } => answer.clone(),
			_ => run.answer(&job, place),
		});
		let Some(Outcome::Withheld(place)) = outcome else { panic!("{outcome:?}") };
		assert_eq!(place, Place::Lazy { step: 1, anchor: 0, level: 0, index: 0 });
	}
	// What is stated above must be opened below.
	let job = self::job(lazy_counter(300), 1);
	let honest = job.honest();
	let run = job.dishonest(&honest, &Fault { recompute: true, ..fault(0, 9, 4) });
	let outcome = challenge(&job, &honest, &run, |place| match place {
		Place::Lazy { level: 8, .. } => Some(vec![[7; 32]; 2]),
		_ => run.answer(&job, place),
	});
	let Some(Outcome::Withheld(place)) = outcome else { panic!("{outcome:?}") };
	assert_eq!(place, Place::Lazy { step: 0, anchor: 0, level: 0, index: 0 });
}

#[test]
fn opened_tree_should_refuse_groups_that_do_not_lead_to_its_root() {
	let traces: Vec<Hash> = (0..600u32).map(|at| trace_root(&[[at as u8; 32]])).collect();
	let mut claimed = traces.clone();
	claimed[300] = [9; 32];
	let root = run_root(&claimed);
	let mut tree = OpenedTree::new(Tree::Run, root, traces.clone()).unwrap();
	let group = |level, index| assay_commitments::open_group(Tree::Run, &claimed, level, index);
	let (top, low) = (group(8, 0).unwrap(), group(0, 1).unwrap());
	assert!(!tree.add(0, 1, &low), "its parent is not known yet");
	assert!(!tree.add(8, 0, &top[1..]));
	assert!(!tree.add(8, 1, &top) && !tree.add(16, 0, &top) && !tree.add(u32::MAX, 0, &top));
	assert_eq!((tree.open(3), tree.node(8, 0)), (None, None), "nothing is known to agree");
	assert!(tree.add(8, 0, &top));
	assert_eq!(tree.first_difference(8, 0), Some(1));
	assert!(!tree.add(0, 1, &traces[256..512]));
	assert!(tree.add(0, 1, &low));
	assert_eq!(tree.first_difference(0, 1), Some(300 - 256));
	for at in [0, 255, 256, 299, 300, 301, 511] {
		let (leaf, path) = tree.open(at).unwrap();
		assert_eq!(leaf, claimed[at as usize]);
		assert!(assay_commitments::verify(Tree::Run, &root, at, 600, &leaf, &path));
	}
	assert_eq!(tree.open(512), None, "right of the way, and not opened");
	assert_eq!(tree.open(600), None);
	assert_eq!((tree.node(0, u64::MAX), tree.node(u32::MAX, 0)), (None, None));
	assert!(OpenedTree::new(Tree::Run, root, vec![]).is_none());
	assert!(OpenedTree::of_tensor(root, &[0; 1025]).is_none());
	assert!(OpenedTree::of_tensor(root, &[]).is_none());
}
