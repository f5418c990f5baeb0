//! What the calls of the market's pallets cost, as `frame-omni-bencher` measured it on this
//! runtime's blob.
//!
//! The files are generated; `scripts/benchmark-weights` makes them again. They were measured on a
//! shared virtual machine of two cores, so that they err on the dear side.

pub mod pallet_assay_identity;
pub mod pallet_assay_programs;
pub mod pallet_assay_stake;
