//! What is pinned for open jobs.

use super::{bytes, root_of, store};
use crate::{Keeper, Market, MarketError, Metrics, Outboards};
use assay_blobs::{BlobError, Hash};
use assay_market::JobId;
use futures::{channel::mpsc, stream::BoxStream, StreamExt};
use parking_lot::Mutex;
use std::{
	collections::{BTreeMap, BTreeSet},
	sync::Arc,
	time::Duration,
};

type Open = Result<BTreeMap<JobId, BTreeSet<Hash>>, ()>;

#[derive(Clone)]
struct Chain {
	open: Arc<Mutex<Open>>,
	wake: Arc<Mutex<Option<mpsc::UnboundedReceiver<()>>>>,
}

impl Market for Chain {
	fn open_jobs(
		&self,
		from: JobId,
	) -> Result<(JobId, BTreeMap<JobId, BTreeSet<Hash>>), MarketError> {
		let open = self.open.lock().clone().map_err(|()| MarketError("gone".into()))?;
		Ok((open.keys().next().copied().unwrap_or(from), open))
	}

	fn wake(&self) -> BoxStream<'static, ()> {
		self.wake.lock().take().unwrap().boxed()
	}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blobs_should_be_kept_while_a_job_that_names_them_is_open() {
	let dir = tempfile::tempdir().unwrap();
	let store = store(&dir);
	let (input, shared, output) = (bytes(1000, 1), bytes(1000, 2), bytes(1000, 3));
	for blob in [&input, &shared] {
		store.insert(blob).unwrap();
	}
	let [input, shared, output_root] = [&input, &shared, &output].map(|blob| root_of(blob));
	let absent = [9; 32];
	let (waker, wake) = mpsc::unbounded();
	let chain =
		Chain { open: Arc::new(Mutex::new(Err(()))), wake: Arc::new(Mutex::new(Some(wake))) };
	let set = |jobs: &[(JobId, &[Hash])]| {
		let open = jobs.iter().map(|(job, roots)| (*job, roots.iter().copied().collect()));
		*chain.open.lock() = Ok(open.collect());
	};
	set(&[(3, &[input, shared, absent]), (5, &[shared])]);
	let outboards = Arc::new(Outboards::open(dir.path().join("o"), store.clone()).unwrap());
	let keeper = Keeper::new(chain.clone(), store.clone(), outboards, Metrics::default());
	tokio::spawn(keeper.run());
	let pinned = |root: &Hash| matches!(store.remove(root), Err(BlobError::Pinned(_)));
	let look = || async {
		waker.unbounded_send(()).unwrap();
		tokio::time::sleep(Duration::from_millis(3300)).await;
	};
	tokio::time::sleep(Duration::from_millis(500)).await;
	assert!(pinned(&input) && pinned(&shared));
	assert!(matches!(store.remove(&absent), Err(BlobError::Unknown(_))));
	// Its result is revealed; another job ends; what does not answer changes nothing.
	store.insert(&output).unwrap();
	set(&[(3, &[input, shared, output_root])]);
	look().await;
	assert!(pinned(&input) && pinned(&shared) && pinned(&output_root));
	*chain.open.lock() = Err(());
	look().await;
	assert!(pinned(&input) && pinned(&output_root));
	// Settled: everything may make way, and every pin was taken back.
	set(&[]);
	look().await;
	for root in [&input, &shared, &output_root] {
		assert!(!store.unpin(root));
		store.remove(root).unwrap();
	}
}

/// What a verifier has computed: quiet until its job reveals it, kept until the job has ended, and
/// for a while afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_should_be_kept_for_their_job_and_shown_when_it_names_them() {
	let dir = tempfile::tempdir().unwrap();
	let store = store(&dir);
	let (waker, wake) = mpsc::unbounded();
	let open = Arc::new(Mutex::new(Ok(BTreeMap::from([(7, BTreeSet::new())]))));
	let chain = Chain { open: open.clone(), wake: Arc::new(Mutex::new(Some(wake))) };
	let outboards = Arc::new(Outboards::open(dir.path().join("o"), store.clone()).unwrap());
	tokio::spawn(Keeper::new(chain, store.clone(), outboards, Metrics::default()).run());
	let look = || async {
		waker.unbounded_send(()).unwrap();
		tokio::time::sleep(Duration::from_millis(3300)).await;
	};
	tokio::time::sleep(Duration::from_millis(500)).await;
	let output = bytes(1000, 4);
	let root = root_of(&output);
	store.insert_quiet_from(7, root, 1000, &output[..]).unwrap();
	// Of a job that the keeper's next look does not see yet, and of one that it never sees.
	store.keep(8, [8; 32], 1).unwrap();
	look().await;
	assert!(store.jobs(std::time::Instant::now()).contains(&8));
	assert!(!store.is_public(&root));
	*open.lock() = Ok(BTreeMap::from([(7, BTreeSet::from([root]))]));
	look().await;
	assert!(!store.jobs(std::time::Instant::now()).contains(&8));
	assert!(store.is_public(&root) && matches!(store.remove(&root), Err(BlobError::Pinned(_))));
	*open.lock() = Ok(BTreeMap::new());
	look().await;
	assert!(store.jobs(std::time::Instant::now()).is_empty());
	store.remove(&root).unwrap();
}
