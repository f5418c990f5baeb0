//! What speaks against the results that a block pays for.

use crate::{BlockNumber, Caps, Fault, View};
use assay_market::{Settlement, Settlements, Standing};
use assay_verifier_service::Knowledge;
use schnellru::{ByLength, LruMap};
use sp_runtime::traits::{Block as BlockT, Header as HeaderT};
use std::sync::Arc;

/// Blocks whose settlements are remembered: more than all caps allow to look at, on several forks.
const BLOCKS: u32 = 4_096;
/// Answers of other forks that are remembered.
const ANSWERS: u32 = 1_024;
/// Most forks that are asked about a result, the highest first.
const FORKS: usize = 8;

/// Why a block is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
	/// This node's own referee has accepted a proof that the result is wrong.
	OwnProof,
	/// The chain's referee has accepted one, on another fork that this node has executed.
	ForkProof,
	/// On another fork that may still win, a challenger's lane keeps the result from settling.
	OpenLane,
	/// This node's own replay gives another result. Nobody has proved it, and the node may be
	/// wrong.
	OwnVerdict,
	/// It could not be found out.
	Error,
}

impl Cause {
	/// All of them.
	pub const ALL: [Self; 5] =
		[Self::OwnProof, Self::ForkProof, Self::OpenLane, Self::OwnVerdict, Self::Error];

	/// Name in the metrics.
	pub fn name(&self) -> &'static str {
		match self {
			Self::OwnProof => "own_proof",
			Self::ForkProof => "fork_proof",
			Self::OpenLane => "open_lane",
			Self::OwnVerdict => "own_verdict",
			Self::Error => "error",
		}
	}

	/// How far it may hold votes behind the best block.
	pub fn cap(&self, caps: &Caps) -> BlockNumber {
		match self {
			Self::OwnVerdict => caps.soft(),
			_ => caps.hard(),
		}
	}
}

/// A result that speaks against its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Evidence {
	pub(crate) cause: Cause,
	pub(crate) against: Settlement,
}

/// Answers of the chain that never change.
pub(crate) struct Memory<Block: BlockT> {
	settled: LruMap<Block::Hash, Arc<Settlements>, ByLength>,
	/// By fork, and the block whose results were asked about.
	standings: LruMap<[Block::Hash; 2], Arc<Vec<Standing>>, ByLength>,
}

impl<Block: BlockT> Default for Memory<Block> {
	fn default() -> Self {
		Self {
			settled: LruMap::new(ByLength::new(BLOCKS)),
			standings: LruMap::new(ByLength::new(ANSWERS)),
		}
	}
}

impl<Block: BlockT> Memory<Block> {
	fn settled(
		&mut self,
		view: &dyn View<Block>,
		block: Block::Hash,
	) -> Result<Arc<Settlements>, Fault> {
		if let Some(known) = self.settled.get(&block) {
			return Ok(known.clone());
		}
		let settlements = Arc::new(view.settlements(block)?);
		self.settled.insert(block, settlements.clone());
		Ok(settlements)
	}

	fn standings(
		&mut self,
		view: &dyn View<Block>,
		fork: Block::Hash,
		block: Block::Hash,
		results: &[Settlement],
	) -> Result<Arc<Vec<Standing>>, Fault> {
		if let Some(known) = self.standings.get(&[fork, block]) {
			return Ok(known.clone());
		}
		let standings = view.standings(fork, results)?;
		if standings.len() != results.len() {
			return Err(Fault::Runtime(format!("{fork} answers for {} results", standings.len())));
		}
		let standings = Arc::new(standings);
		self.standings.insert([fork, block], standings.clone());
		Ok(standings)
	}
}

/// One look at the chain, before one vote.
pub(crate) struct Inquiry<'a, Block: BlockT> {
	pub(crate) view: &'a dyn View<Block>,
	pub(crate) knowledge: &'a Knowledge,
	pub(crate) caps: Caps,
	pub(crate) memory: &'a mut Memory<Block>,
	pub(crate) base: BlockNumber,
	pub(crate) best: (Block::Hash, BlockNumber),
	/// The other forks, once they were needed: hash and height.
	pub(crate) forks: Option<Vec<(Block::Hash, BlockNumber)>>,
}

impl<Block> Inquiry<'_, Block>
where
	Block: BlockT,
	Block::Header: HeaderT<Number = BlockNumber>,
{
	/// What speaks most against a block.
	pub(crate) fn against(&mut self, block: Block::Hash) -> Result<Option<Evidence>, Fault> {
		let settlements = self.memory.settled(self.view, block)?;
		let Settlements { settled, truncated } = &*settlements;
		if settled.is_empty() {
			return Ok(None);
		}
		let proved =
			|result: &&Settlement| self.knowledge.is_proved_wrong(&result.task, &result.run_root);
		if let Some(against) = settled.iter().find(proved) {
			return Ok(Some(Evidence { cause: Cause::OwnProof, against: *against }));
		}
		let elsewhere = self.elsewhere(block, settled)?;
		if let Some(certain) = elsewhere {
			return Ok(Some(certain));
		}
		if *truncated {
			return Err(Fault::Truncated(block.to_string()));
		}
		let differs = |result: &&Settlement| {
			self.knowledge.verdict(&result.task).is_some_and(|own| own != result.run_root)
		};
		let differing = settled.iter().find(differs);
		Ok(differing.map(|against| Evidence { cause: Cause::OwnVerdict, against: *against }))
	}

	/// What other forks say against the results of a block. A fork that has built upon the block
	/// says nothing: there they have settled too.
	fn elsewhere(
		&mut self,
		block: Block::Hash,
		settled: &[Settlement],
	) -> Result<Option<Evidence>, Fault> {
		let mut open = None;
		for (fork, height) in self.forks()? {
			let standings = self.memory.standings(self.view, fork, block, settled)?;
			for (against, standing) in settled.iter().zip(&*standings) {
				match standing {
					Standing::ProvenWrong => {
						// A wrong result stays wrong when the fork is gone.
						self.knowledge.proved(against.task, against.run_root);
						return Ok(Some(Evidence { cause: Cause::ForkProof, against: *against }));
					}
					// Anyone can open a lane, so it only counts while it can still lead to
					// something: a fork that has fallen behind will not win, and costs nothing to
					// keep.
					Standing::Disputed
						if height.saturating_add(self.caps.soft()) >= self.best.1 =>
					{
						open.get_or_insert(Evidence { cause: Cause::OpenLane, against: *against });
					}
					Standing::Disputed | Standing::Undisputed => {}
				}
			}
		}
		Ok(open)
	}

	/// The highest other forks that are not over yet.
	fn forks(&mut self) -> Result<Vec<(Block::Hash, BlockNumber)>, Fault> {
		if let Some(forks) = &self.forks {
			return Ok(forks.clone());
		}
		let mut forks = Vec::new();
		for leaf in self.view.leaves()? {
			// Leaves come and go while this looks; one without a header is gone.
			let Some(header) = self.view.header(leaf)? else { continue };
			let height = *header.number();
			let alive =
				height > self.base && height.saturating_add(self.caps.hard()) >= self.best.1;
			if alive && leaf != self.best.0 {
				forks.push((leaf, height));
			}
			if forks.len() == FORKS {
				break;
			}
		}
		self.forks = Some(forks.clone());
		Ok(forks)
	}
}
