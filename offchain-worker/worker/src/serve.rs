//! A worker's life: connect, seal, answer one request.

use crate::{
	fault::Fault,
	job::Limits,
	last_words,
	link::Link,
	sandbox,
	watchdog::{self, Budget},
};
use anyhow::Context;
use assay_worker_protocol::{Done, LocalFaultKind, Reply, Request, Run};
use clap::Args;
use std::{
	panic::AssertUnwindSafe,
	path::{Path, PathBuf},
	time::Duration,
};

/// How a worker is started for a job.
#[derive(Args, Clone)]
pub struct RunArgs {
	/// Unix socket on which the host listens
	#[arg(long)]
	pub socket: PathBuf,
	/// Folder of the job: the only place that is written to
	#[arg(long)]
	pub dir: PathBuf,
	/// Engine: `auto`, `cpu`, the number of an adapter or a part of its name
	#[arg(long, env = "ASSAY_ADAPTER", default_value = "auto")]
	pub adapter: String,
	/// Most resident memory of the process, in MiB; memory of a discrete device is not counted
	#[arg(long)]
	pub memory_limit_mib: Option<u64>,
	/// Most processor time, summed over all threads, in seconds
	#[arg(long)]
	pub cpu_limit_secs: Option<u64>,
	/// Most time by the clock, in seconds: what a device that hangs does not escape
	#[arg(long)]
	pub wall_limit_secs: Option<u64>,
	/// Take the job even if part of the sandbox is missing on this machine
	#[arg(long)]
	pub allow_unsandboxed: bool,
}

/// How long the host may take for its part of the conversation.
const PATIENCE: Duration = Duration::from_secs(30);

/// Serves the host's one request by `work`, in the sandbox.
///
/// # Errors
/// When no answer could be given: no host, or one of another version.
pub fn serve(
	args: &RunArgs,
	work: impl FnOnce(&Run, &Path, &Limits, &Link) -> Result<Done, Fault>,
) -> anyhow::Result<()> {
	sandbox::close_inherited();
	let parent = nix::unistd::getppid();
	// First, and by the path as it was given: those of sockets are limited to about 100 bytes.
	let link = Link::connect(&args.socket, PATIENCE)
		.with_context(|| format!("host at {}", args.socket.display()))?;
	let dir = args.dir.canonicalize().with_context(|| format!("folder {}", args.dir.display()))?;
	std::env::set_current_dir(&dir)?;
	sandbox::clear_environment(&dir);
	sandbox::step_back();
	sandbox::limit(args.memory_limit_mib, args.cpu_limit_secs)?;
	let network = sandbox::leave_network();
	sandbox::drop_capabilities()?;
	link.greet()?;
	let Request::Run(run) = link.receive().inspect_err(|error| {
		link.local_fault(LocalFaultKind::Protocol, &error.to_string());
	})?;
	last_words::prepare(&link, sandbox::FORBIDDEN)?;
	// Before any thread is started and any byte of the job is looked at.
	let states = run.start.iter().flatten();
	let inputs = run.inputs.iter().chain(states).map(|input| dir.join(&input.path));
	let report = sandbox::seal(&dir, inputs, network);
	if let Err(missing) = report.verdict() {
		if !args.allow_unsandboxed {
			link.local_fault(LocalFaultKind::Sandbox, &missing);
			return Ok(());
		}
		eprintln!("assay-worker: goes on all the same, by --allow-unsandboxed: {missing}");
	}
	let budget = Budget::new(args.memory_limit_mib, args.cpu_limit_secs, args.wall_limit_secs);
	watchdog::start(&link, parent, budget)?;

	let limits = Limits {
		memory: args.memory_limit_mib.map_or(u64::MAX, |limit| limit.saturating_mul(1 << 20)),
		adapter: &args.adapter,
	};
	let run = AssertUnwindSafe(|| work(&run, &dir, &limits, &link));
	let reply = match std::panic::catch_unwind(run) {
		Ok(Ok(done)) => Reply::Done(done),
		Ok(Err(fault)) => fault.into(),
		Err(_) => Fault::local(LocalFaultKind::Internal, "the worker panicked").into(),
	};
	watchdog::check(&link, budget);
	link.answer(&reply)?;
	Ok(())
}
