//! Training's arrays in NumPy archives, through the importer's reader and writer.

use crate::error::Result;
use assay_frontend::{
	array::{Array as Stored, Data},
	limits::Limits,
	npz,
};
use assay_training::{Array, Arrays};
use std::path::Path;

/// Reads arrays of an `.npz` file, all or those of `names`. Errors: `file`, `bad-npz`, `too-large`.
pub fn read(path: &Path, names: Option<&[&str]>) -> Result<Arrays> {
	let wide = |stored: Stored| Array {
		values: match stored.data {
			Data::Float(values) => values.into_iter().map(f64::from).collect(),
			Data::Int(values) => values.into_iter().map(|value| value as f64).collect(),
		},
		dims: stored.dims,
	};
	let arrays = npz::read(path, names, Limits::default())?;
	Ok(arrays.into_iter().map(|(name, stored)| (name, wide(stored))).collect())
}

/// Writes arrays as float32. Errors: `file`.
pub fn write(path: &Path, arrays: &Arrays) -> Result<()> {
	let narrow = |array: &Array| {
		let values = array.values.iter().map(|&value| value as f32).collect();
		Stored::float(array.dims.clone(), values)
	};
	let stored = arrays.iter().map(|(name, array)| (name.clone(), narrow(array))).collect();
	npz::write(path, &stored)
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
		assert_eq!(read(&path, None).unwrap(), arrays);
		assert_eq!(read(&path, Some(&["y"])).unwrap().len(), 1);
	}
}
