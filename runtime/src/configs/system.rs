//! Blocks, time and accounts.

use crate::{
	constants::{currency::EXISTENTIAL_DEPOSIT, time::SLOT_MILLISECONDS},
	AccountId, Babe, Balance, Block, Hash, Nonce, PalletInfo, Runtime, RuntimeCall, RuntimeEvent,
	RuntimeFreezeReason, RuntimeHoldReason, RuntimeOrigin, RuntimeTask, System, TxExtension,
	UncheckedExtrinsic, Version,
};
use frame_support::{
	derive_impl,
	dispatch::DispatchClass,
	parameter_types,
	traits::{ConstU128, ConstU16, ConstU32, ConstU64, VariantCountOf},
	weights::{
		constants::{
			BlockExecutionWeight, ExtrinsicBaseWeight, ParityDbWeight, WEIGHT_REF_TIME_PER_MILLIS,
		},
		Weight,
	},
};
use frame_system::limits;
use sp_runtime::{generic, Perbill};

/// Share of a block that ordinary transactions may fill. The rest is kept for operational ones:
/// verdicts, proofs and answers must get in when the chain is full.
pub const NORMAL_DISPATCH_RATIO: Perbill = Perbill::from_percent(75);
/// Share of a block that operational transactions may fill.
///
/// Anybody may send them, for the same fee as ordinary ones, and the pool puts them first: it
/// counts their fee several times (`OperationalFeeMultiplier`). Could they fill all of a block,
/// then 1.5 ASY a block of anything operational, a proof of nothing say, would keep every post and
/// claim out, whatever these offer. So the rest is left to ordinary ones, who then compete by their
/// tips among themselves.
///
/// It takes no more from those for whom the class is there. Verifiers' transactions come before all
/// others in the pool ([`VerifierPriority`](pallet_assay_jobs::Config::VerifierPriority)) and so in
/// the block, and what a seat may send is bounded; what providers and challengers sign outbids junk
/// by a tip in three quarters of a block as it would in a whole one. A block has room for several
/// of the largest proofs beside each other. By length operational transactions can still fill a
/// block; that costs 3.9 ASY, which is more than outbidding ordinary ones does.
pub const OPERATIONAL_DISPATCH_RATIO: Perbill = Perbill::from_percent(75);
/// Share of a block assumed to go to `on_initialize` and friends.
const AVERAGE_ON_INITIALIZE_RATIO: Perbill = Perbill::from_percent(10);
/// Execution time of a full block: half of a slot, because importing must be quicker than
/// authoring and authoring ends at two thirds of the slot. The database's proofs are not limited:
/// validators hold the whole state.
pub const MAXIMUM_BLOCK_WEIGHT: Weight =
	Weight::from_parts(SLOT_MILLISECONDS / 2 * WEIGHT_REF_TIME_PER_MILLIS, u64::MAX);
/// Bytes of a full block.
pub const MAXIMUM_BLOCK_BYTES: u32 = 5 * 1024 * 1024;
/// Network number in SS58 addresses: the generic one.
pub const SS58_PREFIX: u16 = 42;

parameter_types! {
	/// Limits of execution time per block, class and transaction.
	pub RuntimeBlockWeights: limits::BlockWeights = limits::BlockWeights {
		// The builder takes the largest share of a class for the size of a block.
		max_block: MAXIMUM_BLOCK_WEIGHT,
		..limits::BlockWeights::builder()
			.base_block(BlockExecutionWeight::get())
			.for_class(DispatchClass::all(), |weights| {
				weights.base_extrinsic = ExtrinsicBaseWeight::get();
			})
			.for_class(DispatchClass::Normal, |weights| {
				weights.max_total = Some(NORMAL_DISPATCH_RATIO * MAXIMUM_BLOCK_WEIGHT);
				// Whatever hooks have taken of the part that operational transactions leave.
				weights.reserved = Some(MAXIMUM_BLOCK_WEIGHT / 8);
			})
			.for_class(DispatchClass::Operational, |weights| {
				weights.max_total = Some(OPERATIONAL_DISPATCH_RATIO * MAXIMUM_BLOCK_WEIGHT);
				weights.reserved =
					Some(MAXIMUM_BLOCK_WEIGHT - NORMAL_DISPATCH_RATIO * MAXIMUM_BLOCK_WEIGHT);
			})
			.avg_block_initialization(AVERAGE_ON_INITIALIZE_RATIO)
			.build_or_panic()
	};
	/// Limits of bytes per block and class.
	pub RuntimeBlockLength: limits::BlockLength = limits::BlockLength::builder()
		.max_length(MAXIMUM_BLOCK_BYTES)
		.modify_max_length_for_class(DispatchClass::Normal, |length| {
			*length = NORMAL_DISPATCH_RATIO * MAXIMUM_BLOCK_BYTES;
		})
		.build();
}

#[derive_impl(frame_system::config_preludes::SolochainDefaultConfig)]
impl frame_system::Config for Runtime {
	type Block = Block;
	type BlockWeights = RuntimeBlockWeights;
	type BlockLength = RuntimeBlockLength;
	type AccountId = AccountId;
	type Nonce = Nonce;
	type Hash = Hash;
	type BlockHashCount = ConstU32<4096>;
	type DbWeight = ParityDbWeight;
	type Version = Version;
	type AccountData = pallet_balances::AccountData<Balance>;
	type SystemWeightInfo = frame_system::weights::SubstrateWeight<Runtime>;
	type ExtensionsWeightInfo = frame_system::SubstrateExtensionsWeight<Runtime>;
	type SS58Prefix = ConstU16<SS58_PREFIX>;
	type MaxConsumers = ConstU32<128>;
	type SingleBlockMigrations = crate::migrations::SingleBlockMigrations;
}

impl pallet_timestamp::Config for Runtime {
	type Moment = u64;
	type OnTimestampSet = Babe;
	type MinimumPeriod = ConstU64<{ SLOT_MILLISECONDS / 2 }>;
	type WeightInfo = pallet_timestamp::weights::SubstrateWeight<Runtime>;
}

impl crate::chain_parameters::Config for Runtime {}

impl pallet_balances::Config for Runtime {
	type RuntimeEvent = RuntimeEvent;
	type RuntimeHoldReason = RuntimeHoldReason;
	type RuntimeFreezeReason = RuntimeFreezeReason;
	type Balance = Balance;
	type DustRemoval = ();
	type ExistentialDeposit = ConstU128<EXISTENTIAL_DEPOSIT>;
	type AccountStore = System;
	type ReserveIdentifier = [u8; 8];
	type FreezeIdentifier = RuntimeFreezeReason;
	type MaxLocks = ConstU32<50>;
	type MaxReserves = ConstU32<50>;
	type MaxFreezes = VariantCountOf<RuntimeFreezeReason>;
	type WeightInfo = pallet_balances::weights::SubstrateWeight<Runtime>;
	type DoneSlashHandler = ();
}

// Transactions that pallets' offchain workers and equivocation reports make.

impl<LocalCall> frame_system::offchain::CreateTransactionBase<LocalCall> for Runtime
where
	RuntimeCall: From<LocalCall>,
{
	type Extrinsic = UncheckedExtrinsic;
	type RuntimeCall = RuntimeCall;
}

impl<LocalCall> frame_system::offchain::CreateBare<LocalCall> for Runtime
where
	RuntimeCall: From<LocalCall>,
{
	fn create_bare(call: RuntimeCall) -> UncheckedExtrinsic {
		generic::UncheckedExtrinsic::new_bare(call)
	}
}

impl<LocalCall> frame_system::offchain::CreateTransaction<LocalCall> for Runtime
where
	RuntimeCall: From<LocalCall>,
{
	type Extension = TxExtension;

	fn create_transaction(call: RuntimeCall, extension: TxExtension) -> UncheckedExtrinsic {
		generic::UncheckedExtrinsic::new_transaction(call, extension)
	}
}

impl<LocalCall> frame_system::offchain::CreateAuthorizedTransaction<LocalCall> for Runtime
where
	RuntimeCall: From<LocalCall>,
{
	fn create_extension() -> TxExtension {
		tx_extension(generic::Era::Immortal, 0, 0)
	}
}

/// Extensions of a transaction with the given lifetime, nonce and tip (in 10⁻¹² ASY).
pub fn tx_extension(era: generic::Era, nonce: Nonce, tip: Balance) -> TxExtension {
	(
		frame_system::AuthorizeCall::new(),
		crate::extensions::RefuseSignedVerifierCalls,
		frame_system::CheckNonZeroSender::new(),
		frame_system::CheckSpecVersion::new(),
		frame_system::CheckTxVersion::new(),
		frame_system::CheckGenesis::new(),
		frame_system::CheckEra::from(era),
		frame_system::CheckNonce::from(nonce),
		frame_system::CheckWeight::new(),
		pallet_transaction_payment::ChargeTransactionPayment::from(tip),
		frame_metadata_hash_extension::CheckMetadataHash::new(false),
		frame_system::WeightReclaim::new(),
	)
}
