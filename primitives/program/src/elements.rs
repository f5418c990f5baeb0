//! What the referee reads: committed tiles, constants, and what it has computed of virtual nodes.

use crate::{graph::Graph, Program, RecomputeError, Source};
use alloc::{collections::BTreeMap, vec::Vec};
use assay_ops::{DType, Elements, Grid, Layout, TensorType, Tile, View, TILE_BYTES};
use core::cell::Cell;

/// Committed canonical tiles: of inputs, states and anchors. (Constants come from the program.)
pub trait AnchorSource {
	/// Tile `tile` of `source`, [`TILE_BYTES`] long, if it is there.
	fn tile(&self, source: Source, tile: u64) -> Option<&[u8]>;
}

/// Some tiles.
impl AnchorSource for BTreeMap<(Source, u64), Tile> {
	fn tile(&self, source: Source, tile: u64) -> Option<&[u8]> {
		self.get(&(source, tile)).map(|bytes| &bytes[..])
	}
}

/// The whole canonical bytes of some tensors.
impl AnchorSource for BTreeMap<Source, Vec<u8>> {
	fn tile(&self, source: Source, tile: u64) -> Option<&[u8]> {
		let start = usize::try_from(tile).ok()?.checked_mul(TILE_BYTES)?;
		self.get(&source)?.get(start..start.checked_add(TILE_BYTES)?)
	}
}

/// Values of some elements of a virtual node.
#[derive(Default)]
pub(crate) struct Sparse {
	/// Ascending.
	pub(crate) indices: Vec<u32>,
	pub(crate) values: Vec<i32>,
}

impl Sparse {
	/// Place of element `index`; `guess` is where it lies if it follows the last one read.
	fn place(&self, index: u32, guess: usize) -> usize {
		if self.indices.get(guess) == Some(&index) {
			return guess;
		}
		// Where it lies if there is no gap before it.
		let first = self.indices.first().copied().unwrap_or(0);
		let dense = index.wrapping_sub(first) as usize;
		if self.indices.get(dense) == Some(&index) {
			return dense;
		}
		self.indices.binary_search(&index).unwrap_or(usize::MAX)
	}
}

/// What an operand of a node is read from.
enum Origin<'a> {
	Virtual {
		sparse: &'a Sparse,
		/// Where the element after the last one read lies, if nothing is between them.
		next: Cell<usize>,
	},
	Constant(DType, &'a [u8]),
	Committed {
		source: Source,
		ty: &'a TensorType,
		grid: Grid,
		/// The tile that was read last.
		held: Cell<Option<(u64, &'a [u8])>>,
	},
}

/// The operands of one node; remembers a committed tile that was not there.
pub(crate) struct NodeElements<'a> {
	operands: Vec<(Origin<'a>, Option<&'a View>)>,
	tiles: &'a dyn AnchorSource,
	pub(crate) missing: Cell<Option<(Source, u64)>>,
}

impl<'a> NodeElements<'a> {
	/// Those of node `node`, of whose virtual operands `values` has what is read.
	pub(crate) fn new(
		graph: Graph<'a>,
		node: u32,
		values: &'a BTreeMap<u32, Sparse>,
		tiles: &'a dyn AnchorSource,
	) -> Result<Self, RecomputeError> {
		let program: &'a Program = graph.program;
		let node = program.nodes.get(node as usize).ok_or(RecomputeError::Mismatch)?;
		let operands = node
			.operands
			.iter()
			.map(|operand| {
				let source = operand.source;
				let origin = match source {
					Source::Constant(at) => program
						.constants
						.get(at as usize)
						.map(|constant| Origin::Constant(constant.ty.dtype, &constant.data)),
					Source::Node(at) if graph.is_virtual(at) => values
						.get(&at)
						.map(|sparse| Origin::Virtual { sparse, next: Cell::default() }),
					_ => program.source_type(source, &graph.checked.types).map(|ty| {
						Origin::Committed { source, ty, grid: ty.grid(), held: Cell::default() }
					}),
				};
				Some((origin?, operand.view.as_ref()))
			})
			.collect::<Option<_>>()
			.ok_or(RecomputeError::Mismatch)?;
		Ok(Self { operands, tiles, missing: Cell::new(None) })
	}

	fn committed(&self, source: Source, tile: u64) -> Option<&'a [u8]> {
		let bytes = self.tiles.tile(source, tile).filter(|bytes| bytes.len() == TILE_BYTES);
		if bytes.is_none() {
			self.missing.set(Some((source, tile)));
		}
		bytes
	}
}

/// One element of a virtual node, mostly the one after the last one.
fn of_virtual(sparse: &Sparse, next: &Cell<usize>, element: u32) -> i32 {
	let place = sparse.place(element, next.get());
	next.set(place.wrapping_add(1));
	sparse.values.get(place).copied().unwrap_or(0)
}

impl Elements for NodeElements<'_> {
	fn get(&self, operand: usize, index: u32) -> i32 {
		let Some((origin, view)) = self.operands.get(operand) else { return 0 };
		let element = view.map_or(index, |view| view.source_index(index));
		match origin {
			Origin::Virtual { sparse, next } => of_virtual(sparse, next, element),
			Origin::Constant(dtype, data) => dtype.read(data, element as usize * dtype.size()),
			Origin::Committed { source, ty, grid, held } => {
				let (tile, offset) = grid.position(element);
				if let Some((_, bytes)) = held.get().filter(|(at, _)| *at == tile) {
					return ty.dtype.read(bytes, offset);
				}
				let bytes = self.committed(*source, tile);
				held.set(bytes.map(|bytes| (tile, bytes)));
				bytes.map_or(0, |bytes| ty.dtype.read(bytes, offset))
			}
		}
	}

	fn read(&self, operand: usize, start: u32, out: &mut [i16]) {
		let Some((origin, view)) = self.operands.get(operand) else { return };
		if let Origin::Committed { source, ty, .. } = origin {
			let layout = Layout { ty, view: *view };
			layout.read(start, out, |tile| self.committed(*source, tile).unwrap_or_default());
			return;
		}
		let len = out.len() as u32;
		let mut slots = out.iter_mut();
		let put = |element: u32| {
			let Some(slot) = slots.next() else { return };
			*slot = match origin {
				Origin::Virtual { sparse, next } => of_virtual(sparse, next, element),
				Origin::Constant(dtype, data) => dtype.read(data, element as usize * dtype.size()),
				Origin::Committed { .. } => 0,
			} as i16;
		};
		match view {
			Some(view) => view.for_each_source(start, len, put),
			None => (start..start.saturating_add(len)).for_each(put),
		}
	}
}
