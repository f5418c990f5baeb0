//! Runs programs on a GPU through wgpu, bit for bit like the definition.
//!
//! # Overview
//! [`best_executor`] gives the executor that a [`Choice`] asks for, and a [`DeviceReport`] that
//! says what it is and why. [`adapters`] lists what there is. Every kernel works in 32-bit integers
//! (64-bit ones in two limbs); none in floating point. Every operator has one, and tensors stay on
//! the device until they are outputs or are kept: anchors are hashed there, and only their roots
//! are read back. A self-test on first use of an adapter switches off kernels that its driver gets
//! wrong; operators whose kernel is off, and those on tensors larger than the device takes, run on
//! the CPU within the same run.
//!
//! A machine without an adapter, or without a Vulkan loader, gets the CPU engine, and the report
//! says so.
//!
//! # Faults
//! Whatever a device or driver does (loss, lack of memory, refusal, panic in the driver layer) is
//! an [`assay_exec::ExecError::Device`], which is a local fault, never a statement about the job.
#![warn(missing_docs)]

mod backend;
mod device;
mod executor;
mod kernels;
mod self_test;
mod shader;
mod timing;

pub use assay_exec::measure_rate;
pub use device::{DeviceError, Transfers};
pub use executor::GpuExecutor;
pub use kernels::{
	ElementwiseKernel, GenerateKernel, Kernel, MovesKernel, ProductKernel, ReduceKernel,
	RootKernel, RowKernel, TableKernel, WindowKernel,
};
pub use self_test::FailedKernel;
pub use timing::Link;

use assay_exec::{CpuExecutor, Executor};
use core::{convert::Infallible, fmt, str::FromStr};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// An adapter that can be opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdapterInfo {
	/// Position, by which it can be chosen.
	pub index: usize,
	/// Name, by any part of which it can be chosen.
	pub name: String,
	/// Graphics interface: `vulkan`.
	pub backend: String,
	/// Driver and its version.
	pub driver: String,
	/// `discrete`, `integrated`, `virtual`, `software` or `other`.
	pub kind: String,
	/// Vendor and device number, of use for telling drivers' machines apart.
	pub identity: String,
}

impl AdapterInfo {
	fn new(index: usize, info: &wgpu::AdapterInfo) -> Self {
		let kind = match info.device_type {
			wgpu::DeviceType::DiscreteGpu => "discrete",
			wgpu::DeviceType::IntegratedGpu => "integrated",
			wgpu::DeviceType::VirtualGpu => "virtual",
			wgpu::DeviceType::Cpu => "software",
			wgpu::DeviceType::Other => "other",
		};
		Self {
			index,
			name: info.name.clone(),
			backend: info.backend.to_str().into(),
			driver: format!("{} {}", info.driver, info.driver_info).trim().into(),
			kind: kind.into(),
			identity: format!("{:04x}:{:04x}", info.vendor, info.device),
		}
	}
}

/// Every adapter of this machine; empty without a driver or a Vulkan loader.
pub fn adapters() -> Vec<AdapterInfo> {
	device::enumerate()
		.iter()
		.enumerate()
		.map(|(index, adapter)| AdapterInfo::new(index, &adapter.get_info()))
		.collect()
}

/// Which device to run on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Choice {
	/// The best GPU; the CPU engine where there is none. A software adapter is slower than the CPU
	/// engine, so it is only taken when asked for by name or number.
	#[default]
	Auto,
	/// The best GPU, a software adapter such as lavapipe where there is no other: always wgpu.
	Gpu,
	/// The CPU engine.
	Cpu,
	/// The adapter at this position of [`adapters`].
	Index(usize),
	/// The first adapter whose name holds this text, upper and lower case being the same.
	Name(String),
}

impl FromStr for Choice {
	type Err = Infallible;

	/// `auto` or nothing, `gpu`, `cpu`, a number, or a part of a name.
	fn from_str(text: &str) -> Result<Self, Infallible> {
		let text = text.trim();
		Ok(match text.to_ascii_lowercase().as_str() {
			"" | "auto" => Self::Auto,
			"gpu" => Self::Gpu,
			"cpu" => Self::Cpu,
			lower => lower.parse().map_or_else(|_| Self::Name(text.into()), Self::Index),
		})
	}
}

impl fmt::Display for Choice {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		match self {
			Self::Auto => f.write_str("auto"),
			Self::Gpu => f.write_str("gpu"),
			Self::Cpu => f.write_str("cpu"),
			Self::Index(index) => write!(f, "{index}"),
			Self::Name(name) => f.write_str(name),
		}
	}
}

impl Choice {
	/// What a flag says, or else the environment variable `ASSAY_ADAPTER`, or else
	/// [`Choice::Auto`].
	pub fn select(flag: Option<&str>) -> Self {
		Self::first_of(flag, std::env::var("ASSAY_ADAPTER").ok().as_deref())
	}

	fn first_of(flag: Option<&str>, environment: Option<&str>) -> Self {
		match flag.or(environment).unwrap_or_default().parse() {
			Ok(choice) => choice,
			Err(never) => match never {},
		}
	}

	/// The adapter that is meant.
	///
	/// Error: why none is, in words.
	pub fn adapter(&self) -> Result<AdapterInfo, String> {
		let found = self.find(&adapters()).cloned();
		found.map_err(|reason| reason.unwrap_or_else(|| "the CPU engine is meant".into()))
	}

	/// The adapter that is meant, or why none is. `Err(None)` asks for the CPU.
	fn find<'a>(&self, adapters: &'a [AdapterInfo]) -> Result<&'a AdapterInfo, Option<String>> {
		let lacking = |text: String| match adapters {
			[] => Some(format!("{text}: this machine has no adapter or no Vulkan loader")),
			_ => Some(text),
		};
		match self {
			Self::Cpu => Err(None),
			Self::Index(index) => {
				adapters.get(*index).ok_or_else(|| lacking(format!("there is no adapter {index}")))
			}
			Self::Name(name) => adapters
				.iter()
				.find(|info| info.name.to_lowercase().contains(&name.to_lowercase()))
				.ok_or_else(|| lacking(format!("no adapter is called \"{name}\""))),
			Self::Auto => best_gpu(adapters).ok_or_else(|| match adapters {
				[] => lacking("there is no GPU".into()),
				_ => Some("there is only a software adapter, slower than the CPU engine".into()),
			}),
			Self::Gpu => best_gpu(adapters)
				.or_else(|| adapters.first())
				.ok_or_else(|| lacking("there is no GPU".into())),
		}
	}
}

/// The adapter that is likely the fastest, software ones left aside.
fn best_gpu(adapters: &[AdapterInfo]) -> Option<&AdapterInfo> {
	["discrete", "integrated", "virtual", "other"]
		.iter()
		.find_map(|kind| adapters.iter().find(|info| info.kind == *kind))
}

/// What kind of engine runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
	/// A wgpu adapter.
	Gpu,
	/// The CPU engine.
	Cpu,
}

/// What an executor runs on, for logs, status pages and `--json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceReport {
	/// Adapter, or instruction set of the CPU engine.
	pub name: String,
	/// Graphics interface, or `cpu`.
	pub backend: String,
	/// Driver and its version; empty for the CPU engine.
	pub driver: String,
	/// GPU or CPU engine.
	pub kind: DeviceKind,
	/// Kernels that failed the self-test; their operators run on the CPU.
	pub disabled_kernels: Vec<FailedKernel>,
	/// Whether the self-test's outcome was recalled from an earlier start.
	pub self_test_cached: bool,
	/// Why the CPU engine runs although it was not asked for.
	pub fallback: Option<String>,
}

impl DeviceReport {
	fn cpu(name: String, fallback: Option<String>) -> Self {
		Self {
			name,
			backend: "cpu".into(),
			driver: String::new(),
			kind: DeviceKind::Cpu,
			disabled_kernels: Vec::new(),
			self_test_cached: false,
			fallback,
		}
	}
}

impl fmt::Display for DeviceReport {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		f.write_str(&self.name)?;
		if self.kind == DeviceKind::Gpu {
			write!(f, " ({}, {})", self.backend, self.driver)?;
		}
		if let Some(reason) = &self.fallback {
			write!(f, "; {reason}")?;
		}
		if !self.disabled_kernels.is_empty() {
			let names: Vec<_> = self.disabled_kernels.iter().map(|k| k.name.as_str()).collect();
			write!(f, "; kernels off: {}", names.join(", "))?;
		}
		Ok(())
	}
}

/// Where the self-test's outcomes are kept: `ASSAY_CACHE_DIR`, or `assay` in the user's cache
/// folder.
pub fn default_cache_dir() -> Option<PathBuf> {
	let variable =
		|name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
	variable("ASSAY_CACHE_DIR")
		.or_else(|| variable("XDG_CACHE_HOME").map(|folder| folder.join("assay")))
		.or_else(|| variable("HOME").map(|folder| folder.join(".cache").join("assay")))
}

/// The executor that `choice` asks for; `cache_dir` as in [`GpuExecutor::open`], `None` for
/// [`default_cache_dir`].
///
/// Where a GPU was asked for and there is none, or it does not open, the CPU engine stands in and
/// the report says why: the results are the same, only slower.
pub fn best_executor(
	choice: &Choice,
	cache_dir: Option<&Path>,
) -> (Box<dyn Executor + Send>, DeviceReport) {
	let on_cpu = |fallback: Option<String>| {
		if let Some(reason) = &fallback {
			log::info!("computing on the CPU: {reason}");
		}
		let executor = CpuExecutor::new();
		let report = DeviceReport::cpu(executor.name(), fallback);
		(Box::new(executor) as Box<dyn Executor + Send>, report)
	};
	if *choice == Choice::Cpu {
		return on_cpu(None);
	}
	let adapters = adapters();
	let info = match choice.find(&adapters) {
		Ok(info) => info,
		Err(reason) => return on_cpu(reason),
	};
	let default = default_cache_dir();
	match GpuExecutor::open(info.index, cache_dir.or(default.as_deref())) {
		Ok(executor) => {
			let report = executor.report().clone();
			(Box::new(executor), report)
		}
		Err(error) => on_cpu(Some(format!("{} does not open: {error}", info.name))),
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn choice_should_follow_the_flag_when_both_flag_and_environment_are_there() {
		let llvm = Some("LLVM");
		assert_eq!(Choice::first_of(None, llvm), Choice::Name("LLVM".into()));
		assert_eq!(Choice::first_of(Some("auto"), llvm), Choice::Auto);
		assert_eq!(Choice::first_of(Some("CPU"), llvm), Choice::Cpu);
		assert_eq!(Choice::first_of(Some(" 2 "), llvm), Choice::Index(2));
		assert_eq!(Choice::first_of(None, None), Choice::Auto);
		for text in ["auto", "gpu", "cpu", "7", "radeon"] {
			assert_eq!(Choice::first_of(Some(text), None).to_string(), text);
		}
	}

	#[test]
	fn choice_should_find_the_best_real_gpu_when_it_is_auto() {
		let adapter = |index, kind: &str| AdapterInfo {
			index,
			name: format!("{kind} device"),
			backend: "vulkan".into(),
			driver: String::new(),
			kind: kind.into(),
			identity: String::new(),
		};
		let all = ["software", "integrated", "discrete"];
		let all: Vec<_> = all.iter().enumerate().map(|(at, kind)| adapter(at, kind)).collect();
		assert_eq!(Choice::Auto.find(&all).unwrap().index, 2);
		assert_eq!(Choice::Auto.find(&all[..2]).unwrap().index, 1);
		assert!(Choice::Auto.find(&all[..1]).unwrap_err().unwrap().contains("software"));
		assert_eq!(Choice::Gpu.find(&all).unwrap().index, 2);
		assert_eq!(Choice::Gpu.find(&all[..1]).unwrap().index, 0);
		assert!(Choice::Gpu.find(&[]).unwrap_err().unwrap().contains("Vulkan"));
		assert_eq!(Choice::Name("SOFT".into()).find(&all).unwrap().index, 0);
		assert_eq!(Choice::Cpu.find(&all), Err(None));
	}
}
