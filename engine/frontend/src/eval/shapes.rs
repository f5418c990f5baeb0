//! What operators say in their attributes of shapes: rules that the plan of a node and its
//! computation share.

use super::Call;
use crate::{
	array::Array,
	error::{unsupported, Result},
};

/// `[N, C, H, W]` of a tensor with one or two spatial dimensions.
pub(super) fn planes(call: &Call, x: &Array) -> Result<[usize; 4]> {
	if x.is_empty() {
		return Err(call.bad("an empty tensor"));
	}
	match x.dims[..] {
		[n, c, w] => Ok([n, c, 1, w]),
		[n, c, h, w] => Ok([n, c, h, w]),
		_ => Err(unsupported(
			&call.node.name,
			format!("{} of {} dimensions", call.node.op, x.rank()),
			"only batches of images or lines, [N, C, H, W] or [N, C, W], can be imported",
		)),
	}
}

/// Groups of a convolution.
pub(crate) fn groups(call: &Call) -> Result<usize> {
	let groups = call.node.int("group", 1);
	usize::try_from(groups)
		.ok()
		.filter(|groups| *groups > 0)
		.ok_or_else(|| call.bad(&format!("group = {groups}, which must be at least 1")))
}

/// Height and width of the windows of a pool over `spatial`.
pub(crate) fn pool_kernel(call: &Call, spatial: &[usize]) -> Result<Vec<usize>> {
	if call.node.op.starts_with("Global") {
		return Ok(spatial.to_vec());
	}
	let stated =
		call.node.ints("kernel_shape").ok_or_else(|| call.bad("kernel_shape is missing"))?;
	let kernel: Option<Vec<usize>> =
		stated.iter().map(|&k| usize::try_from(k).ok().filter(|&k| k > 0)).collect();
	kernel
		.filter(|kernel| kernel.len() == spatial.len())
		.ok_or_else(|| call.bad(&format!("kernel_shape {stated:?}")))
}

/// Dimensions that a reduction takes, ascending, and those of its result; `None` where it does
/// nothing.
pub(super) fn reduction(call: &Call, dims: &[usize]) -> Result<Option<(Vec<usize>, Vec<usize>)>> {
	let axes = match call.list("axes", 1).filter(|axes| !axes.is_empty()) {
		Some(axes) => call.axes(&axes, dims.len())?,
		None if call.node.int("noop_with_empty_axes", 0) != 0 => return Ok(None),
		None => (0..dims.len()).collect(),
	};
	let keep = call.node.int("keepdims", 1) != 0;
	let result = (0..dims.len())
		.filter(|axis| keep || !axes.contains(axis))
		.map(|axis| if axes.contains(&axis) { 1 } else { dims[axis] })
		.collect();
	Ok(Some((axes, result)))
}

/// The dimension along which CumSum sums: its second operand.
pub(super) fn cum_sum_axis(call: &Call) -> Result<usize> {
	let [axis] = call.get(1)?.ints()[..] else {
		return Err(call.bad("its axis is one number"));
	};
	call.axis(axis, call.get(0)?.rank())
}
