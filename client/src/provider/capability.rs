//! What this provider can do and is willing to do, held against a job before it is claimed.

use crate::{
	chain::{
		jobs::{Attestation, Job},
		parameters::Parameters,
		Hash,
	},
	output::bytes,
	program::Loaded,
};
use assay_commitments::Segmentation;
use assay_program::MAX_STEPS;
use std::time::Duration;

/// How much slower than measured a run is reckoned: what was measured is a product of matrices on
/// an idle machine.
const SLACK: u64 = 2;
/// What fetching, writing, handing over and the chain's own blocks take beside the run.
const OVERHEAD: Duration = Duration::from_secs(6);
/// Of the commit clock, how much a run may take, in percent.
const CLOCK_PERCENT: u32 = 80;
/// Bytes a second at which files are hashed, written and handed over at least.
const BYTES_PER_SECOND: u64 = 32 << 20;
/// Work units that a price per work is for.
const PRICED_WORK: u128 = 1_000_000_000;

/// What a provider goes by.
#[derive(Clone, Debug)]
pub(super) struct Terms {
	/// This provider.
	pub(super) account: Hash,
	/// Claim only these jobs; all where it is empty.
	pub(super) jobs: Vec<u64>,
	/// Least price of any job.
	pub(super) min_price: u128,
	/// Least price of 10^9 work units; `None`: the chain's.
	pub(super) min_price_per_work: Option<u128>,
	/// Most bond; `None`: half of the free stake.
	pub(super) max_bond: Option<u128>,
	/// Claim jobs whose inputs nobody attests to hold.
	pub(super) accept_unattested: bool,
	/// Most bytes of memory of a job; `None`: what the machine has.
	pub(super) max_memory: Option<u64>,
}

/// What there is at the moment.
#[derive(Clone, Debug)]
pub(super) struct Means {
	/// Measured work units per second.
	pub(super) rate: u64,
	/// How long a block takes.
	pub(super) block: Duration,
	/// Stake that a claim can still put up.
	pub(super) stake: u128,
	/// Bytes of memory.
	pub(super) memory: u64,
	/// Bytes of disk, without those that other jobs will take.
	pub(super) disk: u64,
	/// Most bytes that may be kept for answers.
	pub(super) traces: u64,
	/// Work units that this provider owes already.
	pub(super) queued: u64,
	/// Work units of all of its results that can still be challenged.
	pub(super) open: u64,
	/// The market's parameters.
	pub(super) parameters: Parameters,
}

/// Most checkpoints of a run that is not cut for its verifiers.
const OWN_CHECKPOINTS: u64 = 15;

/// What the runs of a program take that the chain does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Needs {
	/// Bytes of memory.
	pub(super) peak_memory: u64,
	/// Bytes of all states, which a checkpoint has.
	pub(super) states: u64,
	/// Bytes of the roots of a step's anchors.
	pub(super) roots: u64,
	/// Bytes of the trees of a step's anchors.
	pub(super) trees: u64,
}

impl Needs {
	/// Of a program.
	pub(super) fn of(loaded: &Loaded) -> Self {
		let (program, checked) = (&loaded.program, &loaded.checked);
		let states = program.states.iter().filter_map(|state| {
			program.inputs.get(usize::from(state.input)).map(|input| input.ty.canonical_len())
		});
		let anchors = checked.anchors.iter().chain(&checked.lazy);
		let tiles =
			anchors.filter_map(|node| checked.types.get(*node as usize)).map(|ty| ty.tiles());
		Self {
			peak_memory: checked.peak_memory,
			states: states.fold(0, u64::saturating_add),
			roots: 32 * checked.anchors.len() as u64,
			trees: tiles.fold(0, u64::saturating_add).saturating_mul(32),
		}
	}

	/// Bytes of the checkpoints that verifiers of a job need.
	fn checkpoints(&self, job: &Job) -> u64 {
		let cut = job.assurance.segments.and_then(|cut| Segmentation::new(job.steps, cut.steps));
		self.states.saturating_mul(cut.map_or(0, |cut| u64::from(cut.count()) - 1))
	}

	/// Bytes of what is kept for answers, where `budget` are allowed.
	fn traces(&self, job: &Job, budget: u64) -> u64 {
		let own = match job.assurance.segments {
			Some(_) => 0,
			None => OWN_CHECKPOINTS.min(job.steps.into()),
		};
		let roots = self.roots.saturating_mul(job.steps.into());
		let all = roots.saturating_add(self.trees).saturating_add(self.states.saturating_mul(own));
		all.min(budget)
	}

	/// Bytes of disk that a job takes: all its files lie in the folder of the run and beside it.
	pub(super) fn disk(&self, job: &Job, budget: u64) -> u64 {
		let files = job.input_bytes.saturating_add(job.output_bytes);
		let kept = self.checkpoints(job).saturating_add(self.traces(job, budget));
		files.saturating_add(kept).saturating_mul(2)
	}
}

/// Why a job is not claimed: a code for scripts and a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
	pub(super) code: &'static str,
	pub(super) text: String,
}

fn refuse(code: &'static str, text: impl Into<String>) -> Option<Refusal> {
	Some(Refusal { code, text: text.into() })
}

/// Why one result more could not be answered for, if all of them were challenged at the same time:
/// the chain gives their answers so much time beside their own clocks.
fn too_many(job: &Job, means: &Means) -> Option<Refusal> {
	let queue = means.block.as_millis().saturating_mul(means.parameters.answer_queue.into());
	let most = queue.saturating_mul(means.rate.into()) / 1000;
	let open = u128::from(means.open) + u128::from(job.work_units);
	// The first result always fits: its own clock is for it.
	(means.open > 0 && open > most).then(|| Refusal {
		code: "too-many-open",
		text: format!(
			"with it, {open} work units of open results could be challenged at the same time, and {most} can be run \
			 again while answers are owed"
		),
	})
}

impl Terms {
	/// The least price at which this work is done.
	pub(super) fn least_price(&self, job: &Job, parameters: &Parameters) -> u128 {
		let per_work = self.min_price_per_work.unwrap_or(parameters.work_price);
		let work = u128::from(job.work_units).saturating_mul(per_work).div_ceil(PRICED_WORK);
		self.min_price.max(work)
	}

	/// The most bond that a claim may put up.
	pub(super) fn most_bond(&self, stake: u128) -> u128 {
		self.max_bond.unwrap_or(stake / 2).min(stake)
	}

	/// Why an open job is not claimed, by what the chain says of it; `None` where nothing speaks
	/// against it. `money` writes an amount for people.
	pub(super) fn refusal(
		&self,
		job: &Job,
		means: &Means,
		money: impl Fn(u128) -> String,
	) -> Option<Refusal> {
		if !self.jobs.is_empty() && !self.jobs.contains(&job.id) {
			return refuse("other-job", "not one of --job");
		}
		if job.requester.0 == self.account {
			return refuse("own-job", "this account posted it");
		}
		if job.barred.iter().any(|who| who.0 == self.account) {
			return refuse("barred", "this account stalled on it or gave it back");
		}
		if job.assurance.attestation != Attestation::Required && !self.accept_unattested {
			let text =
				"nobody attests that its inputs can be had; --accept-unattested takes such jobs";
			return refuse("unattested", text);
		}
		if job.steps > MAX_STEPS {
			let text =
				format!("it has {} steps, and no worker runs more than {MAX_STEPS}", job.steps);
			return refuse("steps", text);
		}
		let price = job.current_price.unwrap_or(job.price_start);
		if price < self.min_price {
			// The ramp goes on; said once per job all the same.
			return refuse("price", "its price is below --min-price so far");
		}
		if price < self.least_price(job, &means.parameters) {
			return refuse("price-per-work", "its price is below --min-price-per-work so far");
		}
		if let Some(bond) = job.bond.filter(|bond| *bond > means.stake) {
			let text = format!(
				"it needs a bond of {}, free stake is {}; `assay stake bond`",
				money(bond),
				money(means.stake)
			);
			return refuse("stake", text);
		}
		let most = self.most_bond(means.stake);
		if let Some(bond) = job.bond.filter(|bond| *bond > most) {
			let text = format!("it needs a bond of {}, --max-bond is {}", money(bond), money(most));
			return refuse("bond", text);
		}
		let files = job.input_bytes.saturating_add(job.output_bytes);
		if files > means.disk / 2 {
			let (files, disk) = (bytes(files), bytes(means.disk));
			return refuse(
				"disk",
				format!("its inputs and outputs are {files}, {disk} of disk are free"),
			);
		}
		self.too_slow(job, means, 0).or_else(|| too_many(job, means))
	}

	/// Why a job does not fit, by what its program tells; `None` where nothing speaks against it.
	pub(super) fn no_room(&self, needs: &Needs, job: &Job, means: &Means) -> Option<Refusal> {
		let needed = needs.disk(job, means.traces);
		if needed > means.disk {
			let text = format!(
				"its inputs, outputs and checkpoints take {} while it runs, {} of disk are free and not spoken for",
				bytes(needed),
				bytes(means.disk)
			);
			return refuse("disk", text);
		}
		self.too_large(needs.peak_memory, job, means.memory)
			.or_else(|| self.too_slow(job, means, needs.checkpoints(job)))
	}

	/// Why a job's run would not end in time, which writes so many bytes of checkpoints.
	fn too_slow(&self, job: &Job, means: &Means, checkpoints: u64) -> Option<Refusal> {
		let clock = means.parameters.commit.blocks(job.work_units, job.input_bytes);
		let clock = means.block.saturating_mul(u32::try_from(clock).unwrap_or(u32::MAX));
		let time = clock.saturating_mul(CLOCK_PERCENT) / 100;
		let takes = self.time(job, means, checkpoints);
		(takes > time).then(|| Refusal {
			code: "too-slow",
			text: format!(
				"its {} work units would take about {} s here ({} units a second measured, {} owed \
				 already), and {} s are allowed",
				job.work_units,
				takes.as_secs(),
				means.rate,
				means.queued,
				time.as_secs()
			),
		})
	}

	/// How long a job would take here, from the claim to the commitment.
	fn time(&self, job: &Job, means: &Means, checkpoints: u64) -> Duration {
		let work = job.work_units.saturating_add(means.queued).saturating_mul(SLACK);
		let files = job.input_bytes.saturating_add(job.output_bytes);
		// They are written, taken over and handed to the node, all before the commitment.
		let files = files.saturating_add(checkpoints.saturating_mul(3));
		let run = Duration::from_secs(work / means.rate.max(1));
		let copies = Duration::from_secs(files / BYTES_PER_SECOND);
		run.saturating_add(copies).saturating_add(OVERHEAD)
	}

	/// Why a program does not fit this machine's memory.
	pub(super) fn too_large(&self, peak_memory: u64, job: &Job, memory: u64) -> Option<Refusal> {
		let needed = crate::runner::needed(peak_memory, job.input_bytes);
		if let Some(most) = self.max_memory.filter(|most| peak_memory > *most) {
			let text = format!("it needs {}, --max-memory is {}", bytes(peak_memory), bytes(most));
			return refuse("max-memory", text);
		}
		let text = || format!("it needs {}, {} are available", bytes(needed), bytes(memory));
		(needed > memory).then(|| Refusal { code: "memory", text: text() })
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::chain::{
		jobs::{tests, Phase},
		parameters::Clock,
	};

	use assay_job::Segments;

	const UNIT: u128 = 1_000_000_000_000;

	fn terms() -> Terms {
		Terms {
			account: [0xcc; 32],
			jobs: vec![],
			min_price: 0,
			min_price_per_work: None,
			max_bond: None,
			accept_unattested: false,
			max_memory: None,
		}
	}

	fn means() -> Means {
		let clock = Clock { base: 30, work_per_block: 1_000_000_000, bytes_per_block: 16 << 20 };
		Means {
			rate: 5_000_000_000,
			block: Duration::from_secs(3),
			stake: 1_000 * UNIT,
			memory: 8 << 30,
			disk: 100 << 30,
			traces: 2 << 30,
			queued: 0,
			open: 0,
			parameters: Parameters {
				commit: clock,
				min_price: 1,
				work_price: UNIT / 100,
				byte_price: 1,
				attest_size: 5,
				audit: 200_000,
				committee: 5,
				tranche_width_percent: 200,
				verifier_fee: 200_000,
				answer_queue: 60,
				stall_slash: 200_000,
				challenge_deposit: 100_000,
			},
		}
	}

	fn job(change: impl FnOnce(&mut Job)) -> Job {
		let mut job = tests::job();
		job.phase = Phase::Open.into();
		job.barred = vec![];
		job.current_price = Some(UNIT);
		job.bond = Some(10 * UNIT);
		job.work_units = 10_000_000_000;
		change(&mut job);
		job
	}

	fn code(terms: &Terms, means: &Means, job: &Job) -> Option<&'static str> {
		terms.refusal(job, means, |n| n.to_string()).map(|refusal| refusal.code)
	}

	#[test]
	fn job_should_be_claimed_when_it_fits_and_refused_by_name_when_not() {
		let (terms, means) = (terms(), means());
		assert_eq!(code(&terms, &means, &job(|_| {})), None);
		type Case = (&'static str, fn(&mut Job));
		let cases: [Case; 9] = [
			("own-job", |job| job.requester.0 = [0xcc; 32]),
			("barred", |job| job.barred = vec![[1; 32].into(), [0xcc; 32].into()]),
			("unattested", |job| job.assurance.attestation = Attestation::OptedOut),
			("price-per-work", |job| job.current_price = Some(UNIT / 11)),
			("stake", |job| job.bond = Some(1_001 * UNIT)),
			("bond", |job| job.bond = Some(501 * UNIT)),
			("steps", |job| job.steps = MAX_STEPS + 1),
			("disk", |job| job.output_bytes = 60 << 30),
			("too-slow", |job| {
				// The clock gives a block for a block's work of the slowest; half of that here.
				job.work_units = 1_000_000_000_000_000;
				job.current_price = Some(u128::MAX);
			}),
		];
		for (expected, change) in cases {
			let mut means = means.clone();
			if expected == "too-slow" {
				means.rate = 500_000_000;
			}
			assert_eq!(code(&terms, &means, &job(change)), Some(expected));
		}
	}

	/// The live exploit of the hostile reading: inputs that nobody has, no attestation, an audit of
	/// 5 %.
	#[test]
	fn job_that_robs_default_providers_should_be_refused_by_default() {
		let robbery = job(|job| {
			job.assurance.attestation = Attestation::OptedOut;
			job.bond = Some(64 * UNIT);
		});
		assert_eq!(code(&terms(), &means(), &robbery), Some("unattested"));
		let willing = Terms { accept_unattested: true, ..terms() };
		assert_eq!(code(&willing, &means(), &robbery), None);
	}

	#[test]
	fn queue_and_overhead_should_count_against_the_clock() {
		// 30 blocks of 3 s and 10 of work: 120 s, of which 96 may be used; 4 s of work, doubled,
		// and 6 beside.
		let mut means = means();
		assert_eq!(terms().time(&job(|_| {}), &means, 0), Duration::from_secs(4 + 6));
		means.queued = 215_000_000_000;
		assert_eq!(code(&terms(), &means, &job(|_| {})), None);
		means.queued = 225_000_000_000;
		assert_eq!(code(&terms(), &means, &job(|_| {})), Some("too-slow"));
	}

	#[test]
	fn open_results_should_be_no_more_than_can_be_answered_for() {
		// 60 blocks of 3 s at 5 · 10^9 units a second.
		let with = |open| Means { open, ..means() };
		assert_eq!(code(&terms(), &with(890_000_000_000), &job(|_| {})), None);
		assert_eq!(code(&terms(), &with(891_000_000_000), &job(|_| {})), Some("too-many-open"));
		let large =
			job(|job| (job.work_units, job.current_price) = (900_000_000_001, Some(u128::MAX)));
		assert_eq!(code(&terms(), &with(0), &large), None, "the first has its own clock");
	}

	#[test]
	fn wishes_should_be_kept_when_they_are_given() {
		let means = means();
		let only = Terms { jobs: vec![7], ..terms() };
		assert_eq!(code(&only, &means, &job(|_| {})), Some("other-job"));
		let dear = Terms { min_price: 2 * UNIT, ..terms() };
		assert_eq!(code(&dear, &means, &job(|_| {})), Some("price"));
		let per_work = Terms { min_price_per_work: Some(UNIT), ..terms() };
		assert_eq!(code(&per_work, &means, &job(|_| {})), Some("price-per-work"));
		assert_eq!(per_work.least_price(&job(|_| {}), &means.parameters), 10 * UNIT);
		let bold = Terms { max_bond: Some(900 * UNIT), ..terms() };
		assert_eq!(code(&bold, &means, &job(|job| job.bond = Some(800 * UNIT))), None);
	}

	/// The exploit of the hostile reading: 105 GiB of checkpoints, where the chain tells of 3.5 GiB
	/// of inputs.
	#[test]
	fn job_should_be_refused_when_its_checkpoints_do_not_fit_the_disk_or_the_clock() {
		let cut = |change: fn(&mut Job)| {
			job(|job| {
				(job.steps, job.input_bytes) = (64, 7 << 29);
				job.assurance.segments = Some(Segments { steps: 4 });
				change(job);
			})
		};
		let needs = Needs { states: 7 << 29, ..Needs::default() };
		let means = Means { memory: 1 << 40, ..means() };
		let code = |needs: &Needs, means: &Means, job: &Job| {
			assert_eq!(terms().refusal(job, means, |n| n.to_string()), None);
			terms().no_room(needs, job, means).map(|refusal| refusal.code)
		};
		assert_eq!(code(&needs, &means, &cut(|_| {})), Some("disk"));
		// Four segments: 21 GiB of checkpoints and inputs fit, and take longer than the clock has.
		let four: fn(&mut Job) = |job| job.assurance.segments = Some(Segments { steps: 16 });
		assert_eq!(code(&needs, &means, &cut(four)), Some("too-slow"));
		let long = |job: &mut Job| {
			job.assurance.segments = Some(Segments { steps: 16 });
			job.work_units = 1_000_000_000_000;
			job.current_price = Some(UNIT * 100);
		};
		assert_eq!(code(&needs, &means, &cut(long)), None);
		// What other jobs will take is not free.
		let full = Means { disk: 25 << 30, ..means.clone() };
		assert_eq!(code(&needs, &full, &cut(long)), Some("disk"));
		// A run that nobody cuts writes what may be kept for answers, and not more.
		let whole = cut(|job| job.assurance.segments = None);
		assert_eq!(code(&needs, &full, &whole), None);
		assert_eq!(
			needs.disk(&whole, 2 << 30),
			2 * (whole.input_bytes + whole.output_bytes + (2 << 30))
		);
	}

	#[test]
	fn memory_should_be_that_of_the_machine_and_not_more_than_is_wanted() {
		let job = job(|job| job.input_bytes = 1 << 30);
		let code = |terms: Terms, peak| terms.too_large(peak, &job, 8 << 30).map(|r| r.code);
		assert_eq!(code(terms(), 3 << 30), None);
		assert_eq!(code(terms(), 4 << 30), Some("memory"));
		let small = Terms { max_memory: Some(1 << 30), ..terms() };
		assert_eq!(code(small, 2 << 30), Some("max-memory"));
	}
}
