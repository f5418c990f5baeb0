//! Which nodes are committed.
//!
//! A product of matrices, a softmax or a normalization reads whole rows, so what it reads is
//! committed; what lies between (sums, tables, changes of width) is recomputed by the referee.
//! Where that would be too much for one part of a proof, nodes on the way become anchors too, until
//! [`Program::check`] is content. Then those go again that the referee can do without
//! ([`Program::thin`]): hashing them is what a trace costs.

use crate::{
	error::{short, Error, Result},
	lower::Lowered,
};
use assay_ops::{Elementwise, Family, Moves, Op};
use assay_program::{CheckError, Checked, Class, Limits, Program, Source};
use std::collections::HashSet;

/// Places anchors and checks the program. Errors: `rejected-program`, which names the layer.
pub fn place(lowered: &mut Lowered) -> Result<Checked> {
	prune(lowered);
	let program = &mut lowered.program;
	let virtual_nodes = |program: &Program, at: usize| -> Vec<usize> {
		let nodes = &program.nodes;
		let sources = nodes[at].operands.iter().map(|operand| operand.source);
		let indices = sources.filter_map(|source| match source {
			Source::Node(index) => Some(index as usize),
			_ => None,
		});
		indices.filter(|&index| nodes[index].class == Class::Virtual).collect()
	};
	for at in 0..program.nodes.len() {
		if reads_rows(&program.nodes[at].op) {
			for operand in virtual_nodes(program, at) {
				program.nodes[operand].class = Class::EagerAnchor;
			}
		}
	}
	loop {
		let error = match program.check(&Limits::default()) {
			Ok(checked) => return Ok(program.thin(checked, &Limits::default())),
			Err(error) => error,
		};
		let node = match error {
			CheckError::Unrefereeable { node, .. }
			| CheckError::TooManyVirtual { node, .. }
			| CheckError::TooComplex { node, .. } => node as usize,
			_ => return Err(rejected(lowered, error)),
		};
		// The nearest nodes that are recomputed for it, breadth first past what only changes one
		// element.
		let mut level = virtual_nodes(program, node);
		let mut wider: Vec<usize> = Vec::new();
		while wider.is_empty() && !level.is_empty() {
			wider = level.iter().copied().filter(|&at| !is_light(&program.nodes[at].op)).collect();
			let next = level.iter().flat_map(|&at| virtual_nodes(program, at)).collect();
			if wider.is_empty() && virtual_below(program, &level) {
				level = next;
			} else if wider.is_empty() {
				wider = level.clone();
			}
		}
		if wider.is_empty() {
			return Err(rejected(lowered, error));
		}
		for at in wider {
			program.nodes[at].class = Class::EagerAnchor;
		}
	}
}

fn virtual_below(program: &Program, level: &[usize]) -> bool {
	level.iter().any(|&at| {
		program.nodes[at].operands.iter().any(|operand| match operand.source {
			Source::Node(index) => program.nodes[index as usize].class == Class::Virtual,
			_ => false,
		})
	})
}

/// Operators whose operands should be committed.
fn reads_rows(op: &Op) -> bool {
	match op.family() {
		Family::Product(_) | Family::Window(_) | Family::Row(_) => true,
		Family::Moves(op) => match op {
			Moves::Gather => true,
			Moves::ScatterAdd { .. } | Moves::Concat { .. } | Moves::Pad { .. } => false,
		},
		Family::Elementwise(_) | Family::Reduce(_) | Family::Table(_) | Family::Generate(_) => {
			false
		}
	}
}

/// Operators that compute one element from one element and change little.
fn is_light(op: &Op) -> bool {
	match op.family() {
		Family::Elementwise(op) => match op {
			Elementwise::Shift { .. }
			| Elementwise::Cast { .. }
			| Elementwise::Clamp { .. }
			| Elementwise::MulShift { .. }
			| Elementwise::Copy
			| Elementwise::Add { .. }
			| Elementwise::Sub { .. } => true,
			Elementwise::Requant { .. }
			| Elementwise::Mul { .. }
			| Elementwise::Max
			| Elementwise::Min
			| Elementwise::Compare { .. }
			| Elementwise::Select
			| Elementwise::BitLen
			| Elementwise::IntDiv { .. }
			| Elementwise::Rsqrt { .. }
			| Elementwise::ShiftBy { .. }
			| Elementwise::ShiftRandom { .. } => false,
		},
		Family::Product(_)
		| Family::Window(_)
		| Family::Reduce(_)
		| Family::Row(_)
		| Family::Moves(_)
		| Family::Table(_)
		| Family::Generate(_) => false,
	}
}

fn rejected(lowered: &Lowered, error: CheckError) -> Error {
	let text = error.to_string();
	// The layer whose value is nearest to what the check names.
	let named =
		text.split(|c: char| !c.is_ascii_digit()).find_map(|digits| digits.parse::<u32>().ok());
	let layer = named.and_then(|node| {
		lowered
			.traces
			.iter()
			.filter_map(|trace| match trace.value.source {
				Source::Node(at) if at >= node => Some((at, trace)),
				_ => None,
			})
			.min_by_key(|(at, _)| *at)
	});
	let place =
		layer.map_or(String::new(), |(_, t)| format!(" (in layer `{}`, {})", short(&t.node), t.op));
	Error::new("rejected-program", format!("the lowered program fails the check: {text}{place}"))
		.fix(
			"take a smaller --batch or shorter inputs, or split the layer; docs/models.md has \
			 the limits",
		)
}

/// Drops nodes, inputs and constants that nothing depends on, and says so in weights and traces.
fn prune(lowered: &mut Lowered) {
	let program = &mut lowered.program;
	let mut live = vec![false; program.nodes.len()];
	for output in &program.outputs {
		live[output.node as usize] = true;
	}
	let (mut inputs, mut constants) = (HashSet::new(), HashSet::new());
	for at in (0..program.nodes.len()).rev() {
		if !live[at] {
			continue;
		}
		for operand in &program.nodes[at].operands {
			match operand.source {
				Source::Node(index) => live[index as usize] = true,
				Source::Input(index) => drop(inputs.insert(index)),
				Source::Constant(index) => drop(constants.insert(index)),
				Source::State(_) => {}
			}
		}
	}
	let places = |keep: &dyn Fn(usize) -> bool, len: usize| -> Vec<Option<u32>> {
		let mut next = 0;
		(0..len)
			.map(|at| {
				keep(at).then(|| {
					next += 1;
					next - 1
				})
			})
			.collect()
	};
	let nodes = places(&|at| live[at], program.nodes.len());
	let kept_inputs = places(&|at| inputs.contains(&(at as u16)), program.inputs.len());
	let kept_constants = places(&|at| constants.contains(&(at as u16)), program.constants.len());
	let moved = |source: Source| -> Option<Source> {
		Some(match source {
			Source::Node(at) => Source::Node((*nodes.get(at as usize)?)?),
			Source::Input(at) => Source::Input((*kept_inputs.get(at as usize)?)? as u16),
			Source::Constant(at) => Source::Constant((*kept_constants.get(at as usize)?)? as u16),
			Source::State(at) => Source::State(at),
		})
	};
	for (at, node) in program.nodes.iter_mut().enumerate() {
		for operand in node.operands.iter_mut().filter(|_| live[at]) {
			operand.source = moved(operand.source).unwrap_or(operand.source);
		}
	}
	fn retained(places: &[Option<u32>]) -> impl FnMut() -> bool + '_ {
		let mut places = places.iter();
		move || places.next().is_some_and(Option::is_some)
	}
	let mut keep = retained(&nodes);
	program.nodes.retain(|_| keep());
	let mut keep = retained(&nodes);
	lowered.made_by.retain(|_| keep());
	let dropped: HashSet<String> = program
		.inputs
		.iter()
		.zip(&kept_inputs)
		.filter(|(_, place)| place.is_none())
		.map(|(input, _)| input.name.clone())
		.collect();
	let mut keep = retained(&kept_inputs);
	program.inputs.retain(|_| keep());
	let mut keep = retained(&kept_constants);
	program.constants.retain(|_| keep());
	for output in &mut program.outputs {
		output.node = nodes[output.node as usize].unwrap_or(output.node);
	}
	lowered.weights.retain(|weight| !dropped.contains(&weight.name));
	lowered.inputs.retain(|port| !dropped.contains(&port.program_name));
	lowered.traces.retain_mut(|trace| match moved(trace.value.source) {
		Some(source) => {
			trace.value.source = source;
			true
		}
		None => false,
	});
}
