//! Inputs that come again, such as the weights of a model that runs on one batch after the other.

use crate::{ExecError, Tensor};
use assay_ops::TensorType;
use std::{
	collections::HashMap,
	sync::{Arc, Weak},
};

/// What kept inputs may take together, in canonical bytes.
const BYTES: usize = 2 << 30;

/// What an engine made of inputs, kept from the second run on that has them: most inputs come once.
///
/// Inputs are told apart by the address of their shared bytes. An entry holds a [`Weak`] on them,
/// so that the address is not given away again and nobody can write to them: [`Arc::get_mut`]
/// refuses it with a weak reference left.
#[derive(Clone, Debug)]
pub struct Resident<V> {
	entries: HashMap<usize, Entry<V>>,
	/// Canonical bytes of what is kept.
	bytes: usize,
}

#[derive(Clone, Debug)]
struct Entry<V> {
	bytes: Weak<[u8]>,
	ty: TensorType,
	value: Option<V>,
}

impl<V> Default for Resident<V> {
	fn default() -> Self {
		Self { entries: HashMap::new(), bytes: 0 }
	}
}

impl<V: Clone> Resident<V> {
	/// What was made of `tensor`, or what `make` makes of it now.
	pub fn value(
		&mut self,
		tensor: &Tensor,
		make: impl FnOnce(&Tensor) -> Result<V, ExecError>,
	) -> Result<V, ExecError> {
		let place = Arc::as_ptr(&tensor.bytes).cast::<u8>() as usize;
		match self.entries.get_mut(&place).filter(|entry| entry.ty == tensor.ty) {
			Some(Entry { value: Some(value), .. }) => Ok(value.clone()),
			Some(entry) if self.bytes + tensor.bytes.len() <= BYTES => {
				let value = make(tensor)?;
				entry.value = Some(value.clone());
				self.bytes += tensor.bytes.len();
				Ok(value)
			}
			Some(_) => make(tensor),
			None => {
				let bytes = Arc::downgrade(&tensor.bytes);
				let entry = Entry { bytes, ty: tensor.ty, value: None };
				// The same bytes under another type: theirs is forgotten.
				if let Some(Entry { value: Some(_), .. }) = self.entries.insert(place, entry) {
					self.bytes -= tensor.bytes.len();
				}
				make(tensor)
			}
		}
	}

	/// Forgets inputs that nobody has any more.
	pub fn sweep(&mut self) {
		self.entries.retain(|_, entry| entry.bytes.strong_count() > 0);
		let kept = self.entries.values().filter(|entry| entry.value.is_some());
		self.bytes = kept.map(|entry| entry.ty.canonical_len() as usize).sum();
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use assay_ops::DType;

	fn tensor(value: u8) -> Tensor {
		let ty = TensorType::new(DType::I8, &[4]).unwrap();
		Tensor::new(ty, vec![value; ty.canonical_len() as usize])
	}

	#[test]
	fn inputs_should_be_made_twice_and_then_kept_until_nobody_has_them() {
		let mut resident = Resident::default();
		let (weights, mut made) = (tensor(7), 0);
		for _ in 0..5 {
			let value = resident.value(&weights, |tensor| {
				made += 1;
				Ok(tensor.bytes[0])
			});
			assert_eq!(value.unwrap(), 7);
		}
		assert_eq!(made, 2);
		assert_eq!(resident.bytes, weights.bytes.len());
		resident.sweep();
		assert_eq!(resident.entries.len(), 1);
		drop(weights);
		resident.sweep();
		assert_eq!((resident.entries.len(), resident.bytes), (0, 0));
	}

	#[test]
	fn inputs_should_not_be_mistaken_when_bytes_come_and_go_or_change_their_type() {
		let mut resident = Resident::default();
		for round in 0..2_000 {
			let value = (round % 251) as u8;
			let one = tensor(value);
			let other = Tensor { ty: TensorType::new(DType::I8, &[2, 2]).unwrap(), ..one.clone() };
			for tensor in [&one, &one, &one, &other, &other, &one] {
				let found = resident.value(tensor, |tensor| Ok((tensor.ty, tensor.bytes[0])));
				assert_eq!(found.unwrap(), (tensor.ty, value));
			}
			if round % 100 == 0 {
				resident.sweep();
			}
		}
		resident.sweep();
		assert!(resident.entries.is_empty());
	}
}
