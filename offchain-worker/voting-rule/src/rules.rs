//! The gate behind other rules.

use crate::{BlockNumber, Gate};
use sc_consensus_grandpa::{VotingRule, VotingRuleResult};
use sp_blockchain::HeaderBackend;
use sp_runtime::traits::{Block as BlockT, Header as HeaderT};
use std::sync::Arc;

/// Other rules, and then the gate, where there is one.
///
/// `VotingRulesBuilder` looks the answer of each rule up by its hash, and goes on *without* the
/// rule where that fails. Here the gate has the last word, and its answer goes to GRANDPA as it is.
pub struct Guarded<Rules, Block: BlockT> {
	rules: Rules,
	gate: Option<Gate<Block>>,
}

impl<Rules, Block: BlockT> Guarded<Rules, Block> {
	/// `rules` restrict the vote first. Without a gate they alone do.
	pub fn new(rules: Rules, gate: Option<Gate<Block>>) -> Self {
		Self { rules, gate }
	}
}

impl<Rules: Clone, Block: BlockT> Clone for Guarded<Rules, Block> {
	fn clone(&self) -> Self {
		Self { rules: self.rules.clone(), gate: self.gate.clone() }
	}
}

impl<Rules, Block, Client> VotingRule<Block, Client> for Guarded<Rules, Block>
where
	Rules: VotingRule<Block, Client> + Clone,
	Block: BlockT,
	Block::Header: HeaderT<Number = BlockNumber>,
	Client: HeaderBackend<Block>,
{
	fn restrict_vote(
		&self,
		client: Arc<Client>,
		base: &Block::Header,
		best_target: &Block::Header,
		current_target: &Block::Header,
	) -> VotingRuleResult<Block> {
		let restricted = self.rules.restrict_vote(client, base, best_target, current_target);
		let Some(gate) = self.gate.clone() else { return restricted };
		let (base, best, current) = (base.clone(), best_target.clone(), current_target.clone());
		Box::pin(async move {
			// As GRANDPA takes the answer of a rule.
			let restricted = restricted
				.await
				.filter(|(_, number)| number >= base.number() && number < current.number());
			let target = match restricted {
				None => current,
				Some((hash, _)) => match gate.header(hash) {
					Ok(header) => header,
					Err(_) => return Some((base.hash(), *base.number())),
				},
			};
			let choice = gate.choose(&base, &best, &target);
			Some((choice.hash, choice.number))
		})
	}
}
