//! Fewer anchors: which commitments the referee can do without.

use crate::{Checked, Class, Limits, Program};
use alloc::vec::Vec;
use core::cmp::Reverse;

/// An anchor with less than this share of the committed bytes stays: a check takes longer than it
/// saves.
const LEAST_SHARE: u64 = 500;

impl Program {
	/// Makes anchors virtual, the largest first, as long as the program passes the check and no
	/// proof takes more parts than the longest one takes now. What is recomputed instead is bounded
	/// by `limits`, so that hashing less costs a referee more work, but not more rounds.
	///
	/// `checked` is the check of this program; the result is that of the program as it is left.
	/// Takes one check for each anchor.
	pub fn thin(&mut self, checked: Checked, limits: &Limits) -> Checked {
		let limits = Limits { parts: checked.referee.parts.min(limits.parts), ..*limits };
		let bytes = |checked: &Checked, node: u32| {
			checked.types.get(node as usize).map_or(0, |ty| ty.canonical_len())
		};
		let whole: u64 = checked.anchors.iter().map(|&node| bytes(&checked, node)).sum();
		let mut candidates: Vec<(Reverse<u64>, u32)> = checked
			.anchors
			.iter()
			.map(|&node| (Reverse(bytes(&checked, node)), node))
			.filter(|(Reverse(bytes), _)| bytes.saturating_mul(LEAST_SHARE) >= whole)
			.collect();
		candidates.sort_unstable();
		let mut best = checked;
		for (_, at) in candidates {
			let Some(node) = self.nodes.get_mut(at as usize) else { continue };
			let class = core::mem::replace(&mut node.class, Class::Virtual);
			match self.check(&limits) {
				Ok(thinner) => best = thinner,
				// Also where an output, a state or what a Gather reads has to be committed.
				Err(_) => {
					if let Some(node) = self.nodes.get_mut(at as usize) {
						node.class = class;
					}
				}
			}
		}
		best
	}
}
