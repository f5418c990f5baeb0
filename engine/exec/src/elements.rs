use bytemuck::Pod;
use core::{
	fmt,
	ops::{Deref, DerefMut},
};

/// Bytes of a line of the cache, and of the widest vectors.
const LINE: usize = 64;

/// The elements of a [`Buffer`](crate::Buffer): as a [`Vec`], but what [`Elements::zeroed`] makes
/// starts on the boundary of a line of the cache.
///
/// Allocators give large memory 16 bytes past a boundary. There every vector of 64 bytes lies
/// across two lines, and so does every row of a tile: a product that stores its sums takes a fifth
/// to a half more time.
pub struct Elements<T> {
	memory: Vec<T>,
	/// Elements before the first one.
	start: usize,
}

impl<T: Pod> Elements<T> {
	/// So many zeros. Memory for many of them comes from the system when it is first written to.
	pub fn zeroed(len: usize) -> Self {
		let size = size_of::<T>().max(1);
		let slack = if len * size < LINE { 0 } else { LINE / size };
		// Zeros of the allocator: memory of another alignment would be written here and now.
		let mut memory = vec![T::zeroed(); len + slack];
		let start = memory.as_ptr().align_offset(LINE);
		let start = if start <= slack { start } else { 0 };
		memory.truncate(start + len);
		Self { memory, start }
	}

	/// Keeps the first `len`.
	pub fn truncate(&mut self, len: usize) {
		self.memory.truncate(self.start.saturating_add(len));
	}

	/// How many elements there is memory for.
	pub(crate) fn capacity(&self) -> usize {
		self.memory.capacity() - self.start
	}
}

impl<T> Deref for Elements<T> {
	type Target = [T];

	fn deref(&self) -> &[T] {
		&self.memory[self.start..]
	}
}

impl<T> DerefMut for Elements<T> {
	fn deref_mut(&mut self) -> &mut [T] {
		&mut self.memory[self.start..]
	}
}

/// As they lie, wherever that is.
impl<T> From<Vec<T>> for Elements<T> {
	fn from(memory: Vec<T>) -> Self {
		Self { memory, start: 0 }
	}
}

impl<T> FromIterator<T> for Elements<T> {
	fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
		Vec::from_iter(values).into()
	}
}

impl<T: Pod> Clone for Elements<T> {
	fn clone(&self) -> Self {
		let mut this = Self::zeroed(self.len());
		this.copy_from_slice(self);
		this
	}
}

impl<T: fmt::Debug> fmt::Debug for Elements<T> {
	fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
		(**self).fmt(f)
	}
}

impl<T: PartialEq> PartialEq for Elements<T> {
	fn eq(&self, other: &Self) -> bool {
		**self == **other
	}
}

impl<T: Eq> Eq for Elements<T> {}

#[cfg(test)]
mod tests {
	use super::*;

	fn check<T: Pod + PartialEq + fmt::Debug>(one: T) {
		for len in [0, 1, 15, 16, 63, 64, 65, 1_000, 100_000] {
			let mut elements = Elements::<T>::zeroed(len);
			assert_eq!(*elements, *vec![T::zeroed(); len]);
			assert!(elements.capacity() >= len);
			let aligned = |elements: &Elements<T>| elements.as_ptr().addr().is_multiple_of(LINE);
			assert!(aligned(&elements) || size_of_val(&*elements) < LINE, "{len}");
			elements.fill(one);
			let copy = elements.clone();
			assert_eq!(copy, elements);
			assert!(aligned(&copy) || size_of_val(&*copy) < LINE, "a copy of {len}");
			elements.truncate(len / 2);
			assert_eq!(*elements, copy[..len / 2]);
			elements.truncate(usize::MAX);
			assert_eq!(elements.len(), len / 2);
		}
	}

	#[test]
	fn elements_should_start_on_a_line_when_they_are_made_or_copied() {
		check(1i8);
		check(-1i16);
		check(7i32);
	}

	#[test]
	fn elements_should_be_those_of_a_vector_when_they_come_from_one() {
		let elements: Elements<i16> = (0..5).collect();
		assert_eq!(elements, vec![0, 1, 2, 3, 4].into());
		assert_eq!(format!("{elements:?}"), "[0, 1, 2, 3, 4]");
	}
}
