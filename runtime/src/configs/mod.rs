//! How each pallet of the runtime is set up.

pub mod arbitration;
pub mod consensus;
pub mod decoys;
pub mod fees;
pub mod market;
pub mod offences;
pub mod system;
pub mod utilities;
pub mod validators;
