//! Who was drawn, or has shown a ticket, and what it said.

use super::SegmentRootsOf;
use assay_market::{AbstainReason, Hash, Purpose, SeatStatus, VerifierId};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// One account that was drawn to attest the inputs or to keep the outputs, or that has shown a ticket to
/// verify.
#[derive(Clone, Debug, PartialEq, Eq)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Seat<AccountId, BlockNumber> {
	/// The account whose stake stands behind it.
	pub account: AccountId,
	/// The session key that it must sign with.
	pub key: VerifierId,
	/// What it was drawn for.
	pub purpose: Purpose,
	/// In which tranche, counted through all audits of the job; 0 for those who were drawn in public.
	pub tranche: u32,
	/// At which block it was drawn, or its lottery opened.
	pub drawn_at: BlockNumber,
	/// Last block at which its attestation or commitment counts. Of a keeper it counts from the reveal to
	/// the end of the challenge period, whatever this says.
	pub deadline: BlockNumber,
	/// What it said.
	pub answer: Answer,
	/// The segment that its ticket has drawn, where the run is cut.
	pub segment: Option<u32>,
}

/// What a drawn account said.
#[derive(Clone, Debug, PartialEq, Eq)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub enum Answer {
	/// Nothing yet.
	#[codec(index = 0)]
	Pending,
	/// Whether it holds the inputs, or the outputs.
	#[codec(index = 1)]
	Attested(bool),
	/// A hidden verdict.
	#[codec(index = 2)]
	Committed(Hash),
	/// No verdict.
	#[codec(index = 3)]
	Abstained(AbstainReason),
	/// An opened verdict.
	#[codec(index = 4)]
	Revealed {
		/// What it had committed.
		commitment: Hash,
		/// The root of its replay: of its segment, where it has one.
		run_root: Hash,
	},
	/// Nothing until its deadline had passed. Only of those who were drawn in public: who was drawn to
	/// verify, and kept silent, nobody knows.
	#[codec(index = 5)]
	NoShow,
	/// An opened root without the chunks of its trace: no verdict.
	#[codec(index = 6)]
	Opened {
		/// What it had committed.
		commitment: Hash,
		/// The root that it says its replay has.
		run_root: Hash,
	},
}

impl Answer {
	/// Whether it holds a verdict, hidden or open.
	pub fn is_verdict(&self) -> bool {
		matches!(self, Answer::Committed(_) | Answer::Revealed { .. })
	}

	/// Whether its author is bound to a root, hidden or open, shown to be its own or not.
	pub fn is_bound(&self) -> bool {
		self.is_verdict() || matches!(self, Answer::Opened { .. })
	}

	/// The root that it has opened.
	pub fn opened_root(&self) -> Option<Hash> {
		match self {
			Answer::Revealed { run_root, .. } | Answer::Opened { run_root, .. } => Some(*run_root),
			_ => None,
		}
	}

	/// The same without the hashes.
	pub fn status(&self) -> SeatStatus {
		match self {
			Answer::Pending => SeatStatus::Pending,
			Answer::Attested(ok) => SeatStatus::Attested(*ok),
			Answer::Committed(_) => SeatStatus::Committed,
			Answer::Abstained(reason) => SeatStatus::Abstained(*reason),
			Answer::Revealed { .. } => SeatStatus::Revealed,
			Answer::NoShow => SeatStatus::NoShow,
			Answer::Opened { .. } => SeatStatus::Opened,
		}
	}
}

/// What the verdicts on a job are compared with, as far as the result is open.
pub struct Results {
	/// The provider's run root.
	pub run_root: Option<Hash>,
	/// The roots of its segments; `None` where the run is not cut.
	pub segments: Option<SegmentRootsOf>,
}

impl Results {
	/// What a verdict about this segment equals if it matches.
	pub fn of(&self, segment: Option<u32>) -> Option<Hash> {
		match (&self.segments, segment) {
			(None, _) => self.run_root,
			(Some(roots), Some(segment)) => roots.get(segment as usize).copied(),
			(Some(_), None) => None,
		}
	}
}
