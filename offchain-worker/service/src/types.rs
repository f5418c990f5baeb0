//! Names that every room uses.

/// Target of every log line of this crate.
pub const LOG_TARGET: &str = "assay::verifier";

/// A 32-byte hash.
pub type Hash = [u8; 32];
/// Account id of the chain.
pub type AccountId = sp_runtime::AccountId32;
/// Balance of the chain.
pub type Balance = u128;
/// Block number of the chain.
pub type BlockNumber = u32;
