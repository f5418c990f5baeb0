//! What the pallet stores.

use crate::Config;
use assay_market::{
	AbstainReason, Assurance, Hash, JobId, MarketParameters, Phase, Purpose, ReasonCode,
	SeatStatus, VerifierId, MAX_INPUTS, MAX_OUTPUTS,
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
/// What a slashed bond lost, as this runtime stores it.
pub type LossOf<T> = Loss<BalanceOf<T>>;
/// A summary as this runtime stores it.
pub type ArchivedOf<T> = Archived<<T as frame_system::Config>::AccountId, BalanceOf<T>>;
/// The roots of a job's inputs, in program order.
pub type InputRoots = BoundedVec<Hash, ConstU32<MAX_INPUTS>>;

/// Most seats that a job can have: one attestation and two audits with all their tranches.
pub const MAX_SEATS: u32 =
	assay_market::parameters::MAX_COMMITTEE * (1 + 2 * assay_market::parameters::MAX_TRANCHES);

/// Most phases that a job can enter: claimed twice and audited twice, that is 14.
pub const MAX_HISTORY_OF_PHASES: u32 = 16;

/// One job, from `post_job` until it is pruned.
#[derive(
	Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct Job<AccountId, Balance, BlockNumber> {
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
	/// When the job was opened last.
	pub opened_at: BlockNumber,
	/// The price agreed at the claim.
	pub price: Option<Balance>,
	/// What one committee may cost.
	pub committee_fee: Balance,
	/// What is set aside for committees: one fee, or two after a second audit was requested.
	pub verifier_pot: Balance,
	/// What is held of the requester's balance for this job.
	pub escrow: Balance,
	/// Who claimed it last.
	pub provider: Option<AccountId>,
	/// The bond of that claim.
	pub bond: Balance,
	/// Who claimed it before and stayed silent.
	pub stalled: Option<AccountId>,
	/// Where the job stands.
	pub phase: Phase,
	/// Last block at which an answer of this phase counts.
	pub deadline: BlockNumber,
	/// The agenda's block that has this job.
	pub scheduled: Option<BlockNumber>,
	/// The block that the pending draw belongs to: its followers make the seed. The draw happens
	/// after `deadline`.
	pub draw: Option<BlockNumber>,
	/// Tranches of verifiers drawn so far, in all audits.
	pub tranches: u32,
	/// The first tranche of the present audit.
	pub first_tranche: u32,
	/// How many verdicts the present audit wants.
	pub wanted: u32,
	/// How many shares the verifier pot is cut into: the verdicts wanted by all audits.
	pub shares: u32,
	/// Whether a committee was drawn; `None` before the draw.
	pub audited: Option<bool>,
	/// The requester asked for an audit after the reveal.
	pub audit_requested: bool,
	/// The provider's hidden result.
	pub commitment: Option<Hash>,
	/// The provider's opened result.
	pub run_root: Option<Hash>,
	/// Trace root of the last step, as the reveal has shown it.
	pub trace_root: Option<Hash>,
	/// Content addresses of the outputs, in program order.
	pub output_roots: BoundedVec<Hash, ConstU32<MAX_OUTPUTS>>,
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

/// One drawn account, as it was when it was drawn.
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
	/// In which tranche, counted through all audits of the job; 0 for attestations.
	pub tranche: u32,
	/// At which block.
	pub drawn_at: BlockNumber,
	/// Last block at which its attestation or commitment counts.
	pub deadline: BlockNumber,
	/// What it said.
	pub answer: Answer,
}

/// What a drawn account said.
#[derive(
	Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub enum Answer {
	/// Nothing yet.
	Pending,
	/// Whether it holds the inputs.
	Attested(bool),
	/// A hidden verdict.
	Committed(Hash),
	/// No verdict.
	Abstained(AbstainReason),
	/// An opened verdict.
	Revealed {
		/// What it had committed.
		commitment: Hash,
		/// The root of its replay.
		run_root: Hash,
	},
	/// Nothing until its deadline had passed.
	NoShow,
}

impl Answer {
	/// Whether it holds a verdict, hidden or open.
	pub fn is_verdict(&self) -> bool {
		matches!(self, Answer::Committed(_) | Answer::Revealed { .. })
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
