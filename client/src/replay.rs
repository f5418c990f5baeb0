//! Runs a disputed job again, on this machine's engine.

use crate::{
	chain::{disputes::Disputed, Hash, Link},
	device::Device,
	error::{Error, Result},
	output::Ui,
	program::Loaded,
};
use assay_dispute::{BoxError, Job, Replay, Replayed};
use assay_exec::Tensor;
use assay_program::Source;
use std::sync::Arc;
use tokio::sync::OnceCell;

/// An engine that is opened when the first replay needs it.
///
/// The provider has one beside the engine of its runs: an answer that is owed must not wait for a run of
/// another job, and a run must not wait for an answer.
pub struct Lazy {
	adapter: String,
	device: OnceCell<Arc<Device>>,
}

impl Lazy {
	/// On the adapter that a flag names.
	pub fn new(adapter: &str) -> Self {
		Self { adapter: adapter.into(), device: OnceCell::new() }
	}

	/// The engine, opened if it is not.
	pub async fn device(&self) -> Result<Arc<Device>> {
		let open = || async {
			let adapter = self.adapter.clone();
			// The self-test of an adapter takes its time.
			let opened = tokio::task::spawn_blocking(move || Device::open(&adapter)).await;
			let stopped = |e| Error::new("local-fault", format!("opening the engine stopped: {e}"));
			opened.map_err(stopped)?.map(Arc::new)
		};
		self.device.get_or_try_init(open).await.cloned()
	}
}

/// Replays of one job: its inputs are fetched once, when they are first needed.
pub struct DeviceReplay {
	link: Link,
	device: Arc<Lazy>,
	loaded: Arc<Loaded>,
	roots: Vec<Hash>,
	inputs: OnceCell<Vec<Tensor>>,
	ui: Ui,
	label: String,
}

impl DeviceReplay {
	/// Of a job with these input roots.
	pub fn new(
		link: Link,
		device: Arc<Lazy>,
		loaded: Arc<Loaded>,
		roots: Vec<Hash>,
		ui: Ui,
		label: String,
	) -> Self {
		Self { link, device, loaded, roots, inputs: OnceCell::new(), ui, label }
	}

	/// The inputs, fetched if they are not here.
	pub async fn inputs(&self) -> Result<&Vec<Tensor>> {
		let fetch = || async {
			let node = self.link.node();
			crate::provider::run::fetch_inputs(&node, &self.ui, &self.loaded, &self.roots).await
		};
		self.inputs.get_or_try_init(fetch).await
	}
}

impl Replay for DeviceReplay {
	async fn replay(&self, steps: u32, keep: &[Source]) -> Result<Replayed, BoxError> {
		let inputs = self.inputs().await?.clone();
		let device = self.device.device().await?;
		let label = match steps {
			1 => format!("{}: 1 step", self.label),
			steps => format!("{}: {steps} steps", self.label),
		};
		let keep = keep.to_vec();
		let run =
			device.run_keeping(self.loaded.clone(), inputs, steps, keep, &self.ui, &label).await?;
		let last_anchors = run.anchor_roots.last().cloned().unwrap_or_default();
		let kept = run.kept.into_iter().map(|(source, tensor)| (source, tensor.bytes.to_vec()));
		Ok(Replayed {
			trace_roots: run.trace_roots,
			last_anchors,
			last_lazy: run.lazy_roots,
			kept: kept.collect(),
		})
	}

	async fn input(&self, index: u16) -> Result<Vec<u8>, BoxError> {
		let input = self.inputs().await?.get(usize::from(index));
		Ok(input.ok_or("there is no such input")?.bytes.to_vec())
	}
}

/// The job as the dispute crate wants it.
pub fn job(disputed: &Disputed, loaded: &Loaded) -> Arc<Job> {
	Arc::new(Job {
		program: loaded.program.clone(),
		checked: loaded.checked.clone(),
		input_roots: disputed.input_roots.clone(),
		steps: disputed.steps,
		run_root: disputed.run_root,
		trace_root: disputed.trace_root,
	})
}

/// An error of the dispute crate with what to do about it. One of this crate keeps its code.
pub fn dispute_error(error: assay_dispute::Error) -> Error {
	use assay_dispute::Error as E;
	let message = error.to_string();
	let (code, fix) = match error {
		E::Replay { source, .. } | E::Input { source, .. } => {
			return match source.downcast::<Error>() {
				Ok(inner) => *inner,
				Err(_) => Error::new("local-fault", message),
			}
		}
		E::Record(_) | E::Unproven(_) | E::NoDifference(_) | E::NoSuchPlace(_) => {
			("chain-data", "use the client of the node's version, or ask another node")
		}
		E::Astray { .. } => (
			"astray",
			"run it again with --adapter cpu; a lane that another replay has led cannot be led on",
		),
		E::OtherRun { .. } => (
			"other-run",
			"this machine computes something else than was committed to; try --adapter cpu, and keep the \
			 state folder",
		),
		E::Replayed { .. } | E::Kept { .. } | E::Unstable { .. } => {
			("local-fault", "this device does not compute reliably; try --adapter cpu")
		}
		E::InputRoot { .. } => ("blob-mismatch", "ask another node"),
		E::Prove { .. } | E::NotFraud { .. } => {
			("no-proof", "try --adapter cpu; this machine's result is likely the wrong one")
		}
	};
	Error::new(code, message).fix(fix)
}
