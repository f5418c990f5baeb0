// Adds each update to the sums of its row. Low and high halves are summed apart, by atomics:
// integer sums do not depend on their order. Exact for 2^16 updates of a row. One invocation adds
// one update. params: 0 updates, 1 rows, 2 elements of a row, 3 dtype of the updates, 4 dtype of
// the index, 8 view of the updates, 24 view of the index.

@group(0) @binding(1) var<storage, read_write> sums: array<atomic<u32>>;
@group(0) @binding(2) var<storage, read> updates: array<u32>;
@group(0) @binding(3) var<storage, read> index: array<u32>;

@compute @workgroup_size(64)
fn main(
	@builtin(workgroup_id) group: vec3<u32>,
	@builtin(num_workgroups) groups: vec3<u32>,
	@builtin(local_invocation_index) local: u32,
) {
	let element = invocation(group, groups, local);
	if element >= params[0] {
		return;
	}
	let index_at = view(24u, element / params[2]);
	let row = decode(index[word_of(index_at, params[4])], index_at, params[4]);
	// A negative one is large as u32.
	if bitcast<u32>(row) >= params[1] {
		return;
	}
	let at = view(8u, element);
	let value = decode(updates[word_of(at, params[3])], at, params[3]);
	let to = bitcast<u32>(row) * params[2] + element % params[2];
	atomicAdd(&sums[2u * to], bitcast<u32>(value) & 0xffffu);
	atomicAdd(&sums[2u * to + 1u], bitcast<u32>(value >> 16u));
}
