//! The prover: a proof from a replay and from what the provider was made to open.

use crate::{
	judge::{judge, Reads, Record, Ruling},
	types::{Accusation, ProofPart, RootsOpening, TilesOpening},
	OpenedTree, ProofError, ProveError,
};
use alloc::{collections::BTreeMap, vec::Vec};
use assay_commitments::{open_many, open_many_with, tensor_node, Hash, Tree, CHUNK_BYTES};
use assay_program::{AnchorSource, RecomputeError, Source};

/// The canonical bytes of whole tensors.
pub trait Tensors {
	/// All canonical bytes of `source`, where they are kept.
	fn bytes(&self, source: Source) -> Option<&[u8]>;
}

impl Tensors for BTreeMap<Source, Vec<u8>> {
	fn bytes(&self, source: Source) -> Option<&[u8]> {
		self.get(&source).map(|bytes| &bytes[..])
	}
}

/// What a challenger has: its own replay, and the groups that lead from the provider's run root to
/// the first difference.
pub struct Evidence<'a> {
	/// The run tree; for a run of one step with the trace root of the reveal as its only group.
	pub run: &'a OpenedTree,
	/// The trace tree of the accused step.
	pub trace: &'a OpenedTree,
	/// The provider's list of lazy anchors' roots ([`Record::list`]), where there is one.
	pub list: Option<&'a OpenedTree>,
	/// The tree of the accused tensor.
	pub tensor: &'a OpenedTree,
	/// The own anchor roots of the step before, where a state is read after the first step.
	pub before: Option<&'a [Hash]>,
	/// The tensors that [`Record::sources`] names, as they were in the accused step: job inputs,
	/// states before it and anchors of it. A state before the first step may be given as the job
	/// input that it starts with.
	pub tensors: &'a dyn Tensors,
}

/// Part `part` of the proof that a tile differs.
///
/// Errors: [`ProveError`], which names what must be opened, replayed or kept first; or
/// [`ProveError::Refused`] for an accusation that makes no sense. That the proof stands is for
/// [`judge`] to say; [`prove_all`] asks it.
pub fn prove(
	record: &Record,
	evidence: &Evidence,
	accusation: Accusation,
	part: u32,
) -> Result<ProofPart, ProveError> {
	// Which tiles are read does not depend on what was accumulated.
	let Reads { mut fold, needs, anchors, lazy, states, .. } =
		record.reads(accusation, part, None)?;
	let step = accusation.step;
	let run = |step: u32| evidence.run.open(step.into()).ok_or(ProveError::RunUnopened { step });
	let before = match step.checked_sub(1) {
		Some(step) if !states.is_empty() => Some(run(step)?),
		_ => None,
	};
	let states = match (evidence.before, &before) {
		(_, None) => RootsOpening::default(),
		(None, Some(_)) => return Err(ProveError::BeforeMissing),
		(Some(leaves), Some(_)) => RootsOpening {
			roots: states
				.iter()
				.map(|at| leaves.get(*at as usize).copied())
				.collect::<Option<_>>()
				.ok_or(ProofError::States)?,
			siblings: open_many(Tree::Trace, leaves, &states).ok_or(ProofError::States)?,
		},
	};
	let anchors = roots(Some(evidence.trace), &anchors).ok_or(ProveError::TraceUnopened)?;
	let lazy = roots(evidence.list, &lazy).ok_or(ProveError::ListUnopened)?;
	// Tables are read where the own indices say, which are the provider's wherever a proof stands.
	let own = Own { record, tensors: evidence.tensors, step };
	let tables = match needs.tables.is_empty() {
		true => BTreeMap::new(),
		false => fold.table_needs(part, &own).map_err(|error| match error {
			RecomputeError::MissingTile { source, .. } => ProveError::TensorMissing { source },
			other => ProveError::Refused(other.into()),
		})?,
	};
	let operands = needs
		.tiles
		.iter()
		.chain(&tables)
		.map(|(source, tiles)| {
			let missing = ProveError::TensorMissing { source: *source };
			let count = record.tiles_of(*source).ok_or(ProofError::Record)?;
			let bytes = bytes_of(record, evidence.tensors, *source, step).ok_or(missing)?;
			open_tiles(bytes, count, tiles).ok_or(missing)
		})
		.collect::<Result<_, ProveError>>()?;
	Ok(ProofPart {
		accusation,
		part,
		trace: run(step)?,
		before,
		claimed: evidence.tensor.open(accusation.tile).ok_or(ProveError::TensorUnopened)?,
		anchors,
		lazy,
		states,
		operands,
	})
}

/// The roots at these places of a tree, as far as it is opened; nothing of no tree for none.
fn roots(tree: Option<&OpenedTree>, places: &[u64]) -> Option<RootsOpening> {
	if places.is_empty() {
		return Some(RootsOpening::default());
	}
	let tree = tree?;
	Some(RootsOpening {
		roots: places.iter().map(|at| tree.leaf(*at)).collect::<Option<_>>()?,
		siblings: tree.open_many(places)?,
	})
}

/// The whole proof that a tile differs, part by part, and what the referee rules on its last part:
/// [`Ruling::Right`] where the tile is not wrong after all.
///
/// Errors: those of [`prove`]; [`ProveError::Refused`] also where the referee refuses the proof,
/// that is, where the evidence contradicts itself.
pub fn prove_all(
	record: &Record,
	evidence: &Evidence,
	accusation: Accusation,
) -> Result<(Vec<ProofPart>, Ruling), ProveError> {
	let mut parts = Vec::new();
	let mut accumulators = None;
	loop {
		let part = prove(record, evidence, accusation, parts.len() as u32)?;
		let ruling = judge(record, accumulators, &part)?;
		parts.push(part);
		match ruling {
			Ruling::Continue(kept) => accumulators = Some(kept),
			last => return Ok((parts, last)),
		}
	}
}

/// The tensors that a challenger has, as the accused step reads them.
struct Own<'a> {
	record: &'a Record<'a>,
	tensors: &'a dyn Tensors,
	step: u32,
}

impl AnchorSource for Own<'_> {
	fn tile(&self, source: Source, tile: u64) -> Option<&[u8]> {
		let start = usize::try_from(tile).ok()?.checked_mul(CHUNK_BYTES)?;
		let bytes = bytes_of(self.record, self.tensors, source, self.step)?;
		bytes.get(start..start.checked_add(CHUNK_BYTES)?)
	}
}

/// The canonical bytes of a tensor as the accused step reads it.
fn bytes_of<'a>(
	record: &Record,
	tensors: &'a dyn Tensors,
	source: Source,
	step: u32,
) -> Option<&'a [u8]> {
	// A state before the first step is a job input with whatever padding that has: its own bytes
	// are what its root is of.
	let initial = match source {
		Source::State(at) if step == 0 => {
			let state = record.program.states.get(at as usize)?;
			tensors.bytes(Source::Input(state.input))
		}
		_ => None,
	};
	initial.or_else(|| tensors.bytes(source))
}

/// These tiles of a tensor of `count` tiles. `None` for bytes of another length.
fn open_tiles(canonical: &[u8], count: u64, tiles: &[u64]) -> Option<TilesOpening> {
	if Some(canonical.len() as u64) != count.checked_mul(CHUNK_BYTES as u64) {
		return None;
	}
	let mut bytes = Vec::with_capacity(tiles.len().saturating_mul(CHUNK_BYTES));
	for tile in tiles {
		let start = usize::try_from(*tile).ok()?.checked_mul(CHUNK_BYTES)?;
		bytes.extend_from_slice(canonical.get(start..start.checked_add(CHUNK_BYTES)?)?);
	}
	let siblings =
		open_many_with(count, tiles, |level, index| tensor_node(canonical, level, index))?;
	Some(TilesOpening { tiles: bytes, siblings })
}
