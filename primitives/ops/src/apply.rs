//! An operator bound to operand types: which elements each output element reads, and its fold.

use crate::{round_shift, DType, Narrow, Op, OpError, Shape, LUT_ENTRIES};
use alloc::{vec, vec::Vec};
use core::ops::Range;

/// Entries of the i16 buffer that MatMul gathers operand rows into.
const GATHER: usize = 1 << 17;

/// Output elements that MatMul folds together.
const BLOCK: usize = 1024;

/// Where an operator reads its operands from.
pub trait Elements {
	/// Element `index` of operand `operand`, in the row-major order of the operand *after* its view.
	fn get(&self, operand: usize, index: u32) -> i32;

	/// The elements `start .. start + out.len()` of an operand that is i8 or i16.
	fn read(&self, operand: usize, start: u32, out: &mut [i16]) {
		for (slot, index) in out.iter_mut().zip(start..) {
			*slot = self.get(operand, index) as i16;
		}
	}
}

/// Which elements of the operands one output element reads, in flat row-major indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
	/// Element i of each operand.
	Map,
	/// Output `r·N + n` reads `a[r·K ..][..K]` and `b[n·K ..][..K]`.
	MatMul {
		/// N.
		n: u32,
		/// K.
		k: u32,
	},
	/// Element i of the accumulators and element (i mod N), or 0, of each parameter.
	Requant {
		/// N.
		n: u32,
	},
	/// Element i, and any element of the table.
	Lut,
	/// Output o·inner + j reads (o·len + k)·inner + j for every k.
	Reduce {
		/// Length of the reduced dimension.
		len: u32,
		/// Product of the dimensions after it.
		inner: u32,
	},
}

/// An operator with its operand types: the definition of each output element.
///
/// An output element is `finish(absorb(… absorb(init, k₀..k₁) …, kₙ..K))` for any cut of
/// `0..K` into ranges, in any order, where K is [`Applied::reduction`] (1 where nothing is reduced).
/// Accumulators are one i64 for each output element, so those of a tile take at most 8 KiB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
	op: Op,
	operands: Vec<(DType, Shape)>,
	dtype: DType,
	shape: Shape,
	access: Access,
}

impl Applied {
	/// Bind `op` to the types and shapes of its operands after views. Errors: [`Op::infer`]'s.
	pub fn new(op: Op, operands: &[(DType, Shape)]) -> Result<Self, OpError> {
		let refs: Vec<_> = operands.iter().map(|(dtype, shape)| (*dtype, shape)).collect();
		let (dtype, shape) = op.infer(&refs)?;
		let first = operands.first().ok_or(OpError::OperandCount { expected: 1 })?.1;
		let access = match op {
			Op::MatMul { .. } => Access::MatMul { n: shape.last(), k: first.last() },
			Op::Requant { .. } => Access::Requant { n: shape.last() },
			Op::Lut => Access::Lut,
			Op::ReduceSum { axis, .. } | Op::ReduceMax { axis } | Op::ArgMax { axis } => {
				let axis = axis as usize;
				Access::Reduce {
					len: first.dims().get(axis).copied().unwrap_or(1),
					inner: first.dims().iter().skip(axis + 1).product(),
				}
			}
			_ => Access::Map,
		};
		Ok(Self { op, operands: operands.to_vec(), dtype, shape, access })
	}

	/// The operator.
	pub fn op(&self) -> &Op {
		&self.op
	}

	/// Element type of the result.
	pub fn dtype(&self) -> DType {
		self.dtype
	}

	/// Shape of the result.
	pub fn shape(&self) -> Shape {
		self.shape
	}

	/// Types and shapes of the operands, after views.
	pub fn operands(&self) -> &[(DType, Shape)] {
		&self.operands
	}

	/// Which elements of the operands one output element reads.
	pub fn access(&self) -> Access {
		self.access
	}

	/// Length of the reduced dimension; 1 where nothing is reduced.
	pub fn reduction(&self) -> u32 {
		match self.access {
			Access::MatMul { k, .. } => k,
			Access::Reduce { len, .. } => len,
			_ => 1,
		}
	}

	/// Most bytes of scratch that [`Applied::absorb`] allocates.
	pub fn scratch(&self) -> u64 {
		match self.access {
			// The gathered rows, and per output of a block its two rows and where they are.
			Access::MatMul { .. } => (2 * GATHER + BLOCK * 64) as u64,
			_ => 0,
		}
	}

	/// Work units, see [`Op::work_units`].
	pub fn work_units(&self) -> u64 {
		let refs: Vec<_> = self.operands.iter().map(|(dtype, shape)| (*dtype, shape)).collect();
		self.op.work_units(&refs)
	}

	/// The elements of operand `operand` (after its view) that the output elements `outputs` read
	/// in the range `range` of the reduced dimension: ascending, each once. A table lookup needs
	/// the whole table, since which entry it reads depends on bytes.
	pub fn indices(&self, operand: usize, outputs: &[u32], range: Range<u32>) -> Vec<u32> {
		let range = range.start..range.end.min(self.reduction());
		// Exact capacities: the referee's scratch is bounded by what is asked for here.
		let mut indices: Vec<u32> = match (self.access, operand) {
			(Access::MatMul { n, k }, _) => {
				let side = |output: &u32| if operand == 0 { output / n } else { output % n };
				let mut rows: Vec<u32> = outputs.iter().map(side).collect();
				rows.sort_unstable();
				rows.dedup();
				let mut indices = Vec::with_capacity(rows.len().saturating_mul(range.len()));
				for row in rows {
					indices.extend(range.clone().map(|i| row.wrapping_mul(k).wrapping_add(i)));
				}
				return indices;
			}
			(Access::Requant { .. }, 1..) if self.operand_len(operand) == 1 => return vec![0],
			(Access::Requant { n }, 1..) => outputs.iter().map(|output| output % n).collect(),
			(Access::Lut, 1) => return (0..LUT_ENTRIES).collect(),
			(Access::Reduce { len, inner }, _) => {
				let mut indices = Vec::with_capacity(outputs.len().saturating_mul(range.len()));
				for output in outputs {
					indices.extend(range.clone().map(|i| reduce_index(*output, i, len, inner)));
				}
				indices
			}
			_ => outputs.to_vec(),
		};
		indices.sort_unstable();
		indices.dedup();
		indices
	}

	fn operand_len(&self, operand: usize) -> u32 {
		self.operands.get(operand).map_or(1, |(_, shape)| shape.elements())
	}

	/// Accumulators of `outputs` output elements before anything is absorbed.
	pub fn init(&self, outputs: usize) -> Vec<i64> {
		let start = match self.op {
			Op::ReduceMax { .. } | Op::ArgMax { .. } => i64::MIN,
			_ => 0,
		};
		vec![start; outputs]
	}

	/// Fold the range `range` of the reduced dimension into the accumulators of `outputs`.
	/// Does nothing for an operator that does not reduce.
	pub fn absorb(
		&self,
		elements: &dyn Elements,
		outputs: &[u32],
		range: Range<u32>,
		accumulators: &mut [i64],
	) {
		let range = range.start..range.end.min(self.reduction());
		match self.access {
			Access::MatMul { n, k } => {
				let wide = self.operands.first().is_some_and(|(dtype, _)| *dtype != DType::I8);
				for (outputs, accumulators) in
					outputs.chunks(BLOCK).zip(accumulators.chunks_mut(BLOCK))
				{
					absorb_products(elements, outputs, (n, k), range.clone(), wide, accumulators);
				}
			}
			Access::Reduce { len, inner } => {
				for (output, accumulator) in outputs.iter().zip(accumulators) {
					for i in range.clone() {
						let value = elements.get(0, reduce_index(*output, i, len, inner)) as i64;
						*accumulator = match self.op {
							Op::ReduceSum { .. } => accumulator.saturating_add(value),
							Op::ReduceMax { .. } => value.max(*accumulator),
							// Value first, then the *lower* index: one comparison decides both.
							_ => (value << 32 | (u32::MAX - i) as i64).max(*accumulator),
						};
					}
				}
			}
			_ => {}
		}
	}

	/// The output elements, once the whole reduced dimension is absorbed.
	pub fn finish(
		&self,
		elements: &dyn Elements,
		outputs: &[u32],
		accumulators: &[i64],
	) -> Vec<i32> {
		outputs
			.iter()
			.zip(accumulators)
			.map(|(&output, &accumulator)| self.element(elements, output, accumulator))
			.collect()
	}

	/// One output element from its accumulator: the meaning of each operator.
	fn element(&self, elements: &dyn Elements, output: u32, accumulator: i64) -> i32 {
		let at = |operand: usize| elements.get(operand, output) as i64;
		let parameter = |operand: usize| {
			let index = match self.access {
				Access::Requant { n } if self.operand_len(operand) > 1 => output % n,
				_ => 0,
			};
			elements.get(operand, index) as i64
		};
		match self.op {
			Op::MatMul { narrow: None } => self.dtype.saturate(accumulator),
			Op::MatMul { narrow: Some(Narrow { multiplier, shift, to }) } => {
				let product = accumulator.saturating_mul(multiplier as i64);
				to.saturate(round_shift(product, shift))
			}
			Op::Requant { to } => {
				let bias = if self.operands.len() > 3 { parameter(3) } else { 0 };
				let product = (at(0) + bias).saturating_mul(parameter(1));
				to.saturate(round_shift(product, parameter(2) as i8))
			}
			Op::Add { to } => to.saturate(at(0) + at(1)),
			Op::Sub { to } => to.saturate(at(0) - at(1)),
			Op::Mul { to } => to.saturate(at(0) * at(1)),
			Op::Max => at(0).max(at(1)) as i32,
			Op::Min => at(0).min(at(1)) as i32,
			Op::Clamp { lo, hi } => at(0).max(lo as i64).min(hi as i64) as i32,
			Op::Shift { by, to } => to.saturate(round_shift(at(0), by)),
			Op::Cast { to } => to.saturate(at(0)),
			Op::Copy => at(0) as i32,
			Op::Lut => elements.get(1, (at(0) + 128).clamp(0, LUT_ENTRIES as i64 - 1) as u32),
			Op::ReduceSum { to, .. } => to.saturate(accumulator),
			Op::ReduceMax { .. } => self.dtype.saturate(accumulator),
			Op::ArgMax { .. } => (u32::MAX - accumulator as u32) as i32,
		}
	}
}

fn reduce_index(output: u32, k: u32, len: u32, inner: u32) -> u32 {
	let (outer, within) = (output / inner, output % inner);
	outer.wrapping_mul(len).wrapping_add(k).wrapping_mul(inner).wrapping_add(within)
}

/// Add `Σ a[r·K + i] · b[c·K + i]` over `range` to the accumulator of each output r·N + c: gathers
/// every operand row once, in pieces that fit [`GATHER`], then takes plain dot products.
fn absorb_products(
	elements: &dyn Elements,
	outputs: &[u32],
	(n, k): (u32, u32),
	range: Range<u32>,
	wide: bool,
	accumulators: &mut [i64],
) {
	let distinct = |mut rows: Vec<u32>| {
		rows.sort_unstable();
		rows.dedup();
		rows
	};
	let a_rows = distinct(outputs.iter().map(|output| output / n).collect());
	let b_rows = distinct(outputs.iter().map(|output| output % n).collect());
	let place = |rows: &[u32], row: u32| rows.binary_search(&row).unwrap_or(0);
	let places: Vec<(usize, usize)> = outputs
		.iter()
		.map(|output| (place(&a_rows, output / n), place(&b_rows, output % n)))
		.collect();
	let step = (GATHER / (a_rows.len() + b_rows.len()).max(1)).min(range.len()).max(1);
	let mut gathered = vec![0i16; step * (a_rows.len() + b_rows.len())];
	for start in range.clone().step_by(step) {
		let len = step.min((range.end - start) as usize);
		let (a, b) = gathered.split_at_mut(step * a_rows.len());
		for (operand, rows, buffer) in [(0, &a_rows, &mut *a), (1, &b_rows, &mut *b)] {
			for (row, out) in rows.iter().zip(buffer.chunks_exact_mut(step)) {
				let first = row.wrapping_mul(k).wrapping_add(start);
				elements.read(operand, first, out.get_mut(..len).unwrap_or_default());
			}
		}
		for (accumulator, (a_place, b_place)) in accumulators.iter_mut().zip(&places) {
			let row = |side: &[i16], place: usize| -> Range<usize> {
				let from = (place * step).min(side.len());
				from..(from + len).min(side.len())
			};
			let (a_row, b_row) = (&a[row(a, *a_place)], &b[row(b, *b_place)]);
			let products = a_row.iter().zip(b_row).map(|(x, y)| *x as i32 * *y as i32);
			let sum = if wide {
				products.map(i64::from).sum::<i64>()
			} else {
				// |x·y| ≤ 2^14 and at most 2^17 − 1 of them; wrapping only keeps a source that
				// hands out wider values from panicking.
				products.fold(0i32, i32::wrapping_add) as i64
			};
			*accumulator = accumulator.saturating_add(sum);
		}
	}
}
