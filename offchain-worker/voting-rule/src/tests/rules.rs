//! The gate behind GRANDPA's usual rules, and behind rules that misbehave.

use super::{
	tree::{Header, Trap},
	*,
};
use crate::{Guarded, View};
use futures::executor::block_on;
use sc_consensus_grandpa::{VotingRule, VotingRuleResult, VotingRulesBuilder};
use sp_blockchain::{BlockStatus, HeaderBackend, Info, Result};
use std::sync::Arc;

/// The tree as the other rules see it: its highest block is the best one, nothing but genesis is
/// final.
impl HeaderBackend<Block> for Tree {
	fn header(&self, hash: Hash) -> Result<Option<Header>> {
		Ok(View::header(self, hash).expect("the tests of the other rules break nothing"))
	}
	fn info(&self) -> Info<Block> {
		let headers = self.headers();
		let end = |header: Option<&Header>| header.map(block).expect("a tree has a genesis");
		let genesis = end(headers.iter().min_by_key(|header| header.number));
		let best = end(headers.iter().max_by_key(|header| header.number));
		Info {
			best_hash: best.0,
			best_number: best.1,
			genesis_hash: genesis.0,
			finalized_hash: genesis.0,
			finalized_number: genesis.1,
			finalized_state: None,
			number_leaves: View::leaves(self).map_or(0, |leaves| leaves.len()),
			block_gap: None,
		}
	}
	fn status(&self, hash: Hash) -> Result<BlockStatus> {
		let known = HeaderBackend::header(self, hash)?.is_some();
		Ok(if known { BlockStatus::InChain } else { BlockStatus::Unknown })
	}
	fn number(&self, hash: Hash) -> Result<Option<u32>> {
		Ok(HeaderBackend::header(self, hash)?.map(|header| header.number))
	}
	fn hash(&self, number: u32) -> Result<Option<Hash>> {
		let at = |header: &&Header| header.number == number;
		Ok(self.headers().iter().find(at).map(Header::hash))
	}
}

/// A rule that always gives the same.
#[derive(Clone)]
struct Says(Option<(Hash, u32)>);

impl VotingRule<Block, Tree> for Says {
	fn restrict_vote(
		&self,
		_: Arc<Tree>,
		_: &Header,
		_: &Header,
		_: &Header,
	) -> VotingRuleResult<Block> {
		Box::pin(std::future::ready(self.0))
	}
}

/// The block that GRANDPA votes for: it takes no answer out of `[base, target)`.
fn voted(
	world: &World,
	rule: &impl VotingRule<Block, Tree>,
	base: &Header,
	target: &Header,
) -> (Hash, u32) {
	let tree = Arc::new(world.tree.clone());
	block_on(rule.restrict_vote(tree, base, target, target))
		.filter(|(_, number)| *number >= base.number && *number < target.number)
		.unwrap_or((target.hash(), target.number))
}

fn block(header: &Header) -> (Hash, u32) {
	(header.hash(), header.number)
}

#[test]
fn usual_rules_should_decide_when_nothing_is_known_or_the_gate_is_off() {
	let world = World::new();
	let chain = world.tree.chain(20);
	let usual = || VotingRulesBuilder::<Block, Tree>::default().build();
	for (base, best) in [(0, 20), (0, 3), (5, 6), (17, 20), (20, 20), (0, 0)] {
		let alone = voted(&world, &usual(), &chain[base], &chain[best]);
		for gate in [None, Some(world.gate.clone())] {
			let guarded = Guarded::new(usual(), gate);
			assert_eq!(voted(&world, &guarded, &chain[base], &chain[best]), alone);
		}
	}
}

#[test]
fn gate_should_hold_what_the_usual_rules_would_vote_for() {
	let world = World::new();
	let chain = world.tree.chain(20);
	world.tree.settle(&chain[14], result(1));
	world.knowledge.proved(result(1).task, result(1).run_root);
	let usual = || VotingRulesBuilder::<Block, Tree>::default().build();
	let guarded = Guarded::new(usual(), Some(world.gate.clone()));
	assert_eq!(voted(&world, &guarded, &chain[0], &chain[20]), block(&chain[13]));
	let off = Guarded::new(usual(), None);
	assert_eq!(voted(&world, &off, &chain[0], &chain[20]), block(&chain[15]));
	// The usual builder takes it as well.
	let built = VotingRulesBuilder::<Block, Tree>::default().add(world.gate.clone()).build();
	assert_eq!(voted(&world, &built, &chain[0], &chain[20]), block(&chain[13]));
}

#[test]
fn gate_should_look_at_the_full_target_when_another_rule_answers_out_of_range() {
	let world = World::new();
	let chain = world.tree.chain(12);
	world.tree.settle(&chain[9], result(1));
	world.knowledge.proved(result(1).task, result(1).run_root);
	for answer in [None, Some(block(&chain[2])), Some(block(&chain[12])), Some((Hash::zero(), 99))]
	{
		let guarded = Guarded::new(Says(answer), Some(world.gate.clone()));
		assert_eq!(voted(&world, &guarded, &chain[4], &chain[12]), block(&chain[8]), "{answer:?}");
	}
}

/// The usual builder would go on with the full target here.
#[test]
fn vote_should_be_the_base_when_the_answer_of_another_rule_cannot_be_read() {
	let world = World::new();
	let chain = world.tree.chain(12);
	let unknown = Guarded::new(Says(Some((Hash::repeat_byte(9), 7))), Some(world.gate.clone()));
	assert_eq!(voted(&world, &unknown, &chain[4], &chain[12]), block(&chain[4]));
	for trap in [Trap::Error, Trap::Panic] {
		world.tree.trap(&chain[8], "header", trap);
		let guarded = Guarded::new(Says(Some(block(&chain[8]))), Some(world.gate.clone()));
		assert_eq!(voted(&world, &guarded, &chain[4], &chain[12]), block(&chain[4]));
	}
}

#[test]
fn metrics_should_tell_lag_and_cause() {
	use substrate_prometheus_endpoint::Registry;
	let registry = Registry::new();
	let (tree, knowledge) = (Tree::default(), Knowledge::default());
	let caps = Caps::new(4, 10, 1_200).unwrap();
	let metrics = Metrics::register(Some(&registry), true);
	let gate = Gate::new(tree.clone(), knowledge.clone(), caps, metrics);
	let value = |name: &str, label: &str| -> f64 {
		let families = registry.gather();
		let family = families.iter().find(|family| family.get_name() == name).expect(name);
		let has = |pairs: &[substrate_prometheus_endpoint::prometheus::proto::LabelPair]| {
			label.is_empty() || pairs.iter().any(|pair| pair.get_value() == label)
		};
		let metrics = family.get_metric().iter().filter(|metric| has(metric.get_label()));
		metrics.map(|m| m.get_gauge().get_value() + m.get_counter().get_value()).sum()
	};
	let chain = tree.chain(9);
	tree.settle(&chain[6], result(1));
	knowledge.replayed(result(1).task, [9; 32]);
	gate.choose(&chain[0], &chain[8], &chain[7]);
	assert_eq!(value("assay_finality_gate_enabled", ""), 1.0);
	assert_eq!(value("assay_finality_gate_lag_blocks", ""), 3.0);
	assert_eq!(value("assay_finality_gate_held_blocks", ""), 2.0);
	assert_eq!(value("assay_finality_gate_holds", "own_verdict"), 1.0);
	tree.trap(&chain[8], "header", Trap::Panic);
	gate.choose(&chain[0], &chain[9], &chain[9]);
	assert_eq!(value("assay_finality_gate_holds", "own_verdict"), 0.0);
	assert_eq!(value("assay_finality_gate_holds", "error"), 1.0);
	assert_eq!(value("assay_finality_gate_faults_total", "panicked"), 1.0);
	assert_eq!(value("assay_finality_gate_votes_held_total", ""), 2.0);
	assert_eq!(value("assay_finality_gate_votes_total", ""), 2.0);
}
