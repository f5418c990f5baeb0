use super::{
	activations, linear::linear, loss::softmax, place, Backward, Forward, Wanted, LOGIT_EXPONENT,
};
use crate::{
	error::{field, Result},
	exponent::{Class, Exponent},
	graph::{Graph, Product, Target, Tensor},
};
use assay_ops::{DType, Op, Shape, View};

/// Bits of fraction of attention weights.
const WEIGHT_BITS: i8 = 15;

/// Most elements of a causal mask.
const LONGEST_MASK: u64 = 400 * 400;

/// What a position must not see: 2^14 below everything else.
const HIDDEN: i32 = -(1 << 30);

/// Multi-head attention of x `[batch, length, width]` over itself, with a projection before
/// (`qkv`: queries, keys and values one after the other) and one after it (`out`).
pub(super) fn attention(
	graph: &mut Graph,
	x: Tensor,
	path: &str,
	heads: u32,
	causal: bool,
) -> Result<Forward> {
	activations(&x, path)?;
	let &[batch, length, width] = x.dims() else {
		return Err(field(place(path), "takes a sequence; begin with an embedding"));
	};
	if heads == 0 || width % heads != 0 {
		let reason = format!("{heads} heads must divide the width {width}");
		return Err(field(format!("{}.attention.heads", place(path)), reason));
	}
	// A causal mask is a constant of the program, which has 256 KiB for everything.
	if causal && u64::from(length) * u64::from(length) > LONGEST_MASK {
		let reason =
			format!("a causal mask for {length} positions does not fit a program; at most 400");
		return Err(field(format!("{}.attention.causal", place(path)), reason));
	}
	let depth = width / heads;
	let Some(all) = width.checked_mul(3) else {
		return Err(field(place(path), format!("a width of {width} is too large")));
	};
	let before = linear(graph, x, &format!("{path}.qkv"), all, true, Wanted::Adaptive)?;
	let qkv = before.value;
	// [batch, length, 3, heads, depth], seen as [batch, heads, length, depth] or with the last two
	// dimensions the other way round.
	let part = move |qkv: &Tensor, part: u32, transposed: bool| {
		let strides = [3 * width * length, depth, 3 * width, 1];
		matrices(qkv, [batch, heads, length, depth], strides, part * width, transposed)
	};
	let joined = move |a: &Tensor, transposed: bool| {
		let strides = [width * length, depth, width, 1];
		matrices(a, [batch, heads, length, depth], strides, 0, transposed)
	};
	let scale = 1.0 / f64::from(depth).sqrt();
	let square = qkv.exponent.clone().times(2);
	let target = Target::Fixed(LOGIT_EXPONENT, DType::I32);
	let (q, k) = (part(&qkv, 0, false)?, part(&qkv, 1, false)?);
	let mut scores = graph.product(Product::Batch, q, k, square, scale, target)?;
	if causal {
		let mask: Vec<i32> =
			(0..length * length).map(|at| i32::from(at % length <= at / length)).collect();
		let mask = graph.constant(DType::I8, &[length, length], &mask)?;
		let mask = mask.broadcast(&scores.shape)?;
		let hidden = graph.number(DType::I32, HIDDEN, &scores.shape)?;
		scores = graph.node(Op::Select, vec![mask, scores.arg(), hidden])?;
	}
	let weights = graph.node(softmax(LOGIT_EXPONENT), vec![scores.arg()])?;
	let weights = graph.anchor(weights.with(Exponent::fixed(-i32::from(WEIGHT_BITS))));
	let slot = graph.slot(format!("{path}.mix"), Class::Wide, -13);
	let exponent = weights.exponent.clone() + &qkv.exponent;
	let v = part(&qkv, 2, true)?;
	let target = Target::Slot(slot);
	let mixed = graph.product(Product::Batch, weights.arg(), v, exponent, 1.0, target)?;
	graph.monitor(slot, &mixed)?;
	let together = graph.node(Op::Copy, vec![mixed.permute(&[0, 2, 1, 3])?])?;
	let together = together.reshape(&[batch, length, width])?.with(mixed.exponent.clone());
	let after = linear(graph, together, &format!("{path}.out"), width, true, Wanted::Adaptive)?;

	let (path, value) = (path.to_owned(), after.value);
	let (back_out, back_in) = (after.backward, before.backward);
	let backward: Backward = Box::new(move |graph, gradient, wanted| {
		// The projections inside learn, so each hands on its gradient.
		let Some(dmixed) = back_out(graph, gradient, true)? else { return Ok(None) };
		let weight_slot = graph.slot(format!("{path}.weights.gradient"), Class::Gradient, -24);
		let exponent = dmixed.exponent.clone() + &qkv.exponent;
		let (a, b) = (joined(&dmixed, false)?, part(&qkv, 2, false)?);
		let target = Target::Slot(weight_slot);
		let dweights = graph.product(Product::Batch, a, b, exponent, 1.0, target)?;
		graph.monitor(weight_slot, &dweights)?;

		// ds = p·(dp − Σ p·dp)
		let op = Op::ReduceSumProduct { axis: 3, shift: WEIGHT_BITS, to: DType::I32 };
		let level = graph.node(op, vec![dweights.arg(), weights.arg()])?;
		let level = level.reshape(&[batch, heads, length, 1])?.broadcast(&weights.shape)?;
		let op = Op::Sub { to: DType::I32 };
		let above = graph.node(op, vec![dweights.arg(), level])?;
		// 17 bits by 15.
		let op = Op::MulShift { shift: 2, to: DType::I32 };
		let product = graph.node(op, vec![above.arg(), weights.arg()])?;
		let exponent = (dweights.exponent.clone() + &weights.exponent).plus(2);
		let slot = graph.slot(format!("{path}.scores.gradient"), Class::Gradient, -24);
		let product = product.with(exponent);
		let dscores = graph.shifted(&product, Exponent::of(slot), DType::I16)?;
		let dscores = graph.anchor(dscores);
		graph.monitor(slot, &dscores)?;

		// Queries, keys and values share an exponent, so that they are one operand again.
		let slot = graph.slot(format!("{path}.qkv.mix.gradient"), Class::Gradient, -24);
		let target = Target::Slot(slot);
		let score_exponent = dscores.exponent.clone() + &qkv.exponent;
		let (a, b) = (dscores.arg(), part(&qkv, 1, true)?);
		let exponent = score_exponent.clone();
		let dq = graph.product(Product::Batch, a, b, exponent, scale, target.clone())?;
		let (a, b) = (dscores.permute(&[0, 1, 3, 2])?, part(&qkv, 0, true)?);
		let dk = graph.product(Product::Batch, a, b, score_exponent, scale, target.clone())?;
		let (a, b) = (weights.permute(&[0, 1, 3, 2])?, joined(&dmixed, true)?);
		let exponent = weights.exponent.clone() + &dmixed.exponent;
		let dv = graph.product(Product::Batch, a, b, exponent, 1.0, target)?;
		let ordered = [dq, dk, dv]
			.iter()
			.map(|part| {
				let shape = Shape::new(&[batch, length, 1, heads, depth])?;
				let rows = length * depth;
				let strides = vec![heads * rows, depth, 0, rows, 1];
				part.viewed(View { shape, offset: 0, strides })
			})
			.collect::<Result<_>>()?;
		let dqkv = graph.node(Op::Concat { axis: 2 }, ordered)?;
		let dqkv = dqkv.reshape(&[batch, length, 3 * width])?.with(Exponent::of(slot));
		graph.monitor(slot, &dqkv)?;
		back_in(graph, dqkv, wanted)
	});
	Ok(Forward { value, backward, learns: true })
}

/// A view `[batch, heads, length, depth]` by strides, or with the last two dimensions exchanged.
fn matrices(
	tensor: &Tensor,
	mut dims: [u32; 4],
	mut strides: [u32; 4],
	offset: u32,
	transposed: bool,
) -> Result<crate::graph::Arg> {
	if transposed {
		dims.swap(2, 3);
		strides.swap(2, 3);
	}
	tensor.viewed(View { shape: Shape::new(&dims)?, offset, strides: strides.to_vec() })
}
