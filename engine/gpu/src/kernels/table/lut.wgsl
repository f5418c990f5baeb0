// params beside those of by_word.wgsl: 8 view of the index, 24 offset and stride of the table,
// whose dtype is that of the result.

@group(0) @binding(2) var<storage, read> index: array<u32>;
@group(0) @binding(3) var<storage, read> table: array<u32>;

fn element(element: u32, to: u32) -> i32 {
	let at = view(8u, element);
	let entry = params[24] + params[25] * bitcast<u32>(decode(index[word_of(at, 0u)], at, 0u) + 128);
	return decode(table[word_of(entry, to)], entry, to);
}
