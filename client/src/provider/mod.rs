//! Providing compute: claim, run, commit, reveal, answer; every step survives a kill.

pub mod answers;
mod capability;
mod court;
pub mod flags;
mod live;
pub mod machine;
mod market;
pub mod record;
pub mod run;
mod salt;
pub mod store;
mod tasks;
#[cfg(test)]
mod tests;

pub use salt::Salt;
