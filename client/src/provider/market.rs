//! Which open jobs a provider claims. Before it binds itself, everything that the run needs is here
//! and checked.

use super::{
	capability::{Means, Needs, Refusal, Terms},
	flags::ProviderRun,
	live::facts,
	machine::CONFLICT,
	record::Stage,
	store::Store,
	tasks::Tasks,
};
use crate::{
	chain::{
		calls::Claim,
		jobs::{Job, Phase},
		scan::Scan,
		value::Read,
		Hash, Node,
	},
	error::{Error, Result},
	files::Files,
	memory,
	output::{short, Ui},
	program::Loaded,
};
use serde_json::json;
use std::{
	collections::{BTreeSet, HashMap},
	time::{Duration, Instant},
};
use subxt::dynamic::Value;

/// Blocks after which a job is looked at again whose claim the chain has refused, or whose inputs
/// could not be had.
const REFUSED_BLOCKS: u64 = 20;
/// How long the inputs of one job may take to come.
const FETCH: Duration = Duration::from_secs(600);
/// Jobs whose inputs are fetched at the same time.
const FETCHES: usize = 8;
/// How long inputs may be on their way while others wait for their turn: a peer that gives a byte
/// now and then must not keep this provider from all other jobs. What has come stays with the node.
const TURN: Duration = Duration::from_secs(45);

/// An order whose inputs are on their way here.
struct Preparing {
	since: Instant,
	/// Names of the files.
	inputs: Vec<String>,
	/// Bytes of disk that the job will take.
	disk: u64,
}

impl Preparing {
	fn new(job: &Job, disk: u64) -> Self {
		Self {
			since: Instant::now(),
			inputs: job.input_roots.iter().map(hex::encode).collect(),
			disk,
		}
	}
}

/// What one provider claims.
pub(super) struct Market {
	/// The user's wishes.
	pub(super) args: ProviderRun,
	pub(super) terms: Terms,
	/// Measured work units per second, and of programs whose runs were slower than that.
	rate: u64,
	slower: HashMap<Hash, u64>,
	files: Files,
	ui: Ui,
	/// Which jobs are open.
	scan: Scan,
	/// Why jobs were passed over, so that it is said once.
	passed: HashMap<Hash, Refusal>,
	/// Orders that the chain refused or whose inputs did not come, and until which block they are
	/// left alone.
	refused: HashMap<Hash, u64>,
	/// What programs take; `None` of those that are not usable.
	programs: HashMap<Hash, Option<Needs>>,
	/// The orders whose inputs are on their way here.
	preparing: HashMap<Hash, Preparing>,
	/// Some inputs may be here that no order needs any more.
	stale: bool,
	fetches: Tasks<()>,
}

impl Market {
	/// Nothing is known of the jobs yet.
	pub(super) fn new(args: ProviderRun, terms: Terms, rate: u64, files: Files, ui: Ui) -> Self {
		let (slower, passed, refused, programs) = Default::default();
		let (scan, preparing, fetches) = (Scan::default(), HashMap::new(), Tasks::default());
		Self {
			args,
			terms,
			rate,
			slower,
			files,
			ui,
			scan,
			passed,
			refused,
			programs,
			preparing,
			stale: true,
			fetches,
		}
	}

	/// The chain refused the claim of an order: it is left alone for a while.
	pub(super) fn refuse(&mut self, order: Hash, head: u64) {
		self.refused.insert(order, head + REFUSED_BLOCKS);
	}

	/// What a run of a program has shown about this machine.
	pub(super) fn learn(&mut self, program: Hash, units_per_second: u64) {
		if units_per_second < self.rate {
			self.slower.insert(program, units_per_second.max(1));
		}
	}

	/// Jobs of this account that the store does not know, and the first open job that is worth
	/// claiming and whose inputs are here. `free`: whether a job may be claimed now. `queued`: work
	/// units that are owed already; `open_work`: those of open results.
	pub(super) async fn look(
		&mut self,
		node: &Node,
		store: &Store,
		(free, queued, open_work): (bool, u64, u64),
		head: u64,
	) -> Result<Option<Job>> {
		let jobs = self.scan.look(node, head).await?;
		for job in jobs.iter().filter(|j| !j.phase.is_terminal()) {
			// Also one that was given up although its claim then went through.
			let unknown = match store.get(&job.order)?.map(|record| record.stage) {
				None => true,
				Some(Stage::Done { reason }) => reason != CONFLICT,
				Some(_) => false,
			};
			if unknown && facts(job, head).provider == Some(self.terms.account) {
				self.ui.note(format!("job {} of this account is not in the records", job.id));
				return Ok(Some(job.clone()));
			}
		}
		self.refused.retain(|_, until| *until > head);
		let open = |j: &&Job| j.phase.is(Phase::Open) && !self.refused.contains_key(&j.order);
		let open: Vec<Job> = jobs.iter().filter(open).cloned().collect();
		self.passed.retain(|order, _| jobs.iter().any(|job| job.order == *order));
		self.programs.retain(|program, _| jobs.iter().any(|job| job.program == *program));
		// Nothing is fetched for a job that is gone.
		let (fetches, stale) = (&self.fetches, &mut self.stale);
		self.preparing.retain(|order, _| {
			let wanted = open.iter().any(|job| job.order == *order);
			if !wanted {
				fetches.stop(order);
				*stale = true;
			}
			wanted
		});
		self.sweep(store)?;
		if !free || self.args.drain || open.is_empty() {
			return Ok(None);
		}
		let mut means = self.means(node, queued, open_work).await?;
		let disk = means.disk;
		for job in open {
			means.rate = self.slower.get(&job.program).copied().unwrap_or(self.rate);
			means.disk = disk.saturating_sub(spoken_for(&self.preparing, &job.order));
			match self.refusal(node, &job, &means).await? {
				Ok(needs) => {
					let needs = needs.disk(&job, means.traces);
					if self.prepared(node, &job, needs, head).await? {
						return Ok(Some(job));
					}
				}
				Err(refusal) => {
					// It may fit when others have had their turn.
					let alone = Means { disk, ..means.clone() };
					if refusal.code == "disk" && self.refusal(node, &job, &alone).await?.is_ok() {
						self.make_way(head);
					}
					self.pass(&job, refusal);
				}
			}
		}
		Ok(None)
	}

	/// What a claim of this job asks of the chain.
	pub(super) async fn claim(&self, node: &Node, job: &Job) -> Result<Claim> {
		let stake = free_stake(node, &self.terms.account).await?;
		let min_price = self.terms.least_price(job, &node.parameters().await?);
		Ok(Claim { min_price, max_bond: self.terms.most_bond(stake) })
	}

	async fn means(&self, node: &Node, queued: u64, open: u64) -> Result<Means> {
		Ok(Means {
			rate: self.rate,
			block: node.block_time().await?,
			stake: free_stake(node, &self.terms.account).await?,
			memory: memory::available(),
			disk: memory::disk(self.files.dir()),
			traces: self.args.keep_traces.saturating_mul(1 << 20),
			queued,
			open,
			parameters: node.parameters().await?,
		})
	}

	/// What a job takes, or why it is not claimed.
	async fn refusal(
		&mut self,
		node: &Node,
		job: &Job,
		means: &Means,
	) -> Result<std::result::Result<Needs, Refusal>> {
		if let Some(refusal) = self.terms.refusal(job, means, |n| node.money(n)) {
			return Ok(Err(refusal));
		}
		let needs = match self.programs.get(&job.program) {
			Some(needs) => *needs,
			None => {
				let needs = match Loaded::fetch(node, &job.program).await {
					Ok(loaded) => Some(Needs::of(&loaded)),
					Err(error) if is_of_the_program(&error) => None,
					Err(error) if error.code == "node-lost" => return Err(error),
					// The next block tries it again, and other jobs do not wait for that.
					Err(error) => {
						let text = format!("its program cannot be read: {}", error.message);
						return Ok(Err(Refusal { code: "program", text }));
					}
				};
				self.programs.insert(job.program, needs);
				needs
			}
		};
		let unusable = || {
			let text = format!("program {} is not usable here", short(job.program));
			Refusal { code: "program", text }
		};
		let needs = needs.ok_or_else(unusable);
		Ok(needs.and_then(|needs| self.terms.no_room(&needs, job, means).map_or(Ok(needs), Err)))
	}

	/// Removes inputs that no order needs: of jobs that somebody else has claimed, or that were
	/// given up.
	fn sweep(&mut self, store: &Store) -> Result<()> {
		if std::mem::take(&mut self.stale) {
			let wanted: Vec<_> = self.preparing.values().map(|order| &order.inputs[..]).collect();
			let needed = store.active()?.into_iter().flat_map(|record| record.inputs);
			let needed: Vec<String> = needed.map(hex::encode).collect();
			let kept = wanted.into_iter().chain([&needed[..]]).flatten();
			let kept: BTreeSet<&str> = kept.map(String::as_str).collect();
			// One that is on its way has an extension.
			self.files.tidy(|name| kept.contains(name.split('.').next().unwrap_or(name)));
		}
		Ok(())
	}

	/// Stops the oldest fetch if it has had its turn, so that others have theirs; whether it did.
	fn make_way(&mut self, head: u64) -> bool {
		let had = self.preparing.iter().filter(|(_, order)| order.since.elapsed() >= TURN);
		let oldest = had.min_by_key(|(_, order)| order.since).map(|(hash, _)| *hash);
		if let Some(order) = oldest {
			self.fetches.stop(&order);
			self.preparing.remove(&order);
			self.stale = true;
			self.refuse(order, head);
		}
		oldest.is_some()
	}

	/// Whether every input of a job is here, whole and with the right root. They are fetched where
	/// they are not, beside everything else.
	async fn prepared(&mut self, node: &Node, job: &Job, disk: u64, head: u64) -> Result<bool> {
		let full = !self.preparing.contains_key(&job.order) && self.preparing.len() >= FETCHES;
		if full && !self.make_way(head) {
			return Ok(false);
		}
		let (node, files, ui, wanted) = (node.clone(), self.files.clone(), self.ui, job.clone());
		let gather = || async move {
			let loaded = Loaded::fetch(&node, &wanted.program).await?;
			let ui = Ui { terminal: false, ..ui };
			let gather = files.gather(&node, &ui, &loaded, &wanted.input_roots);
			match tokio::time::timeout(FETCH, gather).await {
				Ok(gathered) => gathered.map(drop),
				Err(_) => Err(Error::new(
					"unknown-blob",
					format!("its inputs did not come within {} s", FETCH.as_secs()),
				)),
			}
		};
		self.preparing.entry(job.order).or_insert_with(|| Preparing::new(job, disk));
		match self.fetches.poll(&job.order, gather).await {
			Ok(None) => Ok(false),
			Ok(Some(())) => {
				self.preparing.remove(&job.order);
				Ok(true)
			}
			Err(error) => {
				self.preparing.remove(&job.order);
				self.stale = true;
				self.fetches.stop(&job.order);
				self.refuse(job.order, head);
				let text = format!("its inputs cannot be had: {}", error.message);
				self.pass(job, Refusal { code: "inputs", text });
				Ok(false)
			}
		}
	}

	fn pass(&mut self, job: &Job, refusal: Refusal) {
		if self.passed.get(&job.order) != Some(&refusal) {
			let Refusal { code, text } = &refusal;
			self.ui.note(format!("job {} passed over: {text}", job.id));
			let line = json!({"event": "passed", "job": job.id, "code": code, "why": text});
			self.ui.document(&line);
			self.passed.insert(job.order, refusal);
		}
	}
}

/// Bytes of disk that the jobs will take whose inputs are on their way, all but one.
fn spoken_for(preparing: &HashMap<Hash, Preparing>, but: &Hash) -> u64 {
	let others = preparing.iter().filter(|(order, _)| *order != but);
	others.map(|(_, order)| order.disk).fold(0, u64::saturating_add)
}

/// Whether a program will never be usable here, however often it is asked for.
fn is_of_the_program(error: &Error) -> bool {
	matches!(&*error.code, "bad-program" | "rejected-program" | "unknown-program")
}

/// What a claim can still put up.
pub(super) async fn free_stake(node: &Node, who: &Hash) -> Result<u128> {
	let Some(ledger) = node.storage("Stake", "Ledgers", vec![Value::from_bytes(who)]).await? else {
		return Ok(0);
	};
	let part = |name| ledger.field(name)?.uint();
	Ok(part("active")?.saturating_sub(part("held")?).saturating_sub(part("deferred")?))
}
