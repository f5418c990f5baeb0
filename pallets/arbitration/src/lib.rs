//! The referee: disputes about results, decided by recomputing one tile of one operator.
//!
//! ## Pallet API
//!
//! See the [`pallet`] module for calls, storage, events and errors, and [`Config`] for what the
//! runtime supplies.
//!
//! ## Overview
//!
//! A job's result is the root of everything that its program computed. Whoever replays the job and
//! finds another root can prove the result wrong, alone, against any majority:
//!
//! 1. It opens a *lane* and **demands** openings of the provider's own trees, from the run root down
//!    to the first tile that differs. The provider, or anyone, **answers**; an answer is checked
//!    against the hash above it, so there is only one. Silence ends the job as withheld and costs
//!    what fraud costs.
//! 2. It sends a **fraud proof**: the tiles that the program reads for that one tile. The runtime
//!    checks them against the provider's own roots, recomputes the tile and compares.
//!
//! Where the first anchor that differs may have been computed from *lazy* anchors, whose roots are in no
//! trace, the way leads through a list of their roots. Nothing above it proves that list: the provider
//! **states** it, alone, and is held to it as to its run.
//!
//! At most [`most_openings`](assay_commitments::most_openings) demands are needed, and a proof is one
//! extrinsic, or up to 32 for a long reduction. No vote decides anything here.
//!
//! ## Example
//!
//! | block | who | call |
//! |---|---|---|
//! | 10 | provider | `jobs.revealResult` |
//! | 11 | a drawn verifier's offchain hook | `moveAsVerifier(Demand(None))` |
//! | 12 | provider | `answer` |
//! | 13 | the hook | `moveAsVerifier(Demand(child))` |
//! | 14 | provider | `answer` |
//! | 15 | the hook | `moveAsVerifier(Prove(part))`: the bond is slashed, the job failed |
//!
//! ## Details
//!
//! * **Lanes.** Each account may have one lane per job, and lanes run in parallel, so nobody can crowd
//!   out a challenger. A lane is opened before the job's base deadline and has its own clock: A blocks
//!   for an answer, M blocks for a move. While one is alive the job does not settle.
//! * **Queues.** A has the time for two replays: the one that may have begun before a demand, and the next,
//!   which opens every step of the result that is owed by then. A provider of whom several openings are demanded at once,
//!   by one account or many, gets the time to replay what was demanded before as well ([`Owed`]). How
//!   much later than A the answers of one lane may come is bounded, all of them together, so that a
//!   provider that has others demand of it cannot put a challenger off.
//! * **Orders.** A job's number may stand for another job after a reorganisation. Whoever moves names the
//!   hash of the job's order, and is refused by another one.
//! * **Deposits.** A drawn verifier puts up nothing. It has one lane in a job, and one that comes to
//!   nothing, by an invalid proof or by silence, is a fault of it: repeated faults suspend it. Anyone else
//!   holds a deposit, which grows with the lanes that the job has, comes back when the job fails and is
//!   otherwise half burned, half paid to the provider.
//! * **Fees.** An answer and the proof that condemns are free once they are accepted: each can be given
//!   once. A verifier's demands and its commitment are free, too. A part of a proof that proves nothing yet
//!   is paid for by whoever sends it, as every failure is; who proves the fraud in the end is given back
//!   what its parts have cost. Of a verifier it is held, and released when the result falls.
//! * **Who is paid.** A proof is public before it is in a block. An account that has bound itself to
//!   it with a proof commitment in an earlier block gets the prover's part, whoever sends it.
//! * **Lists.** A proof that refers to a provider's list shows that the list or the run is wrong. It
//!   costs the provider what fraud costs, but the job ends as withheld: who vouched for the run never saw
//!   the list, and a provider could otherwise have honest verifiers slashed by stating a false one. A list
//!   counts in the lane that it was demanded in, where it cannot be taken back or replaced.
//! * **The referee** reads the program from the chain's own storage and derives from it which tiles
//!   are needed. The sender chooses the accused tile and nothing else. See [`assay_referee`].

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

#[cfg(feature = "runtime-benchmarks")]
pub mod benchmarking;
mod impls;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;
pub mod types;
pub mod weights;

#[cfg(feature = "runtime-benchmarks")]
pub use benchmarking::BenchmarkHelper;
pub use impls::refusal;
pub use pallet::*;
pub use types::*;
pub use weights::WeightInfo;

/// The target of this pallet's log lines.
pub const LOG_TARGET: &str = "runtime::assay-arbitration";

#[frame_support::pallet]
pub mod pallet {
	use super::*;
	use alloc::boxed::Box;
	use assay_commitments::Place;
	use assay_market::{ChallengeMove, Disputes, Hash, JobId, VerifierSignature};
	use assay_referee::{Accusation, ProofPart};
	use frame_support::{
		pallet_prelude::*,
		traits::fungible::{Inspect, InspectHold, Mutate, MutateHold},
	};
	use frame_system::{
		ensure_authorized, offchain::CreateAuthorizedTransaction, pallet_prelude::*,
	};
	use sp_runtime::traits::Convert;

	const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

	#[pallet::pallet]
	#[pallet::storage_version(STORAGE_VERSION)]
	pub struct Pallet<T>(_);

	#[pallet::config]
	pub trait Config: CreateAuthorizedTransaction<Call<Self>> + frame_system::Config {
		/// The runtime's hold reasons.
		type RuntimeHoldReason: From<HoldReason>;

		/// The currency of deposits.
		type Currency: Mutate<Self::AccountId>
			+ MutateHold<Self::AccountId>
			+ InspectHold<Self::AccountId, Reason = Self::RuntimeHoldReason>
			+ Inspect<Self::AccountId>;

		/// The jobs whose results are disputed.
		type Jobs: Disputes<Self::AccountId, BalanceOf<Self>, BlockNumberFor<Self>>;

		/// The registered programs.
		type Programs: RefereedPrograms;

		/// What condemning a result takes in the jobs pallet.
		type CondemnWeight: Get<Weight>;

		/// What a transaction of this weight and so many bytes costs.
		type FeeOf: Convert<(Weight, u32), BalanceOf<Self>>;

		/// Most lanes that the agenda looks at in one block.
		#[pallet::constant]
		type MaxAgenda: Get<u32>;

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
		/// The deposit of a challenger's lane.
		#[codec(index = 0)]
		Lane,
	}

	/// The lanes that have not been closed. A lane is closed when its challenger stays silent, when
	/// its verifier sends an invalid proof, or at the first look after its job has ended.
	#[pallet::storage]
	pub type Lanes<T: Config> =
		StorageDoubleMap<_, Twox64Concat, JobId, Blake2_128Concat, T::AccountId, LaneOf<T>>;

	/// The groups opened in a lane, from the top; gone with the lane.
	#[pallet::storage]
	pub type Opened<T: Config> = StorageNMap<
		_,
		(
			NMapKey<Twox64Concat, JobId>,
			NMapKey<Blake2_128Concat, T::AccountId>,
			NMapKey<Twox64Concat, u32>,
		),
		OpenedGroup,
	>;

	/// Fraud proofs of which some parts are in; gone with the lane.
	#[pallet::storage]
	pub type Folds<T: Config> =
		StorageDoubleMap<_, Twox64Concat, JobId, Blake2_128Concat, T::AccountId, FoldOf<T>>;

	/// What providers owe: work units of a replay of each job in which an opening is demanded of them.
	#[pallet::storage]
	pub type Owed<T: Config> = StorageMap<_, Blake2_128Concat, T::AccountId, u128, ValueQuery>;

	/// The jobs in which openings are owed: until all are given, or the job is condemned or over.
	#[pallet::storage]
	pub type Demanded<T: Config> = StorageMap<_, Twox64Concat, JobId, DemandedOf<T>>;

	/// How many lanes with deposits a job has, until it is over.
	#[pallet::storage]
	pub type DepositLanes<T: Config> = StorageMap<_, Twox64Concat, JobId, u32, ValueQuery>;

	/// How many lanes keep a job from settling.
	#[pallet::storage]
	pub type AliveLanes<T: Config> = StorageMap<_, Twox64Concat, JobId, u32, ValueQuery>;

	/// Bytes of proofs that came as verifiers' moves in this block; gone at its end.
	#[pallet::storage]
	pub type ProofBytes<T: Config> = StorageValue<_, u32, ValueQuery>;

	/// Who is bound to which proof, in the order in which they came.
	#[pallet::storage]
	pub type ProofCommitments<T: Config> =
		StorageMap<_, Twox64Concat, JobId, CommitmentsOf<T>, ValueQuery>;

	/// Drawn verifiers whose free lane in a job is used up.
	#[pallet::storage]
	pub type UsedUp<T: Config> = StorageMap<
		_,
		Twox64Concat,
		JobId,
		BoundedVec<T::AccountId, ConstU32<MAX_FREE_LANES>>,
		ValueQuery,
	>;

	/// The lanes to look at at the start of a block.
	#[pallet::storage]
	pub type Agenda<T: Config> = StorageMap<
		_,
		Twox64Concat,
		BlockNumberFor<T>,
		BoundedVec<(JobId, T::AccountId), T::MaxAgenda>,
		ValueQuery,
	>;

	#[pallet::event]
	#[pallet::generate_deposit(pub(crate) fn deposit_event)]
	pub enum Event<T: Config> {
		/// A challenger opened a lane. `deposit` is held; nothing for drawn verifiers.
		LaneOpened { job: JobId, challenger: T::AccountId, deposit: BalanceOf<T> },
		/// A challenger demands the group at `place`; it is owed until `deadline`.
		OpeningDemanded {
			job: JobId,
			challenger: T::AccountId,
			place: Place,
			deadline: BlockNumberFor<T>,
		},
		/// `by` opened the group at `place`; the challenger's next move counts until `deadline`.
		OpeningAnswered {
			job: JobId,
			challenger: T::AccountId,
			by: T::AccountId,
			place: Place,
			deadline: BlockNumberFor<T>,
		},
		/// Nobody opened the group at `place` in time.
		OpeningWithheld { job: JobId, challenger: T::AccountId, place: Place },
		/// An account bound itself to a proof.
		ProofCommitted { job: JobId, challenger: T::AccountId, commitment: Hash },
		/// A part of a fraud proof was accepted; more of them decide.
		ProofPartAccepted { job: JobId, challenger: T::AccountId, part: u32 },
		/// `fee` of a verifier's account was burned for a part that was refused.
		ProofPartCharged { job: JobId, challenger: T::AccountId, fee: BalanceOf<T> },
		/// A tile of the result, or of what the provider has listed of it, is wrong. `prover` gets the
		/// prover's part of the bond.
		FraudProven { job: JobId, accusation: Accusation, prover: T::AccountId },
		/// A drawn verifier's proof was invalid, which used up its lane and is a fault of it.
		ProofRejected { job: JobId, challenger: T::AccountId, error: DispatchError },
		/// A lane was closed: `returned + paid + burned` is its deposit, of a verifier's lane what was held
		/// for parts of its proof.
		LaneClosed {
			job: JobId,
			challenger: T::AccountId,
			returned: BalanceOf<T>,
			paid: BalanceOf<T>,
			burned: BalanceOf<T>,
		},
	}

	#[pallet::error]
	#[derive(PartialEq)]
	pub enum Error<T> {
		/// The job shows no result that could be disputed: it does not exist, is not revealed yet, has
		/// ended or is condemned already.
		NothingToDispute,
		/// On this fork the number is another job's: its order has another hash. Look the job up again
		/// (`order` of its view) before binding yourself to it.
		OtherOrder,
		/// The base deadline for new lanes has passed. Only lanes that are open go on.
		TooLate,
		/// The account has no lane in this job. A demand without a child opens one.
		NoLane,
		/// It is not the challenger's move: an answer is still owed to it.
		AnswerPending,
		/// No answer is owed in this lane.
		NothingDemanded,
		/// The deadline of this move has passed.
		DeadlinePassed,
		/// The first demand names no child; every later one names a child of the group that was opened
		/// last.
		WrongChild,
		/// The child is a single tile: there is nothing below it. Prove it wrong now.
		AtTheTile,
		/// The children do not hash to the group's parent, or are not as many as its shape gives.
		WrongAnswer,
		/// The account is bound to a proof already.
		AlreadyCommitted,
		/// The job has as many proof commitments as it takes. Send the proof itself.
		TooManyCommitments,
		/// A proof of several parts needs a lane of the account. Demand or commit first.
		NeedsLane,
		/// A proof of several parts was begun in this lane. Go on with its next part.
		WrongPart,
		/// The part continues another accusation than the lane's first part began.
		OtherAccusation,
		/// The tile was recomputed and is right: the result is not proved wrong.
		NotWrong,
		/// The job's program could not be read, or not recomputed as its check says. Nothing that a proof
		/// says can cause it; report this.
		ProgramUnreadable,
		/// The accused step or tile does not exist in this job. Steps count from 0, and the tiles of an
		/// anchor follow from its type.
		ProofOutOfRange,
		/// The accused node is not an anchor of the program. Accuse the anchor that the virtual node
		/// leads to.
		ProofNotAnAnchor,
		/// The trace root of the accused step does not lead to the job's run root. Open it from the
		/// provider's run tree, not from your own.
		ProofTrace,
		/// The trace root of the step before does not lead to the job's run root, is missing, or is given
		/// for a tile that reads no state. It belongs to a proof exactly when a state is read after the
		/// first step.
		ProofBefore,
		/// The roots of the eager anchors that are accused or read do not lead to the trace root of the
		/// step. Give all of them, in program order and each once.
		ProofAnchors,
		/// The roots of the states that are read do not lead to the trace root of the step before. Give all
		/// of them, in program order and each once; none where no state is read.
		ProofStates,
		/// The claimed chunk value does not lead to the root of the accused anchor. It is the provider's
		/// value of the tile, not the right one.
		ProofClaimed,
		/// The proof opens more or fewer tensors than the program reads for this tile.
		ProofIncomplete,
		/// The tiles of an operand are not exactly those that the program reads for this tile, or do not
		/// lead to the root that the provider or the job has for the tensor.
		ProofOperand,
		/// The free lane of this verifier is used up. A lane with a deposit can still be opened.
		LaneUsedUp,
		/// The deadline of this lane has not passed; there is nothing to push.
		NotDue,
		/// The account was not drawn to verify this job, or gave no verdict.
		NotDrawn,
		/// What is demanded is a list of lazy anchors' roots: the provider's own statement. It is given by
		/// `listRoots`, by the provider of this lane's result alone.
		ProviderOnly,
		/// The statement is of another run, step or anchor than the list that is demanded, or the demand was
		/// made for another list than the provider has stated in the lane. Make it anew for how the lane
		/// stands.
		OtherList,
		/// A lazy anchor is accused or read, and the provider has not listed its root in a lane of yours.
		/// Demand the list first.
		NeedsList,
		/// The roots of the lazy anchors that are accused or read do not lead to what the provider has
		/// listed in your lane. Give all of them, in program order and each once.
		ProofLazy,
	}

	#[pallet::hooks]
	impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
		fn on_initialize(now: BlockNumberFor<T>) -> Weight {
			T::WeightInfo::on_initialize_base().saturating_add(Self::run_agenda(now))
		}

		fn on_finalize(_: BlockNumberFor<T>) {
			ProofBytes::<T>::kill();
		}

		fn offchain_worker(now: BlockNumberFor<T>) {
			Self::submit_moves(now);
		}

		fn integrity_test() {
			let most = Self::weight_of_proof(assay_referee::MAX_PART_BYTES as u32);
			let room = T::BlockWeights::get()
				.get(DispatchClass::Operational)
				.max_extrinsic
				.unwrap_or(Weight::MAX);
			assert!(
				most.all_lte(room),
				"the largest proof must fit into a block: {most} in {room}"
			);
			assert!(T::MaxAgenda::get() > 0, "lanes are pushed by the agenda");
		}

		#[cfg(feature = "try-runtime")]
		fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
			Self::do_try_state()
		}
	}

	// Arguments that begin with `_` are for `authorize`, which has checked them right before.
	#[pallet::call]
	impl<T: Config> Pallet<T> {
		/// Demand an opening of a job's result, one level further down.
		///
		/// ## Dispatch Origin
		///
		/// Signed by anyone. The first demand in a job opens a lane and holds its deposit.
		///
		/// ## Details
		///
		/// `child` is the place of the child to go on from in the group that was opened last; none in
		/// the first demand. `list` is the root over the lazy anchors' roots that the provider has stated in
		/// the lane, none before: a demand below another list would lead the lane astray. From now on the
		/// opening is owed for A blocks, by the provider or anyone; silence fails the job. Ask
		/// `ArbitrationApi_lane` where a lane stands.
		///
		/// ## Errors
		///
		/// [`Error::NothingToDispute`], [`Error::OtherOrder`], [`Error::TooLate`], [`Error::AnswerPending`],
		/// [`Error::DeadlinePassed`], [`Error::WrongChild`], [`Error::OtherList`],
		/// [`Error::AtTheTile`], and those of the hold.
		///
		/// ## Events
		///
		/// [`Event::LaneOpened`], [`Event::OpeningDemanded`].
		#[pallet::call_index(0)]
		#[pallet::weight((T::WeightInfo::demand(), DispatchClass::Operational))]
		pub fn demand(
			origin: OriginFor<T>,
			job: JobId,
			order: Hash,
			child: Option<u32>,
			list: Option<Hash>,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			let result = Self::result_of(job, &order)?;
			Self::ensure_same_list(job, &who, list)?;
			Self::do_demand(job, result, who, child, Payer::Deposit)
		}

		/// Open a group that a challenger demands.
		///
		/// ## Dispatch Origin
		///
		/// Signed by anyone; free when the answer is right.
		///
		/// ## Details
		///
		/// `children` are all nodes of one level below the demanded node, at most 256. There is only one
		/// right answer.
		///
		/// ## Errors
		///
		/// [`Error::NothingToDispute`], [`Error::OtherOrder`], [`Error::NoLane`], [`Error::NothingDemanded`],
		/// [`Error::DeadlinePassed`], [`Error::ProviderOnly`], [`Error::WrongAnswer`].
		///
		/// ## Events
		///
		/// [`Event::OpeningAnswered`].
		#[pallet::call_index(1)]
		#[pallet::weight((
			T::WeightInfo::answer(children.len() as u32),
			DispatchClass::Operational,
		))]
		pub fn answer(
			origin: OriginFor<T>,
			job: JobId,
			order: Hash,
			challenger: T::AccountId,
			children: Children,
		) -> DispatchResultWithPostInfo {
			let who = ensure_signed(origin)?;
			let result = Self::result_of(job, &order)?;
			Self::do_answer(job, result, challenger, who, children)?;
			Ok(Pays::No.into())
		}

		/// Bind yourself to a fraud proof that you are about to send.
		///
		/// ## Dispatch Origin
		///
		/// Signed by anyone. Opens a lane, with its deposit, where the account has none.
		///
		/// ## Details
		///
		/// `commitment` is [`assay_market::proof_commitment`]. The earliest commitment that fits an
		/// accepted proof gets the prover's part, whoever sent the proof. It keeps the job from
		/// settling for K blocks.
		///
		/// ## Errors
		///
		/// [`Error::NothingToDispute`], [`Error::OtherOrder`], [`Error::TooLate`], [`Error::AlreadyCommitted`],
		/// [`Error::TooManyCommitments`], and those of the hold.
		///
		/// ## Events
		///
		/// [`Event::LaneOpened`], [`Event::ProofCommitted`].
		#[pallet::call_index(2)]
		#[pallet::weight((T::WeightInfo::commit_proof(), DispatchClass::Operational))]
		pub fn commit_proof(
			origin: OriginFor<T>,
			job: JobId,
			order: Hash,
			commitment: Hash,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			let result = Self::result_of(job, &order)?;
			Self::do_commit_proof(job, result, who, commitment, Payer::Deposit)
		}

		/// Prove a tile of a job's result wrong.
		///
		/// ## Dispatch Origin
		///
		/// Signed by anyone, with or without a lane; free when it proves the fraud.
		///
		/// ## Details
		///
		/// The runtime recomputes the accused tile from the opened operands. A tile that takes
		/// several parts needs a lane, and one part after the other; every part but the one that decides
		/// is paid for.
		///
		/// ## Errors
		///
		/// [`Error::NothingToDispute`], [`Error::OtherOrder`], [`Error::NotWrong`], the `Proof…` errors,
		/// [`Error::NeedsList`], [`Error::NeedsLane`], [`Error::WrongPart`], [`Error::OtherAccusation`],
		/// [`Error::DeadlinePassed`].
		///
		/// ## Events
		///
		/// [`Event::FraudProven`] or [`Event::ProofPartAccepted`].
		#[pallet::call_index(3)]
		#[pallet::weight((
			Pallet::<T>::weight_of_proof(part.encoded_size() as u32),
			DispatchClass::Operational,
		))]
		pub fn prove_fraud(
			origin: OriginFor<T>,
			job: JobId,
			order: Hash,
			part: Box<ProofPart>,
		) -> DispatchResultWithPostInfo {
			let who = ensure_signed(origin)?;
			let bytes = part.encoded_size() as u32;
			let result = Self::result_of(job, &order)?;
			Ok(match Self::do_prove(job, result, who, *part, Payer::Deposit)? {
				Proved::Fraud => Pays::No.into(),
				Proved::Part => Some(Self::weight_of_part(bytes)).into(),
			})
		}

		/// Push a lane whose deadline has passed, or whose job has ended, to its default.
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
		/// [`Error::NoLane`], [`Error::NotDue`].
		///
		/// ## Events
		///
		/// [`Event::OpeningWithheld`] or [`Event::LaneClosed`].
		#[pallet::call_index(4)]
		#[pallet::weight(Pallet::<T>::weight_of_default())]
		pub fn poke(
			origin: OriginFor<T>,
			job: JobId,
			challenger: T::AccountId,
		) -> DispatchResultWithPostInfo {
			ensure_signed(origin)?;
			let weight = Self::do_poke(job, challenger)?;
			Ok((Some(weight), Pays::No).into())
		}

		/// A drawn verifier's move in its own lane: a demand, a proof commitment or a proof.
		///
		/// ## Dispatch Origin
		///
		/// Authorized by a signature of the session key of an account that was drawn to verify the job
		/// and has given a verdict.
		///
		/// ## Details
		///
		/// Sent by the node's offchain hook; without deposit, and free but for parts of proofs that do not
		/// prove the fraud: those are charged to the account, which must be able to pay them. At most
		/// [`MAX_PROOF_BYTES`] of proofs are taken in a block this way. The first invalid proof uses the lane
		/// up. The signature binds how the lane stood, so that a move cannot be
		/// sent again further down; `retry` only makes repeated submissions differ.
		///
		/// ## Errors
		///
		/// Those of [`Call::demand`], [`Call::commit_proof`] and [`Call::prove_fraud`],
		/// [`Error::NotDrawn`], [`Error::LaneUsedUp`].
		///
		/// ## Events
		///
		/// Those of the same calls, and [`Event::ProofRejected`].
		#[pallet::call_index(5)]
		#[pallet::weight((
			Pallet::<T>::weight_of_move(action),
			DispatchClass::Operational,
		))]
		#[pallet::authorize(|_, job, order, account, action, retry, signature| {
			Pallet::<T>::authorize_move(*job, order, account, action, *retry, signature)
				.map(|validity| (validity, Weight::zero()))
		})]
		#[pallet::weight_of_authorize(T::WeightInfo::authorize_move(action.encoded_size() as u32))]
		pub fn move_as_verifier(
			origin: OriginFor<T>,
			job: JobId,
			order: Hash,
			account: T::AccountId,
			action: ChallengeMove,
			_retry: u32,
			_signature: VerifierSignature,
		) -> DispatchResultWithPostInfo {
			ensure_authorized(origin)?;
			Self::do_move_as_verifier(job, &order, account, action)
		}

		/// State the roots of the lazy anchors that a challenger demands.
		///
		/// ## Dispatch Origin
		///
		/// Signed by the provider of the result; free.
		///
		/// ## Details
		///
		/// Nothing above proves these roots, so that nobody but the provider may state them, and it is
		/// held to them: a tile of them that is not what the program computes from the run and the list
		/// itself costs what fraud costs. With `order` the statement names run, step and anchor, so that it
		/// cannot count for another demand, nor for another job on another fork. The true list is safe to
		/// state.
		///
		/// ## Errors
		///
		/// [`Error::NothingToDispute`], [`Error::OtherOrder`], [`Error::NoLane`], [`Error::ProviderOnly`],
		/// [`Error::NothingDemanded`], [`Error::DeadlinePassed`], [`Error::OtherList`],
		/// [`Error::WrongAnswer`].
		///
		/// ## Events
		///
		/// [`Event::OpeningAnswered`].
		#[pallet::call_index(6)]
		#[pallet::weight((
			T::WeightInfo::list_roots(stated.children.len() as u32),
			DispatchClass::Operational,
		))]
		pub fn list_roots(
			origin: OriginFor<T>,
			job: JobId,
			order: Hash,
			challenger: T::AccountId,
			stated: Statement,
		) -> DispatchResultWithPostInfo {
			let who = ensure_signed(origin)?;
			let result = Self::result_of(job, &order)?;
			Self::do_list_roots(job, result, challenger, who, stated)?;
			Ok(Pays::No.into())
		}
	}
}
