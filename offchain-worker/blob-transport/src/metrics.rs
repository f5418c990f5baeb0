//! Prometheus metrics. Names start with `assay_blobs_`.

use crate::{peers::Fault, scheduler::Failure, wire::Refusal, LOG_TARGET};
use std::sync::Arc;
use substrate_prometheus_endpoint::{
	register, Counter, CounterVec, Gauge, Opts, PrometheusError, Registry, U64,
};

struct Inner {
	served: Counter<U64>,
	fetched: Counter<U64>,
	requests: CounterVec<U64>,
	answers: CounterVec<U64>,
	faults: CounterVec<U64>,
	dropped: CounterVec<U64>,
	fetching: Gauge<U64>,
	waiting: Gauge<U64>,
	completed: Counter<U64>,
	pinned: Gauge<U64>,
	used: Gauge<U64>,
	damaged: Counter<U64>,
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
				log::warn!(target: LOG_TARGET, "No metrics of blobs: {error}");
				Self(None)
			}
		}
	}

	fn with(&self, record: impl FnOnce(&Inner)) {
		if let Some(inner) = &self.0 {
			record(inner);
		}
	}

	pub(crate) fn served(&self, bytes: usize) {
		self.with(|m| m.served.inc_by(bytes as u64));
	}

	pub(crate) fn request(&self, outcome: &str) {
		self.with(|m| m.requests.with_label_values(&[outcome]).inc());
	}

	pub(crate) fn fetched(&self, bytes: usize) {
		self.with(|m| m.fetched.inc_by(bytes as u64));
	}

	pub(crate) fn answered(&self, answer: &Result<Vec<u8>, Failure>) {
		let outcome = match answer {
			Ok(_) => "slice",
			Err(Failure::Unreachable) => "unreachable",
			Err(Failure::Rejected) => "rejected",
			Err(Failure::Refused(Refusal::Unknown)) => "unknown",
			Err(Failure::Refused(Refusal::Length(_))) => "length",
			Err(Failure::Refused(Refusal::Busy(_))) => "busy",
			Err(Failure::Fault(fault)) => fault.name(),
		};
		self.with(|m| m.answers.with_label_values(&[outcome]).inc());
	}

	pub(crate) fn fault(&self, fault: Fault) {
		self.with(|m| {
			m.faults.with_label_values(&[fault.name()]).inc();
			if fault.drops() {
				m.dropped.with_label_values(&[fault.name()]).inc();
			}
		});
	}

	pub(crate) fn fetching(&self, (active, waiting): (usize, usize)) {
		self.with(|m| {
			m.fetching.set(active as u64);
			m.waiting.set(waiting as u64);
		});
	}

	pub(crate) fn completed(&self) {
		self.with(|m| m.completed.inc());
	}

	pub(crate) fn kept(&self, pinned: usize, used: u64) {
		self.with(|m| {
			m.pinned.set(pinned as u64);
			m.used.set(used);
		});
	}

	pub(crate) fn damaged(&self) {
		self.with(|m| m.damaged.inc());
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
		Ok(Self {
			served: counter("assay_blobs_served_bytes_total", "Bytes of slices given to peers")?,
			fetched: counter(
				"assay_blobs_fetched_bytes_total",
				"Verified bytes that came from peers and were not here before",
			)?,
			requests: by(
				"assay_blobs_requests_total",
				"Requests of peers by what came of them: have, slice, unknown, length, busy, bad, flood \
				 or fault",
				"outcome",
			)?,
			answers: by(
				"assay_blobs_answers_total",
				"Answers of peers to questions for ranges: slice, unknown, length, busy, rejected, \
				 unreachable or a fault",
				"outcome",
			)?,
			faults: by(
				"assay_blobs_peer_faults_total",
				"Faults of peers that were reported to their reputation",
				"cause",
			)?,
			dropped: by(
				"assay_blobs_peers_dropped_total",
				"Peers that are not asked for blobs any more",
				"cause",
			)?,
			fetching: gauge("assay_blobs_fetches", "Blobs that are being fetched")?,
			waiting: gauge(
				"assay_blobs_fetches_waiting",
				"Blobs that wait for a peer that has them, for their turn or for room",
			)?,
			completed: counter("assay_blobs_fetches_completed_total", "Blobs fetched as a whole")?,
			pinned: gauge("assay_blobs_pinned", "Blobs kept for jobs that have not ended")?,
			used: gauge("assay_blobs_used_bytes", "Bytes that the blob store takes")?,
			damaged: counter(
				"assay_blobs_damaged_total",
				"Blobs that were found damaged on disk and removed",
			)?,
		})
	}
}
