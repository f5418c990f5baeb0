//! The flags of `assay provider run`.

use crate::{amount::Amount, runner::WorkerFlags};
use clap::Args;

/// `assay provider run`
#[derive(Clone, Debug, Args)]
pub struct ProviderRun {
	/// Adapter to run on: a number or name of `assay devices`, cpu or auto
	#[arg(long, env = "ASSAY_ADAPTER", default_value = "auto")]
	pub adapter: String,
	/// Where the worker is.
	#[command(flatten)]
	pub worker: WorkerFlags,
	/// Claim only jobs that pay at least this much, in ASY
	#[arg(long, value_name = "ASY", default_value = "0")]
	pub min_price: Amount,
	/// Claim only jobs that pay at least this much for 10^9 work units, in ASY [default: the
	/// chain's work_price]
	#[arg(long, value_name = "ASY")]
	pub min_price_per_work: Option<Amount>,
	/// Put up at most this much for one job, in ASY [default: half of the free stake]
	#[arg(long, value_name = "ASY")]
	pub max_bond: Option<Amount>,
	/// Also claim jobs whose inputs nobody attests to hold
	#[arg(long)]
	pub accept_unattested: bool,
	/// A second account that signs answers to challenges: a development path or a private file,
	/// as --key. Nothing of the provider's account then comes before them
	#[arg(long, env = "ASSAY_ANSWER_KEY", hide_env_values = true, value_name = "KEY")]
	pub answer_key: Option<String>,
	/// Tip at most this much for a transaction that saves a bond, in ASY; a tip begins at nothing
	/// and doubles with every block towards the deadline [default: a twentieth of the bond]
	#[arg(long, value_name = "ASY")]
	pub max_tip: Option<Amount>,
	/// Keep at most this many MiB of hash trees and checkpoints of open results, from which
	/// challenges are answered without running the job again; 0: keep none
	#[arg(long, value_name = "MIB", default_value_t = 2048)]
	pub keep_traces: u64,
	/// Claim only this job; repeat for more
	#[arg(long = "job", value_name = "JOB")]
	pub jobs: Vec<u64>,
	/// Claim only jobs whose program needs at most this many MiB; an answer in a dispute may need
	/// as much again beside a run [default: what is available on this machine when a job is looked
	/// at]
	#[arg(long, value_name = "MIB")]
	pub max_memory: Option<u64>,
	/// Stop after the first job has ended
	#[arg(long)]
	pub once: bool,
	/// Claim nothing new: only finish what was begun
	#[arg(long)]
	pub drain: bool,
}
