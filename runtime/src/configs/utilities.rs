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
#[derive(
	Copy,
	Clone,
	Default,
	Eq,
	PartialEq,
	Ord,
	PartialOrd,
	Encode,
	Decode,
	DecodeWithMemTracking,
	Debug,
	MaxEncodedLen,
	TypeInfo,
)]
pub enum ProxyType {
	/// Everything.
	#[default]
	Any,
	/// Everything but moving money to somebody else.
	NonTransfer,
	/// Rejecting announced calls of other proxies.
	CancelProxy,
	/// Taking part in the market: jobs, programs and the account's identity.
	JobsOnly,
	/// Bonding, validating and setting session keys.
	StakeOnly,
}

impl InstanceFilter<RuntimeCall> for ProxyType {
	fn filter(&self, call: &RuntimeCall) -> bool {
		match self {
			Self::Any => true,
			Self::NonTransfer => !matches!(call, RuntimeCall::Balances(_) | RuntimeCall::Sudo(_)),
			Self::CancelProxy => matches!(
				call,
				RuntimeCall::Proxy(pallet_proxy::Call::reject_announcement { .. })
					| RuntimeCall::Utility(_)
					| RuntimeCall::Multisig(_)
			),
			Self::JobsOnly => matches!(
				call,
				RuntimeCall::Jobs(_)
					| RuntimeCall::Programs(_)
					| RuntimeCall::Identity(_)
					| RuntimeCall::Utility(_)
			),
			Self::StakeOnly => matches!(
				call,
				RuntimeCall::Stake(_) | RuntimeCall::Session(_) | RuntimeCall::Utility(_)
			),
		}
	}

	fn is_superset(&self, other: &Self) -> bool {
		self == other
			|| match (self, other) {
				(Self::Any, _) => true,
				(_, Self::Any) => false,
				(Self::NonTransfer, _) => true,
				_ => false,
			}
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
