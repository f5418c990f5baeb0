use crate::{
	attributes::{Narrow, NormKind, PoolKind, Relation},
	definition::Definition,
	family::Family,
	operands::Operands,
	work::{Weights, NODE},
	DType, Elementwise, Generate, Geometry, Moves, OpError, Product, Reduce, Row, Shape, Table,
	Windowed,
};
use codec::{Decode, Encode};
use scale_info::{TypeDef, TypeInfo};

/// An operator. Total: one value for every bit pattern of every operand.
///
/// "Elementwise" operators take operands of equal shape (after views) and any element types unless
/// they say otherwise, compute in i64 and saturate to the element type of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo)]
pub enum Op {
	/// `a[.., K] · b[N, K]ᵀ → [.., N]`. Both i8, `narrow` left out: exact i32. Both i16: exact i64
	/// sums through `narrow`, whose shift an optional third operand adds to.
	#[codec(index = 0)]
	MatMul {
		/// Epilogue; for i16 and only there.
		narrow: Option<Narrow>,
	},
	/// `sat(round_shift((acc + bias) · multiplier, shift))` with acc i32 `[.., N]`, multiplier i16,
	/// shift i8 and optional bias i32, each `[N]` or `[1]`, in this order.
	#[codec(index = 1)]
	Requant {
		/// I8 or I16.
		to: DType,
	},
	/// `sat(a + b)`, elementwise.
	#[codec(index = 2)]
	Add {
		/// Element type of the result.
		to: DType,
	},
	/// `sat(a − b)`, elementwise.
	#[codec(index = 3)]
	Sub {
		/// Element type of the result.
		to: DType,
	},
	/// `sat(a · b)`, elementwise.
	#[codec(index = 4)]
	Mul {
		/// Element type of the result.
		to: DType,
	},
	/// The larger one; elementwise, operands of one type.
	#[codec(index = 5)]
	Max,
	/// The smaller one; elementwise, operands of one type.
	#[codec(index = 6)]
	Min,
	/// `min(max(a, lo), hi)`; `lo ≤ hi`, both values of the operand's type, which is kept.
	#[codec(index = 7)]
	Clamp {
		/// Lower bound.
		lo: i32,
		/// Upper bound.
		hi: i32,
	},
	/// `sat(round_shift(a, by))`: right with rounding half up for `by > 0`, left for `by < 0`.
	#[codec(index = 8)]
	Shift {
		/// Distance; clamped to −31 ..= 62.
		by: i8,
		/// Element type of the result.
		to: DType,
	},
	/// `sat(a)`.
	#[codec(index = 9)]
	Cast {
		/// Element type of the result.
		to: DType,
	},
	/// `a`; materialises a view, or makes a node of an input.
	#[codec(index = 10)]
	Copy,
	/// `table[a + 128]` with `a` i8 and a table of shape `[256]`, whose type the result has.
	#[codec(index = 11)]
	Lut,
	/// `sat(Σ a)` along `axis`, which is removed; the sum is exact in i64.
	#[codec(index = 12)]
	ReduceSum {
		/// Dimension to sum over.
		axis: u8,
		/// Element type of the result.
		to: DType,
	},
	/// The largest along `axis`, which is removed; the type is kept.
	#[codec(index = 13)]
	ReduceMax {
		/// Dimension to search.
		axis: u8,
	},
	/// Position of the largest along `axis`, which is removed; the lowest of equal ones; i32.
	#[codec(index = 14)]
	ArgMax {
		/// Dimension to search.
		axis: u8,
	},
	/// `a[B.., M, K] · b[B.., N, K]ᵀ → [B.., M, N]` for every index of the dimensions B, of which
	/// there is at least one. Types, bounds and third operand are those of [`Op::MatMul`].
	#[codec(index = 15)]
	BatchMatMul {
		/// Epilogue; for i16 and only there.
		narrow: Option<Narrow>,
	},
	/// Convolution of x `[B, H, W, C]` with weights `[O, kh, kw, C / groups]` → `[B, H', W', O]`;
	/// see [`Geometry`] for H', W' and for its gradients, which are this operator too. Types,
	/// bounds (with K = kh·kw·C / groups) and third operand are those of [`Op::MatMul`].
	#[codec(index = 16)]
	Conv2d {
		/// Strides, padding, dilations, groups.
		geometry: Geometry,
		/// Epilogue; for i16 and only there.
		narrow: Option<Narrow>,
	},
	/// The largest or the sum of each window of x `[B, H, W, C]`, saturated. Padding holds no
	/// element, and every window holds at least one: a padding is smaller than the kernel.
	#[codec(index = 17)]
	Pool {
		/// What becomes of a window.
		kind: PoolKind,
		/// Height and width of a window.
		kernel: [u8; 2],
		/// Distance of windows in both directions.
		stride: [u8; 2],
		/// Positions before and after the elements, for both directions.
		pad: [[u8; 2]; 2],
		/// Element type of the result.
		to: DType,
	},
	/// `sat(round_shift(a · b, shift))`, elementwise.
	#[codec(index = 18)]
	MulShift {
		/// As `by` of [`Op::Shift`].
		shift: i8,
		/// Element type of the result.
		to: DType,
	},
	/// 1 where `a relation b`, else 0; elementwise, i8.
	#[codec(index = 19)]
	Compare {
		/// The relation.
		relation: Relation,
	},
	/// `a` where the condition is not 0, else `b`; operands are condition, a, b of equal shape, a
	/// and b of one type.
	#[codec(index = 20)]
	Select,
	/// Bits of |a|: 0 for 0, 32 for i32's least; i8.
	#[codec(index = 21)]
	BitLen,
	/// A table of 2^p + 1 points, i16 or i32 with 1 ≤ p ≤ 14, linear between them, at an i16
	/// operand: with u = a + 2^15, f = 16 − p, i = u >> f and r = u & (2^f − 1) it is
	/// `t[i] + round_shift((t[i + 1] − t[i]) · r, f)`, of the table's type.
	#[codec(index = 22)]
	LutInterp,
	/// `sat(⌊a · 2^shift / b + 1/2⌋)` of the exact quotient, 0 where b = 0; elementwise.
	#[codec(index = 23)]
	IntDiv {
		/// Bits of fraction; at most [`MAX_FRACTION_BITS`].
		shift: u8,
		/// Element type of the result.
		to: DType,
	},
	/// The integer nearest to `2^shift / √a`, 0 where a ≤ 0; i32.
	#[codec(index = 24)]
	Rsqrt {
		/// Bits of fraction; at most [`MAX_FRACTION_BITS`].
		shift: u8,
	},
	/// Rows of a table `[V, D..]` at indices `[I..]` of any type → `[I.., D..]`. An index outside
	/// 0 .. V reads 0. What is read depends on the bytes of the indices.
	#[codec(index = 25)]
	Gather,
	/// `sat(Σ updates[n])` over the n with `indices[n]` = row, for every row of `rows`: updates
	/// `[N, D..]`, indices `[N]` of any type → `[rows, D..]`.
	#[codec(index = 26)]
	ScatterAdd {
		/// Rows of the result.
		rows: u32,
		/// Element type of the result.
		to: DType,
	},
	/// 1 ..= 16 operands of one type one after the other along `axis`; their other dimensions are
	/// equal.
	#[codec(index = 27)]
	Concat {
		/// Dimension that grows.
		axis: u8,
	},
	/// `low` elements `value` before and `high` after those of the operand along `axis`.
	#[codec(index = 28)]
	Pad {
		/// Dimension that grows.
		axis: u8,
		/// How many before.
		low: u32,
		/// How many after.
		high: u32,
		/// What they hold; a value of the operand's type.
		value: i32,
	},
	/// The position along `axis`, i32; no operands.
	#[codec(index = 29)]
	Iota {
		/// Shape of the result.
		shape: Shape,
		/// Dimension that is counted.
		axis: u8,
	},
	/// Random bits of Philox4x32-10: seed i32 `[2]`, step i32 `[1]` → i32. Element i is word i mod
	/// 4 of the block with key `seed` and counter `(i / 4, 0, stream, step)`.
	///
	/// Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
	#[codec(index = 30)]
	Philox {
		/// Shape of the result.
		shape: Shape,
		/// Tells the generators of a program apart.
		stream: u32,
	},
	/// `sat(round_shift(a, shift))`, with shifts i8 of a's shape or `[1]`.
	#[codec(index = 31)]
	ShiftBy {
		/// Element type of the result.
		to: DType,
	},
	/// Right shift with random rounding: `sat((a + (bits & (2^s − 1))) >> s)` with s = shift
	/// clamped to 0 ..= 31; a negative shift as in [`Op::ShiftBy`]. Operands are a, shifts i8 of
	/// a's shape or `[1]`, and bits i32 of a's shape.
	#[codec(index = 32)]
	ShiftRandom {
		/// Element type of the result.
		to: DType,
	},
	/// The `k` largest of each row of the last dimension, largest first, the lowest position first
	/// among equals: their values, or their positions as i32.
	#[codec(index = 33)]
	TopK {
		/// How many; at most the last dimension.
		k: u32,
		/// Values rather than positions.
		values: bool,
	},
	/// Softmax of each row of the last dimension: with m its largest element, t =
	/// `round_shift((m − x) · multiplier, shift)`, at least 0, is the distance in 2^-10 of log2;
	/// e = `EXP2[t mod 2^10] >> (t / 2^10)` with [`crate::EXP2`], 0 from t = 31·2^10 on; S = Σ e;
	/// the result is `sat(⌊e · 2^q / S + 1/2⌋)`, q = 15 for i16 and 7 for i8.
	#[codec(index = 34)]
	Softmax {
		/// Factor that turns a difference of the operand into 2^(shift − 10) of log2.
		multiplier: i16,
		/// See [`crate::round_shift`].
		shift: i8,
		/// I8 or I16.
		to: DType,
	},
	/// LayerNorm or RMSNorm of each row of x i16 `[.., N]`, N ≤ [`NORM_MAX_LEN`], with gamma i16
	/// and beta i32, each `[N]` or `[1]`.
	///
	/// With D = N·x − Σx and V = N·Σx² − (Σx)² + epsilon·N² (RMS: D = N·x, V = N·Σx² + epsilon·N²),
	/// h the least number for which V·4^h ≥ 2^62, and R the integer nearest to 2^62 / √(V·4^h): z =
	/// `round_shift(D · R, 46 − h)` is D / √V with 16 bits of fraction, 0 where V = 0. The result
	/// is `sat(round_shift(z · gamma + (beta << 16), 16 + shift))`: gamma, beta and the result
	/// share one scale at shift 0. The shift is clamped to −31 ..= 62.
	#[codec(index = 35)]
	Norm {
		/// Whether the mean is taken off.
		kind: NormKind,
		/// Added to the variance, in squares of x's unit.
		epsilon: u32,
		/// Element type of the result.
		to: DType,
		/// Shift of the result.
		shift: i8,
	},
	/// `sat` of the integer nearest to `2^shift · N / √V` of each row, V as in [`Op::Norm`], 0
	/// where V = 0: 1 / σ in fixed point. x i16 `[.., N]` → i32 `[..]`.
	#[codec(index = 36)]
	RowScale {
		/// Whether the mean is taken off.
		kind: NormKind,
		/// As in [`Op::Norm`].
		epsilon: u32,
		/// Bits of fraction; at most [`MAX_FRACTION_BITS`].
		shift: u8,
	},
	/// `sat(round_shift(Σ a · b, shift))` along `axis`, which is removed. At most one of the two
	/// operands is i32, and then the axis is short enough for an exact i64.
	#[codec(index = 37)]
	ReduceSumProduct {
		/// Dimension to sum over.
		axis: u8,
		/// See [`crate::round_shift`].
		shift: i8,
		/// Element type of the result.
		to: DType,
	},
	/// `sat` of the sum of the elements of each row of the last dimension up to each of them. The
	/// sums are exact in i64; what is cut of one is not missing in the next.
	#[codec(index = 38)]
	CumSum {
		/// Leave an element out of its own sum.
		exclusive: bool,
		/// Sum from the end of the row.
		reverse: bool,
		/// Element type of the result.
		to: DType,
	},
}

impl Op {
	/// How many operators there are.
	pub fn count() -> usize {
		match Self::type_info().type_def {
			TypeDef::Variant(operators) => operators.variants.len(),
			_ => 0,
		}
	}

	/// The operator by its family: the only place where all of them stand.
	pub fn family(&self) -> Family {
		match *self {
			Op::MatMul { narrow } => Family::Product(Product::MatMul { narrow }),
			Op::BatchMatMul { narrow } => Family::Product(Product::BatchMatMul { narrow }),
			Op::Conv2d { geometry, narrow } => {
				Family::Product(Product::Conv2d { geometry, narrow })
			}
			Op::Requant { to } => Family::Elementwise(Elementwise::Requant { to }),
			Op::Add { to } => Family::Elementwise(Elementwise::Add { to }),
			Op::Sub { to } => Family::Elementwise(Elementwise::Sub { to }),
			Op::Mul { to } => Family::Elementwise(Elementwise::Mul { to }),
			Op::Max => Family::Elementwise(Elementwise::Max),
			Op::Min => Family::Elementwise(Elementwise::Min),
			Op::Clamp { lo, hi } => Family::Elementwise(Elementwise::Clamp { lo, hi }),
			Op::Shift { by, to } => Family::Elementwise(Elementwise::Shift { by, to }),
			Op::Cast { to } => Family::Elementwise(Elementwise::Cast { to }),
			Op::Copy => Family::Elementwise(Elementwise::Copy),
			Op::MulShift { shift, to } => Family::Elementwise(Elementwise::MulShift { shift, to }),
			Op::Compare { relation } => Family::Elementwise(Elementwise::Compare { relation }),
			Op::Select => Family::Elementwise(Elementwise::Select),
			Op::BitLen => Family::Elementwise(Elementwise::BitLen),
			Op::IntDiv { shift, to } => Family::Elementwise(Elementwise::IntDiv { shift, to }),
			Op::Rsqrt { shift } => Family::Elementwise(Elementwise::Rsqrt { shift }),
			Op::ShiftBy { to } => Family::Elementwise(Elementwise::ShiftBy { to }),
			Op::ShiftRandom { to } => Family::Elementwise(Elementwise::ShiftRandom { to }),
			Op::Pool { kind, kernel, stride, pad, to } => {
				Family::Window(Windowed::Pool { kind, kernel, stride, pad, to })
			}
			Op::ReduceSum { axis, to } => Family::Reduce(Reduce::ReduceSum { axis, to }),
			Op::ReduceMax { axis } => Family::Reduce(Reduce::ReduceMax { axis }),
			Op::ArgMax { axis } => Family::Reduce(Reduce::ArgMax { axis }),
			Op::ReduceSumProduct { axis, shift, to } => {
				Family::Reduce(Reduce::ReduceSumProduct { axis, shift, to })
			}
			Op::TopK { k, values } => Family::Row(Row::TopK { k, values }),
			Op::Softmax { multiplier, shift, to } => {
				Family::Row(Row::Softmax { multiplier, shift, to })
			}
			Op::Norm { kind, epsilon, to, shift } => {
				Family::Row(Row::Norm { kind, epsilon, to, shift })
			}
			Op::RowScale { kind, epsilon, shift } => {
				Family::Row(Row::RowScale { kind, epsilon, shift })
			}
			Op::CumSum { exclusive, reverse, to } => {
				Family::Row(Row::CumSum { exclusive, reverse, to })
			}
			Op::Gather => Family::Moves(Moves::Gather),
			Op::ScatterAdd { rows, to } => Family::Moves(Moves::ScatterAdd { rows, to }),
			Op::Concat { axis } => Family::Moves(Moves::Concat { axis }),
			Op::Pad { axis, low, high, value } => {
				Family::Moves(Moves::Pad { axis, low, high, value })
			}
			Op::Lut => Family::Table(Table::Lut),
			Op::LutInterp => Family::Table(Table::LutInterp),
			Op::Iota { shape, axis } => Family::Generate(Generate::Iota { shape, axis }),
			Op::Philox { shape, stream } => Family::Generate(Generate::Philox { shape, stream }),
		}
	}

	/// Type and shape of the result. `operands` are the types and shapes after views.
	///
	/// Also proves that accumulators fit: whatever passes here cannot overflow on any operand
	/// bytes. Errors: every [`OpError`] that names an operand, the axis, a parameter or a bound.
	pub fn infer(&self, operands: &[(DType, &Shape)]) -> Result<(DType, Shape), OpError> {
		self.family().infer(&Operands(operands))
	}

	/// Work of one evaluation, whose weights are those of its family. Operands as in [`Op::infer`];
	/// 0 if that fails.
	pub fn work_units(&self, operands: &[(DType, &Shape)]) -> u64 {
		let Ok((_, output)) = self.infer(operands) else { return 0 };
		let (family, all) = (self.family(), Operands(operands));
		let Weights { read, written, more } = family.weights(&all, &output);
		let reads = (0..operands.len())
			.map(|operand| family.reads(operand, all.len(operand), &output))
			.fold(0, u64::saturating_add);
		NODE.saturating_add(more)
			.saturating_add(reads.saturating_mul(read))
			.saturating_add(u64::from(output.elements()).saturating_mul(written))
	}

	/// Does an output element fold a whole dimension of an operand, so that a long one can be cut
	/// into slices? (Operators on rows, such as [`Op::Softmax`], read theirs in one.)
	pub fn reduces(&self) -> bool {
		self.family().start().is_some()
	}
}
