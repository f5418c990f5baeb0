//! A chain with balances and this pallet, a builder for its first state, and small programs.

use crate::{self as pallet_assay_programs, *};
use assay_market::Hash;
pub use assay_pallet_testing::books::Books;
use assay_pallet_testing::{blocks::endowed, events};
use assay_program::{
	ops::{DType, TensorType},
	program_id, Limits, Program, ProgramBuilder,
};
use frame_support::{
	derive_impl, dispatch::DispatchResult, parameter_types, traits::ConstU64, weights::Weight,
};
use frame_system::limits::BlockWeights;
use sp_runtime::{Perbill, TryRuntimeError};

pub type AccountId = u64;
pub type Balance = u64;
type Block = frame_system::mocking::MockBlock<Test>;

pub const ALICE: AccountId = 1;
pub const BOB: AccountId = 2;
/// Cannot pay any deposit.
pub const POOR: AccountId = 3;
pub const ENDOWMENT: Balance = 1_000_000;

frame_support::construct_runtime!(
	pub enum Test {
		System: frame_system,
		Balances: pallet_balances,
		ProgramStore: pallet_assay_programs,
	}
);

parameter_types! {
	pub static ProgramLimits: Limits = Limits::V1;
	/// Two seconds of a block of three, as in the runtime.
	pub Blocks: BlockWeights = BlockWeights::with_sensible_defaults(
		Weight::from_parts(2_000_000_000_000, u64::MAX),
		Perbill::from_percent(75),
	);
}

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
	type Block = Block;
	type AccountData = pallet_balances::AccountData<Balance>;
	type BlockWeights = Blocks;
}

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
	type AccountStore = System;
}

impl Config for Test {
	type Currency = Balances;
	type DepositBase = ConstU64<1_000>;
	type DepositPerByte = ConstU64<2>;
	type Limits = ProgramLimits;
	type WeightInfo = ();
}

/// Builds the first state and runs a test in it.
#[derive(Default)]
pub struct ExtBuilder {
	registered: Vec<(AccountId, Vec<u8>)>,
}

impl ExtBuilder {
	/// A program that is registered before the test.
	pub fn registered(mut self, owner: AccountId, program: Vec<u8>) -> Self {
		self.registered.push((owner, program));
		self
	}

	pub fn build(self) -> sp_io::TestExternalities {
		ProgramLimits::set(Limits::V1);
		let balances = [(ALICE, ENDOWMENT), (BOB, ENDOWMENT), (POOR, 1_000)];
		let mut ext = sp_io::TestExternalities::from(endowed::<Test>(balances));
		ext.execute_with(|| {
			System::set_block_number(1);
			for (owner, program) in self.registered {
				register(owner, &program).expect("the builder's input");
			}
		});
		ext
	}

	/// Run `test` and check the pallet's invariants and the issuance after it.
	pub fn run(self, test: impl FnOnce()) {
		Test::run(self.build(), test);
	}
}

impl Books for Test {
	fn money() -> u64 {
		Balances::total_issuance()
	}
	fn try_state() -> Result<(), TryRuntimeError> {
		ProgramStore::do_try_state()
	}
}

pub fn register(owner: AccountId, program: &[u8]) -> DispatchResult {
	let bytes = program.to_vec().try_into().expect("at most 256 KiB");
	ProgramStore::register_program(RuntimeOrigin::signed(owner), bytes)
}

pub fn remove(owner: AccountId, program: Hash) -> DispatchResult {
	ProgramStore::remove_program(RuntimeOrigin::signed(owner), program)
}

pub fn last_event() -> Event<Test> {
	events::last::<Test, _>()
}

pub fn ty(dtype: DType, dims: &[u32]) -> TensorType {
	TensorType::new(dtype, dims).expect("the test's shapes are valid")
}

/// `rows` × 8 inputs through one layer of two neurons; each `seed` gives another program.
pub fn layer(rows: u32, seed: i32) -> Program {
	let mut builder = ProgramBuilder::new();
	let x = builder.input("x", ty(DType::I8, &[rows, 8]));
	let weights: Vec<i32> = (0..16).map(|i| (i * 7 + seed) % 128).collect();
	let w = builder.constant_values(ty(DType::I8, &[2, 8]), &weights);
	let sums = builder.matmul(x, w);
	let y = builder.cast(sums, DType::I8);
	builder.eager(sums);
	builder.output("y", y);
	builder.build().expect("the test's program is well-formed")
}

pub fn layer_bytes(seed: i32) -> Vec<u8> {
	layer(4, seed).encode()
}

pub fn layer_id(seed: i32) -> Hash {
	program_id(&layer_bytes(seed))
}
