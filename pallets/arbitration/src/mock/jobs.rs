//! Stands in for the jobs, whose money is simple, and for the programs.

use super::*;
use assay_market::{Disputes, OpenResult, ReasonCode, VerifierId};
use assay_program::{program_id, AnchorPlan, Checked, Limits, Program};
use codec::{Decode, Encode};
use frame_support::{storage_alias, traits::fungible::Mutate, Blake2_128Concat};
use sp_core::Pair as _;

/// Stands in for the jobs and the programs.
pub struct Mock;

/// A job as far as a dispute needs it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct FakeJob {
	pub order: Hash,
	pub provider: AccountId,
	pub program: Hash,
	pub input_roots: Vec<Hash>,
	pub steps: u32,
	/// Work units of a replay.
	pub work: u64,
	pub run_root: Hash,
	pub trace_root: Hash,
	pub deadline: u64,
	pub condemned: Option<(ReasonCode, AccountId)>,
	pub ended: bool,
	/// How often [`Disputes::quiet`] was said.
	pub quiet: u32,
}

#[storage_alias]
pub type FakeJobs = StorageMap<Mock, Blake2_128Concat, JobId, FakeJob>;
#[storage_alias]
pub type NextJob = StorageValue<Mock, JobId, frame_support::pallet_prelude::ValueQuery>;
/// Who was drawn, and whether its verdict differs from the result.
#[storage_alias]
pub type Seats = StorageMap<
	Mock,
	Blake2_128Concat,
	JobId,
	Vec<(AccountId, VerifierId, bool)>,
	frame_support::pallet_prelude::ValueQuery,
>;
/// Whose free lane came to nothing, as often as it was said.
#[storage_alias]
pub type Rejected = StorageMap<
	Mock,
	Blake2_128Concat,
	JobId,
	Vec<AccountId>,
	frame_support::pallet_prelude::ValueQuery,
>;
#[storage_alias]
pub type Bonds =
	StorageMap<Mock, Blake2_128Concat, JobId, u64, frame_support::pallet_prelude::ValueQuery>;
/// What provers are said to have paid.
#[storage_alias]
pub type Costs = StorageMap<Mock, Blake2_128Concat, JobId, u64>;
#[storage_alias]
pub type WrongSteps = StorageMap<Mock, Blake2_128Concat, JobId, u32>;
#[storage_alias]
pub type BurnedBonds = StorageValue<Mock, u64, frame_support::pallet_prelude::ValueQuery>;
/// The bytes of registered programs.
#[storage_alias]
pub type Registered = StorageMap<Mock, Blake2_128Concat, Hash, Vec<u8>>;

impl Disputes<AccountId, u64, u64> for Mock {
	fn result(job: JobId) -> Option<OpenResult<AccountId, u64, u64>> {
		let job = FakeJobs::get(job).filter(|job| !job.ended && job.condemned.is_none())?;
		Some(OpenResult {
			order: job.order,
			open: now() <= job.deadline,
			provider: job.provider,
			program: job.program,
			input_roots: job.input_roots,
			steps: job.steps,
			work_units: job.work,
			run_root: job.run_root,
			trace_root: job.trace_root,
			answer_time: AnswerBase::get() + job.work.saturating_mul(2).div_ceil(AnswerRate::get()),
			answer_rate: AnswerRate::get(),
			patience: Patience::get(),
			move_time: MoveClock::get(),
			proof_time: PROOF_TIME,
			deposit: DEPOSIT,
		})
	}

	fn order(job: JobId) -> Option<Hash> {
		FakeJobs::get(job).map(|job| job.order)
	}

	fn note_rejected(job: JobId, account: &AccountId) {
		assert!(Self::verifier_key(job, account).is_some(), "only verifiers have free lanes");
		Rejected::append(job, account);
	}

	fn verifier_key(job: JobId, account: &AccountId) -> Option<VerifierId> {
		Seats::get(job).into_iter().find(|(who, ..)| who == account).map(|(_, key, _)| key)
	}

	fn differing(keys: &[VerifierId]) -> Vec<(JobId, AccountId, VerifierId)> {
		let mut found: Vec<_> = Seats::iter()
			.flat_map(|(job, seats)| seats.into_iter().map(move |seat| (job, seat)))
			.filter(|(job, (_, key, differs))| {
				*differs && keys.contains(key) && Self::result(*job).is_some()
			})
			.map(|(job, (account, key, _))| (job, account, key))
			.collect();
		found.sort();
		found
	}

	fn quiet(job: JobId) {
		FakeJobs::mutate_exists(job, |job| {
			if let Some(job) = job {
				job.quiet += 1;
			}
		});
	}

	fn condemn(
		id: JobId,
		reason: ReasonCode,
		by: &AccountId,
		step: Option<u32>,
		costs: u64,
	) -> bool {
		if Self::result(id).is_none() {
			return false;
		}
		Costs::insert(id, costs);
		if let Some(step) = step {
			WrongSteps::insert(id, step);
		}
		let bond = Bonds::take(id);
		let mut burned = bond;
		for (who, part) in [(by, bond / 5), (&requester(), bond / 4)] {
			if Balances::mint_into(who, part).is_ok() {
				burned -= part;
			}
		}
		BurnedBonds::mutate(|all| *all += burned);
		FakeJobs::mutate(id, |job| {
			job.as_mut().expect("has a result").condemned = Some((reason, by.clone()))
		});
		if !EndsLater::get() {
			end_job(id);
		}
		true
	}
}

impl crate::RefereedPrograms for Mock {
	fn program(id: &Hash) -> Option<(Program, Checked)> {
		let program = Program::decode_bounded(&Registered::get(id)?).ok()?;
		let checked = program.check(&Limits::V1).ok()?;
		Some((program, checked))
	}

	fn plans(id: &Hash) -> Option<Vec<AnchorPlan>> {
		Self::program(id).map(|(_, checked)| checked.plans())
	}
}

#[cfg(feature = "runtime-benchmarks")]
impl crate::BenchmarkHelper<AccountId> for Mock {
	fn opened(
		program: Vec<u8>,
		input_roots: Vec<Hash>,
		steps: u32,
		run_root: Hash,
		trace_root: Hash,
		verifier: (AccountId, VerifierId),
	) -> JobId {
		let id = program_id(&program);
		Registered::insert(id, program);
		let job = NextJob::get();
		NextJob::put(job + 1);
		FakeJobs::insert(
			job,
			FakeJob {
				order: [3; 32],
				work: 1,
				provider: frame_benchmarking::account("provider", 0, 0),
				program: id,
				input_roots,
				steps,
				run_root,
				trace_root,
				deadline: now() + u64::from(crate::benchmarking::OPEN_BLOCKS),
				condemned: None,
				ended: false,
				quiet: 0,
			},
		);
		let mut seats = vec![verifier.clone(); 144];
		seats.rotate_left(1);
		Seats::insert(
			job,
			seats.into_iter().map(|(who, key)| (who, key, true)).collect::<Vec<_>>(),
		);
		Bonds::insert(job, BOND);
		job
	}
}

/// Ends a job, as the jobs pallet does it: what disputes keep of it may go.
pub fn end_job(id: JobId) {
	FakeJobs::mutate(id, |job| job.as_mut().expect("exists").ended = true);
	Arbitration::ended(id);
}

/// The jobs whose deadline has passed and that nobody disputes settle; their bonds go back.
pub(super) fn settle_jobs() {
	let due: Vec<_> = FakeJobs::iter()
		.filter(|(id, job)| !job.ended && now() > job.deadline && !Arbitration::is_disputed(*id))
		.map(|(id, _)| id)
		.collect();
	for id in due {
		// A provider's bond is outside of this chain's balances.
		BurnedBonds::mutate(|all| *all += Bonds::take(id));
		end_job(id);
	}
}

/// A job whose provider has opened this run; three verifiers were drawn and differ.
pub fn post(run: &Run) -> JobId {
	let id = NextJob::get();
	NextJob::put(id + 1);
	FakeJobs::insert(
		id,
		FakeJob {
			order: order_hash(id, 0),
			work: 0,
			provider: provider(),
			program: program_id(&run.task.program.encode()),
			input_roots: run.input_roots(),
			steps: run.traces.len() as u32,
			run_root: run.root(),
			trace_root: *run.traces.last().expect("a step"),
			deadline: now() + CHALLENGE_TIME,
			condemned: None,
			ended: false,
			quiet: 0,
		},
	);
	let seat = |index| {
		let who = verifier(index);
		let key = pair(&who).public();
		(who, key, true)
	};
	Seats::insert(id, (0..3).map(seat).collect::<Vec<_>>());
	Bonds::insert(id, BOND);
	id
}
/// Of the job of this number on one of many forks.
pub fn order_hash(id: JobId, fork: u8) -> Hash {
	(id, fork).using_encoded(sp_io::hashing::blake2_256)
}
/// Of the job of this number here.
pub fn order(id: JobId) -> Hash {
	Mock::order(id).unwrap_or(order_hash(id, 0))
}
/// The number is another job's on this fork.
pub fn fork(id: JobId) {
	FakeJobs::mutate(id, |job| job.as_mut().expect("posted").order = order_hash(id, 1));
}
/// A replay of this job takes so many units.
pub fn set_work(id: JobId, work: u64) {
	FakeJobs::mutate(id, |job| job.as_mut().expect("posted").work = work);
}
/// What the prover of this job is said to have paid for its proof.
pub fn costs(id: JobId) -> Option<u64> {
	Costs::get(id)
}
/// How often it was said that a free lane of this verifier came to nothing.
pub fn rejected(id: JobId, who: &AccountId) -> usize {
	Rejected::get(id).into_iter().filter(|other| other == who).count()
}
pub fn job(id: JobId) -> FakeJob {
	FakeJobs::get(id).expect("the job exists")
}
/// The step for which it was condemned.
pub fn wrong_step(id: JobId) -> Option<u32> {
	WrongSteps::get(id)
}
/// How a job was condemned, and who was paid for it.
pub fn condemned(id: JobId) -> Option<(ReasonCode, AccountId)> {
	job(id).condemned
}
