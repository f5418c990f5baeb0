//! The elements of a tensor.

use super::external::Folder;
use crate::{
	array::{Array, Data},
	error::{short, Error, Result},
	limits::Limits,
	onnx,
};

/// Bytes of one element by ONNX's element type; `None` for types that are not read.
fn size(data_type: i32) -> Option<u64> {
	Some(match data_type {
		2 | 3 | 9 => 1,
		4 | 5 | 10 | 16 => 2,
		1 | 6 | 12 => 4,
		7 | 11 | 13 => 8,
		_ => return None,
	})
}

/// The elements of a tensor. Errors: `bad-model`, `unsupported`, `file`, `too-large`.
pub fn array(tensor: &onnx::Tensor, folder: &mut Folder, limits: &Limits) -> Result<Array> {
	let bad = |text: String| {
		Error::new("bad-model", format!("tensor `{}`: {text}", short(&tensor.name)))
			.fix("check the model with onnx.checker and export it again")
	};
	let dims = tensor
		.dims
		.iter()
		.map(|&dim| usize::try_from(dim).ok())
		.collect::<Option<Vec<usize>>>()
		.ok_or_else(|| bad("a negative dimension".into()))?;
	let Some(size) = size(tensor.data_type) else {
		return Err(Error::new(
			"unsupported",
			format!("tensor `{}` has element type {}", short(&tensor.name), tensor.data_type),
		)
		.fix("texts, complex, 4-bit and 8-bit floats cannot be imported; export as float32"));
	};
	let float = matches!(tensor.data_type, 1 | 10 | 11 | 16);
	limits.bytes(&format!("tensor `{}`", short(&tensor.name)), &dims, !float)?;
	let len: usize = dims.iter().product();
	let typed = [
		tensor.float_data.len(),
		tensor.int32_data.len(),
		tensor.int64_data.len(),
		tensor.double_data.len(),
		tensor.uint64_data.len(),
	];
	let external;
	let raw = match tensor.data_location {
		0 => &tensor.raw_data,
		1 => {
			external = folder.read(tensor, len as u64 * size)?;
			&external
		}
		other => return Err(bad(format!("its data are at an unknown place ({other})"))),
	};
	let kinds = typed.iter().filter(|len| **len > 0).count() + usize::from(!raw.is_empty());
	if kinds > 1 {
		return Err(bad("its elements are given in two ways".into()));
	}
	if !raw.is_empty() && raw.len() as u64 != len as u64 * size {
		let (found, whole) = (raw.len() as u64 / size, (raw.len() as u64).is_multiple_of(size));
		return Err(bad(if whole {
			format!("{found} elements where its dimensions say {len}")
		} else {
			format!("{} bytes where its shape and type need {}", raw.len(), len as u64 * size)
		}));
	}
	let data = if raw.is_empty() { stated(tensor) } else { plain(tensor.data_type, raw) };
	let data = data.map_err(bad)?;
	let found = match &data {
		Data::Float(data) => data.len(),
		Data::Int(data) => data.len(),
	};
	if found != len {
		return Err(bad(format!("{found} elements where its dimensions say {len}")));
	}
	Ok(Array { dims, data })
}

/// The least and the largest element of an integer type.
fn range(data_type: i32) -> (i64, i64) {
	match data_type {
		2 => (0, u8::MAX.into()),
		3 => (i8::MIN.into(), i8::MAX.into()),
		4 => (0, u16::MAX.into()),
		5 => (i16::MIN.into(), i16::MAX.into()),
		6 => (i32::MIN.into(), i32::MAX.into()),
		9 => (0, 1),
		12 => (0, u32::MAX.into()),
		13 => (0, i64::MAX),
		_ => (i64::MIN, i64::MAX),
	}
}

fn within(data_type: i32, elements: impl Iterator<Item = i128>) -> Result<Data, String> {
	let (least, largest) = range(data_type);
	let element = |value: i128| {
		i64::try_from(value)
			.ok()
			.filter(|value| (least..=largest).contains(value))
			.ok_or_else(|| format!("element {value} is outside its type"))
	};
	elements.map(element).collect::<Result<_, _>>().map(Data::Int)
}

/// Elements from the typed fields.
fn stated(tensor: &onnx::Tensor) -> Result<Data, String> {
	let narrow = || tensor.int32_data.iter().map(|&value| i128::from(value));
	let bits = || -> Result<Vec<u16>, String> {
		let Data::Int(bits) = within(4, narrow())? else { return Ok(Vec::new()) };
		Ok(bits.into_iter().map(|bits| bits as u16).collect())
	};
	Ok(match tensor.data_type {
		1 => Data::Float(tensor.float_data.clone()),
		10 => Data::Float(bits()?.into_iter().map(half).collect()),
		16 => Data::Float(bits()?.into_iter().map(brain).collect()),
		11 => Data::Float(tensor.double_data.iter().map(|&value| single(value)).collect()),
		7 => Data::Int(tensor.int64_data.clone()),
		12 | 13 => {
			within(tensor.data_type, tensor.uint64_data.iter().map(|&value| i128::from(value)))?
		}
		other => within(other, narrow())?,
	})
}

/// Elements from little-endian bytes, of which there are as many as it takes.
fn plain(data_type: i32, raw: &[u8]) -> Result<Data, String> {
	fn each<const N: usize, T>(raw: &[u8], element: impl Fn([u8; N]) -> T) -> Vec<T> {
		raw.chunks_exact(N).filter_map(|bytes| bytes.try_into().ok()).map(element).collect()
	}
	Ok(match data_type {
		1 => Data::Float(each(raw, f32::from_le_bytes)),
		10 => Data::Float(each(raw, |bytes| half(u16::from_le_bytes(bytes)))),
		16 => Data::Float(each(raw, |bytes| brain(u16::from_le_bytes(bytes)))),
		11 => Data::Float(each(raw, |bytes| single(f64::from_le_bytes(bytes)))),
		2 => Data::Int(each(raw, |[byte]| byte.into())),
		3 => Data::Int(each(raw, |[byte]| (byte as i8).into())),
		9 => within(9, raw.iter().map(|&byte| byte.into()))?,
		4 => Data::Int(each(raw, |bytes| u16::from_le_bytes(bytes).into())),
		5 => Data::Int(each(raw, |bytes| i16::from_le_bytes(bytes).into())),
		6 => Data::Int(each(raw, |bytes| i32::from_le_bytes(bytes).into())),
		12 => Data::Int(each(raw, |bytes| u32::from_le_bytes(bytes).into())),
		13 => {
			let wide = raw.chunks_exact(8).filter_map(|bytes| bytes.try_into().ok());
			within(13, wide.map(|bytes| i128::from(u64::from_le_bytes(bytes))))?
		}
		_ => Data::Int(each(raw, i64::from_le_bytes)),
	})
}

/// The nearest f32; what is finite stays so.
pub(crate) fn single(value: f64) -> f32 {
	let near = value as f32;
	if near.is_infinite() && value.is_finite() {
		f32::MAX.copysign(near)
	} else {
		near
	}
}

/// The value of a bfloat16.
fn brain(bits: u16) -> f32 {
	f32::from_bits(u32::from(bits) << 16)
}

/// The value of an IEEE half.
pub(crate) fn half(bits: u16) -> f32 {
	let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023));
	let magnitude = match exponent {
		0 => fraction * 2f32.powi(-24),
		31 if fraction == 0.0 => f32::INFINITY,
		31 => f32::NAN,
		_ => (1024.0 + fraction) * 2f32.powi(exponent - 25),
	};
	if bits >> 15 == 1 {
		-magnitude
	} else {
		magnitude
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn halves_should_be_exact_when_they_are_read() {
		for (bits, value) in
			[(0x3c00, 1.0), (0xc000, -2.0), (0x0001, 2f32.powi(-24)), (0x7bff, 65504.0)]
		{
			assert_eq!(half(bits), value, "{bits:#x}");
		}
		assert_eq!(half(0xfc00), f32::NEG_INFINITY);
		assert!(half(0x7e00).is_nan());
	}

	#[test]
	fn doubles_should_stay_finite_when_they_are_beyond_singles() {
		assert_eq!(single(-1e300), f32::MIN);
		assert_eq!(single(f64::NEG_INFINITY), f32::NEG_INFINITY);
		assert_eq!(single(0.1), 0.1f32);
	}

	#[test]
	fn tensors_should_be_refused_when_their_elements_do_not_fit() {
		let tensor = |dims: &[i64], data_type: i32| onnx::Tensor {
			dims: dims.to_vec(),
			data_type,
			name: "w".into(),
			..Default::default()
		};
		let raw = |dims: &[i64], data_type, raw_data: &[u8]| onnx::Tensor {
			raw_data: raw_data.to_vec(),
			..tensor(dims, data_type)
		};
		let twice = onnx::Tensor { float_data: vec![1.0], ..raw(&[1], 1, &[0; 4]) };
		let wide = onnx::Tensor { int32_data: vec![300], ..tensor(&[1], 2) };
		let unsigned = onnx::Tensor { uint64_data: vec![u64::MAX], ..tensor(&[1], 13) };
		for (tensor, says) in [
			(raw(&[2], 1, &[0; 9]), "9 bytes"),
			(raw(&[2], 1, &[0; 7]), "7 bytes"),
			(raw(&[2], 1, &[0; 4]), "1 elements"),
			(raw(&[2], 9, &[0, 2]), "outside its type"),
			(twice, "two ways"),
			(wide, "outside its type"),
			(unsigned, "outside its type"),
			(tensor(&[-1], 1), "negative"),
			(tensor(&[1 << 40, 1 << 40], 1), "larger than"),
			(tensor(&[0, 1 << 62, 1 << 62], 1), "larger than"),
			(tensor(&[1; 40], 1), "40 dimensions"),
			(tensor(&[1], 8), "element type 8"),
			(onnx::Tensor { data_location: 7, ..tensor(&[1], 1) }, "unknown place"),
			(onnx::Tensor { data_location: 1, ..tensor(&[1], 1) }, "no data file"),
		] {
			let found = array(&tensor, &mut Folder::new(None), &Limits::default());
			let error = found.unwrap_err();
			assert!(error.message.contains(says), "{error} does not say {says}");
			assert!(error.message.contains("`w`"), "{error}");
		}
		let empty = array(&tensor(&[0, 3], 1), &mut Folder::new(None), &Limits::default());
		assert!(empty.unwrap().is_empty());
	}
}
