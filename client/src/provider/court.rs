//! Answers on the live chain: from what is kept of the run, else from one replay for all that is
//! owed.

use super::answers::{Court, Opener};
use crate::{
	chain::{
		calls::JobId,
		disputes::Demand,
		urgency::{tip_of, Urgency},
		Hash, Link,
	},
	error::{Error, Result},
	executed::Executed,
	files::Files,
	kept::{displace, plan_steps, room, Kept},
	output::Ui,
	program::Loaded,
	replay::{dispute_error, job as disputed_job, Own, WorkerReplay},
	runner::Runner,
};
use assay_commitments::Place;
use assay_dispute::{Answerer, Job};
use assay_worker_host::Finished;
use std::{
	collections::BTreeSet,
	path::PathBuf,
	sync::{Arc, Mutex, PoisonError},
};
use subxt_signer::sr25519::Keypair;
use tokio::{sync::Notify, task::spawn_blocking};

/// Whether somebody has the turn; who waits, by deadline and number; the next number.
type Waiting = (bool, BTreeSet<(u64, u64)>, u64);

/// Whose turn it is to replay: the one whose answer is owed first.
#[derive(Default)]
pub(super) struct Turns {
	waiting: Mutex<Waiting>,
	changed: Notify,
}

/// The right to replay, until it is dropped.
pub(super) struct Turn<'a>(&'a Turns);

impl Turns {
	fn state(&self) -> std::sync::MutexGuard<'_, Waiting> {
		self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
	}

	/// Waits for a turn, before all whose deadline is later.
	pub(super) async fn take(&self, deadline: u64) -> Turn<'_> {
		/// Leaves the queue where the wait is given up.
		struct Ticket<'a>(&'a Turns, (u64, u64));
		impl Drop for Ticket<'_> {
			fn drop(&mut self) {
				self.0.state().1.remove(&self.1);
				self.0.changed.notify_waiters();
			}
		}
		let ticket = {
			let mut state = self.state();
			state.2 += 1;
			let ticket = (deadline, state.2);
			state.1.insert(ticket);
			Ticket(self, ticket)
		};
		loop {
			let changed = self.changed.notified();
			tokio::pin!(changed);
			changed.as_mut().enable();
			{
				let mut state = self.state();
				if !state.0 && state.1.first() == Some(&ticket.1) {
					state.0 = true;
					break;
				}
			}
			changed.await;
		}
		Turn(self)
	}
}

impl Drop for Turn<'_> {
	fn drop(&mut self) {
		self.0.state().0 = false;
		self.0.changed.notify_waiters();
	}
}

/// Which keys sign answers.
#[derive(Clone)]
pub(super) struct Keys {
	/// The provider's, which alone may state what nothing proves.
	pub(super) own: Keypair,
	/// Another account's, so that no transaction of the provider's comes before an answer.
	pub(super) answers: Option<Keypair>,
}

/// The live chain and the workers of this machine.
#[derive(Clone)]
pub(super) struct Live {
	pub(super) link: Link,
	pub(super) keys: Keys,
	pub(super) runner: Runner,
	pub(super) files: Files,
	/// Where the folders of what is kept are, and how much it may be.
	pub(super) traces: PathBuf,
	pub(super) budget: u64,
	/// Where the states of checkpoints are.
	pub(super) blobs: PathBuf,
	pub(super) turns: Arc<Turns>,
	/// Most tip; `None`: a part of the bond that is at risk.
	pub(super) max_tip: Option<u128>,
	pub(super) ui: Ui,
}

impl Court for Live {
	type Opener = Desk;

	async fn demands(&self, id: JobId) -> Result<Vec<Demand>> {
		let node = self.link.node();
		let demands = node.demands(id.number).await?;
		if demands.is_empty() {
			return Ok(demands);
		}
		// The lanes of a job that has fallen linger for a while and ask for nothing; and on another
		// fork the number may stand for another job, for whose provider nobody here can speak.
		match node.disputed_result(id.number).await? {
			Some(disputed) if disputed.order == id.order => Ok(demands),
			_ => Ok(Vec::new()),
		}
	}

	async fn opener(&self, id: JobId, executed: &Executed) -> Result<Desk> {
		let node = self.link.node();
		let disputed = node.disputed_result(id.number).await?;
		let disputed = disputed.filter(|disputed| disputed.order == id.order).ok_or_else(|| {
			let text = format!("job {} shows no result any more", id.number);
			Error::new("nothing-to-dispute", text)
		})?;
		let loaded = Arc::new(Loaded::fetch(&node, &disputed.program).await?);
		let kept = Kept::new(&self.traces, id);
		let own = Own { executed: executed.clone(), kept: kept.clone(), blobs: self.blobs.clone() };
		let replay = Arc::new(
			WorkerReplay::new(
				self.link.clone(),
				self.runner.clone(),
				self.files.clone(),
				id.number,
				loaded.clone(),
				disputed.input_roots.clone(),
				self.ui,
				format!("replay job {} for an answer", id.number),
			)
			.with_own(own),
		);
		let job = disputed_job(&disputed, &loaded);
		let answerer = Answerer::new(job.clone(), replay.clone())
			.and_then(|a| a.with_run(executed.traces.clone(), executed.last_anchors.clone()))
			.map_err(dispute_error)?;
		let (court, traces) = (self.clone(), executed.traces.clone());
		Ok(Desk { court, id, job, traces, kept, replay, answerer })
	}

	async fn answer(
		&self,
		id: JobId,
		demand: &Demand,
		stated: Option<&Hash>,
		children: &[Hash],
	) -> Result<u64> {
		let (node, challenger) = (self.link.node(), &demand.challenger);
		let bond = match self.max_tip {
			Some(_) => 0,
			None => node.find_job(id.number).await?.and_then(|job| job.bond).unwrap_or(0),
		};
		let max_tip = self.max_tip.unwrap_or_else(|| tip_of(bond));
		let urgency = Urgency::until(demand.deadline, max_tip);
		let included = match (stated, demand.place) {
			(Some(run_root), Place::Lazy { step, anchor, .. }) => {
				let (key, at) = (&self.keys.own, (step, anchor));
				node.list_roots(key, id, challenger, run_root, at, children, urgency).await?
			}
			_ => {
				let key = self.keys.answers.as_ref().unwrap_or(&self.keys.own);
				node.answer(key, id, challenger, children, urgency).await?
			}
		};
		Ok(included.block.number)
	}
}

/// Opens groups of one run.
pub(super) struct Desk {
	court: Live,
	id: JobId,
	job: Arc<Job>,
	traces: Vec<Hash>,
	kept: Kept,
	replay: Arc<WorkerReplay>,
	answerer: Answerer<Arc<WorkerReplay>>,
}

impl Desk {
	async fn kept(&self, place: Place) -> Option<Vec<Hash>> {
		let (kept, job, traces) = (self.kept.clone(), self.job.clone(), self.traces.clone());
		spawn_blocking(move || kept.open(&place, &job, &traces)).await.ok().flatten()
	}

	/// Replays the job once and keeps, of every step of which something is owed in any lane by now,
	/// all that the budget allows, and what is owed in any case: lanes choose their steps freely,
	/// and a replay for each would take longer than the chain waits.
	async fn keep_owed(&self, demand: &Demand) -> Result<()> {
		// A replay for this demand alone is better than none.
		let others = self.court.demands(self.id).await.unwrap_or_default();
		let mut places = vec![demand.place];
		for other in others {
			if !places.contains(&other.place) && self.kept(other.place).await.is_none() {
				places.push(other.place);
			}
		}
		let (traces, budget) = (self.court.traces.clone(), self.court.budget);
		let (base, bond) = (traces.clone(), self.kept.bond());
		let left = spawn_blocking(move || room(&base, budget, bond)).await.unwrap_or(0);
		let records = plan_steps(&self.job, &places, left);
		if records.is_empty() {
			return Ok(());
		}
		let each = |step, finished: &Finished| {
			let trees = records.get(&step).map_or(&[][..], |record| &record.trees);
			self.kept.store_step(step, finished, trees)
		};
		self.replay.run_once(&records, &self.kept.passing(), each).await?;
		let _ = spawn_blocking(move || displace(&traces, budget)).await;
		Ok(())
	}
}

impl Opener for Desk {
	async fn recorded(&mut self, place: Place) -> Option<Vec<Hash>> {
		match place {
			Place::Trace { step, .. } if step as usize + 1 == self.traces.len() => {
				self.answerer.answer(place).await.ok()
			}
			_ => self.kept(place).await,
		}
	}

	async fn open(&mut self, demand: &Demand) -> Result<Vec<Hash>> {
		let place = demand.place;
		// Another demand's replay may have brought it.
		if let Some(children) = self.kept(place).await {
			return Ok(children);
		}
		let turns = self.court.turns.clone();
		let _turn = turns.take(demand.deadline).await;
		if !matches!(place, Place::Run { .. }) {
			match self.keep_owed(demand).await {
				Ok(()) => {
					if let Some(children) = self.kept(place).await {
						return Ok(children);
					}
				}
				Err(error) => self.court.ui.note(error.to_string()),
			}
		}
		self.answerer.answer(place).await.map_err(dispute_error)
	}

	fn is_stated(&self, place: &Place) -> bool {
		self.answerer.is_stated(place)
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use futures::FutureExt;

	#[tokio::test]
	async fn turn_should_go_to_whom_it_is_most_urgent_for() {
		let turns = Turns::default();
		let first = turns.take(50).await;
		let mut late = Box::pin(turns.take(40));
		let mut given_up = Box::pin(turns.take(1));
		let mut soon = Box::pin(turns.take(10));
		for waiting in [&mut late, &mut given_up, &mut soon] {
			assert!(waiting.now_or_never().is_none());
		}
		drop(given_up);
		drop(first);
		assert!((&mut late).now_or_never().is_none());
		let turn = (&mut soon).now_or_never().expect("its deadline is the next");
		assert!((&mut late).now_or_never().is_none());
		drop(turn);
		assert!((&mut late).now_or_never().is_some());
	}
}
