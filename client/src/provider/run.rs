//! `assay provider run`: the state machine against a live chain and a real engine.

use super::{
	machine::{Chain, Engine, Executed, Facts, Progress, Provider, Stage, Standing, CONFLICT},
	store::Store,
	Salt,
};
use crate::{
	chain::{jobs::Job, ss58, value::Read, Hash, Node},
	cli::ProviderRun,
	commands::Context,
	device::Device,
	error::{io, Error, Result},
	output::{bytes, hex, short, Ui},
	program::Loaded,
};
use assay_commitments::OutputsOpening;
use assay_exec::Tensor;
use serde_json::json;
use std::{
	collections::HashMap,
	path::{Path, PathBuf},
	sync::{Arc, Mutex, MutexGuard, PoisonError},
	time::{Duration, Instant},
};
use subxt::dynamic::Value;
use subxt_signer::sr25519::Keypair;
use tokio::task::JoinHandle;

/// First pause after a failed run; doubles with every further failure.
const RETRY: Duration = Duration::from_secs(3);
/// Longest pause before another try at a failed run or a lost node.
const LONGEST_RETRY: Duration = Duration::from_secs(60);

/// Blocks after which a job whose claim the chain refused is looked at again.
const REFUSED_BLOCKS: u64 = 20;

/// A run under way, or when the next try may begin.
enum Attempt {
	Running(JoinHandle<Result<Executed>>),
	After(Instant),
}

/// The live chain and engine.
struct Live {
	node: Node,
	key: Keypair,
	/// Least price of a claim.
	min_price: u128,
	device: Arc<Device>,
	ui: Ui,
	/// Where outputs wait until they are published, by root.
	blobs: PathBuf,
	attempts: Mutex<HashMap<u64, (u32, Attempt)>>,
}

impl Chain for Live {
	async fn facts(&self, job: u64) -> Result<Option<Facts>> {
		Ok(self.node.find_job(job).await?.map(|job| facts(&job)))
	}

	async fn claim(&self, job: u64) -> Result<()> {
		self.node.claim_job(&self.key, job, self.min_price).await
	}

	async fn commit(&self, job: u64, commitment: Hash) -> Result<()> {
		self.node.commit_result(&self.key, job, commitment).await
	}

	async fn reveal(
		&self,
		job: u64,
		run_root: Hash,
		salt: Hash,
		outputs: &OutputsOpening,
	) -> Result<()> {
		self.node.reveal_result(&self.key, job, run_root, salt, outputs).await
	}
}

/// What a provider needs of a job's record.
fn facts(job: &Job) -> Facts {
	let standing = match job.phase.as_str() {
		"Posted" => Standing::Posted,
		"Open" => Standing::Open,
		"Claimed" => Standing::Claimed,
		phase if job.is_over() => {
			Standing::Over(job.reason.clone().unwrap_or_else(|| phase.to_string()))
		}
		_ => Standing::Committed,
	};
	Facts {
		job: job.id,
		program: job.program,
		inputs: job.input_roots.clone(),
		steps: job.steps,
		// While a job is open again, the record still names the provider that stalled.
		provider: job.provider.filter(|_| !matches!(standing, Standing::Posted | Standing::Open)),
		standing,
		commitment: job.commitment,
		revealed: job.run_root.is_some(),
		reveal_open: job.phase == "Revealing",
	}
}

impl Live {
	fn attempts(&self) -> MutexGuard<'_, HashMap<u64, (u32, Attempt)>> {
		self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
	}

	fn start(&self, facts: &Facts) -> JoinHandle<Result<Executed>> {
		let (node, device, ui) = (self.node.clone(), self.device.clone(), self.ui);
		let (facts, blobs) = (facts.clone(), self.blobs.clone());
		tokio::spawn(async move { execute(&node, &device, &ui, &blobs, &facts).await })
	}
}

impl Engine for Live {
	async fn run(&self, facts: &Facts) -> Result<Option<Executed>> {
		let (failures, handle) = match self.attempts().remove(&facts.job) {
			Some((failures, Attempt::Running(handle))) => (failures, handle),
			Some((failures, Attempt::After(at))) if Instant::now() < at => {
				self.attempts().insert(facts.job, (failures, Attempt::After(at)));
				return Ok(None);
			}
			Some((failures, Attempt::After(_))) => (failures, self.start(facts)),
			None => (0, self.start(facts)),
		};
		if !handle.is_finished() {
			self.attempts().insert(facts.job, (failures, Attempt::Running(handle)));
			return Ok(None);
		}
		match handle.await.map_err(|e| Error::new("local-fault", format!("the run stopped: {e}"))) {
			Ok(Ok(executed)) => Ok(Some(executed)),
			Ok(Err(error)) | Err(error) => {
				let pause = RETRY.saturating_mul(1 << failures.min(5)).min(LONGEST_RETRY);
				let again = Attempt::After(Instant::now() + pause);
				self.attempts().insert(facts.job, (failures + 1, again));
				Err(error)
			}
		}
	}

	async fn publish(&self, executed: &Executed) -> Result<()> {
		for root in executed.outputs() {
			if self.node.blob_status(&root).await?.present {
				continue;
			}
			let path = self.blobs.join(hex::encode(root));
			let data = std::fs::read(&path).map_err(io(&path))?;
			self.node.blob_put(&data, &self.ui, "output").await?;
		}
		Ok(())
	}
}

/// Fetches, runs, keeps the outputs; what the reveal needs.
async fn execute(
	node: &Node,
	device: &Device,
	ui: &Ui,
	blobs: &Path,
	facts: &Facts,
) -> Result<Executed> {
	let loaded = Arc::new(Loaded::fetch(node, &facts.program).await?);
	let inputs = fetch_inputs(node, ui, &loaded, &facts.inputs).await?;
	let label = format!("run job {}", facts.job);
	let run = device.run(loaded.clone(), inputs, facts.steps, ui, &label).await?;
	let last_anchors = run.anchor_roots.last().cloned().ok_or_else(|| {
		Error::new("local-fault", format!("the run of job {} kept no anchor roots", facts.job))
			.fix("report this as a fault of the engine")
	})?;
	for (tensor, root) in run.outputs.iter().zip(&run.output_roots) {
		let path = blobs.join(hex::encode(root));
		let part = path.with_extension("part");
		let write = || {
			let mut file = std::fs::File::create(&part)?;
			std::io::Write::write_all(&mut file, &tensor.bytes)?;
			file.sync_all()?;
			std::fs::rename(&part, &path)
		};
		write().map_err(io(&path))?;
	}
	Ok(Executed {
		traces: run.trace_roots,
		last_anchors,
		positions: loaded.checked.output_anchors.clone(),
	})
}

/// The inputs of a job by their roots, with the lengths that the program gives.
pub async fn fetch_inputs(
	node: &Node,
	ui: &Ui,
	loaded: &Loaded,
	roots: &[Hash],
) -> Result<Vec<Tensor>> {
	let wanted = loaded.inputs();
	if wanted.len() != roots.len() {
		return Err(Error::new(
			"chain-data",
			format!("the job has {} inputs, its program {}", roots.len(), wanted.len()),
		));
	}
	let mut inputs = Vec::new();
	for (input, root) in wanted.iter().zip(roots) {
		let data = node.blob_get(root, Some(input.ty.canonical_len()), ui, &input.name).await?;
		inputs.push(Tensor::new(input.ty, data));
	}
	Ok(inputs)
}

/// Which open jobs to claim.
struct Market {
	args: ProviderRun,
	account: Hash,
	/// Jobs below this id are over.
	first: u64,
	/// Why jobs were passed over, so that it is said once.
	passed: HashMap<u64, String>,
	/// Jobs whose claim the chain refused, and until which block they are left alone.
	refused: HashMap<u64, u64>,
	programs: HashMap<Hash, Option<u64>>,
}

impl Market {
	/// Jobs of this account that the store does not know, and the first open job worth claiming.
	async fn look(
		&mut self,
		live: &Live,
		store: &Store,
		free: bool,
		head: u64,
	) -> Result<Option<u64>> {
		let jobs = live.node.jobs(self.first, 4096).await?;
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
				live.ui.note(format!("job {} of this account is not in the records", job.id));
				return Ok(Some(job.id));
			}
		}
		if !free || self.args.drain {
			return Ok(None);
		}
		let stake = free_stake(&live.node, &self.account).await?;
		self.refused.retain(|_, until| *until > head);
		let open = |j: &&Job| j.phase == "Open" && !self.refused.contains_key(&j.id);
		for job in jobs.iter().filter(open).collect::<Vec<_>>() {
			match self.refusal(live, job, stake).await? {
				None => return Ok(Some(job.id)),
				Some(why) => self.pass(live, job.id, why),
			}
		}
		Ok(None)
	}

	fn pass(&mut self, live: &Live, job: u64, why: String) {
		if self.passed.get(&job) != Some(&why) {
			live.ui.note(format!("job {job} passed over: {why}"));
			let line = json!({"event": "passed", "job": job, "why": why});
			live.ui.document(&line);
			self.passed.insert(job, why);
		}
	}

	/// Why a job is not claimed, `None` if it is.
	async fn refusal(&mut self, live: &Live, job: &Job, stake: u128) -> Result<Option<String>> {
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
		if price < live.min_price {
			// The ramp goes on; said once per job all the same.
			return Ok(Some("its price is below --min-price so far".into()));
		}
		if let Some(bond) = job.bond.filter(|bond| *bond > stake) {
			let money = |n| live.node.money(n);
			return Ok(Some(format!(
				"it needs a bond of {}, free stake is {}; `assay stake bond`",
				money(bond),
				money(stake)
			)));
		}
		let memory = match self.programs.get(&job.program) {
			Some(memory) => *memory,
			None => {
				let loaded = Loaded::fetch(&live.node, &job.program).await;
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
async fn free_stake(node: &Node, who: &Hash) -> Result<u128> {
	let Some(ledger) = node.storage("Stake", "Ledgers", vec![Value::from_bytes(who)]).await? else {
		return Ok(0);
	};
	let part = |name| ledger.field(name)?.uint();
	Ok(part("active")?.saturating_sub(part("held")?).saturating_sub(part("deferred")?))
}

/// Refuses to start where every claim would be refused.
async fn ensure_registered(node: &Node, who: &Hash) -> Result<()> {
	let keys = vec![Value::from_bytes(who)];
	let provider = match node.storage("Identity", "Identities", keys).await? {
		Some(identity) => identity.field("roles")?.field("provider")?.flag()?,
		None => false,
	};
	if provider {
		return Ok(());
	}
	Err(Error::new("not-registered", format!("{} is not registered as a provider", ss58(who)))
		.fix("`assay identity register --role provider`, and `assay stake bond AMOUNT`"))
}

/// Removes output files that no job needs any more; called when none is under way.
fn tidy(blobs: &Path) {
	for entry in std::fs::read_dir(blobs).into_iter().flatten().flatten() {
		// What cannot be removed is tried again after the next job.
		let _ = std::fs::remove_file(entry.path());
	}
}

/// The folder of one account on one chain, so that a new development chain begins anew.
fn folder(state_dir: &Path, genesis: &Hash, account: &Hash) -> PathBuf {
	let name = format!("provider-{}-{}", hex::encode(&genesis[..8]), hex::encode(&account[..8]));
	state_dir.join(name)
}

/// Runs until stopped; or, with `--once`, until one job has ended.
pub async fn run(context: &Context, args: ProviderRun) -> Result<u8> {
	let ui = context.ui;
	let key = context.key()?;
	let account = key.public_key().0;
	let node = context.node().await?;
	let genesis = node.genesis;
	ensure_registered(&node, &account).await?;
	if free_stake(&node, &account).await? == 0 {
		ui.note("no free stake: claims need a bond, `assay stake bond AMOUNT`");
	}
	let dir = folder(&context.state_dir()?, &genesis, &account);
	let blobs = dir.join("outputs");
	std::fs::create_dir_all(&blobs).map_err(io(&blobs))?;
	let store = Store::open(&dir.join("provider.redb"), &genesis, &account)?;
	let device = Arc::new(Device::open(&args.adapter)?);
	let salt = Salt::new(&key);
	let mut market = Market {
		args: args.clone(),
		account,
		first: 0,
		passed: HashMap::new(),
		refused: HashMap::new(),
		programs: HashMap::new(),
	};
	let active = store.active()?;
	ui.document(&json!({
		"event": "started",
		"account": ss58(&account),
		"device": device.name(),
		"state": dir,
		"resumed": active.iter().map(|(job, _)| job).collect::<Vec<_>>(),
	}));
	ui.line(format!("provider {} on {}", ss58(&account), device.name()));
	for (job, stage) in active {
		ui.line(format!("job {job}: continues from {}", stage.name()));
	}
	let min_price = node.units(&args.min_price)?;
	let attempts = Mutex::new(HashMap::new());
	let mut live = Live { node, key, min_price, device, ui, blobs, attempts };
	let mut head = 0;
	let mut terminate =
		tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
			.map_err(|e| Error::new("local-fault", format!("cannot listen to signals: {e}")))?;
	loop {
		let next = tokio::select! {
			_ = tokio::signal::ctrl_c() => break,
			_ = terminate.recv() => break,
			next = live.node.next_head(head) => next,
		};
		let outcome = match next {
			Ok(next) => {
				head = next.number;
				let provider = Provider {
					chain: &live,
					engine: &live,
					store: &store,
					genesis,
					account,
					salt: &salt,
				};
				round(&provider, &live, &mut market, &ui, head).await
			}
			Err(error) => Err(error),
		};
		match outcome {
			Ok(Some(reason)) if args.once => {
				return Ok(if reason == "Paid" { 0 } else { crate::commands::UNPAID })
			}
			Ok(_) => {}
			Err(error) => {
				report(&ui, None, &error);
				live.node = back(&live.node).await?;
			}
		}
		if args.drain && store.active()?.is_empty() {
			break;
		}
	}
	let left = store.active()?.len();
	ui.result(
		&json!({"event": "stopped", "left": left}),
		format!("stopped; {left} jobs under way continue at the next start"),
	);
	Ok(0)
}

/// One look at everything under way and at the market; the reason of a job that ended.
async fn round(
	provider: &Provider<'_, Live, Live>,
	live: &Live,
	market: &mut Market,
	ui: &Ui,
	head: u64,
) -> Result<Option<String>> {
	let mut ended = None;
	let active = provider.store.active()?;
	// One run at a time; jobs that wait for the chain do not count.
	let busy = active
		.iter()
		.any(|(_, s)| matches!(s, Stage::Claiming | Stage::Claimed | Stage::Executed(_)));
	let mut jobs: Vec<_> = active.into_iter().map(|(job, _)| job).collect();
	if let Some(job) = market.look(live, provider.store, !busy, head).await? {
		provider.take(job)?;
		jobs.push(job);
	}
	for job in jobs {
		loop {
			match provider.tick(job).await {
				Ok(Progress::Moved(stage)) => {
					let root = match &stage {
						Stage::Executed(e) | Stage::Revealed(e) => Some(hex(e.run_root())),
						_ => None,
					};
					ui.result(
						&json!({
							"event": "stage", "job": job, "stage": stage.name(), "block": head,
							"runRoot": root,
						}),
						format!("block {head:>6}  job {job}: {}", stage.name()),
					);
				}
				Ok(Progress::Waiting) => break,
				Ok(Progress::Over(reason)) => {
					ui.result(
						&json!({"event": "over", "job": job, "reason": reason, "block": head}),
						format!("block {head:>6}  job {job} is over: {reason}"),
					);
					if reason.contains('.') {
						market.refused.insert(job, head + REFUSED_BLOCKS);
					} else {
						ended = Some(reason);
					}
					if provider.store.active()?.is_empty() {
						tidy(&live.blobs);
					}
					break;
				}
				Err(error) => {
					report(ui, Some(job), &error);
					if !live.node.alive().await {
						return Err(error);
					}
					break;
				}
			}
		}
	}
	Ok(ended)
}

fn report(ui: &Ui, job: Option<u64>, error: &Error) {
	let mut line = error.to_json();
	line["event"] = "error".into();
	line["job"] = json!(job);
	ui.document(&line);
	match job {
		Some(job) => ui.note(format!("job {job}: {error}")),
		None => ui.note(error.to_string()),
	}
}

/// A connection that works, however long it takes; the chain must be the same.
async fn back(node: &Node) -> Result<Node> {
	let mut pause = Duration::from_millis(500);
	loop {
		if node.alive().await {
			return Ok(node.clone());
		}
		match node.again().await {
			Ok(node) => return Ok(node),
			Err(error) if error.code == "chain-reset" => return Err(error),
			Err(_) => {}
		}
		tokio::time::sleep(pause).await;
		pause = (pause * 2).min(LONGEST_RETRY / 4);
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::chain::jobs::tests::view;

	#[test]
	fn facts_should_follow_the_phase_when_the_job_moves() {
		let mut job = Job::read(&view()).unwrap();
		assert_eq!(facts(&job).standing, Standing::Over("Paid".into()));
		for (phase, standing, reveal) in [
			("Posted", Standing::Posted, false),
			("Open", Standing::Open, false),
			("Claimed", Standing::Claimed, false),
			("Committed", Standing::Committed, false),
			("Verifying", Standing::Committed, false),
			("Revealing", Standing::Committed, true),
			("Challengeable", Standing::Committed, false),
		] {
			job.phase = phase.into();
			let facts = facts(&job);
			assert_eq!((facts.standing.clone(), facts.reveal_open), (standing, reveal), "{phase}");
			let open = matches!(phase, "Posted" | "Open");
			assert_eq!(facts.provider.is_none(), open, "{phase}");
		}
	}

	#[test]
	fn folder_should_differ_when_chain_or_account_differ() {
		let dir = Path::new("/s");
		let one = folder(dir, &[1; 32], &[2; 32]);
		assert_ne!(one, folder(dir, &[2; 32], &[2; 32]));
		assert_ne!(one, folder(dir, &[1; 32], &[1; 32]));
		assert_eq!(one, folder(dir, &[1; 32], &[2; 32]));
	}
}
