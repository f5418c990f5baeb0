//! Replays, and what is remembered of them.

use crate::{job::REMEMBERED_ROOTS, BoxError, Error, Hash, Job};
use assay_commitments::{chunk_value, run_root, tensor_root, trace_root, CHUNK_BYTES};
use assay_program::Source;
use std::{
	collections::{BTreeMap, BTreeSet},
	future::Future,
	sync::Arc,
};

/// Runs a job again.
pub trait Replay: Send + Sync {
	/// Runs the first `steps` ≥ 1 steps of the job. `keep` names tensors of the last of them to
	/// hand over: [`Source::Node`] of anchors as they were computed, [`Source::State`] as it was
	/// before that step. Where a lazy anchor is among them, the roots of all lazy anchors of that
	/// step are handed over too.
	///
	/// # Errors
	/// Whatever kept the replay from ending; the caller may try again.
	fn replay(
		&self,
		steps: u32,
		keep: &[Source],
	) -> impl Future<Output = Result<Replayed, BoxError>> + Send;

	/// The canonical bytes of an input of the job.
	///
	/// # Errors
	/// Whatever kept the bytes from being read.
	fn input(&self, index: u16) -> impl Future<Output = Result<Vec<u8>, BoxError>> + Send;
}

/// One replay for both sides, or for many jobs' lanes.
impl<R: Replay> Replay for Arc<R> {
	fn replay(
		&self,
		steps: u32,
		keep: &[Source],
	) -> impl Future<Output = Result<Replayed, BoxError>> + Send {
		R::replay(self, steps, keep)
	}

	fn input(&self, index: u16) -> impl Future<Output = Result<Vec<u8>, BoxError>> + Send {
		R::input(self, index)
	}
}

/// What a replay gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
	/// Trace root of each step.
	pub trace_roots: Vec<Hash>,
	/// Roots of the eager anchors of the last step, in program order.
	pub last_anchors: Vec<Hash>,
	/// Roots of the lazy anchors of the last step, in program order, where one of them was to be
	/// kept; else none.
	pub last_lazy: Vec<Hash>,
	/// Canonical bytes of what was to be kept.
	pub kept: BTreeMap<Source, Vec<u8>>,
	/// Roots of the eager anchors of all steps, one step after the other, where they are at hand;
	/// else none. They spare the replays that would be for one step's alone.
	pub all_anchors: Vec<Hash>,
}

/// Chunk values that are remembered: 64 MiB, for tensors of 2 GiB together. A larger tensor is
/// remembered alone.
const REMEMBERED_CHUNKS: usize = 1 << 21;

/// Steps whose anchor roots are remembered, at most 128 KiB each.
const REMEMBERED_STEPS: usize = 256;

/// A replay with a memory. Everything that comes out of it was hashed and agrees with itself.
pub(crate) struct Replays<R> {
	pub(crate) job: Arc<Job>,
	replay: R,
	/// Trace roots of as many steps as were ever replayed.
	traces: Vec<Hash>,
	/// Anchor roots by step.
	anchors: BTreeMap<u32, Vec<Hash>>,
	/// Anchor roots of the first steps, one after the other.
	all_anchors: Vec<Hash>,
	/// Roots of lazy anchors by step.
	lazy: BTreeMap<u32, Vec<Hash>>,
	/// Chunk values by step and node.
	chunks: BTreeMap<(u32, u32), Vec<Hash>>,
	/// Whole tensors of one step.
	tensors: (u32, BTreeMap<Source, Vec<u8>>),
}

impl<R: Replay> Replays<R> {
	/// Fails if the job is not sound.
	pub(crate) fn new(job: Arc<Job>, replay: R) -> Result<Self, Error> {
		job.validate()?;
		let (anchors, lazy, chunks) = Default::default();
		let (tensors, all_anchors) = Default::default();
		Ok(Self { job, replay, traces: Vec::new(), anchors, all_anchors, lazy, chunks, tensors })
	}

	/// Takes in what an earlier run of the whole job gave, with what it kept.
	pub(crate) fn recall(&mut self, run: Replayed) -> Result<(), Error> {
		let kept: Vec<_> = run.kept.keys().copied().collect();
		let tensors = self.remember(self.job.steps, &kept, run)?;
		self.tensors = (self.job.steps - 1, tensors);
		Ok(())
	}

	/// Trace roots of all steps.
	pub(crate) async fn traces(&mut self) -> Result<&[Hash], Error> {
		if self.traces.len() < self.job.steps as usize {
			self.run(self.job.steps, &[]).await?;
		}
		Ok(&self.traces)
	}

	/// Root over the trace roots of all steps.
	pub(crate) async fn run_root(&mut self) -> Result<Hash, Error> {
		Ok(run_root(self.traces().await?))
	}

	/// Replays, if need be, for the anchor roots of a step and of the one before, which a proof
	/// about a state begins from.
	pub(crate) async fn prepare(&mut self, step: u32) -> Result<(), Error> {
		let before = step.checked_sub(1).filter(|_| !self.job.program.states.is_empty());
		let lacks_before = before.is_some_and(|before| !self.knows_anchors(before));
		if !self.knows_anchors(step) || (lacks_before && self.job.wants_all_anchors(step + 1)) {
			self.run(step + 1, &[]).await?;
		}
		Ok(())
	}

	/// Where the anchor roots of a step are among those of all.
	fn place_in_all(&self, step: u32) -> std::ops::Range<usize> {
		let count = self.job.checked.anchors.len();
		let at = (step as usize).saturating_mul(count);
		at..at.saturating_add(count)
	}

	fn knows_anchors(&self, step: u32) -> bool {
		self.anchors.contains_key(&step) || self.all_anchors.get(self.place_in_all(step)).is_some()
	}

	/// Anchor roots of a step.
	pub(crate) async fn anchors(&mut self, step: u32) -> Result<&[Hash], Error> {
		if !self.knows_anchors(step) {
			self.run(step + 1, &[]).await?;
		}
		match self.anchors.get(&step) {
			Some(roots) => Ok(roots),
			None => Ok(&self.all_anchors[self.place_in_all(step)]),
		}
	}

	/// Roots of the lazy anchors of a step, in program order.
	pub(crate) async fn lazy(&mut self, step: u32) -> Result<&[Hash], Error> {
		if !self.lazy.contains_key(&step) {
			// Whichever is asked for, all are hashed: the smallest is the least to hand over.
			let tiles = |node: &&u32| self.job.checked.types[**node as usize].tiles();
			let least = self.job.checked.lazy.iter().min_by_key(tiles);
			let Some(&least) = least else { return Ok(&[]) };
			self.run(step + 1, &[Source::Node(least)]).await?;
		}
		Ok(&self.lazy[&step])
	}

	/// Chunk values of anchor `node`. Where that takes a replay, it keeps `along` for
	/// [`Replays::tensors`] too.
	pub(crate) async fn chunks(
		&mut self,
		step: u32,
		node: u32,
		along: &BTreeSet<Source>,
	) -> Result<&[Hash], Error> {
		if !self.chunks.contains_key(&(step, node)) {
			let accused = Source::Node(node);
			let keep: Vec<_> = along.iter().copied().chain([accused]).collect();
			// What came before is of no more use, and need not lie beside what comes now.
			self.tensors = Default::default();
			let mut kept = self.run(step + 1, &keep).await?;
			let tensor = kept.remove(&accused).unwrap_or_default();
			let chunks = chunk_values(&tensor).ok_or(Error::Kept { step, tensor: accused })?;
			self.tensors = (step, kept);
			let remembered: usize = self.chunks.values().map(Vec::len).sum();
			if remembered + chunks.len() > REMEMBERED_CHUNKS {
				self.chunks.clear();
			}
			self.chunks.insert((step, node), chunks);
		}
		Ok(&self.chunks[&(step, node)])
	}

	/// Whole tensors, at least those that a proof about a step reads from `sources`: a state before
	/// the first step as the input that it is.
	pub(crate) async fn tensors(
		&mut self,
		step: u32,
		sources: &BTreeSet<Source>,
	) -> Result<&BTreeMap<Source, Vec<u8>>, Error> {
		let job = self.job.clone();
		let origins = sources.iter().map(|&source| job.origin(step, source));
		let (inputs, kept): (BTreeSet<_>, BTreeSet<_>) =
			origins.partition(|origin| matches!(origin, Source::Input(_)));
		let (at, held) = &self.tensors;
		let covered = *at == step && kept.iter().all(|source| held.contains_key(source));
		if !(covered || kept.is_empty()) {
			self.tensors = Default::default();
			let keep: Vec<_> = kept.into_iter().collect();
			let kept = self.run(step + 1, &keep).await?;
			self.tensors = (step, kept);
		}
		for source in inputs {
			let Source::Input(index) = source else { continue };
			if !self.tensors.1.contains_key(&source) {
				let bytes = self.input(index).await?;
				self.tensors.1.insert(source, bytes);
			}
		}
		Ok(&self.tensors.1)
	}

	/// Bytes of the tensors that are remembered.
	pub(crate) fn tensor_bytes(&self) -> usize {
		self.tensors.1.values().map(Vec::len).sum()
	}

	/// Forgets them.
	pub(crate) fn forget_tensors(&mut self) {
		self.tensors = Default::default();
	}

	/// The bytes of an input, which have the root of the job's record.
	async fn input(&self, index: u16) -> Result<Vec<u8>, Error> {
		let bytes = self.replay.input(index).await;
		let bytes = bytes.map_err(|source| Error::Input { index, source })?;
		let expected = self.job.input_roots.get(usize::from(index));
		if expected != Some(&tensor_root(&bytes)) {
			return Err(Error::InputRoot { index });
		}
		Ok(bytes)
	}

	async fn run(
		&mut self,
		steps: u32,
		keep: &[Source],
	) -> Result<BTreeMap<Source, Vec<u8>>, Error> {
		let replayed = self.replay.replay(steps, keep).await;
		let replayed = replayed.map_err(|source| Error::Replay { steps, source })?;
		self.remember(steps, keep, replayed)
	}

	/// Checks what a replay gave, remembers its roots and hands on its tensors.
	fn remember(
		&mut self,
		steps: u32,
		keep: &[Source],
		replayed: Replayed,
	) -> Result<BTreeMap<Source, Vec<u8>>, Error> {
		let Replayed { trace_roots, last_anchors, last_lazy, mut kept, all_anchors } = replayed;
		let unsound = |what| Error::Replayed { steps, what };
		if trace_roots.len() != steps as usize {
			return Err(unsound("there is not one trace root for each step"));
		}
		if last_anchors.len() != self.job.checked.anchors.len() {
			return Err(unsound("there is not one root for each eager anchor"));
		}
		if trace_roots.last() != Some(&trace_root(&last_anchors)) {
			return Err(unsound("the last trace root is not that of the anchor roots"));
		}
		let differs = self.traces.iter().zip(&trace_roots).position(|(a, b)| a != b);
		if let Some(step) = differs {
			return Err(Error::Unstable { step: step as u32 });
		}
		if !all_anchors.is_empty() {
			let of_steps = all_anchors.chunks(last_anchors.len().max(1));
			if !of_steps.map(trace_root).eq(trace_roots.iter().copied()) {
				return Err(unsound("the trace roots are not those of all anchors' roots"));
			}
		}
		let step = steps - 1;
		let lazy = &self.job.checked.lazy;
		let listed = keep.iter().any(|source| self.job.is_lazy(*source));
		if listed && last_lazy.len() != lazy.len() {
			return Err(unsound("there is not one root for each lazy anchor"));
		}
		if listed && self.lazy.get(&step).is_some_and(|known| *known != last_lazy) {
			return Err(Error::Unstable { step });
		}
		// Nothing that was not asked for lies around.
		kept.retain(|source, _| keep.contains(source));
		for &source in keep {
			let bytes = kept.get(&source).ok_or(unsound("a tensor is missing"))?;
			if Some(bytes.len() as u64) != self.job.kept_len(source) {
				return Err(Error::Kept { step, tensor: source });
			}
			let expected = match source {
				Source::Node(node) => {
					let anchor = self.job.checked.anchors.binary_search(&node).ok();
					let listed = || last_lazy.get(lazy.binary_search(&node).ok()?);
					anchor.and_then(|at| last_anchors.get(at)).or_else(listed).copied()
				}
				// The step before has its root: the referee looks at it before a proof is handed
				// out.
				_ => continue,
			};
			if expected != Some(tensor_root(bytes)) {
				return Err(Error::Kept { step, tensor: source });
			}
		}
		if trace_roots.len() > self.traces.len() {
			self.traces = trace_roots;
		}
		if self.anchors.len() >= REMEMBERED_STEPS {
			self.anchors.pop_first();
		}
		self.anchors.insert(step, last_anchors);
		let fits = all_anchors.len() as u64 <= REMEMBERED_ROOTS;
		if fits && all_anchors.len() > self.all_anchors.len() {
			self.all_anchors = all_anchors;
		}
		if listed {
			if self.lazy.len() >= REMEMBERED_STEPS {
				self.lazy.pop_first();
			}
			self.lazy.insert(step, last_lazy);
		}
		Ok(kept)
	}
}

/// The leaves of a tensor's tree. `None` unless the bytes are one or more whole chunks.
fn chunk_values(canonical: &[u8]) -> Option<Vec<Hash>> {
	let count = (canonical.len() / CHUNK_BYTES) as u64;
	if count == 0 {
		return None;
	}
	let chunks = (0..).zip(canonical.chunks(CHUNK_BYTES));
	chunks.map(|(index, chunk)| chunk_value(count, index, chunk)).collect()
}
