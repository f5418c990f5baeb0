//! Decoding of hostile bytes.

use crate::{
	format::{Constant, Input, Node, Operand, Output, Program, Source, FORMAT_VERSION, MAGIC},
	ProgramError, Section, MAX_NAME_BYTES, MAX_PROGRAM_BYTES,
};
use alloc::{collections::BTreeSet, string::String, vec::Vec};
use assay_ops::{TensorType, OPERATOR_SET};
use codec::{Compact, Decode};

/// Most inputs, states or outputs of a program.
const MAX_NAMED: u32 = 1024;
/// Most constants of a program.
const MAX_CONSTANTS: u32 = 4096;
/// Most nodes of a program.
const MAX_NODES: u32 = 4096;
/// Most operands of a node.
const MAX_OPERANDS: u32 = assay_ops::MAX_OPERANDS as u32;

/// The bytes, and whether something asked for more than there were.
struct Reader<'a> {
	bytes: &'a [u8],
	exhausted: bool,
}

impl codec::Input for Reader<'_> {
	fn remaining_len(&mut self) -> Result<Option<usize>, codec::Error> {
		Ok(Some(self.bytes.len()))
	}

	fn read(&mut self, into: &mut [u8]) -> Result<(), codec::Error> {
		match self.bytes.split_at_checked(into.len()) {
			Some((head, rest)) => {
				into.copy_from_slice(head);
				self.bytes = rest;
				Ok(())
			}
			None => {
				self.exhausted = true;
				Err("end of bytes".into())
			}
		}
	}
}

impl Reader<'_> {
	fn take<T: Decode>(&mut self, section: Section, index: u32) -> Result<T, ProgramError> {
		T::decode(self).map_err(|_| self.fault(section, index))
	}

	fn fault(&self, section: Section, index: u32) -> ProgramError {
		if self.exhausted {
			ProgramError::Truncated { section, index }
		} else {
			ProgramError::Malformed { section, index }
		}
	}

	/// A count of items, each at least one byte long.
	fn count(&mut self, section: Section, index: u32, max: u32) -> Result<u32, ProgramError> {
		let count = self.take::<Compact<u32>>(section, index)?.0;
		if count > max {
			return Err(ProgramError::TooMany { section, count });
		}
		if count as usize > self.bytes.len() {
			return Err(ProgramError::Truncated { section, index });
		}
		Ok(count)
	}

	fn data(&mut self, section: Section, index: u32, max: u32) -> Result<Vec<u8>, ProgramError> {
		let count = self.count(section, index, max)?;
		let (head, rest) = self.bytes.split_at(count as usize);
		self.bytes = rest;
		Ok(head.to_vec())
	}

	fn list<T>(
		&mut self,
		section: Section,
		max: u32,
		mut item: impl FnMut(&mut Self, u32) -> Result<T, ProgramError>,
	) -> Result<Vec<T>, ProgramError> {
		let count = self.count(section, 0, max)?;
		(0..count).map(|index| item(self, index)).collect()
	}

	fn name(&mut self, section: Section, index: u32) -> Result<String, ProgramError> {
		let name = match self.data(section, index, MAX_NAME_BYTES as u32) {
			Err(ProgramError::TooMany { .. }) => return Err(ProgramError::Name { section, index }),
			other => other?,
		};
		String::from_utf8(name).map_err(|_| ProgramError::Name { section, index })
	}
}

impl Program {
	/// Read a program file.
	///
	/// Allocates a small multiple of `bytes.len()` at most, and accepts exactly the bytes that
	/// [`Program::encode`] gives back. Errors: [`ProgramError`], which names the item at fault.
	pub fn decode_bounded(bytes: &[u8]) -> Result<Self, ProgramError> {
		use Section::*;
		if bytes.len() > MAX_PROGRAM_BYTES {
			return Err(ProgramError::TooLong { bytes: bytes.len() });
		}
		let mut reader = Reader { bytes, exhausted: false };
		if reader.take::<[u8; MAGIC.len()]>(Header, 0)? != MAGIC {
			return Err(ProgramError::Magic);
		}
		let version = reader.take::<u8>(Header, 1)?;
		if version != FORMAT_VERSION {
			return Err(ProgramError::Version(version));
		}
		let operator_set = reader.take::<u16>(Header, 2)?;
		if operator_set != OPERATOR_SET {
			return Err(ProgramError::OperatorSet(operator_set));
		}
		let inputs = reader.list(Inputs, MAX_NAMED, |reader, index| {
			Ok(Input { name: reader.name(Inputs, index)?, ty: reader.take(Inputs, index)? })
		})?;
		let states = reader.list(States, MAX_NAMED, |reader, index| reader.take(States, index))?;
		let constants = reader.list(Constants, MAX_CONSTANTS, |reader, index| {
			let ty: TensorType = reader.take(Constants, index)?;
			Ok(Constant { ty, data: reader.data(Constants, index, MAX_PROGRAM_BYTES as u32)? })
		})?;
		let nodes = reader.list(Nodes, MAX_NODES, |reader, index| {
			let op = reader.take(Nodes, index)?;
			let count = reader.count(Nodes, index, MAX_OPERANDS)?;
			let operands = (0..count)
				.map(|_| {
					let source = reader.take(Nodes, index)?;
					Ok(Operand { source, view: reader.take(Nodes, index)? })
				})
				.collect::<Result<_, ProgramError>>()?;
			let split = reader.take(Nodes, index)?;
			Ok(Node { op, operands, split, class: reader.take(Nodes, index)? })
		})?;
		let outputs = reader.list(Outputs, MAX_NAMED, |reader, index| {
			Ok(Output { name: reader.name(Outputs, index)?, node: reader.take(Outputs, index)? })
		})?;
		if !reader.bytes.is_empty() {
			return Err(ProgramError::Trailing { bytes: reader.bytes.len() });
		}
		let program = Self { version, operator_set, inputs, states, constants, nodes, outputs };
		program.validate()?;
		Ok(program)
	}

	/// Is the program well-formed (everything that does not need types)? [`Program::check`] asks
	/// this first, so that a program that was built and never encoded is judged alike.
	pub fn validate(&self) -> Result<(), ProgramError> {
		use Section::*;
		if self.version != FORMAT_VERSION {
			return Err(ProgramError::Version(self.version));
		}
		if self.operator_set != OPERATOR_SET {
			return Err(ProgramError::OperatorSet(self.operator_set));
		}
		for (section, count, max) in [
			(Inputs, self.inputs.len(), MAX_NAMED),
			(States, self.states.len(), MAX_NAMED),
			(Constants, self.constants.len(), MAX_CONSTANTS),
			(Nodes, self.nodes.len(), MAX_NODES),
			(Outputs, self.outputs.len(), MAX_NAMED),
		] {
			if count > max as usize {
				return Err(ProgramError::TooMany { section, count: count as u32 });
			}
		}
		names(Inputs, self.inputs.iter().map(|input| &input.name))?;
		names(Outputs, self.outputs.iter().map(|output| &output.name))?;
		for (constant, Constant { ty, data }) in (0..).zip(&self.constants) {
			let valid_type = ty.with_split(ty.split).is_ok();
			if !valid_type || data.len() as u64 != ty.elements() as u64 * ty.dtype.size() as u64 {
				return Err(ProgramError::ConstantLength { constant });
			}
		}
		for (index, input) in (0..).zip(&self.inputs) {
			if input.ty.with_split(input.ty.split).is_err() {
				return Err(ProgramError::Malformed { section: Inputs, index });
			}
		}
		for (node, Node { operands, .. }) in (0u32..).zip(&self.nodes) {
			if operands.len() > MAX_OPERANDS as usize {
				return Err(ProgramError::TooMany { section: Nodes, count: operands.len() as u32 });
			}
			for (operand, Operand { source, .. }) in (0..).zip(operands) {
				let exists = match *source {
					Source::Input(index) => (index as usize) < self.inputs.len(),
					Source::Constant(index) => (index as usize) < self.constants.len(),
					Source::State(index) => (index as usize) < self.states.len(),
					Source::Node(index) if index < node => true,
					Source::Node(index) if (index as usize) < self.nodes.len() => {
						return Err(ProgramError::Cycle { node, operand });
					}
					Source::Node(_) => false,
				};
				if !exists {
					return Err(ProgramError::Dangling { node, operand });
				}
			}
		}
		for (index, state) in (0..).zip(&self.states) {
			if state.input as usize >= self.inputs.len() {
				return Err(ProgramError::StateInput { state: index });
			}
			if state.update as usize >= self.nodes.len() {
				return Err(ProgramError::StateNode { state: index });
			}
		}
		for (index, output) in (0..).zip(&self.outputs) {
			if output.node as usize >= self.nodes.len() {
				return Err(ProgramError::OutputNode { output: index });
			}
		}
		if self.outputs.is_empty() {
			return Err(ProgramError::NoOutputs);
		}
		Ok(())
	}
}

fn names<'a>(
	section: Section,
	names: impl Iterator<Item = &'a String>,
) -> Result<(), ProgramError> {
	let mut seen = BTreeSet::new();
	for (index, name) in (0..).zip(names) {
		let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte);
		if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.bytes().all(allowed) {
			return Err(ProgramError::Name { section, index });
		}
		if !seen.insert(name) {
			return Err(ProgramError::DuplicateName { section, index });
		}
	}
	Ok(())
}
