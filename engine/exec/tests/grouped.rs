//! Convolutions of several groups against the definition: each way that the engine takes, on each
//! path.

use assay_engine_testing::{definition, Draw, Rng};
use assay_exec::{gemm::Path, plain_loops, CpuExecutor, Executor, Options, Tensor, Work};
use assay_ops::{DType, Geometry, Narrow, Op, Shape, TensorType, Values, View};
use assay_program::{Checked, Limits, Operand, Program, ProgramBuilder};

/// Sizes of a convolution: x, height and width of the kernel, results, geometry.
#[derive(Clone, Copy, Debug)]
struct Sizes {
	x: [u32; 4],
	kernel: [u32; 2],
	out: u32,
	geometry: Geometry,
}

/// The convolution, perhaps through a Requant, of x as it is or turned.
fn program(dtype: DType, sizes: Sizes, requant: bool, turned: bool) -> Option<(Program, Checked)> {
	let Sizes { x, kernel: [kh, kw], out, geometry } = sizes;
	let ty = |dtype, dims: &[u32]| TensorType::new(dtype, dims).unwrap();
	let narrow = Narrow { multiplier: 77, shift: 12, to: DType::I32 };
	let narrow = (dtype == DType::I16).then_some(narrow);
	let w = [out, kh, kw, x[3] / u32::from(geometry.groups)];
	let seen = [(dtype, Shape::new(&x).unwrap()), (dtype, Shape::new(&w).unwrap())];
	let op = Op::Conv2d { geometry, narrow };
	op.infer(&[(seen[0].0, &seen[0].1), (seen[1].0, &seen[1].1)]).ok()?;
	let mut b = ProgramBuilder::new();
	let x: Operand = if turned {
		let stored = Shape::new(&[x[3], x[0], x[2], x[1]]).unwrap();
		let source = b.input("x", TensorType::of(dtype, stored));
		Operand::viewed(source, View::transpose(&stored, &[1, 3, 2, 0]).unwrap())
	} else {
		b.input("x", ty(dtype, &x)).into()
	};
	let w = b.input("w", ty(dtype, &w));
	let mut y = b.node(op, vec![x, w.into()]);
	if requant {
		let multiplier = b.input("multiplier", ty(DType::I16, &[out]));
		let shift = b.input("shift", ty(DType::I8, &[1]));
		let bias = b.input("bias", ty(DType::I32, &[out]));
		y = b.requant(y, multiplier, shift, Some(bias.into()), DType::I8);
	}
	b.output("y", y);
	let program = b.build().unwrap();
	let limits = Limits {
		part_bytes: u64::MAX,
		part_nanoseconds: u64::MAX,
		scratch: u64::MAX,
		parts: u32::MAX,
		..Limits::V1
	};
	let checked = program.check(&limits).unwrap();
	Some((program, checked))
}

fn holds(rng: &mut Rng, dtype: DType, sizes: Sizes, requant: bool, turned: bool) -> bool {
	let Some((program, checked)) = program(dtype, sizes, requant, turned) else { return false };
	// Weights without the least of their type are folded two by two.
	let tame = rng.one_in(2);
	let inputs: Vec<Tensor> = program
		.inputs
		.iter()
		.map(|input| {
			let mut values = rng.values(input.ty.dtype, input.ty.elements() as usize);
			if tame && input.name == "w" {
				let least = input.ty.dtype.min() + 1;
				values.iter_mut().for_each(|value| *value = (*value).max(least));
			}
			Tensor::new(input.ty, Values::new(input.ty, values).unwrap().to_canonical())
		})
		.collect();
	let expected = definition(&program, &checked, &inputs, 1);
	for path in Path::available() {
		for plain in [false, true] {
			plain_loops(plain);
			let mut executor = CpuExecutor::with_path(path);
			let found = executor
				.run(
					&Work { program: &program, checked: &checked, inputs: &inputs, steps: 1 },
					Options::default(),
					&mut (),
				)
				.unwrap();
			plain_loops(false);
			let how = format!("plain loops {plain}, requant {requant}, turned {turned}");
			assert!(found == expected, "{dtype:?}, {path:?}, {how}: {sizes:?}");
		}
	}
	true
}

#[test]
fn grouped_convolutions_should_equal_the_definition_when_geometries_are_random() {
	let mut rng = Rng::seeded("grouped convolutions");
	let mut done = 0;
	while done < 120 {
		let groups = rng.pick(&[2, 3, 5, 8, 9, 31, 32, 40, 71]);
		let own = rng.pick(&[1, 1, 1, 2, 3, 5]);
		let results = rng.pick(&[1, 1, 1, 2, 4, 8, 9]);
		let mut two = |most: u64| [rng.below(most) as i16, rng.below(most) as i16];
		let (low, high) = (two(5), two(5));
		let mut step = || [1 + two(3)[0] as u8, 1 + two(2)[0] as u8];
		let (stride, input_dilation, kernel_dilation) = (step(), step(), step());
		let geometry = Geometry {
			pad: [[low[0] - 1, high[0] - 1], [low[1] - 1, high[1] - 1]],
			stride,
			input_dilation: if rng.one_in(3) { input_dilation } else { [1, 1] },
			kernel_dilation: if rng.one_in(3) { kernel_dilation } else { [1, 1] },
			flip: rng.one_in(4),
			groups,
		};
		let groups = u32::from(groups);
		let mut size = |most: i64| rng.range(1, most) as u32;
		let sizes = Sizes {
			x: [size(2), size(9), size(9), groups * own],
			kernel: [size(4), size(4)],
			out: groups * results,
			geometry,
		};
		let dtype = rng.pick(&[DType::I8, DType::I16]);
		let requant = rng.one_in(3);
		let turned = rng.one_in(4);
		done += u32::from(holds(&mut rng, dtype, sizes, requant, turned));
	}
}

#[test]
fn grouped_convolutions_should_equal_the_definition_when_groups_are_products() {
	let mut rng = Rng::seeded("groups as products");
	let same = Geometry { pad: [[1, 1], [1, 1]], ..Geometry::UNIT };
	for (groups, own, results) in [(2, 16, 16), (3, 7, 9), (16, 8, 8), (2, 24, 5)] {
		for dtype in [DType::I8, DType::I16] {
			let geometry = Geometry { groups, stride: [1, 1], ..same };
			let groups = u32::from(groups);
			let sizes = Sizes {
				x: [2, 14, 13, groups * own],
				kernel: [3, 3],
				out: groups * results,
				geometry,
			};
			assert!(holds(&mut rng, dtype, sizes, results % 2 == 0, false));
		}
	}
	// More patches than are gathered at a time: 62 · 62 · 25 · 16 of them.
	let sizes = Sizes {
		x: [1, 66, 66, 32],
		kernel: [5, 5],
		out: 16,
		geometry: Geometry { groups: 2, ..Geometry::UNIT },
	};
	assert!(holds(&mut rng, DType::I8, sizes, true, false));
}

#[test]
fn grouped_convolutions_should_equal_the_definition_when_there_are_very_many_groups() {
	let mut rng = Rng::seeded("very many groups");
	for (groups, results) in [(5000, 1), (9001, 3), (1200, 8)] {
		let sizes = Sizes {
			x: [1, 2, 3, u32::from(groups)],
			kernel: [2, 2],
			out: u32::from(groups) * results,
			geometry: Geometry { groups, pad: [[1, 0], [0, 0]], ..Geometry::UNIT },
		};
		assert!(holds(&mut rng, DType::I8, sizes, true, false));
	}
}
