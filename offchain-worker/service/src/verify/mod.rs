//! Verdicts: who is called, what is owed for a job, what is found out, and where it waits for the
//! chain.

pub(crate) mod deferred_log;
pub(crate) mod duty;
pub(crate) mod keep;
pub(crate) mod keys;
pub(crate) mod mailbox;
pub(crate) mod salt;
pub(crate) mod sampling;
pub(crate) mod tickets;
pub(crate) mod verdicts;
pub(crate) mod verifier;

#[cfg(test)]
mod tests;
