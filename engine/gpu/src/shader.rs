//! What a device compiles.

/// A compute shader: a WGSL module whose entry point is `main`.
#[derive(Clone, Copy)]
pub(crate) struct Shader {
	/// Its name, which no other one has.
	pub(crate) name: &'static str,
	/// The parts of its text, in their order.
	pub(crate) parts: &'static [&'static str],
	/// The value of the text's `OP` constant, for texts that serve several operators.
	pub(crate) variant: Option<u32>,
}

impl Shader {
	/// The whole text.
	pub(crate) fn source(&self) -> String {
		self.parts.concat()
	}
}
