// What all elements of a row share: Σx, R and 46 − h for Norm (in three words), the result itself
// for RowScale. A workgroup computes one row of i16, at most 2^15 of them. params: 0 rows, 3 length
// of a row, 4 whether the mean is taken off, 5 epsilon, 6 bits of fraction, 8 view.

@group(0) @binding(1) var<storage, read_write> result: array<u32>;
@group(0) @binding(2) var<storage, read> operand: array<u32>;

override OP: u32;

var<workgroup> sums: array<i32, 64>;

fn load(element: u32) -> i32 {
	let at = view(8u, element);
	return decode(operand[word_of(at, 1u)], at, 1u);
}

// V = N·Σx² − (Σx)² + epsilon·N²: below 2^63.
fn spread(len: u32, sum: i32, square: vec2<u32>) -> vec2<u32> {
	var all = wide_umul(square.x, len);
	all.y += square.y * len;
	all = wide_sub(all, wide_mul(sum, sum));
	return wide_add(all, wide_umul(params[5], len * len));
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
	let len = params[3];
	// |Σx| ≤ 2^30.
	var sum = 0;
	var square = vec2<u32>(0u);
	for (var at = local; at < len; at += 64u) {
		let x = load(row * len + at);
		sum += x;
		square = wide_add(square, vec2<u32>(u32(x * x), 0u));
	}
	sums[local] = sum;
	square = lanes_sum(square, local);
	if local != 0u {
		return;
	}
	for (var at = 1u; at < 64u; at++) {
		sum += sums[at];
	}
	if params[4] == 0u {
		sum = 0;
	}
	let v = spread(len, sum, square);
	if OP == 1u {
		// The nearest integer to 2^shift · N / √V.
		let root = nearest_root(placed(len * len, 2u * params[6] + 2u), v);
		result[row] = min(root, 0x7fffffffu);
		return;
	}
	var zeros = countLeadingZeros(v.y);
	if v.y == 0u {
		zeros = 32u + countLeadingZeros(v.x);
	}
	let h = min(zeros, 63u) / 2u;
	result[3u * row] = bitcast<u32>(sum);
	result[3u * row + 1u] = nearest_root(vec4<u32>(0u, 0u, 0u, 0x40000000u), wide_shl(v, 2u * h));
	result[3u * row + 2u] = 46u - h;
}
