//! What committing to a trace costs, on programs like a transformer's encoder.

use crate::{
	measure::interleave, measure::seconds, rival::values, table::Table, Benchmark, Context,
};
use anyhow::{anyhow, Result};
use assay_exec::{CpuExecutor, Executor, Tensor};
use assay_ops::{DType, Op, TensorType, View, OPERATOR_SET};
use assay_program::{
	Checked, Class, Constant, Input, Limits, Node, Operand, Output, Program, Source, FORMAT_VERSION,
};
use serde_json::json;

pub const BENCHMARK: Benchmark = Benchmark {
	name: "trace",
	about: "the share of hashing anchors in a run of six layers like MiniLM's",
	run,
};

const ROWS: u32 = 128;
const WIDTH: u32 = 384;
const HIDDEN: u32 = 1536;
const HEADS: u32 = 12;
const LAYERS: u32 = 6;

/// Which nodes are committed.
#[derive(Clone, Copy, PartialEq)]
enum Anchors {
	/// The output of every layer, which is about the least that a check takes.
	Layers,
	/// Also the results of the products with weights.
	Blocks,
	/// What a compiler marks: every product's result after its Requant.
	Products,
}

/// Builds a program of i8 tensors.
struct Builder {
	program: Program,
	anchors: Anchors,
}

impl Builder {
	fn ty(dtype: DType, dims: &[u32]) -> Result<TensorType> {
		TensorType::new(dtype, dims).map_err(|error| anyhow!("{dims:?}: {error}"))
	}

	fn input(&mut self, name: String, dims: &[u32]) -> Result<Source> {
		let source = Source::Input(self.program.inputs.len() as u16);
		self.program.inputs.push(Input { name, ty: Self::ty(DType::I8, dims)? });
		Ok(source)
	}

	fn constant(&mut self, dtype: DType, values: &[i32]) -> Result<Operand> {
		let ty = Self::ty(dtype, &[values.len() as u32])?;
		let data = values
			.iter()
			.flat_map(|value| value.to_le_bytes().into_iter().take(dtype.size()))
			.collect();
		let source = Source::Constant(self.program.constants.len() as u16);
		self.program.constants.push(Constant { ty, data });
		Ok(source.into())
	}

	fn node(&mut self, op: Op, operands: Vec<Operand>, anchor: bool) -> Source {
		let class = if anchor { Class::EagerAnchor } else { Class::Virtual };
		let source = Source::Node(self.program.nodes.len() as u32);
		self.program.nodes.push(Node { op, operands, split: None, class });
		source
	}

	/// A product and the Requant that brings its sums of `k` terms back to i8.
	fn product(&mut self, a: Operand, b: Operand, k: u32, anchor: bool) -> Result<Source> {
		let sums = self.node(Op::MatMul { narrow: None }, vec![a, b], false);
		let multiplier = self.constant(DType::I16, &[1 << 14])?;
		let shift = self.constant(DType::I8, &[19 + k.ilog2() as i32 / 2])?;
		let bias = self.constant(DType::I32, &[0])?;
		let operands = vec![sums.into(), multiplier, shift, bias];
		Ok(self.node(Op::Requant { to: DType::I8 }, operands, anchor))
	}

	fn dense(&mut self, name: String, a: Source, n: u32, k: u32) -> Result<Source> {
		let weights = self.input(name, &[n, k])?;
		let anchor = self.anchors != Anchors::Layers;
		self.product(a.into(), weights.into(), k, anchor)
	}

	/// Attention, a residual, a feed-forward block with a table in the middle, a residual.
	fn layer(&mut self, layer: u32, x: Source) -> Result<Source> {
		let name = |part: &str| format!("{layer}-{part}");
		let view = |offset: u32, dims: &[u32], strides: &[u32]| -> Result<View> {
			let shape = assay_ops::Shape::new(dims).map_err(|error| anyhow!("{error}"))?;
			Ok(View { shape, offset, strides: strides.to_vec() })
		};
		let q = self.dense(name("q"), x, WIDTH, WIDTH)?;
		let k = self.dense(name("k"), x, WIDTH, WIDTH)?;
		let v = self.dense(name("v"), x, WIDTH, WIDTH)?;
		let width = WIDTH / HEADS;
		let anchor = self.anchors == Anchors::Products;
		let mut mixed: Option<Source> = None;
		for head in 0..HEADS {
			let columns = view(head * width, &[ROWS, width], &[WIDTH, 1])?;
			let turned = view(head * width, &[width, ROWS], &[1, WIDTH])?;
			let (left, right) = (Operand::viewed(q, columns.clone()), Operand::viewed(k, columns));
			let scores = self.product(left, right, width, anchor)?;
			let values = Operand::viewed(v, turned);
			let out = self.product(scores.into(), values, ROWS, anchor)?;
			// Without a concatenation the heads are added, which is as much to move and to hash.
			mixed = Some(match mixed {
				Some(sum) => {
					let operands = vec![sum.into(), out.into()];
					self.node(Op::Add { to: DType::I8 }, operands, false)
				}
				None => out,
			});
		}
		let mixed = mixed.unwrap_or(x);
		let out = self.dense(name("out"), mixed, WIDTH, width)?;
		let x = self.node(Op::Add { to: DType::I8 }, vec![x.into(), out.into()], false);
		let hidden = self.dense(name("up"), x, HIDDEN, WIDTH)?;
		let table: Vec<i32> = (-128..128).map(|x: i32| x.max(0)).collect();
		let table = self.constant(DType::I8, &table)?;
		let hidden = self.node(Op::Lut, vec![hidden.into(), table], false);
		let down = self.dense(name("down"), hidden, WIDTH, HIDDEN)?;
		Ok(self.node(Op::Add { to: DType::I8 }, vec![x.into(), down.into()], true))
	}
}

/// A program of that kind, its check and inputs.
fn program(anchors: Anchors) -> Result<(Program, Checked, Vec<Tensor>)> {
	let program = Program {
		version: FORMAT_VERSION,
		operator_set: OPERATOR_SET,
		inputs: vec![],
		states: vec![],
		constants: vec![],
		nodes: vec![],
		outputs: vec![],
	};
	let mut builder = Builder { program, anchors };
	let mut x = builder.input("tokens".into(), &[ROWS, WIDTH])?;
	for layer in 0..LAYERS {
		x = builder.layer(layer, x)?;
	}
	let mut program = builder.program;
	let Source::Node(node) = x else { return Err(anyhow!("a program without nodes")) };
	program.outputs.push(Output { name: "out".into(), node });
	// Without most of the anchors nobody could referee this; it is for comparison.
	let limits = Limits {
		part_bytes: u64::MAX,
		parts: u32::MAX,
		scratch: u64::MAX,
		part_nanoseconds: u64::MAX,
		analysis_steps: u32::MAX,
		..Limits::default()
	};
	let checked = program.check(&limits).map_err(|error| anyhow!("{error}"))?;
	let inputs = program
		.inputs
		.iter()
		.map(|input| {
			let elements: Vec<i32> =
				values(input.ty.elements() as usize, 64).map(i32::from).collect();
			Tensor::from_elements(input.ty, &elements).ok_or_else(|| anyhow!("{}", input.name))
		})
		.collect::<Result<_>>()?;
	Ok((program, checked, inputs))
}

fn run(context: &Context) -> Result<Vec<Table>> {
	// In many steps the weights are read again, and what happens once counts little.
	let steps = if context.quick { 4 } else { 16 };
	let mut table = Table::new(
		format!("Six layers of MiniLM's sizes, {ROWS} tokens, one of {steps} steps"),
		&[
			"anchors",
			"anchors of a step",
			"KiB of a step",
			"ms of a step",
			"more than the layers alone, %",
		],
	);
	let (mut one, mut other) = (CpuExecutor::new(), CpuExecutor::new());
	let (least, least_checked, inputs) = program(Anchors::Layers)?;
	for anchors in [Anchors::Layers, Anchors::Blocks, Anchors::Products] {
		let (program, checked, _) = program(anchors)?;
		let pair = interleave(
			|count| {
				seconds(count, || {
					Ok(one.run(&program, &checked, &inputs, steps, &mut ()).map(drop)?)
				})
			},
			|count| {
				seconds(count, || {
					Ok(other.run(&least, &least_checked, &inputs, steps, &mut ()).map(drop)?)
				})
			},
		)?;
		let bytes: u64 =
			checked.anchors.iter().map(|&node| checked.types[node as usize].canonical_len()).sum();
		let name = match anchors {
			Anchors::Layers => "each layer's output",
			Anchors::Blocks => "and of each dense product",
			Anchors::Products => "every product",
		};
		table.row(vec![
			json!(name),
			json!(checked.anchors.len().to_string()),
			json!(bytes as f64 / 1024.0),
			json!(pair.ours / f64::from(steps) * 1e3),
			json!((1.0 / pair.ratio - 1.0) * 100.0),
		]);
	}
	Ok(vec![table])
}
