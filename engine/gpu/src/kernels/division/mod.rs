//! IntDiv and Rsqrt; see [`super::elementwise::record`] for their host side.

pub(crate) const ROOT: &str = include_str!("root.wgsl");
pub(crate) const SOURCE: &str = include_str!("kernel.wgsl");
