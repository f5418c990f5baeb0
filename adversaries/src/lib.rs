//! Attacks on the market, and fairness at scale, against the real runtime.
//!
//! * [`chain`]: a chain without a node: real extrinsics, real VRF outputs, the real executive.
//! * [`work`]: programs with inputs, and runs that are written down, so that anything in them can
//!   be wrong.
//! * [`actors`]: provider, verifier, requester and outsider, each honest or with a named misdeed.
//! * [`lottery`]: tickets, and who wins.
//! * [`stage`]: one job with all of its parties, block by block; [`money`] accounts for every unit.
//! * [`attack`]: what an attack is, and the table of them; [`attacks`]: all of them.
//! * [`fairness`]: random honest runs that must stand, random mutations that must fall.
//!
//! Nothing here is linked into a node or a client.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod actors;
pub mod attack;
pub mod attacks;
pub mod calls;
pub mod chain;
pub mod fairness;
pub mod lottery;
pub mod models;
pub mod money;
pub mod offline;
pub mod people;
pub mod stage;
pub mod work;
