//! What tests of several rooms share.

pub(crate) mod court;
pub(crate) mod storage;
pub(crate) mod world;
