/// Most steps of a run: the trace roots of so many fit a frame between a node and its worker. No
/// chain takes a job of more, since what nobody can run nobody can find wrong.
pub const MAX_STEPS: u32 = 65_536;

/// What a program may ask of the chain, the referee and the executors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
	/// Most nodes.
	pub nodes: u32,
	/// Most work units of one step.
	pub work_units: u64,
	/// Most bytes that tensors of one step hold at once, in canonical bytes.
	pub peak_memory: u64,
	/// Most bytes of one part of a fraud proof: operand tiles with their proofs, and everything
	/// around them.
	pub part_bytes: u64,
	/// Most parts of a fraud proof.
	pub parts: u32,
	/// Most scratch bytes of the referee beside the operand tiles.
	pub scratch: u64,
	/// Most estimated time of one part in WebAssembly, in nanoseconds.
	pub part_nanoseconds: u64,
	/// Most virtual nodes between one anchor and the anchors it depends on.
	pub virtual_nodes: u32,
	/// Most elementary steps of the referee analysis, summed over all anchors; bounds the time
	/// that the checker itself takes.
	pub analysis_steps: u32,
}

impl Limits {
	/// The limits of operator set 1.
	pub const V1: Self = Self {
		nodes: 4096,
		work_units: 1 << 50,
		peak_memory: 64 << 30,
		part_bytes: 512 * 1024,
		parts: 32,
		scratch: 2 << 20,
		part_nanoseconds: 50_000_000,
		virtual_nodes: 256,
		analysis_steps: 65_536,
	};
}

impl Default for Limits {
	fn default() -> Self {
		Self::V1
	}
}
