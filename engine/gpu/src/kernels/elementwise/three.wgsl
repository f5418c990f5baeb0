// Three operands: Select (condition, a, b) and ShiftRandom (a, shift, bits). params beside those of
// by_word.wgsl and load.wgsl: 7 dtype of the third operand, 40 its view.

@group(0) @binding(4) var<storage, read> c: array<u32>;

override OP: u32;

fn third(element: u32) -> i32 {
	let at = view(40u, element);
	return decode(c[word_of(at, params[7])], at, params[7]);
}

// Right shift of x with noise in place of one half; see ShiftRandom.
fn shift_random(x: i32, by: i32, bits: u32, to: u32) -> i32 {
	if by <= 0 {
		return wide_round_shift(wide(x), by, to);
	}
	let right = u32(min(by, 31));
	let noise = bits & ((1u << right) - 1u);
	return wide_saturate(wide_shr(wide_add(wide(x), vec2<u32>(noise, 0u)), right), to);
}

fn element(at: u32, to: u32) -> i32 {
	if OP == 0u {
		if first(at) != 0 {
			return second(at);
		}
		return third(at);
	}
	return shift_random(first(at), second(at), bitcast<u32>(third(at)), to);
}
