//! The life of a job: from its escrow to the last unit paid, refunded or burned.
//!
//! ## Pallet API
//!
//! See the [`pallet`] module for calls, storage, events and errors, and [`Config`] for what the
//! runtime supplies.
//!
//! ## Overview
//!
//! A requester posts a job: a registered program, the content addresses of its inputs, a price ramp.
//! A provider claims it, runs it and commits to the root of its run. After that, the chain opens a
//! lottery with randomness that nobody could know at the commit. Validators find out privately whether
//! they have won; those replay the job and commit their own roots before the provider opens its own. A result that enough of them reached
//! independently is paid; one that nobody could confirm is not, and one that is withheld costs the
//! provider its bond.
//!
//! ```text
//! Posted → Open → Claimed → Committed → Verifying → Revealing → Challengeable → Settled
//!    └───────┴────────┴──────────────(a deadline or a cancellation)────────────────→ Failed
//! ```
//!
//! Every phase has a deadline and a default. Answers count up to and including the deadline block.
//! The pallet's agenda pushes a job on in the block after; where the agenda was full, anyone may do
//! it with [`poke`](Call::poke). A job that ended keeps its record for a while, then a summary.
//!
//! ## Example
//!
//! A job on a chain whose standard is to audit every result:
//!
//! | block | who | call |
//! |---|---|---|
//! | 1 | requester | `post_job` |
//! | 4 | drawn validators' offchain hooks | `attest_inputs` |
//! | 6 | provider | `claim_job` |
//! | 9 | provider | `commit_result` |
//! | 12 | offchain hooks of validators that have won the lottery | `commit_verdict` |
//! | 24 | provider | `reveal_result` |
//! | 26 | offchain hooks of validators drawn to keep the outputs | `attest_outputs` |
//! | 28 | the same validators that committed verdicts | `reveal_verdict` |
//! | 38 | – | the agenda pays |
//!
//! ## Details
//!
//! * **Orders.** A job's number may stand for another job on another fork. Whoever binds itself to a job
//!   names the hash of its [`Order`](assay_market::Order) beside the number; calls fail on another one.
//! * **Money.** A job's escrow is a hold on the requester's balance: the highest price, the fee of one
//!   audit, and a fee for those who hold inputs and outputs. What leaves it is `paid + refunded + burned`, to the unit. A deposit for the record
//!   is held beside it, and one for a place in the market; a part of both is burned where the job comes to
//!   nothing, and they grow as the market fills up.
//! * **Draws.** The seed of a draw is the rolling mix of author randomness as it stands `draw_delay`
//!   blocks after the event that caused the draw. Who attests the inputs, and who keeps the outputs, is
//!   drawn in public, weighted by stake and without replacement. Who verifies is decided by tickets that
//!   only their owners know until they commit a verdict; see [`assay_market::lottery`]. None of these
//!   takes the job's own requester or provider.
//! * **Audits.** Every committed result opens a lottery. Where the audit is not sure its tickets are
//!   thinned, so that nobody but the winners knows whether the result is looked at; a verdict that differs
//!   or stays hidden opens one lottery more, which is sure. Where the first is sure, too few verdicts end
//!   the job *before* the result is shown; too few that match, once it is, open one lottery more.
//! * **Delivery.** A result is paid when enough of its keepers, and of the verifiers that have reached
//!   the same, hold its outputs. Keepers are drawn anew once; then the job fails and nobody is paid.
//! * **Samples.** When the commitments are closed, later blocks decide which chunks of its own trace each
//!   verifier shows with its verdict; see [`assay_referee::sample`].
//! * **Verifier calls** are general transactions, authorized by a signature of the session key that the
//!   account had when it was drawn, or in the session of the lottery. They pay no fee, as an
//!   authorized origin has no account to pay it; signed, they would be paid for and refused.
//! * **Disputes.** From the provider's reveal on, the result may be disputed; the arbitration pallet
//!   does that through [`assay_market::Disputes`], which [`Pallet`] implements. A job with a live
//!   dispute does not settle. A result that is proved wrong, or that the provider does not open where
//!   it is demanded, is *condemned*: the bond is slashed at once, and the job ends at once too,
//!   unless verifiers still hide verdicts and have time to open them. They get that time, so that a
//!   provider cannot prove its own fraud to make honest verifiers look like its accomplices.
//! * **Vouching.** When a result fails as fraud, the verifiers that opened the same root, and those
//!   that hid their verdicts to the end, are reported as offenders. A verdict that differs from a
//!   result that stood counts as its author's local fault.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

#[cfg(feature = "runtime-benchmarks")]
pub mod benchmarking;
pub mod bounds;
mod impls;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;
pub mod types;
pub mod weights;

#[cfg(feature = "runtime-benchmarks")]
pub use benchmarking::BenchmarkHelper;
pub use bounds::Bounds;
pub use impls::refusal;
pub use pallet::*;
pub use types::*;
pub use weights::WeightInfo;

/// The target of this pallet's log lines.
pub const LOG_TARGET: &str = "runtime::assay-jobs";

// The macro gives `authorize` of a call one argument more than the call has.
#[allow(clippy::too_many_arguments, clippy::type_complexity)]
#[frame_support::pallet]
pub mod pallet {
	use super::*;
	use alloc::vec::Vec;
	use assay_commitments::{OutputsOpening, SegmentsOpening};
	use assay_market::{
		AbstainReason, Arbitration, Assurance, AuthorRandomness, Checkpoints, Hash, Identities,
		JobBonds, JobId, Phase, Programs, Purpose, ReasonCode, ReportVouching, SampledChunk,
		Settlement, Ticket, VerifierAction, VerifierFaults, VerifierId, VerifierSignature,
		Verifiers, MAX_SETTLEMENTS,
	};
	use frame_support::{
		pallet_prelude::*,
		traits::fungible::{Inspect, InspectHold, Mutate, MutateHold},
	};
	use frame_system::{
		ensure_authorized, offchain::CreateAuthorizedTransaction, pallet_prelude::*,
	};
	use sp_runtime::transaction_validity::TransactionValidityWithRefund;

	const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

	#[pallet::pallet]
	#[pallet::storage_version(STORAGE_VERSION)]
	pub struct Pallet<T>(_);

	#[pallet::config]
	pub trait Config: CreateAuthorizedTransaction<Call<Self>> + frame_system::Config {
		/// The runtime's hold reasons.
		type RuntimeHoldReason: From<HoldReason>;

		/// The currency of escrows.
		type Currency: Mutate<Self::AccountId>
			+ MutateHold<Self::AccountId>
			+ InspectHold<Self::AccountId, Reason = Self::RuntimeHoldReason>
			+ Inspect<Self::AccountId>;

		/// Who is a provider, and everyone's reputation.
		type Identities: Identities<Self::AccountId>;

		/// Where job bonds come from.
		type JobBonds: JobBonds<Self::AccountId, BalanceOf<Self>>;

		/// The registered programs.
		type Programs: Programs;

		/// The validators that may be drawn.
		type Verifiers: Verifiers<Self::AccountId, BalanceOf<Self>>;

		/// The author randomness of the parent block.
		type AuthorRandomness: AuthorRandomness;

		/// Disputes; `()` where there are none.
		type Arbitration: Arbitration;

		/// Where verifiers are reported that stood behind a fraudulent result.
		type Vouching: ReportVouching<Self::AccountId>;

		/// What is remembered of verdicts that differed from a result that stood.
		type VerifierFaults: VerifierFaults<Self::AccountId>;

		/// The parameters of a chain that has set none.
		type DefaultParameters: Get<ParametersOf<Self>>;

		/// Most blocks from a job's first draw to the last possible proof against it. A job whose
		/// clocks allow more cannot be posted.
		#[pallet::constant]
		type MaxLifetime: Get<BlockNumberFor<Self>>;

		/// Most blocks by which finality may be held back.
		#[pallet::constant]
		type FinalityCap: Get<BlockNumberFor<Self>>;

		/// Blocks for which a slash is deferred.
		#[pallet::constant]
		type SlashDeferral: Get<BlockNumberFor<Self>>;

		/// Blocks for which stake stays slashable after unbonding.
		#[pallet::constant]
		type UnbondingPeriod: Get<BlockNumberFor<Self>>;

		/// Blocks for which the full record of an ended job is kept.
		#[pallet::constant]
		type Retention: Get<BlockNumberFor<Self>>;

		/// Most jobs that have not ended.
		#[pallet::constant]
		type MaxActiveJobs: Get<u32>;

		/// Most jobs of one requester that have not ended.
		#[pallet::constant]
		type MaxJobsPerRequester: Get<u32>;

		/// What is held for a job's place in the market until it ends, while the market is at most half full.
		#[pallet::constant]
		type JobDepositBase: Get<BalanceOf<Self>>;

		/// What is held for each byte of its record until that is pruned.
		#[pallet::constant]
		type JobDepositPerByte: Get<BalanceOf<Self>>;

		/// Most bytes of all outputs of a job together: drawn validators keep them.
		#[pallet::constant]
		type MaxOutputBytes: Get<u64>;

		/// Most validators that a draw looks at. Weights count with [`bounds::MAX_VALIDATORS`].
		#[pallet::constant]
		type MaxValidators: Get<u32>;

		/// Most jobs that the agenda pushes on in one block.
		#[pallet::constant]
		type MaxAgenda: Get<u32>;

		/// How many summaries of pruned jobs are kept.
		#[pallet::constant]
		type MaxArchived: Get<u32>;

		/// Priority of the verifiers' transactions in the pool.
		#[pallet::constant]
		type VerifierPriority: Get<TransactionPriority>;

		/// Weights of this pallet.
		type WeightInfo: WeightInfo;

		/// Sets the stage for benchmarks.
		#[cfg(feature = "runtime-benchmarks")]
		type BenchmarkHelper: BenchmarkHelper<Self::AccountId>;
	}

	/// Why this pallet holds a balance.
	#[pallet::composite_enum]
	pub enum HoldReason {
		/// The escrow of posted jobs.
		#[codec(index = 0)]
		JobEscrow,
		/// The deposits for the records of jobs.
		#[codec(index = 1)]
		JobDeposit,
	}

	/// What root may change about the market.
	#[pallet::storage]
	pub type Parameters<T: Config> =
		StorageValue<_, ParametersOf<T>, ValueQuery, T::DefaultParameters>;

	/// The number of the next job.
	#[pallet::storage]
	pub type NextJob<T: Config> = StorageValue<_, JobId, ValueQuery>;

	/// How many jobs have not ended.
	#[pallet::storage]
	pub type ActiveJobs<T: Config> = StorageValue<_, u32, ValueQuery>;

	/// How many jobs of a requester have not ended.
	#[pallet::storage]
	pub type JobsOfRequester<T: Config> =
		StorageMap<_, Blake2_128Concat, T::AccountId, u32, ValueQuery>;

	/// Jobs that have not been pruned: the active ones, and those that ended and are on the agenda
	/// for the end of their retention period.
	#[pallet::storage]
	pub type Jobs<T: Config> = StorageMap<_, Twox64Concat, JobId, JobOf<T>>;

	/// The accounts drawn to attest the inputs of a job or to keep its outputs, and those that have shown a
	/// ticket to verify it, in order.
	#[pallet::storage]
	pub type Seats<T: Config> = StorageMap<_, Twox64Concat, JobId, SeatsOf<T>, ValueQuery>;

	/// The lotteries that are open: one for each job whose verdicts are being committed.
	#[pallet::storage]
	pub type Lotteries<T: Config> = StorageMap<_, Twox64Concat, JobId, LotteryOf<T>>;

	/// The roots of the segments of an opened run that is cut for its verifiers.
	#[pallet::storage]
	pub type SegmentRoots<T: Config> =
		StorageMap<_, Twox64Concat, JobId, SegmentRootsOf, OptionQuery>;

	/// The jobs that have not ended in which a session key has a seat.
	#[pallet::storage]
	pub type JobsOfKey<T: Config> =
		StorageDoubleMap<_, Blake2_128Concat, VerifierId, Twox64Concat, JobId, ()>;

	/// The jobs to push on at the start of a block.
	#[pallet::storage]
	pub type Agenda<T: Config> =
		StorageMap<_, Twox64Concat, BlockNumberFor<T>, BoundedVec<JobId, T::MaxAgenda>, ValueQuery>;

	/// The rolling mix of author randomness up to and including a block, for the latest blocks.
	#[pallet::storage]
	pub type Mixes<T: Config> = StorageMap<_, Twox64Concat, BlockNumberFor<T>, Hash>;

	/// Summaries of pruned jobs, in a ring: the job's number modulo its size.
	#[pallet::storage]
	pub type Archive<T: Config> = StorageMap<_, Twox64Concat, u32, ArchivedOf<T>>;

	/// What the present block has paid for; empty again at the start of the next one.
	#[pallet::storage]
	pub type SettledNow<T: Config> =
		StorageValue<_, BoundedVec<Settlement, ConstU32<{ MAX_SETTLEMENTS + 1 }>>, ValueQuery>;

	/// What slashed bonds of jobs with a record have lost, and which of these jobs were decoys.
	#[pallet::storage]
	pub type Losses<T: Config> = StorageMap<_, Twox64Concat, JobId, LossOf<T>>;

	/// What the market starts with.
	#[pallet::genesis_config]
	#[derive(frame_support::DefaultNoBound)]
	pub struct GenesisConfig<T: Config> {
		/// The parameters; the runtime's defaults when none are given.
		pub parameters: Option<ParametersOf<T>>,
	}

	#[pallet::genesis_build]
	impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
		fn build(&self) {
			if let Some(parameters) = &self.parameters {
				if let Err(error) = parameters.validate() {
					panic!("the genesis parameters of the market are invalid: {error:?}");
				}
				Parameters::<T>::put(parameters);
			}
		}
	}

	#[pallet::event]
	#[pallet::generate_deposit(pub(crate) fn deposit_event)]
	pub enum Event<T: Config> {
		/// A job was posted and its escrow held.
		JobPosted {
			job: JobId,
			order: Hash,
			requester: T::AccountId,
			program: Hash,
			escrow: BalanceOf<T>,
			deposit: BalanceOf<T>,
		},
		/// A job entered a phase; answers count up to and including the deadline block.
		PhaseChanged { job: JobId, phase: Phase, deadline: BlockNumberFor<T> },
		/// Validators were drawn to attest the inputs or to keep the outputs, and their stake is locked until
		/// the job ends.
		ValidatorsDrawn { job: JobId, purpose: Purpose, tranche: u32, accounts: Vec<T::AccountId> },
		/// A drawn validator said whether it holds the inputs.
		InputsAttested { job: JobId, account: T::AccountId, ok: bool },
		/// A provider claimed a job at the ramp's price and put up its bond.
		JobClaimed {
			job: JobId,
			order: Hash,
			provider: T::AccountId,
			price: BalanceOf<T>,
			bond: BalanceOf<T>,
		},
		/// A provider stayed silent. So much of its bond was burned.
		ProviderStalled { job: JobId, provider: T::AccountId, burned: BalanceOf<T> },
		/// A provider gave a claimed job back. So much of its bond was burned.
		JobGivenBack { job: JobId, provider: T::AccountId, burned: BalanceOf<T> },
		/// A provider bound itself to a result.
		ResultCommitted { job: JobId, provider: T::AccountId, commitment: Hash },
		/// The time for verdicts is over: whether somebody has won the lottery and said so.
		AuditDecided { job: JobId, audited: bool },
		/// The validators of a session may find out, each for itself, whether they verify the job.
		LotteryOpened { job: JobId, seed: Hash, session: u32, candidates: u32, wanted: u32 },
		/// Verdicts are missing, so the next tranche of the lottery may commit too.
		TrancheOpened { job: JobId, tranche: u32, deadline: BlockNumberFor<T> },
		/// A verifier bound itself to a verdict.
		VerdictCommitted { job: JobId, account: T::AccountId, commitment: Hash },
		/// A verifier gives no verdict.
		VerifierAbstained { job: JobId, account: T::AccountId, reason: AbstainReason },
		/// A provider opened its result.
		ResultRevealed { job: JobId, run_root: Hash, output_roots: Vec<Hash> },
		/// A verifier opened its verdict; `matches` is known once the result is open too. One that was not
		/// `shown` to be a replay, by chunks of its trace, does not count.
		VerdictRevealed {
			job: JobId,
			account: T::AccountId,
			run_root: Hash,
			matches: Option<bool>,
			shown: bool,
		},
		/// The requester wants the revealed result replayed.
		AuditRequested { job: JobId },
		/// Too few verdicts have matched the revealed result, or one has differed or stayed hidden where
		/// nobody knows how many there could be, so that it is replayed once more.
		AuditRepeated { job: JobId },
		/// A drawn validator said whether it keeps the outputs.
		OutputsAttested { job: JobId, account: T::AccountId, ok: bool },
		/// Too few of those who were asked hold the outputs, so that keepers are drawn anew.
		KeepersDismissed { job: JobId },
		/// A part of a deposit was burned, because the job came to nothing or nobody could receive it.
		DepositBurned { job: JobId, amount: BalanceOf<T> },
		/// An account that holds the inputs or the outputs got its fee for that, net of the burned part.
		HolderPaid { job: JobId, account: T::AccountId, amount: BalanceOf<T> },
		/// A verifier got its share of the verifier fee, net of the burned part.
		VerifierPaid { job: JobId, account: T::AccountId, amount: BalanceOf<T> },
		/// The opened result was proved wrong, or an opening of it stayed withheld, thanks to `by`. The
		/// job ends when the verifiers that still hide a verdict had their time to open it.
		ResultCondemned { job: JobId, reason: ReasonCode, by: T::AccountId },
		/// A bond was slashed for a withheld or wrong result. `paid` is what requester and prover got.
		BondSlashed { job: JobId, provider: T::AccountId, burned: BalanceOf<T>, paid: BalanceOf<T> },
		/// A job ended. `paid + refunded + burned` is what had been held for it.
		JobEnded {
			job: JobId,
			order: Hash,
			reason: ReasonCode,
			paid: BalanceOf<T>,
			refunded: BalanceOf<T>,
			burned: BalanceOf<T>,
		},
		/// The full record of an ended job was replaced by a summary, and its deposit given back.
		JobPruned { job: JobId },
		/// Root set new parameters.
		ParametersSet { parameters: ParametersOf<T> },
	}

	#[pallet::error]
	#[derive(PartialEq)]
	pub enum Error<T> {
		/// There is no such job, or it was pruned. Check the number; `JobPosted` gives it.
		UnknownJob,
		/// The program is not registered. Register it with `programs.registerProgram` first.
		UnknownProgram,
		/// The number of input roots is not the program's number of inputs.
		WrongInputCount,
		/// The program has more inputs or outputs than a job may have.
		TooManyTensors,
		/// A job needs at least one step, and exactly one where its program carries no state.
		WrongSteps,
		/// Steps times work units of a step overflow. Post fewer steps.
		TooMuchWork,
		/// The ramp starts below the lowest price for so much work and so many bytes. See `minPrice`,
		/// `workPrice` (for 10⁹ work units) and `bytePrice` (for a MiB of inputs and outputs) in the
		/// parameters.
		PriceTooLow,
		/// The ramp's highest price is below its start.
		RampUpsideDown,
		/// The ramp is longer than the chain allows. See `maxRamp` in the parameters.
		RampTooLong,
		/// The chosen audit probability is below the floor. See `auditFloor` in the parameters.
		AuditTooLow,
		/// Verifying the job could take longer than stake stays slashable. Split the job.
		LifetimeTooLong,
		/// The chain has as many unfinished jobs as it takes. Try again when some have ended.
		TooManyJobs,
		/// The outputs of the program are larger than a job's may be. See `maxOutputBytes`.
		TooManyOutputBytes,
		/// The account has as many unfinished jobs as one may. Try again when one has ended.
		TooManyJobsOfAccount,
		/// The job of this number is another one than the call names: it has another order. Read it again;
		/// after a reorganisation its number may stand for another job.
		OtherOrder,
		/// Only the job's requester may do this.
		NotRequester,
		/// Only the provider that claimed the job may do this.
		NotProvider,
		/// The account is not registered as a provider. Register an identity first.
		NotRegisteredProvider,
		/// A requester may not claim its own job.
		OwnJob,
		/// The account claimed this job before, stayed silent or gave it back, and may not claim it again.
		Barred,
		/// The ramp's price is below the least that the claim accepts. Try again later.
		PriceBelowExpectation,
		/// The claim needs a larger bond than it allows. Read the job's bond again.
		BondAboveExpectation,
		/// The job is in another phase. Read it first; it may have moved on.
		WrongPhase,
		/// The deadline of this phase has passed; answers count up to its block.
		DeadlinePassed,
		/// The job was claimed in this very block. Give it back in a later one, or do not claim it.
		TooEarlyToGiveBack,
		/// The result is already committed and cannot be replaced.
		AlreadyCommitted,
		/// The result is committed: the job can no longer be cancelled.
		TooLateToCancel,
		/// Run root and salt do not give the committed hash. Reveal what was committed.
		CommitmentMismatch,
		/// The output roots with their paths are not those of the last step under the run root.
		WrongOutputs,
		/// The result is already open.
		AlreadyRevealed,
		/// The result gets one audit more, and has it.
		AuditAlreadyRequested,
		/// No validator is left that could verify this job: nobody but its parties, or none at all.
		NoVerifierAvailable,
		/// The run cannot be cut like this: a segment needs a power of two of steps, at least 2, and a job
		/// 2 to 256 segments. Choose another length, or leave `segments` out.
		WrongSegments,
		/// The job is cut into segments: `commitResult` must carry its checkpoints, and `revealResult`
		/// its segments.
		SegmentsMissing,
		/// The job is not cut into segments: leave `checkpoints` and `segments` out.
		NotSegmented,
		/// The segments are not those of the committed run: their paths do not lead to the run root, or
		/// the trace roots before the checkpoints are not what `digest` binds.
		SegmentsMismatch,
		/// The deadline of this phase has not passed; there is nothing to push.
		NotDue,
		/// The result is disputed and settles when the dispute is over. Wait until no lane is left;
		/// the agenda settles the job then by itself.
		Disputed,
		/// The account was not drawn for this: it is no validator of the lottery's session, a party of the
		/// job, or its ticket is in none of the tranches.
		NotDrawn,
		/// The ticket is not what the account's session key draws in this lottery. Make it from the
		/// lottery's seed, with the key of the lottery's session.
		BadTicket,
		/// The ticket is in a later tranche. It opens when too few verdicts have come in time.
		TrancheNotOpen,
		/// All seats of this audit are taken.
		SeatsTaken,
		/// The account's stake stands behind as many unfinished jobs as it may. Wait until one ends.
		TooManyLocks,
		/// The chunks are not those of the opened root at the positions that were drawn. Open the verdict
		/// without chunks if the trace is lost.
		WrongChunks,
		/// This seat has already given its answer.
		AlreadyAnswered,
		/// A verdict may be opened once the commitments are closed, and with chunks once their positions
		/// are drawn: not yet.
		TooEarlyToReveal,
		/// `drawDelay` must be from 1 to 64.
		InvalidDrawDelay,
		/// Every clock needs a base and rates of at least 1, and so do the plain periods; the base of
		/// `reveal` must be at least 8.
		InvalidClock,
		/// Committees have 1 to 16 members, and a quorum of at least 1 and at most all.
		InvalidCommittee,
		/// `maxTranches` must be from 1 to 4, `trancheWidthPercent` from 100 to 400.
		InvalidTranches,
		/// `auditFloor` must not be 0 nor above `audit`.
		InvalidAudit,
		/// `honestVerifier` and `honestStake` must not be 0.
		InvalidBond,
		/// `feeBurn` must be neither nothing nor everything.
		InvalidBurn,
		/// `verifierFee` must not be 0.
		InvalidVerifierFee,
		/// `stallSlash` must be above 0 and below `compensation`, `proverPart` above 0, and
		/// `compensation` and `proverPart` together below 50 %: at least half of a bond is burned.
		InvalidSlash,
		/// The burned part of `minPrice` must be at least one unit, `workPrice` and `bytePrice` above 0.
		InvalidMinPrice,
		/// More steps than any worker runs: see [`assay_market::MAX_STEPS`]. Post several jobs, each from
		/// the last states of the one before.
		TooManySteps,
	}

	#[pallet::hooks]
	impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
		fn on_initialize(now: BlockNumberFor<T>) -> Weight {
			Self::mix_randomness(now);
			SettledNow::<T>::kill();
			T::WeightInfo::on_initialize_base().saturating_add(Self::run_agenda(now))
		}

		fn offchain_worker(now: BlockNumberFor<T>) {
			Self::submit_findings(now);
		}

		fn integrity_test() {
			let risk = T::MaxLifetime::get() + T::FinalityCap::get() + T::SlashDeferral::get();
			assert!(
				risk < T::UnbondingPeriod::get(),
				"stake must stay slashable longer than a job, finality and a slash may take"
			);
			let parameters = T::DefaultParameters::get();
			assert_eq!(parameters.validate(), Ok(()), "the default parameters must be valid");
			assert!(
				Self::smallest_lifetime(&parameters) <= T::MaxLifetime::get(),
				"the smallest job must fit into MaxLifetime"
			);
			assert!(T::MaxAgenda::get() > 0 && T::MaxActiveJobs::get() > 0);
			assert!(T::MaxArchived::get() > 0 && T::MaxJobsPerRequester::get() > 0);
			assert!(
				T::MaxValidators::get() <= bounds::MAX_VALIDATORS,
				"a draw looks at no more validators than its weight counts"
			);
			assert_eq!(
				T::AccountId::max_encoded_len(),
				32,
				"commitments bind accounts of 32 bytes"
			);
			assert!(
				Self::weight_to_push(MAX_SEATS, true).all_lte(T::BlockWeights::get().max_block / 2),
				"the dearest push must leave half of the block to transactions"
			);
		}

		#[cfg(feature = "try-runtime")]
		fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
			Self::do_try_state()
		}
	}

	// Arguments that begin with `_` are for `authorize`, which has checked them right before.
	#[pallet::call]
	impl<T: Config> Pallet<T> {
		/// Post a job: run `program` on these inputs, for a price that rises until someone claims it.
		///
		/// ## Dispatch Origin
		///
		/// Signed by the requester.
		///
		/// ## Details
		///
		/// Holds the highest price, the fee of one audit and that of those who hold inputs and outputs; and a
		/// deposit, a part of it until the job ends and the rest until its record is pruned. The deposit grows
		/// tenfold as the market fills up; a part of it is burned where the job comes to nothing. The price
		/// rises evenly from
		/// `price_start` to `price_max` within `ramp_blocks` after the job opens; it must not start below
		/// what verifying so much work and so many bytes costs. `input_roots` are
		/// the content addresses of the inputs in program order; `steps` is 1 for a program without
		/// states. The job opens when drawn validators have attested that they hold the inputs, or at
		/// once when `assurance` opts out of it; such a job earns nobody reputation. With `segments` each
		/// verifier replays one segment of the run, which it draws in private.
		///
		/// ## Errors
		///
		/// [`Error::UnknownProgram`], [`Error::WrongInputCount`], [`Error::TooManyTensors`],
		/// [`Error::WrongSteps`], [`Error::TooManySteps`], [`Error::TooMuchWork`], [`Error::PriceTooLow`],
		/// [`Error::RampUpsideDown`], [`Error::RampTooLong`], [`Error::AuditTooLow`],
		/// [`Error::WrongSegments`], [`Error::LifetimeTooLong`], [`Error::TooManyJobs`],
		/// [`Error::TooManyJobsOfAccount`], [`Error::TooManyOutputBytes`],
		/// [`Error::NoVerifierAvailable`]; `Token::FundsUnavailable` when
		/// the balance does not cover escrow and deposit.
		///
		/// ## Events
		///
		/// [`Event::JobPosted`], [`Event::PhaseChanged`].
		#[pallet::call_index(0)]
		#[pallet::weight(T::WeightInfo::post_job(input_roots.len() as u32))]
		#[allow(clippy::too_many_arguments)]
		pub fn post_job(
			origin: OriginFor<T>,
			program: Hash,
			input_roots: InputRoots,
			steps: u32,
			price_start: BalanceOf<T>,
			price_max: BalanceOf<T>,
			ramp_blocks: BlockNumberFor<T>,
			assurance: Assurance,
		) -> DispatchResult {
			let requester = ensure_signed(origin)?;
			let ramp = (price_start, price_max, ramp_blocks);
			Self::do_post(requester, program, input_roots, steps, ramp, assurance)
		}

		/// Cancel a job: free until it is claimed, for a fee while a provider works on it.
		///
		/// ## Dispatch Origin
		///
		/// Signed by the job's requester.
		///
		/// ## Details
		///
		/// While a provider works on it, it gets the `cancel_fee` part of the agreed price, unless attestation
		/// was opted out: then both sides may leave for nothing. Once a result is committed, nothing can be
		/// cancelled. Where attesters were drawn, their fees are not refunded, whether earned or not.
		///
		/// ## Errors
		///
		/// [`Error::UnknownJob`], [`Error::OtherOrder`], [`Error::NotRequester`],
		/// [`Error::TooLateToCancel`], [`Error::DeadlinePassed`].
		///
		/// ## Events
		///
		/// [`Event::JobEnded`].
		#[pallet::call_index(1)]
		#[pallet::weight(T::WeightInfo::cancel_job())]
		pub fn cancel_job(origin: OriginFor<T>, job: JobId, order: Hash) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_cancel(who, job, order)
		}

		/// Claim an open job at the ramp's current price, and put up a bond for it.
		///
		/// ## Dispatch Origin
		///
		/// Signed by a registered provider.
		///
		/// ## Details
		///
		/// `order` names the job itself, whatever its number stands for on another fork. `min_price` is the
		/// least the provider accepts; the ramp only rises. The bond comes out of the provider's free stake;
		/// its size follows from price and audit probability (`bond` of the job view), and is at most
		/// `max_bond`. Fetch and check the inputs first: a job can be given back, but not for nothing.
		///
		/// ## Errors
		///
		/// [`Error::UnknownJob`], [`Error::OtherOrder`], [`Error::WrongPhase`], [`Error::DeadlinePassed`],
		/// [`Error::NotRegisteredProvider`], [`Error::OwnJob`], [`Error::Barred`],
		/// [`Error::PriceBelowExpectation`], [`Error::BondAboveExpectation`],
		/// [`Error::NoVerifierAvailable`]; the stake pallet's error when too little stake is free.
		///
		/// ## Events
		///
		/// [`Event::JobClaimed`], [`Event::PhaseChanged`].
		#[pallet::call_index(2)]
		#[pallet::weight(T::WeightInfo::claim_job())]
		pub fn claim_job(
			origin: OriginFor<T>,
			job: JobId,
			order: Hash,
			min_price: BalanceOf<T>,
			max_bond: BalanceOf<T>,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_claim(who, job, order, min_price, max_bond)
		}

		/// Bind yourself to the result of a claimed job without showing it.
		///
		/// ## Dispatch Origin
		///
		/// Signed by the provider that claimed the job.
		///
		/// ## Details
		///
		/// `commitment` is the result commitment over genesis hash, order, account, run root and salt.
		/// From here on the provider warrants that the root can be opened: silence costs what fraud
		/// costs.
		///
		/// `checkpoints` are given just where the job is cut into segments: the manifest, a blob that
		/// verifiers fetch together with the states that it lists, and a digest that binds the trace roots
		/// of the steps before the checkpoints; a digest of others cannot be opened.
		///
		/// ## Errors
		///
		/// [`Error::UnknownJob`], [`Error::OtherOrder`], [`Error::NotProvider`],
		/// [`Error::AlreadyCommitted`], [`Error::WrongPhase`], [`Error::DeadlinePassed`],
		/// [`Error::SegmentsMissing`], [`Error::NotSegmented`].
		///
		/// ## Events
		///
		/// [`Event::ResultCommitted`], [`Event::PhaseChanged`].
		#[pallet::call_index(3)]
		#[pallet::weight((T::WeightInfo::commit_result(), DispatchClass::Operational))]
		pub fn commit_result(
			origin: OriginFor<T>,
			job: JobId,
			order: Hash,
			commitment: Hash,
			checkpoints: Option<Checkpoints>,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_commit_result(who, job, order, commitment, checkpoints)
		}

		/// Open the committed result: its run root and its outputs.
		///
		/// ## Dispatch Origin
		///
		/// Signed by the provider that committed it.
		///
		/// ## Details
		///
		/// `opening` shows that the output roots are in the run root, at the program's output anchors
		/// of the last step. The outputs themselves belong into the provider's node before this: keepers
		/// fetch them by the roots, and without them the result is not paid.
		///
		/// `segments` are given just where the job is cut: for every segment but the last the trace root of
		/// its last step with that step's path to the root of the segment, and the root of the last one.
		/// These roots are what the verdicts are compared with.
		///
		/// ## Errors
		///
		/// [`Error::UnknownJob`], [`Error::OtherOrder`], [`Error::NotProvider`],
		/// [`Error::AlreadyRevealed`], [`Error::WrongPhase`], [`Error::DeadlinePassed`],
		/// [`Error::SegmentsMissing`], [`Error::NotSegmented`], [`Error::CommitmentMismatch`],
		/// [`Error::WrongOutputs`], [`Error::SegmentsMismatch`].
		///
		/// ## Events
		///
		/// [`Event::ResultRevealed`], [`Event::PhaseChanged`] when everyone has revealed.
		#[pallet::call_index(4)]
		#[pallet::weight((
			T::WeightInfo::reveal_result(
				opening.outputs.len() as u32,
				segments.as_ref().map_or(0, Pallet::<T>::hashes_of),
			),
			DispatchClass::Operational,
		))]
		pub fn reveal_result(
			origin: OriginFor<T>,
			job: JobId,
			order: Hash,
			run_root: Hash,
			salt: Hash,
			opening: OutputsOpening,
			segments: Option<SegmentsOpening>,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_reveal_result(who, job, order, run_root, salt, opening, segments)
		}

		/// Have the revealed result replayed by a committee, or by one more.
		///
		/// ## Dispatch Origin
		///
		/// Signed by the job's requester, while the job is challengeable.
		///
		/// ## Details
		///
		/// Once per job, and not after one that the chain has repeated by itself. Where the first audit had
		/// verifiers, the fee of a second committee is held too. Whoever has verified this job does not
		/// verify it again. This audit is sure; it adds eyes, so that too few verdicts in it take nothing
		/// from the provider.
		///
		/// ## Errors
		///
		/// [`Error::UnknownJob`], [`Error::OtherOrder`], [`Error::NotRequester`], [`Error::WrongPhase`],
		/// [`Error::DeadlinePassed`], [`Error::AuditAlreadyRequested`],
		/// [`Error::NoVerifierAvailable`]; `Token::FundsUnavailable` when the balance does not cover a
		/// second fee.
		///
		/// ## Events
		///
		/// [`Event::AuditRequested`], [`Event::PhaseChanged`].
		#[pallet::call_index(5)]
		#[pallet::weight(T::WeightInfo::request_audit())]
		pub fn request_audit(origin: OriginFor<T>, job: JobId, order: Hash) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_request_audit(who, job, order)
		}

		/// Push a job whose deadline has passed to its default, or prune one that ended long ago.
		///
		/// ## Dispatch Origin
		///
		/// Signed by anyone. Free when there was something to push.
		///
		/// ## Details
		///
		/// The agenda does this by itself in the block after a deadline, unless it was full.
		///
		/// ## Errors
		///
		/// [`Error::UnknownJob`], [`Error::NotDue`], [`Error::Disputed`].
		///
		/// ## Events
		///
		/// Those of the default: [`Event::PhaseChanged`], [`Event::JobEnded`], [`Event::JobPruned`].
		#[pallet::call_index(6)]
		#[pallet::weight(
			T::WeightInfo::poke().saturating_add(Pallet::<T>::weight_to_push(MAX_SEATS, true))
		)]
		pub fn poke(origin: OriginFor<T>, job: JobId) -> DispatchResultWithPostInfo {
			ensure_signed(origin)?;
			let weight = Self::do_poke(job)?;
			Ok((Some(T::WeightInfo::poke().saturating_add(weight)), Pays::No).into())
		}

		/// Set the market's parameters.
		///
		/// ## Dispatch Origin
		///
		/// Root.
		///
		/// ## Details
		///
		/// They hold for every deadline, draw, bond and fee that is computed from now on.
		///
		/// ## Errors
		///
		/// One of the `Invalid…` errors, named after the value that is out of range;
		/// [`Error::LifetimeTooLong`] when not even the smallest job would fit into `MaxLifetime`.
		///
		/// ## Events
		///
		/// [`Event::ParametersSet`].
		#[pallet::call_index(7)]
		#[pallet::weight((T::WeightInfo::set_parameters(), DispatchClass::Operational))]
		pub fn set_parameters(origin: OriginFor<T>, parameters: ParametersOf<T>) -> DispatchResult {
			ensure_root(origin)?;
			Self::do_set_parameters(parameters)
		}

		/// Say whether you hold every input of a job, well-formed, and will serve it until it ends.
		///
		/// ## Dispatch Origin
		///
		/// Authorized by a signature of the session key of an account drawn to attest.
		///
		/// ## Details
		///
		/// Sent by the node's offchain hook, up to the deadline of the draw, also where the quorum is there
		/// already: who was drawn has fetched the inputs, and is paid for holding them. `retry` only makes
		/// repeated submissions differ.
		///
		/// ## Errors
		///
		/// [`Error::UnknownJob`], [`Error::OtherOrder`], [`Error::NotDrawn`], [`Error::AlreadyAnswered`],
		/// [`Error::WrongPhase`], [`Error::DeadlinePassed`].
		///
		/// ## Events
		///
		/// [`Event::InputsAttested`], [`Event::PhaseChanged`] or [`Event::JobEnded`] when the quorum is
		/// reached or out of reach.
		#[pallet::call_index(8)]
		#[pallet::weight((T::WeightInfo::attest_inputs(), DispatchClass::Operational))]
		#[pallet::authorize(|_, job, order, account, ok, retry, signature| {
			let drawn_at = Self::drawn_at(*job, Purpose::Attest, account);
			let action = VerifierAction::AttestInputs { ok: *ok, drawn_at };
			Self::authorize(*job, order, account, *retry, action, &[], signature)
		})]
		#[pallet::weight_of_authorize(T::WeightInfo::authorize_verifier())]
		pub fn attest_inputs(
			origin: OriginFor<T>,
			job: JobId,
			_order: Hash,
			account: T::AccountId,
			ok: bool,
			_retry: u32,
			_signature: VerifierSignature,
		) -> DispatchResult {
			ensure_authorized(origin)?;
			Self::do_attest(job, account, ok)
		}

		/// Bind yourself to a verdict without showing it.
		///
		/// ## Dispatch Origin
		///
		/// Authorized by a signature of the session key of a validator that has won the job's lottery.
		///
		/// ## Details
		///
		/// `commitment` is the verdict commitment over genesis hash, order, account, run root and salt;
		/// a copied one cannot be opened. `ticket` shows that the account was drawn; nobody could tell
		/// before. `retry` only makes repeated submissions differ.
		///
		/// ## Errors
		///
		/// [`Error::UnknownJob`], [`Error::OtherOrder`], [`Error::NotDrawn`], [`Error::BadTicket`], [`Error::TrancheNotOpen`],
		/// [`Error::SeatsTaken`], [`Error::TooManyLocks`], [`Error::AlreadyAnswered`],
		/// [`Error::WrongPhase`], [`Error::DeadlinePassed`].
		///
		/// ## Events
		///
		/// [`Event::VerdictCommitted`], [`Event::PhaseChanged`] when every candidate has answered.
		#[pallet::call_index(9)]
		#[pallet::weight((T::WeightInfo::commit_verdict(), DispatchClass::Operational))]
		#[pallet::authorize(|_, job, order, account, commitment, ticket, retry, signature| {
			let (commitment, ticket) = (*commitment, *ticket);
			let action = VerifierAction::CommitVerdict { commitment, ticket };
			Self::authorize(*job, order, account, *retry, action, &[], signature)
		})]
		#[pallet::weight_of_authorize(Pallet::<T>::weight_to_authorize_ticket())]
		pub fn commit_verdict(
			origin: OriginFor<T>,
			job: JobId,
			_order: Hash,
			account: T::AccountId,
			commitment: Hash,
			ticket: Ticket,
			_retry: u32,
			_signature: VerifierSignature,
		) -> DispatchResult {
			ensure_authorized(origin)?;
			Self::do_commit_verdict(job, account, commitment, ticket)
		}

		/// Say that you give no verdict, and why. Never paid, always counted.
		///
		/// ## Dispatch Origin
		///
		/// Authorized by a signature of the session key of a validator that has won the job's lottery.
		///
		/// ## Details
		///
		/// Where verdicts are missing at the deadline the next tranche opens, if there is one.
		///
		/// ## Errors
		///
		/// Those of [`commit_verdict`](Call::commit_verdict).
		///
		/// ## Events
		///
		/// [`Event::VerifierAbstained`], [`Event::PhaseChanged`] when every candidate has answered.
		#[pallet::call_index(10)]
		#[pallet::weight((T::WeightInfo::abstain(), DispatchClass::Operational))]
		#[pallet::authorize(|_, job, order, account, reason, ticket, retry, signature| {
			let action = VerifierAction::Abstain { reason: *reason, ticket: *ticket };
			Self::authorize(*job, order, account, *retry, action, &[], signature)
		})]
		#[pallet::weight_of_authorize(Pallet::<T>::weight_to_authorize_ticket())]
		pub fn abstain(
			origin: OriginFor<T>,
			job: JobId,
			_order: Hash,
			account: T::AccountId,
			reason: AbstainReason,
			ticket: Ticket,
			_retry: u32,
			_signature: VerifierSignature,
		) -> DispatchResult {
			ensure_authorized(origin)?;
			Self::do_abstain(job, account, reason, ticket)
		}

		/// Open a committed verdict.
		///
		/// ## Dispatch Origin
		///
		/// Authorized by a signature of the session key of an account that has committed a verdict.
		///
		/// ## Details
		///
		/// Accepted from the reveal phase until the job ends, also when the result is condemned. `chunks`
		/// are the chunks of the verifier's own trace at the positions that the chain has drawn after the
		/// commitments were closed: they show that it has replayed the job. Without them the root is open,
		/// so that its author is taken for no accomplice, but counts as no verdict and earns nothing.
		///
		/// ## Errors
		///
		/// [`Error::UnknownJob`], [`Error::OtherOrder`], [`Error::NotDrawn`], [`Error::AlreadyAnswered`],
		/// [`Error::TooEarlyToReveal`], [`Error::WrongPhase`], [`Error::CommitmentMismatch`],
		/// [`Error::WrongChunks`].
		///
		/// ## Events
		///
		/// [`Event::VerdictRevealed`], [`Event::PhaseChanged`] when everyone has opened.
		#[pallet::call_index(11)]
		#[pallet::weight((T::WeightInfo::reveal_verdict(), DispatchClass::Operational))]
		#[pallet::authorize(|_, job, order, account, run_root, salt, chunks, retry, signature| {
			let (run_root, salt) = (*run_root, *salt);
			let action = VerifierAction::RevealVerdict { run_root, salt, chunks: chunks.is_some() };
			let chunks = chunks.as_ref().map(|chunks| &chunks[..]).unwrap_or_default();
			Self::authorize(*job, order, account, *retry, action, chunks, signature)
		})]
		#[pallet::weight_of_authorize(
			T::WeightInfo::authorize_verifier().saturating_add(T::WeightInfo::check_chunks())
		)]
		pub fn reveal_verdict(
			origin: OriginFor<T>,
			job: JobId,
			_order: Hash,
			account: T::AccountId,
			run_root: Hash,
			salt: Hash,
			chunks: Option<Chunks>,
			_retry: u32,
			_signature: VerifierSignature,
		) -> DispatchResult {
			ensure_authorized(origin)?;
			Self::do_reveal_verdict(job, account, run_root, salt, chunks)
		}

		/// Give a claimed job back, because it cannot be done: its inputs are not served, or the machine
		/// broke.
		///
		/// ## Dispatch Origin
		///
		/// Signed by the provider that claimed the job.
		///
		/// ## Details
		///
		/// From the block after the claim up to the deadline for the commitment. Where the inputs were attested,
		/// a part of what a stall costs is burned of the bond, growing evenly with the time that has passed
		/// since the claim and never less than a tenth of it. Where the requester opted out of that it is free.
		/// The job opens again, and its ramp goes on. The account may not claim it any more; the fourth one that
		/// gave it back or stayed silent ends the job.
		///
		/// ## Errors
		///
		/// [`Error::UnknownJob`], [`Error::OtherOrder`], [`Error::NotProvider`], [`Error::WrongPhase`],
		/// [`Error::DeadlinePassed`], [`Error::TooEarlyToGiveBack`].
		///
		/// ## Events
		///
		/// [`Event::JobGivenBack`], [`Event::PhaseChanged`] or [`Event::JobEnded`].
		#[pallet::call_index(12)]
		#[pallet::weight((T::WeightInfo::give_back(), DispatchClass::Operational))]
		pub fn give_back(origin: OriginFor<T>, job: JobId, order: Hash) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_give_back(who, job, order)
		}

		/// Say whether you hold every output of a job, well-formed, and will serve it while the job is on
		/// record.
		///
		/// ## Dispatch Origin
		///
		/// Authorized by a signature of the session key of an account drawn to keep the outputs.
		///
		/// ## Details
		///
		/// Sent by the node's offchain hook, from the reveal to the end of the challenge period. A no may be
		/// taken back by a yes. `retry` only makes repeated submissions differ.
		///
		/// ## Errors
		///
		/// [`Error::UnknownJob`], [`Error::OtherOrder`], [`Error::NotDrawn`],
		/// [`Error::AlreadyAnswered`], [`Error::TooEarlyToReveal`], [`Error::WrongPhase`],
		/// [`Error::DeadlinePassed`].
		///
		/// ## Events
		///
		/// [`Event::OutputsAttested`].
		#[pallet::call_index(13)]
		#[pallet::weight((T::WeightInfo::attest_outputs(), DispatchClass::Operational))]
		#[pallet::authorize(|_, job, order, account, ok, retry, signature| {
			let drawn_at = Self::drawn_at(*job, Purpose::Keep, account);
			let action = VerifierAction::AttestOutputs { ok: *ok, drawn_at };
			Self::authorize(*job, order, account, *retry, action, &[], signature)
		})]
		#[pallet::weight_of_authorize(T::WeightInfo::authorize_verifier())]
		pub fn attest_outputs(
			origin: OriginFor<T>,
			job: JobId,
			_order: Hash,
			account: T::AccountId,
			ok: bool,
			_retry: u32,
			_signature: VerifierSignature,
		) -> DispatchResult {
			ensure_authorized(origin)?;
			Self::do_attest_outputs(job, account, ok)
		}
	}

	impl<T: Config> Pallet<T> {
		/// The weight of a signature and a ticket.
		fn weight_to_authorize_ticket() -> Weight {
			T::WeightInfo::authorize_verifier().saturating_add(T::WeightInfo::verify_ticket())
		}

		/// The validity of a verifier's transaction; see `impls::verdicts`.
		fn authorize(
			job: JobId,
			order: &Hash,
			account: &T::AccountId,
			retry: u32,
			action: VerifierAction,
			chunks: &[SampledChunk],
			signature: &VerifierSignature,
		) -> TransactionValidityWithRefund {
			Self::authorize_action(job, order, account, retry, action, chunks, signature)
				.map(|validity| (validity, Weight::zero()))
		}
	}
}
