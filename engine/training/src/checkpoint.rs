//! Checkpoints: the states of a training in a safetensors file, with what they belong to.

use crate::{
	array::Arrays,
	compile::Training,
	description::Description,
	error::{Error, Result},
	graph::Role,
	prepare,
	trainer::Trainer,
};
use assay_commitments::Hash;
use assay_exec::Tensor;
use assay_ops::{DType, TensorType, Values};
use assay_program::program_id;
use safetensors::{tensor::TensorView, Dtype, SafeTensors};
use std::{
	collections::HashMap,
	path::{Path, PathBuf},
};

/// The newest state of a training in its folder.
const FILE: &str = "state.safetensors";

fn hexadecimal(bytes: &[u8]) -> String {
	bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hash(text: &str) -> Option<Hash> {
	let mut hash = Hash::default();
	if text.len() != 2 * hash.len() {
		return None;
	}
	for (at, byte) in hash.iter_mut().enumerate() {
		*byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
	}
	Some(hash)
}

fn bad(path: &Path, reason: impl Into<String>) -> Error {
	Error::Checkpoint { path: path.display().to_string(), reason: reason.into() }
}

fn storage(dtype: DType) -> Dtype {
	match dtype {
		DType::I8 => Dtype::I8,
		DType::I16 => Dtype::I16,
		DType::I32 => Dtype::I32,
	}
}

fn values(path: &Path, name: &str, tensor: &Tensor) -> Result<Values> {
	Values::from_canonical(tensor.ty, &tensor.bytes)
		.map_err(|e| bad(path, format!("state `{name}`: {e}")))
}

/// What a training must have in common with its checkpoint: everything but the state.
fn identity(training: &Training, inputs: &[Tensor]) -> String {
	let mut bytes = program_id(&training.program.encode()).to_vec();
	for (at, tensor) in inputs.iter().enumerate() {
		if !is_state(training, at) {
			bytes.extend(tensor.root());
		}
	}
	hexadecimal(&program_id(&bytes))
}

fn is_state(training: &Training, input: usize) -> bool {
	training.program.states.iter().any(|state| usize::from(state.input) == input)
}

impl Trainer {
	/// Writes the state to `state.safetensors` in folder `dir`, in place of an older one. Error:
	/// [`Error::Checkpoint`].
	pub fn checkpoint(&self, dir: &Path) -> Result<PathBuf> {
		std::fs::create_dir_all(dir).map_err(|e| bad(dir, e.to_string()))?;
		let path = dir.join(FILE);
		let training = self.training();
		let mut stored = Vec::new();
		for (at, (input, tensor)) in training.program.inputs.iter().zip(&self.inputs).enumerate() {
			if is_state(training, at) {
				let bytes = values(&path, &input.name, tensor)?.to_row_major();
				let dims: Vec<usize> =
					input.ty.shape.dims().iter().map(|&dim| dim as usize).collect();
				stored.push((input.name.clone(), storage(input.ty.dtype), dims, bytes));
			}
		}
		let views = stored
			.iter()
			.map(|(name, dtype, dims, bytes)| {
				TensorView::new(*dtype, dims.clone(), bytes).map(|view| (name.as_str(), view))
			})
			.collect::<Result<Vec<_>, _>>()
			.map_err(|e| bad(&path, e.to_string()))?;
		let roots: String = self.trace_roots.iter().map(|root| hexadecimal(root)).collect();
		let about = HashMap::from([
			("training".to_owned(), identity(training, &self.inputs)),
			("steps".to_owned(), self.done.to_string()),
			("trace_roots".to_owned(), roots),
		]);
		let bytes =
			safetensors::serialize(views, Some(about)).map_err(|e| bad(&path, e.to_string()))?;
		// Whole or not at all.
		let part = dir.join("state.part");
		std::fs::write(&part, bytes).map_err(|e| bad(&part, e.to_string()))?;
		std::fs::rename(&part, &path).map_err(|e| bad(&path, e.to_string()))?;
		Ok(path)
	}

	/// Goes on where [`Trainer::checkpoint`] was called, with the same description and data: steps,
	/// roots and weights are those of a training that was never interrupted. Errors: those of
	/// [`Trainer::new`], [`Error::Checkpoint`].
	pub fn resume(description: &Description, data: &Arrays, dir: &Path) -> Result<Self> {
		let path = dir.join(FILE);
		let bytes = std::fs::read(&path).map_err(|e| bad(&path, e.to_string()))?;
		let stored = SafeTensors::deserialize(&bytes).map_err(|e| bad(&path, e.to_string()))?;
		let (_, header) =
			SafeTensors::read_metadata(&bytes).map_err(|e| bad(&path, e.to_string()))?;
		let about = header.metadata().clone().unwrap_or_default();
		let training = Training::compile(description, prepare::length(description, data)?)?;
		let mut inputs = prepare::inputs(&training, data, &Arrays::new())?;
		if about.get("training") != Some(&identity(&training, &inputs)) {
			let reason = "belongs to another description or other data; resume with those it was \
			              made with";
			return Err(bad(&path, reason));
		}
		let done = about.get("steps").and_then(|steps| steps.parse::<u32>().ok());
		let roots: Option<Vec<Hash>> = about.get("trace_roots").and_then(|roots| {
			let text = roots.as_bytes().chunks(64).map(std::str::from_utf8);
			text.map(|part| part.ok().and_then(hash)).collect()
		});
		let (Some(done), Some(trace_roots)) = (done, roots) else {
			return Err(bad(&path, "does not say which steps it follows"));
		};
		if trace_roots.len() != done as usize {
			return Err(bad(&path, "does not have a root for each step"));
		}
		for (at, input) in training.program.inputs.iter().enumerate() {
			if is_state(&training, at) {
				inputs[at] = state(&path, &stored, &input.name, input.ty)?;
			}
		}
		let step = training.roles.iter().position(|role| *role == Role::Step);
		if step.and_then(|at| inputs[at].elements()) != Some(vec![done as i32]) {
			return Err(bad(&path, "counts its steps in two ways"));
		}
		Ok(Self::from_parts(training, inputs, done, trace_roots))
	}
}

fn state(path: &Path, stored: &SafeTensors, name: &str, ty: TensorType) -> Result<Tensor> {
	let view = stored.tensor(name).map_err(|_| bad(path, format!("has no state `{name}`")))?;
	let dims = ty.shape.dims().iter().map(|&dim| dim as usize);
	if view.dtype() != storage(ty.dtype) || !dims.eq(view.shape().iter().copied()) {
		return Err(bad(path, format!("state `{name}` is not {:?} {}", ty.dtype, ty.shape)));
	}
	let values = Values::from_row_major(ty, view.data())
		.map_err(|e| bad(path, format!("state `{name}`: {e}")))?;
	Ok(Tensor::new(ty, values.to_canonical()))
}
