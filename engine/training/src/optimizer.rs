//! Weights from gradients: parameters are i32, moments i32 with exponents of their own.

use crate::{
	description::Optimizer,
	error::Result,
	exponent::{Class, Exponent},
	graph::{Arg, Gradient, Graph, Role, Tensor, WEIGHT_EXPONENT},
};
use assay_ops::{DType, Op, Shape};

/// Bits of fraction of decay rates.
const RATE_BITS: i32 = 30;

const I32: DType = DType::I32;

/// What scales the update of this step.
pub(crate) struct Rates {
	/// The learning rate, i32 `[1]`; it includes what the mean over the batch and the bias of
	/// Adam's moments ask for.
	pub rate: Tensor,
	/// Decoupled weight decay: the share of each weight that goes in this step, i32 `[1]`.
	pub decay: Option<Tensor>,
	/// Predictions of a step: gradients are sums over them.
	pub predictions: u32,
}

/// Appends the update of every parameter.
pub(crate) fn optimize(graph: &mut Graph, optimizer: &Optimizer, rates: &Rates) -> Result<()> {
	for gradient in std::mem::take(&mut graph.gradients) {
		let step = match *optimizer {
			Optimizer::Sgd { momentum, weight_decay } => {
				sgd(graph, &gradient, momentum, weight_decay * f64::from(rates.predictions))?
			}
			Optimizer::Adam { beta1, beta2, .. } => adam(graph, &gradient, beta1, beta2)?,
		};
		let weight = graph.master(gradient.parameter);
		let kept = match &rates.decay {
			Some(decay) => {
				let lost = scaled(graph, &weight, decay)?;
				graph.node(Op::Sub { to: I32 }, vec![weight.arg(), lost.arg()])?
			}
			None => weight.clone(),
		};
		let change = scaled(graph, &step, &rates.rate)?;
		let next = graph.node(Op::Sub { to: I32 }, vec![kept.arg(), change.arg()])?;
		graph.update(&weight, &next);
		let name = graph.parameters[gradient.parameter].name.clone();
		graph.builder.output(&name, next.source);
	}
	Ok(())
}

/// `a` times a rate of this step, in units of weights.
fn scaled(graph: &mut Graph, a: &Tensor, rate: &Tensor) -> Result<Tensor> {
	let product = multiply(graph, a, rate.broadcast(&a.shape)?, RATE_BITS)?
		.with((a.exponent.clone() + &rate.exponent).plus(RATE_BITS));
	round_at_random(graph, &product, Exponent::fixed(WEIGHT_EXPONENT))
}

fn multiply(graph: &mut Graph, a: &Tensor, b: Arg, shift: i32) -> Result<Tensor> {
	graph.node(Op::MulShift { shift: shift as i8, to: I32 }, vec![a.arg(), b])
}

fn number(graph: &mut Graph, value: f64, bits: i32, shape: &Shape) -> Result<Arg> {
	graph.number(I32, (value * 2f64.powi(bits)).round() as i32, shape)
}

/// `a` under another exponent, without the bias of rounding half up.
fn round_at_random(graph: &mut Graph, a: &Tensor, exponent: Exponent) -> Result<Tensor> {
	let by = graph.shift(&(exponent.clone() - &a.exponent))?;
	let bits = graph.random(&a.shape)?;
	let moved = graph.node(Op::ShiftRandom { to: I32 }, vec![a.arg(), by, bits.arg()])?;
	Ok(moved.with(exponent))
}

/// A moment: its state, moved from the exponent of the step before to that of this one.
fn moment(
	graph: &mut Graph,
	gradient: &Gradient,
	role: &str,
	class: Class,
	initial: i8,
) -> Result<(Tensor, Tensor, crate::exponent::Slot)> {
	let parameter = &graph.parameters[gradient.parameter];
	let (name, dims) = (format!("{}.{role}", parameter.name), parameter.dims.clone());
	let state = graph.state(&name, I32, &dims, Role::Moment)?;
	let slot = graph.slot(name, class, initial);
	let factor = if class == Class::Square { 2 } else { 1 };
	let (before, now) = (Exponent::previous(slot).times(factor), Exponent::of(slot).times(factor));
	let moved = graph.shifted(&state.with(before), now, I32)?;
	Ok((state, moved, slot))
}

/// `v ← momentum·v + g + decay·w`; the step is v.
fn sgd(graph: &mut Graph, gradient: &Gradient, momentum: f64, decay: f64) -> Result<Tensor> {
	let (state, velocity, slot) = moment(graph, gradient, "velocity", Class::Wide, -24)?;
	let exponent = velocity.exponent.clone();
	let shape = velocity.shape;
	let rate = number(graph, momentum, RATE_BITS, &shape)?;
	let kept = multiply(graph, &velocity, rate, RATE_BITS)?;
	let value = gradient.value.clone();
	let new = graph.shifted_arg(value, &gradient.exponent, exponent.clone(), I32)?;
	let mut next = graph.node(Op::Add { to: I32 }, vec![kept.arg(), new.arg()])?;
	if decay > 0.0 {
		// decay = mantissa / 2^(30 − scale) with 30 bits: the product keeps the bits of the weight.
		let scale = decay.log2().floor() as i32 + 1;
		let weight = graph.master(gradient.parameter);
		let mantissa = number(graph, decay, RATE_BITS - scale, &shape)?;
		let lost = multiply(graph, &weight, mantissa, RATE_BITS)?
			.with(Exponent::fixed(WEIGHT_EXPONENT + scale));
		let lost = graph.shifted(&lost, exponent.clone(), I32)?;
		next = graph.node(Op::Add { to: I32 }, vec![next.arg(), lost.arg()])?;
	}
	let next = next.with(exponent);
	graph.update(&state, &next);
	graph.monitor(slot, &next)?;
	Ok(next)
}

/// `m ← m + (1 − β1)(g − m)`, `v ← v − (1 − β2)v + (1 − β2)g²`; the step is m/√v.
fn adam(graph: &mut Graph, gradient: &Gradient, beta1: f64, beta2: f64) -> Result<Tensor> {
	let (m_state, m, m_slot) = moment(graph, gradient, "first", Class::Moment, -24)?;
	let (v_state, v, v_slot) = moment(graph, gradient, "second", Class::Square, -24)?;
	let shape = m.shape;

	let value = gradient.value.clone();
	let new = graph.shifted_arg(value, &gradient.exponent, m.exponent.clone(), I32)?;
	let missing = graph.node(Op::Sub { to: I32 }, vec![new.arg(), m.arg()])?;
	let share = number(graph, 1.0 - beta1, RATE_BITS, &shape)?;
	let change = multiply(graph, &missing, share, RATE_BITS)?;
	let first = graph.node(Op::Add { to: I32 }, vec![m.arg(), change.arg()])?;
	let first = first.with(m.exponent.clone());
	graph.update(&m_state, &first);
	graph.monitor(m_slot, &first)?;

	// √(1 − β2)·g in units of √v / 2^8, so that its square loses nothing that v could hold.
	const MORE: i32 = 8;
	let root = Exponent::of(v_slot);
	let (value, fine) = (gradient.value.clone(), root.clone().plus(-MORE));
	let new = graph.shifted_arg(value, &gradient.exponent, fine, I32)?;
	let share = number(graph, (1.0 - beta2).sqrt(), RATE_BITS, &shape)?;
	let new = multiply(graph, &new, share, RATE_BITS)?;
	let new = multiply(graph, &new, new.arg(), 2 * MORE)?;
	// What is forgotten is less than one unit for small v: bits of fraction, and rounding at
	// random.
	let fraction = (-(1.0 - beta2).log2()).floor().clamp(0.0, 16.0) as i32;
	let share = number(graph, 1.0 - beta2, RATE_BITS, &shape)?;
	let old = multiply(graph, &v, share, RATE_BITS - fraction)?;
	let old = old.with(v.exponent.clone().plus(-fraction));
	let old = round_at_random(graph, &old, v.exponent.clone())?;
	let rest = graph.node(Op::Sub { to: I32 }, vec![v.arg(), old.arg()])?;
	let second = graph.node(Op::Add { to: I32 }, vec![rest.arg(), new.arg()])?;
	let second = second.with(v.exponent.clone());
	graph.update(&v_state, &second);
	graph.monitor(v_slot, &second)?;

	let inverse = graph.node(Op::Rsqrt { shift: 30 }, vec![second.arg()])?;
	// m is below 2^28 and 1/√v below 2^30; for a steady gradient √v is about 2^14.
	const DOWN: i32 = 22;
	let step = multiply(graph, &first, inverse.arg(), DOWN)?;
	let exponent = (first.exponent.clone() - &root).plus(DOWN - 30);
	Ok(step.with(exponent))
}
