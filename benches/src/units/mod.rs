//! Time of a work unit, of every operator on the shapes that are worst for it, and of what a run
//! takes beside its operators. Prices and deadlines count in work units, so no admitted program may
//! take more than [`BOUND`] for one on the slowest engine that takes part.

mod cases;
mod operand;
mod runs;

use crate::{table::Table, Benchmark, Context};
use anyhow::{anyhow, Result};
use assay_exec::{gemm::Path, plain_loops, Backend, Call, CpuBackend, Operand};
use assay_gpu::{default_cache_dir, GpuExecutor, Link};
use assay_ops::{Applied, Op};
use cases::Case;
use serde_json::{json, Value};
use std::{
	collections::BTreeMap,
	time::{Duration, Instant},
};

pub const BENCHMARK: Benchmark = Benchmark {
	name: "units",
	about: "nanoseconds of a work unit: every operator on its worst shapes, and whole runs",
	run,
};

/// Nanoseconds of a work unit at the rate that deadlines assume: 10^9 units in a block of three
/// seconds.
const BOUND: f64 = 3.0;

/// Elements of tensors that are not small.
const MANY: u32 = 1 << 21;
const QUICK: u32 = 1 << 17;

/// What is left of the bound for a processor half as fast as this one.
const NEAR: f64 = BOUND / 2.0;

/// Least seconds of the runs of one case: the best of several runs counts, since other load only
/// ever adds.
fn best(quick: bool, mut run: impl FnMut() -> Result<()>) -> Result<f64> {
	let (least, runs) =
		if quick { (Duration::from_millis(30), 2) } else { (Duration::from_millis(200), 4) };
	// Finds memory and threads cold.
	run()?;
	let (start, mut best, mut done) = (Instant::now(), f64::MAX, 0);
	while done < runs || start.elapsed() < least {
		let turn = Instant::now();
		run()?;
		best = best.min(turn.elapsed().as_secs_f64());
		done += 1;
		if start.elapsed() > 10 * least && done >= 2 {
			break;
		}
	}
	Ok(best)
}

/// The slowest processor of the architecture, as far as loops and products go, until it is dropped.
struct Plain;

impl Plain {
	fn new() -> Self {
		plain_loops(true);
		Self
	}
}

impl Drop for Plain {
	fn drop(&mut self) {
		plain_loops(false);
	}
}

fn flag(slowest: f64) -> Value {
	match slowest {
		_ if slowest > BOUND => json!(format!("over {BOUND}")),
		_ if slowest > NEAR => json!("near"),
		_ => json!(""),
	}
}

/// The name of an operator.
fn name(op: &Op) -> String {
	let text = format!("{op:?}");
	text.split([' ', '{']).next().unwrap_or_default().into()
}

impl Case {
	fn applied(&self) -> Result<Applied> {
		let types = self.operands.iter().map(operand::Seen::typed).collect::<Result<Vec<_>>>()?;
		Applied::new(self.op, &types).map_err(|error| anyhow!("{:?}: {error}", self.op))
	}

	/// Work units, those of views included.
	fn units(&self, applied: &Applied) -> Result<u64> {
		let mut units = applied.work_units();
		for (at, operand) in self.operands.iter().enumerate() {
			if let Some(view) = operand.view()? {
				units += applied.view_units(at, &view);
			}
		}
		Ok(units)
	}

	/// Seconds on the CPU engine.
	fn cpu(&self, backend: &mut CpuBackend, applied: &Applied, quick: bool) -> Result<f64> {
		let buffers =
			self.operands.iter().map(operand::Seen::buffer).collect::<Result<Vec<_>>>()?;
		let mut operands = Vec::new();
		for (seen, value) in self.operands.iter().zip(&buffers) {
			operands.push(Operand { value, shape: seen.typed()?.1, affine: seen.affine()? });
		}
		let (dtype, shape) = (applied.dtype(), applied.shape());
		let call = Call { op: &self.op, operands: &operands, dtype, shape: &shape };
		best(quick, || Ok(backend.apply(&call).map(drop)?))
	}

	/// Seconds on a GPU; `None` where it has no kernel for this.
	fn gpu(&self, executor: &mut GpuExecutor) -> Result<Option<f64>> {
		if self.operands.is_empty() || !self.operands.iter().all(operand::Seen::is_whole) {
			return Ok(None);
		}
		let operands =
			self.operands.iter().map(operand::Seen::tensor).collect::<Result<Vec<_>>>()?;
		let links = [Link { op: self.op, operands }];
		let Ok(first) = executor.time(&links, 1) else { return Ok(None) };
		let mut least = first;
		if first < Duration::from_millis(500) {
			for _ in 0..3 {
				least = least.min(executor.time(&links, 1)?);
			}
		}
		Ok(Some(least.as_secs_f64()))
	}
}

/// The slowest that was measured of each operator.
type Slowest = BTreeMap<String, (f64, String)>;

fn operators(context: &Context, gpu: &mut Option<GpuExecutor>) -> Result<Vec<Table>> {
	let mut table = Table::new(
		format!("Nanoseconds of a work unit: operators by themselves, at most {BOUND} on the slowest path"),
		&["operator", "case", "10^6 units", "this processor", "portable path", "GPU", "flag"],
	);
	let mut slowest = Slowest::new();
	let (mut quick, mut portable) = (CpuBackend::default(), CpuBackend::with_path(Path::Portable));
	for case in cases::all(if context.quick { QUICK } else { MANY })? {
		let applied = case.applied()?;
		let units = case.units(&applied)? as f64;
		let per_unit = |seconds: f64| seconds * 1e9 / units;
		let own = per_unit(case.cpu(&mut quick, &applied, context.quick)?);
		let plain = {
			let _plain = Plain::new();
			per_unit(case.cpu(&mut portable, &applied, context.quick)?)
		};
		let device = match gpu {
			Some(executor) => case.gpu(executor)?.map(per_unit),
			None => None,
		};
		let worst = own.max(plain);
		let shown = device.map_or("–".into(), |device| format!("{device:.3}"));
		let name_of = name(&case.op);
		eprintln!("bench: units {name_of}, {}: {own:.3}, {plain:.3}, {shown} ns", case.what);
		let entry = slowest.entry(name(&case.op)).or_insert((0.0, String::new()));
		if worst > entry.0 {
			*entry = (worst, case.what.into());
		}
		table.row(vec![
			json!(name(&case.op)),
			json!(case.what),
			json!(units / 1e6),
			json!(own),
			json!(plain),
			device.map_or(Value::Null, |device| json!(device)),
			flag(worst),
		]);
	}
	let mut by_operator = Table::new(
		"Nanoseconds of a work unit: the slowest that was measured of each operator on the CPU",
		&["operator", "ns", "case", "flag"],
	);
	for (operator, (worst, what)) in slowest {
		by_operator.row(vec![json!(operator), json!(worst), json!(what), flag(worst)]);
	}
	Ok(vec![table, by_operator])
}

fn run(context: &Context) -> Result<Vec<Table>> {
	let mut gpu = match context.adapter.adapter() {
		Ok(_) if context.quick && !context.named => None,
		Ok(info) => {
			eprintln!("bench: units: the column GPU is {} ({})", info.name, info.kind);
			Some(GpuExecutor::open(info.index, default_cache_dir().as_deref())?)
		}
		Err(reason) => {
			eprintln!("bench: units: the column GPU stays empty: {reason}");
			None
		}
	};
	let mut tables = operators(context, &mut gpu)?;
	tables.push(runs::table(context, &mut gpu)?);
	Ok(tables)
}

#[cfg(test)]
mod tests {
	use super::*;
	use codec::Decode;

	#[test]
	fn every_operator_should_have_a_case_when_operators_are_counted() {
		let measured: Vec<String> =
			cases::all(QUICK).unwrap().iter().map(|case| name(&case.op)).collect();
		let mut operators = 0;
		for index in 0..=u8::MAX {
			let bytes: Vec<u8> = core::iter::once(index).chain([0; 64]).collect();
			let Ok(op) = Op::decode(&mut &bytes[..]) else { continue };
			assert!(measured.contains(&name(&op)), "no case measures {}", name(&op));
			operators += 1;
		}
		assert_eq!(operators, Op::count());
	}

	#[test]
	fn cases_should_be_sound_when_they_are_listed() {
		for case in cases::all(QUICK).unwrap() {
			let applied = case.applied().unwrap();
			assert!(case.units(&applied).unwrap() >= assay_ops::work::NODE, "{}", case.what);
		}
	}
}
