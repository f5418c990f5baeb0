//! What the pallets, the runtime, the verifier service and the clients of Assay agree on.
//!
//! * [`order`]: the hash that names a job on every fork ([`Order`]).
//! * [`assay_job`], passed on: how a job is named, where it stands, why it ended ([`Phase`],
//!   [`ReasonCode`], …), and everything about it ([`JobView`]).
//! * [`parameters`]: the numbers that root sets ([`MarketParameters`]) and the clocks they make.
//! * [`dispute`]: lanes, moves and proofs about an opened result ([`ChallengeMove`], [`LaneView`],
//!   …).
//! * [`finality`]: what a block settled, for those who vote on it ([`Settlement`], [`Standing`]).
//! * [`lottery`]: the private draw of verifiers ([`Ticket`], [`LotteryTerms`], …).
//! * [`view`]: what the runtime API answers validators ([`Assignment`], [`LotteryDuty`]).
//! * [`verifier`]: the session key of a verifier and the bytes it signs ([`VerifierAction`]).
//! * [`mailbox`]: how the node's service hands a verdict to the pallet's offchain hook.
//! * [`traits`]: what one pallet asks of another, so that each can be tested alone.
//! * [`api`]: the runtime API.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub mod api;
pub mod dispute;
mod draw;
pub mod finality;
pub mod lottery;
pub mod mailbox;
pub mod order;
pub mod parameters;
pub mod submissions;
pub mod traits;
pub mod verifier;
pub mod view;

pub use assay_commitments::Hash;
pub use assay_job::{
	words, AbstainReason, Assurance, Attestation, Audit, Checkpoints, JobId, JobView, Outcome,
	Phase, Purpose, ReasonCode, SeatStatus, Segments, VerdictView, MAX_INPUTS, MAX_OUTPUTS,
};
pub use assay_referee::{
	sample::{SampledChunk, SAMPLED_CHUNKS},
	MAX_STEPS,
};
pub use dispute::{
	proof_commitment, proof_hash, ChallengeMove, DisputeDuty, DisputedResult, LaneView, Turn,
};
pub use finality::{task_hash, Settlement, Settlements, Standing, MAX_SETTLEMENTS};
pub use lottery::{segment_of, Lottery, LotteryTerms, Ticket};
pub use mailbox::{dispute_key, mailbox_key, DisputeEntry, MailboxEntry, MailboxError};
pub use order::Order;
pub use parameters::{Clock, MarketParameters, ParametersError};
pub use submissions::Submissions;
pub use traits::{
	Arbitration, AuthorRandomness, Disputes, Electorate, EndedJob, EndedJobs, Identities, JobBonds,
	OpenResult, ProgramSummary, Programs, ReportVouching, Slashed, VerifierFaults, VerifierInfo,
	Verifiers,
};
pub use verifier::{verifier_crypto, VerifierAction, VerifierId, VerifierSignature};
pub use view::{Assignment, DutyTerms, LotteryDuty, SegmentDuty, SegmentTerms};
