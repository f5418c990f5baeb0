//! A chain of nothing but balances and decoys, and a stand-in for the jobs whose money is real.

use crate::{self as pallet_assay_decoys, Config, Consents, HoldReason, Makers, Tallies};
use assay_market::{EndedJob, EndedJobs, Hash, JobId, ReasonCode};
use assay_pallet_testing::{blocks::endowed, books::Books};
use frame_support::{
	derive_impl,
	dispatch::DispatchResult,
	parameter_types, storage_alias,
	traits::{
		fungible::{InspectHold, Mutate},
		tokens::{Fortitude, Precision, Preservation},
		ConstU64,
	},
	Blake2_128Concat, PalletId,
};
use sp_keyring::Sr25519Keyring;
use sp_runtime::{
	traits::{IdentityLookup, Verify},
	AccountId32, MultiSignature, TryRuntimeError,
};

pub type AccountId = AccountId32;

frame_support::construct_runtime!(
	pub enum Test {
		System: frame_system,
		Balances: pallet_balances,
		Decoys: pallet_assay_decoys,
	}
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
	type AccountId = AccountId;
	type Lookup = IdentityLookup<AccountId>;
	type Block = frame_system::mocking::MockBlock<Test>;
	type AccountData = pallet_balances::AccountData<u64>;
}

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
	type AccountStore = System;
	type ExistentialDeposit = ConstU64<ED>;
}

pub const ED: u64 = 10;
pub const DEPOSIT: u64 = 100;
pub const LIFETIME: u64 = 50;
pub const BALANCE: u64 = 1_000_000;
pub const ALLOWANCE: u64 = 10_000;
pub const POT: u64 = 5_000;
/// What a caught decoy loses: burned, and paid to the prover.
pub const BURNED: u64 = 551;
pub const PROVER: u64 = 200;

parameter_types! {
	pub const Pot: PalletId = PalletId(*b"as/decoy");
	pub static MaxMakers: u32 = 2;
	pub static MaxSeals: u32 = 3;
}

impl Config for Test {
	type RuntimeHoldReason = RuntimeHoldReason;
	type Currency = Balances;
	type Jobs = Mock;
	type OffchainSignature = MultiSignature;
	type OffchainPublic = <MultiSignature as Verify>::Signer;
	type PalletId = Pot;
	type SealDeposit = ConstU64<DEPOSIT>;
	type SealLifetime = ConstU64<LIFETIME>;
	type MaxMakers = MaxMakers;
	type MaxSeals = MaxSeals;
	type WeightInfo = ();
	#[cfg(feature = "runtime-benchmarks")]
	type BenchmarkHelper = Mock;
}

pub struct Mock;

/// Requester, provider, block of the post, end; burned, paid to the prover and for fees; taken.
type Record = (AccountId, AccountId, u64, ReasonCode, (u64, u64, u64), bool);

#[storage_alias]
pub type Ended = StorageMap<Mock, Blake2_128Concat, JobId, Record>;

impl EndedJobs<AccountId, u64, u64> for Mock {
	fn ended(job: JobId) -> Option<EndedJob<AccountId, u64, u64>> {
		let (requester, provider, posted_at, reason, (burned, prover_paid, fees), taken) =
			Ended::get(job)?;
		(!taken).then_some(EndedJob {
			requester,
			provider,
			posted_at,
			reason,
			burned,
			prover_paid,
			fees,
		})
	}

	fn take(job: JobId) {
		Ended::mutate(job, |ended| ended.as_mut().expect("it was given").5 = true);
	}
}

#[cfg(feature = "runtime-benchmarks")]
impl crate::BenchmarkHelper<AccountId, MultiSignature> for Mock {
	fn signer() -> (AccountId, Box<dyn Fn(&[u8]) -> MultiSignature>) {
		let key = Sr25519Keyring::Alice;
		(key.to_account_id(), Box::new(move |bytes| key.sign(bytes).into()))
	}
	fn caught(job: JobId, requester: &AccountId, provider: &AccountId) {
		let posted_at = System::block_number();
		let losses = (BURNED, PROVER, 0);
		let reason = ReasonCode::ProvenFraud;
		Ended::insert(job, (requester.clone(), provider.clone(), posted_at, reason, losses, false));
	}
}

/// The decoy maker, and the two accounts that play for it.
pub const MAKER: Sr25519Keyring = Sr25519Keyring::Alice;
pub const POSTS: Sr25519Keyring = Sr25519Keyring::Bob;
pub const CLAIMS: Sr25519Keyring = Sr25519Keyring::Charlie;
/// A requester, a prover and a second maker, who have nothing to do with them.
pub const STRANGER: Sr25519Keyring = Sr25519Keyring::Dave;
pub const FINDER: Sr25519Keyring = Sr25519Keyring::Eve;
pub const RIVAL: Sr25519Keyring = Sr25519Keyring::Ferdie;

pub const SALT: Hash = [0x5a; 32];

/// A decoy as its maker keeps it to itself.
#[derive(Clone)]
pub struct Secret {
	pub maker: Sr25519Keyring,
	pub salt: Hash,
	pub consents: Consents<MultiSignature>,
	pub hash: Hash,
}

pub fn signed(by: Sr25519Keyring) -> RuntimeOrigin {
	RuntimeOrigin::signed(by.to_account_id())
}

/// A seal over two parties whose consents are signed by these keys.
pub fn secret_signed_by(
	maker: Sr25519Keyring,
	(requester, provider): (Sr25519Keyring, Sr25519Keyring),
	(first, second): (Sr25519Keyring, Sr25519Keyring),
	salt: Hash,
) -> Secret {
	let (who, posts, claims) =
		(maker.to_account_id(), requester.to_account_id(), provider.to_account_id());
	let payload = Decoys::consent_payload(&who, &posts, &claims, &salt);
	let consents =
		Consents { requester: first.sign(&payload).into(), provider: second.sign(&payload).into() };
	let hash = Decoys::seal_hash(&who, &posts, &claims, &consents, &salt);
	Secret { maker, salt, consents, hash }
}

/// The usual seal of the maker.
pub fn secret(salt: Hash) -> Secret {
	secret_signed_by(MAKER, (POSTS, CLAIMS), (POSTS, CLAIMS), salt)
}

pub fn seal(secret: &Secret) -> DispatchResult {
	Decoys::seal(signed(secret.maker), secret.hash)
}

pub fn unseal(job: JobId, secret: &Secret) -> DispatchResult {
	Decoys::unseal(signed(secret.maker), job, secret.salt, secret.consents.clone())
}

/// A job of these parties, posted now, ends so. What a fraud costs moves as the jobs pallet moves
/// it.
pub fn end(
	job: JobId,
	(requester, provider): (Sr25519Keyring, Sr25519Keyring),
	reason: ReasonCode,
) {
	let losses = match reason {
		ReasonCode::ProvenFraud => (BURNED, PROVER, 0),
		ReasonCode::Withheld => (BURNED + PROVER, 0, 0),
		_ => (0, 0, 0),
	};
	let claims = provider.to_account_id();
	let (burned, prover_paid, _) = losses;
	Balances::burn_from(
		&claims,
		burned,
		Preservation::Preserve,
		Precision::Exact,
		Fortitude::Polite,
	)
	.expect("a provider has a bond");
	Balances::transfer(&claims, &FINDER.to_account_id(), prover_paid, Preservation::Preserve)
		.expect("a provider has a bond");
	let record = (requester.to_account_id(), claims, System::block_number(), reason, losses, false);
	Ended::insert(job, record);
}

/// Sealed in this block, posted in the next, caught.
pub fn caught(job: JobId, secret: &Secret) {
	seal(secret).expect("a maker");
	roll(1);
	end(job, (POSTS, CLAIMS), ReasonCode::ProvenFraud);
}

pub fn roll(blocks: u64) {
	System::set_block_number(System::block_number() + blocks);
}

pub fn free(who: Sr25519Keyring) -> u64 {
	Balances::free_balance(who.to_account_id())
}
pub fn held(who: Sr25519Keyring) -> u64 {
	Balances::balance_on_hold(&HoldReason::Seal.into(), &who.to_account_id())
}
pub fn pot() -> u64 {
	Balances::free_balance(Decoys::pot())
}
pub fn allowance(who: Sr25519Keyring) -> Option<u64> {
	Makers::<Test>::get(who.to_account_id()).map(|maker| maker.allowance)
}
pub fn tally() -> (u32, u32, u32) {
	let tally = Tallies::<Test>::get();
	(tally.proven, tally.withheld, tally.missed)
}
pub fn set_maker(who: Sr25519Keyring, allowance: u64) -> DispatchResult {
	Decoys::set_maker(RuntimeOrigin::root(), who.to_account_id(), allowance)
}

/// A chain with one maker and a pot, at block 1.
pub fn new_test_ext() -> sp_io::TestExternalities {
	let people = [MAKER, POSTS, CLAIMS, STRANGER, FINDER, RIVAL];
	let balances = people.map(|who| (who.to_account_id(), BALANCE));
	let mut ext = sp_io::TestExternalities::from(endowed::<Test>(balances));
	ext.execute_with(|| {
		System::set_block_number(1);
		frame_system::BlockHash::<Test>::insert(0, sp_core::H256::repeat_byte(7));
		set_maker(MAKER, ALLOWANCE).expect("there is room");
		Decoys::fund(signed(STRANGER), POT).expect("a stranger has money");
	});
	ext
}

/// Runs a test, then checks the invariants.
pub fn run(test: impl FnOnce()) {
	Test::run(new_test_ext(), test);
}

impl Books for Test {
	/// The issuance, and what ended jobs have burned that were not taken for decoys.
	fn money() -> u64 {
		let lost = Ended::iter_values().filter(|(.., is_taken)| !is_taken);
		Balances::total_issuance() + lost.map(|(.., (burned, ..), _)| burned).sum::<u64>()
	}
	fn try_state() -> Result<(), TryRuntimeError> {
		Decoys::do_try_state()
	}
}
