//! Between safetensors files and the canonical bytes of job inputs and outputs.

use crate::error::{io, Error, Result};
use assay_ops::{DType, TensorType, TILE_BYTES};
use safetensors::{tensor::TensorView, Dtype, SafeTensors};
use std::{
	collections::BTreeMap,
	path::{Path, PathBuf},
};

/// One `--input name=FILE[#tensor]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputArg {
	/// Name of the program's input.
	pub input: String,
	/// The safetensors file.
	pub file: PathBuf,
	/// The tensor in the file; the only one, or the one named like the input, when not given.
	pub tensor: Option<String>,
}

impl std::str::FromStr for InputArg {
	type Err = Error;

	fn from_str(text: &str) -> Result<Self> {
		let parts =
			text.split_once('=').filter(|(name, file)| !name.is_empty() && !file.is_empty());
		let Some((name, rest)) = parts else {
			return Err(Error::new("bad-input-argument", format!("`{text}` is not an input"))
				.fix("write --input NAME=FILE.safetensors or NAME=FILE.safetensors#TENSOR"));
		};
		let (file, tensor) = match rest.rsplit_once('#') {
			Some((file, tensor)) if !tensor.is_empty() => (file, Some(tensor.to_string())),
			_ => (rest, None),
		};
		Ok(Self { input: name.into(), file: file.into(), tensor })
	}
}

/// An input that the program declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
	/// Its name.
	pub name: String,
	/// Its type.
	pub ty: TensorType,
}

/// Element type and dimensions for people, such as `i8 [1797, 64]`.
pub fn describe(ty: &TensorType) -> String {
	format!("{} {}", dtype_name(ty.dtype), ty.shape)
}

/// `i8`, `i16` or `i32`.
pub fn dtype_name(dtype: DType) -> &'static str {
	match dtype {
		DType::I8 => "i8",
		DType::I16 => "i16",
		DType::I32 => "i32",
	}
}

/// Canonical bytes of row-major little-endian elements. `rows` has exactly `elements × size` bytes.
pub fn to_canonical(ty: &TensorType, row_major: &[u8]) -> Vec<u8> {
	let mut canonical = vec![0; ty.canonical_len() as usize];
	for_runs(ty, |element, offset, len| {
		canonical[offset..offset + len].copy_from_slice(&row_major[element..element + len]);
	});
	canonical
}

/// Row-major little-endian elements of canonical bytes; the padding is dropped.
pub fn from_canonical(ty: &TensorType, canonical: &[u8]) -> Vec<u8> {
	let mut row_major = vec![0; ty.elements() as usize * ty.dtype.size()];
	for_runs(ty, |element, offset, len| {
		row_major[element..element + len].copy_from_slice(&canonical[offset..offset + len]);
	});
	row_major
}

/// Calls `run(row-major byte, canonical byte, bytes)` for every piece that lies together in both.
fn for_runs(ty: &TensorType, mut run: impl FnMut(usize, usize, usize)) {
	let size = ty.dtype.size();
	let (cols, tile_cols) = (u64::from(ty.cols()), u64::from(ty.tile_cols()));
	for row in 0..u64::from(ty.rows()) {
		for col in (0..cols).step_by(tile_cols as usize) {
			let element = row * cols + col;
			let (tile, offset) = ty.position(element);
			let len = tile_cols.min(cols - col) as usize * size;
			run(element as usize * size, tile as usize * TILE_BYTES + offset, len);
		}
	}
}

/// A file and the tensors in it.
struct Opened {
	path: PathBuf,
	bytes: Vec<u8>,
}

impl Opened {
	fn read(path: &Path) -> Result<Self> {
		// Devices and pipes need not end.
		let bytes = assay_frontend::files::read(path, u64::MAX)?;
		let opened = Self { path: path.into(), bytes };
		opened.tensors()?;
		Ok(opened)
	}

	fn tensors(&self) -> Result<SafeTensors<'_>> {
		SafeTensors::deserialize(&self.bytes).map_err(|e| {
			Error::new("bad-safetensors", format!("{}: {e}", self.path.display()))
				.fix("the file is not a complete safetensors file; write it again")
		})
	}

	fn names(&self) -> Vec<String> {
		let mut names: Vec<_> = self
			.tensors()
			.map(|t| t.names().into_iter().map(String::from).collect())
			.unwrap_or_default();
		names.sort();
		names
	}

	/// The canonical bytes of tensor `name` for input `wanted`.
	fn canonical(&self, name: &str, wanted: &Wanted) -> Result<Vec<u8>> {
		let tensors = self.tensors()?;
		let view = tensors.tensor(name).map_err(|_| {
			Error::new("unknown-tensor", format!("{} has no tensor `{name}`", self.path.display()))
				.fix(format!("it has: {}", self.names().join(", ")))
		})?;
		check_type(name, &self.path, wanted, &view)?;
		Ok(to_canonical(&wanted.ty, view.data()))
	}
}

fn check_type(name: &str, path: &Path, wanted: &Wanted, view: &TensorView) -> Result<()> {
	let place = format!("tensor `{name}` of {} for input `{}`", path.display(), wanted.name);
	let expected = match wanted.ty.dtype {
		DType::I8 => Dtype::I8,
		DType::I16 => Dtype::I16,
		DType::I32 => Dtype::I32,
	};
	let shape: Vec<u64> = view.shape().iter().map(|d| *d as u64).collect();
	let got = format!("{} {shape:?}", format!("{:?}", view.dtype()).to_lowercase());
	if view.dtype() != expected {
		return Err(Error::new(
			"wrong-dtype",
			format!("{place}: expected {}, got {got}", describe(&wanted.ty)),
		)
		.fix(format!("quantize and store it as {}", dtype_name(wanted.ty.dtype))));
	}
	if !shape.iter().copied().eq(wanted.ty.shape.dims().iter().map(|d| u64::from(*d))) {
		return Err(Error::new(
			"wrong-shape",
			format!("{place}: expected {}, got {got}", describe(&wanted.ty)),
		)
		.fix(format!("reshape it to {}", wanted.ty.shape)));
	}
	Ok(())
}

/// Finds the bytes of every input, in program order: first the `--input` arguments, then the
/// tensors of the `--weights` files by name.
///
/// # Errors
/// `unknown-input`, `missing-input`, `unknown-tensor`, `wrong-dtype`, `wrong-shape`,
/// `bad-safetensors`, `file`.
pub fn collect(
	wanted: &[Wanted],
	inputs: &[InputArg],
	weights: &[PathBuf],
) -> Result<Vec<Vec<u8>>> {
	let mut by_name = BTreeMap::new();
	for arg in inputs {
		if !wanted.iter().any(|w| w.name == arg.input) {
			let names: Vec<_> = wanted.iter().map(|w| w.name.as_str()).collect();
			return Err(Error::new(
				"unknown-input",
				format!("the program has no input `{}`", arg.input),
			)
			.fix(format!("its inputs are: {}", names.join(", "))));
		}
		if by_name.insert(arg.input.as_str(), arg).is_some() {
			return Err(Error::new(
				"duplicate-input",
				format!("input `{}` is given twice", arg.input),
			)
			.fix("give each --input once"));
		}
	}
	let weights = weights.iter().map(|p| Opened::read(p)).collect::<Result<Vec<_>>>()?;
	wanted
		.iter()
		.map(|w| match by_name.get(w.name.as_str()) {
			Some(arg) => {
				let file = Opened::read(&arg.file)?;
				let names = file.names();
				let tensor = match (&arg.tensor, names.as_slice()) {
					(Some(tensor), _) => tensor.clone(),
					(None, [only]) => only.clone(),
					(None, _) => w.name.clone(),
				};
				file.canonical(&tensor, w)
			}
			None => {
				let file = weights.iter().find(|f| f.names().contains(&w.name));
				file.ok_or_else(|| missing(w, &weights))?.canonical(&w.name, w)
			}
		})
		.collect()
}

fn missing(wanted: &Wanted, weights: &[Opened]) -> Error {
	let mut fix = format!("pass --input {}=FILE.safetensors", wanted.name);
	for file in weights {
		fix += &format!("; {} has: {}", file.path.display(), file.names().join(", "));
	}
	Error::new(
		"missing-input",
		format!("nothing given for input `{}` ({})", wanted.name, describe(&wanted.ty)),
	)
	.fix(fix)
}

/// Writes named tensors, given by canonical bytes, as one safetensors file.
pub fn write(path: &Path, tensors: &[(String, TensorType, Vec<u8>)]) -> Result<()> {
	let plain: Vec<_> = tensors
		.iter()
		.map(|(name, ty, canonical)| (name, ty, from_canonical(ty, canonical)))
		.collect();
	let views = plain
		.iter()
		.map(|(name, ty, data)| {
			let dtype = match ty.dtype {
				DType::I8 => Dtype::I8,
				DType::I16 => Dtype::I16,
				DType::I32 => Dtype::I32,
			};
			let shape = ty.shape.dims().iter().map(|d| *d as usize).collect();
			TensorView::new(dtype, shape, data).map(|view| (name.as_str(), view))
		})
		.collect::<Result<Vec<_>, _>>();
	let bytes = views.and_then(|v| safetensors::serialize(v, None)).map_err(|e| {
		Error::new("bad-safetensors", format!("{}: {e}", path.display()))
			.fix("report this with the job's number")
	})?;
	let part = path.with_extension("part");
	std::fs::write(&part, bytes).map_err(io(&part))?;
	std::fs::rename(&part, path).map_err(io(path))
}

#[cfg(test)]
mod tests {
	use super::*;

	fn ty(dtype: DType, dims: &[u32]) -> TensorType {
		TensorType::new(dtype, dims).unwrap()
	}

	fn wanted(name: &str, dtype: DType, dims: &[u32]) -> Wanted {
		Wanted { name: name.into(), ty: ty(dtype, dims) }
	}

	fn file(dir: &Path, name: &str, tensors: &[(&str, Dtype, &[usize], &[u8])]) -> PathBuf {
		let views =
			tensors.iter().map(|(n, d, s, b)| (*n, TensorView::new(*d, s.to_vec(), b).unwrap()));
		let path = dir.join(name);
		std::fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
		path
	}

	#[test]
	fn canonical_bytes_should_match_the_definition_when_edges_are_ragged() {
		for (dtype, dims, split) in [
			(DType::I8, vec![3, 5], 1),
			(DType::I8, vec![33, 70], 1),
			(DType::I16, vec![40, 17], 1),
			(DType::I32, vec![2, 17, 18], 2),
			(DType::I32, vec![2, 17, 18], 1),
			(DType::I16, vec![1030], 0),
			(DType::I32, vec![], 0),
		] {
			let ty = ty(dtype, &dims).with_split(split).unwrap();
			let n = ty.elements() as usize * dtype.size();
			let data: Vec<u8> = (0..n).map(|i| (i * 37 + 11) as u8).collect();
			let canonical = to_canonical(&ty, &data);
			let mut expected = vec![0; ty.canonical_len() as usize];
			for element in 0..ty.elements() as usize {
				let (tile, offset) = ty.position(element as u64);
				let from = element * dtype.size();
				let to = tile as usize * TILE_BYTES + offset;
				expected[to..to + dtype.size()].copy_from_slice(&data[from..from + dtype.size()]);
			}
			assert_eq!(canonical, expected, "{dims:?}");
			assert_eq!(from_canonical(&ty, &canonical), data, "{dims:?}");
		}
	}

	#[test]
	fn inputs_should_be_mapped_by_name_when_weights_hold_the_rest() {
		let dir = tempfile::tempdir().unwrap();
		let images =
			file(dir.path(), "digits", &[("pixels", Dtype::I8, &[2, 3], &[1, 2, 3, 4, 5, 6])]);
		let weights = file(
			dir.path(),
			"mlp",
			&[
				("w", Dtype::I8, &[1, 3], &[7, 8, 9]),
				("b", Dtype::I32, &[1], &[1, 0, 0, 0]),
				("unused", Dtype::F32, &[1], &[0; 4]),
			],
		);
		let program = [
			wanted("w", DType::I8, &[1, 3]),
			wanted("images", DType::I8, &[2, 3]),
			wanted("b", DType::I32, &[1]),
		];
		let arg: InputArg = format!("images={}", images.display()).parse().unwrap();
		let bytes = collect(&program, &[arg], &[weights]).unwrap();
		let expected = [
			to_canonical(&program[0].ty, &[7, 8, 9]),
			to_canonical(&program[1].ty, &[1, 2, 3, 4, 5, 6]),
			to_canonical(&program[2].ty, &[1, 0, 0, 0]),
		];
		assert_eq!(bytes, expected);
	}

	#[test]
	fn inputs_should_be_refused_with_expected_and_got_when_types_differ() {
		let dir = tempfile::tempdir().unwrap();
		let path = file(
			dir.path(),
			"f",
			&[("x", Dtype::I16, &[2, 3], &[0; 12]), ("y", Dtype::I8, &[3, 2], &[0; 6])],
		);
		let program = [wanted("x", DType::I8, &[2, 3])];
		let error = collect(&program, &[], std::slice::from_ref(&path)).unwrap_err();
		assert_eq!(error.code, "wrong-dtype");
		assert!(error.message.contains("expected i8 [2, 3], got i16 [2, 3]"), "{error}");
		let arg: InputArg = format!("x={}#y", path.display()).parse().unwrap();
		let error = collect(&program, &[arg], &[]).unwrap_err();
		assert_eq!(error.code, "wrong-shape");
		assert!(error.message.contains("expected i8 [2, 3], got i8 [3, 2]"), "{error}");
		let arg: InputArg = format!("x={}#z", path.display()).parse().unwrap();
		let error = collect(&program, &[arg], &[]).unwrap_err();
		assert_eq!(error.code, "unknown-tensor");
		assert_eq!(error.fix.as_deref(), Some("it has: x, y"));
		let arg: InputArg = format!("z={}", path.display()).parse().unwrap();
		assert_eq!(collect(&program, &[arg], &[]).unwrap_err().code, "unknown-input");
		let error = collect(&[wanted("q", DType::I8, &[1])], &[], &[path]).unwrap_err();
		assert_eq!(error.code, "missing-input");
		assert!(error.fix.unwrap().contains("--input q="));
	}

	#[test]
	fn files_should_be_refused_when_truncated_at_any_length() {
		let dir = tempfile::tempdir().unwrap();
		let path = file(dir.path(), "f", &[("x", Dtype::I8, &[4], &[1, 2, 3, 4])]);
		let whole = std::fs::read(&path).unwrap();
		let program = [wanted("x", DType::I8, &[4])];
		for len in 0..whole.len() {
			std::fs::write(&path, &whole[..len]).unwrap();
			let error = collect(&program, &[], std::slice::from_ref(&path)).unwrap_err();
			assert_eq!(error.code, "bad-safetensors", "length {len}");
		}
	}

	#[test]
	fn outputs_should_be_read_back_when_written_as_safetensors() {
		let dir = tempfile::tempdir().unwrap();
		let path = dir.path().join("outputs.safetensors");
		let ty = ty(DType::I32, &[3, 17]);
		let data: Vec<u8> = (0..3 * 17 * 4).map(|i| i as u8).collect();
		write(&path, &[("logits".into(), ty, to_canonical(&ty, &data))]).unwrap();
		let bytes = std::fs::read(&path).unwrap();
		let tensors = SafeTensors::deserialize(&bytes).unwrap();
		let view = tensors.tensor("logits").unwrap();
		assert_eq!(
			(view.dtype(), view.shape(), view.data()),
			(Dtype::I32, &[3, 17][..], &data[..])
		);
	}

	#[test]
	fn input_argument_should_split_name_file_and_tensor_when_given() {
		let arg: InputArg = "x=a/b.safetensors#layer.0".parse().unwrap();
		assert_eq!(arg.tensor.as_deref(), Some("layer.0"));
		assert_eq!(arg.file, Path::new("a/b.safetensors"));
		for bad in ["x", "=f", "x="] {
			assert_eq!(bad.parse::<InputArg>().unwrap_err().code, "bad-input-argument");
		}
	}
}
