//! The chain's programs, each examined once.

use crate::{
	chain::Chain,
	fault::Fault,
	inputs::examined::{Examined, Lengths},
	types::Hash,
};
use parking_lot::Mutex;
use schnellru::{ByLength, LruMap};
use std::sync::Arc;

/// Most programs whose examination is remembered; the longest unused one makes room.
const PROGRAMS: u32 = 64;

/// Most programs whose lengths are remembered, a few KiB each at most: as many as jobs can be open,
/// so that looking for their blobs with every block examines nothing again.
const LENGTHS: u32 = 4096;

/// What was found out about programs.
pub(crate) struct Programs {
	chain: Arc<dyn Chain>,
	examined: Mutex<LruMap<Hash, Arc<Examined>, ByLength>>,
	lengths: Mutex<LruMap<Hash, Arc<Lengths>, ByLength>>,
}

impl Programs {
	pub(crate) fn new(chain: Arc<dyn Chain>) -> Self {
		Self {
			chain,
			examined: Mutex::new(LruMap::new(ByLength::new(PROGRAMS))),
			lengths: Mutex::new(LruMap::new(ByLength::new(LENGTHS))),
		}
	}

	/// Decodes and checks a program, once. Blocks.
	pub(crate) fn examine(&self, id: Hash) -> Result<Arc<Examined>, Fault> {
		if let Some(examined) = self.examined.lock().get(&id) {
			return Ok(examined.clone());
		}
		let bytes = self.chain.program(id).map_err(|error| Fault::Chain(error.to_string()))?;
		let bytes = bytes.ok_or_else(|| Fault::Chain("the program is not registered".into()))?;
		let examined = Arc::new(Examined::new(bytes)?);
		self.examined.lock().insert(id, examined.clone());
		Ok(examined)
	}

	/// The lengths of what goes into a program and comes out of it. Blocks.
	pub(crate) fn lengths(&self, id: Hash) -> Result<Arc<Lengths>, Fault> {
		if let Some(lengths) = self.lengths.lock().get(&id) {
			return Ok(lengths.clone());
		}
		let lengths = Arc::new(Lengths::from(&*self.examine(id)?));
		self.lengths.lock().insert(id, lengths.clone());
		Ok(lengths)
	}
}
