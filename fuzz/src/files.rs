//! Files of people's own machines that others wrote: models, samples, weights, descriptions.

use assay_frontend::{
	array::Array,
	calibrate::{Precision, Range},
	import::{build, prepare, Options},
	limits::Limits,
	model::read_weights,
	npz, read,
};
use assay_ops::{DType, TensorType};
use assay_training::{Description, Training};
use std::io::Cursor;

/// Little enough that thousands of mutations take seconds.
fn limits() -> Limits {
	Limits { value: 1 << 22, live: 1 << 23, work: 20_000_000, total_work: 60_000_000 }
}

/// Bytes of an ONNX model.
///
/// Reading it never panics, and neither does importing it with samples of the shapes that it asks
/// for. What is refused is refused in a sentence of bounded length without control characters; what
/// is imported passes the check of the chain.
pub fn onnx(data: &[u8]) {
	let options = Options {
		batch: Some(2),
		range: Range::Max,
		precision: Precision::Mixed(25.0),
		limits: limits(),
		..Options::default()
	};
	let imported = read::decode(data, None, options.limits).and_then(|graph| {
		let mut samples = npz::Arrays::new();
		for input in &graph.inputs {
			let mut dims: Vec<usize> =
				input.dims.iter().map(|dim| dim.unwrap_or(2).min(64)).collect();
			if let Some(first) = dims.first_mut() {
				*first = 2;
			}
			let len: usize = dims.iter().product();
			if dims.len() > 6 || len > 1 << 16 {
				return Ok(None);
			}
			let value = |i: usize| ((i * 37 + 11) % 17) as i64;
			let array = match input.integer {
				true => Array::int(dims, (0..len).map(|i| value(i) % 2).collect()),
				false => {
					Array::float(dims, (0..len).map(|i| value(i) as f32 / 8.0 - 1.0).collect())
				}
			};
			samples.insert(input.name.clone(), array);
		}
		let prepared = prepare(graph, &samples, &options)?;
		build(&prepared, &options).map(|(model, ..)| Some(model))
	});
	match imported {
		Ok(Some(model)) => {
			let again = model.program.check(&assay_program::Limits::default());
			assert!(again.is_ok(), "an imported program is admitted");
		}
		Ok(None) => {}
		Err(error) => sentence(&error),
	}
}

/// An error says what is wrong, shortly, and harms no terminal.
fn sentence(error: &assay_frontend::Error) {
	let fix = error.fix.as_deref().unwrap_or_default();
	for text in [&error.message, fix] {
		assert!((1..2_000).contains(&text.chars().count()), "{error:?}");
		assert!(!text.chars().any(char::is_control), "{error:?}");
	}
}

/// Bytes of a NumPy archive: reading it never panics and takes no more than it may; what is read is
/// written and read back alike.
pub fn npz(data: &[u8]) {
	for names in [None, Some(&["x"][..])] {
		match npz::read_from(Cursor::new(data), "fuzz.npz", names, limits()) {
			Ok(arrays) => {
				let bytes: u64 = arrays.values().map(Array::bytes).sum();
				assert!(bytes <= limits().live, "{bytes} bytes were read");
				let mut written = Cursor::new(Vec::new());
				if npz::write_to(&mut written, &arrays).is_ok() {
					let back = npz::read_from(written, "fuzz.npz", names, Limits::default());
					let back = back.expect("what was written is read");
					assert_eq!(format!("{back:?}"), format!("{arrays:?}"));
				}
			}
			Err(error) => sentence(&error),
		}
	}
}

/// What a safetensors file of weights is asked for here.
pub(crate) fn wanted() -> [(&'static str, TensorType); 3] {
	let ty = |dtype, dims: &[u32]| TensorType::new(dtype, dims).expect("a small shape");
	[("w", ty(DType::I8, &[3, 4])), ("b", ty(DType::I32, &[3])), ("shift", ty(DType::I16, &[1]))]
}

/// Bytes of a safetensors file: reading weights never panics, and gives tensors of the types that
/// were asked for.
pub fn safetensors(data: &[u8]) {
	let Ok(weights) = read_weights(data, wanted().into_iter()) else { return };
	for (name, ty) in wanted() {
		let tensor = &weights[name];
		assert_eq!(tensor.ty, ty);
		assert_eq!(tensor.bytes.len() as u64, ty.canonical_len());
	}
}

/// Bytes of the description of a training: reading and compiling it never panics; what is compiled
/// is admitted.
pub fn description(data: &[u8]) {
	let Ok(text) = std::str::from_utf8(data) else { return };
	let Ok(description) = Description::from_json(text) else { return };
	let again = serde_json::to_string(&description).expect("a description is JSON");
	assert_eq!(Description::from_json(&again).ok().as_ref(), Some(&description));
	if let Ok(training) = Training::compile(&description, 40) {
		assert!(training.program.check(&assay_program::Limits::default()).is_ok());
	}
}
