//! Whether an operational call can succeed, by itself or inside of others, as far as the chain's
//! records tell.
//!
//! Batches, proxies and other wrappers take over the class of what is in them, and with it the room
//! that is kept for providers and disputes. So what nothing can come of is refused inside of them
//! too.

use crate::{AccountId, Arbitration, Jobs, Multisig, Runtime, RuntimeCall};
use assay_market::{Hash, JobId};
use frame_support::{
	dispatch::{DispatchClass, GetDispatchInfo},
	traits::{Authorize, Get},
	weights::Weight,
};
use pallet_assay_jobs::ProviderCall;
use sp_runtime::traits::StaticLookup;

/// Calls that are looked at within one transaction at most, wrappers included. What comes after
/// them may succeed: whoever puts so many into one transaction pays for all of them.
const MOST_LOOKS: u32 = 16;

/// Whether the call is one that only an authorization admits: FRAME wants a weight of the
/// authorization of each call that has one, and gives none to any other.
pub fn is_for_verifiers(call: &impl Authorize) -> bool {
	call.weight_of_authorize() != Weight::zero()
}

/// What decides whether a call can succeed.
enum Subject {
	/// A provider's own job.
	Own(JobId, Hash, ProviderCall),
	/// A result that is disputed.
	Disputed(JobId, Hash),
	/// The key that may do anything.
	Root,
	/// No signed account may send it.
	Nobody,
}

impl Subject {
	/// `None` where the call itself has to tell.
	#[allow(clippy::collapsible_match)]
	fn of(call: &RuntimeCall) -> Option<Self> {
		use pallet_assay_arbitration::Call as Dispute;
		use pallet_assay_jobs::Call as Market;
		use pallet_utility::Call as Utility;
		Some(match call {
			call if is_for_verifiers(call) => Self::Nobody,
			RuntimeCall::Jobs(call) => match call {
				Market::commit_result { job, order, .. } => {
					Self::Own(*job, *order, ProviderCall::Commit)
				}
				Market::reveal_result { job, order, .. } => {
					Self::Own(*job, *order, ProviderCall::Reveal)
				}
				Market::give_back { job, order } => Self::Own(*job, *order, ProviderCall::GiveBack),
				_ => return None,
			},
			RuntimeCall::Arbitration(call) => match call {
				Dispute::demand { job, order, .. }
				| Dispute::answer { job, order, .. }
				| Dispute::commit_proof { job, order, .. }
				| Dispute::prove_fraud { job, order, .. }
				| Dispute::list_roots { job, order, .. } => Self::Disputed(*job, *order),
				_ => return None,
			},
			RuntimeCall::Sudo(_) => Self::Root,
			RuntimeCall::Utility(
				Utility::dispatch_as { .. }
				| Utility::dispatch_as_fallible { .. }
				| Utility::with_weight { .. },
			) => Self::Nobody,
			_ => return None,
		})
	}

	/// Whether a call about this can succeed.
	fn may_be_sent_by(&self, who: &AccountId) -> bool {
		match self {
			Self::Own(job, order, call) => Jobs::may_send(who, *job, order, *call),
			Self::Disputed(job, order) => Arbitration::is_disputable(*job, order),
			Self::Root => pallet_sudo::Key::<Runtime>::get().is_some_and(|key| key == *who),
			Self::Nobody => false,
		}
	}
}

/// A walk through a call and what is in it, in the order in which it would be carried out.
struct Walk<F> {
	/// Calls that may still be looked at.
	left: u32,
	/// Whether a call about this can succeed for an account.
	can: F,
}

impl<F: FnMut(&AccountId, &Subject) -> bool> Walk<F> {
	/// Whether anything that this call does can succeed.
	fn may_succeed(&mut self, who: &AccountId, call: &RuntimeCall) -> bool {
		use pallet_proxy::Call as Proxy;
		use pallet_utility::Call as Utility;
		let Some(left) = self.left.checked_sub(1) else { return true };
		self.left = left;
		match call {
			// Nothing comes after the first call that fails.
			RuntimeCall::Utility(Utility::batch { calls } | Utility::batch_all { calls }) => {
				calls.first().is_none_or(|call| self.may_succeed(who, call))
			}
			RuntimeCall::Utility(Utility::force_batch { calls }) => {
				calls.is_empty() || calls.iter().any(|call| self.may_succeed(who, call))
			}
			RuntimeCall::Utility(Utility::if_else { main, fallback }) => {
				self.may_succeed(who, main) || self.may_succeed(who, fallback)
			}
			RuntimeCall::Utility(Utility::as_derivative { index, call }) => {
				self.may_succeed(&pallet_utility::derivative_account_id(who.clone(), *index), call)
			}
			RuntimeCall::Proxy(
				Proxy::proxy { real, call, .. } | Proxy::proxy_announced { real, call, .. },
			) => match <Runtime as frame_system::Config>::Lookup::lookup(real.clone()) {
				Ok(real) => self.may_succeed(&real, call),
				Err(_) => false,
			},
			RuntimeCall::Multisig(pallet_multisig::Call::as_multi_threshold_1 {
				other_signatories,
				call,
			}) => {
				let most: u32 = <Runtime as pallet_multisig::Config>::MaxSignatories::get();
				if other_signatories.len() >= most as usize {
					return false;
				}
				let mut all = other_signatories.clone();
				all.push(who.clone());
				all.sort();
				self.may_succeed(&Multisig::multi_account_id(&all, 1), call)
			}
			call => Subject::of(call).is_none_or(|subject| (self.can)(who, &subject)),
		}
	}
}

/// Whether the call is of the operational class and sure to fail.
pub fn is_hopeless(who: &AccountId, class: DispatchClass, call: &RuntimeCall) -> bool {
	let can = |who: &AccountId, subject: &Subject| subject.may_be_sent_by(who);
	class == DispatchClass::Operational && !Walk { left: MOST_LOOKS, can }.may_succeed(who, call)
}

/// Records that [`is_hopeless`] reads at most.
pub fn looks(call: &RuntimeCall) -> u64 {
	if call.get_dispatch_info().class != DispatchClass::Operational {
		return 0;
	}
	let mut looks = 0;
	let can = |_: &AccountId, subject: &Subject| {
		looks += u64::from(!matches!(subject, Subject::Nobody));
		false
	};
	// Whoever it is: every record is counted as one that says no.
	let _ = Walk { left: MOST_LOOKS, can }.may_succeed(&AccountId::new([0; 32]), call);
	looks
}
