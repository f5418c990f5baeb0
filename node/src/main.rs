//! # Assay node
//!
//! The binary of the Assay chain, `assay-node`: authors, imports and finalizes blocks, keeps a
//! store of blobs, serves RPC, and on validators starts the service that verifies drawn jobs in
//! separate worker processes. The node itself links no code that touches a GPU.
//!
//! * `chain_spec`: the networks that the binary knows by name.
//! * `cli`, `command`: the command line.
//! * `client`: the types that the parts share.
//! * `service`: the parts of a running node and how they are joined.
//! * `rpc`: what clients can ask for.

// The errors of sc-cli and sc-service are large; they are theirs, and made once per run.
#![allow(clippy::result_large_err)]

mod blobs;
mod chain_spec;
mod cli;
mod client;
mod command;
mod finality;
mod hooks;
mod rpc;
mod service;

fn main() -> sc_cli::Result<()> {
	// The database holds verdicts and their salts before they are opened, and the folders beside it
	// keys and blobs: whatever this process makes is for its owner alone.
	nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
	command::run()
}
