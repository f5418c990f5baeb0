// The chaining value of each canonical tile of a row-major tensor, a tile being one chunk; padding
// is zero. One invocation hashes one tile. params: 0 tiles, 1 rows, 2 columns of the canonical
// matrix, 3 dtype, 4 tiles in a row of tiles, 5 rows of a tile, 6 its columns.

@group(0) @binding(1) var<storage, read_write> result: array<u32>;
@group(0) @binding(2) var<storage, read> tensor: array<u32>;

// `word` of a tile that begins at (row, column).
fn tile_word(row: u32, column: u32, word: u32) -> u32 {
	let dtype = params[3];
	let across = params[6] / lanes(dtype);
	let at_row = row + word / across;
	let at_column = column + word % across * lanes(dtype);
	if at_row >= params[1] {
		return 0u;
	}
	let first = at_row * params[2] + at_column;
	if params[2] % lanes(dtype) == 0u {
		// Whole words.
		if at_column < params[2] {
			return tensor[word_of(first, dtype)];
		}
		return 0u;
	}
	var packed = 0u;
	for (var lane = 0u; lane < lanes(dtype); lane++) {
		if at_column + lane < params[2] {
			let at = first + lane;
			packed |= encode(decode(tensor[word_of(at, dtype)], at, dtype), lane, dtype);
		}
	}
	return packed;
}

@compute @workgroup_size(64)
fn main(
	@builtin(workgroup_id) group: vec3<u32>,
	@builtin(num_workgroups) groups: vec3<u32>,
	@builtin(local_invocation_index) local: u32,
) {
	let tile = invocation(group, groups, local);
	if tile >= params[0] {
		return;
	}
	let row = tile / params[4] * params[5];
	let column = tile % params[4] * params[6];
	var value = initial();
	for (var block = 0u; block < 16u; block++) {
		var words = array<u32, 16>();
		for (var word = 0u; word < 16u; word++) {
			words[word] = tile_word(row, column, 16u * block + word);
		}
		var flags = 0u;
		if block == 0u {
			flags = CHUNK_START;
		}
		if block == 15u {
			flags = CHUNK_END;
			if params[0] == 1u {
				flags |= ROOT;
			}
		}
		value = compress(value, words, tile, flags);
	}
	for (var word = 0u; word < 8u; word++) {
		result[8u * tile + word] = value[word];
	}
}
