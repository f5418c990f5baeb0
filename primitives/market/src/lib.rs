//! What the pallets, the runtime, the verifier service and the clients of Assay agree on.
//!
//! * [`job`]: how a job is named, where it stands, why it ended ([`Phase`], [`ReasonCode`], …).
//! * [`parameters`]: the numbers that root sets ([`MarketParameters`]) and the clocks they make.
//! * [`view`]: what the runtime API answers ([`JobView`], [`Assignment`]).
//! * [`verifier`]: the session key of a verifier and the bytes it signs ([`VerifierAction`]).
//! * [`mailbox`]: how the node's service hands a verdict to the pallet's offchain hook.
//! * [`traits`]: what one pallet asks of another, so that each can be tested alone.
//! * [`api`]: the runtime API.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub mod api;
pub mod job;
pub mod mailbox;
pub mod parameters;
pub mod traits;
pub mod verifier;
pub mod view;

pub use assay_commitments::Hash;
pub use job::{
	AbstainReason, Assurance, Attestation, Audit, JobId, Outcome, Phase, Purpose, ReasonCode,
	MAX_INPUTS, MAX_OUTPUTS,
};
pub use mailbox::{mailbox_key, MailboxEntry, MailboxError};
pub use parameters::{Clock, MarketParameters, ParametersError};
pub use traits::{
	AuthorRandomness, Identities, JobBonds, ProgramSummary, Programs, Slashed, VerifierInfo,
	Verifiers,
};
pub use verifier::{verifier_crypto, VerifierAction, VerifierId, VerifierSignature};
pub use view::{Assignment, JobView, SeatStatus, VerdictView};
