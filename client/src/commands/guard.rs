//! The last line: what should never happen ends with a sentence and an exit code, not with a
//! backtrace.

use crate::context::FAULT_CODE;
use crate::error::{Error, Result};
use std::{
	panic::{catch_unwind, set_hook, take_hook, AssertUnwindSafe},
	sync::{Arc, Mutex},
};

/// Runs what reads files of strangers. A panic, in any thread that it waits for, becomes an error
/// that says where.
pub fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
	let place = Arc::new(Mutex::new(None));
	let seen = place.clone();
	let before = take_hook();
	set_hook(Box::new(move |info| {
		if let (Ok(mut seen), Some(at)) = (seen.lock(), info.location()) {
			let text = info.payload_as_str().unwrap_or("no message");
			seen.get_or_insert(format!("{}:{}: {text}", at.file(), at.line()));
		}
	}));
	let outcome = catch_unwind(AssertUnwindSafe(work));
	drop(take_hook());
	set_hook(before);
	outcome.unwrap_or_else(|_| {
		let place = place.lock().ok().and_then(|mut place| place.take());
		let message = format!(
			"a fault of assay itself, at {}",
			place.as_deref().unwrap_or("an unknown place")
		);
		Err(Error::new(FAULT_CODE, message)
			.fix("nothing was written; please report it with the command and its files"))
	})
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn panic_should_become_an_error_that_says_where() {
		let numbers: Vec<u32> = Vec::new();
		let error = guarded(|| Ok(numbers[numbers.len()])).unwrap_err();
		assert_eq!(error.code, FAULT_CODE);
		assert!(error.message.contains("guard.rs"), "{error}");
		assert_eq!(guarded(|| Ok(1)), Ok(1));
	}
}
