// The compression function of BLAKE3 (https://github.com/BLAKE3-team/BLAKE3-specs, section 2.2), as
// far as trees over chunks need it: chaining values, which for a root are the hash.

const CHUNK_START = 1u;
const CHUNK_END = 2u;
const PARENT = 4u;
const ROOT = 8u;

fn initial() -> array<u32, 8> {
	return array<u32, 8>(
		0x6a09e667u, 0xbb67ae85u, 0x3c6ef372u, 0xa54ff53au,
		0x510e527fu, 0x9b05688cu, 0x1f83d9abu, 0x5be0cd19u);
}

fn rotated(x: u32, right: u32) -> u32 {
	return (x >> right) | (x << (32u - right));
}

fn mix(column: vec4<u32>, x: u32, y: u32) -> vec4<u32> {
	var s = column;
	s.x += s.y + x;
	s.w = rotated(s.w ^ s.x, 16u);
	s.z += s.w;
	s.y = rotated(s.y ^ s.z, 12u);
	s.x += s.y + y;
	s.w = rotated(s.w ^ s.x, 8u);
	s.z += s.w;
	s.y = rotated(s.y ^ s.z, 7u);
	return s;
}

// Of a whole block of 64 bytes; no chunk has more than 2^32 before it.
fn compress(value: array<u32, 8>, words: array<u32, 16>, chunk: u32, flags: u32) -> array<u32, 8> {
	var m = words;
	let iv = initial();
	// Columns of the 4 × 4 state.
	var s0 = vec4<u32>(value[0], value[4], iv[0], chunk);
	var s1 = vec4<u32>(value[1], value[5], iv[1], 0u);
	var s2 = vec4<u32>(value[2], value[6], iv[2], 64u);
	var s3 = vec4<u32>(value[3], value[7], iv[3], flags);
	for (var round = 0u; round < 7u; round++) {
		s0 = mix(s0, m[0], m[1]);
		s1 = mix(s1, m[2], m[3]);
		s2 = mix(s2, m[4], m[5]);
		s3 = mix(s3, m[6], m[7]);
		let d0 = mix(vec4<u32>(s0.x, s1.y, s2.z, s3.w), m[8], m[9]);
		let d1 = mix(vec4<u32>(s1.x, s2.y, s3.z, s0.w), m[10], m[11]);
		let d2 = mix(vec4<u32>(s2.x, s3.y, s0.z, s1.w), m[12], m[13]);
		let d3 = mix(vec4<u32>(s3.x, s0.y, s1.z, s2.w), m[14], m[15]);
		s0 = vec4<u32>(d0.x, d3.y, d2.z, d1.w);
		s1 = vec4<u32>(d1.x, d0.y, d3.z, d2.w);
		s2 = vec4<u32>(d2.x, d1.y, d0.z, d3.w);
		s3 = vec4<u32>(d3.x, d2.y, d1.z, d0.w);
		m = array<u32, 16>(
			m[2], m[6], m[3], m[10], m[7], m[0], m[4], m[13],
			m[1], m[11], m[12], m[5], m[9], m[14], m[15], m[8]);
	}
	return array<u32, 8>(
		s0.x ^ s0.z, s1.x ^ s1.z, s2.x ^ s2.z, s3.x ^ s3.z,
		s0.y ^ s0.w, s1.y ^ s1.w, s2.y ^ s2.w, s3.y ^ s3.w);
}
