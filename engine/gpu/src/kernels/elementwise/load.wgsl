// Two operands of one shape. params: 3 dtype of a, 4 dtype of b, 8 view of a, 24 view of b.

@group(0) @binding(2) var<storage, read> a: array<u32>;
@group(0) @binding(3) var<storage, read> b: array<u32>;

fn first(element: u32) -> i32 {
	let at = view(8u, element);
	return decode(a[word_of(at, params[3])], at, params[3]);
}

fn second(element: u32) -> i32 {
	let at = view(24u, element);
	return decode(b[word_of(at, params[4])], at, params[4]);
}
