//! `assay provider run`: everything that a provider does, from block to block.

use super::{
	answers::{self, Answers},
	capability::Terms,
	court::{self, Keys},
	flags::ProviderRun,
	live::{tidy, Live},
	machine::{Progress, Provider},
	market::{free_stake, Market},
	record::Stage,
	salt::Salt,
	store::Store,
};
use crate::{
	chain::{calls::JobId, ss58, value::Read, Hash, Link, Node},
	connection::back,
	context::{Context, UNPAID},
	device::Device,
	error::{io, Error, Result},
	files::Files,
	output::{hex, Ui},
	private,
	runner::Runner,
	stop::stop,
};
use assay_worker_host::create_private;
use futures::stream::{FuturesUnordered, StreamExt};
use serde_json::json;
use std::{
	collections::BTreeSet,
	path::{Path, PathBuf},
	sync::{
		atomic::{AtomicUsize, Ordering},
		Arc, OnceLock, PoisonError,
	},
	time::Duration,
};
use subxt::dynamic::Value;

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

/// The folder of one account on one chain, so that a new development chain begins anew.
fn folder(state_dir: &Path, genesis: &Hash, account: &Hash) -> PathBuf {
	let name = format!("provider-{}-{}", hex::encode(&genesis[..8]), hex::encode(&account[..8]));
	state_dir.join(name)
}

/// Runs until stopped; or, with `--once`, until one job has ended.
pub async fn run(context: &Context, args: ProviderRun) -> Result<u8> {
	// Before anything that may wait. Whatever is dropped half way is like a kill, which every step
	// of the state machine survives.
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

/// Work units per second of this machine's engine: measured once, on a program of our own, and
/// kept.
async fn rate(dir: &Path, adapter: &str, ui: &Ui) -> Result<(u64, String)> {
	let path = dir.join("rate.json");
	let version = env!("CARGO_PKG_VERSION");
	let kept = std::fs::read(&path).ok();
	let kept: Option<serde_json::Value> =
		kept.and_then(|bytes| serde_json::from_slice(&bytes).ok());
	let same = |kept: &serde_json::Value| kept["adapter"] == adapter && kept["version"] == version;
	if let Some(kept) = kept.filter(same) {
		let rate = kept["unitsPerSecond"].as_u64().filter(|rate| *rate > 0);
		if let (Some(rate), Some(device)) = (rate, kept["device"].as_str()) {
			return Ok((rate, device.into()));
		}
	}
	let spinner = ui.spinner("measure this machine");
	let flag = adapter.to_string();
	// The self-test of an adapter takes its time.
	let opened = tokio::task::spawn_blocking(move || Device::open(&flag)).await;
	let stopped = |e| Error::new("local-fault", format!("opening the engine stopped: {e}"));
	let device = opened.map_err(stopped)??;
	let (rate, name) = (device.rate().await?.max(1), device.name().to_string());
	spinner.clear();
	let kept = json!({
		"adapter": adapter, "version": version, "device": name, "unitsPerSecond": rate,
	});
	std::fs::write(&path, kept.to_string()).map_err(io(&path))?;
	Ok((rate, name))
}

/// Everything but stopping: an exit code where `--once` gives one, `None` when nothing is left to
/// drain.
async fn serve(
	context: &Context,
	args: ProviderRun,
	opened: &OnceLock<Arc<Store>>,
) -> Result<Option<u8>> {
	let ui = context.ui;
	let key = context.key()?;
	let answer_key = args.answer_key.as_deref().map(crate::key::load).transpose()?;
	let account = key.public_key().0;
	let node = context.node().await?;
	let genesis = node.genesis;
	ensure_registered(&node, &account).await?;
	if free_stake(&node, &account).await? == 0 {
		ui.note("no free stake: claims need a bond, `assay stake bond AMOUNT`");
	}
	if let Some(answers) = &answer_key {
		ensure_funds(&node, &answers.public_key().0, &ui).await?;
	}
	let dir = folder(&context.state_dir()?, &genesis, &account);
	private::folder(&dir)?;
	let store = Arc::new(Store::open(&dir.join("provider.redb"), &genesis, &account)?);
	let store = opened.get_or_init(|| store).clone();
	let (files, blobs) = (Files::new(dir.join("inputs"))?, Files::new(dir.join("outputs"))?);
	let traces = dir.join("traces");
	create_private(&traces).map_err(io(&traces))?;
	let runner = Runner::open(&args.worker, &args.adapter, &dir.join("work")).await?;
	let max_memory = args.max_memory.map(|mib| mib.saturating_mul(1 << 20));
	let runner = runner.limited(max_memory.unwrap_or(u64::MAX));
	let (rate, device) = rate(&dir, &args.adapter, &ui).await?;
	let block = node.block_time().await?;
	let salt = Salt::new(&key);
	let active = store.active()?;
	ui.document(&json!({
		"event": "started",
		"account": ss58(&account),
		"answers": answer_key.as_ref().map(|key| ss58(&key.public_key().0)),
		"device": device,
		"unitsPerSecond": rate,
		"memory": crate::memory::available(),
		"state": dir,
		"resumed": active.iter().map(|record| record.job).collect::<Vec<_>>(),
	}));
	ui.line(format!("provider {} on {device}", ss58(&account)));
	ui.line(format!(
		"{:.2} G work units a second measured, {} of memory available",
		rate as f64 / 1e9,
		crate::output::bytes(crate::memory::available())
	));
	for record in active {
		ui.line(format!("job {}: continues from {}", record.job, record.stage.name()));
	}
	let units = |amount: &Option<crate::amount::Amount>| {
		amount.as_ref().map(|amount| node.units(amount)).transpose()
	};
	let terms = Terms {
		account,
		jobs: args.jobs.clone(),
		min_price: node.units(&args.min_price)?,
		min_price_per_work: units(&args.min_price_per_work)?,
		max_bond: units(&args.max_bond)?,
		accept_unattested: args.accept_unattested,
		max_memory,
	};
	let max_tip = units(&args.max_tip)?;
	let budget = args.keep_traces.saturating_mul(1 << 20);
	let mut market = Market::new(args, terms, rate, files.clone(), ui);
	let link = Link::new(node);
	let court = court::Live {
		link: link.clone(),
		keys: Keys { own: key.clone(), answers: answer_key },
		runner: runner.clone(),
		files: files.clone(),
		traces: traces.clone(),
		budget,
		blobs: blobs.dir().to_owned(),
		turns: Arc::default(),
		max_tip,
		// Bars of several runs would overwrite each other.
		ui: Ui { terminal: false, ..ui },
	};
	let answers = Answers::new(court, ui);
	let owed = answers.count();
	let answering = answers::attend(answers, store.clone(), link.clone());
	let live = Live {
		link,
		key,
		claims: Default::default(),
		max_tip,
		runner,
		files,
		blobs,
		traces,
		budget,
		block,
		ui,
		runs: Default::default(),
		uploads: Default::default(),
		watches: Default::default(),
	};
	let provider = (genesis, account, &salt);
	tokio::select! {
		outcome = work(&live, &store, &mut market, &owed, provider) => outcome,
		() = answering => Ok(None),
	}
}

/// Says so where the account of the answers cannot pay for any.
async fn ensure_funds(node: &Node, who: &Hash, ui: &Ui) -> Result<()> {
	let free = node.balance(who, None).await?.free;
	if free == 0 {
		return Err(Error::new(
			"balance-too-small",
			format!("{} is to sign answers and has nothing to pay for them", ss58(who)),
		)
		.fix("send it tokens for fees and tips, or leave --answer-key out"));
	}
	ui.note(format!("answers are signed by {}, which has {}", ss58(who), node.money(free)));
	Ok(())
}

/// What became of one order at one look.
struct Advanced {
	job: u64,
	order: Hash,
	/// It has been executed just now.
	executed: bool,
	/// The reason where it is over.
	end: Result<Option<String>>,
}

/// Does what is due for one order, until it waits for the chain, and tells of every step.
async fn advance(
	provider: &Provider<'_, Live, Live>,
	ui: &Ui,
	(job, order): (u64, Hash),
	head: u64,
) -> Advanced {
	let mut executed = false;
	let end = loop {
		match provider.tick(&order).await {
			Ok(Progress::Moved(stage)) => {
				executed |= matches!(stage, Stage::Executed(_));
				tell_stage(ui, job, &order, &stage, head);
			}
			Ok(Progress::Waiting) => break Ok(None),
			Ok(Progress::Over(reason)) => break Ok(Some(reason)),
			Ok(Progress::Back) => tell_fork(ui, job, &order, true, head),
			Ok(Progress::Strayed) => {
				tell_fork(ui, job, &order, false, head);
				break Ok(None);
			}
			Err(error) => break Err(error),
		}
	};
	Advanced { job, order, executed, end }
}

/// Looks at every new head, until `--once` or `--drain` ends it.
///
/// Every order goes on by itself: a transaction that is kept out of the blocks of one job must not
/// hold up what another one owes.
async fn work(
	live: &Live,
	store: &Store,
	market: &mut Market,
	owed: &AtomicUsize,
	(genesis, account, salt): (Hash, Hash, &Salt),
) -> Result<Option<u8>> {
	let ui = live.ui;
	let faults = Default::default();
	let provider = Provider { chain: live, engine: live, store, genesis, account, salt, faults };
	let (mut flights, mut flying) = (FuturesUnordered::new(), BTreeSet::new());
	let mut head = 0;
	loop {
		let node = live.link.node();
		let outcome = tokio::select! {
			Some(advanced) = flights.next(), if !flights.is_empty() => {
				let advanced: Advanced = advanced;
				flying.remove(&advanced.order);
				match landed(&provider, live, market, advanced, head).await {
					Ok(Some(reason)) if market.args.once => {
						let code = if reason == "Paid" { 0 } else { UNPAID };
						return Ok(Some(code));
					}
					outcome => outcome.map(drop),
				}
			}
			next = node.next_head(head) => match next {
				Ok(next) => {
					head = next.number;
					let owed = owed.load(Ordering::Relaxed);
					let (orders, looked) = due(&provider, live, market, owed, head).await;
					for (job, order) in orders {
						if flying.insert(order) {
							flights.push(advance(&provider, &ui, (job, order), head));
						}
					}
					looked
				}
				Err(error) => Err(error),
			},
		};
		if let Err(error) = outcome {
			report(&ui, None, &error);
			live.link.replace(back(&live.link.node()).await?);
		}
		let left = store.active()?;
		let settled = left.iter().all(|record| record.strayed.is_some());
		if market.args.drain && settled && flying.is_empty() {
			return Ok(None);
		}
	}
}

/// Looks at the market; everything that is under way, and what is taken up now. Whatever the market
/// says, what is under way is due.
async fn due(
	provider: &Provider<'_, Live, Live>,
	live: &Live,
	market: &mut Market,
	owed: usize,
	head: u64,
) -> (Vec<(u64, Hash)>, Result<()>) {
	let active = match provider.store.active() {
		Ok(active) => active,
		Err(error) => return (Vec::new(), Err(error)),
	};
	let answerable = active.iter().filter(|record| record.executed().is_some());
	let open = answerable.map(|record| record.work).fold(0, u64::saturating_add);
	// One run at a time; jobs that wait for the chain do not count. Answers come before new work.
	let running = active.iter().filter(|r| r.strayed.is_none() && r.stage.is_running());
	let running: Vec<u64> = running.map(|record| record.work).collect();
	let free = running.is_empty() && owed == 0;
	let queued = running.into_iter().fold(0, u64::saturating_add);
	let mut orders: Vec<(u64, Hash)> = active.iter().map(|r| (r.job, r.order)).collect();
	let looked = take(provider, live, market, (free, queued, open), head).await;
	let looked = looked.map(|taken| orders.extend(taken));
	(orders, looked)
}

/// The job that is taken up now, if one is.
async fn take(
	provider: &Provider<'_, Live, Live>,
	live: &Live,
	market: &mut Market,
	load: (bool, u64, u64),
	head: u64,
) -> Result<Option<(u64, Hash)>> {
	let node = live.link.node();
	let Some(job) = market.look(&node, provider.store, load, head).await? else { return Ok(None) };
	let claim = market.claim(&node, &job).await?;
	live.claims.lock().unwrap_or_else(PoisonError::into_inner).insert(job.order, claim);
	let id = JobId { number: job.id, order: job.order };
	provider.take(id, job.work_units, job.input_roots)?;
	Ok(Some((job.id, job.order)))
}

/// Tells what became of an order; the reason of one that is over.
async fn landed(
	provider: &Provider<'_, Live, Live>,
	live: &Live,
	market: &mut Market,
	advanced: Advanced,
	head: u64,
) -> Result<Option<String>> {
	let Advanced { job, order, executed, end } = advanced;
	if executed {
		learn(live, market, &order, provider).await;
	}
	let reason = match end {
		Ok(None) => return Ok(None),
		Ok(Some(reason)) => reason,
		Err(error) => {
			report(&live.ui, Some(job), &error);
			// A lost node is a matter of all of them.
			return if live.link.node().alive().await { Ok(None) } else { Err(error) };
		}
	};
	live.ui.result(
		&json!({
			"event": "over", "job": job, "order": hex(order), "reason": reason, "block": head,
		}),
		format!("block {head:>6}  job {job} is over: {reason}"),
	);
	live.claims.lock().unwrap_or_else(PoisonError::into_inner).remove(&order);
	tidy(live, &provider.store.active()?)?;
	if reason.contains('.') {
		market.refuse(order, head);
		return Ok(None);
	}
	Ok(Some(reason))
}

/// What a run has shown of this machine's speed.
async fn learn(
	live: &Live,
	market: &mut Market,
	order: &Hash,
	provider: &Provider<'_, Live, Live>,
) {
	let Some(took) = live.took(order) else { return };
	let Ok(Some(record)) = provider.store.get(order) else { return };
	if let Ok(Some(job)) = live.link.node().find_job(record.job).await {
		// What fetching and starting take says nothing about short runs.
		if job.order == *order && took > Duration::from_secs(10) {
			market.learn(job.program, job.work_units / took.as_secs().max(1));
		}
	}
}

fn tell_stage(ui: &Ui, job: u64, order: &Hash, stage: &Stage, head: u64) {
	let root = match stage {
		Stage::Executed(e) | Stage::Revealed(e) => Some(hex(e.run_root())),
		_ => None,
	};
	let why = match stage {
		Stage::GivingBack { why } => Some(why),
		_ => None,
	};
	ui.result(
		&json!({
			"event": "stage", "job": job, "order": hex(order), "stage": stage.name(),
			"block": head, "runRoot": root, "why": why,
		}),
		match why {
			Some(why) => format!("block {head:>6}  job {job} is given back: {why}"),
			None => format!("block {head:>6}  job {job}: {}", stage.name()),
		},
	);
}

fn tell_fork(ui: &Ui, job: u64, order: &Hash, back: bool, head: u64) {
	let event = if back { "order-back" } else { "order-replaced" };
	ui.result(
		&json!({"event": event, "job": job, "order": hex(order), "block": head}),
		match back {
			true => format!("block {head:>6}  job {job} is order {} again", hex(order)),
			false => format!(
				"block {head:>6}  job {job} IS ANOTHER ORDER on the best chain than {}, or none: nothing \
				 is sent for it, and what was computed is kept for a day",
				hex(order)
			),
		},
	);
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

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn folder_should_differ_when_chain_or_account_differ() {
		let dir = Path::new("/s");
		let one = folder(dir, &[1; 32], &[2; 32]);
		assert_ne!(one, folder(dir, &[2; 32], &[2; 32]));
		assert_ne!(one, folder(dir, &[1; 32], &[1; 32]));
		assert_eq!(one, folder(dir, &[1; 32], &[2; 32]));
	}
}
