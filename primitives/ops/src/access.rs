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

/// A list that never grows beyond about twice what is distinct in it.
struct Distinct {
	values: Vec<u32>,
	settled: usize,
}

impl Distinct {
	fn new() -> Self {
		Self { values: Vec::new(), settled: 0 }
	}

	fn settle(&mut self) {
		if self.values.len() >= self.settled.max(4096) * 2 {
			self.values.sort_unstable();
			self.values.dedup();
			self.settled = self.values.len();
		}
	}
}

impl Applied {
	/// The elements of operand `operand` (after its view) that the output elements `outputs` read
	/// in the range `range` of the reduced dimension: ascending, each once. A table lookup needs
	/// the whole table, since which entry it reads depends on bytes; of the table of a
	/// [`Op::Gather`] nothing is here, see [`Applied::gathered`].
	pub fn indices(&self, operand: usize, outputs: &[u32], range: Range<u32>) -> Vec<u32> {
		let range = range.start..range.end.min(self.reduction());
		let Some(access) = self.access(operand) else { return Vec::new() };
		if outputs.is_empty() {
			return Vec::new();
		}
		// Exact capacities: the referee's scratch is bounded by what is asked for here.
		let capacity = outputs.len().saturating_mul(range.len());
		let indices: Vec<u32> = match access {
			Access::Same => outputs.to_vec(),
			Access::Single => return [0].into(),
			Access::Column { n } => outputs.iter().map(|output| output % n).collect(),
			Access::Whole { len } => return (0..len).collect(),
			Access::Left { k, .. } | Access::Right { k, .. } => {
				let rows = distinct(outputs.iter().map(|output| access.row(*output)).collect());
				let mut indices = Vec::with_capacity(rows.len().saturating_mul(range.len()));
				for row in rows {
					indices.extend(range.clone().map(|i| row.wrapping_mul(k).wrapping_add(i)));
				}
				return indices;
			}
			Access::Patch(window) => {
				let rows = distinct(outputs.iter().map(|output| access.row(*output)).collect());
				let mut list = Distinct::new();
				for row in rows {
					window.stretches(row, range.start, range.len() as u32, |_, first, count| {
						if let Some(first) = first {
							list.values.extend(first..first.wrapping_add(count));
							list.settle();
						}
					});
				}
				list.values
			}
			Access::Reduce { len, inner } => {
				let mut indices = Vec::with_capacity(capacity);
				for output in outputs {
					indices.extend(range.clone().map(|i| reduce_index(*output, i, len, inner)));
				}
				indices
			}
			Access::Row { len, width } => {
				let rows = distinct(outputs.iter().map(|output| output / width).collect());
				let mut indices = Vec::with_capacity(rows.len().saturating_mul(len as usize));
				for row in rows {
					indices.extend((0..len).map(|i| row.wrapping_mul(len).wrapping_add(i)));
				}
				return indices;
			}
			Access::Piece { .. } => {
				outputs.iter().filter_map(|output| access.piece(*output)).collect()
			}
			Access::Updates { inner } => {
				let columns = distinct(outputs.iter().map(|output| output % inner).collect());
				let mut indices = Vec::with_capacity(columns.len().saturating_mul(range.len()));
				for i in range {
					let first = i.wrapping_mul(inner);
					indices.extend(columns.iter().map(|column| first.wrapping_add(*column)));
				}
				return indices;
			}
			Access::Destinations => return range.collect(),
			Access::Index { inner } => outputs.iter().map(|output| output / inner).collect(),
			Access::Table { .. } => return Vec::new(),
		};
		distinct(indices)
	}

	/// The operand whose elements are read where another one's bytes say, and that other one: table
	/// and indices of a [`Op::Gather`].
	pub fn content_dependent(&self) -> Option<(usize, usize)> {
		matches!(self.op(), Op::Gather).then_some((0, 1))
	}

	/// The elements of the table of a [`Op::Gather`] that the output elements `outputs` read:
	/// ascending, each once. Of `elements` only the indices are read.
	pub fn gathered(&self, elements: &dyn crate::Elements, outputs: &[u32]) -> Vec<u32> {
		distinct(outputs.iter().filter_map(|output| self.gather(elements, *output)).collect())
	}

	/// The element of the table that one output element reads; none where the index is outside.
	pub(crate) fn gather(&self, elements: &dyn crate::Elements, output: u32) -> Option<u32> {
		let Some(Access::Table { rows, inner }) = self.access(0) else { return None };
		let row = u32::try_from(elements.get(1, output / inner)).ok().filter(|row| *row < rows)?;
		Some(row.wrapping_mul(inner).wrapping_add(output % inner))
	}
}
