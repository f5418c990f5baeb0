//! Results for people and for programs.

use core::fmt;
use serde::Serialize;
use serde_json::Value;

/// Rows of names and numbers.
#[derive(Serialize)]
pub struct Table {
	pub title: String,
	pub columns: Vec<String>,
	pub rows: Vec<Vec<Value>>,
}

impl Table {
	pub fn new(title: impl Into<String>, columns: &[&str]) -> Self {
		let columns = columns.iter().map(|&column| column.into()).collect();
		Self { title: title.into(), columns, rows: Vec::new() }
	}

	/// `Value::Null` where something could not be measured.
	pub fn row(&mut self, cells: Vec<Value>) {
		self.rows.push(cells);
	}
}

/// Three digits are what such measurements are good for.
fn cell(value: &Value) -> String {
	match value {
		Value::Null => "–".into(),
		Value::String(text) => text.clone(),
		Value::Number(number) => match number.as_f64() {
			Some(number) if number.abs() >= 100.0 => format!("{number:.0}"),
			Some(number) if number.abs() >= 10.0 => format!("{number:.1}"),
			Some(number) => format!("{number:.2}"),
			None => number.to_string(),
		},
		other => other.to_string(),
	}
}

/// Markdown.
impl fmt::Display for Table {
	fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
		writeln!(f, "{}\n", self.title)?;
		writeln!(f, "| {} |", self.columns.join(" | "))?;
		let rule: Vec<_> =
			(0..self.columns.len()).map(|at| if at == 0 { "---" } else { "--:" }).collect();
		writeln!(f, "|{}|", rule.join("|"))?;
		for row in &self.rows {
			writeln!(f, "| {} |", row.iter().map(cell).collect::<Vec<_>>().join(" | "))?;
		}
		Ok(())
	}
}
