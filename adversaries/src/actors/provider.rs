use super::salt;
use crate::{
	calls,
	chain::Tx,
	people::Person,
	work::{Lie, Table, Work},
};
use assay_commitments::{
	checkpoints_digest, open_outputs, open_segments, root, run_root, trace_root, Hash,
	OutputsOpening, Path, Place, Tree,
};
use assay_dispute::Answerer;
use assay_market::{Checkpoints, JobId, Phase, Turn};
use assay_runtime::{Arbitration, Jobs};

/// What is wrong with a provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ProviderMisdeed {
	/// Nothing.
	#[default]
	None,
	/// Stands by a run with a wrong byte, and answers.
	Lie(Lie),
	/// The same, and answers nothing.
	LieAndHide(Lie),
	/// Its run is right, but it answers nothing.
	Withhold,
	/// Stands by a run with a wrong byte, and answers with children of which one is another.
	WrongChildren(Lie),
	/// Stands by a run with the first lie, and has made up a lazy anchor of it by the second, which it lists
	/// when it is asked.
	MadeUpList([Lie; 2]),
	/// Its run is right, but it lists a lazy anchor with this lie.
	FalseList(Lie),
	/// Stands by a run with a wrong byte, and answers everything but demands for lists.
	LieAndHideList(Lie),
	/// Claims the job and is never heard of again.
	Stall,
	/// Commits and never opens its result.
	NeverReveal,
	/// Ran one step fewer, and commits to the shorter run.
	TooFewSteps,
	/// Left the last anchor out of the trace.
	TooFewAnchors,
	/// Has only the outputs: every other leaf of the trace is made up, so that nobody can open it.
	HollowTrace,
	/// Has only the last step: what is before it in the run is made up.
	HollowRun,
	/// Its run is right, and cut into segments; the checkpoints that it has committed to are those of a
	/// run with this lie.
	OtherCheckpoints(Lie),
	/// Its run is right, and cut into segments; at its reveal it shows the last one with another root.
	OtherSegments,
}

/// A provider of one job.
pub struct Provider {
	/// Who.
	pub who: Person,
	/// What it does wrong.
	pub misdeed: ProviderMisdeed,
	/// The run that it stands by.
	pub run: Table,
	/// What it commits to.
	pub run_root: Hash,
	/// Its salt.
	pub salt: Hash,
	opening: OutputsOpening,
	answerer: Option<Answerer<Table>>,
}

/// A hash of nothing.
fn made_up(at: u8) -> Hash {
	[at.wrapping_add(0xa0); 32]
}

/// The root and the path of leaf `index` in a tree of `count` leaves whose other nodes are made up.
fn hollow(tree: Tree, leaf: &Hash, index: u64, count: u64) -> (Hash, Path) {
	let leaves: Vec<Hash> =
		(0..count).map(|at| if at == index { *leaf } else { made_up(at as u8) }).collect();
	let path = assay_commitments::open(tree, &leaves, index).expect("the leaf is there; qed");
	(root(tree, &leaves).expect("the tree has leaves; qed"), path)
}

impl Provider {
	/// A provider of this work with this misdeed.
	pub fn new(who: Person, work: &Work, job: JobId, misdeed: ProviderMisdeed) -> Self {
		use ProviderMisdeed as Misdeed;
		let run = match &misdeed {
			Misdeed::Lie(lie) | Misdeed::LieAndHide(lie) | Misdeed::WrongChildren(lie) => {
				Table::lying(work, *lie)
			}
			Misdeed::FalseList(lie) => Table::lying(work, Lie { spreading: false, ..*lie }),
			Misdeed::LieAndHideList(lie) => Table::lying(work, *lie),
			Misdeed::MadeUpList(lies) => Table::lying_twice(work, *lies),
			_ => Table::honest(work),
		};
		let (run_root, opening) = Self::claim_of(work, &run, &misdeed);
		let salt = salt(&who.name, job);
		Self { who, misdeed, run, run_root, salt, opening, answerer: None }
	}

	/// What it commits to, and what it shows of that.
	fn claim_of(work: &Work, run: &Table, misdeed: &ProviderMisdeed) -> (Hash, OutputsOpening) {
		let outputs = &work.checked.output_anchors;
		let traces = run.traces();
		match misdeed {
			ProviderMisdeed::TooFewSteps => {
				let fewer = &traces[..traces.len() - 1];
				let last = run.roots(fewer.len() as u32 - 1);
				let opening = open_outputs(fewer, last, outputs).expect("outputs are there; qed");
				(run_root(fewer), opening)
			}
			ProviderMisdeed::TooFewAnchors => {
				// The first anchor is not an output in any of the models.
				let fewer = &run.last_roots()[1..];
				let outputs: Vec<u32> = outputs.iter().map(|at| at - 1).collect();
				let traces = [trace_root(fewer)];
				let opening =
					open_outputs(&traces, fewer, &outputs).expect("outputs are there; qed");
				(run_root(&traces), opening)
			}
			ProviderMisdeed::HollowTrace => {
				let count = work.anchors() as u64;
				let honest = run.last_roots();
				let leaves: Vec<Hash> = (0..count)
					.map(|leaf| match outputs.contains(&(leaf as u32)) {
						true => honest[leaf as usize],
						false => made_up(leaf as u8),
					})
					.collect();
				let traces = [trace_root(&leaves)];
				let opening =
					open_outputs(&traces, &leaves, outputs).expect("outputs are there; qed");
				(run_root(&traces), opening)
			}
			ProviderMisdeed::HollowRun => {
				let last = traces.len() as u64 - 1;
				let trace = traces[last as usize];
				let (root, trace_path) = hollow(Tree::Run, &trace, last, traces.len() as u64);
				(root, OutputsOpening { trace_path, ..run.opening(work) })
			}
			_ => (run.run_root(), run.opening(work)),
		}
	}

	/// What it sends now.
	///
	/// # Panics
	/// When its own records do not answer a demand about them.
	pub fn act(&mut self, work: &Work, job: JobId) -> Vec<Tx> {
		use ProviderMisdeed::{HollowRun, HollowTrace, LieAndHide, NeverReveal, Stall, Withhold};
		let Some(view) = Jobs::job_view(job) else { return vec![] };
		let mine = view.provider.as_ref() == Some(&self.who.account());
		let cut = view.assurance.segments.and_then(|segments| segments.cut(view.steps));
		let barred = view.barred.contains(&self.who.account());
		match view.phase {
			Phase::Open if !barred => return vec![calls::claim_job(&self.who, job)],
			Phase::Claimed if mine && self.misdeed != Stall => {
				let (root, salt) = (&self.run_root, &self.salt);
				let Some(cut) = cut else {
					return vec![calls::commit_result(&self.who, job, root, salt)];
				};
				let traces = match self.misdeed {
					ProviderMisdeed::OtherCheckpoints(lie) => Table::lying(work, lie).traces(),
					_ => self.run.traces(),
				};
				let ends: Vec<_> = (1..cut.count())
					.filter_map(|at| Some(traces[cut.range(at)?.start as usize - 1]))
					.collect();
				let digest = checkpoints_digest(&ends);
				let checkpoints = Checkpoints { manifest: made_up(0), digest };
				return vec![calls::commit_segmented(&self.who, job, root, salt, checkpoints)];
			}
			Phase::Revealing if mine && view.run_root.is_none() && self.misdeed != NeverReveal => {
				let segments = cut.map(|cut| {
					let mut segments =
						open_segments(&cut, &self.run.traces()).expect("a trace for every step");
					if self.misdeed == ProviderMisdeed::OtherSegments {
						segments.last = made_up(1);
					}
					segments
				});
				let (root, salt, opening) = (self.run_root, self.salt, self.opening.clone());
				return vec![calls::reveal_raw(&self.who, job, root, salt, opening, segments)];
			}
			_ => {}
		}
		match self.misdeed {
			LieAndHide(_) | Withhold | HollowTrace | HollowRun => vec![],
			_ => self.answers(work, job),
		}
	}

	fn answers(&mut self, work: &Work, job: JobId) -> Vec<Tx> {
		let mut answers = vec![];
		for lane in Arbitration::lanes(job) {
			let Turn::Answer(place) = lane.turn else { continue };
			let run = &self.run;
			let answerer = self.answerer.get_or_insert_with(|| {
				Answerer::new(run.job(work), run.clone()).expect("a sound record")
			});
			let answer = pollster::block_on(answerer.answer(place));
			let mut children = answer.expect("a provider knows its own run");
			if let Place::Lazy { step, anchor, .. } = place {
				if let ProviderMisdeed::LieAndHideList(_) = self.misdeed {
					continue;
				}
				if answerer.is_stated(&place) {
					let (root, at) = (self.run.run_root(), (step, anchor));
					let who = lane.challenger;
					answers.push(calls::list_roots(&self.who, job, who, root, at, children));
					continue;
				}
			}
			if let ProviderMisdeed::WrongChildren(_) = self.misdeed {
				children[0][0] ^= 1;
			}
			answers.push(calls::answer(&self.who, job, lane.challenger, children));
		}
		answers
	}
}
