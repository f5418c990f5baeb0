use crate::{
	elements::Elements,
	segments::{for_chunks, threads},
	simd::vectorised,
};
use assay_commitments::Hash;
use assay_ops::{DType, TensorType, TILE_BYTES};
use bytemuck::Pod;
use std::{iter, sync::Arc};

// Buffers are shared as bytes with canonical tiles, constants and devices, all of them
// little-endian.
#[cfg(target_endian = "big")]
compile_error!("big-endian machines need byte swaps that nobody has tested");

/// A type that elements are stored as.
pub trait Element: Pod + Send + Sync + Into<i32> {
	/// The type's name in programs.
	const DTYPE: DType;

	/// The low bits of a value that is within the type's range.
	fn truncate(value: i32) -> Self;

	/// The elements of a buffer of this type.
	fn slice(buffer: &Buffer) -> Option<&[Self]>;

	/// A buffer of this type.
	fn wrap(values: impl Into<Elements<Self>>) -> Buffer;

	/// What a buffer of this type was made of.
	fn unwrap(buffer: Buffer) -> Option<Elements<Self>>;
}

macro_rules! element {
	($type:ty, $variant:ident) => {
		impl Element for $type {
			const DTYPE: DType = DType::$variant;

			fn truncate(value: i32) -> Self {
				value as $type
			}

			fn slice(buffer: &Buffer) -> Option<&[Self]> {
				match buffer {
					Buffer::$variant(values) => Some(values),
					_ => None,
				}
			}

			fn wrap(values: impl Into<Elements<Self>>) -> Buffer {
				Buffer::$variant(values.into())
			}

			fn unwrap(buffer: Buffer) -> Option<Elements<Self>> {
				match buffer {
					Buffer::$variant(values) => Some(values),
					_ => None,
				}
			}
		}
	};
}
element!(i8, I8);
element!(i16, I16);
element!(i32, I32);

/// The elements of a tensor, row-major.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Buffer {
	/// 8 bits each.
	I8(Elements<i8>),
	/// 16 bits each.
	I16(Elements<i16>),
	/// 32 bits each.
	I32(Elements<i32>),
}

/// `$body` with `$values` bound to the typed elements.
macro_rules! typed {
	($buffer:expr, $values:ident => $body:expr) => {
		match $buffer {
			$crate::Buffer::I8($values) => $body,
			$crate::Buffer::I16($values) => $body,
			$crate::Buffer::I32($values) => $body,
		}
	};
}
pub(crate) use typed;

/// Elements that one task of [`Buffer::fill`] computes.
pub(crate) const CHUNK: usize = 4096;

vectorised! {
	pub(crate) fn truncate[T: Element](from: &[i32], to: &mut [T]) {
		to.iter_mut().zip(from).for_each(|(to, from)| *to = T::truncate(*from));
	}
}

impl Buffer {
	/// Type of the elements.
	pub fn dtype(&self) -> DType {
		match self {
			Self::I8(_) => DType::I8,
			Self::I16(_) => DType::I16,
			Self::I32(_) => DType::I32,
		}
	}

	/// Number of elements.
	pub fn len(&self) -> usize {
		typed!(self, values => values.len())
	}

	/// Whether there is no element.
	pub fn is_empty(&self) -> bool {
		self.len() == 0
	}

	/// One element; 0 past the end.
	pub fn get(&self, at: usize) -> i32 {
		typed!(self, values => values.get(at).copied().map_or(0, Into::into))
	}

	/// The elements, little-endian.
	pub fn bytes(&self) -> &[u8] {
		typed!(self, values => bytemuck::cast_slice(values))
	}

	/// From little-endian elements in row-major order; bytes past the last whole element are left
	/// out.
	pub fn from_bytes(dtype: DType, bytes: &[u8]) -> Self {
		let len = bytes.len() / dtype.size();
		let bytes = &bytes[..len * dtype.size()];
		let mut this = Self::zeroed(dtype, len);
		typed!(&mut this, values => bytemuck::cast_slice_mut(values).copy_from_slice(bytes));
		this
	}

	/// The elements of canonical bytes, whatever their padding holds. `bytes` must have the length
	/// that `ty` says.
	pub fn from_canonical(ty: &TensorType, bytes: &[u8]) -> Self {
		let mut this = Self::zeroed(ty.dtype, ty.elements() as usize);
		let grid = Grid::new(ty);
		typed!(&mut this, values => grid.visit(values, |band, to, from_row| {
			let (tile, offset, count) = from_row;
			let from = &bytes[(band * grid.across + tile) * TILE_BYTES + offset..];
			bytemuck::cast_slice_mut::<_, u8>(to)[..count].copy_from_slice(&from[..count]);
		}));
		this
	}

	/// The canonical bytes; padding is zero. `ty` must have this buffer's type and length.
	pub fn to_canonical(&self, ty: &TensorType) -> Vec<u8> {
		let mut out = vec![0; ty.canonical_len() as usize];
		self.write_canonical(ty, &mut out);
		out
	}

	/// As [`Buffer::to_canonical`], for bytes that are going to be shared.
	pub(crate) fn to_canonical_shared(&self, ty: &TensorType) -> Arc<[u8]> {
		let mut out: Arc<[u8]> = iter::repeat_n(0, ty.canonical_len() as usize).collect();
		self.write_canonical(ty, Arc::get_mut(&mut out).expect("it was made a line above; qed"));
		out
	}

	/// Writes the canonical bytes but for the padding over `out`, which has their length.
	fn write_canonical(&self, ty: &TensorType, out: &mut [u8]) {
		let grid = Grid::new(ty);
		let source = self.bytes();
		let (threads, band) = (threads(out.len()), grid.band());
		for_chunks(
			threads,
			out,
			band,
			|| (),
			|(), band, tiles| {
				grid.write_bands(source, band, tiles);
			},
		);
	}

	/// The root: BLAKE3 of the canonical bytes, which are written piece by piece where they stay in
	/// a cache.
	pub(crate) fn root(&self, ty: &TensorType) -> Hash {
		/// Enough for the widest vectors of the hash.
		const PIECE: usize = 64 << 10;
		let (grid, source) = (Grid::new(ty), self.bytes());
		let bands = grid.rows.div_ceil(grid.tile_rows);
		let some = (PIECE / grid.band()).clamp(1, bands);
		let mut piece = vec![0; some * grid.band()];
		let mut hasher = blake3::Hasher::new();
		for first in (0..bands).step_by(some) {
			let bytes = &mut piece[..some.min(bands - first) * grid.band()];
			if first + some >= bands {
				// What the last rows leave of their tiles is padding, and earlier rows were there.
				bytes.fill(0);
			}
			grid.write_bands(source, first, bytes);
			hasher.update(bytes);
		}
		*hasher.finalize().as_bytes()
	}

	/// So many zeros.
	pub fn zeroed(dtype: DType, len: usize) -> Self {
		match dtype {
			DType::I8 => Self::I8(Elements::zeroed(len)),
			DType::I16 => Self::I16(Elements::zeroed(len)),
			DType::I32 => Self::I32(Elements::zeroed(len)),
		}
	}
}

/// Lines of a tile of N bytes each, from rows that are `row` bytes long.
fn copy_lines<const N: usize>(tile: &mut [u8], source: &[u8], row: usize) {
	for (to, from) in tile.chunks_exact_mut(N).zip(source.chunks(row)) {
		to.copy_from_slice(&from[..N]);
	}
}

/// The tiling of a canonical matrix; lengths along a row in bytes.
struct Grid {
	rows: usize,
	row: usize,
	tile_rows: usize,
	tile_row: usize,
	/// Tiles in a row of tiles.
	across: usize,
}

impl Grid {
	fn new(ty: &TensorType) -> Self {
		let size = ty.dtype.size();
		Self {
			rows: ty.rows() as usize,
			row: ty.cols() as usize * size,
			tile_rows: ty.tile_rows() as usize,
			tile_row: ty.tile_cols() as usize * size,
			across: ty.tile_grid().1 as usize,
		}
	}

	/// Bytes of a row of tiles.
	fn band(&self) -> usize {
		self.across * TILE_BYTES
	}

	/// Writes the rows of tiles from `first` on, as many as `out` has room for, but for their
	/// padding.
	fn write_bands(&self, source: &[u8], first: usize, out: &mut [u8]) {
		for (band, tiles) in (first..).zip(out.chunks_exact_mut(self.band())) {
			let line = band * self.tile_rows;
			let lines = self.tile_rows.min(self.rows - line);
			for (tile, bytes) in tiles.chunks_exact_mut(TILE_BYTES).enumerate() {
				let column = tile * self.tile_row;
				let count = self.tile_row.min(self.row - column);
				let source = &source[line * self.row + column..];
				let tile = &mut bytes[..lines * self.tile_row];
				// Lengths that are known are a move or two; others are a call.
				match (count, self.tile_row) {
					(32, 32) => copy_lines::<32>(tile, source, self.row),
					(64, 64) => copy_lines::<64>(tile, source, self.row),
					_ => {
						let lines = tile.chunks_exact_mut(self.tile_row);
						for (to, from) in lines.zip(source.chunks(self.row)) {
							to[..count].copy_from_slice(&from[..count]);
						}
					}
				}
			}
		}
	}

	/// Visits, on all cores, each piece of a row that lies in one tile: `visit(row of tiles,
	/// elements, (tile in that row, byte in the tile, bytes))`.
	fn visit<T: Element>(
		&self,
		values: &mut [T],
		visit: impl Fn(usize, &mut [T], (usize, usize, usize)) + Sync,
	) {
		let size = core::mem::size_of::<T>();
		let (threads, band) = (threads(values.len()), self.tile_rows * self.row / size);
		for_chunks(
			threads,
			values,
			band,
			|| (),
			|(), band, rows| {
				for (line, row) in rows.chunks_exact_mut(self.row / size).enumerate() {
					for (tile, piece) in row.chunks_mut(self.tile_row / size).enumerate() {
						let count = core::mem::size_of_val(piece);
						visit(band, piece, (tile, line * self.tile_row, count));
					}
				}
			},
		);
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use assay_testing::{Draw, Rng};

	#[test]
	fn roots_should_be_those_of_the_canonical_bytes_when_they_are_hashed_in_pieces() {
		let mut rng = Rng::seeded("roots");
		for dims in [&[331, 237][..], &[1000, 70], &[65, 1500], &[3], &[200_000], &[40, 50, 61]] {
			for dtype in [DType::I8, DType::I16, DType::I32] {
				let ty = TensorType::new(dtype, dims).unwrap();
				let values = rng.values(dtype, ty.elements() as usize);
				let buffer = Buffer::fill(dtype, values.len(), |start, out| {
					out.copy_from_slice(&values[start..start + out.len()]);
				});
				let expected = assay_commitments::tensor_root(&buffer.to_canonical(&ty));
				assert_eq!(buffer.root(&ty), expected, "{dtype:?} {dims:?}");
			}
		}
	}
}
