//! What an author gains that withholds its block where another seed would suit it better.
//!
//! The last author of the blocks that make a seed knows it before anybody else, and may keep its
//! block to itself: then another author's block makes another seed. Here it is given as much as it
//! can have: its own slot is always the last one, and the next one is not. Figures with real
//! tickets of sr25519 keys, for docs/protocol/draws.md; the seeds are fixed, and printed.

use super::*;
use crate::impls::draw::{pick, u128_of};
use assay_commitments::RunShape;
use assay_market::{
	lottery::{draw_output, tranche_of, transcript, ARRIVAL_CONTEXT},
	verifier_crypto::AuthorityPair,
	Hash, LotteryTerms, MarketParameters, Ticket, VerifierInfo,
};
use assay_referee::sample;
use codec::Encode;
use sp_core::{crypto::VrfSecret, sr25519, Pair as _};
use sp_io::hashing::blake2_256;

/// Chosen once.
const SEED: u64 = 20_261_129;
/// Validators, all of one stake; the first third of them are the author's own.
const KEYS: u32 = 12;
const OWN: u32 = 4;
const GENESIS: Hash = [2; 32];

fn parameters() -> MarketParameters<u128, u32> {
	MarketParameters::production(1_000_000_000_000)
}

fn keys() -> Vec<sr25519::Pair> {
	(0..KEYS).map(|key| sr25519::Pair::from_seed(&(SEED, key).using_encoded(blake2_256))).collect()
}

fn terms(audit: Permill) -> LotteryTerms {
	let parameters = parameters();
	LotteryTerms {
		candidates: KEYS,
		stake: KEYS.into(),
		size: parameters.committee,
		width_percent: parameters.tranche_width_percent,
		max_tranches: parameters.max_tranches,
		audit,
	}
}

/// How many of these keys win the lottery of a job under a seed, by the functions of their own
/// keys.
fn winners(keys: &[sr25519::Pair], order: &Hash, seed: &Hash, terms: &LotteryTerms) -> usize {
	let data = transcript(&GENESIS, order, seed);
	keys.iter()
		.filter(|key| {
			let output = key.make_bytes::<16>(ARRIVAL_CONTEXT, data.as_ref());
			tranche_of(u128::from_le_bytes(output), 1, terms) == Some(0)
		})
		.count()
}

/// What a real ticket draws is what the key computes for itself.
#[test]
fn output_should_be_that_of_the_ticket() {
	for (number, key) in keys().into_iter().enumerate() {
		let data = transcript(&GENESIS, &[number as u8; 32], &[7; 32]);
		let ticket = Ticket::from(&key.vrf_sign(&data));
		let public = AuthorityPair::from(key.clone()).public();
		let own = u128::from_le_bytes(key.make_bytes::<16>(ARRIVAL_CONTEXT, data.as_ref()));
		assert_eq!(draw_output(&public, &data, &ticket), Some(own));
	}
}

/// The author sees how many of its own keys win, and nothing of the others'. Whatever it makes of
/// that, the share of jobs that an honest verifier looks at stays the same.
#[test]
fn withholding_should_not_change_how_often_an_honest_verifier_wins() {
	const JOBS: u32 = 1_200;
	let keys = keys();
	let (own, honest) = keys.split_at(OWN as usize);
	println!("seed {SEED}, {JOBS} jobs, {KEYS} keys of one stake, {OWN} of them the author's");
	for percent in [5, 20] {
		let audit = Permill::from_percent(percent);
		let terms = terms(audit);
		type Strategy = (&'static str, fn(usize) -> bool);
		let strategies: [Strategy; 3] = [
			("never", |_| false),
			("where none of its own keys wins", |own| own == 0),
			("where one of its own keys wins", |own| own > 0),
		];
		let shares = strategies.map(|(name, withholds)| {
			let (mut looked_at, mut withheld) = (0u32, 0u32);
			for job in 0..JOBS {
				let order = (SEED, percent, job).using_encoded(blake2_256);
				let mut seed = (b"first", order).using_encoded(blake2_256);
				if withholds(winners(own, &order, &seed, &terms)) {
					seed = (b"second", order).using_encoded(blake2_256);
					withheld += 1;
				}
				looked_at += u32::from(winners(honest, &order, &seed, &terms) > 0);
			}
			let share = f64::from(looked_at) / f64::from(JOBS);
			println!(
				"audit {percent} %, withholds {name}: {withheld} blocks, {share:.3} looked at"
			);
			share
		});
		// Two thirds of the stake are honest: x = a · 5 · 200 % · 2/3.
		let x = f64::from(percent) / 100.0 * 10.0 * 2.0 / 3.0;
		let expected = 1.0 - (-x).exp();
		let deviation = (expected * (1.0 - expected) / f64::from(JOBS)).sqrt();
		for share in shares {
			assert!((share - expected).abs() < 3.5 * deviation, "{share}, expected {expected}");
			// Strategies share their first seeds.
			assert!((share - shares[0]).abs() < 4.0 * deviation, "{shares:?}");
			// The p of the bond, before how many honest verifiers are able to look.
			let counted_on = 1.0 - 1.0 / (1.0 + x + x * x / 2.0);
			assert!(share > counted_on - 3.5 * deviation, "{share}, bond counts on {counted_on}");
		}
		println!("audit {percent} %: expected {expected:.3}, standard deviation {deviation:.3}");
	}
}

/// The bond of a cheat that can withhold any number of blocks is the bond of one that cannot.
#[test]
fn withholding_again_and_again_should_not_change_it_either() {
	const JOBS: u32 = 300;
	let keys = keys();
	let (own, honest) = keys.split_at(OWN as usize);
	let terms = terms(Permill::from_percent(20));
	let mut looked_at = 0u32;
	for job in 0..JOBS {
		let order = (SEED, "again", job).using_encoded(blake2_256);
		// Of eight seeds the one with the most winners of its own.
		let seeds = (0u8..8).map(|index| (order, index).using_encoded(blake2_256));
		let best = seeds.max_by_key(|seed| winners(own, &order, seed, &terms)).expect("eight");
		looked_at += u32::from(winners(honest, &order, &best, &terms) > 0);
	}
	let share = f64::from(looked_at) / f64::from(JOBS);
	let expected = 1.0 - (-0.2f64 * 10.0 * 2.0 / 3.0).exp();
	println!(
		"seed {SEED}: best of eight seeds for its own keys: {share:.3} looked at, {expected:.3}"
	);
	assert!((share - expected).abs() < 3.5 * (expected * (1.0 - expected) / 300.0).sqrt());
}

/// Attesters and keepers are drawn in public, so that the last author can choose between two draws.
/// It gets a quorum of its own accounts at most twice as often.
#[test]
fn withholding_should_at_most_double_the_chance_of_a_public_quorum() {
	const DRAWS: u32 = 20_000;
	let parameters = parameters();
	println!("seed {SEED}, {DRAWS} draws of {} from 60", parameters.attest_size);
	let key = pair(&verifier(0)).public();
	let info = |account: u8| VerifierInfo { account, key: key.clone(), stake: UNIT };
	let everybody: Vec<_> = (0..60).map(info).collect();
	for own in [6u8, 12, 20] {
		let quorum = |seed: &Hash| {
			let mut pool = everybody.clone();
			let mut drawn = 0;
			for index in 0..parameters.attest_size {
				let random = (b"pick", seed, index).using_encoded(blake2_256);
				let at = pick(&pool, u128_of(&random)).expect("sixty");
				drawn += u32::from(pool.swap_remove(at).account < own);
			}
			drawn >= parameters.attest_quorum
		};
		let first = |draw: u32| (SEED, "public", own, draw).using_encoded(blake2_256);
		let second = |draw: u32| (SEED, "again", own, draw).using_encoded(blake2_256);
		let (mut honest, mut withheld) = (0u32, 0u32);
		for draw in 0..DRAWS {
			let once = quorum(&first(draw));
			honest += u32::from(once);
			withheld += u32::from(once || quorum(&second(draw)));
		}
		let share = |count: u32| f64::from(count) / f64::from(DRAWS);
		let (honest, withheld) = (share(honest), share(withheld));
		println!("{own} of 60 its own: quorum of its own {honest:.3}, withholding {withheld:.3}");
		let deviation = (withheld * (1.0 - withheld) / f64::from(DRAWS)).sqrt();
		assert!(withheld <= 2.0 * honest + 3.5 * deviation);
	}
}

/// A run of a hundred steps with four anchors of 64 tiles.
struct Shape;

impl RunShape for Shape {
	fn steps(&self) -> u32 {
		100
	}

	fn anchors(&self) -> u32 {
		4
	}

	fn tiles(&self, _: u32) -> Option<u64> {
		Some(64)
	}
}

/// A verifier that knows a part of the chunks passes where both positions are among them, and where
/// it is the last author, twice as often at most.
#[test]
fn withholding_should_at_most_double_the_chance_of_known_chunks() {
	const DRAWS: u32 = 20_000;
	let who: [u8; 32] = *verifier(0).as_ref();
	println!("seed {SEED}, {DRAWS} samples of two chunks");
	for percent in [10u32, 25, 50] {
		// The steps from the first on.
		let known = |label: &str, draw: u32| {
			let seed = (SEED, label, percent, draw).using_encoded(blake2_256);
			let positions = sample::positions(&seed, &who, &Shape).expect("a run");
			positions.iter().all(|position| position.step < percent)
		};
		let (mut honest, mut withheld) = (0u32, 0u32);
		for draw in 0..DRAWS {
			let once = known("sample", draw);
			honest += u32::from(once);
			withheld += u32::from(once || known("again", draw));
		}
		let share = |count: u32| f64::from(count) / f64::from(DRAWS);
		let (honest, withheld) = (share(honest), share(withheld));
		println!("{percent} % known: both {honest:.4}, withholding {withheld:.4}");
		let p = (f64::from(percent) / 100.0).powi(2);
		let deviation = (2.0 * p / f64::from(DRAWS)).sqrt();
		assert!((honest - p).abs() < 3.5 * deviation);
		assert!(withheld <= 2.0 * p + 3.5 * deviation, "{withheld}, bound {}", 2.0 * p);
	}
}
