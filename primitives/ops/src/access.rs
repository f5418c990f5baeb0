//! Which elements of its operands an output element reads.

use crate::{window::Window, Applied, Op, Shape};
use alloc::vec::Vec;
use core::ops::Range;

/// Which elements of one operand output element `i` reads, in flat row-major indices of the operand
/// after its view. Operands that are read in the same way have equal values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
	/// Element i.
	Same,
	/// Element 0.
	Single,
	/// Element i mod n.
	Column {
		/// Length of the operand.
		n: u32,
	},
	/// Any element, depending on bytes.
	Whole {
		/// Length of the operand.
		len: u32,
	},
	/// Row i / n of rows of k elements, along which is reduced.
	Left {
		/// Results of a row.
		n: u32,
		/// Length of a row.
		k: u32,
	},
	/// Row (i / block)·n + i mod n of rows of k elements, along which is reduced.
	Right {
		/// Results that share their rows.
		block: u32,
		/// Rows that these have.
		n: u32,
		/// Length of a row.
		k: u32,
	},
	/// A patch of an image, along which is reduced.
	Patch(Window),
	/// Output o·inner + j reads (o·len + r)·inner + j for every r.
	Reduce {
		/// Length of the reduced dimension.
		len: u32,
		/// Product of the dimensions after it.
		inner: u32,
	},
	/// The whole row i / width.
	Row {
		/// Length of a row.
		len: u32,
		/// Results of a row.
		width: u32,
	},
	/// A piece of the result: output (o·total + offset + p)·inner + j reads (o·len + p)·inner + j for p
	/// < len, and what lies outside reads nothing.
	Piece {
		/// Length of the piece.
		len: u32,
		/// Where it begins.
		offset: u32,
		/// Length of the result in that dimension.
		total: u32,
		/// Product of the dimensions after it.
		inner: u32,
	},
	/// Element r·inner + i mod inner for every r of the reduced dimension.
	Updates {
		/// Product of the dimensions after the reduced one.
		inner: u32,
	},
	/// Element r for every r of the reduced dimension.
	Destinations,
	/// Element i / inner.
	Index {
		/// Product of the dimensions after the first of the table.
		inner: u32,
	},
	/// Element v·inner + i mod inner, where v is what [`Access::Index`] reads: depends on bytes.
	Table {
		/// Rows of the table.
		rows: u32,
		/// Length of a row.
		inner: u32,
	},
}

/// How `op` reads operand `operand` of those given, and the length of its reduced dimension.
pub(crate) fn accesses(
	op: &Op,
	operands: &[(crate::DType, Shape)],
	output: &Shape,
) -> (Vec<Access>, u32) {
	let shape = |operand: usize| operands.get(operand).map(|(_, shape)| *shape);
	let first = shape(0);
	let dims = |shape: &Option<Shape>| shape.map_or(Vec::new(), |shape| shape.dims().to_vec());
	let after = |shape: &Shape, axis: usize| shape.dims().iter().skip(axis + 1).product::<u32>();
	let parameter = |operand: usize| match shape(operand) {
		Some(shape) if shape.elements() > 1 => Access::Column { n: shape.elements() },
		_ => Access::Single,
	};
	let shift = |operand: usize| match shape(operand) {
		Some(shape) if shape.elements() > 1 => Access::Same,
		_ => Access::Single,
	};
	let whole =
		|operand: usize| Access::Whole { len: shape(operand).map_or(1, |shape| shape.elements()) };
	let mut reduction = 1;
	let mut accesses: Vec<Access> = match *op {
		Op::MatMul { .. } | Op::BatchMatMul { .. } => {
			let (n, k) = (output.last(), first.map_or(1, |a| a.last()));
			reduction = k;
			let block = match op {
				Op::MatMul { .. } => output.elements(),
				_ => n.saturating_mul(output.dims().iter().rev().nth(1).copied().unwrap_or(1)),
			};
			[Access::Left { n, k }, Access::Right { block, n, k }, Access::Single].into()
		}
		Op::Conv2d { geometry, .. } => {
			let window = first
				.zip(shape(1))
				.and_then(|(x, w)| crate::infer::conv_window(&x, &w, geometry).ok());
			// Inferred before: there is a window.
			let Some(window) = window else { return (Vec::new(), 1) };
			let (block, n, k) = (output.elements(), window.output_channels, window.patch());
			reduction = k;
			[Access::Patch(window), Access::Right { block, n, k }, Access::Single].into()
		}
		Op::Pool { kernel, stride, pad, .. } => {
			let window =
				first.and_then(|x| crate::infer::pool_window(&x, kernel, stride, pad).ok());
			let Some(window) = window else { return (Vec::new(), 1) };
			reduction = window.patch();
			[Access::Patch(window)].into()
		}
		Op::Requant { .. } => [Access::Same, parameter(1), parameter(2), parameter(3)].into(),
		Op::Lut | Op::LutInterp => [Access::Same, whole(1)].into(),
		Op::ReduceSum { axis, .. }
		| Op::ReduceMax { axis }
		| Op::ArgMax { axis }
		| Op::ReduceSumProduct { axis, .. } => {
			let len = dims(&first).get(axis as usize).copied().unwrap_or(1);
			let inner = first.map_or(1, |a| after(&a, axis as usize));
			reduction = len;
			[Access::Reduce { len, inner }; 2].into()
		}
		Op::Gather => {
			let rows = dims(&first).first().copied().unwrap_or(1);
			let inner = first.map_or(1, |table| after(&table, 0));
			[Access::Table { rows, inner }, Access::Index { inner }].into()
		}
		Op::ScatterAdd { .. } => {
			reduction = dims(&first).first().copied().unwrap_or(1);
			let inner = first.map_or(1, |updates| after(&updates, 0));
			[Access::Updates { inner }, Access::Destinations].into()
		}
		Op::Concat { axis } => {
			let inner = after(output, axis as usize);
			let total = output.dims().get(axis as usize).copied().unwrap_or(1);
			let mut offset = 0u32;
			operands
				.iter()
				.map(|(_, shape)| {
					let len = shape.dims().get(axis as usize).copied().unwrap_or(1);
					let piece = Access::Piece { len, offset, total, inner };
					offset = offset.saturating_add(len);
					piece
				})
				.collect()
		}
		Op::Pad { axis, low, .. } => {
			let inner = after(output, axis as usize);
			let total = output.dims().get(axis as usize).copied().unwrap_or(1);
			let len = dims(&first).get(axis as usize).copied().unwrap_or(1);
			[Access::Piece { len, offset: low, total, inner }].into()
		}
		Op::Philox { .. } => [whole(0), whole(1)].into(),
		Op::ShiftBy { .. } | Op::ShiftRandom { .. } => {
			[Access::Same, shift(1), Access::Same].into()
		}
		Op::TopK { .. } | Op::Softmax { .. } => {
			let len = first.map_or(1, |x| x.last());
			[Access::Row { len, width: output.last() }].into()
		}
		Op::Norm { .. } => {
			let len = first.map_or(1, |x| x.last());
			[Access::Row { len, width: len }, parameter(1), parameter(2)].into()
		}
		Op::RowScale { .. } => {
			let len = first.map_or(1, |x| x.last());
			[Access::Row { len, width: 1 }].into()
		}
		_ => [Access::Same; 3].into(),
	};
	accesses.truncate(operands.len());
	(accesses, reduction)
}

impl Access {
	/// The row of a product's operand that an output element reads.
	pub(crate) fn row(&self, output: u32) -> u32 {
		match self {
			Self::Left { n, .. } => output / n,
			Self::Right { block, n, .. } => {
				(output / block).wrapping_mul(*n).wrapping_add(output % n)
			}
			Self::Patch(window) => window.row(output),
			_ => output,
		}
	}

	/// Where a piece of the result has output element `output`, if it does.
	pub(crate) fn piece(&self, output: u32) -> Option<u32> {
		let Self::Piece { len, offset, total, inner } = *self else { return None };
		let (rest, within) = (output / inner, output % inner);
		let at = (rest % total).checked_sub(offset).filter(|at| *at < len)?;
		let row = (rest / total).wrapping_mul(len).wrapping_add(at);
		Some(row.wrapping_mul(inner).wrapping_add(within))
	}
}

pub(crate) fn reduce_index(output: u32, k: u32, len: u32, inner: u32) -> u32 {
	let (outer, within) = (output / inner, output % inner);
	outer.wrapping_mul(len).wrapping_add(k).wrapping_mul(inner).wrapping_add(within)
}

/// Sorted, each once.
pub(crate) fn distinct(mut values: Vec<u32>) -> Vec<u32> {
	values.sort_unstable();
	values.dedup();
	values
}

/// A list that takes no more than twice what is distinct in it, and one stretch; while it grows the old
/// one is there beside the new one, of half its length.
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
	/// [`Op::Gather`] nothing is here, see [`Applied::gathered`].
	pub fn indices(&self, operand: usize, outputs: &[u32], range: Range<u32>) -> Vec<u32> {
		self.indices_within(operand, outputs, range, usize::MAX).unwrap_or_default()
	}

	/// [`Applied::indices`], or none if that is more than `most`; nothing longer is allocated.
	///
	/// Takes four bytes for each output, for each index and, for patches, three times that and 16 KiB.
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
	/// and indices of a [`Op::Gather`].
	pub fn content_dependent(&self) -> Option<(usize, usize)> {
		matches!(self.op(), Op::Gather).then_some((0, 1))
	}

	/// The elements of the table of a [`Op::Gather`] that the output elements `outputs` read:
	/// ascending, each once. Of `elements` only the indices are read.
	pub fn gathered(&self, elements: &dyn crate::Elements, outputs: &[u32]) -> Vec<u32> {
		let mut gathered = Vec::with_capacity(outputs.len());
		gathered.extend(outputs.iter().filter_map(|output| self.gather(elements, *output)));
		distinct(gathered)
	}

	/// The element of the table that one output element reads; none where the index is outside.
	pub(crate) fn gather(&self, elements: &dyn crate::Elements, output: u32) -> Option<u32> {
		let Some(Access::Table { rows, inner }) = self.access(0) else { return None };
		let row = u32::try_from(elements.get(1, output / inner)).ok().filter(|row| *row < rows)?;
		Some(row.wrapping_mul(inner).wrapping_add(output % inner))
	}
}
