//! The anchors of a step: their elements are asked for, hashed, and kept where they are wanted.

use crate::{plan::Plan, tensor, Backend, Buffer, ExecError};
use assay_commitments::Hash;
use assay_ops::TensorType;
use std::{
	collections::{HashMap, HashSet, VecDeque},
	sync::{
		mpsc::{self, Receiver, Sender, TryRecvError},
		Arc,
	},
};

/// Canonical bytes of anchors that may wait for the engine, or to be hashed, while it computes on.
const WAITING_BYTES: u64 = 256 << 20;

/// Canonical bytes that are hashed sooner than another thread could be told of them: so many are
/// handed on together.
const TOGETHER: u64 = 16 << 10;

/// An anchor whose elements, or whose root, were asked for.
struct Waiting<T> {
	anchor: usize,
	ticket: T,
	bytes: u64,
	/// Whether the engine hashes it.
	root: bool,
}

/// An anchor that is to be hashed.
struct Job {
	anchor: usize,
	buffer: Arc<Buffer>,
	ty: TensorType,
	bytes: u64,
	/// Whether its canonical bytes are.
	wanted: bool,
}

impl Job {
	fn run(self, hashed: &Sender<Hashed>) {
		let Self { anchor, buffer, ty, bytes, wanted } = self;
		let (root, canonical) = if wanted {
			let canonical = buffer.to_canonical_shared(&ty);
			(tensor::root(&canonical), Some(canonical))
		} else {
			(buffer.root(&ty), None)
		};
		// Nobody listens after an error of the run.
		let _ = hashed.send(Hashed { anchor, bytes, root, canonical });
	}
}

/// An anchor that was hashed.
struct Hashed {
	anchor: usize,
	bytes: u64,
	root: Hash,
	/// Its canonical bytes, if they are wanted.
	canonical: Option<Arc<[u8]>>,
}

/// What has become of the anchors of a step.
pub(crate) struct Anchors<'a, B: Backend> {
	plan: &'a Plan<'a>,
	waiting: VecDeque<Waiting<B::Ticket>>,
	/// Canonical bytes of those.
	bytes: u64,
	/// What is to be hashed together, soon.
	jobs: Vec<Job>,
	/// Canonical bytes of those.
	together: u64,
	/// Canonical bytes of those and of what is being hashed by other threads.
	hashing: u64,
	hashed: (Sender<Hashed>, Receiver<Hashed>),
	pub(crate) roots: Vec<Hash>,
	/// Anchors whose canonical bytes are wanted: none before the last step.
	wanted: HashSet<usize>,
	/// The canonical bytes of those.
	pub(crate) tensors: HashMap<usize, Arc<[u8]>>,
}

impl<'a, B: Backend> Anchors<'a, B> {
	pub(crate) fn new(plan: &'a Plan<'a>, wanted: HashSet<usize>) -> Self {
		Self {
			plan,
			waiting: VecDeque::new(),
			bytes: 0,
			jobs: Vec::new(),
			together: 0,
			hashing: 0,
			hashed: mpsc::channel(),
			roots: vec![Hash::default(); plan.anchors.len()],
			wanted,
			tensors: HashMap::new(),
		}
	}

	pub(crate) fn add(
		&mut self,
		backend: &mut B,
		anchor: usize,
		value: &B::Value,
	) -> Result<(), ExecError> {
		let ty = &self.plan.types[self.plan.anchors[anchor]];
		let bytes = ty.canonical_len();
		if !self.wanted.contains(&anchor) {
			if let Some(ticket) = backend.request_root(value, ty)? {
				self.waiting.push_back(Waiting { anchor, ticket, bytes: 0, root: true });
				return Ok(());
			}
		}
		let ticket = backend.request(value)?;
		if backend.is_ready(&ticket) {
			let buffer = backend.collect(ticket)?;
			return self.hash(anchor, buffer, bytes);
		}
		self.waiting.push_back(Waiting { anchor, ticket, bytes, root: false });
		self.bytes += bytes;
		while self.bytes > WAITING_BYTES && self.waiting.len() > 1 {
			self.finish_one(backend)?;
		}
		Ok(())
	}

	/// Has another thread hash an anchor, so that this one can go on, small ones a few at a time.
	fn hash(&mut self, anchor: usize, buffer: Arc<Buffer>, bytes: u64) -> Result<(), ExecError> {
		let ty = self.plan.types[self.plan.anchors[anchor]];
		if (buffer.dtype(), buffer.len()) != (ty.dtype, ty.elements() as usize) {
			return Err(ExecError::Program(format!("anchor {anchor} is not of its type")));
		}
		while self.hashing > 0 && self.hashing + bytes > WAITING_BYTES {
			self.take_one()?;
		}
		self.hashing += bytes;
		self.together += bytes;
		let wanted = self.wanted.contains(&anchor);
		self.jobs.push(Job { anchor, buffer, ty, bytes, wanted });
		if self.together > TOGETHER {
			self.hash_jobs(true);
		}
		Ok(())
	}

	/// Hashes what is to be hashed together, by another thread if there is one and it is `spawned`.
	fn hash_jobs(&mut self, spawned: bool) {
		let jobs = core::mem::take(&mut self.jobs);
		self.together = 0;
		let hashed = self.hashed.0.clone();
		let run = move || jobs.into_iter().for_each(|job| job.run(&hashed));
		// The only thread of the pool might be this one.
		if !spawned || rayon::current_num_threads() == 1 {
			run();
		} else {
			rayon::spawn(run);
		}
	}

	/// Waits for one of the anchors that are being hashed.
	fn take_one(&mut self) -> Result<(), ExecError> {
		self.hash_jobs(false);
		let hashed = loop {
			match self.hashed.1.try_recv() {
				Ok(hashed) => break Some(hashed),
				// A thread of the pool must not sleep while work of the pool is left.
				Err(TryRecvError::Empty) if rayon::yield_now() == Some(rayon::Yield::Executed) => {}
				Err(TryRecvError::Empty) if rayon::current_thread_index().is_some() => {
					std::thread::yield_now();
				}
				Err(_) => break self.hashed.1.recv().ok(),
			}
		};
		let Some(Hashed { anchor, bytes, root, canonical }) = hashed else {
			return Err(ExecError::Program("an anchor was not hashed".into()));
		};
		self.hashing -= bytes;
		self.roots[anchor] = root;
		if let Some(canonical) = canonical {
			self.tensors.insert(anchor, canonical);
		}
		Ok(())
	}

	pub(crate) fn finish_one(&mut self, backend: &mut B) -> Result<bool, ExecError> {
		if let Some(Waiting { anchor, ticket, bytes, root }) = self.waiting.pop_front() {
			self.bytes -= bytes;
			if root {
				self.roots[anchor] = backend.collect_root(ticket)?;
				return Ok(true);
			}
			let buffer = backend.collect(ticket)?;
			self.hash(anchor, buffer, bytes)?;
			return Ok(true);
		}
		if self.hashing == 0 {
			return Ok(false);
		}
		self.take_one()?;
		Ok(true)
	}
}
