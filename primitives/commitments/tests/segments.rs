//! Segments of a run: their roots, their openings, and the manifests of their checkpoints.

use assay_commitments::*;
use codec::{Decode, Encode};
use proptest::prelude::*;

fn traces(count: u32) -> Vec<Hash> {
	(0..count).map(|step| *blake3::hash(&step.to_le_bytes()).as_bytes()).collect()
}

fn anchors(count: u32, step: u32) -> Vec<Hash> {
	(0..count)
		.map(|at| *blake3::hash(&[at, step, 7].map(u32::to_le_bytes).concat()).as_bytes())
		.collect()
}

fn cut(steps: u32, length: u32) -> Segmentation {
	Segmentation::new(steps, length).unwrap()
}

#[test]
fn segmentation_should_be_refused_when_it_is_no_power_of_two_or_gives_too_few_or_too_many() {
	for (steps, length) in
		[(10, 0), (10, 1), (10, 3), (10, 16), (8, 8), (0, 2), (515, 2), (u32::MAX, 2)]
	{
		assert_eq!(Segmentation::new(steps, length), None, "{steps} {length}");
	}
	for (steps, length, count) in
		[(3, 2, 2), (4, 2, 2), (9, 8, 2), (512, 2, 256), (u32::MAX, 1 << 31, 2)]
	{
		let cut = cut(steps, length);
		assert_eq!(cut.count(), count);
		let ranges: Vec<_> = (0..count).map(|segment| cut.range(segment).unwrap()).collect();
		assert_eq!(ranges[0].start, 0);
		assert_eq!(ranges[ranges.len() - 1].end, steps);
		assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].start));
		assert_eq!(cut.range(count), None);
		assert_eq!(cut.segment_of(steps - 1), Some(count - 1));
		assert_eq!(cut.segment_of(steps), None);
	}
}

#[test]
fn segments_should_hash_to_the_run_root_for_every_length_and_count() {
	for length in [2, 4, 8, 16] {
		for steps in length + 1..=length * 9 {
			let (cut, traces) = (cut(steps, length), traces(steps));
			let root = run_root(&traces);
			let opening = open_segments(&cut, &traces).unwrap();
			let shown = verify_segments(&root, &cut, &opening).unwrap();
			assert_eq!(Some(shown.roots.clone()), segment_roots(&cut, &traces), "{steps} {length}");
			assert_eq!(join_segments(&shown.roots), Some(root));
			for (segment, end) in shown.ends.iter().enumerate() {
				let range = cut.range(segment as u32).unwrap();
				assert_eq!(*end, traces[range.end as usize - 1]);
			}
		}
	}
}

#[test]
fn segments_should_be_refused_when_anything_of_their_opening_is_another() {
	let (cut, traces) = (cut(21, 4), traces(21));
	let root = run_root(&traces);
	let opening = open_segments(&cut, &traces).unwrap();
	assert!(verify_segments(&root, &cut, &opening).is_some());
	let mut wrong: Vec<SegmentsOpening> = Vec::new();
	for at in 0..opening.ends.len() {
		let mut other = opening.clone();
		other.ends[at].0[0] ^= 1;
		wrong.push(other);
		let mut other = opening.clone();
		other.ends[at].1.siblings[0][31] ^= 1;
		wrong.push(other);
		let mut other = opening.clone();
		other.ends[at].1.siblings.pop();
		wrong.push(other);
		let mut other = opening.clone();
		other.ends[at].1.siblings.push([0; 32]);
		wrong.push(other);
		let mut other = opening.clone();
		other.ends.swap(at, (at + 1) % opening.ends.len());
		wrong.push(other);
	}
	let mut other = opening.clone();
	other.last = [0; 32];
	wrong.push(other);
	let mut other = opening.clone();
	other.ends.pop();
	wrong.push(other);
	// A true opening of another step than the last of its segment.
	let mut other = opening.clone();
	other.ends[1] = (traces[6], open(Tree::Run, &traces[4..8], 2).unwrap());
	wrong.push(other);
	for other in wrong {
		assert_eq!(verify_segments(&root, &cut, &other), None, "{other:?}");
	}
	assert_eq!(verify_segments(&[0; 32], &cut, &opening), None);
	assert_eq!(open_segments(&cut, &traces[1..]), None);
	assert_eq!(segment_roots(&cut, &traces[1..]), None);
}

#[test]
fn opening_should_be_refused_when_it_claims_more_segments_than_a_run_has() {
	let opening = open_segments(&cut(21, 4), &traces(21)).unwrap();
	assert_eq!(SegmentsOpening::decode(&mut &opening.encode()[..]), Ok(opening));
	let hostile = codec::Compact(256u32).encode();
	assert!(SegmentsOpening::decode(&mut &hostile[..]).is_err());
	let most = SegmentsOpening { ends: vec![Default::default(); 255], last: [0; 32] };
	assert_eq!(SegmentsOpening::decode(&mut &most.encode()[..]), Ok(most));
}

fn manifest(cut: &Segmentation, count: u32, states: &[u32]) -> (Vec<u8>, Hash) {
	let ends: Vec<_> = (1..cut.count()).map(|at| anchors(count, at * cut.length() - 1)).collect();
	let bytes = ends.iter().flat_map(|roots| checkpoint_entry(roots, states).unwrap()).collect();
	let traces: Vec<_> = ends.iter().map(|roots| trace_root(roots)).collect();
	(bytes, checkpoints_digest(&traces))
}

#[test]
fn manifest_should_give_the_states_of_every_checkpoint() {
	let cut = cut(21, 4);
	// States in another order than their anchors, and two that share one.
	for (count, states) in
		[(1, vec![0]), (5, vec![3, 1]), (9, vec![8, 0, 8, 4]), (64, (0..64).collect())]
	{
		let (bytes, digest) = manifest(&cut, count, &states);
		assert_eq!(bytes.len() as u64, 5 * checkpoint_len(count, &states).unwrap());
		let read = read_manifest(&bytes, &cut, count, &states, &digest).unwrap();
		assert_eq!(read.len(), 5);
		for (at, checkpoint) in (1..).zip(read) {
			let roots = anchors(count, at * 4 - 1);
			assert_eq!(checkpoint.trace_root, trace_root(&roots));
			let wanted: Vec<_> = states.iter().map(|at| roots[*at as usize]).collect();
			assert_eq!(checkpoint.states, wanted);
		}
	}
	assert_eq!(checkpoint_len(4, &[]), None, "a program without states has no checkpoints");
	assert_eq!(checkpoint_len(4, &[4]), None);
}

#[test]
fn manifest_should_be_refused_when_states_that_share_an_anchor_differ() {
	let cut = cut(3, 2);
	let (bytes, digest) = manifest(&cut, 3, &[1, 1]);
	assert!(read_manifest(&bytes, &cut, 3, &[1, 1], &digest).is_some());
	let mut other = bytes;
	other[64] ^= 1;
	assert_eq!(read_manifest(&other, &cut, 3, &[1, 1], &digest), None);
}

/// Pinned for other implementations: leaf i is 32 bytes of i.
#[test]
fn digest_should_equal_the_pinned_value() {
	let digest = checkpoints_digest(&[[0; 32], [1; 32], [2; 32]]);
	assert_eq!(
		hex::encode(digest),
		"40c758e986a77e21161f5e927d2080b1beb72a9ce448116c44306d77d9836ba9"
	);
}

proptest! {
	#[test]
	fn every_bit_of_a_manifest_should_matter(at in 0usize..1000, bit in 0u8..8, states in 1usize..5) {
		let (cut, positions) = (cut(17, 4), [6, 2, 0, 5]);
		let states = &positions[..states];
		let (mut bytes, digest) = manifest(&cut, 7, states);
		let at = at % bytes.len();
		bytes[at] ^= 1 << bit;
		prop_assert_eq!(read_manifest(&bytes, &cut, 7, states, &digest), None);
	}

	#[test]
	fn openings_should_be_total_on_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
		if let Ok(opening) = SegmentsOpening::decode(&mut &bytes[..]) {
			for length in [2, 4, 1 << 20] {
				let root = verify_segments(&[0; 32], &cut(length + 1, length), &opening);
				prop_assert_eq!(root, None);
			}
		}
		let read = read_manifest(&bytes, &cut(3, 2), 2, &[1], &[0; 32]);
		prop_assert_eq!(read, None);
	}
}
