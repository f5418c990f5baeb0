//! How a job is named, where it stands and why it ended.

use crate::{json, Hash};
use assay_commitments::Segmentation;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};
use sp_arithmetic::Permill;

/// Jobs are numbered from 0 in the order in which they were posted; a number is never used twice.
pub type JobId = u64;

/// Most inputs that a job may have. A program with more inputs cannot be posted.
pub const MAX_INPUTS: u32 = 256;

/// Most outputs that a job may have.
pub const MAX_OUTPUTS: u32 = 64;

/// Where a job stands. The order is the order in which a job passes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "client", derive(scale_decode::DecodeAsType))]
pub enum Phase {
	/// Escrow is held; drawn validators attest that they hold every input.
	#[codec(index = 0)]
	Posted,
	/// A provider may claim the job at the ramp's current price.
	#[codec(index = 1)]
	Open,
	/// A provider has put up its bond and owes a result commitment.
	#[codec(index = 2)]
	Claimed,
	/// The result is committed; the chain waits for randomness that nobody could know before.
	#[codec(index = 3)]
	Committed,
	/// A drawn committee replays the job and commits its verdicts blindly.
	#[codec(index = 4)]
	Verifying,
	/// The provider opens its result, the verifiers open their verdicts.
	#[codec(index = 5)]
	Revealing,
	/// Everyone may object.
	#[codec(index = 6)]
	Challengeable,
	/// The provider was paid. Terminal.
	#[codec(index = 7)]
	Settled,
	/// The job ended without payment, for the stated reason. Terminal.
	#[codec(index = 8)]
	Failed,
}

impl Phase {
	/// Whether nothing can happen to the job any more.
	pub const fn is_terminal(&self) -> bool {
		matches!(self, Phase::Settled | Phase::Failed)
	}
}

/// Why a job ended. Every terminal job has exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "client", derive(scale_decode::DecodeAsType))]
pub enum ReasonCode {
	/// The result stood: provider and matching verifiers were paid.
	#[codec(index = 0)]
	Paid,
	/// The requester cancelled while the job was posted or open. Everything was refunded.
	#[codec(index = 1)]
	Cancelled,
	/// The requester cancelled while a provider worked on it. The provider got its fee share.
	#[codec(index = 2)]
	CancelledWhileClaimed,
	/// Too few drawn validators attested that they hold the inputs. Everything was refunded.
	#[codec(index = 3)]
	InputsUnavailable,
	/// Nobody claimed the job before its deadline. Everything was refunded.
	#[codec(index = 4)]
	Expired,
	/// Two providers in a row claimed the job and stayed silent. Everything was refunded.
	#[codec(index = 5)]
	ProviderTimeout,
	/// No verdict could be reached, in general before the result was shown. Nobody was paid; everything
	/// was refunded.
	#[codec(index = 6)]
	Inconclusive,
	/// The provider did not open its committed result, or an opening of it that a challenger
	/// demanded, or stated roots of lazy anchors that contradict it or themselves. Slashed as for
	/// fraud; but nobody who vouched for the result is proved wrong.
	#[codec(index = 7)]
	Withheld,
	/// The result was proved wrong. The bond was slashed; the requester was compensated.
	#[codec(index = 8)]
	ProvenFraud,
	/// Too few of those who were asked could get the outputs. Nobody was paid; everything was refunded.
	#[codec(index = 9)]
	Undelivered,
}

/// How a drawn account took part, or how a party of a job behaved: what reputation is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[derive(Serialize, Deserialize)]
pub enum Outcome {
	/// Provider: the result stood and was paid.
	#[codec(index = 0)]
	ProviderPaid,
	/// Provider: claimed and stayed silent.
	#[codec(index = 1)]
	ProviderStalled,
	/// Provider: no verdict was reached on its result.
	#[codec(index = 2)]
	ProviderInconclusive,
	/// Provider: did not open its result or a part of it, or it was proved wrong.
	#[codec(index = 3)]
	ProviderFraud,
	/// Requester: its job was carried to payment.
	#[codec(index = 4)]
	RequesterPaid,
	/// Requester: cancelled after a provider had begun.
	#[codec(index = 5)]
	RequesterCancelled,
	/// Requester: its inputs could not be found.
	#[codec(index = 6)]
	RequesterInputsUnavailable,
	/// Verifier: attested the inputs in time.
	#[codec(index = 7)]
	VerifierAttested,
	/// Verifier: its verdict matched the result that stood.
	#[codec(index = 8)]
	VerifierMatched,
	/// Verifier: its verdict differed and it proved nothing; counts as a local fault.
	#[codec(index = 9)]
	VerifierMismatched,
	/// Verifier: said that it could not give a verdict.
	#[codec(index = 10)]
	VerifierAbstained,
	/// Verifier: was drawn and said nothing.
	#[codec(index = 11)]
	VerifierNoShow,
	/// Verifier: committed a verdict and never opened it.
	#[codec(index = 12)]
	VerifierUnrevealed,
	/// Provider: gave a claimed job back.
	#[codec(index = 13)]
	ProviderGaveBack,
	/// Provider: its outputs could not be had.
	#[codec(index = 14)]
	ProviderUndelivered,
	/// Verifier: keeps and serves the outputs.
	#[codec(index = 15)]
	VerifierKept,
}

impl Outcome {
	/// Whether it speaks for the account. A job whose inputs nobody attested earns none of these.
	pub const fn is_merit(&self) -> bool {
		matches!(
			self,
			Outcome::ProviderPaid
				| Outcome::RequesterPaid
				| Outcome::VerifierAttested
				| Outcome::VerifierMatched
				| Outcome::VerifierKept
		)
	}
}

/// Why a drawn verifier gives no verdict. Never paid, always counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "client", derive(scale_decode::DecodeAsType))]
pub enum AbstainReason {
	/// A device failed its self-test, was lost or gave an error.
	#[codec(index = 0)]
	DeviceFault,
	/// The job needs more memory than the verifier's devices or limits have.
	#[codec(index = 1)]
	OutOfMemory,
	/// The replay took longer than the worker's limit.
	#[codec(index = 2)]
	TooSlow,
	/// An input could not be fetched from any peer.
	#[codec(index = 3)]
	InputsMissing,
	/// The worker process crashed, hung or is missing.
	#[codec(index = 4)]
	WorkerFault,
	/// The program needs an operator set that this node does not know.
	#[codec(index = 5)]
	UnsupportedOperators,
	/// Anything else that is the verifier's own fault.
	#[codec(index = 6)]
	Other,
}

/// What an account was drawn for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "client", derive(scale_decode::DecodeAsType))]
pub enum Purpose {
	/// To attest that it holds every input of the job.
	#[codec(index = 0)]
	Attest,
	/// To replay the job and give a verdict.
	#[codec(index = 1)]
	Verify,
	/// To fetch the outputs once the result is open, keep and serve them.
	#[codec(index = 2)]
	Keep,
}

/// How likely the result is to be replayed: how many verifiers are called, as a part of a committee.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[derive(Serialize, Deserialize)]
pub enum Audit {
	/// The chain's standard audit probability.
	#[default]
	#[codec(index = 0)]
	Standard,
	/// This probability instead, in parts per million. Not below the chain's floor. The provider's
	/// bond grows as it falls.
	#[codec(index = 1)]
	Custom(Permill),
}

/// Whether drawn validators must attest the inputs before a provider may claim.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "client", derive(scale_decode::DecodeAsType))]
pub enum Attestation {
	/// A quorum of drawn validators must hold every input.
	#[default]
	#[codec(index = 0)]
	Required,
	/// The job opens at once. It is marked and earns nobody any merit.
	#[codec(index = 1)]
	OptedOut,
}

/// How sure the requester wants to be. `Default` is what most jobs want.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "client", derive(scale_decode::DecodeAsType))]
pub struct Assurance {
	/// How likely a committee replays the result.
	pub audit: Audit,
	/// Whether the inputs are attested first.
	pub attestation: Attestation,
	/// Whether a verifier replays one segment of the run instead of all of it. The provider's bond
	/// grows with the number of segments.
	pub segments: Option<Segments>,
}

/// How the run of a job is cut for its verifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "client", derive(scale_decode::DecodeAsType))]
pub struct Segments {
	/// L: steps of one segment, a power of two of at least 2. The last one may be shorter.
	pub steps: u32,
}

impl Segments {
	/// The cut of a run of so many steps. `None` where L is no power of two, or where there would be
	/// fewer than 2 segments or more than [`assay_commitments::MAX_SEGMENTS`].
	pub fn cut(&self, steps: u32) -> Option<Segmentation> {
		Segmentation::new(steps, self.steps)
	}
}

/// What a provider binds itself to beside its result where the run is cut into segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[derive(Serialize)]
#[cfg_attr(feature = "client", derive(scale_decode::DecodeAsType))]
pub struct Checkpoints {
	/// Content address of the manifest: which states every segment starts from.
	#[serde(serialize_with = "json::hash")]
	pub manifest: Hash,
	/// [`assay_commitments::checkpoints_digest`] of the trace roots of the steps before them.
	#[serde(serialize_with = "json::hash")]
	pub digest: Hash,
}
