//! What the user sees: progress bars on a terminal, plain lines in a log, JSON for scripts.

use assay_error::plain;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;
use std::{
	io::{IsTerminal, Write},
	time::Duration,
};

/// How to print. Results go to stdout, progress to stderr.
#[derive(Clone, Copy, Debug)]
pub struct Ui {
	/// One JSON document, or JSON lines, instead of text.
	pub json: bool,
	/// Whether stderr is a terminal that can show bars.
	pub terminal: bool,
}

impl Ui {
	/// For this process.
	pub fn new(json: bool) -> Self {
		Self { json, terminal: !json && std::io::stderr().is_terminal() }
	}

	/// A line of a result, for people only.
	pub fn line(&self, text: impl AsRef<str>) {
		if !self.json {
			print_line(&plain(text.as_ref()));
		}
	}

	/// A line about what is going on, for people only; stderr, so that results stay clean.
	pub fn note(&self, text: impl AsRef<str>) {
		if !self.json {
			self.warn(text);
		}
	}

	/// A line that scripts should see beside their JSON as well; stderr.
	pub fn warn(&self, text: impl AsRef<str>) {
		// A closed pipe is no reason to fail.
		let _ = writeln!(std::io::stderr(), "{}", plain(text.as_ref()));
	}

	/// The JSON document of a command, or one JSON line of several.
	pub fn document(&self, value: &Value) {
		if self.json {
			print_line(&value.to_string());
		}
	}

	/// A result in both shapes.
	pub fn result(&self, value: &Value, text: impl AsRef<str>) {
		self.document(value);
		self.line(text);
	}

	/// Aligned `name  value` lines.
	pub fn fields(&self, rows: &[(&str, String)]) {
		let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
		for (name, value) in rows {
			self.line(format!("{name:width$}  {value}"));
		}
	}

	/// A table with a header row.
	pub fn table(&self, header: &[&str], rows: &[Vec<String>]) {
		let rows: Vec<Vec<String>> =
			rows.iter().map(|row| row.iter().map(|cell| cell_of(cell)).collect()).collect();
		let mut widths: Vec<usize> = header.iter().map(|h| h.len()).collect();
		for row in &rows {
			for (width, cell) in widths.iter_mut().zip(row) {
				*width = (*width).max(cell.chars().count());
			}
		}
		let line = |cells: Vec<&str>| {
			let cells: Vec<_> =
				cells.iter().zip(&widths).map(|(c, w)| format!("{c:w$}", w = *w)).collect();
			self.line(cells.join("  ").trim_end());
		};
		line(header.to_vec());
		for row in &rows {
			line(row.iter().map(String::as_str).collect());
		}
	}

	/// A bar over `total` bytes or steps.
	pub fn bar(&self, total: u64, label: impl Into<String>, bytes: bool) -> Progress {
		let label = plain(&label.into()).into_owned();
		if !self.terminal {
			self.note(format!("{label} …"));
			return Progress { ui: *self, bar: ProgressBar::hidden(), label };
		}
		let template = if bytes {
			"{spinner} {msg:24} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}"
		} else {
			"{spinner} {msg:24} {wide_bar} {pos}/{len} {eta}"
		};
		let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr())
			.with_message(label.clone());
		if let Ok(style) = ProgressStyle::with_template(template) {
			bar.set_style(style);
		}
		Progress { ui: *self, bar, label }
	}

	/// A spinner for work of unknown length.
	pub fn spinner(&self, label: impl Into<String>) -> Progress {
		let label = plain(&label.into()).into_owned();
		if !self.terminal {
			self.note(format!("{label} …"));
			return Progress { ui: *self, bar: ProgressBar::hidden(), label };
		}
		let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr())
			.with_message(label.clone());
		if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
			bar.set_style(style);
		}
		bar.enable_steady_tick(Duration::from_millis(120));
		Progress { ui: *self, bar, label }
	}
}

/// A cell of a table: one line, of bounded length.
fn cell_of(text: &str) -> String {
	const LONGEST: usize = 80;
	let mut cell: String = text.chars().take(LONGEST).collect();
	if text.chars().nth(LONGEST).is_some() {
		cell.push('…');
	}
	cell.replace(['\n', '\t'], " ")
}

/// Prints a line and leaves quietly when the reader has gone, as `… | head` does.
fn print_line(text: &str) {
	if writeln!(std::io::stdout(), "{text}").is_err() {
		std::process::exit(0);
	}
}

/// A running bar or spinner.
pub struct Progress {
	ui: Ui,
	bar: ProgressBar,
	label: String,
}

impl Progress {
	/// Moves to `position`.
	pub fn set(&self, position: u64) {
		self.bar.set_position(position);
	}

	/// Changes what the spinner says.
	pub fn say(&self, text: impl Into<String>) {
		let text = text.into();
		if !self.ui.terminal {
			self.ui.note(text);
		} else {
			self.bar.set_message(plain(&text).into_owned());
		}
	}

	/// A line of the result above the bar, for people only.
	pub fn print(&self, text: impl AsRef<str>) {
		self.bar.suspend(|| self.ui.line(text));
	}

	/// Ends with a line that stays.
	pub fn done(self, text: impl AsRef<str>) {
		self.bar.finish_and_clear();
		self.ui.note(format!("{}: {}", self.label, text.as_ref()));
	}

	/// Ends without a line.
	pub fn clear(self) {
		self.bar.finish_and_clear();
	}
}

impl Drop for Progress {
	fn drop(&mut self) {
		self.bar.finish_and_clear();
	}
}

/// `n` bytes for people.
pub fn bytes(n: u64) -> String {
	indicatif::HumanBytes(n).to_string()
}

/// A hash or account as `0x…` hexadecimal.
pub fn hex(bytes: impl AsRef<[u8]>) -> String {
	format!("0x{}", hex::encode(bytes))
}

/// The first and last digits of a hash, for tables.
pub fn short(bytes: impl AsRef<[u8]>) -> String {
	let text = hex::encode(bytes);
	match text.len() {
		0..=16 => format!("0x{text}"),
		n => format!("0x{}…{}", &text[..8], &text[n - 6..]),
	}
}

/// An address short enough for a table.
pub fn abbreviate(address: &str) -> String {
	match (address.get(..6), address.get(address.len().saturating_sub(4)..)) {
		(Some(head), Some(tail)) if address.len() > 12 => format!("{head}…{tail}"),
		_ => address.into(),
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn cell_should_be_one_line_when_its_text_has_several() {
		assert_eq!(cell_of("a\nb"), "a b");
	}
}
