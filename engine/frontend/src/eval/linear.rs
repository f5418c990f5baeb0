//! Matrix products.

use super::Call;
use crate::{
	array::{broadcast, broadcast_strides, strides, walk, Array},
	error::Result,
};
use rayon::prelude::*;

/// `c = a · b` of row-major f32 matrices; `b_strides` are those of a row and a column of b.
pub(super) fn sgemm(
	(m, k, n): (usize, usize, usize),
	a: &[f32],
	b: &[f32],
	(b_row, b_col): (usize, usize),
	c: &mut [f32],
) {
	assert!(a.len() >= m * k && c.len() >= m * n, "operands of a matrix product are too short");
	if k > 0 && n > 0 {
		assert!(b.len() > (k - 1) * b_row + (n - 1) * b_col, "second operand is too short");
	}
	if m == 0 || n == 0 {
		return;
	}
	// SAFETY: the assertions above bound every element that the strides reach, and `c` is
	// exclusive.
	unsafe {
		matrixmultiply::sgemm(
			m,
			k,
			n,
			1.0,
			a.as_ptr(),
			k as isize,
			1,
			b.as_ptr(),
			b_row as isize,
			b_col as isize,
			0.0,
			c.as_mut_ptr(),
			n as isize,
			1,
		)
	}
}

pub(super) fn matmul(call: &Call) -> Result<Array> {
	let (a, b) = (call.get(0)?, call.get(1)?);
	let (a_vector, b_vector) = (a.rank() == 1, b.rank() == 1);
	let mut a_dims = a.dims.clone();
	let mut b_dims = b.dims.clone();
	if a_vector {
		a_dims.insert(0, 1);
	}
	if b_vector {
		b_dims.push(1);
	}
	let (&[ref a_batch @ .., m, k], &[ref b_batch @ .., b_k, n]) = (&a_dims[..], &b_dims[..])
	else {
		return Err(call.bad("a scalar operand"));
	};
	let batch = broadcast(&[a_batch, b_batch]).filter(|_| k == b_k);
	let batch = batch.ok_or_else(|| call.bad("shapes do not fit"))?;
	let (a_data, b_data) = (a.float_data(), b.float_data());
	let starts = |dims: &[usize], each: usize| -> Vec<usize> {
		walk(&batch, &broadcast_strides(dims, &batch), 0).map(|i| i * each).collect()
	};
	let (a_starts, b_starts) = (starts(a_batch, m * k), starts(b_batch, k * n));
	let mut out = vec![0.0; a_starts.len() * m * n];
	out.par_chunks_mut((m * n).max(1)).zip(a_starts.par_iter().zip(&b_starts)).for_each(
		|(c, (&a_start, &b_start))| {
			sgemm((m, k, n), &a_data[a_start..], &b_data[b_start..], (n, 1), c);
		},
	);
	let mut dims = batch.clone();
	if !a_vector {
		dims.push(m);
	}
	if !b_vector {
		dims.push(n);
	}
	let result = Array::float(dims, out);
	let integers = a.is_int() && b.is_int();
	Ok(if integers { Array::int(result.dims.clone(), result.ints()) } else { result })
}

/// `x[.., K] · w[N, K]ᵀ + b[N]`.
pub(super) fn linear(call: &Call) -> Result<Array> {
	let (x, w) = (call.get(0)?, call.get(1)?);
	let (Some(&k), &[n, w_k]) = (x.dims.last(), &w.dims[..]) else {
		return Err(call.bad("x [.., K] and w [N, K] are needed"));
	};
	if k != w_k {
		return Err(call.bad("K differs"));
	}
	let m: usize = x.dims.iter().rev().skip(1).product();
	let (x_data, w_data) = (x.float_data(), w.float_data());
	let bias = call.maybe(2).map(Array::float_data);
	let mut out = vec![0.0; m * n];
	let rows = m.div_ceil(rayon::current_num_threads()).max(1);
	out.par_chunks_mut((rows * n).max(1)).enumerate().for_each(|(at, c)| {
		sgemm((c.len() / n.max(1), k, n), &x_data[at * rows * k..], &w_data, (1, k), c);
		for row in c.chunks_mut(n.max(1)) {
			for (value, bias) in row.iter_mut().zip(bias.iter().flat_map(|bias| bias.iter())) {
				*value += bias;
			}
		}
	});
	let mut dims = x.dims.clone();
	if let Some(last) = dims.last_mut() {
		*last = n;
	}
	Ok(Array::float(dims, out))
}

pub(super) fn gemm(call: &Call) -> Result<Array> {
	let node = call.node;
	let transposed = |array: &Array, flag: &str| -> Result<Array> {
		let &[rows, cols] = &array.dims[..] else {
			return Err(call.bad("two matrices are needed"));
		};
		Ok(if node.int(flag, 0) == 0 {
			array.clone()
		} else {
			let own = strides(&array.dims);
			array.pick([cols, rows], walk(&[cols, rows], &[own[1], own[0]], 0))
		})
	};
	let (a, b) = (transposed(call.get(0)?, "transA")?, transposed(call.get(1)?, "transB")?);
	let product = matmul(&Call { node, opset: call.opset, operands: vec![Some(&a), Some(&b)] })?;
	let alpha = node.float("alpha", 1.0);
	let beta = node.float("beta", 1.0);
	let mut out = product.floats();
	for value in &mut out {
		*value *= alpha;
	}
	if let Some(c) = call.maybe(2) {
		broadcast(&[&c.dims, &product.dims])
			.filter(|dims| *dims == product.dims)
			.ok_or_else(|| call.bad("C does not broadcast"))?;
		let at = walk(&product.dims, &broadcast_strides(&c.dims, &product.dims), 0);
		let c = c.float_data();
		for (value, i) in out.iter_mut().zip(at) {
			*value += beta * c[i];
		}
	}
	Ok(Array::float(product.dims, out))
}
