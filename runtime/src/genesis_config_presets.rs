//! Named genesis states: `development` (one validator, Alice), `local_testnet` (Alice and Bob) and
//! `four_validators` (Alice to Dave, with unequal stakes).
//!
//! All endow the well-known accounts, name Alice as the sudo key and use short epochs. A public
//! network starts from the runtime's default genesis, which has no sudo key.

use crate::{
	constants::{
		currency::UNIT,
		time::{DEVELOPMENT_EPOCH_SLOTS, PRIMARY_PROBABILITY},
	},
	BabeConfig, Balance, BalancesConfig, ChainParametersConfig, JobsConfig, RuntimeGenesisConfig,
	SessionConfig, SessionKeys, StakeConfig, SudoConfig,
};
use alloc::vec::Vec;
use assay_market::MarketParameters;
use frame_support::build_struct_json_patch;
use serde_json::Value;
use sp_consensus_babe::{AllowedSlots, BabeEpochConfiguration};
use sp_genesis_builder::{PresetId, DEV_RUNTIME_PRESET, LOCAL_TESTNET_RUNTIME_PRESET};
use sp_keyring::{Ed25519Keyring, Sr25519Keyring};

/// What each well-known account owns at genesis.
pub const ENDOWMENT: Balance = 10_000_000 * UNIT;

/// What each validator of the two smaller presets has at stake at genesis.
pub const VALIDATOR_STAKE: Balance = 100_000 * UNIT;

/// The preset with Alice, Bob, Charlie and Dave.
pub const FOUR_VALIDATORS_RUNTIME_PRESET: &str = "four_validators";

/// Stakes of that preset's validators, as unequal as the election of validators lets them be: all
/// four are elected, and so are Alice and Dave where Bob and Charlie are gone.
pub const FOUR_STAKES: [Balance; 4] =
	[400_000 * UNIT, 300_000 * UNIT, 200_000 * UNIT, 180_000 * UNIT];

/// Every slot has an author, and every author leaves verifiable randomness.
pub const BABE_EPOCH_CONFIGURATION: BabeEpochConfiguration = BabeEpochConfiguration {
	c: PRIMARY_PROBABILITY,
	allowed_slots: AllowedSlots::PrimaryAndSecondaryVRFSlots,
};

/// Accounts that development networks endow.
const ENDOWED: [Sr25519Keyring; 6] = [
	Sr25519Keyring::Alice,
	Sr25519Keyring::Bob,
	Sr25519Keyring::Charlie,
	Sr25519Keyring::Dave,
	Sr25519Keyring::Eve,
	Sr25519Keyring::Ferdie,
];

/// Session keys that a node started with `--alice` (`--bob`, …) derives for itself.
fn session_keys(sr25519: Sr25519Keyring, ed25519: Ed25519Keyring) -> SessionKeys {
	SessionKeys {
		babe: sr25519.public().into(),
		grandpa: ed25519.public().into(),
		verifier: sr25519.public().into(),
	}
}

/// The validators that nodes started with `--alice`, `--bob`, `--charlie` and `--dave` are.
const VALIDATORS: [(Sr25519Keyring, Ed25519Keyring); 4] = [
	(Sr25519Keyring::Alice, Ed25519Keyring::Alice),
	(Sr25519Keyring::Bob, Ed25519Keyring::Bob),
	(Sr25519Keyring::Charlie, Ed25519Keyring::Charlie),
	(Sr25519Keyring::Dave, Ed25519Keyring::Dave),
];

/// A development network with as many of [`VALIDATORS`] as there are stakes.
fn development_network(stakes: &[Balance]) -> Value {
	let validators = &VALIDATORS[..stakes.len()];
	build_struct_json_patch!(RuntimeGenesisConfig {
		chain_parameters: ChainParametersConfig { epoch_slots: DEVELOPMENT_EPOCH_SLOTS },
		babe: BabeConfig { epoch_config: BABE_EPOCH_CONFIGURATION },
		balances: BalancesConfig {
			balances: ENDOWED
				.iter()
				.map(|account| (account.to_account_id(), ENDOWMENT))
				.collect::<Vec<_>>(),
		},
		session: SessionConfig {
			keys: validators
				.iter()
				.map(|(sr25519, ed25519)| {
					let account = sr25519.to_account_id();
					(account.clone(), account, session_keys(*sr25519, *ed25519))
				})
				.collect::<Vec<_>>(),
		},
		stake: StakeConfig {
			validators: validators
				.iter()
				.zip(stakes)
				.map(|((account, _), stake)| (account.to_account_id(), *stake))
				.collect::<Vec<_>>(),
		},
		jobs: JobsConfig { parameters: Some(MarketParameters::development(UNIT)) },
		sudo: SudoConfig { key: Some(Sr25519Keyring::Alice.to_account_id()) },
	})
}

/// JSON of the preset `id`: a patch over the runtime's default genesis.
pub fn get_preset(id: &PresetId) -> Option<Vec<u8>> {
	let patch = match id.as_str() {
		DEV_RUNTIME_PRESET => development_network(&[VALIDATOR_STAKE]),
		LOCAL_TESTNET_RUNTIME_PRESET => development_network(&[VALIDATOR_STAKE; 2]),
		FOUR_VALIDATORS_RUNTIME_PRESET => development_network(&FOUR_STAKES),
		_ => return None,
	};
	Some(serde_json::to_vec(&patch).expect("a JSON value always serializes; qed"))
}

/// Names of all presets.
pub fn preset_names() -> Vec<PresetId> {
	[DEV_RUNTIME_PRESET, LOCAL_TESTNET_RUNTIME_PRESET, FOUR_VALIDATORS_RUNTIME_PRESET]
		.map(PresetId::from)
		.to_vec()
}
