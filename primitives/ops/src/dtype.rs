use codec::{Decode, Encode};
use scale_info::TypeInfo;

/// Type of a stored element: a two's complement integer, little-endian in canonical bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, TypeInfo)]
pub enum DType {
	/// 8 bits.
	#[codec(index = 0)]
	I8,
	/// 16 bits.
	#[codec(index = 1)]
	I16,
	/// 32 bits.
	#[codec(index = 2)]
	I32,
}

impl DType {
	/// Bytes of one element.
	pub const fn size(self) -> usize {
		match self {
			DType::I8 => 1,
			DType::I16 => 2,
			DType::I32 => 4,
		}
	}

	/// Smallest value.
	pub const fn min(self) -> i32 {
		match self {
			DType::I8 => i8::MIN as i32,
			DType::I16 => i16::MIN as i32,
			DType::I32 => i32::MIN,
		}
	}

	/// Largest value.
	pub const fn max(self) -> i32 {
		match self {
			DType::I8 => i8::MAX as i32,
			DType::I16 => i16::MAX as i32,
			DType::I32 => i32::MAX,
		}
	}

	/// The nearest value of this type.
	pub const fn saturate(self, value: i64) -> i32 {
		let (min, max) = (self.min() as i64, self.max() as i64);
		if value < min {
			min as i32
		} else if value > max {
			max as i32
		} else {
			value as i32
		}
	}

	/// Read the element at byte `offset`; bytes past the end read as zero.
	pub fn read(self, bytes: &[u8], offset: usize) -> i32 {
		let byte = |i: usize| bytes.get(offset.saturating_add(i)).copied().unwrap_or(0);
		match self {
			DType::I8 => byte(0) as i8 as i32,
			DType::I16 => i16::from_le_bytes([byte(0), byte(1)]) as i32,
			DType::I32 => i32::from_le_bytes([byte(0), byte(1), byte(2), byte(3)]),
		}
	}

	/// Read consecutive elements (their low 16 bits); those past the end read as zero.
	pub fn read_row(self, bytes: &[u8], out: &mut [i16]) {
		let elements = bytes.len() / self.size();
		let (present, absent) = out.split_at_mut(elements.min(out.len()));
		absent.fill(0);
		match self {
			DType::I8 => {
				for (slot, byte) in present.iter_mut().zip(bytes) {
					*slot = *byte as i8 as i16;
				}
			}
			DType::I16 => {
				for (slot, pair) in present.iter_mut().zip(bytes.chunks_exact(2)) {
					*slot = i16::from_le_bytes([pair[0], pair[1]]);
				}
			}
			DType::I32 => {
				for (slot, word) in present.iter_mut().zip(bytes.chunks_exact(4)) {
					*slot = i16::from_le_bytes([word[0], word[1]]);
				}
			}
		}
	}

	/// Write the low bytes of `value` at byte `offset`; what would lie past the end is dropped.
	pub fn write(self, bytes: &mut [u8], offset: usize, value: i32) {
		for (i, byte) in value.to_le_bytes().into_iter().take(self.size()).enumerate() {
			if let Some(slot) = bytes.get_mut(offset.saturating_add(i)) {
				*slot = byte;
			}
		}
	}
}
