// The largest element of each row and the sum of its exponentials, in three words. A workgroup
// computes one row. params beside those of exponential.wgsl: 0 rows.

@group(0) @binding(1) var<storage, read_write> result: array<u32>;

var<workgroup> largest: array<i32, 64>;

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
	let len = params[6];
	let base = row * len;
	var best = load(base);
	for (var at = local; at < len; at += 64u) {
		best = max(best, load(base + at));
	}
	largest[local] = best;
	workgroupBarrier();
	for (var at = 0u; at < 64u; at++) {
		best = max(best, largest[at]);
	}
	var sum = vec2<u32>(0u);
	for (var at = local; at < len; at += 64u) {
		sum = wide_add(sum, vec2<u32>(exponential(best, load(base + at)), 0u));
	}
	sum = lanes_sum(sum, local);
	if local == 0u {
		result[3u * row] = bitcast<u32>(best);
		result[3u * row + 1u] = sum.x;
		result[3u * row + 2u] = sum.y;
	}
}
