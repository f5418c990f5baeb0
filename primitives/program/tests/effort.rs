//! How much work the check is, counted and not timed, for programs that are made to be hard on it.

use assay_ops::Op;
use assay_program::{
	CheckError, Class, Effort, Limits, Node, Operand, Output, Program, Source, MAX_PROGRAM_BYTES,
};
use assay_testing::{
	hard::{views_of_a_tensor, HARD},
	programs::program,
	Rng,
};
use proptest::prelude::*;

/// What the check did; every promise about it holds.
fn effort(program: &Program) -> (Result<(), CheckError>, Effort) {
	let mut effort = Effort::default();
	let result = program.check_counting(&Limits::V1, &mut effort).map(|_| ());
	let Effort { steps, compared, kept } = effort;
	assert!(steps <= Limits::V1.analysis_steps + 1, "{effort:?}");
	assert!(compared <= steps as u64 * Effort::WIDTH, "{effort:?}");
	// Each step makes two at most, and they are not kept from one anchor to the next.
	assert!(kept as u64 <= 2 * steps as u64 + 257 && kept <= 20_000, "{effort:?}");
	(result, effort)
}

#[test]
fn tensor_with_many_views_should_be_judged_in_as_many_comparisons_as_steps() {
	for chain in [32, 64, 128, 255] {
		let program = views_of_a_tensor(chain, 15);
		let bytes = program.encode().len();
		let (result, effort) = effort(&program);
		println!("chain of {chain}: {bytes} bytes, {result:?}, {effort:?}");
		// 1.9 billion once.
		assert!(effort.compared <= 17 * 65_536);
	}
}

#[test]
fn hard_programs_should_be_judged_within_the_steps_of_the_check() {
	for hard in HARD {
		for size in [1, hard.most / 3, hard.most] {
			let program = (hard.make)(size.max(1));
			let (result, effort) = effort(&program);
			println!(
				"{} of size {size}: {:?}, {effort:?}",
				hard.name,
				result.map_err(|e| e.to_string())
			);
		}
	}
}

/// The same graph below as many anchors as are asked for.
fn below_anchors(mut program: Program, anchors: u32) -> Program {
	let below = program.nodes.len() as u32 - 2;
	for at in 0..anchors {
		let operands = vec![Operand::from(Source::Node(below))];
		let node = program.nodes.len() as u32;
		program.nodes.push(Node { op: Op::Copy, operands, split: None, class: Class::EagerAnchor });
		program.outputs.push(Output { name: format!("{at:x}"), node });
	}
	program
}

#[test]
fn short_programs_should_make_no_more_steps_than_their_length_squared_allows() {
	// `ANALYSIS_PER_SQUARED_BYTE` of the pallet: a step for every 25 squared bytes, up to the
	// limit.
	let mut most = 0f64;
	for chain in [2, 8, 16, 32, 64, 120] {
		for per in [1, 3, 7, 15] {
			for anchors in [0, 8, 64, 256, 1_000] {
				let program = below_anchors(views_of_a_tensor(chain, per), anchors);
				let bytes = program.encode().len() as u64;
				assert!(bytes as usize <= MAX_PROGRAM_BYTES);
				let (_, effort) = effort(&program);
				let allowed = bytes * bytes / 25;
				assert!(
					effort.steps as u64 <= allowed.min(65_537),
					"{chain} × {per} below {anchors}: {bytes} bytes, {effort:?}"
				);
				most = most.max(effort.steps as f64 / allowed as f64);
			}
		}
	}
	println!("at most {most:.2} of what the length allows");
}

proptest! {
	#![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

	#[test]
	fn random_programs_should_be_judged_within_their_steps(seed: u64) {
		let (result, _) = effort(&program(&mut Rng::new(seed)));
		prop_assert!(result.is_ok());
	}
}
