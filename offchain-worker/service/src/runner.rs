//! What it is to run a program: asked of worker processes, and of stand-ins by tests.

use crate::{fault::Fault, types::Hash};
use assay_dispute::Replayed;
use assay_market::JobId;
use assay_program::Source;
use futures::future::BoxFuture;
use std::{collections::BTreeMap, sync::Arc};

/// What a [`Runner`] has to run.
#[derive(Clone, Debug)]
pub struct Replay {
	/// The job.
	pub job: JobId,
	/// Bytes of the program.
	pub program: Arc<[u8]>,
	/// Root and length in bytes of every input, in program order.
	pub inputs: Vec<(Hash, u64)>,
	/// Root and length in bytes of every state to start from, in program order; `None`: the inputs
	/// that initialise them.
	pub start: Option<Vec<(Hash, u64)>>,
	/// Steps to run.
	pub steps: u32,
	/// Work units of all steps together.
	pub work_units: u64,
	/// Most bytes of tensors alive at one time.
	pub peak_memory: u64,
	/// Tensors of the last step to hand over for a dispute, each with its length in bytes:
	/// [`Source::Node`] of anchors, and [`Source::State`] as it was before the step.
	pub keep: Vec<(Source, u64)>,
	/// Bytes of the roots of the eager anchors of all steps, which are to be handed over; 0: they
	/// are not.
	pub anchors: u64,
	/// Outputs of the job that go into the node's store: their positions among the eager anchors of
	/// the last step, and their lengths in bytes, in program order. None where that step is not the
	/// job's last.
	pub outputs: Vec<(u32, u64)>,
}

/// What a [`Runner`]'s run gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ran {
	/// Root over the trace roots.
	pub run_root: Hash,
	/// Trace root of every step.
	pub trace_roots: Vec<Hash>,
	/// Roots of the eager anchors of the last step, in program order.
	pub last_anchors: Vec<Hash>,
	/// Roots of the lazy anchors of the last step, in program order, where one of them was to be
	/// kept.
	pub last_lazy: Vec<Hash>,
	/// Canonical bytes of what was to be kept.
	pub kept: BTreeMap<Source, Vec<u8>>,
	/// Roots of the eager anchors of all steps, one step after the other, where they were asked
	/// for.
	pub all_anchors: Vec<Hash>,
	/// The outputs that were asked for are in the node's store.
	pub outputs_held: bool,
}

impl From<Ran> for Replayed {
	fn from(ran: Ran) -> Self {
		let Ran { trace_roots, last_anchors, last_lazy, kept, all_anchors, .. } = ran;
		Self { trace_roots, last_anchors, last_lazy, kept, all_anchors }
	}
}

/// Runs programs.
pub trait Runner: Send + Sync + 'static {
	/// Makes one attempt. Dropping the future ends everything that the attempt started.
	fn replay(self: Arc<Self>, replay: Replay) -> BoxFuture<'static, Result<Ran, Fault>>;
}
