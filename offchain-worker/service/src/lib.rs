//! The part of a validator that verifies: an asynchronous service beside the node.
//!
//! ```text
//! chain ──seeds, seats──► service ──program, inputs──► assay-worker (own process, one job)
//!   ▲                      │  ▲                              │
//!   └─ offchain hook ◄─ mailbox └────────── run root ◄────────┘
//! ```
//!
//! The service follows imported and finalized blocks and asks the runtime which lotteries are open
//! to the verifier keys of this node and which seats they have. For a job that is only posted it
//! checks that the blob store holds every input. For a job whose lottery a key has won (and whose
//! block is final, and whose tranche is open) it has the program replayed by a separate worker
//! process. What comes out is left in a *mailbox*, an entry in the offchain storage that the jobs
//! pallet's offchain hook reads, signs and submits. The service itself sends no transaction.
//!
//! # Rooms
//! From the bottom; none knows one that is named after it.
//!
//! | folder or file | what it holds |
//! |---|---|
//! | `types`, `fault`, `retry`, `thread`, `metrics`, `knowledge`, `config` | what every room uses |
//! | `chain`, `task`, `runner` | what the service asks of the chain and of whoever runs programs |
//! | `turns/` | who has a worker next, and how fast this machine is |
//! | `inputs/` | programs, inputs and checkpoints: whether they are held, and how they come and stay |
//! | `worker/` | real worker processes, by way of `assay-worker-host` |
//! | `replay/` | what every replay takes and leaves, and replays for chunks and disputes |
//! | `verify/` | keys, draws, duties and findings, and where these wait for the chain |
//! | `dispute/` | the search for the next move, and where moves wait for the chain |
//! | `survey`, `service`, `run` | what the chain asks for, the loop, and the service of a real node |
//!
//! # Orders
//! Everything that is kept, left or said about a job is filed under the hash of its *order*
//! ([`assay_market::Order`]), never under its number: on another fork the number may be another
//! job's. A task whose order the best block does not ask for is stopped. Only what follows from
//! content alone is shared between jobs: programs, blobs, rates, and [`Knowledge`], which is filed
//! under what was run.
//!
//! # Outputs
//! A result is paid when it is delivered. Keys that were drawn to keep the outputs of a job fetch
//! them by their roots once the result is open, keep and serve them, and say so; "no" is said only
//! when the time is nearly over. The outputs of the node's own replay go into its store with the
//! verdict, whatever the provider does, and stay quiet there until the job's own record names them.
//!
//! # What is done first, and what is refused
//! See `turns/queue.rs`: the earliest deadline first, among those that bring most for their time,
//! so that cheap heavy jobs cannot keep this node from well-paid ones. What certainly comes too
//! late, by what this machine was measured to do, or needs more memory than it has, is abstained
//! from before anything is fetched or started. In an audit that nobody can see such an abstention
//! is what calls further verifiers.
//!
//! # Secrets
//! Who verifies a job is known to nobody but the verifier until its commitment is on chain. A node
//! that has not won does nothing and says nothing; one that has keeps it out of its log.
//!
//! # Chunks
//! A verdict is opened with chunks of its own trace, at positions that the chain draws after the
//! commitments. Where the verdict's own replay has not kept their tensors, the job is replayed up
//! to their steps once more. A machine that then computes something else is told so, and gives
//! none.
//!
//! # What a worker may do wrong
//! A crash, a hang, garbage on the socket, another version, a missing binary or a missing blob is
//! a *local fault*: it is retried once and then becomes an abstention, early enough for the chain
//! to draw a further tranche. A fault of the job itself is one that every node decides alike from
//! the program check and the input bytes. See [`Fault`].
//!
//! # Segments
//! Where the run of a job is cut, a verifier replays the segment that its ticket has drawn, from
//! the provider's checkpoint; without one it replays what comes before too. A dispute is about the
//! whole run. Only whoever replays the last segment has the outputs.
//!
//! # Disputes
//! When a verdict of one of this node's keys differs from the opened result, the service leads the
//! dispute on its own: the chain's record of the lane and replays by the worker say what the next
//! move is, and the arbitration pallet's offchain hook signs and submits it. One key leads for all
//! that were drawn, and disputes get the next free worker. Nothing of it is remembered that a
//! restart would lose.
//!
//! # Inputs
//! Inputs that the store lacks are wanted from peers ([`Fetch`]) as soon as a key of this node is
//! drawn, held until the job ends, and so served to others. Those of replays are fetched for a few
//! jobs at a time, in turns.
//!
//! # Bounds
//! What others can fill has a bound, and what brings least goes first: kept runs (32, 64 MiB of
//! tensors), examined programs (64), lines that wait (256 jobs), rates (64 programs, 16 fetches),
//! openings and disputes that are looked into at the same time (8 each), what disputes remember
//! between moves (4 of 256 MiB). Tasks and mailbox entries are as many as seats and lotteries that
//! the chain shows this node's keys; blobs are what the store's shares allow. Tensors come into
//! this process's memory only as far as the machine has it; outputs go from disk to disk.
//!
//! # Restarts
//! Verdicts are kept in memory and in the offchain storage, and the salt of a verdict follows from
//! the keystore alone ([`derive_salt`]), so a node stopped in any phase takes up where it was and
//! recreates a lost entry equal.

mod chain;
mod config;
mod dispute;
mod fault;
mod inputs;
mod knowledge;
mod metrics;
mod replay;
mod retry;
mod run;
mod runner;
mod service;
mod survey;
mod task;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod thread;
mod turns;
mod types;
mod verify;
mod worker;

pub use assay_worker_host::find_worker;
pub use chain::{Chain, ChainError, ClientChain, Disputed, Head, JobAssignment, OpenLottery};
pub use config::{Config, Limits};
pub use fault::Fault;
pub use inputs::fetch::Fetch;
pub use knowledge::Knowledge;
pub use metrics::Metrics;
pub use run::{run, Params};
pub use runner::{Ran, Replay, Runner};
pub use service::Service;
pub use types::{AccountId, Balance, BlockNumber, Hash, LOG_TARGET};
pub use verify::{mailbox::Mailbox, salt::derive_salt};
pub use worker::process::ProcessRunner;
