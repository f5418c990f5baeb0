//! Proofs that are stolen, broken off, forged, or about what is right.

use super::{proved_by_outsider, PROVEN_BY_OUTSIDER};
use crate::{
	actors::{OutsiderMisdeed, ProviderMisdeed, VerifierMisdeed},
	attack::{Attack, Blocks},
	calls, chain, models, offline,
	people::Person,
	stage::{ensure, expect, Cast, Report, Stage},
	work::{Lie, Table, Work},
};
use assay_referee::{Accusation, ProofPart};
use assay_runtime::Arbitration;

/// A job whose verifiers give right verdicts and lead no lanes.
fn outsiders_alone(provider: ProviderMisdeed, outsiders: &[(&str, OutsiderMisdeed)]) -> Cast {
	let drawn = vec![VerifierMisdeed::Idle; 3];
	let outsiders = outsiders.iter().map(|(name, misdeed)| (Person::named(name), *misdeed));
	Cast { provider, drawn, outsiders: outsiders.collect(), ..Cast::default() }
}

fn lie(work: &Work) -> ProviderMisdeed {
	ProviderMisdeed::Lie(Lie::at(0, work.anchor(0), 0))
}

/// A thief copies the proof out of the pool and gets it in first.
fn stolen_proof() -> Result<Report, String> {
	chain::run(|world| {
		let work = models::inference();
		let cast = outsiders_alone(lie(&work), &[("Outsider", OutsiderMisdeed::None)]);
		let mut stage = Stage::post(world, work.clone(), cast);
		stage.outsiders[0].commits = true;
		let outsider = stage.outsiders[0].who.clone();
		let committed = |stage: &Stage| {
			Arbitration::lane(stage.job, outsider.account()).is_some_and(|lane| lane.committed)
		};
		stage.until(committed)?;
		let job = stage.job;
		let proof = stage.outsiders[0].leader.proof(&work, job, &outsider.account()).remove(0);
		let thief = Person::named("Thief");
		let theft =
			vec![calls::commit_proof(&thief, job, &proof), calls::prove_fraud(&thief, job, proof)];
		for verdict in stage.tick_with(theft) {
			expect("the theft", verdict, Ok(()))?;
		}
		stage.play()
	})
}

/// A proof of several parts, of which only the first comes.
fn abandoned_fold() -> Result<Report, String> {
	chain::run(|world| {
		let work = models::long_reduction();
		let abandoned = [("Outsider", OutsiderMisdeed::AbandonProof)];
		let mut stage = Stage::post(world, work.clone(), outsiders_alone(lie(&work), &abandoned));
		let who = Person::named("Outsider").account();
		stage.until(|stage| {
			Arbitration::lane(stage.job, who.clone()).is_some_and(|l| l.parts == 1)
		})?;
		stage.until(|stage| Arbitration::lane(stage.job, who.clone()).is_none())?;
		let closed = stage.view();
		ensure(closed.condemned.is_none(), "half a proof condemned the result")?;
		stage.draw = |_| true;
		let mut report = stage.play()?;
		report.outcome = format!("lane closed, {}", report.outcome);
		Ok(report)
	})
}

/// The same, while somebody else carries the proof through.
fn abandoned_fold_of_one_of_two() -> Result<Report, String> {
	chain::run(|world| {
		let work = models::long_reduction();
		let both =
			[("Accomplice", OutsiderMisdeed::AbandonProof), ("Outsider", OutsiderMisdeed::None)];
		Stage::post(world, work.clone(), outsiders_alone(lie(&work), &both)).play()
	})
}

/// Proofs against an honest run: each tile of it is right.
fn proof_of_what_is_right() -> Result<Report, String> {
	chain::run(|world| {
		let work = models::inference();
		let lying = Table::lying(&work, Lie::at(0, work.anchor(1), 0));
		let mut stage = Stage::post(world, work.clone(), Cast::default());
		stage.until_revealed()?;
		let thief = Person::named("Thief");
		// Two lanes by hand: the accuser believes its own wrong replay.
		let job = stage.truth.job(&work);
		let forged = forged_proof(&work, &stage.truth.clone(), &lying)?;
		ensure(job.run_root == stage.truth.run_root(), "the run is the true one")?;
		for part in forged {
			expect(
				"the proof",
				stage.with(calls::prove_fraud(&thief, stage.job, part)),
				Err("NotWrong"),
			)?;
		}
		let mut report = stage.play()?;
		report.outcome = format!("NotWrong, {}", report.outcome);
		Ok(report)
	})
}

/// What a careless accuser sends that believes `wrong` of a run that is `right`.
fn forged_proof(work: &Work, right: &Table, wrong: &Table) -> Result<Vec<ProofPart>, String> {
	use assay_dispute::{Answerer, Challenger, Move};
	let job = right.job(work);
	let text = |error: assay_dispute::Error| error.to_string();
	let mut answerer = Answerer::new(job.clone(), right.clone()).map_err(text)?;
	let mut accuser = Challenger::new(job.clone(), wrong.clone()).map_err(text)?.reckless();
	let mut lane = offline::Lane::new(job);
	loop {
		match pollster::block_on(accuser.next_move(&lane.opened)).map_err(text)? {
			Move::Demand { child } => {
				let (place, parent) = lane.demand(child)?;
				let children = pollster::block_on(answerer.answer(place)).map_err(text)?;
				ensure(lane.answer(place, &parent, children), "a right answer is refused")?;
			}
			Move::Prove(parts) => return Ok(parts),
			Move::Nothing => return Err("the accuser sees nothing wrong".into()),
		}
	}
}

/// A valid proof with one thing changed, and how it must be refused.
type Forgery = (&'static str, &'static str, fn(&mut ProofPart, &Forger));

/// Where forgers take other tiles from.
struct Forger {
	work: Work,
	lying: Table,
}

impl Forger {
	/// A tile of an anchor of the lying run, in place of the operand's.
	fn tile(&self, step: u32, anchor: usize, tile: usize) -> Vec<u8> {
		let bytes = self.lying.bytes(step, self.work.anchor(anchor));
		bytes[tile * 1024..(tile + 1) * 1024].to_vec()
	}
}

/// Puts other bytes where the first operand's first tile was.
fn replace(part: &mut ProofPart, operand: usize, bytes: &[u8]) {
	part.operands[operand].tiles[..bytes.len()].copy_from_slice(bytes);
}

/// The proof accuses the first tile of the mixed state in step 2; it reads a job input and the
/// state.
const FORGERIES: &[Forgery] = &[
	("operand of another node", "ProofOperand", |part, f| {
		let last = part.operands.len() - 1;
		replace(part, last, &f.tile(1, 0, 0));
	}),
	("operand of another step", "ProofOperand", |part, f| {
		let last = part.operands.len() - 1;
		replace(part, last, &f.tile(0, 1, 0));
	}),
	("operand of another position", "ProofOperand", |part, f| {
		let last = part.operands.len() - 1;
		replace(part, last, &f.tile(1, 1, 3));
	}),
	("operand of another tensor", "ProofOperand", |part, f| {
		let start = f.work.inputs[0].bytes[..1024].to_vec();
		replace(part, 0, &start);
	}),
	("one bit of an operand", "ProofOperand", |part, _| part.operands[0].tiles[5] ^= 1),
	("operands in another order", "ProofOperand", |part, _| part.operands.swap(0, 1)),
	("an operand less", "ProofIncomplete", |part, _| drop(part.operands.pop())),
	("an operand more", "ProofIncomplete", |part, _| part.operands.push(part.operands[0].clone())),
	("the trace of another step", "ProofTrace", |part, f| {
		let leaf = f.lying.traces()[1];
		part.trace.0 = leaf;
	}),
	("no step before", "ProofBefore", |part, _| part.before = None),
	("the claimed value of another tile", "ProofClaimed", |part, _| part.claimed.0[0] ^= 1),
	("the root of another anchor", "ProofAnchors", |part, f| {
		part.anchors.roots[0] = f.lying.roots(2)[1]
	}),
	("a second part first", "WrongPart", |part, _| part.part = 1),
	("a step that is not there", "ProofOutOfRange", |part, _| part.accusation.step = 5),
	("a node that is not there", "ProofNotAnAnchor", |part, _| part.accusation.node = 999),
	("a tile that is not there", "ProofOutOfRange", |part, _| part.accusation.tile = 4),
	("another step", "ProofTrace", |part, _| part.accusation.step = 3),
	("another tile", "ProofClaimed", |part, _| part.accusation.tile = 1),
];

fn forged_operands() -> Result<Report, String> {
	chain::run(|world| {
		let work = models::recurrent(5);
		let lie = Lie::at(2, work.anchor(0), 0);
		let cast = outsiders_alone(ProviderMisdeed::Lie(lie), &[]);
		let mut stage = Stage::post(world, work.clone(), cast);
		stage.until_revealed()?;
		let outsider = Person::named("Outsider");
		let lying = Table::lying(&work, lie);
		let valid = offline::proof(&work, &lying, &stage.truth.clone()).remove(0);
		let accused = Accusation { step: 2, node: work.anchor(0), tile: 0 };
		ensure(valid.accusation == accused, format!("it accuses {:?}", valid.accusation))?;
		let forger = Forger { work, lying };
		let forged: Vec<_> = FORGERIES
			.iter()
			.map(|(_, _, forge)| {
				let mut part = valid.clone();
				forge(&mut part, &forger);
				calls::prove_fraud(&outsider, stage.job, part)
			})
			.collect();
		let verdicts = stage.world.send_all(forged);
		for ((what, refusal, _), verdict) in FORGERIES.iter().zip(verdicts) {
			expect(what, verdict, Err(refusal))?;
		}
		let proof = calls::prove_fraud(&outsider, stage.job, valid);
		expect("the valid proof", stage.with(proof), Ok(()))?;
		let report = stage.play()?;
		let outcome = format!("{} refused by name, {}", FORGERIES.len(), report.outcome);
		Ok(Report { outcome, ..report })
	})
}

pub(super) const ATTACKS: &[Attack] = &[
	Attack {
		name: "stolen-proof",
		what: "a thief copies a proof out of the pool and is first: the committed account is paid",
		outcome: "ProvenFraud",
		blocks: Blocks::Exactly(6),
		money: PROVEN_BY_OUTSIDER,
		run: stolen_proof,
	},
	Attack {
		name: "abandoned-fold",
		what: "the first of several parts of a proof, and no more",
		outcome: "lane closed, ProvenFraud",
		blocks: Blocks::Exactly(32),
		money: "provider -9.5, outsider -1, verifier +2, requester +2.5, burned 6",
		run: abandoned_fold,
	},
	Attack {
		name: "abandoned-fold-beside-another",
		what: "the same, while another lane carries the proof through",
		outcome: "ProvenFraud",
		blocks: proved_by_outsider(1, 8),
		money: "provider -9.5, accomplice -1, outsider +2.5, requester +2.5, burned 5.5",
		run: abandoned_fold_of_one_of_two,
	},
	Attack {
		name: "proof-of-what-is-right",
		what: "a proof, opened in every detail, that a right tile is wrong",
		outcome: "NotWrong, Paid",
		blocks: Blocks::None,
		money: super::PAID,
		run: proof_of_what_is_right,
	},
	Attack {
		name: "forged-operands",
		what: "18 changes to a valid proof: tiles of another node, step, position, tensor and more",
		outcome: "18 refused by name, ProvenFraud",
		blocks: Blocks::Exactly(8),
		money: PROVEN_BY_OUTSIDER,
		run: forged_operands,
	},
];
