//! What every replay takes: inputs, a worker in its turn, and the memory of what it gave.

use crate::{
	config::Config,
	fault::Fault,
	inputs::blobs::Inputs,
	metrics::Metrics,
	replay::runs::Runs,
	runner::{Ran, Replay, Runner},
	turns::rates::Rates,
	turns::workers::Workers,
	types::Hash,
};
use futures::FutureExt;
use parking_lot::Mutex;
use std::{
	panic::AssertUnwindSafe,
	sync::Arc,
	time::{Duration, Instant},
};
use tokio::task::spawn_blocking;

/// The replays of this node.
pub(crate) struct Replays {
	pub(crate) inputs: Arc<Inputs>,
	runner: Arc<dyn Runner>,
	/// Whose replays have a worker.
	pub(crate) workers: Workers,
	pub(crate) rates: Arc<Rates>,
	/// What earlier ones gave.
	pub(crate) runs: Mutex<Runs>,
	pub(crate) metrics: Metrics,
	/// Pause before an attempt is repeated.
	pub(crate) retry_delay: Duration,
}

impl Replays {
	pub(crate) fn new(
		inputs: Arc<Inputs>,
		runner: Arc<dyn Runner>,
		rates: Arc<Rates>,
		config: &Config,
		metrics: Metrics,
	) -> Self {
		let workers = Workers::new(config.concurrency.max(1), config.block_time);
		let retry_delay = config.retry_delay;
		Self { inputs, runner, workers, rates, runs: Default::default(), metrics, retry_delay }
	}

	/// Makes one attempt and takes in how long it took. Whoever calls this has a worker's turn.
	pub(crate) async fn run(
		&self,
		program: Hash,
		replay: Replay,
	) -> Result<(Ran, Duration), Fault> {
		let work = replay.work_units;
		let started = Instant::now();
		let ran = AssertUnwindSafe(self.runner.clone().replay(replay)).catch_unwind();
		let panicked = |_| Err(Fault::Internal("the replay panicked".into()));
		let ran = ran.await.unwrap_or_else(panicked)?;
		let took = started.elapsed();
		let rates = self.rates.clone();
		// That it cannot be noted is no reason to lose the replay.
		let _ = spawn_blocking(move || rates.worked(program, work, took)).await;
		Ok((ran, took))
	}
}
