//! The definition of every integer operator of Assay.
//!
//! A result of a job is an exact function of its inputs because every executor (CPU engine, GPU
//! engine, on-chain referee) must give the bytes that this crate gives. Nothing here uses floating
//! point, depends on the order of a sum, or panics on any bit pattern.
//!
//! # Overview
//! - [`DType`], [`Shape`], [`TensorType`]: what a tensor is, and its canonical bytes: a matrix cut
//!   into tiles of [`TILE_BYTES`] bytes, so that one tile is one BLAKE3 chunk.
//! - [`View`]: an affine view (slice, transpose, reshape, broadcast) of an operand; no copy, no hash.
//! - [`Op`]: the operators of operator set [`OPERATOR_SET`]; [`Op::infer`] is the shape rule.
//! - [`Applied`]: an operator bound to operand types. Every operator is a fold per output element:
//!   [`Applied::init`], [`Applied::absorb`] of a range of the reduced dimension,
//!   [`Applied::finish`]. Whole-tensor evaluation ([`evaluate`]) and the recomputation of one tile
//!   ([`recompute_tile`]) run the same code.
//! - [`need`]: which canonical tiles of each operand one output tile reads.
//! - [`Region`]: a sound bound of the same for *every* output tile, for the program checker.
//!
//! # Example
//! ```
//! use assay_ops::{evaluate, DType, Op, Operand, TensorType, Values};
//! let ty = TensorType::new(DType::I8, &[2, 2])?;
//! let a = Values::new(ty, vec![1, 2, 3, 4])?;
//! let c = evaluate(&Op::MatMul { narrow: None }, &[Operand::from(&a), Operand::from(&a)], None)?;
//! assert_eq!(c.data(), &[5, 11, 11, 25]); // a · aᵀ: both operands are stored K-contiguous
//! # Ok::<(), assay_ops::OpError>(())
//! ```
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

extern crate alloc;

mod apply;
mod arithmetic;
mod dtype;
mod error;
mod op;
mod region;
mod shape;
mod tensor;
mod tile;
mod values;
mod view;

pub use apply::{Access, Applied, Elements};
pub use arithmetic::{round_shift, saturate_shift};
pub use dtype::DType;
pub use error::OpError;
pub use op::{Narrow, Op, LUT_ENTRIES, MATMUL_I16_MAX_K, MATMUL_I8_MAX_K};
pub use region::{Axis, Region, TileBound};
pub use shape::{Shape, MAX_ELEMENTS, MAX_RANK};
pub use tensor::TensorType;
pub use tile::{need, recompute_tile, Layout, Tile, TileSource};
pub use values::{evaluate, Operand, Values};
pub use view::View;

/// Bytes of one canonical tile, which is one BLAKE3 chunk.
pub const TILE_BYTES: usize = 1024;

/// Version of the operator set defined here. A new set never changes the bytes of an old one.
pub const OPERATOR_SET: u16 = 1;
