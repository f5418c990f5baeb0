//! Lotteries as validators see them, each for itself; and as only the owner of all session keys
//! could.

use crate::{
	calls::{genesis_hash, order_of},
	people::{Person, VALIDATORS},
};
use assay_commitments::Segmentation;
use assay_market::{
	lottery::{draw_output, tranche_of, transcript},
	segment_of, JobId, LotteryDuty, Ticket, Verifiers,
};
use assay_runtime::{AccountId, Balance, BlockNumber, Jobs, Runtime, Stake};
use std::ops::Range;

/// A lottery that a validator may take part in.
pub type Duty = LotteryDuty<AccountId, Balance, BlockNumber>;

/// The open lottery of this job, as its runtime API tells it this validator; `None` where it may
/// not take part or has answered.
pub fn duty(who: &Person, job: JobId) -> Option<Duty> {
	Jobs::lotteries(&[who.verifier_key()]).into_iter().find(|duty| duty.job == job)
}

/// The ticket of a validator in a lottery, and its tranche if it has won a place in one.
pub fn ticket(who: &Person, duty: &Duty) -> (Ticket, Option<u32>) {
	let data = transcript(&genesis_hash(), &duty.order, &duty.seed);
	let ticket = who.ticket(&data);
	let output = draw_output(&duty.key, &data, &ticket);
	(ticket, output.and_then(|output| tranche_of(output, duty.stake, &duty.terms)))
}

/// The steps of the segment that a ticket draws; `None` where the run is not cut.
pub fn segment(duty: &Duty, ticket: &Ticket) -> Option<Range<u32>> {
	let cut = Segmentation::new(duty.steps, duty.segments?.steps)?;
	cut.range(segment_of(&ticket.pre_output, &genesis_hash(), &duty.order, cut.count()))
}

/// The segments of everyone who wins in the first tranche, in the order of [`winners`]. Nobody on
/// the chain can know this. None where the run is not cut.
pub fn segments(job: JobId) -> Vec<u32> {
	let first = winners(job).into_iter().filter(|(_, tranche)| *tranche == 0);
	let segment = |(who, _): (Person, u32)| {
		let duty = duty(&who, job)?;
		let steps = segment(&duty, &ticket(&who, &duty).0)?;
		Some(steps.start / duty.segments?.steps)
	};
	first.filter_map(segment).collect()
}

/// The tranches of everyone who wins in the open lottery of a job, in the order of tranches and
/// within one the larger number first. Nobody on the chain can know this.
pub fn winners(job: JobId) -> Vec<(Person, u32)> {
	let Some(lottery) = pallet_assay_jobs::Lotteries::<Runtime>::get(job) else { return vec![] };
	let data = transcript(&genesis_hash(), &order_of(job), &lottery.seed);
	let mut winners: Vec<_> = VALIDATORS
		.iter()
		.filter_map(|name| {
			let who = Person::named(name);
			let member =
				<Stake as Verifiers<AccountId, Balance>>::member(lottery.session, &who.account())?;
			let output = draw_output(&member.key, &data, &who.ticket(&data))?;
			let tranche = tranche_of(output, member.stake, &lottery.terms)?;
			Some((tranche, u128::MAX - output, who))
		})
		.collect();
	winners.sort_by_key(|winner| (winner.0, winner.1));
	winners.into_iter().map(|(tranche, _, who)| (who, tranche)).collect()
}

/// How many win in each tranche of the open lottery of a job; `None` without one.
pub fn sizes(job: JobId) -> Option<Vec<usize>> {
	let lottery = pallet_assay_jobs::Lotteries::<Runtime>::get(job)?;
	let mut sizes = vec![0; lottery.terms.max_tranches as usize];
	for (_, tranche) in winners(job) {
		sizes[tranche as usize] += 1;
	}
	Some(sizes)
}
