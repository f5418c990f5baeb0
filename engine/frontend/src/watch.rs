//! What saturates while a program runs, and what reads beside its table: an executor neither counts
//! nor refuses it.
//!
//! Values inside a program are seen where they are anchors. The program that is watched is the
//! model's own with more of them, so that it computes the same and commits to more; it is never
//! given away.

use crate::{
	array::walk,
	error::{short, Error, Result},
	model::{Model, Saturated},
};
use assay_exec::{Run, Tensor};
use assay_ops::{DType, Elementwise, Family, Op, Reduce, Row};
use assay_program::{Checked, Class, Limits, Operand, Program, Source};
use std::collections::BTreeMap;

/// Most bytes of watched values that are kept at once.
const MOST: u64 = 1 << 30;

/// A node that is looked at.
struct Looked {
	/// What it is.
	place: String,
	/// Whether what is cut at the least and at the largest number is lost: bounds that follow may
	/// cut it anyway.
	ends: [bool; 2],
}

/// A program under watch, and what was seen.
pub(crate) struct Watch {
	pub program: Program,
	pub checked: Checked,
	/// Nodes to look at.
	nodes: BTreeMap<u32, Looked>,
	/// Indices of tables: their operand, rows of the table, and who reads.
	gathers: Vec<(Operand, u32, String)>,
	seen: BTreeMap<String, (u64, u64)>,
}

/// Whether a result at the end of its range is one that was cut. Sums of 32 bits are cut on purpose
/// where they are masked; what is cut by bounds of the model, by a table or as a probability is
/// meant to be.
fn cuts(op: &Op, dtype: DType) -> bool {
	let narrow = dtype != DType::I32;
	match op.family() {
		Family::Product(op) => op.narrow().is_some(),
		Family::Elementwise(op) => match op {
			Elementwise::Requant { .. } => true,
			Elementwise::MulShift { .. }
			| Elementwise::Shift { .. }
			| Elementwise::Cast { .. }
			| Elementwise::Add { .. }
			| Elementwise::Sub { .. }
			| Elementwise::Mul { .. } => narrow,
			Elementwise::Max
			| Elementwise::Min
			| Elementwise::Clamp { .. }
			| Elementwise::Copy
			| Elementwise::Compare { .. }
			| Elementwise::Select
			| Elementwise::BitLen
			| Elementwise::IntDiv { .. }
			| Elementwise::Rsqrt { .. }
			| Elementwise::ShiftBy { .. }
			| Elementwise::ShiftRandom { .. } => false,
		},
		Family::Reduce(op) => match op {
			Reduce::ReduceSumProduct { .. } => true,
			Reduce::ReduceSum { .. } | Reduce::ReduceMax { .. } | Reduce::ArgMax { .. } => false,
		},
		Family::Row(op) => match op {
			Row::Norm { .. } => true,
			// Its sums of 32 bits are scaled afterwards.
			Row::CumSum { .. } => true,
			Row::TopK { .. } | Row::Softmax { .. } | Row::RowScale { .. } => false,
		},
		Family::Window(_) | Family::Moves(_) | Family::Table(_) | Family::Generate(_) => false,
	}
}

/// Elements at the ends of the type's range that count.
fn at_ends(tensor: &Tensor, [low, high]: [bool; 2]) -> u64 {
	let (least, largest) = (tensor.ty.dtype.min(), tensor.ty.dtype.max());
	let end = |x: i32| (low && x == least) || (high && x == largest);
	// Padding is 0, and so at no end.
	let bytes = &tensor.bytes;
	let count = match tensor.ty.dtype {
		DType::I8 => bytes.iter().filter(|&&byte| end((byte as i8).into())).count(),
		DType::I16 => {
			let number = |pair: &[u8]| i16::from_le_bytes([pair[0], pair[1]]).into();
			bytes.chunks_exact(2).filter(|pair| end(number(pair))).count()
		}
		DType::I32 => {
			let number = |four: &[u8]| i32::from_le_bytes([four[0], four[1], four[2], four[3]]);
			bytes.chunks_exact(4).filter(|four| end(number(four))).count()
		}
	};
	count as u64
}

/// For each node, which ends of its range somebody reads: [`Op::Clamp`] may cut them off.
fn read_ends(program: &Program, checked: &Checked) -> Vec<[bool; 2]> {
	let mut ends = vec![[false; 2]; program.nodes.len()];
	let mut read = |at: u32, low: bool, high: bool| {
		if let Some(ends) = ends.get_mut(at as usize) {
			*ends = [ends[0] || low, ends[1] || high];
		}
	};
	for node in &program.nodes {
		for operand in &node.operands {
			let Source::Node(at) = operand.source else { continue };
			let ty = checked.types.get(at as usize);
			if let (Op::Clamp { lo, hi }, Some(ty)) = (&node.op, ty) {
				read(at, *lo <= ty.dtype.min(), *hi >= ty.dtype.max());
			} else {
				read(at, true, true);
			}
		}
	}
	for output in &program.outputs {
		read(output.node, true, true);
	}
	ends
}

impl Watch {
	pub fn new(model: &Model) -> Self {
		let mut program = model.program.clone();
		let mut nodes = BTreeMap::new();
		let ends = read_ends(&program, &model.checked);
		let (mut bytes, mut promoted) = (0, false);
		for (at, node) in program.nodes.iter_mut().enumerate() {
			let Some(ty) = model.checked.types.get(at) else { continue };
			if !cuts(&node.op, ty.dtype) {
				continue;
			}
			bytes += ty.canonical_len();
			if bytes > MOST {
				break;
			}
			if node.class == Class::Virtual {
				node.class = Class::EagerAnchor;
				promoted = true;
			}
			nodes.insert(at as u32, Looked { place: model.place(at), ends: ends[at] });
		}
		let mut gathers = Vec::new();
		for (at, node) in program.nodes.iter().enumerate() {
			let (Op::Gather, [table, indices]) = (&node.op, &node.operands[..]) else { continue };
			if let Some(rows) = rows(&model.program, &model.checked, table) {
				gathers.push((indices.clone(), rows, model.place(at)));
			}
		}
		let checked = match promoted {
			true => program.check(&Limits::default()).ok(),
			false => Some(model.checked.clone()),
		};
		match checked {
			Some(checked) => Self { program, checked, nodes, gathers, seen: BTreeMap::new() },
			// With more anchors the check can run out of steps: then those that are there must do.
			None => {
				let program = model.program.clone();
				nodes.retain(|at, _| program.nodes[*at as usize].class != Class::Virtual);
				let checked = model.checked.clone();
				Self { program, checked, nodes, gathers, seen: BTreeMap::new() }
			}
		}
	}

	/// What the executor is to keep.
	pub fn sources(&self) -> Vec<Source> {
		let indices = self.gathers.iter().map(|(operand, ..)| operand.source);
		let nodes = self.nodes.keys().map(|at| Source::Node(*at));
		let anchored = |source: &Source| match source {
			Source::Node(at) => self.program.nodes[*at as usize].class != Class::Virtual,
			_ => false,
		};
		nodes.chain(indices.filter(anchored)).collect()
	}

	/// Counts elements of an input that were cut.
	pub fn input(&mut self, name: &str, count: u64, of: u64) {
		let seen = self.seen.entry(format!("input `{}`", short(name))).or_default();
		*seen = (seen.0 + count, seen.1 + of);
	}

	/// Looks at the indices that inputs hold. Error: `bad-samples`.
	pub fn inputs(&self, model: &Model, inputs: &[Tensor]) -> Result<()> {
		for (operand, rows, place) in &self.gathers {
			let Source::Input(at) = operand.source else { continue };
			let (Some(tensor), Some(input)) =
				(inputs.get(usize::from(at)), self.program.inputs.get(usize::from(at)))
			else {
				continue;
			};
			let port = model.sidecar.inputs.iter().find(|port| port.program_name == input.name);
			let name = port.map_or(&input.name, |port| &port.name);
			within(operand, tensor, *rows, &format!("input `{}`", short(name)), place)?;
		}
		Ok(())
	}

	/// Looks at what was kept. Error: `bad-samples`.
	pub fn run(&mut self, run: &Run) -> Result<()> {
		for (source, tensor) in &run.kept {
			for (operand, rows, place) in &self.gathers {
				if operand.source == *source {
					within(operand, tensor, *rows, "an index that is computed", place)?;
				}
			}
			let Source::Node(at) = source else { continue };
			if let Some(Looked { place, ends }) = self.nodes.get(at) {
				let seen = self.seen.entry(place.clone()).or_default();
				let of = u64::from(tensor.ty.elements());
				*seen = (seen.0 + at_ends(tensor, *ends), seen.1 + of);
			}
		}
		Ok(())
	}

	/// What saturated, the largest part first.
	pub fn saturated(self) -> Vec<Saturated> {
		let mut all: Vec<Saturated> = self
			.seen
			.into_iter()
			.filter(|(_, (count, _))| *count > 0)
			.map(|(place, (count, of))| Saturated { place, count, of })
			.collect();
		all.sort_by(|a, b| b.share().total_cmp(&a.share()));
		all
	}
}

/// Rows of a table.
fn rows(program: &Program, checked: &Checked, table: &Operand) -> Option<u32> {
	let shape = match (&table.view, table.source) {
		(Some(view), _) => view.shape,
		(None, Source::Node(at)) => checked.types.get(at as usize)?.shape,
		(None, Source::Input(at)) => program.inputs.get(usize::from(at))?.ty.shape,
		(None, Source::Constant(at)) => program.constants.get(usize::from(at))?.ty.shape,
		(None, Source::State(_)) => return None,
	};
	shape.dims().first().copied()
}

/// Refuses indices outside a table, of which an executor would read 0.
fn within(operand: &Operand, tensor: &Tensor, rows: u32, what: &str, place: &str) -> Result<()> {
	let elements = tensor.elements().unwrap_or_default();
	let own = |list: &[u32]| list.iter().map(|&x| x as usize).collect::<Vec<_>>();
	let outside = |&index: &i32| !u32::try_from(index).is_ok_and(|index| index < rows);
	let wrong = match &operand.view {
		Some(view) => walk(&own(view.shape.dims()), &own(&view.strides), view.offset as usize)
			.filter_map(|at| elements.get(at).copied())
			.find(outside),
		None => elements.iter().copied().find(outside),
	};
	match wrong {
		Some(index) => Err(Error::new(
			"bad-samples",
			format!("{what}: index {index} is outside the {rows} rows of the table of {place}"),
		)
		.fix("ids are from 0 to below the size of the vocabulary")),
		None => Ok(()),
	}
}
