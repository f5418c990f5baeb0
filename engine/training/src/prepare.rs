//! Integers from floats: data, first weights, learning rates. This happens before the first step.

use crate::{
	array::{Array, Arrays},
	compile::Training,
	description::{Description, Input, Optimizer, Order},
	error::{array, field, samples, Error, Result},
	graph::{Init, Role, WEIGHT_EXPONENT},
};
use assay_exec::Tensor;
use assay_ops::{philox4x32, TensorType};

/// Largest learning rate in its fixed point: 30 bits.
const RATE_BITS: i32 = 30;

fn find<'a>(arrays: &'a Arrays, name: &str) -> Result<&'a Array> {
	arrays.get(name).ok_or_else(|| {
		let names: Vec<_> = arrays.keys().map(String::as_str).collect();
		array(name, format!("is missing; the file has: {}", names.join(", ")))
	})
}

/// How long the program's data inputs are: examples of `x`, or tokens.
pub(crate) fn length(description: &Description, data: &Arrays) -> Result<u32> {
	let name = match description.input {
		Input::Dense { .. } => "x",
		Input::Tokens { .. } => "tokens",
	};
	let found = find(data, name)?;
	let first = found.dims.first().copied().unwrap_or(0);
	if found.values.is_empty() {
		return Err(array(name, "is empty"));
	}
	u32::try_from(first).map_err(|_| array(name, "has more than 2^32 entries"))
}

fn tensor(name: &str, ty: TensorType, elements: &[i32]) -> Result<Tensor> {
	Tensor::from_elements(ty, elements).ok_or_else(|| {
		array(name, format!("has {} elements, not {}", elements.len(), ty.elements()))
	})
}

/// The array as integers `value / 2^exponent`.
fn scaled(name: &str, values: &[f64], exponent: i32) -> Result<Vec<i32>> {
	let unit = 2f64.powi(-exponent);
	values
		.iter()
		.map(|value| {
			let scaled = (value * unit).round();
			if !scaled.is_finite() {
				return Err(array(name, format!("holds {value}; clean the data")));
			}
			Ok(scaled.clamp(i32::MIN.into(), i32::MAX.into()) as i32)
		})
		.collect()
}

/// Refuses data that are no finite numbers.
fn finite(name: &str, values: &[f64]) -> Result<()> {
	let wrong = values.iter().filter(|value| !value.is_finite()).count();
	if let Some(at) = values.iter().position(|value| !value.is_finite()) {
		let reason = format!(
			"{wrong} of {} elements are no finite numbers; the first is {}, element {at}; clean the data",
			values.len(),
			values[at]
		);
		return Err(samples(name, reason));
	}
	Ok(())
}

/// Parameters that are given must fit their fixed point.
fn parameter(name: &str, values: &[f64]) -> Result<()> {
	let most = 2f64.powi(31 + WEIGHT_EXPONENT);
	match values.iter().find(|value| !value.is_finite() || value.abs() > most) {
		Some(value) => {
			Err(array(name, format!("holds {value}; parameters are kept within ±{most}")))
		}
		None => Ok(()),
	}
}

/// Most elements of all inputs of a program together.
const MOST_ELEMENTS: u64 = 1 << 28;

/// Most bytes of tensors that one step may hold at once.
const MOST_MEMORY: u64 = 4 << 30;

/// Refuses what does not fit this machine, before any of it is made.
fn fits(training: &Training) -> Result<()> {
	let elements: u64 =
		training.program.inputs.iter().map(|input| u64::from(input.ty.elements())).sum();
	if elements > MOST_ELEMENTS {
		let reason = format!(
			"data, parameters and moments have {elements} elements, at most {MOST_ELEMENTS}; take narrower layers or less data"
		);
		return Err(field("layers", reason));
	}
	let memory = training.checked.peak_memory;
	if memory > MOST_MEMORY {
		let reason =
			format!("one step holds {memory} bytes at once, at most {MOST_MEMORY}; lower it");
		return Err(field("batch", reason));
	}
	Ok(())
}

/// Whole numbers in 0 .. below.
fn indices(name: &str, values: &[f64], below: u32) -> Result<Vec<i32>> {
	values
		.iter()
		.map(|&value| {
			((0.0..f64::from(below)).contains(&value) && value.fract() == 0.0)
				.then_some(value as i32)
				.ok_or_else(|| array(name, format!("holds {value}; must be 0 to {}", below - 1)))
		})
		.collect()
}

fn shaped<'a>(name: &str, found: &'a Array, ty: &TensorType) -> Result<&'a [f64]> {
	let expected = ty.shape.dims();
	if !found.dims.iter().map(|&dim| dim as u64).eq(expected.iter().map(|&dim| u64::from(dim))) {
		let reason = format!("is {:?}, not {expected:?}; reshape it", found.dims);
		return Err(array(name, reason));
	}
	Ok(&found.values)
}

/// Smallest exponent with which `largest` has `bits` bits.
fn exponent_for(largest: f64, bits: i32) -> i32 {
	if largest <= 0.0 {
		-bits
	} else {
		(largest.log2().floor() as i32).saturating_add(1 - bits)
	}
}

fn largest(values: &[f64]) -> f64 {
	values.iter().fold(0.0, |largest, value| value.abs().max(largest))
}

/// The learning rate of each step, with what turns the gradient of the sum of losses into that of
/// the mean (SGD) or takes away the bias of the moments (Adam).
fn rates(description: &Description) -> Vec<f64> {
	(0..description.steps)
		.map(|step| {
			let rate = description.learning_rate.at(step, description.steps);
			match description.optimizer {
				Optimizer::Sgd { .. } => rate / f64::from(description.predictions()),
				Optimizer::Adam { beta1, beta2, .. } => {
					let t = step as i32 + 1;
					rate * (1.0 - beta2.powi(t)).sqrt() / (1.0 - beta1.powi(t))
				}
			}
		})
		.collect()
}

/// The share of each weight that decoupled weight decay takes in each step.
fn decays(description: &Description) -> Vec<f64> {
	let decay = description.optimizer.weight_decay();
	(0..description.steps)
		.map(|step| decay * description.learning_rate.at(step, description.steps))
		.collect()
}

/// `count` positions: one permutation of `0 .. examples` after another (Fisher and Yates; the step
/// of one position is uniform up to `examples / 2^32`).
///
/// Counters of Philox are `[position / 4, 1, round, 0]`; those of the program have a 0 second.
fn shuffled(seed: u64, examples: u32, count: usize) -> Vec<i32> {
	let key = [seed as u32, (seed >> 32) as u32];
	let mut order = Vec::with_capacity(count);
	for round in 0.. {
		if order.len() >= count {
			break;
		}
		let mut places: Vec<i32> = (0..examples as i32).collect();
		for last in (1..examples).rev() {
			let bits = philox4x32(key, [last / 4, 1, round, 0])[(last % 4) as usize];
			let chosen = (u64::from(bits) * (u64::from(last) + 1)) >> 32;
			places.swap(last as usize, chosen as usize);
		}
		places.truncate(count - order.len());
		order.append(&mut places);
	}
	order
}

/// A uniform number in 0 .. 1 from a counter: SplitMix64 (Steele, Lea, Flood 2014).
fn uniform(state: &mut u64) -> f64 {
	*state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
	let mut z = *state;
	z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
	z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
	((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

fn initial(init: Init, count: usize, state: &mut u64) -> Vec<f64> {
	(0..count)
		.map(|_| match init {
			Init::Constant(value) => value,
			Init::Uniform(bound) => bound * (2.0 * uniform(state) - 1.0),
			Init::Normal(deviation) => {
				// Box and Muller; 1 − u is never 0.
				let radius = (-2.0 * (1.0 - uniform(state)).ln()).sqrt();
				deviation * radius * (std::f64::consts::TAU * uniform(state)).cos()
			}
		})
		.collect()
}

/// The program's inputs before the first step. `weights` may hold some or all parameters by name.
pub(crate) fn inputs(training: &Training, data: &Arrays, weights: &Arrays) -> Result<Vec<Tensor>> {
	let description = &training.description;
	fits(training)?;
	if let Some(name) =
		weights.keys().find(|name| training.parameters.iter().all(|p| p.name != **name))
	{
		let names: Vec<_> = training.parameters.iter().map(|p| p.name.as_str()).collect();
		return Err(array(name, format!("is no parameter; there are: {}", names.join(", "))));
	}
	let slots = training.slots.len();
	let mut exponents: Vec<i32> = training.slots.iter().map(|slot| slot.initial.into()).collect();
	let rates = rates(description);
	let mut random = description.seed ^ 0x5851_f42d_4c95_7f2d;
	let mut tensors = Vec::with_capacity(training.roles.len());
	let classes = training.classes();
	for (role, input) in training.roles.iter().zip(&training.program.inputs) {
		let ty = input.ty;
		let elements = match role {
			Role::Data(slot) => {
				let values = shaped("x", find(data, "x")?, &ty)?;
				finite("x", values)?;
				let exponent = exponent_for(largest(values), 14);
				exponents[usize::from(slot.0)] = exponent;
				scaled("x", values, exponent)?
			}
			Role::Labels => indices("y", shaped("y", find(data, "y")?, &ty)?, classes)?,
			Role::Tokens => {
				let Input::Tokens { vocabulary, .. } = description.input else {
					return Err(Error::Array {
						name: "tokens".into(),
						reason: "belongs to a description with tokens".into(),
					});
				};
				indices("tokens", shaped("tokens", find(data, "tokens")?, &ty)?, vocabulary)?
			}
			Role::Order if description.order == Order::Shuffled => {
				shuffled(description.seed, training.examples, ty.elements() as usize)
			}
			Role::Order => {
				let values = shaped("order", find(data, "order")?, &ty)?;
				indices("order", values, training.examples)?
			}
			Role::Rates(slot) => {
				let exponent = exponent_for(largest(&rates), RATE_BITS);
				exponents[usize::from(slot.0)] = exponent;
				scaled("learning_rate", &rates, exponent)?
			}
			Role::Decays(slot) => {
				let decays = decays(description);
				let exponent = exponent_for(largest(&decays), RATE_BITS);
				exponents[usize::from(slot.0)] = exponent;
				scaled("weight_decay", &decays, exponent)?
			}
			Role::Seed => {
				vec![description.seed as u32 as i32, (description.seed >> 32) as u32 as i32]
			}
			Role::Parameter(index) => {
				let parameter = &training.parameters[*index];
				let values = match weights.get(&parameter.name) {
					Some(found) => {
						let values = shaped(&parameter.name, found, &ty)?;
						self::parameter(&parameter.name, values)?;
						values.to_vec()
					}
					None => initial(parameter.init, ty.elements() as usize, &mut random),
				};
				scaled(&parameter.name, &values, WEIGHT_EXPONENT)?
			}
			Role::Exponents | Role::Step | Role::Saturations | Role::Losses | Role::Moment => {
				vec![0; ty.elements() as usize]
			}
		};
		tensors.push(tensor(&input.name, ty, &elements)?);
	}
	for (slot, exponent) in training.slots.iter().zip(&exponents) {
		if i8::try_from(*exponent).is_err() {
			let reason = format!("its numbers are of the size 2^{exponent}; scale them to about 1");
			return Err(array(&slot.name, reason));
		}
	}
	for (at, role) in training.roles.iter().enumerate() {
		if *role == Role::Exponents {
			let both: Vec<i32> = exponents.iter().chain(&exponents).copied().collect();
			debug_assert_eq!(both.len(), 2 * slots);
			tensors[at] = tensor("exponents", training.program.inputs[at].ty, &both)?;
		}
	}
	Ok(tensors)
}
