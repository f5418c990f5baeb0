//! The CPU engine: all cores, and the best integer instructions that the processor has.

mod chains;
mod choose;
mod definition;
mod elementwise;
mod factor;
mod fixed_point;
mod fused;
mod generate;
mod grouped;
mod kernel;
mod moves;
mod packed;
mod patches;
mod product;
mod profile;
mod reduce;
mod row;
mod short;
mod small;
mod source;
mod table;
mod transpose;
mod window;

use crate::{
	execute, gemm::Path, pool::POOL, region, Audit, Backend, Buffer, Call, Chain, ExecError,
	Executor, Observer, Operand, Options, Resident, Run, Tensor, Work,
};
use assay_ops::{DType, Family, Op, Product, Shape};
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

	/// The result of an operator.
	pub fn evaluate(&self, call: &Call<'_, Arc<Buffer>>) -> Result<Buffer, ExecError> {
		let sources: Vec<Source> = call.operands.iter().map(Source::new).collect();
		let call = Evaluation::new(call, &sources);
		match call.op.family() {
			Family::Product(op) => product::evaluate(self, op, &call, None),
			Family::Elementwise(op) => elementwise::evaluate(op, &call),
			Family::Window(op) => window::evaluate(op, &call),
			Family::Reduce(op) => reduce::evaluate(op, &call),
			Family::Row(op) => row::evaluate(op, &call),
			Family::Moves(op) => moves::evaluate(op, &call),
			Family::Table(op) => table::evaluate(op, &call),
			Family::Generate(op) => generate::evaluate(op, &call),
		}
	}
}

/// A [`Call`] whose operands are ready to be read.
struct Evaluation<'a> {
	op: &'a Op,
	operands: &'a [Operand<'a, Arc<Buffer>>],
	/// The operands' elements.
	sources: &'a [Source<'a>],
	/// Type and shape of the result.
	dtype: DType,
	shape: &'a Shape,
}

impl<'a> Evaluation<'a> {
	fn new(call: &Call<'a, Arc<Buffer>>, sources: &'a [Source<'a>]) -> Self {
		let &Call { op, operands, dtype, shape } = call;
		Self { op, operands, sources, dtype, shape }
	}

	/// The sources, if there are so many of them.
	fn exactly<const N: usize>(&self) -> Result<&'a [Source<'a>; N], ExecError> {
		self.sources.try_into().map_err(|_| mismatch(self.op))
	}

	/// The shape in which an operand is seen.
	fn seen(&self, operand: usize) -> &'a Shape {
		&self.operands[operand].shape
	}

	/// The shapes in which operands are seen.
	fn shapes(&self) -> Vec<Shape> {
		self.operands.iter().map(|operand| operand.shape).collect()
	}

	/// Elements of the result.
	fn len(&self) -> usize {
		self.shape.elements() as usize
	}
}

impl CpuBackend {
	/// A product, and its Requant to `to`.
	fn requantised(
		&self,
		product: &Call<'_, Arc<Buffer>>,
		requant: &fused::Epilogue,
		to: DType,
	) -> Result<Buffer, ExecError> {
		let sources: Vec<Source> = product.operands.iter().map(Source::new).collect();
		let product = Evaluation { dtype: to, ..Evaluation::new(product, &sources) };
		match product.op.family() {
			Family::Product(op) => product::evaluate(self, op, &product, Some(requant)),
			Family::Elementwise(_)
			| Family::Window(_)
			| Family::Reduce(_)
			| Family::Row(_)
			| Family::Moves(_)
			| Family::Table(_)
			| Family::Generate(_) => Err(mismatch(product.op)),
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
		POOL.keep(&buffer);
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

	fn apply(&mut self, call: &Call<'_, Self::Value>) -> Result<Self::Value, ExecError> {
		self.profiled(|| profile::name(call.op), call.shape, |this| this.evaluate(call))
	}

	fn product_requant(
		&mut self,
		product: &Call<'_, Self::Value>,
		requant: &[Operand<'_, Self::Value>],
		to: DType,
	) -> Result<Option<Self::Value>, ExecError> {
		let parameters: Vec<Source> = requant.iter().map(Source::new).collect();
		// Sums of i8 products are at most K · 2^14, narrowed ones anything.
		let mut largest = 1 << 31;
		if let (
			Family::Product(
				Product::MatMul { narrow: None } | Product::BatchMatMul { narrow: None },
			),
			[a, ..],
		) = (product.op.family(), product.operands)
		{
			largest = i64::from(a.shape.last()) << 14;
		}
		let columns = product.shape.last() as usize;
		let requant = fused::Epilogue::new(&parameters, to, columns, largest)?;
		let name = || profile::name(product.op) + " with Requant";
		let evaluate = |this: &Self| this.requantised(product, &requant, to);
		self.profiled(name, product.shape, evaluate).map(Some)
	}

	fn links(&self, op: &Op) -> bool {
		region::is_element_wise(op, 0).is_some()
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
			POOL.keep(&buffer);
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

	fn run(
		&mut self,
		work: &Work<'_>,
		options: Options<'_>,
		observer: &mut dyn Observer,
	) -> Result<Run, ExecError> {
		let options = Options { audit: self.audit, ..options };
		let run = execute(&mut self.backend, work, options, observer);
		POOL.clear();
		// Inputs that nobody has any more are not going to come again.
		self.backend.resident.sweep();
		self.backend.packed.sweep();
		run
	}
}
