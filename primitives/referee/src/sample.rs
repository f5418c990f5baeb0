//! Samples of a verifier's own trace: how it shows that it has replayed a run, and not only heard of
//! its root.
//!
//! When the commitments of an audit are closed, the chain draws a seed. From it follow, for every
//! verifier another, [`SAMPLED_CHUNKS`] positions in the trace: a step, an eager anchor and a tile of
//! it. A verdict counts when it is opened together with the chunks at these positions. Who copied a
//! root, or was told it before it committed, does not have them.
//!
//! Positions and shape come from the chain, an opening is unique up to collisions of BLAKE3 (see
//! [`assay_commitments`]), so that a chunk of another position never fits.

use alloc::vec::Vec;
use assay_commitments::{
	open, open_tile, verify_chunk, ChunkOpening, ChunkPosition, Hash, RunShape, Tree, CHUNK_BYTES,
};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// How many chunks a verifier shows.
pub const SAMPLED_CHUNKS: usize = 2;

/// The domain of the hash that positions come from.
const CONTEXT: &str = "assay 2026-11-21 sample position v1";

/// Which chunk of a trace is to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[derive(Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
pub struct Position {
	/// The step, from 0.
	pub step: u32,
	/// The anchor, by its place among the eager anchors.
	pub anchor: u32,
	/// The tile of that anchor's tensor.
	pub tile: u64,
}

/// A chunk with what leads from the run root to it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct SampledChunk {
	/// The chunk's bytes.
	pub chunk: [u8; CHUNK_BYTES],
	/// Roots and paths.
	pub opening: ChunkOpening,
}

/// The positions that a seed gives an account: step and anchor uniform, tile uniform over the tiles of
/// that anchor. `None` for a run without steps, anchors or tiles.
///
/// Position i is made from the first 48 bytes of BLAKE3's extendable output under [`CONTEXT`] over
/// `seed ‖ account ‖ i as 4 bytes`, three numbers of 16 bytes little-endian, each modulo its count.
pub fn positions(
	seed: &Hash,
	account: &[u8; 32],
	shape: &impl RunShape,
) -> Option<[Position; SAMPLED_CHUNKS]> {
	let mut positions = [Position { step: 0, anchor: 0, tile: 0 }; SAMPLED_CHUNKS];
	for (index, position) in (0u32..).zip(positions.iter_mut()) {
		let mut output = blake3::Hasher::new_derive_key(CONTEXT)
			.update(seed)
			.update(account)
			.update(&index.to_le_bytes())
			.finalize_xof();
		let mut below = |count: u64| {
			let mut bytes = [0; 16];
			output.fill(&mut bytes);
			// Favours nothing by more than count / 2^128.
			u128::from_le_bytes(bytes).checked_rem(count.into()).map(|number| number as u64)
		};
		let step = below(shape.steps().into())? as u32;
		let anchor = below(shape.anchors().into())? as u32;
		let tile = below(shape.tiles(anchor)?)?;
		*position = Position { step, anchor, tile };
	}
	Some(positions)
}

/// Whether this is the chunk at `position` of the run with this root.
pub fn check(
	run_root: &Hash,
	shape: &impl RunShape,
	position: &Position,
	sampled: &SampledChunk,
) -> bool {
	let Some(chunks) = shape.tiles(position.anchor) else { return false };
	let at = ChunkPosition {
		steps: shape.steps().into(),
		step: position.step.into(),
		anchors: shape.anchors().into(),
		anchor: position.anchor.into(),
		chunks,
		chunk: position.tile,
	};
	verify_chunk(run_root, &at, &sampled.chunk, &sampled.opening)
}

/// Whether these are the chunks that `seed` asks of `account`: as many, in this order.
pub fn check_all(
	run_root: &Hash,
	shape: &impl RunShape,
	seed: &Hash,
	account: &[u8; 32],
	sampled: &[SampledChunk],
) -> bool {
	sampled.len() == SAMPLED_CHUNKS
		&& positions(seed, account, shape).is_some_and(|positions| {
			positions.iter().zip(sampled).all(|(at, chunk)| check(run_root, shape, at, chunk))
		})
}

/// The chunk at `position`, from the trace roots of all steps, the anchor roots of the position's step
/// and the canonical bytes of the position's anchor. `None` where these have no such position.
pub fn open_chunk(
	position: &Position,
	trace_roots: &[Hash],
	anchor_roots: &[Hash],
	tensor: &[u8],
) -> Option<SampledChunk> {
	let Position { step, anchor, tile } = *position;
	let first = usize::try_from(tile).ok()?.checked_mul(CHUNK_BYTES)?;
	let chunk = tensor.get(first..first.checked_add(CHUNK_BYTES)?)?.try_into().ok()?;
	let opening = ChunkOpening {
		trace: (*trace_roots.get(step as usize)?, open(Tree::Run, trace_roots, step.into())?),
		anchor: (
			*anchor_roots.get(anchor as usize)?,
			open(Tree::Trace, anchor_roots, anchor.into())?,
		),
		tile: open_tile(tensor, tile)?,
	};
	Some(SampledChunk { chunk, opening })
}

/// Everything that `seed` asks of `account`: [`open_chunk`] at each of its positions. `anchors` gives the
/// anchor roots of a step, `tensor` the canonical bytes of an anchor of it.
pub fn open_all<Anchors: AsRef<[Hash]>, Bytes: AsRef<[u8]>>(
	seed: &Hash,
	account: &[u8; 32],
	shape: &impl RunShape,
	trace_roots: &[Hash],
	mut anchors: impl FnMut(u32) -> Option<Anchors>,
	mut tensor: impl FnMut(u32, u32) -> Option<Bytes>,
) -> Option<Vec<SampledChunk>> {
	positions(seed, account, shape)?
		.iter()
		.map(|position| {
			let anchor_roots = anchors(position.step)?;
			let bytes = tensor(position.step, position.anchor)?;
			open_chunk(position, trace_roots, anchor_roots.as_ref(), bytes.as_ref())
		})
		.collect()
}
