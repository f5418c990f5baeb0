//! The CPU engine: all cores, and the best integer instructions that the processor has.

mod definition;
mod elementwise;
mod fused;
mod matmul;
mod packed;
mod products;
mod reduce;
mod source;
mod spare;

use crate::{
	execute, gemm::Path, Audit, Backend, Buffer, ExecError, Executor, Observer, Operand, Options,
	Run, Tensor,
};
use assay_ops::{DType, Op, Shape};
use assay_program::{Checked, Program};
use source::Source;
use std::{fmt, sync::Arc};

/// Evaluates single operators on the CPU.
#[derive(Clone)]
pub struct CpuBackend {
	path: Path,
	/// Shared by clones, since they may be given the same tensors.
	packed: Arc<packed::Cache>,
	/// Of products.
	spare: Arc<spare::Spare>,
}

impl Default for CpuBackend {
	fn default() -> Self {
		Self::with_path(Path::best())
	}
}

impl fmt::Debug for CpuBackend {
	fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
		f.debug_struct("CpuBackend").field("path", &self.path).finish_non_exhaustive()
	}
}

impl CpuBackend {
	/// On a given instruction set, which must be [available](Path::available).
	#[doc(hidden)]
	pub fn with_path(path: Path) -> Self {
		Self { path, packed: Arc::default(), spare: Arc::default() }
	}

	/// The result of `op`, of type `dtype` and shape `shape` by [`Op::infer`].
	pub fn evaluate(
		&self,
		op: &Op,
		operands: &[Operand<'_, Arc<Buffer>>],
		dtype: DType,
		shape: &Shape,
	) -> Result<Buffer, ExecError> {
		let sources: Vec<Source> = operands.iter().map(Source::new).collect();
		let len = shape.elements() as usize;
		match (*op, sources.as_slice()) {
			(Op::MatMul { narrow }, [a, b]) => products::matmul(self, a, b, narrow, dtype),
			(Op::MatMul { narrow }, [a, b, third]) => {
				let narrow = products::shifted(narrow, Some(third));
				products::matmul(self, a, b, narrow, dtype)
			}
			(Op::BatchMatMul { narrow }, [a, b, third @ ..]) => {
				let narrow = products::shifted(narrow, third.first());
				products::batches(self, a, b, narrow, dtype, shape)
			}
			(Op::Conv2d { geometry, narrow }, [x, w, third @ ..]) if geometry.groups == 1 => {
				let narrow = products::shifted(narrow, third.first());
				let (x, w) = ((x, &operands[0].shape), (w, &operands[1].shape));
				products::convolution(self, x, w, (geometry, narrow), dtype)
			}
			(Op::Requant { to }, [acc, rest @ ..]) => {
				elementwise::requant(acc, rest, to, shape.last())
			}
			(Op::Lut, [index, table]) => elementwise::lut(index, table),
			(Op::ReduceSum { axis, to }, [a]) => Ok(reduce::sum(a, &operands[0].shape, axis, to)),
			(Op::ReduceMax { axis }, [a]) => Ok(reduce::max(a, &operands[0].shape, axis)),
			(Op::ArgMax { axis }, [a]) => Ok(reduce::arg_max(a, &operands[0].shape, axis)),
			(Op::Clamp { .. } | Op::Shift { .. } | Op::Cast { .. } | Op::Copy, [a]) => {
				elementwise::unary(op, a, dtype, len)
			}
			(Op::Add { .. } | Op::Sub { .. } | Op::Mul { .. } | Op::Max | Op::Min, [a, b]) => {
				elementwise::binary(op, a, b, dtype, len)
			}
			_ => {
				let shapes: Vec<Shape> = operands.iter().map(|operand| operand.shape).collect();
				definition::evaluate(op, &sources, &shapes, dtype, shape)
			}
		}
	}
}

/// A checked program never comes here.
fn mismatch(op: &Op) -> ExecError {
	ExecError::Program(format!("{op:?} has operands that it does not take"))
}

impl Backend for CpuBackend {
	type Value = Arc<Buffer>;
	type Ticket = Arc<Buffer>;

	fn import(&mut self, buffer: Arc<Buffer>) -> Result<Self::Value, ExecError> {
		Ok(buffer)
	}

	fn apply(
		&mut self,
		op: &Op,
		operands: &[Operand<'_, Self::Value>],
		dtype: DType,
		shape: &Shape,
	) -> Result<Self::Value, ExecError> {
		let buffer = self.evaluate(op, operands, dtype, shape).map(Arc::new)?;
		if matches!(op, Op::MatMul { .. } | Op::BatchMatMul { .. } | Op::Conv2d { .. }) {
			self.spare.keep(&buffer);
		}
		Ok(buffer)
	}

	fn matmul_requant(
		&mut self,
		matmul: &[Operand<'_, Self::Value>],
		requant: &[Operand<'_, Self::Value>],
		dtype: DType,
	) -> Result<Option<Self::Value>, ExecError> {
		let sources: Vec<Source> = matmul.iter().map(Source::new).collect();
		let parameters: Vec<Source> = requant.iter().map(Source::new).collect();
		let [a, b] = sources.as_slice() else { return Ok(None) };
		let buffer = Arc::new(matmul::matmul_requant(self, a, b, &parameters, dtype)?);
		self.spare.keep(&buffer);
		Ok(Some(buffer))
	}

	fn request(&mut self, value: &Self::Value) -> Result<Self::Ticket, ExecError> {
		Ok(value.clone())
	}

	fn is_ready(&self, _: &Self::Ticket) -> bool {
		true
	}

	fn collect(&mut self, ticket: Self::Ticket) -> Result<Arc<Buffer>, ExecError> {
		Ok(ticket)
	}
}

/// Runs programs on the CPU.
#[derive(Clone, Debug, Default)]
pub struct CpuExecutor {
	backend: CpuBackend,
	audit: Option<Audit>,
}

impl CpuExecutor {
	/// On the best instruction set of this processor.
	pub fn new() -> Self {
		Self::default()
	}

	/// On a given instruction set, which must be [available](Path::available).
	#[doc(hidden)]
	pub fn with_path(path: Path) -> Self {
		Self { backend: CpuBackend::with_path(path), audit: None }
	}
}

impl Executor for CpuExecutor {
	fn name(&self) -> String {
		format!("cpu ({}, {} threads)", self.backend.path.name(), rayon::current_num_threads())
	}

	fn set_audit(&mut self, audit: Option<Audit>) {
		self.audit = audit;
	}

	fn run_with(
		&mut self,
		program: &Program,
		checked: &Checked,
		inputs: &[Tensor],
		steps: u32,
		options: Options<'_>,
		observer: &mut dyn Observer,
	) -> Result<Run, ExecError> {
		let options = Options { audit: self.audit, ..options };
		let run = execute(&mut self.backend, program, checked, inputs, steps, options, observer);
		self.backend.spare.clear();
		// Weights of this run are not going to come again under the same address.
		self.backend.packed.sweep();
		run
	}
}
