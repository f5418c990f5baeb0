//! The engine of this machine, for programs of our own: the self-test and the measured rate.
//!
//! What comes from strangers runs in a process of its own: see [`crate::runner`].

use crate::error::{Error, Result};
use assay_exec::{ExecError, Executor};
use assay_gpu::{best_executor, Choice, DeviceKind, DeviceReport};
use std::sync::mpsc;
use tokio::sync::oneshot;

/// Tiles of each step that the definition recomputes before a result is trusted: a provider answers
/// for its result with its bond, and a broken device must not cost it.
pub const AUDITED_TILES: u32 = 4;
/// Longest name of an adapter that an identity takes, in bytes.
const MAX_NAME: usize = 64;

/// What an identity publishes about its device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
	/// Name of the adapter.
	pub adapter: String,
	/// Variant of the identity pallet's `Backend`.
	pub backend: &'static str,
	/// Memory in MiB.
	pub memory_mib: u32,
	/// Measured work units per second.
	pub units_per_second: u64,
}

type Job = Box<dyn FnOnce(&mut dyn Executor) + Send>;

/// An engine that runs one thing at a time, on a thread of its own.
pub struct Device {
	queue: mpsc::Sender<Job>,
	report: DeviceReport,
	name: String,
}

fn gone() -> Error {
	Error::new("local-fault", "the engine's thread has ended")
		.fix("start the command again; report this if it happens twice")
}

fn fault(error: &ExecError) -> Error {
	Error::new("local-fault", format!("the run failed: {error}"))
		.fix("try --adapter cpu, or another adapter")
}

impl Device {
	/// Opens the adapter that a flag names; the CPU engine where there is none. Blocks.
	pub fn open(flag: &str) -> Result<Self> {
		let choice = Choice::select(Some(flag));
		let (queue, jobs) = mpsc::channel::<Job>();
		let (opened, report) = mpsc::channel();
		std::thread::Builder::new()
			.name("engine".into())
			.spawn(move || {
				let (mut executor, report) = best_executor(&choice, None);
				if opened.send(report).is_err() {
					return;
				}
				for job in jobs {
					job(&mut *executor);
				}
			})
			.map_err(|e| Error::new("local-fault", format!("cannot start a thread: {e}")))?;
		let report = report.recv().map_err(|_| gone())?;
		let name = report.to_string();
		Ok(Self { queue, report, name })
	}

	/// What runs, and why.
	pub fn name(&self) -> &str {
		&self.name
	}

	/// Adapter, driver and self-test.
	pub fn report(&self) -> &DeviceReport {
		&self.report
	}

	async fn call<T: Send + 'static>(
		&self,
		act: impl FnOnce(&mut dyn Executor) -> Result<T, ExecError> + Send + 'static,
	) -> Result<T> {
		let (reply, answer) = oneshot::channel();
		let job: Job = Box::new(move |executor| {
			// Nobody waits any more when the command was stopped.
			let _ = reply.send(act(executor));
		});
		self.queue.send(job).map_err(|_| gone())?;
		answer.await.map_err(|_| gone())?.map_err(|e| fault(&e))
	}

	/// Measured work units per second.
	pub async fn rate(&self) -> Result<u64> {
		self.call(|executor| assay_exec::measure_rate(executor)).await
	}

	/// What an identity publishes; measures the rate.
	pub async fn profile(&self) -> Result<Profile> {
		let backend = match (self.report.kind, self.report.backend.as_str()) {
			(DeviceKind::Cpu, _) => "Cpu",
			(_, "vulkan") => "Vulkan",
			(_, "metal") => "Metal",
			(_, "dx12") => "Dx12",
			(_, "gl") => "OpenGl",
			_ => "Other",
		};
		Ok(Profile {
			adapter: short_name(&self.report.name),
			backend,
			memory_mib: memory_mib(),
			units_per_second: self.rate().await?.max(1),
		})
	}
}

/// A name that the identity pallet accepts: printable, not empty, at most 64 bytes.
fn short_name(name: &str) -> String {
	let mut text: String = name.chars().filter(|c| !c.is_control()).collect();
	while text.len() > MAX_NAME {
		text.pop();
	}
	if text.trim().is_empty() {
		"unnamed".into()
	} else {
		text
	}
}

/// Memory of this machine in MiB. The graphics interface does not tell an adapter's own.
fn memory_mib() -> u32 {
	let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
	let bytes = crate::memory::meminfo(&text, "MemTotal:").unwrap_or(1 << 30);
	u32::try_from(bytes >> 20).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn name_should_be_accepted_by_the_chain_when_it_is_odd() {
		assert_eq!(short_name("Adapter\u{7}\n 1"), "Adapter 1");
		assert_eq!(short_name("\n"), "unnamed");
		let long = short_name(&"ü".repeat(80));
		assert!(long.len() <= MAX_NAME && long.starts_with('ü'));
		assert!(memory_mib() > 0);
	}
}
