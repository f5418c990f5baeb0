//! Decoys: jobs with a planted fault, so that vouching for a result that one has not computed
//! loses.
//!
//! ## Pallet API
//!
//! See the [`pallet`] module for calls, storage, events and errors, and [`Config`] for what the
//! runtime supplies.
//!
//! ## Overview
//!
//! A provider that is honest for a year gives verifiers a reason to stop computing: whatever it
//! leaks is right. *Decoys* take that reason away. A decoy maker posts a job from an ordinary
//! account, claims it with an ordinary provider, and reveals a wrong result. Nothing on chain tells
//! it from any other job; who vouches for its root without a replay is slashed like for any fraud,
//! and who proves it wrong earns like for any fraud. What the maker's provider lost by that is
//! given back to it afterwards.
//!
//! ```text
//! seal(hash) ──► post, claim, commit, reveal a wrong result ──► ProvenFraud ──► unseal(job, …): reimbursed
//!                                                           └─► Paid ─────────► unseal(job, …): a miss, counted
//! ```
//!
//! ## Example
//!
//! | block | who | call |
//! |---|---|---|
//! | 1 | root | `setMaker(maker, allowance)` |
//! | 1 | anyone | `fund(amount)` |
//! | 5 | maker | `seal(hash)` |
//! | 6 … 40 | requester, provider | an ordinary job |
//! | 41 | – | the job fails as `ProvenFraud` |
//! | 42 | maker | `unseal(job, salt, consents)` |
//!
//! ## Details
//!
//! * **Seals.** [`decoy_seal`](assay_commitments::decoy_seal) hides who will post and who will
//!   claim. It must be on chain before the job is posted, so that no fraud becomes a decoy
//!   afterwards.
//! * **Consents.** Both parties sign that they are parties of this very seal
//!   ([`Pallet::consent_payload`]), and the signatures are part of what is sealed. So both agreed
//!   before the job was posted: a seal over somebody else's jobs, or a consent that is bought after
//!   somebody was cheated, opens nothing.
//! * **Money.** What was burned of the bond is minted again, to the unit: fraud and decoy together
//!   leave the issuance as it was. What went to the prover, and to verifiers, comes from the pot,
//!   an account of this pallet that anyone may fund. Both count against the allowance that root
//!   gave the maker. The requester's compensation is not given back: it went from one of the
//!   maker's accounts to the other.
//! * **Trust.** A maker that proves its own decoys through a stranger's account takes money out of
//!   the pot, up to its allowance. That is what the allowance is for.
//! * **In time.** A job can be unsealed while its record is kept (`Retention` of the jobs pallet).

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

#[cfg(feature = "runtime-benchmarks")]
pub mod benchmarking;
mod impls;
pub mod migrations;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;
pub mod types;
pub mod weights;

#[cfg(feature = "runtime-benchmarks")]
pub use benchmarking::BenchmarkHelper;
pub use pallet::*;
pub use types::*;
pub use weights::WeightInfo;

#[frame_support::pallet]
pub mod pallet {
	use super::*;
	use assay_market::{EndedJobs, Hash, JobId, ReasonCode};
	use frame_support::{
		pallet_prelude::*,
		traits::fungible::{Inspect, InspectHold, Mutate, MutateHold},
		PalletId,
	};
	use frame_system::pallet_prelude::*;
	use sp_runtime::traits::{IdentifyAccount, Verify};

	#[pallet::pallet]
	#[pallet::storage_version(migrations::STORAGE_VERSION)]
	pub struct Pallet<T>(_);

	#[pallet::config]
	pub trait Config: frame_system::Config {
		/// The runtime's hold reasons.
		type RuntimeHoldReason: From<HoldReason>;

		/// The currency of deposits, and of what is given back.
		type Currency: Mutate<Self::AccountId>
			+ MutateHold<Self::AccountId>
			+ InspectHold<Self::AccountId, Reason = Self::RuntimeHoldReason>
			+ Inspect<Self::AccountId>;

		/// The jobs, decoys among them.
		type Jobs: EndedJobs<Self::AccountId, BalanceOf<Self>, BlockNumberFor<Self>>;

		/// Signatures of accounts.
		type OffchainSignature: Verify<Signer = Self::OffchainPublic> + Parameter;

		/// Their public keys.
		type OffchainPublic: IdentifyAccount<AccountId = Self::AccountId>;

		/// What the pot's account is made of.
		#[pallet::constant]
		type PalletId: Get<PalletId>;

		/// What is held of a maker for each of its seals.
		#[pallet::constant]
		type SealDeposit: Get<BalanceOf<Self>>;

		/// Blocks after which a seal opens nothing any more.
		#[pallet::constant]
		type SealLifetime: Get<BlockNumberFor<Self>>;

		/// Most decoy makers.
		#[pallet::constant]
		type MaxMakers: Get<u32>;

		/// Most seals of one maker.
		#[pallet::constant]
		type MaxSeals: Get<u32>;

		/// Weights of this pallet.
		type WeightInfo: WeightInfo;

		/// Sets the stage for benchmarks.
		#[cfg(feature = "runtime-benchmarks")]
		type BenchmarkHelper: BenchmarkHelper<Self::AccountId, Self::OffchainSignature>;
	}

	/// Why this pallet holds a balance.
	#[pallet::composite_enum]
	pub enum HoldReason {
		/// The deposits of a maker's seals.
		#[codec(index = 0)]
		Seal,
	}

	/// Who may make decoys, and those who may no more but still have seals.
	#[pallet::storage]
	pub type Makers<T: Config> = CountedStorageMap<_, Twox64Concat, T::AccountId, MakerOf<T>>;

	/// The seals that were not used yet, by maker. A copy of somebody's hash is another seal.
	#[pallet::storage]
	pub type Seals<T: Config> =
		StorageDoubleMap<_, Twox64Concat, T::AccountId, Twox64Concat, Hash, SealOf<T>>;

	/// How decoys have ended so far.
	#[pallet::storage]
	pub type Tallies<T: Config> = StorageValue<_, Tally, ValueQuery>;

	#[pallet::event]
	#[pallet::generate_deposit(pub(crate) fn deposit_event)]
	pub enum Event<T: Config> {
		/// Root lets an account make decoys that cost up to `allowance`; none at all where that
		/// is 0.
		MakerSet { maker: T::AccountId, allowance: BalanceOf<T> },
		/// A maker sealed a decoy. It can be unsealed up to and including block `expires`.
		Sealed { maker: T::AccountId, hash: Hash, expires: BlockNumberFor<T> },
		/// A seal was given up; its deposit is back with its maker.
		SealDiscarded { maker: T::AccountId, hash: Hash },
		/// Money was put into the pot.
		PotFunded { from: T::AccountId, amount: BalanceOf<T> },
		/// A decoy was caught. Its provider got back what was burned, and from the pot what was
		/// paid.
		DecoyCaught {
			job: JobId,
			maker: T::AccountId,
			reason: ReasonCode,
			minted: BalanceOf<T>,
			from_pot: BalanceOf<T>,
		},
		/// A decoy was paid for like a right result: nobody noticed. Nothing is given back.
		DecoyMissed { job: JobId, maker: T::AccountId },
	}

	#[pallet::error]
	#[derive(PartialEq)]
	pub enum Error<T> {
		/// The account may not make decoys. Root names makers with `setMaker`.
		NotMaker,
		/// There are as many makers as the chain takes. Set another one's allowance to 0 first.
		TooManyMakers,
		/// The maker has as many seals as it may have. Unseal or discard one first.
		TooManySeals,
		/// The maker has this very seal already. Use a new salt for each decoy.
		AlreadySealed,
		/// There is no such seal. It may be used or discarded.
		NoSeal,
		/// Only its maker may discard a seal that has not expired.
		NotExpired,
		/// There is no such ended job with a provider, its record was pruned, or it was unsealed
		/// before. Unseal a decoy soon after it has ended.
		NotEnded,
		/// No seal of this account opens to the job's requester and provider with this salt and
		/// these consents. All must be what was sealed, bit for bit.
		NotSealed,
		/// The job was posted before, or in the block in which, it was sealed. Seal first, then
		/// post in a later block.
		SealedTooLate,
		/// The seal has expired. Discard it for its deposit.
		Expired,
		/// The job's requester has not signed that it is part of this decoy.
		RequesterDidNotConsent,
		/// The job's provider has not signed that it is part of this decoy.
		ProviderDidNotConsent,
		/// The job ended so that it tells nothing of verifiers, and cost its maker no bond. Discard
		/// the seal, or use it for another job of the same parties.
		WrongEnding,
		/// What would be given back is more than the maker's allowance has left. Ask root to raise
		/// it, and unseal before the job's record is pruned.
		AllowanceExceeded,
		/// The pot has too little. Fund it, and unseal before the job's record is pruned.
		PotTooSmall,
	}

	#[pallet::hooks]
	impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
		fn integrity_test() {
			assert!(T::MaxMakers::get() > 0 && T::MaxSeals::get() > 0);
			assert_eq!(T::AccountId::max_encoded_len(), 32, "seals bind accounts of 32 bytes");
		}

		#[cfg(feature = "try-runtime")]
		fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
			Self::do_try_state()
		}
	}

	#[pallet::call]
	impl<T: Config> Pallet<T> {
		/// Let an account make decoys, and say what they may still cost.
		///
		/// ## Dispatch Origin
		///
		/// Root.
		///
		/// ## Details
		///
		/// `allowance` replaces what is left of an earlier one. With 0 the account can seal nothing
		/// more, and can only discard its seals or report decoys that nobody noticed.
		///
		/// ## Errors
		///
		/// [`Error::TooManyMakers`].
		///
		/// ## Events
		///
		/// [`Event::MakerSet`].
		#[pallet::call_index(0)]
		#[pallet::weight((T::WeightInfo::set_maker(), DispatchClass::Operational))]
		pub fn set_maker(
			origin: OriginFor<T>,
			maker: T::AccountId,
			allowance: BalanceOf<T>,
		) -> DispatchResult {
			ensure_root(origin)?;
			Self::do_set_maker(maker, allowance)
		}

		/// Seal a decoy before it is posted.
		///
		/// ## Dispatch Origin
		///
		/// Signed by a maker.
		///
		/// ## Details
		///
		/// `hash` is `decoy_seal` over genesis hash, maker, requester, provider, the hash of both
		/// parties' consents ([`Pallet::consents_hash`]) and a random salt. Holds the deposit.
		///
		/// ## Errors
		///
		/// [`Error::NotMaker`], [`Error::TooManySeals`], [`Error::AlreadySealed`], and those of the
		/// hold.
		///
		/// ## Events
		///
		/// [`Event::Sealed`].
		#[pallet::call_index(1)]
		#[pallet::weight(T::WeightInfo::seal())]
		pub fn seal(origin: OriginFor<T>, hash: Hash) -> DispatchResult {
			let maker = ensure_signed(origin)?;
			Self::do_seal(maker, hash)
		}

		/// Give up a seal, and its deposit back to its maker.
		///
		/// ## Dispatch Origin
		///
		/// Signed by its maker; by anyone once it has expired.
		///
		/// ## Errors
		///
		/// [`Error::NoSeal`], [`Error::NotExpired`].
		///
		/// ## Events
		///
		/// [`Event::SealDiscarded`].
		#[pallet::call_index(2)]
		#[pallet::weight(T::WeightInfo::discard())]
		pub fn discard(origin: OriginFor<T>, maker: T::AccountId, hash: Hash) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_discard(who, maker, hash)
		}

		/// Put money into the pot that pays provers of decoys.
		///
		/// ## Dispatch Origin
		///
		/// Signed by anyone.
		///
		/// ## Errors
		///
		/// Those of a transfer that keeps the sender alive.
		///
		/// ## Events
		///
		/// [`Event::PotFunded`].
		#[pallet::call_index(3)]
		#[pallet::weight(T::WeightInfo::fund())]
		pub fn fund(
			origin: OriginFor<T>,
			#[pallet::compact] amount: BalanceOf<T>,
		) -> DispatchResult {
			let from = ensure_signed(origin)?;
			Self::do_fund(from, amount)
		}

		/// Show that a job which has ended was a decoy. Gives back what it cost, where it was
		/// caught.
		///
		/// ## Dispatch Origin
		///
		/// Signed by the maker that sealed it.
		///
		/// ## Details
		///
		/// Caught is a job that failed as proven fraud or as withheld. A job that was paid although
		/// its result was wrong is counted as missed; nothing is given back, since one account of
		/// the maker has paid the other. Either way the seal is used up and its deposit is
		/// released.
		///
		/// ## Errors
		///
		/// [`Error::NotEnded`], [`Error::NotSealed`], [`Error::Expired`], [`Error::SealedTooLate`],
		/// [`Error::RequesterDidNotConsent`], [`Error::ProviderDidNotConsent`],
		/// [`Error::WrongEnding`], [`Error::AllowanceExceeded`], [`Error::PotTooSmall`]; those of
		/// minting, where the provider's account is gone and what it gets is below the existential
		/// deposit.
		///
		/// ## Events
		///
		/// [`Event::DecoyCaught`] or [`Event::DecoyMissed`].
		#[pallet::call_index(4)]
		#[pallet::weight(T::WeightInfo::unseal())]
		pub fn unseal(
			origin: OriginFor<T>,
			job: JobId,
			salt: Hash,
			consents: Consents<T::OffchainSignature>,
		) -> DispatchResult {
			let maker = ensure_signed(origin)?;
			Self::do_unseal(maker, job, salt, consents)
		}
	}
}
