//! Whose turn it is: the rule, who waits and who runs, and how long things take here.

pub(crate) mod queue;
pub(crate) mod rates;
pub(crate) mod workers;

#[cfg(test)]
mod tests;
