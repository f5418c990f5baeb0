//! How this node votes for finality: GRANDPA's usual rules, and the verification gate behind them.

use crate::client::{FullBackend, FullClient};
use assay_runtime::opaque::Block;
use assay_verifier_service::Knowledge;
use assay_voting_rule::{
	Caps, ClientView, Gate, Guarded, Metrics, DEFAULT_HARD_CAP, DEFAULT_SOFT_CAP, MAX_CAP,
};
use sc_consensus_grandpa::{VotingRule, VotingRulesBuilder};
use sc_service::error::Error as ServiceError;
use std::sync::Arc;
use substrate_prometheus_endpoint::Registry;

/// Options about votes for finality.
#[derive(Clone, Debug, clap::Args)]
pub struct FinalityParams {
	/// Vote for finality without looking at what blocks pay for.
	#[arg(long)]
	pub no_verification_gate: bool,

	/// Most blocks by which votes for finality are held back because this node's own replay gives
	/// another result than a block pays for. Shorter where sessions are short
	#[arg(long, value_name = "BLOCKS", default_value_t = DEFAULT_SOFT_CAP,
		value_parser = clap::value_parser!(u32).range(0..=i64::from(MAX_CAP)))]
	pub gate_soft_cap: u32,

	/// Most blocks by which votes for finality are held back at all, also by a proof. Shorter where
	/// sessions are short
	#[arg(long, value_name = "BLOCKS", default_value_t = DEFAULT_HARD_CAP,
		value_parser = clap::value_parser!(u32).range(0..=i64::from(MAX_CAP)))]
	pub gate_hard_cap: u32,
}

/// The rules for votes on a chain whose sessions have `session` slots.
pub fn voting_rule(
	params: &FinalityParams,
	client: Arc<FullClient>,
	backend: Arc<FullBackend>,
	knowledge: Knowledge,
	session: u64,
	registry: Option<&Registry>,
) -> Result<impl VotingRule<Block, FullClient> + Clone, ServiceError> {
	let enabled = !params.no_verification_gate;
	let metrics = Metrics::register(registry, enabled);
	let caps = Caps::new(params.gate_soft_cap, params.gate_hard_cap, session)
		.map_err(|error| ServiceError::Application(error.into()))?;
	if enabled {
		log::info!(
			"Votes for finality are held below wrong results, by at most {} blocks ({} for an own verdict)",
			caps.hard(), caps.soft(),
		);
	} else {
		log::warn!(
			"Votes for finality do not look at what blocks pay for (--no-verification-gate)"
		);
	}
	let view = ClientView::new(client, backend);
	let gate = enabled.then(|| Gate::new(view, knowledge, caps, metrics));
	Ok(Guarded::new(VotingRulesBuilder::default().build(), gate))
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::cli::Cli;
	use assay_runtime::{
		configs::market::FINALITY_CAP,
		constants::time::{DEVELOPMENT_EPOCH_SLOTS, EPOCH_SLOTS},
	};
	use clap::Parser;

	fn parse(arguments: &[&str]) -> Result<FinalityParams, clap::Error> {
		Cli::try_parse_from([&["assay-node", "--dev"], arguments].concat())
			.map(|cli| cli.market.finality)
	}

	#[test]
	fn caps_should_be_bounded_when_they_are_parsed() {
		let params = parse(&[]).unwrap();
		assert!(!params.no_verification_gate);
		assert_eq!((params.gate_soft_cap, params.gate_hard_cap), (30, 100));
		let params = parse(&["--gate-soft-cap", "0", "--gate-hard-cap", "600"]).unwrap();
		assert_eq!((params.gate_soft_cap, params.gate_hard_cap), (0, 600));
		assert!(parse(&["--gate-hard-cap", "601"]).is_err());
		assert!(parse(&["--gate-soft-cap", "601"]).is_err());
		assert!(parse(&["--gate-hard-cap", "-1"]).is_err());
		assert!(parse(&["--no-verification-gate"]).unwrap().no_verification_gate);
	}

	#[test]
	fn caps_should_fit_into_what_the_runtime_counts_for_finality() {
		const { assert!(MAX_CAP <= FINALITY_CAP, "stake must stay slashable while votes are held") };
		const { assert!(MAX_CAP < 4_096, "state is canonicalized after so many blocks, final or not") };
		for session in [EPOCH_SLOTS, DEVELOPMENT_EPOCH_SLOTS] {
			let caps = Caps::new(DEFAULT_SOFT_CAP, DEFAULT_HARD_CAP, session).unwrap();
			assert!(u64::from(caps.hard()) < session.div_ceil(2));
			assert!(caps.soft() < caps.hard() && caps.soft() > 0);
		}
	}

	/// A committee replays when its draw is final; a vote that is held must leave it time to.
	#[test]
	fn caps_should_leave_committees_time_to_replay() {
		use assay_market::MarketParameters;
		let verify = |parameters: MarketParameters<u128, u32>| parameters.verify.base;
		let unit = assay_runtime::constants::currency::UNIT;
		for (session, base) in [
			(EPOCH_SLOTS, verify(MarketParameters::production(unit))),
			(DEVELOPMENT_EPOCH_SLOTS, verify(MarketParameters::development(unit))),
		] {
			let caps = Caps::new(DEFAULT_SOFT_CAP, DEFAULT_HARD_CAP, session).unwrap();
			assert!(caps.hard() * 3 <= base * 2, "{} of {base}", caps.hard());
		}
	}
}
