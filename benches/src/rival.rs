//! The other side: processes that time one product at a time, by JSON lines.

use anyhow::{bail, Context as _, Result};
use serde::Deserialize;
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
	/// The program of `rivals-gpu/`.
	pub burn: Option<PathBuf>,
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
		spawn(command, threads).map(Some)
	}

	/// Burn on the adapter of that name, if it was built.
	pub fn start_burn(&self, adapter: &str) -> Result<Option<Burn>> {
		let Some(program) = &self.burn else { return Ok(None) };
		let mut burn = Burn { program: program.clone(), adapter: adapter.into(), process: None };
		burn.process()?;
		Ok(Some(burn))
	}
}

fn spawn(mut command: Command, threads: usize) -> Result<Rival> {
	let mut child = command
		.stdin(Stdio::piped())
		.stdout(Stdio::piped())
		.spawn()
		.with_context(|| format!("starting {:?}", command.get_program()))?;
	let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
		bail!("a child process without pipes");
	};
	Ok(Rival { child, input: Some(input), output: BufReader::new(output), threads })
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

	/// Prepares `m × k` by `k × n` of [`values`] with a constant right operand: `product` is `f32`,
	/// or for onnxruntime also `i32` or `i8`, the type of the result of 8-bit operands. Returns the
	/// result's sum.
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

	/// Makes a network of `make fidelity` and writes `description.json`, `data.npz` and
	/// `weights.npz`, for the same training, into `folder`.
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

/// What a rival says of itself.
#[derive(Deserialize)]
pub struct Description {
	/// With its version.
	pub library: String,
	pub adapter: String,
	pub driver: String,
	/// The language that its shaders are compiled to.
	pub compiler: String,
}

/// Burn on an adapter. It may refuse operators, and its process may not survive one: then it is
/// started anew.
pub struct Burn {
	program: PathBuf,
	adapter: String,
	process: Option<Rival>,
}

impl Burn {
	fn process(&mut self) -> Result<&mut Rival> {
		if self.process.is_none() {
			let mut command = Command::new(&self.program);
			command.arg(&self.adapter);
			self.process = Some(spawn(command, 0)?);
		}
		self.process.as_mut().context("a process that was just started")
	}

	/// An answer, or the reason why there is none.
	fn ask(&mut self, request: &Value) -> Result<Value, String> {
		let answer = self.process().and_then(|process| process.ask(request));
		let answer = answer.map_err(|error| {
			self.process = None;
			error.to_string()
		})?;
		match answer["error"].as_str() {
			Some(reason) => Err(reason.into()),
			None => Ok(answer),
		}
	}

	/// What it is and where it runs.
	pub fn describe(&mut self) -> Result<Description, String> {
		let answer = self.ask(&json!({ "describe": true }))?;
		serde_json::from_value(answer).map_err(|error| error.to_string())
	}

	/// Makes an operator ready, kernels tuned and compiled. Returns its result's sum.
	pub fn prepare(&mut self, request: &Value) -> Result<f64, String> {
		self.ask(request)?["checksum"].as_f64().ok_or_else(|| "a result without a sum".into())
	}

	/// Seconds of one of `count` runs.
	pub fn run(&mut self, count: usize) -> Result<f64> {
		let answer = self.ask(&json!({ "run": count })).map_err(anyhow::Error::msg)?;
		answer["seconds"].as_f64().context("an answer without seconds")
	}
}

/// What all sides multiply: 0..=127, less `offset`. The same as in `onnx/serve.py` and in
/// `rivals/`.
pub fn values(count: usize, offset: i16) -> impl Iterator<Item = i16> {
	let value = |at: usize| ((at as u32).wrapping_mul(2_654_435_761) >> 13 & 127) as i16;
	(0..count).map(move |at| value(at) - offset)
}
