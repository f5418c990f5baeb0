//! Recomputation of one canonical tile from canonical tiles of the operands.

use crate::{Applied, Elements, Grid, OpError, TensorType, View, TILE_BYTES};
use alloc::{collections::BTreeMap, vec::Vec};
use core::ops::Range;

/// Bytes of one canonical tile.
pub type Tile = [u8; TILE_BYTES];

/// How an operand is stored and seen.
#[derive(Clone, Copy, Debug)]
pub struct Layout<'a> {
	/// Type of the stored tensor.
	pub ty: &'a TensorType,
	/// View through which the operator sees it.
	pub view: Option<&'a View>,
}

impl<'a> From<&'a TensorType> for Layout<'a> {
	fn from(ty: &'a TensorType) -> Self {
		Self { ty, view: None }
	}
}

impl Layout<'_> {
	/// Stored elements of the seen elements `indices`: ascending, each once.
	pub fn source_indices(&self, indices: Vec<u32>) -> Vec<u32> {
		let Some(view) = self.view else { return indices };
		let mut sources: Vec<u32> = indices.into_iter().map(|i| view.source_index(i)).collect();
		sources.sort_unstable();
		sources.dedup();
		sources
	}

	/// Read the seen elements `start .. start + out.len()` of an i8 or i16 operand, a stretch of a
	/// tile at a time; `tile` gives the bytes of a tile, and what it lacks reads as zero.
	pub fn read<'t>(&self, start: u32, out: &mut [i16], mut tile: impl FnMut(u64) -> &'t [u8]) {
		let len = out.len() as u32;
		let grid = self.ty.grid();
		let mut rest = out;
		let mut held: Option<(u64, &'t [u8])> = None;
		let mut stretch = |first: u32, count: u32, stride: u32| {
			let (mut at, mut left) = (first, count);
			while left > 0 {
				let (index, offset, run) = grid.run(at);
				let run = if stride == 1 { run.min(left) } else { 1 };
				let bytes = match held {
					Some((of, bytes)) if of == index => bytes,
					_ => tile(index),
				};
				held = Some((index, bytes));
				let (now, later) = core::mem::take(&mut rest).split_at_mut(run as usize);
				self.ty.dtype.read_row(bytes.get(offset..).unwrap_or_default(), now);
				rest = later;
				at = at.wrapping_add(run.wrapping_mul(stride));
				left -= run;
			}
		};
		match self.view {
			Some(view) => view.for_each_run(start, len, stretch),
			None => stretch(start, len, 1),
		}
	}

	/// Calls `visit` with the tile of each of the seen elements `start .. start + len`, at least
	/// once and in their order; not again for one that lies in the tile of the one before it.
	pub fn visit_tiles(&self, grid: &Grid, start: u32, len: u32, mut visit: impl FnMut(u64)) {
		let mut last = None;
		let mut see = |tile: u64| {
			if last != Some(tile) {
				last = Some(tile);
				visit(tile);
			}
		};
		let mut stretch = |first: u32, count: u32, stride: u32| {
			let (mut at, mut left) = (first, count);
			while left > 0 {
				let (tile, _, run) = grid.run(at);
				see(tile);
				let run = match stride {
					// The same element again.
					0 => left,
					1 => run.min(left),
					_ => 1,
				};
				at = at.wrapping_add(run.wrapping_mul(stride));
				left -= run;
			}
		};
		match self.view {
			Some(view) => view.for_each_run(start, len, stretch),
			None => stretch(start, len, 1),
		}
	}

	/// Tiles that hold the stored elements `sources`: ascending, each once.
	pub fn tiles(&self, sources: &[u32]) -> Vec<u64> {
		let mut tiles: Vec<u64> = Vec::new();
		// The list never grows beyond about twice what is distinct in it.
		let mut settled = 0;
		for source in sources {
			let tile = self.ty.position(*source as u64).0;
			if tiles.last() != Some(&tile) {
				if tiles.len() == settled.max(4096) * 2 {
					tiles.sort_unstable();
					tiles.dedup();
					settled = tiles.len();
				}
				tiles.push(tile);
			}
		}
		tiles.sort_unstable();
		tiles.dedup();
		tiles
	}
}

/// Canonical tiles of operands.
pub trait TileSource {
	/// Tile `tile` of operand `operand`, [`TILE_BYTES`] long, if it is there.
	fn tile(&self, operand: usize, tile: u64) -> Option<&[u8]>;
}

/// The whole canonical bytes of each operand.
impl TileSource for Vec<Vec<u8>> {
	fn tile(&self, operand: usize, tile: u64) -> Option<&[u8]> {
		let start = usize::try_from(tile).ok()?.checked_mul(TILE_BYTES)?;
		self.get(operand)?.get(start..start.checked_add(TILE_BYTES)?)
	}
}

/// Some tiles, by operand and index.
impl TileSource for BTreeMap<(usize, u64), Tile> {
	fn tile(&self, operand: usize, tile: u64) -> Option<&[u8]> {
		self.get(&(operand, tile)).map(|bytes| &bytes[..])
	}
}

/// Canonical tiles of each operand that output tile `tile` reads in the range `range` of the
/// reduced dimension: for each operand ascending tile indices. Views must be valid. Of the table of
/// an [`crate::Op::Gather`] nothing is here, see [`need_gathered`].
pub fn need(
	applied: &Applied,
	operands: &[Layout],
	output: &TensorType,
	tile: u64,
	range: Range<u32>,
) -> Vec<Vec<u64>> {
	let outputs: Vec<u32> = output.tile_elements(tile).map(|(element, _)| element).collect();
	operands
		.iter()
		.enumerate()
		.map(|(operand, layout)| {
			let seen = applied.indices(operand, &outputs, range.clone());
			layout.tiles(&layout.source_indices(seen))
		})
		.collect()
}

/// Canonical tiles of the table that output tile `tile` of an [`crate::Op::Gather`] reads,
/// ascending; `tiles` must have those of the indices, which [`need`] names. None for any other
/// operator.
pub fn need_gathered(
	applied: &Applied,
	operands: &[Layout],
	output: &TensorType,
	tile: u64,
	tiles: &dyn TileSource,
) -> Vec<u64> {
	let Some((table, _)) = applied.content_dependent() else { return Vec::new() };
	let Some(layout) = operands.get(table) else { return Vec::new() };
	let outputs: Vec<u32> = output.tile_elements(tile).map(|(element, _)| element).collect();
	let seen = applied.gathered(&Tiled { operands, tiles }, &outputs);
	layout.tiles(&layout.source_indices(seen))
}

/// Elements read from canonical tiles.
struct Tiled<'a> {
	operands: &'a [Layout<'a>],
	tiles: &'a dyn TileSource,
}

impl Elements for Tiled<'_> {
	fn get(&self, operand: usize, index: u32) -> i32 {
		let Some(layout) = self.operands.get(operand) else { return 0 };
		let element = layout.view.map_or(index, |view| view.source_index(index));
		let (tile, offset) = layout.ty.position(element as u64);
		self.tiles.tile(operand, tile).map_or(0, |bytes| layout.ty.dtype.read(bytes, offset))
	}

	fn read(&self, operand: usize, start: u32, out: &mut [i16]) {
		if let Some(layout) = self.operands.get(operand) {
			layout.read(start, out, |tile| self.tiles.tile(operand, tile).unwrap_or_default());
		}
	}
}

/// Output tile `tile` of the operator, from the operand tiles that [`need`] and [`need_gathered`]
/// name.
///
/// The reduced dimension is absorbed in slices of `slice` (0: in one); the bytes are the same for
/// every `slice`. Errors: [`OpError::TileOutOfRange`], [`OpError::MissingTile`],
/// [`OpError::OperandCount`], those of [`View::validate`], and [`OpError::OperandShape`] when
/// `operands` are not those that `applied` was made for.
pub fn recompute_tile(
	applied: &Applied,
	operands: &[Layout],
	output: &TensorType,
	tile: u64,
	slice: u32,
	tiles: &dyn TileSource,
) -> Result<Tile, OpError> {
	check_layouts(applied, operands)?;
	if (output.dtype, output.shape) != (applied.dtype(), applied.shape()) {
		return Err(OpError::Length);
	}
	if tile >= output.tiles() {
		return Err(OpError::TileOutOfRange);
	}
	let reduction = applied.reduction();
	let slice = if slice == 0 { reduction } else { slice };
	let places: Vec<(u32, usize)> = output.tile_elements(tile).collect();
	let outputs: Vec<u32> = places.iter().map(|(element, _)| *element).collect();
	let elements = Tiled { operands, tiles };
	let mut accumulators = applied.init(outputs.len());
	for start in (0..reduction).step_by(slice as usize) {
		let range = start..reduction.min(start.saturating_add(slice));
		for (operand, needed) in
			need(applied, operands, output, tile, range.clone()).into_iter().enumerate()
		{
			for tile in needed {
				if tiles.tile(operand, tile).is_none_or(|bytes| bytes.len() != TILE_BYTES) {
					return Err(OpError::MissingTile { operand: operand as u8, tile });
				}
			}
		}
		applied.absorb(&elements, &outputs, range, &mut accumulators);
	}
	for needed in need_gathered(applied, operands, output, tile, tiles) {
		let operand = applied.content_dependent().map_or(0, |(table, _)| table);
		if tiles.tile(operand, needed).is_none_or(|bytes| bytes.len() != TILE_BYTES) {
			return Err(OpError::MissingTile { operand: operand as u8, tile: needed });
		}
	}
	let mut bytes = [0; TILE_BYTES];
	let values = applied.finish(&elements, &outputs, &accumulators);
	for ((_, offset), value) in places.into_iter().zip(values) {
		output.dtype.write(&mut bytes, offset, value);
	}
	Ok(bytes)
}

fn check_layouts(applied: &Applied, operands: &[Layout]) -> Result<(), OpError> {
	let expected = applied.operands();
	if operands.len() != expected.len() {
		return Err(OpError::OperandCount { expected: expected.len() as u8 });
	}
	for (operand, (layout, expected)) in operands.iter().zip(expected).enumerate() {
		if let Some(view) = layout.view {
			view.validate(&layout.ty.shape)?;
		}
		let seen = layout.view.map_or(layout.ty.shape, |view| view.shape);
		if (layout.ty.dtype, seen) != *expected {
			return Err(OpError::OperandShape { operand: operand as u8 });
		}
	}
	Ok(())
}
