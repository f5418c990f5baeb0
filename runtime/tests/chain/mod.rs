//! A chain without a node: the genesis of a preset, and blocks built by the real executive.

// Each test binary uses what it needs.
#![allow(dead_code)]

use assay_runtime::{
	configs::system::tx_extension, constants::time::SLOT_MILLISECONDS, Babe, Executive, Header,
	Nonce, Runtime, RuntimeCall, SignedPayload, System, UncheckedExtrinsic,
};
use codec::Encode;
use serde_json::Value;
use sp_consensus_babe::{
	digests::{CompatibleDigestItem, PreDigest, SecondaryPlainPreDigest, SecondaryVRFPreDigest},
	make_vrf_sign_data, Slot,
};
use sp_core::{crypto::VrfSecret, H256};
use sp_genesis_builder::runtime_decl_for_genesis_builder::GenesisBuilder;
use sp_keyring::Sr25519Keyring;
use sp_runtime::{
	generic::{self, Era},
	traits::Header as _,
	ApplyExtrinsicResult, Digest, DigestItem, MultiSignature,
};

/// Slot of the genesis; BABE counts slots from the epoch of Unix time.
const GENESIS_SLOT: u64 = 600_000_000;

/// How the author of a block proves that it may build it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Claim {
	/// By its turn among the secondary authors; leaves no randomness.
	Plain,
	/// The same with a VRF, as on the real chain. Not for the first block of an epoch.
	Vrf,
}

/// Lays `patch` over `base` (RFC 7396).
fn merge(base: &mut Value, patch: Value) {
	match (base, patch) {
		(Value::Object(base), Value::Object(patch)) => {
			for (key, value) in patch {
				merge(base.entry(key).or_insert(Value::Null), value);
			}
		}
		(base, patch) => *base = patch,
	}
}

/// The patch that a preset lays over the default genesis.
pub fn preset_patch(preset: &str) -> Value {
	let json = Runtime::get_preset(&Some(preset.into())).expect("the preset exists");
	serde_json::from_slice(&json).expect("a preset is JSON")
}

/// Runs `test` on the state of a preset.
pub fn with_preset<R>(preset: &str, test: impl FnOnce() -> R) -> R {
	let default = Runtime::get_preset(&None).expect("the default genesis exists");
	let mut genesis = serde_json::from_slice(&default).expect("the default genesis is JSON");
	merge(&mut genesis, preset_patch(preset));
	let genesis = serde_json::to_vec(&genesis).expect("JSON serializes");
	sp_io::TestExternalities::new_empty().execute_with(|| {
		Runtime::build_state(genesis).expect("the preset builds");
		test()
	})
}

fn pre_digest(slot: Slot, claim: Claim) -> DigestItem {
	let authority_index = 0;
	let claim = match claim {
		Claim::Plain => {
			PreDigest::SecondaryPlain(SecondaryPlainPreDigest { authority_index, slot })
		}
		Claim::Vrf => {
			let data = make_vrf_sign_data(&Babe::randomness(), slot, Babe::epoch_index());
			let vrf_signature = Sr25519Keyring::Alice.pair().vrf_sign(&data);
			PreDigest::SecondaryVRF(SecondaryVRFPreDigest { authority_index, slot, vrf_signature })
		}
	};
	<DigestItem as CompatibleDigestItem>::babe_pre_digest(claim)
}

/// Begins the next block, authored by the first validator: its clock is set, and nothing else is in
/// it.
pub fn open_block(claim: Claim) {
	let number = System::block_number() + 1;
	let slot = GENESIS_SLOT + u64::from(number);
	let parent = match number {
		1 => System::block_hash(0),
		_ => H256::from_low_u64_be(number.into()),
	};
	let digest = Digest { logs: vec![pre_digest(slot.into(), claim)] };
	Executive::initialize_block(&Header::new(number, H256::zero(), H256::zero(), parent, digest));
	let time =
		RuntimeCall::Timestamp(pallet_timestamp::Call::set { now: slot * SLOT_MILLISECONDS });
	let inherent = Executive::apply_extrinsic(generic::UncheckedExtrinsic::new_bare(time));
	assert_eq!(inherent, Ok(Ok(())));
}

/// Builds the next block from `extrinsics`, authored by the first validator, and gives their
/// outcomes.
pub fn build_block(claim: Claim, extrinsics: Vec<UncheckedExtrinsic>) -> Vec<ApplyExtrinsicResult> {
	open_block(claim);
	let outcomes = extrinsics.into_iter().map(Executive::apply_extrinsic).collect();
	Executive::finalize_block();
	outcomes
}

/// `call` as a transaction signed by `signer`.
pub fn signed(signer: Sr25519Keyring, nonce: Nonce, call: RuntimeCall) -> UncheckedExtrinsic {
	let extension = tx_extension(Era::Immortal, nonce, 0);
	let payload = SignedPayload::new(call.clone(), extension.clone()).expect("extensions agree");
	let signature = payload.using_encoded(|bytes| signer.sign(bytes));
	generic::UncheckedExtrinsic::new_signed(
		call,
		signer.to_account_id().into(),
		MultiSignature::Sr25519(signature),
		extension,
	)
}
