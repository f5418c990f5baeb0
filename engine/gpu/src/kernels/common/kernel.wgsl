// Shared by every kernel: element access, affine views and 64-bit arithmetic on two u32 limbs.
//
// A tensor is row-major in a buffer of u32 words: four i8, two i16 or one i32 to a word, the first
// element in the low bits, bytes past the last element undefined. `dtype` is 0, 1, 2 for i8, i16,
// i32.

@group(0) @binding(0) var<storage, read> params: array<u32, 64>;

// ---- elements ----

fn word_of(element: u32, dtype: u32) -> u32 {
	return element >> (2u - dtype);
}

fn decode(word: u32, element: u32, dtype: u32) -> i32 {
	if dtype == 0u {
		return bitcast<i32>(word << (24u - 8u * (element & 3u))) >> 24u;
	}
	if dtype == 1u {
		return bitcast<i32>(word << (16u - 16u * (element & 1u))) >> 16u;
	}
	return bitcast<i32>(word);
}

fn lanes(dtype: u32) -> u32 {
	return 4u >> dtype;
}

// `value`, which is within the range of `dtype`, as its lane of a word.
fn encode(value: i32, lane: u32, dtype: u32) -> u32 {
	let word = bitcast<u32>(value);
	if dtype == 0u {
		return (word & 0xffu) << (8u * lane);
	}
	if dtype == 1u {
		return (word & 0xffffu) << (16u * lane);
	}
	return word;
}

fn lowest(dtype: u32) -> i32 {
	return bitcast<i32>(0x80000000u) >> (24u - 8u * ((1u << dtype) - 1u));
}

fn highest(dtype: u32) -> i32 {
	return bitcast<i32>(0x7fffffffu) >> (24u - 8u * ((1u << dtype) - 1u));
}

// ---- views ----

// A view lies in `params` from `at`: rank, offset, then dimensions and strides, outermost first.
fn view(at: u32, element: u32) -> u32 {
	let rank = params[at];
	var rest = element;
	var source = params[at + 1u];
	for (var axis = rank; axis > 1u; axis--) {
		let size = params[at + 1u + axis];
		source += (rest % size) * params[at + 7u + axis];
		rest = rest / size;
	}
	return source + rest * params[at + 8u];
}

// The word of the output that an invocation writes: dispatches are at most two-dimensional.
fn invocation(group: vec3<u32>, groups: vec3<u32>, local: u32) -> u32 {
	return (group.y * groups.x + group.x) * 64u + local;
}

// ---- 64 bit: x is the low limb, y the high one ----

fn wide(value: i32) -> vec2<u32> {
	return vec2<u32>(bitcast<u32>(value), bitcast<u32>(value >> 31u));
}

fn wide_add(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
	let low = a.x + b.x;
	return vec2<u32>(low, a.y + b.y + select(0u, 1u, low < a.x));
}

fn wide_sub(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
	return vec2<u32>(a.x - b.x, a.y - b.y - select(0u, 1u, a.x < b.x));
}

fn wide_umul(a: u32, b: u32) -> vec2<u32> {
	let a0 = a & 0xffffu;
	let a1 = a >> 16u;
	let b0 = b & 0xffffu;
	let b1 = b >> 16u;
	let low = a0 * b0;
	let middle = a1 * b0 + (low >> 16u);
	let cross = a0 * b1 + (middle & 0xffffu);
	return vec2<u32>((cross << 16u) | (low & 0xffffu), a1 * b1 + (middle >> 16u) + (cross >> 16u));
}

fn wide_mul(a: i32, b: i32) -> vec2<u32> {
	var product = wide_umul(bitcast<u32>(a), bitcast<u32>(b));
	product.y -= select(0u, bitcast<u32>(b), a < 0);
	product.y -= select(0u, bitcast<u32>(a), b < 0);
	return product;
}

// By 0 to 63 bits, without loss of what leaves at the top.
fn wide_shl(a: vec2<u32>, by: u32) -> vec2<u32> {
	if by == 0u {
		return a;
	}
	if by < 32u {
		return vec2<u32>(a.x << by, (a.y << by) | (a.x >> (32u - by)));
	}
	return vec2<u32>(0u, a.x << (by - 32u));
}

// Arithmetic, by 0 to 63 bits.
fn wide_shr(a: vec2<u32>, by: u32) -> vec2<u32> {
	let high = bitcast<i32>(a.y);
	if by == 0u {
		return a;
	}
	if by < 32u {
		return vec2<u32>((a.x >> by) | (a.y << (32u - by)), bitcast<u32>(high >> by));
	}
	return vec2<u32>(bitcast<u32>(high >> (by - 32u)), bitcast<u32>(high >> 31u));
}

fn saturate_i32(value: i32, dtype: u32) -> i32 {
	return clamp(value, lowest(dtype), highest(dtype));
}

fn wide_saturate(a: vec2<u32>, dtype: u32) -> i32 {
	let low = bitcast<i32>(a.x);
	if bitcast<u32>(low >> 31u) == a.y {
		return saturate_i32(low, dtype);
	}
	return select(highest(dtype), lowest(dtype), bitcast<i32>(a.y) < 0);
}

// The nearest value of `dtype` to a / 2^by, rounded half up; by < 0 multiplies. `by` is clamped to
// −31 to 62. What is outside i32 before a left shift is so after it, so saturating first is exact.
fn wide_round_shift(a: vec2<u32>, by: i32, dtype: u32) -> i32 {
	if by <= 0 {
		return wide_saturate(wide_shl(wide(wide_saturate(a, 2u)), u32(min(-by, 31))), dtype);
	}
	let right = u32(min(by, 62));
	let half = wide_shr(a, right - 1u).x & 1u;
	return wide_saturate(wide_add(wide_shr(a, right), vec2<u32>(half, 0u)), dtype);
}
