//! What runs on the adapter: the chains of the engine, and what burn is asked for in their place.

use crate::rival::values;
use anyhow::{Context as _, Result};
use assay_exec::Tensor;
use assay_gpu::Link;
use assay_ops::{DType, Narrow, NormKind, Op, TensorType};
use serde_json::{json, Value};

/// One operator on one size.
pub struct Case {
	pub operator: &'static str,
	pub shape: String,
	/// Multiplications with an addition; none where they are not what counts.
	pub products: Option<f64>,
	/// What the rival is asked to prepare, but for the type.
	pub request: Value,
	/// About what its result sums up to.
	pub checksum: f64,
	/// What the engine runs, by its types.
	pub ours: Vec<(&'static str, Vec<Link>)>,
}

/// `(m, k, n)`. The larger ones are for adapters that are no CPU.
const PRODUCTS: [(u32, u32, u32); 5] =
	[(256, 256, 256), (512, 512, 512), (1024, 1024, 1024), (1, 1024, 1024), (32, 384, 1536)];
const LARGE_PRODUCTS: [(u32, u32, u32); 5] =
	[(2048, 2048, 2048), (4096, 4096, 4096), (1, 4096, 4096), (16, 4096, 4096), (512, 1536, 6144)];

/// Rows and columns: attention scores and hidden states of MiniLM's sizes, and larger ones.
const ROWS: [(u32, u32); 2] = [(1536, 128), (1024, 384)];
const LARGE_ROWS: [(u32, u32); 2] = [(16384, 512), (8192, 4096)];

/// The cases for an adapter; `software` is one that computes on the CPU.
pub fn cases(software: bool, quick: bool) -> Result<Vec<Case>> {
	let mut all = Vec::new();
	let large = !software && !quick;
	for &(m, k, n) in PRODUCTS.iter().chain(LARGE_PRODUCTS.iter().filter(|_| large)) {
		if !quick || u64::from(m) * u64::from(k) * u64::from(n) < 1 << 28 {
			all.push(product(m, k, n)?);
		}
	}
	for &(rows, columns) in ROWS.iter().chain(LARGE_ROWS.iter().filter(|_| large)) {
		all.extend(by_row(rows, columns)?);
	}
	Ok(all)
}

fn tensor(dtype: DType, dims: &[u32], elements: impl Iterator<Item = i32>) -> Result<Tensor> {
	let ty = TensorType::new(dtype, dims).map_err(|error| anyhow::anyhow!("{dims:?}: {error}"))?;
	let elements: Vec<i32> = elements.collect();
	Tensor::from_elements(ty, &elements).context("as many elements as the type says")
}

/// The numbers that all sides compute with, in rows and columns.
fn numbers(dtype: DType, rows: u32, columns: u32, offset: i16) -> Result<Tensor> {
	let numbers = values(rows as usize * columns as usize, offset).map(i32::from);
	tensor(dtype, &[rows, columns], numbers)
}

/// One number for each column.
fn line(dtype: DType, columns: u32, value: i32) -> Result<Tensor> {
	tensor(dtype, &[columns], (0..columns).map(|_| value))
}

fn sum(tensor: &Tensor) -> f64 {
	tensor.elements().unwrap_or_default().into_iter().map(f64::from).sum()
}

fn product(m: u32, k: u32, n: u32) -> Result<Case> {
	let bytes = vec![numbers(DType::I8, m, k, 0)?, numbers(DType::I8, n, k, 64)?];
	let words = vec![numbers(DType::I16, m, k, 0)?, numbers(DType::I16, n, k, 64)?];
	let exact = Link { op: Op::MatMul { narrow: None }, operands: bytes };
	let requant = Link {
		op: Op::Requant { to: DType::I8 },
		operands: vec![
			line(DType::I16, n, 1 << 14)?,
			line(DType::I8, n, 29)?,
			line(DType::I32, n, 0)?,
		],
	};
	let narrow = Some(Narrow { multiplier: 1 << 14, shift: 24, to: DType::I16 });
	// The sum of all sums of products: columns of the left operand meet those of the right one.
	let columns = |tensor: &Tensor| {
		let elements = tensor.elements().unwrap_or_default();
		let mut sums = vec![0.0; k as usize];
		for row in elements.chunks(k as usize) {
			for (sum, value) in sums.iter_mut().zip(row) {
				*sum += f64::from(*value);
			}
		}
		sums
	};
	let pairs = columns(&exact.operands[0]).into_iter().zip(columns(&exact.operands[1]));
	Ok(Case {
		operator: "matrix product",
		shape: format!("{m} × {k} × {n}"),
		products: Some(f64::from(m) * f64::from(k) * f64::from(n)),
		request: json!({ "operator": "product", "m": m, "k": k, "n": n }),
		checksum: pairs.map(|(a, b)| a * b).sum(),
		ours: vec![
			("i8 to i32", vec![exact.clone()]),
			("i8 to i8", vec![exact, requant]),
			("i16 to i16", vec![Link { op: Op::MatMul { narrow }, operands: words }]),
		],
	})
}

/// Operators on elements and on rows.
fn by_row(rows: u32, columns: u32) -> Result<Vec<Case>> {
	let (x, y) = (numbers(DType::I16, rows, columns, 64)?, numbers(DType::I16, rows, columns, 0)?);
	let (x8, y8) = (numbers(DType::I8, rows, columns, 64)?, numbers(DType::I8, rows, columns, 0)?);
	let product: f64 = values((rows * columns) as usize, 64)
		.zip(values((rows * columns) as usize, 0))
		.map(|(x, y)| f64::from(x) * f64::from(y))
		.sum();
	let case = |operator, name: &str, checksum, ours: Vec<(&'static str, Op, Vec<Tensor>)>| Case {
		operator,
		shape: format!("{rows} × {columns}"),
		products: None,
		request: json!({ "operator": name, "rows": rows, "columns": columns }),
		checksum,
		ours: ours
			.into_iter()
			.map(|(types, op, operands)| (types, vec![Link { op, operands }]))
			.collect(),
	};
	let (to8, to) = (DType::I8, DType::I16);
	let pair = || vec![x.clone(), y.clone()];
	let pair8 = || vec![x8.clone(), y8.clone()];
	let elements = f64::from(rows) * f64::from(columns);
	// Sixteenths, as the rival has them: 1024 · log2(e) / 16 of the unit.
	let softmax = |to| Op::Softmax { multiplier: 23_637, shift: 8, to };
	let norm = Op::Norm { kind: NormKind::Layer, epsilon: 1, to, shift: 0 };
	let scale = [line(DType::I16, columns, 1024)?, line(DType::I32, columns, 1024)?];
	let normed = [std::slice::from_ref(&x), &scale].concat();
	Ok(vec![
		case(
			"Add",
			"add",
			sum(&x) + sum(&y),
			vec![
				("i8 to i8", Op::Add { to: to8 }, pair8()),
				("i16 to i16", Op::Add { to }, pair()),
			],
		),
		case(
			"Mul",
			"mul",
			product,
			vec![("i8 to i16", Op::Mul { to }, pair8()), ("i16 to i16", Op::Mul { to }, pair())],
		),
		case(
			"Softmax",
			"softmax",
			f64::from(rows),
			vec![
				("i8 to i8", softmax(to8), vec![x8.clone()]),
				("i16 to i16", softmax(to), vec![x.clone()]),
			],
		),
		case("Norm (layer)", "norm", elements, vec![("i16 to i16", norm, normed)]),
	])
}
