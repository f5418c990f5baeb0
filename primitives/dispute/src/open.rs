//! A verifier's side before any dispute: chunks of its own trace.

use crate::{replay::Replays, Error, Hash, Job, Replay, Replayed};
use assay_program::Source;
use assay_referee::sample::{open_chunk, positions, Position, SampledChunk};
use std::{
	collections::{BTreeMap, BTreeSet},
	sync::Arc,
};

/// Opens chunks of the run that this machine has committed itself to: who only knows a run's root
/// cannot.
///
/// It gives nothing unless all steps, replayed, lead to that root.
pub struct Opener<R> {
	replays: Replays<R>,
}

impl<R: Replay> Opener<R> {
	/// For one job, whose `run_root` is this machine's own; its `trace_root` is not looked at.
	/// Error: [`Error::Record`].
	pub fn new(job: Arc<Job>, replay: R) -> Result<Self, Error> {
		Ok(Self { replays: Replays::new(job, replay)? })
	}

	/// Spares replaying all steps: what the replay gave that the run root is of, with any tensors
	/// that it has kept of the last step. Error: [`Error::Replayed`] or [`Error::Kept`] if the
	/// parts do not fit each other.
	pub fn with_run(mut self, run: Replayed) -> Result<Self, Error> {
		self.replays.recall(run)?;
		Ok(self)
	}

	/// The chunks that `seed` asks of each of these accounts. Takes a replay up to each different
	/// step among them whose tensors are not held, and one of all steps where none was given or
	/// made.
	///
	/// Errors: [`Error::OtherRun`] or [`Error::Unstable`] where this machine does not compute again
	/// what it has committed itself to; and those of replaying.
	pub async fn sample(
		&mut self,
		seed: &Hash,
		accounts: &[[u8; 32]],
	) -> Result<Vec<Vec<SampledChunk>>, Error> {
		let job = self.replays.job.clone();
		let asked = accounts.iter().map(|account| positions(seed, account, &*job));
		let asked: Option<Vec<_>> = asked.collect();
		let asked = asked.ok_or(Error::Record("a run has steps, anchors and tiles"))?;
		let mut by_step: BTreeMap<u32, Vec<(usize, usize, Position)>> = BTreeMap::new();
		for (account, positions) in asked.iter().enumerate() {
			for (at, position) in positions.iter().enumerate() {
				by_step.entry(position.step).or_default().push((account, at, *position));
			}
		}
		// The last step's replay is one of all steps, so it comes first.
		if !by_step.contains_key(&(job.steps - 1)) {
			self.replays.traces().await?;
		}
		let mut chunks = BTreeMap::new();
		for (&step, wanted) in by_step.iter().rev() {
			let node = |position: &Position| job.node(position.anchor).map(Source::Node);
			let sources: BTreeSet<_> =
				wanted.iter().filter_map(|(_, _, position)| node(position)).collect();
			self.replays.tensors(step, &sources).await?;
			let ours = self.replays.run_root().await?;
			if ours != job.run_root {
				return Err(Error::OtherRun { ours, theirs: job.run_root });
			}
			let traces = self.replays.traces().await?.to_vec();
			let anchors = self.replays.anchors(step).await?.to_vec();
			let tensors = self.replays.tensors(step, &sources).await?;
			for (account, at, position) in wanted {
				let tensor = node(position).and_then(|node| tensors.get(&node));
				let chunk =
					tensor.and_then(|tensor| open_chunk(position, &traces, &anchors, tensor));
				// Positions are of the job's shape, and what a replay gives is too.
				let chunk = chunk.ok_or(Error::Record("the check is of another program"))?;
				chunks.insert((*account, *at), chunk);
			}
		}
		let mut opened = vec![Vec::new(); accounts.len()];
		for ((account, _), chunk) in chunks {
			opened[account].push(chunk);
		}
		Ok(opened)
	}
}
