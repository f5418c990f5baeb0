//! Fraud proofs: one tile of one result, recomputed from operands that the provider has committed
//! to.
//!
//! # Overview
//! - [`Record`]: what the chain knows of a run: program, input roots, number of steps and run root.
//!   Nothing of it comes from a proof.
//! - [`Accusation`]: a step, an anchor and a tile of it that is said to be wrong.
//! - [`ProofPart`]: a fraud proof, or one part of a long one: openings of the accused chunk and of
//!   every operand tile that its recomputation reads. Hostile bytes are decoded within
//!   [`MAX_PART_BYTES`].
//! - [`judge`]: the referee. Total, and bounded in time and memory by what the program check
//!   admits.
//! - [`OpenedTree`], [`Evidence`], [`prove`], [`prove_all`]: the prover's side, from its own replay
//!   and the groups that the provider was made to open.
//! - [`sample`]: which chunks of its own trace a verifier shows with its verdict.
//!
//! # Why it cannot hit an honest run, and always hits a dishonest one
//! *Which* tiles are read follows from the program alone ([`assay_program::anchor_needs`]), and
//! *where* they come from does too: an input from the record, a state before step s from the anchor
//! that updates it in step s − 1 (before the first step: from the input that it starts with), a
//! node from its anchor of the same step, a constant from the program. With root, count and
//! position fixed an opening is unique up to collisions of BLAKE3, and operators are total, so that
//! for an honest run the recomputed chunk is the claimed one. A missing or wrong opening makes the
//! *proof* invalid, never the run.
//!
//! Only the rows of a table that a Gather reads follow from bytes: from its indices. Table and
//! indices are committed, so the referee first verifies the tiles of the indices, and then asks for
//! exactly the tiles of the table that *these* name
//! ([`assay_program::AnchorFold::table_needs`]). Nothing of it is the prover's choice.
//!
//! For a dishonest run take the first (step, anchor, tile) at which it differs from an honest one.
//! All that the recomputation reads lies before it, is the challenger's own, and opens against the
//! provider's roots; the recomputed chunk is the honest one, and differs. Padding is recomputed as
//! zero and hashed like everything else.
//!
//! # Lazy anchors
//! The root of a lazy anchor is in no trace. Where a dispute needs it, the provider states the
//! roots of all lazy anchors before the first eager one that differs ([`LazyList`]), and is held to
//! that list: together with the trace it begins with what is true and ends in a false result, so it
//! contains a first false relation, which is proved as above. The list of an honest provider
//! contains none. A proof that refers to a list ([`ProofPart::lazy`]) shows that the list *or* the
//! run is wrong, so it speaks against the provider, who stated both, and against nobody who vouched
//! for the run alone.
//!
//! # Long reductions
//! A proof of several parts keeps one i64 for each element of the tile between them
//! ([`Ruling::Continue`]). Whoever keeps them must see that the next part is the next one
//! ([`ProofPart::part`]) of the same [`Accusation`]; [`judge`] sees that nothing is kept before
//! part 0, and that there are as many as the tile has elements.
//!
//! # Example
//! ```
//! use assay_commitments::{run_root, tensor_root, trace_root, Tree};
//! use assay_program::{ops::{DType, TensorType}, Limits, ProgramBuilder, Source};
//! use assay_referee::{judge, prove, Accusation, Evidence, OpenedTree, Record, Ruling};
//! use std::collections::BTreeMap;
//!
//! let mut b = ProgramBuilder::new();
//! let x = b.input("x", TensorType::new(DType::I8, &[4])?);
//! let y = b.shift(x, 1, DType::I8);
//! b.output("y", y);
//! let program = b.build()?;
//! let checked = program.check(&Limits::V1)?;
//!
//! // One step with one anchor of one tile: what the challenger has, and what the provider claims.
//! let (mut input, mut own) = (vec![0; 1024], vec![0; 1024]);
//! input[..4].copy_from_slice(&[2, 4, 6, 8]);
//! own[..4].copy_from_slice(&[1, 2, 3, 4]);
//! let mut claimed = own.clone();
//! claimed[3] = 5;
//! let anchors = [tensor_root(&claimed)];
//! let traces = [trace_root(&anchors)];
//! let record = Record {
//!     program: &program,
//!     checked: &checked,
//!     input_roots: &[tensor_root(&input)],
//!     steps: 1,
//!     run_root: run_root(&traces),
//!     list: None,
//! };
//!
//! // The reveal has shown the trace root; the provider was made to open the trace tree.
//! let own_anchors = vec![tensor_root(&own)];
//! let mut run = OpenedTree::new(Tree::Run, record.run_root, vec![trace_root(&own_anchors)]).unwrap();
//! assert!(run.add(0, 0, &traces));
//! let mut trace = OpenedTree::new(Tree::Trace, traces[0], own_anchors).unwrap();
//! assert!(trace.add(0, 0, &anchors));
//! let tensor = OpenedTree::of_tensor(anchors[0], &own).unwrap();
//! let tensors = BTreeMap::from([(Source::Input(0), input)]);
//! let evidence =
//!     Evidence { run: &run, trace: &trace, list: None, tensor: &tensor, before: None, tensors: &tensors };
//! let part = prove(&record, &evidence, Accusation { step: 0, node: 0, tile: 0 }, 0)?;
//! assert_eq!(judge(&record, None, &part), Ok(Ruling::Fraud));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

extern crate alloc;

mod decode;
mod error;
mod judge;
mod opened;
mod prove;
pub mod sample;
mod types;

pub use assay_program::MAX_STEPS;
pub use error::{ProofError, ProveError};
pub use judge::{judge, Record, Ruling};
pub use opened::OpenedTree;
pub use prove::{prove, prove_all, Evidence, Tensors};
pub use types::{
	Accusation, LazyList, ProofPart, RootsOpening, TilesOpening, MAX_OPERANDS, MAX_PART_BYTES,
	MAX_ROOTS, MAX_TILES,
};
