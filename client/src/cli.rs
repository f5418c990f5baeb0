//! The commands and their flags.

use crate::{
	amount::Amount, context::Global, error::Error, hash::parse_hash, runner::WorkerFlags,
	tensors::InputArg,
};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

const EXAMPLES: &str = "Examples:
  assay model import mlp.onnx --calibrate samples.npz --out mlp
  assay program register digits.program --key //Dave
  assay job post --program digits.program --input images=digits.safetensors \\
      --weights mlp.safetensors --price-max 5 --key //Dave --wait --output-dir out
  assay job why 7
  assay provider run --key //Charlie
  assay verify 7
  assay challenge 7 --key //Eve

Every command takes --json for scripts: one document, or one line per event, and
{\"error\":{\"code\",\"message\",\"fix\"}} when it fails. Exit codes: 0 done, 1 failed,
2 wrong usage, 3 the job ended without payment or a result differs, 4 a challenge could not
bring a differing result down, 5 an imported model misses its --target, 6 a fault of assay itself.";

/// Rent ML compute that is paid for only when its result is right.
#[derive(Debug, Parser)]
#[command(name = "assay", version, after_help = EXAMPLES, propagate_version = true)]
#[command(arg_required_else_help = true)]
pub struct Cli {
	/// Flags of all commands.
	#[command(flatten)]
	pub global: Global,
	/// What to do.
	#[command(subcommand)]
	pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
	/// Inspect and register programs
	#[command(subcommand)]
	Program(ProgramCommand),
	/// Import ordinary float models as programs, and run them on float samples
	#[command(subcommand)]
	Model(ModelCommand),
	/// Upload and download blobs: tensors by their BLAKE3 root
	#[command(subcommand)]
	Blob(BlobCommand),
	/// Post jobs and follow them
	#[command(subcommand)]
	Job(JobCommand),
	/// Earn by running jobs
	#[command(subcommand)]
	Provider(ProviderCommand),
	/// Run a job again on this machine and compare its roots with the chain's
	Verify(Verify),
	/// Prove a job's result wrong: replay it here, and where it differs lead the dispute to its end
	Challenge(Challenge),
	/// Earn by finding wrong results: replay every revealed result, and challenge those that differ
	Watch(Watch),
	/// The account's persistent identity
	#[command(subcommand)]
	Identity(IdentityCommand),
	/// The account's bond
	#[command(subcommand)]
	Stake(StakeCommand),
	/// List adapters with self-test result and measured rate
	Devices(Devices),
}

/// `assay model train`
#[derive(Debug, Args)]
pub struct Train {
	/// Layers, optimizer, learning rate, batch and steps (docs/training.md)
	#[arg(value_name = "DESCRIPTION.json")]
	pub description: PathBuf,
	/// NumPy archive with x and y, or tokens, and perhaps order
	#[arg(long, value_name = "FILE.npz")]
	pub data: PathBuf,
	/// First weights by name [default: at random from the description's seed]
	#[arg(long, value_name = "FILE.npz", conflicts_with = "resume")]
	pub weights: Option<PathBuf>,
	/// How many steps now [default: all that are left]
	#[arg(long, value_name = "N")]
	pub steps: Option<u32>,
	/// Steps between checkpoints and lines of progress
	#[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
	pub every: u32,
	/// Write the newest state there
	#[arg(long, value_name = "DIR")]
	pub checkpoint: Option<PathBuf>,
	/// Go on from the state there
	#[arg(long, value_name = "DIR")]
	pub resume: Option<PathBuf>,
	/// Write weights there
	#[arg(long, value_name = "FILE.npz")]
	pub output: Option<PathBuf>,
	/// Write the loss curve there
	#[arg(long, value_name = "FILE.csv")]
	pub loss: Option<PathBuf>,
	/// Write the training program there
	#[arg(long, value_name = "FILE")]
	pub program: Option<PathBuf>,
	/// Write what the program reads there, for `assay job post --weights`: the job then takes the same steps. With
	/// --steps 0 nothing is run here
	#[arg(long, value_name = "FILE.safetensors")]
	pub inputs: Option<PathBuf>,
	/// Say what each operator took
	#[arg(long)]
	pub profile: bool,
}

/// `assay program …`
#[derive(Debug, Subcommand)]
pub enum ProgramCommand {
	/// Show inputs, outputs, work units and checks of a program file or a registered program
	#[command(after_help = "Example:\n  assay program inspect digits.program")]
	Inspect {
		/// Program file, or 0x id of a registered program
		#[arg(value_name = "FILE|ID")]
		program: String,
	},
	/// Register a program; the chain checks it and keeps a deposit
	#[command(after_help = "Example:\n  assay program register digits.program --key //Dave")]
	Register {
		/// Program file
		file: PathBuf,
	},
	/// Remove a program that no job needs, and get its deposit back
	Remove {
		/// Its id
		#[arg(value_parser = parse_hash, value_name = "ID")]
		program: [u8; 32],
	},
}

const IMPORT_HELP: &str =
	"Writes model.program, weights.safetensors and model.json into DIR and reports how close the
integer program comes to the float model. Samples are a NumPy archive with one array for each input
of the model, samples along the first dimension: numpy.savez('samples.npz', input_name=array).
docs/models.md lists operators and limits.

On the held-out samples every output must reach --target: snr=DB (signal-to-noise ratio), cosine=NUMBER
(mean cosine of a sample), top1=POINTS (most points of accuracy lost: rows with another largest element);
snr=20 unless given. A model that misses it is reported, not written (--keep writes it), and the exit code is 5.
Exit codes: 0 imported, 1 refused or failed, 2 wrong usage, 5 the target is missed, 6 a fault of assay itself.

Examples:
  assay model import mlp.onnx --calibrate samples.npz --out mlp
  assay model import cnn.onnx --calibrate samples.npz --evaluate test.npz --target top1=0.5,cosine=0.99
  assay model run mlp --input test.npz --output results.npz
  assay job post --program mlp/model.program --weights mlp/weights.safetensors …";

const RUN_HELP: &str = "What saturates is counted and named: inputs beyond what the calibration samples showed, and values
inside. Samples that are no finite numbers, and indices outside their table, are refused.
Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 6 a fault of assay itself.

Example:
  assay model run mlp --input test.npz --output results.npz";

const TRAIN_HELP: &str =
	"Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 6 a fault of assay itself.

Example:
  assay model train mlp.json --data digits.npz --output weights.npz";

/// `assay model …`
#[derive(Debug, Subcommand)]
pub enum ModelCommand {
	/// Lower an ONNX model to an integer program and its weights
	#[command(after_help = IMPORT_HELP)]
	Import(ModelImport),
	/// Run an imported model on float samples, on this machine
	#[command(after_help = RUN_HELP)]
	Run(ModelRun),
	/// Train a described network in integers
	#[command(after_help = TRAIN_HELP)]
	Train(Train),
	/// Run ONNX's own tests of each operator (onnx/backend/test/data/node) through the importer
	NodeTests(ModelNodeTests),
}

/// `assay model import`
#[derive(Debug, Args)]
pub struct ModelImport {
	/// The model
	#[arg(value_name = "MODEL.onnx")]
	pub model: PathBuf,
	/// Samples of the inputs, which say how large values are; a few hundred are enough
	#[arg(long, value_name = "FILE.npz")]
	pub calibrate: PathBuf,
	/// Samples to compare on [default: every fifth of the others, left out of the calibration]
	#[arg(long, value_name = "FILE.npz")]
	pub evaluate: Option<PathBuf>,
	/// Folder to write [default: the model's name]
	#[arg(long, value_name = "DIR")]
	pub out: Option<PathBuf>,
	/// Samples in one run, where the model leaves it open [default: those given, at most 16]
	#[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
	pub batch: Option<u32>,
	/// Width of products: 8 bits, 16 bits, or 16 where 8 are too few
	#[arg(long, value_enum, default_value_t = WidthChoice::Mixed)]
	pub width: WidthChoice,
	/// With --width mixed: products with a lower signal-to-noise ratio than this get 16 bits
	#[arg(long, value_name = "DB", default_value_t = 25.0, value_parser = parse_sensitivity)]
	pub sensitivity: f64,
	/// How the range of 8-bit values is chosen: max, mse or a percentile such as 99.99
	#[arg(long, value_name = "RANGE", default_value = "mse", value_parser = parse_range)]
	pub range: assay_frontend::calibrate::Range,
	/// What the held-out result must reach: snr=DB, cosine=NUMBER, top1=POINTS, several with commas
	#[arg(long, value_name = "FIGURE", default_value = "snr=20")]
	pub target: assay_frontend::target::Target,
	/// Write the model even if it misses the target
	#[arg(long)]
	pub keep: bool,
	/// Most memory that the import may take for values, in GiB
	#[arg(long, value_name = "GIB", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=4096))]
	pub max_memory: u32,
}

/// `--width`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WidthChoice {
	/// 8 bits everywhere
	#[value(name = "8")]
	Eight,
	/// 16 bits everywhere
	#[value(name = "16")]
	Sixteen,
	/// 16 bits where 8 are too few
	Mixed,
}

/// `assay model run`
#[derive(Debug, Args)]
pub struct ModelRun {
	/// Folder of an imported model
	#[arg(value_name = "DIR")]
	pub model: PathBuf,
	/// Samples: one array for each input of the model
	#[arg(long, value_name = "FILE.npz")]
	pub input: PathBuf,
	/// Where to write the results: one array for each output of the model
	#[arg(long, value_name = "FILE.npz")]
	pub output: PathBuf,
	/// Say what each operator took
	#[arg(long)]
	pub profile: bool,
}

/// `assay model node-tests`
#[derive(Debug, Args)]
pub struct ModelNodeTests {
	/// Folder of the tests
	#[arg(value_name = "DIR")]
	pub folder: PathBuf,
	/// Only tests whose name contains this
	#[arg(long, value_name = "TEXT")]
	pub only: Option<String>,
}

fn parse_sensitivity(text: &str) -> Result<f64, Error> {
	let value = text.parse::<f64>().ok().filter(|value| value.is_finite());
	value.ok_or_else(|| {
		Error::new("bad-sensitivity", format!("`{text}` is no number of dB"))
			.fix("write a number such as 25; higher ones take more 16-bit products")
	})
}

fn parse_range(text: &str) -> Result<assay_frontend::calibrate::Range, Error> {
	use assay_frontend::calibrate::Range;
	match text {
		"max" => Ok(Range::Max),
		"mse" => Ok(Range::Mse),
		_ => match text.parse::<f64>() {
			Ok(percent) if (50.0..=100.0).contains(&percent) => {
				Ok(Range::Percentile(percent / 100.0))
			}
			_ => Err(Error::new("bad-range", format!("`{text}` is no range"))
				.fix("write max, mse, or a percentile from 50 to 100 such as 99.99")),
		},
	}
}

/// `assay blob …`
#[derive(Debug, Subcommand)]
pub enum BlobCommand {
	/// Upload files as they are; prints their roots
	Put {
		/// Files
		#[arg(required = true)]
		files: Vec<PathBuf>,
	},
	/// Download a blob and check its root
	Get {
		/// Its root
		#[arg(value_parser = parse_hash, value_name = "ROOT")]
		root: [u8; 32],
		/// Where to write it
		#[arg(short, long, value_name = "FILE")]
		output: PathBuf,
		/// Its length; a node that lacks the blob then fetches it from its peers
		#[arg(long, value_name = "LENGTH", value_parser = clap::value_parser!(u64).range(1..))]
		bytes: Option<u64>,
	},
	/// What the node has of a blob
	Status {
		/// Its root
		#[arg(value_parser = parse_hash, value_name = "ROOT")]
		root: [u8; 32],
	},
}

/// `assay job …`
#[derive(Debug, Subcommand)]
pub enum JobCommand {
	/// Upload inputs and post a job
	#[command(after_help = POST_HELP)]
	Post(Post),
	/// Upload inputs and print their roots in the program's order, to post the job by a wallet
	#[command(after_help = INPUTS_HELP)]
	Inputs(JobInputs),
	/// Follow a job to its end, phase by phase
	Watch {
		/// Job id
		job: u64,
	},
	/// Cancel a job: free before a claim, the provider's fee share after it
	Cancel {
		/// Job id
		job: u64,
	},
	/// Say where a job stands or why it ended, and what to do
	Why {
		/// Job id
		job: u64,
	},
	/// List jobs, newest last
	List {
		/// First job id
		#[arg(long, default_value_t = 0)]
		from: u64,
		/// Most jobs to list
		#[arg(long, default_value_t = 50)]
		limit: usize,
		/// Only jobs in this phase, such as open
		#[arg(long)]
		phase: Option<String>,
		/// Only jobs of this account, as requester or provider
		#[arg(long, value_name = "ACCOUNT")]
		account: Option<String>,
	},
	/// Everything about a job: price, provider, verdicts, blocks and seconds per phase
	Report {
		/// Job id
		job: u64,
		/// Also show the balances of requester, provider and verifiers before and after
		#[arg(long)]
		accounts: bool,
		/// Fetch the outputs and write them as safetensors into this folder
		#[arg(long, value_name = "DIR")]
		output_dir: Option<PathBuf>,
	},
	/// Ask for the revealed result of your job to be replayed by validators; once per job
	Audit {
		/// Job id
		job: u64,
	},
	/// Make the chain apply the default of a deadline that has passed; anyone may
	Poke {
		/// Job id
		job: u64,
	},
	/// List the open challenges of a job: who demands what, until when, and how far they are
	Disputes {
		/// Job id
		job: u64,
	},
}

const INPUTS_HELP: &str = "Example:
  assay job inputs --program digits.program --input images=digits.safetensors \\
      --weights weights.safetensors";

const POST_HELP: &str =
	"Inputs are tensors of safetensors files, of dtype I8, I16 or I32 and exactly the
program's shape. --input names them one by one; --weights gives the rest by name.

Example:
  assay job post --program digits.program --input images=digits.safetensors#test \\
      --weights mlp.safetensors --price-start 1 --price-max 5 --ramp 20 --key //Dave --wait";

/// The program of a job and the tensors that it works on.
#[derive(Debug, Args)]
pub struct JobInputs {
	/// Program file, or 0x id of a registered program
	#[arg(long, value_name = "FILE|ID")]
	pub program: String,
	/// An input: NAME=FILE.safetensors or NAME=FILE.safetensors#TENSOR; repeat for more
	#[arg(long = "input", value_name = "NAME=FILE[#TENSOR]")]
	pub inputs: Vec<InputArg>,
	/// A safetensors file whose tensors are taken by input name; repeat for more
	#[arg(long, value_name = "FILE")]
	pub weights: Vec<PathBuf>,
	/// Root of an input that is already uploaded: NAME=0x…; repeat for more
	#[arg(long = "root", value_name = "NAME=ROOT", value_parser = parse_named_root)]
	pub roots: Vec<(String, [u8; 32])>,
}

/// `assay job post`
#[derive(Debug, Args)]
pub struct Post {
	/// Program and inputs.
	#[command(flatten)]
	pub inputs: JobInputs,
	/// Steps to run
	#[arg(long, default_value_t = 1)]
	pub steps: u32,
	/// Most that you pay, in ASY: where the price ramp ends
	#[arg(long, value_name = "ASY")]
	pub price_max: Amount,
	/// Where the price ramp starts, in ASY [default: a tenth of --price-max]
	#[arg(long, value_name = "ASY")]
	pub price_start: Option<Amount>,
	/// Blocks that the price takes from start to max
	#[arg(long, default_value_t = 10, value_name = "BLOCKS")]
	pub ramp: u32,
	/// How likely a committee replays the result, in percent [default: the chain's]
	#[arg(long, value_name = "PERCENT", value_parser = parse_percent)]
	pub audit: Option<u32>,
	/// Open at once, without validators attesting the inputs; such a job earns no reputation
	#[arg(long)]
	pub no_attestation: bool,
	/// Cut the run into segments of so many steps, a power of two; each verifier then replays one segment
	/// that it draws in private. The provider's bond grows with the number of segments (2 to 256)
	#[arg(long, value_name = "L")]
	pub segment_steps: Option<u32>,
	/// Follow the job to its end
	#[arg(long)]
	pub wait: bool,
	/// Fetch the outputs after settlement and write them as safetensors into this folder
	#[arg(long, value_name = "DIR", requires = "wait")]
	pub output_dir: Option<PathBuf>,
}

/// `assay provider …`
#[derive(Debug, Subcommand)]
pub enum ProviderCommand {
	/// Claim and run jobs until stopped, and answer challenges; continues after a kill where it was
	#[command(
		after_help = "Example:\n  assay stake bond 100000 --key //Charlie\n  assay identity register \
		              --role provider --key //Charlie\n  assay provider run --key //Charlie"
	)]
	Run(ProviderRun),
}

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
	/// Claim only jobs that pay at least this much for 10^9 work units, in ASY [default: the chain's work_price]
	#[arg(long, value_name = "ASY")]
	pub min_price_per_work: Option<Amount>,
	/// Put up at most this much for one job, in ASY [default: half of the free stake]
	#[arg(long, value_name = "ASY")]
	pub max_bond: Option<Amount>,
	/// Also claim jobs whose inputs nobody attests to hold
	#[arg(long)]
	pub accept_unattested: bool,
	/// A second account that signs answers to challenges: a development path or a private file, as --key. Nothing of
	/// the provider's account then comes before them
	#[arg(long, env = "ASSAY_ANSWER_KEY", hide_env_values = true, value_name = "KEY")]
	pub answer_key: Option<String>,
	/// Tip at most this much for a transaction that saves a bond, in ASY; a tip begins at nothing and doubles with every
	/// block towards the deadline [default: a twentieth of the bond]
	#[arg(long, value_name = "ASY")]
	pub max_tip: Option<Amount>,
	/// Keep at most this many MiB of hash trees and checkpoints of open results, from which challenges are answered
	/// without running the job again; 0: keep none
	#[arg(long, value_name = "MIB", default_value_t = 2048)]
	pub keep_traces: u64,
	/// Claim only this job; repeat for more
	#[arg(long = "job", value_name = "JOB")]
	pub jobs: Vec<u64>,
	/// Claim only jobs whose program needs at most this many MiB; an answer in a dispute may need as much again beside a
	/// run [default: what is available on this machine when a job is looked at]
	#[arg(long, value_name = "MIB")]
	pub max_memory: Option<u64>,
	/// Stop after the first job has ended
	#[arg(long)]
	pub once: bool,
	/// Claim nothing new: only finish what was begun
	#[arg(long)]
	pub drain: bool,
}

/// `assay verify`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  assay verify 7 --adapter cpu")]
pub struct Verify {
	/// Job id
	pub job: u64,
	/// Adapter to run on: a number or name of `assay devices`, cpu or auto
	#[arg(long, env = "ASSAY_ADAPTER", default_value = "auto")]
	pub adapter: String,
	/// Where the worker is.
	#[command(flatten)]
	pub worker: WorkerFlags,
}

const CHALLENGE_HELP: &str = "Runs the job again. Where the result is the same, that is all. Where it differs, the account puts
up a deposit, asks the provider step by step for openings of its result down to the first wrong
tile, and proves that tile wrong to the chain. The deposit comes back when the result falls, and
the account gets the prover's part of the provider's bond; a challenge that is given up loses it.
Stopped at any point, the same command continues from the chain's record.

Examples:
  assay challenge 7 --dry-run
  assay challenge 7 --key //Eve --adapter cpu

Exit codes: 0 the result is right, 1 failed, 2 wrong usage, 3 the result is wrong and has fallen
(with --dry-run: it differs), 4 it differs and stands: too late, or the challenge was lost.";

/// `assay challenge`
#[derive(Debug, Args)]
#[command(after_help = CHALLENGE_HELP)]
pub struct Challenge {
	/// Job id
	pub job: u64,
	/// Adapter to run on: a number or name of `assay devices`, cpu or auto
	#[arg(long, env = "ASSAY_ADAPTER", default_value = "auto")]
	pub adapter: String,
	/// Where the worker is.
	#[command(flatten)]
	pub worker: WorkerFlags,
	/// Tip at most this much for a move of a dispute, in ASY; a tip begins at nothing and doubles with every block towards
	/// the deadline [default: a twentieth of the provider's bond, as its answers do]
	#[arg(long, value_name = "ASY")]
	pub max_tip: Option<Amount>,
	/// Only compare: send nothing, put up nothing; needs no --key
	#[arg(long)]
	pub dry_run: bool,
}

const WATCH_HELP: &str = "Follows the chain until it is stopped and runs every job again whose result is revealed and can
still be challenged. Where a result differs, it does what `assay challenge` does, on the account's
own deposit: the deposit comes back with the prover's part of the provider's bond. One job is run at
a time, in the order in which their time runs out; disputes go on beside. Nothing is kept on disk:
stopped at any point, the same command continues from the chain's record.

Examples:
  assay watch --key //Eve --adapter cpu
  assay watch --key eve.key --max-work 1000000000000 --json
  assay watch --dry-run --jobs 7,8

Exit codes: 0 stopped by SIGTERM or ctrl-c, 1 failed, 2 wrong usage; with --once those of `assay
challenge`: 0 the result is right, 3 it is wrong and has fallen, 4 it differs and stands.";

/// `assay watch`
#[derive(Clone, Debug, Args)]
#[command(after_help = WATCH_HELP)]
pub struct Watch {
	/// Only these jobs: numbers with commas, or repeat
	#[arg(long, value_name = "JOB", value_delimiter = ',')]
	pub jobs: Vec<u64>,
	/// Only jobs of at most this many work units, over all of their steps
	#[arg(long, value_name = "UNITS")]
	pub max_work: Option<u64>,
	/// Adapter to run on: a number or name of `assay devices`, cpu or auto
	#[arg(long, env = "ASSAY_ADAPTER", default_value = "auto")]
	pub adapter: String,
	/// Where the worker is.
	#[command(flatten)]
	pub worker: WorkerFlags,
	/// Stop after the first job that was compared
	#[arg(long)]
	pub once: bool,
	/// Tip at most this much for a move of a dispute, in ASY; a tip begins at nothing and doubles with every block towards
	/// the deadline [default: a twentieth of the provider's bond, as its answers do]
	#[arg(long, value_name = "ASY")]
	pub max_tip: Option<Amount>,
	/// Only compare: send nothing, put up nothing; needs no --key
	#[arg(long)]
	pub dry_run: bool,
}

/// `assay devices`
#[derive(Debug, Args)]
pub struct Devices {
	/// Only this adapter: a number or name, cpu or auto [default: all]
	#[arg(long)]
	pub adapter: Option<String>,
}

/// What an identity is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Role {
	/// Posts jobs
	Requester,
	/// Runs jobs
	Provider,
	/// Replays jobs
	Verifier,
}

/// `assay identity …`
#[derive(Debug, Subcommand)]
pub enum IdentityCommand {
	/// Register an identity; its peer key is made and kept in the state folder
	#[command(after_help = "Example:\n  assay identity register --role provider --key //Charlie")]
	Register(IdentityDetails),
	/// Show the identity of an account
	Show {
		/// The account [default: that of --key]
		account: Option<String>,
	},
	/// Replace the peer key by a new one
	Rotate {
		/// Use this ed25519 seed file (64 hexadecimal digits) instead of a new key
		#[arg(long, value_name = "FILE")]
		peer_key: Option<PathBuf>,
	},
	/// Change role or device profile
	Update(IdentityDetails),
	/// Remove the identity
	Deregister,
}

/// Role and device profile of an identity.
#[derive(Clone, Debug, Args)]
pub struct IdentityDetails {
	/// What the identity is for; repeat for more
	#[arg(long, value_enum, default_value = "provider")]
	pub role: Vec<Role>,
	/// Adapter whose profile is published: a number or name of `assay devices`, cpu or auto
	#[arg(long, env = "ASSAY_ADAPTER", default_value = "auto")]
	pub adapter: String,
	/// Use this ed25519 seed file (64 hexadecimal digits) instead of the one in the state folder
	#[arg(long, value_name = "FILE")]
	pub peer_key: Option<PathBuf>,
}

/// `assay stake …`
#[derive(Debug, Subcommand)]
pub enum StakeCommand {
	/// Bond an amount, or add it to the bond
	Bond {
		/// In ASY
		amount: Amount,
	},
	/// Set an amount on its way out
	Unbond {
		/// In ASY
		amount: Amount,
	},
	/// Take out what has waited long enough
	Withdraw,
	/// Show the bond and balance of an account
	Show {
		/// The account [default: that of --key]
		account: Option<String>,
	},
}

fn parse_named_root(text: &str) -> Result<(String, [u8; 32]), Error> {
	let (name, root) = text.split_once('=').ok_or_else(|| {
		Error::new("bad-input-argument", format!("`{text}` names no input"))
			.fix("write --root NAME=0x…")
	})?;
	Ok((name.into(), parse_hash(root)?))
}

/// Parts per million of a percentage such as `12.5`.
fn parse_percent(text: &str) -> Result<u32, Error> {
	let bad = || {
		Error::new("bad-percent", format!("`{text}` is not a percentage"))
			.fix("write a number above 0 and up to 100, such as 12.5")
	};
	let amount: Amount = text.trim_end_matches('%').parse().map_err(|_| bad())?;
	let ppm = amount.to_units(4).map_err(|_| bad())?;
	u32::try_from(ppm).ok().filter(|p| (1..=1_000_000).contains(p)).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
	use super::*;
	use clap::CommandFactory;

	#[test]
	fn help_should_not_show_what_the_environment_holds_of_keys() {
		fn look(command: &clap::Command) {
			for argument in command.get_arguments() {
				let env = argument.get_env().map(|env| env.to_string_lossy().into_owned());
				let secret = env.is_some_and(|env| env.contains("KEY"));
				assert!(!secret || argument.is_hide_env_values_set(), "{argument}");
			}
			command.get_subcommands().for_each(look);
		}
		look(&Cli::command());
	}

	#[test]
	fn commands_should_be_consistent_when_built() {
		Cli::command().debug_assert();
	}

	#[test]
	fn post_should_parse_when_all_flags_are_given() {
		let root = "ab".repeat(32);
		let line = format!(
			"assay job post --program p --input x=f#t --weights w --root y=0x{root} --price-max 5 \
			 --price-start 0.5 --ramp 3 --audit 12.5 --wait --output-dir out --json"
		);
		let cli = Cli::try_parse_from(line.split(' ')).unwrap();
		let Command::Job(JobCommand::Post(post)) = cli.command else { panic!() };
		assert!(cli.global.json);
		assert_eq!(post.audit, Some(125_000));
		assert_eq!(post.inputs.roots, [("y".into(), [0xab; 32])]);
		assert_eq!(post.inputs.inputs[0].tensor.as_deref(), Some("t"));
	}

	#[test]
	fn watch_should_take_jobs_in_a_list_or_one_by_one_when_it_is_parsed() {
		let line = "assay watch --jobs 7,8 --jobs 9 --max-work 5 --once --dry-run";
		let Command::Watch(watch) = Cli::try_parse_from(line.split(' ')).unwrap().command else {
			panic!()
		};
		assert_eq!((watch.jobs, watch.max_work), (vec![7, 8, 9], Some(5)));
		assert!(watch.once && watch.dry_run);
		assert!(Cli::try_parse_from(["assay", "watch", "--jobs", "seven"]).is_err());
	}

	#[test]
	fn arguments_should_be_refused_when_out_of_range() {
		for text in ["0", "101", "x", "-1", ""] {
			assert_eq!(parse_percent(text).unwrap_err().code, "bad-percent", "{text}");
		}
		assert_eq!(parse_percent("100%").unwrap(), 1_000_000);
		assert!(Cli::try_parse_from(["assay", "job", "post", "--program", "p"]).is_err());
	}

	#[test]
	fn fixes_should_name_commands_that_exist_when_they_name_any() {
		let command = Cli::command();
		for code in ["Jobs.Disputed", "Arbitration.NoLane", "Arbitration.NotDue"] {
			let text = crate::explain::fix(code).unwrap();
			let words = text.split('`').nth(1).unwrap().split(' ').skip(1);
			let mut at = &command;
			for word in words.take_while(|w| w.chars().all(char::is_lowercase)) {
				at = at.find_subcommand(word).unwrap_or_else(|| panic!("{text}: {word}"));
			}
		}
	}
}
