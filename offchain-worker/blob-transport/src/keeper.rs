//! What stays: what open jobs name, and a look at what lies on the disk.
//!
//! The keeper follows the chain and tells the store which blobs open jobs name, as inputs, outputs or
//! checkpoints, whose jobs these are and what they are worth. What they name and the store holds is not
//! removed; where room is needed the store's rules say who makes way. When a job has ended for good, open
//! neither at the best nor at the last finalized block, that is over: its blobs stay for the store's retention
//! where there is room. The same ends what other parts of the node keep for a job.
//!
//! Jobs live in the store's memory; after a restart the first look at the chain names them again, long before
//! the grace period ends.

use crate::{metrics::Metrics, outboards::Outboards, LOG_TARGET};
use assay_blobs::{BlobError, BlobStore, Claim, Hash, Owner};
use assay_market::{api::MarketApi, JobId, JobView};
use codec::Codec;
use futures::{stream::BoxStream, StreamExt};
use sc_client_api::BlockchainEvents;
use sp_api::{ApiExt, ProvideRuntimeApi};
use sp_blockchain::HeaderBackend;
use sp_runtime::traits::{Block as BlockT, NumberFor, SaturatedConversion, UniqueSaturatedInto};
use std::{
	collections::{BTreeMap, BTreeSet},
	marker::PhantomData,
	sync::Arc,
	time::{Duration, Instant},
};
use tokio::task::spawn_blocking;

/// Least time between two looks at the chain.
const LOOK: Duration = Duration::from_secs(3);
/// And this many times what the last one took, so that many jobs do not make the node do nothing else.
const REST: u32 = 9;
/// Most time between two looks.
const LONGEST: Duration = Duration::from_secs(120);
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

/// What an open job is to the keeper.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenJob {
	/// Whose it is and what it is worth, where that is known.
	pub claim: Option<Claim>,
	/// The blobs that it names.
	pub blobs: BTreeSet<Hash>,
}

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

	/// The same, with whose each job is and what it is worth.
	///
	/// # Errors
	/// When the runtime cannot be asked.
	fn claims(&self, from: JobId) -> Result<(JobId, BTreeMap<JobId, OpenJob>), MarketError> {
		let (from, open) = self.open_jobs(from)?;
		let unknown = |(job, blobs)| (job, OpenJob { claim: None, blobs });
		Ok((from, open.into_iter().map(unknown).collect()))
	}

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
	Balance: Codec + Copy + UniqueSaturatedInto<u128>,
	Client: ProvideRuntimeApi<Block>,
	Client::Api: MarketApi<Block, AccountId, Balance, NumberFor<Block>>,
{
	/// All open jobs at one block, and the first id that is not behind us for good.
	fn at(
		&self,
		at: Block::Hash,
		from: JobId,
		open: &mut BTreeMap<JobId, OpenJob>,
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
				let OpenJob { claim, blobs } = open.entry(job.id).or_default();
				*claim = Some(claim_of(job));
				blobs.extend(named(job));
			}
			next = last.saturating_add(1);
		}
		Ok(first_open.unwrap_or(next))
	}
}

/// The blobs that a job names.
fn named<AccountId, Balance, BlockNumber>(
	job: &JobView<AccountId, Balance, BlockNumber>,
) -> impl Iterator<Item = Hash> + '_ {
	let manifest = job.checkpoints.as_ref().map(|checkpoints| checkpoints.manifest);
	job.input_roots.iter().chain(&job.output_roots).copied().chain(manifest)
}

/// Whose a job is, and what it pays: the agreed price, or the least that its requester offers.
fn claim_of<AccountId, Balance, BlockNumber>(
	job: &JobView<AccountId, Balance, BlockNumber>,
) -> Claim
where
	AccountId: Codec,
	Balance: Copy + UniqueSaturatedInto<u128>,
	BlockNumber: Copy + UniqueSaturatedInto<u64>,
{
	Claim {
		owner: Owner(*blake3::hash(&job.requester.encode()).as_bytes()),
		worth: job.price.unwrap_or(job.price_start).saturated_into(),
		deadline: job.deadline.map(|block| block.saturated_into()),
	}
}

impl<Block, Client, AccountId, Balance> Market for ClientMarket<Block, Client, AccountId, Balance>
where
	Block: BlockT,
	AccountId: Codec + 'static,
	Balance: Codec + Copy + UniqueSaturatedInto<u128> + 'static,
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
		let (from, open) = self.claims(from)?;
		Ok((from, open.into_iter().map(|(job, open)| (job, open.blobs)).collect()))
	}

	fn claims(&self, from: JobId) -> Result<(JobId, BTreeMap<JobId, OpenJob>), MarketError> {
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
	/// When the chain was looked at before.
	before: Option<Instant>,
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
		let state = State { store, outboards, metrics, from: 0, before: None, scrubbed: [0; 32] };
		Self { market: Arc::new(market), state }
	}

	/// Follows the chain until the future is dropped or its streams end.
	pub async fn run(self) {
		let Self { market, mut state } = self;
		let mut wake = market.wake().ready_chunks(64);
		let mut scrub = tokio::time::interval_at((Instant::now() + SCRUB).into(), SCRUB);
		scrub.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
		let mut looked: Option<Instant> = None;
		let mut took = Duration::ZERO;
		let mut due = true;
		loop {
			let rest = LOOK.max(took.saturating_mul(REST)).min(LONGEST);
			let pause = looked.map_or(Duration::ZERO, |at| rest.saturating_sub(at.elapsed()));
			let (do_look, do_scrub) = tokio::select! {
				woken = wake.next() => match woken {
					Some(_) => { due = true; continue }
					None => return,
				},
				() = tokio::time::sleep(pause), if due => (true, false),
				_ = scrub.tick() => (false, true),
			};
			let market = market.clone();
			let started = Instant::now();
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
				took = started.elapsed();
				due = false;
			}
		}
	}
}

impl State {
	/// Tells the store what open jobs name, and which jobs have ended.
	fn look(&mut self, market: &impl Market) {
		let started = Instant::now();
		let (from, open) = match market.claims(self.from) {
			Ok(found) => found,
			Err(error) => {
				log::debug!(target: LOG_TARGET, "Cannot read the open jobs: {error}");
				return;
			}
		};
		self.from = from;
		// What has been kept since the last look may be for a job that this one did not see yet.
		let known = self.store.jobs(self.before.unwrap_or(started));
		for job in known.into_iter().filter(|job| !open.contains_key(job)) {
			self.store.release(job);
		}
		for (job, OpenJob { claim, blobs }) in open {
			if let Err(error) = self.store.name(job, claim, blobs) {
				log::warn!(target: LOG_TARGET, "Cannot show the results of job {job}: {error}");
			}
		}
		self.before = Some(started);
		self.metrics.kept(self.store.held_for_jobs(), self.store.usage().used);
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
