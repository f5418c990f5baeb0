use crate::{DType, OpError, Shape, TILE_BYTES};
use codec::{Decode, Encode, Input};
use scale_info::TypeInfo;

/// Type of a stored tensor: element type, shape, and how its canonical matrix is cut.
///
/// The canonical matrix has the dimensions before `split` as rows and the rest as columns (default:
/// the last dimension). It is stored tile by tile, in row-major order of the tile grid; inside a
/// tile row-major, little-endian; elements outside the matrix are written as zero and never read.
/// Rank ≤ 1 is one row of 1 × (1024 / size) tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, TypeInfo)]
pub struct TensorType {
	/// Type of the elements.
	pub dtype: DType,
	/// Dimensions.
	pub shape: Shape,
	/// How many dimensions are rows: 0 for rank ≤ 1, else 1 ..= rank − 1.
	pub split: u8,
}

impl TensorType {
	/// A tensor with the default split. Errors: those of [`Shape::new`].
	pub fn new(dtype: DType, dims: &[u32]) -> Result<Self, OpError> {
		Ok(Self::of(dtype, Shape::new(dims)?))
	}

	/// A tensor with the default split.
	pub fn of(dtype: DType, shape: Shape) -> Self {
		Self { dtype, shape, split: shape.rank().saturating_sub(1) as u8 }
	}

	/// The same tensor, cut before dimension `split`. Error: [`OpError::Split`].
	pub fn with_split(self, split: u8) -> Result<Self, OpError> {
		let rank = self.shape.rank() as u8;
		let valid = if rank < 2 { split == 0 } else { (1..rank).contains(&split) };
		valid.then_some(Self { split, ..self }).ok_or(OpError::Split)
	}

	/// Number of elements, padding not counted.
	pub fn elements(&self) -> u32 {
		self.shape.elements()
	}

	/// Rows of the canonical matrix.
	pub fn rows(&self) -> u32 {
		self.shape.dims().iter().take(self.split as usize).product()
	}

	/// Columns of the canonical matrix.
	pub fn cols(&self) -> u32 {
		self.shape.dims().iter().skip(self.split as usize).product()
	}

	/// Rows of one tile.
	pub fn tile_rows(&self) -> u32 {
		match (self.shape.rank() < 2, self.dtype) {
			(true, _) => 1,
			(false, DType::I8 | DType::I16) => 32,
			(false, DType::I32) => 16,
		}
	}

	/// Columns of one tile.
	pub fn tile_cols(&self) -> u32 {
		TILE_BYTES as u32 / self.dtype.size() as u32 / self.tile_rows()
	}

	/// Rows and columns of the grid of tiles.
	pub fn tile_grid(&self) -> (u32, u32) {
		(self.rows().div_ceil(self.tile_rows()), self.cols().div_ceil(self.tile_cols()))
	}

	/// Number of tiles, which is the number of BLAKE3 chunks.
	pub fn tiles(&self) -> u64 {
		let (rows, cols) = self.tile_grid();
		rows as u64 * cols as u64
	}

	/// Length of the canonical bytes.
	pub fn canonical_len(&self) -> u64 {
		self.tiles().saturating_mul(TILE_BYTES as u64)
	}

	/// Where elements lie, for whoever asks for many.
	pub fn grid(&self) -> Grid {
		let cols = self.cols().max(1);
		Grid {
			cols,
			blocks: cols.div_ceil(self.tile_cols()),
			row_bits: self.tile_rows().trailing_zeros(),
			col_bits: self.tile_cols().trailing_zeros(),
			size: self.dtype.size(),
		}
	}

	/// Where the element with row-major index `element` lies: its tile, and the byte in the tile.
	pub fn position(&self, element: u64) -> (u64, usize) {
		let (cols, tile_rows, tile_cols) =
			(self.cols() as u64, self.tile_rows() as u64, self.tile_cols() as u64);
		let (row, col) = (element / cols, element % cols);
		let tile = (row / tile_rows) * cols.div_ceil(tile_cols) + col / tile_cols;
		let within = (row % tile_rows) * tile_cols + col % tile_cols;
		(tile, within as usize * self.dtype.size())
	}

	/// The elements of tile `tile` with their byte in the tile, padding left out, in ascending
	/// order of both. Empty when there is no such tile.
	pub fn tile_elements(&self, tile: u64) -> impl Iterator<Item = (u32, usize)> + '_ {
		let grid_cols = self.tile_grid().1 as u64;
		let (rows, cols) = (self.rows() as u64, self.cols() as u64);
		let (tile_rows, tile_cols) = (self.tile_rows() as u64, self.tile_cols() as u64);
		let first_row = (tile / grid_cols).saturating_mul(tile_rows).min(rows);
		let first_col = (tile % grid_cols) * tile_cols;
		let size = self.dtype.size();
		(first_row..rows.min(first_row + tile_rows)).flat_map(move |row| {
			(first_col..cols.min(first_col + tile_cols)).map(move |col| {
				let within = (row - first_row) * tile_cols + col - first_col;
				((row * cols + col) as u32, within as usize * size)
			})
		})
	}
}

/// Where the elements of a tensor lie in its canonical tiles: [`TensorType::position`] with what is
/// the same for all of them computed once.
#[derive(Clone, Copy, Debug)]
pub struct Grid {
	cols: u32,
	/// Tiles in a row of tiles.
	blocks: u32,
	/// Rows and columns of a tile are powers of two.
	row_bits: u32,
	col_bits: u32,
	/// Bytes of an element.
	size: usize,
}

impl Grid {
	/// The tile of an element, and the byte in the tile.
	pub fn position(&self, element: u32) -> (u64, usize) {
		let (tile, offset, _) = self.run(element);
		(tile, offset)
	}

	/// [`Grid::position`], and how many elements from this one on lie next to each other.
	pub fn run(&self, element: u32) -> (u64, usize, u32) {
		let row = element / self.cols;
		let col = element.wrapping_sub(row.wrapping_mul(self.cols));
		let tile =
			(row >> self.row_bits) as u64 * self.blocks as u64 + (col >> self.col_bits) as u64;
		let (in_row, in_col) = (row & ((1 << self.row_bits) - 1), col & ((1 << self.col_bits) - 1));
		let within = in_row << self.col_bits | in_col;
		let run = ((1 << self.col_bits) - in_col).min(self.cols - col);
		(tile, within as usize * self.size, run)
	}
}

impl Decode for TensorType {
	fn decode<I: Input>(input: &mut I) -> Result<Self, codec::Error> {
		let (dtype, shape, split) =
			(DType::decode(input)?, Shape::decode(input)?, input.read_byte()?);
		TensorType::of(dtype, shape).with_split(split).map_err(|_| "split out of range".into())
	}
}
