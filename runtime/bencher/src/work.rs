//! The hash of what a weight was measured for.

use crate::{layout::Layout, source::Benchmarks};
use anyhow::{Context, Result};

/// What of a hash is written beside a weight.
const BYTES: usize = 16;

/// The runtime's name of the pallet that is in the crate `pallet_assay_…`.
pub fn pallet_of(krate: &str) -> String {
	let room = krate.strip_prefix("pallet_assay_").unwrap_or(krate);
	let (first, rest) = room.split_at(room.len().min(1));
	first.to_uppercase() + rest
}

/// Hash over the text of a benchmark, the signature of the call of its name, the storage of its
/// pallet and the storage of other pallets that it `touches`.
pub fn hash(
	benchmarks: &Benchmarks,
	layout: &Layout,
	pallet: &str,
	benchmark: &str,
	touches: &[(String, String)],
) -> Result<String> {
	let text = benchmarks
		.text(benchmark)
		.with_context(|| format!("{pallet} has no benchmark `{benchmark}`"))?;
	let mut parts = vec![text, layout.call(pallet, benchmark).unwrap_or_default()];
	parts
		.extend(layout.storage(pallet).into_iter().map(|(name, shape)| format!("{name}: {shape}")));
	let mut others: Vec<_> = touches.iter().filter(|(other, _)| other != pallet).collect();
	others.sort();
	others.dedup();
	for (other, item) in others {
		parts.push(format!("{other}::{item}: {}", layout.item(other, item)?));
	}
	let hash = blake3::hash(parts.join("\0").as_bytes());
	Ok(hash.as_bytes()[..BYTES].iter().map(|byte| format!("{byte:02x}")).collect())
}
