//! Simple stand-ins for the other pallets.

#[cfg(feature = "runtime-benchmarks")]
use super::{verifier, UNIT};
use super::{AccountId, Balances, NoRandomness, RandomnessSalt, System};
use assay_market::{
	Arbitration, AuthorRandomness, Electorate, Hash, Identities, JobBonds, JobId, Outcome,
	ProgramSummary, Programs, ReportVouching, Slashed, VerifierFaults, VerifierInfo, Verifiers,
};
use assay_pallet_testing::accounts::pair_of;
#[cfg(feature = "runtime-benchmarks")]
use assay_pallet_testing::accounts::seed_of;
use frame_support::{
	dispatch::DispatchResult, ensure, storage_alias, traits::fungible::Mutate, Blake2_128Concat,
};
use sp_core::Pair as _;
use sp_runtime::DispatchError;

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
				key: pair_of(&seed).public(),
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
				let key = pair_of(&seed).public();
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
