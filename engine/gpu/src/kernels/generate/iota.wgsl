// Positions along an axis. params beside those of by_word.wgsl: 3 elements inside the axis, 4 its
// length.

fn element(at: u32, to: u32) -> i32 {
	return bitcast<i32>(at / params[3] % params[4]);
}
