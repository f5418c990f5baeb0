//! What tests draw beside plain numbers.

use crate::Rng;
use assay_ops::{DType, Shape, TensorType, Values};
use std::time::{SystemTime, UNIX_EPOCH};

/// Draws for tests.
pub trait Draw {
	/// Numbers from the seed `ASSAY_SEED`, or else from the clock; prints the seed.
	fn seeded(name: &str) -> Self;

	/// A number below `end` of at least 1.
	fn below_u32(&mut self, end: u32) -> u32;

	fn dtype(&mut self) -> DType;

	/// Any value of the type, extremes and zero often.
	fn value(&mut self, dtype: DType) -> i32;

	fn shape(&mut self, rank: usize) -> Shape;

	/// Any values of a type.
	fn tensor(&mut self, ty: TensorType) -> Values;

	/// Some split of a shape.
	fn split(&mut self, shape: Shape) -> u8;

	/// A type with some split.
	fn typed(&mut self, dtype: DType, shape: Shape) -> TensorType;
}

impl Draw for Rng {
	fn seeded(name: &str) -> Self {
		let seed = std::env::var("ASSAY_SEED").ok().and_then(|seed| seed.parse().ok());
		let seed = seed.unwrap_or_else(|| {
			let now = SystemTime::now().duration_since(UNIX_EPOCH);
			now.map_or(0, |now| now.as_nanos() as u64)
		});
		println!("{name}: ASSAY_SEED={seed}");
		Self::new(seed)
	}

	fn below_u32(&mut self, end: u32) -> u32 {
		self.below(end.into()) as u32
	}

	fn dtype(&mut self) -> DType {
		self.pick(&[DType::I8, DType::I16, DType::I32])
	}

	fn value(&mut self, dtype: DType) -> i32 {
		match self.below(6) {
			0 => dtype.min(),
			1 => dtype.max(),
			2 => self.pick(&[-1, 0, 1]),
			_ => dtype.read(&self.bits().to_le_bytes(), 0),
		}
	}

	fn shape(&mut self, rank: usize) -> Shape {
		let most = [1, 1100, 70, 16, 8, 6, 5][rank];
		let dims: Vec<u32> = (0..rank).map(|_| 1 + self.below_u32(most)).collect();
		Shape::new(&dims).unwrap()
	}

	fn tensor(&mut self, ty: TensorType) -> Values {
		let data = (0..ty.elements()).map(|_| self.value(ty.dtype)).collect();
		Values::new(ty, data).unwrap()
	}

	fn split(&mut self, shape: Shape) -> u8 {
		match shape.rank() {
			0 | 1 => 0,
			rank => 1 + self.below_u32(rank as u32 - 1) as u8,
		}
	}

	fn typed(&mut self, dtype: DType, shape: Shape) -> TensorType {
		let split = self.split(shape);
		TensorType::of(dtype, shape).with_split(split).unwrap()
	}
}
