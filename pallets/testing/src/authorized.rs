//! Calls that nobody signs, as the transaction pool and a block take them.

use frame_support::traits::Authorize;
use frame_system::{mocking::MockUncheckedExtrinsic, AuthorizeCall, RawOrigin};
use sp_runtime::{
	traits::Dispatchable,
	transaction_validity::{
		InvalidTransaction, TransactionSource, TransactionValidityError, ValidTransaction,
	},
	AccountId32,
};

/// A mock's extrinsic, which carries its authorization and nothing else.
pub type Extrinsic<T> = MockUncheckedExtrinsic<T, (), AuthorizeCall<T>>;

/// Lets the pallet with these calls make [`Extrinsic`]s in a mock's runtime.
#[macro_export]
macro_rules! authorized_transactions {
	($runtime:ty, $call:ty) => {
		impl frame_system::offchain::CreateTransactionBase<$call> for $runtime {
			type Extrinsic = $crate::authorized::Extrinsic<$runtime>;
			type RuntimeCall = <$runtime as frame_system::Config>::RuntimeCall;
		}

		impl frame_system::offchain::CreateTransaction<$call> for $runtime {
			type Extension = frame_system::AuthorizeCall<$runtime>;
			fn create_transaction(
				call: <$runtime as frame_system::Config>::RuntimeCall,
				extension: Self::Extension,
			) -> $crate::authorized::Extrinsic<$runtime> {
				$crate::authorized::Extrinsic::<$runtime>::new_transaction(call, extension)
			}
		}

		impl frame_system::offchain::CreateAuthorizedTransaction<$call> for $runtime {
			fn create_extension() -> Self::Extension {
				frame_system::AuthorizeCall::new()
			}
		}
	};
}

/// What the transaction pool makes of a verifier's call.
///
/// # Panics
/// When the call is none that is authorized.
pub fn validate<C: Authorize>(call: &C) -> Result<ValidTransaction, TransactionValidityError> {
	call.authorize(TransactionSource::External)
		.expect("verifier calls are authorized")
		.map(|(validity, _)| validity)
}

/// Validates and dispatches, as a block does.
///
/// # Panics
/// When a call that was authorized is refused.
pub fn apply<C>(call: C) -> Result<(), TransactionValidityError>
where
	C: Authorize + Dispatchable<RuntimeOrigin: From<RawOrigin<AccountId32>>>,
{
	validate(&call)?;
	call.dispatch(RawOrigin::Authorized.into())
		.map_err(|refused| refused.error)
		.expect("what was authorized is accepted");
	Ok(())
}

/// The pool's answer for a reason.
pub fn invalid(reason: InvalidTransaction) -> Result<(), TransactionValidityError> {
	Err(TransactionValidityError::Invalid(reason))
}
