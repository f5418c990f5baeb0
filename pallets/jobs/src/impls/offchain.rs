//! The thin offchain hook: signs what the node's verifier service has found and submits it.

use crate::{Call, Config, Pallet};
use alloc::vec::Vec;
use assay_commitments::verdict_commitment;
use assay_market::{
	mailbox_key, verifier::signing_payload, Assignment, Hash, MailboxEntry, Purpose, SeatStatus,
	VerifierAction, VerifierId,
};
use frame_system::{offchain::SubmitTransaction, pallet_prelude::BlockNumberFor};
use sp_application_crypto::RuntimeAppPublic;
use sp_runtime::{offchain::storage::StorageValueRef, traits::SaturatedConversion};

/// An action is submitted again, with another discriminator, once in so many blocks: a transaction
/// that the pool has banned by its hash would never come back otherwise.
pub(crate) const RETRY_BLOCKS: u32 = 4;

/// Most transactions that one run of the hook submits; the next block's run goes on.
const MAX_SUBMISSIONS: usize = 32;

type AssignmentOf<T> = Assignment<<T as frame_system::Config>::AccountId, BlockNumberFor<T>>;

impl<T: Config> Pallet<T> {
	/// Submits what the mailbox holds for the node's own keys and the chain does not have yet.
	///
	/// Keeps no state of its own: what is due follows from the chain and the mailbox, so a restarted
	/// node goes on in any phase, and a submission that is already pooled is refused by the pool.
	pub(crate) fn submit_findings(now: BlockNumberFor<T>) {
		let keys = VerifierId::all();
		if keys.is_empty() {
			return;
		}
		let genesis = Self::genesis_hash();
		let retry = (now.saturated_into::<u64>() / u64::from(RETRY_BLOCKS)) as u32;
		let due: Vec<_> = Self::assignments(&keys)
			.into_iter()
			.filter_map(|assignment| {
				let action = Self::action_due(&genesis, &assignment)?;
				Self::check_action(assignment.job, &assignment.account, &action).ok()?;
				Some((assignment, action))
			})
			.take(MAX_SUBMISSIONS)
			.collect();
		for (assignment, action) in due {
			Self::submit(&genesis, assignment, action, retry);
		}
	}

	/// What this seat should say next, going by its mailbox.
	fn action_due(genesis: &Hash, assignment: &AssignmentOf<T>) -> Option<VerifierAction> {
		let Assignment { job, purpose, key, account, status, can_reveal, .. } = assignment;
		let wanted = match status {
			SeatStatus::Pending => true,
			SeatStatus::Committed => *can_reveal,
			_ => false,
		};
		if !wanted {
			return None;
		}
		let mailbox = mailbox_key(genesis, *job, *purpose, key);
		let entry = match StorageValueRef::persistent(&mailbox).get::<RawEntry>() {
			Ok(Some(RawEntry(bytes))) => MailboxEntry::from_bytes(&bytes),
			_ => return None,
		};
		match (entry, purpose, status) {
			(Ok(MailboxEntry::Attested { ok }), Purpose::Attest, SeatStatus::Pending) => {
				Some(VerifierAction::AttestInputs { ok })
			}
			(Ok(MailboxEntry::Abstain(reason)), Purpose::Verify, SeatStatus::Pending) => {
				Some(VerifierAction::Abstain { reason })
			}
			(
				Ok(MailboxEntry::Replayed { run_root, salt }),
				Purpose::Verify,
				SeatStatus::Pending,
			) => {
				let account = Self::account_bytes(account);
				let commitment = verdict_commitment(genesis, *job, &account, &run_root, &salt);
				Some(VerifierAction::CommitVerdict { commitment })
			}
			(
				Ok(MailboxEntry::Replayed { run_root, salt }),
				Purpose::Verify,
				SeatStatus::Committed,
			) => Some(VerifierAction::RevealVerdict { run_root, salt }),
			(entry, ..) => {
				log::warn!(
					target: crate::LOG_TARGET,
					"job {job}: the mailbox of {purpose:?} holds {entry:?}, which says nothing here",
				);
				None
			}
		}
	}

	fn submit(genesis: &Hash, assignment: AssignmentOf<T>, action: VerifierAction, retry: u32) {
		let Assignment { job, account, key, .. } = assignment;
		let payload = signing_payload(genesis, job, &account, retry, &action);
		let Some(signature) = key.sign(&payload) else {
			log::warn!(target: crate::LOG_TARGET, "job {job}: the keystore does not sign for {key:?}");
			return;
		};
		let call = match action {
			VerifierAction::AttestInputs { ok } => {
				Call::attest_inputs { job, account, ok, retry, signature }
			}
			VerifierAction::CommitVerdict { commitment } => {
				Call::commit_verdict { job, account, commitment, retry, signature }
			}
			VerifierAction::Abstain { reason } => {
				Call::abstain { job, account, reason, retry, signature }
			}
			VerifierAction::RevealVerdict { run_root, salt } => {
				Call::reveal_verdict { job, account, run_root, salt, retry, signature }
			}
			// Submitted by the arbitration pallet's hook; the mailbox of a seat never asks for one.
			VerifierAction::Challenge { .. } => return,
		};
		let transaction = T::create_authorized_transaction(call.into());
		match SubmitTransaction::<T, Call<T>>::submit_transaction(transaction) {
			Ok(()) => log::debug!(target: crate::LOG_TARGET, "job {job}: submitted an action"),
			// Already pooled, most of the time.
			Err(()) => {
				log::debug!(target: crate::LOG_TARGET, "job {job}: the pool has it or refuses")
			}
		}
	}
}

/// The bytes of a mailbox entry as they lie in storage, whatever they are.
struct RawEntry(Vec<u8>);

impl codec::Decode for RawEntry {
	fn decode<I: codec::Input>(input: &mut I) -> Result<Self, codec::Error> {
		let length = input.remaining_len()?.unwrap_or_default();
		let mut bytes = alloc::vec![0; length];
		input.read(&mut bytes)?;
		Ok(Self(bytes))
	}
}
