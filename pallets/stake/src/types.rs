//! What the stake pallet stores.

use crate::pallet::Config;
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{
	traits::fungible::Inspect, BoundedVec, CloneNoBound, DebugNoBound, DefaultNoBound, EqNoBound,
	PartialEqNoBound,
};
use scale_info::TypeInfo;
use sp_runtime::{
	traits::{Saturating, Zero},
	Debug,
};
use sp_staking::SessionIndex;

/// The chain's balance type, in its smallest unit.
pub type BalanceOf<T> =
	<<T as Config>::Currency as Inspect<<T as frame_system::Config>::AccountId>>::Balance;

/// The deferred slash type of a runtime.
pub type DeferredSlashOf<T> = DeferredSlash<<T as frame_system::Config>::AccountId, BalanceOf<T>>;

/// The full identification of a validator in `pallet-session`'s historical sessions: what it had
/// at stake when its session was planned. An offence takes its fraction of this amount, whatever
/// happened to the stake since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Exposure<Balance> {
	/// Bonded stake, in the chain's smallest unit.
	pub stake: Balance,
}

/// The validators of a planned session with what they have at stake.
pub type ElectedOf<T> = Vec<(<T as frame_system::Config>::AccountId, Exposure<BalanceOf<T>>)>;

/// A part of the stake on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct UnbondingChunk<Balance> {
	/// How much.
	pub value: Balance,
	/// First session in which it can be withdrawn.
	pub releasable_at: SessionIndex,
}

/// A slash for an offence that waits for its session, so that the chain's root can cancel one that
/// came from a bug.
#[derive(Clone, Debug, PartialEq, Eq)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct DeferredSlash<AccountId, Balance> {
	/// Whose stake.
	pub who: AccountId,
	/// How much; at most what is there is taken.
	pub amount: Balance,
	/// The session in which the offence happened.
	pub offence_session: SessionIndex,
	/// The first session in which the slash is carried out.
	pub due: SessionIndex,
}

/// Everything an account has at stake. The sum of `active` and `unbonding` is exactly what the
/// pallet holds of the account's balance.
#[derive(
	CloneNoBound,
	DebugNoBound,
	DefaultNoBound,
	PartialEqNoBound,
	EqNoBound,
	Encode,
	Decode,
	MaxEncodedLen,
	TypeInfo
)]
#[scale_info(skip_type_params(T))]
pub struct Ledger<T: Config> {
	/// Bonded and not on its way out, job holds included.
	pub active: BalanceOf<T>,
	/// The part of `active` that is reserved for jobs.
	pub held: BalanceOf<T>,
	/// Number of jobs that reserve a part.
	pub job_holds: u32,
	/// Number of jobs that keep this account's stake from being withdrawn.
	pub locks: u32,
	/// Sum of the deferred slashes against this account.
	pub deferred: BalanceOf<T>,
	/// Stake on its way out, oldest first.
	pub unbonding: BoundedVec<UnbondingChunk<BalanceOf<T>>, T::MaxUnbondingChunks>,
}

impl<T: Config> Ledger<T> {
	/// Everything that can be slashed.
	pub fn total(&self) -> BalanceOf<T> {
		self.unbonding.iter().fold(self.active, |sum, chunk| sum.saturating_add(chunk.value))
	}

	/// What counts for standing as validator: active, and not claimed by a deferred slash.
	pub fn standing(&self) -> BalanceOf<T> {
		self.active.saturating_sub(self.deferred)
	}

	/// What a new job hold can take: active, not held and not claimed by a deferred slash.
	pub fn free(&self) -> BalanceOf<T> {
		self.active.saturating_sub(self.held).saturating_sub(self.deferred)
	}

	/// Whether nothing refers to this ledger any more.
	pub fn is_empty(&self) -> bool {
		self.total().is_zero() && self.job_holds == 0 && self.locks == 0 && self.deferred.is_zero()
	}

	/// Take up to `amount`: first from what is active and not held, then from what is on its way
	/// out (youngest first), then from what jobs hold. Returns what was taken and by how much the
	/// job holds must shrink.
	pub(crate) fn slash(&mut self, amount: BalanceOf<T>) -> (BalanceOf<T>, BalanceOf<T>) {
		let mut left = amount;
		let from_active = left.min(self.active.saturating_sub(self.held));
		self.active.saturating_reduce(from_active);
		left.saturating_reduce(from_active);
		for chunk in self.unbonding.iter_mut().rev() {
			let part = left.min(chunk.value);
			chunk.value.saturating_reduce(part);
			left.saturating_reduce(part);
		}
		self.unbonding.retain(|chunk| !chunk.value.is_zero());
		let from_held = left.min(self.active);
		self.active.saturating_reduce(from_held);
		self.held.saturating_reduce(from_held);
		left.saturating_reduce(from_held);
		(amount.saturating_sub(left), from_held)
	}

	/// Move up to `amount` back from the way out to active, youngest first. Returns how much.
	pub(crate) fn rebond(&mut self, amount: BalanceOf<T>) -> BalanceOf<T> {
		let mut left = amount;
		for chunk in self.unbonding.iter_mut().rev() {
			let part = left.min(chunk.value);
			chunk.value.saturating_reduce(part);
			left.saturating_reduce(part);
		}
		self.unbonding.retain(|chunk| !chunk.value.is_zero());
		let moved = amount.saturating_sub(left);
		self.active.saturating_accrue(moved);
		moved
	}

	/// Take out what may leave in session `now`, oldest first, but only so much that deferred
	/// slashes find their amount without touching job holds. Returns how much.
	pub(crate) fn withdraw(&mut self, now: SessionIndex) -> BalanceOf<T> {
		let mut room = self.total().saturating_sub(self.held).saturating_sub(self.deferred);
		let mut taken = BalanceOf::<T>::zero();
		for chunk in self.unbonding.iter_mut().filter(|chunk| chunk.releasable_at <= now) {
			let part = room.min(chunk.value);
			chunk.value.saturating_reduce(part);
			room.saturating_reduce(part);
			taken.saturating_accrue(part);
		}
		self.unbonding.retain(|chunk| !chunk.value.is_zero());
		taken
	}
}

/// Why an account no longer stands as validator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub enum RemovalReason {
	/// It asked for it.
	#[codec(index = 0)]
	Chilled,
	/// A candidate with more stake took its place.
	#[codec(index = 1)]
	Displaced,
	/// It was reported for an offence.
	#[codec(index = 2)]
	Offence,
}
