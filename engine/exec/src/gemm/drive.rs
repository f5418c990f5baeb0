//! Cuts a product into tasks for all cores, and tasks into register blocks.

use super::{parallel::parallel, Sink};

/// A register block of C: `rows` rows from `row`, the columns of panel `panel`.
#[derive(Clone, Copy)]
pub(super) struct Block {
	pub(super) row: usize,
	pub(super) rows: usize,
	pub(super) column: usize,
	pub(super) columns: usize,
	pub(super) panel: usize,
}

/// Tasks of whole strips and panels.
pub(super) struct Grid {
	pub(super) strips: usize,
	pub(super) panels: usize,
	task_strips: usize,
	task_panels: usize,
}

/// About half of at least 2, and even where that is possible, since some paths work on pairs.
fn half(count: usize) -> usize {
	match count.div_ceil(2) {
		1 => 1,
		half => half.next_multiple_of(2),
	}
}

impl Grid {
	/// Tasks of at most `task_strips × task_panels`, and smaller ones where there would be too few
	/// to keep `threads` level. Few enough that a task reuses its operands from cache.
	pub(super) fn new(
		(strips, panels): (usize, usize),
		(task_strips, task_panels): (usize, usize),
		threads: usize,
	) -> Self {
		let mut this = Self {
			strips,
			panels,
			task_strips: task_strips.clamp(1, strips.max(1)),
			task_panels: task_panels.clamp(1, panels.max(1)),
		};
		while threads > 1 && this.tasks() < 4 * threads {
			if this.task_panels > this.task_strips {
				this.task_panels = half(this.task_panels);
			} else if this.task_strips > 1 {
				this.task_strips = half(this.task_strips);
			} else {
				break;
			}
		}
		this
	}

	fn down(&self) -> usize {
		self.strips.div_ceil(self.task_strips)
	}

	pub(super) fn tasks(&self) -> usize {
		self.down() * self.panels.div_ceil(self.task_panels)
	}

	/// The strips and the panels of a task. Neighbours have the same panels, which stay in the
	/// cache, and the first half of the strips comes before the second one, so that whoever takes
	/// tasks from the other end writes to other pages.
	pub(super) fn task(&self, task: usize) -> (core::ops::Range<usize>, core::ops::Range<usize>) {
		let (across, first) = (self.panels.div_ceil(self.task_panels), self.down() / 2);
		let (strip, panel) = match task.checked_sub(first * across) {
			None => (task % first, task / first),
			Some(task) => {
				let second = self.down() - first;
				(first + task % second, task / second)
			}
		};
		let (strip, panel) = (strip * self.task_strips, panel * self.task_panels);
		(
			strip..(strip + self.task_strips).min(self.strips),
			panel..(panel + self.task_panels).min(self.panels),
		)
	}
}

/// Multiplications that one thread does about as fast as several, since waking them takes time.
const SERIAL_PRODUCTS: usize = 1 << 19;

/// The threads that a product of so many multiplications is worth, on a path that does `speed`
/// times as many in the time of the slowest one.
pub(super) fn threads(products: usize, speed: usize) -> usize {
	if products / speed < SERIAL_PRODUCTS {
		1
	} else {
		rayon::current_num_threads()
	}
}

/// Cuts C into register blocks of at most `mr × nr`. `block` fills a scratch of `mr × nr` sums with
/// row stride `nr`, which the sink then gets.
pub(super) fn drive<T: Copy + Default>(
	(m, n): (usize, usize),
	(mr, nr): (usize, usize),
	threads: usize,
	sink: &impl Sink<T>,
	block: impl Fn(Block, &mut [T]) + Sync,
) {
	let grid = Grid::new((m.div_ceil(mr), n.div_ceil(nr)), (96 / mr, 256 / nr), threads);
	let run = |scratch: &mut Vec<T>, task| {
		let (strips, panels) = grid.task(task);
		for panel in panels {
			let column = panel * nr;
			let columns = nr.min(n - column);
			for strip in strips.clone() {
				let row = strip * mr;
				let rows = mr.min(m - row);
				block(Block { row, rows, column, columns, panel }, scratch);
				sink.block(row..row + rows, column..column + columns, scratch, nr);
			}
		}
	};
	let scratch = || vec![T::default(); mr * nr];
	parallel(threads, grid.tasks(), scratch, run);
}
