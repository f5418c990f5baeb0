//! What the process gives up before it looks at a job. `docs/sandbox.md` tells operators about it.
//!
//! Before the request is read ([`close_inherited`] to [`drop_capabilities`]):
//! - Files that the host left open, capabilities, and all environment variables but those that
//!   drivers need.
//! - Memory: the watchdog compares the peak of the resident size, which counts what drivers share
//!   with an integrated device. `RLIMIT_DATA`, which counts private writable memory, stops at twice
//!   the limit what grows faster than the watchdog looks. `RLIMIT_AS` is of no use here, since
//!   drivers reserve address space far beyond what they fill. When the machine itself runs out, the
//!   kernel ends the worker first.
//! - Processor time: `RLIMIT_CPU`, a little above what the watchdog allows and reports, and a place
//!   behind the host where both want it ([`step_back`]).
//! - No core dumps, no new privileges, no files longer than twice the memory.
//! - Network: where it may be had, a network namespace of its own, without any interface.
//!
//! When the request is there, and the inputs' paths with it ([`seal`]):
//! - Files (`files.rs`, Landlock): reading only what belongs to the device's driver, and the job's
//!   inputs; writing only devices and the job's folder. So keys of the node cannot be read.
//! - System calls (`calls.rs`, seccomp): what a computation needs. No sockets, no processes, no
//!   signals to others.
//! - Proof: the process tries what it must not be able to do (`probes.rs`), and the [`Report`] says
//!   what worked.
//!
//! The device is opened afterwards: a driver is a large body of code that reads kernels made from
//! the job, and some of it runs when it starts. So the rules leave drivers what they need, and no
//! more is left for the job.

mod calls;
mod environment;
mod files;
mod probes;
mod report;
mod resources;

pub use calls::FORBIDDEN;
pub use environment::clear_environment;
pub use report::{Probe, Report};
pub use resources::{close_inherited, drop_capabilities, leave_network, limit, step_back};

use crate::status::Status;
use std::path::{Path, PathBuf};

/// Closes files and system calls for the rest of the process's life, and tries whether they are.
///
/// Call it while there is one thread: Landlock's restriction is inherited by new threads, not
/// shared by those that run. `network` is what [`leave_network`] said.
pub fn seal(
	dir: &Path,
	inputs: impl Iterator<Item = PathBuf>,
	network: Result<(), String>,
) -> Report {
	let alone = match Status::read().and_then(|status| status.threads()) {
		Some(1) => Ok(()),
		Some(count) => Err(format!("{count} threads were running when it was sealed")),
		None => Err("/proc/self/status cannot be read".into()),
	};
	let files = files::close(dir, inputs).and_then(|abi| alone.map(|()| abi));
	// After the files: the calls that close them are not among those that stay.
	let calls = calls::close();
	Report { files, calls, network, probes: probes::try_all(dir) }
}

/// `assay-worker check-sandbox`: seals this process as for a job and prints what holds.
///
/// # Errors
/// Part of the sandbox is missing; the text says which.
pub fn check(as_json: bool) -> anyhow::Result<()> {
	// Nothing is written, so any folder will do.
	let dir = std::env::temp_dir().canonicalize()?;
	close_inherited();
	clear_environment(&dir);
	step_back();
	limit(None, None)?;
	let network = leave_network();
	drop_capabilities()?;
	let report = seal(&dir, std::iter::empty(), network);
	match as_json {
		true => println!("{:#}", report.to_json()),
		false => print!("{report}"),
	}
	report.verdict().map_err(anyhow::Error::msg)
}
