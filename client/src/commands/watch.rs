//! `assay watch`: compares every revealed result with a run on this machine, and challenges what
//! differs.

use super::challenge::{bring_down, compare};
use crate::{
	amount::Amount,
	chain::{jobs::Job, scan::Scan, ss58, Link},
	challenge::Outcome,
	connection::back,
	context::Context,
	error::{Error, Result},
	output::Ui,
	patrol::{Criteria, Patrol, Task},
	runner::{Runner, WorkerFlags},
	stop::stop,
};
use clap::Args;
use futures::stream::{FuturesUnordered, StreamExt};
use serde_json::json;
use std::{
	cell::{Cell, RefCell},
	collections::BTreeSet,
};
use subxt_signer::sr25519::Keypair;
use tokio::sync::Semaphore;

const WATCH_HELP: &str = "Follows the chain until it is stopped and runs every job again whose result is revealed and can
still be challenged. Where a result differs, it does what `assay challenge` does, on the account's
own deposit: the deposit comes back with the prover's part of the provider's bond. One job is run at
a time, in the order in which their time runs out; disputes go on beside. Nothing is kept on disk:
stopped at any point, the same command continues from the chain's record.

Examples:
  assay watch --key //Eve --adapter cpu
  assay watch --key eve.key --max-work 1000000000000 --json
  assay watch --dry-run --jobs 7,8

Exit codes: 0 stopped by SIGTERM or ctrl-c, 1 failed, 2 wrong usage; with --once those of `assay
challenge`: 0 the result is right, 3 it is wrong and has fallen, 4 it differs and stands.";

/// `assay watch`
#[derive(Clone, Debug, Args)]
#[command(after_help = WATCH_HELP)]
pub struct Watch {
	/// Only these jobs: numbers with commas, or repeat
	#[arg(long, value_name = "JOB", value_delimiter = ',')]
	pub jobs: Vec<u64>,
	/// Only jobs of at most this many work units, over all of their steps
	#[arg(long, value_name = "UNITS")]
	pub max_work: Option<u64>,
	/// Adapter to run on: a number or name of `assay devices`, cpu or auto
	#[arg(long, env = "ASSAY_ADAPTER", default_value = "auto")]
	pub adapter: String,
	/// Where the worker is.
	#[command(flatten)]
	pub worker: WorkerFlags,
	/// Stop after the first job that was compared
	#[arg(long)]
	pub once: bool,
	/// Tip at most this much for a move of a dispute, in ASY; a tip begins at nothing and doubles
	/// with every block towards the deadline [default: a twentieth of the provider's bond, as its
	/// answers do]
	#[arg(long, value_name = "ASY")]
	pub max_tip: Option<Amount>,
	/// Only compare: send nothing, put up nothing; needs no --key
	#[arg(long)]
	pub dry_run: bool,
}

/// What has been done, for the last line.
#[derive(Default)]
struct Tally {
	/// Jobs, however often a failed challenge had them compared again.
	compared: RefCell<BTreeSet<u64>>,
	fallen: Cell<u64>,
	/// Challenges that were begun and have not ended.
	leading: Cell<u64>,
}

/// What every look at a job needs.
struct Watcher {
	link: Link,
	ui: Ui,
	key: Option<Keypair>,
	runner: Runner,
	/// Most tip for a move; `None`: a part of the bond.
	max_tip: Option<u128>,
	/// One job is run at a time.
	turn: Semaphore,
	tally: Tally,
}

/// Runs until stopped; or, with `--once`, until one job has been compared and what follows is done.
pub async fn run(context: &Context, args: Watch) -> Result<u8> {
	// Before anything that may wait.
	let stopped = stop()?;
	let ui = context.ui;
	let key = match args.dry_run {
		true => None,
		false => Some(context.key()?),
	};
	let begin = async {
		let node = context.node().await?;
		let runner = Runner::scratch(context, &args.worker, &args.adapter).await?;
		Ok::<_, Error>((node, runner))
	};
	tokio::pin!(stopped);
	let (node, runner) = tokio::select! {
		biased;
		() = &mut stopped => {
			ui.result(&json!({"event": "stopped"}), "stopped before it began");
			return Ok(0);
		}
		begun = begin => begun?,
	};
	let max_tip = args.max_tip.as_ref().map(|tip| node.units(tip)).transpose()?;
	let watcher = Watcher {
		link: Link::new(node),
		// Bars of several jobs would overwrite each other.
		ui: Ui { terminal: false, ..ui },
		key,
		runner,
		max_tip,
		turn: Semaphore::new(1),
		tally: Tally::default(),
	};
	let code = tokio::select! {
		biased;
		() = &mut stopped => 0,
		code = watcher.serve(&args) => code?,
	};
	let Tally { compared, fallen, leading } = &watcher.tally;
	let (compared, fallen, leading) = (compared.borrow().len(), fallen.get(), leading.get());
	let left = match leading {
		0 => String::new(),
		left => format!("; {left} challenges under way continue at the next start"),
	};
	ui.result(
		&json!({"event": "stopped", "compared": compared, "fallen": fallen, "left": leading}),
		format!("stopped: {compared} results compared, {fallen} of them have fallen{left}"),
	);
	Ok(code)
}

impl Watcher {
	async fn serve(&self, args: &Watch) -> Result<u8> {
		let ui = &self.ui;
		let account = self.key.as_ref().map(|key| key.public_key().0);
		let device = self.runner.adapter();
		ui.result(
			&json!({
				"event": "watching",
				"account": account.map(|account| ss58(&account)),
				"device": device,
			}),
			match &account {
				Some(account) => format!("watching as {} on {device}", ss58(account)),
				None => format!("watching on {device}; nothing is sent"),
			},
		);
		let criteria = Criteria { jobs: args.jobs.clone(), max_work: args.max_work, account };
		let mut patrol = Patrol::new(criteria);
		let mut jobs = FuturesUnordered::new();
		let mut head = 0;
		let mut look = Box::pin(self.look(head, Scan::default()));
		loop {
			tokio::select! {
				Some((job, order, outcome)) = jobs.next(), if !jobs.is_empty() => {
					match outcome {
						Ok(outcome) => {
							patrol.done(job, order);
							if args.once || patrol.finished() {
								return Ok(Outcome::code(outcome));
							}
						}
						Err(error) => {
							self.report(Some(job), &error);
							patrol.failed(job, order, head);
						}
					}
				}
				(scan, looked) = &mut look => {
					match looked {
						Ok((number, all)) => {
							head = number;
							for task in patrol.look(&all, head) {
								match task {
									Task::Compare(job, order) => jobs.push(async move {
										(job, order, self.examine(job).await)
									}),
									Task::Pass(job, why) => ui.result(
										&json!({"event": "passed", "job": job, "why": why}),
										format!("job {job}: passed over, {why}"),
									),
								}
							}
							if patrol.finished() && jobs.is_empty() {
								return Ok(0);
							}
						}
						Err(error) => {
							self.report(None, &error);
							self.link.replace(back(&self.link.node()).await?);
						}
					}
					look = Box::pin(self.look(head, scan));
				}
			}
		}
	}

	/// The jobs that are open, at a block after `head`; what the search knows comes back with them.
	async fn look(&self, head: u64, mut scan: Scan) -> (Scan, Result<(u64, Vec<Job>)>) {
		let node = self.link.node();
		let head = match node.next_head(head).await {
			Ok(head) => head.number,
			Err(error) => return (scan, Err(error)),
		};
		let jobs = scan.look(&node, head).await;
		(scan, jobs.map(|jobs| (head, jobs)))
	}

	/// Compares one job's result, and brings it down where it differs.
	async fn examine(&self, job: u64) -> Result<Outcome> {
		let turn =
			self.turn.acquire().await.map_err(|e| Error::new("local-fault", e.to_string()))?;
		let node = self.link.node();
		// It may have waited for its turn for long.
		let Some(disputed) = node.disputed_result(job).await? else {
			let outcome = Outcome::of(&node.job(job).await?);
			outcome.tell(&self.ui, job, None);
			return Ok(outcome);
		};
		let own = match &self.key {
			Some(key) => node.lane(job, &key.public_key().0).await?.is_some(),
			None => false,
		};
		if !disputed.open && !own {
			Outcome::TooLate.tell(&self.ui, job, None);
			return Ok(Outcome::TooLate);
		}
		let compared = compare(&self.link, &self.ui, &self.runner, job, &disputed).await?;
		drop(turn);
		self.ui.document(&compared.to_json());
		self.tally.compared.borrow_mut().insert(job);
		let outcome = match (compared.equal(), &self.key) {
			(true, _) => Outcome::Equal,
			(false, None) => Outcome::Differs,
			(false, Some(key)) => {
				self.ui.line(format!("job {job}: the result differs and is challenged"));
				let count = |cell: &Cell<u64>, by| cell.set(cell.get().saturating_add_signed(by));
				// Stays counted where the command is stopped meanwhile.
				count(&self.tally.leading, 1);
				let (link, key) = (self.link.clone(), key.clone());
				let outcome = bring_down(link, &self.ui, key, self.max_tip, compared).await;
				count(&self.tally.leading, -1);
				if matches!(outcome, Ok(Outcome::Proven | Outcome::Withheld)) {
					count(&self.tally.fallen, 1);
				}
				return outcome;
			}
		};
		outcome.tell(&self.ui, job, None);
		Ok(outcome)
	}

	fn report(&self, job: Option<u64>, error: &Error) {
		let mut line = error.to_json();
		line["event"] = "error".into();
		line["job"] = json!(job);
		self.ui.document(&line);
		match job {
			Some(job) => self.ui.note(format!("job {job}: {error}")),
			None => self.ui.note(error.to_string()),
		}
	}
}
