// What the 64 invocations of a workgroup have found, put together. Each of them has to come here.

const NOWHERE = 0xffffffffu;

struct Place {
	value: i32,
	at: u32,
}

var<workgroup> lane_sums: array<vec2<u32>, 64>;
var<workgroup> lane_places: array<Place, 64>;

// The sum of all, for the first invocation.
fn lanes_sum(sum: vec2<u32>, local: u32) -> vec2<u32> {
	lane_sums[local] = sum;
	workgroupBarrier();
	var all = vec2<u32>(0u);
	if local == 0u {
		for (var at = 0u; at < 64u; at++) {
			all = wide_add(all, lane_sums[at]);
		}
	}
	return all;
}

// The lowest place of the largest value, for every invocation; NOWHERE where none has found one.
fn lanes_best(found: Place, local: u32) -> Place {
	lane_places[local] = found;
	workgroupBarrier();
	var best = Place(0, NOWHERE);
	for (var at = 0u; at < 64u; at++) {
		let other = lane_places[at];
		let better = other.value > best.value || (other.value == best.value && other.at < best.at);
		if other.at != NOWHERE && (best.at == NOWHERE || better) {
			best = other;
		}
	}
	// They may have a next place to look for.
	workgroupBarrier();
	return best;
}
