//! Calls of the runtime, on a chain with jobs in every interesting state.

use crate::honest::{folded, stateful};
use assay_commitments::{verdict_commitment, OutputsOpening, Path, SegmentsOpening};
use assay_market::{
	lottery::transcript, verifier::signing_payload, AbstainReason, Assurance, Attestation,
	ChallengeMove, Checkpoints, Hash, JobId, Lottery, LotteryTerms, Phase, Purpose, Ticket,
	VerifierAction, VerifierId, VerifierSignature, Verifiers,
};
use assay_referee::sample::positions;
use assay_runtime::{
	AccountId, Balance, Balances, Jobs, Programs, Runtime, RuntimeCall, RuntimeOrigin, Stake,
	System,
};
use codec::{DecodeAll, DecodeLimit, Encode};
use frame_support::{
	storage::{with_transaction, TransactionOutcome},
	traits::{Authorize, OriginTrait},
};
use pallet_assay_arbitration::Call as Arbitration;
use pallet_assay_jobs::{Answer, Audits, Call as Market, Claim, Committed, Opened, Sample, Seat};
use serde_json::Value;
use sp_core::crypto::{UncheckedFrom, VrfSecret};
use sp_genesis_builder::runtime_decl_for_genesis_builder::GenesisBuilder;
use sp_keyring::Sr25519Keyring::{Alice, Bob, Charlie, Dave};
use sp_runtime::{traits::Dispatchable, transaction_validity::TransactionSource, DispatchError};
use std::cell::RefCell;

/// Depth to which the node decodes transactions.
const DEPTH: u32 = 256;

/// One byte that says who calls, and the bytes of a call: 5 is a validator that signs the call with its session key,
/// 6 one that puts its ticket in, too. Both are made on the spot, so that mutations get beyond them.
///
/// Decoding never panics, and what is decoded survives encoding. A call of the market's pallets never
/// panics, whoever sends it, and creates no money; a refused one changes nothing. Calls of other pallets are
/// decoded only.
pub fn calls(data: &[u8]) {
	let Some((&who, data)) = data.split_first() else { return };
	let Ok(call) = RuntimeCall::decode_all_with_depth_limit(DEPTH, &mut &data[..]) else { return };
	let bytes = call.encode();
	assert_eq!(RuntimeCall::decode_all(&mut &bytes[..]).as_ref(), Ok(&call));
	let ours = matches!(
		call,
		RuntimeCall::Identity(_)
			| RuntimeCall::Stake(_)
			| RuntimeCall::Programs(_)
			| RuntimeCall::Jobs(_)
			| RuntimeCall::Arbitration(_)
	);
	if ours {
		// What the chain says to it is its own business.
		let _ = CHAIN.with_borrow_mut(|chain| chain.execute_with(|| dispatch(who, call)));
	}
}

thread_local! {
	static CHAIN: RefCell<sp_io::TestExternalities> = RefCell::new(chain());
}

/// Dispatches a call, and forgets what it did but for its outcome.
fn dispatch(who: u8, call: RuntimeCall) -> Result<(), DispatchError> {
	let call = match who % 7 {
		5 => endorsed(call, false),
		6 => endorsed(call, true),
		_ => call,
	};
	// What a pool does with it, from anyone.
	let authorized = call.authorize(TransactionSource::External);
	let origin = match who % 7 {
		0 => RuntimeOrigin::signed(Dave.to_account_id()),
		1 => RuntimeOrigin::signed(Bob.to_account_id()),
		2 => RuntimeOrigin::signed(Charlie.to_account_id()),
		3 => RuntimeOrigin::none(),
		_ if matches!(authorized, Some(Ok(_))) => {
			RuntimeOrigin::from(frame_system::RawOrigin::Authorized)
		}
		_ => RuntimeOrigin::root(),
	};
	let mut outcome = Ok(());
	let _ = with_transaction(|| {
		let issued = Balances::total_issuance();
		// The filter of the chain, as everybody but root meets it.
		let mut origin = origin;
		origin.reset_filter();
		let before = sp_io::storage::root(sp_runtime::StateVersion::V1);
		outcome = frame_support::storage::with_storage_layer(|| {
			call.dispatch(origin).map(|_| ()).map_err(|error| error.error)
		});
		assert!(Balances::total_issuance() <= issued, "money out of nothing");
		if outcome.is_err() {
			let after = sp_io::storage::root(sp_runtime::StateVersion::V1);
			assert_eq!(before, after, "a refused call left something");
		}
		TransactionOutcome::Rollback(Ok::<_, DispatchError>(()))
	});
	outcome
}

/// Where a lottery is open for Alice, and where it has closed and she has committed.
const LOTTERY: JobId = 4;
const COMMITTED: JobId = 5;
const LOTTERY_SEED: [u8; 32] = [4; 32];
const SAMPLE_SEED: [u8; 32] = [5; 32];
const SALT: [u8; 32] = [6; 32];

/// The order of a job as the chain has it at the start.
fn order_of(id: JobId) -> Hash {
	pallet_assay_jobs::Jobs::<Runtime>::get(id).map(|job| job.order).unwrap_or_default()
}

/// A verifier's call signed by Alice's session key, with her ticket where it is asked for; any other as it is.
fn endorsed(mut call: RuntimeCall, with_ticket: bool) -> RuntimeCall {
	let pair = Alice.pair();
	let genesis = System::block_hash(0).0;
	let own =
		|order: &Hash| Ticket::from(&pair.vrf_sign(&transcript(&genesis, order, &LOTTERY_SEED)));
	let sign = |job, order: &Hash, account: &AccountId, retry, action: VerifierAction| {
		let payload = signing_payload(&genesis, job, order, account, retry, &action);
		VerifierSignature::from(sp_core::Pair::sign(&pair, &payload))
	};
	let RuntimeCall::Jobs(market) = &mut call else { return call };
	match market {
		Market::commit_verdict { job, order, account, commitment, ticket, retry, signature } => {
			if with_ticket {
				*ticket = own(order);
			}
			let (commitment, ticket) = (*commitment, *ticket);
			let action = VerifierAction::CommitVerdict { commitment, ticket };
			*signature = sign(*job, order, account, *retry, action);
		}
		Market::abstain { job, order, account, reason, ticket, retry, signature } => {
			if with_ticket {
				*ticket = own(order);
			}
			let action = VerifierAction::Abstain { reason: *reason, ticket: *ticket };
			*signature = sign(*job, order, account, *retry, action);
		}
		Market::reveal_verdict {
			job,
			order,
			account,
			run_root,
			salt,
			chunks,
			retry,
			signature,
		} => {
			let (run_root, salt, chunks) = (*run_root, *salt, chunks.is_some());
			let action = VerifierAction::RevealVerdict { run_root, salt, chunks };
			*signature = sign(*job, order, account, *retry, action);
		}
		_ => {}
	}
	call
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

/// The development chain with a program, an open job (0), and three whose results are open to disputes
/// (1 and 2 true, 3 of a root that nothing opens); Bob is their provider. Charlie's are a job whose lottery
/// is open (4) and one whose verdict Alice is to open (5).
fn chain() -> sp_io::TestExternalities {
	let preset = |name| {
		let json = Runtime::get_preset(&name).expect("the preset exists");
		serde_json::from_slice::<Value>(&json).expect("a preset is JSON")
	};
	let mut genesis = preset(None);
	merge(&mut genesis, preset(Some("development".into())));
	let genesis = serde_json::to_vec(&genesis).expect("JSON serializes");
	let mut chain = sp_io::TestExternalities::new_empty();
	chain.execute_with(|| {
		Runtime::build_state(genesis).expect("the preset builds");
		System::set_block_number(1);
		// Alice is the only validator, and nobody else could verify a job of hers.
		let dave = RuntimeOrigin::signed(Dave.to_account_id());
		let run = stateful();
		let bytes = run.program.encode();
		let program = assay_program::program_id(&bytes);
		let bytes = bytes.try_into().expect("a short program");
		Programs::register_program(dave.clone(), bytes).expect("an admissible program");
		for id in 0..4 {
			let inputs = run.input_roots.clone().try_into().expect("two inputs");
			let assurance = Assurance { attestation: Attestation::OptedOut, ..Default::default() };
			let price = 1 << 40;
			Jobs::post_job(dave.clone(), program, inputs, 3, price, price, 5, assurance)
				.expect("a good job");
			if id > 0 {
				reveal(id, if id < 3 { run.record().run_root } else { [0xab; 32] });
			}
		}
		let charlie = RuntimeOrigin::signed(Charlie.to_account_id());
		for _ in [LOTTERY, COMMITTED] {
			let inputs = run.input_roots.clone().try_into().expect("two inputs");
			let assurance = Assurance { attestation: Attestation::OptedOut, ..Default::default() };
			let price = 1 << 40;
			Jobs::post_job(charlie.clone(), program, inputs, 3, price, price, 5, assurance)
				.expect("a good job");
		}
		open_lottery();
		seat_alice();
		let bob = RuntimeOrigin::signed(Bob.to_account_id());
		let demand = assay_runtime::Arbitration::demand(bob, 2, order_of(2), None, None);
		demand.expect("a first demand");
	});
	// What was done belongs to the state that every call starts from.
	chain.commit_all().expect("no transaction is open");
	chain
}

/// Bob's claim at this price, with the result that he has opened.
fn bobs(price: Balance, opened: Option<Opened>) -> Claim<AccountId, Balance> {
	let result = opened.map(|opened| Committed {
		commitment: [0; 32],
		checkpoints: None,
		opened: Some(opened),
	});
	Claim { provider: Bob.to_account_id(), price, bond: 0, result }
}

/// An audit that one verifier has answered.
fn audited() -> Audits<assay_runtime::BlockNumber> {
	Audits { wanted: 1, shares: 1, tranches: 1, audited: Some(true), ..Default::default() }
}

/// Makes [`LOTTERY`] a job that is being audited, by Alice and nobody else.
fn open_lottery() {
	pallet_assay_jobs::Jobs::<Runtime>::mutate(LOTTERY, |job| {
		let job = job.as_mut().expect("just posted");
		job.claim = Some(bobs(job.offer.price_max, None));
		(job.phase, job.deadline) = (Phase::Verifying, 1_000);
		job.audits = audited();
	});
	let electorate = <Stake as Verifiers<AccountId, Balance>>::electorate();
	let terms = LotteryTerms {
		candidates: 1,
		stake: electorate.stake,
		size: 3,
		width_percent: 150,
		max_tranches: 2,
		audit: sp_runtime::Permill::one(),
	};
	let session = electorate.session;
	let lottery = Lottery { seed: LOTTERY_SEED, session, opened_at: 1, tranche: 0, terms };
	pallet_assay_jobs::Lotteries::<Runtime>::insert(LOTTERY, lottery);
}

/// Makes [`COMMITTED`] a job to whose true result Alice has committed, and whose sample is drawn.
fn seat_alice() {
	pallet_assay_jobs::Jobs::<Runtime>::mutate(COMMITTED, |job| {
		let job = job.as_mut().expect("just posted");
		job.claim = Some(bobs(job.offer.price_max, None));
		(job.phase, job.deadline) = (Phase::Revealing, 1_000);
		job.audits = Audits { sample: Some(Sample::Drawn(SAMPLE_SEED)), ..audited() };
	});
	let (account, key) = (Alice.to_account_id(), VerifierId::from(Alice.public()));
	let root = stateful().record().run_root;
	let genesis = System::block_hash(0).0;
	let commitment =
		verdict_commitment(&genesis, &order_of(COMMITTED), account.as_ref(), &root, &SALT);
	let seat = Seat {
		account: account.clone(),
		key: key.clone(),
		purpose: Purpose::Verify,
		tranche: 0,
		drawn_at: 1,
		deadline: 1,
		answer: Answer::Committed(commitment),
		segment: None,
	};
	let seats: pallet_assay_jobs::SeatsOf<Runtime> = vec![seat].try_into().expect("one seat");
	pallet_assay_jobs::Seats::<Runtime>::insert(COMMITTED, seats);
	pallet_assay_jobs::JobsOfKey::<Runtime>::insert(key, COMMITTED, ());
	<Stake as Verifiers<AccountId, Balance>>::lock(&account, COMMITTED);
}

/// Makes a job one whose provider has opened this root.
fn reveal(id: JobId, root: [u8; 32]) {
	pallet_assay_jobs::Jobs::<Runtime>::mutate(id, |job| {
		let job = job.as_mut().expect("just posted");
		let opened = Opened {
			run_root: root,
			trace_root: [9; 32],
			output_roots: Default::default(),
			keepers_redrawn: false,
			condemned: None,
		};
		job.claim = Some(bobs(job.offer.price_max, Some(opened)));
		(job.phase, job.deadline) = (Phase::Challengeable, 1_000);
		job.audits.audited = Some(false);
	});
}

/// A reveal with segments, whose lengths and paths mutations may change.
fn reveal_segmented(order: Hash) -> Market<Runtime> {
	let path = Path { siblings: vec![[2; 32]] };
	Market::reveal_result {
		job: 0,
		order,
		run_root: [1; 32],
		salt: SALT,
		opening: OutputsOpening {
			trace_root: [4; 32],
			trace_path: path.clone(),
			outputs: vec![([5; 32], path.clone())],
		},
		segments: Some(SegmentsOpening { ends: vec![([6; 32], path)], last: [3; 32] }),
	}
}

/// Calls of the market's pallets.
pub(crate) fn seeds() -> Vec<(String, Vec<u8>)> {
	let orders = CHAIN
		.with_borrow_mut(|chain| chain.execute_with(|| (0..6).map(order_of).collect::<Vec<_>>()));
	let order = |job: JobId| orders[job as usize];
	let bob: AccountId = Bob.to_account_id();
	let signature = VerifierSignature::unchecked_from([7; 64]);
	let program = assay_program::program_id(&stateful().program.encode());
	let inputs = stateful().input_roots.clone().try_into().expect("two inputs");
	let part = Box::new(stateful().part(2, 0, 5, 0));
	let move_of = |action| Arbitration::move_as_verifier {
		job: 1,
		order: order(1),
		account: bob.clone(),
		action,
		retry: 0,
		signature: signature.clone(),
	};
	let alice: AccountId = Alice.to_account_id();
	let ticket = Ticket { pre_output: [7; 32], proof: [7; 64] };
	let root = stateful().record().run_root;
	let shown = positions(&SAMPLE_SEED, alice.as_ref(), stateful()).expect("a run with chunks");
	let shown = shown.map(|position| stateful().chunk(&position)).to_vec();
	let open = |chunks: Option<Vec<_>>| Market::reveal_verdict {
		job: COMMITTED,
		order: order(COMMITTED),
		account: alice.clone(),
		run_root: root,
		salt: SALT,
		chunks: chunks.map(|chunks| chunks.try_into().expect("as many as are asked for")),
		retry: 0,
		signature: signature.clone(),
	};
	let market: [(&str, Market<Runtime>); 18] = [
		(
			"post-job",
			Market::post_job {
				program,
				input_roots: inputs,
				steps: 3,
				price_start: 1 << 40,
				price_max: 1 << 41,
				ramp_blocks: 10,
				assurance: Assurance::default(),
			},
		),
		("cancel-job", Market::cancel_job { job: 0, order: order(0) }),
		(
			"claim-job",
			Market::claim_job { job: 0, order: order(0), min_price: 0, max_bond: Balance::MAX },
		),
		("give-back", Market::give_back { job: 0, order: order(0) }),
		(
			"commit-result",
			Market::commit_result {
				job: 0,
				order: order(0),
				commitment: [1; 32],
				checkpoints: None,
			},
		),
		(
			"attest-outputs",
			Market::attest_outputs {
				job: 1,
				order: order(1),
				account: alice.clone(),
				ok: true,
				retry: 0,
				signature: signature.clone(),
			},
		),
		(
			"post-segmented-job",
			Market::post_job {
				program,
				input_roots: stateful().input_roots.clone().try_into().expect("two inputs"),
				steps: 3,
				price_start: 1 << 40,
				price_max: 1 << 41,
				ramp_blocks: 10,
				assurance: Assurance {
					segments: Some(assay_market::Segments { steps: 2 }),
					..Assurance::default()
				},
			},
		),
		(
			"commit-segmented-result",
			Market::commit_result {
				job: 0,
				order: order(0),
				commitment: [1; 32],
				checkpoints: Some(Checkpoints { manifest: [2; 32], digest: [3; 32] }),
			},
		),
		("reveal-segmented-result", reveal_segmented(order(0))),
		("request-audit", Market::request_audit { job: 1, order: order(1) }),
		("poke-job", Market::poke { job: 0 }),
		(
			"set-parameters",
			Market::set_parameters {
				parameters: assay_market::MarketParameters::development(1_000_000_000_000),
			},
		),
		(
			"commit-verdict",
			Market::commit_verdict {
				job: LOTTERY,
				order: order(LOTTERY),
				account: alice.clone(),
				commitment: [2; 32],
				ticket,
				retry: 0,
				signature: signature.clone(),
			},
		),
		(
			"commit-verdict-of-a-forged-ticket",
			Market::commit_verdict {
				job: LOTTERY,
				order: order(LOTTERY),
				account: alice.clone(),
				commitment: [2; 32],
				ticket,
				retry: 1,
				signature: signature.clone(),
			},
		),
		(
			"abstain",
			Market::abstain {
				job: LOTTERY,
				order: order(LOTTERY),
				account: alice.clone(),
				reason: AbstainReason::TooSlow,
				ticket,
				retry: 0,
				signature: signature.clone(),
			},
		),
		("reveal-verdict", open(Some(shown.clone()))),
		("reveal-verdict-without-chunks", open(None)),
		("reveal-verdict-with-swapped-chunks", open(Some(shown.into_iter().rev().collect()))),
	];
	let disputes: [(&str, Arbitration<Runtime>); 10] = [
		("demand", Arbitration::demand { job: 1, order: order(1), child: None, list: None }),
		(
			"demand-a-child",
			Arbitration::demand { job: 2, order: order(2), child: Some(1), list: None },
		),
		(
			"answer",
			Arbitration::answer {
				job: 2,
				order: order(2),
				challenger: bob.clone(),
				children: vec![[3; 32]; 3].try_into().expect("three"),
			},
		),
		(
			"list-roots",
			Arbitration::list_roots {
				job: 2,
				order: order(2),
				challenger: bob.clone(),
				stated: pallet_assay_arbitration::Statement {
					run_root: [5; 32],
					step: 1,
					anchor: 0,
					children: vec![[6; 32]; 2].try_into().expect("two"),
				},
			},
		),
		(
			"commit-proof",
			Arbitration::commit_proof { job: 3, order: order(3), commitment: [4; 32] },
		),
		("prove-fraud", Arbitration::prove_fraud { job: 1, order: order(1), part: part.clone() }),
		(
			"prove-fraud-of-another-program",
			Arbitration::prove_fraud {
				job: 1,
				order: order(1),
				part: Box::new(folded().part(0, 0, 0, 0)),
			},
		),
		("poke-lane", Arbitration::poke { job: 2, challenger: bob.clone() }),
		("move-demand", move_of(ChallengeMove::Demand { child: None })),
		("move-prove", move_of(ChallengeMove::Prove { part })),
	];
	let bytes = stateful().program.encode().try_into().expect("a short program");
	let register = pallet_assay_programs::Call::register_program { program: bytes };
	let stake: [(&str, pallet_assay_stake::Call<Runtime>); 3] = [
		("bond", pallet_assay_stake::Call::bond { amount: 1 << 50 }),
		("unbond", pallet_assay_stake::Call::unbond { amount: 1 << 45 }),
		("withdraw", pallet_assay_stake::Call::withdraw {}),
	];
	let with = |who: u8, call: RuntimeCall| [&[who][..], &call.encode()].concat();
	let mut all = vec![("register-program".into(), with(1, register.into()))];
	for (name, call) in market {
		let who = match name {
			"set-parameters" => 4,
			"commit-verdict" | "abstain" => 6,
			name if name.contains("verdict") => 5,
			"claim-job" | "commit-result" => 1,
			_ => 0,
		};
		all.push((name.into(), with(who, call.into())));
	}
	for (name, call) in disputes {
		let who = if name.starts_with("move") { 4 } else { 1 };
		all.push((name.into(), with(who, call.into())));
	}
	for (name, call) in stake {
		all.push((name.into(), with(2, call.into())));
	}
	all
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn seeds_should_reach_what_they_are_meant_for_when_they_are_not_mutated() {
		let outcomes: Vec<_> = seeds()
			.into_iter()
			.map(|(name, bytes)| {
				let call = RuntimeCall::decode_all(&mut &bytes[1..]).expect("an encoded call");
				let outcome =
					CHAIN.with_borrow_mut(|chain| chain.execute_with(|| dispatch(bytes[0], call)));
				println!("{name}: {outcome:?}");
				(name, outcome)
			})
			.collect();
		let of = |name: &str| {
			let found = outcomes.iter().find(|(other, _)| other == name);
			found.unwrap_or_else(|| panic!("no seed {name}")).1
		};
		for name in [
			"post-job",
			"cancel-job",
			"demand",
			"commit-proof",
			"set-parameters",
			"commit-verdict",
			"abstain",
			"reveal-verdict",
			"reveal-verdict-without-chunks",
		] {
			assert_eq!(of(name), Ok(()), "{name}");
		}
		// The pool refuses them, and root may not say them either.
		for name in ["commit-verdict-of-a-forged-ticket", "reveal-verdict-with-swapped-chunks"] {
			assert_eq!(of(name), Err(DispatchError::BadOrigin), "{name}");
		}
		let error = |error: pallet_assay_arbitration::Error<Runtime>| Err(error.into());
		use pallet_assay_arbitration::Error::*;
		// The referee is reached, and finds nothing wrong with an honest run.
		assert_eq!(of("prove-fraud"), error(NotWrong));
		assert_eq!(of("answer"), error(WrongAnswer));
		assert_eq!(of("demand-a-child"), error(AnswerPending));
	}
}
