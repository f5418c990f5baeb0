//! How close is close enough: what a report is held to.

use crate::{
	error::short,
	import::{Fidelity, Report},
};
use serde::Serialize;
use std::str::FromStr;

/// Most points of agreement that outputs of integers, which have neither noise nor direction, may
/// lose where nothing is said about them.
const INTEGER_POINTS: f64 = 5.0;

/// What the held-out result must reach.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Target {
	/// Least signal-to-noise ratio of an output in dB.
	#[serde(skip_serializing_if = "Option::is_none")]
	pub snr: Option<f64>,
	/// Least mean cosine of an output.
	#[serde(skip_serializing_if = "Option::is_none")]
	pub cosine: Option<f64>,
	/// Most points of accuracy that may be lost: most percent of rows whose largest element is
	/// another.
	#[serde(skip_serializing_if = "Option::is_none")]
	pub top1: Option<f64>,
}

impl Default for Target {
	fn default() -> Self {
		Self { snr: Some(20.0), cosine: None, top1: None }
	}
}

impl FromStr for Target {
	type Err = String;

	/// `snr=20`, `cosine=0.999`, `top1=0.5`, or some of them with commas between.
	fn from_str(text: &str) -> Result<Self, String> {
		let mut target = Self { snr: None, cosine: None, top1: None };
		for part in text.split(',') {
			let (name, number) = part.split_once('=').unwrap_or((part, ""));
			let number: f64 = number.trim().parse().unwrap_or(f64::NAN);
			let (slot, range) = match name.trim() {
				"snr" => (&mut target.snr, -200.0..=200.0),
				"cosine" => (&mut target.cosine, -1.0..=1.0),
				"top1" => (&mut target.top1, 0.0..=100.0),
				_ => return Err(format!("`{part}`: write snr=DB, cosine=NUMBER or top1=POINTS")),
			};
			if !range.contains(&number) {
				let (least, most) = range.into_inner();
				return Err(format!(
					"`{part}`: {} is a number from {least} to {most}",
					name.trim()
				));
			}
			if slot.replace(number).is_some() {
				return Err(format!("`{text}`: {} is there twice", name.trim()));
			}
		}
		Ok(target)
	}
}

/// A figure that misses the target.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Miss {
	/// Name of the output.
	pub output: String,
	/// `snr`, `cosine` or `top1`.
	pub measure: &'static str,
	/// What it is; for `top1` the points that are lost.
	pub found: f64,
	/// What it should have been.
	pub wanted: f64,
	/// Where it is worst, and what may help, in a sentence.
	pub about: String,
}

impl Target {
	/// All figures of a report that miss it.
	pub fn misses(&self, report: &Report) -> Vec<Miss> {
		report.outputs.iter().flat_map(|output| self.of_output(output, report)).collect()
	}

	fn of_output(&self, output: &Fidelity, report: &Report) -> Vec<Miss> {
		let lost = 100.0 * (1.0 - output.top1);
		let points = match output.integer {
			true => Some(self.top1.unwrap_or(INTEGER_POINTS)),
			false => self.top1,
		};
		// Rows of one number have no largest element.
		let points = points.filter(|_| output.integer || output.ranked);
		let real = |wanted: Option<f64>| wanted.filter(|_| !output.integer);
		let figures = [
			("snr", output.snr, real(self.snr), output.snr),
			("cosine", output.cosine, real(self.cosine), output.cosine),
			("top1", -lost, points.map(|points| -points), lost),
		];
		figures
			.into_iter()
			// Whatever is no number misses.
			.filter_map(|(measure, value, least, shown)| {
				let least = least?;
				let met = value >= least - 1e-9;
				(!met).then(|| Miss {
					output: output.name.clone(),
					measure,
					found: shown,
					wanted: least.abs().copysign(if measure == "top1" { 1.0 } else { least }),
					about: about(output, report),
				})
			})
			.collect()
	}
}

/// Where an output is worst, and what may help.
fn about(output: &Fidelity, report: &Report) -> String {
	let mut text = String::new();
	let worst = report.layers.iter().min_by(|a, b| a.snr.total_cmp(&b.snr));
	if let Some(layer) = worst {
		text = format!(
			"the worst layer is `{}` ({}) with {:.1} dB, ",
			short(&layer.name),
			layer.operator,
			layer.snr
		);
	}
	text += &format!(
		"the worst sample number {} with a cosine of {:.3}",
		output.worst_sample, output.worst_cosine
	);
	let narrow = report.products > report.wide_products;
	if let Some(saturated) = report.saturated.iter().find(|saturated| saturated.share() > 0.01) {
		text += &format!(
			"; {:.1} % of {} saturate: give calibration samples as large as these",
			100.0 * saturated.share(),
			saturated.place
		);
	} else if narrow {
		text += "; try --width 16";
	} else {
		text += "; all products have 16 bits already: values of very different size share one scale, see docs/models.md";
	}
	text
}

impl std::fmt::Display for Miss {
	fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
		let Self { output, found, wanted, about, .. } = self;
		let output = short(output);
		match self.measure {
			"snr" => write!(f, "output `{output}`: {found:.1} dB, wanted snr={wanted}; {about}"),
			"cosine" => {
				write!(f, "output `{output}`: cosine {found:.5}, wanted cosine={wanted}; {about}")
			}
			_ => write!(
				f,
				"output `{output}`: {found:.2} points of top-1 agreement lost, wanted top1={wanted}; {about}"
			),
		}
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn targets_should_be_read_when_they_are_well_formed() {
		let target: Target = "snr=20,top1=0.5".parse().unwrap();
		assert_eq!(target, Target { snr: Some(20.0), cosine: None, top1: Some(0.5) });
		assert_eq!("cosine=0.999".parse::<Target>().unwrap().cosine, Some(0.999));
		for bad in
			["", "snr", "snr=", "snr=nan", "snr=inf", "cosine=2", "top1=-1", "x=1", "snr=1,snr=2"]
		{
			assert!(bad.parse::<Target>().is_err(), "{bad}");
		}
	}
}
