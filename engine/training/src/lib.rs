//! Training in integers: from the description of a network to a program whose steps are forward
//! pass, backward pass and optimizer, in 16-bit fixed point.
//!
//! # Overview
//! - [`Description`]: layers, optimizer, learning rate, batch and steps, read from JSON.
//! - [`Training::compile`]: the program. Activations, weights and gradients are i16 with a
//!   power-of-two exponent for each tensor. Exponents are step state: each follows the largest
//!   element of the step before, with one to two bits of headroom; saturation is counted (Das et
//!   al., "Mixed precision training of convolutional neural networks using integer operations",
//!   arXiv 1802.00930; Wang et al., "NITI", arXiv 2009.13108). Parameters and moments are i32,
//!   rounded at random by Philox.
//! - [`Trainer`]: runs it on any [`assay_exec::Executor`], with checkpoints.
//!
//! Floats are used before the first step only, to turn data, weights and learning rates into
//! integers, and after the last, to show them.
#![warn(missing_docs)]
#![forbid(unsafe_code)]

mod array;
mod checkpoint;
mod compile;
mod description;
mod error;
mod exponent;
mod graph;
mod layers;
mod optimizer;
mod prepare;
mod trainer;

pub use array::{Array, Arrays};
pub use compile::{Training, LOSS_BITS};
pub use description::{Description, Input, Layer, LearningRate, Optimizer, Order};
pub use error::{Error, Result};
pub use exponent::{Class, Exponent, Slot};
pub use graph::{Init, Parameter, Role, SlotInfo, WEIGHT_EXPONENT};
pub use trainer::{Saturation, Trainer};
