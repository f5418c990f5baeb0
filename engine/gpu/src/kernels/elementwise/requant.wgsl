// sat((acc + bias) · multiplier / 2^shift), rounded half up, exact in 64 bits. params beside those
// of by_word.wgsl: 3 columns, 4 whether there is a bias, 8 view of acc, then offset and stride: 24
// of the multiplier, 26 of the shift, 28 of the bias.

@group(0) @binding(2) var<storage, read> accumulator: array<u32>;
@group(0) @binding(3) var<storage, read> multiplier: array<u32>;
@group(0) @binding(4) var<storage, read> shift: array<u32>;
@group(0) @binding(5) var<storage, read> bias: array<u32>;

fn element(element: u32, to: u32) -> i32 {
	let column = element % params[3];
	let at = view(8u, element);
	let m_at = params[24] + column * params[25];
	let m = decode(multiplier[word_of(m_at, 1u)], m_at, 1u);
	var product = wide_mul(bitcast<i32>(accumulator[at]), m);
	if params[4] != 0u {
		let bias_at = params[28] + column * params[29];
		product = wide_add(product, wide_mul(bitcast<i32>(bias[bias_at]), m));
	}
	let s_at = params[26] + column * params[27];
	return wide_round_shift(product, decode(shift[word_of(s_at, 0u)], s_at, 0u), to);
}
