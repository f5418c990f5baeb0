//! What stays: what open jobs name, and a look at what lies on the disk.
//!
//! The keeper follows the chain and tells the store which blobs open jobs name, as inputs, outputs
//! or checkpoints, whose jobs these are and what they are worth. What they name and the store holds
//! is not removed; where room is needed the store's rules say who makes way. When a job has ended
//! for good, open neither at the best nor at the last finalized block, that is over: its blobs stay
//! for the store's retention where there is room. The same ends what other parts of the node keep
//! for a job.
//!
//! Jobs live in the store's memory; after a restart the first look at the chain names them again,
//! long before the grace period ends.

use crate::{metrics::Metrics, outboards::Outboards, LOG_TARGET};
use assay_blobs::{BlobError, BlobStore, Claim, Hash, Owner};
use assay_market::{api::MarketApi, JobId, JobView};
use codec::Codec;
use futures::{stream::BoxStream, StreamExt};
use parking_lot::Mutex;
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
/// And this many times what the last one took, so that many jobs do not make the node do nothing
/// else.
const REST: u32 = 9;
/// Most time between two looks.
const LONGEST: Duration = Duration::from_secs(120);
/// Time between two blobs that are hashed to find damage.
const SCRUB: Duration = Duration::from_secs(60);
/// Jobs in one question to the runtime, the most that it answers.
const PAGE: u32 = 64;
/// How many numbers one question looks at.
const SCAN: u64 = 4096;

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
	/// The blobs that each open job with an id of at least `from` names, at the best and at the
	/// last finalized block together, and the id of the first of these jobs or of the next one to
	/// come.
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
	scan: Mutex<Scan>,
	_types: PhantomData<Types<Block, AccountId, Balance>>,
}

impl<Block, Client, AccountId, Balance> ClientMarket<Block, Client, AccountId, Balance> {
	/// Wraps the node's client.
	pub fn new(client: Arc<Client>) -> Self {
		Self { client, scan: Mutex::default(), _types: PhantomData }
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
	/// All open jobs at one block, and the number of the next job there.
	fn at(
		&self,
		at: Block::Hash,
		scan: &Scan,
		open: &mut BTreeMap<JobId, OpenJob>,
	) -> Result<JobId, sp_api::ApiError> {
		let api = self.client.runtime_api();
		// Before the upgrade that brings the market there is none.
		if !api.has_api::<dyn MarketApi<Block, AccountId, Balance, NumberFor<Block>>>(at)? {
			return Ok(0);
		}
		let next = api.next_job(at)?;
		scan.each(
			next,
			|from, limit| self.client.runtime_api().jobs(at, from, limit),
			|job| {
				let OpenJob { claim, blobs } = open.entry(job.id).or_default();
				*claim = Some(claim_of(job));
				blobs.extend(named(job));
			},
		)?;
		Ok(next)
	}
}

/// Which jobs are open: those that were at the last look, and those that are new since. What is
/// over is never asked about again, however many numbers were used since the oldest open job.
#[derive(Debug, Default)]
struct Scan {
	/// Jobs below `next` that are open at the best or at the last finalized block.
	open: BTreeSet<JobId>,
	/// What is below and not in `open` has ended for good: no block above the last finalized one
	/// can change that.
	next: JobId,
}

impl Scan {
	/// Every open job of a chain on which `end` is the next number, by questions for pages: up to
	/// so many jobs from this number on, within the next [`SCAN`] numbers.
	fn each<AccountId, Balance, BlockNumber, E>(
		&self,
		end: JobId,
		page: impl Fn(JobId, u32) -> Result<Vec<JobView<AccountId, Balance, BlockNumber>>, E>,
		mut found: impl FnMut(&JobView<AccountId, Balance, BlockNumber>),
	) -> Result<(), E> {
		let known: Vec<JobId> = self.open.iter().copied().collect();
		let mut rest = &known[..];
		while let Some(first) = rest.first().copied() {
			let near = rest.iter().take_while(|job| **job - first < u64::from(PAGE)).count();
			let (asked, after) = rest.split_at(near);
			let last = asked.last().copied().unwrap_or(first);
			let jobs = page(first, (last - first + 1) as u32)?;
			let open = jobs.iter().filter(|job| asked.contains(&job.id));
			open.filter(|job| !job.phase.is_terminal()).for_each(&mut found);
			rest = after;
		}
		let mut from = self.next;
		while from < end {
			let jobs = page(from, PAGE)?;
			// A page that is not full covers a whole scan, also where the chain has forgotten jobs.
			from = match jobs.last() {
				Some(last) if jobs.len() >= PAGE as usize => last.id.saturating_add(1),
				_ => from.saturating_add(SCAN),
			};
			jobs.iter().filter(|job| !job.phase.is_terminal()).for_each(&mut found);
		}
		Ok(())
	}

	/// What a look has found, where `finalized` is the next number at the last finalized block.
	fn learn(&mut self, finalized: JobId, open: impl Iterator<Item = JobId>) {
		self.next = self.next.max(finalized);
		self.open = open.filter(|job| *job < self.next).collect();
	}

	/// The first open job, or the next one to come.
	fn first(&self) -> JobId {
		self.open.first().copied().unwrap_or(self.next)
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

	fn claims(&self, _: JobId) -> Result<(JobId, BTreeMap<JobId, OpenJob>), MarketError> {
		let failed = |error: sp_api::ApiError| MarketError(error.to_string());
		let info = self.client.info();
		let mut open = BTreeMap::new();
		let mut scan = self.scan.lock();
		let finalized = self.at(info.finalized_hash, &scan, &mut open).map_err(failed)?;
		self.at(info.best_hash, &scan, &mut open).map_err(failed)?;
		scan.learn(finalized, open.keys().copied());
		Ok((scan.first(), open))
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

#[cfg(test)]
mod tests {
	use super::*;
	use assay_market::Phase;
	use std::{cell::Cell, convert::Infallible};

	type View = JobView<[u8; 32], u128, u32>;

	/// What a chain answers on which jobs have these phases; `None`: forgotten.
	fn page(jobs: &[Option<Phase>], from: JobId, limit: u32) -> Vec<View> {
		let numbers = from..(jobs.len() as JobId).min(from + SCAN);
		let view = |id: JobId| {
			let phase = jobs[id as usize]?;
			Some(JobView::blank(id, [1; 32], [2; 32], [3; 32], phase))
		};
		numbers.filter_map(view).take(limit.min(PAGE) as usize).collect()
	}

	/// The open jobs at the last finalized and at the best block, and how many questions that took.
	fn look(
		scan: &mut Scan,
		finalized: &[Option<Phase>],
		best: &[Option<Phase>],
	) -> (Vec<JobId>, u32) {
		let (mut open, asked) = (BTreeSet::new(), Cell::new(0));
		for chain in [finalized, best] {
			let ask = |from, limit| {
				asked.set(asked.get() + 1);
				Ok::<_, Infallible>(page(chain, from, limit))
			};
			scan.each(chain.len() as JobId, ask, |job| {
				open.insert(job.id);
			})
			.unwrap();
		}
		scan.learn(finalized.len() as JobId, open.iter().copied());
		(open.into_iter().collect(), asked.get())
	}

	#[test]
	fn open_jobs_should_be_found_when_thousands_are_over_or_forgotten_since_the_oldest_one() {
		let mut jobs = vec![None; 5_000];
		jobs.push(Some(Phase::Open));
		jobs.extend(vec![None; 20_000]);
		jobs.extend(vec![Some(Phase::Settled); 70_000]);
		jobs.push(Some(Phase::Claimed));
		let mut scan = Scan::default();
		assert_eq!(look(&mut scan, &jobs, &jobs).0, [5_000, 95_001]);
		assert_eq!(scan.first(), 5_000);
		// From then on only what is open and what is new is asked for.
		let mut best = jobs.clone();
		best.extend([Some(Phase::Settled), Some(Phase::Posted)]);
		assert_eq!(look(&mut scan, &jobs, &best), (vec![5_000, 95_001, 95_003], 5));
	}

	#[test]
	fn job_should_be_open_until_it_is_over_at_the_finalized_block_too() {
		let mut scan = Scan::default();
		let (open, over) = (Some(Phase::Open), Some(Phase::Settled));
		assert_eq!(look(&mut scan, &[open], &[over, open]).0, [0, 1]);
		assert_eq!(look(&mut scan, &[open], &[over]).0, [0], "the other one was of a fork");
		assert_eq!(look(&mut scan, &[over], &[over, open]).0, [1]);
		assert_eq!(scan.first(), 1);
	}
}
