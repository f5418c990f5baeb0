//! Runs a training program step by step, keeping its state.

use crate::{
	array::{Array, Arrays},
	compile::{Training, LOSS_BITS},
	description::Description,
	error::{array, Result},
	graph::{Role, WEIGHT_EXPONENT},
	prepare,
};
use assay_commitments::{run_root, Hash};
use assay_exec::{Executor, Observer, Options, Tensor, Work};
use assay_program::Source;

/// Most runs of the first step that look for exponents.
const CALIBRATION_RUNS: u32 = 128;

/// How often a tensor saturated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saturation {
	/// The tensor.
	pub name: String,
	/// Steps in which at least one element was at the end of the range.
	pub steps: u32,
	/// Its exponent for the next step; nothing for a tensor whose exponent does not adapt.
	pub exponent: i32,
}

/// A training under way.
#[derive(Clone, Debug)]
pub struct Trainer {
	training: Training,
	/// The program's inputs; those of states hold the state.
	pub(crate) inputs: Vec<Tensor>,
	pub(crate) done: u32,
	pub(crate) trace_roots: Vec<Hash>,
}

impl Trainer {
	/// Compiles `description` for `data`, and begins with `weights` where they are given, else at
	/// random.
	///
	/// Exponents are found by running the first step with `executor` until they stay; nothing but
	/// they is kept of these runs, and as inputs of the job they are part of its definition.
	/// Errors: those of [`Training::compile`], [`crate::Error::Array`], [`crate::Error::Run`].
	pub fn new(
		description: &Description,
		data: &Arrays,
		weights: &Arrays,
		executor: &mut dyn Executor,
	) -> Result<Self> {
		let training = Training::compile(description, prepare::length(description, data)?)?;
		let inputs = prepare::inputs(&training, data, weights)?;
		let mut this = Self { training, inputs, done: 0, trace_roots: Vec::new() };
		this.calibrate(executor)?;
		Ok(this)
	}

	pub(crate) fn from_parts(
		training: Training,
		inputs: Vec<Tensor>,
		done: u32,
		trace_roots: Vec<Hash>,
	) -> Self {
		Self { training, inputs, done, trace_roots }
	}

	fn position(&self, role: &Role) -> Option<usize> {
		self.training.roles.iter().position(|other| other == role)
	}

	fn elements(&self, role: &Role) -> Vec<i32> {
		self.position(role).and_then(|at| self.inputs[at].elements()).unwrap_or_default()
	}

	fn calibrate(&mut self, executor: &mut dyn Executor) -> Result<()> {
		let Some(at) = self.position(&Role::Exponents) else { return Ok(()) };
		let states = &self.training.program.states;
		let Some(state) = states.iter().find(|state| usize::from(state.input) == at) else {
			return Ok(());
		};
		let keep = [Source::Node(state.update)];
		let ty = self.inputs[at].ty;
		let slots = self.training.slots.len();
		for _ in 0..CALIBRATION_RUNS {
			let training = &self.training;
			let run = executor.run(
				&Work {
					program: &training.program,
					checked: &training.checked,
					inputs: &self.inputs,
					steps: 1,
				},
				Options { keep: &keep, ..Options::default() },
				&mut (),
			)?;
			let found = run.kept.into_iter().find_map(|(_, tensor)| tensor.elements());
			let mut found = found.unwrap_or_default();
			found.truncate(slots);
			// Nothing is stored yet under the exponents of the step before.
			let both: Vec<i32> = found.iter().chain(&found).copied().collect();
			let next = Tensor::from_elements(ty, &both)
				.ok_or_else(|| array("exponents", "changed its length"))?;
			if next == self.inputs[at] {
				break;
			}
			self.inputs[at] = next;
		}
		Ok(())
	}

	/// Runs so many further steps. Error: [`crate::Error::Run`]; the state is then that before the
	/// call.
	pub fn run(
		&mut self,
		executor: &mut dyn Executor,
		steps: u32,
		observer: &mut dyn Observer,
	) -> Result<()> {
		if steps == 0 {
			return Ok(());
		}
		let Training { program, checked, .. } = &self.training;
		let keep: Vec<Source> =
			program.states.iter().map(|state| Source::Node(state.update)).collect();
		let run = executor.run(
			&Work { program, checked, inputs: &self.inputs, steps },
			Options { keep: &keep, ..Options::default() },
			observer,
		)?;
		for (state, (_, tensor)) in program.states.iter().zip(run.kept) {
			self.inputs[usize::from(state.input)] = tensor;
		}
		self.trace_roots.extend(run.trace_roots);
		self.done += steps;
		Ok(())
	}

	/// The program and what its inputs mean.
	pub fn training(&self) -> &Training {
		&self.training
	}

	/// The program's inputs for a job that goes on from here.
	pub fn inputs(&self) -> &[Tensor] {
		&self.inputs
	}

	/// Steps that are done.
	pub fn done(&self) -> u32 {
		self.done
	}

	/// Root over the trace roots of all steps so far: what a provider of one job of so many steps
	/// commits to, however often the training was interrupted.
	pub fn run_root(&self) -> Hash {
		run_root(&self.trace_roots)
	}

	/// Mean loss of each step so far, in nats.
	pub fn losses(&self) -> Vec<f64> {
		let unit = 2f64.powi(-LOSS_BITS);
		let losses = self.elements(&Role::Losses);
		losses.into_iter().take(self.done as usize).map(|loss| f64::from(loss) * unit).collect()
	}

	/// Every tensor that is watched.
	pub fn saturations(&self) -> Vec<Saturation> {
		let counts = self.elements(&Role::Saturations);
		let exponents = self.elements(&Role::Exponents);
		let slots = self.training.slots.iter().zip(counts).zip(exponents);
		slots
			.map(|((slot, steps), exponent)| Saturation {
				name: slot.name.clone(),
				steps: steps as u32,
				exponent,
			})
			.collect()
	}

	/// Parameters with elements at the end of their fixed range, and how many.
	pub fn clipped(&self) -> Vec<(String, u64)> {
		let ends = |at: usize| {
			let numbers = self.elements(&Role::Parameter(at));
			numbers.iter().filter(|&&x| x == i32::MIN || x == i32::MAX).count() as u64
		};
		let parameters = self.training.parameters.iter().enumerate();
		parameters
			.map(|(at, parameter)| (parameter.name.clone(), ends(at)))
			.filter(|(_, count)| *count > 0)
			.collect()
	}

	/// Parameters as they are now.
	pub fn weights(&self) -> Arrays {
		let unit = 2f64.powi(WEIGHT_EXPONENT);
		let parameters = self.training.parameters.iter().enumerate();
		parameters
			.map(|(at, parameter)| {
				let numbers = self.elements(&Role::Parameter(at));
				let values = numbers.into_iter().map(|value| f64::from(value) * unit).collect();
				let dims = parameter.dims.iter().map(|&dim| dim as usize).collect();
				(parameter.name.clone(), Array { dims, values })
			})
			.collect()
	}
}
