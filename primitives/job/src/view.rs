//! A job as the runtime API answers it, as the node's RPC and the command line print it, and as a client
//! decodes it: one type for all of them.
//!
//! As JSON its fields are in camelCase; hashes are hexadecimal with 0x; amounts, work and bytes are decimal
//! strings, since they may be above 2^53; an enum is the name of its variant, or `{"Variant": value}` where
//! that holds a value, as in the metadata.

use crate::{json, AbstainReason, Assurance, Checkpoints, Hash, JobId, Phase, Purpose, ReasonCode};
use alloc::vec::Vec;
use codec::{Decode, Encode};
use core::fmt::Display;
use scale_info::TypeInfo;
use serde::Serialize;

/// What a drawn account has said so far.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize)]
#[cfg_attr(feature = "client", derive(scale_decode::DecodeAsType))]
pub enum SeatStatus {
	/// Nothing yet.
	#[codec(index = 0)]
	Pending,
	/// Whether it holds the inputs.
	#[codec(index = 1)]
	Attested(bool),
	/// A hidden verdict.
	#[codec(index = 2)]
	Committed,
	/// No verdict, for this reason.
	#[codec(index = 3)]
	Abstained(AbstainReason),
	/// Nothing until its deadline had passed.
	#[codec(index = 4)]
	NoShow,
	/// An opened verdict, with the sampled chunks of its trace.
	#[codec(index = 5)]
	Revealed,
	/// An opened root without the chunks: no verdict.
	#[codec(index = 6)]
	Opened,
}

/// A validator and what it said: one that was drawn in public to attest or to keep, or a verifier that
/// has spoken. Who else was drawn to verify only the drawn know.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize)]
#[cfg_attr(feature = "client", derive(scale_decode::DecodeAsType))]
#[serde(rename_all = "camelCase")]
pub struct VerdictView<AccountId, BlockNumber, Duty = Purpose, Status = SeatStatus> {
	/// The drawn account.
	pub account: AccountId,
	/// The session key that it signs with, at the draw.
	#[serde(serialize_with = "json::hash")]
	pub key: Hash,
	/// To attest or to verify.
	pub purpose: Duty,
	/// Counts the tranches of the job from 0.
	pub tranche: u32,
	/// When it was drawn.
	pub drawn_at: BlockNumber,
	/// What it said.
	pub status: Status,
	/// The segment that it has drawn; `None` where the run is not cut.
	pub segment: Option<u32>,
	/// Its hidden verdict.
	#[serde(serialize_with = "json::optional_hash")]
	pub commitment: Option<Hash>,
	/// Its opened verdict: a run root, that of its segment where it has one.
	#[serde(serialize_with = "json::optional_hash")]
	pub run_root: Option<Hash>,
	/// Whether the opened verdict equals the provider's result, once both are open.
	pub matches: Option<bool>,
}

/// Everything there is to know about a job. The last parameters are enums of which a later runtime may have
/// more variants: a client puts [`crate::Named`] in their place.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize)]
#[cfg_attr(feature = "client", derive(scale_decode::DecodeAsType))]
#[serde(
	rename_all = "camelCase",
	bound(
		serialize = "AccountId: Serialize, Balance: Display, BlockNumber: Serialize, State: Serialize, Reason: Serialize, Verdict: Serialize"
	)
)]
pub struct JobView<
	AccountId,
	Balance,
	BlockNumber,
	State = Phase,
	Reason = ReasonCode,
	Verdict = VerdictView<AccountId, BlockNumber>,
> {
	/// The job.
	pub id: JobId,
	/// Hash of its order: what calls that bind somebody name beside the number.
	#[serde(serialize_with = "json::hash")]
	pub order: Hash,
	/// Who pays.
	pub requester: AccountId,
	/// Who claimed it last.
	pub provider: Option<AccountId>,
	/// Providers that claimed it before, stayed silent or gave it back, and may not claim it again.
	pub barred: Vec<AccountId>,
	/// Content address of the program's bytes.
	#[serde(serialize_with = "json::hash")]
	pub program: Hash,
	/// Content addresses of the inputs, in program order.
	#[serde(serialize_with = "json::hashes")]
	pub input_roots: Vec<Hash>,
	/// Steps to run.
	pub steps: u32,
	/// Work units of all steps together.
	#[serde(serialize_with = "json::decimal")]
	pub work_units: u64,
	/// Bytes of all inputs together.
	#[serde(serialize_with = "json::decimal")]
	pub input_bytes: u64,
	/// Bytes of all outputs together.
	#[serde(serialize_with = "json::decimal")]
	pub output_bytes: u64,
	/// What the requester asked for.
	pub assurance: Assurance,
	/// The audit probability that holds for this job, in parts per million.
	pub audit_ppm: u32,
	/// Where the ramp starts.
	#[serde(serialize_with = "json::decimal")]
	pub price_start: Balance,
	/// Where it ends, and the most that the provider can get.
	#[serde(serialize_with = "json::decimal")]
	pub price_max: Balance,
	/// How many blocks it takes.
	pub ramp_blocks: BlockNumber,
	/// The price agreed at the claim.
	#[serde(serialize_with = "json::optional_decimal")]
	pub price: Option<Balance>,
	/// The ramp's price now, while the job is open.
	#[serde(serialize_with = "json::optional_decimal")]
	pub current_price: Option<Balance>,
	/// The bond that a claim at the current or agreed price needs.
	#[serde(serialize_with = "json::optional_decimal")]
	pub bond: Option<Balance>,
	/// What is still held for the job.
	#[serde(serialize_with = "json::decimal")]
	pub escrow: Balance,
	/// What of the escrow is for those who hold the inputs and the outputs.
	#[serde(serialize_with = "json::decimal")]
	pub data_fee: Balance,
	/// What is held for its record, beside the escrow: a part of it until the job ends, the rest until it
	/// is pruned.
	#[serde(serialize_with = "json::decimal")]
	pub deposit: Balance,
	/// Where the job stands.
	pub phase: State,
	/// Why it ended.
	pub reason: Option<Reason>,
	/// Last block at which an answer of the present phase counts; `None` when it ended.
	pub deadline: Option<BlockNumber>,
	/// The phases it went through and the block at which it entered each.
	pub history: Vec<(State, BlockNumber)>,
	/// Whether verifiers have looked at it, known when the time for verdicts is over; `None` before.
	pub audited: Option<bool>,
	/// The requester asked for an audit after the reveal.
	pub audit_requested: bool,
	/// The provider's hidden result.
	#[serde(serialize_with = "json::optional_hash")]
	pub commitment: Option<Hash>,
	/// The provider's opened result.
	#[serde(serialize_with = "json::optional_hash")]
	pub run_root: Option<Hash>,
	/// Trace root of the last step, as the reveal has shown it.
	#[serde(serialize_with = "json::optional_hash")]
	pub trace_root: Option<Hash>,
	/// The result was proved wrong or an opening of it withheld, for this reason. The bond is
	/// slashed; until the job ends, verifiers that have not opened their verdicts may do so.
	pub condemned: Option<Reason>,
	/// Content addresses of the outputs, in program order; empty before the reveal.
	#[serde(serialize_with = "json::hashes")]
	pub output_roots: Vec<Hash>,
	/// What the provider says the segments start from, where the run is cut.
	pub checkpoints: Option<Checkpoints>,
	/// Root of every segment, as the reveal has shown them.
	#[serde(serialize_with = "json::hashes")]
	pub segment_roots: Vec<Hash>,
	/// Every drawn account.
	pub verdicts: Vec<Verdict>,
	/// What provider and verifiers got out of the escrow.
	#[serde(serialize_with = "json::decimal")]
	pub paid: Balance,
	/// What went back to the requester.
	#[serde(serialize_with = "json::decimal")]
	pub refunded: Balance,
	/// What was burned of the fees.
	#[serde(serialize_with = "json::decimal")]
	pub burned: Balance,
	/// The full record has been pruned; only the summary is left.
	pub archived: bool,
}

impl<AccountId, Balance: Default, BlockNumber: Default, State, Reason, Verdict>
	JobView<AccountId, Balance, BlockNumber, State, Reason, Verdict>
{
	/// A job of which nothing is known but this, for those who know a part of it.
	pub fn blank(
		id: JobId,
		order: Hash,
		requester: AccountId,
		program: Hash,
		phase: State,
	) -> Self {
		Self {
			id,
			order,
			requester,
			provider: None,
			barred: Vec::new(),
			program,
			input_roots: Vec::new(),
			steps: 0,
			work_units: 0,
			input_bytes: 0,
			output_bytes: 0,
			assurance: Assurance::default(),
			audit_ppm: 0,
			price_start: Balance::default(),
			price_max: Balance::default(),
			ramp_blocks: BlockNumber::default(),
			price: None,
			current_price: None,
			bond: None,
			escrow: Balance::default(),
			data_fee: Balance::default(),
			deposit: Balance::default(),
			phase,
			reason: None,
			deadline: None,
			history: Vec::new(),
			audited: None,
			audit_requested: false,
			commitment: None,
			run_root: None,
			trace_root: None,
			condemned: None,
			output_roots: Vec::new(),
			checkpoints: None,
			segment_roots: Vec::new(),
			verdicts: Vec::new(),
			paid: Balance::default(),
			refunded: Balance::default(),
			burned: Balance::default(),
			archived: false,
		}
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::{Audit, Segments};
	use alloc::{format, string::ToString};
	use serde_json::json;
	use sp_arithmetic::Permill;

	#[test]
	fn job_should_have_exact_numbers_hexadecimal_hashes_and_tagged_variants_when_it_becomes_json() {
		let mut view: JobView<u8, u128, u32> =
			JobView::blank(3, [9; 32], 7, [1; 32], Phase::Settled);
		view.reason = Some(ReasonCode::Paid);
		view.price_max = u128::MAX;
		view.price = Some(5);
		view.work_units = u64::MAX;
		view.input_roots = [[2; 32], [4; 32]].into();
		view.trace_root = Some([3; 32]);
		view.assurance = Assurance {
			audit: Audit::Custom(Permill::from_parts(500_000)),
			segments: Some(Segments { steps: 16 }),
			..Default::default()
		};
		view.history = [(Phase::Posted, 1)].into();
		view.checkpoints = Some(Checkpoints { manifest: [5; 32], digest: [6; 32] });
		let verdict = |status| VerdictView {
			account: 8,
			key: [7; 32],
			purpose: Purpose::Verify,
			tranche: 0,
			drawn_at: 5,
			status,
			segment: Some(2),
			commitment: None,
			run_root: None,
			matches: None,
		};
		view.verdicts = [
			verdict(SeatStatus::Pending),
			verdict(SeatStatus::Attested(true)),
			verdict(SeatStatus::Abstained(AbstainReason::TooSlow)),
		]
		.into();
		let hex = |byte: &str| format!("0x{}", byte.repeat(32));
		let json = serde_json::to_value(view).unwrap();
		assert_eq!(json["order"], hex("09"));
		assert_eq!(json["inputRoots"], json!([hex("02"), hex("04")]));
		assert_eq!(json["traceRoot"], hex("03"));
		assert_eq!((&json["runRoot"], &json["currentPrice"]), (&json!(null), &json!(null)));
		assert_eq!(json["priceMax"], u128::MAX.to_string());
		assert_eq!(
			(&json["price"], &json["workUnits"]),
			(&json!("5"), &json!(u64::MAX.to_string()))
		);
		assert_eq!((&json["phase"], &json["reason"]), (&json!("Settled"), &json!("Paid")));
		assert_eq!(json["history"], json!([["Posted", 1]]));
		assert_eq!(json["checkpoints"], json!({ "manifest": hex("05"), "digest": hex("06") }));
		let assurance = json!({
			"audit": { "Custom": 500_000 }, "attestation": "Required", "segments": { "steps": 16 }
		});
		assert_eq!(json["assurance"], assurance);
		assert_eq!(json["verdicts"][0]["status"], "Pending");
		assert_eq!(json["verdicts"][1]["status"], json!({ "Attested": true }));
		assert_eq!(json["verdicts"][2]["status"], json!({ "Abstained": "TooSlow" }));
		assert_eq!(json["verdicts"][2]["segment"], 2);
	}
}
