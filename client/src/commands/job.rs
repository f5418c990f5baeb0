//! `assay job`: watch, cancel, why, list, poke, disputes.

use super::{disputes, post, report, Context, UNPAID};
use crate::{
	chain::{
		calls::JobId,
		jobs::{Job, Lottery, Named, Phase, Purpose, SeatStatus},
		Node,
	},
	cli::JobCommand,
	error::Result,
	explain,
	output::{hex, short, Ui},
};
use serde_json::json;
use std::time::Duration;

/// How long a lost node may take to come back while a job is watched.
const RECONNECT: Duration = Duration::from_secs(120);

pub async fn run(context: &Context, command: JobCommand) -> Result<u8> {
	let ui = &context.ui;
	match command {
		JobCommand::Post(args) => post::run(context, args).await,
		JobCommand::Inputs(args) => post::prepare(context, args).await,
		JobCommand::Watch { job } => {
			let mut node = context.node().await?;
			let job = watch(&mut node, ui, job, &mut |line| ui.document(line)).await?;
			Ok(exit_code(&job))
		}
		JobCommand::Cancel { job } => call(context, job, "cancel_job", "cancelled").await,
		JobCommand::Audit { job } => call(context, job, "request_audit", "audit requested").await,
		JobCommand::Poke { job } => call(context, job, "poke", "moved on").await,
		JobCommand::Why { job } => {
			let node = context.node().await?;
			let head = node.head().await?;
			let job = node.job(job).await?;
			let lanes = match job.phase.is_terminal() {
				true => 0,
				false => node.lanes(job.id).await?.len(),
			};
			let lottery = match job.phase.is(Phase::Verifying) {
				true => node.lottery(job.id).await?,
				false => None,
			};
			why(ui, &job, lottery.as_ref(), lanes, head.number);
			Ok(0)
		}
		JobCommand::List { from, limit, phase, account } => {
			let node = context.node().await?;
			let account = account.as_deref().map(crate::chain::parse_account).transpose()?;
			let mut jobs = node.jobs(from, limit).await?;
			jobs.retain(|j| {
				phase.as_ref().is_none_or(|p| p.eq_ignore_ascii_case(&j.phase.to_string()))
					&& account.is_none_or(|a| {
						j.requester.0 == a || j.provider.as_ref().is_some_and(|p| p.0 == a)
					})
			});
			list(ui, &node, &jobs);
			Ok(0)
		}
		JobCommand::Disputes { job } => disputes::run(context, job).await,
		JobCommand::Report { job, accounts, output_dir } => {
			let node = context.node().await?;
			report::run(context, &node, job, accounts, output_dir.as_deref()).await
		}
	}
}

/// 0 for a job that was paid or still runs, [`UNPAID`] for one that ended otherwise.
pub fn exit_code(job: &Job) -> u8 {
	match job.phase.is(Phase::Failed) {
		true => UNPAID,
		false => 0,
	}
}

async fn call(context: &Context, job: u64, call: &str, done: &str) -> Result<u8> {
	let key = context.key()?;
	let node = context.node().await?;
	let before = node.job(job).await?;
	let id = JobId { number: job, order: before.order };
	let included = match call {
		"poke" => node.poke_job(&key, job).await?,
		call => node.job_call(&key, call, id).await?,
	};
	let after = node.job(job).await?;
	context.ui.result(
		&json!({
			"job": job,
			"order": hex(before.order),
			"block": included.block.number,
			"phase": after.phase,
			"reason": after.reason,
			"refunded": after.refunded.to_string(),
		}),
		match &after.reason {
			Some(reason) => format!(
				"job {job} {done} in block {}: {reason}, {} refunded",
				included.block.number,
				node.money(after.refunded)
			),
			None => {
				format!("job {job} {done} in block {}: now {}", included.block.number, after.phase)
			}
		},
	);
	Ok(0)
}

fn list(ui: &Ui, node: &Node, jobs: &[Job]) {
	ui.document(&json!({ "jobs": jobs }));
	let rows: Vec<_> = jobs
		.iter()
		.map(|j| {
			vec![
				j.id.to_string(),
				j.phase.to_string(),
				j.reason.as_ref().map_or("–".into(), Named::to_string),
				node.money(j.price.or(j.current_price).unwrap_or(j.price_max)),
				abbreviate(&j.requester.to_string()),
				j.provider.as_ref().map_or("–".into(), |p| abbreviate(&p.to_string())),
				short(j.program),
			]
		})
		.collect();
	if rows.is_empty() {
		ui.line("no jobs");
	} else {
		ui.table(&["job", "phase", "reason", "price", "requester", "provider", "program"], &rows);
	}
}

/// An address short enough for a table.
pub fn abbreviate(address: &str) -> String {
	match (address.get(..6), address.get(address.len().saturating_sub(4)..)) {
		(Some(head), Some(tail)) if address.len() > 12 => format!("{head}…{tail}"),
		_ => address.into(),
	}
}

fn why(ui: &Ui, job: &Job, lottery: Option<&Lottery>, lanes: usize, head: u64) {
	let overdue = job.deadline.is_some_and(|d| head > d);
	let (code, meaning, advice) = match (&job.reason, &job.condemned) {
		(Some(code), _) => {
			let (meaning, advice) = explain::reason(code);
			(Some(code), meaning, advice)
		}
		(None, Some(code)) => {
			let (meaning, advice) = explain::condemned(code);
			(Some(code), meaning, advice)
		}
		(None, None) if lanes > 0 => {
			let (meaning, advice) = explain::disputed();
			(None, meaning, advice)
		}
		(None, None) => {
			(None, explain::phase(&job.phase), explain::phase_advice(&job.phase, overdue))
		}
	};
	let advice = advice.replace("JOB", &job.id.to_string());
	let spoken = job.verdicts.iter().filter(|verdict| verdict.purpose.is(Purpose::Verify)).count();
	let keepers: Vec<_> = job.verdicts.iter().filter(|v| v.purpose.is(Purpose::Keep)).collect();
	let holding = keepers.iter().filter(|v| v.status.is(SeatStatus::Attested(true))).count();
	ui.document(&json!({
		"job": job.id,
		"order": hex(job.order),
		"phase": job.phase,
		"reason": job.reason,
		"condemned": job.condemned,
		"disputes": lanes,
		"lottery": lottery.map(Lottery::to_json),
		"verifiersSpoken": spoken,
		"keepers": { "drawn": keepers.len(), "holding": holding },
		"meaning": meaning,
		"advice": advice,
		"deadline": job.deadline,
		"block": head,
		"overdue": overdue,
	}));
	let what = match code {
		Some(code) if job.reason.is_none() => format!("{}, condemned: {code}", job.phase),
		Some(code) => code.to_string(),
		None if lanes > 0 => format!("{}, disputed", job.phase),
		None => job.phase.to_string(),
	};
	ui.line(format!("job {}: {what}", job.id));
	ui.line(format!("  order {}", hex(job.order)));
	ui.line(format!("  {meaning}"));
	if let Some(Lottery { tranche, max_tranches, candidates, wanted, .. }) = lottery {
		ui.line(format!(
			"  tranche {} of at most {max_tranches} may speak: {spoken} verifiers have, of {candidates} \
			 candidates; {wanted} verdicts are wanted",
			tranche + 1,
		));
	}
	if !keepers.is_empty() && !job.output_roots.is_empty() {
		let drawn = keepers.len();
		ui.line(format!("  {holding} of {drawn} keepers say that they hold the outputs"));
	}
	if let Some(deadline) = job.deadline {
		ui.line(format!("  deadline: block {deadline}, now {head}"));
	}
	ui.line(format!("  what to do: {advice}"));
}

/// Follows a job to its end. Every phase is given to `emit` as
/// `{"event":"phase","job","phase","block","timeMs","seconds","advice"}`,
/// `{"event":"condemned","job","reason"}` where a result falls before its job ends, and the end as
/// `{"event":"end","job","phase","reason","block","price","paid","refunded","burned"}`.
pub async fn watch(
	node: &mut Node,
	ui: &Ui,
	id: u64,
	emit: &mut dyn FnMut(&serde_json::Value),
) -> Result<Job> {
	let (mut seen, mut condemned) = (0, false);
	let mut last: Option<(u64, u64)> = None;
	let spinner = ui.spinner(format!("job {id}"));
	let mut head = 0;
	loop {
		let job = match step(node, id, &mut head).await {
			Ok(job) => job,
			Err(error) if error.code == "unknown-job" => return Err(error),
			Err(error) => {
				*node = reconnect(node, ui, error).await?;
				continue;
			}
		};
		for (phase, block) in job.history.iter().skip(seen) {
			let time = node.timestamp(*block).await;
			let seconds =
				last.zip(time).map(|((_, before), now)| now.saturating_sub(before) / 1000);
			let blocks = last.map(|(before, _)| block - before.min(*block));
			emit(&json!({
				"event": "phase",
				"job": id,
				"phase": phase,
				"block": block,
				"timeMs": time,
				"blocksBefore": blocks,
				"secondsBefore": seconds,
			}));
			let took = match (blocks, seconds) {
				(Some(blocks), Some(seconds)) => format!(" (+{blocks} blocks, {seconds} s)"),
				(Some(blocks), None) => format!(" (+{blocks} blocks)"),
				_ => String::new(),
			};
			spinner.print(format!("block {block:>6}  {phase:13}{took}  {}", explain::phase(phase)));
			last = Some((*block, time.unwrap_or_default())).filter(|_| time.is_some()).or(last);
		}
		seen = seen.max(job.history.len());
		if let (Some(reason), false) = (&job.condemned, condemned || job.phase.is_terminal()) {
			condemned = true;
			emit(&json!({"event": "condemned", "job": id, "reason": reason}));
			let (meaning, _) = explain::condemned(reason);
			spinner.print(format!("block {head:>6}  condemned: {reason}. {meaning}"));
		}
		if job.phase.is_terminal() {
			spinner.clear();
			let reason = job.reason.as_ref();
			emit(&json!({
				"event": "end",
				"job": id,
				"phase": job.phase,
				"reason": job.reason,
				"block": job.history.last().map(|(_, block)| block),
				"price": job.price.map(|p| p.to_string()),
				"paid": job.paid.to_string(),
				"refunded": job.refunded.to_string(),
				"burned": job.burned.to_string(),
			}));
			let name = reason.map_or_else(|| job.phase.to_string(), Named::to_string);
			let (meaning, advice) = reason.map_or_else(explain::unknown, explain::reason);
			ui.line(format!("job {id} is over: {name}. {meaning}"));
			ui.line(format!("  {}", advice.replace("JOB", &id.to_string())));
			return Ok(job);
		}
		if ui.terminal {
			spinner.say(match job.deadline {
				Some(deadline) => {
					format!("job {id}: {}, block {head}, deadline {deadline}", job.phase)
				}
				None => format!("job {id}: {}, block {head}", job.phase),
			});
		}
	}
}

/// The job at the next block; at once the first time.
async fn step(node: &Node, id: u64, head: &mut u64) -> Result<Job> {
	*head = match *head {
		0 => node.head().await?.number,
		after => node.next_head(after).await?.number,
	};
	node.job(id).await
}

/// A new connection after `error`, unless the node still answers, in which case it is returned.
pub async fn reconnect(node: &Node, ui: &Ui, error: crate::error::Error) -> Result<Node> {
	if node.alive().await {
		return Err(error);
	}
	ui.note(format!("lost the node ({}); trying again", error.message));
	let until = tokio::time::Instant::now() + RECONNECT;
	loop {
		tokio::time::sleep(Duration::from_secs(1)).await;
		match node.again().await {
			Ok(node) => return Ok(node),
			Err(error) if tokio::time::Instant::now() > until => return Err(error),
			Err(_) => {}
		}
	}
}
