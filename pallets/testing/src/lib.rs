//! What the mocks and tests of the pallets share. It knows none of the pallets: each of them has
//! its tests inside, where types of its own from elsewhere would be others.
//!
//! * [`accounts`]: accounts by number, and the verifier keys that belong to them;
//! * [`authorized`]: calls that nobody signs, as the transaction pool and a block take them;
//! * [`blocks`]: balances to begin with, and blocks one after the other;
//! * [`books`]: after a test the state is sound and no unit came or went;
//! * [`events`]: what a pallet has emitted;
//! * [`node`]: keys, storage and a pool around a chain, for offchain hooks.
#![warn(missing_docs)]

pub mod accounts;
pub mod authorized;
pub mod blocks;
pub mod books;
pub mod events;
pub mod node;
