//! `network-keeper NETWORK.toml --dir DIR`: one zombienet network for as long as its standard input
//! is open.
//!
//! The scenarios are scripts for Polkadot.js, which is how people and wallets reach the chain; only
//! starting nodes and mistreating their processes is the business of zombienet's SDK, which is
//! Rust. So this program spawns the network of a topology file, says where its nodes are, and then
//! obeys one command a line (see [`protocol`]). When its input ends, however the script died, or at
//! SIGINT or SIGTERM, it takes the network down.

mod protocol;

use anyhow::{anyhow, Context};
use clap::Parser;
use protocol::{Command, Event, NodeFacts, Request};
use std::{path::PathBuf, process::ExitCode, time::Duration};
use tokio::{
	io::{AsyncBufReadExt, BufReader},
	signal::unix::{signal, SignalKind},
	time::timeout,
};
use zombienet_sdk::{
	GlobalSettingsBuilder, LocalFileSystem, Network, NetworkConfig, NetworkConfigExt, NetworkNode,
};

/// Most time that one command may take.
const COMMAND: Duration = Duration::from_secs(60);

/// Spawns a zombienet network with the native provider and keeps it while standard input is open.
#[derive(Parser)]
struct Args {
	/// Topology file, as zombienet's own command line takes it
	network: PathBuf,
	/// Folder for databases and logs; it must not exist
	#[arg(long)]
	dir: PathBuf,
	/// Most seconds until all nodes answer
	#[arg(long, default_value_t = 120)]
	timeout: u32,
}

#[tokio::main]
async fn main() -> ExitCode {
	match keep(Args::parse()).await {
		Ok(()) => ExitCode::SUCCESS,
		Err(error) => {
			protocol::say(&Event::Failed { error: format!("{error:#}") });
			ExitCode::FAILURE
		}
	}
}

async fn keep(args: Args) -> anyhow::Result<()> {
	// Before anything is started that would have to be stopped.
	let mut interrupt = signal(SignalKind::interrupt())?;
	let mut terminate = signal(SignalKind::terminate())?;
	let mut lines = BufReader::new(tokio::io::stdin()).lines();
	let network = tokio::select! {
		network = spawn(&args) => network?,
		// The children die with their handles.
		_ = interrupt.recv() => return Ok(()),
		_ = terminate.recv() => return Ok(()),
	};
	protocol::say(&Event::Up { nodes: facts(&network)? });
	loop {
		let line = tokio::select! {
			line = lines.next_line() => line?,
			_ = interrupt.recv() => None,
			_ = terminate.recv() => None,
		};
		let Some(line) = line else { break };
		let request: Request =
			serde_json::from_str(&line).with_context(|| format!("not a command: {line}"))?;
		let id = request.id;
		let done = timeout(COMMAND, obey(&network, request.command))
			.await
			.map_err(|_| anyhow!("no end within {COMMAND:?}"))
			.and_then(|done| done);
		protocol::say(&match done {
			Ok(node) => Event::Done { id, node },
			Err(error) => Event::Refused { id, error: format!("{error:#}") },
		});
	}
	network.destroy().await.context("taking the network down")
}

async fn spawn(args: &Args) -> anyhow::Result<Network<LocalFileSystem>> {
	let settings = GlobalSettingsBuilder::new()
		.with_base_dir(&args.dir)
		.with_network_spawn_timeout(args.timeout)
		.with_node_spawn_timeout(args.timeout)
		// Scenarios stop and restart nodes on purpose, and look at their health themselves.
		.with_tear_down_on_failure(false)
		.build()
		.map_err(|errors| anyhow!("{errors:?}"))?;
	let path = args.network.to_str().context("the topology's path is not text")?;
	let network = NetworkConfig::load_from_toml_with_settings(path, &settings)
		.with_context(|| args.network.display().to_string())?
		.spawn_native()
		.await
		.context("spawning the network")?;
	network.wait_until_is_up(args.timeout.into()).await.context("waiting for the nodes")?;
	Ok(network)
}

/// Does what was asked; the node as it is afterwards.
async fn obey(network: &Network<LocalFileSystem>, command: Command) -> anyhow::Result<NodeFacts> {
	let node = network.get_node(command.node())?;
	match &command {
		Command::Pause { .. } => node.pause().await?,
		Command::Resume { .. } => node.resume().await?,
		// SIGKILL, as a power cut, and the same command line on the same database.
		Command::Restart { .. } => node.restart(None).await?,
	}
	facts_of(node)
}

fn facts(network: &Network<LocalFileSystem>) -> anyhow::Result<Vec<NodeFacts>> {
	network.nodes().into_iter().map(facts_of).collect()
}

fn facts_of(node: &NetworkNode) -> anyhow::Result<NodeFacts> {
	// What the SDK has no accessor for is in its serialized form, the same as in `zombie.json`.
	let json = serde_json::to_value(node)?;
	let text = |pointer: &str| {
		let value = json.pointer(pointer).and_then(|value| value.as_str());
		value.map(str::to_owned).with_context(|| format!("{}: no {pointer}", node.name()))
	};
	Ok(NodeFacts {
		name: node.name().into(),
		url: node.ws_uri().into(),
		multiaddr: node.multiaddr().into(),
		metrics: text("/prometheus_uri")?,
		log: text("/inner/log_path")?,
		dir: node.base_dir().clone(),
		pid: json.pointer("/inner/process_handle").and_then(|pid| pid.as_i64()),
	})
}
