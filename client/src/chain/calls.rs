//! The calls of the jobs pallet. Whoever binds itself to a job names its order beside its number: after a
//! reorganisation the number may stand for another job, and the chain then refuses the call.

use super::{urgency::Urgency, value::Read, Hash, Included, Node};
use crate::error::Result;
use assay_commitments::{OutputsOpening, SegmentsOpening};
pub use assay_job::Checkpoints;

use subxt::{dynamic::Value, ext::scale_value::value};
use subxt_signer::sr25519::Keypair;

/// A job by its number and the hash of its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId {
	/// Its number on the best chain.
	pub number: u64,
	/// What it is.
	pub order: Hash,
}

/// The first two arguments of a call that binds somebody.
pub(super) fn job_args(job: JobId) -> Vec<(&'static str, Value)> {
	vec![("job", value!(job.number)), ("order", Value::from_bytes(job.order))]
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

/// What a provider asks of the chain when it claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
	/// Least price.
	pub min_price: u128,
	/// Most bond.
	pub max_bond: u128,
}

impl Node {
	/// Posts a job; its id and the block.
	pub async fn post_job(&self, key: &Keypair, post: &Post) -> Result<(u64, Included)> {
		let audit = match post.audit_ppm {
			Some(ppm) => Value::unnamed_variant("Custom", [value!(ppm)]),
			None => Value::unnamed_variant("Standard", []),
		};
		let attestation = if post.attested { "Required" } else { "OptedOut" };
		let segments =
			post.segment_steps.map(|steps| Value::named_composite([("steps", value!(steps))]));
		let assurance = Value::named_composite([
			("audit", audit),
			("attestation", Value::unnamed_variant(attestation, [])),
			("segments", optional(segments)),
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

	/// One of the calls that take only the job: the requester's `cancel_job` and `request_audit`.
	pub async fn job_call(&self, key: &Keypair, call: &str, job: JobId) -> Result<Included> {
		self.submit(key, "Jobs", call, job_args(job)).await
	}

	/// Makes the chain apply the default of a deadline that has passed. It binds nobody.
	pub async fn poke_job(&self, key: &Keypair, job: u64) -> Result<Included> {
		self.submit(key, "Jobs", "poke", vec![("job", value!(job))]).await
	}

	/// Claims a job at the ramp's current price, on these terms.
	pub async fn claim_job(&self, key: &Keypair, job: JobId, claim: Claim) -> Result<()> {
		let mut args = job_args(job);
		args.push(("min_price", value!(claim.min_price)));
		args.push(("max_bond", value!(claim.max_bond)));
		self.submit(key, "Jobs", "claim_job", args).await.map(drop)
	}

	/// Gives a claimed job back that cannot be done in time.
	pub async fn give_back(&self, key: &Keypair, job: JobId, urgency: Urgency) -> Result<()> {
		self.submit_urgent(key, "Jobs", "give_back", job_args(job), urgency).await.map(drop)
	}

	/// Commits to a result, with its checkpoints where the run is cut.
	pub async fn commit_result(
		&self,
		key: &Keypair,
		job: JobId,
		commitment: Hash,
		checkpoints: Option<Checkpoints>,
		urgency: Urgency,
	) -> Result<()> {
		let mut args = job_args(job);
		args.push(("commitment", Value::from_bytes(commitment)));
		let checkpoints = checkpoints.map(|Checkpoints { manifest, digest }| {
			Value::named_composite([
				("manifest", Value::from_bytes(manifest)),
				("digest", Value::from_bytes(digest)),
			])
		});
		args.push(("checkpoints", optional(checkpoints)));
		self.submit_urgent(key, "Jobs", "commit_result", args, urgency).await.map(drop)
	}

	/// Reveals a result, with its segments where the run is cut.
	#[allow(clippy::too_many_arguments)] // They are the call's.
	pub async fn reveal_result(
		&self,
		key: &Keypair,
		job: JobId,
		run_root: Hash,
		salt: Hash,
		opening: &OutputsOpening,
		segments: Option<&SegmentsOpening>,
		urgency: Urgency,
	) -> Result<()> {
		let mut args = job_args(job);
		args.push(("run_root", Value::from_bytes(run_root)));
		args.push(("salt", Value::from_bytes(salt)));
		args.push(("opening", opening_value(opening)));
		args.push(("segments", optional(segments.map(segments_value))));
		self.submit_urgent(key, "Jobs", "reveal_result", args, urgency).await.map(drop)
	}
}

fn optional(value: Option<Value>) -> Value {
	match value {
		Some(value) => Value::unnamed_variant("Some", [value]),
		None => Value::unnamed_variant("None", []),
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
