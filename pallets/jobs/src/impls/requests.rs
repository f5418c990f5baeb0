//! The calls of requesters, providers and root.

use crate::types::segment_work;
use crate::{
	ActiveJobs, BalanceOf, Config, Error, Event, HoldReason, InputRoots, Job, JobOf,
	JobsOfRequester, NextJob, Pallet, Parameters, ParametersOf, ProviderCall, SecondAudit,
	SegmentRoots, SegmentRootsOf,
};
use assay_commitments::{
	checkpoints_digest, most_openings, result_commitment, verify_outputs, verify_segments,
	OutputsOpening, SegmentsOpening,
};
use assay_market::{
	Arbitration, Assurance, Attestation, Audit, Checkpoints, Hash, Identities, JobBonds, JobId,
	Order, Outcome, ParametersError, Phase, Programs, ReasonCode, MAX_OUTPUTS, MAX_STEPS,
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
	DispatchError, DispatchResult, Permill, Rounding,
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
		// Nobody could run it, and so nobody would ever find fault with it.
		ensure!(steps <= MAX_STEPS, Error::<T>::TooManySteps);
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
		let (input_bytes, output_bytes) =
			(bytes_of(&summary.input_tiles), bytes_of(&summary.output_tiles));
		ensure!(output_bytes <= T::MaxOutputBytes::get(), Error::<T>::TooManyOutputBytes);
		let held_bytes = input_bytes.saturating_add(output_bytes);
		ensure!(
			price_start >= parameters.least_price(work_units, held_bytes),
			Error::<T>::PriceTooLow
		);
		let openings = most_openings(steps, summary.anchors, summary.lazy, summary.largest_anchor);
		// Who verifies a segment fetches states too, which are no longer than the inputs.
		let states = if cut.is_some() { input_bytes } else { 0 };
		let bytes = held_bytes.saturating_add(states);
		ensure!(
			parameters.lifetime(work_units, bytes, openings) <= T::MaxLifetime::get(),
			Error::<T>::LifetimeTooLong
		);
		let active = ActiveJobs::<T>::get();
		ensure!(active < T::MaxActiveJobs::get(), Error::<T>::TooManyJobs);
		let own = JobsOfRequester::<T>::get(&requester);
		ensure!(own < T::MaxJobsPerRequester::get(), Error::<T>::TooManyJobsOfAccount);
		// Somebody must be left to verify it.
		ensure!(Self::candidates_beside([&requester]) > 0, Error::<T>::NoVerifierAvailable);

		let replayed = match cut {
			Some(Some(cut)) => segment_work(work_units, steps, &cut),
			_ => work_units,
		};
		let verifier_pot = parameters.committee_fee(price_max, replayed, audit);
		let data_fee = parameters.data_fee(held_bytes);
		let data_share = data_fee / parameters.attest_size.saturating_mul(2).max(1).into();
		let escrow = price_max.saturating_add(verifier_pot).saturating_add(data_fee);
		T::Currency::hold(&HoldReason::JobEscrow.into(), &requester, escrow)?;
		let (place, record_deposit) = Self::deposits_for(input_roots.len() as u32, active);
		let deposit = place.saturating_add(record_deposit);
		T::Currency::hold(&HoldReason::JobDeposit.into(), &requester, deposit)?;
		T::Programs::acquire(&program)?;
		ActiveJobs::<T>::put(active.saturating_add(1));
		JobsOfRequester::<T>::insert(&requester, own.saturating_add(1));
		let id = NextJob::<T>::mutate(|next| {
			let id = *next;
			*next = id.saturating_add(1);
			id
		});

		let now = Self::now();
		let order = Order {
			genesis: Self::genesis_hash(),
			job: id,
			requester: &requester,
			program,
			input_roots: &input_roots,
			steps,
			price_start,
			price_max,
			ramp_blocks,
			assurance,
		}
		.hash();
		let mut job = Job {
			order,
			requester: requester.clone(),
			program,
			input_roots,
			steps,
			work_units,
			input_bytes,
			output_bytes,
			assurance,
			audit,
			price_start,
			price_max,
			ramp_blocks,
			opened_at: now,
			price: None,
			verifier_pot,
			data_fee,
			data_share,
			escrow,
			deposit,
			record_deposit,
			provider: None,
			bond: Zero::zero(),
			barred: BoundedVec::new(),
			stalls: 0,
			phase: Phase::Posted,
			deadline: now,
			scheduled: None,
			draw: None,
			tranches: 0,
			first_tranche: 0,
			wanted: 0,
			needed: 0,
			shares: 0,
			audited: None,
			second_audit: None,
			keepers_redrawn: false,
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
		Self::deposit_event(Event::JobPosted {
			job: id,
			order,
			requester,
			program,
			escrow,
			deposit,
		});
		match assurance.attestation {
			Attestation::OptedOut => Self::open(id, &mut job, &parameters),
			Attestation::Required => Self::await_draw(id, &mut job, Phase::Posted, &parameters),
		}
		Self::store(id, job);
		Ok(())
	}

	pub(crate) fn do_cancel(who: T::AccountId, id: JobId, order: Hash) -> DispatchResult {
		let mut job = Self::job_of_order(id, &order)?;
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
			// Where attestation was opted out both sides may leave for nothing.
			let attested = job.assurance.attestation == Attestation::Required;
			if let Some(provider) = job.provider.clone().filter(|_| attested) {
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
		order: Hash,
		min_price: BalanceOf<T>,
		max_bond: BalanceOf<T>,
	) -> DispatchResult {
		let mut job = Self::job_of_order(id, &order)?;
		Self::ensure_live(&job, Phase::Open)?;
		ensure!(T::Identities::is_provider(&who), Error::<T>::NotRegisteredProvider);
		ensure!(job.requester != who, Error::<T>::OwnJob);
		ensure!(!job.barred.contains(&who), Error::<T>::Barred);
		let price = Self::ramp_price(&job, Self::now());
		ensure!(price >= min_price, Error::<T>::PriceBelowExpectation);
		let candidates = Self::candidates_beside([&job.requester, &who]);
		ensure!(candidates > 0, Error::<T>::NoVerifierAvailable);

		let parameters = Parameters::<T>::get();
		let bond = parameters.bond(price, job.audit, job.segment_count(), candidates);
		ensure!(bond <= max_bond, Error::<T>::BondAboveExpectation);
		T::JobBonds::hold(&who, id, bond)?;
		job.price = Some(price);
		job.bond = bond;
		job.provider = Some(who.clone());
		Self::deposit_event(Event::JobClaimed { job: id, order, provider: who, price, bond });
		let time = parameters.commit.blocks(job.work_units, job.input_bytes);
		Self::enter(id, &mut job, Phase::Claimed, Self::now().saturating_add(time));
		Self::store(id, job);
		Ok(())
	}

	pub(crate) fn do_commit_result(
		who: T::AccountId,
		id: JobId,
		order: Hash,
		commitment: Hash,
		checkpoints: Option<Checkpoints>,
	) -> DispatchResult {
		let mut job = Self::job_of_order(id, &order)?;
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
		order: Hash,
		run_root: Hash,
		salt: Hash,
		opening: OutputsOpening,
		segments: Option<SegmentsOpening>,
	) -> DispatchResult {
		let mut job = Self::job_of_order(id, &order)?;
		ensure!(job.provider.as_ref() == Some(&who), Error::<T>::NotProvider);
		ensure!(job.run_root.is_none(), Error::<T>::AlreadyRevealed);
		Self::ensure_live(&job, Phase::Revealing)?;
		Self::ensure_cut(&job, segments.is_some())?;
		let account = Self::account_bytes(&who);
		let committed =
			result_commitment(&Self::genesis_hash(), &order, &account, &run_root, &salt);
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

	pub(crate) fn do_request_audit(who: T::AccountId, id: JobId, order: Hash) -> DispatchResult {
		let mut job = Self::job_of_order(id, &order)?;
		ensure!(job.requester == who, Error::<T>::NotRequester);
		Self::ensure_live(&job, Phase::Challengeable)?;
		ensure!(job.second_audit.is_none(), Error::<T>::AuditAlreadyRequested);
		// Whether the outputs are there is asked last.
		ensure!(!job.keepers_redrawn, Error::<T>::WrongPhase);
		let parameters = Parameters::<T>::get();
		let (_, terms) = Self::lottery_terms(id, &job, &parameters);
		ensure!(terms.candidates > 0, Error::<T>::NoVerifierAvailable);
		// This audit is sure. What nobody has earned of the first one's fee counts towards its own.
		let fee = parameters.committee_fee(job.price_max, job.replayed_work(), Permill::one());
		let missing = match job.audited {
			Some(true) => fee,
			_ => fee.saturating_sub(job.verifier_pot),
		};
		T::Currency::hold(&HoldReason::JobEscrow.into(), &who, missing)?;
		job.escrow = job.escrow.saturating_add(missing);
		job.verifier_pot = job.verifier_pot.saturating_add(missing);
		job.second_audit = Some(SecondAudit::Requested);
		Self::deposit_event(Event::AuditRequested { job: id });
		Self::await_draw(id, &mut job, Phase::Committed, &parameters);
		Self::store(id, job);
		Ok(())
	}

	/// Whether this call of a signed account could succeed now, as far as one record tells: what the pool
	/// asks before it takes a transaction of the operational class.
	pub fn may_send(who: &T::AccountId, id: JobId, order: &Hash, call: ProviderCall) -> bool {
		let phase = match call {
			ProviderCall::Commit | ProviderCall::GiveBack => Phase::Claimed,
			ProviderCall::Reveal => Phase::Revealing,
		};
		Self::job_of_order(id, order).is_ok_and(|job| {
			job.provider.as_ref() == Some(who)
				&& Self::ensure_live(&job, phase).is_ok()
				&& (call != ProviderCall::Reveal || job.run_root.is_none())
		})
	}

	/// Gives the weight of what was pushed.
	pub(crate) fn do_poke(id: JobId) -> Result<Weight, DispatchError> {
		let job = Self::job_of(id)?;
		ensure!(Self::now() > job.deadline, Error::<T>::NotDue);
		// Nothing would happen, and a push is free.
		ensure!(
			job.phase != Phase::Challengeable
				|| job.draw.is_some()
				|| !T::Arbitration::is_disputed(id),
			Error::<T>::Disputed
		);
		let weight = Self::weight_to_advance(id, &job);
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
		let deadline = job
			.opened_at
			.saturating_add(job.ramp_blocks)
			.saturating_add(parameters.open_time(job.input_bytes));
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

/// Bytes of tensors of so many tiles each.
fn bytes_of(tiles: &[u64]) -> u64 {
	tiles.iter().fold(0u64, |sum, tiles| sum.saturating_add(*tiles)).saturating_mul(TILE_BYTES)
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
