//! Whatever bytes come: a slice is accepted only if it is the one that the root names.

use super::{bytes, root_of, Random};
use crate::{
	tree::{self, SliceError, Span, GROUP, MAX_RANGE, MAX_SLICE},
	wire::{Refusal, Request, Response, WireError, MAX_REQUEST, MAX_RESPONSE, MAX_ROOTS, VERSION},
};
use assay_blobs::Hash;
use std::{fs::File, io::Write};

/// A blob with its outboard, in files.
struct Held {
	bytes: Vec<u8>,
	root: Hash,
	blob: File,
	outboard: File,
}

fn held(bytes: Vec<u8>) -> Held {
	let (mut blob, mut outboard) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
	blob.write_all(&bytes).unwrap();
	let mut nodes = Vec::new();
	let root = tree::outboard(&bytes[..], bytes.len() as u64, &mut nodes).unwrap();
	assert_eq!(nodes.len() as u64, tree::outboard_len(bytes.len() as u64));
	outboard.write_all(&nodes).unwrap();
	assert_eq!(root, root_of(&bytes), "the outboard's root is the blob's address");
	Held { bytes, root, blob, outboard }
}

impl Held {
	fn span(&self, offset: u64, len: u64) -> Span {
		Span::new(self.bytes.len() as u64, offset, len as u32).unwrap()
	}

	fn slice(&self, span: &Span) -> Vec<u8> {
		tree::slice(&self.root, span, &self.blob, &self.outboard).unwrap()
	}

	fn truth(&self, span: &Span) -> &[u8] {
		&self.bytes[span.offset as usize..span.end() as usize]
	}
}

#[test]
fn slice_should_give_its_bytes_when_it_is_right() {
	let lens = [1, 1023, 1024, 1025, GROUP - 1, GROUP, GROUP + 1, 5 * GROUP, 100 * GROUP + 77];
	for (seed, len) in lens.into_iter().enumerate() {
		let held = held(bytes(len as usize, seed as u64));
		let mut offset = 0;
		while offset < len {
			for groups in [1, 2, 3, 64] {
				let span = held.span(offset, (groups * GROUP).min(len - offset));
				let slice = held.slice(&span);
				assert!(slice.len() <= MAX_SLICE);
				assert_eq!(tree::verify(&held.root, &span, &slice).unwrap(), held.truth(&span));
			}
			offset += 7 * GROUP;
		}
	}
}

#[test]
fn span_should_be_refused_when_no_blob_has_it() {
	let total = 10 * GROUP + 5;
	for (offset, len) in [
		(0, 0),
		(1, 5),
		(0, GROUP as u32 - 1),
		(GROUP / 2, GROUP as u32),
		(10 * GROUP, 6),
		(11 * GROUP, 1),
		(u64::MAX - GROUP + 1, GROUP as u32),
		(u64::MAX, 1),
		(0, u32::MAX),
	] {
		assert_eq!(Span::new(total, offset, len), None, "{offset} {len}");
	}
	assert_eq!(Span::new(4 * MAX_RANGE, 0, MAX_RANGE as u32 + GROUP as u32), None);
	assert!(Span::new(total, 10 * GROUP, 5).is_some());
	// The largest blob that can be written down.
	let top = u64::MAX / GROUP * GROUP;
	let span = Span::new(top, top - MAX_RANGE, MAX_RANGE as u32).unwrap();
	assert!(tree::verify(&[0; 32], &span, &[]).is_err());
}

#[test]
fn slice_should_be_refused_when_any_byte_of_it_differs() {
	let held = held(bytes(6 * GROUP as usize + 100, 1));
	for span in [held.span(0, GROUP), held.span(2 * GROUP, 2 * GROUP), held.span(6 * GROUP, 100)] {
		let slice = held.slice(&span);
		for at in (0..slice.len()).step_by(61).chain(0..200.min(slice.len())) {
			let mut wrong = slice.clone();
			wrong[at] ^= 1 << (at % 8);
			assert_eq!(tree::verify(&held.root, &span, &wrong), Err(SliceError::Wrong), "{at}");
		}
	}
}

#[test]
fn slice_should_be_refused_when_it_is_truncated_too_long_or_of_something_else() {
	let one = held(bytes(9 * GROUP as usize, 2));
	let other = held(bytes(9 * GROUP as usize, 3));
	let span = one.span(2 * GROUP, 2 * GROUP);
	let slice = one.slice(&span);
	for len in (0..slice.len()).step_by(997).chain([slice.len() - 1]) {
		assert_eq!(tree::verify(&one.root, &span, &slice[..len]), Err(SliceError::Short));
	}
	let long = [&slice[..], &[0]].concat();
	assert_eq!(tree::verify(&one.root, &span, &long), Err(SliceError::Long));
	let twice = [&slice[..], &slice[..]].concat();
	assert_eq!(tree::verify(&one.root, &span, &twice), Err(SliceError::Long));
	for elsewhere in [one.span(4 * GROUP, 2 * GROUP), one.span(0, 2 * GROUP), one.span(0, GROUP)] {
		let slice = one.slice(&elsewhere);
		assert!(tree::verify(&one.root, &span, &slice).is_err());
	}
	assert_eq!(tree::verify(&one.root, &span, &other.slice(&span)), Err(SliceError::Wrong));
	assert_eq!(tree::verify(&other.root, &span, &slice), Err(SliceError::Wrong));
	assert!(tree::verify(&one.root, &span, one.truth(&span)).is_err());
}

#[test]
fn last_range_should_prove_the_length_when_a_blob_is_said_to_be_longer_or_shorter() {
	let held = held(bytes(9 * GROUP as usize, 4));
	let true_total = held.bytes.len() as u64;
	for total in [true_total - 1, true_total + 1, true_total - GROUP, true_total + GROUP] {
		let offset = (total - 1) / GROUP * GROUP;
		let span = Span::new(total, offset, (total - offset) as u32).unwrap();
		// With everything that a liar could know, and with bytes cut or filled up.
		for from in [0, 7 * GROUP, 8 * GROUP] {
			let mut slice = held.slice(&held.span(from, true_total - from));
			assert!(tree::verify(&held.root, &span, &slice).is_err(), "{total}");
			slice.pop();
			assert!(tree::verify(&held.root, &span, &slice).is_err(), "{total}");
			slice.extend([0, 0]);
			assert!(tree::verify(&held.root, &span, &slice).is_err(), "{total}");
		}
	}
}

#[test]
fn damaged_file_should_be_noticed_while_the_slice_is_made() {
	for damage_outboard in [false, true] {
		let held = held(bytes(20 * GROUP as usize, 5));
		let file = if damage_outboard { &held.outboard } else { &held.blob };
		std::os::unix::fs::FileExt::write_all_at(file, &[1, 2, 3], 70).unwrap();
		let span = held.span(0, 4 * GROUP);
		let made = tree::slice(&held.root, &span, &held.blob, &held.outboard);
		assert!(matches!(made, Err(tree::EncodeFault::Damaged)), "{made:?}");
	}
	let held = held(bytes(20 * GROUP as usize, 6));
	held.blob.set_len(GROUP).unwrap();
	let span = held.span(0, 4 * GROUP);
	assert!(matches!(
		tree::slice(&held.root, &span, &held.blob, &held.outboard),
		Err(tree::EncodeFault::Damaged)
	));
}

#[test]
fn message_should_be_refused_when_no_node_would_have_sent_it() {
	let most = Request::Have(vec![[7; 32]; MAX_ROOTS]).to_bytes();
	assert_eq!(most.len() as u64, MAX_REQUEST);
	assert!(Request::read(&most).is_ok());
	let range =
		|total, offset, len| Request::Range { root: [1; 32], total, offset, len }.to_bytes();
	assert!(Request::read(&range(GROUP, 0, GROUP as u32)).is_ok());
	for (bytes, error) in [
		(vec![], WireError::Garbage),
		(vec![VERSION], WireError::Garbage),
		(vec![VERSION + 1, 0, 0], WireError::Version),
		(vec![VERSION, 9], WireError::Garbage),
		(vec![VERSION, 0, 0, 0], WireError::Garbage),
		// A vector that says that it has 2^30 - 1 entries.
		(vec![VERSION, 0, 0xfe, 0xff, 0xff, 0xff], WireError::Garbage),
		(Request::Have(vec![[7; 32]; MAX_ROOTS + 1]).to_bytes(), WireError::TooLong),
		(range(GROUP, 0, 0), WireError::Range),
		(range(GROUP, GROUP, 1), WireError::Range),
		(range(u64::MAX, u64::MAX, u32::MAX), WireError::Range),
		([range(GROUP, 0, GROUP as u32), vec![0]].concat(), WireError::Garbage),
	] {
		assert_eq!(Request::read(&bytes), Err(error), "{bytes:?}");
	}
	let longest = Response::Slice(vec![0; MAX_SLICE]).to_bytes();
	assert!(longest.len() as u64 <= MAX_RESPONSE && Response::read(&longest).is_ok());
	for (bytes, error) in [
		(vec![0; MAX_RESPONSE as usize + 1], WireError::TooLong),
		(Response::Have(vec![1; MAX_ROOTS + 1]).to_bytes(), WireError::TooLong),
		(vec![VERSION, 1, 0xfe, 0xff, 0xff, 0xff], WireError::Garbage),
		(vec![VERSION, 2, 3], WireError::Garbage),
		(vec![0], WireError::Version),
	] {
		assert_eq!(Response::read(&bytes), Err(error));
	}
}

#[test]
fn messages_should_be_the_same_when_written_and_read() {
	for request in [
		Request::Have(vec![]),
		Request::Have(vec![[1; 32], [2; 32]]),
		Request::Range { root: [3; 32], total: GROUP + 1, offset: GROUP, len: 1 },
	] {
		assert_eq!(Request::read(&request.to_bytes()), Ok(request));
	}
	for response in [
		Response::Have(vec![0, u64::MAX]),
		Response::Slice(vec![1, 2, 3]),
		Response::Refused(Refusal::Unknown),
		Response::Refused(Refusal::Length(9)),
		Response::Refused(Refusal::Busy(500)),
	] {
		assert_eq!(Response::read(&response.to_bytes()), Ok(response));
	}
	// The bytes are those of docs/blobs.md.
	let range = Request::Range { root: [3; 32], total: 2, offset: 0, len: 2 }.to_bytes();
	let words = [&[1, 1][..], &[3; 32], &[2, 0, 0, 0, 0, 0, 0, 0], &[0; 8], &[2, 0, 0, 0]].concat();
	assert_eq!(range, words);
	assert_eq!(Response::Refused(Refusal::Busy(500)).to_bytes(), [1, 2, 2, 0xf4, 1, 0, 0]);
}

/// Random damage of real messages, and random bytes: nothing panics, and bytes that are accepted
/// are right.
#[test]
fn decoder_should_accept_nothing_but_the_truth_when_bytes_are_hostile() {
	let mut random = Random::new("hostile decoder");
	let helds: Vec<_> = [1, 40 * GROUP as usize + 9, 3 * GROUP as usize]
		.into_iter()
		.map(|len| held(random.bytes(len)))
		.collect();
	let (mut accepted, mut refused) = (0u32, 0u32);
	for round in 0..6_000 {
		let held = &helds[random.below(helds.len())];
		let total = held.bytes.len() as u64;
		let groups = total.div_ceil(GROUP);
		let offset = random.next() % groups * GROUP;
		let len = (GROUP * (1 + random.next() % 4)).min(total - offset);
		let span = held.span(offset, len);
		let mut message = Response::Slice(held.slice(&span)).to_bytes();
		for _ in 0..random.below(4) {
			let at = random.below(message.len());
			match random.below(7) {
				0 => message[at] ^= 1 << random.below(8),
				1 => message.truncate(at),
				2 => message.insert(at, random.next() as u8),
				3 => drop(message.remove(at)),
				4 => message = [&[VERSION, 1][..], &random.bytes(at)].concat(),
				5 => message = random.bytes(at),
				_ => {
					let end = (at + 64).min(message.len());
					let piece = message[at..end].to_vec();
					message.splice(at..at, piece);
				}
			}
			if message.is_empty() {
				break;
			}
		}
		let asked = if round % 5 == 0 {
			// The question was another one.
			let offset = random.next() % groups * GROUP;
			held.span(offset, GROUP.min(total - offset))
		} else {
			span
		};
		let _ = Request::read(&message);
		let Ok(Response::Slice(slice)) = Response::read(&message) else {
			refused += 1;
			continue;
		};
		match tree::verify(&held.root, &asked, &slice) {
			Ok(bytes) => {
				assert_eq!(bytes, held.truth(&asked));
				accepted += 1;
			}
			Err(_) => refused += 1,
		}
	}
	println!("{accepted} accepted, all of them right; {refused} refused");
	assert!(accepted > 500 && refused > 2_000);
}
