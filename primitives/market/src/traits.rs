//! What one pallet asks of another. Every trait is mocked in a few lines, so that each pallet is
//! tested alone; the runtime wires the real ones together.

use crate::{Hash, JobId, Outcome, VerifierId};
use alloc::vec::Vec;
use sp_runtime::DispatchResult;

/// Who may take which part in the market, and what is remembered of it.
pub trait Identities<AccountId> {
	/// Whether the account is registered as a provider.
	fn is_provider(who: &AccountId) -> bool;

	/// Writes one outcome into the reputation of `who`. Unknown accounts are ignored.
	fn note_outcome(who: &AccountId, outcome: Outcome);
}

/// What became of a slashed job bond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slashed<Balance> {
	/// Taken out of existence.
	pub burned: Balance,
	/// Paid to the beneficiary.
	pub paid: Balance,
}

/// The bonds that providers put up for single jobs, taken from their stake.
pub trait JobBonds<AccountId, Balance> {
	/// Stake of `who` that no job holds.
	fn free_stake(who: &AccountId) -> Balance;

	/// Holds `amount` of the free stake of `who` for `job`. Fails when less is free, or when the
	/// pair already has a bond.
	fn hold(who: &AccountId, job: JobId, amount: Balance) -> DispatchResult;

	/// Gives whatever is left of the bond of `who` for `job` back to its free stake. Idempotent.
	fn release(who: &AccountId, job: JobId);

	/// Takes `amount` (or what is left) of the bond of `who` for `job`; of that, up to the stated
	/// sum goes to the free balance of the beneficiary and the rest is burned. What a beneficiary
	/// cannot receive is burned. `burned + paid` is what was taken.
	fn slash(
		who: &AccountId,
		job: JobId,
		amount: Balance,
		pay: Option<(&AccountId, Balance)>,
	) -> Slashed<Balance>;
}

/// What the chain has proved about a registered program, as far as a job needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProgramSummary {
	/// Work units of one step.
	pub work_units: u64,
	/// Most bytes of tensors alive at one time.
	pub peak_memory: u64,
	/// 1 KiB tiles of every input, in program order.
	pub input_tiles: Vec<u64>,
	/// 1 KiB tiles of every output, in program order.
	pub output_tiles: Vec<u64>,
	/// For every output, the position of its node among the eager anchors of a step.
	pub outputs: Vec<u32>,
	/// Eager anchors of a step: the leaves of its trace tree.
	pub anchors: u32,
	/// States carried from step to step. A program without states runs one step.
	pub states: u16,
}

/// The registered programs.
pub trait Programs {
	/// What is known of `program`; `None` when it is not registered.
	fn summary(program: &Hash) -> Option<ProgramSummary>;

	/// Counts one more job that needs `program`; it cannot be removed until released as often.
	fn acquire(program: &Hash) -> DispatchResult;

	/// Counts one job less.
	fn release(program: &Hash);
}

/// One validator that may be drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierInfo<AccountId, Balance> {
	/// Whose stake stands behind it.
	pub account: AccountId,
	/// The session key it signs with.
	pub key: VerifierId,
	/// Its weight in the draw. An account without stake is never drawn.
	pub stake: Balance,
}

/// The validators that may be drawn, and the locks on those that were.
pub trait Verifiers<AccountId, Balance> {
	/// Every validator that may be drawn now, each account once, in an order that every node
	/// agrees on.
	fn active() -> Vec<VerifierInfo<AccountId, Balance>>;

	/// The stake of `who` cannot leave until `job` is unlocked. Called once per pair.
	fn lock(who: &AccountId, job: JobId);

	/// Undoes [`Self::lock`].
	fn unlock(who: &AccountId, job: JobId);
}

/// Randomness that the author of a block could not choose.
pub trait AuthorRandomness {
	/// The VRF output of the author of the **parent** of the block being built, when it has one.
	/// Must not change within a block.
	fn parent() -> Option<[u8; 32]>;
}
