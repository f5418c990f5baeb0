//! Runs programs and commits to what they computed.
//!
//! # Overview
//! An [`Executor`] takes a checked program and its inputs and gives a [`Run`]: the outputs and the
//! roots that a provider commits to and a verifier compares. [`CpuExecutor`] uses all cores and the
//! best integer instructions that the processor has; other engines implement [`Backend`] and get
//! the same run loop through [`execute`]. Whatever an engine fuses, reorders or splits, its bytes
//! are those of the definition in `assay-ops`; [`Audit`] recomputes random tiles by that definition
//! while a run is under way.
//!
//! Values on the edge of this crate are canonical bytes ([`Tensor`]); inside they are row-major
//! ([`Buffer`]).
//!
//! # Faults
//! [`ExecError::is_local`] tells a fault of this machine, on which a verifier abstains, from one of
//! the job, which every verifier finds alike.
#![warn(missing_docs)]

mod affine;
mod anchors;
mod audit;
mod backend;
mod buffer;
mod call;
mod chain;
mod cpu;
mod elements;
mod error;
mod executor;
mod fill;
#[doc(hidden)]
pub mod gemm;
mod memory;
mod observer;
mod plan;
mod pool;
mod rate;
mod region;
mod resident;
mod run;
mod segments;
mod simd;
mod step;
mod tensor;
mod work;

pub use affine::Affine;
pub use audit::Audit;
pub use backend::Backend;
pub use buffer::{Buffer, Element};
pub use call::{Call, Operand};
pub use chain::{Chain, Link, Part};
pub use cpu::{CpuBackend, CpuExecutor, Profile, Spent};
pub use elements::Elements;
pub use error::{DeviceFault, ExecError};
pub use executor::Executor;
pub use observer::{Checkpoint, Checkpoints, Observer, Progress, Watch};
pub use rate::measure_rate;
pub use resident::Resident;
pub use run::{execute, Run, KEPT_STEPS};
#[doc(hidden)]
pub use simd::plain_loops;
pub use tensor::Tensor;
pub use work::{Options, Work};
