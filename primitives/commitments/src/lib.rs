//! Roots and openings: what a provider and its verifiers bind themselves to.
//!
//! One hash, BLAKE3, serves as content address, as streaming check and as the commitment that a
//! fraud proof opens. There are three trees, each a binary *left-balanced* tree (every left subtree
//! is the largest power of two that leaves at least one leaf to the right, BLAKE3 specification
//! §2.1), which is the same as pairing neighbours level by level and letting an odd last node move
//! up unchanged:
//!
//! | tree | leaves, in order | leaf value | inner node |
//! |---|---|---|---|
//! | [`Tree::Tensor`] | the 1 KiB chunks of a tensor's canonical bytes | BLAKE3 chunk value, counter = index | BLAKE3 parent, ROOT flag on top |
//! | [`Tree::Trace`] | the roots of the program's eager anchors of one step | `derive_key(trace leaf, root)` | `derive_key(trace node, left ‖ right)` |
//! | [`Tree::Run`] | the trace roots of the steps | `derive_key(run leaf, root)` | `derive_key(run node, left ‖ right)` |
//!
//! A tensor root is therefore plain BLAKE3 of the canonical bytes, and the tensor's address in a
//! blob store. A tensor of one chunk has no chunk value: its leaf *is* its root, the ROOT-flagged
//! hash. With one leaf a trace or run root is that leaf's value.
//!
//! # Openings
//! A [`Path`] leads from one leaf to the root. A *group* is what an answer to a demand consists of:
//! all nodes of one level below one node eight levels up, at most [`GROUP_CHILDREN`] of them.
//! Levels are counted from the leaves, the children of a group are at level 0, 8, 16, …; their
//! number follows from the count of leaves alone ([`group_len`]). At level 0 the children are
//! leaves as [`verify`] takes them: chunk values, or the roots in a trace or run tree.
//!
//! A [`Place`] names a group in a whole run and [`Place::below`] what a child of it stands for, so
//! that a *descent* from the run root to the first differing chunk is a walk along places
//! ([`RunShape`] gives the counts, [`most_openings`] the length of the way).
//!
//! A *multi-opening* ([`open_many`], [`verify_many`]) shows several leaves of one tree at once:
//! level by level from the leaves up, and from left to right, the siblings that do not follow from
//! the leaves. For one leaf it is that leaf's [`Path`].
//!
//! [`segments`] cuts a run into stretches that can be replayed and judged one by one.
//!
//! # Who says what
//! Counts and positions are always arguments, and come from the program and the job record, never
//! from a proof. Every function is total: a length, count or position that does not fit gives
//! `None` or `false`. With the count fixed, an opening is unique up to collisions of BLAKE3, so an
//! honest party cannot be shown a second one.
//!
//! `vectors.txt` in this crate holds test vectors for other implementations.
#![cfg_attr(not(feature = "std"), no_std)]
#![warn(missing_docs)]

extern crate alloc;

mod claims;
mod descent;
mod hiding;
mod many;
pub mod segments;
mod tensor;
mod tree;

pub use claims::{
	open_outputs, verify_chunk, verify_outputs, ChunkOpening, ChunkPosition, OutputsOpening,
};
pub use descent::{most_openings, Below, Place, RunShape};
pub use hiding::{decoy_seal, result_commitment, verdict_commitment};
pub use many::{fold_many, open_many, open_many_with, verify_many};
pub use segments::{
	checkpoint_entry, checkpoint_len, checkpoints_digest, join_segments, open_segments,
	read_manifest, segment_roots, verify_segments, Checkpoint, Segmentation, Segments,
	SegmentsOpening, MAX_SEGMENTS,
};
pub use tensor::{
	chunk_value, open_tensor_group, open_tile, tensor_node, tensor_root, verify_tile, TensorHasher,
	CHUNK_BYTES,
};
pub use tree::{
	fold, group_len, height, nodes_at, open, open_group, root, run_root, top_level, trace_root,
	verify, verify_group, Path, Tree, GROUP_CHILDREN, GROUP_LEVELS, MAX_CHUNKS, MAX_PATH,
};

/// A BLAKE3 output of 32 bytes: a root, a node or a commitment.
pub type Hash = [u8; 32];
