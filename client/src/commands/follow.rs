//! Following a job to its end.

use crate::{
	chain::{
		jobs::{Job, Named, Phase},
		Node,
	},
	connection::reconnect,
	context::UNPAID,
	error::Result,
	explain,
	output::Ui,
};
use serde_json::json;

/// 0 for a job that was paid or still runs, [`UNPAID`] for one that ended otherwise.
pub fn exit_code(job: &Job) -> u8 {
	match job.phase.is(Phase::Failed) {
		true => UNPAID,
		false => 0,
	}
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
