//! The state machine against a fake chain that enforces the chain's rules, killed at every step.

use super::{
	machine::{Chain, Engine, Facts, JobState, Progress, Provider},
	record::{Record, Stage},
	salt::Salt,
	store::Store,
};
use crate::{
	chain::{
		calls::{Checkpoints, JobId},
		Hash,
	},
	error::{Error, Result},
	executed::{Executed, Segments},
};
use assay_commitments::{
	result_commitment, run_root, trace_root, verify_outputs, verify_segments, OutputsOpening,
	Segmentation, SegmentsOpening,
};
use std::{cell::RefCell, future::Future, path::Path};
use subxt_signer::sr25519::dev;

const GENESIS: Hash = [1; 32];
const JOB: u64 = 7;
const ORDER: Hash = [0x77; 32];
const OTHER: Hash = [0x99; 32];
const ID: JobId = JobId { number: JOB, order: ORDER };
const ANCHORS: usize = 3;
const STEPS: usize = 3;
const POSITIONS: [u32; 2] = [2, 0];

fn me() -> Hash {
	dev::charlie().public_key().0
}

/// What the fake chain and engine have seen.
#[derive(Default)]
struct World {
	open: bool,
	provider: Option<Hash>,
	commitment: Option<Hash>,
	revealed: bool,
	looks_since: u32,
	claims: u32,
	/// Transactions that an earlier life sent and that are included before the next of their kind.
	pool: bool,
	commits: Vec<Hash>,
	reveals: u32,
	published: Vec<Hash>,
	/// The run is cut for its verifiers.
	cut: bool,
	/// Its checkpoints are where these find them.
	served: bool,
	/// Calls until the process is killed.
	fuse: Option<u32>,
	calls: u32,
	/// Added to every element of a run, for an engine that computes something else.
	flaw: u8,
	runs: u32,
	/// The output files are gone and come back with the next run.
	lost_files: bool,
	/// Blocks that are replaced by empty ones: one per included commit.
	forks: u32,
	ended: Option<String>,
	/// The best chain has another job under the number.
	replaced: bool,
	/// Calls that named an order which is not the chain's.
	strays: u32,
	/// The run cannot be done, or not in time.
	hopeless: bool,
	broken: Option<&'static str>,
	give_backs: u32,
	/// Blocks until the deadline.
	left: u64,
	/// Uploads that fail.
	refused_uploads: u32,
	/// The finalized chain is behind.
	unfinal: bool,
	warnings: u32,
	/// What had been published when the result was revealed.
	delivered: bool,
}

impl World {
	/// The chain's own check of every call that binds somebody.
	fn bound(&mut self, facts: &Facts) -> Result<()> {
		let there = if self.replaced { OTHER } else { ORDER };
		if facts.id == (JobId { number: JOB, order: there }) {
			return Ok(());
		}
		self.strays += 1;
		Err(Error::new("Jobs.OtherOrder", "another order"))
	}
}

#[derive(Default)]
struct Fake(RefCell<World>);

impl Fake {
	fn open() -> Self {
		let fake = Self::default();
		fake.0.borrow_mut().open = true;
		fake.0.borrow_mut().left = 50;
		fake
	}

	/// A point at which the process may die.
	fn point(&self) -> Result<()> {
		let mut world = self.0.borrow_mut();
		world.calls += 1;
		match &mut world.fuse {
			Some(0) => Err(Error::new("node-lost", "killed")),
			Some(left) => {
				*left -= 1;
				Ok(())
			}
			None => Ok(()),
		}
	}

	/// A call with a point before and after its effect.
	fn effect(&self, act: impl FnOnce(&mut World) -> Result<()>) -> Result<()> {
		self.point()?;
		act(&mut self.0.borrow_mut())?;
		self.point()
	}
}

fn executed(flaw: u8) -> Executed {
	let anchors = |step: u8| (0..ANCHORS as u8).map(|i| [step * 16 + i + flaw; 32]).collect();
	let steps: Vec<Vec<Hash>> = (0..STEPS as u8).map(anchors).collect();
	Executed {
		traces: steps.iter().map(|a| trace_root(a)).collect(),
		last_anchors: steps[STEPS - 1].clone(),
		positions: POSITIONS.to_vec(),
		segments: None,
	}
}

/// The same, cut into segments of two steps.
fn executed_as(cut: bool, flaw: u8) -> Executed {
	let segments = cut.then(|| Segments { steps: 2, blobs: vec![[0xcc; 32], [0xdd; 32]] });
	Executed { segments, ..executed(flaw) }
}

impl Chain for Fake {
	async fn facts(&self, job: u64) -> Result<Option<Facts>> {
		self.point()?;
		let mut world = self.0.borrow_mut();
		if job != JOB {
			return Ok(None);
		}
		world.looks_since += 1;
		if world.revealed && world.looks_since > 4 {
			world.ended.get_or_insert("Paid".into());
		}
		let state = match (&world.ended, world.provider, world.commitment) {
			(Some(reason), ..) => JobState::Over(reason.clone()),
			(None, None, _) if world.open => JobState::Open,
			(None, None, _) => JobState::Posted,
			(None, Some(_), None) => JobState::Claimed,
			(None, Some(_), Some(_)) => JobState::Committed,
		};
		Ok(Some(Facts {
			id: JobId { number: job, order: if world.replaced { OTHER } else { ORDER } },
			work_units: 1,
			reveal_final: !world.unfinal,
			head: 100,
			deadline: Some(100 + world.left),
			price: 5,
			bond: 9,
			program: [0; 32],
			inputs: vec![],
			steps: STEPS as u32,
			segment_steps: world.cut.then_some(2),
			reveal_open: state == JobState::Committed && world.looks_since > 2,
			state,
			provider: world.provider,
			commitment: world.commitment,
			revealed: world.revealed,
		}))
	}

	async fn claim(&self, facts: &Facts) -> Result<()> {
		self.effect(|w| {
			w.bound(facts)?;
			if !w.open || w.provider.is_some() {
				return Err(Error::new("Jobs.WrongPhase", "not open"));
			}
			w.claims += 1;
			w.provider = Some(me());
			if w.pool {
				return Err(Error::new("Jobs.WrongPhase", "the first one was faster"));
			}
			Ok(())
		})
	}

	async fn give_back(&self, facts: &Facts) -> Result<()> {
		self.effect(|w| {
			w.bound(facts)?;
			w.give_backs += 1;
			if w.provider != Some(me()) || w.commitment.is_some() {
				return Err(Error::new("Jobs.WrongPhase", "not claimed"));
			}
			w.provider = None;
			Ok(())
		})
	}

	async fn commit(
		&self,
		facts: &Facts,
		commitment: Hash,
		checkpoints: Option<Checkpoints>,
	) -> Result<()> {
		self.effect(|w| {
			w.bound(facts)?;
			if checkpoints != executed_as(w.cut, 0).checkpoints().unwrap() {
				return Err(Error::new("Jobs.SegmentsMissing", "checkpoints"));
			}
			assert!(!w.cut || w.served, "verifiers find what is committed to");
			if w.provider != Some(me()) || w.commitment.is_some() {
				return Err(Error::new("Jobs.AlreadyCommitted", "committed"));
			}
			w.commits.push(commitment);
			if w.forks == 0 {
				w.commitment = Some(commitment);
			}
			w.forks = w.forks.saturating_sub(1);
			w.looks_since = 0;
			if w.pool {
				return Err(Error::new("Jobs.AlreadyCommitted", "the first one was faster"));
			}
			Ok(())
		})
	}

	async fn reveal(
		&self,
		facts: &Facts,
		root: Hash,
		salt: Hash,
		outputs: &OutputsOpening,
		segments: Option<&SegmentsOpening>,
	) -> Result<()> {
		self.effect(|w| {
			w.bound(facts)?;
			let cut = Segmentation::new(STEPS as u32, 2).unwrap();
			let shown = segments.and_then(|s| verify_segments(&root, &cut, s));
			assert_eq!(shown.is_some(), w.cut);
			let bound = result_commitment(&GENESIS, &facts.id.order, &me(), &root, &salt);
			let opens = verify_outputs(&root, STEPS as u64, ANCHORS as u64, &POSITIONS, outputs);
			if w.commitment != Some(bound) || !opens || w.revealed {
				return Err(Error::new("Jobs.RevealMismatch", "mismatch"));
			}
			w.reveals += 1;
			w.delivered = !w.published.is_empty();
			w.revealed = true;
			w.looks_since = 0;
			if w.pool {
				return Err(Error::new("Jobs.AlreadyRevealed", "the first one was faster"));
			}
			Ok(())
		})
	}
}

impl Engine for Fake {
	async fn run(&self, _: &Facts) -> Result<Option<Executed>> {
		self.point()?;
		let mut world = self.0.borrow_mut();
		if let Some(code) = world.broken {
			return Err(Error::new(code, "it cannot be run"));
		}
		if world.hopeless {
			return Ok(None);
		}
		world.runs += 1;
		world.lost_files = false;
		let (cut, flaw) = (world.cut, world.flaw);
		drop(world);
		self.point()?;
		Ok(Some(executed_as(cut, flaw)))
	}

	fn hopeless(&self, _: &Facts) -> Option<String> {
		self.0.borrow().hopeless.then(|| "it takes too long".into())
	}

	async fn serve(&self, _: JobId, executed: &Executed) -> Result<bool> {
		self.effect(|w| {
			if w.lost_files && executed.segments.is_some() {
				return Err(Error::new("file", "gone"));
			}
			w.served = executed.segments.is_some();
			Ok(())
		})?;
		Ok(true)
	}

	async fn publish(&self, _: JobId, executed: &Executed) -> Result<bool> {
		self.effect(|w| {
			if w.lost_files {
				return Err(Error::new("file", "gone"));
			}
			if w.refused_uploads > 0 {
				w.refused_uploads -= 1;
				return Err(Error::new("blob-quota", "the node is full"));
			}
			w.published = executed.outputs();
			Ok(())
		})?;
		Ok(true)
	}

	async fn restore(&self, facts: &Facts) -> Result<()> {
		self.run(facts).await.map(drop)
	}

	fn warn(&self, _: JobId, _: &Error) {
		self.0.borrow_mut().warnings += 1;
	}

	fn stop(&self, _: &Hash) {}
}

fn wait<F: Future>(future: F) -> F::Output {
	tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// One life of the process: from the database on disk to the end, a kill or `looks` looks.
fn live(fake: &Fake, path: &Path, looks: usize) -> Result<Option<String>> {
	let store = Store::open(path, &GENESIS, &me())?;
	let salt = Salt::new(&dev::charlie());
	let provider = Provider {
		chain: fake,
		engine: fake,
		store: &store,
		genesis: GENESIS,
		account: me(),
		salt: &salt,
		faults: Default::default(),
	};
	wait(async {
		provider.take(ID, 1, vec![[4; 32]])?;
		for _ in 0..looks {
			if let Progress::Over(reason) = provider.tick(&ORDER).await? {
				return Ok(Some(reason));
			}
		}
		Ok(None)
	})
}

fn right_and_once(fake: &Fake) {
	let world = fake.0.borrow();
	let salt = Salt::new(&dev::charlie()).of(&GENESIS, &ORDER);
	let root = run_root(&executed(0).traces);
	let expected = result_commitment(&GENESIS, &ORDER, &me(), &root, &salt);
	assert_eq!(world.commits, [expected]);
	assert_eq!((world.claims, world.reveals), (1, 1));
	assert_eq!(world.published, executed(0).outputs());
}

#[test]
fn job_should_end_paid_when_nothing_goes_wrong() {
	let dir = tempfile::tempdir().unwrap();
	let fake = Fake::open();
	let reason = live(&fake, &dir.path().join("p.redb"), 50).unwrap();
	assert_eq!(reason.as_deref(), Some("Paid"));
	right_and_once(&fake);
	assert_eq!(fake.0.borrow().runs, 1);
}

#[test]
fn checkpoints_should_be_served_before_the_commit_when_the_run_is_cut() {
	for lost_files in [false, true] {
		let dir = tempfile::tempdir().unwrap();
		let fake = Fake::open();
		fake.0.borrow_mut().cut = true;
		let path = dir.path().join("p.redb");
		if lost_files {
			// The run is done, and then its files are gone: it is run again for them.
			live(&fake, &path, 4).unwrap();
			fake.0.borrow_mut().lost_files = true;
		}
		let reason = live(&fake, &path, 50).unwrap();
		assert_eq!(reason.as_deref(), Some("Paid"));
		right_and_once(&fake);
		assert!(fake.0.borrow().served);
	}
}

#[test]
fn record_should_be_read_when_it_is_of_a_run_that_is_cut_or_of_an_older_version() {
	let whole = serde_json::to_string(&executed(0)).unwrap();
	assert!(!whole.contains("segments"), "as it always was");
	assert_eq!(serde_json::from_str::<Executed>(&whole).unwrap(), executed(0));
	let cut = executed_as(true, 0);
	let text = serde_json::to_string(&cut).unwrap();
	assert_eq!(serde_json::from_str::<Executed>(&text).unwrap(), cut);
	// A record that does not fit its run is a fault of this machine, and no panic.
	let mut unfit = cut;
	unfit.segments.as_mut().unwrap().steps = 3;
	assert_eq!(unfit.checkpoints().unwrap_err().code, "local-fault");
	assert!(unfit.segments_opening().is_err());
}

#[test]
fn job_should_be_claimed_committed_and_revealed_once_when_killed_at_every_point() {
	let whole = Fake::open();
	let dir = tempfile::tempdir().unwrap();
	live(&whole, &dir.path().join("whole.redb"), 50).unwrap();
	let points = whole.0.borrow().calls;
	assert!(points > 15, "the fake has {points} points");
	for first in 0..points {
		for second in [None, Some(0), Some(1), Some(3), Some(6)] {
			let path = dir.path().join(format!("{first}-{second:?}.redb"));
			let fake = Fake::open();
			for fuse in [Some(first), second].into_iter().flatten() {
				fake.0.borrow_mut().fuse = Some(fuse);
				match live(&fake, &path, 50) {
					Err(error) => assert_eq!(error.code, "node-lost"),
					Ok(reason) => assert_eq!(reason.as_deref(), Some("Paid")),
				}
			}
			fake.0.borrow_mut().fuse = None;
			let reason = live(&fake, &path, 50).unwrap();
			assert_eq!(reason.as_deref(), Some("Paid"), "kills at {first}, {second:?}");
			right_and_once(&fake);
		}
	}
}

#[test]
fn job_should_be_finished_when_the_database_is_lost_at_every_point() {
	let dir = tempfile::tempdir().unwrap();
	for point in 0..40 {
		let fake = Fake::open();
		fake.0.borrow_mut().fuse = Some(point);
		let died = live(&fake, &dir.path().join(format!("{point}-a.redb")), 50).is_err();
		fake.0.borrow_mut().fuse = None;
		let reason = live(&fake, &dir.path().join(format!("{point}-b.redb")), 50).unwrap();
		assert_eq!(reason.as_deref(), Some("Paid"), "lost at {point}");
		let world = fake.0.borrow();
		assert_eq!((world.claims, world.commits.len(), world.reveals), (1, 1, 1));
		assert!(died || world.runs == 1);
	}
}

#[test]
fn second_commit_should_never_be_sent_when_a_new_run_comes_out_otherwise() {
	let dir = tempfile::tempdir().unwrap();
	let fake = Fake::open();
	let (a, b) = (dir.path().join("a.redb"), dir.path().join("b.redb"));
	// Claimed, executed, committed; then the database is lost and the engine turns bad.
	while fake.0.borrow().commitment.is_none() {
		live(&fake, &a, 1).unwrap();
	}
	fake.0.borrow_mut().flaw = 1;
	let error = live(&fake, &b, 50).unwrap_err();
	assert_eq!(error.code, "commitment-conflict");
	assert_eq!(fake.0.borrow().commits.len(), 1);
	assert_eq!(fake.0.borrow().reveals, 0);
	// The old records still finish the job.
	assert_eq!(live(&fake, &a, 50).unwrap().as_deref(), Some("Paid"));
	assert_eq!(fake.0.borrow().commits.len(), 1);
}

#[test]
fn same_commitment_should_go_out_again_when_its_block_is_replaced() {
	let dir = tempfile::tempdir().unwrap();
	let fake = Fake::open();
	fake.0.borrow_mut().forks = 2;
	let reason = live(&fake, &dir.path().join("p.redb"), 80).unwrap();
	assert_eq!(reason.as_deref(), Some("Paid"));
	let world = fake.0.borrow();
	assert_eq!(world.commits.len(), 3);
	assert!(world.commits.iter().all(|c| *c == world.commits[0]));
	assert_eq!(world.runs, 1);
}

#[test]
fn job_should_end_paid_when_transactions_of_an_earlier_life_are_included_first() {
	let dir = tempfile::tempdir().unwrap();
	let fake = Fake::open();
	fake.0.borrow_mut().pool = true;
	let reason = live(&fake, &dir.path().join("p.redb"), 50).unwrap();
	assert_eq!(reason.as_deref(), Some("Paid"));
	right_and_once(&fake);
}

#[test]
fn outputs_should_be_made_again_when_their_files_are_lost() {
	let dir = tempfile::tempdir().unwrap();
	let path = dir.path().join("p.redb");
	let fake = Fake::open();
	while fake.0.borrow().commitment.is_none() {
		live(&fake, &path, 1).unwrap();
	}
	fake.0.borrow_mut().lost_files = true;
	assert_eq!(live(&fake, &path, 80).unwrap().as_deref(), Some("Paid"));
	right_and_once(&fake);
	assert_eq!(fake.0.borrow().runs, 2);
}

#[test]
fn job_should_be_left_when_another_provider_was_faster() {
	let dir = tempfile::tempdir().unwrap();
	let fake = Fake::open();
	fake.0.borrow_mut().provider = Some([9; 32]);
	let reason = live(&fake, &dir.path().join("p.redb"), 5).unwrap();
	assert_eq!(reason.as_deref(), Some("claimed by another provider"));
	let world = fake.0.borrow();
	assert_eq!((world.claims, world.runs, world.commits.len()), (0, 0, 0));
}

#[test]
fn job_should_be_left_with_the_reason_when_it_ends_in_any_stage() {
	let dir = tempfile::tempdir().unwrap();
	for looks in 1..9 {
		let path = dir.path().join(format!("{looks}.redb"));
		let fake = Fake::open();
		let _ = live(&fake, &path, looks).unwrap();
		fake.0.borrow_mut().ended = Some("ProviderTimeout".into());
		let reason = live(&fake, &path, 3).unwrap();
		assert!(matches!(reason.as_deref(), Some("ProviderTimeout" | "Paid")), "{looks}");
		let store = Store::open(&path, &GENESIS, &me()).unwrap();
		let record = store.get(&ORDER).unwrap().unwrap();
		assert!(matches!(record.stage, Stage::Done { .. }));
		assert!(store.active().unwrap().is_empty());
	}
}

#[test]
fn reveal_should_be_refused_locally_when_the_record_does_not_open() {
	let mut broken = executed(0);
	broken.last_anchors[0] = [0xee; 32];
	assert_eq!(broken.opening().unwrap_err().code, "local-fault");
	let mut broken = executed(0);
	broken.positions.push(99);
	assert_eq!(broken.opening().unwrap_err().code, "local-fault");
	executed(0).opening().unwrap();
}

#[test]
fn record_should_be_the_same_when_written_and_read() {
	for stage in [
		Stage::Claiming,
		Stage::Claimed,
		Stage::GivingBack { why: "too slow".into() },
		Stage::Executed(executed(0)),
		Stage::Committed(executed(1)),
		Stage::Handed(executed(2)),
		Stage::Published(executed(2)),
		Stage::Revealed(executed(3)),
		Stage::Done { reason: "Paid".into() },
	] {
		for strayed in [None, Some(5)] {
			let record =
				Record { stage: stage.clone(), strayed, ..Record::new(ID, 1, vec![[4; 32]]) };
			let bytes = serde_json::to_vec(&record).unwrap();
			assert_eq!(serde_json::from_slice::<Record>(&bytes).unwrap(), record);
		}
	}
}

#[test]
fn salt_should_be_deterministic_and_distinct_when_key_chain_or_order_differ() {
	let salt = Salt::new(&dev::alice());
	let one = salt.of(&GENESIS, &[1; 32]);
	assert_eq!(one, Salt::new(&crate::key::load("//Alice").unwrap()).of(&GENESIS, &[1; 32]));
	let others = [
		salt.of(&GENESIS, &[2; 32]),
		salt.of(&[2; 32], &[1; 32]),
		Salt::new(&dev::bob()).of(&GENESIS, &[1; 32]),
		dev::alice().public_key().0,
	];
	assert!(others.iter().all(|other| *other != one));
	// Fixed for good: a restart with a newer client must still be able to reveal.
	let expected = "4d19a867c367513af7c78cb76aa2aec4328de9dae3834ad793cae1fd1d2696ab";
	assert_eq!(hex::encode(one), expected);
}

/// What the store says of the order.
fn record(path: &Path) -> Record {
	Store::open(path, &GENESIS, &me()).unwrap().get(&ORDER).unwrap().unwrap()
}

/// Forks at every step: job 7 becomes another job after each number of looks, for a while or for
/// good. Nothing is ever sent for the other one, whatever was stored, restarts included; and where
/// the order comes back, the stored work goes on and the job is paid.
#[test]
fn nothing_should_be_sent_when_the_number_stands_for_another_order() {
	let dir = tempfile::tempdir().unwrap();
	let mut stages = std::collections::BTreeSet::new();
	for looks in 0..16 {
		let path = dir.path().join(format!("{looks}.redb"));
		let fake = Fake::open();
		if live(&fake, &path, looks).unwrap().is_some() {
			break;
		}
		let before = record(&path);
		stages.insert(before.stage.name());
		let sent = |fake: &Fake| {
			let world = fake.0.borrow();
			(world.claims, world.commits.len(), world.reveals, world.give_backs, world.strays)
		};
		let (was, chain) = (sent(&fake), {
			let world = fake.0.borrow();
			(world.provider, world.commitment, world.revealed)
		});
		// The other job is open, claimed by us on its own, or committed by somebody else.
		for (provider, commitment) in
			[(None, None), (Some(me()), None), (Some([9; 32]), Some([8; 32]))]
		{
			let mut world = fake.0.borrow_mut();
			(world.replaced, world.provider, world.commitment) = (true, provider, commitment);
			world.revealed = false;
			drop(world);
			// Each a life of its own, from the disk.
			for _ in 0..3 {
				assert_eq!(live(&fake, &path, 4).unwrap(), None, "after {looks}");
			}
			assert_eq!(sent(&fake), was, "after {looks} looks, {}", before.stage.name());
			let kept = record(&path);
			assert_eq!((kept.stage, kept.strayed.is_some()), (before.stage.clone(), true));
		}
		// It comes back as it was.
		let mut world = fake.0.borrow_mut();
		world.replaced = false;
		(world.provider, world.commitment, world.revealed) = chain;
		drop(world);
		let reason = live(&fake, &path, 60).unwrap();
		assert_eq!(reason.as_deref(), Some("Paid"), "after {looks}");
		right_and_once(&fake);
	}
	let all =
		["claimed", "claiming", "committed", "executed", "handed-over", "published", "revealed"];
	assert_eq!(stages.into_iter().collect::<Vec<_>>(), all, "every step was looked at");
}

/// The number changes between the look and the call: the chain refuses the call by its order.
#[test]
fn call_should_be_refused_by_its_order_when_the_fork_comes_in_between() {
	let dir = tempfile::tempdir().unwrap();
	let fake = Fake::open();
	let store = Store::open(&dir.path().join("p.redb"), &GENESIS, &me()).unwrap();
	let salt = Salt::new(&dev::charlie());
	let provider = Provider {
		chain: &fake,
		engine: &fake,
		store: &store,
		genesis: GENESIS,
		account: me(),
		salt: &salt,
		faults: Default::default(),
	};
	let facts = wait(fake.facts(JOB)).unwrap().unwrap();
	fake.0.borrow_mut().replaced = true;
	assert_eq!(wait(fake.claim(&facts)).unwrap_err().code, "Jobs.OtherOrder");
	assert_eq!(wait(fake.commit(&facts, [1; 32], None)).unwrap_err().code, "Jobs.OtherOrder");
	assert_eq!(fake.0.borrow().strays, 2);
	// And the state machine takes such a refusal for what it is.
	provider.take(ID, 1, vec![]).unwrap();
	assert_eq!(wait(provider.tick(&ORDER)).unwrap(), Progress::Strayed);
	assert_eq!(wait(provider.tick(&ORDER)).unwrap(), Progress::Waiting, "said once");
}

#[test]
fn order_should_be_forgotten_when_it_has_not_come_back_for_a_day() {
	let dir = tempfile::tempdir().unwrap();
	let path = dir.path().join("p.redb");
	let fake = Fake::open();
	live(&fake, &path, 3).unwrap();
	fake.0.borrow_mut().replaced = true;
	live(&fake, &path, 2).unwrap();
	let store = Store::open(&path, &GENESIS, &me()).unwrap();
	let old = Record { strayed: Some(1), ..store.get(&ORDER).unwrap().unwrap() };
	store.put(&old).unwrap();
	drop(store);
	let reason = live(&fake, &path, 2).unwrap();
	assert_eq!(reason.as_deref(), Some(super::machine::REPLACED));
}

#[test]
fn job_should_be_given_back_when_it_cannot_be_done_in_time() {
	let dir = tempfile::tempdir().unwrap();
	type Case = (&'static str, fn(&mut World));
	let cases: [Case; 3] = [
		("slow", |w| w.hopeless = true),
		("faulty", |w| w.broken = Some("job-fault")),
		("late", |w| (w.broken, w.left) = (Some("worker-failed"), 2)),
	];
	for (name, change) in cases {
		let path = dir.path().join(format!("{name}.redb"));
		let fake = Fake::open();
		live(&fake, &path, 1).unwrap();
		change(&mut fake.0.borrow_mut());
		let reason = live(&fake, &path, 8).unwrap_or(None);
		assert!(reason.is_some_and(|reason| reason.starts_with("given back: ")), "{name}");
		let world = fake.0.borrow();
		assert_eq!((world.give_backs, world.commits.len()), (1, 0), "{name}");
	}
}

/// Without the memory or the disk for it a run fails every time: each try would only burn more of
/// the bond.
#[test]
fn job_should_be_given_back_at_once_when_memory_or_disk_fail_twice() {
	let dir = tempfile::tempdir().unwrap();
	for (code, looks) in [("out-of-memory", 2), ("disk-fault", 2), ("worker-failed", 0)] {
		let fake = Fake::open();
		let store = Store::open(&dir.path().join(code), &GENESIS, &me()).unwrap();
		let salt = Salt::new(&dev::charlie());
		let provider = Provider {
			chain: &fake,
			engine: &fake,
			store: &store,
			genesis: GENESIS,
			account: me(),
			salt: &salt,
			faults: Default::default(),
		};
		provider.take(ID, 1, vec![]).unwrap();
		wait(provider.tick(&ORDER)).unwrap();
		fake.0.borrow_mut().broken = Some(code);
		let gives_back = |_: &usize| {
			matches!(wait(provider.tick(&ORDER)), Ok(Progress::Moved(Stage::GivingBack { .. })))
		};
		assert_eq!((1..9).find(gives_back).unwrap_or(0), looks, "{code}");
	}
}

/// Silence costs the bond: the reveal is a pure function of key and chain, and waits for no record.
#[test]
fn reveal_should_go_out_in_time_when_nothing_can_be_written_any_more() {
	for (committed, refused_uploads) in [(false, 0), (true, 0), (true, 99)] {
		let dir = tempfile::tempdir().unwrap();
		let path = dir.path().join("p.redb");
		let fake = Fake::open();
		live(&fake, &path, 2).unwrap();
		let store = Store::open(&path, &GENESIS, &me()).unwrap();
		let salt = Salt::new(&dev::charlie());
		let provider = Provider {
			chain: &fake,
			engine: &fake,
			store: &store,
			genesis: GENESIS,
			account: me(),
			salt: &salt,
			faults: Default::default(),
		};
		// The disk is full when the commitment is recorded, or after that.
		store.full.store(!committed, std::sync::atomic::Ordering::Relaxed);
		let commit = wait(provider.tick(&ORDER));
		assert_eq!((commit.is_ok(), fake.0.borrow().commits.len()), (committed, 1));
		store.full.store(true, std::sync::atomic::Ordering::Relaxed);
		(fake.0.borrow_mut().left, fake.0.borrow_mut().refused_uploads) = (20, refused_uploads);
		for _ in 0..4 {
			let _ = wait(provider.tick(&ORDER));
		}
		assert!(!fake.0.borrow().revealed, "there is time");
		fake.0.borrow_mut().left = 6;
		let _ = wait(provider.tick(&ORDER));
		assert!(fake.0.borrow().revealed);
	}
}

/// A worker that crashes, hangs or answers garbage: the run is tried again as long as there is
/// time, and costs no bond.
#[test]
fn run_should_be_tried_again_while_there_is_time_when_a_worker_fails() {
	let dir = tempfile::tempdir().unwrap();
	let path = dir.path().join("p.redb");
	let fake = Fake::open();
	live(&fake, &path, 1).unwrap();
	fake.0.borrow_mut().broken = Some("worker-failed");
	for _ in 0..5 {
		assert_eq!(live(&fake, &path, 3).unwrap_err().code, "worker-failed");
	}
	assert_eq!(fake.0.borrow().give_backs, 0);
	fake.0.borrow_mut().broken = None;
	assert_eq!(live(&fake, &path, 50).unwrap().as_deref(), Some("Paid"));
	right_and_once(&fake);
}

#[test]
fn give_back_should_survive_a_kill_and_a_replaced_block() {
	let dir = tempfile::tempdir().unwrap();
	for fuse in 0..12 {
		let path = dir.path().join(format!("{fuse}.redb"));
		let fake = Fake::open();
		live(&fake, &path, 1).unwrap();
		fake.0.borrow_mut().hopeless = true;
		fake.0.borrow_mut().fuse = Some(fuse);
		let first = live(&fake, &path, 8);
		fake.0.borrow_mut().fuse = None;
		if first.is_err() && fuse % 2 == 1 {
			// The block with it was replaced.
			fake.0.borrow_mut().provider = Some(me());
		}
		// Who is done does not look at the job again: the chain has barred it.
		let reason = first.or_else(|_| live(&fake, &path, 8)).unwrap();
		assert!(reason.is_some_and(|reason| reason.starts_with("given back")), "{fuse}");
		let world = fake.0.borrow();
		assert_eq!((world.provider, world.runs, world.claims), (None, 0, 1), "{fuse}");
	}
}

#[test]
fn outputs_should_be_handed_over_before_the_reveal() {
	let dir = tempfile::tempdir().unwrap();
	for refused_uploads in [0, 3] {
		let path = dir.path().join(format!("{refused_uploads}.redb"));
		let fake = Fake::open();
		fake.0.borrow_mut().refused_uploads = refused_uploads;
		for _ in 0..20 {
			match live(&fake, &path, 20) {
				Ok(Some(reason)) => assert_eq!(reason, "Paid"),
				Ok(None) => {}
				Err(error) => assert_eq!(error.code, "blob-quota"),
			}
		}
		right_and_once(&fake);
		assert!(fake.0.borrow().delivered && fake.0.borrow().warnings == 0);
	}
}

#[test]
fn reveal_should_be_sent_with_a_warning_when_the_outputs_cannot_be_handed_over_in_time() {
	let dir = tempfile::tempdir().unwrap();
	let path = dir.path().join("p.redb");
	let fake = Fake::open();
	fake.0.borrow_mut().refused_uploads = u32::MAX;
	for _ in 0..10 {
		let _ = live(&fake, &path, 10);
	}
	assert_eq!(fake.0.borrow().reveals, 0, "there is time");
	fake.0.borrow_mut().left = 5;
	for _ in 0..3 {
		let _ = live(&fake, &path, 10);
	}
	let world = fake.0.borrow();
	assert_eq!((world.reveals, world.delivered), (1, false));
	assert!(world.warnings > 0);
}

#[test]
fn reveal_should_wait_for_finality_until_it_is_late() {
	let dir = tempfile::tempdir().unwrap();
	for late in [false, true] {
		let path = dir.path().join(format!("{late}.redb"));
		let fake = Fake::open();
		fake.0.borrow_mut().unfinal = true;
		assert_eq!(live(&fake, &path, 40).unwrap(), None);
		assert_eq!(fake.0.borrow().reveals, 0);
		match late {
			true => fake.0.borrow_mut().left = 6,
			false => fake.0.borrow_mut().unfinal = false,
		}
		assert_eq!(live(&fake, &path, 40).unwrap().as_deref(), Some("Paid"));
		right_and_once(&fake);
	}
}
