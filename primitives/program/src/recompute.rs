//! The referee: one tile of one anchor, through virtual nodes, from committed tiles.
//!
//! Which tiles are read is known in two steps. Most follow from the program alone, those of the
//! indices of a Gather among them; which tiles of its table follow from the values of these indices.

use crate::{AnchorCost, Checked, Program, RecomputeError, Source};
use alloc::{
	collections::{BTreeMap, BTreeSet},
	vec::Vec,
};
use assay_ops::{Applied, DType, Elements, Layout, TensorType, Tile, View, TILE_BYTES};
use core::{cell::Cell, ops::Range};

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

/// What one part of a recomputation reads and computes.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PartNeeds {
	/// Committed tiles that follow from the program: for each tensor ascending indices, each once.
	pub tiles: BTreeMap<Source, Vec<u64>>,
	/// Committed tensors of which more may be read, depending on the bytes of `tiles`: tables of
	/// [`assay_ops::Op::Gather`]. [`AnchorFold::table_needs`] says which tiles.
	pub tables: BTreeSet<Source>,
	/// Elements of virtual nodes (and of the anchor) that are computed.
	pub elements: u64,
}

/// Values of some elements of a virtual node.
#[derive(Default)]
struct Sparse {
	/// Ascending.
	indices: Vec<u32>,
	values: Vec<i32>,
}

impl Sparse {
	/// Place of element `index`; `guess` is where it lies if it follows the last one read.
	fn place(&self, index: u32, guess: usize) -> usize {
		if self.indices.get(guess) == Some(&index) {
			guess
		} else {
			self.indices.binary_search(&index).unwrap_or(usize::MAX)
		}
	}
}

/// What an operand of a node is read from.
enum Origin<'a> {
	Virtual(&'a Sparse),
	Constant(DType, &'a [u8]),
	Committed(Source, &'a TensorType),
}

/// The operands of one node; remembers a committed tile that was not there.
struct NodeElements<'a> {
	operands: Vec<(Origin<'a>, Option<&'a View>)>,
	tiles: &'a dyn AnchorSource,
	missing: Cell<Option<(Source, u64)>>,
}

impl NodeElements<'_> {
	fn committed(&self, source: Source, tile: u64) -> Option<&[u8]> {
		let bytes = self.tiles.tile(source, tile).filter(|bytes| bytes.len() == TILE_BYTES);
		if bytes.is_none() {
			self.missing.set(Some((source, tile)));
		}
		bytes
	}
}

impl Elements for NodeElements<'_> {
	fn get(&self, operand: usize, index: u32) -> i32 {
		let Some((origin, view)) = self.operands.get(operand) else { return 0 };
		let element = view.map_or(index, |view| view.source_index(index));
		match origin {
			Origin::Virtual(sparse) => {
				let first = sparse.indices.first().copied().unwrap_or(0);
				let place = sparse.place(element, element.wrapping_sub(first) as usize);
				sparse.values.get(place).copied().unwrap_or(0)
			}
			Origin::Constant(dtype, data) => dtype.read(data, element as usize * dtype.size()),
			Origin::Committed(source, ty) => {
				let (tile, offset) = ty.position(element as u64);
				self.committed(*source, tile).map_or(0, |bytes| ty.dtype.read(bytes, offset))
			}
		}
	}

	fn read(&self, operand: usize, start: u32, out: &mut [i16]) {
		let Some((origin, view)) = self.operands.get(operand) else { return };
		if let Origin::Committed(source, ty) = origin {
			let layout = Layout { ty, view: *view };
			layout.read(start, out, |tile| self.committed(*source, tile).unwrap_or_default());
			return;
		}
		let len = out.len() as u32;
		let mut slots = out.iter_mut();
		let mut guess = usize::MAX;
		let put = |element: u32| {
			let Some(slot) = slots.next() else { return };
			*slot = match origin {
				Origin::Virtual(sparse) => {
					let place = sparse.place(element, guess);
					guess = place.wrapping_add(1);
					sparse.values.get(place).copied().unwrap_or(0)
				}
				Origin::Constant(dtype, data) => dtype.read(data, element as usize * dtype.size()),
				Origin::Committed(..) => 0,
			} as i16;
		};
		match view {
			Some(view) => view.for_each_source(start, len, put),
			None => (start..start.saturating_add(len)).for_each(put),
		}
	}
}

/// What a recomputation reads of what is committed.
#[derive(Default)]
struct Reads {
	tiles: BTreeMap<Source, BTreeSet<u64>>,
	/// Elements of each node that reads a committed table where bytes say.
	gathers: BTreeMap<u32, BTreeSet<u32>>,
}

/// A checked program, seen by the referee.
#[derive(Clone, Copy)]
struct Graph<'a> {
	program: &'a Program,
	checked: &'a Checked,
}

impl<'a> Graph<'a> {
	fn applied(&self, node: u32) -> Result<&'a Applied, RecomputeError> {
		self.checked.applied(node).ok_or(RecomputeError::Mismatch)
	}

	fn is_virtual(&self, node: u32) -> bool {
		self.program.is_virtual(Source::Node(node))
	}

	/// Elements of every virtual node that `outputs` of node `root` depend on, `root` reduced over
	/// `range`; nothing below `known`. On request also the committed tiles, and the elements of
	/// nodes that read a committed table where bytes say.
	fn demands(
		&self,
		root: u32,
		outputs: &[u32],
		range: Range<u32>,
		known: Option<u32>,
		mut reads: Option<&mut Reads>,
	) -> Result<BTreeMap<u32, Vec<u32>>, RecomputeError> {
		let mut demands: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
		let mut pending: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
		pending.insert(root, outputs.to_vec());
		while let Some((index, mut outputs)) = pending.pop_last() {
			outputs.sort_unstable();
			outputs.dedup();
			if Some(index) == known {
				demands.insert(index, outputs);
				continue;
			}
			let node = self.program.nodes.get(index as usize).ok_or(RecomputeError::Mismatch)?;
			let applied = self.applied(index)?;
			let range = if index == root { range.clone() } else { 0..applied.reduction() };
			for (position, operand) in node.operands.iter().enumerate() {
				let source = operand.source;
				let ty = self
					.program
					.source_type(source, &self.checked.types)
					.ok_or(RecomputeError::Mismatch)?;
				let below = match source {
					Source::Constant(_) => continue,
					Source::Node(at) if self.is_virtual(at) => Some(at),
					_ if reads.is_none() => continue,
					_ => None,
				};
				if let (Some((table, _)), Some(reads)) = (applied.content_dependent(), &mut reads) {
					// The check has seen that a table is no virtual node.
					if table == position {
						reads.gathers.entry(index).or_default().extend(&outputs);
						continue;
					}
				}
				let layout = Layout { ty, view: operand.view.as_ref() };
				let seen = applied.indices(position, &outputs, range.clone());
				let stored = layout.source_indices(seen);
				match (below, &mut reads) {
					(Some(at), _) => pending.entry(at).or_default().extend(stored),
					(None, Some(reads)) if !stored.is_empty() => {
						reads.tiles.entry(source).or_default().extend(layout.tiles(&stored));
					}
					(None, _) => {}
				}
			}
			if index != root {
				demands.insert(index, outputs);
			}
		}
		Ok(demands)
	}

	fn elements<'b>(
		&'b self,
		node: u32,
		values: &'b BTreeMap<u32, Sparse>,
		tiles: &'b dyn AnchorSource,
	) -> Result<NodeElements<'b>, RecomputeError> {
		let node = self.program.nodes.get(node as usize).ok_or(RecomputeError::Mismatch)?;
		let operands = node
			.operands
			.iter()
			.map(|operand| {
				let source = operand.source;
				let origin = match source {
					Source::Constant(at) => self
						.program
						.constants
						.get(at as usize)
						.map(|constant| Origin::Constant(constant.ty.dtype, &constant.data)),
					Source::Node(at) if self.is_virtual(at) => values.get(&at).map(Origin::Virtual),
					_ => self
						.program
						.source_type(source, &self.checked.types)
						.map(|ty| Origin::Committed(source, ty)),
				};
				Some((origin?, operand.view.as_ref()))
			})
			.collect::<Option<_>>()
			.ok_or(RecomputeError::Mismatch)?;
		Ok(NodeElements { operands, tiles, missing: Cell::new(None) })
	}

	/// Evaluate the demanded virtual nodes in program order, on top of what is known.
	fn evaluate(
		&self,
		demands: BTreeMap<u32, Vec<u32>>,
		values: &mut BTreeMap<u32, Sparse>,
		tiles: &dyn AnchorSource,
	) -> Result<(), RecomputeError> {
		for (node, indices) in demands {
			let applied = self.applied(node)?;
			let result = self.with(node, values, tiles, |elements| {
				let mut accumulators = applied.init(indices.len());
				applied.absorb(elements, &indices, 0..applied.reduction(), &mut accumulators);
				applied.finish(elements, &indices, &accumulators)
			})?;
			values.insert(node, Sparse { indices, values: result });
		}
		Ok(())
	}

	/// Run `work` on the operands of `node`; an error if it missed a tile.
	fn with<T>(
		&self,
		node: u32,
		values: &BTreeMap<u32, Sparse>,
		tiles: &dyn AnchorSource,
		work: impl FnOnce(&dyn Elements) -> T,
	) -> Result<T, RecomputeError> {
		let elements = self.elements(node, values, tiles)?;
		let result = work(&elements);
		match elements.missing.get() {
			Some((source, tile)) => Err(RecomputeError::MissingTile { source, tile }),
			None => Ok(result),
		}
	}
}

/// The recomputation of one anchor tile in parts: absorb part 0, 1, …, then finish.
///
/// Between parts only [`AnchorFold::accumulators`] changes (at most 1,024 of them).
pub struct AnchorFold<'a> {
	graph: Graph<'a>,
	plan: AnchorCost,
	/// Elements of the anchor in the tile, and their byte.
	places: Vec<(u32, usize)>,
	/// Elements of the folded node.
	outputs: Vec<u32>,
	accumulators: Vec<i64>,
	next: u32,
}

impl<'a> AnchorFold<'a> {
	/// Begin tile `tile` of anchor `node`. Errors: [`RecomputeError::NotAnAnchor`],
	/// [`RecomputeError::TileOutOfRange`], [`RecomputeError::Mismatch`].
	pub fn new(
		program: &'a Program,
		checked: &'a Checked,
		node: u32,
		tile: u64,
	) -> Result<Self, RecomputeError> {
		if checked.types.len() != program.nodes.len() {
			return Err(RecomputeError::Mismatch);
		}
		let graph = Graph { program, checked };
		let plan = *checked.anchor_cost(node).ok_or(RecomputeError::NotAnAnchor { node })?;
		let ty = checked.types.get(node as usize).ok_or(RecomputeError::Mismatch)?;
		if tile >= ty.tiles() {
			return Err(RecomputeError::TileOutOfRange { node, tile });
		}
		let places: Vec<(u32, usize)> = ty.tile_elements(tile).collect();
		let outputs: Vec<u32> = places.iter().map(|(element, _)| *element).collect();
		let outputs = match plan.fold {
			Some(fold) if fold != node => graph
				.demands(node, &outputs, 0..1, Some(fold), None)?
				.remove(&fold)
				.ok_or(RecomputeError::Mismatch)?,
			_ => outputs,
		};
		let accumulators = match plan.fold {
			Some(fold) => graph.applied(fold)?.init(outputs.len()),
			None => Vec::new(),
		};
		Ok(Self { graph, plan, places, outputs, accumulators, next: 0 })
	}

	/// Go on with part `next_part` of tile `tile` of anchor `node`, where the parts before it left
	/// `accumulators`. What they are worth is for the caller to know: only their number is checked,
	/// and that nothing was absorbed before part 0. Errors: those of [`AnchorFold::new`],
	/// [`RecomputeError::PartOrder`] for a part after the end, [`RecomputeError::Accumulators`].
	pub fn resume(
		program: &'a Program,
		checked: &'a Checked,
		node: u32,
		tile: u64,
		next_part: u32,
		accumulators: Vec<i64>,
	) -> Result<Self, RecomputeError> {
		let fresh = Self::new(program, checked, node, tile)?;
		if next_part > fresh.parts() {
			return Err(RecomputeError::PartOrder { expected: fresh.parts() });
		}
		let expected = fresh.accumulators.len();
		if accumulators.len() != expected || next_part == 0 && accumulators != fresh.accumulators {
			return Err(RecomputeError::Accumulators { expected: expected as u32 });
		}
		Ok(Self { accumulators, next: next_part, ..fresh })
	}

	/// What is kept between parts, by value.
	pub fn into_accumulators(self) -> Vec<i64> {
		self.accumulators
	}

	/// Number of parts.
	pub fn parts(&self) -> u32 {
		self.plan.cost.parts
	}

	/// What is kept between parts.
	pub fn accumulators(&self) -> &[i64] {
		&self.accumulators
	}

	fn range(&self, part: u32) -> Range<u32> {
		let start = part.saturating_mul(self.plan.slice);
		start..start.saturating_add(self.plan.slice)
	}

	/// What part `part` reads: its slice of the fold, and with the last part what finishing reads.
	/// Error: [`RecomputeError::PartOrder`] for a part that does not exist.
	pub fn needs(&self, part: u32) -> Result<PartNeeds, RecomputeError> {
		let (reads, elements) = self.reads(part)?;
		let mut tables = BTreeSet::new();
		for node in reads.gathers.keys() {
			tables.extend(self.table(*node)?.map(|(source, _)| source));
		}
		let tiles = reads
			.tiles
			.into_iter()
			.map(|(source, tiles)| (source, tiles.into_iter().collect()))
			.collect();
		Ok(PartNeeds { tiles, tables, elements })
	}

	/// The tiles of tables that part `part` reads beside those of [`PartNeeds::tiles`], which `tiles`
	/// must have: for each of [`PartNeeds::tables`] of which any is read ascending indices, each once.
	///
	/// Errors: [`RecomputeError::PartOrder`] for a part that does not exist,
	/// [`RecomputeError::MissingTile`] for indices that are not there.
	pub fn table_needs(
		&self,
		part: u32,
		tiles: &dyn AnchorSource,
	) -> Result<BTreeMap<Source, Vec<u64>>, RecomputeError> {
		let (reads, _) = self.reads(part)?;
		let mut needs: BTreeMap<Source, BTreeSet<u64>> = BTreeMap::new();
		let nothing = BTreeMap::new();
		for (node, outputs) in &reads.gathers {
			let Some((source, layout)) = self.table(*node)? else { continue };
			let applied = self.graph.applied(*node)?;
			let outputs: Vec<u32> = outputs.iter().copied().collect();
			let seen = self
				.graph
				.with(*node, &nothing, tiles, |elements| applied.gathered(elements, &outputs))?;
			let known = reads.tiles.get(&source);
			let stored = layout.tiles(&layout.source_indices(seen)).into_iter();
			let more = stored.filter(|tile| known.is_none_or(|known| !known.contains(tile)));
			let mut more = more.peekable();
			if more.peek().is_some() {
				needs.entry(source).or_default().extend(more);
			}
		}
		let sorted =
			|(source, tiles): (Source, BTreeSet<u64>)| (source, tiles.into_iter().collect());
		Ok(needs.into_iter().map(sorted).collect())
	}

	/// The table of a Gather, if it is committed.
	fn table(&self, node: u32) -> Result<Option<(Source, Layout<'a>)>, RecomputeError> {
		let Graph { program, checked } = self.graph;
		let at = self.graph.applied(node)?.content_dependent().map_or(0, |(table, _)| table);
		let operand = program
			.nodes
			.get(node as usize)
			.and_then(|node| node.operands.get(at))
			.ok_or(RecomputeError::Mismatch)?;
		if matches!(operand.source, Source::Constant(_)) {
			return Ok(None);
		}
		let ty =
			program.source_type(operand.source, &checked.types).ok_or(RecomputeError::Mismatch)?;
		Ok(Some((operand.source, Layout { ty, view: operand.view.as_ref() })))
	}

	/// What part `part` reads, and how many elements it computes.
	fn reads(&self, part: u32) -> Result<(Reads, u64), RecomputeError> {
		if part >= self.parts() {
			return Err(RecomputeError::PartOrder { expected: self.next });
		}
		let mut reads = Reads::default();
		let mut elements = 0;
		let mut count = |demands: BTreeMap<u32, Vec<u32>>| {
			elements += demands.values().map(|indices| indices.len() as u64).sum::<u64>();
		};
		if let Some(fold) = self.plan.fold {
			let range = self.clipped(fold, self.range(part))?;
			count(self.graph.demands(fold, &self.outputs, range, None, Some(&mut reads))?);
		}
		if part + 1 == self.parts() && self.plan.fold != Some(self.plan.node) {
			let range = 0..self.graph.applied(self.plan.node)?.reduction();
			let (node, fold) = (self.plan.node, self.plan.fold);
			let outputs = self.anchor_elements();
			count(self.graph.demands(node, &outputs, range, fold, Some(&mut reads))?);
		}
		elements += self.outputs.len().max(self.places.len()) as u64;
		Ok((reads, elements))
	}

	fn anchor_elements(&self) -> Vec<u32> {
		self.places.iter().map(|(element, _)| *element).collect()
	}

	fn clipped(&self, fold: u32, range: Range<u32>) -> Result<Range<u32>, RecomputeError> {
		Ok(range.start..range.end.min(self.graph.applied(fold)?.reduction()))
	}

	/// Absorb the next part. Errors: [`RecomputeError::PartOrder`],
	/// [`RecomputeError::MissingTile`].
	pub fn absorb(&mut self, part: u32, tiles: &dyn AnchorSource) -> Result<(), RecomputeError> {
		if part != self.next || part >= self.parts() {
			return Err(RecomputeError::PartOrder { expected: self.next });
		}
		if let Some(fold) = self.plan.fold {
			let range = self.clipped(fold, self.range(part))?;
			let demands = self.graph.demands(fold, &self.outputs, range.clone(), None, None)?;
			let mut values = BTreeMap::new();
			self.graph.evaluate(demands, &mut values, tiles)?;
			let applied = self.graph.applied(fold)?;
			let (outputs, accumulators) = (&self.outputs, &mut self.accumulators);
			self.graph.with(fold, &values, tiles, |elements| {
				applied.absorb(elements, outputs, range, accumulators)
			})?;
		}
		self.next += 1;
		Ok(())
	}

	/// The bytes of the tile. Errors: [`RecomputeError::PartOrder`] before the last part,
	/// [`RecomputeError::MissingTile`].
	pub fn finish(self, tiles: &dyn AnchorSource) -> Result<Tile, RecomputeError> {
		if self.next != self.parts() {
			return Err(RecomputeError::PartOrder { expected: self.next });
		}
		let (graph, node) = (self.graph, self.plan.node);
		let outputs = self.anchor_elements();
		let mut values: BTreeMap<u32, Sparse> = BTreeMap::new();
		if let Some(fold) = self.plan.fold {
			let applied = graph.applied(fold)?;
			// What a reducing operator reads to finish is read in every part: the third operand of a
			// product.
			let end = applied.reduction();
			let mut others = BTreeMap::new();
			let demands = graph.demands(fold, &self.outputs, end..end, None, None)?;
			graph.evaluate(demands, &mut others, tiles)?;
			let result = graph.with(fold, &others, tiles, |elements| {
				applied.finish(elements, &self.outputs, &self.accumulators)
			})?;
			values.insert(fold, Sparse { indices: self.outputs, values: result });
		}
		let result = match values.remove(&node) {
			Some(folded) => folded.values,
			None => {
				let applied = graph.applied(node)?;
				let range = 0..applied.reduction();
				let mut demands =
					graph.demands(node, &outputs, range.clone(), self.plan.fold, None)?;
				demands.retain(|node, _| !values.contains_key(node));
				graph.evaluate(demands, &mut values, tiles)?;
				graph.with(node, &values, tiles, |elements| {
					let mut accumulators = applied.init(outputs.len());
					applied.absorb(elements, &outputs, range, &mut accumulators);
					applied.finish(elements, &outputs, &accumulators)
				})?
			}
		};
		let dtype = graph.applied(node)?.dtype();
		let mut bytes = [0; TILE_BYTES];
		for ((_, offset), value) in self.places.into_iter().zip(result) {
			dtype.write(&mut bytes, offset, value);
		}
		Ok(bytes)
	}
}

/// What part `part` of the recomputation of tile `tile` of anchor `node` reads: derived from the
/// program alone, so that a proof leaves no choice. What tables are read at
/// ([`PartNeeds::tables`]) follows from the bytes of these tiles, see [`AnchorFold::table_needs`].
/// Errors: those of [`AnchorFold::new`] and [`AnchorFold::needs`].
pub fn anchor_needs(
	program: &Program,
	checked: &Checked,
	node: u32,
	tile: u64,
	part: u32,
) -> Result<PartNeeds, RecomputeError> {
	AnchorFold::new(program, checked, node, tile)?.needs(part)
}

/// Tile `tile` of anchor `node`, from the tiles that [`AnchorFold::needs`] and
/// [`AnchorFold::table_needs`] name for its parts.
/// Errors: those of [`AnchorFold`].
pub fn recompute_anchor_tile(
	program: &Program,
	checked: &Checked,
	node: u32,
	tile: u64,
	tiles: &dyn AnchorSource,
) -> Result<Tile, RecomputeError> {
	let mut fold = AnchorFold::new(program, checked, node, tile)?;
	for part in 0..fold.parts() {
		fold.absorb(part, tiles)?;
	}
	fold.finish(tiles)
}
