//! Builds the WebAssembly blob that the chain executes, next to the native crate.

fn main() {
	#[cfg(feature = "std")]
	{
		// A target folder outside the checkout must not make the blob lose the lock file.
		const HINT: &str = "WASM_BUILD_WORKSPACE_HINT";
		if std::env::var_os(HINT).is_none() {
			std::env::set_var(HINT, concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
		}
		substrate_wasm_builder::WasmBuilder::build_using_defaults();
	}
}
