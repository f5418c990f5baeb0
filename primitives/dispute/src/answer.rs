//! The provider's side.

use crate::{replay::Replays, Error, Hash, Job, Replay, Replayed};
use assay_commitments::{open_group, run_root, Place, RunShape, Tree};
use assay_program::Source;
use std::{collections::BTreeSet, sync::Arc};

/// Answers demands for the openings of one job's run.
///
/// It gives nothing that it has not computed itself, and nothing at all unless its own run root is
/// the one in dispute, so an answer of it always has the hash that the chain asks for.
pub struct Answerer<R> {
	replays: Replays<R>,
}

impl<R: Replay> Answerer<R> {
	/// For one job. Error: [`Error::Record`].
	pub fn new(job: Arc<Job>, replay: R) -> Result<Self, Error> {
		job.validate_result()?;
		Ok(Self { replays: Replays::new(job, replay)? })
	}

	/// Spares replaying all steps: `trace_roots` and the anchor roots of the last step, kept from
	/// the run that the result came from. Errors: [`Error::Replayed`] if they do not fit each
	/// other, [`Error::OtherRun`] if they are of another run.
	pub fn with_run(
		mut self,
		trace_roots: Vec<Hash>,
		last_anchors: Vec<Hash>,
	) -> Result<Self, Error> {
		let (ours, theirs) = (run_root(&trace_roots), self.replays.job.run_root);
		if ours != theirs {
			return Err(Error::OtherRun { ours, theirs });
		}
		self.replays.recall(Replayed { trace_roots, last_anchors, ..Default::default() })?;
		Ok(self)
	}

	/// Whether the group at `place` is [stated](Place::is_stated): the provider's own word, which
	/// the chain takes from the provider alone.
	pub fn is_stated(&self, place: &Place) -> bool {
		place.is_stated(&*self.replays.job)
	}

	/// The children of the group at `place`, which verify against the hash that is committed to.
	///
	/// A group that is [stated](Place::is_stated) has no such hash: what is handed out there is the
	/// provider's own word, to be given by nobody else, and true wherever this machine computes as
	/// the definition does.
	///
	/// Errors: [`Error::NoSuchPlace`], [`Error::OtherRun`], and those of replaying.
	pub async fn answer(&mut self, place: Place) -> Result<Vec<Hash>, Error> {
		let job = self.replays.job.clone();
		if place.group_len(&*job).is_none() {
			return Err(Error::NoSuchPlace(place));
		}
		let ours = self.replays.run_root().await?;
		if ours != job.run_root {
			return Err(Error::OtherRun { ours, theirs: job.run_root });
		}
		own_group(&mut self.replays, place, &BTreeSet::new()).await
	}
}

/// The children of the group at `place` in this machine's own run. `along`: see
/// [`Replays::chunks`].
pub(crate) async fn own_group<R: Replay>(
	replays: &mut Replays<R>,
	place: Place,
	along: &BTreeSet<Source>,
) -> Result<Vec<Hash>, Error> {
	let job = replays.job.clone();
	let missing = Error::NoSuchPlace(place);
	if place.group_len(&*job).is_none() {
		return Err(missing);
	}
	let children = match place {
		Place::Run { level, index } => open_group(Tree::Run, replays.traces().await?, level, index),
		Place::Trace { step, level, index } => {
			open_group(Tree::Trace, replays.anchors(step).await?, level, index)
		}
		Place::Lazy { step, anchor, level, index } => {
			let listed = job.lazy_before(anchor) as usize;
			let roots = replays.lazy(step).await?.get(..listed);
			roots.and_then(|roots| open_group(Tree::Trace, roots, level, index))
		}
		Place::Tensor { step, anchor, level, index } => match job.node(anchor) {
			Some(node) if job.tiles(anchor).is_some() => {
				open_group(Tree::Tensor, replays.chunks(step, node, along).await?, level, index)
			}
			_ => None,
		},
	};
	children.ok_or(missing)
}
