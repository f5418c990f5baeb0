//! A sound bound of what refereeing one tile of each anchor takes.
//!
//! The regions that one output tile reads are followed from the anchor through virtual nodes down
//! to what is committed. Equal regions that are reached in equal ways are one set and counted
//! once; a node that is reached in more than [`MAX_REGIONS`] ways counts as read in full. So the
//! analysis takes a bounded number of steps for each operand, whatever the graph looks like.

use crate::{error::Resource, CheckError, Class, Limits, Program, Source};
use alloc::{collections::BTreeMap, vec, vec::Vec};
use assay_ops::{Access, Applied, DType, Op, Region, TensorType, View, MAX_OPERANDS, TILE_BYTES};

/// Ways to reach one tensor that are told apart.
const MAX_REGIONS: usize = 16;
/// Accumulators that the chain keeps between the parts of a proof (8 KiB of i64).
pub(crate) const MAX_ACCUMULATORS: u64 = 1024;
/// Bytes of one hash of a proof.
const HASH_BYTES: u64 = 32;
/// Bytes of one part around its operands: the accusation, two paths in a run tree of up to 2^32
/// steps, one in a trace tree of up to 4,096 anchors, one in a tensor's tree of up to 2^31 tiles,
/// and the lengths of lists. 3.6 KiB, rounded up.
const PROOF_BYTES: u64 = 4096;
/// Hashes around the operands, as [`PROOF_BYTES`], and of the recomputed tile.
const PROOF_PARENTS: u64 = 160;
/// Hashes from the trace root of a step to the root of one tensor: a trace tree has at most 4,096
/// leaves.
const ROOT_PARENTS: u64 = 13;
/// Bytes of one operand besides its tiles and their siblings: its root with its path in the trace
/// tree, and the lengths of lists.
const ROOT_PATH_BYTES: u64 = 512;
/// Scratch bytes of one element of a virtual node: index lists, value, accumulator.
const ELEMENT_BYTES: u64 = 24;
/// Scratch bytes of one operand element that is read, while its tile is looked for.
const INDEX_BYTES: u64 = 4;
/// Further scratch bytes of one element of a Gather, while its row is looked up.
const GATHERED_BYTES: u64 = 24;
/// Scratch bytes of a short list of elements of patches.
const PATCH_LIST_BYTES: u64 = 64 * 1024;
/// Further bytes of one tile of a table that is opened apart from other tiles of the same tensor: a
/// sibling in each of the two openings.
const APART_BYTES: u64 = 2 * HASH_BYTES;
/// Scratch bytes of a list of tiles.
const TILE_LIST_BYTES: u64 = 128 * 1024;

// Time in WebAssembly, in picoseconds. Products and chunks are measured (0.43 ns for each i8
// product, 2.6 µs for each chunk); the others are generous: a transposed operand that is read
// element by element.
const PICOSECONDS_PER_I8_PRODUCT: u64 = 500;
const PICOSECONDS_PER_I16_PRODUCT: u64 = 1_000;
const PICOSECONDS_PER_CHUNK: u64 = 2_600_000;
const PICOSECONDS_PER_PARENT: u64 = 300_000;
const PICOSECONDS_PER_READ: u64 = 100_000;
const PICOSECONDS_PER_ELEMENT: u64 = 200_000;
const PICOSECONDS_PER_ROW_ELEMENT: u64 = 50_000;
const PICOSECONDS_PER_SORTED_ELEMENT: u64 = 500_000;
const PICOSECONDS_PER_DIVISION: u64 = 500_000;

/// What refereeing one tile takes; every number is a worst case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct RefereeCost {
	/// Parts of the proof.
	pub parts: u32,
	/// Operand tiles in one part.
	pub part_tiles: u64,
	/// Bytes of one part: operand tiles with their hash proofs, and everything around them.
	pub part_bytes: u64,
	/// Estimated nanoseconds of one part in WebAssembly.
	pub part_nanoseconds: u64,
	/// Bytes of scratch beside the operand tiles.
	pub scratch: u64,
}

impl RefereeCost {
	pub(crate) fn max(self, other: &Self) -> Self {
		Self {
			parts: self.parts.max(other.parts),
			part_tiles: self.part_tiles.max(other.part_tiles),
			part_bytes: self.part_bytes.max(other.part_bytes),
			part_nanoseconds: self.part_nanoseconds.max(other.part_nanoseconds),
			scratch: self.scratch.max(other.scratch),
		}
	}

	fn within(&self, limits: &Limits) -> Result<(), (Resource, u64, u64)> {
		for (resource, needed, max) in [
			(Resource::PartBytes, self.part_bytes, limits.part_bytes),
			(Resource::Scratch, self.scratch, limits.scratch),
			(Resource::PartNanoseconds, self.part_nanoseconds, limits.part_nanoseconds),
		] {
			if needed > max {
				return Err((resource, needed, max));
			}
		}
		Ok(())
	}
}

/// How a tile of one anchor is refereed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnchorCost {
	/// The anchor.
	pub node: u32,
	/// The one reducing node whose reduction is cut into parts: the anchor itself or a virtual
	/// node from which only elementwise nodes lead to it. None: everything is in one part.
	pub fold: Option<u32>,
	/// Length of each part along the reduction of `fold`; 1 without one.
	pub slice: u32,
	/// What it takes.
	pub cost: RefereeCost,
}

/// Judge every anchor of a program. Errors: [`CheckError::Unrefereeable`],
/// [`CheckError::TooManyVirtual`], [`CheckError::TooComplex`].
pub(crate) fn judge(
	program: &Program,
	types: &[TensorType],
	applied: &[Applied],
	limits: &Limits,
) -> Result<Vec<AnchorCost>, CheckError> {
	let mut steps = 0;
	(0u32..)
		.zip(&program.nodes)
		.filter(|(_, node)| node.class != Class::Virtual)
		.map(|(anchor, _)| {
			Analysis { program, types, applied, limits, anchor, steps: &mut steps }.judge()
		})
		.collect()
}

/// How a set of operand elements follows from a set of output elements. Equal keys from one set
/// lead to one set.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Derivation<'a> {
	Operand { access: Access, slice: u32 },
	View(&'a View),
}

/// Regions of one analysis; an index stands for one (unknown) set of elements.
#[derive(Default)]
struct Regions<'a> {
	regions: Vec<Region>,
	derived: BTreeMap<(usize, Derivation<'a>), usize>,
}

impl<'a> Regions<'a> {
	fn add(&mut self, region: Region) -> usize {
		self.regions.push(region);
		self.regions.len() - 1
	}

	fn get(&self, id: usize) -> Option<&Region> {
		self.regions.get(id)
	}

	fn derive(
		&mut self,
		from: usize,
		how: Derivation<'a>,
		make: impl FnOnce(&Region) -> Region,
	) -> usize {
		if let Some(&id) = self.derived.get(&(from, how)) {
			return id;
		}
		let region = match self.regions.get(from) {
			Some(region) => make(region),
			None => return from,
		};
		let id = self.add(region);
		self.derived.insert((from, how), id);
		id
	}
}

/// The sets in which one tensor is read.
#[derive(Default)]
struct Reads {
	ids: Vec<usize>,
	everything: bool,
	/// Some of it where bytes say: a table of a Gather, whose tiles are opened apart.
	table: bool,
	/// Only elementwise nodes lead from here to the anchor.
	direct: bool,
}

impl Reads {
	fn add(&mut self, id: usize) {
		if !self.ids.contains(&id) {
			self.ids.push(id);
		}
		self.everything |= self.ids.len() > MAX_REGIONS;
	}
}

struct Analysis<'a, 's> {
	program: &'a Program,
	types: &'a [TensorType],
	applied: &'a [Applied],
	limits: &'a Limits,
	anchor: u32,
	steps: &'s mut u32,
}

impl<'a> Analysis<'a, '_> {
	fn judge(&mut self) -> Result<AnchorCost, CheckError> {
		let node = self.anchor;
		let (whole, fold) = self.cost(None)?;
		let reduction =
			fold.and_then(|fold| self.applied.get(fold as usize)).map_or(1, Applied::reduction);
		let mut over = match whole.within(self.limits) {
			Ok(()) => return Ok(AnchorCost { node, fold, slice: reduction, cost: whole }),
			Err(over) => over,
		};
		let mut parts = 2;
		while let (Some(fold), true) = (fold, parts <= self.limits.parts) {
			// Slices along tile borders read no tile twice.
			let slice = reduction.div_ceil(parts).next_multiple_of(32);
			let (mut cost, _) = self.cost(Some((fold, slice)))?;
			cost.parts = reduction.div_ceil(slice);
			match cost.within(self.limits) {
				Ok(()) => return Ok(AnchorCost { node, fold: Some(fold), slice, cost }),
				Err(still) => over = still,
			}
			parts *= 2;
		}
		Err(self.unrefereeable(over))
	}

	fn unrefereeable(&self, (resource, needed, max): (Resource, u64, u64)) -> CheckError {
		CheckError::Unrefereeable { node: self.anchor, resource, needed, max }
	}

	fn step(&mut self) -> Result<(), CheckError> {
		*self.steps += 1;
		if *self.steps > self.limits.analysis_steps {
			let max = self.limits.analysis_steps;
			return Err(CheckError::TooComplex { node: self.anchor, max });
		}
		Ok(())
	}

	/// What one part takes when the reduction of `sliced` is cut, and the node that may be cut.
	fn cost(
		&mut self,
		sliced: Option<(u32, u32)>,
	) -> Result<(RefereeCost, Option<u32>), CheckError> {
		let mut regions = Regions::default();
		let mut pending: BTreeMap<u32, Reads> = BTreeMap::new();
		let mut leaves: BTreeMap<Source, Reads> = BTreeMap::new();
		let Some(ty) = self.types.get(self.anchor as usize) else {
			return Ok(Default::default());
		};
		let tile = regions.add(Region::tile(ty));
		pending.insert(self.anchor, Reads { ids: vec![tile], direct: true, ..Default::default() });

		let mut cost = RefereeCost { parts: 1, ..Default::default() };
		let mut picoseconds = 0u64;
		let mut gather = 0u64;
		let mut nodes = 0u32;
		// Reducing nodes that are reached through elementwise nodes only, with their elements.
		let mut folds: Vec<(u32, u64)> = Vec::new();
		while let Some((index, reads)) = pending.pop_last() {
			let (Some(node), Some(applied), Some(ty)) = (
				self.program.nodes.get(index as usize),
				self.applied.get(index as usize),
				self.types.get(index as usize),
			) else {
				continue;
			};
			nodes += 1;
			if nodes > self.limits.virtual_nodes.saturating_add(1) {
				let max = self.limits.virtual_nodes;
				return Err(CheckError::TooManyVirtual { node: self.anchor, max });
			}
			let ids = if reads.everything {
				vec![regions.add(Region::full(&ty.shape))]
			} else {
				reads.ids
			};
			let elements = total(&regions, &ids, ty);
			let slice = match sliced {
				Some((fold, slice)) if fold == index => slice,
				_ => applied.reduction(),
			};
			if reads.direct && node.op.reduces() {
				folds.push((index, elements));
			}
			let each = match applied.content_dependent() {
				Some(_) => ELEMENT_BYTES + GATHERED_BYTES,
				None => ELEMENT_BYTES,
			};
			cost.scratch = cost.scratch.saturating_add(elements.saturating_mul(each));
			gather = gather.max(applied.scratch());
			let mut reads_of = [0u64; MAX_OPERANDS];
			for (position, operand) in node.operands.iter().enumerate() {
				let source = operand.source;
				let Some(ty) = self.program.source_type(source, self.types) else { continue };
				let virtual_node = match source {
					Source::Node(at) => self
						.program
						.nodes
						.get(at as usize)
						.filter(|node| node.class == Class::Virtual)
						.map(|_| at),
					_ => None,
				};
				let target = match virtual_node {
					Some(at) => pending.entry(at).or_default(),
					None => leaves.entry(source).or_default(),
				};
				target.direct |= reads.direct && !node.op.reduces();
				target.table |=
					applied.content_dependent().is_some_and(|(table, _)| table == position);
				for &id in &ids {
					self.step()?;
					let id = match applied.access(position) {
						Some(Access::Same) | None => id,
						Some(access) => {
							let how = Derivation::Operand { access, slice };
							regions.derive(id, how, |region| {
								applied.operand_region(position, region, slice)
							})
						}
					};
					let count = regions.get(id).map_or(0, Region::count);
					if let Some(reads) = reads_of.get_mut(position) {
						*reads = reads.saturating_add(count);
					}
					target.add(match &operand.view {
						Some(view) if !view.is_contiguous() => {
							regions.derive(id, Derivation::View(view), |region| {
								region.through(view, &ty.shape)
							})
						}
						_ => id,
					});
				}
			}
			let lists = reads_of.iter().max().copied().unwrap_or(0).saturating_mul(INDEX_BYTES);
			let lists = match applied.access(0) {
				// Patches overlap: their list is up to twice as long before it is sorted.
				Some(Access::Patch(_)) => lists.saturating_mul(2).saturating_add(PATCH_LIST_BYTES),
				_ => lists,
			};
			gather = gather.max(lists.saturating_add(TILE_LIST_BYTES));
			picoseconds = picoseconds.saturating_add(time(applied, elements, slice, &reads_of));
		}
		for (source, reads) in leaves {
			let Some(ty) = self.program.source_type(source, self.types) else { continue };
			if matches!(source, Source::Constant(_)) {
				continue;
			}
			self.leaf(&regions, &reads, ty, &mut cost, &mut picoseconds);
		}
		cost.scratch = cost.scratch.saturating_add(gather);
		cost.part_bytes = cost.part_bytes.saturating_add(PROOF_BYTES);
		picoseconds = picoseconds.saturating_add(PROOF_PARENTS * PICOSECONDS_PER_PARENT);
		cost.part_nanoseconds = picoseconds.div_ceil(1000);
		let fold = match folds[..] {
			[(node, elements)] if elements <= MAX_ACCUMULATORS => Some(node),
			_ => None,
		};
		Ok((cost, fold))
	}

	/// Operand tiles of one committed tensor, with their hash proof.
	fn leaf(
		&self,
		regions: &Regions,
		reads: &Reads,
		ty: &TensorType,
		cost: &mut RefereeCost,
		picoseconds: &mut u64,
	) {
		let all = ty.tiles();
		let (mut tiles, mut stretches) = (0u64, 0u64);
		for id in &reads.ids {
			let bound = regions.get(*id).map(|region| region.tiles(ty)).unwrap_or_default();
			tiles = tiles.saturating_add(bound.tiles);
			stretches = stretches.saturating_add(bound.stretches);
		}
		if reads.everything || tiles >= all {
			(tiles, stretches) = (all, 1.max(stretches.min(all)));
		}
		let parents = stretches
			.saturating_mul(2 * tree_depth(all))
			.saturating_add(tiles)
			.saturating_add(ROOT_PARENTS);
		cost.part_tiles = cost.part_tiles.saturating_add(tiles);
		cost.part_bytes = cost
			.part_bytes
			.saturating_add(part_bytes(all, tiles, stretches))
			.saturating_add(if reads.table { tiles.saturating_mul(APART_BYTES) } else { 0 })
			.saturating_add(ROOT_PATH_BYTES);
		*picoseconds = picoseconds
			.saturating_add(tiles.saturating_mul(PICOSECONDS_PER_CHUNK))
			.saturating_add(parents.saturating_mul(PICOSECONDS_PER_PARENT));
	}
}

/// Depth of a binary tree over `leaves` leaves.
fn tree_depth(leaves: u64) -> u64 {
	leaves.next_power_of_two().trailing_zeros() as u64
}

/// Bytes of `tiles` tiles in `stretches` unbroken stretches, of a tensor of `all` tiles: each
/// stretch has at most two siblings on each level.
pub(crate) fn part_bytes(all: u64, tiles: u64, stretches: u64) -> u64 {
	let siblings = stretches.saturating_mul(2 * tree_depth(all));
	let bytes = tiles.saturating_mul(TILE_BYTES as u64);
	bytes.saturating_add(siblings.saturating_mul(HASH_BYTES))
}

fn total(regions: &Regions, ids: &[usize], ty: &TensorType) -> u64 {
	ids.iter()
		.filter_map(|id| regions.get(*id))
		.map(Region::count)
		.fold(0, u64::saturating_add)
		.min(ty.elements() as u64)
}

/// Picoseconds to compute `elements` output elements over `slice` of the reduction, where each
/// operand is read at `reads` elements.
fn time(applied: &Applied, elements: u64, slice: u32, reads: &[u64; MAX_OPERANDS]) -> u64 {
	let slice = slice as u64;
	let base = elements.saturating_mul(PICOSECONDS_PER_ELEMENT);
	let folded = elements.saturating_mul(slice);
	let all = reads.iter().copied().fold(0, u64::saturating_add);
	let each = |count: u64, picoseconds: u64| count.saturating_mul(picoseconds);
	base.saturating_add(match applied.op() {
		Op::MatMul { .. } | Op::BatchMatMul { .. } | Op::Conv2d { .. } => {
			let wide = applied.operands().first().is_some_and(|(dtype, _)| *dtype != DType::I8);
			let product =
				if wide { PICOSECONDS_PER_I16_PRODUCT } else { PICOSECONDS_PER_I8_PRODUCT };
			// Each block of 1,024 outputs gathers at most 1,024 rows of each operand, once.
			let rows = |reads: u64| reads.div_ceil(slice.max(1)).min(1024);
			let patches = match applied.access(0) {
				// Patches overlap: each output may have one of its own.
				Some(Access::Patch(_)) => elements.min(1024),
				_ => rows(reads[0]),
			};
			let gathered = elements
				.div_ceil(1024)
				.saturating_mul(patches + rows(reads[1]))
				.saturating_mul(slice);
			each(folded, product).saturating_add(each(gathered, PICOSECONDS_PER_READ))
		}
		// Each index once, and each update at most once.
		Op::ScatterAdd { .. } => each(all, PICOSECONDS_PER_READ).saturating_add(base),
		// Each row once, and three passes over it.
		Op::Softmax { .. } | Op::Norm { .. } | Op::RowScale { .. } => {
			each(all, PICOSECONDS_PER_READ + PICOSECONDS_PER_ROW_ELEMENT)
				.saturating_add(each(elements, PICOSECONDS_PER_DIVISION))
		}
		// A search, and a sort of what it finds.
		Op::TopK { .. } => each(all, PICOSECONDS_PER_READ + PICOSECONDS_PER_SORTED_ELEMENT),
		// An index twice, and what it points to.
		Op::Gather => each(elements, 4 * PICOSECONDS_PER_READ),
		Op::IntDiv { .. } | Op::Rsqrt { .. } | Op::Philox { .. } => {
			each(elements, 3 * PICOSECONDS_PER_READ + PICOSECONDS_PER_DIVISION)
		}
		_ => {
			let operands = applied.operands().len() as u64;
			folded.saturating_mul(operands).saturating_mul(PICOSECONDS_PER_READ)
		}
	})
}
