// params beside those of by_word.wgsl and load.wgsl: 5 and 6 arguments.

override OP: u32;

fn compare(x: i32, y: i32) -> bool {
	switch params[5] {
		case 0u: { return x == y; }
		case 1u: { return x < y; }
		default: { return x <= y; }
	}
}

// Bits of |x|, whose negation wraps to the right magnitude for the least x.
fn bit_length(x: i32) -> i32 {
	let bits = bitcast<u32>(x);
	return 32 - i32(countLeadingZeros(select(bits, 0u - bits, x < 0)));
}

fn element(at: u32, to: u32) -> i32 {
	let x = first(at);
	switch OP {
		case 0u: { return wide_saturate(wide_add(wide(x), wide(second(at))), to); }
		case 1u: { return wide_saturate(wide_sub(wide(x), wide(second(at))), to); }
		case 2u: { return wide_saturate(wide_mul(x, second(at)), to); }
		case 3u: { return saturate_i32(max(x, second(at)), to); }
		case 4u: { return saturate_i32(min(x, second(at)), to); }
		case 5u: { return min(max(x, bitcast<i32>(params[5])), bitcast<i32>(params[6])); }
		case 6u: { return wide_round_shift(wide(x), bitcast<i32>(params[5]), to); }
		case 8u: { return wide_round_shift(wide_mul(x, second(at)), bitcast<i32>(params[5]), to); }
		case 9u: { return wide_round_shift(wide(x), second(at), to); }
		case 10u: { return select(0, 1, compare(x, second(at))); }
		case 11u: { return bit_length(x); }
		default: { return saturate_i32(x, to); }
	}
}
