//! The referee: one tile of one anchor, through virtual nodes, from committed tiles.
//!
//! Which tiles are read is known in two steps. Most follow from the program alone, those of the
//! indices of a Gather among them; which tiles of its table follow from the values of these
//! indices.

use crate::{
	elements::Sparse,
	graph::Graph,
	walk::{union, Walk},
	AnchorCost, AnchorSource, Checked, Program, RecomputeError, Source,
};
use alloc::{
	collections::{BTreeMap, BTreeSet},
	vec::Vec,
};
use assay_ops::{Layout, Tile, TILE_BYTES};
use core::ops::Range;

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

/// The recomputation of one anchor tile in parts: absorb part 0, 1, …, then finish.
///
/// Between parts only [`AnchorFold::accumulators`] changes (at most 1,024 of them). What a part
/// depends on is found once and kept until it is absorbed.
pub struct AnchorFold<'a> {
	graph: Graph<'a>,
	plan: AnchorCost,
	/// Elements of the anchor in the tile, and their byte.
	places: Vec<(u32, usize)>,
	/// Elements of the folded node.
	outputs: Vec<u32>,
	accumulators: Vec<i64>,
	next: u32,
	/// What finishing depends on above the fold; everything without one.
	above: Walk,
	/// What one part of the fold depends on.
	part: Option<(u32, Walk)>,
	/// What the last part has computed below the fold.
	below: Option<BTreeMap<u32, Sparse>>,
}

impl<'a> AnchorFold<'a> {
	/// Begin tile `tile` of anchor `node`. Errors: [`RecomputeError::NotAnAnchor`],
	/// [`RecomputeError::TileOutOfRange`], [`RecomputeError::Mismatch`], and
	/// [`RecomputeError::TooMuch`] for what no check has admitted.
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
		let mut places: Vec<(u32, usize)> = Vec::with_capacity(TILE_BYTES / ty.dtype.size());
		places.extend(ty.tile_elements(tile));
		let mut outputs: Vec<u32> = places.iter().map(|(element, _)| *element).collect();
		let mut above = Walk::default();
		if plan.fold != Some(node) {
			let range = 0..graph.applied(node)?.reduction();
			above = graph.walk(node, &outputs, range, plan.fold)?;
			outputs = match plan.fold {
				// Of a fold that this tile does not depend on nothing is asked for.
				Some(fold) => above.demands.remove(&fold).unwrap_or_default(),
				None => Vec::new(),
			};
		}
		let accumulators = match plan.fold {
			Some(fold) => graph.applied(fold)?.init(outputs.len()),
			None => Vec::new(),
		};
		let (next, part, below) = (0, None, None);
		Ok(Self { graph, plan, places, outputs, accumulators, next, above, part, below })
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

	/// Where part `part` lies along the reduction of `fold`.
	fn range(&self, fold: u32, part: u32) -> Result<Range<u32>, RecomputeError> {
		let reduction = self.graph.applied(fold)?.reduction();
		let start = part.saturating_mul(self.plan.slice).min(reduction);
		Ok(start..start.saturating_add(self.plan.slice).min(reduction))
	}

	/// Finds what part `part` of the fold depends on, unless it is the one that was found last.
	/// Error: [`RecomputeError::PartOrder`] for a part that does not exist.
	fn find(&mut self, part: u32) -> Result<(), RecomputeError> {
		if part >= self.parts() {
			return Err(RecomputeError::PartOrder { expected: self.next });
		}
		if self.part.as_ref().is_some_and(|(found, _)| *found == part) {
			return Ok(());
		}
		self.part = None;
		let walk = match self.plan.fold {
			Some(fold) => self.graph.walk(fold, &self.outputs, self.range(fold, part)?, None)?,
			None => Walk::default(),
		};
		self.part = Some((part, walk));
		Ok(())
	}

	/// What part `part` depends on: its slice of the fold, and with the last part what finishing
	/// does.
	fn walks(&mut self, part: u32) -> Result<impl Iterator<Item = &Walk>, RecomputeError> {
		self.find(part)?;
		let last = part.saturating_add(1) == self.parts();
		let of_part = self.part.iter().map(|(_, walk)| walk);
		Ok(of_part.chain(last.then_some(&self.above)))
	}

	/// What part `part` reads: its slice of the fold, and with the last part what finishing reads.
	/// Errors: [`RecomputeError::PartOrder`] for a part that does not exist, and
	/// [`RecomputeError::TooMuch`] as [`AnchorFold::new`].
	pub fn needs(&mut self, part: u32) -> Result<PartNeeds, RecomputeError> {
		let graph = self.graph;
		let mut needs = PartNeeds {
			elements: self.outputs.len().max(self.places.len()) as u64,
			..PartNeeds::default()
		};
		for walk in self.walks(part)? {
			needs.elements += walk.elements as u64;
			for (source, tiles) in &walk.tiles {
				let so_far = needs.tiles.remove(source).unwrap_or_default();
				needs.tiles.insert(*source, union(so_far, tiles.clone()));
			}
			for node in walk.gathers.keys() {
				needs.tables.extend(table(graph, *node)?.map(|(source, _)| source));
			}
		}
		Ok(needs)
	}

	/// The tiles of tables that part `part` reads beside those of [`PartNeeds::tiles`], which
	/// `tiles` must have: for each of [`PartNeeds::tables`] of which any is read ascending indices,
	/// each once.
	///
	/// Errors: [`RecomputeError::PartOrder`] for a part that does not exist,
	/// [`RecomputeError::MissingTile`] for indices that are not there.
	pub fn table_needs(
		&mut self,
		part: u32,
		tiles: &dyn AnchorSource,
	) -> Result<BTreeMap<Source, Vec<u64>>, RecomputeError> {
		let graph = self.graph;
		let walks: Vec<&Walk> = self.walks(part)?.collect();
		let known = |source: &Source, tile: &u64| {
			let mut known = walks.iter().filter_map(|walk| walk.tiles.get(source));
			known.any(|tiles| tiles.binary_search(tile).is_ok())
		};
		let mut needs: BTreeMap<Source, Vec<u64>> = BTreeMap::new();
		let nothing = BTreeMap::new();
		for (node, outputs) in walks.iter().flat_map(|walk| &walk.gathers) {
			let Some((source, layout)) = table(graph, *node)? else { continue };
			let applied = graph.applied(*node)?;
			let seen = graph
				.with(*node, &nothing, tiles, |elements| applied.gathered(elements, outputs))?;
			let mut read = layout.tiles(&layout.source_indices(seen));
			read.retain(|tile| !known(&source, tile));
			if !read.is_empty() {
				let so_far = needs.remove(&source).unwrap_or_default();
				needs.insert(source, union(so_far, read));
			}
		}
		Ok(needs)
	}

	/// Absorb the next part. Errors: [`RecomputeError::PartOrder`],
	/// [`RecomputeError::MissingTile`].
	pub fn absorb(&mut self, part: u32, tiles: &dyn AnchorSource) -> Result<(), RecomputeError> {
		if part != self.next || part >= self.parts() {
			return Err(RecomputeError::PartOrder { expected: self.next });
		}
		if let Some(fold) = self.plan.fold {
			self.find(part)?;
			let walk = self.part.take().map(|(_, walk)| walk).unwrap_or_default();
			let range = self.range(fold, part)?;
			let mut values = BTreeMap::new();
			self.graph.evaluate(walk.demands, &mut values, tiles)?;
			let applied = self.graph.applied(fold)?;
			let (outputs, accumulators) = (&self.outputs, &mut self.accumulators);
			self.graph.with(fold, &values, tiles, |elements| {
				applied.absorb(elements, outputs, range, accumulators)
			})?;
			self.below = (part.saturating_add(1) == self.parts()).then_some(values);
		}
		self.next = self.next.saturating_add(1);
		Ok(())
	}

	/// The bytes of the tile. Errors: [`RecomputeError::PartOrder`] before the last part,
	/// [`RecomputeError::MissingTile`].
	pub fn finish(mut self, tiles: &dyn AnchorSource) -> Result<Tile, RecomputeError> {
		if self.next != self.parts() {
			return Err(RecomputeError::PartOrder { expected: self.next });
		}
		let (graph, node) = (self.graph, self.plan.node);
		let mut values: BTreeMap<u32, Sparse> = BTreeMap::new();
		if let Some(fold) = self.plan.fold {
			let applied = graph.applied(fold)?;
			// What a reducing operator reads to finish is read in every part: the third operand of
			// a product.
			let below = match self.below.take() {
				Some(below) => below,
				None => {
					let end = applied.reduction();
					let walk = graph.walk(fold, &self.outputs, end..end, None)?;
					let mut below = BTreeMap::new();
					graph.evaluate(walk.demands, &mut below, tiles)?;
					below
				}
			};
			let result = graph.with(fold, &below, tiles, |elements| {
				applied.finish(elements, &self.outputs, &self.accumulators)
			})?;
			values.insert(fold, Sparse { indices: self.outputs, values: result });
		}
		let result = match values.remove(&node) {
			Some(folded) => folded.values,
			None => {
				let applied = graph.applied(node)?;
				graph.evaluate(self.above.demands, &mut values, tiles)?;
				let outputs: Vec<u32> = self.places.iter().map(|(element, _)| *element).collect();
				graph.with(node, &values, tiles, |elements| {
					let mut accumulators = applied.init(outputs.len());
					let range = 0..applied.reduction();
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

/// The table of a Gather, if it is committed.
fn table(graph: Graph<'_>, node: u32) -> Result<Option<(Source, Layout<'_>)>, RecomputeError> {
	let Graph { program, checked } = graph;
	let at = graph.applied(node)?.content_dependent().map_or(0, |(table, _)| table);
	let operand = program
		.nodes
		.get(node as usize)
		.and_then(|node| node.operands.get(at))
		.ok_or(RecomputeError::Mismatch)?;
	if matches!(operand.source, Source::Constant(_)) {
		return Ok(None);
	}
	let ty = program.source_type(operand.source, &checked.types).ok_or(RecomputeError::Mismatch)?;
	Ok(Some((operand.source, Layout { ty, view: operand.view.as_ref() })))
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
