//! The parts of `assay-worker`, which runs one job in a process of its own.
//!
//! A node or a provider starts one worker per job and talks to it over a Unix socket as
//! `assay-worker-protocol` says. The job comes from strangers and the device's driver is a large
//! body of code, so the process gives up what it does not need before it reads either: see
//! [`sandbox`]. That it holds is tested by workers that do something else in the job's place, which
//! is why this is a library.
#![warn(missing_docs)]

pub mod fault;
mod inputs;
pub mod job;
pub mod last_words;
pub mod link;
pub mod memory;
mod record;
pub mod sandbox;
pub mod self_test;
mod serve;
mod status;
mod watchdog;

pub use serve::{serve, RunArgs};

/// Ends the process at once: no destructor of a driver whose device hangs can keep it.
pub fn end(status: i32) -> ! {
	// SAFETY: nothing of the process runs afterwards; what it has to say goes out unbuffered.
	unsafe { nix::libc::_exit(status) }
}
