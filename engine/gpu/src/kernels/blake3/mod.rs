//! Roots of tensors: BLAKE3 of their canonical bytes, without these bytes ever being made.

use super::{arguments, kernels, probes::Probes};
use crate::device::{Device, DeviceError, Storage};
use assay_exec::DeviceFault;
use assay_ops::{DType, Op, TensorType};

const COMPRESS: &str = include_str!("compress.wgsl");
const CHUNKS: &str = include_str!("chunks.wgsl");
const PARENTS: &str = include_str!("parents.wgsl");

kernels! {
	/// Kernels of roots of tensors.
	RootKernel:
	/// Hashes of the tiles of a tensor.
	Blake3Chunks = "blake3-chunks", [COMPRESS, CHUNKS], None;
	/// The tree over those.
	Blake3Parents = "blake3-parents", [COMPRESS, PARENTS], None;
}

/// Words of a chaining value.
const VALUE: u64 = 8;
/// Work units of hashing one chunk, roughly.
const CHUNK_WORK: u64 = 16 * 1024;

/// Records the root of a row-major tensor. The result begins with its 8 words.
pub(crate) fn record(
	device: &mut Device,
	tensor: &Storage,
	ty: &TensorType,
) -> Result<Storage, DeviceError> {
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
	device.dispatch(RootKernel::Blake3Chunks, &chunks, &buffers, groups, work)?;
	while count > 1 {
		let above = count.div_ceil(2);
		let next = device.allocate(VALUE * above)?;
		let parents = arguments(&[(0, &[count as u32, above as u32])]);
		let (buffers, work) = ([&next, &values], CHUNK_WORK / 16 * above);
		device.dispatch(RootKernel::Blake3Parents, &parents, &buffers, above.div_ceil(64), work)?;
		(values, count) = (next, above);
	}
	Ok(values)
}

/// Whose operands are hashed, see [`super::hashed_types`].
pub(super) fn probes(kernel: RootKernel, probes: &mut Probes) {
	match kernel {
		RootKernel::Blake3Chunks | RootKernel::Blake3Parents => {
			for dtype in [DType::I8, DType::I16, DType::I32] {
				for dims in
					[&[1][..], &[257], &[1025], &[3, 5], &[32, 64], &[100, 70], &[9, 11, 13]]
				{
					let operand = probes.random(dtype, dims);
					probes.push(Op::Copy, vec![operand]);
				}
			}
		}
	}
}
