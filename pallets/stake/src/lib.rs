//! # Assay Stake Pallet
//!
//! Bonds that back jobs and verdicts, their slashes, and the choice of validators.
//!
//! ## Pallet API
//!
//! See the [`pallet`] module for the calls, storage, events and errors. Other pallets reach the
//! stake through [`assay_market::JobBonds`], [`assay_market::Verifiers`] and
//! [`assay_market::VerifierFaults`], which [`Pallet`] implements; `pallet-session` and
//! `pallet-offences` through `SessionManager` and `OnOffenceHandler`.
//!
//! ## Overview
//!
//! An account *bonds* a part of its balance. The bond stays in the account, under this pallet's
//! hold, and has three uses:
//!
//! - **Job holds**: a provider that claims a job reserves a part of its bond for that job. A job
//!   that ends well releases the part; a proven fraud slashes it, partly to the prover, the rest is
//!   burned.
//! - **Validating**: an account with at least [`pallet::Config::MinValidatorBond`] and session keys
//!   can offer itself by [`pallet::Call::validate`]. The candidates with the most stake are the
//!   validators of the next planned session, but only so many that heads, which is what BABE and
//!   GRANDPA count, cannot be had for much less stake than others have behind theirs.
//! - **Verifying**: the validators of a session may verify the jobs whose lotteries are opened in
//!   it, with the stake and the session key that they had when it was planned
//!   ([`pallet::Members`]). An account that attests or verifies is locked: it cannot withdraw
//!   anything until the job ends.
//!
//! A verifier whose verdicts differ [`pallet::Config::FaultsBeforeSuspension`] times more often
//! from results that stood than they agree with one is *suspended*: no job draws it for
//! [`pallet::Config::SuspensionSessions`]. That is no slash; it still validates.
//!
//! Stake leaves in two steps, [`pallet::Call::unbond`] and, [`pallet::Config::UnbondingSessions`]
//! later, [`pallet::Call::withdraw`]. Stake on its way out can still be slashed.
//!
//! ## Example
//!
//! A validator's life: `bond` → `session.setKeys` → `validate` → `chill` → `unbond` → `withdraw`.
//!
#![doc = docify::embed!("src/tests/example.rs", stake_should_come_back_when_a_validator_leaves)]
//!
//! ## Details
//!
//! - A slash for an offence (a GRANDPA or BABE equivocation, a vouched fraud) is the offence's
//!   fraction of the stake that the validator had when the session of the offence was planned. Of
//!   several offences in one session the largest fraction counts. The offender is chilled and
//!   reported for disabling at once; the slash itself waits [`pallet::Config::SlashDeferSessions`]
//!   and root can cancel it until then. Withdrawals leave what deferred slashes claim.
//! - Historical sessions are kept for `UnbondingSessions - 2`: a chilled validator serves at most
//!   the session that runs and the next, so every offence that can still be proved meets the stake.
//! - An offence that takes more than the free and the unbonding stake eats into job holds.
//! - The validator set is planned anew at every session and reported as changed only if an account,
//!   a stake or a session key in it changed.

#![cfg_attr(not(feature = "std"), no_std)]
#![deny(missing_docs)]

extern crate alloc;

#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
mod conduct;
mod electorate;
mod impls;
pub mod migrations;
#[cfg(test)]
mod mock;
mod session;
#[cfg(test)]
mod tests;
mod types;
pub mod weights;

pub use impls::Engaged;
pub use pallet::*;
pub use session::ExposureOf;
pub use types::*;
pub use weights::WeightInfo;

/// Target of this pallet's log lines.
pub const LOG_TARGET: &str = "runtime::assay-stake";

/// Sessions for which a validator that no longer stands can still be in the set: the running one
/// and the one already planned.
pub const EXIT_SESSIONS: u32 = 2;

/// The part of the best protection against cheap heads, as (part, whole), below which an election
/// does not go in order to have more validators. See `session::electable`.
pub const LEAST_PROTECTION: (u32, u32) = (3, 4);

/// Deferred slashes carried out in one block at most.
pub const MAX_SLASHES_PER_BLOCK: u32 = 16;

/// Bonds that back jobs and verdicts, their slashes, and the choice of validators.
#[frame_support::pallet]
pub mod pallet {
	use super::*;
	use alloc::vec::Vec;
	use assay_market::{JobId, VerifierId};
	use frame_support::{
		pallet_prelude::*,
		traits::{
			fungible::{Mutate, MutateHold},
			tokens::Precision,
		},
	};
	use frame_system::pallet_prelude::*;
	use sp_runtime::{
		traits::{Convert, Saturating, Zero},
		Perbill,
	};
	use sp_staking::SessionIndex;

	#[pallet::pallet]
	#[pallet::storage_version(migrations::STORAGE_VERSION)]
	pub struct Pallet<T>(_);

	#[pallet::config]
	pub trait Config:
		frame_system::Config
		+ pallet_session::Config<ValidatorId = <Self as frame_system::Config>::AccountId>
		+ pallet_session::historical::Config
	{
		/// The native token.
		type Currency: Mutate<Self::AccountId>
			+ MutateHold<Self::AccountId, Reason: From<HoldReason>>;

		/// The verifier session key of a validator: what its verdicts are signed with.
		type VerifierKeyOf: Convert<Self::AccountId, Option<VerifierId>>;

		/// Smallest bond, so that no ledger is dust.
		#[pallet::constant]
		type MinBond: Get<BalanceOf<Self>>;

		/// Smallest bond of a validator.
		#[pallet::constant]
		type MinValidatorBond: Get<BalanceOf<Self>>;

		/// Sessions between `unbond` and `withdraw`.
		#[pallet::constant]
		type UnbondingSessions: Get<SessionIndex>;

		/// Sessions between an offence's report and its slash, in which root can cancel it.
		#[pallet::constant]
		type SlashDeferSessions: Get<SessionIndex>;

		/// Longest time, in sessions rounded up, from a job's draw to its last possible proof, plus
		/// the bound on how long finality can be held back. Only checked against
		/// `UnbondingSessions`: stake must not be able to leave before a proof can arrive.
		#[pallet::constant]
		type MaxJobSessions: Get<SessionIndex>;

		/// Parts of one account's stake that can be on their way out at a time.
		#[pallet::constant]
		type MaxUnbondingChunks: Get<u32>;

		/// Jobs that one account's stake can back at a time.
		#[pallet::constant]
		type MaxJobHolds: Get<u32>;

		/// Jobs that one account can be drawn for at a time.
		#[pallet::constant]
		type MaxJobLocks: Get<u32>;

		/// Accounts that can stand as validators at a time.
		#[pallet::constant]
		type MaxCandidates: Get<u32>;

		/// Largest validator set.
		#[pallet::constant]
		type MaxValidators: Get<u32>;

		/// Deferred slashes that can wait at a time. Further ones are carried out at once.
		#[pallet::constant]
		type MaxDeferredSlashes: Get<u32>;

		/// Faults, each a verdict that differed from a result that stood, after which a verifier is
		/// suspended. A verdict that was right takes back one of them.
		#[pallet::constant]
		type FaultsBeforeSuspension: Get<u32>;

		/// Sessions for which a suspended verifier is not drawn.
		#[pallet::constant]
		type SuspensionSessions: Get<SessionIndex>;

		/// Weights of the calls.
		type WeightInfo: WeightInfo;
	}

	/// Why this pallet holds funds.
	#[pallet::composite_enum]
	pub enum HoldReason {
		/// Bonded stake, whether active or on its way out.
		#[codec(index = 0)]
		Bond,
	}

	/// What each account has at stake.
	#[pallet::storage]
	pub type Ledgers<T: Config> =
		StorageMap<_, Blake2_128Concat, T::AccountId, Ledger<T>, OptionQuery>;

	/// The part of an account's stake that each job holds.
	#[pallet::storage]
	pub type JobHolds<T: Config> = StorageDoubleMap<
		_,
		Blake2_128Concat,
		T::AccountId,
		Twox64Concat,
		JobId,
		BalanceOf<T>,
		OptionQuery,
	>;

	/// Jobs that each drawn verifier's stake must stay for.
	#[pallet::storage]
	pub type JobLocks<T: Config> =
		StorageDoubleMap<_, Blake2_128Concat, T::AccountId, Twox64Concat, JobId, (), OptionQuery>;

	/// Accounts that stand as validators.
	#[pallet::storage]
	pub type Candidates<T: Config> =
		CountedStorageMap<_, Blake2_128Concat, T::AccountId, (), OptionQuery>;

	/// How many validators a session should have at most.
	#[pallet::storage]
	pub type ValidatorCount<T: Config> = StorageValue<_, u32, ValueQuery, T::MaxValidators>;

	/// The running session.
	#[pallet::storage]
	pub type CurrentSession<T: Config> = StorageValue<_, SessionIndex, ValueQuery>;

	/// The oldest session whose exposures are kept.
	#[pallet::storage]
	pub type OldestSession<T: Config> = StorageValue<_, SessionIndex, ValueQuery>;

	/// The newest planned session and the hash of its validators, their stakes and session keys.
	#[pallet::storage]
	pub type LastPlanned<T: Config> = StorageValue<_, (SessionIndex, T::Hash), OptionQuery>;

	/// Stake of each validator when its session was planned.
	#[pallet::storage]
	pub type Exposures<T: Config> = StorageDoubleMap<
		_,
		Twox64Concat,
		SessionIndex,
		Blake2_128Concat,
		T::AccountId,
		Exposure<BalanceOf<T>>,
		OptionQuery,
	>;

	/// The validators of a planned session that may verify, with the session key that they have in
	/// it; [`Exposures`] has their stakes. Kept as long as these. An account leaves when it is
	/// suspended or reported for an offence, and does not come back.
	#[pallet::storage]
	pub type Members<T: Config> = StorageDoubleMap<
		_,
		Twox64Concat,
		SessionIndex,
		Blake2_128Concat,
		T::AccountId,
		VerifierId,
		OptionQuery,
	>;

	/// How many members a session has, and their stake together.
	#[pallet::storage]
	pub type Electorates<T: Config> =
		StorageMap<_, Twox64Concat, SessionIndex, (u32, BalanceOf<T>), ValueQuery>;

	/// Largest fraction for which each validator was reported, by session of the offence.
	#[pallet::storage]
	pub type Offences<T: Config> = StorageDoubleMap<
		_,
		Twox64Concat,
		SessionIndex,
		Blake2_128Concat,
		T::AccountId,
		Perbill,
		OptionQuery,
	>;

	/// Slashes that wait for their session, by a running number.
	#[pallet::storage]
	pub type DeferredSlashes<T: Config> =
		StorageMap<_, Twox64Concat, u32, DeferredSlashOf<T>, OptionQuery>;

	/// Number of the first deferred slash that has not been carried out or cancelled, and the
	/// number that the next one will get.
	#[pallet::storage]
	pub type DeferredRange<T: Config> = StorageValue<_, (u32, u32), ValueQuery>;

	/// Faults of each bonded account, verdicts that differed from results that stood, which no
	/// right verdict has taken back; at least one.
	#[pallet::storage]
	pub type VerifierFaultCounts<T: Config> =
		StorageMap<_, Blake2_128Concat, T::AccountId, u32, OptionQuery>;

	/// The suspended verifiers, each with the first session in which it may be drawn again.
	#[pallet::storage]
	pub type SuspendedVerifiers<T: Config> =
		StorageValue<_, BoundedVec<(T::AccountId, SessionIndex), T::MaxCandidates>, ValueQuery>;

	/// Validators and their bonds at genesis. Session keys come from the session pallet.
	#[pallet::genesis_config]
	#[derive(frame_support::DefaultNoBound)]
	pub struct GenesisConfig<T: Config> {
		/// Accounts and their stakes; all of them stand as validators.
		pub validators: Vec<(T::AccountId, BalanceOf<T>)>,
		/// Most validators per session; 0 means as many as the runtime allows.
		pub validator_count: u32,
	}

	#[pallet::genesis_build]
	impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
		fn build(&self) {
			if self.validator_count > 0 {
				ValidatorCount::<T>::put(self.validator_count.min(T::MaxValidators::get()));
			}
			assert!(
				self.validators.len() as u32 <= T::MaxCandidates::get(),
				"more genesis validators than MaxCandidates"
			);
			for (who, stake) in &self.validators {
				assert!(
					*stake >= T::MinValidatorBond::get(),
					"a genesis validator has less than MinValidatorBond"
				);
				Pallet::<T>::do_bond(who, *stake)
					.expect("a genesis validator appears once and has the balance for its stake");
				Candidates::<T>::insert(who, ());
			}
		}
	}

	/// What happened to stake.
	#[pallet::event]
	#[pallet::generate_deposit(pub(super) fn deposit_event)]
	pub enum Event<T: Config> {
		/// An account bonded stake, for the first time or more of it.
		Bonded {
			/// The account.
			who: T::AccountId,
			/// What it added.
			amount: BalanceOf<T>,
			/// Its active stake now.
			active: BalanceOf<T>,
		},
		/// An account set a part of its stake on its way out.
		Unbonding {
			/// The account.
			who: T::AccountId,
			/// How much.
			amount: BalanceOf<T>,
			/// First session in which it can be withdrawn.
			releasable_at: SessionIndex,
		},
		/// An account called stake back from its way out.
		Rebonded {
			/// The account.
			who: T::AccountId,
			/// How much came back.
			amount: BalanceOf<T>,
		},
		/// Stake became free balance again.
		Withdrawn {
			/// The account.
			who: T::AccountId,
			/// How much.
			amount: BalanceOf<T>,
		},
		/// An account stands as validator.
		CandidateAdded {
			/// The account.
			who: T::AccountId,
		},
		/// An account no longer stands as validator.
		CandidateRemoved {
			/// The account.
			who: T::AccountId,
			/// Why.
			reason: RemovalReason,
		},
		/// The largest number of validators per session changed.
		ValidatorCountSet {
			/// The new number.
			count: u32,
		},
		/// A part of an account's stake is reserved for a job.
		JobHeld {
			/// The account.
			who: T::AccountId,
			/// The job.
			job: JobId,
			/// What was added to the hold.
			amount: BalanceOf<T>,
		},
		/// A job's hold ended.
		JobReleased {
			/// The account.
			who: T::AccountId,
			/// The job.
			job: JobId,
			/// What became free stake again.
			amount: BalanceOf<T>,
		},
		/// A job's hold was slashed.
		JobSlashed {
			/// The account.
			who: T::AccountId,
			/// The job.
			job: JobId,
			/// What was burned.
			burned: BalanceOf<T>,
			/// What was paid out.
			paid: BalanceOf<T>,
		},
		/// A slash for an offence took a part of a job's hold.
		JobHoldReduced {
			/// The account.
			who: T::AccountId,
			/// The job.
			job: JobId,
			/// By how much.
			amount: BalanceOf<T>,
		},
		/// An offence was reported. The slash waits until session `due`.
		SlashDeferred {
			/// Number to cancel it by.
			index: u32,
			/// The offender.
			who: T::AccountId,
			/// How much will be taken, or what is left if less.
			amount: BalanceOf<T>,
			/// The session of the offence.
			offence_session: SessionIndex,
			/// The first session in which it is carried out.
			due: SessionIndex,
		},
		/// Root cancelled a deferred slash.
		SlashCancelled {
			/// Its number.
			index: u32,
			/// Who is spared.
			who: T::AccountId,
			/// How much.
			amount: BalanceOf<T>,
		},
		/// A verifier's verdicts differed too often from results that stood. It is not drawn before
		/// session `until`.
		VerifierSuspended {
			/// The verifier.
			who: T::AccountId,
			/// The first session in which it may be drawn again.
			until: SessionIndex,
		},
		/// An account's stake was slashed for an offence.
		Slashed {
			/// The offender.
			who: T::AccountId,
			/// What was burned.
			burned: BalanceOf<T>,
		},
	}

	/// Why a call was refused.
	#[pallet::error]
	pub enum Error<T> {
		/// The account already has a bond. Use `bond_extra` to add to it.
		AlreadyBonded,
		/// The account has no bond. Use `bond` first.
		NotBonded,
		/// The bond would be below `MinBond`. Bond more; to leave, unbond everything.
		BelowMinimumBond,
		/// A validator needs `MinValidatorBond`. Bond more before `validate`; call `chill` before
		/// unbonding below it.
		BelowMinimumValidatorBond,
		/// The amount is zero. Give a positive amount.
		ZeroAmount,
		/// More than the stake that is neither held by jobs nor claimed by deferred slashes. Ask
		/// for less, bond more, or wait until a job ends.
		InsufficientFreeStake,
		/// Too many parts of the stake are on their way out. Withdraw some first.
		TooManyUnbondingChunks,
		/// Nothing can be withdrawn yet: the unbonding time has not passed, or deferred slashes
		/// claim what is left. Look at `ledgers` for the session in which the next part is free.
		NothingToWithdraw,
		/// Nothing is on its way out that could be bonded again.
		NothingToRebond,
		/// The account was drawn to verify a job that has not ended. Wait until it ends.
		LockedByJob,
		/// The account already stands as validator.
		AlreadyCandidate,
		/// The account does not stand as validator.
		NotCandidate,
		/// The account has no session keys. Set them with `session.setKeys` first.
		NoSessionKeys,
		/// All places for candidates are taken. Name in `displace` the candidate with the least
		/// stake, and have more than it.
		TooManyCandidates,
		/// The named account does not stand as validator or does not have less stake than yours.
		/// Name the candidate with the least stake; where it has as much as you, bond more.
		CannotDisplace,
		/// The number of validators must be between 1 and `MaxValidators`.
		InvalidValidatorCount,
		/// There is no deferred slash with this number: it never existed, or it was carried out or
		/// cancelled.
		NoSuchSlash,
		/// The stake already backs `MaxJobHolds` jobs. Wait until one ends.
		TooManyJobHolds,
		/// The account's stake already backs this job.
		JobAlreadyHeld,
		/// Only the weakest candidate can be displaced, and the named one is not. Name the one with
		/// the least `active` less `deferred` in `ledgers`; of equal ones the one with the largest
		/// account.
		NotTheWeakest,
	}

	#[pallet::hooks]
	impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
		fn on_initialize(_now: BlockNumberFor<T>) -> Weight {
			let carried_out = Self::carry_out_due_slashes();
			<T as Config>::WeightInfo::on_initialize(carried_out)
		}

		fn integrity_test() {
			assert!(
				T::MinValidatorBond::get() >= T::MinBond::get(),
				"MinValidatorBond must not be below MinBond"
			);
			assert!(!T::MinBond::get().is_zero(), "MinBond must be positive");
			assert!(
				T::MaxUnbondingChunks::get() > 0
					&& T::MaxJobHolds::get() > 0
					&& T::MaxJobLocks::get() > 0
					&& T::MaxValidators::get() > 0
					&& T::FaultsBeforeSuspension::get() > 0,
				"the stake pallet's bounds must be positive"
			);
			assert!(
				T::MaxCandidates::get() >= T::MaxValidators::get(),
				"MaxCandidates must not be below MaxValidators"
			);
			assert!(
				T::MaxJobSessions::get()
					.saturating_add(T::SlashDeferSessions::get())
					.saturating_add(EXIT_SESSIONS)
					< T::UnbondingSessions::get(),
				"UnbondingSessions must be longer than a job's life, slash deferral and the exit \
				 from the validator set together"
			);
		}

		#[cfg(feature = "try-runtime")]
		fn try_state(_now: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
			Self::do_try_state()
		}
	}

	#[pallet::call]
	impl<T: Config> Pallet<T> {
		/// Bond stake for the first time.
		///
		/// ## Dispatch Origin
		///
		/// Must be signed by the account whose balance is bonded.
		///
		/// ## Details
		///
		/// Puts `amount` (in the chain's smallest unit) on hold. It stays in the account, backs
		/// jobs that the account claims, and lets it stand as validator.
		///
		/// ## Errors
		///
		/// - [`Error::AlreadyBonded`]
		/// - [`Error::BelowMinimumBond`]
		/// - The token's own error if the balance is not there.
		///
		/// ## Events
		///
		/// - [`Event::Bonded`]
		#[pallet::call_index(0)]
		#[pallet::weight(<T as Config>::WeightInfo::bond())]
		pub fn bond(
			origin: OriginFor<T>,
			#[pallet::compact] amount: BalanceOf<T>,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_bond(&who, amount)
		}

		/// Add to an existing bond.
		///
		/// ## Dispatch Origin
		///
		/// Must be signed by a bonded account.
		///
		/// ## Details
		///
		/// Puts `amount` more on hold. An account whose whole bond is on its way out can come back
		/// with this call or with `rebond`.
		///
		/// ## Errors
		///
		/// - [`Error::NotBonded`]
		/// - [`Error::ZeroAmount`]
		/// - [`Error::BelowMinimumBond`]
		/// - The token's own error if the balance is not there.
		///
		/// ## Events
		///
		/// - [`Event::Bonded`]
		#[pallet::call_index(1)]
		#[pallet::weight(<T as Config>::WeightInfo::bond_extra())]
		pub fn bond_extra(
			origin: OriginFor<T>,
			#[pallet::compact] amount: BalanceOf<T>,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			ensure!(!amount.is_zero(), Error::<T>::ZeroAmount);
			let mut ledger = Ledgers::<T>::get(&who).ok_or(Error::<T>::NotBonded)?;
			ledger.active.saturating_accrue(amount);
			ensure!(ledger.active >= T::MinBond::get(), Error::<T>::BelowMinimumBond);
			<T as Config>::Currency::hold(&HoldReason::Bond.into(), &who, amount)?;
			Self::deposit_event(Event::Bonded { who: who.clone(), amount, active: ledger.active });
			Ledgers::<T>::insert(&who, ledger);
			Ok(())
		}

		/// Set stake on its way out.
		///
		/// ## Dispatch Origin
		///
		/// Must be signed by a bonded account.
		///
		/// ## Details
		///
		/// `amount` can be withdrawn `UnbondingSessions` sessions later and can be slashed until
		/// then. What jobs hold cannot be unbonded. Either nothing or at least `MinBond` must stay;
		/// an account that stands as validator must keep `MinValidatorBond`.
		///
		/// ## Errors
		///
		/// - [`Error::NotBonded`]
		/// - [`Error::ZeroAmount`]
		/// - [`Error::InsufficientFreeStake`]
		/// - [`Error::BelowMinimumBond`]
		/// - [`Error::BelowMinimumValidatorBond`]
		/// - [`Error::TooManyUnbondingChunks`]
		///
		/// ## Events
		///
		/// - [`Event::Unbonding`]
		#[pallet::call_index(2)]
		#[pallet::weight(<T as Config>::WeightInfo::unbond())]
		pub fn unbond(
			origin: OriginFor<T>,
			#[pallet::compact] amount: BalanceOf<T>,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_unbond(&who, amount)
		}

		/// Call stake back from its way out.
		///
		/// ## Dispatch Origin
		///
		/// Must be signed by a bonded account.
		///
		/// ## Details
		///
		/// Up to `amount` becomes active again, the part that was unbonded last first.
		///
		/// ## Errors
		///
		/// - [`Error::NotBonded`]
		/// - [`Error::NothingToRebond`]
		/// - [`Error::BelowMinimumBond`]
		///
		/// ## Events
		///
		/// - [`Event::Rebonded`]
		#[pallet::call_index(3)]
		#[pallet::weight(<T as Config>::WeightInfo::rebond())]
		pub fn rebond(
			origin: OriginFor<T>,
			#[pallet::compact] amount: BalanceOf<T>,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			let mut ledger = Ledgers::<T>::get(&who).ok_or(Error::<T>::NotBonded)?;
			let amount = ledger.rebond(amount);
			ensure!(!amount.is_zero(), Error::<T>::NothingToRebond);
			ensure!(ledger.active >= T::MinBond::get(), Error::<T>::BelowMinimumBond);
			Ledgers::<T>::insert(&who, ledger);
			Self::deposit_event(Event::Rebonded { who, amount });
			Ok(())
		}

		/// Take out stake whose unbonding time has passed.
		///
		/// ## Dispatch Origin
		///
		/// Must be signed by a bonded account.
		///
		/// ## Details
		///
		/// Everything that is due becomes free balance, except what deferred slashes claim. While
		/// the account is drawn to verify a job, nothing can be taken out.
		///
		/// ## Errors
		///
		/// - [`Error::NotBonded`]
		/// - [`Error::LockedByJob`]
		/// - [`Error::NothingToWithdraw`]
		///
		/// ## Events
		///
		/// - [`Event::Withdrawn`]
		#[pallet::call_index(4)]
		#[pallet::weight(<T as Config>::WeightInfo::withdraw())]
		pub fn withdraw(origin: OriginFor<T>) -> DispatchResult {
			let who = ensure_signed(origin)?;
			let mut ledger = Ledgers::<T>::get(&who).ok_or(Error::<T>::NotBonded)?;
			ensure!(ledger.locks == 0, Error::<T>::LockedByJob);
			let amount = ledger.withdraw(CurrentSession::<T>::get());
			ensure!(!amount.is_zero(), Error::<T>::NothingToWithdraw);
			<T as Config>::Currency::release(
				&HoldReason::Bond.into(),
				&who,
				amount,
				Precision::Exact,
			)?;
			Self::put_ledger(&who, ledger);
			Self::deposit_event(Event::Withdrawn { who, amount });
			Ok(())
		}

		/// Stand as validator.
		///
		/// ## Dispatch Origin
		///
		/// Must be signed by a bonded account.
		///
		/// ## Details
		///
		/// From the session after the next, the account validates whenever its stake is among the
		/// largest and not far below the others'. Where all places for candidates are taken,
		/// `displace` names the candidate with the least stake, which loses its place if it has
		/// less than this account; otherwise leave it empty. Stake that deferred slashes claim does
		/// not count.
		///
		/// ## Errors
		///
		/// - [`Error::NotBonded`]
		/// - [`Error::BelowMinimumValidatorBond`]
		/// - [`Error::NoSessionKeys`]
		/// - [`Error::AlreadyCandidate`]
		/// - [`Error::TooManyCandidates`]
		/// - [`Error::CannotDisplace`]
		/// - [`Error::NotTheWeakest`]
		///
		/// ## Events
		///
		/// - [`Event::CandidateAdded`]
		/// - [`Event::CandidateRemoved`] for the displaced candidate.
		#[pallet::call_index(5)]
		#[pallet::weight(<T as Config>::WeightInfo::validate())]
		pub fn validate(origin: OriginFor<T>, displace: Option<T::AccountId>) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_validate(&who, displace)
		}

		/// No longer stand as validator.
		///
		/// ## Dispatch Origin
		///
		/// Must be signed by an account that stands as validator.
		///
		/// ## Details
		///
		/// The account stays in the validator set of the running session and may be in the next
		/// one, which is already planned. Keep the node running until then. The bond stays.
		///
		/// ## Errors
		///
		/// - [`Error::NotCandidate`]
		///
		/// ## Events
		///
		/// - [`Event::CandidateRemoved`]
		#[pallet::call_index(6)]
		#[pallet::weight(<T as Config>::WeightInfo::chill())]
		pub fn chill(origin: OriginFor<T>) -> DispatchResult {
			let who = ensure_signed(origin)?;
			ensure!(Self::remove_candidate(&who, RemovalReason::Chilled), Error::<T>::NotCandidate);
			Ok(())
		}

		/// Set the largest number of validators per session.
		///
		/// ## Dispatch Origin
		///
		/// Must be root.
		///
		/// ## Details
		///
		/// Counts from the next planned session on.
		///
		/// ## Errors
		///
		/// - [`Error::InvalidValidatorCount`]
		///
		/// ## Events
		///
		/// - [`Event::ValidatorCountSet`]
		#[pallet::call_index(7)]
		#[pallet::weight(<T as Config>::WeightInfo::set_validator_count())]
		pub fn set_validator_count(
			origin: OriginFor<T>,
			#[pallet::compact] count: u32,
		) -> DispatchResult {
			ensure_root(origin)?;
			ensure!(
				count > 0 && count <= T::MaxValidators::get(),
				Error::<T>::InvalidValidatorCount
			);
			ValidatorCount::<T>::put(count);
			Self::deposit_event(Event::ValidatorCountSet { count });
			Ok(())
		}

		/// Cancel a slash that has not been carried out.
		///
		/// ## Dispatch Origin
		///
		/// Must be root.
		///
		/// ## Details
		///
		/// For slashes that came from a bug and not from an offence. `index` is the number in the
		/// `SlashDeferred` event. The offender stays chilled until it calls `validate` again.
		///
		/// ## Errors
		///
		/// - [`Error::NoSuchSlash`]
		///
		/// ## Events
		///
		/// - [`Event::SlashCancelled`]
		#[pallet::call_index(8)]
		#[pallet::weight(<T as Config>::WeightInfo::cancel_deferred_slash())]
		pub fn cancel_deferred_slash(
			origin: OriginFor<T>,
			#[pallet::compact] index: u32,
		) -> DispatchResult {
			ensure_root(origin)?;
			let slash = DeferredSlashes::<T>::take(index).ok_or(Error::<T>::NoSuchSlash)?;
			Self::forget_deferred(&slash);
			Self::deposit_event(Event::SlashCancelled {
				index,
				who: slash.who,
				amount: slash.amount,
			});
			Ok(())
		}
	}
}
