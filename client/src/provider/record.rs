//! What a provider writes down about a job, by the hash of its order.

use crate::{
	chain::{
		calls::{Checkpoints, JobId},
		Hash,
	},
	error::{Error, Result},
};
use assay_commitments::{
	checkpoints_digest, open_outputs, open_segments, run_root, trace_root, OutputsOpening,
	Segmentation, SegmentsOpening,
};
use serde::{Deserialize, Serialize};

/// One job that this account has, or is about to have, bound itself to.
///
/// It is found by its order. The number is where the order was when it was taken: whether it still stands for the
/// same job is asked of the chain before anything is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
	/// Number of the job.
	pub job: u64,
	/// Hash of its order.
	#[serde(with = "hash")]
	pub order: Hash,
	/// Work units of all steps.
	#[serde(default)]
	pub work: u64,
	/// Roots of the inputs, whose files are kept as long as the record is open.
	#[serde(with = "hashes")]
	pub inputs: Vec<Hash>,
	/// How far it has come.
	#[serde(flatten)]
	pub stage: Stage,
	/// Since when the best chain has another job under this number, or none, in seconds of Unix time.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub strayed: Option<u64>,
}

impl Record {
	/// Of a job that is about to be claimed.
	pub fn new(id: JobId, work: u64, inputs: Vec<Hash>) -> Self {
		let JobId { number, order } = id;
		Self { job: number, order, work, inputs, stage: Stage::Claiming, strayed: None }
	}

	/// Number and order.
	pub fn id(&self) -> JobId {
		JobId { number: self.job, order: self.order }
	}

	/// The run that is recorded, where there is one.
	pub fn executed(&self) -> Option<&Executed> {
		match &self.stage {
			Stage::Executed(executed)
			| Stage::Committed(executed)
			| Stage::Handed(executed)
			| Stage::Revealed(executed)
			| Stage::Published(executed) => Some(executed),
			Stage::Claiming | Stage::Claimed | Stage::GivingBack { .. } | Stage::Done { .. } => {
				None
			}
		}
	}
}

/// The result of a run, as much of it as a reveal needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Executed {
	/// Trace root of every step.
	#[serde(with = "hashes")]
	pub traces: Vec<Hash>,
	/// Roots of the eager anchors of the last step.
	#[serde(with = "hashes")]
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
	#[serde(with = "hashes")]
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

/// How far a job has come, durable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "kebab-case")]
pub enum Stage {
	/// The claim is about to be, or has been, sent.
	Claiming,
	/// The claim is on chain.
	Claimed,
	/// It cannot be done in time: it is about to be, or has been, given back.
	GivingBack {
		/// Why.
		why: String,
	},
	/// The run is finished and its files are on disk; the commit is about to be, or has been, sent.
	Executed(Executed),
	/// The commit is on chain; the outputs are being handed to the node.
	Committed(Executed),
	/// The node has the outputs; the reveal is about to be, or has been, sent.
	Handed(Executed),
	/// The reveal is on chain; the node is asked once more whether it has the outputs.
	Revealed(Executed),
	/// The outputs are published.
	Published(Executed),
	/// Nothing more to do.
	Done {
		/// Reason code of the chain, or why this provider stopped.
		reason: String,
	},
}

impl Stage {
	/// For lines and JSON.
	pub fn name(&self) -> &'static str {
		match self {
			Stage::Claiming => "claiming",
			Stage::Claimed => "claimed",
			Stage::GivingBack { .. } => "giving-back",
			Stage::Executed(_) => "executed",
			Stage::Committed(_) => "committed",
			Stage::Handed(_) => "handed-over",
			Stage::Published(_) => "published",
			Stage::Revealed(_) => "revealed",
			Stage::Done { .. } => "done",
		}
	}

	/// Whether a run is under way or about to begin: such jobs are done one after the other.
	pub fn is_running(&self) -> bool {
		matches!(self, Stage::Claiming | Stage::Claimed | Stage::Executed(_))
	}
}

/// A hash as hexadecimal in the records.
mod hash {
	use super::Hash;
	use serde::{de::Error, Deserialize, Deserializer, Serialize, Serializer};

	pub fn serialize<S: Serializer>(hash: &Hash, s: S) -> Result<S::Ok, S::Error> {
		hex::encode(hash).serialize(s)
	}

	pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Hash, D::Error> {
		let mut hash = [0; 32];
		hex::decode_to_slice(String::deserialize(d)?, &mut hash).map_err(D::Error::custom)?;
		Ok(hash)
	}
}

/// Hashes as hexadecimal in the records.
mod hashes {
	use super::Hash;
	use serde::{de::Error, Deserialize, Deserializer, Serialize, Serializer};

	pub fn serialize<S: Serializer>(list: &[Hash], s: S) -> Result<S::Ok, S::Error> {
		list.iter().map(hex::encode).collect::<Vec<_>>().serialize(s)
	}

	pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<Hash>, D::Error> {
		Vec::<String>::deserialize(d)?
			.iter()
			.map(|text| {
				let mut hash = [0; 32];
				hex::decode_to_slice(text, &mut hash).map_err(D::Error::custom)?;
				Ok(hash)
			})
			.collect()
	}
}
