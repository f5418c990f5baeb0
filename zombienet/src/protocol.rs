//! What script and keeper say to each other: one JSON document a line.

use serde::{Deserialize, Serialize};
use std::{io::Write, path::PathBuf};

/// A command with the number that its answer carries.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct Request {
	/// Chosen by the script.
	pub id: u64,
	/// What to do.
	#[serde(flatten)]
	pub command: Command,
}

/// What can be done to a node.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Command {
	/// SIGSTOP: the process stands still, its connections stay open.
	Pause {
		/// The node's name.
		node: String,
	},
	/// SIGCONT.
	Resume {
		/// The node's name.
		node: String,
	},
	/// SIGKILL, and the same command line again.
	Restart {
		/// The node's name.
		node: String,
	},
}

impl Command {
	/// Name of the node that it is about.
	pub fn node(&self) -> &str {
		let (Self::Pause { node } | Self::Resume { node } | Self::Restart { node }) = self;
		node
	}
}

/// What the keeper says.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
	/// All nodes answer.
	Up {
		/// In the order of the topology.
		nodes: Vec<NodeFacts>,
	},
	/// A command was carried out.
	Done {
		/// Its number.
		id: u64,
		/// The node as it is now.
		node: NodeFacts,
	},
	/// A command was not carried out.
	Refused {
		/// Its number.
		id: u64,
		/// Why.
		error: String,
	},
	/// The network could not be spawned or kept; this is the last line.
	Failed {
		/// Why.
		error: String,
	},
}

/// Where a node is.
#[derive(Debug, Serialize)]
pub struct NodeFacts {
	/// Its name in the topology.
	pub name: String,
	/// WebSocket address of its RPC.
	pub url: String,
	/// Where its peers reach it, with its peer id.
	pub multiaddr: String,
	/// Address of its Prometheus metrics.
	pub metrics: String,
	/// File of its log.
	pub log: String,
	/// Folder of everything that is its.
	pub dir: PathBuf,
	/// Its process, where there is one.
	pub pid: Option<i64>,
}

/// Prints one event. A reader that is gone is found out by the end of the input.
pub fn say(event: &Event) {
	let mut stdout = std::io::stdout().lock();
	if let Ok(line) = serde_json::to_string(event) {
		let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn command_should_be_read_when_it_is_well_formed() {
		let read = |text: &str| serde_json::from_str::<Request>(text);
		let restart = read(r#"{"id":7,"do":"restart","node":"bob"}"#).unwrap();
		assert_eq!((restart.id, restart.command.node()), (7, "bob"));
		assert_eq!(restart.command, Command::Restart { node: "bob".into() });
		for bad in [r#"{"id":7,"do":"explode","node":"bob"}"#, r#"{"id":7,"do":"pause"}"#, "{}"] {
			assert!(read(bad).is_err(), "{bad}");
		}
	}
}
