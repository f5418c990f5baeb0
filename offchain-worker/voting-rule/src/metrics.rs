//! Prometheus metrics of the gate. Names start with `assay_finality_gate_`.

use crate::{BlockNumber, Cause, Choice, Fault, LOG_TARGET};
use std::{sync::Arc, time::Duration};
use substrate_prometheus_endpoint::{
	prometheus, register, Counter, CounterVec, Gauge, GaugeVec, Histogram, HistogramOpts, Opts,
	PrometheusError, Registry, U64,
};

struct Inner {
	enabled: Gauge<U64>,
	lag: Gauge<U64>,
	held: Gauge<U64>,
	holds: GaugeVec<U64>,
	votes: Counter<U64>,
	votes_held: CounterVec<U64>,
	faults: CounterVec<U64>,
	seconds: Histogram,
}

/// Metrics; does nothing on a node without Prometheus.
#[derive(Clone, Default)]
pub struct Metrics(Option<Arc<Inner>>);

impl Metrics {
	/// Registers the metrics, and says whether there is a gate. Without a registry, or if
	/// registering fails, nothing is counted.
	pub fn register(registry: Option<&Registry>, enabled: bool) -> Self {
		let Some(registry) = registry else { return Self(None) };
		match Inner::register(registry) {
			Ok(inner) => {
				inner.enabled.set(enabled.into());
				Self(Some(Arc::new(inner)))
			}
			Err(error) => {
				log::warn!(target: LOG_TARGET, "No metrics of the finality gate: {error}");
				Self(None)
			}
		}
	}

	pub(crate) fn voted<Hash>(
		&self,
		best: BlockNumber,
		target: BlockNumber,
		choice: &Choice<Hash>,
		took: Duration,
	) {
		let Some(inner) = &self.0 else { return };
		inner.lag.set(best.saturating_sub(choice.number).into());
		inner.held.set(target.saturating_sub(choice.number).into());
		for cause in Cause::ALL {
			let holds = choice.cause == Some(cause);
			inner.holds.with_label_values(&[cause.name()]).set(holds.into());
		}
		inner.votes.inc();
		if let Some(cause) = choice.cause {
			inner.votes_held.with_label_values(&[cause.name()]).inc();
		}
		inner.seconds.observe(took.as_secs_f64());
	}

	pub(crate) fn fault(&self, fault: &Fault) {
		if let Some(inner) = &self.0 {
			inner.faults.with_label_values(&[fault.kind()]).inc();
		}
	}
}

impl Inner {
	fn register(registry: &Registry) -> Result<Self, PrometheusError> {
		let gauge = |name: &str, help: &str| -> Result<Gauge<U64>, PrometheusError> {
			register(Gauge::new(name, help)?, registry)
		};
		let by = |name: &str, help: &str, label: &str| -> Result<CounterVec<U64>, _> {
			register(CounterVec::new(Opts::new(name, help), &[label])?, registry)
		};
		Ok(Self {
			enabled: gauge(
				"assay_finality_gate_enabled",
				"1 if votes for finality are gated by verification, 0 with --no-verification-gate",
			)?,
			lag: gauge(
				"assay_finality_gate_lag_blocks",
				"Blocks from the latest vote up to the best block",
			)?,
			held: gauge(
				"assay_finality_gate_held_blocks",
				"Blocks that the latest vote left out because of what one of them pays for",
			)?,
			holds: register(
				GaugeVec::new(
					Opts::new(
						"assay_finality_gate_holds",
						"1 for the cause that the latest vote was held for",
					),
					&["cause"],
				)?,
				registry,
			)?,
			votes: register(
				Counter::new("assay_finality_gate_votes_total", "Votes that the gate looked at")?,
				registry,
			)?,
			votes_held: by(
				"assay_finality_gate_votes_held_total",
				"Votes that were held back, by cause",
				"cause",
			)?,
			faults: by(
				"assay_finality_gate_faults_total",
				"Things that could not be looked at, by kind",
				"kind",
			)?,
			seconds: register(
				Histogram::with_opts(HistogramOpts {
					common_opts: Opts::new(
						"assay_finality_gate_seconds",
						"Time that a vote waited for the gate",
					),
					buckets: prometheus::exponential_buckets(0.000_05, 4.0, 8)?,
				})?,
				registry,
			)?,
		})
	}
}
