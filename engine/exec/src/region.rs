//! Fused regions: nodes that follow each other in a program and whose elements do not meet. The
//! update of every parameter by an optimizer is one. Computed block by block, most of their results
//! never leave the first cache, and chains that do not read each other are work for different
//! threads.

use crate::step::{Read, Step};
use assay_ops::{Elementwise, Family, Generate, Op, Reduce, Table, TensorType};
use assay_program::Source;
use core::ops::Range;

/// Nodes of a region, as chains that do not read each other.
pub(crate) struct FusedRegion {
	pub(crate) nodes: Range<usize>,
	/// The nodes of each chain, in program order.
	pub(crate) chains: Vec<Vec<usize>>,
	/// Of each node of the region: its position in its chain, and whether anyone else reads it.
	places: Vec<(usize, bool)>,
}

impl FusedRegion {
	/// Where in its chain a node of the region is.
	pub(crate) fn position(&self, node: usize) -> usize {
		self.places[node - self.nodes.start].0
	}

	/// Whether the result of a node of the region must outlive it.
	pub(crate) fn is_kept(&self, node: usize) -> bool {
		self.places[node - self.nodes.start].1
	}
}

/// Elements of a row whose largest is found by a chain.
const LONG: u32 = 1024;

/// Whether operand `at` of an operator is read element by element. `None`: the operator is not one
/// whose elements do not meet.
pub(crate) fn is_element_wise(op: &Op, at: usize) -> Option<bool> {
	match op.family() {
		Family::Elementwise(op) => match op {
			// Its parameters are those of columns.
			Elementwise::Requant { .. } => None,
			Elementwise::ShiftBy { .. } | Elementwise::ShiftRandom { .. } => Some(at != 1),
			Elementwise::Add { .. }
			| Elementwise::Sub { .. }
			| Elementwise::Mul { .. }
			| Elementwise::Max
			| Elementwise::Min
			| Elementwise::Clamp { .. }
			| Elementwise::Shift { .. }
			| Elementwise::Cast { .. }
			| Elementwise::Copy
			| Elementwise::MulShift { .. }
			| Elementwise::Compare { .. }
			| Elementwise::Select
			| Elementwise::BitLen
			| Elementwise::IntDiv { .. }
			| Elementwise::Rsqrt { .. } => Some(true),
		},
		Family::Table(op) => match op {
			Table::Lut => None,
			Table::LutInterp => Some(at == 0),
		},
		Family::Generate(op) => match op {
			Generate::Iota { .. } => None,
			Generate::Philox { .. } => Some(false),
		},
		Family::Reduce(op) => match op {
			Reduce::ReduceMax { .. } => Some(true),
			Reduce::ReduceSum { .. } | Reduce::ArgMax { .. } | Reduce::ReduceSumProduct { .. } => {
				None
			}
		},
		Family::Product(_) | Family::Window(_) | Family::Row(_) | Family::Moves(_) => None,
	}
}

/// Elements of each operand that `node` reads element by element, and else of its result.
pub(crate) fn elements(node: &Step, ty: &TensorType) -> u32 {
	let largest = matches!(node.op, Op::ReduceMax { .. });
	node.reads.first().filter(|_| largest).map_or(ty.elements(), |read| read.shape.elements())
}

/// Whether a node may be in a region at all.
fn fits(node: &Step, ty: &TensorType) -> bool {
	if node.fused_from.is_some() || node.fused_into.is_some() {
		return false;
	}
	if let Op::ReduceMax { axis } = node.op {
		return node.reads.first().is_some_and(|read| {
			let dims = read.shape.dims();
			let along = dims.get(usize::from(*axis)).copied().unwrap_or(1);
			// Of rows that lie together, and are so long that it matters little where one ends.
			let together = dims.iter().skip(usize::from(*axis) + 1).all(|&dim| dim == 1);
			ty.elements() == 1 || together && along >= LONG
		});
	}
	// One shift for all elements.
	let shifts = matches!(node.op, Op::ShiftBy { .. } | Op::ShiftRandom { .. });
	if shifts && node.reads.get(1).is_none_or(|read| read.shape.elements() != 1) {
		return false;
	}
	is_element_wise(node.op, 0).is_some()
}

/// Finds the regions of at least two nodes. `links` says which operators the engine takes, `kept`
/// which nodes are read by anyone but nodes.
pub(crate) fn find(
	nodes: &[Step],
	types: &[TensorType],
	links: impl Fn(&Op) -> bool,
	kept: impl Fn(usize) -> bool,
) -> Vec<FusedRegion> {
	// Whether `read`, operand `operand` of node `at`, is of a node before the region or can be of
	// one inside.
	let joins = |start: usize, at: usize, operand: usize, read: &Read| match read.source {
		Source::Node(other) if other as usize >= start => {
			let other = other as usize;
			let elements = elements(&nodes[at], &types[at]);
			is_element_wise(nodes[at].op, operand) == Some(true)
				&& !matches!(nodes[other].op, Op::ReduceMax { .. })
				&& read.affine.contiguous_at() == Some(0)
				&& read.shape.elements() == elements
				&& types[other].elements() == elements
		}
		_ => true,
	};
	let mut ranges: Vec<Range<usize>> = vec![];
	let mut open: Option<Range<usize>> = None;
	for (at, node) in nodes.iter().enumerate() {
		let fits = links(node.op) && fits(node, &types[at]);
		let grown = open.take().and_then(|range| {
			let mut reads = node.reads.iter().enumerate();
			if fits && reads.all(|(operand, read)| joins(range.start, at, operand, read)) {
				return Some(range.start..at + 1);
			}
			ranges.push(range);
			None
		});
		open = grown.or_else(|| fits.then_some(at..at + 1));
	}
	ranges.extend(open);
	ranges.retain(|range| range.len() > 1);

	// The last reader of each node.
	let mut last = vec![0; nodes.len()];
	for (at, node) in nodes.iter().enumerate() {
		for read in &node.reads {
			if let Source::Node(other) = read.source {
				last[other as usize] = at;
			}
		}
	}
	let region = |range: Range<usize>| {
		let start = range.start;
		// A forest: each node leads to one before it in its chain, the first one to itself.
		let mut before: Vec<usize> = (0..range.len()).collect();
		fn first(before: &mut [usize], mut at: usize) -> usize {
			while before[at] != at {
				before[at] = before[before[at]];
				at = before[at];
			}
			at
		}
		for at in range.clone() {
			for read in &nodes[at].reads {
				let Source::Node(other) = read.source else { continue };
				let Some(other) = (other as usize).checked_sub(start) else { continue };
				let (one, two) = (first(&mut before, at - start), first(&mut before, other));
				before[one.max(two)] = one.min(two);
			}
		}
		let mut chains: Vec<Vec<usize>> = vec![vec![]; range.len()];
		let places = range
			.clone()
			.map(|at| {
				let chain = &mut chains[first(&mut before, at - start)];
				chain.push(at);
				(chain.len() - 1, kept(at) || last[at] >= range.end)
			})
			.collect();
		chains.retain(|chain| !chain.is_empty());
		FusedRegion { nodes: range, chains, places }
	};
	ranges.into_iter().map(region).collect()
}
