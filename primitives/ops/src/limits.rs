//! Bounds of shapes and operators.

/// Most dimensions of a tensor.
pub const MAX_RANK: usize = 6;

/// Most elements of a tensor, so that an element index fits `u32` and an offset `i32`.
pub const MAX_ELEMENTS: u32 = 1 << 31;

/// Longest reduced dimension of an i8 MatMul: K · 2^14 ≤ 2^31 − 1.
pub const MATMUL_I8_MAX_K: u32 = 131_071;

/// Longest reduced dimension of an i16 MatMul: K · 2^30 · 2^15 ≤ 2^61, so the epilogue fits i64.
pub const MATMUL_I16_MAX_K: u32 = 65_536;

/// Entries of a [`crate::Op::Lut`] table.
pub const LUT_ENTRIES: u32 = 256;

/// Finest fixed point that IntDiv, Rsqrt and RowScale give.
pub const MAX_FRACTION_BITS: u8 = 30;

/// Longest row of [`crate::Op::Norm`] and [`crate::Op::RowScale`]: N · Σx² ≤ 2^60.
pub const NORM_MAX_LEN: u32 = 32_768;

/// Most operands of any operator: those of [`crate::Op::Concat`].
pub const MAX_OPERANDS: usize = 16;
