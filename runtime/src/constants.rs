//! Units of money and time.

/// Money.
pub mod currency {
	use crate::Balance;

	/// One ASY, in the smallest unit.
	pub const UNIT: Balance = 1_000_000_000_000;
	/// 10⁻³ ASY.
	pub const MILLI: Balance = UNIT / 1_000;
	/// 10⁻⁶ ASY.
	pub const MICRO: Balance = MILLI / 1_000;
	/// Least balance that keeps an account alive.
	pub const EXISTENTIAL_DEPOSIT: Balance = 10 * MILLI;

	/// What storing `items` entries with `bytes` bytes in all costs as a deposit.
	pub const fn deposit(items: u32, bytes: u32) -> Balance {
		items as Balance * 100 * MILLI + bytes as Balance * 100 * MICRO
	}
}

/// Time, counted in blocks of one slot each.
pub mod time {
	use crate::BlockNumber;

	/// Length of a slot, and so the usual time between blocks, in milliseconds.
	pub const SLOT_MILLISECONDS: u64 = 3_000;
	/// Blocks in a minute.
	pub const MINUTES: BlockNumber = 60_000 / (SLOT_MILLISECONDS as BlockNumber);
	/// Blocks in an hour.
	pub const HOURS: BlockNumber = MINUTES * 60;
	/// Blocks in a day.
	pub const DAYS: BlockNumber = HOURS * 24;

	/// Slots in an epoch of a public network: one hour.
	pub const EPOCH_SLOTS: u64 = HOURS as u64;
	/// Slots in an epoch of a development network: two minutes.
	pub const DEVELOPMENT_EPOCH_SLOTS: u64 = 40;
	/// Probability that a slot has a primary author: one in four. The other slots fall to
	/// secondary authors, so that no slot stays empty.
	pub const PRIMARY_PROBABILITY: (u64, u64) = (1, 4);
}
