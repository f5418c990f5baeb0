//! Random programs with inputs, and what the definition makes of them, for the tests of every
//! engine and of whatever runs one.
#![warn(missing_docs)]

mod case;
mod cases;
mod chains;
mod definition;
mod growing;

pub use assay_testing::{random_operator, Draw, Rng, OPERATOR_KINDS};
pub use case::Case;
pub use cases::{given_case, operator_case, random_case};
pub use chains::chain_case;
pub use definition::{definition, definition_kept, definition_lazy};
