//! A thread that ends the process when it may not go on: the host is gone, or a limit is reached.
//!
//! The host's death is noticed by its end of the connection and by the change of the parent process.
//! `PR_SET_PDEATHSIG` is not used: it follows the *thread* that started the process, and a host
//! that starts workers from a pool of threads would kill them when that thread retires.

use crate::link::Link;
use assay_worker_protocol::LocalFaultKind;
use nix::{
	poll::{poll, PollFd, PollFlags},
	sys::resource::{getrusage, UsageWho},
	unistd::{getppid, Pid},
};
use std::{
	fs, io,
	process::exit,
	thread,
	time::{Duration, Instant},
};

/// How often everything is looked at.
const TICK: Duration = Duration::from_millis(100);

/// Starts the thread.
pub fn start(
	link: &Link,
	parent: Pid,
	memory_mib: Option<u64>,
	cpu_seconds: Option<u64>,
) -> io::Result<()> {
	let link = link.clone();
	let watch = move || loop {
		if host_is_gone(&link) || getppid() != parent {
			eprintln!("assay-worker: the host is gone");
			exit(1);
		}
		check(&link, memory_mib, cpu_seconds);
	};
	thread::Builder::new().name("watchdog".into()).spawn(watch).map(drop)
}

/// Ends the process with a named fault if a limit has been passed.
pub fn check(link: &Link, memory_mib: Option<u64>, cpu_seconds: Option<u64>) {
	let end = |kind, text: String| {
		link.local_fault(kind, &text);
		exit(0)
	};
	if let Some(limit) = cpu_seconds.filter(|limit| processor_seconds() >= *limit as f64) {
		end(LocalFaultKind::Time, format!("more than {limit} s of processor time"));
	}
	if let Some(limit) = memory_mib.filter(|limit| peak_mib() > *limit) {
		end(LocalFaultKind::Memory, format!("more than {limit} MiB of memory"));
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

/// Most memory that was resident at any time; 0 where it cannot be read, since `RLIMIT_DATA` holds anyway.
fn peak_mib() -> u64 {
	let Ok(status) = fs::read_to_string("/proc/self/status") else { return 0 };
	let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
	let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
	kib.unwrap_or(0) / 1024
}
