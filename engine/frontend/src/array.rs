//! Float and integer tensors as NumPy and ONNX have them.

/// Elements, row-major. Booleans are integers 0 and 1.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
	/// Any float type, as f32.
	Float(Vec<f32>),
	/// Any integer type and bool.
	Int(Vec<i64>),
}

/// A tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
	/// Dimensions, slowest first; none at all is a scalar, and one may be 0.
	pub dims: Vec<usize>,
	/// Elements.
	pub data: Data,
}

impl Array {
	/// Floats; `data` has as many elements as `dims` say.
	pub fn float(dims: impl Into<Vec<usize>>, data: Vec<f32>) -> Self {
		Self { dims: dims.into(), data: Data::Float(data) }
	}

	/// Integers; `data` has as many elements as `dims` say.
	pub fn int(dims: impl Into<Vec<usize>>, data: Vec<i64>) -> Self {
		Self { dims: dims.into(), data: Data::Int(data) }
	}

	/// Number of elements.
	pub fn len(&self) -> usize {
		self.dims.iter().product()
	}

	/// Whether there is no element.
	pub fn is_empty(&self) -> bool {
		self.len() == 0
	}

	/// Number of dimensions.
	pub fn rank(&self) -> usize {
		self.dims.len()
	}

	/// Whether the elements are integers.
	pub fn is_int(&self) -> bool {
		matches!(self.data, Data::Int(_))
	}

	/// The elements as floats.
	pub fn floats(&self) -> Vec<f32> {
		match &self.data {
			Data::Float(data) => data.clone(),
			Data::Int(data) => data.iter().map(|&value| value as f32).collect(),
		}
	}

	/// The elements as integers, floats cut towards zero.
	pub fn ints(&self) -> Vec<i64> {
		match &self.data {
			Data::Float(data) => data.iter().map(|&value| value as i64).collect(),
			Data::Int(data) => data.clone(),
		}
	}

	/// The same elements under other dimensions, whose product must be the same.
	pub fn reshaped(&self, dims: impl Into<Vec<usize>>) -> Self {
		Self { dims: dims.into(), data: self.data.clone() }
	}

	/// The elements at the given row-major positions.
	pub fn pick(&self, dims: impl Into<Vec<usize>>, at: impl Iterator<Item = usize>) -> Self {
		let data = match &self.data {
			Data::Float(data) => Data::Float(at.map(|i| data[i]).collect()),
			Data::Int(data) => Data::Int(at.map(|i| data[i]).collect()),
		};
		Self { dims: dims.into(), data }
	}

	/// Samples `start .. start + count` along the first dimension; past the end the last one repeats.
	pub fn samples(&self, start: usize, count: usize) -> Self {
		let each = self.dims.iter().skip(1).product::<usize>();
		let last = self.dims.first().copied().unwrap_or(1).saturating_sub(1);
		let mut dims = self.dims.clone();
		if let Some(first) = dims.first_mut() {
			*first = count;
		}
		self.pick(
			dims,
			(start..start + count).flat_map(|i| i.min(last) * each..(i.min(last) + 1) * each),
		)
	}
}

/// Row-major strides of `dims`.
pub fn strides(dims: &[usize]) -> Vec<usize> {
	let mut strides = vec![1; dims.len()];
	for i in (1..dims.len()).rev() {
		strides[i - 1] = strides[i] * dims[i];
	}
	strides
}

/// The common dimensions of `shapes` by NumPy's rule; `None` where they do not fit.
pub fn broadcast(shapes: &[&[usize]]) -> Option<Vec<usize>> {
	let rank = shapes.iter().map(|dims| dims.len()).max().unwrap_or(0);
	let mut out = vec![1; rank];
	for dims in shapes {
		for (slot, &dim) in out.iter_mut().skip(rank - dims.len()).zip(*dims) {
			match (*slot, dim) {
				(a, b) if a == b => {}
				(1, b) => *slot = b,
				(_, 1) => {}
				_ => return None,
			}
		}
	}
	Some(out)
}

/// Strides of `dims` seen as the broadcast shape `to`: 0 along repeated dimensions.
pub fn broadcast_strides(dims: &[usize], to: &[usize]) -> Vec<usize> {
	let own = strides(dims);
	let missing = to.len() - dims.len();
	(0..to.len())
		.map(|i| match i.checked_sub(missing) {
			Some(at) if dims[at] != 1 => own[at],
			_ => 0,
		})
		.collect()
}

/// Source positions of a strided walk over `dims`, in row-major order.
pub fn walk(dims: &[usize], strides: &[usize], offset: usize) -> Vec<usize> {
	let mut at = vec![offset];
	for (&dim, &stride) in dims.iter().zip(strides) {
		at = at.iter().flat_map(|&from| (0..dim).map(move |i| from + i * stride)).collect();
	}
	at
}
