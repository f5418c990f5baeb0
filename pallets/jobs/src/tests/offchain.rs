//! The offchain hook: what it submits, and that it submits each thing once.

use super::*;
use crate::impls::RETRY_BLOCKS;
use assay_market::{
	mailbox_key, verifier_crypto::KEY_TYPE, AbstainReason, JobId, MailboxEntry, SeatStatus,
};
use codec::Decode;
use frame_support::traits::OffchainWorker;
use sp_core::offchain::{
	testing::TestOffchainExt, OffchainDbExt, OffchainWorkerExt, StorageKind, TransactionPool,
	TransactionPoolExt,
};
use sp_keystore::{testing::MemoryKeystore, Keystore, KeystoreExt};
use std::sync::{Arc, Mutex};

/// What was submitted.
#[derive(Clone, Default)]
struct Pool(Arc<Mutex<Vec<Vec<u8>>>>);

impl TransactionPool for Pool {
	fn submit_transaction(&mut self, extrinsic: Vec<u8>) -> Result<(), ()> {
		self.0.lock().expect("never poisoned").push(extrinsic);
		Ok(())
	}
}

impl Pool {
	fn take(&self) -> Vec<RuntimeCall> {
		std::mem::take(&mut *self.0.lock().expect("never poisoned"))
			.iter()
			.map(|bytes| Extrinsic::decode(&mut &bytes[..]).expect("an extrinsic").function)
			.collect()
	}
}

/// Runs a test on a node that has the keys of these verifiers.
fn with_keys(local: &[AccountId], test: impl FnOnce(Pool)) {
	with_keys_on(ExtBuilder::default().verifiers(3), local, test)
}

fn with_keys_on(chain: ExtBuilder, local: &[AccountId], test: impl FnOnce(Pool)) {
	let pool = Pool::default();
	let keystore = MemoryKeystore::new();
	for who in local {
		keystore.sr25519_generate_new(KEY_TYPE, Some(&seed_of(who))).expect("a good seed");
	}
	let (offchain, _) = TestOffchainExt::new();
	let mut ext = chain.build();
	ext.register_extension(OffchainDbExt::new(offchain.clone()));
	ext.register_extension(OffchainWorkerExt::new(offchain));
	ext.register_extension(TransactionPoolExt::new(pool.clone()));
	ext.register_extension(KeystoreExt::new(keystore));
	ext.execute_with(|| {
		let before = all_money();
		test(pool);
		check_invariants(before);
	});
}

fn post_mail(id: JobId, purpose: Purpose, who: &AccountId, bytes: &[u8]) {
	use sp_core::Pair;
	let key =
		mailbox_key(&Market::genesis_hash(), &order(id), purpose, &pair(&seed_of(who)).public());
	sp_io::offchain::local_storage_set(StorageKind::PERSISTENT, &key, bytes);
}

/// What the service writes when a replay has finished.
fn replayed(id: JobId, who: &AccountId, run: &Run) -> Vec<u8> {
	let (run_root, salt, ticket) = (run.root(), SALT, Some(ticket(id, who)));
	MailboxEntry::Replayed { run_root, salt, ticket, chunks: None }.to_bytes()
}

/// What it writes when the sample is known.
fn sampled(id: JobId, who: &AccountId, run: &Run) -> Vec<u8> {
	let chunks = run.chunks(&sample_seed(id).expect("drawn"), who).into_inner();
	let (run_root, salt) = (run.root(), SALT);
	MailboxEntry::Replayed { run_root, salt, ticket: None, chunks: Some(chunks) }.to_bytes()
}

/// Runs the hook and the block that takes what it submitted.
fn run_hook(pool: &Pool) -> usize {
	<Market as OffchainWorker<u64>>::offchain_worker(now());
	let calls = pool.take();
	let count = calls.len();
	for call in calls {
		assert_ok!(apply(call));
	}
	count
}

#[test]
fn hook_should_carry_a_job_from_attestation_to_reveal_when_the_mailbox_is_filled() {
	let local = [verifier(0), verifier(1), verifier(2)];
	with_keys(&local, |pool| {
		let id = post(standard());
		roll_past_deadline(id);
		assert_eq!(run_hook(&pool), 0, "nothing in the mailbox");
		for who in &local[..2] {
			post_mail(id, Purpose::Attest, who, &MailboxEntry::Attested { ok: true }.to_bytes());
		}
		assert_eq!(run_hook(&pool), 2);
		assert_eq!(phase(id), Phase::Open);
		assert_ok!(claim(id, provider()));
		assert_ok!(commit_result(id, &right()));
		roll_past_deadline(id);
		for who in &local[..2] {
			post_mail(id, Purpose::Verify, who, &replayed(id, who, &right()));
		}
		let ticket = Some(ticket(id, &local[2]));
		let abstention = MailboxEntry::Abstain { reason: AbstainReason::OutOfMemory, ticket };
		post_mail(id, Purpose::Verify, &local[2], &abstention.to_bytes());
		assert_eq!(run_hook(&pool), 3);
		assert_eq!(phase(id), Phase::Revealing);
		assert_eq!(run_hook(&pool), 0, "the positions are not drawn");
		await_sample(id);
		assert_eq!(run_hook(&pool), 0, "the chunks are not in the mailbox");
		for who in &local[..2] {
			post_mail(id, Purpose::Verify, who, &sampled(id, who, &right()));
		}
		assert_eq!(run_hook(&pool), 2);
		assert_eq!(run_hook(&pool), 0, "everything is on chain");
		let origin = RuntimeOrigin::signed(provider());
		let opening = right().opening();
		assert_ok!(Market::reveal_result(
			origin,
			id,
			order(id),
			right().root(),
			SALT,
			opening,
			None
		));
		// Outputs that cannot be had at first, and then can.
		for ok in [false, true] {
			for who in &local {
				post_mail(id, Purpose::Keep, who, &MailboxEntry::Attested { ok }.to_bytes());
			}
			assert_eq!((run_hook(&pool), run_hook(&pool)), (3, 0), "{ok}");
		}
		roll_past_deadline(id);
		assert_eq!(ending(id), (Phase::Settled, Some(ReasonCode::Paid)));
	});
}

#[test]
fn hook_should_open_without_chunks_when_they_do_not_come_in_time() {
	with_keys(&[verifier(0), verifier(1)], |pool| {
		let id = post_verifying(&right());
		for who in [verifier(0), verifier(1)] {
			post_mail(id, Purpose::Verify, &who, &replayed(id, &who, &right()));
		}
		assert_eq!(run_hook(&pool), 2);
		close(id);
		assert_ok!(reveal_result(id, &right()));
		// Chunks of another verifier are not what the chain asks for: as good as none.
		post_mail(id, Purpose::Verify, &verifier(0), &sampled(id, &verifier(2), &right()));
		let last = job(id).deadline - u64::from(crate::impls::BARE_OPENING_BLOCKS);
		while now() < last {
			assert_eq!(run_hook(&pool), 0);
			roll(1);
		}
		assert_eq!((run_hook(&pool), phase(id)), (2, Phase::Challengeable));
		let verdicts = Market::job_view(id).expect("exists").verdicts.into_iter();
		let status: Vec<_> = verdicts
			.filter(|seat| seat.purpose == Purpose::Verify)
			.map(|seat| seat.status)
			.collect();
		assert_eq!(status, [SeatStatus::Opened, SeatStatus::Opened]);
	});
}

/// The job may end any time then, and whoever hides a verdict at its end is taken for an accomplice.
#[test]
fn hook_should_open_at_once_when_it_has_missed_the_reveal_phase() {
	let chain = ExtBuilder::default().verifiers(3).parameters(|p| p.quorum = 1);
	with_keys_on(chain, &[verifier(0)], |pool| {
		let id = post_verifying(&right());
		post_mail(id, Purpose::Verify, &verifier(0), &replayed(id, &verifier(0), &right()));
		assert_eq!(run_hook(&pool), 1);
		close(id);
		assert_ok!(reveal_result(id, &right()));
		roll_past_deadline(id);
		assert_eq!((phase(id), run_hook(&pool)), (Phase::Challengeable, 1));
	});
}

/// Whoever has not won finds out alone, and its node says nothing at all.
#[test]
fn hook_should_say_nothing_when_the_ticket_is_in_no_open_tranche() {
	let all: Vec<_> = (0..12).map(verifier).collect();
	with_keys_on(ExtBuilder::default().verifiers(12).narrow(), &all, |pool| {
		let id = post_verifying(&right());
		let won = winners(id);
		for who in &all {
			post_mail(id, Purpose::Verify, who, &replayed(id, who, &right()));
		}
		assert_eq!((run_hook(&pool), won.len() < 12), (won.len(), true));
		let mut seats = seated(id);
		seats.sort();
		assert_eq!(seats, won);
	});
}

#[test]
fn hook_should_only_speak_for_its_own_keys_when_others_are_drawn_too() {
	with_keys(&[verifier(1)], |pool| {
		let id = post_verifying(&right());
		for who in committee(id) {
			post_mail(id, Purpose::Verify, &who, &replayed(id, &who, &right()));
		}
		assert_eq!(run_hook(&pool), 1);
		let said: Vec<_> = Market::job_view(id)
			.expect("exists")
			.verdicts
			.into_iter()
			.filter(|verdict| verdict.status == SeatStatus::Committed)
			.map(|verdict| verdict.account)
			.collect();
		assert_eq!(said, [verifier(1)]);
	});
}

#[test]
fn hook_should_retry_with_another_transaction_when_the_first_was_not_included() {
	with_keys(&[verifier(0)], |pool| {
		let id = post_verifying(&right());
		post_mail(id, Purpose::Verify, &verifier(0), &replayed(id, &verifier(0), &right()));
		let start = now().next_multiple_of(RETRY_BLOCKS.into());
		roll_to(start);
		let submitted = |pool: &Pool| {
			<Market as OffchainWorker<u64>>::offchain_worker(now());
			pool.take().pop().expect("one submission")
		};
		let first = submitted(&pool);
		let RuntimeCall::Market(crate::Call::commit_verdict { retry: first_retry, .. }) = first
		else {
			panic!("a commitment")
		};
		roll(1);
		let RuntimeCall::Market(crate::Call::commit_verdict { retry, .. }) = submitted(&pool)
		else {
			panic!("a commitment")
		};
		assert_eq!(retry, first_retry, "the pool knows this one");
		roll_to(start + u64::from(RETRY_BLOCKS));
		let again = submitted(&pool);
		let RuntimeCall::Market(crate::Call::commit_verdict { retry, .. }) = &again else {
			panic!("a commitment")
		};
		assert_eq!(*retry, first_retry + 1);
		assert_ok!(apply(again));
	});
}

#[test]
fn hook_should_say_nothing_when_the_mailbox_holds_rubbish() {
	with_keys(&[verifier(0)], |pool| {
		let id = post_verifying(&right());
		let good = replayed(id, &verifier(0), &right());
		let mut other_version = good.clone();
		other_version[0] = 9;
		let attestation = MailboxEntry::Attested { ok: true }.to_bytes();
		let (run_root, salt) = (right().root(), SALT);
		let lost = MailboxEntry::Replayed { run_root, salt, ticket: None, chunks: None }.to_bytes();
		let others = replayed(id, &verifier(1), &right());
		let rubbish =
			[&[][..], &good[..good.len() - 1], &other_version, &attestation, &lost, &others];
		for bytes in rubbish {
			post_mail(id, Purpose::Verify, &verifier(0), bytes);
			assert_eq!(run_hook(&pool), 0, "{bytes:?}");
		}
		post_mail(id, Purpose::Verify, &verifier(0), &good);
		assert_eq!(run_hook(&pool), 1);
	});
}

#[test]
fn hook_should_say_nothing_when_the_node_has_no_keys() {
	with_keys(&[], |pool| {
		let id = post_verifying(&right());
		for who in committee(id) {
			post_mail(id, Purpose::Verify, &who, &replayed(id, &who, &right()));
		}
		assert_eq!(run_hook(&pool), 0);
	});
}
