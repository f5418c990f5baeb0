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
	/// All three of them. Names in them are a stranger's: what would move a terminal's cursor or fill its screen is
	/// written out or cut.
	pub fn new(code: &'static str, message: impl Into<String>, fix: impl Into<String>) -> Self {
		Self { code: code.into(), message: shown(&message.into()), fix: shown(&fix.into()) }
	}

	/// The model does not hold what ONNX says of its operator.
	pub(crate) fn node(node: &str, message: impl fmt::Display) -> Self {
		Self::new(
			"bad-model",
			format!("node `{}`: {message}", short(node)),
			"check the model with onnx.checker and export it again",
		)
	}

	/// An operator, or a use of one, that has no integer counterpart here.
	pub(crate) fn unsupported(node: &str, message: impl fmt::Display, fix: &str) -> Self {
		Self::new("unsupported", format!("node `{}`: {message}", short(node)), fix)
	}
}

impl fmt::Display for Error {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		write!(f, "{}; {}", self.message, self.fix)
	}
}

impl std::error::Error for Error {}

/// Longest text of an error, in characters.
const LONGEST: usize = 1_500;

/// Longest name that an error shows, in characters.
const LONGEST_NAME: usize = 120;

/// A text without control characters, of bounded length.
fn shown(text: &str) -> String {
	let mut out = String::with_capacity(text.len().min(4 * LONGEST));
	let mut length = 0;
	for c in text.chars() {
		if length >= LONGEST {
			out.push('…');
			break;
		}
		// Characters that reorder what follows are as bad as those that move the cursor.
		let moves = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
		if c.is_control() || moves {
			length += c.escape_unicode().count();
			out.extend(c.escape_unicode());
		} else {
			length += 1;
			out.push(c);
		}
	}
	out
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
		Error::new(
			"file",
			format!("{}: {error}", path.display()),
			"check the path and that the file is complete",
		)
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn texts_should_be_harmless_when_names_are_hostile() {
		let error = Error::node("a\u{1b}[31m\nb\u{202e}", "x".repeat(100_000));
		assert!(error.message.chars().count() <= LONGEST + 12);
		assert!(!error.message.contains('\u{1b}') && !error.message.contains('\n'));
		assert!(error.message.starts_with("node `a\\u{1b}[31m\\u{a}b\\u{202e}`:"), "{error}");
		assert!(list(["a"; 20].into_iter()).ends_with("and 8 more"));
	}
}
