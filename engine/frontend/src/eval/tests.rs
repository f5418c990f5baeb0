//! What the float reference must not get wrong by being one of floats.

use super::*;

/// The first result of one node of constants.
fn of(node: Node, operands: &[Array]) -> Result<Array> {
	let operands: Vec<Option<&Array>> = operands.iter().map(Some).collect();
	let results = within(&node, 17, &operands, &mut Budget::new(Limits::default()))?;
	Ok(results.into_iter().next().expect("one result"))
}

#[test]
fn integers_beyond_24_bits_should_be_exact_when_they_are_reduced_raised_or_clipped() {
	let large = Array::int([2], vec![(1 << 25) + 1, 1]);
	let all = || Node::new("r", "ReduceSum", &["x"], "y").with("keepdims", Attribute::Int(0));
	assert_eq!(of(all(), std::slice::from_ref(&large)).unwrap().ints(), [(1 << 25) + 2]);
	let most = Node::new("r", "ReduceMax", &["x"], "y").with("keepdims", Attribute::Int(0));
	assert_eq!(of(most, std::slice::from_ref(&large)).unwrap().ints(), [(1 << 25) + 1]);
	let power = Node::new("p", "Pow", &["x", "e"], "y");
	let exponent = Array::int([], vec![19]);
	assert_eq!(of(power, &[Array::int([1], vec![3]), exponent]).unwrap().ints(), [1_162_261_467]);
	let clip = Node::new("c", "Clip", &["x", "lo"], "y");
	let floor = Array::int([], vec![(1 << 24) + 1]);
	assert_eq!(of(clip, &[large, floor]).unwrap().ints(), [(1 << 25) + 1, (1 << 24) + 1]);
}

#[test]
fn cast_should_be_refused_when_it_would_wrap() {
	for (to, value, fits) in
		[(3, 127, true), (3, 128, false), (2, -1, false), (2, 255, true), (6, 1 << 31, false)]
	{
		let cast = Node::new("c", "Cast", &["x"], "y").with("to", Attribute::Int(to));
		let result = of(cast, &[Array::int([1], vec![value])]);
		assert_eq!(result.is_ok(), fits, "{value} to type {to}");
		if let Err(error) = result {
			assert!(error.message.contains(&value.to_string()), "{error:?}");
		}
	}
}

#[test]
fn batch_norm_should_be_refused_when_it_trains() {
	let one = || Array::float([1], vec![1.0]);
	let operands = [Array::float([2, 1], vec![1.0, 2.0]), one(), one(), one(), one()];
	let names = ["x", "s", "b", "m", "v"];
	assert!(of(Node::new("n", "BatchNormalization", &names, "y"), &operands).is_ok());
	let mut training = Node::new("n", "BatchNormalization", &names, "y");
	training.outputs.extend(["mean".to_string(), "var".to_string()]);
	let error = of(training, &operands).expect_err("of training");
	assert!(error.message.contains("training"), "{error:?}");
}
