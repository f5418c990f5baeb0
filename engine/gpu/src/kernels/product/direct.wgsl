// A convolution, one output element after the other: for groups of channels, which leave products
// of matrices nothing to share. params beside those of by_word.wgsl, window/window.wgsl and, for
// i16, narrow.wgsl: 3 dtype of the operands, 8 view of the image, 43 view of the weights.

@group(0) @binding(2) var<storage, read> image: array<u32>;
@group(0) @binding(3) var<storage, read> weights: array<u32>;

override OP: u32;

fn factor(image_at: u32, weight_at: u32) -> i32 {
	let x = view(8u, image_at);
	let w = view(43u, weight_at);
	let dtype = params[3];
	return decode(image[word_of(x, dtype)], x, dtype) * decode(weights[word_of(w, dtype)], w, dtype);
}

fn element(at: u32, to: u32) -> i32 {
	let channel = at % params[29];
	let group = channel / (params[29] / params[32]);
	var sum = 0;
	var low = 0u;
	var high = 0;
	for (var i = 0u; i < params[30]; i++) {
		for (var j = 0u; j < params[31]; j++) {
			let met = meets(at / params[29], group, i, j);
			if met == NOWHERE {
				continue;
			}
			let weight = ((channel * params[30] + i) * params[31] + j) * params[33];
			for (var c = 0u; c < params[33]; c++) {
				let product = factor(met + c, weight + c);
				// i8 sums stay in a word; those of i16 are summed in halves, as in i16.wgsl.
				sum += product;
				low += bitcast<u32>(product) & 0xffffu;
				high += product >> 16u;
			}
		}
	}
	if OP == 0u {
		return sum;
	}
	return narrow(low, high);
}
