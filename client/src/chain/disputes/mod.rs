//! Disputes as the arbitration pallet keeps them: the lanes of a job, and the calls of both sides.

use super::{
	calls::{job_args, JobId},
	chain_error, ss58,
	urgency::Urgency,
	value::Read,
	Hash, Included, Node,
};
use crate::error::Result;
use assay_commitments::Place;
use assay_referee::{ProofPart, RootsOpening};
use codec::Encode;
use serde_json::json;
use subxt::{
	dynamic::{self, Value},
	ext::{scale_decode::DecodeAsType, scale_value::value},
};
use subxt_signer::sr25519::Keypair;

/// The pallet of lanes and proofs.
const PALLET: &str = "Arbitration";
/// The runtime API that answers for disputes.
const API: &str = "ArbitrationApi";
/// Domain of proof commitments: `assay_market::proof_commitment`, which a test compares.
const PROOF_CONTEXT: &str = "assay 2026-11-29 proof commitment v2";

/// A place as metadata names its fields. Groups have hundreds of hashes, so lanes are decoded
/// straight into these types and not into a tree of values; fields still go by name.
#[derive(Clone, Copy, DecodeAsType)]
#[decode_as_type(crate_path = "subxt::ext::scale_decode")]
enum RawPlace {
	Run { level: u32, index: u64 },
	Trace { step: u32, level: u32, index: u64 },
	Tensor { step: u32, anchor: u32, level: u32, index: u64 },
	Lazy { step: u32, anchor: u32, level: u32, index: u64 },
}

impl From<RawPlace> for Place {
	fn from(raw: RawPlace) -> Self {
		match raw {
			RawPlace::Run { level, index } => Self::Run { level, index },
			RawPlace::Trace { step, level, index } => Self::Trace { step, level, index },
			RawPlace::Tensor { step, anchor, level, index } => {
				Self::Tensor { step, anchor, level, index }
			}
			RawPlace::Lazy { step, anchor, level, index } => {
				Self::Lazy { step, anchor, level, index }
			}
		}
	}
}

#[derive(Clone, Copy, DecodeAsType)]
#[decode_as_type(crate_path = "subxt::ext::scale_decode")]
enum RawTurn {
	Answer(RawPlace),
	Move,
}

impl From<RawTurn> for Turn {
	fn from(raw: RawTurn) -> Self {
		match raw {
			RawTurn::Answer(place) => Self::Answer(place.into()),
			RawTurn::Move => Self::Move,
		}
	}
}

/// `LaneView` of the runtime API.
#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "subxt::ext::scale_decode")]
struct RawLane {
	challenger: Hash,
	deposit: u128,
	opened_at: u64,
	turn: RawTurn,
	deadline: u64,
	opened: Vec<(RawPlace, Vec<Hash>)>,
	list: Option<Hash>,
	parts: u32,
	committed: bool,
}

/// The part of a stored lane that an answer needs.
#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "subxt::ext::scale_decode")]
struct RawStored {
	turn: RawTurn,
	deadline: u64,
}

/// `DisputedResult` of the runtime API.
#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "subxt::ext::scale_decode")]
struct RawResult {
	order: Hash,
	program: Hash,
	input_roots: Vec<Hash>,
	steps: u32,
	run_root: Hash,
	trace_root: Hash,
	open: bool,
}

/// Whose move a lane waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
	/// The provider, or anyone, owes the group at this place.
	Answer(Place),
	/// The challenger owes its next demand or its proof.
	Move,
}

/// One challenger's way down into a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
	/// Whose lane it is.
	pub challenger: Hash,
	/// What it put up; nothing for drawn verifiers.
	pub deposit: u128,
	/// When it was opened.
	pub opened_at: u64,
	/// Whose move it is.
	pub turn: Turn,
	/// Last block at which that move counts.
	pub deadline: u64,
	/// The groups that were opened so far, from the top.
	pub opened: Vec<(Place, Vec<Hash>)>,
	/// Root over what the provider has stated of lazy anchors.
	pub list: Option<Hash>,
	/// Parts of a fraud proof that were accepted so far.
	pub parts: u32,
	/// The challenger is bound to a proof.
	pub committed: bool,
}

impl From<RawLane> for Lane {
	fn from(raw: RawLane) -> Self {
		Self {
			challenger: raw.challenger,
			deposit: raw.deposit,
			opened_at: raw.opened_at,
			turn: raw.turn.into(),
			deadline: raw.deadline,
			opened: raw.opened.into_iter().map(|(at, children)| (at.into(), children)).collect(),
			list: raw.list,
			parts: raw.parts,
			committed: raw.committed,
		}
	}
}

impl Lane {
	/// For `--json`, without the hashes of the opened groups.
	pub fn to_json(&self) -> serde_json::Value {
		let owed = match self.turn {
			Turn::Answer(place) => Some(place_json(&place)),
			Turn::Move => None,
		};
		json!({
			"challenger": ss58(&self.challenger),
			"deposit": self.deposit.to_string(),
			"openedAt": self.opened_at,
			"turn": if owed.is_some() { "answer" } else { "move" },
			"demanded": owed,
			"deadline": self.deadline,
			"opened": self.opened.iter().map(|(place, _)| place_json(place)).collect::<Vec<_>>(),
			"parts": self.parts,
			"committed": self.committed,
		})
	}
}

/// A group that is owed to a challenger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
	/// Whose lane it is.
	pub challenger: Hash,
	/// Which group.
	pub place: Place,
	/// Last block at which the answer counts.
	pub deadline: u64,
}

/// What may be disputed of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disputed {
	/// Hash of the job's order.
	pub order: Hash,
	/// Program id.
	pub program: Hash,
	/// Roots of the inputs, in program order.
	pub input_roots: Vec<Hash>,
	/// Steps of the run.
	pub steps: u32,
	/// The provider's opened result.
	pub run_root: Hash,
	/// Trace root of the last step.
	pub trace_root: Hash,
	/// New lanes are accepted.
	pub open: bool,
}

/// A place for people.
pub fn place_text(place: &Place) -> String {
	match *place {
		Place::Run { level, index } => format!("run tree, level {level}, group {index}"),
		Place::Trace { step, level, index } => {
			format!("trace of step {step}, level {level}, group {index}")
		}
		Place::Tensor { step, anchor, level, index } => {
			format!("tensor {anchor} of step {step}, level {level}, group {index}")
		}
		Place::Lazy { step, anchor, level, index } => {
			format!(
				"lazy anchors before anchor {anchor} of step {step}, level {level}, group {index}"
			)
		}
	}
}

/// A place for `--json`.
pub fn place_json(place: &Place) -> serde_json::Value {
	match *place {
		Place::Run { level, index } => json!({"tree": "run", "level": level, "index": index}),
		Place::Trace { step, level, index } => {
			json!({"tree": "trace", "step": step, "level": level, "index": index})
		}
		Place::Tensor { step, anchor, level, index } => json!({
			"tree": "tensor", "step": step, "anchor": anchor, "level": level, "index": index
		}),
		Place::Lazy { step, anchor, level, index } => json!({
			"tree": "lazy", "step": step, "anchor": anchor, "level": level, "index": index
		}),
	}
}

/// Binds an account to a fraud proof before anyone has seen it; see `docs/protocol/proofs.md`.
pub fn proof_commitment(genesis: &Hash, order: &Hash, account: &Hash, first: &ProofPart) -> Hash {
	let proof = blake3::hash(&first.encode());
	let mut hasher = blake3::Hasher::new_derive_key(PROOF_CONTEXT);
	hasher.update(genesis).update(order).update(account).update(proof.as_bytes());
	*hasher.finalize().as_bytes()
}

impl Node {
	/// Calls the disputes' runtime API in the state of the best block.
	async fn dispute_api<T: DecodeAsType>(&self, method: &str, args: Vec<Value>) -> Result<T> {
		let call = dynamic::runtime_api_call::<_, T>(API, method, args);
		self.best().await?.runtime_apis().call(call).await.map_err(chain_error)
	}

	/// What may be disputed of a job: `None` before the reveal, after the end, and once it is
	/// condemned.
	pub async fn disputed_result(&self, job: u64) -> Result<Option<Disputed>> {
		let raw: Option<RawResult> = self.dispute_api("disputed_result", vec![value!(job)]).await?;
		Ok(raw.map(|raw| Disputed {
			order: raw.order,
			program: raw.program,
			input_roots: raw.input_roots,
			steps: raw.steps,
			run_root: raw.run_root,
			trace_root: raw.trace_root,
			open: raw.open,
		}))
	}

	/// The lanes of a job, up to 256 of them, oldest first.
	pub async fn lanes(&self, job: u64) -> Result<Vec<Lane>> {
		let raw: Vec<RawLane> = self.dispute_api("lanes", vec![value!(job)]).await?;
		let mut lanes: Vec<Lane> = raw.into_iter().map(Lane::from).collect();
		lanes.sort_by_key(|lane| (lane.opened_at, lane.challenger));
		Ok(lanes)
	}

	/// The lane of one account.
	pub async fn lane(&self, job: u64, challenger: &Hash) -> Result<Option<Lane>> {
		let args = vec![value!(job), Value::from_bytes(challenger)];
		let raw: Option<RawLane> = self.dispute_api("lane", args).await?;
		Ok(raw.map(Lane::from))
	}

	/// Every group that is owed in a job, the most urgent first.
	///
	/// From storage, not from the runtime API: that one stops at 256 lanes, and an unseen demand
	/// costs the bond.
	pub async fn demands(&self, job: u64) -> Result<Vec<Demand>> {
		let address = dynamic::storage::<Vec<Value>, RawStored>(PALLET, "Lanes");
		let at = self.best().await?;
		let mut lanes = at.storage().iter(address, vec![value!(job)]).await.map_err(chain_error)?;
		let mut demands = Vec::new();
		while let Some(entry) = lanes.next().await {
			let entry = entry.map_err(chain_error)?;
			let stored = entry.value().decode().map_err(chain_error)?;
			let RawTurn::Answer(place) = stored.turn else { continue };
			let key = entry.key().map_err(chain_error)?;
			let part = key.part(1).ok_or_else(|| chain_error("a lane without an account"))?;
			let challenger: Option<Hash> = part.decode_as().map_err(chain_error)?;
			let challenger =
				challenger.ok_or_else(|| chain_error("the account of a lane is not in its key"))?;
			demands.push(Demand { challenger, place: place.into(), deadline: stored.deadline });
		}
		demands.sort_by_key(|demand| (demand.deadline, demand.challenger));
		Ok(demands)
	}

	/// Demands the group below a child of the group that was opened last; without a child the first
	/// one, which opens the lane. `list` is what the provider has stated in the lane that the
	/// demand was made for.
	pub async fn demand(
		&self,
		key: &Keypair,
		job: JobId,
		child: Option<u32>,
		list: Option<Hash>,
		urgency: Urgency,
	) -> Result<Included> {
		let optional = |value: Option<Value>| match value {
			Some(value) => Value::unnamed_variant("Some", [value]),
			None => Value::unnamed_variant("None", []),
		};
		let mut args = job_args(job);
		args.push(("child", optional(child.map(|child| value!(child)))));
		args.push(("list", optional(list.map(Value::from_bytes))));
		self.submit_urgent(key, PALLET, "demand", args, urgency).await
	}

	/// Answers a demand. Anyone may.
	pub async fn answer(
		&self,
		key: &Keypair,
		job: JobId,
		challenger: &Hash,
		children: &[Hash],
		urgency: Urgency,
	) -> Result<Included> {
		let mut args = job_args(job);
		args.push(("challenger", Value::from_bytes(challenger)));
		args.push(("children", Value::unnamed_composite([hashes(children)])));
		self.submit_urgent(key, PALLET, "answer", args, urgency).await
	}

	/// States the roots of the lazy anchors before an eager anchor of a step of a run, for which
	/// nobody but the provider can speak. `at`: step and anchor.
	#[allow(clippy::too_many_arguments)] // They are the call's.
	pub async fn list_roots(
		&self,
		key: &Keypair,
		job: JobId,
		challenger: &Hash,
		run_root: &Hash,
		at: (u32, u32),
		children: &[Hash],
		urgency: Urgency,
	) -> Result<Included> {
		let mut args = job_args(job);
		args.push(("challenger", Value::from_bytes(challenger)));
		args.push(("stated", statement(run_root, at, children)));
		self.submit_urgent(key, PALLET, "list_roots", args, urgency).await
	}

	/// Makes the chain apply the default of a lane whose deadline has passed; anyone may.
	pub async fn poke_lane(&self, key: &Keypair, job: u64, challenger: &Hash) -> Result<Included> {
		let args = vec![("job", value!(job)), ("challenger", Value::from_bytes(challenger))];
		self.submit(key, PALLET, "poke", args).await
	}

	/// Binds the account to a proof.
	pub async fn commit_proof(
		&self,
		key: &Keypair,
		job: JobId,
		commitment: Hash,
		urgency: Urgency,
	) -> Result<Included> {
		let mut args = job_args(job);
		args.push(("commitment", Value::from_bytes(commitment)));
		self.submit_urgent(key, PALLET, "commit_proof", args, urgency).await
	}

	/// Sends a fraud proof, or one part of it.
	pub async fn prove_fraud(
		&self,
		key: &Keypair,
		job: JobId,
		part: &ProofPart,
		urgency: Urgency,
	) -> Result<Included> {
		let mut args = job_args(job);
		args.push(("part", part_value(part)));
		self.submit_urgent(key, PALLET, "prove_fraud", args, urgency).await
	}
}

fn hashes(list: &[Hash]) -> Value {
	Value::unnamed_composite(list.iter().map(Value::from_bytes))
}

/// What a provider states, as a dynamic value.
fn statement(run_root: &Hash, (step, anchor): (u32, u32), children: &[Hash]) -> Value {
	Value::named_composite([
		("run_root", Value::from_bytes(run_root)),
		("step", value!(step)),
		("anchor", value!(anchor)),
		("children", Value::unnamed_composite([hashes(children)])),
	])
}

/// A part of a proof as a dynamic value.
fn part_value(part: &ProofPart) -> Value {
	let path = |path: &assay_commitments::Path| {
		Value::named_composite([("siblings", hashes(&path.siblings))])
	};
	let opened = |(hash, at): &(Hash, assay_commitments::Path)| {
		Value::unnamed_composite([Value::from_bytes(hash), path(at)])
	};
	let roots = |opening: &RootsOpening| {
		Value::named_composite([
			("roots", hashes(&opening.roots)),
			("siblings", hashes(&opening.siblings)),
		])
	};
	let accusation = Value::named_composite([
		("step", value!(part.accusation.step)),
		("node", value!(part.accusation.node)),
		("tile", value!(part.accusation.tile)),
	]);
	let before = match &part.before {
		Some(before) => Value::unnamed_variant("Some", [opened(before)]),
		None => Value::unnamed_variant("None", []),
	};
	let operands = part.operands.iter().map(|operand| {
		Value::named_composite([
			("tiles", Value::from_bytes(&operand.tiles)),
			("siblings", hashes(&operand.siblings)),
		])
	});
	Value::named_composite([
		("accusation", accusation),
		("part", value!(part.part)),
		("trace", opened(&part.trace)),
		("before", before),
		("claimed", opened(&part.claimed)),
		("anchors", roots(&part.anchors)),
		("lazy", roots(&part.lazy)),
		("states", roots(&part.states)),
		("operands", Value::unnamed_composite(operands)),
	])
}

/// A lane in one line: what it waits for.
pub fn waits_for(lane: &Lane) -> String {
	match lane.turn {
		Turn::Answer(place) => place_text(&place),
		Turn::Move if lane.committed => "the proof".into(),
		Turn::Move => "the challenger".into(),
	}
}

/// An accusation as the event `FraudProven` carries it, for `--json`.
pub fn accusation_json(fields: &Value) -> Result<serde_json::Value> {
	let accusation = fields.field("accusation")?;
	Ok(json!({
		"step": accusation.field("step")?.u64()?,
		"node": accusation.field("node")?.u64()?,
		"tile": accusation.field("tile")?.u64()?,
		"prover": ss58(&fields.field("prover")?.hash()?),
	}))
}

#[cfg(test)]
mod tests;
