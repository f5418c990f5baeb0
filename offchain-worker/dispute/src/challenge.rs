//! The challenger's side.

use crate::{answer::own_group, replay::Replays, Error, Hash, Job, Replay, Replayed};
use assay_commitments::{Below, Place, RunShape, Tree};
use assay_program::Source;
use assay_referee::{
	prove_all, Accusation, Evidence, OpenedTree, ProofPart, ProveError, Record, Ruling,
};
use std::{collections::BTreeSet, sync::Arc};

/// What a challenger does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Move {
	/// Nothing: this machine's run root is the provider's.
	Nothing,
	/// Demand the group below a child.
	Demand {
		/// Place of the child in the group that was opened last; `None` for the lane's first demand.
		child: Option<u32>,
	},
	/// Send the parts of the fraud proof in their order, from the first that the chain does not have.
	Prove(Vec<ProofPart>),
}

/// Leads a lane about one job.
pub struct Challenger<R> {
	replays: Replays<R>,
	reckless: bool,
}

impl<R: Replay> Challenger<R> {
	/// For one job. Error: [`Error::Record`].
	pub fn new(job: Arc<Job>, replay: R) -> Result<Self, Error> {
		job.validate_result()?;
		Ok(Self { replays: Replays::new(job, replay)?, reckless: false })
	}

	/// Spares replaying all steps: what this machine's replay gave when the result was verified, the trace
	/// roots and the anchor roots of the last step. Error: [`Error::Replayed`] if they do not fit each other.
	pub fn with_run(
		mut self,
		trace_roots: Vec<Hash>,
		last_anchors: Vec<Hash>,
	) -> Result<Self, Error> {
		self.replays.recall(Replayed { trace_roots, last_anchors, ..Default::default() })?;
		Ok(self)
	}

	/// Hands out proofs that the referee rules right, too: for tests of the chain against challengers that
	/// are wrong or lie.
	#[doc(hidden)]
	pub fn reckless(mut self) -> Self {
		self.reckless = true;
		self
	}

	/// The next move in a lane whose groups `opened` have been answered so far, from the top, as the chain
	/// has them. Follows from these and the replay alone.
	///
	/// Errors: those of replaying; [`Error::Astray`] and [`Error::Unproven`] for a lane that this replay
	/// cannot lead on; [`Error::NotFraud`] and [`Error::Prove`] where the referee does not bear out what the
	/// replay says.
	pub async fn next_move(&mut self, opened: &[(Place, Vec<Hash>)]) -> Result<Move, Error> {
		if self.replays.run_root().await? == self.replays.job.run_root {
			return Ok(Move::Nothing);
		}
		match self.descend(opened).await? {
			None => Ok(Move::Demand { child: None }),
			Some((child, Below::Group(_))) => Ok(Move::Demand { child: Some(child) }),
			Some((_, Below::Chunk { step, anchor, tile })) => {
				self.prove(opened, step, anchor, tile).await.map(Move::Prove)
			}
		}
	}

	/// Walks down the opened groups along the first difference: that child of the last group, and what it
	/// stands for. `None` if nothing is opened yet.
	async fn descend(
		&mut self,
		opened: &[(Place, Vec<Hash>)],
	) -> Result<Option<(u32, Below)>, Error> {
		let job = self.replays.job.clone();
		let mut expected = Place::first(&*job);
		let mut parent = if job.steps == 1 { job.trace_root } else { job.run_root };
		let mut end = None;
		for (index, (place, theirs)) in opened.iter().enumerate() {
			if expected != Some(*place) {
				return Err(Error::Astray { index, found: *place, expected });
			}
			if !place.verify(&parent, theirs, &*job) {
				return Err(Error::Unproven(*place));
			}
			// The replay that gives a tensor gives what the proof will read along with it.
			let along = match *place {
				Place::Tensor { step, anchor, .. } => {
					job.node(anchor).map(|node| job.operands(step, node)).unwrap_or_default()
				}
				Place::Run { .. } | Place::Trace { .. } => BTreeSet::new(),
			};
			let ours = own_group(&mut self.replays, *place, &along).await?;
			let differs = ours.iter().zip(theirs).position(|(ours, theirs)| ours != theirs);
			let child = differs.ok_or(Error::NoDifference(*place))?;
			let below = place.below(child as u32, &*job).ok_or(Error::NoSuchPlace(*place))?;
			parent = theirs[child];
			expected = match below {
				Below::Group(place) => Some(place),
				Below::Chunk { .. } => None,
			};
			end = Some((child as u32, below));
		}
		Ok(end)
	}

	/// The proof that a tile is wrong to which all of `opened` led.
	async fn prove(
		&mut self,
		opened: &[(Place, Vec<Hash>)],
		step: u32,
		anchor: u32,
		tile: u64,
	) -> Result<Vec<ProofPart>, Error> {
		let job = self.replays.job.clone();
		// A descent ends below an anchor of the job.
		let node = job.node(anchor).ok_or(Error::Record("the check is of another program"))?;
		let accusation = Accusation { step, node, tile };
		let record = Record {
			program: &job.program,
			checked: &job.checked,
			input_roots: &job.input_roots,
			steps: job.steps,
			run_root: job.run_root,
		};
		let failed = |source| Error::Prove { accusation, source };
		let sources = record.sources(accusation).map_err(|error| failed(error.into()))?;

		// The reveal has shown the only trace root of a run of one step.
		let traces = match job.steps {
			1 => vec![job.trace_root],
			_ => self.replays.traces().await?.to_vec(),
		};
		let run = opened_tree(Tree::Run, job.run_root, traces, opened)?;
		let theirs = run.leaf(step.into()).ok_or(failed(ProveError::RunUnopened { step }))?;
		let anchors = self.replays.anchors(step).await?.to_vec();
		let own_root = anchors.get(anchor as usize).copied().unwrap_or_default();
		let trace = opened_tree(Tree::Trace, theirs, anchors, opened)?;
		let theirs = trace.leaf(anchor.into()).ok_or(failed(ProveError::TraceUnopened))?;
		let chunks = match job.tiles(anchor) {
			// The root of a tensor of one tile is that tile's value.
			Some(1) => vec![own_root],
			_ => self.replays.chunks(step, node, &job.operands(step, node)).await?.to_vec(),
		};
		let tensor = opened_tree(Tree::Tensor, theirs, chunks, opened)?;
		let reads_state = sources.iter().any(|source| matches!(source, Source::State(_)));
		let before = match step.checked_sub(1) {
			Some(before) if reads_state => Some(self.replays.anchors(before).await?.to_vec()),
			_ => None,
		};
		let tensors = self.replays.tensors(step, &sources).await?;
		let before = before.as_deref();
		let evidence = Evidence { run: &run, trace: &trace, tensor: &tensor, before, tensors };
		let (parts, ruling) = prove_all(&record, &evidence, accusation).map_err(failed)?;
		if ruling == Ruling::Fraud || self.reckless {
			return Ok(parts);
		}
		Err(Error::NotFraud { accusation })
	}
}

/// One of the provider's trees: its root, this machine's leaves, and the lane's groups that are in it.
fn opened_tree(
	tree: Tree,
	root: Hash,
	leaves: Vec<Hash>,
	opened: &[(Place, Vec<Hash>)],
) -> Result<OpenedTree, Error> {
	let empty = Error::Record("a run has steps, anchors and tiles");
	let mut known = OpenedTree::new(tree, root, leaves).ok_or(empty)?;
	for (place, children) in opened {
		let (of, level, index) = match *place {
			Place::Run { level, index } => (Tree::Run, level, index),
			Place::Trace { level, index, .. } => (Tree::Trace, level, index),
			Place::Tensor { level, index, .. } => (Tree::Tensor, level, index),
		};
		if of == tree && !known.add(level, index, children) {
			return Err(Error::Unproven(*place));
		}
	}
	Ok(known)
}
