//! Operators on the shapes that are worst for them.

use super::operand::{of, Fill, Seen};
use anyhow::{anyhow, Result};
use assay_ops::{DType, Geometry, Narrow, NormKind, Op, PoolKind, Relation, Shape};

/// An operator with its operands.
pub struct Case {
	/// What is bad about it.
	pub what: &'static str,
	pub op: Op,
	pub operands: Vec<Seen>,
}

const I8: DType = DType::I8;
const I16: DType = DType::I16;
const I32: DType = DType::I32;

fn case(what: &'static str, op: Op, operands: Vec<Seen>) -> Case {
	Case { what, op, operands }
}

/// All of them, with tensors of about `many` elements: every operator is here.
pub fn all(many: u32) -> Result<Vec<Case>> {
	let mut all = products();
	all.extend(convolutions());
	all.extend(grouped());
	all.extend(elementwise(many));
	all.extend(views(many));
	all.extend(folds(many));
	all.extend(moves(many)?);
	all.extend(rows(many));
	Ok(all)
}

const NARROW: Narrow = Narrow { multiplier: 12_345, shift: 24, to: I16 };

fn products() -> Vec<Case> {
	let (bytes, words) = (Op::MatMul { narrow: None }, Op::MatMul { narrow: Some(NARROW) });
	let product = |what, op, dtype, [m, k, n]: [u32; 3]| {
		case(what, op, vec![of(dtype, &[m, k]), of(dtype, &[n, k])])
	};
	let batch = |what, dtype, [b, m, k, n]: [u32; 4]| {
		let narrow = (dtype == I16).then_some(NARROW);
		let operands = vec![of(dtype, &[b, m, k]), of(dtype, &[b, n, k])];
		case(what, Op::BatchMatMul { narrow }, operands)
	};
	vec![
		product("i8, 512 × 512 × 512 (dense)", bytes, I8, [512, 512, 512]),
		product("i8, one row of 4096", bytes, I8, [1, 4096, 4096]),
		product("i8, one column", bytes, I8, [65_536, 64, 1]),
		product("i8, one result, long", bytes, I8, [1, 131_071, 1]),
		product("i8, K = 1", bytes, I8, [2048, 1, 1024]),
		case(
			"i8, weights read across",
			bytes,
			vec![of(I8, &[1, 2048]), of(I8, &[2048, 2048]).seen(&[2048, 2048], &[1, 2048])],
		),
		product("i16, 512 × 512 × 512", words, I16, [512, 512, 512]),
		product("i16, one row of 2048", words, I16, [1, 2048, 2048]),
		product("i16, K = 1", words, I16, [2048, 1, 1024]),
		batch("i8, 1 × 1 × 1", I8, [1 << 18, 1, 1, 1]),
		batch("i8, 8 × 8 × 8", I8, [4096, 8, 8, 8]),
		batch("i8, 128 × 64 × 128", I8, [32, 128, 64, 128]),
		batch("i8, one row", I8, [64, 1, 64, 512]),
		batch("i16, 1 × 1 × 1", I16, [1 << 18, 1, 1, 1]),
		batch("i16, 128 × 32 × 128", I16, [32, 128, 32, 128]),
	]
}

/// x, kernel height and width, results.
fn convolution(
	what: &'static str,
	dtype: DType,
	x: [u32; 4],
	[kh, kw, out]: [u32; 3],
	geometry: Geometry,
) -> Case {
	let narrow = (dtype == I16).then_some(NARROW);
	let w = [out, kh, kw, x[3] / u32::from(geometry.groups)];
	let op = Op::Conv2d { geometry, narrow };
	case(what, op, vec![of(dtype, &x), of(dtype, &w)])
}

const SAME: Geometry = Geometry { pad: [[1, 1], [1, 1]], ..Geometry::UNIT };

fn convolutions() -> Vec<Case> {
	let dilated = Geometry { kernel_dilation: [2, 2], ..Geometry::UNIT };
	let flipped = Geometry { flip: true, ..SAME };
	let far = Geometry { stride: [64, 64], ..Geometry::UNIT };
	vec![
		convolution("64 to 64 channels, 3 × 3", I8, [4, 32, 32, 64], [3, 3, 64], SAME),
		convolution("3 to 16 channels, 3 × 3", I8, [4, 64, 64, 3], [3, 3, 16], SAME),
		convolution("1 to 1 channel, 3 × 3", I8, [1, 512, 512, 1], [3, 3, 1], SAME),
		convolution("1 to 1 channel, 3 × 3, flipped", I8, [1, 512, 512, 1], [3, 3, 1], flipped),
		convolution("1 to 1 channel, 1 × 1", I8, [1, 1024, 1024, 1], [1, 1, 1], Geometry::UNIT),
		convolution("1 to 1 channel, 16 × 16, dilated", I8, [1, 128, 128, 1], [16, 16, 1], dilated),
		convolution("1 to 1 channel, 1024 × 1", I8, [1, 4096, 1, 1], [1024, 1, 1], Geometry::UNIT),
		convolution("a window in 64 × 64 elements", I8, [1, 2048, 2048, 1], [1, 1, 1], far),
		convolution("i16, 32 to 32 channels, 3 × 3", I16, [4, 32, 32, 32], [3, 3, 32], SAME),
		convolution("i16, 1 to 1 channel, 3 × 3", I16, [1, 512, 512, 1], [3, 3, 1], SAME),
	]
}

fn grouped() -> Vec<Case> {
	let of_groups = |groups: u16, geometry: Geometry| Geometry { groups, ..geometry };
	let halved = |groups| Geometry { stride: [2, 2], ..of_groups(groups, SAME) };
	let spread = |groups| Geometry { input_dilation: [2, 2], ..of_groups(groups, SAME) };
	let (unit, x) = (Geometry::UNIT, [8, 32, 32, 64]);
	vec![
		convolution("2 groups of 32", I8, x, [3, 3, 64], of_groups(2, SAME)),
		convolution("8 groups of 8", I8, x, [3, 3, 64], of_groups(8, SAME)),
		convolution("16 groups of 4", I8, x, [3, 3, 64], of_groups(16, SAME)),
		convolution("depthwise, 64 channels", I8, x, [3, 3, 64], of_groups(64, SAME)),
		convolution("depthwise, stride 2", I8, x, [3, 3, 64], halved(64)),
		convolution("depthwise, its gradient", I8, [8, 16, 16, 64], [3, 3, 64], spread(64)),
		convolution("depthwise, 4 results each", I8, x, [3, 3, 256], of_groups(64, SAME)),
		convolution("depthwise, 7 × 7", I8, [8, 32, 32, 96], [7, 7, 96], of_groups(96, SAME)),
		convolution("2 groups of 1", I8, [4, 256, 256, 2], [3, 3, 2], of_groups(2, SAME)),
		convolution("3 groups of 1", I8, [4, 256, 256, 3], [3, 3, 3], of_groups(3, SAME)),
		convolution(
			"65,535 groups, one position",
			I8,
			[1, 1, 1, 65_535],
			[1, 1, 65_535],
			of_groups(65_535, unit),
		),
		convolution(
			"4,096 groups of 8 results, one position",
			I8,
			[1, 1, 1, 4096],
			[1, 1, 32_768],
			of_groups(4096, unit),
		),
		convolution("i16, depthwise, 64 channels", I16, x, [3, 3, 64], of_groups(64, SAME)),
		convolution("i16, 2 groups of 32", I16, x, [3, 3, 64], of_groups(2, SAME)),
	]
}

fn elementwise(many: u32) -> Vec<Case> {
	let line = [many];
	let two = |dtype| vec![of(dtype, &line), of(dtype, &line)];
	let one = |dtype| vec![of(dtype, &line)];
	let requant = |rows: u32, columns: u32, shift: i32| {
		vec![
			of(I32, &[rows, columns]),
			of(I16, &[columns]),
			of(I8, &[columns]).fill(Fill::All(shift)),
			of(I32, &[columns]),
		]
	};
	let to_bytes = Op::Requant { to: I8 };
	let shifts = of(I8, &line);
	vec![
		case("1,024 columns", to_bytes, requant(many / 1024, 1024, 20)),
		case("1 column", to_bytes, requant(many, 1, 20)),
		case("3 columns, to the left", to_bytes, requant(many / 4, 3, -3)),
		case("i8", Op::Add { to: I8 }, two(I8)),
		case("i32", Op::Add { to: I32 }, two(I32)),
		case("i32", Op::Sub { to: I32 }, two(I32)),
		case("i32", Op::Mul { to: I32 }, two(I32)),
		case("i32", Op::Max, two(I32)),
		case("i8", Op::Min, two(I8)),
		case("i16", Op::Clamp { lo: -5, hi: 5 }, one(I16)),
		case("i32, right", Op::Shift { by: 12, to: I8 }, one(I32)),
		case("i32, left", Op::Shift { by: -12, to: I32 }, one(I32)),
		case("i8 to i32", Op::Cast { to: I32 }, one(I8)),
		case("i8", Op::Copy, one(I8)),
		case("i8", Op::Lut, vec![of(I8, &line), of(I32, &[256])]),
		case("16,385 points", Op::LutInterp, vec![of(I16, &line), of(I32, &[16_385])]),
		case("i32", Op::MulShift { shift: 20, to: I32 }, two(I32)),
		case("i32", Op::Compare { relation: Relation::Less }, two(I32)),
		case("i32", Op::Select, vec![of(I8, &line), of(I32, &line), of(I32, &line)]),
		case("i32", Op::BitLen, one(I32)),
		case("one shift", Op::ShiftBy { to: I32 }, vec![of(I32, &line), of(I8, &[1])]),
		case("shifts", Op::ShiftBy { to: I32 }, vec![of(I32, &line), shifts.clone()]),
		case("shifts", Op::ShiftRandom { to: I32 }, vec![of(I32, &line), shifts, of(I32, &line)]),
		case("i32, 30 bits", Op::IntDiv { shift: 30, to: I32 }, two(I32)),
		case("any", Op::Rsqrt { shift: 30 }, one(I32)),
		case(
			"in the middle of two results",
			Op::Rsqrt { shift: 0 },
			vec![of(I32, &line).fill(Fill::All(4))],
		),
	]
}

/// Elementwise operators stand for all others here: views are read in one place.
fn views(many: u32) -> Vec<Case> {
	let add = Op::Add { to: I32 };
	// Further apart than a page, in more memory than a cache has.
	let across = of(I32, &[4096, 4096]).seen(&[1024, 2048], &[1, 4096]);
	let bytes = of(I8, &[8192, 8192]).seen(&[256, 8192], &[1, 8192]);
	let twos = of(I32, &[many]).seen(
		&[2, 2, 2, 2, 2, many / 32],
		&[many / 2, many / 4, many / 8, many / 16, many / 32, 1],
	);
	let short = of(I32, &[many]).seen(&[many / 32, 2, 2, 2, 2, 2], &[32, 1, 2, 4, 8, 16]);
	let once = of(I32, &[1]).seen(&[many], &[0]);
	let overlapping = of(I32, &[many]).seen(&[many / 4, 3], &[1, 1]);
	vec![
		case("read across, i32", Op::Copy, vec![across.clone()]),
		case("read across, i8", Op::Copy, vec![bytes]),
		case("both read across", add, vec![across.clone(), across]),
		case("six dimensions", Op::Copy, vec![twos]),
		case("six dimensions, turned", Op::Copy, vec![short]),
		case("one element", Op::Copy, vec![once]),
		case("overlapping rows of three", Op::Copy, vec![overlapping.clone()]),
		case("overlapping rows of three", add, vec![overlapping.clone(), overlapping]),
	]
}

fn folds(many: u32) -> Vec<Case> {
	let mut all = Vec::new();
	let shapes: [(&'static str, &[u32], u8); 7] = [
		("rows of 1,024", &[many / 1024, 1024], 1),
		("one row", &[1, many], 1),
		("pairs", &[many / 2, 2], 1),
		("of one element", &[many, 1], 1),
		("of three columns", &[1, many / 4, 3], 1),
		("of 1,024 columns", &[many / 1024, 1024], 0),
		("pairs of pairs", &[many / 4, 2, 2], 1),
	];
	for (what, dims, axis) in shapes {
		let one = |dtype| vec![of(dtype, dims)];
		all.push(case(what, Op::ReduceSum { axis, to: I32 }, one(I8)));
		all.push(case(what, Op::ReduceMax { axis }, one(I32)));
		all.push(case(what, Op::ArgMax { axis }, one(I32)));
		let products = Op::ReduceSumProduct { axis, shift: 8, to: I32 };
		all.push(case(what, products, vec![of(I8, dims), of(I8, dims)]));
	}
	let across = of(I32, &[4096, 4096]).seen(&[1024, 2048], &[1, 4096]);
	all.push(case("rows read across", Op::ReduceSum { axis: 1, to: I32 }, vec![across]));
	let pool = |what, kind, dtype, x: [u32; 4], kernel: [u8; 2], stride: [u8; 2]| {
		let op = Op::Pool { kind, kernel, stride, pad: [[0, 0]; 2], to: I32 };
		case(what, op, vec![of(dtype, &x)])
	};
	let (max, sum) = (PoolKind::Max, PoolKind::Sum);
	all.extend([
		pool("2 × 2 of 64 channels", max, I8, [8, 64, 64, 64], [2, 2], [2, 2]),
		pool("3 × 3 of 1 channel", max, I8, [1, 512, 512, 1], [3, 3], [1, 1]),
		pool("1 × 1 of 1 channel", sum, I8, [1, 1024, 1024, 1], [1, 1], [1, 1]),
		pool("1 × 2 of 2 channels", sum, I32, [1, 512, 512, 2], [1, 2], [1, 1]),
		pool("16 × 16 of 1 channel", sum, I32, [1, 256, 256, 1], [16, 16], [1, 1]),
		pool("64 × 1 of 1 channel", sum, I16, [1, 2048, 256, 1], [64, 1], [1, 1]),
		pool("1 × 1 of 64 × 64 elements", max, I8, [1, 2048, 2048, 1], [1, 1], [64, 64]),
	]);
	all
}

fn moves(many: u32) -> Result<Vec<Case>> {
	let rows = 1 << 24;
	let indices = |count: u32, below| of(I32, &[count]).fill(Fill::Below(below));
	let scatter = |what, rows: u32, width: u32, indices: Seen, count: u32| {
		let op = Op::ScatterAdd { rows, to: I32 };
		case(what, op, vec![of(I32, &[count, width]), indices])
	};
	let shape = |dims: &[u32]| Shape::new(dims).map_err(|error| anyhow!("{dims:?}: {error}"));
	let thin = |count: u32| vec![of(I8, &[many / 16, 1]); count as usize];
	let turned = of(I32, &[64, 65_536]).seen(&[65_536, 64], &[1, 65_536]);
	Ok(vec![
		case("rows of 64", Op::Gather, vec![of(I8, &[65_536, 64]), indices(32_768, 65_536)]),
		case("single elements", Op::Gather, vec![of(I32, &[rows]), indices(many / 2, rows)]),
		case("a row of a table read across", Op::Gather, vec![turned.clone(), indices(1, 65_536)]),
		case("rows read across", Op::Gather, vec![turned, indices(4096, 65_536)]),
		scatter("single elements", many / 2, 1, indices(many / 2, many / 2), many / 2),
		scatter("few of many rows", 1 << 23, 1, indices(4096, 1 << 23), 4096),
		scatter("all to one row", 16, 1, of(I32, &[many]).fill(Fill::All(7)), many),
		scatter("rows of 64", 4096, 64, indices(32_768, 4096), 32_768),
		case("16 columns", Op::Concat { axis: 1 }, thin(16)),
		case("long rows", Op::Concat { axis: 0 }, vec![of(I8, &[512, 2048]); 4]),
		case(
			"a column",
			Op::Pad { axis: 1, low: 1, high: 0, value: 1 },
			vec![of(I8, &[many / 2, 1])],
		),
		case(
			"long rows",
			Op::Pad { axis: 1, low: 9, high: 9, value: 0 },
			vec![of(I8, &[1024, 2048])],
		),
		case("along the last axis", Op::Iota { shape: shape(&[many / 2, 2])?, axis: 1 }, vec![]),
		case(
			"many words",
			Op::Philox { shape: shape(&[many])?, stream: 1 },
			vec![of(I32, &[2]), of(I32, &[1])],
		),
	])
}

fn rows(many: u32) -> Vec<Case> {
	let mut all = Vec::new();
	let sizes: [(&'static str, &[u32]); 4] = [
		("rows of 1,024", &[many / 2048, 1024]),
		("rows of one", &[many / 8, 1]),
		("rows of three", &[many / 8, 3]),
		("rows of 32,768", &[many / 65_536, 32_768]),
	];
	for (what, dims) in sizes {
		let n = dims[1];
		let norm = |kind| Op::Norm { kind, epsilon: 1, to: I16, shift: 3 };
		let x = vec![of(I16, dims), of(I16, &[n]), of(I32, &[n])];
		all.push(case(what, norm(NormKind::Layer), x.clone()));
		all.push(case(what, norm(NormKind::Rms), x));
		let scale = Op::RowScale { kind: NormKind::Layer, epsilon: 0, shift: 30 };
		all.push(case(what, scale, vec![of(I16, dims)]));
		let softmax = |to| Op::Softmax { multiplier: 20_000, shift: 8, to };
		all.push(case(what, softmax(I16), vec![of(I16, dims)]));
		all.push(case(what, softmax(I8), vec![of(I32, dims)]));
		for reverse in [false, true] {
			let sums = Op::CumSum { exclusive: reverse, reverse, to: I32 };
			all.push(case(what, sums, vec![of(I32, dims)]));
		}
		let best = |k, values| Op::TopK { k, values };
		all.push(case(what, best(1, true), vec![of(I32, dims)]));
		all.push(case(what, best(n, false), vec![of(I32, dims)]));
		all.push(case(what, best(n.div_ceil(2), true), vec![of(I32, dims).fill(Fill::Rising)]));
	}
	let long = [1, many / 2];
	let sums = Op::CumSum { exclusive: false, reverse: false, to: I8 };
	all.push(case("one row", sums, vec![of(I16, &long)]));
	all.push(case("one row", Op::TopK { k: many / 4, values: true }, vec![of(I32, &long)]));
	all.push(case(
		"one row",
		Op::Softmax { multiplier: 1, shift: 0, to: I8 },
		vec![of(I16, &long)],
	));
	all
}
