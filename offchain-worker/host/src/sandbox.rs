//! Whether this machine can keep a worker in: asked of the worker itself, before any job.

use crate::Fault;
use serde::Deserialize;
use std::{process::Stdio, time::Duration};
use tokio::{process::Command, time::timeout};

/// Most time of `check-sandbox`, which computes nothing.
const PATIENCE: Duration = Duration::from_secs(30);

/// What `assay-worker check-sandbox --json` says, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Report {
	/// Whether jobs may be run.
	holds: bool,
	/// What is missing, and what a job could do therefore.
	holes: Vec<String>,
}

/// Has a worker seal itself as for a job and try what a job must not do.
///
/// # Errors
/// [`Fault::Sandbox`]: something of it worked, or nobody knows.
pub(crate) async fn check(mut worker: Command) -> Result<(), Fault> {
	let unknown = |why: String| Fault::Sandbox(format!("it could not be tried: {why}"));
	let run = worker.args(["check-sandbox", "--json"]).stdout(Stdio::piped()).output();
	let output = timeout(PATIENCE, run)
		.await
		.map_err(|_| unknown(format!("no answer in {PATIENCE:?}")))?
		.map_err(|error| unknown(error.to_string()))?;
	let report: Report = serde_json::from_slice(&output.stdout)
		.map_err(|error| unknown(format!("{}, {error}", output.status)))?;
	match report.holds && report.holes.is_empty() && output.status.success() {
		true => Ok(()),
		false => Err(Fault::Sandbox(report.holes.join("; "))),
	}
}
