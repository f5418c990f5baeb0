//! The provider's state machine against the live chain and real workers.

use super::{
	machine::{Chain, Engine, Facts, JobState, GIVE_BACK_BLOCKS},
	tasks::Tasks,
};
use crate::{
	chain::{
		calls::{Checkpoints, Claim, JobId},
		jobs::{Job, Named, Phase},
		urgency::{tip_of, Urgency},
		Hash, Link,
	},
	error::{io, Error, Result},
	executed::{Executed, Segments},
	files::Files,
	kept::{displace, plan, room, Kept},
	output::Ui,
	program::Loaded,
	runner::{failed, Pace, Runner, Watch, Work},
};
use assay_commitments::{OutputsOpening, SegmentsOpening};
use serde_json::json;
use std::{
	collections::HashMap,
	future::Future,
	path::PathBuf,
	sync::{Mutex, MutexGuard, PoisonError},
	time::Duration,
};
use subxt_signer::sr25519::Keypair;
use tokio::task::spawn_blocking;

/// How long a run is watched before its speed is believed.
const GLIMPSE: Duration = Duration::from_secs(10);
/// Thousandths of a run from which one look is enough to find it too slow; before, a few nodes may
/// be all of it.
const SAMPLE: u32 = 50;
/// How many looks in a row have to find so before that, with something done between them.
const LOOKS: u32 = 3;
/// Thousandths below which a run has just begun.
const EARLY: u32 = 100;

/// What a provider needs of a job's record at best block `head`.
pub(super) fn facts(job: &Job, head: u64) -> Facts {
	let state = match job.phase {
		Named::Known(Phase::Posted) => JobState::Posted,
		Named::Known(Phase::Open) => JobState::Open,
		Named::Known(Phase::Claimed) => JobState::Claimed,
		ref phase if phase.is_terminal() => {
			JobState::Over(job.reason.as_ref().map_or_else(|| phase.to_string(), Named::to_string))
		}
		_ => JobState::Committed,
	};
	Facts {
		id: JobId { number: job.id, order: job.order },
		program: job.program,
		inputs: job.input_roots.clone(),
		steps: job.steps,
		segment_steps: job.assurance.segments.map(|segments| segments.steps),
		work_units: job.work_units,
		// While a job is open again, the record still names the provider that stalled.
		provider: (job.provider.as_ref())
			.filter(|_| !matches!(state, JobState::Posted | JobState::Open))
			.map(|provider| provider.0),
		state,
		commitment: job.commitment,
		revealed: job.run_root.is_some(),
		reveal_open: job.phase.is(Phase::Revealing),
		reveal_final: false,
		head,
		deadline: job.deadline,
		price: job.price.unwrap_or(job.price_max),
		bond: job.bond.unwrap_or(0),
	}
}

/// Whether a run looks as if it will end too late, where `left` is there. Its speed so far is
/// trusted less than the clock: half as long again is still hoped for, and of a run that has just
/// begun half as long again as the whole clock.
fn is_too_slow(pace: &Pace, left: Duration) -> bool {
	if pace.took < GLIMPSE || pace.made == 0 {
		return false;
	}
	let rest = pace.took.saturating_mul(1000 - pace.done.min(1000)) / pace.made;
	let time = match pace.done {
		..EARLY => left.saturating_add(pace.age),
		_ => left,
	};
	rest > time.saturating_mul(3) / 2
}

/// The live chain and workers.
pub(super) struct Live {
	pub(super) link: Link,
	pub(super) key: Keypair,
	/// What a claim asks for, by order.
	pub(super) claims: Mutex<HashMap<Hash, Claim>>,
	/// Most tip; `None`: a part of what is at risk.
	pub(super) max_tip: Option<u128>,
	pub(super) runner: Runner,
	pub(super) files: Files,
	/// Where outputs and checkpoints wait until they are handed over, by root.
	pub(super) blobs: Files,
	/// Where the folders of what is kept for answers are, and how much it may be.
	pub(super) traces: PathBuf,
	pub(super) budget: u64,
	pub(super) block: Duration,
	pub(super) ui: Ui,
	pub(super) runs: Tasks<Executed>,
	pub(super) uploads: Tasks<()>,
	/// Of runs under way.
	pub(super) watches: Mutex<HashMap<Hash, Watch>>,
}

impl Live {
	fn watches(&self) -> MutexGuard<'_, HashMap<Hash, Watch>> {
		self.watches.lock().unwrap_or_else(PoisonError::into_inner)
	}

	/// How long the run of an order took, if it was run by this process and has ended.
	pub(super) fn took(&self, order: &Hash) -> Option<Duration> {
		self.watches().get(order).and_then(Watch::took)
	}

	fn urgency(&self, facts: &Facts) -> Urgency {
		let max_tip = self.max_tip.unwrap_or_else(|| tip_of(facts.bond));
		Urgency::until(facts.deadline.unwrap_or(facts.head), max_tip)
	}

	/// Whether the node has all of these blobs.
	async fn has_all(&self, roots: &[Hash]) -> Result<bool> {
		let node = self.link.node();
		for root in roots {
			if !node.blob_status(root).await?.present {
				return Ok(false);
			}
		}
		Ok(true)
	}

	/// Hands files of a run to the node, those that it does not have, beside everything else;
	/// whether it has them all.
	async fn upload(&self, id: JobId, kind: &'static str, roots: Vec<Hash>) -> Result<bool> {
		let task = key(&id.order, kind);
		if !self.uploads.is_running(&task) && self.has_all(&roots).await? {
			self.uploads.stop(&task);
			return Ok(true);
		}
		let node = self.link.node();
		let (blobs, ui) = (self.blobs.clone(), Ui { terminal: false, ..self.ui });
		let files = roots.clone();
		let upload = || async move {
			for root in files {
				node.blob_put_file(&root, &blobs.path(&root), &ui, kind).await?;
			}
			Ok(())
		};
		match self.uploads.poll(&task, upload).await? {
			// What the node has said is asked once more before it is believed.
			Some(()) => self.has_all(&roots).await,
			None => Ok(false),
		}
	}

	fn execute(&self, facts: &Facts) -> impl Future<Output = Result<Executed>> + Send + 'static {
		let watch = Watch::default();
		self.watches().insert(facts.id.order, watch.clone());
		let (node, runner, ui) = (self.link.node(), self.runner.clone(), self.ui);
		let (files, blobs, facts) = (self.files.clone(), self.blobs.clone(), facts.clone());
		let (traces, budget) = (self.traces.clone(), self.budget);
		async move {
			let loaded = Loaded::fetch(&node, &facts.program).await?;
			let inputs = files.gather(&node, &ui, &loaded, &facts.inputs).await?;
			let bond = node.find_job(facts.id.number).await?.and_then(|job| job.bond).unwrap_or(0);
			let left = spawn_blocking({
				let traces = traces.clone();
				move || room(&traces, budget, bond)
			});
			let left = left.await.unwrap_or(0);
			let plan = plan(&loaded, facts.steps, facts.segment_steps, left);
			if facts.segment_steps.is_some() && plan.cut.is_none() {
				return Err(Error::new("chain-data", "the job cannot be cut into its segments")
					.fix("use the client of the node's version"));
			}
			let record = plan.record.clone();
			let whole = Work::whole(facts.id.number, &loaded, inputs, facts.steps);
			let label = format!("run job {}", facts.id.number);
			let finished = runner.run(Work { record, ..whole }, &watch, &ui, &label).await?;
			let take = move || {
				let done = finished.done();
				let positions = loaded.checked.output_anchors.clone();
				let mut executed = Executed {
					traces: done.trace_roots.clone(),
					last_anchors: done.last_anchors.clone(),
					positions,
					segments: None,
				};
				// What the worker calls outputs has to be what its trace says.
				for (root, (_, ty)) in executed.outputs().iter().zip(loaded.outputs()) {
					let to = blobs.path(root);
					finished.take(root, ty.canonical_len(), &to).map_err(|fault| failed(&fault))?;
				}
				let kept = Kept::new(&traces, facts.id);
				let served = facts.segment_steps.map(|_| blobs.dir());
				let stored = kept
					.note_bond(bond)
					.and_then(|()| kept.store(&loaded, &finished, &plan, served));
				displace(&traces, budget);
				match (facts.segment_steps, stored) {
					(Some(steps), stored) => {
						executed.segments = Some(Segments { steps, blobs: stored? });
					}
					// Without it an answer takes longer; it is no reason to lose the run.
					(None, Err(error)) => ui.note(format!("nothing is kept for answers: {error}")),
					(None, Ok(_)) => {}
				}
				Ok(executed)
			};
			let taken = spawn_blocking(take).await;
			taken.map_err(|e| Error::new("local-fault", format!("it stopped: {e}")))?
		}
	}
}

/// What an upload is for.
fn key(order: &Hash, kind: &str) -> Hash {
	*blake3::hash(&[order.as_slice(), kind.as_bytes()].concat()).as_bytes()
}

impl Chain for Live {
	async fn facts(&self, job: u64) -> Result<Option<Facts>> {
		let node = self.link.node();
		let head = node.head().await?.number;
		let Some(found) = node.find_job(job).await? else { return Ok(None) };
		let mut facts = facts(&found, head);
		if facts.reveal_open && !facts.revealed {
			let last = node.final_job(job).await?;
			facts.reveal_final = last.is_some_and(|last| {
				last.order == found.order
					&& last.phase == found.phase
					&& last.provider == found.provider
					&& last.commitment == found.commitment
			});
		}
		Ok(Some(facts))
	}

	async fn claim(&self, facts: &Facts) -> Result<()> {
		let claim = {
			let claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
			claims.get(&facts.id.order).copied()
		};
		// Of an earlier life: it was looked at by other means than there are now.
		let claim = claim
			.ok_or_else(|| Error::new("provider.LookAgain", "its terms are not known any more"))?;
		self.link.node().claim_job(&self.key, facts.id, claim).await
	}

	async fn give_back(&self, facts: &Facts) -> Result<()> {
		self.link.node().give_back(&self.key, facts.id, self.urgency(facts)).await
	}

	async fn commit(
		&self,
		facts: &Facts,
		commitment: Hash,
		checkpoints: Option<Checkpoints>,
	) -> Result<()> {
		let (node, urgency) = (self.link.node(), self.urgency(facts));
		node.commit_result(&self.key, facts.id, commitment, checkpoints, urgency).await
	}

	async fn reveal(
		&self,
		facts: &Facts,
		run_root: Hash,
		salt: Hash,
		outputs: &OutputsOpening,
		segments: Option<&SegmentsOpening>,
	) -> Result<()> {
		let (node, urgency) = (self.link.node(), self.urgency(facts));
		node.reveal_result(&self.key, facts.id, run_root, salt, outputs, segments, urgency).await
	}
}

impl Engine for Live {
	async fn run(&self, facts: &Facts) -> Result<Option<Executed>> {
		self.runs.poll(&facts.id.order, || self.execute(facts)).await
	}

	fn hopeless(&self, facts: &Facts) -> Option<String> {
		let blocks = facts.left();
		if blocks <= GIVE_BACK_BLOCKS {
			return Some(format!("{blocks} blocks are left and the run is not done"));
		}
		let left = self.block.saturating_mul(u32::try_from(blocks).unwrap_or(u32::MAX));
		let watch = self.watches().get(&facts.id.order)?.clone();
		let pace = watch.pace().filter(|_| self.runs.is_running(&facts.id.order))?;
		let doubts = watch.doubt(is_too_slow(&pace, left), pace.done);
		let Pace { done, made, took, .. } = pace;
		(doubts >= LOOKS || (doubts > 0 && done >= SAMPLE)).then(|| {
			format!(
				"{}.{} % of the run took {} s, {}.{} % of it are done and {} s are left",
				made / 10,
				made % 10,
				took.as_secs(),
				done / 10,
				done % 10,
				left.as_secs()
			)
		})
	}

	async fn serve(&self, id: JobId, executed: &Executed) -> Result<bool> {
		match &executed.segments {
			Some(segments) => self.upload(id, "checkpoint", segments.blobs.clone()).await,
			None => Ok(true),
		}
	}

	async fn publish(&self, id: JobId, executed: &Executed) -> Result<bool> {
		self.upload(id, "output", executed.outputs()).await
	}

	async fn restore(&self, facts: &Facts) -> Result<()> {
		for kind in ["checkpoint", "output"] {
			self.uploads.stop(&key(&facts.id.order, kind));
		}
		self.runs.poll(&facts.id.order, || self.execute(facts)).await.map(drop)
	}

	fn warn(&self, id: JobId, error: &Error) {
		let mut line = error.to_json();
		line["event"] = "warning".into();
		line["job"] = json!(id.number);
		self.ui.document(&line);
		let text = "WITHOUT WHAT IS HANDED OVER THE JOB MAY END UNPAID";
		self.ui.note(format!("job {}: {text}: {error}", id.number));
	}

	fn stop(&self, order: &Hash) {
		self.runs.stop(order);
		self.watches().remove(order);
		for kind in ["checkpoint", "output"] {
			self.uploads.stop(&key(order, kind));
		}
	}
}

/// Removes what no open order needs any more.
pub(super) fn tidy(live: &Live, open: &[super::record::Record]) -> Result<()> {
	let mut blobs = std::collections::BTreeSet::new();
	for record in open {
		blobs.extend(record.inputs.iter().map(hex::encode));
		if let Some(executed) = record.executed() {
			blobs.extend(executed.outputs().iter().map(hex::encode));
			let served = executed.segments.iter().flat_map(|segments| &segments.blobs);
			blobs.extend(served.map(hex::encode));
		}
	}
	// A run that is about to end has written what no record names yet, and a download is not whole.
	let kept = |name: &str| blobs.contains(name) || name.ends_with(".part");
	if !open.iter().any(|record| record.stage.is_running()) {
		live.blobs.tidy(kept);
		live.files.tidy(kept);
	}
	let orders: Vec<String> = open.iter().map(|record| hex::encode(record.order)).collect();
	let entries = std::fs::read_dir(&live.traces).map_err(io(&live.traces))?;
	for entry in entries.flatten() {
		if !entry.file_name().to_str().is_some_and(|name| orders.iter().any(|o| o == name)) {
			let _ = std::fs::remove_dir_all(entry.path());
		}
	}
	Ok(())
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::chain::jobs::tests::job;

	#[test]
	fn facts_should_follow_the_phase_when_the_job_moves() {
		let mut job = job();
		assert_eq!(facts(&job, 9).state, JobState::Over("Paid".into()));
		for (phase, state, reveal) in [
			(Phase::Posted, JobState::Posted, false),
			(Phase::Open, JobState::Open, false),
			(Phase::Claimed, JobState::Claimed, false),
			(Phase::Committed, JobState::Committed, false),
			(Phase::Verifying, JobState::Committed, false),
			(Phase::Revealing, JobState::Committed, true),
			(Phase::Challengeable, JobState::Committed, false),
		] {
			job.phase = phase.into();
			let facts = facts(&job, 9);
			assert_eq!((facts.state.clone(), facts.reveal_open), (state, reveal), "{phase:?}");
			let open = matches!(phase, Phase::Posted | Phase::Open);
			assert_eq!(facts.provider.is_none(), open, "{phase:?}");
		}
		job.deadline = Some(12);
		assert_eq!((facts(&job, 9).left(), facts(&job, 20).left()), (3, 0));
	}

	#[test]
	fn run_should_be_given_up_only_when_it_is_clearly_too_slow() {
		let seconds = Duration::from_secs;
		let is_too_slow = |done, made, took, left| {
			let pace = Pace { done, made, took: seconds(took), age: seconds(took + 40) };
			super::is_too_slow(&pace, seconds(left))
		};
		// A tenth took 20 s, so that 180 s are to come.
		assert!(!is_too_slow(100, 100, 20, 180));
		assert!(!is_too_slow(100, 100, 20, 121));
		assert!(is_too_slow(100, 100, 20, 119));
		// Half of it was done when it was first told of.
		assert!(!is_too_slow(200, 100, 20, 107) && is_too_slow(200, 100, 20, 106));
		// It has just begun: the whole clock is what it is held against.
		assert!(!is_too_slow(90, 90, 20, 75) && is_too_slow(90, 90, 20, 74));
		// Too early to tell.
		assert!(!is_too_slow(1, 1, 5, 1) && !is_too_slow(1000, 1000, 500, 1));
		// A heavy first node: all of the run hangs on what one report has told.
		assert!(!is_too_slow(900, 0, 600, 1));
	}
}
