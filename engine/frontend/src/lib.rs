//! Lowers ordinary float models to integer programs, and says what that cost in accuracy.
//!
//! # Overview
//! [`import::import`] takes an ONNX file and samples of its inputs and gives a [`model::Model`]: an
//! integer program, its weights and what the integers stand for; and a [`import::Report`]. On the
//! way:
//!
//! 1. [`read`]: ONNX to the one [`graph::Graph`] type. [`onnx`] says why it is read with prost.
//! 2. [`passes`]: shapes, constants, fusing; each keeps what the graph computes. [`eval`] is the
//!    float reference.
//! 3. [`calibrate`]: ranges of all values, and which products need 16 bits.
//! 4. [`lower`]: integers of 8, 16 and 32 bits, one rounding after each product.
//! 5. [`anchors`]: what is committed, so that every tile can be refereed.
//! 6. [`along`]: where the samples of a batch lie in each output.
//! 7. [`model`]: files, runs on float samples. [`node_tests`]: ONNX's own tests of each operator.
//!
//! What strangers wrote is bounded before it is read or computed ([`limits`], [`files`]), samples
//! must be numbers ([`samples`]), the result is held to a [`target`], and what saturates is counted
//! ([`watch`]).
//!
//! Floats end here: nothing of this crate is in reach of consensus, and a program says by itself
//! what it computes. An import need not be reproducible; its result is.
#![warn(missing_docs)]

pub mod along;
pub mod anchors;
pub mod array;
pub mod calibrate;
mod error;
pub mod eval;
pub mod files;
pub mod graph;
pub mod import;
pub mod limits;
pub mod lower;
pub mod model;
pub mod node_tests;
pub mod npz;
pub mod onnx;
pub mod passes;
pub mod read;
pub mod run;
pub mod samples;
pub mod target;
pub mod watch;

pub use error::{Error, Result};
