// Sums of products along one axis; they stay below 2^62. params beside those of by_word.wgsl and
// elementwise/load.wgsl: 5 length of the axis, 6 elements inside the axis, 7 shift of the sum.

fn element(element: u32, to: u32) -> i32 {
	let inside = params[6];
	let base = element / inside * inside * params[5] + element % inside;
	var sum = vec2<u32>(0u, 0u);
	for (var at = 0u; at < params[5]; at++) {
		let term = base + at * inside;
		sum = wide_add(sum, wide_mul(first(term), second(term)));
	}
	return wide_round_shift(sum, bitcast<i32>(params[7]), to);
}
