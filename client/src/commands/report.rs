//! `assay job report`.

use super::follow::exit_code;
use crate::{
	chain::{
		jobs::{Job, Named, Purpose, SeatStatus},
		ss58, Balance, Hash, Node,
	},
	context::Context,
	error::{io, Error, Result},
	output::{abbreviate, hex, short},
	program::Loaded,
	tensors,
};
use serde_json::json;
use std::path::{Path, PathBuf};

/// One phase of the table.
struct PhaseRow {
	phase: String,
	block: u64,
	time_ms: Option<u64>,
	blocks: Option<u64>,
	seconds: Option<f64>,
}

/// One account of the table.
struct AccountRow {
	role: &'static str,
	account: Hash,
	before: Option<Balance>,
	after: Option<Balance>,
}

pub async fn run(
	context: &Context,
	node: &Node,
	id: u64,
	accounts: bool,
	output_dir: Option<&Path>,
) -> Result<u8> {
	let ui = &context.ui;
	let job = node.job(id).await?;
	let phases = phases(node, &job).await;
	let accounts = if accounts { balances(node, &job).await? } else { Vec::new() };
	let outputs = match output_dir {
		Some(dir) => {
			let loaded = Loaded::fetch(node, &job.program).await?;
			Some(fetch_outputs(context, node, &job, &loaded, dir).await?)
		}
		None => None,
	};
	let mut document = serde_json::to_value(&job).map_err(|e| Error::new("json", e.to_string()))?;
	document["decimals"] = node.decimals.into();
	document["symbol"] = node.symbol.clone().into();
	document["phases"] = phases
		.iter()
		.map(|p| {
			json!({
				"phase": p.phase,
				"block": p.block,
				"timeMs": p.time_ms,
				"blocks": p.blocks,
				"seconds": p.seconds,
			})
		})
		.collect();
	let balance = |b: &Balance| {
		json!({
			"free": b.free.to_string(), "held": b.held.to_string(), "frozen": b.frozen.to_string()
		})
	};
	document["accounts"] = accounts
		.iter()
		.map(|a| {
			json!({
				"role": a.role,
				"account": ss58(&a.account),
				"before": a.before.as_ref().map(balance),
				"after": a.after.as_ref().map(balance),
			})
		})
		.collect();
	document["outputs"] = json!(outputs);
	ui.document(&document);
	print(context, node, &job, &phases, &accounts);
	if let Some(path) = outputs {
		ui.line(format!("outputs in {}", path.display()));
	}
	Ok(exit_code(&job))
}

fn print(context: &Context, node: &Node, job: &Job, phases: &[PhaseRow], accounts: &[AccountRow]) {
	let ui = &context.ui;
	let optional = |v: Option<String>| v.unwrap_or_else(|| "–".into());
	ui.fields(&[
		("job", job.id.to_string()),
		("order", hex(job.order)),
		("phase", job.phase.to_string()),
		("reason", optional(job.reason.as_ref().map(Named::to_string))),
		("condemned", optional(job.condemned.as_ref().map(Named::to_string))),
		("price", optional(job.price.map(|p| node.money(p)))),
		("paid", node.money(job.paid)),
		("refunded", node.money(job.refunded)),
		("burned", node.money(job.burned)),
		("deposit", node.money(job.deposit)),
		("program", hex(job.program)),
		("requester", job.requester.to_string()),
		("provider", optional(job.provider.as_ref().map(ToString::to_string))),
		("result", optional(job.run_root.map(hex))),
	]);
	for root in &job.output_roots {
		ui.line(format!("output     {}", hex(root)));
	}
	if !job.verdicts.is_empty() {
		ui.line("");
		let rows: Vec<_> = job
			.verdicts
			.iter()
			.map(|v| {
				vec![
					abbreviate(&v.account.to_string()),
					v.purpose.to_string().to_lowercase(),
					v.tranche.to_string(),
					match v.status.is(SeatStatus::Opened) {
						true => "opened without chunks".into(),
						false => v.status.to_string(),
					},
					optional(v.run_root.map(short)),
					match v.matches {
						Some(true) => "matches".into(),
						Some(false) => "differs".into(),
						None => "–".into(),
					},
				]
			})
			.collect();
		ui.table(&["validator", "duty", "tranche", "status", "root", "result"], &rows);
	}
	ui.line("");
	let rows: Vec<_> = phases
		.iter()
		.map(|p| {
			vec![
				p.phase.clone(),
				p.block.to_string(),
				optional(p.blocks.map(|b| b.to_string())),
				optional(p.seconds.map(|s| format!("{s:.1}"))),
			]
		})
		.collect();
	ui.table(&["phase", "from block", "blocks", "seconds"], &rows);
	if !accounts.is_empty() {
		ui.line("");
		let money =
			|b: &Option<Balance>| optional(b.map(|b| node.money(b.free.saturating_add(b.held))));
		let rows: Vec<_> = accounts
			.iter()
			.map(|a| {
				let change = a.before.zip(a.after).map(|(before, after)| {
					let (before, after) = (before.free + before.held, after.free + after.held);
					match after.checked_sub(before) {
						Some(gain) => format!("+{}", node.money(gain)),
						None => format!("-{}", node.money(before - after)),
					}
				});
				vec![
					a.role.into(),
					abbreviate(&ss58(&a.account)),
					money(&a.before),
					money(&a.after),
					optional(change),
				]
			})
			.collect();
		ui.table(&["role", "account", "before", "after", "change (with fees)"], &rows);
	}
}

/// Every phase with its blocks and seconds; the last one, of a job that is over, has no length.
async fn phases(node: &Node, job: &Job) -> Vec<PhaseRow> {
	let mut rows: Vec<PhaseRow> = Vec::new();
	for (phase, block) in &job.history {
		let time_ms = node.timestamp(*block).await;
		if let Some(last) = rows.last_mut() {
			last.blocks = Some(block.saturating_sub(last.block));
			last.seconds =
				last.time_ms.zip(time_ms).map(|(from, to)| to.saturating_sub(from) as f64 / 1000.0);
		}
		rows.push(PhaseRow {
			phase: phase.to_string(),
			block: *block,
			time_ms,
			blocks: None,
			seconds: None,
		});
	}
	rows
}

/// Balances in the block before the job was posted and in the block in which it ended, or now.
async fn balances(node: &Node, job: &Job) -> Result<Vec<AccountRow>> {
	let first = job.history.first().map(|(_, block)| block.saturating_sub(1));
	let last =
		job.phase.is_terminal().then(|| job.history.last().map(|(_, block)| *block)).flatten();
	let mut parties = vec![("requester", job.requester.0)];
	parties.extend(job.provider.as_ref().map(|p| ("provider", p.0)));
	for verdict in job.verdicts.iter().filter(|v| v.purpose.is(Purpose::Verify)) {
		if parties.iter().all(|(role, who)| *role != "verifier" || *who != verdict.account.0) {
			parties.push(("verifier", verdict.account.0));
		}
	}
	let mut rows = Vec::new();
	for (role, account) in parties {
		let before = match first {
			// A pruned state leaves the cell empty rather than failing the report.
			Some(block) => node.balance(&account, Some(block)).await.ok(),
			None => None,
		};
		let after = match last {
			Some(block) => node.balance(&account, Some(block)).await.ok(),
			None => Some(node.balance(&account, None).await?),
		};
		rows.push(AccountRow { role, account, before, after });
	}
	Ok(rows)
}

/// Fetches the outputs of a settled job into `DIR/job-ID.safetensors`, named as in the program.
///
/// # Errors
/// `no-outputs` before the reveal, and those of the download.
pub async fn fetch_outputs(
	context: &Context,
	node: &Node,
	job: &Job,
	loaded: &Loaded,
	dir: &Path,
) -> Result<PathBuf> {
	let outputs = loaded.outputs();
	if job.output_roots.len() != outputs.len() {
		return Err(Error::new(
			"no-outputs",
			format!("job {} is {} and has no revealed outputs", job.id, job.phase),
		)
		.fix(format!("wait for the reveal: `assay job watch {}`", job.id)));
	}
	let mut tensors = Vec::new();
	for ((name, ty), root) in outputs.into_iter().zip(&job.output_roots) {
		let bytes = node.blob_get(root, Some(ty.canonical_len()), &context.ui, &name).await?;
		tensors.push((name, ty, bytes));
	}
	std::fs::create_dir_all(dir).map_err(io(dir))?;
	let path = dir.join(format!("job-{}.safetensors", job.id));
	tensors::write(&path, &tensors)?;
	Ok(path)
}
