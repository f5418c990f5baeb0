//! Operators of which each result follows from one element of each operand.

mod plain;
mod requant;

use super::{
	kernels,
	probes::{given, Probes},
	Evaluation, Kernel, Outline, Seen, BY_WORD,
};
use crate::device::{Device, DeviceError, Storage};
use assay_exec::Affine;
use assay_ops::{DType, Elementwise, Op, Relation, Shape, MAX_FRACTION_BITS};

const REQUANT: &str = include_str!("requant.wgsl");
pub(super) const LOAD: &str = include_str!("load.wgsl");
const SOURCE: &str = include_str!("kernel.wgsl");
const THREE: &str = include_str!("three.wgsl");
pub(super) const ROOT: &str = include_str!("root.wgsl");
const DIVISION: &str = include_str!("division.wgsl");

kernels! {
	/// Kernels of operators whose elements do not meet.
	ElementwiseKernel:
	/// Requant.
	Requant = "requant", [BY_WORD, REQUANT], None;
	/// Add.
	Add = "add", [BY_WORD, LOAD, SOURCE], Some(0);
	/// Sub.
	Sub = "sub", [BY_WORD, LOAD, SOURCE], Some(1);
	/// Mul.
	Mul = "mul", [BY_WORD, LOAD, SOURCE], Some(2);
	/// Max.
	Max = "max", [BY_WORD, LOAD, SOURCE], Some(3);
	/// Min.
	Min = "min", [BY_WORD, LOAD, SOURCE], Some(4);
	/// Clamp.
	Clamp = "clamp", [BY_WORD, LOAD, SOURCE], Some(5);
	/// Shift.
	Shift = "shift", [BY_WORD, LOAD, SOURCE], Some(6);
	/// Cast and Copy.
	Cast = "cast", [BY_WORD, LOAD, SOURCE], Some(7);
	/// MulShift.
	MulShift = "mul-shift", [BY_WORD, LOAD, SOURCE], Some(8);
	/// ShiftBy.
	ShiftBy = "shift-by", [BY_WORD, LOAD, SOURCE], Some(9);
	/// Compare.
	Compare = "compare", [BY_WORD, LOAD, SOURCE], Some(10);
	/// BitLen.
	BitLen = "bit-len", [BY_WORD, LOAD, SOURCE], Some(11);
	/// Select.
	Select = "select", [BY_WORD, LOAD, THREE], Some(0);
	/// ShiftRandom.
	ShiftRandom = "shift-random", [BY_WORD, LOAD, THREE], Some(1);
	/// IntDiv.
	IntDiv = "int-div", [BY_WORD, LOAD, ROOT, DIVISION], Some(0);
	/// Rsqrt.
	Rsqrt = "rsqrt", [BY_WORD, LOAD, ROOT, DIVISION], Some(1);
}

pub(super) fn candidates(op: Elementwise, _: &[Outline]) -> Vec<Vec<Kernel>> {
	let kernel = match op {
		Elementwise::Requant { .. } => ElementwiseKernel::Requant,
		Elementwise::Add { .. } => ElementwiseKernel::Add,
		Elementwise::Sub { .. } => ElementwiseKernel::Sub,
		Elementwise::Mul { .. } => ElementwiseKernel::Mul,
		Elementwise::Max => ElementwiseKernel::Max,
		Elementwise::Min => ElementwiseKernel::Min,
		Elementwise::Clamp { .. } => ElementwiseKernel::Clamp,
		Elementwise::Shift { .. } => ElementwiseKernel::Shift,
		Elementwise::Cast { .. } | Elementwise::Copy => ElementwiseKernel::Cast,
		Elementwise::MulShift { .. } => ElementwiseKernel::MulShift,
		Elementwise::Compare { .. } => ElementwiseKernel::Compare,
		Elementwise::Select => ElementwiseKernel::Select,
		Elementwise::BitLen => ElementwiseKernel::BitLen,
		Elementwise::IntDiv { .. } => ElementwiseKernel::IntDiv,
		Elementwise::Rsqrt { .. } => ElementwiseKernel::Rsqrt,
		Elementwise::ShiftBy { .. } => ElementwiseKernel::ShiftBy,
		Elementwise::ShiftRandom { .. } => ElementwiseKernel::ShiftRandom,
	};
	vec![vec![kernel.into()]]
}

pub(super) fn record(
	device: &mut Device,
	kernel: Kernel,
	op: Elementwise,
	call: &Evaluation,
) -> Result<Storage, DeviceError> {
	let (operands, attributes) = match op {
		Elementwise::Requant { to } => return requant::record(device, call.at_least(3)?, to),
		Elementwise::Select | Elementwise::ShiftRandom { .. } => {
			let [a, b, c] = call.exactly()?;
			return plain::record_three(device, kernel, [a, b, c], call.dtype);
		}
		Elementwise::Cast { .. } | Elementwise::Copy | Elementwise::BitLen => (1, [0, 0]),
		Elementwise::Clamp { lo, hi } => (1, [lo as u32, hi as u32]),
		Elementwise::Shift { by, .. } => (1, [i32::from(by) as u32, 0]),
		Elementwise::Rsqrt { shift } => (1, [shift.min(MAX_FRACTION_BITS).into(), 0]),
		Elementwise::Add { .. }
		| Elementwise::Sub { .. }
		| Elementwise::Mul { .. }
		| Elementwise::Max
		| Elementwise::Min
		| Elementwise::ShiftBy { .. } => (2, [0, 0]),
		Elementwise::MulShift { shift, .. } => (2, [i32::from(shift) as u32, 0]),
		Elementwise::Compare { relation } => (2, [relation as u32, 0]),
		Elementwise::IntDiv { shift, .. } => (2, [shift.min(MAX_FRACTION_BITS).into(), 0]),
	};
	if call.seen.len() != operands {
		return Err(call.mismatch());
	}
	plain::record(device, kernel, call.seen, attributes, call.dtype)
}

/// `words`, one for each element of `shape`, as a tensor of `dtype`.
pub(super) fn narrowed(
	device: &mut Device,
	words: Storage,
	dtype: DType,
	shape: &Shape,
) -> Result<Storage, DeviceError> {
	if dtype == DType::I32 {
		return Ok(words);
	}
	let affine = Affine::new(shape, None);
	let wide = Seen { storage: &words, dtype: DType::I32, shape: *shape, affine };
	plain::record(device, ElementwiseKernel::Cast.into(), &[wide], [0, 0], dtype)
}

pub(super) fn probes(kernel: ElementwiseKernel, probes: &mut Probes) {
	match kernel {
		ElementwiseKernel::Requant => requant_probes(probes),
		ElementwiseKernel::Add => probes.binary(|to| Op::Add { to }, true),
		ElementwiseKernel::Sub => probes.binary(|to| Op::Sub { to }, true),
		ElementwiseKernel::Mul => probes.binary(|to| Op::Mul { to }, true),
		ElementwiseKernel::Max => probes.binary(|_| Op::Max, false),
		ElementwiseKernel::Min => probes.binary(|_| Op::Min, false),
		ElementwiseKernel::Clamp => {
			probes.unary(|dtype, _| Op::Clamp { lo: dtype.min() / 2, hi: dtype.max() / 3 });
			probes.unary(|dtype, _| Op::Clamp { lo: dtype.min(), hi: -1 });
		}
		ElementwiseKernel::Shift => {
			for by in i8::MIN..=i8::MAX {
				// Every distance, with few values each; the first and last ones with many.
				if by % 32 == 0 {
					probes.unary(|_, to| Op::Shift { by, to });
				}
				let operand = given(DType::I32, &[22], Probes::telling(DType::I32));
				probes.push(Op::Shift { by, to: DType::I32 }, vec![operand]);
			}
		}
		ElementwiseKernel::Cast => {
			probes.unary(|_, to| Op::Cast { to });
			probes.views(|_| Op::Copy);
		}
		ElementwiseKernel::MulShift => {
			for shift in [-128, -31, -1, 0, 1, 31, 32, 33, 61, 62, 63, 127] {
				probes.binary(|to| Op::MulShift { shift, to }, true);
			}
		}
		ElementwiseKernel::ShiftBy => probes.shifts(|to| Op::ShiftBy { to }, false),
		ElementwiseKernel::ShiftRandom => probes.shifts(|to| Op::ShiftRandom { to }, true),
		ElementwiseKernel::Compare => {
			for relation in [Relation::Equal, Relation::Less, Relation::LessOrEqual] {
				probes.binary(|_| Op::Compare { relation }, true);
			}
		}
		ElementwiseKernel::BitLen => probes.unary(|_, _| Op::BitLen),
		ElementwiseKernel::IntDiv => {
			for shift in [0, 1, 15, 30] {
				probes.binary(|to| Op::IntDiv { shift, to }, true);
			}
		}
		ElementwiseKernel::Rsqrt => {
			for shift in [0, 1, 15, 30] {
				probes.unary(|_, _| Op::Rsqrt { shift });
			}
		}
		ElementwiseKernel::Select => {}
	}
	match kernel {
		ElementwiseKernel::MulShift
		| ElementwiseKernel::ShiftBy
		| ElementwiseKernel::Compare
		| ElementwiseKernel::BitLen
		| ElementwiseKernel::Select
		| ElementwiseKernel::ShiftRandom
		| ElementwiseKernel::IntDiv
		| ElementwiseKernel::Rsqrt => probes.drawn(kernel, |_| true),
		// Their operators are tried as a matter of course above.
		ElementwiseKernel::Requant
		| ElementwiseKernel::Add
		| ElementwiseKernel::Sub
		| ElementwiseKernel::Mul
		| ElementwiseKernel::Max
		| ElementwiseKernel::Min
		| ElementwiseKernel::Clamp
		| ElementwiseKernel::Shift
		| ElementwiseKernel::Cast => {}
	}
}

fn requant_probes(probes: &mut Probes) {
	for to in [DType::I8, DType::I16] {
		for by in -128..128 {
			let acc = probes.random(DType::I32, &[5, 8]);
			let multiplier = probes.random(DType::I16, &[8]);
			let shift = given(DType::I8, &[1], vec![by]);
			let bias = probes.random(DType::I32, &[8]);
			let mut operands = vec![acc, multiplier, shift, bias];
			operands.truncate(if by % 3 == 0 { 3 } else { 4 });
			probes.push(Op::Requant { to }, operands);
		}
		let operands = vec![
			probes.random(DType::I32, &[9, 33]),
			probes.random(DType::I16, &[1]),
			probes.random(DType::I8, &[33]),
			probes.random(DType::I32, &[1]),
		];
		probes.push(Op::Requant { to }, operands);
	}
}
