//! Chains of operators whose elements do not meet, block by block: results that only the chain
//! reads never leave the first cache, and no thread waits for another between two operators.

use super::{kernel::Kernel, reduce, Source};
use crate::{
	buffer::typed,
	gemm::parallel::parallel,
	pool::POOL,
	segments::{threads, Rows},
	Buffer, Chain, Element, ExecError, Link, Part,
};
use assay_ops::{DType, Op};
use core::{
	cell::Cell,
	mem::take,
	sync::atomic::{AtomicI32, Ordering},
};
use std::sync::Arc;

/// Elements of a block: a few results of this length fit into the first cache. A multiple of the
/// words of a random block.
const BLOCK: usize = 1024;

/// Blocks that a thread keeps.
const KEPT: usize = 64;

/// Where an operand of an instruction is.
enum Read<'a> {
	Source(Source<'a>),
	/// The block of an earlier result.
	Slot(usize),
}

/// A link, ready for blocks.
struct Instruction<'a> {
	kernel: Kernel,
	reads: [Option<Read<'a>>; 3],
	/// The slot of the result.
	to: usize,
	/// Position among the results that are kept.
	kept: Option<usize>,
}

struct Code<'a> {
	elements: usize,
	instructions: Vec<Instruction<'a>>,
}

/// A result that outlives its chain.
enum Kept<'a> {
	I8(Rows<'a, i8>),
	I16(Rows<'a, i16>),
	I32(Rows<'a, i32>),
	/// The largest of each row, and how long rows are.
	Largest(Vec<AtomicI32>, usize),
}

impl Kept<'_> {
	/// # Safety
	/// Nobody else has these elements.
	unsafe fn put(&self, start: usize, values: &[i32]) {
		/// # Safety
		/// As above.
		unsafe fn put<T: Element>(rows: &Rows<'_, T>, start: usize, values: &[i32]) {
			// SAFETY: as the caller promises.
			let out = unsafe { rows.segment(start, 0, values.len()) };
			crate::buffer::truncate(values, out);
		}
		// SAFETY: as the caller promises.
		unsafe {
			match self {
				Self::I8(rows) => put(rows, start, values),
				Self::I16(rows) => put(rows, start, values),
				Self::I32(rows) => put(rows, start, values),
				Self::Largest(rows, length) => {
					let (mut at, mut values) = (start, values);
					while !values.is_empty() {
						let (row, left) = values.split_at(values.len().min(length - at % length));
						let mut largest = i32::MIN;
						reduce::raise(core::slice::from_mut(&mut largest), row);
						// Only the value matters: the end of the job orders it before it is read.
						rows[at / length].fetch_max(largest, Ordering::Relaxed);
						(at, values) = (at + row.len(), left);
					}
				}
			}
		}
	}
}

/// Gives out slots: memory for a block each.
#[derive(Default)]
struct Slots {
	free: Vec<usize>,
	count: usize,
}

impl Slots {
	fn take(&mut self) -> usize {
		self.free.pop().unwrap_or_else(|| {
			self.count += 1;
			self.count - 1
		})
	}
}

/// The instructions of a chain and how many blocks they need; `kept` counts results that are kept.
/// `None` where a link is not one of the CPU.
fn compile<'a>(
	links: &[Link<'a, Arc<Buffer>>],
	kept: &mut usize,
) -> Option<(Vec<Instruction<'a>>, usize)> {
	// The last reader of each result, which is its own link where there is none.
	let mut last: Vec<usize> = (0..links.len()).collect();
	for (at, link) in links.iter().enumerate() {
		for part in &link.operands {
			if let Part::Link(other, _) = *part {
				last[other] = at;
			}
		}
	}
	let mut slots = Slots::default();
	let mut place = vec![0; links.len()];
	let mut instructions = Vec::with_capacity(links.len());
	for (at, link) in links.iter().enumerate() {
		if last[at] == at && !link.kept {
			continue;
		}
		let dtype = |operand: usize| match link.operands.get(operand)? {
			Part::Operand(operand) => Some(operand.value.dtype()),
			Part::Link(_, dtype) => Some(*dtype),
		};
		let whole = |operand: usize| match link.operands.get(operand)? {
			Part::Operand(operand) => Some(Source::new(operand)),
			Part::Link(..) => None,
		};
		let (kernel, taken) = Kernel::new(link.op, link.dtype, dtype, whole)?;
		let mut reads = [const { None }; 3];
		let mut dying = [None; 3];
		for ((read, dying), operand) in reads.iter_mut().zip(&mut dying).zip(taken) {
			let Some(operand) = operand else { continue };
			*read = Some(match link.operands.get(operand)? {
				Part::Operand(operand) => Read::Source(Source::new(operand)),
				Part::Link(other, _) => {
					*dying = (last[*other] == at).then_some(place[*other]);
					Read::Slot(place[*other])
				}
			});
		}
		let [first, second, third] = dying;
		let to = match first {
			// What nobody reads any more is overwritten where it is, unless it is read twice here.
			Some(slot) if second != first && third != first => slot,
			_ => slots.take(),
		};
		place[at] = to;
		let mut gone: Vec<usize> = dying.into_iter().flatten().filter(|slot| *slot != to).collect();
		gone.sort_unstable();
		gone.dedup();
		slots.free.extend(gone);
		if last[at] == at {
			slots.free.push(to);
		}
		let kept = link.kept.then(|| {
			*kept += 1;
			*kept - 1
		});
		instructions.push(Instruction { kernel, reads, to, kept });
	}
	Some((instructions, slots.count))
}

/// Room of one thread.
#[derive(Default)]
struct Scratch {
	/// Blocks of results.
	slots: Vec<Vec<i32>>,
	/// Operands that must be widened or gathered.
	beside: [Vec<i32>; 2],
}

thread_local! {
	/// Room of the chains before.
	static SCRATCH: Cell<Scratch> = Cell::default();
}

/// What a thread has while it works on chains.
struct Room(Scratch);

impl Room {
	fn new(slots: usize) -> Self {
		let mut scratch = SCRATCH.take();
		if scratch.slots.len() < slots {
			scratch.slots.resize_with(slots, || vec![0; BLOCK]);
		}
		Self(scratch)
	}
}

impl Drop for Room {
	fn drop(&mut self) {
		if self.0.slots.len() <= KEPT {
			SCRATCH.set(take(&mut self.0));
		}
	}
}

impl Code<'_> {
	/// Computes the elements from `start` on.
	fn run(&self, start: usize, scratch: &mut Scratch, kept: &[Kept<'_>]) {
		fn block<'s>(
			read: Option<&'s Read<'_>>,
			(start, len): (usize, usize),
			slots: &'s [Vec<i32>],
			beside: &'s mut Vec<i32>,
		) -> &'s [i32] {
			match read {
				Some(Read::Source(source)) => source.chunk(start, len, beside),
				Some(Read::Slot(slot)) => &slots[*slot][..len],
				None => &[],
			}
		}
		let len = BLOCK.min(self.elements - start);
		let Scratch { slots, beside: [second, third] } = scratch;
		for Instruction { kernel, reads: [first, others @ ..], to, kept: keep } in
			&self.instructions
		{
			let keep = keep.and_then(|at| kept.get(at));
			if matches!(kernel, Kernel::Largest) {
				let values = block(first.as_ref(), (start, len), slots, second);
				// SAFETY: nothing is written but the largest, which many may do.
				unsafe { keep.into_iter().for_each(|keep| keep.put(start, values)) };
				continue;
			}
			let mut own = take(&mut slots[*to]);
			let out = &mut own[..len];
			match first {
				Some(Read::Source(source)) => source.load(start, out),
				Some(Read::Slot(slot)) if slot != to => out.copy_from_slice(&slots[*slot][..len]),
				Some(Read::Slot(_)) | None => {}
			}
			let [two, three] = others;
			let two = block(two.as_ref(), (start, len), slots, second);
			let three = block(three.as_ref(), (start, len), slots, third);
			kernel.apply(start, out, two, three);
			if let Some(keep) = keep {
				// SAFETY: each block of a chain comes once, and each result is of one link.
				unsafe { keep.put(start, out) };
			}
			slots[*to] = own;
		}
	}
}

/// The results of chains, link by link, as far as they are kept. `None` where a link is not one of
/// the CPU.
#[allow(clippy::type_complexity)]
pub(super) fn run(
	chains: &[Chain<'_, Arc<Buffer>>],
) -> Result<Option<Vec<Vec<Option<Buffer>>>>, ExecError> {
	let (mut count, mut slots, mut work) = (0, 0, 0usize);
	let mut codes = Vec::with_capacity(chains.len());
	for chain in chains {
		let Some((instructions, needed)) = compile(&chain.links, &mut count) else {
			return Ok(None);
		};
		slots = slots.max(needed);
		work = work.saturating_add(chain.elements.saturating_mul(instructions.len()));
		codes.push(Code { elements: chain.elements, instructions });
	}
	let links =
		chains.iter().flat_map(|chain| chain.links.iter().map(|link| (chain.elements, link)));
	let links = links.filter(|(_, link)| link.kept);
	let mut buffers: Vec<Buffer> = links
		.clone()
		.map(|(_, link)| match link.dtype {
			DType::I8 => Buffer::I8(POOL.elements(link.elements)),
			DType::I16 => Buffer::I16(POOL.elements(link.elements)),
			DType::I32 => Buffer::I32(POOL.elements(link.elements)),
		})
		.collect();
	let kept: Vec<Kept> = buffers
		.iter_mut()
		.zip(links)
		.map(|(buffer, (elements, link))| {
			if matches!(link.op, Op::ReduceMax { .. }) {
				let rows = (0..link.elements).map(|_| AtomicI32::new(i32::MIN)).collect();
				return Kept::Largest(rows, elements / link.elements.max(1));
			}
			match buffer {
				Buffer::I8(values) => Kept::I8(Rows::new(values, 1)),
				Buffer::I16(values) => Kept::I16(Rows::new(values, 1)),
				Buffer::I32(values) => Kept::I32(Rows::new(values, 1)),
			}
		})
		.collect();
	let tasks: Vec<(&Code, usize)> = codes
		.iter()
		.flat_map(|code| (0..code.elements).step_by(BLOCK).map(move |start| (code, start)))
		.collect();
	// An operator in a chain takes about half as long as one that reads and writes tensors.
	parallel(
		threads(work / 2),
		tasks.len(),
		|| Room::new(slots),
		|Room(scratch), task| {
			let (code, start) = tasks[task];
			code.run(start, scratch, &kept);
		},
	);
	let largest: Vec<Vec<AtomicI32>> = kept
		.into_iter()
		.map(|kept| match kept {
			Kept::Largest(rows, _) => rows,
			_ => Vec::new(),
		})
		.collect();
	for (buffer, largest) in buffers.iter_mut().zip(largest) {
		typed!(buffer, values => {
			let rows = values.iter_mut().zip(largest);
			rows.for_each(|(to, largest)| *to = Element::truncate(largest.into_inner()));
		});
	}
	let mut buffers = buffers.into_iter();
	let results = chains.iter().map(|chain| {
		let links = chain.links.iter();
		links.map(|link| if link.kept { buffers.next() } else { None }).collect()
	});
	Ok(Some(results.collect()))
}
