//! Tables of operator set 1, and known answers of its random generator.

use assay_ops::{philox4x32, EXP2};
use num_bigint::BigUint;

#[test]
fn exp2_should_be_nearest_to_the_power_when_compared_in_big_integers() {
	for (f, &entry) in EXP2.iter().enumerate() {
		// |entry − 2^(30 − f/1024)| ≤ 1/2: both sides doubled, to the power of 1,024.
		let power = |n: u32| BigUint::from(n).pow(1024);
		let exact = BigUint::from(1u8) << (31 * 1024 - f);
		assert!(power(2 * entry - 1) <= exact && exact <= power(2 * entry + 1), "entry {f}");
	}
}

#[test]
fn exp2_should_be_the_table_of_operator_set_1_when_it_is_hashed() {
	let bytes: Vec<u8> = EXP2.iter().flat_map(|entry| entry.to_le_bytes()).collect();
	let hash = "8db25a4985a2b54d6bad42a4e4822f83f93c6b9d072798e1e4c761319bd938d6";
	assert_eq!(blake3::hash(&bytes).to_hex().as_str(), hash);
}

#[test]
fn philox_should_give_the_known_answers_when_asked_as_random123() {
	// Random123, tests/kat_vectors, philox4x32 with 10 rounds.
	let ones = u32::MAX;
	for (counter, key, answer) in [
		([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
		([ones; 4], [ones; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
		(
			[0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
			[0xa409_3822, 0x299f_31d0],
			[0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
		),
	] {
		assert_eq!(philox4x32(key, counter), answer);
	}
}
