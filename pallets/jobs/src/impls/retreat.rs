//! What becomes of a claim without a result: the provider stayed silent, or gave the job back.
//!
//! The requester chooses inputs, work and audit probability, and with it the bond. So that nobody can
//! post jobs to earn by others' failing, what a silent provider loses is bounded by the price, and all of
//! it is burned; where the inputs were never attested it loses nothing.

use crate::{
	Answer, BalanceOf, Claim, Config, Error, Event, JobOf, Pallet, Parameters, ParametersOf,
	SeatOf, Seats,
};
use crate::{MAX_BARRED, MAX_STALLS};
use assay_market::{
	Attestation, Hash, JobBonds, JobId, Outcome, Phase, Purpose, ReasonCode, Verifiers,
};
use frame_support::{defensive, ensure};
use frame_system::pallet_prelude::BlockNumberFor;
use sp_runtime::{
	traits::{Saturating, Zero},
	DispatchResult,
};

impl<T: Config> Pallet<T> {
	/// A provider stayed silent: a part of its bond is burned, and the job opens once more without it.
	pub(crate) fn stall(id: JobId, job: &mut JobOf<T>, parameters: &ParametersOf<T>) {
		let Some(Claim { provider, price, bond, .. }) = job.claim.clone() else {
			defensive!("a claimed job has a provider");
			return Self::finish(id, job, ReasonCode::ProviderTimeout);
		};
		let mut burned = BalanceOf::<T>::zero();
		if job.offer.assurance.attestation == Attestation::Required {
			let amount = parameters.stall(price, bond);
			burned = T::JobBonds::slash(&provider, id, amount, None).burned;
		}
		Self::note(job, &provider, Outcome::ProviderStalled);
		Self::deposit_event(Event::ProviderStalled { job: id, provider, burned });
		job.stalls = job.stalls.saturating_add(1);
		if Self::bar_provider(id, job) {
			Self::reopen(id, job, parameters);
		} else {
			Self::finish(id, job, ReasonCode::ProviderTimeout);
		}
	}

	pub(crate) fn do_give_back(who: T::AccountId, id: JobId, order: Hash) -> DispatchResult {
		let mut job = Self::job_of_order(id, &order)?;
		let claim = job.claim.as_ref().filter(|claim| claim.provider == who);
		let (price, bond) =
			claim.map(|claim| (claim.price, claim.bond)).ok_or(Error::<T>::NotProvider)?;
		Self::ensure_live(&job, Phase::Claimed)?;
		ensure!(Self::may_give_back(&job), Error::<T>::TooEarlyToGiveBack);
		let parameters = Parameters::<T>::get();
		let attested = job.offer.assurance.attestation == Attestation::Required;
		let mut burned = BalanceOf::<T>::zero();
		if attested {
			// Early it costs a tenth of a stall, late as much as one; nobody gains by it.
			let claimed_at = Self::claimed_at(&job);
			let (elapsed, clock) =
				(Self::now().saturating_sub(claimed_at), job.deadline.saturating_sub(claimed_at));
			let fee = parameters.give_back(price, bond, elapsed, clock);
			burned = T::JobBonds::slash(&who, id, fee, None).burned;
		}
		Self::note(&job, &who, Outcome::ProviderGaveBack);
		Self::deposit_event(Event::JobGivenBack { job: id, provider: who, burned });
		if Self::bar_provider(id, &mut job) {
			Self::reopen(id, &mut job, &parameters);
		} else {
			Self::finish(id, &mut job, ReasonCode::ProviderTimeout);
		}
		Self::store(id, job);
		Ok(())
	}

	/// When the phase of a claimed job began.
	fn claimed_at(job: &JobOf<T>) -> BlockNumberFor<T> {
		job.history.last().map_or(Self::now(), |(_, at)| *at)
	}

	/// Whether the claim is older than this block. Claimed and given back in one transaction, a job could
	/// be taken from everybody else by an account that never stood behind it for a moment.
	pub(crate) fn may_give_back(job: &JobOf<T>) -> bool {
		Self::now() > Self::claimed_at(job)
	}

	/// Gives the provider what is left of its bond, and keeps it from claiming the job again. `false`
	/// where the job has no more tries.
	fn bar_provider(id: JobId, job: &mut JobOf<T>) -> bool {
		let Some(provider) = job.provider().cloned() else { return false };
		T::JobBonds::release(&provider, id);
		if job.barred.try_push(provider).is_err() {
			defensive!("the last provider that is barred ends the job");
			return false;
		}
		if job.stalls >= MAX_STALLS || job.barred.len() >= MAX_BARRED as usize {
			return false;
		}
		job.claim = None;
		true
	}

	/// Takes the seats of keepers away that do not have the outputs, and their locks where they have no
	/// other seat. Whoever said nothing is counted as absent. Who has them keeps its seat, and is paid.
	pub(crate) fn dismiss_keepers(id: JobId, job: &JobOf<T>) {
		let mut seats = Seats::<T>::get(id);
		let goes = |seat: &SeatOf<T>| {
			seat.purpose == Purpose::Keep && seat.answer != Answer::Attested(true)
		};
		let dismissed: alloc::vec::Vec<_> =
			seats.iter().filter(|seat| goes(seat)).cloned().collect();
		seats.retain(|seat| !goes(seat));
		for seat in dismissed {
			if seat.answer == Answer::Pending {
				Self::note(job, &seat.account, Outcome::VerifierNoShow);
			}
			if !seats.iter().any(|other| other.key == seat.key) {
				crate::JobsOfKey::<T>::remove(&seat.key, id);
			}
			if !seats.iter().any(|other| other.account == seat.account) {
				T::Verifiers::unlock(&seat.account, id);
			}
		}
		Seats::<T>::insert(id, seats);
	}
}
