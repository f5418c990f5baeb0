//! What the calls do.

use crate::{
	BalanceOf, Config, Consents, Error, Event, HoldReason, Maker, Makers, Pallet, Seal, SealOf,
	Seals, Tallies,
};
use alloc::vec::Vec;
use assay_commitments::decoy_seal;
use assay_market::{EndedJob, EndedJobs, Hash, JobId, ReasonCode};
use codec::Encode;
use frame_support::{
	defensive, ensure,
	traits::{
		fungible::{Mutate, MutateHold},
		tokens::{Precision, Preservation},
		Get,
	},
};
use frame_system::pallet_prelude::BlockNumberFor;
use sp_runtime::{
	traits::{AccountIdConversion, CheckedSub, Saturating, Verify, Zero},
	DispatchResult,
};

/// In front of what the parties of a decoy sign.
const CONSENT: &[u8] = b"assay/decoy/1";

type EndedOf<T> = EndedJob<<T as frame_system::Config>::AccountId, BalanceOf<T>, BlockNumberFor<T>>;

impl<T: Config> Pallet<T> {
	/// The account of the pot.
	pub fn pot() -> T::AccountId {
		T::PalletId::get().into_account_truncating()
	}

	/// What both parties of a decoy sign:
	/// `SCALE("assay/decoy/1", genesis, maker, requester, provider, salt)`. The salt makes every
	/// consent one to a single decoy.
	pub fn consent_payload(
		maker: &T::AccountId,
		requester: &T::AccountId,
		provider: &T::AccountId,
		salt: &Hash,
	) -> Vec<u8> {
		(CONSENT, Self::genesis_hash(), maker, requester, provider, salt).encode()
	}

	/// What a seal binds of the consents: BLAKE3 of their SCALE bytes.
	pub fn consents_hash(consents: &Consents<T::OffchainSignature>) -> Hash {
		*blake3::hash(&consents.encode()).as_bytes()
	}

	/// What a maker seals.
	pub fn seal_hash(
		maker: &T::AccountId,
		requester: &T::AccountId,
		provider: &T::AccountId,
		consents: &Consents<T::OffchainSignature>,
		salt: &Hash,
	) -> Hash {
		decoy_seal(
			&Self::genesis_hash(),
			&bytes_of(maker),
			&bytes_of(requester),
			&bytes_of(provider),
			&Self::consents_hash(consents),
			salt,
		)
	}

	fn genesis_hash() -> Hash {
		bytes_of(&frame_system::Pallet::<T>::block_hash(BlockNumberFor::<T>::zero()))
	}

	pub(crate) fn do_set_maker(maker: T::AccountId, allowance: BalanceOf<T>) -> DispatchResult {
		let known = Makers::<T>::get(&maker);
		let seals = known.as_ref().map_or(0, |known| known.seals);
		if allowance.is_zero() && seals == 0 {
			Makers::<T>::remove(&maker);
		} else {
			let room = known.is_some() || Makers::<T>::count() < T::MaxMakers::get();
			ensure!(room, Error::<T>::TooManyMakers);
			Makers::<T>::insert(&maker, Maker { allowance, seals });
		}
		Self::deposit_event(Event::MakerSet { maker, allowance });
		Ok(())
	}

	pub(crate) fn do_seal(who: T::AccountId, hash: Hash) -> DispatchResult {
		let mut maker = Makers::<T>::get(&who).ok_or(Error::<T>::NotMaker)?;
		ensure!(!maker.allowance.is_zero(), Error::<T>::NotMaker);
		ensure!(maker.seals < T::MaxSeals::get(), Error::<T>::TooManySeals);
		ensure!(!Seals::<T>::contains_key(&who, hash), Error::<T>::AlreadySealed);
		let deposit = T::SealDeposit::get();
		T::Currency::hold(&HoldReason::Seal.into(), &who, deposit)?;
		let sealed_at = Self::now();
		let expires = sealed_at.saturating_add(T::SealLifetime::get());
		Seals::<T>::insert(&who, hash, Seal { sealed_at, expires, deposit });
		maker.seals.saturating_inc();
		Makers::<T>::insert(&who, maker);
		Self::deposit_event(Event::Sealed { maker: who, hash, expires });
		Ok(())
	}

	pub(crate) fn do_discard(who: T::AccountId, maker: T::AccountId, hash: Hash) -> DispatchResult {
		let seal = Seals::<T>::get(&maker, hash).ok_or(Error::<T>::NoSeal)?;
		ensure!(who == maker || Self::now() > seal.expires, Error::<T>::NotExpired);
		Self::break_seal(&maker, hash, seal)?;
		Self::deposit_event(Event::SealDiscarded { maker, hash });
		Ok(())
	}

	pub(crate) fn do_fund(from: T::AccountId, amount: BalanceOf<T>) -> DispatchResult {
		T::Currency::transfer(&from, &Self::pot(), amount, Preservation::Preserve)?;
		Self::deposit_event(Event::PotFunded { from, amount });
		Ok(())
	}

	pub(crate) fn do_unseal(
		maker: T::AccountId,
		id: JobId,
		salt: Hash,
		consents: Consents<T::OffchainSignature>,
	) -> DispatchResult {
		let job = T::Jobs::ended(id).ok_or(Error::<T>::NotEnded)?;
		let hash = Self::seal_hash(&maker, &job.requester, &job.provider, &consents, &salt);
		let seal = Seals::<T>::get(&maker, hash).ok_or(Error::<T>::NotSealed)?;
		ensure!(Self::now() <= seal.expires, Error::<T>::Expired);
		ensure!(seal.sealed_at < job.posted_at, Error::<T>::SealedTooLate);
		let payload = Self::consent_payload(&maker, &job.requester, &job.provider, &salt);
		let consented = |signature, who| has_signed::<T>(signature, who, &payload);
		ensure!(consented(&consents.requester, &job.requester), Error::<T>::RequesterDidNotConsent);
		ensure!(consented(&consents.provider, &job.provider), Error::<T>::ProviderDidNotConsent);

		match job.reason {
			ReasonCode::ProvenFraud | ReasonCode::Withheld => {
				Self::reimburse(id, maker.clone(), job)?
			}
			ReasonCode::Paid => {
				Tallies::<T>::mutate(|tally| tally.missed.saturating_inc());
				Self::deposit_event(Event::DecoyMissed { job: id, maker: maker.clone() });
			}
			_ => return Err(Error::<T>::WrongEnding.into()),
		}
		T::Jobs::take(id);
		Self::break_seal(&maker, hash, seal)
	}

	/// Gives back to the provider what it lost to others: the burned part newly minted, the rest
	/// from the pot.
	fn reimburse(id: JobId, who: T::AccountId, job: EndedOf<T>) -> DispatchResult {
		let minted = job.burned;
		let from_pot = job.prover_paid.saturating_add(job.fees);
		Makers::<T>::try_mutate(&who, |maker| {
			let maker = maker.as_mut().ok_or(Error::<T>::NotMaker)?;
			maker.allowance = maker
				.allowance
				.checked_sub(&minted.saturating_add(from_pot))
				.ok_or(Error::<T>::AllowanceExceeded)?;
			Ok::<_, Error<T>>(())
		})?;
		if !minted.is_zero() {
			T::Currency::mint_into(&job.provider, minted)?;
		}
		if !from_pot.is_zero() {
			// The pot stays alive, or what is left in it would be lost.
			let pot = Self::pot();
			T::Currency::transfer(&pot, &job.provider, from_pot, Preservation::Preserve)
				.map_err(|_| Error::<T>::PotTooSmall)?;
		}
		Tallies::<T>::mutate(|tally| match job.reason {
			ReasonCode::ProvenFraud => tally.proven.saturating_inc(),
			_ => tally.withheld.saturating_inc(),
		});
		Self::deposit_event(Event::DecoyCaught {
			job: id,
			maker: who,
			reason: job.reason,
			minted,
			from_pot,
		});
		Ok(())
	}

	/// Removes a seal and releases its deposit. A maker without allowance and seals is forgotten.
	fn break_seal(who: &T::AccountId, hash: Hash, seal: SealOf<T>) -> DispatchResult {
		let reason = HoldReason::Seal.into();
		T::Currency::release(&reason, who, seal.deposit, Precision::BestEffort)?;
		Seals::<T>::remove(who, hash);
		Makers::<T>::mutate_exists(who, |entry| match entry {
			Some(maker) => {
				maker.seals.saturating_dec();
				if maker.seals == 0 && maker.allowance.is_zero() {
					*entry = None;
				}
			}
			None => {
				defensive!("whoever has a seal is known as a maker");
			}
		});
		Ok(())
	}

	fn now() -> BlockNumberFor<T> {
		frame_system::Pallet::<T>::block_number()
	}
}

/// Whether this is the account's signature of these bytes, plain or in the tags that wallets add.
fn has_signed<T: Config>(
	signature: &T::OffchainSignature,
	who: &T::AccountId,
	payload: &[u8],
) -> bool {
	let wrapped = || [b"<Bytes>".as_slice(), payload, b"</Bytes>".as_slice()].concat();
	signature.verify(payload, who) || signature.verify(&wrapped()[..], who)
}

/// The first 32 bytes of what encodes to at least as many; `integrity_test` asserts that accounts
/// do.
fn bytes_of(value: &impl Encode) -> [u8; 32] {
	let mut bytes = [0; 32];
	value.using_encoded(|encoded| {
		let length = encoded.len().min(32);
		bytes[..length].copy_from_slice(&encoded[..length]);
	});
	bytes
}

#[cfg(any(feature = "try-runtime", test))]
impl<T: Config> Pallet<T> {
	/// * Every seal belongs to a maker that counts it, within the bounds.
	/// * What is held of an account for seals is the sum of their deposits.
	/// * A maker has an allowance or seals.
	pub fn do_try_state() -> Result<(), sp_runtime::TryRuntimeError> {
		use alloc::collections::BTreeMap;
		use frame_support::traits::fungible::InspectHold;
		ensure!(Makers::<T>::count() <= T::MaxMakers::get(), "makers are bounded");
		let mut sums = BTreeMap::<Vec<u8>, (u32, BalanceOf<T>)>::new();
		for (maker, _, seal) in Seals::<T>::iter() {
			ensure!(seal.sealed_at <= Self::now(), "nothing is sealed in the future");
			let (seals, sum) = sums.entry(maker.encode()).or_default();
			*seals += 1;
			*sum = sum.saturating_add(seal.deposit);
		}
		let mut counted = 0;
		for (who, maker) in Makers::<T>::iter() {
			let (seals, sum) = sums.get(&who.encode()).copied().unwrap_or_default();
			ensure!(seals == maker.seals, "seals are counted");
			ensure!(seals <= T::MaxSeals::get(), "seals are bounded");
			let held = T::Currency::balance_on_hold(&HoldReason::Seal.into(), &who);
			ensure!(held == sum, "what is held is the sum of the deposits");
			ensure!(seals > 0 || !maker.allowance.is_zero(), "nobody is a maker for nothing");
			counted += seals;
		}
		ensure!(
			counted as usize == Seals::<T>::iter_keys().count(),
			"every seal belongs to a maker"
		);
		Ok(())
	}
}
