//! The start-up self-test: every kernel on fixed inputs, its bytes against hashes of what the
//! definition gives, compiled in. Roughly a second, once for each adapter, driver and version of
//! this crate.

use crate::{
	backend::GpuBackend,
	device::DeviceError,
	kernels::{hashed_types, probes, result, Kernel, Probe},
	AdapterInfo,
};
use assay_exec::{Affine, Backend, Call, DeviceFault, Operand};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

mod expected;

pub(crate) use expected::EXPECTED;

/// A kernel that the self-test switched off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedKernel {
	/// See [`Kernel::name`].
	pub name: String,
	/// What was wrong.
	pub reason: String,
}

impl FailedKernel {
	fn find(&self) -> Option<Kernel> {
		Kernel::all().find(|kernel| kernel.name() == self.name)
	}

	/// The kernel itself.
	pub fn kernel(&self) -> Kernel {
		self.find().expect("names come from the list of kernels or are checked against it; qed")
	}
}

/// The hash of what this device gives for a kernel's probes.
fn measure(
	backend: &mut GpuBackend,
	kernel: Kernel,
	probes: &[Probe],
) -> Result<String, DeviceError> {
	let mut hasher = blake3::Hasher::new();
	let mut tickets = Vec::new();
	for probe in probes {
		let (dtype, shape) = result(probe);
		let values: Vec<_> = probe
			.operands
			.iter()
			.map(|(buffer, ..)| backend.import(buffer.clone()).map_err(internal))
			.collect::<Result<_, DeviceError>>()?;
		if let Kernel::Root(_) = kernel {
			for ty in hashed_types(probe) {
				let ticket = backend.root(&values[0], &ty)?;
				hasher.update(&backend.collect_root(ticket).map_err(internal)?);
			}
			continue;
		}
		let operands: Vec<_> = values
			.iter()
			.zip(&probe.operands)
			.map(|(value, (_, shape, view))| Operand {
				value,
				shape: view.as_ref().map_or(*shape, |view| view.shape),
				affine: Affine::new(shape, view.as_ref()),
			})
			.collect();
		let call = Call { op: &probe.op, operands: &operands, dtype, shape: &shape };
		let value = backend.record(kernel, &call)?;
		tickets.push(backend.request(&value).map_err(internal)?);
	}
	for ticket in tickets {
		hasher.update(backend.collect(ticket).map_err(internal)?.bytes());
	}
	Ok(hasher.finalize().to_hex().to_string())
}

fn internal(error: assay_exec::ExecError) -> DeviceError {
	match error {
		assay_exec::ExecError::Device { fault, text } => DeviceError::new(fault, text),
		other => DeviceError::new(DeviceFault::Internal, other),
	}
}

/// What the self-test found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
	pub(crate) failed: Vec<FailedKernel>,
	/// Recalled instead of tested.
	pub(crate) cached: bool,
}

/// Tests every kernel with its probes against `expected`. A kernel without a probe would agree with
/// anything, and one without an expectation with nothing: neither is used. Error: the device is
/// lost.
fn run(
	backend: &mut GpuBackend,
	probes: impl Fn(Kernel) -> Vec<Probe>,
	expected: &[(&str, &str)],
) -> Result<Outcome, DeviceError> {
	let mut failed = Vec::new();
	for kernel in Kernel::all() {
		let expected = expected.iter().find(|(name, _)| *name == kernel.name());
		let probes = probes(kernel);
		let reason = match measure(backend, kernel, &probes) {
			_ if probes.is_empty() => "no probe tries it".into(),
			Ok(found) if expected.is_some_and(|(_, expected)| found == *expected) => continue,
			Ok(_) => "its results differ from the definition".into(),
			Err(error) => {
				backend.device.discard();
				backend.device.healthy()?;
				error.to_string()
			}
		};
		failed.push(FailedKernel { name: kernel.name().into(), reason });
	}
	backend.device.trim();
	Ok(Outcome { failed, cached: false })
}

/// A remembered outcome, with what it belongs to for people who look into the folder.
#[derive(Serialize, Deserialize)]
struct Memory {
	adapter: String,
	driver: String,
	key: String,
	failed: Vec<FailedKernel>,
}

/// Everything that the outcome depends on.
fn key(info: &AdapterInfo) -> String {
	let mut hasher = blake3::Hasher::new();
	let mut part = |text: &str| {
		hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
	};
	for text in [&info.name, &info.backend, &info.driver, &info.identity] {
		part(text);
	}
	part(env!("CARGO_PKG_VERSION"));
	for kernel in Kernel::all() {
		part(kernel.name());
		part(&kernel.source());
	}
	for (kernel, expected) in EXPECTED {
		part(kernel);
		part(expected);
	}
	hasher.finalize().to_hex().to_string()
}

fn file(folder: &Path, key: &str) -> PathBuf {
	folder.join(format!("self-test-{}.json", &key[..16]))
}

fn recall(folder: &Path, key: &str) -> Option<Outcome> {
	let memory: Memory = serde_json::from_slice(&std::fs::read(file(folder, key)).ok()?).ok()?;
	let sound = memory.key == key && memory.failed.iter().all(|failed| failed.find().is_some());
	sound.then_some(Outcome { failed: memory.failed, cached: true })
}

fn remember(
	folder: &Path,
	key: &str,
	info: &AdapterInfo,
	outcome: &Outcome,
) -> std::io::Result<()> {
	let memory = Memory {
		adapter: info.name.clone(),
		driver: info.driver.clone(),
		key: key.into(),
		failed: outcome.failed.clone(),
	};
	std::fs::create_dir_all(folder)?;
	let partial = folder.join(format!("self-test-{}.{}.partial", &key[..16], std::process::id()));
	std::fs::write(&partial, serde_json::to_vec_pretty(&memory)?)?;
	std::fs::rename(partial, file(folder, key))
}

/// The remembered outcome for this adapter, driver and version, or a new test.
pub(crate) fn recall_or_run(
	backend: &mut GpuBackend,
	info: &AdapterInfo,
	cache: Option<&Path>,
) -> Result<Outcome, DeviceError> {
	let key = key(info);
	if let Some(outcome) = cache.and_then(|folder| recall(folder, &key)) {
		return Ok(outcome);
	}
	let outcome = run(backend, probes, EXPECTED)?;
	if let Some(folder) = cache {
		// Without its memory the test runs again next time.
		if let Err(error) = remember(folder, &key, info, &outcome) {
			log::warn!("cannot keep the self-test's outcome in {}: {error}", folder.display());
		}
	}
	Ok(outcome)
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::ElementwiseKernel;
	use assay_ops::{evaluate, Operand as Seen, TensorType, Values};

	/// What the definition gives for a kernel's probes.
	fn definition(kernel: Kernel) -> String {
		let mut hasher = blake3::Hasher::new();
		for probe in probes(kernel) {
			let values: Vec<Values> = probe
				.operands
				.iter()
				.map(|(buffer, shape, _)| {
					let ty = TensorType::of(buffer.dtype(), *shape);
					Values::from_row_major(ty, buffer.bytes()).unwrap()
				})
				.collect();
			if let Kernel::Root(_) = kernel {
				for ty in hashed_types(&probe) {
					let values = Values::new(ty, values[0].data().to_vec()).unwrap();
					hasher.update(&assay_commitments::tensor_root(&values.to_canonical()));
				}
				continue;
			}
			let operands: Vec<Seen> = values
				.iter()
				.zip(&probe.operands)
				.map(|(values, (_, _, view))| Seen { values, view: view.as_ref() })
				.collect();
			let values = evaluate(&probe.op, &operands, None).unwrap();
			assert_eq!((values.ty().dtype, values.ty().shape), result(&probe));
			hasher.update(&values.to_row_major());
		}
		hasher.finalize().to_hex().to_string()
	}

	fn any_adapter() -> (GpuBackend, AdapterInfo) {
		let adapters = crate::device::enumerate();
		let adapter = adapters.first().expect("tests need an adapter; lavapipe will do");
		let info = AdapterInfo::new(0, &adapter.get_info());
		(GpuBackend::new(crate::device::Device::open(adapter).unwrap()), info)
	}

	#[test]
	fn self_test_should_switch_off_one_kernel_when_only_its_results_differ() {
		let (mut backend, _) = any_adapter();
		let mut expected = EXPECTED.to_vec();
		assert_eq!(run(&mut backend, probes, &expected).unwrap(), Outcome::default());
		let requant = expected.iter_mut().find(|(kernel, _)| *kernel == "requant").unwrap();
		requant.1 = "00";
		let outcome = run(&mut backend, probes, &expected).unwrap();
		let kernels: Vec<Kernel> = outcome.failed.iter().map(FailedKernel::kernel).collect();
		assert_eq!(kernels, [ElementwiseKernel::Requant.into()]);
	}

	#[test]
	fn self_test_should_refuse_a_kernel_when_no_probe_tries_it() {
		assert!(Kernel::all().all(|kernel| !probes(kernel).is_empty()));
		let (mut backend, _) = any_adapter();
		let untried = Kernel::from(ElementwiseKernel::Mul);
		// As if it had just been added, with the hash that a definition of nothing has.
		let nothing = blake3::hash(b"").to_hex().to_string();
		let expected: Vec<(&str, &str)> = EXPECTED
			.iter()
			.map(|(name, hash)| (*name, if *name == untried.name() { &nothing } else { *hash }))
			.collect();
		let less = |kernel| if kernel == untried { Vec::new() } else { probes(kernel) };
		let outcome = run(&mut backend, less, &expected).unwrap();
		let kernels: Vec<Kernel> = outcome.failed.iter().map(FailedKernel::kernel).collect();
		assert_eq!(kernels, [untried]);
		// And so is one that nobody expects anything of.
		let outcome = run(&mut backend, probes, &EXPECTED[1..]).unwrap();
		assert_eq!(outcome.failed.len(), 1);
		assert_eq!(outcome.failed[0].name, EXPECTED[0].0);
	}

	#[test]
	fn self_test_should_recall_its_outcome_only_when_everything_it_depends_on_is_the_same() {
		let (mut backend, info) = any_adapter();
		let folder = std::env::temp_dir().join(format!("assay-self-test-{}", std::process::id()));
		let mut start =
			|info: &AdapterInfo| recall_or_run(&mut backend, info, Some(&folder)).unwrap().cached;
		assert!(!start(&info));
		assert!(start(&info));
		let mut updated = info.clone();
		updated.driver.push_str(" updated");
		assert!(!start(&updated));
		// A damaged memory is no memory.
		let path = file(&folder, &key(&info));
		let whole = std::fs::read_to_string(&path).unwrap();
		let damaged = [
			String::new(),
			whole[..whole.len() / 2].to_owned(),
			whole.replace(&key(&info), &key(&updated)),
			whole.replace("[]", "[{\"name\": \"no-such-kernel\", \"reason\": \"\"}]"),
		];
		for text in damaged {
			assert_ne!(text, whole);
			std::fs::write(&path, text).unwrap();
			assert!(!start(&info));
			assert!(start(&info));
		}
		// What was found wrong stays off.
		std::fs::write(
			&path,
			whole.replace("[]", "[{\"name\": \"mul\", \"reason\": \"its results differ\"}]"),
		)
		.unwrap();
		let outcome = recall_or_run(&mut backend, &info, Some(&folder)).unwrap();
		assert!(outcome.cached);
		assert_eq!(outcome.failed[0].kernel(), ElementwiseKernel::Mul.into());
		std::fs::remove_dir_all(folder).unwrap();
	}

	#[test]
	fn expected_hashes_should_equal_the_definition_when_it_is_run_now() {
		let mut found: Vec<(&str, String)> =
			Kernel::all().map(|kernel| (kernel.name(), definition(kernel))).collect();
		for (kernel, hash) in &found {
			println!("\t(\"{kernel}\", \"{hash}\"),");
		}
		let mut expected: Vec<(&str, String)> =
			EXPECTED.iter().map(|(kernel, hash)| (*kernel, (*hash).to_owned())).collect();
		found.sort_unstable();
		expected.sort_unstable();
		assert_eq!(found, expected);
	}
}
