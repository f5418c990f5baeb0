//! How far votes may stay behind the best block.

use crate::BlockNumber;

/// Most blocks that any cap may be: as many as the runtime counts into the time for which stake
/// stays slashable (`FinalityCap`), and a small part of the 4096 after which state can no longer be
/// undone.
pub const MAX_CAP: BlockNumber = 600;

/// [`Caps::hard`] where nothing else is asked for: 5 minutes. Committees replay a job only once
/// their draw is final, and get 10 minutes for it, so that this leaves them half.
pub const DEFAULT_HARD_CAP: BlockNumber = 100;

/// [`Caps::soft`] where nothing else is asked for: a minute and a half.
pub const DEFAULT_SOFT_CAP: BlockNumber = 30;

/// Most blocks between a vote that is held back and the best block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
	soft: BlockNumber,
	hard: BlockNumber,
}

/// Caps that are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CapsError {
	/// Above [`MAX_CAP`].
	#[error("votes for finality may be held back by at most {MAX_CAP} blocks, not {0}")]
	TooLong(BlockNumber),
	/// The soft cap is above the hard one.
	#[error("the soft cap of {soft} blocks is above the hard cap of {hard}")]
	SoftAboveHard {
		/// The soft cap.
		soft: BlockNumber,
		/// The hard cap.
		hard: BlockNumber,
	},
}

impl Caps {
	/// The wanted caps, on a chain whose sessions have `session` slots.
	///
	/// The hard cap is at most a fifth of a session, and the soft cap then at most half of the hard
	/// one, so that a chain with short sessions has shorter caps than were asked for. The next
	/// session's validators are thus always made final by this one's. Half a session would do for
	/// that; a fifth leaves committees their time, since they replay a job only once their draw is
	/// final, and chains with short sessions have short clocks.
	///
	/// # Errors
	/// See [`CapsError`].
	pub fn new(soft: BlockNumber, hard: BlockNumber, session: u64) -> Result<Self, CapsError> {
		if hard > MAX_CAP {
			return Err(CapsError::TooLong(hard));
		}
		if soft > hard {
			return Err(CapsError::SoftAboveHard { soft, hard });
		}
		let fifth = (session / 5).try_into().unwrap_or(BlockNumber::MAX);
		let shortened = hard.min(fifth);
		let soft = if shortened < hard { soft.min(shortened / 2) } else { soft };
		Ok(Self { soft, hard: shortened })
	}

	/// The cap of a verdict of this node alone, that nobody has proved.
	pub fn soft(&self) -> BlockNumber {
		self.soft
	}

	/// The cap of certain evidence, and of everything together.
	pub fn hard(&self) -> BlockNumber {
		self.hard
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	fn caps(soft: BlockNumber, hard: BlockNumber, session: u64) -> Result<(u32, u32), CapsError> {
		Caps::new(soft, hard, session).map(|caps| (caps.soft(), caps.hard()))
	}

	#[test]
	fn caps_should_be_as_wanted_when_sessions_are_long() {
		assert_eq!(caps(30, 100, 1_200), Ok((30, 100)));
		assert_eq!(caps(599, 599, 3_000), Ok((599, 599)));
		assert_eq!(caps(0, 0, 1_200), Ok((0, 0)));
	}

	#[test]
	fn caps_should_be_a_fifth_of_a_session_when_sessions_are_short() {
		assert_eq!(caps(30, 100, 40), Ok((4, 8)));
		assert_eq!(caps(600, 600, 1_200), Ok((120, 240)));
		assert_eq!(caps(3, 100, 40), Ok((3, 8)));
		for session in 0..200 {
			let (soft, hard) = caps(100, 100, session).unwrap();
			assert!(u64::from(hard) * 5 <= session && soft <= hard, "{session}");
		}
	}

	#[test]
	fn caps_should_be_refused_when_they_are_too_long_or_upside_down() {
		assert_eq!(caps(1, MAX_CAP + 1, u64::MAX), Err(CapsError::TooLong(601)));
		assert_eq!(caps(3, 2, 1_200), Err(CapsError::SoftAboveHard { soft: 3, hard: 2 }));
		assert_eq!(caps(600, MAX_CAP, u64::MAX), Ok((600, 600)));
	}
}
