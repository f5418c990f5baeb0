// Windows over an image; see `Geometry` of the operators. params: 24 height and width of the image,
// 26 its channels, 27 height and width of the result, 29 its channels, 30 height and width of the
// kernel, 32 groups of channels, 33 channels of one group of the image, 34 strides, 36 zeros
// before, 38 distances of elements of the image, 40 those of the kernel, 42 whether the kernel is
// read from its end.

const NOWHERE = 0xffffffffu;

// Where output position `output` meets kernel position `tap` along an axis.
fn place(axis: u32, output: u32, tap: u32) -> u32 {
	let along = select(tap, params[30u + axis] - 1u - tap, params[42] != 0u);
	let at = bitcast<i32>(output * params[34u + axis]) - bitcast<i32>(params[36u + axis])
		+ bitcast<i32>(along * params[40u + axis]);
	let distance = params[38u + axis];
	if at < 0 || u32(at) % distance != 0u || u32(at) / distance >= params[24u + axis] {
		return NOWHERE;
	}
	return u32(at) / distance;
}

// The first channel of `group` of the image that `position` of the result meets at (i, j) of its
// kernel.
fn meets(position: u32, group: u32, i: u32, j: u32) -> u32 {
	let width = params[28];
	let h = place(0u, position / width % params[27], i);
	let w = place(1u, position % width, j);
	if h == NOWHERE || w == NOWHERE {
		return NOWHERE;
	}
	let image = position / width / params[27];
	return ((image * params[24] + h) * params[25] + w) * params[26] + group * params[33];
}
