// The frame of kernels of which one invocation writes one word of the result: each has a function
// `element(at, to)`, the element `at` of the result as a value of dtype `to`.
// params: 0 elements, 1 words of the result, 2 its dtype.

@group(0) @binding(1) var<storage, read_write> result: array<u32>;

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
		let at = word * lanes(to) + lane;
		if at < params[0] {
			packed |= encode(element(at, to), lane, to);
		}
	}
	result[word] = packed;
}
