//! What a worker has to run.

use crate::Hash;
use assay_program::Source;
use assay_worker_protocol::{self as protocol, Record};
use std::{path::PathBuf, sync::Arc};

/// A file with the canonical bytes of one input or state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputFile {
	/// Root of the bytes, which the worker checks.
	pub root: Hash,
	/// Absolute path. The worker may read it, and nothing beside it.
	pub path: PathBuf,
	/// Length in bytes.
	pub len: u64,
}

/// One job, or a part of one.
#[derive(Clone, Debug)]
pub struct Task {
	/// The job's number, for lines and names.
	pub job: u64,
	/// Bytes of the program.
	pub program: Arc<[u8]>,
	/// The inputs, in program order.
	pub inputs: Vec<InputFile>,
	/// The states to start from, in program order; `None`: the inputs that initialise them.
	pub start: Option<Vec<InputFile>>,
	/// Steps to run.
	pub steps: u32,
	/// Tensors of the last step to hand over, each with its length in bytes.
	pub keep: Vec<(Source, u64)>,
	/// What to write beside the outputs.
	pub record: Record,
	/// Bytes of the tensors that [`Record::trees`] has the worker hold until the end.
	pub record_bytes: Option<u64>,
}

impl Task {
	/// Of a program that takes no inputs; nothing is kept.
	pub fn new(job: u64, program: Arc<[u8]>, steps: u32) -> Self {
		Self {
			job,
			program,
			inputs: Vec::new(),
			start: None,
			steps,
			keep: Vec::new(),
			record: Record::default(),
			record_bytes: None,
		}
	}

	pub(crate) fn request(&self, adapter: Option<String>, audit_tiles: u32) -> protocol::Run {
		let files = |files: &[InputFile]| {
			let file = |file: &InputFile| protocol::InputFile {
				root: file.root,
				path: file.path.to_string_lossy().into_owned(),
			};
			files.iter().map(file).collect()
		};
		protocol::Run {
			job: self.job,
			program: self.program.to_vec(),
			inputs: files(&self.inputs),
			start: self.start.as_deref().map(files),
			steps: self.steps,
			adapter,
			audit_tiles,
			keep: self.keep.iter().map(|(source, _)| *source).collect(),
			record: self.record.clone(),
		}
	}
}
