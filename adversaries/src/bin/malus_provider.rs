//! A provider that lies, on a live chain: for tests with real nodes. Never part of what is shipped.
//!
//! It claims the first open job, runs it by the definition with one wrong bit, stands by that run
//! as an honest provider would, and answers every demand about it (`--silent`: none). It ends with
//! the job and prints its reason.

use assay_adversaries::work::{Lie, Table, Work};
use assay_client::{
	chain::{
		calls::{Checkpoints, Claim, JobId},
		disputes::Turn,
		jobs::Phase,
		urgency::Urgency,
		Confirm, Node,
	},
	error::{Error, Result},
	key,
	output::Ui,
	program::Loaded,
	provider::Salt,
};
use assay_commitments::{checkpoints_digest, open_segments, result_commitment, Segmentation};
use assay_dispute::Answerer;
use assay_exec::Tensor;
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
		if let Some(job) =
			node.jobs(0, 4096).await?.into_iter().find(|job| job.phase.is(Phase::Open))
		{
			break job;
		}
	};
	let id = JobId { number: job.id, order: job.order };
	node.claim_job(&signer, id, Claim { min_price: 0, max_bond: u128::MAX }).await?;
	println!("claimed {}", job.id);
	let loaded = Loaded::fetch(&node, &job.program).await?;
	let mut inputs = Vec::new();
	for (input, root) in loaded.inputs().iter().zip(&job.input_roots) {
		let data = node.blob_get(root, Some(input.ty.canonical_len()), &ui, &input.name).await?;
		inputs.push(Tensor::new(input.ty, data));
	}
	let work = Work::new(loaded.program, inputs, job.steps).map_err(local)?;
	let lie = Lie::at(args.step, work.anchor(args.anchor), args.offset);
	let table = Table::lying(&work, lie);
	let root = table.run_root();
	let salt = Salt::new(&signer).of(&node.genesis, &job.order);
	let commitment = result_commitment(&node.genesis, &job.order, &account, &root, &salt);
	// Its checkpoints are those of its wrong run, and it serves none of them.
	let segments = job
		.assurance
		.segments
		.and_then(|segments| Segmentation::new(job.steps, segments.steps))
		.and_then(|cut| open_segments(&cut, &table.traces()));
	let checkpoints = segments.as_ref().map(|segments| Checkpoints {
		manifest: root,
		digest: checkpoints_digest(segments.ends.iter().map(|(end, _)| end)),
	});
	let urgency = |deadline| Urgency::until(deadline, 0);
	let deadline = node.job(job.id).await?.deadline.unwrap_or(u64::MAX);
	node.commit_result(&signer, id, commitment, checkpoints, urgency(deadline)).await?;
	println!("committed {}", hex::encode(root));
	let mut answerer = Answerer::new(table.job(&work), table.clone()).map_err(local)?;
	let mut revealed = false;
	loop {
		head = node.next_head(head).await?.number;
		let now = node.job(job.id).await?;
		if now.phase.is_terminal() {
			println!("over {}", now.reason.map_or_else(String::new, |reason| reason.to_string()));
			return Ok(());
		}
		if now.phase.is(Phase::Revealing) && !revealed {
			let opening = table.opening(&work);
			let (segments, until) = (segments.as_ref(), urgency(now.deadline.unwrap_or(u64::MAX)));
			node.reveal_result(&signer, id, root, salt, &opening, segments, until).await?;
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
			let until = urgency(lane.deadline);
			match node.answer(&signer, id, &lane.challenger, &children, until).await {
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
