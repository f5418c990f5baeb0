//! The kernels: one folder for each family of operators, the WGSL beside its host side.

pub(crate) mod blake3;
mod elementwise;
mod families;
mod generate;
mod moves;
mod probes;
mod product;
mod reduce;
mod row;
mod table;
mod window;

pub use blake3::RootKernel;
pub use elementwise::ElementwiseKernel;
pub(crate) use families::{candidates, probes, record, stored_in_words};
pub use generate::GenerateKernel;
pub use moves::MovesKernel;
pub(crate) use probes::{hashed_types, result, Probe};
pub use product::ProductKernel;
pub use reduce::ReduceKernel;
pub use row::RowKernel;
pub use table::TableKernel;
pub use window::WindowKernel;

use crate::{
	device::{Arguments, Device, DeviceError, Storage},
	shader::Shader,
};
use assay_exec::{Affine, Call, DeviceFault};
use assay_ops::{DType, Op, Shape};

/// What every kernel begins with.
const COMMON: &str = include_str!("common/kernel.wgsl");
/// What the invocations of a workgroup have found, put together.
const LANES: &str = include_str!("common/lanes.wgsl");
/// The frame of those of which one invocation writes one word.
const BY_WORD: &str = include_str!("common/by_word.wgsl");

/// The kernels of a family: their names in reports and in the self-test's memory, their WGSL, and
/// for modules that serve several operators the value of their `OP` constant.
macro_rules! kernels {
	(
		$(#[$doc:meta])* $kernels:ident:
		$($(#[$each:meta])* $variant:ident = $name:literal, [$($part:expr),*], $constant:expr;)*
	) => {
		$(#[$doc])*
		#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
		pub enum $kernels {
			$($(#[$each])* $variant,)*
		}

		impl $kernels {
			/// Every one of them.
			pub const ALL: &'static [Self] = &[$(Self::$variant),*];

			fn shader(self) -> $crate::shader::Shader {
				match self {
					$(Self::$variant => $crate::shader::Shader {
						name: $name,
						parts: &[$crate::kernels::COMMON, $($part),*],
						variant: $constant,
					},)*
				}
			}
		}

		impl From<$kernels> for $crate::shader::Shader {
			fn from(kernel: $kernels) -> Self {
				kernel.shader()
			}
		}
	};
}
use kernels;

macro_rules! families {
	($($(#[$doc:meta])* $family:ident($kernels:ident),)*) => {
		/// A kernel, which the self-test can switch off on its own.
		#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
		pub enum Kernel {
			$($(#[$doc])* $family($kernels),)*
		}

		$(impl From<$kernels> for Kernel {
			fn from(kernel: $kernels) -> Self {
				Self::$family(kernel)
			}
		})*

		impl Kernel {
			/// Every kernel.
			pub fn all() -> impl Iterator<Item = Self> {
				let none = core::iter::empty();
				none$(.chain($kernels::ALL.iter().copied().map(Self::$family)))*
			}

			/// Name in reports and in the self-test's memory.
			pub fn name(self) -> &'static str {
				Shader::from(self).name
			}

			/// The whole WGSL module.
			pub(crate) fn source(self) -> String {
				Shader::from(self).source()
			}
		}

		impl From<Kernel> for Shader {
			fn from(kernel: Kernel) -> Self {
				match kernel {
					$(Kernel::$family(kernel) => kernel.into(),)*
				}
			}
		}
	};
}

families! {
	/// Of products.
	Product(ProductKernel),
	/// Of operators whose elements do not meet.
	Elementwise(ElementwiseKernel),
	/// Of windows over images.
	Window(WindowKernel),
	/// Of folds along an axis.
	Reduce(ReduceKernel),
	/// Of operators on rows.
	Row(RowKernel),
	/// Of operators that move elements.
	Moves(MovesKernel),
	/// Of tables.
	Table(TableKernel),
	/// Of what follows from positions.
	Generate(GenerateKernel),
	/// Of roots of tensors.
	Root(RootKernel),
}

/// Narrows words.
const CAST: Kernel = Kernel::Elementwise(ElementwiseKernel::Cast);

/// What can be said of an operand before it is on the device.
#[derive(Clone, Copy)]
pub(crate) struct Outline {
	pub(crate) dtype: DType,
	pub(crate) shape: Shape,
	pub(crate) affine: Affine,
}

/// A [`Call`] whose operands are on the device.
pub(crate) struct Evaluation<'a> {
	op: &'a Op,
	seen: &'a [Seen<'a>],
	dtype: DType,
	shape: &'a Shape,
}

impl<'a> Evaluation<'a> {
	/// `seen` are the operands of the call, in their order.
	pub(crate) fn new<V>(call: &Call<'a, V>, seen: &'a [Seen<'a>]) -> Self {
		let &Call { op, dtype, shape, .. } = call;
		Self { op, seen, dtype, shape }
	}

	/// The operands, if there are so many of them.
	fn exactly<const N: usize>(&self) -> Result<&'a [Seen<'a>; N], DeviceError> {
		self.seen.try_into().map_err(|_| self.mismatch())
	}

	/// The operands, if there are so many of them or more.
	fn at_least(&self, count: usize) -> Result<&'a [Seen<'a>], DeviceError> {
		if self.seen.len() < count {
			return Err(self.mismatch());
		}
		Ok(self.seen)
	}

	/// A checked program never comes here.
	fn mismatch(&self) -> DeviceError {
		DeviceError::new(DeviceFault::Internal, format!("operands or kernel of {:?}", self.op))
	}
}

/// An operand on the device, as an operator sees it.
pub(crate) struct Seen<'a> {
	pub(crate) storage: &'a Storage,
	pub(crate) dtype: DType,
	pub(crate) shape: Shape,
	pub(crate) affine: Affine,
}

impl Seen<'_> {
	/// Arguments of the operand's view: rank, offset, dimensions, strides. One number is seen in
	/// the place of every element.
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
	kernel: impl Into<Shader>,
	mut arguments: Arguments,
	operands: &[&Storage],
	(dtype, elements): (DType, u32),
	work: u64,
) -> Result<Storage, DeviceError> {
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
