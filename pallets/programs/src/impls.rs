//! The check of a program, its faults as dispatch errors, and what other pallets ask.

use crate::{pallet::*, types::*, WeightInfo, ANALYSIS_PER_SQUARED_BYTE};
use alloc::vec::Vec;
use assay_market::{Hash, ProgramSummary};
use assay_program::{
	ops::OpError, program_id, AnchorPlan, CheckError, Checked, Program, ProgramError,
};
use codec::Encode;
use frame_support::{
	defensive, ensure,
	pallet_prelude::DispatchResult,
	traits::{fungible::MutateHold, Get},
	weights::Weight,
};
use sp_runtime::traits::Saturating;

impl<T> From<ProgramError> for Error<T> {
	fn from(error: ProgramError) -> Self {
		match error {
			ProgramError::TooLong { .. } => Error::TooLong,
			ProgramError::Magic => Error::BadMagic,
			ProgramError::Version(_) => Error::UnknownVersion,
			ProgramError::OperatorSet(_) => Error::UnknownOperatorSet,
			ProgramError::Truncated { .. } => Error::Truncated,
			ProgramError::Malformed { .. } => Error::Malformed,
			ProgramError::TooMany { .. } => Error::TooManyItems,
			ProgramError::Trailing { .. } => Error::TrailingBytes,
			ProgramError::Name { .. } => Error::InvalidName,
			ProgramError::DuplicateName { .. } => Error::DuplicateName,
			ProgramError::ConstantLength { .. } => Error::ConstantLength,
			ProgramError::Dangling { .. }
			| ProgramError::StateInput { .. }
			| ProgramError::StateNode { .. }
			| ProgramError::OutputNode { .. } => Error::DanglingReference,
			ProgramError::Cycle { .. } => Error::CyclicReference,
			ProgramError::NoOutputs => Error::NoOutputs,
		}
	}
}

impl<T> From<CheckError> for Error<T> {
	fn from(error: CheckError) -> Self {
		match error {
			CheckError::Program(error) => error.into(),
			CheckError::TooManyNodes { .. } => Error::TooManyNodes,
			CheckError::Operator { error: OpError::ReductionTooLong { .. }, .. } => {
				Error::ReductionTooLong
			}
			CheckError::Operator { .. } => Error::OperandMismatch,
			CheckError::View { .. } => Error::InvalidView,
			CheckError::Split { .. } => Error::InvalidSplit,
			CheckError::StateType { .. } => Error::StateTypeMismatch,
			CheckError::StateAnchor { .. } | CheckError::OutputAnchor { .. } => {
				Error::NotAnEagerAnchor
			}
			CheckError::UnusedNode { .. }
			| CheckError::UnusedInput { .. }
			| CheckError::UnusedConstant { .. } => Error::Unused,
			CheckError::WorkUnits { .. } => Error::TooMuchWork,
			CheckError::PeakMemory { .. } => Error::TooMuchMemory,
			CheckError::Unrefereeable { .. } => Error::Unrefereeable,
			CheckError::TooManyVirtual { .. } | CheckError::TooComplex { .. } => Error::TooComplex,
			CheckError::GatherOperand { .. } => Error::VirtualGather,
			// Of kept plans; a check has none to complain about.
			CheckError::Plans { .. } => Error::Malformed,
		}
	}
}

impl<T> From<TooMany> for Error<T> {
	fn from(error: TooMany) -> Self {
		match error {
			TooMany::Inputs => Error::TooManyInputs,
			TooMany::Outputs => Error::TooManyOutputs,
		}
	}
}

impl<T: Config> Pallet<T> {
	/// What is held for a program that takes `length` bytes of storage with its plans.
	pub fn deposit(length: u32) -> BalanceOf<T> {
		T::DepositPerByte::get().saturating_mul(length.into()).saturating_add(T::DepositBase::get())
	}

	/// Weight of registering a program of `length` bytes: what is linear in the length, and the
	/// referee analysis, which short programs cannot make long and long ones not longer than its
	/// step limit.
	pub fn registration_weight(length: u32) -> Weight {
		let squared = u64::from(length).saturating_mul(length.into());
		let analysis = T::WeightInfo::analysis()
			.max(T::WeightInfo::analysis_of_views())
			.min(Weight::from_parts(squared.saturating_mul(ANALYSIS_PER_SQUARED_BYTE), u64::MAX));
		T::WeightInfo::register_program(length).saturating_add(analysis)
	}

	/// The bytes of a registered program.
	pub fn bytes(program: &Hash) -> Option<Vec<u8>> {
		Bytes::<T>::get(program).map(|bytes| bytes.into_inner())
	}

	/// How the tiles of a registered program's anchors, eager and lazy, are refereed, in program
	/// order.
	pub fn plans(program: &Hash) -> Option<Vec<AnchorPlan>> {
		Plans::<T>::get(program).map(|plans| plans.into_inner())
	}

	/// A registered program, decoded, with what its check proved: for the referee. Takes time
	/// linear in the program; the analysis of its check is not repeated.
	pub fn program(program: &Hash) -> Option<(Program, Checked)> {
		let decoded = Program::decode_bounded(&Bytes::<T>::get(program)?);
		let admitted = decoded.map_err(CheckError::from).and_then(|decoded| {
			let checked = decoded.readmit(&Plans::<T>::get(program).unwrap_or_default())?;
			Ok((decoded, checked))
		});
		if admitted.is_err() {
			defensive!("a registered program has passed its check");
		}
		admitted.ok()
	}

	/// Decode, check and store a program.
	pub(crate) fn do_register(owner: T::AccountId, bytes: ProgramBytes) -> DispatchResult {
		let id = program_id(&bytes);
		ensure!(!Programs::<T>::contains_key(id), Error::<T>::AlreadyRegistered);
		let program = Program::decode_bounded(&bytes).map_err(Error::<T>::from)?;
		let checked = program.check(&T::Limits::get()).map_err(Error::<T>::from)?;
		let plans: AnchorPlans =
			checked.plans().try_into().map_err(|_| Error::<T>::TooManyNodes)?;
		let length = bytes.len() as u32;
		let deposit = Self::deposit(length.saturating_add(plans.encoded_size() as u32));
		let info = ProgramInfo::new(owner.clone(), deposit, length, &program, checked, &plans)
			.map_err(Error::<T>::from)?;
		T::Currency::hold(&HoldReason::Program.into(), &owner, deposit)?;
		let work_units = info.work_units;
		Programs::<T>::insert(id, info);
		Bytes::<T>::insert(id, bytes);
		Plans::<T>::insert(id, plans);
		Self::deposit_event(Event::ProgramRegistered {
			program: id,
			owner,
			length,
			work_units,
			deposit,
		});
		Ok(())
	}
}

impl<T: Config> assay_market::Programs for Pallet<T> {
	fn summary(program: &Hash) -> Option<ProgramSummary> {
		Programs::<T>::get(program).map(ProgramInfo::summary)
	}

	fn anchor_tiles(program: &Hash) -> Option<Vec<u64>> {
		let plans = Self::plans(program)?;
		Some(plans.iter().filter(|plan| !plan.lazy).map(|plan| plan.tiles).collect())
	}

	fn acquire(program: &Hash) -> DispatchResult {
		Programs::<T>::try_mutate(program, |info| {
			let info = info.as_mut().ok_or(Error::<T>::UnknownProgram)?;
			info.references =
				info.references.checked_add(1).ok_or(Error::<T>::TooManyReferences)?;
			Ok(())
		})
	}

	fn release(program: &Hash) {
		Programs::<T>::mutate(program, |info| match info {
			Some(info) if info.references > 0 => info.references.saturating_dec(),
			_ => {
				defensive!("a program is released as often as it was acquired");
			}
		});
	}
}

#[cfg(any(feature = "try-runtime", test))]
impl<T: Config> Pallet<T> {
	/// Check everything that must always hold.
	pub fn do_try_state() -> Result<(), sp_runtime::TryRuntimeError> {
		use alloc::collections::BTreeMap;
		use frame_support::traits::fungible::InspectHold;
		let mut held: BTreeMap<Vec<u8>, (T::AccountId, BalanceOf<T>)> = BTreeMap::new();
		for (id, info) in Programs::<T>::iter() {
			let bytes = Bytes::<T>::get(id).ok_or("a program without bytes")?;
			ensure!(program_id(&bytes) == id, "a program's bytes do not match its hash");
			ensure!(bytes.len() as u32 == info.length, "a program's length is wrong");
			ensure!(info.outputs.len() == info.output_tiles.len(), "outputs do not match");
			ensure!(
				info.outputs.iter().all(|position| *position < info.anchors),
				"an output is not among the anchors"
			);
			let program = Program::decode_bounded(&bytes).map_err(|_| "a program is unreadable")?;
			let plans = Plans::<T>::get(id).ok_or("a program without plans")?;
			let checked =
				program.readmit(&plans).map_err(|_| "the plans are not of the program")?;
			ensure!(checked.anchors.len() as u32 == info.anchors, "anchors are miscounted");
			ensure!(checked.lazy.len() as u32 == info.lazy, "lazy anchors are miscounted");
			ensure!(largest(&plans) == info.largest_anchor, "the largest anchor is wrong");
			let sum = held.entry(info.owner.encode()).or_insert((info.owner, Default::default()));
			sum.1.saturating_accrue(info.deposit);
		}
		ensure!(
			Bytes::<T>::iter_keys().count() == Programs::<T>::iter_keys().count(),
			"bytes without a program"
		);
		ensure!(
			Plans::<T>::iter_keys().count() == Programs::<T>::iter_keys().count(),
			"plans without a program"
		);
		for (owner, deposits) in held.into_values() {
			ensure!(
				T::Currency::balance_on_hold(&HoldReason::Program.into(), &owner) == deposits,
				"the hold on an account differs from its deposits"
			);
		}
		Ok(())
	}
}
