// Sums of tiles.wgsl of two i16 to a word, narrowed to sat(sum · multiplier / 2^shift). Products
// are below 2^31; their low and high halves are summed apart, exact for 2^16 products, and combined
// once to 64 bits. params beside those of tiles.wgsl: those of narrow.wgsl.

struct Sums {
	low: vec4<u32>,
	high: vec4<i32>,
}

fn absorb(sums: Sums, x: i32, y: vec4<i32>) -> Sums {
	let products = vec4<i32>(x) * y;
	return Sums(
		sums.low + (bitcast<vec4<u32>>(products) & vec4<u32>(0xffffu)),
		sums.high + (products >> vec4<u32>(16u)),
	);
}

fn dots(sums: Sums, x: u32, y: vec4<u32>) -> Sums {
	let even = bitcast<vec4<i32>>(y << vec4<u32>(16u)) >> vec4<u32>(16u);
	let odd = bitcast<vec4<i32>>(y) >> vec4<u32>(16u);
	return absorb(
		absorb(sums, bitcast<i32>(x << 16u) >> 16u, even),
		bitcast<i32>(x) >> 16u,
		odd,
	);
}

fn finished(sums: Sums) -> vec4<i32> {
	return vec4<i32>(
		narrow(sums.low.x, sums.high.x),
		narrow(sums.low.y, sums.high.y),
		narrow(sums.low.z, sums.high.z),
		narrow(sums.low.w, sums.high.w),
	);
}
