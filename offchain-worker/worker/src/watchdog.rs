//! A thread that ends the process when it may not go on: the host is gone, or a limit is reached.
//!
//! The host's death is noticed by its end of the connection and by the change of the parent
//! process. `PR_SET_PDEATHSIG` is not used: it follows the *thread* that started the process, and a
//! host that starts workers from a pool of threads would kill them when that thread retires.
//!
//! The thread shares its process with what it watches. It gives honest jobs' faults their names;
//! who has taken the process over can stop it, and then meets the limits of the kernel and of the
//! host.

use crate::{end, link::Link, status::Status};
use assay_worker_protocol::LocalFaultKind;
use nix::{
	poll::{poll, PollFd, PollFlags},
	sys::resource::{getrusage, UsageWho},
	unistd::{getppid, Pid},
};
use std::{
	io, thread,
	time::{Duration, Instant},
};

/// How often everything is looked at.
const TICK: Duration = Duration::from_millis(100);

/// What a job may use.
#[derive(Clone, Copy)]
pub struct Budget {
	/// Resident memory in MiB.
	memory_mib: Option<u64>,
	/// Processor time over all threads, in seconds.
	cpu_seconds: Option<u64>,
	/// Time by the clock, in seconds.
	wall_seconds: Option<u64>,
	/// Threads at one time.
	threads: u64,
	/// From when the clock counts.
	start: Instant,
}

impl Budget {
	/// A budget that begins now. The number of threads follows from that of the processors: engines
	/// and drivers start a few for each.
	pub fn new(
		memory_mib: Option<u64>,
		cpu_seconds: Option<u64>,
		wall_seconds: Option<u64>,
	) -> Self {
		let processors = thread::available_parallelism().map_or(1, |count| count.get() as u64);
		let threads = processors.saturating_mul(16).saturating_add(256);
		Self { memory_mib, cpu_seconds, wall_seconds, threads, start: Instant::now() }
	}
}

/// Starts the thread.
pub fn start(link: &Link, parent: Pid, budget: Budget) -> io::Result<()> {
	let link = link.clone();
	let watch = move || loop {
		if host_is_gone(&link) || getppid() != parent {
			eprintln!("assay-worker: the host is gone");
			end(1);
		}
		check(&link, budget);
	};
	thread::Builder::new().name("watchdog".into()).spawn(watch).map(drop)
}

/// Ends the process with a named fault if a limit has been passed.
pub fn check(link: &Link, budget: Budget) {
	let stop = |kind, text: String| {
		link.local_fault(kind, &text);
		end(0)
	};
	if let Some(limit) = budget.cpu_seconds.filter(|limit| processor_seconds() >= *limit as f64) {
		stop(LocalFaultKind::Time, format!("more than {limit} s of processor time"));
	}
	let elapsed = budget.start.elapsed().as_secs();
	if let Some(limit) = budget.wall_seconds.filter(|limit| elapsed >= *limit) {
		let used = processor_seconds();
		let text = format!(
			"more than {limit} s by the clock, {used:.1} s of processor time: \
			 too slow, or the device hangs",
		);
		stop(LocalFaultKind::Time, text);
	}
	// Where this cannot be read, the limits that the kernel enforces hold anyway.
	let Some(status) = Status::read() else { return };
	let peak_mib = status.peak_kib().unwrap_or(0) / 1024;
	if let Some(limit) = budget.memory_mib.filter(|limit| peak_mib > *limit) {
		stop(LocalFaultKind::Memory, format!("more than {limit} MiB of memory"));
	}
	if status.threads().is_some_and(|threads| threads > budget.threads) {
		let limit = budget.threads;
		stop(LocalFaultKind::Sandbox, format!("sandbox: more than {limit} threads"));
	}
}

/// Waits one tick for the connection to end.
fn host_is_gone(link: &Link) -> bool {
	let end = PollFlags::POLLHUP | PollFlags::POLLERR;
	let mut files = [PollFd::new(link.as_fd(), end)];
	let start = Instant::now();
	match poll(&mut files, TICK.as_millis() as u16) {
		Ok(0) => false,
		Ok(_) => files[0].revents().is_some_and(|events| events.intersects(end)),
		// Interrupted or out of memory: look again after a full tick, not at once.
		Err(_) => {
			thread::sleep(TICK.saturating_sub(start.elapsed()));
			false
		}
	}
}

fn processor_seconds() -> f64 {
	getrusage(UsageWho::RUSAGE_SELF).map_or(0.0, |usage| {
		[usage.user_time(), usage.system_time()]
			.iter()
			.map(|time| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6)
			.sum()
	})
}
