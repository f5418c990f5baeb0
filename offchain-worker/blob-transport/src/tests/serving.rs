//! What a server answers, and what hostile peers get from it.

use super::{bytes, root_of, store};
use crate::{
	limits::ServeLimits,
	tree::{self, Span, GROUP, MAX_RANGE},
	wire::{Refusal, Request, Response, MAX_ROOTS},
	Metrics, Outboards, Server,
};
use assay_blobs::{BlobStore, Hash};
use futures::channel::oneshot;
use sc_network::{
	request_responses::{IncomingRequest, OutgoingResponse},
	PeerId,
};
use std::{
	fs,
	sync::Arc,
	time::{Duration, Instant},
};

struct Served {
	dir: tempfile::TempDir,
	store: Arc<BlobStore>,
	outboards: Arc<Outboards>,
	requests: async_channel::Sender<IncomingRequest>,
}

fn serve(limits: ServeLimits) -> Served {
	let dir = tempfile::tempdir().unwrap();
	let store = store(&dir);
	let outboards = Arc::new(Outboards::open(dir.path().join("outboards"), store.clone()).unwrap());
	let server = Server::new(store.clone(), outboards.clone(), limits, Metrics::default());
	let (requests, receiver) = async_channel::bounded(limits.queue);
	tokio::spawn(server.run(receiver));
	Served { dir, store, outboards, requests }
}

impl Served {
	fn send(&self, peer: PeerId, payload: Vec<u8>) -> oneshot::Receiver<OutgoingResponse> {
		let (pending_response, answer) = oneshot::channel();
		self.requests.try_send(IncomingRequest { peer, payload, pending_response }).unwrap();
		answer
	}

	/// The answer, read by the peer at once.
	async fn ask(&self, peer: PeerId, request: &Request) -> Response {
		let mut answer = self.send(peer, request.to_bytes()).await.unwrap();
		if let Some(sent) = answer.sent_feedback.take() {
			let _ = sent.send(());
		}
		assert!(answer.reputation_changes.is_empty());
		Response::read(&answer.result.unwrap()).unwrap()
	}

	/// What it costs to send something that is no request.
	async fn refused(&self, peer: PeerId, payload: Vec<u8>) -> i32 {
		let answer = self.send(peer, payload).await.unwrap();
		assert!(answer.result.is_err());
		answer.reputation_changes.iter().map(|change| change.value).sum()
	}
}

fn range(root: Hash, total: u64, offset: u64, len: u64) -> Request {
	Request::Range { root, total, offset, len: len as u32 }
}

#[tokio::test]
async fn range_should_be_served_when_the_blob_is_whole() {
	let served = serve(ServeLimits::default());
	let blob = bytes(3 * MAX_RANGE as usize + 5, 1);
	let root = served.store.insert(&blob).unwrap();
	let total = blob.len() as u64;
	let peer = PeerId::random();
	let have = served.ask(peer, &Request::Have(vec![[1; 32], root])).await;
	assert_eq!(have, Response::Have(vec![0, total]));
	for (offset, len) in [(0, MAX_RANGE), (GROUP, GROUP), (3 * MAX_RANGE, 5)] {
		let request = range(root, total, offset, len);
		let Response::Slice(slice) = served.ask(peer, &request).await else { panic!() };
		let span = Span::new(total, offset, len as u32).unwrap();
		let bytes = tree::verify(&root, &span, &slice).unwrap();
		assert_eq!(bytes, blob[offset as usize..(offset + len) as usize]);
	}
	// Kept, so that it is not computed again; and gone with the blob.
	assert!(served.outboards.is_ready(&root, total));
	served.store.remove(&root).unwrap();
	let gone = served.ask(peer, &range(root, total, 0, MAX_RANGE)).await;
	assert_eq!(gone, Response::Refused(Refusal::Unknown));
	served.outboards.sweep().unwrap();
	assert_eq!(fs::read_dir(served.dir.path().join("outboards")).unwrap().count(), 0);
}

#[tokio::test]
async fn nothing_should_be_served_that_is_not_whole_or_has_another_length() {
	let served = serve(ServeLimits::default());
	let blob = bytes(2 * MAX_RANGE as usize, 2);
	let (root, total) = (root_of(&blob), blob.len() as u64);
	let peer = PeerId::random();
	served.store.put_part(root, 0, total, &blob[..MAX_RANGE as usize]).unwrap();
	assert_eq!(served.ask(peer, &Request::Have(vec![root])).await, Response::Have(vec![0]));
	let unknown = Response::Refused(Refusal::Unknown);
	assert_eq!(served.ask(peer, &range(root, total, 0, MAX_RANGE)).await, unknown);
	served.store.insert(&blob).unwrap();
	let other = served.ask(peer, &range(root, total + GROUP, 0, MAX_RANGE)).await;
	assert_eq!(other, Response::Refused(Refusal::Length(total)));
	// The store's own files are no blobs, whatever their names.
	for root in [[0; 32], [0xff; 32], *b"../format/../format/../format/.."] {
		assert_eq!(served.ask(peer, &range(root, 13, 0, 13)).await, unknown);
	}
}

#[tokio::test]
async fn hostile_request_should_cost_its_sender_and_nobody_else() {
	let served = serve(ServeLimits::default());
	let blob = bytes(MAX_RANGE as usize, 3);
	let root = served.store.insert(&blob).unwrap();
	let total = blob.len() as u64;
	for payload in [
		vec![],
		vec![0xff; 9],
		vec![1, 0, 0xfe, 0xff, 0xff, 0xff],
		Request::Have(vec![root; MAX_ROOTS + 1]).to_bytes(),
		range(root, total, 0, 0).to_bytes(),
		range(root, total, 1, 1).to_bytes(),
		range(root, total, total, GROUP).to_bytes(),
		range(root, total, u64::MAX, u64::from(u32::MAX)).to_bytes(),
		range(root, u64::MAX, 0, u64::from(u32::MAX)).to_bytes(),
		vec![1; 1 << 20],
	] {
		assert!(served.refused(PeerId::random(), payload).await < -1_000_000);
	}
	let request = range(root, total, 0, MAX_RANGE);
	assert!(matches!(served.ask(PeerId::random(), &request).await, Response::Slice(_)));
}

#[tokio::test]
async fn flood_should_be_cut_off_and_cheap_while_others_are_served() {
	let limits = ServeLimits { peer_requests: 20, queue: 100_000, ..ServeLimits::default() };
	let served = serve(limits);
	let blob = bytes(MAX_RANGE as usize, 4);
	let root = served.store.insert(&blob).unwrap();
	let (flooder, honest) = (PeerId::random(), PeerId::random());
	let started = Instant::now();
	let unknown = range([9; 32], MAX_RANGE, 0, MAX_RANGE).to_bytes();
	let answers: Vec<_> = (0..50_000).map(|_| served.send(flooder, unknown.clone())).collect();
	let request = range(root, MAX_RANGE, 0, MAX_RANGE);
	assert!(matches!(served.ask(honest, &request).await, Response::Slice(_)));
	let took = started.elapsed();
	println!("50,000 requests and an honest one: {took:?}");
	let (mut answered, mut cost) = (0, 0i64);
	for answer in answers {
		let answer = answer.await.unwrap();
		answered += usize::from(answer.result.is_ok());
		cost += answer.reputation_changes.iter().map(|c| i64::from(c.value)).sum::<i64>();
	}
	assert!(answered <= 100 + 20 * (took.as_secs() as usize + 2), "{answered}");
	// Enough to be banned many times over.
	assert!(cost < 10 * i64::from(sc_network::peer_store::BANNED_THRESHOLD), "{cost}");
	assert!(took < Duration::from_secs(10));
}

#[tokio::test]
async fn peer_should_get_its_share_and_not_more_when_it_asks_for_everything() {
	let limits = ServeLimits {
		peer_rate: MAX_RANGE,
		peer_concurrent: 2,
		concurrent: 3,
		..ServeLimits::default()
	};
	let served = serve(limits);
	let blob = bytes(MAX_RANGE as usize, 5);
	let root = served.store.insert(&blob).unwrap();
	let request = range(root, MAX_RANGE, 0, MAX_RANGE);
	let (one, two, three) = (PeerId::random(), PeerId::random(), PeerId::random());
	// Two seconds' worth at once, then it is told how long to wait.
	for _ in 0..2 {
		assert!(matches!(served.ask(one, &request).await, Response::Slice(_)));
	}
	let Response::Refused(Refusal::Busy(millis)) = served.ask(one, &request).await else {
		panic!()
	};
	assert!((100..=1000).contains(&millis), "{millis}");
	// Answers that nobody reads keep their places: of a peer, and of all together.
	let small = range(root, MAX_RANGE, 0, GROUP);
	let unread: Vec<_> = futures::future::join_all(
		[two, two, three].map(|peer| served.send(peer, small.to_bytes())),
	)
	.await;
	assert!(unread.iter().all(|answer| answer.as_ref().unwrap().result.is_ok()));
	for peer in [two, three, PeerId::random()] {
		let answer = served.ask(peer, &small).await;
		assert!(matches!(answer, Response::Refused(Refusal::Busy(_))), "{answer:?}");
	}
	drop(unread);
	tokio::time::sleep(Duration::from_millis(50)).await;
	assert!(matches!(served.ask(two, &small).await, Response::Slice(_)));
}

#[tokio::test]
async fn peers_should_be_remembered_within_bounds_when_many_come() {
	let limits = ServeLimits { peers: 10, peer_requests: 1, ..ServeLimits::default() };
	let served = serve(limits);
	for _ in 0..10 {
		let have = served.ask(PeerId::random(), &Request::Have(vec![])).await;
		assert_eq!(have, Response::Have(vec![]));
	}
	// All ten have asked a moment ago: the next one comes again later.
	let full = served.ask(PeerId::random(), &Request::Have(vec![])).await;
	assert!(matches!(full, Response::Refused(Refusal::Busy(_))));
	tokio::time::sleep(Duration::from_millis(1100)).await;
	let room = served.ask(PeerId::random(), &Request::Have(vec![])).await;
	assert_eq!(room, Response::Have(vec![]));
}

#[tokio::test]
async fn damage_should_never_be_served_when_it_is_on_the_disk() {
	let served = serve(ServeLimits::default());
	let blob = bytes(2 * MAX_RANGE as usize, 6);
	let (root, total) = (served.store.insert(&blob).unwrap(), blob.len() as u64);
	let peer = PeerId::random();
	let request = range(root, total, 0, MAX_RANGE);
	assert!(matches!(served.ask(peer, &request).await, Response::Slice(_)));
	// The outboard: computed again.
	let outboard = served.dir.path().join("outboards").join(hex::encode(root));
	let mut nodes = fs::read(&outboard).unwrap();
	nodes[100] ^= 1;
	fs::write(&outboard, nodes).unwrap();
	assert!(matches!(served.ask(peer, &request).await, Response::Refused(Refusal::Busy(_))));
	assert!(matches!(served.ask(peer, &request).await, Response::Slice(_)));
	// The blob: removed.
	let mut wrong = blob.clone();
	wrong[5] ^= 1;
	fs::write(served.store.path(&root).unwrap(), &wrong).unwrap();
	let gone = Response::Refused(Refusal::Unknown);
	assert_eq!(served.ask(peer, &request).await, gone);
	assert!(!served.store.contains(&root));
	assert_eq!(served.ask(peer, &request).await, gone);
}

#[test]
fn outboards_should_be_swept_when_their_blobs_are_gone_and_foreign_files_left_alone() {
	let dir = tempfile::tempdir().unwrap();
	let store = store(&dir);
	let held = store.insert(&bytes(100_000, 7)).unwrap();
	let folder = dir.path().join("outboards");
	fs::create_dir(&folder).unwrap();
	for name in [hex::encode(held), hex::encode([1; 32]), format!("{}.part", hex::encode([2; 32]))]
	{
		fs::write(folder.join(name), b"nodes").unwrap();
	}
	fs::write(folder.join("README"), b"not ours").unwrap();
	let outboards = Outboards::open(&folder, store).unwrap();
	let mut left: Vec<_> = fs::read_dir(&folder)
		.unwrap()
		.map(|entry| entry.unwrap().file_name().into_string().unwrap())
		.collect();
	left.sort();
	let mut expected = vec!["README".to_string(), hex::encode(held)];
	expected.sort();
	assert_eq!(left, expected);
	// Of another length than the outboard of this blob: not taken for one.
	assert!(!outboards.is_ready(&held, 100_000));
}

/// A verifier's own copy of a result: nobody can find out that it is here before the job's reveal,
/// and everybody gets it afterwards.
#[tokio::test]
async fn result_should_be_served_when_its_job_has_revealed_it_and_not_before() {
	let served = serve(ServeLimits::default());
	let blob = bytes(2 * MAX_RANGE as usize, 9);
	let (root, total) = (root_of(&blob), blob.len() as u64);
	served.store.insert_quiet_from(3, root, total, &blob[..]).unwrap();
	let peer = PeerId::random();
	let request = range(root, total, 0, MAX_RANGE);
	for job in [None, Some(4)] {
		if let Some(job) = job {
			// A job of somebody who wants to know.
			served.store.name(job, None, [root].into()).unwrap();
		}
		let have = served.ask(peer, &Request::Have(vec![root])).await;
		assert_eq!(have, Response::Have(vec![0]));
		for total in [total, total + GROUP] {
			let answer = served.ask(peer, &range(root, total, 0, MAX_RANGE)).await;
			assert_eq!(answer, Response::Refused(Refusal::Unknown));
		}
	}
	served.store.name(3, None, [root].into()).unwrap();
	let have = served.ask(peer, &Request::Have(vec![root])).await;
	assert_eq!(have, Response::Have(vec![total]));
	assert!(matches!(served.ask(peer, &request).await, Response::Slice(_)));
}

/// After a restart a long blob is hashed once, away from the places for answers, whoever asks how
/// often.
#[tokio::test]
async fn long_blob_should_be_checked_once_while_peers_wait_outside() {
	let served = serve(ServeLimits::default());
	let blob = bytes((65 << 20) + 5, 10);
	let root = served.store.insert(&blob).unwrap();
	let Served { dir, store, outboards, requests } = served;
	outboards.open_blob(&root, blob.len() as u64).map(drop).unwrap();
	drop((requests, outboards));
	let store = Arc::try_unwrap(store);
	drop(store);
	tokio::time::sleep(Duration::from_millis(50)).await;
	let store = super::store(&dir);
	let outboards = Arc::new(Outboards::open(dir.path().join("outboards"), store.clone()).unwrap());
	let server =
		Server::new(store.clone(), outboards.clone(), ServeLimits::default(), Metrics::default());
	let (requests, receiver) = async_channel::bounded(256);
	tokio::spawn(server.run(receiver));
	let served = Served { dir, store, outboards, requests };
	assert!(served.outboards.is_ready(&root, blob.len() as u64) && !served.store.is_checked(&root));
	let request = range(root, blob.len() as u64, 0, MAX_RANGE);
	let busy = |answer: &Response| matches!(answer, Response::Refused(Refusal::Busy(500)));
	let first = served.ask(PeerId::random(), &request).await;
	assert!(busy(&first), "{first:?}");
	while !served.store.is_checked(&root) {
		tokio::time::sleep(Duration::from_millis(10)).await;
	}
	assert!(matches!(served.ask(PeerId::random(), &request).await, Response::Slice(_)));
}
