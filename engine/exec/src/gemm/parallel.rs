//! Work shared between the caller and the pool.

use core::sync::atomic::{AtomicUsize, Ordering};

/// Runs `run(scratch, task)` for each task below `tasks`, on up to `threads` threads. The caller is one
/// of them and starts at once: waking another thread takes as long as a small product.
pub(crate) fn parallel<S>(
	threads: usize,
	tasks: usize,
	scratch: impl Fn() -> S + Sync,
	run: impl Fn(&mut S, usize) + Sync,
) {
	let threads = threads.min(tasks);
	if threads <= 1 {
		let mut scratch = scratch();
		return (0..tasks).for_each(|task| run(&mut scratch, task));
	}
	let next = AtomicUsize::new(0);
	let work = || {
		let mut own = None;
		loop {
			// Only the count matters: the scope's end orders the memory that tasks write.
			let task = next.fetch_add(1, Ordering::Relaxed);
			if task >= tasks {
				break;
			}
			run(own.get_or_insert_with(&scratch), task);
		}
	};
	rayon::in_place_scope(|scope| {
		for _ in 1..threads {
			scope.spawn(|_| work());
		}
		work();
	});
}
