//! Batches, proxies, multi-signature accounts, and the sudo key of development networks.

use crate::{
	constants::currency::deposit, Balances, OriginCaller, Runtime, RuntimeCall, RuntimeEvent,
	System,
};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{
	parameter_types,
	traits::{ConstU32, InstanceFilter},
};
use scale_info::TypeInfo;
use sp_runtime::traits::BlakeTwo256;

parameter_types! {
	/// Deposit for an account's list of proxies.
	pub const ProxyDepositBase: u128 = deposit(1, 8);
	/// Deposit for each proxy in the list: account, type and delay.
	pub const ProxyDepositFactor: u128 = deposit(0, 33 + 4);
	/// Deposit for a proxy's list of announcements.
	pub const AnnouncementDepositBase: u128 = deposit(1, 8);
	/// Deposit for each announcement: account, call hash and height.
	pub const AnnouncementDepositFactor: u128 = deposit(0, 68);
	/// Deposit for a multi-signature operation under way.
	pub const MultisigDepositBase: u128 = deposit(1, 88);
	/// Deposit for each further signatory of it.
	pub const MultisigDepositFactor: u128 = deposit(0, 32);
}

impl pallet_utility::Config for Runtime {
	type RuntimeEvent = RuntimeEvent;
	type RuntimeCall = RuntimeCall;
	type PalletsOrigin = OriginCaller;
	type WeightInfo = pallet_utility::weights::SubstrateWeight<Runtime>;
}

/// What a proxy may do for the account that named it.
///
/// Each type is a list of the calls that it admits: a call that is added to the runtime is out of all of
/// them until somebody has thought about it. The tests of the runtime walk all calls against these lists.
/// The fee of a proxied call is its sender's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub enum ProxyType {
	/// Everything.
	#[default]
	#[codec(index = 0)]
	Any,
	/// What can take nothing from the account: nothing that spends, holds a deposit or a bond, or binds it
	/// to something for which it can be slashed. It may get back what is held, leave the validators, answer
	/// for a result, and prove one wrong.
	#[codec(index = 1)]
	NonTransfer,
	/// Rejecting announced calls of other proxies.
	#[codec(index = 2)]
	CancelProxy,
	/// Taking part in the market: jobs, disputes, programs and the account's identity. **It can spend the
	/// account's whole balance**, on jobs at any price and on deposits, and put all of its free stake at
	/// risk for jobs that it claims. What it holds it can lose by false results. Give it to your own
	/// machine, for an account that has no more than the market is to have.
	#[codec(index = 3)]
	JobsOnly,
	/// Bonding, validating and setting session keys. It can lock the account's whole balance as stake, and
	/// name keys that sign for it, for whose offences that stake is slashed.
	#[codec(index = 4)]
	StakeOnly,
}

/// Several calls at once. Each of them is held against the list of the proxy too.
fn is_batch(call: &RuntimeCall) -> bool {
	use pallet_utility::Call::*;
	matches!(
		call,
		RuntimeCall::Utility(batch { .. } | batch_all { .. } | force_batch { .. } | if_else { .. })
	)
}

/// Whether a call can neither take anything from the account that makes it nor put anything at risk.
fn takes_nothing(call: &RuntimeCall) -> bool {
	use pallet_assay_arbitration::Call as Arbitration;
	use pallet_assay_decoys::Call as Decoys;
	use pallet_assay_identity::Call as Identity;
	use pallet_assay_jobs::Call as Jobs;
	use pallet_assay_programs::Call as Programs;
	use pallet_assay_stake::Call as Stake;
	match call {
		RuntimeCall::System(call) => matches!(
			call,
			frame_system::Call::remark { .. } | frame_system::Call::remark_with_event { .. }
		),
		RuntimeCall::Proxy(call) => {
			matches!(call, pallet_proxy::Call::reject_announcement { .. })
		}
		// Unbonding takes effect when nothing can be slashed any more; keys that are gone sign nothing.
		RuntimeCall::Stake(call) => {
			matches!(call, Stake::unbond { .. } | Stake::withdraw { .. } | Stake::chill { .. })
		}
		RuntimeCall::Session(call) => matches!(call, pallet_session::Call::purge_keys { .. }),
		RuntimeCall::Identity(call) => matches!(call, Identity::update { .. }),
		RuntimeCall::Programs(call) => matches!(call, Programs::remove_program { .. }),
		RuntimeCall::Jobs(call) => matches!(call, Jobs::poke { .. }),
		// There is one right answer, and a proof is judged by the chain. Lists bind the provider: not here.
		RuntimeCall::Arbitration(call) => matches!(
			call,
			Arbitration::answer { .. } | Arbitration::prove_fraud { .. } | Arbitration::poke { .. }
		),
		RuntimeCall::Decoys(call) => matches!(call, Decoys::discard { .. }),
		_ => false,
	}
}

impl InstanceFilter<RuntimeCall> for ProxyType {
	fn filter(&self, call: &RuntimeCall) -> bool {
		match self {
			Self::Any => true,
			Self::NonTransfer => takes_nothing(call) || is_batch(call),
			// Not the calls of a multi-signature account, which are made in its name and by no proxy's list.
			Self::CancelProxy => {
				matches!(call, RuntimeCall::Proxy(pallet_proxy::Call::reject_announcement { .. }))
					|| is_batch(call)
			}
			Self::JobsOnly => {
				matches!(
					call,
					RuntimeCall::Jobs(_)
						| RuntimeCall::Arbitration(_)
						| RuntimeCall::Programs(_)
						| RuntimeCall::Identity(_)
				) || is_batch(call)
			}
			Self::StakeOnly => {
				matches!(call, RuntimeCall::Stake(_) | RuntimeCall::Session(_)) || is_batch(call)
			}
		}
	}

	/// Whether everything that `other` admits is admitted: only such a proxy may name one of that type.
	fn is_superset(&self, other: &Self) -> bool {
		self == other
			|| matches!((self, other), (Self::Any, _) | (Self::NonTransfer, Self::CancelProxy))
	}
}

impl pallet_proxy::Config for Runtime {
	type RuntimeEvent = RuntimeEvent;
	type RuntimeCall = RuntimeCall;
	type Currency = Balances;
	type ProxyType = ProxyType;
	type ProxyDepositBase = ProxyDepositBase;
	type ProxyDepositFactor = ProxyDepositFactor;
	type MaxProxies = ConstU32<32>;
	type WeightInfo = pallet_proxy::weights::SubstrateWeight<Runtime>;
	type MaxPending = ConstU32<32>;
	type CallHasher = BlakeTwo256;
	type AnnouncementDepositBase = AnnouncementDepositBase;
	type AnnouncementDepositFactor = AnnouncementDepositFactor;
	type BlockNumberProvider = System;
}

impl pallet_multisig::Config for Runtime {
	type RuntimeEvent = RuntimeEvent;
	type RuntimeCall = RuntimeCall;
	type Currency = Balances;
	type DepositBase = MultisigDepositBase;
	type DepositFactor = MultisigDepositFactor;
	type MaxSignatories = ConstU32<100>;
	type WeightInfo = pallet_multisig::weights::SubstrateWeight<Runtime>;
	type BlockNumberProvider = System;
}

impl pallet_sudo::Config for Runtime {
	type RuntimeEvent = RuntimeEvent;
	type RuntimeCall = RuntimeCall;
	type WeightInfo = pallet_sudo::weights::SubstrateWeight<Runtime>;
}
