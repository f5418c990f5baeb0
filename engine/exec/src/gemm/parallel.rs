//! Work shared between the caller and the pool.
//!
//! Waking a thread takes as long as a small product, and so does being woken when it is done. So
//! the caller starts at once, nobody waits for a helper that has not come by the end, and helpers
//! that are done look for more for a short while before they sleep.

use super::place;
use core::{
	any::Any,
	cell::Cell,
	hint::spin_loop,
	sync::atomic::{AtomicU64, AtomicUsize, Ordering},
	time::Duration,
};
use std::{
	panic::{catch_unwind, resume_unwind, AssertUnwindSafe},
	sync::{Arc, Mutex, MutexGuard, PoisonError},
	thread::Thread,
	time::Instant,
};

/// Runs `run(scratch, task)` for each task below `tasks`, on up to `threads` threads, of which the
/// caller is one.
pub(crate) fn parallel<S>(
	threads: usize,
	tasks: usize,
	scratch: impl Fn() -> S + Sync,
	run: impl Fn(&mut S, usize) + Sync,
) {
	// So that counts of both kinds fit into one number, with room for everyone's last look.
	assert!(tasks < 1 << 31, "too many tasks");
	let threads = threads.min(tasks);
	if threads <= 1 {
		let mut scratch = scratch();
		return (0..tasks).for_each(|task| run(&mut scratch, task));
	}
	let caller = std::thread::current().id();
	// The caller takes tasks from the front, and helpers take them from the back: in products that
	// follow each other the same thread has much the same part, whose operands and results are in
	// its cache.
	let taken = AtomicU64::new(0);
	share(threads - 1, &|| {
		let first = std::thread::current().id() == caller;
		let mut own = None;
		loop {
			// Only the counts matter: closing the job orders the memory that tasks write.
			let before = taken.fetch_add(if first { 1 } else { 1 << 32 }, Ordering::Relaxed);
			let (front, back) = ((before & u64::from(u32::MAX)) as usize, (before >> 32) as usize);
			if front + back >= tasks {
				break;
			}
			let task = if first { front } else { tasks - 1 - back };
			run(own.get_or_insert_with(&scratch), task);
		}
	});
}

/// Set in [`Job::inside`] once nobody may come in any more.
const CLOSED: usize = 1 << (usize::BITS - 1);

/// How long a helper looks for another job before it gives its thread back.
const LINGER: Duration = Duration::from_micros(100);

/// Rounds of waiting between two looks at anything but the board: about a microsecond.
const ROUNDS: usize = 16;

/// Rounds for which the caller waits for helpers before it sleeps: about twenty microseconds, the
/// end of a task or two.
const PATIENCE: usize = 512;

/// Work that others may help with until it is closed.
struct Job {
	/// Borrowed from the caller of [`share`], which leaves only when the job is closed and nobody
	/// is inside.
	work: *const (dyn Fn() + Sync),
	/// How many helpers are inside, and [`CLOSED`].
	inside: AtomicUsize,
	/// The core of the caller, which needs it.
	core: Option<usize>,
	/// The board's count of jobs with this one.
	number: usize,
	/// Who waits for helpers in the end.
	caller: Thread,
	/// What a helper's panic said.
	panic: Mutex<Option<Box<dyn Any + Send>>>,
}

// SAFETY: the pointer is to something that is `Sync`, and is only followed while it lives, see
// `help`.
unsafe impl Send for Job {}
// SAFETY: as above.
unsafe impl Sync for Job {}

impl Job {
	fn help(&self) {
		if let Some(core) = self.core.filter(|_| place::core() == self.core) {
			place::leave(core);
		}
		if self.inside.fetch_add(1, Ordering::Acquire) & CLOSED == 0 {
			// SAFETY: this helper was counted before the job was closed, and `close` waits for it.
			let work = unsafe { &*self.work };
			if let Err(panic) = catch_unwind(AssertUnwindSafe(work)) {
				*self.panic.lock().unwrap_or_else(PoisonError::into_inner) = Some(panic);
			}
		}
		if self.inside.fetch_sub(1, Ordering::Release) == CLOSED + 1 {
			self.caller.unpark();
		}
	}

	/// Returns when nobody is inside nor will be.
	fn close(&self) {
		self.inside.fetch_or(CLOSED, Ordering::AcqRel);
		let done = || self.inside.load(Ordering::Acquire) == CLOSED;
		for _ in 0..PATIENCE {
			if done() {
				return;
			}
			spin_loop();
		}
		// The system may have stopped a helper in favour of this thread. The last one out wakes the
		// caller.
		while !done() {
			std::thread::park();
		}
	}
}

/// Where lingering helpers find the latest job.
struct Board {
	job: Mutex<Option<Arc<Job>>>,
	/// Changes with each job.
	jobs: AtomicUsize,
	/// Helpers that look for a job.
	lingering: AtomicUsize,
	/// Those of them that look at this board now, and not at what else the pool has.
	watching: AtomicUsize,
}

static BOARD: Board = Board {
	job: Mutex::new(None),
	jobs: AtomicUsize::new(0),
	lingering: AtomicUsize::new(0),
	watching: AtomicUsize::new(0),
};

impl Board {
	fn job(&self) -> MutexGuard<'_, Option<Arc<Job>>> {
		self.job.lock().unwrap_or_else(PoisonError::into_inner)
	}

	/// Looks for a job after the one that was `seen`, for a while. Does the pool's other work
	/// meanwhile.
	fn look(&self, mut seen: usize) -> Option<Arc<Job>> {
		let start = Instant::now();
		loop {
			self.watching.fetch_add(1, Ordering::Relaxed);
			let changed = (0..ROUNDS).any(|_| {
				spin_loop();
				self.jobs.load(Ordering::Acquire) != seen
			});
			self.watching.fetch_sub(1, Ordering::Relaxed);
			if changed {
				let posted = self.job();
				if posted.is_some() {
					return posted.clone();
				}
				// It has come and gone.
				seen = self.jobs.load(Ordering::Relaxed);
			} else if start.elapsed() > LINGER {
				return None;
			} else {
				rayon::yield_now();
			}
		}
	}
}

thread_local! {
	/// Whether this thread has a helper already, which may be doing the pool's other work.
	static HELPING: Cell<bool> = const { Cell::new(false) };
}

/// Helps with a job, and with those that come soon after it.
fn helper(job: Arc<Job>) {
	if HELPING.replace(true) {
		return job.help();
	}
	let mut job = Some(job);
	while let Some(found) = job {
		found.help();
		// One core is left to whoever has work.
		let others = BOARD.lingering.fetch_add(1, Ordering::Relaxed);
		let room = others + 1 < rayon::current_num_threads();
		job = room.then(|| BOARD.look(found.number)).flatten();
		BOARD.lingering.fetch_sub(1, Ordering::Relaxed);
	}
	HELPING.set(false);
}

/// Runs `work` here and, if they come in time, on up to `helpers` other threads.
fn share(helpers: usize, work: &(dyn Fn() + Sync)) {
	let pointer: *const (dyn Fn() + Sync + '_) = work;
	// SAFETY: only the lifetime changes; `Closing` keeps the borrow until nobody follows the
	// pointer.
	let pointer: *const (dyn Fn() + Sync + 'static) = unsafe { core::mem::transmute(pointer) };
	/// Closes the job also when the caller's own work panics.
	struct Closing<'a>(&'a Arc<Job>);
	impl Drop for Closing<'_> {
		fn drop(&mut self) {
			self.0.close();
			let mut posted = BOARD.job();
			if posted.as_ref().is_some_and(|posted| Arc::ptr_eq(posted, self.0)) {
				*posted = None;
			}
		}
	}
	let mut posted = BOARD.job();
	let job = Arc::new(Job {
		work: pointer,
		inside: AtomicUsize::new(0),
		core: place::core(),
		number: BOARD.jobs.load(Ordering::Relaxed).wrapping_add(1),
		caller: std::thread::current(),
		panic: Mutex::new(None),
	});
	*posted = Some(job.clone());
	BOARD.jobs.store(job.number, Ordering::Release);
	let closing = Closing(&job);
	drop(posted);
	for _ in BOARD.watching.load(Ordering::Relaxed).min(helpers)..helpers {
		let job = job.clone();
		rayon::spawn(move || helper(job));
	}
	work();
	drop(closing);
	let panic = job.panic.lock().unwrap_or_else(PoisonError::into_inner).take();
	if let Some(panic) = panic {
		resume_unwind(panic);
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn tasks_should_run_once_each_when_jobs_follow_each_other() {
		for round in 0..3_000 {
			let tasks = round % 37;
			let counts: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
			parallel(
				1 + round % 5,
				tasks,
				|| 0usize,
				|done, task| {
					*done += 1;
					counts[task].fetch_add(1, Ordering::Relaxed);
				},
			);
			assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1), "{round}");
		}
	}

	#[test]
	fn tasks_should_run_once_each_when_jobs_are_shared_at_the_same_time() {
		let count = AtomicUsize::new(0);
		std::thread::scope(|scope| {
			for _ in 0..4 {
				scope.spawn(|| {
					for _ in 0..300 {
						// Within the pool, too.
						rayon::join(
							|| {
								parallel(
									3,
									5,
									|| (),
									|(), _| {
										count.fetch_add(1, Ordering::Relaxed);
									},
								)
							},
							|| {
								parallel(
									2,
									7,
									|| (),
									|(), _| {
										count.fetch_add(1, Ordering::Relaxed);
									},
								)
							},
						);
					}
				});
			}
		});
		assert_eq!(count.into_inner(), 4 * 300 * 12);
	}

	#[test]
	fn a_panic_should_reach_the_caller_when_a_task_panics_on_any_thread() {
		for round in 0..20 {
			let caught = catch_unwind(|| {
				parallel(
					4,
					8,
					|| (),
					|(), task| {
						std::thread::sleep(Duration::from_millis(1));
						assert!(task != round % 8, "task {task}");
					},
				);
			});
			assert!(caught.is_err(), "{round}");
		}
	}
}
