//! Trying again.

use std::{future::Future, ops::ControlFlow, time::Duration};

/// Most pauses that one pause is as long as.
const LONGEST: u32 = 20;

/// Attempts until one succeeds or `failed` breaks off. That is told every error and how many there
/// were by then; each pause is longer than the one before by `pause`, up to a bound.
pub(crate) async fn retrying<T, E, F: Future<Output = Result<T, E>>>(
	pause: Duration,
	mut attempt: impl FnMut() -> F,
	mut failed: impl FnMut(E, u32) -> ControlFlow<T>,
) -> T {
	let mut failures = 0u32;
	loop {
		let error = match attempt().await {
			Ok(found) => return found,
			Err(error) => error,
		};
		failures = failures.saturating_add(1);
		if let ControlFlow::Break(instead) = failed(error, failures) {
			return instead;
		}
		tokio::time::sleep(pause * failures.min(LONGEST)).await;
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[tokio::test]
	async fn attempts_should_go_on_until_one_succeeds_or_they_are_broken_off() {
		let mut left = 3;
		let mut counted = Vec::new();
		let attempt = || {
			left -= 1;
			let outcome = if left == 0 { Ok("found") } else { Err(left) };
			async move { outcome }
		};
		let failed = |error, failures| {
			counted.push((error, failures));
			ControlFlow::Continue(())
		};
		assert_eq!(retrying(Duration::ZERO, attempt, failed).await, "found");
		assert_eq!(counted, [(2, 1), (1, 2)]);

		let failed = |(), failures| match failures {
			3 => ControlFlow::Break("given up"),
			_ => ControlFlow::Continue(()),
		};
		let attempt = || async { Err(()) };
		assert_eq!(retrying(Duration::ZERO, attempt, failed).await, "given up");
	}
}
