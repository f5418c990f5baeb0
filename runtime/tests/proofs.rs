//! Fraud proofs of programs that are made to be hard on the referee, in the runtime's blob and the executor
//! of the node: none of them traps, nor does garbage about them. Prints how long each takes beside what the check
//! of its program has estimated (`--nocapture`); that is for docs/benchmarks.md, a busy machine proves nothing.
//!
//! A trapped transaction is in no block and pays no fee, so that a program whose proofs trap could not be
//! proved wrong, and stalled every author that has such a proof in its pool.

mod chain;
#[path = "../../primitives/program/tests/common/shapes.rs"]
mod shapes;
#[path = "../../primitives/referee/tests/common/stage.rs"]
mod stage;
#[allow(dead_code)]
#[path = "../examples/verdicts.rs"]
mod verdicts;

use assay_commitments::Path;
use assay_market::Phase;
use assay_program::{program_id, Limits, Program, RefereeCost};
use assay_referee::{ProofPart, RootsOpening};
use assay_runtime::{Header, Runtime, RuntimeCall, UncheckedExtrinsic};
use codec::{Decode, Encode};
use pallet_assay_jobs::Opened;
use pallet_assay_programs::{AnchorPlans, ProgramBytes};
use sp_core::{
	traits::{CallContext, CodeExecutor, RuntimeCode, WrappedRuntimeCode},
	H256,
};
use sp_genesis_builder::runtime_decl_for_genesis_builder::GenesisBuilder;
use sp_keyring::Sr25519Keyring::Alice;
use sp_runtime::{traits::Header as _, ApplyExtrinsicResult};
use stage::Stage;
use std::time::Duration;

type Executor = sc_executor::WasmExecutor<sp_io::SubstrateHostFunctions>;

/// A chain in whose storage is a program and the claimed result of a job that runs it.
fn chain_with(stage: &Stage) -> sp_io::TestExternalities {
	let mut chain = sp_io::TestExternalities::new_empty();
	chain.execute_with(|| {
		let default = Runtime::get_preset(&None).expect("exists");
		let mut genesis: serde_json::Value = serde_json::from_slice(&default).expect("JSON");
		for (pallet, values) in chain::preset_patch("development").as_object().expect("an object") {
			for (name, value) in values.as_object().expect("an object") {
				genesis[pallet][name] = value.clone();
			}
		}
		let genesis = serde_json::to_vec(&genesis).expect("JSON");
		Runtime::build_state(genesis).expect("the preset builds");
		let bytes = stage.program.encode();
		let id = program_id(&bytes);
		let plans: AnchorPlans = stage.checked.plans().try_into().expect("few anchors");
		pallet_assay_programs::Plans::<Runtime>::insert(id, plans);
		let bytes: ProgramBytes = bytes.try_into().expect("not too long");
		pallet_assay_programs::Bytes::<Runtime>::insert(id, bytes);
		let mut job = verdicts::job(Phase::Challengeable);
		(job.offer.program, job.offer.steps) = (id, 1);
		job.offer.input_roots = stage.input_roots.clone().try_into().expect("few inputs");
		job.committed_mut().expect("a claimed job").opened = Some(Opened {
			run_root: stage.record().run_root,
			trace_root: stage.traces[0],
			output_roots: Default::default(),
			keepers_redrawn: false,
			condemned: None,
		});
		pallet_assay_jobs::Jobs::<Runtime>::insert(0, job);
	});
	chain.commit_all().expect("the state is kept");
	chain
}

/// Processor time of this thread.
fn processor_time() -> Duration {
	let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
	let nanoseconds = text.split(' ').next().and_then(|field| field.parse().ok());
	Duration::from_nanos(nanoseconds.unwrap_or(0))
}

/// What a block does with a proof, and how long it takes for it.
fn applied(
	executor: &Executor,
	code: &RuntimeCode,
	chain: &mut sp_io::TestExternalities,
	part: &ProofPart,
) -> (ApplyExtrinsicResult, Duration) {
	let call: RuntimeCall = pallet_assay_arbitration::Call::<Runtime>::prove_fraud {
		job: 0,
		order: verdicts::ORDER,
		part: Box::new(part.clone()),
	}
	.into();
	let transaction: UncheckedExtrinsic = chain.execute_with(|| chain::signed(Alice, 0, call));
	let mut least = Duration::MAX;
	let mut result = None;
	for _ in 0..3 {
		// Each time from the state that is kept.
		chain.reset_overlay();
		let mut ext = chain.ext();
		let mut call = |method: &str, data: &[u8]| {
			let context = CallContext::Onchain { import: false };
			let (answer, _) = executor.call(&mut ext, code, method, data, context);
			answer.unwrap_or_else(|error| panic!("{method} trapped: {error}"))
		};
		let [root, parent] = [H256::zero(), H256::repeat_byte(69)];
		let header = Header::new(1, root, root, parent, Default::default());
		call("Core_initialize_block", &header.encode());
		let start = processor_time();
		let answer = call("BlockBuilder_apply_extrinsic", &transaction.encode());
		least = least.min(processor_time() - start);
		result = Some(ApplyExtrinsicResult::decode(&mut &answer[..]).expect("a result"));
	}
	(result.expect("three times"), least)
}

/// The programs, each as large as the check admits.
fn hard() -> Vec<(String, Program)> {
	let largest = |hard: &shapes::Hard| {
		let (size, program) = hard.largest(&Limits::V1)?;
		Some((format!("{}, {size}", hard.name), program))
	};
	shapes::HARD.iter().filter_map(largest).collect()
}

#[test]
fn proofs_of_hard_programs_should_be_judged_in_the_blob_and_garbage_be_refused() {
	let Some(blob) = assay_runtime::WASM_BINARY else {
		panic!("built without a blob: run this test without SKIP_WASM_BUILD, as scripts/test-rust does");
	};
	let code = WrappedRuntimeCode(blob.into());
	let code = RuntimeCode { code_fetcher: &code, heap_pages: None, hash: vec![1] };
	let executor = Executor::builder().build();
	println!("referee | program | bytes of a part | parts | ms | estimate, ms");
	for (name, program) in hard() {
		let checked = program.check(&Limits::V1).expect("admitted");
		let node = checked.anchors[checked.output_anchors[0] as usize];
		let cost: RefereeCost = checked.anchor_cost(node).expect("an anchor").cost;
		let stage = Stage::new(program, &checked, node, 0);
		let right = &stage.parts[0];
		let nothing = ([0; 32], Path::default());
		let garbage = ProofPart {
			accusation: right.accusation,
			part: 0,
			trace: nothing.clone(),
			before: None,
			claimed: nothing,
			anchors: RootsOpening::default(),
			lazy: RootsOpening::default(),
			states: RootsOpening::default(),
			operands: vec![],
		};
		assert!(garbage.encoded_size() <= 213);
		let mut chain = chain_with(&stage);
		let (refused, _) = applied(&executor, &code, &mut chain, &garbage);
		assert!(matches!(refused, Ok(Err(_))), "{name}: {refused:?}");
		// As long as the right one, and refused at once: what does not depend on the program.
		let trace = ([0; 32], right.trace.1.clone());
		let other = ProofPart { trace, ..right.clone() };
		let (refused, around) = applied(&executor, &code, &mut chain, &other);
		assert!(matches!(refused, Ok(Err(_))), "{name}: {refused:?}");
		let (ruled, whole) = applied(&executor, &code, &mut chain, right);
		// The first part of several is for whoever has a lane.
		let proved = matches!(ruled, Ok(Ok(())));
		assert!(proved || matches!(ruled, Ok(Err(_))) && cost.parts > 1, "{name}: {ruled:?}");
		println!(
			"referee | {name} | {} | {} | {:.2} | {:.2}",
			right.encoded_size(),
			cost.parts,
			whole.saturating_sub(around).as_secs_f64() * 1e3,
			cost.part_nanoseconds as f64 / 1e6,
		);
	}
}
