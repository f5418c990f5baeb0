//! What the tests of the primitives, and of whatever runs or judges programs, share. Everything
//! that is random here follows from one seed, which a failing test prints.
//!
//! * [`operators`]: an operator with operands that fit it;
//! * [`programs`]: a program that passes the check, and one step of it;
//! * [`hard`]: programs that are made to be hard on the check and on the referee;
//! * [`runs`]: runs of small programs, with a lie or without, that can be disputed to the end;
//! * [`stage`]: a claimed run of such a program, with the proof against it;
//! * [`meter`]: an allocator that counts what a test has on the heap.

mod draw;
pub mod hard;
pub mod meter;
pub mod operators;
pub mod programs;
pub mod runs;
pub mod stage;

pub use assay_random::{random_operator, Rng, OPERATOR_KINDS};
pub use draw::Draw;
