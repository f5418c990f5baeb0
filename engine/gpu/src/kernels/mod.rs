//! The kernels: one folder for each family of operators, the WGSL beside its host side.

pub(crate) mod blake3;
mod division;
mod elementwise;
mod gather;
mod generate;
mod lut;
mod matmul;
mod norm;
mod pack;
mod pieces;
mod record;
mod reduce;
mod requant;
mod scatter;
mod softmax;
mod top_k;
mod windows;

pub(crate) use record::{candidates, record, stored_in_words, Outline};

use crate::device::{Arguments, Device, Result, Storage};
use assay_exec::Affine;
use assay_ops::{DType, Shape};

/// What every kernel begins with.
const COMMON: &str = include_str!("common/kernel.wgsl");
/// The frame of those of which one invocation writes one word.
const BY_WORD: &str = include_str!("common/by_word.wgsl");

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
	MatMulI16 = "matmul-i16", [matmul::NARROW, matmul::I16], None;
	/// Operands of products that are not stored as they are needed.
	Pack = "pack", [pack::SOURCE], None;
	/// Requant.
	Requant = "requant", [BY_WORD, requant::SOURCE], None;
	/// Lut.
	Lut = "lut", [BY_WORD, lut::SOURCE], None;
	/// Add.
	Add = "add", [BY_WORD, elementwise::LOAD, elementwise::SOURCE], Some(0);
	/// Sub.
	Sub = "sub", [BY_WORD, elementwise::LOAD, elementwise::SOURCE], Some(1);
	/// Mul.
	Mul = "mul", [BY_WORD, elementwise::LOAD, elementwise::SOURCE], Some(2);
	/// Max.
	Max = "max", [BY_WORD, elementwise::LOAD, elementwise::SOURCE], Some(3);
	/// Min.
	Min = "min", [BY_WORD, elementwise::LOAD, elementwise::SOURCE], Some(4);
	/// Clamp.
	Clamp = "clamp", [BY_WORD, elementwise::LOAD, elementwise::SOURCE], Some(5);
	/// Shift.
	Shift = "shift", [BY_WORD, elementwise::LOAD, elementwise::SOURCE], Some(6);
	/// Cast and Copy.
	Cast = "cast", [BY_WORD, elementwise::LOAD, elementwise::SOURCE], Some(7);
	/// ReduceSum.
	ReduceSum = "reduce-sum", [BY_WORD, reduce::SOURCE], Some(0);
	/// ReduceMax.
	ReduceMax = "reduce-max", [BY_WORD, reduce::SOURCE], Some(1);
	/// ArgMax.
	ArgMax = "arg-max", [BY_WORD, reduce::SOURCE], Some(2);
	/// MulShift.
	MulShift = "mul-shift", [BY_WORD, elementwise::LOAD, elementwise::SOURCE], Some(8);
	/// ShiftBy.
	ShiftBy = "shift-by", [BY_WORD, elementwise::LOAD, elementwise::SOURCE], Some(9);
	/// Compare.
	Compare = "compare", [BY_WORD, elementwise::LOAD, elementwise::SOURCE], Some(10);
	/// BitLen.
	BitLen = "bit-len", [BY_WORD, elementwise::LOAD, elementwise::SOURCE], Some(11);
	/// Select.
	Select = "select", [BY_WORD, elementwise::LOAD, elementwise::THREE], Some(0);
	/// ShiftRandom.
	ShiftRandom = "shift-random", [BY_WORD, elementwise::LOAD, elementwise::THREE], Some(1);
	/// IntDiv.
	IntDiv = "int-div", [BY_WORD, elementwise::LOAD, division::ROOT, division::SOURCE], Some(0);
	/// Rsqrt.
	Rsqrt = "rsqrt", [BY_WORD, elementwise::LOAD, division::ROOT, division::SOURCE], Some(1);
	/// LutInterp.
	LutInterp = "lut-interp", [BY_WORD, lut::INTERPOLATE], None;
	/// Concat.
	Concat = "concat", [pieces::SOURCE], Some(0);
	/// Pad.
	Pad = "pad", [pieces::SOURCE], Some(1);
	/// Iota.
	Iota = "iota", [BY_WORD, generate::IOTA], None;
	/// Philox.
	Philox = "philox", [generate::PHILOX], None;
	/// Gather.
	Gather = "gather", [BY_WORD, gather::SOURCE], None;
	/// The sums of ScatterAdd.
	ScatterSums = "scatter-sums", [scatter::SUMS], None;
	/// ScatterAdd.
	ScatterAdd = "scatter-add", [BY_WORD, scatter::SOURCE], None;
	/// ReduceSumProduct.
	ReduceSumProduct = "reduce-sum-product", [BY_WORD, elementwise::LOAD, reduce::PRODUCTS], None;
	/// Patches of images, which convolutions of one group multiply.
	Patches = "patches", [windows::WINDOW, windows::PATCHES], None;
	/// i8 convolution of groups of channels.
	ConvolutionI8 = "convolution-i8",
		[BY_WORD, windows::WINDOW, matmul::NO_NARROW, windows::DIRECT], Some(0);
	/// i16 convolution of groups of channels.
	ConvolutionI16 = "convolution-i16",
		[BY_WORD, windows::WINDOW, matmul::NARROW, windows::DIRECT], Some(1);
	/// The largest of a window.
	MaxPool = "max-pool", [BY_WORD, windows::WINDOW, windows::POOL], Some(0);
	/// The sum of a window.
	SumPool = "sum-pool", [BY_WORD, windows::WINDOW, windows::POOL], Some(1);
	/// What the elements of a row of Softmax share.
	SoftmaxSums = "softmax-sums", [softmax::EXPONENTIAL, softmax::SUMS], None;
	/// Softmax.
	Softmax = "softmax", [BY_WORD, softmax::EXPONENTIAL, softmax::SOURCE], None;
	/// What the elements of a row of Norm share.
	NormMoments = "norm-moments", [division::ROOT, norm::MOMENTS], Some(0);
	/// Norm.
	Norm = "norm", [BY_WORD, norm::SOURCE], None;
	/// RowScale.
	RowScale = "row-scale", [division::ROOT, norm::MOMENTS], Some(1);
	/// TopK of few.
	TopK = "top-k", [top_k::SOURCE], None;
	/// TopK of many.
	TopKRanks = "top-k-ranks", [top_k::RANKS], None;
	/// ReduceSum along a long axis.
	LongSum = "long-sum", [elementwise::LOAD, reduce::LONG], Some(0);
	/// ReduceMax along a long axis.
	LongMax = "long-max", [elementwise::LOAD, reduce::LONG], Some(1);
	/// ArgMax along a long axis.
	LongArgMax = "long-arg-max", [elementwise::LOAD, reduce::LONG], Some(2);
	/// ReduceSumProduct along a long axis.
	LongSumProduct = "long-sum-product", [elementwise::LOAD, reduce::LONG], Some(3);
	/// Hashes of the tiles of a tensor.
	Blake3Chunks = "blake3-chunks", [blake3::COMPRESS, blake3::CHUNKS], None;
	/// The tree over those.
	Blake3Parents = "blake3-parents", [blake3::COMPRESS, blake3::PARENTS], None;
}

/// An operand on the device, as an operator sees it.
pub(crate) struct Seen<'a> {
	pub(crate) storage: &'a Storage,
	pub(crate) dtype: DType,
	pub(crate) shape: Shape,
	pub(crate) affine: Affine,
}

impl Seen<'_> {
	/// Arguments of the operand's view: rank, offset, dimensions, strides. One number is seen in the
	/// place of every element.
	fn view(&self) -> [u32; 14] {
		let mut out = [0; 14];
		out[0] = self.affine.rank as u32;
		out[1] = self.affine.offset;
		out[2..8].copy_from_slice(&self.affine.dims);
		if self.shape.elements() > 1 {
			out[8..].copy_from_slice(&self.affine.strides);
		}
		out
	}

	/// Loop iterations of so many turns of which each reads this operand through its view.
	fn turns(&self, turns: u32) -> u64 {
		(u64::from(turns) + 1) * (1 + self.affine.rank as u64)
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
