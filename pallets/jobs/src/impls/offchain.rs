//! The thin offchain hook: signs what the node's verifier service has found and submits it.

use crate::{BalanceOf, Call, Chunks, Config, Pallet};
use alloc::vec::Vec;
use assay_commitments::verdict_commitment;
use assay_market::{
	mailbox_key, submissions, verifier::signing_payload, Assignment, Hash, JobId, LotteryDuty,
	MailboxEntry, Phase, Purpose, SeatStatus, Submissions, VerifierAction, VerifierId,
};
use codec::Encode;
use frame_system::{offchain::SubmitTransaction, pallet_prelude::BlockNumberFor};
use sp_application_crypto::RuntimeAppPublic;
use sp_runtime::{
	offchain::storage::StorageValueRef,
	traits::{SaturatedConversion, Saturating},
};

/// An action that no block has taken is submitted again, with another discriminator, after so many
/// blocks: a transaction that the pool has banned by its hash would never come back otherwise.
pub(crate) const RETRY_BLOCKS: u32 = 4;

/// Most transactions that one run of the hook submits, which bounds its time: a pool validates
/// each. The next run goes on; what is soonest too late comes first.
pub(crate) const MAX_SUBMISSIONS: usize = 64;

/// Where the hook notes what it has submitted, in the node's persistent offchain storage.
const SUBMITTED: &[u8] = b"assay/jobs/submitted";

/// So many blocks before the reveal deadline a verdict is opened without the chunks of its trace,
/// where the mailbox still has none: an open root without proof is better than a hidden one.
pub(crate) const BARE_OPENING_BLOCKS: u32 = 3;

type AssignmentOf<T> =
	Assignment<<T as frame_system::Config>::AccountId, BalanceOf<T>, BlockNumberFor<T>>;

type LotteryDutyOf<T> =
	LotteryDuty<<T as frame_system::Config>::AccountId, BalanceOf<T>, BlockNumberFor<T>>;

/// What a key of this node has to say about a job.
struct Finding<AccountId> {
	job: JobId,
	order: Hash,
	account: AccountId,
	key: VerifierId,
	action: VerifierAction,
	chunks: Option<Chunks>,
}

impl<AccountId: Encode> Finding<AccountId> {
	fn digest(&self) -> Hash {
		submissions::digest(&(&self.order, &self.account, &self.action))
	}
}

type FindingOf<T> = Finding<<T as frame_system::Config>::AccountId>;

impl<T: Config> Pallet<T> {
	/// Submits what the mailbox holds for the node's own keys and the chain does not have yet.
	///
	/// What is due follows from the chain and the mailbox, so a restarted node goes on in any
	/// phase. What was submitted of late waits for a block.
	pub(crate) fn submit_findings(now: BlockNumberFor<T>) {
		let keys = VerifierId::all();
		if keys.is_empty() {
			return;
		}
		let genesis = Self::genesis_hash();
		let block = now.saturated_into::<u64>();
		let submitted = Submissions::at(SUBMITTED, block, RETRY_BLOCKS);
		let seats = Self::assignments(&keys)
			.into_iter()
			.filter_map(|assignment| Self::finding_of_seat(&genesis, assignment, now));
		let lotteries = Self::lotteries(&keys)
			.into_iter()
			.filter_map(|duty| Self::finding_of_winner(&genesis, duty));
		let mut due: Vec<_> = seats
			.chain(lotteries)
			.filter(|finding| !submitted.has(&finding.digest()))
			.filter_map(|finding| {
				let Finding { job, order, account, action, .. } = &finding;
				let accepted = Self::check_action(*job, order, account, action).ok()?;
				Some((accepted.deadline, finding))
			})
			.collect();
		due.sort_by_key(|(deadline, finding)| (*deadline, finding.job));
		let due: Vec<_> = due
			.into_iter()
			.map(|(_, finding)| finding)
			.filter(|Finding { job, account, action, chunks, .. }| {
				let chunks = chunks.as_ref().map(|chunks| &chunks[..]).unwrap_or_default();
				Self::check_evidence(*job, account, action, chunks).is_ok()
			})
			.take(MAX_SUBMISSIONS)
			.collect();
		if due.is_empty() || !submitted.note(due.iter().map(Finding::digest)) {
			return;
		}
		let retry = (block / u64::from(RETRY_BLOCKS)) as u32;
		for finding in due {
			Self::submit(&genesis, finding, retry);
		}
	}

	/// What an account that has a seat should say next, going by its mailbox.
	fn finding_of_seat(
		genesis: &Hash,
		assignment: AssignmentOf<T>,
		now: BlockNumberFor<T>,
	) -> Option<FindingOf<T>> {
		let wanted = match assignment.status {
			SeatStatus::Pending => true,
			SeatStatus::Committed => assignment.can_reveal,
			// Outputs that could not be had at first.
			SeatStatus::Attested(false) => assignment.purpose == Purpose::Keep,
			_ => false,
		};
		if !wanted {
			return None;
		}
		let Assignment { job, order, purpose, .. } = assignment;
		let entry = Self::mail(genesis, job, &order, purpose, &assignment.key)?;
		let drawn_at = assignment.draw_block.saturated_into();
		let (action, chunks) = match (entry, purpose) {
			(MailboxEntry::Attested { ok }, Purpose::Attest) => {
				(VerifierAction::AttestInputs { ok, drawn_at }, None)
			}
			(MailboxEntry::Attested { ok }, Purpose::Keep) => {
				(VerifierAction::AttestOutputs { ok, drawn_at }, None)
			}
			(MailboxEntry::Replayed { run_root, salt, chunks, .. }, Purpose::Verify) => {
				let chunks = Self::chunks_to_show(&assignment, &run_root, &salt, chunks);
				// Hidden verdicts of a job that is past its reveals are taken for accomplices' any
				// time.
				let last = assignment
					.reveal_deadline
					.is_some_and(|end| now.saturating_add(BARE_OPENING_BLOCKS.into()) >= end);
				if chunks.is_none() && !last && assignment.phase != Phase::Challengeable {
					return None;
				}
				let chunks_follow = chunks.is_some();
				(VerifierAction::RevealVerdict { run_root, salt, chunks: chunks_follow }, chunks)
			}
			(entry, _) => {
				Self::warn_of(job, purpose, &entry);
				return None;
			}
		};
		let Assignment { account, key, .. } = assignment;
		Some(Finding { job, order, account, key, action, chunks })
	}

	/// The chunks of the mailbox, if the chain would accept them now.
	fn chunks_to_show(
		assignment: &AssignmentOf<T>,
		run_root: &Hash,
		salt: &Hash,
		chunks: Option<Vec<assay_market::SampledChunk>>,
	) -> Option<Chunks> {
		assignment.sample?;
		let chunks = Chunks::try_from(chunks?).ok()?;
		let Assignment { job, account, .. } = assignment;
		let action =
			VerifierAction::RevealVerdict { run_root: *run_root, salt: *salt, chunks: true };
		Self::check_evidence(*job, account, &action, &chunks).ok()?;
		Some(chunks)
	}

	/// What a validator should say in a lottery, going by its mailbox: nothing is there unless it
	/// won.
	fn finding_of_winner(genesis: &Hash, duty: LotteryDutyOf<T>) -> Option<FindingOf<T>> {
		let LotteryDuty { job, order, account, key, .. } = duty;
		let action = match Self::mail(genesis, job, &order, Purpose::Verify, &key)? {
			MailboxEntry::Abstain { reason, ticket: Some(ticket) } => {
				VerifierAction::Abstain { reason, ticket }
			}
			MailboxEntry::Replayed { run_root, salt, ticket: Some(ticket), .. } => {
				let bytes = Self::account_bytes(&account);
				let commitment = verdict_commitment(genesis, &order, &bytes, &run_root, &salt);
				VerifierAction::CommitVerdict { commitment, ticket }
			}
			entry => {
				Self::warn_of(job, Purpose::Verify, &entry);
				return None;
			}
		};
		Some(Finding { job, order, account, key, action, chunks: None })
	}

	fn mail(
		genesis: &Hash,
		job: JobId,
		order: &Hash,
		purpose: Purpose,
		key: &VerifierId,
	) -> Option<MailboxEntry> {
		let mailbox = mailbox_key(genesis, order, purpose, key);
		let Ok(Some(RawEntry(bytes))) = StorageValueRef::persistent(&mailbox).get() else {
			return None;
		};
		MailboxEntry::from_bytes(&bytes)
			.inspect_err(|error| {
				log::warn!(
					target: crate::LOG_TARGET,
					"job {job}: the mailbox of {purpose:?} is unreadable: {error:?}",
				)
			})
			.ok()
	}

	fn warn_of(job: JobId, purpose: Purpose, entry: &MailboxEntry) {
		let kind = match entry {
			MailboxEntry::Attested { .. } => "an attestation",
			MailboxEntry::Replayed { .. } => "a replay",
			MailboxEntry::Abstain { .. } => "an abstention",
		};
		log::warn!(
			target: crate::LOG_TARGET,
			"job {job}: the mailbox of {purpose:?} holds {kind}, which says nothing here",
		);
	}

	fn submit(genesis: &Hash, finding: FindingOf<T>, retry: u32) {
		let Finding { job, order, account, key, action, chunks } = finding;
		let payload = signing_payload(genesis, job, &order, &account, retry, &action);
		let Some(signature) = key.sign(&payload) else {
			log::warn!(target: crate::LOG_TARGET, "job {job}: the keystore does not sign for {key:?}");
			return;
		};
		let call = match action {
			VerifierAction::AttestInputs { ok, .. } => {
				Call::attest_inputs { job, order, account, ok, retry, signature }
			}
			VerifierAction::CommitVerdict { commitment, ticket } => {
				Call::commit_verdict { job, order, account, commitment, ticket, retry, signature }
			}
			VerifierAction::Abstain { reason, ticket } => {
				Call::abstain { job, order, account, reason, ticket, retry, signature }
			}
			VerifierAction::RevealVerdict { run_root, salt, .. } => Call::reveal_verdict {
				job,
				order,
				account,
				run_root,
				salt,
				chunks,
				retry,
				signature,
			},
			VerifierAction::AttestOutputs { ok, .. } => {
				Call::attest_outputs { job, order, account, ok, retry, signature }
			}
			// Submitted by the arbitration pallet's hook; the mailbox of a seat never asks for one.
			VerifierAction::Challenge { .. } => return,
		};
		let transaction = T::create_authorized_transaction(call.into());
		match SubmitTransaction::<T, Call<T>>::submit_transaction(transaction) {
			Ok(()) => log::debug!(target: crate::LOG_TARGET, "job {job}: submitted an action"),
			Err(()) => {
				log::debug!(target: crate::LOG_TARGET, "job {job}: the pool refuses an action")
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
