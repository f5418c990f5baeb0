//! Whole disputes: lanes from the first demand to the referee's ruling.

mod common;

use assay_commitments::Place;
use assay_dispute::{Answerer, Challenger, Error, Job, Move};
use assay_engine_testing::{Case, Draw, Rng};
use assay_exec::Tensor;
use assay_ops::{DType, Shape, TensorType, View};
use assay_program::{Checked, Limits, Operand, ProgramBuilder, Source};
use assay_referee::{ProofPart, Ruling};
use common::{admissible_case, admit, allowed, flip, lead, on_cpu, ruling, Lane, Table, Tampering};
use std::sync::{atomic::Ordering, Arc};

/// What disputes have gone through, to know that the tests reach it.
#[derive(Debug, Default)]
struct Seen {
	disputes: u32,
	one_step: u32,
	states: u32,
	first_step_states: u32,
	one_tile: u32,
	parts: u32,
	/// The provider stated roots of lazy anchors.
	lists: u32,
	/// One of them was wrong.
	lazy: u32,
	/// None of them was.
	past_lists: u32,
	/// An eager anchor was recomputed from them.
	read_lists: u32,
}

impl Seen {
	fn note(&mut self, job: &Job, lane: &Lane, parts: &[ProofPart]) {
		let accusation = &parts[0].accusation;
		self.disputes += 1;
		self.one_step += u32::from(job.steps == 1);
		let reads_state = reads_state(job.program.nodes[accusation.node as usize].operands.iter());
		self.states += u32::from(reads_state && accusation.step > 0);
		self.first_step_states += u32::from(reads_state && accusation.step == 0);
		let last = lane.opened.last().unwrap().0;
		self.one_tile += u32::from(matches!(last, Place::Trace { .. } | Place::Lazy { .. }));
		let listed = |(place, _): &(Place, _)| matches!(place, Place::Lazy { .. });
		let lists = lane.opened.iter().any(listed);
		self.lists += u32::from(lists);
		let lazy = job.checked.lazy.binary_search(&accusation.node).is_ok();
		self.lazy += u32::from(lazy);
		self.past_lists += u32::from(lists && !lazy);
		self.read_lists += u32::from(!lazy && !parts[0].lazy.roots.is_empty());
		self.parts += u32::from(parts.len() > 1);
	}
}

fn reads_state<'a>(mut operands: impl Iterator<Item = &'a Operand>) -> bool {
	operands.any(|operand| matches!(operand.source, Source::State(_)))
}

/// A whole dispute about a run that is wrong. The challenger is honest, and restarts now and then.
fn dispute(
	rng: &mut Rng,
	case: &Case,
	job: &Arc<Job>,
	wrong: &Arc<Table>,
) -> (Lane, Vec<ProofPart>) {
	let mut lane = Lane::new(job);
	let mut provider = Answerer::new(job.clone(), wrong.clone()).unwrap();
	let mut first = true;
	let end = lead(&mut lane, &mut provider, || {
		let restart = std::mem::take(&mut first) || rng.one_in(3);
		restart.then(|| Challenger::new(job.clone(), on_cpu(job, case)).unwrap())
	});
	let Move::Prove(parts) = end.unwrap() else { panic!("no proof") };
	assert!(lane.opened.len() <= allowed(job) as usize, "{} openings", lane.opened.len());
	assert_eq!(ruling(job, &lane, &parts), Ok(Ruling::Fraud), "{:?}", parts[0].accusation);
	// Another process with the same record has the same proof.
	let mut other = Challenger::new(job.clone(), on_cpu(job, case)).unwrap();
	let again = pollster::block_on(other.next_move(&lane.opened)).unwrap();
	assert_eq!(again, Move::Prove(parts.clone()));
	(lane, parts)
}

/// A run in which each anchor is wrong with a chance of one in `chance`, and at least one eager one
/// is; with the first that differs, as step and node.
fn wrong_run(
	rng: &mut Rng,
	case: &Case,
	checked: &Checked,
	chance: u64,
) -> (Arc<Table>, (u32, u32)) {
	let step = rng.below(case.steps.into()) as u32;
	// Often one that reads a state.
	let reads_state = |node: &u32| reads_state(case.program.nodes[*node as usize].operands.iter());
	let readers: Vec<u32> = checked.anchors.iter().copied().filter(reads_state).collect();
	let among = if rng.one_in(2) && !readers.is_empty() { &readers } else { &checked.anchors };
	let chosen = (step, rng.pick(among));
	let table = Table::new(case, checked, |step, node, bytes| {
		if (step, node) != chosen && !rng.one_in(chance) {
			return Tampering::None;
		}
		flip(rng, bytes)
	});
	let honest = Table::new(case, checked, |_, _, _| Tampering::None);
	let first = table.first_difference(&honest).unwrap();
	(table, first)
}

#[test]
fn provider_should_lose_when_any_of_its_tiles_is_wrong() {
	let mut rng = Rng::seeded("wrong_tiles");
	let mut seen = Seen::default();
	for round in 0..400 {
		let nodes = 1 + rng.below(14) as usize;
		let (mut case, checked) = admissible_case(&mut rng, nodes, 6000);
		if case.steps > 1 && rng.one_in(2) {
			case.steps = rng.range(2, 12) as u32;
		}
		let chance = rng.pick(&[9, 10_000]);
		let (table, first) = wrong_run(&mut rng, &case, &checked, chance);
		let job = table.job(&case, &checked);
		let (lane, parts) = dispute(&mut rng, &case, &job, &table);
		let accused = &parts[0].accusation;
		assert_eq!((accused.step, accused.node), first, "round {round}: not the first difference");
		seen.note(&job, &lane, &parts);
	}
	println!("{seen:?}");
	let Seen { one_step, states, first_step_states, one_tile, .. } = seen;
	assert!(one_step.min(states).min(first_step_states).min(one_tile) > 0, "{seen:?}");
	let Seen { lists, lazy, past_lists, read_lists, .. } = seen;
	assert!(lists.min(lazy).min(past_lists).min(read_lists) > 0, "{seen:?}");
	assert!(seen.disputes > one_tile, "{seen:?}");
}

#[test]
fn provider_should_lose_when_its_run_has_more_steps_than_a_group() {
	let mut rng = Rng::seeded("many_steps");
	for steps in [256, 257, 700] {
		let (mut case, checked) = loop {
			let (case, checked) = admissible_case(&mut rng, 3, 300);
			if !case.program.states.is_empty() {
				break (case, checked);
			}
		};
		case.steps = steps;
		let (table, _) = wrong_run(&mut rng, &case, &checked, 1000);
		let job = table.job(&case, &checked);
		let (lane, parts) = dispute(&mut rng, &case, &job, &table);
		let runs = lane.opened.iter().filter(|(place, _)| matches!(place, Place::Run { .. }));
		assert_eq!(runs.count(), if steps > 256 { 2 } else { 1 });
		assert!(parts[0].accusation.step < steps);
	}
}

#[test]
fn provider_should_lose_when_its_program_has_more_anchors_than_a_group() {
	let mut rng = Rng::seeded("many_anchors");
	for _ in 0..3 {
		let (case, checked) = loop {
			let (mut case, _) = admissible_case(&mut rng, 330, 60);
			let virtuals = case.program.nodes.iter_mut();
			virtuals.for_each(|node| node.class = assay_program::Class::EagerAnchor);
			if let Some(checked) = admit(&mut case) {
				break (case, checked);
			}
		};
		let (table, _) = wrong_run(&mut rng, &case, &checked, 100_000);
		let job = table.job(&case, &checked);
		let (lane, _) = dispute(&mut rng, &case, &job, &table);
		let traces = lane.opened.iter().filter(|(place, _)| matches!(place, Place::Trace { .. }));
		assert_eq!(traces.count(), 2, "{} anchors", checked.anchors.len());
	}
}

fn ty(dtype: DType, dims: &[u32]) -> TensorType {
	TensorType::new(dtype, dims).unwrap()
}

/// A program of one input, which may be spread by a view.
fn spread(rows: u32, columns: u32, to: DType) -> (Case, Checked) {
	let mut builder = ProgramBuilder::new();
	let x = builder.input("x", ty(DType::I8, &[columns]));
	let shape = Shape::new(&[rows, columns]).unwrap();
	let view = || View { shape, offset: 0, strides: vec![0, 1] };
	let y = builder.mul(Operand::viewed(x, view()), Operand::viewed(x, view()), to);
	builder.output("y", y);
	let program = builder.build().unwrap();
	let checked = program.check(&Limits::default()).unwrap();
	let elements: Vec<i32> = (0..columns as i32).map(|at| at % 100 - 50).collect();
	let inputs = vec![Tensor::from_elements(program.inputs[0].ty, &elements).unwrap()];
	(Case { program, inputs, steps: 1 }, checked)
}

#[test]
fn provider_should_lose_when_its_tensors_have_more_tiles_than_a_group() {
	let mut rng = Rng::seeded("many_tiles");
	// 361, 1444 and 66 000 tiles: ragged, and of two and three groups on the way down.
	for (case, groups) in [
		(spread(600, 600, DType::I8), 2),
		(spread(600, 600, DType::I32), 2),
		(spread(4000, 4200, DType::I32), 3),
	] {
		let (case, checked) = case;
		for _ in 0..if groups == 3 { 1 } else { 4 } {
			let (table, _) = wrong_run(&mut rng, &case, &checked, 1000);
			let job = table.job(&case, &checked);
			let (lane, _) = dispute(&mut rng, &case, &job, &table);
			let tensors = |(place, _): &&(Place, _)| matches!(place, Place::Tensor { .. });
			assert_eq!(lane.opened.iter().filter(tensors).count(), groups);
		}
	}
}

#[test]
fn provider_should_lose_when_the_proof_takes_several_parts() {
	let mut rng = Rng::seeded("parts");
	let mut builder = ProgramBuilder::new();
	let x = builder.input("x", ty(DType::I8, &[20, 20_000]));
	let w = builder.input("w", ty(DType::I8, &[40, 20_000]));
	let state = builder.state(x);
	let product = builder.matmul(state, w);
	let scale = builder.constant_values(ty(DType::I16, &[1]), &[17_000]);
	let shift = builder.constant_values(ty(DType::I8, &[1]), &[24]);
	let y = builder.requant(product, scale, shift, None, DType::I8);
	builder.output("y", y);
	// The state moves on by something that depends on it.
	let next = builder.add(state, Operand::from(state), DType::I8);
	builder.update(state, next);
	let program = builder.build().unwrap();
	let checked = program.check(&Limits::default()).unwrap();
	let inputs = program.inputs.iter().map(|input| {
		let values = rng.values(DType::I8, input.ty.elements() as usize);
		Tensor::from_elements(input.ty, &values).unwrap()
	});
	let inputs = inputs.collect();
	let case = Case { program, inputs, steps: 3 };
	let Source::Node(y) = y else { unreachable!() };
	let mut several = 0;
	for step in 0..case.steps {
		let table = Table::new(&case, &checked, |at, node, bytes| {
			if (at, node) == (step, y) {
				flip(&mut rng, bytes)
			} else {
				Tampering::None
			}
		});
		let job = table.job(&case, &checked);
		let (_, parts) = dispute(&mut rng, &case, &job, &table);
		assert_eq!(parts[0].accusation.node, y);
		several += u32::from(parts.len() > 1);
	}
	assert_eq!(several, case.steps, "the product is folded over its 20 000 columns");
}

#[test]
fn provider_should_lose_when_its_program_has_more_lazy_anchors_than_a_group() {
	let mut rng = Rng::seeded("many_lazy");
	let mut builder = ProgramBuilder::new();
	let x = builder.input("x", ty(DType::I32, &[3, 40]));
	let mut y = builder.shift(x, 3, DType::I32);
	for _ in 0..300 {
		y = builder.add(y, x, DType::I32);
		builder.lazy(y);
	}
	let z = builder.shift(y, 2, DType::I32);
	builder.output("y", z);
	let program = builder.build().unwrap();
	let checked = program.check(&Limits::default()).unwrap();
	let elements: Vec<i32> = (0..120).map(|at| at - 50).collect();
	let inputs = vec![Tensor::from_elements(program.inputs[0].ty, &elements).unwrap()];
	let case = Case { program, inputs, steps: 1 };
	let honest = Table::new(&case, &checked, |_, _, _| Tampering::None);
	// The output alone; and lazy anchors on either side of a group's border with it.
	let (last, output) = (checked.lazy[299], checked.anchors[0]);
	for also in
		[None, Some(checked.lazy[0]), Some(checked.lazy[255]), Some(checked.lazy[256]), Some(last)]
	{
		let wrong = Table::new(&case, &checked, |_, node, bytes| {
			if node == output || Some(node) == also {
				flip(&mut rng, bytes);
				Tampering::Local
			} else {
				Tampering::None
			}
		});
		let first = wrong.first_difference(&honest).unwrap();
		assert_eq!(first, (0, also.unwrap_or(output)));
		let job = wrong.job(&case, &checked);
		let (lane, parts) = dispute(&mut rng, &case, &job, &wrong);
		assert_eq!(parts[0].accusation.node, first.1);
		let lists = lane.opened.iter().filter(|(place, _)| matches!(place, Place::Lazy { .. }));
		assert_eq!(lists.count(), if also.is_some() { 2 } else { 1 });
	}
}

#[test]
fn provider_should_not_lose_when_its_challenger_is_wrong() {
	let mut rng = Rng::seeded("wrong_challengers");
	let (mut right, mut refused) = (0, 0);
	for round in 0..150 {
		let nodes = 1 + rng.below(14) as usize;
		let (case, checked) = admissible_case(&mut rng, nodes, 6000);
		let honest = Table::new(&case, &checked, |_, _, _| Tampering::None);
		let (wrong, _) = wrong_run(&mut rng, &case, &checked, 9);
		let job = honest.job(&case, &checked);
		let mut provider = Answerer::new(job.clone(), on_cpu(&job, &case)).unwrap();
		let challenger = || Challenger::new(job.clone(), wrong.clone()).unwrap();

		// One that looks before it leaps finds that it is wrong itself.
		let mut lane = Lane::new(&job);
		let mut only = Some(challenger());
		match lead(&mut lane, &mut provider, || only.take()) {
			Err(Error::NotFraud { .. } | Error::Prove { .. }) => {}
			other => panic!("round {round}: {other:?}"),
		}
		// One that does not, or lies, convinces nobody.
		let mut lane = Lane::new(&job);
		let mut only = Some(challenger().reckless());
		match lead(&mut lane, &mut provider, || only.take()) {
			Ok(Move::Prove(parts)) => match ruling(&job, &lane, &parts) {
				Ok(Ruling::Right) => right += 1,
				Err(_) => refused += 1,
				other => panic!("round {round}: {other:?}"),
			},
			Err(Error::Prove { .. }) => refused += 1,
			other => panic!("round {round}: {other:?}"),
		}
	}
	println!("{right} ruled right, {refused} refused");
	assert!(right > 0);
}

#[test]
fn challenger_should_do_nothing_when_the_run_is_its_own() {
	let mut rng = Rng::seeded("nothing");
	for _ in 0..20 {
		let (case, checked) = admissible_case(&mut rng, 5, 1000);
		let honest = Table::new(&case, &checked, |_, _, _| Tampering::None);
		let job = honest.job(&case, &checked);
		let mut challenger = Challenger::new(job.clone(), on_cpu(&job, &case)).unwrap();
		assert_eq!(pollster::block_on(challenger.next_move(&[])).unwrap(), Move::Nothing);
	}
}

/// The sum of two states and an input, as the next value of both states.
fn counter() -> (Case, Checked) {
	counter_of(50, 6)
}

fn counter_of(width: u32, steps: u32) -> (Case, Checked) {
	let mut builder = ProgramBuilder::new();
	let start = builder.input("start", ty(DType::I32, &[width, width]));
	let x = builder.input("x", ty(DType::I32, &[width, width]));
	let (state, other) = (builder.state(start), builder.state(x));
	let once = builder.add(state, other, DType::I32);
	let twice = builder.add(once, x, DType::I32);
	builder.update(state, twice);
	builder.update(other, twice);
	builder.output("y", twice);
	let program = builder.build().unwrap();
	let checked = program.check(&Limits::default()).unwrap();
	let elements: Vec<i32> = (0..(width * width) as i32).collect();
	let tensor = Tensor::from_elements(program.inputs[0].ty, &elements).unwrap();
	(Case { program, inputs: vec![tensor.clone(), tensor], steps }, checked)
}

#[test]
fn replays_should_be_few_when_nobody_restarts() {
	let mut rng = Rng::seeded("few_replays");
	let (case, checked) = counter();
	let honest = Table::new(&case, &checked, |_, _, _| Tampering::None);
	// For the anchors of the step and of those before, if a run is known without them, and for its
	// tensor with what that is recomputed from.
	for (step, known, challenger, provider) in
		[(0, true, 2, 2), (2, true, 2, 2), (5, true, 2, 1), (2, false, 2, 2), (5, false, 2, 2)]
	{
		let wrong = Table::new(&case, &checked, |at, _, bytes| {
			if at == step {
				flip(&mut rng, bytes)
			} else {
				Tampering::None
			}
		});
		let job = wrong.job(&case, &checked);
		let mut answers = Answerer::new(job.clone(), wrong.clone()).unwrap();
		let mut moves = Challenger::new(job.clone(), honest.clone()).unwrap();
		if known {
			answers = answers.with_run(wrong.traces(), wrong.last_anchors()).unwrap();
			moves = moves.with_run(honest.traces(), honest.last_anchors()).unwrap();
		}
		honest.replays.store(0, Ordering::Relaxed);
		let mut only = Some(moves);
		let mut lane = Lane::new(&job);
		let end = lead(&mut lane, &mut answers, || only.take());
		let Ok(Move::Prove(parts)) = end else { panic!("{end:?}") };
		assert_eq!(ruling(&job, &lane, &parts), Ok(Ruling::Fraud));
		let replays = [&honest, &wrong].map(|table| table.replays.load(Ordering::Relaxed));
		assert_eq!(replays, [challenger, provider], "step {step}, known: {known}");
	}
}

/// The clock of a move has the time for one replay, also of the last one: of an anchor of one tile
/// the group with the first difference leads to the proof at once.
#[test]
fn move_should_take_one_replay_at_most_whatever_the_anchor_is() {
	let mut rng = Rng::seeded("one_replay_a_move");
	for (width, step) in [(8, 5), (8, 7), (8, 0), (50, 5), (50, 7)] {
		for known in [true, false] {
			let (case, checked) = counter_of(width, 8);
			let honest = Table::new(&case, &checked, |_, _, _| Tampering::None);
			let wrong = Table::new(&case, &checked, |at, _, bytes| {
				if at == step {
					flip(&mut rng, bytes)
				} else {
					Tampering::None
				}
			});
			let job = wrong.job(&case, &checked);
			let mut answers = Answerer::new(job.clone(), wrong.clone()).unwrap();
			let mut moves = Challenger::new(job.clone(), honest.clone()).unwrap();
			if known {
				moves = moves.with_run(honest.traces(), honest.last_anchors()).unwrap();
			}
			let mut lane = Lane::new(&job);
			loop {
				honest.replays.store(0, Ordering::Relaxed);
				let next = pollster::block_on(moves.next_move(&lane.opened)).unwrap();
				let replays = honest.replays.load(Ordering::Relaxed);
				let at = lane.opened.last();
				assert!(replays <= 1, "{replays} after {at:?}, step {step}, known: {known}");
				match next {
					Move::Demand { child } => {
						let (place, parent) = lane.demand(child);
						let children = pollster::block_on(answers.answer(place)).unwrap();
						lane.answer(place, &parent, children);
					}
					Move::Prove(parts) => {
						assert_eq!(ruling(&job, &lane, &parts), Ok(Ruling::Fraud));
						break;
					}
					Move::Nothing => panic!("the run is wrong"),
				}
			}
		}
	}
}

#[test]
fn both_sides_should_be_fit_for_threads() {
	fn movable<T: Send>(value: T) -> T {
		value
	}
	let (case, checked) = counter();
	let honest = Table::new(&case, &checked, |_, _, _| Tampering::None);
	let job = honest.job(&case, &checked);
	let mut provider = Answerer::new(job.clone(), on_cpu(&job, &case)).unwrap();
	let place = Place::Trace { step: 3, level: 0, index: 0 };
	let answer = pollster::block_on(movable(provider.answer(place))).unwrap();
	let mut challenger = Challenger::new(job.clone(), honest).unwrap();
	let next = pollster::block_on(movable(challenger.next_move(&[]))).unwrap();
	assert_eq!((answer.len(), next), (1, Move::Nothing));
}
