//! Verdicts on the segment of a run that a ticket has drawn.

use crate::{
	chain::{JobAssignment, OpenLottery},
	inputs::fetch::Fetch,
	testing::world::{eventually, FakeRunner, World, GENESIS},
	types::{AccountId, Hash},
};
use assay_blobs::BlobStore;
use assay_commitments::{
	checkpoint_entry, checkpoints_digest, run_root, segment_roots, RunShape, Segmentation,
};
use assay_exec::{Checkpoint, Checkpoints as Keep, CpuExecutor, Executor, Options, Tensor, Work};
use assay_market::{
	lottery::transcript, segment_of, task_hash, verifier_crypto::KEY_TYPE, Checkpoints,
	MailboxEntry, Purpose::Verify, SampledChunk, SegmentDuty, SegmentTerms, Ticket,
};
use assay_program::{
	ops::{DType, TensorType},
	Checked, Limits, Program, ProgramBuilder,
};
use assay_referee::sample::check_all;
use futures::{future::BoxFuture, FutureExt};
use parking_lot::Mutex;
use sp_keystore::Keystore;
use std::sync::Arc;

const JOB: u64 = 4;
const STEPS: u32 = 11;
/// Three segments, the last of three steps.
const LENGTH: u32 = 4;

/// Two states, one of whose inputs every step reads too.
fn program() -> Program {
	let ty = TensorType::new(DType::I8, &[40, 70]).unwrap();
	let mut b = ProgramBuilder::new();
	let (x, y) = (b.input("x", ty), b.input("y", ty));
	let (s, t) = (b.state(x), b.state(y));
	let sum = b.add(s, t, DType::I8);
	b.update(s, sum);
	let next = b.sub(t, x, DType::I8);
	b.update(t, next);
	b.output("sum", sum);
	b.build().unwrap()
}

struct Case {
	world: World,
	checked: Checked,
	cut: Segmentation,
	trace_roots: Vec<Hash>,
	/// Manifest, then the states of every checkpoint.
	manifest: Vec<u8>,
	states: Vec<Vec<Tensor>>,
	lottery: OpenLottery,
	index: u32,
}

impl Case {
	/// Alice draws the segment `index`. The provider serves nothing yet.
	fn new(index: u32) -> Self {
		let world = World::new();
		let program = program();
		let id = world.chain.register(program.encode());
		let checked = program.check(&Limits::default()).unwrap();
		let ty = program.inputs[0].ty;
		let bytes = |salt: u64| -> Vec<u8> {
			(0..ty.canonical_len()).map(|at| (at * salt % 13) as u8).collect()
		};
		let inputs = [bytes(3), bytes(5)];
		let input_roots: Vec<_> =
			inputs.iter().map(|bytes| world.blobs.insert(bytes).unwrap()).collect();
		let inputs: Vec<_> = inputs.into_iter().map(|bytes| Tensor::new(ty, bytes)).collect();
		let (mut manifest, mut states, mut ends) = (Vec::new(), Vec::new(), Vec::new());
		let mut keep = Keep {
			inner: (),
			every: LENGTH.try_into().unwrap(),
			take: |checkpoint: Checkpoint<'_>| {
				let anchors = checkpoint.anchor_roots;
				manifest.extend(checkpoint_entry(anchors, &checked.state_anchors).unwrap());
				ends.push(assay_commitments::trace_root(anchors));
				states.push(checkpoint.states);
				core::ops::ControlFlow::Continue(())
			},
		};
		let run = CpuExecutor::new()
			.run(
				&Work { program: &program, checked: &checked, inputs: &inputs, steps: STEPS },
				Options::default(),
				&mut keep,
			)
			.unwrap();
		let cut = Segmentation::new(STEPS, LENGTH).unwrap();
		let terms = SegmentTerms {
			steps: LENGTH,
			checkpoints: Checkpoints {
				manifest: assay_commitments::tensor_root(&manifest),
				digest: checkpoints_digest(&ends),
			},
		};
		let mut lottery = OpenLottery {
			program: id,
			input_roots,
			steps: STEPS,
			segments: Some(terms),
			..world.lottery(JOB)
		};
		let public = sp_core::sr25519::Public::try_from(world.alice.as_ref()).unwrap();
		let drawn = (0u32..1_000).any(|number| {
			lottery.seed[..4].copy_from_slice(&number.to_le_bytes());
			let data = transcript(&GENESIS, &lottery.order, &lottery.seed);
			let signed = world.keystore.sr25519_vrf_sign(KEY_TYPE, &public, &data);
			let ticket = Ticket::from(&signed.unwrap().unwrap());
			segment_of(&ticket.pre_output, &GENESIS, &lottery.order, cut.count()) == index
		});
		assert!(drawn, "no seed draws segment {index}");
		let trace_roots = run.trace_roots;
		Self { world, checked, cut, trace_roots, manifest, states, lottery, index }
	}

	fn serve(&self) {
		self.world.blobs.insert(&self.manifest).unwrap();
		for state in self.states.iter().flatten() {
			self.world.blobs.insert(&state.bytes).unwrap();
		}
	}

	fn wanted(&self) -> Hash {
		segment_roots(&self.cut, &self.trace_roots).unwrap()[self.index as usize]
	}

	/// The seat after the commitment.
	fn seat(&self, sample: Option<Hash>) -> JobAssignment {
		let terms = self.lottery.segments.unwrap();
		JobAssignment {
			program: self.lottery.program,
			input_roots: self.lottery.input_roots.clone(),
			steps: STEPS,
			sample,
			segment: Some(SegmentDuty { terms, index: self.index }),
			..self.world.assignment(JOB, Verify)
		}
	}

	fn chunks(&self) -> Option<Vec<SampledChunk>> {
		match self.world.entry_of(JOB, Verify, &self.world.alice)? {
			MailboxEntry::Replayed { chunks, .. } => chunks,
			other => panic!("{other:?}"),
		}
	}

	/// Whether the chain takes the chunks that the hook would send.
	fn fits(&self, seed: Hash) -> bool {
		let steps = self.cut.range(self.index).unwrap().len() as u32;
		let shape = Shape { steps, checked: &self.checked };
		let account: AccountId = [1; 32].into();
		let chunks = self.chunks();
		chunks.is_some_and(|it| check_all(&self.wanted(), &shape, &seed, account.as_ref(), &it))
	}

	async fn verdict(&self) -> Hash {
		self.world.chain.draw(vec![self.lottery.clone()]);
		match self.world.found(JOB, Verify).await {
			MailboxEntry::Replayed { run_root, .. } => run_root,
			other => panic!("{other:?}"),
		}
	}
}

struct Shape<'a> {
	steps: u32,
	checked: &'a Checked,
}

impl RunShape for Shape<'_> {
	fn steps(&self) -> u32 {
		self.steps
	}

	fn anchors(&self) -> u32 {
		self.checked.anchors.len() as u32
	}

	fn tiles(&self, anchor: u32) -> Option<u64> {
		let node = self.checked.anchors.get(anchor as usize)?;
		Some(self.checked.types[*node as usize].tiles())
	}
}

fn steps_run(runner: &FakeRunner) -> Vec<u32> {
	runner.log.lock().iter().map(|(steps, _)| *steps).collect()
}

#[tokio::test]
async fn verdict_should_be_the_root_of_the_drawn_segment_when_its_checkpoint_is_there() {
	for (index, steps) in [(0, 4), (1, 4), (2, 3)] {
		let case = Case::new(index);
		case.serve();
		let runner = FakeRunner::computing(&case.world.blobs, []);
		let _node = case.world.start(runner.clone());
		assert_eq!(case.verdict().await, case.wanted(), "segment {index}");
		assert_eq!(steps_run(&runner), [steps]);
		// Nothing of it is taken for what the whole run gives.
		let OpenLottery { program, input_roots, .. } = &case.lottery;
		let whole = task_hash(program, input_roots, STEPS);
		assert_eq!(case.world.config.knowledge.verdict(&whole), None);
	}
}

#[tokio::test]
async fn chunks_should_be_those_of_the_segment_when_the_chain_asks_for_them() {
	for (index, served) in [(1, true), (2, true), (1, false)] {
		let case = Case::new(index);
		if served {
			case.serve();
		}
		let runner = FakeRunner::computing(&case.world.blobs, []);
		let _node = case.world.start(runner.clone());
		case.verdict().await;
		case.world.chain.commit(case.seat(None));
		for seed in [[3; 32], [4; 32]] {
			case.world.chain.update(JOB, |seat| seat.sample = Some(seed));
			eventually("the chunks", || case.fits(seed)).await;
		}
		let most = if served { LENGTH } else { 8 };
		assert!(steps_run(&runner).iter().all(|steps| *steps <= most), "{:?}", steps_run(&runner));
	}
}

/// The provider holds the checkpoints back, or serves others than it has committed to.
#[tokio::test]
async fn verdict_should_be_the_same_when_the_checkpoint_is_not_to_be_had() {
	type Spoil = fn(&mut Case);
	let nothing: Spoil = |_| {};
	let manifest_alone: Spoil = |case| {
		case.world.blobs.insert(&case.manifest).unwrap();
	};
	let states_alone: Spoil = |case| {
		for state in case.states.iter().flatten() {
			case.world.blobs.insert(&state.bytes).unwrap();
		}
	};
	let other_digest: Spoil = |case| {
		case.serve();
		case.lottery.segments.as_mut().unwrap().checkpoints.digest = [1; 32];
	};
	let short: Spoil = |case| {
		case.serve();
		let short = &case.manifest[32..];
		let root = case.world.blobs.insert(short).unwrap();
		case.lottery.segments.as_mut().unwrap().checkpoints.manifest = root;
	};
	for (at, spoil) in
		[nothing, manifest_alone, states_alone, other_digest, short].into_iter().enumerate()
	{
		let mut case = Case::new(2);
		spoil(&mut case);
		let runner = FakeRunner::computing(&case.world.blobs, []);
		let _node = case.world.start(runner.clone());
		assert_eq!(case.verdict().await, case.wanted(), "{at}");
		assert_eq!(steps_run(&runner), [STEPS], "{at}: from the start to the segment's end");
	}
}

/// Another tranche brings the time of the whole run, so nobody gives up at the end of the first.
#[tokio::test]
async fn verifier_should_not_abstain_at_the_end_of_the_first_tranche() {
	let case = Case::new(1);
	let runner = FakeRunner::new([crate::testing::world::Act::Hang]);
	let _node = case.world.start(runner.clone());
	case.world.chain.draw(vec![case.lottery.clone()]);
	eventually("the replay", || runner.calls() == 1).await;
	let end = case.lottery.commit_deadline;
	case.world.chain.advance(end, end - 3);
	case.world.settle().await;
	assert_eq!(case.world.entry(JOB, Verify), None);

	// In the last one it does.
	let case = Case::new(1);
	let runner = FakeRunner::new([crate::testing::world::Act::Hang]);
	let _node = case.world.start(runner.clone());
	let tranche = case.lottery.terms.max_tranches - 1;
	case.world.chain.draw(vec![OpenLottery { tranche, ..case.lottery.clone() }]);
	eventually("the replay", || runner.calls() == 1).await;
	let end = case.lottery.commit_deadline - 1;
	case.world.chain.advance(end, end - 3);
	let found = case.world.found(JOB, Verify).await;
	assert!(matches!(found, MailboxEntry::Abstain { .. }), "{found:?}");
}

/// Peers that have what the provider serves.
struct Peers {
	blobs: Arc<BlobStore>,
	held: Vec<Vec<u8>>,
	asked: Mutex<Vec<(Hash, u64)>>,
}

impl Fetch for Peers {
	fn want(&self, _: &[(Hash, u64)]) {}

	fn fetch(&self, blobs: Vec<(Hash, u64)>) -> BoxFuture<'static, ()> {
		for (root, length) in &blobs {
			let blob = self.held.iter().find(|held| assay_commitments::tensor_root(held) == *root);
			let blob = blob.expect("nothing else is asked for");
			assert_eq!(blob.len() as u64, *length);
			self.blobs.insert(blob).unwrap();
		}
		self.asked.lock().extend(blobs);
		async {}.boxed()
	}
}

#[tokio::test]
async fn manifest_and_states_should_be_fetched_and_held_when_a_segment_was_drawn() {
	let mut case = Case::new(2);
	let held = case.states.iter().flatten().map(|state| state.bytes.to_vec());
	let held = held.chain([case.manifest.clone()]).collect();
	let peers =
		Arc::new(Peers { blobs: case.world.blobs.clone(), held, asked: Default::default() });
	case.world.fetch = Some(peers.clone());
	let runner = FakeRunner::computing(&case.world.blobs, []);
	let _node = case.world.start(runner.clone());
	assert_eq!(case.verdict().await, case.wanted());
	assert_eq!(steps_run(&runner), [3]);
	// The states of its own checkpoint, and of no other.
	let mut wanted = vec![case.lottery.segments.unwrap().checkpoints.manifest];
	wanted.extend(case.states[1].iter().map(Tensor::root));
	let asked: Vec<_> = peers.asked.lock().iter().map(|(root, _)| *root).collect();
	assert_eq!(asked, wanted);
	for root in wanted {
		let removed = case.world.blobs.remove(&root);
		assert!(matches!(removed, Err(assay_blobs::BlobError::Pinned(_))));
	}
}

#[test]
fn roots_of_segments_should_be_roots_of_runs() {
	let case = Case::new(0);
	assert_eq!(case.wanted(), run_root(&case.trace_roots[..LENGTH as usize]));
}
