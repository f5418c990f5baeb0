//! A GRANDPA voting rule: a validator does not vote to make a result final that it knows is wrong.
//!
//! A block may pay for a result although a challenger was about to prove it wrong: an author that
//! leaves the challenger's transactions out, or a fork that came first, is enough. Such a block can
//! still be abandoned, until it is final. So before each vote the [`Gate`] looks at the blocks that
//! the vote would make final, and holds the vote below the first one that pays for a result against
//! which there is evidence ([`Cause`]).
//!
//! ```text
//! base ── ○ ── ○ ── ● ── ○ ── ○ ── best        ● pays for a result that this node has seen proved wrong
//!                ↑                  │
//!              vote                 └─ at most `caps.hard()` blocks above the vote
//! ```
//!
//! # Bounds
//! Evidence holds votes back, never for good. How far a vote may stay behind the best block is
//! bounded for all results together ([`Caps`]), well below half a session; what lies deeper is
//! voted for, whatever is known about it. The rule asks about at most as many blocks as that in a
//! round, and remembers the answers.
//!
//! # Errors
//! A rule that answers `None`, or anything out of range, lets GRANDPA vote for the full target:
//! it *fails open*. This one does not. What cannot be read is held like what is known to be wrong:
//! a missing header, a failing runtime call, a failing database and a panic all answer the lowest
//! block that the cap allows, which is the base of the round while finality keeps up. See
//! [`Fault`].
//!
//! # What it cannot do
//! It is one vote among many. See `docs/finality.md` for what a part of the validators can hold up,
//! and for how long.

mod caps;
mod choice;
mod evidence;
mod fault;
mod gate;
mod metrics;
mod rules;
#[cfg(test)]
mod tests;
mod view;

pub use caps::{Caps, CapsError, DEFAULT_HARD_CAP, DEFAULT_SOFT_CAP, MAX_CAP};
pub use choice::Choice;
pub use evidence::Cause;
pub use fault::Fault;
pub use gate::Gate;
pub use metrics::Metrics;
pub use rules::Guarded;
pub use view::{ClientView, View};

/// Target of every log line of this crate.
pub const LOG_TARGET: &str = "assay::finality";

/// Block number of the chain.
pub type BlockNumber = u32;
