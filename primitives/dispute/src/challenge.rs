//! The challenger's side.

use crate::{answer::own_group, replay::Replays, Error, Hash, Job, Replay, Replayed};
use assay_commitments::{Below, Place, RunShape, Tree};
use assay_program::Source;
use assay_referee::{
	prove_all, Accusation, Evidence, LazyList, OpenedTree, ProofPart, ProveError, Record, Ruling,
};
use std::{collections::BTreeSet, sync::Arc};

/// What a challenger does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Move {
	/// Nothing: this machine's run root is the provider's.
	Nothing,
	/// Demand the group below a child.
	Demand {
		/// Place of the child in the group that was opened last; `None` for the lane's first
		/// demand.
		child: Option<u32>,
	},
	/// Send the parts of the fraud proof in their order, from the first that the chain does not
	/// have.
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

	/// Spares replaying all steps: what this machine's replay gave when the result was verified,
	/// the trace roots and the anchor roots of the last step. Error: [`Error::Replayed`] if they do
	/// not fit each other.
	pub fn with_run(
		mut self,
		trace_roots: Vec<Hash>,
		last_anchors: Vec<Hash>,
	) -> Result<Self, Error> {
		self.replays.recall(Replayed { trace_roots, last_anchors, ..Default::default() })?;
		Ok(self)
	}

	/// Bytes of the tensors that are remembered from the last replay.
	pub fn tensor_bytes(&self) -> usize {
		self.replays.tensor_bytes()
	}

	/// Forgets the tensors of the last replay, and keeps what is small: a further move takes
	/// another one.
	pub fn forget_tensors(&mut self) {
		self.replays.forget_tensors();
	}

	/// Hands out proofs that the referee rules right, too: for tests of the chain against
	/// challengers that are wrong or lie.
	#[doc(hidden)]
	pub fn reckless(mut self) -> Self {
		self.reckless = true;
		self
	}

	/// The next move in a lane whose groups `opened` have been answered so far, from the top, as
	/// the chain has them. Follows from these and the replay alone.
	///
	/// Errors: those of replaying; [`Error::Astray`] and [`Error::Unproven`] for a lane that this
	/// replay cannot lead on; [`Error::NotFraud`] and [`Error::Prove`] where the referee does not
	/// bear out what the replay says.
	pub async fn next_move(&mut self, opened: &[(Place, Vec<Hash>)]) -> Result<Move, Error> {
		if self.replays.run_root().await? == self.replays.job.run_root {
			return Ok(Move::Nothing);
		}
		match self.descend(opened).await? {
			None => Ok(Move::Demand { child: None }),
			Some((child, Below::Group(place))) => {
				// What the next move needs takes a replay that this one has the time for: the clock
				// of a move counts one, and the last move needs another, for the tensors of its
				// proof.
				match place {
					Place::Trace { step, .. } => self.replays.prepare(step).await?,
					Place::Lazy { step, .. } => drop(self.replays.lazy(step).await?),
					Place::Run { .. } | Place::Tensor { .. } => {}
				}
				Ok(Move::Demand { child: Some(child) })
			}
			Some((_, Below::Chunk { step, anchor, tile })) => {
				self.prove(opened, step, anchor, tile).await.map(Move::Prove)
			}
		}
	}

	/// Walks down the opened groups along the first difference: that child of the last group, and
	/// what it stands for. `None` if nothing is opened yet.
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
				Place::Run { .. } | Place::Trace { .. } | Place::Lazy { .. } => BTreeSet::new(),
			};
			let ours = own_group(&mut self.replays, *place, &along).await?;
			let differs = ours.iter().zip(theirs).position(|(ours, theirs)| ours != theirs);
			let child = match differs {
				Some(child) => child,
				// Past a list that is right, to the eager anchor that is not.
				None if place.is_stated(&*job) => theirs.len(),
				None => return Err(Error::NoDifference(*place)),
			};
			let below = place.below(child as u32, &*job).ok_or(Error::NoSuchPlace(*place))?;
			parent = theirs.get(child).copied().unwrap_or(parent);
			expected = match below {
				Below::Group(place) => Some(place),
				Below::Chunk { .. } => None,
			};
			end = Some((child as u32, below));
		}
		Ok(end)
	}

	/// The proof that a tile is wrong to which all of `opened` led.
	async fn prove<'a>(
		&mut self,
		opened: &'a [(Place, Vec<Hash>)],
		step: u32,
		anchor: u32,
		tile: u64,
	) -> Result<Vec<ProofPart>, Error> {
		let job = self.replays.job.clone();
		// A descent ends below an anchor of the job.
		let node = job.node(anchor).ok_or(Error::Record("the check is of another program"))?;
		let accusation = Accusation { step, node, tile };
		let list = stated(&job, opened);
		let record = Record {
			program: &job.program,
			checked: &job.checked,
			input_roots: &job.input_roots,
			steps: job.steps,
			run_root: job.run_root,
			list,
		};
		let failed = |source| Error::Prove { accusation, source };
		let sources = record.sources(accusation).map_err(|error| failed(error.into()))?;

		// The reveal has shown the only trace root of a run of one step.
		let traces = match job.steps {
			1 => vec![job.trace_root],
			_ => self.replays.traces().await?.to_vec(),
		};
		let groups = |of: fn(&Place) -> Option<(u32, u64)>| {
			let group = move |(place, children): &'a (Place, Vec<Hash>)| {
				of(place).map(|(level, index)| (*place, level, index, &children[..]))
			};
			opened.iter().filter_map(group)
		};
		let run = opened_tree(Tree::Run, job.run_root, traces, groups(in_run))?;
		let theirs = run.leaf(step.into()).ok_or(failed(ProveError::RunUnopened { step }))?;
		let anchors = self.replays.anchors(step).await?.to_vec();
		let listed = match list {
			Some(list) => {
				let count = job.lazy_before(list.anchor) as usize;
				let roots = self.replays.lazy(step).await?.get(..count);
				roots.ok_or(Error::Record("the check is of another program"))?.to_vec()
			}
			None => Vec::new(),
		};
		let lazy = anchor.checked_sub(job.anchors());
		let own_root = match lazy {
			None => anchors.get(anchor as usize),
			Some(at) => listed.get(at as usize),
		};
		let own_root = own_root.copied().unwrap_or_default();
		let trace = opened_tree(Tree::Trace, theirs, anchors, groups(in_trace))?;
		let list = match list {
			Some(list) => Some(opened_tree(Tree::Trace, list.root, listed, groups(in_list))?),
			None => None,
		};
		let theirs = match (lazy, &list) {
			(None, _) => trace.leaf(anchor.into()).ok_or(ProveError::TraceUnopened),
			(Some(at), Some(list)) => list.leaf(at.into()).ok_or(ProveError::ListUnopened),
			(Some(_), None) => Err(ProveError::ListUnopened),
		};
		let theirs = theirs.map_err(failed)?;
		let chunks = match job.tiles(anchor) {
			// The root of a tensor of one tile is that tile's value.
			Some(1) => vec![own_root],
			_ => self.replays.chunks(step, node, &job.operands(step, node)).await?.to_vec(),
		};
		let tensor = opened_tree(Tree::Tensor, theirs, chunks, groups(in_tensor))?;
		let reads_state = sources.iter().any(|source| matches!(source, Source::State(_)));
		let before = match step.checked_sub(1) {
			Some(before) if reads_state => Some(self.replays.anchors(before).await?.to_vec()),
			_ => None,
		};
		let tensors = self.replays.tensors(step, &sources).await?;
		let before = before.as_deref();
		let (run, trace, list, tensor) = (&run, &trace, list.as_ref(), &tensor);
		let evidence = Evidence { run, trace, list, tensor, before, tensors };
		let (parts, ruling) = prove_all(&record, &evidence, accusation).map_err(failed)?;
		if ruling == Ruling::Fraud || self.reckless {
			return Ok(parts);
		}
		Err(Error::NotFraud { accusation })
	}
}

/// What the provider has stated in a lane about the lazy anchors of a step.
fn stated(job: &Job, opened: &[(Place, Vec<Hash>)]) -> Option<LazyList> {
	opened.iter().find_map(|(place, children)| match *place {
		Place::Lazy { step, anchor, .. } => {
			Some(LazyList { step, anchor, root: place.stated_root(children, job)? })
		}
		_ => None,
	})
}

/// Level and index of a group of the run tree.
fn in_run(place: &Place) -> Option<(u32, u64)> {
	match *place {
		Place::Run { level, index } => Some((level, index)),
		_ => None,
	}
}

/// Of a trace tree: a lane opens one.
fn in_trace(place: &Place) -> Option<(u32, u64)> {
	match *place {
		Place::Trace { level, index, .. } => Some((level, index)),
		_ => None,
	}
}

/// Of a list of lazy anchors: a lane opens at most one.
fn in_list(place: &Place) -> Option<(u32, u64)> {
	match *place {
		Place::Lazy { level, index, .. } => Some((level, index)),
		_ => None,
	}
}

/// Of a tensor's tree: a lane opens at most one.
fn in_tensor(place: &Place) -> Option<(u32, u64)> {
	match *place {
		Place::Tensor { level, index, .. } => Some((level, index)),
		_ => None,
	}
}

/// One of the provider's trees: its root, this machine's leaves, and the lane's groups that are in
/// it.
fn opened_tree<'a>(
	tree: Tree,
	root: Hash,
	leaves: Vec<Hash>,
	groups: impl Iterator<Item = (Place, u32, u64, &'a [Hash])>,
) -> Result<OpenedTree, Error> {
	let empty = Error::Record("a run has steps, anchors and tiles");
	let mut known = OpenedTree::new(tree, root, leaves).ok_or(empty)?;
	for (place, level, index, children) in groups {
		if !known.add(level, index, children) {
			return Err(Error::Unproven(place));
		}
	}
	Ok(known)
}
