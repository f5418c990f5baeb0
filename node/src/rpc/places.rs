//! How many calls of a kind are answered at one time.
//!
//! Calls that read the disk or run the runtime hold a thread each. Whoever sends more of them than
//! there are places for is told so at once, so that what one client asks for leaves threads for
//! everything else.

use jsonrpsee::types::{ErrorObject, ErrorObjectOwned};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Code of the error for a call that finds no place.
pub const BUSY: i32 = 7000;

/// Places for calls.
#[derive(Clone)]
pub struct Places {
	free: Arc<Semaphore>,
	what: &'static str,
}

impl Places {
	/// So many places for calls that do `what`.
	pub fn new(places: usize, what: &'static str) -> Self {
		Self { free: Arc::new(Semaphore::new(places)), what }
	}

	/// A place until the result is dropped.
	///
	/// # Errors
	/// `Busy` when all are taken.
	pub fn take(&self) -> Result<OwnedSemaphorePermit, ErrorObjectOwned> {
		self.free.clone().try_acquire_owned().map_err(|_| {
			ErrorObject::owned(
				BUSY,
				format!(
					"Busy: the node {} for as many calls as it can; ask again later",
					self.what
				),
				Some(serde_json::json!({ "name": "Busy" })),
			)
		})
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn call_should_be_told_when_all_places_are_taken_and_come_in_when_one_is_free() {
		let places = Places::new(2, "reads blobs");
		let first = places.take().unwrap();
		let _second = places.clone().take().unwrap();
		let refused = places.take().unwrap_err();
		assert_eq!(refused.code(), BUSY);
		assert!(refused.message().contains("reads blobs"), "{refused}");
		drop(first);
		assert!(places.take().is_ok());
	}
}
