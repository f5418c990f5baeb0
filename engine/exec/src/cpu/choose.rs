//! Comparisons, and choices by them.

use super::Source;
use crate::{buffer::CHUNK, simd::vectorised, Buffer};
use assay_ops::{DType, Relation};

/// [`assay_ops::Op::Compare`].
pub(super) fn compare(a: &Source, b: &Source, relation: Relation) -> Buffer {
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
	let run = match relation {
		Relation::Equal => by!(|x, y| x == y),
		Relation::Less => by!(|x, y| x < y),
		Relation::LessOrEqual => by!(|x, y| x <= y),
	};
	Buffer::fill(DType::I8, a.len(), |start, out| {
		let mut second = [0; CHUNK];
		let second = &mut second[..out.len()];
		a.load(start, out);
		b.load(start, second);
		run(out, second);
	})
}

vectorised! {
	/// `a` where `out` is not 0, else `b`.
	fn pick[](out: &mut [i32], a: &[i32], b: &[i32]) {
		for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
			*out = if *out != 0 { *a } else { *b };
		}
	}
}

/// [`assay_ops::Op::Select`].
pub(super) fn select(condition: &Source, a: &Source, b: &Source) -> Buffer {
	Buffer::fill(a.dtype(), condition.len(), |start, out| {
		let (mut first, mut second) = ([0; CHUNK], [0; CHUNK]);
		let (first, second) = (&mut first[..out.len()], &mut second[..out.len()]);
		condition.load(start, out);
		a.load(start, first);
		b.load(start, second);
		pick(out, first, second);
	})
}
