//! `assay challenge`: what a drawn verifier's node does by itself, for any account.

use super::{
	job::{abbreviate, reconnect},
	Context,
};
use crate::{
	chain::{
		disputes::{accusation_json, proof_commitment, Disputed, Lane},
		ss58,
		value::Read,
		Hash, Included, Link,
	},
	challenge::{Chain, Lead, Outcome, Proven, Sent, Standing},
	cli,
	error::{Error, Result},
	output::{hex, Ui},
	program::Loaded,
	replay::{dispute_error, job as disputed_job, DeviceReplay, Lazy},
};
use assay_commitments::run_root;
use assay_dispute::{Challenger, Replay};
use assay_referee::ProofPart;
use serde_json::json;
use std::{sync::Arc, time::Instant};
use subxt_signer::sr25519::Keypair;

pub async fn run(context: &Context, args: cli::Challenge) -> Result<u8> {
	let ui = &context.ui;
	let id = args.job;
	let key = match args.dry_run {
		true => None,
		false => Some(context.key()?),
	};
	let node = context.node().await?;
	let job = node.job(id).await?;
	let Some(disputed) = node.disputed_result(id).await? else {
		if job.run_root.is_none() && !job.is_over() {
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
				let deposit = node.lane_deposit(job.price.unwrap_or(job.price_max)).await?;
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
	let device = Arc::new(Lazy::new(&args.adapter));
	let compared = compare(&link, ui, device, id, &disputed).await?;
	ui.document(&compared.to_json());
	ui.fields(&[
		("device", compared.device.clone()),
		("own root", hex(compared.own)),
		("on chain", hex(compared.claimed)),
	]);
	match (compared.equal(), key) {
		(true, _) => Ok(Outcome::Equal.tell(ui, id, None)),
		(false, None) => Ok(Outcome::Differs.tell(ui, id, None)),
		(false, Some(key)) => bring_down(link, ui, key, compared).await.map(Outcome::code),
	}
}

/// Leads a lane against a result that differs, to its end, and says how it ended.
pub(super) async fn bring_down(
	link: Link,
	ui: &Ui,
	key: Keypair,
	compared: Compared,
) -> Result<Outcome> {
	let Compared { job, challenger, .. } = compared;
	let account = key.public_key().0;
	let live = Live { link, ui: *ui, key, account, job };
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
	job: u64,
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
	async fn standing(&self) -> Result<Standing> {
		let node = self.link.node();
		Ok(match node.disputed_result(self.job).await? {
			Some(disputed) => Standing::Stands { open: disputed.open },
			None => Standing::Gone(Outcome::of(&node.job(self.job).await?)),
		})
	}

	async fn lane(&self) -> Result<Option<Lane>> {
		self.link.node().lane(self.job, &self.account).await
	}

	async fn head(&self) -> Result<u64> {
		Ok(self.link.node().head().await?.number)
	}

	async fn next_head(&self, after: u64) -> Result<u64> {
		Ok(self.link.node().next_head(after).await?.number)
	}

	async fn demand(&self, child: Option<u32>, list: Option<Hash>) -> Result<Sent> {
		sent(&self.link.node().demand(&self.key, self.job, child, list).await?)
	}

	fn commitment(&self, first: &ProofPart) -> Hash {
		proof_commitment(&self.link.node().genesis, self.job, &self.account, first)
	}

	async fn commit(&self, commitment: Hash) -> Result<Sent> {
		sent(&self.link.node().commit_proof(&self.key, self.job, commitment).await?)
	}

	async fn prove(&self, part: &ProofPart) -> Result<Sent> {
		sent(&self.link.node().prove_fraud(&self.key, self.job, part).await?)
	}

	async fn poke(&self) -> Result<()> {
		self.link.node().poke_lane(&self.key, self.job, &self.account).await.map(drop)
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
	/// This machine's run root.
	own: Hash,
	/// The provider's.
	claimed: Hash,
	device: String,
	seconds: f64,
	challenger: Challenger<Arc<DeviceReplay>>,
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
	device: Arc<Lazy>,
	id: u64,
	disputed: &Disputed,
) -> Result<Compared> {
	let loaded = Arc::new(Loaded::fetch(&link.node(), &disputed.program).await?);
	let replay = Arc::new(DeviceReplay::new(
		link.clone(),
		device.clone(),
		loaded.clone(),
		disputed.input_roots.clone(),
		*ui,
		format!("replay job {id}"),
	));
	replay.inputs().await?;
	let device = device.device().await?;
	let start = Instant::now();
	let run = replay.replay(disputed.steps, &[]).await.map_err(|source| {
		dispute_error(assay_dispute::Error::Replay { steps: disputed.steps, source })
	})?;
	let (own, seconds) = (run_root(&run.trace_roots), start.elapsed().as_secs_f64());
	let challenger = Challenger::new(disputed_job(disputed, &loaded), replay)
		.and_then(|c| c.with_run(run.trace_roots, run.last_anchors))
		.map_err(dispute_error)?;
	let (claimed, device) = (disputed.run_root, device.name().to_string());
	Ok(Compared { job: id, own, claimed, device, seconds, challenger })
}
