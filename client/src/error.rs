//! The one error of the command line: a stable code for scripts, a sentence for a person and,
//! where one is known, the next step.

use std::{borrow::Cow, fmt};

/// Result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong. Printed as text or, with `--json`, as
/// `{"error":{"code":…,"message":…,"fix":…}}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
	/// Stable identifier: kebab-case for the client's own errors, `Pallet.Error` for errors of the
	/// chain.
	pub code: Cow<'static, str>,
	/// One sentence that names the offending value.
	pub message: String,
	/// What to do about it.
	pub fix: Option<String>,
}

impl Error {
	/// An error without advice.
	pub fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
		Self { code: code.into(), message: message.into(), fix: None }
	}

	/// Adds the next step.
	pub fn fix(mut self, fix: impl Into<String>) -> Self {
		self.fix = Some(fix.into());
		self
	}

	/// The document printed with `--json`.
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

impl From<assay_frontend::Error> for Error {
	fn from(error: assay_frontend::Error) -> Self {
		Self { code: error.code, message: error.message, fix: Some(error.fix) }
	}
}

/// Names the file in an input or output error.
pub fn io(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Error + '_ {
	move |e| {
		let error = Error::new("file", format!("{}: {e}", path.display()));
		match e.kind() {
			std::io::ErrorKind::NotFound => error.fix("check the path"),
			std::io::ErrorKind::PermissionDenied => {
				error.fix("check the owner and mode of the file and its folder")
			}
			std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
				Error { code: "disk-fault".into(), ..error }.fix("free disk space there")
			}
			_ => error,
		}
	}
}

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
}
