//! `assay job disputes`.

use crate::{
	chain::{disputes::waits_for, ss58},
	context::Context,
	error::Result,
	output::abbreviate,
};
use serde_json::json;

/// Lists the lanes of a job.
pub async fn run(context: &Context, id: u64) -> Result<u8> {
	let ui = &context.ui;
	let node = context.node().await?;
	let job = node.job(id).await?;
	let lanes = node.lanes(id).await?;
	let open = node.disputed_result(id).await?.is_some_and(|result| result.open);
	let head = node.head().await?.number;
	ui.document(&json!({
		"job": id,
		"block": head,
		"open": open,
		"condemned": job.condemned,
		"reason": job.reason,
		"lanes": lanes.iter().map(|lane| lane.to_json()).collect::<Vec<_>>(),
	}));
	if let Some(reason) = job.condemned.as_ref().or(job.reason.as_ref()) {
		ui.line(format!("job {id}: {reason}; `assay job why {id}`"));
	}
	if lanes.is_empty() {
		let more = match open {
			true => format!("; `assay challenge {id}` replays the job and compares"),
			false => String::new(),
		};
		ui.line(format!("no challenge of job {id} is open{more}"));
		return Ok(0);
	}
	let rows: Vec<_> = lanes
		.iter()
		.map(|lane| {
			vec![
				abbreviate(&ss58(&lane.challenger)),
				lane.opened_at.to_string(),
				waits_for(lane),
				lane.deadline.to_string(),
				lane.opened.len().to_string(),
				lane.parts.to_string(),
				node.money(lane.deposit),
			]
		})
		.collect();
	ui.table(
		&["challenger", "since", "waits for", "until", "opened", "proof parts", "deposit"],
		&rows,
	);
	ui.line(format!("now block {head}"));
	Ok(0)
}
