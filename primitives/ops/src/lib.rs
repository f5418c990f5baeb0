//! The definition of every integer operator of Assay.
//!
//! A result of a job is an exact function of its inputs because every executor (CPU engine, GPU
//! engine, on-chain referee) must give the bytes that this crate gives. Nothing here uses floating
//! point, depends on the order of a sum, or panics on any bit pattern.
//!
//! # Overview
//! - [`DType`], [`Shape`], [`TensorType`]: what a tensor is, and its canonical bytes: a matrix cut
//!   into tiles of [`TILE_BYTES`] bytes, so that one tile is one BLAKE3 chunk.
//! - [`View`]: an affine view (slice, transpose, reshape, broadcast) of an operand; no copy, no
//!   hash.
//! - [`Op`]: the operators of operator set [`OPERATOR_SET`]; [`Op::infer`] is the shape rule.
//! - [`Applied`]: an operator bound to operand types. Every operator is a fold per output element:
//!   [`Applied::init`], [`Applied::absorb`] of a range of the reduced dimension,
//!   [`Applied::finish`]. Whole-tensor evaluation ([`evaluate`]) and the recomputation of one tile
//!   ([`recompute_tile`]) run the same code.
//! - [`need`]: which canonical tiles of each operand one output tile reads, and
//!   [`need_gathered`]: which tiles of a table that depends on.
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

mod access;
mod apply;
mod arithmetic;
mod attributes;
mod definition;
mod division;
mod dtype;
mod elements;
mod elementwise;
mod error;
mod family;
mod generate;
mod geometry;
mod indices;
mod interpolate;
mod limits;
mod moves;
mod op;
mod operands;
mod philox;
mod product;
mod reduce;
mod region;
mod row;
mod shape;
mod signature;
mod stretches;
mod table;
mod tensor;
mod tile;
mod time;
mod values;
mod view;
mod window;
pub mod work;

pub use access::Access;
pub use apply::Applied;
pub use arithmetic::{round_shift, saturate_shift};
pub use attributes::{Narrow, NormKind, PoolKind, Relation};
pub use division::{int_div, rsqrt};
pub use dtype::DType;
pub use elements::Elements;
pub use elementwise::Elementwise;
pub use error::OpError;
pub use family::Family;
pub use generate::Generate;
pub use geometry::{Geometry, Window};
pub use interpolate::{lut_between, lut_segment};
pub use limits::{
	LUT_ENTRIES, MATMUL_I16_MAX_K, MATMUL_I8_MAX_K, MAX_ELEMENTS, MAX_FRACTION_BITS, MAX_OPERANDS,
	MAX_RANK, NORM_MAX_LEN,
};
pub use moves::Moves;
pub use op::Op;
pub use philox::philox4x32;
pub use product::Product;
pub use reduce::Reduce;
pub use region::{Axis, Region, TileBound};
pub use row::{
	exp2_neg, log2_distance, row_scale, softmax_quotient, Moments, Row, EXP2, NORM_FRACTION_BITS,
};
pub use shape::Shape;
pub use table::Table;
pub use tensor::{Grid, TensorType};
pub use tile::{need, need_gathered, recompute_tile, Layout, Tile, TileSource};
pub use time::Asked;
pub use values::{evaluate, Operand, Values};
pub use view::View;
pub use window::Windowed;

/// Bytes of one canonical tile, which is one BLAKE3 chunk.
pub const TILE_BYTES: usize = 1024;

/// Version of the operator set defined here. A new set never changes the bytes of an old one.
pub const OPERATOR_SET: u16 = 1;
