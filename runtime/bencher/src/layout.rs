//! Calls and storage items as they are encoded: what types consist of, not what they are called.

use anyhow::{bail, Context, Result};
use frame_metadata::{
	v14::{PalletMetadata, RuntimeMetadataV14, StorageEntryMetadata, StorageEntryType},
	RuntimeMetadata, RuntimeMetadataPrefixed,
};
use scale_info::{form::PortableForm, Field, TypeDef};

/// The calls and the storage of a runtime.
pub struct Layout(RuntimeMetadataV14);

impl Layout {
	/// Of a runtime with this metadata.
	pub fn new(metadata: RuntimeMetadataPrefixed) -> Result<Self> {
		match metadata.1 {
			RuntimeMetadata::V14(metadata) => Ok(Self(metadata)),
			_ => bail!("the runtime's metadata is not of version 14"),
		}
	}

	fn pallet(&self, name: &str) -> Option<&PalletMetadata<PortableForm>> {
		self.0.pallets.iter().find(|pallet| pallet.name == name)
	}

	/// Names of the calls of a pallet.
	pub fn calls(&self, pallet: &str) -> Vec<String> {
		let calls = self.pallet(pallet).and_then(|pallet| pallet.calls.as_ref());
		let Some(TypeDef::Variant(calls)) = calls.and_then(|calls| self.def(calls.ty.id)) else {
			return Vec::new();
		};
		calls.variants.iter().map(|call| call.name.clone()).collect()
	}

	/// What a call takes, where the pallet has a call of this name.
	pub fn call(&self, pallet: &str, call: &str) -> Option<String> {
		let calls = self.pallet(pallet)?.calls.as_ref()?;
		let TypeDef::Variant(calls) = self.def(calls.ty.id)? else { return None };
		let call = calls.variants.iter().find(|other| other.name == call)?;
		Some(self.fields(&call.fields, &mut Vec::new()))
	}

	/// All storage items of a pallet, sorted.
	pub fn storage(&self, pallet: &str) -> Vec<(String, String)> {
		let storage = self.pallet(pallet).and_then(|pallet| pallet.storage.as_ref());
		let mut items: Vec<_> = storage
			.into_iter()
			.flat_map(|storage| &storage.entries)
			.map(|entry| (entry.name.clone(), self.entry(entry)))
			.collect();
		items.sort();
		items
	}

	/// One storage item.
	pub fn item(&self, pallet: &str, item: &str) -> Result<String> {
		let found = self.storage(pallet).into_iter().find(|(name, _)| name == item);
		Ok(found.with_context(|| format!("no storage {pallet}::{item} in the runtime"))?.1)
	}

	fn entry(&self, entry: &StorageEntryMetadata<PortableForm>) -> String {
		match &entry.ty {
			StorageEntryType::Plain(value) => self.shape(value.id, &mut Vec::new()),
			StorageEntryType::Map { hashers, key, value } => {
				let [key, value] = [key, value].map(|ty| self.shape(ty.id, &mut Vec::new()));
				format!("{hashers:?} {key} => {value}")
			}
		}
	}

	fn def(&self, id: u32) -> Option<&TypeDef<PortableForm>> {
		Some(&self.0.types.resolve(id)?.type_def)
	}

	/// A type; one that is in itself is told by how far above it is.
	fn shape(&self, id: u32, above: &mut Vec<u32>) -> String {
		if let Some(at) = above.iter().rposition(|other| *other == id) {
			return format!("^{}", above.len() - at);
		}
		above.push(id);
		let shape = match self.def(id) {
			None => "?".into(),
			Some(TypeDef::Composite(composite)) => self.fields(&composite.fields, above),
			Some(TypeDef::Variant(variant)) => {
				let variants = variant.variants.iter();
				let variants: Vec<_> = variants
					.map(|one| format!("{}{}", one.index, self.fields(&one.fields, above)))
					.collect();
				format!("<{}>", variants.join("|"))
			}
			Some(TypeDef::Sequence(list)) => format!("[{}]", self.shape(list.type_param.id, above)),
			Some(TypeDef::Array(array)) => {
				format!("[{}; {}]", self.shape(array.type_param.id, above), array.len)
			}
			Some(TypeDef::Tuple(tuple)) => {
				let all: Vec<_> = tuple.fields.iter().map(|ty| self.shape(ty.id, above)).collect();
				format!("({})", all.join(","))
			}
			Some(TypeDef::Primitive(primitive)) => format!("{primitive:?}").to_lowercase(),
			Some(TypeDef::Compact(ty)) => format!("~{}", self.shape(ty.type_param.id, above)),
			Some(TypeDef::BitSequence(_)) => "bits".into(),
		};
		above.pop();
		shape
	}

	fn fields(&self, fields: &[Field<PortableForm>], above: &mut Vec<u32>) -> String {
		let all: Vec<_> = fields.iter().map(|field| self.shape(field.ty.id, above)).collect();
		format!("({})", all.join(","))
	}
}
