//! What must hold after every block.

use crate::{
	ActiveJobs, Agenda, Answer, Audits, BalanceOf, Config, HoldReason, JobOf, Jobs, JobsOfKey,
	JobsOfRequester, Lotteries, NextJob, Pallet, Parameters, Sample, Seats, SecondAudit,
	SegmentRoots, MAX_BARRED, MAX_STALLS,
};
use alloc::collections::BTreeMap;
use assay_commitments::join_segments;
use assay_market::{JobId, Phase, Programs, Purpose, Verifiers};
use frame_support::{
	ensure,
	traits::{fungible::InspectHold, Get},
};
use sp_runtime::{
	traits::{Saturating, Zero},
	TryRuntimeError,
};

impl<T: Config> Pallet<T> {
	/// * What is held of a requester for jobs is the sum of its jobs' escrows, and for their records the
	///   sum of the deposits, to the unit; a record that is kept has its deposit, but for a burned part.
	/// * The jobs of a requester that have not ended are counted, and bounded.
	/// * An ended job has a reason, no escrow, no pending draw and no key that points to it.
	/// * Every job is on the agenda exactly where it says, after its deadline.
	/// * A condemned job that has not ended is revealing.
	/// * Every phase has what it needs, and no more: a claimed job a claim, a committed one a result.
	/// * A job has a lottery exactly while verdicts are committed, and nobody has more seats in one than
	///   there are.
	/// * Nobody's chunks are known before the commitments are closed.
	/// * A run that is cut has checkpoints from the commit and segments from the reveal on, no other has,
	///   and the segments hash to its root; every verifier of it has drawn one of them.
	/// * Every seat of a job that has not ended is found by its key.
	/// * Every job that has not ended has a program.
	pub fn do_try_state() -> Result<(), TryRuntimeError> {
		ensure!(Parameters::<T>::get().validate().is_ok(), "parameters are valid");
		let mut held = BTreeMap::<T::AccountId, (BalanceOf<T>, BalanceOf<T>)>::new();
		let mut own = BTreeMap::<T::AccountId, u32>::new();
		let mut active = 0u32;
		for (id, job) in Jobs::<T>::iter() {
			ensure!(id < NextJob::<T>::get(), "every job has a number that was given");
			let (escrows, deposits) = held.entry(job.offer.requester.clone()).or_default();
			*escrows = escrows.saturating_add(job.books.escrow);
			*deposits = deposits.saturating_add(job.books.deposit);
			ensure!(!job.books.deposit.is_zero(), "a record has a deposit");
			ensure!(
				!job.phase.is_terminal() || job.books.deposit <= job.books.record_deposit,
				"what was held for a place in the market is given back with it"
			);
			if !job.phase.is_terminal() {
				active += 1;
				*own.entry(job.offer.requester.clone()).or_default() += 1;
			}
			Self::try_job(id, &job)?;
			Self::try_seats(id, &job)?;
		}
		ensure!(ActiveJobs::<T>::get() == active, "active jobs are counted");
		ensure!(active <= T::MaxActiveJobs::get(), "active jobs are bounded");
		for (who, (escrows, deposits)) in held {
			let on_hold = |reason: HoldReason| T::Currency::balance_on_hold(&reason.into(), &who);
			ensure!(
				on_hold(HoldReason::JobEscrow) == escrows,
				"what is held is the sum of the escrows, to the unit"
			);
			ensure!(
				on_hold(HoldReason::JobDeposit) == deposits,
				"what is held is the sum of the deposits, to the unit"
			);
		}
		ensure!(
			JobsOfRequester::<T>::iter().collect::<BTreeMap<_, _>>() == own,
			"the unfinished jobs of requesters are counted"
		);
		ensure!(
			own.into_values().all(|own| own <= T::MaxJobsPerRequester::get()),
			"the unfinished jobs of requesters are bounded"
		);
		for (block, jobs) in Agenda::<T>::iter() {
			ensure!(!jobs.is_empty(), "no empty agenda is stored");
			for id in jobs {
				let job = Jobs::<T>::get(id).ok_or("the agenda has jobs that exist")?;
				ensure!(job.scheduled == Some(block), "a job is on the agenda once, where it says");
			}
		}
		for id in Lotteries::<T>::iter_keys() {
			ensure!(Jobs::<T>::contains_key(id), "lotteries are of jobs that exist");
		}
		for id in SegmentRoots::<T>::iter_keys() {
			ensure!(Jobs::<T>::contains_key(id), "segments are of jobs that exist");
		}
		for id in crate::Losses::<T>::iter_keys() {
			ensure!(Jobs::<T>::contains_key(id), "losses are kept for jobs with a record");
		}
		for (key, id) in JobsOfKey::<T>::iter_keys() {
			let job = Jobs::<T>::get(id).ok_or("keys point to jobs that exist")?;
			ensure!(!job.phase.is_terminal(), "keys point to jobs that have not ended");
			ensure!(
				Seats::<T>::get(id).iter().any(|seat| seat.key == key),
				"keys point to jobs in which they have a seat"
			);
		}
		Ok(())
	}

	fn try_job(id: JobId, job: &JobOf<T>) -> Result<(), TryRuntimeError> {
		if let Some(block) = job.scheduled {
			ensure!(
				block > job.deadline || matches!(job.audits.sample, Some(Sample::Awaited(_))),
				"nothing is pushed before its deadline has passed"
			);
			ensure!(Agenda::<T>::get(block).contains(&id), "a job is on the agenda where it says");
		}
		Self::try_lottery(id, job)?;
		Self::try_segments(id, job)?;
		if job.phase.is_terminal() {
			ensure!(job.reason.is_some(), "an ended job has a reason");
			ensure!(
				job.condemned().is_none() || job.condemned() == job.reason,
				"a condemned job ends for the reason it was condemned for"
			);
			ensure!(job.scheduled.is_some(), "an ended job is on the agenda, to be pruned");
			ensure!(job.books.escrow.is_zero(), "an ended job holds nothing");
			ensure!(job.draw.is_none(), "an ended job waits for no draw");
			return Ok(());
		}
		ensure!(job.reason.is_none(), "a job with a reason has ended");
		ensure!(
			T::Programs::summary(&job.offer.program).is_some(),
			"a job's program stays registered"
		);
		ensure!(
			job.books.escrow
				== job
					.offer
					.price_max
					.saturating_add(job.books.verifier_pot)
					.saturating_add(job.books.data_fee),
			"a job's escrow is whole until it ends"
		);
		ensure!(
			job.books.paid.is_zero() && job.books.refunded.is_zero() && job.books.burned.is_zero(),
			"nothing leaves an escrow before the job ends"
		);
		let claimed = job.phase >= Phase::Claimed;
		ensure!(
			job.barred.len() < MAX_BARRED as usize && job.stalls < MAX_STALLS,
			"the last try ends the job"
		);
		ensure!(job.stalls <= job.barred.len() as u32, "whoever stalled is barred");
		ensure!(
			job.provider().is_none_or(|provider| !job.barred.contains(provider)),
			"nobody who is barred has the job"
		);
		ensure!(
			!job.keepers_redrawn() || job.phase == Phase::Challengeable,
			"keepers are drawn anew at the end"
		);
		ensure!(
			job.audits.second.is_none() || job.run_root().is_some(),
			"an audit more is one of an open result"
		);
		ensure!(
			job.audits.needed == 0
				|| job.offer.is_sure()
				|| job.audits.second == Some(SecondAudit::Automatic),
			"an audit that is not sure wants no quorum"
		);
		ensure!(claimed == job.claim.is_some(), "a claimed job has a provider, no other has");
		let committed = job.phase >= Phase::Committed;
		ensure!(
			committed == job.committed().is_some(),
			"a committed job has a commitment, no other has"
		);
		ensure!(committed || job.audits == Audits::default(), "a committed job has audits alone");
		ensure!(
			job.phase != Phase::Challengeable || job.run_root().is_some(),
			"a challengeable result is open"
		);
		ensure!(
			job.condemned().is_none() || job.phase == Phase::Revealing,
			"a condemned job with an open result waits for verdicts to be opened"
		);
		ensure!(
			job.draw.is_none()
				|| matches!(job.phase, Phase::Posted | Phase::Committed)
				|| (job.phase == Phase::Challengeable && job.keepers_redrawn()),
			"draws wait before inputs or outputs are attested or verdicts committed"
		);
		ensure!(
			job.phase != Phase::Committed || job.draw.is_some(),
			"a committed job waits for a draw"
		);
		if let Some(cause) = job.draw {
			ensure!(job.deadline > cause, "a draw waits for later blocks");
		}
		ensure!(
			job.history
				.last()
				.is_some_and(|(phase, at)| { *phase == job.phase && *at <= Self::now() }),
			"the history ends with the present phase"
		);
		Ok(())
	}

	fn try_segments(id: JobId, job: &JobOf<T>) -> Result<(), TryRuntimeError> {
		let (cut, roots) = (job.offer.cut(), SegmentRoots::<T>::get(id));
		ensure!(cut.is_some() == job.offer.assurance.segments.is_some(), "segments fit the steps");
		ensure!(
			job.committed().is_none_or(|result| result.checkpoints.is_some() == cut.is_some()),
			"checkpoints are committed to with a result that is cut"
		);
		ensure!(
			roots.is_some() == (cut.is_some() && job.run_root().is_some()),
			"segments are opened with a result that is cut"
		);
		if let (Some(cut), Some(roots)) = (cut, roots) {
			ensure!(roots.len() == cut.count() as usize, "every segment has a root");
			ensure!(join_segments(&roots) == job.run_root(), "segments hash to the run root");
		}
		for seat in Seats::<T>::get(id) {
			let drawn = cut.filter(|_| seat.purpose == Purpose::Verify);
			ensure!(
				seat.segment.is_some() == drawn.is_some()
					&& seat.segment < Some(drawn.map_or(1, |cut| cut.count())),
				"verifiers of a run that is cut have drawn a segment of it"
			);
		}
		ensure!(
			job.opened()
				.and_then(|opened| opened.condemned?.step)
				.is_none_or(|step| step < job.offer.steps),
			"a wrong step is one of the run"
		);
		Ok(())
	}

	fn try_lottery(id: JobId, job: &JobOf<T>) -> Result<(), TryRuntimeError> {
		let Some(lottery) = Lotteries::<T>::get(id) else {
			ensure!(job.phase != Phase::Verifying, "verdicts are committed in a lottery");
			return Ok(());
		};
		ensure!(job.phase == Phase::Verifying, "a lottery is closed with the commitments");
		ensure!(job.audits.sample.is_none(), "no chunks are known while verdicts are committed");
		let terms = lottery.terms;
		ensure!(job.audits.wanted == terms.wanted(), "an audit wants what its lottery says");
		ensure!(lottery.tranche < terms.tranches(), "tranches are bounded");
		ensure!(
			terms.is_sure() == (job.offer.is_sure() || job.audits.second.is_some()),
			"tickets are thinned where the audit is not sure"
		);
		ensure!(
			job.audits.tranches.saturating_sub(job.audits.first_tranche)
				== lottery.tranche.saturating_add(1),
			"the tranches of an audit are counted"
		);
		let seats = Seats::<T>::get(id);
		ensure!(
			Self::answers(job, &seats) <= terms.capacity(),
			"the seats of an audit are bounded"
		);
		for seat in seats.iter().filter(|seat| seat.purpose == Purpose::Verify) {
			let now = seat.tranche >= job.audits.first_tranche;
			ensure!(
				!now || seat.tranche < job.audits.tranches,
				"nobody answers before its tranche"
			);
			ensure!(
				!now || T::Verifiers::member(lottery.session, &seat.account)
					.is_none_or(|member| member.key == seat.key),
				"a seat is signed by the key of the lottery's session"
			);
		}
		Ok(())
	}

	fn try_seats(id: JobId, job: &JobOf<T>) -> Result<(), TryRuntimeError> {
		let seats = Seats::<T>::get(id);
		for (index, seat) in seats.iter().enumerate() {
			ensure!(seat.account != job.offer.requester, "no requester is drawn for its own job");
			ensure!(
				seat.purpose == Purpose::Attest || job.provider() != Some(&seat.account),
				"no provider verifies its own result or keeps its own outputs"
			);
			ensure!(
				seat.purpose != Purpose::Keep
					|| job.run_root().is_some()
					|| matches!(seat.answer, Answer::Pending),
				"nobody keeps outputs before the reveal"
			);
			ensure!(
				seats[..index].iter().all(|other| {
					other.purpose != seat.purpose || other.account != seat.account
				}),
				"no account is drawn twice for one purpose"
			);
			ensure!(
				job.phase.is_terminal() || JobsOfKey::<T>::contains_key(&seat.key, id),
				"every seat is found by its key"
			);
			let attests =
				matches!(seat.answer, Answer::Attested(_) | Answer::Pending | Answer::NoShow);
			let fits = attests != (seat.purpose == Purpose::Verify);
			ensure!(fits, "a seat only answers what it was drawn for");
		}
		Ok(())
	}
}
