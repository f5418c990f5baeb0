//! NumPy archives: named arrays of numbers in, named arrays out.

use crate::error::{io, Error, Result};
use assay_training::{Array, Arrays};
use ndarray::{ArrayD, IxDyn, OwnedRepr};
use ndarray_npy::{NpzReader, NpzWriter, ReadNpzError, ReadableElement};
use std::{fs::File, path::Path};

type Archive = NpzReader<File>;

fn bad(path: &Path, name: &str, error: impl std::fmt::Display) -> Error {
	Error::new("bad-npz", format!("{} array `{name}`: {error}", path.display()))
		.fix("write it with numpy.savez(FILE, name=array, …), of numbers")
}

fn numbers<T: ReadableElement>(
	archive: &mut Archive,
	name: &str,
	convert: impl Fn(T) -> f64,
) -> Result<Array, ReadNpzError> {
	let array: ArrayD<T> = archive.by_name::<OwnedRepr<T>, IxDyn>(name)?;
	let dims = array.shape().to_vec();
	// `into_iter` follows the logical order, whatever the order in the file is.
	Ok(Array { dims, values: array.into_iter().map(convert).collect() })
}

fn array(archive: &mut Archive, name: &str) -> Result<Array, ReadNpzError> {
	numbers(archive, name, |value: f32| value.into())
		.or_else(|_| numbers(archive, name, |value: f64| value))
		.or_else(|_| numbers(archive, name, |value: i64| value as f64))
		.or_else(|_| numbers(archive, name, |value: i32| value.into()))
		.or_else(|_| numbers(archive, name, |value: i16| value.into()))
		.or_else(|_| numbers(archive, name, |value: i8| value.into()))
		.or_else(|_| numbers(archive, name, |value: u8| value.into()))
		.or_else(|_| numbers(archive, name, |value: u16| value.into()))
		.or_else(|_| numbers(archive, name, |value: u32| value.into()))
}

/// Reads every array of an `.npz` file. Errors: `file`, `bad-npz`.
pub fn read(path: &Path) -> Result<Arrays> {
	let file = File::open(path).map_err(io(path))?;
	let mut archive = NpzReader::new(file).map_err(|e| bad(path, "", e))?;
	let names = archive.names().map_err(|e| bad(path, "", e))?;
	names
		.into_iter()
		.map(|name| {
			let read = array(&mut archive, &name).map_err(|e| bad(path, &name, e))?;
			Ok((name.trim_end_matches(".npy").to_owned(), read))
		})
		.collect()
}

/// Writes arrays as float64. Errors: `file`, `bad-npz`.
pub fn write(path: &Path, arrays: &Arrays) -> Result<()> {
	let part = path.with_extension("part");
	let file = File::create(&part).map_err(io(&part))?;
	let mut archive = NpzWriter::new(file);
	for (name, array) in arrays {
		let shape = IxDyn(&array.dims);
		let values =
			ArrayD::from_shape_vec(shape, array.values.clone()).map_err(|e| bad(path, name, e))?;
		archive.add_array(name.as_str(), &values).map_err(|e| bad(path, name, e))?;
	}
	archive.finish().map_err(|e| bad(path, "", e))?;
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
			("0.weight".into(), Array { dims: vec![2, 2], values: vec![1.0, -2.5, 3.0, 0.5] }),
			("y".into(), Array { dims: vec![3], values: vec![0.0, 1.0, 2.0] }),
		]);
		write(&path, &arrays).unwrap();
		assert_eq!(read(&path).unwrap(), arrays);
	}

	#[test]
	fn archives_should_be_refused_when_truncated() {
		let dir = tempfile::tempdir().unwrap();
		let path = dir.path().join("a.npz");
		let arrays = Arrays::from([("x".into(), Array { dims: vec![4], values: vec![1.0; 4] })]);
		write(&path, &arrays).unwrap();
		let whole = std::fs::read(&path).unwrap();
		for len in 0..whole.len() {
			std::fs::write(&path, &whole[..len]).unwrap();
			assert_eq!(read(&path).unwrap_err().code, "bad-npz", "length {len}");
		}
	}
}
