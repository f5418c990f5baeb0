//! What consensus and the market both say of validators.

use crate::AccountId;
use assay_market::VerifierId;
use frame_support::traits::{ConstU32, OneSessionHandler};
use sp_runtime::BoundToRuntimeAppPublic;
use sp_staking::SessionIndex;

/// Most validators that a session can have.
pub type MaxAuthorities = ConstU32<256>;

/// Sessions between `unbond` and `withdraw`.
pub const UNBONDING_SESSIONS: SessionIndex = 504;

/// The place of the verifier key among the session keys. The session pallet stores the keys; nobody
/// has to be told of a change, because draws read them from there.
pub struct VerifierKeys;

impl BoundToRuntimeAppPublic for VerifierKeys {
	type Public = VerifierId;
}

impl OneSessionHandler<AccountId> for VerifierKeys {
	type Key = VerifierId;

	fn on_genesis_session<'a, I>(_: I)
	where
		I: Iterator<Item = (&'a AccountId, VerifierId)> + 'a,
	{
	}

	fn on_new_session<'a, I>(_: bool, _: I, _: I)
	where
		I: Iterator<Item = (&'a AccountId, VerifierId)> + 'a,
	{
	}

	fn on_disabled(_: u32) {}
}
