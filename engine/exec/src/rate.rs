use crate::{rng::Rng, ExecError, Executor, Tensor};
use assay_ops::{DType, Op, TensorType, OPERATOR_SET};
use assay_program::{Class, Input, Limits, Node, Output, Program, Source, FORMAT_VERSION};
use std::time::{Duration, Instant};

/// Edge of the square matrices that are multiplied.
const EDGE: u32 = 1024;

/// Work units per second on an i8 product of 1024 × 1024 matrices, moving and hashing its operands and
/// result included. Takes about half a second, or one product on slow devices. Errors: those of a run.
pub fn measure_rate(executor: &mut dyn Executor) -> Result<u64, ExecError> {
	let ty = TensorType::new(DType::I8, &[EDGE, EDGE])
		.map_err(|error| ExecError::Program(error.to_string()))?;
	let input = |name: &str| Input { name: name.into(), ty };
	let program = Program {
		version: FORMAT_VERSION,
		operator_set: OPERATOR_SET,
		inputs: vec![input("a"), input("b")],
		states: vec![],
		constants: vec![],
		nodes: vec![Node {
			op: Op::MatMul { narrow: None },
			operands: vec![Source::Input(0).into(), Source::Input(1).into()],
			split: None,
			class: Class::EagerAnchor,
		}],
		outputs: vec![Output { name: "c".into(), node: 0 }],
	};
	let checked =
		program.check(&Limits::default()).map_err(|error| ExecError::Program(error.to_string()))?;
	let mut rng = Rng::new(1);
	let inputs = [(); 2].map(|()| {
		let bytes: Vec<u8> = (0..ty.canonical_len()).map(|_| rng.bits() as u8).collect();
		Tensor::new(ty, bytes)
	});
	let mut run = || {
		let start = Instant::now();
		executor.run(&program, &checked, &inputs, 1, &mut ()).map(|_| start.elapsed())
	};
	// The first run also compiles kernels and wakes threads.
	let mut best = run()?;
	let start = Instant::now();
	while start.elapsed() < Duration::from_millis(500) {
		best = best.min(run()?);
	}
	let work = u128::from(EDGE).pow(3);
	Ok((work * 1_000_000_000 / best.as_nanos().max(1)) as u64)
}
