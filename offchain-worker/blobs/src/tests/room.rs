//! A full store: what is announced takes nothing, and nobody can hold it alone.

use super::{bytes, folder, hash, impatient};
use crate::{BlobError, BlobStore, Claim, Hash, Options, Owner};
use std::{collections::BTreeSet, time::Duration};

const KIB: usize = 1 << 10;

fn claim(owner: u8, worth: u128) -> Claim {
	Claim { owner: Owner([owner; 32]), worth, deadline: None }
}

fn one(root: Hash) -> BTreeSet<Hash> {
	BTreeSet::from([root])
}

/// A store that is as long with its guests as a node's is.
fn patient(dir: &std::path::Path, quota: usize) -> BlobStore {
	BlobStore::open_with(dir, Options::with_quota(quota as u64)).unwrap()
}

/// As much of a blob as fits.
fn fill(store: &BlobStore, blob: &[u8]) -> u64 {
	let root = hash(blob);
	loop {
		let from = store.status(&root).received as usize;
		let to = blob.len().min(from + KIB);
		if from == blob.len()
			|| store.put_part(root, from as u64, blob.len() as u64, &blob[from..to]).is_err()
		{
			return store.status(&root).received;
		}
	}
}

/// The proof of concept of H6: the first 16 KiB of a pinned "16 GiB" took the whole quota.
#[test]
fn announced_length_should_take_no_room_when_the_blob_is_pinned() {
	let dir = folder();
	let options = Options { grace: Duration::ZERO, ..Options::with_quota(16 << 30) };
	let store = BlobStore::open_with(dir.path(), options).unwrap();
	let hostile = [7; 32];
	store.pin(hostile);
	store.put_part(hostile, 0, 16 << 30, &[1; 16 << 10]).unwrap();
	assert_eq!(store.usage().used, 16 << 10);
	store.insert(b"the input of an honest job").unwrap();
}

#[test]
fn many_announcements_should_take_no_room_when_all_are_pinned_and_claimed() {
	let dir = folder();
	let store = patient(dir.path(), 64 * KIB);
	for job in 0..60u8 {
		let root = [job + 1; 32];
		store.pin(root);
		store.claim(job.into(), claim(1, 1), one(root)).unwrap();
		store.put_part(root, 0, 64 * KIB as u64, &[1; 16]).unwrap();
	}
	assert_eq!(store.usage().used, 60 * 16);
	let honest = bytes(60 * KIB, 1);
	store.claim(100, claim(2, 1), one(hash(&honest))).unwrap();
	assert_eq!(fill(&store, &honest), 60 * KIB as u64);
	assert!(store.contains(&hash(&honest)));
}

/// Whatever one requester has here, in one blob or in many, on its way or whole: all but its share
/// makes way.
#[test]
fn owner_should_keep_its_share_and_no_more_when_others_need_room() {
	for (pieces, whole) in [(1, false), (1, true), (8, false), (8, true), (63, true)] {
		let dir = folder();
		let store = patient(dir.path(), 64 * KIB);
		let len = 64 * KIB / pieces - if pieces == 1 { KIB } else { 0 };
		let hostile: Vec<_> = (0..pieces).map(|seed| bytes(len, seed as u64)).collect();
		for (job, blob) in hostile.iter().enumerate() {
			store.pin(hash(blob));
			store.claim(job as u64, claim(1, 1_000_000), one(hash(blob))).unwrap();
			let part = if whole { len } else { len - 1 };
			store.put_part(hash(blob), 0, len as u64, &blob[..part]).unwrap();
		}
		// Three modest ones of less worth, all of which have to fit.
		for honest in 0..3u8 {
			let blob = bytes(15 * KIB, 100 + u64::from(honest));
			store.claim(1000 + u64::from(honest), claim(10 + honest, 1), one(hash(&blob))).unwrap();
			assert_eq!(fill(&store, &blob), blob.len() as u64, "{pieces} {whole} {honest}");
		}
		let left: u64 = hostile.iter().map(|blob| store.status(&hash(blob)).received).sum();
		// The share stays, up to what cannot be divided.
		let least = if pieces == 1 { 0 } else { 16 * KIB - len };
		assert!(left <= 19 * KIB as u64 && left >= least as u64, "{pieces} {whole}: {left}");
	}
}

#[test]
fn pin_should_hold_what_is_here_when_its_owner_is_modest_and_others_pay_more() {
	let dir = folder();
	let store = patient(dir.path(), 64 * KIB);
	let kept = bytes(16 * KIB, 1);
	store.insert(&kept).unwrap();
	store.pin(hash(&kept));
	store.claim(1, claim(1, 1), one(hash(&kept))).unwrap();
	let rich: Vec<_> = (0..5u8).map(|seed| bytes(15 * KIB, 10 + u64::from(seed))).collect();
	for (at, blob) in rich.iter().enumerate() {
		let owner = 2 + at as u8;
		store.claim(10 + at as u64, claim(owner, 1 << 60), one(hash(blob))).unwrap();
		fill(&store, blob);
	}
	assert_eq!(store.read(&hash(&kept)).unwrap(), kept);
	// Three fit beside it, and of equal worth the first ones got done.
	let whole: Vec<_> = rich.iter().map(|blob| store.contains(&hash(blob))).collect();
	assert_eq!(whole, [true, true, true, false, false]);
}

#[test]
fn cheapest_should_make_way_first_when_nobody_has_too_much() {
	let dir = folder();
	let store = patient(dir.path(), 64 * KIB);
	let blobs: Vec<_> = (0..4u8).map(|seed| bytes(16 * KIB, u64::from(seed))).collect();
	for (at, (blob, worth)) in blobs.iter().zip([40, 10, 30, 20]).enumerate() {
		store.claim(at as u64, claim(at as u8, worth), one(hash(blob))).unwrap();
		assert_eq!(fill(&store, blob), blob.len() as u64);
	}
	let new = bytes(16 * KIB, 50);
	store.claim(9, claim(9, 5), one(hash(&new))).unwrap();
	assert_eq!(fill(&store, &new), 0, "it is worth less than all");
	let held = || blobs.iter().map(|blob| store.contains(&hash(blob))).collect::<Vec<_>>();
	assert_eq!(held(), [true; 4]);
	store.claim(9, claim(9, 25), one(hash(&new))).unwrap();
	assert_eq!(fill(&store, &new), new.len() as u64);
	assert_eq!(held(), [true, false, true, true]);
	// Of equal worth the one with more time left goes.
	let late = Claim { deadline: Some(900), ..claim(3, 20) };
	let soon = Claim { deadline: Some(100), ..claim(2, 20) };
	store.claim(3, late, one(hash(&blobs[3]))).unwrap();
	store.claim(2, soon, one(hash(&blobs[2]))).unwrap();
	let newer = bytes(16 * KIB, 51);
	store.claim(8, Claim { deadline: Some(500), ..claim(8, 20) }, one(hash(&newer))).unwrap();
	assert_eq!(fill(&store, &newer), newer.len() as u64);
	assert_eq!(held(), [true, false, true, false]);
}

/// Without reservations two could each take half and wait for each other for ever.
#[test]
fn first_of_two_should_get_done_when_both_do_not_fit() {
	for owned in [false, true] {
		let dir = folder();
		let store = patient(dir.path(), 40 * KIB);
		let (first, second) = (bytes(30 * KIB, 1), bytes(30 * KIB, 2));
		for (job, blob) in [&first, &second].into_iter().enumerate() {
			store.pin(hash(blob));
			if owned {
				store.claim(job as u64, claim(7, 1), one(hash(blob))).unwrap();
			}
		}
		for at in 0..15 {
			for blob in [&first, &second] {
				let part = &blob[at * KIB..(at + 1) * KIB];
				store.put_part(hash(blob), (at * KIB) as u64, 30 * KIB as u64, part).unwrap();
			}
		}
		for blob in [&first, &second] {
			fill(&store, blob);
		}
		assert!(store.contains(&hash(&first)), "{owned}");
		assert!(store.usage().used <= 40 * KIB as u64);
	}
}

#[test]
fn what_a_client_brought_should_stay_when_jobs_of_others_need_room() {
	let dir = folder();
	let store = patient(dir.path(), 64 * KIB);
	let own = store.insert(&bytes(40 * KIB, 1)).unwrap();
	let begun = bytes(20 * KIB, 2);
	store.put_part(hash(&begun), 0, begun.len() as u64, &begun[..16 * KIB]).unwrap();
	let other = bytes(16 * KIB, 3);
	store.claim(1, claim(1, u128::MAX), one(hash(&other))).unwrap();
	assert_eq!(fill(&store, &other), 8 * KIB as u64);
	assert!(store.contains(&own));
	assert_eq!(store.status(&hash(&begun)).received, 16 * KIB as u64);
}

#[test]
fn files_should_be_bounded_when_blobs_are_tiny() {
	let dir = folder();
	let store = impatient(dir.path(), 8192);
	for seed in 0..200u64 {
		store.insert(&seed.to_le_bytes()).unwrap();
	}
	let usage = store.usage();
	assert!(usage.blobs <= 66 && usage.used == 8 * usage.blobs as u64, "{usage:?}");
	assert!(store.contains(&hash(&199u64.to_le_bytes())));
	drop(store);
	// Recent ones of the node's own client stay, and the next one is told.
	let store = patient(dir.path(), 8192);
	let refused = (200..300u64).find_map(|seed| store.insert(&seed.to_le_bytes()).err());
	assert!(matches!(refused, Some(BlobError::Quota { .. })), "{refused:?}");
}

#[test]
fn upload_should_start_again_when_it_had_to_make_way() {
	let dir = folder();
	let store = patient(dir.path(), 64 * KIB);
	let greedy = bytes(60 * KIB, 1);
	store.claim(1, claim(1, 9), one(hash(&greedy))).unwrap();
	store.put_part(hash(&greedy), 0, greedy.len() as u64, &greedy[..59 * KIB]).unwrap();
	let honest = bytes(15 * KIB, 2);
	store.claim(2, claim(2, 1), one(hash(&honest))).unwrap();
	assert_eq!(fill(&store, &honest), honest.len() as u64);
	let gap =
		store.put_part(hash(&greedy), 59 * KIB as u64, greedy.len() as u64, &greedy[59 * KIB..]);
	assert!(matches!(gap, Err(BlobError::Gap { received: 0, .. })), "{gap:?}");
	// When the other is gone there is room for it again.
	store.release(2);
	store.remove(&hash(&honest)).unwrap();
	assert_eq!(fill(&store, &greedy), greedy.len() as u64);
	assert_eq!(store.read(&hash(&greedy)).unwrap(), greedy);
}

#[test]
fn root_should_stay_its_owners_when_somebody_greedy_names_it_too() {
	let dir = folder();
	let store = patient(dir.path(), 64 * KIB);
	let honest = bytes(15 * KIB, 1);
	store.claim(1, claim(1, 1), one(hash(&honest))).unwrap();
	store.insert(&honest).unwrap();
	store.pin(hash(&honest));
	let greedy = bytes(48 * KIB, 2);
	let both = BTreeSet::from([hash(&honest), hash(&greedy)]);
	store.claim(2, claim(2, 1 << 80), both).unwrap();
	store.put_part(hash(&greedy), 0, greedy.len() as u64, &greedy).unwrap();
	let third = bytes(16 * KIB, 3);
	store.claim(3, claim(3, 1), one(hash(&third))).unwrap();
	assert_eq!(fill(&store, &third), third.len() as u64);
	assert!(store.contains(&hash(&honest)) && !store.contains(&hash(&greedy)));
}
