//! Programs that are too much, make no sense, or try to be beyond a referee.

use super::proved_by_verifier;
use crate::{
	attack::{Attack, Blocks},
	calls,
	chain::{self, World},
	models,
	money::{self, Purses},
	people::Person,
	stage::{ensure, expect, Cast, Report, Stage},
};
use assay_engine_testing::{definition, Rng};
use assay_exec::{CpuExecutor, Executor, Options, Tensor, Work};
use assay_ops::{DType, TensorType};
use assay_program::{Class, ProgramBuilder, Source};

fn ty(dims: &[u32]) -> TensorType {
	TensorType::new(DType::I8, dims).expect("a shape; qed")
}

/// Tries to register each of these programs, and says what moved.
fn refused(programs: Vec<(Vec<u8>, &str)>) -> Result<Report, String> {
	chain::run(|world| {
		let before = Purses::now(world);
		let mut names = vec![];
		for (bytes, name) in programs {
			let call = calls::register_program(&Person::named("Requester"), &bytes);
			expect("the program", world.send(call), Err(name))?;
			names.push(name);
		}
		report(world, &before, names.join(", "))
	})
}

fn report(world: &World, before: &Purses, outcome: String) -> Result<Report, String> {
	let moved = Purses::now(world).since(before)?;
	Ok(Report { outcome, blocks: None, money: money::describe(&moved, ToString::to_string) })
}

fn bytes(builder: ProgramBuilder) -> Vec<u8> {
	builder.build().expect("a well-formed program").encode()
}

/// The sum of 40 tensors of 2 GiB, all of which are there at once.
fn memory_bomb() -> Vec<u8> {
	let mut b = ProgramBuilder::new();
	let inputs: Vec<Source> =
		(0..40).map(|at| b.input(&format!("x{at}"), ty(&[32_768, 65_535]))).collect();
	let sum = inputs.into_iter().reduce(|sum, next| {
		let sum = b.add(sum, next, DType::I8);
		b.eager(sum)
	});
	b.output("sum", sum.expect("forty inputs; qed"));
	bytes(b)
}

/// 40 products of 2^46 steps each.
fn too_expensive() -> Vec<u8> {
	let mut b = ProgramBuilder::new();
	let x = b.input("x", ty(&[32_767, 65_536]));
	let w = b.input("w", ty(&[32_767, 65_536]));
	for at in 0..40 {
		let product = b.matmul(x, w);
		b.output(&format!("y{at}"), product);
	}
	bytes(b)
}

/// One tile needs all of a product that nobody has committed to.
fn beyond_the_referee() -> Vec<u8> {
	let mut b = ProgramBuilder::new();
	let x = b.input("x", ty(&[4_096, 4_096]));
	let w = b.input("w", ty(&[4_096, 4_096]));
	let hidden = b.matmul(x, w);
	let hidden = b.cast(hidden, DType::I8);
	let total = b.reduce_sum(hidden, 0, DType::I32);
	b.output("total", total);
	bytes(b)
}

/// So many virtual nodes in a row that the analysis itself would be the attack.
fn maze() -> Vec<u8> {
	let mut b = ProgramBuilder::new();
	let mut at = b.input("x", ty(&[64, 64]));
	for _ in 0..2_000 {
		at = b.add(at, at, DType::I8);
	}
	b.output("y", at);
	bytes(b)
}

fn memory_and_work() -> Result<Report, String> {
	refused(vec![(memory_bomb(), "TooMuchMemory"), (too_expensive(), "TooMuchWork")])
}

fn unrefereeable() -> Result<Report, String> {
	refused(vec![(beyond_the_referee(), "Unrefereeable"), (maze(), "TooComplex")])
}

/// Random bytes, cut programs and programs with flipped bits: each is refused by name or is a
/// program.
fn hostile_bytes() -> Result<Report, String> {
	let good = models::inference().bytes;
	let mut rng = Rng::new(7);
	let mut attempts = vec![];
	for at in 0..300 {
		let mut bytes = good.clone();
		match at % 3 {
			0 => {
				for _ in 0..=rng.below(4) {
					let at = rng.below(bytes.len() as u64) as usize;
					bytes[at] ^= 1 << rng.below(8);
				}
			}
			1 => bytes.truncate(rng.below(good.len() as u64) as usize),
			_ => {
				bytes = (0..rng.below(2_000)).map(|_| rng.bits() as u8).collect();
				if rng.one_in(2) {
					let start = good.len().min(bytes.len()).min(8);
					bytes[..start].copy_from_slice(&good[..start]);
				}
			}
		}
		attempts.push(bytes);
	}
	chain::run(|world| {
		let before = Purses::now(world);
		let who = Person::named("Requester");
		let calls = attempts.iter().map(|bytes| calls::register_program(&who, bytes)).collect();
		let verdicts = world.send_all(calls);
		let mut admitted = 0;
		for (bytes, verdict) in attempts.iter().zip(verdicts) {
			let program = assay_program::Program::decode_bounded(bytes);
			let sound =
				program.is_ok_and(|program| program.check(&assay_program::Limits::V1).is_ok());
			match verdict {
				Ok(()) => {
					ensure(sound, "the chain admitted what the check refuses")?;
					admitted += 1;
				}
				Err(name) => {
					let named = name.chars().all(char::is_alphanumeric);
					ensure(named, format!("refused without a name: {name}"))?;
					let twice = name == "AlreadyRegistered";
					ensure(twice || !sound, format!("refused what the check admits: {name}"))?;
				}
			}
		}
		ensure(admitted < 60, format!("{admitted} of 300 were admitted"))?;
		report(world, &before, "300 programs decided by the check, no panic".into())
	})
}

/// Inputs whose padding holds anything: engines, referee and definition leave it alone.
fn poisoned_padding() -> Result<Report, String> {
	let mut work = models::inference();
	let mut rng = Rng::new(11);
	for input in &mut work.inputs {
		let mut bytes: Vec<u8> = (0..input.bytes.len()).map(|_| rng.bits() as u8).collect();
		for element in 0..u64::from(input.ty.elements()) {
			let (tile, offset) = input.ty.position(element);
			let at = tile as usize * 1024 + offset;
			// Every value of the type is in range, the extremes too.
			bytes[at] = rng.pick(&[0x80, 0x7f, 0xff, 0, 1, 0x55]);
		}
		*input = Tensor::new(input.ty, bytes);
	}
	let engine = CpuExecutor::new()
		.run(
			&Work {
				program: &work.program,
				checked: &work.checked,
				inputs: &work.inputs,
				steps: 1,
			},
			Options::default(),
			&mut (),
		)
		.map_err(|error| error.to_string())?;
	let by_definition = definition(&work.program, &work.checked, &work.inputs, 1);
	ensure(engine.run_root == by_definition.run_root, "the padding changes the result")?;
	let honest = chain::run(|world| Stage::post(world, work.clone(), Cast::default()).play())?;
	// A wrong tile that is computed from poisoned ones is proved wrong all the same.
	let lie = crate::work::Lie::at(0, work.anchor(0), 0);
	let provider = crate::actors::ProviderMisdeed::Lie(lie);
	let wrong = super::played(work, Cast { provider, ..Cast::default() })?;
	Ok(Report { outcome: format!("{}; {}", honest.outcome, wrong.outcome), ..wrong })
}

/// A program that the check admits only because its middle is committed to.
fn hostile_but_admitted() -> Result<Report, String> {
	let work = models::long_reduction();
	let parts = work.checked.referee.parts;
	ensure(parts > 1, "the reduction fits into one part")?;
	ensure(work.program.nodes.iter().all(|node| node.class == Class::EagerAnchor), "virtual")?;
	let lie = crate::work::Lie::at(0, work.anchor(0), 0);
	let provider = crate::actors::ProviderMisdeed::Lie(lie);
	let report = super::played(work, Cast { provider, ..Cast::default() })?;
	Ok(Report { outcome: format!("{} in {parts} parts", report.outcome), ..report })
}

pub(super) const ATTACKS: &[Attack] = &[
	Attack {
		name: "memory-bomb-and-slow-program",
		what: "a program of 80 GiB and one of 2^51 steps",
		outcome: "TooMuchMemory, TooMuchWork",
		blocks: Blocks::None,
		money: "nothing",
		run: memory_and_work,
	},
	Attack {
		name: "unrefereeable-program",
		what: "a tile that needs a whole uncommitted product, a maze of virtual nodes",
		outcome: "Unrefereeable, TooComplex",
		blocks: Blocks::None,
		money: "nothing",
		run: unrefereeable,
	},
	Attack {
		name: "program-as-hard-as-admitted",
		what: "a wrong tile of a reduction so long that its proof has several parts",
		outcome: "ProvenFraud in 8 parts",
		blocks: proved_by_verifier(1, 8),
		money: super::PROVEN_BY_VERIFIER,
		run: hostile_but_admitted,
	},
	Attack {
		name: "hostile-program-bytes",
		what: "300 random, cut and flipped program files",
		outcome: "300 programs decided by the check, no panic",
		blocks: Blocks::None,
		money: "nothing",
		run: hostile_bytes,
	},
	Attack {
		name: "poisoned-padding-and-extreme-inputs",
		what: "inputs of extreme values with garbage in their padding; then a lie about them",
		outcome: "Paid; ProvenFraud",
		blocks: proved_by_verifier(2, 1),
		money: super::PROVEN_BY_VERIFIER,
		run: poisoned_padding,
	},
];
