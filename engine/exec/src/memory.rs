//! The tensors of a run.

use crate::{
	chain::{Chain, Link, Part},
	plan::Plan,
	region::FusedRegion,
	step::Read,
	Backend, Buffer, Call, ExecError, Operand, Tensor,
};
use assay_program::{Program, Source, State};
use std::sync::Arc;

/// Node `at` with its operands.
fn call<'a, V>(plan: &'a Plan, at: usize, operands: &'a [Operand<'a, V>]) -> Call<'a, V> {
	let ty = &plan.types[at];
	Call { op: plan.nodes[at].op, operands, dtype: ty.dtype, shape: &ty.shape }
}

/// The tensors that are alive.
pub(crate) struct Memory<B: Backend> {
	inputs: Vec<Option<B::Value>>,
	constants: Vec<Option<B::Value>>,
	states: Vec<Option<B::Value>>,
	pub(crate) nodes: Vec<Option<B::Value>>,
}

impl<B: Backend> Memory<B> {
	pub(crate) fn new(
		backend: &mut B,
		plan: &Plan,
		program: &Program,
		inputs: &[Tensor],
		start: Option<Vec<Arc<Buffer>>>,
	) -> Result<Self, ExecError> {
		let mut inputs = inputs
			.iter()
			.map(|input| backend.import_input(input).map(Some))
			.collect::<Result<Vec<Option<B::Value>>, ExecError>>()?;
		let states = match start {
			Some(start) => start
				.into_iter()
				.map(|buffer| backend.import(buffer).map(Some))
				.collect::<Result<_, _>>()?,
			None => {
				let first = |state: &State| inputs[usize::from(state.input)].clone();
				program.states.iter().map(first).collect()
			}
		};
		for (input, value) in inputs.iter_mut().enumerate() {
			// What is only a state's first value need not outlive that state.
			if !plan.inputs_read.contains(&input) {
				*value = None;
			}
		}
		let constants = program
			.constants
			.iter()
			.map(|constant| {
				let buffer = Buffer::from_bytes(constant.ty.dtype, &constant.data);
				backend.import(Arc::new(buffer)).map(Some)
			})
			.collect::<Result<_, _>>()?;
		Ok(Self { inputs, constants, states, nodes: vec![None; plan.nodes.len()] })
	}

	/// A state as it is between two steps.
	pub(crate) fn read_state(
		&self,
		backend: &mut B,
		program: &Program,
		state: u16,
	) -> Result<Tensor, ExecError> {
		let value = self
			.slot(Source::State(state))
			.ok_or_else(|| ExecError::Program(format!("state {state} is gone after a step")))?;
		let ticket = backend.request(value)?;
		let buffer = backend.collect(ticket)?;
		let ty = program.inputs[usize::from(program.states[usize::from(state)].input)].ty;
		if (buffer.dtype(), buffer.len()) != (ty.dtype, ty.elements() as usize) {
			return Err(ExecError::Program(format!("state {state} changes its type")));
		}
		Ok(Tensor::new(ty, buffer.to_canonical_shared(&ty)))
	}

	/// All states, in program order.
	pub(crate) fn read_states(
		&self,
		backend: &mut B,
		program: &Program,
	) -> Result<Vec<Tensor>, ExecError> {
		(0..program.states.len() as u16)
			.map(|state| self.read_state(backend, program, state))
			.collect()
	}

	fn slot(&self, source: assay_program::Source) -> Option<&B::Value> {
		use assay_program::Source::*;
		match source {
			Input(at) => self.inputs.get(usize::from(at))?.as_ref(),
			Constant(at) => self.constants.get(usize::from(at))?.as_ref(),
			State(at) => self.states.get(usize::from(at))?.as_ref(),
			Node(at) => self.nodes.get(at as usize)?.as_ref(),
		}
	}

	/// The operands of node `at`, from operand `skip` on.
	pub(crate) fn operands(
		&self,
		plan: &Plan,
		at: usize,
		skip: usize,
	) -> Result<Vec<Operand<'_, B::Value>>, ExecError> {
		plan.nodes[at].reads.iter().skip(skip).map(|read| self.operand(read, at)).collect()
	}

	/// What node `at` reads.
	fn operand(&self, read: &Read, at: usize) -> Result<Operand<'_, B::Value>, ExecError> {
		let value = self
			.slot(read.source)
			.ok_or_else(|| ExecError::Program(format!("node {at} reads what is not there")))?;
		Ok(Operand { value, shape: read.shape, affine: read.affine })
	}

	/// Computes node `at`.
	pub(crate) fn compute(
		&mut self,
		backend: &mut B,
		plan: &Plan,
		at: usize,
	) -> Result<(), ExecError> {
		// A product that was left out so far belongs to this node.
		let product = plan.nodes[at].fused_from.filter(|product| self.nodes[*product].is_none());
		if let Some(product) = product {
			let factors = self.operands(plan, product, 0)?;
			let requant = self.operands(plan, at, 1)?;
			let call = call(plan, product, &factors);
			let fused = backend.product_requant(&call, &requant, plan.types[at].dtype)?;
			if fused.is_some() {
				self.nodes[at] = fused;
				return Ok(());
			}
			let value = backend.apply(&call)?;
			self.nodes[product] = Some(value);
		}
		let operands = self.operands(plan, at, 0)?;
		let value = backend.apply(&call(plan, at, &operands))?;
		self.nodes[at] = Some(value);
		Ok(())
	}

	/// Computes the nodes of a region at once, as many as anyone else reads, if the engine does.
	pub(crate) fn compute_region(
		&mut self,
		backend: &mut B,
		plan: &Plan,
		region: &FusedRegion,
	) -> Result<bool, ExecError> {
		let chains = region
			.chains
			.iter()
			.map(|nodes| {
				let links = nodes.iter().map(|&at| self.link(plan, region, at));
				let elements = plan.chain_elements(nodes[0]);
				Ok(Chain { elements, links: links.collect::<Result<_, ExecError>>()? })
			})
			.collect::<Result<Vec<_>, ExecError>>()?;
		let Some(results) = backend.chains(&chains)? else { return Ok(false) };
		for (nodes, values) in region.chains.iter().zip(results) {
			for (&at, value) in nodes.iter().zip(values) {
				self.nodes[at] = value;
			}
		}
		Ok(true)
	}

	fn link<'a>(
		&'a self,
		plan: &'a Plan,
		region: &FusedRegion,
		at: usize,
	) -> Result<Link<'a, B::Value>, ExecError> {
		let (node, ty) = (&plan.nodes[at], &plan.types[at]);
		let part = |read: &Read| match read.source {
			Source::Node(other) if region.nodes.contains(&(other as usize)) => {
				Ok(Part::Link(region.position(other as usize), plan.types[other as usize].dtype))
			}
			_ => self.operand(read, at).map(Part::Operand),
		};
		Ok(Link {
			op: node.op,
			operands: node.reads.iter().map(part).collect::<Result<_, ExecError>>()?,
			dtype: ty.dtype,
			elements: ty.elements() as usize,
			kept: region.is_kept(at),
		})
	}

	/// Drops what node `at` was the last to read.
	pub(crate) fn release(&mut self, plan: &Plan, at: usize, last_step: bool) {
		use assay_program::Source::*;
		for source in &plan.nodes[at].releases {
			match *source {
				Node(node) => self.nodes[node as usize] = None,
				State(state) => self.states[usize::from(state)] = None,
				Input(input) if last_step => self.inputs[usize::from(input)] = None,
				Constant(constant) if last_step => self.constants[usize::from(constant)] = None,
				Input(_) | Constant(_) => {}
			}
		}
	}

	pub(crate) fn next_step(&mut self, plan: &Plan) {
		for (state, update) in self.states.iter_mut().zip(&plan.updates) {
			*state = self.nodes[*update].clone();
		}
		self.nodes.fill(None);
	}
}
