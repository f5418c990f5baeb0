// Reduction along one axis. params beside those of by_word.wgsl: 3 dtype of the operand, 4 length
// of the axis, 5 elements inside the axis, 8 view.

@group(0) @binding(2) var<storage, read> operand: array<u32>;

override OP: u32;

fn load(element: u32) -> i32 {
	let at = view(8u, element);
	return decode(operand[word_of(at, params[3])], at, params[3]);
}

fn element(element: u32, to: u32) -> i32 {
	let inside = params[5];
	let base = element / inside * inside * params[4] + element % inside;
	var sum = vec2<u32>(0u, 0u);
	var best = load(base);
	var place = 0u;
	for (var at = 0u; at < params[4]; at++) {
		let value = load(base + at * inside);
		if OP == 0u {
			sum = wide_add(sum, wide(value));
		} else if value > best {
			best = value;
			place = at;
		}
	}
	if OP == 0u {
		return wide_saturate(sum, to);
	}
	return select(bitcast<i32>(place), best, OP == 1u);
}
