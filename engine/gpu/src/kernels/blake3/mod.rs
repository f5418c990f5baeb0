//! Roots of tensors: BLAKE3 of their canonical bytes, without these bytes ever being made.

use super::{arguments, Kernel};
use crate::device::{Device, DeviceError, Result, Storage};
use assay_exec::DeviceFault;
use assay_ops::TensorType;

pub(crate) const COMPRESS: &str = include_str!("compress.wgsl");
pub(crate) const CHUNKS: &str = include_str!("chunks.wgsl");
pub(crate) const PARENTS: &str = include_str!("parents.wgsl");

/// The kernels that a root takes.
pub(crate) const KERNELS: [Kernel; 2] = [Kernel::Blake3Chunks, Kernel::Blake3Parents];

/// Words of a chaining value.
const VALUE: u64 = 8;
/// Work units of hashing one chunk, roughly.
const CHUNK_WORK: u64 = 16 * 1024;

/// Records the root of a row-major tensor. The result begins with its 8 words.
pub(crate) fn record(device: &mut Device, tensor: &Storage, ty: &TensorType) -> Result<Storage> {
	let mut count = ty.tiles();
	let tiles = u32::try_from(count)
		.map_err(|_| DeviceError::new(DeviceFault::Limits, "more tiles than a word counts"))?;
	let mut values = device.allocate(VALUE * count)?;
	let chunks = arguments(&[(
		0,
		&[
			tiles,
			ty.rows(),
			ty.cols(),
			ty.dtype as u32,
			ty.tile_grid().1,
			ty.tile_rows(),
			ty.tile_cols(),
		],
	)]);
	let buffers = [&values, tensor];
	let (groups, work) = (count.div_ceil(64), CHUNK_WORK * count);
	device.dispatch(Kernel::Blake3Chunks, &chunks, &buffers, groups, work)?;
	while count > 1 {
		let above = count.div_ceil(2);
		let next = device.allocate(VALUE * above)?;
		let parents = arguments(&[(0, &[count as u32, above as u32])]);
		let (buffers, work) = ([&next, &values], CHUNK_WORK / 16 * above);
		device.dispatch(Kernel::Blake3Parents, &parents, &buffers, above.div_ceil(64), work)?;
		(values, count) = (next, above);
	}
	Ok(values)
}
