//! Reading values that were decoded through the chain's own metadata: by field name, so that a
//! runtime upgrade that adds fields does not break an older client.

use crate::error::{Error, Result};
use subxt::ext::scale_value::{Composite, Primitive, Value, ValueDef};

/// Accessors of dynamic values; every failure names the field.
pub trait Read {
	/// The field `name` of a struct or of the fields of an enum variant.
	fn field(&self, name: &str) -> Result<&Value>;
	/// The field `name`, where the runtime may not have it.
	fn maybe(&self, name: &str) -> Option<&Value>;
	/// An unsigned number.
	fn uint(&self) -> Result<u128>;
	/// An unsigned number that fits `u64`.
	fn u64(&self) -> Result<u64>;
	/// A boolean.
	fn flag(&self) -> Result<bool>;
	/// Raw bytes: a byte array, a bounded vector of bytes or any newtype around them.
	fn bytes(&self) -> Result<Vec<u8>>;
	/// Exactly 32 bytes: a hash or an account.
	fn hash(&self) -> Result<[u8; 32]>;
	/// The elements of a sequence or tuple.
	fn items(&self) -> Result<Vec<&Value>>;
	/// The elements of a bounded vector, which is a newtype around its vector.
	fn bounded(&self) -> Result<Vec<&Value>>;
	/// The name of an enum's variant.
	fn variant(&self) -> Result<&str>;
	/// What an `Option` holds.
	fn option(&self) -> Result<Option<&Value>>;
	/// The only field of a variant or newtype.
	fn inner(&self) -> Result<&Value>;
}

fn shape(expected: &str, value: &Value) -> Error {
	let mut text = value.to_string();
	if text.len() > 80 {
		text = text.chars().take(80).collect::<String>() + "…";
	}
	Error::new(
		"chain-data",
		format!("the chain's data does not fit: expected {expected}, got {text}"),
	)
	.fix("use the client of the node's version")
}

fn composite(value: &Value) -> Option<&Composite<()>> {
	match &value.value {
		ValueDef::Composite(c) => Some(c),
		ValueDef::Variant(v) => Some(&v.values),
		_ => None,
	}
}

impl Read for Value {
	fn field(&self, name: &str) -> Result<&Value> {
		self.maybe(name).ok_or_else(|| shape(&format!("a field `{name}`"), self))
	}

	fn maybe(&self, name: &str) -> Option<&Value> {
		match composite(self)? {
			Composite::Named(fields) => fields.iter().find(|(n, _)| n == name).map(|(_, v)| v),
			// A newtype around the struct.
			Composite::Unnamed(items) if items.len() == 1 => items[0].maybe(name),
			Composite::Unnamed(_) => None,
		}
	}

	fn uint(&self) -> Result<u128> {
		match &self.value {
			ValueDef::Primitive(Primitive::U128(n)) => Ok(*n),
			ValueDef::Composite(c) if c.len() == 1 => self.inner()?.uint(),
			_ => Err(shape("a number", self)),
		}
	}

	fn u64(&self) -> Result<u64> {
		self.uint()?.try_into().map_err(|_| shape("a number below 2^64", self))
	}

	fn flag(&self) -> Result<bool> {
		self.as_bool().ok_or_else(|| shape("true or false", self))
	}

	fn bytes(&self) -> Result<Vec<u8>> {
		fn collect(value: &Value, out: &mut Vec<u8>) -> bool {
			match &value.value {
				ValueDef::Primitive(Primitive::U128(n)) => match u8::try_from(*n) {
					Ok(byte) => {
						out.push(byte);
						true
					}
					Err(_) => false,
				},
				ValueDef::Primitive(Primitive::String(s)) => {
					out.extend_from_slice(s.as_bytes());
					true
				}
				ValueDef::Composite(c) => c.values().all(|v| collect(v, out)),
				_ => false,
			}
		}
		let mut out = Vec::new();
		if collect(self, &mut out) {
			Ok(out)
		} else {
			Err(shape("bytes", self))
		}
	}

	fn hash(&self) -> Result<[u8; 32]> {
		self.bytes()?.try_into().map_err(|_| shape("32 bytes", self))
	}

	fn items(&self) -> Result<Vec<&Value>> {
		match &self.value {
			ValueDef::Composite(Composite::Unnamed(items)) => Ok(items.iter().collect()),
			_ => Err(shape("a list", self)),
		}
	}

	fn bounded(&self) -> Result<Vec<&Value>> {
		match self.items()?.as_slice() {
			[list] => list.items(),
			_ => Err(shape("a bounded list", self)),
		}
	}

	fn variant(&self) -> Result<&str> {
		match &self.value {
			ValueDef::Variant(v) => Ok(&v.name),
			_ => Err(shape("an enum", self)),
		}
	}

	fn option(&self) -> Result<Option<&Value>> {
		match self.variant()? {
			"None" => Ok(None),
			"Some" => self.inner().map(Some),
			_ => Err(shape("an optional value", self)),
		}
	}

	fn inner(&self) -> Result<&Value> {
		composite(self).and_then(|c| c.values().next()).ok_or_else(|| shape("a value inside", self))
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use subxt::ext::scale_value::value;

	#[test]
	fn reading_should_follow_names_and_newtypes_when_shapes_nest() {
		let account = Value::unnamed_composite([Value::from_bytes([7u8; 32])]);
		let job = Value::named_composite([
			("owner", account.clone()),
			("price", value!(5u8)),
			("provider", Value::unnamed_variant("Some", [account])),
			("reason", Value::unnamed_variant("None", [])),
			("open", value!(true)),
		]);
		assert_eq!(job.field("owner").unwrap().hash().unwrap(), [7; 32]);
		assert_eq!(job.field("price").unwrap().u64().unwrap(), 5);
		let provider = job.field("provider").unwrap().option().unwrap().unwrap();
		assert_eq!(provider.hash().unwrap(), [7; 32]);
		assert!(job.field("reason").unwrap().option().unwrap().is_none());
		assert!(job.field("open").unwrap().flag().unwrap());
		let error = job.field("missing").unwrap_err();
		assert_eq!(error.code, "chain-data");
		assert!(error.message.contains("`missing`"));
	}

	#[test]
	fn lists_should_keep_their_elements_when_there_is_only_one() {
		let read = |v: Result<Vec<&Value>>| {
			v.unwrap().into_iter().map(|v| v.hash().unwrap()).collect::<Vec<_>>()
		};
		let list = Value::unnamed_composite([Value::from_bytes([1u8; 32])]);
		assert_eq!(read(list.items()), [[1; 32]]);
		let bounded = Value::unnamed_composite([list]);
		assert_eq!(read(bounded.bounded()), [[1; 32]]);
		assert!(Value::unnamed_composite([]).bounded().is_err());
		assert!(Value::bool(true).items().is_err());
	}

	#[test]
	fn numbers_should_be_rejected_when_they_do_not_fit() {
		assert!(Value::u128(u128::MAX).u64().is_err());
		assert!(Value::u128(256).bytes().is_err());
		assert!(value!("text").uint().is_err());
		assert!(Value::from_bytes([0u8; 31]).hash().is_err());
	}
}
