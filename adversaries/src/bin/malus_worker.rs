//! A worker that lies or breaks, for networks of real nodes. Never part of what is shipped.
//!
//! To its node it is `assay-worker`: the same version, self-test and sandbox check, the same
//! protocol. What it computes has the one wrong bit of `malus-provider` with the same `--step`,
//! `--anchor` and `--offset`, so a validator with this worker vouches for that provider's results,
//! and for nothing else that is wrong. `--faults` breaks instead: then the process dies, hangs or
//! talks nonsense in the middle of a job.
//!
//! Nodes start their worker with arguments and an environment of their own choice, so these options
//! come from a script in the worker's place: `exec malus-worker --offset 777 "$@"`.

use assay_adversaries::work::{Lie, Table, Work};
use assay_commitments::tensor_root;
use assay_dispute::Replay;
use assay_exec::Tensor;
use assay_program::Program;
use assay_worker::{
	fault::Fault, job::Limits, link::Link, memory, sandbox, self_test, serve, RunArgs,
};
use assay_worker_protocol::{
	blocking::{handshake, receive, send},
	Done, KeptFile, LocalFaultKind, OutputFile, Request, Run, Source, Stage, PACKAGE_VERSION,
};
use clap::{Parser, Subcommand, ValueEnum};
use std::{
	fs,
	io::Write,
	os::unix::{net::UnixStream, process::parent_id},
	path::{Path, PathBuf},
	process::ExitCode,
	thread::sleep,
	time::{Duration, Instant},
};

/// What `assay-worker` takes, after how to be none.
#[derive(Parser)]
#[command(name = "assay-worker", version = PACKAGE_VERSION, subcommand_negates_reqs = true)]
struct Cli {
	/// The step in which the bit is wrong.
	#[arg(long, default_value_t = 0)]
	step: u32,
	/// The anchor in which it is, by its place among the eager ones.
	#[arg(long, default_value_t = 0)]
	anchor: usize,
	/// The byte of that anchor's canonical bytes.
	#[arg(long, default_value_t = 0)]
	offset: usize,
	/// Lies in the jobs only whose numbers are in this file, and in none where it is missing.
	#[arg(long, value_name = "FILE")]
	lies: Option<PathBuf>,
	/// Waits so many seconds with each job.
	#[arg(long, default_value_t = 0)]
	after: u64,
	/// Breaks in every job: in one of these ways after the other, by the job's number.
	#[arg(long, value_enum, value_delimiter = ',')]
	faults: Vec<Break>,
	#[command(flatten)]
	run: Option<RunArgs>,
	#[command(subcommand)]
	command: Option<Command>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Break {
	/// As if the kernel had killed it.
	Die,
	/// Neither answers nor ends.
	Hang,
	/// Sends bytes that are no message.
	Garbage,
}

#[derive(Subcommand)]
enum Command {
	/// That of `assay-worker`.
	SelfTest {
		#[arg(long, default_value = "auto")]
		adapter: String,
		#[arg(long)]
		json: bool,
	},
	/// That of `assay-worker`.
	CheckSandbox {
		#[arg(long)]
		json: bool,
	},
}

#[global_allocator]
static ALLOCATOR: memory::Named = memory::Named;

fn main() -> ExitCode {
	let cli = Cli::parse();
	let outcome = match (&cli.command, &cli.run) {
		(Some(Command::SelfTest { adapter, json }), _) => self_test::run(adapter, *json),
		(Some(Command::CheckSandbox { json }), _) => sandbox::check(*json),
		(None, Some(args)) if !cli.faults.is_empty() => break_down(&args.socket, &cli.faults),
		(None, Some(args)) => {
			// Before the sandbox closes the file's folder.
			let lies = cli.lies.as_ref().map(|path| numbers(path));
			serve(args, |run, dir, _: &Limits, link| {
				let lying = lies.as_ref().is_none_or(|jobs| jobs.contains(&run.job));
				compute(&cli, lying, run, dir, link)
			})
		}
		(None, None) => {
			eprintln!("malus-worker: --socket and --dir are needed, see --help");
			return ExitCode::from(2);
		}
	};
	match outcome {
		Ok(()) => ExitCode::SUCCESS,
		Err(error) => {
			eprintln!("malus-worker: {error:#}");
			ExitCode::FAILURE
		}
	}
}

/// The whole numbers in a file; none where it cannot be read.
fn numbers(path: &Path) -> Vec<u64> {
	let text = fs::read_to_string(path).unwrap_or_default();
	text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// Takes the job and breaks.
fn break_down(socket: &Path, ways: &[Break]) -> anyhow::Result<()> {
	let parent = parent_id();
	let mut stream = UnixStream::connect(socket)?;
	handshake(&mut stream)?;
	let Request::Run(run) = receive(&mut stream)?;
	match ways[run.job as usize % ways.len()] {
		Break::Die => assay_worker::end(137),
		Break::Garbage => stream.write_all(&[0xff; 4096])?,
		Break::Hang => {}
	}
	// Whoever started it has to end it; unless nobody is left to do so.
	while parent_id() == parent {
		sleep(Duration::from_millis(500));
	}
	drop(send(&mut stream, &0u8));
	Ok(())
}

/// Runs the job by the definition; with the lie, if it is `lying`.
fn compute(cli: &Cli, lying: bool, run: &Run, dir: &Path, link: &Link) -> Result<Done, Fault> {
	let start = Instant::now();
	let local = |text: String| Fault::local(LocalFaultKind::Internal, text);
	link.progress(Stage::Loading, 0, 1);
	let program = Program::decode_bounded(&run.program).map_err(|e| local(e.to_string()))?;
	let read = |path: &str| fs::read(dir.join(path)).map_err(|e| local(format!("{path}: {e}")));
	let inputs = run.inputs.iter().zip(&program.inputs);
	let inputs = inputs
		.map(|(file, input)| Ok(Tensor::new(input.ty, read(&file.path)?)))
		.collect::<Result<Vec<_>, Fault>>()?;
	let work = Work::new(program, inputs, run.steps).map_err(local)?;
	link.progress(Stage::Running, 0, 1);
	sleep(Duration::from_secs(cli.after));
	let table = match lying {
		true => {
			if cli.anchor >= work.anchors() {
				return Err(local(format!("there is no anchor {}", cli.anchor)));
			}
			Table::lying(&work, Lie::at(cli.step, work.anchor(cli.anchor), cli.offset))
		}
		false => Table::honest(&work),
	};
	// Of a run that is written down, this only copies what is kept.
	let replayed = pollster::block_on(table.replay(run.steps, &run.keep))
		.map_err(|error| local(error.to_string()))?;
	let keep = |source: &Source| {
		let bytes = replayed.kept.get(source).ok_or_else(|| local("it was not kept".into()))?;
		let root = tensor_root(bytes);
		let name = format!("out-{}", hex::encode(root));
		fs::write(dir.join(&name), bytes).map_err(|e| local(format!("{name}: {e}")))?;
		let file = OutputFile { root, name, len: bytes.len() as u64 };
		Ok(KeptFile { source: *source, file })
	};
	let kept = run.keep.iter().map(keep).collect::<Result<_, Fault>>()?;
	Ok(Done {
		run_root: table.run_root(),
		trace_roots: replayed.trace_roots,
		last_anchors: replayed.last_anchors,
		last_lazy: replayed.last_lazy,
		outputs: Vec::new(),
		kept,
		recorded: Default::default(),
		device: if lying { "a liar".into() } else { "the definition".into() },
		milliseconds: start.elapsed().as_millis() as u64,
		audited_tiles: 0,
		audit_seed: 0,
	})
}
