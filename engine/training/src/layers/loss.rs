use super::LOGIT_EXPONENT;
use crate::{
	error::Result,
	exponent::Exponent,
	graph::{bits_for, Graph, Tensor},
};
use assay_ops::{DType, Op, Relation, Shape};

/// Bits of fraction of a probability.
const PROBABILITY_BITS: i32 = 15;

/// Bits of fraction of one loss.
const LOSS_BITS: i32 = 20;

/// Segments of the logarithm's table; a quarter of it is in use.
const SEGMENTS: i32 = 2048;

/// What the loss gave.
pub(crate) struct Loss {
	/// Mean loss in nats, i32 `[]`.
	pub mean: Tensor,
	/// Gradient of the *sum* of losses by the logits, i16.
	pub gradient: Tensor,
}

/// Softmax cross-entropy of logits `[rows, classes]` with classes i32 `[rows]`.
pub(crate) fn cross_entropy(graph: &mut Graph, logits: &Tensor, labels: &Tensor) -> Result<Loss> {
	let logits = logits.matrix()?;
	let &[rows, _] = logits.dims() else { unreachable!("a matrix has two dimensions; qed") };
	let op = softmax(LOGIT_EXPONENT);
	let probabilities = graph.node(op, vec![logits.arg()])?;
	let probabilities = graph.anchor(probabilities);
	let classes = graph.node(Op::Iota { shape: logits.shape, axis: 1 }, vec![])?;
	let labels = labels.reshape(&[rows, 1])?.broadcast(&logits.shape)?;
	let relation = Relation::Equal;
	let truth = graph.node(Op::Compare { relation }, vec![classes.arg(), labels])?;

	let by = -PROBABILITY_BITS as i8;
	let certain = graph.node(Op::Shift { by, to: DType::I32 }, vec![truth.arg()])?;
	let op = Op::Sub { to: DType::I16 };
	let gradient = graph.node(op, vec![probabilities.arg(), certain.arg()])?;
	let gradient = gradient.with(Exponent::fixed(-PROBABILITY_BITS));
	let gradient = graph.anchor(gradient);

	let op = Op::ReduceSumProduct { axis: 1, shift: 0, to: DType::I32 };
	let likely = graph.node(op, vec![probabilities.arg(), truth.arg()])?;
	let mean = mean_logarithm(graph, &likely)?;
	Ok(Loss { mean, gradient })
}

/// Softmax of numbers with a known exponent, in 15 bits of fraction.
pub(super) fn softmax(exponent: i32) -> Op {
	// 10 bits of fraction of log2(e)·x.
	let multiplier = (std::f64::consts::LOG2_E * 2f64.powi(14)).round() as i16;
	let shift = (14 - 10 - exponent) as i8;
	Op::Softmax { multiplier, shift, to: DType::I16 }
}

/// The mean of −ln(p) of probabilities `[rows]` with 15 bits of fraction; zero counts as 2^-15.
fn mean_logarithm(graph: &mut Graph, likely: &Tensor) -> Result<Tensor> {
	let (rows, shape) = (likely.shape.elements(), likely.shape);
	let clamp = Op::Clamp { lo: 1, hi: 32_767 };
	let likely = graph.node(clamp, vec![likely.arg()])?;
	// p = mantissa · 2^octave with a mantissa in 2^14 .. 2^15 and an octave of at most 0.
	let bits = graph.node(Op::BitLen, vec![likely.arg()])?;
	let full = graph.number(DType::I8, PROBABILITY_BITS, &shape)?;
	let octave = graph.node(Op::Sub { to: DType::I8 }, vec![bits.arg(), full])?;
	let op = Op::ShiftBy { to: DType::I16 };
	let mantissa = graph.node(op, vec![likely.arg(), octave.arg()])?;
	let one = 2f64.powi(LOSS_BITS);
	let table: Vec<i32> = (0..=SEGMENTS)
		.map(|point| {
			let mantissa = f64::from(point * (65_536 / SEGMENTS) - 32_768) / 32_768.0;
			if mantissa < 0.25 {
				0
			} else {
				(-mantissa.ln() * one).round() as i32
			}
		})
		.collect();
	let table = graph.constant(DType::I32, &[SEGMENTS as u32 + 1], &table)?;
	let fine = graph.node(Op::LutInterp, vec![mantissa.arg(), table.arg()])?;
	let octaves = (-std::f64::consts::LN_2 * one).round() as i32;
	let octaves = graph.number(DType::I32, octaves, &shape)?;
	let coarse = graph.node(Op::Mul { to: DType::I32 }, vec![octave.arg(), octaves])?;
	let losses = graph.node(Op::Add { to: DType::I32 }, vec![fine.arg(), coarse.arg()])?;
	// Σ/2^s · 2^s/rows, so that nothing saturates.
	let shift = bits_for(rows);
	let weight = graph.number(DType::I16, 1 << 14, &shape)?;
	let op = Op::ReduceSumProduct { axis: 0, shift: 14 + shift as i8, to: DType::I32 };
	let sum = graph.node(op, vec![losses.arg(), weight])?;
	let scalar = Shape::new(&[])?;
	let rest = (2f64.powi(shift) / f64::from(rows) * 2f64.powi(14)).round() as i32;
	let rest = graph.constant(DType::I32, &[], &[rest])?.broadcast(&scalar)?;
	let op = Op::MulShift { shift: 14, to: DType::I32 };
	Ok(graph.node(op, vec![sum.arg(), rest])?.with(Exponent::fixed(-LOSS_BITS)))
}
