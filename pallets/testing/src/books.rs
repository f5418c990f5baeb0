//! After a test the state is sound, and no unit came or went.

use sp_io::TestExternalities;
use sp_runtime::TryRuntimeError;

/// A mock's books.
pub trait Books {
	/// All money: what accounts and stand-ins hold, and what is gone for good. It never changes.
	fn money() -> u64;

	/// The pallet's own invariants.
	fn try_state() -> Result<(), TryRuntimeError>;

	/// What else must hold between blocks.
	fn more() {}

	/// Checks them all; `before` is what [`Books::money`] was.
	///
	/// # Panics
	/// When something does not hold.
	fn check(before: u64) {
		Self::try_state().expect("the state is sound");
		assert_eq!(Self::money(), before, "no unit came or went");
		Self::more();
	}

	/// Runs a test on a chain, and checks the books after it.
	fn run(mut chain: TestExternalities, test: impl FnOnce()) {
		chain.execute_with(|| {
			let before = Self::money();
			test();
			Self::check(before);
		});
	}
}
