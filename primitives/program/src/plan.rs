//! What the chain keeps of the referee analysis, and admission without repeating it.

use crate::{AnchorCost, CheckError, Checked, Class, Program, RefereeCost};
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// How a tile of one anchor is refereed: what [`Program::readmit`] needs of [`Program::check`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct AnchorPlan {
	/// The anchor.
	pub node: u32,
	/// It is a lazy one: no leaf of the trace tree.
	pub lazy: bool,
	/// The node whose reduction is cut into parts, see [`AnchorCost::fold`].
	pub fold: Option<u32>,
	/// Length of each part along that reduction; 1 without one.
	pub slice: u32,
	/// Parts of a fraud proof.
	pub parts: u32,
	/// Tiles of the anchor's tensor.
	pub tiles: u64,
}

impl Checked {
	/// How the tiles of each anchor, eager or lazy, are refereed, in program order.
	pub fn plans(&self) -> Vec<AnchorPlan> {
		self.anchor_costs
			.iter()
			.map(|&AnchorCost { node, fold, slice, cost }| AnchorPlan {
				node,
				lazy: self.lazy.binary_search(&node).is_ok(),
				fold,
				slice,
				parts: cost.parts,
				tiles: self.types.get(node as usize).map_or(0, |ty| ty.tiles()),
			})
			.collect()
	}
}

impl Program {
	/// Whether a node is a lazy anchor, whose root is published on demand.
	pub fn has_lazy_anchors(&self) -> bool {
		self.nodes.iter().any(|node| node.class == Class::LazyAnchor)
	}

	/// What [`Program::check`] gave for a program that it has admitted, from the [`Checked::plans`]
	/// that were kept: without the referee analysis and without asking for limits, in time linear
	/// in the program.
	///
	/// Equal to what the check gave but for the worst cases in [`AnchorCost::cost`] and
	/// [`Checked::referee`], of which only `parts` is known; the others are 0. Errors: those of the
	/// check, and [`CheckError::Plans`] for plans that are not of this program.
	pub fn readmit(&self, plans: &[AnchorPlan]) -> Result<Checked, CheckError> {
		let mut checked = self.admit()?;
		let anchors = (0u32..).zip(&self.nodes).filter(|(_, node)| node.class != Class::Virtual);
		if anchors.clone().count() != plans.len() {
			let node = plans.len() as u32;
			return Err(CheckError::Plans { node });
		}
		for ((node, _), plan) in anchors.zip(plans) {
			if !checked.fits(node, plan) {
				return Err(CheckError::Plans { node });
			}
			let cost = RefereeCost { parts: plan.parts, ..Default::default() };
			checked.referee = checked.referee.max(&cost);
			let AnchorPlan { fold, slice, .. } = *plan;
			checked.anchor_costs.push(AnchorCost { node, fold, slice, cost });
		}
		Ok(checked)
	}
}

impl Checked {
	/// Whether a plan can be one of anchor `node`.
	fn fits(&self, node: u32, plan: &AnchorPlan) -> bool {
		let reduction = match plan.fold {
			None => (plan.slice == 1).then_some(1),
			Some(fold) if fold > node => None,
			Some(fold) => self
				.applied(fold)
				.filter(|applied| applied.op().reduces())
				.map(|applied| applied.reduction()),
		};
		let tiles = self.types.get(node as usize).map(|ty| ty.tiles());
		plan.node == node
			&& plan.lazy == self.lazy.binary_search(&node).is_ok()
			&& Some(plan.tiles) == tiles
			&& plan.slice > 0
			&& reduction.is_some_and(|length| plan.parts == length.div_ceil(plan.slice))
	}
}
