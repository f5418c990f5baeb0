//! The answers of the runtime API.

use crate::{
	Answer, Archive, BalanceOf, Config, JobOf, Jobs, JobsOfKey, Lotteries, LotteryOf, NextJob,
	Pallet, Parameters, SeatOf, Seats, SecondAudit,
};
use alloc::{collections::BTreeMap, vec::Vec};
use assay_market::{
	Assignment, DutyTerms, JobId, JobView, LotteryDuty, Phase, Purpose, SegmentDuty, SegmentTerms,
	VerdictView, VerifierId, VerifierInfo, Verifiers,
};
use frame_support::traits::Get;
use frame_system::pallet_prelude::BlockNumberFor;
use sp_runtime::traits::{One, SaturatedConversion, Saturating};

/// Most jobs in one answer.
pub const MAX_PAGE: u32 = 64;

/// How many numbers one question looks at in search of jobs.
const MAX_SCAN: u64 = 4096;

type ViewOf<T> = JobView<<T as frame_system::Config>::AccountId, BalanceOf<T>, BlockNumberFor<T>>;
type LotteryDutyOf<T> =
	LotteryDuty<<T as frame_system::Config>::AccountId, BalanceOf<T>, BlockNumberFor<T>>;
type AssignmentOf<T> =
	Assignment<<T as frame_system::Config>::AccountId, BalanceOf<T>, BlockNumberFor<T>>;

impl<T: Config> Pallet<T> {
	/// The duties of these session keys in jobs that have not ended, oldest job first.
	pub fn assignments(keys: &[VerifierId]) -> Vec<AssignmentOf<T>> {
		let mut assignments: Vec<_> = keys
			.iter()
			.flat_map(|key| JobsOfKey::<T>::iter_key_prefix(key).map(move |id| (id, key)))
			.filter_map(|(id, key)| Jobs::<T>::get(id).map(|job| (id, key, job)))
			.flat_map(|(id, key, job)| Self::assignments_in(id, key, &job))
			.collect();
		assignments.sort_by(|a, b| (a.job, a.purpose, &a.key).cmp(&(b.job, b.purpose, &b.key)));
		assignments.dedup();
		assignments
	}

	/// The open lotteries that these session keys may take part in and have not answered, oldest job
	/// first.
	pub fn lotteries(keys: &[VerifierId]) -> Vec<LotteryDutyOf<T>> {
		// Asked for once for each session, most lotteries are of the same.
		let mut members = BTreeMap::<u32, Vec<_>>::new();
		let mut duties: Vec<_> = Lotteries::<T>::iter()
			.filter_map(|(id, lottery)| Some((id, lottery, Jobs::<T>::get(id)?)))
			.flat_map(|(id, lottery, job)| {
				members
					.entry(lottery.session)
					.or_insert_with(|| T::Verifiers::members(lottery.session))
					.iter()
					.filter(|member| keys.contains(&member.key))
					.filter(|member| Self::candidate(id, &job, &lottery, &member.account).is_ok())
					.map(|member| Self::lottery_duty(id, &job, &lottery, member))
					.collect::<Vec<_>>()
			})
			.collect();
		duties.sort_by(|a, b| (a.job, &a.key).cmp(&(b.job, &b.key)));
		duties
	}

	fn lottery_duty(
		id: JobId,
		job: &JobOf<T>,
		lottery: &LotteryOf<T>,
		member: &VerifierInfo<T::AccountId, BalanceOf<T>>,
	) -> LotteryDutyOf<T> {
		LotteryDuty {
			job: id,
			order: job.order,
			account: member.account.clone(),
			key: member.key.clone(),
			program: job.program,
			input_roots: job.input_roots.to_vec(),
			steps: job.steps,
			phase: job.phase,
			draw_block: lottery.opened_at,
			commit_deadline: job.deadline,
			duty: Self::duty_terms(job, Purpose::Verify, lottery.terms.capacity()),
			seed: lottery.seed,
			stake: member.stake.saturated_into(),
			terms: lottery.terms,
			tranche: lottery.tranche,
			segments: Self::segment_terms(job),
		}
	}

	/// What a duty takes and brings. A verifier's share of the pot is the smallest where as many match as
	/// have room.
	fn duty_terms(job: &JobOf<T>, purpose: Purpose, room: u32) -> DutyTerms<BalanceOf<T>> {
		let verifies = purpose == Purpose::Verify;
		let shares = job.shares.max(room).max(1);
		DutyTerms {
			work_units: if verifies { job.replayed_work() } else { 0 },
			input_bytes: job.input_bytes,
			output_bytes: job.output_bytes,
			fee: if verifies { job.verifier_pot / shares.into() } else { job.data_share },
		}
	}

	/// What verifiers are told of how the run is cut.
	fn segment_terms(job: &JobOf<T>) -> Option<SegmentTerms> {
		Some(SegmentTerms { steps: job.cut()?.length(), checkpoints: job.checkpoints? })
	}

	/// The last block at which the answer of a seat counts.
	fn answer_deadline(job: &JobOf<T>, seat: &SeatOf<T>) -> BlockNumberFor<T> {
		match seat.purpose {
			Purpose::Keep => Self::keep_deadline(job),
			Purpose::Attest | Purpose::Verify => seat.deadline,
		}
	}

	fn assignments_in(id: JobId, key: &VerifierId, job: &JobOf<T>) -> Vec<AssignmentOf<T>> {
		let seats = Seats::<T>::get(id);
		let verifiers = seats.iter().filter(|seat| seat.purpose == Purpose::Verify).count() as u32;
		seats
			.into_iter()
			.filter(|seat| seat.key == *key)
			.map(|seat| Assignment {
				job: id,
				order: job.order,
				commit_deadline: Self::answer_deadline(job, &seat),
				terms: Self::duty_terms(job, seat.purpose, verifiers),
				output_roots: job.output_roots.to_vec(),
				purpose: seat.purpose,
				account: seat.account,
				key: seat.key,
				program: job.program,
				input_roots: job.input_roots.to_vec(),
				steps: job.steps,
				phase: job.phase,
				draw_block: seat.drawn_at,
				reveal_deadline: matches!(job.phase, Phase::Revealing | Phase::Challengeable)
					.then_some(job.deadline),
				status: seat.answer.status(),
				committed: !matches!(seat.answer, Answer::Pending | Answer::NoShow),
				revealed: seat.answer.opened_root().is_some(),
				can_reveal: Self::may_reveal(job) && matches!(seat.answer, Answer::Committed(_)),
				sample: (seat.purpose == Purpose::Verify).then(|| Self::sample_of(job)).flatten(),
				segment: seat.segment.and_then(|index| {
					let terms = Self::segment_terms(job)?;
					Some(SegmentDuty { terms, index })
				}),
			})
			.collect()
	}

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
		let bond = match job.provider {
			Some(_) => Some(job.bond),
			None => current_price.map(|price| Self::bond_now(&job, price)),
		};
		let results = Self::results(id, &job);
		let verdicts = Seats::<T>::get(id)
			.into_iter()
			.map(|seat| {
				let status = seat.answer.status();
				let (commitment, run_root) = match seat.answer {
					Answer::Committed(commitment) => (Some(commitment), None),
					Answer::Revealed { commitment, run_root }
					| Answer::Opened { commitment, run_root } => (Some(commitment), Some(run_root)),
					_ => (None, None),
				};
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
					matches: run_root
						.zip(results.of(seat.segment))
						.map(|(own, result)| own == result),
				}
			})
			.collect();
		JobView {
			id,
			order: job.order,
			requester: job.requester,
			provider: job.provider,
			barred: job.barred.into_inner(),
			program: job.program,
			input_roots: job.input_roots.into_inner(),
			steps: job.steps,
			work_units: job.work_units,
			input_bytes: job.input_bytes,
			output_bytes: job.output_bytes,
			assurance: job.assurance,
			audit_ppm: job.audit.deconstruct(),
			price_start: job.price_start,
			price_max: job.price_max,
			ramp_blocks: job.ramp_blocks,
			price: job.price,
			current_price,
			bond,
			escrow: job.escrow,
			data_fee: job.data_fee,
			deposit: job.deposit,
			phase: job.phase,
			reason: job.reason,
			deadline: (!job.phase.is_terminal()).then_some(job.deadline),
			history: job.history.into_inner(),
			audited: job.audited,
			audit_requested: job.second_audit == Some(SecondAudit::Requested),
			commitment: job.commitment,
			run_root: job.run_root,
			trace_root: job.trace_root,
			condemned: job.condemned,
			output_roots: job.output_roots.into_inner(),
			checkpoints: job.checkpoints,
			segment_roots: results.segments.map(|roots| roots.into_inner()).unwrap_or_default(),
			verdicts,
			paid: job.paid,
			refunded: job.refunded,
			burned: job.burned,
			archived: false,
		}
	}

	/// What a claim at this price needs of an account that is no validator.
	fn bond_now(job: &JobOf<T>, price: BalanceOf<T>) -> BalanceOf<T> {
		let candidates = Self::candidates_beside([&job.requester]);
		Parameters::<T>::get().bond(price, job.audit, job.segment_count(), candidates)
	}

	/// What the archive has: parties, program, result, reason and money. Everything else is empty.
	fn archived_view(id: JobId) -> Option<ViewOf<T>> {
		let slot = (id % u64::from(T::MaxArchived::get())) as u32;
		let job = Archive::<T>::get(slot).filter(|job| job.id == id)?;
		let paid = job.reason == assay_market::ReasonCode::Paid;
		let phase = if paid { Phase::Settled } else { Phase::Failed };
		let mut view = JobView::blank(id, job.order, job.requester, job.program, phase);
		view.provider = job.provider;
		view.reason = Some(job.reason);
		view.run_root = job.run_root;
		view.paid = job.paid;
		view.refunded = job.refunded;
		view.burned = job.burned;
		view.archived = true;
		Some(view)
	}
}
