//! What the pallet of decoys is told of jobs that have ended.

use super::*;
use crate::Losses;
use assay_market::{EndedJob, EndedJobs};

fn ended_job(id: assay_market::JobId) -> Option<EndedJob<AccountId, u64, u64>> {
	<Market as EndedJobs<_, _, _>>::ended(id)
}

#[test]
fn ended_job_should_tell_where_its_bond_went_to_the_unit() {
	ExtBuilder::default().build_and_execute(|| {
		let posted_at = now();
		let id = post_challengeable(&wrong(), &wrong());
		let bond = bond_of(id);
		assert_eq!(ended_job(id), None, "it has not ended");
		let (prover, requester_had) = (free(&bystander()), free(&requester()) + held(&requester()));
		assert!(condemn(id, ReasonCode::ProvenFraud, &bystander()));
		let ended = ended_job(id).expect("it has ended");
		assert_eq!((ended.requester.clone(), ended.provider.clone()), (requester(), provider()));
		assert_eq!((ended.posted_at, ended.reason), (posted_at, ReasonCode::ProvenFraud));
		assert_eq!(ended.prover_paid, free(&bystander()) - prover);
		assert_eq!(ended.prover_paid, bond / 5);
		let compensation = free(&requester()) - requester_had;
		assert_eq!(ended.burned + ended.prover_paid + compensation, bond);
		assert_eq!(ended.fees, 0);
	});
}

#[test]
fn ended_job_should_have_paid_no_prover_when_the_provider_fell_silent() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_revealing(&right(), &right());
		let bond = bond_of(id);
		roll_past_deadline(id);
		let ended = ended_job(id).expect("it has ended");
		assert_eq!((ended.reason, ended.prover_paid), (ReasonCode::Withheld, 0));
		assert_eq!(ended.burned, bond - bond / 4);
	});
}

#[test]
fn ended_job_should_have_lost_nothing_when_it_was_paid() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_challengeable(&right(), &right());
		roll_past_deadline(id);
		let ended = ended_job(id).expect("it has ended");
		assert_eq!((ended.reason, ended.burned, ended.prover_paid), (ReasonCode::Paid, 0, 0));
		assert_eq!(ended.fees, job(id).books.paid);
	});
}

#[test]
fn ended_job_should_be_given_until_it_is_taken_or_pruned() {
	ExtBuilder::default().build_and_execute(|| {
		let paid = post_challengeable(&right(), &right());
		roll_past_deadline(paid);
		let fraud = post_challengeable(&wrong(), &wrong());
		assert!(condemn(fraud, ReasonCode::ProvenFraud, &bystander()));
		Market::take(paid);
		assert_eq!(ended_job(paid), None);
		Market::take(paid);
		assert!(ended_job(fraud).is_some());
		roll_to(job(fraud).deadline);
		assert!(ended_job(fraud).is_some());
		roll(1);
		assert_eq!((ended_job(paid), ended_job(fraud)), (None, None));
		assert_eq!(Losses::<Test>::iter().count(), 0, "nothing is left of either");
		Market::take(fraud);
		assert_eq!(Losses::<Test>::iter().count(), 0);
	});
}

#[test]
fn job_without_a_provider_should_not_be_given() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_open();
		assert_ok!(cancel(id, requester()));
		assert_eq!(ended_job(id), None);
	});
}
