//! Every enum of ours that is stored, or goes over a wire, says the index of each of its variants.
//!
//! Without, the index is the variant's place: whoever sorts variants, or adds one in the middle, changes
//! bytes that are stored and signed, and nothing tells. Calls have `call_index` for this, which FRAME
//! demands. Events and errors are left to their place: nobody decodes them but by the metadata of their
//! own block.

use std::{
	collections::BTreeSet,
	fs,
	path::{Path, PathBuf},
};
use syn::{
	parse::Parser,
	punctuated::Punctuated,
	visit::{self, Visit},
	Attribute, ItemEnum, LitInt, Token,
};

/// Rooms whose sources are looked through.
const ROOMS: [&str; 5] = ["primitives", "pallets", "runtime", "offchain-worker", "node"];

/// Looks through the enums of a file.
#[derive(Default)]
struct Enums {
	/// Enums with a SCALE encoding.
	found: usize,
	wrong: Vec<String>,
}

impl Enums {
	fn of(source: &str) -> Self {
		let mut this = Self::default();
		this.visit_file(&syn::parse_file(source).unwrap());
		this
	}
}

impl<'ast> Visit<'ast> for Enums {
	fn visit_item_enum(&mut self, item: &'ast ItemEnum) {
		visit::visit_item_enum(self, item);
		if !item.attrs.iter().any(derives_codec) {
			return;
		}
		self.found += 1;
		let mut indices = BTreeSet::new();
		for variant in &item.variants {
			let index = variant.attrs.iter().find_map(index_of);
			if index.is_none_or(|index| !indices.insert(index)) {
				self.wrong.push(format!("{}::{}", item.ident, variant.ident));
			}
		}
	}
}

fn derives_codec(attribute: &Attribute) -> bool {
	attribute.path().is_ident("derive")
		&& attribute.meta.require_list().is_ok_and(|list| {
			Punctuated::<syn::Path, Token![,]>::parse_terminated
				.parse2(list.tokens.clone())
				.unwrap()
				.iter()
				.filter_map(|path| path.segments.last())
				.any(|name| name.ident == "Encode" || name.ident == "Decode")
		})
}

/// N of `#[codec(index = N)]`.
fn index_of(attribute: &Attribute) -> Option<u8> {
	let mut index = None;
	if attribute.path().is_ident("codec") {
		attribute
			.parse_nested_meta(|meta| {
				if meta.path.is_ident("index") {
					index = Some(meta.value()?.parse::<LitInt>()?.base10_parse()?);
				}
				Ok(())
			})
			.unwrap();
	}
	index
}

/// Rust sources below a folder, without those of tests.
fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
	for entry in fs::read_dir(folder).unwrap() {
		let path = entry.unwrap().path();
		let name = path.file_name().unwrap().to_str().unwrap();
		if path.is_dir() && !["tests", "target"].contains(&name) {
			sources(&path, into);
		} else if name.ends_with(".rs") && !name.ends_with("tests.rs") {
			into.push(path);
		}
	}
}

#[test]
fn variants_should_say_their_indices_when_they_are_stored_or_sent() {
	let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
	let mut files = Vec::new();
	for room in ROOMS {
		sources(&root.join(room), &mut files);
	}
	let (mut found, mut wrong) = (0, Vec::new());
	for file in files {
		let enums = Enums::of(&fs::read_to_string(&file).unwrap());
		found += enums.found;
		let name = file.strip_prefix(&root).unwrap().display().to_string();
		wrong.extend(enums.wrong.into_iter().map(|variant| format!("{name}: {variant}")));
	}
	assert!(found > 30, "{found} enums: are these the sources?");
	assert!(
		wrong.is_empty(),
		"give each variant an index of its own, #[codec(index = N)], which it keeps for ever:\n{}",
		wrong.join("\n")
	);
}

#[test]
fn variant_should_be_found_when_its_index_is_missing_or_taken() {
	let wrong = |source: &str| Enums::of(source).wrong;
	assert_eq!(wrong("#[derive(Clone, Encode)] enum A { B, #[codec(index = 1)] C }"), ["A::B"]);
	assert_eq!(
		wrong("#[derive(codec::Decode)] enum A { #[codec(index = 1)] B, #[codec(index = 1)] C }"),
		["A::C"]
	);
	assert!(wrong("#[derive(Encode)] enum A { #[codec(index = 3)] B(u8), #[codec(index = 0)] C }")
		.is_empty());
	assert!(wrong("#[derive(Clone)] enum A { B }").is_empty());
	assert_eq!(wrong("mod m { fn f() { #[derive(Decode)] enum A { B } } }"), ["A::B"]);
}
