# Sourced by the other scripts and the Makefile's recipes: which Rust builds what.
# Sets rust_channel and, where Debian's Rust builds the runtime, wasm-builder's variables.
rust_channel=$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)

# The file that `scripts/wasm-from-debian` writes last, so that a broken attempt is not taken for
# one.
debian_wasm_stamp=/usr/lib/rustlib/wasm32v1-none/lib/.assay-complete

wasm_from_rustup() {
	[ "${ASSAY_WASM:-rustup}" = rustup ] &&
		rustup target list --installed --toolchain "$rust_channel" 2>/dev/null |
		grep -qx wasm32v1-none
}
wasm_from_debian() { [ -e "$debian_wasm_stamp" ] && rustup toolchain list | grep -q '^assay-wasm'; }
wasm_source() {
	if wasm_from_rustup; then echo rustup; elif wasm_from_debian; then echo Debian; else
		echo nowhere
	fi
}

if ! wasm_from_rustup && wasm_from_debian; then
	# Only the runtime blob uses Debian's compiler; the node keeps the pinned one.
	export WASM_BUILD_TOOLCHAIN=assay-wasm
	export CARGO_TARGET_WASM32V1_NONE_LINKER=wasm-ld-22
fi
