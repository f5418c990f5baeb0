//! A storage that outlives the service, as a node's does.

use parking_lot::Mutex;
use sp_core::offchain::{storage::InMemOffchainStorage, OffchainStorage};
use std::sync::Arc;

/// Offchain storage whose clones share their content, as those of the node do.
#[derive(Clone, Default)]
pub(crate) struct SharedStorage(Arc<Mutex<InMemOffchainStorage>>);

impl OffchainStorage for SharedStorage {
	fn set(&mut self, prefix: &[u8], key: &[u8], value: &[u8]) {
		self.0.lock().set(prefix, key, value);
	}

	fn remove(&mut self, prefix: &[u8], key: &[u8]) {
		self.0.lock().remove(prefix, key);
	}

	fn get(&self, prefix: &[u8], key: &[u8]) -> Option<Vec<u8>> {
		self.0.lock().get(prefix, key)
	}

	fn compare_and_set(
		&mut self,
		prefix: &[u8],
		key: &[u8],
		old_value: Option<&[u8]>,
		new_value: &[u8],
	) -> bool {
		self.0.lock().compare_and_set(prefix, key, old_value, new_value)
	}
}
