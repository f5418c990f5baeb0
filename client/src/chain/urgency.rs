//! When a transaction with a deadline is signed again, and what it then tips: the part that needs
//! no chain.
//!
//! What is signed and waits in a pool is included in the order of what it pays. Whoever wants a
//! provider's commitment, reveal or answer to be late has only to pay a little more than it does,
//! so such a transaction pays more with every block that passes without it. It begins with nothing:
//! most blocks are not full.

/// Until when a transaction counts, and what that is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Urgency {
	/// Last block at which it has its effect.
	pub deadline: u64,
	/// Most that it may tip.
	pub max_tip: u128,
}

impl Urgency {
	/// Of something that has until `deadline` and is worth up to this tip.
	pub fn until(deadline: u64, max_tip: u128) -> Self {
		Self { deadline, max_tip }
	}
}

/// One signed version of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
	/// The account's nonce.
	pub nonce: u64,
	/// What it tips.
	pub tip: u128,
}

/// The part of a bond that may be paid in tips for a transaction which saves it, or takes it.
const TIP_PART: u128 = 20;

/// Most that a transaction tips which decides about a bond, where the user has not said it: as much
/// for whoever answers as for whoever challenges.
pub fn tip_of(bond: u128) -> u128 {
	bond / TIP_PART
}

/// The least tip that is tried where a pool wants more than it was offered.
const LEAST_TIP: u128 = 1_000_000;

/// The tip in block `k` (from 0) of the `n` blocks that a transaction has: none in the first, then
/// twice as much in every block, so that `max` is reached one block before the last.
pub fn tip(max: u128, k: u64, n: u64) -> u128 {
	match (k, n.saturating_sub(2).saturating_sub(k)) {
		(0, 1..) => 0,
		(_, halvings) => {
			u32::try_from(halvings).ok().and_then(|by| max.checked_shr(by)).unwrap_or(0)
		}
	}
}

/// A tip that a pool may take where it has refused `tip`; `None` where that is the most.
pub fn raised(tip: u128, max: u128) -> Option<u128> {
	let more = tip.saturating_mul(2).max(LEAST_TIP).min(max);
	(more > tip).then_some(more)
}

/// What is to be signed in block `k` of `n`; `None` where what was sent is to be waited for.
///
/// `lowest` is the first nonce from the account's in the best block on that no other urgent
/// transaction holds: an earlier one that is not urgent is replaced, so that nothing that may be
/// crowded out comes before. `sent` is the last version, `alive` whether any version may still be
/// included. `floor` is what urgent transactions with later nonces tip: they wait for this one, so
/// that it must not tip less.
pub fn decide(
	urgency: &Urgency,
	(k, n): (u64, u64),
	(lowest, floor): (u64, u128),
	sent: Option<Version>,
	alive: bool,
) -> Option<Version> {
	let due = tip(urgency.max_tip, k, n).max(floor);
	let Some(sent) = sent else { return Some(Version { nonce: lowest, tip: due }) };
	// The pool knows a transaction again that it has dropped, so that another one must differ.
	let other = sent.tip.saturating_add(1).max(due);
	match lowest.cmp(&sent.nonce) {
		// Its nonce is used: by itself, unless all versions have been refused.
		std::cmp::Ordering::Greater if alive => None,
		std::cmp::Ordering::Greater => Some(Version { nonce: lowest, tip: due }),
		// What came before it has gone.
		std::cmp::Ordering::Less => Some(Version { nonce: lowest, tip: other }),
		std::cmp::Ordering::Equal if !alive => Some(Version { nonce: lowest, tip: other }),
		std::cmp::Ordering::Equal => {
			(due > sent.tip).then_some(Version { nonce: sent.nonce, tip: due })
		}
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	const MAX: u128 = 1 << 40;

	#[test]
	fn tip_should_be_nothing_first_and_double_up_to_the_cap_before_the_end() {
		assert_eq!(tip(MAX, 0, 20), 0);
		assert_eq!(tip(MAX, 18, 20), MAX);
		assert_eq!(tip(MAX, 19, 20), MAX);
		for k in 1..18 {
			assert_eq!(tip(MAX, k + 1, 20), 2 * tip(MAX, k, 20), "{k}");
		}
		// A long clock tips nothing for long, and all of it in the end.
		assert_eq!(tip(MAX, 50, 1_000), 0);
		assert_eq!(tip(MAX, 998, 1_000), MAX);
		// Where there is hardly any time, everything at once.
		for n in 0..=2 {
			assert_eq!(tip(MAX, 0, n), MAX, "{n}");
		}
		assert_eq!(tip(0, 5, 5), 0);
	}

	#[test]
	fn raised_tip_should_double_and_end_at_the_cap() {
		assert_eq!(raised(0, MAX), Some(LEAST_TIP));
		let mut tip = 0;
		let mut tries = 0;
		while let Some(more) = raised(tip, MAX) {
			assert!(more > tip && more <= MAX);
			(tip, tries) = (more, tries + 1);
		}
		assert_eq!(tip, MAX);
		assert!(tries < 64);
		assert_eq!(raised(0, 0), None);
	}

	#[test]
	fn version_should_be_signed_again_only_when_that_helps() {
		let urgency = Urgency::until(20, MAX);
		let at = |k, lowest, sent, alive| decide(&urgency, (k, 20), (lowest, 0), sent, alive);
		// The first version takes the place of whatever waits, and tips nothing.
		assert_eq!(at(0, 7, None, false), Some(Version { nonce: 7, tip: 0 }));
		let sent = Version { nonce: 7, tip: 0 };
		assert_eq!(at(0, 7, Some(sent), true), None);
		// Each block that passes without it doubles the tip.
		let mut sent = Version { nonce: 7, tip: 0 };
		let mut versions = 0;
		for k in 1..20 {
			if let Some(next) = at(k, 7, Some(sent), true) {
				assert!(next.nonce == 7 && next.tip >= 2 * sent.tip && next.tip <= MAX);
				sent = next;
				versions += 1;
			}
		}
		assert_eq!((sent.tip, versions), (MAX, 18));
		// Included, as far as the nonce tells.
		assert_eq!(at(9, 8, Some(sent), true), None);
		// Another transaction has used its nonce.
		assert_eq!(at(9, 8, Some(sent), false).map(|v| v.nonce), Some(8));
		// The one before it is gone: it must not wait for a gap.
		let behind = Version { nonce: 9, tip: 5 };
		assert_eq!(at(2, 8, Some(behind), true).map(|v| v.nonce), Some(8));
		// Dropped by the pool: again, but not the same bytes.
		let dropped = at(1, 7, Some(Version { nonce: 7, tip: 3 }), false).unwrap();
		assert!(dropped.nonce == 7 && dropped.tip > 3);
	}

	#[test]
	fn tip_should_be_no_less_than_that_of_what_waits_behind() {
		let urgency = Urgency::until(1_000, 5);
		let sent = Some(Version { nonce: 7, tip: 0 });
		assert_eq!(decide(&urgency, (1, 1_000), (7, 0), sent, true), None);
		// What comes after it is worth more than it is itself.
		let raised = decide(&urgency, (1, 1_000), (7, 900), sent, true);
		assert_eq!(raised, Some(Version { nonce: 7, tip: 900 }));
		assert_eq!(decide(&urgency, (2, 1_000), (7, 900), raised, true), None);
	}

	/// The chain includes nothing of this account for a while because others pay more; the answer
	/// gets in before its deadline as soon as its tip is above theirs, and pays at most twice what
	/// they do.
	#[test]
	fn answer_should_be_in_time_when_others_outbid_it_up_to_the_cap() {
		for rival in [0, 1, 1_000, MAX / 100, MAX / 2, MAX - 1] {
			for n in [5, 20, 100, 1_000] {
				let urgency = Urgency::until(n, MAX);
				let mut sent = None;
				let included = (0..n).find(|k| {
					if let Some(version) = decide(&urgency, (*k, n), (3, 0), sent, sent.is_some()) {
						sent = Some(version);
					}
					sent.is_some_and(|version: Version| version.tip > rival)
				});
				let at = included.unwrap_or_else(|| panic!("{rival} of {MAX}, {n} blocks"));
				assert!(at < n);
				let paid = sent.map_or(0, |version| version.tip);
				let most = (2 * rival).max(tip(MAX, 1, n)).max(1);
				assert!(paid <= most, "{paid} {rival} {n}");
			}
		}
	}
}
