//! What a job runs on: its program, its inputs and checkpoints, and how they come here and stay.

pub(crate) mod examined;
pub(crate) mod fetch;
pub(crate) mod holding;
pub(crate) mod segments;

#[cfg(test)]
mod tests;
