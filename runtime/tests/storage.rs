//! What the chain stores, held against a record of it: stored bytes keep their meaning through an
//! upgrade, or a migration gives them another.
//!
//! The record of a pallet is a file in `storage/`: the version of its storage, each of its values
//! with hashers and types, and every type below those, field by field. Values of other authors'
//! pallets are not in there, but types of ours that these store are. Bounds of lists are not
//! either, for they do not change bytes; who lowers one thinks of longer lists that are stored.

mod chain;

use assay_runtime::{AllPalletsWithSystem, Runtime};
use chain::with_preset;
use frame_support::{
	storage::{storage_prefix, unhashed},
	traits::{PalletsInfoAccess, StorageVersion, STORAGE_VERSION_STORAGE_KEY_POSTFIX},
};
use scale_info::{
	form::PortableForm, Field, MetaType, PortableRegistry, Registry, Type, TypeDef, TypeInfo,
};
use sp_metadata_ir::frame_metadata::{
	v14::{PalletStorageMetadata, RuntimeMetadataV14, StorageEntryType},
	RuntimeMetadata,
};
use std::{
	collections::{BTreeMap, BTreeSet},
	env, fs,
	path::{Path, PathBuf},
};

/// Set, it makes the test write the records anew.
const BLESS: &str = "ASSAY_BLESS";

/// Types of ours that other authors' pallets store.
const ELSEWHERE: [&str; 3] = ["RuntimeHoldReason", "ProxyType", "SessionKeys"];

/// Writes types of a registry as text.
struct Writer<'a> {
	registry: &'a PortableRegistry,
	/// Types that are named in the text and are still to be written out, or are already.
	named: Vec<u32>,
}

impl<'a> Writer<'a> {
	fn new(registry: &'a PortableRegistry) -> Self {
		Self { registry, named: Vec::new() }
	}

	fn ty(&self, id: u32) -> &'a Type<PortableForm> {
		self.registry.resolve(id).expect("the registry has each type that it names")
	}

	/// A type in a word: a list or a wrapper as what is in it, a struct or an enum by its name.
	fn word(&mut self, id: u32) -> String {
		let ty = self.ty(id);
		let name = ty.path.ident();
		match &ty.type_def {
			TypeDef::Sequence(list) => format!("[{}]", self.word(list.type_param.id)),
			TypeDef::Array(array) => format!("[{}; {}]", self.word(array.type_param.id), array.len),
			TypeDef::Compact(compact) => format!("compact {}", self.word(compact.type_param.id)),
			TypeDef::Primitive(primitive) => format!("{primitive:?}").to_lowercase(),
			TypeDef::BitSequence(_) => "bits".into(),
			TypeDef::Tuple(tuple) => {
				let fields: Vec<_> = tuple.fields.iter().map(|field| self.word(field.id)).collect();
				format!("({})", fields.join(", "))
			}
			TypeDef::Composite(wrapper)
				if wrapper.fields.len() == 1 && wrapper.fields[0].name.is_none() =>
			{
				let inner = self.word(wrapper.fields[0].ty.id);
				name.map_or(inner.clone(), |name| format!("{name}({inner})"))
			}
			TypeDef::Variant(option) if name.as_deref() == Some("Option") => {
				format!("Option({})", self.word(option.variants[1].fields[0].ty.id))
			}
			TypeDef::Composite(_) | TypeDef::Variant(_) => self.name(id),
		}
	}

	/// Name of a struct or an enum, which is then written out below. A second type of that name
	/// gets a number: paths would change with each move of a file.
	fn name(&mut self, id: u32) -> String {
		let ident = |id: u32| self.ty(id).path.ident().expect("structs and enums have names");
		let name = ident(id);
		let known = self.named.iter().position(|&other| other == id);
		let before = known.unwrap_or(self.named.len());
		let same = self.named[..before].iter().filter(|&&other| ident(other) == name).count();
		if known.is_none() {
			self.named.push(id);
		}
		match same {
			0 => name,
			more => format!("{name}#{}", more + 1),
		}
	}

	fn fields(&mut self, fields: &[Field<PortableForm>]) -> Vec<String> {
		fields
			.iter()
			.map(|field| {
				let word = self.word(field.ty.id);
				field.name.as_ref().map_or(word.clone(), |name| format!("{name}: {word}"))
			})
			.collect()
	}

	/// Each named type with its fields or variants, in the order in which they are first named.
	fn definitions(&mut self) -> String {
		let mut text = String::new();
		let mut next = 0;
		while let Some(&id) = self.named.get(next) {
			next += 1;
			text += &format!("\n{}\n", self.name(id));
			match &self.ty(id).type_def {
				TypeDef::Composite(composite) => {
					for field in self.fields(&composite.fields) {
						text += &format!("    {field}\n");
					}
				}
				TypeDef::Variant(variants) => {
					let mut variants: Vec<_> = variants.variants.iter().collect();
					variants.sort_by_key(|variant| variant.index);
					for variant in variants {
						let fields = self.fields(&variant.fields).join(", ");
						let line = format!("{} {} {fields}", variant.index, variant.name);
						text += &format!("    {}\n", line.trim_end());
					}
				}
				_ => unreachable!("only structs and enums are named"),
			}
		}
		text
	}
}

fn record_of_pallet(
	registry: &PortableRegistry,
	version: StorageVersion,
	storage: &PalletStorageMetadata<PortableForm>,
) -> String {
	let mut writer = Writer::new(registry);
	let mut text = format!("{}, {version:?}\n\n", storage.prefix);
	for entry in &storage.entries {
		let ty = match &entry.ty {
			StorageEntryType::Plain(value) => writer.word(value.id),
			StorageEntryType::Map { hashers, key, value } => {
				let (key, value) = (writer.word(key.id), writer.word(value.id));
				format!("{hashers:?} {key} => {value}")
			}
		};
		text += &format!("{}: {ty}\n", entry.name);
	}
	text + &writer.definitions()
}

/// What each pallet of ours stores, and the types of ours that others store, by names of files.
fn records() -> BTreeMap<String, String> {
	let RuntimeMetadata::V14(RuntimeMetadataV14 { pallets, types, .. }) = Runtime::metadata().1
	else {
		panic!("the metadata is of version 14")
	};
	let mut records = BTreeMap::new();
	let ours: BTreeSet<_> = AllPalletsWithSystem::infos()
		.into_iter()
		.filter(|pallet| {
			let module = pallet.module_name;
			module.starts_with("pallet_assay_")
				|| !(module.starts_with("pallet_") || module.starts_with("frame_"))
		})
		.map(|pallet| pallet.name)
		.collect();
	for pallet in &pallets {
		let Some(storage) = pallet.storage.as_ref().filter(|_| ours.contains(&*pallet.name)) else {
			continue;
		};
		// Genesis writes the version that the pallet's code has.
		let key = storage_prefix(pallet.name.as_bytes(), STORAGE_VERSION_STORAGE_KEY_POSTFIX);
		let version = unhashed::get_or_default::<StorageVersion>(&key);
		records.insert(pallet.name.clone(), record_of_pallet(&types, version, storage));
	}
	let mut writer = Writer::new(&types);
	for name in ELSEWHERE {
		let found = types.types.iter().find(|ty| ty.ty.path.ident().as_deref() == Some(name));
		writer.name(found.unwrap_or_else(|| panic!("{name} is in the metadata")).id);
	}
	let text = format!("Stored by other authors' pallets\n{}", writer.definitions());
	records.insert("Elsewhere".into(), text);
	records
}

fn file_of(name: &str) -> PathBuf {
	let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/storage");
	folder.join(name.to_lowercase()).with_extension("txt")
}

/// The first line in which two texts differ, of each.
fn first_difference(recorded: &str, found: &str) -> String {
	let (mut recorded, mut found) = (recorded.lines(), found.lines());
	loop {
		let (was, is) = (recorded.next(), found.next());
		if was != is || was.is_none() {
			return format!("  was: {}\n  is:  {}", was.unwrap_or("-"), is.unwrap_or("-"));
		}
	}
}

#[test]
fn stored_types_should_be_as_recorded_when_no_migration_is_written() {
	let records = with_preset("development", records);
	assert!(records.len() > 6, "{:?}: are these the pallets?", records.keys());
	let mut changed = String::new();
	for (name, found) in records {
		let file = file_of(&name);
		if env::var_os(BLESS).is_some() {
			fs::write(&file, &found).unwrap();
		}
		let recorded = fs::read_to_string(&file).unwrap_or_default();
		if recorded != found {
			changed += &format!("{name}\n{}\n", first_difference(&recorded, &found));
		}
	}
	assert!(
		changed.is_empty(),
		"what is stored has changed:\n{changed}\nWhere the bytes have another meaning now, raise the \
		 pallet's STORAGE_VERSION and write a migration, as runtime/src/migrations.rs says. Then, or \
		 where a name alone has changed, write the record anew:\n\
		 {BLESS}=1 cargo test -p assay-runtime --test storage"
	);
}

/// A type as the record has it.
fn written<T: TypeInfo + 'static>() -> String {
	let mut registry = Registry::new();
	let id = registry.register_type(&MetaType::new::<T>()).id;
	let registry = PortableRegistry::from(registry);
	let mut writer = Writer::new(&registry);
	writer.word(id) + "\n" + &writer.definitions()
}

/// Types of one name in two places.
#[allow(dead_code)]
mod first {
	use super::{second, TypeInfo};

	#[derive(TypeInfo)]
	pub struct Pair {
		a: u8,
		b: Vec<Choice>,
	}

	#[derive(TypeInfo)]
	pub enum Choice {
		#[codec(index = 4)]
		Neither,
		#[codec(index = 2)]
		Both(Option<second::Pair>, [u16; 2]),
	}
}

#[allow(dead_code)]
mod second {
	use super::TypeInfo;

	#[derive(TypeInfo)]
	pub struct Pair {
		b: Vec<u32>,
		a: u8,
	}
}

#[test]
fn record_should_change_when_fields_or_indices_do() {
	assert_eq!(written::<second::Pair>(), "Pair\n\nPair\n    b: [u32]\n    a: u8\n");
	assert_eq!(
		written::<first::Pair>(),
		"Pair\n\
		 \nPair\n    a: u8\n    b: [Choice]\n\
		 \nChoice\n    2 Both Option(Pair#2), [u16; 2]\n    4 Neither\n\
		 \nPair#2\n    b: [u32]\n    a: u8\n"
	);
}

#[test]
fn difference_should_be_told_by_its_first_line_when_a_record_is_another() {
	assert_eq!(first_difference("a\nb\nc", "a\nd\nc"), "  was: b\n  is:  d");
	assert_eq!(first_difference("a", "a\nb"), "  was: -\n  is:  b");
}
