// C[m, n] = Σ_k A[m, k] · B[n, k] of words of elements. A workgroup of 16 × 16 computes 64 × 64
// sums, 4 × 4 an invocation, in steps of 8 words of k. `Sums` of four columns, `dots`, which adds
// to them, and `finished`, their results, come from i8.wgsl or i16.wgsl. Batches lie one behind the
// other, in A, B and C alike; an element of the result takes a word. params: 0 m, 1 n, 2 words of
// k, 3 workgroups, 4 workgroups in a row of C, 8 workgroups of a batch, 9 element of the result
// where C begins.

@group(0) @binding(1) var<storage, read_write> result: array<i32>;
@group(0) @binding(2) var<storage, read> a: array<u32>;
@group(0) @binding(3) var<storage, read> b: array<u32>;

var<workgroup> tile_a: array<u32, 512>;
var<workgroup> tile_b: array<u32, 512>;

fn store(base: u32, row: u32, column: u32, sums: Sums) {
	if row < params[0] {
		let values = finished(sums);
		let at = base + row * params[1] + column;
		if column < params[1] { result[at] = values.x; }
		if column + 16u < params[1] { result[at + 16u] = values.y; }
		if column + 32u < params[1] { result[at + 32u] = values.z; }
		if column + 48u < params[1] { result[at + 48u] = values.w; }
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

	var sums0 = Sums();
	var sums1 = Sums();
	var sums2 = Sums();
	var sums3 = Sums();
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
			sums0 = dots(sums0, tile_a[at_a], y);
			sums1 = dots(sums1, tile_a[at_a + 16u], y);
			sums2 = dots(sums2, tile_a[at_a + 32u], y);
			sums3 = dots(sums3, tile_a[at_a + 48u], y);
		}
		workgroupBarrier();
	}
	store(base, row + ty, column + tx, sums0);
	store(base, row + ty + 16u, column + tx, sums1);
	store(base, row + ty + 32u, column + tx, sums2);
	store(base, row + ty + 48u, column + tx, sums3);
}
