//! Operators on the device, with the CPU standing in for what the device cannot do.

use crate::{
	device::{Device, DeviceError, Download, Storage},
	kernels::{
		blake3, candidates, record, stored_in_words, words, Evaluation, Kernel, Outline,
		RootKernel, Seen,
	},
};
use assay_commitments::Hash;
use assay_exec::{
	Backend, Buffer, Call, CpuBackend, DeviceFault, ExecError, Operand, Resident, Tensor,
};
use assay_ops::{DType, TensorType};
use std::{
	collections::BTreeSet,
	sync::{Arc, OnceLock},
};

impl From<DeviceError> for ExecError {
	fn from(DeviceError { fault, text }: DeviceError) -> Self {
		Self::Device { fault, text }
	}
}

/// A tensor that is on the device, on the host or, once both have asked for it, on both.
pub(crate) struct GpuTensor {
	dtype: DType,
	len: u64,
	storage: OnceLock<Storage>,
	host: OnceLock<Arc<Buffer>>,
}

impl GpuTensor {
	fn on_device(dtype: DType, len: u64, storage: Storage) -> Arc<Self> {
		Arc::new(Self { dtype, len, storage: storage.into(), host: OnceLock::new() })
	}

	fn on_host(buffer: Arc<Buffer>) -> Arc<Self> {
		let (dtype, len) = (buffer.dtype(), buffer.len() as u64);
		Arc::new(Self { dtype, len, storage: OnceLock::new(), host: buffer.into() })
	}

	pub(crate) fn dtype(&self) -> DType {
		self.dtype
	}

	fn bytes(&self) -> u64 {
		self.len * self.dtype.size() as u64
	}
}

/// A tensor on its way to the host.
pub(crate) enum Ticket {
	Here(Arc<Buffer>),
	Coming { download: Download, dtype: DType },
	Root { download: Download },
}

/// A root where elements were asked for, or the other way round.
fn confused() -> ExecError {
	DeviceError::new(DeviceFault::Internal, "a ticket of another kind").into()
}

pub(crate) struct GpuBackend {
	pub(crate) device: Device,
	cpu: CpuBackend,
	/// Kernels that the self-test found wrong.
	pub(crate) disabled: BTreeSet<Kernel>,
	/// Operators that ran on the CPU so far.
	pub(crate) on_cpu: u64,
	/// Inputs that come again, with what is on the device of them.
	pub(crate) resident: Resident<Arc<GpuTensor>>,
}

impl GpuBackend {
	pub(crate) fn new(device: Device) -> Self {
		Self {
			device,
			cpu: CpuBackend::default(),
			disabled: BTreeSet::new(),
			on_cpu: 0,
			resident: Resident::default(),
		}
	}

	/// Whether everything that an operator touches can be on the device.
	fn fits(&self, call: &Call<'_, Arc<GpuTensor>>) -> bool {
		// What the kernels allocate beside these they are refused if it is too large.
		let result = if stored_in_words(call.op) { DType::I32 } else { call.dtype };
		self.device.fits(4 * words(result, call.shape.elements().into()))
			&& call.operands.iter().all(|operand| self.device.fits(operand.value.bytes()))
	}

	/// The tensor's storage; uploads it if it is not there yet.
	fn storage<'a>(&mut self, tensor: &'a GpuTensor) -> Result<&'a Storage, DeviceError> {
		if let Some(storage) = tensor.storage.get() {
			return Ok(storage);
		}
		let missing = || DeviceError::new(DeviceFault::Internal, "a tensor that is nowhere");
		let host = tensor.host.get().ok_or_else(missing)?;
		let storage = self.device.upload(host.bytes())?;
		Ok(tensor.storage.get_or_init(|| storage))
	}

	/// Records an operator with `kernel`, whatever the self-test said.
	pub(crate) fn record(
		&mut self,
		kernel: Kernel,
		call: &Call<'_, Arc<GpuTensor>>,
	) -> Result<Arc<GpuTensor>, DeviceError> {
		let mut seen = Vec::with_capacity(call.operands.len());
		for operand in call.operands {
			seen.push(Seen {
				storage: self.storage(operand.value)?,
				dtype: operand.value.dtype,
				shape: operand.shape,
				affine: operand.affine,
			});
		}
		let storage = record(&mut self.device, kernel, &Evaluation::new(call, &seen))?;
		let elements = u64::from(call.shape.elements());
		Ok(GpuTensor::on_device(call.dtype, elements, storage))
	}

	fn fetch(&mut self, tensor: &GpuTensor) -> Result<Arc<Buffer>, ExecError> {
		if let Some(host) = tensor.host.get() {
			return Ok(host.clone());
		}
		let ticket = self.ask(tensor)?;
		let buffer = self.collect(ticket)?;
		Ok(tensor.host.get_or_init(|| buffer).clone())
	}

	fn ask(&mut self, tensor: &GpuTensor) -> Result<Ticket, DeviceError> {
		if let Some(host) = tensor.host.get() {
			return Ok(Ticket::Here(host.clone()));
		}
		let storage = self.storage(tensor)?.clone();
		let download = self.device.download(&storage, tensor.bytes())?;
		Ok(Ticket::Coming { download, dtype: tensor.dtype })
	}

	/// Asks for the root of a tensor, which need not be on the device yet.
	pub(crate) fn root(
		&mut self,
		tensor: &GpuTensor,
		ty: &TensorType,
	) -> Result<Ticket, DeviceError> {
		let storage = self.storage(tensor)?.clone();
		let root = blake3::record(&mut self.device, &storage, ty)?;
		Ok(Ticket::Root { download: self.device.download(&root, 32)? })
	}

	/// Downloads the operands, computes on the CPU and leaves the result on the host.
	fn on_cpu(&mut self, call: &Call<'_, Arc<GpuTensor>>) -> Result<Arc<GpuTensor>, ExecError> {
		self.on_cpu += 1;
		let hosts =
			call.operands.iter().map(|o| self.fetch(o.value)).collect::<Result<Vec<_>, _>>()?;
		let operands: Vec<_> = call
			.operands
			.iter()
			.zip(&hosts)
			.map(|(o, value)| Operand { value, shape: o.shape, affine: o.affine })
			.collect();
		let &Call { op, dtype, shape, .. } = call;
		let call = Call { op, operands: &operands, dtype, shape };
		Ok(GpuTensor::on_host(Arc::new(self.cpu.evaluate(&call)?)))
	}
}

impl Backend for GpuBackend {
	type Value = Arc<GpuTensor>;
	type Ticket = Ticket;

	fn import(&mut self, buffer: Arc<Buffer>) -> Result<Self::Value, ExecError> {
		Ok(GpuTensor::on_host(buffer))
	}

	fn import_input(&mut self, tensor: &Tensor) -> Result<Self::Value, ExecError> {
		self.resident.value(tensor, |tensor| {
			Ok(GpuTensor::on_host(Arc::new(Buffer::from_canonical(&tensor.ty, &tensor.bytes))))
		})
	}

	fn apply(&mut self, call: &Call<'_, Self::Value>) -> Result<Self::Value, ExecError> {
		let outlines: Vec<_> = call
			.operands
			.iter()
			.map(|o| Outline { dtype: o.value.dtype, shape: o.shape, affine: o.affine })
			.collect();
		if !self.fits(call) {
			return self.on_cpu(call);
		}
		for way in candidates(call.op, &outlines) {
			if way.iter().any(|kernel| self.disabled.contains(kernel)) {
				continue;
			}
			let Some(kernel) = way.first() else { continue };
			match self.record(*kernel, call) {
				Ok(value) => return Ok(value),
				// More workgroups or memory than the device has, or more than the kernel counts:
				// perhaps not for another one.
				Err(error) if error.fault == DeviceFault::Limits => {}
				Err(error) => return Err(error.into()),
			}
		}
		self.on_cpu(call)
	}

	fn request(&mut self, value: &Self::Value) -> Result<Self::Ticket, ExecError> {
		Ok(self.ask(value)?)
	}

	fn request_root(
		&mut self,
		value: &Self::Value,
		ty: &TensorType,
	) -> Result<Option<Self::Ticket>, ExecError> {
		if value.storage.get().is_none()
			|| (value.dtype, value.len) != (ty.dtype, ty.elements().into())
			|| RootKernel::ALL.iter().any(|kernel| self.disabled.contains(&Kernel::Root(*kernel)))
		{
			return Ok(None);
		}
		match self.root(value, ty) {
			Ok(ticket) => Ok(Some(ticket)),
			Err(error) if error.fault == DeviceFault::Limits => Ok(None),
			Err(error) => Err(error.into()),
		}
	}

	fn collect_root(&mut self, ticket: Self::Ticket) -> Result<Hash, ExecError> {
		let Ticket::Root { download } = ticket else { return Err(confused()) };
		let bytes = self.device.collect(download)?;
		bytes.try_into().map_err(|_| confused())
	}

	fn collect(&mut self, ticket: Self::Ticket) -> Result<Arc<Buffer>, ExecError> {
		match ticket {
			Ticket::Here(buffer) => Ok(buffer),
			Ticket::Root { .. } => Err(confused()),
			Ticket::Coming { download, dtype } => {
				let bytes = self.device.collect(download)?;
				Ok(Arc::new(Buffer::from_bytes(dtype, &bytes)))
			}
		}
	}
}
