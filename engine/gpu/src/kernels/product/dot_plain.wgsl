fn dot(x: u32, y: u32) -> i32 {
	let a = bitcast<i32>(x);
	let b = bitcast<i32>(y);
	return (a >> 24u) * (b >> 24u)
		+ ((a << 8u) >> 24u) * ((b << 8u) >> 24u)
		+ ((a << 16u) >> 24u) * ((b << 16u) >> 24u)
		+ ((a << 24u) >> 24u) * ((b << 24u) >> 24u);
}
