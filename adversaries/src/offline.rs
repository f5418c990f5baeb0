//! A lane without a chain: demands and answers passed by hand, and the ruling of the chain's own
//! referee.

use crate::work::{Table, Work};
use assay_commitments::{Below, Hash, Place};
use assay_dispute::{Answerer, Challenger, Job, Move, Replay};
use assay_program::{AnchorPlan, Checked, Program};
use assay_referee::{judge, LazyList, ProofError, ProofPart, Record, Ruling};
use codec::{DecodeAll, Encode};
use std::sync::Arc;

/// The chain's record of a lane, with the chain's rules.
pub struct Lane {
	job: Arc<Job>,
	/// The groups that were opened, from the top.
	pub opened: Vec<(Place, Vec<Hash>)>,
	/// What the provider has stated, and the root of the eager anchor that it leads to.
	stated: Option<(LazyList, Hash)>,
}

impl Lane {
	/// A lane that nothing was demanded in.
	pub fn new(job: Arc<Job>) -> Self {
		Self { job, opened: Vec::new(), stated: None }
	}

	/// Place and parent hash of a demand.
	///
	/// # Errors
	/// When no such demand can be made.
	pub fn demand(&self, child: Option<u32>) -> Result<(Place, Hash), String> {
		let job = &*self.job;
		match (self.opened.last(), child) {
			(None, None) => {
				let root = if job.steps == 1 { job.trace_root } else { job.run_root };
				Ok((Place::first(job).ok_or("a run without steps")?, root))
			}
			(Some((place, children)), Some(child)) => match place.below(child, job) {
				Some(Below::Group(below)) => {
					let past = || self.stated.map(|(_, eager)| eager);
					let parent = children.get(child as usize).copied().or_else(past);
					Ok((below, parent.ok_or("past a list that is not there")?))
				}
				other => Err(format!("{child} below {place:?} is {other:?}")),
			},
			other => Err(format!("a demand out of order: {other:?}")),
		}
	}

	/// What the provider has stated in it.
	pub fn list(&self) -> Option<LazyList> {
		self.stated.map(|(list, _)| list)
	}

	/// Takes an answer if it is the right one.
	pub fn answer(&mut self, place: Place, parent: &Hash, children: Vec<Hash>) -> bool {
		let right = place.verify(parent, &children, &*self.job);
		if right {
			if let (Some(root), Place::Lazy { step, anchor, .. }) =
				(place.stated_root(&children, &*self.job), place)
			{
				self.stated = Some((LazyList { step, anchor, root }, *parent));
			}
			self.opened.push((place, children));
		}
		right
	}
}

/// Leads a lane to its proof. Gives the proof and the lane.
///
/// # Errors
/// When either side cannot go on, or there is no fraud.
pub fn lead(
	job: &Arc<Job>,
	provider: &Table,
	challenger: impl Replay,
) -> Result<(Vec<ProofPart>, Lane), String> {
	let mut answerer =
		Answerer::new(job.clone(), provider.clone()).map_err(|error| error.to_string())?;
	let mut challenger =
		Challenger::new(job.clone(), challenger).map_err(|error| error.to_string())?;
	let mut lane = Lane::new(job.clone());
	loop {
		let next = pollster::block_on(challenger.next_move(&lane.opened));
		match next.map_err(|error| format!("challenger: {error}"))? {
			Move::Demand { child } => {
				let (place, parent) = lane.demand(child)?;
				let children = pollster::block_on(answerer.answer(place))
					.map_err(|error| format!("answerer: {error}"))?;
				if !lane.answer(place, &parent, children) {
					return Err(format!("the answer at {place:?} is refused"));
				}
			}
			Move::Prove(parts) => return Ok((parts, lane)),
			Move::Nothing => return Err("the challenger found no fraud".into()),
		}
	}
}

/// The proof that a lying run can be caught by, from the right one.
///
/// # Panics
/// When there is none.
pub fn proof(work: &Work, lying: &Table, truth: &Table) -> Vec<ProofPart> {
	lead(&lying.job(work), lying, truth.clone()).expect("a lie has a proof").0
}

/// The parts of a proof against a *right* run, as somebody would make them whose replay is `wrong`:
/// each is well formed, and the last one is refused.
///
/// # Errors
/// When the two runs do not differ, or the way down to the difference cannot be led.
pub fn reckless_proof(work: &Work, right: &Table, wrong: &Table) -> Result<Vec<ProofPart>, String> {
	let job = right.job(work);
	let text = |error: assay_dispute::Error| error.to_string();
	let mut answerer = Answerer::new(job.clone(), right.clone()).map_err(text)?;
	let mut accuser = Challenger::new(job.clone(), wrong.clone()).map_err(text)?.reckless();
	let mut lane = Lane::new(job);
	loop {
		match pollster::block_on(accuser.next_move(&lane.opened)).map_err(text)? {
			Move::Demand { child } => {
				let (place, parent) = lane.demand(child)?;
				let children = pollster::block_on(answerer.answer(place)).map_err(text)?;
				if !lane.answer(place, &parent, children) {
					return Err("a right answer was refused".into());
				}
			}
			Move::Prove(parts) => return Ok(parts),
			Move::Nothing => return Err("the runs do not differ".into()),
		}
	}
}

/// A program as the chain has it: from its stored bytes and what it kept of the check.
pub struct Stored {
	/// Decoded from the stored bytes.
	pub program: Program,
	/// Admitted again by the stored plans.
	pub checked: Checked,
}

impl Stored {
	/// As the chain stores the work's program and reads it again for the referee.
	///
	/// # Errors
	/// When what was stored is not admitted again.
	pub fn new(work: &Work) -> Result<Self, String> {
		let plans = work.checked.plans().encode();
		let plans = Vec::<AnchorPlan>::decode_all(&mut &plans[..]).map_err(|e| e.to_string())?;
		let program = Program::decode_bounded(&work.bytes).map_err(|error| error.to_string())?;
		let checked = program.readmit(&plans).map_err(|error| error.to_string())?;
		Ok(Self { program, checked })
	}

	/// What the referee makes of a proof that comes as bytes.
	///
	/// # Errors
	/// Why it proves nothing.
	pub fn rule(
		&self,
		input_roots: &[Hash],
		steps: u32,
		run_root: Hash,
		list: Option<LazyList>,
		parts: &[ProofPart],
	) -> Result<Ruling, ProofError> {
		let (program, checked) = (&self.program, &self.checked);
		let record = Record { program, checked, input_roots, steps, run_root, list };
		let mut accumulators = None;
		for part in parts {
			let bytes = part.encode();
			let part = ProofPart::decode_all(&mut &bytes[..]).map_err(|_| ProofError::Part)?;
			match judge(&record, accumulators.take(), &part)? {
				Ruling::Continue(next) => accumulators = Some(next),
				end => return Ok(end),
			}
		}
		Err(ProofError::Part)
	}
}
