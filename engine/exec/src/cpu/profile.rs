//! Where the time of a run goes.

use assay_ops::Op;
use std::{
	collections::BTreeMap,
	time::{Duration, Instant},
};

/// What one operator took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
	/// How often it was evaluated.
	pub calls: u64,
	/// Elements of the results.
	pub elements: u64,
	/// Wall time, during which other threads may have hashed anchors.
	pub time: Duration,
}

/// Times by operator.
#[derive(Clone, Debug, Default)]
pub struct Profile {
	spent: BTreeMap<String, Spent>,
}

impl Profile {
	/// Evaluates `op` and counts what it took.
	pub(super) fn time<R>(&mut self, op: &str, elements: u64, evaluate: impl FnOnce() -> R) -> R {
		let started = Instant::now();
		let result = evaluate();
		let spent = self.spent.entry(op.to_owned()).or_default();
		spent.time += started.elapsed();
		spent.calls += 1;
		spent.elements += elements;
		result
	}

	/// Operators, the dearest first.
	pub fn operators(&self) -> Vec<(&str, Spent)> {
		let mut all: Vec<_> = self.spent.iter().map(|(name, spent)| (&name[..], *spent)).collect();
		all.sort_by_key(|(_, spent)| std::cmp::Reverse(spent.time));
		all
	}
}

/// The operator without its attributes.
pub(super) fn name(op: &Op) -> String {
	let text = format!("{op:?}");
	text.split([' ', '{']).next().unwrap_or_default().to_owned()
}
