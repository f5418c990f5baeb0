//! What stays: pins for open jobs, and a look at what lies on the disk.
//!
//! The keeper follows the chain and pins every blob in the store that an open job names, as input or as output,
//! so that the store does not let it make way for others. It takes the pin back when the job has ended for good:
//! open neither at the best nor at the last finalized block. Everything else in the store goes when room is needed,
//! the longest unused first, after the store's grace period.
//!
//! Blobs that a drawn key of this node has to hold are pinned by the verifier service before they are here. Pins
//! live in memory; after a restart the first look at the chain makes them again, long before the grace
//! period ends.

use crate::{metrics::Metrics, outboards::Outboards, LOG_TARGET};
use assay_blobs::{BlobError, BlobStore, Hash};
use assay_market::{api::MarketApi, JobId, JobView};
use codec::Codec;
use futures::{stream::BoxStream, StreamExt};
use sc_client_api::BlockchainEvents;
use sp_api::{ApiExt, ProvideRuntimeApi};
use sp_blockchain::HeaderBackend;
use sp_runtime::traits::{Block as BlockT, NumberFor};
use std::{
	collections::{BTreeMap, BTreeSet},
	marker::PhantomData,
	sync::Arc,
	time::{Duration, Instant},
};
use tokio::task::spawn_blocking;

/// Least time between two looks at the chain.
const LOOK: Duration = Duration::from_secs(3);
/// Time between two blobs that are hashed to find damage.
const SCRUB: Duration = Duration::from_secs(60);
/// Jobs in one question to the runtime, the most that it answers.
const PAGE: u32 = 64;
/// Most jobs that one look goes through, so that it ends.
const JOBS: u64 = 65_536;

/// The chain could not answer, for the stated reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MarketError(pub String);

/// What the keeper asks of the chain. All but [`Market::wake`] may block.
pub trait Market: Send + Sync + 'static {
	/// The blobs that each open job with an id of at least `from` names, at the best and at the last finalized
	/// block together, and the id of the first of these jobs or of the next one to come.
	///
	/// # Errors
	/// When the runtime cannot be asked.
	fn open_jobs(
		&self,
		from: JobId,
	) -> Result<(JobId, BTreeMap<JobId, BTreeSet<Hash>>), MarketError>;

	/// An item per imported or finalized block.
	fn wake(&self) -> BoxStream<'static, ()>;
}

/// Types that are named and not held.
type Types<Block, AccountId, Balance> = fn() -> (Block, AccountId, Balance);

/// The market of a running node's chain.
pub struct ClientMarket<Block, Client, AccountId, Balance> {
	client: Arc<Client>,
	_types: PhantomData<Types<Block, AccountId, Balance>>,
}

impl<Block, Client, AccountId, Balance> ClientMarket<Block, Client, AccountId, Balance> {
	/// Wraps the node's client.
	pub fn new(client: Arc<Client>) -> Self {
		Self { client, _types: PhantomData }
	}
}

impl<Block, Client, AccountId, Balance> ClientMarket<Block, Client, AccountId, Balance>
where
	Block: BlockT,
	AccountId: Codec,
	Balance: Codec,
	Client: ProvideRuntimeApi<Block>,
	Client::Api: MarketApi<Block, AccountId, Balance, NumberFor<Block>>,
{
	/// All open jobs at one block, and the first id that is not behind us for good.
	fn at(
		&self,
		at: Block::Hash,
		from: JobId,
		open: &mut BTreeMap<JobId, BTreeSet<Hash>>,
	) -> Result<JobId, sp_api::ApiError> {
		let api = self.client.runtime_api();
		// Before the upgrade that brings the market there is none.
		if !api.has_api::<dyn MarketApi<Block, AccountId, Balance, NumberFor<Block>>>(at)? {
			return Ok(from);
		}
		let (mut next, mut first_open) = (from, None);
		while next < from.saturating_add(JOBS) {
			let page = self.client.runtime_api().jobs(at, next, PAGE)?;
			let Some(last) = page.last().map(|job| job.id) else { break };
			for job in page.iter().filter(|job| !job.phase.is_terminal()) {
				first_open.get_or_insert(job.id);
				open.entry(job.id).or_default().extend(blobs(job));
			}
			next = last.saturating_add(1);
		}
		Ok(first_open.unwrap_or(next))
	}
}

/// The blobs that a job names.
fn blobs<AccountId, Balance, BlockNumber>(
	job: &JobView<AccountId, Balance, BlockNumber>,
) -> impl Iterator<Item = Hash> + '_ {
	job.input_roots.iter().chain(&job.output_roots).copied()
}

impl<Block, Client, AccountId, Balance> Market for ClientMarket<Block, Client, AccountId, Balance>
where
	Block: BlockT,
	AccountId: Codec + 'static,
	Balance: Codec + 'static,
	Client: ProvideRuntimeApi<Block>
		+ HeaderBackend<Block>
		+ BlockchainEvents<Block>
		+ Send
		+ Sync
		+ 'static,
	Client::Api: MarketApi<Block, AccountId, Balance, NumberFor<Block>>,
{
	fn open_jobs(
		&self,
		from: JobId,
	) -> Result<(JobId, BTreeMap<JobId, BTreeSet<Hash>>), MarketError> {
		let failed = |error: sp_api::ApiError| MarketError(error.to_string());
		let info = self.client.info();
		let mut open = BTreeMap::new();
		let finalized = self.at(info.finalized_hash, from, &mut open).map_err(failed)?;
		let best = self.at(info.best_hash, from, &mut open).map_err(failed)?;
		Ok((finalized.min(best), open))
	}

	fn wake(&self) -> BoxStream<'static, ()> {
		let imported = self.client.import_notification_stream().map(|_| ());
		let finalized = self.client.finality_notification_stream().map(|_| ());
		futures::stream::select(imported, finalized).boxed()
	}
}

/// Keeps what open jobs need. See the module's documentation.
pub struct Keeper<M> {
	market: Arc<M>,
	state: State,
}

struct State {
	store: Arc<BlobStore>,
	outboards: Arc<Outboards>,
	metrics: Metrics,
	/// Jobs before this one have ended for good.
	from: JobId,
	/// What is pinned for each open job.
	pinned: BTreeMap<JobId, BTreeSet<Hash>>,
	/// The blob that was hashed last.
	scrubbed: Hash,
}

impl<M: Market> Keeper<M> {
	/// Keeps blobs of `store`.
	pub fn new(
		market: M,
		store: Arc<BlobStore>,
		outboards: Arc<Outboards>,
		metrics: Metrics,
	) -> Self {
		let state = State {
			store,
			outboards,
			metrics,
			from: 0,
			pinned: BTreeMap::new(),
			scrubbed: [0; 32],
		};
		Self { market: Arc::new(market), state }
	}

	/// Follows the chain until the future is dropped or its streams end.
	pub async fn run(self) {
		let Self { market, mut state } = self;
		let mut wake = market.wake().ready_chunks(64);
		let mut scrub = tokio::time::interval_at((Instant::now() + SCRUB).into(), SCRUB);
		scrub.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
		let mut looked: Option<Instant> = None;
		let mut due = true;
		loop {
			let pause = looked.map_or(Duration::ZERO, |at| LOOK.saturating_sub(at.elapsed()));
			let (do_look, do_scrub) = tokio::select! {
				woken = wake.next() => match woken {
					Some(_) => { due = true; continue }
					None => return,
				},
				() = tokio::time::sleep(pause), if due => (true, false),
				_ = scrub.tick() => (false, true),
			};
			let market = market.clone();
			let done = spawn_blocking(move || {
				if do_look {
					state.look(&*market);
				}
				if do_scrub {
					state.scrub();
				}
				state
			});
			state = match done.await {
				Ok(state) => state,
				Err(error) => {
					log::error!(target: LOG_TARGET, "Blobs are not kept any more: {error}");
					return;
				}
			};
			if do_look {
				looked = Some(Instant::now());
				due = false;
			}
		}
	}
}

impl State {
	/// Pins what open jobs name and the store holds, and unpins what ended jobs named.
	fn look(&mut self, market: &impl Market) {
		let (from, open) = match market.open_jobs(self.from) {
			Ok(found) => found,
			Err(error) => {
				log::debug!(target: LOG_TARGET, "Cannot read the open jobs: {error}");
				return;
			}
		};
		self.from = from;
		let mut ended = std::mem::take(&mut self.pinned);
		for (job, roots) in open {
			let mut pinned = ended.remove(&job).unwrap_or_default();
			// A job that was posted again on another fork may name other blobs.
			pinned.retain(|root| {
				let stays = roots.contains(root);
				if !stays {
					self.store.unpin(root);
				}
				stays
			});
			for root in roots {
				if !pinned.contains(&root) && self.store.status(&root).len > 0 {
					self.store.pin(root);
					pinned.insert(root);
				}
			}
			if !pinned.is_empty() {
				self.pinned.insert(job, pinned);
			}
		}
		for root in ended.values().flatten() {
			self.store.unpin(root);
		}
		let pinned: BTreeSet<_> = self.pinned.values().flatten().collect();
		self.metrics.kept(pinned.len(), self.store.usage().used);
	}

	/// Hashes the next blob, and removes outboards that are of no use any more.
	fn scrub(&mut self) {
		let mut roots: Vec<_> = self.store.list().into_iter().map(|(root, _)| root).collect();
		roots.sort();
		let next = roots.iter().find(|root| **root > self.scrubbed).or(roots.first());
		if let Some(root) = next {
			self.scrubbed = *root;
			match self.store.check(root) {
				Err(BlobError::Corrupt(_)) => self.metrics.damaged(),
				Err(error) if !matches!(error, BlobError::Unknown(_)) => {
					log::warn!(target: LOG_TARGET, "Cannot check the blobs: {error}");
				}
				_ => {}
			}
		}
		if let Err(error) = self.outboards.sweep() {
			log::warn!(target: LOG_TARGET, "Cannot look at the outboards: {error}");
		}
	}
}
