//! Real `sc-network` instances on loopback, one of which lies and one of which stalls.
//!
//! 64 MiB by default; `make blobs SIZE=1GiB` moves 1 GiB (`ASSAY_BLOB_MIB`).

use assay_blob_transport::{
	protocol, protocol_name, wire, Failure, Fault, FetchLimits, Fetcher, Metrics, Network,
	NodeNetwork, Outboards, ServeLimits, Server,
};
use assay_blobs::{BlobStore, Hash};
use futures::{channel::oneshot, future::BoxFuture, FutureExt};
use sc_network::{
	config::{
		ed25519, FullNetworkConfiguration, NetworkConfiguration, NodeKeyConfig,
		NotificationHandshake, Params, ProtocolId, Role, Secret, SetConfig,
	},
	request_responses::{IncomingRequest, OutgoingResponse},
	service::traits::{NetworkService, PeerStore},
	Litep2pNetworkBackend, NetworkBackend, NetworkWorker, NotificationMetrics, PeerId,
};
use sp_core::H256;
use sp_runtime::{generic, traits::BlakeTwo256, OpaqueExtrinsic};
use std::{
	collections::BTreeMap,
	io::Read,
	net::TcpListener,
	path::Path,
	sync::{
		atomic::{AtomicUsize, Ordering},
		Arc, Mutex,
	},
	time::{Duration, Instant},
};

type Block = generic::Block<generic::Header<u32, BlakeTwo256>, OpaqueExtrinsic>;

const GENESIS: H256 = H256::repeat_byte(7);

/// Bytes to move.
fn size() -> u64 {
	let mib = std::env::var("ASSAY_BLOB_MIB").ok().and_then(|mib| mib.parse().ok());
	// Not a whole number of ranges or groups.
	(mib.unwrap_or(64) << 20) + 4711
}

/// Reproducible bytes of which no two pieces are alike (splitmix64).
struct Source {
	state: u64,
	left: u64,
}

impl Read for Source {
	fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
		let len = (into.len() as u64).min(self.left) as usize;
		for piece in into[..len].chunks_mut(8) {
			self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
			let mut z = self.state;
			z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
			z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
			piece.copy_from_slice(&(z ^ (z >> 31)).to_le_bytes()[..piece.len()]);
		}
		self.left -= len as u64;
		Ok(len)
	}
}

fn source(len: u64) -> impl Read {
	std::io::BufReader::with_capacity(1 << 20, Source { state: 1, left: len })
}

fn root(len: u64) -> Hash {
	*blake3::Hasher::new().update_reader(source(len)).unwrap().finalize().as_bytes()
}

fn open(dir: &Path) -> Arc<BlobStore> {
	Arc::new(BlobStore::open(dir.join("blobs"), 8 << 30).unwrap())
}

/// A network instance.
struct Node {
	id: PeerId,
	port: u16,
	service: Arc<dyn NetworkService>,
	requests: async_channel::Receiver<IncomingRequest>,
	tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Drop for Node {
	fn drop(&mut self) {
		self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
	}
}

fn start<N: NetworkBackend<Block, H256>>(seed: u8) -> Node {
	let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
	let mut config = NetworkConfiguration::new_local();
	config.listen_addresses = vec![format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap()];
	let key = ed25519::SecretKey::try_from_bytes([seed; 32]).unwrap();
	config.node_key = NodeKeyConfig::Ed25519(Secret::Input(key));
	let mut full = FullNetworkConfiguration::<Block, H256, N>::new(&config, None);
	let (blobs, requests) =
		protocol::<Block, N>(GENESIS, &ServeLimits::default(), &FetchLimits::default());
	full.add_request_response_protocol(blobs);
	let peer_store = full.take_peer_store();
	let (block_announce_config, notifications) = N::notification_config(
		"/block-announces/1".into(),
		vec![],
		1024,
		Some(NotificationHandshake::from_bytes(vec![0])),
		SetConfig::default(),
		NotificationMetrics::new(None),
		full.peer_store_handle(),
	);
	let network = N::new(Params {
		role: Role::Full,
		executor: Box::new(|future| drop(tokio::spawn(future))),
		network_config: full,
		protocol_id: ProtocolId::from("test"),
		genesis_hash: GENESIS,
		fork_id: None,
		metrics_registry: None,
		block_announce_config,
		ipfs_config: None,
		notification_metrics: NotificationMetrics::new(None),
	})
	.unwrap();
	let service = network.network_service();
	let run = async move {
		// Kept, so that the backend does not stop for the lack of it.
		let _notifications = notifications;
		network.run().await;
	};
	let tasks = vec![tokio::spawn(peer_store.run()), tokio::spawn(run)];
	Node { id: service.local_peer_id(), port, service, requests, tasks }
}

/// Each has outboards of its own, as nodes have.
fn server(store: &Arc<BlobStore>, dir: &Path, name: &str) -> Server {
	let outboards = Outboards::open(dir.join(name), store.clone()).unwrap();
	let limits = ServeLimits { rate: 8 << 30, peer_rate: 8 << 30, ..ServeLimits::default() };
	Server::new(store.clone(), Arc::new(outboards), limits, Metrics::default())
}

/// Has the honest answer made, and gives something else for a slice: `None` for nothing at all.
async fn twist(
	requests: async_channel::Receiver<IncomingRequest>,
	honest: async_channel::Sender<IncomingRequest>,
	twist: impl Fn(Vec<u8>) -> Option<Vec<u8>>,
) {
	let mut unanswered = Vec::new();
	while let Ok(IncomingRequest { peer, payload, pending_response }) = requests.recv().await {
		let range = matches!(wire::Request::read(&payload), Ok(wire::Request::Range { .. }));
		let (sender, answer) = oneshot::channel();
		honest.send(IncomingRequest { peer, payload, pending_response: sender }).await.unwrap();
		let mut answer: OutgoingResponse = answer.await.unwrap();
		match answer.result {
			Ok(bytes) if range => match twist(bytes) {
				Some(bytes) => answer.result = Ok(bytes),
				None => {
					unanswered.push(pending_response);
					continue;
				}
			},
			_ => {}
		}
		let _ = pending_response.send(answer);
	}
}

/// The node's network, with a memory of what was reported.
struct Watched {
	network: NodeNetwork,
	faults: Mutex<BTreeMap<PeerId, Vec<Fault>>>,
	ranges: AtomicUsize,
}

impl Network for Watched {
	fn peers(&self) -> BoxFuture<'static, Vec<PeerId>> {
		self.network.peers()
	}

	fn request(
		&self,
		peer: PeerId,
		request: Vec<u8>,
	) -> BoxFuture<'static, Result<Vec<u8>, Failure>> {
		let range = matches!(wire::Request::read(&request), Ok(wire::Request::Range { .. }));
		self.ranges.fetch_add(usize::from(range), Ordering::Relaxed);
		let answer = self.network.request(peer, request);
		async move {
			let answer = answer.await;
			if let Err(failure) = &answer {
				let what = if range { "range" } else { "question" };
				println!("{peer} did not answer a {what}: {failure:?}");
			}
			answer
		}
		.boxed()
	}

	fn report(&self, peer: PeerId, fault: Fault) {
		self.faults.lock().unwrap().entry(peer).or_default().push(fault);
		self.network.report(peer, fault);
	}
}

fn watch(node: &Node, others: &[&Node]) -> Arc<Watched> {
	for other in others {
		let address = format!("/ip4/127.0.0.1/tcp/{}", other.port).parse().unwrap();
		node.service.add_known_address(other.id, address);
	}
	let ids: Vec<_> = others.iter().map(|other| other.id).collect();
	let peers = Arc::new(move || {
		let ids = ids.clone();
		async move { ids }.boxed()
	});
	let network = NodeNetwork::new(node.service.clone(), protocol_name(GENESIS), peers);
	Arc::new(Watched {
		network: network.dialling(),
		faults: Mutex::default(),
		ranges: AtomicUsize::new(0),
	})
}

async fn move_blob<N: NetworkBackend<Block, H256>>(name: &str) {
	let len = size();
	let root = root(len);
	let (theirs, mine) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
	let (store, wanted) = (open(theirs.path()), open(mine.path()));
	store.insert_from(root, len, source(len)).unwrap();

	let (one, two, liar, staller, me) =
		(start::<N>(1), start::<N>(2), start::<N>(3), start::<N>(4), start::<N>(5));
	let (lies, stalls) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
	let told = lies.clone();
	let lie = move |mut bytes: Vec<u8>| {
		// One bit of one byte near the end; what is no slice stays as it is.
		if let Ok(wire::Response::Slice(_)) = wire::Response::read(&bytes) {
			let at = bytes.len() - 5;
			bytes[at] ^= 1;
			told.fetch_add(1, Ordering::Relaxed);
		}
		Some(bytes)
	};
	let (proxy, behind) = async_channel::bounded(64);
	tokio::spawn(server(&store, theirs.path(), "behind").run(behind));
	tokio::spawn(twist(liar.requests.clone(), proxy.clone(), lie));
	let stalled = stalls.clone();
	let stall = move |_| {
		stalled.fetch_add(1, Ordering::Relaxed);
		None
	};
	tokio::spawn(twist(staller.requests.clone(), proxy, stall));

	let watched = watch(&me, &[&liar, &staller, &one, &two]);
	let limits = FetchLimits::default();
	let (fetcher, task) = Fetcher::new(wanted.clone(), watched.clone(), limits, Metrics::default());
	tokio::spawn(task);
	let started = Instant::now();
	fetcher.want(root, len).unwrap();
	// The honest ones are slower to start than the others, so that none can do all before those are
	// asked.
	while lies.load(Ordering::Relaxed) == 0 || stalls.load(Ordering::Relaxed) == 0 {
		assert!(started.elapsed() < Duration::from_secs(60), "the liar and the staller are asked");
		tokio::time::sleep(Duration::from_millis(5)).await;
	}
	for (name, honest) in [("one", &one), ("two", &two)] {
		tokio::spawn(server(&store, theirs.path(), name).run(honest.requests.clone()));
	}
	fetcher.fetch(root, len).await.unwrap();
	let took = started.elapsed();
	println!(
		"{name}: {} MiB in {took:.2?}, {:.1} MB/s; {} lies, {} silences, {} ranges in all",
		len >> 20,
		len as f64 / 1e6 / took.as_secs_f64(),
		lies.load(Ordering::Relaxed),
		stalls.load(Ordering::Relaxed),
		watched.ranges.load(Ordering::Relaxed),
	);
	// What is there is right, read again from the disk.
	wanted.check(&root).unwrap();
	assert_eq!(wanted.status(&root).len, len);
	let faults = watched.faults.lock().unwrap().clone();
	println!("{name}: faults {faults:?}");
	assert_eq!(faults[&liar.id], [Fault::WrongBytes]);
	// What was under way when its first lie came.
	assert!((1..=4).contains(&lies.load(Ordering::Relaxed)));
	assert!(!faults.contains_key(&one.id) && !faults.contains_key(&two.id), "{faults:?}");
	assert!(faults.get(&staller.id).is_none_or(|all| all.iter().all(|f| *f == Fault::Silent)));
	assert!(stalls.load(Ordering::Relaxed) >= 1);
	assert!(me.service.peer_reputation(&liar.id) < sc_network::peer_store::BANNED_THRESHOLD);
}

async fn resume<N: NetworkBackend<Block, H256>>(name: &str) {
	let len = size().min((64 << 20) + 4711);
	let root = root(len);
	let (theirs, mine) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
	let store = open(theirs.path());
	store.insert_from(root, len, source(len)).unwrap();
	let (one, me) = (start::<N>(11), start::<N>(12));
	tokio::spawn(server(&store, theirs.path(), "one").run(one.requests.clone()));
	let watched = watch(&me, &[&one]);
	// Slow enough to be caught half way.
	let limits = FetchLimits { parallel: 1, ..FetchLimits::default() };

	let wanted = open(mine.path());
	let (fetcher, task) = Fetcher::new(wanted.clone(), watched.clone(), limits, Metrics::default());
	let task = tokio::spawn(task);
	fetcher.want(root, len).unwrap();
	let deadline = Instant::now() + Duration::from_secs(60);
	while wanted.status(&root).received < len / 4 {
		assert!(Instant::now() < deadline);
		tokio::time::sleep(Duration::from_millis(1)).await;
	}
	task.abort();
	let _ = task.await;
	drop(fetcher);
	while Arc::strong_count(&wanted) > 1 {
		tokio::time::sleep(Duration::from_millis(5)).await;
	}
	drop(wanted);

	let wanted = open(mine.path());
	let kept = wanted.status(&root).received;
	assert!(kept >= len / 4 && kept < len, "{kept} of {len}");
	watched.ranges.store(0, Ordering::Relaxed);
	let limits = FetchLimits::default();
	let (fetcher, task) = Fetcher::new(wanted.clone(), watched.clone(), limits, Metrics::default());
	tokio::spawn(task);
	fetcher.fetch(root, len).await.unwrap();
	wanted.check(&root).unwrap();
	let asked = watched.ranges.load(Ordering::Relaxed) as u64;
	println!("{name}: {} MiB were kept, {asked} ranges of 1 MiB asked for afterwards", kept >> 20);
	assert!(asked <= (len - kept).div_ceil(1 << 20) + 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn blob_should_arrive_over_litep2p_when_one_peer_lies_and_one_stalls() {
	move_blob::<Litep2pNetworkBackend>("litep2p").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn blob_should_arrive_over_libp2p_when_one_peer_lies_and_one_stalls() {
	move_blob::<NetworkWorker<Block, H256>>("libp2p").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fetch_should_resume_over_litep2p_when_it_was_killed() {
	resume::<Litep2pNetworkBackend>("litep2p").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fetch_should_resume_over_libp2p_when_it_was_killed() {
	resume::<NetworkWorker<Block, H256>>("libp2p").await;
}
