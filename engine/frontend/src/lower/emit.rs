//! The few steps that every operator is lowered with: nodes, elementwise nodes, changes of scale
//! and width.

use super::{
	value::{dense, Value},
	Lowering,
};
use crate::error::{Error, Result};
use assay_ops::{DType, Op};
use assay_program::Operand;

/// `ratio` as multiplier / 2^shift with the multiplier in 2^14 .. 2^15 (negative ratios likewise).
pub(crate) fn factor(ratio: f64) -> (i16, i8) {
	if ratio == 0.0 || !ratio.is_finite() {
		return if ratio == 0.0 { (0, 0) } else { (i16::MAX, -31) };
	}
	let mut shift = (14.0 - ratio.abs().log2()).ceil() as i64;
	let mut multiplier = (ratio.abs() * 2f64.powi(shift as i32)).round();
	if multiplier >= 32768.0 {
		shift -= 1;
		multiplier = (ratio.abs() * 2f64.powi(shift as i32)).round();
	}
	// Larger than any stored number can need, or smaller than any can show.
	if shift < -31 {
		(multiplier, shift) = (32767.0, -31);
	} else if shift > 62 {
		multiplier = (multiplier * 2f64.powi((62 - shift) as i32)).round();
		shift = 62;
	}
	((multiplier * ratio.signum()) as i16, shift as i8)
}

/// A unit from which on a value hides what it is added to: it is a mask.
pub(super) const HIDING_UNIT: f64 = 1e20;

impl Lowering<'_> {
	/// A node whose result has `dims`.
	pub(super) fn emit(
		&mut self,
		op: Op,
		operands: Vec<Operand>,
		dtype: DType,
		dims: Vec<u32>,
		scale: f64,
	) -> Value {
		let source = self.builder.node(op, operands);
		self.made_by.push(self.current.clone());
		Value::whole(source, dtype, dims, scale)
	}

	/// An elementwise node over operands that are broadcast to `dims`. Its result is stored in the
	/// order in which the first whole operand is, so that images stay [B, H, W, C].
	pub(super) fn elementwise(
		&mut self,
		op: Op,
		operands: &[&Value],
		dims: &[u32],
		dtype: DType,
		scale: f64,
	) -> Result<Value> {
		let spread: Option<Vec<Value>> = operands.iter().map(|v| v.broadcast(dims)).collect();
		let spread = spread.ok_or_else(|| {
			let shapes: Vec<_> = operands.iter().map(|v| &v.dims).collect();
			Error::new("bad-model", format!("shapes {shapes:?} do not fit"))
				.fix("export the model again")
		})?;
		let elements: u64 = dims.iter().map(|&dim| u64::from(dim)).product();
		let leader = operands.iter().position(|v| v.elements() == elements).unwrap_or(0);
		let order = spread.get(leader).map(Value::storage_order).unwrap_or_default();
		let operands = spread
			.iter()
			.map(|value| value.permuted(&order).operand())
			.collect::<Result<Vec<_>>>()?;
		let stored: Vec<u32> = order.iter().map(|&axis| dims[axis]).collect();
		let result = self.emit(op, operands, dtype, stored.clone(), scale);
		let mut strides = vec![0; dims.len()];
		for (&axis, stride) in order.iter().zip(dense(&stored)) {
			strides[axis] = stride;
		}
		Ok(Value { dims: dims.to_vec(), strides, ..result })
	}

	/// As [`Lowering::elementwise`], of one operand.
	pub(super) fn unary(&mut self, op: Op, x: &Value, dtype: DType, scale: f64) -> Result<Value> {
		let dims = x.dims.clone();
		self.elementwise(op, &[x], &dims, dtype, scale)
	}

	/// A node of its own with the elements in the order in which they are seen.
	pub(super) fn copy(&mut self, x: &Value) -> Result<Value> {
		let operand = x.operand()?;
		Ok(self.emit(Op::Copy, vec![operand], x.dtype, x.dims.clone(), x.scale))
	}

	/// The same numbers with another scale or width, saturated.
	pub(super) fn rescaled(&mut self, x: &Value, dtype: DType, scale: f64) -> Result<Value> {
		let ratio = x.scale / scale;
		if (ratio - 1.0).abs() < 1e-9 {
			if dtype == x.dtype {
				return Ok(Value { scale, ..x.clone() });
			}
			return self.unary(Op::Cast { to: dtype }, x, dtype, scale);
		}
		let log = ratio.log2();
		if (log - log.round()).abs() < 1e-12 && log.abs() <= 31.0 {
			return self.unary(Op::Shift { by: -log.round() as i8, to: dtype }, x, dtype, scale);
		}
		let (multiplier, shift) = factor(ratio);
		let multiplier = self.scalar(DType::I16, multiplier.into())?;
		let dims = x.dims.clone();
		self.elementwise(Op::MulShift { shift, to: dtype }, &[x, &multiplier], &dims, dtype, scale)
	}

	/// As [`Lowering::rescaled`], remembered for the value `name`.
	fn converted(&mut self, name: &str, dtype: DType, scale: f64) -> Result<Value> {
		let x = self.operand_value(name)?;
		if x.dtype == dtype && x.scale == scale {
			return Ok(x);
		}
		let key = (name.to_string(), dtype as u8, scale.to_bits());
		if let Some(value) = self.converted.get(&key) {
			return Ok(value.clone());
		}
		let value = self.rescaled(&x, dtype, scale)?;
		self.converted.insert(key, value.clone());
		Ok(value)
	}

	/// A value in 8 bits, as products read it.
	pub(super) fn narrow(&mut self, name: &str) -> Result<Value> {
		match self.operand_value(name)? {
			value if value.dtype == DType::I8 => Ok(value),
			_ => self.converted(name, DType::I8, self.scales.narrow(name)),
		}
	}

	/// A value in 16 bits.
	pub(super) fn wide(&mut self, name: &str) -> Result<Value> {
		let value = self.operand_value(name)?;
		match value.dtype {
			DType::I16 => Ok(value),
			DType::I8 => self.converted(name, DType::I16, value.scale),
			DType::I32 => self.converted(name, DType::I16, self.scales.wide(name)),
		}
	}

	/// Width and scale that the result `name` should have.
	pub(super) fn wish(&self, name: &str) -> (DType, f64) {
		if self.scales.only8(name) {
			(DType::I8, self.scales.narrow(name))
		} else {
			(DType::I16, self.scales.wide(name))
		}
	}

	/// An i32 value as the result `name` should be.
	pub(super) fn settled(&mut self, name: &str, x: &Value) -> Result<Value> {
		let (dtype, scale) = self.wish(name);
		self.rescaled(x, dtype, scale)
	}

	/// Values in one width and scale: the width of the widest, the scale that the result wishes
	/// for, or that which they have in common.
	///
	/// Constants that only bound (`bounds`) are cut where they do not fit.
	pub(super) fn aligned(
		&mut self,
		names: &[&str],
		result: &str,
		bounds: bool,
	) -> Result<Vec<Value>> {
		let moving: Vec<&str> =
			names.iter().copied().filter(|name| self.graph.constant(name).is_none()).collect();
		let mut values = Vec::new();
		for name in &moving {
			values.push(self.operand_value(name)?);
		}
		let common = values.first().map(|first| first.scale);
		let same = values.windows(2).all(|w| (w[0].scale / w[1].scale - 1.0).abs() < 1e-9);
		let exact = |scale: f64| {
			names.iter().filter_map(|name| self.graph.constant(name)).all(|array| {
				let largest = super::largest(array);
				array.float_data().iter().all(|&x| {
					let q = f64::from(x) / scale;
					// Within a hundredth of a percent, or beyond everything.
					(q - q.round()).abs() * scale <= 1e-4 * largest.min(1e30) || q.abs() > 1e9
				})
			})
		};
		let wide = values.iter().any(|value| value.dtype == DType::I32);
		// Masks that are computed: one unit of theirs is more than any number.
		let hiding = values.iter().map(|value| value.scale).fold(0.0, f64::max);
		let (dtype, scale) = match common {
			_ if hiding >= HIDING_UNIT => (if wide { DType::I32 } else { DType::I16 }, hiding),
			Some(scale) if same && (exact(scale) || scale < self.scales.wide(result) * 4.0) => {
				(values.iter().map(|value| value.dtype).max().unwrap_or(DType::I16), scale)
			}
			_ => (if wide { DType::I32 } else { DType::I16 }, self.scales.wide(result)),
		};
		let mut aligned = Vec::new();
		for name in names {
			aligned.push(match self.graph.constant(name) {
				Some(array) => {
					let array = array.clone();
					let dtype = if dtype == DType::I32 { dtype } else { DType::I16 };
					match bounds {
						true => self.cut(name, &array, dtype, scale)?,
						false => self.quantized(name, &array, dtype, scale)?,
					}
				}
				None => self.converted(name, dtype, scale)?,
			});
		}
		Ok(aligned)
	}
}

#[cfg(test)]
mod tests {
	use super::factor;

	#[test]
	fn factors_should_be_within_half_a_unit_when_ratios_are_ordinary() {
		for ratio in [1.0, 0.3, 123.456, 1e-6, 0.999_99, 2f64.powi(-14), -0.02, 32767.7] {
			let (multiplier, shift) = factor(ratio);
			assert!((1 << 14..1 << 15).contains(&i32::from(multiplier).abs()), "{ratio}");
			let found = f64::from(multiplier) / 2f64.powi(shift.into());
			assert!((found / ratio - 1.0).abs() < 1.0 / 32768.0, "{ratio} became {found}");
		}
		assert_eq!(factor(0.0), (0, 0));
		assert_eq!(factor(1e40), (32767, -31));
		assert_eq!(factor(1e-40), (0, 62));
	}
}
