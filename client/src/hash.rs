//! Hashes, and how they are typed.

use crate::error::{Error, Result};

/// 32 bytes: a block, a program, a tensor root or an account.
pub type Hash = [u8; 32];

/// 32 bytes from 64 hexadecimal digits, with or without `0x`.
pub fn parse_hash(text: &str) -> Result<Hash> {
	let mut hash = [0; 32];
	hex::decode_to_slice(text.strip_prefix("0x").unwrap_or(text), &mut hash).map_err(|_| {
		Error::new("bad-hash", format!("`{text}` is not a root or id"))
			.fix("write 0x and 64 hexadecimal digits")
	})?;
	Ok(hash)
}

/// A hash as hexadecimal, for serde.
pub(crate) mod text {
	use crate::hash::Hash;
	use serde::{de::Error, Deserialize, Deserializer, Serialize, Serializer};

	pub fn serialize<S: Serializer>(hash: &Hash, s: S) -> Result<S::Ok, S::Error> {
		hex::encode(hash).serialize(s)
	}

	pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Hash, D::Error> {
		let mut hash = [0; 32];
		hex::decode_to_slice(String::deserialize(d)?, &mut hash).map_err(D::Error::custom)?;
		Ok(hash)
	}
}

/// Hashes as hexadecimal, for serde.
pub(crate) mod texts {
	use crate::hash::Hash;
	use serde::{de::Error, Deserialize, Deserializer, Serialize, Serializer};

	pub fn serialize<S: Serializer>(list: &[Hash], s: S) -> Result<S::Ok, S::Error> {
		list.iter().map(hex::encode).collect::<Vec<_>>().serialize(s)
	}

	pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<Hash>, D::Error> {
		Vec::<String>::deserialize(d)?
			.iter()
			.map(|text| {
				let mut hash = [0; 32];
				hex::decode_to_slice(text, &mut hash).map_err(D::Error::custom)?;
				Ok(hash)
			})
			.collect()
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn hash_should_be_refused_by_name_when_it_is_too_short() {
		assert_eq!(parse_hash("0x12").unwrap_err().code, "bad-hash");
		assert_eq!(parse_hash(&"ab".repeat(32)).unwrap(), [0xab; 32]);
	}
}
