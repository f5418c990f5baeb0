//! What samples must be: numbers, and such that they say something.

use crate::{
	array::{Array, Data},
	error::{short, Error, Result},
	graph::Input,
	npz::Arrays,
};

fn bad(message: String, fix: &str) -> Error {
	Error::new("bad-samples", message).fix(fix)
}

/// Position `at` of an array, for people.
fn place(array: &Array, at: usize) -> Vec<usize> {
	let strides = crate::array::strides(&array.dims);
	array.dims.iter().zip(strides).map(|(&dim, stride)| at / stride % dim.max(1)).collect()
}

/// Refuses NaN and infinities in the array of an input. Error: `bad-samples`.
pub(crate) fn finite(name: &str, array: &Array) -> Result<()> {
	let Data::Float(data) = &array.data else { return Ok(()) };
	let count = data.iter().filter(|x| !x.is_finite()).count();
	let Some(at) = data.iter().position(|x| !x.is_finite()) else { return Ok(()) };
	Err(bad(
		format!(
			"input `{}`: {count} of {} elements are no finite numbers; the first is {} at {:?}",
			short(name),
			data.len(),
			data[at],
			place(array, at)
		),
		"clean the samples; give a mask as a large finite number such as -1e9",
	))
}

/// Refuses what does not fit the integers of an input. Error: `bad-samples`.
pub(crate) fn integers(name: &str, array: &Array) -> Result<()> {
	let wrong = match &array.data {
		Data::Int(data) => data
			.iter()
			.position(|&x| i32::try_from(x).is_err())
			.map(|at| (at, format!("{} does not fit 32 bits", data[at]))),
		Data::Float(data) => data
			.iter()
			.position(|&x| x.fract() != 0.0 || x.abs() >= 2f32.powi(31))
			.map(|at| (at, format!("{} is no integer of 32 bits", data[at]))),
	};
	match wrong {
		Some((at, text)) => Err(bad(
			format!("input `{}` takes integers: {text}, at {:?}", short(name), place(array, at)),
			"store it as int64",
		)),
		None => Ok(()),
	}
}

/// Whether all elements are the same; of one element nothing can be said.
fn constant(array: &Array) -> bool {
	match &array.data {
		Data::Float(data) => data.len() > 1 && data.windows(2).all(|pair| pair[0] == pair[1]),
		Data::Int(data) => data.len() > 1 && data.windows(2).all(|pair| pair[0] == pair[1]),
	}
}

/// Refuses samples that are no numbers, that are empty, or that say nothing about how large values
/// get. Error: `bad-samples`, which names the input.
pub fn check(inputs: &[Input], samples: &Arrays, calibrating: bool) -> Result<()> {
	let mut varying = false;
	for input in inputs {
		let Some(array) = samples.get(&input.name) else { continue };
		let name = short(&input.name);
		if array.is_empty() {
			return Err(bad(
				format!("input `{name}` has shape {:?}: a dimension of 0", array.dims),
				"give it elements; of a model with a cache, export the first step without the cache",
			));
		}
		finite(&input.name, array)?;
		if input.integer {
			integers(&input.name, array)?;
		}
		let same = constant(array);
		varying |= !same;
		if calibrating && same && !input.integer {
			return Err(constants(&name, array));
		}
	}
	match inputs.first().and_then(|input| Some((input, samples.get(&input.name)?))) {
		Some((input, array)) if calibrating && !varying => {
			Err(constants(&short(&input.name), array))
		}
		_ => Ok(()),
	}
}

fn constants(name: &str, array: &Array) -> Error {
	let value = array.float_data().first().copied().unwrap_or_default();
	bad(
		format!("input `{name}`: all {} elements of the samples are {value}", array.len()),
		"give samples as they occur: from them come the ranges of all values",
	)
}

/// One batch of samples; the last sample repeats where there are too few.
pub fn chunk(samples: &Arrays, start: usize, batch: usize) -> Arrays {
	samples.iter().map(|(name, array)| (name.clone(), array.samples(start, batch))).collect()
}

#[cfg(test)]
mod tests {
	use super::*;

	fn input(name: &str, integer: bool) -> Input {
		Input { name: name.into(), integer, dims: vec![None, None] }
	}

	fn refused(inputs: &[Input], samples: Arrays) -> String {
		let error = check(inputs, &samples, true).unwrap_err();
		assert_eq!(error.code, "bad-samples");
		error.message
	}

	#[test]
	fn samples_should_be_refused_by_name_when_they_are_no_numbers_or_constant() {
		let x = [input("x", false)];
		let array = |data: Vec<f32>| Arrays::from([("x".into(), Array::float([2, 2], data))]);
		let nan = refused(&x, array(vec![0.0, 1.0, f32::NAN, 2.0]));
		assert!(nan.contains("`x`") && nan.contains("1 of 4") && nan.contains("[1, 0]"), "{nan}");
		assert!(refused(&x, array(vec![f32::INFINITY; 4])).contains("4 of 4"));
		assert!(refused(&x, array(vec![0.0; 4])).contains("all 4 elements"));
		assert!(refused(&x, array(vec![3.0; 4])).contains("are 3"));
		let empty = Arrays::from([("x".into(), Array::float([2, 0], vec![]))]);
		assert!(refused(&x, empty).contains("dimension of 0"));
		assert!(check(&x, &array(vec![0.0, 1.0, 0.0, 0.0]), true).is_ok());
		// What is compared on, or run, may be constant.
		assert!(check(&x, &array(vec![0.0; 4]), false).is_ok());
	}

	#[test]
	fn integers_may_be_constant_when_something_else_varies() {
		let inputs = [input("ids", true), input("mask", true)];
		let ones = || Array::int([2, 2], vec![1; 4]);
		let ids = Array::int([2, 2], vec![1, 2, 3, 4]);
		let samples = Arrays::from([("ids".into(), ids), ("mask".into(), ones())]);
		assert!(check(&inputs, &samples, true).is_ok());
		refused(&inputs, Arrays::from([("ids".into(), ones()), ("mask".into(), ones())]));
		let wide = Array::int([1, 2], vec![1, 1 << 40]);
		let samples = Arrays::from([("ids".into(), wide), ("mask".into(), ones())]);
		assert!(refused(&inputs, samples).contains("does not fit"));
	}
}
