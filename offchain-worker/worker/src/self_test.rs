//! `assay-worker self-test`: what jobs would run on, and whether it computes rightly.

use assay_gpu::{adapters, best_executor, Choice};
use serde_json::json;

/// Opens the engine that `adapter` asks for, which tests its kernels and remembers the outcome for the
/// workers, and prints what it found.
pub fn run(adapter: &str, as_json: bool) -> anyhow::Result<()> {
	let adapters = adapters();
	let (executor, report) = best_executor(&Choice::select(Some(adapter)), None);
	if as_json {
		let report = json!({
			"version": env!("CARGO_PKG_VERSION"),
			"engine": executor.name(),
			"device": report,
			"adapters": adapters,
		});
		println!("{report:#}");
		return Ok(());
	}
	println!("jobs run on {report}");
	for adapter in adapters {
		println!(
			"adapter {}: {} ({}, {})",
			adapter.index, adapter.name, adapter.kind, adapter.driver
		);
	}
	Ok(())
}
