// Patches of an image as packed rows: what a convolution of one group multiplies by its weights.
// params beside those of window/window.wgsl: 0 elements of a patch, 1 words of the result, 2 words
// in a row, 3 dtype, 4 position of the first row, 8 view. One invocation writes one word.

@group(0) @binding(1) var<storage, read_write> result: array<u32>;
@group(0) @binding(2) var<storage, read> image: array<u32>;

@compute @workgroup_size(64)
fn main(
	@builtin(workgroup_id) group: vec3<u32>,
	@builtin(num_workgroups) groups: vec3<u32>,
	@builtin(local_invocation_index) local: u32,
) {
	let word = invocation(group, groups, local);
	if word >= params[1] {
		return;
	}
	let dtype = params[3];
	let channels = params[33];
	let position = params[4] + word / params[2];
	let first = (word % params[2]) * lanes(dtype);
	var packed = 0u;
	for (var lane = 0u; lane < lanes(dtype); lane++) {
		let at = first + lane;
		let tap = at / channels;
		let met = meets(position, 0u, tap / params[31], tap % params[31]);
		if at < params[0] && met != NOWHERE {
			let source = view(8u, met + at % channels);
			packed |= encode(decode(image[word_of(source, dtype)], source, dtype), lane, dtype);
		}
	}
	result[word] = packed;
}
