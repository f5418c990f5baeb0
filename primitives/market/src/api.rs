//! The runtime API of the market.

use crate::{
	Assignment, DisputeDuty, DisputedResult, Hash, JobId, JobView, LaneView, LotteryDuty,
	Settlement, Settlements, Standing, VerifierId,
};
use alloc::vec::Vec;
use codec::Codec;

/// Most session keys that one question is about. Whoever has more asks again with the others.
pub const MAX_KEYS: usize = 64;

sp_api::decl_runtime_apis! {
	/// Questions about jobs that the node and the clients ask.
	pub trait MarketApi<AccountId, Balance, BlockNumber>
	where
		AccountId: Codec,
		Balance: Codec,
		BlockNumber: Codec,
	{
		/// The seats of these session keys (the first [`MAX_KEYS`] of them) in jobs that have not
		/// ended, oldest job first. A seat to verify exists from its commitment on.
		fn assignments(keys: Vec<VerifierId>) -> Vec<Assignment<AccountId, Balance, BlockNumber>>;

		/// The open lotteries that these session keys (the first [`MAX_KEYS`] of them) may take
		/// part in and have not answered yet, oldest job first. Whether a key has won, and in which
		/// tranche, its owner alone can tell.
		fn lotteries(keys: Vec<VerifierId>) -> Vec<LotteryDuty<AccountId, Balance, BlockNumber>>;

		/// Everything about a job; a summary when it was pruned, `None` when it is forgotten.
		fn job(id: JobId) -> Option<JobView<AccountId, Balance, BlockNumber>>;

		/// Up to `limit` (at most 64) jobs with an id of at least `from`, in order.
		fn jobs(from: JobId, limit: u32) -> Vec<JobView<AccountId, Balance, BlockNumber>>;

		/// The number that the next job will have.
		fn next_job() -> JobId;

		/// The bytes of a registered program.
		fn program(id: Hash) -> Option<Vec<u8>>;

		/// The price at which the job could be claimed in the next block.
		fn current_price(id: JobId) -> Option<Balance>;
	}

	/// Questions about disputes that the node and the clients ask.
	pub trait ArbitrationApi<AccountId, Balance, BlockNumber>
	where
		AccountId: Codec,
		Balance: Codec,
		BlockNumber: Codec,
	{
		/// What may be disputed of a job: its opened result, `None` before the reveal and after the
		/// end.
		fn disputed_result(id: JobId) -> Option<DisputedResult>;

		/// The lanes of a job, up to 256 of them.
		fn lanes(id: JobId) -> Vec<LaneView<AccountId, Balance, BlockNumber>>;

		/// The lane of one account.
		fn lane(id: JobId, challenger: AccountId) -> Option<LaneView<AccountId, Balance, BlockNumber>>;

		/// The results that the verdicts of these session keys (the first [`MAX_KEYS`] of them)
		/// differ from, with their lanes.
		fn disputes(keys: Vec<VerifierId>) -> Vec<DisputeDuty<AccountId, Balance, BlockNumber>>;
	}

	/// Questions that a validator asks before it votes for finality.
	pub trait FinalityApi {
		/// What the block at whose state this is asked has paid for.
		fn settlements() -> Settlements;

		/// Where these results (at most 256 of them) stand in the state at which this is asked, in
		/// the same order.
		fn standings(results: Vec<Settlement>) -> Vec<Standing>;
	}
}
