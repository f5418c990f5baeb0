//! What one pallet asks of another. Every trait is mocked in a few lines, so that each pallet is
//! tested alone; the runtime wires the real ones together.

use crate::{Hash, JobId, Outcome, ReasonCode, VerifierId};
use alloc::vec::Vec;
use sp_runtime::DispatchResult;

/// Who may take which part in the market, and what is remembered of it.
pub trait Identities<AccountId> {
	/// Whether the account is registered as a provider.
	fn is_provider(who: &AccountId) -> bool;

	/// Writes one outcome into the reputation of `who`. Unknown accounts are ignored.
	fn note_outcome(who: &AccountId, outcome: Outcome);
}

/// What became of a slashed job bond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slashed<Balance> {
	/// Taken out of existence.
	pub burned: Balance,
	/// Paid to the beneficiary.
	pub paid: Balance,
}

/// The bonds that providers put up for single jobs, taken from their stake.
pub trait JobBonds<AccountId, Balance> {
	/// Stake of `who` that no job holds.
	fn free_stake(who: &AccountId) -> Balance;

	/// Holds `amount` of the free stake of `who` for `job`. Fails when less is free, or when the
	/// pair already has a bond.
	fn hold(who: &AccountId, job: JobId, amount: Balance) -> DispatchResult;

	/// Gives whatever is left of the bond of `who` for `job` back to its free stake. Idempotent.
	fn release(who: &AccountId, job: JobId);

	/// Takes `amount` (or what is left) of the bond of `who` for `job`; of that, up to the stated
	/// sum goes to the free balance of the beneficiary and the rest is burned. What a beneficiary
	/// cannot receive is burned. `burned + paid` is what was taken.
	fn slash(
		who: &AccountId,
		job: JobId,
		amount: Balance,
		pay: Option<(&AccountId, Balance)>,
	) -> Slashed<Balance>;
}

/// What the chain has proved about a registered program, as far as a job needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProgramSummary {
	/// Work units of one step.
	pub work_units: u64,
	/// Most bytes of tensors alive at one time.
	pub peak_memory: u64,
	/// 1 KiB tiles of every input, in program order.
	pub input_tiles: Vec<u64>,
	/// 1 KiB tiles of every output, in program order.
	pub output_tiles: Vec<u64>,
	/// For every output, the position of its node among the eager anchors of a step.
	pub outputs: Vec<u32>,
	/// Eager anchors of a step: the leaves of its trace tree.
	pub anchors: u32,
	/// Lazy anchors of a step: their roots are listed on demand.
	pub lazy: u32,
	/// 1 KiB tiles of the largest of both.
	pub largest_anchor: u64,
	/// States carried from step to step. A program without states runs one step.
	pub states: u16,
}

/// The registered programs.
pub trait Programs {
	/// What is known of `program`; `None` when it is not registered.
	fn summary(program: &Hash) -> Option<ProgramSummary>;

	/// 1 KiB tiles of every eager anchor of a step, in program order: the shape of its trace.
	/// `None` when it is not registered.
	fn anchor_tiles(program: &Hash) -> Option<Vec<u64>>;

	/// Counts one more job that needs `program`; it cannot be removed until released as often.
	fn acquire(program: &Hash) -> DispatchResult;

	/// Counts one job less.
	fn release(program: &Hash);
}

/// One validator that may be drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierInfo<AccountId, Balance> {
	/// Whose stake stands behind it.
	pub account: AccountId,
	/// The session key it signs with.
	pub key: VerifierId,
	/// Its weight in the draw. An account without stake is never drawn.
	pub stake: Balance,
}

/// The validators of a session that may verify.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Electorate<Balance> {
	/// The session.
	pub session: u32,
	/// How many they are.
	pub candidates: u32,
	/// Their stake together.
	pub stake: Balance,
}

/// The validators that may be drawn, and the locks on those that were.
pub trait Verifiers<AccountId, Balance> {
	/// Every validator that may be drawn now, each account once, in an order that every node
	/// agrees on.
	fn active() -> Vec<VerifierInfo<AccountId, Balance>>;

	/// The electorate of the running session.
	fn electorate() -> Electorate<Balance>;

	/// A member of the electorate of `session`, with the stake and the session key that it has in
	/// it, whatever became of them since. Electorates of lotteries that may still be open are kept.
	/// Whoever is suspended or reported for an offence leaves the electorates for good.
	fn member(session: u32, who: &AccountId) -> Option<VerifierInfo<AccountId, Balance>>;

	/// All members of the electorate of `session`. For questions from outside, not for blocks.
	fn members(session: u32) -> Vec<VerifierInfo<AccountId, Balance>>;

	/// Whether one more job can lock the stake of `who`.
	fn can_lock(who: &AccountId) -> bool;

	/// The stake of `who` cannot leave until `job` is unlocked. Called once per pair.
	fn lock(who: &AccountId, job: JobId);

	/// Undoes [`Self::lock`].
	fn unlock(who: &AccountId, job: JobId);
}

/// Randomness that the author of a block could not choose.
pub trait AuthorRandomness {
	/// The VRF output of the author of the **parent** of the block being built, when it has one.
	/// Must not change within a block.
	fn parent() -> Option<[u8; 32]>;
}

/// An opened result that may be disputed, with the terms of a dispute about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenResult<AccountId, Balance, BlockNumber> {
	/// Hash of the job's [`Order`](crate::Order).
	pub order: Hash,
	/// Who committed to it.
	pub provider: AccountId,
	/// Content address of the program.
	pub program: Hash,
	/// Content addresses of the inputs, in program order.
	pub input_roots: Vec<Hash>,
	/// Steps of the run.
	pub steps: u32,
	/// Work units of all steps together.
	pub work_units: u64,
	/// The run root that was opened.
	pub run_root: Hash,
	/// Trace root of the last step.
	pub trace_root: Hash,
	/// New lanes are accepted: the base deadline has not passed and nothing is proved yet.
	pub open: bool,
	/// A: blocks for an answer, were nothing else demanded of the provider.
	pub answer_time: BlockNumber,
	/// Work units that count as one block of an answer.
	pub answer_rate: u64,
	/// How many blocks more all answers of one lane may take together, because the provider owes
	/// others.
	pub patience: BlockNumber,
	/// M: blocks for a challenger's move.
	pub move_time: BlockNumber,
	/// K: blocks for which a proof commitment keeps the job open, and for each further part of a
	/// proof.
	pub proof_time: BlockNumber,
	/// What an account that was not drawn puts up for a lane, were no other lane open against the
	/// provider.
	pub deposit: Balance,
}

/// What the arbitration pallet asks of the jobs pallet.
pub trait Disputes<AccountId, Balance, BlockNumber> {
	/// The opened result of a job that has not ended and is not condemned yet.
	fn result(job: JobId) -> Option<OpenResult<AccountId, Balance, BlockNumber>>;

	/// Hash of the order of a job that is on record.
	fn order(job: JobId) -> Option<Hash>;

	/// A drawn verifier has used its free lane up for a proof that was refused: its local fault.
	fn note_rejected(job: JobId, account: &AccountId);

	/// The session key of an account that was drawn to verify the job and has given a verdict.
	fn verifier_key(job: JobId, account: &AccountId) -> Option<VerifierId>;

	/// The jobs in which one of these keys has opened a verdict that differs from the opened
	/// result, or in which its account has a lane, as far as results are open.
	fn differing(keys: &[VerifierId]) -> Vec<(JobId, AccountId, VerifierId)>;

	/// No lane is alive any more: a job whose deadline has passed may settle.
	fn quiet(job: JobId);

	/// The result is proved wrong ([`ReasonCode::ProvenFraud`]) or an opening of it was withheld,
	/// or is contradicted by what the provider stated of it ([`ReasonCode::Withheld`]). The bond is
	/// slashed at once; `by` gets the prover's part. The job ends at once too, or when the
	/// verifiers that have not opened their verdicts had their time to. `step` is the one that is
	/// proved wrong: where the run is cut into segments, only those who vouched for its segment
	/// answer for it. `costs` are fees that the prover has paid for its proof: it gets them too,
	/// out of what would be burned, up to a fifth of the bond. `false` when there is no such
	/// result.
	fn condemn(
		job: JobId,
		reason: ReasonCode,
		by: &AccountId,
		step: Option<u32>,
		costs: Balance,
	) -> bool;
}

/// What the jobs pallet asks of the one that decides disputes; `()` where there are none.
pub trait Arbitration {
	/// Whether a lane is alive. Such a job does not settle.
	fn is_disputed(job: JobId) -> bool;

	/// The job ended; what is kept about disputes of it may go.
	fn ended(job: JobId);
}

impl Arbitration for () {
	fn is_disputed(_: JobId) -> bool {
		false
	}

	fn ended(_: JobId) {}
}

/// A job that has ended, and what its end took from the provider's bond.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedJob<AccountId, Balance, BlockNumber> {
	/// Who posted it.
	pub requester: AccountId,
	/// Who claimed it last.
	pub provider: AccountId,
	/// When it was posted.
	pub posted_at: BlockNumber,
	/// Why it ended.
	pub reason: ReasonCode,
	/// What of the bond was taken out of existence.
	pub burned: Balance,
	/// What of the bond went to whoever proved the fraud, or demanded what was withheld.
	pub prover_paid: Balance,
	/// What was paid out of the escrow.
	pub fees: Balance,
}

/// What the pallet of decoys asks of the jobs pallet.
pub trait EndedJobs<AccountId, Balance, BlockNumber> {
	/// A job that had a provider, has ended, is not pruned, and was not [`taken`](Self::take) yet.
	fn ended(job: JobId) -> Option<EndedJob<AccountId, Balance, BlockNumber>>;

	/// It was a decoy; from now on [`Self::ended`] does not give it any more.
	fn take(job: JobId);
}

/// Reports validators that stood behind a fraudulent result.
pub trait ReportVouching<AccountId> {
	/// These accounts opened the verdict that the fraudulent result of `job` was right, and those
	/// hid theirs to the end. Each is reported once per job.
	fn report(job: JobId, opened: Vec<AccountId>, hidden: Vec<AccountId>);
}

impl<AccountId> ReportVouching<AccountId> for () {
	fn report(_: JobId, _: Vec<AccountId>, _: Vec<AccountId>) {}
}

/// What the market remembers of verifiers whose verdict differed from a result that stood.
pub trait VerifierFaults<AccountId> {
	/// A local fault of this verifier. Repeated faults keep it from being drawn for a while; they
	/// never cost stake.
	fn note_fault(who: &AccountId);

	/// A verdict of this verifier was right; it takes back one earlier fault.
	fn note_match(who: &AccountId);
}

impl<AccountId> VerifierFaults<AccountId> for () {
	fn note_fault(_: &AccountId) {}
	fn note_match(_: &AccountId) {}
}
