//! What an attack is, and the table of them.

use crate::stage::Report;
use serde::Serialize;
use std::{
	fmt::Write,
	panic::{catch_unwind, AssertUnwindSafe},
	time::Instant,
};

/// How many blocks from the wrong reveal to the slash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocks {
	/// Nothing is slashed.
	None,
	/// Exactly so many.
	Exactly(u32),
}

/// An attack, with what must come of it.
#[derive(Clone, Copy)]
pub struct Attack {
	/// Its name.
	pub name: &'static str,
	/// What the attacker does.
	pub what: &'static str,
	/// What must come of it: why the job ended, or what was refused.
	pub outcome: &'static str,
	/// Blocks from the wrong reveal to the slash.
	pub blocks: Blocks,
	/// Who must have lost or got how much, in ASY, transaction fees and fees for data left aside.
	pub money: &'static str,
	/// Does it, on a chain of its own, and says what came of it.
	pub run: fn() -> Result<Report, String>,
}

/// A line of the table.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
	/// The attack's name.
	pub attack: &'static str,
	/// What the attacker does.
	pub what: &'static str,
	/// What must come of it.
	pub expected: &'static str,
	/// What came of it.
	pub outcome: String,
	/// Blocks from the wrong reveal to the slash.
	pub blocks: Option<u32>,
	/// Who got or lost how much.
	pub money: String,
	/// Everything came as it must.
	pub passed: bool,
	/// What did not.
	pub fault: Option<String>,
	/// How long it took.
	pub seconds: f64,
}

impl Attack {
	/// Runs it and compares.
	pub fn line(&self) -> Line {
		let start = Instant::now();
		let found = catch_unwind(AssertUnwindSafe(self.run)).unwrap_or_else(|panic| {
			let text = panic.downcast_ref::<String>().map(String::as_str);
			let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
			Err(format!("panicked: {}", text.unwrap_or("without a text")))
		});
		let seconds = start.elapsed().as_secs_f64();
		let (report, fault) = match found {
			Ok(report) => {
				let fault = self.difference(&report);
				(report, fault)
			}
			Err(fault) => {
				let nothing = Report { outcome: "–".into(), blocks: None, money: "–".into() };
				(nothing, Some(fault))
			}
		};
		Line {
			attack: self.name,
			what: self.what,
			expected: self.outcome,
			outcome: report.outcome,
			blocks: report.blocks,
			money: report.money,
			passed: fault.is_none(),
			fault,
			seconds,
		}
	}

	fn difference(&self, found: &Report) -> Option<String> {
		let mut faults = vec![];
		if found.outcome != self.outcome {
			faults.push(format!("outcome {} instead of {}", found.outcome, self.outcome));
		}
		let blocks = match self.blocks {
			Blocks::None => None,
			Blocks::Exactly(blocks) => Some(blocks),
		};
		if found.blocks != blocks {
			faults.push(format!("blocks {:?} instead of {blocks:?}", found.blocks));
		}
		if found.money != self.money {
			faults.push(format!("money: {}\n    instead of: {}", found.money, self.money));
		}
		(!faults.is_empty()).then(|| faults.join("; "))
	}
}

/// The lines as a table.
pub fn table(lines: &[Line]) -> String {
	let header = ["attack", "expected", "outcome", "blocks", "money moved (ASY)"];
	let row = |line: &Line| {
		let outcome =
			if line.passed { line.outcome.clone() } else { format!("✗ {}", line.outcome) };
		let blocks = line.blocks.map_or_else(|| "–".into(), |blocks| blocks.to_string());
		[line.attack.into(), line.expected.into(), outcome, blocks, line.money.clone()]
	};
	let rows: Vec<[String; 5]> = lines.iter().map(row).collect();
	let mut widths = header.map(|title| title.chars().count());
	for row in &rows {
		for (width, cell) in widths.iter_mut().zip(row) {
			*width = (*width).max(cell.chars().count());
		}
	}
	let mut text = String::new();
	let mut line = |cells: [&str; 5]| {
		let cells: Vec<_> =
			cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
		let _ = writeln!(text, "{}", cells.join("  ").trim_end());
	};
	line(header);
	line(widths.map(|width| "-".repeat(width)).each_ref().map(String::as_str));
	for row in &rows {
		line(row.each_ref().map(String::as_str));
	}
	for failed in lines.iter().filter(|line| !line.passed) {
		let fault = failed.fault.as_deref().unwrap_or_default();
		let _ = writeln!(text, "\n✗ {}: {}\n    {fault}", failed.attack, failed.what);
	}
	text
}
