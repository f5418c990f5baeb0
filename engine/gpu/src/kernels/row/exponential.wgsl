// What both kernels of Softmax share. params: 3 dtype of the operand, 4 multiplier, 5 shift, 6
// length of a row, 8 view.

@group(0) @binding(2) var<storage, read> operand: array<u32>;
@group(0) @binding(3) var<storage, read> powers: array<u32>;

fn load(element: u32) -> i32 {
	let at = view(8u, element);
	return decode(operand[word_of(at, params[3])], at, params[3]);
}

// 2^(30 − t / 1024) with t the distance of x from the largest of its row; at 31 octaves nothing of
// an entry is left.
fn exponential(largest: i32, x: i32) -> u32 {
	let m = bitcast<i32>(params[4]);
	let scaled = wide_sub(wide_mul(largest, m), wide_mul(x, m));
	let distance = u32(clamp(wide_round_shift(scaled, bitcast<i32>(params[5]), 2u), 0, 31744));
	return powers[distance & 1023u] >> (distance >> 10u);
}
