// Sums of tiles.wgsl of four i8 to a word. `dot` comes from dot_packed.wgsl or dot_plain.wgsl.

alias Sums = vec4<i32>;

fn dots(sums: Sums, x: u32, y: vec4<u32>) -> Sums {
	return sums + vec4<i32>(dot(x, y.x), dot(x, y.y), dot(x, y.z), dot(x, y.w));
}

fn finished(sums: Sums) -> vec4<i32> {
	return sums;
}
