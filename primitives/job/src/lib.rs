//! What a job is, as everyone sees it.
//!
//! * [`job`]: how a job is named, where it stands, why it ended ([`Phase`], [`ReasonCode`], …).
//! * [`view`]: everything about a job in one value ([`JobView`]).
//! * [`words`]: what phases and reasons mean and what to do, in sentences.
//! * [`named`], with the feature `client`: values of which a later runtime may have more variants
//!   ([`Named`]), decoded by name.
//!
//! It stands apart from `assay-market`, which passes it on, so that a client that has nothing of
//! the SDK can use it.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

pub mod job;
mod json;
#[cfg(feature = "client")]
pub mod named;
pub mod view;
pub mod words;

pub use assay_commitments::Hash;
pub use job::{
	AbstainReason, Assurance, Attestation, Audit, Checkpoints, JobId, Outcome, Phase, Purpose,
	ReasonCode, Segments, MAX_INPUTS, MAX_OUTPUTS,
};
#[cfg(feature = "client")]
pub use named::Named;
pub use view::{JobView, SeatStatus, VerdictView};
