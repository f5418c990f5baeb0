//! What a job is, whatever its number: the hash that everybody who binds itself to a job names.
//!
//! Jobs are numbered in the order in which they were posted, so after a reorganisation the same
//! number may stand for another job. Whoever claims, commits, attests, replays or disputes is bound
//! to the *order*: who asked for what, on which terms. Calls carry its hash and fail on another
//! one; what is signed, hidden, drawn or kept outside the state is bound to it too.

use crate::{Assurance, Hash, JobId};
use codec::Encode;

/// The version of the preimage. A later field goes in with another context.
pub const ORDER_CONTEXT: &str = "assay 2026-11-29 order v1";

/// What a requester has asked for, as it is hashed.
#[derive(Clone, Debug, PartialEq, Eq, Encode)]
pub struct Order<'a, AccountId, Balance, BlockNumber> {
	/// The chain.
	pub genesis: Hash,
	/// The job's number: two equal posts are two orders.
	pub job: JobId,
	/// Who pays.
	pub requester: &'a AccountId,
	/// Content address of the program.
	pub program: Hash,
	/// Content addresses of the inputs, in program order.
	pub input_roots: &'a [Hash],
	/// Steps to run.
	pub steps: u32,
	/// Where the ramp starts.
	pub price_start: Balance,
	/// Where it ends.
	pub price_max: Balance,
	/// How many blocks it takes.
	pub ramp_blocks: BlockNumber,
	/// How sure the requester wants to be.
	pub assurance: Assurance,
}

impl<AccountId: Encode, Balance: Encode, BlockNumber: Encode>
	Order<'_, AccountId, Balance, BlockNumber>
{
	/// BLAKE3 `derive_key` under [`ORDER_CONTEXT`] of `SCALE(genesis, job, requester, program,
	/// input roots, steps, price at the start, highest price, blocks of the ramp, assurance)`.
	pub fn hash(&self) -> Hash {
		self.using_encoded(|bytes| blake3::derive_key(ORDER_CONTEXT, bytes))
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use alloc::{vec, vec::Vec};

	type TestOrder<'a> = Order<'a, [u8; 32], u128, u32>;

	#[test]
	fn order_should_change_with_each_thing_it_binds() {
		let (alice, bob) = ([1; 32], [2; 32]);
		let (roots, others): (Vec<Hash>, Vec<Hash>) = (vec![[3; 32]], vec![[3; 32], [3; 32]]);
		let base = TestOrder {
			genesis: [4; 32],
			job: 5,
			requester: &alice,
			program: [6; 32],
			input_roots: &roots,
			steps: 7,
			price_start: 8,
			price_max: 9,
			ramp_blocks: 10,
			assurance: Assurance::default(),
		};
		let sure = Assurance { attestation: crate::Attestation::OptedOut, ..Default::default() };
		let mut hashes = vec![
			base.hash(),
			TestOrder { genesis: [5; 32], ..base.clone() }.hash(),
			TestOrder { job: 6, ..base.clone() }.hash(),
			TestOrder { requester: &bob, ..base.clone() }.hash(),
			TestOrder { program: [7; 32], ..base.clone() }.hash(),
			TestOrder { input_roots: &others, ..base.clone() }.hash(),
			TestOrder { steps: 8, ..base.clone() }.hash(),
			TestOrder { price_start: 9, ..base.clone() }.hash(),
			TestOrder { price_max: 10, ..base.clone() }.hash(),
			TestOrder { ramp_blocks: 11, ..base.clone() }.hash(),
			TestOrder { assurance: sure, ..base.clone() }.hash(),
		];
		assert_eq!(base.hash(), base.clone().hash());
		let all = hashes.len();
		hashes.sort();
		hashes.dedup();
		assert_eq!(hashes.len(), all);
	}
}
