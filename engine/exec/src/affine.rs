use assay_ops::{Shape, View, MAX_RANK};

/// An affine map from the row-major elements that an operator sees to those of the operand, with
/// neighbouring dimensions merged wherever their strides allow: a contiguous operand has rank 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Affine {
	/// Source element of the first element.
	pub offset: u32,
	/// Dimensions used of `dims` and `strides`; at least 1.
	pub rank: usize,
	/// Sizes, slowest first.
	pub dims: [u32; MAX_RANK],
	/// Distance in source elements for one step in each dimension.
	pub strides: [u32; MAX_RANK],
}

impl Affine {
	/// The map of a validated view, or of the whole operand of shape `shape` where there is none.
	pub fn new(shape: &Shape, view: Option<&View>) -> Self {
		let Some(view) = view else { return Self::contiguous(0, shape.elements()) };
		let mut this =
			Self { offset: view.offset, rank: 0, dims: [1; MAX_RANK], strides: [0; MAX_RANK] };
		for (&dim, &stride) in view.shape.dims().iter().zip(&view.strides) {
			if dim == 1 {
				continue;
			}
			if let Some(last) = this.rank.checked_sub(1) {
				if u64::from(this.strides[last]) == u64::from(dim) * u64::from(stride) {
					this.dims[last] *= dim;
					this.strides[last] = stride;
					continue;
				}
			}
			this.dims[this.rank] = dim;
			this.strides[this.rank] = stride;
			this.rank += 1;
		}
		if this.rank == 0 {
			return Self::contiguous(view.offset, 1);
		}
		this
	}

	fn contiguous(offset: u32, elements: u32) -> Self {
		let (mut dims, mut strides) = ([1; MAX_RANK], [0; MAX_RANK]);
		dims[0] = elements;
		strides[0] = 1;
		Self { offset, rank: 1, dims, strides }
	}

	/// Where the elements lie if they lie together and in order.
	pub fn contiguous_at(&self) -> Option<usize> {
		(self.rank == 1 && self.strides[0] == 1).then_some(self.offset as usize)
	}

	/// Visits the elements `start .. start + len` in runs along the innermost dimension:
	/// `visit(position in the range, source element, stride, run length)`.
	pub fn runs(
		&self,
		start: usize,
		len: usize,
		mut visit: impl FnMut(usize, usize, usize, usize),
	) {
		if len == 0 {
			return;
		}
		let inner = self.rank - 1;
		let (size, stride) = (self.dims[inner] as usize, self.strides[inner] as usize);
		let within = start % size;
		// Where the first run begins, and from there on one dimension after the other counts up.
		let mut at = [0; MAX_RANK];
		let mut rest = start / size;
		let mut source = self.offset as usize + within * stride;
		for axis in (0..inner).rev() {
			let dim = self.dims[axis] as usize;
			at[axis] = rest % dim;
			source += at[axis] * self.strides[axis] as usize;
			rest /= dim;
		}
		let first = (size - within).min(len);
		visit(0, source, stride, first);
		source -= within * stride;
		let mut done = first;
		while done < len {
			for axis in (0..inner).rev() {
				let (dim, stride) = (self.dims[axis] as usize, self.strides[axis] as usize);
				at[axis] += 1;
				if at[axis] < dim {
					source += stride;
					break;
				}
				at[axis] = 0;
				source -= (dim - 1) * stride;
			}
			let run = size.min(len - done);
			visit(done, source, stride, run);
			done += run;
		}
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn affine_should_visit_what_the_view_says_when_dimensions_are_merged() {
		let source = Shape::new(&[4, 3, 5]).unwrap();
		let views = [
			View::reshape(Shape::new(&[3, 1, 20]).unwrap()),
			View::transpose(&source, &[2, 0, 1]).unwrap(),
			View::transpose(&source, &[1, 2, 0]).unwrap(),
			View::slice(&source, &[1..3, 0..3, 0..5]).unwrap(),
			View::slice(&source, &[0..4, 1..2, 2..5]).unwrap(),
			View::broadcast(&Shape::new(&[3, 1]).unwrap(), Shape::new(&[2, 3, 7]).unwrap())
				.unwrap(),
			View { shape: Shape::new(&[]).unwrap(), offset: 59, strides: vec![] },
		];
		for view in views {
			let affine = Affine::new(&source, Some(&view));
			let elements = view.shape.elements() as usize;
			for start in 0..elements {
				let mut found = vec![];
				affine.runs(start, elements - start, |at, source, stride, run| {
					assert_eq!(at, found.len());
					found.extend((0..run).map(|i| (source + i * stride) as u32));
				});
				let expected: Vec<u32> =
					(start..elements).map(|at| view.source_index(at as u32)).collect();
				assert_eq!(found, expected, "{view:?} from {start}");
			}
		}
		let whole = Affine::new(&source, Some(&View::reshape(Shape::new(&[60]).unwrap())));
		assert_eq!(whole.contiguous_at(), Some(0));
	}
}
