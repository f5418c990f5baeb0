//! Random sequences of calls and blocks: after each, the state is sound and no unit came or went.

use super::*;
use crate::{Jobs, NextJob};
use assay_market::{Assurance, Attestation, Audit, JobId};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// One move of somebody.
#[derive(Clone, Debug)]
enum Move {
	Post {
		start: u64,
		rise: u64,
		ramp: u64,
		audit: u32,
		attested: bool,
		by: u8,
	},
	Cancel {
		job: u64,
		by: u8,
	},
	Claim {
		job: u64,
		by: u8,
	},
	CommitResult {
		job: u64,
		tag: u8,
	},
	RevealResult {
		job: u64,
		tag: u8,
	},
	RequestAudit {
		job: u64,
		by: u8,
	},
	GiveBack {
		job: u64,
		by: u8,
	},
	/// A call that names the order of another job, as on another fork.
	OtherOrder {
		job: u64,
		other: u64,
		by: u8,
	},
	Keep {
		job: u64,
		who: u8,
		ok: bool,
	},
	Poke {
		job: u64,
	},
	Attest {
		job: u64,
		who: u8,
		ok: bool,
	},
	CommitVerdict {
		job: u64,
		who: u8,
		tag: u8,
	},
	Abstain {
		job: u64,
		who: u8,
	},
	RevealVerdict {
		job: u64,
		who: u8,
		tag: u8,
	},
	/// A provider makes its next move; the tag of the run it commits to is 1 for the right one.
	Provider {
		job: u64,
		by: u8,
		tag: u8,
	},
	OpenBare {
		job: u64,
		who: u8,
		tag: u8,
	},
	/// Every verifier says what an honest one would.
	HonestVerifiers {
		job: u64,
	},
	/// A job is carried to its reveal, where so many verifiers open a verdict of that tag.
	Reveals {
		tag: u8,
		verdict: u8,
		opened: usize,
	},
	Condemn {
		job: u64,
		withheld: bool,
		by: u8,
	},
	/// Opens a lane where the result may be disputed; closes it where there is one.
	Lane {
		job: u64,
	},
	Stake {
		who: u8,
		stake: u64,
	},
	Roll {
		blocks: u64,
	},
	RollPastDeadline {
		job: u64,
	},
	/// The same where nobody can do anything but wait, or nobody objects.
	Wait {
		job: u64,
	},
}

fn a_move() -> impl Strategy<Value = Move> {
	let job = 0..3u64;
	// Mostly the right result, so that jobs get far.
	let tag = prop_oneof![5 => Just(1u8), 1 => Just(2u8)];
	let fate = tag.clone();
	let verifier = 0..5u8;
	prop_oneof![
		2 => (1..20u64, 0..20u64, 0..20u64, 5..=100u32, any::<bool>(), 1..3u8).prop_map(
			|(start, rise, ramp, audit, attested, by)| Move::Post {
				start: start * UNIT / 10, rise: rise * UNIT / 7, ramp, audit, attested, by
			}
		),
		1 => (job.clone(), 1..4u8).prop_map(|(job, by)| Move::Cancel { job, by }),
		4 => (job.clone(), 2..4u8).prop_map(|(job, by)| Move::Claim { job, by }),
		4 => (job.clone(), tag.clone()).prop_map(|(job, tag)| Move::CommitResult { job, tag }),
		4 => (job.clone(), tag.clone()).prop_map(|(job, tag)| Move::RevealResult { job, tag }),
		2 => (job.clone(), 1..3u8).prop_map(|(job, by)| Move::RequestAudit { job, by }),
		1 => (job.clone(), 2..4u8).prop_map(|(job, by)| Move::GiveBack { job, by }),
		1 => (job.clone(), job.clone(), 1..4u8)
			.prop_map(|(job, other, by)| Move::OtherOrder { job, other, by }),
		3 => (job.clone(), verifier.clone(), any::<bool>())
			.prop_map(|(job, who, ok)| Move::Keep { job, who, ok }),
		1 => job.clone().prop_map(|job| Move::Poke { job }),
		3 => (job.clone(), verifier.clone(), any::<bool>())
			.prop_map(|(job, who, ok)| Move::Attest { job, who, ok }),
		3 => (job.clone(), verifier.clone(), tag.clone())
			.prop_map(|(job, who, tag)| Move::CommitVerdict { job, who, tag }),
		1 => (job.clone(), verifier.clone()).prop_map(|(job, who)| Move::Abstain { job, who }),
		2 => (job.clone(), verifier.clone(), tag)
			.prop_map(|(job, who, tag)| Move::RevealVerdict { job, who, tag }),
		1 => (job.clone(), verifier.clone(), fate.clone())
			.prop_map(|(job, who, tag)| Move::OpenBare { job, who, tag }),
		12 => (job.clone(), 2..4u8, fate).prop_map(|(job, by, tag)| Move::Provider { job, by, tag }),
		10 => job.clone().prop_map(|job| Move::HonestVerifiers { job }),
		2 => (1..3u8, 1..3u8, 0..4usize)
			.prop_map(|(tag, verdict, opened)| Move::Reveals { tag, verdict, opened }),
		2 => (job.clone(), any::<bool>(), 1..6u8)
			.prop_map(|(job, withheld, by)| Move::Condemn { job, withheld, by }),
		3 => job.clone().prop_map(|job| Move::Lane { job }),
		1 => (verifier, 0..3u64).prop_map(|(who, stake)| Move::Stake { who, stake }),
		2 => (1..6u64).prop_map(|blocks| Move::Roll { blocks }),
		2 => job.clone().prop_map(|job| Move::RollPastDeadline { job }),
		12 => job.prop_map(|job| Move::Wait { job }),
	]
}

/// The jobs of a sequence are its youngest.
fn recent(job: u64) -> JobId {
	NextJob::<Test>::get().saturating_sub(1 + job)
}

fn carry_out(step: Move) {
	let signed = |by: u8| RuntimeOrigin::signed(account(by));
	let claimant = |id| Jobs::<Test>::get(id).and_then(|job| Some(job.claim?.provider));
	// Most moves are refused in most states; that they leave everything sound is the point.
	match step {
		Move::Post { start, rise, ramp, audit, attested, by } => {
			let assurance = Assurance {
				audit: Audit::Custom(Permill::from_percent(audit)),
				attestation: if attested { Attestation::Required } else { Attestation::OptedOut },
				segments: None,
			};
			let inputs = vec![[1; 32]; 2].try_into().expect("two inputs");
			let _ = Market::post_job(
				signed(by),
				PROGRAM,
				inputs,
				1,
				start,
				start + rise,
				ramp,
				assurance,
			);
		}
		Move::Cancel { job, by } => {
			let _ = cancel(recent(job), account(by));
		}
		Move::Claim { job, by } => {
			let _ = claim(recent(job), account(by));
		}
		Move::CommitResult { job, tag } => {
			let id = recent(job);
			if let Some(who) = claimant(id) {
				let commitment = result_hash(id, &who, &Run::new(tag, 1));
				let _ = Market::commit_result(
					RuntimeOrigin::signed(who),
					id,
					order(id),
					commitment,
					None,
				);
			}
		}
		Move::RevealResult { job, tag } => {
			let (id, run) = (recent(job), Run::new(tag, 1));
			if let Some(who) = claimant(id) {
				let origin = RuntimeOrigin::signed(who);
				let _ = Market::reveal_result(
					origin,
					id,
					order(id),
					run.root(),
					SALT,
					run.opening(),
					None,
				);
			}
		}
		Move::RequestAudit { job, by } => {
			let _ = request_audit(recent(job), account(by));
		}
		Move::GiveBack { job, by } => {
			let _ = give_back(recent(job), account(by));
		}
		Move::OtherOrder { job, other, by } => {
			let (id, other) = (recent(job), order(recent(other)));
			if other != order(id) {
				let before = Jobs::<Test>::get(id);
				assert!(Market::claim_job(signed(by), id, other, 0, u64::MAX).is_err());
				assert!(Market::give_back(signed(by), id, other).is_err());
				assert!(Market::cancel_job(signed(by), id, other).is_err());
				assert!(Market::commit_result(signed(by), id, other, [1; 32], None).is_err());
				assert!(Market::request_audit(signed(by), id, other).is_err());
				assert_eq!(Jobs::<Test>::get(id), before, "a call binds to its order alone");
			}
		}
		Move::Keep { job, who, ok } => {
			let _ = keep(recent(job), &verifier(who), ok);
		}
		Move::Poke { job } => {
			let _ = Market::poke(signed(4), recent(job));
		}
		Move::Attest { job, who, ok } => {
			let _ = attest(recent(job), &verifier(who), ok);
		}
		Move::CommitVerdict { job, who, tag } => {
			let _ = commit(recent(job), &verifier(who), &Run::new(tag, 1));
		}
		Move::Abstain { job, who } => {
			let _ = abstain(recent(job), &verifier(who));
		}
		Move::RevealVerdict { job, who, tag } => {
			let _ = reveal(recent(job), &verifier(who), &Run::new(tag, 1));
		}
		Move::OpenBare { job, who, tag } => {
			let _ = open_bare(recent(job), &verifier(who), &Run::new(tag, 1));
		}
		Move::Provider { job, by, tag } => {
			let id = recent(job);
			let _ = claim(id, account(by));
			if let Some(who) = claimant(id) {
				let run = Run::new(tag, 1);
				let commitment = result_hash(id, &who, &run);
				let origin = RuntimeOrigin::signed(who);
				let _ = Market::commit_result(origin.clone(), id, order(id), commitment, None);
				for run in [run, right(), wrong()] {
					let opening = run.opening();
					let _ = Market::reveal_result(
						origin.clone(),
						id,
						order(id),
						run.root(),
						SALT,
						opening,
						None,
					);
				}
			}
		}
		Move::HonestVerifiers { job } => {
			for who in (0..5).map(verifier) {
				let id = recent(job);
				let _ = attest(id, &who, true);
				if winners(id).contains(&who) {
					let _ = commit(id, &who, &right());
				}
				let _ = reveal(id, &who, &right());
				let _ = keep(id, &who, true);
			}
		}
		Move::Reveals { tag, verdict, opened } => {
			let (id, run) = (NextJob::<Test>::get(), Run::new(tag, 1));
			// Without validators or stake it stops on the way.
			if try_post(unattested()).is_err() || claim(id, provider()).is_err() {
				return;
			}
			let _ = commit_result(id, &run);
			roll_past_deadline(id);
			for who in pending(id, Purpose::Verify) {
				let _ = commit(id, &who, &Run::new(verdict, 1));
			}
			let _ = reveal_result(id, &run);
			while phase(id) == Phase::Verifying {
				roll_past_deadline(id);
			}
			if phase(id).is_terminal() {
				return;
			}
			roll(3);
			let _ = reveal_result(id, &run);
			for who in seated(id).iter().take(opened) {
				let _ = reveal(id, who, &Run::new(verdict, 1));
			}
		}
		Move::Condemn { job, withheld, by } => {
			let id = recent(job);
			let reason = if withheld { ReasonCode::Withheld } else { ReasonCode::ProvenFraud };
			let disputable = result(id).is_some();
			let bond = claimant(id).and_then(|who| Bonds::get((who, id))).unwrap_or_default();
			let burned = BurnedStake::get();
			assert_eq!(condemn(id, reason, &account(by)), disputable);
			if disputable {
				assert!(BurnedStake::get() - burned >= bond / 2, "most of the bond is burned");
				assert!(!condemn(id, reason, &account(by)), "a bond is slashed once");
			}
		}
		Move::Lane { job } => {
			let id = recent(job);
			if Lanes::contains_key(id) {
				close_lane(id);
			} else if result(id).is_some_and(|result| result.open) {
				open_lane(id);
			}
		}
		Move::Stake { who, stake } => {
			Validators::mutate(|all| all[usize::from(who)].2 = stake * UNIT)
		}
		Move::Roll { blocks } => roll(blocks),
		Move::Wait { job } => {
			let id = recent(job);
			let waits = |job: &crate::JobOf<Test>| {
				job.draw.is_some()
					|| job.phase == Phase::Challengeable
					|| (job.phase == Phase::Verifying && winners(id).is_empty())
			};
			match Jobs::<Test>::get(id) {
				Some(job) if waits(&job) => roll_past_deadline(id),
				Some(job) if job.audits.sample.is_some() => roll(3),
				_ => {}
			}
		}
		Move::RollPastDeadline { job } => {
			if Jobs::<Test>::contains_key(recent(job)) {
				roll_past_deadline(recent(job));
			}
		}
	}
}

proptest! {
	#![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

	#[test]
	fn state_should_stay_sound_when_anything_happens_in_any_order(
		steps in proptest::collection::vec(a_move(), 1..160)
	) {
		// Bytes are worth something, and a deposit is not all given back.
		let chain = ExtBuilder::default().parameters(|p| {
			(p.byte_price, p.abandon_burn) = (UNIT / 10, Permill::from_percent(10));
		});
		chain.build().execute_with(|| {
			let before = all_money();
			for step in steps {
				let shown = format!("{step:?}");
				frame_support::storage::with_storage_layer(|| {
					carry_out(step);
					Ok::<_, DispatchError>(())
				})
				.expect("moves are not rolled back");
				assert!(Market::do_try_state().is_ok(), "after {shown}: {:?}", Market::do_try_state());
			}
			check_invariants(before);
			check_reports();
			// Left alone, every job ends by itself, and is forgotten; disputed ones after the dispute.
			for id in Lanes::iter_keys().collect::<Vec<_>>() {
				close_lane(id);
			}
			roll(2_000);
			check_invariants(before);
			assert_eq!(Jobs::<Test>::iter().count(), 0);
			assert_eq!(crate::Agenda::<Test>::iter().count(), 0);
			assert_eq!(held(&requester()) + held(&provider()), 0);
			assert_eq!(deposits(&requester()) + deposits(&provider()), 0);
			assert_eq!(crate::JobsOfRequester::<Test>::iter().count(), 0);
		});
	}
}

/// Only jobs that failed as fraud have vouchers, and every one of these was drawn to verify.
fn check_reports() {
	for (id, vouchers) in Vouchers::iter() {
		let Some(job) = Jobs::<Test>::get(id) else { continue };
		assert!(matches!(job.reason, Some(ReasonCode::Withheld | ReasonCode::ProvenFraud)));
		let unique: BTreeSet<_> = vouchers.iter().collect();
		assert_eq!(unique.len(), vouchers.len(), "nobody is reported twice");
		let drawn = committee(id);
		assert!(vouchers.iter().all(|who| drawn.contains(who)));
	}
}
