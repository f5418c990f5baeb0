//! What hostile bytes may not do.
//!
//! Every decoder that reads bytes of strangers has a target here: a function that takes any bytes
//! and panics if a promise is broken. The same functions serve
//!
//! * the tests of this crate, which run the committed corpus and a few thousand mutations of it,
//!   and
//! * libFuzzer, in the workspace `targets` beside this crate:
//!   `make fuzz TARGET=program SECONDS=60`.
//!
//! `corpus/<target>` holds small files that the real encoders gave, named by what they are
//! ([`seeds`]). After a change of a format they are written again with
//! `ASSAY_WRITE_CORPUS=1 cargo test -p assay-fuzz`.

#[cfg(feature = "calls")]
mod calls;
mod file_seeds;
mod files;
mod frames;
mod honest;
pub mod mutate;
mod program;
mod proof;
mod sample;
pub mod seeds;

#[cfg(feature = "calls")]
pub use calls::calls;
pub use files::{description, npz, onnx, safetensors};
pub use frames::frames;
pub use program::program;
pub use proof::proof;
pub use sample::sample;

/// A fuzz target.
pub struct Target {
	/// Its name: that of the libFuzzer binary and of the corpus folder.
	pub name: &'static str,
	/// Takes any bytes; panics if a promise is broken.
	pub run: fn(&[u8]),
	/// What the real encoders give, with names.
	pub seeds: fn() -> Vec<(String, Vec<u8>)>,
	/// Mutations that an ordinary test tries.
	pub mutations: u32,
}

/// All targets.
pub const TARGETS: &[Target] = &[
	Target { name: "program", run: program, seeds: seeds::program, mutations: 40_000 },
	Target { name: "proof", run: proof, seeds: seeds::proof, mutations: 20_000 },
	Target { name: "sample", run: sample, seeds: seeds::sample, mutations: 40_000 },
	Target { name: "frames", run: frames, seeds: seeds::frames, mutations: 40_000 },
	Target { name: "onnx", run: onnx, seeds: file_seeds::onnx, mutations: 30_000 },
	Target { name: "npz", run: npz, seeds: file_seeds::npz, mutations: 20_000 },
	Target {
		name: "safetensors",
		run: safetensors,
		seeds: file_seeds::safetensors,
		mutations: 40_000,
	},
	Target {
		name: "description",
		run: description,
		seeds: file_seeds::description,
		mutations: 3_000,
	},
	#[cfg(feature = "calls")]
	Target { name: "calls", run: calls, seeds: calls::seeds, mutations: 20_000 },
];
