//! Worker processes: what this machine can give them, and what they hand over.

mod folder;
mod kept;
pub(crate) mod machine;
mod outputs;
pub(crate) mod process;
mod sandbox;

#[cfg(test)]
mod tests;
