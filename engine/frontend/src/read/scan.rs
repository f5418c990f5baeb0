//! How many things a file describes, counted before any of them is decoded.
//!
//! A message of two bytes becomes a structure of some hundred, so that a file's length says little
//! about what decoding it takes. This walks over the fields of a protobuf and allocates nothing.

use crate::error::{Error, Result};

/// Most messages and texts of a model. One of SmolLM's size has some ten thousand.
const MOST: u64 = 2_000_000;

/// Which message a field holds, by the message around it and its number; `None`: bytes, texts and
/// what is not read.
fn inside(message: Kind, field: u64) -> Option<Kind> {
	Some(match (message, field) {
		(Kind::Model, 7) => Kind::Graph,
		(Kind::Graph, 1) => Kind::Node,
		(Kind::Graph, 5) => Kind::Tensor,
		(Kind::Graph, 11 | 12) => Kind::Value,
		(Kind::Node, 5) => Kind::Attribute,
		(Kind::Attribute, 5) => Kind::Tensor,
		(Kind::Value, _) => Kind::Value,
		_ => return None,
	})
}

#[derive(Clone, Copy)]
enum Kind {
	Model,
	Graph,
	Node,
	Tensor,
	Attribute,
	/// Everything in a description of a value: types, shapes, dimensions.
	Value,
}

/// Refuses files that describe more than a model needs. What is no protobuf is left to the decoder.
pub(super) fn check(bytes: &[u8]) -> Result<()> {
	let mut count = 0;
	fields(bytes, Kind::Model, 0, &mut count);
	if count > MOST {
		return Err(Error::new(
			"too-large",
			format!("the model has more than {MOST} nodes, attributes, tensors and names"),
		)
		.fix("simplify it first (onnxsim), or export a part of it"));
	}
	Ok(())
}

fn fields(mut bytes: &[u8], message: Kind, depth: u32, count: &mut u64) {
	// A description of a value may be nested; nothing else is deeper than this.
	if depth > 16 {
		return;
	}
	while !bytes.is_empty() && *count <= MOST {
		let Some(key) = number(&mut bytes) else { return };
		let skipped = match key & 7 {
			0 => number(&mut bytes).map(|_| 0),
			1 => Some(8),
			2 => number(&mut bytes),
			5 => Some(4),
			_ => return,
		};
		let Some((part, rest)) =
			skipped.and_then(|n| usize::try_from(n).ok()).and_then(|n| bytes.split_at_checked(n))
		else {
			return;
		};
		bytes = rest;
		if key & 7 == 2 {
			*count += 1;
			if let Some(kind) = inside(message, key >> 3) {
				fields(part, kind, depth + 1, count);
			}
		}
	}
}

/// A number of variable length.
fn number(bytes: &mut &[u8]) -> Option<u64> {
	let mut value = 0u64;
	for shift in (0..70).step_by(7) {
		let (&byte, rest) = bytes.split_first()?;
		*bytes = rest;
		value |= u64::from(byte & 127).checked_shl(shift).unwrap_or(0);
		if byte < 128 {
			return Some(value);
		}
	}
	None
}

#[cfg(test)]
mod tests {
	use super::*;

	/// A field of bytes.
	fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
		let mut out = vec![number << 3 | 2];
		let mut left = bytes.len();
		while left >= 128 {
			out.push((left % 128) as u8 | 128);
			left /= 128;
		}
		out.push(left as u8);
		out.extend(bytes);
		out
	}

	#[test]
	fn models_should_be_refused_when_they_describe_too_much() {
		let attributes = field(5, b"").repeat(1_000);
		let nodes = field(1, &attributes).repeat(2_100);
		let model = field(7, &nodes);
		assert!(model.len() < 5_000_000);
		assert_eq!(check(&model).unwrap_err().code, "too-large");
		assert!(check(&field(7, &field(1, &attributes))).is_ok());
	}

	#[test]
	fn bytes_should_be_left_to_the_decoder_when_they_are_no_protobuf() {
		for bytes in
			[&[0xff; 40][..], &[0x3a, 0xff, 0xff, 0xff, 0x7f], &[0x3a], &[0x3b, 0x3c], b"PK"]
		{
			assert!(check(bytes).is_ok());
		}
	}
}
