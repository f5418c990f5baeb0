//! Fetcher and server together over a network in memory, with peers that answer whatever a test
//! likes.

use super::{bytes, root_of, store};
use crate::{
	limits::{FetchLimits, ServeLimits},
	network::Network,
	peers::Fault,
	scheduler::Failure,
	tree::{MAX_RANGE, MAX_SLICE},
	wire::{Refusal, Request, Response},
	FetchError, Fetcher, Metrics, Outboards, Server,
};
use assay_blobs::{BlobStore, Hash};
use futures::{channel::oneshot, future::BoxFuture, FutureExt};
use parking_lot::Mutex;
use sc_network::{request_responses::IncomingRequest, PeerId};
use std::{
	collections::BTreeMap,
	sync::{
		atomic::{AtomicUsize, Ordering},
		Arc,
	},
	time::Duration,
};

/// Makes another answer out of the honest one; `None`: silence.
type Twist = Arc<dyn Fn(Request, Vec<u8>) -> Option<Vec<u8>> + Send + Sync>;

struct Peer {
	requests: async_channel::Sender<IncomingRequest>,
	twist: Option<Twist>,
	asked: Arc<AtomicUsize>,
}

/// A network in memory, as one node sees it.
#[derive(Default)]
pub struct Memory {
	peers: Mutex<BTreeMap<PeerId, Peer>>,
	reports: Mutex<Vec<(PeerId, Fault)>>,
	me: Option<PeerId>,
}

impl Memory {
	/// A peer that holds these blobs.
	pub fn add(
		&self,
		store: Arc<BlobStore>,
		dir: &tempfile::TempDir,
		twist: Option<Twist>,
	) -> PeerId {
		let outboards =
			Arc::new(Outboards::open(dir.path().join("outboards"), store.clone()).unwrap());
		let server = Server::new(store, outboards, ServeLimits::default(), Metrics::default());
		let (requests, receiver) = async_channel::bounded(64);
		tokio::spawn(server.run(receiver));
		let id = PeerId::random();
		self.peers.lock().insert(id, Peer { requests, twist, asked: Arc::default() });
		id
	}

	fn asked(&self, id: &PeerId) -> usize {
		self.peers.lock()[id].asked.load(Ordering::Relaxed)
	}
}

impl Network for Memory {
	fn peers(&self) -> BoxFuture<'static, Vec<PeerId>> {
		let peers = self.peers.lock().keys().copied().collect();
		async move { peers }.boxed()
	}

	fn request(
		&self,
		peer: PeerId,
		payload: Vec<u8>,
	) -> BoxFuture<'static, Result<Vec<u8>, Failure>> {
		let me = self.me.unwrap_or(peer);
		let peers = self.peers.lock();
		let Some(Peer { requests, twist, asked }) = peers.get(&peer) else {
			return async { Err(Failure::Unreachable) }.boxed();
		};
		let (requests, twist) = (requests.clone(), twist.clone());
		let request = Request::read(&payload).unwrap();
		if matches!(request, Request::Range { .. }) {
			asked.fetch_add(1, Ordering::Relaxed);
		}
		async move {
			let (pending_response, answer) = oneshot::channel();
			let incoming = IncomingRequest { peer: me, payload, pending_response };
			requests.try_send(incoming).map_err(|_| Failure::Rejected)?;
			let mut answer = answer.await.map_err(|_| Failure::Rejected)?;
			if let Some(sent) = answer.sent_feedback.take() {
				let _ = sent.send(());
			}
			let honest = answer.result.map_err(|()| Failure::Rejected)?;
			match twist {
				None => Ok(honest),
				Some(twist) => match twist(request, honest) {
					Some(answer) => Ok(answer),
					None => futures::future::pending().await,
				},
			}
		}
		.boxed()
	}

	fn report(&self, peer: PeerId, fault: Fault) {
		self.reports.lock().push((peer, fault));
	}
}

fn quick() -> FetchLimits {
	FetchLimits {
		request_timeout: Duration::from_millis(600),
		hedge_after: Duration::from_millis(100),
		ask_again: (Duration::from_millis(50), Duration::from_millis(400)),
		look: Duration::from_millis(50),
		patience: Duration::from_millis(1500),
		..FetchLimits::default()
	}
}

struct Node {
	dir: tempfile::TempDir,
	store: Arc<BlobStore>,
}

fn node(blobs: &[&[u8]]) -> Node {
	let dir = tempfile::tempdir().unwrap();
	let store = store(&dir);
	for blob in blobs {
		store.insert(blob).unwrap();
	}
	Node { dir, store }
}

fn fetcher(node: &Node, network: &Arc<Memory>) -> (Fetcher, tokio::task::JoinHandle<()>) {
	let (fetcher, task) =
		Fetcher::new(node.store.clone(), network.clone(), quick(), Metrics::default());
	(fetcher, tokio::spawn(task))
}

fn on_slice(twist: impl Fn(Vec<u8>) -> Vec<u8> + Send + Sync + 'static) -> Option<Twist> {
	Some(Arc::new(move |_, honest| {
		Some(match Response::read(&honest) {
			Ok(Response::Slice(slice)) => twist(slice),
			_ => honest,
		})
	}))
}

fn slice_of(other: Hash, from: Arc<BlobStore>, dir: std::path::PathBuf) -> Vec<u8> {
	use crate::tree::{self, Span};
	let len = from.status(&other).len;
	let outboards = Outboards::open(dir, from).unwrap();
	let Ok(crate::outboards::Opened::Ready(blob, outboard)) = outboards.open_blob(&other, len)
	else {
		panic!()
	};
	let span = Span::new(len, 0, MAX_RANGE.min(len) as u32).unwrap();
	tree::slice(&other, &span, &blob, &outboard).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blob_should_arrive_when_peers_have_it() {
	let network = Arc::new(Memory::default());
	for len in [1, 16 << 10, MAX_RANGE as usize, 9 * MAX_RANGE as usize + 12_345] {
		let blob = bytes(len, len as u64);
		let (one, two, mine) = (node(&[&blob]), node(&[&blob]), node(&[]));
		network.peers.lock().clear();
		network.add(one.store.clone(), &one.dir, None);
		network.add(two.store.clone(), &two.dir, None);
		network.add(mine.store.clone(), &mine.dir, None);
		let (fetcher, task) = fetcher(&mine, &network);
		fetcher.fetch(root_of(&blob), len as u64).await.unwrap();
		assert_eq!(mine.store.read(&root_of(&blob)).unwrap(), blob);
		// The store has it a moment before the fetcher forgets it.
		while fetcher.progress_of(&root_of(&blob)).is_some() {
			tokio::time::sleep(Duration::from_millis(5)).await;
		}
		task.abort();
	}
	assert!(network.reports.lock().is_empty());
}

/// Every lie that there is: nothing of it is accepted, and the peer is known by name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn liar_should_be_dropped_and_named_when_it_answers_anything_but_the_truth() {
	let blob = bytes(5 * MAX_RANGE as usize + 99, 1);
	let other = bytes(5 * MAX_RANGE as usize + 99, 2);
	let root = root_of(&blob);
	let helper = node(&[&other]);
	let others = slice_of(root_of(&other), helper.store.clone(), helper.dir.path().join("o"));
	let wrong_bytes = Fault::WrongBytes;
	let slice = |bytes: Vec<u8>| Response::Slice(bytes).to_bytes();
	let lies: Vec<(&str, Option<Twist>, Fault)> = vec![
		(
			"last byte wrong",
			on_slice(move |mut s| {
				*s.last_mut().unwrap() ^= 1;
				slice(s)
			}),
			wrong_bytes,
		),
		(
			"first node wrong",
			on_slice(move |mut s| {
				s[0] ^= 1;
				slice(s)
			}),
			wrong_bytes,
		),
		("truncated", on_slice(move |s| slice(s[..s.len() - 1].to_vec())), wrong_bytes),
		("nothing", on_slice(move |_| slice(vec![])), wrong_bytes),
		("too long", on_slice(move |s| slice([&s[..], &[0]].concat())), wrong_bytes),
		("another blob", on_slice(move |_| slice(others.clone())), wrong_bytes),
		("garbage slice", on_slice(move |s| slice(bytes(s.len(), 9))), wrong_bytes),
		("garbage message", on_slice(move |s| bytes(s.len(), 9)), Fault::Malformed),
		("empty message", on_slice(move |_| vec![]), Fault::Malformed),
		("huge message", on_slice(move |_| vec![1; 2 * MAX_SLICE]), Fault::Malformed),
		(
			"truncated message",
			on_slice(move |s| {
				let mut message = slice(s);
				message.pop();
				message
			}),
			Fault::Malformed,
		),
		("other answer", on_slice(move |_| Response::Have(vec![1]).to_bytes()), Fault::Malformed),
		("other version", on_slice(move |s| [&[9][..], &s].concat()), Fault::Malformed),
		(
			"wrong range",
			{
				let shifted: Arc<Mutex<Option<Vec<u8>>>> = Arc::default();
				// The answer to the question before.
				on_slice(move |s| slice(shifted.lock().replace(s).unwrap_or(vec![0; 64])))
			},
			wrong_bytes,
		),
		(
			"malformed have",
			Some(Arc::new(|request, honest| match request {
				Request::Have(roots) => Some(Response::Have(vec![7; roots.len() + 1]).to_bytes()),
				_ => Some(honest),
			})),
			Fault::Malformed,
		),
	];
	for (name, twist, fault) in lies {
		// Alone: nothing comes, and nothing is kept.
		let network = Arc::new(Memory::default());
		let (liar, mine) = (node(&[&blob]), node(&[]));
		let liar_id = network.add(liar.store.clone(), &liar.dir, twist.clone());
		let (alone, task) = fetcher(&mine, &network);
		alone.want(root, blob.len() as u64).unwrap();
		for _ in 0..100 {
			tokio::time::sleep(Duration::from_millis(20)).await;
			if !network.reports.lock().is_empty() {
				break;
			}
		}
		assert_eq!(*network.reports.lock(), [(liar_id, fault)], "{name}");
		assert!(!mine.store.contains(&root) && mine.store.status(&root).received == 0, "{name}");
		let asked = network.asked(&liar_id);
		assert!(asked <= 2, "{name}: asked {asked} times");
		// With an honest one beside it: all comes, and the liar is not asked again.
		let honest = node(&[&blob]);
		let honest_id = network.add(honest.store.clone(), &honest.dir, None);
		alone.fetch(root, blob.len() as u64).await.unwrap();
		assert_eq!(mine.store.read(&root).unwrap(), blob, "{name}");
		assert_eq!(network.asked(&liar_id), asked, "{name}");
		assert!(network.reports.lock().iter().all(|(id, _)| *id == liar_id), "{name}");
		assert!(network.asked(&honest_id) >= 6);
		task.abort();
	}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blob_should_arrive_when_other_peers_stall_or_say_they_are_busy() {
	let blob = bytes(6 * MAX_RANGE as usize, 3);
	let network = Arc::new(Memory::default());
	let (stalls, busy, honest, mine) = (node(&[&blob]), node(&[&blob]), node(&[&blob]), node(&[]));
	let silent: Twist = Arc::new(|request, honest| match request {
		Request::Range { .. } => None,
		_ => Some(honest),
	});
	let stalls_id = network.add(stalls.store.clone(), &stalls.dir, Some(silent));
	network.add(
		busy.store.clone(),
		&busy.dir,
		on_slice(|_| Response::Refused(Refusal::Busy(50)).to_bytes()),
	);
	network.add(honest.store.clone(), &honest.dir, None);
	let (fetcher, _task) = fetcher(&mine, &network);
	let started = std::time::Instant::now();
	fetcher.fetch(root_of(&blob), blob.len() as u64).await.unwrap();
	println!("{:?}", started.elapsed());
	assert_eq!(mine.store.read(&root_of(&blob)).unwrap(), blob);
	let reports = network.reports.lock();
	assert!(reports.iter().all(|report| *report == (stalls_id, Fault::Silent)), "{reports:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fetch_should_name_the_reason_when_it_ends_without_the_blob() {
	let blob = bytes(3 * MAX_RANGE as usize, 4);
	let (root, len) = (root_of(&blob), blob.len() as u64);
	let network = Arc::new(Memory::default());
	let (has, mine) = (node(&[&blob]), node(&[]));
	let (alone, task) = fetcher(&mine, &network);
	assert!(matches!(alone.fetch(root, len).await, Err(FetchError::NoSource(_))));
	task.abort();
	let (alone, _task) = fetcher(&mine, &network);
	network.add(has.store.clone(), &has.dir, None);
	// Of another length than the one that is asked for, which costs nobody anything.
	assert!(matches!(alone.fetch(root, len + 1).await, Err(FetchError::NoSource(_))));
	assert!(network.reports.lock().is_empty());
	assert!(matches!(alone.fetch([1; 32], 0).await, Err(FetchError::Refused)));
	// Longer than the store's quota.
	let tiny = tempfile::tempdir().unwrap();
	let small = Node { store: Arc::new(BlobStore::open(tiny.path(), 1000).unwrap()), dir: tiny };
	let (refused, _task) = fetcher(&small, &network);
	assert!(matches!(refused.fetch(root, len).await, Err(FetchError::Store(_))));
	assert!(refused.error_of(&root).unwrap().contains("1000"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fetch_should_go_on_where_it_was_when_the_node_starts_again() {
	let blob = bytes(24 * MAX_RANGE as usize, 5);
	let (root, len) = (root_of(&blob), blob.len() as u64);
	let (has, mine) = (node(&[&blob]), node(&[]));
	let network = Arc::new(Memory::default());
	let answered = Arc::new(AtomicUsize::new(0));
	let limit = Arc::new(AtomicUsize::new(12));
	let (count, most) = (answered.clone(), limit.clone());
	let twist: Twist = Arc::new(move |request, honest| match request {
		Request::Range { .. }
			if count.fetch_add(1, Ordering::Relaxed) >= most.load(Ordering::Relaxed) =>
		{
			None
		}
		_ => Some(honest),
	});
	network.add(has.store.clone(), &has.dir, Some(twist));
	let (first, task) = fetcher(&mine, &network);
	first.want(root, len).unwrap();
	while mine.store.status(&root).received < 6 * MAX_RANGE {
		tokio::time::sleep(Duration::from_millis(10)).await;
	}
	// As a kill does it: nothing is finished, nothing is told.
	task.abort();
	assert!(task.await.unwrap_err().is_cancelled());
	drop(first);
	let Node { dir, store: old } = mine;
	while Arc::strong_count(&old) > 1 {
		tokio::time::sleep(Duration::from_millis(5)).await;
	}
	drop(old);
	let mine = Node { store: store(&dir), dir };
	let kept = mine.store.status(&root).received;
	assert!(kept >= 6 * MAX_RANGE && kept < len);
	limit.store(usize::MAX, Ordering::Relaxed);
	answered.store(0, Ordering::Relaxed);
	let (second, _task) = fetcher(&mine, &network);
	second.fetch(root, len).await.unwrap();
	assert_eq!(mine.store.read(&root).unwrap(), blob);
	let asked = answered.load(Ordering::Relaxed) as u64;
	println!("{} of 24 ranges were kept, {asked} asked for afterwards", kept / MAX_RANGE);
	// What is missing and the last range once more, and a few that were late.
	assert!(asked <= 24 - kept / MAX_RANGE + 1 + 4, "{asked}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blob_should_arrive_when_what_was_there_before_was_wrong() {
	let blob = bytes(5 * MAX_RANGE as usize, 6);
	let (root, len) = (root_of(&blob), blob.len() as u64);
	let (has, mine) = (node(&[&blob]), node(&[]));
	// A client's upload of other bytes, which nobody has checked yet.
	mine.store.put_part(root, 0, len, &bytes(2 * MAX_RANGE as usize + 5, 7)).unwrap();
	let network = Arc::new(Memory::default());
	network.add(has.store.clone(), &has.dir, None);
	let (fetcher, _task) = fetcher(&mine, &network);
	fetcher.fetch(root, len).await.unwrap();
	assert_eq!(mine.store.read(&root).unwrap(), blob);
	assert!(network.reports.lock().is_empty());
}
