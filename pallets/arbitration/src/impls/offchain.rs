//! The thin offchain hook: signs the moves that the node's verifier service has found, and submits
//! them.

use crate::{Call, Config, Pallet};
use alloc::vec::Vec;
use assay_market::{
	dispute_key, submissions, verifier::signing_payload, ChallengeMove, DisputeDuty, DisputeEntry,
	DisputedResult, Hash, Submissions, VerifierId,
};
use codec::{Decode, Encode, Input};
use frame_system::{offchain::SubmitTransaction, pallet_prelude::BlockNumberFor};
use sp_application_crypto::RuntimeAppPublic;
use sp_runtime::{offchain::storage::StorageValueRef, traits::SaturatedConversion};

/// A move that no block has taken is submitted again, with another discriminator, after so many
/// blocks: a transaction that the pool has banned by its hash would never come back otherwise.
pub(crate) const RETRY_BLOCKS: u32 = 2;

/// Most transactions that one run of the hook submits; the next run goes on.
pub(crate) const MAX_SUBMISSIONS: usize = 16;

/// Where the hook notes what it has submitted, in the node's persistent offchain storage.
const SUBMITTED: &[u8] = b"assay/arbitration/submitted";

type DutyOf<T> =
	DisputeDuty<<T as frame_system::Config>::AccountId, crate::BalanceOf<T>, BlockNumberFor<T>>;

impl<T: Config> Pallet<T> {
	/// Submits the moves that are left for this node's own keys, where the lane still stands as it
	/// did when they were found. What was submitted of late waits for a block.
	pub(crate) fn submit_moves(now: BlockNumberFor<T>) {
		let keys = VerifierId::all();
		if keys.is_empty() {
			return;
		}
		let genesis = Self::genesis_hash();
		let block = now.saturated_into::<u64>();
		let submitted = Submissions::at(SUBMITTED, block, RETRY_BLOCKS);
		let due: Vec<_> = Self::disputes(&keys)
			.into_iter()
			.filter_map(|duty| {
				let (action, digest) = Self::move_due(&genesis, &duty)?;
				Some((duty, action, digest)).filter(|_| !submitted.has(&digest))
			})
			.filter(|(duty, action, _)| {
				Self::check_move(duty.job, &duty.result.order, &duty.account, action).is_ok()
			})
			.take(MAX_SUBMISSIONS)
			.collect();
		if due.is_empty() || !submitted.note(due.iter().map(|(.., digest)| *digest)) {
			return;
		}
		let retry = (block / u64::from(RETRY_BLOCKS)) as u32;
		for (duty, action, _) in due {
			Self::submit(&genesis, duty, action, retry);
		}
	}

	/// The move that is due, and what tells it from all others: the same move may be due again in
	/// another state of the lane.
	fn move_due(genesis: &Hash, duty: &DutyOf<T>) -> Option<(ChallengeMove, Hash)> {
		let key = dispute_key(genesis, &duty.result.order, &duty.key);
		let stored = StorageValueRef::persistent(&key);
		let entry = match stored.get::<RawEntry>() {
			Ok(Some(RawEntry(bytes))) => DisputeEntry::from_bytes(&bytes).ok()?,
			_ => return None,
		};
		let opened = duty.lane.as_ref().map(|lane| lane.opened.len() as u32);
		let parts = duty.lane.as_ref().map_or(0, |lane| lane.parts);
		let list = duty.lane.as_ref().and_then(|lane| lane.list);
		let same = (entry.opened, entry.list, entry.parts) == (opened, list, parts);
		let digest = submissions::digest(&(&duty.result.order, &duty.account, &entry));
		same.then_some((entry.action, digest))
	}

	fn submit(genesis: &Hash, duty: DutyOf<T>, action: ChallengeMove, retry: u32) {
		let DisputeDuty { job, account, key, result: DisputedResult { order, .. }, .. } = duty;
		if let ChallengeMove::Prove { part } = &action {
			let bytes = part.encoded_size() as u32;
			if !Self::can_pay(&account, bytes) {
				log::error!(
					target: crate::LOG_TARGET,
					"job {job}: the result is proved wrong, and {account:?} cannot pay for a part of the proof \
					({:?} units, which come back with the others once the result falls). Send it some at once!",
					Self::fee_of_part(bytes),
				);
				return;
			}
		}
		let signed = Self::signed_action(job, &account, &action);
		let payload = signing_payload(genesis, job, &order, &account, retry, &signed);
		let Some(signature) = key.sign(&payload) else {
			log::warn!(target: crate::LOG_TARGET, "job {job}: the keystore does not sign for {key:?}");
			return;
		};
		let call = Call::move_as_verifier { job, order, account, action, retry, signature };
		let transaction = T::create_authorized_transaction(call.into());
		match SubmitTransaction::<T, Call<T>>::submit_transaction(transaction) {
			Ok(()) => log::debug!(target: crate::LOG_TARGET, "job {job}: submitted a move"),
			Err(()) => log::debug!(target: crate::LOG_TARGET, "job {job}: the pool refuses a move"),
		}
	}
}

/// The bytes of an entry as they lie in storage, whatever they are.
struct RawEntry(Vec<u8>);

impl Decode for RawEntry {
	fn decode<I: Input>(input: &mut I) -> Result<Self, codec::Error> {
		let length = input.remaining_len()?.unwrap_or_default();
		let mut bytes = alloc::vec![0; length];
		input.read(&mut bytes)?;
		Ok(Self(bytes))
	}
}
