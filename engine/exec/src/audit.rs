use crate::{memory::Memory, plan::Plan, Affine, Backend, Buffer, ExecError};
use assay_ops::{Applied, Elements, TensorType};
use assay_random::Rng;
use std::{
	collections::{hash_map::RandomState, HashMap},
	hash::{BuildHasher, Hasher},
	sync::Arc,
};

/// Recomputes random tiles by the definition while a run is under way. A difference ends the run
/// with [`ExecError::Audit`] before anything is committed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Audit {
	/// Which tiles; take a fresh one for every run.
	pub seed: u64,
	/// How many tiles in each step.
	pub tiles: u32,
}

impl Audit {
	/// So many tiles of each step under a seed that nobody could know before.
	pub fn fresh(tiles: u32) -> Self {
		// Keys of the standard library's maps come from the system's random numbers.
		Self { seed: RandomState::new().build_hasher().finish(), tiles }
	}

	/// The tiles to look at, by node.
	pub(crate) fn picks(&self, step: u32, types: &[TensorType]) -> HashMap<usize, Vec<u64>> {
		let mut rng = Rng::new(self.seed ^ u64::from(step).wrapping_mul(0xd6e8_feb8_6659_fd93));
		let mut picks: HashMap<usize, Vec<u64>> = HashMap::new();
		for _ in 0..self.tiles {
			if types.is_empty() {
				break;
			}
			let node = rng.below(types.len() as u64) as usize;
			picks.entry(node).or_default().push(rng.below(types[node].tiles()));
		}
		picks
	}
}

/// Operands that are on the host.
struct Host(Vec<(Arc<Buffer>, Affine)>);

impl Elements for Host {
	fn get(&self, operand: usize, index: u32) -> i32 {
		let Some((buffer, affine)) = self.0.get(operand) else { return 0 };
		let mut value = 0;
		affine.runs(index as usize, 1, |_, source, _, _| value = buffer.get(source));
		value
	}
}

/// Whether tile `tile` of `value`, the result of node `at`, is what the definition says.
pub(crate) fn holds<B: Backend>(
	backend: &mut B,
	plan: &Plan,
	memory: &Memory<B>,
	at: usize,
	value: &B::Value,
	tile: u64,
) -> Result<bool, ExecError> {
	let mut fetch = |value: &B::Value| {
		let ticket = backend.request(value)?;
		backend.collect(ticket)
	};
	let operands = memory.operands(plan, at, 0)?;
	let host = operands
		.iter()
		.map(|operand| Ok((fetch(operand.value)?, operand.affine)))
		.collect::<Result<Vec<_>, ExecError>>()?;
	let seen: Vec<_> =
		host.iter().zip(&operands).map(|((buffer, _), o)| (buffer.dtype(), o.shape)).collect();
	let result = fetch(value)?;
	let applied = Applied::new(*plan.nodes[at].op, &seen)
		.map_err(|error| ExecError::Program(format!("node {at}: {error}")))?;
	let elements = Host(host);
	let outputs: Vec<u32> =
		plan.types[at].tile_elements(tile).map(|(element, _)| element).collect();
	let mut accumulators = applied.init(outputs.len());
	applied.absorb(&elements, &outputs, 0..applied.reduction(), &mut accumulators);
	let expected = applied.finish(&elements, &outputs, &accumulators);
	Ok(outputs.iter().zip(expected).all(|(&at, expected)| result.get(at as usize) == expected))
}
