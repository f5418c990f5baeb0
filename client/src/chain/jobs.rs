//! Jobs as the runtime API `MarketApi` answers them, decoded through metadata.

use super::{value::Read, Hash, Node};
use crate::{
	error::{Error, Result},
	output::hex,
};
use serde_json::json;
use subxt::{
	dynamic::{self, Value},
	ext::scale_value::value,
};

/// The runtime API that answers for jobs.
const API: &str = "MarketApi";
/// Most jobs that one call returns.
const PAGE: u32 = 64;
/// How many ids one call looks at.
const SCAN: u64 = 4096;

/// One validator and what it said. A verifier appears when it speaks: before, nobody but itself knows
/// that it was drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
	/// The account.
	pub account: Hash,
	/// `Attest` or `Verify`.
	pub purpose: String,
	/// Tranche of the seat, from 0.
	pub tranche: u32,
	/// Block of the draw, or of the verifier's first word.
	pub drawn_at: u64,
	/// `Pending`, `Attested(true)`, `Committed`, `Abstained(…)`, `Revealed` (with the chunks of its trace
	/// that the chain had drawn) or `Opened` (without them, which is no verdict).
	pub status: String,
	/// The segment that it is about, where the run is cut.
	pub segment: Option<u32>,
	/// The opened verdict: the root of its segment, where it has one.
	pub run_root: Option<Hash>,
	/// Whether it equals the provider's result.
	pub matches: Option<bool>,
}

/// The open lottery of a job: who verifies is drawn in private, and this is all that is known of it.
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

/// Everything the chain knows about a job; amounts in the token's smallest unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
	/// Job id.
	pub id: u64,
	/// Hash of its order: what it is, whatever its number stands for on another fork.
	pub order: Hash,
	/// Who pays.
	pub requester: Hash,
	/// Who claimed it last.
	pub provider: Option<Hash>,
	/// Who claimed it before, stayed silent or gave it back, and may not claim it again.
	pub barred: Vec<Hash>,
	/// Program id.
	pub program: Hash,
	/// Roots of the inputs, in program order.
	pub input_roots: Vec<Hash>,
	/// Steps to run.
	pub steps: u32,
	/// Work units of all steps.
	pub work_units: u64,
	/// Bytes of all inputs.
	pub input_bytes: u64,
	/// Bytes of all outputs.
	pub output_bytes: u64,
	/// Whether drawn validators attest that they hold the inputs before it can be claimed.
	pub attested: bool,
	/// Steps of one segment, where each verifier replays one of them.
	pub segment_steps: Option<u32>,
	/// Audit probability in parts per million.
	pub audit_ppm: u32,
	/// Where the ramp starts.
	pub price_start: u128,
	/// Where the ramp ends.
	pub price_max: u128,
	/// How many blocks the ramp takes.
	pub ramp_blocks: u64,
	/// Agreed price.
	pub price: Option<u128>,
	/// Ramp's price now.
	pub current_price: Option<u128>,
	/// Bond that a claim needs or has put up.
	pub bond: Option<u128>,
	/// Still held for the job.
	pub escrow: u128,
	/// Held for its record beside the escrow.
	pub deposit: u128,
	/// Phase name, as on chain.
	pub phase: String,
	/// Reason code of a job that ended.
	pub reason: Option<String>,
	/// Last block of the phase.
	pub deadline: Option<u64>,
	/// Phases and the blocks at which they were entered.
	pub history: Vec<(String, u64)>,
	/// Whether verifiers have looked at it; `None` while that is not known.
	pub audited: Option<bool>,
	/// The provider's hidden result.
	pub commitment: Option<Hash>,
	/// The provider's opened result.
	pub run_root: Option<Hash>,
	/// Trace root of the last step, as the reveal has shown it.
	pub trace_root: Option<Hash>,
	/// Reason code for which the result is condemned, also before the job has ended.
	pub condemned: Option<String>,
	/// Roots of the outputs, in program order.
	pub output_roots: Vec<Hash>,
	/// Root of every segment of the opened run, where it is cut.
	pub segment_roots: Vec<Hash>,
	/// Everyone who was drawn to attest, and every verifier that has spoken.
	pub verdicts: Vec<Verdict>,
	/// Paid out of the escrow.
	pub paid: u128,
	/// Returned to the requester.
	pub refunded: u128,
	/// Burned of the fees.
	pub burned: u128,
	/// Only the summary is left.
	pub archived: bool,
}

fn optional<T>(value: &Value, read: impl Fn(&Value) -> Result<T>) -> Result<Option<T>> {
	value.option()?.map(read).transpose()
}

fn u32_of(value: &Value) -> Result<u32> {
	value.u64()?.try_into().map_err(|_| Error::new("chain-data", "a number is above 2^32"))
}

/// The name of a variant with what it holds, such as `Attested(true)`.
fn status(value: &Value) -> Result<String> {
	let name = value.variant()?;
	Ok(match value.inner() {
		Ok(inner) => match (inner.as_bool(), inner.variant()) {
			(Some(flag), _) => format!("{name}({flag})"),
			(None, Ok(reason)) => format!("{name}({reason})"),
			(None, Err(_)) => name.into(),
		},
		Err(_) => name.into(),
	})
}

impl Verdict {
	fn read(v: &Value) -> Result<Self> {
		Ok(Self {
			account: v.field("account")?.hash()?,
			purpose: v.field("purpose")?.variant()?.into(),
			tranche: u32_of(v.field("tranche")?)?,
			drawn_at: v.field("drawn_at")?.u64()?,
			status: status(v.field("status")?)?,
			segment: optional(v.field("segment")?, u32_of)?,
			run_root: optional(v.field("run_root")?, Read::hash)?,
			matches: optional(v.field("matches")?, Read::flag)?,
		})
	}

	/// For `--json`.
	pub fn to_json(&self) -> serde_json::Value {
		json!({
			"account": super::ss58(&self.account),
			"purpose": self.purpose,
			"tranche": self.tranche,
			"drawnAt": self.drawn_at,
			"status": self.status,
			"segment": self.segment,
			"runRoot": self.run_root.map(hex),
			"matches": self.matches,
		})
	}
}

impl Job {
	/// Reads a decoded `JobView`.
	pub fn read(v: &Value) -> Result<Self> {
		let hashes = |v: &Value| v.items()?.into_iter().map(Read::hash).collect::<Result<Vec<_>>>();
		Ok(Self {
			id: v.field("id")?.u64()?,
			order: v.field("order")?.hash()?,
			requester: v.field("requester")?.hash()?,
			provider: optional(v.field("provider")?, Read::hash)?,
			barred: hashes(v.field("barred")?)?,
			program: v.field("program")?.hash()?,
			input_roots: hashes(v.field("input_roots")?)?,
			steps: u32_of(v.field("steps")?)?,
			work_units: v.field("work_units")?.u64()?,
			input_bytes: v.field("input_bytes")?.u64()?,
			output_bytes: v.field("output_bytes")?.u64()?,
			attested: v.field("assurance")?.field("attestation")?.variant()? != "OptedOut",
			segment_steps: optional(v.field("assurance")?.field("segments")?, |segments| {
				u32_of(segments.field("steps")?)
			})?,
			audit_ppm: u32_of(v.field("audit_ppm")?)?,
			price_start: v.field("price_start")?.uint()?,
			price_max: v.field("price_max")?.uint()?,
			ramp_blocks: v.field("ramp_blocks")?.u64()?,
			price: optional(v.field("price")?, Read::uint)?,
			current_price: optional(v.field("current_price")?, Read::uint)?,
			bond: optional(v.field("bond")?, Read::uint)?,
			escrow: v.field("escrow")?.uint()?,
			deposit: v.field("deposit")?.uint()?,
			phase: v.field("phase")?.variant()?.into(),
			reason: optional(v.field("reason")?, |r| Ok(r.variant()?.to_string()))?,
			deadline: optional(v.field("deadline")?, Read::u64)?,
			history: v
				.field("history")?
				.items()?
				.into_iter()
				.map(|entry| match entry.items()?.as_slice() {
					[phase, block] => Ok((phase.variant()?.to_string(), block.u64()?)),
					_ => Err(Error::new("chain-data", "a phase of the history has no block")),
				})
				.collect::<Result<_>>()?,
			audited: optional(v.field("audited")?, Read::flag)?,
			commitment: optional(v.field("commitment")?, Read::hash)?,
			run_root: optional(v.field("run_root")?, Read::hash)?,
			trace_root: optional(v.field("trace_root")?, Read::hash)?,
			condemned: optional(v.field("condemned")?, |r| Ok(r.variant()?.to_string()))?,
			output_roots: hashes(v.field("output_roots")?)?,
			segment_roots: hashes(v.field("segment_roots")?)?,
			verdicts: v
				.field("verdicts")?
				.items()?
				.into_iter()
				.map(Verdict::read)
				.collect::<Result<_>>()?,
			paid: v.field("paid")?.uint()?,
			refunded: v.field("refunded")?.uint()?,
			burned: v.field("burned")?.uint()?,
			archived: v.field("archived")?.flag()?,
		})
	}

	/// Whether nothing can happen to the job any more.
	pub fn is_over(&self) -> bool {
		matches!(self.phase.as_str(), "Settled" | "Failed")
	}

	/// The block at which the job entered `phase` for the last time.
	pub fn entered(&self, phase: &str) -> Option<u64> {
		self.history.iter().rev().find(|(p, _)| p == phase).map(|(_, block)| *block)
	}

	/// For `--json`; amounts as strings of the smallest unit, hashes in hexadecimal, accounts SS58.
	pub fn to_json(&self) -> serde_json::Value {
		json!({
			"job": self.id,
			"order": hex(self.order),
			"phase": self.phase,
			"reason": self.reason,
			"requester": super::ss58(&self.requester),
			"provider": self.provider.as_ref().map(super::ss58),
			"barred": self.barred.iter().map(super::ss58).collect::<Vec<_>>(),
			"program": hex(self.program),
			"inputRoots": self.input_roots.iter().map(hex).collect::<Vec<_>>(),
			"outputRoots": self.output_roots.iter().map(hex).collect::<Vec<_>>(),
			"steps": self.steps,
			"workUnits": self.work_units.to_string(),
			"inputBytes": self.input_bytes.to_string(),
			"outputBytes": self.output_bytes.to_string(),
			"attested": self.attested,
			"segmentSteps": self.segment_steps,
			"segmentRoots": self.segment_roots.iter().map(hex).collect::<Vec<_>>(),
			"auditPpm": self.audit_ppm,
			"audited": self.audited,
			"priceStart": self.price_start.to_string(),
			"priceMax": self.price_max.to_string(),
			"rampBlocks": self.ramp_blocks,
			"price": self.price.map(|p| p.to_string()),
			"currentPrice": self.current_price.map(|p| p.to_string()),
			"bond": self.bond.map(|p| p.to_string()),
			"escrow": self.escrow.to_string(),
			"deposit": self.deposit.to_string(),
			"paid": self.paid.to_string(),
			"refunded": self.refunded.to_string(),
			"burned": self.burned.to_string(),
			"deadline": self.deadline,
			"history": self.history.iter()
				.map(|(phase, block)| json!({"phase": phase, "block": block}))
				.collect::<Vec<_>>(),
			"commitment": self.commitment.map(hex),
			"runRoot": self.run_root.map(hex),
			"traceRoot": self.trace_root.map(hex),
			"condemned": self.condemned,
			"verdicts": self.verdicts.iter().map(Verdict::to_json).collect::<Vec<_>>(),
			"archived": self.archived,
		})
	}
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
		let answer = self.api(API, "job", vec![value!(id)]).await?;
		optional(&answer, Job::read)
	}

	/// A job as of the last finalized block, or `None`.
	pub async fn final_job(&self, id: u64) -> Result<Option<Job>> {
		let call = dynamic::runtime_api_call::<_, Value>(API, "job", vec![value!(id)]);
		let at = self.finalized().await?;
		let answer = at.runtime_apis().call(call).await.map_err(super::chain_error)?;
		optional(&answer, Job::read)
	}

	/// The open lottery of a job, `None` where none is open.
	pub async fn lottery(&self, id: u64) -> Result<Option<Lottery>> {
		match self.storage("Jobs", "Lotteries", vec![value!(id)]).await? {
			Some(lottery) => Lottery::read(&lottery).map(Some),
			None => Ok(None),
		}
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
			let answer = self.api(API, "jobs", vec![value!(from), value!(page)]).await?;
			let batch: Vec<Job> =
				answer.items()?.into_iter().map(Job::read).collect::<Result<_>>()?;
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
