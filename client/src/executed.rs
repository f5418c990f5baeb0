//! What is left of a run that was executed: enough to commit to it and to open it.

use crate::{
	error::{Error, Result},
	hash::{texts, Hash},
};
use assay_commitments::{
	checkpoints_digest, open_outputs, open_segments, run_root, trace_root, OutputsOpening,
	Segmentation, SegmentsOpening,
};
use assay_job::Checkpoints;
use serde::{Deserialize, Serialize};

/// The result of a run, as much of it as a reveal needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Executed {
	/// Trace root of every step.
	#[serde(with = "texts")]
	pub traces: Vec<Hash>,
	/// Roots of the eager anchors of the last step.
	#[serde(with = "texts")]
	pub last_anchors: Vec<Hash>,
	/// Places of the outputs among the anchors.
	pub positions: Vec<u32>,
	/// What a run that is cut for its verifiers has beside that.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub segments: Option<Segments>,
}

/// How a run was cut, and where its checkpoints are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segments {
	/// Steps of one segment.
	pub steps: u32,
	/// The manifest, and the roots of all states that it lists: what is served.
	#[serde(with = "texts")]
	pub blobs: Vec<Hash>,
}

impl Executed {
	/// The run root.
	pub fn run_root(&self) -> Hash {
		run_root(&self.traces)
	}

	/// Roots of the outputs, in program order.
	pub fn outputs(&self) -> Vec<Hash> {
		self.positions.iter().filter_map(|p| self.last_anchors.get(*p as usize)).copied().collect()
	}

	/// How the run was cut; `None` for a whole one.
	///
	/// # Errors
	/// `local-fault` where the record does not fit the run.
	fn cut(&self) -> Result<Option<Segmentation>> {
		let Some(segments) = &self.segments else { return Ok(None) };
		let steps = u32::try_from(self.traces.len()).ok();
		let cut = steps.and_then(|steps| Segmentation::new(steps, segments.steps));
		let unfit = || Error::new("local-fault", "the recorded run cannot be cut as it says");
		cut.map(Some).ok_or_else(|| unfit().fix("report this with the state folder"))
	}

	/// The checkpoints that the commitment carries.
	pub fn checkpoints(&self) -> Result<Option<Checkpoints>> {
		let (Some(cut), Some(segments)) = (self.cut()?, &self.segments) else { return Ok(None) };
		let digest = digest(&cut, &self.traces);
		let manifest = segments.blobs.first().copied().unwrap_or_default();
		Ok(Some(Checkpoints { manifest, digest }))
	}

	/// The segments that the reveal carries.
	pub fn segments_opening(&self) -> Result<Option<SegmentsOpening>> {
		Ok(self.cut()?.and_then(|cut| open_segments(&cut, &self.traces)))
	}

	/// The opening that the reveal carries.
	pub fn opening(&self) -> Result<OutputsOpening> {
		let whole = self.traces.last() == Some(&trace_root(&self.last_anchors));
		open_outputs(&self.traces, &self.last_anchors, &self.positions)
			.filter(|_| whole)
			.ok_or_else(|| {
				Error::new("local-fault", "the recorded run does not open its own outputs")
					.fix("report this with the state folder; the job will be run again")
			})
	}
}

/// What binds the checkpoints of a run that is cut.
pub fn digest(cut: &Segmentation, traces: &[Hash]) -> Hash {
	let ends = (1..cut.count()).filter_map(|at| {
		let range = cut.range(at)?;
		traces.get(range.start as usize - 1)
	});
	checkpoints_digest(ends)
}
