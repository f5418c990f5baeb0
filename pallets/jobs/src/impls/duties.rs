//! What the runtime API answers validators: the seats that they have, and the lotteries that they may take
//! part in.

use crate::{
	Answer, BalanceOf, Config, JobOf, Jobs, JobsOfKey, Lotteries, LotteryOf, Pallet, SeatOf, Seats,
};
use alloc::{collections::BTreeMap, vec::Vec};
use assay_market::{
	Assignment, DutyTerms, JobId, LotteryDuty, Phase, Purpose, SegmentDuty, SegmentTerms,
	VerifierId, VerifierInfo, Verifiers,
};
use frame_system::pallet_prelude::BlockNumberFor;
use sp_runtime::traits::SaturatedConversion;

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
			program: job.offer.program,
			input_roots: job.offer.input_roots.to_vec(),
			steps: job.offer.steps,
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
		let shares = job.audits.shares.max(room).max(1);
		DutyTerms {
			work_units: if verifies { job.offer.replayed_work() } else { 0 },
			input_bytes: job.offer.input_bytes,
			output_bytes: job.offer.output_bytes,
			fee: if verifies {
				job.books.verifier_pot / shares.into()
			} else {
				job.books.data_share
			},
		}
	}

	/// What verifiers are told of how the run is cut.
	fn segment_terms(job: &JobOf<T>) -> Option<SegmentTerms> {
		let checkpoints = job.committed()?.checkpoints?;
		Some(SegmentTerms { steps: job.offer.cut()?.length(), checkpoints })
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
				output_roots: job
					.opened()
					.map(|opened| opened.output_roots.to_vec())
					.unwrap_or_default(),
				purpose: seat.purpose,
				account: seat.account,
				key: seat.key,
				program: job.offer.program,
				input_roots: job.offer.input_roots.to_vec(),
				steps: job.offer.steps,
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
}
