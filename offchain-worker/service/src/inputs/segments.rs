//! The segment of a run that a verifier has drawn, and what its replay starts from.
//!
//! The provider serves a manifest of its checkpoints and their states as blobs. Whatever of them
//! cannot be had, or is not what the provider has committed to, is as if it were not there: the
//! replay then begins with the job's inputs and goes through everything before the segment too.
//! That takes longer, and the chain gives the time, so that a provider which holds checkpoints back
//! gains nothing.

use crate::{
	chain::JobAssignment,
	fault::Fault,
	inputs::blobs::Inputs,
	inputs::examined::Examined,
	inputs::held::check_held,
	runner::Ran,
	types::{Hash, LOG_TARGET},
};
use assay_commitments::{checkpoint_len, read_manifest, run_root, Segmentation};
use std::ops::Range;

/// What a replay starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Start {
	/// The job's inputs.
	Inputs,
	/// These states: root and length in bytes of each, in program order.
	States(Vec<(Hash, u64)>),
	/// The job's inputs, and so many steps that do not belong to what is asked for.
	Before(u32),
}

impl Start {
	/// The states to start from, if any.
	pub(crate) fn states(&self) -> Option<Vec<(Hash, u64)>> {
		match self {
			Self::States(states) => Some(states.clone()),
			Self::Inputs | Self::Before(_) => None,
		}
	}

	/// Steps to run before what is asked for.
	pub(crate) fn before(&self) -> u32 {
		match self {
			Self::Before(steps) => *steps,
			Self::Inputs | Self::States(_) => 0,
		}
	}

	/// Leaves what is asked for of a run that began like this.
	pub(crate) fn strip(&self, mut ran: Ran) -> Ran {
		if let Self::Before(steps) = self {
			let before = ran.trace_roots.len().min(*steps as usize);
			let each = ran.all_anchors.len() / ran.trace_roots.len().max(1);
			ran.all_anchors.drain(..before * each);
			ran.trace_roots.drain(..before);
			ran.run_root = run_root(&ran.trace_roots);
		}
		ran
	}
}

/// The steps that a seat's verdict is about, counted through the job.
///
/// # Errors
/// [`Fault::Chain`] for a segment that the job does not have.
pub(crate) fn steps_of(assignment: &JobAssignment) -> Result<Range<u32>, Fault> {
	match &assignment.segment {
		None => Ok(0..assignment.steps),
		Some(duty) => Segmentation::new(assignment.steps, duty.terms.steps)
			.and_then(|cut| cut.range(duty.index))
			.ok_or_else(|| Fault::Chain(format!("there is no segment {}", duty.index))),
	}
}

/// Where the checkpoint of a seat's segment is: the manifest, its length, and how to read it.
pub(crate) struct Place<'a> {
	cut: Segmentation,
	index: u32,
	pub(crate) manifest: (Hash, u64),
	digest: Hash,
	examined: &'a Examined,
}

/// `None` where the replay starts from the job's inputs anyway.
pub(crate) fn place<'a>(assignment: &JobAssignment, examined: &'a Examined) -> Option<Place<'a>> {
	let duty = assignment.segment.filter(|duty| duty.index > 0)?;
	let cut = Segmentation::new(assignment.steps, duty.terms.steps)?;
	let entry = checkpoint_len(examined.anchors(), &examined.state_anchors())?;
	let length = entry.checked_mul(u64::from(cut.count()) - 1)?;
	let manifest = (duty.terms.checkpoints.manifest, length);
	let digest = duty.terms.checkpoints.digest;
	Some(Place { cut, index: duty.index, manifest, digest, examined })
}

impl Inputs {
	/// Root and length of the states that a seat's segment starts from, where the store has a
	/// manifest that says so. Blocks.
	pub(crate) fn states_of(&self, place: &Place) -> Option<Vec<(Hash, u64)>> {
		let (root, length) = place.manifest;
		check_held(&self.blobs, &[place.manifest]).ok()?;
		let bytes = self.blobs.read(&root).ok().filter(|bytes| bytes.len() as u64 == length)?;
		let Examined { states, .. } = place.examined;
		let (anchors, positions) = (place.examined.anchors(), place.examined.state_anchors());
		let read = read_manifest(&bytes, &place.cut, anchors, &positions, &place.digest);
		let checkpoint = read?.into_iter().nth(place.index as usize - 1)?;
		Some(checkpoint.states.into_iter().zip(states.iter().map(|(_, len)| *len)).collect())
	}

	/// What the replay of a seat's segment starts from, by what the store has. Blocks.
	pub(crate) fn start_of(
		&self,
		assignment: &JobAssignment,
		examined: &Examined,
	) -> Result<Start, Fault> {
		let steps = steps_of(assignment)?;
		if steps.start == 0 {
			return Ok(Start::Inputs);
		}
		let states = place(assignment, examined).and_then(|place| self.states_of(&place));
		match states.filter(|states| check_held(&self.blobs, states).is_ok()) {
			Some(states) => Ok(Start::States(states)),
			None => {
				log::debug!(
					target: LOG_TARGET,
					"Job {}: the provider's checkpoint is not to be had", assignment.job,
				);
				Ok(Start::Before(steps.start))
			}
		}
	}
}
