//! A job's program, checked on the node before a worker sees it.

use crate::{fault::Fault, types::Hash};
use assay_commitments::RunShape;
use assay_program::{ops::TILE_BYTES, Checked, Limits, Program, ProgramError, Source, State};
use std::sync::Arc;

/// Most bytes of tensors that a verdict's replay keeps in case that chunks of them are asked for.
/// Their way through the job's folder costs less than another worker's start up to there.
const KEPT_FOR_CHUNKS: u64 = 16 << 20;

/// What the program check says about a program.
#[derive(Debug)]
pub(crate) struct Examined {
	pub(crate) bytes: Arc<[u8]>,
	/// Length of every input in bytes, in program order.
	pub(crate) input_lengths: Vec<u64>,
	/// Work units of one step.
	pub(crate) work_units: u64,
	/// Most bytes of tensors alive at one time.
	pub(crate) peak_memory: u64,
	/// Position among the eager anchors, and length in bytes, of every state's next value.
	pub(crate) states: Vec<(u32, u64)>,
	/// Node and 1 KiB tiles of every eager anchor, in program order: the shape of a step's trace.
	anchors: Vec<(u32, u64)>,
	/// Position among the eager anchors, and length in bytes, of every output.
	pub(crate) outputs: Vec<(u32, u64)>,
}

/// What is small of a program: the lengths in bytes of what goes in and comes out, in program
/// order.
#[derive(Debug)]
pub(crate) struct Lengths {
	inputs: Vec<u64>,
	outputs: Vec<u64>,
}

impl From<&Examined> for Lengths {
	fn from(examined: &Examined) -> Self {
		let outputs = examined.outputs.iter().map(|(_, length)| *length);
		Self { inputs: examined.input_lengths.clone(), outputs: outputs.collect() }
	}
}

impl Lengths {
	/// Root and length of every input of a job that runs this program.
	pub(crate) fn inputs(&self, roots: &[Hash]) -> Result<Vec<(Hash, u64)>, Fault> {
		blobs(roots, &self.inputs).ok_or_else(|| {
			let wanted = self.inputs.len();
			Fault::InputsRejected(format!("{} of {wanted} inputs", roots.len()))
		})
	}

	/// Root and length of every output of a job that runs this program.
	pub(crate) fn outputs(&self, roots: &[Hash]) -> Result<Vec<(Hash, u64)>, Fault> {
		blobs(roots, &self.outputs).ok_or_else(|| {
			let wanted = self.outputs.len();
			Fault::Chain(format!("the job has {} of {wanted} outputs", roots.len()))
		})
	}
}

/// `None` unless there are as many of the one as of the other.
fn blobs(roots: &[Hash], lengths: &[u64]) -> Option<Vec<(Hash, u64)>> {
	let same = roots.len() == lengths.len();
	same.then(|| roots.iter().copied().zip(lengths.iter().copied()).collect())
}

/// The shape of a run.
pub(crate) struct Shape<'a> {
	steps: u32,
	anchors: &'a [(u32, u64)],
}

impl RunShape for Shape<'_> {
	fn steps(&self) -> u32 {
		self.steps
	}

	fn anchors(&self) -> u32 {
		self.anchors.len() as u32
	}

	fn tiles(&self, anchor: u32) -> Option<u64> {
		Some(self.anchors.get(anchor as usize)?.1)
	}
}

impl Examined {
	/// Decodes and checks a program, as the runtime did when it was registered.
	pub(crate) fn new(bytes: Vec<u8>) -> Result<Self, Fault> {
		let (program, checked) = decode(&bytes)?;
		let state_length = |state: &State| {
			let input = program.inputs.get(usize::from(state.input));
			input.map_or(0, |input| input.ty.canonical_len())
		};
		let length = |tiles: &u64| tiles.saturating_mul(TILE_BYTES as u64);
		let tiles = |node: &u32| Some((*node, checked.types.get(*node as usize)?.tiles()));
		Ok(Self {
			bytes: bytes.into(),
			input_lengths: checked.input_tiles.iter().map(length).collect(),
			work_units: checked.work_units,
			peak_memory: checked.peak_memory,
			states: checked
				.state_anchors
				.iter()
				.copied()
				.zip(program.states.iter().map(state_length))
				.collect(),
			anchors: checked.anchors.iter().filter_map(tiles).collect(),
			outputs: checked
				.output_anchors
				.iter()
				.copied()
				.zip(checked.output_tiles.iter().map(length))
				.collect(),
		})
	}

	/// Eager anchors of a step.
	pub(crate) fn anchors(&self) -> u32 {
		self.anchors.len() as u32
	}

	/// Position among the eager anchors of every state's next value.
	pub(crate) fn state_anchors(&self) -> Vec<u32> {
		self.states.iter().map(|(anchor, _)| *anchor).collect()
	}

	/// The shape of a run of so many steps.
	pub(crate) fn run_shape(&self, steps: u32) -> Shape<'_> {
		Shape { steps, anchors: &self.anchors }
	}

	/// What the replay for a verdict is to keep: all that the chain may ask for chunks of, where
	/// that is known beforehand and little.
	///
	/// A run of one step has one step to ask about. Of a longer one the step would have to be
	/// guessed: its tensors are kept by another replay when the chain has drawn it.
	pub(crate) fn kept_for_chunks(&self, steps: u32) -> Vec<(Source, u64)> {
		let length = |tiles: u64| tiles.saturating_mul(TILE_BYTES as u64);
		let all = self.anchors.iter().map(|(_, tiles)| length(*tiles));
		match steps == 1 && all.fold(0, u64::saturating_add) <= KEPT_FOR_CHUNKS {
			true => {
				let kept = |(node, tiles): &(u32, u64)| (Source::Node(*node), length(*tiles));
				self.anchors.iter().map(kept).collect()
			}
			false => Vec::new(),
		}
	}

	/// Root and length of every input of a job that runs this program.
	pub(crate) fn inputs(&self, roots: &[Hash]) -> Result<Vec<(Hash, u64)>, Fault> {
		Lengths::from(self).inputs(roots)
	}
}

/// Decodes and checks a program.
pub(crate) fn decode(bytes: &[u8]) -> Result<(Program, Checked), Fault> {
	let program = Program::decode_bounded(bytes).map_err(|error| match error {
		ProgramError::OperatorSet(set) => Fault::UnsupportedOperators(set),
		error => Fault::ProgramRejected(error.to_string()),
	})?;
	let checked = program
		.check(&Limits::default())
		.map_err(|error| Fault::ProgramRejected(error.to_string()))?;
	Ok((program, checked))
}

#[cfg(test)]
mod tests {
	use super::*;
	use assay_program::{
		ops::{DType, TensorType},
		ProgramBuilder,
	};

	/// One anchor of so many tiles.
	fn examined(tiles: u32) -> Examined {
		let mut builder = ProgramBuilder::new();
		let x = builder.input("x", TensorType::new(DType::I8, &[tiles, 1024]).unwrap());
		let sum = builder.add(x, x, DType::I8);
		builder.output("s", sum);
		Examined::new(builder.build().unwrap().encode()).unwrap()
	}

	#[test]
	fn tensors_should_be_kept_when_they_are_few_and_of_the_only_step() {
		let most = (KEPT_FOR_CHUNKS / 1024) as u32;
		let few = examined(most);
		assert_eq!(few.kept_for_chunks(1), [(Source::Node(0), KEPT_FOR_CHUNKS)]);
		assert_eq!(few.kept_for_chunks(2), []);
		assert_eq!(examined(most + 1).kept_for_chunks(1), []);
	}
}
