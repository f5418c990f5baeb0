//! Disputes about results that differ from a verdict of this node.

pub(crate) mod disputes;
pub(crate) mod moves;
pub(crate) mod search;

#[cfg(test)]
mod tests;
