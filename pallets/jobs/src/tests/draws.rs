//! Who is drawn, and from which randomness.

use super::*;
use crate::{Lotteries, LotteryOf, Mixes};
use std::collections::BTreeMap;

fn lottery(id: assay_market::JobId) -> LotteryOf<Test> {
	Lotteries::<Test>::get(id).expect("a lottery is open")
}

#[test]
fn draw_should_depend_on_the_blocks_after_the_commit_when_they_differ() {
	let draw_with = |salt: u64| {
		let mut drawn = Vec::new();
		ExtBuilder::default().verifiers(12).narrow().build_and_execute(|| {
			let id = post_committed(&right());
			// Everything up to the commit is the same; only later blocks differ.
			RandomnessSalt::set(salt);
			roll_past_deadline(id);
			drawn = committee(id);
			RandomnessSalt::set(0);
		});
		drawn
	};
	let draws: Vec<_> = (0..8).map(draw_with).collect();
	assert!(draws.iter().any(|drawn| *drawn != draws[0]), "{draws:?}");
	assert_eq!(draw_with(3), draw_with(3));
}

#[test]
fn mix_should_go_on_when_an_author_gave_no_randomness() {
	ExtBuilder::default().build_and_execute(|| {
		NoRandomness::set(true);
		roll(3);
		let mixes: Vec<_> = (0..now()).filter_map(Mixes::<Test>::get).collect();
		assert_eq!(mixes.len() as u64, now());
		assert!(mixes.windows(2).all(|pair| pair[0] != pair[1]));
		NoRandomness::set(false);
	});
}

#[test]
fn mixes_should_be_forgotten_when_they_are_old() {
	ExtBuilder::default().build_and_execute(|| {
		roll(600);
		assert_eq!(Mixes::<Test>::iter().count(), 256);
		assert!(Mixes::<Test>::get(now() - 1).is_some());
	});
}

#[test]
fn draw_should_start_over_when_its_mix_is_forgotten() {
	ExtBuilder::default().build_and_execute(|| {
		let id = post_committed(&right());
		// As where the agenda is full: nobody pushes the job until its mix is gone.
		crate::Agenda::<Test>::remove(job(id).deadline + 1);
		crate::Jobs::<Test>::mutate(id, |job| job.as_mut().expect("exists").scheduled = None);
		roll(400);
		assert_eq!(phase(id), Phase::Committed);
		assert_ok!(Market::poke(RuntimeOrigin::signed(bystander()), id));
		assert_eq!((phase(id), job(id).deadline), (Phase::Committed, now() + 2));
		roll_past_deadline(id);
		assert_eq!(phase(id), Phase::Verifying);
	});
}

/// Attesters are drawn in public, one after the other.
#[test]
fn draw_should_follow_stake_when_stakes_differ() {
	ExtBuilder::default()
		.parameters(|p| (p.attest_size, p.attest_quorum) = (1, 1))
		.build_and_execute(|| {
			Validators::mutate(|all| {
				all[0].2 = 8 * UNIT;
				all[4].2 = 0;
			});
			let mut times = BTreeMap::new();
			for _ in 0..300 {
				let id = post(standard());
				roll_past_deadline(id);
				*times.entry(pending(id, Purpose::Attest)[0].clone()).or_insert(0) += 1;
				assert_ok!(attest(id, &pending(id, Purpose::Attest)[0], false));
			}
			// 8 of 11 parts; the seeds are fixed, so this never flickers.
			let heavy = times[&verifier(0)];
			assert!((190..=245).contains(&heavy), "{times:?}");
			assert!(!times.contains_key(&verifier(4)), "no stake, no draw");
		});
}

/// A tranche is open to a candidate with the probability `1 − exp(−size · width · stake / all)`.
#[test]
fn lottery_should_follow_stake_when_stakes_differ() {
	ExtBuilder::default().verifiers(12).narrow().build_and_execute(|| {
		Validators::mutate(|all| all[0].2 = 9 * UNIT);
		let mut times = BTreeMap::<_, u32>::new();
		let rounds = 60;
		for _ in 0..rounds {
			let id = post_verifying(&right());
			for who in winners(id) {
				*times.entry(who).or_default() += 1;
			}
			// The job must end, or the provider runs out of stake.
			while !phase(id).is_terminal() {
				roll_past_deadline(id);
			}
			assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::Inconclusive)));
		}
		// The seeds are fixed, so this never flickers. Nine of twenty parts: 87 %; one of them: 20 %.
		let heavy = times[&verifier(0)];
		let light: u32 = (1..12).map(|index| times[&verifier(index)]).sum();
		assert!((46..=58).contains(&heavy), "{times:?}");
		assert!((11 * rounds / 7..=11 * rounds / 4).contains(&light), "{light}: {times:?}");
	});
}

#[test]
fn lottery_should_have_the_terms_of_its_session_when_it_is_opened() {
	ExtBuilder::default().verifiers(7).build_and_execute(|| {
		Validators::mutate(|all| {
			all[1].2 = 5 * UNIT;
			all.push((requester(), seed_of(&requester()), 100 * UNIT));
			all.push((provider(), seed_of(&provider()), 100 * UNIT));
		});
		Suspended::put(vec![verifier(6)]);
		let id = post_verifying(&right());
		let terms = lottery(id).terms;
		// Six verifiers; neither party, nor the suspended one.
		assert_eq!((terms.candidates, terms.stake), (6, (10 * UNIT).into()));
		assert_eq!((terms.size, terms.wanted(), terms.max_tranches), (3, 3, 2));
		assert_eq!((lottery(id).opened_at, lottery(id).tranche), (now(), 0));
		assert!(has_event(Event::LotteryOpened {
			job: id,
			seed: lottery(id).seed,
			session: Session::get(),
			candidates: 6,
			wanted: 3,
		}));
		// Parameters that are set while it is open change nothing.
		let before = winners(id);
		crate::Parameters::<Test>::mutate(|p| {
			(p.committee, p.quorum, p.tranche_width_percent) = (1, 1, 100)
		});
		assert_eq!((lottery(id).terms, winners(id)), (terms, before));
	});
}

#[test]
fn lottery_should_leave_out_earlier_verifiers_when_it_is_the_second() {
	ExtBuilder::default().verifiers(7).build_and_execute(|| {
		let id = post_challengeable(&right(), &right());
		let first = seated(id);
		assert_ok!(request_audit(id, requester()));
		roll_past_deadline(id);
		let terms = lottery(id).terms;
		assert_eq!((terms.candidates, terms.stake), (4, (4 * UNIT).into()));
		assert!(winners(id).iter().all(|who| !first.contains(who)));
		let refusal = InvalidTransaction::Custom(crate::refusal::NOT_DRAWN);
		assert_eq!(commit(id, &first[0], &right()), invalid(refusal));
	});
}

#[test]
fn lottery_should_never_take_the_parties_when_they_are_validators() {
	ExtBuilder::default().build_and_execute(|| {
		Validators::put(vec![
			(requester(), seed_of(&requester()), 1_000 * UNIT),
			(provider(), seed_of(&provider()), 1_000 * UNIT),
			(verifier(0), seed_of(&verifier(0)), 1),
		]);
		let id = post_verifying(&right());
		assert_eq!(committee(id), [verifier(0)]);
	});
}

#[test]
fn audit_should_happen_as_often_as_chosen_when_it_is_not_certain() {
	ExtBuilder::default().parameters(|p| p.audit = Permill::from_percent(30)).build_and_execute(
		|| {
			let mut audited = 0;
			for _ in 0..80 {
				let id = post_verifying(&right());
				for who in winners(id) {
					assert_ok!(commit(id, &who, &right()));
				}
				roll_past_deadline(id);
				audited += u32::from(job(id).audits.audited == Some(true));
				assert_ok!(reveal_result(id, &right()));
				while !phase(id).is_terminal() {
					roll_past_deadline(id);
				}
			}
			// 1 − exp(−0.3 · 12) = 97 %: so many winners are expected of five validators.
			assert!((70..=80).contains(&audited), "{audited}");
		},
	);
}

#[test]
fn drawn_stake_should_be_locked_once_when_drawn_to_attest_and_to_verify() {
	ExtBuilder::default().verifiers(3).build_and_execute(|| {
		let id = post(standard());
		roll_past_deadline(id);
		for who in &pending(id, Purpose::Attest)[..2] {
			assert_ok!(attest(id, who, true));
		}
		assert_ok!(claim(id, provider()));
		assert_ok!(commit_result(id, &right()));
		roll_past_deadline(id);
		commit_wanted(id, &right());
		// Three accounts in nine seats; the mock panics when one is locked twice.
		assert_eq!(crate::Seats::<Test>::get(id).len(), 9);
		assert_eq!(Locks::iter().count(), 3);
	});
}
