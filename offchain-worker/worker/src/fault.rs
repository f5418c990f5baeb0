//! Why a job ends without a result.

use assay_worker_protocol::{JobFault, LocalFault, LocalFaultKind, Reply};

/// Why a job has no result.
pub enum Fault {
	/// Everybody finds so.
	Job(JobFault),
	/// Only this machine, or only this time.
	Local(LocalFault),
}

impl Fault {
	/// A fault of this machine.
	pub fn local(kind: LocalFaultKind, text: impl Into<String>) -> Self {
		Fault::Local(LocalFault { kind, text: text.into() })
	}
}

impl From<Fault> for Reply {
	fn from(fault: Fault) -> Self {
		match fault {
			Fault::Job(fault) => Reply::JobFault(fault),
			Fault::Local(fault) => Reply::LocalFault(fault),
		}
	}
}
