//! A node around a chain: keys, offchain storage and a transaction pool, for offchain hooks.

use crate::authorized::Extrinsic;
use assay_market::verifier_crypto::KEY_TYPE;
use codec::Decode;
use frame_system::Config;
use sp_core::offchain::{
	testing::TestOffchainExt, OffchainDbExt, OffchainWorkerExt, TransactionPool, TransactionPoolExt,
};
use sp_io::TestExternalities;
use sp_keystore::{testing::MemoryKeystore, Keystore, KeystoreExt};
use std::sync::{Arc, Mutex};

/// What was submitted.
#[derive(Clone, Default)]
pub struct Pool(Arc<Mutex<Vec<Vec<u8>>>>);

impl TransactionPool for Pool {
	fn submit_transaction(&mut self, extrinsic: Vec<u8>) -> Result<(), ()> {
		self.0.lock().expect("never poisoned").push(extrinsic);
		Ok(())
	}
}

impl Pool {
	/// The calls that were submitted since they were last taken.
	///
	/// # Panics
	/// When something else was submitted.
	pub fn take<T>(&self) -> Vec<T::RuntimeCall>
	where
		T: Config,
		Extrinsic<T>: Decode,
	{
		std::mem::take(&mut *self.0.lock().expect("never poisoned"))
			.iter()
			.map(|bytes| Extrinsic::<T>::decode(&mut &bytes[..]).expect("an extrinsic").function)
			.collect()
	}
}

/// Puts a node with the verifier keys of these raw seeds around a chain; gives what takes its
/// submissions.
///
/// # Panics
/// When a seed is none.
pub fn surround(chain: &mut TestExternalities, seeds: impl Iterator<Item = String>) -> Pool {
	let pool = Pool::default();
	let keystore = MemoryKeystore::new();
	for seed in seeds {
		keystore.sr25519_generate_new(KEY_TYPE, Some(&seed)).expect("a raw seed");
	}
	let (offchain, _) = TestOffchainExt::new();
	chain.register_extension(OffchainDbExt::new(offchain.clone()));
	chain.register_extension(OffchainWorkerExt::new(offchain));
	chain.register_extension(TransactionPoolExt::new(pool.clone()));
	chain.register_extension(KeystoreExt::new(keystore));
	pool
}

/// Gives a chain a keystore without keys, as benchmarks that make their own need it.
pub fn with_keystore(mut chain: TestExternalities) -> TestExternalities {
	chain.register_extension(KeystoreExt::new(MemoryKeystore::new()));
	chain
}
