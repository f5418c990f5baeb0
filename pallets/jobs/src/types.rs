//! What the pallet stores.

use crate::Config;
use assay_commitments::{Segmentation, MAX_SEGMENTS};
use assay_market::{
	parameters::MAX_COMMITTEE, AbstainReason, Assurance, Checkpoints, Hash, JobId, Lottery,
	MarketParameters, Phase, Purpose, ReasonCode, SampledChunk, SeatStatus, VerifierId, MAX_INPUTS,
	MAX_OUTPUTS, SAMPLED_CHUNKS,
};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{
	traits::{fungible::Inspect, ConstU32},
	BoundedVec,
};
use frame_system::pallet_prelude::BlockNumberFor;
use scale_info::TypeInfo;
use sp_runtime::Permill;

/// The balance type of the escrow's currency.
pub type BalanceOf<T> =
	<<T as Config>::Currency as Inspect<<T as frame_system::Config>::AccountId>>::Balance;
/// The parameters as this runtime stores them.
pub type ParametersOf<T> = MarketParameters<BalanceOf<T>, BlockNumberFor<T>>;
/// A job as this runtime stores it.
pub type JobOf<T> = Job<<T as frame_system::Config>::AccountId, BalanceOf<T>, BlockNumberFor<T>>;
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

/// One job, from `post_job` until it is pruned.
#[derive(
	Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Job<AccountId, Balance, BlockNumber> {
	/// Hash of its [`Order`](assay_market::Order): what everybody who binds itself to it names.
	pub order: Hash,
	/// Who pays.
	pub requester: AccountId,
	/// Content address of the program.
	pub program: Hash,
	/// Content addresses of the inputs, in program order.
	pub input_roots: InputRoots,
	/// Steps to run.
	pub steps: u32,
	/// Work units of all steps together.
	pub work_units: u64,
	/// Bytes of all inputs together.
	pub input_bytes: u64,
	/// Bytes of all outputs together.
	pub output_bytes: u64,
	/// What the requester asked for.
	pub assurance: Assurance,
	/// The audit probability that it gets.
	pub audit: Permill,
	/// Price at the start of the ramp.
	pub price_start: Balance,
	/// Price at its end.
	pub price_max: Balance,
	/// Its length.
	pub ramp_blocks: BlockNumber,
	/// When the job was opened first, and its ramp began.
	pub opened_at: BlockNumber,
	/// The price agreed at the claim.
	pub price: Option<Balance>,
	/// What is set aside for verifiers: the fee of one audit, or of two after a second one was requested.
	pub verifier_pot: Balance,
	/// What is set aside for those who hold the inputs and the outputs.
	pub data_fee: Balance,
	/// What each of them gets of it.
	pub data_share: Balance,
	/// What is held of the requester's balance for this job.
	pub escrow: Balance,
	/// What is held beside it as a deposit.
	pub deposit: Balance,
	/// What of that is for the bytes of the record, until it is pruned. The rest is for the place in the
	/// market, until the job ends.
	pub record_deposit: Balance,
	/// Who claimed it last.
	pub provider: Option<AccountId>,
	/// The bond of that claim.
	pub bond: Balance,
	/// Who claimed it before and stayed silent, or gave it back.
	pub barred: BoundedVec<AccountId, ConstU32<MAX_BARRED>>,
	/// How many of them stayed silent.
	pub stalls: u32,
	/// Where the job stands.
	pub phase: Phase,
	/// Last block at which an answer of this phase counts.
	pub deadline: BlockNumber,
	/// The agenda's block that has this job.
	pub scheduled: Option<BlockNumber>,
	/// The block that the pending draw belongs to: its followers make the seed. The draw happens
	/// after `deadline`.
	pub draw: Option<BlockNumber>,
	/// Tranches of verifiers opened so far, in all audits.
	pub tranches: u32,
	/// The first tranche of the present audit.
	pub first_tranche: u32,
	/// How many verdicts the present audit wants.
	pub wanted: u32,
	/// How many matching verdicts the result needs, known when its first lottery opens. None where the
	/// audit is not sure, since nobody knows how many verifiers there were, unless its verdicts had to be
	/// looked at once more.
	pub needed: u32,
	/// How many shares the verifier pot is cut into: the verdicts wanted by all audits that pay into it.
	pub shares: u32,
	/// Whether the result was audited: somebody has won the lottery and said so, or the audit is sure.
	/// `None` before the first lottery is over.
	pub audited: Option<bool>,
	/// Which chunks of their traces the verifiers of the last audit show. `None` while commitments are
	/// accepted, and where nobody has committed.
	pub sample: Option<Sample<BlockNumber>>,
	/// Why there is an audit more after the reveal.
	pub second_audit: Option<SecondAudit>,
	/// The keepers of the outputs were drawn anew.
	pub keepers_redrawn: bool,
	/// The provider's hidden result.
	pub commitment: Option<Hash>,
	/// The provider's opened result.
	pub run_root: Option<Hash>,
	/// Trace root of the last step, as the reveal has shown it.
	pub trace_root: Option<Hash>,
	/// Content addresses of the outputs, in program order.
	pub output_roots: BoundedVec<Hash, ConstU32<MAX_OUTPUTS>>,
	/// What the segments of a run that is cut start from, as committed to with the result.
	pub checkpoints: Option<Checkpoints>,
	/// The step that was proved wrong.
	pub wrong_step: Option<u32>,
	/// The result was proved wrong, or an opening of it withheld. The bond is slashed; a job that has
	/// not ended by that waits for hidden verdicts to be opened, and for nothing else.
	pub condemned: Option<ReasonCode>,
	/// Why it ended.
	pub reason: Option<ReasonCode>,
	/// Paid out of the escrow.
	pub paid: Balance,
	/// Given back to the requester.
	pub refunded: Balance,
	/// Burned of the escrow.
	pub burned: Balance,
	/// When it entered which phase.
	pub history: BoundedVec<(Phase, BlockNumber), ConstU32<MAX_HISTORY_OF_PHASES>>,
}

impl<AccountId, Balance, BlockNumber> Job<AccountId, Balance, BlockNumber> {
	/// How the run is cut for its verifiers; `None`: each of them replays all of it.
	pub fn cut(&self) -> Option<Segmentation> {
		self.assurance.segments?.cut(self.steps)
	}

	/// How many segments it has; 1 where it is not cut.
	pub fn segment_count(&self) -> u32 {
		self.cut().map_or(1, |cut| cut.count())
	}

	/// Steps of what a verifier with this segment replays.
	pub fn steps_of(&self, segment: Option<u32>) -> u32 {
		let range = segment.and_then(|segment| self.cut()?.range(segment));
		range.map_or(self.steps, |range| range.end - range.start)
	}

	/// Whether the first audit is certain to happen, so that missing verdicts are missed.
	pub fn is_sure(&self) -> bool {
		self.audit.is_one()
	}

	/// Whether whoever replays this segment has the outputs, those of the last step.
	pub fn has_outputs(&self, segment: Option<u32>) -> bool {
		segment.is_none_or(|segment| segment.saturating_add(1) == self.segment_count())
	}

	/// Bytes of inputs and outputs together.
	pub fn bytes(&self) -> u64 {
		self.input_bytes.saturating_add(self.output_bytes)
	}

	/// Work units of one segment; `None` where the run is not cut. The last one may have less.
	pub fn segment_work(&self) -> Option<u64> {
		Some(segment_work(self.work_units, self.steps, &self.cut()?))
	}

	/// Work units of what a verifier replays.
	pub fn replayed_work(&self) -> u64 {
		self.segment_work().unwrap_or(self.work_units).min(self.work_units)
	}
}

/// Work units of one segment of a run of so many steps.
pub(crate) fn segment_work(work_units: u64, steps: u32, cut: &Segmentation) -> u64 {
	work_units.div_ceil(u64::from(steps.max(1))).saturating_mul(cut.length().into())
}

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

/// Why a result is audited once more.
#[derive(
	Clone,
	Copy,
	Debug,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
)]
pub enum SecondAudit {
	/// The requester asked for it.
	#[codec(index = 0)]
	Requested,
	/// A sure audit had too few matching verdicts, or one that was not sure had a verdict that differs or
	/// that stayed hidden. What of the pot was not earned pays for it.
	#[codec(index = 1)]
	Automatic,
}

/// What the verdicts on a job are compared with, as far as the result is open.
pub struct Results {
	/// The provider's run root.
	pub run_root: Option<Hash>,
	/// The roots of its segments; `None` where the run is not cut.
	pub segments: Option<SegmentRootsOf>,
}

impl Results {
	/// What a verdict about this segment equals if it matches.
	pub fn of(&self, segment: Option<u32>) -> Option<Hash> {
		match (&self.segments, segment) {
			(None, _) => self.run_root,
			(Some(roots), Some(segment)) => roots.get(segment as usize).copied(),
			(Some(_), None) => None,
		}
	}
}

/// The seed of the positions at which verifiers open their traces.
#[derive(
	Clone,
	Copy,
	Debug,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
)]
pub enum Sample<BlockNumber> {
	/// The commitments were closed in this block; the next blocks make the seed.
	#[codec(index = 0)]
	Awaited(BlockNumber),
	/// The seed.
	#[codec(index = 1)]
	Drawn(Hash),
}

/// One account that was drawn to attest the inputs or to keep the outputs, or that has shown a ticket to
/// verify.
#[derive(
	Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Seat<AccountId, BlockNumber> {
	/// The account whose stake stands behind it.
	pub account: AccountId,
	/// The session key that it must sign with.
	pub key: VerifierId,
	/// What it was drawn for.
	pub purpose: Purpose,
	/// In which tranche, counted through all audits of the job; 0 for those who were drawn in public.
	pub tranche: u32,
	/// At which block it was drawn, or its lottery opened.
	pub drawn_at: BlockNumber,
	/// Last block at which its attestation or commitment counts. Of a keeper it counts from the reveal to
	/// the end of the challenge period, whatever this says.
	pub deadline: BlockNumber,
	/// What it said.
	pub answer: Answer,
	/// The segment that its ticket has drawn, where the run is cut.
	pub segment: Option<u32>,
}

/// What a drawn account said.
#[derive(
	Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub enum Answer {
	/// Nothing yet.
	#[codec(index = 0)]
	Pending,
	/// Whether it holds the inputs, or the outputs.
	#[codec(index = 1)]
	Attested(bool),
	/// A hidden verdict.
	#[codec(index = 2)]
	Committed(Hash),
	/// No verdict.
	#[codec(index = 3)]
	Abstained(AbstainReason),
	/// An opened verdict.
	#[codec(index = 4)]
	Revealed {
		/// What it had committed.
		commitment: Hash,
		/// The root of its replay: of its segment, where it has one.
		run_root: Hash,
	},
	/// Nothing until its deadline had passed. Only of those who were drawn in public: who was drawn to
	/// verify, and kept silent, nobody knows.
	#[codec(index = 5)]
	NoShow,
	/// An opened root without the chunks of its trace: no verdict.
	#[codec(index = 6)]
	Opened {
		/// What it had committed.
		commitment: Hash,
		/// The root that it says its replay has.
		run_root: Hash,
	},
}

impl Answer {
	/// Whether it holds a verdict, hidden or open.
	pub fn is_verdict(&self) -> bool {
		matches!(self, Answer::Committed(_) | Answer::Revealed { .. })
	}

	/// Whether its author is bound to a root, hidden or open, shown to be its own or not.
	pub fn is_bound(&self) -> bool {
		self.is_verdict() || matches!(self, Answer::Opened { .. })
	}

	/// The root that it has opened.
	pub fn opened_root(&self) -> Option<Hash> {
		match self {
			Answer::Revealed { run_root, .. } | Answer::Opened { run_root, .. } => Some(*run_root),
			_ => None,
		}
	}

	/// The same without the hashes.
	pub fn status(&self) -> SeatStatus {
		match self {
			Answer::Pending => SeatStatus::Pending,
			Answer::Attested(ok) => SeatStatus::Attested(*ok),
			Answer::Committed(_) => SeatStatus::Committed,
			Answer::Abstained(reason) => SeatStatus::Abstained(*reason),
			Answer::Revealed { .. } => SeatStatus::Revealed,
			Answer::NoShow => SeatStatus::NoShow,
			Answer::Opened { .. } => SeatStatus::Opened,
		}
	}
}

/// What a slashed bond lost.
#[derive(
	Clone,
	Copy,
	Debug,
	Default,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
)]
pub struct Loss<Balance> {
	/// Taken out of existence.
	pub burned: Balance,
	/// Paid to the prover.
	pub prover_paid: Balance,
	/// The job was a decoy, which has been reckoned up.
	pub taken: bool,
}

/// What is left of a pruned job.
#[derive(
	Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
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
