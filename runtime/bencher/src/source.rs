//! The text of benchmarks: without comments and spaces, but with every function, constant and macro
//! that they use.

use anyhow::{Context, Result};
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;
use std::{
	collections::{BTreeMap, BTreeSet},
	path::{Path, PathBuf},
};
use syn::visit::{self, Visit};

/// What the runtime does for the pallets' benchmarks.
const STAGE: &str = "runtime/src/benchmarks.rs";
/// The runtime's own benchmarks, which use all of it.
const EXTENSIONS: &str = "extensions";
/// The trait by which a benchmark asks for it.
const HELPER: &str = "BenchmarkHelper";

/// The benchmarks of one pallet.
pub struct Benchmarks {
	own: Items,
	/// What the helper's functions are called.
	helper: BTreeSet<String>,
	stage: Items,
}

impl Benchmarks {
	/// Reads those of the crate `pallet_assay_…` of the checkout at `root`, or of that module of
	/// the runtime.
	pub fn read(root: &Path, krate: &str) -> Result<Self> {
		let files = match krate.strip_prefix("pallet_assay_") {
			Some(room) => files(&root.join("pallets").join(room).join("src"))?,
			None => vec![root.join("runtime/src/benchmarks").join(krate).with_extension("rs")],
		};
		let mut own = Items::default();
		for file in files {
			own.read(&file)?;
		}
		let mut stage = Items::default();
		stage.read(&root.join(STAGE))?;
		let mut helper = own.methods.clone();
		if krate == EXTENSIONS {
			helper.extend(stage.others.keys().cloned());
		}
		Ok(Self { own, helper, stage })
	}

	/// Benchmarks that do not say what their worst case is.
	pub fn unexplained(&self) -> &BTreeSet<String> {
		&self.own.unexplained
	}

	/// The text that the benchmark `name` comes to; `None` where there is no such benchmark.
	pub fn text(&self, name: &str) -> Option<String> {
		let mut words = self.own.benchmarks.get(name)?.clone();
		let mut texts = BTreeMap::new();
		let own = self.own.reached(&words, &mut texts);
		words.extend(own.into_iter().filter(|word| self.helper.contains(word)));
		self.stage.reached(&words, &mut texts);
		let mut all = self.own.benchmarks.get(name)?.join(" ");
		for (name, text) in texts {
			all.push_str(&format!("\n{name}: {text}"));
		}
		Some(all)
	}
}

/// `benchmarking.rs` and what is below it.
fn files(src: &Path) -> Result<Vec<PathBuf>> {
	let mut all = vec![src.join("benchmarking.rs")];
	if let Ok(below) = src.join("benchmarking").read_dir() {
		for entry in below {
			all.push(entry?.path());
		}
	}
	all.sort();
	Ok(all)
}

/// What some files define, each as its words.
#[derive(Default)]
struct Items {
	benchmarks: BTreeMap<String, Vec<String>>,
	others: BTreeMap<String, Vec<Vec<String>>>,
	/// Names of the functions that the helper's trait has.
	methods: BTreeSet<String>,
	/// Benchmarks without documentation.
	unexplained: BTreeSet<String>,
}

impl Items {
	fn read(&mut self, path: &Path) -> Result<()> {
		let what = || path.display().to_string();
		let text = std::fs::read_to_string(path).with_context(what)?;
		self.visit_file(&syn::parse_file(&text).with_context(what)?);
		Ok(())
	}

	/// Adds whatever these words use, directly or not, to `texts`; gives all the words that are
	/// reached.
	fn reached(&self, words: &[String], texts: &mut BTreeMap<String, String>) -> BTreeSet<String> {
		let mut seen = BTreeSet::new();
		let mut left: Vec<&String> = words.iter().collect();
		while let Some(word) = left.pop() {
			if !seen.insert(word.clone()) {
				continue;
			}
			for item in self.others.get(word).into_iter().flatten() {
				texts.entry(word.clone()).or_default().push_str(&item.join(" "));
				left.extend(item);
			}
		}
		seen
	}

	fn add(&mut self, name: &syn::Ident, item: impl ToTokens) {
		self.others.entry(name.to_string()).or_default().push(words(item));
	}
}

impl<'a> Visit<'a> for Items {
	fn visit_item_fn(&mut self, item: &'a syn::ItemFn) {
		let is_benchmark = item.attrs.iter().any(|attr| attr.path().is_ident("benchmark"));
		if is_benchmark {
			if !item.attrs.iter().any(|attr| attr.path().is_ident("doc")) {
				self.unexplained.insert(item.sig.ident.to_string());
			}
			self.benchmarks.insert(item.sig.ident.to_string(), words(item));
		} else {
			self.add(&item.sig.ident, item);
		}
	}

	fn visit_impl_item_fn(&mut self, item: &'a syn::ImplItemFn) {
		self.add(&item.sig.ident, item);
	}

	fn visit_item_const(&mut self, item: &'a syn::ItemConst) {
		self.add(&item.ident, item);
	}

	fn visit_item_macro(&mut self, item: &'a syn::ItemMacro) {
		let name = item.ident.as_ref().or(item.mac.path.get_ident());
		if let Some(name) = name {
			self.add(name, item);
		}
	}

	fn visit_item_trait(&mut self, item: &'a syn::ItemTrait) {
		if item.ident == HELPER {
			visit::visit_item_trait(self, item);
		}
	}

	fn visit_trait_item_fn(&mut self, item: &'a syn::TraitItemFn) {
		self.methods.insert(item.sig.ident.to_string());
	}

	// What only tests of the benchmarks use is no work.
	fn visit_item_mod(&mut self, item: &'a syn::ItemMod) {
		if item.ident != "tests" {
			visit::visit_item_mod(self, item);
		}
	}
}

/// The words of an item, without its documentation.
fn words(item: impl ToTokens) -> Vec<String> {
	let mut words = Vec::new();
	take(item.to_token_stream(), &mut words);
	words
}

fn take(tokens: TokenStream, words: &mut Vec<String>) {
	let mut tokens = tokens.into_iter().peekable();
	while let Some(token) = tokens.next() {
		match token {
			TokenTree::Punct(mark) if mark.as_char() == '#' && is_doc(tokens.peek()) => {
				tokens.next();
			}
			TokenTree::Group(group) => {
				let (open, close) = match group.delimiter() {
					Delimiter::Parenthesis => ("(", ")"),
					Delimiter::Brace => ("{", "}"),
					Delimiter::Bracket => ("[", "]"),
					Delimiter::None => ("", ""),
				};
				words.push(open.into());
				take(group.stream(), words);
				// rustfmt sets and removes a last comma.
				if words.last().is_some_and(|word| word == ",") {
					words.pop();
				}
				words.push(close.into());
			}
			other => words.push(other.to_string()),
		}
	}
}

fn is_doc(token: Option<&TokenTree>) -> bool {
	let Some(TokenTree::Group(group)) = token else { return false };
	let first = group.stream().into_iter().next();
	matches!(first, Some(TokenTree::Ident(name)) if name == "doc")
}

#[cfg(test)]
mod tests {
	use super::*;

	fn items(text: &str) -> Items {
		let mut items = Items::default();
		items.visit_file(&syn::parse_str(text).unwrap());
		items
	}

	fn benchmarks(own: &str, stage: &str) -> Benchmarks {
		let own = items(own);
		Benchmarks { helper: own.methods.clone(), own, stage: items(stage) }
	}

	const OWN: &str = "
		const SIZE: u32 = 7;
		trait BenchmarkHelper { fn stage(); }
		fn used() { T::BenchmarkHelper::stage(SIZE) }
		fn unused() {}
		mod benches {
			/// Its worst case.
			#[benchmark]
			fn call() {
				// As it is.
				used();
				#[extrinsic_call]
				_(RawOrigin::Root, 1);
			}
			#[benchmark]
			fn other() { call(); }
		}";
	const STAGE: &str =
		"impl Helper for Stage { fn stage() { below() } } fn below() {} fn aside() {}";

	fn text(own: &str, stage: &str, name: &str) -> String {
		benchmarks(own, stage).text(name).expect("there is such a benchmark")
	}

	#[test]
	fn text_should_be_the_same_when_only_comments_spaces_and_places_change() {
		let moved = OWN
			.replace("/// Its worst case.", "/// Another text.")
			.replace("// As it is.", "")
			.replace("fn unused() {}", "")
			.replace("RawOrigin::Root, 1", "\n\tRawOrigin::Root,\n\t1,\n")
			.replace("mod benches {", "mod elsewhere {");
		assert_eq!(text(OWN, STAGE, "call"), text(&moved, STAGE, "call"));
		let moved = STAGE.replace("fn aside() {}", "fn aside() { below() }");
		assert_eq!(text(OWN, STAGE, "call"), text(OWN, &moved, "call"));
	}

	#[test]
	fn text_should_differ_when_anything_that_the_benchmark_uses_changes() {
		let before = text(OWN, STAGE, "call");
		assert_ne!(before, text(&OWN.replace("Root, 1", "Root, 2"), STAGE, "call"));
		assert_ne!(before, text(&OWN.replace("SIZE: u32 = 7", "SIZE: u32 = 8"), STAGE, "call"));
		assert_ne!(before, text(OWN, &STAGE.replace("below() {}", "below() { 1; }"), "call"));
	}

	#[test]
	fn benchmarks_should_be_found_when_they_do_not_say_what_they_measure() {
		let unexplained = items(OWN).unexplained;
		assert_eq!(unexplained.into_iter().collect::<Vec<_>>(), ["other"]);
	}

	#[test]
	fn text_should_leave_other_benchmarks_out_when_they_have_the_name_of_a_call() {
		let other = OWN.replace("Root, 1", "Root, 2");
		assert_eq!(text(OWN, STAGE, "other"), text(&other, STAGE, "other"));
		assert_eq!(benchmarks(OWN, STAGE).text("unused"), None);
	}
}
