//! Who decides by the operator says what becomes of each of them: a `match` over operators in the
//! sources of the product has no arm that takes whatever is left. A new operator then does not
//! compile where it was forgotten, and is never taken for something that it is not.
//!
//! A question about certain operators (`if let`, `matches!`) is no such decision.

use std::{
	fs,
	path::{Path, PathBuf},
};
use syn::{
	visit::{self, Visit},
	Attribute, ExprMatch, Item, ItemImpl, Pat, Type,
};

/// The enums of operators.
const ENUMS: [&str; 10] = [
	"Op",
	"Family",
	"Product",
	"Elementwise",
	"Windowed",
	"Reduce",
	"Row",
	"Moves",
	"Table",
	"Generate",
];

/// Rooms whose sources are looked through.
const ROOMS: [&str; 8] =
	["primitives", "engine", "offchain-worker", "pallets", "client", "runtime", "node", "benches"];

/// Where in a pattern something stands: positions in tuples, from the outside.
type Place = Vec<usize>;

/// Looks through the matches of a file.
struct Matches {
	/// The type whose `Self` is one of the enums.
	own: bool,
	found: usize,
	/// Arms that take whatever is left, with what the match begins with.
	open: Vec<String>,
}

impl Matches {
	fn of(source: &str) -> Self {
		let mut this = Self { own: false, found: 0, open: Vec::new() };
		this.visit_file(&syn::parse_file(source).unwrap());
		this
	}

	/// Whether a path names a variant of an operator.
	fn names(&self, path: &syn::Path) -> bool {
		let Some(of) = path.segments.iter().rev().nth(1) else { return false };
		ENUMS.iter().any(|name| of.ident == name) || (self.own && of.ident == "Self")
	}

	/// Calls `visit` with every part of a pattern at its place.
	fn parts(pattern: &Pat, place: &Place, visit: &mut dyn FnMut(&Pat, &Place)) {
		visit(pattern, place);
		let inner = |at: usize| place.iter().copied().chain([at]).collect::<Place>();
		match pattern {
			Pat::Or(or) => or.cases.iter().for_each(|case| Self::parts(case, place, visit)),
			Pat::Paren(paren) => Self::parts(&paren.pat, place, visit),
			Pat::Reference(reference) => Self::parts(&reference.pat, place, visit),
			Pat::Tuple(tuple) => {
				for (at, element) in tuple.elems.iter().enumerate() {
					Self::parts(element, &inner(at), visit);
				}
			}
			Pat::Ident(ident) => {
				if let Some((_, bound)) = &ident.subpat {
					Self::parts(bound, place, visit);
				}
			}
			_ => {}
		}
	}

	fn look(&mut self, expression: &ExprMatch) {
		let mut places: Vec<Place> = Vec::new();
		for arm in &expression.arms {
			Self::parts(&arm.pat, &Place::new(), &mut |pattern, place| {
				let names = match pattern {
					Pat::Path(path) => self.names(&path.path),
					Pat::Struct(pattern) => self.names(&pattern.path),
					Pat::TupleStruct(pattern) => self.names(&pattern.path),
					_ => false,
				};
				if names && !places.contains(place) {
					places.push(place.clone());
				}
			});
		}
		self.found += usize::from(!places.is_empty());
		for arm in expression.arms.iter().filter(|arm| arm.guard.is_none()) {
			let mut open = false;
			Self::parts(&arm.pat, &Place::new(), &mut |pattern, place| {
				let takes_all = match pattern {
					Pat::Wild(_) => true,
					Pat::Ident(ident) => ident.subpat.is_none(),
					_ => false,
				};
				// A tuple is taken as a whole, too.
				open |= takes_all && places.iter().any(|of| of.starts_with(place));
			});
			if open {
				let count = expression.arms.len();
				self.open.push(format!("an arm takes whatever is left of a match of {count} arms"));
			}
		}
	}
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
	attributes.iter().any(|attribute| {
		let is_test =
			|tokens: String| tokens == "test" || tokens == "feature = \"runtime-benchmarks\"";
		attribute.path().is_ident("cfg")
			&& attribute.meta.require_list().is_ok_and(|list| is_test(list.tokens.to_string()))
	})
}

impl<'ast> Visit<'ast> for Matches {
	fn visit_item(&mut self, item: &'ast Item) {
		match item {
			Item::Mod(module) if is_for_tests(&module.attrs) => {}
			item => visit::visit_item(self, item),
		}
	}

	fn visit_item_impl(&mut self, implementation: &'ast ItemImpl) {
		let before = self.own;
		self.own = matches!(&*implementation.self_ty, Type::Path(path)
			if path.path.segments.last().is_some_and(|name| ENUMS.iter().any(|of| name.ident == of)));
		visit::visit_item_impl(self, implementation);
		self.own = before;
	}

	fn visit_expr_match(&mut self, expression: &'ast ExprMatch) {
		self.look(expression);
		visit::visit_expr_match(self, expression);
	}
}

/// Rust sources below a folder, without those of tests.
fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
	for entry in fs::read_dir(folder).unwrap() {
		let path = entry.unwrap().path();
		let name = path.file_name().unwrap().to_str().unwrap();
		let is_for_tests = ["tests", "testing", "target", "examples", "benchmarking"]
			.contains(&name)
			|| name.ends_with("tests.rs")
			|| name.ends_with("testing.rs");
		if is_for_tests {
			continue;
		}
		if path.is_dir() {
			sources(&path, into);
		} else if name.ends_with(".rs") {
			into.push(path);
		}
	}
}

#[test]
fn matches_over_operators_should_have_no_wildcard_when_they_are_of_the_product() {
	let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
	let mut files = Vec::new();
	for room in ROOMS {
		sources(&root.join(room), &mut files);
	}
	let (mut found, mut open) = (0, Vec::new());
	for file in files {
		let matches = Matches::of(&fs::read_to_string(&file).unwrap());
		found += matches.found;
		let name = file.strip_prefix(&root).unwrap().display().to_string();
		open.extend(matches.open.into_iter().map(|text| format!("{name}: {text}")));
	}
	assert!(found > 50, "{found} matches over operators: are these the sources?");
	assert!(open.is_empty(), "say what becomes of each operator:\n{}", open.join("\n"));
}

#[test]
fn wildcard_should_be_found_when_it_is_one_over_operators() {
	let open = |arms: &str| {
		let source = format!("fn f() {{ match x {{ {arms} }} }}");
		Matches::of(&source).open.len()
	};
	assert_eq!(open("Op::Add { .. } => 1, _ => 2"), 1);
	assert_eq!(open("Op::Max | Op::Min => 1, other => 2"), 1);
	assert_eq!(open("(Op::Add { .. }, [a]) => 1, (_, [a]) => 2, _ => 3"), 2);
	assert_eq!(open("(1, ops::Table::Lut) => 1, (2, x) => 2"), 1);
	assert_eq!(open("Family::Row(_) => 1, Family::Product(op) => 2"), 0);
	assert_eq!(open("Op::Add { .. } if y => 1, Op::Add { .. } | Op::Max => 2"), 0);
	assert_eq!(open("(Op::Max, _) => 1, (Op::Min, _) => 2"), 0);
	assert_eq!(open("Some(1) => 1, _ => 2"), 0);
	let own = "impl Row { fn f(self) { match self { Self::TopK { .. } => 1, _ => 2 } } }";
	assert_eq!(Matches::of(own).open.len(), 1);
	let other = "impl Column { fn f(self) { match self { Self::TopK { .. } => 1, _ => 2 } } }";
	assert_eq!(Matches::of(other).open.len(), 0);
}
