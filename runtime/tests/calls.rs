//! What each call of the runtime costs, from each origin: nothing that anybody may send without paying
//! for it gets into a block.
//!
//! The calls come from the runtime's own types, so that a new one is in here before anybody thinks of it.

mod chain;
mod walk;

use assay_runtime::{
	configs::system::{tx_extension, MAXIMUM_BLOCK_WEIGHT, OPERATIONAL_DISPATCH_RATIO},
	constants::currency::{MILLI, UNIT},
	extensions::CANNOT_SUCCEED,
	prospects::is_for_verifiers,
	Balances, Executive, OriginCaller, Runtime, RuntimeCall, RuntimeEvent, SignedPayload, System,
	UncheckedExtrinsic,
};
use chain::{build_block, open_block, signed, with_preset, Claim};
use codec::Encode;
use frame_support::{
	dispatch::{DispatchClass, GetDispatchInfo, Pays},
	traits::{fungible::Inspect as _, Authorize},
};
use frame_system::offchain::CreateAuthorizedTransaction;
use sp_keyring::Sr25519Keyring::{self, Alice, Bob, Charlie, Eve, Ferdie, One};
use sp_runtime::{
	generic::Era,
	traits::Dispatchable,
	traits::One as _,
	transaction_validity::{InvalidTransaction, TransactionSource, TransactionValidityError},
	FixedU128, MultiSignature,
};
use std::collections::{BTreeMap, BTreeSet};
use walk::all_calls;

const PRESET: &str = "four_validators";

/// Calls that cost nothing once they have succeeded, and why nobody can do that again and again. Whatever
/// fails is paid for; what they take of a block before, they take once.
const FREE: &[(&str, &str)] = &[
	("Arbitration.answer", "takes the demand away that it answers; whoever makes one pays for it"),
	("Arbitration.list_roots", "the same, and only for the provider of the result"),
	(
		"Arbitration.prove_fraud",
		"condemns the result, which nobody can do twice; parts before are paid",
	),
	(
		"Arbitration.poke",
		"closes a lane, which was paid for when it was opened, or condemns a result",
	),
	("Jobs.poke", "ends a phase of a job or prunes it, each once; whoever posts a job pays for it"),
	(
		"Babe.report_equivocation",
		"takes a proof that a validator has signed two blocks; a second is refused",
	),
	(
		"Babe.report_equivocation_unsigned",
		"the same; taken from a node's own pool and from blocks alone",
	),
	(
		"Grandpa.report_equivocation",
		"takes a proof that a validator has voted twice; a second is refused",
	),
	(
		"Grandpa.report_equivocation_unsigned",
		"the same; taken from a node's own pool and from blocks alone",
	),
	("Balances.upgrade_accounts", "only for accounts of a layout that this chain has never had"),
	("Multisig.poke_deposit", "only after an upgrade that changes deposits, once for each deposit"),
	("Proxy.poke_deposit", "only after an upgrade that changes deposits, once for each account"),
	("Sudo.sudo", "the key's owner is root: it can stop the chain in shorter ways"),
	("Sudo.sudo_unchecked_weight", "the same"),
	("Sudo.sudo_as", "the same"),
	("Sudo.set_key", "the same"),
	("Sudo.remove_key", "the same, and once"),
	("System.apply_authorized_upgrade", "uses up an authorization by root"),
];

/// Root can break the state, and the test with it, by these.
const DESTRUCTIVE: &[&str] = &[
	"System.kill_storage",
	"System.kill_prefix",
	"System.set_storage",
	// These ask the node's executor for the version of a blob; there is none here.
	"System.set_code",
	"System.set_code_without_checks",
	"System.apply_authorized_upgrade",
];

/// What became of a transaction.
#[derive(Clone, Debug)]
enum Fate {
	/// No pool takes it and no block has room for it.
	Refused(TransactionValidityError),
	/// It was in a block, took so much of it in picoseconds, and its sender paid so much.
	Included { took: u64, paid: u128, succeeded: bool },
}

impl Fate {
	/// Whether the sender has paid for what it took of the block.
	fn is_paid(&self) -> bool {
		match self {
			Self::Refused(_) => true,
			Self::Included { took, paid, .. } => *paid >= u128::from(*took),
		}
	}

	fn told(&self) -> String {
		match self {
			Self::Refused(TransactionValidityError::Invalid(why)) => format!("refused: {why:?}"),
			Self::Refused(why) => format!("refused: {why:?}"),
			Self::Included { took, paid, succeeded } => {
				let (took, paid) = (*took as f64 / 1e9, *paid as f64 / MILLI as f64);
				format!("{paid:.3} mASY for {took:.3} ms{}", if *succeeded { ", done" } else { "" })
			}
		}
	}
}

/// Runs something and forgets what it did.
fn on_a_fork<R>(run: impl FnOnce() -> R) -> R {
	sp_io::storage::start_transaction();
	let result = run();
	sp_io::storage::rollback_transaction();
	result
}

/// Whether a pool takes the transaction.
fn pooled(transaction: &UncheckedExtrinsic) -> Result<u64, TransactionValidityError> {
	on_a_fork(|| {
		let (source, at) = (TransactionSource::External, System::block_hash(0));
		Executive::validate_transaction(source, transaction.clone(), at).map(|v| v.priority)
	})
}

/// Sends a transaction to a pool, and then into the block that is open; all of it is undone again.
fn fate(transaction: UncheckedExtrinsic) -> Fate {
	if let Err(refused) = pooled(&transaction) {
		return Fate::Refused(refused);
	}
	included(transaction)
}

/// The same for an author who takes what no pool has.
fn included(transaction: UncheckedExtrinsic) -> Fate {
	on_a_fork(|| {
		let used = || System::block_weight().total().ref_time();
		let (before, events) = (used(), System::events().len());
		let outcome = match Executive::apply_extrinsic(transaction) {
			Ok(outcome) => outcome,
			Err(refused) => return Fate::Refused(refused),
		};
		let paid = System::events()[events..]
			.iter()
			.filter_map(|record| match &record.event {
				RuntimeEvent::TransactionPayment(
					pallet_transaction_payment::Event::TransactionFeePaid { actual_fee, .. },
				) => Some(*actual_fee),
				_ => None,
			})
			.sum();
		Fate::Included { took: used() - before, paid, succeeded: outcome.is_ok() }
	})
}

fn authorized(call: RuntimeCall) -> UncheckedExtrinsic {
	UncheckedExtrinsic::new_transaction(
		call,
		<Runtime as CreateAuthorizedTransaction<pallet_assay_jobs::Call<Runtime>>>::create_extension(),
	)
}

/// The call inside of another one, which somebody with money signs.
fn wrappings(call: &RuntimeCall) -> Vec<(&'static str, RuntimeCall)> {
	use pallet_utility::Call as Utility;
	let boxed = || Box::new(call.clone());
	let one = || vec![call.clone()];
	let utility = RuntimeCall::Utility;
	let eve =
		|| Box::new(OriginCaller::system(frame_system::RawOrigin::Signed(Eve.to_account_id())));
	let real = || Bob.to_account_id().into();
	vec![
		("batch", utility(Utility::batch { calls: one() })),
		("batch_all", utility(Utility::batch_all { calls: one() })),
		("force_batch", utility(Utility::force_batch { calls: one() })),
		("batch of 3", utility(Utility::batch { calls: vec![call.clone(); 3] })),
		("if_else", utility(Utility::if_else { main: boxed(), fallback: boxed() })),
		("as_derivative", utility(Utility::as_derivative { index: 0, call: boxed() })),
		("dispatch_as", utility(Utility::dispatch_as { as_origin: eve(), call: boxed() })),
		(
			"dispatch_as_fallible",
			utility(Utility::dispatch_as_fallible { as_origin: eve(), call: boxed() }),
		),
		(
			"with_weight",
			utility(Utility::with_weight { call: boxed(), weight: Default::default() }),
		),
		(
			"proxy",
			RuntimeCall::Proxy(pallet_proxy::Call::proxy {
				real: real(),
				force_proxy_type: None,
				call: boxed(),
			}),
		),
		(
			"multisig of one",
			RuntimeCall::Multisig(pallet_multisig::Call::as_multi_threshold_1 {
				other_signatories: vec![One.to_account_id()],
				call: boxed(),
			}),
		),
		("sudo of another", RuntimeCall::Sudo(pallet_sudo::Call::sudo { call: boxed() })),
	]
}

/// A chain in whose open block everything is tried. Eve has money, and is Bob's proxy; `One` has nothing.
fn prepared(test: impl FnOnce()) {
	with_preset(PRESET, || {
		let proxy = RuntimeCall::Proxy(pallet_proxy::Call::add_proxy {
			delegate: Eve.to_account_id().into(),
			proxy_type: Default::default(),
			delay: 0,
		});
		assert_eq!(build_block(Claim::Plain, vec![signed(Bob, 0, proxy)]), [Ok(Ok(()))]);
		open_block(Claim::Plain);
		// Empty blocks make fees fall; what a block is worth is told without that.
		pallet_transaction_payment::NextFeeMultiplier::<Runtime>::put(FixedU128::one());
		test();
	});
}

fn seed() -> u64 {
	let seed = match std::env::var("SEED") {
		Ok(seed) => seed.parse().expect("SEED is a number"),
		Err(_) => std::time::SystemTime::now()
			.duration_since(std::time::UNIX_EPOCH)
			.expect("after 1970")
			.as_nanos() as u64,
	};
	println!("SEED={seed}");
	seed
}

#[test]
fn call_should_say_that_it_pays_whatever_its_arguments_are() {
	let seed = seed();
	let all = all_calls(seed);
	let pallets: BTreeSet<_> = all.iter().map(|known| known.name.split('.').next()).collect();
	assert_eq!(pallets.len(), walk::pallets_with_calls());
	assert!(all.len() > 90, "{} calls", all.len());
	for known in &all {
		for call in &known.calls {
			let info = call.get_dispatch_info();
			assert_eq!(
				info.pays_fee,
				Pays::Yes,
				"{}: free before it has done anything",
				known.name
			);
		}
	}
}

/// The extension tells the calls for verifiers by the weight of their authorization: that must be what they
/// are, and all that they are.
#[test]
fn call_should_be_for_verifiers_exactly_when_it_is_authorized_and_nobody_can_sign_it() {
	prepared(|| {
		let mut found = BTreeSet::new();
		for known in all_calls(seed()) {
			for call in known.calls {
				let authorizes =
					on_a_fork(|| call.authorize(TransactionSource::External).is_some());
				assert_eq!(is_for_verifiers(&call), authorizes, "{}", known.name);
				if !authorizes {
					continue;
				}
				found.insert(known.name.clone());
				let origins = [
					frame_system::RawOrigin::Signed(Eve.to_account_id()),
					frame_system::RawOrigin::Root,
					frame_system::RawOrigin::None,
				];
				for origin in origins {
					let outcome = on_a_fork(|| call.clone().dispatch(origin.into()));
					let error = outcome.expect_err("nobody may").error;
					assert_eq!(error, sp_runtime::DispatchError::BadOrigin, "{}", known.name);
				}
			}
		}
		println!("for verifiers: {found:?}");
		assert!(found.contains("Arbitration.move_as_verifier") && found.len() >= 6, "{found:?}");
	});
}

/// The table: every call from every origin.
#[test]
fn call_should_be_refused_or_paid_for_whoever_sends_it() {
	prepared(|| {
		let free: BTreeMap<_, _> = FREE.iter().copied().collect();
		println!("| call | without money | with money | unsigned | garbage authorization | sudo |");
		println!("|---|---|---|---|---|---|");
		for known in all_calls(seed()) {
			let mut row = Vec::new();
			for (at, call) in known.calls.iter().enumerate() {
				let name = &known.name;
				let poor = fate(signed(One, 0, call.clone()));
				assert!(matches!(poor, Fate::Refused(_)), "{name} {call:?}: {}", poor.told());

				let rich = fate(signed(Eve, 0, call.clone()));
				let excused = |fate: &Fate| {
					matches!(fate, Fate::Included { succeeded: true, .. })
						&& free.contains_key(&**name)
				};
				assert!(rich.is_paid() || excused(&rich), "{name} {call:?}: {}", rich.told());
				if is_for_verifiers(call) {
					let refused = InvalidTransaction::Call.into();
					assert!(matches!(&rich, Fate::Refused(why) if *why == refused), "{name}");
					// Nor by the author of a block.
					let forced = included(signed(Eve, 0, call.clone()));
					assert!(matches!(&forced, Fate::Refused(why) if *why == refused), "{name}");
					let bare = included(UncheckedExtrinsic::new_bare(call.clone()));
					assert!(matches!(&bare, Fate::Refused(why) if *why == refused), "{name}");
				}

				let bare = fate(UncheckedExtrinsic::new_bare(call.clone()));
				assert!(matches!(bare, Fate::Refused(_)), "{name} {call:?}: {}", bare.told());

				let general = fate(authorized(call.clone()));
				assert!(matches!(general, Fate::Refused(_)), "{name} {call:?}: {}", general.told());
				let general_forced = included(authorized(call.clone()));
				assert!(matches!(general_forced, Fate::Refused(_)), "{name} {call:?}");

				let sudo = if DESTRUCTIVE.contains(&&**name) {
					"not tried".into()
				} else {
					let sudo = pallet_sudo::Call::sudo { call: Box::new(call.clone()) };
					let fate = fate(signed(Alice, 0, RuntimeCall::Sudo(sudo)));
					// Only ever free to the owner of the key.
					fate.told()
				};
				if at == 0 {
					row = vec![poor.told(), rich.told(), bare.told(), general.told(), sudo];
				}
			}
			println!("| {} | {} |", known.name, row.join(" | "));
		}
		println!();
		for (name, why) in FREE {
			println!("{name} is free once it has succeeded: {why}");
		}
	});
}

#[test]
fn call_should_be_paid_for_when_it_is_inside_of_another() {
	prepared(|| {
		let (mut tried, mut dearest) = (0, 0);
		for known in all_calls(seed()) {
			let first = known.calls.first().into_iter();
			for call in first.chain(known.calls.last()) {
				for (wrapping, wrapped) in wrappings(call) {
					let outcome = fate(signed(Eve, 0, wrapped));
					tried += 1;
					if let Fate::Included { took, .. } = outcome {
						dearest = dearest.max(took);
					}
					// Signed by nobody's sudo key, so that nothing in here is free at all.
					assert!(
						outcome.is_paid(),
						"{} in {wrapping}: {} ({call:?})",
						known.name,
						outcome.told()
					);
				}
			}
		}
		println!(
			"{tried} wrapped calls, all paid; the dearest took {} ms",
			dearest / 1_000_000_000
		);
	});
}

/// About a result that nobody has disputed: it cannot succeed.
fn hopeless() -> RuntimeCall {
	RuntimeCall::Arbitration(pallet_assay_arbitration::Call::commit_proof {
		job: 0,
		order: [0; 32],
		commitment: [0; 32],
	})
}

/// Operational, and no record tells whether it can succeed.
fn untold() -> RuntimeCall {
	RuntimeCall::System(frame_system::Call::set_heap_pages { pages: 1 })
}

fn force_batch(calls: Vec<RuntimeCall>) -> RuntimeCall {
	RuntimeCall::Utility(pallet_utility::Call::force_batch { calls })
}

/// L3: what takes over the operational class from the calls in it is looked into.
#[test]
fn call_should_be_refused_when_nothing_in_it_can_succeed() {
	use pallet_utility::Call as Utility;
	let refused = || InvalidTransaction::Custom(CANNOT_SUCCEED).into();
	let pooled = |call| pooled(&signed(Eve, 0, call)).map(|_| ());
	prepared(|| {
		for (wrapping, call) in wrappings(&hopeless()).into_iter().chain(wrappings(&junk(0, 0))) {
			assert_eq!(pooled(call.clone()), Err(refused()), "{wrapping}");
			// Nor by the author of a block.
			let forced = included(signed(Eve, 0, call.clone()));
			assert!(matches!(&forced, Fate::Refused(why) if *why == refused()), "{wrapping}");
			for (outer, call) in wrappings(&call) {
				assert_eq!(pooled(call), Err(refused()), "{wrapping} in {outer}");
			}
		}
		// After the first that fails nothing of a batch is carried out; what comes before may be.
		let orders = [vec![hopeless(), untold()], vec![untold(), hopeless()]];
		for (calls, expected) in orders.into_iter().zip([Err(refused()), Ok(())]) {
			for batch in [Utility::batch { calls: calls.clone() }, Utility::batch_all { calls }] {
				assert_eq!(pooled(RuntimeCall::Utility(batch)), expected);
			}
		}
		assert_eq!(pooled(force_batch(vec![hopeless(), untold()])), Ok(()));
		// It takes no room that is kept where an ordinary call is in it too.
		let remark = RuntimeCall::System(frame_system::Call::remark { remark: vec![] });
		assert_eq!(pooled(force_batch(vec![hopeless(), remark])), Ok(()));
	});
}

#[test]
fn look_into_a_call_should_be_bounded_and_weighed() {
	use assay_runtime::prospects::{is_hopeless, looks};
	prepared(|| {
		let (eve, class) = (Eve.to_account_id(), DispatchClass::Operational);
		// The batch is one of sixteen.
		for (calls, expected) in [(1, true), (15, true), (16, false), (10_000, false)] {
			let call = force_batch(vec![hopeless(); calls]);
			assert_eq!(is_hopeless(&eve, class, &call), expected, "{calls}");
			assert_eq!(looks(&call), calls.min(15) as u64);
		}
		let nested = |depth| {
			(0..depth).fold(hopeless(), |call, _| {
				RuntimeCall::Utility(pallet_utility::Call::as_derivative {
					index: 0,
					call: Box::new(call),
				})
			})
		};
		for (depth, expected) in [(0, true), (15, true), (16, false), (100, false)] {
			assert_eq!(is_hopeless(&eve, class, &nested(depth)), expected, "{depth} deep");
			assert_eq!(looks(&nested(depth)), u64::from(expected));
		}
		assert_eq!(looks(&RuntimeCall::System(frame_system::Call::remark { remark: vec![] })), 0);
	});
}

/// The named list is what the sources say: a call that is made free must be put there, with a reason.
#[test]
fn free_calls_should_be_the_named_ones_when_the_sources_are_read() {
	let pallets = concat!(env!("CARGO_MANIFEST_DIR"), "/../pallets");
	let mut found = BTreeSet::new();
	let mut folders = vec![std::path::PathBuf::from(pallets)];
	while let Some(folder) = folders.pop() {
		for entry in std::fs::read_dir(&folder).expect("the sources are here") {
			let path = entry.expect("readable").path();
			let name = path.file_name().expect("has one").to_string_lossy().into_owned();
			if path.is_dir() {
				if !["tests", "target"].contains(&&*name) {
					folders.push(path);
				}
				continue;
			}
			if !name.ends_with(".rs") || name == "mock.rs" || name.starts_with("bench") {
				continue;
			}
			let text = std::fs::read_to_string(&path).expect("text");
			let text: String = text
				.lines()
				.filter(|line| !line.trim_start().starts_with("//"))
				.collect::<Vec<_>>()
				.join("\n");
			for part in text.split("pub fn ").skip(1).filter(|part| part.contains("Pays::No")) {
				let call = part.split('(').next().expect("a name");
				let pallet = path
					.strip_prefix(pallets)
					.expect("within")
					.iter()
					.next()
					.expect("a folder")
					.to_string_lossy();
				let (first, rest) = pallet.split_at(1);
				found.insert(format!("{}{rest}.{call}", first.to_uppercase()));
			}
		}
	}
	let ours = ["Arbitration.", "Jobs.", "Stake.", "Identity.", "Programs.", "Decoys."];
	let named: BTreeSet<String> = FREE
		.iter()
		.map(|(name, _)| name.to_string())
		.filter(|name| ours.iter().any(|pallet| name.starts_with(pallet)))
		.collect();
	assert_eq!(found, named);
}

/// What a junk transaction of the sizes that the proof of concept used takes of a block.
fn junk(at: u32, bytes: usize) -> RuntimeCall {
	use assay_market::ChallengeMove;
	let action = ChallengeMove::Prove { part: Box::new(proof_of_nothing(bytes)) };
	RuntimeCall::Arbitration(pallet_assay_arbitration::Call::move_as_verifier {
		job: 0,
		order: [0; 32],
		account: Ferdie.to_account_id(),
		action,
		retry: at,
		signature: Ferdie.sign(b"anything").into(),
	})
}

fn proof_of_nothing(bytes: usize) -> assay_referee::ProofPart {
	use assay_commitments::Path;
	use assay_referee::{Accusation, ProofPart, RootsOpening, TilesOpening};
	ProofPart {
		accusation: Accusation { step: 0, node: 0, tile: 0 },
		part: 0,
		trace: ([0; 32], Path { siblings: vec![] }),
		before: None,
		claimed: ([0; 32], Path { siblings: vec![] }),
		anchors: RootsOpening::default(),
		lazy: RootsOpening::default(),
		states: RootsOpening::default(),
		operands: vec![TilesOpening { tiles: vec![0; bytes], ..Default::default() }],
	}
}

fn register(byte: u8) -> RuntimeCall {
	let program = vec![byte; 1_024].try_into().expect("a short program");
	RuntimeCall::Programs(pallet_assay_programs::Call::register_program { program })
}

fn post() -> RuntimeCall {
	RuntimeCall::Jobs(pallet_assay_jobs::Call::post_job {
		program: [0; 32],
		input_roots: Default::default(),
		steps: 1,
		price_start: UNIT,
		price_max: UNIT,
		ramp_blocks: 1,
		assurance: Default::default(),
	})
}

fn free(who: Sr25519Keyring) -> u128 {
	Balances::balance(&who.to_account_id())
}

fn with_tip(who: Sr25519Keyring, nonce: u32, tip: u128, call: RuntimeCall) -> UncheckedExtrinsic {
	let extension = tx_extension(Era::Immortal, nonce, tip);
	let payload = SignedPayload::new(call.clone(), extension.clone()).expect("extensions agree");
	let signature = payload.using_encoded(|bytes| who.sign(bytes));
	UncheckedExtrinsic::new_signed(
		call,
		who.to_account_id().into(),
		MultiSignature::Sr25519(signature),
		extension,
	)
}

/// The proof of concept of C1: eight junk transactions a block, for nothing, kept everyone else out.
#[test]
fn market_should_go_on_when_somebody_signs_verifiers_calls() {
	with_preset(PRESET, || {
		let before = free(Ferdie);
		for block in 0..20u32 {
			let mut all: Vec<_> = (0..8).map(|at| signed(Ferdie, at, junk(at, 0))).collect();
			all.push(signed(Charlie, block, register(block as u8)));
			let outcomes = build_block(Claim::Plain, all);
			for refused in &outcomes[..8] {
				assert_eq!(refused, &Err(InvalidTransaction::Call.into()));
			}
			// It is in the block; these bytes are no program.
			assert!(matches!(outcomes[8], Ok(Err(_))), "block {block}: {:?}", outcomes[8]);
			let used = System::block_weight();
			assert_eq!(used.get(DispatchClass::Operational).ref_time(), 0, "block {block}");
		}
		assert_eq!(free(Ferdie), before);
		// Nor does a pool take any of it, with any tip.
		for tip in [0, 1_000, UNIT] {
			let refused = pooled(&with_tip(Ferdie, 0, tip, junk(0, 0)));
			assert_eq!(refused, Err(InvalidTransaction::Call.into()));
		}
	});
}

/// What is paid for may fill the operational part of a block, and leaves the rest to everyone else.
#[test]
fn ordinary_transactions_should_have_room_when_somebody_pays_for_operational_junk() {
	with_preset(PRESET, || {
		// Without a result that could be disputed these are refused, unless they come with something of
		// which no record tells.
		let batch = |call| force_batch(vec![untold(), RuntimeCall::Arbitration(call)]);
		let prove = |bytes: usize| pallet_assay_arbitration::Call::prove_fraud {
			job: 0,
			order: [0; 32],
			part: Box::new(proof_of_nothing(bytes)),
		};
		let alone = signed(Ferdie, 0, RuntimeCall::Arbitration(prove(0)));
		let refused = InvalidTransaction::Custom(CANNOT_SUCCEED).into();
		assert_eq!(pooled(&alone), Err(refused));
		let prove = |bytes| batch(prove(bytes));
		let small = || {
			batch(pallet_assay_arbitration::Call::commit_proof {
				job: 0,
				order: [0; 32],
				commitment: [0; 32],
			})
		};
		for block in 0..3u32 {
			let before = free(Ferdie);
			let nonce = System::account_nonce(Ferdie.to_account_id());
			// Large ones until one does not fit, then small ones.
			let mut all: Vec<_> =
				(0..2).map(|at| signed(Ferdie, nonce + at, prove(256 << 10))).collect();
			all.extend((2..8).map(|at| signed(Ferdie, nonce + at, prove(0))));
			let honest = all.len();
			all.push(signed(Charlie, block, post()));
			let mut open = true;
			open_block(Claim::Plain);
			let outcomes: Vec<_> = all.into_iter().map(Executive::apply_extrinsic).collect();
			let mut next = System::account_nonce(Ferdie.to_account_id());
			while open {
				open = Executive::apply_extrinsic(signed(Ferdie, next, small())).is_ok();
				next += 1;
			}
			let used = System::block_weight().get(DispatchClass::Operational).ref_time();
			let limit = (OPERATIONAL_DISPATCH_RATIO * MAXIMUM_BLOCK_WEIGHT).ref_time();
			assert!(used <= limit, "{used} of {limit}");
			assert!(used > limit / 10 * 9, "the junk fills its part: {used} of {limit}");
			assert!(
				matches!(outcomes[honest], Ok(Err(_))),
				"{:?}: {:?} with {:?} used of {MAXIMUM_BLOCK_WEIGHT}",
				outcomes[honest],
				post().get_dispatch_info().total_weight(),
				System::block_weight(),
			);
			Executive::finalize_block();
			let paid = before - free(Ferdie);
			println!(
				"block {block}: junk took {} ms of {} and paid {:.3} ASY",
				used / 1_000_000_000,
				MAXIMUM_BLOCK_WEIGHT.ref_time() / 1_000_000_000,
				paid as f64 / UNIT as f64
			);
			assert!(paid >= u128::from(used) / 10 * 9, "paid {paid} for {used}");
		}
	});
}
