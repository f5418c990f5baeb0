//! Honest runs: whatever engine computes them, they have one root, are paid, and no proof stands against them.

use super::{random_work, referee, rng_of, words, Failure, Plan, Share};
use crate::{
	actors::salt,
	calls::{self, Offer},
	chain::{self, Tx, World},
	lottery,
	offline::Stored,
	people::{Person, VALIDATORS},
	stage::{offer, prepare},
	work::{Table, Work},
};
use assay_commitments::Hash;
use assay_exec::{testing::Rng, CpuExecutor, Executor};
use assay_gpu::{best_executor, Choice, DeviceKind, DeviceReport};
use assay_market::{Assurance, Attestation, JobId, Phase, Purpose, ReasonCode, SeatStatus, Ticket};
use assay_referee::{ProofPart, Ruling};
use assay_runtime::{Jobs, Runtime, RuntimeEvent};
use std::{
	collections::BTreeMap,
	panic::{catch_unwind, AssertUnwindSafe},
	sync::atomic::{AtomicU64, Ordering},
	time::Duration,
};

/// Jobs that are on the chain at a time: fewer than a provider can bond for.
const BATCH: u64 = 48;

/// Batches that one chain carries before a fresh one is begun.
const BATCHES_PER_CHAIN: u64 = 4;

/// Blocks in which every job of a batch has ended.
const PATIENCE: u32 = 400;

/// What came of all cases.
#[derive(Debug, Default)]
pub struct Summary {
	/// How long it took.
	pub time: Duration,
	/// Jobs that were paid.
	pub paid: u64,
	/// Jobs that nobody was drawn to verify: of six candidates one in eight thousand.
	pub undrawn: u64,
	/// Programs that the chain refused and that were replaced.
	pub refused: u64,
	/// Runs on a GPU.
	pub on_gpu: u64,
	/// Proofs that were ruled against honest runs, and found nothing.
	pub proofs: u64,
	/// Those of them that were sent to the chain.
	pub proofs_on_chain: u64,
	/// Blocks that were built.
	pub blocks: u64,
}

#[derive(Default)]
struct Counts {
	paid: AtomicU64,
	undrawn: AtomicU64,
	refused: AtomicU64,
	on_gpu: AtomicU64,
	proofs: AtomicU64,
	proofs_on_chain: AtomicU64,
	blocks: AtomicU64,
}

fn add(counter: &AtomicU64, more: u64) {
	counter.fetch_add(more, Ordering::Relaxed);
}

/// An adapter for the GPU engine where this machine has one, a software one too; and what it is.
pub fn gpu() -> (Option<Box<dyn Executor + Send>>, DeviceReport) {
	let (executor, report) = best_executor(&Choice::Gpu, None);
	((report.kind == DeviceKind::Gpu).then_some(executor), report)
}

/// Runs all cases; every `gpu_every`-th also on the GPU engine (none where that is 0).
///
/// # Errors
/// The first case whose roots differ, that was not paid, or whose provider or verifier lost something.
pub fn run(plan: Plan, gpu_every: u64) -> Result<Summary, Failure> {
	let (share, counts) = (Share::new(plan), Counts::default());
	std::thread::scope(|scope| {
		for _ in 0..plan.threads {
			scope.spawn(|| {
				let mut gpu = if gpu_every > 0 { gpu().0 } else { None };
				let mut batch = share.take(BATCH);
				while !batch.is_empty() && !share.stopped() {
					chain::run(|world| {
						prepare(world);
						for _ in 0..BATCHES_PER_CHAIN {
							if batch.is_empty() {
								break;
							}
							let first = batch[0];
							let attempt = AssertUnwindSafe(|| {
								play(world, plan.seed, &batch, &mut gpu, gpu_every, &counts)
							});
							let outcome = catch_unwind(attempt).unwrap_or_else(|panic| {
								Err(Failure { case: first, what: words(panic) })
							});
							if let Err(failure) = outcome {
								return share.fail(failure);
							}
							share.finish(batch.len() as u64);
							batch = share.take(BATCH);
						}
					});
				}
			});
		}
	});
	let time = share.end()?;
	let of = |counter: AtomicU64| counter.into_inner();
	Ok(Summary {
		time,
		paid: of(counts.paid),
		undrawn: of(counts.undrawn),
		refused: of(counts.refused),
		on_gpu: of(counts.on_gpu),
		proofs: of(counts.proofs),
		proofs_on_chain: of(counts.proofs_on_chain),
		blocks: of(counts.blocks),
	})
}

/// A job with what everyone found.
struct Honest {
	case: u64,
	work: Work,
	run: Table,
	/// Roots that the verifiers found, each on its engine.
	roots: Vec<Hash>,
	/// A proof against it, for the chain to rule on.
	proof: Option<ProofPart>,
	offer: Offer,
	refused: Vec<Vec<u8>>,
}

/// Runs a case on every engine, and has the referee rule on a proof against it.
fn compute(
	case: u64,
	rng: &mut Rng,
	gpu: Option<&mut Box<dyn Executor + Send>>,
	counts: &Counts,
) -> Result<Honest, String> {
	let (work, refused) = random_work(rng);
	let run = Table::honest(&work);
	let mut engines: Vec<Box<dyn Executor + Send>> = vec![Box::new(CpuExecutor::new())];
	let mut roots = vec![run.run_root()];
	let on_gpu = gpu.is_some();
	{
		let mut on = |engine: &mut Box<dyn Executor + Send>| {
			let computed = engine
				.run(&work.program, &work.checked, &work.inputs, work.steps, &mut ())
				.map_err(|error| format!("{}: {error}", engine.name()))?;
			if computed.run_root != run.run_root() {
				return Err(format!("{} differs from the definition", engine.name()));
			}
			roots.push(computed.run_root);
			Ok(())
		};
		on(&mut engines[0])?;
		if let Some(gpu) = gpu {
			on(gpu)?;
		}
	}
	add(&counts.on_gpu, on_gpu.into());
	let stored = Stored::new(&work)?;
	let accusation = referee::any_tile(rng, &work);
	let parts = referee::about(&work, &stored, &run, accusation)?;
	let list = referee::list(&work, &run, accusation.step);
	let ruling = stored.rule(&work.input_roots(), work.steps, run.run_root(), list, &parts);
	if ruling != Ok(Ruling::Right) {
		return Err(format!("a proof about {accusation:?} of an honest run is ruled {ruling:?}"));
	}
	add(&counts.proofs, 1);
	// What refers to a list needs a lane in which the provider has stated it.
	let alone = parts.len() == 1 && parts[0].lazy.roots.is_empty();
	let proof = (alone && rng.one_in(4)).then(|| parts[0].clone());
	let attestation = if rng.one_in(2) { Attestation::Required } else { Attestation::OptedOut };
	let offer = Offer { assurance: Assurance { attestation, ..Assurance::default() }, ..offer() };
	let refused = refused.into_iter().map(|(bytes, _)| bytes).collect();
	Ok(Honest { case, work, run, roots, proof, offer, refused })
}

/// Carries a batch of jobs from their posts to their settlements.
fn play(
	world: &mut World,
	seed: u64,
	cases: &[u64],
	gpu: &mut Option<Box<dyn Executor + Send>>,
	gpu_every: u64,
	counts: &Counts,
) -> Result<(), Failure> {
	let mut jobs = vec![];
	for &case in cases {
		let gpu = gpu.as_mut().filter(|_| gpu_every > 0 && case % gpu_every == 0);
		let job = compute(case, &mut rng_of(seed, case), gpu, counts);
		jobs.push(job.map_err(|what| Failure { case, what })?);
	}
	let before = world.now();
	let requester = Person::named("Requester");
	let at = |case: u64| move |what: String| Failure { case, what };

	// The chain decides on every program as the check does.
	for job in &jobs {
		for bytes in &job.refused {
			let verdict =
				world.send_all(vec![calls::register_program(&requester, bytes)]).remove(0);
			if verdict.is_ok() {
				return Err(at(job.case)(
					"the chain admits a program that the check refuses".into(),
				));
			}
			add(&counts.refused, 1);
		}
	}
	let programs = jobs.iter().map(|job| calls::register_program(&requester, &job.work.bytes));
	for (job, verdict) in jobs.iter().zip(world.send_all(programs.collect())) {
		match verdict {
			Ok(()) => {}
			Err(name) if name == "AlreadyRegistered" => {}
			Err(name) => {
				return Err(at(job.case)(format!("the chain refuses its program: {name}")))
			}
		}
	}
	let first = pallet_assay_jobs::NextJob::<Runtime>::get();
	let posts = jobs.iter().map(|job| calls::post_job(&requester, &job.work, job.offer));
	for (job, verdict) in jobs.iter().zip(world.send_all(posts.collect())) {
		verdict.map_err(|name| at(job.case)(format!("the job is refused: {name}")))?;
	}

	let ids: BTreeMap<JobId, &Honest> = (first..).zip(&jobs).collect();
	let mut accused = std::collections::BTreeSet::new();
	let mut tickets = Tickets::new();
	for _ in 0..PATIENCE {
		let open = ids.iter().filter(|(id, _)| {
			pallet_assay_jobs::Jobs::<Runtime>::get(id).is_some_and(|job| !job.phase.is_terminal())
		});
		let open: BTreeMap<JobId, &Honest> = open.map(|(id, job)| (*id, *job)).collect();
		if open.is_empty() {
			break;
		}
		let moves = moves(&open, &mut accused, &mut tickets);
		let (what, sent): (Vec<_>, Vec<_>) = moves.into_iter().unzip();
		for ((id, sent), verdict) in what.into_iter().zip(world.send_all(sent)) {
			let (expected, late) = match sent {
				Sent::Duty => (Ok(()), None),
				// The quorum may be reached before.
				Sent::Attestation => (Ok(()), Some("invalid: Stale")),
				Sent::Proof => (Err("NotWrong".to_string()), Some("NothingToDispute")),
			};
			let late = late.is_some_and(|late| verdict == Err(late.into()));
			if verdict != expected && !late {
				let what = format!("{sent:?} in job {id}: {verdict:?} instead of {expected:?}");
				return Err(at(ids[&id].case)(what));
			}
			add(&counts.proofs_on_chain, (sent == Sent::Proof && !late).into());
		}
	}
	for (id, job) in &ids {
		let view = Jobs::job_view(*id).ok_or_else(|| at(job.case)("the job is gone".into()))?;
		let drawn = tickets.iter().any(|((of, _), drawn)| of == id && drawn.1.is_some());
		if view.reason == Some(ReasonCode::Inconclusive) && !drawn {
			add(&counts.undrawn, 1);
			continue;
		}
		if view.reason != Some(ReasonCode::Paid) {
			let what = format!("ended as {:?} in {:?}", view.reason, view.phase);
			return Err(at(job.case)(what));
		}
		add(&counts.paid, 1);
	}
	let harm = world.log.iter().find(|(_, event)| {
		use pallet_assay_jobs::Event as Job;
		use pallet_assay_stake::Event as Stake;
		matches!(
			event,
			RuntimeEvent::Jobs(Job::BondSlashed { .. } | Job::ResultCondemned { .. })
				| RuntimeEvent::Offences(_)
				| RuntimeEvent::Stake(
					Stake::JobSlashed { .. }
						| Stake::Slashed { .. }
						| Stake::SlashDeferred { .. }
						| Stake::VerifierSuspended { .. }
				)
		)
	});
	if let Some((block, event)) = harm {
		return Err(at(cases[0])(format!("somebody was harmed in block {block}: {event:?}")));
	}
	world.log.clear();
	add(&counts.blocks, (world.now() - before).into());
	Ok(())
}

/// What a transaction is to its job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
	/// Must be taken.
	Duty,
	/// May come when others have attested enough.
	Attestation,
	/// Must be refused.
	Proof,
}

/// What a validator has drawn in the lottery of a job.
type Drawn = (Ticket, Option<u32>);
type Tickets = BTreeMap<(JobId, &'static str), Drawn>;

/// What everyone sends now: to which job, as what, and what.
fn moves(
	open: &BTreeMap<JobId, &Honest>,
	accused: &mut std::collections::BTreeSet<JobId>,
	tickets: &mut Tickets,
) -> Vec<((JobId, Sent), Tx)> {
	let provider = Person::named("Provider");
	let outsider = Person::named("Outsider");
	let mut moves = vec![];
	for (&id, job) in open {
		let Some(now) = pallet_assay_jobs::Jobs::<Runtime>::get(id) else { continue };
		let salt = salt("Provider", id);
		let run_root = job.run.run_root();
		match now.phase {
			Phase::Open => moves.push(((id, Sent::Duty), calls::claim_job(&provider, id))),
			Phase::Claimed => {
				let commit = calls::commit_result(&provider, id, &run_root, &salt);
				moves.push(((id, Sent::Duty), commit));
			}
			Phase::Revealing if now.run_root().is_none() => {
				let reveal = calls::reveal_result(&provider, id, &job.work, &job.run, salt);
				moves.push(((id, Sent::Duty), reveal));
			}
			Phase::Challengeable => {
				if let Some(proof) = job.proof.clone().filter(|_| accused.insert(id)) {
					moves.push(((id, Sent::Proof), calls::prove_fraud(&outsider, id, proof)));
				}
			}
			_ => {}
		}
	}
	for (at, name) in VALIDATORS.iter().enumerate() {
		let who = Person::named(name);
		for duty in Jobs::assignments(&[who.verifier_key()]) {
			let Some(job) = open.get(&duty.job) else { continue };
			let id = duty.job;
			let salt = salt(name, id);
			// Each verifier has an engine of its own.
			let root = job.roots[at % job.roots.len()];
			let (sent, tx) = match (duty.purpose, &duty.status) {
				(Purpose::Attest, SeatStatus::Pending) if duty.phase == Phase::Posted => {
					(Sent::Attestation, calls::attest(&who, id, true))
				}
				(Purpose::Verify, SeatStatus::Committed) if duty.can_reveal => {
					let Some(sample) = duty.sample else { continue };
					let chunks = job.run.chunks(&job.work, &sample, &who.bytes());
					(Sent::Duty, calls::reveal_verdict(&who, id, root, salt, Some(chunks)))
				}
				_ => continue,
			};
			moves.push(((id, sent), tx));
		}
		for duty in Jobs::lotteries(&[who.verifier_key()]) {
			let Some(job) = open.get(&duty.job) else { continue };
			let id = duty.job;
			let drawn = tickets.entry((id, *name)).or_insert_with(|| lottery::ticket(&who, &duty));
			if drawn.1.is_some_and(|tranche| tranche <= duty.tranche) {
				let root = job.roots[at % job.roots.len()];
				let commit = calls::commit_verdict(&who, id, &root, &salt(name, id), drawn.0);
				moves.push(((id, Sent::Duty), commit));
			}
		}
	}
	moves
}
