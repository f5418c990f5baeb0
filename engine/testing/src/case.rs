//! A program with inputs.

use assay_exec::{Tensor, Work};
use assay_program::{Checked, Class, Limits, Program};

/// A program with inputs for it.
#[derive(Clone, Debug)]
pub struct Case {
	/// The program; see [`Case::check`].
	pub program: Program,
	/// Inputs, with arbitrary bytes in the padding.
	pub inputs: Vec<Tensor>,
	/// Steps to run.
	pub steps: u32,
}

impl Case {
	/// The program as it passes the check. What is too much for the referee gets more anchors and at
	/// last wider limits, which makes no difference to an engine.
	///
	/// # Panics
	/// When the generator made a program that is not sound.
	pub fn check(&mut self) -> Checked {
		if let Ok(checked) = self.program.check(&Limits::default()) {
			return checked;
		}
		for node in &mut self.program.nodes {
			if node.class == Class::Virtual {
				node.class = Class::LazyAnchor;
			}
		}
		let wide = Limits {
			part_bytes: u64::MAX,
			parts: u32::MAX,
			scratch: u64::MAX,
			part_nanoseconds: u64::MAX,
			analysis_steps: u32::MAX,
			..Limits::default()
		};
		match self.program.check(&wide) {
			Ok(checked) => checked,
			Err(error) => panic!("the generator made an unsound program: {error}"),
		}
	}

	/// What an engine is asked to run; `checked` is of [`Case::check`].
	pub fn work<'a>(&'a self, checked: &'a Checked) -> Work<'a> {
		Work { program: &self.program, checked, inputs: &self.inputs, steps: self.steps }
	}
}
