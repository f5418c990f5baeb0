//! What a user writes: layers, loss, optimizer, batch and steps.

use crate::error::{field, Error, Result};
use serde::{Deserialize, Serialize};

/// A network and how to train it, read from JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
	/// What an example looks like.
	pub input: Input,
	/// Layers, in order. The last one gives one number for each class.
	pub layers: Vec<Layer>,
	/// How weights follow from gradients.
	pub optimizer: Optimizer,
	/// Learning rate for each step.
	pub learning_rate: LearningRate,
	/// Examples of one step.
	pub batch: u32,
	/// Steps of the whole training; the length of the loss curve and of the schedule.
	pub steps: u32,
	/// How the examples of a batch are chosen.
	#[serde(default)]
	pub order: Order,
	/// Key of all random numbers: initial weights, batches, dropout, rounding.
	#[serde(default)]
	pub seed: u64,
}

/// What an example looks like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Input {
	/// Numbers: `[64]` for a vector, `[height, width, channels]` for an image; array `x`, with
	/// classes in array `y`.
	Dense {
		/// Dimensions of one example.
		shape: Vec<u32>,
	},
	/// Windows of a text; array `tokens`. The class at each position is the token that follows.
	Tokens {
		/// Tokens of one example.
		length: u32,
		/// Number of different tokens.
		vocabulary: u32,
	},
}

/// A layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Layer {
	/// `x·Wᵀ + b` along the last dimension.
	Linear {
		/// Width of the result.
		outputs: u32,
		/// Whether there is a bias.
		#[serde(default = "yes")]
		bias: bool,
	},
	/// Convolution of an image.
	Conv2d {
		/// Channels of the result.
		outputs: u32,
		/// Height and width of the kernel.
		kernel: [u8; 2],
		/// Distance of windows.
		#[serde(default = "ones")]
		stride: [u8; 2],
		/// Zeros on each side, for height and width.
		#[serde(default)]
		padding: [u8; 2],
		/// Whether there is a bias.
		#[serde(default = "yes")]
		bias: bool,
	},
	/// The largest of each window; windows do not overlap.
	MaxPool {
		/// Height and width of a window, which divide those of the image.
		kernel: [u8; 2],
	},
	/// `max(x, 0)`.
	Relu,
	/// `x·Φ(x)`.
	Gelu,
	/// Everything but the batch in one dimension.
	Flatten,
	/// Mean 0 and variance 1 along the last dimension, then scale and offset.
	LayerNorm,
	/// Mean square 1 along the last dimension, then scale.
	RmsNorm,
	/// Sets elements to zero at random and scales up the others.
	Dropout {
		/// Share of elements that are set to zero; at least 0, at most 0.5.
		rate: f64,
	},
	/// A vector for each token; only as the first layer over tokens.
	Embedding {
		/// Width of the vectors.
		width: u32,
		/// Whether a vector for the position is added.
		#[serde(default = "yes")]
		positions: bool,
	},
	/// Multi-head attention of a sequence over itself.
	Attention {
		/// Heads; divides the width.
		heads: u32,
		/// Whether a position sees only itself and earlier ones.
		#[serde(default = "yes")]
		causal: bool,
	},
	/// `x + layers(x)`.
	Residual(Vec<Layer>),
}

/// How weights follow from gradients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Optimizer {
	/// `v ← momentum·v + (g + weight_decay·w); w ← w − rate·v`.
	Sgd {
		/// At least 0, below 1.
		#[serde(default)]
		momentum: f64,
		/// At least 0, at most 1.
		#[serde(default)]
		weight_decay: f64,
	},
	/// Adam (Kingma, Ba 2015) without its epsilon: a weight whose second moment is below its unit
	/// in the last place stays where it is. Its weight decay is decoupled (Loshchilov, Hutter
	/// 2019): `w ← w − rate·weight_decay·w`, beside the step.
	Adam {
		/// Decay of the first moment.
		#[serde(default = "beta1")]
		beta1: f64,
		/// Decay of the second moment.
		#[serde(default = "beta2")]
		beta2: f64,
		/// At least 0, at most 1.
		#[serde(default)]
		weight_decay: f64,
	},
}

impl Optimizer {
	/// Share of the weights that the gradient (SGD) or the rate (Adam) takes with it.
	pub fn weight_decay(&self) -> f64 {
		match self {
			Self::Sgd { weight_decay, .. } | Self::Adam { weight_decay, .. } => *weight_decay,
		}
	}
}

/// Learning rate for each step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum LearningRate {
	/// The same throughout.
	Constant(f64),
	/// Linear up to `peak` over `warmup` steps, then half a cosine down to `end`.
	Cosine {
		/// Largest rate.
		peak: f64,
		/// Steps until then.
		#[serde(default)]
		warmup: u32,
		/// Rate of the last step.
		#[serde(default)]
		end: f64,
	},
	/// One number for each step; the last one goes on.
	Steps(Vec<f64>),
}

/// How the examples of a batch are chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
	/// At random with replacement, by Philox inside the program.
	#[default]
	Random,
	/// Every example once before any comes again, in an order drawn anew each time by Philox,
	/// before the first step: an input of the program. Batches go on across the end of a round.
	Shuffled,
	/// As array `order` says: `[steps, batch]` positions of examples (of first tokens).
	Given,
}

/// Most examples of a step.
const MOST_BATCH: u32 = 1 << 20;

/// Most positions of an order that is an input.
const MOST_POSITIONS: u64 = 1 << 26;

/// Most layers, those inside residuals included; a program has 4,096 nodes for all of them.
const MOST_LAYERS: usize = 512;

/// Layers with those inside.
fn count(layers: &[Layer]) -> usize {
	let inside = |layer: &Layer| match layer {
		Layer::Residual(layers) => count(layers),
		_ => 0,
	};
	layers.iter().map(|layer| 1 + inside(layer)).sum()
}

fn yes() -> bool {
	true
}

fn ones() -> [u8; 2] {
	[1, 1]
}

fn beta1() -> f64 {
	0.9
}

fn beta2() -> f64 {
	0.999
}

impl LearningRate {
	/// The rate at step `step` of `steps`.
	pub fn at(&self, step: u32, steps: u32) -> f64 {
		match self {
			Self::Constant(rate) => *rate,
			Self::Cosine { peak, warmup, .. } if step < *warmup => {
				peak * f64::from(step + 1) / f64::from(*warmup)
			}
			Self::Cosine { peak, warmup, end } => {
				let left = f64::from(steps.saturating_sub(warmup.saturating_add(1)).max(1));
				let done = (f64::from(step - warmup) / left).min(1.0);
				end + (peak - end) * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
			}
			Self::Steps(rates) => {
				rates.get(step as usize).or(rates.last()).copied().unwrap_or_default()
			}
		}
	}
}

impl Description {
	/// Reads and validates JSON. Errors: [`Error::Json`], [`Error::Field`].
	pub fn from_json(text: &str) -> Result<Self> {
		let description: Self = serde_json::from_str(text)?;
		description.validate()?;
		Ok(description)
	}

	/// Ranges of numbers. Shapes are found out while the program is built. Error: [`Error::Field`].
	pub fn validate(&self) -> Result<()> {
		let positive = |name: &str, value: u32| {
			(value > 0).then_some(()).ok_or_else(|| field(name, "must be at least 1"))
		};
		positive("batch", self.batch)?;
		positive("steps", self.steps)?;
		let most = |name: &str, value: u64, most: u64| {
			(value <= most)
				.then_some(())
				.ok_or_else(|| field(name, format!("is {value}; must be at most {most}")))
		};
		most("batch", self.batch.into(), MOST_BATCH.into())?;
		most("steps", self.steps.into(), assay_program::MAX_STEPS.into())?;
		if self.order != Order::Random {
			let positions = u64::from(self.batch) * u64::from(self.steps);
			if positions > MOST_POSITIONS {
				let reason = format!(
					"needs {positions} positions for so many steps and examples, at most {MOST_POSITIONS}; take `random`"
				);
				return Err(field("order", reason));
			}
		}
		let layers = count(&self.layers);
		if layers > MOST_LAYERS {
			return Err(field("layers", format!("are {layers}, at most {MOST_LAYERS}")));
		}
		match &self.input {
			Input::Dense { shape } if shape.is_empty() || shape.contains(&0) => {
				return Err(field("input.dense.shape", "needs dimensions of at least 1"));
			}
			Input::Tokens { length, vocabulary } => {
				positive("input.tokens.length", *length)?;
				positive("input.tokens.vocabulary", *vocabulary)?;
			}
			Input::Dense { .. } => {}
		}
		if self.layers.is_empty() {
			return Err(field("layers", "is empty; a Linear layer is the least"));
		}
		let share = |name: &str, value: f64| {
			(0.0..1.0)
				.contains(&value)
				.then_some(())
				.ok_or_else(|| field(name, format!("is {value}; must be at least 0 and below 1")))
		};
		match self.optimizer {
			Optimizer::Sgd { momentum, .. } => share("optimizer.sgd.momentum", momentum)?,
			Optimizer::Adam { beta1, beta2, .. } => {
				share("optimizer.adam.beta1", beta1)?;
				share("optimizer.adam.beta2", beta2)?;
				if beta2 * beta2 < beta1 {
					let reason = "the second moment forgets faster than the first; raise beta2";
					return Err(field("optimizer.adam.beta2", reason));
				}
			}
		}
		let decay = self.optimizer.weight_decay();
		if !(0.0..=1.0).contains(&decay) {
			let reason = format!("is {decay}; must be at least 0 and at most 1");
			return Err(field("optimizer.weight_decay", reason));
		}
		let rates = (0..self.steps).map(|step| self.learning_rate.at(step, self.steps));
		if let Some(rate) = rates.into_iter().find(|rate| !(0.0..=1024.0).contains(rate)) {
			let reason = format!("gives the rate {rate}; must be at least 0 and at most 1024");
			return Err(field("learning_rate", reason));
		}
		Ok(())
	}

	/// Names of the arrays that a training by this description reads.
	pub fn arrays(&self) -> &'static [&'static str] {
		match self.input {
			Input::Dense { .. } => &["x", "y", "order"],
			Input::Tokens { .. } => &["tokens", "order"],
		}
	}

	/// Numbers that the loss of one step is the mean of.
	pub fn predictions(&self) -> u32 {
		match self.input {
			Input::Dense { .. } => self.batch,
			Input::Tokens { length, .. } => self.batch.saturating_mul(length),
		}
	}
}

impl std::str::FromStr for Description {
	type Err = Error;

	fn from_str(text: &str) -> Result<Self> {
		Self::from_json(text)
	}
}
