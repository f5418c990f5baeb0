// Roots in 128-bit integers: x is the lowest of four limbs.

fn wide_umul_wide(a: vec2<u32>, b: vec2<u32>) -> vec4<u32> {
	let p00 = wide_umul(a.x, b.x);
	let p01 = wide_umul(a.x, b.y);
	let p10 = wide_umul(a.y, b.x);
	let p11 = wide_umul(a.y, b.y);
	let s1 = p00.y + p01.x;
	let s2 = s1 + p10.x;
	let carry = select(0u, 1u, s1 < p01.x) + select(0u, 1u, s2 < p10.x);
	let t1 = p01.y + p10.y;
	let t2 = t1 + p11.x;
	let t3 = t2 + carry;
	let carried = select(0u, 1u, t1 < p01.y) + select(0u, 1u, t2 < p11.x) + select(0u, 1u, t3 < carry);
	return vec4<u32>(p00.x, s2, t3, p11.y + carried);
}

fn at_most(a: vec4<u32>, b: vec4<u32>) -> bool {
	if a.w != b.w { return a.w < b.w; }
	if a.z != b.z { return a.z < b.z; }
	if a.y != b.y { return a.y < b.y; }
	return a.x <= b.x;
}

// value · 2^by in 128 bits, `by` from 0 to 63.
fn placed(value: u32, by: u32) -> vec4<u32> {
	let low = wide_shl(vec2<u32>(value, 0u), by & 31u);
	if by < 32u {
		return vec4<u32>(low, 0u, 0u);
	}
	return vec4<u32>(0u, low, 0u);
}

// Is candidate − 1/2 at most the root, that is (2·candidate − 1)² · denominator at most `fourfold`?
// A candidate of 2^31 makes 2^32 − 1 by wrapping.
fn reaches(candidate: u32, fourfold: vec4<u32>, denominator: vec2<u32>) -> bool {
	let twice = 2u * candidate - 1u;
	return at_most(wide_umul_wide(wide_umul(twice, twice), denominator), fourfold);
}

// The integer nearest to √(fourfold / 4 / denominator), a tie up, 2^31 for larger ones: the largest
// that is reached, found bit by bit. 0 for a denominator of 0.
fn nearest_root(fourfold: vec4<u32>, denominator: vec2<u32>) -> u32 {
	if all(denominator == vec2<u32>(0u)) {
		return 0u;
	}
	if reaches(0x80000000u, fourfold, denominator) {
		return 0x80000000u;
	}
	var root = 0u;
	for (var bit = 0x40000000u; bit != 0u; bit >>= 1u) {
		if reaches(root | bit, fourfold, denominator) {
			root |= bit;
		}
	}
	return root;
}
