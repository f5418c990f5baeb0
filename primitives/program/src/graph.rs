//! A program as the referee sees it.

use crate::{Checked, Program, RecomputeError, Source};
use assay_ops::Applied;

/// A checked program, seen by the referee.
#[derive(Clone, Copy)]
pub(crate) struct Graph<'a> {
	pub(crate) program: &'a Program,
	pub(crate) checked: &'a Checked,
}

impl<'a> Graph<'a> {
	pub(crate) fn applied(&self, node: u32) -> Result<&'a Applied, RecomputeError> {
		self.checked.applied(node).ok_or(RecomputeError::Mismatch)
	}

	pub(crate) fn is_virtual(&self, node: u32) -> bool {
		self.program.is_virtual(Source::Node(node))
	}
}
