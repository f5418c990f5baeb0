//! WIP
#![warn(missing_docs)]
pub mod array;
mod error;
pub mod eval;
pub mod graph;
pub mod npz;
pub mod onnx;
pub mod passes;
pub mod read;
pub use error::{Error, Result};
pub mod calibrate;
pub mod lower;
