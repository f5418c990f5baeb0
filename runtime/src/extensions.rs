//! The runtime's own transaction extension.

use crate::{
	prospects::{is_for_verifiers, is_hopeless, looks},
	Runtime, RuntimeCall, RuntimeOrigin,
};
use codec::{Decode, DecodeWithMemTracking, Encode};
use frame_support::{
	dispatch::DispatchInfo, pallet_prelude::TransactionSource, traits::Get, weights::Weight,
};
use frame_system::{ensure_authorized, ensure_signed};
use scale_info::TypeInfo;
use sp_runtime::{
	impl_tx_ext_default,
	traits::{Implication, TransactionExtension, ValidateResult},
	transaction_validity::{InvalidTransaction, TransactionValidityError, ValidTransaction},
};

/// Refuses what must not take the room of operational transactions in a block.
///
/// * *Verifiers' calls* from everybody whom [`AuthorizeCall`](frame_system::AuthorizeCall), which
///   comes before it, has not authorized. These calls carry a signature of their own, by a
///   verifier's session key, and cost nothing where it is good. The SDK asks for it only where a
///   transaction has no signer: what *somebody* has signed passes it unseen, is charged the whole
///   weight of the call, and fails when it is carried out. Such transactions are refused before
///   they are in the pool or in a block, whoever signs them and whatever they pay. There is no list
///   of these calls: [`is_for_verifiers`] tells them by what makes them such calls.
/// * *Calls of providers and challengers that cannot succeed*: about a job of another order,
///   another phase, another provider, or without a result that could be disputed. They would pay
///   for their failure, but at the price of anything else, and before it in the pool. The same
///   where they are inside of batches, proxies and other wrappers: see
///   [`prospects`](crate::prospects).
///
/// The tests of the runtime walk all calls and hold each against this, from every origin.
#[derive(
	Encode,
	Decode,
	DecodeWithMemTracking,
	Default,
	Clone,
	Copy,
	PartialEq,
	Eq,
	Debug,
	TypeInfo
)]
pub struct RefuseSignedVerifierCalls;

/// The code of [`InvalidTransaction::Custom`] for a call that cannot succeed as the chain stands:
/// look the job up again, its phase and its order.
pub const CANNOT_SUCCEED: u8 = 100;

/// A verifier's call is not expected from there.
const NOT_FOR_YOU: TransactionValidityError =
	TransactionValidityError::Invalid(InvalidTransaction::Call);

/// What the extension may use up.
pub trait WeightInfo {
	/// Looking at a call that the extension has nothing against.
	fn look_at_call() -> Weight;
	/// Looking up whether a call about a job can succeed.
	fn look_up_job() -> Weight;
}

/// What the runtime takes.
pub type Weights = Reckoned<Runtime>;

/// Upper bounds, counted by hand.
pub struct Reckoned<T>(core::marker::PhantomData<T>);

impl<T: frame_system::Config> WeightInfo for Reckoned<T> {
	fn look_at_call() -> Weight {
		// Far less than this.
		Weight::from_parts(1_000_000, 0)
	}
	fn look_up_job() -> Weight {
		// A record of up to 11 KB and the parameters are read.
		Weight::from_parts(100_000_000, 0).saturating_add(T::DbWeight::get().reads(2))
	}
}

impl TransactionExtension<RuntimeCall> for RefuseSignedVerifierCalls {
	const IDENTIFIER: &'static str = "RefuseSignedVerifierCalls";
	type Implicit = ();
	type Val = ();
	type Pre = ();

	fn weight(&self, call: &RuntimeCall) -> Weight {
		Weights::look_at_call().saturating_add(Weights::look_up_job().saturating_mul(looks(call)))
	}

	fn validate(
		&self,
		origin: RuntimeOrigin,
		call: &RuntimeCall,
		info: &DispatchInfo,
		_len: usize,
		_self_implicit: Self::Implicit,
		_inherited_implication: &impl Implication,
		_source: TransactionSource,
	) -> ValidateResult<Self::Val, RuntimeCall> {
		if is_for_verifiers(call) && ensure_authorized(origin.clone()).is_err() {
			return Err(NOT_FOR_YOU);
		}
		if ensure_signed(origin.clone()).is_ok_and(|who| is_hopeless(&who, info.class, call)) {
			return Err(InvalidTransaction::Custom(CANNOT_SUCCEED).into());
		}
		Ok((ValidTransaction::default(), (), origin))
	}

	// What has no extensions at all, as inherents do, nobody can have authorized.
	fn bare_validate(
		call: &RuntimeCall,
		_info: &DispatchInfo,
		_len: usize,
	) -> Result<ValidTransaction, TransactionValidityError> {
		if is_for_verifiers(call) {
			return Err(NOT_FOR_YOU);
		}
		Ok(ValidTransaction::default())
	}

	fn bare_validate_and_prepare(
		call: &RuntimeCall,
		info: &DispatchInfo,
		len: usize,
	) -> Result<(), TransactionValidityError> {
		Self::bare_validate(call, info, len).map(|_| ())
	}

	impl_tx_ext_default!(RuntimeCall; prepare);
}
