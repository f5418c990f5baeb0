//! Openings that go through several trees: from a run root to job outputs, or to one chunk.

use crate::{
	tensor::verify_tile,
	tree::{open, verify, Path, Tree},
	Hash,
};
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode};
use scale_info::TypeInfo;

/// The output roots of a run with what leads from its run root to them: the last step's trace root,
/// and each output's place among that step's anchors.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct OutputsOpening {
	/// Trace root of the last step.
	pub trace_root: Hash,
	/// Its path in the run tree.
	pub trace_path: Path,
	/// Root of every output, in the order of the program's outputs, with its path in the trace
	/// tree.
	pub outputs: Vec<(Hash, Path)>,
}

/// Opens the outputs of a run. `positions` are the places of the outputs among the anchors
/// (`Checked::output_anchors`). `None` if there is no step or a position does not exist.
pub fn open_outputs(
	trace_roots: &[Hash],
	last_anchors: &[Hash],
	positions: &[u32],
) -> Option<OutputsOpening> {
	let last = trace_roots.len().checked_sub(1)?;
	let outputs = positions
		.iter()
		.map(|&at| {
			let path = open(Tree::Trace, last_anchors, at.into())?;
			Some((*last_anchors.get(at as usize)?, path))
		})
		.collect::<Option<_>>()?;
	Some(OutputsOpening {
		trace_root: trace_roots[last],
		trace_path: open(Tree::Run, trace_roots, last as u64)?,
		outputs,
	})
}

/// Whether an opening shows the outputs of the run with this root. `steps`, `anchors` (eager
/// anchors of the program) and `positions` come from the job and its program.
pub fn verify_outputs(
	root: &Hash,
	steps: u64,
	anchors: u64,
	positions: &[u32],
	opening: &OutputsOpening,
) -> bool {
	let Some(last) = steps.checked_sub(1) else { return false };
	opening.outputs.len() == positions.len()
		&& verify(Tree::Run, root, last, steps, &opening.trace_root, &opening.trace_path)
		&& opening.outputs.iter().zip(positions).all(|((output, path), &at)| {
			verify(Tree::Trace, &opening.trace_root, at.into(), anchors, output, path)
		})
}

/// Where a chunk is in a run. All numbers come from the chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct ChunkPosition {
	/// Steps of the job.
	pub steps: u64,
	/// The step, from 0.
	pub step: u64,
	/// Eager anchors of the program.
	pub anchors: u64,
	/// The anchor, by its place among them.
	pub anchor: u64,
	/// Chunks of that anchor's tensor.
	pub chunks: u64,
	/// The chunk.
	pub chunk: u64,
}

/// One chunk of a run's trace with what leads from the run root to it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct ChunkOpening {
	/// Trace root of the step, and its path in the run tree.
	pub trace: (Hash, Path),
	/// Root of the anchor, and its path in the trace tree.
	pub anchor: (Hash, Path),
	/// Path of the chunk in the tensor's tree.
	pub tile: Path,
}

/// Whether `chunk` is at this position of the run with this root.
pub fn verify_chunk(
	root: &Hash,
	position: &ChunkPosition,
	chunk: &[u8],
	opening: &ChunkOpening,
) -> bool {
	let ChunkPosition { steps, step, anchors, anchor, chunks, chunk: index } = *position;
	let (trace_root, trace_path) = &opening.trace;
	let (anchor_root, anchor_path) = &opening.anchor;
	verify(Tree::Run, root, step, steps, trace_root, trace_path)
		&& verify(Tree::Trace, trace_root, anchor, anchors, anchor_root, anchor_path)
		&& verify_tile(anchor_root, chunks, index, chunk, &opening.tile)
}
