//! Jobs over RPC: `jobs_get`, `jobs_list`, `jobs_why`.
//!
//! The answers are those of the runtime's market API at the best block, as JSON: field names in
//! camelCase, hashes in hexadecimal, accounts in SS58, amounts as decimal strings of 10⁻¹² ASY.

use super::places::Places;
use crate::service::FullClient;
use assay_market::{
	api::MarketApi, Assurance, Hash, JobId, JobView, Phase, ReasonCode, SeatStatus, VerdictView,
};
use assay_runtime::{opaque::Block, AccountId, Balance, BlockNumber};
use jsonrpsee::{
	core::RpcResult,
	proc_macros::rpc,
	types::{ErrorObject, ErrorObjectOwned},
};
use serde::{Deserialize, Serialize};
use sp_api::{ApiError, ProvideRuntimeApi};
use sp_blockchain::HeaderBackend;
use sp_core::H256;
use std::sync::Arc;

/// Code of the error for a job that the chain does not know.
pub const UNKNOWN_JOB: i32 = 7200;
/// Code of the error for a runtime that could not answer.
pub const RUNTIME_ERROR: i32 = 7201;
/// Most jobs in one answer of `jobs_list`.
pub const MAX_LIMIT: u32 = 64;

/// Questions that the runtime answers at one time. It runs in as many instances as the node has, which
/// blocks need too.
const CALLS: usize = 8;

type View = JobView<AccountId, Balance, BlockNumber>;

/// Methods about jobs.
#[rpc(server)]
pub trait JobsApi {
	/// Everything about the job `id`.
	#[method(name = "jobs_get", blocking)]
	fn get(&self, id: JobId) -> RpcResult<Job>;

	/// Up to `limit` (at most 64, which is also the default) jobs from the number `from` on.
	#[method(name = "jobs_list", blocking)]
	fn list(&self, from: JobId, limit: Option<u32>) -> RpcResult<Vec<Job>>;

	/// Where the job `id` stands and why, in words.
	#[method(name = "jobs_why", blocking)]
	fn why(&self, id: JobId) -> RpcResult<Why>;
}

/// A job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
	/// Its number, which may be another job's on another fork.
	pub id: JobId,
	/// Hash of its order: what calls that bind somebody name beside the number.
	pub order: H256,
	/// Who pays.
	pub requester: AccountId,
	/// Who claimed it last.
	pub provider: Option<AccountId>,
	/// Who claimed it before, stayed silent or gave it back, and may not claim it again.
	pub barred: Vec<AccountId>,
	/// Content address of the program.
	pub program: H256,
	/// Content addresses of the inputs, in program order.
	pub input_roots: Vec<H256>,
	/// Steps to run.
	pub steps: u32,
	/// Work units of all steps together.
	pub work_units: u64,
	/// Bytes of all inputs together.
	pub input_bytes: u64,
	/// Bytes of all outputs together.
	pub output_bytes: u64,
	/// What the requester asked for.
	pub assurance: Assurance,
	/// Audit probability in parts per million.
	pub audit_ppm: u32,
	/// Where the price ramp starts.
	pub price_start: String,
	/// Where it ends.
	pub price_max: String,
	/// How many blocks it takes.
	pub ramp_blocks: BlockNumber,
	/// The agreed price.
	pub price: Option<String>,
	/// The ramp's price now, while the job is open.
	pub current_price: Option<String>,
	/// The bond that a claim needs.
	pub bond: Option<String>,
	/// What is still held for the job.
	pub escrow: String,
	/// What of the escrow is for those who hold the inputs and the outputs.
	pub data_fee: String,
	/// What is held for its record beside the escrow, until it is pruned.
	pub deposit: String,
	/// Where the job stands.
	pub phase: Phase,
	/// Why it ended.
	pub reason: Option<ReasonCode>,
	/// Last block at which an answer of the present phase counts.
	pub deadline: Option<BlockNumber>,
	/// The phases it went through and the block at which it entered each.
	pub history: Vec<(Phase, BlockNumber)>,
	/// Whether verifiers have looked at it, known when the time for verdicts is over; null before.
	pub audited: Option<bool>,
	/// Whether the requester asked for an audit after the reveal.
	pub audit_requested: bool,
	/// The provider's hidden result.
	pub commitment: Option<H256>,
	/// The provider's opened result.
	pub run_root: Option<H256>,
	/// Trace root of the last step, as the reveal has shown it.
	pub trace_root: Option<H256>,
	/// The result was proved wrong or an opening of it withheld: `ProvenFraud` or `Withheld`, also
	/// while the job still waits for verdicts to be opened. Otherwise null.
	pub condemned: Option<ReasonCode>,
	/// Content addresses of the outputs; empty before the reveal.
	pub output_roots: Vec<H256>,
	/// Everyone who was drawn to attest the inputs or to keep the outputs, and every verifier that has
	/// spoken. Who else was drawn to verify only the drawn know.
	pub verdicts: Vec<Verdict>,
	/// What provider and verifiers got.
	pub paid: String,
	/// What went back to the requester.
	pub refunded: String,
	/// What was burned of the fees.
	pub burned: String,
	/// Only the summary is left.
	pub archived: bool,
}

/// A validator and what it said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
	/// The account.
	pub account: AccountId,
	/// The verifier key that it signs with, 32 bytes.
	pub key: H256,
	/// `Attest`, `Verify` or `Keep`.
	pub purpose: assay_market::Purpose,
	/// Tranche of its seat, from 0.
	pub tranche: u32,
	/// Block of the draw, or of its first word.
	pub drawn_at: BlockNumber,
	/// `Pending`, `Attested`, `Committed`, `Abstained`, `NoShow`, `Revealed` (with the chunks of its
	/// trace that the chain had drawn) or `Opened` (without them, which is no verdict).
	pub status: String,
	/// For `Attested`: whether it holds every input, or every output where it keeps these. Otherwise
	/// null.
	pub attested: Option<bool>,
	/// For `Abstained`: why. Otherwise null.
	pub abstained: Option<assay_market::AbstainReason>,
	/// Its hidden verdict.
	pub commitment: Option<H256>,
	/// Its opened verdict.
	pub run_root: Option<H256>,
	/// Whether it equals the provider's result, once both are open.
	pub matches: Option<bool>,
}

/// Where a job stands and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Why {
	/// The job.
	pub id: JobId,
	/// Where it stands.
	pub phase: Phase,
	/// Why it ended, once it has.
	pub reason: Option<ReasonCode>,
	/// Last block at which an answer of the present phase counts.
	pub deadline: Option<BlockNumber>,
	/// One or two sentences.
	pub text: String,
}

fn hash(hash: Hash) -> H256 {
	H256(hash)
}

fn hashes(roots: Vec<Hash>) -> Vec<H256> {
	roots.into_iter().map(hash).collect()
}

impl From<VerdictView<AccountId, BlockNumber>> for Verdict {
	fn from(view: VerdictView<AccountId, BlockNumber>) -> Self {
		let (status, attested, abstained) = match view.status {
			SeatStatus::Pending => ("Pending", None, None),
			SeatStatus::Attested(ok) => ("Attested", Some(ok), None),
			SeatStatus::Committed => ("Committed", None, None),
			SeatStatus::Abstained(reason) => ("Abstained", None, Some(reason)),
			SeatStatus::NoShow => ("NoShow", None, None),
			SeatStatus::Revealed => ("Revealed", None, None),
			SeatStatus::Opened => ("Opened", None, None),
		};
		Self {
			account: view.account,
			key: H256::from_slice(view.key.as_ref()),
			purpose: view.purpose,
			tranche: view.tranche,
			drawn_at: view.drawn_at,
			status: status.into(),
			attested,
			abstained,
			commitment: view.commitment.map(hash),
			run_root: view.run_root.map(hash),
			matches: view.matches,
		}
	}
}

impl From<View> for Job {
	fn from(view: View) -> Self {
		let amount = |amount: Balance| amount.to_string();
		Self {
			id: view.id,
			order: hash(view.order),
			requester: view.requester,
			provider: view.provider,
			barred: view.barred,
			program: hash(view.program),
			input_roots: hashes(view.input_roots),
			steps: view.steps,
			work_units: view.work_units,
			input_bytes: view.input_bytes,
			output_bytes: view.output_bytes,
			assurance: view.assurance,
			audit_ppm: view.audit_ppm,
			price_start: amount(view.price_start),
			price_max: amount(view.price_max),
			ramp_blocks: view.ramp_blocks,
			price: view.price.map(amount),
			current_price: view.current_price.map(amount),
			bond: view.bond.map(amount),
			escrow: amount(view.escrow),
			data_fee: amount(view.data_fee),
			deposit: amount(view.deposit),
			phase: view.phase,
			reason: view.reason,
			deadline: view.deadline,
			history: view.history,
			audited: view.audited,
			audit_requested: view.audit_requested,
			commitment: view.commitment.map(hash),
			run_root: view.run_root.map(hash),
			trace_root: view.trace_root.map(hash),
			condemned: view.condemned,
			output_roots: hashes(view.output_roots),
			verdicts: view.verdicts.into_iter().map(Into::into).collect(),
			paid: amount(view.paid),
			refunded: amount(view.refunded),
			burned: amount(view.burned),
			archived: view.archived,
		}
	}
}

/// What a phase waits for, or why the job ended.
fn explain(
	phase: Phase,
	reason: Option<ReasonCode>,
	condemned: Option<ReasonCode>,
) -> &'static str {
	match reason {
		Some(ReasonCode::Paid) => {
			"The result stood: the provider and the verifiers that matched it were paid."
		}
		Some(ReasonCode::Cancelled) => {
			"The requester cancelled before anyone had claimed the job; the escrow was refunded, and a \
			 part of the deposit burned."
		}
		Some(ReasonCode::CancelledWhileClaimed) => {
			"The requester cancelled while a provider worked; the provider got its fee share and \
			 the rest was refunded."
		}
		Some(ReasonCode::InputsUnavailable) => {
			"Too few drawn validators attested that they hold every input; the escrow was refunded. \
			 Upload the inputs to nodes that validators reach, then post again."
		}
		Some(ReasonCode::Expired) => {
			"Nobody claimed the job before its deadline; the escrow was refunded, and a part of the \
			 deposit burned. A higher price or a longer ramp may find a provider."
		}
		Some(ReasonCode::ProviderTimeout) => {
			"The providers that claimed the job stayed silent or gave it back; the escrow was refunded. \
			 What silence cost of their bonds was burned."
		}
		Some(ReasonCode::Inconclusive) => {
			"Too few verifiers gave a verdict; the provider was not paid, and what the escrow held for it \
			 was refunded. In general that is known before the result is shown."
		}
		Some(ReasonCode::Withheld) => {
			"The provider did not open the result it had committed, or a part of it that was \
			 demanded, or stated lazy anchors that contradict it; its bond was slashed and the \
			 requester refunded and compensated."
		}
		Some(ReasonCode::ProvenFraud) => {
			"The result was proved wrong; the provider's bond was slashed and the requester \
			 refunded and compensated."
		}
		Some(ReasonCode::Undelivered) => {
			"Too few of those who were drawn to keep the outputs, or replayed the job, hold them: the \
			 result was not delivered, and the provider was not paid. A part of the price was burned of \
			 the escrow and as much of the bond; the rest went back to each side."
		}
		None if condemned.is_some() => {
			"The result was proved wrong or an opening of it withheld, and the provider's bond was \
			 slashed. Before the job ends and the requester is refunded, verifiers may open the \
			 verdicts that they have committed."
		}
		None => match phase {
			Phase::Posted => "Drawn validators have to attest that they hold every input.",
			Phase::Open => "A provider has to claim the job.",
			Phase::Claimed => "The provider has to run the job and commit its result.",
			Phase::Committed => "The chain waits for randomness that nobody knew at the commit.",
			Phase::Verifying => {
				"Validators have drawn in private who verifies; those that were drawn, if any, replay the \
				 job and commit their verdicts. Where a sure audit has too few, the next ones have their \
				 turn."
			}
			Phase::Revealing => {
				"The provider has to open its result, and the verifiers their verdicts with chunks of \
				 their own traces that the chain has drawn. Once the result is open, drawn keepers fetch the \
				 outputs."
			}
			Phase::Challengeable => {
				"Everyone may object to the result until the deadline; objections that are under \
				 way then keep it open. Drawn keepers have to say that they hold the outputs."
			}
			Phase::Settled | Phase::Failed => "The job has ended.",
		},
	}
}

impl From<View> for Why {
	fn from(view: View) -> Self {
		let mut text = explain(view.phase, view.reason, view.condemned).to_string();
		if let Some(deadline) = view.deadline {
			text.push_str(&format!(
				" Answers count up to block {deadline}; after it anyone may call jobs.poke."
			));
		}
		Self { id: view.id, phase: view.phase, reason: view.reason, deadline: view.deadline, text }
	}
}

/// Answers from the runtime at the best block.
pub struct Jobs {
	client: Arc<FullClient>,
	calls: Places,
}

impl Jobs {
	/// Asks the runtime of `client`.
	pub fn new(client: Arc<FullClient>) -> Self {
		Self { client, calls: Places::new(CALLS, "asks the runtime") }
	}

	fn view(&self, id: JobId) -> RpcResult<View> {
		let _place = self.calls.take()?;
		let best = self.client.info().best_hash;
		let view = MarketApi::<Block, _, _, _>::job(&*self.client.runtime_api(), best, id);
		view.map_err(runtime_error)?.ok_or_else(|| unknown(id))
	}
}

fn unknown(id: JobId) -> ErrorObjectOwned {
	ErrorObject::owned(
		UNKNOWN_JOB,
		format!("UnknownJob: there is no job {id}, or it was forgotten"),
		Some(serde_json::json!({ "name": "UnknownJob" })),
	)
}

fn runtime_error(error: ApiError) -> ErrorObjectOwned {
	ErrorObject::owned(
		RUNTIME_ERROR,
		format!("RuntimeError: the runtime cannot answer: {error}"),
		Some(serde_json::json!({ "name": "RuntimeError" })),
	)
}

impl JobsApiServer for Jobs {
	fn get(&self, id: JobId) -> RpcResult<Job> {
		self.view(id).map(Into::into)
	}

	fn list(&self, from: JobId, limit: Option<u32>) -> RpcResult<Vec<Job>> {
		let _place = self.calls.take()?;
		let best = self.client.info().best_hash;
		let limit = limit.unwrap_or(MAX_LIMIT).min(MAX_LIMIT);
		let views: Vec<View> =
			MarketApi::<Block, _, _, _>::jobs(&*self.client.runtime_api(), best, from, limit)
				.map_err(runtime_error)?;
		Ok(views.into_iter().map(Into::into).collect())
	}

	fn why(&self, id: JobId) -> RpcResult<Why> {
		self.view(id).map(Into::into)
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use sp_keyring::Sr25519Keyring::{Alice, Charlie, Dave};

	fn view(phase: Phase, reason: Option<ReasonCode>) -> View {
		JobView {
			id: 3,
			requester: Dave.to_account_id(),
			provider: Some(Charlie.to_account_id()),
			order: [9; 32],
			barred: vec![Alice.to_account_id()],
			program: [1; 32],
			input_roots: vec![[2; 32]],
			steps: 1,
			work_units: 1 << 60,
			input_bytes: 1024,
			output_bytes: 2048,
			assurance: Assurance::default(),
			audit_ppm: 1_000_000,
			price_start: 1,
			price_max: u128::MAX,
			ramp_blocks: 10,
			price: Some(7),
			current_price: None,
			bond: None,
			escrow: 0,
			data_fee: 8,
			deposit: 9,
			phase,
			reason,
			deadline: (!phase.is_terminal()).then_some(42),
			history: vec![(Phase::Posted, 1)],
			audited: Some(true),
			audit_requested: false,
			commitment: None,
			run_root: Some([3; 32]),
			trace_root: Some([4; 32]),
			condemned: None,
			output_roots: vec![],
			checkpoints: None,
			segment_roots: vec![],
			verdicts: vec![VerdictView {
				account: Alice.to_account_id(),
				key: Alice.public().into(),
				purpose: assay_market::Purpose::Verify,
				tranche: 0,
				drawn_at: 5,
				status: SeatStatus::Abstained(assay_market::AbstainReason::TooSlow),
				segment: None,
				commitment: None,
				run_root: None,
				matches: None,
			}],
			paid: 6,
			refunded: 5,
			burned: 4,
			archived: false,
		}
	}

	#[test]
	fn job_should_keep_amounts_exact_when_it_becomes_json() {
		let json =
			serde_json::to_value(Job::from(view(Phase::Settled, Some(ReasonCode::Paid)))).unwrap();
		assert_eq!(json["priceMax"], serde_json::json!(u128::MAX.to_string()));
		assert_eq!(json["phase"], serde_json::json!("Settled"));
		assert_eq!(json["reason"], serde_json::json!("Paid"));
		assert_eq!(json["traceRoot"], serde_json::json!(format!("0x{}", "04".repeat(32))));
		assert_eq!(json["condemned"], serde_json::Value::Null);
		assert_eq!(json["order"], serde_json::json!(format!("0x{}", "09".repeat(32))));
		assert_eq!(json["deposit"], serde_json::json!("9"));
		assert_eq!(json["dataFee"], serde_json::json!("8"));
		assert_eq!((&json["inputBytes"], &json["outputBytes"]), (&1024.into(), &2048.into()));
		assert_eq!(json["barred"].as_array().map(Vec::len), Some(1));
		assert_eq!(json["runRoot"], serde_json::json!(format!("0x{}", "03".repeat(32))));
		assert_eq!(
			json["requester"],
			serde_json::json!("5DAAnrj7VHTznn2AWBemMuyBwZWs6FNFjdyVXUeYum3PTXFy")
		);
		assert_eq!(json["verdicts"][0]["status"], serde_json::json!("Abstained"));
		assert_eq!(json["verdicts"][0]["abstained"], serde_json::json!("TooSlow"));
	}

	#[test]
	fn why_should_say_what_is_waited_for_when_the_job_is_under_way() {
		let why = Why::from(view(Phase::Claimed, None));
		assert_eq!(
			why.text,
			"The provider has to run the job and commit its result. Answers count up to block 42; \
			 after it anyone may call jobs.poke."
		);
		let why = Why::from(view(Phase::Failed, Some(ReasonCode::Expired)));
		assert!(why.text.starts_with("Nobody claimed"), "{}", why.text);
		assert!(!why.text.contains("poke"), "{}", why.text);
	}

	#[test]
	fn opening_without_chunks_should_be_told_from_a_verdict() {
		let mut view = view(Phase::Challengeable, None);
		view.verdicts[0].status = SeatStatus::Opened;
		view.verdicts[0].run_root = Some([3; 32]);
		view.verdicts[0].matches = Some(true);
		let json = serde_json::to_value(Job::from(view)).unwrap();
		assert_eq!(json["verdicts"][0]["status"], serde_json::json!("Opened"));
		assert_eq!(json["verdicts"][0]["matches"], serde_json::json!(true));
	}

	#[test]
	fn why_should_say_that_verdicts_are_waited_for_when_the_result_is_condemned() {
		let mut view = view(Phase::Revealing, None);
		view.condemned = Some(ReasonCode::ProvenFraud);
		let json = serde_json::to_value(Job::from(view.clone())).unwrap();
		assert_eq!(json["condemned"], serde_json::json!("ProvenFraud"));
		let why = Why::from(view);
		assert!(why.text.starts_with("The result was proved wrong"), "{}", why.text);
		assert!(why.text.contains("block 42"), "{}", why.text);
	}
}
