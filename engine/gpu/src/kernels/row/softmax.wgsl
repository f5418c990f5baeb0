// sat(⌊e · 2^q / S + 1/2⌋) from the row sums of softmax_sums.wgsl. params beside those of
// by_word.wgsl and exponential.wgsl: 7 q.

@group(0) @binding(4) var<storage, read> rows: array<u32>;

fn reaches(a: vec2<u32>, b: vec2<u32>) -> bool {
	return a.y > b.y || (a.y == b.y && a.x >= b.x);
}

fn element(at: u32, to: u32) -> i32 {
	let row = 3u * (at / params[6]);
	let sum = vec2<u32>(rows[row + 1u], rows[row + 2u]);
	// e is at most S, which is below 2^62: doubling a remainder keeps it in 64 bits.
	var rest = vec2<u32>(exponential(bitcast<i32>(rows[row]), load(at)), 0u);
	var quotient = 0;
	if reaches(rest, sum) {
		rest = wide_sub(rest, sum);
		quotient = 1;
	}
	for (var bit = 0u; bit < params[7]; bit++) {
		rest = wide_shl(rest, 1u);
		quotient = 2 * quotient;
		if reaches(rest, sum) {
			rest = wide_sub(rest, sum);
			quotient += 1;
		}
	}
	if reaches(wide_shl(rest, 1u), sum) {
		quotient += 1;
	}
	return saturate_i32(quotient, to);
}
