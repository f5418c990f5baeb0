//! An imported model in a folder: program, weights, and what the integers mean.

use crate::{
	array::Array,
	error::{io, Error, Result},
	lower::{Lowered, Port},
	npz::Arrays,
};
use assay_exec::{Executor, Run, Tensor};
use assay_ops::{DType, TensorType};
use assay_program::{Checked, Limits, Program, Source};
use safetensors::{tensor::TensorView, Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, path::Path};

/// File names in the folder.
pub const PROGRAM: &str = "model.program";
/// See [`PROGRAM`].
pub const WEIGHTS: &str = "weights.safetensors";
/// See [`PROGRAM`].
pub const SIDECAR: &str = "model.json";

/// What `model.json` says of one input or output: `real = integer · scale`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Meaning {
	/// Name in the float model.
	pub name: String,
	/// Name in the program.
	pub program_name: String,
	/// `i8`, `i16` or `i32`.
	pub dtype: String,
	/// Dimensions in both.
	pub shape: Vec<u32>,
	/// What one unit stands for.
	pub scale: f64,
	/// Whether the float model has integers there, which are taken as they are.
	pub integer: bool,
}

/// `model.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sidecar {
	/// Version of this file: 1.
	pub version: u32,
	/// Samples in one run of the program.
	pub batch: u32,
	/// Inputs in the model's order.
	pub inputs: Vec<Meaning>,
	/// Outputs in the model's order.
	pub outputs: Vec<Meaning>,
}

/// A model that is ready to run.
#[derive(Clone, Debug)]
pub struct Model {
	/// The integer program.
	pub program: Program,
	/// What the check proved of it.
	pub checked: Checked,
	/// Constant inputs by name.
	pub weights: HashMap<String, Tensor>,
	/// What its integers mean.
	pub sidecar: Sidecar,
}

fn dtype_of(name: &str) -> Option<DType> {
	match name {
		"i8" => Some(DType::I8),
		"i16" => Some(DType::I16),
		"i32" => Some(DType::I32),
		_ => None,
	}
}

fn meaning(port: &Port) -> Meaning {
	let dtype = match port.dtype {
		DType::I8 => "i8",
		DType::I16 => "i16",
		DType::I32 => "i32",
	};
	Meaning {
		name: port.name.clone(),
		program_name: port.program_name.clone(),
		dtype: dtype.into(),
		shape: port.dims.clone(),
		scale: port.scale,
		integer: port.integer,
	}
}

impl Model {
	/// From a lowered model that [`crate::anchors::place`] has checked.
	pub fn new(lowered: &Lowered, checked: Checked, batch: usize) -> Result<Self> {
		let mut weights = HashMap::new();
		for weight in &lowered.weights {
			let tensor = Tensor::from_elements(weight.ty, &weight.data).ok_or_else(|| {
				Error::new(
					"bad-program",
					format!("weight `{}` has {} elements", weight.name, weight.data.len()),
					"report the model",
				)
			})?;
			weights.insert(weight.name.clone(), tensor);
		}
		let sidecar = Sidecar {
			version: 1,
			batch: batch as u32,
			inputs: lowered.inputs.iter().map(meaning).collect(),
			outputs: lowered.outputs.iter().map(meaning).collect(),
		};
		Ok(Self { program: lowered.program.clone(), checked, weights, sidecar })
	}

	/// Writes program, weights and `model.json` into `folder`, which is made.
	pub fn save(&self, folder: &Path) -> Result<()> {
		std::fs::create_dir_all(folder).map_err(io(folder))?;
		let write = |name: &str, bytes: &[u8]| {
			let path = folder.join(name);
			let part = path.with_extension("part");
			std::fs::write(&part, bytes).map_err(io(&part))?;
			std::fs::rename(&part, &path).map_err(io(&path))
		};
		write(PROGRAM, &self.program.encode())?;
		let mut plain: Vec<(String, TensorType, Vec<u8>)> = Vec::new();
		for (name, tensor) in &self.weights {
			let size = tensor.ty.dtype.size();
			let elements = tensor.elements().unwrap_or_default();
			let bytes =
				elements.iter().flat_map(|e| e.to_le_bytes().into_iter().take(size)).collect();
			plain.push((name.clone(), tensor.ty, bytes));
		}
		plain.sort_by(|a, b| a.0.cmp(&b.0));
		let path = folder.join(WEIGHTS);
		let views = plain
			.iter()
			.map(|(name, ty, data)| {
				let dtype = match ty.dtype {
					DType::I8 => Dtype::I8,
					DType::I16 => Dtype::I16,
					DType::I32 => Dtype::I32,
				};
				let shape = ty.shape.dims().iter().map(|&dim| dim as usize).collect();
				TensorView::new(dtype, shape, data).map(|view| (name.as_str(), view))
			})
			.collect::<Result<Vec<_>, _>>()
			.map_err(io(&path))?;
		write(WEIGHTS, &safetensors::serialize(views, None).map_err(io(&path))?)?;
		let text = serde_json::to_string_pretty(&self.sidecar).map_err(io(folder))?;
		write(SIDECAR, text.as_bytes())
	}

	/// Reads what [`Model::save`] wrote. Errors: `file`, `bad-model-folder`, `rejected-program`.
	pub fn load(folder: &Path) -> Result<Self> {
		let read = |name: &str| {
			let path = folder.join(name);
			std::fs::read(&path).map_err(io(&path))
		};
		let bad = |name: &str, error: &dyn std::fmt::Display| {
			Error::new(
				"bad-model-folder",
				format!("{}: {error}", folder.join(name).display()),
				"import the model again with `assay model import`",
			)
		};
		let program = Program::decode_bounded(&read(PROGRAM)?).map_err(|e| bad(PROGRAM, &e))?;
		let checked = program.check(&Limits::default()).map_err(|e| {
			Error::new("rejected-program", format!("{PROGRAM}: {e}"), "import the model again")
		})?;
		let sidecar: Sidecar =
			serde_json::from_slice(&read(SIDECAR)?).map_err(|e| bad(SIDECAR, &e))?;
		let bytes = read(WEIGHTS)?;
		let tensors = SafeTensors::deserialize(&bytes).map_err(|e| bad(WEIGHTS, &e))?;
		let mut weights = HashMap::new();
		for input in &program.inputs {
			if sidecar.inputs.iter().any(|port| port.program_name == input.name) {
				continue;
			}
			let view = tensors.tensor(&input.name).map_err(|e| bad(WEIGHTS, &e))?;
			let values = assay_ops::Values::from_row_major(input.ty, view.data())
				.map_err(|e| bad(WEIGHTS, &format!("tensor `{}`: {e}", input.name)))?;
			let tensor = Tensor::new(input.ty, values.to_canonical());
			weights.insert(input.name.clone(), tensor);
		}
		for port in sidecar.inputs.iter().chain(&sidecar.outputs) {
			let fits =
				dtype_of(&port.dtype).is_some() && port.scale.is_finite() && port.scale > 0.0;
			if !fits {
				return Err(bad(SIDECAR, &format!("`{}` has a bad dtype or scale", port.name)));
			}
		}
		Ok(Self { program, checked, weights, sidecar })
	}

	/// Bytes of all weights as the chain stores them.
	pub fn weight_bytes(&self) -> u64 {
		self.weights.values().map(|tensor| tensor.ty.canonical_len()).sum()
	}

	/// The tensors that the program takes, in its order, for one batch of float samples.
	/// Errors: `missing-input`, `wrong-shape`.
	pub fn quantize(&self, samples: &Arrays) -> Result<Vec<Tensor>> {
		self.program
			.inputs
			.iter()
			.map(|input| {
				let Some(port) = self.sidecar.inputs.iter().find(|p| p.program_name == input.name)
				else {
					return self
						.weights
						.get(&input.name)
						.cloned()
						.ok_or_else(|| missing(&input.name, &self.sidecar));
				};
				let array =
					samples.get(&port.name).ok_or_else(|| missing(&port.name, &self.sidecar))?;
				let dims: Vec<u32> = array.dims.iter().map(|&dim| dim as u32).collect();
				if dims != port.shape {
					return Err(Error::new(
						"wrong-shape",
						format!("input `{}`: expected {:?}, got {dims:?}", port.name, port.shape),
						"the shape is the samples' at import; import again for another one",
					));
				}
				let elements: Vec<i32> = if array.is_int() && port.integer {
					array.ints().iter().map(|&x| input.ty.dtype.saturate(x)).collect()
				} else {
					let q =
						|x: &f32| crate::lower::quantize((*x).into(), port.scale, input.ty.dtype);
					array.floats().iter().map(q).collect()
				};
				Tensor::from_elements(input.ty, &elements)
					.ok_or_else(|| missing(&port.name, &self.sidecar))
			})
			.collect()
	}

	/// What the program's outputs stand for.
	pub fn dequantize(&self, run: &Run) -> Arrays {
		let mut arrays = Arrays::new();
		for (port, tensor) in self.sidecar.outputs.iter().zip(&run.outputs) {
			let elements = tensor.elements().unwrap_or_default();
			let dims: Vec<usize> = port.shape.iter().map(|&dim| dim as usize).collect();
			let array = if port.integer {
				Array::int(dims, elements.into_iter().map(i64::from).collect())
			} else {
				let real = |x: i32| (f64::from(x) * port.scale) as f32;
				Array::float(dims, elements.into_iter().map(real).collect())
			};
			arrays.insert(port.name.clone(), array);
		}
		arrays
	}

	/// Runs any number of samples, batch by batch; `keep` and `visit` are for reports.
	pub fn run(
		&self,
		executor: &mut dyn Executor,
		samples: &Arrays,
		keep: &[Source],
		mut visit: impl FnMut(usize, &Run),
	) -> Result<Arrays> {
		let batch = self.sidecar.batch as usize;
		let names = self.sidecar.inputs.iter().map(|port| port.name.as_str());
		// A model of constants has one run.
		let count =
			if self.sidecar.inputs.is_empty() { batch } else { sample_count(samples, names)? };
		let mut results = Arrays::new();
		for start in (0..count).step_by(batch.max(1)) {
			let inputs = self.quantize(&chunk(samples, start, batch))?;
			let run = executor
				.run_keeping(&self.program, &self.checked, &inputs, 1, keep, &mut ())
				.map_err(|e| Error::new("run", e.to_string(), "run it again; try --adapter cpu"))?;
			visit(start, &run);
			for (name, array) in self.dequantize(&run) {
				append(&mut results, name, array, batch.min(count - start), batch);
			}
		}
		Ok(results)
	}
}

fn missing(name: &str, sidecar: &Sidecar) -> Error {
	let names: Vec<_> = sidecar.inputs.iter().map(|port| port.name.as_str()).collect();
	Error::new(
		"missing-input",
		format!("nothing given for input `{name}`"),
		format!("the samples need an array for each of: {}", names.join(", ")),
	)
}

/// How many samples the arrays hold. Errors: `missing-input`, `bad-samples` where they disagree.
pub fn sample_count<'a>(samples: &Arrays, names: impl Iterator<Item = &'a str>) -> Result<usize> {
	let mut count = None;
	for name in names {
		let Some(array) = samples.get(name) else {
			let found: Vec<_> = samples.keys().map(String::as_str).collect();
			return Err(Error::new(
				"missing-input",
				format!("no samples for input `{name}`"),
				format!("name an array of the .npz file so; it has: {}", found.join(", ")),
			));
		};
		let own = array.dims.first().copied().unwrap_or(1);
		if *count.get_or_insert(own) != own || own == 0 {
			return Err(Error::new(
				"bad-samples",
				format!("input `{name}` has {own} samples, others have {}", count.unwrap_or(0)),
				"give every array the same number of samples along its first dimension",
			));
		}
	}
	Ok(count.unwrap_or(1))
}

/// One batch of samples; the last sample repeats where there are too few.
pub fn chunk(samples: &Arrays, start: usize, batch: usize) -> Arrays {
	samples.iter().map(|(name, array)| (name.clone(), array.samples(start, batch))).collect()
}

/// Adds the first `used` samples of a batch to what there is.
pub(crate) fn append(results: &mut Arrays, name: String, array: Array, used: usize, batch: usize) {
	let batched = array.dims.first() == Some(&batch);
	let part = if batched { array.samples(0, used) } else { array };
	match results.get_mut(&name) {
		Some(all) if batched => {
			all.dims[0] += used;
			match (&mut all.data, part.data) {
				(crate::array::Data::Float(all), crate::array::Data::Float(part)) => {
					all.extend(part)
				}
				(crate::array::Data::Int(all), crate::array::Data::Int(part)) => all.extend(part),
				_ => {}
			}
		}
		Some(_) => {}
		None => drop(results.insert(name, part)),
	}
}
