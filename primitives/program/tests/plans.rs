//! What is kept of a check, and what is kept between the parts of a proof.

use assay_ops::{DType, TensorType};
use assay_program::{
	recompute_anchor_tile, AnchorFold, AnchorPlan, CheckError, Checked, Class, Limits, Program,
	ProgramBuilder, RecomputeError, RefereeCost,
};
use assay_testing::{
	programs::{program, step},
	Rng,
};
use codec::{Decode, Encode, MaxEncodedLen};
use proptest::prelude::*;

fn config(cases: u32) -> ProptestConfig {
	ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) }
}

/// A check without the worst cases that are not kept.
fn kept(mut checked: Checked) -> Checked {
	let parts = |cost: RefereeCost| RefereeCost { parts: cost.parts, ..Default::default() };
	checked.referee = parts(checked.referee);
	checked.anchor_costs.iter_mut().for_each(|plan| plan.cost = parts(plan.cost));
	checked
}

/// x[40, 700] · w[50, 700]ᵀ requantised: one anchor, a fold of several parts where parts are small.
fn layer() -> (Program, Checked) {
	let mut b = ProgramBuilder::new();
	let x = b.input("x", TensorType::new(DType::I8, &[40, 700]).unwrap());
	let w = b.input("w", TensorType::new(DType::I8, &[50, 700]).unwrap());
	let sums = b.matmul(x, w);
	let y = b.shift(sums, 9, DType::I8);
	b.output("y", y);
	let program = b.build().unwrap();
	let checked = program.check(&Limits { part_bytes: 26 * 1024, ..Limits::V1 }).unwrap();
	(program, checked)
}

proptest! {
	#![proptest_config(config(300))]

	#[test]
	fn readmit_should_equal_check_when_the_plans_are_those_of_the_program(seed: u64, small: bool) {
		let program = program(&mut Rng::new(seed));
		let part_bytes = if small { 8_000 + seed % 30_000 } else { Limits::V1.part_bytes };
		let checked = match program.check(&Limits { part_bytes, ..Limits::V1 }) {
			Ok(checked) => checked,
			Err(CheckError::Unrefereeable { .. }) if small => return Ok(()),
			Err(error) => panic!("{error} in {program:?}"),
		};
		let plans = checked.plans();
		let anchors = program.nodes.iter().filter(|node| node.class != Class::Virtual).count();
		prop_assert_eq!(plans.len(), anchors);
		let lazy = plans.iter().any(|plan| !checked.anchors.contains(&plan.node));
		prop_assert_eq!(program.has_lazy_anchors(), lazy);
		let bytes = plans.encode();
		prop_assert!(bytes.len() <= 5 + anchors * AnchorPlan::max_encoded_len());
		let plans = Vec::<AnchorPlan>::decode(&mut &bytes[..]).unwrap();
		prop_assert_eq!(program.readmit(&plans), Ok(kept(checked)));
	}

	#[test]
	fn tile_should_be_the_same_when_a_fold_is_resumed_after_every_part(seed: u64) {
		let mut rng = Rng::new(seed);
		let program = program(&mut rng);
		let limits = Limits { part_bytes: 8_000 + seed % 30_000, ..Limits::V1 };
		let Ok(checked) = program.check(&limits) else { return Ok(()) };
		let readmitted = program.readmit(&checked.plans()).unwrap();
		let step = step(&mut rng, &program, &checked);
		for plan in checked.plans() {
			for tile in [0, plan.tiles - 1] {
				let whole = recompute_anchor_tile(
					&program, &checked, plan.node, tile, &step.committed,
				).unwrap();
				// What a chain does: every part in a call of its own.
				let mut kept = AnchorFold::new(&program, &readmitted, plan.node, tile)
					.unwrap()
					.into_accumulators();
				for part in 0..plan.parts {
					let mut fold = AnchorFold::resume(
						&program, &readmitted, plan.node, tile, part, kept,
					).unwrap();
					fold.absorb(part, &step.committed).unwrap();
					kept = fold.into_accumulators();
				}
				let fold = AnchorFold::resume(
					&program, &readmitted, plan.node, tile, plan.parts, kept,
				).unwrap();
				prop_assert_eq!(fold.finish(&step.committed).unwrap(), whole);
			}
		}
	}
}

#[test]
fn readmit_should_name_the_anchor_when_a_plan_is_not_of_the_program() {
	let (program, checked) = layer();
	let plans = checked.plans();
	assert_eq!(
		plans,
		[AnchorPlan { node: 1, lazy: false, fold: Some(0), slice: 192, parts: 4, tiles: 4 }],
		"the changes below are of this plan"
	);
	let refused = |change: fn(&mut Vec<AnchorPlan>)| {
		let mut changed = plans.clone();
		change(&mut changed);
		program.readmit(&changed)
	};
	let wrong = Err(CheckError::Plans { node: 1 });
	assert_eq!(refused(|plans| plans[0].node = 0), wrong);
	assert_eq!(refused(|plans| plans[0].fold = None), wrong);
	let one = AnchorPlan { fold: None, slice: 192, parts: 1, ..plans[0] };
	assert_eq!(program.readmit(&[one]), wrong, "a slice of nothing");
	assert_eq!(refused(|plans| plans[0].fold = Some(1)), wrong, "not a reduction");
	assert_eq!(refused(|plans| plans[0].fold = Some(2)), wrong);
	assert_eq!(refused(|plans| plans[0].fold = Some(u32::MAX)), wrong);
	assert_eq!(refused(|plans| plans[0].slice = 0), wrong);
	assert_eq!(refused(|plans| plans[0].slice = 64), wrong);
	assert_eq!(refused(|plans| plans[0].parts = 3), wrong);
	assert_eq!(refused(|plans| plans[0].parts = 0), wrong);
	assert_eq!(refused(|plans| plans[0].tiles = 5), wrong);
	assert_eq!(refused(|plans| plans.clear()), Err(CheckError::Plans { node: 0 }));
	assert_eq!(refused(|plans| plans.push(plans[0])), Err(CheckError::Plans { node: 2 }));
	assert!(refused(|_| {}).is_ok());
}

#[test]
fn resume_should_fail_when_what_was_kept_cannot_be_of_the_parts_before() {
	let (program, checked) = layer();
	let kept = AnchorFold::new(&program, &checked, 1, 0).unwrap().into_accumulators();
	assert_eq!(kept, vec![0; 1024]);
	let resume = |node, tile, part, kept: &[i64]| {
		AnchorFold::resume(&program, &checked, node, tile, part, kept.to_vec()).map(|_| ())
	};
	assert_eq!(resume(1, 0, 2, &kept), Ok(()));
	assert_eq!(resume(1, 0, 4, &kept), Ok(()));
	assert_eq!(resume(1, 0, 5, &kept), Err(RecomputeError::PartOrder { expected: 4 }));
	let wrong = Err(RecomputeError::Accumulators { expected: 1024 });
	assert_eq!(resume(1, 0, 1, &kept[1..]), wrong);
	assert_eq!(resume(1, 0, 1, &[]), wrong);
	assert_eq!(resume(1, 0, 1, &[0; 1025]), wrong);
	assert_eq!(resume(1, 0, 0, &[1; 1024]), wrong, "nothing was absorbed before part 0");
	assert_eq!(resume(0, 0, 1, &kept), Err(RecomputeError::NotAnAnchor { node: 0 }));
	assert_eq!(resume(1, 4, 1, &kept), Err(RecomputeError::TileOutOfRange { node: 1, tile: 4 }));
}
