//! The elements of operands that output elements read.

use crate::{
	access::{distinct, reduce_index},
	Access, Applied, Elements,
};
use alloc::vec::Vec;
use core::ops::Range;

/// A list that takes no more than twice what is distinct in it, and one stretch; while it grows the
/// old one is there beside the new one, of half its length.
struct Distinct {
	values: Vec<u32>,
	most: usize,
}

impl Distinct {
	/// Room that is there from the beginning.
	const ROOM: usize = 4096;

	fn new(most: usize) -> Self {
		Self { values: Vec::with_capacity(Self::ROOM), most }
	}

	/// False once there are more than may be.
	fn extend(&mut self, first: u32, count: u32) -> bool {
		let more = count as usize;
		if self.values.len().saturating_add(more) > self.values.capacity() {
			self.values.sort_unstable();
			self.values.dedup();
			let len = self.values.len();
			if len.saturating_add(more) > self.most {
				return false;
			}
			// Half of it stays free, so that sorting is paid for by what comes next.
			if len.saturating_mul(2).saturating_add(more) > self.values.capacity() {
				self.values.reserve_exact(len.saturating_add(more));
			}
		}
		self.values.extend(first..first.wrapping_add(count));
		true
	}
}

impl Applied {
	/// The elements of operand `operand` (after its view) that the output elements `outputs` read
	/// in the range `range` of the reduced dimension: ascending, each once. A table lookup needs
	/// the whole table, since which entry it reads depends on bytes; of the table of a
	/// [`crate::Op::Gather`] nothing is here, see [`Applied::gathered`].
	pub fn indices(&self, operand: usize, outputs: &[u32], range: Range<u32>) -> Vec<u32> {
		self.indices_within(operand, outputs, range, usize::MAX).unwrap_or_default()
	}

	/// [`Applied::indices`], or none if that is more than `most`; nothing longer is allocated.
	///
	/// Takes four bytes for each output, for each index and, for patches, three times that and 16
	/// KiB.
	pub fn indices_within(
		&self,
		operand: usize,
		outputs: &[u32],
		range: Range<u32>,
		most: usize,
	) -> Option<Vec<u32>> {
		let range = range.start..range.end.min(self.reduction());
		let Some(access) = self.access(operand) else { return Some(Vec::new()) };
		if outputs.is_empty() {
			return Some(Vec::new());
		}
		// Exact capacities: the referee's scratch is bounded by what is asked for here.
		let list = |each: usize, of: usize| {
			let capacity = each.checked_mul(of).filter(|capacity| *capacity <= most)?;
			Some(Vec::with_capacity(capacity))
		};
		let mut indices = list(outputs.len(), 1)?;
		match access {
			Access::Same => indices.extend_from_slice(outputs),
			Access::Single => indices.push(0),
			Access::Column { n } => indices.extend(outputs.iter().map(|output| output % n)),
			Access::Whole { len } => {
				indices = list(len as usize, 1)?;
				indices.extend(0..len);
			}
			Access::Left { k, .. } | Access::Right { k, .. } => {
				indices.extend(outputs.iter().map(|output| access.row(*output)));
				let rows = distinct(indices);
				indices = list(rows.len(), range.len())?;
				for row in rows {
					indices.extend(range.clone().map(|i| row.wrapping_mul(k).wrapping_add(i)));
				}
				return Some(indices);
			}
			Access::Patch(window) => {
				indices.extend(outputs.iter().map(|output| access.row(*output)));
				let rows = distinct(indices);
				let (mut list, mut fits) = (Distinct::new(most), true);
				for row in rows {
					window.stretches(row, range.start, range.len() as u32, |_, first, count| {
						if let Some(first) = first.filter(|_| fits) {
							fits = list.extend(first, count);
						}
					});
					if !fits {
						return None;
					}
				}
				indices = list.values;
			}
			Access::Reduce { len, inner } => {
				indices = list(outputs.len(), range.len())?;
				for output in outputs {
					indices.extend(range.clone().map(|i| reduce_index(*output, i, len, inner)));
				}
			}
			Access::Row { len, width } => {
				indices.extend(outputs.iter().map(|output| output / width));
				let rows = distinct(indices);
				indices = list(rows.len(), len as usize)?;
				for row in rows {
					indices.extend((0..len).map(|i| row.wrapping_mul(len).wrapping_add(i)));
				}
				return Some(indices);
			}
			Access::Piece { .. } => {
				indices.extend(outputs.iter().filter_map(|output| access.piece(*output)))
			}
			Access::Updates { inner } => {
				indices.extend(outputs.iter().map(|output| output % inner));
				let columns = distinct(indices);
				indices = list(columns.len(), range.len())?;
				for i in range {
					let first = i.wrapping_mul(inner);
					indices.extend(columns.iter().map(|column| first.wrapping_add(*column)));
				}
				return Some(indices);
			}
			Access::Destinations => {
				indices = list(range.len(), 1)?;
				indices.extend(range);
				return Some(indices);
			}
			Access::Index { inner } => indices.extend(outputs.iter().map(|output| output / inner)),
			Access::Table { .. } => return Some(Vec::new()),
		}
		Some(distinct(indices))
	}

	/// The operand whose elements are read where another one's bytes say, and that other one: table
	/// and indices of a [`crate::Op::Gather`].
	pub fn content_dependent(&self) -> Option<(usize, usize)> {
		matches!(self.access(0), Some(Access::Table { .. })).then_some((0, 1))
	}

	/// The elements of the table of a [`crate::Op::Gather`] that the output elements `outputs`
	/// read: ascending, each once. Of `elements` only the indices are read.
	pub fn gathered(&self, elements: &dyn Elements, outputs: &[u32]) -> Vec<u32> {
		let mut gathered = Vec::with_capacity(outputs.len());
		gathered
			.extend(outputs.iter().filter_map(|output| self.signature().gather(elements, *output)));
		distinct(gathered)
	}
}
