//! Both sides of a dispute about a result, without chain, network or clock.
//!
//! # Overview
//! A provider stands by a run root. Whoever replays the job and finds another one leads a *lane*:
//! it demands the children of one node of the provider's trees after the other, always below the
//! first that differs from its own, until it holds the provider's value of the first wrong tile.
//! From there the chain's referee recomputes that tile from operands that the provider itself
//! committed to.
//!
//! * [`Answerer`] gives the children that a demand asks for, from its own replay of the job: the
//!   provider does, but anyone whose replay gives the same run root can.
//! * [`Challenger`] says what to do next in a lane, from what the chain has recorded of it and from
//!   its own replay. It keeps nothing that a restart would lose: another process with the same
//!   record goes on where the first one ended.
//!
//! Where an anchor that differs may have been computed from lazy anchors, whose roots are in no
//! trace, the provider states these roots first, and is held to them like to its run: the way goes
//! on to the first of them that differs.
//!
//! * [`Opener`] opens chunks of a run of this machine's own, which a verifier owes with its
//!   verdict.
//!
//! All work over a [`Replay`], which runs the job's first steps and hands over tensors of the last
//! one; [`local::LocalReplay`] (feature `local`) does so in this process.
//!
//! # Cost
//! A challenger needs at most three replays: the whole job, and the steps up to the first wrong one
//! without and with tensors; one more where lazy anchors come into it, one more where the anchors
//! of all steps are too many to be remembered and that step reads state, and one more where its
//! tensors are forgotten before the proof. No move takes more than one of them, but for those two
//! last cases: the clock of a move counts one. An answerer needs one for each step and tensor that
//! is demanded; an opener one for each step that a chunk is of. Replays are remembered by what they
//! gave: of tensors the 32 bytes a tile that openings are made of, and the bytes themselves only
//! while a proof needs them.
//!
//! # Whom it trusts
//! Nobody, this machine included: what a replay gives is hashed and compared with earlier ones
//! before it is used, and a proof is judged by the chain's own referee before it is handed out. An
//! [`Error`] never accuses anyone.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod answer;
mod challenge;
mod error;
mod job;
#[cfg(feature = "local")]
pub mod local;
mod open;
mod replay;

pub use answer::Answerer;
pub use challenge::{Challenger, Move};
pub use error::{BoxError, Error};
pub use job::Job;
pub use open::Opener;
pub use replay::{Replay, Replayed};

/// A BLAKE3 hash.
pub type Hash = [u8; 32];
