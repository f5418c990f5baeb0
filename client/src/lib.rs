//! The command line of Assay, for requesters, providers and auditors.
//!
//! It reaches the chain only through a node's RPC and the metadata that the node serves: nothing of
//! the runtime is compiled in, values are read by name. Programs, canonical bytes, commitments and
//! runs come from the primitives and engines that the validators use as well.
//!
//! * [`cli`]: the commands. Each has its flags and what it does in one file of `commands`.
//! * [`context`]: what every command stands on; [`connection`]: how a lost node is found again.
//! * [`chain`]: connection, transactions, jobs, blobs.
//! * [`provider`]: the state machine of a provider and its database.
//! * [`challenge`]: the state machine of a challenger. [`patrol`]: which results a watcher looks
//!   at.
//! * [`runner`]: runs strangers' programs in sandboxed workers. [`replay`]: does so for a dispute
//!   about a result.
//! * [`executed`]: what is left of a run; [`kept`]: hash trees and checkpoints of it on disk.
//! * [`device`]: the engine of this machine, for programs of our own.
//! * [`tensors`]: safetensors files to job inputs and back.
//! * [`key`], [`amount`], [`hash`], [`explain`], [`output`], [`error`]: what a user meets.

#![warn(missing_docs)]

pub mod amount;
pub mod chain;
pub mod challenge;
pub mod cli;
mod commands;
pub mod connection;
pub mod context;
pub mod device;
pub mod error;
pub mod executed;
pub mod explain;
pub mod files;
pub mod hash;
pub mod kept;
pub mod key;
pub mod memory;
pub mod npz;
pub mod output;
pub mod patrol;
pub mod peer;
pub mod private;
pub mod program;
pub mod provider;
pub mod replay;
pub mod runner;
mod stop;
pub mod tensors;

use clap::Parser;
use std::{ffi::OsString, process::ExitCode};

/// Runs one command line and says how it went: 0 done, 1 failed, 2 wrong usage, 3 the job ended
/// without payment or a result differs, 4 a challenge could not bring a differing result down, 5 an
/// imported model misses its target, 6 a fault of this program.
pub fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
	let args: Vec<_> = args.collect();
	let json = args.iter().any(|a| a == "--json");
	let ui = output::Ui::new(json);
	let cli = match cli::Cli::try_parse_from(&args) {
		Ok(cli) => cli,
		Err(e) if json && e.use_stderr() => {
			let text = e.render().to_string();
			let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
			let error = error::Error::new("usage", message).fix("run the command with --help");
			ui.document(&error.to_json());
			return ExitCode::from(2);
		}
		Err(e) => {
			// A closed pipe is no reason to fail.
			let _ = e.print();
			return ExitCode::from(if e.use_stderr() { 2 } else { 0 });
		}
	};
	let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
		Ok(runtime) => runtime,
		Err(e) => {
			eprintln!("error: cannot start threads: {e}");
			return ExitCode::FAILURE;
		}
	};
	let outcome = runtime.block_on(cli::run(cli, ui));
	// An engine that still computes must not keep a finished command alive.
	runtime.shutdown_background();
	match outcome {
		Ok(code) => ExitCode::from(code),
		Err(error) => {
			if json {
				ui.document(&error.to_json());
			} else {
				ui.note(format!("error: {error}"));
			}
			match error.code == context::FAULT_CODE {
				true => ExitCode::from(context::FAULT),
				false => ExitCode::FAILURE,
			}
		}
	}
}
