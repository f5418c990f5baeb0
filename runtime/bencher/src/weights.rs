//! The generated files of weights, as far as it takes to tell whether they are up to date.

use std::collections::BTreeMap;

/// What stands before the hash of the work that a weight was measured for.
pub const WORK: &str = "\t/// Work: ";
/// What stands before a storage item that was touched.
pub const STORAGE: &str = "\t/// Storage: ";

/// A measured weight.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measured {
	/// The hash that was written beside it.
	pub work: String,
	/// Pallet and name of the storage items that it touched.
	pub touches: Vec<(String, String)>,
}

/// The measured weights of a generated file by name. A function without a hash was not measured.
pub fn read(file: &str) -> BTreeMap<String, Measured> {
	let mut all = BTreeMap::new();
	let mut next = Measured::default();
	for line in file.lines() {
		if let Some(work) = line.strip_prefix(WORK) {
			next.work = work.trim().into();
		} else if let Some(item) = line.strip_prefix(STORAGE) {
			let name = item.split_whitespace().next().unwrap_or_default().trim_matches('`');
			if let Some((pallet, name)) = name.split_once("::") {
				next.touches.push((pallet.into(), name.into()));
			}
		} else if let Some(rest) = line.trim_start().strip_prefix("fn ") {
			let name = rest.split('(').next().unwrap_or_default().to_string();
			let measured = std::mem::take(&mut next);
			if !measured.work.is_empty() {
				all.insert(name, measured);
			}
		}
	}
	all
}

/// The functions of the trait `WeightInfo` in a pallet's `weights.rs`.
pub fn asked_for(weights: &str) -> syn::Result<Vec<String>> {
	let file = syn::parse_file(weights)?;
	let info = file.items.iter().find_map(|item| match item {
		syn::Item::Trait(item) if item.ident == "WeightInfo" => Some(item),
		_ => None,
	});
	let functions = info.into_iter().flat_map(|info| &info.items).filter_map(|item| match item {
		syn::TraitItem::Fn(item) => Some(item.sig.ident.to_string()),
		_ => None,
	});
	Ok(functions.collect())
}

#[cfg(test)]
mod tests {
	use super::*;

	const FILE: &str = "
impl Info for Weights {
	/// Work: 00ff
	/// Storage: `Jobs::Agenda` (r:1 w:2)
	/// Storage: unknown, by its prefix `0x00` (r:1 w:0)
	fn measured(i: u32) -> Weight {}
	/// A guess.
	fn guessed() -> Weight {}
}";

	#[test]
	fn weights_should_be_told_from_guesses_when_a_hash_stands_beside_them() {
		let measured = read(FILE);
		assert_eq!(measured.len(), 1);
		let touches = vec![("Jobs".into(), "Agenda".into())];
		assert_eq!(measured["measured"], Measured { work: "00ff".into(), touches });
	}

	#[test]
	fn functions_should_be_listed_when_a_trait_asks_for_weights() {
		let text =
			"trait Other { fn no(); } pub trait WeightInfo { fn a(); fn b(c: u32) -> Weight; }";
		assert_eq!(asked_for(text).unwrap(), ["a", "b"]);
	}
}
