//! How what the pallet stores has changed: its version, and the ways from older ones.
//!
//! `runtime/src/migrations.rs` says when there is to be another, and how it is written.

use frame_support::traits::StorageVersion;

/// Version of what the pallet stores. The first: there is nothing to come from.
pub const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);
