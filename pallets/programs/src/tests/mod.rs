//! One file per call, then what other pallets see, then the invariants.

mod example;
mod invariants;
mod programs;
mod register_program;
mod remove_program;
