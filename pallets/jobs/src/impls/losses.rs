//! What slashed bonds have lost, for the decoys among the jobs: see `pallet-assay-decoys`.

use crate::{BalanceOf, Config, Jobs, Loss, Losses, Pallet};
use assay_market::{EndedJob, EndedJobs, JobId};
use frame_system::pallet_prelude::BlockNumberFor;

impl<T: Config> Pallet<T> {
	/// The bond of a job was slashed. It is kept as long as the job's record.
	pub(crate) fn note_loss(id: JobId, burned: BalanceOf<T>, prover_paid: BalanceOf<T>) {
		Losses::<T>::insert(id, Loss { burned, prover_paid, taken: false });
	}

	pub(crate) fn forget_loss(id: JobId) {
		Losses::<T>::remove(id);
	}
}

impl<T: Config> EndedJobs<T::AccountId, BalanceOf<T>, BlockNumberFor<T>> for Pallet<T> {
	fn ended(id: JobId) -> Option<EndedJob<T::AccountId, BalanceOf<T>, BlockNumberFor<T>>> {
		let job = Jobs::<T>::get(id)?;
		let Loss { burned, prover_paid, taken } = Losses::<T>::get(id).unwrap_or_default();
		if taken {
			return None;
		}
		Some(EndedJob {
			requester: job.offer.requester,
			provider: job.claim?.provider,
			posted_at: job.history.first()?.1,
			reason: job.reason?,
			burned,
			prover_paid,
			fees: job.books.paid,
		})
	}

	fn take(id: JobId) {
		if Jobs::<T>::contains_key(id) {
			Losses::<T>::mutate(id, |loss| loss.get_or_insert_default().taken = true);
		}
	}
}
