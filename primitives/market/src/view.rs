//! What the runtime API answers validators. Everything is resolved, so that nobody needs a second
//! question. What it answers of a job is [`assay_job::JobView`].

use crate::{Checkpoints, Hash, JobId, LotteryTerms, Phase, Purpose, SeatStatus, VerifierId};
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
	/// When the account was drawn, or its lottery opened. Acting before this block is final is
	/// unsafe.
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
	/// A reveal would be accepted now: with the sampled chunks where `sample` is known, without
	/// them in any case.
	pub can_reveal: bool,
	/// The seed of [`assay_referee::sample::positions`] for this seat, once the chain has drawn it:
	/// the chunks of the replay's trace that the verdict is opened with.
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
	/// How the run is cut for its verifiers; [`crate::segment_of`] says which segment a ticket
	/// draws. `None`: everybody replays all of it.
	pub segments: Option<SegmentTerms>,
}
