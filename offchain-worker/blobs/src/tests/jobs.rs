//! What is kept for jobs, and what is not told to anyone.

use super::{bytes, files, folder, hash, impatient, store};
use crate::{BlobError, BlobStore, Claim, Options, Owner, Status};
use std::{
	collections::BTreeSet,
	fs,
	os::unix::fs::PermissionsExt,
	sync::{
		atomic::{AtomicUsize, Ordering},
		Arc,
	},
	time::{Duration, Instant},
};

const CLAIM: Claim = Claim { owner: Owner([1; 32]), worth: 1, deadline: None };

fn blob_file(dir: &std::path::Path, root: &crate::Hash) -> std::path::PathBuf {
	dir.join("blobs").join(hex::encode(root))
}

#[test]
fn blob_should_be_kept_until_its_job_is_released_and_for_a_while_afterwards() {
	let dir = folder();
	let options = Options {
		grace: Duration::ZERO,
		retention: Duration::from_secs(5),
		..Options::with_quota(10_000)
	};
	let store = BlobStore::open_with(dir.path(), options).unwrap();
	let (input, output) = (bytes(1000, 1), bytes(1000, 2));
	for blob in [&input, &output] {
		store.keep(7, hash(blob), 1000).unwrap();
		store.insert(blob).unwrap();
	}
	let pinned = |blob: &[u8]| matches!(store.remove(&hash(blob)), Err(BlobError::Pinned(_)));
	assert!(pinned(&input) && pinned(&output));
	// Known to whoever follows the chain; what began later may not be on chain yet.
	assert_eq!(store.jobs(Instant::now()), BTreeSet::from([7]));
	assert!(store.jobs(Instant::now() - Duration::from_secs(60)).is_empty());
	// A client's blobs of the same age make way, in any number, before those of the job that has
	// ended.
	store.release(7);
	assert!(store.jobs(Instant::now()).is_empty());
	for seed in 10..25 {
		store.insert(&bytes(2000, seed)).unwrap();
	}
	assert!(store.contains(&hash(&input)) && store.contains(&hash(&output)));
	std::thread::sleep(Duration::from_millis(5100));
	for seed in 40..50 {
		store.insert(&bytes(2000, seed)).unwrap();
	}
	assert!(!store.contains(&hash(&input)) && !store.contains(&hash(&output)));
}

#[test]
fn job_should_keep_no_more_than_a_share_when_it_has_many_outputs() {
	let dir = folder();
	let store = impatient(dir.path(), 8000);
	store.keep(1, [1; 32], 1500).unwrap();
	let refused = store.keep(1, [2; 32], 501);
	assert!(matches!(refused, Err(BlobError::Share { job: 1, needed: 2001, share: 2000 })));
	// The same blob again counts once; another job has a share of its own.
	store.keep(1, [1; 32], 1500).unwrap();
	store.keep(1, [2; 32], 500).unwrap();
	store.keep(2, [3; 32], 2000).unwrap();
	assert!(matches!(store.keep(3, [4; 32], u64::MAX), Err(BlobError::Share { .. })));
	let output = bytes(2001, 1);
	let refused = store.insert_quiet_from(4, hash(&output), 2001, &output[..]);
	assert!(matches!(refused, Err(BlobError::Share { job: 4, .. })));
	assert_eq!(store.jobs(Instant::now()), BTreeSet::from([1, 2]));
	// Nothing of it is here, and nothing is taken.
	assert_eq!(store.usage().used, 0);
}

#[test]
fn result_should_be_told_to_nobody_until_its_own_job_names_it() {
	let dir = folder();
	let output = bytes(1000, 1);
	let root = hash(&output);
	let first = store(dir.path());
	first.insert_quiet_from(5, root, 1000, &output[..]).unwrap();
	assert_eq!(first.read(&root).unwrap(), output);
	assert_eq!((first.public_status(&root), first.is_public(&root)), (Status::default(), false));
	// Anyone can post a job that names it, whether as an input or as the output of a run of the
	// same.
	first.claim(6, CLAIM, BTreeSet::from([root])).unwrap();
	assert!(!first.is_public(&root));
	drop(first);
	let again = store(dir.path());
	assert!(!again.is_public(&root) && again.contains(&root));
	assert!(matches!(again.remove(&root), Err(BlobError::Pinned(_))), "kept for its job again");
	again.claim(5, CLAIM, BTreeSet::from([root])).unwrap();
	assert!(again.is_public(&root) && again.public_status(&root).present);
	assert_eq!(files(&dir.path().join("quiet")), 0);
	drop(again);
	assert!(store(dir.path()).is_public(&root));
}

#[test]
fn result_should_stay_public_when_it_was_and_quiet_for_each_of_its_jobs() {
	let dir = folder();
	let store = store(dir.path());
	let (input, output) = (bytes(1000, 1), bytes(1000, 2));
	store.insert(&input).unwrap();
	store.insert_quiet_from(1, hash(&input), 1000, &input[..]).unwrap();
	assert!(store.is_public(&hash(&input)));
	for job in [1, 2] {
		store.insert_quiet_from(job, hash(&output), 1000, &output[..]).unwrap();
	}
	store.claim(3, CLAIM, BTreeSet::from([hash(&output)])).unwrap();
	assert!(!store.is_public(&hash(&output)));
	store.claim(2, CLAIM, BTreeSet::from([hash(&output)])).unwrap();
	assert!(store.is_public(&hash(&output)));
	// Wrong bytes: nothing of them stays, no marker and no claim.
	let wrong = store.insert_quiet_from(9, [9; 32], 1000, &input[..]);
	assert!(matches!(wrong, Err(BlobError::RootMismatch { .. })));
	assert!(!store.jobs(Instant::now()).contains(&9));
	assert_eq!(files(&dir.path().join("quiet")), 0);
}

#[test]
fn blob_should_be_hashed_once_when_many_ask_after_a_restart() {
	let dir = folder();
	let blob = bytes(8 << 20, 1);
	let root = store(dir.path()).insert(&blob).unwrap();
	let reopened = Arc::new(store(dir.path()));
	assert!(!reopened.is_checked(&root));
	let started = Instant::now();
	blake3::hash(&blob);
	let once = started.elapsed();
	let answers = AtomicUsize::new(0);
	crate::disk::HASHED.lock().remove(&blob_file(dir.path(), &root));
	std::thread::scope(|scope| {
		for _ in 0..16 {
			scope.spawn(|| {
				assert_eq!(reopened.get(&root, 5, 100).unwrap(), blob[5..105]);
				answers.fetch_add(1, Ordering::Relaxed);
			});
		}
	});
	println!("one hash takes {once:?}");
	assert_eq!(answers.load(Ordering::Relaxed), 16);
	assert_eq!(crate::disk::HASHED.lock()[&blob_file(dir.path(), &root)], 1);
	assert!(reopened.is_checked(&root));
	// Who waits for a check that finds damage is told so too, or that there is no such blob any
	// more.
	drop(reopened);
	let damaged = store(dir.path());
	fs::write(blob_file(dir.path(), &root), bytes(8 << 20, 2)).unwrap();
	std::thread::scope(|scope| {
		for _ in 0..8 {
			scope.spawn(|| assert!(damaged.get(&root, 0, 1).is_err()));
		}
	});
}

#[test]
fn store_should_be_closed_to_others_when_it_is_made_or_was_open() {
	let dir = folder();
	let place = dir.path().join("blobs");
	let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
	let root = store(&place).insert(&bytes(100, 1)).unwrap();
	for folder in [place.clone(), place.join("blobs"), place.join("partial"), place.join("quiet")] {
		assert_eq!(mode(&folder), 0o700, "{}", folder.display());
		fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
	}
	assert_eq!(mode(&place.join("blobs").join(hex::encode(root))), 0o600);
	drop(store(&place));
	for folder in [place.clone(), place.join("blobs"), place.join("partial"), place.join("quiet")] {
		assert_eq!(mode(&folder), 0o700, "{}", folder.display());
	}
}
