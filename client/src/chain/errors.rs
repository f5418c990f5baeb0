//! Errors of the libraries and of the chain, with codes and what to do.

use crate::error::Error;
use subxt::error::DispatchError;

pub(super) fn lost() -> Error {
	Error::new("node-lost", "the node closed the connection")
		.fix("check that the node is running and try again")
}

/// The innermost message of an error, without the layers of libraries around it.
pub(super) fn root_cause(error: impl std::fmt::Display) -> String {
	let text = error.to_string();
	text.rsplit("client error: ").next().unwrap_or_default().to_string()
}

/// An error of the library that reads the chain.
pub fn chain_error(error: impl std::fmt::Display) -> Error {
	let text = error.to_string();
	if text.contains("State already discarded") || text.contains("UnknownBlock") {
		return Error::new("block-pruned", text)
			.fix("ask an archive node (`--state-pruning archive`)");
	}
	if ["client error", "restart required", "connection", "background task"]
		.iter()
		.any(|t| text.to_lowercase().contains(t))
	{
		return Error::new(
			"node-lost",
			format!("the connection to the node failed: {}", root_cause(&text)),
		)
		.fix("check that the node is running and try again");
	}
	Error::new("chain", text)
}

pub(super) fn rpc_error(error: subxt::rpcs::Error) -> Error {
	match error {
		subxt::rpcs::Error::User(e) => {
			// Data that is not text only repeats the message for programs.
			let detail = e.data.as_ref().and_then(|d| serde_json::from_str::<String>(d.get()).ok());
			let detail = detail.map(|d| format!(": {d}")).unwrap_or_default();
			match e.code {
				-32601 => Error::new("rpc-missing", format!("{}{detail}", e.message))
					.fix("connect to an Assay node of this client's version"),
				_ => Error::new("rpc", format!("{}{detail}", e.message)),
			}
		}
		other => chain_error(other),
	}
}

pub(super) fn submit_error(name: &str, text: &str) -> Error {
	let message = format!("{name} was not accepted: {text}");
	if text.contains("Inability to pay some fees") {
		Error::new("fee", message).fix("the account cannot pay the fee; send it some tokens first")
	} else if text.contains("Priority is too low") || text.contains("outdated") {
		Error::new("tx-invalid", message)
			.fix("another transaction of this account is on its way; wait a block and try again")
	} else if text.contains("not found") || text.contains("doesn't exist") {
		Error::new("wrong-chain", message).fix("use the client of the node's version")
	} else {
		Error::new("tx-invalid", message)
	}
}

pub(super) fn dispatch_error(pallet: &str, call: &str, error: &DispatchError) -> Error {
	match error {
		DispatchError::Module(module) => match module.details() {
			Ok(details) => {
				let code = format!("{}.{}", details.pallet.name(), details.variant.name);
				let words = details.variant.docs.join(" ");
				let words = words.trim();
				let message = if words.is_empty() { code.clone() } else { words.into() };
				let error = Error::new(code, format!("{pallet}.{call} failed: {message}"));
				match crate::explain::fix(&error.code) {
					Some(fix) => error.fix(fix),
					None => error,
				}
			}
			Err(_) => Error::new("chain", format!("{pallet}.{call} failed: {error}")),
		},
		DispatchError::Token(e) => {
			Error::new("Token.FundsUnavailable", format!("{pallet}.{call} failed: {e}"))
				.fix("the account's free balance is too small; check `assay stake show`")
		}
		other => Error::new("chain", format!("{pallet}.{call} failed: {other}")),
	}
}
