//! What is proved of a program before it is admitted.

use crate::{
	referee::{self, AnchorCost, Effort, RefereeCost},
	CheckError, Class, Limits, Program, Source,
};
use alloc::{vec, vec::Vec};
use assay_ops::{work, Applied, TensorType};

/// A program that may run, and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
	/// Type of each node's result.
	pub types: Vec<TensorType>,
	/// Eager anchors: the nodes whose roots make up the trace root, in program order.
	pub anchors: Vec<u32>,
	/// Lazy anchors: the nodes whose roots are listed on demand, in program order.
	pub lazy: Vec<u32>,
	/// Position in `anchors` of each job output.
	pub output_anchors: Vec<u32>,
	/// Position in `anchors` of each state's update.
	pub state_anchors: Vec<u32>,
	/// Work units of one step: of its nodes, of hashing eager anchors, and of the step itself.
	pub work_units: u64,
	/// Most bytes of tensors held at once, in canonical bytes: inputs, constants and states
	/// throughout, a node from where it is computed to where it is last read, and while it is
	/// computed what it sees through views, where that has to be copied.
	pub peak_memory: u64,
	/// Tiles (BLAKE3 chunks) of each input.
	pub input_tiles: Vec<u64>,
	/// Tiles of each output.
	pub output_tiles: Vec<u64>,
	/// The most that refereeing any tile of any anchor takes.
	pub referee: RefereeCost,
	/// What refereeing takes for each anchor, eager or lazy, in program order.
	pub anchor_costs: Vec<AnchorCost>,
	pub(crate) applied: Vec<Applied>,
}

impl Checked {
	/// The operator of a node bound to the types of its operands.
	pub fn applied(&self, node: u32) -> Option<&Applied> {
		self.applied.get(node as usize)
	}

	/// How a tile of anchor `node` is refereed; none for a virtual node.
	pub fn anchor_cost(&self, node: u32) -> Option<&AnchorCost> {
		let at = self.anchor_costs.binary_search_by_key(&node, |cost| cost.node).ok()?;
		self.anchor_costs.get(at)
	}

	/// How many lazy anchors come before an eager one, which is given by its place among the eager
	/// ones; 0 where there is none. Whatever that anchor is computed from is among these, the eager
	/// ones before it, and what is not computed.
	pub fn lazy_before(&self, anchor: u32) -> u32 {
		let Some(node) = self.anchors.get(anchor as usize) else { return 0 };
		self.lazy.partition_point(|lazy| lazy < node) as u32
	}
}

impl Program {
	/// Prove shapes, accumulator bounds and refereeability, and price one step.
	///
	/// Takes time about linear in the program and at most proportional to the limits. Errors:
	/// [`CheckError`], which names the node at fault and the way out.
	pub fn check(&self, limits: &Limits) -> Result<Checked, CheckError> {
		self.check_counting(limits, &mut Effort::default())
	}

	/// [`Program::check`], which says what it did whether it admits the program or not.
	pub fn check_counting(
		&self,
		limits: &Limits,
		effort: &mut Effort,
	) -> Result<Checked, CheckError> {
		if self.nodes.len() > limits.nodes as usize {
			return Err(CheckError::TooManyNodes {
				nodes: self.nodes.len() as u32,
				max: limits.nodes,
			});
		}
		let mut checked = self.admit()?;
		let work_units = checked.work_units;
		if work_units > limits.work_units {
			return Err(CheckError::WorkUnits { needed: work_units, max: limits.work_units });
		}
		let peak_memory = checked.peak_memory;
		if peak_memory > limits.peak_memory {
			return Err(CheckError::PeakMemory { needed: peak_memory, max: limits.peak_memory });
		}
		let anchor_costs = referee::judge(self, &checked.types, &checked.applied, limits, effort)?;
		checked.referee = anchor_costs.iter().fold(RefereeCost::default(), |a, b| a.max(&b.cost));
		checked.anchor_costs = anchor_costs;
		Ok(checked)
	}

	/// Everything that is proved of a program but that it can be refereed, without limits and in
	/// time linear in the program. No anchor has a cost yet.
	pub(crate) fn admit(&self) -> Result<Checked, CheckError> {
		self.validate()?;
		let (types, applied) = self.infer()?;
		let of_class = |class: Class| -> Vec<u32> {
			let nodes = (0u32..).zip(&self.nodes).filter(|(_, node)| node.class == class);
			nodes.map(|(index, _)| index).collect()
		};
		let anchors = of_class(Class::EagerAnchor);
		let position = |node: u32| anchors.binary_search(&node).ok().map(|at| at as u32);
		let mut state_anchors = Vec::with_capacity(self.states.len());
		for (index, state) in (0..).zip(&self.states) {
			let node = state.update;
			let at = position(node).ok_or(CheckError::StateAnchor { state: index, node })?;
			state_anchors.push(at);
			let initial = self.inputs.get(state.input as usize).map(|input| &input.ty);
			if types.get(node as usize) != initial {
				return Err(CheckError::StateType { state: index, node });
			}
		}
		let mut output_anchors = Vec::with_capacity(self.outputs.len());
		for (index, output) in (0..).zip(&self.outputs) {
			let node = output.node;
			let at = position(node).ok_or(CheckError::OutputAnchor { output: index, node })?;
			output_anchors.push(at);
		}
		let last_use = self.usage()?;

		let tiles = |node: u32| types.get(node as usize).map_or(0, TensorType::tiles);
		let hashing = anchors.iter().map(|&node| tiles(node)).fold(0, u64::saturating_add);
		let computing = self.nodes.iter().zip(&applied).map(|(node, applied)| {
			let views = node.operands.iter().enumerate().filter_map(|(operand, read)| {
				Some(applied.view_units(operand, read.view.as_ref()?))
			});
			views.fold(applied.work_units(), u64::saturating_add)
		});
		let beside = work::STEP.saturating_add(hashing.saturating_mul(work::TILE));
		let work_units = computing.fold(beside, u64::saturating_add);
		Ok(Checked {
			anchors,
			lazy: of_class(Class::LazyAnchor),
			output_anchors,
			state_anchors,
			work_units,
			peak_memory: self.peak_memory(&types, &applied, &last_use),
			input_tiles: self.inputs.iter().map(|input| input.ty.tiles()).collect(),
			output_tiles: self.outputs.iter().map(|output| tiles(output.node)).collect(),
			referee: RefereeCost::default(),
			anchor_costs: Vec::new(),
			types,
			applied,
		})
	}

	/// Types of all nodes, and their operators bound to their operands.
	fn infer(&self) -> Result<(Vec<TensorType>, Vec<Applied>), CheckError> {
		let mut types: Vec<TensorType> = Vec::with_capacity(self.nodes.len());
		let mut applied = Vec::with_capacity(self.nodes.len());
		for (index, node) in (0..).zip(&self.nodes) {
			let mut operands = Vec::with_capacity(node.operands.len());
			for (position, operand) in (0..).zip(&node.operands) {
				let dangling = crate::ProgramError::Dangling { node: index, operand: position };
				let ty = self.source_type(operand.source, &types).ok_or(dangling)?;
				let shape = match &operand.view {
					Some(view) => {
						view.validate(&ty.shape).map_err(|error| CheckError::View {
							node: index,
							operand: position,
							error,
						})?;
						view.shape
					}
					None => ty.shape,
				};
				operands.push((ty.dtype, shape));
			}
			let bound = Applied::new(node.op, &operands)
				.map_err(|error| CheckError::Operator { node: index, error })?;
			if bound.content_dependent().is_some() {
				for (position, operand) in (0..).zip(&node.operands) {
					if self.is_virtual(operand.source) {
						return Err(CheckError::GatherOperand { node: index, operand: position });
					}
				}
			}
			let ty = TensorType::of(bound.dtype(), bound.shape());
			types.push(match node.split {
				Some(split) => {
					ty.with_split(split).map_err(|_| CheckError::Split { node: index })?
				}
				None => ty,
			});
			applied.push(bound);
		}
		Ok((types, applied))
	}

	/// Is `source` a node that is never committed?
	pub(crate) fn is_virtual(&self, source: Source) -> bool {
		match source {
			Source::Node(at) => {
				self.nodes.get(at as usize).is_some_and(|node| node.class == Class::Virtual)
			}
			_ => false,
		}
	}

	/// The last node that reads each node (the number of nodes: it is read after the step).
	/// Errors: whatever nothing depends on.
	fn usage(&self) -> Result<Vec<usize>, CheckError> {
		let mut last_use: Vec<Option<usize>> = vec![None; self.nodes.len()];
		let mut inputs = vec![false; self.inputs.len()];
		let mut constants = vec![false; self.constants.len()];
		let kept = self.outputs.iter().map(|output| output.node);
		for node in kept.chain(self.states.iter().map(|state| state.update)) {
			if let Some(slot) = last_use.get_mut(node as usize) {
				*slot = Some(self.nodes.len());
			}
		}
		for state in &self.states {
			if let Some(slot) = inputs.get_mut(state.input as usize) {
				*slot = true;
			}
		}
		for (index, node) in self.nodes.iter().enumerate().rev() {
			if last_use.get(index).copied().flatten().is_none() {
				return Err(CheckError::UnusedNode { node: index as u32 });
			}
			for operand in &node.operands {
				let flag = match operand.source {
					Source::Input(at) => inputs.get_mut(at as usize),
					Source::Constant(at) => constants.get_mut(at as usize),
					Source::State(_) => None,
					Source::Node(at) => {
						if let Some(slot) = last_use.get_mut(at as usize) {
							slot.get_or_insert(index);
						}
						None
					}
				};
				if let Some(flag) = flag {
					*flag = true;
				}
			}
		}
		if let Some(input) = inputs.iter().position(|used| !used) {
			return Err(CheckError::UnusedInput { input: input as u32 });
		}
		if let Some(constant) = constants.iter().position(|used| !used) {
			return Err(CheckError::UnusedConstant { constant: constant as u32 });
		}
		Ok(last_use.into_iter().flatten().collect())
	}

	/// Bytes of what node `index` sees through views and wants in one piece.
	fn copies(&self, index: usize, applied: &[Applied]) -> u64 {
		let (Some(node), Some(applied)) = (self.nodes.get(index), applied.get(index)) else {
			return 0;
		};
		let views =
			node.operands.iter().enumerate().filter_map(|(operand, read)| {
				Some(applied.view_bytes(operand, read.view.as_ref()?))
			});
		views.fold(0, u64::saturating_add)
	}

	fn peak_memory(&self, types: &[TensorType], applied: &[Applied], last_use: &[usize]) -> u64 {
		let inputs = self.inputs.iter().map(|input| &input.ty);
		let states = self.states.iter().filter_map(|state| types.get(state.update as usize));
		let constants = self.constants.iter().map(|constant| &constant.ty);
		let mut held = inputs
			.chain(states)
			.chain(constants)
			.map(TensorType::canonical_len)
			.fold(0, u64::saturating_add);
		let mut peak = held;
		let mut freed = vec![0u64; types.len() + 1];
		for ((index, ty), &last) in types.iter().enumerate().zip(last_use) {
			held = held.saturating_add(ty.canonical_len());
			peak = peak.max(held.saturating_add(self.copies(index, applied)));
			if let Some(slot) = freed.get_mut(last) {
				*slot = slot.saturating_add(ty.canonical_len());
			}
			held = held.saturating_sub(freed.get(index).copied().unwrap_or(0));
		}
		peak
	}
}
