use assay_ops::DType;

/// Random numbers: SplitMix64 (Steele, Lea, Flood 2014).
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
	/// From a seed.
	pub fn new(seed: u64) -> Self {
		Self(seed)
	}

	/// 64 random bits.
	pub fn bits(&mut self) -> u64 {
		self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
		let mut z = self.0;
		z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
		z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
		z ^ (z >> 31)
	}

	/// A number below `end` ≥ 1.
	pub fn below(&mut self, end: u64) -> u64 {
		((u128::from(self.bits()) * u128::from(end)) >> 64) as u64
	}

	/// A number in `min..=max`.
	pub fn range(&mut self, min: i64, max: i64) -> i64 {
		min + self.below((max - min) as u64 + 1) as i64
	}

	/// One of `all`.
	pub fn pick<T: Copy>(&mut self, all: &[T]) -> T {
		all[self.below(all.len() as u64) as usize]
	}

	/// True once in `n` times.
	pub fn one_in(&mut self, n: u64) -> bool {
		self.below(n) == 0
	}

	/// Values of a type: all bit patterns, only extremes, or small ones.
	pub fn values(&mut self, dtype: DType, len: usize) -> Vec<i32> {
		let (min, max) = (i64::from(dtype.min()), i64::from(dtype.max()));
		let kind = self.below(4);
		(0..len)
			.map(|_| match kind {
				0 => self.pick(&[min, max, min + 1, max - 1, -1, 0, 1]) as i32,
				1 => self.range(-9.max(min), 9) as i32,
				_ => self.range(min, max) as i32,
			})
			.collect()
	}
}
