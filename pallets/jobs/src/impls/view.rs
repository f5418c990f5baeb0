//! A job as the runtime API answers it, from its record or from what the archive has of it.

use crate::{
	Answer, Archive, BalanceOf, Config, JobOf, Jobs, NextJob, Pallet, Parameters, Results, SeatOf,
	Seats, SecondAudit,
};
use alloc::vec::Vec;
use assay_market::{JobId, JobView, Phase, ReasonCode, VerdictView};
use frame_support::traits::Get;
use frame_system::pallet_prelude::BlockNumberFor;
use sp_runtime::traits::{One, Saturating};

/// Most jobs in one answer.
pub const MAX_PAGE: u32 = 64;

/// How many numbers one question looks at in search of jobs.
const MAX_SCAN: u64 = 4096;

type ViewOf<T> = JobView<<T as frame_system::Config>::AccountId, BalanceOf<T>, BlockNumberFor<T>>;
type VerdictViewOf<T> = VerdictView<<T as frame_system::Config>::AccountId, BlockNumberFor<T>>;

impl<T: Config> Pallet<T> {
	/// Everything about a job; what the archive has when it was pruned.
	pub fn job_view(id: JobId) -> Option<ViewOf<T>> {
		match Jobs::<T>::get(id) {
			Some(job) => Some(Self::full_view(id, job)),
			None => Self::archived_view(id),
		}
	}

	/// Up to `limit` jobs (at most [`MAX_PAGE`]) with a number of at least `from`, in order.
	pub fn jobs(from: JobId, limit: u32) -> Vec<ViewOf<T>> {
		let end = NextJob::<T>::get().min(from.saturating_add(MAX_SCAN));
		(from..end).filter_map(Self::job_view).take(limit.min(MAX_PAGE) as usize).collect()
	}

	/// The price at which the job could be claimed in the next block.
	pub fn current_price(id: JobId) -> Option<BalanceOf<T>> {
		let job = Jobs::<T>::get(id)?;
		(job.phase == Phase::Open)
			.then(|| Self::ramp_price(&job, Self::now().saturating_add(One::one())))
	}

	fn full_view(id: JobId, job: JobOf<T>) -> ViewOf<T> {
		let current_price = Self::current_price(id);
		let bond = match &job.claim {
			Some(claim) => Some(claim.bond),
			None => current_price.map(|price| Self::bond_now(&job, price)),
		};
		let results = Self::results(id, &job);
		let seats = Seats::<T>::get(id).into_iter();
		let verdicts = seats.map(|seat| Self::verdict_view(&results, seat)).collect();
		let (committed, opened) = (job.committed(), job.opened());
		JobView {
			id,
			order: job.order,
			provider: job.provider().cloned(),
			price: job.claim.as_ref().map(|claim| claim.price),
			commitment: committed.map(|result| result.commitment),
			checkpoints: committed.and_then(|result| result.checkpoints),
			run_root: job.run_root(),
			trace_root: opened.map(|opened| opened.trace_root),
			output_roots: opened.map(|opened| opened.output_roots.to_vec()).unwrap_or_default(),
			condemned: job.condemned(),
			segment_roots: results.segments.map(|roots| roots.into_inner()).unwrap_or_default(),
			verdicts,
			audited: job.audits.audited,
			audit_requested: job.audits.second == Some(SecondAudit::Requested),
			requester: job.offer.requester,
			program: job.offer.program,
			input_roots: job.offer.input_roots.into_inner(),
			steps: job.offer.steps,
			work_units: job.offer.work_units,
			input_bytes: job.offer.input_bytes,
			output_bytes: job.offer.output_bytes,
			assurance: job.offer.assurance,
			audit_ppm: job.offer.audit.deconstruct(),
			price_start: job.offer.price_start,
			price_max: job.offer.price_max,
			ramp_blocks: job.offer.ramp_blocks,
			current_price,
			bond,
			barred: job.barred.into_inner(),
			phase: job.phase,
			reason: job.reason,
			deadline: (!job.phase.is_terminal()).then_some(job.deadline),
			history: job.history.into_inner(),
			escrow: job.books.escrow,
			data_fee: job.books.data_fee,
			deposit: job.books.deposit,
			paid: job.books.paid,
			refunded: job.books.refunded,
			burned: job.books.burned,
			archived: false,
		}
	}

	fn verdict_view(results: &Results, seat: SeatOf<T>) -> VerdictViewOf<T> {
		let status = seat.answer.status();
		let (commitment, run_root) = match seat.answer {
			Answer::Committed(commitment) => (Some(commitment), None),
			Answer::Revealed { commitment, run_root } | Answer::Opened { commitment, run_root } => {
				(Some(commitment), Some(run_root))
			}
			_ => (None, None),
		};
		let matches = run_root.zip(results.of(seat.segment)).map(|(own, result)| own == result);
		VerdictView {
			account: seat.account,
			key: seat.key.into_inner().0,
			purpose: seat.purpose,
			tranche: seat.tranche,
			drawn_at: seat.drawn_at,
			status,
			segment: seat.segment,
			commitment,
			run_root,
			matches,
		}
	}

	/// What a claim at this price needs of an account that is no validator.
	fn bond_now(job: &JobOf<T>, price: BalanceOf<T>) -> BalanceOf<T> {
		let candidates = Self::candidates_beside([&job.offer.requester]);
		Parameters::<T>::get().bond(price, job.offer.audit, job.offer.segment_count(), candidates)
	}

	/// What the archive has: parties, program, result, reason and money. Everything else is empty.
	fn archived_view(id: JobId) -> Option<ViewOf<T>> {
		let slot = (id % u64::from(T::MaxArchived::get())) as u32;
		let archived = Archive::<T>::get(slot).filter(|other| other.id == id)?;
		let paid = archived.reason == ReasonCode::Paid;
		let phase = if paid { Phase::Settled } else { Phase::Failed };
		let blank = JobView::blank(id, archived.order, archived.requester, archived.program, phase);
		Some(JobView {
			provider: archived.provider,
			reason: Some(archived.reason),
			run_root: archived.run_root,
			paid: archived.paid,
			refunded: archived.refunded,
			burned: archived.burned,
			archived: true,
			..blank
		})
	}
}
