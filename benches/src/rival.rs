//! The other side: processes that time one product at a time, by JSON lines.

use anyhow::{bail, Context as _, Result};
use serde_json::{json, Value};
use std::{
	io::{BufRead, BufReader, Write},
	path::{Path, PathBuf},
	process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

/// Where the rivals are; without one its columns stay empty.
pub struct Rivals {
	/// An interpreter with the packages of `onnx/requirements.txt`.
	pub python: Option<PathBuf>,
	/// The program of `rivals/`.
	pub rust: Option<PathBuf>,
	/// An interpreter with the packages of `tests/fidelity/requirements.txt`.
	pub torch: Option<PathBuf>,
	/// The models that `scripts/fidelity --prepare` makes.
	pub models: Option<PathBuf>,
}

/// Who is measured against.
#[derive(Clone, Copy)]
pub enum Library {
	Onnxruntime,
	Tract,
	Candle,
	Torch,
}

impl Rivals {
	/// A process of `library`, if there is one.
	pub fn start(&self, library: Library, threads: usize) -> Result<Option<Rival>> {
		let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("onnx/serve.py");
		let mut command = match (library, &self.python, &self.rust) {
			(Library::Onnxruntime, Some(python), _) => {
				let mut command = Command::new(python);
				command.arg(script);
				command
			}
			(Library::Tract, _, Some(program)) => {
				let mut command = Command::new(program);
				command.arg("tract");
				command
			}
			(Library::Candle, _, Some(program)) => {
				let mut command = Command::new(program);
				command.arg("candle");
				command
			}
			(Library::Torch, ..) => {
				let Some(python) = &self.torch else { return Ok(None) };
				let script =
					Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fidelity/train_serve.py");
				let mut command = Command::new(python);
				command.arg(script);
				command
			}
			_ => return Ok(None),
		};
		command.env("PYTHONDONTWRITEBYTECODE", "1");
		command.env("RAYON_NUM_THREADS", threads.to_string());
		let mut child = command
			.stdin(Stdio::piped())
			.stdout(Stdio::piped())
			.spawn()
			.with_context(|| format!("starting {:?}", command.get_program()))?;
		let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
			bail!("a child process without pipes");
		};
		Ok(Some(Rival { child, input: Some(input), output: BufReader::new(output), threads }))
	}
}

/// A running rival; it ends when it is dropped.
pub struct Rival {
	child: Child,
	input: Option<ChildStdin>,
	output: BufReader<ChildStdout>,
	threads: usize,
}

impl Rival {
	fn ask(&mut self, request: &Value) -> Result<Value> {
		let input = self.input.as_mut().context("the rival has ended")?;
		writeln!(input, "{request}")?;
		input.flush()?;
		let mut line = String::new();
		if self.output.read_line(&mut line)? == 0 {
			bail!("the rival ended at {request}; what it said is above");
		}
		Ok(serde_json::from_str(&line)?)
	}

	/// Prepares `m × k` by `k × n` of [`values`] with a constant right operand: `product` is `f32`, or for
	/// onnxruntime also `i32` or `i8`, the type of the result of 8-bit operands. Returns the result's sum.
	pub fn prepare(&mut self, product: &str, (m, k, n): (usize, usize, usize)) -> Result<f64> {
		let threads = self.threads;
		let request = json!({ "product": product, "m": m, "k": k, "n": n, "threads": threads });
		self.ask(&request)?["checksum"].as_f64().context("an answer without a checksum")
	}

	/// Loads an ONNX file, with the first `batch` samples of a NumPy archive as its inputs.
	pub fn load(&mut self, model: &Path, samples: &Path, batch: u32) -> Result<()> {
		let threads = self.threads;
		let request =
			json!({ "model": model, "samples": samples, "batch": batch, "threads": threads });
		self.ask(&request).map(drop)
	}

	/// Makes a network of `make fidelity` and writes `description.json`, `data.npz` and `weights.npz`, for the
	/// same training, into `folder`.
	pub fn train(&mut self, network: &str, folder: &Path) -> Result<()> {
		let threads = self.threads;
		let request = json!({ "network": network, "folder": folder, "threads": threads });
		self.ask(&request).map(drop)
	}

	/// Seconds of one of `count` runs.
	pub fn run(&mut self, count: usize) -> Result<f64> {
		self.ask(&json!({ "run": count }))?["seconds"].as_f64().context("an answer without seconds")
	}
}

impl Drop for Rival {
	fn drop(&mut self) {
		// Rivals end with their input. What went wrong was said when it did.
		drop(self.input.take());
		let _ = self.child.wait();
	}
}

/// What all sides multiply: 0..=127, less `offset`. The same as in `onnx/serve.py` and in `rivals/`.
pub fn values(count: usize, offset: i16) -> impl Iterator<Item = i16> {
	let value = |at: usize| ((at as u32).wrapping_mul(2_654_435_761) >> 13 & 127) as i16;
	(0..count).map(move |at| value(at) - offset)
}
