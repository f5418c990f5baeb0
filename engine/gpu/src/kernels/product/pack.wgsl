// Rows of an operand, read through its view, padded with zeros to whole words: what the matrix
// products read. params: 0 row length in elements, 1 words of the result, 2 words in a row, 3
// dtype, 8 view. One invocation writes one word.

@group(0) @binding(1) var<storage, read_write> result: array<u32>;
@group(0) @binding(2) var<storage, read> operand: array<u32>;

@compute @workgroup_size(64)
fn main(
	@builtin(workgroup_id) group: vec3<u32>,
	@builtin(num_workgroups) groups: vec3<u32>,
	@builtin(local_invocation_index) local: u32,
) {
	let word = invocation(group, groups, local);
	if word >= params[1] {
		return;
	}
	let dtype = params[3];
	let row = word / params[2];
	let first = (word % params[2]) * lanes(dtype);
	var packed = 0u;
	for (var lane = 0u; lane < lanes(dtype); lane++) {
		let column = first + lane;
		if column < params[0] {
			let at = view(8u, row * params[0] + column);
			packed |= encode(decode(operand[word_of(at, dtype)], at, dtype), lane, dtype);
		}
	}
	result[word] = packed;
}
