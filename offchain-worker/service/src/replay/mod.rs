//! Replays beyond that for a verdict: for chunks and disputes, with what is remembered of earlier
//! ones.

pub(crate) mod error;
pub(crate) mod replays;
pub(crate) mod runs;
pub(crate) mod worker_replay;
