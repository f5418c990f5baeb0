//! The referee.

use crate::{
	types::{Accusation, LazyList, ProofPart, RootsOpening, TilesOpening},
	ProofError,
};
use alloc::{
	collections::{BTreeMap, BTreeSet},
	vec::Vec,
};
use assay_commitments::{chunk_value, verify, verify_many, Hash, Path, Tree, CHUNK_BYTES};
use assay_program::{AnchorFold, AnchorSource, Checked, PartNeeds, Program, Source};

/// What the chain knows of a run. Whatever a proof says is held against this alone.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
	/// The program, from the chain's storage.
	pub program: &'a Program,
	/// What its check gave, or [`Program::readmit`].
	pub checked: &'a Checked,
	/// Roots of the job inputs, in program order.
	pub input_roots: &'a [Hash],
	/// Steps of the run.
	pub steps: u32,
	/// What the provider has bound itself to.
	pub run_root: Hash,
	/// What the provider has stated about lazy anchors, to whoever sends the proof.
	pub list: Option<LazyList>,
}

/// What a valid proof shows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ruling {
	/// The claimed tile is not the recomputed one: the run is wrong.
	Fraud,
	/// The claimed tile is right.
	Right,
	/// There are more parts, which go on with these accumulators.
	Continue(Vec<i64>),
}

/// What one part of a proof must open: derived from the record and the accusation alone.
pub(crate) struct Reads<'a> {
	pub(crate) fold: AnchorFold<'a>,
	pub(crate) needs: PartNeeds,
	/// Tiles of the accused tensor.
	pub(crate) tiles: u64,
	/// Where the root of the accused anchor is.
	pub(crate) accused: Listed,
	/// Places in the trace of the accused anchor and of those that are read: ascending, each once.
	pub(crate) anchors: Vec<u64>,
	/// Places in the provider's list, likewise.
	pub(crate) lazy: Vec<u64>,
	/// Places of the updates of the states that are read, ascending, each once. None before step 1.
	pub(crate) states: Vec<u64>,
}

/// Where the root of an anchor of the accused step is.
#[derive(Clone, Copy)]
pub(crate) enum Listed {
	/// In the trace, at this place: an eager anchor.
	Trace(u64),
	/// In the provider's list, at this place: a lazy one.
	List(u64),
}

/// The place of what holds the root of a tensor.
enum Origin {
	Input(usize),
	/// Among the anchors of the accused step.
	Anchor(Listed),
	/// Among the anchors of the step before.
	Before(u64),
}

impl<'a> Record<'a> {
	/// Where the root of an anchor is.
	fn listed(&self, node: u32) -> Option<Listed> {
		match self.checked.anchors.binary_search(&node) {
			Ok(at) => Some(Listed::Trace(at as u64)),
			Err(_) => self.checked.lazy.binary_search(&node).ok().map(|at| Listed::List(at as u64)),
		}
	}

	/// Root and count of the provider's list for `step`, if there is one.
	pub(crate) fn list(&self, step: u32) -> Option<(Hash, u64)> {
		let list = self.list.filter(|list| list.step == step)?;
		Some((list.root, self.checked.lazy_before(list.anchor).into()))
	}

	/// Fails for a record that is not of one job. `judge` never sees one from a sound chain.
	fn validate(&self) -> Result<(), ProofError> {
		let (program, checked) = (self.program, self.checked);
		let whole = checked.types.len() == program.nodes.len()
			&& checked.state_anchors.len() == program.states.len()
			&& self.input_roots.len() == program.inputs.len();
		whole.then_some(()).ok_or(ProofError::Record)
	}

	/// Where the root of a tensor that is read in step `step` comes from: protocol §4 (3).
	fn origin(&self, source: Source, step: u32) -> Option<Origin> {
		match source {
			Source::Input(at) => Some(Origin::Input(at.into())),
			Source::State(at) if step == 0 => {
				Some(Origin::Input(self.program.states.get(at as usize)?.input.into()))
			}
			Source::State(at) => {
				Some(Origin::Before((*self.checked.state_anchors.get(at as usize)?).into()))
			}
			Source::Node(at) => Some(Origin::Anchor(self.listed(at)?)),
			// Read from the program itself.
			Source::Constant(_) => None,
		}
	}

	/// Tiles of a committed tensor.
	pub(crate) fn tiles_of(&self, source: Source) -> Option<u64> {
		let ty = match source {
			Source::Input(at) => &self.program.inputs.get(at as usize)?.ty,
			Source::State(at) => {
				let input = self.program.states.get(at as usize)?.input;
				&self.program.inputs.get(input as usize)?.ty
			}
			Source::Node(at) => self.checked.types.get(at as usize)?,
			Source::Constant(_) => return None,
		};
		Some(ty.tiles())
	}

	/// Where the root of the accused anchor is, and how many tiles it has. Takes no longer than
	/// looking that up.
	fn accused(&self, accusation: Accusation, part: u32) -> Result<(Listed, u64), ProofError> {
		self.validate()?;
		let Accusation { step, node, tile } = accusation;
		if step >= self.steps {
			return Err(ProofError::Step);
		}
		let accused = self.listed(node).ok_or(ProofError::NotAnAnchor)?;
		let tiles = self.tiles_of(Source::Node(node)).ok_or(ProofError::Record)?;
		if tile >= tiles {
			return Err(ProofError::Tile);
		}
		let plan = self.checked.anchor_cost(node).ok_or(ProofError::NotAnAnchor)?;
		if part >= plan.cost.parts {
			return Err(ProofError::Part);
		}
		Ok((accused, tiles))
	}

	/// What part `part` must open. `accumulators` are those that the parts before it left; none for
	/// the first.
	pub(crate) fn reads(
		&self,
		accusation: Accusation,
		part: u32,
		accumulators: Option<Vec<i64>>,
	) -> Result<Reads<'a>, ProofError> {
		let (accused, tiles) = self.accused(accusation, part)?;
		let Accusation { step, node, tile } = accusation;
		let (program, checked) = (self.program, self.checked);
		let mut fold = match accumulators {
			None => AnchorFold::new(program, checked, node, tile)?,
			Some(kept) => AnchorFold::resume(program, checked, node, tile, part, kept)?,
		};
		let needs = fold.needs(part)?;
		let (mut anchors, mut lazy, mut states) =
			(BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
		let mut show = |listed: Listed| match listed {
			Listed::Trace(at) => anchors.insert(at),
			Listed::List(at) => lazy.insert(at),
		};
		show(accused);
		// Whether any tile of a table is read depends on bytes; that its root is shown does not.
		for source in needs.tiles.keys().chain(&needs.tables) {
			match self.origin(*source, step).ok_or(ProofError::Record)? {
				Origin::Anchor(listed) => show(listed),
				Origin::Before(at) => states.insert(at),
				Origin::Input(_) => false,
			};
		}
		Ok(Reads {
			fold,
			needs,
			tiles,
			accused,
			anchors: anchors.into_iter().collect(),
			lazy: lazy.into_iter().collect(),
			states: states.into_iter().collect(),
		})
	}

	/// The tensors whose tiles a proof of this accusation opens, over all its parts: what a
	/// challenger keeps of its replay. Errors: those of [`judge`] for an accusation that makes no
	/// sense.
	pub fn sources(&self, accusation: Accusation) -> Result<BTreeSet<Source>, ProofError> {
		let mut first = self.reads(accusation, 0, None)?;
		let mut sources: BTreeSet<Source> = first.needs.tiles.into_keys().collect();
		sources.extend(first.needs.tables);
		for part in 1..first.fold.parts() {
			let needs = first.fold.needs(part)?;
			sources.extend(needs.tiles.into_keys().chain(needs.tables));
		}
		Ok(sources)
	}
}

/// The roots of some anchors of one step, by place. None of them are shown by nothing.
fn roots(
	opening: &RootsOpening,
	places: &[u64],
	count: u64,
	trace: &Hash,
) -> Option<BTreeMap<u64, Hash>> {
	if places.is_empty() {
		return (*opening == RootsOpening::default()).then(BTreeMap::new);
	}
	if opening.roots.len() != places.len() {
		return None;
	}
	let leaves: Vec<(u64, Hash)> =
		places.iter().copied().zip(opening.roots.iter().copied()).collect();
	verify_many(Tree::Trace, trace, count, &leaves, &opening.siblings)
		.then(|| leaves.into_iter().collect())
}

/// Whether an opening shows exactly these tiles of the tensor with this root.
fn shows(opening: &TilesOpening, root: &Hash, count: u64, tiles: &[u64]) -> bool {
	if opening.tiles.len() != tiles.len().saturating_mul(CHUNK_BYTES) {
		return false;
	}
	let leaves = tiles
		.iter()
		.zip(opening.tiles.chunks_exact(CHUNK_BYTES))
		.map(|(&tile, bytes)| Some((tile, chunk_value(count, tile, bytes)?)))
		.collect::<Option<Vec<_>>>();
	leaves.is_some_and(|leaves| verify_many(Tree::Tensor, root, count, &leaves, &opening.siblings))
}

/// Opened tiles of each tensor: which, and their bytes.
type Tiles<'a> = BTreeMap<Source, (&'a [u64], &'a [u8])>;

/// Opened tiles: those that follow from the program, and those of tables that follow from them.
#[derive(Default)]
struct Opened<'a>([Tiles<'a>; 2]);

impl AnchorSource for Opened<'_> {
	fn tile(&self, source: Source, tile: u64) -> Option<&[u8]> {
		self.0.iter().find_map(|opened| {
			let (tiles, bytes) = opened.get(&source)?;
			let start = tiles.binary_search(&tile).ok()?.checked_mul(CHUNK_BYTES)?;
			bytes.get(start..start.checked_add(CHUNK_BYTES)?)
		})
	}
}

/// The openings of `needs`, if they show exactly these tiles. `first` is the position of the first
/// opening.
fn shown<'a>(
	needs: &'a BTreeMap<Source, Vec<u64>>,
	openings: &'a [TilesOpening],
	first: usize,
	root: impl Fn(Source) -> Result<(Hash, u64), ProofError>,
) -> Result<Tiles<'a>, ProofError> {
	let openings = openings.get(first..).unwrap_or_default();
	let mut opened = BTreeMap::new();
	for (position, ((source, tiles), opening)) in (first as u32..).zip(needs.iter().zip(openings)) {
		let (root, count) = root(*source)?;
		if !shows(opening, &root, count, tiles) {
			return Err(ProofError::Operand { position });
		}
		opened.insert(*source, (&tiles[..], &opening.tiles[..]));
	}
	Ok(opened)
}

/// What must be the root of the accused anchor: it is read by nothing that is shown, and comes
/// after all of that in program order.
fn accused_root(part: &ProofPart, accused: Listed) -> Option<&Hash> {
	match accused {
		Listed::Trace(_) => part.anchors.roots.last(),
		Listed::List(_) => part.lazy.roots.last(),
	}
}

/// Whether a part holds together as far as that can be seen before anything is derived from the
/// program: the record has what is accused, the trace roots lead to the run root, the claimed chunk
/// leads to the last root that is shown, and there are no more roots, and no fewer tiles, than a
/// proof can have.
fn frame_stands(record: &Record, part: &ProofPart) -> Result<(), ProofError> {
	let accusation = part.accusation;
	let (accused, tiles) = record.accused(accusation, part.part)?;
	let opens = |step: u32, (root, path): &(Hash, Path)| {
		verify(Tree::Run, &record.run_root, step.into(), record.steps.into(), root, path)
	};
	if !opens(accusation.step, &part.trace) {
		return Err(ProofError::Trace);
	}
	match (&part.before, accusation.step.checked_sub(1)) {
		(None, _) if part.states.roots.is_empty() => {}
		(Some(before), Some(step)) if opens(step, before) => {}
		_ => return Err(ProofError::Before),
	}
	let checked = record.checked;
	if part.anchors.roots.len() > checked.anchors.len() {
		return Err(ProofError::Anchors);
	}
	if part.lazy.roots.len() > checked.lazy.len() {
		return Err(ProofError::Lazy);
	}
	if part.states.roots.len() > checked.state_anchors.len() {
		return Err(ProofError::States);
	}
	// Where only one root is shown it can be no other.
	let (shown, place, count, above, wrong) = match accused {
		Listed::Trace(place) => {
			(&part.anchors, place, checked.anchors.len() as u64, part.trace.0, ProofError::Anchors)
		}
		Listed::List(place) => {
			let (list, listed) = record.list(accusation.step).ok_or(ProofError::Unlisted)?;
			(&part.lazy, place, listed, list, ProofError::Lazy)
		}
	};
	let root = shown.roots.last().ok_or(wrong)?;
	if shown.roots.len() == 1 && roots(shown, &[place], count, &above).is_none() {
		// A list that ends before the accused anchor has no root of it.
		return Err(if place < count { wrong } else { ProofError::Unlisted });
	}
	let (claimed, path) = &part.claimed;
	if !verify(Tree::Tensor, root, accusation.tile, tiles, claimed, path) {
		return Err(ProofError::Claimed);
	}
	for (position, opening) in (0u32..).zip(&part.operands) {
		if opening.tiles.is_empty() || !opening.tiles.len().is_multiple_of(CHUNK_BYTES) {
			return Err(ProofError::Operand { position });
		}
	}
	Ok(())
}

/// Judge one part of a fraud proof against the chain's record of a run.
///
/// `accumulators` are those of [`Ruling::Continue`] of the part before; none exactly for part 0.
/// Whoever kept them has seen that this part is the next one and accuses the same tile.
///
/// Total. All counts and positions come from the record: openings are checked before anything is
/// recomputed, and a proof that does not show exactly what is read is refused. What can be seen
/// without knowing what is read comes first: bytes that are no proof at all cost some hashes. Time
/// and memory are those that the check of the program has bounded, [`assay_program::RefereeCost`],
/// whatever the proof says.
///
/// Errors: [`ProofError`], which says which part of the proof does not stand; nothing follows for
/// the run.
pub fn judge(
	record: &Record,
	accumulators: Option<Vec<i64>>,
	part: &ProofPart,
) -> Result<Ruling, ProofError> {
	if accumulators.is_some() != (part.part > 0) {
		return Err(ProofError::Accumulators);
	}
	let accusation = part.accusation;
	let step = accusation.step;
	frame_stands(record, part)?;
	let Reads { mut fold, needs, tiles, accused, anchors, lazy, states } =
		record.reads(accusation, part.part, accumulators)?;
	let certain = needs.tiles.len();
	let most = certain.saturating_add(needs.tables.len());
	if !(certain..=most).contains(&part.operands.len()) {
		return Err(ProofError::OperandCount);
	}

	// From the trace roots, which lead to the run root, to the roots of the anchors.
	let count = record.checked.anchors.len() as u64;
	let anchors =
		roots(&part.anchors, &anchors, count, &part.trace.0).ok_or(ProofError::Anchors)?;
	// And from what the provider has stated to those of the lazy ones. A list that ends before one
	// of them opens nothing.
	let (list, listed) = match record.list(step) {
		Some(list) => list,
		None if lazy.is_empty() => Default::default(),
		None => return Err(ProofError::Unlisted),
	};
	if lazy.last().is_some_and(|last| *last >= listed) {
		return Err(ProofError::Unlisted);
	}
	let lazy = roots(&part.lazy, &lazy, listed, &list).ok_or(ProofError::Lazy)?;
	let before = match &part.before {
		None if states.is_empty() => Hash::default(),
		Some((before, _)) if !states.is_empty() => *before,
		_ => return Err(ProofError::Before),
	};
	let states = roots(&part.states, &states, count, &before).ok_or(ProofError::States)?;

	// Every operand tile. The accused chunk leads to the last root that is shown; that this one is
	// the root of the accused anchor is known only now.
	let claimed = &part.claimed.0;
	let root_of = |listed: Listed| match listed {
		Listed::Trace(at) => anchors.get(&at),
		Listed::List(at) => lazy.get(&at),
	};
	if root_of(accused) != accused_root(part, accused) {
		return Err(ProofError::Claimed);
	}
	let root = |source: Source| -> Result<(Hash, u64), ProofError> {
		let root = match record.origin(source, step).ok_or(ProofError::Record)? {
			Origin::Input(at) => record.input_roots.get(at),
			Origin::Anchor(listed) => root_of(listed),
			Origin::Before(at) => states.get(&at),
		};
		let count = record.tiles_of(source).ok_or(ProofError::Record)?;
		Ok((*root.ok_or(ProofError::Record)?, count))
	};
	let mut opened = Opened::default();
	opened.0[0] = shown(&needs.tiles, &part.operands, 0, root)?;
	// Indices are now known to be those of the run: they alone say which tiles of tables are read.
	let tables = match needs.tables.is_empty() {
		true => BTreeMap::new(),
		false => fold.table_needs(part.part, &opened)?,
	};
	if part.operands.len() != certain.saturating_add(tables.len()) {
		return Err(ProofError::OperandCount);
	}
	opened.0[1] = shown(&tables, &part.operands, certain, root)?;

	// The recomputation.
	fold.absorb(part.part, &opened)?;
	if part.part.saturating_add(1) < fold.parts() {
		return Ok(Ruling::Continue(fold.into_accumulators()));
	}
	let tile = fold.finish(&opened)?;
	let right = chunk_value(tiles, accusation.tile, &tile).ok_or(ProofError::Tile)?;
	Ok(if right == *claimed { Ruling::Right } else { Ruling::Fraud })
}
