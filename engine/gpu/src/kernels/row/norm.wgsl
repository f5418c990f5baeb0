// Elements of Norm from what moments.wgsl left of their rows. params beside those of by_word.wgsl:
// 3 length of a row, 7 shift of the result, 8 view of x, 24 offset and stride of gamma, 26 of beta.

@group(0) @binding(2) var<storage, read> operand: array<u32>;
@group(0) @binding(3) var<storage, read> gamma: array<u32>;
@group(0) @binding(4) var<storage, read> beta: array<u32>;
@group(0) @binding(5) var<storage, read> moments: array<u32>;

fn element(element: u32, to: u32) -> i32 {
	let row = 3u * (element / params[3]);
	let column = element % params[3];
	let at = view(8u, element);
	let x = decode(operand[word_of(at, 1u)], at, 1u);
	// |D| ≤ 2^31 − 1 and R ≤ 2^31: their product, R being unsigned, in 64 bits.
	let distance = i32(params[3]) * x - bitcast<i32>(moments[row]);
	let reciprocal = moments[row + 1u];
	var product = wide_umul(bitcast<u32>(distance), reciprocal);
	if distance < 0 {
		product.y -= reciprocal;
	}
	// |z| < 2^24.
	let z = wide_round_shift(product, i32(moments[row + 2u]), 2u);
	let gamma_at = params[24] + column * params[25];
	let scaled = wide_mul(z, decode(gamma[word_of(gamma_at, 1u)], gamma_at, 1u));
	let offset = bitcast<i32>(beta[params[26] + column * params[27]]);
	let sum = wide_add(scaled, wide_shl(wide(offset), 16u));
	return wide_round_shift(sum, bitcast<i32>(params[7]), to);
}
