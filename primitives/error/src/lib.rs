//! What people and scripts are told when something goes wrong: a stable code, a sentence that names
//! the value at fault and, where one is known, the way out.
//!
//! Names in these sentences are often a stranger's, such as those in a model or in a node's answer.
//! So an [`Error`] is made of text that is harmless to a terminal and of bounded length, and
//! [`plain`] makes such text of anything else that is printed.
#![warn(missing_docs)]

mod text;

pub use text::plain;

use std::{borrow::Cow, fmt};

/// Result of what fails with an [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong. Printed as text or as [`Error::to_json`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
	/// Stable identifier: kebab-case for the house's own errors, `Pallet.Error` for the chain's.
	pub code: Cow<'static, str>,
	/// One sentence that names the offending value.
	pub message: String,
	/// What to do about it.
	pub fix: Option<String>,
}

impl Error {
	/// An error without advice.
	pub fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
		Self { code: code.into(), message: text::sentence(&message.into()), fix: None }
	}

	/// Adds the next step.
	pub fn fix(mut self, fix: impl Into<String>) -> Self {
		self.fix = Some(text::sentence(&fix.into()));
		self
	}

	/// The document printed with `--json`: `{"error":{"code":…,"message":…,"fix":…}}`.
	pub fn to_json(&self) -> serde_json::Value {
		serde_json::json!({
			"error": { "code": self.code, "message": self.message, "fix": self.fix }
		})
	}
}

impl fmt::Display for Error {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		write!(f, "{} [{}]", self.message, self.code)?;
		match &self.fix {
			Some(fix) => write!(f, "\n  fix: {fix}"),
			None => Ok(()),
		}
	}
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn error_should_carry_code_and_fix_when_printed() {
		let error = Error::new("no-luck", "it broke").fix("mend it");
		assert_eq!(error.to_string(), "it broke [no-luck]\n  fix: mend it");
		assert_eq!(
			error.to_json(),
			serde_json::json!({"error":{"code":"no-luck","message":"it broke","fix":"mend it"}})
		);
	}

	#[test]
	fn error_should_be_harmless_when_names_in_it_are_hostile() {
		let error = Error::new("bad", format!("a\u{1b}[31m\nb\u{202e}{}", "x".repeat(100_000)));
		let error = error.fix("\u{9b}\t");
		assert!(error.message.starts_with("a\\u{1b}[31m\\u{a}b\\u{202e}x"), "{error}");
		assert!(error.message.chars().count() < 2_000);
		assert_eq!(error.fix.as_deref(), Some("\\u{9b}\\u{9}"));
	}
}
