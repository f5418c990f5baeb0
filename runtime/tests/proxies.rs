//! What proxies of each type may do, tried with every call of the runtime.

mod chain;
mod walk;

use assay_runtime::{
	configs::utilities::ProxyType, Balances, Runtime, RuntimeCall, RuntimeEvent, RuntimeOrigin,
	Session, System,
};
use chain::{build_block, open_block, signed, with_preset, Claim};
use frame_support::traits::{fungible::Inspect as _, InstanceFilter};
use pallet_assay_stake::Ledgers;
use sp_keyring::Sr25519Keyring::{Bob, Eve};
use sp_runtime::{traits::Dispatchable, DispatchError};
use std::collections::BTreeSet;
use walk::all_calls;

const TYPES: [ProxyType; 5] = [
	ProxyType::Any,
	ProxyType::NonTransfer,
	ProxyType::CancelProxy,
	ProxyType::JobsOnly,
	ProxyType::StakeOnly,
];

/// Several calls at once: each of them is held against the list too.
const BATCHES: [&str; 4] =
	["Utility.batch", "Utility.batch_all", "Utility.force_batch", "Utility.if_else"];

/// All that a `NonTransfer` proxy may do besides.
const TAKES_NOTHING: [&str; 14] = [
	"System.remark",
	"System.remark_with_event",
	"Proxy.reject_announcement",
	"Stake.unbond",
	"Stake.withdraw",
	"Stake.chill",
	"Session.purge_keys",
	"Identity.update",
	"Programs.remove_program",
	"Jobs.poke",
	"Arbitration.answer",
	"Arbitration.prove_fraud",
	"Arbitration.poke",
	"Decoys.discard",
];

fn admitted(proxy: ProxyType, seed: u64) -> BTreeSet<String> {
	let mut names = BTreeSet::new();
	for known in all_calls(seed) {
		let admits: BTreeSet<bool> = known.calls.iter().map(|call| proxy.filter(call)).collect();
		assert_eq!(admits.len(), 1, "{proxy:?}: {} by its arguments", known.name);
		if admits.contains(&true) {
			names.insert(known.name);
		}
	}
	names
}

#[test]
fn proxy_should_be_held_to_the_list_of_its_type_when_any_call_is_made() {
	let all: BTreeSet<String> = all_calls(1).into_iter().map(|known| known.name).collect();
	let of = |pallets: &[&str]| -> BTreeSet<String> {
		let ours = |name: &&String| pallets.contains(&name.split('.').next().unwrap_or_default());
		all.iter().filter(ours).cloned().chain(BATCHES.map(String::from)).collect()
	};
	let named = |names: &[&str]| -> BTreeSet<String> {
		names.iter().map(|name| name.to_string()).chain(BATCHES.map(String::from)).collect()
	};
	assert_eq!(admitted(ProxyType::Any, 1), all);
	assert_eq!(admitted(ProxyType::NonTransfer, 1), named(&TAKES_NOTHING));
	assert_eq!(admitted(ProxyType::CancelProxy, 1), named(&["Proxy.reject_announcement"]));
	let market = of(&["Jobs", "Arbitration", "Programs", "Identity"]);
	assert_eq!(admitted(ProxyType::JobsOnly, 1), market);
	assert_eq!(admitted(ProxyType::StakeOnly, 1), of(&["Stake", "Session"]));
}

/// Only a proxy that admits everything that another one admits may name it.
#[test]
fn proxy_should_not_name_another_when_that_may_do_more() {
	let lists: Vec<_> = TYPES.iter().map(|proxy| (*proxy, admitted(*proxy, 2))).collect();
	for (one, ones) in &lists {
		for (other, others) in &lists {
			if one.is_superset(other) {
				assert!(ones.is_superset(others), "{one:?} names {other:?}");
			}
		}
		assert!(ProxyType::Any.is_superset(one) && one.is_superset(one));
		assert!(*one == ProxyType::Any || !one.is_superset(&ProxyType::Any));
	}
}

/// What an account has, and what of it can be lost.
#[derive(Debug, PartialEq, Eq)]
struct Belongings {
	total: u128,
	held: u128,
	active: u128,
	/// Of the stake, what is held for jobs.
	jobs: u128,
	keys: Option<assay_runtime::SessionKeys>,
	proxies: usize,
}

fn belongings() -> Belongings {
	let bob = Bob.to_account_id();
	let ledger = Ledgers::<Runtime>::get(&bob).expect("Bob is a validator");
	let account = frame_system::Account::<Runtime>::get(&bob);
	Belongings {
		total: Balances::total_balance(&bob),
		held: account.data.reserved,
		active: ledger.active,
		jobs: ledger.held,
		keys: Session::load_keys(&bob),
		proxies: pallet_proxy::Proxies::<Runtime>::get(&bob).0.len(),
	}
}

/// What became of the last proxied call.
fn executed() -> Result<(), DispatchError> {
	System::events()
		.into_iter()
		.rev()
		.find_map(|record| match record.event {
			RuntimeEvent::Proxy(pallet_proxy::Event::ProxyExecuted { result }) => Some(result),
			_ => None,
		})
		.expect("it was executed")
}

/// M5: a `NonTransfer` proxy posted jobs at any price, funded decoys, opened lanes and bonded. No
/// call takes anything from the account now, alone or inside of another one.
#[test]
fn account_should_lose_nothing_when_its_non_transfer_proxy_tries_every_call() {
	let seed = std::env::var("SEED").map_or(7, |seed| seed.parse().expect("SEED is a number"));
	println!("SEED={seed}");
	with_preset("four_validators", || {
		let proxy = RuntimeCall::Proxy(pallet_proxy::Call::add_proxy {
			delegate: Eve.to_account_id().into(),
			proxy_type: ProxyType::NonTransfer,
			delay: 0,
		});
		assert_eq!(build_block(Claim::Plain, vec![signed(Bob, 0, proxy)]), [Ok(Ok(()))]);
		open_block(Claim::Plain);
		let before = belongings();
		let (mut done, mut refused) = (BTreeSet::new(), BTreeSet::new());
		for known in all_calls(seed).into_iter().chain(all_calls(seed.wrapping_add(1))) {
			let allowed = TAKES_NOTHING.contains(&&*known.name) || BATCHES.contains(&&*known.name);
			for call in known.calls {
				use pallet_utility::Call as Utility;
				let one = || vec![call.clone()];
				let boxed = || Box::new(call.clone());
				let wrapped = [
					call.clone(),
					RuntimeCall::Utility(Utility::batch_all { calls: one() }),
					RuntimeCall::Utility(Utility::batch { calls: one() }),
					RuntimeCall::Utility(Utility::force_batch { calls: one() }),
					RuntimeCall::Utility(Utility::if_else { main: boxed(), fallback: boxed() }),
					RuntimeCall::Utility(Utility::as_derivative { index: 0, call: boxed() }),
					RuntimeCall::Proxy(pallet_proxy::Call::proxy {
						real: Bob.to_account_id().into(),
						force_proxy_type: None,
						call: boxed(),
					}),
				];
				for (at, inner) in wrapped.into_iter().enumerate() {
					sp_io::storage::start_transaction();
					let outer = RuntimeCall::Proxy(pallet_proxy::Call::proxy {
						real: Bob.to_account_id().into(),
						force_proxy_type: None,
						call: Box::new(inner),
					});
					// Not as a transaction: what cannot succeed would be refused before the list is
					// asked.
					if outer.dispatch(RuntimeOrigin::signed(Eve.to_account_id())).is_ok() {
						let after = belongings();
						let shown = format!("{} ({at}): {call:?}: {after:?}", known.name);
						assert!(after.total >= before.total, "{shown}");
						assert!(after.held <= before.held, "{shown}");
						assert!(after.active <= before.active, "{shown}");
						assert!(after.jobs <= before.jobs, "{shown}");
						assert!(after.keys.is_none() || after.keys == before.keys, "{shown}");
						assert_eq!(after.proxies, before.proxies, "{shown}");
						let executed = executed();
						if at <= 1 && !allowed {
							let filtered = frame_system::Error::<Runtime>::CallFiltered.into();
							assert_eq!(executed, Err(filtered), "{shown}");
							refused.insert(known.name.clone());
						} else if at == 0 && executed.is_ok() {
							done.insert(known.name.clone());
						}
					}
					sp_io::storage::rollback_transaction();
				}
			}
		}
		println!("{} calls were refused; these were done: {done:?}", refused.len());
		for call in ["Jobs.post_job", "Decoys.fund", "Arbitration.demand", "Stake.bond"] {
			assert!(refused.contains(call), "{call}");
		}
		assert!(done.contains("Stake.chill") && done.contains("System.remark"), "{done:?}");
	});
}
