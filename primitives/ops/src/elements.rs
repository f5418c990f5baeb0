//! Operands as an operator sees them.

/// Where an operator reads its operands from.
pub trait Elements {
	/// Element `index` of operand `operand`, in the row-major order of the operand *after* its
	/// view.
	fn get(&self, operand: usize, index: u32) -> i32;

	/// The elements `start .. start + out.len()` of an operand that is i8 or i16.
	fn read(&self, operand: usize, start: u32, out: &mut [i16]) {
		for (slot, index) in out.iter_mut().zip(start..) {
			*slot = self.get(operand, index) as i16;
		}
	}

	/// The elements `start .. start + out.len()` of any operand.
	fn row(&self, operand: usize, start: u32, out: &mut [i32]) {
		for (slot, index) in out.iter_mut().zip(start..) {
			*slot = self.get(operand, index);
		}
	}
}
