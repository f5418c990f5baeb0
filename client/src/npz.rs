//! Training's arrays in NumPy archives, through the importer's reader and writer.

use crate::error::Result;
use assay_frontend::{
	array::{Array as Stored, Data},
	npz,
};
use assay_training::{Array, Arrays};
use std::path::Path;

/// Reads every array of an `.npz` file. Errors: `file`, `bad-npz`.
pub fn read(path: &Path) -> Result<Arrays> {
	let wide = |stored: Stored| Array {
		values: match stored.data {
			Data::Float(values) => values.into_iter().map(f64::from).collect(),
			Data::Int(values) => values.into_iter().map(|value| value as f64).collect(),
		},
		dims: stored.dims,
	};
	Ok(npz::read(path)?.into_iter().map(|(name, stored)| (name, wide(stored))).collect())
}

/// Writes arrays as float32. Errors: `file`.
pub fn write(path: &Path, arrays: &Arrays) -> Result<()> {
	let narrow = |array: &Array| {
		let values = array.values.iter().map(|&value| value as f32).collect();
		Stored::float(array.dims.clone(), values)
	};
	let stored = arrays.iter().map(|(name, array)| (name.clone(), narrow(array))).collect();
	Ok(npz::write(path, &stored)?)
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
}
