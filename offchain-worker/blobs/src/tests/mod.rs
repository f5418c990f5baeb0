use crate::{disk::faults, BlobError, BlobStore, Hash, Options, Status};
use proptest::prelude::*;
use std::{
	fs,
	path::Path,
	process::Command,
	sync::atomic::{AtomicUsize, Ordering},
	time::Duration,
};

mod jobs;
mod room;

const MIB: u64 = 1 << 20;

fn bytes(len: usize, seed: u64) -> Vec<u8> {
	let mut bytes = vec![0; len];
	blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
	bytes
}

fn hash(bytes: &[u8]) -> Hash {
	*blake3::hash(bytes).as_bytes()
}

fn folder() -> tempfile::TempDir {
	tempfile::tempdir().unwrap()
}

fn store(dir: &Path) -> BlobStore {
	BlobStore::open(dir, 64 * MIB).unwrap()
}

fn impatient(dir: &Path, quota: u64) -> BlobStore {
	let options = Options { grace: Duration::ZERO, ..Options::with_quota(quota) };
	BlobStore::open_with(dir, options).unwrap()
}

fn files(dir: &Path) -> usize {
	fs::read_dir(dir).unwrap().count()
}

fn present(len: u64) -> Status {
	Status { present: true, len, received: len }
}

#[test]
fn blob_should_be_readable_when_all_parts_have_arrived() {
	let dir = folder();
	let store = store(dir.path());
	let blob = bytes(10_000, 1);
	let (root, total) = (hash(&blob), 10_000);
	assert_eq!(store.status(&root), Status::default());
	for (part, chunk) in blob.chunks(3000).enumerate() {
		assert!(matches!(store.get(&root, 0, 1), Err(BlobError::Unknown(_))));
		let offset = part as u64 * 3000;
		let status = store.put_part(root, offset, total, chunk).unwrap();
		assert_eq!(status.received, offset + chunk.len() as u64);
		assert_eq!(status, store.status(&root));
	}
	assert_eq!(store.status(&root), present(total));
	assert_eq!(store.read(&root).unwrap(), blob);
	assert_eq!(store.get(&root, 9_990, 100).unwrap(), blob[9_990..]);
	assert_eq!(store.get(&root, total, 100).unwrap(), []);
	assert!(matches!(store.get(&root, total + 1, 1), Err(BlobError::Range { .. })));
	assert_eq!(fs::read(store.path(&root).unwrap()).unwrap(), blob);
	assert_eq!(store.put_part(root, 0, total, &blob[..5]).unwrap(), present(total));
	assert_eq!((store.usage().used, store.usage().blobs, store.usage().uploads), (total, 1, 0));
	assert_eq!(files(&dir.path().join("partial")), 0);
}

#[test]
fn upload_should_be_discarded_when_its_bytes_do_not_match_the_root() {
	let dir = folder();
	let store = store(dir.path());
	let blob = bytes(5000, 2);
	let root = hash(&blob);
	let mut wrong = blob.clone();
	wrong[4999] ^= 1;
	store.put_part(root, 0, 5000, &wrong[..2500]).unwrap();
	match store.put_part(root, 2500, 5000, &wrong[2500..]) {
		Err(BlobError::RootMismatch { expected, actual }) => {
			assert_eq!((expected, actual), (root, hash(&wrong)))
		}
		other => panic!("{other:?}"),
	}
	assert_eq!((store.status(&root), store.usage().used), (Status::default(), 0));
	assert_eq!(files(&dir.path().join("partial")) + files(&dir.path().join("blobs")), 0);
	store.insert(&blob).unwrap();
	assert_eq!(store.read(&root).unwrap(), blob);
}

#[test]
fn part_should_be_refused_when_it_does_not_fit_its_place() {
	let dir = folder();
	let store = store(dir.path());
	let blob = bytes(100, 3);
	let root = hash(&blob);
	assert!(matches!(store.put_part(root, 100, 100, &[1]), Err(BlobError::Range { .. })));
	assert!(matches!(store.put_part(root, 0, 0, &[]), Err(BlobError::Range { .. })));
	assert!(matches!(store.put_part(root, 50, 100, &blob[..51]), Err(BlobError::Range { .. })));
	assert!(matches!(store.put_part(root, u64::MAX, 100, &[1]), Err(BlobError::Range { .. })));
	assert!(matches!(
		store.put_part(root, 10, 100, &blob[10..]),
		Err(BlobError::Gap { received: 0, .. })
	));
	store.put_part(root, 0, 100, &blob[..40]).unwrap();
	assert!(matches!(
		store.put_part(root, 41, 100, &blob[41..]),
		Err(BlobError::Gap { offset: 41, received: 40 })
	));
	let max = Options::with_quota(0).max_blob;
	assert!(matches!(store.put_part(root, 0, max + 1, &[1]), Err(BlobError::TooLarge { .. })));
	// Overlapping and repeated parts are fine.
	assert_eq!(store.put_part(root, 0, 100, &blob[..30]).unwrap().received, 40);
	assert_eq!(store.put_part(root, 20, 100, &blob[20..]).unwrap(), present(100));
	assert!(matches!(store.insert(&[]), Err(BlobError::Range { .. })));
}

#[test]
fn upload_should_start_again_when_announced_with_another_length() {
	let dir = folder();
	let store = store(dir.path());
	let blob = bytes(100, 4);
	let root = hash(&blob);
	store.put_part(root, 0, 5000, &blob[..50]).unwrap();
	assert!(matches!(store.put_part(root, 50, 100, &blob[50..]), Err(BlobError::Gap { .. })));
	assert_eq!(store.put_part(root, 0, 100, &blob).unwrap(), present(100));
	assert_eq!(store.usage().used, 100);
}

#[test]
fn store_should_resume_blobs_and_uploads_when_opened_again() {
	let dir = folder();
	let (whole, half) = (bytes(9000, 5), bytes(8000, 6));
	let first = store(dir.path());
	first.insert(&whole).unwrap();
	first.put_part(hash(&half), 0, 8000, &half[..4000]).unwrap();
	drop(first);
	let again = store(dir.path());
	assert_eq!(again.read(&hash(&whole)).unwrap(), whole);
	let status = again.status(&hash(&half));
	assert_eq!(status, Status { present: false, len: 8000, received: 4000 });
	again.put_part(hash(&half), 4000, 8000, &half[4000..]).unwrap();
	assert_eq!(again.read(&hash(&half)).unwrap(), half);
	assert_eq!(again.usage().used, 17_000);
}

#[test]
fn upload_should_finish_with_an_empty_part_when_a_crash_came_after_its_last_byte() {
	let dir = folder();
	let blob = bytes(5000, 14);
	let root = hash(&blob);
	drop(store(dir.path()));
	let partial = dir.path().join("partial").join(format!("{}-5000-7", hex::encode(root)));
	fs::write(partial, &blob).unwrap();
	let store = store(dir.path());
	assert_eq!(store.status(&root), Status { present: false, len: 5000, received: 5000 });
	assert_eq!(store.put_part(root, 5000, 5000, &[]).unwrap(), present(5000));
	assert_eq!(store.read(&root).unwrap(), blob);
}

#[test]
fn upload_should_fail_by_its_hash_when_a_crash_garbled_the_partial_file() {
	let dir = folder();
	let blob = bytes(8000, 7);
	let root = hash(&blob);
	let first = store(dir.path());
	first.put_part(root, 0, 8000, &blob[..4000]).unwrap();
	drop(first);
	let partial = fs::read_dir(dir.path().join("partial")).unwrap().next().unwrap().unwrap().path();
	fs::write(&partial, vec![0; 4000]).unwrap();
	let again = store(dir.path());
	let finished = again.put_part(root, 4000, 8000, &blob[4000..]);
	assert!(matches!(finished, Err(BlobError::RootMismatch { .. })));
	again.insert(&blob).unwrap();
	assert_eq!(again.read(&root).unwrap(), blob);
}

#[test]
fn leftovers_that_belong_to_no_blob_should_be_removed_when_opened() {
	let dir = folder();
	let blob = bytes(100, 8);
	let name = hex::encode(hash(&blob));
	drop(store(dir.path()));
	let (blobs, partial) = (dir.path().join("blobs"), dir.path().join("partial"));
	for junk in ["x", &name[1..], &name.to_uppercase(), &format!("{name}.tmp")] {
		fs::write(blobs.join(junk), b"x").unwrap();
	}
	fs::write(blobs.join(&name), b"").unwrap();
	for junk in [
		format!("{name}-5-0"),
		format!("{name}-5"),
		format!("{name}-x-0"),
		format!("{name}-99999999999999999999-0"),
		format!("{name}-{}-0", u64::MAX),
	] {
		fs::write(partial.join(junk), b"longer than five").unwrap();
	}
	let store = store(dir.path());
	assert_eq!((store.usage().used, files(&blobs), files(&partial)), (0, 0, 0));
	store.insert(&blob).unwrap();
}

#[test]
fn blob_should_be_reported_corrupt_when_its_file_was_damaged_at_rest() {
	for damage in [&b"short"[..], &bytes(5000, 10)] {
		let dir = folder();
		let blob = bytes(5000, 9);
		let root = store(dir.path()).insert(&blob).unwrap();
		fs::write(dir.path().join("blobs").join(hex::encode(root)), damage).unwrap();
		let reopened = store(dir.path());
		assert!(matches!(reopened.get(&root, 0, 1), Err(BlobError::Corrupt(r)) if r == root));
		assert!(matches!(reopened.get(&root, 0, 1), Err(BlobError::Unknown(_))));
		assert_eq!(reopened.usage().used, 0);
		reopened.insert(&blob).unwrap();
		assert_eq!(reopened.read(&root).unwrap(), blob);
	}
}

#[test]
fn damage_while_open_should_be_found_by_a_whole_read_and_by_a_scrub() {
	let dir = folder();
	let store = store(dir.path());
	let roots: Vec<Hash> = (0..4).map(|i| store.insert(&bytes(3000, i)).unwrap()).collect();
	for root in &roots[..3] {
		fs::write(store.path(root).unwrap(), bytes(3000, 99)).unwrap();
	}
	fs::remove_file(store.path(&roots[2]).unwrap()).unwrap();
	assert!(matches!(store.read(&roots[0]), Err(BlobError::Corrupt(_))));
	let mut damaged = store.scrub().unwrap();
	damaged.sort();
	let mut expected = roots[1..3].to_vec();
	expected.sort();
	assert_eq!(damaged, expected);
	assert_eq!(store.list(), vec![(roots[3], 3000)]);
	assert_eq!(store.scrub().unwrap(), Vec::<Hash>::new());
}

#[test]
fn quota_should_be_kept_when_nothing_may_make_way() {
	let dir = folder();
	let store = BlobStore::open(dir.path(), 10_000).unwrap();
	let blob = bytes(6000, 11);
	store.put_part(hash(&blob), 0, 6000, &blob[..10]).unwrap();
	// What has arrived counts, not what is announced; and what is recent stays.
	let refused = store.insert(&bytes(9991, 12));
	assert!(matches!(refused, Err(BlobError::Quota { needed: 9991, used: 10, quota: 10_000 })));
	store.insert(&bytes(4000, 13)).unwrap();
	store.put_part(hash(&blob), 10, 6000, &blob[10..]).unwrap();
	assert!(matches!(store.insert(&[1]), Err(BlobError::Quota { .. })));
	assert!(matches!(
		store.put_part([7; 32], 0, 10_001, &[1]),
		Err(BlobError::Quota { needed: 10_001, .. })
	));
	assert_eq!(store.read(&hash(&blob)).unwrap(), blob);
	store.remove(&hash(&blob)).unwrap();
	assert!(matches!(store.remove(&hash(&blob)), Err(BlobError::Unknown(_))));
	store.insert(&[1]).unwrap();
	assert_eq!(store.usage().used, 4001);
}

#[test]
fn unpinned_blobs_should_make_way_longest_unused_first() {
	let dir = folder();
	let store = impatient(dir.path(), 10_000);
	let roots: Vec<Hash> = (0..5).map(|i| store.insert(&bytes(2000, i)).unwrap()).collect();
	store.pin(roots[0]);
	store.pin(roots[0]);
	store.get(&roots[1], 0, 1).unwrap();
	let new = store.insert(&bytes(3000, 50)).unwrap();
	let left: Vec<bool> = roots.iter().map(|root| store.contains(root)).collect();
	assert_eq!(left, [true, true, false, false, true]);
	// All but the pinned one could go, and it is not enough: nothing goes.
	assert!(matches!(store.insert(&bytes(9000, 51)), Err(BlobError::Quota { .. })));
	assert!(store.contains(&new) && store.contains(&roots[1]));
	assert!(matches!(store.remove(&roots[0]), Err(BlobError::Pinned(_))));
	assert!(store.unpin(&roots[0]) && store.unpin(&roots[0]) && !store.unpin(&roots[0]));
	store.insert(&bytes(9000, 51)).unwrap();
	assert!(!store.contains(&roots[0]));
	assert_eq!(files(&dir.path().join("blobs")), 1);
}

#[test]
fn full_disk_should_be_named_and_leave_the_upload_resumable_when_it_fills_while_writing() {
	let dir = folder();
	let store = store(dir.path());
	let kept = store.insert(&bytes(5000, 20)).unwrap();
	let blob = bytes(9000, 21);
	let root = hash(&blob);
	faults::set_room(Some(0));
	assert!(matches!(store.put_part(root, 0, 9000, &blob[..4000]), Err(BlobError::Full)));
	assert_eq!((store.usage().used, files(&dir.path().join("partial"))), (5000, 0));
	faults::set_room(Some(5000));
	store.put_part(root, 0, 9000, &blob[..4000]).unwrap();
	assert!(matches!(store.put_part(root, 4000, 9000, &blob[4000..]), Err(BlobError::Full)));
	assert_eq!(store.status(&root).received, 4000);
	assert_eq!(store.read(&kept).unwrap(), bytes(5000, 20));
	faults::set_room(None);
	store.put_part(root, 4000, 9000, &blob[4000..]).unwrap();
	assert_eq!(store.read(&root).unwrap(), blob);
}

#[test]
fn full_disk_should_be_named_and_discard_the_upload_when_it_shows_while_syncing() {
	let dir = folder();
	let store = store(dir.path());
	let blob = bytes(9000, 22);
	faults::set_sync_fails(true);
	assert!(matches!(store.insert(&blob), Err(BlobError::Full)));
	faults::set_sync_fails(false);
	assert_eq!((store.usage().used, store.usage().uploads), (0, 0));
	store.insert(&blob).unwrap();
}

/// On a real file system that is too small, where this user may mount one; the tests above need
/// none.
#[test]
fn full_disk_should_be_named_when_a_small_file_system_fills_up() {
	let dir = folder();
	let mount = Command::new("mount")
		.args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
		.arg(dir.path())
		.stderr(std::process::Stdio::null())
		.status();
	if !mount.is_ok_and(|status| status.success()) {
		println!("no permission to mount a file system: only the injected faults are tested");
		return;
	}
	let outcome = std::panic::catch_unwind(|| {
		let store = store(dir.path());
		let kept = store.insert(&bytes(300_000, 23)).unwrap();
		let large = bytes(2_000_000, 24);
		assert!(matches!(store.insert(&large), Err(BlobError::Full)));
		let error = store.put_part(hash(&large), 0, 2_000_000, &large);
		assert!(matches!(error, Err(BlobError::Full)));
		assert_eq!(store.read(&kept).unwrap(), bytes(300_000, 23));
		store.insert(&bytes(300_000, 25)).unwrap();
	});
	assert!(Command::new("umount").arg(dir.path()).status().unwrap().success());
	outcome.unwrap();
}

#[test]
fn store_should_be_refused_when_open_elsewhere_or_of_another_version() {
	let dir = folder();
	let open = store(dir.path());
	assert!(matches!(BlobStore::open(dir.path(), 1), Err(BlobError::Locked(_))));
	drop(open);
	fs::write(dir.path().join("format"), "assay-blobs 2\n").unwrap();
	assert!(matches!(BlobStore::open(dir.path(), 1), Err(BlobError::Format(_))));
	let file = dir.path().join("file");
	fs::write(&file, "").unwrap();
	assert!(matches!(BlobStore::open(&file, 1), Err(BlobError::Io(_))));
}

#[test]
fn one_root_should_arrive_whole_when_many_upload_it_at_once() {
	let dir = folder();
	let store = store(dir.path());
	let blob = bytes(400_000, 30);
	let (root, total) = (hash(&blob), blob.len() as u64);
	std::thread::scope(|scope| {
		for thread in 0..6usize {
			let (store, blob) = (&store, &blob);
			scope.spawn(move || loop {
				let status = store.status(&root);
				if status.present {
					return;
				}
				let from = status.received as usize;
				let to = blob.len().min(from + 700 * (thread + 1));
				match store.put_part(root, from as u64, total, &blob[from..to]) {
					Ok(_) | Err(BlobError::Gap { .. }) => {}
					Err(error) => panic!("{error}"),
				}
			});
		}
	});
	assert_eq!(store.read(&root).unwrap(), blob);
	assert_eq!((store.usage().used, store.usage().uploads), (total, 0));
	assert_eq!(files(&dir.path().join("partial")), 0);
}

#[test]
fn honest_upload_should_succeed_in_the_end_when_another_sends_wrong_bytes_of_the_same_root() {
	let dir = folder();
	let store = store(dir.path());
	let blob = bytes(50_000, 31);
	let (root, wrong) = (hash(&blob), bytes(50_000, 32));
	let attacks = AtomicUsize::new(0);
	std::thread::scope(|scope| {
		scope.spawn(|| {
			for round in 0..200u64 {
				// Also with other lengths, which discards the upload under the other's hands.
				let total = 50_000 - round % 3;
				let _ = store.put_part(root, 0, total, &wrong[..10_000]);
				attacks.fetch_add(1, Ordering::Relaxed);
			}
		});
		scope.spawn(|| loop {
			let status = store.status(&root);
			if status.present {
				return;
			}
			let from = if status.len == 50_000 { status.received as usize } else { 0 };
			let to = blob.len().min(from + 9000);
			match store.put_part(root, from as u64, 50_000, &blob[from..to]) {
				Ok(_) | Err(BlobError::Gap { .. } | BlobError::RootMismatch { .. }) => {}
				Err(error) => panic!("{error}"),
			}
		});
	});
	assert_eq!(attacks.load(Ordering::Relaxed), 200);
	assert_eq!(store.read(&root).unwrap(), blob);
	assert_eq!((store.usage().used, store.usage().uploads), (50_000, 0));
}

proptest! {
	#![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

	/// Any sequence of calls, with reopening in between: what is present is right, and room is
	/// accounted.
	#[test]
	fn store_should_stay_consistent_under_any_calls(
		calls in prop::collection::vec((0u8..7, 0u64..6, 0usize..4000, 1usize..2500), 1..60),
	) {
		let dir = folder();
		let mut store = impatient(dir.path(), 9_000);
		let blobs: Vec<Vec<u8>> = (0..6).map(|i| bytes(700 + 600 * i, i as u64)).collect();
		for (call, which, offset, len) in calls {
			let blob = &blobs[which as usize];
			let (root, total) = (hash(blob), blob.len() as u64);
			match call {
				0..=2 => {
					let from = if call == 0 { offset } else { store.status(&root).received as usize };
					let from = from.min(blob.len() - 1);
					let to = blob.len().min(from + len);
					match store.put_part(root, from as u64, total, &blob[from..to]) {
						Ok(_) | Err(BlobError::Gap { .. } | BlobError::Quota { .. }) => {},
						Err(error) => prop_assert!(false, "{}", error),
					}
				},
				3 => match store.read(&root) {
					Ok(read) => prop_assert_eq!(&read, blob),
					Err(error) => prop_assert!(matches!(error, BlobError::Unknown(_))),
				},
				4 => { let _ = store.remove(&root); },
				5 => {
					drop(store);
					store = impatient(dir.path(), 9_000);
				},
				_ => {
					faults::set_room(Some(len));
					let _ = store.insert(blob);
					faults::set_room(None);
				},
			}
			let known = blobs.iter().map(|blob| store.status(&hash(blob)).received).sum::<u64>();
			prop_assert_eq!(store.usage().used, known);
			prop_assert!(known <= 9_000);
		}
	}
}
