//! Options and subcommands.

use crate::finality::FinalityParams;
use sc_cli::RunCmd;
use std::path::PathBuf;

/// Command line of `assay-node`.
#[derive(Debug, clap::Parser)]
pub struct Cli {
	/// Something else than running a node.
	#[command(subcommand)]
	pub subcommand: Option<Subcommand>,

	/// Running a node.
	#[clap(flatten)]
	pub run: RunCmd,

	/// Taking part in the market.
	#[clap(flatten)]
	pub market: MarketParams,
}

/// Options about blobs and verification.
#[derive(Clone, Debug, clap::Args)]
pub struct MarketParams {
	/// Holding, serving and fetching blobs.
	#[clap(flatten)]
	pub blobs: BlobParams,

	/// The worker binary that replays jobs. By default `assay-worker` beside this binary.
	#[arg(long, value_name = "PATH", env = "ASSAY_WORKER")]
	pub worker_path: Option<PathBuf>,

	/// The device that workers compute on: `auto`, `cpu`, or a part of an adapter's name.
	#[arg(long, value_name = "NAME", env = "ASSAY_ADAPTER")]
	pub worker_adapter: Option<String>,

	/// Do not verify jobs, even as a validator. Drawn for a job, the validator stays silent.
	#[arg(long)]
	pub no_verification: bool,

	/// Let workers run jobs although the kernel gives them no full sandbox (see docs/sandbox.md).
	/// Without this, a validator on such a machine makes blocks and verifies nothing.
	#[arg(long)]
	pub allow_unsandboxed_worker: bool,

	/// Votes for finality.
	#[clap(flatten)]
	pub finality: FinalityParams,
}

/// Options about blobs.
#[derive(Clone, Debug, clap::Args)]
pub struct BlobParams {
	/// Folder of the blob store. By default `blobs` in the chain's folder below the base path.
	#[arg(long, value_name = "PATH")]
	pub blob_dir: Option<PathBuf>,

	/// Most disk space that the blob store may take, in MiB.
	#[arg(long, value_name = "MIB", default_value_t = 16_384,
		value_parser = clap::value_parser!(u64).range(1..=1 << 40))]
	pub blob_quota_mib: u64,

	/// Most blob data given to all peers together, in MiB a second. By default half of what a link
	/// of 1 Gbit/s carries, since blocks and votes go over the same one.
	#[arg(long, value_name = "MIB", default_value_t = 64,
		value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
	pub blob_serve_rate_mib: u64,

	/// Most blob data given to one peer, in MiB a second.
	#[arg(long, value_name = "MIB", default_value_t = 32,
		value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
	pub blob_peer_rate_mib: u64,

	/// Ranges of 1 MiB asked of all peers together at one time.
	#[arg(long, value_name = "N", default_value_t = 16,
		value_parser = clap::value_parser!(u64).range(1..=256))]
	pub blob_fetch_parallel: u64,

	/// Ranges of 1 MiB asked of one peer at one time.
	#[arg(long, value_name = "N", default_value_t = 4,
		value_parser = clap::value_parser!(u64).range(1..=8))]
	pub blob_fetch_per_peer: u64,
}

/// Everything but running a node.
#[derive(Debug, clap::Subcommand)]
pub enum Subcommand {
	/// Make, inspect and insert keys.
	#[command(subcommand)]
	Key(sc_cli::KeySubcommand),

	/// Write a chain specification (older form; see export-chain-spec).
	BuildSpec(sc_cli::BuildSpecCmd),

	/// Write the chain specification of a network, plain or raw.
	ExportChainSpec(sc_cli::ExportChainSpecCmd),

	/// Check a block by executing it again.
	CheckBlock(sc_cli::CheckBlockCmd),

	/// Write blocks to a file.
	ExportBlocks(sc_cli::ExportBlocksCmd),

	/// Write the state of a block into a chain specification.
	ExportState(sc_cli::ExportStateCmd),

	/// Read blocks from a file.
	ImportBlocks(sc_cli::ImportBlocksCmd),

	/// Delete the chain's database.
	PurgeChain(sc_cli::PurgeChainCmd),

	/// Go back some blocks, at most to the last finalized one.
	Revert(sc_cli::RevertCmd),

	/// Print the best, genesis and finalized blocks of the database.
	ChainInfo(sc_cli::ChainInfoCmd),
}

#[cfg(test)]
mod tests {
	use super::*;
	use clap::{CommandFactory, Parser};

	#[test]
	fn help_should_list_what_zombienet_looks_for_when_it_is_asked() {
		let help = Cli::command().render_long_help().to_string();
		for name in ["export-chain-spec", "build-spec", "key", "purge-chain", "chain-info"] {
			assert!(help.contains(name), "{name} is not in the help");
		}
	}

	#[test]
	fn options_should_be_checked_when_they_are_parsed() {
		let parse = |arguments: &[&str]| {
			Cli::try_parse_from([&["assay-node", "--dev"], arguments].concat())
				.map(|cli| cli.market)
		};
		let market = parse(&["--blob-quota-mib", "7", "--no-verification"]).unwrap();
		assert_eq!((market.blobs.blob_quota_mib, market.no_verification), (7, true));
		let blobs = parse(&[]).unwrap().blobs;
		assert_eq!((blobs.blob_quota_mib, blobs.blob_fetch_parallel), (16_384, 16));
		// A link of 1 Gbit/s carries at most 119 MiB/s, and blocks and votes have to get through.
		assert!(blobs.blob_serve_rate_mib <= 64);
		assert!(blobs.blob_peer_rate_mib <= blobs.blob_serve_rate_mib / 2);
		let limits = assay_blob_transport::ServeLimits::default();
		let rates = (blobs.blob_serve_rate_mib << 20, blobs.blob_peer_rate_mib << 20);
		assert_eq!((limits.rate, limits.peer_rate), rates);
		assert!(parse(&["--blob-serve-rate-mib", "0"]).is_err());
		assert!(parse(&["--blob-fetch-parallel", "1000"]).is_err());
		assert!(parse(&["--blob-quota-mib", "0"]).is_err());
		assert!(parse(&["--blob-quota-mib", "many"]).is_err());
	}
}
