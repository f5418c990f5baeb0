//! Wrong results, of every kind, and the verifiers that find them.

use super::{played, proved_by_verifier, unanswered_to_verifier, PROVEN_BY_VERIFIER};
use crate::{
	actors::ProviderMisdeed,
	attack::{Attack, Blocks},
	chain, models,
	stage::{ensure, Cast, Report, Stage},
	work::{Lie, Work},
};

/// The work with a provider that stands by a lie in the last tile of an anchor.
fn wrong_tile(work: Work, step: u32, anchor: usize) -> Result<Report, String> {
	let node = work.anchor(anchor);
	let tiles = work.len_of(node) / 1024;
	let lie = Lie::at(step, node, (tiles as usize - 1) * 1024);
	played(work, Cast { provider: ProviderMisdeed::Lie(lie), ..Cast::default() })
}

fn with(work: Work, provider: ProviderMisdeed) -> Result<Report, String> {
	played(work, Cast { provider, ..Cast::default() })
}

fn garbage_padding() -> Result<Report, String> {
	let work = models::inference();
	let node = work.anchor(0);
	let padding = work.padding_of(node).ok_or("the first layer has no padding")?;
	with(work, ProviderMisdeed::Lie(Lie { mask: 0xff, ..Lie::at(0, node, padding) }))
}

fn right_result_wrong_trace() -> Result<Report, String> {
	let work = models::inference();
	let lie = Lie { spreading: false, ..Lie::at(0, work.anchor(0), 0) };
	chain::run(|world| {
		let provider = ProviderMisdeed::Lie(lie);
		let mut stage = Stage::post(world, work, Cast { provider, ..Cast::default() });
		stage.until_revealed()?;
		let outputs = &stage.work.checked.output_anchors;
		let right: Vec<_> =
			outputs.iter().map(|at| stage.truth.last_roots()[*at as usize]).collect();
		ensure(stage.view().output_roots == right, "the outputs are the right ones")?;
		stage.play()
	})
}

/// The reveal itself is refused, so that the provider has nothing to reveal.
fn refused_reveal(work: Work, provider: ProviderMisdeed) -> Result<Report, String> {
	chain::run(|world| {
		let mut stage = Stage::post(world, work, Cast { provider, ..Cast::default() });
		let mut report = stage.play()?;
		ensure(stage.was_refused("provider", "WrongOutputs"), "the reveal was not refused")?;
		report.outcome = format!("WrongOutputs, {}", report.outcome);
		Ok(report)
	})
}

fn wrong_children() -> Result<Report, String> {
	let work = models::inference();
	let provider = ProviderMisdeed::WrongChildren(Lie::at(0, work.anchor(1), 0));
	chain::run(|world| {
		let mut stage = Stage::post(world, work, Cast { provider, ..Cast::default() });
		let mut report = stage.play()?;
		ensure(stage.was_refused("provider", "WrongAnswer"), "the answer was not refused")?;
		report.outcome = format!("WrongAnswer, {}", report.outcome);
		Ok(report)
	})
}

fn never_answers(work: Work) -> Result<Report, String> {
	let lie = Lie::at(0, work.anchor(0), 0);
	with(work, ProviderMisdeed::LieAndHide(lie))
}

pub(super) const ATTACKS: &[Attack] = &[
	Attack {
		name: "wrong-tile-first-anchor",
		what: "one wrong byte in the first anchor of an inference; the provider answers",
		outcome: "ProvenFraud",
		blocks: proved_by_verifier(2, 1),
		money: PROVEN_BY_VERIFIER,
		run: || wrong_tile(models::inference(), 0, 0),
	},
	Attack {
		name: "wrong-tile-middle-anchor",
		what: "one wrong byte in the activation of an inference",
		outcome: "ProvenFraud",
		blocks: proved_by_verifier(2, 1),
		money: PROVEN_BY_VERIFIER,
		run: || wrong_tile(models::inference(), 0, 1),
	},
	Attack {
		name: "wrong-tile-last-anchor",
		what: "one wrong byte in the labels, a tensor of one tile",
		outcome: "ProvenFraud",
		blocks: proved_by_verifier(1, 1),
		money: PROVEN_BY_VERIFIER,
		run: || wrong_tile(models::inference(), 0, 3),
	},
	Attack {
		name: "wrong-tile-of-a-big-tensor",
		what: "one wrong byte in the last of 272 tiles: two groups of the tensor's tree",
		outcome: "ProvenFraud",
		blocks: proved_by_verifier(3, 1),
		money: PROVEN_BY_VERIFIER,
		run: || wrong_tile(models::wide(), 0, 0),
	},
	Attack {
		name: "wrong-tile-first-step",
		what: "one wrong byte in the first of five steps with state",
		outcome: "ProvenFraud",
		blocks: proved_by_verifier(3, 1),
		money: PROVEN_BY_VERIFIER,
		run: || wrong_tile(models::recurrent(5), 0, 0),
	},
	Attack {
		name: "wrong-tile-middle-step",
		what: "one wrong byte in the third of five steps: the proof opens the state of the second",
		outcome: "ProvenFraud",
		blocks: proved_by_verifier(3, 1),
		money: PROVEN_BY_VERIFIER,
		run: || wrong_tile(models::recurrent(5), 2, 0),
	},
	Attack {
		name: "wrong-tile-last-step",
		what: "one wrong byte in the state that the last of five steps leaves",
		outcome: "ProvenFraud",
		blocks: proved_by_verifier(3, 1),
		money: PROVEN_BY_VERIFIER,
		run: || wrong_tile(models::recurrent(5), 4, 1),
	},
	Attack {
		name: "garbage-padding",
		what: "the padding of an anchor is not zero, all values are right",
		outcome: "ProvenFraud",
		blocks: proved_by_verifier(2, 1),
		money: PROVEN_BY_VERIFIER,
		run: garbage_padding,
	},
	Attack {
		name: "right-result-wrong-trace",
		what: "the outputs are right, an anchor that led to them is not",
		outcome: "ProvenFraud",
		blocks: proved_by_verifier(2, 1),
		money: PROVEN_BY_VERIFIER,
		run: right_result_wrong_trace,
	},
	Attack {
		name: "too-few-steps",
		what: "four of five steps, and the root of that run",
		outcome: "WrongOutputs, Withheld",
		blocks: Blocks::None,
		money: "provider -10, requester +2.5, burned 7.5",
		run: || refused_reveal(models::recurrent(5), ProviderMisdeed::TooFewSteps),
	},
	Attack {
		name: "too-few-anchors",
		what: "a trace over three of four anchors",
		outcome: "WrongOutputs, Withheld",
		blocks: Blocks::None,
		money: "provider -10, requester +2.5, burned 7.5",
		run: || refused_reveal(models::inference(), ProviderMisdeed::TooFewAnchors),
	},
	Attack {
		name: "hollow-trace",
		what: "only the outputs were computed; the trace's other leaves are made up",
		outcome: "Withheld",
		blocks: unanswered_to_verifier(),
		money: super::WITHHELD_TO_VERIFIER,
		run: || with(models::inference(), ProviderMisdeed::HollowTrace),
	},
	Attack {
		name: "hollow-run",
		what: "only the last step is there; the run's other leaves are made up",
		outcome: "Withheld",
		blocks: unanswered_to_verifier(),
		money: "provider -10, verifier +0.0010112948, requester +2.5, burned 7.4989887052",
		run: || with(models::recurrent(5), ProviderMisdeed::HollowRun),
	},
	Attack {
		name: "wrong-children",
		what: "the provider answers a demand with children of which one is another",
		outcome: "WrongAnswer, Withheld",
		blocks: unanswered_to_verifier(),
		money: super::WITHHELD_TO_VERIFIER,
		run: wrong_children,
	},
	Attack {
		name: "never-answers",
		what: "a wrong inference whose provider answers nothing",
		outcome: "Withheld",
		blocks: unanswered_to_verifier(),
		money: super::WITHHELD_TO_VERIFIER,
		run: || never_answers(models::inference()),
	},
	Attack {
		name: "never-answers-big-tensor",
		what: "the same with a tensor of 272 tiles",
		outcome: "Withheld",
		blocks: unanswered_to_verifier(),
		money: "provider -10, verifier +0.00102822144, requester +2.5, burned 7.49897177856",
		run: || never_answers(models::wide()),
	},
];
