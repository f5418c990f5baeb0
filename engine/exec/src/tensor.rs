use crate::Buffer;
use assay_commitments::Hash;
use assay_ops::TensorType;
use std::sync::Arc;

/// A tensor on the edge of an engine: its type and its canonical bytes, which are also what a blob
/// store keeps under its root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
	/// Type, with the split that the canonical bytes are cut by.
	pub ty: TensorType,
	/// Canonical bytes.
	pub bytes: Arc<[u8]>,
}

impl Tensor {
	/// From canonical bytes. Executors check the length.
	pub fn new(ty: TensorType, bytes: impl Into<Arc<[u8]>>) -> Self {
		Self { ty, bytes: bytes.into() }
	}

	/// From row-major elements, `None` unless they are as many as `ty` says; each is saturated to
	/// the element type.
	pub fn from_elements(ty: TensorType, elements: &[i32]) -> Option<Self> {
		(elements.len() == ty.elements() as usize).then(|| {
			let buffer = Buffer::fill(ty.dtype, elements.len(), |start, out| {
				for (to, from) in out.iter_mut().zip(&elements[start..]) {
					*to = ty.dtype.saturate((*from).into());
				}
			});
			Self::new(ty, buffer.to_canonical(&ty))
		})
	}

	/// Row-major elements. `None` if the bytes are not as long as the type says.
	pub fn elements(&self) -> Option<Vec<i32>> {
		(self.bytes.len() as u64 == self.ty.canonical_len()).then(|| {
			let buffer = Buffer::from_canonical(&self.ty, &self.bytes);
			(0..buffer.len()).map(|at| buffer.get(at)).collect()
		})
	}

	/// The root: BLAKE3 of the canonical bytes, on all cores.
	pub fn root(&self) -> Hash {
		root(&self.bytes)
	}
}

/// Below this many bytes one core hashes as fast as all.
const PARALLEL_BYTES: usize = 128 * 1024;

/// [`assay_commitments::tensor_root`] on all cores.
pub(crate) fn root(canonical: &[u8]) -> Hash {
	if canonical.len() < PARALLEL_BYTES {
		return assay_commitments::tensor_root(canonical);
	}
	*blake3::Hasher::new().update_rayon(canonical).finalize().as_bytes()
}
