//! `assay verify`.

use super::{Context, UNPAID};
use crate::{
	cli,
	device::Device,
	error::{Error, Result},
	output::hex,
	program::Loaded,
	provider::run::fetch_inputs,
};
use serde_json::json;
use std::sync::Arc;

pub async fn run(context: &Context, args: cli::Verify) -> Result<u8> {
	let ui = &context.ui;
	let node = context.node().await?;
	let job = node.job(args.job).await?;
	let Some(claimed) = job.run_root else {
		return Err(Error::new(
			"not-revealed",
			format!("job {} is {} and has no opened result to compare with", job.id, job.phase),
		)
		.fix(format!("wait for the reveal: `assay job watch {}`", job.id)));
	};
	let loaded = Arc::new(Loaded::fetch(&node, &job.program).await?);
	let inputs = fetch_inputs(&node, ui, &loaded, &job.input_roots).await?;
	let device = Device::open(&args.adapter)?;
	let label = format!("run job {}", job.id);
	let start = std::time::Instant::now();
	let run = device.run(loaded.clone(), inputs, job.steps, ui, &label).await?;
	let seconds = start.elapsed().as_secs_f64();
	let outputs: Vec<_> = loaded
		.outputs()
		.into_iter()
		.zip(run.output_roots.iter().zip(&job.output_roots))
		.map(|((name, _), (own, chain))| (name, *own, *chain))
		.collect();
	let same = run.run_root == claimed
		&& outputs.len() == job.output_roots.len()
		&& outputs.iter().all(|(_, own, chain)| own == chain);
	ui.document(&json!({
		"job": job.id,
		"matches": same,
		"runRoot": { "own": hex(run.run_root), "chain": hex(claimed) },
		"outputs": outputs.iter()
			.map(|(name, own, chain)| json!({"name": name, "own": hex(own), "chain": hex(chain)}))
			.collect::<Vec<_>>(),
		"device": device.name(),
		"seconds": seconds,
	}));
	ui.fields(&[
		("device", device.name().to_string()),
		("seconds", format!("{seconds:.3}")),
		("own root", hex(run.run_root)),
		("on chain", hex(claimed)),
	]);
	for (name, own, chain) in &outputs {
		ui.line(format!("output {name}: {} {}", hex(own), if own == chain { "=" } else { "≠" }));
	}
	if same {
		ui.line(format!("job {}: the result on chain is right", job.id));
		Ok(0)
	} else {
		ui.line(format!(
			"job {}: THE RESULT DIFFERS. Run it again with --adapter cpu; if it still differs, prove it \
			 wrong: `assay challenge {}`",
			job.id, job.id
		));
		Ok(UNPAID)
	}
}
