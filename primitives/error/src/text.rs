use std::borrow::Cow;

/// Longest sentence of an error, in characters.
const LONGEST: usize = 1_500;

/// Whether a terminal acts upon this instead of showing it: controls, and what reorders the text
/// around it, which is as bad as moving the cursor.
fn acts(c: char) -> bool {
	let reorders =
		matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
	c.is_control() || reorders
}

/// Text of several lines as it may be shown: names in it are a stranger's, and must not move the
/// cursor or hide what follows.
pub fn plain(text: &str) -> Cow<'_, str> {
	let harms = |c: char| acts(c) && !matches!(c, '\n' | '\t');
	if !text.contains(harms) {
		return Cow::Borrowed(text);
	}
	let mut out = String::with_capacity(text.len());
	for c in text.chars() {
		match harms(c) {
			true => out.extend(c.escape_unicode()),
			false => out.push(c),
		}
	}
	Cow::Owned(out)
}

/// The same in one line of bounded length.
pub(crate) fn sentence(text: &str) -> String {
	let mut out = String::with_capacity(text.len().min(4 * LONGEST));
	let mut length = 0;
	for c in text.chars() {
		if length >= LONGEST {
			out.push('…');
			break;
		}
		if acts(c) {
			length += c.escape_unicode().count();
			out.extend(c.escape_unicode());
		} else {
			length += 1;
			out.push(c);
		}
	}
	out
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn text_should_show_what_a_terminal_would_act_upon() {
		assert_eq!(plain("a\u{1b}[31mb\n"), "a\\u{1b}[31mb\n");
		assert_eq!(plain("\u{9b}x\u{202e}"), "\\u{9b}x\\u{202e}");
		assert!(matches!(plain("Größe 1 MiB"), Cow::Borrowed(_)));
	}
}
