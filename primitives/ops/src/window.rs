//! Folds of windows over images.

use crate::{
	definition::{Definition, Scratch},
	operands::Operands,
	signature::Signature,
	time::Asked,
	work::Weights,
	Access, DType, Elements, Geometry, OpError, PoolKind, Shape, Window,
};
use alloc::{vec, vec::Vec};
use core::ops::Range;

/// The operators of [`crate::Op`] of these names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Windowed {
	Pool { kind: PoolKind, kernel: [u8; 2], stride: [u8; 2], pad: [[u8; 2]; 2], to: DType },
}

impl Definition for Windowed {
	fn infer(self, all: &Operands) -> Result<(DType, Shape), OpError> {
		let Self::Pool { kernel, stride, pad, to, .. } = self;
		all.count(1)?;
		let x = all.at(0)?.1;
		Ok((to, results(x, &pool_window(x, kernel, stride, pad)?)?))
	}

	fn access(self, operands: &Operands, _: &Shape) -> (Vec<Access>, u32) {
		let Self::Pool { kernel, stride, pad, .. } = self;
		let window = operands.shape(0).and_then(|x| pool_window(x, kernel, stride, pad).ok());
		// Inferred before: there is a window.
		let Some(window) = window else { return (Vec::new(), 1) };
		(vec![Access::Patch(window)], window.patch())
	}

	fn start(self) -> Option<i64> {
		let Self::Pool { kind, .. } = self;
		Some(match kind {
			PoolKind::Max => i64::MIN,
			PoolKind::Sum => 0,
		})
	}

	fn absorb(
		self,
		signature: &Signature,
		elements: &dyn Elements,
		outputs: &[u32],
		range: Range<u32>,
		accumulators: &mut [i64],
	) {
		let Self::Pool { kind, .. } = self;
		let Some(Access::Patch(window)) = signature.access(0) else { return };
		for (output, accumulator) in outputs.iter().zip(accumulators) {
			let row = window.row(*output);
			for tap in range.clone() {
				let Some(element) = window.tap(row, tap) else { continue };
				let value = elements.get(0, element) as i64;
				*accumulator = match kind {
					PoolKind::Max => value.max(*accumulator),
					PoolKind::Sum => accumulator.saturating_add(value),
				};
			}
		}
	}

	fn finish(
		self,
		_: &Signature,
		_: &dyn Elements,
		outputs: &[u32],
		accumulators: &[i64],
	) -> Vec<i32> {
		let Self::Pool { to, .. } = self;
		outputs.iter().zip(accumulators).map(|(_, folded)| to.saturate(*folded)).collect()
	}

	fn scratch(self, _: &Signature) -> Scratch {
		Scratch::default()
	}

	fn weights(self, _: &Operands, output: &Shape) -> Weights {
		let Self::Pool { kernel, .. } = self;
		let window = u64::from(kernel[0]) * u64::from(kernel[1]);
		Weights { more: 4 * u64::from(output.elements()) * window, ..Weights::new(1, 16) }
	}

	fn reads(self, _: usize, all: u64, _: &Shape) -> u64 {
		all
	}

	fn lays_out(self) -> bool {
		true
	}

	fn time(self, signature: &Signature, asked: &Asked) -> u64 {
		asked.plain(signature)
	}
}

/// The window of a Pool: as a convolution whose groups are the channels.
fn pool_window(
	x: &Shape,
	kernel: [u8; 2],
	stride: [u8; 2],
	pad: [[u8; 2]; 2],
) -> Result<Window, OpError> {
	let inside = |axis: usize| pad[axis].iter().all(|pad| *pad < kernel[axis]);
	if !inside(0) || !inside(1) {
		return Err(OpError::Window);
	}
	let geometry = Geometry { stride, pad: pad.map(|pad| pad.map(i16::from)), ..Geometry::UNIT };
	Window::new(x, kernel.map(u32::from), x.last(), x.last(), geometry)
}

/// The shape of one result for each window over x.
pub(crate) fn results(x: &Shape, window: &Window) -> Result<Shape, OpError> {
	let images = x.dims().first().copied().unwrap_or(1);
	Shape::new(&[images, window.output[0], window.output[1], window.output_channels])
}
