//! Both gradients of a convolution are the same operator over transposing views, by the recipes in
//! the documentation of `Geometry`.

use assay_ops::{evaluate, DType, Geometry, Op, Operand, Shape, TensorType, Values, View};
use assay_testing::{Draw, Rng};
use proptest::prelude::*;

fn at(dims: &[u32], index: [u32; 4]) -> usize {
	index.iter().zip(dims).fold(0, |at, (i, dim)| at * *dim as usize + *i as usize)
}

fn conv(x: Operand, w: Operand, geometry: Geometry) -> Values {
	evaluate(&Op::Conv2d { geometry, narrow: None }, &[x, w], None).unwrap()
}

/// `[a, h, w, b]` as `[b, h, w, a]`.
fn exchanged(shape: &Shape) -> View {
	View::transpose(shape, &[3, 1, 2, 0]).unwrap()
}

proptest! {
	#![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

	#[test]
	fn gradients_should_equal_the_naive_ones_when_the_geometry_is_random(seed: u64) {
		let mut rng = Rng::new(seed);
		let mut size = |most| 1 + rng.below_u32(most);
		let x_dims = [size(3), size(9), size(9), size(4)];
		let w_dims = [size(5), size(4), size(3), x_dims[3]];
		let mut pair = || [1 + rng.below_u32(3) as u8, 1 + rng.below_u32(3) as u8];
		let (stride, input_dilation, kernel_dilation) = (pair(), pair(), pair());
		let mut pad = || [rng.below_u32(6) as i16 - 2, rng.below_u32(6) as i16 - 2];
		let pad = [pad(), pad()];
		let flip = rng.below_u32(2) == 0;
		let geometry =
			Geometry { stride, pad, input_dilation, kernel_dilation, flip, groups: 1 };
		let (x_type, w_type) = (
			TensorType::new(DType::I8, &x_dims).unwrap(),
			TensorType::new(DType::I8, &w_dims).unwrap(),
		);
		let op = Op::Conv2d { geometry, narrow: None };
		let inferred = op.infer(&[(DType::I8, &x_type.shape), (DType::I8, &w_type.shape)]);
		let Ok((_, y_shape)) = inferred else { return Ok(()) };
		let (x, w) = (rng.tensor(x_type), rng.tensor(w_type));
		let dy = rng.tensor(TensorType::of(DType::I8, y_shape));

		// Each product x · w adds dy · w to the gradient of x and dy · x to that of w.
		let y_dims = y_shape.dims();
		let (mut dx, mut dw) = (vec![0; x.data().len()], vec![0; w.data().len()]);
		let meet = |axis: usize, o: u32, h: u32, i: u32| {
			h as i64 * input_dilation[axis] as i64 + pad[axis][0] as i64
				== o as i64 * stride[axis] as i64 + i as i64 * kernel_dilation[axis] as i64
		};
		let positions = |axis: usize| {
			let (out, size, kernel) = (y_dims[axis + 1], x_dims[axis + 1], w_dims[axis + 1]);
			(0..out)
				.flat_map(move |o| (0..size).flat_map(move |h| (0..kernel).map(move |i| (o, h, i))))
				.filter(|&(o, h, i)| meet(axis, o, h, i))
				.map(|(o, h, i)| (o, h, if flip { kernel - 1 - i } else { i }))
				.collect::<Vec<_>>()
		};
		for (oy, h, i) in positions(0) {
			for &(ox, v, j) in &positions(1) {
				for (b, out) in (0..x_dims[0]).flat_map(|b| (0..w_dims[0]).map(move |o| (b, o))) {
					let dy = dy.data()[at(y_dims, [b, oy, ox, out])];
					for c in 0..x_dims[3] {
						let (x_at, w_at) = (at(&x_dims, [b, h, v, c]), at(&w_dims, [out, i, j, c]));
						dx[x_at] += dy * w.data()[w_at];
						dw[w_at] += dy * x.data()[x_at];
					}
				}
			}
		}

		let extent = |axis: usize| {
			let d = (x_dims[axis + 1] as i16 - 1) * input_dilation[axis] as i16 + 1;
			let e = (w_dims[axis + 1] as i16 - 1) * kernel_dilation[axis] as i16 + 1;
			(d, e, (y_dims[axis + 1] as i16 - 1) * stride[axis] as i16, pad[axis][0])
		};
		let of_x = Geometry {
			stride: input_dilation,
			input_dilation: stride,
			flip: !flip,
			pad: [0, 1].map(|axis| {
				let (d, e, reach, low) = extent(axis);
				[e - 1 - low, d + low - 1 - reach]
			}),
			..geometry
		};
		let view = exchanged(&w_type.shape);
		let result = conv((&dy).into(), Operand { values: &w, view: Some(&view) }, of_x);
		prop_assert_eq!(result.ty().shape, x_type.shape);
		prop_assert_eq!(result.data(), &dx, "{:?}", geometry);

		let of_w = Geometry {
			stride: kernel_dilation,
			kernel_dilation: stride,
			flip: false,
			pad: [0, 1].map(|axis| {
				let (d, e, reach, low) = extent(axis);
				[low, e + reach - d - low]
			}),
			..geometry
		};
		let (x_view, dy_view) = (exchanged(&x_type.shape), exchanged(&y_shape));
		let result = conv(
			Operand { values: &x, view: Some(&x_view) },
			Operand { values: &dy, view: Some(&dy_view) },
			of_w,
		);
		let dims = result.ty().shape.dims().to_vec();
		prop_assert_eq!(&dims[..], &[w_dims[3], w_dims[1], w_dims[2], w_dims[0]]);
		for index in 0..dw.len() as u32 {
			let [out, i, j, c] = coordinates(&w_dims, index);
			let (i, j) = if flip { (w_dims[1] - 1 - i, w_dims[2] - 1 - j) } else { (i, j) };
			prop_assert_eq!(result.data()[at(&dims, [c, i, j, out])], dw[index as usize]);
		}
	}
}

fn coordinates(dims: &[u32; 4], mut index: u32) -> [u32; 4] {
	let mut at = [0; 4];
	for (slot, dim) in at.iter_mut().zip(dims).rev() {
		*slot = index % dim;
		index /= dim;
	}
	at
}
