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
#[derive(
	Clone,
	Copy,
	Debug,
	PartialEq,
	Eq,
	PartialOrd,
	Ord,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
	Serialize,
	Deserialize,
)]
#[cfg_attr(feature = "client", derive(scale_decode::DecodeAsType))]
pub enum Phase {
	/// Escrow is held; drawn validators attest that they hold every input.
	Posted,
	/// A provider may claim the job at the ramp's current price.
	Open,
	/// A provider has put up its bond and owes a result commitment.
	Claimed,
	/// The result is committed; the chain waits for randomness that nobody could know before.
	Committed,
	/// A drawn committee replays the job and commits its verdicts blindly.
	Verifying,
	/// The provider opens its result, the verifiers open their verdicts.
	Revealing,
	/// Everyone may object.
	Challengeable,
	/// The provider was paid. Terminal.
	Settled,
	/// The job ended without payment, for the stated reason. Terminal.
	Failed,
}

impl Phase {
	/// Whether nothing can happen to the job any more.
	pub const fn is_terminal(&self) -> bool {
		matches!(self, Phase::Settled | Phase::Failed)
	}
}

/// Why a job ended. Every terminal job has exactly one.
#[derive(
	Clone,
	Copy,
	Debug,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
	Serialize,
	Deserialize,
)]
#[cfg_attr(feature = "client", derive(scale_decode::DecodeAsType))]
pub enum ReasonCode {
	/// The result stood: provider and matching verifiers were paid.
	Paid,
	/// The requester cancelled while the job was posted or open. Everything was refunded.
	Cancelled,
	/// The requester cancelled while a provider worked on it. The provider got its fee share.
	CancelledWhileClaimed,
	/// Too few drawn validators attested that they hold the inputs. Everything was refunded.
	InputsUnavailable,
	/// Nobody claimed the job before its deadline. Everything was refunded.
	Expired,
	/// Two providers in a row claimed the job and stayed silent. Everything was refunded.
	ProviderTimeout,
	/// No verdict could be reached, in general before the result was shown. Nobody was paid; everything
	/// was refunded.
	Inconclusive,
	/// The provider did not open its committed result, or an opening of it that a challenger
	/// demanded, or stated roots of lazy anchors that contradict it or themselves. Slashed as for
	/// fraud; but nobody who vouched for the result is proved wrong.
	Withheld,
	/// The result was proved wrong. The bond was slashed; the requester was compensated.
	ProvenFraud,
	/// Too few of those who were asked could get the outputs. Nobody was paid; everything was refunded.
	Undelivered,
}

/// How a drawn account took part, or how a party of a job behaved: what reputation is made of.
#[derive(
	Clone,
	Copy,
	Debug,
	PartialEq,
	Eq,
	PartialOrd,
	Ord,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
	Serialize,
	Deserialize,
)]
pub enum Outcome {
	/// Provider: the result stood and was paid.
	ProviderPaid,
	/// Provider: claimed and stayed silent.
	ProviderStalled,
	/// Provider: no verdict was reached on its result.
	ProviderInconclusive,
	/// Provider: did not open its result or a part of it, or it was proved wrong.
	ProviderFraud,
	/// Requester: its job was carried to payment.
	RequesterPaid,
	/// Requester: cancelled after a provider had begun.
	RequesterCancelled,
	/// Requester: its inputs could not be found.
	RequesterInputsUnavailable,
	/// Verifier: attested the inputs in time.
	VerifierAttested,
	/// Verifier: its verdict matched the result that stood.
	VerifierMatched,
	/// Verifier: its verdict differed and it proved nothing; counts as a local fault.
	VerifierMismatched,
	/// Verifier: said that it could not give a verdict.
	VerifierAbstained,
	/// Verifier: was drawn and said nothing.
	VerifierNoShow,
	/// Verifier: committed a verdict and never opened it.
	VerifierUnrevealed,
	/// Provider: gave a claimed job back.
	ProviderGaveBack,
	/// Provider: its outputs could not be had.
	ProviderUndelivered,
	/// Verifier: keeps and serves the outputs.
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
#[derive(
	Clone,
	Copy,
	Debug,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
	Serialize,
	Deserialize,
)]
#[cfg_attr(feature = "client", derive(scale_decode::DecodeAsType))]
pub enum AbstainReason {
	/// A device failed its self-test, was lost or gave an error.
	DeviceFault,
	/// The job needs more memory than the verifier's devices or limits have.
	OutOfMemory,
	/// The replay took longer than the worker's limit.
	TooSlow,
	/// An input could not be fetched from any peer.
	InputsMissing,
	/// The worker process crashed, hung or is missing.
	WorkerFault,
	/// The program needs an operator set that this node does not know.
	UnsupportedOperators,
	/// Anything else that is the verifier's own fault.
	Other,
}

/// What an account was drawn for.
#[derive(
	Clone,
	Copy,
	Debug,
	PartialEq,
	Eq,
	PartialOrd,
	Ord,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
	Serialize,
	Deserialize,
)]
#[cfg_attr(feature = "client", derive(scale_decode::DecodeAsType))]
pub enum Purpose {
	/// To attest that it holds every input of the job.
	Attest,
	/// To replay the job and give a verdict.
	Verify,
	/// To fetch the outputs once the result is open, keep and serve them.
	Keep,
}

/// How likely the result is to be replayed: how many verifiers are called, as a part of a committee.
#[derive(
	Clone,
	Copy,
	Debug,
	Default,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
	Serialize,
	Deserialize,
)]
pub enum Audit {
	/// The chain's standard audit probability.
	#[default]
	Standard,
	/// This probability instead, in parts per million. Not below the chain's floor. The provider's
	/// bond grows as it falls.
	Custom(Permill),
}

/// Whether drawn validators must attest the inputs before a provider may claim.
#[derive(
	Clone,
	Copy,
	Debug,
	Default,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
	Serialize,
	Deserialize,
)]
#[cfg_attr(feature = "client", derive(scale_decode::DecodeAsType))]
pub enum Attestation {
	/// A quorum of drawn validators must hold every input.
	#[default]
	Required,
	/// The job opens at once. It is marked and earns nobody any merit.
	OptedOut,
}

/// How sure the requester wants to be. `Default` is what most jobs want.
#[derive(
	Clone,
	Copy,
	Debug,
	Default,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
	Serialize,
	Deserialize,
)]
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
#[derive(
	Clone,
	Copy,
	Debug,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
	Serialize,
	Deserialize,
)]
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
#[derive(
	Clone,
	Copy,
	Debug,
	PartialEq,
	Eq,
	Encode,
	Decode,
	DecodeWithMemTracking,
	MaxEncodedLen,
	TypeInfo,
	Serialize,
)]
#[cfg_attr(feature = "client", derive(scale_decode::DecodeAsType))]
pub struct Checkpoints {
	/// Content address of the manifest: which states every segment starts from.
	#[serde(serialize_with = "json::hash")]
	pub manifest: Hash,
	/// [`assay_commitments::checkpoints_digest`] of the trace roots of the steps before them.
	#[serde(serialize_with = "json::hash")]
	pub digest: Hash,
}
