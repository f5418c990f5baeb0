//! # Assay Programs Pallet
//!
//! Programs that jobs run: checked by the chain itself, stored, and kept for as long as a job needs
//! them.
//!
//! ## Pallet API
//!
//! See the [`pallet`] module for the calls, storage, events and errors. Other pallets ask and count
//! references through [`assay_market::Programs`], which [`Pallet`] implements.
//!
//! ## Overview
//!
//! A program is a graph of integer operators in the format of [`assay_program`]. Its identity is
//! the BLAKE3 hash of its bytes. [`pallet::Call::register_program`] decodes and checks the whole
//! program in the runtime: shapes, accumulator bounds, work units, memory, and that every tile of
//! every result could be refereed within a few transactions. What passes is stored together with
//! what the check proved, for a deposit per byte. The plans of its anchors
//! ([`assay_program::AnchorPlan`]) are kept too, so that [`Pallet::program`] gives the referee the
//! program without checking it again.
//!
//! ## Example
//!
//! Registering the same bytes twice fails; whoever wants to post a job refers to the program by its
//! hash, whoever registered it.
//!
#![doc = docify::embed!("src/tests/example.rs", program_should_stay_when_a_job_needs_it)]
//!
//! ## Details
//!
//! - The owner can remove a program, and get its deposit back, once no open job needs it.
//! - Every anchor must be eager: what nobody has committed to cannot be proved wrong.
//! - A later runtime may set tighter [`pallet::Config::Limits`]. Programs that passed before stay.

#![cfg_attr(not(feature = "std"), no_std)]
#![deny(missing_docs)]

extern crate alloc;

#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
mod impls;
pub mod migrations;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;
mod types;
pub mod weights;

pub use pallet::*;
pub use types::*;
pub use weights::WeightInfo;

/// Time of the referee analysis in picoseconds per squared byte of a short program, up to its
/// step limit.
///
/// The analysis visits, for every anchor, every virtual node below it in up to 16 ways per operand,
/// and up to six times while it looks for a slicing. An anchor takes about 30 bytes and a node that
/// forks through views about 40, so `b` bytes make at most `b² / 25` visits of 1 µs each, tripled
/// for WebAssembly.
pub const ANALYSIS_PER_SQUARED_BYTE: u64 = 120_000;

/// Programs that jobs run, checked by the chain itself.
#[frame_support::pallet]
pub mod pallet {
	use super::*;
	use assay_market::Hash;
	use assay_program::Limits;
	use frame_support::{
		pallet_prelude::*,
		traits::{
			fungible::{Mutate, MutateHold},
			tokens::Precision,
		},
	};
	use frame_system::pallet_prelude::*;

	#[pallet::pallet]
	#[pallet::storage_version(migrations::STORAGE_VERSION)]
	pub struct Pallet<T>(_);

	#[pallet::config]
	pub trait Config: frame_system::Config {
		/// The native token.
		type Currency: Mutate<Self::AccountId>
			+ MutateHold<Self::AccountId, Reason: From<HoldReason>>;

		/// What is held for any program.
		#[pallet::constant]
		type DepositBase: Get<BalanceOf<Self>>;

		/// What is held for each byte of a program, and of the plans of its anchors, besides.
		#[pallet::constant]
		type DepositPerByte: Get<BalanceOf<Self>>;

		/// What a program may ask of the chain and of whoever runs it.
		type Limits: Get<Limits>;

		/// Weights of the calls.
		type WeightInfo: WeightInfo;
	}

	/// Why this pallet holds funds.
	#[pallet::composite_enum]
	pub enum HoldReason {
		/// The deposit for a stored program.
		#[codec(index = 0)]
		Program,
	}

	/// What is known of each registered program, by the BLAKE3 hash of its bytes.
	#[pallet::storage]
	pub type Programs<T: Config> = StorageMap<_, Identity, Hash, ProgramInfo<T>, OptionQuery>;

	/// The bytes of each registered program.
	#[pallet::storage]
	pub type Bytes<T: Config> = StorageMap<_, Identity, Hash, ProgramBytes, OptionQuery>;

	/// How the tiles of each program's anchors are refereed, in program order: what the check
	/// found, so that a fraud proof does not pay for the analysis again.
	#[pallet::storage]
	pub type Plans<T: Config> = StorageMap<_, Identity, Hash, AnchorPlans, OptionQuery>;

	/// What happened to programs.
	#[pallet::event]
	#[pallet::generate_deposit(pub(super) fn deposit_event)]
	pub enum Event<T: Config> {
		/// A program passed the check and is stored.
		ProgramRegistered {
			/// BLAKE3 hash of its bytes: what jobs refer to.
			program: Hash,
			/// Who registered it.
			owner: T::AccountId,
			/// Length of the program file in bytes.
			length: u32,
			/// Work units of one step.
			work_units: u64,
			/// What is held for it.
			deposit: BalanceOf<T>,
		},
		/// A program was removed.
		ProgramRemoved {
			/// Which.
			program: Hash,
			/// Who had registered it.
			owner: T::AccountId,
			/// The deposit that the owner got back.
			deposit: BalanceOf<T>,
		},
	}

	/// Why a call was refused. `assay program inspect` says for a file which item is at fault.
	#[pallet::error]
	pub enum Error<T> {
		/// The same bytes are registered. Refer to the program by its hash.
		AlreadyRegistered,
		/// No program with this hash is registered. Register it first.
		UnknownProgram,
		/// Only the account that registered the program may remove it.
		NotOwner,
		/// Jobs that have not ended need the program. Wait until they end.
		ProgramInUse,
		/// Too many jobs need the program. Wait until some end.
		TooManyReferences,
		/// The file is longer than 256 KiB. Make large constants job inputs.
		TooLong,
		/// The bytes do not start with `ASSAYP`: this is not a program file.
		BadMagic,
		/// The format version is not known to this chain. Write the file with a matching client.
		UnknownVersion,
		/// The operator set is not known to this chain. Lower the model to a set that is.
		UnknownOperatorSet,
		/// The bytes end in the middle of an item. Upload the whole file.
		Truncated,
		/// An item has a byte without meaning: a tag, length, shape, split or text.
		Malformed,
		/// More items of one kind than the format allows.
		TooManyItems,
		/// Bytes follow the end of the program. Remove them.
		TrailingBytes,
		/// A name is empty, too long or has a character outside `a-z A-Z 0-9 _ - . /`.
		InvalidName,
		/// Two inputs or two outputs have the same name. Rename one.
		DuplicateName,
		/// The data of a constant is not as long as its type says.
		ConstantLength,
		/// An operand, state or output refers to something that does not exist.
		DanglingReference,
		/// An operand is the node itself or a later one. Sort the nodes; carry values between steps
		/// by a state.
		CyclicReference,
		/// The program has no outputs. Name at least one.
		NoOutputs,
		/// More inputs than a job may have. Join some.
		TooManyInputs,
		/// More outputs than a job may have. Join some.
		TooManyOutputs,
		/// More nodes than the limit. Split the program.
		TooManyNodes,
		/// The number, types or shapes of a node's operands do not fit its operator.
		OperandMismatch,
		/// A reduction is so long that its accumulator could overflow. Split it and add the parts.
		ReductionTooLong,
		/// A view does not fit what it looks at.
		InvalidView,
		/// The split of a node does not fit its shape.
		InvalidSplit,
		/// The update of a state has not the type, shape and split of its input.
		StateTypeMismatch,
		/// The update of a state or an output is not an eager anchor. Make it one.
		NotAnEagerAnchor,
		/// A node, input or constant is never read. Remove it.
		Unused,
		/// One step takes more work than the limit. Use more steps.
		TooMuchWork,
		/// One step takes more memory than the limit. Use smaller batches.
		TooMuchMemory,
		/// A tile of an anchor could not be refereed within the limits. Make a virtual node that it
		/// reads an anchor, or shorten its reduction.
		Unrefereeable,
		/// An anchor depends on too many virtual nodes, or the analysis takes too long. Make some
		/// of them anchors.
		TooComplex,
		/// A Gather reads its table or its indices from a virtual node. Make that node an anchor.
		VirtualGather,
	}

	#[pallet::hooks]
	impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
		fn integrity_test() {
			let worst = Self::registration_weight(assay_program::MAX_PROGRAM_BYTES as u32);
			let most = <T as frame_system::Config>::BlockWeights::get()
				.get(DispatchClass::Normal)
				.max_extrinsic
				.unwrap_or(Weight::MAX);
			assert!(
				<T as Config>::Limits::get().nodes <= Limits::V1.nodes,
				"every anchor of an admitted program must have its plan"
			);
			assert!(
				worst.all_lte(most),
				"the largest program must fit into one block: {worst:?} > {most:?}"
			);
		}

		#[cfg(feature = "try-runtime")]
		fn try_state(_now: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
			Self::do_try_state()
		}
	}

	#[pallet::call]
	impl<T: Config> Pallet<T> {
		/// Check and store a program.
		///
		/// ## Dispatch Origin
		///
		/// Must be signed by the account that pays the deposit and owns the program.
		///
		/// ## Details
		///
		/// `program` is the whole program file, at most 256 KiB. The chain decodes and checks all
		/// of it; `DepositBase` and `DepositPerByte` for each byte, of the file and of the plans of
		/// its anchors (at most 26 bytes each), are held until it is removed. Its hash in the event
		/// is what jobs refer to.
		///
		/// ## Errors
		///
		/// - [`Error::AlreadyRegistered`]
		/// - One error per class of fault in the bytes ([`Error::BadMagic`] to
		///   [`Error::NoOutputs`]) and in the graph ([`Error::TooManyInputs`] to
		///   [`Error::VirtualGather`]).
		/// - The token's own error if the deposit is not there.
		///
		/// ## Events
		///
		/// - [`Event::ProgramRegistered`]
		#[pallet::call_index(0)]
		#[pallet::weight(Pallet::<T>::registration_weight(program.len() as u32))]
		pub fn register_program(origin: OriginFor<T>, program: ProgramBytes) -> DispatchResult {
			let owner = ensure_signed(origin)?;
			Self::do_register(owner, program)
		}

		/// Remove a program and get its deposit back.
		///
		/// ## Dispatch Origin
		///
		/// Must be signed by the account that registered the program.
		///
		/// ## Details
		///
		/// Refused while a job that has not ended needs the program. Jobs that ended keep its hash,
		/// but their results can no longer be re-run from the chain's data alone.
		///
		/// ## Errors
		///
		/// - [`Error::UnknownProgram`]
		/// - [`Error::NotOwner`]
		/// - [`Error::ProgramInUse`]
		///
		/// ## Events
		///
		/// - [`Event::ProgramRemoved`]
		#[pallet::call_index(1)]
		#[pallet::weight(T::WeightInfo::remove_program())]
		pub fn remove_program(origin: OriginFor<T>, program: Hash) -> DispatchResult {
			let owner = ensure_signed(origin)?;
			let info = Programs::<T>::get(program).ok_or(Error::<T>::UnknownProgram)?;
			ensure!(info.owner == owner, Error::<T>::NotOwner);
			ensure!(info.references == 0, Error::<T>::ProgramInUse);
			let deposit = info.deposit;
			T::Currency::release(&HoldReason::Program.into(), &owner, deposit, Precision::Exact)?;
			Programs::<T>::remove(program);
			Bytes::<T>::remove(program);
			Plans::<T>::remove(program);
			Self::deposit_event(Event::ProgramRemoved { program, owner, deposit });
			Ok(())
		}
	}
}
