//! # Assay runtime
//!
//! The state transition function of the Assay chain: blocks by BABE every 3 seconds, finality by
//! GRANDPA, validators chosen by their stake, and a market for verified ML compute.
//!
//! * [`configs`]: how each pallet is set up, one file per concern.
//! * [`chain_parameters`]: values fixed at genesis that constants cannot carry.
//! * [`genesis_config_presets`]: the `development`, `local_testnet` and `four_validators` genesis
//!   states.
//! * [`constants`]: units of money and time.
//! * [`extensions`]: what this chain adds to the checks of a transaction.
//! * [`prospects`]: whether an operational call can succeed, which those checks ask.
//! * [`migrations`]: what an upgrade does to stored values.
//!
//! The crate builds twice: natively (types for the node and for tests) and as a WebAssembly blob
//! ([`WASM_BINARY`]), which is what the chain executes.

#![cfg_attr(not(feature = "std"), no_std)]
// `frame_support::runtime` expands to deeply nested tuples.
#![recursion_limit = "512"]

extern crate alloc;

#[cfg(feature = "std")]
include!(concat!(env!("OUT_DIR"), "/wasm_binary.rs"));

// First, because it defines macros.
#[cfg(feature = "runtime-benchmarks")]
#[macro_use]
mod benchmarks;
mod apis;
pub mod chain_parameters;
pub mod configs;
pub mod constants;
pub mod extensions;
pub mod genesis_config_presets;
pub mod migrations;
pub mod prospects;
mod weights;

#[cfg(feature = "std")]
pub use apis::RuntimeApi;
pub use apis::RUNTIME_API_VERSIONS;

use alloc::{borrow::Cow, vec::Vec};
use frame_support::parameter_types;
use sp_runtime::{
	generic,
	traits::{BlakeTwo256, IdentifyAccount, Verify},
	MultiAddress, MultiSignature,
};
use sp_version::RuntimeVersion;

pub use configs::consensus::SessionKeys;

/// A signature of a person's transaction: sr25519, ed25519 or ecdsa.
pub type Signature = MultiSignature;
/// The 32-byte account identifier that belongs to a signature's public key.
pub type AccountId = <<Signature as Verify>::Signer as IdentifyAccount>::AccountId;
/// An amount of money, in units of 10⁻¹² ASY.
pub type Balance = u128;
/// Number of transactions that an account has sent.
pub type Nonce = u32;
/// Hash of a block, a call or a storage root.
pub type Hash = sp_core::H256;
/// Height of a block.
pub type BlockNumber = u32;
/// What a transaction may name an account by.
pub type Address = MultiAddress<AccountId, ()>;
/// Block header.
pub type Header = generic::Header<BlockNumber, BlakeTwo256>;
/// Block with decoded transactions.
pub type Block = generic::Block<Header, UncheckedExtrinsic>;
/// A transaction as it arrives: not yet checked.
pub type UncheckedExtrinsic =
	generic::UncheckedExtrinsic<Address, RuntimeCall, Signature, TxExtension>;
/// What a person signs.
pub type SignedPayload = generic::SignedPayload<RuntimeCall, TxExtension>;

/// Checks and side effects around every transaction, in their order of execution.
pub type TxExtension = (
	frame_system::AuthorizeCall<Runtime>,
	// Right after it, so that a signed call of a verifier costs the pool nothing but this look.
	extensions::RefuseSignedVerifierCalls,
	frame_system::CheckNonZeroSender<Runtime>,
	frame_system::CheckSpecVersion<Runtime>,
	frame_system::CheckTxVersion<Runtime>,
	frame_system::CheckGenesis<Runtime>,
	frame_system::CheckEra<Runtime>,
	frame_system::CheckNonce<Runtime>,
	frame_system::CheckWeight<Runtime>,
	pallet_transaction_payment::ChargeTransactionPayment<Runtime>,
	frame_metadata_hash_extension::CheckMetadataHash<Runtime>,
	frame_system::WeightReclaim<Runtime>,
);

/// Executes blocks and checks transactions with this runtime's pallets.
pub type Executive = frame_executive::Executive<
	Runtime,
	Block,
	frame_system::ChainContext<Runtime>,
	Runtime,
	AllPalletsWithSystem,
>;

/// Types that clients use so that they can follow the chain through runtime upgrades.
pub mod opaque {
	use super::{generic, BlakeTwo256, BlockNumber};

	/// A transaction as bytes.
	pub use sp_runtime::OpaqueExtrinsic as UncheckedExtrinsic;

	/// Block header.
	pub type Header = generic::Header<BlockNumber, BlakeTwo256>;
	/// Block whose transactions are bytes.
	pub type Block = generic::Block<Header, UncheckedExtrinsic>;
}

/// Version of this runtime. `spec_version` rises with every change of behaviour,
/// `transaction_version` with every change of how a call or extension is encoded.
#[sp_version::runtime_version]
pub const VERSION: RuntimeVersion = RuntimeVersion {
	spec_name: Cow::Borrowed("assay"),
	impl_name: Cow::Borrowed("assay"),
	authoring_version: 1,
	spec_version: 1,
	impl_version: 1,
	apis: RUNTIME_API_VERSIONS,
	transaction_version: 1,
	system_version: 1,
};

parameter_types! {
	/// [`VERSION`] as a type.
	pub const Version: RuntimeVersion = VERSION;
}

#[frame_support::runtime]
mod runtime {
	/// The Assay runtime.
	#[runtime::runtime]
	#[runtime::derive(
		RuntimeCall,
		RuntimeEvent,
		RuntimeError,
		RuntimeOrigin,
		RuntimeFreezeReason,
		RuntimeHoldReason,
		RuntimeSlashReason,
		RuntimeLockId,
		RuntimeTask,
		RuntimeViewFunction
	)]
	pub struct Runtime;

	#[runtime::pallet_index(0)]
	pub type System = frame_system::Pallet<Runtime>;
	#[runtime::pallet_index(1)]
	pub type Timestamp = pallet_timestamp::Pallet<Runtime>;
	// Before BABE, whose genesis reads the length of an epoch.
	#[runtime::pallet_index(2)]
	pub type ChainParameters = crate::chain_parameters::Pallet<Runtime>;
	#[runtime::pallet_index(3)]
	pub type Babe = pallet_babe::Pallet<Runtime>;
	#[runtime::pallet_index(4)]
	pub type Authorship = pallet_authorship::Pallet<Runtime>;

	#[runtime::pallet_index(10)]
	pub type Balances = pallet_balances::Pallet<Runtime>;
	#[runtime::pallet_index(11)]
	pub type TransactionPayment = pallet_transaction_payment::Pallet<Runtime>;

	// Before the session pallet, whose genesis asks it for the first validators.
	#[runtime::pallet_index(19)]
	pub type Stake = pallet_assay_stake::Pallet<Runtime>;
	#[runtime::pallet_index(20)]
	pub type Session = pallet_session::Pallet<Runtime>;
	#[runtime::pallet_index(21)]
	pub type Historical = pallet_session::historical::Pallet<Runtime>;
	#[runtime::pallet_index(22)]
	pub type Offences = pallet_offences::Pallet<Runtime>;
	#[runtime::pallet_index(23)]
	pub type Grandpa = pallet_grandpa::Pallet<Runtime>;

	#[runtime::pallet_index(30)]
	pub type Utility = pallet_utility::Pallet<Runtime>;
	#[runtime::pallet_index(31)]
	pub type Proxy = pallet_proxy::Pallet<Runtime>;
	#[runtime::pallet_index(32)]
	pub type Multisig = pallet_multisig::Pallet<Runtime>;
	#[runtime::pallet_index(33)]
	pub type Sudo = pallet_sudo::Pallet<Runtime>;

	#[runtime::pallet_index(40)]
	pub type Identity = pallet_assay_identity::Pallet<Runtime>;
	#[runtime::pallet_index(41)]
	pub type Programs = pallet_assay_programs::Pallet<Runtime>;
	#[runtime::pallet_index(42)]
	pub type Jobs = pallet_assay_jobs::Pallet<Runtime>;
	// After the jobs pallet: a job whose deadline and last lane end in one block waits for the
	// lane.
	#[runtime::pallet_index(43)]
	pub type Arbitration = pallet_assay_arbitration::Pallet<Runtime>;
	#[runtime::pallet_index(44)]
	pub type Decoys = pallet_assay_decoys::Pallet<Runtime>;
}
