//! A chain of nothing but balances and disputes: real programs and real runs, and a stand-in for the
//! jobs whose money is simple.

use crate::{
	self as pallet_assay_arbitration, Config, Event, HoldReason, LaneOf, Lanes, Statement,
};
use assay_commitments::{
	most_openings, open_group, open_tensor_group, run_root, tensor_root, trace_root, Below, Place,
	RunShape, Tree,
};
use assay_market::{
	proof_commitment, proof_hash,
	verifier::{signing_payload, verifier_crypto::AuthorityPair},
	Arbitration as _, ChallengeMove, Disputes, Hash, JobId, OpenResult, ReasonCode, Turn,
	VerifierAction, VerifierId, VerifierSignature,
};
use assay_program::{
	interpret_step,
	ops::{DType, TensorType, Values},
	program_id, AnchorPlan, Checked, Limits, Program, ProgramBuilder, Source,
};
use assay_referee::{prove, Accusation, Evidence, LazyList, OpenedTree, ProofPart, Record};
use codec::{Decode, Encode};
use frame_support::{
	derive_impl,
	dispatch::{DispatchResult, DispatchResultWithPostInfo},
	parameter_types, storage_alias,
	traits::{
		fungible::{InspectHold, Mutate},
		Authorize, OnFinalize, OnInitialize,
	},
	weights::Weight,
	Blake2_128Concat,
};
use frame_system::{
	mocking::{MockBlock, MockUncheckedExtrinsic},
	offchain::{CreateAuthorizedTransaction, CreateTransaction, CreateTransactionBase},
	AuthorizeCall, RawOrigin,
};
use sp_core::Pair as _;
use sp_runtime::{
	traits::{Convert, Dispatchable, IdentityLookup},
	transaction_validity::{TransactionSource, TransactionValidityError, ValidTransaction},
	AccountId32, BuildStorage,
};
use std::{collections::BTreeMap, sync::LazyLock};

pub type AccountId = AccountId32;
pub type Extrinsic = MockUncheckedExtrinsic<Test, (), AuthorizeCall<Test>>;

frame_support::construct_runtime!(
	pub enum Test {
		System: frame_system,
		Balances: pallet_balances,
		Arbitration: pallet_assay_arbitration,
	}
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
	type AccountId = AccountId;
	type Lookup = IdentityLookup<AccountId>;
	type Block = MockBlock<Test>;
	type AccountData = pallet_balances::AccountData<u64>;
	type BlockWeights = BlockWeights;
}

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
	type AccountStore = System;
	type ExistentialDeposit = ExistentialDeposit;
}

impl CreateTransactionBase<crate::Call<Test>> for Test {
	type Extrinsic = Extrinsic;
	type RuntimeCall = RuntimeCall;
}

impl CreateTransaction<crate::Call<Test>> for Test {
	type Extension = AuthorizeCall<Test>;
	fn create_transaction(call: RuntimeCall, extension: Self::Extension) -> Extrinsic {
		Extrinsic::new_transaction(call, extension)
	}
}

impl CreateAuthorizedTransaction<crate::Call<Test>> for Test {
	fn create_extension() -> Self::Extension {
		AuthorizeCall::new()
	}
}

/// A: blocks for an answer.
pub const ANSWER_TIME: u64 = 5;
/// M: blocks for a move.
pub const MOVE_TIME: u64 = 7;
/// K: blocks that a proof commitment gives.
pub const PROOF_TIME: u64 = 11;
/// Blocks for which a job takes new lanes.
pub const CHALLENGE_TIME: u64 = 20;
/// What is held of outsiders; odd, so that halving it rounds.
pub const DEPOSIT: u64 = 1_001;
/// What is held for a lane of a job that has so many with deposits already.
pub fn deposit_after(lanes: u64) -> u64 {
	(DEPOSIT * (8 + lanes).min(32)).div_ceil(8)
}
/// The bond of every job.
pub const BOND: u64 = 10_000;
pub const BALANCE: u64 = 100_000_000;

parameter_types! {
	pub const ExistentialDeposit: u64 = 10;
	pub static MaxAgenda: u32 = 8;
	/// What condemning costs the block.
	pub static CondemnWeight: Weight = Weight::from_parts(1_000_000_000, 0);
	/// Jobs with so few seats that it costs a tenth.
	pub static FewSeats: Vec<JobId> = vec![];
	/// A condemned job ends later, when hidden verdicts had their time.
	pub static EndsLater: bool = false;
	/// A without the time for a replay.
	pub static AnswerBase: u64 = ANSWER_TIME;
	/// M.
	pub static MoveClock: u64 = MOVE_TIME;
	/// Work units of one block of an answer.
	pub static AnswerRate: u64 = 1_000;
	/// By how much the answers of a lane may be later than their own clocks.
	pub static Patience: u64 = 60;
	pub BlockWeights: frame_system::limits::BlockWeights =
		frame_system::limits::BlockWeights::simple_max(Weight::from_parts(2_000_000_000_000, u64::MAX));
}

/// [`CondemnWeight`], or a tenth of it for [`FewSeats`].
pub struct BySeats;

impl Convert<Option<JobId>, Weight> for BySeats {
	fn convert(job: Option<JobId>) -> Weight {
		match job.is_some_and(|job| FewSeats::get().contains(&job)) {
			true => CondemnWeight::get() / 10,
			false => CondemnWeight::get(),
		}
	}
}

impl Config for Test {
	type RuntimeHoldReason = RuntimeHoldReason;
	type Currency = Balances;
	type Jobs = Mock;
	type Programs = Mock;
	type CondemnWeight = BySeats;
	type FeeOf = BytesTwice;
	type MaxAgenda = MaxAgenda;
	type VerifierPriority = frame_support::traits::ConstU64<1_000>;
	type WeightInfo = ();
	#[cfg(feature = "runtime-benchmarks")]
	type BenchmarkHelper = Mock;
}

/// What parts of a proof cost here: two units a byte.
pub struct BytesTwice;

impl Convert<(Weight, u32), u64> for BytesTwice {
	fn convert((_, bytes): (Weight, u32)) -> u64 {
		2 * u64::from(bytes)
	}
}

/// Stands in for the jobs and the programs.
pub struct Mock;

/// A job as far as a dispute needs it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct FakeJob {
	pub order: Hash,
	pub provider: AccountId,
	pub program: Hash,
	pub input_roots: Vec<Hash>,
	pub steps: u32,
	/// Work units of a replay.
	pub work: u64,
	pub run_root: Hash,
	pub trace_root: Hash,
	pub deadline: u64,
	pub condemned: Option<(ReasonCode, AccountId)>,
	pub ended: bool,
	/// How often [`Disputes::quiet`] was said.
	pub quiet: u32,
}

#[storage_alias]
pub type FakeJobs = StorageMap<Mock, Blake2_128Concat, JobId, FakeJob>;
#[storage_alias]
pub type NextJob = StorageValue<Mock, JobId, frame_support::pallet_prelude::ValueQuery>;
/// Who was drawn, and whether its verdict differs from the result.
#[storage_alias]
pub type Seats = StorageMap<
	Mock,
	Blake2_128Concat,
	JobId,
	Vec<(AccountId, VerifierId, bool)>,
	frame_support::pallet_prelude::ValueQuery,
>;
/// Whose free lane came to nothing, as often as it was said.
#[storage_alias]
pub type Rejected = StorageMap<
	Mock,
	Blake2_128Concat,
	JobId,
	Vec<AccountId>,
	frame_support::pallet_prelude::ValueQuery,
>;
#[storage_alias]
pub type Bonds =
	StorageMap<Mock, Blake2_128Concat, JobId, u64, frame_support::pallet_prelude::ValueQuery>;
/// What provers are said to have paid.
#[storage_alias]
pub type Costs = StorageMap<Mock, Blake2_128Concat, JobId, u64>;
#[storage_alias]
pub type WrongSteps = StorageMap<Mock, Blake2_128Concat, JobId, u32>;
#[storage_alias]
pub type BurnedBonds = StorageValue<Mock, u64, frame_support::pallet_prelude::ValueQuery>;
/// The bytes of registered programs.
#[storage_alias]
pub type Registered = StorageMap<Mock, Blake2_128Concat, Hash, Vec<u8>>;

impl Disputes<AccountId, u64, u64> for Mock {
	fn result(job: JobId) -> Option<OpenResult<AccountId, u64, u64>> {
		let job = FakeJobs::get(job).filter(|job| !job.ended && job.condemned.is_none())?;
		Some(OpenResult {
			order: job.order,
			open: now() <= job.deadline,
			provider: job.provider,
			program: job.program,
			input_roots: job.input_roots,
			steps: job.steps,
			work_units: job.work,
			run_root: job.run_root,
			trace_root: job.trace_root,
			answer_time: AnswerBase::get() + job.work.saturating_mul(2).div_ceil(AnswerRate::get()),
			answer_rate: AnswerRate::get(),
			patience: Patience::get(),
			move_time: MoveClock::get(),
			proof_time: PROOF_TIME,
			deposit: DEPOSIT,
		})
	}

	fn order(job: JobId) -> Option<Hash> {
		FakeJobs::get(job).map(|job| job.order)
	}

	fn note_rejected(job: JobId, account: &AccountId) {
		assert!(Self::verifier_key(job, account).is_some(), "only verifiers have free lanes");
		Rejected::append(job, account);
	}

	fn verifier_key(job: JobId, account: &AccountId) -> Option<VerifierId> {
		Seats::get(job).into_iter().find(|(who, ..)| who == account).map(|(_, key, _)| key)
	}

	fn differing(keys: &[VerifierId]) -> Vec<(JobId, AccountId, VerifierId)> {
		let mut found: Vec<_> = Seats::iter()
			.flat_map(|(job, seats)| seats.into_iter().map(move |seat| (job, seat)))
			.filter(|(job, (_, key, differs))| {
				*differs && keys.contains(key) && Self::result(*job).is_some()
			})
			.map(|(job, (account, key, _))| (job, account, key))
			.collect();
		found.sort();
		found
	}

	fn quiet(job: JobId) {
		FakeJobs::mutate_exists(job, |job| {
			if let Some(job) = job {
				job.quiet += 1;
			}
		});
	}

	fn condemn(
		id: JobId,
		reason: ReasonCode,
		by: &AccountId,
		step: Option<u32>,
		costs: u64,
	) -> bool {
		if Self::result(id).is_none() {
			return false;
		}
		Costs::insert(id, costs);
		if let Some(step) = step {
			WrongSteps::insert(id, step);
		}
		let bond = Bonds::take(id);
		let mut burned = bond;
		for (who, part) in [(by, bond / 5), (&requester(), bond / 4)] {
			if Balances::mint_into(who, part).is_ok() {
				burned -= part;
			}
		}
		BurnedBonds::mutate(|all| *all += burned);
		FakeJobs::mutate(id, |job| {
			job.as_mut().expect("has a result").condemned = Some((reason, by.clone()))
		});
		if !EndsLater::get() {
			end_job(id);
		}
		true
	}
}

impl crate::RefereedPrograms for Mock {
	fn program(id: &Hash) -> Option<(Program, Checked)> {
		let program = Program::decode_bounded(&Registered::get(id)?).ok()?;
		let checked = program.check(&Limits::V1).ok()?;
		Some((program, checked))
	}

	fn plans(id: &Hash) -> Option<Vec<AnchorPlan>> {
		Self::program(id).map(|(_, checked)| checked.plans())
	}
}

#[cfg(feature = "runtime-benchmarks")]
impl crate::BenchmarkHelper<AccountId> for Mock {
	fn opened(
		program: Vec<u8>,
		input_roots: Vec<Hash>,
		steps: u32,
		run_root: Hash,
		trace_root: Hash,
		verifier: (AccountId, VerifierId),
	) -> JobId {
		let id = program_id(&program);
		Registered::insert(id, program);
		let job = NextJob::get();
		NextJob::put(job + 1);
		FakeJobs::insert(
			job,
			FakeJob {
				order: [3; 32],
				work: 1,
				provider: frame_benchmarking::account("provider", 0, 0),
				program: id,
				input_roots,
				steps,
				run_root,
				trace_root,
				deadline: now() + u64::from(crate::benchmarking::OPEN_BLOCKS),
				condemned: None,
				ended: false,
				quiet: 0,
			},
		);
		let mut seats = vec![verifier.clone(); 144];
		seats.rotate_left(1);
		Seats::insert(
			job,
			seats.into_iter().map(|(who, key)| (who, key, true)).collect::<Vec<_>>(),
		);
		Bonds::insert(job, BOND);
		job
	}
}

/// Ends a job, as the jobs pallet does it: what disputes keep of it may go.
pub fn end_job(id: JobId) {
	FakeJobs::mutate(id, |job| job.as_mut().expect("exists").ended = true);
	Arbitration::ended(id);
}

/// The jobs whose deadline has passed and that nobody disputes settle; their bonds go back.
fn settle_jobs() {
	let due: Vec<_> = FakeJobs::iter()
		.filter(|(id, job)| !job.ended && now() > job.deadline && !Arbitration::is_disputed(*id))
		.map(|(id, _)| id)
		.collect();
	for id in due {
		// A provider's bond is outside of this chain's balances.
		BurnedBonds::mutate(|all| *all += Bonds::take(id));
		end_job(id);
	}
}

pub fn account(index: u8) -> AccountId {
	AccountId::new([index; 32])
}
pub fn requester() -> AccountId {
	account(1)
}
pub fn provider() -> AccountId {
	account(2)
}
pub fn challenger() -> AccountId {
	account(3)
}
pub fn other() -> AccountId {
	account(4)
}
pub fn bystander() -> AccountId {
	account(5)
}
/// Has nothing at all.
pub fn pauper() -> AccountId {
	account(6)
}
/// Verifiers are the accounts from 10 on; the first three are drawn for every job.
pub fn verifier(index: u8) -> AccountId {
	account(10 + index)
}
pub fn pair(account: &AccountId) -> AuthorityPair {
	AuthorityPair::from_string(&seed_of(account), None).expect("a raw seed")
}
pub fn seed_of(account: &AccountId) -> String {
	let bytes: &[u8] = account.as_ref();
	// A raw seed: a phrase would be stretched by thousands of hashes at every use.
	format!("0x{}", format!("{:02x}", bytes[0]).repeat(32))
}

/// A registered program with its inputs.
pub struct Task {
	pub program: Program,
	pub checked: Checked,
	pub inputs: Vec<Values>,
}

/// Place of the anchors of [`small`] among them.
pub const NEXT: u32 = 0;
pub const TOP: u32 = 1;
pub const WIDE: u32 = 2;

fn filled(ty: TensorType, seed: i32) -> Values {
	let data = (0..ty.elements() as i32).map(|at| at.wrapping_mul(37).wrapping_add(seed) % 251);
	Values::new(ty, data.collect()).expect("as many as the type has")
}

fn task(builder: ProgramBuilder) -> Task {
	let program = builder.build().expect("well-formed");
	let checked = program.check(&Limits::V1).expect("admissible");
	let inputs =
		program.inputs.iter().zip(3..).map(|(input, seed)| filled(input.ty, seed)).collect();
	Task { program, checked, inputs }
}

/// A program with a state: anchors of six tiles behind a virtual node, of one tile, and of 301.
pub fn small() -> &'static Task {
	static TASK: LazyLock<Task> = LazyLock::new(|| {
		let mut b = ProgramBuilder::new();
		let ty = TensorType::new(DType::I8, &[40, 70]).expect("a small shape");
		let x = b.input("x", ty);
		let initial = b.input("s", ty);
		let state = b.state(initial);
		let sum = b.add(x, state, DType::I16);
		let next = b.shift(sum, 1, DType::I8);
		b.update(state, next);
		let top = b.reduce_max(next, 1);
		b.output("top", top);
		let long = b.input("w", TensorType::new(DType::I32, &[77_000]).expect("a small shape"));
		let wide = b.clamp(long, -1_000, 200);
		b.output("wide", wide);
		task(b)
	});
	&TASK
}

/// Place of the anchors of [`listing`] among all of them: two eager ones, then three lazy ones.
pub const FIRST: u32 = 0;
pub const SECOND: u32 = 1;
pub const PLAIN: u32 = 2;
pub const SUM: u32 = 3;
pub const PRODUCT: u32 = 4;

/// A program with lazy anchors: `plain` and `sum` lie before the first eager anchor, `product` between the two.
/// The first is computed from `sum`, the second from `product` and the state; all have several tiles.
pub fn listing() -> &'static Task {
	static TASK: LazyLock<Task> = LazyLock::new(|| {
		let mut b = ProgramBuilder::new();
		let ty = TensorType::new(DType::I8, &[40, 70]).expect("a small shape");
		let x = b.input("x", ty);
		let initial = b.input("s", ty);
		let state = b.state(initial);
		let plain = b.shift(x, 1, DType::I8);
		b.lazy(plain);
		let sum = b.add(plain, state, DType::I16);
		b.lazy(sum);
		let first = b.shift(sum, 1, DType::I8);
		b.update(state, first);
		let product = b.mul(first, plain, DType::I16);
		b.lazy(product);
		let second = b.sub(product, state, DType::I16);
		b.output("second", second);
		task(b)
	});
	&TASK
}

/// A program whose only tile takes a proof of several parts.
pub fn long() -> &'static Task {
	static TASK: LazyLock<Task> = LazyLock::new(|| {
		let mut b = ProgramBuilder::new();
		let ty = TensorType::new(DType::I8, &[1, 16_384]).expect("a small shape");
		let (x, y) = (b.input("x", ty), b.input("y", ty));
		let product = b.matmul(x, y);
		b.output("product", product);
		task(b)
	});
	&TASK
}

/// A tile of an anchor that a provider gets wrong, by the anchor's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lie {
	pub step: u32,
	pub anchor: u32,
	pub tile: u64,
}

/// A run of a program, true or not, with all that its provider keeps.
pub struct Run {
	pub task: &'static Task,
	/// Canonical bytes of each anchor of each step: the eager ones, then the lazy ones.
	pub anchors: Vec<Vec<Vec<u8>>>,
	/// Of the eager ones.
	pub roots: Vec<Vec<Hash>>,
	/// Of the lazy ones.
	pub lazy: Vec<Vec<Hash>>,
	pub traces: Vec<Hash>,
	pub lie: Option<Lie>,
}

impl assay_commitments::RunShape for Run {
	fn steps(&self) -> u32 {
		self.traces.len() as u32
	}
	fn anchors(&self) -> u32 {
		self.roots[0].len() as u32
	}
	fn tiles(&self, anchor: u32) -> Option<u64> {
		self.anchors[0].get(anchor as usize).map(|bytes| bytes.len() as u64 / 1024)
	}
	fn lazy_before(&self, anchor: u32) -> u32 {
		self.task.checked.lazy_before(anchor)
	}
}

impl Task {
	/// All anchors: the eager ones, then the lazy ones.
	pub fn all(&self) -> Vec<u32> {
		self.checked.anchors.iter().chain(&self.checked.lazy).copied().collect()
	}
}

impl Run {
	/// Every value by the definition, but for the first byte of the tile that is lied about; later
	/// steps go on from the lie.
	pub fn new(task: &'static Task, steps: u32, lie: Option<Lie>) -> Self {
		let Task { program, checked, inputs } = task;
		let mut states: Vec<Values> =
			program.states.iter().map(|state| inputs[state.input as usize].clone()).collect();
		let mut anchors = Vec::new();
		for step in 0..steps {
			let results = interpret_step(program, checked, inputs, &states).expect("total");
			let mut bytes: Vec<Vec<u8>> =
				task.all().iter().map(|node| results[*node as usize].to_canonical()).collect();
			if let Some(lie) = lie.filter(|lie| lie.step == step) {
				bytes[lie.anchor as usize][lie.tile as usize * 1024] ^= 1;
			}
			states = program
				.states
				.iter()
				.zip(&checked.state_anchors)
				.map(|(state, anchor)| {
					let ty = program.inputs[state.input as usize].ty;
					Values::from_canonical(ty, &bytes[*anchor as usize]).expect("of this type")
				})
				.collect();
			anchors.push(bytes);
		}
		Self::of(task, anchors, lie)
	}

	fn of(task: &'static Task, anchors: Vec<Vec<Vec<u8>>>, lie: Option<Lie>) -> Self {
		let split = |step: &Vec<Vec<u8>>| {
			let mut roots: Vec<Hash> = step.iter().map(|bytes| tensor_root(bytes)).collect();
			let lazy = roots.split_off(task.checked.anchors.len());
			(roots, lazy)
		};
		let (roots, lazy): (Vec<Vec<Hash>>, _) = anchors.iter().map(split).unzip();
		let traces = roots.iter().map(|roots| trace_root(roots)).collect();
		Self { task, anchors, roots, lazy, traces, lie }
	}

	/// The same, with one more lie: in a lazy anchor, of which no trace tells.
	pub fn listing_lie(&self, Lie { step, anchor, tile }: Lie) -> Self {
		let mut anchors = self.anchors.clone();
		anchors[step as usize][anchor as usize][tile as usize * 1024] ^= 1;
		let run = Self::of(self.task, anchors, self.lie);
		assert_eq!(run.root(), self.root(), "lazy anchors are in no trace");
		run
	}

	/// Roots of the lazy anchors before an eager one.
	pub fn listed(&self, step: u32, anchor: u32) -> Vec<Hash> {
		self.lazy[step as usize][..self.task.checked.lazy_before(anchor) as usize].to_vec()
	}

	/// What the chain keeps of them.
	pub fn list(&self, step: u32, anchor: u32) -> LazyList {
		let root = assay_commitments::root(Tree::Trace, &self.listed(step, anchor));
		LazyList { step, anchor, root: root.expect("there are some") }
	}

	pub fn root(&self) -> Hash {
		run_root(&self.traces)
	}

	pub fn input_roots(&self) -> Vec<Hash> {
		self.task.inputs.iter().map(|input| tensor_root(&input.to_canonical())).collect()
	}

	/// The children that the provider has there.
	pub fn children(&self, place: Place) -> Vec<Hash> {
		match place {
			Place::Run { level, index } => open_group(Tree::Run, &self.traces, level, index),
			Place::Trace { step, level, index } => {
				open_group(Tree::Trace, &self.roots[step as usize], level, index)
			}
			Place::Tensor { step, anchor, level, index } => {
				open_tensor_group(&self.anchors[step as usize][anchor as usize], level, index)
			}
			Place::Lazy { step, anchor, level, index } => {
				open_group(Tree::Trace, &self.listed(step, anchor), level, index)
			}
		}
		.expect("a place of this run")
	}

	/// Most openings on the way down.
	pub fn openings(&self) -> u32 {
		let tiles = self.anchors[0].iter().map(|bytes| bytes.len() as u64 / 1024).max();
		let (eager, lazy) = (self.roots[0].len() as u32, self.lazy[0].len() as u32);
		most_openings(self.traces.len() as u32, eager, lazy, tiles.unwrap_or(0))
	}

	/// The tile at a place, as proofs name it.
	pub fn accusation(&self, Lie { step, anchor, tile }: Lie) -> Accusation {
		Accusation { step, node: self.task.all()[anchor as usize], tile }
	}

	/// The true accusation of a lie.
	pub fn lie_accused(&self) -> Accusation {
		self.accusation(self.lie.expect("a run with a lie"))
	}

	/// Every part of a proof about this run, from the provider's own values. It refers to the list for the
	/// accused eager anchor, or for the next one where a lazy one is accused.
	pub fn proof(&self, accusation: Accusation) -> Vec<ProofPart> {
		let eager = &self.task.checked.anchors;
		let next = eager.partition_point(|node| *node < accusation.node) as u32;
		self.proof_by(accusation, Some(next).filter(|next| self.lazy_before(*next) > 0))
	}

	/// The same, referring to the list for the eager anchor at this place.
	pub fn proof_by(&self, accusation: Accusation, list: Option<u32>) -> Vec<ProofPart> {
		let list = list.map(|anchor| self.list(accusation.step, anchor));
		let Task { program, checked, inputs } = self.task;
		let input_roots = self.input_roots();
		let record = Record {
			program,
			checked,
			input_roots: &input_roots,
			steps: self.traces.len() as u32,
			run_root: self.root(),
			list,
		};
		let step = accusation.step as usize;
		let all = self.task.all();
		let anchor = all.iter().position(|node| *node == accusation.node).expect("an anchor");
		let mut tensors: BTreeMap<Source, Vec<u8>> = BTreeMap::new();
		for (at, input) in (0..).zip(inputs) {
			tensors.insert(Source::Input(at), input.to_canonical());
		}
		for (node, bytes) in all.iter().zip(&self.anchors[step]) {
			tensors.insert(Source::Node(*node), bytes.clone());
		}
		for (at, state) in (0..).zip(&program.states) {
			let bytes = match step.checked_sub(1) {
				None => inputs[state.input as usize].to_canonical(),
				Some(before) => {
					self.anchors[before][checked.state_anchors[usize::from(at)] as usize].clone()
				}
			};
			tensors.insert(Source::State(at), bytes);
		}
		let tree = |tree, root, leaves: &Vec<Hash>| {
			OpenedTree::new(tree, root, leaves.clone()).expect("leaves")
		};
		let bytes = &self.anchors[step][anchor];
		let list = list
			.map(|list| tree(Tree::Trace, list.root, &self.listed(accusation.step, list.anchor)));
		let evidence = Evidence {
			run: &tree(Tree::Run, self.root(), &self.traces),
			trace: &tree(Tree::Trace, self.traces[step], &self.roots[step]),
			list: list.as_ref(),
			tensor: &OpenedTree::of_tensor(tensor_root(bytes), bytes).expect("whole tiles"),
			before: step.checked_sub(1).map(|before| &self.roots[before][..]),
			tensors: &tensors,
		};
		let parts = checked.anchor_cost(accusation.node).expect("an anchor").cost.parts;
		(0..parts)
			.map(|part| prove(&record, &evidence, accusation, part).expect("all is known"))
			.collect()
	}
}

/// Three steps of [`small`], true.
pub fn honest() -> &'static Run {
	static RUN: LazyLock<Run> = LazyLock::new(|| Run::new(small(), 3, None));
	&RUN
}
/// The same with a lie in the second step's state, behind a virtual node.
pub fn lying() -> &'static Run {
	static RUN: LazyLock<Run> =
		LazyLock::new(|| Run::new(small(), 3, Some(Lie { step: 1, anchor: NEXT, tile: 4 })));
	&RUN
}
/// The same with a lie that takes the longest way down.
pub fn lying_deep() -> &'static Run {
	static RUN: LazyLock<Run> =
		LazyLock::new(|| Run::new(small(), 3, Some(Lie { step: 2, anchor: WIDE, tile: 300 })));
	&RUN
}
/// One step of [`small`], true.
pub fn honest_once() -> &'static Run {
	static RUN: LazyLock<Run> = LazyLock::new(|| Run::new(small(), 1, None));
	&RUN
}
/// The same with a lie in a tensor of one tile.
pub fn lying_once() -> &'static Run {
	static RUN: LazyLock<Run> =
		LazyLock::new(|| Run::new(small(), 1, Some(Lie { step: 0, anchor: TOP, tile: 0 })));
	&RUN
}
/// Two steps of [`listing`], true.
pub fn honest_lists() -> &'static Run {
	static RUN: LazyLock<Run> = LazyLock::new(|| Run::new(listing(), 2, None));
	&RUN
}
/// The same with a lie in the second step's second eager anchor, and true lists.
pub fn lying_past_list() -> &'static Run {
	static RUN: LazyLock<Run> =
		LazyLock::new(|| Run::new(listing(), 2, Some(Lie { step: 1, anchor: SECOND, tile: 3 })));
	&RUN
}
/// The same, whose provider makes up a lazy anchor so that the lie follows from it.
pub fn lying_in_list() -> &'static Run {
	static RUN: LazyLock<Run> =
		LazyLock::new(|| lying_past_list().listing_lie(Lie { step: 1, anchor: PRODUCT, tile: 3 }));
	&RUN
}
/// [`long`], true.
pub fn honest_long() -> &'static Run {
	static RUN: LazyLock<Run> = LazyLock::new(|| Run::new(long(), 1, None));
	&RUN
}
/// [`long`] with a lie.
pub fn lying_long() -> &'static Run {
	static RUN: LazyLock<Run> =
		LazyLock::new(|| Run::new(long(), 1, Some(Lie { step: 0, anchor: 0, tile: 0 })));
	&RUN
}

/// A job whose provider has opened this run; three verifiers were drawn and differ.
pub fn post(run: &Run) -> JobId {
	let id = NextJob::get();
	NextJob::put(id + 1);
	FakeJobs::insert(
		id,
		FakeJob {
			order: order_hash(id, 0),
			work: 0,
			provider: provider(),
			program: program_id(&run.task.program.encode()),
			input_roots: run.input_roots(),
			steps: run.traces.len() as u32,
			run_root: run.root(),
			trace_root: *run.traces.last().expect("a step"),
			deadline: now() + CHALLENGE_TIME,
			condemned: None,
			ended: false,
			quiet: 0,
		},
	);
	let seat = |index| {
		let who = verifier(index);
		let key = pair(&who).public();
		(who, key, true)
	};
	Seats::insert(id, (0..3).map(seat).collect::<Vec<_>>());
	Bonds::insert(id, BOND);
	id
}
/// Of the job of this number on one of many forks.
pub fn order_hash(id: JobId, fork: u8) -> Hash {
	(id, fork).using_encoded(sp_io::hashing::blake2_256)
}
/// Of the job of this number here.
pub fn order(id: JobId) -> Hash {
	Mock::order(id).unwrap_or(order_hash(id, 0))
}
/// The number is another job's on this fork.
pub fn fork(id: JobId) {
	FakeJobs::mutate(id, |job| job.as_mut().expect("posted").order = order_hash(id, 1));
}
/// A replay of this job takes so many units.
pub fn set_work(id: JobId, work: u64) {
	FakeJobs::mutate(id, |job| job.as_mut().expect("posted").work = work);
}
/// What the prover of this job is said to have paid for its proof.
pub fn costs(id: JobId) -> Option<u64> {
	Costs::get(id)
}
/// How often it was said that a free lane of this verifier came to nothing.
pub fn rejected(id: JobId, who: &AccountId) -> usize {
	Rejected::get(id).into_iter().filter(|other| other == who).count()
}
pub fn job(id: JobId) -> FakeJob {
	FakeJobs::get(id).expect("the job exists")
}
/// The step for which it was condemned.
pub fn wrong_step(id: JobId) -> Option<u32> {
	WrongSteps::get(id)
}
/// How a job was condemned, and who was paid for it.
pub fn condemned(id: JobId) -> Option<(ReasonCode, AccountId)> {
	job(id).condemned
}

pub fn signed(who: &AccountId) -> RuntimeOrigin {
	RuntimeOrigin::signed(who.clone())
}
pub fn demand(id: JobId, who: &AccountId, child: Option<u32>) -> DispatchResult {
	let list = Lanes::<Test>::get(id, who).and_then(|lane| lane.stated_root());
	Arbitration::demand(signed(who), id, order(id), child, list)
}
pub fn answer_with(
	id: JobId,
	of: &AccountId,
	by: &AccountId,
	children: Vec<Hash>,
) -> DispatchResultWithPostInfo {
	let children = children.try_into().expect("at most 256");
	Arbitration::answer(signed(by), id, order(id), of.clone(), children)
}
/// The provider states this of the lazy anchors that are demanded.
pub fn list_with(
	id: JobId,
	of: &AccountId,
	by: &AccountId,
	place: Place,
	run_root: Hash,
	children: Vec<Hash>,
) -> DispatchResultWithPostInfo {
	let (step, anchor) = match place {
		Place::Lazy { step, anchor, .. } => (step, anchor),
		_ => (0, 0),
	};
	let children = children.try_into().expect("at most 256");
	let stated = Statement { run_root, step, anchor, children };
	Arbitration::list_roots(signed(by), id, order(id), of.clone(), stated)
}
/// The provider answers truly by its run.
pub fn answer(id: JobId, of: &AccountId, run: &Run) -> DispatchResultWithPostInfo {
	let place = demanded(id, of);
	if place.is_stated(run) {
		return list_with(id, of, &provider(), place, run.root(), run.children(place));
	}
	answer_with(id, of, &provider(), run.children(place))
}
pub fn commit(id: JobId, who: &AccountId, first: &ProofPart) -> DispatchResult {
	commit_with(id, who, commitment(id, who, first))
}
pub fn commit_with(id: JobId, who: &AccountId, commitment: Hash) -> DispatchResult {
	Arbitration::commit_proof(signed(who), id, order(id), commitment)
}
pub fn commitment(id: JobId, who: &AccountId, first: &ProofPart) -> Hash {
	proof_commitment(&Arbitration::genesis_hash(), &order(id), who.as_ref(), &proof_hash(first))
}
pub fn prove_fraud(id: JobId, who: &AccountId, part: &ProofPart) -> DispatchResultWithPostInfo {
	Arbitration::prove_fraud(signed(who), id, order(id), Box::new(part.clone()))
}
pub fn poke(id: JobId, of: &AccountId) -> DispatchResultWithPostInfo {
	Arbitration::poke(signed(&bystander()), id, of.clone())
}
pub fn lane(id: JobId, who: &AccountId) -> LaneOf<Test> {
	Lanes::<Test>::get(id, who).expect("the lane is open")
}
pub fn has_lane(id: JobId, who: &AccountId) -> bool {
	Lanes::<Test>::contains_key(id, who)
}
/// The group that is owed in a lane.
pub fn demanded(id: JobId, who: &AccountId) -> Place {
	match lane(id, who).turn {
		Turn::Answer(place) => place,
		Turn::Move => panic!("nothing is demanded"),
	}
}

/// Where the way down goes on below the group that was opened last, for who has `own`.
pub fn next_child(id: JobId, who: &AccountId, own: &Run) -> (u32, Below) {
	let view = Arbitration::lane(id, who.clone()).expect("the lane is open");
	let (place, children) = view.opened.last().expect("a group is open").clone();
	let child = own
		.children(place)
		.iter()
		.zip(&children)
		.position(|(own, theirs)| own != theirs)
		.or(place.is_stated(own).then_some(children.len()))
		.expect("runs that differ") as u32;
	(child, place.below(child, own).expect("a child of this run"))
}

/// Goes down to the first difference between `run`, the provider's, and `own`, everyone moving at once.
pub fn descend(id: JobId, who: &AccountId, run: &Run, own: &Run) -> Accusation {
	demand(id, who, None).expect("a first demand");
	loop {
		answer(id, who, run).expect("the only answer");
		match next_child(id, who, own) {
			(_, Below::Chunk { step, anchor, tile }) => {
				return own.accusation(Lie { step, anchor, tile })
			}
			(child, Below::Group(_)) => demand(id, who, Some(child)).expect("a next demand"),
		}
	}
}

pub fn sign(
	key: &AuthorityPair,
	genesis: &Hash,
	job: JobId,
	account: &AccountId,
	retry: u32,
	action: &ChallengeMove,
) -> VerifierSignature {
	let view = Arbitration::lane(job, account.clone());
	let opened = view.as_ref().map(|lane| lane.opened.len() as u32);
	let list = view.as_ref().and_then(|lane| lane.list);
	let parts = view.map_or(0, |lane| lane.parts);
	let hash = (opened, list, parts, action).using_encoded(sp_io::hashing::blake2_256);
	let action = VerifierAction::Challenge { hash };
	key.sign(&signing_payload(genesis, job, &order(job), account, retry, &action))
}
/// A verifier's move, signed with its own key.
pub fn move_call(id: JobId, who: &AccountId, action: ChallengeMove) -> RuntimeCall {
	let signature = sign(&pair(who), &Arbitration::genesis_hash(), id, who, 0, &action);
	call_with(id, who, action, 0, signature)
}
pub fn call_with(
	job: JobId,
	account: &AccountId,
	action: ChallengeMove,
	retry: u32,
	signature: VerifierSignature,
) -> RuntimeCall {
	let account = account.clone();
	RuntimeCall::Arbitration(crate::Call::move_as_verifier {
		job,
		order: order(job),
		account,
		action,
		retry,
		signature,
	})
}
/// What the transaction pool makes of a verifier's call.
pub fn validate(call: &RuntimeCall) -> Result<ValidTransaction, TransactionValidityError> {
	call.authorize(TransactionSource::External)
		.expect("verifier calls are authorized")
		.map(|(validity, _)| validity)
}
/// Validates and dispatches, as a block does.
pub fn apply(call: RuntimeCall) -> Result<(), TransactionValidityError> {
	validate(&call)?;
	call.dispatch(RawOrigin::Authorized.into()).expect("what was authorized is accepted");
	Ok(())
}
pub fn act(
	id: JobId,
	who: &AccountId,
	action: ChallengeMove,
) -> Result<(), TransactionValidityError> {
	apply(move_call(id, who, action))
}
pub fn act_demand(
	id: JobId,
	who: &AccountId,
	child: Option<u32>,
) -> Result<(), TransactionValidityError> {
	act(id, who, ChallengeMove::Demand { child })
}
pub fn act_prove(
	id: JobId,
	who: &AccountId,
	part: &ProofPart,
) -> Result<(), TransactionValidityError> {
	act(id, who, ChallengeMove::Prove { part: Box::new(part.clone()) })
}

pub fn now() -> u64 {
	System::block_number()
}
/// Runs blocks up to and including `block`; jobs come before lanes, as in the runtime.
pub fn roll_to(block: u64) {
	while now() < block {
		AllPalletsWithSystem::on_finalize(now());
		System::set_block_number(now() + 1);
		settle_jobs();
		AllPalletsWithSystem::on_initialize(now());
	}
}
pub fn roll(blocks: u64) {
	roll_to(now() + blocks);
}
/// To the next block, in which nobody looks at the agenda: as if it had been full.
pub fn skip_to(block: u64) {
	System::set_block_number(block);
}

pub fn free(who: &AccountId) -> u64 {
	Balances::free_balance(who)
}
pub fn held(who: &AccountId) -> u64 {
	Balances::balance_on_hold(&HoldReason::Lane.into(), who)
}
/// Balances and bonds, and everything burned of both.
pub fn all_money() -> u64 {
	let burned: u64 = System::events()
		.into_iter()
		.map(|record| match record.event {
			RuntimeEvent::Arbitration(Event::LaneClosed { burned, .. }) => burned,
			RuntimeEvent::Arbitration(Event::ProofPartCharged { fee, .. }) => fee,
			_ => 0,
		})
		.sum();
	// Bonds are posted from outside of this chain.
	let posted = BOND * NextJob::get();
	Balances::total_issuance() + Bonds::iter_values().sum::<u64>() + BurnedBonds::get() + burned
		- posted
}
pub fn has_event(event: Event<Test>) -> bool {
	let wanted = RuntimeEvent::Arbitration(event);
	System::events().into_iter().any(|record| record.event == wanted)
}
/// `returned`, `paid`, `burned` of the last lane of this account that was closed.
pub fn closed(id: JobId, who: &AccountId) -> Option<(u64, u64, u64)> {
	System::events().into_iter().rev().find_map(|record| match record.event {
		RuntimeEvent::Arbitration(Event::LaneClosed {
			job,
			challenger,
			returned,
			paid,
			burned,
		}) if job == id && challenger == *who => Some((returned, paid, burned)),
		_ => None,
	})
}

pub fn new_test_ext() -> sp_io::TestExternalities {
	let mut storage = frame_system::GenesisConfig::<Test>::default()
		.build_storage()
		.expect("an empty chain builds");
	let mut people = vec![requester(), provider(), challenger(), other(), bystander()];
	people.extend((0..4).map(verifier));
	people.extend((100..250).map(account));
	pallet_balances::GenesisConfig::<Test> {
		balances: people.iter().map(|who| (who.clone(), BALANCE)).collect(),
		..Default::default()
	}
	.assimilate_storage(&mut storage)
	.expect("balances build");
	let mut ext = sp_io::TestExternalities::new(storage);
	ext.execute_with(|| {
		for task in [small(), long(), listing()] {
			let bytes = task.program.encode();
			Registered::insert(program_id(&bytes), bytes);
		}
		EndsLater::set(false);
		MaxAgenda::set(8);
		AnswerBase::set(ANSWER_TIME);
		MoveClock::set(MOVE_TIME);
		AnswerRate::set(1_000);
		Patience::set(60);
		CondemnWeight::set(Weight::from_parts(1_000_000_000, 0));
		FewSeats::take();
		roll_to(1);
	});
	ext
}

#[cfg(feature = "runtime-benchmarks")]
pub fn new_bench_ext() -> sp_io::TestExternalities {
	let mut ext = new_test_ext();
	let keystore = sp_keystore::testing::MemoryKeystore::new();
	ext.register_extension(sp_keystore::KeystoreExt::new(keystore));
	ext
}

/// Runs the test, then checks the invariants of the pallet, and that no money came or went.
pub fn execute(test: impl FnOnce()) {
	new_test_ext().execute_with(|| {
		let before = all_money();
		test();
		check_invariants(before);
	});
}
/// `before`: what [`all_money`] was.
pub fn check_invariants(before: u64) {
	Arbitration::do_try_state().expect("the state is sound");
	assert_eq!(all_money(), before, "no unit came or went");
}
