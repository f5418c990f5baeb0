//! The file of weights that is generated for a pallet.

use anyhow::Result;
use assay_bencher::{
	layout::Layout,
	source::Benchmarks,
	weights::{STORAGE, WORK},
	work,
};
use frame_benchmarking::{
	Analysis, BenchmarkBatchSplitResults, BenchmarkMetadata, BenchmarkResult, BenchmarkSelector,
};
use frame_support::traits::StorageInfo;
use std::{collections::BTreeMap, fmt::Write};

/// Bytes by which the keys of a storage item begin.
const PREFIX: usize = 32;

/// What names a benchmark's storage and work.
pub struct Names<'a> {
	/// The storage items of the runtime.
	pub storage: &'a [StorageInfo],
	/// The calls and the storage of the runtime.
	pub layout: &'a Layout,
	/// The text of the pallet's benchmarks.
	pub sources: &'a Benchmarks,
}

/// The head of the file for a crate, with a note of how it was measured.
pub fn head(krate: &str, note: &str) -> String {
	let asks = if krate.starts_with("pallet_") { krate.into() } else { format!("crate::{krate}") };
	format!(
		"//! What the calls of `{krate}` take.\n//!\n\
		//! Measured, and written by `scripts/benchmark-weights`: not to be edited.\n\
		//! {note}\n\n\
		#![cfg_attr(rustfmt, rustfmt_skip)]\n\
		#![allow(missing_docs)]\n\
		#![allow(unused_parens)]\n\n\
		use core::marker::PhantomData;\n\
		use frame_support::{{traits::Get, weights::Weight}};\n\n\
		/// Weights that were measured.\n\
		pub struct WeightInfo<T>(PhantomData<T>);\n\n\
		impl<T: frame_system::Config> {asks}::WeightInfo for WeightInfo<T> {{\n"
	)
}

/// The function for one benchmark.
pub fn function(
	krate: &str,
	benchmark: &BenchmarkMetadata,
	measured: &BenchmarkBatchSplitResults,
	names: &Names,
) -> Result<String> {
	let name = String::from_utf8_lossy(&benchmark.name);
	let storage = touched(&measured.db_results, names.storage);
	let touches: Vec<_> = storage.iter().filter_map(|item| item.name.clone()).collect();
	let pallet = work::pallet_of(krate);
	let hash = work::hash(names.sources, names.layout, &pallet, &name, &touches)?;
	let mut text = format!("{WORK}{hash}\n");
	for item in &storage {
		let what = match &item.name {
			Some((pallet, name)) => format!("`{pallet}::{name}`"),
			None => format!("unknown, by its prefix `{}`", item.prefix),
		};
		writeln!(text, "{STORAGE}{what} (r:{} w:{})", item.reads, item.writes)?;
	}
	for (name, low, high) in &benchmark.components {
		writeln!(text, "\t/// The range of `{name}` is `[{low}, {high}]`.")?;
	}
	let analyse = |results: &Vec<BenchmarkResult>, selector| Analysis::max(results, selector);
	let time = analyse(&measured.time_results, BenchmarkSelector::ExtrinsicTime)?;
	let proof = analyse(&measured.db_results, BenchmarkSelector::ProofSize)?;
	let reads = analyse(&measured.db_results, BenchmarkSelector::Reads)?;
	let writes = analyse(&measured.db_results, BenchmarkSelector::Writes)?;
	let slope =
		|analysis: &Analysis, at: usize| analysis.slopes.get(at).copied().unwrap_or_default();
	let all = [&time, &proof, &reads, &writes];
	let arguments: Vec<_> = benchmark
		.components
		.iter()
		.enumerate()
		.map(|(at, (name, ..))| {
			let unused = all.iter().all(|analysis| slope(analysis, at) == 0);
			format!("{}{name}: u32", if unused { "_" } else { "" })
		})
		.collect();
	writeln!(text, "\tfn {name}({}) -> Weight {{", arguments.join(", "))?;
	writeln!(text, "\t\t// At least {} ns.", grouped(time.minimum))?;
	let [base, proof_base] = [grouped(time.base), grouped(proof.base)];
	write!(text, "\t\tWeight::from_parts({base}, {proof_base})")?;
	for (at, (name, ..)) in benchmark.components.iter().enumerate() {
		let [time, proof] = [slope(&time, at), slope(&proof, at)];
		if (time, proof) != (0, 0) {
			let [time, proof] = [grouped(time), grouped(proof)];
			let one = format!("Weight::from_parts({time}, {proof})");
			write!(text, "\n\t\t\t.saturating_add({one}.saturating_mul({name}.into()))")?;
		}
	}
	for (kind, analysis) in [("reads", &reads), ("writes", &writes)] {
		if analysis.base != 0 {
			write!(text, "\n\t\t\t.saturating_add(T::DbWeight::get().{kind}({}))", analysis.base)?;
		}
		for (at, (name, ..)) in benchmark.components.iter().enumerate() {
			let count = slope(analysis, at);
			if count != 0 {
				let count = format!("{count}_u64.saturating_mul({name}.into())");
				write!(text, "\n\t\t\t.saturating_add(T::DbWeight::get().{kind}({count}))")?;
			}
		}
	}
	text.push_str("\n\t}\n");
	Ok(text)
}

/// A storage item, and the most of its keys that were read and written.
struct Touched {
	/// Pallet and item; `None` where it is no pallet's item.
	name: Option<(String, String)>,
	prefix: String,
	reads: u32,
	writes: u32,
}

fn touched(results: &[BenchmarkResult], storage: &[StorageInfo]) -> Vec<Touched> {
	let mut most: BTreeMap<&[u8], (u32, u32)> = BTreeMap::new();
	for (key, reads, writes, _) in results.iter().flat_map(|result| &result.keys) {
		let entry = most.entry(&key[..key.len().min(PREFIX)]).or_default();
		*entry = (entry.0.max(*reads), entry.1.max(*writes));
	}
	let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
	let mut all: Vec<_> = most
		.into_iter()
		.map(|(prefix, (reads, writes))| Touched {
			name: storage
				.iter()
				.find(|item| item.prefix == prefix)
				.map(|item| (text(&item.pallet_name), text(&item.storage_name))),
			prefix: prefix.iter().map(|byte| format!("{byte:02x}")).collect(),
			reads,
			writes,
		})
		.collect();
	all.sort_by(|one, other| one.name.cmp(&other.name));
	all
}

/// Digits in groups of three.
fn grouped(number: u128) -> String {
	let digits = number.to_string();
	let mut text = String::new();
	for (at, digit) in digits.chars().enumerate() {
		if at > 0 && (digits.len() - at) % 3 == 0 {
			text.push('_');
		}
		text.push(digit);
	}
	text
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn numbers_should_be_grouped_when_they_are_long() {
		assert_eq!(
			[0, 12, 123, 1_234, 1_234_567].map(grouped),
			["0", "12", "123", "1_234", "1_234_567"]
		);
	}
}
