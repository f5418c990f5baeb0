//! Fetching: drives the [`Scheduler`](crate::scheduler::Scheduler) with the node's network and
//! store.

use crate::{
	limits::FetchLimits,
	metrics::Metrics,
	network::Network,
	peers::Fault,
	plan::Index,
	scheduler::{lengths_of, Action, Failure, Progress, Scheduler, Wanted, Written},
	tree::{self, Span},
	wire::{Request, Response},
	LOG_TARGET,
};
use assay_blobs::{BlobError, BlobStore, Hash};
use futures::{future::BoxFuture, stream::FuturesUnordered, FutureExt, StreamExt};
use parking_lot::Mutex;
use sc_network::PeerId;
use std::{
	collections::BTreeMap,
	sync::Arc,
	time::{Duration, Instant},
};
use tokio::{
	sync::{watch, Notify},
	task::spawn_blocking,
};

/// Longest time that the loop sleeps, for what no clock announces.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// Why a blob did not come.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FetchError {
	/// No connected peer has a blob of this root and length.
	#[error("no connected peer has a blob {} of {} bytes", hex::encode(.0.root), .0.len)]
	NoSource(Wanted),
	/// There are peers that say they have it, and none of them gave a further byte for a while.
	#[error("no peer gave more than {received} of {} bytes of blob {}", .wanted.len, hex::encode(.wanted.root))]
	Stalled {
		/// The blob.
		wanted: Wanted,
		/// Verified bytes that came.
		received: u64,
	},
	/// The store cannot take it.
	#[error("{0}")]
	Store(String),
	/// Too many blobs are wanted at one time, or the length is zero.
	#[error("too many blobs are wanted already, or its length is zero")]
	Refused,
	/// The node is stopping.
	#[error("fetching has ended")]
	Ended,
}

/// Fetches blobs from peers. Cheap to clone.
#[derive(Clone)]
pub struct Fetcher {
	shared: Arc<Shared>,
}

struct Shared {
	store: Arc<BlobStore>,
	limits: FetchLimits,
	scheduler: Mutex<Scheduler>,
	/// Last error of the store for a blob that is still wanted.
	errors: Mutex<BTreeMap<Wanted, String>>,
	wake: Notify,
	/// Ticks when something moved.
	moved: watch::Sender<u64>,
}

impl Fetcher {
	/// A fetcher into `store`, and the task that does the work until it is dropped.
	pub fn new(
		store: Arc<BlobStore>,
		network: Arc<dyn Network>,
		limits: FetchLimits,
		metrics: Metrics,
	) -> (Self, BoxFuture<'static, ()>) {
		let shared = Arc::new(Shared {
			store,
			limits,
			scheduler: Mutex::new(Scheduler::new(limits)),
			errors: Mutex::default(),
			wake: Notify::new(),
			moved: watch::Sender::new(0),
		});
		let driver =
			Driver { shared: shared.clone(), network, metrics, running: Default::default() };
		(Self { shared }, driver.run().boxed())
	}

	/// Wants a blob that is not here. Returns at once; it is fetched as long as it is wanted again
	/// within [`FetchLimits::lease`], however often peers or this node fail.
	///
	/// # Errors
	/// [`FetchError::Refused`].
	pub fn want(&self, root: Hash, len: u64) -> Result<(), FetchError> {
		let wanted = Wanted { root, len };
		if self.shared.store.contains(&root) {
			return Ok(());
		}
		// Whoever pays for it, as far as the chain says: turns go round among them.
		let owner = self.shared.store.owner(&root);
		if !self.shared.scheduler.lock().want_of(wanted, owner, Instant::now()) {
			return Err(FetchError::Refused);
		}
		self.shared.wake.notify_one();
		Ok(())
	}

	/// Fetches a blob and waits until it is here, whole and verified.
	///
	/// # Errors
	/// When no byte came for [`FetchLimits::patience`], or the store cannot take the blob.
	pub async fn fetch(&self, root: Hash, len: u64) -> Result<(), FetchError> {
		let wanted = Wanted { root, len };
		let mut moved = self.shared.moved.subscribe();
		let since = Instant::now();
		loop {
			if self.shared.store.contains(&root) {
				return Ok(());
			}
			self.want(root, len)?;
			if let Some(error) = self.shared.errors.lock().get(&wanted) {
				return Err(FetchError::Store(error.clone()));
			}
			let progress = self.progress(root, len);
			let idle = progress.map_or(Duration::ZERO, |progress| progress.idle);
			if idle.min(since.elapsed()) >= self.shared.limits.patience {
				let progress = progress.unwrap_or_default();
				return Err(match progress.sources {
					0 => FetchError::NoSource(wanted),
					_ => FetchError::Stalled { wanted, received: progress.received },
				});
			}
			let tick = tokio::time::timeout(Duration::from_millis(500), moved.changed()).await;
			if let Ok(Err(_)) = tick {
				return Err(FetchError::Ended);
			}
		}
	}

	/// How the fetch of a blob is getting on; `None` if it is not wanted.
	pub fn progress(&self, root: Hash, len: u64) -> Option<Progress> {
		let scheduler = self.shared.scheduler.lock();
		let mut all = scheduler.progress_of(&root, Instant::now());
		all.find(|(wanted, _)| wanted.len == len).map(|(_, progress)| progress)
	}

	/// How the fetches of a blob are getting on, whatever its length; the one that has most.
	pub fn progress_of(&self, root: &Hash) -> Option<Progress> {
		let scheduler = self.shared.scheduler.lock();
		let all = scheduler.progress_of(root, Instant::now());
		all.map(|(_, progress)| progress)
			.max_by_key(|progress| (progress.received, progress.sources))
	}

	/// What the store said last about a blob that is wanted, if it refused it.
	pub fn error_of(&self, root: &Hash) -> Option<String> {
		let errors = self.shared.errors.lock();
		errors.range(lengths_of(root)).next().map(|(_, error)| error.clone())
	}
}

/// Something that was started has ended.
enum Event {
	Peers(Option<Vec<PeerId>>),
	Have(PeerId, Vec<Hash>, Result<Vec<u64>, Failure>),
	Range(PeerId, Wanted, Index, Result<Vec<u8>, Failure>, Duration),
	Written(Wanted, Result<Written, String>),
}

struct Driver {
	shared: Arc<Shared>,
	network: Arc<dyn Network>,
	metrics: Metrics,
	running: FuturesUnordered<BoxFuture<'static, Event>>,
}

impl Driver {
	async fn run(mut self) {
		self.look();
		loop {
			let now = Instant::now();
			self.expire(now);
			let (actions, next, counts) = {
				let mut scheduler = self.shared.scheduler.lock();
				let store = &self.shared.store;
				let received = |wanted: &Wanted| match store.status(&wanted.root) {
					status if status.len == wanted.len => status.received,
					_ => 0,
				};
				let actions = scheduler.poll(now, received);
				(actions, scheduler.next_poll(now), scheduler.counts())
			};
			for action in actions {
				self.act(action);
			}
			self.metrics.fetching(counts);
			let sleep = next.map_or(LONGEST_SLEEP, |at| at.saturating_duration_since(now));
			tokio::select! {
				Some(event) = self.running.next() => {
					self.on(event);
					// All that is there, before the next look.
					while let Some(Some(event)) = self.running.next().now_or_never() {
						self.on(event);
					}
				}
				() = self.shared.wake.notified() => {}
				() = tokio::time::sleep(sleep.min(LONGEST_SLEEP)) => {}
			}
		}
	}

	fn expire(&mut self, now: Instant) {
		let mut scheduler = self.shared.scheduler.lock();
		let expired = scheduler.expire(now);
		self.shared.errors.lock().retain(|wanted, _| scheduler.is_wanted(wanted));
		drop(scheduler);
		for wanted in expired {
			log::debug!(target: LOG_TARGET, "Nobody wants blob {} any more", hex::encode(wanted.root));
		}
	}

	/// Asks who is connected, now and then.
	fn look(&self) {
		let (peers, limit) = (self.network.peers(), self.shared.limits.request_timeout);
		self.running.push(
			async move { Event::Peers(tokio::time::timeout(limit, peers).await.ok()) }.boxed(),
		);
	}

	fn look_later(&self) {
		let (network, pause) = (self.network.clone(), self.shared.limits.look);
		let limit = self.shared.limits.request_timeout;
		let look = async move {
			tokio::time::sleep(pause).await;
			Event::Peers(tokio::time::timeout(limit, network.peers()).await.ok())
		};
		self.running.push(look.boxed());
	}

	fn act(&self, action: Action) {
		let limit = self.shared.limits.request_timeout;
		match action {
			Action::Have(peer, roots) => {
				let answer = self.network.request(peer, Request::Have(roots.clone()).to_bytes());
				let ask = async move {
					let answer = match tokio::time::timeout(limit, answer).await {
						Ok(answer) => answer.and_then(|bytes| read_have(&bytes)),
						Err(_) => Err(Failure::Fault(Fault::Silent)),
					};
					Event::Have(peer, roots, answer)
				};
				self.running.push(ask.boxed());
			}
			Action::Range(peer, wanted, index, span) => {
				let Wanted { root, len: total } = wanted;
				let Span { offset, len, .. } = span;
				let request = Request::Range { root, total, offset, len };
				let answer = self.network.request(peer, request.to_bytes());
				let started = Instant::now();
				let ask = async move {
					let answer = match tokio::time::timeout(limit, answer).await {
						Ok(Ok(bytes)) => {
							let took = started.elapsed();
							let checked =
								spawn_blocking(move || read_slice(&root, &span, &bytes)).await;
							// A panic of the decoder is the fault of what it was given.
							let checked = checked.unwrap_or(Err(Failure::Fault(Fault::Malformed)));
							return Event::Range(peer, wanted, index, checked, took);
						}
						Ok(Err(failure)) => Err(failure),
						Err(_) => Err(Failure::Fault(Fault::Silent)),
					};
					Event::Range(peer, wanted, index, answer, started.elapsed())
				};
				self.running.push(ask.boxed());
			}
			Action::Write(wanted, offset, bytes) => {
				let store = self.shared.store.clone();
				let write = async move {
					let written =
						spawn_blocking(move || write(&store, &wanted, offset, &bytes)).await;
					let written = written.unwrap_or_else(|error| Err(error.to_string()));
					Event::Written(wanted, written)
				};
				self.running.push(write.boxed());
			}
			Action::Report(peer, fault) => {
				if fault.drops() {
					log::warn!(
						target: LOG_TARGET,
						"Peer {peer} is not asked for blobs any more: {}", fault.name(),
					);
				} else {
					log::debug!(target: LOG_TARGET, "Peer {peer}: {}", fault.name());
				}
				self.metrics.fault(fault);
				self.network.report(peer, fault);
			}
		}
	}

	fn on(&self, event: Event) {
		let now = Instant::now();
		let mut scheduler = self.shared.scheduler.lock();
		match event {
			Event::Peers(peers) => {
				if let Some(peers) = peers {
					scheduler.connected(peers, now);
				}
				self.look_later();
			}
			Event::Have(peer, roots, answer) => scheduler.on_have(peer, &roots, answer, now),
			Event::Range(peer, wanted, index, answer, took) => {
				self.metrics.answered(&answer);
				let new = scheduler.on_range(peer, &wanted, index, answer, took, now);
				if new > 0 {
					self.metrics.fetched(new);
				}
			}
			Event::Written(wanted, written) => {
				let written = match written {
					Ok(written) => {
						self.shared.errors.lock().remove(&wanted);
						written
					}
					Err(error) => {
						let root = hex::encode(wanted.root);
						log::warn!(target: LOG_TARGET, "Blob {root} cannot be stored: {error}");
						self.shared.errors.lock().insert(wanted, error);
						Written::Failed
					}
				};
				if scheduler.on_written(&wanted, written, now) {
					self.metrics.completed();
					log::debug!(
						target: LOG_TARGET,
						"Blob {} of {} bytes is here", hex::encode(wanted.root), wanted.len,
					);
				}
			}
		}
		drop(scheduler);
		self.shared.moved.send_modify(|tick| *tick += 1);
	}
}

fn read_have(bytes: &[u8]) -> Result<Vec<u64>, Failure> {
	match Response::read(bytes) {
		Ok(Response::Have(lengths)) => Ok(lengths),
		Ok(Response::Refused(refusal)) => Err(Failure::Refused(refusal)),
		_ => Err(Failure::Fault(Fault::Malformed)),
	}
}

fn read_slice(root: &Hash, span: &Span, bytes: &[u8]) -> Result<Vec<u8>, Failure> {
	match Response::read(bytes) {
		Ok(Response::Slice(slice)) => {
			tree::verify(root, span, &slice).map_err(|_| Failure::Fault(Fault::WrongBytes))
		}
		Ok(Response::Refused(refusal)) => Err(Failure::Refused(refusal)),
		_ => Err(Failure::Fault(Fault::Malformed)),
	}
}

fn write(store: &BlobStore, wanted: &Wanted, offset: u64, bytes: &[u8]) -> Result<Written, String> {
	match store.put_part(wanted.root, offset, wanted.len, bytes) {
		Ok(status) if status.present => Ok(Written::Whole),
		Ok(_) => Ok(Written::Part),
		// What was written here is verified, so it is something else: an upload of the same root by
		// a client, or a file that a crash garbled. The store has discarded it.
		Err(BlobError::RootMismatch { .. }) => Ok(Written::Elsewhere { received: 0 }),
		Err(BlobError::Gap { received, .. }) => Ok(Written::Elsewhere { received }),
		Err(error) => Err(error.to_string()),
	}
}
