//! The way from a run root down to one chunk, group by group, through all three trees.
//!
//! Where the first eager anchor that differs may have been computed from *lazy* anchors, whose roots
//! are in no trace, the way leads through a list of their roots first ([`Place::Lazy`]): the
//! provider's own statement, which nothing above it proves. See `docs/protocol/disputes.md`.

use crate::{
	tree::{group_len, group_parent, top_level, verify_group, GROUP_CHILDREN, GROUP_LEVELS},
	Hash, Tree,
};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// Where a group of children is in a run. `level` and `index` are those of [`crate::group_len`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub enum Place {
	/// In the run tree. A run of one step has no such group: its trace root is known from the
	/// reveal.
	#[codec(index = 0)]
	Run {
		/// Level of the children.
		level: u32,
		/// Which group at that level.
		index: u64,
	},
	/// In the trace tree of one step.
	#[codec(index = 1)]
	Trace {
		/// The step, from 0.
		step: u32,
		/// Level of the children.
		level: u32,
		/// Which group at that level.
		index: u64,
	},
	/// In the tree of one anchor's tensor. A tensor of one chunk has no such group: its root is its
	/// leaf.
	#[codec(index = 2)]
	Tensor {
		/// The step, from 0.
		step: u32,
		/// The anchor, by its place among all anchors: first the eager ones, then the lazy ones,
		/// each in program order.
		anchor: u32,
		/// Level of the children.
		level: u32,
		/// Which group at that level.
		index: u64,
	},
	/// In the tree over the roots of the lazy anchors that come before one eager anchor of a step, in
	/// program order. The topmost group follows from no commitment: it is what the provider states,
	/// and everything below it is checked against that.
	#[codec(index = 3)]
	Lazy {
		/// The step, from 0.
		step: u32,
		/// The eager anchor, by its place among them.
		anchor: u32,
		/// Level of the children.
		level: u32,
		/// Which group at that level.
		index: u64,
	},
}

/// What a descent needs to know of a run. All of it comes from the chain, never from a proof.
pub trait RunShape {
	/// Steps of the job.
	fn steps(&self) -> u32;

	/// Eager anchors of the program.
	fn anchors(&self) -> u32;

	/// Tiles of the anchor at this place, counted as in [`Place::Tensor`]: first the eager ones, then
	/// the lazy ones. `None` where there is none.
	fn tiles(&self, anchor: u32) -> Option<u64>;

	/// Lazy anchors that come before this eager one in program order. 0 for programs without any.
	fn lazy_before(&self, anchor: u32) -> u32 {
		let _ = anchor;
		0
	}
}

/// What a child of a group stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Below {
	/// A node or a root with more below it.
	Group(Place),
	/// One chunk: the end of the descent.
	Chunk {
		/// The step, from 0.
		step: u32,
		/// The anchor, by its place as in [`Place::Tensor`].
		anchor: u32,
		/// The chunk.
		tile: u64,
	},
}

impl Place {
	/// Where a descent starts: below the run root, or below the trace root of the only step. `None`
	/// for a run without steps or anchors.
	pub fn first(shape: &impl RunShape) -> Option<Self> {
		match shape.steps() {
			1 => Self::trace(0, shape),
			steps => Some(Self::Run { level: top_level(steps.into())?, index: 0 }),
		}
	}

	/// The top group of a trace tree.
	fn trace(step: u32, shape: &impl RunShape) -> Option<Self> {
		Some(Self::Trace { step, level: top_level(shape.anchors().into())?, index: 0 })
	}

	/// Tree, count of leaves, level and index of the group; `None` for a place that no descent
	/// reaches.
	fn group(&self, shape: &impl RunShape) -> Option<(Tree, u64, u32, u64)> {
		let (steps, anchors) = (shape.steps(), shape.anchors());
		match *self {
			Self::Run { level, index } if steps > 1 => {
				Some((Tree::Run, steps.into(), level, index))
			}
			Self::Trace { step, level, index } if step < steps => {
				Some((Tree::Trace, anchors.into(), level, index))
			}
			Self::Tensor { step, anchor, level, index } if step < steps => {
				let tiles = shape.tiles(anchor).filter(|tiles| *tiles > 1)?;
				Some((Tree::Tensor, tiles, level, index))
			}
			Self::Lazy { step, anchor, level, index } if step < steps && anchor < anchors => {
				let lazy = Some(shape.lazy_before(anchor)).filter(|lazy| *lazy > 0)?;
				Some((Tree::Trace, lazy.into(), level, index))
			}
			_ => None,
		}
	}

	/// Children of the group at this place, at most [`GROUP_CHILDREN`]. `None` for a place that no
	/// descent through such a run reaches.
	pub fn group_len(&self, shape: &impl RunShape) -> Option<usize> {
		let (_, count, level, index) = self.group(shape)?;
		group_len(count, level, index)
	}

	/// Whether nothing above proves this group: the topmost one of a list of lazy anchors' roots,
	/// which is what the provider states.
	pub fn is_stated(&self, shape: &impl RunShape) -> bool {
		matches!(self, Self::Lazy { .. })
			&& self.group(shape).is_some_and(|(_, count, level, index)| {
				top_level(count) == Some(level) && index == 0
			})
	}

	/// The tensor of an anchor: its topmost group, or its only chunk.
	fn tensor(step: u32, anchor: u32, shape: &impl RunShape) -> Option<Below> {
		Some(match shape.tiles(anchor)? {
			1 => Below::Chunk { step, anchor, tile: 0 },
			tiles => {
				let level = top_level(tiles)?;
				Below::Group(Self::Tensor { step, anchor, level, index: 0 })
			}
		})
	}

	/// What child `child` of this group stands for. `None` where there is no such group or child.
	///
	/// The topmost group of a list of lazy anchors has one child more than it has nodes, which stands
	/// for the eager anchor that the list leads to: the way on where no root in the list differs.
	pub fn below(&self, child: u32, shape: &impl RunShape) -> Option<Below> {
		let len = self.group_len(shape)?;
		if child as usize >= len {
			return match *self {
				Self::Lazy { step, anchor, .. }
					if child as usize == len && self.is_stated(shape) =>
				{
					Self::tensor(step, anchor, shape)
				}
				_ => None,
			};
		}
		let at = |index: u64| index.checked_mul(GROUP_CHILDREN as u64)?.checked_add(child.into());
		let lower = |level: u32| level.checked_sub(GROUP_LEVELS);
		Some(match *self {
			Self::Run { level, index } => Below::Group(match lower(level) {
				Some(level) => Self::Run { level, index: at(index)? },
				None => Self::trace(u32::try_from(at(index)?).ok()?, shape)?,
			}),
			Self::Trace { step, level, index } => match lower(level) {
				Some(level) => Below::Group(Self::Trace { step, level, index: at(index)? }),
				None => {
					let anchor = u32::try_from(at(index)?).ok()?;
					match shape.lazy_before(anchor) {
						0 => Self::tensor(step, anchor, shape)?,
						lazy => {
							let level = top_level(lazy.into())?;
							Below::Group(Self::Lazy { step, anchor, level, index: 0 })
						}
					}
				}
			},
			Self::Lazy { step, anchor, level, index } => match lower(level) {
				Some(level) => Below::Group(Self::Lazy { step, anchor, level, index: at(index)? }),
				None => {
					let lazy = u32::try_from(at(index)?).ok()?;
					Self::tensor(step, shape.anchors().checked_add(lazy)?, shape)?
				}
			},
			Self::Tensor { step, anchor, level, index } => match lower(level) {
				Some(level) => {
					Below::Group(Self::Tensor { step, anchor, level, index: at(index)? })
				}
				None => Below::Chunk { step, anchor, tile: at(index)? },
			},
		})
	}

	/// Whether `children` are the children of the group at this place below `parent`.
	///
	/// `parent` is the run root for the first place of a descent, or the trace root if that is in a
	/// trace tree; for any other place the child of the group above that leads to it. A group that is
	/// [stated](Self::is_stated) has no parent: whether it is as long as it must be.
	pub fn verify(&self, parent: &Hash, children: &[Hash], shape: &impl RunShape) -> bool {
		if self.is_stated(shape) {
			return self.group_len(shape) == Some(children.len());
		}
		self.group(shape).is_some_and(|(tree, count, level, index)| {
			verify_group(tree, parent, count, level, index, children)
		})
	}

	/// The root that a [stated](Self::is_stated) group leads to: what the groups and leaves below it
	/// are checked against. `None` for any other group, and for too few or too many children.
	pub fn stated_root(&self, children: &[Hash], shape: &impl RunShape) -> Option<Hash> {
		if !self.is_stated(shape) {
			return None;
		}
		let (tree, count, level, index) = self.group(shape)?;
		group_parent(tree, count, level, index, children)
	}
}

/// The most groups on the way from the run root to a chunk, for a run of `steps` steps, `anchors`
/// eager and `lazy` lazy anchors, and `tiles` tiles of the largest of them: D in
/// `docs/protocol/parameters.md`.
pub fn most_openings(steps: u32, anchors: u32, lazy: u32, tiles: u64) -> u32 {
	let groups = |count: u64| top_level(count).map_or(0, |level| level / GROUP_LEVELS + 1);
	// What is alone needs no group in the run tree and in a tensor's tree.
	let unless_alone = |count: u64| if count > 1 { groups(count) } else { 0 };
	let listed = if lazy > 0 { groups(lazy.into()) } else { 0 };
	unless_alone(steps.into()) + groups(anchors.into()) + listed + unless_alone(tiles)
}
