//! The runtime's own transaction extension.

use codec::{Decode, DecodeWithMemTracking, Encode};
use core::marker::PhantomData;
use frame_support::{
	dispatch::DispatchInfo, pallet_prelude::TransactionSource, traits::Authorize, weights::Weight,
	CloneNoBound, DebugNoBound, DefaultNoBound, EqNoBound, PartialEqNoBound,
};
use frame_system::{ensure_authorized, Config};
use scale_info::TypeInfo;
use sp_runtime::{
	impl_tx_ext_default,
	traits::{Dispatchable, Implication, TransactionExtension, ValidateResult},
	transaction_validity::{InvalidTransaction, TransactionValidityError, ValidTransaction},
};

/// Refuses verifiers' calls from everybody whom [`AuthorizeCall`](frame_system::AuthorizeCall), which
/// comes before it, has not authorized.
///
/// These calls carry a signature of their own, by a verifier's session key, and cost nothing where it is
/// good. The SDK asks for it only where a transaction has no signer: what *somebody* has signed passes it
/// unseen, is charged the whole weight of the call, and fails when it is carried out. Such transactions
/// are refused before they are in the pool or in a block, whoever signs them and whatever they pay.
///
/// There is no list of calls: [`is_for_verifiers`] tells them by what makes them such calls. The tests of
/// the runtime walk all calls and hold this, and that none says that it is free, against each.
#[derive(
	Encode,
	Decode,
	DecodeWithMemTracking,
	DefaultNoBound,
	CloneNoBound,
	EqNoBound,
	PartialEqNoBound,
	DebugNoBound,
	TypeInfo,
)]
#[scale_info(skip_type_params(T))]
pub struct RefuseSignedVerifierCalls<T>(PhantomData<T>);

impl<T> RefuseSignedVerifierCalls<T> {
	/// The extension; it has nothing to say in a transaction.
	pub fn new() -> Self {
		Self(PhantomData)
	}
}

/// Whether the call is one that only an authorization admits: FRAME wants a weight of the authorization
/// of each call that has one, and gives none to any other.
pub fn is_for_verifiers(call: &impl Authorize) -> bool {
	call.weight_of_authorize() != Weight::zero()
}

/// The refusal: the call is not expected from there.
const REFUSED: TransactionValidityError =
	TransactionValidityError::Invalid(InvalidTransaction::Call);

impl<T: Config + Send + Sync> TransactionExtension<T::RuntimeCall> for RefuseSignedVerifierCalls<T>
where
	T::RuntimeCall: Dispatchable<Info = DispatchInfo> + Authorize,
{
	const IDENTIFIER: &'static str = "RefuseSignedVerifierCalls";
	type Implicit = ();
	type Val = ();
	type Pre = ();

	fn weight(&self, _: &T::RuntimeCall) -> Weight {
		// A look at the call; no access to the database. 1 µs is several times what it takes.
		Weight::from_parts(1_000_000, 0)
	}

	fn validate(
		&self,
		origin: T::RuntimeOrigin,
		call: &T::RuntimeCall,
		_info: &DispatchInfo,
		_len: usize,
		_self_implicit: Self::Implicit,
		_inherited_implication: &impl Implication,
		_source: TransactionSource,
	) -> ValidateResult<Self::Val, T::RuntimeCall> {
		if is_for_verifiers(call) && ensure_authorized(origin.clone()).is_err() {
			return Err(REFUSED);
		}
		Ok((ValidTransaction::default(), (), origin))
	}

	// What has no extensions at all, as inherents do, nobody can have authorized.
	fn bare_validate(
		call: &T::RuntimeCall,
		_info: &DispatchInfo,
		_len: usize,
	) -> Result<ValidTransaction, TransactionValidityError> {
		if is_for_verifiers(call) {
			return Err(REFUSED);
		}
		Ok(ValidTransaction::default())
	}

	fn bare_validate_and_prepare(
		call: &T::RuntimeCall,
		info: &DispatchInfo,
		len: usize,
	) -> Result<(), TransactionValidityError> {
		<Self as TransactionExtension<T::RuntimeCall>>::bare_validate(call, info, len).map(|_| ())
	}

	impl_tx_ext_default!(T::RuntimeCall; prepare);
}
