//! Right operands that products read again and again, kept in the layout that they are read in.

use super::Source;
use crate::{
	gemm::{pack_i16, pack_i8, Packed, Path, Right},
	Affine, Buffer, Element, ExecError,
};
use std::{
	borrow::Cow,
	collections::HashMap,
	sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

/// What packed operands may take together.
const BYTES: usize = 512 << 20;

/// What is remembered of operands that were seen once, before those that are gone are looked for.
const ENTRIES: usize = 1024;

/// The packed form of a view of a buffer, from its second use on: most operands are used once.
///
/// Buffers are told apart by the address of their shared allocation. An entry holds a [`Weak`] on
/// it, so that the address is not given away again, and a buffer that anyone else can see is never
/// written to: [`Arc::get_mut`] refuses it, as it does with a weak reference left. So a form that
/// is found is that of the operand's bytes.
#[derive(Default)]
pub(super) struct Cache(Mutex<Entries>);

#[derive(Default)]
struct Entries {
	entries: HashMap<Key, Entry>,
	/// Bytes of all packed forms.
	bytes: usize,
	/// Counts uses.
	clock: u64,
	/// Entries after the last look for those that are gone.
	live: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
	path: Path,
	buffer: usize,
	affine: Affine,
	n: usize,
	k: usize,
}

struct Entry {
	buffer: Weak<Buffer>,
	packed: Option<Arc<Packed>>,
	used: u64,
}

/// A right operand that is ready for a product.
pub(super) enum Ready<'a, T: Element> {
	Rows(Cow<'a, [T]>),
	Packed(Arc<Packed>),
}

impl<T: Element> Ready<'_, T> {
	pub(super) fn right(&self) -> Right<'_, T> {
		match self {
			Self::Rows(rows) => Right::Rows(rows),
			Self::Packed(packed) => Right::Packed(packed),
		}
	}
}

/// An element that products are made of.
pub(super) trait Factor: Element {
	fn pack(path: Path, n: usize, k: usize, values: &[Self]) -> Option<Packed>;
}

impl Factor for i8 {
	fn pack(path: Path, n: usize, k: usize, values: &[Self]) -> Option<Packed> {
		pack_i8(path, n, k, values)
	}
}

impl Factor for i16 {
	fn pack(path: Path, n: usize, k: usize, values: &[Self]) -> Option<Packed> {
		pack_i16(path, n, k, values)
	}
}

impl Cache {
	/// The right operand `source` of `n × k`, packed if it was seen before.
	pub(super) fn ready<'a, T: Factor>(
		&self,
		path: Path,
		source: &Source<'a>,
		n: usize,
		k: usize,
	) -> Result<Ready<'a, T>, ExecError> {
		let buffer = Arc::as_ptr(source.shared) as usize;
		let key = Key { path, buffer, affine: source.affine(), n, k };
		// One row is the left operand of a product of one row.
		if n == 1 || !path.packs() || !self.seen(key, source.shared) {
			return Ok(Ready::Rows(source.elements()?));
		}
		if let Some(packed) = self.entries().find(&key) {
			return Ok(Ready::Packed(packed));
		}
		// Packed without the lock, which another thread may want meanwhile.
		let rows = source.elements()?;
		match T::pack(path, n, k, &rows) {
			Some(packed) => {
				let packed = Arc::new(packed);
				self.entries().keep(key, packed.clone());
				Ok(Ready::Packed(packed))
			}
			None => Ok(Ready::Rows(rows)),
		}
	}

	/// Bytes of all packed forms.
	#[cfg(test)]
	fn bytes(&self) -> usize {
		self.entries().bytes
	}

	fn entries(&self) -> MutexGuard<'_, Entries> {
		// No panic leaves the entries half changed: a panic in the allocator ends the process.
		self.0.lock().unwrap_or_else(PoisonError::into_inner)
	}

	/// Whether there was a use of this operand before. Remembers this one.
	fn seen(&self, key: Key, buffer: &Arc<Buffer>) -> bool {
		let mut entries = self.entries();
		entries.clock += 1;
		let used = entries.clock;
		if let Some(entry) = entries.entries.get_mut(&key) {
			// Also an entry of a buffer whose contents were dropped holds its address.
			entry.used = used;
			return true;
		}
		if entries.entries.len() >= entries.live + ENTRIES {
			entries.sweep();
		}
		entries.entries.insert(key, Entry { buffer: Arc::downgrade(buffer), packed: None, used });
		false
	}
}

impl Entries {
	fn find(&self, key: &Key) -> Option<Arc<Packed>> {
		self.entries.get(key)?.packed.clone()
	}

	fn keep(&mut self, key: Key, packed: Arc<Packed>) {
		let bytes = packed.bytes();
		if bytes > BYTES {
			return;
		}
		if self.bytes + bytes > BYTES {
			self.sweep();
		}
		while self.bytes + bytes > BYTES {
			let packed = self.entries.iter_mut().filter(|(_, entry)| entry.packed.is_some());
			let Some((_, oldest)) = packed.min_by_key(|(_, entry)| entry.used) else { break };
			self.bytes -= oldest.packed.take().map_or(0, |packed| packed.bytes());
		}
		if let Some(entry) = self.entries.get_mut(&key) {
			self.bytes += bytes;
			// Another thread may have packed the same.
			self.bytes -= entry.packed.replace(packed).map_or(0, |packed| packed.bytes());
		}
	}

	/// Forgets buffers that nobody has any more.
	fn sweep(&mut self) {
		let bytes = &mut self.bytes;
		self.entries.retain(|_, entry| {
			let alive = entry.buffer.strong_count() > 0;
			if !alive {
				*bytes -= entry.packed.as_ref().map_or(0, |packed| packed.bytes());
			}
			alive
		});
		self.live = self.entries.len();
	}
}

impl Cache {
	/// Forgets buffers that nobody has any more, when a run has ended.
	pub(super) fn sweep(&self) {
		self.entries().sweep();
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::Operand;
	use assay_ops::Shape;

	const N: usize = 40;
	const K: usize = 24;

	fn ready(cache: &Cache, value: &Arc<Buffer>) -> Option<Arc<Packed>> {
		let shape = Shape::new(&[N as u32, K as u32]).unwrap();
		let affine = Affine::new(&shape, None);
		let source = Source::new(&Operand { value, shape, affine });
		match cache.ready::<i8>(Path::best(), &source, N, K).unwrap() {
			Ready::Rows(_) => None,
			Ready::Packed(packed) => Some(packed),
		}
	}

	fn buffer(value: i8) -> Arc<Buffer> {
		Arc::new(Buffer::I8(vec![value; N * K].into()))
	}

	#[test]
	fn operands_should_be_packed_once_when_they_are_used_again() {
		if !Path::best().packs() {
			return; // Nothing is packed here.
		}
		let cache = Cache::default();
		let weights = buffer(3);
		assert!(ready(&cache, &weights).is_none());
		let first = ready(&cache, &weights).expect("packed at the second use");
		let again = ready(&cache, &weights).expect("packed");
		assert!(Arc::ptr_eq(&first, &again));
		assert_eq!(cache.bytes(), first.bytes());
		drop(weights);
		cache.sweep();
		assert_eq!(cache.bytes(), 0);
	}

	#[test]
	fn operands_should_not_be_mistaken_when_buffers_come_and_go_at_the_same_places() {
		let cache = Cache::default();
		let sizes = crate::gemm::Sizes { m: 1, n: N, k: K };
		for round in 0..3_000 {
			let value = (round % 255 - 127) as i8;
			let mut weights = buffer(value);
			for _ in 0..3 {
				if let Some(packed) = ready(&cache, &weights) {
					let right = Right::Packed(&packed);
					let emit = |_, _, sums: &[i32]| {
						assert!(sums.iter().all(|&sum| sum == i32::from(value) * K as i32));
					};
					crate::gemm::gemm_i8(Path::best(), sizes, &[1; K], right, emit);
				}
				assert!(Arc::get_mut(&mut weights).is_none() || !Path::best().packs());
			}
		}
		cache.sweep();
		assert_eq!(cache.bytes(), 0);
	}

	#[test]
	fn packed_operands_should_stay_within_their_bound_when_there_are_many() {
		let Some(packed) = pack_i8(Path::best(), N, K, &[1; N * K]) else { return };
		let (packed, mut entries) = (Arc::new(packed), Entries::default());
		let shape = Shape::new(&[N as u32, K as u32]).unwrap();
		let kept: Vec<_> = (0..4).map(buffer).collect();
		let key = |buffer: &Arc<Buffer>| {
			let affine = Affine::new(&shape, None);
			Key { path: Path::best(), buffer: Arc::as_ptr(buffer) as usize, affine, n: N, k: K }
		};
		for (used, buffer) in kept.iter().enumerate() {
			let entry = Entry { buffer: Arc::downgrade(buffer), packed: None, used: used as u64 };
			entries.entries.insert(key(buffer), entry);
		}
		entries.keep(key(&kept[1]), packed.clone());
		entries.keep(key(&kept[0]), packed.clone());
		// As if something large were there.
		entries.bytes = BYTES;
		entries.keep(key(&kept[2]), packed.clone());
		assert!(entries.find(&key(&kept[0])).is_none(), "the oldest goes first");
		assert!(entries.find(&key(&kept[1])).is_some());
		assert!(entries.find(&key(&kept[2])).is_some());
		assert_eq!(entries.bytes, BYTES);
	}
}
