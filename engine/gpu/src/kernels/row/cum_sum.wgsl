// Sums of the elements of each row up to each of them, a word each. A workgroup computes one row,
// of which each invocation has a stretch. params: 0 rows, 1 length of a row, 2 dtype to saturate
// to, 3 dtype of the operand, 4 whether an element is left out of its own sum, 5 whether sums begin
// at the end, 8 view.

@group(0) @binding(1) var<storage, read_write> result: array<i32>;
@group(0) @binding(2) var<storage, read> operand: array<u32>;

var<workgroup> sums: array<vec2<u32>, 64>;

// The element at a place of a row, counted from where its sums begin.
fn place(row: u32, at: u32) -> u32 {
	let len = params[1];
	return row * len + select(at, len - 1u - at, params[5] != 0u);
}

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
	let each = len / 64u + select(0u, 1u, len % 64u != 0u);
	let first = min(local * each, len);
	let end = min(first + each, len);
	var sum = vec2<u32>(0u);
	for (var at = first; at < end; at++) {
		sum = wide_add(sum, wide(load(place(row, at))));
	}
	sums[local] = sum;
	workgroupBarrier();
	sum = vec2<u32>(0u);
	for (var at = 0u; at < local; at++) {
		sum = wide_add(sum, sums[at]);
	}
	for (var at = first; at < end; at++) {
		let element = place(row, at);
		let before = sum;
		sum = wide_add(sum, wide(load(element)));
		if params[4] != 0u {
			result[element] = wide_saturate(before, params[2]);
		} else {
			result[element] = wide_saturate(sum, params[2]);
		}
	}
}
