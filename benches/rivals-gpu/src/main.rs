//! Times burn's operators on a wgpu adapter on demand: JSON lines, as `rivals/` has them, and the
//! only argument is a part of the adapter's name.
//!
//! Autotuning, compiling and the copies to the device are over before anything is timed.

use burn_tensor::{
	DType, Device, DeviceKind, Int, Tensor, TensorData,
	activation::softmax,
	module::layer_norm,
	quantization::QuantScheme,
	wgpu::{WgpuBackend, wgpu},
};
use std::{
	any::Any,
	io::{BufRead, Write},
	panic::{AssertUnwindSafe, catch_unwind},
	time::Instant,
};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The version in `Cargo.toml`.
const LIBRARY: &str = "burn 0.22.1";

/// The same numbers as in `assay-bench`: 0..=127, less `offset`.
fn values(count: usize, offset: f32) -> impl Iterator<Item = f32> {
	let value = |at: usize| (at as u32).wrapping_mul(2_654_435_761) >> 13 & 127;
	(0..count).map(move |at| value(at) as f32 - offset)
}

/// An operator that is ready to run; a run returns the sum of the result if asked to.
type Operator = Box<dyn FnMut(bool) -> Result<f64, Failure>>;

/// The adapters of Vulkan, Metal or Direct3D, as burn counts them: by kind.
fn find(name: &str) -> Result<(DeviceKind, WgpuBackend), Failure> {
	let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
	let adapters = block_on(instance.enumerate_adapters(wgpu::Backends::PRIMARY));
	let all: Vec<_> = adapters.iter().map(wgpu::Adapter::get_info).collect();
	let wanted = name.to_lowercase();
	let Some(at) = all.iter().position(|info| info.name.to_lowercase().contains(&wanted)) else {
		let names: Vec<_> = all.iter().map(|info| info.name.as_str()).collect();
		return Err(format!("no adapter is called {name:?}; there are {names:?}").into());
	};
	let info = &all[at];
	let same = |other: &&wgpu::AdapterInfo| {
		(other.device_type, other.backend) == (info.device_type, info.backend)
	};
	let index = all[..at].iter().filter(same).count();
	let kind = match info.device_type {
		wgpu::DeviceType::DiscreteGpu => DeviceKind::DiscreteGpu(index),
		wgpu::DeviceType::IntegratedGpu => DeviceKind::IntegratedGpu(index),
		wgpu::DeviceType::VirtualGpu => DeviceKind::VirtualGpu(index),
		wgpu::DeviceType::Cpu => DeviceKind::Cpu,
		wgpu::DeviceType::Other => DeviceKind::DefaultDevice,
	};
	let api = match info.backend {
		wgpu::Backend::Vulkan => WgpuBackend::Vulkan,
		wgpu::Backend::Metal => WgpuBackend::Metal,
		wgpu::Backend::Dx12 => WgpuBackend::Dx12,
		other => return Err(format!("burn is not asked to run on {other:?}").into()),
	};
	Ok((kind, api))
}

/// wgpu's futures of native adapters are ready at once.
fn block_on<T>(future: impl Future<Output = T>) -> T {
	let mut future = std::pin::pin!(future);
	let mut context = std::task::Context::from_waker(std::task::Waker::noop());
	loop {
		if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut context) {
			return value;
		}
		std::thread::yield_now();
	}
}

fn floats<const D: usize>(
	device: &Device,
	dtype: DType,
	shape: [usize; D],
	values: impl Iterator<Item = f32>,
) -> Tensor<D> {
	let data = TensorData::new(values.collect::<Vec<f32>>(), shape);
	Tensor::from_data(data, (device, dtype))
}

/// `operator` handed to the device whenever it is called: fusion would drop results that nobody
/// reads, and join several runs.
fn run<const D: usize>(
	device: &Device,
	operator: impl Fn() -> Tensor<D> + 'static,
	scale: f64,
) -> Operator {
	let device = device.clone();
	Box::new(move |sum| {
		let out = operator();
		if !sum {
			device.flush()?;
			return Ok(0.0);
		}
		let out: Vec<f32> = out.dequantize().try_into_vec_as()?;
		Ok(out.into_iter().map(f64::from).sum::<f64>() * scale)
	})
}

/// `m × k` by `k × n`. Fractions, so that 16 bits hold the sums; the right operand is `n × k` as it
/// is stored, like the engine's.
fn product(device: &Device, ty: &str, [m, k, n]: [usize; 3]) -> Result<Operator, Failure> {
	if ty == "i32" {
		let ints = |shape: [usize; 2], offset| {
			let values: Vec<i32> =
				values(shape[0] * shape[1], offset).map(|value| value as i32).collect();
			Tensor::<2, Int>::from_data(TensorData::new(values, shape), (device, DType::I32))
		};
		let (a, b) = (ints([m, k], 0.0), ints([n, k], 64.0).transpose());
		let device = device.clone();
		return Ok(Box::new(move |sum| {
			let out = a.clone().matmul(b.clone());
			if !sum {
				device.flush()?;
				return Ok(0.0);
			}
			let out: Vec<i32> = out.try_into_vec_as()?;
			Ok(out.into_iter().map(f64::from).sum())
		}));
	}
	let dtype = float(ty)?;
	let fraction = |value: f32| value / 128.0;
	let a = floats(device, dtype, [m, k], values(m * k, 0.0).map(fraction));
	let b = floats(device, dtype, [n, k], values(n * k, 64.0).map(fraction));
	let (a, b) = match ty {
		"q8" => {
			let scheme = QuantScheme::default();
			// Blocks and packing are along the rows as they are stored.
			(a.quantize_dynamic(&scheme), b.quantize_dynamic(&scheme).transpose())
		}
		_ => (a, b.transpose()),
	};
	Ok(run(device, move || a.clone().matmul(b.clone()), 128.0 * 128.0))
}

fn float(ty: &str) -> Result<DType, Failure> {
	match ty {
		"f32" | "q8" => Ok(DType::F32),
		"f16" => Ok(DType::F16),
		_ => {
			Err(format!("no type {ty:?}: there are f32, f16 and, for products, i32 and q8").into())
		}
	}
}

/// An operator on `rows × columns`.
fn by_row(device: &Device, name: &str, ty: &str, shape: [usize; 2]) -> Result<Operator, Failure> {
	let dtype = float(ty)?;
	let [rows, columns] = shape;
	let x = floats(device, dtype, shape, values(rows * columns, 64.0).map(|value| value / 16.0));
	let y = floats(device, dtype, shape, values(rows * columns, 0.0).map(|value| value / 16.0));
	Ok(match name {
		"add" => run(device, move || x.clone() + y.clone(), 16.0),
		"mul" => run(device, move || x.clone() * y.clone(), 256.0),
		"softmax" => run(device, move || softmax(x.clone(), 1), 1.0),
		"norm" => {
			let gamma = floats(device, dtype, [columns], (0..columns).map(|_| 1.0));
			let beta = floats(device, dtype, [columns], (0..columns).map(|_| 1.0));
			run(device, move || layer_norm(x.clone(), gamma.clone(), Some(beta.clone()), 1e-5), 1.0)
		}
		_ => return Err(format!("no operator {name:?}").into()),
	})
}

fn prepare(device: &Device, request: &serde_json::Value) -> Result<(Operator, f64), Failure> {
	let number = |name: &str| request[name].as_u64().unwrap_or(0) as usize;
	let ty = request["type"].as_str().unwrap_or("f32");
	let needed = match ty {
		"i32" => DType::I32,
		_ => float(ty)?,
	};
	if !device.supports_dtype(needed) {
		return Err(format!("burn has no {ty} on this adapter").into());
	}
	let mut operator = match request["operator"].as_str().unwrap_or_default() {
		"product" => product(device, ty, [number("m"), number("k"), number("n")])?,
		name => by_row(device, name, ty, [number("rows"), number("columns")])?,
	};
	let checksum = operator(true)?;
	// The same without reading back, tuned on its own.
	for _ in 0..3 {
		operator(false)?;
	}
	device.sync()?;
	Ok((operator, checksum))
}

/// What a panic said: burn has no errors for kernels that do not run.
fn said(panic: &(dyn Any + Send)) -> String {
	let text = panic.downcast_ref::<String>().map(String::as_str);
	text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").into()
}

fn caught<T>(f: impl FnOnce() -> Result<T, Failure>) -> Result<T, String> {
	match catch_unwind(AssertUnwindSafe(f)) {
		Ok(result) => result.map_err(|error| error.to_string()),
		Err(panic) => Err(said(&*panic)),
	}
}

fn time(device: &Device, operator: &mut Operator, count: u64) -> Result<f64, Failure> {
	device.sync()?;
	let start = Instant::now();
	for _ in 0..count {
		operator(false)?;
	}
	device.sync()?;
	Ok(start.elapsed().as_secs_f64() / count as f64)
}

fn main() -> Result<(), Failure> {
	let name = std::env::args().nth(1).ok_or("name an adapter")?;
	let opened = caught(|| {
		let (kind, api) = find(&name)?;
		Ok(Device::wgpu_options().device_kind(kind).graphics_api(api).init_with_setup()?)
	});
	let mut operator: Option<Operator> = None;
	for line in std::io::stdin().lock().lines() {
		let request: serde_json::Value = serde_json::from_str(&line?)?;
		let answer = opened.as_ref().map_err(Clone::clone).and_then(|(device, setup)| {
			if request.get("describe").is_some() {
				let info = setup.adapter.get_info();
				// WGSL alone has burn's flexible float; SPIR-V has the narrow types.
				let compiler = if device.supports_dtype(DType::Flex32) { "WGSL" } else { "SPIR-V" };
				return Ok(serde_json::json!({
					"library": LIBRARY,
					"adapter": info.name,
					"driver": format!("{} {}", info.driver, info.driver_info).trim(),
					"compiler": compiler,
				}));
			}
			if request.get("operator").is_some() {
				operator = None;
				let (made, checksum) = caught(|| prepare(device, &request))?;
				operator = Some(made);
				return Ok(serde_json::json!({ "checksum": checksum }));
			}
			let Some(operator) = operator.as_mut() else {
				return Err("nothing is prepared: ask for an operator first".into());
			};
			let count = request["run"].as_u64().unwrap_or(1).max(1);
			let seconds = caught(|| time(device, operator, count))?;
			Ok(serde_json::json!({ "seconds": seconds }))
		});
		let answer = answer.unwrap_or_else(|error| serde_json::json!({ "error": error }));
		println!("{answer}");
		std::io::stdout().flush()?;
	}
	Ok(())
}
