//! NumPy archives: named arrays in, named arrays out.

use crate::{
	array::{Array, Data},
	error::{io, Error, Result},
};
use npyz::{DType, NpyFile, Order, TypeChar, WriterBuilder};
use std::{
	collections::BTreeMap,
	fs::File,
	io::{BufReader, Cursor, Read, Write},
	path::Path,
};
use zip::{write::SimpleFileOptions, ZipArchive, ZipWriter};

/// Most bytes of one array in a file.
const MAX_BYTES: u64 = 8 << 30;

/// Named arrays.
pub type Arrays = BTreeMap<String, Array>;

/// Reads an `.npz` file. Errors: `file`, `bad-npz`.
pub fn read(path: &Path) -> Result<Arrays> {
	let file = File::open(path).map_err(io(path))?;
	let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|e| bad(path, "", e))?;
	let mut arrays = Arrays::new();
	for index in 0..archive.len() {
		let entry = archive.by_index(index).map_err(|e| bad(path, "", e))?;
		let entry_name = entry.name().map_err(|e| bad(path, "", e))?.into_owned();
		let Some(name) = npyz::npz::array_name_from_file_name(&entry_name) else { continue };
		let mut bytes = Vec::new();
		entry.take(MAX_BYTES).read_to_end(&mut bytes).map_err(|e| bad(path, name, e))?;
		arrays.insert(name.into(), read_npy(&bytes).map_err(|e| bad(path, name, e))?);
	}
	Ok(arrays)
}

fn bad(path: &Path, name: &str, error: impl std::fmt::Display) -> Error {
	Error::new(
		"bad-npz",
		format!("{} array `{name}`: {error}", path.display()),
		"write it with numpy.savez(FILE, input_name=array, …), of numbers or bools",
	)
}

/// One `.npy` file of bool, integers or floats.
pub fn read_npy(bytes: &[u8]) -> std::io::Result<Array> {
	let file = NpyFile::new(Cursor::new(bytes))?;
	let invalid = |text: String| std::io::Error::new(std::io::ErrorKind::InvalidData, text);
	let DType::Plain(ty) = file.dtype() else {
		return Err(invalid("it has fields; only plain numbers are read".into()));
	};
	let dims: Vec<usize> = file.shape().iter().map(|&dim| dim as usize).collect();
	let needed = dims
		.iter()
		.try_fold(ty.size_field(), |all, &dim| all.checked_mul(dim as u64))
		.filter(|&needed| needed <= bytes.len() as u64);
	if needed.is_none() {
		return Err(invalid(format!("it ends before its {dims:?} elements")));
	}
	let order = file.order();
	fn ints<T: npyz::Deserialize + Into<i64>>(
		file: NpyFile<Cursor<&[u8]>>,
	) -> std::io::Result<Data> {
		Ok(Data::Int(file.into_vec::<T>()?.into_iter().map(Into::into).collect()))
	}
	let data = match (ty.type_char(), ty.size_field()) {
		(TypeChar::Float, 4) => Data::Float(file.into_vec()?),
		(TypeChar::Float, 8) => {
			Data::Float(file.into_vec::<f64>()?.into_iter().map(|v| v as f32).collect())
		}
		(TypeChar::Bool, _) => ints::<bool>(file)?,
		(TypeChar::Int, 1) => ints::<i8>(file)?,
		(TypeChar::Int, 2) => ints::<i16>(file)?,
		(TypeChar::Int, 4) => ints::<i32>(file)?,
		(TypeChar::Int, 8) => ints::<i64>(file)?,
		(TypeChar::Uint, 1) => ints::<u8>(file)?,
		(TypeChar::Uint, 2) => ints::<u16>(file)?,
		(TypeChar::Uint, 4) => ints::<u32>(file)?,
		_ => {
			return Err(invalid(format!(
				"elements of type {ty} are not read; use float32 or int64"
			)))
		}
	};
	let array = Array { dims, data };
	if order == Order::Fortran {
		let reversed: Vec<usize> = array.dims.iter().rev().copied().collect();
		let strides: Vec<usize> = crate::array::strides(&reversed).into_iter().rev().collect();
		let at = crate::array::walk(&array.dims, &strides, 0);
		return Ok(array.pick(array.dims.clone(), at.into_iter()));
	}
	Ok(array)
}

/// Writes an `.npz` file that `numpy.load` reads: floats as float32, integers as int64.
pub fn write(path: &Path, arrays: &Arrays) -> Result<()> {
	let part = path.with_extension("part");
	let file = File::create(&part).map_err(io(&part))?;
	let mut archive = ZipWriter::new(file);
	for (name, array) in arrays {
		let options =
			SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
		let entry = npyz::npz::file_name_from_array_name(name);
		archive.start_file(entry, options).map_err(io(&part))?;
		let shape: Vec<u64> = array.dims.iter().map(|&dim| dim as u64).collect();
		let mut bytes = Vec::new();
		let options = npyz::WriteOptions::new().default_dtype().shape(&shape);
		let written = match &array.data {
			Data::Float(data) => options.writer(&mut bytes).begin_nd().and_then(|mut writer| {
				writer.extend(data)?;
				writer.finish()
			}),
			Data::Int(data) => npyz::WriteOptions::new()
				.default_dtype()
				.shape(&shape)
				.writer(&mut bytes)
				.begin_nd()
				.and_then(|mut writer| {
					writer.extend(data)?;
					writer.finish()
				}),
		};
		written.and_then(|()| archive.write_all(&bytes)).map_err(io(&part))?;
	}
	archive.finish().map_err(io(&part))?;
	std::fs::rename(&part, path).map_err(io(path))
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn arrays_should_be_read_back_when_written() {
		let dir = tempfile::tempdir().unwrap();
		let path = dir.path().join("a.npz");
		let arrays = Arrays::from([
			("x".into(), Array::float([2, 3], vec![1.0, -2.5, 3.0, 0.0, 5.0, 6.0])),
			("ids".into(), Array::int([3], vec![-1, 0, 1 << 40])),
			("scalar".into(), Array::float([], vec![7.0])),
		]);
		write(&path, &arrays).unwrap();
		assert_eq!(read(&path).unwrap(), arrays);
	}

	#[test]
	fn archives_should_be_refused_when_truncated_at_any_length() {
		let dir = tempfile::tempdir().unwrap();
		let path = dir.path().join("a.npz");
		write(&path, &Arrays::from([("x".into(), Array::float([4], vec![1.0; 4]))])).unwrap();
		let whole = std::fs::read(&path).unwrap();
		for len in 0..whole.len() {
			std::fs::write(&path, &whole[..len]).unwrap();
			assert_eq!(read(&path).unwrap_err().code, "bad-npz", "length {len}");
		}
	}
}
