//! Tensor roots and tile openings: BLAKE3's own tree over 1 KiB chunks.

use crate::{
	tree::{fold, group_len, height, nodes_at, GROUP_CHILDREN},
	Hash, Path, Tree,
};
use alloc::vec::Vec;
use blake3::{hazmat::HasherExt, Hasher};

/// Bytes of one BLAKE3 chunk, which is one tile of a tensor.
pub const CHUNK_BYTES: usize = blake3::CHUNK_LEN;

/// The root of a tensor given by its canonical bytes, which is plain BLAKE3 and also the address of
/// these bytes in a blob store.
pub fn tensor_root(canonical: &[u8]) -> Hash {
	*blake3::hash(canonical).as_bytes()
}

/// Computes a tensor root from canonical bytes that arrive in pieces of any length.
#[derive(Clone, Debug, Default)]
pub struct TensorHasher(Hasher);

impl TensorHasher {
	/// A hasher that has seen nothing.
	pub fn new() -> Self {
		Self::default()
	}

	/// Takes the next bytes.
	pub fn update(&mut self, bytes: &[u8]) -> &mut Self {
		self.0.update(bytes);
		self
	}

	/// The root, if exactly `chunks` ≥ 1 full chunks have been seen.
	pub fn finish(&self, chunks: u64) -> Option<Hash> {
		let whole = chunks > 0 && chunks.checked_mul(CHUNK_BYTES as u64) == Some(self.0.count());
		whole.then(|| *self.0.finalize().as_bytes())
	}
}

/// How many chunks canonical bytes have, `None` unless they are one or more whole chunks.
fn chunks_of(canonical: &[u8]) -> Option<u64> {
	(!canonical.is_empty() && canonical.len().is_multiple_of(CHUNK_BYTES))
		.then_some((canonical.len() / CHUNK_BYTES) as u64)
}

/// The leaf value of the chunk at `index` of a tensor of `chunks` chunks: its BLAKE3 chunk value,
/// or the root itself if it is the only one. `None` for a wrong length or position.
pub fn chunk_value(chunks: u64, index: u64, chunk: &[u8]) -> Option<Hash> {
	height(chunks)?;
	if index >= chunks || chunk.len() != CHUNK_BYTES {
		return None;
	}
	if chunks == 1 {
		return Some(tensor_root(chunk));
	}
	let mut hasher = Hasher::new();
	hasher.set_input_offset(index * CHUNK_BYTES as u64).update(chunk);
	Some(hasher.finalize_non_root())
}

/// The value of node `index` at `level` (0 = chunks) of a tensor's tree; at the top level the root.
pub fn tensor_node(canonical: &[u8], level: u32, index: u64) -> Option<Hash> {
	let chunks = chunks_of(canonical)?;
	if index >= nodes_at(chunks, level)? {
		return None;
	}
	if level == height(chunks)? {
		return Some(tensor_root(canonical));
	}
	let first = (index << level) as usize * CHUNK_BYTES;
	let end = canonical.len().min(first + (CHUNK_BYTES << level));
	// An aligned group of 2^level chunks, or what is left of one at the right edge, is a subtree.
	let mut hasher = Hasher::new();
	hasher.set_input_offset(first as u64).update(&canonical[first..end]);
	Some(hasher.finalize_non_root())
}

/// The path of the chunk at `index`. Hashes the whole tensor once. `None` if the bytes are not
/// whole chunks or there is no such chunk.
pub fn open_tile(canonical: &[u8], index: u64) -> Option<Path> {
	let chunks = chunks_of(canonical)?;
	if index >= chunks {
		return None;
	}
	let siblings = (0..height(chunks)?)
		.filter_map(|level| tensor_node(canonical, level, (index >> level) ^ 1))
		.collect();
	Some(Path { siblings })
}

/// Whether `chunk` is the 1 KiB chunk at `index` of the tensor of `chunks` chunks with this root.
pub fn verify_tile(root: &Hash, chunks: u64, index: u64, chunk: &[u8], path: &Path) -> bool {
	chunk_value(chunks, index, chunk)
		.and_then(|leaf| fold(Tree::Tensor, index, chunks, &leaf, path))
		.is_some_and(|value| value == *root)
}

/// [`crate::open_group`] for a tensor given by its canonical bytes: hashes only what is below the
/// group.
pub fn open_tensor_group(canonical: &[u8], level: u32, index: u64) -> Option<Vec<Hash>> {
	let len = group_len(chunks_of(canonical)?, level, index)? as u64;
	let first = index.checked_mul(GROUP_CHILDREN as u64)?;
	(first..first + len).map(|child| tensor_node(canonical, level, child)).collect()
}
