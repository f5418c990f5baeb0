//! What the engine holds beside the tensors of a step does not grow with the shapes of a program: a worker's memory is
//! limited by the peak that the check reckons, and a program that takes more would end every worker.

use assay_exec::{
	testing::{given_case, Rng},
	CpuExecutor, Executor,
};
use assay_ops::{DType, Op, PoolKind};
use std::{
	alloc::{GlobalAlloc, Layout, System},
	sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// Counts what is allocated, and the most at one time.
struct Counting;

static NOW: AtomicU64 = AtomicU64::new(0);
static MOST: AtomicU64 = AtomicU64::new(0);

// SAFETY: everything is the system's; it is only counted.
unsafe impl GlobalAlloc for Counting {
	unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
		let now = NOW.fetch_add(layout.size() as u64, Relaxed) + layout.size() as u64;
		MOST.fetch_max(now, Relaxed);
		// SAFETY: the caller keeps the promises.
		unsafe { System.alloc(layout) }
	}

	unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
		NOW.fetch_sub(layout.size() as u64, Relaxed);
		// SAFETY: as above.
		unsafe { System.dealloc(at, layout) };
	}
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Elements of the long dimension.
const LONG: u32 = 1 << 22;
/// What may come beside tensors whatever their shapes are, for some threads.
const BESIDE: u64 = 8 << 20;

const I8: DType = DType::I8;
const I32: DType = DType::I32;

/// Type and dimensions of each operand.
type Shapes = Vec<(DType, &'static [u32])>;

#[test]
fn memory_should_follow_the_peak_of_the_check_when_shapes_are_extreme() {
	let window = |kind, to| Op::Pool { kind, kernel: [1, 2], stride: [1, 1], pad: [[0; 2]; 2], to };
	let scatter = |rows, to| Op::ScatterAdd { rows, to };
	let deep: &'static [u32] = &[1, 1, 4, LONG / 4];
	let cases: Vec<(Op, Shapes)> = vec![
		(scatter(2, I8), vec![(I8, &[2, LONG]), (I8, &[2])]),
		(scatter(1, I8), vec![(I8, &[1, LONG]), (I8, &[1])]),
		(scatter(3, I32), vec![(I8, &[3, LONG / 3]), (I8, &[3])]),
		(window(PoolKind::Max, I8), vec![(I8, deep)]),
		(window(PoolKind::Sum, I32), vec![(I8, deep)]),
		(Op::Gather, vec![(I8, &[3, LONG / 3]), (I8, &[3])]),
		(Op::Select, vec![(I8, &[LONG]), (I8, &[LONG]), (I8, &[LONG])]),
		(Op::IntDiv { shift: 7, to: I8 }, vec![(I8, &[1, LONG]), (I8, &[1, LONG])]),
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
		let before = NOW.load(Relaxed);
		MOST.store(before, Relaxed);
		let run = CpuExecutor::new().run(&case.program, &checked, &case.inputs, 1, &mut ());
		let taken = MOST.load(Relaxed) - before;
		assert!(run.is_ok());
		let most = 2 * checked.peak_memory + BESIDE;
		println!("{op:?}: {taken} bytes beside the inputs, the check says {}", checked.peak_memory);
		assert!(taken <= most, "{op:?} of {operands:?}: {taken} bytes, at most {most}");
	}
}
