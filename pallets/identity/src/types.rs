//! What the identity pallet stores.

use crate::pallet::Config;
use assay_market::Outcome;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{
	traits::{fungible::Inspect, ConstU32},
	BoundedVec, CloneNoBound, DebugNoBound, EqNoBound, PartialEqNoBound,
};
use frame_system::pallet_prelude::BlockNumberFor;
use scale_info::TypeInfo;
use sp_core::ed25519;

/// Longest adapter name in bytes.
pub const MAX_ADAPTER_NAME: u32 = 64;

/// The chain's balance type, in its smallest unit.
pub type BalanceOf<T> =
	<<T as Config>::Currency as Inspect<<T as frame_system::Config>::AccountId>>::Balance;

/// The parts that an account takes in the market. Any combination but the empty one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Roles {
	/// Posts jobs and pays for them.
	pub requester: bool,
	/// Claims jobs and runs them. Needs a device profile.
	pub provider: bool,
	/// Replays jobs that it is drawn for. Needs a bond and session keys besides.
	pub verifier: bool,
}

impl Roles {
	/// Whether no role is set.
	pub fn is_empty(&self) -> bool {
		!(self.requester || self.provider || self.verifier)
	}
}

/// The interface through which a device is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub enum Backend {
	/// The CPU engine, without any adapter.
	#[codec(index = 0)]
	Cpu,
	/// wgpu through Vulkan.
	#[codec(index = 1)]
	Vulkan,
	/// wgpu through Metal.
	#[codec(index = 2)]
	Metal,
	/// wgpu through Direct3D 12.
	#[codec(index = 3)]
	Dx12,
	/// wgpu through OpenGL.
	#[codec(index = 4)]
	OpenGl,
	/// Anything else.
	#[codec(index = 5)]
	Other,
}

/// What an account says about its device. Not checked by the chain: it helps to judge whether an
/// account can finish a job in time, and a false one costs reputation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct DeviceProfile {
	/// Name of the adapter as its driver gives it: UTF-8 without control characters.
	pub adapter: BoundedVec<u8, ConstU32<MAX_ADAPTER_NAME>>,
	/// How the adapter is used.
	pub backend: Backend,
	/// Memory of the device in MiB.
	pub memory_mib: u32,
	/// Measured work units per second.
	pub units_per_second: u64,
}

impl DeviceProfile {
	/// Whether the name is readable and the numbers are positive.
	pub fn is_valid(&self) -> bool {
		let readable = core::str::from_utf8(&self.adapter)
			.is_ok_and(|name| !name.is_empty() && !name.chars().any(char::is_control));
		readable && self.memory_mib > 0 && self.units_per_second > 0
	}
}

/// A registered identity.
#[derive(
	CloneNoBound,
	DebugNoBound,
	PartialEqNoBound,
	EqNoBound,
	Encode,
	Decode,
	MaxEncodedLen,
	TypeInfo
)]
#[scale_info(skip_type_params(T))]
pub struct IdentityInfo<T: Config> {
	/// The parts that the account takes.
	pub roles: Roles,
	/// Its device, if it computes.
	pub device: Option<DeviceProfile>,
	/// The key of its node in the peer-to-peer network.
	pub peer_key: ed25519::Public,
	/// When it registered.
	pub registered_at: BlockNumberFor<T>,
	/// What is held for the registration.
	pub deposit: BalanceOf<T>,
}

macro_rules! reputation {
	($( $(#[$doc:meta])* $field:ident: $outcome:ident ),+ $(,)?) => {
		/// How often each outcome was noted for an account. Counters stop at their largest value.
		/// They outlive the registration: an account that comes back has its old reputation.
		#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
		#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
		pub struct Reputation {
			$( $(#[$doc])* pub $field: u32, )+
		}

		impl Reputation {
			/// Count one outcome more.
			pub fn note(&mut self, outcome: Outcome) {
				let counter = match outcome {
					$( Outcome::$outcome => &mut self.$field, )+
				};
				*counter = counter.saturating_add(1);
			}

			/// The count of one outcome.
			pub fn count(&self, outcome: Outcome) -> u32 {
				match outcome {
					$( Outcome::$outcome => self.$field, )+
				}
			}
		}

		/// Every outcome, for tests.
		#[cfg(test)]
		pub(crate) const OUTCOMES: &[Outcome] = &[ $( Outcome::$outcome ),+ ];
	};
}

reputation! {
	/// As provider: results that stood and were paid.
	provider_paid: ProviderPaid,
	/// As provider: claims after which nothing came.
	provider_stalled: ProviderStalled,
	/// As provider: results on which no verdict was reached.
	provider_inconclusive: ProviderInconclusive,
	/// As provider: results that were withheld or proved wrong.
	provider_fraud: ProviderFraud,
	/// As provider: claims that were given back.
	provider_gave_back: ProviderGaveBack,
	/// As provider: results whose outputs could not be had.
	provider_undelivered: ProviderUndelivered,
	/// As requester: jobs carried to payment.
	requester_paid: RequesterPaid,
	/// As requester: jobs cancelled after a provider had begun.
	requester_cancelled: RequesterCancelled,
	/// As requester: jobs whose inputs could not be found.
	requester_inputs_unavailable: RequesterInputsUnavailable,
	/// As verifier: inputs attested in time.
	verifier_attested: VerifierAttested,
	/// As verifier: verdicts that matched the result that stood.
	verifier_matched: VerifierMatched,
	/// As verifier: verdicts that differed without a proof.
	verifier_mismatched: VerifierMismatched,
	/// As verifier: draws answered with an abstention.
	verifier_abstained: VerifierAbstained,
	/// As verifier: draws that were not answered.
	verifier_no_show: VerifierNoShow,
	/// As verifier: committed verdicts that were never opened.
	verifier_unrevealed: VerifierUnrevealed,
	/// As verifier: outputs kept and served.
	verifier_kept: VerifierKept,
}
