//! The offchain hook: what it submits, and that it submits each thing once.

use super::*;
use crate::impls::{MAX_SUBMISSIONS, RETRY_BLOCKS};
use assay_market::{mailbox_key, AbstainReason, JobId, MailboxEntry, SeatStatus};
use assay_pallet_testing::node::{surround, Pool};
use frame_support::traits::OffchainWorker;
use sp_core::offchain::StorageKind;

/// Runs a test on a node that has the keys of these verifiers.
fn with_keys(local: &[AccountId], test: impl FnOnce(Pool)) {
	with_keys_on(ExtBuilder::default().verifiers(3), local, test)
}

fn with_keys_on(chain: ExtBuilder, local: &[AccountId], test: impl FnOnce(Pool)) {
	let mut ext = chain.build();
	let pool = surround(&mut ext, local.iter().map(seed_of));
	Test::run(ext, || test(pool));
}

fn post_mail(id: JobId, purpose: Purpose, who: &AccountId, bytes: &[u8]) {
	use sp_core::Pair;
	let key = mailbox_key(&Market::genesis_hash(), &order(id), purpose, &pair(who).public());
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

fn attesting(id: JobId) -> impl Iterator<Item = crate::types::SeatOf<Test>> {
	crate::Seats::<Test>::get(id).into_iter().filter(|seat| seat.purpose == Purpose::Attest)
}

/// Runs the hook and the block that takes what it submitted.
fn run_hook(pool: &Pool) -> usize {
	<Market as OffchainWorker<u64>>::offchain_worker(now());
	let calls = pool.take::<Test>();
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
		let submitted = |pool: &Pool| {
			<Market as OffchainWorker<u64>>::offchain_worker(now());
			pool.take::<Test>()
		};
		let retry_of = |calls: &[RuntimeCall]| match calls {
			[RuntimeCall::Market(crate::Call::commit_verdict { retry, .. })] => *retry,
			other => panic!("one commitment: {other:?}"),
		};
		let first = retry_of(&submitted(&pool));
		for _ in 0..RETRY_BLOCKS {
			assert_eq!(submitted(&pool), [], "the pool may have it");
			roll(1);
		}
		let again = submitted(&pool);
		assert_eq!(retry_of(&again), first + 1);
		assert_ok!(apply(again.into_iter().next().expect("one")));
	});
}

/// A verifier of many jobs: what is due is said within some runs, and nothing twice.
#[test]
fn hook_should_say_each_thing_once_when_more_is_due_than_one_run_says() {
	let local = [verifier(0), verifier(1), verifier(2)];
	with_keys(&local, |pool| {
		let jobs: Vec<_> = (0..MAX_SUBMISSIONS).map(|_| post(standard())).collect();
		roll_past_deadline(jobs[0]);
		// A block draws for so many and leaves the others to the next.
		while jobs.iter().any(|id| attesting(*id).count() == 0) {
			roll(1);
		}
		for (id, who) in jobs.iter().flat_map(|id| local.iter().map(move |who| (*id, who))) {
			post_mail(id, Purpose::Attest, who, &MailboxEntry::Attested { ok: true }.to_bytes());
		}
		let mut said = Vec::new();
		let runs = [(); 4].map(|()| {
			<Market as OffchainWorker<u64>>::offchain_worker(now());
			let calls = pool.take::<Test>();
			let count = calls.len();
			said.extend(calls);
			count
		});
		assert_eq!(runs, [MAX_SUBMISSIONS, MAX_SUBMISSIONS, MAX_SUBMISSIONS, 0]);
		for call in said {
			assert_ok!(apply(call));
		}
	});
}

#[test]
fn hook_should_begin_with_what_is_soonest_too_late_when_much_is_due() {
	with_keys(&[verifier(0)], |pool| {
		let older = post_verifying(&right());
		post_mail(older, Purpose::Verify, &verifier(0), &replayed(older, &verifier(0), &right()));
		let jobs = [(); 8].map(|()| post(standard()));
		roll_past_deadline(jobs[0]);
		let drawn =
			jobs.into_iter().find(|id| attesting(*id).any(|seat| seat.account == verifier(0)));
		let newer = drawn.expect("drawn for one of eight");
		let attested = MailboxEntry::Attested { ok: true }.to_bytes();
		post_mail(newer, Purpose::Attest, &verifier(0), &attested);
		let of_seat = |id| attesting(id).map(|seat| seat.deadline).min();
		let soonest = match of_seat(newer) < Some(job(older).deadline) {
			true => [newer, older],
			false => [older, newer],
		};
		<Market as OffchainWorker<u64>>::offchain_worker(now());
		let order = pool.take::<Test>().into_iter().map(|call| match call {
			RuntimeCall::Market(crate::Call::commit_verdict { job, .. }) => job,
			RuntimeCall::Market(crate::Call::attest_inputs { job, .. }) => job,
			other => panic!("{other:?}"),
		});
		assert_eq!(order.collect::<Vec<_>>(), soonest);
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
