//! Answering against a fake chain that checks every answer, and the real answerer on recorded runs.

use super::*;
use crate::provider::record::Record;
use assay_commitments::RunShape;
use assay_dispute::{Answerer, BoxError, Job, Replay, Replayed};
use assay_engine_testing::{definition, random_case, Rng};
use assay_program::Source;
use std::sync::{Mutex as Plain, MutexGuard};
use tokio::sync::Semaphore;

const EVE: Hash = [0xee; 32];
const MALLORY: Hash = [0xaa; 32];
const PEGGY: Hash = [0x55; 32];
const UI: Ui = Ui { json: false, terminal: false };

/// What the fake chain holds and has seen.
#[derive(Default)]
struct World {
	demands: Vec<(u64, Demand)>,
	answered: Vec<(u64, Demand)>,
	openers: u32,
	opened: Vec<(u64, Place)>,
	/// Openings that fail before one succeeds.
	broken: u32,
	/// Answers that do not get into a block although they are owed.
	refused: u32,
	/// Somebody else answers everything just before this provider does.
	faster: bool,
	/// Answers whose block is replaced by one without them.
	forks: u32,
	lost: bool,
}

#[derive(Clone)]
struct Fake {
	world: Arc<Plain<World>>,
	/// Permits of openings that take a replay.
	replays: Arc<Semaphore>,
}

struct FakeOpener {
	fake: Fake,
	job: u64,
}

/// A job by its number.
fn id(job: u64) -> JobId {
	JobId { number: job, order: [job as u8; 32] }
}

/// Whether the record of a run is all that an opening needs.
fn is_recorded(place: &Place, executed: &Executed) -> bool {
	match *place {
		Place::Run { .. } => true,
		Place::Trace { step, .. } => step as usize + 1 == executed.traces.len(),
		Place::Tensor { .. } | Place::Lazy { .. } => false,
	}
}

fn children(job: u64, place: &Place) -> Vec<Hash> {
	vec![*blake3::hash(format!("{job} {place:?}").as_bytes()).as_bytes()]
}

impl Fake {
	fn new(demands: &[(u64, Demand)]) -> Self {
		let world = World { demands: demands.to_vec(), ..World::default() };
		Self { world: Arc::new(Plain::new(world)), replays: Arc::new(Semaphore::new(1000)) }
	}

	fn world(&self) -> MutexGuard<'_, World> {
		self.world.lock().unwrap()
	}
}

impl Opener for FakeOpener {
	async fn recorded(&mut self, place: Place) -> Option<Vec<Hash>> {
		is_recorded(&place, &executed()).then(|| children(self.job, &place))
	}

	async fn open(&mut self, demand: &Demand) -> Result<Vec<Hash>> {
		let place = demand.place;
		assert!(!is_recorded(&place, &executed()), "it is kept");
		self.fake.replays.acquire().await.unwrap().forget();
		let mut world = self.fake.world();
		world.opened.push((self.job, place));
		if world.broken > 0 {
			world.broken -= 1;
			return Err(Error::new("local-fault", "the device is lost"));
		}
		Ok(children(self.job, &place))
	}

	fn is_stated(&self, place: &Place) -> bool {
		matches!(place, Place::Lazy { .. })
	}
}

impl Court for Fake {
	type Opener = FakeOpener;

	async fn demands(&self, id: JobId) -> Result<Vec<Demand>> {
		let job = id.number;
		let world = self.world();
		if world.lost {
			return Err(Error::new("node-lost", "gone"));
		}
		Ok(world.demands.iter().filter(|(of, _)| *of == job).map(|(_, d)| *d).collect())
	}

	async fn opener(&self, id: JobId, _: &Executed) -> Result<FakeOpener> {
		let job = id.number;
		self.world().openers += 1;
		Ok(FakeOpener { fake: self.clone(), job })
	}

	async fn answer(
		&self,
		id: JobId,
		Demand { challenger, place, .. }: &Demand,
		stated: Option<&Hash>,
		sent: &[Hash],
	) -> Result<u64> {
		let job = id.number;
		let root = assay_commitments::run_root(&executed().traces);
		let expected = matches!(place, Place::Lazy { .. }).then_some(&root);
		assert_eq!(stated, expected, "what nothing proves is stated, of this run");
		let mut world = self.world();
		if world.faster {
			world.demands.clear();
		}
		if world.refused > 0 {
			world.refused -= 1;
			return Err(Error::new("tx-dropped", "the pool is full"));
		}
		let at = world.demands.iter().position(|(of, d)| (*of, &d.challenger) == (job, challenger));
		let Some(at) = at else {
			return Err(Error::new("Arbitration.NothingDemanded", "no answer is owed"));
		};
		let demand = world.demands[at];
		assert_eq!(sent, children(job, &demand.1.place), "the answer is of another group");
		world.answered.push(demand);
		if world.forks > 0 {
			world.forks -= 1;
		} else {
			world.demands.remove(at);
		}
		Ok(5)
	}
}

/// Three steps, so that step 2 is the last.
fn executed() -> Executed {
	Executed {
		traces: vec![[1; 32]; 3],
		last_anchors: vec![[2; 32]],
		positions: vec![0],
		segments: None,
	}
}

const RUN: Place = Place::Run { level: 0, index: 0 };
const LAST: Place = Place::Trace { step: 2, level: 0, index: 0 };
const FIRST: Place = Place::Trace { step: 0, level: 0, index: 0 };
const LIST: Place = Place::Lazy { step: 2, anchor: 0, level: 0, index: 0 };
const TENSOR: Place = Place::Tensor { step: 2, anchor: 0, level: 0, index: 0 };

fn demand(challenger: Hash, place: Place) -> Demand {
	Demand { challenger, place, deadline: 100 }
}

fn answers(fake: &Fake) -> Answers<Fake> {
	let mut answers = Answers::new(fake.clone(), UI);
	answers.retry = Duration::from_millis(1);
	answers
}

fn wait<F: Future>(future: F) -> F::Output {
	let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
	runtime.block_on(future)
}

/// So many looks at new heads, each with time for what can end by itself.
async fn looks(answers: &mut Answers<Fake>, jobs: &[u64], count: u64) {
	let jobs: Vec<_> = jobs.iter().map(|job| (id(*job), executed())).collect();
	for head in 1..=count {
		let _ = answers.look(head, &jobs).await;
		tokio::time::sleep(Duration::from_millis(4)).await;
	}
}

#[test]
fn demands_should_be_answered_once_each_when_many_are_made() {
	let all = [
		(1, demand(EVE, RUN)),
		(1, demand(MALLORY, TENSOR)),
		(1, demand(PEGGY, LIST)),
		(2, demand(EVE, FIRST)),
		(2, demand(MALLORY, FIRST)),
	];
	let fake = Fake::new(&all);
	wait(async { looks(&mut answers(&fake), &[1, 2], 5).await });
	let mut world = fake.world();
	world.answered.sort_by_key(|(job, d)| (*job, std::cmp::Reverse(d.challenger)));
	assert_eq!(world.answered, all);
	// One for what is recorded and one for what is replayed, however many challengers there are.
	assert_eq!(world.openers, 4);
}

#[test]
fn demands_should_be_answered_when_the_provider_has_just_started_again() {
	let fake = Fake::new(&[(1, demand(EVE, TENSOR))]);
	// The first life is killed while it replays.
	let replays = fake.replays.clone();
	replays.forget_permits(1000);
	wait(async { looks(&mut answers(&fake), &[1], 2).await });
	assert_eq!(fake.world().answered, []);
	replays.add_permits(10);
	wait(async { looks(&mut answers(&fake), &[1], 2).await });
	assert_eq!(fake.world().answered, [(1, demand(EVE, TENSOR))]);
}

#[test]
fn demand_should_be_answered_in_the_end_when_openings_and_transactions_fail() {
	let fake = Fake::new(&[(1, demand(EVE, TENSOR)), (2, demand(EVE, RUN))]);
	fake.world().broken = 3;
	fake.world().refused = 2;
	wait(async { looks(&mut answers(&fake), &[1, 2], 60).await });
	let world = fake.world();
	assert_eq!((world.broken, world.refused), (0, 0));
	assert_eq!(world.answered.len(), 2);
	assert!(world.demands.is_empty());
}

#[test]
fn failure_should_not_be_told_as_one_when_another_was_faster() {
	let fake = Fake::new(&[(1, demand(EVE, RUN))]);
	fake.world().faster = true;
	let owed = demand(EVE, RUN);
	let desk = Arc::default();
	let outcome = wait(answer(fake.clone(), desk, UI, id(1), owed, executed())).unwrap();
	assert_eq!(outcome, Outcome::Moot);
	// Nothing was sent either where the replay took longer than somebody else's.
	let fake = Fake::new(&[]);
	let outcome =
		wait(answer(fake.clone(), Arc::default(), UI, id(1), demand(EVE, TENSOR), executed()))
			.unwrap();
	assert_eq!(outcome, Outcome::Moot);
	// But a refusal of what is still owed is.
	let fake = Fake::new(&[(1, owed)]);
	fake.world().refused = 1;
	let error =
		wait(answer(fake.clone(), Arc::default(), UI, id(1), owed, executed())).unwrap_err();
	assert_eq!(error.code, "tx-dropped");
}

#[test]
fn answer_should_be_sent_again_when_its_block_is_replaced() {
	let fake = Fake::new(&[(1, demand(EVE, LAST))]);
	fake.world().forks = 2;
	wait(async { looks(&mut answers(&fake), &[1], 20).await });
	let world = fake.world();
	assert_eq!(world.answered, [(1, demand(EVE, LAST)); 3]);
}

#[test]
fn nothing_should_be_sent_when_the_deadline_has_passed() {
	let late = Demand { deadline: 1, ..demand(EVE, RUN) };
	let fake = Fake::new(&[(1, late), (1, demand(MALLORY, RUN))]);
	let mut answers = answers(&fake);
	wait(async { looks(&mut answers, &[1], 4).await });
	assert_eq!(fake.world().answered, [(1, demand(MALLORY, RUN))]);
	// It is said once.
	assert!(matches!(answers.owed[&(id(1), EVE, RUN)].work, Work::Late));
}

#[test]
fn other_answers_should_go_out_when_a_replay_takes_long() {
	let slow = (1, demand(EVE, TENSOR));
	let fake = Fake::new(&[slow, (1, demand(MALLORY, LAST)), (2, demand(EVE, RUN))]);
	fake.replays.forget_permits(1000);
	wait(async {
		let mut answers = answers(&fake);
		looks(&mut answers, &[1, 2], 3).await;
		assert_eq!(fake.world().demands, [slow]);
		// One opening is under way, however often it was looked at.
		assert_eq!(fake.world().openers, 3);
		fake.replays.add_permits(1);
		looks(&mut answers, &[1, 2], 2).await;
	});
	assert_eq!(fake.world().answered.len(), 3);
}

/// Many results are open and one attacker asks for something of each at once: what is owed first is
/// begun first, and new work waits.
#[test]
fn answers_should_be_begun_in_the_order_of_their_deadlines_over_all_jobs() {
	let demands: Vec<_> = (0..22)
		.map(|job| (job, Demand { deadline: 1_000 - job * 7, ..demand(EVE, TENSOR) }))
		.collect();
	let fake = Fake::new(&demands);
	wait(async {
		let mut answers = answers(&fake);
		let jobs: Vec<_> = (0..22).map(|job| (id(job), executed())).collect();
		answers.look(1, &jobs).await.unwrap();
		assert_eq!(answers.count().load(Ordering::Relaxed), 22);
		looks(&mut answers, &(0..22).collect::<Vec<_>>(), 3).await;
		assert_eq!(answers.count().load(Ordering::Relaxed), 0);
	});
	let world = fake.world();
	let begun: Vec<u64> = world.opened.iter().map(|(job, _)| *job).collect();
	assert_eq!(begun, (0..22).rev().collect::<Vec<_>>());
	assert_eq!(world.answered.len(), 22);
}

#[test]
fn work_should_be_dropped_when_the_job_is_over() {
	let fake = Fake::new(&[(1, demand(EVE, TENSOR))]);
	fake.replays.forget_permits(1000);
	wait(async {
		let mut answers = answers(&fake);
		looks(&mut answers, &[1], 2).await;
		assert_eq!(answers.owed.len(), 1);
		looks(&mut answers, &[], 1).await;
		assert!(answers.owed.is_empty() && answers.desks.is_empty());
		fake.replays.add_permits(10);
		tokio::time::sleep(Duration::from_millis(5)).await;
	});
	assert_eq!(fake.world().opened, []);
}

#[test]
fn lost_node_should_be_reported_and_lose_nothing_when_it_comes_back() {
	let fake = Fake::new(&[(1, demand(EVE, RUN))]);
	fake.world().lost = true;
	wait(async {
		let mut answers = answers(&fake);
		let error = answers.look(1, &[(id(1), executed())]).await.unwrap_err();
		assert_eq!(error.code, "node-lost");
		fake.world().lost = false;
		looks(&mut answers, &[1], 3).await;
	});
	assert_eq!(fake.world().answered.len(), 1);
}

#[test]
fn runs_should_be_kept_when_the_job_is_published_and_gone_when_it_is_over() {
	let dir = tempfile::tempdir().unwrap();
	let store = Store::open(&dir.path().join("p.redb"), &[1; 32], &[2; 32]).unwrap();
	for (job, stage) in [
		(1, Stage::Claimed),
		(2, Stage::Executed(executed())),
		(3, Stage::Committed(executed())),
		(4, Stage::Revealed(executed())),
		(5, Stage::Published(executed())),
		(7, Stage::Handed(executed())),
		(6, Stage::Done { reason: "Paid".into() }),
	] {
		store.put(&Record { stage, ..Record::new(id(job), 1, vec![]) }).unwrap();
	}
	let kept: Vec<u64> = runs(&store).unwrap().into_iter().map(|(id, _)| id.number).collect();
	assert_eq!(kept, [3, 4, 5, 7]);
}

/// A machine that cannot run anything.
struct Broken;

impl Replay for Broken {
	async fn replay(&self, _: u32, _: &[Source]) -> Result<Replayed, BoxError> {
		Err("no engine".into())
	}

	async fn input(&self, _: u16) -> Result<Vec<u8>, BoxError> {
		Err("no inputs".into())
	}
}

#[test]
fn recorded_places_should_need_no_replay_when_a_real_run_is_opened() {
	let seed = 0x5eed_a115;
	println!("seed {seed:#x}");
	let mut rng = Rng::new(seed);
	let mut several = 0;
	for _ in 0..120 {
		let mut case = random_case(&mut rng, 12, 600);
		let checked = case.check();
		several += u32::from(case.steps > 1);
		let run = definition(&case.program, &checked, &case.inputs, case.steps);
		let last_anchors = run.anchor_roots.last().unwrap().clone();
		let executed = Executed {
			traces: run.trace_roots.clone(),
			last_anchors: last_anchors.clone(),
			positions: vec![],
			segments: None,
		};
		let job = Arc::new(Job {
			input_roots: case
				.inputs
				.iter()
				.map(|i| assay_commitments::tensor_root(&i.bytes))
				.collect(),
			steps: case.steps,
			run_root: run.run_root,
			trace_root: *run.trace_roots.last().unwrap(),
			program: case.program,
			checked,
		});
		let mut answerer = Answerer::new(job.clone(), Broken)
			.and_then(|a| a.with_run(run.trace_roots.clone(), last_anchors))
			.unwrap();
		let mut places = vec![Place::first(&*job).unwrap()];
		for step in 0..job.steps() {
			places.push(Place::Trace { step, level: 0, index: 0 });
		}
		places.push(Place::Tensor { step: 0, anchor: 0, level: 0, index: 0 });
		let last = job.anchors() - 1;
		places.push(Place::Lazy { step: 0, anchor: last, level: 0, index: 0 });
		for place in places {
			if place.group_len(&*job).is_none() {
				continue;
			}
			let answered = wait(answerer.answer(place)).is_ok();
			assert_eq!(answered, is_recorded(&place, &executed), "seed {seed:#x}, {place:?}");
		}
	}
	assert!(several > 3, "seed {seed:#x}: {several} runs of more than one step");
}
