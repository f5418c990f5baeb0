//! The kernels: one folder for each family of operators, the WGSL beside its host side.

pub(crate) mod elementwise;
pub(crate) mod lut;
pub(crate) mod matmul;
pub(crate) mod pack;
pub(crate) mod reduce;
pub(crate) mod requant;

use crate::device::{Arguments, Device, Result, Storage};
use assay_exec::Affine;
use assay_ops::{DType, Shape};

/// What every kernel begins with.
const COMMON: &str = include_str!("common/kernel.wgsl");

macro_rules! kernels {
	($($(#[$doc:meta])* $variant:ident = $name:literal, $source:expr, $constant:expr;)*) => {
		/// A kernel, which the self-test can switch off on its own.
		#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
		pub enum Kernel {
			$($(#[$doc])* $variant,)*
		}

		impl Kernel {
			/// Every kernel.
			pub const ALL: &'static [Self] = &[$(Self::$variant),*];

			/// Name in reports and in the self-test's memory.
			pub fn name(self) -> &'static str {
				match self {
					$(Self::$variant => $name,)*
				}
			}

			/// The whole WGSL module.
			pub(crate) fn source(self) -> String {
				let parts: &[&str] = match self {
					$(Self::$variant => &$source,)*
				};
				[COMMON].iter().chain(parts).copied().collect()
			}

			/// The value of the module's `OP` constant, for modules that serve several operators.
			pub(crate) fn variant(self) -> Option<u32> {
				match self {
					$(Self::$variant => $constant,)*
				}
			}
		}
	};
}

kernels! {
	/// i8 product with `dot4I8Packed`.
	MatMulPacked = "matmul-packed", [matmul::DOT_PACKED, matmul::I8], None;
	/// i8 product in plain arithmetic, where the packed one fails.
	MatMulPlain = "matmul-plain", [matmul::DOT_PLAIN, matmul::I8], None;
	/// i16 product with its epilogue.
	MatMulI16 = "matmul-i16", [matmul::I16], None;
	/// Operands of products that are not stored as they are needed.
	Pack = "pack", [pack::SOURCE], None;
	/// Requant.
	Requant = "requant", [requant::SOURCE], None;
	/// Lut.
	Lut = "lut", [lut::SOURCE], None;
	/// Add.
	Add = "add", [elementwise::SOURCE], Some(0);
	/// Sub.
	Sub = "sub", [elementwise::SOURCE], Some(1);
	/// Mul.
	Mul = "mul", [elementwise::SOURCE], Some(2);
	/// Max.
	Max = "max", [elementwise::SOURCE], Some(3);
	/// Min.
	Min = "min", [elementwise::SOURCE], Some(4);
	/// Clamp.
	Clamp = "clamp", [elementwise::SOURCE], Some(5);
	/// Shift.
	Shift = "shift", [elementwise::SOURCE], Some(6);
	/// Cast and Copy.
	Cast = "cast", [elementwise::SOURCE], Some(7);
	/// ReduceSum.
	ReduceSum = "reduce-sum", [reduce::SOURCE], Some(0);
	/// ReduceMax.
	ReduceMax = "reduce-max", [reduce::SOURCE], Some(1);
	/// ArgMax.
	ArgMax = "arg-max", [reduce::SOURCE], Some(2);
}

/// An operand on the device, as an operator sees it.
pub(crate) struct Seen<'a> {
	pub(crate) storage: &'a Storage,
	pub(crate) dtype: DType,
	pub(crate) shape: Shape,
	pub(crate) affine: Affine,
}

impl Seen<'_> {
	/// Arguments of the operand's view: rank, offset, dimensions, strides.
	fn view(&self) -> [u32; 14] {
		let mut out = [0; 14];
		out[0] = self.affine.rank as u32;
		out[1] = self.affine.offset;
		out[2..8].copy_from_slice(&self.affine.dims);
		out[8..].copy_from_slice(&self.affine.strides);
		out
	}

	/// Offset and stride of an operand that is one number or a vector.
	fn vector(&self) -> [u32; 2] {
		let stride = if self.shape.elements() == 1 { 0 } else { self.affine.strides[0] };
		[self.affine.offset, stride]
	}
}

/// Lanes of a word.
pub(crate) fn lanes(dtype: DType) -> u32 {
	4 / dtype.size() as u32
}

/// Words that so many elements take.
pub(crate) fn words(dtype: DType, elements: u64) -> u64 {
	elements.div_ceil(lanes(dtype).into())
}

/// What is common to the kernels of which one invocation writes one word: fills in the first three
/// arguments and records the dispatch.
fn by_word(
	device: &mut Device,
	kernel: Kernel,
	mut arguments: Arguments,
	operands: &[&Storage],
	(dtype, elements): (DType, u32),
	work: u64,
) -> Result<Storage> {
	let words = words(dtype, elements.into());
	let result = device.allocate(words)?;
	arguments[..3].copy_from_slice(&[elements, words as u32, dtype as u32]);
	let buffers: Vec<&Storage> = [&result].into_iter().chain(operands.iter().copied()).collect();
	device.dispatch(kernel, &arguments, &buffers, words.div_ceil(64), work)?;
	Ok(result)
}

/// Arguments of a kernel: words at their places, all others zero.
fn arguments(parts: &[(usize, &[u32])]) -> Arguments {
	let mut all = [0; 64];
	for (at, part) in parts {
		all[*at..*at + part.len()].copy_from_slice(part);
	}
	all
}
