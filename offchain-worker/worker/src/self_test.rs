//! `assay-worker self-test`: what jobs would run on, whether it computes rightly, and what keeps
//! jobs in.

use anyhow::Context;
use assay_gpu::{adapters, best_executor, Choice};
use serde_json::{json, Value};
use std::process::{Command, Stdio};

/// Opens the engine that `adapter` asks for, which tests its kernels and remembers the outcome for
/// the workers, and prints what it found. The sandbox is tried as well, by another process: it
/// cannot be left.
///
/// # Errors
/// The sandbox could not be tried. That it does not hold is no error here; jobs are refused then.
pub fn run(adapter: &str, as_json: bool) -> anyhow::Result<()> {
	crate::sandbox::step_back();
	let sandbox = sandbox()?;
	let adapters = adapters();
	let (executor, report) = best_executor(&Choice::select(Some(adapter)), None);
	if as_json {
		let report = json!({
			"version": env!("CARGO_PKG_VERSION"),
			"engine": executor.name(),
			"device": report,
			"adapters": adapters,
			"sandbox": sandbox,
		});
		println!("{report:#}");
		return Ok(());
	}
	println!("jobs run on {report}");
	match sandbox["missing"].as_str() {
		None => {
			println!("sandbox: Landlock {}, seccomp", sandbox["landlock"].as_str().unwrap_or("?"))
		}
		Some(missing) => println!("{missing}"),
	}
	for adapter in adapters {
		println!(
			"adapter {}: {} ({}, {})",
			adapter.index, adapter.name, adapter.kind, adapter.driver
		);
	}
	Ok(())
}

/// The report of `check-sandbox`.
fn sandbox() -> anyhow::Result<Value> {
	let worker = std::env::current_exe().context("the path of this program")?;
	let output = Command::new(&worker)
		.args(["check-sandbox", "--json"])
		.stdin(Stdio::null())
		.stderr(Stdio::inherit())
		.output()
		.with_context(|| worker.display().to_string())?;
	serde_json::from_slice(&output.stdout)
		.with_context(|| format!("check-sandbox gave no report ({})", output.status))
}
