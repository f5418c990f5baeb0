//! `assay verify`.

use crate::{
	context::{Context, UNPAID},
	error::{Error, Result},
	files::Files,
	output::hex,
	program::Loaded,
	runner::{Runner, Watch, Work, WorkerFlags},
};
use clap::Args;
use serde_json::json;

/// `assay verify`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  assay verify 7 --adapter cpu")]
pub struct Verify {
	/// Job id
	pub job: u64,
	/// Adapter to run on: a number or name of `assay devices`, cpu or auto
	#[arg(long, env = "ASSAY_ADAPTER", default_value = "auto")]
	pub adapter: String,
	/// Where the worker is.
	#[command(flatten)]
	pub worker: WorkerFlags,
}

pub async fn run(context: &Context, args: Verify) -> Result<u8> {
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
	let runner = Runner::scratch(context, &args.worker, &args.adapter).await?;
	let files = Files::scratch(runner.dir().join("inputs"))?;
	let loaded = Loaded::fetch(&node, &job.program).await?;
	let inputs = files.gather(&node, ui, &loaded, &job.input_roots).await?;
	let label = format!("run job {}", job.id);
	let start = std::time::Instant::now();
	let work = Work::whole(job.id, &loaded, inputs, job.steps);
	let finished = runner.run(work, &Watch::default(), ui, &label).await?;
	let run = finished.done();
	let seconds = start.elapsed().as_secs_f64();
	// By the trace that the run root is of; what the worker calls outputs does not count.
	let own = loaded.checked.output_anchors.iter();
	let own = own.filter_map(|at| run.last_anchors.get(*at as usize));
	let outputs: Vec<_> = loaded
		.outputs()
		.into_iter()
		.zip(own.zip(&job.output_roots))
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
		"device": run.device,
		"order": hex(job.order),
		"seconds": seconds,
	}));
	ui.fields(&[
		("device", run.device.clone()),
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
