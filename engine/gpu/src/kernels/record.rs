//! Which kernels an operator needs, and how they are recorded.

use super::{
	elementwise, gather, generate, lut, matmul, norm, pack, pieces, reduce, requant, scatter,
	softmax, top_k, windows, Kernel, Seen,
};
use crate::device::{Device, DeviceError, Result, Storage};
use assay_exec::{Affine, DeviceFault};
use assay_ops::{DType, Narrow, Op, PoolKind, Shape};

/// What can be said of an operand before it is on the device.
#[derive(Clone, Copy)]
pub(crate) struct Outline {
	pub(crate) dtype: DType,
	pub(crate) shape: Shape,
	pub(crate) affine: Affine,
}

/// Whether the kernels of `op` leave a word for each element of the result, whatever its type.
pub(crate) fn stored_in_words(op: &Op) -> bool {
	matches!(op, Op::MatMul { .. } | Op::BatchMatMul { .. } | Op::Conv2d { .. } | Op::TopK { .. })
}

/// The kernels of a product, best first; `others` are those that make its operands ready.
fn products(narrow: Option<Narrow>, others: &[Kernel]) -> Vec<Vec<Kernel>> {
	let with = |kernels: &[Kernel]| kernels.iter().chain(others).copied().collect();
	match narrow {
		None => vec![with(&[Kernel::MatMulPacked]), with(&[Kernel::MatMulPlain])],
		// The result leaves the product as words; a cast narrows them.
		Some(narrow) if narrow.to != DType::I32 => vec![with(&[Kernel::MatMulI16, Kernel::Cast])],
		Some(_) => vec![with(&[Kernel::MatMulI16])],
	}
}

/// The kernels of a reduction, best first: the one for long axes leaves words, which a cast narrows.
fn reductions(operands: &[Outline], axis: u8, [long, plain]: [Kernel; 2]) -> Vec<Vec<Kernel>> {
	let mut ways = vec![vec![plain]];
	if operands.first().is_some_and(|operand| reduce::is_long(&operand.shape, axis)) {
		ways.insert(0, vec![long, Kernel::Cast]);
	}
	ways
}

/// The kernels that can compute `op`, best first; all of each list are needed.
pub(crate) fn candidates(op: &Op, operands: &[Outline]) -> Vec<Vec<Kernel>> {
	let unready = |operand: &Outline, k: u32| !pack::ready(&operand.affine, k, operand.dtype);
	let kernels: &[Kernel] = match op {
		Op::MatMul { narrow } | Op::BatchMatMul { narrow } => {
			let packs =
				operands.iter().take(2).any(|operand| unready(operand, operand.shape.last()));
			return products(*narrow, if packs { &[Kernel::Pack] } else { &[] });
		}
		Op::Conv2d { geometry, narrow } => {
			let direct = match narrow {
				None => Kernel::ConvolutionI8,
				Some(_) => Kernel::ConvolutionI16,
			};
			let [image, weights, ..] = operands else { return vec![] };
			let mut ways = vec![];
			if geometry.groups == 1 {
				let k = weights.shape.dims().iter().skip(1).product();
				let others = if !windows::is_whole(geometry, &weights.shape) {
					// Weights may have to be packed.
					&[Kernel::Patches, Kernel::Pack][..]
				} else if unready(image, k) || unready(weights, k) {
					&[Kernel::Pack][..]
				} else {
					&[][..]
				};
				ways = products(*narrow, others);
			}
			ways.push(vec![direct]);
			return ways;
		}
		Op::Requant { .. } => &[Kernel::Requant],
		Op::Add { .. } => &[Kernel::Add],
		Op::Sub { .. } => &[Kernel::Sub],
		Op::Mul { .. } => &[Kernel::Mul],
		Op::Max => &[Kernel::Max],
		Op::Min => &[Kernel::Min],
		Op::Clamp { .. } => &[Kernel::Clamp],
		Op::Shift { .. } => &[Kernel::Shift],
		Op::Cast { .. } | Op::Copy => &[Kernel::Cast],
		Op::Lut => &[Kernel::Lut],
		Op::ReduceSum { axis, .. } => {
			return reductions(operands, *axis, [Kernel::LongSum, Kernel::ReduceSum])
		}
		Op::ReduceMax { axis } => {
			return reductions(operands, *axis, [Kernel::LongMax, Kernel::ReduceMax])
		}
		Op::ArgMax { axis } => {
			return reductions(operands, *axis, [Kernel::LongArgMax, Kernel::ArgMax])
		}
		Op::Pool { kind: PoolKind::Max, .. } => &[Kernel::MaxPool],
		Op::Pool { kind: PoolKind::Sum, .. } => &[Kernel::SumPool],
		Op::MulShift { .. } => &[Kernel::MulShift],
		Op::Compare { .. } => &[Kernel::Compare],
		Op::Select => &[Kernel::Select],
		Op::BitLen => &[Kernel::BitLen],
		Op::LutInterp => &[Kernel::LutInterp],
		Op::IntDiv { .. } => &[Kernel::IntDiv],
		Op::Rsqrt { .. } => &[Kernel::Rsqrt],
		Op::Gather => &[Kernel::Gather],
		Op::ScatterAdd { .. } => &[Kernel::ScatterAdd, Kernel::ScatterSums],
		Op::Concat { .. } => &[Kernel::Concat],
		Op::Pad { .. } => &[Kernel::Pad],
		Op::Iota { .. } => &[Kernel::Iota],
		Op::Philox { .. } => &[Kernel::Philox],
		Op::ShiftBy { .. } => &[Kernel::ShiftBy],
		Op::ShiftRandom { .. } => &[Kernel::ShiftRandom],
		Op::TopK { k, values } => {
			let few = *k < top_k::MANY;
			let ways = if few {
				[Kernel::TopK, Kernel::TopKRanks]
			} else {
				[Kernel::TopKRanks, Kernel::TopK]
			};
			// Values leave them as words; a cast narrows them.
			let cast = if *values { &[Kernel::Cast][..] } else { &[] };
			return ways.iter().map(|way| [&[*way], cast].concat()).collect();
		}
		Op::Softmax { .. } => &[Kernel::Softmax, Kernel::SoftmaxSums],
		Op::Norm { .. } => &[Kernel::Norm, Kernel::NormMoments],
		Op::RowScale { .. } => &[Kernel::RowScale],
		Op::ReduceSumProduct { axis, .. } => {
			return reductions(operands, *axis, [Kernel::LongSumProduct, Kernel::ReduceSumProduct])
		}
	};
	vec![kernels.to_vec()]
}

/// `words`, one for each element of `shape`, as a tensor of `dtype`.
fn narrowed(device: &mut Device, words: Storage, dtype: DType, shape: &Shape) -> Result<Storage> {
	if dtype == DType::I32 {
		return Ok(words);
	}
	let affine = Affine::new(shape, None);
	let wide = Seen { storage: &words, dtype: DType::I32, shape: *shape, affine };
	elementwise::record(device, Kernel::Cast, &Op::Cast { to: dtype }, &[wide], dtype)
}

/// Records `op` with `kernel`, which is the first of one of its [`candidates`] or, for the self-test, any
/// of them. `dtype` and `shape` are the result's.
pub(crate) fn record(
	device: &mut Device,
	kernel: Kernel,
	op: &Op,
	seen: &[Seen],
	dtype: DType,
	shape: &Shape,
) -> Result<Storage> {
	match (*op, seen) {
		(Op::MatMul { narrow }, [_, _, ..]) => {
			let words = matmul::record(device, kernel, seen, false, narrow)?;
			narrowed(device, words, dtype, shape)
		}
		(Op::BatchMatMul { narrow }, [_, _, ..]) => {
			let words = matmul::record(device, kernel, seen, true, narrow)?;
			narrowed(device, words, dtype, shape)
		}
		(Op::Conv2d { geometry, narrow }, [_, _, ..]) => {
			let how = (&geometry, narrow);
			let product = match (kernel, narrow) {
				(Kernel::ConvolutionI8 | Kernel::ConvolutionI16, _) => {
					return windows::direct(device, kernel, seen, how, dtype, shape);
				}
				// The self-test of patches needs some product.
				(Kernel::Patches, None) => Kernel::MatMulPlain,
				(Kernel::Patches, Some(_)) => Kernel::MatMulI16,
				(product, _) => product,
			};
			let words = windows::by_patches(device, product, seen, how, shape)?;
			narrowed(device, words, dtype, shape)
		}
		(Op::Pool { kernel: size, stride, pad, .. }, [image]) => {
			windows::pool(device, kernel, image, (size, stride, pad), dtype, shape)
		}
		(Op::Requant { to }, [_, _, _, ..]) => requant::record(device, seen, to),
		(Op::Lut | Op::LutInterp, [index, table]) => lut::record(device, kernel, index, table),
		(Op::ReduceSum { axis, .. } | Op::ReduceMax { axis } | Op::ArgMax { axis }, [a]) => {
			if matches!(kernel, Kernel::LongSum | Kernel::LongMax | Kernel::LongArgMax) {
				let words = reduce::record_long(device, kernel, [a, a], (axis, 0), dtype)?;
				return narrowed(device, words, dtype, shape);
			}
			reduce::record(device, kernel, a, axis, dtype)
		}
		(Op::ReduceSumProduct { axis, shift, .. }, [a, b]) => {
			if kernel == Kernel::LongSumProduct {
				let words = reduce::record_long(device, kernel, [a, b], (axis, shift), dtype)?;
				return narrowed(device, words, dtype, shape);
			}
			reduce::record_products(device, [a, b], axis, shift, dtype)
		}
		(Op::Select | Op::ShiftRandom { .. }, [a, b, c]) => {
			elementwise::record_three(device, kernel, [a, b, c], dtype)
		}
		(Op::Gather, [table, index]) => gather::record(device, table, index),
		(Op::ScatterAdd { rows, .. }, [updates, index]) => {
			scatter::record(device, updates, index, rows, dtype)
		}
		(Op::Concat { axis }, [_, ..]) => pieces::concat(device, seen, axis, shape),
		(Op::Pad { axis, low, value, .. }, [a]) => {
			pieces::pad(device, a, (axis, low), value, shape)
		}
		(Op::Iota { axis, .. }, []) => generate::iota(device, shape, axis),
		(Op::Philox { stream, .. }, [seed, step]) => {
			generate::philox(device, seed, step, shape, stream)
		}
		(Op::TopK { k, values }, [a]) => {
			let words = top_k::record(device, kernel, a, k, values)?;
			narrowed(device, words, dtype, shape)
		}
		(Op::Softmax { multiplier, shift, .. }, [a]) => {
			softmax::record(device, a, (multiplier, shift), dtype)
		}
		(Op::Norm { kind, epsilon, shift, .. }, [x, gamma, beta]) => {
			norm::record(device, [x, gamma, beta], (kind, epsilon, shift), dtype)
		}
		(Op::RowScale { kind, epsilon, shift }, [x]) => {
			norm::row_scale(device, x, (kind, epsilon, shift))
		}
		(Op::Copy, [a]) if kernel == Kernel::Pack => pack::record(device, a, a.shape.last()),
		(_, [_] | [_, _]) => elementwise::record(device, kernel, op, seen, dtype),
		_ => Err(DeviceError::new(DeviceFault::Internal, format!("operands of {op:?}"))),
	}
}
