//! The connection to the host.

use crate::end;
use assay_worker_protocol::{
	blocking, FrameError, LocalFault, LocalFaultKind, Progress, Reply, Request, Stage,
};
use std::{
	io,
	os::{
		fd::{AsFd, BorrowedFd},
		unix::net::UnixStream,
	},
	path::Path,
	sync::{Arc, Mutex, MutexGuard, PoisonError},
	time::{Duration, Instant},
};

/// Shortest time between two reports of progress within a stage.
const REPORT_EVERY: Duration = Duration::from_millis(200);

/// A connection whose messages do not mix, whichever thread sends them, and which gives one answer.
#[derive(Clone)]
pub struct Link {
	stream: Arc<UnixStream>,
	state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
	answered: bool,
	last: Option<(Stage, Instant)>,
}

impl Link {
	/// Connects to the host; reading from it and writing to it never take longer than `patience`.
	pub fn connect(socket: &Path, patience: Duration) -> io::Result<Self> {
		let stream = UnixStream::connect(socket)?;
		stream.set_read_timeout(Some(patience))?;
		stream.set_write_timeout(Some(patience))?;
		Ok(Link { stream: Arc::new(stream), state: Arc::default() })
	}

	fn state(&self) -> MutexGuard<'_, State> {
		self.state.lock().unwrap_or_else(PoisonError::into_inner)
	}

	/// The connection's file, to wait on.
	pub fn as_fd(&self) -> BorrowedFd<'_> {
		self.stream.as_fd()
	}

	/// Exchanges versions.
	pub fn greet(&self) -> Result<(), FrameError> {
		blocking::handshake(&mut Duplex(&self.stream)).map(drop)
	}

	/// Waits for the request.
	pub fn receive(&self) -> Result<Request, FrameError> {
		blocking::receive(&mut &*self.stream)
	}

	/// Tells the host how far the job is, not more often than it is worth. Without a host that
	/// listens the process ends.
	pub fn progress(&self, stage: Stage, done: u64, total: u64) {
		let mut state = self.state();
		let now = Instant::now();
		let due = state.last.is_none_or(|(last, at)| last != stage || now - at >= REPORT_EVERY);
		if due && !state.answered {
			state.last = Some((stage, now));
			let progress = Reply::Progress(Progress { stage, done, total });
			if let Err(error) = blocking::send(&mut &*self.stream, &progress) {
				// Part of a frame may be out, so nothing can follow.
				eprintln!("assay-worker: the host does not listen: {error}");
				end(1);
			}
		}
	}

	/// Gives the answer, unless one has been given.
	pub fn answer(&self, reply: &Reply) -> Result<(), FrameError> {
		let mut state = self.state();
		if std::mem::replace(&mut state.answered, true) {
			return Ok(());
		}
		if let Reply::LocalFault(fault) = reply {
			eprintln!("assay-worker: {:?}: {}", fault.kind, fault.text);
		}
		blocking::send(&mut &*self.stream, reply)
	}

	/// Answers with a local fault.
	pub fn local_fault(&self, kind: LocalFaultKind, text: &str) {
		let fault = LocalFault { kind, text: text.into() };
		if let Err(error) = self.answer(&Reply::LocalFault(fault)) {
			eprintln!("assay-worker: {text}; the host was not told: {error}");
		}
	}
}

/// Reads and writes one stream through a shared reference.
struct Duplex<'a>(&'a UnixStream);

impl io::Read for Duplex<'_> {
	fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
		(&mut &*self.0).read(buffer)
	}
}

impl io::Write for Duplex<'_> {
	fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
		(&mut &*self.0).write(bytes)
	}

	fn flush(&mut self) -> io::Result<()> {
		(&mut &*self.0).flush()
	}
}
