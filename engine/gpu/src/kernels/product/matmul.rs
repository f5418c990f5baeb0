//! MatMul and BatchMatMul, and the products that Conv2d makes.

use super::{pack, ProductKernel as Kernel};
use crate::{
	device::{Device, DeviceError, Storage},
	kernels::{arguments, Seen},
};
use assay_ops::{DType, Narrow};

/// Edge of the square of C that a workgroup computes.
const TILE: u32 = 64;

/// Where the kernels have what [`Epilogue::more`] says.
pub(crate) const MORE: usize = 62;

/// What becomes of the sums of an i16 product.
#[derive(Clone, Copy)]
pub(crate) struct Epilogue<'a> {
	narrow: Narrow,
	/// What is added to the shift.
	more: Option<&'a Seen<'a>>,
}

impl<'a> Epilogue<'a> {
	/// Of a product with these operands. One of i8 has none, which the kernels do not look at.
	pub(crate) fn new(narrow: Option<Narrow>, operands: &'a [Seen<'a>]) -> Self {
		let narrow = narrow.unwrap_or(Narrow { multiplier: 0, shift: 0, to: DType::I32 });
		Self { narrow, more: operands.get(2) }
	}

	/// Multiplier, shift, and the type to saturate to.
	pub(crate) fn numbers(&self) -> [u32; 3] {
		let Narrow { multiplier, shift, to } = self.narrow;
		[i32::from(multiplier) as u32, i32::from(shift) as u32, to as u32]
	}

	/// Whether something is added to the shift, and where it lies.
	pub(crate) fn more(&self) -> [u32; 2] {
		self.more.map_or([0; 2], |more| [1, more.affine.offset])
	}

	/// What to bind for that; `other` where there is nothing.
	pub(crate) fn storage<'b>(&self, other: &'b Storage) -> &'b Storage
	where
		'a: 'b,
	{
		self.more.map_or(other, |more| more.storage)
	}
}

/// Sizes of products that lie one behind the other.
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
	pub(crate) batches: u32,
	pub(crate) m: u32,
	pub(crate) n: u32,
	pub(crate) k: u32,
}

/// Records products of packed rows into `result`, a word for each element, from element `first` on.
pub(crate) fn multiply(
	device: &mut Device,
	kernel: Kernel,
	(a, b): (&Storage, &Storage),
	Sizes { batches, m, n, k }: Sizes,
	epilogue: Epilogue<'_>,
	(result, first): (&Storage, u32),
) -> Result<(), DeviceError> {
	let across = n.div_ceil(TILE);
	let each = u64::from(across) * u64::from(m.div_ceil(TILE));
	let groups = each * u64::from(batches);
	let dtype = if kernel == Kernel::MatMulI16 { DType::I16 } else { DType::I8 };
	let [multiplier, shift, to] = epilogue.numbers();
	let row = pack::row_words(dtype, k);
	// Steps of 8 words: a loop of 2, one of 8, and their ends.
	device.endures((u64::from(row).div_ceil(8) + 1) * 13)?;
	let arguments = arguments(&[
		(0, &[m, n, row, groups as u32, across, multiplier, shift, to]),
		(8, &[each as u32, first]),
		(MORE, &epilogue.more()),
	]);
	let work = u64::from(m) * u64::from(n) * u64::from(k) * u64::from(batches);
	let mut buffers = vec![result, a, b];
	if kernel == Kernel::MatMulI16 {
		buffers.push(epilogue.storage(a));
	}
	device.dispatch(kernel, &arguments, &buffers, groups, work)
}

/// Records a product, or products of the dimensions before the last two where `batched`. The result
/// has one word for each element, also where `narrow` saturates to less.
pub(crate) fn record(
	device: &mut Device,
	kernel: Kernel,
	operands: &[Seen],
	batched: bool,
	narrow: Option<Narrow>,
) -> Result<Storage, DeviceError> {
	let (a, b) = (&operands[0], &operands[1]);
	let k = a.shape.last();
	let batches = if batched { a.shape.dims().iter().rev().skip(2).product::<u32>() } else { 1 };
	let rows = |operand: &Seen| operand.shape.elements() / k / batches;
	let sizes = Sizes { batches, m: rows(a), n: rows(b), k };
	let packed = (pack::record(device, a, k)?, pack::record(device, b, k)?);
	let all = u64::from(batches) * u64::from(sizes.m) * u64::from(sizes.n);
	let result = device.allocate(all)?;
	let epilogue = Epilogue::new(narrow, operands);
	multiply(device, kernel, (&packed.0, &packed.1), sizes, epilogue, (&result, 0))?;
	Ok(result)
}
