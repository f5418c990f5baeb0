//! What is kept, against the answers of replays.

use super::*;
use assay_commitments::{tensor_root, RunShape};
use assay_dispute::{local::LocalReplay, Answerer};
use assay_engine_testing::{random_case, Case, Rng};
use assay_exec::{CpuExecutor, Executor, Options, Work};
use assay_program::Source;
use std::sync::Arc;

/// A run of a random program, with its folder as [`Kept::store`] and [`Kept::store_step`] leave it.
struct Ran {
	_dir: tempfile::TempDir,
	kept: Kept,
	job: Arc<Job>,
	traces: Vec<Hash>,
	case: Case,
}

fn chunk_values(bytes: &[u8]) -> Vec<u8> {
	let count = (bytes.len() / assay_commitments::CHUNK_BYTES) as u64;
	let chunks = (0..).zip(bytes.chunks(assay_commitments::CHUNK_BYTES));
	let value = |(at, chunk)| assay_commitments::chunk_value(count, at, chunk).unwrap();
	chunks.flat_map(value).collect()
}

fn ran(rng: &mut Rng) -> Ran {
	let mut case = random_case(rng, 12, 600);
	let checked = case.check();
	let dir = tempfile::tempdir().unwrap();
	let kept = Kept::new(dir.path(), JobId { number: 1, order: [1; 32] });
	create_private(&kept.dir).unwrap();
	let nodes: Vec<u32> = checked.anchors.iter().chain(&checked.lazy).copied().collect();
	let keep: Vec<_> = nodes.iter().map(|node| Source::Node(*node)).collect();
	let mut traces = Vec::new();
	let mut all = Vec::new();
	for step in 0..case.steps {
		let run = CpuExecutor::new()
			.run(
				&Work {
					program: &case.program,
					checked: &checked,
					inputs: &case.inputs,
					steps: step + 1,
				},
				Options { keep: &keep, ..Options::default() },
				&mut (),
			)
			.unwrap();
		let anchors = run.anchor_roots.last().unwrap();
		all.extend(anchors.concat());
		let trees: Vec<u8> =
			run.kept.iter().flat_map(|(_, tensor)| chunk_values(&tensor.bytes)).collect();
		let listed: Vec<u8> = nodes.iter().flat_map(|node| node.to_le_bytes()).collect();
		std::fs::write(kept.file(&format!("nodes-{step}")), listed).unwrap();
		std::fs::write(kept.file(&format!("trees-{step}")), trees).unwrap();
		if !run.lazy_roots.is_empty() {
			let check = *blake3::hash(run.lazy_roots.as_flattened()).as_bytes();
			let lazy = [&run.lazy_roots[..], &[check]].concat().concat();
			std::fs::write(kept.file(&format!("lazy-{step}")), lazy).unwrap();
		}
		traces = run.trace_roots;
	}
	std::fs::write(kept.file("anchors"), all).unwrap();
	let job = Arc::new(Job {
		input_roots: case.inputs.iter().map(|input| tensor_root(&input.bytes)).collect(),
		steps: case.steps,
		run_root: assay_commitments::run_root(&traces),
		trace_root: *traces.last().unwrap(),
		program: case.program.clone(),
		checked,
	});
	Ran { _dir: dir, kept, job, traces, case }
}

/// The groups right below the root of every tree of a run.
fn places(job: &Job) -> Vec<Place> {
	let anchors = job.anchors() + job.checked.lazy.len() as u32;
	let mut places = vec![Place::first(job).unwrap()];
	for step in 0..job.steps {
		places.push(Place::Trace { step, level: 0, index: 0 });
		for anchor in 0..anchors {
			places.push(Place::Tensor { step, anchor, level: 0, index: 0 });
			places.push(Place::Lazy { step, anchor, level: 0, index: 0 });
		}
	}
	places.retain(|place| place.group_len(job).is_some());
	places
}

#[test]
fn every_group_should_be_opened_without_a_replay_when_it_is_kept() {
	let seed = 0x4e97_0001;
	println!("seed {seed:#x}");
	let mut rng = Rng::new(seed);
	let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
	let (mut groups, mut steps) = (0, 0);
	for _ in 0..30 {
		let ran = ran(&mut rng);
		steps = steps.max(ran.case.steps);
		let replay = LocalReplay::new(ran.job.clone(), ran.case.inputs.clone(), CpuExecutor::new());
		let mut answerer = Answerer::new(ran.job.clone(), replay).unwrap();
		for place in places(&ran.job) {
			let answer = runtime.block_on(answerer.answer(place)).unwrap();
			let opened = ran.kept.open(&place, &ran.job, &ran.traces);
			assert_eq!(opened, Some(answer), "seed {seed:#x}, {place:?}");
			groups += 1;
		}
	}
	assert!(groups > 300 && steps > 1, "seed {seed:#x}: {groups} groups, {steps} steps");
}

#[test]
fn nothing_wrong_should_be_handed_out_when_the_disk_is() {
	let seed = 0x4e97_0002;
	println!("seed {seed:#x}");
	let mut rng = Rng::new(seed);
	let mut refused = 0;
	for _ in 0..40 {
		let ran = ran(&mut rng);
		let names: Vec<_> = std::fs::read_dir(&ran.kept.dir).unwrap().flatten().collect();
		let all: Vec<_> = places(&ran.job)
			.into_iter()
			.map(|place| (place, ran.kept.open(&place, &ran.job, &ran.traces).unwrap()))
			.collect();
		let path = names[rng.below(names.len() as u64) as usize].path();
		let mut bytes = std::fs::read(&path).unwrap();
		let at = rng.below(bytes.len() as u64) as usize;
		match rng.below(3) {
			0 => bytes.truncate(at),
			1 => bytes[at] ^= 1 << rng.below(8),
			_ => bytes.extend([7; 32]),
		}
		std::fs::write(&path, bytes).unwrap();
		for (place, right) in all {
			match ran.kept.open(&place, &ran.job, &ran.traces) {
				Some(opened) => assert_eq!(opened, right, "seed {seed:#x}, {place:?}, {path:?}"),
				None => refused += 1,
			}
		}
	}
	assert!(refused > 20, "seed {seed:#x}: {refused}");
}

#[test]
fn plan_should_keep_within_its_budget_and_cut_where_the_job_is_cut() {
	let mut rng = Rng::new(3);
	let mut cuts = 0;
	for _ in 0..60 {
		let mut case = random_case(&mut rng, 12, 600);
		case.check();
		// Some are too much for the chain's referee.
		let Ok(loaded) = Loaded::new(case.program.encode(), "a random program") else { continue };
		let nothing = plan(&loaded, 64, None, 0);
		// The anchors' roots are kept in any case.
		let record = Record { anchors: true, ..Record::default() };
		assert_eq!(nothing, Plan { record, cut: None });
		let asked = plan(&loaded, 64, Some(16), 0);
		assert_eq!(asked.record.checkpoint_every, 16);
		let all = plan(&loaded, 64, None, 1 << 30);
		assert!(all.record.anchors);
		assert!(all.record.trees.len() >= loaded.checked.anchors.len());
		assert_eq!(all.cut.is_some(), !loaded.program.states.is_empty());
		cuts += u32::from(all.cut.is_some());
		assert!(all.cut.is_none_or(|cut| cut.count() <= CHECKPOINTS));
		assert!(!plan(&loaded, 1, None, 1 << 30).record.anchors, "they are in the record");
	}
	assert!(cuts > 3, "{cuts}");
}

/// Three lanes at three steps of one job take one replay, and what it writes opens all of them.
#[test]
fn replay_should_write_what_every_lane_waits_for_when_they_are_at_different_steps() {
	let mut rng = Rng::new(4);
	let mut lazies = 0;
	for _ in 0..60 {
		let ran = ran(&mut rng);
		let checked = &ran.job.checked;
		let mut places: Vec<_> = places(&ran.job);
		places.retain(|place| !matches!(place, Place::Run { .. }));
		let records = plan_steps(&ran.job, &places, 0);
		let steps: Vec<u32> = (0..ran.job.steps).collect();
		assert!(records.keys().copied().eq(steps), "one pass over all of them");
		for place in places {
			match place {
				Place::Tensor { step, anchor, .. } => {
					let all: Vec<_> = checked.anchors.iter().chain(&checked.lazy).collect();
					assert!(records[&step].trees.contains(all[anchor as usize]), "{place:?}");
				}
				Place::Lazy { step, .. } => {
					let listed = |node| checked.lazy.contains(node);
					assert!(records[&step].trees.iter().any(listed), "{place:?}");
					lazies += 1;
				}
				_ => {}
			}
		}
		// Where there is room, what else may be demanded of the step is written along.
		let one = [Place::Trace { step: 0, level: 0, index: 0 }];
		assert!(plan_steps(&ran.job, &one, 0)[&0].trees.is_empty());
		assert!(plan_steps(&ran.job, &one, 1 << 30)[&0].trees.len() >= checked.anchors.len());
		assert!(plan_steps(&ran.job, &[Place::Run { level: 0, index: 0 }], 0).is_empty());
	}
	assert!(lazies > 0);
}

/// A thief's cheap jobs, which have filled the budget, make way for what is worth stealing; the
/// roots stay.
#[test]
fn budget_should_go_to_the_jobs_with_the_most_bond_whoever_came_first() {
	let dir = tempfile::tempdir().unwrap();
	let base = dir.path();
	let kept = |number: u8, bond: u128| {
		let kept = Kept::new(base, JobId { number: number.into(), order: [number; 32] });
		kept.note_bond(bond).unwrap();
		create_private(&kept.file("states")).unwrap();
		for name in ["states/one", "manifest", "trees-3", "nodes-3", "anchors", "lazy-3"] {
			std::fs::write(kept.file(name), [0; 100]).unwrap();
		}
		kept
	};
	let all = [kept(1, 10), kept(2, 20), kept(3, 10)];
	assert_eq!(size(base), 3 * 616);
	let budget = 2_000;
	assert_eq!([5, 10, 11, 21].map(|bond| room(base, budget, bond)), [152, 152, 1_384, 2_000]);
	let dear = kept(4, 1_000);
	assert_eq!(dear.bond(), 1_000);
	displace(base, 2_100);
	let whole = |kept: &Kept| kept.file("trees-3").exists() && kept.file("states").exists();
	assert_eq!([&all[0], &all[1], &all[2], &dear].map(whole), [false, true, true, true]);
	displace(base, 1_300);
	assert_eq!([&all[0], &all[1], &all[2], &dear].map(whole), [false, false, false, true]);
	assert!(all.iter().all(|kept| kept.file("anchors").exists() && kept.file("lazy-3").exists()));
}
