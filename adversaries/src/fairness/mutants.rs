//! One wrong bit anywhere in a run: it is found, proved, and nothing else ever is.

use super::{random_work, referee, rng_of, words, Failure, Plan, Share};
use crate::{
	actors::ProviderMisdeed,
	chain,
	offline::{lead, Lane, Stored},
	stage::{Cast, Stage},
	work::{Lie, Table, Work},
};
use assay_commitments::{most_openings, RunShape};
use assay_dispute::{local::LocalReplay, Answerer};
use assay_engine_testing::Rng;
use assay_exec::CpuExecutor;
use assay_referee::{ProofPart, Ruling};
use codec::{DecodeAll, Encode};
use std::{
	panic::{catch_unwind, AssertUnwindSafe},
	sync::atomic::{AtomicU64, Ordering},
	time::Duration,
};

/// What came of all cases.
#[derive(Debug, Default)]
pub struct Summary {
	/// How long it took.
	pub time: Duration,
	/// Programs that the check refused and that were replaced.
	pub refused: u64,
	/// Lies in padding.
	pub padding: u64,
	/// Lies after which everything was computed from them.
	pub spreading: u64,
	/// Lies with another one in what the provider lists of lazy anchors.
	pub lists: u64,
	/// Demands of all lanes.
	pub demands: u64,
	/// Proofs of more than one part.
	pub folds: u64,
	/// Cases that also went through the whole runtime.
	pub on_chain: u64,
	/// Changed proofs about honest runs that were not accepted.
	pub forgeries: u64,
}

#[derive(Default)]
struct Counts {
	refused: AtomicU64,
	padding: AtomicU64,
	spreading: AtomicU64,
	lists: AtomicU64,
	demands: AtomicU64,
	folds: AtomicU64,
	on_chain: AtomicU64,
	forgeries: AtomicU64,
}

fn add(counter: &AtomicU64, more: u64) {
	counter.fetch_add(more, Ordering::Relaxed);
}

/// Runs all cases; every `on_chain`-th also through the runtime with its lanes.
///
/// # Errors
/// The first case in which a lie got away, or something right was ruled wrong.
pub fn run(plan: Plan, on_chain: u64) -> Result<Summary, Failure> {
	let (share, counts) = (Share::new(plan), Counts::default());
	std::thread::scope(|scope| {
		for _ in 0..plan.threads {
			scope.spawn(|| loop {
				let cases = share.take(1);
				let Some(&case) = cases.first() else { break };
				let chain = case % on_chain == 0;
				let attempt =
					AssertUnwindSafe(|| check(&mut rng_of(plan.seed, case), chain, &counts));
				let outcome = catch_unwind(attempt).unwrap_or_else(|panic| Err(words(panic)));
				match outcome {
					Ok(()) => share.finish(1),
					Err(what) => share.fail(Failure { case, what }),
				}
			});
		}
	});
	let time = share.end()?;
	let of = |counter: AtomicU64| counter.into_inner();
	Ok(Summary {
		time,
		refused: of(counts.refused),
		padding: of(counts.padding),
		spreading: of(counts.spreading),
		lists: of(counts.lists),
		demands: of(counts.demands),
		folds: of(counts.folds),
		on_chain: of(counts.on_chain),
		forgeries: of(counts.forgeries),
	})
}

/// A random bit of one of these anchors in a step: of an element, or of the padding where there is
/// some.
fn random_lie(rng: &mut Rng, work: &Work, step: u32, among: &[u32]) -> (Lie, bool) {
	let node = rng.pick(among);
	let length = work.len_of(node) as usize;
	let padding = if rng.one_in(4) { work.padding_of(node) } else { None };
	let offset = padding.unwrap_or_else(|| {
		let ty = work.checked.types[node as usize];
		let (tile, offset) = ty.position(rng.below(ty.elements().into()));
		let byte = rng.below(ty.dtype.size() as u64) as usize;
		tile as usize * 1024 + offset + byte
	});
	debug_assert!(offset < length);
	let lie = Lie { step, node, offset, mask: 1 << rng.below(8), spreading: rng.one_in(2) };
	(lie, padding.is_some())
}

fn check(rng: &mut Rng, on_chain: bool, counts: &Counts) -> Result<(), String> {
	let (work, refused) = random_work(rng);
	add(&counts.refused, refused.len() as u64);
	let step = rng.below(work.steps.into()) as u32;
	let (lie, in_padding) = random_lie(rng, &work, step, &work.checked.anchors);
	// Often the provider also makes up what it lists of that step.
	let made_up = (!work.checked.lazy.is_empty() && rng.one_in(2)).then(|| {
		let (listed, _) = random_lie(rng, &work, step, &work.checked.lazy);
		Lie { spreading: false, ..listed }
	});
	add(&counts.lists, made_up.is_some().into());
	let provider = match made_up {
		Some(listed) => ProviderMisdeed::MadeUpList([lie, listed]),
		None => ProviderMisdeed::Lie(lie),
	};
	add(&counts.padding, in_padding.into());
	add(&counts.spreading, lie.spreading.into());
	let truth = Table::honest(&work);
	let lying = match made_up {
		Some(listed) => Table::lying_twice(&work, [lie, listed]),
		None => Table::lying(&work, lie),
	};
	let told = |what: String| format!("{what}; {provider:?} in {} steps", work.steps);

	// Found and proved, by a challenger with an engine of its own.
	let job = lying.job(&work);
	let replay = LocalReplay::new(job.clone(), work.inputs.clone(), CpuExecutor::new());
	let (proof, lane) = lead(&job, &lying, replay).map_err(told)?;
	let (demands, list) = (lane.opened.len() as u32, lane.list());
	add(&counts.demands, demands.into());
	add(&counts.folds, (proof.len() > 1).into());
	let lazy = work.checked.lazy.len() as u32;
	let all = 0..job.anchors() + lazy;
	let largest = all.filter_map(|anchor| job.tiles(anchor)).max().unwrap_or(1);
	let most = most_openings(work.steps, job.anchors(), lazy, largest);
	if demands > most {
		return Err(told(format!("{demands} demands, {most} are allowed")));
	}
	let stored = Stored::new(&work)?;
	let inputs = work.input_roots();
	let ruling = stored.rule(&inputs, work.steps, job.run_root, list, &proof);
	if ruling != Ok(Ruling::Fraud) {
		return Err(told(format!("the referee rules {ruling:?}")));
	}

	// The same proof says nothing about the honest run.
	let right = truth.run_root();
	let listed = referee::list(&work, &truth, lie.step);
	match stored.rule(&inputs, work.steps, right, listed, &proof) {
		Err(_) => add(&counts.forgeries, 1),
		Ok(ruling) => return Err(told(format!("of the honest run it rules {ruling:?}"))),
	}
	forgeries(rng, &work, &stored, &truth, counts).map_err(told)?;

	if on_chain {
		let cast = Cast { provider: provider.clone(), ..Cast::default() };
		let report = chain::run(|world| Stage::post(world, work.clone(), cast).play())?;
		// A proof that refers to what the provider listed blames nobody but the provider.
		let by_list = proof.iter().any(|part| !part.lazy.roots.is_empty());
		if report.outcome != if by_list { "Withheld" } else { "ProvenFraud" } {
			return Err(told(format!("on the chain it ends as {report:?}")));
		}
		add(&counts.on_chain, 1);
	}
	Ok(())
}

/// Changed proofs about an honest run, and a changed answer of it.
fn forgeries(
	rng: &mut Rng,
	work: &Work,
	stored: &Stored,
	truth: &Table,
	counts: &Counts,
) -> Result<(), String> {
	let accusation = referee::any_tile(rng, work);
	let parts = referee::about(work, stored, truth, accusation)?;
	let bytes = parts[0].encode();
	let rest = &parts[1..];
	for _ in 0..8 {
		let mut bytes = bytes.clone();
		for _ in 0..=rng.below(2) {
			let at = rng.below(bytes.len() as u64) as usize;
			bytes[at] ^= 1 << rng.below(8);
		}
		add(&counts.forgeries, 1);
		let Ok(first) = ProofPart::decode_all(&mut &bytes[..]) else { continue };
		let forged: Vec<_> = std::iter::once(first).chain(rest.iter().cloned()).collect();
		let list = referee::list(work, truth, accusation.step);
		let inputs = work.input_roots();
		let ruling = stored.rule(&inputs, work.steps, truth.run_root(), list, &forged);
		if let Ok(ruling @ (Ruling::Fraud | Ruling::Continue(_))) = ruling {
			return Err(format!("a changed proof about {accusation:?} is ruled {ruling:?}"));
		}
	}
	// An answer with one bit changed.
	let job = truth.job(work);
	let mut lane = Lane::new(job.clone());
	let (place, parent) = lane.demand(None)?;
	let mut answerer = Answerer::new(job, truth.clone()).map_err(|error| error.to_string())?;
	let mut children =
		pollster::block_on(answerer.answer(place)).map_err(|error| error.to_string())?;
	let child = rng.below(children.len() as u64) as usize;
	children[child][rng.below(32) as usize] ^= 1 << rng.below(8);
	if lane.answer(place, &parent, children) {
		return Err(format!("a changed answer at {place:?} is taken"));
	}
	Ok(())
}
