//! What the runtime API answers. Everything is resolved, so that a client needs no second question.

use crate::{
	AbstainReason, Assurance, Checkpoints, Hash, JobId, LotteryTerms, Phase, Purpose, ReasonCode,
	VerifierId,
};
use alloc::vec::Vec;
use codec::{Decode, Encode};
use scale_info::TypeInfo;

/// One seat of a validator: drawn in public to attest, or taken by committing a verdict.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct Assignment<AccountId, Balance, BlockNumber> {
	/// The job.
	pub job: JobId,
	/// Hash of its order: what everything that is kept or said about the job is bound to.
	pub order: Hash,
	/// To attest its inputs, to replay it, or to keep its outputs.
	pub purpose: Purpose,
	/// The account.
	pub account: AccountId,
	/// The session key that the seat is signed with.
	pub key: VerifierId,
	/// Content address of the program's bytes.
	pub program: Hash,
	/// Content addresses of the inputs, in program order.
	pub input_roots: Vec<Hash>,
	/// How many steps to run.
	pub steps: u32,
	/// Content addresses of the outputs, in program order; empty before the reveal.
	pub output_roots: Vec<Hash>,
	/// What the duty takes and brings.
	pub terms: DutyTerms<Balance>,
	/// Where the job stands.
	pub phase: Phase,
	/// When the account was drawn, or its lottery opened. Acting before this block is final is unsafe.
	pub draw_block: BlockNumber,
	/// Last block at which the attestation or the verdict commitment counts.
	pub commit_deadline: BlockNumber,
	/// Last block of the present reveal or challenge phase, `None` before it began. Reveals count
	/// until the job ends.
	pub reveal_deadline: Option<BlockNumber>,
	/// What the chain has of this duty so far.
	pub status: SeatStatus,
	/// An answer (attestation, commitment or abstention) is on chain.
	pub committed: bool,
	/// The verdict has been opened on chain.
	pub revealed: bool,
	/// A reveal would be accepted now: with the sampled chunks where `sample` is known, without them in
	/// any case.
	pub can_reveal: bool,
	/// The seed of [`assay_referee::sample::positions`] for this seat, once the chain has drawn it: the
	/// chunks of the replay's trace that the verdict is opened with.
	pub sample: Option<Hash>,
	/// What of the run the verdict is about; `None`: all of it.
	pub segment: Option<SegmentDuty>,
}

/// How a run is cut for its verifiers, and what the provider says the segments start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct SegmentTerms {
	/// L: steps of one segment.
	pub steps: u32,
	/// What the provider has committed to.
	pub checkpoints: Checkpoints,
}

/// The segment that a verifier has drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct SegmentDuty {
	/// How the run is cut.
	pub terms: SegmentTerms,
	/// Which segment, from 0.
	pub index: u32,
}

/// What a duty takes and what it may bring, for whoever has more of them than time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct DutyTerms<Balance> {
	/// Work units of a replay: of one segment where the run is cut, nothing where there is none.
	pub work_units: u64,
	/// Bytes of all inputs together.
	pub input_bytes: u64,
	/// Bytes of all outputs together.
	pub output_bytes: u64,
	/// What a matching verdict earns at least, before the burned part.
	pub fee: Balance,
}

/// An open lottery that a validator may take part in.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct LotteryDuty<AccountId, Balance, BlockNumber> {
	/// The job.
	pub job: JobId,
	/// Hash of its order.
	pub order: Hash,
	/// The validator.
	pub account: AccountId,
	/// Its session key in the session of the lottery: the one that the ticket is made with.
	pub key: VerifierId,
	/// Content address of the program's bytes.
	pub program: Hash,
	/// Content addresses of the inputs, in program order.
	pub input_roots: Vec<Hash>,
	/// How many steps to run.
	pub steps: u32,
	/// Where the job stands: [`Phase::Verifying`].
	pub phase: Phase,
	/// When the lottery was opened. Acting before this block is final is unsafe.
	pub draw_block: BlockNumber,
	/// Last block at which a commitment of an open tranche counts. Later ones may open after it.
	pub commit_deadline: BlockNumber,
	/// What the duty takes and brings.
	pub duty: DutyTerms<Balance>,
	/// What the ticket signs, with chain and order: [`crate::lottery::transcript`].
	pub seed: Hash,
	/// The validator's stake in that session.
	pub stake: u128,
	/// What decides its tranche: [`crate::lottery::tranche_of`].
	pub terms: LotteryTerms,
	/// The last tranche that may commit by now, from 0.
	pub tranche: u32,
	/// How the run is cut for its verifiers; [`crate::segment_of`] says which segment a ticket draws.
	/// `None`: everybody replays all of it.
	pub segments: Option<SegmentTerms>,
}

/// What a drawn account has said so far.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub enum SeatStatus {
	/// Nothing yet.
	Pending,
	/// Whether it holds the inputs.
	Attested(bool),
	/// A hidden verdict.
	Committed,
	/// No verdict, for this reason.
	Abstained(AbstainReason),
	/// Nothing until its deadline had passed.
	NoShow,
	/// An opened verdict, with the sampled chunks of its trace.
	Revealed,
	/// An opened root without the chunks: no verdict.
	Opened,
}

/// A drawn account and what it said.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct VerdictView<AccountId, BlockNumber> {
	/// The drawn account.
	pub account: AccountId,
	/// Its session key at the draw.
	pub key: VerifierId,
	/// To attest or to verify.
	pub purpose: Purpose,
	/// Counts the tranches of the job from 0.
	pub tranche: u32,
	/// When it was drawn.
	pub drawn_at: BlockNumber,
	/// What it said.
	pub status: SeatStatus,
	/// The segment that it has drawn; `None` where the run is not cut.
	pub segment: Option<u32>,
	/// Its hidden verdict.
	pub commitment: Option<Hash>,
	/// Its opened verdict: a run root, that of its segment where it has one.
	pub run_root: Option<Hash>,
	/// Whether the opened verdict equals the provider's result, once both are open.
	pub matches: Option<bool>,
}

/// Everything there is to know about a job.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub struct JobView<AccountId, Balance, BlockNumber> {
	/// The job.
	pub id: JobId,
	/// Hash of its order: what calls that bind somebody name beside the number.
	pub order: Hash,
	/// Who pays.
	pub requester: AccountId,
	/// Who claimed it last.
	pub provider: Option<AccountId>,
	/// Providers that claimed it before, stayed silent or gave it back, and may not claim it again.
	pub barred: Vec<AccountId>,
	/// Content address of the program's bytes.
	pub program: Hash,
	/// Content addresses of the inputs, in program order.
	pub input_roots: Vec<Hash>,
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
	/// The audit probability that holds for this job, in parts per million.
	pub audit_ppm: u32,
	/// Where the ramp starts.
	pub price_start: Balance,
	/// Where it ends, and the most that the provider can get.
	pub price_max: Balance,
	/// How many blocks it takes.
	pub ramp_blocks: BlockNumber,
	/// The price agreed at the claim.
	pub price: Option<Balance>,
	/// The ramp's price now, while the job is open.
	pub current_price: Option<Balance>,
	/// The bond that a claim at the current or agreed price needs.
	pub bond: Option<Balance>,
	/// What is still held for the job.
	pub escrow: Balance,
	/// What of the escrow is for those who hold the inputs and the outputs.
	pub data_fee: Balance,
	/// What is held for its record, beside the escrow: a part of it until the job ends, the rest until it
	/// is pruned.
	pub deposit: Balance,
	/// Where the job stands.
	pub phase: Phase,
	/// Why it ended.
	pub reason: Option<ReasonCode>,
	/// Last block at which an answer of the present phase counts; `None` when it ended.
	pub deadline: Option<BlockNumber>,
	/// The phases it went through and the block at which it entered each.
	pub history: Vec<(Phase, BlockNumber)>,
	/// Whether verifiers have looked at it, known when the time for verdicts is over; `None` before.
	pub audited: Option<bool>,
	/// The requester asked for an audit after the reveal.
	pub audit_requested: bool,
	/// The provider's hidden result.
	pub commitment: Option<Hash>,
	/// The provider's opened result.
	pub run_root: Option<Hash>,
	/// Trace root of the last step, as the reveal has shown it.
	pub trace_root: Option<Hash>,
	/// The result was proved wrong or an opening of it withheld, for this reason. The bond is
	/// slashed; until the job ends, verifiers that have not opened their verdicts may do so.
	pub condemned: Option<ReasonCode>,
	/// Content addresses of the outputs, in program order; empty before the reveal.
	pub output_roots: Vec<Hash>,
	/// What the provider says the segments start from, where the run is cut.
	pub checkpoints: Option<Checkpoints>,
	/// Root of every segment, as the reveal has shown them.
	pub segment_roots: Vec<Hash>,
	/// Every drawn account.
	pub verdicts: Vec<VerdictView<AccountId, BlockNumber>>,
	/// What provider and verifiers got out of the escrow.
	pub paid: Balance,
	/// What went back to the requester.
	pub refunded: Balance,
	/// What was burned of the fees.
	pub burned: Balance,
	/// The full record has been pruned; only the summary is left.
	pub archived: bool,
}
