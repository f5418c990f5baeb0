//! What a runtime upgrade does to stored values whose encoding has changed.
//!
//! What each pallet stores is written down in `runtime/tests/storage/`, and a test holds the
//! pallets against it. When it fails because the stored bytes have another meaning than before:
//!
//! 1. Raise `STORAGE_VERSION` in the pallet's `migrations.rs` by one.
//! 2. Write there the migration from the version before. It decodes the old values by types that it
//!    keeps itself, so that later changes do not touch it. Wrap it in
//!    [`VersionedMigration`](frame_support::migrations::VersionedMigration), which runs it once, on
//!    chains that are at the older version.
//! 3. Add it to [`SingleBlockMigrations`].
//! 4. Write the record anew: `ASSAY_BLESS=1 cargo test -p assay-runtime --test storage`.

/// Migrations that the next upgrade runs, in this order, before its first block.
///
/// None yet: every pallet stores what it has stored since genesis.
pub type SingleBlockMigrations = ();
