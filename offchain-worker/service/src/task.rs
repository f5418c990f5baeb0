//! What is to be done for a job, by its hash.

use crate::{chain::JobAssignment, types::Hash};
use assay_market::{task_hash, Purpose};
use codec::Encode;

/// Hash of what an assignment asks for.
///
/// A segment is another task than the run: nothing about the one says anything about the other.
/// Whoever is asked again whether it holds inputs or outputs looks again, and what it said before
/// does not count.
pub(crate) fn task_of(assignment: &JobAssignment) -> Hash {
	let whole = task_hash(&assignment.program, &assignment.input_roots, assignment.steps);
	let hash = |rest: &[u8]| *blake3::hash(&[&whole[..], rest].concat()).as_bytes();
	match assignment.purpose {
		Purpose::Attest => hash(&("attest", assignment.draw_block).encode()),
		Purpose::Keep => hash(&("keep", assignment.draw_block, &assignment.output_roots).encode()),
		Purpose::Verify => match &assignment.segment {
			None => whole,
			Some(duty) => hash(&duty.encode()),
		},
	}
}
