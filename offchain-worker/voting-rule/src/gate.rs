//! The rule: how far a vote may go.

use std::{
	panic::{catch_unwind, AssertUnwindSafe},
	sync::Arc,
	time::Instant,
};

use assay_market::Settlement;
use assay_verifier_service::Knowledge;
use parking_lot::Mutex;
use sc_consensus_grandpa::{VotingRule, VotingRuleResult};
use sp_blockchain::HeaderBackend;
use sp_runtime::traits::{Block as BlockT, Header as HeaderT};

use crate::{
	evidence::{Evidence, Inquiry, Memory},
	BlockNumber, Caps, Cause, Choice, Fault, Metrics, View, LOG_TARGET,
};

/// Holds votes below blocks that pay for results against which there is evidence. Clones share
/// everything.
pub struct Gate<Block: BlockT>(Arc<Shared<Block>>);

struct Shared<Block: BlockT> {
	view: Box<dyn View<Block>>,
	knowledge: Knowledge,
	caps: Caps,
	metrics: Metrics,
	memory: Mutex<Memory<Block>>,
	/// What the last vote was held for, so that the log tells changes and not every round.
	told: Mutex<Option<(Cause, Option<Settlement>)>>,
}

impl<Block: BlockT> Clone for Gate<Block> {
	fn clone(&self) -> Self {
		Self(self.0.clone())
	}
}

/// A vote that is held back.
struct Held<Hash> {
	vote: (Hash, BlockNumber),
	cause: Cause,
	against: Option<Settlement>,
}

impl<Block> Gate<Block>
where
	Block: BlockT,
	Block::Header: HeaderT<Number = BlockNumber>,
{
	/// A gate over a node's database and what the node knows.
	pub fn new(view: impl View<Block>, knowledge: Knowledge, caps: Caps, metrics: Metrics) -> Self {
		let (memory, told) = Default::default();
		Self(Arc::new(Shared { view: Box::new(view), knowledge, caps, metrics, memory, told }))
	}

	/// The block to vote for, between `base` and `current`, on the chain of `current`. `best` is
	/// what would be voted for without any rule.
	pub fn choose(
		&self,
		base: &Block::Header,
		best: &Block::Header,
		current: &Block::Header,
	) -> Choice<Block::Hash> {
		let started = Instant::now();
		let look = || self.0.held(base, best, current);
		let held = catch_unwind(AssertUnwindSafe(look)).unwrap_or_else(|_| {
			let lowest = (base.hash(), *base.number());
			Some(self.0.blind(Fault::Panicked, lowest))
		});
		// Nothing above the target, whatever happened.
		let held = held.filter(|held| held.vote.1 < *current.number());
		let choice = match &held {
			Some(Held { vote: (hash, number), cause, .. }) => {
				Choice { hash: *hash, number: *number, cause: Some(*cause) }
			}
			None => Choice { hash: current.hash(), number: *current.number(), cause: None },
		};
		self.0.metrics.voted(*best.number(), *current.number(), &choice, started.elapsed());
		self.0.tell(held.as_ref(), *best.number());
		choice
	}

	/// The header of a block; counts what is wrong with it.
	pub(crate) fn header(&self, block: Block::Hash) -> Result<Block::Header, Fault> {
		let header = catch_unwind(AssertUnwindSafe(|| self.0.header(block)));
		header.unwrap_or(Err(Fault::Panicked)).inspect_err(|fault| self.0.metrics.fault(fault))
	}
}

impl<Block> Shared<Block>
where
	Block: BlockT,
	Block::Header: HeaderT<Number = BlockNumber>,
{
	fn header(&self, block: Block::Hash) -> Result<Block::Header, Fault> {
		self.view.header(block)?.ok_or_else(|| Fault::MissingHeader(block.to_string()))
	}

	/// Where a vote is held; `None` where it may go to its target.
	fn held(
		&self,
		base: &Block::Header,
		best: &Block::Header,
		current: &Block::Header,
	) -> Option<Held<Block::Hash>> {
		// Whatever is known about blocks at or below this height, it has been held long enough.
		let floor = best.number().saturating_sub(self.caps.hard()).max(*base.number());
		if *current.number() <= floor {
			return None;
		}
		let path = match self.path(base, current, floor) {
			Ok(path) => path,
			Err(fault) => return Some(self.blind(fault, (base.hash(), *base.number()))),
		};
		match self.search(base, best, &path, floor) {
			Ok(held) => held,
			Err(fault) => Some(self.blind(fault, (*path.first()?, floor))),
		}
	}

	/// The blocks from height `floor` up to the target, both included.
	fn path(
		&self,
		base: &Block::Header,
		current: &Block::Header,
		floor: BlockNumber,
	) -> Result<Vec<Block::Hash>, Fault> {
		let mut path = vec![current.hash()];
		let (mut parent, mut height) = (*current.parent_hash(), *current.number());
		while height > floor {
			path.push(parent);
			height -= 1;
			if height > floor {
				let header = self.header(parent)?;
				if *header.number() != height {
					return Err(Fault::BrokenChain(parent.to_string()));
				}
				parent = *header.parent_hash();
			}
		}
		if floor == *base.number() && path.last() != Some(&base.hash()) {
			return Err(Fault::BrokenChain(base.hash().to_string()));
		}
		path.reverse();
		Ok(path)
	}

	/// The lowest vote that any evidence asks for. `path` begins at height `floor`.
	fn search(
		&self,
		base: &Block::Header,
		best: &Block::Header,
		path: &[Block::Hash],
		floor: BlockNumber,
	) -> Result<Option<Held<Block::Hash>>, Fault> {
		let mut memory = self.memory.lock();
		let mut inquiry = Inquiry {
			view: &*self.view,
			knowledge: &self.knowledge,
			caps: self.caps,
			memory: &mut memory,
			base: *base.number(),
			best: (best.hash(), *best.number()),
			forks: None,
		};
		// Indices in the path: its first block is never in question.
		let mut held: Option<(usize, Evidence)> = None;
		for (above, block) in path.iter().enumerate().skip(1) {
			// All that follows holds votes at this height or above.
			if held.is_some_and(|(at, _)| at < above) {
				break;
			}
			let Some(evidence) = inquiry.against(*block)? else { continue };
			let lowest = best.number().saturating_sub(evidence.cause.cap(&self.caps));
			let at = (above - 1).max(lowest.saturating_sub(floor) as usize);
			if held.is_none_or(|(other, _)| at < other) {
				held = Some((at, evidence));
			}
		}
		Ok(held.and_then(|(at, Evidence { cause, against })| {
			let vote = (*path.get(at)?, floor.saturating_add(at as BlockNumber));
			Some(Held { vote, cause, against: Some(against) })
		}))
	}

	/// What cannot be looked at is held.
	fn blind(&self, fault: Fault, vote: (Block::Hash, BlockNumber)) -> Held<Block::Hash> {
		self.metrics.fault(&fault);
		log::error!(target: LOG_TARGET, "Votes for finality are held at #{}: {fault}", vote.1);
		Held { vote, cause: Cause::Error, against: None }
	}

	fn tell(&self, held: Option<&Held<Block::Hash>>, best: BlockNumber) {
		let now = held.map(|held| (held.cause, held.against));
		let before = std::mem::replace(&mut *self.told.lock(), now);
		if now == before {
			return;
		}
		match held {
			Some(Held { vote: (_, number), cause, against: Some(against) }) => log::warn!(
				target: LOG_TARGET,
				"Votes for finality are held at #{number}, {} blocks below the best: the next one pays for \
				job {} ({})",
				best.saturating_sub(*number), against.job, cause.name(),
			),
			Some(_) => {}
			None => log::info!(target: LOG_TARGET, "Votes for finality are held no more"),
		}
	}
}

impl<Block, Client> VotingRule<Block, Client> for Gate<Block>
where
	Block: BlockT,
	Block::Header: HeaderT<Number = BlockNumber>,
	Client: HeaderBackend<Block>,
{
	fn restrict_vote(
		&self,
		_: Arc<Client>,
		base: &Block::Header,
		best_target: &Block::Header,
		current_target: &Block::Header,
	) -> VotingRuleResult<Block> {
		let choice = self.choose(base, best_target, current_target);
		let restricted = choice.cause.map(|_| (choice.hash, choice.number));
		Box::pin(std::future::ready(restricted))
	}
}
