// The largest or the sum of each window; none is empty. params beside those of by_word.wgsl and
// window.wgsl: 3 dtype of the image, 8 its view.

@group(0) @binding(2) var<storage, read> image: array<u32>;

override OP: u32;

fn element(at: u32, to: u32) -> i32 {
	var best = bitcast<i32>(0x80000000u);
	var sum = vec2<u32>(0u);
	for (var i = 0u; i < params[30]; i++) {
		for (var j = 0u; j < params[31]; j++) {
			let met = meets(at / params[29], at % params[29], i, j);
			if met != NOWHERE {
				let source = view(8u, met);
				let value = decode(image[word_of(source, params[3])], source, params[3]);
				best = max(best, value);
				sum = wide_add(sum, wide(value));
			}
		}
	}
	if OP == 0u {
		return saturate_i32(best, to);
	}
	return wide_saturate(sum, to);
}
