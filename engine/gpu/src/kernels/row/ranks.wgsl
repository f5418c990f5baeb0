// As top_k.wgsl, for many of a row: each invocation counts how many elements of its row come before
// one element, which is its place among the largest.

@group(0) @binding(1) var<storage, read_write> result: array<i32>;
@group(0) @binding(2) var<storage, read> operand: array<u32>;

fn load(element: u32) -> i32 {
	let at = view(8u, element);
	return decode(operand[word_of(at, params[3])], at, params[3]);
}

@compute @workgroup_size(64)
fn main(
	@builtin(workgroup_id) group: vec3<u32>,
	@builtin(num_workgroups) groups: vec3<u32>,
	@builtin(local_invocation_index) local: u32,
) {
	let element = invocation(group, groups, local);
	let len = params[1];
	let row = element / len;
	let place = element % len;
	if row >= params[0] {
		return;
	}
	let value = load(element);
	var rank = 0u;
	for (var at = 0u; at < len; at++) {
		let other = load(row * len + at);
		rank += select(0u, 1u, other > value || (other == value && at < place));
	}
	if rank < params[2] {
		result[row * params[2] + rank] = select(bitcast<i32>(place), value, params[4] != 0u);
	}
}
