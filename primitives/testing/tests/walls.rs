//! What is for tests stays out of what ships: no module for tests is compiled into a shipped crate,
//! no shipped crate depends on one that only tests use, and no crate compiles files of another.

use std::{
	fs,
	path::{Component, Path, PathBuf},
};
use syn::{Attribute, Expr, Item, ItemMod, Lit, Meta};

fn root() -> PathBuf {
	Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn read(file: &Path) -> String {
	fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The folders of the workspace's crates.
fn members() -> Vec<PathBuf> {
	let manifest = read(&root().join("Cargo.toml"));
	let (_, members) = manifest.split_once("members = [").unwrap();
	let (members, _) = members.split_once(']').unwrap();
	let names = members.split('"').skip(1).step_by(2);
	names.map(|name| root().join(name)).collect()
}

/// A crate's manifest.
struct Manifest(String);

impl Manifest {
	fn of(folder: &Path) -> Self {
		Self(read(&folder.join("Cargo.toml")))
	}

	fn name(&self) -> &str {
		let line = self.0.lines().find_map(|line| line.strip_prefix("name = \"")).unwrap();
		line.trim_end_matches('"')
	}

	fn ships(&self) -> bool {
		!self.0.contains("\npublish = false\n")
	}

	/// What the crate itself is built with.
	fn dependencies(&self) -> Vec<&str> {
		let mut found = vec![];
		let mut is_open = false;
		for line in self.0.lines() {
			if line.starts_with('[') {
				is_open = line.ends_with("dependencies]") && !line.ends_with("dev-dependencies]");
			} else if is_open && !line.starts_with('#') {
				found.extend(line.split(['.', ' ']).next().filter(|name| !name.is_empty()));
			}
		}
		found
	}
}

fn is_cfg_test(attribute: &Attribute) -> bool {
	attribute.path().is_ident("cfg")
		&& attribute.meta.require_list().is_ok_and(|list| {
			let condition = list.tokens.to_string();
			condition == "test" || condition.starts_with("all (test")
		})
}

/// Where a `#[path]` leads.
fn given_path(module: &ItemMod) -> Option<String> {
	module.attrs.iter().find_map(|attribute| match &attribute.meta {
		Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
			Expr::Lit(literal) => match &literal.lit {
				Lit::Str(text) => Some(text.value()),
				_ => None,
			},
			_ => None,
		},
		_ => None,
	})
}

fn is_for_tests(name: &str) -> bool {
	["test", "tests", "testing", "mock", "mocks"].contains(&name) || name.ends_with("_testing")
}

/// What of a file's items is for tests and yet compiled without them; calls `follow` with the names
/// of the modules that are in files of their own, each in the folder of the modules around it.
fn leaks(items: &[Item], inside: &[String], follow: &mut dyn FnMut(Vec<String>)) -> Vec<String> {
	let mut found = vec![];
	for item in items {
		match item {
			Item::Mod(module) if !module.attrs.iter().any(is_cfg_test) => {
				let name = module.ident.to_string();
				if is_for_tests(&name) {
					found.push(format!("mod {name} without #[cfg(test)]"));
				}
				let path: Vec<_> = inside.iter().cloned().chain([name]).collect();
				match &module.content {
					Some((_, items)) => found.extend(leaks(items, &path, follow)),
					None => follow(path),
				}
			}
			Item::Fn(function) if function.attrs.iter().any(|at| at.path().is_ident("test")) => {
				found.push(format!("fn {} without #[cfg(test)]", function.sig.ident));
			}
			_ => {}
		}
	}
	found
}

/// The same of a file and of all modules below it. `folder` is where its modules are.
fn leaks_below(file: &Path, folder: &Path, found: &mut Vec<String>) {
	let items = syn::parse_file(&read(file)).unwrap().items;
	let mut below = vec![];
	for leak in leaks(&items, &[], &mut |path| below.push(path)) {
		found.push(format!("{}: {leak}", file.display()));
	}
	for path in below {
		let folder = folder.join(path.iter().collect::<PathBuf>());
		let files = [folder.with_extension("rs"), folder.join("mod.rs")];
		if let Some(file) = files.iter().find(|file| file.exists()) {
			leaks_below(file, &folder, found);
		}
	}
}

/// All Rust sources of a crate, without those of crates within it.
fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
	for entry in fs::read_dir(folder).unwrap() {
		let path = entry.unwrap().path();
		if path.is_dir() {
			if !path.ends_with("target") && !path.join("Cargo.toml").exists() {
				sources(&path, into);
			}
		} else if path.extension().is_some_and(|extension| extension == "rs") {
			into.push(path);
		}
	}
}

fn visit_modules(items: &[Item], visit: &mut dyn FnMut(&ItemMod)) {
	for item in items {
		let Item::Mod(module) = item else { continue };
		visit(module);
		if let Some((_, items)) = &module.content {
			visit_modules(items, visit);
		}
	}
}

/// A path without its `..`.
fn plain(path: &Path) -> PathBuf {
	let mut plain = PathBuf::new();
	for part in path.components() {
		match part {
			Component::ParentDir => _ = plain.pop(),
			part => plain.push(part),
		}
	}
	plain
}

#[test]
fn test_code_should_be_compiled_for_tests_alone_when_a_crate_ships() {
	let (mut found, mut shipped) = (vec![], 0);
	for folder in members() {
		if !Manifest::of(&folder).ships() {
			continue;
		}
		shipped += 1;
		let src = folder.join("src");
		for name in ["lib.rs", "main.rs"] {
			let file = src.join(name);
			if file.exists() {
				leaks_below(&file, &src, &mut found);
			}
		}
	}
	assert!(shipped > 20, "{shipped} shipped crates: are these the workspace's members?");
	assert!(found.is_empty(), "put it into a bench or below #[cfg(test)]:\n{}", found.join("\n"));
}

#[test]
fn shipped_crate_should_depend_on_no_bench_when_it_is_built() {
	let manifests: Vec<_> = members().iter().map(|folder| Manifest::of(folder)).collect();
	let (shipped, benches): (Vec<_>, Vec<_>) = manifests.iter().partition(|one| one.ships());
	assert!(benches.iter().any(|bench| bench.name() == "assay-testing"));
	for crate_ in shipped {
		for name in crate_.dependencies() {
			let is_bench = benches.iter().any(|bench| bench.name() == name);
			assert!(!is_bench, "{} ships with {name}: make it a dev-dependency", crate_.name());
		}
	}
}

#[test]
fn path_should_stay_in_its_crate_when_a_module_has_one() {
	let mut seen = 0;
	for folder in members() {
		let mut files = vec![];
		sources(&folder, &mut files);
		for file in files {
			seen += 1;
			let items = syn::parse_file(&read(&file)).unwrap().items;
			visit_modules(&items, &mut |module| {
				let Some(path) = given_path(module) else { return };
				let target = plain(&file.parent().unwrap().join(&path));
				let stays = target.starts_with(&folder);
				assert!(
					stays,
					"{}: {path} is another crate's; share it in a bench",
					file.display()
				);
			});
		}
	}
	assert!(seen > 500, "{seen} sources");
}

#[test]
fn leak_should_be_found_when_test_code_is_compiled_into_the_product() {
	let leaks = |source: &str| {
		let mut below = vec![];
		let items = syn::parse_file(source).unwrap().items;
		let found = leaks(&items, &[], &mut |path| below.push(path.join("/"))).len();
		(found, below)
	};
	assert_eq!(leaks("pub mod testing;"), (1, vec!["testing".into()]));
	assert_eq!(leaks("mod a { mod b_testing {} mod c; }"), (1, vec!["a/c".into()]));
	assert_eq!(leaks("#[test] fn holds() {}").0, 1);
	assert_eq!(leaks("#[cfg(not(test))] mod mock {}").0, 1);
	assert_eq!(leaks("#[cfg(test)] mod tests; #[cfg(all(test, unix))] mod mock {}"), (0, vec![]));
	assert_eq!(leaks("mod self_test; fn tests() {}"), (0, vec!["self_test".into()]));
	let manifest = "[dev-dependencies]\na = 1\n[dependencies]\n# c\nb.workspace = true\n";
	assert_eq!(Manifest(manifest.into()).dependencies(), ["b"]);
	assert_eq!(plain(Path::new("/a/b/../../c")), Path::new("/c"));
}
