//! What an engine is.

use crate::{Buffer, Call, Chain, ExecError, Operand, Tensor};
use assay_commitments::Hash;
use assay_ops::{DType, Op, TensorType};
use std::sync::Arc;

/// What an engine must be able to do; [`crate::execute`] does the rest.
pub trait Backend {
	/// A tensor in the engine's memory, shared by clones, freed with the last one.
	type Value: Clone;
	/// A tensor on its way back.
	type Ticket;

	/// Takes a tensor into the engine's memory.
	fn import(&mut self, buffer: Arc<Buffer>) -> Result<Self::Value, ExecError>;

	/// Takes an input of a run, which may be one of the run before: see [`crate::Resident`].
	fn import_input(&mut self, tensor: &Tensor) -> Result<Self::Value, ExecError> {
		self.import(Arc::new(Buffer::from_canonical(&tensor.ty, &tensor.bytes)))
	}

	/// The result of an operator. May return before it is computed.
	fn apply(&mut self, call: &Call<'_, Self::Value>) -> Result<Self::Value, ExecError>;

	/// A product, whose result is i32, and [`Op::Requant`] of it to `to` in one, for engines that
	/// gain from it. `requant` are the operands after the accumulator. `None` has both run apart.
	fn product_requant(
		&mut self,
		product: &Call<'_, Self::Value>,
		requant: &[Operand<'_, Self::Value>],
		to: DType,
	) -> Result<Option<Self::Value>, ExecError> {
		let _ = (product, requant, to);
		Ok(None)
	}

	/// Whether nodes of this operator may be links of [`Backend::chains`].
	fn links(&self, op: &Op) -> bool {
		let _ = op;
		false
	}

	/// The results of chains, which do not read each other, for engines that gain from computing
	/// many small nodes at once: for each chain the results of its links, at least of those that
	/// are kept. `None` has the nodes run one by one.
	#[allow(clippy::type_complexity)]
	fn chains(
		&mut self,
		chains: &[Chain<'_, Self::Value>],
	) -> Result<Option<Vec<Vec<Option<Self::Value>>>>, ExecError> {
		let _ = chains;
		Ok(None)
	}

	/// Asks for the elements of a tensor, without waiting.
	fn request(&mut self, value: &Self::Value) -> Result<Self::Ticket, ExecError>;

	/// Whether [`Backend::collect`] would give the elements without waiting. What is ready is
	/// hashed while the next nodes are computed.
	fn is_ready(&self, ticket: &Self::Ticket) -> bool {
		let _ = ticket;
		false
	}

	/// Waits for what was asked for.
	fn collect(&mut self, ticket: Self::Ticket) -> Result<Arc<Buffer>, ExecError>;

	/// Asks for the root of a tensor of type `ty`, without waiting, for engines that hash where the
	/// tensor is. `None` has its elements fetched and hashed here.
	fn request_root(
		&mut self,
		value: &Self::Value,
		ty: &TensorType,
	) -> Result<Option<Self::Ticket>, ExecError> {
		let _ = (value, ty);
		Ok(None)
	}

	/// Waits for a root that [`Backend::request_root`] gave a ticket for.
	fn collect_root(&mut self, ticket: Self::Ticket) -> Result<Hash, ExecError> {
		let _ = ticket;
		Err(ExecError::Program("this engine hashes nothing itself".into()))
	}
}
