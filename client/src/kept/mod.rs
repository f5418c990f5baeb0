//! What is kept of open results, so that a demand is answered without running the job again, or by
//! running a part.
//!
//! A folder per order, within a budget: the eager anchors' roots of every step, the trees of the
//! steps that were looked at, the roots of their lazy anchors, and checkpoints to replay from.
//! Nothing of it is believed when it is read: what is handed out leads to the run that was
//! committed to.

use crate::{
	chain::{calls::JobId, Hash},
	error::{io, Error, Result},
	executed::{digest, Executed},
	program::Loaded,
	runner::failed,
};
use assay_commitments::{
	checkpoint_len, open_group, read_manifest, root, trace_root, Place, Segmentation, Tree,
};
use assay_dispute::Job;
use assay_program::Checked;
use assay_worker_host::{create_private, Finished, InputFile};
use assay_worker_protocol::{OutputFile, Record};
use std::{
	collections::{BTreeMap, BTreeSet},
	io::{Read, Seek, SeekFrom},
	path::{Path, PathBuf},
};

/// Most bytes of tensors that a worker holds until its end so that their trees can be written.
const HELD: u64 = 1 << 30;
/// Most checkpoints of a run that nobody has asked to be cut.
const CHECKPOINTS: u32 = 16;
/// So many bytes of anchors' roots are kept whatever the budget is. A worker holds them until its
/// end.
const ROOTS: u64 = 256 << 20;
/// Bytes of a root.
const ROOT: u64 = 32;

/// What a run is asked to write down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
	/// For the worker.
	pub record: Record,
	/// Steps between two checkpoints.
	pub cut: Option<Segmentation>,
}

/// The anchors of a step whose trees are worth keeping: all of them where that is not too much,
/// else the eager ones, else none. Eager ones come first; both in program order.
fn trees(checked: &Checked, room: u64) -> Vec<u32> {
	let (eager, lazy) = (bytes(checked, &checked.anchors), bytes(checked, &checked.lazy));
	let fits = |bytes: u64| bytes <= HELD && bytes / 1024 * ROOT <= room;
	// Lazy anchors are hashed for this alone, which is not to cost as much as the run.
	if lazy <= eager && fits(eager.saturating_add(lazy)) {
		checked.anchors.iter().chain(&checked.lazy).copied().collect()
	} else if fits(eager) {
		checked.anchors.clone()
	} else {
		Vec::new()
	}
}

/// What a run of so many steps is asked to write, within `budget` bytes. `length`: steps of one
/// segment, where the run is cut for its verifiers, who need the checkpoints whatever the budget
/// is.
pub fn plan(loaded: &Loaded, steps: u32, length: Option<u32>, budget: u64) -> Plan {
	let checked = &loaded.checked;
	let roots = u64::from(steps).saturating_mul(checked.anchors.len() as u64).saturating_mul(ROOT);
	// The last step's are in the record of the job. They are few, and without them each step costs
	// a replay more.
	let anchors = steps > 1 && roots <= ROOTS.max(budget / 2);
	let budget = budget.saturating_sub(if anchors { roots } else { 0 });
	let trees = trees(checked, budget / 2);
	let budget = budget / 2;
	let state = |state: &assay_program::State| {
		loaded.program.inputs.get(usize::from(state.input)).map_or(0, |i| i.ty.canonical_len())
	};
	let states = loaded.program.states.iter().map(state).fold(0, u64::saturating_add);
	let own = || {
		let cuts = (1..31).filter_map(|by| Segmentation::new(steps, 1 << by));
		let fits = |cut: &Segmentation| {
			cut.count() <= CHECKPOINTS
				&& states.saturating_mul(u64::from(cut.count()) - 1) <= budget
		};
		cuts.filter(|_| states > 0).find(fits)
	};
	let cut = match length {
		Some(length) => Segmentation::new(steps, length),
		None => own(),
	};
	let checkpoint_every = cut.map_or(0, |cut| cut.length());
	Plan { record: Record { checkpoint_every, anchors, trees }, cut }
}

/// What a replay is asked to write of every step that one of `places` is in: what opens them in any
/// case, and of the rest what `budget` allows.
pub fn plan_steps(job: &Job, places: &[Place], budget: u64) -> BTreeMap<u32, Record> {
	let checked = &job.checked;
	let mut owed: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
	for place in places {
		let eager = checked.anchors.len();
		match *place {
			Place::Run { .. } => {}
			Place::Trace { step, .. } => drop(owed.entry(step).or_default()),
			Place::Lazy { step, .. } => {
				// Whichever is written, the roots of all are.
				let tiles = |node: &&u32| checked.types.get(**node as usize).map(|ty| ty.tiles());
				let least = checked.lazy.iter().min_by_key(tiles);
				owed.entry(step).or_default().extend(least);
			}
			Place::Tensor { step, anchor, .. } => {
				let listed = || checked.lazy.get((anchor as usize).checked_sub(eager)?);
				let node = checked.anchors.get(anchor as usize).or_else(listed);
				owed.entry(step).or_default().extend(node);
			}
		}
	}
	let share = budget / (owed.len() as u64).max(1);
	let record = |nodes: BTreeSet<u32>| {
		let mut trees = trees(checked, share);
		let mut held = bytes(checked, &trees);
		for node in nodes {
			let more = bytes(checked, &[node]);
			// What does not fit is replayed for alone.
			if !trees.contains(&node) && (trees.is_empty() || held.saturating_add(more) <= HELD) {
				held = held.saturating_add(more);
				trees.push(node);
			}
		}
		Record { trees, ..Record::default() }
	};
	owed.into_iter().map(|(step, nodes)| (step, record(nodes))).collect()
}

/// Bytes of these anchors.
fn bytes(checked: &Checked, nodes: &[u32]) -> u64 {
	let types = nodes.iter().filter_map(|node| checked.types.get(*node as usize));
	types.map(|ty| ty.canonical_len()).fold(0, u64::saturating_add)
}

/// The folder of one order.
#[derive(Clone, Debug)]
pub struct Kept {
	dir: PathBuf,
}

/// A checkpoint to replay from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
	/// Steps before it.
	pub steps: u32,
	/// The states, in program order.
	pub states: Vec<InputFile>,
}

impl Kept {
	/// Of one order, below the folder of all.
	pub fn new(base: &Path, id: JobId) -> Self {
		Self { dir: base.join(hex::encode(id.order)) }
	}

	/// Removes all of it.
	pub fn remove(&self) {
		let _ = std::fs::remove_dir_all(&self.dir);
	}

	/// Notes the bond that the job puts up. Blocks.
	pub fn note_bond(&self, bond: u128) -> Result<()> {
		create_private(&self.dir).map_err(io(&self.dir))?;
		std::fs::write(self.file("bond"), bond.to_le_bytes()).map_err(io(&self.dir))
	}

	/// The bond that was noted. Blocks.
	pub fn bond(&self) -> u128 {
		bond_in(&self.dir)
	}

	/// Where the states of a replay are from one of its steps to the next.
	pub fn passing(&self) -> PathBuf {
		self.file("passing")
	}

	fn file(&self, name: &str) -> PathBuf {
		self.dir.join(name)
	}

	fn take(&self, finished: &Finished, file: &Option<OutputFile>, name: &str) -> Result<()> {
		let Some(OutputFile { root, len, .. }) = file else { return Ok(()) };
		finished.take(root, *len, &self.file(name)).map_err(|fault| failed(&fault))
	}

	/// Takes over what a run of the whole job has written; the blobs of its checkpoints, the
	/// manifest first. They are put into `blobs` where verifiers are to get them, and beside the
	/// rest where `blobs` is `None`. Blocks.
	pub fn store(
		&self,
		loaded: &Loaded,
		finished: &Finished,
		plan: &Plan,
		blobs: Option<&Path>,
	) -> Result<Vec<Hash>> {
		create_private(&self.dir).map_err(io(&self.dir))?;
		let done = finished.done();
		self.take(finished, &done.recorded.anchors, "anchors")?;
		let last = done.trace_roots.len().saturating_sub(1) as u32;
		self.store_step(last, finished, &plan.record.trees)?;
		let (Some(cut), Some(manifest)) = (plan.cut, &done.recorded.manifest) else {
			return Ok(Vec::new());
		};
		let states = self.states(loaded, &cut, &done.trace_roots, |len| {
			finished.read(&manifest.root, len).map_err(|fault| failed(&fault))
		})?;
		let own = self.file("states");
		if blobs.is_none() {
			create_private(&own).map_err(io(&own))?;
		}
		let to = |root: &Hash| blobs.unwrap_or(&own).join(hex::encode(root));
		let take =
			|root: &Hash, len| finished.take(root, len, &to(root)).map_err(|fault| failed(&fault));
		take(&manifest.root, manifest.len)?;
		std::fs::write(self.file("manifest"), manifest.root).map_err(io(&self.dir))?;
		let mut taken = vec![manifest.root];
		for (root, len) in states.into_iter().flatten() {
			if !taken.contains(&root) {
				take(&root, len)?;
				taken.push(root);
			}
		}
		Ok(taken)
	}

	/// Takes over the trees that a run has written of its last step, and the roots of that step's
	/// lazy anchors. Blocks.
	pub fn store_step(&self, step: u32, finished: &Finished, trees: &[u32]) -> Result<()> {
		create_private(&self.dir).map_err(io(&self.dir))?;
		let done = finished.done();
		let write = |name: &str, hashes: &[Hash]| match hashes {
			[] => Ok(()),
			hashes => {
				std::fs::write(self.file(name), hashes.concat()).map_err(io(&self.file(name)))
			}
		};
		write(&format!("step-{step}"), &done.last_anchors)?;
		// Nothing above proves these: what the disk makes of them must not become this provider's
		// word.
		let checked = match &done.last_lazy[..] {
			[] => Vec::new(),
			lazy => [lazy, &[*blake3::hash(lazy.as_flattened()).as_bytes()]].concat(),
		};
		write(&format!("lazy-{step}"), &checked)?;
		let nodes: Vec<u8> = trees.iter().flat_map(|node| node.to_le_bytes()).collect();
		if !nodes.is_empty() {
			self.take(finished, &done.recorded.trees, &format!("trees-{step}"))?;
			let name = self.file(&format!("nodes-{step}"));
			std::fs::write(&name, nodes).map_err(io(&name))?;
		}
		Ok(())
	}

	/// Root and length of every state of every checkpoint, by a manifest that `read` gives.
	#[allow(clippy::type_complexity)]
	fn states(
		&self,
		loaded: &Loaded,
		cut: &Segmentation,
		traces: &[Hash],
		read: impl FnOnce(u64) -> Result<Vec<u8>>,
	) -> Result<Vec<Vec<(Hash, u64)>>> {
		let unfit = || {
			Error::new("local-fault", "the checkpoints of the run are not those of its trace")
				.fix("report this as a fault of the engine")
		};
		let checked = &loaded.checked;
		let anchors = checked.anchors.len() as u32;
		let entry = checkpoint_len(anchors, &checked.state_anchors).ok_or_else(unfit)?;
		let bytes = read(entry.saturating_mul(u64::from(cut.count()) - 1))?;
		let digest = digest(cut, traces);
		let checkpoints = read_manifest(&bytes, cut, anchors, &checked.state_anchors, &digest);
		let lengths = loaded.program.states.iter().map(|state| {
			loaded.program.inputs.get(usize::from(state.input)).map_or(0, |i| i.ty.canonical_len())
		});
		let lengths: Vec<u64> = lengths.collect();
		let states = |c: assay_commitments::Checkpoint| {
			c.states.into_iter().zip(lengths.iter().copied()).collect()
		};
		Ok(checkpoints.ok_or_else(unfit)?.into_iter().map(states).collect())
	}

	/// The last checkpoint from which the step before `steps` can be reached, `None`: the job's
	/// inputs. The states are files in `blobs`; whether they still have their roots is found out by
	/// whoever runs from them. Blocks.
	pub fn start(
		&self,
		loaded: &Loaded,
		executed: &Executed,
		steps: u32,
		blobs: &Path,
	) -> Option<Start> {
		let of = u32::try_from(executed.traces.len()).ok()?;
		let manifest: Hash = std::fs::read(self.file("manifest")).ok()?.try_into().ok()?;
		let own = self.file("states");
		let dir = if own.exists() { own.as_path() } else { blobs };
		let path = |root: &Hash| dir.join(hex::encode(root));
		let bytes = std::fs::read(path(&manifest)).ok()?;
		let entry =
			checkpoint_len(loaded.checked.anchors.len() as u32, &loaded.checked.state_anchors)?;
		let count = u32::try_from((bytes.len() as u64).checked_div(entry)?).ok()?.checked_add(1)?;
		let cut = (1..31).filter_map(|by| Segmentation::new(of, 1 << by));
		let cut = cut.into_iter().find(|cut| cut.count() == count)?;
		let all = self.states(loaded, &cut, &executed.traces, |_| Ok(bytes)).ok()?;
		let at = (steps.checked_sub(1)? / cut.length()).min(count - 1);
		let states = all.get(at.checked_sub(1)? as usize)?;
		let whole = |(root, len): &(Hash, u64)| {
			let path = path(root);
			let there = std::fs::metadata(&path).is_ok_and(|meta| meta.len() == *len);
			there.then_some(InputFile { root: *root, path, len: *len })
		};
		let states: Option<Vec<_>> = states.iter().map(whole).collect();
		Some(Start { steps: at * cut.length(), states: states? })
	}

	/// The children of a group of the run that `traces` are of, where what they are made from is
	/// kept. Blocks.
	pub fn open(&self, place: &Place, job: &Job, traces: &[Hash]) -> Option<Vec<Hash>> {
		match *place {
			Place::Run { level, index } => open_group(Tree::Run, traces, level, index),
			Place::Trace { step, level, index } => {
				open_group(Tree::Trace, &self.anchors(step, job, traces)?, level, index)
			}
			Place::Lazy { step, anchor, level, index } => {
				let roots = self.lazy(step, job)?;
				let listed = job.checked.lazy_before(anchor) as usize;
				open_group(Tree::Trace, roots.get(..listed)?, level, index)
			}
			Place::Tensor { step, anchor, level, index } => {
				let eager = self.anchors(step, job, traces)?;
				let at = anchor as usize;
				let (node, root_of) = match eager.get(at) {
					Some(root) => (*job.checked.anchors.get(at)?, *root),
					None => {
						let at = at.checked_sub(eager.len())?;
						(*job.checked.lazy.get(at)?, *self.lazy(step, job)?.get(at)?)
					}
				};
				let values = self.tree(step, node, job)?;
				// Whatever the disk says, the tree is the one under the root.
				let whole = root(Tree::Tensor, &values) == Some(root_of);
				open_group(Tree::Tensor, Some(&values).filter(|_| whole)?, level, index)
			}
		}
	}

	/// Roots of the eager anchors of a step, which lead to its trace root.
	fn anchors(&self, step: u32, job: &Job, traces: &[Hash]) -> Option<Vec<Hash>> {
		let trace = traces.get(step as usize)?;
		let count = job.checked.anchors.len() as u64;
		let all = || {
			let at = u64::from(step).checked_mul(count)?;
			read_part(&self.file("anchors"), at, count)
		};
		let one = read_hashes(&self.file(&format!("step-{step}")));
		[one, all()].into_iter().flatten().find(|roots| trace_root(roots) == *trace)
	}

	/// Roots of the lazy anchors of a step, as they were written.
	fn lazy(&self, step: u32, job: &Job) -> Option<Vec<Hash>> {
		let mut roots = read_hashes(&self.file(&format!("lazy-{step}")))?;
		let check = roots.pop()?;
		let whole = roots.len() == job.checked.lazy.len()
			&& blake3::hash(roots.as_flattened()).as_bytes() == &check;
		whole.then_some(roots)
	}

	/// The values of all chunks of an anchor.
	fn tree(&self, step: u32, node: u32, job: &Job) -> Option<Vec<Hash>> {
		let nodes = std::fs::read(self.file(&format!("nodes-{step}"))).ok()?;
		let nodes = nodes.chunks_exact(4).map(|c| u32::from_le_bytes([c[0], c[1], c[2], c[3]]));
		let mut at = 0u64;
		for other in nodes {
			let tiles = job.checked.types.get(other as usize)?.tiles();
			if other == node {
				return read_part(&self.file(&format!("trees-{step}")), at, tiles);
			}
			at = at.checked_add(tiles)?;
		}
		None
	}
}

/// How much of `budget` a job may use that puts up this bond: all but what is kept of those that
/// put up as much. What is kept of the others makes way, see [`displace`]. Blocks.
pub fn room(base: &Path, budget: u64, bond: u128) -> u64 {
	let used = folders(base).into_iter().filter(|(of, _)| *of >= bond).map(|(_, dir)| size(&dir));
	budget.saturating_sub(used.fold(0, u64::saturating_add))
}

/// Removes what is kept beyond `budget`, of the jobs with the least bond first, but for the roots
/// that every answer needs. A thief's cheap jobs would else hold the room that those worth stealing
/// from need. Blocks.
pub fn displace(base: &Path, budget: u64) {
	let mut left = size(base);
	let mut folders = folders(base);
	folders.sort();
	for (_, dir) in folders {
		if left <= budget {
			return;
		}
		let before = size(&dir);
		for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
			let name = entry.file_name();
			let name = name.to_string_lossy();
			if name == "states" {
				let _ = std::fs::remove_dir_all(entry.path());
			} else if name == "manifest" || name.starts_with("trees-") || name.starts_with("nodes-")
			{
				let _ = std::fs::remove_file(entry.path());
			}
		}
		left = left.saturating_sub(before.saturating_sub(size(&dir)));
	}
}

/// The folders of all jobs, with what is at stake in each.
fn folders(base: &Path) -> Vec<(u128, PathBuf)> {
	let entries = std::fs::read_dir(base).into_iter().flatten().flatten();
	entries.map(|entry| (bond_in(&entry.path()), entry.path())).collect()
}

/// The bond that a folder's job puts up; 0 where it does not say.
fn bond_in(dir: &Path) -> u128 {
	let bytes = std::fs::read(dir.join("bond")).ok();
	bytes.and_then(|bytes| bytes.try_into().ok()).map_or(0, u128::from_le_bytes)
}

/// Bytes of all files below a folder.
pub fn size(dir: &Path) -> u64 {
	let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
	let sizes = entries.map(|entry| match entry.metadata() {
		Ok(meta) if meta.is_dir() => size(&entry.path()),
		Ok(meta) => meta.len(),
		Err(_) => 0,
	});
	sizes.fold(0, u64::saturating_add)
}

fn read_hashes(path: &Path) -> Option<Vec<Hash>> {
	let bytes = std::fs::read(path).ok()?;
	(bytes.len() % ROOT as usize == 0).then(|| hashes(&bytes))
}

/// `count` hashes of a file, from the one at `at` on.
fn read_part(path: &Path, at: u64, count: u64) -> Option<Vec<Hash>> {
	let mut file = std::fs::File::open(path).ok()?;
	let (from, len) = (at.checked_mul(ROOT)?, count.checked_mul(ROOT)?);
	// Nothing is allocated for what is not there.
	(file.metadata().ok()?.len() >= from.checked_add(len)?).then_some(())?;
	file.seek(SeekFrom::Start(from)).ok()?;
	let mut bytes = Vec::new();
	file.take(len).read_to_end(&mut bytes).ok()?;
	(bytes.len() as u64 == len).then(|| hashes(&bytes))
}

fn hashes(bytes: &[u8]) -> Vec<Hash> {
	let hash = |chunk: &[u8]| {
		let mut hash = [0; 32];
		hash.copy_from_slice(chunk);
		hash
	};
	bytes.chunks_exact(ROOT as usize).map(hash).collect()
}

#[cfg(test)]
mod tests;
