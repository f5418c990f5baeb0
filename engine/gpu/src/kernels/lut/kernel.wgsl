// params: 0 elements, 1 words of the result, 2 its dtype, 8 view of the index,
// 24 offset and stride of the table. One invocation writes one word.

@group(0) @binding(1) var<storage, read_write> result: array<u32>;
@group(0) @binding(2) var<storage, read> index: array<u32>;
@group(0) @binding(3) var<storage, read> table: array<u32>;

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
	let to = params[2];
	var packed = 0u;
	for (var lane = 0u; lane < lanes(to); lane++) {
		let element = word * lanes(to) + lane;
		if element < params[0] {
			let at = view(8u, element);
			let entry = params[24] + params[25] * bitcast<u32>(decode(index[word_of(at, 0u)], at, 0u) + 128);
			packed |= encode(decode(table[word_of(entry, to)], entry, to), lane, to);
		}
	}
	result[word] = packed;
}
