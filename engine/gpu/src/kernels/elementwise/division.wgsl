// IntDiv and Rsqrt. params beside those of by_word.wgsl and load.wgsl: 5 bits of fraction.

override OP: u32;

fn magnitude(x: i32) -> u32 {
	let bits = bitcast<u32>(x);
	return select(bits, 0u - bits, x < 0);
}

// ⌊a · 2^shift / b + 1/2⌋ saturated; 0 where b = 0. Magnitudes are divided, limb by limb and bit by
// bit: a remainder is below 2^31, so that doubling it stays in a word. Rounding up means away from
// zero for a tie of positive quotients and towards it for one of negative ones.
fn divide(x: i32, y: i32, shift: u32, to: u32) -> i32 {
	let divisor = magnitude(y);
	if divisor == 0u {
		return 0;
	}
	let numerator = wide_shl(vec2<u32>(magnitude(x), 0u), shift);
	var rest = numerator.y % divisor;
	var quotient = vec2<u32>(0u, numerator.y / divisor);
	for (var bit = 0u; bit < 32u; bit++) {
		rest = (rest << 1u) | ((numerator.x >> (31u - bit)) & 1u);
		quotient.x = quotient.x << 1u;
		if rest >= divisor {
			rest -= divisor;
			quotient.x |= 1u;
		}
	}
	let negative = (x < 0) != (y < 0);
	let up = select(2u * rest >= divisor, 2u * rest > divisor, negative);
	quotient = wide_add(quotient, vec2<u32>(select(0u, 1u, up), 0u));
	if negative {
		quotient = wide_sub(vec2<u32>(0u), quotient);
	}
	return wide_saturate(quotient, to);
}

fn element(at: u32, to: u32) -> i32 {
	let x = first(at);
	if OP == 0u {
		return divide(x, second(at), params[5], to);
	}
	// At most 2^30, which an i32 holds.
	let root = nearest_root(placed(1u, 2u * params[5] + 2u), vec2<u32>(u32(max(x, 0)), 0u));
	return i32(root);
}
