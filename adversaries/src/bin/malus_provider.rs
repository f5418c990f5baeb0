//! A provider that lies, on a live chain: for tests with real nodes. Never part of what is shipped.
//!
//! It claims the first open job, runs it by the definition with one wrong bit, stands by that run as
//! an honest provider would, and answers every demand about it (`--silent`: none). It ends with the
//! job and prints its reason.

use assay_adversaries::work::{Lie, Table, Work};
use assay_client::{
	chain::{disputes::Turn, jobs::Checkpoints, Confirm, Node},
	error::{Error, Result},
	key,
	output::Ui,
	program::Loaded,
	provider::{run::fetch_inputs, Salt},
};
use assay_commitments::{checkpoints_digest, open_segments, result_commitment, Segmentation};
use assay_dispute::Answerer;
use clap::Parser;
use std::process::ExitCode;

/// Claims one job, computes it wrong, and stands by it.
#[derive(Parser)]
struct Args {
	/// The node's RPC.
	#[arg(long)]
	url: String,
	/// Whose account: a development key such as //Charlie, registered as a provider and bonded.
	#[arg(long)]
	key: String,
	/// The step in which the bit is wrong.
	#[arg(long, default_value_t = 0)]
	step: u32,
	/// The anchor in which it is, by its place among the eager ones.
	#[arg(long, default_value_t = 0)]
	anchor: usize,
	/// The byte of that anchor's canonical bytes.
	#[arg(long, default_value_t = 0)]
	offset: usize,
	/// Answers no demand.
	#[arg(long)]
	silent: bool,
}

fn local(error: impl std::fmt::Display) -> Error {
	Error::new("malus", error.to_string())
}

async fn run(args: Args) -> Result<()> {
	let ui = Ui::new(false);
	let signer = key::load(&args.key)?;
	let account = signer.public_key().0;
	let node = Node::connect(&args.url, Confirm::Block).await?;
	let mut head = 0;
	let job = loop {
		head = node.next_head(head).await?.number;
		if let Some(job) = node.jobs(0, 4096).await?.into_iter().find(|job| job.phase == "Open") {
			break job;
		}
	};
	node.claim_job(&signer, job.id, 0).await?;
	println!("claimed {}", job.id);
	let loaded = Loaded::fetch(&node, &job.program).await?;
	let inputs = fetch_inputs(&node, &ui, &loaded, &job.input_roots).await?;
	let work = Work::new(loaded.program, inputs, job.steps).map_err(local)?;
	let lie = Lie::at(args.step, work.anchor(args.anchor), args.offset);
	let table = Table::lying(&work, lie);
	let root = table.run_root();
	let salt = Salt::new(&signer).of(&node.genesis, job.id);
	let commitment = result_commitment(&node.genesis, job.id, &account, &root, &salt);
	// Its checkpoints are those of its wrong run, and it serves none of them.
	let segments = job
		.segment_steps
		.and_then(|length| Segmentation::new(job.steps, length))
		.and_then(|cut| open_segments(&cut, &table.traces()));
	let checkpoints = segments.as_ref().map(|segments| Checkpoints {
		manifest: root,
		digest: checkpoints_digest(segments.ends.iter().map(|(end, _)| end)),
	});
	node.commit_result(&signer, job.id, commitment, checkpoints).await?;
	println!("committed {}", hex::encode(root));
	let mut answerer = Answerer::new(table.job(&work), table.clone()).map_err(local)?;
	let mut revealed = false;
	loop {
		head = node.next_head(head).await?.number;
		let now = node.job(job.id).await?;
		if now.is_over() {
			println!("over {}", now.reason.unwrap_or_default());
			return Ok(());
		}
		if now.phase == "Revealing" && !revealed {
			let opening = table.opening(&work);
			node.reveal_result(&signer, job.id, root, salt, &opening, segments.as_ref()).await?;
			println!("revealed at {head}");
			revealed = true;
		}
		if args.silent || !revealed {
			continue;
		}
		for lane in node.lanes(job.id).await? {
			let Turn::Answer(place) = lane.turn else { continue };
			let children = answerer.answer(place).await.map_err(local)?;
			// Somebody else may have been quicker.
			match node.answer(&signer, job.id, &lane.challenger, &children).await {
				Ok(_) => println!("answered {place:?}"),
				Err(error) => println!("not answered: {error}"),
			}
		}
	}
}

fn main() -> ExitCode {
	let args = Args::parse();
	let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
		Ok(runtime) => runtime,
		Err(error) => {
			eprintln!("malus-provider: {error}");
			return ExitCode::FAILURE;
		}
	};
	match runtime.block_on(run(args)) {
		Ok(()) => ExitCode::SUCCESS,
		Err(error) => {
			eprintln!("malus-provider: {error}");
			ExitCode::FAILURE
		}
	}
}
