//! What a provider writes down about a job, by the hash of its order.

use crate::{
	chain::calls::JobId,
	executed::Executed,
	hash::{text, texts, Hash},
};
use serde::{Deserialize, Serialize};

/// One job that this account has, or is about to have, bound itself to.
///
/// It is found by its order. The number is where the order was when it was taken: whether it still
/// stands for the same job is asked of the chain before anything is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
	/// Number of the job.
	pub job: u64,
	/// Hash of its order.
	#[serde(with = "text")]
	pub order: Hash,
	/// Work units of all steps.
	#[serde(default)]
	pub work: u64,
	/// Roots of the inputs, whose files are kept as long as the record is open.
	#[serde(with = "texts")]
	pub inputs: Vec<Hash>,
	/// How far it has come.
	#[serde(flatten)]
	pub stage: Stage,
	/// Since when the best chain has another job under this number, or none, in seconds of Unix
	/// time.
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
