//! What holds, for hosts and for people.

use nix::errno::Errno;
use serde_json::{json, Value};
use std::fmt;

/// What keeps the process from something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Layer {
	/// Rules for files.
	Landlock,
	/// Rules for system calls.
	Seccomp,
}

impl fmt::Display for Layer {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		f.write_str(match self {
			Layer::Landlock => "Landlock",
			Layer::Seccomp => "seccomp",
		})
	}
}

/// Something that the sealed process tried.
#[derive(Clone, Debug)]
pub struct Probe {
	/// What it is, as in "it can …".
	pub what: &'static str,
	/// What is to prevent it.
	pub layer: Layer,
	/// The error that it ended with; `None` if it worked.
	pub refused: Option<Errno>,
}

/// What holds of the sandbox in this process.
#[derive(Clone, Debug)]
pub struct Report {
	/// Version of Landlock that is in force, or why there is none.
	pub files: Result<u32, String>,
	/// Whether seccomp is in force, or why not.
	pub calls: Result<(), String>,
	/// Whether the process has a network namespace of its own, or why not. It is no layer that must
	/// be there: without sockets no network can be reached.
	pub network: Result<(), String>,
	/// What was tried.
	pub probes: Vec<Probe>,
}

impl Report {
	/// Whether jobs may be run.
	///
	/// # Errors
	/// They may not: which layer is missing and why, what is possible therefore, and what to do.
	pub fn verdict(&self) -> Result<(), String> {
		let holes = self.holes();
		match holes.is_empty() {
			true => Ok(()),
			false => Err(format!(
				"sandbox: this worker takes no job of strangers, for its sandbox has holes: {}. \
				 Repair that, or accept the risk by --allow-unsandboxed (docs/sandbox.md)",
				holes.join("; "),
			)),
		}
	}

	/// Which layer is missing and why, and what is possible therefore.
	fn holes(&self) -> Vec<String> {
		let mut holes = Vec::new();
		if let Err(why) = &self.files {
			holes.push(format!("Landlock is missing ({why})"));
		}
		if let Err(why) = &self.calls {
			holes.push(format!("seccomp is missing ({why})"));
		}
		for probe in self.probes.iter().filter(|probe| probe.refused.is_none()) {
			holes.push(format!("it can {}, which {} is to prevent", probe.what, probe.layer));
		}
		holes
	}

	/// For programs.
	pub fn to_json(&self) -> Value {
		let probes = self.probes.iter().map(|probe| {
			json!({
				"try": probe.what,
				"layer": probe.layer.to_string(),
				"refused": probe.refused.is_some(),
				"error": probe.refused.map(|error| format!("{error:?}")),
			})
		});
		json!({
			"holds": self.verdict().is_ok(),
			"landlock": self.files.as_ref().ok().map(|abi| format!("abi {abi}")),
			"seccomp": self.calls.is_ok(),
			"network_namespace": self.network.is_ok(),
			"probes": probes.collect::<Vec<_>>(),
			"holes": self.holes(),
			"missing": self.verdict().err(),
		})
	}
}

impl fmt::Display for Report {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		match &self.files {
			Ok(abi) => writeln!(f, "files: Landlock version {abi}")?,
			Err(why) => writeln!(f, "files: open, {why}")?,
		}
		match &self.calls {
			Ok(()) => writeln!(f, "system calls: seccomp")?,
			Err(why) => writeln!(f, "system calls: open, {why}")?,
		}
		match &self.network {
			Ok(()) => writeln!(f, "network: a namespace of its own")?,
			Err(why) => writeln!(f, "network: the machine's, without sockets ({why})")?,
		}
		for probe in &self.probes {
			match probe.refused {
				Some(error) => writeln!(f, "probe: cannot {} ({error:?})", probe.what)?,
				None => writeln!(f, "probe: CAN {}", probe.what)?,
			}
		}
		Ok(())
	}
}
