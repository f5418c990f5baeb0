//! What the pallet stores, and what it asks of the programs.

use crate::Config;
use alloc::vec::Vec;
use assay_commitments::{Place, RunShape, GROUP_CHILDREN};
use assay_market::{Hash, Turn};
use assay_program::{AnchorPlan, Checked, Program};
use assay_referee::{Accusation, LazyList};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{
	traits::{fungible::Inspect, ConstU32},
	BoundedVec,
};
use frame_system::pallet_prelude::BlockNumberFor;
use scale_info::TypeInfo;

/// The balance type of the deposits.
pub type BalanceOf<T> =
	<<T as Config>::Currency as Inspect<<T as frame_system::Config>::AccountId>>::Balance;
/// A lane as this runtime stores it.
pub type LaneOf<T> = Lane<<T as frame_system::Config>::AccountId, BalanceOf<T>, BlockNumberFor<T>>;
/// A proof of which some parts are in, as this runtime stores it.
pub type FoldOf<T> = Fold<BalanceOf<T>>;
/// What of a job's result is demanded, as this runtime stores it.
pub type DemandedOf<T> = DemandedWork<<T as frame_system::Config>::AccountId>;
/// The children of one group.
pub type Children = BoundedVec<Hash, ConstU32<{ GROUP_CHILDREN as u32 }>>;
/// The proof commitments of one job.
pub type CommitmentsOf<T> = BoundedVec<
	ProofCommitment<<T as frame_system::Config>::AccountId>,
	ConstU32<MAX_PROOF_COMMITMENTS>,
>;

/// Most proof commitments that a job can have. They decide only who is paid, so that filling them
/// keeps nobody from proving.
pub const MAX_PROOF_COMMITMENTS: u32 = 64;

/// Most drawn verifiers whose free lane in one job can be used up: as many as a job has seats.
pub const MAX_FREE_LANES: u32 =
	assay_market::parameters::MAX_COMMITTEE * 2 * assay_market::parameters::MAX_TRANCHES;

/// Who stands behind a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payer {
	/// Its account, by a deposit.
	Deposit,
	/// The stake of a drawn verifier.
	Seat,
}

/// Most bytes of proofs in a block that come as verifiers' moves. They go before all that is signed, and a
/// block takes four times as much.
pub const MAX_PROOF_BYTES: u32 = 1 << 20;

/// Most parts of a fraud proof, as the program check allows them.
pub const MAX_PARTS: u32 = assay_program::Limits::V1.parts;

/// Most accumulators between two parts: one for each element of a tile of the smallest type.
pub const MAX_ACCUMULATORS: u32 = 1_024;

/// A challenger's way down from the run root.
#[derive(Clone, Debug, PartialEq, Eq)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Lane<AccountId, Balance, BlockNumber> {
	/// Whose result is disputed.
	pub provider: AccountId,
	/// What the challenger put up; nothing for drawn verifiers.
	pub deposit: Balance,
	/// When it was opened.
	pub opened_at: BlockNumber,
	/// Whose move it is.
	pub turn: Turn,
	/// Last block at which that move counts.
	pub deadline: BlockNumber,
	/// The last block for an answer, did the provider owe nothing else.
	pub own_deadline: BlockNumber,
	/// How many blocks later than that the answers in this lane may still come, all together.
	pub patience: BlockNumber,
	/// What the group that is demanded hashes to.
	pub parent: Hash,
	/// Groups that were opened.
	pub answers: u32,
	/// The challenger is bound to a proof.
	pub committed: bool,
	/// What the provider has stated in this lane of the lazy anchors of a step.
	pub list: Option<StatedList>,
	/// The agenda's block that has this lane.
	pub scheduled: Option<BlockNumber>,
}

impl<AccountId, Balance, BlockNumber> Lane<AccountId, Balance, BlockNumber> {
	/// Root over what the provider has stated in it.
	pub fn stated_root(&self) -> Option<Hash> {
		self.list.as_ref().map(|stated| stated.list.root)
	}
}

/// What of one result is demanded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct DemandedWork<AccountId> {
	/// Who owes it.
	pub provider: AccountId,
	/// Work units of a replay, which the openings may take together.
	pub work: u64,
	/// Lanes that wait for an opening.
	pub lanes: u32,
}

impl<AccountId> DemandedWork<AccountId> {
	/// What other jobs' demands have to wait for: the replay that may run for one lane, and the one that
	/// follows it for all others.
	pub fn owed(&self) -> u128 {
		u128::from(self.work).saturating_mul(self.lanes.min(2).into())
	}
}

/// What became of an accepted part of a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proved {
	/// The tile is wrong: the result is condemned.
	Fraud,
	/// More parts decide.
	Part,
}

/// The roots of lazy anchors that the provider has stated in a lane, and what it is held to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct StatedList {
	/// Whose they are, and the root over them.
	pub list: LazyList,
	/// Root of the eager anchor that the list leads to: where the way goes on past it.
	pub eager: Hash,
}

/// What a provider states of the lazy anchors of a step, bound to what it is stated of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Statement {
	/// The provider's own run root.
	pub run_root: Hash,
	/// The step, from 0.
	pub step: u32,
	/// The eager anchor that the list leads to, by its place among them.
	pub anchor: u32,
	/// The topmost group of the tree over the roots of the lazy anchors before it: these roots
	/// themselves where there are at most 256.
	pub children: Children,
}

/// A group that was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct OpenedGroup {
	/// Where it is.
	pub place: Place,
	/// Its children.
	pub children: Children,
}

/// A fraud proof of several parts, between two of them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Fold<Balance> {
	/// Which tile is said to be wrong.
	pub accusation: Accusation,
	/// The chunk value that the provider claims for it.
	pub claimed: Hash,
	/// The hash of the first part, which names the proof.
	pub proof: Hash,
	/// The next part.
	pub next: u32,
	/// A part so far refers to the provider's list of lazy anchors.
	pub listed: bool,
	/// Fees that were paid for the parts so far.
	pub costs: Balance,
	/// The same of a verifier's lane, which are held until it is closed.
	pub held: Balance,
	/// What the parts so far add up to.
	pub accumulators: BoundedVec<i64, ConstU32<MAX_ACCUMULATORS>>,
}

/// An account that is bound to a fraud proof.
#[derive(Clone, Debug, PartialEq, Eq)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct ProofCommitment<AccountId> {
	/// The account.
	pub account: AccountId,
	/// [`assay_market::proof_commitment`].
	pub commitment: Hash,
}

/// The registered programs, as the referee needs them.
pub trait RefereedPrograms {
	/// A registered program, decoded, with what its check proved.
	fn program(id: &Hash) -> Option<(Program, Checked)>;

	/// How the tiles of its anchors are refereed, in program order.
	fn plans(id: &Hash) -> Option<Vec<AnchorPlan>>;
}

/// The counts that every opening of a run is checked by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
	/// Steps of the job.
	pub steps: u32,
	/// Tiles of each eager anchor, then of each lazy one, in program order.
	pub tiles: Vec<u64>,
	/// Of each eager anchor, the lazy ones before it.
	pub lazy_before: Vec<u32>,
}

impl Shape {
	/// Of a run of so many steps of a program with these plans.
	pub fn new(steps: u32, plans: &[AnchorPlan]) -> Self {
		let (mut tiles, mut lazy, mut lazy_before) = (Vec::new(), Vec::new(), Vec::new());
		for plan in plans {
			if plan.lazy {
				lazy.push(plan.tiles);
			} else {
				tiles.push(plan.tiles);
				lazy_before.push(lazy.len() as u32);
			}
		}
		tiles.append(&mut lazy);
		Self { steps, tiles, lazy_before }
	}
}

impl RunShape for Shape {
	fn steps(&self) -> u32 {
		self.steps
	}

	fn anchors(&self) -> u32 {
		self.lazy_before.len() as u32
	}

	fn tiles(&self, anchor: u32) -> Option<u64> {
		self.tiles.get(anchor as usize).copied()
	}

	fn lazy_before(&self, anchor: u32) -> u32 {
		self.lazy_before.get(anchor as usize).copied().unwrap_or_default()
	}
}
