// The sums that scatter_sums.wgsl left, saturated.

@group(0) @binding(2) var<storage, read> sums: array<u32>;

fn element(at: u32, to: u32) -> i32 {
	let high = wide_shl(wide(bitcast<i32>(sums[2u * at + 1u])), 16u);
	return wide_saturate(wide_add(high, vec2<u32>(sums[2u * at], 0u)), to);
}
