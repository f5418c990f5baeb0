// One operand as a piece of a larger result: Concat records one dispatch for each operand, which
// keeps what the others wrote; Pad fills what its operand does not cover. One invocation writes one
// word. params: 0 elements of the result, 1 words to write, 2 dtype, 3 elements of the piece for
// one step of the dimensions before the axis, 4 where they begin, 5 elements of the result for one
// step, 6 what to fill with, 7 first word to write, 8 view.

@group(0) @binding(1) var<storage, read_write> result: array<u32>;
@group(0) @binding(2) var<storage, read> operand: array<u32>;

override OP: u32;

@compute @workgroup_size(64)
fn main(
	@builtin(workgroup_id) group: vec3<u32>,
	@builtin(num_workgroups) groups: vec3<u32>,
	@builtin(local_invocation_index) local: u32,
) {
	let count = invocation(group, groups, local);
	if count >= params[1] {
		return;
	}
	let word = params[7] + count;
	let dtype = params[2];
	var before = 0u;
	if OP == 0u {
		before = result[word];
	}
	var packed = 0u;
	for (var lane = 0u; lane < lanes(dtype); lane++) {
		let element = word * lanes(dtype) + lane;
		// What lies before the piece wraps to far behind it.
		let within = element % params[5] - params[4];
		var value = decode(before, element, dtype);
		if OP == 1u {
			value = bitcast<i32>(params[6]);
		}
		if element < params[0] && within < params[3] {
			let at = view(8u, element / params[5] * params[3] + within);
			value = decode(operand[word_of(at, dtype)], at, dtype);
		}
		packed |= encode(value, lane, dtype);
	}
	result[word] = packed;
}
