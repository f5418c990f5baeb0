//! Challenges against a fake chain with the chain's own checks, killed at every step.

use super::*;
use crate::chain::disputes::proof_commitment;
use crate::chain::jobs::tests::job;
use assay_commitments::{Below, RunShape};
use assay_dispute::{local::LocalReplay, Answerer, Job as Record};
use assay_engine_testing::{definition, random_case, Case, Rng};
use assay_exec::{CpuExecutor, Tensor};
use assay_referee::{judge, Ruling};
use std::{
	future::Future,
	sync::{Arc, Mutex, MutexGuard},
};

const JOB: u64 = 7;
const ORDER: Hash = [0x77; 32];
const ME: Hash = [0xee; 32];
const GENESIS: Hash = [1; 32];
const UI: Ui = Ui { json: false, terminal: false };
/// A and M.
const CLOCK: u64 = 6;

type Local = LocalReplay<CpuExecutor>;

/// A job whose provider has run something else than was asked for.
struct Fraud {
	case: Case,
	record: Arc<Record>,
	/// The provider's own view of its run.
	theirs: Arc<Record>,
	other: Vec<Tensor>,
}

fn roots(inputs: &[Tensor]) -> Vec<Hash> {
	inputs.iter().map(|i| assay_commitments::tensor_root(&i.bytes)).collect()
}

impl Fraud {
	/// `None` where the other inputs lead to the same run.
	fn new(rng: &mut Rng) -> Option<Self> {
		let mut case = random_case(rng, 10, 900);
		let checked = case.check();
		if case.inputs.is_empty() {
			return None;
		}
		let mut other = case.inputs.clone();
		for tensor in &mut other {
			let count = tensor.ty.elements() as usize;
			let mut elements = tensor.elements()?;
			elements[count / 2] ^= 1;
			*tensor = Tensor::from_elements(tensor.ty, &elements)?;
		}
		let right = definition(&case.program, &checked, &case.inputs, case.steps);
		let run = definition(&case.program, &checked, &other, case.steps);
		if right.run_root == run.run_root {
			return None;
		}
		let theirs = Record {
			program: case.program.clone(),
			checked,
			input_roots: roots(&other),
			steps: case.steps,
			run_root: run.run_root,
			trace_root: *run.trace_roots.last()?,
		};
		let record = Record { input_roots: roots(&case.inputs), ..theirs.clone() };
		Some(Self { case, record: Arc::new(record), theirs: Arc::new(theirs), other })
	}

	fn answerer(&self) -> Answerer<Local> {
		let replay =
			LocalReplay::new(self.theirs.clone(), self.other.clone(), CpuExecutor::default());
		Answerer::new(self.theirs.clone(), replay).unwrap()
	}

	fn challenger(&self) -> Challenger<Local> {
		let inputs = self.case.inputs.clone();
		let replay = LocalReplay::new(self.record.clone(), inputs, CpuExecutor::default());
		Challenger::new(self.record.clone(), replay).unwrap()
	}
}

/// The chain's state.
#[derive(Default)]
struct World {
	head: u64,
	lane: Option<Lane>,
	parent: Hash,
	/// What the provider has stated, and the root of the eager anchor that it leads to.
	stated: Option<(assay_referee::LazyList, Hash)>,
	closed: bool,
	gone: Option<Outcome>,
	accumulators: Option<Vec<i64>>,
	commitments: Vec<(Hash, u64)>,
	lanes_opened: u32,
	demands: u32,
	/// The provider answers nothing.
	silent: bool,
	/// The agenda does not come to lanes: somebody has to push them.
	lazy_agenda: bool,
	/// The next answer, and with it the block that has the lane, is replaced by an empty one.
	reorg: bool,
	fuse: Option<u32>,
	calls: u32,
	paid: Option<Hash>,
}

struct Fake<'a> {
	fraud: &'a Fraud,
	world: Mutex<World>,
	answerer: tokio::sync::Mutex<Answerer<Local>>,
}

fn refused(name: &'static str) -> Error {
	Error::new(format!("Arbitration.{name}"), name)
}

impl<'a> Fake<'a> {
	fn new(fraud: &'a Fraud) -> Self {
		let answerer = tokio::sync::Mutex::new(fraud.answerer());
		Self { fraud, world: Mutex::default(), answerer }
	}

	fn world(&self) -> MutexGuard<'_, World> {
		self.world.lock().unwrap()
	}

	/// A point at which the process may die.
	fn point(&self) -> Result<()> {
		let mut world = self.world();
		world.calls += 1;
		match &mut world.fuse {
			Some(0) => Err(Error::new("killed", "killed")),
			Some(left) => {
				*left -= 1;
				Ok(())
			}
			None => Ok(()),
		}
	}

	fn effect<T>(&self, act: impl FnOnce(&mut World) -> Result<T>) -> Result<T> {
		self.point()?;
		let done = act(&mut self.world())?;
		self.point()?;
		Ok(done)
	}

	/// Makes a block: the provider answers, or a deadline passes.
	async fn block(&self) {
		let owed = {
			let mut world = self.world();
			world.head += 1;
			let head = world.head;
			let Some(lane) = &world.lane else { return };
			if head > lane.deadline {
				let lazy = world.lazy_agenda;
				match lane.turn {
					_ if lazy => {}
					Turn::Answer(_) => world.gone = Some(Outcome::Withheld),
					Turn::Move => world.lane = None,
				}
				return;
			}
			match lane.turn {
				Turn::Answer(place) if !world.silent => place,
				_ => return,
			}
		};
		let children = self.answerer.lock().await.answer(owed).await.unwrap();
		let mut world = self.world();
		if std::mem::take(&mut world.reorg) {
			world.lane = None;
			return;
		}
		assert!(owed.verify(&world.parent, &children, &*self.fraud.record));
		if let (Some(root), Place::Lazy { step, anchor, .. }) =
			(owed.stated_root(&children, &*self.fraud.record), owed)
		{
			let list = assay_referee::LazyList { step, anchor, root };
			world.stated = Some((list, world.parent));
			world.lane.as_mut().unwrap().list = Some(root);
		}
		let head = world.head;
		let lane = world.lane.as_mut().unwrap();
		lane.opened.push((owed, children));
		(lane.turn, lane.deadline) = (Turn::Move, head + CLOCK);
	}
}

impl Chain for Fake<'_> {
	async fn state(&self) -> Result<ResultState> {
		self.point()?;
		let world = self.world();
		Ok(match world.gone {
			Some(outcome) => ResultState::Gone(outcome),
			None => ResultState::Stands { open: !world.closed },
		})
	}

	async fn lane(&self) -> Result<Option<Lane>> {
		self.point()?;
		Ok(self.world().lane.clone())
	}

	async fn head(&self) -> Result<u64> {
		self.point()?;
		Ok(self.world().head)
	}

	async fn next_head(&self, after: u64) -> Result<u64> {
		self.point()?;
		while self.world().head <= after {
			self.block().await;
		}
		self.head().await
	}

	async fn demand(&self, child: Option<u32>, list: Option<Hash>) -> Result<Sent> {
		let record = &*self.fraud.record;
		self.effect(|world| {
			if world.lane.as_ref().and_then(|lane| lane.list) != list {
				return Err(refused("OtherList"));
			}
			let first = if record.steps == 1 { record.trace_root } else { record.run_root };
			let deposit = match &world.lane {
				None if world.closed => return Err(refused("TooLate")),
				None => Some(100),
				Some(lane) if lane.turn != Turn::Move => return Err(refused("AnswerPending")),
				Some(lane) if world.head > lane.deadline => return Err(refused("DeadlinePassed")),
				Some(_) => None,
			};
			let above = world.lane.as_ref().and_then(|lane| lane.opened.last());
			let (place, parent) = match (above, child) {
				(None, None) => (Place::first(record).unwrap(), first),
				(Some((place, children)), Some(child)) => match place.below(child, record) {
					Some(Below::Group(below)) => {
						let past = || world.stated.map(|(_, eager)| eager);
						(below, children.get(child as usize).copied().or_else(past).unwrap())
					}
					_ => return Err(refused("AtTheTile")),
				},
				_ => return Err(refused("WrongChild")),
			};
			world.parent = parent;
			world.demands += 1;
			world.lanes_opened += u32::from(deposit.is_some());
			let (turn, deadline) = (Turn::Answer(place), world.head + CLOCK);
			let lane = world.lane.get_or_insert(Lane {
				challenger: ME,
				deposit: 100,
				opened_at: world.head,
				turn,
				deadline,
				opened: vec![],
				list: None,
				parts: 0,
				committed: false,
			});
			(lane.turn, lane.deadline) = (turn, deadline);
			Ok(Sent { block: world.head, deposit, proven: None })
		})
	}

	fn commitment(&self, first: &ProofPart) -> Hash {
		proof_commitment(&GENESIS, &ORDER, &ME, first)
	}

	async fn commit(&self, commitment: Hash) -> Result<Sent> {
		self.effect(|world| {
			let head = world.head;
			let lane = world.lane.as_mut().ok_or_else(|| refused("TooLate"))?;
			if lane.committed {
				return Err(refused("AlreadyCommitted"));
			}
			lane.committed = true;
			world.commitments.push((commitment, head));
			Ok(Sent { block: head, ..Sent::default() })
		})
	}

	async fn prove(&self, part: &ProofPart) -> Result<Sent> {
		let record = &*self.fraud.record;
		self.effect(|world| {
			let head = world.head;
			let lane = world.lane.as_mut().ok_or_else(|| refused("NeedsLane"))?;
			if lane.parts != part.part {
				return Err(refused("WrongPart"));
			}
			let record = assay_referee::Record {
				program: &record.program,
				checked: &record.checked,
				input_roots: &record.input_roots,
				steps: record.steps,
				run_root: record.run_root,
				list: world.stated.map(|(list, _)| list),
			};
			match judge(&record, world.accumulators.take(), part).expect("the openings lead up") {
				Ruling::Right => Err(refused("NotWrong")),
				Ruling::Continue(accumulators) => {
					lane.parts += 1;
					world.accumulators = Some(accumulators);
					Ok(Sent { block: head, ..Sent::default() })
				}
				Ruling::Fraud => {
					if part.part == 0 {
						let bound = proof_commitment(&GENESIS, &ORDER, &ME, part);
						let earlier = |(c, at): &(Hash, u64)| *c == bound && *at < head;
						world.paid = world.commitments.iter().any(earlier).then_some(ME);
					}
					world.gone = Some(Outcome::Proven);
					world.lane = None;
					let proven = Proven { accusation: json!({}), prover: ME };
					Ok(Sent { block: head, deposit: None, proven: Some(proven) })
				}
			}
		})
	}

	async fn poke(&self) -> Result<()> {
		self.effect(|world| {
			let lane = world.lane.as_ref().ok_or_else(|| refused("NoLane"))?;
			if world.head <= lane.deadline {
				return Err(refused("NotDue"));
			}
			world.gone = Some(Outcome::Withheld);
			Ok(())
		})
	}

	async fn recover(&self, error: Error) -> Result<()> {
		Err(error)
	}

	fn money(&self, units: u128) -> String {
		units.to_string()
	}
}

fn wait<F: Future>(future: F) -> F::Output {
	tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// One life of the command.
fn live(fake: &Fake) -> Result<Outcome> {
	let mut lead = Lead::new(fake, UI, JOB, fake.fraud.challenger());
	wait(lead.to_the_end()).map(|(outcome, _)| outcome)
}

/// So many frauds of one seed, at least one of a single step and one of several.
fn frauds(seed: u64, count: usize) -> Vec<Fraud> {
	println!("seed {seed:#x}");
	let mut rng = Rng::new(seed);
	let mut made = std::iter::repeat_with(|| Fraud::new(&mut rng)).flatten().take(1_000);
	let mut all: Vec<Fraud> = made.by_ref().take(count - 1).collect();
	let several = |fraud: &Fraud| fraud.record.steps() > 1;
	let missing =
		[false, true].into_iter().find(|&kind| all.iter().all(|one| several(one) != kind));
	let last = made.find(|one| missing.is_none_or(|kind| several(one) == kind));
	all.push(last.expect("one of a thousand is of the missing kind"));
	all
}

#[test]
fn fraud_should_be_proven_and_paid_when_nothing_goes_wrong() {
	for fraud in frauds(0x0c4a_0001, 12) {
		let fake = Fake::new(&fraud);
		assert_eq!(live(&fake).unwrap(), Outcome::Proven);
		let world = fake.world();
		assert_eq!((world.lanes_opened, world.commitments.len()), (1, 1));
		assert_eq!(world.paid, Some(ME), "bound in an earlier block than the proof");
	}
}

#[test]
fn fraud_should_be_proven_in_one_lane_when_killed_at_every_point() {
	for fraud in frauds(0x0c4a_0002, 4) {
		let whole = Fake::new(&fraud);
		live(&whole).unwrap();
		let World { calls: points, demands, .. } = *whole.world();
		assert!(points > 10, "the fake has {points} points");
		for point in 0..points {
			let fake = Fake::new(&fraud);
			fake.world().fuse = Some(point);
			match live(&fake) {
				Err(error) => assert_eq!(error.code, "killed"),
				Ok(outcome) => panic!("not killed at {point}: {outcome:?}"),
			}
			fake.world().fuse = None;
			assert_eq!(live(&fake).unwrap(), Outcome::Proven, "killed at {point}");
			let world = fake.world();
			assert_eq!((world.lanes_opened, world.demands), (1, demands), "killed at {point}");
		}
	}
}

#[test]
fn result_should_fall_as_withheld_when_the_provider_is_silent() {
	let fraud = &frauds(0x0c4a_0003, 6)[0];
	for lazy_agenda in [false, true] {
		let fake = Fake::new(fraud);
		fake.world().silent = true;
		fake.world().lazy_agenda = lazy_agenda;
		assert_eq!(live(&fake).unwrap(), Outcome::Withheld);
	}
}

#[test]
fn lane_should_be_opened_again_when_its_block_is_replaced() {
	let fraud = &frauds(0x0c4a_0004, 6)[0];
	let fake = Fake::new(fraud);
	fake.world().reorg = true;
	assert_eq!(live(&fake).unwrap(), Outcome::Proven);
	assert_eq!(fake.world().lanes_opened, 2);
}

#[test]
fn challenge_should_be_too_late_when_no_lane_is_taken_any_more() {
	let fraud = &frauds(0x0c4a_0005, 6)[0];
	let fake = Fake::new(fraud);
	fake.world().closed = true;
	assert_eq!(live(&fake).unwrap(), Outcome::TooLate);
	assert_eq!(fake.world().demands, 0);
	// Somebody else was faster.
	let fake = Fake::new(fraud);
	fake.world().gone = Some(Outcome::Proven);
	assert_eq!(live(&fake).unwrap(), Outcome::Proven);
	assert_eq!(fake.world().demands, 0);
}

#[test]
fn challenge_should_be_lost_when_its_deadline_passed_while_it_replayed() {
	for fraud in &frauds(0x0c4a_0006, 12) {
		let fake = Fake::new(fraud);
		let mut lead = Lead::new(&fake, UI, JOB, fraud.challenger());
		let waited = wait(async {
			let mut head = 0;
			// The demand, the wait for its answer, and then nothing for too long.
			lead.step(&mut head).await.unwrap();
			lead.step(&mut head).await.unwrap();
			lead.step(&mut head).await.unwrap();
			let waited = fake.world().lane.is_some();
			while fake.world().lane.is_some() {
				fake.block().await;
				let mut world = fake.world();
				if let Some(lane) = &mut world.lane {
					lane.turn = Turn::Move;
				}
			}
			waited
		});
		// A run of a few tiles is proved wrong before there is anything to be late with.
		if !waited {
			continue;
		}
		let (outcome, _) = wait(lead.to_the_end()).unwrap();
		assert_eq!(outcome, Outcome::Lost);
		return;
	}
	panic!("every one of these frauds is proved within three moves");
}

#[test]
fn challenge_should_end_equal_when_the_result_is_right() {
	let fraud = &frauds(0x0c4a_0007, 6)[0];
	let fake = Fake::new(fraud);
	let replay =
		LocalReplay::new(fraud.theirs.clone(), fraud.other.clone(), CpuExecutor::default());
	let challenger = Challenger::new(fraud.theirs.clone(), replay).unwrap();
	// Another machine of the same account has opened the lane by mistake.
	wait(fake.demand(None, None)).unwrap();
	let mut lead = Lead::new(&fake, UI, JOB, challenger);
	assert_eq!(wait(lead.to_the_end()).unwrap().0, Outcome::Equal);
}

#[test]
fn outcome_should_follow_the_reason_when_the_job_shows_no_result() {
	let mut job = job();
	assert_eq!(Outcome::of(&job), Outcome::TooLate);
	job.reason = Some(ReasonCode::ProvenFraud.into());
	assert_eq!(Outcome::of(&job), Outcome::Proven);
	// Condemned, and not over yet.
	job.reason = None;
	job.condemned = Some(ReasonCode::Withheld.into());
	assert_eq!(Outcome::of(&job), Outcome::Withheld);
}

#[test]
fn exit_codes_should_be_those_of_the_help_when_a_challenge_ends() {
	for (outcome, code) in [
		(Outcome::Equal, 0),
		(Outcome::Differs, 3),
		(Outcome::Proven, 3),
		(Outcome::Withheld, 3),
		(Outcome::TooLate, 4),
		(Outcome::Lost, 4),
	] {
		assert_eq!(outcome.code(), code, "{}", outcome.name());
	}
}
