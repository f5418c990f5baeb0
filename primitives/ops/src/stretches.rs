//! What output elements read, as stretches of an operand, without a list of it.

use crate::{access::distinct, Access, Applied};
use alloc::vec::Vec;
use core::ops::Range;

impl Applied {
	/// Calls `visit(first, count)` for stretches of consecutive elements that are together what
	/// [`Applied::indices`] names, in no order and some of them more than once. Allocates a list as
	/// long as `outputs` at most.
	///
	/// Visits at most as many elements as there are outputs and indices together; of the
	/// overlapping patches of a window each one.
	pub fn stretches(
		&self,
		operand: usize,
		outputs: &[u32],
		range: Range<u32>,
		mut visit: impl FnMut(u32, u32),
	) {
		let range = range.start..range.end.min(self.reduction());
		let Some(access) = self.access(operand) else { return };
		if outputs.is_empty() {
			return;
		}
		let len = range.end.saturating_sub(range.start);
		let rows = |row: &dyn Fn(u32) -> u32| -> Vec<u32> {
			distinct(outputs.iter().map(|output| row(*output)).collect())
		};
		match access {
			Access::Same => runs(outputs.iter().copied(), visit),
			Access::Single => visit(0, 1),
			Access::Column { n } => runs(outputs.iter().map(|output| output % n), visit),
			Access::Whole { len } => visit(0, len),
			Access::Left { k, .. } | Access::Right { k, .. } => {
				for row in rows(&|output| access.row(output)) {
					visit(row.wrapping_mul(k).wrapping_add(range.start), len);
				}
			}
			Access::Patch(window) => {
				for row in rows(&|output| access.row(output)) {
					window.stretches(row, range.start, len, |_, first, count| {
						if let Some(first) = first {
							visit(first, count);
						}
					});
				}
			}
			Access::Reduce { len: all, inner: 1 } => {
				for output in outputs {
					visit(output.wrapping_mul(all).wrapping_add(range.start), len);
				}
			}
			Access::Reduce { len: all, inner } => runs(outputs.iter().copied(), |first, count| {
				let (mut at, mut left) = (first, count);
				while left > 0 {
					let (outer, within) = (at / inner, at % inner);
					let run = left.min(inner - within);
					for i in range.clone() {
						let row = outer.wrapping_mul(all).wrapping_add(i);
						visit(row.wrapping_mul(inner).wrapping_add(within), run);
					}
					at = at.wrapping_add(run);
					left -= run;
				}
			}),
			Access::Row { len, width } => {
				for row in rows(&|output| output / width) {
					visit(row.wrapping_mul(len), len);
				}
			}
			Access::Piece { .. } => {
				runs(outputs.iter().filter_map(|output| access.piece(*output)), visit)
			}
			Access::Updates { inner } => {
				let columns = rows(&|output| output % inner);
				for i in range {
					let first = i.wrapping_mul(inner);
					runs(columns.iter().map(|column| first.wrapping_add(*column)), &mut visit);
				}
			}
			Access::Destinations => visit(range.start, len),
			Access::Index { inner } => runs(outputs.iter().map(|output| output / inner), visit),
			Access::Table { .. } => {}
		}
	}
}

/// Joins what follows on what was before; what repeats the last one is left out.
fn runs(elements: impl Iterator<Item = u32>, mut visit: impl FnMut(u32, u32)) {
	let mut run: Option<(u32, u32)> = None;
	for element in elements {
		run = match run {
			Some((first, count)) if element == first.wrapping_add(count) => {
				Some((first, count + 1))
			}
			Some((first, count)) if element == first.wrapping_add(count - 1) => {
				Some((first, count))
			}
			before => {
				if let Some((first, count)) = before {
					visit(first, count);
				}
				Some((element, 1))
			}
		};
	}
	if let Some((first, count)) = run {
		visit(first, count);
	}
}
