use crate::{
	region::{self, FusedRegion},
	step::{Read, Step},
	Affine, ExecError,
};
use assay_ops::{Family, Op, TensorType};
use assay_program::{Checked, Class, Program, Source};
use std::collections::{HashMap, HashSet};

/// A program made ready for the run loop.
pub(crate) struct Plan<'a> {
	pub(crate) nodes: Vec<Step<'a>>,
	pub(crate) types: &'a [TensorType],
	/// Nodes of the eager anchors, then those of the lazy ones, each in program order.
	pub(crate) anchors: Vec<usize>,
	/// How many of them are eager.
	pub(crate) eager: usize,
	/// Position of each output among the anchors.
	pub(crate) output_anchors: Vec<usize>,
	/// The node of each state's next value.
	pub(crate) updates: Vec<usize>,
	/// Inputs that a node reads.
	pub(crate) inputs_read: HashSet<usize>,
	/// Nodes that may be computed at once, in program order.
	pub(crate) regions: Vec<FusedRegion>,
	/// Work units of a step.
	pub(crate) work: u64,
}

impl<'a> Plan<'a> {
	/// `links` says of which operators the engine computes many nodes at once.
	pub(crate) fn new(
		program: &'a Program,
		checked: &'a Checked,
		links: impl Fn(&Op) -> bool,
	) -> Result<Self, ExecError> {
		let fault = |text: String| ExecError::Program(text);
		let types = checked.types.as_slice();
		if types.len() != program.nodes.len() {
			return Err(fault(format!("{} types of {} nodes", types.len(), program.nodes.len())));
		}
		let eager = checked.anchors.len();
		let anchors: Vec<usize> =
			checked.anchors.iter().chain(&checked.lazy).map(|&node| node as usize).collect();
		let output_anchors: Vec<usize> =
			checked.output_anchors.iter().map(|&anchor| anchor as usize).collect();
		let updates: Vec<usize> =
			program.states.iter().map(|state| state.update as usize).collect();
		if anchors.iter().chain(&updates).any(|&node| node >= types.len())
			|| output_anchors.iter().any(|&anchor| anchor >= eager)
			|| program.states.iter().any(|state| usize::from(state.input) >= program.inputs.len())
		{
			return Err(fault("an anchor, output or state that is not there".into()));
		}
		for (at, constant) in program.constants.iter().enumerate() {
			let ty = &constant.ty;
			if constant.data.len() as u64 != u64::from(ty.elements()) * ty.dtype.size() as u64 {
				return Err(fault(format!("constant {at} is not as long as its type says")));
			}
		}
		let positions: HashMap<usize, usize> =
			anchors.iter().enumerate().map(|(position, &node)| (node, position)).collect();

		let mut nodes = Vec::with_capacity(types.len());
		for (at, node) in program.nodes.iter().enumerate() {
			let mut reads = Vec::with_capacity(node.operands.len());
			let mut seen = Vec::with_capacity(node.operands.len());
			for operand in &node.operands {
				let ty = match operand.source {
					Source::Input(index) => program.inputs.get(usize::from(index)).map(|i| &i.ty),
					Source::Constant(index) => {
						program.constants.get(usize::from(index)).map(|c| &c.ty)
					}
					Source::State(index) => program
						.states
						.get(usize::from(index))
						.and_then(|state| program.inputs.get(usize::from(state.input)))
						.map(|input| &input.ty),
					Source::Node(index) if (index as usize) < at => types.get(index as usize),
					Source::Node(_) => None,
				};
				let ty = ty.ok_or_else(|| fault(format!("node {at} reads what is not there")))?;
				let view = operand.view.as_ref();
				if let Some(view) = view {
					view.validate(&ty.shape)
						.map_err(|error| fault(format!("node {at}: {error}")))?;
				}
				let shape = view.map_or(ty.shape, |view| view.shape);
				let affine = Affine::new(&ty.shape, view);
				seen.push((ty.dtype, shape));
				reads.push(Read { source: operand.source, shape, affine });
			}
			let seen: Vec<_> = seen.iter().map(|(dtype, shape)| (*dtype, shape)).collect();
			let inferred =
				node.op.infer(&seen).map_err(|error| fault(format!("node {at}: {error}")))?;
			if inferred != (types[at].dtype, types[at].shape) {
				return Err(fault(format!("node {at} has another type than its check says")));
			}
			nodes.push(Step {
				op: &node.op,
				reads,
				releases: Vec::new(),
				anchor: positions.get(&at).copied(),
				fused_into: None,
				fused_from: None,
				work: node.op.work_units(&seen),
			});
		}
		let work = nodes.iter().fold(0u64, |sum, node| sum.saturating_add(node.work));
		let reads = nodes.iter().flat_map(|node| &node.reads);
		let inputs_read = reads
			.filter_map(|read| match read.source {
				Source::Input(input) => Some(usize::from(input)),
				_ => None,
			})
			.collect();
		let regions = Vec::new();
		let mut plan = Self {
			nodes,
			types,
			anchors,
			eager,
			output_anchors,
			updates,
			inputs_read,
			regions,
			work,
		};
		plan.fuse(program);
		plan.release();
		let updates: HashSet<usize> = plan.updates.iter().copied().collect();
		let kept = |at: usize| plan.nodes[at].anchor.is_some() || updates.contains(&at);
		plan.regions = region::find(&plan.nodes, types, links, kept);
		Ok(plan)
	}

	/// The place among the anchors of the node that `source` names.
	pub(crate) fn anchor(&self, source: Source) -> Option<usize> {
		match source {
			Source::Node(node) => self.nodes.get(node as usize)?.anchor,
			Source::Input(_) | Source::Constant(_) | Source::State(_) => None,
		}
	}

	/// Elements of the chain that node `at` is in.
	pub(crate) fn chain_elements(&self, at: usize) -> usize {
		region::elements(&self.nodes[at], &self.types[at]) as usize
	}

	/// Pairs each product that only a Requant reads, whole and in order, with it.
	fn fuse(&mut self, program: &Program) {
		let mut readers = vec![0usize; self.nodes.len()];
		for read in self.nodes.iter().flat_map(|node| &node.reads) {
			if let Source::Node(node) = read.source {
				readers[node as usize] += 1;
			}
		}
		for at in 0..self.nodes.len() {
			let (Op::Requant { .. }, Some(acc)) = (self.nodes[at].op, self.nodes[at].reads.first())
			else {
				continue;
			};
			let Source::Node(product) = acc.source else { continue };
			let product = product as usize;
			let ty = &self.types[product];
			let whole = acc.affine.contiguous_at() == Some(0)
				&& acc.shape.elements() == ty.elements()
				&& acc.shape.last() == ty.shape.last();
			if whole
				&& readers[product] == 1
				&& matches!(self.nodes[product].op.family(), Family::Product(_))
				&& program.nodes[product].class != Class::EagerAnchor
			{
				self.nodes[at].fused_from = Some(product);
				self.nodes[product].fused_into = Some(at);
			}
		}
	}

	/// Finds the last reader of everything; a product that may be computed late reads late.
	fn release(&mut self) {
		let kept: HashSet<usize> = self.updates.iter().copied().collect();
		let mut last = HashMap::new();
		for (at, node) in self.nodes.iter().enumerate() {
			for read in &node.reads {
				let reader = last.entry(read.source).or_insert(at);
				*reader = (*reader).max(node.fused_into.unwrap_or(at));
			}
			if !kept.contains(&at) {
				// Without any reader it goes at once.
				last.entry(Source::Node(at as u32)).or_insert(at);
			}
		}
		for (source, at) in last {
			if !matches!(source, Source::Node(node) if kept.contains(&(node as usize))) {
				self.nodes[at].releases.push(source);
			}
		}
	}
}
