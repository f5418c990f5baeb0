//! `assay provider run`: the state machine against a live chain and a real engine.

use super::{
	answers,
	machine::{Chain, Engine, Executed, Facts, Progress, Provider, Segments, Stage, Standing},
	market::{free_stake, Market},
	store::Store,
	Salt,
};
use crate::{
	chain::{
		jobs::{Checkpoints, Job},
		ss58,
		value::Read,
		Hash, Link, Node,
	},
	cli::ProviderRun,
	commands::Context,
	device::Device,
	error::{io, Error, Result},
	output::{hex, Ui},
	private,
	program::Loaded,
	replay::Lazy,
};
use assay_commitments::{checkpoint_entry, OutputsOpening, Segmentation, SegmentsOpening};
use assay_exec::{Checkpoint, Tensor};
use serde_json::json;
use std::{
	collections::HashMap,
	future::Future,
	num::NonZeroU32,
	path::{Path, PathBuf},
	sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
	time::{Duration, Instant},
};
use subxt::dynamic::Value;
use subxt_signer::sr25519::Keypair;
use tokio::{
	signal::unix::{signal, SignalKind},
	task::JoinHandle,
};

/// First pause after a failed run; doubles with every further failure.
const RETRY: Duration = Duration::from_secs(3);
/// Longest pause before another try at a failed run or a lost node.
const LONGEST_RETRY: Duration = Duration::from_secs(60);

/// A run under way, or when the next try may begin.
enum Attempt {
	Running(JoinHandle<Result<Executed>>),
	After(Instant),
}

/// The live chain and engine.
struct Live {
	link: Link,
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
		Ok(self.link.node().find_job(job).await?.map(|job| facts(&job)))
	}

	async fn claim(&self, job: u64) -> Result<()> {
		self.link.node().claim_job(&self.key, job, self.min_price).await
	}

	async fn commit(
		&self,
		job: u64,
		commitment: Hash,
		checkpoints: Option<Checkpoints>,
	) -> Result<()> {
		self.link.node().commit_result(&self.key, job, commitment, checkpoints).await
	}

	async fn reveal(
		&self,
		job: u64,
		run_root: Hash,
		salt: Hash,
		outputs: &OutputsOpening,
		segments: Option<&SegmentsOpening>,
	) -> Result<()> {
		let node = self.link.node();
		node.reveal_result(&self.key, job, run_root, salt, outputs, segments).await
	}
}

/// What a provider needs of a job's record.
pub(super) fn facts(job: &Job) -> Facts {
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
		segment_steps: job.segment_steps,
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

	/// Hands files of a run to the node, those that it does not have.
	async fn upload(&self, roots: Vec<Hash>, label: &str) -> Result<()> {
		let node = self.link.node();
		for root in roots {
			if node.blob_status(&root).await?.present {
				continue;
			}
			let path = self.blobs.join(hex::encode(root));
			let data = std::fs::read(&path).map_err(io(&path))?;
			node.blob_put(&data, &self.ui, label).await?;
		}
		Ok(())
	}

	fn start(&self, facts: &Facts) -> JoinHandle<Result<Executed>> {
		let (node, device, ui) = (self.link.node().clone(), self.device.clone(), self.ui);
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

	async fn serve(&self, executed: &Executed) -> Result<()> {
		let blobs = executed.segments.iter().flat_map(|segments| &segments.blobs);
		self.upload(blobs.copied().collect(), "checkpoint").await
	}

	async fn publish(&self, executed: &Executed) -> Result<()> {
		self.upload(executed.outputs(), "output").await
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
	let (run, segments) = match facts.segment_steps {
		Some(length) => {
			let keep = KeepCheckpoints::new(facts.steps, length, blobs)?;
			let run = device
				.run_with_checkpoints(loaded.clone(), inputs, facts.steps, keep, ui, &label)
				.await?;
			(run.0, Some(Segments { steps: length, blobs: run.1 }))
		}
		None => (device.run(loaded.clone(), inputs, facts.steps, ui, &label).await?, None),
	};
	let last_anchors = run.anchor_roots.last().cloned().ok_or_else(|| {
		Error::new("local-fault", format!("the run of job {} kept no anchor roots", facts.job))
			.fix("report this as a fault of the engine")
	})?;
	for (tensor, root) in run.outputs.iter().zip(&run.output_roots) {
		let path = blobs.join(hex::encode(root));
		write_whole(&path, &tensor.bytes).map_err(io(&path))?;
	}
	Ok(Executed {
		traces: run.trace_roots,
		last_anchors,
		positions: loaded.checked.output_anchors.clone(),
		segments,
	})
}

/// Writes a file that is either whole on disk or not there.
fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
	let part = path.with_extension("part");
	// A result that is not revealed yet.
	let mut file = private::create(&part)?;
	std::io::Write::write_all(&mut file, bytes)?;
	file.sync_all()?;
	std::fs::rename(&part, path)
}

/// Keeps the checkpoints of a run as files that are named by their roots.
pub(crate) struct KeepCheckpoints {
	/// Steps of one segment.
	pub(crate) every: NonZeroU32,
	dir: PathBuf,
	manifest: Vec<u8>,
	states: Vec<Hash>,
}

impl KeepCheckpoints {
	/// For a run of so many steps, in a folder that is there.
	fn new(steps: u32, length: u32, dir: &Path) -> Result<Self> {
		let cut = Segmentation::new(steps, length);
		let every = cut.and_then(|cut| NonZeroU32::new(cut.length())).ok_or_else(|| {
			Error::new("chain-data", format!("{steps} steps in segments of {length}"))
				.fix("use the client of the node's version")
		})?;
		Ok(Self { every, dir: dir.to_owned(), manifest: Vec::new(), states: Vec::new() })
	}

	/// Takes one checkpoint.
	pub(crate) fn take(&mut self, checkpoint: Checkpoint<'_>, state_anchors: &[u32]) -> Result<()> {
		let entry = checkpoint_entry(checkpoint.anchor_roots, state_anchors).ok_or_else(|| {
			Error::new("local-fault", "the run's anchors do not hold its states")
				.fix("report this as a fault of the engine")
		})?;
		self.manifest.extend(entry);
		for state in &checkpoint.states {
			let root = state.root();
			// Equal states are one file.
			if !self.states.contains(&root) {
				let path = self.dir.join(hex::encode(root));
				write_whole(&path, &state.bytes).map_err(io(&path))?;
				self.states.push(root);
			}
		}
		Ok(())
	}

	/// What is to be served: the manifest first.
	pub(crate) fn finish(self) -> Result<Vec<Hash>> {
		let root = assay_commitments::tensor_root(&self.manifest);
		let path = self.dir.join(hex::encode(root));
		write_whole(&path, &self.manifest).map_err(io(&path))?;
		Ok([vec![root], self.states].concat())
	}
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
	// Before anything that may wait. Whatever is dropped half way is like a kill, which every step of the
	// state machine survives.
	let stopped = stop()?;
	let store = OnceLock::new();
	tokio::select! {
		biased;
		() = stopped => {}
		outcome = serve(context, args, &store) => {
			if let Some(code) = outcome? {
				return Ok(code);
			}
		}
	}
	let left = match store.get() {
		Some(store) => store.active()?.len(),
		None => {
			context.ui.result(&json!({"event": "stopped"}), "stopped before it began");
			return Ok(0);
		}
	};
	context.ui.result(
		&json!({"event": "stopped", "left": left}),
		format!("stopped; {left} jobs under way continue at the next start"),
	);
	Ok(0)
}

/// Ends with the first SIGTERM or SIGINT; both are listened to as soon as this returns.
pub(crate) fn stop() -> Result<impl Future<Output = ()>> {
	let listen = |kind| {
		signal(kind)
			.map_err(|e| Error::new("local-fault", format!("cannot listen to signals: {e}")))
	};
	let (mut terminate, mut interrupt) =
		(listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
	Ok(async move {
		tokio::select! {
			_ = terminate.recv() => {}
			_ = interrupt.recv() => {}
		}
	})
}

/// Everything but stopping: an exit code where `--once` gives one, `None` when nothing is left to drain.
async fn serve(
	context: &Context,
	args: ProviderRun,
	opened: &OnceLock<Arc<Store>>,
) -> Result<Option<u8>> {
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
	private::folder(&dir)?;
	private::folder(&blobs)?;
	let store = Arc::new(Store::open(&dir.join("provider.redb"), &genesis, &account)?);
	let store = opened.get_or_init(|| store).clone();
	let device = Lazy::new(&args.adapter).device().await?;
	let salt = Salt::new(&key);
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
	let mut market = Market::new(args.clone(), min_price, account, ui);
	let attempts = Mutex::new(HashMap::new());
	let link = Link::new(node);
	let court = answers::Live {
		link: link.clone(),
		key: key.clone(),
		// Its own, so that neither runs nor answers wait for each other.
		device: Arc::new(Lazy::new(&args.adapter)),
		// Bars of two engines would overwrite each other.
		ui: Ui { terminal: false, ..ui },
	};
	let answering = answers::attend(court, ui, store.clone(), link.clone());
	let mut live = Live { link, key, min_price, device, ui, blobs, attempts };
	let provider = (genesis, account, &salt);
	tokio::select! {
		outcome = work(&mut live, &store, &mut market, provider) => outcome,
		() = answering => Ok(None),
	}
}

/// Looks at every new head, until `--once` or `--drain` ends it.
async fn work(
	live: &mut Live,
	store: &Store,
	market: &mut Market,
	(genesis, account, salt): (Hash, Hash, &Salt),
) -> Result<Option<u8>> {
	let ui = live.ui;
	let mut head = 0;
	loop {
		let outcome = match live.link.node().next_head(head).await {
			Ok(next) => {
				head = next.number;
				let live = &*live;
				let provider =
					Provider { chain: live, engine: live, store, genesis, account, salt };
				round(&provider, live, market, &ui, head).await
			}
			Err(error) => Err(error),
		};
		match outcome {
			Ok(Some(reason)) if market.args.once => {
				return Ok(Some(if reason == "Paid" { 0 } else { crate::commands::UNPAID }))
			}
			Ok(_) => {}
			Err(error) => {
				report(&ui, None, &error);
				live.link.replace(back(&live.link.node()).await?);
			}
		}
		if market.args.drain && store.active()?.is_empty() {
			return Ok(None);
		}
	}
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
	if let Some(job) = market.look(&live.link.node(), provider.store, !busy, head).await? {
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
						market.refuse(job, head);
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
					if !live.link.node().alive().await {
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
pub(crate) async fn back(node: &Node) -> Result<Node> {
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
