use super::{activations, place, Backward, Forward};
use crate::{
	error::{field, Result},
	graph::{Graph, Tensor},
};
use assay_ops::{DType, Op, PoolKind, Relation, Shape};

/// The largest of each window of x `[batch, height, width, channels]`. On the way back the first
/// element of a window that equals the largest gets the whole gradient.
pub(super) fn max_pool(
	graph: &mut Graph,
	x: Tensor,
	path: &str,
	kernel: [u8; 2],
) -> Result<Forward> {
	activations(&x, path)?;
	let [kh, kw] = kernel.map(u32::from);
	let &[batch, height, width, channels] = x.dims() else {
		let reason = format!("takes [height, width, channels], not {:?}", &x.dims()[1..]);
		return Err(field(place(path), reason));
	};
	if kh == 0 || kw == 0 || kh * kw > 32_767 || height % kh != 0 || width % kw != 0 {
		let reason = format!("kernel {kernel:?} must divide height {height} and width {width}");
		return Err(field(place(path), reason));
	}
	let to = x.dtype;
	let op = Op::Pool { kind: PoolKind::Max, kernel, stride: kernel, pad: [[0; 2]; 2], to };
	let value = graph.node(op, vec![x.arg()])?.with(x.exponent.clone());
	let y = value.clone();
	let backward: Backward = Box::new(move |graph, gradient, wanted| {
		if !wanted {
			return Ok(None);
		}
		// Windows as dimensions, along which the results repeat.
		let (rows, columns) = (height / kh, width / kw);
		let windows = Shape::new(&[batch, rows, kh, columns, kw, channels])?;
		let single = [batch, rows, 1, columns, 1, channels];
		let x = x.reshape(windows.dims())?;
		let largest = y.reshape(&single)?.broadcast(&windows)?;
		let relation = Relation::Equal;
		let largest = graph.node(Op::Compare { relation }, vec![x.arg(), largest])?;
		// Equal ones are common where an image is empty. The first of a window has the highest
		// rank.
		let ranks: Vec<i32> = (1..=(kh * kw) as i32).rev().collect();
		let ranks = graph.constant(DType::I16, &[1, 1, kh, 1, kw, 1], &ranks)?;
		let to = DType::I16;
		let ranked = Op::Mul { to };
		let ranked = graph.node(ranked, vec![largest.arg(), ranks.broadcast(&windows)?])?;
		let op = Op::Pool { kind: PoolKind::Max, kernel, stride: kernel, pad: [[0; 2]; 2], to };
		let image = ranked.reshape(&[batch, height, width, channels])?;
		let first = graph.node(op, vec![image.arg()])?;
		let first = first.reshape(&single)?.broadcast(&windows)?;
		let chosen = graph.node(Op::Compare { relation }, vec![ranked.arg(), first])?;
		let spread = gradient.reshape(&single)?.broadcast(&windows)?;
		let zero = graph.number(gradient.dtype, 0, &windows)?;
		let dx = graph.node(Op::Select, vec![chosen.arg(), spread, zero])?;
		let dx = dx.reshape(&[batch, height, width, channels])?;
		Ok(Some(dx.with(gradient.exponent)))
	});
	Ok(Forward { value, backward, learns: false })
}
