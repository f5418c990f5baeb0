//! MatMul, BatchMatMul and Conv2d.

mod convolution;
mod matmul;
mod pack;

use super::{
	elementwise::narrowed,
	kernels,
	probes::{given, shape, Probes},
	window::WINDOW,
	Evaluation, Kernel, Outline, BY_WORD, CAST,
};
use crate::device::{Device, DeviceError, Storage};
use assay_ops::{DType, Narrow, Op, Product, View};

const TILES: &str = include_str!("tiles.wgsl");
const I8: &str = include_str!("i8.wgsl");
const I16: &str = include_str!("i16.wgsl");
const NARROW: &str = include_str!("narrow.wgsl");
/// In the place of the epilogue where there is none.
const NO_NARROW: &str = "fn narrow(low: u32, high: i32) -> i32 { return 0; }\n";
const DOT_PACKED: &str = include_str!("dot_packed.wgsl");
const DOT_PLAIN: &str = include_str!("dot_plain.wgsl");
const PACK: &str = include_str!("pack.wgsl");
const DIRECT: &str = include_str!("direct.wgsl");
const PATCHES: &str = include_str!("patches.wgsl");

kernels! {
	/// Kernels of products.
	ProductKernel:
	/// i8 product with `dot4I8Packed`.
	MatMulPacked = "matmul-packed", [DOT_PACKED, I8, TILES], None;
	/// i8 product in plain arithmetic, where the packed one fails.
	MatMulPlain = "matmul-plain", [DOT_PLAIN, I8, TILES], None;
	/// i16 product with its epilogue.
	MatMulI16 = "matmul-i16", [NARROW, I16, TILES], None;
	/// Operands of products that are not stored as they are needed.
	Pack = "pack", [PACK], None;
	/// Patches of images, which convolutions of one group multiply.
	Patches = "patches", [WINDOW, PATCHES], None;
	/// i8 convolution of groups of channels.
	ConvolutionI8 = "convolution-i8",
		[BY_WORD, WINDOW, NO_NARROW, DIRECT], Some(0);
	/// i16 convolution of groups of channels.
	ConvolutionI16 = "convolution-i16",
		[BY_WORD, WINDOW, NARROW, DIRECT], Some(1);
}

/// The kernels of a product, best first; `others` are those that make its operands ready.
fn products(narrow: Option<Narrow>, others: &[ProductKernel]) -> Vec<Vec<Kernel>> {
	let with = |kernel: ProductKernel| -> Vec<Kernel> {
		[kernel].iter().chain(others).copied().map(Kernel::from).collect()
	};
	match narrow {
		None => vec![with(ProductKernel::MatMulPacked), with(ProductKernel::MatMulPlain)],
		// The result leaves the product as words; a cast narrows them.
		Some(narrow) if narrow.to != DType::I32 => {
			let mut kernels = with(ProductKernel::MatMulI16);
			kernels.insert(1, CAST);
			vec![kernels]
		}
		Some(_) => vec![with(ProductKernel::MatMulI16)],
	}
}

pub(super) fn candidates(op: Product, operands: &[Outline]) -> Vec<Vec<Kernel>> {
	let unready = |operand: &Outline, k: u32| !pack::ready(&operand.affine, k, operand.dtype);
	match op {
		Product::MatMul { narrow } | Product::BatchMatMul { narrow } => {
			let packs =
				operands.iter().take(2).any(|operand| unready(operand, operand.shape.last()));
			products(narrow, if packs { &[ProductKernel::Pack] } else { &[] })
		}
		Product::Conv2d { geometry, narrow } => {
			let direct = match narrow {
				None => ProductKernel::ConvolutionI8,
				Some(_) => ProductKernel::ConvolutionI16,
			};
			let [image, weights, ..] = operands else { return vec![] };
			let mut ways = vec![];
			if geometry.groups == 1 {
				let k = weights.shape.dims().iter().skip(1).product();
				let others = if !convolution::is_whole(&geometry, &weights.shape) {
					// Weights may have to be packed.
					&[ProductKernel::Patches, ProductKernel::Pack][..]
				} else if unready(image, k) || unready(weights, k) {
					&[ProductKernel::Pack][..]
				} else {
					&[][..]
				};
				ways = products(narrow, others);
			}
			ways.push(vec![direct.into()]);
			ways
		}
	}
}

pub(super) fn record(
	device: &mut Device,
	kernel: Kernel,
	op: Product,
	call: &Evaluation,
) -> Result<Storage, DeviceError> {
	let Kernel::Product(kernel) = kernel else { return Err(call.mismatch()) };
	let seen = call.at_least(2)?;
	let words = match op {
		Product::MatMul { narrow } => matmul::record(device, kernel, seen, false, narrow)?,
		Product::BatchMatMul { narrow } => matmul::record(device, kernel, seen, true, narrow)?,
		Product::Conv2d { geometry, narrow } => {
			let how = (&geometry, narrow);
			let product = match (kernel, narrow) {
				(ProductKernel::ConvolutionI8 | ProductKernel::ConvolutionI16, _) => {
					return convolution::direct(device, kernel, seen, how, call.dtype, call.shape);
				}
				// The self-test of patches needs some product.
				(ProductKernel::Patches, None) => ProductKernel::MatMulPlain,
				(ProductKernel::Patches, Some(_)) => ProductKernel::MatMulI16,
				(product, _) => product,
			};
			convolution::by_patches(device, product, seen, how, call.shape)?
		}
	};
	narrowed(device, words, call.dtype, call.shape)
}

/// Records the kernel that makes operands ready, as if it were an operator.
pub(super) fn record_pack(device: &mut Device, call: &Evaluation) -> Result<Storage, DeviceError> {
	let [a] = call.exactly()?;
	pack::record(device, a, a.shape.last())
}

pub(super) fn probes(kernel: ProductKernel, probes: &mut Probes) {
	match kernel {
		ProductKernel::MatMulPacked | ProductKernel::MatMulPlain => bytes(probes),
		ProductKernel::MatMulI16 => words(probes),
		// Rows of 4 are whole words of every type, so that packed and plain order are the same.
		ProductKernel::Pack => {
			for dtype in [DType::I8, DType::I16, DType::I32] {
				let (buffer, source, _) = probes.random(dtype, &[8, 12]);
				let view = View::transpose(&source, &[1, 0]).expect("a permutation; qed");
				probes.push(Op::Copy, vec![(buffer.clone(), source, Some(view))]);
				let view = View { shape: shape(&[6, 4]), offset: 3, strides: vec![12, 2] };
				probes.push(Op::Copy, vec![(buffer, source, Some(view))]);
			}
		}
		ProductKernel::Patches | ProductKernel::ConvolutionI8 | ProductKernel::ConvolutionI16 => {}
	}
	match kernel {
		// Whose patches might be at fault instead.
		ProductKernel::MatMulPacked | ProductKernel::MatMulPlain | ProductKernel::MatMulI16 => {
			probes.drawn(kernel, |op| !matches!(op, Op::Conv2d { .. }));
		}
		ProductKernel::Patches | ProductKernel::ConvolutionI8 | ProductKernel::ConvolutionI16 => {
			probes.drawn(kernel, |_| true);
		}
		ProductKernel::Pack => {}
	}
}

fn bytes(probes: &mut Probes) {
	let op = Op::MatMul { narrow: None };
	// Every byte pair in every lane of the packed dot, alone and among others.
	let bytes: Vec<i32> = (-128..128).collect();
	for lane in 0..4usize {
		for others in [0, -128, 127] {
			let spread = |other: i32| -> Vec<i32> {
				bytes
					.iter()
					.flat_map(|&byte| (0..4).map(move |at| if at == lane { byte } else { other }))
					.collect()
			};
			let a = given(DType::I8, &[256, 4], spread(others));
			let b = given(DType::I8, &[256, 4], spread(-128));
			probes.push(op, vec![a, b]);
		}
	}
	for (m, n, k) in [(1, 1, 1), (65, 33, 64), (64, 64, 32), (3, 130, 257), (129, 1, 31)] {
		let operands = vec![probes.random(DType::I8, &[m, k]), probes.random(DType::I8, &[n, k])];
		probes.push(op, operands);
	}
	for (x, y) in [(-128, -128), (-128, 127), (127, 127)] {
		let a = given(DType::I8, &[2, 8192], vec![x; 2 * 8192]);
		let b = given(DType::I8, &[3, 8192], vec![y; 3 * 8192]);
		probes.push(op, vec![a, b]);
	}
}

fn words(probes: &mut Probes) {
	for (to, shift, multiplier) in [
		(DType::I32, 15, 32767),
		(DType::I16, 24, 23170),
		(DType::I8, 31, -32768),
		(DType::I32, -3, 1),
		(DType::I32, 62, -7),
		(DType::I32, 0, 1),
		(DType::I32, -128, -1),
	] {
		let op = Op::MatMul { narrow: Some(Narrow { multiplier, shift, to }) };
		for (m, n, k) in [(65, 33, 64), (2, 70, 31)] {
			let operands =
				vec![probes.random(DType::I16, &[m, k]), probes.random(DType::I16, &[n, k])];
			probes.push(op, operands);
		}
		for (x, y) in [(-32768, -32768), (-32768, 32767), (-1, -1), (-1, 1)] {
			let a = given(DType::I16, &[1, 4096], vec![x; 4096]);
			let b = given(DType::I16, &[1, 4096], vec![y; 4096]);
			probes.push(op, vec![a, b]);
		}
	}
}
