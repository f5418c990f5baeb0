//! Along which dimension of an output the samples of a batch lie. It is mostly the first, one row
//! for each sample; but exports flatten samples and positions into one dimension, put time first,
//! or have no dimension of the batch at all.

use crate::{
	array::{walk, Array},
	error::{short, Error, Result},
	eval::{self, Values},
	graph::Graph,
	npz::Arrays,
	passes::difference,
	samples::chunk,
};
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, sync::Arc};

/// Where the samples lie in an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Along {
	/// The dimension.
	pub axis: usize,
	/// How many places of it belong to one sample; 0 where the output has no dimension of the
	/// samples.
	pub rows: usize,
}

impl Along {
	const NOWHERE: Self = Self { axis: 0, rows: 0 };
}

/// What was found of a model.
#[derive(Clone, Debug, Default)]
pub struct Found {
	/// By output.
	pub along: HashMap<String, Along>,
	/// What should be looked at.
	pub warnings: Vec<String>,
}

fn values(arrays: Arrays) -> Values {
	arrays.into_iter().map(|(name, array)| (name, Arc::new(array))).collect()
}

/// Finds out by running the model as it was read: with twice the batch, where its inputs leave that
/// open; else, or where it cannot, with the samples of the batch in another order.
pub fn find(graph: &Graph, samples: &Arrays, batch: usize) -> Result<Found> {
	let one = eval::run(graph, &values(chunk(samples, 0, batch)))?;
	let open = graph.inputs.iter().all(|input| input.dims.first() == Some(&None));
	let grown =
		|twice: &Values| graph.outputs.iter().any(|name| grows(&one, twice, name, batch).is_some());
	// Where the batch is written into the model all the same, it cannot run, or nothing grows.
	let twice = open
		.then(|| eval::run(graph, &values(chunk(samples, 0, 2 * batch))).ok())
		.flatten()
		.filter(grown);
	let mut found = Found::default();
	match twice {
		Some(twice) => {
			for name in &graph.outputs {
				let (Some(a), Some(b)) = (one.get(name), twice.get(name)) else { continue };
				let along = grows(&one, &twice, name, batch).unwrap_or(Along::NOWHERE);
				let apart = along.rows > 0
					&& difference(a, &part(b, along.axis, 0, a.dims[along.axis])).is_some();
				if apart {
					found.warnings.push(mixes(name));
				}
				found.along.insert(name.clone(), along);
			}
		}
		None => {
			let order: Vec<usize> = (0..batch).map(|i| (i + 1) % batch).collect();
			let turned = chunk(samples, 0, batch)
				.into_iter()
				.map(|(name, array)| (name, pick(&array, 0, &order, 1)))
				.collect();
			let turned = eval::run(graph, &values(turned))?;
			for name in &graph.outputs {
				let (Some(a), Some(b)) = (one.get(name), turned.get(name)) else { continue };
				let fits = |axis: &usize| {
					let rows = a.dims[*axis] / batch;
					rows > 0
						&& a.dims[*axis] % batch == 0
						&& difference(&pick(a, *axis, &order, rows), b).is_none()
				};
				let axis = (0..a.rank()).find(fits);
				let along = axis.map(|axis| Along { axis, rows: a.dims[axis] / batch });
				if along.is_none() && difference(a, b).is_some() {
					found.warnings.push(mixes(name));
				}
				found.along.insert(name.clone(), along.unwrap_or(Along::NOWHERE));
			}
		}
	}
	Ok(found)
}

fn mixes(name: &str) -> String {
	format!(
		"output `{}`: what it is of one sample depends on the others of its batch; give whole batches of samples that \
		 belong together",
		short(name)
	)
}

/// The one dimension that is twice as long for twice the batch.
fn grows(one: &Values, twice: &Values, name: &str, batch: usize) -> Option<Along> {
	let (a, b) = (one.get(name)?, twice.get(name)?);
	let mut grown = (0..a.rank()).filter(|&axis| a.dims[axis] != *b.dims.get(axis).unwrap_or(&0));
	let axis = grown.next()?;
	let alone = grown.next().is_none() && a.rank() == b.rank();
	(alone && b.dims[axis] == 2 * a.dims[axis] && a.dims[axis] % batch == 0)
		.then_some(Along { axis, rows: a.dims[axis] / batch })
}

/// Some places of a dimension, in groups of `rows`, in this order.
fn pick(array: &Array, axis: usize, order: &[usize], rows: usize) -> Array {
	let mut dims = array.dims.clone();
	let Some(len) = dims.get(axis).copied() else { return array.clone() };
	let inner: usize = dims.iter().skip(axis + 1).product();
	let outer: usize = dims.iter().take(axis).product();
	dims[axis] = order.len() * rows;
	let places = (0..outer).flat_map(|o| {
		order.iter().flat_map(move |&i| {
			let at = (o * len + i * rows) * inner;
			at..at + rows * inner
		})
	});
	array.pick(dims, places)
}

/// `count` places of a dimension from `start` on.
fn part(array: &Array, axis: usize, start: usize, count: usize) -> Array {
	let mut dims = array.dims.clone();
	let strides = crate::array::strides(&dims);
	let Some(dim) = dims.get_mut(axis) else { return array.clone() };
	*dim = count;
	let from = start * strides[axis];
	array.pick(dims.clone(), walk(&dims, &strides, from))
}

/// Adds the first `used` samples of a batch of `batch` to what there is. Error: `no-batch` where an
/// output that has no dimension of the samples is another one for another batch.
pub fn append(
	results: &mut Arrays,
	name: &str,
	array: Array,
	(used, batch): (usize, usize),
	along: Option<Along>,
) -> Result<()> {
	// Of a file from before it was said.
	let along = along.unwrap_or(match array.dims.first() == Some(&batch) {
		true => Along { axis: 0, rows: 1 },
		false => Along::NOWHERE,
	});
	if along.rows == 0 || along.axis >= array.rank() {
		return match results.get(name) {
			Some(first) if *first != array => Err(Error::new(
				"no-batch",
				format!(
					"output `{}` has no dimension for samples, and is another for others",
					short(name)
				),
			)
			.fix(format!("give at most {batch} samples at a time"))),
			_ => {
				results.entry(name.to_string()).or_insert(array);
				Ok(())
			}
		};
	}
	let array = part(&array, along.axis, 0, used * along.rows);
	let joined = match results.remove(name) {
		Some(before) => join(before, &array, along.axis),
		None => array,
	};
	results.insert(name.to_string(), joined);
	Ok(())
}

/// Two arrays one after the other along a dimension.
fn join(a: Array, b: &Array, axis: usize) -> Array {
	let mut dims = a.dims.clone();
	dims[axis] += b.dims[axis];
	let outer: usize = dims.iter().take(axis).product();
	let each = |array: &Array| array.len() / outer.max(1);
	let (first, second) = (each(&a), each(b));
	use crate::array::Data;
	let data = match (a.data, &b.data) {
		(Data::Float(mut all), Data::Float(more)) if outer == 1 => {
			all.extend(more);
			Data::Float(all)
		}
		(Data::Int(mut all), Data::Int(more)) if outer == 1 => {
			all.extend(more);
			Data::Int(all)
		}
		(Data::Float(a), Data::Float(b)) => Data::Float(
			(0..outer)
				.flat_map(|o| {
					let own = a[o * first..(o + 1) * first].iter();
					own.chain(&b[o * second..(o + 1) * second]).copied()
				})
				.collect(),
		),
		(Data::Int(a), Data::Int(b)) => Data::Int(
			(0..outer)
				.flat_map(|o| {
					let own = a[o * first..(o + 1) * first].iter();
					own.chain(&b[o * second..(o + 1) * second]).copied()
				})
				.collect(),
		),
		// An output is of one kind in all batches.
		(a, _) => return Array { dims, data: a },
	};
	Array { dims, data }
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::graph::{Attribute, Input, Node};

	/// An open batch of rows of four, through these nodes.
	fn graph(first: Option<usize>, nodes: Vec<Node>, constants: &[(&str, Array)]) -> Graph {
		let mut graph = Graph {
			opset: 17,
			inputs: vec![Input {
				name: "x".into(),
				integer: false,
				dims: vec![first, Some(2), Some(4)],
			}],
			outputs: vec!["y".into()],
			nodes,
			..Graph::default()
		};
		for (name, array) in constants {
			graph.constants.insert(name.to_string(), Arc::new(array.clone()));
		}
		graph
	}

	fn samples(count: usize) -> Arrays {
		let data = (0..count * 8).map(|i| ((i * 37) % 101) as f32 - 50.0).collect();
		Arrays::from([("x".to_string(), Array::float([count, 2, 4], data))])
	}

	fn found(graph: &Graph, batch: usize) -> (Along, bool) {
		let found = find(graph, &samples(12), batch).unwrap();
		(found.along["y"], !found.warnings.is_empty())
	}

	fn flatten() -> (Vec<Node>, Vec<(&'static str, Array)>) {
		let to = Array::int([2], vec![-1, 4]);
		(vec![Node::new("r", "Reshape", &["x", "to"], "y")], vec![("to", to)])
	}

	fn transpose() -> Vec<Node> {
		let order = Attribute::Ints(vec![1, 0, 2]);
		vec![Node::new("t", "Transpose", &["x"], "y").with("perm", order)]
	}

	#[test]
	fn samples_should_be_found_where_they_lie_when_the_batch_is_open_or_fixed() {
		for first in [None, Some(3)] {
			let (nodes, constants) = flatten();
			let flat = graph(first, nodes, &constants);
			assert_eq!(found(&flat, 3), (Along { axis: 0, rows: 2 }, false), "{first:?}");
			let across = graph(first, transpose(), &[]);
			assert_eq!(found(&across, 3), (Along { axis: 1, rows: 1 }, false), "{first:?}");
			let plain = graph(first, vec![Node::new("r", "Relu", &["x"], "y")], &[]);
			assert_eq!(found(&plain, 3), (Along { axis: 0, rows: 1 }, false), "{first:?}");
		}
		// Also where another dimension is as long as the batch.
		let across = graph(None, transpose(), &[]);
		assert_eq!(found(&across, 2).0, Along { axis: 1, rows: 1 });
	}

	#[test]
	fn mixing_of_samples_should_be_said_when_the_batch_is_open_or_fixed() {
		let softmax =
			|| vec![Node::new("s", "Softmax", &["x"], "y").with("axis", Attribute::Int(0))];
		assert!(found(&graph(None, softmax(), &[]), 3).1);
		// Where only the order changes it cannot be seen; a sum over the batch follows nothing.
		let mean = || {
			vec![Node::new("m", "ReduceMean", &["x"], "y")
				.with("axes", Attribute::Ints(vec![0]))
				.with("keepdims", Attribute::Int(0))]
		};
		assert_eq!(found(&graph(Some(3), mean(), &[]), 3).0, Along::NOWHERE);
	}

	#[test]
	fn outputs_should_be_whole_when_there_are_several_batches() {
		let (nodes, constants) = flatten();
		for (graph, dims) in [
			(graph(None, nodes, &constants), vec![20, 4]),
			(graph(None, transpose(), &[]), vec![2, 10, 4]),
		] {
			let all = samples(10);
			let along = find(&graph, &all, 4).unwrap().along["y"];
			let mut results = Arrays::new();
			for start in (0..10).step_by(4) {
				let run = eval::run(&graph, &values(chunk(&all, start, 4))).unwrap();
				let array = Array::clone(&run["y"]);
				append(&mut results, "y", array, (4.min(10 - start), 4), Some(along)).unwrap();
			}
			let at_once = eval::run(&graph, &values(all)).unwrap();
			assert_eq!(results["y"].dims, dims);
			assert_eq!(results["y"], *at_once["y"]);
		}
	}

	#[test]
	fn second_batch_should_be_refused_when_an_output_has_no_place_for_it() {
		let mut results = Arrays::new();
		let array = |value| Array::float([4], vec![value; 4]);
		for (value, fits) in [(1.0, true), (1.0, true), (2.0, false)] {
			let done = append(&mut results, "y", array(value), (3, 3), Some(Along::NOWHERE));
			assert_eq!(done.is_ok(), fits);
			if let Err(error) = done {
				assert_eq!(error.code, "no-batch");
			}
		}
	}
}
