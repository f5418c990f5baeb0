//! `assay-worker`: runs one job in a process of its own.
//!
//! A node or a provider starts one worker per job and talks to it over a Unix socket as
//! `assay-worker-protocol` says. The job comes from strangers and the device's driver is a large body of code,
//! so the process gives up what it does not need before it reads either: see [`sandbox`].
//!
//! The exit status is 0 when an answer was given, of whatever kind, and 1 when none could be.

mod inputs;
mod job;
mod link;
mod memory;
mod sandbox;
mod self_test;
mod watchdog;

use anyhow::Context;
use assay_worker_protocol::{LocalFaultKind, Reply, Request};
use clap::{Args, Parser, Subcommand};
use job::Fault;
use link::Link;
use std::{panic::AssertUnwindSafe, path::PathBuf, process::ExitCode, time::Duration};

/// Runs one job of an Assay node or provider. Started by these, not by hand.
#[derive(Parser)]
#[command(name = "assay-worker", version, args_conflicts_with_subcommands = true)]
struct Cli {
	#[command(flatten)]
	run: Option<RunArgs>,
	#[command(subcommand)]
	command: Option<Command>,
}

#[derive(Args, Clone)]
struct RunArgs {
	/// Unix socket on which the host listens
	#[arg(long)]
	socket: PathBuf,
	/// Folder of the job: the only place that is written to
	#[arg(long)]
	dir: PathBuf,
	/// Engine: `auto`, `cpu`, the number of an adapter or a part of its name
	#[arg(long, env = "ASSAY_ADAPTER", default_value = "auto")]
	adapter: String,
	/// Most resident memory of the process, in MiB; memory of a discrete device is not counted
	#[arg(long)]
	memory_limit_mib: Option<u64>,
	/// Most processor time, summed over all threads, in seconds
	#[arg(long)]
	cpu_limit_secs: Option<u64>,
}

#[derive(Subcommand)]
enum Command {
	/// Tests the engines of this machine and says which one jobs would run on
	SelfTest {
		/// Engine: `auto`, `cpu`, the number of an adapter or a part of its name
		#[arg(long, env = "ASSAY_ADAPTER", default_value = "auto")]
		adapter: String,
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
		(None, Some(args)) => serve(&args),
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

/// How long the host may take for its part of the conversation.
const PATIENCE: Duration = Duration::from_secs(30);

fn serve(args: &RunArgs) -> anyhow::Result<()> {
	let parent = nix::unistd::getppid();
	// First, and by the path as it was given: those of sockets are limited to about 100 bytes.
	let link = Link::connect(&args.socket, PATIENCE)
		.with_context(|| format!("host at {}", args.socket.display()))?;
	let dir = args.dir.canonicalize().with_context(|| format!("folder {}", args.dir.display()))?;
	std::env::set_current_dir(&dir)?;
	sandbox::clear_environment(&dir);
	sandbox::limit(args.memory_limit_mib, args.cpu_limit_secs)?;
	sandbox::leave_network();
	link.greet()?;
	let Request::Run(run) = link.receive().inspect_err(|error| {
		link.local_fault(LocalFaultKind::Protocol, &error.to_string());
	})?;
	// Before any thread is started: the restriction is inherited, not shared.
	sandbox::close_files(&dir, run.inputs.iter().map(|input| dir.join(&input.path)));
	memory::name_exhaustion(&link)?;
	watchdog::start(&link, parent, args.memory_limit_mib, args.cpu_limit_secs)?;

	let limits = job::Limits {
		memory: args.memory_limit_mib.map_or(u64::MAX, |limit| limit.saturating_mul(1 << 20)),
		adapter: &args.adapter,
	};
	let run = AssertUnwindSafe(|| job::run(&run, &dir, &limits, &link));
	let reply = match std::panic::catch_unwind(run) {
		Ok(Ok(done)) => Reply::Done(done),
		Ok(Err(fault)) => fault.into(),
		Err(_) => Fault::local(LocalFaultKind::Internal, "the worker panicked").into(),
	};
	watchdog::check(&link, args.memory_limit_mib, args.cpu_limit_secs);
	link.answer(&reply)?;
	Ok(())
}
