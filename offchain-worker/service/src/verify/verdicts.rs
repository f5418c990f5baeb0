//! What this node has found out about jobs, where the chain's hooks and its operator find it.

use crate::{
	chain::JobAssignment,
	config::Config,
	fault::reason_name,
	knowledge::Knowledge,
	metrics::Metrics,
	types::{Hash, LOG_TARGET},
	verify::deferred_log::DeferredLog,
	verify::duty::{Finding, Seat, Seats},
	verify::keys::Keys,
	verify::mailbox::{Mailbox, Slot},
};
use assay_market::{JobId, MailboxEntry, Purpose, SeatStatus};
use log::Level;
use parking_lot::Mutex;
use sp_core::offchain::OffchainStorage;
use std::{collections::BTreeMap, sync::Arc};
use tokio::sync::Notify;

/// The findings of this node.
pub(crate) struct Verdicts<S> {
	pub(crate) keys: Keys,
	pub(crate) mailbox: Mutex<Mailbox<S>>,
	pub(crate) deferred: DeferredLog,
	/// Openings, by order and task, that this machine cannot make, with the job's number.
	pub(crate) given_up: Mutex<BTreeMap<(Hash, Hash), JobId>>,
	knowledge: Knowledge,
	found: Arc<Notify>,
	metrics: Metrics,
}

impl<S: OffchainStorage + 'static> Verdicts<S> {
	pub(crate) fn new(keys: Keys, mailbox: Mailbox<S>, config: &Config, metrics: Metrics) -> Self {
		Self {
			keys,
			mailbox: Mutex::new(mailbox),
			deferred: DeferredLog::default(),
			given_up: Default::default(),
			knowledge: config.knowledge.clone(),
			found: config.found.clone(),
			metrics,
		}
	}

	/// Says something about a job that is verified: when it is public that this node does so.
	pub(crate) fn tell(&self, assignment: &JobAssignment, level: Level, text: String) {
		match assignment.status {
			SeatStatus::Pending => self.deferred.say(assignment.job, assignment.order, level, text),
			_ => log::log!(target: LOG_TARGET, level, "Job {}: {text}", assignment.job),
		}
	}

	/// Writes a finding into the mailbox, for every key with a seat. Blocks.
	pub(crate) fn record(
		&self,
		assignment: &JobAssignment,
		task: Hash,
		seats: &Seats,
		finding: Finding,
	) {
		let JobAssignment { job, order, .. } = *assignment;
		match &finding {
			Finding::NotHeldYet => return,
			Finding::Attested(ok) if assignment.purpose == Purpose::Keep => self.metrics.kept(*ok),
			Finding::Attested(ok) => self.metrics.attested(*ok),
			Finding::Replayed(_) => self.metrics.replayed("replayed"),
			Finding::Abstain(reason) => self.metrics.replayed(reason_name(*reason)),
			Finding::Opened(run_root, chunks) => {
				self.mailbox.lock().open_verdicts(order, run_root, chunks);
				self.found.notify_one();
				return;
			}
			Finding::Unopened => {
				self.given_up.lock().insert((order, task), job);
				return;
			}
		}
		if let Finding::Replayed(run_root) = &finding {
			self.knowledge.replayed(task, *run_root);
		}
		for (key, Seat { ticket, .. }) in seats {
			let ticket = *ticket;
			let entry = match finding {
				Finding::Attested(ok) => MailboxEntry::Attested { ok },
				Finding::Abstain(reason) => MailboxEntry::Abstain { reason, ticket },
				Finding::Replayed(run_root) => match self.keys.salt(&order, key) {
					Ok(salt) => MailboxEntry::Replayed { run_root, salt, ticket, chunks: None },
					Err(fault) => {
						self.metrics.fault(fault.kind());
						self.tell(assignment, Level::Error, fault.to_string());
						MailboxEntry::Abstain { reason: fault.reason(), ticket }
					}
				},
				Finding::NotHeldYet | Finding::Opened(..) | Finding::Unopened => return,
			};
			self.mailbox.lock().put(Slot::of(assignment, key), job, task, entry);
		}
		self.found.notify_one();
	}
}
