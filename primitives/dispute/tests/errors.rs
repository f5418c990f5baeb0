//! Machines that compute wrongly, records that are not sound, and lanes that went another way.

mod common;

use assay_commitments::Place;
use assay_dispute::{Answerer, BoxError, Challenger, Error, Job, Move, Replay, Replayed};
use assay_engine_testing::{Case, Draw, Rng};
use assay_program::{Checked, Source};
use common::{admissible_case, flip, lead, on_cpu, Lane, Table, Tampering};
use std::sync::{
	atomic::{AtomicU32, Ordering},
	Arc,
};

/// A case with state and several steps, an honest run of it and one whose every anchor is wrong
/// from step 1 on, with the job of that one.
fn disputed(name: &str) -> (Case, Checked, Arc<Table>, Arc<Table>, Arc<Job>) {
	let mut rng = Rng::seeded(name);
	loop {
		let (mut case, checked) = admissible_case(&mut rng, 5, 6000);
		let mut anchors = checked.anchors.iter().chain(&checked.lazy);
		let small = anchors.any(|&node| checked.types[node as usize].tiles() < 2);
		if case.program.states.is_empty() || small {
			continue;
		}
		case.steps = 4;
		let honest = Table::new(&case, &checked, |_, _, _| Tampering::None);
		let wrong = Table::new(&case, &checked, |step, _, bytes| match step {
			0 => Tampering::None,
			_ => flip(&mut rng, bytes),
		});
		let job = wrong.job(&case, &checked);
		return (case, checked, honest, wrong, job);
	}
}

/// A replay that from a certain call on fails, or changes what it gives.
struct Spoilt {
	table: Arc<Table>,
	calls: AtomicU32,
	from: u32,
	spoil: Option<fn(&mut Replayed)>,
}

impl Spoilt {
	fn new(table: &Arc<Table>, from: u32, spoil: Option<fn(&mut Replayed)>) -> Self {
		Self { table: table.clone(), calls: AtomicU32::new(0), from, spoil }
	}
}

impl Replay for Spoilt {
	async fn replay(&self, steps: u32, keep: &[Source]) -> Result<Replayed, BoxError> {
		let mut replayed = self.table.replay(steps, keep).await?;
		if self.calls.fetch_add(1, Ordering::Relaxed) >= self.from {
			self.spoil.ok_or("no device")?(&mut replayed);
		}
		Ok(replayed)
	}

	async fn input(&self, index: u16) -> Result<Vec<u8>, BoxError> {
		let mut bytes = self.table.input(index).await?;
		bytes[0] ^= 1;
		Ok(bytes)
	}
}

fn led<R: Replay>(job: &Arc<Job>, wrong: &Arc<Table>, replay: R) -> Result<Move, Error> {
	let mut provider = Answerer::new(job.clone(), wrong.clone()).unwrap();
	let mut only = Some(Challenger::new(job.clone(), replay).unwrap());
	lead(&mut Lane::new(job), &mut provider, || only.take())
}

#[test]
fn dispute_should_end_by_name_when_the_own_replay_is_unsound() {
	let (_, _, honest, wrong, job) = disputed("unsound_replay");
	let spoilt = |from, spoil: fn(&mut Replayed)| {
		led(&job, &wrong, Spoilt::new(&honest, from, Some(spoil))).unwrap_err()
	};
	let error = led(&job, &wrong, Spoilt::new(&honest, 0, None)).unwrap_err();
	assert!(matches!(error, Error::Replay { steps: 4, .. }), "{error}");
	assert!(error.to_string().contains("no device"), "{error}");
	let unsound: [fn(&mut Replayed); 4] = [
		|run| run.trace_roots.truncate(3),
		|run| run.last_anchors.clear(),
		|run| run.last_anchors[0][0] ^= 1,
		|run| run.trace_roots.clear(),
	];
	for spoil in unsound {
		let error = spoilt(0, spoil);
		assert!(matches!(error, Error::Replayed { steps: 4, .. }), "{error}");
	}
	// The first call replays everything, the second one the first two steps with tensors.
	let error = spoilt(1, |run| run.trace_roots[0][0] ^= 1);
	assert!(matches!(error, Error::Unstable { step: 0 }), "{error}");
	let error = spoilt(1, |run| run.kept.clear());
	assert!(matches!(error, Error::Replayed { steps: 2, .. }), "{error}");
	let error = spoilt(1, |run| run.kept.values_mut().for_each(|bytes| bytes.truncate(1024)));
	assert!(matches!(error, Error::Kept { step: 1, .. }), "{error}");
	let error = spoilt(1, |run| run.kept.values_mut().for_each(|bytes| bytes[7] ^= 1));
	assert!(matches!(error, Error::Kept { step: 1, .. }), "{error}");
}

#[test]
fn dispute_should_end_by_name_when_the_own_list_is_unsound() {
	let mut rng = Rng::seeded("unsound_list");
	// Until a dispute goes through a list.
	let mut reached = 0;
	while reached < 5 {
		let (case, checked) = admissible_case(&mut rng, 6, 1000);
		if checked.lazy_before(checked.anchors.len() as u32 - 1) == 0 {
			continue;
		}
		let honest = Table::new(&case, &checked, |_, _, _| Tampering::None);
		let last = *checked.anchors.last().unwrap();
		let wrong = Table::new(&case, &checked, |_, node, bytes| {
			if node == last {
				flip(&mut rng, bytes)
			} else {
				Tampering::None
			}
		});
		let job = wrong.job(&case, &checked);
		let spoilt =
			|spoil: fn(&mut Replayed)| led(&job, &wrong, Spoilt::new(&honest, 0, Some(spoil)));
		let error = spoilt(|run| run.last_lazy.clear()).unwrap_err();
		assert!(matches!(error, Error::Replayed { .. }), "{error}");
		assert!(error.to_string().contains("lazy anchor"), "{error}");
		let error = spoilt(|run| run.last_lazy.push([0; 32])).unwrap_err();
		assert!(matches!(error, Error::Replayed { .. }), "{error}");
		let flipped = |run: &mut Replayed| run.last_lazy.iter_mut().for_each(|root| root[0] ^= 1);
		let error = spoilt(flipped).unwrap_err();
		assert!(matches!(error, Error::Kept { .. }), "{error}");
		reached += 1;
	}
}

#[test]
fn answerer_should_say_what_is_its_own_word_and_state_it_as_often_as_asked() {
	let mut rng = Rng::seeded("stated");
	let (case, checked) = loop {
		let (case, checked) = admissible_case(&mut rng, 8, 1000);
		if checked.lazy_before(checked.anchors.len() as u32 - 1) > 1 {
			break (case, checked);
		}
	};
	let honest = Table::new(&case, &checked, |_, _, _| Tampering::None);
	let job = honest.job(&case, &checked);
	let anchor = checked.anchors.len() as u32 - 1;
	let list = Place::Lazy { step: 0, anchor, level: 0, index: 0 };
	let mut provider = Answerer::new(job.clone(), on_cpu(&job, &case)).unwrap();
	assert!(provider.is_stated(&list));
	assert!(!provider.is_stated(&Place::Trace { step: 0, level: 0, index: 0 }));
	let roots = pollster::block_on(provider.answer(list)).unwrap();
	assert_eq!(roots.len() as u32, checked.lazy_before(anchor));
	// Another process states the same.
	let mut again = Answerer::new(job.clone(), honest.clone()).unwrap();
	assert_eq!(pollster::block_on(again.answer(list)).unwrap(), roots);
	for place in [
		Place::Lazy { step: 0, anchor: anchor + 1, level: 0, index: 0 },
		Place::Lazy { step: 0, anchor, level: 8, index: 0 },
		Place::Lazy { step: 0, anchor, level: 0, index: 1 },
		Place::Lazy { step: u32::MAX, anchor, level: 0, index: 0 },
	] {
		let error = pollster::block_on(provider.answer(place)).unwrap_err();
		assert!(matches!(error, Error::NoSuchPlace(_)), "{error}");
	}
}

#[test]
fn proof_should_fail_by_name_when_an_input_is_not_the_jobs() {
	let mut rng = Rng::seeded("wrong_input");
	// Until a proof is one that reads an input.
	loop {
		let (case, checked) = admissible_case(&mut rng, 3, 3000);
		let honest = Table::new(&case, &checked, |_, _, _| Tampering::None);
		let wrong = Table::new(&case, &checked, |_, _, bytes| flip(&mut rng, bytes));
		let job = wrong.job(&case, &checked);
		match led(&job, &wrong, Spoilt::new(&honest, u32::MAX, None)) {
			Err(Error::InputRoot { .. }) => return,
			Ok(Move::Prove(_)) => {}
			other => panic!("{other:?}"),
		}
	}
}

#[test]
fn answerer_should_answer_nothing_when_the_run_is_not_its_own() {
	let (case, checked, honest, wrong, job) = disputed("other_run");
	let first = Place::Run { level: 0, index: 0 };
	let mut stranger = Answerer::new(job.clone(), on_cpu(&job, &case)).unwrap();
	for place in [first, Place::Trace { step: 0, level: 0, index: 0 }] {
		let error = pollster::block_on(stranger.answer(place)).unwrap_err();
		assert!(matches!(error, Error::OtherRun { theirs, .. } if theirs == job.run_root));
	}
	let mistaken = Answerer::new(job.clone(), wrong.clone()).unwrap();
	let error = mistaken.with_run(honest.traces(), honest.last_anchors()).err().unwrap();
	assert!(matches!(error, Error::OtherRun { .. }), "{error}");
	let mistaken = Answerer::new(job.clone(), wrong.clone()).unwrap();
	let error = mistaken.with_run(wrong.traces(), honest.last_anchors()).err().unwrap();
	assert!(matches!(error, Error::Replayed { .. }), "{error}");

	let mut provider = Answerer::new(job.clone(), wrong).unwrap();
	assert_eq!(pollster::block_on(provider.answer(first)).unwrap().len(), 4);
	// Lazy anchors come after the eager ones.
	let anchors = (checked.anchors.len() + checked.lazy.len()) as u32;
	for place in [
		Place::Run { level: 0, index: 1 },
		Place::Run { level: 8, index: 0 },
		Place::Run { level: 3, index: 0 },
		Place::Trace { step: 4, level: 0, index: 0 },
		Place::Trace { step: u32::MAX, level: 0, index: 0 },
		Place::Trace { step: 0, level: 0, index: u64::MAX },
		Place::Tensor { step: 0, anchor: anchors, level: 0, index: 0 },
		Place::Tensor { step: 0, anchor: u32::MAX, level: u32::MAX, index: u64::MAX },
	] {
		let error = pollster::block_on(provider.answer(place)).unwrap_err();
		assert!(matches!(error, Error::NoSuchPlace(at) if at == place), "{error}");
	}
	// An honest result can be answered for by anybody.
	let job = honest.job(&case, &checked);
	let mut anybody = Answerer::new(job.clone(), on_cpu(&job, &case)).unwrap();
	let children = pollster::block_on(anybody.answer(first)).unwrap();
	assert!(first.verify(&job.run_root, &children, &*job));
}

#[test]
fn challenger_should_say_so_when_the_lane_is_not_one_it_can_lead_on() {
	let (case, _, honest, wrong, job) = disputed("astray");
	let mut provider = Answerer::new(job.clone(), wrong.clone()).unwrap();
	let mut lane = Lane::new(&job);
	let mut only = Some(Challenger::new(job.clone(), honest.clone()).unwrap());
	let end = lead(&mut lane, &mut provider, || only.take()).unwrap();
	let mut challenger = Challenger::new(job.clone(), on_cpu(&job, &case)).unwrap();
	let mut at =
		|opened: &[(Place, Vec<[u8; 32]>)]| pollster::block_on(challenger.next_move(opened));

	// Every beginning of the lane leads on as it did.
	for len in 0..lane.opened.len() {
		let Ok(Move::Demand { child }) = at(&lane.opened[..len]) else { panic!("{len}") };
		match (child, len.checked_sub(1).map(|last| &lane.opened[last])) {
			(None, None) => assert_eq!(len, 0),
			(Some(child), Some((place, _))) => {
				let below = place.below(child, &*job).unwrap();
				let next = assay_commitments::Below::Group(lane.opened[len].0);
				assert_eq!(below, next);
			}
			other => panic!("{len}: {other:?}"),
		}
	}
	assert_eq!(at(&lane.opened).unwrap(), end);

	// The next step is wrong as well, but it is not the first one.
	let later = Place::Trace { step: 2, level: 0, index: 0 };
	let children = pollster::block_on(provider.answer(later)).unwrap();
	let astray = [lane.opened[0].clone(), (later, children)];
	let error = at(&astray).unwrap_err();
	assert!(
		matches!(error, Error::Astray { index: 1, found, expected: Some(expected) }
			if found == later && expected == lane.opened[1].0),
		"{error}"
	);
	// More than there is.
	let mut long = lane.opened.clone();
	long.push(long[0].clone());
	let index = lane.opened.len();
	let error = at(&long).unwrap_err();
	assert!(
		matches!(error, Error::Astray { index: i, expected: None, .. } if i == index),
		"{error}"
	);
	// What no chain would have recorded.
	let mut forged = lane.opened.clone();
	forged[1].1[0][0] ^= 1;
	let error = at(&forged).unwrap_err();
	assert!(matches!(error, Error::Unproven(place) if place == forged[1].0), "{error}");
}

#[test]
fn job_should_be_refused_when_its_parts_do_not_belong_together() {
	let (_, _, _, wrong, job) = disputed("unsound_job");
	let refused = |change: fn(&mut Job)| {
		let mut job = (*job).clone();
		change(&mut job);
		let job = Arc::new(job);
		let answerer = Answerer::new(job.clone(), wrong.clone()).err();
		assert!(matches!(answerer, Some(Error::Record(_))), "{answerer:?}");
		let challenger = Challenger::new(job, wrong.clone()).err();
		assert!(matches!(challenger, Some(Error::Record(_))), "{challenger:?}");
	};
	refused(|job| job.steps = 0);
	refused(|job| job.steps = 1);
	refused(|job| job.input_roots.clear());
	refused(|job| job.checked.types.clear());
	refused(|job| job.checked.anchors.clear());
	refused(|job| job.checked.anchors.push(u32::MAX));
	refused(|job| job.checked.state_anchors.clear());
	refused(|job| job.checked.lazy.push(u32::MAX));
}
