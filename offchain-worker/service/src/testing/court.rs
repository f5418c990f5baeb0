//! A provider that lies about a job, and the chain's side of the lanes about it.

use crate::{
	chain::{Disputed, OpenLottery},
	runner::Ran,
	testing::world::{compute, order_of, World, GENESIS},
	types::{AccountId, BlockNumber, Hash},
};
use assay_commitments::{run_root, Below, Place};
use assay_dispute::{Answerer, BoxError, Job, Replay, Replayed};
use assay_market::{
	dispute_key, proof_commitment, proof_hash, verifier_crypto::KEY_TYPE, ChallengeMove,
	DisputeEntry, DisputedResult, LaneView, Turn, VerifierId,
};
use assay_program::{
	ops::{DType, TensorType},
	program_id, Limits, Program, ProgramBuilder, Source,
};
use assay_referee::{judge, LazyList, Record, Ruling};
use sp_core::offchain::{OffchainStorage, STORAGE_PREFIX};
use sp_keystore::Keystore;
use std::{
	collections::BTreeMap,
	sync::Arc,
	time::{Duration, Instant},
};

/// The job of these tests.
pub(crate) const JOB: u64 = 1;

/// A program with inputs, and others that the provider computes with from step `from` on.
pub(crate) struct Lie {
	pub(crate) program: Program,
	pub(crate) inputs: Vec<Vec<u8>>,
	pub(crate) others: Vec<Vec<u8>>,
	pub(crate) steps: u32,
	from: u32,
}

/// Bytes that look random.
fn noise(seed: u8, len: u64) -> Vec<u8> {
	let mut bytes = vec![0; len as usize];
	blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut bytes);
	bytes
}

impl Lie {
	/// s' = s + w over three steps and more than 256 tiles; one byte of w is another in step 1.
	pub(crate) fn deep() -> Self {
		let ty = TensorType::new(DType::I8, &[300, 1024]).unwrap();
		let mut builder = ProgramBuilder::new();
		let (x, w) = (builder.input("x", ty), builder.input("w", ty));
		let state = builder.state(x);
		let sum = builder.add(state, w, DType::I8);
		builder.update(state, sum);
		builder.output("s", sum);
		let program = builder.build().unwrap();
		let len = ty.canonical_len();
		let inputs = vec![noise(1, len), noise(2, len).iter().map(|byte| byte / 64).collect()];
		let mut others = inputs.clone();
		others[1][290 * 1024 + 7] ^= 1;
		Self { program, inputs, others, steps: 3, from: 1 }
	}

	/// a · bᵀ with a reduction so long that a proof has several parts; one byte of b is another.
	pub(crate) fn long() -> Self {
		let ty = TensorType::new(DType::I8, &[4, 1 << 16]).unwrap();
		let mut builder = ProgramBuilder::new();
		let (a, b) = (builder.input("a", ty), builder.input("b", ty));
		let product = builder.matmul(a, b);
		builder.output("y", product);
		let program = builder.build().unwrap();
		let len = ty.canonical_len();
		let inputs = vec![noise(3, len), noise(4, len)];
		let mut others = inputs.clone();
		others[1][100] ^= 1;
		Self { program, inputs, others, steps: 1, from: 0 }
	}

	fn run(&self, steps: u32, keep: &[Source]) -> Replayed {
		let run = |inputs: &[Vec<u8>], steps, keep: &[Source]| {
			compute(&self.program, inputs.to_vec(), steps, keep).unwrap()
		};
		if self.from == 0 {
			return run(&self.others, steps, keep).into();
		}
		if steps <= self.from {
			return run(&self.inputs, steps, keep).into();
		}
		let update = Source::Node(self.program.states[0].update);
		let before = run(&self.inputs, self.from, &[update]);
		let mut others = self.others.clone();
		others[0] = before.kept[&update].clone();
		let after = run(&others, steps - self.from, keep);
		let trace_roots = [before.trace_roots, after.trace_roots].concat();
		let Ran { last_anchors, last_lazy, kept, .. } = after;
		Replayed { trace_roots, last_anchors, last_lazy, kept, all_anchors: Vec::new() }
	}
}

impl Replay for Lie {
	async fn replay(&self, steps: u32, keep: &[Source]) -> Result<Replayed, BoxError> {
		Ok(self.run(steps, keep))
	}

	async fn input(&self, index: u16) -> Result<Vec<u8>, BoxError> {
		Ok(self.others[usize::from(index)].clone())
	}
}

/// What a lane has beside its view.
struct Lane {
	view: LaneView<AccountId, u128, BlockNumber>,
	parent: Hash,
	/// What the provider has stated, and the root of the eager anchor that it leads to.
	stated: Option<(LazyList, Hash)>,
	commitment: Option<Hash>,
	proof: Option<Hash>,
	accumulators: Option<Vec<i64>>,
}

/// A verifier that was drawn.
struct Seat {
	account: AccountId,
	lane: Option<Lane>,
	used_up: bool,
}

/// The chain of one disputed job: takes what the service leaves, as the pallet's hook and calls do.
pub(crate) struct Court {
	pub(crate) job: Arc<Job>,
	pub(crate) result: DisputedResult,
	pub(crate) lie: Arc<Lie>,
	provider: Answerer<Arc<Lie>>,
	seats: BTreeMap<VerifierId, Seat>,
	pub(crate) best: BlockNumber,
	/// M.
	pub(crate) move_time: BlockNumber,
	/// The provider answers.
	pub(crate) answers: bool,
	/// Commitments to proofs are taken.
	pub(crate) binds: bool,
	/// The moves that were made, by whom.
	pub(crate) moves: Vec<(VerifierId, &'static str)>,
	/// Who has proved the fraud, and whether it was bound to the proof before.
	pub(crate) proved: Option<(VerifierId, bool)>,
}

impl Court {
	/// The provider lies; Alice's verdict is drawn. The inputs and the program are there.
	pub(crate) fn new(world: &World, lie: Lie) -> Self {
		let program = lie.program.encode();
		world.chain.register(program.clone());
		let run = lie.run(lie.steps, &[]);
		let input_roots: Vec<_> =
			lie.inputs.iter().map(|bytes| world.blobs.insert(bytes).unwrap()).collect();
		let checked = lie.program.check(&Limits::default()).unwrap();
		let job = Arc::new(Job {
			program: lie.program.clone(),
			checked,
			input_roots: input_roots.clone(),
			steps: lie.steps,
			run_root: run_root(&run.trace_roots),
			trace_root: *run.trace_roots.last().unwrap(),
		});
		let result = DisputedResult {
			order: order_of(JOB),
			program: program_id(&program),
			input_roots,
			steps: lie.steps,
			work_units: 1,
			run_root: job.run_root,
			trace_root: job.trace_root,
			open: true,
		};
		let lie = Arc::new(lie);
		let provider = Answerer::new(job.clone(), lie.clone()).unwrap();
		let mut court = Self {
			job,
			result,
			lie,
			provider,
			seats: BTreeMap::new(),
			best: world.chain.best(),
			move_time: 100_000,
			answers: true,
			binds: true,
			moves: Vec::new(),
			proved: None,
		};
		court.draw(world.alice.clone(), 1);
		court
	}

	/// Draws another verifier.
	pub(crate) fn draw(&mut self, key: VerifierId, account: u8) {
		let seat = Seat { account: [account; 32].into(), lane: None, used_up: false };
		self.seats.insert(key, seat);
	}

	/// Draws another key of the same node, which is returned with Alice's: the smaller one first.
	pub(crate) fn draw_second(&mut self, world: &World) -> (VerifierId, VerifierId) {
		let bob = world.keystore.sr25519_generate_new(KEY_TYPE, Some("//Bob")).unwrap();
		self.draw(bob.into(), 2);
		let mut keys = self.seats.keys().cloned();
		(keys.next().unwrap(), keys.next().unwrap())
	}

	/// The lottery that Alice has won before there is a result.
	pub(crate) fn lottery(&self, world: &World) -> OpenLottery {
		OpenLottery {
			program: self.result.program,
			input_roots: self.result.input_roots.clone(),
			steps: self.result.steps,
			..world.lottery(JOB)
		}
	}

	fn duties(&self) -> Vec<Disputed> {
		let duty = |(key, seat): (&VerifierId, &Seat)| {
			let lane = seat.lane.as_ref().map(|lane| lane.view.clone());
			let shown = !seat.used_up && (self.result.open || lane.is_some());
			shown.then(|| Disputed {
				job: JOB,
				account: seat.account.clone(),
				key: key.clone(),
				result: self.result.clone(),
				lane,
			})
		};
		match self.proved {
			None => self.seats.iter().filter_map(duty).collect(),
			Some(_) => Vec::new(),
		}
	}

	/// The lane of a key.
	pub(crate) fn lane(&self, key: &VerifierId) -> Option<&LaneView<AccountId, u128, BlockNumber>> {
		self.seats[key].lane.as_ref().map(|lane| &lane.view)
	}

	/// Has a lane go to the group below `child`, whoever wanted that.
	pub(crate) async fn lead(&mut self, key: &VerifierId, child: Option<u32>) {
		self.apply(key, ChallengeMove::Demand { child });
		self.answer().await;
	}

	/// Lets the challengers' time pass.
	pub(crate) fn expire(&mut self, key: &VerifierId) {
		let seat = self.seats.get_mut(key).unwrap();
		seat.used_up = true;
		seat.lane = None;
	}

	/// Leaves a lane so many blocks.
	pub(crate) fn hurry(&mut self, key: &VerifierId, blocks: BlockNumber) {
		let lane = self.seats.get_mut(key).unwrap().lane.as_mut().unwrap();
		lane.view.deadline = self.best + blocks;
	}

	/// One block: answers to what was demanded before, and the moves that the hook finds.
	pub(crate) async fn block(&mut self, world: &World) {
		self.best = world.chain.best();
		if self.answers {
			self.answer().await;
		}
		for key in self.seats.keys().cloned().collect::<Vec<_>>() {
			let Some(entry) = entry_of(world, &self.result.order, &key) else { continue };
			let lane = self.lane(&key);
			let opened = lane.map(|lane| lane.opened.len() as u32);
			let parts = lane.map_or(0, |lane| lane.parts);
			if !self.seats[&key].used_up && entry.opened == opened && entry.parts == parts {
				self.apply(&key, entry.action);
			}
		}
		world.chain.dispute(self.duties());
	}

	async fn answer(&mut self) {
		for seat in self.seats.values_mut() {
			let Some(lane) = &mut seat.lane else { continue };
			let Turn::Answer(place) = lane.view.turn else { continue };
			let children = self.provider.answer(place).await.unwrap();
			assert!(place.verify(&lane.parent, &children, &*self.job), "{place:?}");
			if let (Some(root), Place::Lazy { step, anchor, .. }) =
				(place.stated_root(&children, &*self.job), place)
			{
				lane.stated = Some((LazyList { step, anchor, root }, lane.parent));
				lane.view.list = Some(root);
			}
			lane.view.opened.push((place, children));
			lane.view.turn = Turn::Move;
			lane.view.deadline = self.best + self.move_time;
		}
	}

	/// What the pallet's call does; nothing where its check refuses.
	fn apply(&mut self, key: &VerifierId, action: ChallengeMove) {
		let (job, best) = (self.job.clone(), self.best);
		let seat = self.seats.get_mut(key).unwrap();
		let ours = seat.lane.as_ref().is_none_or(|lane| lane.view.turn == Turn::Move);
		if !ours || self.proved.is_some() {
			return;
		}
		let account = seat.account.clone();
		let lane = seat.lane.get_or_insert_with(|| Lane {
			view: LaneView {
				job: JOB,
				challenger: account.clone(),
				deposit: 0,
				opened_at: best,
				turn: Turn::Move,
				deadline: best + self.move_time,
				opened: Vec::new(),
				list: None,
				parts: 0,
				committed: false,
			},
			parent: [0; 32],
			stated: None,
			commitment: None,
			proof: None,
			accumulators: None,
		});
		match action {
			ChallengeMove::Demand { child } => {
				let (place, parent) = match (lane.view.opened.last(), child) {
					(None, None) => {
						let root = if job.steps == 1 { job.trace_root } else { job.run_root };
						(Place::first(&*job).unwrap(), root)
					}
					(Some((place, children)), Some(child)) => match place.below(child, &*job) {
						Some(Below::Group(below)) => {
							let past = || lane.stated.map(|(_, eager)| eager);
							(below, children.get(child as usize).copied().or_else(past).unwrap())
						}
						other => panic!("{child} below {place:?} is {other:?}"),
					},
					other => panic!("a demand out of order: {other:?}"),
				};
				lane.view.turn = Turn::Answer(place);
				lane.parent = parent;
				self.moves.push((key.clone(), "demand"));
			}
			ChallengeMove::CommitProof { commitment } => {
				if self.binds && !lane.view.committed {
					lane.view.committed = true;
					lane.commitment = Some(commitment);
					self.moves.push((key.clone(), "bind"));
				}
			}
			ChallengeMove::Prove { part } => {
				assert_eq!(part.part, lane.view.parts, "parts come in their order");
				let proof = *lane.proof.get_or_insert_with(|| proof_hash(&part));
				let record = Record {
					program: &job.program,
					checked: &job.checked,
					input_roots: &job.input_roots,
					steps: job.steps,
					run_root: job.run_root,
					list: lane.stated.map(|(list, _)| list),
				};
				self.moves.push((key.clone(), "prove"));
				match judge(&record, lane.accumulators.take(), &part).unwrap() {
					Ruling::Right => panic!("the proof is of something right"),
					Ruling::Fraud => {
						let account: &[u8; 32] = account.as_ref();
						let bound = proof_commitment(&GENESIS, &self.result.order, account, &proof);
						self.proved = Some((key.clone(), lane.commitment == Some(bound)));
					}
					Ruling::Continue(accumulators) => {
						lane.accumulators = Some(accumulators);
						lane.view.parts += 1;
						lane.view.deadline = best + self.move_time;
					}
				}
			}
		}
	}

	/// Makes blocks until a condition holds, up to a minute.
	pub(crate) async fn until(&mut self, world: &World, what: &str, done: impl Fn(&Self) -> bool) {
		let started = Instant::now();
		while !done(self) {
			assert!(started.elapsed() < Duration::from_secs(60), "timed out waiting for {what}");
			self.block(world).await;
			tokio::time::sleep(Duration::from_millis(10)).await;
		}
	}

	/// Makes some blocks in which the service may do what it must not do.
	pub(crate) async fn settle(&mut self, world: &World) {
		for _ in 0..10 {
			self.block(world).await;
			tokio::time::sleep(Duration::from_millis(20)).await;
		}
	}

	/// The kinds of the moves so far.
	pub(crate) fn kinds(&self) -> Vec<&'static str> {
		self.moves.iter().map(|(_, kind)| *kind).collect()
	}
}

/// What the offchain hook would read.
pub(crate) fn entry(world: &World, key: &VerifierId) -> Option<DisputeEntry> {
	entry_of(world, &order_of(JOB), key)
}

/// The same for the job of any order.
pub(crate) fn entry_of(world: &World, order: &Hash, key: &VerifierId) -> Option<DisputeEntry> {
	let bytes = world.storage.get(STORAGE_PREFIX, &dispute_key(&GENESIS, order, key))?;
	Some(DisputeEntry::from_bytes(&bytes).unwrap())
}
