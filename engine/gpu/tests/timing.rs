//! Chains of operators outside a program: what they give, and what is refused.

use assay_engine_testing::{Draw, Rng};
use assay_exec::{Affine, Backend, Buffer, Call, CpuBackend, ExecError, Operand, Tensor};
use assay_gpu::{ElementwiseKernel, GpuExecutor, Link};
use assay_ops::{DType, Op, Shape, TensorType};
use std::sync::Arc;

fn open() -> GpuExecutor {
	GpuExecutor::open(0, None).expect("tests need an adapter; lavapipe will do")
}

/// A tensor of values of `range` around zero.
fn tensor(rng: &mut Rng, dtype: DType, dims: &[u32], range: u64) -> Tensor {
	let ty = TensorType::new(dtype, dims).unwrap();
	let elements: Vec<i32> =
		(0..ty.elements()).map(|_| rng.below(range) as i32 - range as i32 / 2).collect();
	Tensor::from_elements(ty, &elements).unwrap()
}

/// An i8 product, and its Requant.
fn product(rng: &mut Rng, (m, k, n): (u32, u32, u32)) -> [Link; 2] {
	let shift = TensorType::new(DType::I8, &[n]).unwrap();
	let shift = Tensor::from_elements(shift, &vec![22; n as usize]).unwrap();
	let operands = vec![tensor(rng, DType::I8, &[m, k], 256), tensor(rng, DType::I8, &[n, k], 256)];
	let multiplier = tensor(rng, DType::I16, &[n], 1 << 16);
	let bias = tensor(rng, DType::I32, &[n], 1 << 12);
	[
		Link { op: Op::MatMul { narrow: None }, operands },
		Link { op: Op::Requant { to: DType::I8 }, operands: vec![multiplier, shift, bias] },
	]
}

fn on_cpu(links: &[Link]) -> Buffer {
	let mut cpu = CpuBackend::default();
	let mut last: Option<(Arc<Buffer>, Shape)> = None;
	for link in links {
		let own = link.operands.iter().map(|tensor| {
			(Arc::new(Buffer::from_canonical(&tensor.ty, &tensor.bytes)), tensor.ty.shape)
		});
		let all: Vec<_> = last.take().into_iter().chain(own).collect();
		let operands: Vec<_> = all
			.iter()
			.map(|(value, shape)| Operand {
				value,
				shape: *shape,
				affine: Affine::new(shape, None),
			})
			.collect();
		let seen: Vec<_> = all.iter().map(|(value, shape)| (value.dtype(), shape)).collect();
		let (dtype, shape) = link.op.infer(&seen).unwrap();
		let call = Call { op: &link.op, operands: &operands, dtype, shape: &shape };
		last = Some((cpu.apply(&call).unwrap(), shape));
	}
	Buffer::clone(&last.unwrap().0)
}

#[test]
fn chain_should_equal_the_cpu_engine_when_it_is_read_back_or_timed_first() {
	let mut rng = Rng::seeded("timing");
	let mut executor = open();
	for _ in 0..6 {
		let sizes = [(); 3].map(|()| 1 + rng.below(150) as u32);
		let links = product(&mut rng, sizes.into());
		let before = executor.transfers();
		assert!(executor.time(&links, 3).unwrap().as_nanos() > 0);
		assert_eq!(executor.transfers().readbacks, before.readbacks, "nothing is read back");
		for upto in 1..=2 {
			let found = executor.result(&links[..upto]).unwrap();
			assert_eq!(*found, on_cpu(&links[..upto]), "{sizes:?}");
		}
	}
}

#[test]
fn chain_should_be_refused_when_it_does_not_run_on_the_device() {
	let mut rng = Rng::seeded("refused");
	let mut executor = open();
	let [product, requant] = product(&mut rng, (4, 8, 4));
	let refused = |result: Result<_, ExecError>, words: &str| {
		let text = result.map(|_: std::time::Duration| ()).unwrap_err().to_string();
		assert!(text.contains(words), "{text}");
	};
	refused(executor.time(&[], 1), "without operators");
	refused(executor.time(std::slice::from_ref(&requant), 1), "Requant");
	let mut short = product.clone();
	short.operands[1].bytes = short.operands[1].bytes[..32].into();
	refused(executor.time(&[short], 1), "32 bytes");
	executor.disable(ElementwiseKernel::Requant.into());
	refused(executor.time(&[product.clone(), requant], 1), "does not run on this device");
	// What was refused leaves the device usable.
	assert!(executor.time(&[product], 1).is_ok());
}
