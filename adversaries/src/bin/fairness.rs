//! `make honest` and `make mutants`: thousands of random jobs against the engines, the referee and
//! the runtime.

use assay_adversaries::fairness::{honest, mutants, random_seed, Failure, Plan};
use clap::{Args, Parser, Subcommand};
use std::process::ExitCode;

/// Random honest runs must stand, random mutations must fall. Exits with 1 at the first that does
/// not.
#[derive(Parser)]
#[command(name = "fairness")]
struct Options {
	#[command(subcommand)]
	what: What,
}

#[derive(Subcommand)]
enum What {
	/// Honest jobs through commit, verify and settle, and proofs ruled against them.
	Honest {
		#[command(flatten)]
		cases: Cases,
		/// Run every so many-th case on the GPU engine too; 0 for none.
		#[arg(long, default_value_t = 2, value_name = "N")]
		gpu_every: u64,
	},
	/// One flipped bit in a run: found and proved, every time.
	Mutants {
		#[command(flatten)]
		cases: Cases,
		/// Put every so many-th case through the whole runtime, with lanes.
		#[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
		chain_every: u64,
	},
}

#[derive(Args)]
struct Cases {
	/// How many cases.
	#[arg(long, default_value_t = 10_000)]
	count: u64,
	/// Seed of all cases; random where none is given.
	#[arg(long)]
	seed: Option<u64>,
	/// Number of the first case.
	#[arg(long, default_value_t = 0)]
	first: u64,
	/// Threads that share the cases; as many as there are cores where none are given.
	#[arg(long)]
	threads: Option<usize>,
}

impl Cases {
	fn plan(&self) -> Plan {
		let cores = std::thread::available_parallelism().map_or(1, usize::from);
		Plan {
			seed: self.seed.unwrap_or_else(random_seed),
			first: self.first,
			count: self.count,
			threads: self.threads.unwrap_or(cores).max(1),
			loud: true,
		}
	}
}

/// Says what failed and how to have it again.
fn tell(what: &str, seed: u64, extra: &str, failure: &Failure) -> ExitCode {
	println!("case {} failed: {}", failure.case, failure.what);
	let program = std::env::args().next().unwrap_or_else(|| "fairness".into());
	println!("again: {program} {what} --seed {seed} --first {} --count 1{extra}", failure.case);
	ExitCode::FAILURE
}

fn main() -> ExitCode {
	match Options::parse().what {
		What::Honest { cases, gpu_every } => {
			let plan = cases.plan();
			println!("honest: {} jobs, SEED={}", plan.count, plan.seed);
			let (gpu, report) = honest::gpu();
			match gpu {
				_ if gpu_every == 0 => println!("no GPU engine, as asked for"),
				Some(_) => println!("1 case in {gpu_every} also on {report}"),
				None => println!("no GPU engine on this machine: {report}"),
			}
			let outcome = honest::run(plan, gpu_every);
			let all = match outcome {
				Ok(all) => all,
				Err(failure) => {
					let extra = format!(" --gpu-every {}", gpu_every.min(1));
					return tell("honest", plan.seed, &extra, &failure);
				}
			};
			let seconds = all.time.as_secs_f64();
			println!(
				"{} jobs paid in {} blocks, {} drew nobody, 0 slashed, 0 roots differ; {} runs on the GPU engine; \
				 {} proofs against honest runs, {} of them on the chain: 0 accepted; {} programs refused and \
				 replaced",
				all.paid,
				all.blocks,
				all.undrawn,
				all.on_gpu,
				all.proofs,
				all.proofs_on_chain,
				all.refused
			);
			println!("{seconds:.1} s, {:.0} jobs a second", all.paid as f64 / seconds);
		}
		What::Mutants { cases, chain_every } => {
			let plan = cases.plan();
			println!("mutants: {} lies, SEED={}", plan.count, plan.seed);
			let all = match mutants::run(plan, chain_every) {
				Ok(all) => all,
				Err(failure) => {
					let extra = format!(" --chain-every {chain_every}");
					return tell("mutants", plan.seed, &extra, &failure);
				}
			};
			let seconds = all.time.as_secs_f64();
			println!(
				"{} lies found and proved ({} in padding, {} spread, {} with a made-up list, {} proofs of several \
				 parts), {} demands; \
				 {} also on the chain; {} forged proofs about honest runs: 0 accepted; {} programs refused \
				 and replaced",
				plan.count,
				all.padding,
				all.spreading,
				all.lists,
				all.folds,
				all.demands,
				all.on_chain,
				all.forgeries,
				all.refused
			);
			println!("{seconds:.1} s, {:.0} lies a second", plan.count as f64 / seconds);
		}
	}
	ExitCode::SUCCESS
}
