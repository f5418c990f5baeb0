//! What the pallet stores, and what a maker shows.

use crate::Config;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::traits::fungible::Inspect;
use frame_system::pallet_prelude::BlockNumberFor;
use scale_info::TypeInfo;

/// The balance type of the currency.
pub type BalanceOf<T> =
	<<T as Config>::Currency as Inspect<<T as frame_system::Config>::AccountId>>::Balance;
/// A maker as this runtime stores it.
pub type MakerOf<T> = Maker<BalanceOf<T>>;
/// A seal as this runtime stores it.
pub type SealOf<T> = Seal<BalanceOf<T>, BlockNumberFor<T>>;

/// An account that may make decoys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Maker<Balance> {
	/// What its decoys may still cost: newly minted and from the pot together.
	pub allowance: Balance,
	/// How many seals it has.
	pub seals: u32,
}

/// A decoy that may be posted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Seal<Balance, BlockNumber> {
	/// When it was sealed.
	pub sealed_at: BlockNumber,
	/// Last block at which it can be unsealed.
	pub expires: BlockNumber,
	/// What is held for it.
	pub deposit: Balance,
}

/// The signatures of a decoy's parties, each over [`consent_payload`](crate::Pallet::consent_payload),
/// plain or as wallets wrap it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct Consents<Signature> {
	/// Of the account that posts the decoy.
	pub requester: Signature,
	/// Of the account that claims it.
	pub provider: Signature,
}

/// How decoys have ended: what the chance is that a planted fault is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Tally {
	/// Proved wrong.
	pub proven: u32,
	/// Given up by their provider.
	pub withheld: u32,
	/// Paid.
	pub missed: u32,
}
