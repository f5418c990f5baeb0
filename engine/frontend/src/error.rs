//! What is wrong with a model, in [`Error`]s.

pub use assay_error::{Error, Result};

use std::fmt;

/// Longest name that an error shows, in characters.
const LONGEST_NAME: usize = 120;

/// The model does not hold what ONNX says of its operator.
pub(crate) fn bad_node(node: &str, message: impl fmt::Display) -> Error {
	Error::new("bad-model", format!("node `{}`: {message}", short(node)))
		.fix("check the model with onnx.checker and export it again")
}

/// An operator, or a use of one, that has no integer counterpart here.
pub(crate) fn unsupported(node: &str, message: impl fmt::Display, fix: &str) -> Error {
	Error::new("unsupported", format!("node `{}`: {message}", short(node))).fix(fix)
}

/// A name of bounded length.
pub(crate) fn short(name: &str) -> String {
	match name.char_indices().nth(LONGEST_NAME) {
		Some((at, _)) => format!("{}…", &name[..at]),
		None => name.into(),
	}
}

/// Some of many names, in backticks.
pub(crate) fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
	const SHOWN: usize = 12;
	let names: Vec<&str> = names.collect();
	let mut text: Vec<String> =
		names.iter().take(SHOWN).map(|name| format!("`{}`", short(name))).collect();
	if names.len() > SHOWN {
		text.push(format!("and {} more", names.len() - SHOWN));
	}
	text.join(", ")
}

/// Names the file in an input or output error.
pub(crate) fn io<E: fmt::Display>(path: &std::path::Path) -> impl FnOnce(E) -> Error + '_ {
	move |error| {
		Error::new("file", format!("{}: {error}", path.display()))
			.fix("check the path and that the file is complete")
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn names_should_be_cut_when_they_are_long_or_many() {
		let error = bad_node(&"x".repeat(100_000), "y");
		assert_eq!(error.message.chars().count(), LONGEST_NAME + "node `…`: y".chars().count());
		assert!(list(["a"; 20].into_iter()).ends_with("and 8 more"));
	}
}
