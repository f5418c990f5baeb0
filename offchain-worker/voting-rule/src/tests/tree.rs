//! A tree of blocks.

use crate::{Fault, View};
use assay_market::{Settlement, Settlements, Standing};
use parking_lot::Mutex;
use sp_runtime::{
	generic,
	testing::H256,
	traits::{BlakeTwo256, Header as _},
	Digest, OpaqueExtrinsic,
};
use std::{
	collections::{BTreeMap, BTreeSet},
	sync::Arc,
};

pub(super) type Header = generic::Header<u32, BlakeTwo256>;
pub(super) type Block = generic::Block<Header, OpaqueExtrinsic>;
pub(super) type Hash = H256;

/// The result of job `n`, as it was paid for; nobody else's root begins like this.
pub(super) fn result(n: u8) -> Settlement {
	Settlement { job: n.into(), order: [n ^ 0x55; 32], task: [n; 32], run_root: [n ^ 0xff; 32] }
}

/// What fails when it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trap {
	/// The database, or the runtime.
	Error,
	/// The code.
	Panic,
}

#[derive(Default)]
struct State {
	headers: BTreeMap<Hash, Header>,
	settled: BTreeMap<Hash, Settlements>,
	standings: BTreeMap<(Hash, u64), Standing>,
	traps: BTreeMap<(Hash, &'static str), Trap>,
	leaves_trap: Option<Trap>,
	/// Blocks that were asked what they settle, and forks where results stand.
	asked: Vec<Hash>,
	headers_read: usize,
}

/// Shared by its clones.
#[derive(Clone, Default)]
pub(super) struct Tree(Arc<Mutex<State>>);

impl Tree {
	/// A block on top of `parent`; blocks with different tags are different.
	pub(super) fn child(&self, parent: &Header, tag: u8) -> Header {
		let header = Header::new(
			parent.number + 1,
			H256::repeat_byte(tag),
			H256::zero(),
			parent.hash(),
			Digest::default(),
		);
		self.0.lock().headers.insert(header.hash(), header.clone());
		header
	}

	pub(super) fn genesis(&self) -> Header {
		let zero = H256::zero();
		let header = Header::new(0, zero, zero, zero, Digest::default());
		self.0.lock().headers.insert(header.hash(), header.clone());
		header
	}

	/// Every block, in no order.
	pub(super) fn headers(&self) -> Vec<Header> {
		self.0.lock().headers.values().cloned().collect()
	}

	/// `count` blocks on top of `parent`.
	pub(super) fn grow(&self, parent: &Header, tag: u8, count: u32) -> Vec<Header> {
		let mut chain: Vec<Header> = Vec::new();
		for _ in 0..count {
			let next = self.child(chain.last().unwrap_or(parent), tag);
			chain.push(next);
		}
		chain
	}

	/// Genesis and `count` blocks; the index is the number.
	pub(super) fn chain(&self, count: u32) -> Vec<Header> {
		let genesis = self.genesis();
		let above = self.grow(&genesis, 0, count);
		[vec![genesis], above].concat()
	}

	/// The block pays for the result.
	pub(super) fn settle(&self, block: &Header, settlement: Settlement) {
		self.0.lock().settled.entry(block.hash()).or_default().settled.push(settlement);
	}

	/// Whether the block pays for anything.
	pub(super) fn settles(&self, block: &Header) -> bool {
		self.0.lock().settled.contains_key(&block.hash())
	}

	/// The block pays for more than it tells.
	pub(super) fn truncate(&self, block: &Header) {
		let mut state = self.0.lock();
		let settlements = state.settled.entry(block.hash()).or_default();
		settlements.truncated = true;
	}

	/// A result stands so at a block.
	pub(super) fn stands(&self, block: &Header, settlement: Settlement, standing: Standing) {
		self.0.lock().standings.insert((block.hash(), settlement.job), standing);
	}

	pub(super) fn trap(&self, block: &Header, question: &'static str, trap: Trap) {
		self.0.lock().traps.insert((block.hash(), question), trap);
	}

	pub(super) fn trap_leaves(&self, trap: Trap) {
		self.0.lock().leaves_trap = Some(trap);
	}

	pub(super) fn disarm(&self) {
		let mut state = self.0.lock();
		state.traps.clear();
		state.leaves_trap = None;
	}

	/// The node loses a header.
	pub(super) fn forget(&self, block: &Header) {
		self.0.lock().headers.remove(&block.hash());
	}

	/// Runtime calls so far.
	pub(super) fn asked(&self) -> Vec<Hash> {
		self.0.lock().asked.clone()
	}

	pub(super) fn headers_read(&self) -> usize {
		self.0.lock().headers_read
	}

	fn spring(trap: Option<Trap>, fault: Fault) -> Result<(), Fault> {
		match trap {
			Some(Trap::Error) => Err(fault),
			Some(Trap::Panic) => panic!("a trap of the test"),
			None => Ok(()),
		}
	}

	fn question(&self, block: Hash, question: &'static str, fault: Fault) -> Result<(), Fault> {
		let trap = self.0.lock().traps.get(&(block, question)).copied();
		Self::spring(trap, fault)
	}
}

impl View<Block> for Tree {
	fn header(&self, block: Hash) -> Result<Option<Header>, Fault> {
		self.0.lock().headers_read += 1;
		self.question(block, "header", Fault::Database("torn page".into()))?;
		Ok(self.0.lock().headers.get(&block).cloned())
	}

	fn settlements(&self, block: Hash) -> Result<Settlements, Fault> {
		self.0.lock().asked.push(block);
		self.question(block, "settlements", Fault::Runtime("trap: unreachable".into()))?;
		Ok(self.0.lock().settled.get(&block).cloned().unwrap_or_default())
	}

	fn leaves(&self) -> Result<Vec<Hash>, Fault> {
		let trap = self.0.lock().leaves_trap;
		Self::spring(trap, Fault::Database("torn page".into()))?;
		let state = self.0.lock();
		let parents: BTreeSet<_> =
			state.headers.values().map(|header| header.parent_hash).collect();
		let leaves = state.headers.iter().filter(|(hash, _)| !parents.contains(*hash));
		let mut leaves: Vec<_> = leaves.map(|(hash, header)| (header.number, *hash)).collect();
		leaves.sort_by(|a, b| b.cmp(a));
		Ok(leaves.into_iter().map(|(_, hash)| hash).collect())
	}

	fn standings(&self, block: Hash, results: &[Settlement]) -> Result<Vec<Standing>, Fault> {
		self.0.lock().asked.push(block);
		self.question(block, "standings", Fault::Runtime("trap: unreachable".into()))?;
		let state = self.0.lock();
		let standing = |result: &Settlement| {
			state.standings.get(&(block, result.job)).copied().unwrap_or(Standing::Undisputed)
		};
		Ok(results.iter().map(standing).collect())
	}
}
