//! Slices of a blob that prove themselves against its root: BLAKE3's own tree, cut at chunk groups.
//!
//! A blob is cut into *chunk groups* of 16 KiB. A *slice* of the groups `a..b` is what a walk from
//! the root down to these groups meets, in pre-order: 64 bytes (the hashes of both children) at
//! every inner node that has such a group below it, and the bytes of the groups. Whoever has the
//! root and the blob's length checks each node before it believes what is below. This is the format
//! of bao with groups of 16 chunks (<https://github.com/oconnor663/bao/blob/master/docs/spec.md>),
//! made and read by the crate `bao-tree`.
//!
//! The *outboard* of a blob holds the inner nodes above the groups in post-order: 64 bytes for each
//! but one of the groups, 1/256 of the blob.

use assay_blobs::Hash;
use bao_tree::{
	io::{
		outboard::PostOrderOutboard,
		sync::{encode_ranges_validated, outboard_post_order, DecodeResponseIter},
		BaoContentItem, EncodeError,
	},
	BaoTree, BlockSize, ChunkNum, ChunkRanges,
};
use std::{
	fs::File,
	io::{self, BufReader, Read, Write},
};

/// Chunk groups of 16 chunks of 1 KiB.
const BLOCK: BlockSize = BlockSize::from_chunk_log(4);

/// Bytes of a chunk group.
pub const GROUP: u64 = 16 << 10;

/// Most bytes in one range.
pub const MAX_RANGE: u64 = 1 << 20;

/// Longest slice of [`MAX_RANGE`] bytes: an inner node for all groups but one, and on the way down
/// to them at most two for every level of a tree over 2^64 bytes.
pub const MAX_SLICE: usize = MAX_RANGE as usize + 64 * ((MAX_RANGE / GROUP) as usize + 2 * 64);

/// A range of a blob that can be asked for: whole chunk groups.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
	/// Length of the blob in bytes.
	pub total: u64,
	/// First byte, a multiple of [`GROUP`].
	pub offset: u64,
	/// Number of bytes, at most [`MAX_RANGE`]; a multiple of [`GROUP`] unless it ends with the
	/// blob.
	pub len: u32,
}

impl Span {
	/// `None` for a range that is empty, too long, reaches beyond the blob or cuts a chunk group.
	pub fn new(total: u64, offset: u64, len: u32) -> Option<Self> {
		let end = offset.checked_add(len.into())?;
		let whole = offset.is_multiple_of(GROUP) && (end.is_multiple_of(GROUP) || end == total);
		(len > 0 && u64::from(len) <= MAX_RANGE && end <= total && whole).then_some(Self {
			total,
			offset,
			len,
		})
	}

	/// Byte after the last one.
	pub fn end(&self) -> u64 {
		self.offset + u64::from(self.len)
	}

	fn chunks(&self) -> ChunkRanges {
		let start = ChunkNum::full_chunks(self.offset);
		match self.end() == self.total {
			true => ChunkRanges::from(start..),
			false => ChunkRanges::from(start..ChunkNum::full_chunks(self.end())),
		}
	}
}

/// Why a slice is not the one that was asked for. Whoever sent it did not send what the root names.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SliceError {
	/// A node or a group has another hash than the one above it says.
	#[error("the bytes are not those that the root names")]
	Wrong,
	/// It ends before all groups were there.
	#[error("the slice is too short")]
	Short,
	/// It goes on after all groups were there.
	#[error("the slice is too long")]
	Long,
}

/// Checks a slice group by group and returns the bytes of the span.
///
/// # Errors
/// When anything about it differs from what the root names; none of its bytes are returned.
pub fn verify(root: &Hash, span: &Span, slice: &[u8]) -> Result<Vec<u8>, SliceError> {
	let mut rest = slice;
	let mut bytes = Vec::with_capacity(span.len as usize);
	let chunks = span.chunks();
	let tree = BaoTree::new(span.total, BLOCK);
	for item in DecodeResponseIter::new((*root).into(), tree, &mut rest, &chunks) {
		match item {
			Ok(BaoContentItem::Leaf(leaf)) => bytes.extend_from_slice(&leaf.data),
			Ok(BaoContentItem::Parent(_)) => {}
			Err(error) => {
				return Err(match io::Error::from(error).kind() {
					io::ErrorKind::InvalidData => SliceError::Wrong,
					_ => SliceError::Short,
				})
			}
		}
	}
	match bytes.len() == span.len as usize {
		false => Err(SliceError::Short),
		true if !rest.is_empty() => Err(SliceError::Long),
		true => Ok(bytes),
	}
}

/// Why no slice could be made.
#[derive(Debug, thiserror::Error)]
pub enum EncodeFault {
	/// Blob or outboard differ from the root.
	#[error("blob or outboard are damaged")]
	Damaged,
	/// The operating system's reason.
	#[error("{0}")]
	Io(#[from] io::Error),
}

/// Makes the slice of `span`, checking every node and group against the root on the way.
///
/// # Errors
/// When a file cannot be read, or is not what the root names.
pub fn slice(
	root: &Hash,
	span: &Span,
	blob: &File,
	outboard: &File,
) -> Result<Vec<u8>, EncodeFault> {
	let tree = BaoTree::new(span.total, BLOCK);
	let outboard = PostOrderOutboard { root: (*root).into(), tree, data: outboard };
	let mut slice = Vec::with_capacity(span.len as usize + 8192);
	match encode_ranges_validated(blob, outboard, &span.chunks(), &mut slice) {
		Ok(()) => Ok(slice),
		Err(EncodeError::Io(error)) if error.kind() != io::ErrorKind::UnexpectedEof => {
			Err(error.into())
		}
		Err(_) => Err(EncodeFault::Damaged),
	}
}

/// Writes the outboard of a blob of `total` bytes and returns the blob's root.
///
/// # Errors
/// When reading or writing fails, or the blob has fewer bytes.
pub fn outboard(blob: impl Read, total: u64, into: impl Write) -> io::Result<Hash> {
	let tree = BaoTree::new(total, BLOCK);
	let root = outboard_post_order(BufReader::with_capacity(1 << 20, blob), tree, into)?;
	Ok(*root.as_bytes())
}

/// Length of the outboard of a blob of `total` bytes.
pub fn outboard_len(total: u64) -> u64 {
	BaoTree::new(total, BLOCK).outboard_size()
}
