//! A chain, a storage and a runner that tests control.

use crate::{
	chain::{Chain, ChainError, Disputed, Head, JobAssignment, OpenLottery},
	config::Config,
	fault::Fault,
	inputs::fetch::Fetch,
	metrics::Metrics,
	runner::{Ran, Replay, Runner},
	service::Service,
	testing::storage::SharedStorage,
	types::{BlockNumber, Hash},
	worker::process::ProcessRunner,
};
use assay_blobs::BlobStore;
use assay_exec::{CpuExecutor, Executor, Options, Tensor, Work};
use assay_market::{
	lottery::{draw_output, tranche_of, transcript},
	verifier_crypto::KEY_TYPE,
	AbstainReason, DutyTerms, JobId, LotteryTerms, MailboxEntry, Phase, Purpose, SeatStatus,
	Ticket, VerifierId,
};
use assay_program::{
	ops::{DType, TensorType},
	program_id, Limits, Program, ProgramBuilder, Source, State,
};
use futures::{channel::mpsc, future::BoxFuture, stream::BoxStream, FutureExt, StreamExt};
use parking_lot::Mutex;
use sp_core::offchain::{OffchainStorage, STORAGE_PREFIX};
use sp_keystore::{testing::MemoryKeystore, Keystore};
use sp_runtime::Permill;
use std::{
	collections::{HashMap, VecDeque},
	path::{Path, PathBuf},
	sync::{
		atomic::{AtomicUsize, Ordering},
		Arc,
	},
	time::{Duration, Instant},
};
use substrate_prometheus_endpoint::{prometheus::proto::Metric, Registry};
use tempfile::TempDir;
use tokio::task::JoinHandle;

pub(crate) const GENESIS: Hash = [9; 32];

/// Hash of the order that a job has unless a test says otherwise.
pub(crate) fn order_of(job: JobId) -> Hash {
	*blake3::hash(&job.to_le_bytes()).as_bytes()
}

#[derive(Default)]
struct ChainState {
	head: Head,
	assignments: Vec<JobAssignment>,
	lotteries: Vec<OpenLottery>,
	/// Of all lotteries that ever were.
	seeds: Vec<(Hash, Hash)>,
	disputes: Vec<Disputed>,
	programs: HashMap<Hash, Vec<u8>>,
	/// Orders that have ended for good.
	finished: Vec<Hash>,
	listeners: Vec<mpsc::UnboundedSender<()>>,
}

/// A chain that says what the test wants.
#[derive(Default)]
pub(crate) struct FakeChain(Mutex<ChainState>);

impl FakeChain {
	/// Changes the assignments and tells the service.
	pub(crate) fn set(&self, assignments: Vec<JobAssignment>) {
		self.0.lock().assignments = assignments;
		self.wake_all();
	}

	/// Changes the open lotteries and tells the service.
	pub(crate) fn draw(&self, lotteries: Vec<OpenLottery>) {
		let mut state = self.0.lock();
		state.seeds.extend(lotteries.iter().map(|lottery| (lottery.order, lottery.seed)));
		state.lotteries = lotteries;
		drop(state);
		self.wake_all();
	}

	/// Changes one job's lotteries.
	pub(crate) fn redraw(&self, job: JobId, change: impl Fn(&mut OpenLottery)) {
		let mut lotteries = self.0.lock().lotteries.clone();
		lotteries.iter_mut().filter(|lottery| lottery.job == job).for_each(change);
		self.draw(lotteries);
	}

	/// Takes in the commitment of a key, as a block does.
	pub(crate) fn commit(&self, seat: JobAssignment) {
		let mut state = self.0.lock();
		state.lotteries.retain(|open| open.job != seat.job || open.key != seat.key);
		state.assignments.push(seat);
		drop(state);
		self.wake_all();
	}

	/// Changes one job's assignments.
	pub(crate) fn update(&self, job: JobId, change: impl Fn(&mut JobAssignment)) {
		self.0.lock().assignments.iter_mut().filter(|a| a.job == job).for_each(change);
		self.wake_all();
	}

	/// Changes the disputes, at the next block, and tells the service.
	pub(crate) fn dispute(&self, disputes: Vec<Disputed>) {
		let mut state = self.0.lock();
		state.disputes = disputes;
		state.head.best += 1;
		drop(state);
		self.wake_all();
	}

	/// Ends a job for good.
	pub(crate) fn finish(&self, job: JobId) {
		let mut state = self.0.lock();
		state.finished.push(order_of(job));
		state.assignments.retain(|assignment| assignment.job != job);
		state.lotteries.retain(|lottery| lottery.job != job);
		state.disputes.retain(|duty| duty.job != job);
		drop(state);
		self.wake_all();
	}

	/// Ends the job of one order for good, whose number another one may have.
	pub(crate) fn finish_order(&self, order: Hash) {
		let mut state = self.0.lock();
		state.finished.push(order);
		state.assignments.retain(|assignment| assignment.order != order);
		drop(state);
		self.wake_all();
	}

	pub(crate) fn advance(&self, best: BlockNumber, finalized: BlockNumber) {
		self.0.lock().head = Head { best, finalized };
		self.wake_all();
	}

	pub(crate) fn best(&self) -> BlockNumber {
		self.0.lock().head.best
	}

	pub(crate) fn register(&self, program: Vec<u8>) -> Hash {
		let id = program_id(&program);
		self.0.lock().programs.insert(id, program);
		id
	}

	fn wake_all(&self) {
		self.0.lock().listeners.retain(|listener| listener.unbounded_send(()).is_ok());
	}
}

impl Chain for FakeChain {
	fn genesis(&self) -> Hash {
		GENESIS
	}

	fn head(&self) -> Head {
		self.0.lock().head
	}

	fn assignments(&self, keys: &[VerifierId]) -> Result<Vec<JobAssignment>, ChainError> {
		let all = self.0.lock().assignments.clone();
		Ok(all.into_iter().filter(|assignment| keys.contains(&assignment.key)).collect())
	}

	fn lotteries(&self, keys: &[VerifierId]) -> Result<Vec<OpenLottery>, ChainError> {
		let all = self.0.lock().lotteries.clone();
		Ok(all.into_iter().filter(|lottery| keys.contains(&lottery.key)).collect())
	}

	fn disputes(&self, keys: &[VerifierId]) -> Result<Vec<Disputed>, ChainError> {
		let all = self.0.lock().disputes.clone();
		Ok(all.into_iter().filter(|duty| keys.contains(&duty.key)).collect())
	}

	fn program(&self, id: Hash) -> Result<Option<Vec<u8>>, ChainError> {
		Ok(self.0.lock().programs.get(&id).cloned())
	}

	fn finished(&self, _: JobId, order: &Hash) -> Result<bool, ChainError> {
		Ok(self.0.lock().finished.contains(order))
	}

	fn wake(&self) -> BoxStream<'static, ()> {
		let (sender, receiver) = mpsc::unbounded();
		self.0.lock().listeners.push(sender);
		receiver.boxed()
	}
}

/// What a [`FakeRunner`] does when it is called.
pub(crate) enum Act {
	Root(Hash),
	Fail(Fault),
	Hang,
	Panic,
	/// Runs the program.
	Compute,
}

/// A runner that does what the test wants, one act per call. After these it runs the program where
/// it has a blob store, and invents a root where it has none.
#[derive(Default)]
pub(crate) struct FakeRunner {
	blobs: Option<Arc<BlobStore>>,
	/// The steps and the kept tensors of every call.
	pub(crate) log: Mutex<Vec<(u32, Vec<Source>)>>,
	acts: Mutex<VecDeque<Act>>,
	pub(crate) calls: AtomicUsize,
	pub(crate) active: Arc<AtomicUsize>,
	pub(crate) most_active: AtomicUsize,
}

impl FakeRunner {
	pub(crate) fn new(acts: impl IntoIterator<Item = Act>) -> Arc<Self> {
		let runner = Self::default();
		runner.acts.lock().extend(acts);
		Arc::new(runner)
	}

	/// One that really runs programs, after these acts.
	pub(crate) fn computing(
		blobs: &Arc<BlobStore>,
		acts: impl IntoIterator<Item = Act>,
	) -> Arc<Self> {
		let runner = Self { blobs: Some(blobs.clone()), ..Self::default() };
		runner.acts.lock().extend(acts);
		Arc::new(runner)
	}

	pub(crate) fn calls(&self) -> usize {
		self.calls.load(Ordering::SeqCst)
	}

	pub(crate) fn active(&self) -> usize {
		self.active.load(Ordering::SeqCst)
	}
}

struct Active(Arc<AtomicUsize>);

impl Drop for Active {
	fn drop(&mut self) {
		self.0.fetch_sub(1, Ordering::SeqCst);
	}
}

/// The root of a job that no act was given for.
pub(crate) fn root_of(replay: &Replay) -> Hash {
	*blake3::hash(&[&replay.program[..], &replay.inputs[0].0].concat()).as_bytes()
}

/// What a program gives for these inputs.
pub(crate) fn compute(
	program: &Program,
	inputs: Vec<Vec<u8>>,
	steps: u32,
	keep: &[Source],
) -> Result<Ran, Fault> {
	compute_from(program, inputs, None, steps, keep)
}

/// The same from these states.
pub(crate) fn compute_from(
	program: &Program,
	inputs: Vec<Vec<u8>>,
	start: Option<Vec<Vec<u8>>>,
	steps: u32,
	keep: &[Source],
) -> Result<Ran, Fault> {
	let state = |(state, bytes): (&State, Vec<u8>)| {
		Tensor::new(program.inputs[usize::from(state.input)].ty, bytes)
	};
	let start = start.map(|start| std::iter::zip(&program.states, start).map(state).collect());
	let start: Option<Vec<Tensor>> = start;
	let checked = program.check(&Limits::default()).unwrap();
	let inputs: Vec<_> = std::iter::zip(&program.inputs, inputs)
		.map(|(input, bytes)| Tensor::new(input.ty, bytes))
		.collect();
	let options = Options { keep, start: start.as_deref(), ..Options::default() };
	let run = CpuExecutor::new().run(
		&Work { program, checked: &checked, inputs: &inputs, steps },
		options,
		&mut (),
	);
	let run = run.map_err(|error| Fault::Crashed(error.to_string()))?;
	let kept = run.kept.into_iter().map(|(source, tensor)| (source, tensor.bytes.to_vec()));
	Ok(Ran {
		run_root: run.run_root,
		trace_roots: run.trace_roots,
		last_anchors: run.anchor_roots.last().unwrap().clone(),
		last_lazy: run.lazy_roots,
		kept: kept.collect(),
		all_anchors: Vec::new(),
		outputs_held: false,
	})
}

impl Runner for FakeRunner {
	fn replay(self: Arc<Self>, replay: Replay) -> BoxFuture<'static, Result<Ran, Fault>> {
		let keep: Vec<_> = replay.keep.iter().map(|(source, _)| *source).collect();
		self.log.lock().push((replay.steps, keep.clone()));
		self.calls.fetch_add(1, Ordering::SeqCst);
		let active = self.active.fetch_add(1, Ordering::SeqCst) + 1;
		self.most_active.fetch_max(active, Ordering::SeqCst);
		let guard = Active(self.active.clone());
		let act = self.acts.lock().pop_front();
		async move {
			let _guard = guard;
			let root = |run_root| Ok(Ran { run_root, ..Ran::default() });
			match act {
				Some(Act::Root(given)) => root(given),
				Some(Act::Fail(fault)) => Err(fault),
				Some(Act::Hang) => futures::future::pending().await,
				Some(Act::Panic) => panic!("a runner that panics"),
				None if self.blobs.is_none() => root(root_of(&replay)),
				None | Some(Act::Compute) => {
					let program = Program::decode_bounded(&replay.program).unwrap();
					let blobs = self.blobs.as_ref().unwrap();
					let read = |(root, _): &(Hash, u64)| {
						blobs.read(root).map_err(|error| Fault::InputMissing(error.to_string()))
					};
					let inputs = replay.inputs.iter().map(read).collect::<Result<_, _>>()?;
					let start =
						replay.start.iter().flatten().map(read).collect::<Result<_, _>>()?;
					let start = replay.start.is_some().then_some(start);
					let anchors = program.check(&Limits::default()).unwrap().anchors;
					let outputs = replay.outputs.iter().map(|(at, _)| anchors[*at as usize]);
					let outputs: Vec<_> = outputs.map(Source::Node).collect();
					let all: Vec<_> = keep.iter().chain(&outputs).copied().collect();
					let mut ran = compute_from(&program, inputs, start, replay.steps, &all)?;
					for bytes in outputs.iter().map(|output| &ran.kept[output]) {
						let (root, len) = (blake3::hash(bytes), bytes.len() as u64);
						blobs.insert_quiet_from(replay.job, root.into(), len, &bytes[..]).unwrap();
					}
					ran.outputs_held = !outputs.is_empty();
					ran.kept.retain(|source, _| keep.contains(source));
					Ok(ran)
				}
			}
		}
		.boxed()
	}
}

/// A node as far as the service sees it; survives restarts of the service.
pub(crate) struct World {
	pub(crate) chain: Arc<FakeChain>,
	pub(crate) keystore: Arc<MemoryKeystore>,
	pub(crate) storage: SharedStorage,
	pub(crate) blobs: Arc<BlobStore>,
	pub(crate) fetch: Option<Arc<dyn Fetch>>,
	pub(crate) config: Config,
	pub(crate) dir: TempDir,
	pub(crate) alice: VerifierId,
	/// Bytes of a program with one input of one tile.
	pub(crate) program: Vec<u8>,
	/// That input.
	pub(crate) input: Hash,
}

impl World {
	pub(crate) fn new() -> Self {
		let dir = tempfile::tempdir().unwrap();
		let keystore = Arc::new(MemoryKeystore::new());
		let alice = keystore.sr25519_generate_new(KEY_TYPE, Some("//Alice")).unwrap().into();
		let blobs = Arc::new(BlobStore::open(dir.path().join("blobs"), 1 << 26).unwrap());
		let input = blobs.insert(&[1; 1024]).unwrap();
		let chain = Arc::new(FakeChain::default());
		let program = sample_program();
		chain.register(program.clone());
		chain.advance(10, 10);
		let mut config = Config::new("assay-worker".into(), dir.path());
		config.retry_delay = Duration::from_millis(10);
		config.concurrency = 2;
		Self {
			chain,
			keystore,
			storage: SharedStorage::default(),
			blobs,
			fetch: None,
			config,
			dir,
			alice,
			program,
			input,
		}
	}

	/// A lottery that Alice has won, opened at block 5, with its deadline at block 30.
	pub(crate) fn lottery(&self, job: JobId) -> OpenLottery {
		let seat = self.assignment(job, Purpose::Verify);
		OpenLottery {
			job,
			order: seat.order,
			account: seat.account,
			key: seat.key,
			program: seat.program,
			input_roots: seat.input_roots,
			steps: seat.steps,
			phase: seat.phase,
			draw_block: seat.draw_block,
			commit_deadline: seat.commit_deadline,
			duty: seat.terms,
			seed: [7; 32],
			stake: 1,
			// So few candidates that all of them are in the first tranche.
			terms: LotteryTerms {
				candidates: 1,
				stake: 1,
				size: 3,
				width_percent: 150,
				max_tranches: 3,
				audit: Permill::one(),
			},
			tranche: 0,
			segments: None,
		}
	}

	/// A lottery of many candidates in which Alice is in this tranche, or in none.
	pub(crate) fn lottery_won(&self, job: JobId, wanted: Option<u32>) -> OpenLottery {
		let key = self.alice.clone();
		self.lottery_of(job, &key, wanted)
	}

	/// The same for any key of the keystore.
	pub(crate) fn lottery_of(
		&self,
		job: JobId,
		key: &VerifierId,
		wanted: Option<u32>,
	) -> OpenLottery {
		let mut lottery = OpenLottery { key: key.clone(), ..self.lottery(job) };
		lottery.terms.candidates = 30;
		lottery.terms.stake = 30;
		let public = sp_core::sr25519::Public::try_from(key.as_ref()).unwrap();
		let found = (0u32..100_000).any(|number| {
			lottery.seed[..4].copy_from_slice(&number.to_le_bytes());
			let data = transcript(&GENESIS, &lottery.order, &lottery.seed);
			let signed = self.keystore.sr25519_vrf_sign(KEY_TYPE, &public, &data).unwrap().unwrap();
			let output = draw_output(key, &data, &Ticket::from(&signed)).unwrap();
			tranche_of(output, lottery.stake, &lottery.terms) == wanted
		});
		assert!(found, "no seed gives {wanted:?}");
		lottery
	}

	/// Another key of this node.
	pub(crate) fn another_key(&self, seed: &str) -> VerifierId {
		self.keystore.sr25519_generate_new(KEY_TYPE, Some(seed)).unwrap().into()
	}

	/// A seat of Alice: to attest, drawn at block 5 with its deadline at block 30, or to verify,
	/// with a committed verdict.
	pub(crate) fn assignment(&self, job: JobId, purpose: Purpose) -> JobAssignment {
		JobAssignment {
			job,
			order: order_of(job),
			purpose,
			account: [1; 32].into(),
			key: self.alice.clone(),
			program: program_id(&self.program),
			input_roots: vec![self.input],
			steps: 1,
			output_roots: Vec::new(),
			terms: DutyTerms { work_units: 1, input_bytes: 1024, output_bytes: 1024, fee: 1 },
			phase: match purpose {
				Purpose::Attest => Phase::Posted,
				Purpose::Verify => Phase::Verifying,
				Purpose::Keep => Phase::Challengeable,
			},
			draw_block: 5,
			commit_deadline: 30,
			reveal_deadline: None,
			status: match purpose {
				Purpose::Attest | Purpose::Keep => SeatStatus::Pending,
				Purpose::Verify => SeatStatus::Committed,
			},
			committed: purpose == Purpose::Verify,
			revealed: false,
			can_reveal: false,
			sample: None,
			segment: None,
		}
	}

	/// Starts the service, as a node that starts does.
	pub(crate) fn start(&self, runner: Arc<dyn Runner>) -> Node {
		let registry = Registry::new();
		self.start_with(runner, Metrics::register(Some(&registry)), registry)
	}

	fn start_with(&self, runner: Arc<dyn Runner>, metrics: Metrics, registry: Registry) -> Node {
		let service = Service::open(
			self.chain.clone(),
			self.keystore.clone(),
			self.storage.clone(),
			self.blobs.clone(),
			runner,
			self.config.clone(),
			metrics,
		)
		.fetching(self.fetch.clone());
		Node { task: tokio::spawn(service.run()), registry, aside: None }
	}

	/// Starts the service with a worker that behaves in the named way; see `examples/`.
	pub(crate) async fn start_worker(&mut self, behaviour: &str) -> Node {
		self.config.worker = self.worker(behaviour);
		let registry = Registry::new();
		let metrics = Metrics::register(Some(&registry));
		let (config, blobs) = (self.config.clone(), self.blobs.clone());
		let runner = Arc::new(ProcessRunner::new(config, blobs, metrics.clone()));
		runner.prepare().await;
		let node = self.start_with(runner.clone(), metrics, registry);
		let watch = tokio::spawn(async move { runner.watch_sandbox().await });
		Node { aside: Some(watch), ..node }
	}

	/// A worker binary that behaves in the named way, in the test's folder. It goes by its name.
	pub(crate) fn worker(&self, behaviour: &str) -> PathBuf {
		let tests = std::env::current_exe().unwrap();
		let built = tests.parent().unwrap().with_file_name("examples").join("fake-worker");
		assert!(built.exists(), "`cargo build --examples` makes {}", built.display());
		let worker = self.dir.path().join(behaviour);
		let _ = std::fs::remove_file(&worker);
		std::os::unix::fs::symlink(built, &worker).unwrap();
		worker
	}

	/// What the offchain hook would read, without the ticket, which is one that the chain takes.
	pub(crate) fn entry(&self, job: JobId, purpose: Purpose) -> Option<MailboxEntry> {
		self.entry_of(job, purpose, &self.alice)
	}

	pub(crate) fn entry_of(
		&self,
		job: JobId,
		purpose: Purpose,
		key: &VerifierId,
	) -> Option<MailboxEntry> {
		self.entry_at(order_of(job), purpose, key)
	}

	/// The same for the job of any order.
	pub(crate) fn entry_at(
		&self,
		order: Hash,
		purpose: Purpose,
		key: &VerifierId,
	) -> Option<MailboxEntry> {
		let mut entry = self.raw_entry(order, purpose, key)?;
		if purpose != Purpose::Verify {
			return Some(entry);
		}
		if let Some(ticket) = ticket_of(&mut entry).take() {
			let state = self.chain.0.lock();
			let mut seeds = state.seeds.iter().filter(|(of, _)| *of == order);
			let genuine = |(_, seed): &(Hash, Hash)| {
				draw_output(key, &transcript(&GENESIS, &order, seed), &ticket).is_some()
			};
			assert!(seeds.any(genuine), "a ticket for no lottery of this order");
		}
		Some(entry)
	}

	/// What the offchain hook would read.
	pub(crate) fn raw_entry(
		&self,
		order: Hash,
		purpose: Purpose,
		key: &VerifierId,
	) -> Option<MailboxEntry> {
		let key = assay_market::mailbox_key(&GENESIS, &order, purpose, key);
		let bytes = self.storage.get(STORAGE_PREFIX, &key)?;
		Some(MailboxEntry::from_bytes(&bytes).unwrap())
	}

	/// The ticket that the hook would send for Alice.
	pub(crate) fn ticket(&self, job: JobId) -> Option<Ticket> {
		let mut entry = self.raw_entry(order_of(job), Purpose::Verify, &self.alice)?;
		ticket_of(&mut entry).take()
	}

	/// Waits until the hook would read an entry.
	pub(crate) async fn found(&self, job: JobId, purpose: Purpose) -> MailboxEntry {
		eventually("a mailbox entry", || self.entry(job, purpose).is_some()).await;
		self.entry(job, purpose).unwrap()
	}

	/// Gives the service time to do what it must not do.
	pub(crate) async fn settle(&self) {
		for _ in 0..5 {
			self.chain.wake_all();
			tokio::time::sleep(Duration::from_millis(30)).await;
		}
	}

	/// Names in the service's folder.
	pub(crate) fn job_folders(&self) -> Vec<String> {
		folder_names(&self.config.dir)
	}
}

fn ticket_of(entry: &mut MailboxEntry) -> &mut Option<Ticket> {
	match entry {
		MailboxEntry::Replayed { ticket, .. } | MailboxEntry::Abstain { ticket, .. } => ticket,
		MailboxEntry::Attested { .. } => panic!("no ticket is needed to attest"),
	}
}

fn folder_names(dir: &Path) -> Vec<String> {
	let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
	entries
		.map(|entry| entry.file_name().to_string_lossy().into_owned())
		.filter(|name| name.starts_with("job-"))
		.collect()
}

/// A running service.
pub(crate) struct Node {
	task: JoinHandle<()>,
	/// What runs beside the service.
	aside: Option<JoinHandle<()>>,
	registry: Registry,
}

impl Node {
	/// Stops it as a node that is stopped does: everything is dropped where it stands.
	pub(crate) async fn stop(self) {
		for task in [Some(self.task), self.aside].into_iter().flatten() {
			task.abort();
			let _ = task.await;
		}
	}

	/// As [`Self::metric`]; 0 for one that has not counted anything yet.
	pub(crate) fn count(&self, name: &str, label: &str) -> u64 {
		let counts = self.registry.gather().iter().any(|family| family.get_name() == name);
		if counts {
			self.metric(name, label)
		} else {
			0
		}
	}

	/// Value of a metric, summed over those labels that contain `label`.
	pub(crate) fn metric(&self, name: &str, label: &str) -> u64 {
		let families = self.registry.gather();
		let family = families.iter().find(|family| family.get_name() == name);
		let family = family.unwrap_or_else(|| panic!("no metric {name}"));
		let has = |metric: &&Metric| {
			label.is_empty() || metric.get_label().iter().any(|pair| pair.get_value() == label)
		};
		let value = |metric: &Metric| {
			let histogram = metric.get_histogram().get_sample_count();
			let value = metric.get_counter().get_value() + metric.get_gauge().get_value();
			histogram + value as u64
		};
		family.get_metric().iter().filter(has).map(value).sum()
	}
}

/// An entry that gives no verdict, without its ticket.
pub(crate) fn abstained(reason: AbstainReason) -> MailboxEntry {
	MailboxEntry::Abstain { reason, ticket: None }
}

/// Waits up to a minute for a condition.
pub(crate) async fn eventually(what: &str, condition: impl Fn() -> bool) {
	let started = Instant::now();
	while !condition() {
		assert!(started.elapsed() < Duration::from_secs(60), "timed out waiting for {what}");
		tokio::time::sleep(Duration::from_millis(5)).await;
	}
}

/// y = x · wᵀ with x: i8 [4, 3] and a constant w: i8 [2, 3].
pub(crate) fn sample_program() -> Vec<u8> {
	let mut builder = ProgramBuilder::new();
	let x = builder.input("x", TensorType::new(DType::I8, &[4, 3]).unwrap());
	let weights = TensorType::new(DType::I8, &[2, 3]).unwrap();
	let w = builder.constant(weights, vec![1, 2, 3, 4, 5, 6]);
	let y = builder.matmul(x, w);
	builder.output("y", y);
	builder.build().unwrap().encode()
}
