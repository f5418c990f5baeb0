//! The patches of an image, one after the other: the left operand of a convolution.

use crate::Element;
use assay_ops::Window;
use core::ops::Range;

/// Where a window of one group finds its elements.
pub(super) struct Patches {
	/// For each output position and kernel position along height and width: the element there.
	places: [Vec<Option<usize>>; 2],
	kernel: [usize; 2],
	output: [usize; 2],
	input: [usize; 2],
	channels: usize,
	/// For each output position along the width: the first of as many neighbours as the kernel is wide.
	straight: Vec<Option<usize>>,
}

impl Patches {
	pub(super) fn new(window: &Window) -> Self {
		let places = [0, 1].map(|axis| {
			let taps = |output| (0..window.kernel[axis]).map(move |tap| (output, tap));
			let places = (0..window.output[axis]).flat_map(taps);
			let place = |(output, tap)| window.place(axis, output, tap).map(|at| at as usize);
			places.map(place).collect::<Vec<_>>()
		});
		let size = |sizes: [u32; 2]| sizes.map(|size| size as usize);
		let kernel = size(window.kernel);
		let straight = places[1]
			.chunks_exact(kernel[1])
			.map(|taps| {
				let first = taps[0]?;
				taps.iter().zip(first..).all(|(tap, at)| *tap == Some(at)).then_some(first)
			})
			.collect();
		Self {
			places,
			kernel,
			output: size(window.output),
			input: size(window.input),
			channels: window.channels as usize,
			straight,
		}
	}

	/// The patches `rows` of image `x`, each as long as the kernel has elements.
	pub(super) fn gather<T: Element>(&self, x: &[T], rows: Range<usize>, out: &mut [T]) {
		let [height, width] = self.output;
		let channels = self.channels;
		let line = self.kernel[1] * channels;
		for (row, patch) in rows.zip(out.chunks_exact_mut(self.kernel[0] * line)) {
			let (column, row) = (row % width, row / width);
			let (row, image) = (row % height, row / height);
			let taps = &self.places[0][row * self.kernel[0]..][..self.kernel[0]];
			for (tap, out) in taps.iter().zip(patch.chunks_exact_mut(line)) {
				let Some(tap) = tap else {
					out.fill(T::zeroed());
					continue;
				};
				let from = (image * self.input[0] + tap) * self.input[1];
				if let Some(first) = self.straight[column] {
					out.copy_from_slice(&x[(from + first) * channels..][..line]);
					continue;
				}
				let taps = &self.places[1][column * self.kernel[1]..][..self.kernel[1]];
				for (tap, out) in taps.iter().zip(out.chunks_exact_mut(channels)) {
					match tap {
						Some(tap) => out.copy_from_slice(&x[(from + tap) * channels..][..channels]),
						None => out.fill(T::zeroed()),
					}
				}
			}
		}
	}
}
