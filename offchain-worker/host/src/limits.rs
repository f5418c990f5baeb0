//! What one job may use.

use crate::Task;
use std::time::Duration;

/// Limits of all jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
	/// Time by the clock that every job gets, whatever its size.
	pub wall_floor: Duration,
	/// Work units per second that the limit of time assumes at least.
	pub work_rate: u64,
	/// Most time by the clock of any job.
	pub wall_cap: Duration,
	/// Memory that every job gets beside its tensors, in bytes.
	pub memory_floor: u64,
	/// Most memory of any job, in bytes.
	pub memory_cap: u64,
}

impl Default for Limits {
	fn default() -> Self {
		Self {
			wall_floor: Duration::from_secs(60),
			work_rate: 20_000_000,
			wall_cap: Duration::from_secs(6 * 3600),
			memory_floor: 4 << 30,
			memory_cap: 64 << 30,
		}
	}
}

/// Limits of one job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobLimits {
	/// Time by the clock, from the start of the process.
	pub wall: Duration,
	/// Processor time over all threads, in seconds.
	pub cpu: u64,
	/// Memory in bytes.
	pub memory: u64,
}

impl JobLimits {
	/// Those of a task with so much work and, by its program's check, so many bytes of tensors at
	/// one time.
	pub fn new(limits: &Limits, task: &Task, work_units: u64, peak_memory: u64) -> Self {
		let for_work = Duration::from_secs(work_units / limits.work_rate.max(1));
		let wall = limits.wall_floor.saturating_add(for_work).min(limits.wall_cap);
		let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
		let sum = |lengths: &mut dyn Iterator<Item = u64>| lengths.fold(0, u64::saturating_add);
		let files = task.inputs.iter().chain(task.start.iter().flatten());
		let inputs = sum(&mut files.map(|file| file.len));
		// What is kept lies there once more while it is written.
		let kept = task.keep.iter().map(|(_, length)| *length);
		let kept = sum(&mut kept.chain(task.record_bytes)).saturating_mul(2);
		// Tensors are held canonical and row-major, on the host and on the device.
		let tensors = peak_memory.saturating_mul(4).saturating_add(inputs).saturating_add(kept);
		Self {
			wall,
			cpu: wall.as_secs().saturating_add(1).saturating_mul(cores),
			memory: limits.memory_floor.saturating_add(tensors).min(limits.memory_cap),
		}
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::InputFile;

	#[test]
	fn limits_should_grow_with_the_job_up_to_their_caps() {
		let limits = Limits::default();
		let of = |work_units, peak_memory| {
			let mut task = Task::new(1, std::sync::Arc::from(&b""[..]), 1);
			task.inputs = vec![InputFile { root: [0; 32], path: "/in".into(), len: 1000 }];
			task.keep = vec![(assay_program::Source::Node(0), 100)];
			JobLimits::new(&limits, &task, work_units, peak_memory)
		};
		let small = of(1, 0);
		assert_eq!((small.wall, small.memory), (limits.wall_floor, limits.memory_floor + 1200));
		let large = of(100 * limits.work_rate, 1 << 20);
		assert_eq!(large.wall, limits.wall_floor + Duration::from_secs(100));
		assert_eq!(large.memory, small.memory + (4 << 20));
		assert!(large.cpu > large.wall.as_secs());
		let huge = of(u64::MAX, u64::MAX);
		assert_eq!((huge.wall, huge.memory), (limits.wall_cap, limits.memory_cap));
	}
}
