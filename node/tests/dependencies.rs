//! What the node must not be linked with.

use std::process::Command;

/// Jobs run in worker processes, so that a broken driver cannot take the node with it.
#[test]
fn node_should_have_no_gpu_code_when_its_dependencies_are_listed() {
	let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
	let tree = Command::new(cargo)
		.args(["tree", "--locked", "--offline", "--package", "assay-node"])
		.args(["--edges", "normal", "--prefix", "none", "--format", "{p}"])
		.current_dir(std::env::var("CARGO_MANIFEST_DIR").unwrap())
		// With features unified over the workspace, the tree would list the workspace's other
		// roots.
		.env_remove("CARGO_RESOLVER_FEATURE_UNIFICATION")
		.output()
		.expect("cargo runs where tests are built");
	assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
	let tree = String::from_utf8(tree.stdout).expect("package names are UTF-8");
	let names: Vec<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
	assert!(names.contains(&"assay-verifier-service"), "this is not the node's tree:\n{tree}");
	for gpu in ["wgpu", "wgpu-core", "wgpu-hal", "naga", "ash", "assay-gpu"] {
		assert!(!names.contains(&gpu), "the node depends on {gpu}");
	}
}
