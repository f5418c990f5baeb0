// Philox4x32-10. One invocation writes one block of four words. params: 0 elements, 1 blocks, 3
// stream, 8 offset and stride of the seed, 10 offset of the step.

@group(0) @binding(1) var<storage, read_write> result: array<u32>;
@group(0) @binding(2) var<storage, read> seed: array<u32>;
@group(0) @binding(3) var<storage, read> step_number: array<u32>;

@compute @workgroup_size(64)
fn main(
	@builtin(workgroup_id) group: vec3<u32>,
	@builtin(num_workgroups) groups: vec3<u32>,
	@builtin(local_invocation_index) local: u32,
) {
	let block = invocation(group, groups, local);
	if block >= params[1] {
		return;
	}
	var key = vec2<u32>(seed[params[8]], seed[params[8] + params[9]]);
	var counter = vec4<u32>(block, 0u, params[3], step_number[params[10]]);
	for (var round = 0u; round < 10u; round++) {
		let first = wide_umul(0xd2511f53u, counter.x);
		let second = wide_umul(0xcd9e8d57u, counter.z);
		counter = vec4<u32>(
			second.y ^ counter.y ^ key.x, second.x, first.y ^ counter.w ^ key.y, first.x);
		key += vec2<u32>(0x9e3779b9u, 0xbb67ae85u);
	}
	let at = 4u * block;
	result[at] = counter.x;
	if at + 1u < params[0] { result[at + 1u] = counter.y; }
	if at + 2u < params[0] { result[at + 2u] = counter.z; }
	if at + 3u < params[0] { result[at + 3u] = counter.w; }
}
