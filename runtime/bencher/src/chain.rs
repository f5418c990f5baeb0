//! A runtime's blob, executed as a node executes it, on the state of a genesis preset.

use anyhow::{anyhow, bail, Context, Result};
use codec::{Decode, Encode};
use frame_benchmarking::{BenchmarkBatch, BenchmarkConfig, BenchmarkList};
use frame_metadata::RuntimeMetadataPrefixed;
use frame_support::traits::StorageInfo;
use sc_client_db::BenchmarkingState;
use sc_executor::WasmExecutor;
use serde_json::Value;
use sp_core::{
	offchain::{testing::TestOffchainExt, OffchainDbExt, OffchainWorkerExt},
	traits::{CallContext, CodeExecutor, RuntimeCode, WrappedRuntimeCode},
};
use sp_externalities::{Extensions, Externalities};
use sp_keystore::{testing::MemoryKeystore, KeystoreExt};
use sp_runtime::traits::BlakeTwo256;
use sp_state_machine::{BasicExternalities, StateMachine};
use sp_storage::Storage;

type HostFunctions =
	(sp_io::SubstrateHostFunctions, frame_benchmarking::benchmarking::HostFunctions);

/// A state on which benchmarks run.
pub type State = BenchmarkingState<BlakeTwo256>;

/// A blob and its executor.
pub struct Chain {
	code: Vec<u8>,
	executor: WasmExecutor<HostFunctions>,
	genesis: Storage,
}

impl Chain {
	/// Executes `code`, beginning with this preset of its genesis.
	pub fn new(code: Vec<u8>, preset: &str) -> Result<Self> {
		let executor = WasmExecutor::builder().build();
		let mut chain = Self { code, executor, genesis: Storage::default() };
		// A preset has only what differs from the default.
		let mut whole = chain.preset(None)?;
		merge(&mut whole, chain.preset(Some(preset))?);
		let json = serde_json::to_vec(&whole)?;
		let mut genesis = BasicExternalities::new_empty();
		let built = chain.call(&mut genesis, "GenesisBuilder_build_state", &json.encode())?;
		Result::<(), String>::decode(&mut &built[..])?.map_err(|error| anyhow!(error))?;
		chain.genesis = genesis.into_storages();
		Ok(chain)
	}

	/// A preset of the genesis; the default without a name.
	fn preset(&self, name: Option<&str>) -> Result<Value> {
		let found: Option<Vec<u8>> = self.ask("GenesisBuilder_get_preset", &name)?;
		let json = found.with_context(|| format!("the runtime has no preset {name:?}"))?;
		Ok(serde_json::from_slice(&json)?)
	}

	/// The state after genesis. With `tracking`, it counts what is read and written and how large a
	/// proof of it is; both take time.
	pub fn state(&self, tracking: bool) -> Result<State> {
		State::new(self.genesis.clone(), None, tracking, tracking).map_err(|error| anyhow!(error))
	}

	/// The benchmarks that the runtime has, `extra` ones too, and its storage items.
	pub fn benchmarks(&self, extra: bool) -> Result<(Vec<BenchmarkList>, Vec<StorageInfo>)> {
		self.ask("Benchmark_benchmark_metadata", &extra)
			.context("was the blob built with the feature runtime-benchmarks?")
	}

	/// The runtime's metadata.
	pub fn metadata(&self) -> Result<RuntimeMetadataPrefixed> {
		let bytes: Vec<u8> = self.ask("Metadata_metadata", &())?;
		Ok(RuntimeMetadataPrefixed::decode(&mut &bytes[..])?)
	}

	/// Runs a benchmark.
	pub fn run(&self, state: &State, config: &BenchmarkConfig) -> Result<Vec<BenchmarkBatch>> {
		let method = "Benchmark_dispatch_benchmark";
		let bytes = StateMachine::new(
			state,
			&mut Default::default(),
			&self.executor,
			method,
			&config.encode(),
			&mut extensions(),
			&self.runtime_code(&WrappedRuntimeCode(self.code.as_slice().into())),
			CallContext::Offchain,
		)
		.execute()
		.map_err(|error| anyhow!("{error}"))?;
		let batches = Result::<Vec<BenchmarkBatch>, String>::decode(&mut &bytes[..])?;
		match batches {
			Ok(batches) => Ok(batches),
			Err(error) => bail!(error),
		}
	}

	/// Asks the runtime without any state.
	fn ask<T: Decode>(&self, method: &str, argument: &impl Encode) -> Result<T> {
		let mut nothing = BasicExternalities::new_empty();
		let answer = self.call(&mut nothing, method, &argument.encode())?;
		T::decode(&mut &answer[..]).with_context(|| method.to_string())
	}

	fn call(&self, ext: &mut dyn Externalities, method: &str, data: &[u8]) -> Result<Vec<u8>> {
		let fetcher = WrappedRuntimeCode(self.code.as_slice().into());
		let code = self.runtime_code(&fetcher);
		let (answer, _) = self.executor.call(ext, &code, method, data, CallContext::Offchain);
		answer.with_context(|| method.to_string())
	}

	fn runtime_code<'a>(&self, fetcher: &'a WrappedRuntimeCode<'a>) -> RuntimeCode<'a> {
		let hash = blake3::hash(&self.code).as_bytes().to_vec();
		RuntimeCode { code_fetcher: fetcher, heap_pages: None, hash }
	}
}

/// What `patch` names replaces what stands in `whole`, within objects one by one.
fn merge(whole: &mut Value, patch: Value) {
	match (whole, patch) {
		(Value::Object(whole), Value::Object(patch)) => {
			for (name, value) in patch {
				merge(whole.entry(name).or_insert(Value::Null), value);
			}
		}
		(whole, patch) => *whole = patch,
	}
}

/// What benchmarks need of a node beside its state.
fn extensions() -> Extensions {
	let mut all = Extensions::default();
	let (offchain, _) = TestOffchainExt::new();
	all.register(KeystoreExt::new(MemoryKeystore::new()));
	all.register(OffchainDbExt::new(offchain.clone()));
	all.register(OffchainWorkerExt::new(offchain));
	all
}

#[cfg(test)]
mod tests {
	use super::*;
	use serde_json::json;

	#[test]
	fn presets_should_replace_only_what_they_name_when_they_are_merged() {
		let mut whole = json!({"a": {"b": 1, "c": [2, 3]}, "d": null});
		merge(&mut whole, json!({"a": {"c": [4]}, "e": {"f": 5}}));
		assert_eq!(whole, json!({"a": {"b": 1, "c": [4]}, "d": null, "e": {"f": 5}}));
	}
}
