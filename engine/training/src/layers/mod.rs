//! Layers: each knows its forward and its backward pass as integer operators.
//!
//! Activations and their gradients are i16; what a layer keeps for the way back is a tensor of the
//! same step. A layer hands over a closure that turns the gradient of its result into that of its
//! operand, and leaves the gradients of its parameters with the graph.

mod activation;
mod attention;
mod convolution;
mod embedding;
mod linear;
mod loss;
mod norm;
mod pooling;

pub(crate) use loss::cross_entropy;

use crate::{
	description::Layer,
	error::{field, Result},
	exponent::{Class, Exponent},
	graph::{Graph, Target, Tensor},
};
use assay_ops::{DType, Op};

/// Turns the gradient of a layer's result into that of its operand. None if that is not wanted (the
/// last argument), because nothing before it learns.
pub(crate) type Backward = Box<dyn FnOnce(&mut Graph, Tensor, bool) -> Result<Option<Tensor>>>;

/// What a layer gave.
pub(crate) struct Forward {
	pub value: Tensor,
	pub backward: Backward,
	/// Whether it has parameters, itself or in layers inside.
	pub learns: bool,
}

/// Logits and attention scores: i32 with this exponent.
pub(crate) const LOGIT_EXPONENT: i32 = -16;

/// What goes into a function that is a table: i16 with this exponent, ±16.
pub(crate) const TABLE_EXPONENT: i32 = -11;

/// What the layers around one ask of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
	/// i16 that adapts.
	Adaptive,
	/// i16 with [`TABLE_EXPONENT`].
	Table,
	/// i32 with [`LOGIT_EXPONENT`].
	Logits,
}

impl Wanted {
	fn target(self, graph: &mut Graph, name: &str) -> (Target, Option<crate::exponent::Slot>) {
		match self {
			Self::Adaptive => {
				let slot = graph.slot(name, Class::Wide, -13);
				(Target::Slot(slot), Some(slot))
			}
			Self::Table => {
				let slot = graph.slot(name, Class::Counted, 0);
				(Target::Fixed(TABLE_EXPONENT, DType::I16), Some(slot))
			}
			Self::Logits => (Target::Fixed(LOGIT_EXPONENT, DType::I32), None),
		}
	}
}

/// All layers of a network, the last of which gives logits.
pub(crate) fn network(graph: &mut Graph, layers: &[Layer], input: Tensor) -> Result<Forward> {
	match layers.last() {
		Some(Layer::Linear { .. }) => sequence(graph, layers, input, "", Wanted::Logits),
		_ => {
			let at = layers.len().saturating_sub(1);
			Err(field(
				format!("layers[{at}]"),
				"the last layer must be linear: one output per class",
			))
		}
	}
}

fn sequence(
	graph: &mut Graph,
	layers: &[Layer],
	input: Tensor,
	path: &str,
	last: Wanted,
) -> Result<Forward> {
	let mut value = input;
	let mut passes: Vec<(Backward, bool)> = Vec::with_capacity(layers.len());
	for (at, layer) in layers.iter().enumerate() {
		let wanted = match layers.get(at + 1) {
			None => last,
			Some(Layer::Gelu) => Wanted::Table,
			Some(_) => Wanted::Adaptive,
		};
		let path = format!("{path}{at}");
		let forward = single(graph, layer, value, &path, wanted)?;
		value = forward.value;
		passes.push((forward.backward, forward.learns));
	}
	let learns = passes.iter().any(|(_, learns)| *learns);
	let backward: Backward = Box::new(move |graph, gradient, wanted| {
		let mut gradient = gradient;
		// Does anything before the layer need the gradient of its operand?
		let mut needed: Vec<bool> = Vec::with_capacity(passes.len());
		let mut any = wanted;
		for (_, learns) in &passes {
			needed.push(any);
			any |= learns;
		}
		for ((backward, _), needed) in passes.into_iter().zip(needed).rev() {
			match backward(graph, gradient, needed)? {
				Some(next) => gradient = next,
				None => return Ok(None),
			}
		}
		Ok(Some(gradient))
	});
	Ok(Forward { value, backward, learns })
}

fn single(
	graph: &mut Graph,
	layer: &Layer,
	x: Tensor,
	path: &str,
	wanted: Wanted,
) -> Result<Forward> {
	match layer {
		Layer::Linear { outputs, bias } => linear::linear(graph, x, path, *outputs, *bias, wanted),
		Layer::Conv2d { outputs, kernel, stride, padding, bias } => {
			let sizes = convolution::Sizes {
				outputs: *outputs,
				kernel: *kernel,
				stride: *stride,
				padding: *padding,
			};
			convolution::conv2d(graph, x, path, sizes, *bias, wanted)
		}
		Layer::MaxPool { kernel } => pooling::max_pool(graph, x, path, *kernel),
		Layer::Relu => activation::relu(graph, x),
		Layer::Gelu => activation::gelu(graph, x, path),
		Layer::Dropout { rate } => activation::dropout(graph, x, path, *rate),
		Layer::Flatten => {
			let batch = x.dims().first().copied().unwrap_or(1);
			let dims = x.dims().to_vec();
			let value = x.reshape(&[batch, x.shape.elements() / batch])?;
			let backward: Backward =
				Box::new(move |_, gradient, _| Ok(Some(gradient.reshape(&dims)?)));
			Ok(Forward { value, backward, learns: false })
		}
		Layer::LayerNorm => norm::norm(graph, x, path, assay_ops::NormKind::Layer),
		Layer::RmsNorm => norm::norm(graph, x, path, assay_ops::NormKind::Rms),
		Layer::Embedding { width, positions } => {
			embedding::embedding(graph, x, path, *width, *positions)
		}
		Layer::Attention { heads, causal } => attention::attention(graph, x, path, *heads, *causal),
		Layer::Residual(layers) => residual(graph, layers, x, path),
	}
}

/// `x + layers(x)`.
fn residual(graph: &mut Graph, layers: &[Layer], x: Tensor, path: &str) -> Result<Forward> {
	activations(&x, path)?;
	let inner = sequence(graph, layers, x.clone(), &format!("{path}."), Wanted::Adaptive)?;
	if inner.value.shape != x.shape {
		let (from, to) = (x.shape, inner.value.shape);
		return Err(field(
			place(path),
			format!("the layers turn {from} into {to}; keep the shape"),
		));
	}
	let value = sum(graph, &x, &inner.value, &format!("{path}.sum"), Class::Wide)?;
	let path = path.to_owned();
	let (backward, learns) = (inner.backward, inner.learns);
	let backward: Backward =
		Box::new(move |graph, gradient, wanted| match backward(graph, gradient.clone(), wanted)? {
			Some(inner) if wanted => {
				let name = format!("{path}.sum.gradient");
				Ok(Some(sum(graph, &gradient, &inner, &name, Class::Gradient)?))
			}
			_ => Ok(None),
		});
	Ok(Forward { value, backward, learns })
}

/// `a + b` of i16 with exponents of their own; an anchor.
fn sum(graph: &mut Graph, a: &Tensor, b: &Tensor, name: &str, class: Class) -> Result<Tensor> {
	let slot = graph.slot(name, class, -13);
	let exponent = Exponent::of(slot);
	let a = graph.shifted(a, exponent.clone(), DType::I16)?;
	let b = graph.shifted(b, exponent.clone(), DType::I16)?;
	let sum = graph.node(Op::Add { to: DType::I16 }, vec![a.arg(), b.arg()])?.with(exponent);
	let sum = graph.anchor(sum);
	graph.monitor(slot, &sum)?;
	Ok(sum)
}

/// `layers[0].residual[1]` from `0.1`.
fn place(path: &str) -> String {
	let mut parts = path.split('.').map(|part| format!("[{part}]"));
	let first = parts.next().unwrap_or_default();
	format!("layers{first}{}", parts.map(|part| format!(".residual{part}")).collect::<String>())
}

/// Refuses tokens, which only an embedding takes.
fn activations(x: &Tensor, path: &str) -> Result<()> {
	(x.dtype == DType::I16)
		.then_some(())
		.ok_or_else(|| field(place(path), "takes numbers, not tokens; begin with an embedding"))
}
