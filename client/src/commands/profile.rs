//! `--profile` of `assay model run` and `assay model train`.

use crate::context::Context;
use assay_exec::CpuExecutor;
use serde_json::{json, Value};
use std::time::Duration;

/// Prints what each operator of a profiled run took, of `whole` in all; null without a profile.
pub fn show(context: &Context, executor: &CpuExecutor, whole: Duration) -> Value {
	let Some(profile) = executor.profile() else { return Value::Null };
	let operators = profile.operators();
	let share = |time: Duration| 100.0 * time.as_secs_f64() / whole.as_secs_f64().max(1e-9);
	let rows: Vec<Vec<String>> = operators
		.iter()
		.map(|(name, spent)| {
			vec![
				(*name).to_owned(),
				spent.calls.to_string(),
				format!("{:.1}", spent.time.as_secs_f64() * 1e3),
				format!("{:.1}", share(spent.time)),
				format!("{:.2}", spent.time.as_nanos() as f64 / spent.elements.max(1) as f64),
			]
		})
		.collect();
	context.ui.table(&["operator", "calls", "ms", "% of the run", "ns an element"], &rows);
	let spent: Duration = operators.iter().map(|(_, spent)| spent.time).sum();
	let rest = share(whole.saturating_sub(spent));
	context.ui.line(format!(
		"{:.1} ms in all; {rest:.1} % outside operators: inputs, hashing that was waited for, outputs",
		whole.as_secs_f64() * 1e3
	));
	operators
		.iter()
		.map(|(name, spent)| {
			json!({
				"operator": name,
				"calls": spent.calls,
				"elements": spent.elements,
				"seconds": spent.time.as_secs_f64(),
			})
		})
		.collect()
}
