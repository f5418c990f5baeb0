// Reductions along a long axis: a workgroup computes one element of the result, which takes a word.
// The operands are those of elementwise/load.wgsl, of which only ReduceSumProduct has a second one.
// params beside those: 0 elements of the result, 2 dtype to saturate to, 5 length of the axis, 6
// elements inside the axis, 7 shift of the sum.

@group(0) @binding(1) var<storage, read_write> result: array<i32>;

override OP: u32;

@compute @workgroup_size(64)
fn main(
	@builtin(workgroup_id) group: vec3<u32>,
	@builtin(num_workgroups) groups: vec3<u32>,
	@builtin(local_invocation_index) local: u32,
) {
	let element = group.y * groups.x + group.x;
	if element >= params[0] {
		return;
	}
	let len = params[5];
	let inside = params[6];
	let base = element / inside * inside * len + element % inside;
	var sum = vec2<u32>(0u);
	var found = Place(0, NOWHERE);
	for (var at = local; at < len; at += 64u) {
		let x = first(base + at * inside);
		if OP == 0u {
			sum = wide_add(sum, wide(x));
		} else if OP == 3u {
			sum = wide_add(sum, wide_mul(x, second(base + at * inside)));
		} else if found.at == NOWHERE || x > found.value {
			found = Place(x, at);
		}
	}
	if OP == 1u || OP == 2u {
		found = lanes_best(found, local);
	} else {
		sum = lanes_sum(sum, local);
	}
	if local != 0u {
		return;
	}
	switch OP {
		case 0u: { result[element] = wide_saturate(sum, params[2]); }
		case 1u: { result[element] = found.value; }
		case 2u: { result[element] = bitcast<i32>(found.at); }
		default: { result[element] = wide_round_shift(sum, bitcast<i32>(params[7]), params[2]); }
	}
}
