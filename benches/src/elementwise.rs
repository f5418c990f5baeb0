//! Operators without a contraction: how many elements a second.

use crate::{measure::alone, rival::values, table::Table, Benchmark, Context};
use anyhow::Result;
use assay_exec::{Affine, Backend, Buffer, Call, CpuBackend, Operand};
use assay_ops::{DType, Op, Shape};
use serde_json::json;
use std::sync::Arc;

pub const BENCHMARK: Benchmark =
	Benchmark { name: "elementwise", about: "operators of single elements, and reductions", run };

/// Rows and columns: 2^22 elements.
const ROWS: u32 = 2048;
const COLUMNS: u32 = 2048;

fn run(context: &Context) -> Result<Vec<Table>> {
	let rows = if context.quick { ROWS / 8 } else { ROWS };
	let shape = |dims: &[u32]| Shape::new(dims).map_err(|error| anyhow::anyhow!("{error}"));
	let (whole, line, entries) = (shape(&[rows, COLUMNS])?, shape(&[COLUMNS])?, shape(&[256])?);
	let one_row = shape(&[rows])?;
	let len = (rows * COLUMNS) as usize;
	let i8s = Arc::new(Buffer::I8(values(len, 64).map(|value| value as i8).collect()));
	let i16s = Arc::new(Buffer::I16(values(len, 64).map(|value| value * 200).collect()));
	let i32s = Arc::new(Buffer::I32(values(len, 64).map(|value| i32::from(value) << 13).collect()));
	let table = Arc::new(Buffer::I8((0..256).map(|at| (at / 2) as i8).collect()));
	let multiplier = Arc::new(Buffer::I16(vec![20_000; COLUMNS as usize].into()));
	let shift = Arc::new(Buffer::I8(vec![20; COLUMNS as usize].into()));
	let bias = Arc::new(Buffer::I32(vec![1_000; COLUMNS as usize].into()));
	let (to, wide, sum) = (DType::I8, DType::I16, DType::I32);
	type Case<'a> = (&'a str, Op, Vec<(&'a Arc<Buffer>, Shape)>, DType, Shape);
	let cases: [Case; 11] = [
		(
			"Requant i32 to i8",
			Op::Requant { to },
			vec![(&i32s, whole), (&multiplier, line), (&shift, line), (&bias, line)],
			to,
			whole,
		),
		("Add i8", Op::Add { to }, vec![(&i8s, whole), (&i8s, whole)], to, whole),
		("Add i16", Op::Add { to: wide }, vec![(&i16s, whole), (&i16s, whole)], wide, whole),
		("Mul i8 to i16", Op::Mul { to: wide }, vec![(&i8s, whole), (&i8s, whole)], wide, whole),
		("Max i8", Op::Max, vec![(&i8s, whole), (&i8s, whole)], to, whole),
		("Shift i32 to i8", Op::Shift { by: 12, to }, vec![(&i32s, whole)], to, whole),
		("Cast i8 to i32", Op::Cast { to: sum }, vec![(&i8s, whole)], sum, whole),
		("Lut i8", Op::Lut, vec![(&i8s, whole), (&table, entries)], to, whole),
		("Clamp i8", Op::Clamp { lo: -5, hi: 5 }, vec![(&i8s, whole)], to, whole),
		(
			"ReduceSum i8, last axis",
			Op::ReduceSum { axis: 1, to: sum },
			vec![(&i8s, whole)],
			sum,
			one_row,
		),
		("ReduceMax i8, last axis", Op::ReduceMax { axis: 1 }, vec![(&i8s, whole)], to, one_row),
	];
	let mut out = Table::new(
		format!("Elementwise operators on {rows} × {COLUMNS}, allocation of the result included"),
		&["operator", "10^9 elements/s", "GB/s read and written"],
	);
	let mut cpu = CpuBackend::default();
	for (name, op, operands, dtype, shape) in cases {
		let sources: Vec<_> = operands
			.iter()
			.map(|&(value, shape)| Operand { value, shape, affine: Affine::new(&shape, None) })
			.collect();
		let call = Call { op: &op, operands: &sources, dtype, shape: &shape };
		let seconds = alone(|| Ok(cpu.apply(&call).map(drop)?))?;
		let moved: usize = operands.iter().map(|(value, _)| value.bytes().len()).sum();
		let moved = moved + shape.elements() as usize * dtype.size();
		out.row(vec![
			json!(name),
			json!(len as f64 / seconds / 1e9),
			json!(moved as f64 / seconds / 1e9),
		]);
	}
	Ok(vec![out])
}
