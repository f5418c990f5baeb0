//! The salt of a verdict.

use crate::{fault::Fault, types::Hash};
use assay_market::verifier_crypto::{self, KEY_TYPE};
use sp_core::{crypto::ByteArray, sr25519};
use sp_keystore::Keystore;

/// Context of the VRF transcript and of the hash over its pre-output.
const CONTEXT: &str = "assay 2026-11-29 verdict salt v2";

/// Salt of `key`'s verdict on the job of this order: the BLAKE3 hash of the key's VRF pre-output
/// over genesis hash and order. A job's number would not do: under it another fork may have another
/// job, and two commitments with one salt, of which one is opened, hide nothing.
///
/// Only the holder of the key can compute it, and it computes the same value after a restart or a
/// loss of its database, so that a committed verdict can always be revealed.
///
/// # Errors
/// [`Fault::Keystore`] when the keystore fails or has lost the key.
pub fn derive_salt(
	keystore: &dyn Keystore,
	genesis: &Hash,
	order: &Hash,
	key: &verifier_crypto::AuthorityId,
) -> Result<Hash, Fault> {
	let input = sr25519::vrf::VrfTranscript::new(
		CONTEXT.as_bytes(),
		&[(b"genesis", genesis), (b"order", order)],
	);
	let public = sr25519::Public::from_slice(key.as_ref())
		.map_err(|()| Fault::Keystore("the verifier key has a wrong length".into()))?;
	let output = keystore
		.sr25519_vrf_pre_output(KEY_TYPE, &public, &input)
		.map_err(|error| Fault::Keystore(error.to_string()))?
		.ok_or_else(|| Fault::Keystore("the verifier key is not in the keystore".into()))?;
	Ok(blake3::derive_key(CONTEXT, output.0.as_bytes()))
}

#[cfg(test)]
mod tests {
	use super::*;
	use sp_keystore::testing::MemoryKeystore;

	fn key(keystore: &MemoryKeystore, seed: &str) -> verifier_crypto::AuthorityId {
		keystore.sr25519_generate_new(KEY_TYPE, Some(seed)).unwrap().into()
	}

	#[test]
	fn salt_should_be_the_same_when_derived_by_another_keystore_with_the_same_key() {
		let (first, second) = (MemoryKeystore::new(), MemoryKeystore::new());
		let alice = key(&first, "//Alice");
		assert_eq!(key(&second, "//Alice"), alice);
		let salt = derive_salt(&first, &[7; 32], &[5; 32], &alice).unwrap();
		assert_eq!(derive_salt(&second, &[7; 32], &[5; 32], &alice).unwrap(), salt);
	}

	#[test]
	fn salt_should_differ_when_genesis_order_or_key_differ() {
		let keystore = MemoryKeystore::new();
		let (alice, bob) = (key(&keystore, "//Alice"), key(&keystore, "//Bob"));
		let salts = [
			derive_salt(&keystore, &[7; 32], &[5; 32], &alice).unwrap(),
			derive_salt(&keystore, &[8; 32], &[5; 32], &alice).unwrap(),
			derive_salt(&keystore, &[7; 32], &[6; 32], &alice).unwrap(),
			derive_salt(&keystore, &[7; 32], &[5; 32], &bob).unwrap(),
		];
		for (i, a) in salts.iter().enumerate() {
			assert!(salts[i + 1..].iter().all(|b| b != a));
		}
	}

	#[test]
	fn salt_should_be_a_named_fault_when_the_key_is_missing() {
		let alice = key(&MemoryKeystore::new(), "//Alice");
		let result = derive_salt(&MemoryKeystore::new(), &[7; 32], &[5; 32], &alice);
		assert!(matches!(result, Err(Fault::Keystore(_))));
	}
}
