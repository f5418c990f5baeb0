//! Decoding of hostile bytes: at most [`MAX_PART_BYTES`] are read, and no list is allocated before
//! it is known to be short enough.

use crate::types::*;
use alloc::vec::Vec;
use assay_commitments::{Hash, Path};
use codec::{Compact, Decode, DecodeWithMemTracking, Error, Input};

/// Bytes that are read, and allocated for, at a time: a length that lies costs no more than this.
const PIECE: usize = 16 * 1024;

/// An input of which at most so many bytes are read.
struct Limited<'a, I> {
	input: &'a mut I,
	left: usize,
}

impl<I: Input> Input for Limited<'_, I> {
	fn remaining_len(&mut self) -> Result<Option<usize>, Error> {
		Ok(self.input.remaining_len()?.map(|len| len.min(self.left)))
	}

	fn read(&mut self, into: &mut [u8]) -> Result<(), Error> {
		let left = self.left.checked_sub(into.len()).ok_or("a part of a proof is too long")?;
		self.input.read(into)?;
		self.left = left;
		Ok(())
	}

	fn descend_ref(&mut self) -> Result<(), Error> {
		self.input.descend_ref()
	}

	fn ascend_ref(&mut self) {
		self.input.ascend_ref();
	}

	fn on_before_alloc_mem(&mut self, size: usize) -> Result<(), Error> {
		self.input.on_before_alloc_mem(size)
	}
}

/// The length of a list with at most `max` items.
fn len_of<I: Input>(input: &mut I, max: usize) -> Result<usize, Error> {
	let len = Compact::<u32>::decode(input)?.0 as usize;
	if len > max {
		return Err("a list in a proof is too long".into());
	}
	Ok(len)
}

/// At most `max` bytes.
fn bytes<I: Input>(input: &mut I, max: usize) -> Result<Vec<u8>, Error> {
	let len = len_of(input, max)?;
	input.on_before_alloc_mem(len)?;
	let mut bytes = Vec::new();
	while bytes.len() < len {
		let start = bytes.len();
		bytes.resize(len.min(start + PIECE), 0);
		input.read(bytes.get_mut(start..).unwrap_or_default())?;
	}
	Ok(bytes)
}

/// At most `max` items of about `size` bytes.
fn list<I: Input, T: Decode>(input: &mut I, max: usize, size: usize) -> Result<Vec<T>, Error> {
	let len = len_of(input, max)?;
	input.on_before_alloc_mem(len.saturating_mul(size))?;
	let mut items = Vec::with_capacity(len.min(PIECE / size));
	for _ in 0..len {
		items.push(T::decode(input)?);
	}
	Ok(items)
}

impl Decode for TilesOpening {
	fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
		let tiles = bytes(input, MAX_TILES * 1024)?;
		Ok(Self { tiles, siblings: list(input, MAX_ROOTS, size_of::<Hash>())? })
	}
}

impl DecodeWithMemTracking for TilesOpening {}

impl Decode for RootsOpening {
	fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
		let roots = list(input, MAX_ROOTS, size_of::<Hash>())?;
		Ok(Self { roots, siblings: list(input, MAX_ROOTS, size_of::<Hash>())? })
	}
}

impl DecodeWithMemTracking for RootsOpening {}

impl Decode for ProofPart {
	fn decode<I: Input>(input: &mut I) -> Result<Self, Error> {
		let input = &mut Limited { input, left: MAX_PART_BYTES };
		Ok(Self {
			accusation: Accusation::decode(input)?,
			part: u32::decode(input)?,
			trace: <(Hash, Path)>::decode(input)?,
			before: Option::<(Hash, Path)>::decode(input)?,
			claimed: <(Hash, Path)>::decode(input)?,
			anchors: RootsOpening::decode(input)?,
			lazy: RootsOpening::decode(input)?,
			states: RootsOpening::decode(input)?,
			operands: list(input, MAX_OPERANDS, size_of::<TilesOpening>())?,
		})
	}
}

impl DecodeWithMemTracking for ProofPart {}
