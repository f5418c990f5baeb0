// params: 0 elements, 1 words of the result, 2 its dtype, 3 dtype of a, 4 dtype of b, 5 and 6
// arguments, 8 view of a, 24 view of b. One invocation writes one word.

@group(0) @binding(1) var<storage, read_write> result: array<u32>;
@group(0) @binding(2) var<storage, read> a: array<u32>;
@group(0) @binding(3) var<storage, read> b: array<u32>;

override OP: u32;

fn first(element: u32) -> i32 {
	let at = view(8u, element);
	return decode(a[word_of(at, params[3])], at, params[3]);
}

fn second(element: u32) -> i32 {
	let at = view(24u, element);
	return decode(b[word_of(at, params[4])], at, params[4]);
}

fn apply(element: u32, to: u32) -> i32 {
	let x = first(element);
	switch OP {
		case 0u: { return wide_saturate(wide_add(wide(x), wide(second(element))), to); }
		case 1u: { return wide_saturate(wide_sub(wide(x), wide(second(element))), to); }
		case 2u: { return wide_saturate(wide_mul(x, second(element)), to); }
		case 3u: { return saturate_i32(max(x, second(element)), to); }
		case 4u: { return saturate_i32(min(x, second(element)), to); }
		case 5u: { return min(max(x, bitcast<i32>(params[5])), bitcast<i32>(params[6])); }
		case 6u: { return wide_round_shift(wide(x), bitcast<i32>(params[5]), to); }
		default: { return saturate_i32(x, to); }
	}
}

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
			packed |= encode(apply(element, to), lane, to);
		}
	}
	result[word] = packed;
}
