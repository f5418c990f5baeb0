//! `assay devices`.

use crate::{context::Context, device::Device, error::Result};
use assay_gpu::DeviceKind;
use clap::Args;
use serde_json::json;

/// `assay devices`
#[derive(Debug, Args)]
pub struct Devices {
	/// Only this adapter: a number or name, cpu or auto [default: all]
	#[arg(long)]
	pub adapter: Option<String>,
}

pub async fn run(context: &Context, args: Devices) -> Result<u8> {
	let ui = &context.ui;
	let choices = match args.adapter {
		Some(adapter) => vec![adapter],
		None => {
			let adapters = assay_gpu::adapters();
			let numbers = adapters.iter().map(|a| a.index.to_string());
			std::iter::once("cpu".to_string()).chain(numbers).collect()
		}
	};
	let (mut devices, mut rows) = (Vec::new(), Vec::new());
	for choice in choices {
		let spinner = ui.spinner(format!("test {choice}"));
		let device = Device::open(&choice)?;
		let rate = device.rate().await;
		spinner.clear();
		let report = device.report();
		let kind = match report.kind {
			DeviceKind::Cpu => "cpu",
			DeviceKind::Gpu => "gpu",
		};
		let off: Vec<_> = report.disabled_kernels.iter().map(|k| k.name.clone()).collect();
		let test = match (report.kind, off.is_empty(), report.self_test_cached) {
			(DeviceKind::Cpu, ..) => "is the definition's engine".to_string(),
			(_, true, cached) => format!("passed{}", if cached { " (recalled)" } else { "" }),
			(_, false, _) => format!("kernels off: {}", off.join(", ")),
		};
		rows.push(vec![
			choice.clone(),
			report.name.clone(),
			report.backend.clone(),
			report.driver.clone(),
			test,
			match &rate {
				Ok(rate) => format!("{:.2} G units/s", *rate as f64 / 1e9),
				Err(error) => error.message.clone(),
			},
		]);
		devices.push(json!({
			"choice": choice,
			"kind": kind,
			"name": report.name,
			"backend": report.backend,
			"driver": report.driver,
			"selfTest": if off.is_empty() { "passed" } else { "failed" },
			"selfTestCached": report.self_test_cached,
			"disabledKernels": report.disabled_kernels.iter()
				.map(|k| json!({"name": k.name, "reason": k.reason}))
				.collect::<Vec<_>>(),
			"fallback": report.fallback,
			"workUnitsPerSecond": rate.as_ref().ok(),
			"error": rate.as_ref().err().map(|e| e.message.clone()),
		}));
		if let Some(reason) = &report.fallback {
			ui.note(format!("{choice}: runs on the CPU engine, since {reason}"));
		}
	}
	ui.document(&json!({ "devices": devices }));
	ui.table(&["choice", "name", "interface", "driver", "self-test", "rate"], &rows);
	Ok(0)
}
