//! One job, in parts by what changes together and by the phase in which there is such a thing: what was
//! asked for never changes, a price is there where somebody has claimed it, and a root where its result is
//! open.

use super::{InputRoots, MAX_BARRED, MAX_HISTORY_OF_PHASES};
use assay_commitments::Segmentation;
use assay_market::{Assurance, Checkpoints, Hash, Phase, ReasonCode, MAX_OUTPUTS};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{traits::ConstU32, BoundedVec};
use scale_info::TypeInfo;
use sp_runtime::Permill;

/// One job, from `post_job` until it is pruned.
#[derive(Clone, Debug, PartialEq, Eq)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Job<AccountId, Balance, BlockNumber> {
	/// Hash of its [`Order`](assay_market::Order): what everybody who binds itself to it names.
	pub order: Hash,
	/// What was asked for.
	pub offer: Offer<AccountId, Balance, BlockNumber>,
	/// When the job was opened first, and its ramp began.
	pub opened_at: BlockNumber,
	/// Where the job stands.
	pub phase: Phase,
	/// Last block at which an answer of this phase counts.
	pub deadline: BlockNumber,
	/// The agenda's block that has this job.
	pub scheduled: Option<BlockNumber>,
	/// The block that the pending draw belongs to: its followers make the seed. The draw happens after
	/// `deadline`.
	pub draw: Option<BlockNumber>,
	/// When it entered which phase.
	pub history: BoundedVec<(Phase, BlockNumber), ConstU32<MAX_HISTORY_OF_PHASES>>,
	/// Who claimed it before and stayed silent, or gave it back.
	pub barred: BoundedVec<AccountId, ConstU32<MAX_BARRED>>,
	/// How many of them stayed silent.
	pub stalls: u32,
	/// The last claim, and what came of it. `None` while the job waits for one.
	pub claim: Option<Claim<AccountId, Balance>>,
	/// How the result is audited.
	pub audits: Audits<BlockNumber>,
	/// What is held for it, and where that went.
	pub books: Books<Balance>,
	/// Why it ended.
	pub reason: Option<ReasonCode>,
}

impl<AccountId, Balance, BlockNumber: Copy + Default> Job<AccountId, Balance, BlockNumber> {
	/// A job that was posted just now and has entered no phase yet.
	pub fn posted(
		order: Hash,
		offer: Offer<AccountId, Balance, BlockNumber>,
		books: Books<Balance>,
		now: BlockNumber,
	) -> Self {
		Self {
			order,
			offer,
			opened_at: now,
			phase: Phase::Posted,
			deadline: now,
			scheduled: None,
			draw: None,
			history: BoundedVec::new(),
			barred: BoundedVec::new(),
			stalls: 0,
			claim: None,
			audits: Audits::default(),
			books,
			reason: None,
		}
	}
}

impl<AccountId, Balance, BlockNumber> Job<AccountId, Balance, BlockNumber> {
	/// Who claimed it last.
	pub fn provider(&self) -> Option<&AccountId> {
		self.claim.as_ref().map(|claim| &claim.provider)
	}

	/// The hidden result.
	pub fn committed(&self) -> Option<&Committed> {
		self.claim.as_ref()?.result.as_ref()
	}

	/// The opened result.
	pub fn opened(&self) -> Option<&Opened> {
		self.committed()?.opened.as_ref()
	}

	/// The hidden result, to be changed.
	pub fn committed_mut(&mut self) -> Option<&mut Committed> {
		self.claim.as_mut()?.result.as_mut()
	}

	/// The opened result, to be changed.
	pub fn opened_mut(&mut self) -> Option<&mut Opened> {
		self.committed_mut()?.opened.as_mut()
	}

	/// The run root of the opened result.
	pub fn run_root(&self) -> Option<Hash> {
		Some(self.opened()?.run_root)
	}

	/// Why the opened result is condemned; `None` where it is not.
	pub fn condemned(&self) -> Option<ReasonCode> {
		Some(self.opened()?.condemned?.reason)
	}

	/// Whether the keepers of the outputs were drawn anew.
	pub fn keepers_redrawn(&self) -> bool {
		self.opened().is_some_and(|opened| opened.keepers_redrawn)
	}
}

impl<AccountId, Balance: Copy, BlockNumber> Job<AccountId, Balance, BlockNumber> {
	/// The price agreed at the claim; the highest where there is none.
	pub fn price(&self) -> Balance {
		self.claim.as_ref().map_or(self.offer.price_max, |claim| claim.price)
	}
}

/// What a requester asks for, and what that takes. It never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Offer<AccountId, Balance, BlockNumber> {
	/// Who pays.
	pub requester: AccountId,
	/// Content address of the program.
	pub program: Hash,
	/// Content addresses of the inputs, in program order.
	pub input_roots: InputRoots,
	/// Steps to run.
	pub steps: u32,
	/// Work units of all steps together.
	pub work_units: u64,
	/// Bytes of all inputs together.
	pub input_bytes: u64,
	/// Bytes of all outputs together.
	pub output_bytes: u64,
	/// What the requester asked for.
	pub assurance: Assurance,
	/// The audit probability that it gets.
	pub audit: Permill,
	/// Price at the start of the ramp.
	pub price_start: Balance,
	/// Price at its end.
	pub price_max: Balance,
	/// Its length.
	pub ramp_blocks: BlockNumber,
}

impl<AccountId, Balance, BlockNumber> Offer<AccountId, Balance, BlockNumber> {
	/// How the run is cut for its verifiers; `None`: each of them replays all of it.
	pub fn cut(&self) -> Option<Segmentation> {
		self.assurance.segments?.cut(self.steps)
	}

	/// How many segments it has; 1 where it is not cut.
	pub fn segment_count(&self) -> u32 {
		self.cut().map_or(1, |cut| cut.count())
	}

	/// Steps of what a verifier with this segment replays.
	pub fn steps_of(&self, segment: Option<u32>) -> u32 {
		let range = segment.and_then(|segment| self.cut()?.range(segment));
		range.map_or(self.steps, |range| range.end - range.start)
	}

	/// Whether the first audit is certain to happen, so that missing verdicts are missed.
	pub fn is_sure(&self) -> bool {
		self.audit.is_one()
	}

	/// Whether whoever replays this segment has the outputs, those of the last step.
	pub fn has_outputs(&self, segment: Option<u32>) -> bool {
		segment.is_none_or(|segment| segment.saturating_add(1) == self.segment_count())
	}

	/// Bytes of inputs and outputs together.
	pub fn bytes(&self) -> u64 {
		self.input_bytes.saturating_add(self.output_bytes)
	}

	/// Work units of one segment; `None` where the run is not cut. The last one may have less.
	pub fn segment_work(&self) -> Option<u64> {
		let step = self.work_units.div_ceil(u64::from(self.steps.max(1)));
		Some(step.saturating_mul(self.cut()?.length().into()))
	}

	/// Work units of what a verifier replays.
	pub fn replayed_work(&self) -> u64 {
		self.segment_work().unwrap_or(self.work_units).min(self.work_units)
	}
}

/// A provider's claim.
#[derive(Clone, Debug, PartialEq, Eq)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Claim<AccountId, Balance> {
	/// Who has claimed the job.
	pub provider: AccountId,
	/// The agreed price.
	pub price: Balance,
	/// What the provider has put up.
	pub bond: Balance,
	/// What it has bound itself to. From then on nobody else can claim the job.
	pub result: Option<Committed>,
}

/// A result that a provider has bound itself to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Committed {
	/// The hidden result.
	pub commitment: Hash,
	/// What the segments of a run that is cut start from.
	pub checkpoints: Option<Checkpoints>,
	/// The result, once it is open.
	pub opened: Option<Opened>,
}

/// A result that everyone can see.
#[derive(Clone, Debug, PartialEq, Eq)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Opened {
	/// The root of the run.
	pub run_root: Hash,
	/// Trace root of the last step.
	pub trace_root: Hash,
	/// Content addresses of the outputs, in program order.
	pub output_roots: BoundedVec<Hash, ConstU32<MAX_OUTPUTS>>,
	/// The keepers of the outputs were drawn anew.
	pub keepers_redrawn: bool,
	/// What was found against it.
	pub condemned: Option<Condemned>,
}

/// Why a result that was opened is worth nothing. The bond is slashed; a job that has not ended by that
/// waits for hidden verdicts to be opened, and for nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Condemned {
	/// It was proved wrong, or an opening of it withheld.
	pub reason: ReasonCode,
	/// The step that was proved wrong.
	pub step: Option<u32>,
}

/// The audits of a result: nothing until it is committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Audits<BlockNumber> {
	/// Tranches of verifiers opened so far, in all audits.
	pub tranches: u32,
	/// The first tranche of the present audit.
	pub first_tranche: u32,
	/// How many verdicts the present audit wants.
	pub wanted: u32,
	/// How many matching verdicts the result needs, known when its first lottery opens. None where the
	/// audit is not sure, since nobody knows how many verifiers there were, unless its verdicts had to be
	/// looked at once more.
	pub needed: u32,
	/// How many shares the verifier pot is cut into: the verdicts wanted by all audits that pay into it.
	pub shares: u32,
	/// Whether the result was audited: somebody has won the lottery and said so, or the audit is sure.
	/// `None` before the first lottery is over.
	pub audited: Option<bool>,
	/// Which chunks of their traces the verifiers of the last audit show. `None` while commitments are
	/// accepted, and where nobody has committed.
	pub sample: Option<Sample<BlockNumber>>,
	/// Why there is an audit more after the reveal.
	pub second: Option<SecondAudit>,
}

/// Why a result is audited once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub enum SecondAudit {
	/// The requester asked for it.
	#[codec(index = 0)]
	Requested,
	/// A sure audit had too few matching verdicts, or one that was not sure had a verdict that differs or
	/// that stayed hidden. What of the pot was not earned pays for it.
	#[codec(index = 1)]
	Automatic,
}

/// The seed of the positions at which verifiers open their traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub enum Sample<BlockNumber> {
	/// The commitments were closed in this block; the next blocks make the seed.
	#[codec(index = 0)]
	Awaited(BlockNumber),
	/// The seed.
	#[codec(index = 1)]
	Drawn(Hash),
}

/// What is held of the requester's balance for a job, and where it went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Books<Balance> {
	/// What is set aside for verifiers: the fee of one audit, or of two after a second one was requested.
	pub verifier_pot: Balance,
	/// What is set aside for those who hold the inputs and the outputs.
	pub data_fee: Balance,
	/// What each of them gets of it.
	pub data_share: Balance,
	/// What is held: the price and these two, until the job ends.
	pub escrow: Balance,
	/// What is held beside it as a deposit.
	pub deposit: Balance,
	/// What of that is for the bytes of the record, until it is pruned. The rest is for the place in the
	/// market, until the job ends.
	pub record_deposit: Balance,
	/// Paid out of the escrow.
	pub paid: Balance,
	/// Given back to the requester.
	pub refunded: Balance,
	/// Burned of the escrow.
	pub burned: Balance,
}
