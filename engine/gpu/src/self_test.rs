//! The start-up self-test: every kernel on fixed inputs, its bytes against hashes of what the definition
//! gives, compiled in. Roughly a second, once for each adapter, driver and version of this crate.

use crate::kernels::Kernel;
use crate::{
	backend::GpuBackend,
	device::{DeviceError, Result},
	AdapterInfo,
};
use assay_exec::{testing::Rng, Affine, Backend, Buffer, DeviceFault, Operand};
use assay_ops::{DType, Narrow, Op, Shape, View};
use serde::{Deserialize, Serialize};
use std::{
	path::{Path, PathBuf},
	sync::Arc,
};

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
		Kernel::ALL.iter().copied().find(|kernel| kernel.name() == self.name)
	}

	/// The kernel itself.
	pub fn kernel(&self) -> Kernel {
		self.find().expect("names come from the list of kernels or are checked against it; qed")
	}
}

/// One operator on fixed operands.
pub(crate) struct Probe {
	pub(crate) op: Op,
	pub(crate) operands: Vec<(Arc<Buffer>, Shape, Option<View>)>,
}

fn shape(dims: &[u32]) -> Shape {
	Shape::new(dims).expect("small fixed dimensions; qed")
}

fn buffer(dtype: DType, values: &[i32]) -> Arc<Buffer> {
	Arc::new(Buffer::fill(dtype, values.len(), |start, out| {
		out.copy_from_slice(&values[start..start + out.len()]);
	}))
}

/// Operands of given values.
fn given(dtype: DType, dims: &[u32], values: Vec<i32>) -> (Arc<Buffer>, Shape, Option<View>) {
	(buffer(dtype, &values), shape(dims), None)
}

struct Probes {
	rng: Rng,
	all: Vec<Probe>,
}

impl Probes {
	fn random(&mut self, dtype: DType, dims: &[u32]) -> (Arc<Buffer>, Shape, Option<View>) {
		let values = self.rng.values(dtype, shape(dims).elements() as usize);
		given(dtype, dims, values)
	}

	/// Every pair of a list of telling values.
	fn pairs(dtype: DType) -> (Vec<i32>, Vec<i32>) {
		let (min, max) = (dtype.min(), dtype.max());
		let mut values = vec![min, min + 1, min / 2, -3, -2, -1, 0, 1, 2, 3, max / 2, max - 1, max];
		if dtype == DType::I32 {
			values.extend([
				-65537,
				-65536,
				-65535,
				-32769,
				32768,
				65535,
				65536,
				65537,
				0x1234_5678,
			]);
		}
		let first = values.iter().flat_map(|&x| values.iter().map(move |_| x)).collect();
		let second = values.iter().flat_map(|_| values.iter().copied()).collect();
		(first, second)
	}

	fn push(&mut self, op: Op, operands: Vec<(Arc<Buffer>, Shape, Option<View>)>) {
		self.all.push(Probe { op, operands });
	}

	fn matmul_i8(&mut self) {
		let op = Op::MatMul { narrow: None };
		// Every byte pair in every lane of the packed dot, alone and among others.
		let bytes: Vec<i32> = (-128..128).collect();
		for lane in 0..4usize {
			for others in [0, -128, 127] {
				let spread = |other: i32| -> Vec<i32> {
					bytes
						.iter()
						.flat_map(|&byte| {
							(0..4).map(move |at| if at == lane { byte } else { other })
						})
						.collect()
				};
				let a = given(DType::I8, &[256, 4], spread(others));
				let b = given(DType::I8, &[256, 4], spread(-128));
				self.push(op, vec![a, b]);
			}
		}
		for (m, n, k) in [(1, 1, 1), (65, 33, 64), (64, 64, 32), (3, 130, 257), (129, 1, 31)] {
			let operands = vec![self.random(DType::I8, &[m, k]), self.random(DType::I8, &[n, k])];
			self.push(op, operands);
		}
		for (x, y) in [(-128, -128), (-128, 127), (127, 127)] {
			let a = given(DType::I8, &[2, 8192], vec![x; 2 * 8192]);
			let b = given(DType::I8, &[3, 8192], vec![y; 3 * 8192]);
			self.push(op, vec![a, b]);
		}
	}

	fn matmul_i16(&mut self) {
		for (to, shift, multiplier) in [
			(DType::I32, 15, 32767),
			(DType::I16, 24, 23170),
			(DType::I8, 31, -32768),
			(DType::I32, -3, 1),
			(DType::I32, 62, -7),
			(DType::I32, 0, 1),
			(DType::I32, -128, -1),
		] {
			let op = Op::MatMul { narrow: Some(Narrow { multiplier, shift, to }) };
			for (m, n, k) in [(65, 33, 64), (2, 70, 31)] {
				let operands =
					vec![self.random(DType::I16, &[m, k]), self.random(DType::I16, &[n, k])];
				self.push(op, operands);
			}
			for (x, y) in [(-32768, -32768), (-32768, 32767), (-1, -1), (-1, 1)] {
				let a = given(DType::I16, &[1, 4096], vec![x; 4096]);
				let b = given(DType::I16, &[1, 4096], vec![y; 4096]);
				self.push(op, vec![a, b]);
			}
		}
	}

	fn requant(&mut self) {
		for to in [DType::I8, DType::I16] {
			for by in -128..128 {
				let acc = self.random(DType::I32, &[5, 8]);
				let multiplier = self.random(DType::I16, &[8]);
				let shift = given(DType::I8, &[1], vec![by]);
				let bias = self.random(DType::I32, &[8]);
				let mut operands = vec![acc, multiplier, shift, bias];
				operands.truncate(if by % 3 == 0 { 3 } else { 4 });
				self.push(Op::Requant { to }, operands);
			}
			let operands = vec![
				self.random(DType::I32, &[9, 33]),
				self.random(DType::I16, &[1]),
				self.random(DType::I8, &[33]),
				self.random(DType::I32, &[1]),
			];
			self.push(Op::Requant { to }, operands);
		}
	}

	fn binary(&mut self, op: impl Fn(DType) -> Op, mixed: bool) {
		for dtype in [DType::I8, DType::I16, DType::I32] {
			let (x, y) = Self::pairs(dtype);
			let dims = [x.len() as u32];
			for to in [DType::I8, DType::I16, DType::I32] {
				let operands = vec![given(dtype, &dims, x.clone()), given(dtype, &dims, y.clone())];
				self.push(op(to), operands);
				let other = if mixed { to } else { dtype };
				let operands = vec![self.random(dtype, &[7, 19]), self.random(other, &[7, 19])];
				self.push(op(to), operands);
			}
		}
	}

	fn unary(&mut self, op: impl Fn(DType, DType) -> Op) {
		for dtype in [DType::I8, DType::I16, DType::I32] {
			let values = Self::pairs(dtype).0;
			for to in [DType::I8, DType::I16, DType::I32] {
				self.push(
					op(dtype, to),
					vec![given(dtype, &[values.len() as u32], values.clone())],
				);
				let operand = self.random(dtype, &[3, 43]);
				self.push(op(dtype, to), vec![operand]);
			}
		}
	}

	fn views(&mut self, op: impl Fn(DType) -> Op) {
		for dtype in [DType::I8, DType::I16, DType::I32] {
			let source = shape(&[5, 6, 7]);
			let transposed = View::transpose(&source, &[2, 0, 1]).expect("a permutation; qed");
			let sliced = View::slice(&source, &[1..4, 0..6, 3..6]).expect("inside; qed");
			let row = View { shape: shape(&[4, 7]), offset: 49, strides: vec![0, 1] };
			for view in [transposed, sliced, row] {
				let (buffer, source, _) = self.random(dtype, &[5, 6, 7]);
				self.push(op(dtype), vec![(buffer, source, Some(view))]);
			}
		}
	}

	fn reduce(&mut self, op: impl Fn(u8, DType) -> Op) {
		for dtype in [DType::I8, DType::I16, DType::I32] {
			for to in [DType::I8, DType::I16, DType::I32] {
				for axis in 0..3 {
					let operand = self.random(dtype, &[5, 6, 7]);
					self.push(op(axis, to), vec![operand]);
				}
			}
			for value in [dtype.min(), dtype.max()] {
				let operand = given(dtype, &[2, 3000], vec![value; 6000]);
				self.push(op(1, DType::I32), vec![operand]);
			}
		}
	}
}

/// The fixed operators and operands of a kernel.
pub(crate) fn probes(kernel: Kernel) -> Vec<Probe> {
	let mut probes = Probes { rng: Rng::new(0x0a55_a1ed + kernel as u64), all: Vec::new() };
	match kernel {
		Kernel::MatMulPacked | Kernel::MatMulPlain => probes.matmul_i8(),
		Kernel::MatMulI16 => probes.matmul_i16(),
		// Rows of 4 are whole words of every type, so that packed and plain order are the same.
		Kernel::Pack => {
			for dtype in [DType::I8, DType::I16, DType::I32] {
				let (buffer, source, _) = probes.random(dtype, &[8, 12]);
				let view = View::transpose(&source, &[1, 0]).expect("a permutation; qed");
				probes.push(Op::Copy, vec![(buffer.clone(), source, Some(view))]);
				let view = View { shape: shape(&[6, 4]), offset: 3, strides: vec![12, 2] };
				probes.push(Op::Copy, vec![(buffer, source, Some(view))]);
			}
		}
		Kernel::Requant => probes.requant(),
		Kernel::Lut => {
			for to in [DType::I8, DType::I16, DType::I32] {
				let index = given(DType::I8, &[256], (-128..128).collect());
				let table = probes.random(to, &[256]);
				probes.push(Op::Lut, vec![index, table]);
			}
		}
		Kernel::Add => probes.binary(|to| Op::Add { to }, true),
		Kernel::Sub => probes.binary(|to| Op::Sub { to }, true),
		Kernel::Mul => probes.binary(|to| Op::Mul { to }, true),
		Kernel::Max => probes.binary(|_| Op::Max, false),
		Kernel::Min => probes.binary(|_| Op::Min, false),
		Kernel::Clamp => {
			probes.unary(|dtype, _| Op::Clamp { lo: dtype.min() / 2, hi: dtype.max() / 3 });
			probes.unary(|dtype, _| Op::Clamp { lo: dtype.min(), hi: -1 });
		}
		Kernel::Shift => {
			for by in i8::MIN..=i8::MAX {
				// Every distance, with few values each; the first and last ones with many.
				if by % 32 == 0 {
					probes.unary(|_, to| Op::Shift { by, to });
				}
				let operand = given(DType::I32, &[22], Probes::pairs(DType::I32).1[..22].to_vec());
				probes.push(Op::Shift { by, to: DType::I32 }, vec![operand]);
			}
		}
		Kernel::Cast => {
			probes.unary(|_, to| Op::Cast { to });
			probes.views(|_| Op::Copy);
		}
		Kernel::ReduceSum => probes.reduce(|axis, to| Op::ReduceSum { axis, to }),
		Kernel::ReduceMax => probes.reduce(|axis, _| Op::ReduceMax { axis }),
		Kernel::ArgMax => probes.reduce(|axis, _| Op::ArgMax { axis }),
	}
	probes.all
}

/// Type and shape of a probe's result.
pub(crate) fn result(probe: &Probe) -> (DType, Shape) {
	let seen: Vec<(DType, Shape)> = probe
		.operands
		.iter()
		.map(|(buffer, shape, view)| (buffer.dtype(), view.as_ref().map_or(*shape, |v| v.shape)))
		.collect();
	let seen: Vec<_> = seen.iter().map(|(dtype, shape)| (*dtype, shape)).collect();
	probe.op.infer(&seen).expect("the probes are sound, as a test shows; qed")
}

/// BLAKE3 of the row-major little-endian elements of all results of [`probes`], by the definition.
/// Regenerate with `cargo test -p assay-gpu -- --nocapture expected` after a change of the probes.
pub(crate) const EXPECTED: &[(Kernel, &str)] = &[
	(Kernel::MatMulPacked, "6c6507445ee3c7b6a5fb6548c3ff26cfa96308c2c091664d4c54cdeadfe33d5f"),
	(Kernel::MatMulPlain, "d79b317407d3cf706faac16eb1c1955bac0203e466a2937660896da33f8306f5"),
	(Kernel::MatMulI16, "203b67aa0a9518a2ec80bb2df0344edbfc653433cfccce3e694aabdb744f7150"),
	(Kernel::Pack, "3326a2f8aedaddcb5c67b69e6fcf26a8c73cf5e922a1dc5d653d6ea9010d2a75"),
	(Kernel::Requant, "bb890ce3005121481d8e5da51c00991a213f4a3be1506dc2ca10e4f5a0331826"),
	(Kernel::Lut, "f0107b1953fbc2e2ee11a262522c5884489ba337c13f6de99ad6f1b183dcb875"),
	(Kernel::Add, "a551b68ac2495f9d81b433bafc5180ab75c5d84275fca23e87607740a864106d"),
	(Kernel::Sub, "97833fa920d26b8d5af56624577a1b72333f0edce1f1b87adc814e7b669a7626"),
	(Kernel::Mul, "084d7aa5a76f604b8679305b508eeee17870bae8e428c4b40f4e8e75b8696607"),
	(Kernel::Max, "f302c8d3f7fd5fc83b589d033f448c77decf7647b81b7f3aba70a3134a9366b4"),
	(Kernel::Min, "273a4ba14db23ecbbf4a47acbf7da9ff94f466b8d450954063ec05147fc681e5"),
	(Kernel::Clamp, "194b4dddcee6aad48fcc12d15e2e00a5f6531dc00c5cb42fd13cf3069073ad1e"),
	(Kernel::Shift, "38af70e1dc32cac17dc81cf5301eb2d02e71e9b88c4a3cabf8774fe210b79946"),
	(Kernel::Cast, "b63ed62809b06f51e7b572bcf2fba6787400683b6b11c97ede4016a29b10fbc9"),
	(Kernel::ReduceSum, "b1ab66e09affce7a514cae361221a75133867277a27d07cb6c593f603fd14319"),
	(Kernel::ReduceMax, "11091a15c1ce750194b3b2be889536196b9a01a503f9db151f797cde8d87fdae"),
	(Kernel::ArgMax, "93286cbed86bae15ba0402f69deed52d5f6aa8829396fc0fc247be1c5fb0f78e"),
];

/// The hash of what this device gives for a kernel's probes.
fn measure(backend: &mut GpuBackend, kernel: Kernel) -> Result<String> {
	let mut hasher = blake3::Hasher::new();
	let mut tickets = Vec::new();
	for probe in probes(kernel) {
		let (dtype, shape) = result(&probe);
		let values: Vec<_> = probe
			.operands
			.iter()
			.map(|(buffer, ..)| backend.import(buffer.clone()).map_err(internal))
			.collect::<Result<_>>()?;
		let operands: Vec<_> = values
			.iter()
			.zip(&probe.operands)
			.map(|(value, (_, shape, view))| Operand {
				value,
				shape: view.as_ref().map_or(*shape, |view| view.shape),
				affine: Affine::new(shape, view.as_ref()),
			})
			.collect();
		let value = backend.record(kernel, &probe.op, &operands, dtype, &shape)?;
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

/// Tests every kernel against `expected`. Error: the device is lost.
pub(crate) fn run(backend: &mut GpuBackend, expected: &[(Kernel, &str)]) -> Result<Outcome> {
	let mut failed = Vec::new();
	for (kernel, expected) in expected {
		let reason = match measure(backend, *kernel) {
			Ok(found) if found == *expected => continue,
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
	for (kernel, expected) in EXPECTED {
		part(expected);
		part(&kernel.source());
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
) -> Result<Outcome> {
	let key = key(info);
	if let Some(outcome) = cache.and_then(|folder| recall(folder, &key)) {
		return Ok(outcome);
	}
	let outcome = run(backend, EXPECTED)?;
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
		assert_eq!(run(&mut backend, &expected).unwrap(), Outcome::default());
		let requant = expected.iter_mut().find(|(kernel, _)| *kernel == Kernel::Requant).unwrap();
		requant.1 = "00";
		let outcome = run(&mut backend, &expected).unwrap();
		let kernels: Vec<Kernel> = outcome.failed.iter().map(FailedKernel::kernel).collect();
		assert_eq!(kernels, [Kernel::Requant]);
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
		assert_eq!(outcome.failed[0].kernel(), Kernel::Mul);
		std::fs::remove_dir_all(folder).unwrap();
	}

	#[test]
	fn expected_hashes_should_equal_the_definition_when_it_is_run_now() {
		let found: Vec<(Kernel, String)> =
			Kernel::ALL.iter().map(|kernel| (*kernel, definition(*kernel))).collect();
		for (kernel, hash) in &found {
			println!("\t(Kernel::{kernel:?}, \"{hash}\"),");
		}
		let expected: Vec<(Kernel, String)> =
			EXPECTED.iter().map(|(kernel, hash)| (*kernel, (*hash).to_owned())).collect();
		assert_eq!(found, expected);
	}
}
