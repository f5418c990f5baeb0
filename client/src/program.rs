//! Program files, decoded and checked here before the chain is asked.

use crate::{
	chain::{Hash, Node},
	error::{io, Error, Result},
	output::{bytes, hex},
	tensors::{describe, Wanted},
};
use assay_ops::TensorType;
use assay_program::{program_id, Checked, Class, Limits, Program};
use serde_json::json;
use std::path::Path;

/// A program that passed the same check as the runtime's.
pub struct Loaded {
	/// The encoded program.
	pub bytes: Vec<u8>,
	/// BLAKE3 of the bytes.
	pub id: Hash,
	/// The graph.
	pub program: Program,
	/// What the check proved.
	pub checked: Checked,
}

impl Loaded {
	/// Decodes and checks; `place` is the file or id for messages.
	///
	/// # Errors
	/// `bad-program` when the bytes do not decode, `rejected-program` when the check fails.
	pub fn new(bytes: Vec<u8>, place: &str) -> Result<Self> {
		let program = Program::decode_bounded(&bytes).map_err(|e| {
			Error::new("bad-program", format!("{place} is not a program: {e}"))
				.fix("pass a complete program file of this format version")
		})?;
		let checked = program.check(&Limits::default()).map_err(|e| {
			Error::new("rejected-program", format!("{place} fails the check: {e}"))
				.fix("the chain would refuse it as well; lower the model again")
		})?;
		Ok(Self { id: program_id(&bytes), bytes, program, checked })
	}

	/// From a file.
	pub fn read(path: &Path) -> Result<Self> {
		let bytes = std::fs::read(path).map_err(io(path))?;
		Self::new(bytes, &path.display().to_string())
	}

	/// From a registered program.
	pub async fn fetch(node: &Node, id: &Hash) -> Result<Self> {
		let bytes = node.program(id).await?;
		if program_id(&bytes) != *id {
			return Err(Error::new("blob-mismatch", "the node's program does not have its id")
				.fix("ask another node"));
		}
		Self::new(bytes, &hex(id))
	}

	/// Names and types of the inputs.
	pub fn inputs(&self) -> Vec<Wanted> {
		self.program.inputs.iter().map(|i| Wanted { name: i.name.clone(), ty: i.ty }).collect()
	}

	/// Names and types of the outputs.
	pub fn outputs(&self) -> Vec<(String, TensorType)> {
		self.program
			.outputs
			.iter()
			.filter_map(|o| Some((o.name.clone(), *self.checked.types.get(o.node as usize)?)))
			.collect()
	}

	fn count(&self, class: Class) -> usize {
		self.program.nodes.iter().filter(|n| n.class == class).count()
	}

	/// For `--json`.
	pub fn to_json(&self) -> serde_json::Value {
		let tensor = |name: &str, ty: &TensorType| {
			json!({
				"name": name,
				"dtype": crate::tensors::dtype_name(ty.dtype),
				"shape": ty.shape.dims(),
				"split": ty.split,
				"bytes": ty.canonical_len(),
			})
		};
		json!({
			"program": hex(self.id),
			"bytes": self.bytes.len(),
			"version": self.program.version,
			"operatorSet": self.program.operator_set,
			"inputs": self.inputs().iter().map(|w| tensor(&w.name, &w.ty)).collect::<Vec<_>>(),
			"outputs": self.outputs().iter().map(|(n, t)| tensor(n, t)).collect::<Vec<_>>(),
			"states": self.program.states.len(),
			"constants": self.program.constants.len(),
			"nodes": self.program.nodes.len(),
			"eagerAnchors": self.count(Class::EagerAnchor),
			"lazyAnchors": self.count(Class::LazyAnchor),
			"virtualNodes": self.count(Class::Virtual),
			"workUnits": self.checked.work_units.to_string(),
			"peakMemory": self.checked.peak_memory.to_string(),
		})
	}

	/// Rows of name and value for people.
	pub fn rows(&self) -> Vec<(&'static str, String)> {
		let p = &self.program;
		let mut rows = vec![
			("program", hex(self.id)),
			("size", bytes(self.bytes.len() as u64)),
			("format", format!("version {}, operator set {}", p.version, p.operator_set)),
			(
				"nodes",
				format!(
					"{} ({} eager anchors, {} lazy anchors, {} virtual)",
					p.nodes.len(),
					self.count(Class::EagerAnchor),
					self.count(Class::LazyAnchor),
					self.count(Class::Virtual)
				),
			),
			("constants", p.constants.len().to_string()),
			("step states", p.states.len().to_string()),
			("work units", format!("{} per step", self.checked.work_units)),
			("peak memory", bytes(self.checked.peak_memory)),
		];
		for w in self.inputs() {
			let size = bytes(w.ty.canonical_len());
			rows.push(("input", format!("{}: {} ({size})", w.name, describe(&w.ty))));
		}
		for (name, ty) in self.outputs() {
			let size = bytes(ty.canonical_len());
			rows.push(("output", format!("{name}: {} ({size})", describe(&ty))));
		}
		rows
	}
}
