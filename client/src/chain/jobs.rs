//! Jobs as the runtime API `MarketApi` answers them, decoded through metadata.

use super::{value::Read, Hash, Node};
use crate::{
	error::{Error, Result},
	output::hex,
};
use assay_commitments::{OutputsOpening, SegmentsOpening};
use serde_json::json;
use subxt::{dynamic::Value, ext::scale_value::value};
use subxt_signer::sr25519::Keypair;

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
	/// Who pays.
	pub requester: Hash,
	/// Who claimed it last.
	pub provider: Option<Hash>,
	/// Who claimed it before and may not claim it again.
	pub stalled: Option<Hash>,
	/// Program id.
	pub program: Hash,
	/// Roots of the inputs, in program order.
	pub input_roots: Vec<Hash>,
	/// Steps to run.
	pub steps: u32,
	/// Work units of all steps.
	pub work_units: u64,
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
	/// Phase name, as on chain.
	pub phase: String,
	/// Reason code of a job that ended.
	pub reason: Option<String>,
	/// Last block of the phase.
	pub deadline: Option<u64>,
	/// Phases and the blocks at which they were entered.
	pub history: Vec<(String, u64)>,
	/// Whether a committee was drawn; `None` before the draw.
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
			requester: v.field("requester")?.hash()?,
			provider: optional(v.field("provider")?, Read::hash)?,
			stalled: optional(v.field("stalled")?, Read::hash)?,
			program: v.field("program")?.hash()?,
			input_roots: hashes(v.field("input_roots")?)?,
			steps: u32_of(v.field("steps")?)?,
			work_units: v.field("work_units")?.u64()?,
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
			"phase": self.phase,
			"reason": self.reason,
			"requester": super::ss58(&self.requester),
			"provider": self.provider.as_ref().map(super::ss58),
			"stalled": self.stalled.as_ref().map(super::ss58),
			"program": hex(self.program),
			"inputRoots": self.input_roots.iter().map(hex).collect::<Vec<_>>(),
			"outputRoots": self.output_roots.iter().map(hex).collect::<Vec<_>>(),
			"steps": self.steps,
			"workUnits": self.work_units.to_string(),
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

/// What `post_job` takes; amounts in the token's smallest unit.
#[derive(Clone, Debug)]
pub struct Post {
	/// Program id.
	pub program: Hash,
	/// Roots of the inputs, in program order.
	pub input_roots: Vec<Hash>,
	/// Steps to run.
	pub steps: u32,
	/// Where the ramp starts.
	pub price_start: u128,
	/// Where the ramp ends.
	pub price_max: u128,
	/// How many blocks the ramp takes.
	pub ramp_blocks: u32,
	/// Audit probability in parts per million, `None` for the chain's standard.
	pub audit_ppm: Option<u32>,
	/// Whether drawn validators attest the inputs first.
	pub attested: bool,
	/// Steps of one segment; `None`: each verifier replays the whole run.
	pub segment_steps: Option<u32>,
}

/// What a provider says its segments start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoints {
	/// Content address of the manifest.
	pub manifest: Hash,
	/// What binds the trace roots before them.
	pub digest: Hash,
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

	/// Posts a job; its id and the block.
	pub async fn post_job(&self, key: &Keypair, post: &Post) -> Result<(u64, super::Included)> {
		let audit = match post.audit_ppm {
			Some(ppm) => Value::unnamed_variant("Custom", [value!(ppm)]),
			None => Value::unnamed_variant("Standard", []),
		};
		let attestation = if post.attested { "Required" } else { "OptedOut" };
		let segments = match post.segment_steps {
			Some(steps) => {
				let segments = Value::named_composite([("steps", value!(steps))]);
				Value::unnamed_variant("Some", [segments])
			}
			None => Value::unnamed_variant("None", []),
		};
		let assurance = Value::named_composite([
			("audit", audit),
			("attestation", Value::unnamed_variant(attestation, [])),
			("segments", segments),
		]);
		let roots = post.input_roots.iter().map(Value::from_bytes);
		let args = vec![
			("program", Value::from_bytes(post.program)),
			("input_roots", Value::unnamed_composite(roots)),
			("steps", value!(post.steps)),
			("price_start", value!(post.price_start)),
			("price_max", value!(post.price_max)),
			("ramp_blocks", value!(post.ramp_blocks)),
			("assurance", assurance),
		];
		let included = self.submit(key, "Jobs", "post_job", args).await?;
		let id = included.event("Jobs", "JobPosted")?.field("job")?.u64()?;
		Ok((id, included))
	}

	/// One of the calls that take only the job.
	pub async fn job_call(&self, key: &Keypair, call: &str, job: u64) -> Result<super::Included> {
		self.submit(key, "Jobs", call, vec![("job", value!(job))]).await
	}

	/// Claims a job at the ramp's current price, if that is at least `min_price`.
	pub async fn claim_job(&self, key: &Keypair, job: u64, min_price: u128) -> Result<()> {
		let args = vec![("job", value!(job)), ("min_price", value!(min_price))];
		self.submit(key, "Jobs", "claim_job", args).await.map(drop)
	}

	/// Commits to a result, with its checkpoints where the run is cut.
	pub async fn commit_result(
		&self,
		key: &Keypair,
		job: u64,
		commitment: Hash,
		checkpoints: Option<Checkpoints>,
	) -> Result<()> {
		let mut args = vec![("job", value!(job)), ("commitment", Value::from_bytes(commitment))];
		let call = match checkpoints {
			Some(Checkpoints { manifest, digest }) => {
				let checkpoints = Value::named_composite([
					("manifest", Value::from_bytes(manifest)),
					("digest", Value::from_bytes(digest)),
				]);
				args.push(("checkpoints", checkpoints));
				"commit_segmented_result"
			}
			None => "commit_result",
		};
		self.submit(key, "Jobs", call, args).await.map(drop)
	}

	/// Reveals a result, with its segments where the run is cut.
	pub async fn reveal_result(
		&self,
		key: &Keypair,
		job: u64,
		run_root: Hash,
		salt: Hash,
		opening: &OutputsOpening,
		segments: Option<&SegmentsOpening>,
	) -> Result<()> {
		let mut args = vec![
			("job", value!(job)),
			("run_root", Value::from_bytes(run_root)),
			("salt", Value::from_bytes(salt)),
			("opening", opening_value(opening)),
		];
		let call = match segments {
			Some(segments) => {
				args.push(("segments", segments_value(segments)));
				"reveal_segmented_result"
			}
			None => "reveal_result",
		};
		self.submit(key, "Jobs", call, args).await.map(drop)
	}
}

fn path_value(path: &assay_commitments::Path) -> Value {
	let siblings = path.siblings.iter().map(Value::from_bytes);
	Value::named_composite([("siblings", Value::unnamed_composite(siblings))])
}

/// Hashes with their paths, as a dynamic value.
fn paths_value(opened: &[(Hash, assay_commitments::Path)]) -> Value {
	let pair = |(root, path): &(Hash, _)| {
		Value::unnamed_composite([Value::from_bytes(root), path_value(path)])
	};
	Value::unnamed_composite(opened.iter().map(pair))
}

/// Segments as a dynamic value.
fn segments_value(opening: &SegmentsOpening) -> Value {
	Value::named_composite([
		("ends", paths_value(&opening.ends)),
		("last", Value::from_bytes(opening.last)),
	])
}

/// An opening as a dynamic value.
fn opening_value(opening: &OutputsOpening) -> Value {
	Value::named_composite([
		("trace_root", Value::from_bytes(opening.trace_root)),
		("trace_path", path_value(&opening.trace_path)),
		("outputs", paths_value(&opening.outputs)),
	])
}

#[cfg(test)]
pub(crate) mod tests {
	use super::*;

	fn some(v: Value) -> Value {
		Value::unnamed_variant("Some", [v])
	}

	fn none() -> Value {
		Value::unnamed_variant("None", [])
	}

	fn name(text: &str) -> Value {
		Value::unnamed_variant(text, [])
	}

	pub fn view() -> Value {
		let verdict = Value::named_composite([
			("account", Value::unnamed_composite([Value::from_bytes([5u8; 32])])),
			("key", Value::from_bytes([6u8; 32])),
			("purpose", name("Verify")),
			("tranche", value!(0u8)),
			("drawn_at", value!(14u8)),
			("status", Value::unnamed_variant("Abstained", [name("DeviceFault")])),
			("segment", some(value!(2u8))),
			("commitment", none()),
			("run_root", some(Value::from_bytes([8u8; 32]))),
			("matches", some(value!(true))),
		]);
		Value::named_composite([
			("id", value!(3u8)),
			("requester", Value::unnamed_composite([Value::from_bytes([1u8; 32])])),
			("provider", some(Value::unnamed_composite([Value::from_bytes([2u8; 32])]))),
			("stalled", none()),
			("program", Value::from_bytes([3u8; 32])),
			("input_roots", Value::unnamed_composite([Value::from_bytes([4u8; 32])])),
			("steps", value!(1u8)),
			("work_units", value!(1000u32)),
			(
				"assurance",
				Value::named_composite([
					("audit", name("Standard")),
					("attestation", name("Required")),
					("segments", some(Value::named_composite([("steps", value!(16u8))]))),
				]),
			),
			("audit_ppm", value!(500000u32)),
			("price_start", Value::u128(5)),
			("price_max", Value::u128(9)),
			("ramp_blocks", value!(10u8)),
			("price", some(Value::u128(6))),
			("current_price", none()),
			("bond", some(Value::u128(60))),
			("escrow", Value::u128(0)),
			("phase", name("Settled")),
			("reason", some(name("Paid"))),
			("deadline", none()),
			(
				"history",
				Value::unnamed_composite([
					Value::unnamed_composite([name("Posted"), value!(10u8)]),
					Value::unnamed_composite([name("Settled"), value!(20u8)]),
				]),
			),
			("audited", some(value!(true))),
			("audit_requested", value!(false)),
			("commitment", some(Value::from_bytes([9u8; 32]))),
			("run_root", some(Value::from_bytes([8u8; 32]))),
			("trace_root", some(Value::from_bytes([0xau8; 32]))),
			("condemned", none()),
			("output_roots", Value::unnamed_composite([Value::from_bytes([7u8; 32])])),
			("segment_roots", Value::unnamed_composite([Value::from_bytes([7u8; 32])])),
			("verdicts", Value::unnamed_composite([verdict])),
			("paid", Value::u128(6)),
			("refunded", Value::u128(3)),
			("burned", Value::u128(0)),
			("archived", value!(false)),
			("a_field_of_a_later_runtime", value!(1u8)),
		])
	}

	#[test]
	fn lottery_should_be_read_by_name_when_one_is_open() {
		let terms = Value::named_composite([
			("candidates", value!(2u8)),
			("stake", Value::u128(1 << 90)),
			("size", value!(3u8)),
			("width_percent", value!(150u8)),
			("max_tranches", value!(2u8)),
		]);
		let value = Value::named_composite([
			("seed", Value::from_bytes([1u8; 32])),
			("session", value!(4u8)),
			("opened_at", value!(20u8)),
			("tranche", value!(1u8)),
			("terms", terms),
		]);
		let lottery = Lottery::read(&value).unwrap();
		assert_eq!((lottery.tranche, lottery.max_tranches, lottery.opened_at), (1, 2, 20));
		assert_eq!(lottery.wanted, 2, "there are no more candidates");
		assert_eq!(lottery.to_json()["candidates"], 2);
		// Nothing that tells who has won; the seed alone does not.
		assert_eq!(lottery.to_json().as_object().unwrap().len(), 5);
	}

	#[test]
	fn job_should_be_read_by_name_when_runtime_adds_fields() {
		let job = Job::read(&view()).unwrap();
		assert_eq!((job.id, job.price, job.price_max), (3, Some(6), 9));
		assert_eq!(job.provider, Some([2; 32]));
		assert_eq!(job.input_roots, [[4; 32]]);
		assert_eq!(job.history, [("Posted".into(), 10), ("Settled".into(), 20)]);
		assert_eq!((job.segment_steps, job.segment_roots.len()), (Some(16), 1));
		assert_eq!(job.verdicts[0].segment, Some(2));
		assert_eq!(job.verdicts[0].status, "Abstained(DeviceFault)");
		assert!(job.is_over());
		assert_eq!(job.entered("Settled"), Some(20));
		let json = job.to_json();
		assert_eq!(json["price"], "6");
		assert_eq!(json["reason"], "Paid");
		assert_eq!(json["verdicts"][0]["runRoot"], format!("0x{}", "08".repeat(32)));
	}
}
