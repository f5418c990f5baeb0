//! How values of a job look as JSON.

use crate::Hash;
use alloc::string::String;
use core::fmt::{Display, Write};
use serde::{Serialize, Serializer};

/// A hash in hexadecimal.
struct Hex<'a>(&'a Hash);

impl Serialize for Hex<'_> {
	fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
		let mut text = String::from("0x");
		for byte in self.0 {
			// Writing to a string does not fail.
			let _ = write!(text, "{byte:02x}");
		}
		serializer.serialize_str(&text)
	}
}

/// A number as a decimal string.
struct Decimal<'a, T>(&'a T);

impl<T: Display> Serialize for Decimal<'_, T> {
	fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
		serializer.collect_str(self.0)
	}
}

pub fn hash<S: Serializer>(hash: &Hash, serializer: S) -> Result<S::Ok, S::Error> {
	Hex(hash).serialize(serializer)
}

pub fn optional_hash<S: Serializer>(hash: &Option<Hash>, serializer: S) -> Result<S::Ok, S::Error> {
	hash.as_ref().map(Hex).serialize(serializer)
}

pub fn hashes<S: Serializer>(hashes: &[Hash], serializer: S) -> Result<S::Ok, S::Error> {
	serializer.collect_seq(hashes.iter().map(Hex))
}

pub fn decimal<T: Display, S: Serializer>(number: &T, serializer: S) -> Result<S::Ok, S::Error> {
	Decimal(number).serialize(serializer)
}

pub fn optional_decimal<T: Display, S: Serializer>(
	number: &Option<T>,
	serializer: S,
) -> Result<S::Ok, S::Error> {
	number.as_ref().map(Decimal).serialize(serializer)
}
