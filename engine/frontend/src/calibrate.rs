//! What every value looks like on the calibration samples, and how well 8 bits would do for each
//! product.

use crate::{
	array::{Array, Data},
	error::{short, Error, Result},
	eval::{self, Values},
	graph::{Graph, Node},
	passes::finite::HIDES,
};
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};

/// Bins of a histogram.
const BINS: usize = 2048;

/// Signal-to-noise ratio where there is no noise at all, in dB.
pub const CLEAN: f64 = 200.0;

/// How the range of an 8-bit activation is chosen. 16-bit values always take the whole range and a
/// quarter more.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Range {
	/// The largest magnitude.
	Max,
	/// The magnitude that this fraction of the elements does not exceed, such as 0.9999.
	Percentile(f64),
	/// The range with the least mean square error.
	Mse,
}

/// Magnitudes of one value.
#[derive(Clone, Debug)]
pub struct Stats {
	/// Smallest element.
	pub min: f32,
	/// Largest element.
	pub max: f32,
	/// Upper end of the histogram; a power of two.
	limit: f32,
	/// Elements by magnitude.
	bins: Vec<u64>,
}

impl Default for Stats {
	fn default() -> Self {
		Self { min: f32::INFINITY, max: f32::NEG_INFINITY, limit: 1.0, bins: vec![0; BINS] }
	}
}

impl Stats {
	/// Counts elements; what hides others, infinities and NaN are left out.
	pub fn add(&mut self, elements: &[f32]) {
		/// From so many elements on it is worth all cores.
		const MANY: usize = 1 << 16;
		fn number(x: &f32) -> bool {
			x.abs() < HIDES
		}
		let found = elements
			.par_iter()
			.with_min_len(MANY)
			.copied()
			.filter(number)
			.fold(|| (f32::INFINITY, f32::NEG_INFINITY), |(a, b), x| (a.min(x), b.max(x)))
			.reduce(|| (f32::INFINITY, f32::NEG_INFINITY), |a, b| (a.0.min(b.0), a.1.max(b.1)));
		if found.0 > found.1 {
			return;
		}
		let largest = found.0.abs().max(found.1.abs());
		while largest > self.limit {
			// Twice the range: pairs of bins become one.
			let merged = self.bins.chunks(2).map(|pair| pair.iter().sum());
			self.bins = merged.chain(std::iter::repeat_n(0, BINS / 2)).collect();
			self.limit *= 2.0;
		}
		self.min = self.min.min(found.0);
		self.max = self.max.max(found.1);
		let limit = self.limit;
		let counted = elements
			.par_chunks(MANY)
			.map(|elements| {
				let mut bins = vec![0u64; BINS];
				for x in elements.iter().copied().filter(number) {
					bins[((x.abs() / limit * BINS as f32) as usize).min(BINS - 1)] += 1;
				}
				bins
			})
			.reduce(|| vec![0; BINS], |a, b| a.into_iter().zip(b).map(|(a, b)| a + b).collect());
		self.bins.iter_mut().zip(counted).for_each(|(bin, count)| *bin += count);
	}

	/// Whether nothing but zeros was seen.
	pub fn is_zero(&self) -> bool {
		self.min >= 0.0 && self.max <= 0.0 || self.min > self.max
	}

	/// The largest magnitude; never 0.
	pub fn magnitude(&self) -> f64 {
		let magnitude = f64::from(self.min.abs().max(self.max.abs()));
		if magnitude.is_finite() && magnitude > 0.0 {
			magnitude
		} else {
			1.0
		}
	}

	/// The largest magnitude that 8 bits should hold.
	pub fn range8(&self, range: Range) -> f64 {
		let (magnitude, width) = (self.magnitude(), f64::from(self.limit) / BINS as f64);
		let all: u64 = self.bins.iter().sum();
		let chosen = match range {
			Range::Max => magnitude,
			Range::Percentile(fraction) => {
				let mut seen = 0;
				let at = self.bins.iter().position(|&count| {
					seen += count;
					seen as f64 >= fraction * all as f64
				});
				at.map_or(magnitude, |at| (at + 1) as f64 * width)
			}
			Range::Mse => {
				let error = |clip: f64| -> f64 {
					let noise = (clip / 127.0).powi(2) / 12.0;
					let each = |(bin, &count): (usize, &u64)| {
						let x = (bin as f64 + 0.5) * width;
						count as f64 * noise.max((x - clip).max(0.0).powi(2))
					};
					self.bins.iter().enumerate().map(each).sum()
				};
				let clips = (1..=64).map(|i| magnitude * f64::from(i) / 64.0);
				clips.min_by(|a, b| error(*a).total_cmp(&error(*b))).unwrap_or(magnitude)
			}
		};
		chosen.clamp(magnitude / 1024.0, magnitude)
	}
}

/// Width of the operands of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Width {
	/// 8 bits: one work unit for each product.
	I8,
	/// 16 bits: four.
	I16,
}

/// Which products get 16 bits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Precision {
	/// None.
	All8,
	/// All.
	All16,
	/// Those whose own result would have less than this signal-to-noise ratio in dB with 8 bits.
	Mixed(f64),
}

/// Everything that lowering asks of the samples.
#[derive(Clone, Debug)]
pub struct Calibration {
	/// Magnitudes of each value.
	pub stats: HashMap<String, Stats>,
	/// Width of each product, by name of its result.
	pub widths: HashMap<String, Width>,
	/// Signal-to-noise ratio in dB of each product's own result with 8 bits.
	pub snr8: HashMap<String, f64>,
	/// How the ranges of 8-bit values are chosen.
	pub range: Range,
}

impl Calibration {
	/// Evaluates the graph on `batches` and measures. Errors: those of the evaluator, and
	/// `not-finite` where the float model itself makes what is no number.
	pub fn new(
		graph: &Graph,
		batches: &[Values],
		range: Range,
		precision: Precision,
	) -> Result<Self> {
		let mut stats: HashMap<String, Stats> = HashMap::new();
		let mut add = |name: &str, array: &Array| {
			stats.entry(name.into()).or_default().add(&array.float_data());
		};
		for batch in batches {
			for (name, array) in batch {
				add(name, array);
			}
			for (name, array) in graph.outputs.iter().filter_map(|n| Some((n, graph.constant(n)?)))
			{
				add(name, array);
			}
			eval::run_with(graph, batch, &HashSet::new(), |node, values| {
				for (name, array) in results(node, values) {
					numbers(node, array)?;
					add(name, array);
				}
				Ok(())
			})?;
		}
		let mut this = Self { stats, widths: HashMap::new(), snr8: HashMap::new(), range };
		let Some(first) = batches.first() else {
			return Err(Error::new("bad-samples", "there are no samples").fix("give at least one"));
		};
		let mut snr8 = HashMap::new();
		eval::run_with(graph, first, &HashSet::new(), |node, values| {
			if is_product(graph, node) {
				let snr = this.snr_of_8_bits(graph, node, values)?;
				snr8.insert(node.output().to_string(), snr);
			}
			Ok(())
		})?;
		for (name, &snr) in &snr8 {
			let wide = match precision {
				Precision::All8 => false,
				Precision::All16 => true,
				Precision::Mixed(least) => snr < least,
			};
			this.widths.insert(name.clone(), if wide { Width::I16 } else { Width::I8 });
		}
		this.snr8 = snr8;
		Ok(this)
	}

	/// Magnitudes of a value.
	pub fn stats(&self, name: &str) -> Result<&Stats> {
		self.stats.get(name).ok_or_else(|| {
			Error::new("bad-model", format!("value `{name}` was not calibrated"))
				.fix("report this model")
		})
	}

	/// The signal-to-noise ratio of a product when its operands are rounded to 8 bits.
	fn snr_of_8_bits(&self, graph: &Graph, node: &Node, values: &Values) -> Result<f64> {
		let mut rounded: Vec<Option<Array>> = Vec::new();
		for (index, name) in node.inputs.iter().enumerate() {
			let operand = values.get(name).map(|a| &**a).or_else(|| graph.constant(name));
			rounded.push(match operand {
				Some(array) if graph.constant(name).is_none() => {
					Some(round_all(array, self.stats(name)?.range8(self.range) / 127.0))
				}
				Some(array) if index == 1 && node.op != "MatMul" => Some(round_channels(array)),
				other => other.cloned(),
			});
		}
		let operands: Vec<_> = rounded.iter().map(Option::as_ref).collect();
		let result = eval::node(node, graph.opset, &operands)?;
		let Some(reference) = values.get(node.output()) else { return Ok(CLEAN) };
		let reference = reference.float_data();
		Ok(result.first().map_or(CLEAN, |array| snr(&reference, &array.float_data())))
	}
}

/// Results of a node by name, those that somebody reads.
pub(crate) fn results<'a>(
	node: &'a Node,
	values: &'a Values,
) -> impl Iterator<Item = (&'a str, &'a Array)> {
	let names = node.outputs.iter().filter(|name| !name.is_empty());
	names.filter_map(|name| Some((name.as_str(), values.get(name)?.as_ref())))
}

/// Refuses what the float model makes of finite samples and is no number.
pub(crate) fn numbers(node: &Node, array: &Array) -> Result<()> {
	let Data::Float(data) = &array.data else { return Ok(()) };
	let count = data.iter().filter(|x| x.is_nan()).count();
	if count == 0 {
		return Ok(());
	}
	Err(Error::new(
		"not-finite",
		format!(
			"node `{}` ({}): {count} of {} elements of its float result are no numbers, though \
			 the samples are",
			short(&node.name),
			node.op,
			data.len()
		),
	)
	.fix(
		"look for a row that is masked throughout, 0/0, or the root or logarithm of a \
		 negative number",
	))
}

/// Whether a node is a product of matrices of which at least one is no constant.
pub(crate) fn is_product(graph: &Graph, node: &Node) -> bool {
	let fixed = |index: usize| node.input(index).is_some_and(|name| graph.constant(name).is_some());
	matches!(node.op.as_str(), "Linear" | "Conv")
		|| (node.op == "MatMul" && !(fixed(0) && fixed(1)))
}

fn round_all(array: &Array, scale: f64) -> Array {
	let round = |x: &f32| ((f64::from(*x) / scale).round().clamp(-128.0, 127.0) * scale) as f32;
	match &array.data {
		Data::Float(data) => Array::float(array.dims.clone(), data.iter().map(round).collect()),
		Data::Int(_) => array.clone(),
	}
}

/// Weights `[channels, ..]` rounded to 8 bits with a scale for each channel.
fn round_channels(weights: &Array) -> Array {
	let each = weights.len() / weights.dims.first().copied().unwrap_or(1).max(1);
	let mut data = weights.floats();
	for row in data.chunks_mut(each.max(1)) {
		let largest = row.iter().fold(f32::MIN_POSITIVE, |a, x| a.max(x.abs()));
		let scale = largest / 127.0;
		row.iter_mut().for_each(|x| *x = (*x / scale).round() * scale);
	}
	Array::float(weights.dims.clone(), data)
}

/// Signal-to-noise ratio in dB of `found` against `reference`; what hides others is left out.
pub fn snr(reference: &[f32], found: &[f32]) -> f64 {
	let (mut signal, mut noise) = (0.0, 0.0);
	for (&a, &b) in reference.iter().zip(found) {
		if a.abs() < HIDES && b.is_finite() {
			signal += f64::from(a).powi(2);
			noise += (f64::from(a) - f64::from(b)).powi(2);
		}
	}
	decibels(signal, noise)
}

/// The ratio of two energies in dB; what is no number is the worst.
pub(crate) fn decibels(signal: f64, noise: f64) -> f64 {
	let ratio = 10.0 * (signal / noise).log10();
	match noise == 0.0 {
		true => CLEAN,
		false if ratio.is_nan() => -CLEAN,
		false => ratio.clamp(-CLEAN, CLEAN),
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::passes::testing;

	#[test]
	fn ranges_should_leave_outliers_out_when_that_costs_less() {
		let mut stats = Stats::default();
		let mut elements = testing::noise(&[10_000], 1).floats();
		stats.add(&elements);
		elements = vec![2.5];
		stats.add(&elements);
		assert_eq!(stats.magnitude(), 2.5);
		assert_eq!(stats.range8(Range::Max), 2.5);
		assert!((stats.range8(Range::Percentile(0.999)) - 1.0).abs() < 0.01);
		let mse = stats.range8(Range::Mse);
		assert!((0.9..2.5).contains(&mse), "{mse}");
	}

	#[test]
	fn noise_should_be_measured_in_decibels() {
		assert_eq!(snr(&[1.0, 2.0], &[1.0, 2.0]), CLEAN);
		assert!((snr(&[10.0, 0.0], &[10.0, 1.0]) - 20.0).abs() < 1e-9);
	}

	#[test]
	fn product_should_get_16_bits_when_8_are_too_few() {
		let node = crate::graph::Node::new("l", "Linear", &["x", "w"], "y");
		let graph = testing::graph(&[8, 16], vec![node], &[("w", testing::noise(&[4, 16], 1))]);
		let batches = [testing::sample(&[8, 16])];
		for (least, width) in [(10.0, Width::I8), (80.0, Width::I16)] {
			let found =
				Calibration::new(&graph, &batches, Range::Max, Precision::Mixed(least)).unwrap();
			assert_eq!(found.widths["y"], width, "at {} dB", found.snr8["y"]);
			assert!((20.0..70.0).contains(&found.snr8["y"]));
		}
	}
}
