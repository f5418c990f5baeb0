//! `assay challenge`: what a drawn verifier's node does by itself, for any account.

use crate::{
	amount::Amount,
	chain::{
		calls::JobId,
		disputes::{accusation_json, proof_commitment, Disputed, Lane},
		ss58,
		urgency::{tip_of, Urgency},
		value::Read,
		Hash, Included, Link,
	},
	challenge::{Chain, Lead, Outcome, Proven, ResultState, Sent},
	connection::reconnect,
	context::Context,
	error::{Error, Result},
	files::Files,
	output::{abbreviate, hex, Ui},
	program::Loaded,
	replay::{dispute_error, job as disputed_job, WorkerReplay},
	runner::{Runner, WorkerFlags},
};
use assay_commitments::run_root;
use assay_dispute::Challenger;
use assay_referee::ProofPart;
use assay_worker_protocol::Record;
use clap::Args;
use serde_json::json;
use std::{sync::Arc, time::Instant};
use subxt_signer::sr25519::Keypair;

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
	/// Tip at most this much for a move of a dispute, in ASY; a tip begins at nothing and doubles
	/// with every block towards the deadline [default: a twentieth of the provider's bond, as its
	/// answers do]
	#[arg(long, value_name = "ASY")]
	pub max_tip: Option<Amount>,
	/// Only compare: send nothing, put up nothing; needs no --key
	#[arg(long)]
	pub dry_run: bool,
}

pub async fn run(context: &Context, args: Challenge) -> Result<u8> {
	let ui = &context.ui;
	let id = args.job;
	let key = match args.dry_run {
		true => None,
		false => Some(context.key()?),
	};
	let node = context.node().await?;
	let job = node.job(id).await?;
	let Some(disputed) = node.disputed_result(id).await? else {
		if job.run_root.is_none() && !job.phase.is_terminal() {
			return Err(Error::new(
				"not-revealed",
				format!("job {id} is {} and has no opened result to challenge", job.phase),
			)
			.fix(format!("wait for the reveal: `assay job watch {id}`")));
		}
		return Ok(Outcome::of(&job).tell(ui, id, None));
	};
	if let Some(key) = &key {
		// Before the replay, which may take long.
		let lane = node.lane(id, &key.public_key().0).await?;
		match lane {
			None if !disputed.open => return Ok(Outcome::TooLate.tell(ui, id, None)),
			None => {
				let lanes = node.lanes(id).await?;
				let open = lanes.iter().filter(|lane| lane.deposit > 0).count() as u64;
				let price = job.price.unwrap_or(job.price_max);
				let parameters = node.parameters().await?;
				let deposit = parameters.lane_deposit(price, job.work_units, open);
				let free = node.balance(&key.public_key().0, None).await?.free;
				if free <= deposit {
					return Err(Error::new(
						"balance-too-small",
						format!(
							"{} has {} free, a challenge takes a deposit of {}",
							ss58(&key.public_key().0),
							node.money(free),
							node.money(deposit)
						),
					)
					.fix("send the account tokens first, or only compare with --dry-run"));
				}
				ui.note(format!(
					"if the result differs, {} are put up; they come back when the result falls, and are \
					 lost when the challenge is given up",
					node.money(deposit)
				));
			}
			Some(lane) => ui.note(format!(
				"the challenge of this account continues: {} groups are open, deadline block {}",
				lane.opened.len(),
				lane.deadline
			)),
		}
	}
	let link = Link::new(node);
	let runner = Runner::scratch(context, &args.worker, &args.adapter).await?;
	let max_tip = args.max_tip.as_ref().map(|tip| link.node().units(tip)).transpose()?;
	let compared = compare(&link, ui, &runner, id, &disputed).await?;
	ui.document(&compared.to_json());
	ui.fields(&[
		("device", compared.device.clone()),
		("own root", hex(compared.own)),
		("on chain", hex(compared.claimed)),
	]);
	match (compared.equal(), key) {
		(true, _) => Ok(Outcome::Equal.tell(ui, id, None)),
		(false, None) => Ok(Outcome::Differs.tell(ui, id, None)),
		(false, Some(key)) => bring_down(link, ui, key, max_tip, compared).await.map(Outcome::code),
	}
}

/// Leads a lane against a result that differs, to its end, and says how it ended.
pub(super) async fn bring_down(
	link: Link,
	ui: &Ui,
	key: Keypair,
	max_tip: Option<u128>,
	compared: Compared,
) -> Result<Outcome> {
	let Compared { job, order, challenger, .. } = compared;
	let id = JobId { number: job, order };
	let account = key.public_key().0;
	let live = Live { link, ui: *ui, key, account, id, max_tip };
	let (outcome, proven) = Lead::new(&live, *ui, job, challenger).to_the_end().await?;
	if let Some(Proven { accusation, prover }) = &proven {
		let who = match *prover == account {
			true => "this account".into(),
			false => abbreviate(&ss58(prover)),
		};
		ui.line(format!(
			"job {job}: tile {} of node {} in step {} is wrong; the prover's part goes to {who}",
			accusation["tile"], accusation["node"], accusation["step"],
		));
	}
	outcome.tell(ui, job, proven.as_ref());
	Ok(outcome)
}

/// One account and one job on the live chain.
struct Live {
	link: Link,
	ui: Ui,
	key: Keypair,
	account: Hash,
	id: JobId,
	/// Most tip; `None`: a part of the provider's bond.
	max_tip: Option<u128>,
}

impl Live {
	/// Until when the next move counts: that of the lane, or the end of the challenge period where
	/// there is none yet.
	async fn urgency(&self) -> Result<Urgency> {
		let node = self.link.node();
		let lane = node.lane(self.id.number, &self.account).await?;
		let job = node.job(self.id.number).await?;
		let head = node.head().await?.number;
		let deadline = lane.map(|lane| lane.deadline).or(job.deadline).unwrap_or(head);
		let max_tip = self.max_tip.unwrap_or_else(|| tip_of(job.bond.unwrap_or(0)));
		Ok(Urgency::until(deadline.max(head), max_tip))
	}
}

fn sent(included: &Included) -> Result<Sent> {
	let event = |name| included.event("Arbitration", name).ok();
	let deposit = event("LaneOpened").map(|fields| fields.field("deposit")?.uint()).transpose()?;
	let proven = event("FraudProven")
		.map(|fields| {
			let prover = fields.field("prover")?.hash()?;
			Ok::<_, Error>(Proven { accusation: accusation_json(fields)?, prover })
		})
		.transpose()?;
	Ok(Sent { block: included.block.number, deposit, proven })
}

impl Chain for Live {
	async fn state(&self) -> Result<ResultState> {
		let node = self.link.node();
		let job = self.id.number;
		// After a reorganisation the number may stand for another job, whose result was never
		// looked at here.
		let same = |order: &Hash| *order == self.id.order;
		Ok(match node.disputed_result(job).await? {
			Some(disputed) if same(&disputed.order) => ResultState::Stands { open: disputed.open },
			_ => match node.find_job(job).await?.filter(|job| same(&job.order)) {
				Some(job) => ResultState::Gone(Outcome::of(&job)),
				None => {
					let text = format!("job {job} is another order on the best chain, or none");
					return Err(Error::new("order-replaced", text)
						.fix("start the command again to look at the job that is there now"));
				}
			},
		})
	}

	async fn lane(&self) -> Result<Option<Lane>> {
		self.link.node().lane(self.id.number, &self.account).await
	}

	async fn head(&self) -> Result<u64> {
		Ok(self.link.node().head().await?.number)
	}

	async fn next_head(&self, after: u64) -> Result<u64> {
		Ok(self.link.node().next_head(after).await?.number)
	}

	async fn demand(&self, child: Option<u32>, list: Option<Hash>) -> Result<Sent> {
		let urgency = self.urgency().await?;
		sent(&self.link.node().demand(&self.key, self.id, child, list, urgency).await?)
	}

	fn commitment(&self, first: &ProofPart) -> Hash {
		proof_commitment(&self.link.node().genesis, &self.id.order, &self.account, first)
	}

	async fn commit(&self, commitment: Hash) -> Result<Sent> {
		let urgency = self.urgency().await?;
		sent(&self.link.node().commit_proof(&self.key, self.id, commitment, urgency).await?)
	}

	async fn prove(&self, part: &ProofPart) -> Result<Sent> {
		let urgency = self.urgency().await?;
		sent(&self.link.node().prove_fraud(&self.key, self.id, part, urgency).await?)
	}

	async fn poke(&self) -> Result<()> {
		self.link.node().poke_lane(&self.key, self.id.number, &self.account).await.map(drop)
	}

	async fn recover(&self, error: Error) -> Result<()> {
		let node = reconnect(&self.link.node(), &self.ui, error).await?;
		self.link.replace(node);
		Ok(())
	}

	fn money(&self, units: u128) -> String {
		self.link.node().money(units)
	}
}

/// A replay of a job beside the provider's result.
pub(super) struct Compared {
	/// The job.
	pub(super) job: u64,
	/// Hash of its order.
	order: Hash,
	/// This machine's run root.
	own: Hash,
	/// The provider's.
	claimed: Hash,
	device: String,
	seconds: f64,
	challenger: Challenger<Arc<WorkerReplay>>,
}

impl Compared {
	/// Whether the provider's root is this machine's.
	pub(super) fn equal(&self) -> bool {
		self.own == self.claimed
	}

	/// For `--json`.
	pub(super) fn to_json(&self) -> serde_json::Value {
		json!({
			"event": "compared",
			"job": self.job,
			"order": hex(self.order),
			"equal": self.equal(),
			"runRoot": { "own": hex(self.own), "chain": hex(self.claimed) },
			"device": self.device,
			"seconds": self.seconds,
		})
	}
}

/// Replays the job.
pub(super) async fn compare(
	link: &Link,
	ui: &Ui,
	runner: &Runner,
	id: u64,
	disputed: &Disputed,
) -> Result<Compared> {
	let loaded = Arc::new(Loaded::fetch(&link.node(), &disputed.program).await?);
	let replay = Arc::new(WorkerReplay::new(
		link.clone(),
		runner.clone(),
		Files::scratch(runner.dir().join(format!("inputs-{id}")))?,
		id,
		loaded.clone(),
		disputed.input_roots.clone(),
		*ui,
		format!("replay job {id}"),
	));
	replay.inputs().await?;
	let start = Instant::now();
	let (_, finished) = replay.run(disputed.steps, &[], Record::default()).await?;
	let run = finished.done();
	let (own, seconds) = (run_root(&run.trace_roots), start.elapsed().as_secs_f64());
	let challenger = Challenger::new(disputed_job(disputed, &loaded), replay)
		.and_then(|c| c.with_run(run.trace_roots.clone(), run.last_anchors.clone()))
		.map_err(dispute_error)?;
	let (claimed, device, order) = (disputed.run_root, run.device.clone(), disputed.order);
	Ok(Compared { job: id, order, own, claimed, device, seconds, challenger })
}
