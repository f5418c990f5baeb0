//! Jobs over RPC: `jobs_get`, `jobs_list`, `jobs_why`.
//!
//! The answers are those of the runtime's market API at the best block, as JSON: field names in
//! camelCase, hashes in hexadecimal, accounts in SS58, work, bytes and amounts (of 10⁻¹² ASY) as
//! decimal strings. `assay job report --json` prints the same of a job.

use super::places::Places;
use crate::client::FullClient;
use assay_market::{api::MarketApi, words::WHILE_CONDEMNED, JobId, JobView, Phase, ReasonCode};
use assay_runtime::{opaque::Block, AccountId, Balance, BlockNumber};
use jsonrpsee::{
	core::RpcResult,
	proc_macros::rpc,
	types::{ErrorObject, ErrorObjectOwned},
};
use serde::Serialize;
use sp_api::{ApiError, ProvideRuntimeApi};
use sp_blockchain::HeaderBackend;
use std::sync::Arc;

/// Code of the error for a job that the chain does not know.
pub const UNKNOWN_JOB: i32 = 7200;
/// Code of the error for a runtime that could not answer.
pub const RUNTIME_ERROR: i32 = 7201;
/// Most jobs in one answer of `jobs_list`.
pub const MAX_LIMIT: u32 = 64;

/// Questions that the runtime answers at one time. It runs in as many instances as the node has,
/// which blocks need too.
const CALLS: usize = 8;

/// A job.
pub type View = JobView<AccountId, Balance, BlockNumber>;

/// Methods about jobs.
#[rpc(server)]
pub trait JobsApi {
	/// Everything about the job `id`.
	#[method(name = "jobs_get", blocking)]
	fn get(&self, id: JobId) -> RpcResult<View>;

	/// Up to `limit` (at most 64, which is also the default) jobs from the number `from` on.
	#[method(name = "jobs_list", blocking)]
	fn list(&self, from: JobId, limit: Option<u32>) -> RpcResult<Vec<View>>;

	/// Where the job `id` stands and why, in words.
	#[method(name = "jobs_why", blocking)]
	fn why(&self, id: JobId) -> RpcResult<Why>;
}

/// Where a job stands and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
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

impl From<View> for Why {
	fn from(view: View) -> Self {
		let mut text = match (view.reason, view.condemned) {
			(Some(reason), _) => format!("{} {}", reason.meaning(), reason.advice()),
			(None, Some(reason)) => format!("{} {WHILE_CONDEMNED}", reason.condemned()),
			(None, None) => view.phase.waits_for().to_string(),
		}
		.replace("JOB", &view.id.to_string());
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
	fn get(&self, id: JobId) -> RpcResult<View> {
		self.view(id)
	}

	fn list(&self, from: JobId, limit: Option<u32>) -> RpcResult<Vec<View>> {
		let _place = self.calls.take()?;
		let best = self.client.info().best_hash;
		let limit = limit.unwrap_or(MAX_LIMIT).min(MAX_LIMIT);
		MarketApi::<Block, _, _, _>::jobs(&*self.client.runtime_api(), best, from, limit)
			.map_err(runtime_error)
	}

	fn why(&self, id: JobId) -> RpcResult<Why> {
		self.view(id).map(Into::into)
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use sp_keyring::Sr25519Keyring::{Alice, Dave};

	fn view(phase: Phase, reason: Option<ReasonCode>) -> View {
		let mut view = View::blank(3, [9; 32], Dave.to_account_id(), [1; 32], phase);
		view.reason = reason;
		view.deadline = (!phase.is_terminal()).then_some(42);
		view
	}

	#[test]
	fn job_should_have_accounts_in_ss58_when_it_becomes_json() {
		let mut view = view(Phase::Settled, Some(ReasonCode::Paid));
		view.price_max = u128::MAX;
		view.barred = vec![Alice.to_account_id()];
		let json = serde_json::to_value(view).unwrap();
		assert_eq!(json["priceMax"], serde_json::json!(u128::MAX.to_string()));
		assert_eq!(json["requester"], "5DAAnrj7VHTznn2AWBemMuyBwZWs6FNFjdyVXUeYum3PTXFy");
		assert_eq!(json["barred"][0], "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY");
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
		let why = Why::from(view(Phase::Settled, Some(ReasonCode::Paid)));
		assert!(why.text.contains("`assay job report 3 --output-dir DIR`"), "{}", why.text);
	}

	#[test]
	fn why_should_say_that_verdicts_are_waited_for_when_the_result_is_condemned() {
		let mut view = view(Phase::Revealing, None);
		view.condemned = Some(ReasonCode::ProvenFraud);
		let why = Why::from(view);
		assert!(why.text.starts_with("The result was proved wrong"), "{}", why.text);
		assert!(why.text.contains("block 42"), "{}", why.text);
	}
}
