//! The time that replays take a provider, in blocks.

use assay_commitments::Place;
use assay_market::Turn;
use assay_runtime::BlockNumber;
use std::collections::BTreeSet;

/// Replays of one run, one after the other. What a pass was made for is at hand from then on.
pub struct Passes {
	/// Blocks that one takes.
	blocks: BlockNumber,
	/// Each opens one step alone, as if nothing else were owed.
	single: bool,
	/// Steps whose tensors are at hand.
	known: BTreeSet<u32>,
	/// Steps that the one under way is for, and its last block.
	running: Option<(BTreeSet<u32>, BlockNumber)>,
	/// How many were begun.
	pub made: usize,
}

/// The step whose tensors are demanded, where that is so. Everything above them a provider keeps.
pub(super) fn step_of(turn: &Turn) -> Option<u32> {
	match turn {
		Turn::Answer(Place::Tensor { step, .. }) => Some(*step),
		_ => None,
	}
}

impl Passes {
	/// Of so many blocks each, for all steps that are owed when one begins.
	pub fn of(blocks: BlockNumber) -> Self {
		Self { blocks, single: false, known: BTreeSet::new(), running: None, made: 0 }
	}

	/// The same for one step each.
	pub fn one_by_one(blocks: BlockNumber) -> Self {
		Self { single: true, ..Self::of(blocks) }
	}

	/// Goes on until this block, in which these steps are owed.
	pub(super) fn work(&mut self, now: BlockNumber, owed: impl Iterator<Item = u32>) {
		match self.running.take() {
			Some((steps, end)) if now >= end => self.known.extend(steps),
			running => self.running = running,
		}
		let wanted = owed.filter(|step| !self.known.contains(step));
		let steps: BTreeSet<_> = match self.single {
			true => wanted.take(1).collect(),
			false => wanted.collect(),
		};
		if self.running.is_none() && !steps.is_empty() {
			self.running = Some((steps, now + self.blocks));
			self.made += 1;
		}
	}

	/// Whether a step can be opened.
	pub(super) fn has(&self, step: u32) -> bool {
		self.known.contains(&step)
	}
}
