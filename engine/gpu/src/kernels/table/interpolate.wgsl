// Straight lines between the points of a table. params beside those of by_word.wgsl: 3 bits of an
// index below its segment, 8 view of the index, 24 offset and stride of the table, whose dtype is
// that of the result.

@group(0) @binding(2) var<storage, read> index: array<u32>;
@group(0) @binding(3) var<storage, read> table: array<u32>;

fn point(at: u32, to: u32) -> i32 {
	let entry = params[24] + params[25] * at;
	return decode(table[word_of(entry, to)], entry, to);
}

fn element(element: u32, to: u32) -> i32 {
	let at = view(8u, element);
	let u = u32(decode(index[word_of(at, 1u)], at, 1u) + 32768);
	let bits = params[3];
	let rest = i32(u & ((1u << bits) - 1u));
	let left = point(u >> bits, to);
	let right = point((u >> bits) + 1u, to);
	// 33 bits times 15: exact, and so is each of the two products.
	let rise = wide_sub(wide_mul(right, rest), wide_mul(left, rest));
	let half = vec2<u32>(wide_shr(rise, bits - 1u).x & 1u, 0u);
	return wide_saturate(wide_add(wide(left), wide_add(wide_shr(rise, bits), half)), to);
}
