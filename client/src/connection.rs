//! How a lost node is found again.

use crate::{
	chain::Node,
	error::{Error, Result},
	output::Ui,
};
use std::time::Duration;

/// How long a lost node may take to come back while a job is watched.
const RECONNECT: Duration = Duration::from_secs(120);
/// Longest pause before another try at a lost node.
const LONGEST_RETRY: Duration = Duration::from_secs(15);

/// A new connection after `error`, unless the node still answers, in which case it is returned.
pub async fn reconnect(node: &Node, ui: &Ui, error: Error) -> Result<Node> {
	if node.alive().await {
		return Err(error);
	}
	ui.note(format!("lost the node ({}); trying again", error.message));
	let until = tokio::time::Instant::now() + RECONNECT;
	loop {
		tokio::time::sleep(Duration::from_secs(1)).await;
		match node.again().await {
			Ok(node) => return Ok(node),
			Err(error) if tokio::time::Instant::now() > until => return Err(error),
			Err(_) => {}
		}
	}
}

/// A connection that works, however long it takes; the chain must be the same.
pub async fn back(node: &Node) -> Result<Node> {
	let mut pause = Duration::from_millis(500);
	loop {
		if node.alive().await {
			return Ok(node.clone());
		}
		match node.again().await {
			Ok(node) => return Ok(node),
			Err(error) if error.code == "chain-reset" => return Err(error),
			Err(_) => {}
		}
		tokio::time::sleep(pause).await;
		pause = (pause * 2).min(LONGEST_RETRY);
	}
}
