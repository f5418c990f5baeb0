//! The CPU engine: all cores, and the best integer instructions that the processor has.

mod chains;
mod choose;
mod definition;
mod elementwise;
mod fixed_point;
mod fused;
mod grouped;
mod interpolate;
mod kernel;
mod moves;
mod packed;
mod patches;
mod pool;
mod products;
mod profile;
mod random;
mod reduce;
mod rows;
mod short;
mod small;
mod source;
mod transpose;

use crate::{
	execute, gemm::Path, spare::SPARE, Audit, Backend, Buffer, Chain, ExecError, Executor,
	Observer, Operand, Options, Resident, Run, Tensor,
};
use assay_ops::{DType, Op, Shape};
use assay_program::{Checked, Program};
pub use profile::{Profile, Spent};
use source::Source;
use std::{fmt, sync::Arc};

/// Evaluates single operators on the CPU.
#[derive(Clone)]
pub struct CpuBackend {
	path: Path,
	/// Shared by clones, since they may be given the same tensors.
	packed: Arc<packed::Cache>,
	resident: Resident<Arc<Buffer>>,
	profile: Option<Profile>,
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
		Self { path, packed: Arc::default(), resident: Resident::default(), profile: None }
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
		let seen = |operand: usize| &operands[operand].shape;
		match (*op, sources.as_slice()) {
			(Op::MatMul { .. } | Op::BatchMatMul { .. } | Op::Conv2d { .. }, _) => {
				self.product(op, operands, None, dtype, shape)
			}
			(Op::Requant { to }, [acc, rest @ ..]) => {
				elementwise::requant(acc, rest, to, shape.last())
			}
			(Op::Lut, [index, table]) => elementwise::lut(index, table),
			(Op::ReduceSum { axis, to }, [a]) => Ok(reduce::sum(a, seen(0), axis, to)),
			(Op::ReduceMax { axis }, [a]) => Ok(reduce::max(a, seen(0), axis)),
			(Op::ArgMax { axis }, [a]) => Ok(reduce::arg_max(a, seen(0), axis)),
			(Op::ReduceSumProduct { axis, shift, to }, [a, b]) => {
				Ok(reduce::sum_product([a, b], seen(0), axis, (shift, to)))
			}
			(Op::Pool { kind, kernel, stride, pad, to }, [x]) => {
				pool::Pool { kind, kernel, stride, pad }.apply(x, seen(0), to, shape)
			}
			(Op::MulShift { shift, to }, [a, b]) => Ok(fixed_point::mul_shift(a, b, shift, to)),
			(Op::ShiftBy { to }, [a, by]) if by.len() == 1 => {
				elementwise::shift(a, by.numbers()[0] as i8, to)
			}
			(Op::ShiftBy { to }, [a, by]) => Ok(fixed_point::shift_each(a, by, to)),
			(Op::ShiftRandom { to }, [a, by, bits]) => {
				fixed_point::shift_at_random(a, by, bits, to)
			}
			(Op::Compare { relation }, [a, b]) => Ok(choose::compare(a, b, relation)),
			(Op::Select, [condition, a, b]) => Ok(choose::select(condition, a, b)),
			(Op::LutInterp, [a, table]) => Ok(interpolate::lut_interp(a, table)),
			(Op::Philox { stream, .. }, [seed, step]) => {
				Ok(random::philox(seed, step, stream, len))
			}
			(Op::Softmax { multiplier, shift, to }, [a]) => {
				Ok(rows::softmax(a, multiplier, shift, to))
			}
			(Op::Norm { kind, epsilon, to, shift }, [a, gamma, beta]) => {
				Ok(rows::norm([a, gamma, beta], kind, epsilon, to, shift))
			}
			(Op::RowScale { kind, epsilon, shift }, [a]) => {
				Ok(rows::scale(a, kind, epsilon, shift))
			}
			(Op::Gather, [table, indices]) => moves::gather(table, seen(0), indices),
			(Op::ScatterAdd { to, .. }, [updates, indices]) => {
				moves::scatter_add(updates, indices, shape, to)
			}
			(Op::Concat { axis }, pieces) => {
				let shapes: Vec<Shape> = operands.iter().map(|operand| operand.shape).collect();
				moves::concat(pieces, &shapes, axis, shape)
			}
			(Op::Pad { axis, low, value, .. }, [a]) => {
				moves::pad(a, seen(0), axis, (low, value), shape)
			}
			(Op::Iota { axis, .. }, []) => Ok(moves::iota(shape, axis)),
			(
				Op::Clamp { .. }
				| Op::Shift { .. }
				| Op::Cast { .. }
				| Op::Copy
				| Op::BitLen
				| Op::Rsqrt { .. },
				[a],
			) => elementwise::unary(op, a, dtype, len),
			(
				Op::Add { .. }
				| Op::Sub { .. }
				| Op::Mul { .. }
				| Op::Max
				| Op::Min
				| Op::IntDiv { .. },
				[a, b],
			) => elementwise::binary(op, a, b, dtype, len),
			_ => {
				let shapes: Vec<Shape> = operands.iter().map(|operand| operand.shape).collect();
				definition::evaluate(op, &sources, &shapes, dtype, shape)
			}
		}
	}
}

impl CpuBackend {
	/// A product, and perhaps a Requant of it to `dtype`.
	fn product(
		&self,
		op: &Op,
		operands: &[Operand<'_, Arc<Buffer>>],
		requant: Option<&fused::Epilogue>,
		dtype: DType,
		shape: &Shape,
	) -> Result<Buffer, ExecError> {
		let sources: Vec<Source> = operands.iter().map(Source::new).collect();
		let [a, b, third @ ..] = sources.as_slice() else { return Err(mismatch(op)) };
		let finish = |narrow| (products::shifted(narrow, third.first()), requant);
		match *op {
			Op::MatMul { narrow } => products::matmul(self, a, b, finish(narrow), dtype),
			Op::BatchMatMul { narrow } => {
				products::batches(self, a, b, finish(narrow), dtype, shape)
			}
			Op::Conv2d { geometry, narrow } => {
				let (x, w) = ((a, &operands[0].shape), (b, &operands[1].shape));
				products::convolution(self, x, w, geometry, finish(narrow), dtype)
			}
			_ => Err(mismatch(op)),
		}
	}

	/// Evaluates `op`, and counts what it took if that is asked for.
	fn profiled(
		&mut self,
		name: impl FnOnce() -> String,
		shape: &Shape,
		evaluate: impl FnOnce(&Self) -> Result<Buffer, ExecError>,
	) -> Result<Arc<Buffer>, ExecError> {
		let result = match self.profile.take() {
			None => evaluate(self),
			Some(mut profile) => {
				let result = profile.time(&name(), shape.elements().into(), || evaluate(self));
				self.profile = Some(profile);
				result
			}
		};
		let buffer = Arc::new(result?);
		SPARE.keep(&buffer);
		Ok(buffer)
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

	fn import_input(&mut self, tensor: &Tensor) -> Result<Self::Value, ExecError> {
		let make =
			|tensor: &Tensor| Ok(Arc::new(Buffer::from_canonical(&tensor.ty, &tensor.bytes)));
		self.resident.value(tensor, make)
	}

	fn apply(
		&mut self,
		op: &Op,
		operands: &[Operand<'_, Self::Value>],
		dtype: DType,
		shape: &Shape,
	) -> Result<Self::Value, ExecError> {
		let evaluate = |this: &Self| this.evaluate(op, operands, dtype, shape);
		self.profiled(|| profile::name(op), shape, evaluate)
	}

	fn product_requant(
		&mut self,
		op: &Op,
		product: &[Operand<'_, Self::Value>],
		requant: &[Operand<'_, Self::Value>],
		dtype: DType,
		shape: &Shape,
	) -> Result<Option<Self::Value>, ExecError> {
		let parameters: Vec<Source> = requant.iter().map(Source::new).collect();
		// Sums of i8 products are at most K · 2^14, narrowed ones anything.
		let largest = match (product, op) {
			([a, ..], Op::MatMul { narrow: None } | Op::BatchMatMul { narrow: None }) => {
				i64::from(a.shape.last()) << 14
			}
			_ => 1 << 31,
		};
		let columns = shape.last() as usize;
		let requant = fused::Epilogue::new(&parameters, dtype, columns, largest)?;
		let evaluate = |this: &Self| this.product(op, product, Some(&requant), dtype, shape);
		self.profiled(|| profile::name(op) + " with Requant", shape, evaluate).map(Some)
	}

	fn links(&self, op: &Op) -> bool {
		kernel::Kernel::is_of(op)
	}

	fn chains(
		&mut self,
		chains: &[Chain<'_, Self::Value>],
	) -> Result<Option<Vec<Vec<Option<Self::Value>>>>, ExecError> {
		let results = match &mut self.profile {
			None => chains::run(chains)?,
			Some(profile) => {
				let links = chains.iter().flat_map(|chain| &chain.links);
				let elements = links.map(|link| link.elements as u64).sum();
				profile.time("elementwise chains", elements, || chains::run(chains))?
			}
		};
		let share = |buffer: Buffer| {
			let buffer = Arc::new(buffer);
			SPARE.keep(&buffer);
			buffer
		};
		let share =
			|chain: Vec<Option<Buffer>>| chain.into_iter().map(|one| one.map(share)).collect();
		Ok(results.map(|results| results.into_iter().map(share).collect()))
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

	/// Counts from now on what each operator takes.
	pub fn start_profile(&mut self) {
		self.backend.profile = Some(Profile::default());
	}

	/// What was counted since [`Self::start_profile`].
	pub fn profile(&self) -> Option<&Profile> {
		self.backend.profile.as_ref()
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
		SPARE.clear();
		// Inputs that nobody has any more are not going to come again.
		self.backend.resident.sweep();
		self.backend.packed.sweep();
		run
	}
}
