//! Products: sums of products over rows, or over patches of images.

use crate::{
	access::distinct,
	definition::{Definition, Scratch},
	operands::{joined, no_longer, Operands},
	round_shift,
	signature::Signature,
	time::{self, Asked},
	window,
	work::Weights,
	Access, DType, Elements, Geometry, Narrow, OpError, Shape, Window, MATMUL_I16_MAX_K,
	MATMUL_I8_MAX_K,
};
use alloc::{vec, vec::Vec};
use core::ops::Range;

/// The operators of [`crate::Op`] of these names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Product {
	MatMul { narrow: Option<Narrow> },
	BatchMatMul { narrow: Option<Narrow> },
	Conv2d { geometry: Geometry, narrow: Option<Narrow> },
}

/// Entries of the i16 buffer that products gather operand rows into.
const GATHER: usize = 1 << 17;

/// Output elements that products fold together.
const BLOCK: usize = 1024;

/// Most bytes of scratch that [`fold`] allocates: the gathered rows, and per output of a block
/// its two rows and where they are.
const SCRATCH: u64 = (2 * GATHER + BLOCK * 64) as u64;

/// Of each multiply-add of words: four products of bytes.
const WORDS: u64 = 4;

/// Of each element of a patch, which a convolution looks up before it is multiplied.
const PATCH: u64 = 4;

/// Of each matrix of a batch.
const MATRIX: u64 = 128;

impl Product {
	/// What becomes of the sums of words.
	pub fn narrow(self) -> Option<Narrow> {
		match self {
			Self::MatMul { narrow }
			| Self::BatchMatMul { narrow }
			| Self::Conv2d { narrow, .. } => narrow,
		}
	}
}

impl Definition for Product {
	fn infer(self, all: &Operands) -> Result<(DType, Shape), OpError> {
		let (dtype, max) = types(all, self.narrow())?;
		match self {
			Self::MatMul { .. } => {
				let Some((&k, rows)) = all.at(0)?.1.dims().split_last() else {
					return Err(OpError::OperandShape { operand: 0 });
				};
				let &[n, b_k] = all.at(1)?.1.dims() else {
					return Err(OpError::OperandShape { operand: 1 });
				};
				if b_k != k {
					return Err(OpError::OperandShape { operand: 1 });
				}
				no_longer(k, max)?;
				Ok((dtype, joined(rows, &[n])?))
			}
			Self::BatchMatMul { .. } => {
				let (a, b) = (all.dims(0, 3)?, all.dims(1, 3)?);
				let ([batch @ .., m, k], [b_batch @ .., n, b_k]) = (a, b) else {
					return Err(OpError::OperandShape { operand: 0 });
				};
				if batch != b_batch || k != b_k {
					return Err(OpError::OperandShape { operand: 1 });
				}
				no_longer(*k, max)?;
				Ok((dtype, joined(batch, &[*m, *n])?))
			}
			Self::Conv2d { geometry, .. } => {
				let (x, w) = (all.at(0)?.1, all.at(1)?.1);
				let window = conv_window(x, w, geometry)?;
				no_longer(window.patch(), max)?;
				Ok((dtype, window::results(x, &window)?))
			}
		}
	}

	fn access(self, operands: &Operands, output: &Shape) -> (Vec<Access>, u32) {
		let rows = |block: u32| {
			let (n, k) = (output.last(), operands.last(0));
			([Access::Left { n, k }, Access::Right { block, n, k }, Access::Single].into(), k)
		};
		match self {
			Self::MatMul { .. } => rows(output.elements()),
			Self::BatchMatMul { .. } => {
				let m = output.dims().iter().rev().nth(1).copied().unwrap_or(1);
				rows(output.last().saturating_mul(m))
			}
			Self::Conv2d { geometry, .. } => {
				let window = operands
					.shape(0)
					.zip(operands.shape(1))
					.and_then(|(x, w)| conv_window(x, w, geometry).ok());
				// Inferred before: there is a window.
				let Some(window) = window else { return (Vec::new(), 1) };
				let (block, n, k) = (output.elements(), window.output_channels, window.patch());
				([Access::Patch(window), Access::Right { block, n, k }, Access::Single].into(), k)
			}
		}
	}

	fn start(self) -> Option<i64> {
		Some(0)
	}

	fn absorb(
		self,
		signature: &Signature,
		elements: &dyn Elements,
		outputs: &[u32],
		range: Range<u32>,
		accumulators: &mut [i64],
	) {
		for (outputs, accumulators) in outputs.chunks(BLOCK).zip(accumulators.chunks_mut(BLOCK)) {
			fold(signature, elements, outputs, range.clone(), accumulators);
		}
	}

	fn finish(
		self,
		signature: &Signature,
		elements: &dyn Elements,
		outputs: &[u32],
		accumulators: &[i64],
	) -> Vec<i32> {
		let accumulators = outputs.iter().zip(accumulators).map(|(_, accumulator)| *accumulator);
		let Some(narrow) = self.narrow() else {
			return accumulators.map(|sum| signature.dtype.saturate(sum)).collect();
		};
		let third = signature.operands.len() > 2;
		let element = |sum| {
			let more = if third { elements.get(2, 0) } else { 0 };
			narrow.shifted(more).apply(sum)
		};
		accumulators.map(element).collect()
	}

	fn scratch(self, _: &Signature) -> Scratch {
		Scratch { all: SCRATCH, each: 0 }
	}

	fn weights(self, operands: &Operands, output: &Shape) -> Weights {
		let elements = u64::from(output.elements());
		// Sums of words pass an epilogue.
		let (product, written) = if self.narrow().is_some() { (WORDS, 16) } else { (1, 8) };
		// At most 2^31 · 131,071 · 4 < 2^51, and the same for what is beside products.
		match self {
			Self::MatMul { .. } => {
				let more = elements * u64::from(operands.last(0)) * product;
				Weights { more, ..Weights::new(1, written) }
			}
			Self::BatchMatMul { .. } => {
				let rows = output.dims().iter().rev().take(2).map(|&dim| u64::from(dim));
				let matrices = elements / rows.product::<u64>().max(1);
				let products = elements * u64::from(operands.last(0)) * product;
				Weights { more: products + MATRIX * matrices, ..Weights::new(4, written) }
			}
			Self::Conv2d { geometry, .. } => {
				let filter: u64 = operands
					.shape(1)
					.map_or(1, |w| w.dims().iter().skip(1).map(|&dim| u64::from(dim)).product());
				let groups = u64::from(geometry.groups);
				let patches = elements / u64::from(output.last()).max(1) * groups;
				let products = elements * filter * product;
				Weights { more: products + PATCH * patches * filter, ..Weights::new(1, written) }
			}
		}
	}

	fn reads(self, _: usize, all: u64, _: &Shape) -> u64 {
		all
	}

	fn lays_out(self) -> bool {
		true
	}

	fn time(self, signature: &Signature, asked: &Asked) -> u64 {
		let slice = u64::from(asked.slice);
		let product = if is_wide(signature) { time::I16_PRODUCT } else { time::I8_PRODUCT };
		// Each block of 1,024 outputs gathers at most 1,024 rows of each operand, once.
		let rows = |reads: u64| reads.div_ceil(slice.max(1)).min(BLOCK as u64);
		let left = match self {
			// Patches overlap: they are gathered whole.
			Self::Conv2d { .. } => asked.patches.min(BLOCK as u64),
			Self::MatMul { .. } | Self::BatchMatMul { .. } => rows(asked.reads[0]),
		};
		let gathered = asked
			.elements
			.div_ceil(BLOCK as u64)
			.saturating_mul(left + rows(asked.reads[1]))
			.saturating_mul(slice);
		let folded = asked.elements.saturating_mul(slice);
		folded.saturating_mul(product).saturating_add(gathered.saturating_mul(time::READ))
	}
}

/// Operand count and types of a product; its type, and the longest sum that fits.
fn types(all: &Operands, narrow: Option<Narrow>) -> Result<(DType, u32), OpError> {
	if all.0.len() == 3 && narrow.is_some() {
		all.typed(2, &[DType::I8])?;
		if all.at(2)?.1.dims() != [1] {
			return Err(OpError::OperandShape { operand: 2 });
		}
	} else {
		all.count(2)?;
	}
	let a = all.at(0)?.0;
	all.typed(1, &[a])?;
	match (a, narrow) {
		(DType::I8, None) => Ok((DType::I32, MATMUL_I8_MAX_K)),
		(DType::I16, Some(narrow)) => Ok((narrow.to, MATMUL_I16_MAX_K)),
		(DType::I32, _) => Err(OpError::OperandType { operand: 0, found: a }),
		_ => Err(OpError::Narrow),
	}
}

/// The window of a Conv2d over x with these weights. Errors: [`OpError::OperandShape`],
/// [`OpError::Window`].
fn conv_window(x: &Shape, w: &Shape, geometry: Geometry) -> Result<Window, OpError> {
	let &[out, height, width, channels] = w.dims() else {
		return Err(OpError::OperandShape { operand: 1 });
	};
	let window = Window::new(x, [height, width], out, geometry.groups.into(), geometry)?;
	(window.group_channels() == channels)
		.then_some(window)
		.ok_or(OpError::OperandShape { operand: 1 })
}

fn is_wide(signature: &Signature) -> bool {
	signature.operands.first().is_some_and(|(dtype, _)| *dtype != DType::I8)
}

/// The elements `start ..` of row `row` of a product's operand.
fn read_row(
	elements: &dyn Elements,
	(operand, access): (usize, Access),
	row: u32,
	start: u32,
	out: &mut [i16],
) {
	match access {
		Access::Patch(window) => {
			window.stretches(row, start, out.len() as u32, |at, first, count| {
				let out = out.get_mut(at as usize..(at + count) as usize).unwrap_or_default();
				match first {
					Some(first) => elements.read(operand, first, out),
					None => out.fill(0),
				}
			});
		}
		Access::Left { k, .. } | Access::Right { k, .. } => {
			elements.read(operand, row.wrapping_mul(k).wrapping_add(start), out);
		}
		_ => {}
	}
}

/// Add `Σ a[row][i] · b[row'][i]` over `range` to the accumulator of each output: gathers every
/// operand row once, in pieces that fit [`GATHER`], then takes plain dot products.
fn fold(
	signature: &Signature,
	elements: &dyn Elements,
	outputs: &[u32],
	range: Range<u32>,
	accumulators: &mut [i64],
) {
	let (Some(left), Some(right)) = (signature.access(0), signature.access(1)) else { return };
	let wide = is_wide(signature);
	let rows = |access: &Access| distinct(outputs.iter().map(|o| access.row(*o)).collect());
	let (a_rows, b_rows) = (rows(&left), rows(&right));
	let place = |rows: &[u32], row: u32| rows.binary_search(&row).unwrap_or(0);
	let places: Vec<(usize, usize)> = outputs
		.iter()
		.map(|output| (place(&a_rows, left.row(*output)), place(&b_rows, right.row(*output))))
		.collect();
	let step = (GATHER / (a_rows.len() + b_rows.len()).max(1)).min(range.len()).max(1);
	let mut gathered = vec![0i16; step * (a_rows.len() + b_rows.len())];
	for start in range.clone().step_by(step) {
		let len = step.min((range.end - start) as usize);
		let (a, b) = gathered.split_at_mut(step * a_rows.len());
		for (side, rows, buffer) in [((0, left), &a_rows, &mut *a), ((1, right), &b_rows, &mut *b)]
		{
			for (row, out) in rows.iter().zip(buffer.chunks_exact_mut(step)) {
				read_row(elements, side, *row, start, out.get_mut(..len).unwrap_or_default());
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
