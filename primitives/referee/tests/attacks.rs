//! Everything that a false accuser can do to a proof. Against an honest run nothing of it is ever
//! ruled fraud, and nothing but the one true proof is accepted at all.

mod common;

use assay_commitments::{open, open_many, tensor_root, trace_root, Hash, Path, Tree};
use assay_ops::Tile;
use assay_program::{AnchorFold, Limits, Source};
use assay_referee::{
	judge, Accusation, LazyList, ProofError, ProofPart, Record, RootsOpening, Ruling, TilesOpening,
};
use codec::{Decode, Encode};
use common::*;

/// An honest run, and the true proof of one of its tiles, up to the part that is attacked.
struct Target {
	job: Job,
	run: Run,
	parts: Vec<ProofPart>,
	/// The attacked part.
	at: usize,
	/// What the parts before it left.
	kept: Option<Vec<i64>>,
}

impl Target {
	fn random(rng: &mut Rng) -> Option<Self> {
		let limits = limits(rng);
		let job = Job::random(rng, &limits)?;
		let run = job.honest();
		let accusation = job.any(rng);
		let (parts, ruling) = proof(&job, &run, accusation);
		assert_eq!(ruling, Ruling::Right);
		let at = rng.below_u32(parts.len() as u32) as usize;
		let mut kept = None;
		for part in &parts[..at] {
			match judge(&job.full_record(&run, accusation.step), kept, part) {
				Ok(Ruling::Continue(next)) => kept = Some(next),
				other => panic!("{other:?}"),
			}
		}
		Some(Self { job, run, parts, at, kept })
	}

	fn part(&self) -> &ProofPart {
		&self.parts[self.at]
	}

	fn record(&self) -> Record<'_> {
		self.job.full_record(&self.run, self.part().accusation.step)
	}

	fn judge(&self, part: &ProofPart) -> Result<Ruling, ProofError> {
		judge(&self.record(), self.kept.clone(), part)
	}

	/// The tensors that the attacked part reads, in its order.
	fn sources(&self) -> Vec<(Source, Vec<u64>)> {
		let Accusation { step, node, tile } = self.part().accusation;
		let at = self.at as u32;
		let mut fold = AnchorFold::new(&self.job.program, &self.job.checked, node, tile).unwrap();
		let mut tensors = self.run.tensors(&self.job, step);
		for (at, state) in (0..).zip(&self.job.program.states) {
			let initial = tensors[&Source::Input(state.input)].clone();
			tensors.entry(Source::State(at)).or_insert(initial);
		}
		let tables = fold.table_needs(at, &tensors).unwrap();
		fold.needs(at).unwrap().tiles.into_iter().chain(tables).collect()
	}

	/// Another tile, and the part of its true proof with the number of the attacked one.
	fn other(&self, rng: &mut Rng) -> Option<ProofPart> {
		let (mut parts, _) = proof(&self.job, &self.run, self.job.any(rng));
		(self.at < parts.len()).then(|| parts.swap_remove(self.at))
	}
}

/// Makes a wrong part of a true one; `None` where this proof gives no occasion.
type Attack = fn(&mut Rng, &Target) -> Option<ProofPart>;

/// Runs an attack on random proofs. What it makes of a true part is refused, unless it is the true
/// proof of another tile or step.
fn attack(seeds: u64, least: u32, attack: Attack) {
	let mut tried = 0;
	for seed in 0..seeds {
		let mut rng = Rng::new(seed);
		let Some(target) = Target::random(&mut rng) else { continue };
		for _ in 0..6 {
			let Some(wrong) = attack(&mut rng, &target) else { continue };
			if wrong == *target.part() {
				continue;
			}
			tried += 1;
			match target.judge(&wrong) {
				Err(_) => {}
				// Steps of a program without state are alike, and so are their openings.
				Ok(Ruling::Right | Ruling::Continue(_))
					if wrong.accusation != target.part().accusation => {}
				ruling => panic!("seed {seed}: {ruling:?} for {:?}", wrong.accusation),
			}
		}
	}
	assert!(tried >= least, "only {tried} attacks found an occasion");
}

fn flip(rng: &mut Rng, hash: &mut Hash) {
	hash[rng.below_u32(32) as usize] ^= 1 << rng.below_u32(8);
}

/// Every list of hashes in a part.
fn lists(part: &mut ProofPart) -> Vec<&mut Vec<Hash>> {
	let ProofPart { trace, before, claimed, anchors, lazy, states, operands, .. } = part;
	let mut lists = vec![
		&mut trace.1.siblings,
		&mut claimed.1.siblings,
		&mut anchors.roots,
		&mut anchors.siblings,
		&mut lazy.roots,
		&mut lazy.siblings,
		&mut states.roots,
		&mut states.siblings,
	];
	lists.extend(before.as_mut().map(|before| &mut before.1.siblings));
	lists.extend(operands.iter_mut().map(|operand| &mut operand.siblings));
	lists
}

#[test]
fn flipped_bit_anywhere_should_be_refused() {
	attack(120, 400, |rng, target| {
		let mut bytes = target.part().encode();
		let at = rng.below_u32(bytes.len() as u32) as usize;
		bytes[at] ^= 1 << rng.below_u32(8);
		ProofPart::decode(&mut &bytes[..]).ok()
	});
}

#[test]
fn flipped_bit_of_each_field_should_be_refused() {
	attack(200, 400, |rng, target| {
		let mut part = target.part().clone();
		match rng.below_u32(5) {
			0 => flip(rng, &mut part.trace.0),
			1 => flip(rng, &mut part.claimed.0),
			2 => flip(rng, &mut part.before.as_mut()?.0),
			3 => {
				let mut lists = lists(&mut part);
				lists.retain(|list| !list.is_empty());
				let at = rng.below_u32(lists.len() as u32) as usize;
				let list = &mut lists[at];
				let at = rng.below_u32(list.len() as u32) as usize;
				flip(rng, &mut list[at]);
			}
			_ => {
				let len = part.operands.len() as u32;
				let operand = part.operands.get_mut(rng.below_u32(len.max(1)) as usize)?;
				let at = rng.below_u32(operand.tiles.len() as u32) as usize;
				operand.tiles[at] ^= 1 << rng.below_u32(8);
			}
		}
		Some(part)
	});
}

#[test]
fn wrong_step_should_be_refused() {
	attack(200, 300, |rng, target| {
		let mut part = target.part().clone();
		part.accusation.step =
			rng.pick(&[0, 1, 2, 3, target.job.steps, target.job.steps + 1, u32::MAX]);
		Some(part)
	});
}

#[test]
fn wrong_node_should_be_refused() {
	attack(200, 300, |rng, target| {
		let mut part = target.part().clone();
		let nodes = target.job.program.nodes.len() as u32;
		part.accusation.node = match rng.below_u32(4) {
			0 => nodes,
			1 => u32::MAX,
			_ => rng.below_u32(nodes),
		};
		Some(part)
	});
}

#[test]
fn wrong_tile_should_be_refused() {
	attack(200, 300, |rng, target| {
		let mut part = target.part().clone();
		let tile = part.accusation.tile;
		part.accusation.tile = rng.pick(&[0, tile + 1, tile.wrapping_sub(1), 1 << 40, u64::MAX]);
		Some(part)
	});
}

#[test]
fn wrong_part_should_be_refused_by_referee_or_chain() {
	let mut tried = 0;
	for seed in 0..300 {
		let mut rng = Rng::new(seed);
		let Some(target) = Target::random(&mut rng) else { continue };
		let record = target.record();
		let parts = target.parts.len() as u32;
		// A part that there is not, and accumulators where none belong or none where they do.
		for part in [parts, u32::MAX] {
			let wrong = ProofPart { part, ..target.part().clone() };
			let kept = target.kept.clone();
			assert!(judge(&record, kept.or(Some(vec![])), &wrong).is_err());
		}
		let other = match target.kept {
			None => Some(vec![0; 1024]),
			Some(_) => None,
		};
		assert_eq!(judge(&record, other, target.part()), Err(ProofError::Accumulators));
		if let Some(kept) = &target.kept {
			tried += 1;
			for wrong in [vec![], kept[1..].to_vec(), [&kept[..], &[0]].concat()] {
				let ruling = judge(&record, Some(wrong), target.part());
				assert_eq!(ruling, Err(ProofError::Accumulators));
			}
		}
		// The chain takes each part once and in order.
		for part in &target.parts[1..] {
			assert_eq!(Chain::default().submit(&record, part), Err(Refused::Order));
		}
		let mut chain = Chain::default();
		for (at, part) in target.parts.iter().enumerate() {
			if at > 0 {
				for (other, wrong) in target.parts.iter().enumerate() {
					if other != at {
						assert_eq!(chain.submit(&record, wrong), Err(Refused::Order));
					}
				}
				let mut wrong = part.clone();
				wrong.accusation.tile ^= 1;
				assert_eq!(chain.submit(&record, &wrong), Err(Refused::Order));
			}
			assert!(chain.submit(&record, part).is_ok());
		}
	}
	assert!(tried > 10, "{tried} attacked parts were not the first");
}

#[test]
fn operand_tiles_of_another_node_should_be_refused() {
	attack(300, 300, |rng, target| {
		// With true siblings of their own.
		let (mut part, other) = (target.part().clone(), target.other(rng)?);
		let len = part.operands.len().min(other.operands.len()) as u32;
		let at = rng.below_u32(len.max(1)) as usize;
		*part.operands.get_mut(at)? = other.operands.get(at)?.clone();
		Some(part)
	});
}

#[test]
fn operand_tiles_of_another_step_should_be_refused() {
	attack(300, 100, |rng, target| {
		let mut part = target.part().clone();
		let step = rng.below_u32(target.job.steps);
		let accusation = Accusation { step, ..part.accusation };
		let other = proof(&target.job, &target.run, accusation).0.swap_remove(target.at);
		let at = rng.below_u32((part.operands.len() as u32).max(1)) as usize;
		*part.operands.get_mut(at)? = other.operands.get(at)?.clone();
		Some(part)
	});
}

#[test]
fn operand_tiles_of_another_position_should_be_refused() {
	attack(500, 60, |rng, target| {
		let mut part = target.part().clone();
		let sources = target.sources();
		let at = rng.below_u32((sources.len() as u32).max(1)) as usize;
		let (source, mut tiles) = sources.get(at)?.clone();
		let bytes = target.run.tensors(&target.job, part.accusation.step);
		let bytes = match source {
			Source::State(state) if part.accusation.step == 0 => {
				let input = target.job.program.states[state as usize].input;
				&bytes[&Source::Input(input)]
			}
			_ => &bytes[&source],
		};
		// As many of the same tensor, one of them another, opened truly.
		let all = bytes.len() as u64 / 1024;
		let other = (0..all).rfind(|tile| !tiles.contains(tile))?;
		let which = rng.below_u32(tiles.len() as u32) as usize;
		tiles[which] = other;
		tiles.sort_unstable();
		let chunks: Vec<Hash> = (0..all)
			.map(|tile| {
				let chunk = &bytes[tile as usize * 1024..][..1024];
				assay_commitments::chunk_value(all, tile, chunk).unwrap()
			})
			.collect();
		part.operands[at] = TilesOpening {
			tiles: tiles
				.iter()
				.flat_map(|t| bytes[*t as usize * 1024..][..1024].to_vec())
				.collect(),
			siblings: open_many(Tree::Tensor, &chunks, &tiles)?,
		};
		Some(part)
	});
}

#[test]
fn operand_tiles_of_an_invented_tensor_should_be_refused() {
	attack(300, 200, |rng, target| {
		// A tensor of the accuser's own, with its root in its place.
		let mut part = target.part().clone();
		let sources = target.sources();
		let at = rng.below_u32((sources.len() as u32).max(1)) as usize;
		let (source, tiles) = sources.get(at)?.clone();
		let all = match source {
			Source::Input(input) => target.job.checked.input_tiles[input as usize],
			Source::Node(node) => target.job.checked.types[node as usize].tiles(),
			_ => return None,
		};
		let bytes: Vec<u8> = (0..all * 1024).map(|_| rng.bits() as u8).collect();
		let chunks: Vec<Hash> = (0..all)
			.map(|tile| {
				let chunk = &bytes[tile as usize * 1024..][..1024];
				assay_commitments::chunk_value(all, tile, chunk).unwrap()
			})
			.collect();
		part.operands[at] = TilesOpening {
			tiles: tiles
				.iter()
				.flat_map(|t| bytes[*t as usize * 1024..][..1024].to_vec())
				.collect(),
			siblings: open_many(Tree::Tensor, &chunks, &tiles)?,
		};
		let Source::Node(node) = source else { return Some(part) };
		let step = part.accusation.step as usize;
		let changed = |roots: &[Hash], place: usize, shown: &mut RootsOpening| {
			let mut places: Vec<u64> = (shown.roots.iter())
				.map(|root| roots.iter().position(|r| r == root).unwrap() as u64)
				.collect();
			places.dedup();
			let mut roots = roots.to_vec();
			roots[place] = tensor_root(&bytes);
			*shown = RootsOpening {
				roots: places.iter().map(|at| roots[*at as usize]).collect(),
				siblings: open_many(Tree::Trace, &roots, &places)?,
			};
			Some(roots)
		};
		if let Ok(place) = target.job.checked.lazy.binary_search(&node) {
			// And a list that has it.
			changed(&target.run.lazy[step], place, &mut part.lazy)?;
		} else {
			// And a trace that has it.
			let place = target.job.checked.anchors.binary_search(&node).unwrap();
			let roots = changed(&target.run.roots[step], place, &mut part.anchors)?;
			if rng.below_u32(2) == 0 {
				part.trace.0 = trace_root(&roots);
			}
		}
		Some(part)
	});
}

#[test]
fn swapped_openings_should_be_refused() {
	attack(400, 300, |rng, target| {
		let mut part = target.part().clone();
		match rng.below_u32(7) {
			5 => std::mem::swap(&mut part.anchors, &mut part.lazy),
			6 if part.lazy.roots.len() > 1 => part.lazy.roots.reverse(),
			0 if part.operands.len() > 1 => {
				let len = part.operands.len() as u32;
				part.operands.swap(rng.below_u32(len) as usize, rng.below_u32(len) as usize);
			}
			1 => std::mem::swap(&mut part.anchors, &mut part.states),
			2 => std::mem::swap(&mut part.trace, part.before.as_mut()?),
			3 if part.anchors.roots.len() > 1 => part.anchors.roots.reverse(),
			4 => {
				let operand = part.operands.iter_mut().find(|o| o.tiles.len() > 1024)?;
				operand.tiles.rotate_left(1024);
			}
			_ => return None,
		}
		Some(part)
	});
}

#[test]
fn truncated_or_padded_lists_should_be_refused() {
	attack(300, 800, |rng, target| {
		let mut part = target.part().clone();
		match rng.below_u32(6) {
			0 => drop(part.operands.pop()?),
			1 => part.operands.push(TilesOpening::default()),
			2 => part.operands.push(part.operands.last()?.clone()),
			3 => {
				let len = (part.operands.len() as u32).max(1);
				let tiles = &mut part.operands.get_mut(rng.below_u32(len) as usize)?.tiles;
				match rng.below_u32(4) {
					0 => drop(tiles.pop()),
					1 => tiles.push(0),
					2 => tiles.truncate(tiles.len() - 1024),
					_ => tiles.extend([0; 1024]),
				}
			}
			_ => {
				let mut lists = lists(&mut part);
				let at = rng.below_u32(lists.len() as u32) as usize;
				let list = &mut lists[at];
				match rng.below_u32(3) {
					0 => drop(list.pop()?),
					1 => list.push(rng.pick(&[[0; 32], [7; 32]])),
					_ => list.insert(0, *list.first()?),
				}
			}
		}
		Some(part)
	});
}

#[test]
fn missing_or_needless_step_before_should_be_refused() {
	attack(400, 300, |rng, target| {
		let mut part = target.part().clone();
		part.before = match (part.before.take(), rng.below_u32(3)) {
			(Some(_), 0) => None,
			(Some(_), 1) => Some(part.trace.clone()),
			(Some((root, _)), _) => Some((root, Path::default())),
			(None, 0) => Some(part.trace.clone()),
			(None, _) => {
				let step = part.accusation.step.checked_sub(1)? as u64;
				let traces = &target.run.traces;
				Some((traces[step as usize], open(Tree::Run, traces, step)?))
			}
		};
		Some(part)
	});
}

#[test]
fn state_of_another_step_should_be_refused() {
	attack(600, 60, |rng, target| {
		// The whole of it, truly opened: tiles, root and trace of a step that is not the one
		// before.
		let mut part = target.part().clone();
		part.before.as_ref()?;
		let step = rng.below_u32(target.job.steps);
		if step == 0 {
			// The input that the state starts with.
			let accusation = Accusation { step: 0, ..part.accusation };
			let other = proof(&target.job, &target.run, accusation).0.swap_remove(target.at);
			part.operands = other.operands;
			if rng.below_u32(2) == 0 {
				(part.before, part.states) = (other.before, other.states);
			}
		} else {
			let accusation = Accusation { step, ..part.accusation };
			let other = proof(&target.job, &target.run, accusation).0.swap_remove(target.at);
			(part.before, part.states) = (other.before, other.states);
			for ((source, _), (mine, its)) in
				target.sources().iter().zip(part.operands.iter_mut().zip(other.operands))
			{
				if matches!(source, Source::State(_)) {
					*mine = its;
				}
			}
		}
		Some(part)
	});
}

#[test]
fn claimed_chunk_that_the_run_has_not_should_be_refused() {
	attack(400, 400, |rng, target| {
		let mut part = target.part().clone();
		let other = target.other(rng)?;
		match rng.below_u32(3) {
			0 => part.claimed = other.claimed,
			1 => part.claimed.0 = other.claimed.0,
			_ => {
				// A wrong chunk under a tensor of the accuser's own.
				let wrong: Tile = [rng.bits() as u8; 1024];
				part.claimed = (tensor_root(&wrong), Path::default());
			}
		}
		Some(part)
	});
}

#[test]
fn proof_of_another_tile_should_be_refused_when_it_is_mixed_in() {
	attack(300, 500, |rng, target| {
		let (mut part, other) = (target.part().clone(), target.other(rng)?);
		match rng.below_u32(8) {
			7 => part.lazy = other.lazy,
			0 => part.trace = other.trace,
			1 => part.before = other.before,
			2 => part.claimed = other.claimed,
			3 => part.anchors = other.anchors,
			4 => part.states = other.states,
			5 => part.operands = other.operands,
			_ => part.accusation = other.accusation,
		}
		Some(part)
	});
}

#[test]
fn true_proof_of_fraud_should_be_refused_when_it_is_of_another_run() {
	let mut tried = 0;
	for seed in 0..200 {
		let mut rng = Rng::new(seed);
		let limits = limits(&mut rng);
		let Some(job) = Job::random(&mut rng, &limits) else { continue };
		let honest = job.honest();
		let fault = Fault::any(&mut rng, &job);
		let run = job.dishonest(&honest, &fault);
		let outcome = challenge(&job, &honest, &run, |place| run.answer(&job, place));
		if run.root == honest.root {
			// A wrong lazy anchor of which nothing came.
			assert!(outcome.is_none() && fault.anchor >= job.checked.anchors.len());
			continue;
		}
		let Some(Outcome::Proved(_, _, parts, Ruling::Fraud)) = outcome else {
			panic!("seed {seed}: not found");
		};
		for part in &parts[..1] {
			let record = job.full_record(&honest, part.accusation.step);
			assert!(judge(&record, None, part).is_err(), "seed {seed}");
			// With the openings of the honest run around it.
			let (mut true_parts, _) = proof(&job, &honest, part.accusation);
			let true_part = true_parts.swap_remove(0);
			let mixed = ProofPart { claimed: part.claimed.clone(), ..true_part.clone() };
			assert!(judge(&record, None, &mixed).is_err(), "seed {seed}");
			let mixed = ProofPart { trace: true_part.trace, ..part.clone() };
			assert!(judge(&record, None, &mixed).is_err(), "seed {seed}");
			tried += 1;
		}
	}
	assert!(tried > 100);
}

#[test]
fn record_of_another_job_should_refuse_a_true_proof() {
	let mut tried = 0;
	for seed in 0..200 {
		let mut rng = Rng::new(seed);
		let Some(target) = Target::random(&mut rng) else { continue };
		let record = target.record();
		let judge = |record: &Record| judge(record, target.kept.clone(), target.part());
		assert!(judge(&record).is_ok());
		let mut root = target.run.root;
		flip(&mut rng, &mut root);
		assert_eq!(judge(&Record { run_root: root, ..record }), Err(ProofError::Trace));
		assert_eq!(judge(&Record { steps: 0, ..record }), Err(ProofError::Step));
		let none = Record { input_roots: &[], ..record };
		let expected = match target.job.program.inputs.is_empty() {
			true => judge(&record),
			false => Err(ProofError::Record),
		};
		assert_eq!(judge(&none), expected);
		// Other inputs: refused where they are read.
		let mut roots = target.job.input_roots.clone();
		roots.iter_mut().for_each(|root| flip(&mut rng, root));
		let reads_input = target.sources().iter().any(|(source, _)| match source {
			Source::Input(_) => true,
			Source::State(_) => target.part().accusation.step == 0,
			_ => false,
		});
		let ruling = judge(&Record { input_roots: &roots, ..record });
		assert_eq!(matches!(ruling, Err(ProofError::Operand { .. })), reads_input, "{ruling:?}");
		// The check of another program.
		let other = Job::random(&mut Rng::new(seed + 1_000), &Limits::V1).unwrap();
		let foreign = Record { checked: &other.checked, ..record };
		let ruling = judge(&foreign);
		assert_ne!(ruling, Ok(Ruling::Fraud));
		tried += 1;
	}
	assert!(tried > 100);
}

#[test]
fn proof_should_be_refused_when_it_needs_a_list_that_the_provider_has_not_stated() {
	let (mut seen, mut short) = (0, 0);
	for seed in 0..400 {
		let mut rng = Rng::new(seed);
		let Some(target) = Target::random(&mut rng) else { continue };
		let record = target.record();
		let judge = |list: Option<LazyList>| {
			judge(&Record { list, ..record }, target.kept.clone(), target.part())
		};
		let needed = !target.part().lazy.roots.is_empty();
		let unlisted = |ruling: Result<Ruling, ProofError>| match needed {
			true => assert_eq!(ruling, Err(ProofError::Unlisted), "seed {seed}"),
			false => assert!(ruling.is_ok(), "seed {seed}: {ruling:?}"),
		};
		unlisted(judge(None));
		let Some(list) = record.list else { continue };
		// Of another step: what is stated for one says nothing about the others.
		unlisted(judge(Some(LazyList { step: list.step + 1, ..list })));
		// Of lazy anchors before an earlier eager one: too short, or another tree.
		for anchor in 0..list.anchor {
			let step = target.part().accusation.step;
			match target.run.list(&target.job, step, anchor) {
				// It may end after all that is read; then its root leads elsewhere.
				Some(earlier) if earlier.root != list.root && needed => {
					let ruling = judge(Some(earlier));
					assert!(
						matches!(ruling, Err(ProofError::Unlisted | ProofError::Lazy)),
						"seed {seed}: {ruling:?}"
					);
					short += u32::from(ruling == Err(ProofError::Unlisted));
				}
				Some(_) => {}
				None => {
					unlisted(judge(Some(LazyList { anchor, ..list })));
					short += u32::from(needed);
				}
			}
		}
		if needed {
			// Of another root.
			let mut root = list.root;
			flip(&mut rng, &mut root);
			assert_eq!(judge(Some(LazyList { root, ..list })), Err(ProofError::Lazy));
			// With no such anchor.
			let beyond = LazyList { anchor: u32::MAX, ..list };
			assert_eq!(judge(Some(beyond)), Err(ProofError::Unlisted));
			seen += 1;
		}
	}
	assert!(seen > 20 && short > 5, "{seen} {short}");
}
