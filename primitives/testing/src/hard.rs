//! Programs that are made to be hard on the check and on the referee, each of one shape and as
//! large as it is asked to be.

use assay_program::{
	ops::{DType, Geometry, NormKind, Op, PoolKind, Shape, TensorType, View},
	CheckError, Class, Limits, Operand, Program, ProgramBuilder, Source,
};

/// A shape: its name, the most it makes sense to ask for, and how it is made. `size` is at least 1.
pub struct Hard {
	pub name: &'static str,
	pub most: u32,
	pub make: fn(u32) -> Program,
}

impl Hard {
	/// The largest one that passes the check, and its size; none if not even the smallest does.
	/// What is admitted need not grow evenly, so the sizes around a refused one are not all tried.
	pub fn largest(&self, limits: &Limits) -> Option<(u32, Program)> {
		let admitted = |size: u32| (self.make)(size).check(limits).is_ok();
		let (mut low, mut high) = (1, self.most + 1);
		if !admitted(low) {
			return None;
		}
		while high - low > 1 {
			let middle = low + (high - low) / 2;
			*(if admitted(middle) { &mut low } else { &mut high }) = middle;
		}
		Some((low, (self.make)(low)))
	}

	/// A refusal must name a node of the program and say what to do.
	pub fn refusal_is_useful(&self, program: &Program, error: &CheckError) -> bool {
		let nodes = program.nodes.len() as u32;
		match error {
			CheckError::Unrefereeable { node, .. }
			| CheckError::TooManyVirtual { node, .. }
			| CheckError::TooComplex { node, .. } => {
				*node < nodes && program.nodes[*node as usize].class != Class::Virtual
			}
			CheckError::TooManyNodes { .. } => true,
			_ => false,
		}
	}
}

fn ty(dtype: DType, dims: &[u32]) -> TensorType {
	TensorType::new(dtype, dims).expect("a valid shape")
}

fn view(dims: &[u32], offset: u32, strides: &[u32]) -> View {
	View { shape: Shape::new(dims).expect("a valid shape"), offset, strides: strides.to_vec() }
}

fn done(mut b: ProgramBuilder, y: Source) -> Program {
	b.output("y", y);
	b.build().expect("well-formed")
}

/// A table that is a virtual node, read whole by `readers` nodes, each of them on the way to the
/// next.
pub fn readers_of_a_table(readers: u32, len: u32, viewed: bool) -> Program {
	let mut b = ProgramBuilder::new();
	let more = if viewed { 9 } else { 0 };
	let t = b.input("t", ty(DType::I16, &[len + more]));
	let table = b.node(Op::Shift { by: 1, to: DType::I16 }, vec![t.into()]);
	let whole = match viewed {
		true => Operand::viewed(table, view(&[len], 3, &[1])),
		false => table.into(),
	};
	let row = Operand::viewed(table, view(&[1, len], 0, &[0, 1]));
	let sum = |b: &mut ProgramBuilder, shift| {
		let op = Op::ReduceSumProduct { axis: 1, shift, to: DType::I16 };
		b.node(op, vec![row.clone(), row.clone()])
	};
	let (one, two) = (sum(&mut b, 20), sum(&mut b, 21));
	let mut y = b.node(Op::Add { to: DType::I16 }, vec![one.into(), two.into()]);
	for _ in 0..readers {
		y = b.node(Op::LutInterp, vec![y.into(), whole.clone()]);
	}
	done(b, y)
}

/// One input of one tile, seen in as many ways as there is room for: `chain` concatenations, each
/// of `per` views of it and of the one below.
pub fn views_of_a_tensor(chain: u32, per: u32) -> Program {
	let mut b = ProgramBuilder::new();
	let n = 256;
	let x = b.input("x", ty(DType::I8, &[n]));
	let one = |at: u32| Operand::viewed(x, view(&[1], at % (n - 1) + 1, &[0]));
	let mut y = b.node(Op::Concat { axis: 0 }, (0..=per).map(one).collect());
	let mut len = per + 1;
	for at in 1..chain {
		let parts = [Operand::from(y)].into_iter().chain((0..per).map(|k| one(at * per + k)));
		y = b.node(Op::Concat { axis: 0 }, parts.collect());
		len += per;
	}
	let last = (0..=per).map(|k| Operand::viewed(y, view(&[1], len - 1 - k, &[0]))).collect();
	let y = b.node(Op::Concat { axis: 0 }, last);
	done(b, y)
}

/// A large virtual node, of which `readers` nodes read one more element each.
fn trickle(readers: u32, len: u32) -> Program {
	let mut b = ProgramBuilder::new();
	let x = b.input("x", ty(DType::I8, &[len]));
	let wide = b.node(Op::Shift { by: 1, to: DType::I8 }, vec![x.into()]);
	// All but the elements that are read one by one.
	let body = Operand::viewed(wide, view(&[1, len - 300], 0, &[0, 1]));
	let mut y = b.node(Op::ReduceSum { axis: 1, to: DType::I8 }, vec![body]);
	for at in 0..readers {
		let one = Operand::viewed(wide, view(&[1], len - 1 - at, &[0]));
		y = b.node(Op::Add { to: DType::I8 }, vec![y.into(), one]);
	}
	done(b, y)
}

/// Virtual nodes one above the other, each of the two before it, turned on the way.
fn chain(nodes: u32, turned: bool) -> Program {
	let mut b = ProgramBuilder::new();
	let shape = ty(DType::I8, &[32, 32]);
	let (mut before, x) = (b.input("x", shape), b.input("z", shape));
	let mut last = b.add(before, x, DType::I8);
	for _ in 0..nodes {
		let one = match turned {
			true => Operand::viewed(last, view(&[32, 32], 0, &[1, 32])),
			false => last.into(),
		};
		let next = b.sub(one, before, DType::I8);
		(before, last) = (last, next);
	}
	done(b, last)
}

/// Concatenations of concatenations: each of 16 pieces of the one before it.
fn concat_of_concat(depth: u32, rows: u32) -> Program {
	let mut b = ProgramBuilder::new();
	let mut y = b.input("x", ty(DType::I8, &[rows, 64]));
	for _ in 0..depth {
		let piece = |at: u32| Operand::viewed(y, view(&[rows, 4], (at * 7 % 16) * 4, &[64, 1]));
		y = b.node(Op::Concat { axis: 1 }, (0..16).map(piece).collect());
	}
	let y = b.reduce_sum(y, 0, DType::I32);
	done(b, y)
}

/// A sum over an input that is seen with its dimensions in another order.
fn scattered_sum(len: u32, rank: u32) -> Program {
	let mut b = ProgramBuilder::new();
	let x = b.input("x", ty(DType::I8, &[len, 1024]));
	let (dims, strides, axis): (Vec<u32>, Vec<u32>, u8) = match rank {
		2 => (vec![1024, len], vec![1, 1024], 1),
		6 => (vec![2, 2, 8, 8, 4, len], vec![1, 2, 4, 32, 256, 1024], 5),
		// A last dimension of one element: no two elements are next to each other.
		_ => (vec![4, 8, 8, 4, len, 1], vec![1, 4, 32, 256, 1024, 0], 4),
	};
	let seen = Operand::viewed(x, view(&dims, 0, &strides));
	let y = b.reduce_sum(seen, axis, DType::I8);
	if rank > 2 {
		b.split(y, 3);
	}
	done(b, y)
}

/// The same of a virtual node.
fn scattered_sum_of_virtual(len: u32) -> Program {
	let mut b = ProgramBuilder::new();
	let x = b.input("x", ty(DType::I8, &[len, 1024]));
	let wide = b.shift(x, -1, DType::I8);
	let seen = Operand::viewed(wide, view(&[2, 2, 8, 8, 4, len], 0, &[1, 2, 4, 32, 256, 1024]));
	let y = b.reduce_sum(seen, 5, DType::I8);
	b.split(y, 3);
	done(b, y)
}

/// A window whose patches overlap, over a virtual image.
fn pool(kernel: u8, size: u32) -> Program {
	let mut b = ProgramBuilder::new();
	let x = b.input("x", ty(DType::I8, &[1, size, size, 32]));
	let image = b.shift(x, 1, DType::I8);
	let pad = [[kernel / 2; 2]; 2];
	let op =
		Op::Pool { kind: PoolKind::Sum, kernel: [kernel; 2], stride: [1; 2], pad, to: DType::I32 };
	let y = b.node(op, vec![image.into()]);
	done(b, y)
}

/// A convolution of each channel by itself, of a virtual image.
fn depthwise(kernel: u32, channels: u32, virtual_image: bool) -> Program {
	let mut b = ProgramBuilder::new();
	let mut x = b.input("x", ty(DType::I8, &[1, 40, 40, channels]));
	if virtual_image {
		x = b.shift(x, 1, DType::I8);
	}
	let w = b.input("w", ty(DType::I8, &[channels, kernel, kernel, 1]));
	let pad = (kernel / 2) as i16;
	let geometry = Geometry { pad: [[pad; 2]; 2], groups: channels as u16, ..Geometry::UNIT };
	let y = b.conv2d(x, w, geometry, None, None);
	done(b, y)
}

/// A convolution of a virtual image with many channels.
fn convolution(channels: u32) -> Program {
	let mut b = ProgramBuilder::new();
	let x = b.input("x", ty(DType::I8, &[1, 16, 16, channels]));
	let image = b.shift(x, 1, DType::I8);
	let w = b.input("w", ty(DType::I8, &[8, 3, 3, channels]));
	let geometry = Geometry { pad: [[1; 2]; 2], ..Geometry::UNIT };
	let y = b.conv2d(image, w, geometry, None, None);
	done(b, y)
}

/// Rows of a table where indices say, which are seen through a view; then a sum over them.
fn gathers(rows: u32, width: u32) -> Program {
	let mut b = ProgramBuilder::new();
	let table = b.input("table", ty(DType::I8, &[300, width]));
	let indices = b.input("indices", ty(DType::I16, &[rows, 16]));
	let seen = Operand::viewed(indices, view(&[rows], 5, &[16]));
	let read = b.node(Op::Gather, vec![table.into(), seen]);
	let y = b.reduce_sum(read, 0, DType::I32);
	done(b, y)
}

/// Many gathers of one table, joined.
fn many_gathers(gathers: u32) -> Program {
	let mut b = ProgramBuilder::new();
	let table = b.input("table", ty(DType::I16, &[2000, 4]));
	let indices = b.input("indices", ty(DType::I16, &[8]));
	let mut y = None;
	for at in 0..gathers {
		let seen = Operand::viewed(indices, view(&[8], at % 8, &[0]));
		let read = b.node(Op::Gather, vec![table.into(), seen]);
		y = Some(match y {
			None => read,
			Some(y) => b.add(y, read, DType::I16),
		});
	}
	done(b, y.expect("at least one"))
}

/// A scatter into a virtual node of which much is demanded.
fn scatter(rows: u32) -> Program {
	let mut b = ProgramBuilder::new();
	let updates = b.input("updates", ty(DType::I16, &[50, 8]));
	let indices = b.input("indices", ty(DType::I16, &[50]));
	let placed = b.scatter_add(updates, indices, rows, DType::I32);
	let y = b.reduce_sum(placed, 0, DType::I32);
	done(b, y)
}

/// Many states, all of them read by one anchor.
fn states(states: u32) -> Program {
	let mut b = ProgramBuilder::new();
	let shape = ty(DType::I8, &[4]);
	let mut sum = None;
	for at in 0..states {
		let initial = b.input(&format!("s{at}"), shape);
		let state = b.state(initial);
		let next = b.shift(state, 1, DType::I8);
		b.update(state, next);
		sum = Some(match sum {
			None => state,
			Some(sum) => b.add(sum, state, DType::I8),
		});
	}
	let y = b.copy(sum.expect("at least one"));
	done(b, y)
}

/// Rows that are read in full for one result each.
fn rows(len: u32) -> Program {
	let mut b = ProgramBuilder::new();
	let x = b.input("x", ty(DType::I16, &[64, len]));
	let seen = b.shift(x, 1, DType::I16);
	let y = b.node(Op::RowScale { kind: NormKind::Rms, epsilon: 7, shift: 20 }, vec![seen.into()]);
	done(b, y)
}

fn top_k(len: u32) -> Program {
	let mut b = ProgramBuilder::new();
	let x = b.input("x", ty(DType::I8, &[32, len]));
	let y = b.node(Op::TopK { k: 1, values: true }, vec![x.into()]);
	done(b, y)
}

/// A product with virtual operands, read past its fold as well.
fn product(k: u32) -> Program {
	let mut b = ProgramBuilder::new();
	let x = b.input("x", ty(DType::I8, &[32, k]));
	let w = b.input("w", ty(DType::I8, &[k, 32]));
	let (a, w) = (b.shift(x, 1, DType::I8), b.shift(w, 1, DType::I8));
	let turned = Operand::viewed(w, view(&[32, k], 0, &[1, 32]));
	let sums = b.matmul(a, turned);
	let block = Operand::viewed(a, view(&[32, 32], 0, &[k, 1]));
	let y = b.add(sums, block, DType::I32);
	done(b, y)
}

/// Every shape.
pub const HARD: &[Hard] = &[
	Hard { name: "readers of a table", most: 253, make: |n| readers_of_a_table(n, 16_385, false) },
	Hard { name: "readers of a part", most: 253, make: |n| readers_of_a_table(n, 8_193, true) },
	Hard { name: "views of a tensor", most: 255, make: |n| views_of_a_tensor(n, 15) },
	Hard { name: "a trickle", most: 250, make: |n| trickle(n, 60_000) },
	Hard { name: "a trickle of a long node", most: 80_000, make: |n| trickle(3, n + 400) },
	Hard { name: "a chain", most: 255, make: |n| chain(n, false) },
	Hard { name: "a chain that turns", most: 255, make: |n| chain(n, true) },
	Hard { name: "concat of concat", most: 200, make: |n| concat_of_concat(n, 64) },
	Hard { name: "concat of long concats", most: 4_000, make: |n| concat_of_concat(3, n) },
	Hard { name: "a scattered sum", most: 4_000, make: |n| scattered_sum(n, 2) },
	Hard { name: "a scattered sum of rank 6", most: 4_000, make: |n| scattered_sum(n, 6) },
	Hard { name: "a sum of elements apart", most: 4_000, make: |n| scattered_sum(n, 7) },
	Hard { name: "a scattered virtual sum", most: 4_000, make: scattered_sum_of_virtual },
	Hard { name: "a large window", most: 40, make: |n| pool(n as u8, 48) },
	Hard { name: "depthwise", most: 31, make: |n| depthwise(n, 64, false) },
	Hard { name: "depthwise, virtual", most: 31, make: |n| depthwise(n, 64, true) },
	Hard { name: "a convolution, virtual", most: 4_000, make: convolution },
	Hard { name: "rows where indices say", most: 4_000, make: |n| gathers(n, 40) },
	Hard { name: "narrow rows where indices say", most: 60_000, make: |n| gathers(n, 1) },
	Hard { name: "many gathers", most: 120, make: many_gathers },
	Hard { name: "a scatter", most: 60_000, make: scatter },
	Hard { name: "states", most: 250, make: states },
	Hard { name: "long rows", most: 32_768, make: rows },
	Hard { name: "the largest of a row", most: 200_000, make: top_k },
	Hard { name: "a product past its fold", most: 100_000, make: |n| product(n + 31) },
];
