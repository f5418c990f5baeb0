// Rows of a table; 0 for a row that it does not have. params beside those of by_word.wgsl: 3 dtype
// of the index, 4 rows of the table, 5 elements of a row, 8 view of the table, 24 view of the
// index. The table's dtype is that of the result.

@group(0) @binding(2) var<storage, read> table: array<u32>;
@group(0) @binding(3) var<storage, read> index: array<u32>;

fn element(element: u32, to: u32) -> i32 {
	let index_at = view(24u, element / params[5]);
	let row = decode(index[word_of(index_at, params[3])], index_at, params[3]);
	// A negative one is large as u32.
	if bitcast<u32>(row) >= params[4] {
		return 0;
	}
	let at = view(8u, bitcast<u32>(row) * params[5] + element % params[5]);
	return decode(table[word_of(at, to)], at, to);
}
