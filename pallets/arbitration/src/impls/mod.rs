//! What the calls and hooks do, by concern.

mod agenda;
mod deposits;
mod lanes;
mod offchain;
mod owed;
mod proofs;
#[cfg(any(feature = "try-runtime", test))]
mod try_state;
mod verifiers;
mod view;

pub(crate) use agenda::AGENDA_SPILL;
pub use verifiers::refusal;

use crate::{BalanceOf, Config, Error, Pallet, RefereedPrograms, Shape};
use assay_commitments::Place;
use assay_market::{Disputes, Hash, JobId, OpenResult};
use codec::Encode;
use frame_support::ensure;
use frame_system::pallet_prelude::BlockNumberFor;
use sp_runtime::traits::Zero;

/// The disputed result as this runtime has it.
pub(crate) type ResultOf<T> =
	OpenResult<<T as frame_system::Config>::AccountId, BalanceOf<T>, BlockNumberFor<T>>;

impl<T: Config> Pallet<T> {
	/// The current block.
	pub(crate) fn now() -> BlockNumberFor<T> {
		frame_system::Pallet::<T>::block_number()
	}

	/// The opened result of a job for somebody who means the job of this order, or
	/// [`Error::NothingToDispute`], or [`Error::OtherOrder`].
	pub(crate) fn result_of(job: JobId, order: &Hash) -> Result<ResultOf<T>, Error<T>> {
		let result = T::Jobs::result(job).ok_or(Error::NothingToDispute)?;
		ensure!(result.order == *order, Error::OtherOrder);
		Ok(result)
	}

	/// Whether the job of this order shows a result that can be disputed now.
	pub fn is_disputable(job: JobId, order: &Hash) -> bool {
		Self::result_of(job, order).is_ok()
	}

	/// The counts by which openings of this result are checked.
	pub(crate) fn shape_of(result: &ResultOf<T>) -> Result<Shape, Error<T>> {
		let plans = T::Programs::plans(&result.program).ok_or(Error::ProgramUnreadable)?;
		Ok(Shape::new(result.steps, &plans))
	}

	/// Where a lane begins, and the hash above it.
	pub(crate) fn top_of(result: &ResultOf<T>, shape: &Shape) -> Result<(Place, Hash), Error<T>> {
		let place = Place::first(shape).ok_or(Error::ProgramUnreadable)?;
		let parent = match place {
			Place::Trace { .. } => result.trace_root,
			_ => result.run_root,
		};
		Ok((place, parent))
	}

	/// The hash that names this chain; FRAME never forgets it.
	pub(crate) fn genesis_hash() -> Hash {
		bytes_of(&frame_system::Pallet::<T>::block_hash(BlockNumberFor::<T>::zero()))
	}

	/// The 32 bytes that proof commitments bind; the jobs pallet asserts that accounts have as many.
	pub(crate) fn account_bytes(who: &T::AccountId) -> [u8; 32] {
		bytes_of(who)
	}
}

/// The first 32 bytes of what encodes to at least as many.
fn bytes_of(value: &impl Encode) -> [u8; 32] {
	let mut bytes = [0; 32];
	value.using_encoded(|encoded| {
		let length = encoded.len().min(32);
		bytes[..length].copy_from_slice(&encoded[..length]);
	});
	bytes
}
