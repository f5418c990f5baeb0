//! A chain without a node: a genesis with several validators, and blocks built by the real executive.
//!
//! Everything is as on a real chain but for networking and the pool: signed and authorized extrinsics
//! with their real extensions, BABE pre-digests with real VRF outputs, headers that name their parents.

use crate::people::{Person, OTHERS, VALIDATORS};
use assay_market::Hash;
use assay_runtime::{
	configs::{consensus::SessionKeys, system::tx_extension},
	constants::time::SLOT_MILLISECONDS,
	genesis_config_presets::{ENDOWMENT, VALIDATOR_STAKE},
	AccountId, Authorship, Babe, Balances, BlockNumber, Executive, Header, Runtime, RuntimeCall,
	RuntimeEvent, Session, SignedPayload, System, UncheckedExtrinsic,
};
use codec::Encode;
use frame_support::traits::{DisabledValidators, Get};
use serde_json::{json, Value};
use sp_consensus_babe::{
	digests::{CompatibleDigestItem, PreDigest, SecondaryVRFPreDigest},
	make_vrf_sign_data, AuthorityId as BabeId, Slot,
};
use sp_core::{
	crypto::{Pair as _, VrfSecret},
	H256,
};
use sp_genesis_builder::runtime_decl_for_genesis_builder::GenesisBuilder;
use sp_runtime::{
	generic::{self, Era},
	traits::Header as _,
	transaction_validity::{InvalidTransaction, TransactionValidityError},
	Digest, DigestItem, DispatchError, MultiSignature,
};
use std::{
	collections::BTreeMap,
	panic::{catch_unwind, resume_unwind, AssertUnwindSafe},
};

/// Slot of the genesis; BABE counts slots from the epoch of Unix time.
const GENESIS_SLOT: u64 = 600_000_000;

/// What a block may be given.
#[derive(Clone)]
pub enum Tx {
	/// A call signed by somebody; its nonce is found when the block is built.
	Signed(Person, RuntimeCall),
	/// A general transaction, whose call carries its own authorization.
	Authorized(RuntimeCall),
}

/// What became of a transaction: in the block and done, or refused, by the name of the refusal.
///
/// A refusal before inclusion starts with `invalid: `.
pub type Verdict = Result<(), String>;

/// The running chain, as its people see it. It lives in the externalities of the thread, see [`run`].
#[derive(Clone)]
pub struct World {
	/// Everyone with an account, to find names by.
	pub people: BTreeMap<AccountId, Person>,
	/// What happened, by block.
	pub log: Vec<(BlockNumber, RuntimeEvent)>,
	/// What each account got (blocks' authors) less what it paid (signers) in transaction fees.
	pub fees: BTreeMap<AccountId, i128>,
	/// The same for the fees of those who hold inputs and outputs.
	pub data_fees: BTreeMap<AccountId, i128>,
	/// What was burned of the latter.
	pub data_burned: i128,
	parent: H256,
	slot: u64,
	authors: BTreeMap<BabeId, Person>,
}

/// Lays `patch` over `base` (RFC 7396).
fn merge(base: &mut Value, patch: Value) {
	match (base, patch) {
		(Value::Object(base), Value::Object(patch)) => {
			for (key, value) in patch {
				merge(base.entry(key).or_insert(Value::Null), value);
			}
		}
		(base, patch) => *base = patch,
	}
}

/// The genesis of the `local_testnet` preset with the first `validators` of [`VALIDATORS`], and with money
/// for everyone of `people`.
fn genesis(validators: usize, people: &[Person]) -> Vec<u8> {
	let preset = |name: Option<&str>| -> Value {
		let json = Runtime::get_preset(&name.map(Into::into)).expect("the preset exists; qed");
		serde_json::from_slice(&json).expect("a preset is JSON; qed")
	};
	let validators: Vec<_> =
		VALIDATORS.iter().take(validators).map(|name| Person::named(name)).collect();
	let keys: Vec<_> = validators
		.iter()
		.map(|person| {
			let keys = SessionKeys {
				babe: person.pair().public().into(),
				grandpa: person.node_key().public().into(),
				verifier: person.verifier_key(),
			};
			(person.account(), person.account(), keys)
		})
		.collect();
	let stakes: Vec<_> = validators.iter().map(|v| (v.account(), VALIDATOR_STAKE)).collect();
	let balances: Vec<_> = people.iter().map(|person| (person.account(), ENDOWMENT)).collect();
	let mut genesis = preset(None);
	merge(&mut genesis, preset(Some("local_testnet")));
	merge(
		&mut genesis,
		json!({
			"balances": { "balances": balances },
			"session": { "keys": keys },
			"stake": { "validators": stakes },
		}),
	);
	serde_json::to_vec(&genesis).expect("JSON serializes; qed")
}

/// Runs `play` on a fresh chain with so many validators, in which `more` people have money beside
/// [`VALIDATORS`] and [`OTHERS`].
///
/// # Panics
/// When the runtime does not take its own genesis.
pub fn run_with<R>(validators: usize, more: &[Person], play: impl FnOnce(&mut World) -> R) -> R {
	let named = VALIDATORS.iter().chain(&OTHERS).map(|name| Person::named(name));
	let people: Vec<_> = named.chain(more.iter().cloned()).collect();
	let genesis = genesis(validators, &people);
	sp_io::TestExternalities::new_empty().execute_with(|| {
		Runtime::build_state(genesis).expect("the genesis builds; qed");
		let authors = VALIDATORS.map(Person::named).map(|p| (p.pair().public().into(), p));
		let mut world = World {
			people: people.into_iter().map(|person| (person.account(), person)).collect(),
			log: Vec::new(),
			fees: BTreeMap::new(),
			data_fees: BTreeMap::new(),
			data_burned: 0,
			parent: System::block_hash(0),
			slot: GENESIS_SLOT,
			authors: authors.into(),
		};
		world.block(Vec::new());
		play(&mut world)
	})
}

/// As [`run_with`] with all validators and nobody else.
pub fn run<R>(play: impl FnOnce(&mut World) -> R) -> R {
	run_with(VALIDATORS.len(), &[], play)
}

/// The name of a refusal.
pub fn name_of(error: &DispatchError) -> String {
	match error {
		DispatchError::Module(error) => error.message.unwrap_or("a pallet's error").into(),
		DispatchError::Token(error) => format!("Token({error:?})"),
		other => format!("{other:?}"),
	}
}

impl World {
	/// The hash that names this chain.
	pub fn genesis_hash(&self) -> Hash {
		System::block_hash(0).0
	}

	/// The block that was built last.
	pub fn now(&self) -> BlockNumber {
		System::block_number()
	}

	/// The author of the next slot misses it: the next block has another author, and so another VRF output.
	pub fn skip_slot(&mut self) {
		self.slot += 1;
	}

	/// Plays on a fork that begins with the next block, and forgets it.
	pub fn on_a_fork<R>(&mut self, play: impl FnOnce(&mut World) -> R) -> R {
		let here = self.clone();
		sp_io::storage::start_transaction();
		let result = play(self);
		sp_io::storage::rollback_transaction();
		*self = here;
		result
	}

	/// Who authors the next block, with its place among the authorities and the data that its VRF signs.
	fn next_author(&self, slot: Slot) -> (u32, Person, sp_core::sr25519::vrf::VrfSignData) {
		use pallet_babe as babe;
		// The first block of an epoch is built under that epoch's randomness.
		let length = <<Runtime as babe::Config>::EpochDuration as Get<u64>>::get();
		let turns = System::block_number() > 0 && *slot >= *Babe::current_epoch_start() + length;
		let (authorities, randomness, epoch) = if turns {
			let epoch = babe::EpochIndex::<Runtime>::get() + 1;
			let authorities = babe::NextAuthorities::<Runtime>::get();
			(authorities, babe::NextRandomness::<Runtime>::get(), epoch)
		} else {
			let epoch = babe::EpochIndex::<Runtime>::get();
			(babe::Authorities::<Runtime>::get(), babe::Randomness::<Runtime>::get(), epoch)
		};
		let count = authorities.len() as u64;
		// An offender must not author, also not the first block of an epoch: it may still be disabled.
		let index = (0..count)
			.map(|offset| ((*slot + offset) % count) as u32)
			.find(|index| !Session::is_disabled(*index))
			.expect("some validator is not disabled; qed");
		let author = self.authors[&authorities[index as usize].0].clone();
		(index, author, make_vrf_sign_data(&randomness, slot, epoch))
	}

	fn pre_digest(&self, slot: Slot) -> DigestItem {
		let (authority_index, author, data) = self.next_author(slot);
		let vrf_signature = author.pair().vrf_sign(&data);
		let claim =
			PreDigest::SecondaryVRF(SecondaryVRFPreDigest { authority_index, slot, vrf_signature });
		<DigestItem as CompatibleDigestItem>::babe_pre_digest(claim)
	}

	/// Builds the next block from these transactions and gives what became of each.
	///
	/// An author cannot finish a block in which it is itself reported as an offender: it misses its slot,
	/// and the next author builds the block.
	///
	/// # Panics
	/// When the chain itself does.
	pub fn block(&mut self, transactions: Vec<Tx>) -> Vec<Verdict> {
		loop {
			self.slot += 1;
			sp_io::storage::start_transaction();
			let attempt = AssertUnwindSafe(|| self.build(transactions.clone()));
			match catch_unwind(attempt) {
				Ok(verdicts) => {
					sp_io::storage::commit_transaction();
					return verdicts;
				}
				Err(panic) => {
					let text = panic.downcast_ref::<String>().map_or("", String::as_str);
					if !text.contains("is disabled and should not be attempting to author") {
						resume_unwind(panic);
					}
					sp_io::storage::rollback_transaction();
				}
			}
		}
	}

	fn build(&mut self, transactions: Vec<Tx>) -> Vec<Verdict> {
		let number = System::block_number() + 1;
		let slot = self.slot;
		let digest = Digest { logs: vec![self.pre_digest(slot.into())] };
		let header = Header::new(number, H256::zero(), H256::zero(), self.parent, digest);
		Executive::initialize_block(&header);
		let time =
			RuntimeCall::Timestamp(pallet_timestamp::Call::set { now: slot * SLOT_MILLISECONDS });
		let inherent = Executive::apply_extrinsic(generic::UncheckedExtrinsic::new_bare(time));
		assert_eq!(inherent, Ok(Ok(())), "the time is right");
		let author = Authorship::author();
		let verdicts = transactions.into_iter().map(apply).collect();
		self.parent = Executive::finalize_block().hash();
		self.note_events(number, author);
		verdicts
	}

	/// Remembers what the block did, and whose fees its author got.
	fn note_events(&mut self, number: BlockNumber, author: Option<AccountId>) {
		for record in System::read_events_no_consensus() {
			if let RuntimeEvent::TransactionPayment(
				pallet_transaction_payment::Event::TransactionFeePaid { who, actual_fee, .. },
			) = &record.event
			{
				let fee = *actual_fee as i128;
				*self.fees.entry(who.clone()).or_default() -= fee;
				if let Some(author) = &author {
					*self.fees.entry(author.clone()).or_default() += fee;
				}
			}
			if let RuntimeEvent::Jobs(pallet_assay_jobs::Event::HolderPaid {
				job,
				account,
				amount,
			}) = &record.event
			{
				self.note_data_fee(*job, account, *amount as i128);
			}
			if let RuntimeEvent::Arbitration(pallet_assay_arbitration::Event::ProofPartCharged {
				challenger,
				fee,
				..
			}) = &record.event
			{
				// A fee as well, of a transaction that no account signs.
				*self.fees.entry(challenger.clone()).or_default() -= *fee as i128;
				self.data_burned += *fee as i128;
			}
			self.log.push((number, record.event));
		}
	}

	/// Remembers what a holder of inputs or outputs got, and what its requester paid for that.
	fn note_data_fee(&mut self, job: u64, holder: &AccountId, net: i128) {
		let Some(job) = pallet_assay_jobs::Jobs::<Runtime>::get(job) else { return };
		let gross = job.books.data_share as i128;
		*self.data_fees.entry(holder.clone()).or_default() += net;
		*self.data_fees.entry(job.offer.requester).or_default() -= gross;
		self.data_burned += gross - net;
	}

	/// One block with one transaction.
	pub fn send(&mut self, transaction: Tx) -> Verdict {
		self.block(vec![transaction]).remove(0)
	}

	/// As many blocks as it takes to have all of these in, in their order; what does not fit into a block
	/// waits for the next. At least one block.
	pub fn send_all(&mut self, transactions: Vec<Tx>) -> Vec<Verdict> {
		if transactions.is_empty() {
			return self.block(transactions);
		}
		let full = format!("invalid: {:?}", InvalidTransaction::ExhaustsResources);
		let mut verdicts: Vec<Option<Verdict>> = vec![None; transactions.len()];
		// The agenda may leave a block no room, but not many in a row.
		let mut patience = 8;
		while verdicts.contains(&None) {
			let waiting: Vec<usize> =
				(0..verdicts.len()).filter(|at| verdicts[*at].is_none()).collect();
			let batch = waiting.iter().map(|at| transactions[*at].clone()).collect();
			let results = self.block(batch);
			let stuck = results.iter().all(|result| *result == Err(full.clone()));
			patience = if stuck { patience - 1 } else { 8 };
			for (at, result) in waiting.into_iter().zip(results) {
				if result != Err(full.clone()) || patience == 0 {
					verdicts[at] = Some(result);
				}
			}
		}
		verdicts.into_iter().flatten().collect()
	}

	/// Empty blocks up to and including block `number`.
	pub fn roll_to(&mut self, number: BlockNumber) {
		while System::block_number() < number {
			self.block(Vec::new());
		}
	}

	/// Balance of every account, held parts included, without the effect of transaction fees and of fees
	/// for data.
	pub fn balances(&self) -> BTreeMap<AccountId, i128> {
		frame_system::Account::<Runtime>::iter()
			.map(|(who, info)| {
				let total = (info.data.free + info.data.reserved) as i128;
				let of =
					|fees: &BTreeMap<AccountId, i128>| fees.get(&who).copied().unwrap_or_default();
				let fees = of(&self.fees) + of(&self.data_fees);
				(who, total - fees)
			})
			.collect()
	}

	/// All money there is, and what was burned of fees for data.
	pub fn issuance(&self) -> i128 {
		Balances::total_issuance() as i128 + self.data_burned
	}
}

fn apply(transaction: Tx) -> Verdict {
	match Executive::apply_extrinsic(extrinsic(transaction)) {
		Ok(Ok(())) => Ok(()),
		Ok(Err(error)) => Err(name_of(&error)),
		Err(TransactionValidityError::Invalid(error)) => Err(format!("invalid: {error:?}")),
		Err(TransactionValidityError::Unknown(error)) => Err(format!("unknown: {error:?}")),
	}
}

/// The transaction as it travels, with the signer's next nonce.
fn extrinsic(transaction: Tx) -> UncheckedExtrinsic {
	match transaction {
		Tx::Signed(person, call) => {
			let nonce = System::account_nonce(person.account());
			let extension = tx_extension(Era::Immortal, nonce, 0);
			let payload =
				SignedPayload::new(call.clone(), extension.clone()).expect("extensions agree; qed");
			let signature = payload.using_encoded(|bytes| person.pair().sign(bytes));
			generic::UncheckedExtrinsic::new_signed(
				call,
				person.account().into(),
				MultiSignature::Sr25519(signature),
				extension,
			)
		}
		Tx::Authorized(call) => {
			let extension = tx_extension(Era::Immortal, 0, 0);
			generic::UncheckedExtrinsic::new_transaction(call, extension)
		}
	}
}
