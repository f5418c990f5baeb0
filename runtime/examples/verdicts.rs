//! How long the runtime's blob takes to let a verdict in: `cargo run --release -p assay-runtime --example
//! verdicts -- BLOB.wasm`. Times the validation of transactions that get as far as their signature, their ticket
//! and their chunks, in the executor of the node.

use assay_commitments::{run_root, tensor_root, trace_root, verdict_commitment, RunShape};
use assay_market::{
	lottery::transcript, verifier::signing_payload, Lottery, LotteryTerms, Phase, Purpose, Ticket,
	VerifierAction, VerifierSignature,
};
use assay_program::AnchorPlan;
use assay_referee::sample::{open_all, positions};
use assay_runtime::{constants::currency::UNIT, Jobs, Runtime, RuntimeCall, UncheckedExtrinsic};
use codec::{Decode, Encode};
use frame_system::offchain::CreateAuthorizedTransaction;
use pallet_assay_jobs::{Answer, Audits, Call, Claim, Committed, Job, Offer, Sample, Seat};
use sp_core::{
	crypto::VrfSecret,
	traits::{CallContext, CodeExecutor, RuntimeCode, WrappedRuntimeCode},
	Pair, H256,
};
use sp_genesis_builder::runtime_decl_for_genesis_builder::GenesisBuilder;
use sp_keyring::Sr25519Keyring::{Alice, Bob, Charlie};
use sp_runtime::{
	transaction_validity::{TransactionSource, TransactionValidity},
	AccountId32, Permill,
};
use std::time::{Duration, Instant};

const PROGRAM: [u8; 32] = [7; 32];
pub const ORDER: [u8; 32] = [8; 32];
const SAMPLE: [u8; 32] = [5; 32];
const SALT: [u8; 32] = [6; 32];
const RUNS: u32 = 200;

/// A run of 64 steps, 256 anchors a step, and 1 MiB an anchor. Only what is opened is made.
struct Run;

impl RunShape for Run {
	fn steps(&self) -> u32 {
		64
	}
	fn anchors(&self) -> u32 {
		256
	}
	fn tiles(&self, anchor: u32) -> Option<u64> {
		(anchor < 256).then_some(1_024)
	}
}

impl Run {
	fn tensor(&self) -> Vec<u8> {
		(0..1_024 * 1_024u32).map(|at| (at / 1_024) as u8).collect()
	}
	fn anchor_roots(&self) -> Vec<[u8; 32]> {
		vec![tensor_root(&self.tensor()); 256]
	}
	fn traces(&self) -> Vec<[u8; 32]> {
		vec![trace_root(&self.anchor_roots()); 64]
	}
}

pub fn job(phase: Phase) -> Job<AccountId32, u128, u32> {
	let offer = Offer {
		requester: Bob.to_account_id(),
		program: PROGRAM,
		input_roots: Default::default(),
		steps: Run.steps(),
		work_units: 0,
		input_bytes: 0,
		output_bytes: 0,
		assurance: Default::default(),
		audit: Permill::one(),
		price_start: UNIT,
		price_max: UNIT,
		ramp_blocks: 1,
	};
	let mut job = Job::posted(ORDER, offer, Default::default(), 0);
	(job.phase, job.deadline) = (phase, 1_000);
	job.claim = Some(Claim {
		provider: Charlie.to_account_id(),
		price: UNIT,
		bond: 0,
		result: Some(Committed { commitment: [0; 32], checkpoints: None, opened: None }),
	});
	job.audits = Audits {
		tranches: 1,
		wanted: 1,
		needed: 1,
		shares: 1,
		audited: Some(true),
		sample: (phase == Phase::Revealing).then_some(Sample::Drawn(SAMPLE)),
		..Default::default()
	};
	job
}

fn sign(id: u64, action: &VerifierAction) -> VerifierSignature {
	let (genesis, alice) = (Jobs::genesis_hash(), Alice.to_account_id());
	let payload = signing_payload(&genesis, id, &ORDER, &alice, 0, action);
	Alice.pair().sign(&payload).into()
}

fn transaction(call: Call<Runtime>) -> Vec<u8> {
	let call: RuntimeCall = call.into();
	let transaction: UncheckedExtrinsic =
		<Runtime as CreateAuthorizedTransaction<Call<Runtime>>>::create_authorized_transaction(
			call,
		);
	transaction.encode()
}

/// The jobs, and transactions by name.
fn stage() -> Vec<(&'static str, Vec<u8>)> {
	let (alice, genesis) = (Alice.to_account_id(), Jobs::genesis_hash());
	let plan = AnchorPlan { node: 0, lazy: false, fold: None, slice: 1, parts: 1, tiles: 1_024 };
	let plans: pallet_assay_programs::AnchorPlans =
		vec![plan; 256].try_into().expect("fewer than a program may have");
	pallet_assay_programs::Plans::<Runtime>::insert(PROGRAM, plans);

	pallet_assay_jobs::Jobs::<Runtime>::insert(0, job(Phase::Verifying));
	let terms = LotteryTerms {
		candidates: 1,
		stake: UNIT,
		size: 3,
		width_percent: 150,
		max_tranches: 2,
		audit: Permill::one(),
	};
	let seed = [4; 32];
	let lottery = Lottery { seed, session: 0, opened_at: 0, tranche: 0, terms };
	pallet_assay_jobs::Lotteries::<Runtime>::insert(0, lottery);
	let ticket = Ticket::from(&Alice.pair().vrf_sign(&transcript(&genesis, &ORDER, &seed)));
	let commit = |signed: u64, ticket: Ticket| {
		let commitment = [1; 32];
		let action = VerifierAction::CommitVerdict { commitment, ticket };
		let (account, signature) = (alice.clone(), sign(signed, &action));
		transaction(Call::commit_verdict {
			job: 0,
			order: ORDER,
			account,
			commitment,
			ticket,
			retry: 0,
			signature,
		})
	};

	let traces = Run.traces();
	let run_root = run_root(&traces);
	pallet_assay_jobs::Jobs::<Runtime>::insert(1, job(Phase::Revealing));
	let committed = verdict_commitment(&genesis, &ORDER, alice.as_ref(), &run_root, &SALT);
	let key = pallet_assay_stake::Members::<Runtime>::get(0, &alice).expect("a validator");
	let seat = Seat {
		account: alice.clone(),
		key,
		purpose: Purpose::Verify,
		tranche: 0,
		drawn_at: 0,
		deadline: 0,
		answer: Answer::Committed(committed),
		segment: None,
	};
	let seats: pallet_assay_jobs::SeatsOf<Runtime> = vec![seat].try_into().expect("one");
	pallet_assay_jobs::Seats::<Runtime>::insert(1, seats);
	let account: &[u8; 32] = alice.as_ref();
	assert!(positions(&SAMPLE, account, &Run).is_some());
	let chunks = open_all(
		&SAMPLE,
		account,
		&Run,
		&traces,
		|_| Some(Run.anchor_roots()),
		|_, _| Some(Run.tensor()),
	)
	.expect("positions exist");
	let reveal = |chunks: Option<Vec<_>>| {
		let action =
			VerifierAction::RevealVerdict { run_root, salt: SALT, chunks: chunks.is_some() };
		let (account, signature) = (alice.clone(), sign(1, &action));
		let chunks = chunks.map(|chunks| chunks.try_into().expect("as many as are asked for"));
		let (salt, retry) = (SALT, 0);
		transaction(Call::reveal_verdict {
			job: 1,
			order: ORDER,
			account,
			run_root,
			salt,
			chunks,
			retry,
			signature,
		})
	};
	vec![
		("commit_verdict with another job's signature", commit(9, ticket)),
		("commit_verdict", commit(0, ticket)),
		("reveal_verdict without chunks", reveal(None)),
		("reveal_verdict with chunks", reveal(Some(chunks))),
	]
}

fn main() {
	let blob = std::env::args().nth(1).expect("the path of the runtime's blob");
	let blob = std::fs::read(&blob).expect("the blob can be read");
	let code = WrappedRuntimeCode(blob.into());
	let code = RuntimeCode { code_fetcher: &code, heap_pages: None, hash: vec![1] };
	let executor = sc_executor::WasmExecutor::<sp_io::SubstrateHostFunctions>::builder().build();

	let mut chain = sp_io::TestExternalities::new_empty();
	let transactions = chain.execute_with(|| {
		let mut genesis: serde_json::Value =
			serde_json::from_slice(&Runtime::get_preset(&None).expect("exists")).expect("JSON");
		let preset = Runtime::get_preset(&Some("development".into())).expect("exists");
		let patch: serde_json::Value = serde_json::from_slice(&preset).expect("JSON");
		for (pallet, values) in patch.as_object().expect("an object") {
			for (name, value) in values.as_object().expect("an object") {
				genesis[pallet][name] = value.clone();
			}
		}
		Runtime::build_state(serde_json::to_vec(&genesis).expect("JSON"))
			.expect("the preset builds");
		stage()
	});
	for (name, transaction) in transactions {
		let mut data = TransactionSource::External.encode();
		data.extend(&transaction);
		data.extend(H256::repeat_byte(69).encode());
		let mut times = Vec::new();
		let mut validity = None;
		for _ in 0..RUNS {
			let start = Instant::now();
			let method = "TaggedTransactionQueue_validate_transaction";
			let (answer, _) =
				executor.call(&mut chain.ext(), &code, method, &data, CallContext::Offchain);
			times.push(start.elapsed());
			let answer = answer.expect("the blob answers");
			validity = Some(TransactionValidity::decode(&mut &answer[..]).expect("a validity"));
		}
		times.sort();
		let middle: Duration = times[times.len() / 2];
		let accepted = validity.map(|validity| validity.map(|_| "valid"));
		println!(
			"{name}: {} bytes, {middle:?} (least {:?}), {accepted:?}",
			transaction.len(),
			times[0]
		);
	}
}
