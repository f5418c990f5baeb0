//! Who verifies a job: a private draw, in which every validator finds out alone whether it has won.
//!
//! # Overview
//! When a result is to be audited the chain publishes a *lottery*: a seed that nobody could know when
//! the result was committed, and who takes part ([`LotteryTerms`]). Each validator of that session
//! evaluates the verifiable random function of its session key at [`transcript`] and keeps what comes
//! out, its [`Ticket`], to itself. From the ticket follows its *arrival* and from that its *tranche*
//! ([`tranche_of`]). It shows the ticket together with the commitment to its verdict, and not before:
//! until then nobody, neither the provider nor another validator, can tell who will verify.
//!
//! # The order
//! With u = output / 2^128 the arrival is
//!
//! ```text
//! x = −ln(u) · S / s        s: the validator's stake, S: the stake of all candidates
//! ```
//!
//! an exponentially distributed time of rate s / S. Sorting by x is the weighted sampling without
//! replacement of Efraimidis and Spirakis (*Weighted random sampling with a reservoir*, Information
//! Processing Letters 97, 2006), whose keys u^(1/s) are largest where x is smallest. All candidates
//! together have rate 1, so that about x of them arrive before x; tranche t are the arrivals in
//! `[t, t + 1) · size · width`. The first of several accounts arrives as one account with all of their
//! stake would: cutting stake up changes no chance of being among the first. Polkadot's approval voting
//! assigns its checkers by VRF and in tranches too; here the assignment stays hidden until the work is
//! done, and weighs stake.
//!
//! # Audits that are not sure
//! The chain draws no coin that anybody could see. Where a job is audited with the probability a < 1,
//! tranches are a · size · width wide: the tickets themselves are thinned. How many honest verifiers
//! win is then Poisson with the mean a · size · width · (their share of the stake), and none of them
//! wins with exp(−that), whatever the rest of the stake does. An author that withholds its block for
//! another seed learns what its *own* keys draw and nothing about the others', so that it cannot tell
//! whether the result will be looked at. Nobody misses a verdict that may never have been due; a winner
//! that abstains is missed, and the next tranche, as narrow as the first, may commit in its place.
//!
//! # Why a ticket cannot be chosen
//! The output of the function is unique for key and transcript (schnorrkel hashes the public key into
//! the input); key and stake are those of the session in which the lottery was opened and were planned a
//! session earlier; the transcript names chain, job and seed.
//!
//! # Fixed point
//! No floats: nodes must agree. The binary logarithm comes from repeated squaring of a mantissa of 64
//! bits (Knuth, TAOCP 1.2.2, exercise 25 tells of such methods), 32 fractional bits of it are kept, and
//! every step rounds down, so that a larger output never arrives later.

use crate::{Hash, VerifierId};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use sp_core::{
	crypto::{VrfPublic, Wraps},
	sr25519::vrf::{VrfSignData, VrfSignature, VrfTranscript},
};
use sp_runtime::{helpers_128bit::multiply_by_rational_with_rounding, Permill, Rounding};

/// Label of the transcript that tickets sign.
pub const TICKET_LABEL: &[u8] = b"assay/lottery/2";

/// Context in which an output becomes a number.
pub const ARRIVAL_CONTEXT: &[u8] = b"assay/lottery/1/arrival";

/// Fractional bits of arrivals.
const FRACTION: u32 = 32;

/// ln 2, with 64 fractional bits, rounded down.
const LN_2: u128 = 0xB172_17F7_D1CF_79AB;

/// A VRF signature by a validator's `verifier` session key. Kept as bytes: whether they are a signature
/// only [`draw_output`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Ticket {
	/// The function's output, before it is bound to a key.
	pub pre_output: [u8; 32],
	/// That it is the output of this key.
	pub proof: [u8; 64],
}

impl From<&VrfSignature> for Ticket {
	fn from(signature: &VrfSignature) -> Self {
		let (mut pre_output, mut proof) = ([0; 32], [0; 64]);
		pre_output.copy_from_slice(signature.pre_output.0.as_bytes());
		proof.copy_from_slice(&signature.proof.0.to_bytes());
		Self { pre_output, proof }
	}
}

impl Ticket {
	/// The signature, `None` where the bytes are none.
	pub fn signature(&self) -> Option<VrfSignature> {
		self.using_encoded(|mut bytes| VrfSignature::decode(&mut bytes)).ok()
	}
}

/// What a lottery goes by, as it was when it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct LotteryTerms {
	/// How many validators may take part.
	pub candidates: u32,
	/// S: their stake together.
	pub stake: u128,
	/// How many verdicts are wanted where there are as many candidates.
	pub size: u32,
	/// Expected members of a tranche, in percent of `size`.
	pub width_percent: u32,
	/// How many tranches there are at most.
	pub max_tranches: u32,
	/// a: which part of the tickets counts. Below everything the tranches are that much narrower, and
	/// nobody can tell whether anybody has won.
	pub audit: Permill,
}

/// A lottery that the chain has opened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Lottery<BlockNumber> {
	/// Randomness mixed after the result was committed.
	pub seed: Hash,
	/// The session whose validators take part, with the stakes and keys that they have in it.
	pub session: u32,
	/// When it was opened.
	pub opened_at: BlockNumber,
	/// The last tranche that may commit by now, from 0.
	pub tranche: u32,
	/// What decides who is in which tranche.
	pub terms: LotteryTerms,
}

impl LotteryTerms {
	/// Whether the result is audited for certain, so that missing verdicts are missed.
	pub fn is_sure(&self) -> bool {
		self.audit.is_one()
	}

	/// How many verdicts the audit wants.
	pub fn wanted(&self) -> u32 {
		self.size.min(self.candidates)
	}

	/// Members that a tranche is expected to have, in percent of one.
	fn tranche_percent(&self) -> u128 {
		u128::from(self.size) * u128::from(self.width_percent)
	}

	/// Whether the audit is sure and has so few candidates that all of them are in the first tranche.
	pub fn takes_everyone(&self) -> bool {
		self.is_sure() && u128::from(self.candidates) * 100 <= self.tranche_percent()
	}

	/// How many tranches may open: those that root has set. Where nobody can tell whether verdicts are
	/// missing, the next one opens only after an abstention.
	pub fn tranches(&self) -> u32 {
		self.max_tranches
	}

	/// How many seats one audit has room for.
	pub fn capacity(&self) -> u32 {
		self.size.saturating_mul(4).saturating_add(4)
	}
}

/// What a ticket for this lottery signs.
pub fn transcript(genesis: &Hash, order: &Hash, seed: &Hash) -> VrfSignData {
	VrfTranscript::new(TICKET_LABEL, &[(b"genesis", genesis), (b"order", order), (b"seed", seed)])
		.into_sign_data()
}

/// Domain of [`segment_of`].
const SEGMENT_CONTEXT: &str = "assay 2026-11-29 segment v2";

/// Which of `count` segments of a run the owner of a ticket with this pre-output replays: the first 16
/// bytes, little-endian, of `derive_key(pre-output ‖ genesis ‖ order)`, modulo `count`. 0 where there is
/// none.
///
/// A pre-output is unique for key and transcript, hence nobody chooses a segment; and until the ticket
/// is shown nobody else knows it. Favours nothing by more than `count` / 2^128.
pub fn segment_of(pre_output: &[u8; 32], genesis: &Hash, order: &Hash, count: u32) -> u32 {
	let hash = *blake3::Hasher::new_derive_key(SEGMENT_CONTEXT)
		.update(pre_output)
		.update(genesis)
		.update(order)
		.finalize()
		.as_bytes();
	let mut number = [0; 16];
	number.copy_from_slice(&hash[..16]);
	u128::from_le_bytes(number).checked_rem(count.into()).unwrap_or_default() as u32
}

/// The number that a ticket draws, `None` unless it is this key's ticket for these data.
pub fn draw_output(key: &VerifierId, data: &VrfSignData, ticket: &Ticket) -> Option<u128> {
	let signature = ticket.signature()?;
	if !key.as_inner_ref().vrf_verify(data, &signature) {
		return None;
	}
	output_of(key, data, &signature)
}

/// The number that a ticket draws *if it is genuine*: for whoever has asked [`draw_output`] before.
pub fn claimed_output(key: &VerifierId, data: &VrfSignData, ticket: &Ticket) -> Option<u128> {
	output_of(key, data, &ticket.signature()?)
}

fn output_of(key: &VerifierId, data: &VrfSignData, signature: &VrfSignature) -> Option<u128> {
	key.as_inner_ref()
		.make_bytes::<16>(ARRIVAL_CONTEXT, data.as_ref(), &signature.pre_output)
		.map(u128::from_le_bytes)
		.ok()
}

/// The tranche of a candidate with this output and stake, from 0. `None` for one that is in none of the
/// `max_tranches`, or that has no stake.
pub fn tranche_of(output: u128, stake: u128, terms: &LotteryTerms) -> Option<u32> {
	if stake == 0 {
		return None;
	}
	let tranche = if terms.takes_everyone() {
		0
	} else {
		let arrival = arrival(output, stake, terms.stake)?;
		// Thinned by the audit: the width is a · size · width, in parts per million of a percent.
		let width = (terms.tranche_percent() * u128::from(terms.audit.deconstruct())) << FRACTION;
		u32::try_from(arrival.checked_mul(100_000_000)?.checked_div(width)?).ok()?
	};
	(tranche < terms.tranches()).then_some(tranche)
}

/// `−ln(output / 2^128) · total / stake` with [`FRACTION`] fractional bits, `None` where that is more
/// than a number holds. An output of 0 counts as 1.
fn arrival(output: u128, stake: u128, total: u128) -> Option<u128> {
	multiply_by_rational_with_rounding(neg_ln(output), total, stake, Rounding::Down)
}

/// `−ln(output / 2^128)` with [`FRACTION`] fractional bits.
fn neg_ln(output: u128) -> u128 {
	let neg_log2 = (128u128 << FRACTION) - log2(output.max(1));
	// At most 128 · 2^32 · 2^64: no overflow.
	(neg_log2 * LN_2) >> 64
}

/// `log2(value)` with [`FRACTION`] fractional bits, rounded down; `value` is not 0.
///
/// Squaring a mantissa m in [1, 2) doubles its logarithm: where m² reaches 2 the next bit is 1. All
/// roundings are downwards and monotone, so the whole is monotone too.
fn log2(value: u128) -> u128 {
	let exponent = u128::BITS - 1 - value.leading_zeros();
	// The leading 64 bits, with 63 of them behind the point.
	let mut mantissa = (value << value.leading_zeros()) >> 64;
	let mut bits = u128::from(exponent);
	for _ in 0..FRACTION {
		let square = (mantissa * mantissa) >> 63;
		let carry = square >> 64;
		bits = bits << 1 | carry;
		mantissa = square >> carry;
	}
	bits
}

/// A ticket for tests of other implementations: what the key from the seed of 32 times 1 draws.
pub mod vector {
	use super::{Hash, Ticket};

	/// The genesis hash.
	pub const GENESIS: Hash = [2; 32];
	/// The order.
	pub const ORDER: Hash = [3; 32];
	/// The lottery's seed.
	pub const SEED: Hash = [4; 32];
	/// The public session key.
	pub const KEY: [u8; 32] = [
		24, 157, 172, 41, 41, 109, 49, 129, 77, 200, 197, 108, 243, 211, 106, 5, 67, 55, 43, 186,
		117, 56, 250, 50, 42, 74, 235, 254, 188, 57, 224, 86,
	];
	/// Its ticket.
	pub const TICKET: Ticket = Ticket {
		pre_output: [
			122, 8, 190, 62, 210, 124, 144, 189, 131, 48, 224, 231, 106, 48, 109, 234, 201, 166,
			84, 199, 75, 161, 114, 229, 5, 170, 55, 247, 112, 120, 126, 9,
		],
		proof: [
			156, 54, 150, 216, 212, 133, 156, 228, 225, 174, 253, 8, 63, 12, 191, 171, 214, 212,
			150, 151, 178, 11, 152, 93, 192, 21, 134, 214, 162, 247, 79, 6, 207, 182, 170, 236,
			122, 85, 8, 55, 150, 6, 102, 160, 72, 2, 101, 119, 158, 34, 158, 216, 86, 115, 70, 207,
			13, 242, 29, 236, 138, 46, 183, 10,
		],
	};
	/// What it draws.
	pub const OUTPUT: u128 = 193_369_875_730_176_425_223_930_279_232_628_084_233;
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::verifier_crypto::AuthorityPair;
	use alloc::vec::Vec;
	use proptest::prelude::*;
	use sp_core::{crypto::VrfSecret, sr25519, Pair};

	const GENESIS: Hash = [2; 32];
	const SEED: Hash = [4; 32];
	const ORDER: Hash = [7; 32];
	const OTHER: Hash = [8; 32];

	fn terms(candidates: u32, stake: u128) -> LotteryTerms {
		let audit = Permill::one();
		LotteryTerms { candidates, stake, size: 3, width_percent: 150, max_tranches: 4, audit }
	}

	fn signer(seed: u64) -> (sr25519::Pair, VerifierId) {
		let mut bytes = [0; 32];
		bytes[..8].copy_from_slice(&seed.to_le_bytes());
		(sr25519::Pair::from_seed(&bytes), AuthorityPair::from_seed(&bytes).public())
	}

	/// Uniform numbers from a seed.
	fn outputs(seed: u64) -> impl Iterator<Item = u128> {
		(0u64..).map(move |index| {
			let hash = blake3::hash(&(seed, index).encode());
			u128::from_le_bytes(hash.as_bytes()[..16].try_into().expect("of 32 bytes"))
		})
	}

	fn as_float(fixed: u128) -> f64 {
		fixed as f64 / f64::powi(2.0, FRACTION as i32)
	}

	#[test]
	fn ticket_should_draw_the_same_number_when_it_is_made_twice() {
		let (pair, key) = signer(1);
		let data = transcript(&GENESIS, &ORDER, &SEED);
		let tickets: Vec<_> = (0..2).map(|_| Ticket::from(&pair.vrf_sign(&data))).collect();
		assert_ne!(tickets[0].proof, tickets[1].proof, "proofs are randomized");
		let output = draw_output(&key, &data, &tickets[0]);
		assert!(output.is_some());
		assert_eq!(draw_output(&key, &data, &tickets[1]), output);
		assert_eq!(claimed_output(&key, &data, &tickets[1]), output);
	}

	#[test]
	fn vector_should_hold_when_other_implementations_are_tested_with_it() {
		let data = transcript(&vector::GENESIS, &vector::ORDER, &vector::SEED);
		let key = sr25519::Pair::from_seed(&[1; 32]).public();
		assert_eq!(key.0, vector::KEY);
		assert_eq!(draw_output(&key.into(), &data, &vector::TICKET), Some(vector::OUTPUT));
	}

	#[test]
	fn ticket_should_draw_nothing_when_it_is_of_another_key_order_seed_or_chain() {
		let (pair, key) = signer(1);
		let data = transcript(&GENESIS, &ORDER, &SEED);
		let ticket = Ticket::from(&pair.vrf_sign(&data));
		assert_eq!(draw_output(&signer(2).1, &data, &ticket), None);
		for other in [
			transcript(&GENESIS, &OTHER, &SEED),
			transcript(&GENESIS, &ORDER, &GENESIS),
			transcript(&SEED, &ORDER, &SEED),
		] {
			assert_eq!(draw_output(&key, &other, &ticket), None);
		}
		for bit in 0..96 * 8 {
			let mut bytes = ticket.encode();
			bytes[bit / 8] ^= 1 << (bit % 8);
			let forged = Ticket::decode(&mut &bytes[..]).expect("any bytes");
			assert_eq!(draw_output(&key, &data, &forged), None, "bit {bit}");
		}
	}

	#[test]
	fn logarithm_should_be_exact_when_the_value_is_a_power_of_two() {
		for exponent in 0..128u32 {
			assert_eq!(log2(1 << exponent), u128::from(exponent) << FRACTION);
		}
		assert_eq!(neg_ln(0), neg_ln(1));
		assert!(neg_ln(u128::MAX) <= 1);
		assert!((as_float(neg_ln(1)) - 128.0 * core::f64::consts::LN_2).abs() < 1e-8);
	}

	proptest! {
		#[test]
		fn arrival_should_equal_the_real_one_when_computed_with_floats(
			output in any::<u128>(), shift in 0..128u32, stake in 1..1u128 << 90, more in 0..1u128 << 90
		) {
			let output = (output >> shift).max(1);
			let real = -(output as f64 / f64::powi(2.0, 128)).ln();
			prop_assert!((as_float(neg_ln(output)) - real).abs() < 2e-9 + real * 1e-14);
			// Where log2 rounds down, the arrival rounds up by less than two units of it.
			let total = stake + more;
			let share = total as f64 / stake as f64;
			if let Some(found) = arrival(output, stake, total) {
				let error = (as_float(found) - real * share).abs();
				prop_assert!(error < (2e-9 + real * 1e-9) * share.max(1.0), "{error}");
			}
		}

		#[test]
		fn arrival_should_be_earlier_when_output_or_stake_is_larger(
			a in any::<u128>(), b in any::<u128>(), shift in 0..128u32,
			stake in 1..1u128 << 90, more in 0..1u128 << 90
		) {
			// Near neighbours too.
			for b in [b, a.saturating_add(b >> shift)] {
				let (low, high) = (a.min(b), a.max(b));
				prop_assert!(log2(low.max(1)) <= log2(high.max(1)));
				prop_assert!(neg_ln(low) >= neg_ln(high));
			}
			let total = stake + more;
			prop_assert!(arrival(a, stake + more / 2, total) <= arrival(a, stake, total));
		}

		#[test]
		fn tranche_should_never_panic_when_the_terms_are_anything(
			output in any::<u128>(), stake in any::<u128>(), total in any::<u128>(),
			candidates in any::<u32>(), size in any::<u32>(), width_percent in any::<u32>(),
			max_tranches in any::<u32>(), audit in 0..=1_000_000u32
		) {
			let terms = LotteryTerms {
				candidates,
				stake: total,
				size,
				width_percent,
				max_tranches,
				audit: Permill::from_parts(audit),
			};
			if let Some(tranche) = tranche_of(output, stake, &terms) {
				prop_assert!(stake > 0 && tranche < max_tranches);
			}
		}
	}

	#[test]
	fn everyone_should_be_in_the_first_tranche_when_there_are_few() {
		for (candidates, everyone) in [(1, true), (4, true), (5, false)] {
			let terms = terms(candidates, 1_000);
			assert_eq!(terms.takes_everyone(), everyone);
			// The unluckiest draw.
			let tranche = tranche_of(0, 1, &terms);
			assert_eq!(tranche, everyone.then_some(0), "{candidates} candidates");
		}
		assert_eq!(tranche_of(u128::MAX, 0, &terms(1, 1_000)), None, "no stake, no seat");
	}

	/// Seats of the first tranche for candidates of these stakes, over so many lotteries.
	fn seats(stakes: &[u128], rounds: usize, seed: u64) -> Vec<u32> {
		let terms = terms(stakes.len() as u32, stakes.iter().sum());
		let mut draws = outputs(seed);
		let mut won = alloc::vec![0; stakes.len()];
		for _ in 0..rounds {
			for (stake, won) in stakes.iter().zip(won.iter_mut()) {
				let output = draws.next().expect("without end");
				*won += u32::from(tranche_of(output, *stake, &terms) == Some(0));
			}
		}
		won
	}

	/// P(first tranche) = 1 − exp(−size · width · stake / all), within four standard deviations.
	#[test]
	fn first_tranche_should_weigh_stake_when_stakes_differ() {
		let (seed, rounds) = (20_261_121, 20_000);
		println!("seed {seed}");
		let stakes: Vec<u128> = (1..=20).map(|i| i * i * 1_000_000_000_000).collect();
		let all: u128 = stakes.iter().sum();
		let mut expected_size = 0.0;
		let won = seats(&stakes, rounds, seed);
		for (stake, won) in stakes.iter().zip(&won) {
			let chance = 1.0 - (-4.5 * *stake as f64 / all as f64).exp();
			let n = rounds as f64;
			let deviation = (n * chance * (1.0 - chance)).sqrt();
			assert!((f64::from(*won) - n * chance).abs() < 4.0 * deviation, "{stake}: {won}");
			expected_size += chance;
		}
		// About four and a half where nobody has much; never more.
		let size = f64::from(won.iter().sum::<u32>()) / rounds as f64;
		assert!((size - expected_size).abs() < 0.05 && size < 4.5, "{size}, {expected_size}");
		let equal = seats(&[1_000; 200], 2_000, seed);
		let size = f64::from(equal.iter().sum::<u32>()) / 2_000.0;
		assert!((4.3..=4.55).contains(&size), "{size}");
	}

	/// Being among the first is as likely for one account as for ten with a tenth of its stake each.
	#[test]
	fn splitting_should_gain_nothing_when_the_order_is_what_counts() {
		let (seed, rounds) = (7u64, 20_000);
		println!("seed {seed}");
		let mut draws = outputs(seed);
		let all = 1_000u128;
		let mut wins = |parts: u128| {
			let mut won = 0;
			for _ in 0..rounds {
				let mut earliest = |accounts: u128, stake: u128| {
					let times = (0..accounts).map(|_| {
						arrival(draws.next().expect("without end"), stake, all)
							.expect("no overflow")
					});
					times.min().expect("at least one")
				};
				let own = earliest(parts, 100 / parts);
				won += u32::from(own < earliest(9, 100));
			}
			won
		};
		let (one, ten) = (wins(1), wins(10));
		// A tenth of the stake, a tenth of the wins: 2 000 with a standard deviation of 42.
		for won in [one, ten] {
			assert!((1_830..=2_170).contains(&won), "one account {one}, ten {ten}");
		}
	}

	/// The numbers that tickets draw are uniform: every key is as good as another.
	#[test]
	fn outputs_should_be_uniform_when_keys_differ() {
		let data = transcript(&GENESIS, &ORDER, &SEED);
		let mut bins = [0u32; 8];
		for seed in 0..400 {
			let (pair, key) = signer(seed);
			let ticket = Ticket::from(&pair.vrf_sign(&data));
			let output = claimed_output(&key, &data, &ticket).expect("its own");
			bins[(output >> 125) as usize] += 1;
		}
		// Chi-square of seven degrees of freedom: above 24.3 once in a thousand times. Keys are fixed.
		let expected = 50.0;
		let chi: f64 = bins.iter().map(|n| (f64::from(*n) - expected).powi(2) / expected).sum();
		assert!(chi < 24.3, "{bins:?}");
	}

	/// Pinned for other implementations.
	#[test]
	fn segment_should_equal_the_pinned_value_and_reach_every_segment() {
		let genesis = [7; 32];
		let pinned: alloc::vec::Vec<u32> =
			(0..4).map(|tag| segment_of(&[tag; 32], &genesis, &[9; 32], 1_000_000_007)).collect();
		assert_eq!(pinned, [45209072, 193528074, 665485295, 145580341]);
		let drawn: alloc::collections::BTreeSet<u32> =
			(0..=255).map(|tag| segment_of(&[tag; 32], &genesis, &[9; 32], 16)).collect();
		assert_eq!(drawn.len(), 16);
		assert_ne!(
			segment_of(&[1; 32], &genesis, &[9; 32], 1 << 30),
			segment_of(&[1; 32], &genesis, &[10; 32], 1 << 30)
		);
		assert_ne!(
			segment_of(&[1; 32], &genesis, &[9; 32], 1 << 30),
			segment_of(&[1; 32], &[8; 32], &[9; 32], 1 << 30)
		);
		assert_eq!(segment_of(&[1; 32], &genesis, &[9; 32], 0), 0);
	}
}
