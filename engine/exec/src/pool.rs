//! Memory of results that nobody has any more, for results to come: memory from the system comes as
//! zeros, page by page, which takes longer than many a product.

use crate::{Buffer, Element, Elements};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What results that are remembered may take together: 128 MiB, and room for their alignment.
const BYTES: usize = (128 << 20) + (64 << 10);

/// How many results are remembered.
const RESULTS: usize = 128;

/// Smaller results are not worth the search.
const LEAST: usize = 4 << 10;

/// Memory of the results of this process.
pub(crate) static POOL: BufferPool =
	BufferPool(Mutex::new(Results { results: Vec::new(), bytes: 0 }));

/// Remembers results, oldest first. One that only this still has is free to be overwritten.
#[derive(Default)]
pub(crate) struct BufferPool(Mutex<Results>);

#[derive(Default)]
struct Results {
	results: Vec<Arc<Buffer>>,
	/// Of all that is remembered.
	bytes: usize,
}

fn capacity(buffer: &Buffer) -> usize {
	let elements = crate::buffer::typed!(buffer, values => values.capacity());
	elements * buffer.dtype().size()
}

impl BufferPool {
	fn results(&self) -> MutexGuard<'_, Results> {
		// No panic leaves the list half changed.
		self.0.lock().unwrap_or_else(PoisonError::into_inner)
	}

	/// So many elements, whatever they are.
	pub(crate) fn elements<T: Element>(&self, len: usize) -> Elements<T> {
		self.find(len).unwrap_or_else(|| Elements::zeroed(len))
	}

	fn find<T: Element>(&self, len: usize) -> Option<Elements<T>> {
		if len * size_of::<T>() < LEAST {
			return None;
		}
		let mut results = self.results();
		// The last one is the likeliest to be in a cache.
		let at = results.results.iter().rposition(|buffer| {
			Arc::strong_count(buffer) == 1
				// A shorter one would have to grow, and a much longer one would not be given back.
				&& T::slice(buffer).is_some_and(|values| (len..=2 * len).contains(&values.len()))
		})?;
		let buffer = results.results.remove(at);
		results.bytes -= capacity(&buffer);
		drop(results);
		// Nobody else had it, and nobody gets one but from the list.
		let mut values = T::unwrap(Arc::try_unwrap(buffer).ok()?)?;
		values.truncate(len);
		Some(values)
	}

	/// Remembers a result.
	pub(crate) fn keep(&self, buffer: &Arc<Buffer>) {
		let bytes = capacity(buffer);
		if !(LEAST..=BYTES / 2).contains(&bytes) {
			return;
		}
		let mut results = self.results();
		let mut gone = Vec::new();
		while results.results.len() == RESULTS || results.bytes + bytes > BYTES {
			let oldest = results.results.remove(0);
			results.bytes -= capacity(&oldest);
			gone.push(oldest);
		}
		results.bytes += bytes;
		results.results.push(buffer.clone());
		// Memory is given back without the lock.
		drop(results);
	}

	/// Forgets all, when a run has ended.
	pub(crate) fn clear(&self) {
		let results = std::mem::take(&mut *self.results());
		drop(results);
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	const LEN: usize = LEAST;

	fn result(pool: &BufferPool, value: i8) -> Arc<Buffer> {
		let mut values = pool.elements::<i8>(LEN);
		values.fill(value);
		let buffer = Arc::new(Buffer::I8(values));
		pool.keep(&buffer);
		buffer
	}

	fn address(buffer: &Buffer) -> usize {
		buffer.bytes().as_ptr() as usize
	}

	#[test]
	fn memory_should_be_used_again_when_nobody_has_its_result() {
		let pool = BufferPool::default();
		let first = result(&pool, 1);
		let place = address(&first);
		let second = result(&pool, 2);
		assert_ne!(address(&second), place, "the first result is still there");
		drop(first);
		assert!(pool.find::<i16>(LEN / 2).is_none(), "of another type");
		assert!(pool.find::<i8>(LEN + 1).is_none(), "longer");
		assert!(pool.find::<i8>(LEN / 2 - 1).is_none(), "much shorter");
		assert_eq!(address(&result(&pool, 3)), place);
		assert!(second.bytes().iter().all(|&byte| byte == 2));
		assert_eq!(pool.elements::<i8>(LEN - 1).len(), LEN - 1);
	}

	#[test]
	fn memory_should_stay_within_its_bounds_when_there_are_many_results() {
		let pool = BufferPool::default();
		for _ in 0..2 * RESULTS {
			let buffer = result(&pool, 1);
			// Nobody has the others, but this one is not to be overwritten.
			pool.keep(&buffer);
		}
		assert!(pool.results().results.len() <= RESULTS);
		let large = || Arc::new(Buffer::I8(Vec::with_capacity(BYTES / 2).into()));
		for _ in 0..3 {
			pool.keep(&large());
		}
		let bytes = |pool: &BufferPool| -> usize {
			pool.results().results.iter().map(|buffer| capacity(buffer)).sum()
		};
		assert_eq!(bytes(&pool), pool.results().bytes);
		assert!(bytes(&pool) <= BYTES);
		pool.clear();
		assert_eq!((bytes(&pool), pool.results().bytes), (0, 0));
	}
}
