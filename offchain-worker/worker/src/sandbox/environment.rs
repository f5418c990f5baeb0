//! Environment variables.

use std::{env, path::Path};

/// Environment variables that stay: those that choose and configure drivers, and language settings.
/// A name that ends in `*` stands for all that begin so.
const KEPT: &[&str] = &[
	"ASSAY_ADAPTER",
	"ASSAY_CACHE_DIR",
	"VK_*",
	"MESA_*",
	"LP_*",
	"GALLIUM_*",
	"NVIDIA_*",
	"CUDA_*",
	"RADV_*",
	"DRI_PRIME",
	"WGPU_*",
	"RAYON_NUM_THREADS",
	"RUST_BACKTRACE",
	"LD_LIBRARY_PATH",
	"XDG_RUNTIME_DIR",
	"XDG_DATA_DIRS",
	"XDG_CONFIG_DIRS",
	"PATH",
	"LANG",
	"LC_ALL",
];

fn is_kept(name: &str) -> bool {
	KEPT.iter().any(|kept| match kept.strip_suffix('*') {
		Some(prefix) => name.starts_with(prefix),
		None => name == *kept,
	})
}

/// Removes all environment variables but those that are needed, and has drivers keep their caches
/// in `dir`. Call it while there is one thread.
pub fn clear_environment(dir: &Path) {
	for (name, _) in env::vars_os() {
		if !name.to_str().is_some_and(is_kept) {
			env::remove_var(name);
		}
	}
	for name in ["HOME", "XDG_CACHE_HOME", "TMPDIR"] {
		env::set_var(name, dir);
	}
}

#[cfg(test)]
mod tests {
	#[test]
	fn environment_should_keep_only_what_drivers_need() {
		for kept in ["VK_ICD_FILENAMES", "XDG_RUNTIME_DIR", "LD_LIBRARY_PATH", "ASSAY_ADAPTER"] {
			assert!(super::is_kept(kept), "{kept}");
		}
		for cleared in ["HOME", "SSH_AUTH_SOCK", "LD_PRELOAD", "VKX", "ASSAY_SEED", ""] {
			assert!(!super::is_kept(cleared), "{cleared}");
		}
	}
}
