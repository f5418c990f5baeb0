use super::finite::HIDES;
use crate::{
	array::Array,
	error::{short, Error, Result},
	eval::{self, Values},
	graph::Graph,
};

/// The part of an output's energy that passes may change: 40 dB. Rounding changes far less.
const CHANGED: f64 = 1e-4;

/// The part of the elements of an output of integers that may differ, where rounding decides
/// between two of them.
const DIFFERING: f64 = 0.05;

/// Checks that the passes left what the model computes as it was read: the report of an import
/// compares the integers with the graph after the passes, and could not see it otherwise. Error:
/// `changed-by-pass`.
pub fn same(read: &Graph, graph: &Graph, sample: &Values) -> Result<()> {
	let before = eval::run(read, sample)?;
	let after = eval::run(graph, sample)?;
	for name in &read.outputs {
		let (Some(a), Some(b)) = (before.get(name), after.get(name)) else { continue };
		if a.dims != b.dims {
			return Err(changed(name, format!("{:?} became {:?}", a.dims, b.dims)));
		}
		if let Some(how) = difference(a, b) {
			return Err(changed(name, how));
		}
	}
	Ok(())
}

fn changed(name: &str, how: String) -> Error {
	Error::new(
		"changed-by-pass",
		format!("output `{}` is not what the model computes: {how}", short(name)),
	)
	.fix(
		"this is a fault of the importer; please report the model, and write the operators \
		 before this output in another way meanwhile",
	)
}

/// How two arrays of the same shape differ by more than rounding.
pub(crate) fn difference(a: &Array, b: &Array) -> Option<String> {
	if a.is_int() && b.is_int() {
		let (a, b) = (a.ints(), b.ints());
		let count = a.iter().zip(&b).filter(|(a, b)| a != b).count();
		return (count as f64 > DIFFERING * a.len() as f64)
			.then(|| format!("{count} of {} integers differ", a.len()));
	}
	let (a, b) = (a.floats(), b.floats());
	// What is masked is not looked at: infinite before the passes, a large number after them.
	let seen = |x: &f32| x.is_finite() && x.abs() < HIDES;
	let (mut energy, mut error) = (0f64, 0f64);
	for (a, b) in a.iter().zip(&b).filter(|(a, b)| seen(a) && seen(b)) {
		energy += f64::from(*a).powi(2);
		error += (f64::from(*a) - f64::from(*b)).powi(2);
	}
	(error > CHANGED * energy + 1e-12 * a.len() as f64)
		.then(|| format!("its error is {error:.3e} of {energy:.3e}"))
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::{graph::Node, passes::testing};

	fn sum(b: Array) -> Graph {
		testing::graph(&[2, 3], vec![Node::new("s", "Add", &["x", "b"], "y")], &[("b", b)])
	}

	#[test]
	fn graph_should_be_refused_when_its_numbers_or_its_shape_are_others() {
		let read = sum(testing::noise(&[3], 1));
		let sample = testing::sample(&[2, 3]);
		assert!(same(&read, &read, &sample).is_ok());
		let mut rounded = testing::noise(&[3], 1).floats();
		rounded[1] += 1e-6;
		assert!(same(&read, &sum(Array::float([3], rounded.clone())), &sample).is_ok());
		rounded[1] += 0.5;
		let other = sum(Array::float([3], rounded));
		assert_eq!(same(&read, &other, &sample).unwrap_err().code, "changed-by-pass");
		let wider = sum(testing::noise(&[1, 1, 3], 1));
		let error = same(&read, &wider, &sample).unwrap_err();
		assert!(error.message.contains("[2, 3] became [1, 2, 3]"), "{error:?}");
	}
}
