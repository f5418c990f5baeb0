//! What a job runs on: its program, its inputs and checkpoints, and how they come here and stay.

pub(crate) mod blobs;
pub(crate) mod examined;
pub(crate) mod fetch;
pub(crate) mod gather;
pub(crate) mod held;
pub(crate) mod holding;
pub(crate) mod programs;
pub(crate) mod segments;

#[cfg(test)]
mod tests;
