//! The engine's GPU kernels against burn's, on the same adapter.

mod cases;

use crate::{
	measure::{interleave, median_of_turns, Pair},
	rival::{Burn, Description},
	table::Table,
	Benchmark, Context,
};
use anyhow::{ensure, Context as _, Result};
use assay_exec::{Affine, Backend, Buffer, Call, CpuBackend, Operand};
use assay_gpu::{default_cache_dir, AdapterInfo, GpuExecutor, Link};
use assay_ops::Shape;
use cases::{cases, Case};
use serde_json::{json, Value};
use std::sync::Arc;

pub const BENCHMARK: Benchmark = Benchmark {
	name: "gpu",
	about: "GPU kernels: integer operators against burn's (cubecl on wgpu), on the same adapter",
	run,
};

/// What burn's sums may be off by, for its rounding.
const TOLERANCE: f64 = 0.02;

/// What the CPU engine gives for a chain: the kernels have to give the same bytes.
fn expected(cpu: &mut CpuBackend, links: &[Link]) -> Result<Arc<Buffer>> {
	let mut last: Option<(Arc<Buffer>, Shape)> = None;
	for link in links {
		let own = link.operands.iter().map(|tensor| {
			(Arc::new(Buffer::from_canonical(&tensor.ty, &tensor.bytes)), tensor.ty.shape)
		});
		let all: Vec<_> = last.take().into_iter().chain(own).collect();
		let operands: Vec<_> = all
			.iter()
			.map(|(value, shape)| Operand {
				value,
				shape: *shape,
				affine: Affine::new(shape, None),
			})
			.collect();
		let seen: Vec<_> = all.iter().map(|(value, shape)| (value.dtype(), shape)).collect();
		let (dtype, shape) =
			link.op.infer(&seen).map_err(|error| anyhow::anyhow!("{:?}: {error}", link.op))?;
		let call = Call { op: &link.op, operands: &operands, dtype, shape: &shape };
		last = Some((cpu.apply(&call)?, shape));
	}
	last.map(|(value, _)| value).context("a chain without operators")
}

/// What did not run, and the one reason why, for many cases.
#[derive(Default)]
struct Failures(Vec<(String, Vec<String>)>);

impl Failures {
	fn add(&mut self, what: String, reason: &str) {
		// What follows are backtraces and the sources of kernels.
		let line = reason.lines().take(3).collect::<Vec<_>>().join(" ");
		let reason: String = line.chars().take(300).collect();
		match self.0.iter_mut().find(|(known, _)| *known == reason) {
			Some((_, all)) => all.push(what),
			None => self.0.push((reason, vec![what])),
		}
	}

	fn table(self) -> Option<Table> {
		let mut table = Table::new("What did not run, and why", &["cases", "reason"]);
		for (reason, what) in self.0 {
			table.row(vec![json!(what.join(", ")), json!(reason)]);
		}
		(!table.rows.is_empty()).then_some(table)
	}
}

fn milliseconds(seconds: Option<f64>) -> Value {
	seconds.map_or(Value::Null, |seconds| json!(seconds * 1e3))
}

/// Both sides on one adapter.
struct Sides {
	executor: GpuExecutor,
	cpu: CpuBackend,
	burn: Option<Burn>,
	failures: Failures,
}

impl Sides {
	/// Seconds of one run of burn's; `None` and the reason among the failures where it does not
	/// run.
	fn burn(&mut self, case: &Case, ty: &str) -> Option<f64> {
		let burn = self.burn.as_mut()?;
		let mut request = case.request.clone();
		request["type"] = json!(ty);
		let measured = burn.prepare(&request).and_then(|found| {
			let off = (found - case.checksum).abs() / case.checksum.abs().max(1.0);
			if off.is_nan() || off > TOLERANCE {
				return Err(format!("the result sums up to {found}, not {}", case.checksum));
			}
			median_of_turns(|count| burn.run(count)).map_err(|error| error.to_string())
		});
		let name = format!("burn's {ty} {} {}", case.operator, case.shape);
		measured.map_err(|reason| self.failures.add(name, &reason)).ok()
	}

	/// Ours, against burn's f32 if that is prepared; or why it does not run. Error: wrong bytes.
	fn ours(
		&mut self,
		case: &Case,
		at: usize,
		against: bool,
	) -> Result<Option<(f64, Option<Pair>)>> {
		let (what, links) = &case.ours[at];
		let name = format!("ours {what} {} {}", case.operator, case.shape);
		let measured = match self.executor.result(links) {
			Ok(found) => {
				let same = found == expected(&mut self.cpu, links)?;
				ensure!(same, "{name} differs from the CPU engine on this adapter");
				self.time(links, against)
			}
			Err(error) => Err(error.into()),
		};
		Ok(measured.map_err(|error| self.failures.add(name, &format!("{error:#}"))).ok())
	}

	fn time(&mut self, links: &[Link], against: bool) -> Result<(f64, Option<Pair>)> {
		let executor = &mut self.executor;
		let ours =
			|count: usize| Ok(executor.time(links, count as u32)?.as_secs_f64() / count as f64);
		match self.burn.as_mut().filter(|_| against) {
			Some(burn) => {
				let pair = interleave(ours, |count| burn.run(count))?;
				Ok((pair.ours, Some(pair)))
			}
			None => Ok((median_of_turns(ours)?, None)),
		}
	}
}

/// Which device both sides are on.
fn adapters(info: &AdapterInfo, burn: &Result<Description, String>) -> Table {
	let mut table = Table::new(
		if info.kind == "software" {
			"A software adapter, which is a CPU: none of the figures below is one of a GPU"
		} else {
			"The adapter"
		},
		&["side", "adapter", "driver", "shaders"],
	);
	table.row(["ours", &info.name, &info.driver, "WGSL"].map(|text| json!(text)).to_vec());
	table.row(match burn {
		Ok(Description { library, adapter, driver, compiler }) => {
			[library, adapter, driver, compiler].map(|text| json!(text)).to_vec()
		}
		Err(reason) => vec![json!("burn"), json!(format!("does not run: {reason}"))],
	});
	table
}

fn run(context: &Context) -> Result<Vec<Table>> {
	let info = match context.adapter.adapter() {
		Ok(info) => info,
		Err(reason) => {
			let title = format!("GPU kernels were not measured: {reason}");
			return Ok(vec![Table::new(title, &["operator"])]);
		}
	};
	let software = info.kind == "software";
	let mut sides = Sides {
		executor: GpuExecutor::open(info.index, default_cache_dir().as_deref())?,
		cpu: CpuBackend::default(),
		burn: context.rivals.start_burn(&info.name)?,
		failures: Failures::default(),
	};
	let description = match &mut sides.burn {
		Some(burn) => burn.describe(),
		None => Err("it was not built".into()),
	};
	match &description {
		Ok(burn) => ensure!(
			burn.adapter == info.name,
			"ours is on {}, burn on {}: name the adapter in full",
			info.name,
			burn.adapter
		),
		Err(_) => sides.burn = None,
	}
	let label = if software { ", on a CPU posing as a GPU" } else { "" };
	let title = "Integer kernels against burn's f32: operands on the device, nothing read back";
	let mut columns = vec![
		"operator",
		"shape",
		"ours",
		"ours, ms",
		"burn f32, ms",
		"times as fast",
		"ours, GMAC/s",
	];
	if !software {
		columns.push("of the adapter's dot4I8Packed peak");
	}
	let mut main = Table::new(format!("{title}{label}"), &columns);
	let mut types = Table::new(
		format!("Burn's types: ms{label}"),
		&["operator", "shape", "f32", "f16", "i32", "q8 (quantized by tensor)"],
	);
	for case in cases(software, context.quick)? {
		let others: &[&str] =
			if case.products.is_some() { &["f16", "i32", "q8"] } else { &["f16"] };
		let others: Vec<_> = others.iter().map(|ty| sides.burn(&case, ty)).collect();
		// The last, so that it is what ours is measured against.
		let float = sides.burn(&case, "f32");
		let name = [json!(case.operator), json!(case.shape)];
		let mut row = name.to_vec();
		row.push(milliseconds(float));
		row.extend(others.into_iter().map(milliseconds));
		row.resize(types.columns.len(), Value::Null);
		types.row(row);
		for (at, (what, _)) in case.ours.iter().enumerate() {
			let mut row = name.to_vec();
			row.push(json!(what));
			if let Some((seconds, pair)) = sides.ours(&case, at, float.is_some())? {
				let rate = case.products.map(|products| products / seconds / 1e9);
				row.push(milliseconds(Some(seconds)));
				row.push(milliseconds(pair.map(|pair| pair.theirs)));
				row.push(pair.map_or(Value::Null, |pair| json!(pair.ratio)));
				row.push(rate.map_or(Value::Null, |rate| json!(rate)));
				// The packed dot product is what i8 products are made of.
				row.push(match (rate.filter(|_| what.starts_with("i8")), context.peak) {
					(None, _) => Value::Null,
					(Some(_), None) => json!("unknown"),
					(Some(rate), Some(peak)) => json!(format!("{:.1} %", rate / peak * 100.0)),
				});
			}
			row.resize(main.columns.len(), Value::Null);
			main.row(row);
		}
		eprintln!("bench: gpu {} {} done", case.operator, case.shape);
	}
	let mut tables = vec![adapters(&info, &description), main];
	if sides.burn.is_some() {
		tables.push(types);
	}
	tables.extend(sides.failures.table());
	Ok(tables)
}
