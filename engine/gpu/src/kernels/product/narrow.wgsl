// The epilogue of i16 products: sat(sum · multiplier / 2^shift) of a sum whose low and high halves
// were summed apart. params: 5 multiplier, 6 shift, 7 dtype to saturate to, 62 whether an i8 is
// added to the shift, 63 its offset.

@group(0) @binding(4) var<storage, read> more: array<u32>;

fn narrow(low: u32, high: i32) -> i32 {
	let sum = wide_add(wide_shl(wide(high), 16u), vec2<u32>(low, 0u));
	let m = bitcast<i32>(params[5]);
	// A 64-bit sum times an i16, modulo 2^64: the limbs' products, the upper one shifted by a limb.
	var product = wide_mul(bitcast<i32>(sum.x), m);
	product.y += sum.y * bitcast<u32>(m);
	// The lower limb is unsigned: add back the 2^32 that reading it as signed took off.
	if bitcast<i32>(sum.x) < 0 {
		product.y += bitcast<u32>(m);
	}
	var shift = bitcast<i32>(params[6]);
	if params[62] != 0u {
		shift += decode(more[word_of(params[63], 0u)], params[63], 0u);
	}
	return wide_round_shift(product, shift, params[7]);
}
