//! Exponents of tensors: a number in a tensor stands for `number · 2^exponent`.
//!
//! An exponent is a sum of a number that is known now and of *slots*, whose values are step state:
//! each follows the largest element that its tensor had in the step before (delayed scaling).

use std::{
	collections::BTreeMap,
	ops::{Add, Sub},
};

/// Position of an adaptive exponent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot(pub u16);

/// A slot as it is in this step, or as it was in the step before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Term {
	pub previous: bool,
	pub slot: Slot,
}

/// A sum of a fixed number and slots.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Exponent {
	pub(crate) fixed: i32,
	pub(crate) terms: BTreeMap<Term, i32>,
}

impl Exponent {
	/// A number.
	pub fn fixed(fixed: i32) -> Self {
		Self { fixed, terms: BTreeMap::new() }
	}

	/// What a slot holds in this step.
	pub fn of(slot: Slot) -> Self {
		Self { fixed: 0, terms: BTreeMap::from([(Term { previous: false, slot }, 1)]) }
	}

	/// What a slot held in the step before.
	pub fn previous(slot: Slot) -> Self {
		Self { fixed: 0, terms: BTreeMap::from([(Term { previous: true, slot }, 1)]) }
	}

	/// So many times this.
	pub fn times(mut self, factor: i32) -> Self {
		self.fixed *= factor;
		self.terms.values_mut().for_each(|count| *count *= factor);
		self
	}

	/// Moved by a number.
	pub fn plus(mut self, by: i32) -> Self {
		self.fixed += by;
		self
	}

	/// The number, unless a slot is part of it.
	pub fn known(&self) -> Option<i32> {
		self.terms.is_empty().then_some(self.fixed)
	}
}

impl Add<&Exponent> for Exponent {
	type Output = Exponent;

	fn add(mut self, other: &Exponent) -> Exponent {
		self.fixed += other.fixed;
		for (&term, count) in &other.terms {
			*self.terms.entry(term).or_default() += count;
		}
		self.terms.retain(|_, count| *count != 0);
		self
	}
}

impl Sub<&Exponent> for Exponent {
	type Output = Exponent;

	fn sub(self, other: &Exponent) -> Exponent {
		self + &other.clone().times(-1)
	}
}

/// How an exponent follows the largest element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
	/// One to two and a half bits of headroom: activations, weights, the velocity of SGD.
	Wide,
	/// Two to three and a half bits of headroom: gradients, which one batch in a few makes several
	/// times as large as another.
	Gradient,
	/// Four bits of headroom: a first moment, beside which gradients are stored that can be ten
	/// times as large.
	Moment,
	/// A second moment: its exponent is twice the slot, one to three bits of headroom.
	Square,
	/// The exponent is fixed elsewhere; saturation is counted all the same.
	Counted,
	/// Never changes: data and learning rates.
	Constant,
}

/// Entries of the table of one class: one for each [`assay_ops::Op::BitLen`] of a square.
const ENTRIES: usize = 32;

/// A tensor saturates somewhere when the square of its largest element, shifted to the scale of
/// i16, is this large.
pub(crate) const SATURATED: i32 = 32_767 * 32_767;

impl Class {
	const ALL: [Self; 6] =
		[Self::Wide, Self::Gradient, Self::Moment, Self::Square, Self::Counted, Self::Constant];

	fn index(self) -> usize {
		self as usize
	}

	/// Bits of the square of the largest element (shifted right by 32 for i32) that need no change.
	fn comfortable(self) -> Option<std::ops::RangeInclusive<i32>> {
		match self {
			// |x| from 2^12.5 to 2^14 of 2^15.
			Self::Wide => Some(26..=28),
			Self::Gradient => Some(24..=26),
			Self::Moment => Some(20..=22),
			Self::Square => Some(25..=28),
			Self::Counted | Self::Constant => None,
		}
	}

	/// What is added to the slot when the square of the largest element has `bits` bits.
	pub(crate) fn change(self, bits: i32) -> i32 {
		match self.comfortable() {
			// Nothing is known of a tensor of zeros.
			Some(comfortable) if bits > 0 => {
				if bits > *comfortable.end() {
					1
				} else if bits < *comfortable.start() {
					// Quicker where much is missing, as it is before the first step.
					if comfortable.start() - bits > 8 && self != Self::Square {
						-2
					} else {
						-1
					}
				} else {
					0
				}
			}
			_ => 0,
		}
	}

	/// Whether saturation moves the slot.
	pub(crate) fn adapts(self) -> bool {
		self.comfortable().is_some()
	}

	/// Where the class begins in [`table`], as an i8 index of [`assay_ops::Op::Lut`].
	pub(crate) fn offset(self) -> i32 {
		(self.index() * ENTRIES) as i32 - 128
	}
}

/// [`Class::change`] of all classes, for [`assay_ops::Op::Lut`].
pub(crate) fn table() -> Vec<i32> {
	let mut table = vec![0; 256];
	for class in Class::ALL {
		let start = class.index() * ENTRIES;
		for (bits, entry) in (0..).zip(&mut table[start..start + ENTRIES]) {
			*entry = class.change(bits);
		}
	}
	table
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn exponents_should_cancel_when_subtracted() {
		let (a, b) = (Exponent::of(Slot(1)).plus(3), Exponent::of(Slot(2)));
		let sum = a.clone() + &b;
		assert_eq!(sum.clone() - &b, a);
		assert_eq!((sum.clone() - &sum).known(), Some(0));
		assert_eq!(sum.known(), None);
	}

	#[test]
	fn slots_should_settle_when_the_largest_element_stays() {
		// (class, shift of the square, octaves of one unit of the slot)
		for (class, shift, octaves) in [
			(Class::Wide, 0, 1),
			(Class::Gradient, 0, 1),
			(Class::Moment, 32, 1),
			(Class::Square, 32, 2),
		] {
			for real in [1i128 << 50, 12_345_678_901 << 30, 3 << 80] {
				let mut slot = 70i32;
				let limit = if shift == 0 { 32_767 } else { i32::MAX as i128 };
				let mut still = 0;
				for _ in 0..200 {
					let stored = (real >> (octaves * slot).clamp(0, 120)).min(limit);
					let square = (stored * stored) >> shift;
					let bits = 128 - square.leading_zeros() as i32;
					let saturated = i32::from(square >= SATURATED.into());
					let change = class.change(bits) + saturated;
					still = if change == 0 { still + 1 } else { 0 };
					// A tensor of zeros says nothing; start where something is seen.
					slot += if bits == 0 { -1 } else { change };
				}
				assert!(still > 100, "{class:?} {real}: still moving at {slot}");
				let stored = real >> (octaves * slot);
				assert!(stored < limit / 2 + 1, "{class:?} {real}: {stored} has no headroom");
			}
		}
	}
}
