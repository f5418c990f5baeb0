//! The hook that signs and submits what the mailbox holds.

use super::*;
use crate::impls::{MAX_SUBMISSIONS, RETRY_BLOCKS};
use assay_market::{dispute_key, mailbox::MAILBOX_VERSION, DisputeEntry, JobId};
use assay_pallet_testing::node::{surround, Pool};
use frame_support::traits::OffchainWorker;
use sp_core::{offchain::StorageKind, Pair};

/// Runs a test on a node that has the keys of these verifiers.
fn with_keys(local: &[AccountId], test: impl FnOnce(Pool)) {
	let mut ext = new_test_ext();
	let pool = surround(&mut ext, local.iter().map(seed_of));
	Test::run(ext, || test(pool));
}

fn post_bytes(id: JobId, who: &AccountId, bytes: &[u8]) {
	let key = dispute_key(&Arbitration::genesis_hash(), &order(id), &pair(who).public());
	sp_io::offchain::local_storage_set(StorageKind::PERSISTENT, &key, bytes);
}

/// Leaves a move as the service does: with how the lane stands.
fn post_move(id: JobId, who: &AccountId, action: ChallengeMove) {
	let view = Arbitration::lane(id, who.clone());
	let entry = DisputeEntry {
		opened: view.as_ref().map(|lane| lane.opened.len() as u32),
		list: view.as_ref().and_then(|lane| lane.list),
		parts: view.map_or(0, |lane| lane.parts),
		action,
	};
	post_bytes(id, who, &entry.to_bytes());
}

/// Runs the hook and gives what it submitted.
fn submitted(pool: &Pool) -> Vec<RuntimeCall> {
	<Arbitration as OffchainWorker<u64>>::offchain_worker(now());
	pool.take::<Test>()
}

/// Runs the hook and the block that takes what it submitted.
fn run_hook(pool: &Pool) -> usize {
	let calls = submitted(pool);
	let count = calls.len();
	for call in calls {
		assert_ok!(apply(call));
	}
	count
}

const FIRST: ChallengeMove = ChallengeMove::Demand { child: None };

#[test]
fn hook_should_carry_a_dispute_to_its_proof_when_the_mailbox_is_filled() {
	let who = verifier(0);
	with_keys(&[verifier(0)], |pool| {
		let id = post(lying());
		assert_eq!(run_hook(&pool), 0, "nothing in the mailbox");
		post_move(id, &who, FIRST);
		assert_eq!(run_hook(&pool), 1);
		assert_eq!(run_hook(&pool), 0, "an answer is owed");
		let accused = loop {
			assert_ok!(answer(id, &who, lying()));
			assert_eq!(run_hook(&pool), 0, "the move in the mailbox is the last one");
			match next_child(id, &who, honest()) {
				(_, Below::Chunk { step, anchor, tile }) => {
					break honest().accusation(Lie { step, anchor, tile })
				}
				(child, _) => post_move(id, &who, ChallengeMove::Demand { child: Some(child) }),
			}
			assert_eq!(run_hook(&pool), 1);
			roll(1);
		};
		let part = lying().proof(accused).remove(0);
		let commitment = commitment(id, &who, &part);
		post_move(id, &who, ChallengeMove::CommitProof { commitment });
		assert_eq!(run_hook(&pool), 1);
		assert_eq!(run_hook(&pool), 0, "it is committed already");
		post_move(id, &who, ChallengeMove::Prove { part: Box::new(part) });
		assert_eq!(run_hook(&pool), 1);
		assert_eq!(condemned(id), proven(&who));
		assert_eq!(run_hook(&pool), 0, "the job has ended");
	});
}

#[test]
fn hook_should_send_the_parts_one_by_one_when_the_proof_is_folded() {
	let who = verifier(2);
	with_keys(&[verifier(2)], |pool| {
		let id = post(lying_long());
		post_move(id, &who, FIRST);
		assert_eq!(run_hook(&pool), 1);
		assert_ok!(answer(id, &who, lying_long()));
		for part in lying_long().proof(lying_long().lie_accused()) {
			post_move(id, &who, ChallengeMove::Prove { part: Box::new(part) });
			assert_eq!(run_hook(&pool), 1);
			assert_eq!(run_hook(&pool), 0, "found for another part");
			// A block takes some bytes of parts alone.
			roll(1);
		}
		assert_eq!(condemned(id), proven(&who));
	});
}

#[test]
fn hook_should_say_nothing_when_the_lane_stands_otherwise_than_when_the_move_was_found() {
	let who = verifier(0);
	with_keys(&[verifier(0)], |pool| {
		let id = post(lying());
		post_move(id, &who, FIRST);
		assert_eq!(run_hook(&pool), 1);
		assert_ok!(answer(id, &who, lying()));
		let entry = |opened, parts| DisputeEntry {
			opened,
			list: None,
			parts,
			action: ChallengeMove::Demand { child: Some(1) },
		};
		let listed = DisputeEntry { list: Some([1; 32]), ..entry(Some(1), 0) };
		let wrong = [entry(None, 0), entry(Some(0), 0), entry(Some(2), 0), entry(Some(1), 1)];
		for wrong in wrong.into_iter().chain([listed]) {
			post_bytes(id, &who, &wrong.to_bytes());
			assert_eq!(run_hook(&pool), 0, "{wrong:?}");
		}
		post_bytes(id, &who, &entry(Some(1), 0).to_bytes());
		assert_eq!(run_hook(&pool), 1);
	});
}

#[test]
fn hook_should_only_speak_for_its_own_keys_when_others_differ_too() {
	with_keys(&[verifier(1)], |pool| {
		let id = post(lying());
		for index in 0..3 {
			post_move(id, &verifier(index), FIRST);
		}
		assert_eq!(run_hook(&pool), 1);
		assert!(has_lane(id, &verifier(1)) && !has_lane(id, &verifier(0)));
	});
}

#[test]
fn hook_should_say_nothing_when_the_verdict_does_not_differ() {
	with_keys(&[verifier(0)], |pool| {
		let id = post(honest());
		crate::mock::Seats::mutate(id, |seats| seats[0].2 = false);
		post_move(id, &verifier(0), FIRST);
		assert_eq!(run_hook(&pool), 0);
	});
}

#[test]
fn hook_should_say_nothing_when_the_mailbox_holds_rubbish() {
	let who = verifier(0);
	with_keys(&[verifier(0)], |pool| {
		let id = post(lying());
		let good = DisputeEntry { opened: None, list: None, parts: 0, action: FIRST }.to_bytes();
		let mut other_version = good.clone();
		other_version[0] = MAILBOX_VERSION + 1;
		let padded = [&good[..], &[0]].concat();
		for bytes in [&[][..], &good[..good.len() - 1], &other_version, &padded, &[1; 700_000]] {
			post_bytes(id, &who, bytes);
			assert_eq!(run_hook(&pool), 0, "{} bytes", bytes.len());
		}
		post_bytes(id, &who, &good);
		assert_eq!(run_hook(&pool), 1);
	});
}

#[test]
fn hook_should_say_nothing_when_the_chain_would_refuse_the_move() {
	let who = verifier(0);
	with_keys(&[verifier(0)], |pool| {
		let id = post(lying());
		post_move(id, &who, ChallengeMove::Demand { child: Some(0) });
		assert_eq!(run_hook(&pool), 0, "a first demand names no child");
		let part = lying().proof(lying().lie_accused()).remove(0);
		post_move(id, &who, ChallengeMove::Prove { part: Box::new(part) });
		assert_eq!(run_hook(&pool), 0, "a verifier proves in its lane");
		post_move(id, &who, FIRST);
		skip_to(job(id).deadline + 1);
		assert_eq!(run_hook(&pool), 0, "too late");
		skip_to(2);
	});
}

#[test]
fn hook_should_retry_with_another_transaction_when_the_first_was_not_included() {
	with_keys(&[verifier(0)], |pool| {
		let id = post(lying());
		post_move(id, &verifier(0), FIRST);
		let retry_of = |calls: &[RuntimeCall]| match calls {
			[RuntimeCall::Arbitration(crate::Call::move_as_verifier { retry, .. })] => *retry,
			other => panic!("one move: {other:?}"),
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

#[test]
fn hook_should_submit_a_few_in_one_block_when_many_are_due() {
	with_keys(&[verifier(0)], |pool| {
		for _ in 0..MAX_SUBMISSIONS + 2 {
			let id = post(lying());
			post_move(id, &verifier(0), FIRST);
		}
		assert_eq!(run_hook(&pool), MAX_SUBMISSIONS);
		assert_eq!(run_hook(&pool), 2);
	});
}

#[test]
fn hook_should_say_nothing_when_the_node_has_no_keys() {
	with_keys(&[], |pool| {
		let id = post(lying());
		post_move(id, &verifier(0), FIRST);
		assert_eq!(run_hook(&pool), 0);
	});
}
