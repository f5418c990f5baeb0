//! An imported model in a folder: program, weights, and what the integers mean.

use crate::{
	along::Along,
	array::Array,
	error::{io, list, short, Error, Result},
	files,
	lower::{Lowered, Origin, Port},
	npz::Arrays,
	samples,
};
use assay_exec::{Run, Tensor};
use assay_ops::{DType, TensorType};
use assay_program::{Checked, Limits, Program};
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
	/// Of an output: where the samples of a batch lie in it.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub samples: Option<Along>,
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
	/// The model's nodes in the order of the program's, for messages.
	#[serde(default)]
	pub nodes: Vec<Origin>,
	/// What saturated on the held-out samples of the import, where 8-bit ranges leave outliers out
	/// on purpose.
	#[serde(default)]
	pub saturated: Vec<Saturated>,
	/// Whether the held-out samples met the target; `--keep` writes those that did not too.
	#[serde(default)]
	pub target: Option<Verdict>,
}

/// How an import ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
	/// Whether the target was met.
	pub met: bool,
	/// What missed it, in sentences.
	pub misses: Vec<String>,
}

/// Where in a model elements are at the end of their range.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Saturated {
	/// Such as "input `x`" or "node `Gemm_0` (Gemm)".
	pub place: String,
	/// How many elements, over all runs.
	pub count: u64,
	/// Of so many.
	pub of: u64,
}

impl Saturated {
	/// As a part of all elements.
	pub fn share(&self) -> f64 {
		self.count as f64 / self.of.max(1) as f64
	}
}

/// Longest file of weights and of the rest.
const MOST_WEIGHTS: u64 = 64 << 30;
const MOST_SIDECAR: u64 = 64 << 20;

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
		samples: None,
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
				)
				.fix("report the model")
			})?;
			weights.insert(weight.name.clone(), tensor);
		}
		let sidecar = Sidecar {
			version: 1,
			batch: batch as u32,
			inputs: lowered.inputs.iter().map(meaning).collect(),
			outputs: lowered.outputs.iter().map(meaning).collect(),
			nodes: lowered.origins(),
			saturated: Vec::new(),
			target: None,
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
				let shape = ty.shape.dims().iter().map(|&dim| dim as usize).collect();
				TensorView::new(stored_as(ty.dtype), shape, data).map(|view| (name.as_str(), view))
			})
			.collect::<Result<Vec<_>, _>>()
			.map_err(io(&path))?;
		write(WEIGHTS, &safetensors::serialize(views, None).map_err(io(&path))?)?;
		let text = serde_json::to_string_pretty(&self.sidecar).map_err(io(folder))?;
		write(SIDECAR, text.as_bytes())
	}

	/// Reads what [`Model::save`] wrote. Errors: `file`, `too-large`, `bad-model-folder`,
	/// `rejected-program`.
	pub fn load(folder: &Path) -> Result<Self> {
		let read = |name: &str, most: u64| files::read(&folder.join(name), most);
		let program = read(PROGRAM, assay_program::MAX_PROGRAM_BYTES as u64)?;
		let sidecar = read(SIDECAR, MOST_SIDECAR)?;
		let weights = read(WEIGHTS, MOST_WEIGHTS)?;
		Self::from_bytes(&program, &weights, &sidecar).map_err(|mut error| {
			error.message = format!("{}: {}", folder.display(), error.message);
			error
		})
	}

	/// As [`Model::load`], from the bytes of the three files.
	pub fn from_bytes(program: &[u8], weights: &[u8], sidecar: &[u8]) -> Result<Self> {
		let bad = |name: &str, error: &dyn std::fmt::Display| {
			let fix = "import the model again with `assay model import`";
			Error::new("bad-model-folder", format!("{name}: {error}")).fix(fix)
		};
		let program = Program::decode_bounded(program).map_err(|e| bad(PROGRAM, &e))?;
		let checked = program.check(&Limits::default()).map_err(|e| {
			Error::new("rejected-program", format!("{PROGRAM}: {e}")).fix("import the model again")
		})?;
		let sidecar: Sidecar = serde_json::from_slice(sidecar).map_err(|e| bad(SIDECAR, &e))?;
		sidecar.fits(&program, &checked).map_err(|text| bad(SIDECAR, &text))?;
		let wanted = program
			.inputs
			.iter()
			.filter(|input| sidecar.inputs.iter().all(|port| port.program_name != input.name))
			.map(|input| (input.name.as_str(), input.ty));
		let weights = read_weights(weights, wanted).map_err(|text| bad(WEIGHTS, &text))?;
		Ok(Self { program, checked, weights, sidecar })
	}

	/// What node `at` of the program is, for messages.
	pub(crate) fn place(&self, at: usize) -> String {
		let mut first = 0;
		for origin in &self.sidecar.nodes {
			first += origin.nodes as usize;
			if at < first {
				return format!("node `{}` ({})", short(&origin.name), short(&origin.operator));
			}
		}
		format!("node {at} of the program")
	}

	/// Bytes of all weights as the chain stores them.
	pub fn weight_bytes(&self) -> u64 {
		self.weights.values().map(|tensor| tensor.ty.canonical_len()).sum()
	}

	/// The tensors that the program takes, in its order, for one batch of float samples.
	/// Errors: `missing-input`, `wrong-shape`, `bad-samples`.
	pub fn quantize(&self, samples: &Arrays) -> Result<Vec<Tensor>> {
		self.quantized(samples, usize::MAX, &mut |_, _, _| {})
	}

	/// As [`Model::quantize`], telling of each input how many elements of its first `used` samples
	/// were cut, and of how many.
	pub(crate) fn quantized(
		&self,
		samples: &Arrays,
		used: usize,
		clipped: &mut dyn FnMut(&str, u64, u64),
	) -> Result<Vec<Tensor>> {
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
				let dims = array.dims.iter().map(|&dim| u32::try_from(dim).ok());
				if !dims.eq(port.shape.iter().map(|&dim| Some(dim))) {
					return Err(Error::new(
						"wrong-shape",
						format!(
							"input `{}`: expected {:?}, got {:?}",
							short(&port.name),
							port.shape,
							array.dims
						),
					)
					.fix("the shape is the samples' at import; import again for another one"));
				}
				samples::finite(&port.name, array)?;
				if port.integer {
					samples::integers(&port.name, array)?;
				}
				let scale = if port.integer { 1.0 } else { port.scale };
				let (least, largest) = (input.ty.dtype.min(), input.ty.dtype.max());
				let (first, last) = (f64::from(least) - 0.5, f64::from(largest) + 0.5);
				let (mut cut, mut of) = (0, 0);
				let each = array.len() / array.dims.first().copied().unwrap_or(1).max(1);
				let counted = each.saturating_mul(used);
				let elements: Vec<i32> = array
					.float_data()
					.iter()
					.enumerate()
					.map(|(at, &x)| {
						let real = f64::from(x) / scale;
						if at < counted {
							of += 1;
							cut += u64::from(!(first..last).contains(&real));
						}
						crate::lower::quantize(x.into(), scale, input.ty.dtype)
					})
					.collect();
				let elements = match &array.data {
					// Exactly, which a float is not beyond 2^24.
					crate::array::Data::Int(data) if port.integer => {
						data.iter().map(|&x| input.ty.dtype.saturate(x)).collect()
					}
					_ => elements,
				};
				clipped(&port.name, cut, of);
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
}

impl Sidecar {
	/// Whether it is about this program.
	fn fits(&self, program: &Program, checked: &Checked) -> Result<(), String> {
		if self.version != 1 {
			return Err(format!("version {} is not known", self.version));
		}
		if self.batch == 0 {
			return Err("runs of no samples".into());
		}
		if self.outputs.len() != program.outputs.len() {
			let (own, others) = (self.outputs.len(), program.outputs.len());
			return Err(format!("{own} outputs, the program has {others}"));
		}
		let input = |port: &Meaning| {
			let found = program.inputs.iter().find(|input| input.name == port.program_name);
			found.map(|input| input.ty)
		};
		let output = |index: usize| {
			let output = program.outputs.get(index)?;
			checked.types.get(output.node as usize).copied()
		};
		let types = self
			.inputs
			.iter()
			.map(|port| (port, input(port)))
			.chain(self.outputs.iter().enumerate().map(|(index, port)| (port, output(index))));
		for (port, ty) in types {
			let fits = ty.is_some_and(|ty| {
				dtype_of(&port.dtype) == Some(ty.dtype) && port.shape == ty.shape.dims()
			});
			if !fits || !port.scale.is_finite() || port.scale <= 0.0 {
				let name = short(&port.name);
				return Err(format!("`{name}` has a dtype, shape or scale that does not fit"));
			}
		}
		Ok(())
	}
}

/// The weights of a safetensors file that a program wants. Error: what is wrong, in words.
pub fn read_weights<'a>(
	bytes: &[u8],
	wanted: impl Iterator<Item = (&'a str, TensorType)>,
) -> Result<HashMap<String, Tensor>, String> {
	let tensors = SafeTensors::deserialize(bytes).map_err(|e| e.to_string())?;
	let mut weights = HashMap::new();
	for (name, ty) in wanted {
		let place = |error: &dyn std::fmt::Display| format!("tensor `{}`: {error}", short(name));
		let view = tensors.tensor(name).map_err(|e| place(&e))?;
		let shape = view.shape().iter().map(|&dim| u32::try_from(dim).ok());
		let dims = ty.shape.dims().iter().map(|&dim| Some(dim));
		if view.dtype() != stored_as(ty.dtype) || !shape.eq(dims) {
			let found = format!("{:?} {:?}", view.dtype(), view.shape());
			return Err(place(&format!("{found} instead of {:?} {}", ty.dtype, ty.shape)));
		}
		let values = assay_ops::Values::from_row_major(ty, view.data()).map_err(|e| place(&e))?;
		weights.insert(name.to_string(), Tensor::new(ty, values.to_canonical()));
	}
	Ok(weights)
}

fn stored_as(dtype: DType) -> Dtype {
	match dtype {
		DType::I8 => Dtype::I8,
		DType::I16 => Dtype::I16,
		DType::I32 => Dtype::I32,
	}
}

fn missing(name: &str, sidecar: &Sidecar) -> Error {
	Error::new("missing-input", format!("nothing given for input `{}`", short(name))).fix(format!(
		"the samples need an array for each of: {}",
		list(sidecar.inputs.iter().map(|port| port.name.as_str()))
	))
}

/// How many samples the arrays hold. Errors: `missing-input`, `bad-samples` where they disagree.
pub fn sample_count<'a>(samples: &Arrays, names: impl Iterator<Item = &'a str>) -> Result<usize> {
	let mut first: Option<(&str, usize)> = None;
	let mut scalar = None;
	for name in names {
		let Some(array) = samples.get(name) else {
			return Err(Error::new(
				"missing-input",
				format!("no samples for input `{}`", short(name)),
			)
			.fix(format!(
				"name an array of the .npz file so; it has: {}",
				list(samples.keys().map(String::as_str))
			)));
		};
		let Some(&own) = array.dims.first() else {
			scalar = Some(name);
			continue;
		};
		if own == 0 {
			return Err(Error::new(
				"bad-samples",
				format!("input `{}` has no samples: its shape is {:?}", short(name), array.dims),
			)
			.fix("give at least one"));
		}
		let (other, count) = *first.get_or_insert((name, own));
		if count != own {
			return Err(Error::new(
				"bad-samples",
				format!(
					"input `{}` has {own} samples, input `{}` has {count}",
					short(name),
					short(other)
				),
			)
			.fix("give every array the same number of samples along its first dimension"));
		}
	}
	let count = first.map_or(1, |(_, count)| count);
	match scalar {
		Some(name) if count != 1 => Err(Error::new(
			"bad-samples",
			format!("input `{}` is one number, without a dimension for samples", short(name)),
		)
		.fix("make it a constant of the model (an initializer), or give it the shape [batch]")),
		_ => Ok(count),
	}
}
