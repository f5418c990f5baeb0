//! Numbers that follow from a seed, and operators that are drawn from them.
//!
//! An audit of a run picks its tiles by these numbers, the GPU engine's self-test its operators,
//! and tests nearly everything. They are the same on every machine and in every version: what the
//! self-test expects depends on them. None of them is a secret.
#![warn(missing_docs)]

mod operators;
mod rng;

pub use operators::{random_operator, OPERATOR_KINDS};
pub use rng::Rng;
