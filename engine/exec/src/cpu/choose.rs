//! Comparisons, and choices by them.

use super::Source;
use crate::{buffer::CHUNK, segments::threads, simd::vectorised, Buffer};
use assay_ops::{DType, Relation};

/// [`assay_ops::Op::Compare`] of a block, whose first elements are in place.
pub(super) fn relate(relation: Relation) -> fn(&mut [i32], &[i32]) {
	macro_rules! by {
		($f:expr) => {{
			vectorised! {
				fn run[](first: &mut [i32], second: &[i32]) {
					let f: fn(i32, i32) -> bool = $f;
					first.iter_mut().zip(second).for_each(|(x, y)| *x = i32::from(f(*x, *y)));
				}
			}
			run as fn(&mut [i32], &[i32])
		}};
	}
	match relation {
		Relation::Equal => by!(|x, y| x == y),
		Relation::Less => by!(|x, y| x < y),
		Relation::LessOrEqual => by!(|x, y| x <= y),
	}
}

/// [`assay_ops::Op::Compare`].
pub(super) fn compare(a: &Source, b: &Source, relation: Relation) -> Buffer {
	let run = relate(relation);
	Buffer::fill_beside(DType::I8, a.len(), |second, start, out| {
		a.load(start, out);
		let second = b.chunk(start, out.len(), second);
		run(out, second);
	})
}

vectorised! {
	/// `a` where `out` is not 0, else `b`.
	pub(super) fn pick[](out: &mut [i32], a: &[i32], b: &[i32]) {
		for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
			*out = if *out != 0 { *a } else { *b };
		}
	}
}

/// [`assay_ops::Op::Select`].
pub(super) fn select(condition: &Source, a: &Source, b: &Source) -> Buffer {
	let (len, both) = (condition.len(), || (Vec::new(), Vec::new()));
	let how = (CHUNK, threads(len));
	Buffer::fill_with(a.dtype(), len, how, both, |(first, second), start, out| {
		condition.load(start, out);
		pick(out, a.chunk(start, out.len(), first), b.chunk(start, out.len(), second));
	})
}
