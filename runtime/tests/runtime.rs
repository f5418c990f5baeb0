//! The real runtime, built from its own presets and driven by its own executive.

mod chain;

use assay_market::{AuthorRandomness, MarketParameters, Verifiers};
use assay_runtime::{
	configs::{
		market::BabeAuthorRandomness,
		system::{RuntimeBlockWeights, MAXIMUM_BLOCK_WEIGHT, OPERATIONAL_DISPATCH_RATIO},
		utilities::ProxyType,
	},
	constants::currency::UNIT,
	genesis_config_presets::{
		ENDOWMENT, FOUR_STAKES, FOUR_VALIDATORS_RUNTIME_PRESET, VALIDATOR_STAKE,
	},
	Balances, Executive, Historical, Runtime, RuntimeCall, Session, Stake, System,
	TransactionPayment,
};
use chain::{build_block, preset_patch, signed, with_preset, Claim};
use codec::{Decode, Encode};
use frame_support::{
	dispatch::{DispatchClass, GetDispatchInfo, Pays},
	traits::{
		fungible::Inspect as _, GetCallIndex, GetCallName, InstanceFilter, KeyOwnerProofSystem,
		PalletInfoAccess,
	},
};
use pallet_assay_jobs::WeightInfo as _;
use sp_genesis_builder::runtime_decl_for_genesis_builder::GenesisBuilder;
use sp_keyring::Sr25519Keyring::{Alice, Bob, Charlie, Dave};
use sp_runtime::transaction_validity::{
	InvalidTransaction, TransactionSource, TransactionValidityError,
};
use std::collections::BTreeMap;

const DEVELOPMENT: &str = "development";
const LOCAL_TESTNET: &str = "local_testnet";

fn transfer(value: u128) -> RuntimeCall {
	RuntimeCall::Balances(pallet_balances::Call::transfer_keep_alive {
		dest: Bob.to_account_id().into(),
		value,
	})
}

/// Every call of a pallet with the smallest arguments: zeros, empty lists, first variants.
fn smallest_calls<P: PalletInfoAccess, C: GetCallIndex + GetCallName>() -> Vec<(String, RuntimeCall)>
{
	let names = C::get_call_names();
	let indices = C::get_call_indices();
	assert_eq!(names.len(), indices.len());
	names
		.iter()
		.zip(indices)
		.map(|(name, index)| {
			let mut bytes = vec![P::index() as u8, *index];
			bytes.resize(4096, 0);
			let mut rest = &bytes[..];
			let call = RuntimeCall::decode(&mut rest)
				.unwrap_or_else(|error| panic!("{}.{name}: {error}", P::name()));
			let used = bytes.len() - rest.len();
			assert_eq!(call.encode(), bytes[..used], "{}.{name}", P::name());
			(format!("{}.{name}", P::name()), call)
		})
		.collect()
}

fn market_calls() -> Vec<(String, RuntimeCall)> {
	use assay_runtime::{Arbitration, Decoys, Identity, Jobs, Programs};
	let mut calls = smallest_calls::<Identity, pallet_assay_identity::Call<Runtime>>();
	calls.extend(smallest_calls::<Stake, pallet_assay_stake::Call<Runtime>>());
	calls.extend(smallest_calls::<Programs, pallet_assay_programs::Call<Runtime>>());
	calls.extend(smallest_calls::<Jobs, pallet_assay_jobs::Call<Runtime>>());
	calls.extend(smallest_calls::<Arbitration, pallet_assay_arbitration::Call<Runtime>>());
	calls.extend(smallest_calls::<Decoys, pallet_assay_decoys::Call<Runtime>>());
	calls
}

#[test]
fn presets_should_build_when_the_genesis_builder_runs_them() {
	const FOUR: &str = FOUR_VALIDATORS_RUNTIME_PRESET;
	assert_eq!(Runtime::preset_names(), [DEVELOPMENT, LOCAL_TESTNET, FOUR]);
	for (preset, validators, stakes) in [
		(DEVELOPMENT, vec![Alice], &[VALIDATOR_STAKE][..]),
		(LOCAL_TESTNET, vec![Alice, Bob], &[VALIDATOR_STAKE; 2]),
		(FOUR, vec![Alice, Bob, Charlie, Dave], &FOUR_STAKES),
	] {
		let patch = preset_patch(preset);
		// Zombienet edits these two by name.
		assert_eq!(patch["balances"]["balances"].as_array().unwrap().len(), 6);
		assert_eq!(patch["session"]["keys"].as_array().unwrap().len(), validators.len());
		with_preset(preset, || {
			let mut expected: Vec<_> = validators.iter().map(|v| v.to_account_id()).collect();
			expected.sort();
			let mut found = Session::validators();
			found.sort();
			assert_eq!(found, expected);
			assert_eq!(Balances::total_balance(&Dave.to_account_id()), ENDOWMENT);
			assert_eq!(pallet_sudo::Key::<Runtime>::get(), Some(Alice.to_account_id()));
			let parameters = pallet_assay_jobs::Parameters::<Runtime>::get();
			assert_eq!(parameters, MarketParameters::development(UNIT));
			// Every validator can be drawn and signs with the key that its node derives.
			let mut drawable = <Stake as Verifiers<_, _>>::active();
			drawable.sort_by(|a, b| a.account.cmp(&b.account));
			assert_eq!(drawable.len(), validators.len());
			for verifier in drawable {
				let at =
					validators.iter().position(|v| v.to_account_id() == verifier.account).unwrap();
				assert_eq!(verifier.key, validators[at].public().into());
				assert_eq!(verifier.stake, stakes[at]);
			}
		});
	}
	assert_eq!(Runtime::get_preset(&Some("staging".into())), None);
}

#[test]
fn genesis_should_have_no_sudo_key_and_long_epochs_when_no_preset_is_named() {
	let default: serde_json::Value =
		serde_json::from_slice(&Runtime::get_preset(&None).unwrap()).unwrap();
	assert_eq!(default["sudo"]["key"], serde_json::Value::Null);
	sp_io::TestExternalities::new_empty().execute_with(|| {
		use frame_support::traits::Get;
		assert_eq!(<Runtime as pallet_babe::Config>::EpochDuration::get(), 1_200);
	});
	with_preset(DEVELOPMENT, || {
		use frame_support::traits::Get;
		assert_eq!(<Runtime as pallet_babe::Config>::EpochDuration::get(), 40);
	});
}

#[test]
fn transfer_should_move_money_and_pay_the_author_when_it_is_in_a_block() {
	with_preset(DEVELOPMENT, || {
		let issued = Balances::total_issuance();
		let outcomes = build_block(
			Claim::Vrf,
			vec![signed(Charlie, 0, transfer(5 * UNIT)), signed(Charlie, 1, transfer(ENDOWMENT))],
		);
		assert_eq!(outcomes[0], Ok(Ok(())));
		assert!(matches!(outcomes[1], Ok(Err(_))), "{outcomes:?}");
		assert_eq!(Balances::free_balance(Bob.to_account_id()), ENDOWMENT + 5 * UNIT);
		let fees = ENDOWMENT - 5 * UNIT - Balances::free_balance(Charlie.to_account_id());
		assert!(fees > 0 && fees < UNIT / 10, "{fees}");
		assert_eq!(
			Balances::free_balance(Alice.to_account_id()),
			ENDOWMENT - VALIDATOR_STAKE + fees
		);
		assert_eq!(Balances::total_issuance(), issued);
	});
}

#[test]
fn transaction_should_be_refused_when_its_signature_is_for_another_call() {
	with_preset(DEVELOPMENT, || {
		let mut stolen = signed(Charlie, 0, transfer(UNIT)).encode();
		let position = stolen.len() - 1;
		stolen[position] ^= 1;
		let stolen = Decode::decode(&mut &stolen[..]).unwrap();
		let outcomes = build_block(Claim::Plain, vec![stolen]);
		assert_eq!(outcomes, [Err(InvalidTransaction::BadProof.into())]);
		assert_eq!(Balances::free_balance(Charlie.to_account_id()), ENDOWMENT);
	});
}

#[test]
fn author_randomness_should_change_when_every_author_leaves_a_vrf() {
	with_preset(DEVELOPMENT, || {
		assert_eq!(BabeAuthorRandomness::parent(), None);
		let mut seen = std::collections::BTreeSet::new();
		for _ in 0..5 {
			build_block(Claim::Vrf, vec![]);
			assert!(seen.insert(BabeAuthorRandomness::parent().unwrap()));
		}
	});
	// No block of a preset's chain can go without: its rules allow no slot that leaves no VRF.
	for preset in [DEVELOPMENT, LOCAL_TESTNET] {
		let slots = with_preset(preset, || {
			use sp_consensus_babe::runtime_decl_for_babe_api::BabeApi;
			Runtime::configuration().allowed_slots
		});
		assert!(matches!(slots, sp_consensus_babe::AllowedSlots::PrimaryAndSecondaryVRFSlots));
	}
}

#[test]
fn sessions_should_turn_and_stay_provable_when_epochs_end() {
	with_preset(DEVELOPMENT, || {
		for _ in 0..130 {
			build_block(Claim::Plain, vec![]);
		}
		assert_eq!(Session::current_index(), 3);
		assert_eq!(Session::validators(), [Alice.to_account_id()]);
		assert_eq!(<Stake as Verifiers<_, _>>::active().len(), 1);
		let key: (_, sp_consensus_babe::AuthorityId) =
			(sp_consensus_babe::KEY_TYPE, Alice.public().into());
		let proof = Historical::prove(key.clone()).unwrap();
		let (account, exposure) = Historical::check_proof(key, proof).unwrap();
		assert_eq!(account, Alice.to_account_id());
		assert_eq!(exposure.stake, VALIDATOR_STAKE);
	});
}

#[test]
fn calls_should_have_weights_and_encodings_when_they_are_the_markets() {
	let calls = market_calls();
	assert!(calls.len() >= 25, "{}", calls.len());
	with_preset(DEVELOPMENT, || {
		for (name, call) in &calls {
			let info = call.get_dispatch_info();
			// No call can be done in less than 5 µs, and every one touches the database.
			assert!(info.call_weight.ref_time() > 5_000_000, "{name}: {:?}", info.call_weight);
			let limit = RuntimeBlockWeights::get().get(info.class).max_extrinsic.unwrap();
			assert!(info.total_weight().all_lte(limit), "{name}: {:?}", info.total_weight());
			let fee = TransactionPayment::query_call_info(call.clone(), 100).partial_fee;
			assert_eq!(info.pays_fee == Pays::Yes, fee > 0, "{name}: {fee}");
		}
	});
}

#[test]
fn largest_program_should_fit_into_a_block_when_it_is_registered() {
	let bytes = vec![0xff; 256 * 1024].try_into().unwrap();
	let call = pallet_assay_programs::Call::<Runtime>::register_program { program: bytes };
	let info = call.get_dispatch_info();
	let limit = RuntimeBlockWeights::get().get(DispatchClass::Normal).max_extrinsic.unwrap();
	assert!(info.total_weight().all_lte(limit), "{:?} > {limit:?}", info.total_weight());
	// And it is refused, not a panic: these bytes are no program.
	with_preset(DEVELOPMENT, || {
		let outcomes =
			build_block(Claim::Plain, vec![signed(Charlie, 0, RuntimeCall::Programs(call))]);
		assert!(matches!(outcomes[0], Ok(Err(_))), "{outcomes:?}");
	});
}

#[test]
fn operational_calls_should_have_a_reserve_when_blocks_are_full() {
	let weights = RuntimeBlockWeights::get();
	let reserve = weights.get(DispatchClass::Operational).reserved.unwrap();
	assert!(reserve.ref_time() >= MAXIMUM_BLOCK_WEIGHT.ref_time() / 5);
	let urgent = [
		"attest_inputs",
		"attest_outputs",
		"commit_verdict",
		"abstain",
		"reveal_verdict",
		// Of those who are bonded.
		"commit_result",
		"reveal_result",
		"give_back",
	];
	let classes: BTreeMap<_, _> = market_calls()
		.into_iter()
		.map(|(name, call)| (name, call.get_dispatch_info().class))
		.collect();
	for call in urgent {
		assert_eq!(classes[&format!("Jobs.{call}")], DispatchClass::Operational, "{call}");
	}
	// What anyone may send does not take all of a block.
	let most = weights.get(DispatchClass::Operational).max_total.unwrap();
	assert_eq!(most, OPERATIONAL_DISPATCH_RATIO * MAXIMUM_BLOCK_WEIGHT);
	assert!(most.all_lte(MAXIMUM_BLOCK_WEIGHT - reserve));
	assert_eq!(weights.max_block, MAXIMUM_BLOCK_WEIGHT);
	let seats = pallet_assay_jobs::types::MAX_SEATS;
	let push = <Runtime as pallet_assay_jobs::Config>::WeightInfo::advance(seats);
	assert!(push.all_lte(MAXIMUM_BLOCK_WEIGHT / 2));
}

#[test]
fn verifier_transaction_should_be_refused_when_nobody_drew_its_account() {
	use frame_system::offchain::CreateAuthorizedTransaction;
	with_preset(DEVELOPMENT, || {
		build_block(Claim::Vrf, vec![]);
		let (_, call) =
			market_calls().into_iter().find(|(name, _)| name == "Jobs.commit_verdict").unwrap();
		let transaction = <Runtime as CreateAuthorizedTransaction<
			pallet_assay_jobs::Call<Runtime>,
		>>::create_authorized_transaction(call);
		let validity = Executive::validate_transaction(
			TransactionSource::Local,
			transaction,
			System::block_hash(0),
		);
		// The pallet itself refuses it: it is known as a transaction without a signer.
		assert!(
			matches!(
				validity,
				Err(TransactionValidityError::Invalid(
					InvalidTransaction::Custom(_) | InvalidTransaction::Stale
				))
			),
			"{validity:?}"
		);
	});
}

#[test]
fn proxy_should_be_held_to_its_type_when_it_calls() {
	let calls: BTreeMap<_, _> = market_calls().into_iter().collect();
	let claim = &calls["Jobs.claim_job"];
	let unbond = &calls["Stake.unbond"];
	let transfer = transfer(1);
	let allowed = |proxy: ProxyType| [claim, unbond, &transfer].map(|call| proxy.filter(call));
	assert_eq!(allowed(ProxyType::Any), [true, true, true]);
	assert_eq!(allowed(ProxyType::NonTransfer), [false, true, false]);
	assert_eq!(allowed(ProxyType::JobsOnly), [true, false, false]);
	assert_eq!(allowed(ProxyType::StakeOnly), [false, true, false]);
	assert_eq!(allowed(ProxyType::CancelProxy), [false, false, false]);
	assert!(ProxyType::Any.is_superset(&ProxyType::JobsOnly));
	assert!(!ProxyType::JobsOnly.is_superset(&ProxyType::Any));
	assert!(!ProxyType::NonTransfer.is_superset(&ProxyType::Any));
}

#[test]
fn market_api_should_answer_when_there_are_no_jobs() {
	use assay_market::api::runtime_decl_for_market_api::MarketApi;
	with_preset(DEVELOPMENT, || {
		assert!(Runtime::assignments(vec![Alice.public().into()]).is_empty());
		assert!(Runtime::jobs(0, 64).is_empty());
		assert_eq!(Runtime::job(0), None);
		assert_eq!(Runtime::program([0; 32]), None);
		assert_eq!(Runtime::current_price(0), None);
	});
}

#[test]
fn metadata_should_name_arguments_and_view_functions_when_wallets_read_it() {
	with_preset(DEVELOPMENT, || {
		assert_eq!(Runtime::metadata_versions(), [14, 15, 16]);
		let bytes = Runtime::metadata_at_version(16).unwrap().encode();
		for name in [
			"post_job",
			"peer_key_payload",
			"AuthorizeCall",
			"RefuseSignedVerifierCalls",
			"CheckMetadataHash",
		] {
			assert!(
				bytes.windows(name.len()).any(|window| window == name.as_bytes()),
				"{name} is not in the metadata"
			);
		}
	});
}
