//! `attest_inputs`.

use super::*;

fn post_drawn() -> (assay_market::JobId, Vec<AccountId>) {
	let id = post(standard());
	roll_past_deadline(id);
	(id, pending(id, Purpose::Attest))
}

#[test]
fn attest_inputs_should_open_the_job_when_the_quorum_is_reached() {
	ExtBuilder::default().build_and_execute(|| {
		let (id, drawn) = post_drawn();
		assert_ok!(attest(id, &drawn[0], true));
		assert_eq!(phase(id), Phase::Posted);
		assert_ok!(attest(id, &drawn[2], true));
		assert_eq!(phase(id), Phase::Open);
		assert_emitted!(Event::InputsAttested { job: id, account: drawn[0].clone(), ok: true });
		assert_eq!(attest(id, &drawn[0], true), invalid(InvalidTransaction::Stale));
	});
}

/// It was drawn, and has fetched the inputs as the others have.
#[test]
fn attest_inputs_should_count_until_its_deadline_when_the_quorum_is_reached() {
	for phases in 0..3 {
		ExtBuilder::default().build_and_execute(|| {
			let (id, drawn) = post_drawn();
			let last = job(id).deadline;
			assert_ok!(attest(id, &drawn[0], true));
			assert_ok!(attest(id, &drawn[2], true));
			if phases > 0 {
				assert_ok!(claim(id, provider()));
			}
			if phases > 1 {
				assert_ok!(commit_result(id, &right()));
			}
			let before = job(id);
			roll_to(last);
			if phases < 2 {
				assert_ok!(attest(id, &drawn[1], true));
				assert_eq!(job(id), before, "nothing but its own seat changes");
				roll(1);
			} else {
				roll(1);
				assert_eq!(attest(id, &drawn[1], true), invalid(InvalidTransaction::Stale));
			}
			if phases == 0 {
				assert_ok!(cancel(id, requester()));
				let merit = [Outcome::VerifierAttested];
				assert!(drawn.iter().all(|who| outcomes(who) == merit));
			}
		});
	}
}

#[test]
fn attest_inputs_should_end_the_job_when_the_quorum_is_out_of_reach() {
	ExtBuilder::default().build_and_execute(|| {
		let (id, drawn) = post_drawn();
		assert_ok!(attest(id, &drawn[0], false));
		assert_eq!(phase(id), Phase::Posted);
		assert_ok!(attest(id, &drawn[1], false));
		// In the next block, so that no call has to pay for the end.
		assert_eq!((phase(id), job(id).deadline), (Phase::Posted, now()));
		roll(1);
		assert_eq!(ending(id), (Phase::Failed, Some(ReasonCode::InputsUnavailable)));
		assert_eq!(outcomes(&drawn[2]), [], "its time was not over");
		assert_eq!(free(&requester()), BALANCE);
		assert_eq!(outcomes(&requester()), [Outcome::RequesterInputsUnavailable]);
	});
}

#[test]
fn attest_inputs_should_be_refused_when_said_twice_or_by_another() {
	ExtBuilder::default().build_and_execute(|| {
		let (id, drawn) = post_drawn();
		assert_ok!(attest(id, &drawn[0], true));
		assert_eq!(attest(id, &drawn[0], false), invalid(InvalidTransaction::Stale));
		let other =
			(0..5).map(verifier).find(|who| !drawn.contains(who)).expect("five, three drawn");
		assert_eq!(
			attest(id, &other, true),
			invalid(InvalidTransaction::Custom(crate::refusal::NOT_DRAWN))
		);
		assert_eq!(
			attest(id + 1, &drawn[1], true),
			invalid(InvalidTransaction::Custom(crate::refusal::UNKNOWN_JOB))
		);
	});
}

#[test]
fn attest_inputs_should_ask_for_all_when_fewer_than_the_quorum_are_drawn() {
	ExtBuilder::default().verifiers(1).build_and_execute(|| {
		let (id, drawn) = post_drawn();
		assert_eq!(drawn.len(), 1);
		assert_ok!(attest(id, &drawn[0], true));
		assert_eq!(phase(id), Phase::Open);
	});
}
