//! What one job may use of this machine.

use crate::{
	config::{Config, Limits},
	fault::Fault,
	runner::Replay,
	worker::machine::Memory,
};

impl Config {
	/// Most memory of one worker, in bytes: as it is set, or as the machine allows all workers
	/// together.
	fn memory_cap(&self, memory: Memory) -> u64 {
		let share = memory.for_workers() / self.concurrency.max(1) as u64;
		self.limits.memory_cap.map_or(share, |cap| cap.min(share))
	}

	/// Whether this machine can ever run a job with so many bytes of tensors. Blocks.
	///
	/// # Errors
	/// [`Fault::TooLittleMemory`].
	pub(crate) fn check_memory(&self, tensors: u64) -> Result<(), Fault> {
		let limit = self.memory_cap(Memory::now());
		let needed = tensors.saturating_add(self.limits.memory_overhead);
		match needed > limit {
			true => Err(Fault::TooLittleMemory { needed, limit }),
			false => Ok(()),
		}
	}
}

/// The limits of all jobs, for one that may have so many bytes of memory.
pub(crate) fn limits_within(limits: &Limits, memory: u64) -> assay_worker_host::Limits {
	let Limits { wall_floor, work_rate, wall_cap, memory_floor, .. } = *limits;
	assay_worker_host::Limits { wall_floor, work_rate, wall_cap, memory_floor, memory_cap: memory }
}

/// The most memory that a job can have now, in bytes.
///
/// # Errors
/// [`Fault::TooLittleMemory`] and [`Fault::MemoryInUse`] for a job that would drive this machine
/// out of memory.
pub(crate) fn most_memory(config: &Config, replay: &Replay, machine: Memory) -> Result<u64, Fault> {
	// Tensors are held canonical and row-major, on the host and on the device.
	let sum = |lengths: &mut dyn Iterator<Item = u64>| lengths.fold(0, u64::saturating_add);
	// What is kept lies there once more while it is written.
	let keep = sum(&mut replay.keep.iter().map(|(_, length)| *length));
	let kept = keep.saturating_mul(2);
	let anchors = replay.anchors.saturating_mul(2);
	let states = sum(&mut replay.start.iter().flatten().map(|(_, length)| *length));
	// The least that it can do with; the node reads what is kept into its own memory.
	let needed = [replay.peak_memory, states, kept, anchors, config.limits.memory_overhead];
	let needed = needed.into_iter().fold(0, u64::saturating_add);
	let (limit, spare) = (config.memory_cap(machine), machine.spare());
	if needed > limit || keep > limit / 2 {
		let needed = needed.max(keep.saturating_mul(2));
		return Err(Fault::TooLittleMemory { needed, limit });
	}
	if needed > spare {
		return Err(Fault::MemoryInUse { needed, spare });
	}
	Ok(limit.min(spare))
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::{config::Limits, turns::rates::EXPECTED, types::Hash};
	use assay_worker_host::{InputFile, JobLimits, Task};
	use std::{path::Path, sync::Arc, time::Duration};

	const GIB: u64 = 1 << 30;

	fn limits(work_units: u64, peak_memory: u64, machine: Memory) -> Result<JobLimits, Fault> {
		let config = Config::new("assay-worker".into(), Path::new("/nowhere"));
		let replay = Replay {
			job: 1,
			program: Arc::from(&b""[..]),
			inputs: vec![([0; 32], 1000)],
			start: None,
			steps: 1,
			work_units,
			peak_memory,
			keep: vec![(assay_program::Source::Node(0), 100)],
			anchors: 0,
			outputs: Vec::new(),
		};
		let most = most_memory(&config, &replay, machine)?;
		let file =
			|(root, len): &(Hash, u64)| InputFile { root: *root, path: "/in".into(), len: *len };
		let inputs = replay.inputs.iter().map(file).collect();
		let task = Task { inputs, keep: replay.keep, ..Task::new(1, replay.program, 1) };
		let limits = limits_within(&config.limits, most);
		Ok(JobLimits::new(&limits, &task, work_units, peak_memory))
	}

	#[test]
	fn limits_should_grow_with_the_job_up_to_their_caps() {
		let given = Limits::default();
		let machine = Memory { total: 64 * GIB, available: 60 * GIB };
		let of = |work_units, peak_memory| limits(work_units, peak_memory, machine).unwrap();
		let small = of(1, 0);
		assert_eq!((small.wall, small.memory), (given.wall_floor, given.memory_floor + 1200));
		let large = of(100 * given.work_rate, 1 << 20);
		assert_eq!(large.wall, given.wall_floor + Duration::from_secs(100));
		assert_eq!(large.memory, small.memory + (4 << 20));
		assert!(large.cpu > large.wall.as_secs());
		let huge = of(u64::MAX, 50 * GIB);
		assert_eq!((huge.wall, huge.memory), (given.wall_cap, 56 * GIB), "the machine's cap");
	}

	/// The clocks have 333 million work units for a second, and the limit 20: it stops what hangs.
	/// Whether a duty can be done in time is reckoned with the former.
	#[test]
	fn limit_of_time_should_be_far_beyond_the_clocks_whatever_the_job_is() {
		// The longest job of the production parameters: it has two demands on the way down, and
		// lives for 16,800 blocks.
		const LONGEST: u64 = 842_000_000_000;
		let machine = Memory { total: 64 * GIB, available: 60 * GIB };
		for work in [0, 1, 10_000_000_000, LONGEST / 8, LONGEST] {
			let clock = Duration::from_secs(work / EXPECTED);
			assert!(limits(work, 0, machine).unwrap().wall > 8 * clock, "{work} units");
		}
	}

	/// M7: programs of up to 64 GiB are admitted, whatever machine validates.
	#[test]
	fn job_should_be_refused_before_it_starts_when_the_machine_has_too_little_memory() {
		let machine = Memory { total: 32 * GIB, available: 20 * GIB };
		assert!(matches!(limits(1, 60 * GIB, machine), Err(Fault::TooLittleMemory { .. })));
		assert!(matches!(limits(1, u64::MAX, machine), Err(Fault::TooLittleMemory { .. })));
		// It would fit, were other things not there too.
		let in_use = limits(1, 25 * GIB, machine);
		assert!(matches!(in_use, Err(Fault::MemoryInUse { .. })));
		// A worker is stopped before the node, or the machine, has none left.
		let fits = limits(1, 15 * GIB, machine).unwrap();
		assert_eq!(fits.memory, machine.spare());
		let starved = Memory { total: 32 * GIB, available: 100 << 20 };
		assert!(matches!(limits(1, 0, starved), Err(Fault::MemoryInUse { .. })));
	}

	#[test]
	fn workers_should_share_the_memory_when_several_run_at_the_same_time() {
		let machine = Memory { total: 32 * GIB, available: 32 * GIB };
		let mut config = Config::new("assay-worker".into(), Path::new("/nowhere"));
		assert_eq!(config.memory_cap(machine), 28 * GIB);
		config.concurrency = 4;
		assert_eq!(config.memory_cap(machine), 7 * GIB);
		config.limits.memory_cap = Some(GIB);
		assert_eq!(config.memory_cap(machine), GIB);
	}
}
