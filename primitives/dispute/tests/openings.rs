//! Chunks of a verifier's own run: that they open, what they cost, and machines that compute
//! otherwise the second time.

mod common;

use assay_commitments::run_root;
use assay_dispute::{Error, Job, Opener, Replay, Replayed};
use assay_engine_testing::{Draw, Rng};
use assay_program::Source;
use assay_referee::sample::{check_all, positions};
use common::{admissible_case, flip, on_cpu, Table, Tampering};
use std::{
	collections::BTreeSet,
	sync::{atomic::Ordering, Arc},
};

/// A random job with an honest run of it, whose steps are replayed from a table.
fn committed(rng: &mut Rng) -> (Arc<Table>, Arc<Job>) {
	let nodes = 1 + rng.below(8) as usize;
	let (mut case, checked) = admissible_case(rng, nodes, 9000);
	if case.steps > 1 {
		case.steps = rng.range(2, 9) as u32;
	}
	let table = Table::new(&case, &checked, |_, _, _| Tampering::None);
	let mut job = Arc::unwrap_or_clone(table.job(&case, &checked));
	// Nothing has been revealed, and nobody needs it.
	job.trace_root = [0; 32];
	(table, Arc::new(job))
}

fn bytes(rng: &mut Rng) -> [u8; 32] {
	std::array::from_fn(|_| rng.below(256) as u8)
}

fn whole(table: &Table, job: &Job, keep: &[Source]) -> Replayed {
	pollster::block_on(table.replay(job.steps, keep)).unwrap()
}

fn anchors(job: &Job) -> Vec<Source> {
	job.checked.anchors.iter().map(|node| Source::Node(*node)).collect()
}

#[test]
fn chunks_should_be_those_that_the_chain_takes_and_cost_a_replay_for_each_step() {
	let mut rng = Rng::seeded("openings");
	let mut spared = 0;
	for round in 0..300 {
		let (table, job) = committed(&mut rng);
		let seed = bytes(&mut rng);
		let accounts: Vec<_> = (0..rng.range(1, 3)).map(|_| bytes(&mut rng)).collect();
		let asked = accounts.iter().flat_map(|account| positions(&seed, account, &*job).unwrap());
		let steps: BTreeSet<_> = asked.map(|position| position.step).collect();
		let last = job.steps - 1;

		// All steps cost one more where none of these is the last.
		let mut opener = Opener::new(job.clone(), table.clone()).unwrap();
		let chunks = pollster::block_on(opener.sample(&seed, &accounts)).unwrap();
		let expected = steps.len() as u32 + u32::from(!steps.contains(&last));
		assert_eq!(table.replays.swap(0, Ordering::Relaxed), expected, "round {round}");
		assert_eq!(chunks.len(), accounts.len());
		for (account, chunks) in accounts.iter().zip(&chunks) {
			assert!(check_all(&job.run_root, &*job, &seed, account, chunks), "round {round}");
		}

		// What is remembered of the verdict's run spares that one, and the last step's with
		// tensors.
		for (keep, remembered) in [(vec![], None), (anchors(&job), Some(&last))] {
			let run = whole(&table, &job, &keep);
			table.replays.store(0, Ordering::Relaxed);
			let mut opener =
				Opener::new(job.clone(), table.clone()).unwrap().with_run(run).unwrap();
			let again = pollster::block_on(opener.sample(&seed, &accounts)).unwrap();
			assert_eq!(again, chunks, "round {round}");
			let expected = steps.iter().filter(|step| remembered != Some(*step)).count() as u32;
			assert_eq!(table.replays.swap(0, Ordering::Relaxed), expected, "round {round}");
			spared += u32::from(expected == 0);
		}
	}
	assert!(spared > 0, "no round needed no replay");
}

#[test]
fn engine_should_open_the_same_chunks_as_the_definition() {
	let mut rng = Rng::seeded("openings_on_cpu");
	for _ in 0..20 {
		let (case, checked) = admissible_case(&mut rng, 6, 9000);
		let table = Table::new(&case, &checked, |_, _, _| Tampering::None);
		let job = table.job(&case, &checked);
		let (seed, account) = (bytes(&mut rng), bytes(&mut rng));
		let mut opener = Opener::new(job.clone(), table.clone()).unwrap();
		let mut engine = Opener::new(job.clone(), on_cpu(&job, &case)).unwrap();
		let chunks = pollster::block_on(engine.sample(&seed, &[account])).unwrap();
		assert_eq!(pollster::block_on(opener.sample(&seed, &[account])).unwrap(), chunks);
	}
}

#[test]
fn nothing_should_be_opened_when_the_machine_computes_otherwise_the_second_time() {
	let mut rng = Rng::seeded("openings_of_another_run");
	for _ in 0..50 {
		let (mut case, checked) = admissible_case(&mut rng, 5, 6000);
		case.steps = if case.program.states.is_empty() { 1 } else { 4 };
		let honest = Table::new(&case, &checked, |_, _, _| Tampering::None);
		let job = honest.job(&case, &checked);
		let wrong = Table::new(&case, &checked, |_, _, bytes| flip(&mut rng, bytes));
		let (seed, accounts) = (bytes(&mut rng), [bytes(&mut rng)]);

		// After a restart nothing but the root is known.
		let mut opener = Opener::new(job.clone(), wrong.clone()).unwrap();
		match pollster::block_on(opener.sample(&seed, &accounts)) {
			Err(Error::OtherRun { ours, theirs }) => {
				assert_eq!((ours, theirs), (run_root(&wrong.traces()), job.run_root));
			}
			other => panic!("{other:?}"),
		}
		// Before it the run is.
		let run = whole(&honest, &job, &[]);
		let opener = Opener::new(job.clone(), wrong.clone()).unwrap();
		let unstable = pollster::block_on(opener.with_run(run).unwrap().sample(&seed, &accounts));
		assert!(matches!(unstable, Err(Error::Unstable { step: 0 })), "{unstable:?}");
		// A remembered run that is not the one of the verdict.
		let run = whole(&wrong, &job, &anchors(&job));
		let opener = Opener::new(job.clone(), wrong.clone()).unwrap();
		let other = pollster::block_on(opener.with_run(run).unwrap().sample(&seed, &accounts));
		assert!(matches!(other, Err(Error::OtherRun { .. })), "{other:?}");
		// Remembered tensors that are not those of its roots.
		let mut run = whole(&honest, &job, &anchors(&job));
		run.kept.values_mut().next().unwrap()[0] ^= 1;
		let kept = Opener::new(job.clone(), honest.clone()).unwrap().with_run(run);
		assert!(matches!(kept.err(), Some(Error::Kept { .. })));
	}
}
