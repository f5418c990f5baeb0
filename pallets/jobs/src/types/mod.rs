//! What the pallet stores.
//!
//! * [`job`]: one job, from its post to its end.
//! * [`seat`]: who was drawn, and what it said.
//! * Here: what is left of a job afterwards, and what all of them are bounded by.

pub mod job;
pub mod seat;

pub use job::{
	Audits, Books, Claim, Committed, Condemned, Job, Offer, Opened, Sample, SecondAudit,
};
pub use seat::{Answer, Results, Seat};

use crate::Config;
use assay_commitments::MAX_SEGMENTS;
use assay_market::{
	parameters::MAX_COMMITTEE, Hash, JobId, Lottery, MarketParameters, ReasonCode, SampledChunk,
	MAX_INPUTS, SAMPLED_CHUNKS,
};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{
	traits::{fungible::Inspect, ConstU32},
	BoundedVec,
};
use frame_system::pallet_prelude::BlockNumberFor;
use scale_info::TypeInfo;

/// The balance type of the escrow's currency.
pub type BalanceOf<T> =
	<<T as Config>::Currency as Inspect<<T as frame_system::Config>::AccountId>>::Balance;
/// The parameters as this runtime stores them.
pub type ParametersOf<T> = MarketParameters<BalanceOf<T>, BlockNumberFor<T>>;
/// A job as this runtime stores it.
pub type JobOf<T> = Job<<T as frame_system::Config>::AccountId, BalanceOf<T>, BlockNumberFor<T>>;
/// What was asked for, as this runtime stores it.
pub type OfferOf<T> =
	Offer<<T as frame_system::Config>::AccountId, BalanceOf<T>, BlockNumberFor<T>>;
/// A seat as this runtime stores it.
pub type SeatOf<T> = Seat<<T as frame_system::Config>::AccountId, BlockNumberFor<T>>;
/// All seats of a job.
pub type SeatsOf<T> = BoundedVec<SeatOf<T>, ConstU32<MAX_SEATS>>;
/// A lottery as this runtime stores it.
pub type LotteryOf<T> = Lottery<BlockNumberFor<T>>;
/// What a slashed bond lost, as this runtime stores it.
pub type LossOf<T> = Loss<BalanceOf<T>>;
/// A summary as this runtime stores it.
pub type ArchivedOf<T> = Archived<<T as frame_system::Config>::AccountId, BalanceOf<T>>;
/// The roots of a job's inputs, in program order.
pub type InputRoots = BoundedVec<Hash, ConstU32<MAX_INPUTS>>;

/// The roots of the segments of a run, in order.
pub type SegmentRootsOf = BoundedVec<Hash, ConstU32<MAX_SEGMENTS>>;

/// The chunks of its own trace that a verifier opens its verdict with.
pub type Chunks = BoundedVec<SampledChunk, ConstU32<{ SAMPLED_CHUNKS as u32 }>>;

/// Most audits of a job: the one that every result gets, and one more.
pub const MAX_AUDITS: u32 = 2;

/// Most seats that a job can have at a time: those who attest the inputs, those who keep the outputs
/// (drawn anew at most once, in place of those who are dismissed), and two audits with
/// [`LotteryTerms::capacity`](assay_market::LotteryTerms::capacity) each: 16 + 16 + 2 · 68 = 168.
pub const MAX_SEATS: u32 = 2 * MAX_COMMITTEE + MAX_AUDITS * (4 * MAX_COMMITTEE + 4);

/// Providers that stalled or gave up, of whom the last one ends the job.
pub const MAX_BARRED: u32 = 4;

/// Stalls, of which the last one ends the job.
pub const MAX_STALLS: u32 = 2;

/// Most phases that a job can enter. Posted; three providers give it back and the fourth commits: four
/// times Open and Claimed. Then two audits, each Committed, Verifying, Revealing and Challengeable
/// (keepers are drawn anew within the last one), and the end: 1 + 4 · 2 + 2 · 4 + 1 = 18.
pub const MAX_HISTORY_OF_PHASES: u32 = 1 + 2 * MAX_BARRED + 4 * MAX_AUDITS + 1;

/// Bytes of a job's record that a deposit is held for, beside 32 for every input: the fixed part
/// (1.3 KB), the roots of its outputs and segments, and seats, as most jobs have them.
pub const RECORD_BYTES: u32 = 4_096;

/// The calls of a provider that belong to the operational class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderCall {
	/// `commit_result`.
	Commit,
	/// `reveal_result`.
	Reveal,
	/// `give_back`.
	GiveBack,
}

/// What a slashed bond lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Loss<Balance> {
	/// Taken out of existence.
	pub burned: Balance,
	/// Paid to the prover.
	pub prover_paid: Balance,
	/// The job was a decoy, which has been reckoned up.
	pub taken: bool,
}

/// What is left of a pruned job.
#[derive(Clone, Debug, PartialEq, Eq)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Archived<AccountId, Balance> {
	/// The job.
	pub id: JobId,
	/// Hash of its order.
	pub order: Hash,
	/// Who posted it.
	pub requester: AccountId,
	/// Who claimed it last.
	pub provider: Option<AccountId>,
	/// Content address of the program.
	pub program: Hash,
	/// The provider's opened result.
	pub run_root: Option<Hash>,
	/// Why it ended.
	pub reason: ReasonCode,
	/// Paid out of the escrow.
	pub paid: Balance,
	/// Given back to the requester.
	pub refunded: Balance,
	/// Burned of the escrow.
	pub burned: Balance,
}

impl<AccountId, Balance> Archived<AccountId, Balance> {
	/// What is kept of a job that has ended; `None` of one that has not.
	pub fn of<BlockNumber>(id: JobId, job: Job<AccountId, Balance, BlockNumber>) -> Option<Self> {
		let (run_root, Books { paid, refunded, burned, .. }) = (job.run_root(), job.books);
		Some(Self {
			id,
			order: job.order,
			requester: job.offer.requester,
			provider: job.claim.map(|claim| claim.provider),
			program: job.offer.program,
			run_root,
			reason: job.reason?,
			paid,
			refunded,
			burned,
		})
	}
}
