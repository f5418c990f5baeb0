//! A chain of nothing but balances and jobs, with simple stand-ins for the other pallets.

use crate as pallet_assay_jobs;
use crate::{
	Answer, Chunks, Config, Event, HoldReason, Job, Jobs, Lotteries, ParametersOf, Sample, Seats,
};
use assay_commitments::{
	open_outputs, result_commitment, run_root, tensor_root, trace_root, verdict_commitment,
	OutputsOpening, RunShape, CHUNK_BYTES,
};
use assay_market::{
	lottery::{draw_output, tranche_of, transcript},
	verifier::{signing_payload, verifier_crypto::AuthorityPair},
	AbstainReason, Arbitration, Assurance, Attestation, AuthorRandomness, Disputes, Electorate,
	Hash, Identities, JobBonds, JobId, MarketParameters, OpenResult, Outcome, Phase,
	ProgramSummary, Programs, Purpose, ReasonCode, ReportVouching, Slashed, Ticket, VerifierAction,
	VerifierFaults, VerifierInfo, VerifierSignature, Verifiers,
};
use assay_referee::sample;
use frame_support::{
	derive_impl,
	dispatch::DispatchResult,
	ensure, parameter_types, storage_alias,
	traits::{
		fungible::{InspectHold, Mutate},
		Authorize, OnFinalize, OnInitialize,
	},
	Blake2_128Concat,
};
use frame_system::{
	mocking::{MockBlock, MockUncheckedExtrinsic},
	offchain::{CreateAuthorizedTransaction, CreateTransaction, CreateTransactionBase},
	AuthorizeCall, RawOrigin,
};
use sp_core::{crypto::VrfSecret, sr25519, Pair as _};
use sp_runtime::{
	traits::{Dispatchable, IdentityLookup},
	transaction_validity::{TransactionSource, TransactionValidityError, ValidTransaction},
	AccountId32, BuildStorage, DispatchError, Permill,
};

pub type AccountId = AccountId32;
pub type Extrinsic = MockUncheckedExtrinsic<Test, (), AuthorizeCall<Test>>;

frame_support::construct_runtime!(
	pub enum Test {
		System: frame_system,
		Balances: pallet_balances,
		Market: pallet_assay_jobs,
	}
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
	type AccountId = AccountId;
	type Lookup = IdentityLookup<AccountId>;
	type Block = MockBlock<Test>;
	type AccountData = pallet_balances::AccountData<u64>;
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

pub const UNIT: u64 = 1_000_000;

parameter_types! {
	pub const ExistentialDeposit: u64 = 10;
	pub static MaxLifetime: u64 = 1_000;
	pub static MaxAgenda: u32 = 8;
	pub static MaxActiveJobs: u32 = 64;
	pub static MaxJobsPerRequester: u32 = 64;
	pub static MaxOutputBytes: u64 = 1 << 20;
	pub static RandomnessSalt: u64 = 0;
	pub static NoRandomness: bool = false;
	pub DefaultParameters: ParametersOf<Test> = test_parameters();
}

/// The development preset with a committee of three of whom two must agree. The first tranche takes up to
/// twelve, so that everyone wins the lotteries of most tests.
pub fn test_parameters() -> MarketParameters<u64, u64> {
	let mut parameters = MarketParameters::development(UNIT);
	parameters.tranche_width_percent = 400;
	parameters.attest_quorum = 2;
	parameters.quorum = 2;
	// Nothing that would make the sums of most tests uneven.
	parameters.byte_price = 1;
	parameters.abandon_burn = Permill::zero();
	parameters
}

impl Config for Test {
	type RuntimeHoldReason = RuntimeHoldReason;
	type Currency = Balances;
	type Identities = Mock;
	type JobBonds = Mock;
	type Programs = Mock;
	type Verifiers = Mock;
	type AuthorRandomness = Mock;
	type Arbitration = Mock;
	type Vouching = Mock;
	type VerifierFaults = Mock;
	type DefaultParameters = DefaultParameters;
	type MaxLifetime = MaxLifetime;
	type FinalityCap = frame_support::traits::ConstU64<100>;
	type SlashDeferral = frame_support::traits::ConstU64<100>;
	type UnbondingPeriod = frame_support::traits::ConstU64<2_000>;
	type Retention = frame_support::traits::ConstU64<50>;
	type MaxActiveJobs = MaxActiveJobs;
	type MaxJobsPerRequester = MaxJobsPerRequester;
	type JobDepositBase = frame_support::traits::ConstU64<1_000>;
	type JobDepositPerByte = frame_support::traits::ConstU64<2>;
	type MaxOutputBytes = MaxOutputBytes;
	type MaxValidators = frame_support::traits::ConstU32<100>;
	type MaxAgenda = MaxAgenda;
	type MaxArchived = frame_support::traits::ConstU32<4>;
	type VerifierPriority = frame_support::traits::ConstU64<1_000>;
	type WeightInfo = ();
	#[cfg(feature = "runtime-benchmarks")]
	type BenchmarkHelper = Mock;
}

/// Stands in for every other pallet.
pub struct Mock;

#[storage_alias]
pub type Providers = StorageMap<Mock, Blake2_128Concat, AccountId, ()>;
#[storage_alias]
pub type Reputation = StorageMap<
	Mock,
	Blake2_128Concat,
	AccountId,
	Vec<Outcome>,
	frame_support::pallet_prelude::ValueQuery,
>;
#[storage_alias]
pub type FreeStake =
	StorageMap<Mock, Blake2_128Concat, AccountId, u64, frame_support::pallet_prelude::ValueQuery>;
#[storage_alias]
pub type Bonds = StorageMap<Mock, Blake2_128Concat, (AccountId, JobId), u64>;
#[storage_alias]
pub type BurnedStake = StorageValue<Mock, u64, frame_support::pallet_prelude::ValueQuery>;
#[storage_alias]
pub type ProgramUses =
	StorageMap<Mock, Blake2_128Concat, Hash, u32, frame_support::pallet_prelude::ValueQuery>;
#[storage_alias]
pub type RemovedPrograms = StorageMap<Mock, Blake2_128Concat, Hash, ()>;
/// Account, seed of its key, stake.
#[storage_alias]
pub type Validators =
	StorageValue<Mock, Vec<(AccountId, String, u64)>, frame_support::pallet_prelude::ValueQuery>;
/// The validators of each session. A session begins when a lottery is opened and they have changed.
#[storage_alias]
pub type Sessions = StorageMap<Mock, Blake2_128Concat, u32, Vec<(AccountId, String, u64)>>;
#[storage_alias]
pub type Session = StorageValue<Mock, u32, frame_support::pallet_prelude::ValueQuery>;
#[storage_alias]
pub type Suspended = StorageValue<Mock, Vec<AccountId>, frame_support::pallet_prelude::ValueQuery>;
/// Validators whose stake stands behind as many jobs as it may.
#[storage_alias]
pub type Busy = StorageValue<Mock, Vec<AccountId>, frame_support::pallet_prelude::ValueQuery>;
/// Jobs with a live lane.
#[storage_alias]
pub type Lanes = StorageMap<Mock, Blake2_128Concat, JobId, ()>;
/// The verifiers that were reported for standing behind a fraudulent result.
#[storage_alias]
pub type Vouchers = StorageMap<Mock, Blake2_128Concat, JobId, Vec<AccountId>>;
/// Those of them that hid their verdicts.
#[storage_alias]
pub type Hidden = StorageMap<Mock, Blake2_128Concat, JobId, Vec<AccountId>>;
/// For each verdict on a result that stood: whether it matched.
#[storage_alias]
pub type Conduct = StorageMap<
	Mock,
	Blake2_128Concat,
	AccountId,
	Vec<bool>,
	frame_support::pallet_prelude::ValueQuery,
>;
#[storage_alias]
pub type Locks = StorageMap<Mock, Blake2_128Concat, (AccountId, JobId), ()>;

impl Identities<AccountId> for Mock {
	fn is_provider(who: &AccountId) -> bool {
		Providers::contains_key(who)
	}
	fn note_outcome(who: &AccountId, outcome: Outcome) {
		Reputation::append(who, outcome);
	}
}

impl JobBonds<AccountId, u64> for Mock {
	fn free_stake(who: &AccountId) -> u64 {
		FreeStake::get(who)
	}
	fn hold(who: &AccountId, job: JobId, amount: u64) -> DispatchResult {
		let free = FreeStake::get(who)
			.checked_sub(amount)
			.ok_or(DispatchError::Other("InsufficientStake"))?;
		ensure!(!Bonds::contains_key((who, job)), "AlreadyBonded");
		FreeStake::insert(who, free);
		Bonds::insert((who, job), amount);
		Ok(())
	}
	fn release(who: &AccountId, job: JobId) {
		let bond = Bonds::take((who, job)).unwrap_or_default();
		FreeStake::mutate(who, |free| *free += bond);
	}
	fn slash(
		who: &AccountId,
		job: JobId,
		amount: u64,
		pay: Option<(&AccountId, u64)>,
	) -> Slashed<u64> {
		let bond = Bonds::get((who, job)).unwrap_or_default();
		let taken = amount.min(bond);
		match bond - taken {
			0 => Bonds::remove((who, job)),
			left => Bonds::insert((who, job), left),
		}
		let paid = pay
			.map(|(to, part)| (to, part.min(taken)))
			.filter(|(to, part)| Balances::mint_into(to, *part).is_ok())
			.map(|(_, part)| part)
			.unwrap_or_default();
		BurnedStake::mutate(|burned| *burned += taken - paid);
		Slashed { burned: taken - paid, paid }
	}
}

/// A program with two inputs, four anchors and two outputs, without state.
pub const PROGRAM: Hash = [7; 32];
/// The same with a state.
pub const STATEFUL: Hash = [8; 32];
pub const WORK: u64 = 1_000_000;
/// Tiles of its anchors.
pub const ANCHOR_TILES: [u64; 4] = [1, 4, 2, 1];

/// The program that benchmarks register, and its numbers of inputs and outputs.
pub const BENCHMARK_PROGRAM: Hash = [9; 32];
#[storage_alias]
pub type BenchmarkProgram = StorageValue<Mock, (u32, u32)>;

impl Programs for Mock {
	fn summary(program: &Hash) -> Option<ProgramSummary> {
		if let (BENCHMARK_PROGRAM, Some((inputs, outputs))) = (*program, BenchmarkProgram::get()) {
			return Some(ProgramSummary {
				input_tiles: vec![1; inputs as usize],
				output_tiles: vec![1; outputs as usize],
				outputs: (0..outputs).collect(),
				anchors: outputs,
				largest_anchor: 1,
				..Default::default()
			});
		}
		let known = *program == PROGRAM || *program == STATEFUL;
		(known && !RemovedPrograms::contains_key(program)).then(|| ProgramSummary {
			work_units: WORK,
			peak_memory: 1 << 20,
			input_tiles: vec![1, 4],
			output_tiles: vec![1, 1],
			outputs: vec![3, 1],
			anchors: 4,
			lazy: 0,
			largest_anchor: 4,
			states: u16::from(*program == STATEFUL),
		})
	}
	fn anchor_tiles(program: &Hash) -> Option<Vec<u64>> {
		if *program == BENCHMARK_PROGRAM {
			return Self::summary(program).map(|summary| summary.output_tiles);
		}
		Self::summary(program).map(|_| ANCHOR_TILES.to_vec())
	}
	fn acquire(program: &Hash) -> DispatchResult {
		ProgramUses::mutate(program, |uses| *uses += 1);
		Ok(())
	}
	fn release(program: &Hash) {
		ProgramUses::mutate(program, |uses| {
			*uses = uses.checked_sub(1).expect("released as often as acquired")
		});
	}
}

impl Mock {
	/// What `programs.remove_program` does.
	pub fn remove_program(program: &Hash) -> DispatchResult {
		ensure!(ProgramUses::get(program) == 0, "InUse");
		RemovedPrograms::insert(program, ());
		Ok(())
	}
}

impl Verifiers<AccountId, u64> for Mock {
	fn active() -> Vec<VerifierInfo<AccountId, u64>> {
		let busy = Busy::get();
		Validators::get()
			.into_iter()
			.filter(|(account, ..)| !busy.contains(account))
			.map(|(account, seed, stake)| VerifierInfo {
				account,
				key: pair(&seed).public(),
				stake,
			})
			.collect()
	}
	fn electorate() -> Electorate<u64> {
		let suspended = Suspended::get();
		let mut now = Validators::get();
		now.retain(|(account, _, stake)| *stake > 0 && !suspended.contains(account));
		if Sessions::get(Session::get()).as_ref() != Some(&now) {
			Session::mutate(|session| *session += 1);
			Sessions::insert(Session::get(), &now);
		}
		Electorate {
			session: Session::get(),
			candidates: now.len() as u32,
			stake: now.iter().map(|(_, _, stake)| stake).sum(),
		}
	}
	fn member(session: u32, who: &AccountId) -> Option<VerifierInfo<AccountId, u64>> {
		Self::members(session).into_iter().find(|member| member.account == *who)
	}
	fn members(session: u32) -> Vec<VerifierInfo<AccountId, u64>> {
		let suspended = Suspended::get();
		let members = Sessions::get(session).unwrap_or_default().into_iter();
		members
			.filter(|(account, ..)| !suspended.contains(account))
			.map(|(account, seed, stake)| {
				let key = pair(&seed).public();
				VerifierInfo { account, key, stake }
			})
			.collect()
	}
	fn can_lock(who: &AccountId) -> bool {
		!Busy::get().contains(who)
	}
	fn lock(who: &AccountId, job: JobId) {
		assert!(!Locks::contains_key((who, job)), "locked once per job");
		Locks::insert((who, job), ());
	}
	fn unlock(who: &AccountId, job: JobId) {
		assert!(Locks::take((who, job)).is_some(), "unlocked once per job");
	}
}

impl AuthorRandomness for Mock {
	fn parent() -> Option<[u8; 32]> {
		let seed = (System::block_number() - 1, RandomnessSalt::get());
		(!NoRandomness::get()).then(|| sp_io::hashing::blake2_256(&codec::Encode::encode(&seed)))
	}
}

impl Arbitration for Mock {
	fn is_disputed(job: JobId) -> bool {
		Lanes::contains_key(job)
	}
	fn ended(job: JobId) {
		Lanes::remove(job);
	}
}

impl ReportVouching<AccountId> for Mock {
	fn report(job: JobId, opened: Vec<AccountId>, hidden: Vec<AccountId>) {
		let vouchers = [opened, hidden.clone()].concat();
		if !hidden.is_empty() {
			Hidden::insert(job, hidden);
		}
		assert!(!vouchers.is_empty(), "nobody is no report");
		for who in &vouchers {
			assert!(Locks::contains_key((who, job)), "reported while the stake is locked");
		}
		assert!(!Vouchers::contains_key(job), "reported once per job");
		Vouchers::insert(job, vouchers);
	}
}

impl VerifierFaults<AccountId> for Mock {
	fn note_fault(who: &AccountId) {
		Conduct::append(who, false);
	}
	fn note_match(who: &AccountId) {
		Conduct::append(who, true);
	}
}

#[cfg(feature = "runtime-benchmarks")]
impl crate::BenchmarkHelper<AccountId> for Mock {
	fn program(inputs: u32, outputs: u32) -> Hash {
		BenchmarkProgram::put((inputs, outputs));
		BENCHMARK_PROGRAM
	}
	fn longest_program() -> Hash {
		PROGRAM
	}
	fn last_faults(_: &[AccountId]) {}
	fn provider(who: &AccountId) {
		Providers::insert(who, ());
		FreeStake::insert(who, u64::MAX / 2);
	}
	fn verifiers(count: u32) {
		let seed = seed_of(&verifier(0));
		let of = |index| {
			let who: AccountId = frame_benchmarking::account("verifier", index, 0);
			(who, seed.clone(), UNIT)
		};
		Validators::put((0..count).map(of).collect::<Vec<_>>());
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
pub fn second_provider() -> AccountId {
	account(3)
}
pub fn bystander() -> AccountId {
	account(4)
}
/// Verifiers are the accounts from 10 on.
pub fn verifier(index: u8) -> AccountId {
	account(10 + index)
}
pub fn pair(seed: &str) -> AuthorityPair {
	AuthorityPair::from_string(seed, None).expect("a raw seed")
}
pub fn seed_of(account: &AccountId) -> String {
	let bytes: &[u8] = account.as_ref();
	// A raw seed: a phrase would be stretched by thousands of hashes at every use.
	format!("0x{}", format!("{:02x}", bytes[0]).repeat(32))
}

/// What a run of the mock's program gives. Runs of different tags differ everywhere.
#[derive(Clone)]
pub struct Run {
	/// Tag and number of every step.
	steps: Vec<(u8, u32)>,
	traces: Vec<Hash>,
	anchors: Vec<Hash>,
}
impl Run {
	pub fn new(tag: u8, steps: u32) -> Self {
		Self::of((0..steps).map(|step| (tag, step)).collect())
	}
	fn of(steps: Vec<(u8, u32)>) -> Self {
		let anchors = |(tag, step)| Self::anchors(tag, step);
		let last = *steps.last().expect("a run has steps");
		Self {
			traces: steps.iter().map(|at| trace_root(&anchors(*at))).collect(),
			anchors: anchors(last),
			steps,
		}
	}
	/// The same with these steps of another tag.
	pub fn with(&self, tag: u8, steps: core::ops::Range<u32>) -> Self {
		let other = |&(own, at): &(u8, u32)| (if steps.contains(&at) { tag } else { own }, at);
		Self::of(self.steps.iter().map(other).collect())
	}
	/// A stretch of it, as its verifier replays it.
	pub fn part(&self, steps: core::ops::Range<u32>) -> Self {
		Self::of(self.steps[steps.start as usize..steps.end as usize].to_vec())
	}
	pub fn traces(&self) -> &[Hash] {
		&self.traces
	}
	fn tensor(tag: u8, step: u32, anchor: u32) -> Vec<u8> {
		let seed = [tag, step as u8, anchor as u8];
		let tiles = 0..ANCHOR_TILES[anchor as usize] as u8;
		tiles
			.flat_map(|tile| sp_io::hashing::blake2_256(&[&seed[..], &[tile]].concat()).repeat(32))
			.collect()
	}
	fn anchors(tag: u8, step: u32) -> Vec<Hash> {
		(0..4).map(|anchor| tensor_root(&Self::tensor(tag, step, anchor))).collect()
	}
	pub fn root(&self) -> Hash {
		run_root(&self.traces)
	}
	pub fn opening(&self) -> OutputsOpening {
		open_outputs(&self.traces, &self.anchors, &[3, 1]).expect("positions exist")
	}
	pub fn outputs(&self) -> Vec<Hash> {
		vec![self.anchors[3], self.anchors[1]]
	}
	/// The chunks of this run at the positions that `seed` gives to an account.
	pub fn chunks(&self, seed: &Hash, who: &AccountId) -> Chunks {
		sample::open_all(
			seed,
			who.as_ref(),
			self,
			&self.traces,
			|step| {
				let (tag, step) = self.steps[step as usize];
				Some(Self::anchors(tag, step))
			},
			|step, anchor| {
				let (tag, step) = self.steps[step as usize];
				Some(Self::tensor(tag, step, anchor))
			},
		)
		.expect("positions exist")
		.try_into()
		.expect("as many as are asked for")
	}
}
impl RunShape for Run {
	fn steps(&self) -> u32 {
		self.traces.len() as u32
	}
	fn anchors(&self) -> u32 {
		4
	}
	fn tiles(&self, anchor: u32) -> Option<u64> {
		ANCHOR_TILES.get(anchor as usize).copied()
	}
}
const _: () = assert!(CHUNK_BYTES == 32 * 32);
/// The right result.
pub fn right() -> Run {
	Run::new(1, 1)
}
/// A wrong one.
pub fn wrong() -> Run {
	Run::new(2, 1)
}
pub const SALT: Hash = [0x5a; 32];

/// The order of a job; of none, where there is no such job.
pub fn order(job: JobId) -> Hash {
	Jobs::<Test>::get(job).map(|job| job.order).unwrap_or_default()
}
pub fn result_hash(job: JobId, who: &AccountId, run: &Run) -> Hash {
	result_commitment(&Market::genesis_hash(), &order(job), who.as_ref(), &run.root(), &SALT)
}
pub fn verdict_hash(job: JobId, who: &AccountId, run: &Run) -> Hash {
	verdict_commitment(&Market::genesis_hash(), &order(job), who.as_ref(), &run.root(), &SALT)
}

pub fn sign(
	key: &AuthorityPair,
	genesis: &Hash,
	job: JobId,
	account: &AccountId,
	retry: u32,
	action: &VerifierAction,
) -> VerifierSignature {
	key.sign(&signing_payload(genesis, job, &order(job), account, retry, action))
}

/// What the key of this seed draws in a lottery.
pub fn ticket_with(seed: &str, genesis: &Hash, job: JobId, lottery: &Hash) -> Ticket {
	let key = sr25519::Pair::from_string(seed, None).expect("a raw seed");
	Ticket::from(&key.vrf_sign(&transcript(genesis, &order(job), lottery)))
}
/// The ticket of an account for the open lottery of a job. For nothing, where there is none.
pub fn ticket(job: JobId, who: &AccountId) -> Ticket {
	let seed = Lotteries::<Test>::get(job).map(|lottery| lottery.seed).unwrap_or_default();
	ticket_with(&seed_of(who), &Market::genesis_hash(), job, &seed)
}
/// The tranche of a member by its ticket.
pub fn tranche(job: JobId, who: &AccountId) -> Option<u32> {
	let lottery = Lotteries::<Test>::get(job)?;
	let member = Mock::member(lottery.session, who)?;
	let data = transcript(&Market::genesis_hash(), &order(job), &lottery.seed);
	let output = draw_output(&member.key, &data, &ticket(job, who)).expect("its own ticket");
	tranche_of(output, member.stake.into(), &lottery.terms)
}

/// The call of an action, signed with the key that the account was registered with.
pub fn call_of(job: JobId, account: &AccountId, action: VerifierAction) -> RuntimeCall {
	call_showing(job, account, action, None)
}

pub fn call_showing(
	job: JobId,
	account: &AccountId,
	action: VerifierAction,
	chunks: Option<Chunks>,
) -> RuntimeCall {
	let key = pair(&seed_of(account));
	let signature = sign(&key, &Market::genesis_hash(), job, account, 0, &action);
	call_with(job, account, action, chunks, signature)
}

pub fn call_with(
	job: JobId,
	account: &AccountId,
	action: VerifierAction,
	chunks: Option<Chunks>,
	signature: VerifierSignature,
) -> RuntimeCall {
	call_of_order(job, order(job), account, action, chunks, signature)
}

pub fn call_of_order(
	job: JobId,
	order: Hash,
	account: &AccountId,
	action: VerifierAction,
	chunks: Option<Chunks>,
	signature: VerifierSignature,
) -> RuntimeCall {
	let (account, retry) = (account.clone(), 0);
	RuntimeCall::Market(match action {
		VerifierAction::AttestInputs { ok, .. } => {
			crate::Call::attest_inputs { job, order, account, ok, retry, signature }
		}
		VerifierAction::CommitVerdict { commitment, ticket } => crate::Call::commit_verdict {
			job,
			order,
			account,
			commitment,
			ticket,
			retry,
			signature,
		},
		VerifierAction::Abstain { reason, ticket } => {
			crate::Call::abstain { job, order, account, reason, ticket, retry, signature }
		}
		VerifierAction::RevealVerdict { run_root, salt, .. } => crate::Call::reveal_verdict {
			job,
			order,
			account,
			run_root,
			salt,
			chunks,
			retry,
			signature,
		},
		VerifierAction::AttestOutputs { ok, .. } => {
			crate::Call::attest_outputs { job, order, account, ok, retry, signature }
		}
		VerifierAction::Challenge { .. } => panic!("no call of this pallet carries a challenge"),
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
	job: JobId,
	account: &AccountId,
	action: VerifierAction,
) -> Result<(), TransactionValidityError> {
	apply(call_of(job, account, action))
}
pub fn attest(job: JobId, who: &AccountId, ok: bool) -> Result<(), TransactionValidityError> {
	let drawn_at = Market::drawn_at(job, Purpose::Attest, who);
	act(job, who, VerifierAction::AttestInputs { ok, drawn_at })
}
pub fn keep(job: JobId, who: &AccountId, ok: bool) -> Result<(), TransactionValidityError> {
	let drawn_at = Market::drawn_at(job, Purpose::Keep, who);
	act(job, who, VerifierAction::AttestOutputs { ok, drawn_at })
}
/// Every keeper has the outputs.
pub fn keep_all(job: JobId) {
	for who in pending(job, Purpose::Keep) {
		keep(job, &who, true).expect("a keeper of an open result");
	}
}
pub fn commit(job: JobId, who: &AccountId, run: &Run) -> Result<(), TransactionValidityError> {
	commit_hash(job, who, verdict_hash(job, who, run))
}
/// Commits to anything.
pub fn commit_hash(
	job: JobId,
	who: &AccountId,
	commitment: Hash,
) -> Result<(), TransactionValidityError> {
	act(job, who, VerifierAction::CommitVerdict { commitment, ticket: ticket(job, who) })
}
pub fn abstain(job: JobId, who: &AccountId) -> Result<(), TransactionValidityError> {
	let reason = AbstainReason::DeviceFault;
	act(job, who, VerifierAction::Abstain { reason, ticket: ticket(job, who) })
}
/// Opens a verdict with the chunks of its trace, or with those of a wrong seed where there is no sample.
pub fn reveal(job: JobId, who: &AccountId, run: &Run) -> Result<(), TransactionValidityError> {
	let chunks = run.chunks(&sample_seed(job).unwrap_or_default(), who);
	reveal_showing(job, who, run, Some(chunks))
}
/// Opens a verdict without chunks.
pub fn open_bare(job: JobId, who: &AccountId, run: &Run) -> Result<(), TransactionValidityError> {
	reveal_showing(job, who, run, None)
}
pub fn reveal_showing(
	job: JobId,
	who: &AccountId,
	run: &Run,
	chunks: Option<Chunks>,
) -> Result<(), TransactionValidityError> {
	let action = VerifierAction::RevealVerdict {
		run_root: run.root(),
		salt: SALT,
		chunks: chunks.is_some(),
	};
	apply(call_showing(job, who, action, chunks))
}
pub fn sample_seed(id: JobId) -> Option<Hash> {
	Jobs::<Test>::get(id).and_then(|job| Market::sample_of(&job))
}
/// To the block in which the chunks that verifiers show are known.
pub fn await_sample(id: JobId) {
	if let Some(Sample::Awaited(closed)) = job(id).audits.sample {
		roll_to(closed + 3);
	}
	assert!(sample_seed(id).is_some());
}

/// The accounts that may answer now: drawn to attest, or winners of the open lottery.
pub fn pending(job: JobId, purpose: Purpose) -> Vec<AccountId> {
	if purpose == Purpose::Verify {
		return winners(job);
	}
	Seats::<Test>::get(job)
		.into_iter()
		.filter(|seat| seat.purpose == purpose && seat.answer == Answer::Pending)
		.map(|seat| seat.account)
		.collect()
}
/// Who may commit now: members in an open tranche that are no parties and have not answered.
pub fn winners(job: JobId) -> Vec<AccountId> {
	let Some(lottery) = Lotteries::<Test>::get(job) else { return Vec::new() };
	let record = self::job(job);
	Mock::members(lottery.session)
		.into_iter()
		.map(|member| member.account)
		.filter(|who| Market::candidate(job, &record, &lottery, who).is_ok())
		.filter(|who| tranche(job, who).is_some_and(|tranche| tranche <= lottery.tranche))
		.collect()
}
/// The accounts that have a seat to verify.
pub fn seated(job: JobId) -> Vec<AccountId> {
	Seats::<Test>::get(job)
		.into_iter()
		.filter(|seat| seat.purpose == Purpose::Verify)
		.map(|seat| seat.account)
		.collect()
}
/// The accounts that have a seat to verify, and those that may take one now.
pub fn committee(job: JobId) -> Vec<AccountId> {
	seated(job).into_iter().chain(winners(job)).collect()
}
/// Ends an audit in which as many have committed as were wanted, and waits for the sample.
pub fn close(id: JobId) {
	if phase(id) == Phase::Verifying {
		roll_past_deadline(id);
	}
	assert_eq!(phase(id), Phase::Revealing);
	if Market::has_hidden(id) {
		await_sample(id);
	}
}

pub fn standard() -> Assurance {
	Assurance::default()
}
pub fn unattested() -> Assurance {
	Assurance { attestation: Attestation::OptedOut, ..Assurance::default() }
}

pub fn job(id: JobId) -> Job<AccountId, u64, u64> {
	Jobs::<Test>::get(id).expect("the job exists")
}
pub fn phase(id: JobId) -> Phase {
	job(id).phase
}
pub const PRICE: u64 = 10 * UNIT;
/// What those get who hold the inputs and outputs: so little that nobody gets anything.
pub const DATA_FEE: u64 = 1;
/// The highest price, the fee of one committee and that.
pub const ESCROW: u64 = PRICE + PRICE / 5 + DATA_FEE;

pub fn try_post(assurance: Assurance) -> DispatchResult {
	Market::post_job(
		RuntimeOrigin::signed(requester()),
		PROGRAM,
		vec![[1; 32], [2; 32]].try_into().expect("two inputs"),
		1,
		PRICE / 2,
		PRICE,
		10,
		assurance,
	)
}
pub fn post(assurance: Assurance) -> JobId {
	let id = crate::NextJob::<Test>::get();
	try_post(assurance).expect("a good job");
	id
}
pub fn post_open() -> JobId {
	post(unattested())
}
pub fn claim(id: JobId, who: AccountId) -> DispatchResult {
	Market::claim_job(RuntimeOrigin::signed(who), id, order(id), 0, u64::MAX)
}
/// Posted and claimed at the highest price.
pub fn post_claimed() -> JobId {
	let id = post_open();
	roll(10);
	claim(id, provider()).expect("an open job");
	id
}
/// Posted, attested by everyone who was drawn, and open.
pub fn post_attested() -> JobId {
	let id = post(standard());
	attest_all(id);
	id
}
/// Everyone who is drawn to attest the inputs holds them.
pub fn attest_all(id: JobId) {
	roll_past_deadline(id);
	for who in pending(id, Purpose::Attest) {
		let _ = attest(id, &who, true);
	}
	assert_eq!(phase(id), Phase::Open);
}
/// The same, and claimed at the highest price.
pub fn post_claimed_attested() -> JobId {
	let id = post_attested();
	roll(10);
	claim(id, provider()).expect("an open job");
	id
}
pub fn commit_result(id: JobId, run: &Run) -> DispatchResult {
	let commitment = result_hash(id, &provider(), run);
	Market::commit_result(RuntimeOrigin::signed(provider()), id, order(id), commitment, None)
}
pub fn post_committed(run: &Run) -> JobId {
	let id = post_claimed();
	commit_result(id, run).expect("a claimed job");
	id
}
/// Up to the open lottery.
pub fn post_verifying(run: &Run) -> JobId {
	let id = post_committed(run);
	roll_past_deadline(id);
	assert_eq!(phase(id), Phase::Verifying);
	id
}
/// As many as are wanted committed to `verdict`, and the sample of their chunks is known.
pub fn post_revealing(run: &Run, verdict: &Run) -> JobId {
	let id = post_verifying(run);
	commit_wanted(id, verdict);
	close(id);
	id
}
/// As many as are wanted commit to `verdict`.
pub fn commit_wanted(id: JobId, verdict: &Run) {
	for who in winners(id).into_iter().take(job(id).audits.wanted as usize) {
		commit(id, &who, verdict).expect("a winner");
	}
}
/// The provider opens its result, and everyone who was drawn to keep its outputs has them.
pub fn reveal_result(id: JobId, run: &Run) -> DispatchResult {
	let origin = RuntimeOrigin::signed(provider());
	Market::reveal_result(origin, id, order(id), run.root(), SALT, run.opening(), None)?;
	keep_all(id);
	Ok(())
}
pub fn give_back(id: JobId, who: AccountId) -> DispatchResult {
	Market::give_back(RuntimeOrigin::signed(who), id, order(id))
}
pub fn cancel(id: JobId, who: AccountId) -> DispatchResult {
	Market::cancel_job(RuntimeOrigin::signed(who), id, order(id))
}
pub fn request_audit(id: JobId, who: AccountId) -> DispatchResult {
	Market::request_audit(RuntimeOrigin::signed(who), id, order(id))
}
/// Everyone revealed.
pub fn post_challengeable(run: &Run, verdict: &Run) -> JobId {
	let id = post_revealing(run, verdict);
	reveal_result(id, run).expect("what was committed");
	for who in committee(id) {
		reveal(id, &who, verdict).expect("what was committed");
	}
	assert_eq!(phase(id), Phase::Challengeable);
	id
}

/// A lane is opened, as the arbitration pallet does it.
pub fn open_lane(id: JobId) {
	Lanes::insert(id, ());
}
/// The last lane is closed.
pub fn close_lane(id: JobId) {
	Lanes::remove(id);
	Market::quiet(id);
}
pub fn result(id: JobId) -> Option<OpenResult<AccountId, u64, u64>> {
	Market::result(id)
}
pub fn condemn(id: JobId, reason: ReasonCode, by: &AccountId) -> bool {
	Market::condemn(id, reason, by, None, 0)
}
/// A step is proved wrong.
pub fn condemn_at(id: JobId, step: u32) -> bool {
	Market::condemn(id, ReasonCode::ProvenFraud, &bystander(), Some(step), 0)
}
/// Everyone but the last of the drawn verifiers revealed.
pub fn post_with_one_hidden(run: &Run, verdict: &Run) -> JobId {
	let id = post_revealing(run, verdict);
	reveal_result(id, run).expect("what was committed");
	for who in &committee(id)[1..] {
		reveal(id, who, verdict).expect("what was committed");
	}
	assert_eq!(phase(id), Phase::Revealing);
	id
}

pub fn now() -> u64 {
	System::block_number()
}
/// Runs blocks up to and including `block`.
pub fn roll_to(block: u64) {
	while now() < block {
		AllPalletsWithSystem::on_finalize(now());
		System::set_block_number(now() + 1);
		AllPalletsWithSystem::on_initialize(now());
	}
}
pub fn roll(blocks: u64) {
	roll_to(now() + blocks);
}
/// To the block in which the phase's deadline is over.
pub fn roll_past_deadline(id: JobId) {
	roll_to(job(id).deadline + 1);
}

/// What an account has beside its escrows: deposits count as its own.
pub fn free(who: &AccountId) -> u64 {
	Balances::free_balance(who) + deposits(who)
}
pub fn deposits(who: &AccountId) -> u64 {
	Balances::balance_on_hold(&HoldReason::JobDeposit.into(), who)
}
pub fn held(who: &AccountId) -> u64 {
	Balances::balance_on_hold(&HoldReason::JobEscrow.into(), who)
}
/// Balances and stakes and everything burned of stakes.
pub fn all_money() -> u64 {
	Balances::total_issuance()
		+ FreeStake::iter_values().sum::<u64>()
		+ Bonds::iter_values().sum::<u64>()
		+ BurnedStake::get()
}
pub fn has_event(event: Event<Test>) -> bool {
	let wanted = RuntimeEvent::Market(event);
	System::events().into_iter().any(|record| record.event == wanted)
}
pub fn outcomes(who: &AccountId) -> Vec<Outcome> {
	Reputation::get(who)
}

pub const BALANCE: u64 = 1_000 * UNIT;
pub const STAKE: u64 = 10_000 * UNIT;

pub struct ExtBuilder {
	verifiers: u8,
	parameters: ParametersOf<Test>,
}
impl Default for ExtBuilder {
	fn default() -> Self {
		Self { verifiers: 5, parameters: test_parameters() }
	}
}
impl ExtBuilder {
	pub fn verifiers(mut self, count: u8) -> Self {
		self.verifiers = count;
		self
	}
	pub fn parameters(mut self, change: impl FnOnce(&mut ParametersOf<Test>)) -> Self {
		change(&mut self.parameters);
		self
	}
	/// Tranches of about four and a half, so that not everybody wins.
	pub fn narrow(self) -> Self {
		self.parameters(|p| p.tranche_width_percent = 150)
	}
	pub fn build(self) -> sp_io::TestExternalities {
		let mut storage = frame_system::GenesisConfig::<Test>::default()
			.build_storage()
			.expect("an empty chain builds");
		let people = [requester(), provider(), second_provider(), bystander()];
		pallet_balances::GenesisConfig::<Test> {
			balances: people.iter().map(|who| (who.clone(), BALANCE)).collect(),
			..Default::default()
		}
		.assimilate_storage(&mut storage)
		.expect("balances build");
		crate::GenesisConfig::<Test> { parameters: Some(self.parameters) }
			.assimilate_storage(&mut storage)
			.expect("parameters build");
		let mut ext = sp_io::TestExternalities::new(storage);
		ext.execute_with(|| {
			for who in [provider(), second_provider()] {
				Providers::insert(&who, ());
				FreeStake::insert(&who, STAKE);
			}
			Validators::put(
				(0..self.verifiers)
					.map(verifier)
					.map(|who| (who.clone(), seed_of(&who), UNIT))
					.collect::<Vec<_>>(),
			);
			roll_to(1);
		});
		ext
	}
	#[cfg(feature = "runtime-benchmarks")]
	pub fn build_with_keystore(self) -> sp_io::TestExternalities {
		let mut ext = self.build();
		let keystore = sp_keystore::testing::MemoryKeystore::new();
		ext.register_extension(sp_keystore::KeystoreExt::new(keystore));
		ext
	}
	/// Runs the test, then checks the invariants of the pallet, and that no money came or went.
	pub fn build_and_execute(self, test: impl FnOnce()) {
		self.build().execute_with(|| {
			let before = all_money();
			test();
			check_invariants(before);
		});
	}
}

/// `before`: what [`all_money`] was.
pub fn check_invariants(before: u64) {
	Market::do_try_state().expect("the state is sound");
	let burned: u64 = System::events()
		.into_iter()
		.map(|record| match record.event {
			RuntimeEvent::Market(Event::JobEnded { burned, .. }) => burned,
			RuntimeEvent::Market(Event::DepositBurned { amount, .. }) => amount,
			_ => 0,
		})
		.sum();
	assert_eq!(all_money() + burned, before, "no unit came or went");
	for (id, job) in Jobs::<Test>::iter() {
		if job.phase.is_terminal() {
			assert_eq!(
				job.books.paid + job.books.refunded + job.books.burned,
				job.offer.price_max + job.books.verifier_pot + job.books.data_fee,
				"everything that was held for job {id} went somewhere"
			);
		}
	}
	for id in Lanes::iter_keys() {
		assert!(!phase(id).is_terminal(), "an ended job is disputed no more");
	}
	let locked = Locks::iter_keys().map(|(_, id)| id).collect::<std::collections::BTreeSet<_>>();
	for id in locked {
		assert!(!phase(id).is_terminal(), "an ended job locks nobody");
	}
	for ((who, id), bond) in Bonds::iter() {
		let job = job(id);
		assert!(!job.phase.is_terminal(), "an ended job holds no bond");
		let claim = job.claim.map(|claim| (claim.provider, claim.bond));
		assert_eq!(claim, Some((who, bond)));
	}
	let active = crate::ActiveJobs::<Test>::get();
	let uses: u32 = ProgramUses::iter_values().sum();
	assert_eq!(uses, active, "every unfinished job, and no other, counts as a use of its program");
}
