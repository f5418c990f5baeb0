//! An operator bound to operand types: the definition of each output element.

use crate::{
	access::accesses,
	division::{int_div, rsqrt},
	fold,
	interpolate::{lut_between, lut_segment},
	philox::philox4x32,
	round_shift, row, work, Access, DType, Narrow, Op, OpError, Relation, Shape, View, LUT_ENTRIES,
};
use alloc::{vec, vec::Vec};
use core::ops::Range;

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

	/// The elements `start .. start + out.len()` of any operand.
	fn row(&self, operand: usize, start: u32, out: &mut [i32]) {
		for (slot, index) in out.iter_mut().zip(start..) {
			*slot = self.get(operand, index);
		}
	}
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
	accesses: Vec<Access>,
	reduction: u32,
}

impl Applied {
	/// Bind `op` to the types and shapes of its operands after views. Errors: [`Op::infer`]'s.
	pub fn new(op: Op, operands: &[(DType, Shape)]) -> Result<Self, OpError> {
		let refs: Vec<_> = operands.iter().map(|(dtype, shape)| (*dtype, shape)).collect();
		let (dtype, shape) = op.infer(&refs)?;
		let (accesses, reduction) = accesses(&op, operands, &shape);
		Ok(Self { op, operands: operands.to_vec(), dtype, shape, accesses, reduction })
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

	/// Which elements of operand `operand` one output element reads.
	pub fn access(&self, operand: usize) -> Option<Access> {
		self.accesses.get(operand).copied()
	}

	/// Length of the reduced dimension; 1 where nothing is reduced.
	pub fn reduction(&self) -> u32 {
		self.reduction
	}

	/// Results of each row of an operator whose results share what they need of a row: those of one
	/// row are best computed together.
	pub fn row_width(&self) -> Option<u32> {
		match self.accesses.first() {
			Some(Access::Row { width, .. }) => Some(*width),
			_ => None,
		}
	}

	/// Most bytes of scratch that [`Applied::absorb`] and [`Applied::finish`] allocate beside their
	/// results.
	pub fn scratch(&self) -> u64 {
		match (&self.op, self.accesses.first()) {
			(Op::MatMul { .. } | Op::BatchMatMul { .. } | Op::Conv2d { .. }, _) => {
				fold::PRODUCTS_SCRATCH
			}
			(Op::ScatterAdd { .. }, _) => fold::SCATTER_SCRATCH,
			// The row, and the keys by which it is sorted.
			(Op::TopK { .. }, Some(Access::Row { len, .. })) => 12 * *len as u64,
			(_, Some(Access::Row { len, .. })) => 4 * *len as u64,
			_ => 0,
		}
	}

	/// Work units, see [`Op::work_units`].
	pub fn work_units(&self) -> u64 {
		let refs: Vec<_> = self.operands.iter().map(|(dtype, shape)| (*dtype, shape)).collect();
		self.op.work_units(&refs)
	}

	/// Work units of seeing operand `operand` through a view, beside those of [`Applied::work_units`]:
	/// none where it shows elements of its source as they lie.
	pub fn view_units(&self, operand: usize, view: &View) -> u64 {
		let refs: Vec<_> = self.operands.iter().map(|(dtype, shape)| (*dtype, shape)).collect();
		if view.is_run() {
			return 0;
		}
		self.op.reads(&refs, &self.shape, operand).saturating_mul(work::VIEW)
	}

	/// Bytes that an engine may take to lay out what operator `operand` sees through a view: none where
	/// the view shows elements as they lie, or where an engine reads them piece by piece.
	pub fn view_bytes(&self, operand: usize, view: &View) -> u64 {
		let refs: Vec<_> = self.operands.iter().map(|(dtype, shape)| (*dtype, shape)).collect();
		let Some((dtype, _)) = self.operands.get(operand) else { return 0 };
		if view.is_run() || !self.op.lays_out() {
			return 0;
		}
		self.op.reads(&refs, &self.shape, operand).saturating_mul(dtype.size() as u64)
	}

	/// Accumulators of `outputs` output elements before anything is absorbed.
	pub fn init(&self, outputs: usize) -> Vec<i64> {
		vec![fold::start(&self.op); outputs]
	}

	/// Fold the range `range` of the reduced dimension into the accumulators of `outputs`.
	/// Does nothing for an operator that does not reduce, and reads nothing if no output is asked for,
	/// as [`Applied::indices`] says.
	pub fn absorb(
		&self,
		elements: &dyn Elements,
		outputs: &[u32],
		range: Range<u32>,
		accumulators: &mut [i64],
	) {
		if self.op.reduces() && !outputs.is_empty() {
			let range = range.start..range.end.min(self.reduction);
			fold::absorb(self, elements, outputs, range, accumulators);
		}
	}

	/// The output elements, once the whole reduced dimension is absorbed. Of an operator that
	/// reduces it reads what does not depend on the reduced dimension: the third operand of a
	/// product.
	pub fn finish(
		&self,
		elements: &dyn Elements,
		outputs: &[u32],
		accumulators: &[i64],
	) -> Vec<i32> {
		if let Some(Access::Row { len, width }) = self.accesses.first() {
			return row::finish(self, elements, outputs, (*len, *width));
		}
		outputs
			.iter()
			.zip(accumulators)
			.map(|(&output, &accumulator)| self.element(elements, output, accumulator))
			.collect()
	}

	/// One output element from its accumulator: the meaning of each operator.
	fn element(&self, elements: &dyn Elements, output: u32, accumulator: i64) -> i32 {
		let number = |operand: usize| -> i32 {
			let index = match self.accesses.get(operand) {
				Some(Access::Single) => 0,
				Some(Access::Column { n }) => output % n,
				_ => output,
			};
			elements.get(operand, index)
		};
		let at = |operand: usize| number(operand) as i64;
		match self.op {
			Op::MatMul { narrow: None }
			| Op::BatchMatMul { narrow: None }
			| Op::Conv2d { narrow: None, .. } => self.dtype.saturate(accumulator),
			Op::MatMul { narrow: Some(narrow) }
			| Op::BatchMatMul { narrow: Some(narrow) }
			| Op::Conv2d { narrow: Some(narrow), .. } => {
				let more = if self.operands.len() > 2 { number(2) } else { 0 };
				narrow.shifted(more).apply(accumulator)
			}
			Op::Requant { to } => {
				let bias = if self.operands.len() > 3 { at(3) } else { 0 };
				let product = (at(0) + bias).saturating_mul(at(1));
				to.saturate(round_shift(product, at(2) as i8))
			}
			Op::Add { to } => to.saturate(at(0) + at(1)),
			Op::Sub { to } => to.saturate(at(0) - at(1)),
			Op::Mul { to } => to.saturate(at(0) * at(1)),
			Op::MulShift { shift, to } => to.saturate(round_shift(at(0) * at(1), shift)),
			Op::Max => at(0).max(at(1)) as i32,
			Op::Min => at(0).min(at(1)) as i32,
			Op::Compare { relation } => match relation {
				Relation::Equal => (number(0) == number(1)) as i32,
				Relation::Less => (number(0) < number(1)) as i32,
				Relation::LessOrEqual => (number(0) <= number(1)) as i32,
			},
			Op::Select => number(if number(0) != 0 { 1 } else { 2 }),
			Op::BitLen => (32 - number(0).unsigned_abs().leading_zeros()) as i32,
			Op::Clamp { lo, hi } => at(0).max(lo as i64).min(hi as i64) as i32,
			Op::Shift { by, to } => to.saturate(round_shift(at(0), by)),
			Op::ShiftBy { to } => to.saturate(round_shift(at(0), at(1) as i8)),
			Op::ShiftRandom { to } => match at(1) as i8 {
				left @ ..=0 => to.saturate(round_shift(at(0), left)),
				right => {
					let right = right.min(31);
					let noise = number(2) as u32 as i64 & ((1 << right) - 1);
					to.saturate((at(0) + noise) >> right)
				}
			},
			Op::Cast { to } => to.saturate(at(0)),
			Op::Copy => number(0),
			Op::Lut => elements.get(1, (at(0) + 128).clamp(0, LUT_ENTRIES as i64 - 1) as u32),
			Op::LutInterp => {
				let points = self.operands.get(1).map_or(3, |(_, shape)| shape.elements());
				let (segment, rest, bits) = lut_segment(number(0), points);
				let (left, right) = (elements.get(1, segment), elements.get(1, segment + 1));
				self.dtype.saturate(lut_between(left, right, rest, bits))
			}
			Op::IntDiv { shift, to } => to.saturate(int_div(number(0), number(1), shift)),
			Op::Rsqrt { shift } => rsqrt(number(0), shift),
			Op::ReduceSum { to, .. } | Op::ScatterAdd { to, .. } | Op::Pool { to, .. } => {
				to.saturate(accumulator)
			}
			Op::ReduceSumProduct { shift, to, .. } => to.saturate(round_shift(accumulator, shift)),
			Op::ReduceMax { .. } => self.dtype.saturate(accumulator),
			Op::ArgMax { .. } => (u32::MAX - accumulator as u32) as i32,
			Op::Gather => self.gather(elements, output).map_or(0, |index| elements.get(0, index)),
			Op::Concat { .. } => self
				.accesses
				.iter()
				.enumerate()
				.find_map(|(operand, piece)| Some(elements.get(operand, piece.piece(output)?)))
				.unwrap_or(0),
			Op::Pad { value, .. } => self
				.accesses
				.first()
				.and_then(|piece| piece.piece(output))
				.map_or(value, |index| elements.get(0, index)),
			Op::Iota { axis, .. } => {
				let inner: u32 = self.shape.dims().iter().skip(axis as usize + 1).product();
				let len = self.shape.dims().get(axis as usize).copied().unwrap_or(1);
				(output / inner % len) as i32
			}
			Op::Philox { stream, .. } => {
				let key = [elements.get(0, 0) as u32, elements.get(0, 1) as u32];
				let step = elements.get(1, 0) as u32;
				let block = philox4x32(key, [output / 4, 0, stream, step]);
				block.get(output as usize % 4).copied().unwrap_or(0) as i32
			}
			// Rows are finished elsewhere.
			Op::TopK { .. } | Op::Softmax { .. } | Op::Norm { .. } | Op::RowScale { .. } => 0,
		}
	}
}

impl Narrow {
	/// With `more` added to its shift; the sum is clamped to −31 ..= 62.
	pub fn shifted(self, more: i32) -> Self {
		let shift = (self.shift as i32).saturating_add(more).clamp(-31, 62) as i8;
		Self { shift, ..self }
	}

	/// `sat(round_shift(sum · multiplier, shift))`.
	pub fn apply(&self, sum: i64) -> i32 {
		let product = sum.saturating_mul(self.multiplier as i64);
		self.to.saturate(round_shift(product, self.shift))
	}
}
