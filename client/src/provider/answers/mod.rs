//! Answers demands for openings of this provider's results, whoever makes them.
//!
//! An answer that is not given in time costs the whole bond, so this runs beside everything else
//! that a provider does. It keeps no record of its own: what is owed is on the chain, what the
//! answers are made from is in the record of the job, and an answer that is sent twice is refused
//! the second time.

use super::{record::Stage, store::Store};
use crate::{
	chain::{
		calls::JobId,
		disputes::{place_json, place_text, Demand},
		ss58, Hash, Link,
	},
	error::{Error, Result},
	executed::Executed,
	output::{abbreviate, Ui},
};
use assay_commitments::Place;
use serde_json::json;
use std::{
	collections::BTreeMap,
	future::Future,
	sync::{
		atomic::{AtomicUsize, Ordering},
		Arc,
	},
	time::{Duration, Instant},
};
use tokio::{sync::Mutex, task::JoinHandle};

/// First pause after an answer that failed; doubles with every further failure.
const RETRY: Duration = Duration::from_secs(2);
/// Longest pause.
const LONGEST_RETRY: Duration = Duration::from_secs(30);

/// What answering needs of the world; a fake one in tests.
pub trait Court: Clone + Send + Sync + 'static {
	/// What opens the run of one job.
	type Opener: Opener;

	/// What is owed in a job as of the best block, the most urgent first.
	fn demands(&self, job: JobId) -> impl Future<Output = Result<Vec<Demand>>> + Send;

	/// Something that opens the run that is recorded for a job.
	fn opener(
		&self,
		job: JobId,
		executed: &Executed,
	) -> impl Future<Output = Result<Self::Opener>> + Send;

	/// Sends an answer; the block that it is in. `stated` is the run root of an answer that nothing
	/// above proves, so that the provider has to stand by it as its own statement.
	fn answer(
		&self,
		job: JobId,
		demand: &Demand,
		stated: Option<&Hash>,
		children: &[Hash],
	) -> impl Future<Output = Result<u64>> + Send;
}

/// Opens groups of one run.
pub trait Opener: Send + 'static {
	/// The children of a group, where they are kept and need no replay.
	fn recorded(&mut self, place: Place) -> impl Future<Output = Option<Vec<Hash>>> + Send;

	/// The children of a group that is demanded.
	fn open(&mut self, demand: &Demand) -> impl Future<Output = Result<Vec<Hash>>> + Send;

	/// Whether nothing above proves a group: the provider states it.
	fn is_stated(&self, place: &Place) -> bool;
}

/// What opens one job. Two of a kind, so that what is kept does not wait for a replay.
struct Desk<O> {
	recorded: Mutex<Option<O>>,
	replayed: Mutex<Option<O>>,
}

impl<O> Default for Desk<O> {
	fn default() -> Self {
		Self { recorded: Mutex::default(), replayed: Mutex::default() }
	}
}

/// How an answer came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
	/// It is in this block.
	Answered(u64),
	/// It is no longer owed: somebody else was faster, or the lane is gone.
	Moot,
}

/// One answer, under way or waiting for another try.
enum Work {
	Running(JoinHandle<Result<Outcome>>),
	After(Instant),
	/// Its deadline has passed.
	Late,
}

/// An answer and how often it has failed.
struct Owed {
	failures: u32,
	work: Work,
}

/// Everything that is owed by one provider.
pub struct Answers<C: Court> {
	court: C,
	ui: Ui,
	/// First pause after a failure.
	retry: Duration,
	desks: BTreeMap<JobId, Arc<Desk<C::Opener>>>,
	owed: BTreeMap<(JobId, Hash, Place), Owed>,
	/// How many answers are owed, for whoever would begin something else.
	count: Arc<AtomicUsize>,
}

impl<C: Court> Answers<C> {
	/// Nothing yet.
	pub fn new(court: C, ui: Ui) -> Self {
		let (desks, owed, count) = Default::default();
		Self { court, ui, retry: RETRY, desks, owed, count }
	}

	/// How many answers are owed, as of the last look.
	pub fn count(&self) -> Arc<AtomicUsize> {
		self.count.clone()
	}

	/// Looks at the lanes of these jobs, at best block `head`, and starts what is due, the most
	/// urgent first. Returns at once.
	///
	/// # Errors
	/// Those of the chain; answers that fail are told to the user and tried again.
	pub async fn look(&mut self, head: u64, jobs: &[(JobId, Executed)]) -> Result<()> {
		self.forget(|job| !jobs.iter().any(|(other, _)| *other == job));
		let (mut error, mut all) = (None, Vec::new());
		for (job, executed) in jobs {
			match self.court.demands(*job).await {
				Ok(demands) => {
					self.keep_due(*job, &demands);
					all.extend(demands.into_iter().map(|demand| (*job, executed, demand)));
				}
				Err(e) => error = Some(e),
			}
		}
		// Of all results together: a replay for one of them holds up the others.
		all.sort_by_key(|(job, _, demand)| (demand.deadline, *job, demand.challenger));
		self.count.store(all.len(), Ordering::Relaxed);
		for (job, executed, demand) in all {
			self.start(head, job, executed, &demand).await;
		}
		error.map_or(Ok(()), Err)
	}

	/// Drops what belongs to jobs that are over.
	fn forget(&mut self, over: impl Fn(JobId) -> bool) {
		self.desks.retain(|job, _| !over(*job));
		self.owed.retain(|(job, ..), owed| {
			let over = over(*job);
			if let (true, Work::Running(task)) = (over, &owed.work) {
				task.abort();
			}
			!over
		});
	}

	/// Drops what a job no longer owes. What is under way ends by itself: it looks before it sends.
	fn keep_due(&mut self, job: JobId, demands: &[Demand]) {
		self.owed.retain(|(of, challenger, place), owed| {
			let due = demands.iter().any(|d| (d.challenger, d.place) == (*challenger, *place));
			let running = matches!(&owed.work, Work::Running(task) if !task.is_finished());
			*of != job || due || running
		});
	}

	/// Starts an answer that is due and not under way. Waits for nothing but tasks that have ended.
	async fn start(&mut self, head: u64, job: JobId, executed: &Executed, demand: &Demand) {
		let key = (job, demand.challenger, demand.place);
		let mut owed = match self.owed.remove(&key) {
			Some(owed) => owed,
			None => {
				self.tell_demanded(head, job.number, demand);
				Owed { failures: 0, work: Work::After(Instant::now()) }
			}
		};
		owed.work = match owed.work {
			Work::Running(task) if task.is_finished() => {
				// Where it was sent, its block may have been replaced since: the next look finds
				// out.
				let sent = matches!(task.await, Ok(Ok(_)));
				owed.failures = if sent { 0 } else { owed.failures + 1 };
				Work::After(Instant::now() + self.pause(owed.failures))
			}
			Work::After(at) if Instant::now() >= at && demand.deadline <= head => {
				let late = format!("its last block was {}", demand.deadline);
				tell_error(&self.ui, job.number, demand, &Error::new("too-late", late));
				Work::Late
			}
			Work::After(at) if Instant::now() >= at => {
				let desk = self.desks.entry(job).or_default().clone();
				let (court, executed) = (self.court.clone(), executed.clone());
				let work = answer(court, desk, self.ui, job, *demand, executed);
				Work::Running(tokio::spawn(work))
			}
			waiting => waiting,
		};
		self.owed.insert(key, owed);
	}

	fn pause(&self, failures: u32) -> Duration {
		match failures.checked_sub(1) {
			Some(further) => self.retry.saturating_mul(1 << further.min(5)).min(LONGEST_RETRY),
			None => Duration::ZERO,
		}
	}

	fn tell_demanded(&self, head: u64, job: u64, demand: &Demand) {
		let Demand { challenger, place, deadline } = demand;
		self.ui.result(
			&json!({
				"event": "demanded", "job": job, "challenger": ss58(challenger),
				"place": place_json(place), "deadline": deadline, "block": head,
			}),
			format!(
				"block {head:>6}  job {job}: {} demands {}, owed until block {deadline}",
				abbreviate(&ss58(challenger)),
				place_text(place)
			),
		);
	}
}

/// Opens and sends one answer, and says how that went.
async fn answer<C: Court>(
	court: C,
	desk: Arc<Desk<C::Opener>>,
	ui: Ui,
	id: JobId,
	demand: Demand,
	executed: Executed,
) -> Result<Outcome> {
	let start = Instant::now();
	let outcome = send(&court, &desk, id, &demand, &executed).await;
	let job = id.number;
	let Demand { challenger, place, .. } = &demand;
	let who = abbreviate(&ss58(challenger));
	let line = |event: &str| {
		json!({
			"event": event, "job": job, "challenger": ss58(challenger), "place": place_json(place),
			"seconds": start.elapsed().as_secs_f64(),
		})
	};
	match &outcome {
		Ok(Outcome::Answered(block)) => {
			let mut line = line("answered");
			line["block"] = json!(block);
			let text =
				format!("block {block:>6}  job {job}: answered {who}, {}", place_text(place));
			ui.result(&line, text);
		}
		Ok(Outcome::Moot) => {
			let text = format!("job {job}: {who} got {} from another", place_text(place));
			ui.document(&line("moot"));
			ui.note(text);
		}
		Err(error) => tell_error(&ui, job, &demand, error),
	}
	outcome
}

async fn send<C: Court>(
	court: &C,
	desk: &Desk<C::Opener>,
	job: JobId,
	demand: &Demand,
	executed: &Executed,
) -> Result<Outcome> {
	let recorded = async {
		let mut opener = desk.recorded.lock().await;
		let opener = match &mut *opener {
			Some(opener) => opener,
			none => none.insert(court.opener(job, executed).await?),
		};
		let stated = opener.is_stated(&demand.place);
		Ok::<_, Error>((opener.recorded(demand.place).await, stated))
	};
	let owed = || async {
		let demands = court.demands(job).await?;
		let same = |d: &Demand| (d.challenger, d.place) == (demand.challenger, demand.place);
		Ok::<_, Error>(demands.iter().any(same))
	};
	let (children, stated) = match recorded.await? {
		(Some(children), stated) => (children, stated),
		(None, stated) => {
			let mut opener = desk.replayed.lock().await;
			let opener = match &mut *opener {
				Some(opener) => opener,
				none => none.insert(court.opener(job, executed).await?),
			};
			let children = opener.open(demand).await?;
			// A replay takes its time.
			if !owed().await? {
				return Ok(Outcome::Moot);
			}
			(children, stated)
		}
	};
	let run_root = assay_commitments::run_root(&executed.traces);
	match court.answer(job, demand, stated.then_some(&run_root), &children).await {
		Ok(block) => Ok(Outcome::Answered(block)),
		Err(_) if !owed().await? => Ok(Outcome::Moot),
		Err(error) => Err(error),
	}
}

/// Silence costs the bond, so this is never only a note.
fn tell_error(ui: &Ui, job: u64, demand: &Demand, error: &Error) {
	let Demand { challenger, place, deadline } = demand;
	let mut line = error.to_json();
	line["event"] = "answer-failed".into();
	line["job"] = json!(job);
	line["challenger"] = ss58(challenger).into();
	line["place"] = place_json(place);
	line["deadline"] = json!(deadline);
	ui.document(&line);
	ui.note(format!(
		"job {job}: NO ANSWER YET to {} ({}), owed until block {deadline}, or the bond is lost: {error}",
		ss58(challenger),
		place_text(place)
	));
}

/// The runs of the jobs that are not over; only those can be asked for openings. Whether the number
/// still stands for the order is asked with every look.
fn runs(store: &Store) -> Result<Vec<(JobId, Executed)>> {
	let run = |record: super::record::Record| match &record.stage {
		Stage::Committed(executed)
		| Stage::Handed(executed)
		| Stage::Revealed(executed)
		| Stage::Published(executed) => Some((record.id(), executed.clone())),
		Stage::Claiming
		| Stage::Claimed
		| Stage::GivingBack { .. }
		| Stage::Executed(_)
		| Stage::Done { .. } => None,
	};
	Ok(store.active()?.into_iter().filter_map(run).collect())
}

/// Answers at every new head, for as long as it is polled.
pub async fn attend<C: Court>(mut answers: Answers<C>, store: Arc<Store>, link: Link) {
	let ui = answers.ui;
	let (mut head, mut told) = (0, String::new());
	loop {
		let look = async {
			head = link.node().next_head(head).await?.number;
			answers.look(head, &runs(&store)?).await
		};
		match look.await {
			Ok(()) => told.clear(),
			Err(error) => {
				// The other loop connects again and has told about a lost node.
				let text = error.to_string();
				if error.code != "node-lost" && told != text {
					ui.note(format!("looking for demands: {text}"));
					let mut line = error.to_json();
					line["event"] = "error".into();
					ui.document(&line);
					told = text;
				}
				tokio::time::sleep(RETRY / 2).await;
			}
		}
	}
}

#[cfg(test)]
mod tests;
