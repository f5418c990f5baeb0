//! What the programs pallet stores.

use crate::pallet::Config;
use assay_market::{ProgramSummary, MAX_INPUTS, MAX_OUTPUTS};
use assay_program::{AnchorPlan, Checked, Limits, Program, MAX_PROGRAM_BYTES};
use codec::{Decode, Encode, MaxEncodedLen};
use frame_support::{
	traits::{fungible::Inspect, ConstU32},
	BoundedVec, CloneNoBound, DebugNoBound, EqNoBound, PartialEqNoBound,
};
use scale_info::TypeInfo;

/// The chain's balance type, in its smallest unit.
pub type BalanceOf<T> =
	<<T as Config>::Currency as Inspect<<T as frame_system::Config>::AccountId>>::Balance;

/// The bytes of a program file.
pub type ProgramBytes = BoundedVec<u8, ConstU32<{ MAX_PROGRAM_BYTES as u32 }>>;

/// How the tiles of a program's anchors are refereed, in program order; at most one for each node.
pub type AnchorPlans = BoundedVec<AnchorPlan, ConstU32<{ Limits::V1.nodes }>>;

/// What the check of a program proved, as far as jobs need it, and who keeps it here.
#[derive(
	CloneNoBound,
	DebugNoBound,
	PartialEqNoBound,
	EqNoBound,
	Encode,
	Decode,
	MaxEncodedLen,
	TypeInfo
)]
#[scale_info(skip_type_params(T))]
pub struct ProgramInfo<T: Config> {
	/// Who registered it and may remove it.
	pub owner: T::AccountId,
	/// What is held for it.
	pub deposit: BalanceOf<T>,
	/// Length of the program file in bytes.
	pub length: u32,
	/// Jobs that have not ended and need it.
	pub references: u32,
	/// Work units of one step.
	pub work_units: u64,
	/// Most bytes of tensors alive at one time.
	pub peak_memory: u64,
	/// 1 KiB tiles of every input, in program order.
	pub input_tiles: BoundedVec<u64, ConstU32<MAX_INPUTS>>,
	/// 1 KiB tiles of every output, in program order.
	pub output_tiles: BoundedVec<u64, ConstU32<MAX_OUTPUTS>>,
	/// For every output, the position of its node among the eager anchors of a step.
	pub outputs: BoundedVec<u32, ConstU32<MAX_OUTPUTS>>,
	/// Eager anchors of a step: the leaves of its trace tree.
	pub anchors: u32,
	/// Lazy anchors of a step, whose roots are listed on demand.
	pub lazy: u32,
	/// 1 KiB tiles of the largest of both.
	pub largest_anchor: u64,
	/// States carried from step to step.
	pub states: u16,
}

/// The check proved more inputs or outputs than a job may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TooMany {
	Inputs,
	Outputs,
}

/// Tiles of the largest anchor.
pub(crate) fn largest(plans: &[AnchorPlan]) -> u64 {
	plans.iter().map(|plan| plan.tiles).max().unwrap_or_default()
}

impl<T: Config> ProgramInfo<T> {
	pub(crate) fn new(
		owner: T::AccountId,
		deposit: BalanceOf<T>,
		length: u32,
		program: &Program,
		checked: Checked,
		plans: &[AnchorPlan],
	) -> Result<Self, TooMany> {
		Ok(Self {
			owner,
			deposit,
			length,
			references: 0,
			work_units: checked.work_units,
			peak_memory: checked.peak_memory,
			input_tiles: checked.input_tiles.try_into().map_err(|_| TooMany::Inputs)?,
			output_tiles: checked.output_tiles.try_into().map_err(|_| TooMany::Outputs)?,
			outputs: checked.output_anchors.try_into().map_err(|_| TooMany::Outputs)?,
			anchors: checked.anchors.len() as u32,
			lazy: checked.lazy.len() as u32,
			largest_anchor: largest(plans),
			states: program.states.len() as u16,
		})
	}

	/// What jobs ask for.
	pub fn summary(self) -> ProgramSummary {
		ProgramSummary {
			work_units: self.work_units,
			peak_memory: self.peak_memory,
			input_tiles: self.input_tiles.into_inner(),
			output_tiles: self.output_tiles.into_inner(),
			outputs: self.outputs.into_inner(),
			anchors: self.anchors,
			lazy: self.lazy,
			largest_anchor: self.largest_anchor,
			states: self.states,
		}
	}
}
