//! The calls of requesters, providers and root.

use crate::{
	ActiveJobs, BalanceOf, Books, Claim, Committed, Config, Error, Event, HoldReason, InputRoots,
	Job, JobOf, JobsOfRequester, NextJob, OfferOf, Opened, Pallet, Parameters, ParametersOf,
	ProviderCall, SecondAudit, SegmentRoots, SegmentRootsOf,
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
};
use frame_system::pallet_prelude::BlockNumberFor;
use sp_runtime::{
	helpers_128bit::multiply_by_rational_with_rounding,
	traits::{SaturatedConversion, Saturating},
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
		let offer = OfferOf::<T> {
			requester,
			program,
			input_roots,
			steps,
			work_units: summary
				.work_units
				.checked_mul(steps.into())
				.ok_or(Error::<T>::TooMuchWork)?,
			input_bytes: bytes_of(&summary.input_tiles),
			output_bytes: bytes_of(&summary.output_tiles),
			assurance,
			audit,
			price_start,
			price_max,
			ramp_blocks,
		};
		ensure!(offer.output_bytes <= T::MaxOutputBytes::get(), Error::<T>::TooManyOutputBytes);
		ensure!(
			price_start >= parameters.least_price(offer.work_units, offer.bytes()),
			Error::<T>::PriceTooLow
		);
		let openings = most_openings(steps, summary.anchors, summary.lazy, summary.largest_anchor);
		// Who verifies a segment fetches states too, which are no longer than the inputs.
		let states = if offer.cut().is_some() { offer.input_bytes } else { 0 };
		let fetched = offer.bytes().saturating_add(states);
		ensure!(
			parameters.lifetime(offer.work_units, fetched, openings) <= T::MaxLifetime::get(),
			Error::<T>::LifetimeTooLong
		);
		let requester = &offer.requester;
		let active = ActiveJobs::<T>::get();
		ensure!(active < T::MaxActiveJobs::get(), Error::<T>::TooManyJobs);
		let own = JobsOfRequester::<T>::get(requester);
		ensure!(own < T::MaxJobsPerRequester::get(), Error::<T>::TooManyJobsOfAccount);
		// Somebody must be left to verify it.
		ensure!(Self::candidates_beside([requester]) > 0, Error::<T>::NoVerifierAvailable);

		let books = Self::hold(&offer, active, &parameters)?;
		T::Programs::acquire(&program)?;
		ActiveJobs::<T>::put(active.saturating_add(1));
		JobsOfRequester::<T>::insert(requester, own.saturating_add(1));
		let id = NextJob::<T>::mutate(|next| {
			let id = *next;
			*next = id.saturating_add(1);
			id
		});

		let order = Order {
			genesis: Self::genesis_hash(),
			job: id,
			requester,
			program,
			input_roots: &offer.input_roots,
			steps,
			price_start,
			price_max,
			ramp_blocks,
			assurance,
		}
		.hash();
		Self::deposit_event(Event::JobPosted {
			job: id,
			order,
			requester: requester.clone(),
			program,
			escrow: books.escrow,
			deposit: books.deposit,
		});
		let mut job = Job::posted(order, offer, books, Self::now());
		match assurance.attestation {
			Attestation::OptedOut => Self::open(id, &mut job, &parameters),
			Attestation::Required => Self::await_draw(id, &mut job, Phase::Posted, &parameters),
		}
		Self::store(id, job);
		Ok(())
	}

	/// Holds what a job of these terms needs of its requester, in a market with so many active jobs.
	fn hold(
		offer: &OfferOf<T>,
		active: u32,
		parameters: &ParametersOf<T>,
	) -> Result<Books<BalanceOf<T>>, DispatchError> {
		let verifier_pot =
			parameters.committee_fee(offer.price_max, offer.replayed_work(), offer.audit);
		let data_fee = parameters.data_fee(offer.bytes());
		let data_share = data_fee / parameters.attest_size.saturating_mul(2).max(1).into();
		let escrow = offer.price_max.saturating_add(verifier_pot).saturating_add(data_fee);
		T::Currency::hold(&HoldReason::JobEscrow.into(), &offer.requester, escrow)?;
		let (place, record_deposit) = Self::deposits_for(offer.input_roots.len() as u32, active);
		let deposit = place.saturating_add(record_deposit);
		T::Currency::hold(&HoldReason::JobDeposit.into(), &offer.requester, deposit)?;
		Ok(Books {
			verifier_pot,
			data_fee,
			data_share,
			escrow,
			deposit,
			record_deposit,
			..Default::default()
		})
	}

	pub(crate) fn do_cancel(who: T::AccountId, id: JobId, order: Hash) -> DispatchResult {
		let mut job = Self::job_of_order(id, &order)?;
		ensure!(job.offer.requester == who, Error::<T>::NotRequester);
		ensure!(
			matches!(job.phase, Phase::Posted | Phase::Open | Phase::Claimed),
			Error::<T>::TooLateToCancel
		);
		ensure!(Self::now() <= job.deadline, Error::<T>::DeadlinePassed);
		let mut reason = ReasonCode::Cancelled;
		if job.phase == Phase::Claimed {
			let parameters = Parameters::<T>::get();
			let price = job.price();
			// Where attestation was opted out both sides may leave for nothing.
			let attested = job.offer.assurance.attestation == Attestation::Required;
			if let Some(provider) = job.provider().cloned().filter(|_| attested) {
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
		ensure!(job.offer.requester != who, Error::<T>::OwnJob);
		ensure!(!job.barred.contains(&who), Error::<T>::Barred);
		let price = Self::ramp_price(&job, Self::now());
		ensure!(price >= min_price, Error::<T>::PriceBelowExpectation);
		let candidates = Self::candidates_beside([&job.offer.requester, &who]);
		ensure!(candidates > 0, Error::<T>::NoVerifierAvailable);

		let parameters = Parameters::<T>::get();
		let bond = parameters.bond(price, job.offer.audit, job.offer.segment_count(), candidates);
		ensure!(bond <= max_bond, Error::<T>::BondAboveExpectation);
		T::JobBonds::hold(&who, id, bond)?;
		job.claim = Some(Claim { provider: who.clone(), price, bond, result: None });
		Self::deposit_event(Event::JobClaimed { job: id, order, provider: who, price, bond });
		let time = parameters.commit.blocks(job.offer.work_units, job.offer.input_bytes);
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
		ensure!(job.provider() == Some(&who), Error::<T>::NotProvider);
		ensure!(job.committed().is_none(), Error::<T>::AlreadyCommitted);
		Self::ensure_live(&job, Phase::Claimed)?;
		Self::ensure_cut(&job, checkpoints.is_some())?;
		let result = Committed { commitment, checkpoints, opened: None };
		job.claim.as_mut().ok_or(Error::<T>::NotProvider)?.result = Some(result);
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
		ensure!(job.provider() == Some(&who), Error::<T>::NotProvider);
		ensure!(job.run_root().is_none(), Error::<T>::AlreadyRevealed);
		Self::ensure_live(&job, Phase::Revealing)?;
		Self::ensure_cut(&job, segments.is_some())?;
		let account = Self::account_bytes(&who);
		let committed =
			result_commitment(&Self::genesis_hash(), &order, &account, &run_root, &salt);
		let result = job.committed().filter(|result| result.commitment == committed);
		ensure!(result.is_some(), Error::<T>::CommitmentMismatch);
		let summary = T::Programs::summary(&job.offer.program).ok_or(Error::<T>::UnknownProgram)?;
		ensure!(
			verify_outputs(
				&run_root,
				job.offer.steps.into(),
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
		let outputs: alloc::vec::Vec<_> = opening.outputs.iter().map(|(root, _)| *root).collect();
		let opened = Opened {
			run_root,
			trace_root: opening.trace_root,
			output_roots: outputs.clone().try_into().map_err(|_| Error::<T>::TooManyTensors)?,
			keepers_redrawn: false,
			condemned: None,
		};
		job.committed_mut().ok_or(Error::<T>::CommitmentMismatch)?.opened = Some(opened);
		if let Some(roots) = roots {
			SegmentRoots::<T>::insert(id, roots);
		}
		Self::deposit_event(Event::ResultRevealed { job: id, run_root, output_roots: outputs });
		Self::end_reveal_early(id, &mut job);
		Self::store(id, job);
		Ok(())
	}

	/// Fails unless checkpoints or segments are given just where the run is cut.
	fn ensure_cut(job: &JobOf<T>, given: bool) -> Result<(), Error<T>> {
		match (job.offer.cut().is_some(), given) {
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
		let cut = job.offer.cut().ok_or(Error::<T>::NotSegmented)?;
		let shown = verify_segments(run_root, &cut, opening).ok_or(Error::<T>::SegmentsMismatch)?;
		let digest = checkpoints_digest(&shown.ends);
		let committed = job.committed().and_then(|result| Some(result.checkpoints?.digest));
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
		ensure!(job.offer.requester == who, Error::<T>::NotRequester);
		Self::ensure_live(&job, Phase::Challengeable)?;
		ensure!(job.audits.second.is_none(), Error::<T>::AuditAlreadyRequested);
		// Whether the outputs are there is asked last.
		ensure!(!job.keepers_redrawn(), Error::<T>::WrongPhase);
		let parameters = Parameters::<T>::get();
		let (_, terms) = Self::lottery_terms(id, &job, &parameters);
		ensure!(terms.candidates > 0, Error::<T>::NoVerifierAvailable);
		// This audit is sure. What nobody has earned of the first one's fee counts towards its own.
		let fee = parameters.committee_fee(
			job.offer.price_max,
			job.offer.replayed_work(),
			Permill::one(),
		);
		let missing = match job.audits.audited {
			Some(true) => fee,
			_ => fee.saturating_sub(job.books.verifier_pot),
		};
		T::Currency::hold(&HoldReason::JobEscrow.into(), &who, missing)?;
		job.books.escrow = job.books.escrow.saturating_add(missing);
		job.books.verifier_pot = job.books.verifier_pot.saturating_add(missing);
		job.audits.second = Some(SecondAudit::Requested);
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
			job.provider() == Some(who)
				&& Self::ensure_live(&job, phase).is_ok()
				&& (call != ProviderCall::Reveal || job.run_root().is_none())
				&& (call != ProviderCall::GiveBack || Self::may_give_back(&job))
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
				|| !T::Arbitration::is_disputed(id)
				|| Self::wants_second_look(id, &job, &Parameters::<T>::get()),
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
		Self::reopen(id, job, parameters);
	}

	/// Opens the job to other providers. Its ramp goes on: a price that has once been offered is not taken
	/// back, and nobody gets a place in the market for a second ramp by a claim of its own. Whoever has
	/// attested the inputs holds them still.
	pub(crate) fn reopen(id: JobId, job: &mut JobOf<T>, parameters: &ParametersOf<T>) {
		let ramped = job.opened_at.saturating_add(job.offer.ramp_blocks);
		let time = parameters.open_time(job.offer.input_bytes);
		let deadline = ramped.max(Self::now()).saturating_add(time);
		Self::enter(id, job, Phase::Open, deadline);
	}

	/// The ramp's price at a block: rising evenly, rounded down, never above the highest price.
	pub(crate) fn ramp_price(job: &JobOf<T>, at: BlockNumberFor<T>) -> BalanceOf<T> {
		let elapsed = at.saturating_sub(job.opened_at).min(job.offer.ramp_blocks);
		if elapsed >= job.offer.ramp_blocks {
			return job.offer.price_max;
		}
		let rise = job.offer.price_max.saturating_sub(job.offer.price_start);
		let risen = multiply_by_rational_with_rounding(
			rise.saturated_into(),
			elapsed.saturated_into(),
			job.offer.ramp_blocks.saturated_into(),
			Rounding::Down,
		)
		.unwrap_or_default();
		job.offer.price_start.saturating_add(risen.saturated_into())
	}

	/// Writes an outcome into a reputation, except merit from jobs whose inputs nobody attested.
	pub(crate) fn note(job: &JobOf<T>, who: &T::AccountId, outcome: Outcome) {
		if job.offer.assurance.attestation == Attestation::Required || !outcome.is_merit() {
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
