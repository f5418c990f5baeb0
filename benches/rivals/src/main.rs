//! Times f32 matrix products of tract or candle on demand: the protocol is that of `onnx/serve.py`,
//! and the only argument is the library.

use std::{
	io::{BufRead, Write},
	time::Instant,
};
use tract_core::{internal::*, ops::einsum::EinSum};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The same numbers as in `onnx/serve.py`: 0..=127, less `offset`.
fn values(count: usize, offset: f32) -> Vec<f32> {
	let value = |at: usize| (at as u32).wrapping_mul(2_654_435_761) >> 13 & 127;
	(0..count).map(|at| value(at) as f32 - offset).collect()
}

/// `k × n` of what the engine keeps as `n × k`.
fn right(k: usize, n: usize) -> Vec<f32> {
	let values = values(n * k, 64.0);
	(0..k * n).map(|at| values[at % n * k + at / n]).collect()
}

/// A product that is ready to run; a run returns the sum of the result if asked to.
type Product = Box<dyn FnMut(bool) -> Result<f64, Failure>>;

fn tract(m: usize, k: usize, n: usize, threads: usize) -> Result<Product, Failure> {
	multithread::set_default_executor(multithread::Executor::multithread(threads));
	let mut model = TypedModel::default();
	let a = model.add_source("a", f32::fact([m, k]))?;
	let b = model.add_const("b", Tensor::from_shape(&[k, n], &right(k, n))?)?;
	let product = EinSum::new("mk,kn->mn".parse()?, f32::datum_type());
	let out = model.wire_node("product", product, &[a, b])?;
	model.select_output_outlets(&out)?;
	let model = model.into_optimized()?.into_runnable()?;
	let left: TValue = Tensor::from_shape(&[m, k], &values(m * k, 0.0))?.into();
	Ok(Box::new(move |sum| {
		let out = model.run(tvec!(left.clone()))?;
		Ok(if sum {
			out[0].cast_to::<f64>()?.to_plain_array_view::<f64>()?.iter().sum()
		} else {
			0.0
		})
	}))
}

/// candle takes its threads from the environment, which the caller has set.
fn candle(m: usize, k: usize, n: usize) -> Result<Product, Failure> {
	use candle_core::{DType, Device, Tensor};
	let left = Tensor::from_vec(values(m * k, 0.0), (m, k), &Device::Cpu)?;
	let right = Tensor::from_vec(right(k, n), (k, n), &Device::Cpu)?;
	Ok(Box::new(move |sum| {
		let out = left.matmul(&right)?;
		Ok(if sum { out.to_dtype(DType::F64)?.sum_all()?.to_scalar()? } else { 0.0 })
	}))
}

fn main() -> Result<(), Failure> {
	let library = std::env::args().nth(1).unwrap_or_default();
	let mut product: Option<Product> = None;
	for line in std::io::stdin().lock().lines() {
		let request: serde_json::Value = serde_json::from_str(&line?)?;
		let number = |name: &str| request[name].as_u64().unwrap_or(0) as usize;
		let answer = if request.get("product").is_some() {
			let (m, k, n) = (number("m"), number("k"), number("n"));
			let mut made = match library.as_str() {
				"tract" => tract(m, k, n, number("threads"))?,
				"candle" => candle(m, k, n)?,
				_ => {
					return Err(format!("no library {library:?}: there are tract and candle").into())
				}
			};
			let checksum = made(true)?;
			product = Some(made);
			serde_json::json!({ "checksum": checksum })
		} else {
			let product = product.as_mut().ok_or("nothing is prepared: ask for a product first")?;
			let count = number("run").max(1);
			let start = Instant::now();
			for _ in 0..count {
				product(false)?;
			}
			serde_json::json!({ "seconds": start.elapsed().as_secs_f64() / count as f64 })
		};
		println!("{answer}");
		std::io::stdout().flush()?;
	}
	Ok(())
}
