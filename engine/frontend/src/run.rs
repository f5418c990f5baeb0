//! Runs of an imported model on samples.

use crate::{
	along::append,
	error::{short, Error, Result},
	limits::Limits,
	model::{sample_count, Model, Saturated},
	npz::Arrays,
	samples::chunk,
	watch::Watch,
};
use assay_exec::{Executor, Options, Run, Work};
use assay_program::Source;

/// What runs gave.
#[derive(Clone, Debug)]
pub struct Results {
	/// Outputs by name.
	pub outputs: Arrays,
	/// What saturated, the largest part first.
	pub saturated: Vec<Saturated>,
}

impl Model {
	/// Runs any number of samples, batch by batch; `keep` and `visit` are for reports. Errors: as
	/// [`Model::run_watched`].
	pub fn run(
		&self,
		executor: &mut dyn Executor,
		samples: &Arrays,
		keep: &[Source],
		mut visit: impl FnMut(usize, &Run),
	) -> Result<Arrays> {
		let visit = |start: usize, run: &Run| {
			visit(start, run);
			Ok(())
		};
		self.run_watched(executor, samples, keep, visit).map(|results| results.outputs)
	}

	/// As [`Model::run`], with what saturated; `visit` may end it. Errors: `missing-input`,
	/// `wrong-shape`, `bad-samples`, `too-large`, `run`.
	pub fn run_watched(
		&self,
		executor: &mut dyn Executor,
		samples: &Arrays,
		keep: &[Source],
		mut visit: impl FnMut(usize, &Run) -> Result<()>,
	) -> Result<Results> {
		let batch = (self.sidecar.batch as usize).max(1);
		let names = self.sidecar.inputs.iter().map(|port| port.name.as_str());
		// A model of constants has one run.
		let count =
			if self.sidecar.inputs.is_empty() { batch } else { sample_count(samples, names)? };
		let samples: Arrays = samples
			.iter()
			.filter(|(name, _)| self.sidecar.inputs.iter().any(|port| port.name == **name))
			.map(|(name, array)| (name.clone(), array.clone()))
			.collect();
		for (name, array) in &samples {
			let mut dims = array.dims.clone();
			if let Some(first) = dims.first_mut() {
				*first = batch;
			}
			let what = format!("a batch of input `{}`", short(name));
			Limits::default().bytes(&what, &dims, array.is_int())?;
		}
		let mut watch = Watch::new(self);
		let mut kept = keep.to_vec();
		kept.extend(watch.sources());
		let mut outputs = Arrays::new();
		for start in (0..count).step_by(batch) {
			let used = batch.min(count - start);
			let inputs =
				self.quantized(&chunk(&samples, start, batch), used, &mut |name, cut, of| {
					watch.input(name, cut, of)
				})?;
			watch.inputs(self, &inputs)?;
			let run = executor
				.run(
					&Work {
						program: &watch.program,
						checked: &watch.checked,
						inputs: &inputs,
						steps: 1,
					},
					Options { keep: &kept, ..Options::default() },
					&mut (),
				)
				.map_err(|e| {
					Error::new("run", e.to_string()).fix("run it again; try --adapter cpu")
				})?;
			watch.run(&run)?;
			visit(start, &run)?;
			for (name, array) in self.dequantize(&run) {
				let port = self.sidecar.outputs.iter().find(|port| port.name == name);
				let along = port.and_then(|port| port.samples);
				append(&mut outputs, &name, array, (used, batch), along)?;
			}
		}
		Ok(Results { outputs, saturated: watch.saturated() })
	}
}
