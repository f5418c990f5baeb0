//! The calls of requesters, providers and root.

use crate::{
	ActiveJobs, BalanceOf, Config, Error, Event, HoldReason, InputRoots, Job, JobOf, NextJob,
	Pallet, Parameters, ParametersOf, SegmentRoots, SegmentRootsOf,
};
use assay_commitments::{
	checkpoints_digest, most_openings, result_commitment, verify_outputs, verify_segments,
	OutputsOpening, SegmentsOpening,
};
use assay_market::{
	Arbitration, Assurance, Attestation, Audit, Checkpoints, Hash, Identities, JobBonds, JobId,
	Outcome, ParametersError, Phase, Programs, ReasonCode, MAX_OUTPUTS,
};
use frame_support::{
	ensure,
	traits::{fungible::MutateHold, Get},
	weights::Weight,
	BoundedVec,
};
use frame_system::pallet_prelude::BlockNumberFor;
use sp_runtime::{
	helpers_128bit::multiply_by_rational_with_rounding,
	traits::{SaturatedConversion, Saturating, Zero},
	DispatchError, DispatchResult, Rounding,
};

/// Bytes of one tile.
const TILE_BYTES: u64 = 1024;

/// Start, end and length of a price ramp.
type Ramp<T> = (BalanceOf<T>, BalanceOf<T>, BlockNumberFor<T>);

impl<T: Config> Pallet<T> {
	pub(crate) fn do_post(
		requester: T::AccountId,
		program: Hash,
		input_roots: InputRoots,
		steps: u32,
		(price_start, price_max, ramp_blocks): Ramp<T>,
		assurance: Assurance,
	) -> DispatchResult {
		let parameters = Parameters::<T>::get();
		let summary = T::Programs::summary(&program).ok_or(Error::<T>::UnknownProgram)?;
		ensure!(summary.outputs.len() <= MAX_OUTPUTS as usize, Error::<T>::TooManyTensors);
		ensure!(input_roots.len() == summary.input_tiles.len(), Error::<T>::WrongInputCount);
		ensure!(steps == 1 || (steps > 1 && summary.states > 0), Error::<T>::WrongSteps);
		ensure!(price_start >= parameters.min_price, Error::<T>::PriceTooLow);
		ensure!(price_max >= price_start, Error::<T>::RampUpsideDown);
		ensure!(ramp_blocks <= parameters.max_ramp, Error::<T>::RampTooLong);
		let audit = match assurance.audit {
			Audit::Standard => parameters.audit,
			Audit::Custom(audit) => audit,
		};
		ensure!(audit >= parameters.audit_floor, Error::<T>::AuditTooLow);
		let cut = assurance.segments.map(|segments| segments.cut(steps));
		ensure!(cut != Some(None), Error::<T>::WrongSegments);
		let work_units =
			summary.work_units.checked_mul(steps.into()).ok_or(Error::<T>::TooMuchWork)?;
		let input_bytes = summary
			.input_tiles
			.iter()
			.fold(0u64, |sum, tiles| sum.saturating_add(*tiles))
			.saturating_mul(TILE_BYTES);
		let openings = most_openings(steps, summary.anchors, summary.lazy, summary.largest_anchor);
		// Who verifies a segment fetches states too, which are no longer than the inputs.
		let bytes = if cut.is_some() { input_bytes.saturating_mul(2) } else { input_bytes };
		ensure!(
			parameters.lifetime(work_units, bytes, openings) <= T::MaxLifetime::get(),
			Error::<T>::LifetimeTooLong
		);
		let active = ActiveJobs::<T>::get();
		ensure!(active < T::MaxActiveJobs::get(), Error::<T>::TooManyJobs);

		let committee_fee = parameters.committee_fee(price_max);
		let escrow = price_max.saturating_add(committee_fee);
		T::Currency::hold(&HoldReason::JobEscrow.into(), &requester, escrow)?;
		T::Programs::acquire(&program)?;
		ActiveJobs::<T>::put(active.saturating_add(1));
		let id = NextJob::<T>::mutate(|next| {
			let id = *next;
			*next = id.saturating_add(1);
			id
		});

		let now = Self::now();
		let mut job = Job {
			requester: requester.clone(),
			program,
			input_roots,
			steps,
			work_units,
			input_bytes,
			assurance,
			audit,
			price_start,
			price_max,
			ramp_blocks,
			opened_at: now,
			price: None,
			committee_fee,
			verifier_pot: committee_fee,
			escrow,
			provider: None,
			bond: Zero::zero(),
			stalled: None,
			phase: Phase::Posted,
			deadline: now,
			scheduled: None,
			draw: None,
			tranches: 0,
			first_tranche: 0,
			wanted: 0,
			shares: 0,
			audited: None,
			audit_requested: false,
			commitment: None,
			run_root: None,
			sample: None,
			trace_root: None,
			output_roots: BoundedVec::new(),
			checkpoints: None,
			wrong_step: None,
			condemned: None,
			reason: None,
			paid: Zero::zero(),
			refunded: Zero::zero(),
			burned: Zero::zero(),
			history: BoundedVec::new(),
		};
		Self::deposit_event(Event::JobPosted { job: id, requester, program, escrow });
		match assurance.attestation {
			Attestation::OptedOut => Self::open(id, &mut job, &parameters),
			Attestation::Required => Self::await_draw(id, &mut job, Phase::Posted, &parameters),
		}
		Self::store(id, job);
		Ok(())
	}

	pub(crate) fn do_cancel(who: T::AccountId, id: JobId) -> DispatchResult {
		let mut job = Self::job_of(id)?;
		ensure!(job.requester == who, Error::<T>::NotRequester);
		ensure!(
			matches!(job.phase, Phase::Posted | Phase::Open | Phase::Claimed),
			Error::<T>::TooLateToCancel
		);
		ensure!(Self::now() <= job.deadline, Error::<T>::DeadlinePassed);
		let mut reason = ReasonCode::Cancelled;
		if job.phase == Phase::Claimed {
			let parameters = Parameters::<T>::get();
			let price = job.price.unwrap_or(job.price_max);
			if let Some(provider) = job.provider.clone() {
				Self::pay_fee(&mut job, &provider, parameters.cancel_fee * price, &parameters);
			}
			reason = ReasonCode::CancelledWhileClaimed;
		}
		Self::finish(id, &mut job, reason);
		Self::store(id, job);
		Ok(())
	}

	pub(crate) fn do_claim(
		who: T::AccountId,
		id: JobId,
		min_price: BalanceOf<T>,
	) -> DispatchResult {
		let mut job = Self::job_of(id)?;
		Self::ensure_live(&job, Phase::Open)?;
		ensure!(T::Identities::is_provider(&who), Error::<T>::NotRegisteredProvider);
		ensure!(job.requester != who, Error::<T>::OwnJob);
		ensure!(job.stalled.as_ref() != Some(&who), Error::<T>::Barred);
		let price = Self::ramp_price(&job, Self::now());
		ensure!(price >= min_price, Error::<T>::PriceBelowExpectation);

		let parameters = Parameters::<T>::get();
		let bond = parameters.bond(price, job.audit, job.segment_count());
		T::JobBonds::hold(&who, id, bond)?;
		job.price = Some(price);
		job.bond = bond;
		job.provider = Some(who.clone());
		Self::deposit_event(Event::JobClaimed { job: id, provider: who, price, bond });
		let time = parameters.commit.blocks(job.work_units, job.input_bytes);
		Self::enter(id, &mut job, Phase::Claimed, Self::now().saturating_add(time));
		Self::store(id, job);
		Ok(())
	}

	pub(crate) fn do_commit_result(
		who: T::AccountId,
		id: JobId,
		commitment: Hash,
		checkpoints: Option<Checkpoints>,
	) -> DispatchResult {
		let mut job = Self::job_of(id)?;
		ensure!(job.provider.as_ref() == Some(&who), Error::<T>::NotProvider);
		ensure!(job.commitment.is_none(), Error::<T>::AlreadyCommitted);
		Self::ensure_live(&job, Phase::Claimed)?;
		Self::ensure_cut(&job, checkpoints.is_some())?;
		job.commitment = Some(commitment);
		job.checkpoints = checkpoints;
		Self::deposit_event(Event::ResultCommitted { job: id, provider: who, commitment });
		Self::await_draw(id, &mut job, Phase::Committed, &Parameters::<T>::get());
		Self::store(id, job);
		Ok(())
	}

	pub(crate) fn do_reveal_result(
		who: T::AccountId,
		id: JobId,
		run_root: Hash,
		salt: Hash,
		opening: OutputsOpening,
		segments: Option<SegmentsOpening>,
	) -> DispatchResult {
		let mut job = Self::job_of(id)?;
		ensure!(job.provider.as_ref() == Some(&who), Error::<T>::NotProvider);
		ensure!(job.run_root.is_none(), Error::<T>::AlreadyRevealed);
		Self::ensure_live(&job, Phase::Revealing)?;
		Self::ensure_cut(&job, segments.is_some())?;
		let account = Self::account_bytes(&who);
		let committed = result_commitment(&Self::genesis_hash(), id, &account, &run_root, &salt);
		ensure!(job.commitment == Some(committed), Error::<T>::CommitmentMismatch);
		let summary = T::Programs::summary(&job.program).ok_or(Error::<T>::UnknownProgram)?;
		ensure!(
			verify_outputs(
				&run_root,
				job.steps.into(),
				summary.anchors.into(),
				&summary.outputs,
				&opening,
			),
			Error::<T>::WrongOutputs
		);
		let roots = match segments {
			Some(segments) => Some(Self::check_segments(&job, &run_root, &segments)?),
			None => None,
		};
		job.run_root = Some(run_root);
		job.trace_root = Some(opening.trace_root);
		job.output_roots = opening
			.outputs
			.into_iter()
			.map(|(root, _)| root)
			.collect::<alloc::vec::Vec<_>>()
			.try_into()
			.map_err(|_| Error::<T>::TooManyTensors)?;
		if let Some(roots) = roots {
			SegmentRoots::<T>::insert(id, roots);
		}
		Self::deposit_event(Event::ResultRevealed {
			job: id,
			run_root,
			output_roots: job.output_roots.to_vec(),
		});
		Self::end_reveal_early(id, &mut job);
		Self::store(id, job);
		Ok(())
	}

	/// Fails unless checkpoints or segments are given just where the run is cut.
	fn ensure_cut(job: &JobOf<T>, given: bool) -> Result<(), Error<T>> {
		match (job.cut().is_some(), given) {
			(true, false) => Err(Error::SegmentsMissing),
			(false, true) => Err(Error::NotSegmented),
			_ => Ok(()),
		}
	}

	/// The roots of all segments, if they are opened in this run and the checkpoints between them are
	/// those that were committed to.
	fn check_segments(
		job: &JobOf<T>,
		run_root: &Hash,
		opening: &SegmentsOpening,
	) -> Result<SegmentRootsOf, Error<T>> {
		let cut = job.cut().ok_or(Error::<T>::NotSegmented)?;
		let shown = verify_segments(run_root, &cut, opening).ok_or(Error::<T>::SegmentsMismatch)?;
		let digest = checkpoints_digest(&shown.ends);
		let committed = job.checkpoints.map(|checkpoints| checkpoints.digest);
		ensure!(committed == Some(digest), Error::<T>::SegmentsMismatch);
		shown.roots.try_into().map_err(|_| Error::SegmentsMismatch)
	}

	/// Hashes that segments are opened with.
	pub(crate) fn hashes_of(opening: &SegmentsOpening) -> u32 {
		let paths: usize = opening.ends.iter().map(|(_, path)| path.siblings.len() + 2).sum();
		paths.saturating_add(1) as u32
	}

	pub(crate) fn do_request_audit(who: T::AccountId, id: JobId) -> DispatchResult {
		let mut job = Self::job_of(id)?;
		ensure!(job.requester == who, Error::<T>::NotRequester);
		Self::ensure_live(&job, Phase::Challengeable)?;
		ensure!(!job.audit_requested, Error::<T>::AuditAlreadyRequested);
		let (_, terms) = Self::lottery_terms(id, &job, &Parameters::<T>::get());
		ensure!(terms.candidates > 0, Error::<T>::NoVerifierAvailable);
		if job.audited == Some(true) {
			T::Currency::hold(&HoldReason::JobEscrow.into(), &who, job.committee_fee)?;
			job.escrow = job.escrow.saturating_add(job.committee_fee);
			job.verifier_pot = job.verifier_pot.saturating_add(job.committee_fee);
		}
		job.audit_requested = true;
		Self::deposit_event(Event::AuditRequested { job: id });
		Self::await_draw(id, &mut job, Phase::Committed, &Parameters::<T>::get());
		Self::store(id, job);
		Ok(())
	}

	/// Gives the weight of what was pushed.
	pub(crate) fn do_poke(id: JobId) -> Result<Weight, DispatchError> {
		let job = Self::job_of(id)?;
		ensure!(Self::now() > job.deadline, Error::<T>::NotDue);
		// Nothing would happen, and a push is free.
		ensure!(
			job.phase != Phase::Challengeable || !T::Arbitration::is_disputed(id),
			Error::<T>::Disputed
		);
		let weight = Self::weight_to_advance(id);
		Self::advance(id, job);
		Ok(weight)
	}

	pub(crate) fn do_set_parameters(parameters: ParametersOf<T>) -> DispatchResult {
		parameters.validate().map_err(Error::<T>::from)?;
		ensure!(
			Self::smallest_lifetime(&parameters) <= T::MaxLifetime::get(),
			Error::<T>::LifetimeTooLong
		);
		Parameters::<T>::put(&parameters);
		Self::deposit_event(Event::ParametersSet { parameters });
		Ok(())
	}

	/// [`ParametersOf::lifetime`](assay_market::MarketParameters::lifetime) of the smallest job.
	pub(crate) fn smallest_lifetime(parameters: &ParametersOf<T>) -> BlockNumberFor<T> {
		parameters.lifetime(0, 0, most_openings(1, 1, 0, 1))
	}

	/// Opens the job to providers, with its ramp at the start.
	pub(crate) fn open(id: JobId, job: &mut JobOf<T>, parameters: &ParametersOf<T>) {
		job.opened_at = Self::now();
		let deadline =
			job.opened_at.saturating_add(job.ramp_blocks).saturating_add(parameters.open_period);
		Self::enter(id, job, Phase::Open, deadline);
	}

	/// The ramp's price at a block: rising evenly, rounded down, never above the highest price.
	pub(crate) fn ramp_price(job: &JobOf<T>, at: BlockNumberFor<T>) -> BalanceOf<T> {
		let elapsed = at.saturating_sub(job.opened_at).min(job.ramp_blocks);
		if elapsed >= job.ramp_blocks {
			return job.price_max;
		}
		let rise = job.price_max.saturating_sub(job.price_start);
		let risen = multiply_by_rational_with_rounding(
			rise.saturated_into(),
			elapsed.saturated_into(),
			job.ramp_blocks.saturated_into(),
			Rounding::Down,
		)
		.unwrap_or_default();
		job.price_start.saturating_add(risen.saturated_into())
	}

	/// Writes an outcome into a reputation, except merit from jobs whose inputs nobody attested.
	pub(crate) fn note(job: &JobOf<T>, who: &T::AccountId, outcome: Outcome) {
		if job.assurance.attestation == Attestation::Required || !outcome.is_merit() {
			T::Identities::note_outcome(who, outcome);
		}
	}
}

impl<T> From<ParametersError> for Error<T> {
	fn from(error: ParametersError) -> Self {
		match error {
			ParametersError::DrawDelay => Error::InvalidDrawDelay,
			ParametersError::Clock => Error::InvalidClock,
			ParametersError::Committee => Error::InvalidCommittee,
			ParametersError::Tranches => Error::InvalidTranches,
			ParametersError::Audit => Error::InvalidAudit,
			ParametersError::Bond => Error::InvalidBond,
			ParametersError::Burn => Error::InvalidBurn,
			ParametersError::VerifierFee => Error::InvalidVerifierFee,
			ParametersError::Slash => Error::InvalidSlash,
			ParametersError::MinPrice => Error::InvalidMinPrice,
		}
	}
}
