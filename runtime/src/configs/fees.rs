//! What a transaction costs.
//!
//! A transaction pays for its execution time and for its length; both rise while blocks are fuller
//! than a quarter and fall while they are emptier. The author of the block gets the fee.

use crate::{
	constants::currency::MICRO, AccountId, Authorship, Balance, Balances, Runtime, RuntimeEvent,
};
use frame_support::{
	parameter_types,
	traits::{
		fungible::{Balanced, Credit},
		ConstU128, ConstU8, OnUnbalanced,
	},
	weights::{ConstantMultiplier, IdentityFee},
};
use pallet_transaction_payment::{FungibleAdapter, Multiplier, TargetedFeeAdjustment};
use sp_runtime::{traits::Bounded, FixedPointNumber, Perquintill};

/// Price of one byte of a transaction: 256 KiB cost about 0.26 ASY.
pub const BYTE_FEE: Balance = MICRO;

parameter_types! {
	/// Share of a block's ordinary weight at which fees stay as they are.
	pub const TargetBlockFullness: Perquintill = Perquintill::from_percent(25);
	/// Speed of the adjustment: a day of full blocks multiplies fees by about 5.
	pub AdjustmentVariable: Multiplier = Multiplier::saturating_from_rational(75, 1_000_000);
	/// Fees never fall below a tenth of their nominal value.
	pub MinimumMultiplier: Multiplier = Multiplier::saturating_from_rational(1, 10);
	/// Fees may rise without a limit.
	pub MaximumMultiplier: Multiplier = Bounded::max_value();
}

/// Gives a fee to the author of the block. What cannot be credited is burned.
pub struct ToAuthor;

impl OnUnbalanced<Credit<AccountId, Balances>> for ToAuthor {
	fn on_nonzero_unbalanced(amount: Credit<AccountId, Balances>) {
		if let Some(author) = Authorship::author() {
			// An author whose account is dead and whose fee is below the existential deposit
			// cannot receive it; dropping the credit then burns it.
			let _ = <Balances as Balanced<AccountId>>::resolve(&author, amount);
		}
	}
}

impl pallet_transaction_payment::Config for Runtime {
	type RuntimeEvent = RuntimeEvent;
	type OnChargeTransaction = FungibleAdapter<Balances, ToAuthor>;
	/// One picosecond costs 10⁻¹² ASY: a full block of 1.5 s would cost 1.5 ASY.
	type WeightToFee = IdentityFee<Balance>;
	type LengthToFee = ConstantMultiplier<Balance, ConstU128<BYTE_FEE>>;
	type FeeMultiplierUpdate = TargetedFeeAdjustment<
		Runtime,
		TargetBlockFullness,
		AdjustmentVariable,
		MinimumMultiplier,
		MaximumMultiplier,
	>;
	type OperationalFeeMultiplier = ConstU8<5>;
	type WeightInfo = pallet_transaction_payment::weights::SubstrateWeight<Runtime>;
}
