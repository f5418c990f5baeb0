//! Products that are gathered in several blocks, against the definition.

use assay_engine_testing::{definition, Draw, Rng};
use assay_exec::{gemm::Path, CpuExecutor, Executor, Options, Tensor, Work};
use assay_ops::{DType, Geometry, Narrow, TensorType, Values};
use assay_program::{Limits, ProgramBuilder};

#[test]
fn convolution_should_equal_the_definition_when_its_patches_take_several_blocks() {
	let mut rng = Rng::seeded("convolution");
	let ty = |dtype, dims: &[u32]| TensorType::new(dtype, dims).unwrap();
	for dtype in [DType::I8, DType::I16] {
		let mut b = ProgramBuilder::new();
		// 60 · 62 patches of 7 · 7 · 24 elements: more than 2^22.
		let types = [ty(dtype, &[1, 64, 64, 24]), ty(dtype, &[5, 7, 7, 24])];
		let (x, w) = (b.input("x", types[0]), b.input("w", types[1]));
		let geometry = Geometry { pad: [[1, 1], [2, 2]], ..Geometry::UNIT };
		let narrow = Narrow { multiplier: 3, shift: 16, to: DType::I16 };
		let narrow = (dtype == DType::I16).then_some(narrow);
		let y = b.conv2d(x, w, geometry, narrow, None);
		b.output("y", y);
		let program = b.build().unwrap();
		let limits = Limits {
			part_bytes: u64::MAX,
			part_nanoseconds: u64::MAX,
			scratch: u64::MAX,
			..Limits::V1
		};
		let checked = program.check(&limits).unwrap();
		assert!(checked.types[0].elements() / 5 * 7 * 7 * 24 > 1 << 22);
		let inputs: Vec<Tensor> = types
			.iter()
			.map(|ty| {
				let values = rng.values(ty.dtype, ty.elements() as usize);
				Tensor::new(*ty, Values::new(*ty, values).unwrap().to_canonical())
			})
			.collect();
		let expected = definition(&program, &checked, &inputs, 1);
		for path in Path::available() {
			let mut executor = CpuExecutor::with_path(path);
			let found = executor
				.run(
					&Work { program: &program, checked: &checked, inputs: &inputs, steps: 1 },
					Options::default(),
					&mut (),
				)
				.unwrap();
			assert!(found == expected, "{dtype:?}, {path:?}");
		}
	}
}
