//! Which core a thread runs on.
//!
//! A thread that is woken often starts behind the one that woke it, on the same core, although
//! another core has nothing to do, or only what has a lower priority: the scheduler looks after
//! that every few milliseconds. A product takes less.

#[cfg(target_os = "linux")]
mod system {
	use nix::{
		sched::{sched_getaffinity, sched_getcpu, sched_setaffinity},
		unistd::Pid,
	};

	pub(in crate::gemm) fn core() -> Option<usize> {
		sched_getcpu().ok()
	}

	pub(in crate::gemm) fn leave(core: usize) {
		let this = Pid::from_raw(0);
		let Ok(allowed) = sched_getaffinity(this) else { return };
		let mut others = allowed;
		// The system refuses an empty set, so that a thread which may not run elsewhere stays.
		if others.unset(core).is_ok() && sched_setaffinity(this, &others).is_ok() {
			// It was allowed a moment ago. Otherwise the system has taken cores away meanwhile, and
			// knows why.
			let _ = sched_setaffinity(this, &allowed);
		}
	}
}

#[cfg(not(target_os = "linux"))]
mod system {
	pub(in crate::gemm) fn core() -> Option<usize> {
		None
	}

	pub(in crate::gemm) fn leave(_: usize) {}
}

/// The core that this thread runs on, where the system says so.
pub(super) use system::core;
/// Moves this thread to another core than this one, if it may run on another. It may run wherever
/// it might before.
pub(super) use system::leave;

#[cfg(all(test, target_os = "linux"))]
mod tests {
	use super::*;
	use nix::{
		sched::{sched_getaffinity, sched_setaffinity, CpuSet},
		unistd::Pid,
	};

	#[test]
	fn a_thread_should_be_on_another_core_when_it_left_one_and_may_be() {
		let this = Pid::from_raw(0);
		let allowed = sched_getaffinity(this).unwrap();
		let cores: Vec<usize> =
			(0..CpuSet::count()).filter(|&core| allowed.is_set(core).unwrap()).collect();
		for &core in &cores {
			let mut only = CpuSet::new();
			only.set(core).unwrap();
			sched_setaffinity(this, &only).unwrap();
			assert_eq!(super::core(), Some(core));
			leave(core);
			assert_eq!(super::core(), Some(core), "there is nowhere else to go");
			// The system may move the thread back any time, but hardly always.
			let left = (0..100).any(|_| {
				sched_setaffinity(this, &only).unwrap();
				sched_setaffinity(this, &allowed).unwrap();
				leave(core);
				assert!(sched_getaffinity(this).unwrap() == allowed, "another set of cores");
				super::core() != Some(core)
			});
			assert!(left || cores.len() == 1, "still on core {core} of {cores:?}");
		}
	}
}
