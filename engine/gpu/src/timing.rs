//! Operators timed where they run, for benchmarks: a run of a program reads back or hashes what it
//! makes.

use crate::{
	backend::{GpuBackend, GpuTensor},
	GpuExecutor,
};
use assay_exec::{Affine, Backend, Buffer, Call, DeviceFault, ExecError, Operand, Tensor};
use assay_ops::{Op, Shape};
use std::{
	sync::Arc,
	time::{Duration, Instant},
};

/// An operator of a chain.
#[derive(Clone, Debug)]
pub struct Link {
	/// The operator.
	pub op: Op,
	/// What it reads; where it is not the first of its chain, after the result of the one before.
	pub operands: Vec<Tensor>,
}

/// Operands of a link on the device, with their shapes.
type Imported = Vec<(Arc<GpuTensor>, Shape)>;

/// Hands a chain to the device. Gives the last result and its shape.
fn record(
	backend: &mut GpuBackend,
	links: &[Link],
	imported: &[Imported],
) -> Result<(Arc<GpuTensor>, Shape), ExecError> {
	let before = backend.on_cpu;
	let mut last: Option<(Arc<GpuTensor>, Shape)> = None;
	for (link, operands) in links.iter().zip(imported) {
		let operands: Vec<_> = last
			.iter()
			.chain(operands)
			.map(|(value, shape)| Operand {
				value,
				shape: *shape,
				affine: Affine::new(shape, None),
			})
			.collect();
		let seen: Vec<_> =
			operands.iter().map(|operand| (operand.value.dtype(), &operand.shape)).collect();
		let (dtype, shape) = link
			.op
			.infer(&seen)
			.map_err(|error| ExecError::Program(format!("{:?}: {error}", link.op)))?;
		let call = Call { op: &link.op, operands: &operands, dtype, shape: &shape };
		let value = backend.apply(&call)?;
		last = Some((value, shape));
	}
	if backend.on_cpu != before {
		let text = "an operator of the chain does not run on this device".into();
		return Err(ExecError::Device { fault: DeviceFault::Limits, text });
	}
	last.ok_or_else(|| ExecError::Program("a chain without operators".into()))
}

fn import(backend: &mut GpuBackend, links: &[Link]) -> Result<Vec<Imported>, ExecError> {
	let one = |backend: &mut GpuBackend, tensor: &Tensor| {
		let (expected, found) = (tensor.ty.canonical_len(), tensor.bytes.len() as u64);
		if expected != found {
			let text = format!("an operand of {found} bytes, not the {expected} of its type");
			return Err(ExecError::Program(text));
		}
		Ok((backend.import_input(tensor)?, tensor.ty.shape))
	};
	links
		.iter()
		.map(|link| link.operands.iter().map(|tensor| one(backend, tensor)).collect())
		.collect()
}

impl GpuExecutor {
	/// Seconds of `runs` runs of a chain of operators, one after the other and as a program's nodes
	/// are run, with operands that are on the device already. Included are recording, submission,
	/// allocation of results from the pool, and waiting for the device at the end; nothing is read
	/// back, nor hashed.
	///
	/// Errors: an operator that does not take its operands, that has no kernel for them on this
	/// device (the CPU's time would be meaningless), or a fault of the device.
	pub fn time(&mut self, links: &[Link], runs: u32) -> Result<Duration, ExecError> {
		self.guard(|backend| {
			let imported = import(backend, links)?;
			// Uploads the operands, compiles the kernels and fills the pool.
			record(backend, links, &imported)?;
			backend.device.finish()?;
			let start = Instant::now();
			for _ in 0..runs {
				record(backend, links, &imported)?;
			}
			backend.device.finish()?;
			Ok(start.elapsed())
		})
	}

	/// What the chain that [`Self::time`] times gives. The same errors.
	pub fn result(&mut self, links: &[Link]) -> Result<Arc<Buffer>, ExecError> {
		self.guard(|backend| {
			let imported = import(backend, links)?;
			let (value, _) = record(backend, links, &imported)?;
			let ticket = backend.request(&value)?;
			backend.collect(ticket)
		})
	}
}
