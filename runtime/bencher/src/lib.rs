//! What a measured weight depends on, so that a test tells when a weight is older than its code.
//!
//! `scripts/benchmark-weights` measures the benchmarks of the market's pallets on the runtime's
//! blob and writes beside each weight a hash of its [`work`]: the text of the benchmark, the
//! signature of the call and the layout of the storage that it touches. The tests of the runtime
//! compare these hashes with the code as it is. A file that moves, a comment or a new name of a
//! type changes no hash; other work does.
//!
//! * [`source`]: the text of a benchmark.
//! * [`layout`]: calls and storage, from the runtime's metadata.
//! * [`work`]: the hash over both.
//! * [`weights`]: the generated files, as far as the hashes are in them.

pub mod layout;
pub mod source;
pub mod weights;
pub mod work;
