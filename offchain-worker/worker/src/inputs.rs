//! Input files, read and checked.

use crate::{fault::Fault, link::Link};
use assay_exec::Tensor;
use assay_program::{Program, State};
use assay_worker_protocol::{Hash, InputFile, JobFault, LocalFaultKind, Stage};
use std::{
	fs::File,
	io::{self, Read},
	iter,
	path::Path,
	sync::Arc,
};

/// Reads every input and checks its root, then its length.
///
/// Bytes that do not have the stated root are a fault of this machine, for they are not the job's
/// input. Bytes that have it but are not as long as the program says are a fault of the job.
pub fn load(
	program: &Program,
	files: &[InputFile],
	dir: &Path,
	link: &Link,
) -> Result<Vec<Tensor>, Fault> {
	if files.len() != program.inputs.len() {
		let (expected, found) = (program.inputs.len() as u32, files.len() as u32);
		return Err(Fault::Job(JobFault::InputCount { expected, found }));
	}
	let total = program.inputs.iter().map(|input| input.ty.canonical_len()).sum();
	let mut done = 0;
	let mut tensors = Vec::with_capacity(files.len());
	for (index, (input, file)) in program.inputs.iter().zip(files).enumerate() {
		link.progress(Stage::Loading, done, total);
		let expected = input.ty.canonical_len();
		let failed = |error: io::Error| {
			Fault::local(LocalFaultKind::Input, format!("input {index}, {}: {error}", file.path))
		};
		let (mut reader, found) = open(&dir.join(&file.path)).map_err(failed)?;
		if found != expected {
			return Err(match hash(reader).map_err(failed)? == file.root {
				true => {
					let index = index as u32;
					Fault::Job(JobFault::InputLength { index, expected, found })
				}
				false => mismatch(index, file),
			});
		}
		let mut bytes: Arc<[u8]> = iter::repeat_n(0, expected as usize).collect();
		let unshared = Arc::get_mut(&mut bytes).expect("it was made a line above; qed");
		reader.read_exact(unshared).map_err(failed)?;
		let tensor = Tensor::new(input.ty, bytes);
		if tensor.root() != file.root {
			return Err(mismatch(index, file));
		}
		tensors.push(tensor);
		done += expected;
	}
	link.progress(Stage::Loading, total, total);
	Ok(tensors)
}

/// Canonical bytes of all states together.
pub fn state_bytes(program: &Program) -> u64 {
	let input = |state: &State| program.inputs.get(usize::from(state.input));
	let states = program.states.iter().filter_map(input);
	states.map(|input| input.ty.canonical_len()).fold(0, u64::saturating_add)
}

/// Reads the states to start from, and checks the root and length of each.
///
/// Whatever is wrong with them is a fault of this machine: the job's record says nothing of states.
pub fn load_states(
	program: &Program,
	files: &[InputFile],
	dir: &Path,
) -> Result<Vec<Tensor>, Fault> {
	let local = |text: String| Fault::local(LocalFaultKind::Input, text);
	if files.len() != program.states.len() {
		let (expected, found) = (program.states.len(), files.len());
		return Err(local(format!("the program has {expected} states, the request {found}")));
	}
	let load = |(index, (state, file)): (usize, (&State, &InputFile))| {
		let failed = |error: io::Error| local(format!("state {index}, {}: {error}", file.path));
		let input = program.inputs.get(usize::from(state.input));
		let ty = input.ok_or_else(|| local(format!("state {index} has no input")))?.ty;
		let (mut reader, found) = open(&dir.join(&file.path)).map_err(failed)?;
		if found != ty.canonical_len() {
			let expected = ty.canonical_len();
			return Err(local(format!("state {index} has {found} bytes instead of {expected}")));
		}
		let mut bytes: Arc<[u8]> = iter::repeat_n(0, found as usize).collect();
		let unshared = Arc::get_mut(&mut bytes).expect("it was made a line above; qed");
		reader.read_exact(unshared).map_err(failed)?;
		let tensor = Tensor::new(ty, bytes);
		match tensor.root() == file.root {
			true => Ok(tensor),
			false => Err(local(format!("state {index}, {}: not the stated bytes", file.path))),
		}
	};
	program.states.iter().zip(files).enumerate().map(load).collect()
}

fn mismatch(index: usize, file: &InputFile) -> Fault {
	Fault::local(
		LocalFaultKind::Input,
		format!("input {index}, {}: not the stated bytes", file.path),
	)
}

/// An ordinary file and its length.
fn open(path: &Path) -> io::Result<(File, u64)> {
	let file = File::open(path)?;
	let meta = file.metadata()?;
	match meta.is_file() {
		true => Ok((file, meta.len())),
		false => Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file")),
	}
}

fn hash(mut reader: impl Read) -> io::Result<Hash> {
	let mut hasher = blake3::Hasher::new();
	io::copy(&mut reader, &mut hasher)?;
	Ok(*hasher.finalize().as_bytes())
}
