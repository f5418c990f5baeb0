// The k largest of each row, the lowest position first among equals: values or positions, a word
// each. A workgroup computes one row, and looks through it once for each of the k. params: 0 rows,
// 1 length of a row, 2 k, 3 dtype, 4 whether values are wanted, 8 view.

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
	let row = group.y * groups.x + group.x;
	if row >= params[0] {
		return;
	}
	let len = params[1];
	var last = Place(0, NOWHERE);
	for (var rank = 0u; rank < params[2]; rank++) {
		// The best of this invocation's elements that come after the last one found. In ascending
		// order only a larger value is better.
		var found = Place(0, NOWHERE);
		for (var at = local; at < len; at += 64u) {
			let value = load(row * len + at);
			let after = rank == 0u || value < last.value || (value == last.value && at > last.at);
			if after && (found.at == NOWHERE || value > found.value) {
				found = Place(value, at);
			}
		}
		last = lanes_best(found, local);
		if local == 0u {
			result[row * params[2] + rank] = select(bitcast<i32>(last.at), last.value, params[4] != 0u);
		}
	}
}
