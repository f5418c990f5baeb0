//! Integer matrix products against those of onnxruntime, and against f32 ones.

use crate::{
	measure::{interleave, seconds, Pair},
	rival::{values, Library, Rival},
	table::Table,
	Benchmark, Context,
};
use anyhow::{bail, ensure, Context as _, Result};
use assay_exec::{Affine, Backend, Buffer, Call, CpuBackend, Operand};
use assay_ops::{DType, Narrow, Op, Shape as Dims};
use serde_json::{json, Value};
use std::{str::FromStr, sync::Arc};

pub const BENCHMARK: Benchmark = Benchmark {
	name: "gemm",
	about: "matrix products: i8 and i16 against onnxruntime's int8 and everyone's f32",
	run,
};

/// Sizes of a product, `M×K` by `K×N`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
	m: usize,
	k: usize,
	n: usize,
}

impl FromStr for Shape {
	type Err = anyhow::Error;

	fn from_str(text: &str) -> Result<Self> {
		let numbers: Result<Vec<usize>, _> = text.split('x').map(str::parse).collect();
		match numbers.as_deref() {
			Ok(&[m, k, n]) if [m, k, n].iter().all(|edge| (1..=1 << 15).contains(edge)) => {
				Ok(Self { m, k, n })
			}
			_ => bail!("{text:?} is not three sizes from 1 to 32768, such as 128x384x1536"),
		}
	}
}

/// `(m, k, n)`: squares, MiniLM's layers, few rows.
const SHAPES: [(usize, usize, usize); 13] = [
	(256, 256, 256),
	(512, 512, 512),
	(1024, 1024, 1024),
	(2048, 2048, 2048),
	(4096, 4096, 4096),
	(128, 384, 384),
	(128, 384, 1536),
	(128, 1536, 384),
	(1, 1024, 1024),
	(1, 4096, 4096),
	(4, 1024, 1024),
	(16, 1024, 1024),
	(16, 4096, 4096),
];

/// Operands as the engine's run loop hands them over. The right one and the parameters are
/// constants.
struct Product {
	cpu: CpuBackend,
	left: (Arc<Buffer>, Dims),
	right: (Arc<Buffer>, Dims),
	parameters: Vec<(Arc<Buffer>, Dims)>,
	out: Dims,
}

impl Product {
	fn new(dtype: DType, (m, k, n): (usize, usize, usize)) -> Result<Self> {
		let shape = |dims: &[usize]| -> Result<Dims> {
			let dims: Vec<u32> = dims.iter().map(|&dim| dim as u32).collect();
			Dims::new(&dims).map_err(|error| anyhow::anyhow!("{dims:?}: {error}"))
		};
		// As the run loop imports them, in memory that results have too.
		let buffer = |count: usize, offset: i16| {
			let values = values(count, offset);
			let bytes: Vec<u8> = match dtype {
				DType::I16 => values.flat_map(i16::to_le_bytes).collect(),
				_ => values.map(|value| value as u8).collect(),
			};
			Arc::new(Buffer::from_bytes(dtype, &bytes))
		};
		let constant = |buffer: Buffer| -> Result<_> { Ok((Arc::new(buffer), shape(&[n])?)) };
		Ok(Self {
			cpu: CpuBackend::default(),
			left: (buffer(m * k, 0), shape(&[m, k])?),
			right: (buffer(n * k, 64), shape(&[n, k])?),
			parameters: vec![
				constant(Buffer::I16(vec![1 << 14; n].into()))?,
				constant(Buffer::I8(vec![22; n].into()))?,
				constant(Buffer::I32(vec![0; n].into()))?,
			],
			out: shape(&[m, n])?,
		})
	}

	/// i8 to i32, or i16 narrowed to i16.
	fn exact(&mut self) -> Result<Arc<Buffer>> {
		let (op, dtype) = match self.left.0.dtype() {
			DType::I16 => {
				let narrow = Narrow { multiplier: 1 << 14, shift: 24, to: DType::I16 };
				(Op::MatMul { narrow: Some(narrow) }, DType::I16)
			}
			_ => (Op::MatMul { narrow: None }, DType::I32),
		};
		let operands = [operand(&self.left), operand(&self.right)];
		Ok(self.cpu.apply(&Call { op: &op, operands: &operands, dtype, shape: &self.out })?)
	}

	/// i8 to i8, through a Requant.
	fn requantized(&mut self) -> Result<Arc<Buffer>> {
		let operands = [operand(&self.left), operand(&self.right)];
		let parameters: Vec<_> = self.parameters.iter().map(operand).collect();
		let op = Op::MatMul { narrow: None };
		let dtype = DType::I32;
		let product = Call { op: &op, operands: &operands, dtype, shape: &self.out };
		let out = self.cpu.product_requant(&product, &parameters, DType::I8)?;
		out.context("the engine does not fuse this product")
	}
}

fn operand((value, shape): &(Arc<Buffer>, Dims)) -> Operand<'_, Arc<Buffer>> {
	Operand { value, shape: *shape, affine: Affine::new(shape, None) }
}

fn sum(buffer: &Buffer) -> f64 {
	(0..buffer.len()).map(|at| f64::from(buffer.get(at))).sum()
}

/// `ours` against `rival`, in turns.
fn against(
	rival: &mut Option<Rival>,
	mut ours: impl FnMut() -> Result<Arc<Buffer>>,
) -> Result<Option<Pair>> {
	let Some(rival) = rival else { return Ok(None) };
	let ours = |count| seconds(count, || ours().map(drop));
	interleave(ours, |count| rival.run(count)).map(Some)
}

fn run(context: &Context) -> Result<Vec<Table>> {
	let start = |library| context.rivals.start(library, context.threads);
	let mut onnx = start(Library::Onnxruntime)?;
	let mut tract = start(Library::Tract)?;
	let mut candle = start(Library::Candle)?;

	let mut bytes = Table::new(
		"i8 products, constant weights: how many times as fast ours is (and microseconds of ours and theirs)",
		&[
			"m × k × n",
			"ours, GMAC/s",
			"to i32: onnxruntime MatMulInteger",
			"µs",
			"to i8: onnxruntime QLinearMatMul",
			"µs",
			"onnxruntime f32",
			"tract f32",
			"candle f32",
		],
	);
	let mut words = Table::new(
		"i16 products narrowed to i16, constant weights: how many times as fast ours is",
		&["m × k × n", "ours, GMAC/s", "ours, µs", "onnxruntime f32", "tract f32", "candle f32"],
	);
	let ratio = |pair: &Option<Pair>| pair.map_or(Value::Null, |pair| json!(pair.ratio));
	let both = |pair: &Option<Pair>| {
		pair.map_or(Value::Null, |pair| {
			json!(format!("{:.1} / {:.1}", pair.ours * 1e6, pair.theirs * 1e6))
		})
	};
	let chosen: Vec<_> = context.shapes.iter().map(|&Shape { m, k, n }| (m, k, n)).collect();
	let shapes = if chosen.is_empty() { &SHAPES[..] } else { &chosen };
	for &shape in shapes {
		let (m, k, n) = shape;
		let products = (m * k * n) as f64;
		if context.quick && products > 1.1e9 {
			continue;
		}
		let name = format!("{m} × {k} × {n}");
		let mut i8s = Product::new(DType::I8, shape)?;
		let mut i16s = Product::new(DType::I16, shape)?;

		let expected = sum(&*i8s.exact()?);
		if let Some(onnx) = &mut onnx {
			let found = onnx.prepare("i32", shape)?;
			ensure!(found == expected, "onnxruntime sums up to {found}, ours to {expected}");
		}
		let to_i32 = against(&mut onnx, || i8s.exact())?;
		if let Some(onnx) = &mut onnx {
			onnx.prepare("i8", shape)?;
		}
		let to_i8 = against(&mut onnx, || i8s.requantized())?;
		let mut floats = Vec::new();
		for rival in [&mut onnx, &mut tract, &mut candle] {
			if let Some(rival) = rival {
				let found = rival.prepare("f32", shape)?;
				let off = (found - expected).abs() / expected.abs().max(1.0);
				ensure!(off < 1e-2, "a rival sums up to {found}, ours to {expected}");
			}
			floats.push((against(rival, || i8s.requantized())?, against(rival, || i16s.exact())?));
		}
		let alone = |pair: Option<Pair>, run: &mut dyn FnMut() -> Result<()>| match pair {
			Some(pair) => Ok(pair.ours),
			None => crate::measure::alone(run),
		};
		let ours = alone(to_i32, &mut || i8s.exact().map(drop))?;
		let mut row = vec![json!(name), json!(products / ours / 1e9)];
		row.extend([ratio(&to_i32), both(&to_i32), ratio(&to_i8), both(&to_i8)]);
		row.extend(floats.iter().map(|(bytes, _)| ratio(bytes)));
		bytes.row(row);

		let ours = alone(floats[0].1, &mut || i16s.exact().map(drop))?;
		let mut row = vec![json!(name), json!(products / ours / 1e9), json!(ours * 1e6)];
		row.extend(floats.iter().map(|(_, words)| ratio(words)));
		words.row(row);
		eprintln!("bench: gemm {name} done");
	}
	Ok(vec![bytes, words])
}
