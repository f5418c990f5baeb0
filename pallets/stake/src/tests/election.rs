//! How many heads a stake buys.

use crate::{mock::*, session::electable};
use frame_support::assert_ok;
use proptest::{collection::vec, prelude::*};

/// Largest first, with whose they are: `true` for the attacker, which wins all ties.
fn ranked(honest: &[u64], attacker: &[u64]) -> Vec<(u64, bool)> {
	let mut all: Vec<_> = honest.iter().map(|stake| (*stake, false)).collect();
	all.extend(attacker.iter().map(|stake| (*stake, true)));
	all.sort();
	all.reverse();
	all
}

/// How many of the elected are honest, and how many the attacker's.
fn elected(honest: &[u64], attacker: &[u64]) -> (u64, u64) {
	let ranked = ranked(honest, attacker);
	let stakes: Vec<u64> = ranked.iter().map(|(stake, _)| *stake).collect();
	let elected = &ranked[..electable(&stakes)];
	let attackers = elected.iter().filter(|(_, attackers)| *attackers).count() as u64;
	(elected.len() as u64 - attackers, attackers)
}

#[test]
fn election_should_leave_cheap_heads_out_when_others_have_more_behind_theirs() {
	for heads in [31, 121] {
		let people = 60 + heads;
		let honest: Vec<_> = (1..=60).map(|who| (who, 5_000)).collect();
		ExtBuilder::default().crowd(people).validators(&honest).run(|| {
			for who in 61..=people.into() {
				bond(who, 100);
				assert_ok!(Stake::validate(RuntimeOrigin::signed(who), None));
			}
			roll_to_session(3);
			let expected: Vec<_> = honest.iter().map(|(who, _)| *who).collect();
			assert_eq!(Session::validators(), expected);
		});
	}
}

#[test]
fn election_should_admit_a_third_of_heads_only_when_they_own_a_fifth_of_the_stake() {
	let honest = [5_000; 60];
	assert_eq!(elected(&honest, &[2_499; 30]), (60, 0));
	assert_eq!(elected(&honest, &[2_500; 30]), (60, 30));
	// 75,000 of 375,000.
	assert_eq!(30 * 2_500 * 5, honest.iter().sum::<u64>() + 30 * 2_500);
	// Two thirds take a third.
	assert_eq!(elected(&honest, &[1_249; 120]), (60, 0));
	assert_eq!(elected(&honest, &[1_250; 120]), (60, 120));
}

#[test]
fn election_should_not_leave_one_alone_when_it_has_less_than_half_of_the_stake() {
	assert_eq!(elected(&[1_000; 60], &[59_000]), (60, 1));
	// Stakes that fall as 1/√rank: half of the mean as a bound would leave it alone with 14 %.
	let falling: Vec<u64> = (1..=100u64).map(|rank| 1_000_000 / (rank * 100).isqrt()).collect();
	let (honest, _) = elected(&falling, &[310_000]);
	assert_eq!(honest, 100);
	// As 1/rank, where every number of validators protects as much.
	let falling: Vec<u64> = (1..=60).map(|rank| 1_000_000 / rank).collect();
	assert_eq!(elected(&falling, &[1_100_000]), (60, 1));
	assert!(elected(&falling, &[2_000_000]).0 > 1);
}

#[test]
fn election_should_take_all_when_stakes_differ_by_less_than_a_quarter_of_the_total() {
	assert_eq!(elected(&[400, 300, 200, 180], &[]), (4, 0));
	assert_eq!(elected(&[400, 180], &[]), (2, 0));
	assert_eq!(elected(&[400], &[]), (1, 0));
	assert_eq!(elected(&[], &[]), (0, 0));
	assert_eq!(elected(&[400, 300, 200, 1], &[]), (3, 0));
}

fn stake() -> impl Strategy<Value = u64> {
	prop_oneof![1..100u64, 100..10_000u64, 10_000..1_000_000u64]
}

/// As many of an attacker's stakes as come to less than `most` together, and what they come to.
fn below(most: u64, stakes: Vec<u64>) -> (Vec<u64>, u64) {
	let mut sum = 0;
	let mut within = stakes;
	within.retain(|stake| {
		let fits = sum + stake < most;
		sum += if fits { *stake } else { 0 };
		fits
	});
	(within, sum)
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(2_000))]

	#[test]
	fn heads_should_cost_stake_when_an_attacker_has_less_than_the_honest(
		honest in vec(100..10_000u64, 1..80),
		attacker in prop_oneof![
			vec(stake(), 0..120),
			// Many heads at one price.
			(1..5_000u64, 0..200usize).prop_map(|(stake, heads)| vec![stake; heads]),
		],
	) {
		let sum: u64 = honest.iter().sum();
		let (attacker, theirs) = below(sum, attacker);
		let (mine, heads) = elected(&honest, &attacker);
		let least = honest.iter().min().copied().unwrap_or_default();
		// heads / all ≤ 4/3 · theirs / (n · least)
		prop_assert!(3 * heads * honest.len() as u64 * least <= 4 * theirs * (mine + heads));
	}

	#[test]
	fn equal_honest_stakes_should_all_be_elected_when_an_attacker_has_less(
		each in 100..10_000u64,
		count in 1..80usize,
		attacker in prop_oneof![
			vec(stake(), 0..120),
			(1..5_000u64, 0..200usize).prop_map(|(stake, heads)| vec![stake; heads]),
			(1..1_000_000u64, vec(1..1_000u64, 0..60)).prop_map(|(whale, mut more)| {
				more.push(whale);
				more
			}),
		],
	) {
		let honest = vec![each; count];
		let sum: u64 = honest.iter().sum();
		let (attacker, theirs) = below(sum, attacker);
		let (mine, heads) = elected(&honest, &attacker);
		prop_assert_eq!(mine, count as u64);
		if 3 * heads >= mine + heads {
			prop_assert!(5 * theirs >= sum + theirs, "a third of the heads for {} of {}", theirs, sum + theirs);
		}
		if 3 * heads >= 2 * (mine + heads) {
			prop_assert!(3 * theirs >= sum + theirs, "two thirds for {} of {}", theirs, sum + theirs);
		}
	}

	#[test]
	fn elected_should_own_more_than_half_when_anybody_stands(stakes in vec(stake(), 1..100)) {
		let ranked = ranked(&stakes, &[]);
		let stakes: Vec<u64> = ranked.iter().map(|(stake, _)| *stake).collect();
		let mine: u64 = stakes[..electable(&stakes)].iter().sum();
		prop_assert!(2 * mine > stakes.iter().sum());
	}
}
