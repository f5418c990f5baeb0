// sat(⌊e · 2^q / S + 1/2⌋) from the row sums of sums.wgsl. params beside those of by_word.wgsl and
// exponential.wgsl: 7 q.

@group(0) @binding(4) var<storage, read> rows: array<u32>;

fn reaches(a: vec2<u32>, b: vec2<u32>) -> bool {
	return a.y > b.y || (a.y == b.y && a.x >= b.x);
}

fn element(at: u32, to: u32) -> i32 {
	let row = 4u * (at / params[6]);
	let sum = vec2<u32>(rows[row + 1u], rows[row + 2u]);
	let e = exponential(bitcast<i32>(rows[row]), load(at));
	// ⌊e · 2^q / S⌋ from the reciprocal of the upper 32 bits of S: its error is below 2^-29 of the
	// quotient, which is at most 2^15, so it is at most one off; the rest tells.
	let by = 95u - params[7] - zeros_above(sum);
	var quotient = 0u;
	if by < 64u {
		quotient = wide_shr(wide_umul(e, rows[row + 3u]), by).x;
	}
	var product = wide_umul(quotient, sum.x);
	product.y += quotient * sum.y;
	var rest = wide_sub(wide_shl(vec2<u32>(e, 0u), params[7]), product);
	if bitcast<i32>(rest.y) < 0 {
		rest = wide_add(rest, sum);
		quotient -= 1u;
	} else if reaches(rest, sum) {
		rest = wide_sub(rest, sum);
		quotient += 1u;
	}
	// S is below 2^62: the doubled rest fits.
	if reaches(wide_shl(rest, 1u), sum) {
		quotient += 1u;
	}
	return saturate_i32(i32(quotient), to);
}
