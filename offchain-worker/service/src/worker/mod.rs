//! Worker processes: what this machine can give them, and what they hand over.

mod limits;
pub(crate) mod machine;
mod outputs;
pub(crate) mod process;

#[cfg(test)]
mod tests;
