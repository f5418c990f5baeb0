//! From a description to a program that may run.

use crate::{
	description::{Description, Input, Optimizer, Order},
	error::{field, Error, Result},
	exponent::{Class, Exponent},
	graph::{Graph, Parameter, Role, SlotInfo, Tensor},
	layers, optimizer,
};
use assay_ops::{DType, Family, Op, Relation, Shape, View};
use assay_program::{CheckError, Checked, Class as Anchor, Limits, Program, Source};

/// A training program with what its inputs mean.
#[derive(Clone, Debug)]
pub struct Training {
	/// What it was made from.
	pub description: Description,
	/// One step: forward, backward, optimizer.
	pub program: Program,
	/// What is proved of it.
	pub checked: Checked,
	/// What each input of the program holds.
	pub roles: Vec<Role>,
	/// What is learned, in the order of layers.
	pub parameters: Vec<Parameter>,
	/// Adaptive exponents, in the order of the program's input `exponents`.
	pub slots: Vec<SlotInfo>,
	/// Examples that batches are drawn from; for tokens the number of windows.
	pub examples: u32,
	classes: u32,
}

/// Bits of fraction of the loss in the program's output `loss`.
pub const LOSS_BITS: i32 = 20;

impl Training {
	/// The program that trains by `description` on so many examples (for tokens: on a text of so
	/// many tokens). Errors: [`Error::Field`] for layers that do not fit, [`Error::Check`] for a
	/// program that the chain would refuse.
	pub fn compile(description: &Description, length: u32) -> Result<Self> {
		description.validate()?;
		let mut graph = Graph::new()?;
		let rates_slot = graph.slot("learning rate", Class::Constant, 0);
		let steps = description.steps;
		let rates = graph.input("schedule", DType::I32, &[steps], Role::Rates(rates_slot))?;
		let losses = graph.state("losses", DType::I32, &[steps], Role::Losses)?;
		let batch = Batch::new(&mut graph, description, length)?;
		let forward = layers::network(&mut graph, &description.layers, batch.input)?;
		let loss = layers::cross_entropy(&mut graph, &forward.value, &batch.labels)?;
		let logits = forward.value.dims().to_vec();
		if let (Input::Dense { .. }, [_, _]) | (Input::Tokens { .. }, [_, _, _]) =
			(&description.input, &logits[..])
		{
		} else {
			let reason = format!("the result is {logits:?}; flatten before the last layer");
			return Err(field("layers", reason));
		}
		if let (Input::Tokens { vocabulary, .. }, Some(&classes)) =
			(&description.input, logits.last())
		{
			if classes < *vocabulary {
				let reason =
					format!("the last layer has {classes} outputs for {vocabulary} tokens");
				return Err(field("layers", reason));
			}
		}
		(forward.backward)(&mut graph, loss.gradient.reshape(&logits)?, false)?;

		let step = graph.step.clone();
		let rate = graph.node(Op::Gather, vec![rates.arg(), step.arg()])?;
		let rate = rate.with(Exponent::of(rates_slot));
		let decay = match description.optimizer {
			Optimizer::Adam { weight_decay, .. } if weight_decay > 0.0 => {
				let slot = graph.slot("weight decay", Class::Constant, 0);
				let decays = graph.input("decay", DType::I32, &[steps], Role::Decays(slot))?;
				let decay = graph.node(Op::Gather, vec![decays.arg(), step.arg()])?;
				Some(decay.with(Exponent::of(slot)))
			}
			_ => None,
		};
		let predictions = description.predictions();
		let rates = optimizer::Rates { rate, decay, predictions };
		optimizer::optimize(&mut graph, &description.optimizer, &rates)?;

		let place = graph.node(Op::Iota { shape: losses.shape, axis: 0 }, vec![])?;
		let step = graph.step.broadcast(&losses.shape)?;
		let relation = Relation::Equal;
		let here = graph.node(Op::Compare { relation }, vec![place.arg(), step])?;
		let mean = graph.anchor(loss.mean).broadcast(&losses.shape)?;
		let curve = graph.node(Op::Select, vec![here.arg(), mean, losses.arg()])?;
		graph.update(&losses, &curve);
		graph.builder.output("loss", curve.source);

		let (mut program, slots, roles, parameters) = graph.finish()?;
		let checked = place_anchors(&mut program)?;
		Ok(Self {
			description: description.clone(),
			program,
			checked,
			roles,
			parameters,
			slots,
			examples: batch.examples,
			classes: logits.last().copied().unwrap_or(1),
		})
	}

	/// Outputs of the last layer.
	pub fn classes(&self) -> u32 {
		self.classes
	}
}

/// The examples of a step.
struct Batch {
	input: Tensor,
	/// i32, of the shape of the input's first dimensions.
	labels: Tensor,
	examples: u32,
}

impl Batch {
	fn new(graph: &mut Graph, description: &Description, length: u32) -> Result<Self> {
		let batch = description.batch;
		match &description.input {
			Input::Dense { shape } => {
				let mut dims = vec![length];
				dims.extend(shape);
				let slot = graph.slot("x", Class::Constant, 0);
				let x = graph.input("x", DType::I16, &dims, Role::Data(slot))?;
				let y = graph.input("y", DType::I32, &[length], Role::Labels)?;
				let chosen = choose(graph, description, length)?;
				let input = graph.node(Op::Gather, vec![x.arg(), chosen.arg()])?;
				let input = graph.anchor(input).with(Exponent::of(slot));
				let labels = graph.node(Op::Gather, vec![y.arg(), chosen.arg()])?;
				let labels = graph.anchor(labels);
				Ok(Self { input, labels, examples: length })
			}
			Input::Tokens { length: window, vocabulary } => {
				graph.vocabulary = *vocabulary;
				let Some(examples) = length.checked_sub(*window).filter(|&left| left > 0) else {
					let reason = format!("windows of {window} tokens and the next one need a longer text than {length} tokens");
					return Err(field("input.tokens.length", reason));
				};
				let tokens = graph.input("tokens", DType::I32, &[length], Role::Tokens)?;
				let chosen = choose(graph, description, examples)?;
				let shape = Shape::new(&[batch, *window])?;
				let first = chosen.reshape(&[batch, 1])?.broadcast(&shape)?;
				let along = graph.node(Op::Iota { shape, axis: 1 }, vec![])?;
				let add = Op::Add { to: DType::I32 };
				let places = graph.node(add, vec![first, along.arg()])?;
				let places = graph.anchor(places);
				let input = graph.node(Op::Gather, vec![tokens.arg(), places.arg()])?;
				let input = graph.anchor(input);
				let shape = Shape::new(&[length - 1])?;
				let next = tokens.viewed(View { shape, offset: 1, strides: vec![1] })?;
				let labels = graph.node(Op::Gather, vec![next, places.arg()])?;
				let labels = graph.anchor(labels);
				Ok(Self { input, labels, examples })
			}
		}
	}
}

/// Positions of the examples of this step, i32 `[batch]`; an anchor, for it decides what is read.
fn choose(graph: &mut Graph, description: &Description, examples: u32) -> Result<Tensor> {
	let (batch, steps) = (description.batch, description.steps);
	if description.order != Order::Random {
		let order = graph.input("order", DType::I32, &[steps, batch], Role::Order)?;
		let args = vec![order.arg(), graph.step.arg()];
		let chosen = graph.node(Op::Gather, args)?;
		return graph.anchor(chosen).reshape(&[batch]);
	}
	// Bits are uniform in −2^31 .. 2^31: bits·n/2^32 + n/2, rounded, is uniform on a circle of n.
	let shape = Shape::new(&[batch])?;
	let bits = graph.random(&shape)?;
	let n = graph.number(DType::I32, examples as i32, &shape)?;
	let op = Op::MulShift { shift: 32, to: DType::I32 };
	let around = graph.node(op, vec![bits.arg(), n.clone()])?;
	let half = graph.number(DType::I32, (examples / 2) as i32, &shape)?;
	let chosen = graph.node(Op::Add { to: DType::I32 }, vec![around.arg(), half])?;
	let relation = Relation::Equal;
	let last = graph.node(Op::Compare { relation }, vec![chosen.arg(), n])?;
	let zero = graph.number(DType::I32, 0, &shape)?;
	let chosen = graph.node(Op::Select, vec![last.arg(), zero, chosen.arg()])?;
	Ok(graph.anchor(chosen))
}

/// Makes anchors of what the referee cannot recompute otherwise, until the program is admitted, and
/// virtual nodes of the anchors that it can do without.
fn place_anchors(program: &mut Program) -> Result<Checked> {
	loop {
		let error = match program.check(&Limits::default()) {
			Ok(checked) => return Ok(program.thin(checked, &Limits::default())),
			Err(error) => error,
		};
		let node = match error {
			CheckError::Unrefereeable { node, .. } | CheckError::TooManyVirtual { node, .. } => {
				node
			}
			_ => return Err(error.into()),
		};
		let promoted = below(program, node);
		if promoted.is_empty() {
			return Err(Error::Check(error));
		}
		for node in promoted {
			program.nodes[node as usize].class = Anchor::EagerAnchor;
		}
	}
}

/// The virtual nodes nearest to `node` that read much, or else its virtual operands.
fn below(program: &Program, node: u32) -> Vec<u32> {
	let operands = |node: u32| {
		program.nodes[node as usize].operands.iter().filter_map(|operand| match operand.source {
			Source::Node(at) if program.nodes[at as usize].class == Anchor::Virtual => Some(at),
			_ => None,
		})
	};
	let (mut seen, mut pending) = (vec![], vec![node]);
	while let Some(at) = pending.pop() {
		for below in operands(at) {
			if !seen.contains(&below) {
				seen.push(below);
				pending.push(below);
			}
		}
	}
	let heavy = |op: &Op| op.reduces() || matches!(op.family(), Family::Row(_));
	seen.retain(|&at| heavy(&program.nodes[at as usize].op));
	if seen.is_empty() {
		seen = operands(node).collect();
	}
	seen
}
