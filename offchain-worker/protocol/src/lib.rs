//! Messages between whoever needs a job run (a validator's node, a provider) and the worker process
//! that runs it.
//!
//! The *host* listens on a Unix socket and starts the worker, which connects. Both send [`Hello`]
//! at once and read the other's; they go on only if protocol and package version are equal. The
//! host sends one [`Request::Run`]; the worker sends any number of [`Reply::Progress`] and then
//! exactly one of [`Reply::Done`], [`Reply::JobFault`] and [`Reply::LocalFault`], and exits.
//! Whoever finds the other breaking these rules closes the connection.
//!
//! A frame is its length as 4 bytes little-endian, 1 to [`MAX_FRAME`], and so many bytes: one
//! SCALE-encoded value with nothing after it. The peer is not trusted: a length is checked before
//! anything is allocated.
//!
//! [`blocking`] is for `std::io` streams, [`nonblocking`] for tokio's. Neither has time limits of
//! its own: set them on the socket or around the call.
#![warn(missing_docs)]

pub mod blocking;
mod frame;
mod messages;
pub mod nonblocking;

pub use frame::{check_hello, decode, encode, FrameError};
pub use messages::{
	Done, Hello, InputFile, JobFault, KeptFile, LocalFault, LocalFaultKind, OutputFile, Progress,
	Record, Recorded, Reply, Request, Run, Stage,
};

/// Names a tensor of a program.
pub use assay_program::Source;

/// A BLAKE3 hash.
pub type Hash = [u8; 32];

/// Version of frames and messages. The frame of [`Hello`] itself never changes.
pub const PROTOCOL_VERSION: u32 = 6;
/// Version of this package, which host and worker must share: they are built and shipped together.
pub const PACKAGE_VERSION: &str = env!("CARGO_PKG_VERSION");
/// First bytes of every [`Hello`].
pub const MAGIC: [u8; 8] = *b"ASSAYWRK";
/// Longest frame in bytes, without its length.
pub const MAX_FRAME: u32 = 4 << 20;
/// Longest [`Hello`] in bytes.
pub const MAX_HELLO: u32 = 128;
/// Most steps of a run. The trace roots of so many fit a frame.
pub use assay_program::MAX_STEPS;
