//! Consensus arithmetic is integers only: no block execution can reach a float operator of the
//! blob.
//!
//! Wasm fixes neither the bits of a NaN nor does the executor canonicalise them, so that a float
//! that reached state could split the chain. The blob has a few float operators all the same:
//! serde_json parses and prints numbers of genesis presets. This test reads the blob that nodes
//! execute, follows every call, and fails if a float operator lies anywhere but below the genesis
//! builder.

use std::collections::{BTreeMap, BTreeSet};
use wasmparser::{
	ElementItems, ExternalKind, KnownCustom, Name, Operator, Parser, Payload, TypeRef, ValType,
};

/// Exports that may use floats: they turn JSON into the genesis state, before there is a chain.
const GENESIS: &[&str] =
	&["GenesisBuilder_build_state", "GenesisBuilder_get_preset", "GenesisBuilder_preset_names"];

/// Crates whose functions hold a float to print it, and do no arithmetic with it. They are reached
/// through tables of formatting functions, where calls cannot be followed.
const PRINTERS: &[&str] = &["serde_json", "serde_core", "4core3fmt", "zmij"];

/// One function of the blob.
#[derive(Default)]
struct Function {
	calls: BTreeSet<u32>,
	/// Float operators that compute: everything but moving and storing.
	arithmetic: Vec<String>,
	/// Any use of a float.
	touches: bool,
}

#[derive(Default)]
struct Blob {
	functions: BTreeMap<u32, Function>,
	names: BTreeMap<u32, String>,
	exports: BTreeMap<String, u32>,
	/// Functions whose address is taken: any indirect call may reach them.
	table: BTreeSet<u32>,
}

fn read(bytes: &[u8]) -> Blob {
	let mut blob = Blob::default();
	let mut next = 0;
	for payload in Parser::new(0).parse_all(bytes) {
		match payload.expect("the blob is valid wasm") {
			Payload::ImportSection(imports) => {
				for import in imports {
					if let TypeRef::Func(_) = import.expect("a valid import").ty {
						next += 1;
					}
				}
			}
			Payload::ExportSection(exports) => {
				for export in exports {
					let export = export.expect("a valid export");
					if export.kind == ExternalKind::Func {
						blob.exports.insert(export.name.into(), export.index);
					}
				}
			}
			Payload::ElementSection(elements) => {
				for element in elements {
					let ElementItems::Functions(items) = element.expect("a valid element").items
					else {
						panic!("the table is filled by expressions, which this test cannot follow");
					};
					blob.table.extend(items.into_iter().map(|item| item.expect("a valid index")));
				}
			}
			Payload::CodeSectionEntry(body) => {
				let mut function = Function::default();
				for local in body.get_locals_reader().expect("valid locals") {
					let (_, ty) = local.expect("a valid local");
					function.touches |= matches!(ty, ValType::F32 | ValType::F64);
				}
				for operator in body.get_operators_reader().expect("a valid body") {
					let operator = operator.expect("a valid operator");
					if let Operator::Call { function_index } = operator {
						function.calls.insert(function_index);
					}
					let text = format!("{operator:?}");
					let name = text.split([' ', '{']).next().unwrap_or_default();
					if name.contains("F32") || name.contains("F64") {
						function.touches = true;
						let moves = ["Load", "Store", "Const", "Reinterpret"];
						if !moves.iter().any(|word| name.contains(word)) {
							function.arithmetic.push(name.into());
						}
					}
				}
				blob.functions.insert(next, function);
				next += 1;
			}
			Payload::CustomSection(section) => {
				if let KnownCustom::Name(names) = section.as_known() {
					for part in names {
						if let Ok(Name::Function(map)) = part {
							for naming in map {
								let naming = naming.expect("a valid name");
								blob.names.insert(naming.index, naming.name.into());
							}
						}
					}
				}
			}
			_ => {}
		}
	}
	blob
}

impl Blob {
	/// Everything that direct calls from these functions reach.
	fn reach(&self, roots: impl IntoIterator<Item = u32>) -> BTreeSet<u32> {
		let mut reached = BTreeSet::new();
		let mut pending: Vec<u32> = roots.into_iter().collect();
		while let Some(at) = pending.pop() {
			if reached.insert(at) {
				pending.extend(self.functions.get(&at).iter().flat_map(|f| &f.calls));
			}
		}
		reached
	}

	fn name(&self, at: u32) -> &str {
		self.names.get(&at).map_or("(no name)", String::as_str)
	}
}

#[test]
fn blob_should_have_no_float_operator_in_reach_of_a_block() {
	let bytes = assay_runtime::WASM_BINARY_BLOATY.expect(
		"built without a blob: run this test without SKIP_WASM_BUILD, as scripts/test-rust does",
	);
	let blob = read(bytes);
	assert!(blob.exports.contains_key("Core_execute_block"), "this is a runtime");
	for name in GENESIS {
		assert!(blob.exports.contains_key(*name), "{name} is exported");
	}
	let consensus = blob
		.exports
		.iter()
		.filter(|(name, _)| !GENESIS.contains(&name.as_str()))
		.map(|(_, at)| *at)
		// An indirect call may go to any function of the table.
		.chain(blob.table.iter().copied());
	let reached = blob.reach(consensus);
	assert!(reached.len() > 1_000, "the calls were followed: {}", reached.len());
	let mut wrong = Vec::new();
	for at in reached {
		let Some(function) = blob.functions.get(&at) else { continue };
		let name = blob.name(at);
		let printer = PRINTERS.iter().any(|part| name.contains(part));
		if !function.arithmetic.is_empty() || (function.touches && !printer) {
			wrong.push(format!("{name}: {:?}", function.arithmetic));
		}
	}
	assert!(wrong.is_empty(), "floats in reach of a block:\n{}", wrong.join("\n"));
	let genesis = blob.reach(GENESIS.iter().filter_map(|name| blob.exports.get(*name)).copied());
	assert!(
		genesis.iter().any(|at| blob.functions.get(at).is_some_and(|f| !f.arithmetic.is_empty())),
		"the genesis builder has float operators; if it has none any more, allow it none"
	);
}

#[test]
fn check_should_find_a_float_operator_when_there_is_one() {
	// (module (func (export "Core_version") (result f64) f64.const 1 f64.const 2 f64.add))
	let module = [
		0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, // header
		0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7c, // type: () -> f64
		0x03, 0x02, 0x01, 0x00, // function 0 of type 0
		0x07, 0x10, 0x01, 0x0c, b'C', b'o', b'r', b'e', b'_', b'v', b'e', b'r', b's', b'i', b'o',
		b'n', 0x00, 0x00, // export
		0x0a, 0x17, 0x01, 0x15, 0x00, // code
		0x44, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, // f64.const 1
		0x44, 0, 0, 0, 0, 0, 0, 0x00, 0x40, // f64.const 2
		0xa0, 0x0b, // f64.add, end
	];
	let blob = read(&module);
	let reached = blob.reach(blob.exports.values().copied());
	let found: Vec<_> =
		reached.iter().flat_map(|at| &blob.functions[at].arithmetic).cloned().collect();
	assert_eq!(found, ["F64Add"]);
}
