//! The worker's binary: where it is, whether it is of this version, and how it is started.

use crate::{Fault, Settings};
use assay_worker_protocol::PACKAGE_VERSION;
use std::{
	ffi::OsStr,
	path::{Path, PathBuf},
	process::Stdio,
	time::Duration,
};
use tokio::{process::Command, time::timeout};

/// Name of the worker binary.
pub const WORKER: &str = "assay-worker";

/// What a worker keeps of the host's environment: where the Vulkan loader and its drivers are and
/// how they are set. A name that ends in `*` stands for all that begin so.
const ENVIRONMENT: &[&str] = &[
	"CUDA_*",
	"DRI_PRIME",
	"GALLIUM_*",
	"LD_LIBRARY_PATH",
	"LP_*",
	"MESA_*",
	"NVIDIA_*",
	"RADV_*",
	"RAYON_NUM_THREADS",
	"RUST_BACKTRACE",
	"VK_*",
	"WGPU_*",
	"XDG_CONFIG_DIRS",
	"XDG_DATA_DIRS",
	"XDG_RUNTIME_DIR",
];

/// Where the worker binary is: the path that was given, or beside the running binary.
pub fn find_worker(given: Option<PathBuf>) -> PathBuf {
	let given = given.map(|path| std::path::absolute(&path).unwrap_or(path));
	given.unwrap_or_else(|| match std::env::current_exe() {
		Ok(host) => host.with_file_name(WORKER),
		Err(_) => WORKER.into(),
	})
}

/// Runs `WORKER --version` and compares the answer with this version.
///
/// # Errors
/// [`Fault::WorkerMissing`] and [`Fault::WorkerVersion`].
pub async fn check_version(worker: &Path) -> Result<(), Fault> {
	let missing = |error: String| Fault::WorkerMissing(format!("{}: {error}", worker.display()));
	let run = Command::new(worker)
		.arg("--version")
		.env_clear()
		.stdin(Stdio::null())
		.stderr(Stdio::null())
		.kill_on_drop(true)
		.output();
	let output = timeout(Duration::from_secs(10), run)
		.await
		.map_err(|_| missing("no answer to --version in 10 s".into()))?
		.map_err(|error| missing(error.to_string()))?;
	let answer = String::from_utf8_lossy(&output.stdout[..output.stdout.len().min(100)]);
	let found = answer.trim();
	let wanted = format!("{WORKER} {PACKAGE_VERSION}");
	if output.status.success() && found == wanted {
		Ok(())
	} else {
		Err(Fault::WorkerVersion { found: found.into(), wanted })
	}
}

/// The worker, with nothing of this process but what it is meant to have: no key, no environment of
/// the user's, no open file.
pub(crate) fn command(settings: &Settings) -> Command {
	let mut command = Command::new(&settings.worker);
	command
		.env_clear()
		.envs(std::env::vars_os().filter(|(name, _)| is_inherited(name)))
		.env("ASSAY_CACHE_DIR", settings.dir.join("cache"))
		.stdin(Stdio::null())
		.stdout(Stdio::null())
		.process_group(0)
		.kill_on_drop(true);
	command
}

/// Whether a worker keeps a variable of this name of the host's environment.
pub fn is_inherited(name: &OsStr) -> bool {
	let Some(name) = name.to_str() else { return false };
	ENVIRONMENT.iter().any(|kept| match kept.strip_suffix('*') {
		Some(prefix) => name.starts_with(prefix),
		None => name == *kept,
	})
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn environment_should_hold_drivers_and_no_key_or_home() {
		for kept in ["VK_DRIVER_FILES", "LP_NUM_THREADS", "LD_LIBRARY_PATH"] {
			assert!(is_inherited(OsStr::new(kept)), "{kept}");
		}
		for dropped in ["ASSAY_KEY", "HOME", "PATH", "LD_PRELOAD", "DISPLAY", "AWS_SECRET"] {
			assert!(!is_inherited(OsStr::new(dropped)), "{dropped}");
		}
	}

	#[tokio::test]
	async fn other_programs_should_be_refused_by_name() {
		let missing = check_version(Path::new("/no/such/worker")).await.unwrap_err();
		assert!(matches!(missing, Fault::WorkerMissing(text) if text.contains("/no/such/worker")));
		let other = check_version(Path::new("/bin/echo")).await.unwrap_err();
		assert!(matches!(other, Fault::WorkerVersion { .. }), "{other}");
	}
}
