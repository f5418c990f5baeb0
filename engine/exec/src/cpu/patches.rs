//! The patches of an image, one after the other: the left operand of a convolution.

use crate::Element;
use assay_ops::Window;
use core::ops::Range;

/// Where a window finds its elements along a direction. Nothing is kept for each position: image
/// and kernel may both be far longer than anything else that a program has.
#[derive(Clone, Copy)]
pub(super) struct Axis {
	stride: i64,
	low: i64,
	/// Distance of elements of the kernel, and of elements of the image.
	step: i64,
	spread: i64,
	flip: bool,
	pub(super) kernel: usize,
	pub(super) input: usize,
	pub(super) output: usize,
}

impl Axis {
	pub(super) fn new(window: &Window, axis: usize) -> Self {
		let geometry = &window.geometry;
		Self {
			stride: geometry.stride[axis].into(),
			low: geometry.pad[axis][0].into(),
			step: geometry.kernel_dilation[axis].into(),
			spread: geometry.input_dilation[axis].into(),
			flip: geometry.flip,
			kernel: window.kernel[axis] as usize,
			input: window.input[axis] as usize,
			output: window.output[axis] as usize,
		}
	}

	/// [`Window::place`].
	pub(super) fn place(&self, output: usize, tap: usize) -> Option<usize> {
		let tap = if self.flip { self.kernel - 1 - tap } else { tap };
		let at = output as i64 * self.stride - self.low + tap as i64 * self.step;
		let at = match self.spread {
			1 => at,
			spread if at % spread == 0 => at / spread,
			_ => return None,
		};
		usize::try_from(at).ok().filter(|at| *at < self.input)
	}

	/// Whether output position `output` meets an element at every position of the kernel, so that
	/// the next one meets them a stride farther.
	pub(super) fn is_inside(&self, output: usize) -> bool {
		self.spread == 1
			&& self.place(output, 0).is_some()
			&& self.place(output, self.kernel - 1).is_some()
	}

	/// Elements between those of two neighbouring positions that are [inside](Self::is_inside).
	pub(super) fn stride(&self) -> usize {
		self.stride as usize
	}

	/// The first of as many neighbours as the kernel is long, which it meets in their order.
	fn straight(&self, output: usize) -> Option<usize> {
		let together = self.kernel == 1 || self.step == 1 && !self.flip;
		(together && self.is_inside(output)).then(|| self.place(output, 0)).flatten()
	}
}

/// Where a window finds its elements.
pub(super) struct Patches {
	pub(super) axes: [Axis; 2],
	channels: usize,
	/// Channels of a group.
	own: usize,
}

impl Patches {
	pub(super) fn new(window: &Window) -> Self {
		Self {
			axes: [Axis::new(window, 0), Axis::new(window, 1)],
			channels: window.channels as usize,
			own: (window.channels / window.groups) as usize,
		}
	}

	/// Row, column and image of an output position.
	pub(super) fn position(&self, position: usize) -> (usize, usize, usize) {
		let [height, width] = self.axes.map(|axis| axis.output);
		(position / width % height, position % width, position / width / height)
	}

	/// The patches of group `group` at the output positions `positions` of image `x`, each as long
	/// as the kernel has elements.
	pub(super) fn gather<T: Element>(
		&self,
		x: &[T],
		group: usize,
		positions: Range<usize>,
		out: &mut [T],
	) {
		let [vertical, horizontal] = &self.axes;
		let (channels, own, first) = (self.channels, self.own, group * self.own);
		let line = horizontal.kernel * own;
		for (position, patch) in positions.zip(out.chunks_exact_mut(vertical.kernel * line)) {
			let (row, column, image) = self.position(position);
			if line == 1 {
				// A column of one channel: each element is a row of the kernel.
				let at = horizontal.place(column, 0);
				for (tap, out) in patch.iter_mut().enumerate() {
					let y = vertical.place(row, tap).zip(at);
					let from =
						y.map(|(y, at)| (image * vertical.input + y) * horizontal.input + at);
					*out = from.map_or(T::zeroed(), |from| x[from * channels + first]);
				}
				continue;
			}
			let straight = horizontal.straight(column).filter(|_| own == channels);
			for (tap, out) in patch.chunks_exact_mut(line).enumerate() {
				let Some(y) = vertical.place(row, tap) else {
					out.fill(T::zeroed());
					continue;
				};
				let from = (image * vertical.input + y) * horizontal.input;
				if let Some(at) = straight {
					out.copy_from_slice(&x[(from + at) * channels..][..line]);
				} else if own == 1 {
					// A call for each element would take longer than its product.
					for (tap, out) in out.iter_mut().enumerate() {
						let at = horizontal.place(column, tap);
						*out = at.map_or(T::zeroed(), |at| x[(from + at) * channels + first]);
					}
				} else {
					for (tap, out) in out.chunks_exact_mut(own).enumerate() {
						match horizontal.place(column, tap) {
							Some(at) => {
								out.copy_from_slice(&x[(from + at) * channels + first..][..own])
							}
							None => out.fill(T::zeroed()),
						}
					}
				}
			}
		}
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use assay_ops::{Access, Applied, Op};
	use assay_testing::{random_operator, Draw, Rng};

	#[test]
	fn places_should_be_those_of_the_definition_when_windows_are_random() {
		let mut rng = Rng::seeded("places of windows");
		let mut straight = 0;
		for _ in 0..400 {
			let (op, operands) = random_operator(&mut rng, 2);
			assert!(matches!(op, Op::Conv2d { .. }));
			let applied = Applied::new(op, &operands).unwrap();
			let Some(Access::Patch(window)) = applied.access(0) else { panic!("no window") };
			for at in [0, 1] {
				let axis = Axis::new(&window, at);
				for output in 0..axis.output {
					let places: Vec<_> =
						(0..axis.kernel).map(|tap| axis.place(output, tap)).collect();
					let expected: Vec<_> = (0..window.kernel[at])
						.map(|tap| window.place(at, output as u32, tap).map(|at| at as usize))
						.collect();
					assert_eq!(places, expected, "{op:?}, {operands:?}, position {output}");
					if axis.is_inside(output) {
						assert!(places.iter().all(Option::is_some), "{op:?}, {operands:?}");
					}
					if let Some(first) = axis.straight(output) {
						let neighbours: Vec<_> = (first..first + axis.kernel).map(Some).collect();
						assert_eq!(places, neighbours, "{op:?}, {operands:?}");
						straight += 1;
					}
				}
			}
		}
		assert!(straight > 100);
	}
}
