//! The wgpu device: adapters, buffers, pipelines and command recording, with every failure a value.
//!
//! Commands are recorded into one encoder and submitted when a result is wanted, when the slots for
//! kernel arguments run out, or when enough work has piled up. Buffers come from a pool; handing
//! one out again needs no waiting, because commands of one queue run in order and wgpu orders
//! accesses to a buffer. Uploads therefore never go to a pooled buffer: a queue write would
//! overtake recorded commands that still read it.

use crate::shader::Shader;
use assay_exec::DeviceFault;
use std::{
	collections::HashMap,
	sync::{mpsc, Arc, Mutex, MutexGuard, PoisonError},
};

/// What went wrong on a device.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{fault}: {text}")]
pub struct DeviceError {
	/// The kind, for decisions.
	pub fault: DeviceFault,
	/// The driver's words, for people.
	pub text: String,
}

impl DeviceError {
	pub(crate) fn new(fault: DeviceFault, text: impl ToString) -> Self {
		Self { fault, text: text.to_string() }
	}
}

impl From<wgpu::Error> for DeviceError {
	fn from(error: wgpu::Error) -> Self {
		let fault = match error {
			wgpu::Error::OutOfMemory { .. } => DeviceFault::OutOfMemory,
			wgpu::Error::Validation { .. } => DeviceFault::Validation,
			wgpu::Error::Internal { .. } => DeviceFault::Internal,
		};
		Self::new(fault, error)
	}
}

/// A lock whose holder cannot have left anything half-done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
	mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Every adapter that the Vulkan loader knows, with the instance that owns them. Empty where there
/// is no loader or no driver.
pub(crate) fn enumerate() -> Vec<wgpu::Adapter> {
	let mut description = wgpu::InstanceDescriptor::new_without_display_handle();
	description.backends = wgpu::Backends::PRIMARY;
	description.flags = wgpu::InstanceFlags::empty();
	let instance = wgpu::Instance::new(description);
	pollster::block_on(instance.enumerate_adapters(wgpu::Backends::PRIMARY))
}

/// Free buffers by size class.
#[derive(Default)]
struct Pool {
	free: HashMap<u64, Vec<wgpu::Buffer>>,
}

struct Lease {
	buffer: Option<wgpu::Buffer>,
	class: u64,
	/// The pool that it returns to; none for an upload, which no allocation has made room for.
	home: Option<Arc<Mutex<Pool>>>,
}

impl Drop for Lease {
	fn drop(&mut self) {
		if let (Some(buffer), Some(home)) = (self.buffer.take(), &self.home) {
			lock(home).free.entry(self.class).or_default().push(buffer);
		}
	}
}

/// A buffer of u32 words, back in its pool when its last holder drops it.
#[derive(Clone)]
pub(crate) struct Storage(Arc<Lease>);

impl Storage {
	fn buffer(&self) -> &wgpu::Buffer {
		self.0.buffer.as_ref().expect("a lease gives up its buffer only when it is dropped; qed")
	}
}

/// A copy on its way to the host.
pub(crate) struct Download {
	buffer: wgpu::Buffer,
	bytes: u64,
	submission: wgpu::SubmissionIndex,
	mapped: mpsc::Receiver<Result<(), wgpu::BufferAsyncError>>,
}

/// Slots for kernel arguments between two submissions.
const SLOTS: usize = 128;
/// Bytes of a slot: 64 words, and the largest alignment that an adapter asks for.
const SLOT_BYTES: usize = 256;
/// Work units (see [`assay_ops`]) after which commands are submitted, so that a watchdog of the
/// driver never sees minutes of work in one piece.
const SUBMIT_WORK: u64 = 1 << 34;

/// Arguments of one dispatch, in words.
pub(crate) type Arguments = [u32; SLOT_BYTES / 4];

/// Loop iterations of one invocation that a software adapter finishes. lavapipe ends an invocation
/// without a word after 65,535, over all of its loops (`LP_MAX_TGSI_LOOP_ITERATIONS` of Mesa).
const SOFTWARE_ITERATIONS: u64 = 65_000;
/// The same of any other adapter: seconds, after which a driver's watchdog may step in.
const ITERATIONS: u64 = 1 << 22;

pub(crate) struct Device {
	device: wgpu::Device,
	queue: wgpu::Queue,
	limits: wgpu::Limits,
	/// First error that no scope caught, or the loss of the device. Final.
	fault: Arc<Mutex<Option<DeviceError>>>,
	layouts: HashMap<usize, (wgpu::BindGroupLayout, wgpu::PipelineLayout)>,
	/// By the name of their shader.
	pipelines: HashMap<&'static str, wgpu::ComputePipeline>,
	pool: Arc<Mutex<Pool>>,
	/// Tables that are on the device for good, by where they are on the host.
	tables: HashMap<usize, Storage>,
	arguments: wgpu::Buffer,
	written: Vec<u8>,
	encoder: Option<wgpu::CommandEncoder>,
	recorded: u64,
	transfers: Transfers,
	/// Loop iterations that one invocation may take.
	iterations: u64,
}

/// What has gone to a device and come back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transfers {
	/// Tensors and tables that were copied to the device.
	pub uploads: u64,
	/// Their bytes.
	pub uploaded: u64,
	/// Tensors and roots that were read back.
	pub readbacks: u64,
	/// Their bytes.
	pub read: u64,
}

impl Device {
	/// Opens an adapter with all of its own limits.
	pub(crate) fn open(adapter: &wgpu::Adapter) -> Result<Self, DeviceError> {
		let limits = adapter.limits();
		if limits.max_storage_buffers_per_shader_stage < 6
			|| limits.max_compute_invocations_per_workgroup < 256
			|| limits.min_storage_buffer_offset_alignment > SLOT_BYTES as u32
		{
			return Err(DeviceError::new(
				DeviceFault::Limits,
				"the adapter cannot run the kernels",
			));
		}
		let description = wgpu::DeviceDescriptor {
			label: Some("assay"),
			required_limits: limits.clone(),
			memory_hints: wgpu::MemoryHints::Performance,
			..Default::default()
		};
		let software = adapter.get_info().device_type == wgpu::DeviceType::Cpu;
		let (device, queue) = pollster::block_on(adapter.request_device(&description))
			.map_err(|error| DeviceError::new(DeviceFault::Lost, error))?;
		let fault = Arc::new(Mutex::new(None));
		let uncaught = fault.clone();
		device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
			lock(&uncaught).get_or_insert(error.into());
		}));
		let lost = fault.clone();
		device.set_device_lost_callback(move |reason, text| {
			if reason != wgpu::DeviceLostReason::Destroyed {
				let error = DeviceError::new(DeviceFault::Lost, format!("{reason:?}: {text}"));
				lock(&lost).get_or_insert(error);
			}
		});
		let arguments = device.create_buffer(&wgpu::BufferDescriptor {
			label: Some("arguments"),
			size: (SLOTS * SLOT_BYTES) as u64,
			usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST,
			mapped_at_creation: false,
		});
		let this = Self {
			device,
			queue,
			limits,
			fault,
			layouts: HashMap::new(),
			pipelines: HashMap::new(),
			pool: Arc::default(),
			tables: HashMap::new(),
			arguments,
			written: Vec::with_capacity(SLOTS * SLOT_BYTES),
			encoder: None,
			recorded: 0,
			transfers: Transfers::default(),
			iterations: if software { SOFTWARE_ITERATIONS } else { ITERATIONS },
		};
		this.healthy()?;
		Ok(this)
	}

	/// The device's final fault, if it has one.
	pub(crate) fn healthy(&self) -> Result<(), DeviceError> {
		lock(&self.fault).clone().map_or(Ok(()), Err)
	}

	/// Gives the device up.
	pub(crate) fn condemn(&self, error: DeviceError) {
		lock(&self.fault).get_or_insert(error);
	}

	/// Forgets what was recorded, after an error in the middle of a run.
	pub(crate) fn discard(&mut self) {
		self.encoder = None;
		self.written.clear();
		self.recorded = 0;
	}

	/// Gives all free buffers back to the driver.
	pub(crate) fn trim(&mut self) {
		lock(&self.pool).free.clear();
	}

	/// Runs `f` with all errors of wgpu caught.
	fn scoped<T>(
		&mut self,
		f: impl FnOnce(&mut Self) -> Result<T, DeviceError>,
	) -> Result<T, DeviceError> {
		self.healthy()?;
		let scopes = [
			wgpu::ErrorFilter::Internal,
			wgpu::ErrorFilter::OutOfMemory,
			wgpu::ErrorFilter::Validation,
		]
		.map(|filter| self.device.push_error_scope(filter));
		let result = f(self);
		let mut caught = None;
		for scope in scopes.into_iter().rev() {
			if let Some(error) = pollster::block_on(scope.pop()) {
				caught.get_or_insert(error);
			}
		}
		// Running out of memory makes later uses of the buffer invalid: the cause comes first.
		match caught {
			Some(error) => Err(error.into()),
			None => self.healthy().and(result),
		}
	}

	/// Lowers the device's limits, for tests.
	pub(crate) fn constrain(&mut self, bytes: u64, workgroups: u32) {
		self.limits.max_storage_buffer_binding_size = bytes;
		self.limits.max_compute_workgroups_per_dimension = workgroups;
	}

	/// What has been uploaded and read back so far.
	pub(crate) fn transfers(&self) -> Transfers {
		self.transfers
	}

	/// Words of a buffer that surely [`Self::fits`].
	pub(crate) fn roomy(&self) -> u64 {
		// Rounding up to a class adds at most a quarter.
		self.limits.max_buffer_size.min(self.limits.max_storage_buffer_binding_size) / 8
	}

	/// Whether one invocation may take so many loop iterations. Error: it may not.
	pub(crate) fn endures(&self, iterations: u64) -> Result<(), DeviceError> {
		if iterations <= self.iterations {
			return Ok(());
		}
		let text = format!("{iterations} iterations are more than an invocation may take here");
		Err(DeviceError::new(DeviceFault::Limits, text))
	}

	/// Whether a tensor of so many bytes can be on this device.
	pub(crate) fn fits(&self, bytes: u64) -> bool {
		let bytes = class_of(bytes);
		bytes <= self.limits.max_buffer_size && bytes <= self.limits.max_storage_buffer_binding_size
	}

	/// A buffer of at least so many words; what it holds is undefined.
	pub(crate) fn allocate(&mut self, words: u64) -> Result<Storage, DeviceError> {
		let class = class_of(words * 4);
		if !self.fits(words * 4) {
			let text = format!("{} bytes are more than a buffer of this device holds", words * 4);
			return Err(DeviceError::new(DeviceFault::Limits, text));
		}
		let free = lock(&self.pool).free.get_mut(&class).and_then(Vec::pop);
		let buffer = match free {
			Some(buffer) => buffer,
			None => self.with_room(|this| this.scoped(|this| Ok(this.create(class, false))))?,
		};
		Ok(Storage(Arc::new(Lease { buffer: Some(buffer), class, home: Some(self.pool.clone()) })))
	}

	/// Runs `f`; if the device is out of memory, once more without the pool's free buffers.
	fn with_room<T>(
		&mut self,
		f: impl Fn(&mut Self) -> Result<T, DeviceError>,
	) -> Result<T, DeviceError> {
		match f(self) {
			Err(error) if error.fault == DeviceFault::OutOfMemory => {
				// What is freed here is still in use by commands that are recorded or under way.
				let submission = self.submit()?;
				self.trim();
				self.wait(submission)?;
				f(self)
			}
			other => other,
		}
	}

	fn create(&self, size: u64, mapped_at_creation: bool) -> wgpu::Buffer {
		self.device.create_buffer(&wgpu::BufferDescriptor {
			label: Some("tensor"),
			size,
			usage: wgpu::BufferUsages::STORAGE
				| wgpu::BufferUsages::COPY_SRC
				| wgpu::BufferUsages::COPY_DST,
			mapped_at_creation,
		})
	}

	/// A buffer that holds `bytes`.
	pub(crate) fn upload(&mut self, bytes: &[u8]) -> Result<Storage, DeviceError> {
		let class = class_of(bytes.len() as u64);
		if !self.fits(bytes.len() as u64) {
			let text = format!("{} bytes are more than a buffer of this device holds", bytes.len());
			return Err(DeviceError::new(DeviceFault::Limits, text));
		}
		let fill = |this: &mut Self| {
			let buffer = this.create(class, true);
			let mut view = buffer
				.get_mapped_range_mut(..)
				.map_err(|error| DeviceError::new(DeviceFault::OutOfMemory, error))?;
			view.slice(..bytes.len()).copy_from_slice(bytes);
			drop(view);
			buffer.unmap();
			Ok(buffer)
		};
		let buffer = self.with_room(|this| this.scoped(fill))?;
		self.transfers.uploads += 1;
		self.transfers.uploaded += bytes.len() as u64;
		Ok(Storage(Arc::new(Lease { buffer: Some(buffer), class, home: None })))
	}

	/// A buffer that holds a table, uploaded when it is first asked for.
	pub(crate) fn table(&mut self, words: &'static [u32]) -> Result<Storage, DeviceError> {
		let key = words.as_ptr() as usize;
		if let Some(storage) = self.tables.get(&key) {
			return Ok(storage.clone());
		}
		let storage = self.upload(bytemuck::cast_slice(words))?;
		self.tables.insert(key, storage.clone());
		Ok(storage)
	}

	/// Records that a buffer is filled with zeros.
	pub(crate) fn clear(&mut self, storage: &Storage) -> Result<(), DeviceError> {
		self.scoped(|this| {
			this.encoder().clear_buffer(storage.buffer(), 0, None);
			Ok(())
		})
	}

	/// Records a copy of the first `bytes` of a buffer to the host and submits all that is
	/// recorded.
	pub(crate) fn download(
		&mut self,
		storage: &Storage,
		bytes: u64,
	) -> Result<Download, DeviceError> {
		let size = bytes.next_multiple_of(4);
		let buffer = self.scoped(|this| {
			let buffer = this.device.create_buffer(&wgpu::BufferDescriptor {
				label: Some("download"),
				size,
				usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
				mapped_at_creation: false,
			});
			this.encoder().copy_buffer_to_buffer(storage.buffer(), 0, &buffer, 0, size);
			Ok(buffer)
		})?;
		let submission = self.submit()?;
		let (sender, mapped) = mpsc::channel();
		self.scoped(|_| {
			buffer.map_async(wgpu::MapMode::Read, .., move |result| {
				// The receiver may be gone: then nobody waits for this copy.
				let _ = sender.send(result);
			});
			Ok(())
		})?;
		self.transfers.readbacks += 1;
		self.transfers.read += bytes;
		Ok(Download { buffer, bytes, submission, mapped })
	}

	/// Waits for a copy.
	pub(crate) fn collect(&mut self, download: Download) -> Result<Vec<u8>, DeviceError> {
		let Download { buffer, bytes, submission, mapped } = download;
		self.scoped(|this| {
			let lost = |text: String| DeviceError::new(DeviceFault::Lost, text);
			this.wait(submission)?;
			match mapped.try_recv() {
				Ok(Ok(())) => {}
				Ok(Err(error)) => return Err(lost(error.to_string())),
				Err(_) => return Err(lost("a copy to the host never finished".into())),
			}
			let view = buffer
				.get_mapped_range(..)
				.map_err(|error| DeviceError::new(DeviceFault::Internal, error))?;
			let copied = view[..bytes as usize].to_vec();
			drop(view);
			buffer.unmap();
			Ok(copied)
		})
	}

	/// Records one shader over `groups` workgroups. `buffers` are the result and then the operands.
	pub(crate) fn dispatch(
		&mut self,
		shader: impl Into<Shader>,
		arguments: &Arguments,
		buffers: &[&Storage],
		groups: u64,
		work: u64,
	) -> Result<(), DeviceError> {
		let shader = shader.into();
		let limit = u64::from(self.limits.max_compute_workgroups_per_dimension);
		let across = groups.min(limit);
		let down = if across == 0 { 0 } else { groups.div_ceil(across) };
		if down > limit {
			let text = format!("{groups} workgroups are more than this device dispatches at once");
			return Err(DeviceError::new(DeviceFault::Limits, text));
		}
		if groups == 0 {
			return Ok(());
		}
		if self.written.len() == SLOTS * SLOT_BYTES || self.recorded >= SUBMIT_WORK {
			self.submit()?;
		}
		let compiled = self.pipelines.contains_key(shader.name);
		let result = self.scoped(|this| {
			this.prepare(shader, buffers.len());
			let offset = this.written.len() as u32;
			this.written.extend_from_slice(bytemuck::cast_slice(arguments));
			this.recorded = this.recorded.saturating_add(work);
			let slot = wgpu::BufferBinding {
				buffer: &this.arguments,
				offset: 0,
				size: core::num::NonZeroU64::new(SLOT_BYTES as u64),
			};
			let mut entries = vec![wgpu::BindGroupEntry {
				binding: 0,
				resource: wgpu::BindingResource::Buffer(slot),
			}];
			entries.extend(buffers.iter().zip(1..).map(|(storage, binding)| {
				wgpu::BindGroupEntry { binding, resource: storage.buffer().as_entire_binding() }
			}));
			let group = this.device.create_bind_group(&wgpu::BindGroupDescriptor {
				label: None,
				layout: &this.layouts[&buffers.len()].0,
				entries: &entries,
			});
			let pipeline = this.pipelines[shader.name].clone();
			let mut pass = this.encoder().begin_compute_pass(&Default::default());
			pass.set_pipeline(&pipeline);
			pass.set_bind_group(0, &group, &[offset]);
			pass.dispatch_workgroups(across as u32, down as u32, 1);
			Ok(())
		});
		if result.is_err() && !compiled {
			// It may have failed for want of memory, which can pass.
			self.pipelines.remove(shader.name);
		}
		result
	}

	/// Compiles a shader if that has not been done yet.
	fn prepare(&mut self, shader: Shader, buffers: usize) {
		let device = &self.device;
		let (_, layout) = self.layouts.entry(buffers).or_insert_with(|| layout(device, buffers));
		if self.pipelines.contains_key(shader.name) {
			return;
		}
		let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
			label: Some(shader.name),
			source: wgpu::ShaderSource::Wgsl(shader.source().into()),
		});
		let constants: Vec<(&str, f64)> =
			shader.variant.map(|variant| ("OP", f64::from(variant))).into_iter().collect();
		let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
			label: Some(shader.name),
			layout: Some(layout),
			module: &module,
			entry_point: Some("main"),
			compilation_options: wgpu::PipelineCompilationOptions {
				constants: &constants,
				// Every kernel writes its workgroup memory before it reads it.
				zero_initialize_workgroup_memory: false,
			},
			cache: None,
		});
		self.pipelines.insert(shader.name, pipeline);
	}

	fn encoder(&mut self) -> &mut wgpu::CommandEncoder {
		let device = &self.device;
		self.encoder.get_or_insert_with(|| device.create_command_encoder(&Default::default()))
	}

	/// Waits until a submission and all before it are done.
	fn wait(&self, submission: wgpu::SubmissionIndex) -> Result<(), DeviceError> {
		let wait = wgpu::PollType::Wait { submission_index: Some(submission), timeout: None };
		self.device.poll(wait).map(drop).map_err(|error| DeviceError::new(DeviceFault::Lost, error))
	}

	/// Hands what is recorded to the device, and waits until it and all before it are done.
	pub(crate) fn finish(&mut self) -> Result<(), DeviceError> {
		let submission = self.submit()?;
		self.wait(submission)?;
		self.healthy()
	}

	/// Hands what is recorded to the device.
	pub(crate) fn submit(&mut self) -> Result<wgpu::SubmissionIndex, DeviceError> {
		self.scoped(|this| {
			if !this.written.is_empty() {
				this.queue.write_buffer(&this.arguments, 0, &this.written);
				this.written.clear();
			}
			this.recorded = 0;
			Ok(this.queue.submit(this.encoder.take().map(wgpu::CommandEncoder::finish)))
		})
	}
}

/// Sizes are rounded up to eighths of a power of two, so that near sizes share buffers.
fn class_of(bytes: u64) -> u64 {
	let step = (bytes.max(1).next_power_of_two() / 8).max(1024);
	bytes.max(1).next_multiple_of(step)
}

fn layout(device: &wgpu::Device, buffers: usize) -> (wgpu::BindGroupLayout, wgpu::PipelineLayout) {
	let entries: Vec<_> = (0..=buffers)
		.map(|binding| wgpu::BindGroupLayoutEntry {
			binding: binding as u32,
			visibility: wgpu::ShaderStages::COMPUTE,
			ty: wgpu::BindingType::Buffer {
				ty: wgpu::BufferBindingType::Storage { read_only: binding != 1 },
				has_dynamic_offset: binding == 0,
				min_binding_size: None,
			},
			count: None,
		})
		.collect();
	let group = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
		label: None,
		entries: &entries,
	});
	let pipeline = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
		label: None,
		bind_group_layouts: &[Some(&group)],
		immediate_size: 0,
	});
	(group, pipeline)
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::ElementwiseKernel;

	#[test]
	fn device_should_name_the_fault_and_go_on_when_a_command_is_refused() {
		let adapters = enumerate();
		let adapter = adapters.first().expect("tests need an adapter; lavapipe will do");
		let mut device = Device::open(adapter).unwrap();
		let three = device.upload(bytemuck::cast_slice(&[1u32, 2, 3])).unwrap();
		let result = device.allocate(3).unwrap();
		let mut arguments = [0; 64];
		// Three i32: rank 1, from element 0, three of them, one apart.
		arguments[..5].copy_from_slice(&[3, 3, 2, 2, 2]);
		arguments[8..11].copy_from_slice(&[1, 0, 3]);
		arguments[16] = 1;
		arguments.copy_within(8..22, 24);
		// The kernel takes two operands.
		let error =
			device.dispatch(ElementwiseKernel::Add, &arguments, &[&result], 1, 1).unwrap_err();
		assert_eq!(error.fault, DeviceFault::Validation, "{error}");
		device.discard();
		let error = device.allocate(1 << 60).err().unwrap();
		assert_eq!(error.fault, DeviceFault::Limits);

		device
			.dispatch(ElementwiseKernel::Add, &arguments, &[&result, &three, &three], 1, 1)
			.unwrap();
		let download = device.download(&result, 12).unwrap();
		let sums = device.collect(download).unwrap();
		assert_eq!(bytemuck::pod_read_unaligned::<[u32; 3]>(&sums), [2, 4, 6]);
	}
}
