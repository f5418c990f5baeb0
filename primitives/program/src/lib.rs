//! The program format of Assay: what a job computes, as data that the chain can judge.
//!
//! # Overview
//! - [`Program`]: a graph of integer operators over inputs, constants and step state; its bytes are
//!   described in `docs/program-format.md`. [`Program::decode_bounded`] reads hostile bytes: it
//!   never panics, never allocates beyond a small multiple of what it was given, and names every
//!   fault.
//! - [`Program::check`] proves before a program is admitted that shapes fit, that accumulators
//!   cannot overflow and that *every tile of every anchor can be refereed* inside [`Limits`], and
//!   prices it (work units, peak memory). Its work is bounded by [`Limits`].
//! - [`interpret_step`]: one step by the definition, for tests and for spot checks of engines.
//! - [`recompute_anchor_tile`]: the referee: one tile of one anchor, through virtual nodes, from
//!   the tiles that [`anchor_needs`] names; [`AnchorFold`] does the same part by part, and
//!   [`AnchorFold::resume`] goes on from what a chain kept between two parts.
//! - [`AnchorPlan`], [`Program::readmit`]: what is worth keeping of a check, and how to use it, so
//!   that a registered program is never analysed twice.
//!
//! # Example
//! ```
//! use assay_ops::{work, DType, TensorType};
//! use assay_program::{Limits, Program, ProgramBuilder};
//! let mut b = ProgramBuilder::new();
//! let x = b.input("x", TensorType::new(DType::I8, &[4, 3])?);
//! let w = b.constant(TensorType::new(DType::I8, &[2, 3])?, vec![1, 2, 3, 4, 5, 6]);
//! let y = b.matmul(x, w);
//! b.output("y", y);
//! let bytes = b.build()?.encode();
//! let program = Program::decode_bounded(&bytes)?;
//! let checked = program.check(&Limits::default())?;
//! // Products, elements, and what a step, a node and the hash of a tile take beside them.
//! let elements = 4 * 3 + 2 * 3 + 8 * (4 * 2);
//! assert_eq!(checked.work_units, 4 * 2 * 3 + elements + work::STEP + work::NODE + work::TILE);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

extern crate alloc;

mod builder;
mod check;
mod decode;
mod elements;
mod error;
mod format;
mod graph;
mod interpret;
mod limits;
mod plan;
mod price;
mod recompute;
mod referee;
mod thin;
mod walk;

pub use assay_ops as ops;
pub use builder::ProgramBuilder;
pub use check::Checked;
pub use elements::AnchorSource;
pub use error::{CheckError, ProgramError, RecomputeError, Section};
pub use format::{
	program_id, Class, Constant, Hash, Input, Node, Operand, Output, Program, Source, State,
	FORMAT_VERSION, MAGIC, MAX_NAME_BYTES, MAX_PROGRAM_BYTES,
};
pub use interpret::interpret_step;
pub use limits::{Limits, MAX_STEPS};
pub use plan::AnchorPlan;
pub use recompute::{anchor_needs, recompute_anchor_tile, AnchorFold, PartNeeds};
pub use referee::{AnchorCost, Effort, RefereeCost};
