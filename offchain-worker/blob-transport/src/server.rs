//! Serving: what peers ask is answered from complete, verified blobs, within limits.
//!
//! The checks come in the order of what they cost: how often this peer asks, whether the bytes are
//! a request at all, whether the blob is here and has this length, whether peer and node have bytes
//! and places left. Only then the disk is touched, away from the executor. A request that fails a
//! check is answered at once, so the queue that all peers share drains however much one of them
//! sends.

use crate::{
	bucket::Bucket,
	limits::ServeLimits,
	metrics::Metrics,
	outboards::{Opened, Outboards},
	tree::{self, EncodeFault, Span},
	wire::{Refusal, Request, Response},
	LOG_TARGET,
};
use assay_blobs::{BlobError, BlobStore, Hash};
use futures::channel::oneshot;
use parking_lot::Mutex;
use sc_network::{
	request_responses::{IncomingRequest, OutgoingResponse},
	PeerId, ReputationChange,
};
use std::{
	collections::HashMap,
	sync::Arc,
	time::{Duration, Instant},
};
use tokio::{sync::Semaphore, task::spawn_blocking};

/// Longer blobs are checked, and their outboards computed, while the peer waits outside.
const COMPUTE_AT_ONCE: u64 = 64 << 20;
/// When to ask again for a blob whose outboard is being computed.
const COMPUTING_PAUSE: Duration = Duration::from_millis(500);
/// When to ask again when all places are taken.
const CROWDED_PAUSE: Duration = Duration::from_millis(100);
/// Seconds of its rate that a peer may save up.
const BURST: u64 = 2;

/// Not a request of this protocol: no honest node sends it.
const BAD: ReputationChange = ReputationChange::new(-(1 << 24), "Assay: bad request for blobs");
/// More requests than any honest node has use for.
const FLOOD: ReputationChange = ReputationChange::new(-(1 << 20), "Assay: flood of blob requests");

/// What one peer may still have.
struct Account {
	requests: Bucket,
	bytes: Bucket,
	under_way: usize,
}

struct Accounts {
	limits: ServeLimits,
	all: Bucket,
	under_way: usize,
	peers: HashMap<PeerId, Account>,
}

/// A request that passed all checks, as far as memory knows.
struct Granted {
	root: Hash,
	span: Span,
}

/// What the first checks say.
enum Verdict {
	/// Answer this.
	Answer(Response, &'static str),
	/// Answer nothing, and hold it against the peer.
	Refuse(ReputationChange, &'static str),
	/// Read the disk.
	Grant(Granted),
}

impl Accounts {
	fn new(limits: ServeLimits, now: Instant) -> Self {
		let all = Bucket::new(limits.rate, limits.rate.saturating_mul(BURST), now);
		Self { limits, all, under_way: 0, peers: HashMap::new() }
	}

	/// The account of a peer. When there are too many, those that have all they may have are as
	/// good as unknown and forgotten; if all are in use, a stranger waits.
	fn of(&mut self, id: PeerId, now: Instant) -> Option<&mut Account> {
		let limits = self.limits;
		if !self.peers.contains_key(&id) {
			if self.peers.len() >= limits.peers.max(1) {
				self.peers.retain(|_, account| {
					account.under_way > 0
						|| !account.requests.is_full(now)
						|| !account.bytes.is_full(now)
				});
			}
			if self.peers.len() >= limits.peers.max(1) {
				return None;
			}
		}
		Some(self.peers.entry(id).or_insert_with(|| Account {
			requests: Bucket::new(
				limits.peer_requests,
				limits.peer_requests.saturating_mul(5),
				now,
			),
			bytes: Bucket::new(limits.peer_rate, limits.peer_rate.saturating_mul(BURST), now),
			under_way: 0,
		}))
	}

	/// Checks how often the peer asks, before anything is read. `Err`: the answer.
	fn admit(&mut self, id: PeerId, now: Instant) -> Result<(), Verdict> {
		let Some(account) = self.of(id, now) else { return Err(busy(CROWDED_PAUSE)) };
		if !account.requests.wait(1, now).is_zero() {
			return Err(Verdict::Refuse(FLOOD, "flood"));
		}
		account.requests.take(1, now);
		Ok(())
	}

	/// Takes bytes and a place for a range, or says when to come again.
	fn grant(&mut self, id: PeerId, len: u64, now: Instant) -> Result<(), Verdict> {
		let wait = self.all.wait(len, now);
		let (limits, crowded) = (self.limits, self.under_way >= self.limits.concurrent.max(1));
		let Some(account) = self.of(id, now) else { return Err(busy(CROWDED_PAUSE)) };
		let wait = wait.max(account.bytes.wait(len, now));
		if !wait.is_zero() {
			return Err(busy(wait));
		}
		if crowded || account.under_way >= limits.peer_concurrent.max(1) {
			return Err(busy(CROWDED_PAUSE));
		}
		account.bytes.take(len, now);
		account.under_way += 1;
		self.under_way += 1;
		self.all.take(len, now);
		Ok(())
	}

	fn done(&mut self, id: &PeerId) {
		self.under_way = self.under_way.saturating_sub(1);
		if let Some(account) = self.peers.get_mut(id) {
			account.under_way = account.under_way.saturating_sub(1);
		}
	}
}

fn busy(pause: Duration) -> Verdict {
	let millis = pause.as_millis().clamp(1, 60_000) as u32;
	Verdict::Answer(Response::Refused(Refusal::Busy(millis)), "busy")
}

/// A place that is free again when it is dropped.
struct Place(Arc<Mutex<Accounts>>, PeerId);

impl Drop for Place {
	fn drop(&mut self) {
		self.0.lock().done(&self.1);
	}
}

/// Answers peers.
pub struct Server {
	store: Arc<BlobStore>,
	outboards: Arc<Outboards>,
	limits: ServeLimits,
	accounts: Arc<Mutex<Accounts>>,
	/// Long outboards are computed one after the other.
	computing: Arc<Semaphore>,
	metrics: Metrics,
}

impl Server {
	/// Serves the blobs of `store`.
	pub fn new(
		store: Arc<BlobStore>,
		outboards: Arc<Outboards>,
		limits: ServeLimits,
		metrics: Metrics,
	) -> Self {
		let accounts = Arc::new(Mutex::new(Accounts::new(limits, Instant::now())));
		let computing = Arc::new(Semaphore::new(1));
		Self { store, outboards, limits, accounts, computing, metrics }
	}

	/// Answers requests until the network ends.
	pub async fn run(self, requests: async_channel::Receiver<IncomingRequest>) {
		while let Ok(IncomingRequest { peer, payload, pending_response }) = requests.recv().await {
			match self.judge(peer, &payload, Instant::now()) {
				Verdict::Answer(response, outcome) => {
					self.metrics.request(outcome);
					respond(pending_response, Ok(response.to_bytes()), None, None);
				}
				Verdict::Refuse(change, outcome) => {
					self.metrics.request(outcome);
					log::debug!(target: LOG_TARGET, "Peer {peer}: {}", change.reason);
					respond(pending_response, Err(()), Some(change), None);
				}
				Verdict::Grant(granted) => self.serve(peer, granted, pending_response),
			}
		}
	}

	/// Everything that needs no disk.
	fn judge(&self, peer: PeerId, payload: &[u8], now: Instant) -> Verdict {
		let mut accounts = self.accounts.lock();
		if let Err(verdict) = accounts.admit(peer, now) {
			return verdict;
		}
		match Request::read(payload) {
			Err(_) => Verdict::Refuse(BAD, "bad"),
			Ok(Request::Have(roots)) => {
				let lengths = roots.iter().map(|root| match self.store.public_status(root) {
					status if status.present => status.len,
					_ => 0,
				});
				Verdict::Answer(Response::Have(lengths.collect()), "have")
			}
			Ok(Request::Range { root, total, offset, len }) => {
				let status = self.store.public_status(&root);
				if !status.present {
					return Verdict::Answer(Response::Refused(Refusal::Unknown), "unknown");
				}
				if status.len != total {
					let refusal = Refusal::Length(status.len);
					return Verdict::Answer(Response::Refused(refusal), "length");
				}
				let Some(span) = Span::new(total, offset, len) else {
					return Verdict::Refuse(BAD, "bad");
				};
				match accounts.grant(peer, len.into(), now) {
					Ok(()) => Verdict::Grant(Granted { root, span }),
					Err(verdict) => verdict,
				}
			}
		}
	}

	/// Makes and sends a slice. The place is taken until the peer has it, so that one that does not
	/// read cannot make the node hold more than its share of answers.
	fn serve(
		&self,
		peer: PeerId,
		Granted { root, span }: Granted,
		pending: oneshot::Sender<OutgoingResponse>,
	) {
		let place = Place(self.accounts.clone(), peer);
		let (store, outboards) = (self.store.clone(), self.outboards.clone());
		let (metrics, computing) = (self.metrics.clone(), self.computing.clone());
		let send_timeout = self.limits.send_timeout;
		// After a restart the blob itself is hashed before it is served.
		let ready = || outboards.is_ready(&root, span.total) && store.is_checked(&root);
		if span.total > COMPUTE_AT_ONCE && !ready() {
			self.compute(root, span.total, computing);
			metrics.request("busy");
			let millis = COMPUTING_PAUSE.as_millis() as u32;
			let response = Response::Refused(Refusal::Busy(millis));
			respond(pending, Ok(response.to_bytes()), None, None);
			return;
		}
		tokio::spawn(async move {
			let made = spawn_blocking(move || make(&store, &outboards, &root, &span)).await;
			let response = made.unwrap_or_else(|error| Err(error.to_string()));
			let (response, outcome) = match response {
				Ok(Response::Slice(slice)) => (Response::Slice(slice), "slice"),
				Ok(refused) => (refused, "unknown"),
				Err(error) => {
					let root = hex::encode(root);
					log::warn!(target: LOG_TARGET, "Blob {root} cannot be served: {error}");
					(Response::Refused(Refusal::Unknown), "fault")
				}
			};
			metrics.request(outcome);
			let bytes = response.to_bytes();
			let (sent, is_sent) = oneshot::channel();
			let len = bytes.len();
			respond(pending, Ok(bytes), None, Some(sent));
			if let Ok(Ok(())) = tokio::time::timeout(send_timeout, is_sent).await {
				metrics.served(len);
			}
			drop(place);
		});
	}

	fn compute(&self, root: Hash, total: u64, computing: Arc<Semaphore>) {
		// The one that comes first does it, the others are told to come again.
		let Ok(permit) = computing.try_acquire_owned() else { return };
		let outboards = self.outboards.clone();
		spawn_blocking(move || {
			if let Err(error) = outboards.open_blob(&root, total) {
				let root = hex::encode(root);
				log::warn!(target: LOG_TARGET, "No outboard of blob {root}: {error}");
			}
			drop(permit);
		});
	}
}

/// Reads the disk. Blocks.
fn make(
	store: &BlobStore,
	outboards: &Outboards,
	root: &Hash,
	span: &Span,
) -> Result<Response, String> {
	let opened = match outboards.open_blob(root, span.total) {
		Ok(opened) => opened,
		// It made way since it was looked up, or was found damaged.
		Err(BlobError::Unknown(_) | BlobError::Corrupt(_)) => {
			return Ok(Response::Refused(Refusal::Unknown))
		}
		Err(error) => return Err(error.to_string()),
	};
	let Opened::Ready(blob, outboard) = opened else {
		return Ok(Response::Refused(Refusal::Busy(COMPUTING_PAUSE.as_millis() as u32)));
	};
	match tree::slice(root, span, &blob, &outboard) {
		Ok(slice) => Ok(Response::Slice(slice)),
		Err(EncodeFault::Damaged) => match outboards.distrust(root) {
			// It was the outboard.
			Ok(()) => Ok(Response::Refused(Refusal::Busy(COMPUTING_PAUSE.as_millis() as u32))),
			Err(_) => Ok(Response::Refused(Refusal::Unknown)),
		},
		Err(EncodeFault::Io(_)) if !store.contains(root) => Ok(Response::Refused(Refusal::Unknown)),
		Err(EncodeFault::Io(error)) => Err(error.to_string()),
	}
}

fn respond(
	pending: oneshot::Sender<OutgoingResponse>,
	result: Result<Vec<u8>, ()>,
	change: Option<ReputationChange>,
	sent_feedback: Option<oneshot::Sender<()>>,
) {
	// A peer that has gone needs no answer.
	let _ = pending.send(OutgoingResponse {
		result,
		reputation_changes: change.into_iter().collect(),
		sent_feedback,
	});
}
