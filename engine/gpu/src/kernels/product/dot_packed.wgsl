fn dot(x: u32, y: u32) -> i32 {
	return dot4I8Packed(x, y);
}
