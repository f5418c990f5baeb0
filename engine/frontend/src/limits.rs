//! How much an import may take. Everything that a model or an archive asks for is claimed here
//! before it is allocated.

use crate::error::{Error, Result};

/// Most dimensions of a tensor; NumPy has 64, programs have six.
pub const MAX_RANK: usize = 32;

/// Bounds in bytes and in work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
	/// Most bytes of one value, as it is held here: four for a float, eight for an integer.
	pub value: u64,
	/// Most bytes of all values that are held at once.
	pub live: u64,
	/// Most units of [`Budget::work`] of one evaluation: a unit is about a nanosecond of one core.
	pub work: u64,
	/// Most units of all evaluations of one import.
	pub total_work: u64,
}

impl Limits {
	/// For so many bytes of memory: values take half of it, the rest is for what operators need
	/// meanwhile.
	pub fn of_memory(bytes: u64) -> Self {
		Self {
			value: bytes / 4,
			live: bytes / 2,
			work: 30_000_000_000,
			total_work: 2_000_000_000_000,
		}
	}

	/// The bytes of a value. Error: `too-large`, which names `what`.
	pub fn bytes(&self, what: &str, dims: &[usize], integer: bool) -> Result<u64> {
		if dims.len() > MAX_RANK {
			return Err(Error::new(
				"too-large",
				format!("{what}: a tensor of {} dimensions, at most {MAX_RANK}", dims.len()),
			)
			.fix("check the model; no operator of ONNX needs so many"));
		}
		let size = if integer { 8 } else { 4 };
		let bytes = elements(dims).map(|elements| elements as u64 * size);
		bytes.filter(|bytes| *bytes <= self.value).ok_or_else(|| {
			Error::new(
				"too-large",
				format!(
					"{what}: a tensor of shape {dims:?} is larger than the {} that one may take",
					gib(self.value)
				),
			)
			.fix("check shapes and paddings; take a smaller --batch, or raise --max-memory")
		})
	}
}

impl Default for Limits {
	fn default() -> Self {
		Self::of_memory(4 << 30)
	}
}

fn gib(bytes: u64) -> String {
	format!("{:.1} GiB", bytes as f64 / (1u64 << 30) as f64)
}

/// Number of elements; a dimension of 0 counts as 1, so that strides are bounded as well. `None`
/// above 2^40 or [`MAX_RANK`].
pub fn elements(dims: &[usize]) -> Option<usize> {
	if dims.len() > MAX_RANK {
		return None;
	}
	dims.iter()
		.try_fold(1usize, |all, &dim| all.checked_mul(dim.max(1)))
		.filter(|&all| all <= 1 << 40)
}

/// What one evaluation has taken so far.
#[derive(Clone, Debug)]
pub struct Budget {
	limits: Limits,
	live: u64,
	work: u64,
}

impl Budget {
	/// Nothing is taken yet.
	pub fn new(limits: Limits) -> Self {
		Self { limits, live: 0, work: 0 }
	}

	/// Takes the memory of a value that `what` is about to make. Error: `too-large`.
	pub fn claim(&mut self, what: &str, dims: &[usize], integer: bool) -> Result<()> {
		self.live += self.limits.bytes(what, dims, integer)?;
		if self.live > self.limits.live {
			return Err(Error::new(
				"too-large",
				format!("{what}: the values so far need more than {}", gib(self.limits.live)),
			)
			.fix("take a smaller --batch or shorter inputs, or raise --max-memory"));
		}
		Ok(())
	}

	/// Takes the memory of what an operator needs beside its operands and results. Error:
	/// `too-large`.
	pub fn scratch(&self, what: &str, dims: &[usize]) -> Result<()> {
		self.limits.bytes(what, dims, false).map(drop)
	}

	/// Gives the memory of a value back.
	pub fn release(&mut self, bytes: u64) {
		self.live = self.live.saturating_sub(bytes);
	}

	/// Takes time. Error: `too-much-work`.
	pub fn work(&mut self, what: &str, units: u128) -> Result<()> {
		let all = u128::from(self.work) + units;
		self.work = u64::try_from(all).unwrap_or(u64::MAX);
		if self.work > self.limits.work {
			return Err(Error::new(
				"too-much-work",
				format!("{what}: one batch of samples takes more work than an import may"),
			)
			.fix("take a smaller --batch or shorter inputs; check kernels, paddings and shapes"));
		}
		Ok(())
	}

	/// Units that are taken.
	pub fn worked(&self) -> u64 {
		self.work
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn elements_should_be_bounded_when_a_dimension_is_zero_or_products_overflow() {
		assert_eq!(elements(&[2, 3]), Some(6));
		assert_eq!(elements(&[]), Some(1));
		for dims in [&[0, 1 << 62, 8][..], &[usize::MAX, usize::MAX], &[1 << 21, 1 << 21], &[1; 33]]
		{
			assert_eq!(elements(dims), None, "{dims:?}");
		}
	}

	#[test]
	fn claims_should_be_refused_when_one_value_or_all_are_too_large() {
		let limits = Limits { value: 64, live: 100, work: 10, total_work: 10 };
		let mut budget = Budget::new(limits);
		budget.claim("a", &[16], false).unwrap();
		assert!(budget.claim("b", &[17], false).unwrap_err().message.starts_with("b:"));
		assert_eq!(budget.claim("c", &[10], false).unwrap_err().code, "too-large");
		budget.release(64);
		budget.work("d", 10).unwrap();
		assert_eq!(budget.work("e", u128::MAX / 2).unwrap_err().code, "too-much-work");
	}
}
