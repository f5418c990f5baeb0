//! A sound bound of what refereeing one tile of each anchor takes.
//!
//! The regions that one output tile reads are followed from the anchor through virtual nodes down
//! to what is committed. Equal regions that are reached in equal ways are one set and counted
//! once; a node that is reached in more than [`MAX_REGIONS`] ways counts as read in full. So the
//! analysis takes a bounded number of steps for each operand, whatever the graph looks like.
//!
//! What a proof *says* has no part in it: a part that shows something else than what is read is
//! refused before anything is recomputed, so that the bound holds for every part, sound or not.

use crate::{
	error::Resource,
	price::{
		Asked, Kind, Read, PICOSECONDS_PER_CHUNK, PICOSECONDS_PER_JOINED, PICOSECONDS_PER_PARENT,
		PICOSECONDS_PER_TENSOR,
	},
	CheckError, Class, Limits, Program, Source,
};
use alloc::{collections::BTreeMap, vec, vec::Vec};
use assay_ops::{Access, Applied, Region, TensorType, View, TILE_BYTES};

/// Ways to reach one tensor that are told apart.
const MAX_REGIONS: usize = 16;
/// Regions that the analysis of one anchor keeps, about half a KiB each.
const MAX_KEPT: usize = 16_384;
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
/// Further bytes of one tile of a table that is opened apart from other tiles of the same tensor: a
/// sibling in each of the two openings.
const APART_BYTES: u64 = 2 * HASH_BYTES;
/// Scratch bytes of any proof: elements, bytes and accumulators of the tile (twice, as kept and as
/// folded), tiles while they are noted, the claimed chunk.
const BASE_SCRATCH: u64 = 128 * 1024;
/// Scratch bytes of one operand tile: its place in the lists of what is read, its chunk value, and
/// the nodes above it.
const TILE_SCRATCH: u64 = 192;
/// Scratch bytes of one tensor that is opened: the nodes of maps around it.
const OPENED_SCRATCH: u64 = 1024;

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

/// What an analysis did, whatever it came to: the same in every run. For tests and benchmarks,
/// which cannot trust a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Effort {
	/// Elementary steps, which [`Limits::analysis_steps`] bounds: one for each operand of a node
	/// that an anchor depends on, and each way in which that node is reached.
	pub steps: u32,
	/// Sets of elements that were compared on the way: at most [`Effort::WIDTH`] in a step.
	pub compared: u64,
	/// Regions that were kept at once, at most.
	pub kept: u32,
}

impl Effort {
	/// Most comparisons in one step.
	pub const WIDTH: u64 = MAX_REGIONS as u64 + 1;
}

/// Judge every anchor of a program. Errors: [`CheckError::Unrefereeable`],
/// [`CheckError::TooManyVirtual`], [`CheckError::TooComplex`].
pub(crate) fn judge(
	program: &Program,
	types: &[TensorType],
	applied: &[Applied],
	limits: &Limits,
	effort: &mut Effort,
) -> Result<Vec<AnchorCost>, CheckError> {
	(0u32..)
		.zip(&program.nodes)
		.filter(|(_, node)| node.class != Class::Virtual)
		.map(|(anchor, _)| Analysis { program, types, applied, limits, anchor, effort }.judge())
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
	/// At most [`MAX_REGIONS`]; none once everything is read.
	ids: Vec<usize>,
	everything: bool,
	/// Some of it where bytes say: a table of a Gather, whose tiles are opened apart.
	table: bool,
	/// Only nodes that do not reduce lead from here to the anchor, on some way.
	direct: bool,
	/// A node that reduces leads from here to the anchor, on some way.
	folded: bool,
	/// Operands that read it.
	readers: u64,
}

impl Reads {
	/// Gives how many sets it was compared with.
	fn add(&mut self, id: usize) -> u64 {
		if self.everything {
			return 0;
		}
		let compared = self.ids.len() as u64;
		if !self.ids.contains(&id) {
			self.ids.push(id);
		}
		if self.ids.len() > MAX_REGIONS {
			self.everything = true;
			self.ids = Vec::new();
		}
		compared
	}
}

/// Time and scratch of everything that a tile depends on.
#[derive(Default)]
struct Spent {
	picoseconds: u64,
	held: u64,
	/// The same of what leads to the anchor through a node that reduces and also past it: where
	/// that node is cut into parts, it is walked through and evaluated once for each.
	twice: (u64, u64),
}

impl Spent {
	fn add(&mut self, reads: &Reads, picoseconds: u64, held: u64) {
		self.picoseconds = self.picoseconds.saturating_add(picoseconds);
		self.held = self.held.saturating_add(held);
		if reads.direct && reads.folded {
			self.twice.0 = self.twice.0.saturating_add(picoseconds);
			self.twice.1 = self.twice.1.saturating_add(held);
		}
	}

	fn total(&self, fold: bool) -> (u64, u64) {
		let (picoseconds, held) = if fold { self.twice } else { (0, 0) };
		(self.picoseconds.saturating_add(picoseconds), self.held.saturating_add(held))
	}
}

struct Analysis<'a, 's> {
	program: &'a Program,
	types: &'a [TensorType],
	applied: &'a [Applied],
	limits: &'a Limits,
	anchor: u32,
	effort: &'s mut Effort,
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

	fn too_complex(&self) -> CheckError {
		CheckError::TooComplex { node: self.anchor, max: self.limits.analysis_steps }
	}

	fn step(&mut self) -> Result<(), CheckError> {
		self.effort.steps += 1;
		if self.effort.steps > self.limits.analysis_steps {
			return Err(self.too_complex());
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
		let mut spent = Spent::default();
		let mut passing = 0u64;
		let mut nodes = 0u32;
		// Reducing nodes that are reached through elementwise nodes only, with their elements.
		let mut folds: Vec<(u32, u64)> = Vec::new();
		while let Some((index, mut reads)) = pending.pop_last() {
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
				core::mem::take(&mut reads.ids)
			};
			let elements = total(&regions, &ids, ty);
			let slice = match sliced {
				Some((fold, slice)) if fold == index => slice,
				_ => applied.reduction(),
			};
			let reduces = node.op.reduces();
			if reads.direct && reduces {
				folds.push((index, elements));
			}
			let patches = ids
				.iter()
				.filter_map(|id| regions.get(*id))
				.fold(0u64, |sum, region| sum.saturating_add(applied.patches(region)));
			let mut operands = Vec::with_capacity(node.operands.len());
			for (position, operand) in node.operands.iter().enumerate() {
				let source = operand.source;
				let Some(ty) = self.program.source_type(source, self.types) else { continue };
				let view = operand.view.as_ref().filter(|view| !view.is_contiguous());
				let (kind, target) = match source {
					Source::Node(at) if self.program.is_virtual(source) => {
						(Kind::Virtual, pending.entry(at).or_default())
					}
					Source::Constant(_) => (Kind::Constant, leaves.entry(source).or_default()),
					_ => (Kind::Committed, leaves.entry(source).or_default()),
				};
				target.direct |= reads.direct && !reduces;
				target.folded |= reads.folded || reduces;
				target.readers = target.readers.saturating_add(1);
				target.table |=
					applied.content_dependent().is_some_and(|(table, _)| table == position);
				let mut elements = 0u64;
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
					elements = elements.saturating_add(regions.get(id).map_or(0, Region::count));
					self.effort.compared += target.add(match view {
						Some(view) => regions.derive(id, Derivation::View(view), |region| {
							region.through(view, &ty.shape)
						}),
						None => id,
					});
				}
				if regions.regions.len() > MAX_KEPT {
					return Err(self.too_complex());
				}
				operands.push(Read { elements, kind, viewed: view.is_some() });
			}
			self.effort.kept = self.effort.kept.max(regions.regions.len() as u32);
			let asked = Asked { applied, elements, slice, patches, reads: &operands };
			let joined =
				elements.saturating_mul(reads.readers).saturating_mul(PICOSECONDS_PER_JOINED);
			let time = asked.picoseconds().saturating_add(joined);
			spent.add(&reads, time, asked.held());
			passing = passing.max(asked.passing());
		}
		for (source, reads) in leaves {
			let Some(ty) = self.program.source_type(source, self.types) else { continue };
			if matches!(source, Source::Constant(_)) {
				continue;
			}
			self.leaf(&regions, &reads, ty, &mut cost, &mut spent);
		}
		let fold = match folds[..] {
			[(node, elements)] if elements <= MAX_ACCUMULATORS => Some(node),
			_ => None,
		};
		let (picoseconds, held) = spent.total(fold.is_some());
		cost.scratch = held.saturating_add(passing).saturating_add(BASE_SCRATCH);
		cost.part_bytes = cost.part_bytes.saturating_add(PROOF_BYTES);
		let around = PROOF_PARENTS * PICOSECONDS_PER_PARENT;
		cost.part_nanoseconds = picoseconds.saturating_add(around).div_ceil(1000);
		Ok((cost, fold))
	}

	/// Operand tiles of one committed tensor, with their hash proof.
	fn leaf(
		&self,
		regions: &Regions,
		reads: &Reads,
		ty: &TensorType,
		cost: &mut RefereeCost,
		spent: &mut Spent,
	) {
		let all = ty.tiles();
		let (mut tiles, mut stretches) = (0u64, 0u64);
		for id in &reads.ids {
			let bound = regions.get(*id).map(|region| region.tiles(ty)).unwrap_or_default();
			tiles = tiles.saturating_add(bound.tiles);
			stretches = stretches.saturating_add(bound.stretches);
		}
		if reads.everything {
			// One stretch: what is left out of it makes its proof no longer.
			(tiles, stretches) = (all, 1);
		} else if tiles >= all {
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
		let hashed = tiles
			.saturating_mul(PICOSECONDS_PER_CHUNK)
			.saturating_add(PICOSECONDS_PER_TENSOR)
			.saturating_add(parents.saturating_mul(PICOSECONDS_PER_PARENT));
		let joined = tiles.saturating_mul(reads.readers).saturating_mul(PICOSECONDS_PER_JOINED);
		let held = tiles.saturating_mul(TILE_SCRATCH).saturating_add(OPENED_SCRATCH);
		spent.add(reads, hashed.saturating_add(joined), held);
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

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn reads_should_tell_few_sets_apart_when_there_are_many() {
		let mut reads = Reads::default();
		let mut compared = 0;
		for id in 0..100_000 {
			compared += reads.add(id);
			assert!(reads.ids.len() <= MAX_REGIONS);
			assert_eq!(reads.everything, id >= MAX_REGIONS);
		}
		assert!(compared <= Effort::WIDTH * Effort::WIDTH, "{compared}");
	}
}
