//! What the engine holds beside the tensors of a step does not grow with the shapes of a program: a
//! worker's memory is limited by the peak that the check reckons, and a program that takes more
//! would end every worker.

use assay_engine_testing::{given_case, Draw, Rng};
use assay_exec::{CpuExecutor, Executor, Options, Tensor, Work};
use assay_ops::{DType, Op, PoolKind};
use std::{
	alloc::{GlobalAlloc, Layout, System},
	sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// Counts what is allocated.
struct Counting;

static ALLOCATED: AtomicU64 = AtomicU64::new(0);

// SAFETY: everything is the system's; it is only counted.
unsafe impl GlobalAlloc for Counting {
	unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
		ALLOCATED.fetch_add(layout.size() as u64, Relaxed);
		// SAFETY: the caller keeps the promises.
		unsafe { System.alloc(layout) }
	}

	unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
		// SAFETY: as above.
		unsafe { System.dealloc(at, layout) };
	}
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Rows, as many as a tile has.
const ROWS: u32 = 32;
/// Elements of a row: what is folded for one of them is more than [`BESIDE`], for one thread
/// already.
const LONG: u32 = 1 << 20;
/// What may come beside tensors whatever their shapes are.
const BESIDE: u64 = 3 << 20;

const I8: DType = DType::I8;
const I32: DType = DType::I32;

/// Type and dimensions of each operand.
type Shapes = Vec<(DType, &'static [u32])>;

#[test]
fn memory_should_be_that_of_tensors_when_shapes_are_extreme() {
	let window = |kind, to| Op::Pool { kind, kernel: [1, 1], stride: [1, 1], pad: [[0; 2]; 2], to };
	let scatter = |to| Op::ScatterAdd { rows: ROWS, to };
	let deep: &'static [u32] = &[1, 1, ROWS, LONG];
	let wide: &'static [u32] = &[ROWS, LONG];
	let cases: Vec<(Op, Shapes)> = vec![
		(scatter(I8), vec![(I8, wide), (I8, &[ROWS])]),
		(scatter(I32), vec![(I8, wide), (I8, &[ROWS])]),
		(window(PoolKind::Max, I8), vec![(I8, deep)]),
		(window(PoolKind::Sum, I32), vec![(I8, deep)]),
		(Op::Gather, vec![(I8, wide), (I8, &[ROWS])]),
		(Op::Select, vec![(I8, wide), (I8, wide), (I8, wide)]),
		(Op::IntDiv { shift: 7, to: I8 }, vec![(I8, wide), (I8, wide)]),
	];
	for (op, operands) in cases {
		let mut rng = Rng::seeded("scratch");
		let values: Vec<_> = operands
			.iter()
			.enumerate()
			.map(|(at, &(dtype, dims))| {
				let len = dims.iter().product::<u32>() as usize;
				// Indices name the first rows.
				let indices = at == 1 && matches!(op, Op::ScatterAdd { .. } | Op::Gather);
				let values = if indices { vec![0; len] } else { rng.values(dtype, len) };
				(dtype, dims, values)
			})
			.collect();
		let mut case = given_case(op, &values);
		drop(values);
		let checked = case.check();
		let before = ALLOCATED.load(Relaxed);
		let run = CpuExecutor::new().run(
			&Work { program: &case.program, checked: &checked, inputs: &case.inputs, steps: 1 },
			Options::default(),
			&mut (),
		);
		let taken = ALLOCATED.load(Relaxed) - before;
		let bytes = |tensors: &[Tensor]| tensors.iter().map(|x| x.ty.canonical_len()).sum::<u64>();
		// Operands as they are read; the result as it is computed, and as it is given out.
		let tensors = bytes(&case.inputs) + 2 * bytes(&run.unwrap().outputs);
		println!("{op:?}: {taken} bytes, of which {tensors} of tensors");
		assert!(taken <= tensors + BESIDE, "{op:?}: {taken} bytes, {tensors} of tensors");
	}
}
