//! Which open jobs a provider claims.

use super::{
	machine::{Stage, CONFLICT},
	run::facts,
	store::Store,
};
use crate::{
	chain::{jobs::Job, value::Read, Hash, Node},
	cli::ProviderRun,
	error::Result,
	output::{bytes, short, Ui},
	program::Loaded,
};
use serde_json::json;
use std::collections::HashMap;
use subxt::dynamic::Value;

/// Blocks after which a job whose claim the chain refused is looked at again.
const REFUSED_BLOCKS: u64 = 20;

/// What one provider claims.
pub(super) struct Market {
	/// The user's wishes.
	pub(super) args: ProviderRun,
	/// Least price of a claim.
	min_price: u128,
	account: Hash,
	ui: Ui,
	/// Jobs below this id are over.
	first: u64,
	/// Why jobs were passed over, so that it is said once.
	passed: HashMap<u64, String>,
	/// Jobs whose claim the chain refused, and until which block they are left alone.
	refused: HashMap<u64, u64>,
	programs: HashMap<Hash, Option<u64>>,
}

impl Market {
	/// Nothing is known of the jobs yet.
	pub(super) fn new(args: ProviderRun, min_price: u128, account: Hash, ui: Ui) -> Self {
		Self {
			args,
			min_price,
			account,
			ui,
			first: 0,
			passed: HashMap::new(),
			refused: HashMap::new(),
			programs: HashMap::new(),
		}
	}

	/// The chain refused the claim of a job: it is left alone for a while.
	pub(super) fn refuse(&mut self, job: u64, head: u64) {
		self.refused.insert(job, head + REFUSED_BLOCKS);
	}

	/// Jobs of this account that the store does not know, and the first open job worth claiming.
	pub(super) async fn look(
		&mut self,
		node: &Node,
		store: &Store,
		free: bool,
		head: u64,
	) -> Result<Option<u64>> {
		let jobs = node.jobs(self.first, 4096).await?;
		if let Some(alive) = jobs.iter().find(|j| !j.is_over()) {
			self.first = alive.id;
		} else if let Some(last) = jobs.last() {
			self.first = last.id + 1;
		}
		for job in jobs.iter().filter(|j| !j.is_over()) {
			// Also one that was given up although its claim then went through.
			let unknown = match store.get(job.id)? {
				None => true,
				Some(Stage::Done { reason }) => reason != CONFLICT,
				Some(_) => false,
			};
			if unknown && facts(job).provider == Some(self.account) {
				self.ui.note(format!("job {} of this account is not in the records", job.id));
				return Ok(Some(job.id));
			}
		}
		if !free || self.args.drain {
			return Ok(None);
		}
		let stake = free_stake(node, &self.account).await?;
		self.refused.retain(|_, until| *until > head);
		let open = |j: &&Job| j.phase == "Open" && !self.refused.contains_key(&j.id);
		for job in jobs.iter().filter(open).collect::<Vec<_>>() {
			match self.refusal(node, job, stake).await? {
				None => return Ok(Some(job.id)),
				Some(why) => self.pass(job.id, why),
			}
		}
		Ok(None)
	}

	fn pass(&mut self, job: u64, why: String) {
		if self.passed.get(&job) != Some(&why) {
			self.ui.note(format!("job {job} passed over: {why}"));
			let line = json!({"event": "passed", "job": job, "why": why});
			self.ui.document(&line);
			self.passed.insert(job, why);
		}
	}

	/// Why a job is not claimed, `None` if it is.
	async fn refusal(&mut self, node: &Node, job: &Job, stake: u128) -> Result<Option<String>> {
		if !self.args.jobs.is_empty() && !self.args.jobs.contains(&job.id) {
			return Ok(Some("not one of --job".into()));
		}
		if job.requester == self.account {
			return Ok(Some("this account posted it".into()));
		}
		if job.stalled == Some(self.account) {
			return Ok(Some("this account stalled on it".into()));
		}
		let price = job.current_price.unwrap_or(job.price_start);
		if price < self.min_price {
			// The ramp goes on; said once per job all the same.
			return Ok(Some("its price is below --min-price so far".into()));
		}
		if let Some(bond) = job.bond.filter(|bond| *bond > stake) {
			let money = |n| node.money(n);
			return Ok(Some(format!(
				"it needs a bond of {}, free stake is {}; `assay stake bond`",
				money(bond),
				money(stake)
			)));
		}
		let memory = match self.programs.get(&job.program) {
			Some(memory) => *memory,
			None => {
				let loaded = Loaded::fetch(node, &job.program).await;
				let memory = loaded.ok().map(|l| l.checked.peak_memory);
				self.programs.insert(job.program, memory);
				memory
			}
		};
		Ok(match memory {
			None => Some(format!("program {} is not usable here", short(job.program))),
			Some(memory) if memory > self.args.max_memory << 20 => {
				Some(format!("it needs {}, more than --max-memory", bytes(memory)))
			}
			Some(_) => None,
		})
	}
}

/// What a claim can still put up.
pub(super) async fn free_stake(node: &Node, who: &Hash) -> Result<u128> {
	let Some(ledger) = node.storage("Stake", "Ledgers", vec![Value::from_bytes(who)]).await? else {
		return Ok(0);
	};
	let part = |name| ledger.field(name)?.uint();
	Ok(part("active")?.saturating_sub(part("held")?).saturating_sub(part("deferred")?))
}
