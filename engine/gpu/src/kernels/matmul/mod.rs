//! MatMul.

use super::{arguments, pack, Kernel, Seen};
use crate::device::{Device, Result, Storage};
use assay_ops::{DType, Narrow};

pub(crate) const I8: &str = include_str!("i8.wgsl");
pub(crate) const I16: &str = include_str!("i16.wgsl");
pub(crate) const DOT_PACKED: &str = include_str!("dot_packed.wgsl");
pub(crate) const DOT_PLAIN: &str = include_str!("dot_plain.wgsl");

/// Edge of the square of C that a workgroup computes.
const TILE: u32 = 64;

/// Records a product. The result has one word for each element, also where `narrow` saturates to less.
pub(crate) fn record(
	device: &mut Device,
	kernel: Kernel,
	a: &Seen,
	b: &Seen,
	narrow: Option<Narrow>,
) -> Result<Storage> {
	let k = a.shape.last();
	let (m, n) = (a.shape.elements() / k, b.shape.elements() / k);
	let packed_a = pack::record(device, a)?;
	let packed_b = pack::record(device, b)?;
	let result = device.allocate(u64::from(m) * u64::from(n))?;
	let across = n.div_ceil(TILE);
	let groups = u64::from(across) * u64::from(m.div_ceil(TILE));
	let narrow = narrow.unwrap_or(Narrow { multiplier: 0, shift: 0, to: DType::I32 });
	let arguments = arguments(&[(
		0,
		&[
			m,
			n,
			pack::row_words(a),
			groups as u32,
			across,
			i32::from(narrow.multiplier) as u32,
			i32::from(narrow.shift) as u32,
			narrow.to as u32,
		],
	)]);
	let work = u64::from(m) * u64::from(n) * u64::from(k);
	device.dispatch(kernel, &arguments, &[&result, &packed_a, &packed_b], groups, work)?;
	Ok(result)
}
