//! The networks that the binary knows by name.

use assay_runtime::{
	configs::system::SS58_PREFIX, genesis_config_presets::FOUR_VALIDATORS_RUNTIME_PRESET, VERSION,
	WASM_BINARY,
};
use sc_chain_spec::{ChainType, GenericChainSpec, Properties};

/// Chain specification: a genesis preset of the runtime, and the network's identity.
pub type ChainSpec = GenericChainSpec;

/// Symbol of the chain's money.
pub const TOKEN_SYMBOL: &str = "ASY";
/// Decimal places of the chain's money.
pub const TOKEN_DECIMALS: u32 = 12;

/// What wallets need to show addresses and amounts.
fn properties() -> Properties {
	let mut properties = Properties::new();
	properties.insert("ss58Format".into(), SS58_PREFIX.into());
	properties.insert("tokenDecimals".into(), TOKEN_DECIMALS.into());
	properties.insert("tokenSymbol".into(), TOKEN_SYMBOL.into());
	properties
}

/// A network that starts from the runtime's genesis preset `preset`.
fn from_preset(
	name: &str,
	id: &str,
	chain_type: ChainType,
	preset: &str,
) -> Result<ChainSpec, String> {
	let code = WASM_BINARY.ok_or(
		"this binary was built without a runtime (SKIP_WASM_BUILD was set); pass a chain \
		 specification file with --chain",
	)?;
	Ok(ChainSpec::builder(code, None)
		.with_name(name)
		.with_id(id)
		.with_chain_type(chain_type)
		.with_protocol_id(&VERSION.spec_name)
		.with_properties(properties())
		.with_genesis_config_preset_name(preset)
		.build())
}

/// One validator, Alice; a fresh chain at every start.
pub fn development() -> Result<ChainSpec, String> {
	from_preset(
		"Assay Development",
		"assay_dev",
		ChainType::Development,
		sp_genesis_builder::DEV_RUNTIME_PRESET,
	)
}

/// Two validators, Alice and Bob, on one machine.
pub fn local_testnet() -> Result<ChainSpec, String> {
	from_preset(
		"Assay Local Testnet",
		"assay_local",
		ChainType::Local,
		sp_genesis_builder::LOCAL_TESTNET_RUNTIME_PRESET,
	)
}

/// Four validators with unequal stakes, Alice to Dave: what the zombienet networks run.
pub fn four_validators() -> Result<ChainSpec, String> {
	from_preset(
		"Assay Four Validators",
		"assay_four",
		ChainType::Local,
		FOUR_VALIDATORS_RUNTIME_PRESET,
	)
}

#[cfg(test)]
mod tests {
	use super::*;
	use serde_json::{json, Value};

	#[test]
	fn specifications_should_carry_properties_and_presets_when_a_runtime_is_built_in() {
		for (spec, id, preset) in [
			(development(), "assay_dev", "development"),
			(local_testnet(), "assay_local", "local_testnet"),
			(four_validators(), "assay_four", "four_validators"),
		] {
			if WASM_BINARY.is_none() {
				assert!(spec.err().is_some_and(|error| error.contains("SKIP_WASM_BUILD")));
				continue;
			}
			let spec = spec.unwrap();
			assert_eq!(spec.id(), id);
			let json: Value = serde_json::from_str(&spec.as_json(false).unwrap()).unwrap();
			assert_eq!(
				json["properties"],
				json!({ "ss58Format": 42, "tokenDecimals": 12, "tokenSymbol": "ASY" })
			);
			let patch = &json["genesis"]["runtimeGenesis"]["patch"];
			assert_eq!(patch["balances"]["balances"].as_array().unwrap().len(), 6, "{preset}");
			assert!(!patch["session"]["keys"].as_array().unwrap().is_empty(), "{preset}");
		}
	}
}
