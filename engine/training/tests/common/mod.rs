//! The networks of this crate in f64, for gradients by finite differences.
#![allow(dead_code)]

use assay_training::{Array, Arrays, Description, Input, Layer};

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
	pub fn next(&mut self) -> u64 {
		self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
		let mut z = self.0;
		z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
		z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
		z ^ (z >> 31)
	}

	/// −1 .. 1.
	pub fn unit(&mut self) -> f64 {
		(self.next() >> 11) as f64 / (1u64 << 52) as f64 - 1.0
	}
}

/// Numbers with dimensions; the first one is the batch.
#[derive(Clone)]
pub struct Value {
	pub dims: Vec<usize>,
	pub data: Vec<f64>,
}

impl Value {
	fn last(&self) -> usize {
		self.dims[self.dims.len() - 1]
	}
}

fn linear(x: &Value, w: &Array, b: Option<&Array>) -> Value {
	let (k, n) = (x.last(), w.dims[0]);
	let mut data = Vec::new();
	for row in x.data.chunks(k) {
		for out in 0..n {
			let sum: f64 = row.iter().zip(&w.values[out * k..]).map(|(a, b)| a * b).sum();
			data.push(sum + b.map_or(0.0, |b| b.values[out]));
		}
	}
	let mut dims = x.dims.clone();
	*dims.last_mut().unwrap() = n;
	Value { dims, data }
}

fn conv2d(x: &Value, w: &Array, b: Option<&Array>, stride: [u8; 2], padding: [u8; 2]) -> Value {
	let &[batch, height, width, channels] = &x.dims[..] else { panic!("not an image") };
	let &[outputs, kh, kw, _] = &w.dims[..] else { panic!("not a kernel") };
	let [sh, sw] = stride.map(usize::from);
	let [ph, pw] = padding.map(usize::from);
	let (rows, columns) = ((height + 2 * ph - kh) / sh + 1, (width + 2 * pw - kw) / sw + 1);
	let mut data = Vec::new();
	for image in 0..batch {
		for row in 0..rows {
			for column in 0..columns {
				for out in 0..outputs {
					let mut sum = b.map_or(0.0, |b| b.values[out]);
					for i in 0..kh {
						for j in 0..kw {
							let (y, z) = (row * sh + i, column * sw + j);
							if y < ph || z < pw || y - ph >= height || z - pw >= width {
								continue;
							}
							let at = ((image * height + y - ph) * width + z - pw) * channels;
							let from = ((out * kh + i) * kw + j) * channels;
							for c in 0..channels {
								sum += x.data[at + c] * w.values[from + c];
							}
						}
					}
					data.push(sum);
				}
			}
		}
	}
	Value { dims: vec![batch, rows, columns, outputs], data }
}

fn max_pool(x: &Value, kernel: [u8; 2]) -> Value {
	let &[batch, height, width, channels] = &x.dims[..] else { panic!("not an image") };
	let [kh, kw] = kernel.map(usize::from);
	let dims = vec![batch, height / kh, width / kw, channels];
	let mut data = vec![f64::MIN; dims.iter().product()];
	for (at, &value) in x.data.iter().enumerate() {
		let (c, column) = (at % channels, at / channels % width);
		let (row, image) = (at / channels / width % height, at / channels / width / height);
		let to = ((image * dims[1] + row / kh) * dims[2] + column / kw) * channels + c;
		data[to] = data[to].max(value);
	}
	Value { dims, data }
}

fn norm(x: &Value, gamma: &Array, beta: Option<&Array>) -> Value {
	let n = x.last();
	let mut data = Vec::new();
	for row in x.data.chunks(n) {
		let mean = if beta.is_some() { row.iter().sum::<f64>() / n as f64 } else { 0.0 };
		let square = row.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n as f64;
		for (at, value) in row.iter().enumerate() {
			let unit = (value - mean) / square.sqrt();
			data.push(unit * gamma.values[at] + beta.map_or(0.0, |b| b.values[at]));
		}
	}
	Value { dims: x.dims.clone(), data }
}

/// By the trapezoid rule.
fn normal_cdf(x: f64) -> f64 {
	let density = |t: f64| (-t * t / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
	let steps = 400;
	let h = x / f64::from(steps);
	let inner: f64 = (1..steps).map(|step| density(f64::from(step) * h)).sum();
	0.5 + h * (inner + (density(0.0) + density(x)) / 2.0)
}

fn attention(x: &Value, weights: &Arrays, path: &str, heads: usize, causal: bool) -> Value {
	let get = |name: &str| &weights[&format!("{path}.{name}")];
	let &[batch, length, width] = &x.dims[..] else { panic!("not a sequence") };
	let depth = width / heads;
	let qkv = linear(x, get("qkv.weight"), Some(get("qkv.bias")));
	let at = |b: usize, t: usize, part: usize, h: usize, d: usize| {
		qkv.data[(b * length + t) * 3 * width + part * width + h * depth + d]
	};
	let mut mixed = vec![0.0; batch * length * width];
	for b in 0..batch {
		for h in 0..heads {
			for t in 0..length {
				let seen = if causal { t + 1 } else { length };
				let scores: Vec<f64> = (0..seen)
					.map(|s| {
						let dot: f64 =
							(0..depth).map(|d| at(b, t, 0, h, d) * at(b, s, 1, h, d)).sum();
						(dot / (depth as f64).sqrt()).exp()
					})
					.collect();
				let sum: f64 = scores.iter().sum();
				for d in 0..depth {
					let value: f64 = (0..seen).map(|s| scores[s] / sum * at(b, s, 2, h, d)).sum();
					mixed[(b * length + t) * width + h * depth + d] = value;
				}
			}
		}
	}
	let mixed = Value { dims: x.dims.clone(), data: mixed };
	linear(&mixed, get("out.weight"), Some(get("out.bias")))
}

fn forward(layers: &[Layer], weights: &Arrays, path: &str, mut x: Value) -> Value {
	for (at, layer) in layers.iter().enumerate() {
		let path = format!("{path}{at}");
		let get = |name: &str| weights.get(&format!("{path}.{name}"));
		x = match layer {
			Layer::Linear { .. } => linear(&x, get("weight").unwrap(), get("bias")),
			Layer::Conv2d { stride, padding, .. } => {
				conv2d(&x, get("weight").unwrap(), get("bias"), *stride, *padding)
			}
			Layer::MaxPool { kernel } => max_pool(&x, *kernel),
			Layer::Relu => Value { data: x.data.iter().map(|v| v.max(0.0)).collect(), ..x },
			Layer::Gelu => Value { data: x.data.iter().map(|v| v * normal_cdf(*v)).collect(), ..x },
			Layer::Flatten => {
				let batch = x.dims[0];
				Value { dims: vec![batch, x.data.len() / batch], data: x.data }
			}
			Layer::LayerNorm | Layer::RmsNorm => norm(&x, get("weight").unwrap(), get("bias")),
			Layer::Attention { heads, causal } => {
				attention(&x, weights, &path, *heads as usize, *causal)
			}
			Layer::Residual(layers) => {
				let inner = forward(layers, weights, &format!("{path}."), x.clone());
				let sums = x.data.iter().zip(&inner.data).map(|(a, b)| a + b);
				Value { data: sums.collect(), ..x }
			}
			Layer::Embedding { .. } => {
				let table = get("weight").unwrap();
				let (width, length) = (table.dims[1], x.dims[1]);
				let mut data = Vec::new();
				for (place, token) in x.data.iter().enumerate() {
					for d in 0..width {
						let position = get("positions")
							.map_or(0.0, |table| table.values[place % length * width + d]);
						data.push(table.values[*token as usize * width + d] + position);
					}
				}
				Value { dims: vec![x.dims[0], length, width], data }
			}
			Layer::Dropout { .. } => panic!("not a function"),
		};
	}
	x
}

/// Mean loss of the batch at `positions`.
pub fn loss(
	description: &Description,
	data: &Arrays,
	weights: &Arrays,
	positions: &[usize],
) -> f64 {
	let (x, labels) = match &description.input {
		Input::Dense { shape } => {
			let size: usize = shape.iter().map(|&dim| dim as usize).product();
			let mut dims = vec![positions.len()];
			dims.extend(shape.iter().map(|&dim| dim as usize));
			let rows = positions.iter().flat_map(|&at| &data["x"].values[at * size..][..size]);
			let labels: Vec<usize> =
				positions.iter().map(|&at| data["y"].values[at] as usize).collect();
			(Value { dims, data: rows.copied().collect() }, labels)
		}
		Input::Tokens { length, .. } => {
			let length = *length as usize;
			let tokens = &data["tokens"].values;
			let rows = positions.iter().flat_map(|&at| &tokens[at..at + length]);
			let next = positions.iter().flat_map(|&at| &tokens[at + 1..][..length]);
			let dims = vec![positions.len(), length];
			let labels = next.map(|&token| token as usize).collect();
			(Value { dims, data: rows.copied().collect() }, labels)
		}
	};
	let logits = forward(&description.layers, weights, "", x);
	let rows = logits.data.chunks(logits.last());
	let losses = rows.zip(&labels).map(|(row, &label)| {
		let largest = row.iter().copied().fold(f64::MIN, f64::max);
		let sum: f64 = row.iter().map(|v| (v - largest).exp()).sum();
		sum.ln() + largest - row[label]
	});
	losses.sum::<f64>() / labels.len() as f64
}
