//! Programs whose recomputation is measured, and what a proof about one of their tiles consists of.

use alloc::{collections::BTreeMap, format, vec, vec::Vec};
use assay_commitments::{root, run_root, tensor_root, trace_root, Hash, Tree};
use assay_program::{
	ops::{DType, Narrow, Op, TensorType, View},
	Checked, Limits, Operand, Program, ProgramBuilder, RefereeCost, Source, MAX_PROGRAM_BYTES,
};
use assay_referee::{
	judge, prove, Accusation, Evidence, OpenedTree, ProofError, ProofPart, Record, Ruling,
};

/// The root of every tensor that a benchmark does not look into.
const SOME_ROOT: Hash = [7; 32];

fn ty(dtype: DType, dims: &[u32]) -> TensorType {
	TensorType::new(dtype, dims).expect("the benchmarks' shapes are valid; qed")
}

/// Numbers without a pattern (SplitMix64), the same in every run.
fn noise(seed: u64, bytes: usize) -> Vec<u8> {
	let mut state = seed;
	let mut next = || {
		state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
		let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
		(z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb).to_le_bytes()
	};
	let mut all = Vec::with_capacity(bytes + 8);
	while all.len() < bytes {
		all.extend(next());
	}
	all.truncate(bytes);
	all
}

/// A run of a program as far as a proof about one tile needs it.
pub struct Stage {
	/// The program.
	pub program: Program,
	/// Its check.
	pub checked: Checked,
	/// Roots of its inputs.
	pub input_roots: Vec<Hash>,
	/// Trace roots of its steps.
	pub traces: Vec<Hash>,
	/// The first part of a proof about the last step.
	pub part: ProofPart,
}

impl Stage {
	/// A run in which the first tile of the anchor `node` has the chunk value `claimed`. Inputs are
	/// noise, or zero where `zero` says so.
	pub fn new(program: Program, node: u32, steps: u32, claimed: Hash, zero: bool) -> Self {
		let checked = program.check(&Limits::V1).expect("the benchmarks' programs are sound; qed");
		let mut input_roots = Vec::new();
		let mut tensors: BTreeMap<Source, Vec<u8>> = BTreeMap::new();
		for (at, input) in (0u16..).zip(&program.inputs) {
			let length = input.ty.canonical_len() as usize;
			let bytes = if zero { vec![0; length] } else { noise(at.into(), length) };
			input_roots.push(tensor_root(&bytes));
			tensors.insert(Source::Input(at), bytes);
		}
		let tiles = checked.types[node as usize].tiles() as usize;
		let mut leaves = vec![SOME_ROOT; tiles];
		leaves[0] = claimed;
		let anchor = root(Tree::Tensor, &leaves).expect("a tensor has a tile; qed");
		let anchors: Vec<Hash> = checked
			.anchors
			.iter()
			.map(|other| if *other == node { anchor } else { SOME_ROOT })
			.collect();
		let traces = vec![trace_root(&anchors); steps as usize];
		let record = Record {
			program: &program,
			checked: &checked,
			input_roots: &input_roots,
			steps,
			run_root: run_root(&traces),
			list: None,
		};
		let tree = |tree, root, leaves| OpenedTree::new(tree, root, leaves).expect("leaves; qed");
		let evidence = Evidence {
			run: &tree(Tree::Run, record.run_root, traces.clone()),
			trace: &tree(Tree::Trace, traces[0], anchors.clone()),
			list: None,
			tensor: &tree(Tree::Tensor, anchor, leaves),
			before: Some(&anchors),
			tensors: &tensors,
		};
		let accusation = Accusation { step: steps - 1, node, tile: 0 };
		let part = prove(&record, &evidence, accusation, 0).expect("everything is known; qed");
		Self { program, checked, input_roots, traces, part }
	}

	/// What the referee makes of the part.
	pub fn judge(&self) -> Result<Ruling, ProofError> {
		let record = Record {
			program: &self.program,
			checked: &self.checked,
			input_roots: &self.input_roots,
			steps: self.traces.len() as u32,
			run_root: run_root(&self.traces),
			list: None,
		};
		judge(&record, None, &self.part)
	}

	/// What the program check says that a part takes at most.
	pub fn estimate(&self) -> RefereeCost {
		let node = self.part.accusation.node;
		self.checked.anchor_cost(node).expect("the accused node is an anchor; qed").cost
	}
}

/// A program of almost the greatest length with 4,000 anchors, and one more that reads one row out
/// of 32 of `tiles` tiles: opening them is most of the work. Gives that anchor.
pub fn long_program(tiles: u32) -> (Program, u32) {
	let bare = filled_program(tiles, 1).0.encode().len();
	// Lengths are compact numbers, which take up to four bytes more in two shapes and one list.
	filled_program(tiles, (MAX_PROGRAM_BYTES - bare - 12) as u32)
}

/// A program with `lazy` lazy anchors and an eager one behind them, which is not computed from
/// them. Gives that one.
pub fn lazy_program(lazy: u32) -> (Program, u32) {
	let mut b = ProgramBuilder::new();
	let x = b.input("x", ty(DType::I8, &[4]));
	let mut last = x;
	for _ in 0..lazy {
		last = b.copy(last);
		b.lazy(last);
	}
	let y = b.copy(x);
	b.output("y", y);
	let end = b.copy(last);
	b.output("end", end);
	(b.build().expect("well-formed; qed"), node_of(y))
}

fn filled_program(tiles: u32, filler: u32) -> (Program, u32) {
	let mut b = ProgramBuilder::new();
	let x = b.input("x", ty(DType::I8, &[32, 32]));
	let mut last = b.copy(x);
	b.eager(last);
	for _ in 0..4_000 {
		last = b.copy(last);
		b.eager(last);
	}
	b.output("y", last);
	let z = b.input("z", ty(DType::I8, &[filler]));
	let constant = b.constant(ty(DType::I8, &[filler]), vec![1; filler as usize]);
	let sum = b.add(z, constant, DType::I8);
	b.output("sum", sum);
	let wide = ty(DType::I8, &[1, tiles.div_ceil(2) * 32]);
	let (one, other) = (b.input("one", wide), b.input("other", wide));
	let product = b.matmul(one, other);
	b.output("product", product);
	(b.build().expect("well-formed; qed"), node_of(product))
}

fn node_of(source: Source) -> u32 {
	match source {
		Source::Node(node) => node,
		_ => unreachable!("what a builder computes is a node; qed"),
	}
}

/// One row of the referee's table.
pub struct Case {
	/// Operator and size.
	pub name: &'static str,
	make: fn(&mut ProgramBuilder) -> Source,
}

impl Case {
	/// A run whose first tile is to be recomputed.
	pub fn stage(&self) -> Stage {
		let mut b = ProgramBuilder::new();
		let node = (self.make)(&mut b);
		b.output("y", node);
		let program = b.build().expect("the benchmarks' programs are well-formed; qed");
		Stage::new(program, node_of(node), 1, SOME_ROOT, false)
	}
}

const NARROW: Narrow = Narrow { multiplier: 12_345, shift: 21, to: DType::I16 };

fn matmul_i8(b: &mut ProgramBuilder, k: u32) -> Source {
	let (x, w) = (b.input("x", ty(DType::I8, &[64, k])), b.input("w", ty(DType::I8, &[64, k])));
	b.matmul(x, w)
}

fn matmul_i16(b: &mut ProgramBuilder, k: u32) -> Source {
	let (x, w) = (b.input("x", ty(DType::I16, &[64, k])), b.input("w", ty(DType::I16, &[64, k])));
	b.matmul_narrow(x, w, NARROW)
}

fn requant(b: &mut ProgramBuilder, sums: Source) -> Source {
	let multiplier = b.constant_values(ty(DType::I16, &[64]), &[20_000; 64]);
	let shift = b.constant_values(ty(DType::I8, &[64]), &[28; 64]);
	let bias = b.constant_values(ty(DType::I32, &[64]), &[1_234; 64]);
	b.requant(sums, multiplier, shift, Some(bias.into()), DType::I8)
}

fn two(b: &mut ProgramBuilder, dtype: DType) -> (Source, Source) {
	(b.input("a", ty(dtype, &[64, 64])), b.input("b", ty(dtype, &[64, 64])))
}

/// A matrix that is read column by column.
fn transposed(source: Source, rows: u32, cols: u32) -> Operand {
	let view = View::transpose(&ty(DType::I8, &[rows, cols]).shape, &[1, 0]);
	Operand::viewed(source, view.expect("a permutation; qed"))
}

/// Node after node, each of the two before it.
fn chain(b: &mut ProgramBuilder, nodes: u32, turned: bool) -> Source {
	// A tile that is turned is another one, but where there is only one.
	let dims = if turned { [32, 32] } else { [64, 64] };
	let (x, y) = (b.input("x", ty(DType::I8, &dims)), b.input("y", ty(DType::I8, &dims)));
	let (mut before, mut last) = (x, b.add(x, y, DType::I8));
	for at in 1..nodes {
		let one = if turned { transposed(last, 32, 32) } else { last.into() };
		let next = match at % 4 {
			0 => b.mul(one, before, DType::I8),
			1 => b.sub(one, before, DType::I8),
			2 => b.node(Op::Max, vec![one, before.into()]),
			_ => b.add(one, before, DType::I8),
		};
		(before, last) = (last, next);
	}
	last
}

macro_rules! cases {
	($($name:literal => $make:expr),* $(,)?) => {
		/// Every operator in ordinary and in the largest sizes, and what is hardest on the referee.
		pub const CASES: &[Case] = &[$(Case { name: $name, make: $make }),*];
	};
}

cases! {
	"MatMul i8, K = 1,024" => |b| matmul_i8(b, 1_024),
	"MatMul i8, K = 4,096" => |b| matmul_i8(b, 4_096),
	"MatMul i8, K = 7,680" => |b| matmul_i8(b, 7_680),
	"MatMul i8, K = 131,040, one part of several" => |b| matmul_i8(b, 131_040),
	"MatMul i16 narrow, K = 1,024" => |b| matmul_i16(b, 1_024),
	"MatMul i16 narrow, K = 2,048" => |b| matmul_i16(b, 2_048),
	"MatMul i16 narrow, K = 3,840" => |b| matmul_i16(b, 3_840),
	"Requant of MatMul i8, K = 1,024" => |b| {
		let sums = matmul_i8(b, 1_024);
		requant(b, sums)
	},
	"Requant of MatMul i8, K = 4,096" => |b| {
		let sums = matmul_i8(b, 4_096);
		requant(b, sums)
	},
	"Requant of MatMul i8, K = 7,680" => |b| {
		let sums = matmul_i8(b, 7_680);
		requant(b, sums)
	},
	"MatMul i8 of a transposed operand, K = 4,096" => |b| {
		let x = b.input("x", ty(DType::I8, &[64, 4_096]));
		let w = b.input("w", ty(DType::I8, &[4_096, 64]));
		let w = transposed(w, 4_096, 64);
		b.matmul(x, w)
	},
	"Requant of MatMul i8 of two transposed operands, K = 4,096" => |b| {
		let x = b.input("x", ty(DType::I8, &[4_096, 64]));
		let w = b.input("w", ty(DType::I8, &[4_096, 64]));
		let (x, w) = (transposed(x, 4_096, 64), transposed(w, 4_096, 64));
		let sums = b.matmul(x, w);
		requant(b, sums)
	},
	"Add i8" => |b| { let (x, y) = two(b, DType::I8); b.add(x, y, DType::I8) },
	"Add i32" => |b| { let (x, y) = two(b, DType::I32); b.add(x, y, DType::I32) },
	"Mul i8 to i16" => |b| { let (x, y) = two(b, DType::I8); b.mul(x, y, DType::I16) },
	"Max i8" => |b| { let (x, y) = two(b, DType::I8); b.node(Op::Max, vec![x.into(), y.into()]) },
	"Clamp i8" => |b| { let x = b.input("x", ty(DType::I8, &[64, 64])); b.clamp(x, -9, 77) },
	"Shift i32 to i8" => |b| {
		let x = b.input("x", ty(DType::I32, &[64, 64]));
		b.shift(x, 9, DType::I8)
	},
	"Cast i32 to i8" => |b| {
		let x = b.input("x", ty(DType::I32, &[64, 64]));
		b.cast(x, DType::I8)
	},
	"Copy i8, transposed" => |b| {
		let x = b.input("x", ty(DType::I8, &[64, 64]));
		let x = transposed(x, 64, 64);
		b.copy(x)
	},
	"Lut i8 to i16" => |b| {
		let x = b.input("x", ty(DType::I8, &[64, 64]));
		let table: Vec<i32> = (0..256).map(|at| at * 99 - 12_000).collect();
		let table = b.constant_values(ty(DType::I16, &[256]), &table);
		b.lut(x, table)
	},
	"ReduceSum i8, 1,024 rows of 256" => |b| {
		let x = b.input("x", ty(DType::I8, &[1_024, 256]));
		b.reduce_sum(x, 1, DType::I8)
	},
	"ReduceSum i8, one row of 500,000" => |b| {
		let x = b.input("x", ty(DType::I8, &[500_000]));
		b.reduce_sum(x, 0, DType::I32)
	},
	"ReduceMax i8, 1,024 rows of 256" => |b| {
		let x = b.input("x", ty(DType::I8, &[1_024, 256]));
		b.reduce_max(x, 1)
	},
	"ArgMax i8, 256 rows of 1,024" => |b| {
		let x = b.input("x", ty(DType::I8, &[256, 1_024]));
		b.arg_max(x, 1)
	},
	"ReduceSum i8, the largest part: 1,024 rows of 464" => |b| {
		let x = b.input("x", ty(DType::I8, &[1_024, 464]));
		b.reduce_sum(x, 1, DType::I8)
	},
	"ReduceSum i8, the same along the first dimension" => |b| {
		let x = b.input("x", ty(DType::I8, &[464, 1_024]));
		b.reduce_sum(x, 0, DType::I8)
	},
	"ReduceSum i8 of a transposed virtual node, 1,024 rows of 64" => |b| {
		let x = b.input("x", ty(DType::I8, &[64, 1_024]));
		let doubled = b.shift(x, -1, DType::I8);
		let doubled = transposed(doubled, 64, 1_024);
		b.reduce_sum(doubled, 1, DType::I8)
	},
	"ReduceSum i8 through a scattered view of rank 6, 1,024 rows of 464" => |b| {
		let x = b.input("x", ty(DType::I8, &[464, 1_024]));
		// The digits of the column, lowest first.
		let shape = ty(DType::I8, &[2, 2, 8, 8, 4, 464]).shape;
		let strides = vec![1, 2, 4, 32, 256, 1_024];
		let sums = b.reduce_sum(
			Operand::viewed(x, View { shape, offset: 0, strides }),
			5,
			DType::I8,
		);
		b.split(sums, 3)
	},
	"Copy of two elements from each of 320 tiles" => |b| {
		let x = b.input("x", ty(DType::I8, &[320 * 1_024]));
		let shape = ty(DType::I8, &[640]).shape;
		b.copy(Operand::viewed(x, View { shape, offset: 0, strides: vec![512] }))
	},
	"the longest chain: 78 virtual nodes" => |b| chain(b, 79, false),
	"74 virtual nodes through transposed views" => |b| chain(b, 75, true),
}

/// A line of the table but for the measured time: name, bytes of the part, the check's estimate in
/// ns.
pub fn describe(case: &Case) -> alloc::string::String {
	let stage = case.stage();
	let cost = stage.estimate();
	let bytes = codec::Encode::encoded_size(&stage.part);
	format!("{}|{bytes}|{}|{}|{}", case.name, cost.part_nanoseconds, cost.part_bytes, cost.parts)
}
