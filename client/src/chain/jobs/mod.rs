//! Jobs as the runtime API `MarketApi` answers them, decoded through metadata.

use super::{chain_error, value::Read, At, Hash, Node};
use crate::{
	error::{Error, Result},
	output::hex,
};
pub use assay_job::{
	Attestation, JobView, Named, Phase, Purpose, ReasonCode, SeatStatus, VerdictView,
};
use serde_json::json;
use subxt::{
	dynamic::{self, Value},
	ext::{scale_decode::DecodeAsType, scale_value::value},
	utils::AccountId32,
};

/// The runtime API that answers for jobs.
const API: &str = "MarketApi";
/// Most jobs that one call returns.
pub(super) const PAGE: u32 = 64;
/// How many ids one call looks at.
pub(super) const SCAN: u64 = 4096;

/// A validator and what it said.
pub type Verdict = VerdictView<AccountId32, u64, Named<Purpose>, Named<SeatStatus>>;

/// Everything the chain knows about a job; amounts in the token's smallest unit.
pub type Job = JobView<AccountId32, u128, u64, Named<Phase>, Named<ReasonCode>, Verdict>;

/// The open lottery of a job: who verifies is drawn in private, and this is all that is known of
/// it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lottery {
	/// Block in which it was opened.
	pub opened_at: u64,
	/// The last tranche that may speak by now, from 0.
	pub tranche: u32,
	/// How many tranches there are at most.
	pub max_tranches: u32,
	/// How many validators take part.
	pub candidates: u32,
	/// How many verdicts are wanted.
	pub wanted: u32,
}

impl Lottery {
	/// Reads a decoded `Lottery`.
	pub fn read(v: &Value) -> Result<Self> {
		let terms = v.field("terms")?;
		let candidates = u32_of(terms.field("candidates")?)?;
		Ok(Self {
			opened_at: v.field("opened_at")?.u64()?,
			tranche: u32_of(v.field("tranche")?)?,
			max_tranches: u32_of(terms.field("max_tranches")?)?,
			candidates,
			wanted: u32_of(terms.field("size")?)?.min(candidates),
		})
	}

	/// For `--json`.
	pub fn to_json(&self) -> serde_json::Value {
		json!({
			"openedAt": self.opened_at,
			"tranche": self.tranche,
			"maxTranches": self.max_tranches,
			"candidates": self.candidates,
			"wanted": self.wanted,
		})
	}
}

fn optional<T>(value: &Value, read: impl Fn(&Value) -> Result<T>) -> Result<Option<T>> {
	value.option()?.map(read).transpose()
}

fn u32_of(value: &Value) -> Result<u32> {
	value.u64()?.try_into().map_err(|_| Error::new("chain-data", "a number is above 2^32"))
}

/// Asks the runtime in the state `at`. The answer is decoded by the names in the chain's metadata:
/// fields that a later runtime adds are passed over.
async fn ask<T: DecodeAsType>(at: &At, method: &str, args: Vec<Value>) -> Result<T> {
	let call = dynamic::runtime_api_call::<_, T>(API, method, args);
	at.runtime_apis().call(call).await.map_err(chain_error)
}

async fn job_at(at: &At, id: u64) -> Result<Option<Job>> {
	ask(at, "job", vec![value!(id)]).await
}

impl Node {
	/// A job.
	///
	/// # Errors
	/// `unknown-job` when the chain has none of that id.
	pub async fn job(&self, id: u64) -> Result<Job> {
		self.find_job(id).await?.ok_or_else(|| {
			Error::new("unknown-job", format!("there is no job {id} on this chain"))
				.fix("`assay job list` shows the jobs")
		})
	}

	/// A job, or `None`.
	pub async fn find_job(&self, id: u64) -> Result<Option<Job>> {
		job_at(&self.best().await?, id).await
	}

	/// A job as of the last finalized block, or `None`.
	pub async fn final_job(&self, id: u64) -> Result<Option<Job>> {
		job_at(&self.finalized().await?, id).await
	}

	/// The open lottery of a job, `None` where none is open.
	pub async fn lottery(&self, id: u64) -> Result<Option<Lottery>> {
		match self.storage("Jobs", "Lotteries", vec![value!(id)]).await? {
			Some(lottery) => Lottery::read(&lottery).map(Some),
			None => Ok(None),
		}
	}

	/// Up to `limit` jobs with ids from `from`, as one call answers.
	pub(super) async fn page_of_jobs(&self, from: u64, limit: u32) -> Result<Vec<Job>> {
		ask(&self.best().await?, "jobs", vec![value!(from), value!(limit)]).await
	}

	/// Up to `limit` jobs with ids from `from`.
	pub async fn jobs(&self, from: u64, limit: usize) -> Result<Vec<Job>> {
		let next = match self.storage("Jobs", "NextJob", vec![]).await? {
			Some(next) => next.u64()?,
			None => 0,
		};
		let (mut jobs, mut from) = (Vec::new(), from);
		while jobs.len() < limit && from < next {
			let page = u32::try_from(limit - jobs.len()).unwrap_or(PAGE).min(PAGE);
			let batch = self.page_of_jobs(from, page).await?;
			// A page that is not full covers a whole scan, also where the chain has forgotten jobs.
			from = match batch.last() {
				Some(last) if batch.len() >= page as usize => last.id + 1,
				_ => from.saturating_add(SCAN),
			};
			jobs.extend(batch);
		}
		Ok(jobs)
	}

	/// The bytes of a registered program.
	///
	/// # Errors
	/// `unknown-program`.
	pub async fn program(&self, id: &Hash) -> Result<Vec<u8>> {
		let answer = self.api(API, "program", vec![Value::from_bytes(id)]).await?;
		optional(&answer, Read::bytes)?.ok_or_else(|| {
			Error::new("unknown-program", format!("no program {} on this chain", hex(id)))
				.fix("register it with `assay program register FILE`")
		})
	}
}

#[cfg(test)]
pub(crate) mod tests;
