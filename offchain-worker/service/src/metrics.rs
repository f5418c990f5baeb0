//! Prometheus metrics of the service. Names start with `assay_verifier_`.
//!
//! They tell what must not be public before a commitment is on chain
//! ([`crate::verify::deferred_log`]), so they are for the operator alone.

use crate::types::LOG_TARGET;
use std::{sync::Arc, time::Duration};
use substrate_prometheus_endpoint::{
	prometheus, register, Counter, CounterVec, Gauge, Histogram, HistogramOpts, Opts,
	PrometheusError, Registry, U64,
};

#[derive(Clone)]
struct Inner {
	assignments: Gauge<U64>,
	queue: Gauge<U64>,
	running: Gauge<U64>,
	mailbox: Gauge<U64>,
	worker_usable: Gauge<U64>,
	sandbox_holds: Gauge<U64>,
	refusing: Gauge<U64>,
	lotteries: Counter<U64>,
	lotteries_won: CounterVec<U64>,
	chunks: Counter<U64>,
	chunk_faults: CounterVec<U64>,
	chunk_seconds: Histogram,
	replays: CounterVec<U64>,
	attestations: CounterVec<U64>,
	keeps: CounterVec<U64>,
	outputs: CounterVec<U64>,
	refused: Counter<U64>,
	pre_empted: Counter<U64>,
	rate: Gauge<U64>,
	faults: CounterVec<U64>,
	retries: Counter<U64>,
	workers_started: Counter<U64>,
	seconds: Histogram,
	disputes: Gauge<U64>,
	moves: CounterVec<U64>,
	dispute_faults: CounterVec<U64>,
}

/// Metrics; does nothing on a node without Prometheus.
#[derive(Clone, Default)]
pub struct Metrics(Option<Arc<Inner>>);

impl Metrics {
	/// Registers the metrics. Without a registry, or if registering fails, nothing is counted.
	pub fn register(registry: Option<&Registry>) -> Self {
		let Some(registry) = registry else { return Self(None) };
		match Inner::register(registry) {
			Ok(inner) => Self(Some(Arc::new(inner))),
			Err(error) => {
				log::warn!(target: LOG_TARGET, "No metrics of the verifier: {error}");
				Self(None)
			}
		}
	}

	pub(crate) fn assignments(&self, count: usize) {
		self.with(|m| m.assignments.set(count as u64));
	}

	/// A key of this node has taken part in a lottery, and won a seat in this tranche or none.
	pub(crate) fn drew(&self, tranche: Option<u32>) {
		self.with(|m| {
			m.lotteries.inc();
			if let Some(tranche) = tranche {
				m.lotteries_won.with_label_values(&[&tranche.to_string()]).inc();
			}
		});
	}

	pub(crate) fn opened(&self, chunks: usize) {
		self.with(|m| m.chunks.inc_by(chunks as u64));
	}

	pub(crate) fn chunk_fault(&self, kind: &str) {
		self.with(|m| m.chunk_faults.with_label_values(&[kind]).inc());
	}

	pub(crate) fn replayed_for_chunks(&self, time: Duration) {
		self.with(|m| m.chunk_seconds.observe(time.as_secs_f64()));
	}

	pub(crate) fn jobs(&self, queued: usize, running: usize) {
		self.with(|m| {
			m.queue.set(queued as u64);
			m.running.set(running as u64);
		});
	}

	pub(crate) fn mailbox(&self, entries: usize) {
		self.with(|m| m.mailbox.set(entries as u64));
	}

	pub(crate) fn worker_usable(&self, usable: bool) {
		self.with(|m| m.worker_usable.set(usable.into()));
	}

	pub(crate) fn sandbox(&self, holds: bool, refusing: bool) {
		self.with(|m| {
			m.sandbox_holds.set(holds.into());
			m.refusing.set(refusing.into());
		});
	}

	pub(crate) fn replayed(&self, outcome: &str) {
		self.with(|m| m.replays.with_label_values(&[outcome]).inc());
	}

	pub(crate) fn attested(&self, ok: bool) {
		let label = if ok { "held" } else { "missing" };
		self.with(|m| m.attestations.with_label_values(&[label]).inc());
	}

	/// Whether this node holds a job's outputs as a keeper.
	pub(crate) fn kept(&self, ok: bool) {
		let label = if ok { "held" } else { "missing" };
		self.with(|m| m.keeps.with_label_values(&[label]).inc());
	}

	/// Whether the outputs of this node's own replay are in its store.
	pub(crate) fn outputs(&self, held: bool) {
		let label = if held { "held" } else { "none" };
		self.with(|m| m.outputs.with_label_values(&[label]).inc());
	}

	/// A replay was not begun, since it would have come too late.
	pub(crate) fn refused(&self) {
		self.with(|m| m.refused.inc());
	}

	/// A replay gave its worker up to a better one.
	pub(crate) fn pre_empted(&self) {
		self.with(|m| m.pre_empted.inc());
	}

	/// Work units a second of the median program.
	pub(crate) fn rate(&self, per_second: u64) {
		self.with(|m| m.rate.set(per_second));
	}

	pub(crate) fn fault(&self, kind: &str) {
		self.with(|m| m.faults.with_label_values(&[kind]).inc());
	}

	pub(crate) fn retried(&self) {
		self.with(|m| m.retries.inc());
	}

	pub(crate) fn worker_started(&self) {
		self.with(|m| m.workers_started.inc());
	}

	pub(crate) fn took(&self, time: Duration) {
		self.with(|m| m.seconds.observe(time.as_secs_f64()));
	}

	pub(crate) fn disputes(&self, open: usize) {
		self.with(|m| m.disputes.set(open as u64));
	}

	pub(crate) fn moved(&self, kind: &str) {
		self.with(|m| m.moves.with_label_values(&[kind]).inc());
	}

	pub(crate) fn dispute_fault(&self, kind: &str) {
		self.with(|m| m.dispute_faults.with_label_values(&[kind]).inc());
	}

	fn with(&self, record: impl FnOnce(&Inner)) {
		if let Some(inner) = &self.0 {
			record(inner);
		}
	}
}

impl Inner {
	fn register(registry: &Registry) -> Result<Self, PrometheusError> {
		let gauge = |name: &str, help: &str| -> Result<Gauge<U64>, PrometheusError> {
			register(Gauge::new(name, help)?, registry)
		};
		let counter = |name: &str, help: &str| -> Result<Counter<U64>, PrometheusError> {
			register(Counter::new(name, help)?, registry)
		};
		let by = |name: &str, help: &str, label: &str| -> Result<CounterVec<U64>, _> {
			register(CounterVec::new(Opts::new(name, help), &[label])?, registry)
		};
		let histogram = |name: &str, help: &str| -> Result<Histogram, PrometheusError> {
			let buckets = prometheus::exponential_buckets(0.05, 2.0, 18)?;
			let common_opts = Opts::new(name, help);
			register(Histogram::with_opts(HistogramOpts { common_opts, buckets })?, registry)
		};
		Ok(Self {
			assignments: gauge(
				"assay_verifier_assignments",
				"Seats of this node's verifier keys at the best block",
			)?,
			lotteries: counter(
				"assay_verifier_lotteries_total",
				"Lotteries in which a key of this node has drawn, whether it won or not",
			)?,
			lotteries_won: by(
				"assay_verifier_lotteries_won_total",
				"Lotteries that a key of this node has won, by the tranche of its seat",
				"tranche",
			)?,
			chunks: counter(
				"assay_verifier_chunks_total",
				"Chunks of its own traces that this node has opened for its verdicts",
			)?,
			chunk_faults: by(
				"assay_verifier_chunk_faults_total",
				"Attempts to open the chunks of a verdict that failed, by kind",
				"kind",
			)?,
			chunk_seconds: histogram(
				"assay_verifier_chunk_replay_seconds",
				"Seconds of the additional replays that the chunks of verdicts took",
			)?,
			queue: gauge("assay_verifier_queue_length", "Jobs that wait for a worker")?,
			running: gauge("assay_verifier_running", "Jobs that a worker replays now")?,
			mailbox: gauge(
				"assay_verifier_mailbox_entries",
				"Verdicts and attestations held for the offchain hook",
			)?,
			worker_usable: gauge(
				"assay_verifier_worker_usable",
				"1 if the worker binary is there and of this node's version, else 0",
			)?,
			sandbox_holds: gauge(
				"assay_verifier_sandbox_holds",
				"1 if workers are kept from everything that a job must not do, else 0",
			)?,
			refusing: gauge(
				"assay_verifier_refusing",
				"1 while this node verifies nothing because workers have no full sandbox",
			)?,
			replays: by(
				"assay_verifier_replays_total",
				"Replays by outcome: replayed, cancelled or the reason of the abstention",
				"outcome",
			)?,
			attestations: by(
				"assay_verifier_attestations_total",
				"Checks that a job's inputs are held, by result",
				"result",
			)?,
			keeps: by(
				"assay_verifier_keeps_total",
				"Checks that a job's outputs are held by this node as their keeper, by result",
				"result",
			)?,
			outputs: by(
				"assay_verifier_outputs_total",
				"Replays by whether their outputs are in the node's store: held, or none",
				"result",
			)?,
			refused: counter(
				"assay_verifier_refused_total",
				"Replays that were not begun because they would have come too late",
			)?,
			pre_empted: counter(
				"assay_verifier_pre_empted_total",
				"Replays that gave their worker up to a better one",
			)?,
			rate: gauge(
				"assay_verifier_work_rate",
				"Work units a second that this machine was measured to do, of the median program",
			)?,
			faults: by(
				"assay_verifier_local_faults_total",
				"Local faults by kind, those that a retry repaired included",
				"kind",
			)?,
			retries: counter("assay_verifier_retries_total", "Second attempts at a replay")?,
			workers_started: counter(
				"assay_verifier_workers_started_total",
				"Worker processes started",
			)?,
			disputes: gauge(
				"assay_verifier_disputes",
				"Jobs whose result differs from this node's verdict and is disputed by it",
			)?,
			moves: by(
				"assay_verifier_moves_total",
				"Moves left for the offchain hook by kind: demand, bind (a proof) or prove",
				"kind",
			)?,
			dispute_faults: by(
				"assay_verifier_dispute_faults_total",
				"Attempts to find a move that failed, by kind",
				"kind",
			)?,
			seconds: histogram(
				"assay_verifier_replay_seconds",
				"Seconds from the start of a worker to its run root",
			)?,
		})
	}
}
