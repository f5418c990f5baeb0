//! The bond that a claim needs, by the chain's own formula: a table, and a plot for the docs.
//!
//! `cargo run --release -p assay-market --example bond` prints the table; with a path it also
//! writes the plot there as SVG: `… --example bond docs/bond.svg`.

use assay_market::MarketParameters;
use sp_runtime::Permill;
use std::fmt::Write;

const UNIT: u128 = 1_000_000_000_000;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 620.0;
const TOP: f64 = 20.0;
const BOTTOM: f64 = 310.0;

/// Bond for a price of one, at this audit probability in percent.
fn bond(audit: f64) -> f64 {
	bond_of(audit, 1)
}

/// The same where the run is cut into so many segments, on a chain with a hundred validators.
fn bond_of(audit: f64, segments: u32) -> f64 {
	let parameters = MarketParameters::<u128, u32>::production(UNIT);
	let audit = Permill::from_parts((audit * 10_000.0).round() as u32);
	parameters.bond(UNIT, audit, segments, 100) as f64 / UNIT as f64
}

fn x(audit: f64) -> f64 {
	LEFT + (RIGHT - LEFT) * audit / 100.0
}

/// Logarithmic, from 0.5 to 100 prices.
fn y(bond: f64) -> f64 {
	BOTTOM - (BOTTOM - TOP) * (bond / 0.5).ln() / 200f64.ln()
}

fn plot() -> String {
	let mut svg = format!(
		"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
		 font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
	);
	let mut line = |x1: f64, y1: f64, x2: f64, y2: f64| {
		let _ = writeln!(
			svg,
			"<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"#ddd\"/>"
		);
	};
	let levels = [0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0];
	for level in levels {
		line(LEFT, y(level), RIGHT, y(level));
	}
	for audit in (0..=100).step_by(20) {
		line(x(audit.into()), TOP, x(audit.into()), BOTTOM);
	}
	for level in levels {
		let _ = writeln!(
			svg,
			"<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{level}</text>",
			LEFT - 6.0,
			y(level) + 4.0
		);
	}
	for audit in (0..=100).step_by(20) {
		let _ = writeln!(
			svg,
			"<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{audit} %</text>",
			x(audit.into()),
			BOTTOM + 18.0
		);
	}
	let points: Vec<String> = (50..=1_000)
		.step_by(5)
		.map(|tenths| f64::from(tenths) / 10.0)
		.map(|audit| format!("{:.1},{:.1}", x(audit), y(bond(audit))))
		.collect();
	let _ = writeln!(
		svg,
		"<polyline points=\"{}\" fill=\"none\" stroke=\"#1f6feb\" stroke-width=\"2\"/>",
		points.join(" ")
	);
	let _ = writeln!(
		svg,
		"<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">audit probability</text>",
		(LEFT + RIGHT) / 2.0,
		HEIGHT - 10.0
	);
	let _ = writeln!(
		svg,
		"<text transform=\"translate(16 {:.1}) rotate(-90)\" text-anchor=\"middle\">bond, in prices</text>",
		(TOP + BOTTOM) / 2.0
	);
	svg + "</svg>\n"
}

fn main() {
	println!("| audit | bond, in prices |\n|---|---|");
	for audit in [5.0, 10.0, 20.0, 50.0, 75.0, 90.0, 100.0] {
		println!("| {audit} % | {:.2} |", bond(audit));
	}
	println!("\n| segments | bond at 5 % | at 20 % | at 100 % |\n|---|---|---|---|");
	for segments in [1, 2, 4, 8, 16, 64, 256] {
		let [rare, standard, always] = [5.0, 20.0, 100.0].map(|audit| bond_of(audit, segments));
		println!("| {segments} | {rare:.2} | {standard:.2} | {always:.2} |");
	}
	if let Some(path) = std::env::args().nth(1) {
		if let Err(error) = std::fs::write(&path, plot()) {
			eprintln!("{path}: {error}");
			std::process::exit(1);
		}
		eprintln!("wrote {path}");
	}
}
