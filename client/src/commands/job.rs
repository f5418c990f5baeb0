//! `assay job`: watch, cancel, why, list, poke, disputes.

use super::{
	disputes,
	follow::{exit_code, watch},
	post::{self, JobInputs, PostArgs, INPUTS_HELP, POST_HELP},
	report,
};
use crate::{
	chain::{
		calls::JobId,
		jobs::{Job, Lottery, Named, Phase, Purpose, SeatStatus},
		Node,
	},
	context::Context,
	error::Result,
	explain,
	output::{abbreviate, hex, short, Ui},
};
use clap::Subcommand;
use serde_json::json;
use std::path::PathBuf;

/// `assay job …`
#[derive(Debug, Subcommand)]
pub enum JobCommand {
	/// Upload inputs and post a job
	#[command(after_help = POST_HELP)]
	Post(PostArgs),
	/// Upload inputs and print their roots in the program's order, to post the job by a wallet
	#[command(after_help = INPUTS_HELP)]
	Inputs(JobInputs),
	/// Follow a job to its end, phase by phase
	Watch {
		/// Job id
		job: u64,
	},
	/// Cancel a job: free before a claim, the provider's fee share after it
	Cancel {
		/// Job id
		job: u64,
	},
	/// Say where a job stands or why it ended, and what to do
	Why {
		/// Job id
		job: u64,
	},
	/// List jobs, newest last
	List {
		/// First job id
		#[arg(long, default_value_t = 0)]
		from: u64,
		/// Most jobs to list
		#[arg(long, default_value_t = 50)]
		limit: usize,
		/// Only jobs in this phase, such as open
		#[arg(long)]
		phase: Option<String>,
		/// Only jobs of this account, as requester or provider
		#[arg(long, value_name = "ACCOUNT")]
		account: Option<String>,
	},
	/// Everything about a job: price, provider, verdicts, blocks and seconds per phase
	Report {
		/// Job id
		job: u64,
		/// Also show the balances of requester, provider and verifiers before and after
		#[arg(long)]
		accounts: bool,
		/// Fetch the outputs and write them as safetensors into this folder
		#[arg(long, value_name = "DIR")]
		output_dir: Option<PathBuf>,
	},
	/// Ask for the revealed result of your job to be replayed by validators; once per job
	Audit {
		/// Job id
		job: u64,
	},
	/// Make the chain apply the default of a deadline that has passed; anyone may
	Poke {
		/// Job id
		job: u64,
	},
	/// List the open challenges of a job: who demands what, until when, and how far they are
	Disputes {
		/// Job id
		job: u64,
	},
}

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
