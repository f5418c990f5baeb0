// C[m, n] = Σ_k A[m, k] · B[n, k], four i8 to a word. A workgroup of 16 × 16 computes 64 × 64 sums,
// 4 × 4 an invocation, in steps of 8 words of k. `dot` comes from dot_packed.wgsl or dot_plain.wgsl.
// Batches lie one behind the other, in A, B and C alike.
// params: 0 m, 1 n, 2 words of k, 3 workgroups, 4 workgroups in a row of C, 8 workgroups of a batch,
// 9 element of the result where C begins.

@group(0) @binding(1) var<storage, read_write> result: array<i32>;
@group(0) @binding(2) var<storage, read> a: array<u32>;
@group(0) @binding(3) var<storage, read> b: array<u32>;

var<workgroup> tile_a: array<u32, 512>;
var<workgroup> tile_b: array<u32, 512>;

fn dots(x: u32, y: vec4<u32>) -> vec4<i32> {
	return vec4<i32>(dot(x, y.x), dot(x, y.y), dot(x, y.z), dot(x, y.w));
}

fn store(base: u32, row: u32, column: u32, sums: vec4<i32>) {
	if row < params[0] {
		let at = base + row * params[1] + column;
		if column < params[1] { result[at] = sums.x; }
		if column + 16u < params[1] { result[at + 16u] = sums.y; }
		if column + 32u < params[1] { result[at + 32u] = sums.z; }
		if column + 48u < params[1] { result[at + 48u] = sums.w; }
	}
}

@compute @workgroup_size(256)
fn main(
	@builtin(workgroup_id) group: vec3<u32>,
	@builtin(num_workgroups) groups: vec3<u32>,
	@builtin(local_invocation_index) local: u32,
) {
	let tile = group.y * groups.x + group.x;
	if tile >= params[3] {
		return;
	}
	let batch = tile / params[8];
	let row = tile % params[8] / params[4] * 64u;
	let column = tile % params[8] % params[4] * 64u;
	let tx = local % 16u;
	let ty = local / 16u;
	let words = params[2];
	let from_a = batch * params[0] * words;
	let from_b = batch * params[1] * words;
	let base = params[9] + batch * params[0] * params[1];

	var sums0 = vec4<i32>();
	var sums1 = vec4<i32>();
	var sums2 = vec4<i32>();
	var sums3 = vec4<i32>();
	for (var k = 0u; k < words; k += 8u) {
		for (var half = 0u; half < 2u; half++) {
			let line = local / 8u + half * 32u;
			let word = k + local % 8u;
			let at = (local % 8u) * 64u + line;
			var x = 0u;
			var y = 0u;
			if word < words && row + line < params[0] {
				x = a[from_a + (row + line) * words + word];
			}
			if word < words && column + line < params[1] {
				y = b[from_b + (column + line) * words + word];
			}
			tile_a[at] = x;
			tile_b[at] = y;
		}
		workgroupBarrier();
		for (var word = 0u; word < 8u; word++) {
			let at_a = word * 64u + ty;
			let at_b = word * 64u + tx;
			let y = vec4<u32>(
				tile_b[at_b], tile_b[at_b + 16u], tile_b[at_b + 32u], tile_b[at_b + 48u]);
			sums0 += dots(tile_a[at_a], y);
			sums1 += dots(tile_a[at_a + 16u], y);
			sums2 += dots(tile_a[at_a + 32u], y);
			sums3 += dots(tile_a[at_a + 48u], y);
		}
		workgroupBarrier();
	}
	store(base, row + ty, column + tx, sums0);
	store(base, row + ty + 16u, column + tx, sums1);
	store(base, row + ty + 32u, column + tx, sums2);
	store(base, row + ty + 48u, column + tx, sums3);
}
