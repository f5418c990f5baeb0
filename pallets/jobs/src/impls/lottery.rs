//! The private draw of verifiers: what the chain opens, who may answer it, and when it is over.
//!
//! Every committed result opens a lottery. Where its audit is not sure the tickets are thinned, and nobody
//! knows how many have won: such a lottery lasts its time and wants no quorum, and another tranche opens
//! only in place of winners that abstained. Where it is sure, too few verdicts end the job before its
//! result is shown.

use crate::{
	Answer, BalanceOf, Config, Error, Event, JobOf, Lotteries, LotteryOf, Pallet, ParametersOf,
	Seats, SeatsOf, SecondAudit,
};
use alloc::{collections::BTreeSet, vec::Vec};
use assay_market::{
	lottery::{self, tranche_of},
	Electorate, Hash, JobId, Lottery, LotteryTerms, Phase, Purpose, ReasonCode, Ticket,
	VerifierInfo, Verifiers,
};
use frame_support::ensure;
use frame_system::pallet_prelude::BlockNumberFor;
use sp_runtime::{
	traits::{SaturatedConversion, Saturating},
	Permill,
};

type Member<T> = VerifierInfo<<T as frame_system::Config>::AccountId, BalanceOf<T>>;

impl<T: Config> Pallet<T> {
	/// Opens the lottery of an audit. Where nobody could take part, the audit ends with what it has.
	pub(crate) fn open_lottery(
		id: JobId,
		job: &mut JobOf<T>,
		seed: Hash,
		parameters: &ParametersOf<T>,
	) {
		let (session, terms) = Self::lottery_terms(id, job, parameters);
		job.audits.first_tranche = job.audits.tranches;
		job.audits.wanted = terms.wanted();
		match job.audits.second {
			None => {
				// Of one that is not sure nobody knows how many verdicts are missing.
				job.audits.needed = match terms.is_sure() {
					true => parameters.quorum.min(job.audits.wanted).max(1),
					false => 0,
				};
				job.audits.shares = parameters.shares(job.offer.audit);
			}
			// Its fee came on top of the first one's, unless nobody has earned that.
			Some(SecondAudit::Requested) => {
				let before = if job.audits.audited == Some(true) { job.audits.shares } else { 0 };
				job.audits.shares = before.saturating_add(parameters.shares(Permill::one()));
			}
			// A verdict of one that was not sure had to be looked at again: now it is.
			Some(SecondAudit::Automatic) if job.audits.needed == 0 => {
				job.audits.needed = parameters.quorum.min(job.audits.wanted).max(1);
			}
			Some(SecondAudit::Automatic) => {}
		}
		// Positions that were drawn for an earlier audit must not be known to those who commit now.
		job.audits.sample = None;
		if terms.candidates == 0 {
			return Self::end_audit(id, job, parameters);
		}
		let opened_at = Self::now();
		Lotteries::<T>::insert(id, Lottery { seed, session, opened_at, tranche: 0, terms });
		job.audits.tranches = job.audits.tranches.saturating_add(1);
		let (candidates, wanted) = (terms.candidates, job.audits.wanted);
		Self::deposit_event(Event::LotteryOpened { job: id, seed, session, candidates, wanted });
		let time = Self::tranche_time(job, 0, &terms, parameters);
		Self::enter(id, job, Phase::Verifying, opened_at.saturating_add(time));
	}

	/// The running session, and what a lottery for this job would go by now: everyone of it who is no
	/// party of the job and had no seat in an earlier audit.
	pub(crate) fn lottery_terms(
		id: JobId,
		job: &JobOf<T>,
		parameters: &ParametersOf<T>,
	) -> (u32, LotteryTerms) {
		let Electorate { session, mut candidates, mut stake } = T::Verifiers::electorate();
		let seats = Seats::<T>::get(id);
		let verifiers = seats.iter().filter(|seat| seat.purpose == Purpose::Verify);
		let outsiders: BTreeSet<_> = verifiers
			.map(|seat| &seat.account)
			.chain([&job.offer.requester])
			.chain(job.provider())
			.collect();
		for member in outsiders.into_iter().filter_map(|who| T::Verifiers::member(session, who)) {
			candidates = candidates.saturating_sub(1);
			stake = stake.saturating_sub(member.stake);
		}
		let terms = LotteryTerms {
			candidates,
			stake: stake.saturated_into(),
			size: parameters.committee,
			width_percent: parameters.tranche_width_percent,
			max_tranches: parameters.max_tranches,
			// An audit after the reveal has nothing to hide.
			audit: if job.audits.second.is_some() { Permill::one() } else { job.offer.audit },
		};
		(session, terms)
	}

	/// How many are left who could verify a job of these parties.
	pub(crate) fn candidates_beside<'a>(parties: impl IntoIterator<Item = &'a T::AccountId>) -> u32
	where
		T::AccountId: 'a,
	{
		let Electorate { session, candidates, .. } = T::Verifiers::electorate();
		let parties: BTreeSet<_> = parties.into_iter().collect();
		let members =
			parties.into_iter().filter(|who| T::Verifiers::member(session, who).is_some());
		candidates.saturating_sub(members.count() as u32)
	}

	/// How long a tranche has; see [`assay_market::MarketParameters::tranche_time`]. The number of
	/// tranches is that of the lottery. Where it is not sure that another one opens, each has the time of
	/// the whole run.
	fn tranche_time(
		job: &JobOf<T>,
		tranche: u32,
		terms: &LotteryTerms,
		parameters: &ParametersOf<T>,
	) -> BlockNumberFor<T> {
		let first = if terms.is_sure() && terms.tranches() > 1 { tranche } else { 1 };
		parameters.tranche_time(
			job.offer.work_units,
			job.offer.input_bytes,
			job.offer.segment_work(),
			first,
		)
	}

	/// A tranche's time is over: the next one opens where verdicts are missing and others may bring them.
	/// Where the run is cut that is also who has to replay what comes before a checkpoint that the
	/// provider holds back.
	pub(crate) fn conclude_tranche(id: JobId, job: &mut JobOf<T>, parameters: &ParametersOf<T>) {
		let next = Lotteries::<T>::get(id).filter(|Lottery { tranche, terms, .. }| {
			let seats = Seats::<T>::get(id);
			let answers = Self::answers(job, &seats);
			let verdicts = Self::verdicts(id, job);
			// In a thinned one somebody has won in this tranche's time, and nobody gives a verdict.
			let missed = match terms.is_sure() {
				true => verdicts < job.audits.wanted,
				false => verdicts == 0 && Self::has_abstained(job, &seats),
			};
			missed
				&& tranche.saturating_add(1) < terms.tranches()
				&& (!terms.takes_everyone() || job.offer.cut().is_some())
				&& answers < terms.capacity()
				&& answers < terms.candidates
		});
		let Some(mut lottery) = next else { return Self::end_audit(id, job, parameters) };
		lottery.tranche = lottery.tranche.saturating_add(1);
		job.audits.tranches = job.audits.tranches.saturating_add(1);
		let time = Self::tranche_time(job, lottery.tranche, &lottery.terms, parameters);
		let (tranche, deadline) = (lottery.tranche, Self::now().saturating_add(time));
		Lotteries::<T>::insert(id, lottery);
		Self::set_deadline(id, job, deadline);
		Self::deposit_event(Event::TrancheOpened { job: id, tranche, deadline });
	}

	/// The time for verdicts is over. A result that cannot be confirmed any more is not asked for: nobody
	/// has seen it, and nobody is to have it for nothing. The same where nobody could verify at all.
	fn end_audit(id: JobId, job: &mut JobOf<T>, parameters: &ParametersOf<T>) {
		let candidates = Lotteries::<T>::get(id).map_or(0, |lottery| lottery.terms.candidates);
		let came = Self::answers(job, &Seats::<T>::get(id)) > 0;
		let audited = job.audits.needed > 0 || job.audits.audited == Some(true) || came;
		job.audits.audited = Some(audited);
		Self::deposit_event(Event::AuditDecided { job: id, audited });
		let hidden = job.run_root().is_none();
		if hidden && (candidates == 0 || Self::verdicts(id, job) < job.audits.needed) {
			return Self::finish(id, job, ReasonCode::Inconclusive);
		}
		Self::begin_reveal(id, job, parameters);
	}

	/// Ends a sure audit when every candidate has answered. Not when enough have: the fast ones could shut
	/// out the slow ones then, and a provider's friends are fast, since they need not replay. An audit
	/// that may end the job is concluded in the next block, where its end is paid for by the agenda.
	pub(crate) fn conclude_early(id: JobId, job: &mut JobOf<T>, parameters: &ParametersOf<T>) {
		let Some(lottery) = Lotteries::<T>::get(id).filter(|lottery| lottery.terms.is_sure())
		else {
			return;
		};
		if Self::answers(job, &Seats::<T>::get(id)) < lottery.terms.candidates {
			return;
		}
		if job.run_root().is_none() && Self::verdicts(id, job) < job.audits.needed {
			Self::set_deadline(id, job, Self::now());
		} else {
			Self::end_audit(id, job, parameters);
		}
	}

	/// How many have answered in the present audit.
	pub(crate) fn answers(job: &JobOf<T>, seats: &SeatsOf<T>) -> u32 {
		Self::audit_seats(job, seats).count() as u32
	}

	/// Verdicts that the present audit has, hidden or open.
	pub(crate) fn verdicts(id: JobId, job: &JobOf<T>) -> u32 {
		Self::audit_seats(job, &Seats::<T>::get(id)).filter(|seat| seat.answer.is_verdict()).count()
			as u32
	}

	/// The accounts whose open verdict is the provider's result, in the order they committed.
	pub(crate) fn matching(id: JobId, job: &JobOf<T>) -> Vec<T::AccountId> {
		let results = Self::results(id, job);
		Seats::<T>::get(id)
			.into_iter()
			.filter_map(|seat| match seat.answer {
				Answer::Revealed { run_root, .. } if Some(run_root) == results.of(seat.segment) => {
					Some(seat.account)
				}
				_ => None,
			})
			.collect()
	}

	/// Whether somebody has abstained in the time of the present tranche.
	fn has_abstained(job: &JobOf<T>, seats: &SeatsOf<T>) -> bool {
		Self::audit_seats(job, seats).any(|seat| {
			seat.deadline == job.deadline && matches!(seat.answer, Answer::Abstained(_))
		})
	}

	fn audit_seats<'a>(
		job: &'a JobOf<T>,
		seats: &'a SeatsOf<T>,
	) -> impl Iterator<Item = &'a crate::SeatOf<T>> {
		seats.iter().filter(|seat| {
			seat.purpose == Purpose::Verify && seat.tranche >= job.audits.first_tranche
		})
	}

	/// Whether this account may take part in a lottery at all, and has not answered it yet; everything
	/// but its ticket.
	pub(crate) fn candidate(
		id: JobId,
		job: &JobOf<T>,
		lottery: &LotteryOf<T>,
		account: &T::AccountId,
	) -> Result<Member<T>, Error<T>> {
		ensure!(
			job.offer.requester != *account && job.provider() != Some(account),
			Error::<T>::NotDrawn
		);
		let member = T::Verifiers::member(lottery.session, account).ok_or(Error::NotDrawn)?;
		let seats = Seats::<T>::get(id);
		let seat =
			seats.iter().find(|seat| seat.purpose == Purpose::Verify && seat.account == *account);
		match seat {
			Some(seat) if seat.tranche >= job.audits.first_tranche => {
				return Err(Error::AlreadyAnswered)
			}
			// In an earlier audit of this job.
			Some(_) => return Err(Error::NotDrawn),
			None => {}
		}
		ensure!(Self::answers(job, &seats) < lottery.terms.capacity(), Error::<T>::SeatsTaken);
		ensure!(T::Verifiers::can_lock(account), Error::<T>::TooManyLocks);
		Ok(member)
	}

	/// The tranche of a member by its ticket, if that tranche is open. `proved`: the ticket has been
	/// verified already, right before.
	pub(crate) fn open_tranche(
		order: &Hash,
		lottery: &LotteryOf<T>,
		member: &Member<T>,
		ticket: &Ticket,
		proved: bool,
	) -> Result<u32, Error<T>> {
		let data = lottery::transcript(&Self::genesis_hash(), order, &lottery.seed);
		let output = if proved {
			lottery::claimed_output(&member.key, &data, ticket)
		} else {
			lottery::draw_output(&member.key, &data, ticket)
		};
		let output = output.ok_or(Error::<T>::BadTicket)?;
		let tranche = tranche_of(output, member.stake.saturated_into(), &lottery.terms)
			.ok_or(Error::<T>::NotDrawn)?;
		ensure!(tranche <= lottery.tranche, Error::<T>::TrancheNotOpen);
		Ok(tranche)
	}
}
