//! Tests of all rooms together.

mod knowledge;
mod orders;
