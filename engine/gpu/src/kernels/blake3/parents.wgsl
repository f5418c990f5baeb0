// One level of the tree: pairs of chaining values become one, and an odd last one stays. One
// invocation makes one. params: 0 values below, 1 values to make; one is the root.

@group(0) @binding(1) var<storage, read_write> result: array<u32>;
@group(0) @binding(2) var<storage, read> below: array<u32>;

@compute @workgroup_size(64)
fn main(
	@builtin(workgroup_id) group: vec3<u32>,
	@builtin(num_workgroups) groups: vec3<u32>,
	@builtin(local_invocation_index) local: u32,
) {
	let at = invocation(group, groups, local);
	if at >= params[1] {
		return;
	}
	if 2u * at + 1u >= params[0] {
		for (var word = 0u; word < 8u; word++) {
			result[8u * at + word] = below[16u * at + word];
		}
		return;
	}
	var words = array<u32, 16>();
	for (var word = 0u; word < 16u; word++) {
		words[word] = below[16u * at + word];
	}
	var flags = PARENT;
	if params[1] == 1u {
		flags |= ROOT;
	}
	var value = compress(initial(), words, 0u, flags);
	for (var word = 0u; word < 8u; word++) {
		result[8u * at + word] = value[word];
	}
}
