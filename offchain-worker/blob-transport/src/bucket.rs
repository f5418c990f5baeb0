//! A token bucket: so much a second, with some saved up.

use std::time::{Duration, Instant};

/// Tokens that flow in at a fixed rate up to a limit.
#[derive(Clone, Debug)]
pub struct Bucket {
	rate: f64,
	burst: f64,
	tokens: f64,
	at: Instant,
}

impl Bucket {
	/// A full bucket: `rate` tokens a second, `burst` of them at most.
	pub fn new(rate: u64, burst: u64, now: Instant) -> Self {
		let (rate, burst) = (rate.max(1) as f64, burst.max(1) as f64);
		Self { rate, burst, tokens: burst, at: now }
	}

	fn fill(&mut self, now: Instant) {
		let passed = now.saturating_duration_since(self.at).as_secs_f64();
		self.tokens = (self.tokens + passed * self.rate).min(self.burst);
		self.at = self.at.max(now);
	}

	/// How long until `amount` tokens are there; zero if they are. An amount above the burst is
	/// taken as the burst.
	pub fn wait(&mut self, amount: u64, now: Instant) -> Duration {
		self.fill(now);
		let missing = (amount as f64).min(self.burst) - self.tokens;
		Duration::from_secs_f64((missing / self.rate).max(0.0))
	}

	/// Takes the tokens, also where that leaves a debt.
	pub fn take(&mut self, amount: u64, now: Instant) {
		self.fill(now);
		self.tokens -= amount as f64;
	}

	/// Whether nothing is missing: as good as a new one.
	pub fn is_full(&mut self, now: Instant) -> bool {
		self.fill(now);
		self.tokens >= self.burst
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn bucket_should_give_its_burst_at_once_and_its_rate_afterwards() {
		let start = Instant::now();
		let mut bucket = Bucket::new(10, 30, start);
		assert_eq!(bucket.wait(30, start), Duration::ZERO);
		bucket.take(30, start);
		assert_eq!(bucket.wait(5, start), Duration::from_millis(500));
		let later = start + Duration::from_millis(500);
		assert_eq!(bucket.wait(5, later), Duration::ZERO);
		bucket.take(5, later);
		// Never more than the burst, however long nobody came.
		let much_later = later + Duration::from_secs(3600);
		assert!(bucket.is_full(much_later));
		bucket.take(30, much_later);
		assert_eq!(bucket.wait(1, much_later), Duration::from_millis(100));
	}

	#[test]
	fn bucket_should_let_too_large_an_amount_pass_when_it_is_full() {
		let start = Instant::now();
		let mut bucket = Bucket::new(10, 30, start);
		assert_eq!(bucket.wait(1000, start), Duration::ZERO);
		bucket.take(1000, start);
		assert_eq!(bucket.wait(1, start), Duration::from_secs_f64(97.1));
		// A clock that goes back gives nothing.
		bucket.take(0, start - Duration::from_secs(1));
		assert!(!bucket.is_full(start));
	}
}
