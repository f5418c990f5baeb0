use crate::{
	backend::GpuBackend,
	device::{Device, DeviceError, Transfers},
	self_test, AdapterInfo, DeviceKind, DeviceReport,
};
use assay_exec::{
	execute, Audit, DeviceFault, ExecError, Executor, Observer, Options, Resident, Run, Work,
};
use std::{
	panic::{catch_unwind, AssertUnwindSafe},
	path::Path,
};

/// Runs programs on one adapter. Tensors stay on the device between nodes; outputs and what is to
/// be kept are read back, and of all other anchors the roots.
pub struct GpuExecutor {
	backend: GpuBackend,
	report: DeviceReport,
	audit: Option<Audit>,
}

impl GpuExecutor {
	/// Opens an adapter by its position in [`crate::adapters`] and tests its kernels, or recalls
	/// the test's result from `cache`, a folder that is made if need be.
	///
	/// Errors: no such adapter, or the device cannot be opened or was lost in the test. A kernel
	/// that fails its test is no error: it is listed in the report, and its operators run on the
	/// CPU.
	pub fn open(index: usize, cache: Option<&Path>) -> Result<Self, DeviceError> {
		let adapters = crate::device::enumerate();
		let adapter = adapters.get(index).ok_or_else(|| {
			let text = format!("there are {} adapters, none is number {index}", adapters.len());
			DeviceError::new(DeviceFault::Missing, text)
		})?;
		let info = AdapterInfo::new(index, &adapter.get_info());
		let mut backend = guarded(|| Device::open(adapter).map(GpuBackend::new))?;
		let outcome = guarded(|| self_test::recall_or_run(&mut backend, &info, cache))?;
		backend.disabled = outcome.failed.iter().map(|failure| failure.kernel()).collect();
		for failure in &outcome.failed {
			log::warn!("{}: kernel {} is off: {}", info.name, failure.name, failure.reason);
		}
		let report = DeviceReport {
			name: info.name,
			backend: info.backend,
			driver: info.driver,
			kind: DeviceKind::Gpu,
			disabled_kernels: outcome.failed,
			self_test_cached: outcome.cached,
			fallback: None,
		};
		Ok(Self { backend, report, audit: None })
	}

	/// What was opened and which kernels are off.
	pub fn report(&self) -> &DeviceReport {
		&self.report
	}

	/// What has gone to the device and come back since it was opened, the self-test included.
	pub fn transfers(&self) -> Transfers {
		self.backend.device.transfers()
	}

	/// Operators that ran on the CPU since the executor was opened, for want of room or because
	/// their kernel is off.
	pub fn operators_on_cpu(&self) -> u64 {
		self.backend.on_cpu
	}

	/// Treats the device as smaller: the largest tensor in bytes, and the most workgroups in one
	/// dimension of a dispatch.
	#[doc(hidden)]
	pub fn constrain(&mut self, bytes: u64, workgroups: u32) {
		self.backend.device.constrain(bytes, workgroups);
	}

	/// Has the device lost, as far as this executor knows.
	#[doc(hidden)]
	pub fn lose(&mut self) {
		self.backend.device.condemn(DeviceError::new(DeviceFault::Lost, "given up"));
	}

	/// Turns a kernel off, as a failed self-test does.
	#[doc(hidden)]
	pub fn disable(&mut self, kernel: crate::Kernel) {
		self.backend.disabled.insert(kernel);
	}
}

impl GpuExecutor {
	/// Does something with the device, and leaves it ready for the next one.
	pub(crate) fn guard<T>(
		&mut self,
		f: impl FnOnce(&mut GpuBackend) -> Result<T, ExecError>,
	) -> Result<T, ExecError> {
		self.backend.device.healthy()?;
		let backend = &mut self.backend;
		let result = catch_unwind(AssertUnwindSafe(|| f(backend)));
		let result = result.unwrap_or_else(|panic| {
			let error = panicked(&*panic);
			self.backend.device.condemn(error.clone());
			Err(error.into())
		});
		// What lies on a device that is gone is gone; and what nobody has any more is not coming
		// again.
		match result {
			Ok(_) => self.backend.resident.sweep(),
			Err(_) => self.backend.resident = Resident::default(),
		}
		self.backend.device.discard();
		self.backend.device.trim();
		result
	}
}

/// wgpu panics on some faults of drivers that it holds to be impossible; here they are the loss of
/// the device.
fn guarded<T>(f: impl FnOnce() -> Result<T, DeviceError>) -> Result<T, DeviceError> {
	catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|panic| Err(panicked(&*panic)))
}

fn panicked(panic: &(dyn core::any::Any + Send)) -> DeviceError {
	let text = panic
		.downcast_ref::<String>()
		.map(String::as_str)
		.or_else(|| panic.downcast_ref::<&str>().copied())
		.unwrap_or("the driver layer panicked");
	DeviceError::new(DeviceFault::Lost, text)
}

impl Executor for GpuExecutor {
	fn name(&self) -> String {
		format!("{} ({})", self.report.name, self.report.backend)
	}

	fn set_audit(&mut self, audit: Option<Audit>) {
		self.audit = audit;
	}

	fn run(
		&mut self,
		work: &Work<'_>,
		options: Options<'_>,
		observer: &mut dyn Observer,
	) -> Result<Run, ExecError> {
		let options = Options { audit: self.audit, ..options };
		self.guard(|backend| execute(backend, work, options, observer))
	}
}
