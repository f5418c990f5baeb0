//! Segments of a run: stretches of steps of equal length, each a node of the run tree, so that one of
//! them can be replayed and judged without the others.
//!
//! # Trees
//! A segment has L steps, a power of two; the last one may have fewer. In a left-balanced tree over all
//! steps such a stretch is a node, and the value of that node is the run root of its steps alone
//! ([`crate::run_root`]), since no node of a run tree is flagged as its top. So the verdict on a segment
//! is a run root like any other, and [`join_segments`] leads from the roots of all segments to the root
//! of the run.
//!
//! # Checkpoints
//! Checkpoint i, 1 ≤ i < m, is what segment i starts from: the states after i·L steps. They are anchors
//! of step i·L − 1, hence the trace root of that step binds them, and a *manifest* lists for every
//! checkpoint that trace root, the roots of the states in program order, and the siblings of these in
//! the trace tree as [`crate::open_many`] gives them. All lengths follow from program and job.
//!
//! The provider commits to the trace roots of all checkpoints ([`checkpoints_digest`]) together with its
//! result, and opens them in the run tree when it reveals ([`SegmentsOpening`]). So a checkpoint cannot
//! contradict the trace that it is a part of, and who starts from one starts from what the run has there.

use crate::{
	open, open_many,
	tree::{fold, height},
	verify_many, Hash, Path, Tree, MAX_PATH,
};
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use core::ops::Range;
use scale_info::TypeInfo;

/// Most segments of a run.
pub const MAX_SEGMENTS: u32 = 256;

/// Domain of [`checkpoints_digest`].
const DIGEST_CONTEXT: &str = "assay 2026-11-21 checkpoints v1";

/// How a run is cut into segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Segmentation {
	steps: u32,
	length: u32,
}

impl Segmentation {
	/// A run of `steps` steps in segments of `length`. `None` unless `length` is a power of two of at
	/// least 2 and there are 2 to [`MAX_SEGMENTS`] segments.
	pub fn new(steps: u32, length: u32) -> Option<Self> {
		let fits = length >= 2
			&& length.is_power_of_two()
			&& (2..=MAX_SEGMENTS).contains(&steps.div_ceil(length));
		fits.then_some(Self { steps, length })
	}

	/// Steps of the run.
	pub fn steps(&self) -> u32 {
		self.steps
	}

	/// Steps of a segment but the last.
	pub fn length(&self) -> u32 {
		self.length
	}

	/// How many segments there are: 2 to [`MAX_SEGMENTS`].
	pub fn count(&self) -> u32 {
		self.steps.div_ceil(self.length)
	}

	/// The steps of a segment, counted through the run; `None` where there is no such segment.
	pub fn range(&self, segment: u32) -> Option<Range<u32>> {
		let first = (segment < self.count()).then(|| segment * self.length)?;
		Some(first..first.saturating_add(self.length).min(self.steps))
	}

	/// Which segment a step is in.
	pub fn segment_of(&self, step: u32) -> Option<u32> {
		(step < self.steps).then_some(step / self.length)
	}
}

/// What binds the checkpoints of a run: `derive_key` over the trace roots of the steps before them, in
/// order.
pub fn checkpoints_digest<'a>(ends: impl IntoIterator<Item = &'a Hash>) -> Hash {
	let mut hasher = blake3::Hasher::new_derive_key(DIGEST_CONTEXT);
	for end in ends {
		hasher.update(end);
	}
	*hasher.finalize().as_bytes()
}

/// The root of the run whose segments have these roots, in order. `None` for none.
pub fn join_segments(roots: &[Hash]) -> Option<Hash> {
	let height = height(roots.len() as u64)?;
	let mut nodes = roots.to_vec();
	for _ in 0..height {
		// No node of a run tree is flagged as its top.
		Tree::Run.pair(&mut nodes, false);
	}
	nodes.first().copied()
}

/// The segments of a run, opened: what a reveal carries beside the run root.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, TypeInfo)]
pub struct SegmentsOpening {
	/// For every segment but the last, in order: the trace root of its last step, and that step's path
	/// to the root of the segment.
	pub ends: Vec<(Hash, Path)>,
	/// The root of the last segment.
	pub last: Hash,
}

impl Decode for SegmentsOpening {
	fn decode<I: codec::Input>(input: &mut I) -> Result<Self, codec::Error> {
		let len = codec::Compact::<u32>::decode(input)?.0;
		if len >= MAX_SEGMENTS {
			return Err("more segments than a run can have".into());
		}
		input.on_before_alloc_mem(len as usize * size_of::<(Hash, Path)>())?;
		let ends = (0..len).map(|_| Decode::decode(input)).collect::<Result<_, _>>()?;
		Ok(Self { ends, last: Decode::decode(input)? })
	}
}

impl DecodeWithMemTracking for SegmentsOpening {}

/// The roots of all segments and the trace roots of all checkpoints, as an opening shows them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Segments {
	/// Root of every segment.
	pub roots: Vec<Hash>,
	/// Trace root of the last step of every segment but the last.
	pub ends: Vec<Hash>,
}

/// The root of each segment, from the trace roots of all steps. `None` unless there are as many.
pub fn segment_roots(cut: &Segmentation, trace_roots: &[Hash]) -> Option<Vec<Hash>> {
	let whole = trace_roots.len() == cut.steps as usize;
	whole.then(|| trace_roots.chunks(cut.length as usize).map(crate::run_root).collect())
}

/// Opens the segments of a run. `None` unless there are as many trace roots as steps.
pub fn open_segments(cut: &Segmentation, trace_roots: &[Hash]) -> Option<SegmentsOpening> {
	if trace_roots.len() != cut.steps as usize {
		return None;
	}
	let mut segments: Vec<&[Hash]> = trace_roots.chunks(cut.length as usize).collect();
	let last = crate::run_root(segments.pop()?);
	let end = u64::from(cut.length - 1);
	let ends = segments
		.into_iter()
		.map(|traces| Some((*traces.last()?, open(Tree::Run, traces, end)?)))
		.collect::<Option<_>>()?;
	Some(SegmentsOpening { ends, last })
}

/// What an opening shows, if it is one of the run with this root. Takes at most
/// [`MAX_SEGMENTS`] · ([`MAX_PATH`] + 2) hashes.
pub fn verify_segments(
	run_root: &Hash,
	cut: &Segmentation,
	opening: &SegmentsOpening,
) -> Option<Segments> {
	if opening.ends.len() + 1 != cut.count() as usize {
		return None;
	}
	let length = u64::from(cut.length);
	let mut roots = Vec::with_capacity(cut.count() as usize);
	for (end, path) in &opening.ends {
		if path.siblings.len() > MAX_PATH {
			return None;
		}
		roots.push(fold(Tree::Run, length - 1, length, end, path)?);
	}
	roots.push(opening.last);
	let ends = opening.ends.iter().map(|(end, _)| *end).collect();
	(join_segments(&roots)? == *run_root).then_some(Segments { roots, ends })
}

/// The states that a segment starts from, as a manifest lists them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checkpoint {
	/// Trace root of the step before.
	pub trace_root: Hash,
	/// Root of every state, in program order.
	pub states: Vec<Hash>,
}

/// The anchors of the states, each once and ascending.
fn places(state_anchors: &[u32]) -> Vec<u64> {
	let mut places: Vec<u64> = state_anchors.iter().copied().map(u64::from).collect();
	places.sort_unstable();
	places.dedup();
	places
}

/// Bytes of one checkpoint in a manifest, for a program with so many eager anchors, of which those at
/// `state_anchors` are its states' next values (`Checked::state_anchors`). `None` for a program without
/// states, or with positions that do not exist.
pub fn checkpoint_len(anchors: u32, state_anchors: &[u32]) -> Option<u64> {
	let siblings =
		crate::open_many_with(
			anchors.into(),
			&places(state_anchors),
			|_, _| Some(Hash::default()),
		)?;
	Some((1 + state_anchors.len() as u64 + siblings.len() as u64) * size_of::<Hash>() as u64)
}

/// A checkpoint's bytes in a manifest, from the anchor roots of the step before it.
pub fn checkpoint_entry(anchor_roots: &[Hash], state_anchors: &[u32]) -> Option<Vec<u8>> {
	let mut entry = crate::trace_root(anchor_roots).to_vec();
	for &at in state_anchors {
		entry.extend(anchor_roots.get(at as usize)?);
	}
	for sibling in open_many(Tree::Trace, anchor_roots, &places(state_anchors))? {
		entry.extend(sibling);
	}
	Some(entry)
}

/// Reads a manifest: every checkpoint of the run, each checked against its own trace root, and these
/// against `digest`. `None` for bytes that are anything else.
pub fn read_manifest(
	manifest: &[u8],
	cut: &Segmentation,
	anchors: u32,
	state_anchors: &[u32],
	digest: &Hash,
) -> Option<Vec<Checkpoint>> {
	let len = usize::try_from(checkpoint_len(anchors, state_anchors)?).ok()?;
	if manifest.len() != len.checked_mul(cut.count() as usize - 1)? {
		return None;
	}
	let checkpoints = manifest
		.chunks_exact(len)
		.map(|entry| read_checkpoint(entry, anchors, state_anchors))
		.collect::<Option<Vec<_>>>()?;
	let found = checkpoints_digest(checkpoints.iter().map(|checkpoint| &checkpoint.trace_root));
	(found == *digest).then_some(checkpoints)
}

fn read_checkpoint(entry: &[u8], anchors: u32, state_anchors: &[u32]) -> Option<Checkpoint> {
	let mut hashes =
		entry.chunks_exact(size_of::<Hash>()).map(|hash| Hash::try_from(hash).unwrap_or_default());
	let trace_root = hashes.next()?;
	let states: Vec<Hash> = hashes.by_ref().take(state_anchors.len()).collect();
	let siblings: Vec<Hash> = hashes.collect();
	let mut leaves: Vec<(u64, Hash)> =
		state_anchors.iter().copied().map(u64::from).zip(states.iter().copied()).collect();
	leaves.sort_unstable();
	// Two states that share an anchor must say the same of it: two entries for one place are refused.
	leaves.dedup();
	let shown = verify_many(Tree::Trace, &trace_root, anchors.into(), &leaves, &siblings);
	shown.then_some(Checkpoint { trace_root, states })
}
