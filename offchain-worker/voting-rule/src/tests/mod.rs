//! Trees of headers, and a view of them that fails when it is told to.

mod bounds;
mod faults;
mod holding;
mod rules;
mod tree;

use crate::{Caps, Cause, Choice, Gate, Metrics};
use assay_market::Standing;
use assay_verifier_service::Knowledge;
use tree::{result, Block, Hash, Header, Tree};

/// A gate over a tree, on a chain with long sessions.
struct World {
	tree: Tree,
	knowledge: Knowledge,
	gate: Gate<Block>,
}

impl World {
	/// Caps of 4 and 10 blocks.
	fn new() -> Self {
		Self::with_caps(4, 10)
	}

	fn with_caps(soft: u32, hard: u32) -> Self {
		let (tree, knowledge) = (Tree::default(), Knowledge::default());
		let caps = Caps::new(soft, hard, 1_200).unwrap();
		let gate = Gate::new(tree.clone(), knowledge.clone(), caps, Metrics::default());
		Self { tree, knowledge, gate }
	}

	/// What is voted for when nothing but the gate restricts a vote for `target`.
	fn vote(&self, base: &Header, target: &Header) -> (Hash, u32, Option<Cause>) {
		let Choice { hash, number, cause } = self.gate.choose(base, target, target);
		(hash, number, cause)
	}
}

/// A vote for this block, held there for the cause.
fn at(header: &Header, cause: Option<Cause>) -> (Hash, u32, Option<Cause>) {
	(header.hash(), header.number, cause)
}

const PROVEN: Standing = Standing::ProvenWrong;
const DISPUTED: Standing = Standing::Disputed;
