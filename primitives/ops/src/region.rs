//! A sound bound of what one output tile reads, for every output tile at once.

use crate::{Access, Applied, Shape, TensorType, View, Window};
use alloc::{vec, vec::Vec};

/// A bound of positions along one factor of a tensor's flat index: at most `runs` intervals of at
/// most `extent` positions each, all starting at a multiple of `align`, inside `0 .. size`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Axis {
	/// Number of positions.
	pub size: u64,
	/// Most intervals.
	pub runs: u64,
	/// Longest interval.
	pub extent: u64,
	/// What divides every start.
	pub align: u64,
}

impl Axis {
	fn new(size: u64, runs: u64, extent: u64, align: u64) -> Self {
		let extent = extent.min(size);
		if runs.saturating_mul(extent) >= size {
			Self::full(size)
		} else {
			Self { size, runs, extent, align: align.max(1) }
		}
	}

	fn full(size: u64) -> Self {
		Self { size, runs: 1, extent: size, align: size }
	}

	fn is_full(&self) -> bool {
		self.runs == 1 && self.extent == self.size
	}

	/// Bound of the number of positions.
	pub fn count(&self) -> u64 {
		self.runs.saturating_mul(self.extent).min(self.size)
	}

	/// Blocks of `block` positions that one interval can touch.
	fn touched(&self, block: u64) -> u64 {
		let misaligned = block - gcd(self.align, block);
		misaligned.saturating_add(self.extent).div_ceil(block)
	}

	/// Cut into (outer, inner) with `inner` positions in the inner one.
	fn cut(self, inner: u64) -> (Self, Self) {
		if self.size <= inner {
			return (Self::full(1), Self::new(inner, self.runs, self.extent, self.align));
		}
		let size = self.size.div_ceil(inner);
		if self.is_full() && self.size.is_multiple_of(inner) {
			return (Self::full(size), Self::full(inner));
		}
		let align = gcd(self.align, inner);
		let touched = self.touched(inner);
		let outer_align = if self.align.is_multiple_of(inner) { self.align / inner } else { 1 };
		let outer = Self::new(size, self.runs, touched, outer_align);
		// An interval that crosses a block border leaves a tail of one block and a head of the
		// next.
		let pieces = if touched == 1 { self.runs } else { self.runs.saturating_mul(2) };
		let extent = if touched > 2 { inner } else { self.extent };
		(outer, Self::new(inner, pieces, extent, align))
	}

	/// One axis for (self, inner).
	fn join(self, inner: Self) -> Self {
		if self.size == 1 {
			return inner;
		}
		let size = self.size.saturating_mul(inner.size);
		if inner.is_full() {
			let by = inner.size;
			Self::new(
				size,
				self.runs,
				self.extent.saturating_mul(by),
				self.align.saturating_mul(by),
			)
		} else {
			let runs = self.count().saturating_mul(inner.runs);
			Self::new(size, runs, inner.extent, gcd(inner.size, inner.align))
		}
	}

	/// The same positions moved by `by` inside `size` positions.
	fn moved(self, by: u64, size: u64) -> Self {
		Self::new(size, self.runs, self.extent, gcd(self.align, by))
	}
}

fn gcd(mut a: u64, mut b: u64) -> u64 {
	while b != 0 {
		(a, b) = (b, a % b);
	}
	a.max(1)
}

/// How many tiles a region can touch, and in how many unbroken stretches.
///
/// The region is a superset of what is read. Leaving a tile of a stretch out may break the stretch,
/// but never makes its hash proof longer: each tile that is left out saves 1 KiB and costs at most
/// one sibling hash. So `tiles` KiB and two siblings on each level of the tree for each of the
/// `stretches` bound the proof of whatever is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct TileBound {
	/// Most tiles.
	pub tiles: u64,
	/// Stretches of consecutive tiles that hold them.
	pub stretches: u64,
}

/// A superset of a set of elements of a tensor, up to its position: the product of its axes, which
/// factor the row-major index (slowest first).
///
/// A region describes what *some* output tile reads; the same region holds for all of them, since
/// it never says where its intervals lie. Every operation here only ever widens the set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Region {
	axes: Vec<Axis>,
}

impl Region {
	/// Any one canonical tile of a tensor.
	pub fn tile(ty: &TensorType) -> Self {
		let axis = |size: u32, tile: u32| Axis::new(size as u64, 1, tile as u64, tile as u64);
		Self { axes: vec![axis(ty.rows(), ty.tile_rows()), axis(ty.cols(), ty.tile_cols())] }
	}

	/// Every element.
	pub fn full(shape: &Shape) -> Self {
		Self { axes: vec![Axis::full(shape.elements() as u64)] }
	}

	/// The axes, slowest first.
	pub fn axes(&self) -> &[Axis] {
		&self.axes
	}

	/// Bound of the number of elements.
	pub fn count(&self) -> u64 {
		self.axes.iter().map(Axis::count).fold(1, u64::saturating_mul)
	}

	/// The same set over axes of other sizes. The product of all sizes but the first is what
	/// counts; the first only limits.
	fn over(&self, sizes: &[u64]) -> Vec<Axis> {
		let mut left = self.axes.clone();
		let mut axes: Vec<Axis> = Vec::with_capacity(sizes.len());
		for (position, &size) in sizes.iter().enumerate().rev() {
			let mut last = left.pop().unwrap_or(Axis::full(1));
			if position == 0 {
				while let Some(outer) = left.pop() {
					last = outer.join(last);
				}
				axes.push(if last.size == size {
					last
				} else {
					Axis::new(size, last.runs, last.extent, last.align)
				});
				break;
			}
			while last.size < size || !last.size.is_multiple_of(size) {
				match left.pop() {
					Some(outer) => last = outer.join(last),
					None => break,
				}
			}
			let (outer, inner) = last.cut(size);
			if outer.size > 1 {
				left.push(outer);
			}
			axes.push(inner);
		}
		axes.reverse();
		axes
	}

	/// Through a view: the elements of `source` that the region of the view's elements reads.
	pub fn through(&self, view: &View, source: &Shape) -> Self {
		let total = source.elements() as u64;
		let sizes: Vec<u64> = view.shape.dims().iter().map(|&dim| dim as u64).collect();
		// What moves in the source: (stride, axis), slowest first.
		let mut moving: Vec<(u64, Axis)> = view
			.strides
			.iter()
			.zip(self.over(&sizes))
			.filter(|(&stride, axis)| stride > 0 && axis.size > 1)
			.map(|(&stride, axis)| (stride as u64, axis))
			.collect();
		moving.sort_by_key(|(stride, _)| core::cmp::Reverse(*stride));
		let axes = nested(&moving, view.offset as u64, total)
			.unwrap_or_else(|| vec![flattened(&moving, total)]);
		Self { axes }
	}

	/// Canonical tiles that the region can touch.
	pub fn tiles(&self, ty: &TensorType) -> TileBound {
		let axes = self.over(&[ty.rows() as u64, ty.cols() as u64]);
		let along = |axis: Option<&Axis>, tile: u32| {
			axis.map_or((1, 1), |axis| {
				let blocks = axis.size.div_ceil(tile as u64);
				let touched = axis.runs.saturating_mul(axis.touched(tile as u64)).min(blocks);
				(touched, axis.runs.min(touched))
			})
		};
		let (rows, _) = along(axes.first(), ty.tile_rows());
		let (cols, stretches) = along(axes.get(1), ty.tile_cols());
		TileBound { tiles: rows.saturating_mul(cols), stretches: rows.saturating_mul(stretches) }
	}
}

/// Strides that nest (each a multiple of the next, no carry between them) factor the source's
/// index.
fn nested(moving: &[(u64, Axis)], offset: u64, total: u64) -> Option<Vec<Axis>> {
	let mut axes = Vec::with_capacity(moving.len() + 1);
	let mut above = total;
	for (position, (stride, axis)) in moving.iter().enumerate() {
		let size = if position == 0 {
			total.div_ceil(*stride)
		} else if above.is_multiple_of(*stride) {
			above / stride
		} else {
			return None;
		};
		let digit = if position == 0 { offset / stride } else { offset / stride % size };
		if digit + axis.size > size {
			return None;
		}
		axes.push(axis.moved(digit, size));
		above = *stride;
	}
	// What is left below the smallest stride never moves.
	if moving.is_empty() {
		axes.push(Axis::new(total, 1, 1, gcd(total, offset)));
	} else if above > 1 {
		axes.push(Axis::new(above, 1, 1, gcd(above, offset % above)));
	}
	Some(axes)
}

/// Any strides: intervals of the flat index.
fn flattened(moving: &[(u64, Axis)], total: u64) -> Axis {
	let (mut runs, mut extent) = (1u64, 1u64);
	for (stride, axis) in moving.iter().rev() {
		if *stride <= extent {
			extent = (axis.extent - 1).saturating_mul(*stride).saturating_add(extent);
			runs = runs.saturating_mul(axis.runs);
		} else {
			runs = runs.saturating_mul(axis.count());
		}
	}
	Axis::new(total, runs, extent, 1)
}

impl Applied {
	/// Bound of what operand `operand` (after its view) is read at for the region `output` of the
	/// result, in any slice of the reduced dimension that starts at a multiple of `slice`.
	pub fn operand_region(&self, operand: usize, output: &Region, slice: u32) -> Region {
		let reduction = self.reduction() as u64;
		let slice = (slice as u64).clamp(1, reduction);
		let folded = Axis::new(reduction, 1, slice, slice);
		let elements = self.shape().elements() as u64;
		// The output's axes for (elements / inner, inner).
		let matrix = |inner: u32| -> (Axis, Axis) {
			let inner = (inner as u64).max(1);
			match output.over(&[elements / inner, inner])[..] {
				[outer, inner] => (outer, inner),
				_ => (Axis::full(elements / inner), Axis::full(inner)),
			}
		};
		let Some(access) = self.access(operand) else { return output.clone() };
		let axes = match access {
			Access::Same => return output.clone(),
			Access::Single => vec![Axis::full(1)],
			Access::Column { n } => vec![matrix(n).1],
			Access::Whole { len } => vec![Axis::full(len as u64)],
			Access::Left { n, .. } => vec![matrix(n).0, folded],
			Access::Right { block, n, .. } => vec![matrix(block).0, matrix(n).1, folded],
			Access::Patch(window) => patch(&window, output, elements, folded),
			Access::Reduce { inner, .. } => {
				let (outer, within) = matrix(inner);
				vec![outer, folded, within]
			}
			Access::Row { len, width } => vec![matrix(width).0, Axis::full(len as u64)],
			Access::Piece { len, offset, total, inner } => {
				let (inner, total) = (inner as u64, total as u64);
				match output.over(&[elements / inner / total, total, inner])[..] {
					// What lies before the piece is cut off: an interval then starts at 0.
					[outer, middle, within] => {
						vec![outer, middle.moved(offset as u64, len as u64), within]
					}
					_ => vec![Axis::full(elements / total * len as u64)],
				}
			}
			Access::Updates { inner } => vec![folded, matrix(inner).1],
			Access::Destinations => vec![folded],
			Access::Index { inner } => vec![matrix(inner).0],
			Access::Table { rows, inner } => {
				// Any row of the table for each row of the result.
				let (outer, within) = matrix(inner);
				vec![Axis::new(rows as u64, outer.count(), 1, 1), within]
			}
		};
		Region { axes }
	}
}

impl Applied {
	/// Bound of the different patches that the region `output` of the result of a Conv2d or Pool
	/// has; 0 for any other operator.
	pub fn patches(&self, output: &Region) -> u64 {
		let Some(Access::Patch(window)) = self.access(0) else { return 0 };
		let channels = window.output_channels as u64;
		let positions = self.shape().elements() as u64 / channels.max(1);
		match output.over(&[positions, channels])[..] {
			[position, channel] => {
				let (group, _) = channel.cut(channels / window.groups as u64);
				position.count().saturating_mul(group.count())
			}
			_ => positions.saturating_mul(window.groups as u64),
		}
	}
}

/// Patches at a region of the result, in the part `folded` of the patch.
fn patch(window: &Window, output: &Region, elements: u64, folded: Axis) -> Vec<Axis> {
	let of = |axis: usize| window.output.get(axis).copied().unwrap_or(1) as u64;
	let (height, width, channels) = (of(0), of(1), window.output_channels as u64);
	let images = elements / (height * width * channels).max(1);
	let group_channels = window.group_channels() as u64;
	let kernel = window.kernel.map(u64::from);
	let outputs = output.over(&[images, height, width, channels]);
	let taps = Region { axes: vec![folded] }.over(&[kernel[0], kernel[1], group_channels]);
	let ([images, y, x, channel], [i, j, within]) = (&outputs[..], &taps[..]) else {
		return vec![Axis::full(images * window.input.iter().fold(1, |n, d| n * *d as u64))];
	};
	let span = |axis: usize, output: &Axis, tap: &Axis| {
		let geometry = &window.geometry;
		let (stride, input, kernel) = (
			geometry.stride[axis] as u64,
			geometry.input_dilation[axis] as u64,
			geometry.kernel_dilation[axis] as u64,
		);
		// From the first position to the last one, of which every `input`-th is an element.
		let reach = (output.extent - 1)
			.saturating_mul(stride)
			.saturating_add((tap.extent - 1).saturating_mul(kernel));
		let runs = output.runs.saturating_mul(tap.runs);
		Axis::new(window.input[axis] as u64, runs, reach / input.max(1) + 1, 1)
	};
	let group = channel.cut(channels / window.groups as u64).0;
	let group = Axis::new(window.groups as u64, group.runs, group.extent, group.align);
	vec![*images, span(0, y, i), span(1, x, j), group.join(*within)]
}
