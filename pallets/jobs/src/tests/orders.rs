//! A job's number may stand for another job on another fork: whoever binds itself names the order.

use super::*;
use assay_commitments::{result_commitment, SegmentsOpening};
use assay_market::{Checkpoints, Disputes, Hash, JobId, Order, VerifierAction};

/// Posts the `index`-th of two jobs that differ in price alone, as number 0 of a chain of its own.
fn on_fork(index: u64, test: impl FnOnce(JobId, Hash)) {
	ExtBuilder::default().build_and_execute(|| {
		let id = crate::NextJob::<Test>::get();
		assert_ok!(Market::post_job(
			RuntimeOrigin::signed(requester()),
			PROGRAM,
			vec![[1; 32], [2; 32]].try_into().expect("two inputs"),
			1,
			PRICE / 2,
			PRICE + index,
			10,
			unattested(),
		));
		test(id, order(id));
	});
}

fn orders() -> [Hash; 2] {
	[0, 1].map(|index| {
		let mut found = [0; 32];
		on_fork(index, |_, order| found = order);
		found
	})
}

#[test]
fn order_should_be_the_hash_of_what_was_asked_for() {
	on_fork(0, |id, found| {
		let record = job(id);
		let expected = Order {
			genesis: Market::genesis_hash(),
			job: id,
			requester: &requester(),
			program: PROGRAM,
			input_roots: &[[1; 32], [2; 32]],
			steps: 1,
			price_start: PRICE / 2,
			price_max: PRICE,
			ramp_blocks: 10u64,
			assurance: record.offer.assurance,
		};
		assert_eq!(found, expected.hash());
		assert_eq!(Market::job_view(id).map(|view| view.order), Some(found));
		assert_eq!(<Market as Disputes<_, _, _>>::order(id), Some(found));
		assert_eq!(<Market as Disputes<_, _, _>>::order(id + 1), None);
		// Two equal posts are two orders.
		assert_ne!(order(post_open()), order(post_open()));
	});
	let [one, other] = orders();
	assert_ne!(one, other);
}

/// A call that was signed for the job of one fork binds nobody to the other.
#[test]
fn call_should_be_refused_when_its_order_is_of_another_fork() {
	let [_, other] = orders();
	on_fork(0, |id, own| {
		let signed = |who: AccountId| RuntimeOrigin::signed(who);
		assert_noop!(
			Market::claim_job(signed(provider()), id, other, 0, u64::MAX),
			Error::<Test>::OtherOrder
		);
		assert_noop!(Market::cancel_job(signed(requester()), id, other), Error::<Test>::OtherOrder);
		assert_ok!(Market::claim_job(signed(provider()), id, own, 0, u64::MAX));
		assert_noop!(Market::give_back(signed(provider()), id, other), Error::<Test>::OtherOrder);
		assert_noop!(Market::cancel_job(signed(requester()), id, other), Error::<Test>::OtherOrder);
		let commitment = result_hash(id, &provider(), &right());
		assert_noop!(
			Market::commit_result(signed(provider()), id, other, commitment, None),
			Error::<Test>::OtherOrder
		);
		let checkpoints = Checkpoints { manifest: [0; 32], digest: [0; 32] };
		assert_noop!(
			Market::commit_result(signed(provider()), id, other, commitment, Some(checkpoints)),
			Error::<Test>::OtherOrder
		);
		assert_ok!(Market::commit_result(signed(provider()), id, own, commitment, None));
		roll_past_deadline(id);
		commit_wanted(id, &right());
		close(id);
		let (root, opening) = (right().root(), right().opening());
		assert_noop!(
			Market::reveal_result(signed(provider()), id, other, root, SALT, opening.clone(), None),
			Error::<Test>::OtherOrder
		);
		assert_noop!(
			Market::reveal_result(
				signed(provider()),
				id,
				other,
				root,
				SALT,
				opening.clone(),
				Some(SegmentsOpening::default())
			),
			Error::<Test>::OtherOrder
		);
		assert_ok!(Market::reveal_result(signed(provider()), id, own, root, SALT, opening, None));
		roll_past_deadline(id);
		assert_noop!(
			Market::request_audit(signed(requester()), id, other),
			Error::<Test>::OtherOrder
		);
		assert_eq!(phase(id), Phase::Challengeable);
	});
}

#[test]
fn verifiers_call_should_be_refused_when_its_order_is_of_another_fork() {
	let [_, other] = orders();
	on_fork(0, |id, own| {
		let refused = invalid(InvalidTransaction::Custom(crate::refusal::OTHER_ORDER));
		let send = |id: JobId, order: Hash, who: &AccountId, action: VerifierAction| {
			let key = pair(&seed_of(who));
			let genesis = Market::genesis_hash();
			use assay_market::verifier::signing_payload;
			use sp_core::Pair;
			let signature = key.sign(&signing_payload(&genesis, id, &order, who, 0, &action));
			(
				apply(call_of_order(id, order, who, action.clone(), None, signature.clone())),
				// Signed for the other fork, sent as if for this one.
				apply(call_of_order(id, own, who, action, None, signature)),
			)
		};
		assert_ok!(claim(id, provider()));
		assert_ok!(commit_result(id, &right()));
		roll_past_deadline(id);
		let who = winners(id)[0].clone();
		let ticket = ticket(id, &who);
		let commitment = [1; 32];
		let reason = assay_market::AbstainReason::Other;
		let bad_proof = invalid(InvalidTransaction::BadProof);
		for action in [
			VerifierAction::CommitVerdict { commitment, ticket },
			VerifierAction::Abstain { reason, ticket },
		] {
			assert_eq!(send(id, other, &who, action), (refused, bad_proof));
		}
		for who in &winners(id)[..3] {
			assert_ok!(commit(id, who, &right()));
		}
		close(id);
		let origin = RuntimeOrigin::signed(provider());
		let opening = right().opening();
		assert_ok!(Market::reveal_result(origin, id, own, right().root(), SALT, opening, None));
		let reveal =
			VerifierAction::RevealVerdict { run_root: right().root(), salt: SALT, chunks: false };
		assert_eq!(send(id, other, &seated(id)[0], reveal), (refused, bad_proof));
		let keeper = pending(id, Purpose::Keep)[0].clone();
		let drawn_at = Market::drawn_at(id, Purpose::Keep, &keeper);
		let kept = VerifierAction::AttestOutputs { ok: true, drawn_at };
		assert_eq!(send(id, other, &keeper, kept), (refused, bad_proof));
	});
}

/// What is hidden for one fork cannot be opened on the other.
#[test]
fn commitments_should_be_of_one_fork_alone() {
	let [one, other] = orders();
	let genesis = [0x45; 32];
	let of = |order: &Hash| {
		result_commitment(&genesis, order, provider().as_ref(), &right().root(), &SALT)
	};
	assert_ne!(of(&one), of(&other));
	on_fork(0, |id, _| {
		assert_ok!(claim(id, provider()));
		let bytes = provider();
		let genesis = Market::genesis_hash();
		let foreign = result_commitment(&genesis, &other, bytes.as_ref(), &right().root(), &SALT);
		let origin = RuntimeOrigin::signed(provider());
		assert_ok!(Market::commit_result(origin, id, order(id), foreign, None));
		roll_past_deadline(id);
		commit_wanted(id, &right());
		close(id);
		assert_noop!(reveal_result(id, &right()), Error::<Test>::CommitmentMismatch);
	});
}
