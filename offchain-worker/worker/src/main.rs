//! `assay-worker`: the command line of [`assay_worker`].
//!
//! The exit status is 0 when an answer was given, of whatever kind, and 1 when none could be.

use assay_worker::{job, memory, sandbox, self_test, serve, RunArgs};
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Runs one job of an Assay node or provider. Started by these, not by hand.
#[derive(Parser)]
#[command(name = "assay-worker", version, args_conflicts_with_subcommands = true)]
struct Cli {
	#[command(flatten)]
	run: Option<RunArgs>,
	#[command(subcommand)]
	command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
	/// Tests the engines of this machine and says which one jobs would run on, and what protects it
	/// from them
	SelfTest {
		/// Engine: `auto`, `cpu`, the number of an adapter or a part of its name
		#[arg(long, env = "ASSAY_ADAPTER", default_value = "auto")]
		adapter: String,
		/// As JSON
		#[arg(long)]
		json: bool,
	},
	/// Seals itself as for a job and tries what a job must not do; the status is 1 if anything of
	/// it works
	CheckSandbox {
		/// As JSON
		#[arg(long)]
		json: bool,
	},
}

#[global_allocator]
static ALLOCATOR: memory::Named = memory::Named;

fn main() -> ExitCode {
	let cli = Cli::parse();
	let outcome = match (cli.command, cli.run) {
		(Some(Command::SelfTest { adapter, json }), _) => self_test::run(&adapter, json),
		(Some(Command::CheckSandbox { json }), _) => sandbox::check(json),
		(None, Some(args)) => serve(&args, job::run),
		(None, None) => {
			eprintln!("assay-worker: --socket and --dir are needed, see --help");
			return ExitCode::from(2);
		}
	};
	match outcome {
		Ok(()) => ExitCode::SUCCESS,
		Err(error) => {
			eprintln!("assay-worker: {error:#}");
			ExitCode::FAILURE
		}
	}
}
