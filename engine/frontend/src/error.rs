use std::{borrow::Cow, fmt};

/// Result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a model cannot be imported or run: a stable code for scripts, a sentence that names what is at
/// fault, and the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
	/// Stable identifier in kebab case.
	pub code: Cow<'static, str>,
	/// One sentence that names the offending value.
	pub message: String,
	/// What to do about it.
	pub fix: String,
}

impl Error {
	/// All three of them.
	pub fn new(code: &'static str, message: impl Into<String>, fix: impl Into<String>) -> Self {
		Self { code: code.into(), message: message.into(), fix: fix.into() }
	}

	/// The model does not hold what ONNX says of its operator.
	pub(crate) fn node(node: &str, message: impl fmt::Display) -> Self {
		Self::new(
			"bad-model",
			format!("node `{node}`: {message}"),
			"check the model with onnx.checker and export it again",
		)
	}

	/// An operator, or a use of one, that has no integer counterpart here.
	pub(crate) fn unsupported(node: &str, message: impl fmt::Display, fix: &str) -> Self {
		Self::new("unsupported", format!("node `{node}`: {message}"), fix)
	}
}

impl fmt::Display for Error {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		write!(f, "{}; {}", self.message, self.fix)
	}
}

impl std::error::Error for Error {}

/// Names the file in an input or output error.
pub(crate) fn io<E: fmt::Display>(path: &std::path::Path) -> impl FnOnce(E) -> Error + '_ {
	move |error| {
		Error::new(
			"file",
			format!("{}: {error}", path.display()),
			"check the path and that the file is complete",
		)
	}
}
