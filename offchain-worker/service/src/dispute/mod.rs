//! Disputes about results that differ from a verdict of this node.

pub(crate) mod challenger;
pub(crate) mod disputes;
pub(crate) mod moves;

#[cfg(test)]
mod tests;
